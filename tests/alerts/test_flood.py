from __future__ import annotations

import math
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from pipeline.alerts.decision import Decision
from pipeline.alerts.evidence import Rain
from pipeline.alerts.flood import decide_flood
from pipeline.alerts.headlines import compose_headline
from pipeline.alerts.levels import Level
from tests.alerts.alert_cases import (
    CITY,
    DRY,
    NAN,
    RULES,
    STATION,
    T0,
    UNKNOWN_RAIN,
    flood,
    night,
    pluvial,
    river,
)

HEAVY = Rain(return_period_years=6.0, pluvial_index=1.4)


@pytest.mark.parametrize(
    ("p7", "p5", "p2", "stage_m", "change_1d_m", "level"),
    [
        (0.24, 0.0, 0.0, 9.0, 0.0, Level.NONE),
        (0.25, 0.0, 0.0, 9.0, 0.0, Level.WATCH),
        (0.39, 0.39, 0.0, 9.0, 0.0, Level.WATCH),
        (0.40, 0.40, 0.0, 9.0, 0.0, Level.WARNING),
        (0.69, 0.69, 0.69, 9.0, 0.0, Level.WARNING),
        (0.70, 0.70, 0.70, 9.0, 0.0, Level.EMERGENCY),
        (0.0, 0.0, 0.0, 11.49, 0.5, Level.NONE),
        (0.0, 0.0, 0.0, 11.50, 0.10, Level.WATCH),
        (0.0, 0.0, 0.0, 11.50, 0.11, Level.WARNING),
        (0.0, 0.0, 0.0, 11.50, NAN, Level.WARNING),
        (0.0, 0.0, 0.0, 12.50, -0.3, Level.EMERGENCY),
    ],
)
def test_first_run_raises_at_each_threshold(  # noqa: PLR0917
    p7: float, p5: float, p2: float, stage_m: float, change_1d_m: float, level: Level
) -> None:
    decision = flood(p7, p5, p2, stage_m=stage_m, change_1d_m=change_1d_m)
    assert decision.level is decision.in_force is level
    assert decision.state.level is level


@pytest.mark.parametrize(
    ("stage_m", "age_h", "tier", "p7", "missing"),
    [
        (9.0, 48.1, "full", 0.0, ("stage",)),
        (NAN, None, "no_rain", 0.0, ("stage", "no_rain")),
        (9.0, 0.5, "climatology", 0.9, ("forecast",)),
        (NAN, None, "climatology", 0.9, ("stage", "forecast")),
        (9.0, 0.5, "full", NAN, ("forecast",)),
        (13.0, 24 * 7 + 1.0, "climatology", 0.0, ("stage", "forecast")),
    ],
)
def test_too_little_evidence_is_unknown(
    stage_m: float, age_h: float | None, tier: str, p7: float, missing: tuple[str, ...]
) -> None:
    decision = flood(p7, stage_m=stage_m, age_h=age_h, tier=tier)
    assert decision.level is decision.in_force is Level.UNKNOWN
    assert (decision.certainty, decision.severity) == ("Unknown", "Unknown")
    assert decision.missing == missing
    assert decision.state.level is Level.UNKNOWN


def test_no_forecast_at_all_is_unknown() -> None:
    decision = decide_flood(
        CITY, issue_time=T0, station=STATION, river=None, rain=UNKNOWN_RAIN, state=None, rules=RULES
    )
    assert decision.level is Level.UNKNOWN
    assert decision.missing == ("stage", "forecast", "rain")


def test_partial_evidence_raises_with_certainty_possible() -> None:
    stale = flood(0.9, 0.9, 0.9, age_h=50.0)
    assert (stale.level, stale.certainty) == (Level.EMERGENCY, "Possible")
    above = flood(stage_m=12.6, age_h=50.0, tier="climatology")
    assert (above.level, above.certainty) == (Level.EMERGENCY, "Possible")
    wet = flood(NAN, NAN, NAN, stage_m=NAN, age_h=None, rain=HEAVY)
    assert (wet.level, wet.reasons) == (Level.WATCH, ("rain",))


def lines(decision: Decision) -> tuple[str, str | None, str | None]:
    """Level, and what the river and the rain say by themselves."""
    river, rain = decision.river_level, decision.rain_level
    return decision.level.value, river and river.value, rain and rain.value


def test_none_needs_the_river_and_the_rain() -> None:
    calm = flood()
    assert lines(calm) == ("none", "none", "none")
    blind = flood(rain=UNKNOWN_RAIN)
    assert lines(blind) == ("unknown", "none", "unknown")
    assert (blind.in_force, blind.missing) == (Level.UNKNOWN, ("rain",))
    assert lines(flood(age_h=50.0)) == ("unknown", "unknown", "none")
    assert lines(pluvial(1.0)) == ("none", None, "none")
    assert lines(pluvial(NAN)) == ("unknown", None, "unknown")
    assert compose_headline(blind, event=blind.in_force, status="Actual") == (
        "Flood: no warning from the river for Vientiane; rain is not assessed"
    )
    stale = flood(age_h=50.0)
    headline = compose_headline(stale, event=stale.in_force, status="Exercise")
    assert headline == "EXERCISE. Flood: not assessed for Vientiane"


@pytest.mark.parametrize("number", range(10))
def test_missing_rain_hides_no_alarm_of_the_river(number: int) -> None:
    for values, expected in (((0.9,), "watch"), ((0.6, 0.6), "warning"), ((0.8,) * 3, "emergency")):
        state = None
        for night_before in range(number + 1):
            decision = flood(*values, number=night_before, state=state, rain=UNKNOWN_RAIN)
            state = decision.state
        assert lines(decision) == (expected, expected, "unknown")


def test_each_line_raises_by_itself() -> None:
    assert lines(flood(rain=HEAVY)) == ("watch", "none", "watch")
    assert lines(flood(0.6, 0.6, rain=HEAVY)) == ("warning", "warning", "watch")
    assert lines(flood(NAN, NAN, NAN, stage_m=NAN, age_h=None, rain=HEAVY)) == (
        "watch", "unknown", "watch",
    )  # fmt: skip


def test_rain_of_suspect_files_may_raise_and_calms_nothing() -> None:
    dry = replace(DRY, suspect=True)
    assert lines(flood(rain=dry)) == ("unknown", "none", "unknown")
    assert flood(rain=dry).missing == ("suspect",)
    assert lines(flood(rain=replace(HEAVY, suspect=True))) == ("watch", "none", "watch")
    watch = flood(rain=HEAVY)
    for number in (1, 2, 3):
        watch = flood(number=number, state=watch.state, rain=dry)
        assert watch.level is Level.WATCH, "what is suspect does not end it"


def test_watch_on_rain_waits_for_the_rain_to_be_known() -> None:
    decision = flood(rain=HEAVY)
    for number in (1, 2, 3):
        decision = flood(number=number, state=decision.state, rain=UNKNOWN_RAIN)
        assert decision.level is Level.WATCH
    first = flood(number=4, state=decision.state, rain=DRY)
    assert flood(number=5, state=first.state, rain=DRY).level is Level.NONE


def test_without_rain_the_river_lowers_to_a_watch_that_stays_in_force() -> None:
    emergency = flood(0.9, 0.9, 0.9)
    first = flood(number=1, state=emergency.state, rain=UNKNOWN_RAIN)
    second = flood(number=2, state=first.state, rain=UNKNOWN_RAIN)
    assert (first.level, second.level, second.in_force) == (
        Level.EMERGENCY,
        Level.UNKNOWN,
        Level.WATCH,
    )
    assert lines(second) == ("unknown", "none", "unknown")
    again = flood(0.3, number=3, state=second.state, rain=UNKNOWN_RAIN)
    assert again.level is Level.WATCH, "the Emergency does not come back"
    quiet = flood(number=3, state=second.state, rain=UNKNOWN_RAIN)
    assert (quiet.level, quiet.in_force) == (Level.UNKNOWN, Level.WATCH)
    assert flood(number=4, state=quiet.state).level is Level.NONE, "the rain is known again"


def test_city_without_a_gauge() -> None:
    assert pluvial(NAN).level is Level.UNKNOWN
    calm = pluvial(4.9)
    assert (calm.level, calm.missing) == (Level.NONE, ("gauge",))
    watch = pluvial(5.0, number=1, state=calm.state)
    assert (watch.level, watch.reasons) == (Level.WATCH, ("rain",))
    lost = pluvial(NAN, number=2, state=watch.state)
    assert (lost.level, lost.in_force) == (Level.UNKNOWN, Level.WATCH)
    near = pluvial(3.0, number=3, state=lost.state)
    assert near.level is Level.WATCH
    first = pluvial(2.9, number=4, state=near.state)
    second = pluvial(1.0, number=5, state=first.state)
    assert (first.level, second.level) == (Level.WATCH, Level.NONE)


def test_level_of_a_gauge_that_was_lost_does_not_stick() -> None:
    warning = flood(0.6, 0.6)
    assert pluvial(1.0, number=1, state=warning.state).level is Level.WATCH


def test_cap_values() -> None:
    def cap_values(decision: Decision) -> tuple[str, str, str]:
        return decision.urgency, decision.severity, decision.certainty

    assert cap_values(flood(0.9)) == ("Future", "Moderate", "Likely")
    assert cap_values(flood(0.5)) == ("Future", "Moderate", "Possible")
    assert cap_values(flood(stage_m=11.5)) == ("Future", "Moderate", "Observed")
    assert cap_values(flood(0.6, 0.6, stage_m=11.5)) == ("Expected", "Severe", "Likely")
    assert cap_values(pluvial(5.0)) == ("Future", "Moderate", "Observed")
    assert cap_values(flood()) == ("Unknown", "Unknown", "Unknown")
    assert cap_values(flood(0.5, 0.5)) == ("Expected", "Severe", "Possible")
    assert cap_values(flood(0.51, 0.51)) == ("Expected", "Severe", "Likely")
    assert cap_values(flood(0.8, 0.8, 0.8)) == ("Immediate", "Severe", "Likely")
    assert cap_values(flood(stage_m=12.5)) == ("Immediate", "Severe", "Observed")
    extreme = Rain(return_period_years=20.0, pluvial_index=2.0)
    assert cap_values(flood(0.8, 0.8, 0.8, rain=extreme)) == ("Immediate", "Extreme", "Likely")


def test_onset_and_window() -> None:
    watch = flood(0.3)
    assert watch.onset == datetime(2026, 8, 27, tzinfo=UTC)
    assert watch.valid_to == T0 + timedelta(days=7)
    warning = flood(0.5, 0.5)
    assert (warning.onset, warning.probability) == (datetime(2026, 8, 25, tzinfo=UTC), 0.5)
    observed = flood(stage_m=12.5)
    assert (observed.onset, observed.valid_to) == (T0, T0 + timedelta(days=2))
    assert flood().onset is None


def test_the_day_on_which_the_river_is_below_the_mark_again() -> None:
    def ending(*medians: float, stage_m: float = 9.0) -> datetime | None:
        given = river(stage_m=stage_m, p_alarm=(0.9,) * 7)
        leads = tuple(
            replace(lead, q50_m=median) for lead, median in zip(given.leads, medians, strict=True)
        )
        decision = decide_flood(
            CITY,
            issue_time=T0,
            station=STATION,
            river=replace(given, leads=leads),
            rain=DRY,
            state=None,
            rules=RULES,
        )
        assert decision.in_force is Level.WATCH
        return decision.ending_time

    day = datetime(2026, 8, 20, tzinfo=UTC)
    rise_and_fall = (11.0, 11.5, 12.0, 11.6, 11.4, 11.3, 11.2)
    assert ending(*rise_and_fall) == day + timedelta(days=5), "11.4 m, alarm stage is 11.5 m"
    assert ending(11.4, 11.3, 11.2, 11.1, 11.0, 10.9, 10.8, stage_m=11.6) == day + timedelta(days=1)
    assert ending(11.4, 11.6, 11.4, 11.6, 11.6, 11.6, 11.6) is None, "not within the week"
    assert ending(9.1, 9.2, 9.3, 9.4, 9.5, 9.6, 9.7) is None, "not expected at all"


def test_a_watch_that_the_river_raised_too_does_not_end_with_the_rain() -> None:
    both = flood(0.3, rain=HEAVY)
    assert (both.state.on_rain, both.state.on_river) == (True, True)
    decision = both
    for number in (1, 2, 3):
        decision = flood(number=number, state=decision.state, age_h=60.0, rain=UNKNOWN_RAIN)
    assert (decision.level, decision.in_force) == (Level.UNKNOWN, Level.WATCH)
    rain = flood(0.1, rain=HEAVY)
    assert (rain.state.on_rain, rain.state.on_river) == (True, False)
    assert math.isnan(rain.probability), "0.1 is the river's, which did not raise it"
    assert both.probability == 0.3
    first = flood(number=1, state=rain.state, age_h=60.0, rain=UNKNOWN_RAIN)
    second = flood(number=2, state=first.state, age_h=60.0, rain=UNKNOWN_RAIN)
    assert (first.in_force, second.in_force) == (Level.WATCH, Level.UNKNOWN)


def test_a_level_of_a_gauge_that_was_lost_stays_in_force_while_rain_is_not_known() -> None:
    first = flood(0.9, 0.9, 0.9, rain=HEAVY)
    state = first.state
    for number in range(1, 7):
        lost = pluvial(NAN, number=number, state=state)
        assert (lost.level, lost.in_force) == (Level.UNKNOWN, Level.EMERGENCY)
        assert lost.state.on_river, "rain alone raises no Emergency"
        state = lost.state
    assert pluvial(NAN, number=7, state=state).in_force is Level.UNKNOWN


def test_the_onset_is_not_after_the_day_below_the_mark_again() -> None:
    """The median is above flood stage from day 1 to 2; the probability reaches 0.7 on day 4."""
    given = river(p_alarm=(0.9,) * 7, p_flood=(0.55, 0.6, 0.65, 0.7, 0.7, 0.7, 0.7))
    medians = (12.6, 12.5, 12.0, 11.8, 11.6, 11.4, 11.2)
    leads = tuple(
        replace(lead, q50_m=median) for lead, median in zip(given.leads, medians, strict=True)
    )
    decision = decide_flood(
        CITY,
        issue_time=night(1),
        station=STATION,
        river=replace(given, issue_time=night(1), leads=leads),
        rain=DRY,
        state=flood(0.9, 0.9, 0.9).state,
        rules=RULES,
    )
    assert decision.in_force is Level.EMERGENCY
    day = datetime(2026, 8, 20, tzinfo=UTC)
    assert (decision.onset, decision.ending_time) == (
        day + timedelta(days=1),
        day + timedelta(days=3),
    )


def test_climatology_has_no_onset() -> None:
    warned = flood(0.9, 0.9, 0.9).state
    held = flood(0.9, 0.9, 0.9, number=1, state=warned, tier="climatology")
    assert (held.in_force, held.onset) == (Level.EMERGENCY, None)

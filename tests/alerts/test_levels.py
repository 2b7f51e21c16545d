from __future__ import annotations

import json
import math
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.alerts.alert_state import AlertState, restore_state
from pipeline.alerts.decision import Decision
from pipeline.alerts.drought import confirmed_class
from pipeline.alerts.evidence import Drought, Rain, River
from pipeline.alerts.flood import decide_flood
from pipeline.alerts.levels import ORDER, Level
from pipeline.alerts.text import compose_headline
from tests.alerts.alert_cases import (
    CITY,
    DRY,
    NAN,
    STATION,
    T0,
    UNKNOWN_RAIN,
    drought,
    dry_spell,
    flood,
    night,
    pluvial,
    ramp,
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


def test_rising_is_judged_by_the_reach() -> None:
    pakse = replace(STATION, code="013901")
    kratie = replace(STATION, code="014901")
    found = [
        decide_flood(
            CITY,
            issue_time=T0,
            station=station,
            river=river(station=station.code, stage_m=11.6, change_1d_m=change),
            rain=DRY,
            state=None,
        ).level
        for station, change in ((pakse, 0.05), (pakse, 0.06), (kratie, 0.03), (kratie, 0.04))
    ]
    assert found == [Level.WATCH, Level.WARNING, Level.WATCH, Level.WARNING]


def test_second_run_needs_confirmation_or_margin() -> None:
    calm = flood(number=0)
    once = flood(0.30, number=1, state=calm.state)
    twice = flood(0.25, number=2, state=once.state)
    assert (once.level, twice.level) == (Level.NONE, Level.WATCH)
    assert flood(0.39, number=1, state=calm.state).level is Level.NONE
    assert flood(0.40, number=1, state=calm.state).level is Level.WATCH  # 0.25 + 0.15
    broken = flood(0.20, number=2, state=once.state)
    assert flood(0.30, number=3, state=broken.state).level is Level.NONE


def test_margin_of_warning_and_emergency() -> None:
    calm = flood(number=0).state
    assert flood(0.54, 0.54, number=1, state=calm).level is Level.WATCH
    assert flood(0.55, 0.55, number=1, state=calm).level is Level.WARNING
    assert flood(0.84, 0.84, 0.84, number=1, state=calm).level is Level.WARNING
    assert flood(0.85, 0.85, 0.85, number=1, state=calm).level is Level.EMERGENCY


def test_observation_raises_at_once() -> None:
    calm = flood(number=0).state
    assert flood(number=1, state=calm, stage_m=12.5).level is Level.EMERGENCY
    assert flood(number=1, state=calm, stage_m=11.5, change_1d_m=0.2).level is Level.WARNING
    assert flood(number=1, state=calm, rain=HEAVY).level is Level.WATCH


def test_unknown_probability_keeps_the_count_up() -> None:
    calm = flood(number=0)
    once = flood(0.30, number=1, state=calm.state)
    lost = flood(NAN, NAN, NAN, number=2, state=once.state)
    assert lost.level is Level.UNKNOWN
    assert flood(0.30, number=3, state=lost.state).level is Level.WATCH


def test_lowering_takes_two_quiet_runs_and_a_low_stage() -> None:
    watch = flood(0.30, stage_m=11.3)
    one = flood(0.149, number=1, state=watch.state, stage_m=11.3)
    two = flood(0.149, number=2, state=one.state, stage_m=11.3)
    assert (one.level, two.level) == (Level.WATCH, Level.NONE)
    assert one.reasons == ("held",)
    assert two.reasons == ()


@pytest.mark.parametrize(("p7", "stage_m"), [(0.15, 11.3), (0.10, 11.31)])
def test_not_quiet_enough_is_held(p7: float, stage_m: float) -> None:
    decision = flood(0.30, stage_m=11.3)
    for number in (1, 2, 3):
        decision = flood(p7, number=number, state=decision.state, stage_m=stage_m)
        assert decision.level is Level.WATCH


def test_quiet_runs_must_be_in_a_row() -> None:
    watch = flood(0.30)
    one = flood(number=1, state=watch.state)
    loud = flood(0.20, number=2, state=one.state)
    three = flood(number=3, state=loud.state)
    four = flood(number=4, state=three.state)
    found = [one.level, loud.level, three.level, four.level]
    assert found == [Level.WATCH, Level.WATCH, Level.WATCH, Level.NONE]


def test_emergency_lowers_to_the_level_that_still_holds() -> None:
    first = flood(stage_m=12.5)
    near = flood(0.9, 0.3, 0.1, number=1, state=first.state, stage_m=12.31)
    assert near.level is Level.EMERGENCY
    one = flood(0.9, 0.3, 0.1, number=2, state=near.state, stage_m=12.3)
    two = flood(0.9, 0.3, 0.1, number=3, state=one.state, stage_m=12.2)
    assert (one.level, two.level) == (Level.EMERGENCY, Level.WARNING)


def test_emergency_drops_to_none_if_all_was_quiet() -> None:
    first = flood(0.7, 0.7, 0.7)
    one = flood(number=1, state=first.state)
    two = flood(number=2, state=one.state)
    assert (first.level, one.level, two.level) == (Level.EMERGENCY, Level.EMERGENCY, Level.NONE)


def test_after_an_outage_nothing_confirms_so_the_threshold_raises() -> None:
    calm = flood(number=0).state
    assert flood(0.26, number=2, state=calm).level is Level.NONE  # 48 h: one night lost
    assert flood(0.26, number=3, state=calm).level is Level.WATCH
    watch = flood(0.30)
    one = flood(number=1, state=watch.state)
    assert flood(number=4, state=one.state).level is Level.WATCH


def test_a_level_decided_before_a_long_outage_holds_nothing() -> None:
    emergency = flood(0.9, 0.9, 0.9)
    assert flood(number=7, state=emergency.state).level is Level.EMERGENCY
    after = flood(number=8, state=emergency.state)
    assert (after.level, after.in_force) == (Level.NONE, Level.NONE)
    blind = flood(number=8, state=emergency.state, stage_m=math.nan)
    assert (blind.level, blind.in_force) == (Level.UNKNOWN, Level.UNKNOWN)


def test_memory_of_the_same_or_a_later_run_is_refused() -> None:
    later = flood(number=1).state
    with pytest.raises(ValueError, match="memory of a run before"):
        flood(number=1, state=later)


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
        CITY, issue_time=T0, station=STATION, river=None, rain=UNKNOWN_RAIN, state=None
    )
    assert decision.level is Level.UNKNOWN
    assert decision.missing == ("stage", "forecast", "rain")


def test_48_hours_is_still_fresh() -> None:
    assert flood(age_h=48.0).level is Level.NONE


def test_partial_evidence_raises_with_certainty_possible() -> None:
    stale = flood(0.9, 0.9, 0.9, age_h=50.0)
    assert (stale.level, stale.certainty) == (Level.EMERGENCY, "Possible")
    above = flood(stage_m=12.6, age_h=50.0, tier="climatology")
    assert (above.level, above.certainty) == (Level.EMERGENCY, "Possible")
    wet = flood(NAN, NAN, NAN, stage_m=NAN, age_h=None, rain=HEAVY)
    assert (wet.level, wet.reasons) == (Level.WATCH, ("rain",))


def test_partial_evidence_never_lowers() -> None:
    warning = flood(0.6, 0.6)
    lost = flood(number=1, state=warning.state, age_h=60.0)
    again = flood(number=2, state=lost.state, age_h=84.0)
    assert (lost.level, lost.in_force) == (Level.UNKNOWN, Level.WARNING)
    assert (again.level, again.in_force) == (Level.UNKNOWN, Level.WARNING)
    assert (lost.urgency, lost.severity, lost.certainty) == ("Expected", "Severe", "Unknown")
    lower = flood(0.9, number=1, state=warning.state, age_h=60.0)  # speaks for a Watch only
    assert (lower.level, lower.in_force) == (Level.UNKNOWN, Level.WARNING)
    back = flood(number=3, state=again.state)
    assert back.level is Level.WARNING
    assert flood(number=4, state=back.state).level is Level.NONE


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
    assert compose_headline(blind, event=blind.in_force) == (
        "Flood: no warning from the river for Vientiane; rain is not assessed"
    )
    stale = flood(age_h=50.0)
    assert compose_headline(stale, event=stale.in_force) == "Flood: not assessed for Vientiane"


@pytest.mark.parametrize("number", range(10))
def test_missing_rain_hides_no_alarm_of_the_river(number: int) -> None:
    for values, expected in (((0.9,), "watch"), ((0.6, 0.6), "warning"), ((0.8,) * 3, "emergency")):
        state = None
        for night_before in range(number + 1):
            found = flood(*values, number=night_before, state=state, rain=UNKNOWN_RAIN)
            state = found.state
        assert lines(found) == (expected, expected, "unknown")


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


def test_a_drought_none_does_not_rest_on_suspect_files_alone() -> None:
    calm = dry_spell()
    assert drought(calm).level is Level.NONE
    found = drought(replace(calm, suspect=True))
    assert (found.level, found.in_force, found.missing) == (
        Level.UNKNOWN, Level.UNKNOWN, ("suspect",),
    )  # fmt: skip
    assert drought(replace(dry_spell(now=2), suspect=True)).level is Level.WARNING
    assert (found.river_level, found.rain_level) == (None, None)


def test_watch_on_rain_waits_for_the_rain_to_be_known() -> None:
    decision = flood(rain=HEAVY)
    for number in (1, 2, 3):
        decision = flood(number=number, state=decision.state, rain=UNKNOWN_RAIN)
        assert decision.level is Level.WATCH
    one = flood(number=4, state=decision.state, rain=DRY)
    assert flood(number=5, state=one.state, rain=DRY).level is Level.NONE


def test_without_rain_the_river_lowers_to_a_watch_that_stays_in_force() -> None:
    emergency = flood(0.9, 0.9, 0.9)
    one = flood(number=1, state=emergency.state, rain=UNKNOWN_RAIN)
    two = flood(number=2, state=one.state, rain=UNKNOWN_RAIN)
    assert (one.level, two.level, two.in_force) == (Level.EMERGENCY, Level.UNKNOWN, Level.WATCH)
    assert lines(two) == ("unknown", "none", "unknown")
    again = flood(0.3, number=3, state=two.state, rain=UNKNOWN_RAIN)
    assert again.level is Level.WATCH, "the Emergency does not come back"
    quiet = flood(number=3, state=two.state, rain=UNKNOWN_RAIN)
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
    one = pluvial(2.9, number=4, state=near.state)
    two = pluvial(1.0, number=5, state=one.state)
    assert (one.level, two.level) == (Level.WATCH, Level.NONE)


def test_gauge_without_thresholds_counts_as_none() -> None:
    bare = replace(STATION, alarm_m=None, flood_m=None)
    decision = decide_flood(
        CITY, issue_time=T0, station=bare, river=river(stage_m=535.9), rain=DRY, state=None
    )
    assert (decision.level, decision.missing, decision.river) == (Level.NONE, ("gauge",), None)


def test_level_of_a_gauge_that_was_lost_does_not_stick() -> None:
    warning = flood(0.6, 0.6)
    assert pluvial(1.0, number=1, state=warning.state).level is Level.WATCH


def test_words_of_cap() -> None:
    def words(decision: Decision) -> tuple[str, str, str]:
        return decision.urgency, decision.severity, decision.certainty

    assert words(flood(0.9)) == ("Future", "Moderate", "Possible")
    assert words(flood(0.5, 0.5)) == ("Expected", "Severe", "Possible")
    assert words(flood(0.51, 0.51)) == ("Expected", "Severe", "Likely")
    assert words(flood(0.8, 0.8, 0.8)) == ("Immediate", "Severe", "Likely")
    assert words(flood(stage_m=12.5)) == ("Immediate", "Severe", "Observed")
    extreme = Rain(return_period_years=20.0, pluvial_index=2.0)
    assert words(flood(0.8, 0.8, 0.8, rain=extreme)) == ("Immediate", "Extreme", "Likely")


def test_onset_and_window() -> None:
    watch = flood(0.3)
    assert watch.onset == datetime(2026, 8, 27, tzinfo=UTC)
    assert watch.valid_to == T0 + timedelta(days=7)
    warning = flood(0.5, 0.5)
    assert (warning.onset, warning.probability) == (datetime(2026, 8, 25, tzinfo=UTC), 0.5)
    seen = flood(stage_m=12.5)
    assert (seen.onset, seen.valid_to) == (T0, T0 + timedelta(days=2))
    assert flood().onset is None


@pytest.mark.parametrize(
    ("p_alarm", "p_flood", "match"),
    [
        ((0.2,) * 7, (0.3,) * 7, "P\\(flood\\) <= P\\(alarm\\)"),
        ((0.5, 0.4, 0.5, 0.5, 0.5, 0.5, 0.5), (0.0,) * 7, "do not fall"),
        ((1.1,) * 7, (0.0,) * 7, "a probability"),
    ],
)
def test_incoherent_probabilities_are_refused(
    p_alarm: tuple[float, ...], p_flood: tuple[float, ...], match: str
) -> None:
    with pytest.raises(ValueError, match=match):
        river(p_alarm=p_alarm, p_flood=p_flood)


def test_contradictions_are_refused() -> None:
    with pytest.raises(ValueError, match="expected a forecast for 011901"):
        decide_flood(
            CITY,
            issue_time=T0,
            station=STATION,
            river=river(station="013901"),
            rain=DRY,
            state=None,
        )
    with pytest.raises(ValueError, match="expected a reading before"):
        flood(age_h=-1.0)
    with pytest.raises(ValueError, match="alarm <= flood"):
        decide_flood(
            CITY,
            issue_time=T0,
            station=replace(STATION, alarm_m=13.0),
            river=None,
            rain=DRY,
            state=None,
        )


unit = st.floats(0.0, 1.0)
stages = st.one_of(st.just(NAN), st.floats(8.0, 14.0))


@given(
    before=st.lists(st.tuples(unit, unit, unit, stages), max_size=3),
    low=st.tuples(unit, unit, unit),
    more=st.tuples(unit, unit, unit),
    stage_m=stages,
)
def test_a_higher_probability_never_lowers_the_level(
    before: list[tuple[float, float, float, float]],
    low: tuple[float, float, float],
    more: tuple[float, float, float],
    stage_m: float,
) -> None:
    state = None
    for number, (a, b, c, stage) in enumerate(before):
        p2, p5, p7 = sorted((a, b, c))
        state = flood(p7, p5, p2, number=number, state=state, stage_m=stage).state
    p2, p5, p7 = sorted(low)
    q2, q5, q7 = sorted(max(a, b) for a, b in zip(sorted(low), sorted(more), strict=True))
    less = flood(p7, p5, p2, number=9, state=state, stage_m=stage_m)
    raised = flood(q7, q5, q2, number=9, state=state, stage_m=stage_m)
    order = (Level.UNKNOWN, *ORDER)
    if Level.UNKNOWN not in (less.level, raised.level):
        assert order.index(raised.level) >= order.index(less.level)
    assert order.index(raised.in_force) >= order.index(less.in_force)


@given(steps=st.lists(st.tuples(unit, stages, st.booleans()), min_size=1, max_size=6))
def test_none_is_only_said_on_sufficient_evidence(
    steps: list[tuple[float, float, bool]],
) -> None:
    state = None
    for number, (p, stage_m, stale) in enumerate(steps):
        age_h = 60.0 if stale else 0.5
        decision = flood(p, number=number, state=state, stage_m=stage_m, age_h=age_h)
        if decision.level is Level.NONE:
            assert stage_m < 11.5
            assert not stale
        state = AlertState.from_dict(json.loads(json.dumps(decision.state.to_dict())))
        assert state == decision.state


@pytest.mark.parametrize(
    ("given_", "level"),
    [
        (dry_spell(), Level.NONE),
        (dry_spell(0.49), Level.NONE),
        (dry_spell(0.50), Level.WATCH),
        (dry_spell(0.5, 0.5), Level.WARNING),
        (dry_spell(0.5, 0.5, 0.5), Level.EMERGENCY),
        (dry_spell(now=0), Level.NONE),
        (dry_spell(now=1), Level.WATCH),
        (dry_spell(now=2), Level.WARNING),
        (dry_spell(now=3), Level.EMERGENCY),
        (dry_spell(cdi="watch"), Level.WATCH),
        (dry_spell(cdi="warning"), Level.WARNING),
        (dry_spell(cdi="alert"), Level.WARNING),
        (dry_spell(now=None), Level.UNKNOWN),
        (dry_spell(cdi="unknown"), Level.UNKNOWN),
        (dry_spell(NAN, NAN, NAN), Level.UNKNOWN),
        (dry_spell(0.9, tier="climatology"), Level.UNKNOWN),
        (dry_spell(0.9, now=None), Level.WATCH),
        (None, Level.UNKNOWN),
    ],
)
def test_drought_levels(given_: Drought | None, level: Level) -> None:
    assert drought(given_).level is level


def test_drought_hysteresis() -> None:
    calm = drought(dry_spell())
    assert drought(dry_spell(0.6), number=1, state=calm.state).level is Level.NONE
    assert drought(dry_spell(0.65), number=1, state=calm.state).level is Level.WATCH
    watch = drought(dry_spell(now=1))
    one = drought(dry_spell(0.29), number=1, state=watch.state)
    two = drought(dry_spell(0.29), number=2, state=one.state)
    assert (one.level, two.level) == (Level.WATCH, Level.NONE)
    lost = drought(None, number=1, state=watch.state)
    assert (lost.level, lost.in_force) == (Level.UNKNOWN, Level.WATCH)


@pytest.mark.parametrize("month", [12, 1, 2, 3])
def test_no_alert_driven_by_spi1_in_the_dry_season(month: int) -> None:
    when = datetime(2026, month, 10, 0, 30, tzinfo=UTC)
    alone = dry_spell(now=3, cdi="watch", spi3=-0.2, soil=45.0)
    assert drought(alone, issue_time=when).level is Level.NONE
    shown = dry_spell(now=3, cdi="watch", spi3=-0.9, soil=45.0)
    assert drought(shown, issue_time=when).level is Level.WATCH
    soil = dry_spell(now=3, cdi="warning", spi3=NAN, soil=9.0)
    assert drought(soil, issue_time=when).level is Level.WARNING
    neither = dry_spell(now=3, cdi="watch", spi3=NAN, soil=NAN)
    assert drought(neither, issue_time=when).level is Level.UNKNOWN
    november = datetime(2026, 11, 10, 0, 30, tzinfo=UTC)
    assert drought(alone, issue_time=november).level is Level.EMERGENCY


def test_class_of_the_drier_index() -> None:
    assert confirmed_class(spi3=NAN, soil_moisture_percentile=NAN) is None
    assert confirmed_class(spi3=-0.49, soil_moisture_percentile=30.1) == -1
    assert confirmed_class(spi3=-0.5, soil_moisture_percentile=NAN) == 0
    assert confirmed_class(spi3=-1.0, soil_moisture_percentile=2.0) == 4


def test_drought_certainty_and_onset() -> None:
    seen = drought(dry_spell(now=2))
    assert (seen.urgency, seen.severity, seen.certainty) == ("Expected", "Severe", "Observed")
    assert seen.onset == T0
    ahead = drought(dry_spell(0.6, 0.6))
    assert (ahead.certainty, ahead.onset) == ("Likely", T0 + timedelta(weeks=1))


def test_drought_probabilities_must_fall_with_the_class() -> None:
    with pytest.raises(ValueError, match="fall with the class"):
        dry_spell(0.2, 0.3)


def rows() -> pd.DataFrame:
    p_alarm, p_flood = ramp(0.3, 0.1, 0.05)
    return pd.DataFrame(
        {
            "issue_time": pd.Timestamp("2026-08-20 00:30"),
            "station": "011901",
            "lead_days": [7, 6, 5, 4, 3, 2, 1],
            "valid_time": [
                pd.Timestamp("2026-08-20") + pd.Timedelta(days=k) for k in range(7, 0, -1)
            ],
            "q05": 8.0,
            "q50": [9.0, 9.3, 9.2, 9.1, 9.0, 8.9, 8.8],
            "q95": 10.0,
            "p_alarm_by": p_alarm[::-1],
            "p_flood_by": p_flood[::-1],
            "tier": "full",
            "drivers_cm": [{"upstream": 10.0}] * 7,
            "extrapolated": False,
            "stage_m": 8.7,
            "stage_time": pd.Timestamp("2026-08-20 00:00"),
            "model_version": "m1",
        }
    )


def test_river_from_rows() -> None:
    found = River.from_rows(rows(), change_1d_m=0.1)
    assert found.issue_time == T0
    assert [lead.days for lead in found.leads] == [1, 2, 3, 4, 5, 6, 7]
    assert (found.p_by("alarm", 7), found.p_by("flood", 2)) == (0.3, 0.05)
    assert found.peak is not None
    assert found.peak.days == 6
    assert found.stage_time == datetime(2026, 8, 20, tzinfo=UTC)
    empty = River.from_rows(rows().assign(stage_m=NAN, stage_time=None), change_1d_m=NAN)
    assert empty.stage_time is None
    with pytest.raises(ValueError, match="each lead once"):
        River.from_rows(pd.concat([rows(), rows()]), change_1d_m=0.0)
    with pytest.raises(ValueError, match="drivers"):
        River.from_rows(
            rows().assign(drivers_cm=pd.Series([{"own_H_lag3": 1.0}] * 7)), change_1d_m=0.0
        )


def test_drought_from_rows() -> None:
    table = pd.DataFrame(
        {
            "zone": "city:vientiane",
            "horizon_weeks": [4, 1, 12],
            "p_d0": 0.6,
            "p_d1": [0.4, 0.5, 0.3],
            "p_d2": 0.2,
            "p_d3": 0.1,
            "p_d4": 0.0,
            "current_class": "D1",
            "spi1": -1.0,
            "spi3": -0.9,
            "soil_moisture_percentile": 15.0,
            "vhi": NAN,
            "cdi": "watch",
            "tier": "full",
        }
    )
    found = Drought.from_rows(table)
    assert (found.current_class, found.p_class(1, 4)) == (1, 0.4)
    assert math.isnan(found.p_class(2, 8))
    assert Drought.from_rows(table.assign(current_class="none")).current_class == -1
    assert Drought.from_rows(table.assign(current_class=NAN)).current_class is None


def test_recall_takes_levels_from_before_and_messages_from_the_last_revision() -> None:
    before = flood(0.3).state
    revision = flood(number=1, state=before).state
    assert restore_state(None) is None
    assert restore_state(before.to_dict()) == before
    both = restore_state(before.to_dict(), revisions=[revision.to_dict()])
    assert both is not None
    assert (both.issue_time, both.level) == (night(0), Level.WATCH)
    first = restore_state(None, revisions=[before.to_dict()])
    assert first is not None
    assert (first.issue_time, first.level, first.sent) == (None, Level.UNKNOWN, before.sent)
    assert flood(0.26, number=0, state=first).level is Level.WATCH

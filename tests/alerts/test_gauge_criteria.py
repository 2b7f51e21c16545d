from __future__ import annotations

from dataclasses import replace

import pytest

from pipeline.alerts.flood import decide_flood
from pipeline.alerts.levels import Level
from tests.alerts.alert_cases import (
    CITY,
    DRY,
    RULES,
    STATION,
    T0,
    flood,
    ramp,
    river,
)


def test_rising_is_judged_by_the_reach() -> None:
    pakse = replace(STATION, code="013901")
    kratie = replace(STATION, code="014901")
    levels = [
        decide_flood(
            CITY,
            issue_time=T0,
            station=station,
            river=river(station=station.code, stage_m=11.6, change_1d_m=change),
            rain=DRY,
            state=None,
            rules=RULES,
        ).level
        for station, change in ((pakse, 0.05), (pakse, 0.06), (kratie, 0.03), (kratie, 0.04))
    ]
    assert levels == [Level.WATCH, Level.WARNING, Level.WATCH, Level.WARNING]


def test_48_hours_is_still_fresh() -> None:
    assert flood(age_h=48.0).level is Level.NONE


def test_gauge_without_thresholds_counts_as_none() -> None:
    bare = replace(STATION, alarm_m=None, flood_m=None)
    decision = decide_flood(
        CITY,
        issue_time=T0,
        station=bare,
        river=river(stage_m=535.9),
        rain=DRY,
        state=None,
        rules=RULES,
    )
    assert (decision.level, decision.missing, decision.river) == (Level.NONE, ("gauge",), None)


def test_contradictions_are_refused() -> None:
    with pytest.raises(ValueError, match="expected a forecast for 011901"):
        decide_flood(
            CITY,
            issue_time=T0,
            station=STATION,
            river=river(station="013901"),
            rain=DRY,
            state=None,
            rules=RULES,
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
            rules=RULES,
        )


@pytest.mark.parametrize(
    ("until_day", "missing"), [(7, ()), (6, ("skill",)), (0, ("skill",)), (None, ())]
)
def test_leads_without_a_licence_are_named(until_day: int | None, missing: tuple[str, ...]) -> None:
    p_alarm, p_flood = ramp(0.7, 0.0, 0.0)
    decision = decide_flood(
        CITY,
        issue_time=T0,
        station=STATION,
        river=replace(river(p_alarm=p_alarm, p_flood=p_flood), skilful_until_day=until_day),
        rain=DRY,
        state=None,
        rules=RULES,
    )
    assert decision.missing == missing
    assert decision.level is Level.WATCH, "a probability counts whoever it is issued as"


def test_a_missing_forecast_says_nothing_of_its_skill() -> None:
    blind = replace(river(tier="climatology"), skilful_until_day=0)
    decision = decide_flood(
        CITY, issue_time=T0, station=STATION, river=blind, rain=DRY, state=None, rules=RULES
    )
    assert decision.missing == ("forecast",)

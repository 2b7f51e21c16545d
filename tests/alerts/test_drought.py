from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pandas as pd
import pytest

from pipeline.alerts import evidence, facts
from pipeline.alerts.drought import confirmed_class, decide_drought
from pipeline.alerts.evidence import Drought
from pipeline.alerts.levels import Level
from pipeline.geography.places import city
from tests.alerts.alert_cases import NAN, RULES, T0, drought, dry_spell


def test_a_drought_none_does_not_rest_on_suspect_files_alone() -> None:
    calm = dry_spell()
    assert drought(calm).level is Level.NONE
    suspect = drought(replace(calm, suspect=True))
    assert (suspect.level, suspect.in_force, suspect.missing) == (
        Level.UNKNOWN, Level.UNKNOWN, ("suspect",),
    )  # fmt: skip
    assert drought(replace(dry_spell(now=2), suspect=True)).level is Level.WARNING
    assert (suspect.river_level, suspect.rain_level) == (None, None)


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
    first = drought(dry_spell(0.29), number=1, state=watch.state)
    assert (first.level, first.held) == (Level.WATCH, True)
    for number in range(2, 10):
        first = drought(dry_spell(0.29), number=number, state=first.state)
    last = drought(dry_spell(0.29), number=10, state=first.state)
    assert (first.level, last.level) == (Level.WATCH, Level.NONE), "ten quiet nights"
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
    observed = drought(dry_spell(now=2))
    assert (observed.urgency, observed.severity, observed.certainty) == (
        "Expected",
        "Severe",
        "Observed",
    )
    assert observed.onset == T0
    ahead = drought(dry_spell(0.6, 0.6))
    assert (ahead.certainty, ahead.onset) == ("Likely", T0 + timedelta(weeks=1))


def test_a_class_that_rests_on_a_stand_in_is_not_called_observed() -> None:
    rows = pd.DataFrame(
        {"zone": "city:vientiane", "horizon_weeks": [1, 4, 12], "current_class": "D2",
         "cdi": "none", "spi1": 0.0, "spi3": -0.9, "soil_moisture_percentile": 1.0, "vhi": 50.0,
         "tier": "full", "stands_in": "smap_l3"} | {f"p_d{k}": 0.1 for k in range(5)}
    )  # fmt: skip
    late_soil = evidence.Drought.from_rows(rows)
    assert late_soil.substitutes == ("smap_l3",)
    own = replace(late_soil, substitutes=())
    by_rain = replace(late_soil, spi3=-1.4)
    may = datetime(2026, 5, 20, 0, 30, tzinfo=UTC)
    decisions = [
        decide_drought(city("vientiane"), issue_time=may, drought=drought, state=None, rules=RULES)
        for drought in (late_soil, own, by_rain)
    ]
    assert [decision.certainty for decision in decisions] == ["Possible", "Observed", "Observed"]
    assert len({decision.level for decision in decisions}) == 1
    found = [
        facts.collect_facts(decision, notice=None, identifier=None, status="Test")["stands_in"]
        for decision in decisions
    ]
    assert found == [["smap_l3"], [], ["smap_l3"]]

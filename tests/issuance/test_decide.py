"""Decisions of every city from forecasts, readings, rain and the alerts before."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pandas as pd
import pytest

from pipeline.alerts.decision import Decision
from pipeline.alerts.evidence import Rain
from pipeline.alerts.levels import Level
from pipeline.geography import places
from pipeline.issuance.decide import add_track_records, decide_cities
from pipeline.issuance.snapshot import Snapshot
from pipeline.storage.archive import Archive
from pipeline.storage.records import Records
from tests.alerts import alert_cases
from tests.alerts.track_record_cases import DAY, run
from tests.issuance.forecast_cases import droughts, stages
from tests.issuance.snapshot_cases import ISSUED, readings, snapshot_of

PAKSE = "013901"
NOTHING = pd.DataFrame()


def decide(
    snapshot: Snapshot,
    forecasts: tuple[pd.DataFrame, pd.DataFrame] = (NOTHING, NOTHING),
    *,
    rain: dict[str, Rain] | None = None,
    before: list[Decision] | None = None,
) -> dict[tuple[str, str], Decision]:
    """Decide all cities after a night's decisions; by city and hazard."""
    rows = [
        {"city": one.city.id, "hazard": one.hazard, "memory": one.state.to_dict()}
        for one in before or []
    ]
    decisions = decide_cities(
        snapshot, *forecasts, rain=rain or {}, before=rows, revisions=[], cancelled=()
    )
    return {(decision.city.id, decision.hazard): decision for decision in decisions}


def empty(tmp_path: Path) -> Snapshot:
    """A snapshot of empty stores."""
    records = Records(f"sqlite:///{tmp_path / 'records.db'}")
    return Snapshot(Archive(tmp_path / "archive"), records, ISSUED, {}, "")


def rising(*stages_m: float) -> pd.DataFrame:
    """Morning readings of Pakse that end on the day of issue."""
    end = pd.Timestamp(ISSUED.date())
    days = pd.date_range(end=end, periods=len(stages_m), freq="D")
    return readings(pd.Series(stages_m, days), PAKSE)


def test_without_any_evidence_every_city_is_unknown(tmp_path: Path) -> None:
    decisions = decide(empty(tmp_path))
    assert list(decisions) == [
        (city, hazard) for city in places.cities() for hazard in ("flood", "drought")
    ]
    assert {decision.level for decision in decisions.values()} == {Level.UNKNOWN}
    flood = decisions["pakse", "flood"]
    assert flood.station is not None
    assert flood.station.code == PAKSE
    assert flood.river is None
    assert decisions["siem_reap", "flood"].station is None


def test_each_city_has_the_forecast_of_its_own_gauge_and_zone(tmp_path: Path) -> None:
    forecasts = stages(ISSUED), droughts(ISSUED)
    decisions = decide(empty(tmp_path), forecasts)
    for city in places.cities().values():
        flood, drought = (decisions[city.id, hazard] for hazard in ("flood", "drought"))
        if flood.river is None:
            assert city.station is None or places.station(city.station).alarm_m is None
        else:
            rows = forecasts[0][forecasts[0]["station"] == city.station].sort_values("lead_days")
            assert flood.river.station == city.station
            assert [lead.p_flood_by for lead in flood.river.leads] == pytest.approx(
                rows["p_flood_by"].tolist(), nan_ok=True
            )
        assert drought.drought is not None
        classes = forecasts[1].set_index("zone")["current_class"]
        number = {"none": -1, "D1": 1, "D3": 3}[classes[f"city:{city.id}"].iloc[0]]
        assert drought.drought.current_class == number
        assert (drought.low_flow is not None) == (city.station in {PAKSE, "014901"})


def test_the_last_reading_and_its_change_stand_in_place_of_the_forecasts_stage(
    tmp_path: Path,
) -> None:
    rows = stages(ISSUED)
    rows["stage_time"] = pd.Timestamp(ISSUED.date()) - pd.Timedelta(days=1)
    decisions = decide(snapshot_of(tmp_path, rising(11.4, 11.8, 12.3)), (rows, NOTHING))
    flood = decisions["pakse", "flood"]
    assert flood.river is not None
    assert (flood.river.stage_m, flood.river.stage_time) == (12.3, ISSUED.replace(minute=0))
    assert flood.river.change_1d_m == pytest.approx(0.5)
    assert flood.river_level is Level.EMERGENCY, "the flood stage of 12 m is reached"


def test_rain_over_the_city_counts_for_it_alone(tmp_path: Path) -> None:
    rain = {"siem_reap": Rain(return_period_years=50.0, pluvial_index=1.5)}
    decisions = decide(empty(tmp_path), rain=rain)
    flood = decisions["siem_reap", "flood"]
    assert flood.level not in {Level.NONE, Level.UNKNOWN}
    assert flood.rain == rain["siem_reap"]
    assert decisions["pakse", "flood"].rain_level is Level.UNKNOWN


def test_the_level_of_the_night_before_holds_its_own_city_and_hazard(tmp_path: Path) -> None:
    raised = decide(
        empty(tmp_path), rain={"siem_reap": Rain(return_period_years=50.0, pluvial_index=1.5)}
    )
    night_after = replace(empty(tmp_path), asof=ISSUED + timedelta(days=1))
    decisions = decide(night_after, before=list(raised.values()))
    held = decisions["siem_reap", "flood"]
    assert held.level is Level.UNKNOWN
    assert held.in_force is raised["siem_reap", "flood"].level
    others = {one.in_force for key, one in decisions.items() if key != ("siem_reap", "flood")}
    assert others == {Level.UNKNOWN}


def test_a_warning_of_a_stage_to_come_has_its_track_record(tmp_path: Path) -> None:
    """Two Watches of Pakse went before; the first was followed by a river at its alarm stage."""
    days = pd.date_range("2026-07-01", "2026-09-20", name="date")
    stage = pd.Series(9.0, days) + 0.03 * (days.day_of_year % 3)
    stage[days.slice_indexer("2026-07-04", "2026-07-05")] = 11.2
    snapshot = snapshot_of(tmp_path, readings(stage, PAKSE))
    first, key = ISSUED.replace(month=7, day=1), None
    for night, level in enumerate(("watch", "none", "none", "none", "none", "none", "watch")):
        key = run(snapshot.records, first + night * DAY, level, key)
    assert key is not None
    follows = [key[0].isoformat(), key[1]]
    watch = alert_cases.flood(p7=0.5)
    assert watch.level is Level.WATCH
    (decision,) = add_track_records(snapshot, [watch], follows=follows)
    assert decision.track_record is not None
    assert (decision.track_record.issued, decision.track_record.hits) == (2, 1)
    assert (decision.track_record.since, decision.track_record.of_city) == (first, False)
    assert replace(decision, track_record=None) == watch
    (alone,) = add_track_records(snapshot, [watch], follows=None)
    assert alone.track_record is not None
    assert (alone.track_record.issued, alone.track_record.since) == (0, ISSUED)


def test_what_is_seen_or_not_raised_has_no_track_record(tmp_path: Path) -> None:
    seen = alert_cases.flood(p7=0.9, stage_m=11.7)
    calm = alert_cases.flood()
    assert seen.in_force is Level.WATCH
    watch = alert_cases.flood(p7=0.5)
    decisions = add_track_records(empty(tmp_path), [seen, calm, watch], follows=None)
    assert [one.track_record is None for one in decisions] == [True, True, False]
    assert add_track_records(empty(tmp_path), [seen, calm], follows=None) == [seen, calm]

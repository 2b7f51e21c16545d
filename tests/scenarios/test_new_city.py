"""A city that joins the tables after the record began: no other city loses anything."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

import pytest

from models import registry, training
from models.drought import model as drought_model
from pipeline import review
from pipeline.issuance.explanation import NEW_ZONE, explain_decision
from pipeline.issuance.snapshot import open_stores, read_stage_inputs
from pipeline.settings import Settings
from pipeline.storage.records import Records
from tests.conftest import LayOver
from tests.scenarios.nights import (
    NEXT_MORNING,
    Night,
    check_tree,
    forecast_and_publish,
    fork,
    ingest,
    whole_night,
)

pytestmark = pytest.mark.slow
CITIES = """\
id,name,country,lat,lon,unit,source,as_of,verified,ascn,in_basin,basin,hazards,utc_offset_h,iso_3166_2
attapeu,Attapeu,LA,14.81,106.83,degree,map,2026-01-01,M,false,true,sekong,pluvial drought,7,LA-AT"""


def explain(night: Night, hazard: Literal["flood", "drought"]) -> tuple[str, ...]:
    store = Records(night.settings.database)
    return explain_decision(night.folder, store, city="attapeu", hazard=hazard)


def train_droughts(settings: Settings) -> None:
    """Train as ``mekong train`` does, but keep the models of gauges."""
    snapshot = open_stores(settings, asof=NEXT_MORNING)
    models, _ = registry.load_last(settings.models_dir, asof=NEXT_MORNING)
    models |= training.fit_droughts(
        read_stage_inputs(snapshot, start=None),
        snapshot.zonal_record,
        archive=snapshot.archive,
        discharge=snapshot.readings("discharge"),
        asof=NEXT_MORNING,
        region=settings.region,
    )
    training.save_models(models, asof=NEXT_MORNING, origin="virtual", folder=settings.models_dir)


def test_a_new_city_joins_and_no_other_city_changes(
    flood: Night,
    next_morning: Night,
    lay_over: LayOver,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    settings = fork(flood.settings, tmp_path / "data")
    sent = next(flood.folder.glob("cap/*-nakhon_phanom-flood-r0.xml"))
    lay_over("cities.csv", CITIES)

    night = whole_night(settings, NEXT_MORNING)
    check_tree(night)
    rows, before = night.rows(), next_morning.rows()
    assert set(rows) - set(before) == {("attapeu", "flood"), ("attapeu", "drought")}
    for key, row in before.items():
        assert rows[key]["level"] == row["level"], key
        assert rows[key]["probability"] == row["probability"], key
    hazards: tuple[Literal["flood", "drought"], ...] = ("flood", "drought")
    for hazard in hazards:
        assert rows["attapeu", hazard]["level"] == "unknown"
        assert f"New: {NEW_ZONE}" in explain(night, hazard)
    (line,) = [line for line in night.missing if "city:attapeu" in line]
    assert line.startswith("areal record: no drought and rain indices of Attapeu")
    assert review.replay(sent.stem, settings=settings).content == sent.read_bytes()

    (history,) = ingest(settings, NEXT_MORNING, ["zones"])
    assert history.read == 27
    # The scores on held-out years take minutes; without them conditional climatology forecasts.
    monkeypatch.setattr(drought_model, "_held_out_scores", lambda _record: ({}, []))
    train_droughts(settings)
    night = forecast_and_publish(settings, NEXT_MORNING)
    assert night.index["revision"] == 1
    row = night.row("attapeu", "drought")
    assert row["level"] != "unknown"
    assert all(row[name] for name in ("spi3", "soil_moisture_percentile", "p_d1_4w"))
    assert night.row("attapeu")["rain_return_period_years"]
    assert night.row("attapeu")["level"] != "unknown"
    assert not [line for line in night.missing if "city:attapeu" in line]
    assert review.replay(sent.stem, settings=settings).content == sent.read_bytes()

"""What a run loads to be published."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import skops.io
import xarray as xr

from models import registry
from pipeline.issuance import runs
from pipeline.issuance.forecast_tables import store_forecasts
from pipeline.issuance.runs import bundle_run, describe_run_models, draft_run
from pipeline.issuance.snapshot import digest_inputs, open_snapshot, read_recent_inputs
from pipeline.remarks import Remark
from pipeline.settings import Settings
from pipeline.storage import database
from pipeline.storage.archive import Archive
from pipeline.storage.records import Records
from pipeline.times import utc64

ASOF = datetime(2026, 8, 20, 0, 30, tzinfo=UTC)


def test_a_run_is_bundled_without_the_models_of_its_forecast(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = Settings(data_dir=tmp_path, upstream="archive", records_url=None)
    metadata = {"asof": "2026-01-01T00:00:00+00:00", "origin": "measured"}
    models = {name: {"parameter": name} for name in ("stage", "low_flow", "monthly")}
    version = registry.save(models, metadata, settings.models_dir)
    metadata |= {"version": version}
    run = draft_run(asof=ASOF, made=ASOF, model_metadata=metadata, settings=settings)
    records = Records(settings.database)
    store_forecasts(records, run, stages=pd.DataFrame(), droughts=pd.DataFrame())
    loaded = list[object]()
    loads = skops.io.loads

    def count(data: bytes, trusted: list[str]) -> object:
        loaded.append(loads(data, trusted=trusted))
        return loaded[-1]

    monkeypatch.setattr(skops.io, "loads", count)
    assert describe_run_models(run, settings) == []
    assert loaded == [], "the bytes of the models are those that were saved"
    assert "alerts.csv" in bundle_run(run, settings).files
    assert loaded == [{"parameter": "monthly"}]


def test_a_run_notes_what_it_saw_though_an_ingest_ends_meanwhile(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its digest is that of the snapshot and batch that it names."""
    settings = Settings(data_dir=tmp_path, upstream="archive", records_url=None)
    records, archive = Records(settings.database), Archive(settings.archive_dir)

    def ingest(name: str, day: int) -> None:
        start, published = datetime(2026, 8, day, tzinfo=UTC), ASOF - timedelta(hours=1)
        grid = xr.Dataset(
            {"rain": (("time", "lat", "lon"), np.full((1, 2, 2), float(day), np.float32))},
            coords={
                "time": [utc64(start)], "lat": [15.0, 15.1], "lon": [104.0, 104.1],
                "available_time": ("time", [utc64(published)]),
            },
            attrs={"origin": "measured"},
        )  # fmt: skip
        archive.append("imerg_daily", grid, message=name)
        with records.ingest("imerg_daily", asof=ASOF) as batch:
            batch.add_granule(
                name, start=start, end=start + timedelta(days=1), sha256=name,
                available_time=published, origin="measured",
            )  # fmt: skip

    def read_slowly(seen: Records, *, asof: datetime) -> list[dict[str, Any]]:
        inputs = read_recent_inputs(seen, asof=asof)
        ingest("b", 18)
        return inputs

    ingest("a", 17)
    metadata = {"version": "m", "origin": "measured"}
    with monkeypatch.context() as patch:
        patch.setattr(runs, "read_recent_inputs", read_slowly)
        run = draft_run(asof=ASOF, made=ASOF, model_metadata=metadata, settings=settings)
    seen = open_snapshot(run, {}, settings)
    assert [row["name"] for row in seen.inputs] == ["a"]
    assert digest_inputs(seen.archive, seen.inputs, asof=ASOF) == run["inputs_digest"]
    store_forecasts(records, run, stages=pd.DataFrame(), droughts=pd.DataFrame())
    again = draft_run(asof=ASOF, made=ASOF, model_metadata=metadata, settings=settings)
    assert (again["revision"], again["batch"]) == (1, 2), "the late one is a revision"


def draft(settings: Settings, asof: datetime, made: datetime) -> dict[str, object]:
    """Draft a run, and store it with the alerts of one city."""
    metadata = {"version": "m", "origin": "measured"}
    run = draft_run(asof=asof, made=made, model_metadata=metadata, settings=settings)
    records = Records(settings.database)
    store_forecasts(records, run, stages=pd.DataFrame(), droughts=pd.DataFrame())
    row: dict[str, object] = {
        "city": "pakse",
        "hazard": "flood",
        "level": "none",
        "identifier": None,
        "memory": {},
    }
    records.put(database.alerts, asof, run["revision"], [row])
    return {key: run[key] for key in ("revision", "sent", "late")}


def test_when_the_messages_of_a_run_are_sent(tmp_path: Path) -> None:
    settings = Settings(data_dir=tmp_path, upstream="archive", records_url=None)
    later = settings.model_copy(update={"alert_contact": "+856 21 000000"})
    again = settings.model_copy(update={"alert_contact": "+856 21 111111"})
    hour, day = timedelta(hours=1), timedelta(days=1)
    first = {"revision": 0, "sent": ASOF, "late": False}
    assert draft(settings, ASOF, ASOF + hour) == first
    assert draft(settings, ASOF, ASOF + 3 * hour) == first, "the same run again"
    assert draft(later, ASOF, ASOF + 5 * hour) == {
        "revision": 1, "sent": ASOF + 5 * hour, "late": False,
    }  # fmt: skip
    assert not draft(settings, ASOF + 2 * day, ASOF + 2 * day)["late"]
    assert draft(again, ASOF, ASOF + 50 * hour)["late"], "a later night is out"
    assert draft(settings, ASOF + day, ASOF + 50 * hour) == {
        "revision": 0, "sent": ASOF + day, "late": True,
    }  # fmt: skip


def test_a_revision_of_a_virtual_night_is_sent_before_the_next_night(tmp_path: Path) -> None:
    settings = Settings(data_dir=tmp_path, upstream="virtual", records_url=None)
    later = settings.model_copy(update={"alert_contact": "+856 21 000000"})
    draft(settings, ASOF, ASOF)
    revision = draft(later, ASOF, ASOF + timedelta(days=100))
    assert revision["sent"] == ASOF + timedelta(hours=23, minutes=59)


def test_missing_and_damaged_models_are_remarked_on(tmp_path: Path) -> None:
    settings = Settings(data_dir=tmp_path, upstream="archive", records_url=None)
    metadata = {"asof": "2026-01-01T00:00:00+00:00", "origin": "measured"}
    nothing = {"model_version": "none", "issue_time": ASOF}
    (none,) = describe_run_models(nothing, settings)
    assert none.code == "models_none"
    assert none.text.startswith("models: none, so that only what is observed raises a level: ")
    first = registry.save({"stage": {"parameter": 1}}, metadata, settings.models_dir)
    (none,) = describe_run_models(nothing, settings)
    text = "models: none when it was forecast, so that only what is observed raises a level"
    assert none == Remark(code="models_none", text=text)
    later = metadata | {"asof": "2026-02-01T00:00:00+00:00"}
    second = registry.save({"stage": {"parameter": 2}}, later, settings.models_dir)
    (settings.models_dir / second / "stage.skops").write_bytes(b"PK")
    (damaged,) = describe_run_models({"model_version": first, "issue_time": ASOF}, settings)
    assert damaged.code == "models_damaged"
    assert damaged.text.startswith(f"models {second} are damaged (")
    assert damaged.text.endswith(f"; {first} stands in")

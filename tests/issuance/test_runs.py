"""What a run loads to be published."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import pandas as pd
import pytest
import skops.io

from models import registry
from pipeline.issuance.forecast_tables import store_forecasts
from pipeline.issuance.runs import bundle_run, describe_run_models, draft_run
from pipeline.settings import Settings
from pipeline.storage.records import Records

ASOF = datetime(2026, 8, 20, 0, 30, tzinfo=UTC)


def test_a_run_is_bundled_without_the_models_of_its_forecast(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = Settings(data_dir=tmp_path, upstream="archive", records_url=None)
    metadata = {"asof": "2026-01-01T00:00:00+00:00", "origin": "measured"}
    models = {name: {"parameter": name} for name in ("stage", "low_flow", "monthly")}
    version = registry.save(models, metadata, settings.models_dir)
    run = draft_run(asof=ASOF, model_metadata=metadata | {"version": version}, settings=settings)
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

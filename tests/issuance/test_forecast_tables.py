"""A forecast comes back from the tables as it was made."""

from __future__ import annotations

import math
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from pipeline.alerts.evidence import Drought, LowFlow, River
from pipeline.issuance.forecast_tables import read_forecasts, store_forecasts
from pipeline.storage.records import Records
from tests.issuance.forecast_cases import droughts, stages

ISSUED = datetime(2026, 8, 20, 0, 30, tzinfo=UTC)


@pytest.fixture
def records(tmp_path: Path) -> Records:
    return Records(f"sqlite:///{tmp_path / 'records.db'}")


def run_of(records: Records, *, digest: str = "0") -> dict[str, Any]:
    return records.draft_run(
        {
            "issue_time": ISSUED, "inputs_digest": digest, "snapshot": "s", "batch": 0,
            "model_version": "m", "origin": "virtual", "settings": {}, "follows": None,
            "rules": {}, "code": "",
        }
    )  # fmt: skip


def again(
    records: Records, stages: pd.DataFrame, droughts: pd.DataFrame
) -> tuple[pd.DataFrame, pd.DataFrame]:
    run = run_of(records)
    store_forecasts(records, run, stages=stages, droughts=droughts)
    return read_forecasts(records, run)


def test_every_value_comes_back_to_the_last_bit(records: Records) -> None:
    forecasts = stages(ISSUED), droughts(ISSUED)
    stored = again(records, *forecasts)
    keys = (["station", "lead_days"], ["zone", "horizon_weeks"])
    for frame, after, key in zip(forecasts, stored, keys, strict=True):
        before = frame.sort_values(key, ignore_index=True)
        assert after.columns.tolist() == before.columns.tolist()
        for name in before:
            column, back = before[name], after[name]
            if name == "drivers_cm":  # NaN is not NaN in a dictionary
                assert back.map(repr).tolist() == column.map(repr).tolist()
            elif column.dtype.kind == "f":
                assert back.dtype == np.float64
                assert back.to_numpy().tobytes() == column.to_numpy("float64").tobytes()
            elif column.dtype.kind == "M":
                pd.testing.assert_series_equal(back, column, check_dtype=False)
                assert back.dtype.kind == "M"
            else:
                pd.testing.assert_series_equal(back, column)


def test_the_alert_rules_read_what_was_stored(records: Records) -> None:
    forecasts = stages(ISSUED), droughts(ISSUED)
    stored = again(records, *forecasts)
    for code in forecasts[0]["station"].unique():
        rivers = {
            repr(River.from_rows(frame[frame["station"] == code], change_1d_m=0.1))
            for frame in (forecasts[0], stored[0])
        }
        assert len(rivers) == 1
    for zone in forecasts[1]["zone"].unique():
        kind = LowFlow if zone.startswith("gauge:") else Drought
        evidence = {
            repr(kind.from_rows(frame[frame["zone"] == zone]))
            for frame in (forecasts[1], stored[1])
        }
        assert len(evidence) == 1


def test_a_run_without_forecasts_has_none(records: Records) -> None:
    nothing = pd.DataFrame(columns=["station", "lead_days", "tier", "valid_time"])
    assert all(frame.empty for frame in again(records, nothing, pd.DataFrame()))


def test_a_forecast_made_again_replaces_the_stored_one(records: Records) -> None:
    again(records, stages(ISSUED), droughts(ISSUED))
    stored, _ = again(records, stages(ISSUED).iloc[:3], droughts(ISSUED))
    assert len(stored) == 3
    later_run = run_of(records, digest="1")
    assert later_run["revision"] == 1
    assert all(frame.empty for frame in read_forecasts(records, later_run))


def test_gauges_without_any_value_stay_numbers(records: Records) -> None:
    blank = stages(ISSUED).assign(q50=math.nan, stage_time=np.datetime64("NaT", "us"))
    stored, _ = again(records, blank, droughts(ISSUED))
    assert stored["q50"].dtype == np.float64
    assert stored["q50"].isna().all()
    assert stored["stage_time"].dtype.kind == "M"
    assert stored["stage_time"].isna().all()

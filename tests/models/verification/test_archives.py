"""Our own forecasts as an archive: as issued, and of a hindcast."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from models.stage.names import QUANTILES
from models.verification.archives import read_hindcast, read_issued
from pipeline.storage.records import Records
from tests.alerts.track_record_cases import DAY, FIRST, PAKSE, run
from tests.models.verification.conftest import made_hindcast


def stage_row(q50: float, *, issued: datetime, mean: float | None = None) -> dict[str, Any]:
    values: dict[str, float | None] = {name: q50 + p - 0.5 for name, p in QUANTILES.items()}
    values |= {"p_alarm": 0.25, "p_flood": None} | ({} if mean is None else {"mean_m": mean})
    valid = issued.replace(hour=0, minute=0) + DAY
    return {"station": PAKSE, "lead_days": 1, "tier": "full", "valid_time": valid, "row": values}


def test_the_last_revision_of_the_first_issue_of_a_day_counts(tmp_path: Path) -> None:
    store = Records(f"sqlite:///{tmp_path / 'records.db'}")
    later = FIRST + timedelta(hours=3)
    for issued, q50, digest in (
        (FIRST, 9.0, "0"), (FIRST, 9.5, "1"), (later, 9.9, "0"), (FIRST + DAY, 8.0, "0"),
    ):  # fmt: skip
        tables = {"stage_forecasts": [stage_row(q50, issued=issued)]}
        run(store, issued, "none", None, digest=digest, tables=tables)
    archive = read_issued(store, asof=FIRST + 9 * DAY, start=FIRST, end=FIRST + 9 * DAY)
    assert archive.values[:, list(QUANTILES).index("q50")].tolist() == [9.5, 8.0]
    assert archive.rows["point"].tolist() == [9.5, 8.0]  # no mean was published
    assert archive.rows["p_alarm"].tolist() == [0.25, 0.25]
    assert archive.rows["p_flood"].isna().all()
    assert archive.rows["issue_time"].tolist() == [
        pd.Timestamp("2026-07-01 00:30"), pd.Timestamp("2026-07-02 00:30"),
    ]  # fmt: skip
    assert archive.name == "ours, as issued by 3 runs"
    assert archive.virtual
    assert archive.remarks == ("ours: 1 forecasts of a second issue on the same day are left out",)
    early = read_issued(store, asof=FIRST + DAY, start=FIRST, end=FIRST + 9 * DAY)
    assert early.rows["point"].tolist() == [9.5], "issued before the moment"
    assert read_issued(store, asof=FIRST, start=FIRST, end=FIRST + DAY).rows.empty


def test_the_mean_and_runs_made_late_are_told(tmp_path: Path) -> None:
    store = Records(f"sqlite:///{tmp_path / 'records.db'}")
    tables = {"stage_forecasts": [stage_row(9.0, issued=FIRST, mean=9.25)]}
    run(store, FIRST, "none", None, tables=tables)
    with store.database.engine.begin() as connection:
        connection.exec_driver_sql("UPDATE runs SET late = true")
    archive = read_issued(store, asof=datetime(2027, 1, 1, tzinfo=UTC), start=FIRST, end=FIRST)
    assert archive.rows["point"].tolist() == [9.25]
    assert archive.remarks[0].startswith("ours: 1 of 1 runs were made after their issue time")


def test_a_hindcast_is_the_models_own(tmp_path: Path) -> None:
    frame = made_hindcast(years=1)
    frame.to_parquet(tmp_path / "forecasts.parquet")
    archive = read_hindcast(tmp_path / "forecasts.parquet")
    assert len(archive.rows) == frame["q50"].notna().sum()
    assert not archive.virtual
    assert "a hindcast" in archive.remarks[0]
    assert archive.levels == tuple(QUANTILES.values())
    made_hindcast(years=1, origin="virtual").to_parquet(tmp_path / "virtual.parquet")
    assert read_hindcast(tmp_path / "virtual.parquet").virtual


def test_other_files_are_no_hindcast(tmp_path: Path) -> None:
    path = tmp_path / "forecasts.parquet"
    with pytest.raises(FileNotFoundError, match="found none"):
        read_hindcast(path)
    path.write_bytes(b"garbage")
    with pytest.raises(ValueError, match=r"expected forecasts.parquet of a hindcast, found"):
        read_hindcast(path)
    pd.DataFrame({"station": ["013901"]}).to_parquet(path)
    with pytest.raises(ValueError, match="expected the columns lead_days, issue_time"):
        read_hindcast(path)

"""Snapshots of stores that hold some series of stages, and doubts."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import pandas as pd
import xarray as xr

from pipeline.areal import daily_series
from pipeline.areal import rain as areal_rain
from pipeline.geography.places import zones
from pipeline.issuance.snapshot import Snapshot
from pipeline.storage.archive import Archive
from pipeline.storage.records import Records
from pipeline.times import day_start, utc64

PREK_KDAM = "020102"
ISSUED = datetime(2026, 9, 20, 0, 30, tzinfo=UTC)


def readings(series: pd.Series[float], code: str, method: str = "manual") -> pd.DataFrame:
    return pd.DataFrame(
        {
            "station": code, "variable": "stage", "method": method, "valid_time": series.index,
            "value": series.to_numpy(), "unit": "m", "raw": "", "qc": "good",
        }
    )  # fmt: skip


def snapshot_of(
    tmp_path: Path, *series: pd.DataFrame, issued: datetime = ISSUED, name: str = "records"
) -> Snapshot:
    store = Records(f"sqlite:///{tmp_path / name}.db")
    with store.ingest("gauges", asof=issued) as batch:
        batch.add_readings(
            pd.concat(series), asof=issued, latency=timedelta(minutes=20), origin="measured"
        )
    return Snapshot(Archive(tmp_path / "archive"), store, issued, {}, "")


def add_doubts(snapshot: Snapshot, days: int, **shares: float) -> None:
    """Archive doubts of the last days before the issue time, the same share in every zone."""
    time = utc64(day_start(snapshot.asof)) - np.arange(1, days + 1)[::-1] * areal_rain.DAY
    names = [f"{kind}_{name}" for kind in daily_series.DOUBTS for name in ("rain", "soil_moisture")]
    ids = list(zones())
    fields = {
        name: (("time", "zone"), np.full((days, len(ids)), shares.get(name, 0.0), "f4"))
        for name in names
    }
    ds = xr.Dataset(fields, {"time": time, "zone": ids})
    ds = ds.assign_coords(available_time=("time", np.full(days, utc64(snapshot.asof))))
    snapshot.archive.append("doubts", ds, message="test")

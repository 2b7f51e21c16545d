"""Uniform grids put into a real archive, and one zone read back."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np
import xarray as xr

from pipeline.geography.grid import MEKONG
from pipeline.storage.archive import Archive
from pipeline.times import utc64

DAY = datetime(2026, 8, 19, tzinfo=UTC)
ASOF = datetime(2026, 8, 20, 0, 30, tzinfo=UTC)
NIGHT: Any = {"asof": ASOF, "start": DAY, "end": DAY + timedelta(days=1), "region": "mekong"}


def put(
    archive: Archive,
    product: str,
    name: str,
    values: list[float],
    *,
    start: datetime = DAY,
    step: timedelta = timedelta(minutes=30),
    known: datetime = ASOF,
    more: dict[str, float] | None = None,
) -> None:
    time = utc64(start) + np.arange(len(values)) * np.timedelta64(step)
    uniform = np.array(values, "float32")[:, None, None]
    fields = {name: np.broadcast_to(uniform, (len(values), *MEKONG.shape)).copy()}
    for extra, value in (more or {}).items():
        fields[extra] = np.full((len(values), *MEKONG.shape), value, "float32")
    ds = MEKONG.dataset(time, **fields)
    times = ("time", np.full(len(values), utc64(known)))
    archive.append(product, ds.assign_coords(available_time=times), message="test")


def zone(ds: xr.Dataset, name: str, day: int = 0) -> float:
    return float(ds[name].sel(zone="basin:chi")[day])

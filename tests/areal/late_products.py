"""Products that are late and their substitutes, put into a real archive."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np
import pandas as pd
import xarray as xr

from pipeline.areal.update import RECENT
from pipeline.geography.grid import MEKONG
from pipeline.geography.places import zones
from pipeline.geography.variables import attributes
from pipeline.storage.archive import Archive
from pipeline.times import utc64

ONE = timedelta(days=1)


def grids(
    archive: Archive,
    product: str,
    name: str,
    values: Sequence[float],
    start: datetime,
    *,
    known: datetime | timedelta,
) -> None:
    """One grid a day, the same value everywhere, known at once or so long after its beginning."""
    time = utc64(start) + np.arange(len(values)) * np.timedelta64(ONE)
    cells = np.broadcast_to(np.array(values, "f4")[:, None, None], (len(values), *MEKONG.shape))
    ds = MEKONG.dataset(time, **{name: cells.copy()})
    if isinstance(known, timedelta):
        came = time + np.timedelta64(known)
    else:
        came = np.full(time.size, utc64(known))
    archive.append(product, ds.assign_coords(available_time=("time", came)), message="test")


def surface(archive: Archive, first: datetime, count: int, value: float = 0.2) -> None:
    """Level 3, each day known two days and two hours after its end."""
    known = timedelta(days=3, hours=2)
    grids(archive, "smap_l3", "soil_moisture_surface", [value] * count, first, known=known)


def root_zone(
    archive: Archive,
    first: datetime,
    values: Sequence[float],
    known: datetime | timedelta = timedelta(hours=63),
) -> None:
    """Level 4, the slot of 12 UTC."""
    grids(archive, "smap", "soil_moisture", values, first.replace(hour=12), known=known)


def pairs(
    archive: Archive, name: str, times: Any, ours: Sequence[float], theirs: Sequence[float]
) -> None:
    """What earlier nights learnt, the same in every zone."""
    ids = list(zones())
    columns = {
        key: (("time", "zone"), np.repeat(np.array(values, "f4")[:, None], len(ids), axis=1))
        for key, values in (("ours", ours), ("theirs", theirs))
    }
    time = np.asarray(times, "M8[ns]")
    known = ("time", time + np.timedelta64(40, "D"))
    ds = xr.Dataset(columns, {"time": time, "zone": ids, "available_time": known})
    archive.append(f"pairs_{name}", ds, message="test")


def earlier_nights(archive: Archive, night: datetime) -> None:
    """Record that ends where a night begins to make days again, so that it makes ten."""
    last = utc64(night.replace(hour=0, minute=0)) - np.timedelta64(RECENT + ONE)
    ids = list(zones())
    values = {"rain": 0.0, "coverage": 1.0, "soil_moisture": np.nan, "ndvi": np.nan, "lst": np.nan}
    fields = {
        name: (("time", "zone"), np.full((1, len(ids)), value, "f4"), attributes(name))
        for name, value in values.items()
    }
    known = ("time", [last + np.timedelta64(ONE)])
    ds = xr.Dataset(fields, {"time": [last], "zone": ids, "available_time": known})
    archive.append("zones", ds, message="test")


def two_summers(archive: Archive, count: int = 60) -> None:
    """A dry summer of 0.1 at the surface and 0.2 below it, and a wet one of 0.3 and 0.3."""
    times = np.concatenate(
        [pd.date_range(f"{year}-07-05", periods=count).to_numpy() for year in (2024, 2025)]
    )
    pairs(archive, "soil_moisture", times, [0.1] * count + [0.3] * count,
          [0.2] * count + [0.3] * count)  # fmt: skip


def late(archive: Archive) -> None:
    """Level 4 has come up to 7 August; level 3 goes on to the 16th, known on the 19th."""
    root_zone(archive, datetime(2026, 8, 3, tzinfo=UTC), [0.25] * 5)
    surface(archive, datetime(2026, 8, 3, tzinfo=UTC), 14)

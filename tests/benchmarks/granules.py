"""Half-hourly granules beside open_mfdataset."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import xarray as xr

from pipeline.grid import MEKONG
from pipeline.sources import imerg
from pipeline.virtual.products import imerg_half_hour
from tests.benchmarks.measure import Result, seconds

if TYPE_CHECKING:
    from numpy.typing import NDArray


def write(folder: Path, count: int) -> None:
    """Lay out granules in the provider's layout."""
    rng = np.random.default_rng(0)
    for step in range(count):
        time = datetime(2026, 8, 1, tzinfo=UTC) + timedelta(minutes=30 * step)
        rain = rng.gamma(0.3, 4.0, MEKONG.shape).astype("f4")
        imerg_half_hour(folder, run="late", time=time, grid=MEKONG, published=time, rain_rate=rain)


def ours(*, folder: str) -> Result:
    """Read each file by itself and put the steps together, as an ingest does."""
    paths = sorted(Path(folder).rglob("*.HDF5"))

    def work() -> NDArray[np.floating]:
        found: NDArray[np.floating] = xr.concat([imerg.read(path) for path in paths], "time")[
            "rain_rate"
        ].values
        return found

    found = work()
    return Result(seconds(work, repeat=2), len(paths), found[-1], found.nbytes)


def mfdataset(*, folder: str) -> Result:
    """Peer: the best of its options: nested, either engine, box cut before combining."""
    paths = sorted(Path(folder).rglob("*.HDF5"))

    def cut(one: xr.Dataset) -> xr.Dataset:
        return one[["precipitation"]].sel(lat=slice(7.5, 34.5), lon=slice(93, 110))

    def work(engine: str) -> NDArray[np.floating]:
        ds = xr.open_mfdataset(
            paths, group="Grid", engine=engine, combine="nested", concat_dim="time",
            preprocess=cut, decode_times=False, data_vars="all", coords="minimal",
            compat="override", join="override",
        )  # fmt: skip
        found: NDArray[np.floating] = (
            ds["precipitation"].transpose("time", "lat", "lon")[:, ::-1].values
        )
        ds.close()
        return found

    found = work("netcdf4")
    took = {name: seconds(partial(work, name), repeat=1) for name in ("netcdf4", "h5netcdf")}
    notes = {f"{name}_s": each for name, each in took.items()}
    return Result(min(took.values()), len(paths), found[-1], notes=notes)

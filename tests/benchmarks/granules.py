"""Granules beside open_mfdataset, and beside what inflating their chunks takes."""

from __future__ import annotations

import math
import zlib
from collections import deque
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Any
from unittest.mock import patch

import h5py
import numpy as np
import xarray as xr
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter

from pipeline.geography.grid import MEKONG, Grid
from pipeline.ingest.store import File, concatenate_steps, read_all
from pipeline.sources import SOURCES, imerg
from pipeline.sources.base import Granule
from pipeline.sources.formats import chunks
from pipeline.virtual.products import write_gk2a_rain, write_imerg_half_hour
from tests.benchmarks.measure import Result, cpu_seconds, seconds

PART = 1 << 18
"""Bytes that zlib inflates at a time; in one piece it takes twice as long."""
STRIP = Grid(-90.0, 90.0, 81.0, 110.0)
"""What the two chunks hold that the box lies in: whatever reads it must inflate all of that."""


def write(folder: Path, count: int) -> None:
    """Lay out granules in the provider's layout, with rain on a tenth of the strip."""
    rng = np.random.default_rng(0)
    for step in range(count):
        time = datetime(2026, 8, 1, tzinfo=UTC) + timedelta(minutes=30 * step)
        clouds = gaussian_filter(rng.standard_normal(STRIP.shape, np.float32), 6.0)
        drops = np.exp(0.3 * rng.standard_normal(STRIP.shape, np.float32))
        rain = np.round(4.0 * drops * np.maximum(clouds / clouds.std() - 1.3, 0.0), 2)
        write_imerg_half_hour(
            folder, run="late", time=time, grid=STRIP, published=time, rain_rate=rain
        )


def write_images(folder: Path, count: int) -> None:
    """Lay out full disks of GK2A in the provider's layout, with rain on a tenth of the box."""
    rng = np.random.default_rng(0)
    for step in range(count):
        time = datetime(2026, 8, 1, tzinfo=UTC) + timedelta(minutes=10 * step)
        clouds = gaussian_filter(rng.standard_normal(MEKONG.shape, np.float32), 6.0)
        drops = np.exp(0.3 * rng.standard_normal(MEKONG.shape, np.float32))
        rain = np.round(4.0 * drops * np.maximum(clouds / clouds.std() - 1.3, 0.0), 2)
        write_gk2a_rain(folder, time=time, rain_rate=rain, grid=MEKONG, published=time)


def beside_inflating(*, folder: str, source: str) -> Result:
    """Read files one after the other, and inflate the chunks of their windows and nothing else.

    CPU time, on one thread. The notes have what inflating takes by the reader's library and by
    zlib, which HDF5 and whoever reads through it inflates with.
    """
    paths = sorted(path for path in Path(folder).rglob("*") if path.is_file())
    read = SOURCES[source].load().read
    packed: list[tuple[bytes, tuple[int, int], np.dtype[Any]]] = []

    def noted(
        content: bytes, shape: tuple[int, int], dtype: np.dtype[Any]
    ) -> Iterator[tuple[int, NDArray[Any]]]:
        packed.append((content, shape, dtype))
        return inflate(content, shape, dtype)

    inflate = chunks.inflate
    with patch.object(chunks, "inflate", noted):
        fields = [read(path) for path in paths]

    def by_reader() -> None:
        for content, shape, dtype in packed:
            deque(inflate(content, shape, dtype), maxlen=0)

    def by_zlib() -> None:
        for content, *_ in packed:
            stream, rest = zlib.decompressobj(), content
            while not stream.eof:
                stream.decompress(rest, PART)
                rest = stream.unconsumed_tail

    took = cpu_seconds(
        {
            "reading_s": lambda: [read(path) for path in paths],
            "isal_s": by_reader,
            "zlib_s": by_zlib,
        }
    )
    assert isinstance(fields[-1], xr.Dataset), "a granule is a grid"
    last = fields[-1].to_dataarray().values
    size = sum(math.prod(shape) * dtype.itemsize for _, shape, dtype in packed)
    return Result(took.pop("reading_s"), len(paths), last, size, notes=took)


def ours(*, folder: str) -> Result:
    """Read the files and put the steps together, as an ingest does."""
    paths = sorted(Path(folder).rglob("*.HDF5"))
    row, asof = SOURCES["imerg_late"], datetime(2026, 9, 1, tzinfo=UTC)
    files = [File(Granule(row.id, "", path.name, asof, asof), path, asof) for path in paths]

    def work() -> NDArray[np.floating]:
        contents, _ = read_all(
            row, files, imerg.read, asof=asof, from_folder=False, progress=lambda *_: None
        )
        found: NDArray[np.floating] = concatenate_steps(contents)["rain_rate"].values
        return found

    found = work()
    return Result(seconds(work, repeat=2), len(paths), found[-1], found.nbytes)


def mfdataset(*, folder: str) -> Result:
    """Peer: the best of its options: nested, one variable, box cut before combining.

    With ``parallel=True`` it crashes now and then: netCDF-C lets one thread in at a time.
    """
    paths = sorted(Path(folder).rglob("*.HDF5"))
    with h5py.File(paths[0]) as file:
        unused = {*file["Grid"]} - {"precipitation", "time", "lat", "lon"}

    def cut(one: xr.Dataset) -> xr.Dataset:
        return one[["precipitation"]].sel(lat=slice(7.5, 34.5), lon=slice(93, 110))

    def work(engine: str) -> NDArray[np.floating]:
        ds = xr.open_mfdataset(
            paths, group="Grid", engine=engine, combine="nested", concat_dim="time",
            preprocess=cut, decode_times=False, data_vars="all", coords="minimal",
            compat="override", join="override", combine_attrs="override", drop_variables=unused,
        )  # fmt: skip
        found: NDArray[np.floating] = (
            ds["precipitation"].transpose("time", "lat", "lon")[:, ::-1].values
        )
        ds.close()
        return found

    found = work("netcdf4")
    took = {"netcdf4_s": seconds(partial(work, "netcdf4"), repeat=2)}
    took["h5netcdf_s"] = seconds(partial(work, "h5netcdf"), repeat=1)
    return Result(min(took.values()), len(paths), found[-1], notes=took)

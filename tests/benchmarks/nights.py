"""One more night, on a long archive and on a short one: ingest, areal record, indices."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from time import perf_counter

import icechunk
import numpy as np
import xarray as xr

from pipeline import steps
from pipeline.geography.grid import MEKONG
from pipeline.settings import Settings
from pipeline.storage.archive import REFERENCE, Archive
from pipeline.virtual.land import write_smap_root_zone
from pipeline.virtual.products import write_imerg_day, write_imerg_half_hour
from tests.benchmarks.measure import Result

PRODUCTS = (
    "imerg_daily",
    "gldas",
    "smap",
    "ndvi",
    "lst",
    "gldas_monthly",
    "indices",
    "indices_monthly",
)
SOURCES = ("imerg_late", "imerg_daily", "smap")


def shorten(*, folder: str, to: str, days: int) -> Result:
    """Copy the last days of every product of an archive, and its reference whole."""
    archive = Archive(Path(folder))
    repository = icechunk.Repository.create(icechunk.local_filesystem_storage(to))
    session = repository.writable_session("main")
    begin = perf_counter()
    for product in PRODUCTS:
        ds = archive.stored(product)
        last = ds["time"].values[-1] - np.timedelta64(days, "D")
        _copy(session, product, ds.isel(time=ds["time"].values > last))
    for fit in archive.references():
        _copy(session, f"{REFERENCE}/{fit['id']}", archive.reference(fit["id"]))
    session.commit("the last days")
    return Result(perf_counter() - begin, days, np.zeros(0))


def _copy(session: icechunk.Session, group: str, ds: xr.Dataset) -> None:
    """Copy a group in pieces of whole chunks."""
    sizes: dict[str, int] = {}
    for da in ds.data_vars.values():
        sizes |= {str(d): 4 * n for d, n in zip(da.dims, da.encoding["chunks"], strict=True)}
    cut = ds.chunk({dim: -1 if dim in {"lat", "lon"} else n for dim, n in sizes.items()})
    # Coordinates have larger chunks than these pieces: two would write to one at a time.
    cut = cut.assign_coords({name: one.compute() for name, one in cut.coords.items()})
    cut.to_zarr(
        session.store, group=group, mode="w", zarr_format=3, consolidated=False, safe_chunks=False
    )


def lay_out(folder: Path, first: datetime, nights: int) -> None:
    """Write what each of some nights finds new: a day of half-hours, a daily file, soil."""
    rng = np.random.default_rng(0)
    for number in range(nights):
        start, into = first + timedelta(days=number), folder / str(number)
        for step in range(48):
            time = start + timedelta(minutes=30 * step)
            rain = rng.gamma(0.3, 4.0, MEKONG.shape).astype("f4")
            write_imerg_half_hour(into / "imerg_late", run="late", time=time, grid=MEKONG,
                            published=time + timedelta(hours=1), rain_rate=rain)  # fmt: skip
        write_imerg_day(into / "imerg_daily", time=start, rain=rng.gamma(0.5, 8.0, MEKONG.shape),
                  n_valid=np.full(MEKONG.shape, 48), grid=MEKONG,
                  published=start + timedelta(hours=24))  # fmt: skip
        write_smap_root_zone(into / "smap", time=start + timedelta(hours=10.5), grid=MEKONG,
                       soil_moisture=rng.uniform(0.2, 0.4, MEKONG.shape),
                       published=start + timedelta(hours=24))  # fmt: skip


def run(*, data: str, files: str, first: str, nights: int) -> Result:
    """Ours: the fastest of some nights, each step of it timed."""
    settings = Settings(data_dir=Path(data), upstream="archive", records_url=None)
    start = datetime.fromisoformat(first)
    took = [
        _night(settings, Path(files) / str(number), start + timedelta(days=number))
        for number in range(nights + 1)
    ][1:]  # the first one loads code, and makes the spin-up of the areal record
    best = min(took, key=sum)
    archive = Archive(settings.archive_dir)
    asof = start + timedelta(days=nights + 1, minutes=30)
    found = archive.read("indices", asof=asof)["spi_90d"].isel(time=-1).values
    names = ("ingest_s", "assess_s", "indices_s")
    return Result(sum(best), 1, found.ravel(), notes=dict(zip(names, best, strict=True)))


def _night(settings: Settings, files: Path, day: datetime) -> Sequence[float]:
    asof = day + timedelta(days=1, minutes=30)
    clock = [perf_counter()]
    for source in SOURCES:
        folders = {path.parent for path in (files / source).rglob("*") if path.is_file()}
        for folder in sorted(folders):
            steps.ingest(source, asof=asof, settings=settings, folder=folder)
    clock.append(perf_counter())
    steps.assess(asof=asof, settings=settings)
    clock.append(perf_counter())
    done = steps.indices(asof=asof, settings=settings)
    clock.append(perf_counter())
    if not 1 <= done.days <= 2:
        raise ValueError(f"expected yesterday and the day settled, found {done}")
    return np.diff(clock).tolist()


def first_night(end: int) -> datetime:
    """Day after the last one of a record that ends before a year."""
    return datetime(end, 1, 1, tzinfo=UTC)

"""All indices of the whole record from the archive: time and memory."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from time import perf_counter

import numpy as np
from dask.system import CPU_COUNT
from numpy.typing import NDArray

from pipeline import steps
from pipeline.geography.grid import Grid
from pipeline.gridded import job as gridded_job
from pipeline.indices.rain import accumulation
from pipeline.indices.spi import fit_spi, spi
from pipeline.indices.suite import MIN_SHARE
from pipeline.settings import Settings
from pipeline.storage.archive import Archive
from tests.benchmarks import record
from tests.benchmarks.measure import Result

EDGES = 7.5, 34.5, 93.0, 110.0
CHECKED = 4
"""Cells whose SPI-90 is also made by plain calls."""


def generate(*, folder: str, first: int, end: int, edges: list[float]) -> Result:
    """Fill an archive; nothing of it is measured but how long it takes."""
    begin = perf_counter()
    record.record(Path(folder), first=first, end=end, grid=Grid(*edges))
    return Result(perf_counter() - begin, end - first, np.zeros(0))


def whole_record(*, folder: str, end: int) -> Result:
    """Ours: fit the reference, make every day and month, write it all to the archive."""
    archive, asof = Archive(Path(folder)), _asof(end)
    settings = Settings(data_dir=Path(folder).parent, upstream="archive", records_url=None)
    begin = perf_counter()
    made = steps.indices(asof=asof, settings=settings, record=True)
    took = perf_counter() - begin
    read = sum(
        archive.stored(product)[name].nbytes
        for product, name in (
            ("imerg_daily", "rain"), ("imerg_daily", "n_valid"), ("gldas", "pet"),
            ("smap", "soil_moisture"), ("ndvi", "ndvi"), ("lst", "lst"),
            ("gldas_monthly", "runoff"),
        )
    )  # fmt: skip
    written = sum(
        da.size * da.encoding["dtype"].itemsize
        for product in (gridded_job.DAILY, gridded_job.MONTHLY)
        for da in archive.stored(product).data_vars.values()
    )
    found = archive.read(gridded_job.DAILY, asof=asof)["spi_90d"][:, 0, :CHECKED].values
    lat, lon = archive.axes("imerg_daily")
    return Result(
        took, lat.size * lon.size, found, read,
        notes={"days": made.days, "months": made.months, "written_bytes": written,
               "by_day": len(archive.stored(gridded_job.DAILY).data_vars),
               "by_month": len(archive.stored(gridded_job.MONTHLY).data_vars),
               "processes": CPU_COUNT},
    )  # fmt: skip


def some_plainly(*, folder: str, end: int) -> Result:
    """SPI-90 of a few cells by the functions that a notebook would call."""
    archive, asof = Archive(Path(folder)), _asof(end)
    rain = archive.read("imerg_daily", asof=asof)["rain"][:, 0, :CHECKED].compute()
    start, stop = gridded_job._choose_period(rain["time"].values)
    begin = perf_counter()
    total = accumulation(rain=rain, steps=90, min_share=MIN_SHARE)
    found: NDArray[np.floating] = spi(
        total=total, parameters=fit_spi(total=total, start=start, end=stop)
    ).values
    return Result(perf_counter() - begin, CHECKED, found)


def _asof(end: int) -> datetime:
    return datetime(end, 1, 2, 0, 30, tzinfo=UTC)

"""Months of GLDAS: the reader, the names, and the files of the virtual basin."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import netCDF4
import numpy as np
import pytest

from pipeline.geography.grid import Grid
from pipeline.sources import gldas
from pipeline.sources.base import BadGranule
from pipeline.sources.upstream import locate
from pipeline.virtual.land import write_gldas_month

FEBRUARY = datetime(2024, 2, 1, tzinfo=UTC)
BOX = Grid(14.0, 16.0, 100.0, 103.0)


def write(folder: Path, *, name: str = "GLDAS_NOAH025_M.A202402.021.nc4", day: int = 8797) -> Path:
    """Lay out a whole file in little; 8797 days after 2000-01-01 is 1 February 2024."""
    path = folder / name
    with netCDF4.Dataset(path, "w") as file:
        for axis, size, first in (("lat", 600, -59.875), ("lon", 1440, -179.875)):
            file.createDimension(axis, size)
            file.createVariable(axis, "f4", (axis,))[:] = first + 0.25 * np.arange(size)
        file.createDimension("time", None)
        time = file.createVariable("time", "f8", ("time",))
        time.units = "days since 2000-01-01 00:00:00"
        time[:] = day
        for key, units, value in (
            ("Qs_acc", "kg m-2", 0.2), ("Qsb_acc", "kg m-2", 0.05),
            ("PotEvap_tavg", "W m-2", 250.1),
        ):  # fmt: skip
            made = file.createVariable(
                key, "f4", ("time", "lat", "lon"), fill_value=-9999.0, zlib=True,
                chunksizes=(1, 50, 120),
            )  # fmt: skip
            made.units = units
            made[0, 295:305, 1118:1135] = value
    return path


def test_a_months_runoff_is_its_steps_and_evaporation_a_mean(tmp_path: Path) -> None:
    ds = gldas.read(write(tmp_path), BOX)
    assert set(ds.data_vars) == {"runoff", "pet"}
    assert ds["time"].values.tolist() == [np.datetime64("2024-02-01", "ns").astype(int)]
    here = ds.isel(time=0).sel(lat=14.55, lon=101.05, method="nearest")
    assert float(here["runoff"]) == pytest.approx(0.25 * 8 * 29), "a leap year's February"
    assert float(here["pet"]) == pytest.approx(8.64)
    assert (ds["runoff"].attrs["units"], ds["pet"].attrs["units"]) == ("mm", "mm d-1")
    assert ds.attrs == {"version": "021", "origin": "measured"}


def test_another_month_inside_is_refused(tmp_path: Path) -> None:
    path = write(tmp_path, day=8797 + 29)
    with pytest.raises(
        BadGranule, match="expected a time in 2024-02 as in its name, found 2024-03"
    ):
        gldas.read(path, BOX)
    other = path.rename(tmp_path / "GLDAS_NOAH10_M.A202402.021.nc4")
    with pytest.raises(BadGranule, match="expected a GLDAS_NOAH025_3H or GLDAS_NOAH025_M file"):
        gldas.read(other, BOX)


def test_recent_months_are_the_early_products() -> None:
    end = datetime(2024, 9, 15, tzinfo=UTC)
    found = list(gldas.granules("gldas_monthly", datetime(2024, 2, 10, tzinfo=UTC), end, end))
    assert [one.pattern for one in found] == [
        "GLDAS_NOAH025_M.A202403.021.nc4*", "GLDAS_NOAH025_M_EP.A202404.021.nc4*",
        "GLDAS_NOAH025_M_EP.A202405.021.nc4*", "GLDAS_NOAH025_M_EP.A202406.021.nc4*",
        "GLDAS_NOAH025_M_EP.A202407.021.nc4*", "GLDAS_NOAH025_M_EP.A202408.021.nc4*",
    ]  # fmt: skip
    assert (found[0].start, found[0].end) == (datetime(2024, 3, 1, tzinfo=UTC),
                                              datetime(2024, 4, 1, tzinfo=UTC))  # fmt: skip
    assert found[0].folder == "GLDAS/GLDAS_NOAH025_M.2.1/2024"


def test_the_virtual_basin_writes_what_is_read(tmp_path: Path) -> None:
    runoff, pet = np.full(BOX.shape, 87.0), np.full(BOX.shape, 4.5)
    known = datetime(2024, 4, 15, tzinfo=UTC)
    path = write_gldas_month(
        tmp_path, month=FEBRUARY, product="GLDAS_NOAH025_M", pet=pet, runoff=runoff, grid=BOX,
        published=known,
    )  # fmt: skip
    later = datetime(2025, 1, 1, tzinfo=UTC)
    granule = next(iter(gldas.granules("gldas_monthly", FEBRUARY, known, later)))
    assert locate(granule, tmp_path, asof=known) == (path, known)
    ds = gldas.read(path, BOX)
    np.testing.assert_allclose(ds["runoff"][0], 87.0, rtol=1e-6)
    np.testing.assert_allclose(ds["pet"][0], 4.5, rtol=1e-6)
    assert ds.attrs["origin"] == "virtual"

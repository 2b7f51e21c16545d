import time as clock
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import netCDF4
import numpy as np
import pytest
import xarray as xr

from pipeline.geography.grid import Grid
from pipeline.settings import ROOT
from pipeline.virtual.land import write_smap_root_zone, write_viirs_month
from pipeline.virtual.products import write_gk2a_rain, write_imerg_day, write_imerg_half_hour

REAL = ROOT.parent / "shared" / "real_files" / "imerg"
T0 = datetime(2024, 8, 1, tzinfo=UTC)
PUBLISHED = datetime(2024, 8, 1, 14, 2, 3, tzinfo=UTC)
BOX = Grid(14.0, 15.0, 100.0, 102.0)
ONES = np.ones(BOX.shape)
WRITERS: dict[str, Callable[[Path], Path]] = {
    "late": lambda f: write_imerg_half_hour(
        f, run="late", time=T0, rain_rate=ONES, grid=BOX, published=PUBLISHED
    ),
    "daily": lambda f: write_imerg_day(
        f, time=T0, rain=ONES, n_valid=ONES * 48, grid=BOX, published=PUBLISHED
    ),
    "gk2a": lambda f: write_gk2a_rain(f, time=T0, rain_rate=ONES, grid=BOX, published=PUBLISHED),
    "smap": lambda f: write_smap_root_zone(
        f, time=T0, soil_moisture=ONES * 0.3, grid=BOX, published=PUBLISHED
    ),
    "ndvi": lambda f: write_viirs_month(
        f, variable="ndvi", month=T0, values=ONES * 0.3, grid=BOX, published=PUBLISHED
    ),
}


@pytest.mark.parametrize("name", WRITERS)
def test_same_arguments_same_bytes_dated_by_publication(tmp_path: Path, name: str) -> None:
    first = WRITERS[name](tmp_path / "a")
    clock.sleep(1.1)
    second = WRITERS[name](tmp_path / "b")
    assert first.read_bytes() == second.read_bytes()
    assert datetime.fromtimestamp(first.stat().st_mtime, tz=UTC) == PUBLISHED
    assert list(first.parent.iterdir()) == [first], "no part of a file is left beside"
    assert first.stat().st_size < 3_000_000


@pytest.mark.parametrize("name", WRITERS)
def test_other_software_opens_them(tmp_path: Path, name: str) -> None:
    with netCDF4.Dataset(WRITERS[name](tmp_path)) as file:
        assert file.data_model in {"NETCDF4", "NETCDF4_CLASSIC"}
        if name == "late":
            rain = file["Grid"]["precipitation"]
            assert rain.dimensions == ("time", "lon", "lat")
            assert rain.chunking() == [1, 145, 1800]


@pytest.mark.skipif(not REAL.is_dir(), reason="the real files are not here")
def test_half_hours_have_the_variables_of_a_real_file(tmp_path: Path) -> None:
    (real,) = REAL.glob("*V07A.HDF5")
    virtual = WRITERS["late"](tmp_path)
    for group in ("Grid", "Grid/Intermediate"):
        with (
            xr.open_dataset(real, group=group, decode_cf=False) as expected,
            xr.open_dataset(virtual, group=group, decode_cf=False) as found,
        ):
            for name, data in expected.data_vars.items():
                if "bnds" in str(name):
                    continue
                assert found[name].dims == data.dims
                assert found[name].dtype == data.dtype
                assert found[name].attrs["_FillValue"] == data.attrs["_FillValue"]
                assert found[name].attrs.get("units") == data.attrs.get("units")
            for name in ("time", "lat", "lon"):
                if name in expected:
                    assert found[name].attrs["units"] == expected[name].attrs["units"]

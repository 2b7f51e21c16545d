"""Files of rain products: the same bytes each time, as a real file is laid out."""

from collections.abc import Callable
from pathlib import Path

import netCDF4
import pytest
import xarray as xr

from pipeline.settings import ROOT
from pipeline.virtual.products import write_gk2a_rain, write_imerg_day, write_imerg_half_hour
from tests.virtual.written_files import BOX, ONES, PUBLISHED, T0, check_repeated

REAL = ROOT.parent / "shared" / "real_files" / "imerg"
WRITERS: dict[str, Callable[[Path], Path]] = {
    "late": lambda f: write_imerg_half_hour(
        f, run="late", time=T0, rain_rate=ONES, grid=BOX, published=PUBLISHED
    ),
    "daily": lambda f: write_imerg_day(
        f, time=T0, rain=ONES, n_valid=ONES * 48, grid=BOX, published=PUBLISHED
    ),
    "gk2a": lambda f: write_gk2a_rain(f, time=T0, rain_rate=ONES, grid=BOX, published=PUBLISHED),
}


@pytest.mark.parametrize("name", WRITERS)
def test_same_arguments_same_bytes_dated_by_publication(tmp_path: Path, name: str) -> None:
    check_repeated(WRITERS[name], tmp_path)


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

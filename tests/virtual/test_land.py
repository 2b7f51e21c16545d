"""Files of soil, vegetation and land surface: the same bytes each time, and read as they went."""

from collections.abc import Callable
from pathlib import Path

import netCDF4
import pytest

from pipeline.virtual.land import write_smap_root_zone, write_viirs_month
from tests.virtual.written_files import BOX, ONES, PUBLISHED, T0, check_repeated

WRITERS: dict[str, Callable[[Path], Path]] = {
    "smap": lambda f: write_smap_root_zone(
        f, time=T0, soil_moisture=ONES * 0.3, grid=BOX, published=PUBLISHED
    ),
    "ndvi": lambda f: write_viirs_month(
        f, variable="ndvi", month=T0, values=ONES * 0.3, grid=BOX, published=PUBLISHED
    ),
}


@pytest.mark.parametrize("name", WRITERS)
def test_same_arguments_same_bytes_dated_by_publication(tmp_path: Path, name: str) -> None:
    check_repeated(WRITERS[name], tmp_path)


@pytest.mark.parametrize("name", WRITERS)
def test_other_software_opens_them(tmp_path: Path, name: str) -> None:
    with netCDF4.Dataset(WRITERS[name](tmp_path)) as file:
        assert file.data_model in {"NETCDF4", "NETCDF4_CLASSIC"}

"""Files of soil, vegetation and land surface: the same bytes each time, and read as they went."""

from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Literal

import netCDF4
import numpy as np
import pytest

from pipeline.sources import gldas, smap, vegetation
from pipeline.virtual.land import write_gldas_month, write_smap_root_zone, write_viirs_month
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


def halves(west: float, east: float) -> np.ndarray:
    """Two values side by side on the small grid, and nothing in its southern half."""
    field = np.where(np.arange(BOX.shape[1]) < BOX.shape[1] // 2, west, east) * ONES
    field[BOX.shape[0] // 2 :] = np.nan
    return np.asarray(field)


def check_halves(values: np.ndarray, west: float, east: float, *, rel: float) -> None:
    """Assert the two values away from the edges between them, and nothing in the south."""
    assert values[:4, :9] == pytest.approx(np.full((4, 9), west), rel=rel)
    assert values[:4, 11:] == pytest.approx(np.full((4, 9), east), rel=rel)
    assert np.isnan(values[6:]).all()


def test_soil_moisture_is_read_as_it_was_written(tmp_path: Path) -> None:
    path = write_smap_root_zone(
        tmp_path, time=T0 + timedelta(hours=12), soil_moisture=halves(0.2, 0.45), grid=BOX,
        published=PUBLISHED,
    )  # fmt: skip
    assert path.name == "SMAP_L4_SM_gph_20240801T133000_Vv8011_001.h5", "the middle of its slot"
    ds = smap.read(path, BOX)
    assert ds["time"].values.tolist() == [np.datetime64("2024-08-01T12:00", "ns").astype(int)]
    assert ds.attrs["origin"] == "virtual"
    check_halves(ds["soil_moisture"].values[0], 0.2, 0.45, rel=1e-6)


@pytest.mark.parametrize(
    ("variable", "west", "east", "step"),
    [("ndvi", 0.31, -0.05, 1e-4), ("lst", 301.4, 290.02, 0.02)],
)
def test_a_month_of_vegetation_is_read_in_steps_of_its_scale(
    tmp_path: Path, variable: Literal["ndvi", "lst"], west: float, east: float, step: float
) -> None:
    path = write_viirs_month(
        tmp_path, variable=variable, month=T0, values=halves(west + 0.4 * step, east), grid=BOX,
        published=PUBLISHED,
    )  # fmt: skip
    values = vegetation.read(path, BOX)[variable].values[0]
    check_halves(values, west, east, rel=1e-6)


def test_a_month_of_runoff_is_a_mean_over_steps_of_three_hours(tmp_path: Path) -> None:
    path = write_gldas_month(
        tmp_path, month=T0, product="GLDAS_NOAH025_M", pet=4.0 * ONES, runoff=93.0 * ONES,
        grid=BOX, published=PUBLISHED,
    )  # fmt: skip
    with netCDF4.Dataset(path) as file:
        # 93 mm of August, one half of it on the surface, in 31 days of 8 steps.
        assert file["Qs_acc"][:].max() == pytest.approx(93 / 2 / 248)
        assert file["PotEvap_tavg"][:].min() == pytest.approx(4.0 * 2.501e6 / 86_400)
    ds = gldas.read(path, BOX)
    np.testing.assert_allclose(ds["runoff"].values, 93.0, rtol=1e-6)
    np.testing.assert_allclose(ds["pet"].values, 4.0, rtol=1e-6)

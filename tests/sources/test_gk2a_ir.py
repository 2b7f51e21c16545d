"""Rain from GK2A's infrared pictures, of files and of the public bucket."""

from __future__ import annotations

import math
from collections.abc import Callable
from pathlib import Path

import h5py
import numpy as np
import pytest

from pipeline.geography.grid import Grid
from pipeline.sources import gk2a_ir
from pipeline.sources.base import (
    BadGranule,
    Skipped,
)
from tests.sources.public_files import DAY, GRID, NEXT, ask, only, served


def infrared(path: Path, temperature_k: np.ndarray, quality: int = 0) -> Path:
    """Level 1B file whose few pixels lie over the grid, one every 0.05 degree or so."""
    height, width = temperature_k.shape
    wave_m = 1e6 / 10.35
    first = 2 * 6.62607015e-34 * 299792458.0**2 * wave_m**3
    second = 6.62607015e-34 * 299792458.0 / 1.380649e-23 * wave_m
    radiance = first / np.expm1(second / temperature_k) / 1e-5
    gain, offset = -0.03, 240.0
    counts = np.round((radiance - offset) / gain).astype("u2") | np.uint16(quality << 14)
    path.parent.mkdir(parents=True, exist_ok=True)
    with h5py.File(path, "w") as file:
        data = file.create_dataset("image_pixel_values", data=counts)
        data.attrs["number_of_valid_bits_per_pixel"] = np.uint8(13)
        data.attrs["channel_center_wavelength"] = "10.35"
        file.attrs.update(
            {
                "DN_to_Radiance_Gain": gain, "DN_to_Radiance_Offset": offset,
                "Teff_to_Tbb_c0": 0.0, "Teff_to_Tbb_c1": 1.0, "Teff_to_Tbb_c2": 0.0,
                "earth_equatorial_radius": 6378137.0, "earth_polar_radius": 6356752.3,
                "nominal_satellite_height": 42164000.0, "sub_longitude": math.radians(128.2),
                "cfac": 20425338.9 / 4, "lfac": 20425338.9 / 4,
                "coff": 306.0, "loff": 146.0,
                "number_of_columns": width, "number_of_lines": height,
            }
        )  # fmt: skip
    return path


NAME = "gk2a_ami_le1b_ir105_fd020ge_202408200300.nc"


def test_cold_tops_rain_three_millimetres_an_hour(tmp_path: Path) -> None:
    whole = Grid(9.0, 11.0, 104.0, 106.0, step=1.0)
    cold = infrared(tmp_path / NAME, np.full((300, 300), 210.0))
    found = gk2a_ir.read(cold, whole)["rain_rate"].values
    np.testing.assert_allclose(found, 3.0)
    warm = gk2a_ir.read(infrared(tmp_path / NAME, np.full((300, 300), 280.0)), whole)
    np.testing.assert_allclose(warm["rain_rate"].values, 0.0)
    striped = np.full((300, 300), 280.0)
    striped[::2] = 230.0
    half = gk2a_ir.read(infrared(tmp_path / NAME, striped), whole)["rain_rate"].values
    np.testing.assert_allclose(half, 1.5, atol=0.2)
    assert warm.attrs["version"] == "GPI"


def test_pixels_in_error_are_missing_not_dry(tmp_path: Path) -> None:
    bad = infrared(tmp_path / NAME, np.full((300, 300), 280.0), quality=2)
    assert np.isnan(gk2a_ir.read(bad, GRID)["rain_rate"].values).all()


def test_impossible_temperatures_are_refused(tmp_path: Path) -> None:
    with pytest.raises(BadGranule, match="expected brightness temperatures of 160 to 340 K"):
        gk2a_ir.read(infrared(tmp_path / NAME, np.full((300, 300), 345.0)), GRID)


def test_a_few_impossible_temperatures_are_missing(tmp_path: Path) -> None:
    mixed = np.full((300, 300), 280.0)
    mixed[::20, ::20] = 345.0
    path = infrared(tmp_path / NAME, mixed)
    found = gk2a_ir.read(path, Grid(9.0, 11.0, 104.0, 106.0, step=1.0))["rain_rate"].values
    np.testing.assert_allclose(found, 0.0)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda f: f.attrs.update(observation_start_time=777394831.5), None),
        (lambda f: f.attrs.update(observation_start_time=777396631.5), "near 2024-08-20T03:00"),
        (lambda f: f.attrs.update(number_of_columns=1e9), "number_of_columns of 1 to 22000"),
        (lambda f: f.attrs.update(cfac=np.nan), "a finite number in cfac"),
        (lambda f: f.attrs.update(DN_to_Radiance_Gain=np.nan), "a finite number in DN_to_Rad"),
        (lambda f: f.attrs.update(Teff_to_Tbb_c1=np.inf), "a finite number in Teff_to_Tbb_c1"),
        (lambda f: f["image_pixel_values"].attrs.update(number_of_valid_bits_per_pixel=np.nan),
         "a finite number in number_of_valid_bits_per_pixel"),
        (lambda f: f["image_pixel_values"].attrs.update(number_of_valid_bits_per_pixel=200),
         "8 to 14 bits of 16, found 200"),
    ],
)  # fmt: skip
def test_what_a_picture_says_of_itself_is_held_against_its_name(
    tmp_path: Path, change: Callable[[h5py.File], None], message: str | None
) -> None:
    path = infrared(tmp_path / NAME, np.full((300, 300), 210.0))
    with h5py.File(path, "r+") as file:
        change(file)
    if message is None:  # 31.5 s after 03:00 of 20 August 2024, in seconds since noon of J2000
        assert gk2a_ir.read(path, GRID)["time"].values[0] == np.datetime64("2024-08-20T03:00")
        return
    with pytest.raises(BadGranule, match=message):
        gk2a_ir.read(path, GRID)


def test_the_bucket_serves_pictures_only_to_those_without_a_key(tmp_path: Path) -> None:
    start = DAY.replace(hour=3)
    granule = only(gk2a_ir.granules("gk2a_ir", start, start.replace(minute=30), NEXT))
    bucket = tmp_path / "bucket"
    infrared(bucket / granule.folder / granule.pattern, np.full((300, 300), 210.0))
    with served(bucket) as url:
        with ask("gk2a_bucket", url) as client:
            path = gk2a_ir.fetch(granule, tmp_path, client=client)
        assert path.name == NAME
        with ask("gk2a_bucket", url, KMA_API_KEY="k") as client, pytest.raises(Skipped):
            gk2a_ir.fetch(granule, tmp_path, client=client)

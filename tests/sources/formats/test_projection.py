"""Pixels of GK2A's images on the Earth, and their means in cells."""

from __future__ import annotations

import math
from pathlib import Path

import h5py
import numpy as np
import pytest
from pyproj import Transformer

from pipeline.geography.grid import Grid
from pipeline.sources import gk2a
from pipeline.sources.base import (
    BadGranule,
)
from pipeline.sources.formats import projection
from tests.sources.gk2a_images import DELTA, view, write


def by_cgms(column: float, line: float) -> tuple[float, float]:
    """Latitude and longitude of a pixel by the formulas of CGMS 03, section 4.4.3.2."""
    x = math.radians((column - 2750.5) * 2**16 / 20425338.9)
    y = math.radians((line - 2750.5) * 2**16 / 20425338.9)
    cos = math.cos(x) * math.cos(y)
    denominator = math.cos(y) ** 2 + 1.006739501 * math.sin(y) ** 2
    root = math.sqrt((42164 * cos) ** 2 - denominator * 1737122264)
    distance = (42164 * cos - root) / denominator
    s1, s2 = 42164 - distance * cos, distance * math.sin(x) * math.cos(y)
    s3 = -distance * math.sin(y)
    lat = math.atan(1.006739501 * s3 / math.hypot(s1, s2))
    return math.degrees(lat), math.degrees(math.atan(s2 / s1)) + 128.2


def test_full_disk_geometry_is_that_of_the_cgms_formulas(tmp_path: Path) -> None:
    found = view(write(tmp_path))
    inverse = Transformer.from_crs(found.crs, "EPSG:4326", always_xy=True)
    for column, line in ((2750.5, 2750.5), (1900, 2200), (1500, 2100), (2400, 1500)):
        x = found.x0 + found.dx * (column - 1)
        y = found.y0 + found.dy * (line - 1)
        lon, lat = inverse.transform(x, y)
        assert (lat, lon) == pytest.approx(by_cgms(column, line), abs=2e-4)
    assert by_cgms(1500, 2100)[0] > 0, "the first lines are north"


def test_height_from_the_centre_or_above_the_ellipsoid_is_the_same(tmp_path: Path) -> None:
    path = write(tmp_path)
    centre = view(path)
    with h5py.File(path, "r+") as file:
        file["gk2a_imager_projection"].attrs["perspective_point_height"] = 42164000.0 - 6378137.0
    assert view(path) == centre


def test_sizes_that_no_image_has_are_refused_before_memory_is_taken(tmp_path: Path) -> None:
    path = write(tmp_path)
    whole = path.read_bytes()

    def expect(message: str, **said: object) -> None:
        path.write_bytes(whole)
        with h5py.File(path, "r+") as file:
            for name, value in said.items():
                file["gk2a_imager_projection"].attrs[name] = value
        with pytest.raises(BadGranule, match=message):
            gk2a.read(path, DELTA)

    expect("image_width of 1 to 22000, found 3e", image_width=3e9)
    expect("a finite number in image_height, found nan", image_height=np.nan)
    expect("a finite number in column_scale_factor, found inf", column_scale_factor=np.inf)
    expect("pixels in the grid", column_scale_factor=1e300, line_scale_factor=1e300)
    expect("expected", column_scale_factor=0.0)
    expect("expected", semi_minor_axis=-1.0)


@pytest.mark.parametrize(
    ("sector", "name", "usual"),
    [("fd020ge", "longitude_of_projection_origin", 128.2), ("ea020lc", "central_meridian", 126.0)],
)
def test_an_image_placed_elsewhere_is_refused(
    tmp_path: Path, sector: str, name: str, usual: float
) -> None:
    grid = Grid(15.0, 15.5, 105.0, 105.5)
    path = write(tmp_path, sector, grid)
    for off, refused in ((0.04, False), (10.0, True)):
        with h5py.File(path, "r+") as file:
            file["gk2a_imager_projection"].attrs[name] = usual + off
        if refused:
            with pytest.raises(BadGranule, match=f"expected {name} {usual:g}, found"):
                gk2a.read(path, grid)
        else:
            gk2a.read(path, grid)


def test_pixels_of_a_plain_image_go_to_their_cells() -> None:
    """Four by four pixels of a quarter of a degree, and a ring of one around them."""
    grid = Grid(10.0, 11.0, 100.0, 101.0, step=0.5)
    image = projection.Projection("EPSG:4326", 99.875, 0.25, 11.125, -0.25, width=6, height=6)
    pixels = projection.pixels_in(image, grid)
    assert (pixels.rows, pixels.columns) == (slice(0, 6), slice(0, 6))
    inner = np.full((6, 6), -1)
    inner[1:5, 1:5] = np.repeat(np.repeat([[0, 1], [2, 3]], 2, axis=0), 2, axis=1)
    np.testing.assert_array_equal(pixels.cell.reshape(6, 6), inner)
    np.testing.assert_array_equal(
        pixels.mean(np.arange(36.0).reshape(6, 6)), [[10.5, 12.5], [22.5, 24.5]]
    )


def test_a_mean_counts_the_dry_and_leaves_out_the_missing() -> None:
    grid = Grid(10.0, 11.0, 100.0, 101.0, step=0.5)
    cell = np.array([0, 0, 0, 1, 2, 2, -1])
    pixels = projection.Pixels(slice(0, 1), slice(0, 7), cell, grid)
    values = np.array([6.0, 0.0, np.nan, np.nan, 0.0, 0.0, 9.0])
    np.testing.assert_array_equal(pixels.mean(values), [[3.0, np.nan], [0.0, np.nan]])


def test_pixels_of_no_size_and_too_many_are_refused() -> None:
    grid = Grid(10.0, 11.0, 100.0, 101.0)
    flat = projection.Projection("EPSG:4326", 100.0, 0.0, 11.0, -0.25, width=6, height=6)
    with pytest.raises(ValueError, match=r"expected pixels of some size, found 0\.0 x -0\.25 m"):
        projection.pixels_in(flat, grid)
    fine = projection.Projection("EPSG:4326", 100.0, 1e-4, 11.0, -1e-4, width=9999, height=9999)
    with pytest.raises(ValueError, match="at most 8388608 pixels in the grid, found 99980001"):
        projection.pixels_in(fine, grid)


def test_an_image_that_does_not_see_the_grid_has_no_pixel() -> None:
    elsewhere = projection.Projection("EPSG:4326", 10.0, 0.25, 50.0, -0.25, width=6, height=6)
    disk = "+proj=geos +h=35785863 +lon_0=128.2 +a=6378137 +b=6356752.3 +sweep=y +units=m"
    behind = projection.Projection(disk, -5.5e6, 2e5, 5.5e6, -2e5, width=55, height=55)
    for image, west in ((elsewhere, 100.0), (behind, -60.0)):
        grid = Grid(10.0, 11.0, west, west + 1.0, step=0.5)
        pixels = projection.pixels_in(image, grid)
        assert not pixels.cell.size
        assert np.isnan(pixels.mean(np.array([]))).all()

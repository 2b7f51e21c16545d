"""Images as others make them: coarse, south-up, packed, many-banded, damaged."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import rasterio
from rasterio.transform import Affine, from_origin

from pipeline.geography.grid import MEKONG, Grid
from pipeline.sources import chirps
from pipeline.sources.base import BadGranule, Skipped

GRID = Grid(10.0, 10.4, 105.0, 105.6)
"""Four rows and six columns of 0.1 degree."""
NAME = "chirps-v3.0.rnl.2024.08.20.tif"


def image(
    folder: Path, values: np.ndarray, transform: Affine, *, tags: dict[str, Any] | None = None,
    **changes: Any,
) -> Path:  # fmt: skip
    """GeoTIFF of one band; ``tags`` are its scale and offset."""
    path = folder / NAME
    with rasterio.open(
        path, "w", driver="GTiff", width=values.shape[-1], height=values.shape[-2],
        **{"count": 1, "dtype": values.dtype.name, "crs": "EPSG:4326"} | changes,
        transform=transform,
    ) as made:  # fmt: skip
        made.write(values, *([1] if values.ndim == 2 else []))
        for name, value in (tags or {}).items():
            setattr(made, name, (value,))
    return path


def rain(path: Path, grid: Grid = GRID) -> np.ndarray:
    values: np.ndarray = chirps.read(path, grid)["rain"].values[0]
    return values


def test_pixels_larger_than_cells_fill_them(tmp_path: Path) -> None:
    values = np.array([[1, 2], [3, 4]], "f4")
    path = image(tmp_path, values, from_origin(105.0, 10.4, 0.3, 0.2))
    expected = np.kron(values, np.ones((2, 3)))
    np.testing.assert_array_equal(rain(path), expected)


@pytest.mark.parametrize("size", [0.25, 0.5, 1.0, 2.5])
def test_a_coarse_global_image_has_no_holes(tmp_path: Path, size: float) -> None:
    shape = round(120 / size), round(360 / size)
    lat = 60 - size * (np.arange(shape[0]) + 0.5)
    values = np.broadcast_to(lat[:, None], shape).astype("f4") + 100
    depth = rain(image(tmp_path, values, from_origin(-180, 60, size, size)), MEKONG)
    assert np.isfinite(depth).all()
    far = np.abs(depth - 100 - MEKONG.lat[:, None])
    assert far.max() <= size / 2 + 1e-4, "each cell has the pixel that it lies in"


def test_pixels_of_the_cells_size_but_beside_them_leave_none_out(tmp_path: Path) -> None:
    values = np.arange(1, 100, dtype="f4").reshape(9, 11)
    path = image(tmp_path, values, from_origin(104.72, 10.73, 0.1, 0.1))
    # Centre 10.35 N lies 0.38 below the edge, in row 3; 105.05 E lies 0.33 beside it, in column 3.
    np.testing.assert_array_equal(rain(path), values[3:7, 3:9])


def test_south_up_and_east_first_are_read_as_they_lie(tmp_path: Path) -> None:
    values = np.arange(1, 25, dtype="f4").reshape(4, 6)
    south = image(tmp_path, values[::-1].copy(), Affine(0.1, 0, 105.0, 0, 0.1, 10.0))
    np.testing.assert_array_equal(rain(south), values)
    east = image(tmp_path, values[:, ::-1].copy(), Affine(-0.1, 0, 105.6, 0, -0.1, 10.4))
    np.testing.assert_array_equal(rain(east), values)
    fine = np.kron(values, np.ones((4, 4), "f4"))[::-1].copy()
    both = image(tmp_path, fine, Affine(0.025, 0, 105.0, 0, 0.025, 10.0))
    np.testing.assert_array_equal(rain(both), values)


@pytest.mark.parametrize(("dtype", "fill"), [("uint8", 255), ("int16", -32768), ("uint16", 65535),
                                             ("int32", -1), ("float64", -1e10)])  # fmt: skip
def test_packed_pixels_are_unpacked(tmp_path: Path, dtype: str, fill: float) -> None:
    stored = np.tile(np.arange(6), (4, 1)).astype(dtype)
    stored[0, 0] = fill
    path = image(
        tmp_path, stored, from_origin(105.0, 10.4, 0.1, 0.1), nodata=fill,
        tags={"scales": 0.5, "offsets": 1.0},
    )  # fmt: skip
    expected = np.tile(np.arange(6) * 0.5 + 1.0, (4, 1))
    expected[0, 0] = np.nan
    np.testing.assert_allclose(rain(path), expected)


@pytest.mark.parametrize("nodata", [np.nan, None, -9999.0, 0.0])
def test_missing_pixels_are_missing_whatever_the_tag_says(
    tmp_path: Path, nodata: float | None
) -> None:
    values = np.full((4, 6), 5.0, "f4")
    values[0, 0], values[0, 1], values[0, 2] = np.nan, -9999, 0
    path = image(tmp_path, values, from_origin(105.0, 10.4, 0.1, 0.1), nodata=nodata)
    depth = rain(path)
    assert np.isnan(depth[0, :2]).all()
    assert np.isnan(depth[0, 2]) == (nodata == 0.0)
    assert (depth[1:] == 5.0).all()


def test_impossible_pixels_do_not_enter_a_mean_and_are_counted(tmp_path: Path) -> None:
    values = np.full((40, 60), 5.0, "f4")
    values[0, 0], values[0, 1], values[1, 0] = 1e6, -3, np.inf
    ds = chirps.read(image(tmp_path, values, from_origin(105.0, 10.4, 0.01, 0.01)), GRID)
    assert (ds["rain"].values == 5.0).all()
    assert ds.attrs["out_of_range"]["rain"]["cells"] == 3
    values[:10, :10] = 2001
    with pytest.raises(BadGranule, match=r"rain in 0\.\.2000 mm, found 100 of 2400 cells outside"):
        chirps.read(image(tmp_path, values, from_origin(105.0, 10.4, 0.01, 0.01)), GRID)


@pytest.mark.parametrize(("dtype", "stray"), [("f4", 9.969209968386869e36), ("f4", 3.4028235e38),
                                              ("i2", -32767), ("u2", 65535),
                                              ("u1", 255), ("i1", 127)])  # fmt: skip
@pytest.mark.parametrize("nodata", [None, 99])
def test_pixels_that_were_never_written_refuse_the_file(
    tmp_path: Path, dtype: str, stray: float, nodata: int | None
) -> None:
    values = np.full((40, 60), 5, dtype)
    values[3, 3] = stray
    with pytest.raises(BadGranule, match="never written"):
        rain(image(tmp_path, values, from_origin(105.0, 10.4, 0.01, 0.01), nodata=nodata))


@pytest.mark.parametrize(
    ("transform", "changes", "message"),
    [
        (Affine(0.1, 0.01, 105.0, 0.01, -0.1, 10.4), {}, "rows along parallels"),
        (Affine(0, 0.1, 105.0, -0.1, 0, 10.4), {}, "rows along parallels"),
        (from_origin(105.0, 10.4, 0.1, 0.1), {"count": 3}, "one band in EPSG:4326, found 3"),
        (from_origin(105.0, 10.4, 0.1, 0.1), {"crs": "EPSG:3857"}, "found 1 in EPSG:3857"),
        (from_origin(105.0, 10.4, 0.1, 0.1), {"crs": None}, "found 1 in None"),
        (from_origin(105.0, 10.4, 0.1, 0.1), {"dtype": "complex64"}, "pixels of complex64"),
        (from_origin(0.0, 10.4, 0.1, 0.1), {}, "pixels in the grid"),
        (from_origin(105.0, 10.4, 0.1, 0.1), {"tags": {"scales": float("nan")}}, "a scale"),
    ],
)
def test_images_that_are_not_such_a_field_are_refused(
    tmp_path: Path, transform: Affine, changes: dict[str, Any], message: str
) -> None:
    values = np.ones((4, 6), changes.get("dtype", "f4"))
    if "count" in changes:
        values = np.stack([values] * 3)
    with pytest.raises(BadGranule, match=message):
        rain(image(tmp_path, values, transform, **changes))


def test_declared_sizes_are_checked_before_memory_is_taken(tmp_path: Path) -> None:
    path = tmp_path / NAME
    options = {"driver": "GTiff", "count": 1, "dtype": "float32", "crs": "EPSG:4326",
               "SPARSE_OK": True, "BIGTIFF": "YES"}  # fmt: skip
    fine = from_origin(100.0, 20.0, 1e-4, 1e-4)
    with rasterio.open(path, "w", width=120_000, height=120_000, transform=fine, tiled=True,
                       blockxsize=512, blockysize=512, **options):  # fmt: skip
        pass
    with pytest.raises(BadGranule, match=r"at most 16777216 pixels in the grid"):
        rain(path, MEKONG)
    assert np.isnan(rain(path, Grid(10.0, 10.2, 105.0, 105.2))).sum() == 0, "4 million are well"
    with rasterio.open(path, "w", width=60_000, height=60_000, transform=fine, tiled=True,
                       blockxsize=32_768, blockysize=32_768, **options):  # fmt: skip
        pass
    with pytest.raises(BadGranule, match="blocks of at most 16777216 pixels"):
        rain(path)


def test_another_format_or_file_is_not_followed(tmp_path: Path) -> None:
    folder = tmp_path / "other"
    folder.mkdir()
    path = image(folder, np.ones((4, 6), "f4"), from_origin(105.0, 10.4, 0.1, 0.1))
    link = tmp_path / NAME
    link.write_text(f"""<VRTDataset rasterXSize="6" rasterYSize="4"><SRS>EPSG:4326</SRS>
      <GeoTransform>105.0, 0.1, 0, 10.4, 0, -0.1</GeoTransform>
      <VRTRasterBand dataType="Float32" band="1"><SimpleSource>
      <SourceFilename>{path}</SourceFilename><SourceBand>1</SourceBand>
      </SimpleSource></VRTRasterBand></VRTDataset>""")
    with pytest.raises(BadGranule, match="a whole GeoTIFF"):
        rain(link)
    beside = path.with_name(f"{NAME}.aux.xml")
    beside.write_text("<PAMDataset><PAMRasterBand band='1'><Scale>100</Scale></PAMRasterBand>"
                      "</PAMDataset>")  # fmt: skip
    assert (rain(path) == 1.0).all(), "a sidecar changes nothing"


def test_damaged_images_are_refused_and_nothing_else(tmp_path: Path) -> None:
    rng = np.random.default_rng(13)
    values = rng.gamma(0.5, 8.0, (80, 120)).astype("f4")
    path = image(
        tmp_path, values, from_origin(104.9, 10.5, 0.01, 0.01), compress="deflate", tiled=True,
        blockxsize=32, blockysize=32, nodata=-9999.0,
    )  # fmt: skip
    whole = path.read_bytes()
    refused = 0
    for _ in range(500):
        content = bytearray(whole)
        for place in rng.integers(0, len(content), rng.integers(1, 12)):
            content[place] = rng.integers(256)
        if rng.random() < 0.5:  # the header is where sizes and types are
            content[rng.integers(8)] = rng.integers(256)
        if rng.random() < 0.2:
            content = content[: rng.integers(1, len(content))]
        path.write_bytes(content)
        try:
            depth = rain(path)
        except (BadGranule, Skipped):
            refused += 1
            continue
        assert np.nanmin(depth, initial=0) >= 0
        assert np.nanmax(depth, initial=0) <= 2000
    assert refused > 100

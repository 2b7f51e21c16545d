"""The grid against hand-computed numbers."""

from __future__ import annotations

import numpy as np
import rioxarray  # noqa: F401  (registers .rio)
import xarray as xr

from pipeline.geography.grid import ASEAN, GRIDS, MEKONG, Grid, with_crs

SMALL = Grid(10.0, 10.4, 100.0, 100.6, step=0.1)


def test_grid_is_north_up_and_named_by_centres() -> None:
    assert SMALL.shape == (4, 6)
    np.testing.assert_allclose(SMALL.lat, [10.35, 10.25, 10.15, 10.05])
    np.testing.assert_allclose(SMALL.lon[[0, -1]], [100.05, 100.55])
    assert MEKONG.shape == (270, 170)


def test_cells_of_the_larger_region_are_the_basins_own() -> None:
    assert GRIDS == {"mekong": MEKONG, "asean": ASEAN}
    assert ASEAN.shape == (445, 340)
    np.testing.assert_array_equal(ASEAN.lat[:270], MEKONG.lat)
    np.testing.assert_array_equal(ASEAN.lon[:170], MEKONG.lon)


def test_cell_holds_its_north_west_edge() -> None:
    lat = np.array([10.4, 10.35, 10.3, 10.01, 9.99, 10.2])
    lon = np.array([100.0, 100.05, 100.1, 100.59, 100.3, 100.6])
    assert SMALL.cell(lat, lon).tolist() == [0, 0, 7, 23, -1, -1]


def test_mean_per_cell_skips_missing() -> None:
    values = np.array([2.0, 4.0, np.nan, np.nan, 9.0])
    found = SMALL.mean(values, np.array([0, 0, 0, 1, -1]))
    assert found[0, 0] == 3.0
    assert np.isnan(found[0, 1])
    assert np.isnan(found).sum() == 23


def test_dataset_is_canonical() -> None:
    when = np.array(["2024-08-01", "2024-08-02"], "datetime64[s]")
    ds = SMALL.dataset(when, rain=np.zeros((2, *SMALL.shape), np.float32))
    assert ds["rain"].dims == ("time", "lat", "lon")
    assert ds["rain"].attrs["units"] == "mm"
    assert ds["time"].dtype == "datetime64[ns]"
    assert ds.rio.crs.to_epsg() == 4326


def test_the_crs_is_the_one_that_rioxarray_writes() -> None:
    when = np.array(["2024-08-01"], "datetime64[ns]")
    ds = SMALL.dataset(when, rain=np.zeros((1, *SMALL.shape), np.float32))
    ds = ds.assign(total=("zone", [1.0]))
    bare = ds.drop_vars("spatial_ref").drop_encoding()
    expected: xr.Dataset = bare.rio.write_crs("EPSG:4326")
    located = with_crs(bare)
    xr.testing.assert_identical(located, expected)
    assert list(located.coords) == list(expected.coords)
    assert located.encoding == expected.encoding
    for name in ("rain", "total"):
        assert located[name].encoding == expected[name].encoding
    xr.testing.assert_identical(with_crs(ds.drop_encoding()), expected)

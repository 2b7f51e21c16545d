"""Zonal weights and means, against hand-computed numbers and other tools."""

from __future__ import annotations

import time

import dask.array
import exactextract
import geopandas as gpd
import numpy as np
import pandas as pd
import pytest
import shapely
import xarray as xr
from exactextract.raster import NumPyRasterSource
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray
from pyproj import Geod

from pipeline.geography import places
from pipeline.geography.grid import MEKONG, Grid
from pipeline.geography.zonal import equal_area, zonal_mean, zonal_weights

SMALL = Grid(10.0, 10.4, 100.0, 100.6, step=0.1)
TRIANGLE = shapely.Polygon([(100.05, 10.02), (100.55, 10.13), (100.21, 10.37)])


def series(values: NDArray[np.floating], grid: Grid = SMALL) -> xr.DataArray:
    time_axis = pd.date_range("2024-08-01", periods=len(values))
    return xr.DataArray(
        values,
        {"time": time_axis, "lat": grid.lat, "lon": grid.lon},
        ("time", "lat", "lon"),
        name="rain",
        attrs={"units": "mm"},
    )


def test_weights_of_rectangles_by_hand() -> None:
    """A zone of one cell and a half: the second cell shares half of its area."""
    zone = shapely.box(100.1, 10.2, 100.25, 10.3)
    weights = zonal_weights(SMALL, {"zone": zone}).toarray().reshape(SMALL.shape)
    assert set(zip(*map(list, np.nonzero(weights)), strict=True)) == {(1, 1), (1, 2)}
    assert weights[1, 2] / weights[1, 1] == pytest.approx(0.5, rel=1e-9)
    # Meridian arc of 0.1 degree and parallel of 10.25 N on WGS 84: 11.0609 km x 10.9558 km.
    assert weights[1, 1] == pytest.approx(11.0609 * 10.9558, rel=2e-4)


def test_a_cell_shrinks_with_latitude() -> None:
    tall = Grid(0.0, 60.0, 100.0, 101.0, step=1.0)
    column = zonal_weights(tall, {"all": shapely.box(100.0, 0.0, 101.0, 60.0)}).toarray()[0]
    assert (np.diff(column) > 0).all()  # rows run from north to south
    assert column[0] / column[-1] == pytest.approx(np.cos(np.radians(59.5)), rel=0.012)


def test_weights_add_up_to_geodesic_areas() -> None:
    zones = {key: zone.polygon for key, zone in places.zones().items()}
    total = np.asarray(zonal_weights(MEKONG, zones).sum(axis=1)).ravel()
    for area, polygon in zip(total, zones.values(), strict=True):
        fine = shapely.segmentize(polygon, 0.02)
        geodesic = abs(Geod(ellps="WGS84").geometry_area_perimeter(fine)[0]) / 1e6
        assert area == pytest.approx(geodesic, rel=2e-4)


def test_weights_agree_with_geopandas_overlay() -> None:
    west, north = np.meshgrid(SMALL.lon - 0.05, SMALL.lat + 0.05)
    cells = gpd.GeoDataFrame(
        {"cell": np.arange(24)},
        geometry=shapely.box(west, north - 0.1, west + 0.1, north).ravel(),
        crs=4326,
    )
    zone = gpd.GeoDataFrame(geometry=[TRIANGLE], crs=4326)
    pieces = cells.overlay(zone).to_crs("+proj=cea +ellps=WGS84 +units=km")
    expected = np.zeros(24)
    expected[pieces["cell"]] = pieces.area
    found = zonal_weights(SMALL, {"triangle": TRIANGLE}).toarray()[0]
    np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-3)


def test_polygons_with_holes_and_parts() -> None:
    outer = shapely.box(100.0, 10.0, 100.5, 10.4)
    hole = shapely.box(100.12, 10.12, 100.31, 10.29)
    part = shapely.box(100.52, 10.0, 100.6, 10.05)
    mix = shapely.MultiPolygon([shapely.Polygon(outer.exterior, [hole.exterior]), part])
    zones: dict[str, shapely.Polygon | shapely.MultiPolygon]
    zones = {"all": outer, "hole": hole, "part": part, "mix": mix}
    several = zonal_weights(SMALL, zones).toarray()
    np.testing.assert_allclose(several[3], several[0] - several[1] + several[2], atol=1e-9)


def test_a_zone_on_the_grids_edge_is_whole_and_one_beyond_is_refused() -> None:
    whole = shapely.box(100.0, 10.0, 100.6, 10.4)
    weights = zonal_weights(SMALL, {"whole": whole})
    assert weights.nnz == 24
    plane = shapely.transform(whole, equal_area)
    assert weights.sum() == pytest.approx(plane.area, rel=1e-12)
    with pytest.raises(ValueError, match=r"east: expected within 100.0-100.6 E.*found \(100.5"):
        zonal_weights(SMALL, {"east": shapely.box(100.5, 10.0, 100.61, 10.1)})
    bow_tie = shapely.Polygon([(100.1, 10.1), (100.3, 10.3), (100.3, 10.1), (100.1, 10.3)])
    with pytest.raises(ValueError, match="tie: expected a valid polygon"):
        zonal_weights(SMALL, {"tie": bow_tie})


# --- means ------------------------------------------------------------------------------------


def test_mean_and_coverage_by_hand() -> None:
    """Cells share 2 : 1 with the zone; the lesser or the greater is missing."""
    weights = zonal_weights(SMALL, {"zone": shapely.box(100.1, 10.2, 100.25, 10.3)})
    values = np.full((3, *SMALL.shape), 99.0, np.float32)
    values[:, 1, 1], values[:, 1, 2] = 6.0, 3.0
    values[1, 1, 2] = np.nan
    values[2, 1, 1] = np.nan
    mean, coverage = zonal_mean(series(values), weights, ["zone"], min_coverage=0.5)
    assert mean.dims == coverage.dims == ("time", "zone")
    np.testing.assert_allclose(coverage[:, 0], [1, 2 / 3, 1 / 3], rtol=1e-6)
    np.testing.assert_allclose(mean[:, 0], [5.0, 6.0, np.nan], rtol=1e-6)
    strict, same = zonal_mean(series(values), weights, ["zone"])
    np.testing.assert_allclose(strict[:, 0], [5.0, np.nan, np.nan], rtol=1e-6)
    np.testing.assert_array_equal(same, coverage)


def test_missing_everywhere_is_missing_and_zero_is_zero() -> None:
    weights = zonal_weights(SMALL, {"t": TRIANGLE})
    values = np.stack([np.full(SMALL.shape, np.nan), np.zeros(SMALL.shape)])
    mean, coverage = zonal_mean(series(values), weights, ["t"], min_coverage=0.0)
    np.testing.assert_allclose(coverage[:, 0], [0, 1])
    np.testing.assert_array_equal(mean[:, 0], [np.nan, 0])


def test_coverage_at_the_limit_counts() -> None:
    weights = zonal_weights(SMALL, {"row": shapely.box(100.0, 10.1, 100.5, 10.2)})
    values = np.ones((1, *SMALL.shape), np.float32)
    values[0, 2, 4] = np.nan  # one of five equal cells
    mean, coverage = zonal_mean(series(values), weights, ["row"], min_coverage=0.8)
    assert coverage.item() == pytest.approx(0.8)
    assert mean.item() == pytest.approx(1.0)


def test_mean_agrees_with_exactextract() -> None:
    values = np.random.default_rng(3).gamma(0.5, 8.0, SMALL.shape)
    values[2, 2] = np.nan
    zone = gpd.GeoDataFrame(geometry=[TRIANGLE], crs=4326)
    raster = NumPyRasterSource(
        values, xmin=100.0, ymin=10.0, xmax=100.6, ymax=10.4, srs_wkt=zone.crs.to_wkt()
    )
    expected = exactextract.exact_extract(raster, zone, ["mean"], output="pandas")["mean"][0]
    mean, _ = zonal_mean(
        series(values[None]), zonal_weights(SMALL, {"t": TRIANGLE}), ["t"], min_coverage=0.5
    )
    # exactextract weighs by planar area; over 0.4 degrees that differs by less than 1e-3.
    assert mean.item() == pytest.approx(expected, rel=1e-3)


def test_lazy_and_the_same_in_any_chunks() -> None:
    zones = {"t": TRIANGLE, "all": shapely.box(100.0, 10.0, 100.6, 10.4)}
    weights = zonal_weights(SMALL, zones)
    values = np.random.default_rng(5).gamma(0.5, 8.0, (7, *SMALL.shape)).astype(np.float32)
    values[values < 0.2] = np.nan
    expected = zonal_mean(series(values), weights, list(zones))
    for chunks in ((7, 4, 6), (3, 4, 6), (2, 3, 5)):
        chunked = series(values).chunk(dict(zip(("time", "lat", "lon"), chunks, strict=True)))
        lazy = zonal_mean(chunked, weights, list(zones))
        for found, wanted in zip(lazy, expected, strict=True):
            assert isinstance(found.data, dask.array.Array)
            xr.testing.assert_allclose(found.compute(), wanted)


def test_nothing_is_computed_before_it_is_asked_for() -> None:
    def explode(block: NDArray[np.float32]) -> NDArray[np.float32]:
        raise AssertionError(f"computed a block of shape {block.shape}")

    data = dask.array.zeros((2, *SMALL.shape), np.float32).map_blocks(
        explode, dtype=np.float32, meta=np.empty((0, 0, 0), np.float32)
    )
    da = series(np.zeros((2, *SMALL.shape), np.float32)).copy(data=data)
    mean, _ = zonal_mean(da, zonal_weights(SMALL, {"t": TRIANGLE}), ["t"])
    with pytest.raises(AssertionError, match="computed a block"):
        mean.compute()


def test_names_attributes_and_dtype_are_kept() -> None:
    weights = zonal_weights(SMALL, {"t": TRIANGLE})
    mean, coverage = zonal_mean(series(np.ones((2, *SMALL.shape), np.float32)), weights, ["t"])
    assert (mean.name, mean.attrs["units"], str(mean.dtype)) == ("rain", "mm", "float32")
    assert (coverage.name, coverage.attrs["units"]) == ("coverage", "1")
    assert mean["zone"].to_numpy().tolist() == ["t"]
    flat, _ = zonal_mean(series(np.ones((1, *SMALL.shape))).isel(time=0, drop=True), weights, ["t"])
    assert flat.dims == ("zone",)


def test_wrong_orientation_shape_or_zones_are_refused() -> None:
    weights = zonal_weights(SMALL, {"t": TRIANGLE})
    da = series(np.ones((1, *SMALL.shape)))
    with pytest.raises(ValueError, match="lat: expected descending, found"):
        zonal_mean(da.sortby("lat"), weights, ["t"])
    with pytest.raises(
        ValueError, match=r"expected shape \(zone, cell\) \(1, 18\), found \(1, 24\)"
    ):
        zonal_mean(da.isel(lat=slice(3)), weights, ["t"])
    with pytest.raises(ValueError, match="expected shape"):
        zonal_mean(da, weights, ["t", "u"])


def test_transposed_input_gives_the_same() -> None:
    weights = zonal_weights(SMALL, {"t": TRIANGLE})
    da = series(np.random.default_rng(1).random((3, *SMALL.shape)))
    expected, _ = zonal_mean(da, weights, ["t"])
    found, _ = zonal_mean(da.transpose("lon", "time", "lat"), weights, ["t"])
    xr.testing.assert_allclose(found, expected)


@given(
    centre=st.tuples(st.floats(10.12, 10.28), st.floats(100.12, 100.48)),
    radius_km=st.floats(1.0, 12.0),
    missing=st.sets(st.integers(0, 23), max_size=23),
)
def test_mean_stays_within_the_values(
    centre: tuple[float, float], radius_km: float, missing: set[int]
) -> None:
    """A mean of what is there lies between its extremes; a constant field gives the constant."""
    weights = zonal_weights(SMALL, {"disc": places.disc(*centre, radius_km=radius_km)})
    values = np.arange(24.0)
    values[list(missing)] = np.nan
    pair = np.stack([values, np.where(np.isnan(values), np.nan, 7.0)]).reshape(2, *SMALL.shape)
    mean, coverage = zonal_mean(series(pair), weights, ["disc"], min_coverage=0.0)
    seen = values[weights.indices]
    seen = seen[np.isfinite(seen)]
    assert 0 <= float(coverage[0, 0]) <= 1
    if seen.size:
        assert seen.min() - 1e-9 <= float(mean[0, 0]) <= seen.max() + 1e-9
        assert float(mean[1, 0]) == pytest.approx(7.0)
    else:
        assert np.isnan(mean).all()


def test_all_zones_are_quick() -> None:
    polygons = {key: zone.polygon for key, zone in places.zones().items()}
    began = time.perf_counter()
    weights = zonal_weights(MEKONG, polygons)
    assert time.perf_counter() - began < 5
    assert weights.shape == (len(polygons), 270 * 170)

"""Areal means beside exactextract."""

from __future__ import annotations

from functools import partial

import numpy as np
import shapely
import xarray as xr
from numpy.typing import NDArray
from shapely.geometry import Polygon

from pipeline.geography.grid import Grid
from pipeline.geography.zonal import zonal_mean, zonal_weights
from tests.benchmarks.measure import Result, seconds

GRID = Grid(8.5, 34.5, 93.0, 110.0)
"""260 x 170 cells."""


def fields(steps: int, polygons: int) -> tuple[xr.DataArray, dict[str, Polygon]]:
    """Daily rain, and discs of 0.2 to 0.8 degrees."""
    rng = np.random.default_rng(0)
    centres = rng.uniform((94.0, 9.5), (109.0, 33.5), (polygons, 2))
    radius = rng.uniform(0.2, 0.8, polygons)
    discs = {
        f"z{n}": shapely.Point(*at).buffer(size)
        for n, (at, size) in enumerate(zip(centres, radius, strict=True))
    }
    time = (np.datetime64("2025-01-01") + np.arange(steps)).astype("M8[ns]")
    rain = rng.gamma(0.5, 8.0, (steps, *GRID.shape)).astype("f4")
    return GRID.dataset(time, rain=rain)["rain"], discs


def ours(*, steps: int, polygons: int) -> Result:
    """Weights made once and kept; the means of all steps."""
    rain, discs = fields(steps, polygons)
    once = seconds(lambda: zonal_weights(GRID, discs), repeat=1)
    weights, names = zonal_weights(GRID, discs), list(discs)

    def work() -> NDArray[np.floating]:
        found: NDArray[np.floating] = zonal_mean(rain, weights, names)[0].values
        return found

    work()
    return Result(seconds(work), steps * polygons, work(), rain.nbytes, notes={"weights_s": once})


def exactextract(*, steps: int, polygons: int) -> Result:
    """Peer: the better of its strategies, on arrays; that it reads xarray itself is slower."""
    import geopandas
    from exactextract import exact_extract
    from exactextract.raster import NumPyRasterSource

    rain, discs = fields(steps, polygons)
    frame = geopandas.GeoDataFrame(geometry=list(discs.values()), crs="EPSG:4326")
    edges = GRID.lon_min, GRID.lat_min, GRID.lon_max, GRID.lat_max
    bands = [NumPyRasterSource(band, *edges, name=f"s{n}") for n, band in enumerate(rain.values)]

    def work(strategy: str = "raster-sequential") -> NDArray[np.floating]:
        found: NDArray[np.floating] = exact_extract(
            bands, frame, "mean", output="pandas", strategy=strategy
        ).to_numpy()
        return found.T

    found = work()
    took = min(
        seconds(partial(work, one), repeat=1) for one in ("raster-sequential", "feature-sequential")
    )
    return Result(took, steps * polygons, found)

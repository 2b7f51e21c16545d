"""Each benchmark runs its peer beside itself, checks that both say the same, prints the ratio.

None fails on time; ``python3 make.py bench`` shows the figures.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from time import perf_counter
from typing import TYPE_CHECKING

import numpy as np
import pytest
import xarray as xr

from pipeline.grid import MEKONG, zonal_mean, zonal_weights
from pipeline.indices.rain import accumulation
from pipeline.indices.spi import fit_spi, spi
from pipeline.sources import imerg
from pipeline.virtual.products import imerg_half_hour

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path


def seconds(work: Callable[[], object], *, repeat: int = 3) -> float:
    """Best wall time of some runs."""
    best = np.inf
    for _ in range(repeat):
        begin = perf_counter()
        work()
        best = min(best, perf_counter() - begin)
    return best


def show(what: str, peer: str, ours_s: float, peer_s: float) -> None:
    print(f"\n{what}: {ours_s:.3f} s, {peer} {peer_s:.3f} s, {peer_s / ours_s:.1f} x as fast")


@pytest.mark.slow
def test_spi6_beside_climate_indices() -> None:
    from climate_indices import indices
    from climate_indices.compute import Periodicity
    from climate_indices.indices import Distribution

    time = np.arange("1981-01", "2021-01", dtype="M8[M]").astype("M8[ns]")
    rng = np.random.default_rng(0)
    season = 60 * (1.2 - np.cos(2 * np.pi * np.arange(len(time)) / 12))
    cells = 400
    values = rng.gamma(2.0, season[:, None], (len(time), cells))
    rain = xr.DataArray(values, {"time": time}, ("time", "cell"), attrs={"units": "mm"})
    start, end = datetime(1981, 1, 1, tzinfo=UTC), datetime(2021, 1, 1, tzinfo=UTC)

    def ours() -> xr.DataArray:
        total = accumulation(rain=rain, steps=6)
        return spi(total=total, parameters=fit_spi(total=total, start=start, end=end))

    def peer() -> np.ndarray:
        return np.stack(
            [
                indices.spi(
                    values[:, cell], 6, Distribution.gamma, 1981, 1981, 2020, Periodicity.monthly
                )
                for cell in range(cells)
            ],
            axis=1,
        )

    found, other = ours().values, peer()
    inner = np.abs(found) < 2.99  # beyond, each clips where it will
    assert inner.mean() > 0.95
    np.testing.assert_allclose(found[inner], other[inner], atol=0.01)
    show(f"SPI-6, {cells} series of {len(time)} months", "climate_indices", seconds(ours),
         seconds(peer, repeat=1))  # fmt: skip


@pytest.mark.slow
def test_half_hourly_granules_beside_open_mfdataset(tmp_path: Path) -> None:
    start = datetime(2026, 8, 1, tzinfo=UTC)
    rng = np.random.default_rng(0)
    for step in range(48):
        time = start + timedelta(minutes=30 * step)
        imerg_half_hour(
            tmp_path, run="late", time=time, grid=MEKONG, published=time,
            rain_rate=rng.gamma(0.3, 4.0, MEKONG.shape).astype("f4"),
        )  # fmt: skip
    paths = sorted(tmp_path.rglob("*.HDF5"))

    def ours() -> xr.DataArray:
        return xr.concat([imerg.read(path) for path in paths], "time")["rain_rate"]

    def peer() -> xr.DataArray:
        ds = xr.open_mfdataset(
            paths, group="Grid", engine="h5netcdf", combine="nested", concat_dim="time",
            preprocess=lambda one: one[["precipitation"]].sel(
                lat=slice(7.5, 34.5), lon=slice(93, 110)
            ),
            decode_times=False, data_vars="all",
        )  # fmt: skip
        return ds["precipitation"].transpose("time", "lat", "lon")[:, ::-1].load()

    np.testing.assert_allclose(ours().values, peer().values)
    show(f"{len(paths)} half-hourly granules", "open_mfdataset", seconds(ours), seconds(peer))


@pytest.mark.slow
def test_zonal_means_beside_exactextract() -> None:
    import geopandas
    import shapely
    from exactextract import exact_extract

    rng = np.random.default_rng(0)
    steps, zones = 12, 60
    centres = rng.uniform((94.5, 9.0), (108.5, 33.0), (zones, 2))
    polygons = {f"z{n}": shapely.Point(*at).buffer(0.8) for n, at in enumerate(centres)}
    time = np.arange("2026-01-01", "2026-01-13", dtype="M8[D]").astype("M8[ns]")
    rain = rng.gamma(0.5, 8.0, (steps, *MEKONG.shape)).astype("f4")
    ds = MEKONG.dataset(time, rain=rain)["rain"]
    weights = zonal_weights(MEKONG, polygons)
    frame = geopandas.GeoDataFrame(geometry=list(polygons.values()), crs="EPSG:4326")

    def ours() -> np.ndarray:
        found: np.ndarray = zonal_mean(ds, weights, list(polygons))[0].values
        return found

    def peer() -> np.ndarray:
        found: np.ndarray = exact_extract(ds, frame, "mean", output="pandas").to_numpy().T
        return found

    # exactextract weighs cells by degrees, not by true area: within a zone of 1.6 degrees the
    # difference stays below a few per cent of the spread.
    np.testing.assert_allclose(ours(), peer(), rtol=0.02)
    show(f"means of {zones} zones, {steps} steps, weights kept", "exactextract", seconds(ours),
         seconds(peer))  # fmt: skip

"""SPI of months and of one new step, beside climate_indices and xclim."""

from __future__ import annotations

import warnings
from datetime import UTC, datetime
from typing import Any

import numpy as np
import xarray as xr
from numpy.typing import NDArray
from scipy.special import gammainc, ndtri

from pipeline.indices.rain import accumulation
from pipeline.indices.spi import fit_spi, spi
from tests.benchmarks.measure import Result, seconds

START, MONTHS = "1981-01", 528
COMPARED = 100
"""Series whose values are compared."""


def series(cells: int) -> tuple[NDArray[np.datetime64], NDArray[np.float32]]:
    """Make monthly rain without dry months, where all definitions agree; first cells stay first."""
    time = (np.datetime64(START) + np.arange(MONTHS)).astype("M8[ns]")
    season = 60 * (1.2 - np.cos(2 * np.pi * np.arange(MONTHS) / 12))
    rng = np.random.default_rng(0)
    rain = np.empty((MONTHS, cells), np.float32)
    for begin in range(0, cells, 1000):
        rain[:, begin : begin + 1000] = rng.gamma(2.0, season[:, None], (MONTHS, 1000))[
            :, : cells - begin
        ]
    return time, rain


def fit_and_apply(*, cells: int, threads: int) -> Result:
    """Ours: accumulate, fit on the whole record, apply."""
    time, values = series(cells)
    rain = xr.DataArray(values, {"time": time}, ("time", "cell"), attrs={"units": "mm"})
    if threads > 1:
        rain = rain.chunk(cell=-(-cells // (2 * threads)))
    start, end = datetime(1981, 1, 1, tzinfo=UTC), datetime(2025, 1, 1, tzinfo=UTC)

    def work() -> NDArray[np.floating]:
        total = accumulation(rain=rain, steps=6)
        index = spi(total=total, parameters=fit_spi(total=total, start=start, end=end))
        found: NDArray[np.floating] = index.compute(num_workers=threads).values
        return found

    found = work()[:, :COMPARED]
    return Result(seconds(work), cells, found, values.nbytes)


def climate_indices(*, cells: int) -> Result:
    """Peer: one call per series, as its own grid driver makes."""
    from climate_indices import indices
    from climate_indices.compute import Periodicity
    from climate_indices.indices import Distribution

    _, values = series(cells)
    double = values.astype(np.float64)

    def work() -> NDArray[np.floating]:
        return np.stack(
            [
                indices.spi(
                    double[:, cell], 6, Distribution.gamma, 1981, 1981, 2024, Periodicity.monthly
                )
                for cell in range(cells)
            ],
            axis=1,
        )

    found = work()[:, :COMPARED]
    return Result(seconds(work, repeat=2), cells, found)


def xclim(*, cells: int) -> Result:
    """Peer: the approximate method, with the location fixed at zero as for a gamma."""
    from xclim.indices import (  # type: ignore[import-untyped]
        standardized_precipitation_index,
    )

    time, values = series(cells)
    rain = xr.DataArray(
        values.astype(np.float64), {"time": time}, ("time", "cell"), attrs={"units": "mm/day"}
    )

    def work() -> NDArray[np.floating]:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            found: NDArray[np.floating] = standardized_precipitation_index(
                rain, freq=None, window=6, dist="gamma", method="APP", fitkwargs={"floc": 0}
            ).values
        return found

    found = work()[:, :COMPARED]
    return Result(seconds(work, repeat=1), cells, found)


def one_step(*, cells: int, season: str) -> Result:
    """Ours: parameters of one month or day of the year applied to one new total of every cell."""
    total, params = _new_total(cells, season)

    def work() -> NDArray[np.floating]:
        index: NDArray[np.floating] = spi(total=total, parameters=params).values
        return index

    work()
    return Result(seconds(work, repeat=9), cells, work().ravel(), total.nbytes * 6)


def one_step_exactly(*, cells: int, season: str) -> Result:
    """The same by the incomplete gamma function."""
    total, params = _new_total(cells, season)
    x = total.values[0].astype(np.float64)
    values = {name: da.values[6].astype(np.float64) for name, da in params.items()}

    def work() -> NDArray[np.float64]:
        p = gammainc(values["shape"], x / values["scale"])
        h = np.where(x > 0, values["p_zero"] + (1 - values["p_zero"]) * p, values["h_zero"])
        z: NDArray[np.float64] = np.clip(ndtri(h), -3, 3)
        return z

    return Result(seconds(work, repeat=9), cells, work())


def _new_total(cells: int, season: str) -> tuple[xr.DataArray, xr.Dataset]:
    rng = np.random.default_rng(1)
    slots = {"month": 12, "dayofyear": 365}[season]
    zeros = np.where(rng.random(cells) < 0.3, 0.1, 0.0)
    params: dict[str, NDArray[Any]] = {
        "shape": rng.uniform(0.4, 20, cells), "scale": rng.uniform(2, 60, cells),
        "p_zero": zeros, "h_zero": zeros / 2, "quality": np.zeros(cells),
    }  # fmt: skip
    x = rng.gamma(params["shape"], params["scale"]) * (rng.random(cells) > zeros)
    ds = xr.Dataset({
        name: ((season, "cell"), np.broadcast_to(values.astype("f4"), (slots, cells)))
        for name, values in params.items()
    })  # fmt: skip
    at = {"month": "2026-07-01", "dayofyear": "2026-01-07"}[season]
    time = np.array([at], "M8[ns]")
    total = xr.DataArray(
        x[None].astype("f4"), {"time": time}, ("time", "cell"), attrs={"units": "mm"}
    )
    return total, ds

"""Series that the tests of the indices share, and a dask scheduler that refuses to compute."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import numpy as np
import xarray as xr

START, END = datetime(1991, 1, 1, tzinfo=UTC), datetime(2021, 1, 1, tzinfo=UTC)
NAN = float("nan")


def refuse(*_: Any, **__: Any) -> Any:
    """Fail where anything is computed."""
    raise AssertionError("computed")


def series(values: Any, time: Any, units: str = "m3 m-3") -> xr.DataArray:
    """Values at the given times, along zones where they have a second dimension."""
    values = np.asarray(values, np.float64)
    dims = ("time", "zone", "more")[: values.ndim]
    return xr.DataArray(
        values, {"time": np.asarray(time, "M8[ns]")}, dims, name="x", attrs={"units": units}
    )


def daily(values: Any, start: str = "2001-01-01", *, units: str = "mm") -> xr.DataArray:
    """Values of one day after the other."""
    return series(values, days_from(start, len(values)), units)


def by_month(values: Any, units: str = "mm") -> xr.DataArray:
    """Values of the 360 months from 1991 to 2020."""
    return series(values, np.arange("1991-01", "2021-01", dtype="M8[M]"), units)


def days(start: str, end: str) -> Any:
    """Days from one to before another."""
    return np.arange(start, end, dtype="M8[D]")


def days_from(start: str, count: int) -> Any:
    """So many days from one on."""
    return np.datetime64(start, "ns") + np.arange(count) * np.timedelta64(1, "D")


def rain_of_31_years() -> xr.DataArray:
    """Daily rain of two zones with a wet and a dry season, from 1991 to March 2022."""
    time = days("1991-01-01", "2022-04-01")
    rng = np.random.default_rng(7)
    season = 0.3 - 0.28 * np.cos(2 * np.pi * (np.arange(len(time)) - 30) / 365.25)
    return series(rng.gamma(season[:, None], 15.0, (len(time), 2)), time, "mm")

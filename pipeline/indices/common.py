"""What all indices share: units, calendar, frozen reference periods, lazy work along time."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Sequence
from datetime import datetime
from typing import Any, Literal

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from pipeline.times import utc64

Season = Literal["dayofyear", "month"]
SLOTS: dict[Season, int] = {"dayofyear": 365, "month": 12}
"""Slots of the year; 29 February shares the slot of the 28th."""
FULL_CLIMATE_YEARS = 30
"""Length of a climatological reference (WMO-No. 1203); shorter ones are marked provisional."""
_DAYS_BEFORE = np.array([0, 31, 59, 90, 120, 151, 181, 212, 243, 273, 304, 334])


def require_units(da: xr.DataArray, expected: str) -> None:
    """Raise unless an array says that it is in the units expected.

    Raises
    ------
    ValueError
        The units are others, or not told.
    """
    found = da.attrs.get("units")
    if found != expected:
        raise ValueError(f"{da.name}: expected units {expected!r}, found {found!r}")


def cadence(da: xr.DataArray) -> np.timedelta64 | None:
    """Step of a time axis without gaps: a fixed length, or None for calendar months.

    Raises
    ------
    ValueError
        Steps are missing, doubled, out of order, or fewer than two.

    Examples
    --------
    >>> time = np.array(["2001-02-28", "2001-03-01"], "datetime64[ns]")
    >>> print(cadence(xr.DataArray([0.0, 1.0], {"time": time})).astype("m8[D]"))
    1 days
    """
    time = da["time"].values
    steps = np.unique(np.diff(time))
    if steps.size == 1 and steps[0] > np.timedelta64(0):
        step: np.timedelta64 = steps[0]
        return step
    months = time.astype("datetime64[M]")
    if time.size > 1 and (time == months).all() and (np.diff(months).astype(int) == 1).all():
        return None
    raise ValueError(
        f"{da.name}: expected a time axis without gaps, found {time.size} times with steps "
        f"{[str(step.astype('timedelta64[m]')) for step in steps[:3]]}"
    )


def slots(time: NDArray[np.datetime64], season: Season) -> NDArray[np.int64]:
    """Slot of the year, counted from 1, that each time falls in.

    Examples
    --------
    >>> days = np.array(["2023-02-28", "2024-02-29", "2024-03-01", "2024-12-31"], "datetime64[ns]")
    >>> slots(days, "dayofyear").tolist(), slots(days, "month").tolist()
    ([59, 59, 60, 365], [2, 2, 3, 12])
    """
    month = time.astype("datetime64[M]")
    number = month.astype(np.int64) % 12
    if season == "month":
        return number + 1
    day = (time.astype("datetime64[D]") - month.astype("datetime64[D]")).astype(np.int64) + 1
    return _DAYS_BEFORE[number] + np.where((number == 1) & (day == 29), 28, day)


def slots_apart(
    slot: NDArray[np.int64], other: NDArray[np.int64] | int, season: Season = "dayofyear"
) -> NDArray[np.int64]:
    """Slots of the year between two, the shorter way round; they broadcast.

    Examples
    --------
    >>> slots_apart(np.array([1, 365, 180]), 3).tolist()
    [2, 3, 177]
    """
    apart = np.abs(slot - other)
    return np.asarray(np.minimum(apart, SLOTS[season] - apart))


def season_of(da: xr.DataArray) -> Season:
    """Slots that suit an array's steps: months for monthly values, else days of the year."""
    return "month" if cadence(da) is None else "dayofyear"


def within(da: xr.DataArray, *, start: datetime, end: datetime) -> xr.DataArray:
    """Part of an array whose time lies in [start, end).

    Raises
    ------
    ValueError
        A moment has no time zone, or no time lies in the interval.
    """
    for moment in (start, end):
        if moment.tzinfo is None:
            raise ValueError(f"expected an aware moment, found {moment!r} without a time zone")
    first, last = (utc64(moment) for moment in (start, end))
    time = da["time"].values
    inside = np.flatnonzero((time >= first) & (time < last))
    if inside.size == 0:
        span = f"{time[0]} to {time[-1]}" if time.size else "no time at all"
        raise ValueError(f"{da.name}: expected times in [{first}, {last}), found {span}")
    return da.isel(time=inside)


def definition(
    da: xr.DataArray, *, start: datetime, end: datetime, **how: str | float
) -> dict[str, Any]:
    """Attributes that say what a fit rests on, with a hash that changes whenever that does.

    Parameters
    ----------
    da
        Array fitted, already cut to the period.
    start, end
        Reference period, half-open.
    **how
        Everything else that defines the fit.

    Returns
    -------
    dict
        ``reference_period``, ``n_years``, ``provisional_lt30y`` (1 or 0), the settings, and
        ``definition_sha256`` over all of it and the array's name, units, window and least share
        of known steps.
    """
    period = f"{start:%Y-%m-%d}/{end:%Y-%m-%d}"
    n_years = np.unique(da["time"].values.astype("datetime64[Y]")).size
    window = str(da.attrs.get("window", ""))
    whole = {
        "name": str(da.name),
        "units": str(da.attrs.get("units", "")),
        "window": window,
        "min_share": float(da.attrs.get("min_share", 1.0)),
        "reference_period": period,
        **how,
    }
    digest = hashlib.sha256(json.dumps(whole, sort_keys=True).encode()).hexdigest()
    return {
        **how,
        "window": window,
        "reference_period": period,
        "n_years": n_years,
        "provisional_lt30y": int(n_years < FULL_CLIMATE_YEARS),
        "definition_sha256": digest,
    }


def stated(parameters: xr.Dataset | xr.DataArray) -> dict[str, Any]:
    """Attributes that an index takes from its parameters: period, its hash, whether provisional.

    Examples
    --------
    >>> stated(xr.Dataset(attrs={"reference_period": "1991-01-01/2021-01-01", "law": "gamma"}))
    {'reference_period': '1991-01-01/2021-01-01'}
    """
    names = ("reference_period", "definition_sha256", "provisional_lt30y")
    return {name: parameters.attrs[name] for name in names if name in parameters.attrs}


def same_window(values: xr.DataArray, parameters: xr.Dataset) -> None:
    """Raise unless values are over the window that a law was fitted on.

    Raises
    ------
    ValueError
        The windows differ.
    """
    expected, found = parameters.attrs.get("window", ""), values.attrs.get("window", "")
    if expected and expected != found:
        raise ValueError(f"{values.name}: expected totals over {expected!r}, found {found!r}")


def along_time(
    kernel: Callable[..., NDArray[np.floating]],
    first: xr.DataArray,
    *others: xr.DataArray,
    core: Sequence[Sequence[str]] = (),
    output: dict[str, int] | None = None,
) -> xr.DataArray:
    """Run a numpy kernel over whole time series, lazily where an input is lazy.

    Parameters
    ----------
    kernel
        Takes arrays whose core dimensions come first and gives one whose output dimensions come
        first; the others, one at least, broadcast.
    first
        Array with the dimension ``time``; the result keeps its dtype and its order of dimensions.
    *others
        Further arrays.
    core
        Core dimensions of each of ``others``.
    output
        Sizes of the dimensions that take the place of ``time``; default ``time`` itself.

    Raises
    ------
    ValueError
        ``first`` has no dimension ``time``, or coordinates differ.
    """
    if "time" not in first.dims:
        raise ValueError(f"{first.name}: expected a dimension time, found {first.dims}")
    cores = [["time"], *(list(dims) for dims in core)]
    sizes = output or {"time": first.sizes["time"]}
    arrays = [
        da.chunk(dict.fromkeys(dims, -1)) if da.chunks else da
        for da, dims in zip((first, *others), cores, strict=True)
    ]

    def run(*values: NDArray[Any]) -> NDArray[np.floating]:
        values = (values[0].astype(dtype, copy=False), *values[1:])
        wanted = max(value.ndim - len(dims) for value, dims in zip(values, cores, strict=True))
        loops = max(wanted, 1)
        moved = []
        for value, dims in zip(values, cores, strict=True):
            lead = (1,) * (loops + len(dims) - value.ndim)
            full = value.reshape(lead + value.shape)
            moved.append(np.moveaxis(full, range(-len(dims), 0), range(len(dims))))
        found = kernel(*moved).astype(dtype, copy=False)
        found = np.moveaxis(found, range(len(sizes)), range(-len(sizes), 0))
        return found if wanted else found[0]

    dtype = first.dtype if np.issubdtype(first.dtype, np.floating) else np.dtype(np.float64)
    kept = {name for name in sizes if name == "time"}
    result: xr.DataArray = xr.apply_ufunc(
        run,
        *arrays,
        input_core_dims=cores,
        output_core_dims=[list(sizes)],
        exclude_dims={name for dims in cores for name in dims} - kept,
        dask="parallelized",
        output_dtypes=[dtype],
        dask_gufunc_kwargs={"output_sizes": {k: v for k, v in sizes.items() if k != "time"}},
        join="exact",
        keep_attrs=False,
    )
    order = [name for dim in first.dims for name in (sizes if dim == "time" else (dim,))]
    return result.transpose(..., *order)


def seasonal_sum(
    values: NDArray[np.floating], slot: NDArray[np.int64], *, size: int, half_window: int
) -> NDArray[np.float64]:
    """Sum per slot of the year and its neighbours, the year's end wrapped to its beginning.

    Parameters
    ----------
    values
        Shape (time, ...), no NaN.
    slot
        Slot of each time, from 1.
    size
        Number of slots.
    half_window
        Neighbours on either side that count too.

    Examples
    --------
    >>> seasonal_sum(np.array([1.0, 2.0, 4.0]), np.array([1, 2, 4]), size=4, half_window=1)
    array([7., 3., 6., 5.])
    """
    single = np.zeros((size, *values.shape[1:]))
    for number in np.unique(slot):
        single[number - 1] = values[slot == number].sum(axis=0, dtype=np.float64)
    return windowed(single, half_window=half_window)


def windowed(single: NDArray[np.float64], *, half_window: int) -> NDArray[np.float64]:
    """Sum of each slot (first axis) and its neighbours on either side, wrapped.

    Examples
    --------
    >>> windowed(np.array([1.0, 2.0, 0.0, 4.0]), half_window=1)
    array([7., 3., 6., 5.])
    """
    total = single.copy()
    for shift in range(1, half_window + 1):
        for turn in (shift, -shift):
            total[turn:] += single[:-turn]
            total[:turn] += single[-turn:]
    return total


def carried(*, values: xr.DataArray, days: int) -> xr.DataArray:
    """Last value seen, for as many days after it at most; NaN before the first.

    Parameters
    ----------
    values
        Daily values, dims with ``time``.
    days
        Longest age that still counts.

    Examples
    --------
    >>> time = np.arange("2001-01-01", "2001-01-05", dtype="datetime64[D]").astype("M8[ns]")
    >>> carried(values=xr.DataArray([1.0, np.nan, np.nan, 2.0], {"time": time}), days=1).values
    array([ 1.,  1., nan,  2.])
    """

    def kernel(x: NDArray[np.floating]) -> NDArray[np.floating]:
        out = np.empty_like(x)
        last, age = np.full(x.shape[1:], np.nan, x.dtype), np.zeros(x.shape[1:])
        for row, today in enumerate(x):
            new = np.isfinite(today)
            age = np.where(new, 0, age + 1)
            last = np.where(new, today, last)
            out[row] = np.where(age <= days, last, np.nan)
        return out

    if values.sizes["time"] > 1 and cadence(values) != np.timedelta64(1, "D"):
        raise ValueError(f"{values.name}: expected daily steps, found {cadence(values)}")
    return along_time(kernel, values).assign_attrs(values.attrs)

"""Shared by all indices: units, calendar, fixed reference periods, lazy kernels along time."""

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
    """Raise unless an array has the expected units.

    Raises
    ------
    ValueError
        The units differ or are missing.
    """
    units = da.attrs.get("units")
    if units != expected:
        raise ValueError(f"{da.name}: expected units {expected!r}, found {units!r}")


def cadence(da: xr.DataArray) -> np.timedelta64 | None:
    """Return the step of a time axis without gaps: a length, or None for calendar months.

    Raises
    ------
    ValueError
        Steps are missing, doubled, out of order, or fewer than two.

    Examples
    --------
    >>> time = np.array(["2001-02-28", "2001-03-01"], "datetime64[ns]")
    >>> print(cadence(xr.DataArray([0.0, 1.0], {"time": time})).astype("m8[D]"))
    1 days
    >>> months = np.array(["2020-07", "2020-08", "2020-09"], "datetime64[ns]")
    >>> print(cadence(xr.DataArray([0.0, 1.0, 2.0], {"time": months})))
    None
    """
    time = da["time"].values
    steps = np.unique(np.diff(time))
    months = time.astype("datetime64[M]")
    if time.size > 1 and (time == months).all() and (np.diff(months).astype(int) == 1).all():
        return None  # before lengths: two months alone, or July to September, are as long
    if steps.size == 1 and steps[0] > np.timedelta64(0):
        step: np.timedelta64 = steps[0]
        return step
    raise ValueError(
        f"{da.name}: expected a time axis without gaps, found {time.size} times with steps "
        f"{[str(step.astype('timedelta64[m]')) for step in steps[:3]]}"
    )


def slots(time: NDArray[np.datetime64], season: Season) -> NDArray[np.int64]:
    """Return the slot of the year, from 1, that each time falls in.

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


def slot_distance(
    slot: NDArray[np.int64], other: NDArray[np.int64] | int, season: Season = "dayofyear"
) -> NDArray[np.int64]:
    """Return the distance of slots of the year, the shorter way round; arguments broadcast.

    Examples
    --------
    >>> slot_distance(np.array([1, 365, 180]), 3).tolist()
    [2, 3, 177]
    """
    distance = np.abs(slot - other)
    return np.asarray(np.minimum(distance, SLOTS[season] - distance))


def season_of(da: xr.DataArray) -> Season:
    """Return the kind of slots for an array: months for monthly values, else days of the year."""
    return "month" if cadence(da) is None else "dayofyear"


def select_period(da: xr.DataArray, *, start: datetime, end: datetime) -> xr.DataArray:
    """Return the part of an array whose time lies in [start, end).

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
    da: xr.DataArray, *, start: datetime, end: datetime, **settings: str | float
) -> dict[str, Any]:
    """Return attributes that define a fit, with a hash that changes with any of them.

    Parameters
    ----------
    da
        Array to fit, already cut to the period.
    start, end
        Reference period, half-open.
    **settings
        All other settings that define the fit.

    Returns
    -------
    dict
        ``reference_period``, from the first step of the array where that is later than ``start``,
        ``n_years``, ``provisional_lt30y`` (1 or 0), the settings, and ``definition_sha256`` over
        all of these and the array's name, units, window and least share of known steps.
    """
    first = max(utc64(start), da["time"].values[0]).astype("datetime64[D]")
    period = f"{first}/{end:%Y-%m-%d}"
    n_years = np.unique(da["time"].values.astype("datetime64[Y]")).size
    window = str(da.attrs.get("window", ""))
    content = {
        "name": str(da.name),
        "units": str(da.attrs.get("units", "")),
        "window": window,
        "min_share": float(da.attrs.get("min_share", 1.0)),
        "reference_period": period,
        **settings,
    }
    digest = hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()
    return {
        **settings,
        "window": window,
        "reference_period": period,
        "n_years": n_years,
        "provisional_lt30y": int(n_years < FULL_CLIMATE_YEARS),
        "definition_sha256": digest,
    }


def copy_reference_attrs(parameters: xr.Dataset | xr.DataArray) -> dict[str, Any]:
    """Copy the attributes of an index's reference: period, hash, whether provisional.

    Examples
    --------
    >>> attrs = {"reference_period": "1991-01-01/2021-01-01", "law": "gamma"}
    >>> copy_reference_attrs(xr.Dataset(attrs=attrs))
    {'reference_period': '1991-01-01/2021-01-01'}
    """
    names = ("reference_period", "definition_sha256", "provisional_lt30y")
    return {name: parameters.attrs[name] for name in names if name in parameters.attrs}


def require_window(values: xr.DataArray, parameters: xr.Dataset) -> None:
    """Raise unless values are over the window that the parameters were fitted on.

    Raises
    ------
    ValueError
        The windows differ.
    """
    expected, window = parameters.attrs.get("window", ""), values.attrs.get("window", "")
    if expected and expected != window:
        raise ValueError(f"{values.name}: expected totals over {expected!r}, found {window!r}")


def apply_along_time(
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
        Takes arrays whose core dimensions come first and returns one whose output dimensions come
        first; the other dimensions, at least one, broadcast.
    first
        Array with the dimension ``time``; the result keeps its dtype and its order of dimensions.
    *others
        Further arrays.
    core
        Core dimensions of each of ``others``.
    output
        Sizes of the dimensions that replace ``time``; by default ``time`` itself.

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
        loop_dims = max(value.ndim - len(dims) for value, dims in zip(values, cores, strict=True))
        loops = max(loop_dims, 1)
        moved = []
        for value, dims in zip(values, cores, strict=True):
            lead = (1,) * (loops + len(dims) - value.ndim)
            full = value.reshape(lead + value.shape)
            moved.append(np.moveaxis(full, range(-len(dims), 0), range(len(dims))))
        result = kernel(*moved).astype(dtype, copy=False)
        result = np.moveaxis(result, range(len(sizes)), range(-len(sizes), 0))
        return result if loop_dims else result[0]

    dtype = first.dtype if np.issubdtype(first.dtype, np.floating) else np.dtype(np.float64)
    kept_dims = {name for name in sizes if name == "time"}
    result: xr.DataArray = xr.apply_ufunc(
        run,
        *arrays,
        input_core_dims=cores,
        output_core_dims=[list(sizes)],
        exclude_dims={name for dims in cores for name in dims} - kept_dims,
        dask="parallelized",
        output_dtypes=[dtype],
        dask_gufunc_kwargs={"output_sizes": {k: v for k, v in sizes.items() if k != "time"}},
        join="exact",
        keep_attrs=False,
    )
    order = [name for dim in first.dims for name in (sizes if dim == "time" else (dim,))]
    return result.transpose(..., *order)


def sum_by_slot(
    values: NDArray[np.floating], slot: NDArray[np.int64], *, size: int, half_window: int
) -> NDArray[np.float64]:
    """Sum over each slot of the year and its neighbours; the year wraps around.

    Parameters
    ----------
    values
        Shape (time, ...), no NaN.
    slot
        Slot of each time, from 1.
    size
        Number of slots.
    half_window
        Neighbours on either side that are included.

    Examples
    --------
    >>> sum_by_slot(np.array([1.0, 2.0, 4.0]), np.array([1, 2, 4]), size=4, half_window=1)
    array([7., 3., 6., 5.])
    """
    single = np.zeros((size, *values.shape[1:]))
    for number in np.unique(slot):
        single[number - 1] = values[slot == number].sum(axis=0, dtype=np.float64)
    return sum_neighbours(single, half_window=half_window)


def sum_neighbours(single: NDArray[np.float64], *, half_window: int) -> NDArray[np.float64]:
    """Sum each slot (first axis) and its neighbours on either side, wrapped.

    Examples
    --------
    >>> sum_neighbours(np.array([1.0, 2.0, 0.0, 4.0]), half_window=1)
    array([7., 3., 6., 5.])
    """
    total = single.copy()
    for distance in range(1, half_window + 1):
        for shift in (distance, -distance):
            total[shift:] += single[:-shift]
            total[:shift] += single[-shift:]
    return total


def carry_forward(*, values: xr.DataArray, days: int) -> xr.DataArray:
    """Carry the last known value forward for at most so many days; NaN before the first.

    Parameters
    ----------
    values
        Daily values, dims with ``time``.
    days
        Longest age of a value, days.

    Examples
    --------
    >>> time = np.arange("2001-01-01", "2001-01-05", dtype="datetime64[D]").astype("M8[ns]")
    >>> values = xr.DataArray([1.0, np.nan, np.nan, 2.0], {"time": time})
    >>> carry_forward(values=values, days=1).values
    array([ 1.,  1., nan,  2.])
    """

    def kernel(x: NDArray[np.floating]) -> NDArray[np.floating]:
        row = np.arange(len(x)).reshape(-1, *[1] * (x.ndim - 1))
        last = np.maximum.accumulate(np.where(np.isfinite(x), row, 0), axis=0)
        carried = np.take_along_axis(x, last, axis=0)
        return np.where((row - last <= days) & np.isfinite(carried), carried, np.nan)

    if values.sizes["time"] > 1 and cadence(values) != np.timedelta64(1, "D"):
        raise ValueError(f"{values.name}: expected daily steps, found {cadence(values)}")
    return apply_along_time(kernel, values).assign_attrs(values.attrs)

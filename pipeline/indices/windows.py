"""Sums over the last steps of a series and over months, with a rule for missing steps."""

from __future__ import annotations

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from pipeline.indices.common import apply_along_time, cadence

Days = NDArray[np.datetime64]

DAY = np.timedelta64(1, "D")
MAX_STEPS = 366


def moving_sum(*, values: xr.DataArray, steps: int, min_share: float = 1.0) -> xr.DataArray:
    """Sum the last ``steps`` steps, the current step included.

    Parameters
    ----------
    values
        Per step (day, half-hour or calendar month), dims with ``time``, no gaps in the axis.
    steps
        Length of the window, 1 to 366.
    min_share
        Least share of the window's steps that must be known, above 0; the sum is then ``steps``
        times their mean. A missing step never counts as zero.

    Returns
    -------
    DataArray
        NaN where too little is known; attributes ``window`` and ``min_share``, no units.

    Raises
    ------
    ValueError
        A time axis with gaps, or a window or share out of range.
    """
    if not 1 <= steps <= MAX_STEPS:
        raise ValueError(f"steps: expected 1 to {MAX_STEPS}, found {steps}")
    if not 0.0 < min_share <= 1.0:
        raise ValueError(f"min_share: expected above 0 and up to 1, found {min_share}")
    step = cadence(values)
    # Blocks are counted from a fixed day, so that a sum does not depend on where a record begins.
    time = values["time"].values[0]
    since = time - np.datetime64(0, "ns") if step else time.astype("datetime64[M]").astype(int)
    first = int(since // (step or 1)) % steps

    def kernel(x: NDArray[np.floating]) -> NDArray[np.floating]:
        good = np.isfinite(x)
        if good.all():
            total = _moving_sum(x, steps, first)
            early = np.arange(1, min(steps, len(x) + 1)).reshape(-1, *(1,) * (x.ndim - 1))
            enough = early >= min_share * steps - 1e-6
            total[: len(early)] *= np.where(enough, steps / early, np.nan).astype(x.dtype)
            return total
        if min_share == 1.0:
            total = _moving_sum(x, steps, first)
            total[: steps - 1] = np.nan
            return total
        total = _moving_sum(np.where(good, x, x.dtype.type(0)), steps, first)
        n_known = _moving_sum(known_steps(good).astype(x.dtype), steps, first)
        n_known[n_known < min_share * steps - 1e-6] = np.nan
        return np.asarray(np.multiply(total, steps / n_known, out=total))

    length = "month" if step is None else str(step.astype("timedelta64[m]"))
    total = apply_along_time(kernel, values)
    return total.assign_attrs(window=f"{steps} x {length}", min_share=min_share)


def known_steps(good: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Return the mask of known steps (time, ...), as one column where all columns agree.

    A lost granule is missing in all cells; its steps are then counted once, not per cell.

    Examples
    --------
    >>> known_steps(np.array([[True, True], [False, False]])).shape
    (2, 1)
    >>> known_steps(np.array([[True, True], [False, True]])).shape
    (2, 2)
    """
    cells = tuple(range(1, good.ndim))
    column = np.asarray(good.all(axis=cells, keepdims=True))
    return column if np.array_equal(column, good.any(axis=cells, keepdims=True)) else good


def _moving_sum(x: NDArray[np.floating], steps: int, first: int) -> NDArray[np.floating]:
    """Sum the last ``steps`` rows, fewer where the record begins.

    In blocks of ``steps`` rows: the part of the window in the block before is summed backwards,
    that in its own block forwards. So a sum never covers more than the window, and that of zeros
    is exactly zero. ``first`` is the position of the first row in its block.
    """
    if steps == 1:
        return x.copy()
    count = -(-(first + len(x)) // steps)
    backward = np.zeros((count * steps, *x.shape[1:]), x.dtype)
    backward[first : first + len(x)] = x
    backward = backward.reshape(count, steps, *x.shape[1:])
    total = backward.copy()
    for row in range(1, steps):
        total[:, row] += total[:, row - 1]
        backward[:, -1 - row] += backward[:, -row]
    total[1:, :-1] += backward[:-1, 1:]
    return total.reshape(-1, *x.shape[1:])[first : first + len(x)]


def aggregate_by_month(
    daily: xr.DataArray, *, min_share: float, mean: bool = False
) -> xr.DataArray:
    """Sum or average over the calendar months that lie entirely on the axis.

    Parameters
    ----------
    daily
        Daily values, dims with ``time``, no gaps in the axis, at least one whole month.
    min_share
        Least share of a month's days that must be known; missing ones count as their mean.
    mean
        Return the mean of the days, not their sum.

    Returns
    -------
    DataArray
        One time per month, its first day; NaN where too little is known.

    Examples
    --------
    >>> import xarray as xr
    >>> time = np.arange("2001-02-01", "2001-04-10", dtype="M8[D]").astype("M8[ns]")
    >>> rain = xr.DataArray(np.ones((68, 1)), {"time": time}, ("time", "cell"))
    >>> rain[3] = np.nan  # one of 28 days: 96 % remain
    >>> rain[30:34] = np.nan  # four of 31 days: 87 % remain
    >>> aggregate_by_month(rain, min_share=0.9).values.ravel()
    array([28., nan])
    """
    time = daily["time"].values
    whole = whole_months(time)
    begin = np.searchsorted(time, whole)
    last = np.searchsorted(time, next_months(whole)[-1:])
    days = (next_months(whole) - whole) // DAY

    def kernel(x: NDArray[np.floating]) -> NDArray[np.floating]:
        part = x[begin[0] : last[0]]
        good = np.isfinite(part)
        length = days.astype(part.dtype).reshape(-1, *(1,) * (part.ndim - 1))
        n_known = np.add.reduceat(good.view(np.uint8), begin - begin[0], axis=0).astype(part.dtype)
        n_known[n_known < min_share * length - 1e-6] = np.nan
        total = np.add.reduceat(np.where(good, part, part.dtype.type(0)), begin - begin[0], axis=0)
        return total / n_known if mean else total * (length / n_known)

    monthly = apply_along_time(kernel, daily, output={"month": whole.size}).rename(month="time")
    return monthly.assign_coords(time=whole).assign_attrs(daily.attrs).rename(daily.name)


def whole_months(axis: Days) -> Days:
    """Return the calendar months that lie entirely on an axis of days.

    Examples
    --------
    >>> whole_months(np.arange("2001-01-31", "2001-04-01", dtype="M8[D]"))
    array(['2001-02-01T00:00:00.000000000', '2001-03-01T00:00:00.000000000'],
          dtype='datetime64[ns]')
    """
    first = axis[0].astype("M8[M]")
    first = first + int(first < axis[0])
    return np.arange(first, (axis[-1] + DAY).astype("M8[M]")).astype("M8[ns]")


def next_months(months: Days) -> Days:
    """Return the first day of the month after each."""
    return (months.astype("M8[M]") + 1).astype("M8[ns]")

"""Sums over the last steps of a series and over months, with a rule for what is missing."""

from __future__ import annotations

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from pipeline.indices.common import along_time, cadence

Days = NDArray[np.datetime64]

DAY = np.timedelta64(1, "D")
MAX_STEPS = 366


def moving_sum(*, values: xr.DataArray, steps: int, min_share: float = 1.0) -> xr.DataArray:
    """Sum of the last ``steps`` steps, the step itself included.

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
    each = cadence(values)
    # Blocks are counted from a fixed day, so that a sum does not depend on where a record begins.
    time = values["time"].values[0]
    since = time - np.datetime64(0, "ns") if each else time.astype("datetime64[M]").astype(int)
    first = int(since // (each or 1)) % steps

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
        seen = _moving_sum(known_steps(good).astype(x.dtype), steps, first)
        seen[seen < min_share * steps - 1e-6] = np.nan
        return np.asarray(np.multiply(total, steps / seen, out=total))

    length = "month" if each is None else str(each.astype("timedelta64[m]"))
    found = along_time(kernel, values)
    return found.assign_attrs(window=f"{steps} x {length}", min_share=min_share)


def known_steps(good: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Give what is known (time, ...), in one column where steps are known everywhere or nowhere.

    A lost granule is lost everywhere, and what is counted of one column need not be of all.

    Examples
    --------
    >>> known_steps(np.array([[True, True], [False, False]])).shape
    (2, 1)
    >>> known_steps(np.array([[True, True], [False, True]])).shape
    (2, 2)
    """
    cells = tuple(range(1, good.ndim))
    every = np.asarray(good.all(axis=cells, keepdims=True))
    return every if np.array_equal(every, good.any(axis=cells, keepdims=True)) else good


def _moving_sum(x: NDArray[np.floating], steps: int, first: int) -> NDArray[np.floating]:
    """Sum over the last ``steps`` rows, fewer where the record begins.

    In blocks of ``steps`` rows: what of the block before is in the window, summed backwards, and
    what of the own, summed forwards. So a sum never runs over more than the window, and one of
    zeros is zero. ``first`` is the place of the first row in its block.
    """
    if steps == 1:
        return x.copy()
    count = -(-(first + len(x)) // steps)
    ahead = np.zeros((count * steps, *x.shape[1:]), x.dtype)
    ahead[first : first + len(x)] = x
    ahead = ahead.reshape(count, steps, *x.shape[1:])
    total = ahead.copy()
    for row in range(1, steps):
        total[:, row] += total[:, row - 1]
        ahead[:, -1 - row] += ahead[:, -row]
    total[1:, :-1] += ahead[:-1, 1:]
    return total.reshape(-1, *x.shape[1:])[first : first + len(x)]


def by_month(daily: xr.DataArray, *, min_share: float, mean: bool = False) -> xr.DataArray:
    """Sum or average over the calendar months that lie whole on the axis.

    Parameters
    ----------
    daily
        Per day, dims with ``time``, no gaps in the axis, one whole month at least.
    min_share
        Least share of a month's days that must be known; the others count as their mean.
    mean
        Give the mean of the days, not their sum.

    Returns
    -------
    DataArray
        One time per month, its first day; NaN where too little is known.

    Examples
    --------
    >>> import xarray as xr
    >>> time = np.arange("2001-02-01", "2001-04-10", dtype="M8[D]").astype("M8[ns]")
    >>> rain = xr.DataArray(np.ones((68, 1)), {"time": time}, ("time", "cell"))
    >>> rain[3] = np.nan  # one of 28 days, which leaves 96 %
    >>> rain[30:34] = np.nan  # four of 31, which leave 87 %
    >>> by_month(rain, min_share=0.9).values.ravel()
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
        seen = np.add.reduceat(good.view(np.uint8), begin - begin[0], axis=0).astype(part.dtype)
        seen[seen < min_share * length - 1e-6] = np.nan
        total = np.add.reduceat(np.where(good, part, part.dtype.type(0)), begin - begin[0], axis=0)
        return total / seen if mean else total * (length / seen)

    found = along_time(kernel, daily, output={"month": whole.size}).rename(month="time")
    return found.assign_coords(time=whole).assign_attrs(daily.attrs).rename(daily.name)


def whole_months(axis: Days) -> Days:
    """Calendar months that lie whole on an axis of days.

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
    """First day of the month after each."""
    return (months.astype("M8[M]") + 1).astype("M8[ns]")

"""Sums over the last steps of a series, with a rule for what is missing."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from pipeline.indices.reference import along_time, cadence

if TYPE_CHECKING:
    import xarray as xr
    from numpy.typing import NDArray

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

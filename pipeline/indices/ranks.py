"""Rank of a value among those of its season in a reference sample."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import xarray as xr

from pipeline.indices.reference import (
    SLOTS,
    along_time,
    definition,
    require_units,
    season_of,
    slots,
    within,
)

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import datetime

    from numpy.typing import NDArray

_BLOCK = 262_144
"""Sample values worked on at a time: the passes over them stay in cache."""


def keep_sample(
    *, values: xr.DataArray, start: datetime, end: datetime, half_window_days: int, index: str
) -> xr.Dataset:
    """Keep the values of a reference period, for :func:`by_rank`.

    Parameters
    ----------
    values
        Daily or monthly, any units, dims with ``time``.
    start, end
        Reference period, half-open.
    half_window_days
        For daily values: days of the year on either side that count, the year's end wrapped.
    index
        What the sample is for.

    Returns
    -------
    Dataset
        ``sample`` (sample_time, ...) and the attributes of :func:`reference.definition`.

    Raises
    ------
    ValueError
        No units told, steps other than a day or a month, or no time in the period.
    """
    if "units" not in values.attrs:
        raise ValueError(f"{values.name}: expected units, found none")
    window = 0 if season_of(values) == "month" else half_window_days
    part = within(values, start=start, end=end)
    how = definition(part, start=start, end=end, index=index, half_window=window)
    how["season"] = season_of(values)
    plain = part.drop_vars([name for name in part.coords if name not in part.dims])
    return xr.Dataset({"sample": plain.rename(time="sample_time")}, attrs=how)


def by_rank(
    *,
    values: xr.DataArray,
    parameters: xr.Dataset,
    min_years: int,
    score: Callable[..., NDArray[np.floating]],
) -> xr.DataArray:
    """Score each value by its rank in the sample of its season.

    Parameters
    ----------
    values
        In the units of the sample, dims with ``time``.
    parameters
        From :func:`keep_sample`.
    min_years
        Fewer years with a value in the season give none.
    score
        From rank, sample size and years (each (time, cell)) the result. The rank is
        #(smaller) + [#(equal) + 1] / 2: the rank itself for a value of the sample, the mean rank
        of ties, and half-way between ranks else.

    Raises
    ------
    ValueError
        Units other than the sample's.
    """
    sample = parameters["sample"]
    require_units(values, sample.attrs["units"])
    half_window = int(parameters.attrs["half_window"])
    time = sample["sample_time"].values
    season = parameters.attrs.get("season", "dayofyear")
    here, there = slots(values["time"].values, season), slots(time, season)
    years = time.astype("datetime64[Y]").astype(np.int64)

    def kernel(x: NDArray[np.floating], among: NDArray[np.floating]) -> NDArray[np.floating]:
        cells = x.reshape(len(x), -1)
        pools = np.broadcast_to(among, (len(among), *x.shape[1:])).reshape(len(among), -1)
        out = np.full(cells.shape, np.nan, x.dtype)
        for number in np.unique(here):
            apart = np.abs(there - number)
            near = np.flatnonzero(np.minimum(apart, SLOTS[season] - apart) <= half_window)
            if near.size == 0:
                continue
            begin = np.unique(years[near], return_index=True)[1]
            rows = np.flatnonzero(here == number)
            width = max(_BLOCK // len(near), 16)
            for first in range(0, cells.shape[1], width):
                some = slice(first, first + width)
                pool = pools[near, some]
                good = np.isfinite(pool)
                n = np.full(pool.shape[1], len(near))
                n_years = np.full(pool.shape[1], begin.size)
                if not good.all():
                    n = _trues(good)
                    n_years = np.logical_or.reduceat(good, begin, axis=0).sum(axis=0)
                wanted = cells[rows, some]
                known = np.isfinite(wanted) & (n_years >= min_years)
                found = score(_rank(pool, wanted), n, n_years)
                out[rows, some] = np.where(known, found, np.nan)
        return out.reshape(x.shape)

    return along_time(kernel, values, sample, core=[["sample_time"]])


def _rank(pool: NDArray[np.floating], wanted: NDArray[np.floating]) -> NDArray[np.float64]:
    """Rank (time, cell) among the pool (sample, cell), by whichever way costs less."""
    (size, width), count = pool.shape, len(wanted)
    # Nanoseconds, measured: a comparison and its count, calls, sorting, a search.
    counting = count * (0.8 * size * width + 50 * size + 6000)
    sorting = width * (4 * size + 1500 + 140 * count)
    return (_by_counting if counting < sorting else _by_sorting)(pool, wanted)


def _by_counting(pool: NDArray[np.floating], wanted: NDArray[np.floating]) -> NDArray[np.float64]:
    return np.stack([_trues(pool < one) + _trues(pool <= one) + 1 for one in wanted]) / 2


def _by_sorting(pool: NDArray[np.floating], wanted: NDArray[np.floating]) -> NDArray[np.float64]:
    # Of each value and the next larger number: their places in the sorted pool are the numbers of
    # values smaller, and smaller or equal.
    both = np.ascontiguousarray(np.concatenate([wanted, np.nextafter(wanted, np.inf)]).T)
    ordered = np.sort(np.ascontiguousarray(pool.T), axis=1)  # NaN last
    place = np.stack([one.searchsorted(two) for one, two in zip(ordered, both, strict=True)])
    return np.asarray((place[:, : len(wanted)] + place[:, len(wanted) :] + 1).T / 2)


def _trues(mask: NDArray[np.bool_]) -> NDArray[np.int64]:
    """Trues in each column, added up as bytes, as many rows at a time as a byte can count."""
    total = np.zeros(mask.shape[1], np.int64)
    for begin in range(0, len(mask), 255):
        total += np.add.reduce(mask[begin : begin + 255].view(np.uint8), axis=0, dtype=np.uint8)
    return total

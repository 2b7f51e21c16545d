"""Rank of a value among those of its season: plotting positions, and CDF matching."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from pipeline.indices.common import (
    apply_along_time,
    definition,
    require_units,
    season_of,
    select_period,
    slot_distance,
    slots,
)

_BLOCK = 262_144
"""Sample values worked on at a time: the passes over them stay in cache."""


def keep_sample(
    *, values: xr.DataArray, start: datetime, end: datetime, half_window_days: int, index: str
) -> xr.Dataset:
    """Keep the values of a reference period, for :func:`score_by_rank`.

    Parameters
    ----------
    values
        Daily or monthly, any units, dims with ``time``.
    start, end
        Reference period, half-open.
    half_window_days
        For daily values: days of the year on either side that count, the year's end wrapped.
    index
        Index that the sample is for.

    Returns
    -------
    Dataset
        ``sample`` (sample_time, ...) and the attributes of
        :func:`pipeline.indices.common.definition`.

    Raises
    ------
    ValueError
        No units, steps other than a day or a month, or no time in the period.
    """
    if "units" not in values.attrs:
        raise ValueError(f"{values.name}: expected units, found none")
    window = 0 if season_of(values) == "month" else half_window_days
    part = select_period(values, start=start, end=end)
    attrs = definition(part, start=start, end=end, index=index, half_window=window)
    attrs["season"] = season_of(values)
    plain = part.drop_vars([name for name in part.coords if name not in part.dims])
    return xr.Dataset({"sample": plain.rename(time="sample_time")}, attrs=attrs)


def score_by_rank(
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
        With fewer years with a value in the season, the result is NaN.
    score
        Takes rank, sample size and years (each (time, cell)) and returns the result. The rank is
        #(smaller) + [#(equal) + 1] / 2: the rank itself for a value of the sample, the mean rank
        of ties, and half-way between ranks otherwise.

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
    slot, sample_slot = slots(values["time"].values, season), slots(time, season)
    years = time.astype("datetime64[Y]").astype(np.int64)

    def kernel(x: NDArray[np.floating], samples: NDArray[np.floating]) -> NDArray[np.floating]:
        cells = x.reshape(len(x), -1)
        pools = np.broadcast_to(samples, (len(samples), *x.shape[1:])).reshape(len(samples), -1)
        out = np.full(cells.shape, np.nan, x.dtype)
        for number in np.unique(slot):
            near = np.flatnonzero(slot_distance(sample_slot, number, season) <= half_window)
            if near.size == 0:
                continue
            begin = np.unique(years[near], return_index=True)[1]
            rows = np.flatnonzero(slot == number)
            width = max(_BLOCK // len(near), 16)
            for first in range(0, cells.shape[1], width):
                block = slice(first, first + width)
                pool = pools[near, block]
                good = np.isfinite(pool)
                n = np.full(pool.shape[1], len(near))
                n_years = np.full(pool.shape[1], begin.size)
                if not good.all():
                    n = _count_true(good)
                    n_years = np.logical_or.reduceat(good, begin, axis=0).sum(axis=0)
                block_values = cells[rows, block]
                known = np.isfinite(block_values) & (n_years >= min_years)
                scores = score(_rank(pool, block_values), n, n_years)
                out[rows, block] = np.where(known, scores, np.nan)
        return out.reshape(x.shape)

    return apply_along_time(kernel, values, sample, core=[["sample_time"]])


def _rank(pool: NDArray[np.floating], values: NDArray[np.floating]) -> NDArray[np.float64]:
    """Rank values (time, cell) in the pool (sample, cell), by whichever way costs less."""
    (size, width), count = pool.shape, len(values)
    # Measured costs in ns: a comparison and its count, calls, sorting, a search.
    counting = count * (0.8 * size * width + 50 * size + 6000)
    sorting = width * (4 * size + 1500 + 140 * count)
    return (_rank_by_counting if counting < sorting else _rank_by_sorting)(pool, values)


def _rank_by_counting(
    pool: NDArray[np.floating], values: NDArray[np.floating]
) -> NDArray[np.float64]:
    ranks = [_count_true(pool < row) + _count_true(pool <= row) + 1 for row in values]
    return np.stack(ranks) / 2


def _rank_by_sorting(
    pool: NDArray[np.floating], values: NDArray[np.floating]
) -> NDArray[np.float64]:
    # The place of a value in the sorted pool is the number of smaller ones; that of the next larger
    # float is the number of smaller or equal ones.
    bounds = np.ascontiguousarray(np.concatenate([values, np.nextafter(values, np.inf)]).T)
    ordered = np.sort(np.ascontiguousarray(pool.T), axis=1)  # NaN last
    place = np.stack(
        [column.searchsorted(edges) for column, edges in zip(ordered, bounds, strict=True)]
    )
    return np.asarray((place[:, : len(values)] + place[:, len(values) :] + 1).T / 2)


def _count_true(mask: NDArray[np.bool_]) -> NDArray[np.int64]:
    """Count per column, added up as bytes, as many rows at a time as a byte can hold."""
    total = np.zeros(mask.shape[1], np.int64)
    for begin in range(0, len(mask), 255):
        total += np.add.reduce(mask[begin : begin + 255].view(np.uint8), axis=0, dtype=np.uint8)
    return total


def cdf_match(
    *,
    values: xr.DataArray,
    source: xr.DataArray,
    target: xr.DataArray,
    half_window_days: int,
    min_dates: int,
) -> xr.DataArray:
    """Match values of one product to the distribution of another over their common dates.

    y = F⁻¹[G(x)], with G the distribution of the source and F that of the target over the common
    dates of the value's season, linear between ranks; beyond the sample the slope is the ratio of
    the standard deviations.

    Parameters
    ----------
    values
        Values of the source product, dims with ``time``.
    source, target
        Both products on the same times, any units, dims of ``values``; dates that either lacks
        are left out.
    half_window_days
        Days of the year on either side that belong to a season; the year wraps around.
    min_dates
        With fewer common dates in the season, the result is NaN.

    Returns
    -------
    DataArray
        In the units of ``target``, shape of ``values``; NaN where the value is missing or too few
        dates are common. Lazy where ``values`` is.

    Raises
    ------
    ValueError
        ``source`` and ``target`` are not on the same times, or other coordinates differ.

    References
    ----------
    Reichle, R. H. and Koster, R. D. (2004), doi 10.1029/2004GL020938.

    Examples
    --------
    >>> time = np.arange("2026-07-01", "2026-07-05", dtype="datetime64[D]").astype("M8[ns]")
    >>> source = xr.DataArray([0.1, 0.2, 0.3, 0.4], {"time": time})
    >>> target = xr.DataArray([0.30, 0.32, 0.34, np.nan], {"time": time}, attrs={"units": "1"})
    >>> cdf_match(values=source, source=source, target=target,
    ...           half_window_days=45, min_dates=3).values.round(2)
    array([0.3 , 0.32, 0.34, 0.36])
    """
    if not np.array_equal(source["time"].values, target["time"].values):
        raise ValueError(
            f"expected the same times of both, found {source.sizes['time']} and "
            f"{target.sizes['time']}"
        )
    near = mark_same_season(values["time"].values, source["time"].values, half_window_days)

    def kernel(
        x: NDArray[np.floating], a: NDArray[np.floating], b: NDArray[np.floating]
    ) -> NDArray[np.floating]:
        out = np.full(x.shape, np.nan)
        paired = np.isfinite(a) & np.isfinite(b)
        for place in np.argwhere(np.isfinite(x)):
            row, cell = place[0], tuple(place[1:])
            dates = near[row] & paired[(slice(None), *cell)]
            if dates.sum() >= min_dates:
                sample = (dates, *cell)
                out[tuple(place)] = _match(float(x[tuple(place)]), a[sample], b[sample])
        return out

    common = [series.rename(time="common").drop_vars("common") for series in (source, target)]
    matched = apply_along_time(kernel, values, *common, core=[["common"], ["common"]])
    return matched.assign_attrs(target.attrs)


def mark_same_season(
    time: NDArray[np.datetime64], sample_time: NDArray[np.datetime64], half_window_days: int
) -> NDArray[np.bool_]:
    """Mark the sample times within so many days of the year of each time, (time, sample)."""
    distance = slot_distance(slots(time, "dayofyear")[:, None], slots(sample_time, "dayofyear"))
    near: NDArray[np.bool_] = distance <= half_window_days
    return near


def _match(x: float, a: NDArray[np.floating], b: NDArray[np.floating]) -> float:
    levels, level, count = np.unique(a, return_inverse=True, return_counts=True)
    rank = np.empty(a.size, np.int64)
    rank[np.argsort(a, kind="stable")] = np.arange(a.size)
    targets = np.bincount(level, np.sort(b)[rank]) / count  # ties share the mean of their ranks
    slope = float(b.std() / a.std()) if levels.size > 1 else 0.0
    beyond = x - float(np.clip(x, levels[0], levels[-1]))
    return float(np.interp(x, levels, targets)) + slope * beyond

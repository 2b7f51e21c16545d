"""Shared by standardised indices: fit distribution parameters per slot of the year, apply them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import datetime

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from pipeline.indices.common import (
    SLOTS,
    Season,
    apply_along_time,
    copy_reference_attrs,
    definition,
    require_window,
    season_of,
    select_period,
    slots,
    sum_neighbours,
)

Floats = NDArray[np.floating]

LIMIT = 3.0
"""Largest index: samples of 30 to 50 years do not resolve rarer values."""
_BLOCK = 32768
"""Values worked on at a time: the passes over them stay in cache."""
_MAX_WIDTH = 8192
"""Cells worked on at a time: with more, memory for the coefficients is allocated anew each time."""


def fit_standard(
    *,
    values: xr.DataArray,
    start: datetime,
    end: datetime,
    half_window_days: int,
    min_years: int,
    statistics: Callable[[Floats], Floats],
    estimate: Callable[[Floats, NDArray[np.bool_]], Floats],
    units: Mapping[str, str],
    index: str,
) -> xr.Dataset:
    """Fit distribution parameters per calendar month, or per day of the year with its neighbours.

    Parameters
    ----------
    values
        Monthly or daily, dims with ``time``.
    start, end
        Reference period, half-open.
    half_window_days
        For daily values: days on either side that are included.
    min_years
        Least length of the period, and least number of years known in a slot.
    statistics
        Takes the values of one slot (time, cell) and returns their sums (statistic, cell), first
        the number known; the sums are added up over the window.
    estimate
        Takes the sums (statistic, slot, cell) and a mask of slots with enough known years, and
        returns the parameters (parameter, slot, cell).
    units
        Units of the parameters by name.
    index
        Index that is fitted, for the definition.

    Returns
    -------
    Dataset
        The parameters and ``n_years`` by ``month`` or ``dayofyear``, in the precision of the
        values; attributes of :func:`pipeline.indices.common.definition`.

    Raises
    ------
    ValueError
        A time axis with gaps, or too short a reference period.
    """
    season = season_of(values)
    part = select_period(values, start=start, end=end)
    window = 0 if season == "month" else half_window_days
    attrs = definition(part, start=start, end=end, index=index, half_window=window)
    if attrs["n_years"] < min_years:
        raise ValueError(
            f"reference period: expected {min_years} years or more, found {attrs['n_years']}"
        )
    slot, size = slots(part["time"].values, season), SLOTS[season]
    names = [*units, "n_years"]

    def kernel(x: Floats) -> Floats:
        cells = x.reshape(len(x), -1)
        sums = np.zeros((0, size, cells.shape[1]))
        for number in np.unique(slot):
            rows = np.flatnonzero(slot == number)
            width = max(_BLOCK // len(rows), 64)
            for begin in range(0, cells.shape[1], width):
                block = slice(begin, begin + width)
                block_sums = statistics(cells[rows, block])
                if not len(sums):
                    sums = np.zeros((len(block_sums), size, cells.shape[1]))
                sums[:, number - 1, block] = block_sums
        sums = np.stack([sum_neighbours(single, half_window=window) for single in sums])
        n_years = np.rint(sums[0] / (2 * window + 1))
        with np.errstate(divide="ignore", invalid="ignore"):
            params = estimate(sums, n_years >= min_years)
        return np.concatenate([params, n_years[None]]).reshape(-1, size, *x.shape[1:])

    stacked = apply_along_time(kernel, part, output={"parameter": len(names), season: size})
    fields = {
        name: stacked.isel(parameter=number).assign_attrs(units=units.get(name, "1"))
        for number, name in enumerate(names)
    }
    return xr.Dataset(fields, {season: np.arange(1, size + 1)}, attrs)


def standardise(
    *,
    values: xr.DataArray,
    parameters: xr.Dataset,
    names: tuple[str, ...],
    score: Callable[..., Floats],
) -> xr.DataArray:
    """Apply the parameters of each value's slot of the year.

    Parameters
    ----------
    values
        Over the same window as the fit, dims with ``time``.
    parameters
        From :func:`fit_standard`.
    names
        Names of the parameters that the score takes.
    score
        Takes values (time, cell) and parameters (cell,) and returns the index (time, cell).

    Returns
    -------
    DataArray
        Within ±3, in the precision of the values, with the attributes of the reference.

    Raises
    ------
    ValueError
        The window differs from that of the fit.
    """
    require_window(values, parameters)
    season: Season = "month" if "month" in parameters.dims else "dayofyear"
    slot = slots(values["time"].values, season)

    def kernel(x: Floats, *params: Floats) -> Floats:
        shape = np.broadcast_shapes(x.shape[1:], *(param.shape[1:] for param in params))
        cells = np.broadcast_to(x, (len(x), *shape)).reshape(len(x), -1)
        out = np.empty(cells.shape, x.dtype if x.dtype.kind == "f" else np.float64)
        for number in np.unique(slot):
            rows = np.flatnonzero(slot == number)
            slot_params = [np.broadcast_to(param[number - 1], shape).ravel() for param in params]
            width = min(max(_BLOCK // len(rows), 64), _MAX_WIDTH)
            for begin in range(0, cells.shape[1], width):
                block = slice(begin, begin + width)
                values = cells[rows, block].astype(out.dtype, copy=False)
                scores = score(values, *(param[block].astype(np.float64) for param in slot_params))
                out[rows, block] = np.clip(scores, -LIMIT, LIMIT)
        return out.reshape(len(x), *shape)

    index = apply_along_time(
        kernel, values, *(parameters[name] for name in names), core=[[season]] * len(names)
    )
    return index.assign_attrs(units="1", **copy_reference_attrs(parameters))

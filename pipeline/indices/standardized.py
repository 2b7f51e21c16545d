"""What the standardised indices share: a law per slot of the year, fitted once, then applied."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import datetime

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from pipeline.indices.common import (
    SLOTS,
    Season,
    along_time,
    definition,
    same_window,
    season_of,
    slots,
    stated,
    windowed,
    within,
)

Floats = NDArray[np.floating]

LIMIT = 3.0
"""Largest index: samples of 30 to 50 years say nothing of what lies beyond."""
_BLOCK = 32768
"""Values worked on at a time: the passes over them stay in cache."""
_MAX_WIDTH = 8192
"""Cells worked on at a time: with more, memory for the coefficients is asked for anew each time."""


def fit_standard(
    *,
    values: xr.DataArray,
    start: datetime,
    end: datetime,
    half_window_days: int,
    min_years: int,
    statistics: Callable[[Floats], Floats],
    law: Callable[[Floats, NDArray[np.bool_]], Floats],
    units: Mapping[str, str],
    index: str,
) -> xr.Dataset:
    """Fit a law to each calendar month, or to each day of the year and its neighbours.

    Parameters
    ----------
    values
        Monthly or daily, dims with ``time``.
    start, end
        Reference period, half-open.
    half_window_days
        For daily values: days on either side that count too.
    min_years
        Least length of the period, and of what is known in it of a slot.
    statistics
        From the values of one slot (time, cell) their sums (statistic, cell), the first of them
        the number known; they are added up over the window.
    law
        From the sums (statistic, slot, cell) and where enough years are known, the parameters
        (parameter, slot, cell).
    units
        Units of the parameters by name.
    index, law
        What is fitted, for the definition.

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
    part = within(values, start=start, end=end)
    window = 0 if season == "month" else half_window_days
    how = definition(part, start=start, end=end, index=index, half_window=window)
    if how["n_years"] < min_years:
        raise ValueError(
            f"reference period: expected {min_years} years or more, found {how['n_years']}"
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
                some = slice(begin, begin + width)
                found = statistics(cells[rows, some])
                if not len(sums):
                    sums = np.zeros((len(found), size, cells.shape[1]))
                sums[:, number - 1, some] = found
        sums = np.stack([windowed(one, half_window=window) for one in sums])
        n_years = np.rint(sums[0] / (2 * window + 1))
        with np.errstate(divide="ignore", invalid="ignore"):
            fitted = law(sums, n_years >= min_years)
        return np.concatenate([fitted, n_years[None]]).reshape(-1, size, *x.shape[1:])

    stacked = along_time(kernel, part, output={"parameter": len(names), season: size})
    fields = {
        name: stacked.isel(parameter=number).assign_attrs(units=units.get(name, "1"))
        for number, name in enumerate(names)
    }
    return xr.Dataset(fields, {season: np.arange(1, size + 1)}, how)


def standardise(
    *,
    values: xr.DataArray,
    parameters: xr.Dataset,
    names: tuple[str, ...],
    score: Callable[..., Floats],
) -> xr.DataArray:
    """Apply the law of each value's slot of the year.

    Parameters
    ----------
    values
        Over the same window as the fit, dims with ``time``.
    parameters
        From :func:`fit_standard`.
    names
        Parameters that the score needs.
    score
        From values (time, cell) and parameters (cell,) the index (time, cell).

    Returns
    -------
    DataArray
        Within ±3, in the precision of the values, with the reference in the attributes.

    Raises
    ------
    ValueError
        Another window than the fit's.
    """
    same_window(values, parameters)
    season: Season = "month" if "month" in parameters.dims else "dayofyear"
    slot = slots(values["time"].values, season)

    def kernel(x: Floats, *law: Floats) -> Floats:
        shape = np.broadcast_shapes(x.shape[1:], *(one.shape[1:] for one in law))
        cells = np.broadcast_to(x, (len(x), *shape)).reshape(len(x), -1)
        out = np.empty(cells.shape, x.dtype if x.dtype.kind == "f" else np.float64)
        for number in np.unique(slot):
            rows = np.flatnonzero(slot == number)
            each = [np.broadcast_to(one[number - 1], shape).ravel() for one in law]
            width = min(max(_BLOCK // len(rows), 64), _MAX_WIDTH)
            for begin in range(0, cells.shape[1], width):
                some = slice(begin, begin + width)
                values = cells[rows, some].astype(out.dtype, copy=False)
                found = score(values, *(one[some].astype(np.float64) for one in each))
                out[rows, some] = np.clip(found, -LIMIT, LIMIT)
        return out.reshape(len(x), *shape)

    found = along_time(
        kernel, values, *(parameters[name] for name in names), core=[[season]] * len(names)
    )
    return found.assign_attrs(units="1", **stated(parameters))

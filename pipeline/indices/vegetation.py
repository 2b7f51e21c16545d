"""Vegetation condition, temperature condition and vegetation health (Kogan)."""

from __future__ import annotations

from datetime import datetime

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from pipeline.indices.common import (
    apply_along_time,
    copy_reference_attrs,
    definition,
    require_units,
    select_period,
    slots,
)

MIN_YEARS = 10
"""Fewer years with a value in the calendar month give no bounds."""


def fit_vegetation(
    *, ndvi: xr.DataArray, lst: xr.DataArray, start: datetime, end: datetime
) -> xr.Dataset:
    """Find the lowest and highest NDVI and surface temperature of each calendar month.

    Parameters
    ----------
    ndvi
        1, quality-masked, dims with ``time``; few days may have values.
    lst
        K, likewise.
    start, end
        Reference period, half-open.

    Returns
    -------
    Dataset
        ``ndvi_min``, ``ndvi_max``, ``lst_min``, ``lst_max`` by ``month``, NaN below 10 years.
        Attributes of :func:`pipeline.indices.common.definition`.

    Raises
    ------
    ValueError
        Other units, or no time in the period.
    """
    require_units(ndvi, "1")
    require_units(lst, "K")
    fields = {}
    for values in (ndvi, lst):
        part = select_period(values, start=start, end=end)
        month = slots(part["time"].values, "month")
        years = part["time"].values.astype("datetime64[Y]")

        def kernel(
            x: NDArray[np.floating],
            month: NDArray[np.int64] = month,
            years: NDArray[np.datetime64] = years,
        ) -> NDArray[np.floating]:
            out = np.full((2, 12, *x.shape[1:]), np.nan)
            for number in np.unique(month):
                in_month = x[month == number]
                begin = np.unique(years[month == number], return_index=True)[1]
                known = np.logical_or.reduceat(np.isfinite(in_month), begin, axis=0)
                enough = known.sum(axis=0) >= MIN_YEARS
                for row, extreme in enumerate((np.fmin, np.fmax)):
                    bounds = extreme.reduce(in_month, axis=0)
                    out[row, number - 1] = np.where(enough, bounds, np.nan)
            return out

        stacked = apply_along_time(kernel, part, output={"bound": 2, "month": 12})
        name = "ndvi" if values is ndvi else "lst"
        for row, bound in enumerate(("min", "max")):
            fields[f"{name}_{bound}"] = stacked.isel(bound=row).assign_attrs(values.attrs)
    part = select_period(ndvi, start=start, end=end)
    attrs = definition(part, start=start, end=end, index="VHI")
    return xr.Dataset(fields, {"month": np.arange(1, 13)}, attrs)


def vci(*, ndvi: xr.DataArray, parameters: xr.Dataset) -> xr.DataArray:
    """Vegetation condition index: 100 (NDVI − min) / (max − min), bounds of the calendar month.

    Parameters
    ----------
    ndvi
        1, dims with ``time``.
    parameters
        From :func:`fit_vegetation`.

    Returns
    -------
    DataArray
        Percent, 0-100, low in drought; NaN where value or bounds are missing.

    References
    ----------
    Kogan, F. N. (1990), doi 10.1080/01431169008955102.

    Examples
    --------
    >>> time = np.array(["2001-04-06"], "datetime64[ns]")
    >>> bounds = xr.Dataset({"ndvi_min": 0.2, "ndvi_max": 0.6}).expand_dims(month=12)
    >>> ndvi = xr.DataArray([0.3], {"time": time}, attrs={"units": "1"})
    >>> vci(ndvi=ndvi, parameters=bounds).values
    array([25.])
    """
    require_units(ndvi, "1")
    index = _scale_to_percent(ndvi, parameters["ndvi_min"], parameters["ndvi_max"])
    return index.assign_attrs(
        units="%", long_name="Vegetation condition index", **copy_reference_attrs(parameters)
    )


def tci(*, lst: xr.DataArray, parameters: xr.Dataset) -> xr.DataArray:
    """Temperature condition index: 100 (max − T) / (max − min), bounds of the calendar month.

    Parameters
    ----------
    lst
        Land surface temperature, K, dims with ``time``.
    parameters
        From :func:`fit_vegetation`.

    Returns
    -------
    DataArray
        Percent, 0-100, low in drought; NaN where value or bounds are missing.

    References
    ----------
    Kogan, F. N. (1995), doi 10.1016/0273-1177(95)00079-T.

    Examples
    --------
    >>> time = np.array(["2001-04-06"], "datetime64[ns]")
    >>> bounds = xr.Dataset({"lst_min": 300.0, "lst_max": 310.0}).expand_dims(month=12)
    >>> lst = xr.DataArray([309.0], {"time": time}, attrs={"units": "K"})
    >>> tci(lst=lst, parameters=bounds).values
    array([10.])
    """
    require_units(lst, "K")
    index = 100.0 - _scale_to_percent(lst, parameters["lst_min"], parameters["lst_max"])
    return index.assign_attrs(
        units="%", long_name="Temperature condition index", **copy_reference_attrs(parameters)
    )


def _scale_to_percent(values: xr.DataArray, low: xr.DataArray, high: xr.DataArray) -> xr.DataArray:
    month = slots(values["time"].values, "month")

    def kernel(
        x: NDArray[np.floating], low: NDArray[np.floating], high: NDArray[np.floating]
    ) -> NDArray[np.floating]:
        span = np.where(high > low, high - low, np.nan)
        return np.clip(100 * (x - low[month - 1]) / span[month - 1], 0.0, 100.0)

    return apply_along_time(kernel, values, low, high, core=[["month"], ["month"]])


def vhi(*, vci: xr.DataArray, tci: xr.DataArray, weight: float = 0.5) -> xr.DataArray:
    """Vegetation health index: a VCI + (1 − a) TCI.

    Parameters
    ----------
    vci, tci
        Percent, of the same composite.
    weight
        a, between 0 and 1.

    Returns
    -------
    DataArray
        Percent; NaN where either is missing. Vegetation is in drought below 40.

    References
    ----------
    Kogan, F. N. (1995), doi 10.1016/0273-1177(95)00079-T.

    Examples
    --------
    >>> percent = {"units": "%"}
    >>> vhi(vci=xr.DataArray(20.0, attrs=percent), tci=xr.DataArray(50.0, attrs=percent)).item()
    35.0
    """
    require_units(vci, "%")
    require_units(tci, "%")
    if not 0.0 <= weight <= 1.0:
        raise ValueError(f"weight: expected 0 to 1, found {weight}")
    index = weight * vci + (1 - weight) * tci
    shared = {name: vci.attrs[name] for name in copy_reference_attrs(vci) if name in tci.attrs}
    return index.assign_attrs(units="%", long_name="Vegetation health index", **shared)

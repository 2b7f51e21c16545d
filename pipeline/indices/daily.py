"""Indices of zonal daily series: parameters of a reference period, drought state, risk."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime

import numpy as np
import xarray as xr

from pipeline.indices.common import carry_forward
from pipeline.indices.extremes import return_level, return_period
from pipeline.indices.rain import short_depths
from pipeline.indices.river import routed_rain
from pipeline.indices.suite import (
    DROUGHT,
    EXTREMES,
    INDICES,
    MIN_SHARE,
    TOTALS,
    Index,
    inputs_of,
    select,
)
from pipeline.indices.vegetation import tci, vci, vhi
from pipeline.times import from_utc64, utc64

Values = dict[str, xr.DataArray]
"""Inputs and indices by the names of the list."""


def fit_reference(
    areal: xr.Dataset, *, start: datetime, end: datetime, names: Iterable[str] = INDICES
) -> dict[str, xr.Dataset]:
    """Fit the parameters of all indices to the reference period of zonal daily series.

    Parameters
    ----------
    areal
        Product ``zones``: daily ``rain`` (mm), ``soil_moisture`` (m3 m-3), ``ndvi`` (1), ``lst``
        (K), dims (time, zone).
    start, end
        Reference period, half-open, at least 20 years.
    names
        Indices whose parameters are fitted; default all.

    Returns
    -------
    dict
        By name (``spi30``, ``spi90``, ``rain_1d``, ``rain_3d``, ``soil_moisture``, ``vegetation``,
        ``score``) the parameters with their attributes. The period of an index begins no earlier
        than the last of its inputs.
    """
    params: dict[str, xr.Dataset] = {}
    values, wanted = _inputs(areal), set(names)
    begins = {name: _find_first_known(da, end=end) for name, da in values.items()}
    for row in select("zones"):
        if row.fit is not None and row.name in wanted:
            known = (begins[name] for name in inputs_of(row.name))
            begin = max([start, *(moment for moment in known if moment is not None)])
            series = _series(row, values, params, carry=False)
            row.parameters(params, series, family="zones", period=(begin, end))
    return params


def drought_state(
    areal: xr.Dataset, *, parameters: Mapping[str, xr.Dataset], names: Iterable[str] = INDICES
) -> xr.Dataset:
    """Compute each day's drought state: ``spi30``, ``spi90``, soil, vegetation, score, class, CDI.

    Parameters
    ----------
    areal
        As for :func:`fit_reference`.
    parameters
        From :func:`fit_reference`.
    names
        Indices that are computed, by their names in the suite; default all.

    Returns
    -------
    Dataset
        Dims (time, zone), NaN where unknown. Soil moisture is used for 5 days, vegetation for 45.
    """
    values, wanted = _inputs(areal), set(names)
    rows = [row for row in DROUGHT if row.name in wanted]
    if any("ndvi" in inputs_of(row.name) for row in rows):
        values["vhi"] = _vegetation_health(areal, parameters)
    return xr.Dataset(_results(rows, values, parameters))


def risk(
    areal: xr.Dataset, *, parameters: Mapping[str, xr.Dataset], network: xr.Dataset
) -> xr.Dataset:
    """Compute the risk indices of each zone and day.

    Parameters
    ----------
    areal
        Product ``zones``, as for :func:`fit_reference`, from at least 90 days before the first day
        used (a year, for the dry spell).
    parameters
        From :func:`fit_reference`.
    network
        From :func:`pipeline.indices.river.routing`.

    Returns
    -------
    Dataset
        Dims (time, zone) and CF attributes; lazy where ``areal`` is. ``rain_1d``, ``rain_3d``,
        ``rain_7d``, ``rain_30d``, ``rain_90d`` and ``api`` (mm), ``coverage`` of the day's rain
        where the record has it (1), ``dry_spell`` (days), ``rain_return_period``
        (years, the rarer of one and three days), ``routed_rain`` (mm per day, at the outlet of a
        sub-basin's zone; NaN for cities), and the variables of :func:`drought_state`.
    """
    values = _inputs(areal)
    values["vhi"] = _vegetation_health(areal, parameters)
    values["rain_return_period"] = _rarest_period(values, parameters)
    routed = routed_rain(rain=areal["rain"], network=network, min_share=MIN_SHARE)
    values["routed_rain"] = (
        routed.rename(outlet="zone").reindex(zone=areal["zone"]).transpose(*areal["rain"].dims)
    )
    fields = _results(TOTALS, values, parameters)
    if "coverage" in areal:
        fields["coverage"] = areal["coverage"]
    fields |= _results(select("zones"), values, parameters)
    ds = xr.Dataset(fields)
    provisional = max(int(fitted.attrs["provisional_lt30y"]) for fitted in parameters.values())
    return ds.assign_coords(areal.coords).assign_attrs(
        Conventions="CF-1.11",
        title="Risk indices per areal unit",
        origin=str(areal.attrs.get("origin", "")),
        provisional_lt30y=provisional,
        definition_sha256=" ".join(
            f"{name}:{fitted.attrs['definition_sha256'][:12]}"
            for name, fitted in parameters.items()
        ),
    )


def two_year_depths(*, parameters: Mapping[str, xr.Dataset]) -> xr.DataArray:
    """Compute two-year depths for the pluvial index, dims (duration_h, zone), mm."""
    day, three = (
        return_level(years=2.0, parameters=parameters[row.params_in("zones")]) for row in EXTREMES
    )
    return short_depths(day_mm=day, three_day_mm=three)


def _find_first_known(da: xr.DataArray, *, end: datetime) -> datetime | None:
    """Find the first time before ``end`` at which any zone has a value; None without any."""
    zones = [name for name in da.dims if name != "time"]
    known = da["time"].values[da.notnull().any(zones).values]
    return from_utc64(known[0]) if known.size and known[0] < utc64(end) else None


def _inputs(areal: xr.Dataset) -> Values:
    return {str(name): da for name, da in areal.data_vars.items()}


def _results(
    rows: Iterable[Index], values: Values, params: Mapping[str, xr.Dataset]
) -> dict[str, xr.DataArray]:
    """Compute indices, by their published names."""
    return {
        row.name_in("zones"): row.describe(_value(row.name, values, params), "zones")
        for row in rows
    }


def _value(
    name: str, values: Values, params: Mapping[str, xr.Dataset], *, carry: bool = True
) -> xr.DataArray:
    """Return an input or an index; an index that is not in ``values`` yet is computed into it."""
    if name not in values:
        row = INDICES[name]
        series = _series(row, values, params, carry=carry)
        da = row.compute(series, params[row.params_in("zones")] if row.fit else None)
        if carry and row.max_age_days:
            da = carry_forward(values=da, days=row.max_age_days)
        values[name] = da
    return values[name]


def _series(
    row: Index, values: Values, params: Mapping[str, xr.Dataset], *, carry: bool
) -> dict[str, xr.DataArray]:
    """Return the series that a row's functions take."""
    for name in row.inputs:
        _value(name, values, params, carry=carry)
    return row.series(values)


def _vegetation_health(areal: xr.Dataset, params: Mapping[str, xr.Dataset]) -> xr.DataArray:
    """Compute VHI from the last known NDVI and surface temperature, which differ in their days."""
    row = INDICES["vhi"]
    bounds, days = params[row.params_in("zones")], row.max_age_days
    return vhi(
        vci=carry_forward(values=vci(ndvi=areal["ndvi"], parameters=bounds), days=days),
        tci=carry_forward(values=tci(lst=areal["lst"], parameters=bounds), days=days),
    )


def _rarest_period(values: Values, params: Mapping[str, xr.Dataset]) -> xr.DataArray:
    """Return the return period of the rarest of the totals that have one."""
    periods = [
        return_period(
            total=_value(row.name, values, params), parameters=params[row.params_in("zones")]
        )
        for row in EXTREMES
    ]
    rarest: xr.DataArray = xr.apply_ufunc(np.maximum, *periods, dask="allowed")
    return rarest.assign_attrs(units=INDICES["rain_return_period"].units)

"""All indices of the areal record at once: frozen reference and risk dataset."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

import numpy as np
import xarray as xr

from pipeline.indices.common import carried
from pipeline.indices.drought import (
    drought_score,
    fit_percentile,
    fit_score,
    mekong_cdi,
    percentile,
    usdm_class,
)
from pipeline.indices.extremes import fit_return_period, return_level, return_period
from pipeline.indices.rain import accumulation, api, dry_spell, short_depths
from pipeline.indices.river import routed_rain
from pipeline.indices.spi import fit_spi, spi
from pipeline.indices.vegetation import fit_vegetation, tci, vci, vhi

MIN_SHARE = 0.9
"""Share of a window's days that must be known: a lost day of satellite rain blanks windows of up to
9 days, and is taken at the mean of the rest in longer ones."""
SOIL_DAYS = 5
"""Age in days at which soil moisture no longer counts as current; SMAP L4 comes 2-3 days late."""
VEGETATION_DAYS = 45
"""Age likewise of a monthly composite."""
EXTREMES = {"rain_1d": 1, "rain_3d": 3}


def fit_reference(areal: xr.Dataset, *, start: datetime, end: datetime) -> dict[str, xr.Dataset]:
    """Parameters of all indices from the reference period of an areal record.

    Parameters
    ----------
    areal
        Product ``zones``: daily ``rain`` (mm), ``soil_moisture`` (m3 m-3), ``ndvi`` (1), ``lst``
        (K), dims (time, zone).
    start, end
        Reference period, half-open, at least 20 years.

    Returns
    -------
    dict
        By name (``spi30``, ``spi90``, ``rain_1d``, ``rain_3d``, ``soil_moisture``, ``vegetation``,
        ``score``) the parameters with their attributes.
    """
    period: dict[str, Any] = {"start": start, "end": end}
    rain, soil = areal["rain"], areal["soil_moisture"]
    totals = {days: _total(rain, days) for days in (1, 3, 30, 90)}
    found = {
        name: fit_return_period(total=totals[days], **period) for name, days in EXTREMES.items()
    }
    found["spi30"] = fit_spi(total=totals[30], **period)
    found["spi90"] = fit_spi(total=totals[90], **period)
    found["soil_moisture"] = fit_percentile(values=soil, **period)
    found["vegetation"] = fit_vegetation(ndvi=areal["ndvi"], lst=areal["lst"], **period)
    found["score"] = fit_score(
        spi3=spi(total=totals[90], parameters=found["spi90"]),
        soil_moisture_percentile=percentile(values=soil, parameters=found["soil_moisture"]),
        **period,
    )
    return found


def drought_state(areal: xr.Dataset, *, parameters: Mapping[str, xr.Dataset]) -> xr.Dataset:
    """State of drought of each day: ``spi30``, ``spi90``, soil, vegetation, score, class, CDI.

    Parameters
    ----------
    areal
        As for :func:`fit_reference`.
    parameters
        From :func:`fit_reference`.

    Returns
    -------
    Dataset
        Dims (time, zone), NaN where not known. Soil moisture counts for 5 days, vegetation for 45.
    """
    month, quarter = (
        spi(total=_total(areal["rain"], days), parameters=parameters[f"spi{days}"])
        for days in (30, 90)
    )
    soil = percentile(values=areal["soil_moisture"], parameters=parameters["soil_moisture"])
    soil = carried(values=soil, days=SOIL_DAYS)
    bounds = parameters["vegetation"]
    health = vhi(
        vci=carried(values=vci(ndvi=areal["ndvi"], parameters=bounds), days=VEGETATION_DAYS),
        tci=carried(values=tci(lst=areal["lst"], parameters=bounds), days=VEGETATION_DAYS),
    )
    score = drought_score(
        spi3=quarter, soil_moisture_percentile=soil, parameters=parameters["score"]
    )
    return xr.Dataset(
        {
            "spi30": month.assign_attrs(long_name="SPI of 30 days"),
            "spi90": quarter.assign_attrs(long_name="SPI of 90 days"),
            "soil_moisture_percentile": soil,
            "vhi": health,
            "drought_score": score,
            "drought_class": usdm_class(index=score),
            "cdi": mekong_cdi(spi1=month, spi3=quarter, soil_moisture_percentile=soil, vhi=health),
        }
    )


def risk(
    areal: xr.Dataset, *, parameters: Mapping[str, xr.Dataset], network: xr.Dataset
) -> xr.Dataset:
    """Risk indices of each zone and day.

    Parameters
    ----------
    areal
        Product ``zones``, as for :func:`fit_reference`, from at least 90 days before the first day
        wanted (a year, for the dry spell).
    parameters
        From :func:`fit_reference`.
    network
        From :func:`river.routing`.

    Returns
    -------
    Dataset
        Dims (time, zone) and CF attributes; lazy where ``areal`` is. ``rain_1d``, ``rain_3d``,
        ``rain_7d``, ``rain_30d``, ``rain_90d`` and ``api`` (mm), ``coverage`` of the day's rain
        where the record tells it (1), ``dry_spell`` (days), ``rain_return_period``
        (years, the rarer of one and three days), ``routed_rain`` (mm per day, at the outlet of a
        sub-basin's zone; NaN for cities), and the variables of :func:`drought_state`.
    """
    rain = areal["rain"]
    totals = {days: _total(rain, days) for days in (1, 3, 7, 30, 90)}
    fields = {f"rain_{days}d": total for days, total in totals.items()}
    if "coverage" in areal:
        fields["coverage"] = areal["coverage"]
    fields["api"] = api(rain=rain, min_share=MIN_SHARE)
    fields["dry_spell"] = dry_spell(rain=rain)
    periods = [
        return_period(total=totals[days], parameters=parameters[name])
        for name, days in EXTREMES.items()
    ]
    rarer: xr.DataArray = xr.apply_ufunc(np.maximum, *periods, dask="allowed")
    fields["rain_return_period"] = rarer.assign_attrs(
        units="years", long_name="Return period of the rain of one or three days"
    )
    routed = routed_rain(rain=rain, network=network, min_share=MIN_SHARE)
    fields["routed_rain"] = (
        routed.rename(outlet="zone").reindex(zone=areal["zone"]).transpose(*rain.dims)
    )
    state = drought_state(areal, parameters=parameters)
    ds = xr.Dataset(fields | {str(name): da for name, da in state.items()})
    provisional = max(int(one.attrs["provisional_lt30y"]) for one in parameters.values())
    return ds.assign_coords(areal.coords).assign_attrs(
        Conventions="CF-1.11",
        title="Risk indices per areal unit",
        origin=str(areal.attrs.get("origin", "")),
        reference_period=parameters["spi90"].attrs["reference_period"],
        provisional_lt30y=provisional,
        definition_sha256=" ".join(
            f"{name}:{one.attrs['definition_sha256'][:12]}" for name, one in parameters.items()
        ),
    )


def two_year_depths(*, parameters: Mapping[str, xr.Dataset]) -> xr.DataArray:
    """Depths of return period two years for the pluvial index, dims (duration_h, zone), mm."""
    day, three = (return_level(years=2.0, parameters=parameters[name]) for name in EXTREMES)
    return short_depths(day_mm=day, three_day_mm=three)


def _total(rain: xr.DataArray, days: int) -> xr.DataArray:
    return accumulation(rain=rain, steps=days, min_share=MIN_SHARE).assign_attrs(
        long_name=f"Rain of {days} days"
    )

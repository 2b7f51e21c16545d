"""Products of a run beside forecasts: risk indices, months, city rain, GEOGLOWS' flows."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime
from typing import Any

import numpy as np
import pandas as pd
import xarray as xr
from numpy.typing import NDArray

from pipeline.alerts.evidence import Rain
from pipeline.areal import daily_series, monthly, substitutes
from pipeline.areal import rain as areal_rain
from pipeline.areal.zonal_record import put_on_zones, put_parameters_on_zones
from pipeline.choices import Region
from pipeline.geography import places
from pipeline.geography.variables import outside_range
from pipeline.indices import daily, river, suite
from pipeline.indices import rain as rain_indices
from pipeline.indices.extremes import return_period
from pipeline.issuance.snapshot import Snapshot
from pipeline.quality.selection import select_used
from pipeline.remarks import Remark
from pipeline.sources import geoglows
from pipeline.storage.archive import NothingArchived
from pipeline.times import day_start, utc64

MODELS = ("drought", "monthly")
"""Models whose parameters the products need."""
SPIN_UP_DAYS = 400
"""Look-back of the published indices in the zonal daily series (days)."""
RISK_DAYS = 30
"""Days of the risk indices that are published."""
LATITUDE = {
    "units": "degrees_north", "standard_name": "latitude", "long_name": "Latitude", "axis": "Y",
}  # fmt: skip
LONGITUDE = {
    "units": "degrees_east", "standard_name": "longitude", "long_name": "Longitude", "axis": "X",
}  # fmt: skip
_UTC = {"units_metadata": "leap_seconds: none"}
AXES = {
    "time": {
        "standard_name": "time", "axis": "T", "long_name": "Start of the day or month, UTC", **_UTC,
    },
    "available_time": {"long_name": "Time from which the day's data were known, UTC", **_UTC},
    "zone": {"cf_role": "timeseries_id", "long_name": "Sub-basin or city by its id"},
    "station": {"cf_role": "timeseries_id", "long_name": "Gauge by its MRC code"},
    "year": {"standard_name": "time", "long_name": "Start of the calendar year, UTC", **_UTC},
}  # fmt: skip
"""CF attributes of the axes of the published files."""
STEPS = {"risk.nc": "D", "monthly.nc": "M", "monthly_gauges.nc": "M"}
"""Step of the time of each published file, as NumPy names it."""
ATTRIBUTES = {
    "risk.nc": {
        "title": "Flood and drought risk indices of the Mekong",
        "summary": "Rain, return periods, soil moisture, vegetation and drought indices of each "
        "sub-basin and city of the Mekong, for each of the last 30 days.",
        "keywords": "flood, drought, rain, SPI, soil moisture, vegetation health, Mekong",
        "time_coverage_resolution": "P1D",
    },
    "monthly.nc": {
        "title": "Standardised indices of whole months in the Mekong countries",
        "summary": "Standardised indices of rain, evaporation, soil moisture and runoff of each "
        "sub-basin and city, for each of the last 24 months, and the dates of the wet season.",
        "keywords": "drought, SPI, SPEI, SSI, SRI, wet season, Mekong",
        "time_coverage_resolution": "P1M",
    },
    "monthly_gauges.nc": {
        "title": "Standardised indices of whole months at gauges of the Mekong",
        "summary": "Standardised discharge of each gauge and its ratio to the low flow that is "
        "agreed, for each of the last 24 months.",
        "keywords": "drought, low flow, discharge, SDI, Mekong",
        "time_coverage_resolution": "P1M",
    },
}
"""Global attributes of each published file, by the conventions of ACDD."""


def mask_impossible(ds: xr.Dataset) -> xr.Dataset:
    """Mask results outside the range of their index; lazy where ``ds`` is."""
    return ds.assign({name: ds[name].where(~wrong) for name, wrong in _mark_impossible(ds).items()})


def describe_impossible(ds: xr.Dataset, file: str) -> list[Remark]:
    """Say how many results :func:`mask_impossible` leaves out of a file of computed indices."""
    counts = {name: int(wrong.sum()) for name, wrong in _mark_impossible(ds).items()}
    return [
        Remark(
            code="results_out_of_range",
            text=f"{file}: {count} values of {name} out of range and left out",
        )
        for name, count in counts.items()
        if count
    ]


def _mark_impossible(ds: xr.Dataset) -> dict[str, xr.DataArray]:
    """Mark the results of each index of a dataset that are out of its range."""
    rows = {str(name): suite.INDICES[str(name)] for name in ds.data_vars if name in suite.INDICES}
    return {
        name: outside_range(ds[name], row.valid_min, row.valid_max) for name, row in rows.items()
    }


def compute_risk_indices(snapshot: Snapshot) -> xr.Dataset | None:
    """Compute risk indices per zone and day up to the issue time; None without a zonal record."""
    record = snapshot.filled_record
    if record is None or "drought" not in snapshot.models:
        return None
    # Computed here: the days are few, and a graph of every step takes longer than the steps.
    recent = record.isel(time=slice(-SPIN_UP_DAYS - RISK_DAYS, None)).compute()
    indices = daily.risk(
        recent,
        parameters=put_parameters_on_zones(
            snapshot.models["drought"].parameters(), recent["zone"].values.tolist()
        ),
        network=river.routing(basins=places.basins(asof=snapshot.asof)),
    ).assign(substitutes.carry_shares(recent))
    published = indices.isel(time=slice(-RISK_DAYS, None))
    return describe_axes(published, "risk.nc", region=snapshot.region, asof=snapshot.asof)


def compute_monthly_indices(snapshot: Snapshot) -> dict[str, xr.Dataset]:
    """Compute the monthly bulletin, of zones and of gauges, by the names of its files.

    Without a zonal record or monthly parameters there is none, without gauges none of them: a
    file has time series at places of one kind alone.
    """
    record = snapshot.zonal_record
    if record is None or "monthly" not in snapshot.models:
        return {}
    record = record.isel(time=slice(-monthly.SPIN_UP_DAYS, None)).compute()
    start = pd.Timestamp(record["time"].values[0]).tz_localize("UTC").to_pydatetime()
    months = monthly.collect_months(
        record,
        land=monthly.read_land_months(
            snapshot.archive, asof=snapshot.asof, start=start, region=snapshot.region
        ),
        discharge=select_used(snapshot.readings("discharge", start=start)),
    )
    bulletin = monthly.make_bulletin(months, snapshot.models["monthly"], asof=snapshot.asof)
    parts = split_gauges(bulletin)
    return {
        name: describe_axes(ds, name, region=snapshot.region, asof=snapshot.asof)
        for name, ds in parts.items()
    }


def split_gauges(bulletin: xr.Dataset) -> dict[str, xr.Dataset]:
    """Split a monthly bulletin into its zones and its gauges, by the names of their files."""
    parts = {"monthly.nc": bulletin.drop_dims("station", errors="ignore")}
    if "station" in bulletin.dims:
        parts["monthly_gauges.nc"] = bulletin.drop_dims(["zone", "year"], errors="ignore")
    return parts


def describe_axes(ds: xr.Dataset, file: str, *, region: Region, asof: datetime) -> xr.Dataset:
    """Say what the steps of time, zones or gauges of a file are, and where they lie.

    Parameters
    ----------
    ds
        Indices by ``zone`` or ``station``, and ``time`` or ``year``.
    file
        Name of the file.
    region
        Region of the zones.
    asof
        Moment as of which cities, sub-basins and gauges are read.

    Returns
    -------
    xarray.Dataset
        Time series at places, with ``lat``, ``lon`` (degrees) and ``zone_name`` or
        ``station_name``: the position of a city or gauge, and a point inside a sub-basin; with
        ``time_bnds``, and ``year`` as the time at which it begins, with ``year_bnds``. A gauge
        that only readings name has its code for a name and NaN for a position.

    Raises
    ------
    KeyError
        A zone is in no reference table.
    """
    cities, gauges = places.cities(region, asof=asof), places.stations(asof=asof)
    points = {f"city:{city.id}": (city.lat, city.lon, city.name) for city in cities.values()}
    for basin in places.basins(asof=asof).values():
        inside = basin.polygon.representative_point()
        points[f"basin:{basin.id}"] = (inside.y, inside.x, basin.name)
    place = "station" if "station" in ds.dims else "zone"
    ids = ds[place].values.tolist()
    if place == "station":
        points = {code: (math.nan, math.nan, code) for code in ids}
        points |= {code: (gauge.lat, gauge.lon, gauge.name) for code, gauge in gauges.items()}
    lat, lon, name = zip(*(points[key] for key in ids), strict=True)
    ds = ds.assign_coords(
        {
            "lat": (place, np.round(lat, 4), LATITUDE),
            "lon": (place, np.round(lon, 4), LONGITUDE),
            f"{place}_name": (place, list(name), {"long_name": f"Name of the {place}"}),
        }
    )
    if "year" in ds.dims:
        ds = ds.assign_coords(year=(ds["year"].values - 1970).astype("M8[Y]").astype("M8[ns]"))
    for axis, step in (("time", STEPS[file]), ("year", "Y")):
        if axis in ds.dims:
            ds = ds.assign_coords(
                {f"{axis}_bnds": ((axis, "bounds"), bound_times(ds[axis].values, step))}
            )
    axes = {
        name: ds[name].assign_attrs(
            AXES[name] | ({"bounds": f"{name}_bnds"} if f"{name}_bnds" in ds.coords else {})
        )
        for name in AXES
        if name in ds.coords
    }
    return ds.assign_coords(axes).assign_attrs(featureType="timeSeries", cdm_data_type="Station")


def bound_times(starts: NDArray[np.datetime64], step: str) -> NDArray[np.datetime64]:
    """Start and end of each step of time, shape (step, 2); steps are ``D``, ``M`` or ``Y``."""
    ends = (starts.astype(f"M8[{step}]") + 1).astype(starts.dtype)
    return np.stack([starts, ends], axis=1)


def assess_city_rain(snapshot: Snapshot, risk: xr.Dataset | None) -> dict[str, Rain]:
    """Assess the rain over each city up to yesterday: how rare, how much, and its pluvial index.

    The return period is the rarer of one and three days; the amount is of those days.

    Parameters
    ----------
    snapshot
        Snapshot of the run.
    risk
        From :func:`compute_risk_indices`; without it no rain is assessed.
    """
    if risk is None:
        return {}
    cities = [zone for zone in risk["zone"].values.tolist() if zone.startswith("city:")]
    yesterday = utc64(snapshot.asof).astype("datetime64[D]") - np.timedelta64(1, "D")
    years = mask_impossible(risk[["rain_return_period"]])["rain_return_period"]
    years = years.sel(zone=cities).reindex(time=[yesterday])
    parameters = put_parameters_on_zones(snapshot.models["drought"].parameters(), cities)
    depth = daily.two_year_depths(parameters=parameters)
    rain = areal_rain.read_city_rain(snapshot.archive, asof=snapshot.asof, region=snapshot.region)
    rain = rain.reindex(zone=cities)  # a city that has left the tables since has none
    index = rain_indices.pluvial_index(rain=rain, depth=depth).isel(time=slice(-48, None))
    worst = index.max("time", skipna=True).sel(zone=cities)
    amounts = _rarest_totals(risk.sel(zone=cities).reindex(time=[yesterday]), parameters)
    by_zone = {
        zone: Rain(
            return_period_years=float(period),
            pluvial_index=float(pluvial),
            depth_mm=amounts[zone][0],
            duration_days=amounts[zone][1],
        )
        for zone, period, pluvial in zip(cities, years[0].values, worst.values, strict=True)
    }
    sources = daily_series.read_rain_sources(snapshot.archive, asof=snapshot.asof)
    doubts = daily_series.read_suspect_rain(
        snapshot.archive, asof=snapshot.asof, days=max(row.window for row in suite.EXTREMES)
    )
    sources = None if sources is None else put_on_zones(sources, cities)
    doubts = None if doubts is None else doubts.reindex(zone=cities)
    for zone in cities:
        if sources is not None:
            share, error = (float(sources[name].sel(zone=zone)) for name in ("gk2a", "log_error"))
            tier = "" if math.isnan(share) else "gk2a" if share > 0.5 else "imerg"
            by_zone[zone] = replace(by_zone[zone], tier=tier, log_error=error)
        if doubts is not None:
            suspect = bool((doubts.sel(zone=zone) > daily_series.MOST_SUSPECT).any())
            by_zone[zone] = replace(by_zone[zone], suspect=suspect)
    return {zone.removeprefix("city:"): rain for zone, rain in by_zone.items()}


def _rarest_totals(
    day: xr.Dataset, parameters: Mapping[str, xr.Dataset]
) -> dict[str, tuple[float, int]]:
    """Rain (mm) and days of the total with the longest return period, of each zone on one day."""
    zones = day["zone"].values.tolist()
    periods = [
        return_period(
            total=day[row.name], parameters=parameters[row.params_in("zones")].sel(zone=zones)
        ).values[0]
        for row in suite.EXTREMES
    ]
    rarest = np.nan_to_num(np.stack(periods)).argmax(axis=0)
    rows = [suite.EXTREMES[number] for number in rarest]
    return {
        zone: (float(day[row.name].sel(zone=zone)[0]), row.window)
        for zone, row in zip(zones, rows, strict=True)
    }


def read_second_opinion(snapshot: Snapshot) -> list[dict[str, Any]]:
    """Read GEOGLOWS' flows at the cities whose river a user has named, a row per city and day.

    They use no gauge and decide nothing: they serve places without another forecast.
    """
    midnight = day_start(snapshot.asof)
    try:
        flows = snapshot.archive.read("geoglows", asof=snapshot.asof, start=midnight).compute()
    except NothingArchived:
        return []
    return [
        {
            "city": zone.removeprefix("city:"),
            "valid_date": str(day.astype("datetime64[D]")),
            "available_time": f"{known.astype('datetime64[s]')}Z",
            **{f"{name}_m3s": round(float(flows[name][at]), 1) for name in geoglows.QUANTILES},
        }
        for column, zone in enumerate(flows["zone"].values.tolist())
        for row, (day, known) in enumerate(
            zip(flows["time"].values, flows["available_time"].values, strict=True)
        )
        for at in [(row, column)]
        if np.isfinite(float(flows["flow_q50"][at]))
    ]

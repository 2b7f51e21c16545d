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

from pipeline.alerts.evidence import Rain
from pipeline.areal import daily_series, monthly, substitutes
from pipeline.areal import rain as areal_rain
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
LATITUDE = {"units": "degrees_north", "standard_name": "latitude", "long_name": "Latitude"}
LONGITUDE = {"units": "degrees_east", "standard_name": "longitude", "long_name": "Longitude"}
AXES = {
    "time": {"standard_name": "time", "long_name": "Start of the day or month, UTC"},
    "available_time": {"long_name": "Time from which the day's data were known, UTC"},
    "zone": {"long_name": "Sub-basin or city by its id"},
    "station": {"long_name": "Gauge by its MRC code"},
    "year": {"units": "1", "long_name": "Calendar year"},
}
"""CF attributes of the axes of the published files."""


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
    recent = record.isel(time=slice(-SPIN_UP_DAYS - RISK_DAYS, None)).chunk(time=-1)
    indices = daily.risk(
        recent,
        parameters=snapshot.models["drought"].parameters(),
        network=river.routing(basins=places.basins()),
    ).assign(substitutes.carry_shares(recent))
    # Computed here: chunks computed while a file is written come in any order.
    recent_days = indices.isel(time=slice(-RISK_DAYS, None)).compute()
    return describe_axes(recent_days, region=snapshot.region, asof=snapshot.asof)


def compute_monthly_indices(snapshot: Snapshot) -> xr.Dataset | None:
    """Compute the monthly bulletin; None without a zonal record or monthly parameters."""
    record = snapshot.zonal_record
    if record is None or "monthly" not in snapshot.models:
        return None
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
    return describe_axes(bulletin, region=snapshot.region, asof=snapshot.asof)


def describe_axes(ds: xr.Dataset, *, region: Region, asof: datetime) -> xr.Dataset:
    """Say what the steps of time, zones and gauges of a file are, and where they lie.

    Parameters
    ----------
    ds
        Indices by ``time``, ``zone``, ``station`` or ``year``.
    region
        Region of the zones.
    asof
        Moment as of which cities, sub-basins and gauges are read.

    Returns
    -------
    xarray.Dataset
        With ``lat``, ``lon`` (degrees) and ``zone_name`` of each zone, ``station_lat``,
        ``station_lon`` and ``station_name`` of each gauge: the position of a city or gauge, and a
        point inside a sub-basin. A gauge that only readings name has its code for a name and NaN
        for a position.

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
    codes = ds["station"].values.tolist() if "station" in ds.dims else []
    sites = {code: (math.nan, math.nan, code) for code in codes}
    sites |= {code: (gauge.lat, gauge.lon, gauge.name) for code, gauge in gauges.items()}
    rows = {"zone": ("", points), "station": ("station_", sites)}
    for dim, (prefix, known) in rows.items():
        if dim in ds.dims:
            lat, lon, name = zip(*(known[key] for key in ds[dim].values.tolist()), strict=True)
            ds = ds.assign_coords(
                {
                    f"{prefix}lat": (dim, np.round(lat, 4), LATITUDE),
                    f"{prefix}lon": (dim, np.round(lon, 4), LONGITUDE),
                    f"{dim}_name": (dim, list(name), {"long_name": f"Name of the {dim}"}),
                }
            )
    axes = {name: ds[name].assign_attrs(AXES[name]) for name in AXES if name in ds.coords}
    return ds.assign_coords(axes)


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
    parameters = snapshot.models["drought"].parameters()
    depth = daily.two_year_depths(parameters=parameters).sel(zone=cities)
    rain = areal_rain.read_city_rain(snapshot.archive, asof=snapshot.asof, region=snapshot.region)
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

"""Monthly bulletin: whole months of each zone and gauge, parameters of their indices, indices."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import numpy as np
import pandas as pd
import xarray as xr

from pipeline.areal.means import average_zones
from pipeline.areal.zonal_record import put_on_zones, put_parameters_on_zones
from pipeline.choices import Region
from pipeline.geography.gauge_figures import reference_flows
from pipeline.geography.places import zones
from pipeline.indices.common import copy_reference_attrs
from pipeline.indices.flow import low_flow_ratio
from pipeline.indices.monthly import compute_standardised
from pipeline.indices.season import fit_wet_season, wet_season
from pipeline.indices.suite import INDICES, MIN_SHARE, select
from pipeline.indices.windows import DAY, aggregate_by_month, next_months, whole_months
from pipeline.storage.archive import Archive, NothingArchived
from pipeline.times import utc64

Params = dict[str, xr.Dataset]

MONTHS = 24
"""Months in a bulletin."""
_LONGEST = 12
"""Look-back of the indices before the first month of a bulletin (months)."""
SPIN_UP_DAYS = 31 * (MONTHS + _LONGEST + 1)
"""Days of the zonal daily series that a bulletin reads."""


@dataclass(frozen=True)
class Months:
    """Whole months of zones and gauges.

    Parameters
    ----------
    rain
        Rain of the zones, mm per day, dims (time, zone), every day.
    zones
        ``rain``, ``pet``, ``runoff`` (mm per month), ``soil_moisture`` (m3 m-3), each on its own
        months without gaps, dims (time, zone); an unknown variable is left out.
    rain_share
        Share of each month's days with rain, 1, dims (time, zone).
    discharge
        m3 s-1, dims (time, station), or None.
    """

    rain: xr.DataArray
    zones: dict[str, xr.DataArray]
    rain_share: xr.DataArray
    discharge: xr.DataArray | None


def collect_months(
    series: xr.Dataset, *, land: xr.Dataset | None, discharge: pd.DataFrame
) -> Months:
    """Collect the whole months of zonal daily series, land surface and gauges.

    Parameters
    ----------
    series
        Product ``zones``, at least two whole months. Soil moisture is averaged over the days on
        which it became available, two or three after its own; without a whole month of it there
        is none.
    land
        From :func:`read_land_months`, or None.
    discharge
        Usable readings (m3 s-1).
    """
    days = np.arange(series["time"].values[0], series["time"].values[-1] + DAY, DAY)
    daily = (
        series[["rain", "soil_moisture"]]
        .reindex(time=days)
        .drop_vars("available_time", errors="ignore")
    )
    rain = daily["rain"].assign_attrs(series["rain"].attrs)
    values = {"rain": aggregate_by_month(rain, min_share=MIN_SHARE)}
    soil = _trim_unknown(daily["soil_moisture"].assign_attrs(series["soil_moisture"].attrs))
    if soil is not None and whole_months(soil["time"].values).size:
        values["soil_moisture"] = aggregate_by_month(soil, min_share=MIN_SHARE, mean=True)
    if land is not None:
        for name in ("pet", "runoff"):
            months = _trim_unknown(_fill_time_axis(land[name]))
            if months is not None:
                values[name] = months
    with_rain: xr.DataArray = xr.apply_ufunc(np.isfinite, rain).astype(np.float32)
    with_rain = with_rain.rename("rain_share").drop_attrs()
    share = aggregate_by_month(with_rain, min_share=MIN_SHARE, mean=True)
    share = share.assign_attrs(units="1", long_name="Share of the month's days with rain known")
    return Months(rain, values, share, average_flow_by_month(discharge))


def read_land_months(
    archive: Archive, *, asof: datetime, region: Region, start: datetime | None = None
) -> xr.Dataset | None:
    """Read the potential evaporation and runoff of months, averaged over every zone.

    Parameters
    ----------
    archive, asof
        Archive of ``gldas_monthly``, and the moment as of which it is read.
    region
        Region of the zones.
    start
        Months that begin earlier are ignored.

    Returns
    -------
    xarray.Dataset or None
        ``pet`` and ``runoff`` (mm per month), dims (time, zone), computed; None without
        data.
    """
    try:
        ds = archive.read("gldas_monthly", asof=asof, start=start)
    except NothingArchived:
        return None
    means = {name: average_zones(ds[name], region) for name in ("pet", "runoff")}
    land = xr.Dataset(means).drop_vars(["spatial_ref", "available_time"], errors="ignore").compute()
    land = put_on_zones(land, list(zones(region, asof=asof)))
    time = land["time"].values
    days = xr.DataArray((next_months(time) - time) / DAY, {"time": time}, ("time",))
    land["pet"] = (land["pet"] * days).astype(np.float32).assign_attrs(units="mm")
    land["runoff"] = land["runoff"].clip(min=0).astype(np.float32).assign_attrs(units="mm")
    return land


def fit_params(months: Months, *, end: datetime) -> dict[str, dict[str, Any]]:
    """Fit the parameters of all indices to the whole years of a record.

    Parameters
    ----------
    months
        From :func:`collect_months`, the whole record.
    end
        Later data are not used.

    Returns
    -------
    dict
        Parameters by name as plain dictionaries, to be stored with the models; names of gauges
        begin with ``gauges/``. Inputs with fewer years than ``min_years`` are left out.
    """
    params: Params = {}
    _fit_whole_years(months.zones, params, end=end)
    season = INDICES["wet_season_onset"]
    period = _find_whole_years(months.zones["rain"], end=end, min_years=season.min_years)
    if period is not None:
        params[season.params] = fit_wet_season(rain=months.rain, start=period[0], end=period[1])
    if months.discharge is not None:
        gauges: Params = {}
        _fit_whole_years({"discharge": months.discharge}, gauges, end=end)
        params |= {f"gauges/{name}": fitted for name, fitted in gauges.items()}
    return {name: fitted.to_dict(data="array") for name, fitted in params.items()}


def make_bulletin(
    months: Months, params: dict[str, dict[str, Any]], *, asof: datetime
) -> xr.Dataset:
    """Apply the parameters to the last months.

    Parameters
    ----------
    months
        From :func:`collect_months`, from ``SPIN_UP_DAYS`` before.
    params
        From :func:`fit_params`.
    asof
        Moment as of which the agreed low flows are read.

    Returns
    -------
    xarray.Dataset
        By (time, zone) ``rain`` (mm) and ``rain_share``, SPI, SPEI, SSI and SRI where there are
        parameters and values, by (time, station) SDI and the ratio to the low flow agreed, by
        (year, zone) onset, retreat and length of the wet season; each index with its reference
        period, the hash of its definition, and whether it is provisional.
    """
    fitted = put_parameters_on_zones(
        {name: xr.Dataset.from_dict(plain) for name, plain in params.items()},
        months.rain["zone"].values.tolist(),
    )
    time = months.zones["rain"]["time"].values[-MONTHS:]
    with_params = {row.inputs[-1] for row in select("months") if row.name in fitted}
    zonal = {name: values for name, values in months.zones.items() if name in with_params}
    fields = {"rain": months.zones["rain"], "rain_share": months.rain_share}
    fields |= dict(compute_standardised(zonal, fitted, months=time))
    discharge = months.discharge
    if discharge is not None:
        gauges = {
            name.removeprefix("gauges/"): of_gauges
            for name, of_gauges in fitted.items()
            if name.startswith("gauges/")
        }
        if gauges:
            known = discharge.sel(station=gauges["sdi_1m"]["station"].values)
            fields |= dict(compute_standardised({"discharge": known}, gauges, months=time))
        agreed = read_agreed_low_flow(discharge, asof=asof)
        fields["low_flow_ratio"] = low_flow_ratio(discharge=discharge, reference_flow=agreed)
    ds = xr.Dataset({name: values.reindex(time=time) for name, values in fields.items()})
    season_params = fitted.get(INDICES["wet_season_onset"].params)
    if season_params is not None:
        season = wet_season(rain=months.rain, parameters=season_params)
        reference = copy_reference_attrs(season_params)
        for name, values in season.items():
            ds[f"wet_season_{name}"] = values.assign_attrs(values.attrs | reference)
    return ds


def _fit_whole_years(values: dict[str, xr.DataArray], params: Params, *, end: datetime) -> None:
    """Fit the indices of some inputs, each to the whole years that all of its inputs cover.

    SPI fitted with SPEI, to the years of the evaporation, is replaced by that of all rain years.
    """
    rows = {row.inputs: row for row in select("months") if row.accumulate is not None}
    for names, row in sorted(rows.items(), key=lambda item: -len(item[0])):
        if set(names) <= set(values):
            inputs = {name: values[name] for name in names}
            period = _find_whole_years(*inputs.values(), end=end, min_years=row.min_years)
            if period is not None:
                last = inputs[names[-1]]["time"].values[-1:]
                dict(compute_standardised(inputs, params, months=last, period=period))


def _find_whole_years(
    *inputs: xr.DataArray, end: datetime, min_years: int
) -> tuple[datetime, datetime] | None:
    """Return the calendar years up to a moment that monthly series all cover, None if too few.

    A series begins with its first known month.
    """
    begins, stops = list[int](), list[int]()
    for values in inputs:
        known = _trim_unknown(values)
        time = values["time"].values
        time = time[next_months(time) <= utc64(end)]
        if known is None or time.size == 0:
            return None
        month = known["time"].values[0]
        year, after = month.astype("M8[Y]"), next_months(time[-1:])[0].astype("M8[Y]")
        begins.append(int(year.astype(int)) + 1970 + int(month > year))
        stops.append(int(after.astype(int)) + 1970)
    begin, stop = max(begins), min(stops)
    if stop - begin < min_years:
        return None
    return datetime(begin, 1, 1, tzinfo=UTC), datetime(stop, 1, 1, tzinfo=UTC)


def _trim_unknown(values: xr.DataArray) -> xr.DataArray | None:
    """Return a series from its first to its last known step, None without any."""
    known = np.flatnonzero(np.isfinite(values.transpose("time", ...).values).any(axis=1))
    return values.isel(time=slice(known[0], known[-1] + 1)) if known.size else None


def _fill_time_axis(months: xr.DataArray) -> xr.DataArray:
    first, last = months["time"].values[[0, -1]].astype("M8[M]")
    return months.reindex(time=np.arange(first, last + 1).astype("M8[ns]"))


def average_flow_by_month(discharge: pd.DataFrame) -> xr.DataArray | None:
    """Average the gauges' daily means by month; a month needs 90 % of its days.

    Parameters
    ----------
    discharge
        Usable readings (m3 s-1): ``station``, ``valid_time``, ``value``.

    Returns
    -------
    xarray.DataArray or None
        m3 s-1, dims (time, station), the whole months between the first and the last reading; None
        where these are less than 62 days apart.
    """
    rows = discharge[discharge["value"] > 0]
    if rows.empty:
        return None
    day = rows["valid_time"].dt.floor("D")
    table = rows.assign(day=day).pivot_table(index="day", columns="station", values="value")
    days = np.arange(table.index[0].to_datetime64(), table.index[-1].to_datetime64() + DAY, DAY)
    daily = xr.DataArray(
        table.reindex(days).to_numpy(),
        {"time": days, "station": [*table.columns]},
        ("time", "station"),
        name="discharge",
        attrs={"units": "m3 s-1"},
    )
    if days[-1] - days[0] < 62 * DAY:
        return None
    return aggregate_by_month(daily, min_share=MIN_SHARE, mean=True)


def read_agreed_low_flow(discharge: xr.DataArray, *, asof: datetime) -> xr.DataArray:
    """Read the low flow of PMFM Article 6A by gauge and month, m3 s-1, NaN where none is agreed."""
    flows = reference_flows(asof=asof)
    table = flows[flows["kind"] == "pmfm_6a"].pivot_table(
        index="month", columns="station", values="value"
    )
    table = table.reindex(index=range(1, 13), columns=discharge["station"].values)
    return xr.DataArray(
        table.to_numpy(),
        {"month": table.index, "station": discharge["station"]},
        ("month", "station"),
        attrs={"units": "m3 s-1"},
    )

"""The monthly bulletin: what is known of whole months by zone and gauge, their laws and indices."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import numpy as np
import pandas as pd
import xarray as xr

from pipeline.areal import means as zonal_means
from pipeline.choices import Region
from pipeline.geography.grid import zonal_mean
from pipeline.geography.places import reference_flows, zones
from pipeline.indices.common import stated
from pipeline.indices.flow import low_flow_ratio
from pipeline.indices.monthly import standardised
from pipeline.indices.season import MIN_YEARS as SEASON_YEARS
from pipeline.indices.season import fit_wet_season, wet_season
from pipeline.indices.soil import MIN_YEARS as SOIL_YEARS
from pipeline.indices.spi import MIN_YEARS
from pipeline.indices.suite import MIN_SHARE
from pipeline.indices.windows import DAY, by_month, next_months
from pipeline.storage.archive import Archive, NothingArchived
from pipeline.times import utc64

Laws = dict[str, xr.Dataset]

MONTHS = 24
"""Months that a bulletin tells."""
_LONGEST = 12
"""Months before the first one told that its indices look at."""
SPIN_UP_DAYS = 31 * (MONTHS + _LONGEST + 1)
"""Days of the areal record that a bulletin reads."""


@dataclass(frozen=True)
class Known:
    """What is known of whole months.

    Parameters
    ----------
    rain
        Rain of the zones, mm per day, dims (time, zone), every day.
    zones
        ``rain``, ``pet``, ``runoff`` (mm per month), ``soil_moisture`` (m3 m-3), each on its own
        months without gaps, dims (time, zone); what is not known at all is left out.
    share
        Share of each month's days with rain, 1, dims (time, zone).
    discharge
        m3 s-1, dims (time, station), or None.
    """

    rain: xr.DataArray
    zones: dict[str, xr.DataArray]
    share: xr.DataArray
    discharge: xr.DataArray | None


def known(record: xr.Dataset, *, land: xr.Dataset | None, discharge: pd.DataFrame) -> Known:
    """Put together what is known of whole months.

    Parameters
    ----------
    record
        Product ``zones``, two whole months at least. Soil moisture is averaged over the days on
        which it was told, two or three after its own.
    land
        As :func:`land_months` gives it, or None.
    discharge
        Readings (m3 s-1) that may be used.

    Returns
    -------
    Known
    """
    days = np.arange(record["time"].values[0], record["time"].values[-1] + DAY, DAY)
    whole = (
        record[["rain", "soil_moisture"]]
        .reindex(time=days)
        .drop_vars("available_time", errors="ignore")
    )
    rain = whole["rain"].assign_attrs(record["rain"].attrs)
    values = {"rain": by_month(rain, min_share=MIN_SHARE)}
    soil = _since_told(whole["soil_moisture"].assign_attrs(record["soil_moisture"].attrs))
    if soil is not None:
        values["soil_moisture"] = by_month(soil, min_share=MIN_SHARE, mean=True)
    for name in ("pet", "runoff") if land is not None else ():
        months = _since_told(_without_gaps(land[name]))  # type: ignore[index]
        if months is not None:
            values[name] = months
    seen: xr.DataArray = xr.apply_ufunc(np.isfinite, rain).astype(np.float32)
    share = by_month(seen.rename("rain_share"), min_share=MIN_SHARE, mean=True)
    share = share.assign_attrs(units="1", long_name="Share of the month's days with rain known")
    return Known(rain, values, share, _monthly_flow(discharge))


def land_months(
    archive: Archive, *, asof: datetime, start: datetime | None = None, region: Region = "mekong"
) -> xr.Dataset | None:
    """Potential evaporation and runoff of months, averaged over every zone.

    Parameters
    ----------
    archive, asof
        Where the product ``gldas_monthly`` is read, as known when.
    start
        Months that begin earlier are not looked at.
    region
        Whose zones they are.

    Returns
    -------
    xarray.Dataset or None
        ``pet`` and ``runoff`` (mm per month), dims (time, zone), computed; None where there is
        nothing.
    """
    try:
        ds = archive.read("gldas_monthly", asof=asof, start=start)
    except NothingArchived:
        return None
    names = list(zones(region))
    mean = {
        name: zonal_mean(ds[name], zonal_means.weights(region), names)[0]
        for name in ("pet", "runoff")
    }
    found = xr.Dataset(mean).drop_vars(["spatial_ref", "available_time"], errors="ignore").compute()
    time = found["time"].values
    days = xr.DataArray((next_months(time) - time) / DAY, {"time": time}, ("time",))
    found["pet"] = (found["pet"] * days).astype(np.float32).assign_attrs(units="mm")
    found["runoff"] = found["runoff"].clip(min=0).astype(np.float32).assign_attrs(units="mm")
    return found


def fit(found: Known, *, end: datetime) -> dict[str, dict[str, Any]]:
    """Fit the laws of all indices to the whole years of a record.

    Parameters
    ----------
    found
        As :func:`known` gives it of the whole record.
    end
        Nothing later goes in.

    Returns
    -------
    dict
        By name the laws as plain dictionaries, to be kept with the models; those of the gauges
        begin with ``gauges/``. What has fewer than 20 years (the season 10) is left out.
    """
    laws: Laws = {}
    # SPI made beside SPEI, by the years of the evaporation, gives way to that of all years of rain.
    inputs: tuple[tuple[str, ...], ...]
    inputs = (("rain", "pet"), ("rain",), ("soil_moisture",), ("runoff",))
    for names in inputs:
        values = {name: found.zones[name] for name in names if name in found.zones}
        least = SOIL_YEARS if "soil_moisture" in names else MIN_YEARS
        if len(values) == len(names):
            _fit(values, laws, end=end, of=names[-1], least=least)
    period = _years(found.zones["rain"], end, least=SEASON_YEARS)
    if period is not None:
        laws["wet_season"] = fit_wet_season(rain=found.rain, start=period[0], end=period[1])
    if found.discharge is not None:
        gauges: Laws = {}
        _fit({"discharge": found.discharge}, gauges, end=end, of="discharge", least=MIN_YEARS)
        laws |= {f"gauges/{name}": law for name, law in gauges.items()}
    return {name: law.to_dict(data="array") for name, law in laws.items()}


def bulletin(found: Known, laws: dict[str, dict[str, Any]]) -> xr.Dataset:
    """Apply the laws to the last months.

    Parameters
    ----------
    found
        As :func:`known` gives it, from ``SPIN_UP_DAYS`` before.
    laws
        As :func:`fit` gives them.

    Returns
    -------
    xarray.Dataset
        By (time, zone) ``rain`` (mm) and ``rain_share``, SPI, SPEI, SSI and SRI as far as there are
        laws and values, by (time, station) SDI and the ratio to the low flow agreed, by (year,
        zone) onset, retreat and length of the wet season; each index with its reference period,
        the hash of its definition, and whether it is provisional.
    """
    kept = {name: xr.Dataset.from_dict(law) for name, law in laws.items()}
    months = found.zones["rain"]["time"].values[-MONTHS:]
    zonal = {name: one for name, one in found.zones.items() if _LAW[name] in kept}
    fields = {"rain": found.zones["rain"], "rain_share": found.share}
    fields |= dict(standardised(zonal, kept, months=months))
    if found.discharge is not None:
        gauges = {k.removeprefix("gauges/"): v for k, v in kept.items() if k.startswith("gauges/")}
        if gauges:
            some = found.discharge.sel(station=gauges["sdi_1m"]["station"].values)
            fields |= dict(standardised({"discharge": some}, gauges, months=months))
        agreed = _agreed_flow(found.discharge)
        fields["low_flow_ratio"] = low_flow_ratio(discharge=found.discharge, reference_flow=agreed)
    ds = xr.Dataset({name: one.reindex(time=months) for name, one in fields.items()})
    if "wet_season" in kept:
        season = wet_season(rain=found.rain, parameters=kept["wet_season"])
        about = stated(kept["wet_season"])
        for name, one in season.items():
            ds[f"wet_season_{name}"] = one.assign_attrs(one.attrs | about)
    return ds


_LAW = {"rain": "spi_1m", "pet": "spei_1m", "soil_moisture": "ssi_1m", "runoff": "sri_1m"}
"""A law of each input, by which it is seen whether there are any."""


def _fit(
    values: dict[str, xr.DataArray], laws: Laws, *, end: datetime, of: str, least: int
) -> None:
    """Fit what is made of some inputs to the whole years of one of them."""
    period = _years(values[of], end, least=least)
    if period is not None:
        last = values[of]["time"].values[-1:]
        dict(standardised(values, laws, months=last, period=period))


def _years(values: xr.DataArray, end: datetime, *, least: int) -> tuple[datetime, datetime] | None:
    """Whole calendar years that a monthly series covers by a moment, None if too few."""
    time = values["time"].values
    time = time[next_months(time) <= utc64(end)]
    if time.size == 0:
        return None
    first, after = time[0].astype("M8[Y]"), next_months(time[-1:])[0].astype("M8[Y]")
    begin = int(first.astype(int)) + 1970 + int(time[0] > first)
    stop = int(after.astype(int)) + 1970
    if stop - begin < least:
        return None
    return datetime(begin, 1, 1, tzinfo=UTC), datetime(stop, 1, 1, tzinfo=UTC)


def _since_told(values: xr.DataArray) -> xr.DataArray | None:
    """Part of a series from its first value on."""
    told = np.flatnonzero(np.isfinite(values.transpose("time", ...).values).any(axis=1))
    return values.isel(time=slice(told[0], told[-1] + 1)) if told.size else None


def _without_gaps(months: xr.DataArray) -> xr.DataArray:
    first, last = months["time"].values[[0, -1]].astype("M8[M]")
    return months.reindex(time=np.arange(first, last + 1).astype("M8[ns]"))


def _monthly_flow(discharge: pd.DataFrame) -> xr.DataArray | None:
    """Monthly means of the gauges' daily means, m3 s-1; a month needs 90 % of its days."""
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
    return by_month(daily, min_share=MIN_SHARE, mean=True)


def _agreed_flow(discharge: xr.DataArray) -> xr.DataArray:
    """Low flow of PMFM Article 6A at each gauge, m3 s-1 by month, NaN where none is agreed."""
    flows = reference_flows()
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

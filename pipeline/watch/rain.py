"""Rain of the last hours over each city against its return levels."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

import numpy as np
import xarray as xr

from pipeline.alerts.evidence import Rain
from pipeline.areal import blend
from pipeline.areal.means import average_zones
from pipeline.areal.rain import HALF_HOUR, read_half_hourly_rain
from pipeline.areal.zonal_record import put_parameters_on_zones
from pipeline.geography import places
from pipeline.geography.variables import attributes
from pipeline.indices import suite
from pipeline.indices.extremes import return_period
from pipeline.indices.rain import accumulation
from pipeline.issuance.missing import find_suspect_files
from pipeline.issuance.snapshot import Snapshot
from pipeline.times import from_utc64, utc64

HOURS = (1, 3, 6)
"""Durations whose return levels the rain is held against (h)."""
MIN_SHARE = 0.8
"""Least share of the half-hours of a duration that must be known."""
LOOKED_AT = timedelta(hours=6)
"""Time before a watch in which a duration may end: IMERG Early, which stands in for GK2A, is four
hours late."""
MOST_SUSPECT = 0.5
"""Share of suspect files from which rain counts as suspect."""
PRODUCTS = (blend.MAIN_PRODUCT, *blend.ASSUMED_SIGMA)


@dataclass(frozen=True, kw_only=True)
class RecentRain:
    """Rarest rain over a city among the durations that ended in the last hours.

    Parameters
    ----------
    years
        Return period; NaN where it is not known.
    depth_mm, hours
        Rain and its duration; NaN and 1 where not known.
    until
        End of the duration; None where not known.
    product
        Product that most of that rain is from; empty where not known.
    suspect
        Whether it rests on files that are suspect as a whole.
    """

    years: float = math.nan
    depth_mm: float = math.nan
    hours: int = 1
    until: datetime | None = None
    product: str = ""
    suspect: bool = False

    def evidence(self) -> Rain:
        """Return the evidence of a decision; the pluvial index is of whole days and not known."""
        return Rain(
            return_period_years=self.years,
            pluvial_index=math.nan,
            tier="imerg" if self.product.startswith("imerg") else "gk2a" if self.product else "",
            suspect=self.suspect,
            depth_mm=self.depth_mm,
            duration_h=self.hours,
        )


def short_return_periods(*, rain: xr.DataArray, parameters: xr.Dataset) -> xr.Dataset:
    """Compute how rare the rain of 1, 3 and 6 hours is, at every half-hour.

    P_D of the duration D is scaled to a day, P_24 = P_D (24 h / D)^(1/3), and that has the return
    period of a day's rain.

    Parameters
    ----------
    rain
        mm per half-hour, dims (time, zone), no gaps in the axis.
    parameters
        Of the daily rain of the same zones, from
        :func:`pipeline.indices.extremes.fit_return_period`.

    Returns
    -------
    xarray.Dataset
        ``depth`` (mm) and ``years``, dims (duration_h, time, zone), NaN where less than
        ``MIN_SHARE`` of a duration is known; lazy where ``rain`` is.

    References
    ----------
    Ramaseshan, S. (1996). Urban hydrology in different climate conditions (the one-third rule of
    the Indian Meteorological Department).

    Examples
    --------
    >>> time = np.datetime64("2026-08-20T00:00", "ns") + np.arange(4) * HALF_HOUR
    >>> rain = xr.DataArray([[0.0], [0.0], [20.0], [24.5]], {"time": time, "zone": ["a"]},
    ...     attrs={"units": "mm"})
    >>> params = xr.Dataset({"location": 50.0, "scale": 10.0, "shape": 0.0, "n_years": 40.0})
    >>> found = short_return_periods(rain=rain, parameters=params).sel(duration_h=1, zone="a")
    >>> found["depth"].values, found["years"].values.round()  # 44.5 mm x 24^(1/3) = 128 mm
    (array([ nan,  0. , 20. , 44.5]), array([nan,  1.,  3., 80.]))
    """
    depths, years = [], []
    for hours in HOURS:
        depth = accumulation(rain=rain, steps=2 * hours, min_share=MIN_SHARE)
        of_day = (depth * (24.0 / hours) ** (1.0 / 3.0)).assign_attrs(
            units="mm", window=parameters.attrs.get("window", "")
        )
        depths.append(depth)
        years.append(return_period(total=of_day, parameters=parameters))
    axis = xr.Variable("duration_h", list(HOURS))
    return xr.Dataset(
        {
            "depth": xr.concat(depths, axis, coords="minimal", compat="override"),
            "years": xr.concat(years, axis, coords="minimal", compat="override"),
        }
    )


def assess_recent_rain(snapshot: Snapshot, *, since: datetime) -> dict[str, RecentRain]:
    """Assess the rain of the last hours over each city; unknown where no product saw it.

    Where GK2A is late its hours are those of IMERG Early, and of the infrared.

    Parameters
    ----------
    snapshot
        Stores as of the watch, with the models of the last run.
    since
        Issue time of the last run: durations that ended by then are left out.

    Returns
    -------
    dict
        By id of the city; those without return levels, and all without models, are unknown.
    """
    cities = [f"city:{city}" for city in places.cities(snapshot.region, asof=snapshot.asof)]
    nothing = {zone.removeprefix("city:"): RecentRain() for zone in cities}
    if "drought" not in snapshot.models:
        return nothing
    asof = snapshot.asof
    end = asof.replace(minute=asof.minute // 30 * 30, second=0, microsecond=0)
    start = end - LOOKED_AT - timedelta(hours=max(HOURS))
    rates = read_half_hourly_rain(
        snapshot.archive,
        asof=asof,
        start=start,
        end=end,
        region=snapshot.region,
        suspects=find_suspect_files(snapshot.records, asof=asof, start=start),
    )
    names = ["rain_rate", "suspect", *(f"share_{product}" for product in PRODUCTS)]
    means = xr.Dataset({name: average_zones(rates[name], snapshot.region) for name in names})
    means = means.reindex(zone=cities).compute()
    rain = (means["rain_rate"] * 0.5).assign_attrs(attributes("rain"))
    parameters = put_parameters_on_zones(snapshot.models["drought"].parameters(), cities)
    periods = short_return_periods(
        rain=rain, parameters=parameters[suite.EXTREMES[0].params_in("zones")]
    ).compute()
    first = max(utc64(since), utc64(end - LOOKED_AT))
    ends = periods["time"].values + HALF_HOUR
    periods = periods.isel(time=ends > first)
    return nothing | {
        zone.removeprefix("city:"): _find_rarest(periods.sel(zone=zone), means.sel(zone=zone))
        for zone in cities
    }


def _find_rarest(periods: xr.Dataset, means: xr.Dataset) -> RecentRain:
    """Find the rarest rain of a city: the highest return period, of several the latest."""
    years = periods["years"].transpose("time", "duration_h")[::-1]
    if years.size == 0 or not years.notnull().any():
        return RecentRain()
    at = int(np.nanargmax(years.values))
    row, column = np.unravel_index(at, years.shape)
    time, hours = years["time"].values[row], int(years["duration_h"].values[column])
    window = means.sel(time=slice(time - HALF_HOUR * (2 * hours - 1), time))
    shares = _weigh_products(window)
    return RecentRain(
        years=float(years.values[row, column]),
        depth_mm=float(periods["depth"].sel(time=time, duration_h=hours)),
        hours=hours,
        until=from_utc64(time + HALF_HOUR),
        product=max(shares, key=lambda product: shares[product]),
        suspect=float(window["suspect"].mean()) > MOST_SUSPECT,
    )


def _weigh_products(window: xr.Dataset) -> Mapping[str, float]:
    """Share of each product in the half-hours of a window (1)."""
    return {product: float(window[f"share_{product}"].fillna(0.0).mean()) for product in PRODUCTS}

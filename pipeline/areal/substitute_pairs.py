"""Common dates of a substitute and the product it replaces, as means over the zones.

The archive stores them night by night; CDF matching is fitted on them.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any, Literal, NamedTuple

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from pipeline.areal.means import average_zones
from pipeline.areal.zonal_record import put_on_zones
from pipeline.choices import Region
from pipeline.geography.places import zones
from pipeline.geography.variables import outside
from pipeline.indices.suite import SOIL_DAYS, VEGETATION_DAYS
from pipeline.indices.windows import DAY, next_months
from pipeline.sources import SOURCES
from pipeline.storage.archive import Archive, NothingArchived
from pipeline.times import from_utc64, utc64

Dates = NDArray[np.datetime64]


class Substitute(NamedTuple):
    """A variable of the zonal daily series, its product, and the product that replaces it.

    Parameters
    ----------
    name
        Variable of the zonal daily series.
    main
        Product in the series.
    product, variable
        Substitute product, and its variable.
    statistic
        What a value describes: a day, or the highest or mean of a month's daily images.
    min_dates
        Least number of common dates in a season for CDF matching.
    valid_days
        Days for which a value is used.
    """

    name: str
    main: str
    product: str
    variable: str
    statistic: Literal["day", "highest", "mean"]
    min_dates: int
    valid_days: int


SUBSTITUTES = (
    Substitute("soil_moisture", "smap", "smap_l3", "soil_moisture_surface", "day", 60, SOIL_DAYS),
    Substitute("ndvi", "ndvi", "gk2a_ndvi", "ndvi", "highest", 9, VEGETATION_DAYS),
    Substitute("lst", "lst", "gk2a_lst", "lst", "mean", 9, VEGETATION_DAYS),
)
"""Level 3 covers a zone every second or third day: 60 days of a season take two years. Months
take three years."""
MIN_PICTURES = 24
"""Least number of daily images in a month's composite."""
LOOKBACK = {"day": 40 * DAY, "highest": 93 * DAY, "mean": 93 * DAY}
"""Time before the first day from which pairs are averaged again: two time scales of the filter."""


def read_pairs(archive: Archive, substitute: Substitute, *, asof: datetime) -> xr.Dataset | None:
    """Read the stored pairs; None before there are any.

    Returns
    -------
    xarray.Dataset or None
        ``ours`` (of the substitute) and ``theirs`` (of the main product), dims (time, zone).
    """
    try:
        stored = archive.read(f"pairs_{substitute.name}", asof=asof)
    except NothingArchived:
        return None
    return stored.drop_vars("available_time").compute()


def make_new_pairs(
    archive: Archive,
    substitute: Substitute,
    stored: xr.Dataset | None,
    *,
    asof: datetime,
    start: datetime,
    region: Region,
) -> xr.Dataset | None:
    """Average both products over the zones by date: recent dates, and older ones not stored yet.

    Parameters
    ----------
    archive, asof
        Archive of the products, and the moment as of which it is read.
    substitute
        Row of :data:`SUBSTITUTES`.
    stored
        From :func:`read_pairs`.
    start
        First day to compute; dates within :data:`LOOKBACK` before it are averaged again.
    region
        Region of the zones.

    Returns
    -------
    xarray.Dataset or None
        ``ours``, ``theirs``, and ``came`` (time), when the substitute's value became available;
        None without any value of the substitute.
    """
    times = archive.rows(substitute.product, asof=asof)[1]
    if times.size == 0:
        return None
    ours, pictures = np.unique(_date_of(substitute, times), return_counts=True)
    if substitute.statistic != "day":
        ours = ours[(pictures >= MIN_PICTURES) & (_end_of(substitute, ours) <= utc64(asof))]
    theirs = np.unique(_date_of(substitute, archive.rows(substitute.main, asof=asof)[1]))
    paired = ours[:0]
    # A new zone has no pairs yet: every date in common is averaged once more, for all zones.
    if stored is not None and set(zones(region)) <= set(stored["zone"].values.tolist()):
        paired = stored["time"].values[stored["theirs"].notnull().any("zone").values]
    all_dates = np.union1d(ours, theirs)
    recent = all_dates[all_dates >= utc64(start) - LOOKBACK[substitute.statistic]]
    dates = np.union1d(recent, np.setdiff1d(np.intersect1d(ours, theirs), paired))
    if dates.size == 0:
        return None
    selection: dict[str, Any] = {"dates": dates, "asof": asof, "region": region}
    means = _average_by_date(
        archive, substitute, substitute.product, substitute.variable, **selection
    )
    complete = xr.DataArray(np.isin(dates, ours), {"time": dates}, ("time",))
    main = _average_by_date(archive, substitute, substitute.main, substitute.name, **selection)
    return xr.Dataset(
        {
            "ours": means["mean"].where(complete),
            "theirs": main["mean"],
            "came": means["came"].where(complete),
        }
    )


def merge_pairs(stored: xr.Dataset | None, new: xr.Dataset) -> xr.Dataset:
    """Merge the pairs of all dates on the zones of the new ones, which replace stored ones."""
    new = new.drop_vars("came")
    if stored is None:
        return new
    stored = put_on_zones(stored, new["zone"].values.tolist())
    older = stored.isel(time=~np.isin(stored["time"].values, new["time"].values))
    return xr.concat([older, new], "time").sortby("time")


def due_time(substitute: Substitute, dates: Dates) -> Dates:
    """Return the time at which the main product is usually available."""
    return _end_of(substitute, dates) + np.timedelta64(SOURCES[substitute.main].latency)


def _average_by_date(
    archive: Archive,
    substitute: Substitute,
    product: str,
    variable: str,
    *,
    dates: Dates,
    asof: datetime,
    region: Region,
) -> xr.Dataset:
    """Average a product over the zones by date: ``mean``, and ``came``, when it was available."""
    names = list(zones(region))
    came = np.full(dates.size, np.datetime64("NaT", "ns"))
    mean = xr.DataArray(
        np.full((dates.size, len(names)), np.nan, np.float32),
        {"time": dates, "zone": names},
        ("time", "zone"),
    )
    start, end = from_utc64(dates[0]), from_utc64(_end_of(substitute, dates)[-1])
    try:
        values = archive.read(product, asof=asof, start=start, end=end)[variable]
    except NothingArchived:
        return xr.Dataset({"mean": mean, "came": ("time", came)})
    date = _date_of(substitute, values["time"].values)
    values, date = values.isel(time=np.isin(date, dates)), date[np.isin(date, dates)]
    values = values.where(~outside(values, variable))
    np.fmax.at(came, np.searchsorted(dates, date), values["available_time"].values)
    values = values.drop_vars(["available_time", "spatial_ref"]).assign_coords(time=date)
    if np.unique(date).size < date.size:
        pictures = values.groupby("time")
        highest = substitute.statistic == "highest" and product == substitute.product
        values = pictures.max() if highest else pictures.mean()
    means = average_zones(values, region).astype(np.float32).compute()
    return xr.Dataset({"mean": means.reindex_like(mean), "came": ("time", came)})


def _date_of(substitute: Substitute, times: Dates) -> Dates:
    """Return the first day of the day or month that a value describes."""
    unit = "M8[D]" if substitute.statistic == "day" else "M8[M]"
    return times.astype(unit).astype("M8[ns]")


def _end_of(substitute: Substitute, dates: Dates) -> Dates:
    """Return the end of the day or month that begins at each date."""
    return dates + DAY if substitute.statistic == "day" else next_months(dates)

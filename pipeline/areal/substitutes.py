"""Which product stands in for one that is late, in whose words, and on which days it does.

The areal record, and all that is fitted on it, is of SMAP level 4 and of VIIRS or MODIS. What
stands in for them is kept beside the record and not in it, and fills its gaps only where a night is
read.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any, Literal, NamedTuple

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from pipeline.areal import means as zonal_means
from pipeline.choices import Region
from pipeline.geography.grid import zonal_mean
from pipeline.geography.places import zones
from pipeline.geography.variables import VARIABLES, attributes, outside
from pipeline.indices.common import carried
from pipeline.indices.quantiles import matched, same_season
from pipeline.indices.soil import soil_water_index
from pipeline.indices.suite import SOIL_DAYS, VEGETATION_DAYS
from pipeline.indices.windows import DAY, next_months
from pipeline.sources import SOURCES
from pipeline.storage.archive import Archive, NothingArchived
from pipeline.times import day_start, utc64

Days = NDArray[np.datetime64]


class StandIn(NamedTuple):
    """A variable of the areal record, its product, and what stands in for that.

    ``of`` says what one value is: a day, or the highest or mean of a month's pictures. ``least`` is
    the number of common dates in a season that a mapping takes, ``counts`` the days that a value
    counts for.
    """

    name: str
    main: str
    product: str
    variable: str
    of: Literal["day", "highest", "mean"]
    least: int
    counts: int


STAND_INS = (
    StandIn("soil_moisture", "smap", "smap_l3", "soil_moisture_surface", "day", 60, SOIL_DAYS),
    StandIn("ndvi", "ndvi", "gk2a_ndvi", "ndvi", "highest", 9, VEGETATION_DAYS),
    StandIn("lst", "lst", "gk2a_lst", "lst", "mean", 9, VEGETATION_DAYS),
)
"""A zone is seen by level 3 every second or third day: 60 days of a season take two years. Months
take three."""
HALF_SEASON = 45
"""Days of the year on either side whose common dates a value is mapped by: over a whole year the
ranks would tell the season, and not how dry it is for it."""
LEAST_PICTURES = 24
"""A month with fewer daily pictures has no composite."""
RECENT = {"day": 40 * DAY, "highest": 93 * DAY, "mean": 93 * DAY}
"""How far back before the days asked for values are made anew: two time scales of the filter."""
TABLE = "stand_ins"


def made(
    archive: Archive, *, asof: datetime, start: datetime, end: datetime, region: Region = "mekong"
) -> dict[str, xr.Dataset]:
    """Make what stands in on whole days as it is known at a moment, and what it is learnt from.

    Parameters
    ----------
    archive, asof
        Where the grids are read, as known when.
    start, end
        Half-open interval on whole days.
    region
        Whose zones they are.

    Returns
    -------
    dict
        Tables by product of the archive, dims (time, zone), all available ``asof``, computed.
        ``pairs_<name>``: ``ours`` and ``theirs`` by date, those that are new or may have changed.
        ``stand_ins``: the variables of the record in its units, on the day by which their product
        was due and what stands in had come, NaN where the product has that date or a later one, or
        soil moisture of the five days before.
        Empty where nothing that stands in has been archived.
    """
    axis, names = np.arange(utc64(start), utc64(end), DAY), list(zones(region))
    # Only what nights before kept is read, so that a night made twice is the same night.
    before = day_start(asof) - timedelta(seconds=1)
    blank = np.full((axis.size, len(names)), np.nan, np.float32)
    standing, tables, origins = {one.name: blank for one in STAND_INS}, {}, set()
    for one in STAND_INS:
        kept = _pairs(archive, one, asof=before)
        fresh = _fresh(archive, one, kept, asof=asof, start=start, region=region)
        if fresh is None:
            continue
        tables[f"pairs_{one.name}"] = fresh.drop_vars("came")
        known = _with(kept, fresh)
        standing[one.name] = _standing(one, known, fresh["came"], axis, asof=asof)
        origins |= {
            archive.origin(name) for name in (one.main, one.product) if name in archive.products()
        }
    if tables:
        tables[TABLE] = xr.Dataset(
            {name: (("time", "zone"), of, attributes(name)) for name, of in standing.items()},
            {"time": axis, "zone": names},
        )
    return {
        name: ds.assign_coords(
            available_time=("time", np.full(ds.sizes["time"], utc64(asof)))
        ).assign_attrs(origin="virtual" if "virtual" in origins else "measured")
        for name, ds in tables.items()
    }


def _fresh(
    archive: Archive,
    one: StandIn,
    kept: xr.Dataset | None,
    *,
    asof: datetime,
    start: datetime,
    region: Region,
) -> xr.Dataset | None:
    """Average both products over the zones by date: the last dates, and older ones not yet kept.

    Variables ``ours``, ``theirs``, and ``came`` (time), when ours was known; None without ours.
    """
    times = archive.rows(one.product, asof=asof)[1]
    if times.size == 0:
        return None
    ours, pictures = np.unique(_date(one, times), return_counts=True)
    if one.of != "day":
        ours = ours[(pictures >= LEAST_PICTURES) & (_ended(one, ours) <= utc64(asof))]
    theirs = np.unique(_date(one, archive.rows(one.main, asof=asof)[1]))
    paired = ours[:0]
    if kept is not None:
        paired = kept["time"].values[kept["theirs"].notnull().any("zone").values]
    either = np.union1d(ours, theirs)
    recent = either[either >= utc64(start) - RECENT[one.of]]
    dates = np.union1d(recent, np.setdiff1d(np.intersect1d(ours, theirs), paired))
    if dates.size == 0:
        return None
    of: dict[str, Any] = {"dates": dates, "asof": asof, "region": region}
    found = _by_date(archive, one, one.product, one.variable, **of)
    whole = xr.DataArray(np.isin(dates, ours), {"time": dates}, ("time",))
    main = _by_date(archive, one, one.main, one.name, **of)["mean"]
    return xr.Dataset(
        {"ours": found["mean"].where(whole), "theirs": main, "came": found["came"].where(whole)}
    )


def _by_date(
    archive: Archive,
    one: StandIn,
    product: str,
    variable: str,
    *,
    dates: Days,
    asof: datetime,
    region: Region,
) -> xr.Dataset:
    """Average a product over the zones by date, and say when it ``came``; computed."""
    names = list(zones(region))
    came = np.full(dates.size, np.datetime64("NaT", "ns"))
    mean = xr.DataArray(
        np.full((dates.size, len(names)), np.nan, np.float32),
        {"time": dates, "zone": names},
        ("time", "zone"),
    )
    first, last = (
        datetime.fromisoformat(f"{edge.astype('M8[s]')}Z")
        for edge in (dates[0], _ended(one, dates)[-1])
    )
    try:
        values = archive.read(product, asof=asof, start=first, end=last)[variable]
    except NothingArchived:
        return xr.Dataset({"mean": mean, "came": ("time", came)})
    date = _date(one, values["time"].values)
    values, date = values.isel(time=np.isin(date, dates)), date[np.isin(date, dates)]
    values = values.where(~outside(values, variable))
    np.fmax.at(came, np.searchsorted(dates, date), values["available_time"].values)
    values = values.drop_vars(["available_time", "spatial_ref"]).assign_coords(time=date)
    if np.unique(date).size < date.size:
        pictures = values.groupby("time")
        highest = one.of == "highest" and product == one.product
        values = pictures.max() if highest else pictures.mean()
    told = zonal_mean(values, zonal_means.weights(region), names)[0].astype(np.float32)
    return xr.Dataset({"mean": told.compute().reindex_like(mean), "came": ("time", came)})


def _date(one: StandIn, times: Days) -> Days:
    """First day of what a value is of: its day or its month."""
    return times.astype("M8[D]" if one.of == "day" else "M8[M]").astype("M8[ns]")


def _ended(one: StandIn, dates: Days) -> Days:
    return dates + DAY if one.of == "day" else next_months(dates)


def _due(one: StandIn, dates: Days) -> Days:
    """By when the product that is stood in for usually has a date."""
    return _ended(one, dates) + np.timedelta64(SOURCES[one.main].latency)


def _pairs(archive: Archive, one: StandIn, *, asof: datetime) -> xr.Dataset | None:
    """Read the pairs that nights have kept; None before there are any."""
    try:
        return archive.read(f"pairs_{one.name}", asof=asof).drop_vars("available_time").compute()
    except NothingArchived:
        return None


def _with(kept: xr.Dataset | None, fresh: xr.Dataset) -> xr.Dataset:
    """Pairs of all dates, the fresh ones in place of those kept."""
    fresh = fresh.drop_vars("came")
    if kept is None:
        return fresh
    older = kept.isel(time=~np.isin(kept["time"].values, fresh["time"].values))
    return xr.concat([older, fresh], "time").sortby("time")


def _ours(one: StandIn, pairs: xr.Dataset) -> xr.DataArray:
    """Give what stands in, at the depth of what it stands in for."""
    ours = pairs["ours"]
    return soil_water_index(surface=ours) if one.name == "soil_moisture" else ours


def _lacking(one: StandIn, pairs: xr.Dataset, *, asof: datetime) -> xr.DataArray:
    """Where a product has neither a date that is due, nor a later one, (time, zone).

    A day also has the last value of its own product, as long as that counts.
    """
    time = pairs["time"].values
    own = time - one.counts * DAY if one.of == "day" else time
    there = pairs["theirs"].notnull().values[::-1]
    after = np.logical_or.accumulate(there)[::-1][np.searchsorted(time, own)]
    due = _due(one, time) <= utc64(asof)
    return pairs["theirs"].copy(data=~after & due[:, None])


def _standing(
    one: StandIn, pairs: xr.Dataset, came: xr.DataArray, axis: Days, *, asof: datetime
) -> NDArray[np.float32]:
    """Map what stands in and lay it on the days it stands on, of several dates the newest."""
    ours, dates = _ours(one, pairs), came["time"].values
    values = ours.where(_lacking(one, pairs, asof=asof)).sel(time=dates)
    row = VARIABLES[one.name]
    mapped = matched(
        values=values,
        ours=ours,
        theirs=pairs["theirs"],
        half_window_days=HALF_SEASON,
        least=one.least,
    )
    mapped = mapped.clip(row.valid_min, row.valid_max)
    days = np.maximum(came.values, _due(one, dates)).astype("M8[D]").astype("M8[ns]")
    out = np.full((axis.size, mapped.sizes["zone"]), np.nan, np.float32)
    for day, told in zip(days, mapped.values, strict=True):
        out[axis == day] = np.where(np.isfinite(told), told, out[axis == day])
    return out


def filled(record: xr.Dataset, archive: Archive, *, asof: datetime) -> xr.Dataset:
    """Fill the gaps of an areal record by what stands in, to look at and not to fit.

    Parameters
    ----------
    record
        Product ``zones``.
    archive, asof
        Where ``stand_ins`` is read, as known when.

    Returns
    -------
    xarray.Dataset
        The record, its values untouched, and ``share_<product>``: 1 where the product stands in, 0
        where the record's own does, NaN where neither. Lazy where the record is.
    """
    try:
        found = archive.read(TABLE, asof=asof).drop_vars("available_time")
        found = found.reindex(time=record["time"].values)
    except NothingArchived:
        found = xr.full_like(record, np.nan)
    fields: dict[str, xr.DataArray] = {}
    for one in STAND_INS:
        own, other = record[one.name], found[one.name]
        told = own.where(own.notnull(), other).assign_attrs(own.attrs)
        share = (own.isnull() & other.notnull()).where(told.notnull()).astype(np.float32)
        words = f"Share of {VARIABLES[one.name].long_name.lower()} that {one.product} tells"
        fields |= {
            one.name: told,
            f"share_{one.product}": share.assign_attrs(units="1", long_name=words),
        }
    return record.assign(fields)


def shares(record: xr.Dataset) -> xr.Dataset:
    """Say what share of each day's evidence stands in, as long as a value counts.

    Parameters
    ----------
    record
        From :func:`filled`, every day of an interval.

    Returns
    -------
    xarray.Dataset
        ``share_<product>``, 1, dims of the record, NaN where nothing is known that counts.
    """
    names = {f"share_{one.product}": one.counts for one in STAND_INS}
    return xr.Dataset(
        {name: carried(values=record[name], days=days) for name, days in names.items()}
    )


def standing(record: xr.Dataset, *, asof: datetime) -> dict[str, str]:
    """Name what stands in for each zone at a moment.

    Parameters
    ----------
    record
        From :func:`filled`.
    asof
        The day before counts.

    Returns
    -------
    dict
        Ids of the products by zone, parted by spaces; empty where none stands in.
    """
    end = utc64(day_start(asof))
    days = np.arange(end - (VEGETATION_DAYS + 1) * DAY, end, DAY)
    last = shares(record.reindex(time=days)).isel(time=-1).compute()
    return {
        str(zone): " ".join(
            one.product for one in STAND_INS if last[f"share_{one.product}"].values[at] > 0
        )
        for at, zone in enumerate(last["zone"].values)
    }


def said(archive: Archive, stands: dict[str, str], *, asof: datetime) -> list[str]:
    """Say in plain words which late product is stood in for, and which cannot be.

    Parameters
    ----------
    archive, asof
        Where the pairs are read, as known when.
    stands
        From :func:`standing`.
    """
    lines = []
    for one in STAND_INS:
        pairs = _pairs(archive, one, asof=asof)
        count = sum(one.product in names.split() for names in stands.values())
        if count:
            lines.append(f"{one.main}: {one.product} stands in for it in {count} zones")
        elif pairs is not None:
            ours, dates = _ours(one, pairs), pairs["time"].values
            wants = (_lacking(one, pairs, asof=asof) & ours.notnull()).any("zone").values
            wants &= _due(one, dates) + (one.counts + 1) * DAY > utc64(asof)
            if wants.any():
                both = (ours.notnull() & pairs["theirs"].notnull()).values.astype(np.int64)
                most = (same_season(dates[wants], dates, HALF_SEASON) @ both).max()
                lines.append(
                    f"{one.main}: {one.product} has come and does not stand in for it: at most "
                    f"{most} dates of the season in common, {one.least} are needed"
                )
    return lines

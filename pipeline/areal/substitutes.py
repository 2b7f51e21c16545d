"""Substitute products for late ones, CDF-matched to the product they replace, and their days.

Zonal daily series, and all that is fitted on them, hold SMAP level 4 and VIIRS or MODIS.
Substitutes are stored apart from the series and fill their gaps only when a night reads them.
"""

from __future__ import annotations

from datetime import datetime, timedelta

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from pipeline.areal.substitute_pairs import (
    SUBSTITUTES,
    Dates,
    Substitute,
    due_time,
    make_new_pairs,
    merge_pairs,
    read_pairs,
)
from pipeline.areal.zonal_record import put_on_zones
from pipeline.choices import Region
from pipeline.geography.places import zones
from pipeline.geography.variables import VARIABLES, attributes
from pipeline.indices.common import carry_forward
from pipeline.indices.quantiles import cdf_match, mark_same_season
from pipeline.indices.soil import soil_water_index
from pipeline.indices.suite import VEGETATION_DAYS
from pipeline.indices.windows import DAY
from pipeline.remarks import Remark
from pipeline.storage.archive import Archive, NothingArchived
from pipeline.times import day_start, utc64

HALF_SEASON = 45
"""Days of the year on either side whose common dates are used for matching: over a whole year the
ranks would describe the season, not how dry it is for the season."""
PRODUCT = "stand_ins"
"""Product of the archive that holds the matched values."""


def make_substitutes(
    archive: Archive, *, asof: datetime, start: datetime, end: datetime, region: Region
) -> dict[str, xr.Dataset]:
    """Make the substitutes of whole days as known at a moment, and the pairs they rest on.

    Parameters
    ----------
    archive, asof
        Archive of the grids, and the moment as of which it is read.
    start, end
        Half-open interval on whole days.
    region
        Region of the zones.

    Returns
    -------
    dict
        Tables by product of the archive, dims (time, zone), all available ``asof``, computed.
        ``pairs_<name>``: ``ours`` and ``theirs`` by date, those that are new or may have changed.
        ``stand_ins``: the variables of the series in their units, on the day by which the main
        product was due and the substitute was available, NaN where the main product has that date
        or a later one, or soil moisture of the five days before.
        Empty where no substitute has been archived.
    """
    days, names = np.arange(utc64(start), utc64(end), DAY), list(zones(region))
    # Only pairs stored by earlier nights are read, so that a rerun of a night gives the same.
    before = day_start(asof) - timedelta(seconds=1)
    unknown = np.full((days.size, len(names)), np.nan, np.float32)
    matched = {substitute.name: unknown for substitute in SUBSTITUTES}
    tables, origins = {}, set()
    for substitute in SUBSTITUTES:
        stored = read_pairs(archive, substitute, asof=before)
        new = make_new_pairs(archive, substitute, stored, asof=asof, start=start, region=region)
        if new is None:
            continue
        tables[f"pairs_{substitute.name}"] = new.drop_vars("came")
        pairs = merge_pairs(stored, new)
        matched[substitute.name] = _match_on_days(substitute, pairs, new["came"], days, asof=asof)
        origins |= {
            archive.origin(product)
            for product in (substitute.main, substitute.product)
            if product in archive.products()
        }
    if tables:
        fields = {
            name: (("time", "zone"), values, attributes(name)) for name, values in matched.items()
        }
        tables[PRODUCT] = xr.Dataset(fields, {"time": days, "zone": names})
    return {
        product: table.assign_coords(
            available_time=("time", np.full(table.sizes["time"], utc64(asof)))
        ).assign_attrs(origin="virtual" if "virtual" in origins else "measured")
        for product, table in tables.items()
    }


def _at_main_depth(substitute: Substitute, pairs: xr.Dataset) -> xr.DataArray:
    """Return the substitute's values at the depth of the main product."""
    values = pairs["ours"]
    return soil_water_index(surface=values) if substitute.name == "soil_moisture" else values


def _find_gaps(substitute: Substitute, pairs: xr.Dataset, *, asof: datetime) -> xr.DataArray:
    """Mark the due dates where the main product has neither the date nor a later one, (time, zone).

    A day is also covered by the last value of the main product, while that is in use.
    """
    time = pairs["time"].values
    oldest = time - substitute.valid_days * DAY if substitute.statistic == "day" else time
    known = pairs["theirs"].notnull().values[::-1]
    covered = np.logical_or.accumulate(known)[::-1][np.searchsorted(time, oldest)]
    due = due_time(substitute, time) <= utc64(asof)
    return pairs["theirs"].copy(data=~covered & due[:, None])


def _match_on_days(
    substitute: Substitute, pairs: xr.Dataset, came: xr.DataArray, days: Dates, *, asof: datetime
) -> NDArray[np.float32]:
    """Match the substitute's values and put them on the days they are used from, newest last."""
    at_depth, dates = _at_main_depth(substitute, pairs), came["time"].values
    values = at_depth.where(_find_gaps(substitute, pairs, asof=asof)).sel(time=dates)
    row = VARIABLES[substitute.name]
    matched = cdf_match(
        values=values,
        source=at_depth,
        target=pairs["theirs"],
        half_window_days=HALF_SEASON,
        min_dates=substitute.min_dates,
    )
    matched = matched.clip(row.valid_min, row.valid_max)
    available = np.maximum(came.values, due_time(substitute, dates))
    out = np.full((days.size, matched.sizes["zone"]), np.nan, np.float32)
    for day, zone_values in zip(available.astype("M8[D]"), matched.values, strict=True):
        out[days == day] = np.where(np.isfinite(zone_values), zone_values, out[days == day])
    return out


def fill_gaps(series: xr.Dataset, archive: Archive, *, asof: datetime) -> xr.Dataset:
    """Fill the gaps of zonal daily series by substitutes, for prediction but not for fitting.

    Parameters
    ----------
    series
        Product ``zones``.
    archive, asof
        Archive of ``stand_ins``, and the moment as of which it is read.

    Returns
    -------
    xarray.Dataset
        The series, their values untouched, and ``share_<product>``: 1 where the value is the
        substitute's, 0 where it is the series' own, NaN where there is none. Lazy where the series
        are.
    """
    try:
        matched = archive.read(PRODUCT, asof=asof).drop_vars("available_time")
        matched = put_on_zones(matched, series["zone"].values.tolist())
        matched = matched.reindex(time=series["time"].values)
    except NothingArchived:
        matched = xr.full_like(series, np.nan)
    fields: dict[str, xr.DataArray] = {}
    for substitute in SUBSTITUTES:
        own, substituted = series[substitute.name], matched[substitute.name]
        filled = own.where(own.notnull(), substituted).assign_attrs(own.attrs)
        share = (own.isnull() & substituted.notnull()).where(filled.notnull()).astype(np.float32)
        share = share.drop_attrs()
        variable = VARIABLES[substitute.name].long_name.lower()
        long_name = f"Share of {variable} that {substitute.product} tells"
        fields |= {
            substitute.name: filled,
            f"share_{substitute.product}": share.assign_attrs(units="1", long_name=long_name),
        }
    return series.assign(fields)


def carry_shares(filled: xr.Dataset) -> xr.Dataset:
    """Carry the shares of the substitutes forward for as long as a value is used.

    Parameters
    ----------
    filled
        From :func:`fill_gaps`, every day of an interval.

    Returns
    -------
    xarray.Dataset
        ``share_<product>``, 1, dims of the series, NaN where no value is in use.
    """
    return xr.Dataset(
        {
            (name := f"share_{substitute.product}"): carry_forward(
                values=filled[name], days=substitute.valid_days
            )
            for substitute in SUBSTITUTES
        }
    )


def list_in_use(filled: xr.Dataset, *, asof: datetime) -> dict[str, str]:
    """List the substitutes that are in use in each zone at a moment.

    Parameters
    ----------
    filled
        From :func:`fill_gaps`.
    asof
        Moment; the day before it is listed.

    Returns
    -------
    dict
        Ids of the products by zone, separated by spaces; empty where none is in use.
    """
    end = utc64(day_start(asof))
    days = np.arange(end - (VEGETATION_DAYS + 1) * DAY, end, DAY)
    last = carry_shares(filled.reindex(time=days)).isel(time=-1).compute()
    return {
        str(zone): " ".join(
            substitute.product
            for substitute in SUBSTITUTES
            if last[f"share_{substitute.product}"].values[at] > 0
        )
        for at, zone in enumerate(last["zone"].values)
    }


def describe_use(archive: Archive, in_use: dict[str, str], *, asof: datetime) -> list[Remark]:
    """Describe which late product has a substitute in use, and which substitute cannot be used.

    Parameters
    ----------
    archive, asof
        Archive of the pairs, and the moment as of which it is read.
    in_use
        From :func:`list_in_use`.
    """
    remarks = []
    for substitute in SUBSTITUTES:
        main, product = substitute.main, substitute.product
        pairs = read_pairs(archive, substitute, asof=asof)
        count = sum(product in products.split() for products in in_use.values())
        if count:
            text = f"{main}: {product} stands in for it in {count} zones"
            remarks.append(Remark(code="substitute_in_use", text=text, source=main))
        elif pairs is not None:
            at_depth, dates = _at_main_depth(substitute, pairs), pairs["time"].values
            gaps = _find_gaps(substitute, pairs, asof=asof)
            unmatched = (gaps & at_depth.notnull()).any("zone").values
            last_day = due_time(substitute, dates) + (substitute.valid_days + 1) * DAY
            unmatched &= last_day > utc64(asof)
            if unmatched.any():
                paired = (at_depth.notnull() & pairs["theirs"].notnull()).values.astype(np.int64)
                most = (mark_same_season(dates[unmatched], dates, HALF_SEASON) @ paired).max()
                text = (
                    f"{main}: {product} has come and does not stand in for it: at most "
                    f"{most} dates of the season in common, {substitute.min_dates} are needed"
                )
                remarks.append(Remark(code="substitute_unusable", text=text, source=main))
    return remarks

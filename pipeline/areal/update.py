"""Nightly update of the archive from its grids: which days are made again, and which products."""

from __future__ import annotations

from datetime import datetime, timedelta

import xarray as xr

from pipeline.areal import daily_series, rain, substitutes
from pipeline.choices import Region
from pipeline.storage.archive import Archive, NothingArchived
from pipeline.times import day_start, utc64

RECENT = timedelta(days=10)
"""Newest days that are made again each night, for late and revised files."""
SPIN_UP = timedelta(days=120)
"""Days that are made where none are stored yet."""
MESSAGES = {
    "zones": "areal record",
    "rain_shares": "shares of the rain",
    "doubts": "doubts of the areal record",
    "rain_pairs": "rain of products beside Late",
}
"""Names of products in the archive's history, where they differ."""


def find_days(archive: Archive, *, asof: datetime) -> tuple[datetime, datetime]:
    """Return the half-open interval of days to make: ``RECENT``, and missing days before."""
    end = day_start(asof)
    start = end - RECENT
    try:
        known = archive.read("zones", asof=asof, end=start)["time"].values
    except NothingArchived:
        return end - SPIN_UP, end
    return start - timedelta(days=int((utc64(start) - known[-1]) / rain.DAY) - 1), end


def make_products(
    archive: Archive,
    *,
    asof: datetime,
    start: datetime,
    end: datetime,
    region: Region,
    suspects: rain.SuspectSteps,
) -> dict[str, xr.Dataset]:
    """Make zonal daily series, shares, doubts, pairs of rain products, and substitutes.

    Parameters
    ----------
    archive
        Archive of the grids.
    asof
        Only data available by then are used.
    start, end
        Half-open interval on whole days.
    region
        Region of the zones.
    suspects
        Steps of suspect files.

    Returns
    -------
    dict
        Datasets by product.
    """
    record, shares, doubts = daily_series.make_daily_series(
        archive, asof=asof, start=start, end=end, region=region, suspects=suspects
    )
    products = {"zones": record, "rain_shares": shares}
    if "doubts" in archive.products() or bool(doubts.to_array().any()):
        products["doubts"] = doubts
    tables = substitutes.make_substitutes(archive, asof=asof, start=start, end=end, region=region)
    pairs = rain.make_rain_pairs(archive, asof=asof, region=region)
    if pairs is not None:
        products["rain_pairs"] = pairs
    return products | tables


def append_products(archive: Archive, products: dict[str, xr.Dataset], *, asof: datetime) -> int:
    """Append products to the archive, and return how many days of the series are new or changed."""
    changed = {
        product: archive.append(
            product, ds, message=f"{MESSAGES.get(product, product)} as of {asof:%Y-%m-%dT%H:%MZ}"
        )
        for product, ds in products.items()
    }
    return changed["zones"]

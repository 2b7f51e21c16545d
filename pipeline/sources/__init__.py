"""The table of sources; modules are named by strings, so that it imports nothing heavy."""

from __future__ import annotations

from datetime import timedelta

from pipeline.sources.base import Source

_EARTHDATA = "EARTHDATA_TOKEN or EARTHDATA_PASSWORD"
SOURCES = {
    row.id: row
    for row in (
        Source(
            "imerg_late", "grid", timedelta(minutes=30), timedelta(hours=14),
            "pipeline.sources.imerg", timedelta(days=4), "nasa",
            core=True, window=True,
        ),
        Source(
            "imerg_early", "grid", timedelta(minutes=30), timedelta(hours=4),
            "pipeline.sources.imerg", timedelta(hours=24), "nasa",
            core=True, window=True,
        ),
        Source(
            "imerg_daily", "grid", timedelta(days=1), timedelta(hours=14),
            "pipeline.sources.imerg", timedelta(days=366), "nasa",
            core=True, needs=(_EARTHDATA,), window=True,
        ),
        Source(
            "imerg_final", "grid", timedelta(minutes=30), timedelta(days=107),
            "pipeline.sources.imerg", timedelta(), "nasa",
            needs=(_EARTHDATA,), window=True,
        ),
        Source(
            "imerg_daily_final", "grid", timedelta(days=1), timedelta(days=107),
            "pipeline.sources.imerg", timedelta(), "nasa",
            needs=(_EARTHDATA,), window=True,
        ),
        Source(
            "gk2a", "grid", timedelta(minutes=10), timedelta(minutes=12),
            "pipeline.sources.gk2a", timedelta(days=5), "kma",
            core=True, needs=("KMA_API_KEY",),
        ),
        Source(
            "gk2a_ir", "grid", timedelta(minutes=30), timedelta(minutes=15),
            "pipeline.sources.gk2a_ir", timedelta(hours=5), "noaa",
        ),
        Source(
            "smap", "grid", timedelta(hours=24), timedelta(days=2, hours=12),
            "pipeline.sources.smap", timedelta(days=10), "nasa",
            core=True, needs=(_EARTHDATA,), window=True,
        ),
        Source(
            "ndvi", "grid", timedelta(days=30), timedelta(days=8),
            "pipeline.sources.vegetation", timedelta(days=400), "nasa",
            core=True, needs=(_EARTHDATA,),
        ),
        Source(
            "lst", "grid", timedelta(days=30), timedelta(days=5),
            "pipeline.sources.vegetation", timedelta(days=400), "nasa",
            core=True, needs=(_EARTHDATA,),
        ),
        Source(
            "gldas_monthly", "grid", timedelta(days=30), timedelta(days=45),
            "pipeline.sources.gldas", timedelta(days=366 * 27), "nasa",
            core=True, needs=(_EARTHDATA,), window=True,
        ),
        Source(
            "zones", "zones", timedelta(days=366), timedelta(days=1),
            "pipeline.sources.zones", timedelta(days=366 * 30), "files",
            core=True,
        ),
        Source(
            "chirps", "grid", timedelta(days=1), timedelta(days=50),
            "pipeline.sources.chirps", timedelta(days=90), "chc",
        ),
        Source(
            "outlook", "grid", timedelta(days=1), timedelta(hours=8, minutes=30),
            "pipeline.sources.outlook", timedelta(days=2), "chc", ahead=timedelta(days=16),
        ),
        Source(
            "geoglows", "cities", timedelta(days=1), timedelta(hours=12),
            "pipeline.sources.geoglows", timedelta(days=2), "geoglows",
            ahead=timedelta(days=16),
        ),
        Source(
            "gauges", "readings", timedelta(hours=12), timedelta(minutes=20),
            "pipeline.sources.gauges.gauge_files", timedelta(days=366), "files",
            core=True,
        ),
        Source(
            "mrc_live", "readings", timedelta(minutes=15), timedelta(minutes=20),
            "pipeline.sources.gauges.gauge_files", timedelta(days=31), "mrc",
            needs=("MRC_API_KEY",),
        ),
        Source(
            "mrc_archive", "readings", timedelta(hours=12), timedelta(minutes=20),
            "pipeline.sources.gauges.gauge_files", timedelta(days=31), "mrc",
        ),
        Source(
            "thaiwater", "readings", timedelta(hours=1), timedelta(minutes=40),
            "pipeline.sources.gauges.gauge_files", timedelta(days=31), "thaiwater",
        ),
        Source(
            "gk2a_lst", "grid", timedelta(days=1), timedelta(minutes=12),
            "pipeline.sources.gk2a", timedelta(days=10), "kma",
            needs=("KMA_API_KEY",),
        ),
        Source(
            "gk2a_ndvi", "grid", timedelta(days=1), timedelta(hours=6),
            "pipeline.sources.gk2a", timedelta(days=10), "kma",
            needs=("KMA_API_KEY",),
        ),
        Source(
            "smap_l3", "grid", timedelta(days=1), timedelta(hours=50),
            "pipeline.sources.smap", timedelta(days=10), "nasa",
            needs=(_EARTHDATA,),
        ),
        Source(
            "gldas", "grid", timedelta(hours=3), timedelta(days=45),
            "pipeline.sources.gldas", timedelta(days=50), "nasa",
            needs=(_EARTHDATA,), window=True,
        ),
        Source(
            "floodmap", "grid", timedelta(days=1), timedelta(hours=12),
            "pipeline.sources.floodmap", timedelta(days=6), "nasa",
            needs=("EARTHDATA_TOKEN",), revised=timedelta(days=2), window=True,
        ),
        Source(
            "lis", "grid", timedelta(hours=3), timedelta(hours=12),
            "pipeline.sources.lis", timedelta(days=10), "files",
        ),
    )
}  # fmt: skip
"""Every source by its id."""
NIGHTLY = tuple(row.id for row in SOURCES.values() if row.core and row.kind != "zones")
"""Sources that every night counts on."""
OPTIONAL = tuple(row.id for row in SOURCES.values() if not row.core and row.lookback)
"""Sources that add to a night; the Final runs of IMERG are only for comparison."""


ENDPOINTS = {
    "cmr": "https://cmr.earthdata.nasa.gov",
    "earthdata": "https://urs.earthdata.nasa.gov",
    "opendap": "https://opendap.earthdata.nasa.gov",
    "pps": "https://jsimpsonhttps.pps.eosdis.nasa.gov",
    "imerg_store": "https://dynamical-nasa-imerg.s3.us-west-2.amazonaws.com",
    "lance": "https://nrt3.modaps.eosdis.nasa.gov",
    "kma": "https://apihub.kma.go.kr",
    "gk2a_bucket": "https://noaa-gk2a-pds.s3.us-east-1.amazonaws.com",
    "chirps": "https://data.chc.ucsb.edu",
    "geoglows": "https://geoglows-v2-forecasts.s3.us-west-2.amazonaws.com",
    "mrc": "https://api.mrcmekong.org",
    "mrc_archive": "https://timeseries.api.mrcmekong.org",
    "thaiwater": "https://api-v3.thaiwater.net",
}
"""Base address of each provider, without a slash at the end."""


def select_sources(upstream: str) -> tuple[str, ...]:
    """List the sources that a night asks for; only the providers have more than it counts on.

    Parameters
    ----------
    upstream
        The setting of that name.

    Examples
    --------
    >>> select_sources("virtual") == NIGHTLY
    True
    """
    return NIGHTLY + OPTIONAL if upstream == "internet" else NIGHTLY

"""The table of sources; modules are named by strings, so that it imports nothing heavy."""

from __future__ import annotations

from datetime import timedelta

from pipeline.sources.base import Source

SOURCES = {
    row.id: row
    for row in (
        Source(
            "imerg_late", "grid", timedelta(minutes=30), timedelta(hours=14),
            "pipeline.sources.imerg", timedelta(days=4),
        ),
        Source(
            "imerg_early", "grid", timedelta(minutes=30), timedelta(hours=4),
            "pipeline.sources.imerg", timedelta(hours=24),
        ),
        Source(
            "imerg_daily", "grid", timedelta(days=1), timedelta(hours=14),
            "pipeline.sources.imerg", timedelta(days=366),
        ),
        Source(
            "gk2a", "grid", timedelta(minutes=10), timedelta(minutes=12),
            "pipeline.sources.gk2a", timedelta(hours=5),
        ),
        Source(
            "smap", "grid", timedelta(hours=24), timedelta(days=2, hours=12),
            "pipeline.sources.smap", timedelta(days=10),
        ),
        Source(
            "ndvi", "grid", timedelta(days=30), timedelta(days=8),
            "pipeline.sources.vegetation", timedelta(days=400),
        ),
        Source(
            "lst", "grid", timedelta(days=30), timedelta(days=5),
            "pipeline.sources.vegetation", timedelta(days=400),
        ),
        Source(
            "zones", "zones", timedelta(days=366), timedelta(days=1),
            "pipeline.sources.zones", timedelta(days=366 * 30),
        ),
        Source(
            "gauges", "readings", timedelta(hours=12), timedelta(minutes=20),
            "pipeline.sources.gauges", timedelta(days=366),
        ),
    )
}  # fmt: skip
"""Every source by its id."""
NIGHTLY = tuple(row.id for row in SOURCES.values() if row.kind != "zones")
"""Sources that every night asks for."""

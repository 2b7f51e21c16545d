"""Half-hours of rain in an upstream folder, and what the stores then hold of them."""

from __future__ import annotations

import os
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np

from pipeline import steps
from pipeline.geography.grid import Grid
from pipeline.ingest.run import Ingested
from pipeline.settings import Settings
from pipeline.storage.archive import Archive, NothingArchived
from pipeline.storage.records import Records
from pipeline.times import utc64
from pipeline.virtual.products import write_imerg_half_hour

ASOF = datetime(2026, 8, 20, 0, 30, tzinfo=UTC)
DAY = datetime(2026, 8, 19, tzinfo=UTC)
HALF_HOUR = timedelta(minutes=30)
LATENCY = timedelta(hours=14)
BOX = Grid(15.0, 15.3, 105.0, 105.4)
HTML = b"<!DOCTYPE html>\n<html><head><title>Earthdata Login</title></head></html>\n"


def half_hour(settings: Settings, slot: int, *, rain: float | None = None) -> Path:
    """Lay out a half-hour of the day with rain of its number, mm/h, published after its latency."""
    time = DAY + slot * HALF_HOUR
    return write_imerg_half_hour(
        settings.upstream_dir, run="late", time=time, grid=BOX,
        rain_rate=np.full(BOX.shape, float(slot) if rain is None else rain),
        published=time + HALF_HOUR + LATENCY,
    )  # fmt: skip


def night(settings: Settings, *, slots: int = 4, asof: datetime = ASOF) -> Ingested:
    """Ingest the first half-hours of the day."""
    return steps.ingest(
        "imerg_late", asof=asof, settings=settings, start=DAY, end=DAY + slots * HALF_HOUR
    )


def rates(settings: Settings, *, asof: datetime = ASOF) -> dict[int, float]:
    """Rain rate of each half-hour of the day that is archived, by its number."""
    try:
        ds = Archive(settings.archive_dir).read("imerg_late", asof=asof)
    except NothingArchived:
        return {}
    slots = (ds["time"].values - utc64(DAY)) // np.timedelta64(HALF_HOUR)
    values = ds["rain_rate"].sel(lat=15.15, lon=105.15).values
    return dict(zip(slots.tolist(), values.tolist(), strict=True))


def notes(settings: Settings, *, asof: datetime = ASOF) -> dict[str, str | None]:
    """What the tables say of each file."""
    rows = Records(settings.database).inputs(asof=asof, start=DAY - timedelta(days=9999))
    return {row["name"]: row["rejected"] for row in rows}


def republish(path: Path, content: bytes, *, after: timedelta = timedelta()) -> None:
    """Replace a file; its time of publication moves by ``after``."""
    published = path.stat().st_mtime + after.total_seconds()
    path.write_bytes(content)
    os.utime(path, (published, published))

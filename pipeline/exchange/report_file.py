"""The file of reports from the ground beside the published trees, replaced when some come."""

from __future__ import annotations

import json
from datetime import datetime, timedelta
from pathlib import Path

from pipeline.exchange.publication import LATEST, REPORTS, replace_reports
from pipeline.geography import places
from pipeline.ground_reports.reports import GroundReports
from pipeline.ground_reports.summary import summarise, write_reports
from pipeline.settings import Settings
from pipeline.storage.database import Database
from pipeline.times import format_utc

LOOK_BACK = timedelta(days=2)
"""Time before a moment in which the morning of every city lies."""


def publish_reports(settings: Settings, *, asof: datetime) -> None:
    """Publish what people reported since the morning of each city, where a tree is published.

    Parameters
    ----------
    settings
        Tables, region and published folder.
    asof
        Moment of the summary; its morning is that of the city's clock.
    """
    status = _read_member(settings.published_dir / LATEST, "status")
    stored = _read_member(settings.published_dir / REPORTS, "asof")
    if status is None or (stored and stored > format_utc(asof)):
        return  # an older night that is made again says nothing of this morning
    reports = GroundReports(Database(settings.database)).read(asof=asof, start=asof - LOOK_BACK)
    cities = places.cities(settings.region, asof=asof)
    summaries = summarise(reports, asof=asof, cities=cities)
    replace_reports(settings.published_dir, write_reports(summaries, asof=asof, status=status))


def _read_member(path: Path, name: str) -> str | None:
    """Read a text member of a JSON file; None where there is none, or the file is damaged."""
    try:
        value = json.loads(path.read_bytes())[name]
    except (OSError, ValueError, LookupError, TypeError):
        return None
    return value if isinstance(value, str) else None

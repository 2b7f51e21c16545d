"""What every file of a tree says of the issue it belongs to."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

from pipeline.alerts.facts import LIFETIME
from pipeline.times import format_utc

SCHEMA_VERSION = 1
"""Version of ``now.json``, ``cities/<id>.json`` and ``zones.geojson``."""
NEXT_EXPECTED = timedelta(hours=30)
"""Time from an issue time by which the next tree is published; else somebody looks why not."""


@dataclass(frozen=True, kw_only=True)
class Issue:
    """One issue, as its files name it.

    Parameters
    ----------
    issue_time
        Moment of the run, aware.
    status
        Highest CAP status that a message of the run may carry.
    origin
        ``virtual`` or ``measured``.

    Raises
    ------
    ValueError
        Virtual data with another status than Exercise.
    """

    issue_time: datetime
    status: str
    origin: str

    def __post_init__(self) -> None:
        if self.origin == "virtual" and self.status != "Exercise":
            raise ValueError(f"expected status Exercise for virtual data, found {self.status}")

    def members(self) -> dict[str, str | int]:
        """Members at the top of a JSON file."""
        return {
            "schema_version": SCHEMA_VERSION,
            "issue_time": format_utc(self.issue_time),
            "next_expected_at": format_utc(self.issue_time + NEXT_EXPECTED),
            "expires_at": format_utc(self.issue_time + LIFETIME),
            "status": self.status,
            "origin": self.origin,
        }

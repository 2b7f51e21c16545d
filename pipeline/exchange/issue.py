"""What every file of a tree says of the issue it belongs to."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

from pipeline.times import format_utc

SCHEMA_VERSION = 1
"""Version of ``now.json``, ``cities/<id>.json`` and ``zones.geojson``."""
STEP = timedelta(days=1)
"""From one issue to the next."""
SILENT_AFTER = timedelta(hours=30)
"""Age of the newest issue from which on the system is silent: the next one is six hours late."""


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

    @property
    def expires_at(self) -> datetime:
        """Moment from which on the system is silent where there is no newer issue."""
        return self.issue_time + SILENT_AFTER

    def members(self) -> dict[str, str | int]:
        """Members at the top of a JSON file."""
        return {
            "schema_version": SCHEMA_VERSION,
            "issue_time": format_utc(self.issue_time),
            "next_issue_time": format_utc(self.issue_time + STEP),
            "expires_at": format_utc(self.expires_at),
            "status": self.status,
            "origin": self.origin,
        }

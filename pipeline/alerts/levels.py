"""Alert levels and their order."""

from __future__ import annotations

from enum import StrEnum


class Level(StrEnum):
    """Alert level of one city and hazard; UNKNOWN has no place in the order of the others."""

    UNKNOWN = "unknown"
    NONE = "none"
    WATCH = "watch"
    WARNING = "warning"
    EMERGENCY = "emergency"


ORDER = (Level.NONE, Level.WATCH, Level.WARNING, Level.EMERGENCY)
"""Assessed levels, lowest first."""
RAISED = ORDER[1:]
"""Levels at which a warning is in force, lowest first."""


def higher(first: Level, second: Level) -> Level:
    """Return the higher of two assessed levels.

    Examples
    --------
    >>> higher(Level.WATCH, Level.NONE).value
    'watch'
    """
    return ORDER[max(ORDER.index(first), ORDER.index(second))]

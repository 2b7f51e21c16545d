"""Readings of other instruments and of neighbouring gauges that support a gauge's reading."""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache

import numpy as np

from pipeline.geography.places import stations
from pipeline.quality.level_shifts import Floats

WITHIN_H = 3.0
"""Greatest distance of another instrument's reading from a moment, hours."""
SAME_M, SAME_SHARE = 0.3, 0.25
"""Greatest difference of two instruments that agree, m, or as a share of the step."""
TRAVEL_H = 72.0
"""Longest travel time of a wave from or to a neighbour, hours; those of the table are 1-2 days."""
SUPPORT_SHARE = 0.5
"""Least change of a neighbour that supports a step, as a share of the step in as much time."""
Series = tuple[Floats, Floats]
"""Times, hours, and values."""


@lru_cache
def list_neighbours(code: str) -> tuple[str, ...]:
    """List the next gauges upstream, downstream and across the river.

    Examples
    --------
    >>> list_neighbours("013901")
    ('013801', '013402', '014501', '014901')
    """
    table = stations()
    if code not in table:
        return ()
    near = table[code].upstream[:2]
    below = [gauge.code for gauge in table.values() if code in gauge.upstream[:2]]
    across = [
        gauge.code
        for gauge in table.values()
        if near and gauge.upstream[:1] == near[:1] and gauge.code != code
    ]
    return tuple(dict.fromkeys([*near, *below, *across]))


class AuxiliaryReadings:
    """Stages of all gauges known at one moment, as evidence for each other.

    Parameters
    ----------
    series
        Times (hours, increasing) and stages (m) by station and method.
    """

    def __init__(self, series: Mapping[tuple[str, str], Series]) -> None:
        self._series = series

    def support(
        self, station: str, method: str, *, before: tuple[float, float], after: tuple[float, float]
    ) -> bool | None:
        """Return whether others support a step (True) or the level before it (False), or None.

        Parameters
        ----------
        station, method
            Series in question.
        before, after
            Time (hours) and stage (m) of the readings before and after the step.
        """
        instruments = [
            _supported_by_instrument(series, before, after)
            for (code, other_method), series in self._series.items()
            if code == station and other_method != method
        ]
        for verdict in (True, False):
            if verdict in instruments:
                return verdict
        for neighbour in list_neighbours(station):
            for (code, _), series in self._series.items():
                if code == neighbour and _largest_change(series, before, after) >= SUPPORT_SHARE:
                    return True
        return None

    def expected_change(self, station: str, *, since_h: float, until_h: float) -> float:
        """Return the mean change at the neighbours, m; 0 where none has readings."""
        changes = []
        for neighbour in list_neighbours(station):
            for (code, _), (hours, value) in self._series.items():
                first, last = (_nearest(hours, at) for at in (since_h, until_h))
                if code == neighbour and first is not None and last is not None:
                    changes.append(float(value[last] - value[first]))
        return float(np.mean(changes)) if changes else 0.0


def _supported_by_instrument(
    series: Series, before: tuple[float, float], after: tuple[float, float]
) -> bool | None:
    """Return whether another instrument at the gauge supports a step; None where it has none."""
    hours, value = series
    near = _nearest(hours, after[0])
    if near is None or abs(hours[near] - before[0]) < abs(hours[near] - after[0]):
        return None
    close = max(SAME_M, SAME_SHARE * abs(after[1] - before[1]))
    if abs(value[near] - after[1]) <= close:
        return True
    return False if abs(value[near] - before[1]) <= close else None


def _largest_change(
    series: Series, before: tuple[float, float], after: tuple[float, float]
) -> float:
    """Return the largest change of a neighbour in as much time, as a share of the step."""
    hours, value = series
    part = slice(
        int(np.searchsorted(hours, after[0] - TRAVEL_H)),
        int(np.searchsorted(hours, after[0] + TRAVEL_H)),
    )
    hours, value = hours[part], value[part]
    if len(hours) < 2:
        return 0.0
    span = 1.5 * max(after[0] - before[0], WITHIN_H)
    first = np.searchsorted(hours, hours - span)
    return float(np.max((value - value[first]) / (after[1] - before[1])))


def _nearest(hours: Floats, at: float) -> int | None:
    """Find the row of the reading nearest to a moment, None where none is within ``WITHIN_H``."""
    if not len(hours):
        return None
    after = int(np.searchsorted(hours, at))
    near = min(
        (row for row in (after - 1, after) if 0 <= row < len(hours)),
        key=lambda row: abs(hours[row] - at),
    )
    return near if abs(hours[near] - at) <= WITHIN_H else None

"""Level shifts in a gauge's readings: moved or frozen sensors, told apart from real changes."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.floating[Any]]
Bools = NDArray[np.bool_]
HOLD_H = 720.0
"""Longest time after which a shift that is undone is faulty, hours; later the gauge has moved."""
SETTLE_H = 6.0
"""Time after which a new level is believed, hours."""

TURN_READINGS, TURN_M, TURN_SHARE = 4, 0.05, 0.03
"""A level turns after a shift if its movement over at least so many readings differs, by so many
metres and by this share of the shift, from that over as many before; stilling wells are quiet to
1 cm."""


@dataclass(frozen=True)
class TrackedShifts:
    """Readings that follow the level shifts of a series.

    Parameters
    ----------
    faulty
        Readings that follow a shift and are not believed, shape (n,).
    doubted_h
        Time from which a reading that was doubted at first is believed, hours; NaN for the
        others, shape (n,).
    """

    faulty: Bools
    doubted_h: Floats


Evidence = Callable[[int], bool | None]
"""Whether other readings support the level from this reading on (True) or the level before it
(False); None where there are none."""


def no_evidence(_start: int) -> None:
    """Return None: there are no other readings that support either level."""


def track_shifts(
    hours: Floats,
    value: Floats,
    starts: NDArray[np.int64],
    evidence: Evidence,
    *,
    usual_returns: int | None = None,
) -> TrackedShifts:
    """Track each level shift to its end, and return which readings after it are faulty.

    A shift is **undone** where half to one and a half of it is taken back in one step, or in four
    within three hours: the readings in between are faulty. It is **real** if the level goes on the
    same way (a sensor jumps once), if it turns as a falling wave does, if other readings support
    it, or if it has lasted ``SETTLE_H``; until then, and for ``HOLD_H`` where other readings
    contradict it, the readings are faulty.

    Parameters
    ----------
    hours, value
        Times, hours, and readings of the series, shape (n,).
    starts
        First reading after each shift.
    evidence
        Level that other readings support.
    usual_returns
        Number of undone shifts from which they are the river's own.
    """
    faulty = np.zeros(len(value), dtype=np.bool_)
    doubted_h = np.full(len(value), np.nan)
    undone: list[slice] = []
    next_start = 0
    for start in starts.tolist():
        if start < next_start:
            continue
        supported = evidence(start)
        if supported or _goes_on(value, start):
            doubted_h[start] = hours[min(start + 1, len(hours) - 1)]
            continue
        hold = int(np.searchsorted(hours, hours[start] + HOLD_H))
        end = _find_return(hours, value, start, hold)
        settled = int(np.searchsorted(hours, hours[start] + SETTLE_H))
        if end is not None:
            undone.append(slice(start, end))
            next_start = end + 1
        elif supported is False:
            faulty[start:hold] = True
            next_start = hold + 1
        elif settled < len(hours):
            doubted_h[start:settled] = hours[settled]
        elif _turns(value, start):
            doubted_h[start:] = hours[-1]
        else:
            faulty[start:] = True
            break
    if usual_returns is None or len(undone) < usual_returns:
        for rows in undone:
            faulty[rows] = True
    return TrackedShifts(faulty, doubted_h)


def _goes_on(value: Floats, start: int) -> bool:
    """Whether the level goes on the way of a shift within two readings, or went it before."""
    size = value[start] - value[start - 1]
    around = np.diff(value[max(start - 2, 0) : start + 3]) / size
    return bool(np.count_nonzero(around >= 0.2) > 1)


def _turns(value: Floats, start: int) -> bool:
    """Whether the level moves otherwise since a shift than it moved before it.

    A moved sensor shows the river's own slow change as before; the crest of a wave falls.
    """
    count = len(value) - 1 - start
    if count < TURN_READINGS or start - 1 - count < 0:
        return False
    since = value[-1] - value[start]
    before = value[start - 1] - value[start - 1 - count]
    size = abs(value[start] - value[start - 1])
    return bool(abs(since - before) >= max(TURN_M, TURN_SHARE * size))


def _find_return(hours: Floats, value: Floats, start: int, end: int) -> int | None:
    """First reading at which a shift is undone, None where it is not before ``end``."""
    size = value[start] - value[start - 1]
    first: int | None = None
    for lag in (1, 2, 3, 4):
        at = np.arange(start + lag, end if first is None else first)
        back = (value[at] - value[at - lag]) / size
        quick = (hours[at] - hours[at - lag] <= 3.0) | (lag == 1)
        undone = at[(back < -0.5) & (back >= -1.5) & quick]
        if len(undone):
            first = int(undone[0])
    return first


@dataclass(frozen=True)
class FrozenSensor:
    """Flag a value that repeats for hours and then jumps: a frozen sensor that moves again.

    The first reading of the run is not flagged. A run is found once the new level has lasted.

    Parameters
    ----------
    longest_h
        Longest run of telemetry that is the river's own, hours.
    times
        Least ratio of a run to the fourth longest: where the river often rests for days, a rest
        is no fault.
    step_m
        Smallest step at the end of the run, m.
    spacing_h, gap_h
        Largest spacing of the readings, and largest gap at the end of the run, hours.

    Examples
    --------
    >>> level = np.concatenate([np.arange(8) * 0.1, np.full(40, 0.8), 2.0 + np.arange(30) * 0.1])
    >>> np.flatnonzero(FrozenSensor().check(np.arange(78) / 4, level))[[0, -1]].tolist()
    [9, 47]
    """

    longest_h: float = 6.0
    times: float = 2.0
    step_m: float = 0.3
    spacing_h: float = 1.0
    gap_h: float = 24.0

    def check(self, hours: Floats, value: Floats) -> Bools:
        """Return which repeat the value before until the sensor moves again."""
        faulty = np.zeros(len(value), dtype=np.bool_)
        if len(value) < 3 or np.median(np.diff(hours)) > self.spacing_h:
            return faulty
        begin = np.flatnonzero(np.concatenate([[True], np.diff(value) != 0.0]))
        after = np.append(begin[1:], len(value))
        duration_h = hours[after - 1] - hours[begin]
        # A record has up to three faults; a river that rests so long does so more often.
        usual_h = np.sort(duration_h)[-4] if len(duration_h) > 3 else 0.0
        for run in np.flatnonzero(duration_h >= self.longest_h).tolist():
            end = int(after[run])
            if end >= len(value) or duration_h[run] < self.times * usual_h:
                continue
            size = value[end] - value[end - 1]
            settled = int(np.searchsorted(hours, hours[end] + SETTLE_H))
            stays = (value[end : settled + 1] - value[end - 1]) / size >= 0.5
            faulty[begin[run] + 1 : end] = (
                abs(size) >= self.step_m
                and hours[end] - hours[end - 1] <= self.gap_h
                and settled < len(value)
                and bool(stays.all())
            )
        return faulty

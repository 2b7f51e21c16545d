"""Level shifts in a gauge's readings: undone, or water, or a frozen sensor that let go."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.floating[Any]]
Bools = NDArray[np.bool_]
HOLD_H = 720.0
"""A shift that is undone within so long is faulty, hours; later the gauge has moved."""
SETTLE_H = 6.0
"""A new level that has lasted so long is believed, hours."""

TURN_READINGS, TURN_M, TURN_SHARE = 4, 0.05, 0.03
"""A level turns after a shift if in so many readings or more it has moved by so much, and by so
great a share of the shift, otherwise than in as many before; stilling wells are quiet to 1 cm."""


@dataclass(frozen=True)
class TrackedShifts:
    """What the level shifts of a series turned out to be.

    Parameters
    ----------
    faulty
        Readings that follow a shift and are not believed, shape (n,).
    doubted_h
        Time at which a reading that was doubted at first was believed, hours; NaN for the others,
        shape (n,).
    """

    faulty: Bools
    doubted_h: Floats


Evidence = Callable[[int], bool | None]
"""Whether other readings support the level from this reading on (True) or the level before it
(False); None where there are none."""


def no_evidence(_start: int) -> None:
    """Support neither level: there are no other readings."""


def track_shifts(
    hours: Floats,
    value: Floats,
    starts: NDArray[np.int64],
    evidence: Evidence,
    *,
    usual_returns: int | None = None,
) -> TrackedShifts:
    """Track each level shift to where it ends, and tell which readings after it are faulty.

    A shift is **undone** where half to one and a half of it is taken back in one step, or in four
    within three hours: the readings in between are faulty. It is **water** if the level goes on the
    same way (a sensor jumps once) or turns otherwise than it moved before, as a wave does that
    falls, if other readings support it, or if it has lasted ``SETTLE_H``; until then, and for
    ``HOLD_H`` where other readings contradict it, the readings are faulty.

    Parameters
    ----------
    hours, value
        Times, hours, and readings of the series, shape (n,).
    starts
        First reading after each shift.
    evidence
        What other readings support.
    usual_returns
        From so many undone shifts on they are the river's.
    """
    faulty = np.zeros(len(value), dtype=np.bool_)
    doubted_h = np.full(len(value), np.nan)
    undone: list[slice] = []
    done = 0
    for start in starts.tolist():
        if start < done:
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
            done = end + 1
        elif supported is False:
            faulty[start:hold] = True
            done = hold + 1
        elif settled < len(hours):
            doubted_h[start:settled] = hours[settled]
        elif _turns(value, start):
            doubted_h[start:] = hours[-1]
        else:
            faulty[start:] = True
            break
    if usual_returns is None or len(undone) < usual_returns:
        for away in undone:
            faulty[away] = True
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
    """The same value for hours and then another level: a sensor that let go.

    The first reading of the run stands. Known once the new level has lasted.

    Parameters
    ----------
    longest_h
        Runs of telemetry shorter than this are the river's.
    times
        A run is at least so many times the fourth longest: where the river rests for days, a rest
        is no fault.
    step_m
        Smallest step at the end of the run, m.
    spacing_h, gap_h
        Only where readings are no further apart than ``spacing_h``, and across gaps up to
        ``gap_h``.

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
        """Tell which repeat the value before until the sensor let go."""
        faulty = np.zeros(len(value), dtype=np.bool_)
        if len(value) < 3 or np.median(np.diff(hours)) > self.spacing_h:
            return faulty
        begin = np.flatnonzero(np.concatenate([[True], np.diff(value) != 0.0]))
        after = np.append(begin[1:], len(value))
        lasted = hours[after - 1] - hours[begin]
        # Up to three faults: a river that rests so long does so more often.
        usual_h = np.sort(lasted)[-4] if len(lasted) > 3 else 0.0
        for run in np.flatnonzero(lasted >= self.longest_h).tolist():
            end = int(after[run])
            if end >= len(value) or lasted[run] < self.times * usual_h:
                continue
            size = value[end] - value[end - 1]
            settled = int(np.searchsorted(hours, hours[end] + SETTLE_H))
            kept = (value[end : settled + 1] - value[end - 1]) / size >= 0.5
            faulty[begin[run] + 1 : end] = (
                abs(size) >= self.step_m
                and hours[end] - hours[end - 1] <= self.gap_h
                and settled < len(value)
                and bool(kept.all())
            )
        return faulty

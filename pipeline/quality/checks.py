"""Checks of gauge readings: each is frozen configuration and ``check()``.

A check sees one series (one gauge, variable and method) in order of time, without the readings
that an earlier check flagged, and returns which are faulty; :mod:`pipeline.quality.flags` runs it.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import numpy as np
import pandas as pd

from pipeline.quality.level_shifts import (
    Bools,
    Evidence,
    Floats,
    TrackedShifts,
    no_evidence,
    track_shifts,
)


class Check(Protocol):
    """What every check has in common."""

    def check(self, hours: Floats, value: Floats) -> Bools:
        """Return which readings of a series are faulty.

        Parameters
        ----------
        hours
            Time of each reading, hours since any epoch, increasing, shape (n,).
        value
            Readings in the canonical unit, no NaN, shape (n,).

        Returns
        -------
        ndarray
            True for the faulty ones, shape (n,).
        """


@dataclass(frozen=True)
class Range:
    """Flag readings outside the possible range.

    Parameters
    ----------
    lowest, highest
        Bounds, inclusive, in the canonical unit.

    Examples
    --------
    >>> Range(-5.0, 60.0).check(np.arange(3.0), np.array([4.0, 80.0, -5.0])).tolist()
    [False, True, False]
    """

    lowest: float
    highest: float

    def check(self, hours: Floats, value: Floats) -> Bools:  # noqa: ARG002
        """Return which are out of bounds."""
        return (value < self.lowest) | (value > self.highest)


@dataclass(frozen=True)
class Rate:
    """Flag the readings after a change that no river makes, until it is undone or proves real.

    The newest reading may be flagged. :func:`track_shifts` says what ends a change.

    Parameters
    ----------
    noise_m, per_hour_m, limit_m
        A change of ``noise_m + per_hour_m x hours``, at most ``limit_m``, is possible. The fastest
        between two readings of 43 exported series 1960-2018 that the plots confirm are 4.7 m in a
        day on the main river and 8.8 m on a tributary; 3 m/h is more than the fastest hour of a
        flash flood there. Metre spikes of 15-minute telemetry exceed it.

    Examples
    --------
    >>> Rate().check(np.arange(5) / 4, np.array([5.0, 5.1, 9.9, 5.1, 5.1])).tolist()
    [False, False, True, False, False]
    """

    noise_m: float = 0.5
    per_hour_m: float = 3.0
    limit_m: float = 10.0

    def check(self, hours: Floats, value: Floats) -> Bools:
        """Return which follow an impossible change."""
        return self.track(hours, value).faulty

    def track(
        self, hours: Floats, value: Floats, evidence: Evidence = no_evidence
    ) -> TrackedShifts:
        """Track the impossible changes."""
        possible = np.minimum(self.noise_m + self.per_hour_m * np.diff(hours), self.limit_m)
        starts = np.flatnonzero(np.abs(np.diff(value)) > possible) + 1
        return track_shifts(hours, value, starts, evidence)


@dataclass(frozen=True)
class Jump:
    """Flag the readings after a step between two quiet stretches of telemetry: a moved sensor.

    The front of a flood wave goes on rising after its first step; a moved sensor, or a new datum,
    is as quiet as before. The step is found once ``stretch`` readings have followed.
    :func:`track_shifts` says what ends it.

    Parameters
    ----------
    step_m
        Smallest step, m: above the wash of boats and the slam of a gate as a stilling well shows
        them (0.2-0.3 m).
    factor
        Least ratio of the step to the largest change within ``stretch`` readings before and
        after it.
    stretch
        Readings in a quiet stretch, on each side.
    spacing_h, gap_h
        Largest spacing of the readings, and largest gap, over which the changes of the quiet
        stretch may add up.
    usual_returns
        Number of undone steps from which they are releases of a dam: a sensor is moved once.

    Examples
    --------
    >>> level = np.array([5.0] * 8 + [5.9] * 8) + np.tile([0.0, 0.01], 8)
    >>> Jump().check(np.arange(16) / 4, level).tolist() == [False] * 8 + [True] * 8
    True
    """

    step_m: float = 0.4
    factor: float = 8.0
    stretch: int = 6
    spacing_h: float = 1.0
    gap_h: float = 24.0
    usual_returns: int = 4

    def check(self, hours: Floats, value: Floats) -> Bools:
        """Return which follow a step between two quiet stretches."""
        return self.track(hours, value).faulty

    def track(
        self, hours: Floats, value: Floats, evidence: Evidence = no_evidence
    ) -> TrackedShifts:
        """Track the steps between two quiet stretches."""
        n = self.stretch
        none = TrackedShifts(np.zeros(len(value), dtype=np.bool_), np.full(len(value), np.nan))
        if len(value) < 2 * n + 2:
            return none
        change, spacing = np.diff(value), np.diff(hours)
        usual = np.median(spacing)
        if usual > self.spacing_h:
            return none
        speed = np.abs(change) / spacing
        large = np.flatnonzero((np.abs(change) >= self.step_m) & (spacing <= self.gap_h))
        starts = [
            i + 1
            for i in large[(large >= n) & (large < len(change) - n)]
            if abs(change[i])
            >= self.factor
            * max(speed[i - n : i].max(), speed[i + 1 : i + 1 + n].max())
            * max(spacing[i], usual)
        ]
        return track_shifts(
            hours,
            value,
            np.array(starts, dtype=np.int64),
            evidence,
            usual_returns=self.usual_returns,
        )


@dataclass(frozen=True)
class Spike:
    """Flag one reading that deviates from the line between its neighbours more than any around it.

    Its deviation exceeds ``factor`` times the largest change around it (before, after and across),
    so that a crest, which has a limb on one side at least, stays; it also exceeds ``factor`` times
    the deviation of nine in ten of the twenty readings around, and ``largest_factor`` times that
    of any of them, so that the releases of dams stay. A spike is found once the next reading came.

    Parameters
    ----------
    up_m, down_m, factor, largest_factor
        Smallest spike above and below, m, and its ratios to the changes around it. A wrong digit
        is 1 m or more, and readings of a quiet river scatter by 0.1 m. Floods rise and do not
        fall in a day, so a dip may be smaller.
    nearest_h, farthest_h
        Distance of the neighbours, hours; not from 3 to 11, for there the tide turns.

    Examples
    --------
    >>> days = 24.0 * np.arange(7)
    >>> np.flatnonzero(Spike().check(days, np.array([3.0, 3.0, 3.1, 8.1, 3.2, 3.2, 3.3]))).tolist()
    [3]
    >>> np.flatnonzero(Spike().check(days, np.array([3.0, 3.0, 3.1, 8.1, 5.2, 4.2, 3.7]))).tolist()
    []
    """

    up_m: float = 0.8
    down_m: float = 0.5
    factor: float = 4.0
    largest_factor: float = 1.5
    nearest_h: float = 11.0
    farthest_h: float = 50.0

    def check(self, hours: Floats, value: Floats) -> Bools:
        """Return which are spikes."""
        faulty = np.zeros(len(value), dtype=np.bool_)
        if len(value) < 3:
            return faulty
        spacing = np.diff(hours)
        share = spacing[:-1] / (spacing[:-1] + spacing[1:])
        deviation = value[1:-1] - value[:-2] - share * (value[2:] - value[:-2])
        near = np.minimum(spacing[1:], spacing[:-1]) >= self.nearest_h
        near &= np.maximum(spacing[1:], spacing[:-1]) <= self.farthest_h
        for at in (
            np.flatnonzero(near & ((deviation > self.up_m) | (deviation < -self.down_m))) + 1
        ).tolist():
            # Beside a spike the line deviates as well, the other way.
            height = 0.0 if faulty[at - 1] else abs(deviation[at - 1])
            around = abs(value[at + 1] - value[at - 1])
            if at >= 2 and not faulty[at - 2]:
                around = max(around, abs(value[at - 1] - value[at - 2]))
            if at + 2 < len(value):
                around = max(around, abs(value[at + 2] - value[at + 1]))
            if height > self.factor * around:
                deviations = np.abs(
                    [*deviation[max(0, at - 12) : max(0, at - 2)], *deviation[at + 1 : at + 11]]
                )
                usual, largest = (
                    np.percentile(deviations, [90.0, 100.0]) if len(deviations) else (0.0, 0.0)
                )
                faulty[at] = height > max(self.factor * usual, self.largest_factor * largest)
        return faulty


@dataclass(frozen=True)
class Hampel:
    """Flag a few readings of telemetry far from the running median (Davies and Gather 1993).

    The rise of a flood carries the median, and the spread, along. A reading is flagged once four
    have followed of which two are back at the median: those after the front of a wave are not.

    Parameters
    ----------
    window_h
        Half-width of the window, hours; at least four readings on each side.
    deviations
        Robust standard deviations from the median.
    least_m
        Smallest deviation, m; waves and boats make 0.1 m.

    Examples
    --------
    >>> level = np.array([5.0, 5.01] * 8 + [5.4, 5.5] + [5.02, 5.01] * 8)
    >>> np.flatnonzero(Hampel().check(np.arange(34) / 4, level)).tolist()
    [16, 17]
    """

    window_h: float = 3.0
    deviations: float = 6.0
    least_m: float = 0.15

    def check(self, hours: Floats, value: Floats) -> Bools:
        """Return which are far from the median."""
        faulty = np.zeros(len(value), dtype=np.bool_)
        first = np.searchsorted(hours, hours - self.window_h)
        last = np.searchsorted(hours, hours + self.window_h, side="right")
        here = np.arange(len(value))
        enough = (here - first >= 4) & (last - here - 1 >= 4)
        if not enough.any():
            return faulty
        # The exact median is slow: only where a median of a fixed number of readings is far off.
        widest = int((last - first)[enough].max())
        rough_median = (
            pd.Series(value).rolling(widest, center=True, min_periods=1).median().to_numpy()
        )
        doubtful = np.abs(value - rough_median) > self.least_m / 2.0
        for at in np.flatnonzero(enough & doubtful).tolist():
            around = value[first[at] : last[at]]
            middle = np.median(around)
            deviation = abs(value[at] - middle)
            if deviation > self.least_m:
                spread = 1.4826 * float(np.median(np.abs(around - middle)))
                near = max(self.least_m, self.deviations * spread)
                back = np.abs(value[at + 1 : last[at]] - middle) <= near
                faulty[at] = deviation > self.deviations * spread and np.count_nonzero(back) >= 2
        return faulty


@dataclass(frozen=True)
class Stuck:
    """Flag values that repeat for too long, except the first reading of the run.

    Parameters
    ----------
    close_h
        Longest run of readings an hour apart or closer, hours. At a resolution of 1 cm the
        quietest gauges of the dry season do not change for a day or two.
    apart_h
        Longest run of rarer readings, hours. At the gauges of the main river the longest of
        1960-2018 was 14 days.
    least
        Values smaller than this may repeat (no rain).

    Examples
    --------
    >>> level = np.array([4.0, 4.1] + [4.2] * 21 + [4.4])
    >>> int(Stuck().check(24.0 * np.arange(24), level).sum())
    20
    """

    close_h: float = 72.0
    apart_h: float = 480.0
    least: float = -np.inf

    def check(self, hours: Floats, value: Floats) -> Bools:
        """Return which repeat the value before for too long."""
        if len(value) < 2:
            return np.zeros(len(value), dtype=np.bool_)
        longest = self.close_h if np.median(np.diff(hours)) <= 1.0 else self.apart_h
        same = np.concatenate([[False], np.diff(value) == 0.0])
        start = np.maximum.accumulate(np.where(same, 0, np.arange(len(value))))
        run = np.cumsum(~same) - 1
        first = np.flatnonzero(~same)
        duration_h = np.maximum.reduceat(hours, first) - hours[first]
        faulty: Bools = same & (duration_h[run] >= longest) & (value[start] >= self.least)
        return faulty


@dataclass(frozen=True)
class Downpour:
    """Flag more rain than was ever measured anywhere in the time between two readings.

    The limit is the envelope of the world's records, 421.6 mm x hours^0.475 (WMO-No. 1045, 2009).

    Examples
    --------
    >>> Downpour().check(24.0 * np.arange(3), np.array([0.0, 1200.0, 2500.0])).tolist()
    [False, False, True]
    """

    mm: float = 421.6
    power: float = 0.475

    def check(self, hours: Floats, value: Floats) -> Bools:
        """Return which are above the envelope, or negative."""
        usual = float(np.median(np.diff(hours))) if len(hours) > 1 else 24.0
        limit_mm: float = self.mm * min(usual, 24.0) ** self.power
        return (value < 0.0) | (value > limit_mm)


@dataclass(frozen=True)
class Blocked:
    """Flag zeros of rain that last too long in the wet season, as under a blocked funnel.

    Parameters
    ----------
    longest_h
        Longest dry run, hours; breaks of the monsoon last up to three weeks, at some gauges of
        the record five.
    first_month, last_month
        Months of the wet season; outside them a dry run may be longer.

    Examples
    --------
    >>> hours = 24.0 * np.arange(60) + 24.0 * (31 + 28 + 31 + 30 + 31)  # from 1 June 1970
    >>> int(Blocked().check(hours, np.zeros(60)).sum())
    59
    """

    longest_h: float = 960.0
    first_month: int = 6
    last_month: int = 9

    def check(self, hours: Floats, value: Floats) -> Bools:
        """Return which lie in a dry run that is too long; ``hours`` are since 1970."""
        month = hours.astype("datetime64[h]").astype("datetime64[M]").astype(np.int64) % 12 + 1
        dry = np.flatnonzero(
            (month >= self.first_month) & (month <= self.last_month) & (value == 0.0)
        )
        faulty = np.zeros(len(value), dtype=np.bool_)
        breaks = (np.diff(dry) > 1) | (np.diff(hours[dry]) > self.longest_h / 2)
        for run in np.split(dry, np.flatnonzero(breaks) + 1):
            if len(run) > 1 and hours[run[-1]] - hours[run[0]] >= self.longest_h:
                faulty[run[1:]] = True
        return faulty

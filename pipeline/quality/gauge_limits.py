"""Limits of a gauge from its record: range and fastest changes, as of a moment.

A second reading must confirm each extreme, so that a spike makes no limit: a level counts if two
readings in a row reached it, a rise if the two readings before it and the two after it are so far
apart. The fastest hour is that of the third fastest day, for a sensor may have been moved twice.
"""

from __future__ import annotations

import heapq
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import pandas as pd

from pipeline.geography.variables import VARIABLES
from pipeline.quality.level_shifts import Bools, Floats
from pipeline.quality.missing_codes import STAGE_CODES

CLOSE_H = 48.0
"""Greatest spacing of two readings that confirm each other, hours."""
DAY_H, HOUR_H = 25.2, 1.05
"""Spans of a day and of an hour, with a twentieth for late observers and clocks."""
FASTEST_DAY_RANK = 3
"""Rank of the day whose fastest hour counts."""
ENOUGH_DAYS = 300
"""Fewest days with a reading for a record to have limits."""
ABOVE_FLOOD_M = 1.5
CONTINUES_M = 1.0
"""For a gauge without a record: height above flood stage and change within a day, m, beyond which
a single reading is not believed."""
LONG_Y = 10.0
ROOM = {"long": (0.2, 1.5), "short": (0.6, 2.0)}
"""Room for a record flood: share of the range added to it, and factor on the changes. In 43
exported series a year that broke a record of ten years or more went at most 16 % of the range
beyond it at the gauges of the table (17 % elsewhere, but for two whose datum moved), and rose at
most 1.35 times as fast as any day before; after five to nine years 56 % (1966) and 1.8 times."""
_QUANTITIES = ("highest", "lowest", "rise_day", "fall_day", "rise_hour", "fall_hour")


@dataclass(frozen=True)
class Limits:
    """Range and fastest changes of a gauge.

    Parameters
    ----------
    days
        Days with a reading.
    highest, lowest
        Range, m; zeros do not count, they may stand for missing. NaN without a reading.
    rise_day, fall_day, rise_hour, fall_hour
        Largest changes within a day and within an hour, m, all positive; NaN where no readings are
        so close.
    """

    days: int
    highest: float = np.nan
    lowest: float = np.nan
    rise_day: float = np.nan
    fall_day: float = np.nan
    rise_hour: float = np.nan
    fall_hour: float = np.nan

    @property
    def known(self) -> bool:
        """Whether there is enough of a record."""
        return self.days >= ENOUGH_DAYS

    @property
    def room(self) -> tuple[float, float]:
        """Room for a record: metres beyond the range, and factor on the changes."""
        share, factor = ROOM["long" if self.days >= 365.0 * LONG_Y else "short"]
        return share * (self.highest - self.lowest), factor

    def outside(
        self,
        before: Floats,
        value: Floats,
        apart_h: Floats,
        *,
        flood_m: float | None,
        tide_m: float = 0.0,
    ) -> Bools:
        """Return which readings are beyond the limits of the gauge's record, with room.

        Parameters
        ----------
        before, value
            Reading before each, and the reading, m, shape (n,).
        apart_h
            Time between them, hours, shape (n,).
        flood_m
            Flood stage, where there is one.
        tide_m
            Change of the tide between two readings of a day, m; a record of mornings alone does
            not contain it.
        """
        size = value - before
        days = np.maximum(apart_h / 24.0, 1.0)
        if not self.known:
            if flood_m is None:
                return np.zeros(len(value), dtype=np.bool_)
            above = value > flood_m + ABOVE_FLOOD_M
            return np.asarray(above & (size > CONTINUES_M * days), dtype=np.bool_)
        metres, factor = self.room
        rising = size > 0.0
        day = np.where(rising, self.rise_day, self.fall_day)
        hour = np.where(rising, self.rise_hour, self.fall_hour)
        share = np.clip((apart_h - 1.0) / 23.0, 0.0, 1.0)
        usual = np.where(np.isfinite(hour), hour + share * (np.fmax(day, hour) - hour), day) * days
        beyond = np.where(rising, value > self.highest + metres, value < self.lowest - metres)
        # A level beyond the record is believed where the river rose to it at its usual speed.
        limit = np.where(beyond, 0.5 * day * days, factor * usual)
        return np.asarray(np.abs(size) > np.fmax(limit, max(0.3, tide_m)), dtype=np.bool_)


@dataclass(frozen=True)
class GaugeRecord:
    """Running extremes of one gauge.

    Parameters
    ----------
    known_at
        Moments at which an extreme became known, increasing, shape (n,).
    extremes
        Extremes from each moment on, in the order of the fields of ``Limits``, shape (n, 6).
    days
        Moments at which a further day had a reading, increasing.
    """

    known_at: np.ndarray
    extremes: Floats
    days: np.ndarray

    def limits(self, asof: np.datetime64 | None = None) -> Limits:
        """Return the limits as of a moment; by default those of the whole record."""
        if asof is None:
            days, at = len(self.days), len(self.known_at) - 1
        else:
            days = int(np.searchsorted(self.days, asof, side="right"))
            at = int(np.searchsorted(self.known_at, asof, side="right")) - 1
        if at < 0:
            return Limits(days)
        highest, lowest, *changes = self.extremes[at].tolist()
        return Limits(days, highest, -lowest, *changes)


def collect_records(stages: pd.DataFrame) -> dict[str, GaugeRecord]:
    """Collect the running extremes of every gauge.

    Parameters
    ----------
    stages
        Stages: station, method, valid_time, value and, where it is known, available_time; one row
        per station, method and time.
    """
    row = VARIABLES["stage"]
    available = "available_time" if "available_time" in stages else "valid_time"
    possible = stages["value"].between(row.valid_min, row.valid_max)
    possible &= ~stages["value"].isin(STAGE_CODES)
    rows = stages[possible].sort_values(["station", "method", "valid_time"])
    records = {}
    for code, gauge in rows.groupby("station", sort=False):
        parts = []
        for _, series in gauge.groupby("method", sort=False):
            hours = series["valid_time"].to_numpy("datetime64[s]").astype("int64") / 3600.0
            known_at = series[available].to_numpy("datetime64[s]")
            parts += _find_events(hours, series["value"].to_numpy("float64"), known_at)
        days = gauge.groupby(gauge["valid_time"].to_numpy("datetime64[D]"))[available].min()
        records[str(code)] = _running_extremes(parts, np.sort(days.to_numpy("datetime64[s]")))
    return records


def _find_events(
    hours: Floats, value: Floats, known_at: np.ndarray
) -> list[tuple[str, np.ndarray, Floats]]:
    """Find the confirmed extremes of one series: quantity, moments, sizes; the lowest negated."""
    if len(value) < 2:
        return []
    close = np.diff(hours) <= CLOSE_H
    pair_known_at = np.maximum(known_at[1:], known_at[:-1])
    low, high = np.minimum(value[1:], value[:-1]), np.maximum(value[1:], value[:-1])
    wet = close & (value[1:] != 0.0) & (value[:-1] != 0.0)
    events = [
        ("highest", pair_known_at[close], low[close]),
        ("lowest", pair_known_at[wet], -high[wet]),
    ]
    for name, span in (("day", DAY_H), ("hour", HOUR_H)):
        last = np.arange(1, len(value) - 1)
        first = np.searchsorted(hours, hours[last] - span)
        enough = (first >= 1) & (first < last)
        last, first = last[enough], first[enough]
        enough = close[last] & close[first - 1]
        last, first = last[enough], first[enough]
        at = pair_known_at[last]
        for change, size in (
            ("rise", low[last] - high[first - 1]),
            ("fall", low[first - 1] - high[last]),
        ):
            if name == "hour":
                events.append((f"{change}_hour", *_third_day(hours[last], at, size)))
            else:
                events.append((f"{change}_day", at[size > 0.0], size[size > 0.0]))
    return events


def _third_day(hours: Floats, known_at: np.ndarray, size: Floats) -> tuple[np.ndarray, Floats]:
    """Find when the third largest of the days' largest changes grew, and to what size."""
    if not len(size):
        return known_at, size
    frame = pd.DataFrame({"day": hours // 24.0, "known": known_at, "size": size})
    daily = frame[frame["size"] > 0.0].sort_values("size").drop_duplicates("day", keep="last")
    top: list[float] = []
    moments, sizes = list[np.datetime64](), list[float]()
    for moment, largest in daily.sort_values("known")[["known", "size"]].itertuples(index=False):
        heapq.heappush(top, largest)
        if len(top) > FASTEST_DAY_RANK:
            heapq.heappop(top)
        if len(top) == FASTEST_DAY_RANK and (not sizes or top[0] > sizes[-1]):
            moments.append(moment)
            sizes.append(top[0])
    return np.array(moments, "datetime64[s]"), np.array(sizes, "float64")


def _running_extremes(
    events: list[tuple[str, np.ndarray, Floats]], days: np.ndarray
) -> GaugeRecord:
    """Put the events of a gauge in order of the moments at which they were known."""
    tables = []
    for name, moments, size in events:
        order = np.argsort(moments, kind="stable")
        highest = np.maximum.accumulate(size[order])
        grown = np.flatnonzero(np.diff(highest, prepend=-np.inf) > 0.0)
        table = np.full((len(grown), len(_QUANTITIES)), -np.inf)
        table[:, _QUANTITIES.index(name)] = highest[grown]
        tables.append((moments[order][grown], table))
    if not tables:
        return GaugeRecord(np.array([], "datetime64[s]"), np.empty((0, len(_QUANTITIES))), days)
    known_at = np.concatenate([moments for moments, _ in tables])
    order = np.argsort(known_at, kind="stable")
    extremes = np.maximum.accumulate(np.concatenate([table for _, table in tables])[order])
    return GaugeRecord(known_at[order], np.where(np.isinf(extremes), np.nan, extremes), days)


def limits_as_of(
    records: Mapping[str, GaugeRecord], asof: np.datetime64 | None = None
) -> dict[str, Limits]:
    """Return the limits of every gauge as of a moment."""
    return {code: record.limits(asof) for code, record in records.items()}

"""What came at a city after forecasts and warnings: its stage or drought class, and the events."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from models.verification.alarms import MERGE_D, event_days
from models.verification.as_issued import InForce, find_entry, level_before, reaches
from models.verification.return_levels import RETURN_YEARS
from pipeline.alerts.drought import DROUGHT_CLASS, DROUGHT_WEEKS
from pipeline.alerts.gauge_criteria import HORIZON_D, THRESHOLD_STAGE
from pipeline.alerts.levels import RAISED, Level
from pipeline.alerts.track_record import MAX_GAP, MIN_DAYS_READ, find_warnings, judge_warning
from pipeline.geography.gauge_figures import threshold_stages
from pipeline.geography.places import cities_by_gauge
from pipeline.geography.reference_tables import group_by_edition
from pipeline.times import from_utc64, utc64

DROUGHT_MERGE_D = 28
"""Spells of a drought class less than so many days apart belong to one event."""
RECENT = np.timedelta64(48, "h")
"""Age up to which a value is what persists at an issue time."""


@dataclass(frozen=True, kw_only=True)
class Event:
    """What a level warns of.

    Parameters
    ----------
    hazard, level
        Subject; no level for a return level.
    name
        alarm or flood (stage), D1 to D3 (drought class), or 1_year, 2_year, 5_year.
    horizon_d
        Days that the level looks ahead.
    merge_d
        Least days between two events.
    rule
        Field of :class:`pipeline.alerts.thresholds.Rules` with the probability from which the level
        is given; empty for a return level.
    """

    hazard: str
    level: Level | None
    name: str
    horizon_d: int
    merge_d: int
    rule: str = ""


FLOODS = tuple(
    Event(
        hazard="flood", level=level, name=THRESHOLD_STAGE[level], horizon_d=HORIZON_D[level],
        merge_d=MERGE_D, rule=f"{level}_p_{THRESHOLD_STAGE[level]}_{HORIZON_D[level]}d",
    )
    for level in RAISED
)  # fmt: skip
DROUGHTS = tuple(
    Event(
        hazard="drought", level=level, name=f"D{DROUGHT_CLASS[level]}",
        horizon_d=7 * DROUGHT_WEEKS, merge_d=DROUGHT_MERGE_D, rule="drought_p",
    )
    for level in RAISED
)  # fmt: skip


@dataclass(frozen=True)
class Series:
    """Stage (m) or drought class (number) of a city, in the order of time.

    Parameters
    ----------
    times
        Naive UTC, shape (n,).
    values
        Shape (n,), without missing ones.
    thresholds
        By event's name: value that counts as the event, as of each time, shape (n,); NaN without.
    """

    times: NDArray[np.datetime64]
    values: NDArray[np.float64]
    thresholds: dict[str, NDArray[np.float64]]

    def above(self, event: str) -> NDArray[np.bool_]:
        """Whether each value reaches an event's threshold."""
        return np.asarray(self.values >= self.thresholds[event])

    def find_starts(self, event: Event) -> NDArray[np.int64]:
        """Find the first value of each event."""
        above = self.above(event.name)
        days = event_days(pd.Series(self.times), above, merge_d=event.merge_d)
        of_value = self.times.astype("M8[D]").astype("int64")
        candidates = np.flatnonzero(above)
        return candidates[np.searchsorted(of_value[candidates], days)]

    def find_highest(self, event: Event, start: np.datetime64) -> tuple[float, float]:
        """Find the highest value of the event that begins at a time, and its threshold."""
        first = int(np.searchsorted(self.times, start))
        rows = first + np.flatnonzero(self.above(event.name)[first:])
        gaps = np.diff(self.times[rows].astype("M8[D]").astype("int64")) >= event.merge_d
        rows = rows[: int(gaps.argmax()) + 1] if gaps.any() else rows
        rows = rows if len(rows) else np.array([first])
        return float(self.values[rows].max()), float(self.thresholds[event.name][first])


def make_stage_series(
    readings: pd.DataFrame, return_levels: Mapping[str, Mapping[int, float]]
) -> dict[str, Series]:
    """Make the stage series of each city from its gauge's readings.

    A reading belongs to the city that had its gauge, and is held against the stages, at its time.

    Parameters
    ----------
    readings
        Readings that may be used: station, valid_time (naive UTC), value in m.
    return_levels
        Stage in m by station and return period in years.
    """
    times = pd.DatetimeIndex(readings["valid_time"])
    marks: dict[str, NDArray[np.float64]] = dict(threshold_stages(readings["station"], times))
    for years in RETURN_YEARS:
        levels = {code: of_station[years] for code, of_station in return_levels.items()}
        of_rows = readings["station"].map(levels).to_numpy("float64")
        marks[f"{years}_year"] = np.asarray(of_rows, dtype=np.float64)
    frame = readings[["station", "valid_time", "value"]].assign(
        city=find_cities(readings["station"], times), **marks
    )
    frame = frame[frame["city"].notna()].sort_values(["city", "valid_time"])
    return {
        str(city): Series(
            part["valid_time"].to_numpy("M8[ns]"),
            part["value"].to_numpy("float64"),
            {name: part[name].to_numpy("float64") for name in marks},
        )
        for city, part in frame.groupby("city")
    }


def make_class_series(droughts: pd.DataFrame) -> dict[str, Series]:
    """Make the series of the drought class of each city, one value a night where it was known.

    Parameters
    ----------
    droughts
        As of :class:`models.verification.as_issued.Issued`.
    """
    nights = droughts.drop_duplicates(["city", "issue_time"]).dropna(subset="current_class")
    return {
        str(city): Series(
            part["issue_time"].to_numpy("M8[ns]"),
            part["current_class"].to_numpy("float64"),
            {event.name: np.full(len(part), float(event.name[1:])) for event in DROUGHTS},
        )
        for city, part in nights.sort_values(["city", "issue_time"]).groupby("city")
    }


def find_cities(codes: pd.Series, times: pd.DatetimeIndex) -> NDArray[np.object_]:
    """Find the city that had each gauge at a time of its own; None without one."""
    of_row, unique_codes = pd.factorize(codes)
    cities = np.full(len(times), None, dtype=object)
    for moment, rows in group_by_edition(times.to_numpy("M8[ns]")):
        by_gauge = cities_by_gauge(asof=moment)
        ids = [by_gauge[code].id if code in by_gauge else None for code in unique_codes]
        cities[rows] = np.array(ids, dtype=object)[of_row[rows]]
    return cities


@dataclass(frozen=True, kw_only=True)
class Reached:
    """One event at a city, and the warning before it.

    Parameters
    ----------
    time
        When the value was first reached.
    highest, threshold
        Highest value of the event, and the value that counts as one.
    night
        Issue time of the night in force before it.
    level
        Level in force then.
    lead
        Time from the warning in force until then; None where the event was missed.
    """

    time: datetime
    highest: float
    threshold: float
    night: datetime
    level: Level
    lead: timedelta | None


def find_reached(
    series: Series, event: Event, timeline: Sequence[InForce], *, asof: datetime
) -> list[Reached]:
    """Find the events of a level, each a hit where the level or a higher one was in force before.

    An event counts if a night was issued in the ``MAX_GAP`` before it.

    Parameters
    ----------
    series, event
        What came, and the event in question.
    timeline
        Levels of the city and hazard.
    asof
        Moment of the question.
    """
    lowest = event.level
    if lowest is None:
        raise ValueError("expected an event of a level, found a return level")
    warnings = find_warnings(list_levels(timeline), lowest)
    events = []
    for row in series.find_starts(event):
        time = from_utc64(series.times[row])
        entry = find_entry(timeline, time)
        if entry is None or time - entry.issue_time > MAX_GAP or time > asof:
            continue
        level, lead = level_before(timeline, time), None
        if reaches(level, lowest):
            first = max((first for first, _ in warnings if first <= entry.issue_time), default=None)
            begin = min(
                (
                    other.start
                    for other in timeline
                    if other.issue_time == first and reaches(other.level, lowest)
                ),
                default=entry.start,
            )
            lead = time - begin
        highest, threshold = series.find_highest(event, series.times[row])
        events.append(
            Reached(
                time=time, highest=highest, threshold=threshold, night=entry.issue_time,
                level=level, lead=lead,
            )
        )  # fmt: skip
    return events


def list_levels(timeline: Sequence[InForce]) -> list[tuple[datetime, Level]]:
    """List the nights of a timeline with the level that each left in force."""
    return list({entry.issue_time: entry.level for entry in timeline}.items())


def find_false_alarms(
    series: Series, event: Event, timeline: Sequence[InForce], *, asof: datetime
) -> list[datetime]:
    """Find the first nights of the settled warnings of a level that were false alarms.

    As :func:`pipeline.alerts.track_record.judge_warning` judges them. The threshold is that of the
    warning's first night.
    """
    if event.level is None:
        raise ValueError("expected an event of a level, found a return level")
    values = pd.Series(series.values, pd.DatetimeIndex(series.times))
    false = []
    for warning in find_warnings(list_levels(timeline), event.level):
        row = int(np.searchsorted(series.times, utc64(warning[0]), side="right")) - 1
        if row < 0 or np.isnan(threshold := float(series.thresholds[event.name][row])):
            continue
        horizon = timedelta(days=event.horizon_d)
        if judge_warning(values, threshold, warning, horizon=horizon, asof=asof) is False:
            false.append(warning[0])
    return false


def find_outcomes(
    series: Series, event: Event, nights: NDArray[np.datetime64], *, asof: datetime
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Find whether the event is there within a level's horizon after each night, and at the night.

    Parameters
    ----------
    series, event
        What came, and the event in question.
    nights
        Issue times, naive UTC, shape (n,).
    asof
        Moment of the question.

    Returns
    -------
    tuple of ndarray
        1 or 0, shape (n,). The first is NaN until the horizon has passed with values on at least
        half of its days, unless the event came; the second without a value of the last 48 h.
    """
    above = series.above(event.name)
    ends = nights + np.timedelta64(event.horizon_d, "D")
    first = np.searchsorted(series.times, nights, side="right")
    last = np.searchsorted(series.times, np.minimum(ends, utc64(asof)), side="right")
    reached = np.append(0, np.cumsum(above))
    came = reached[last] > reached[first]
    days = series.times.astype("M8[D]")
    opens = np.append(0, np.cumsum(np.append(True, days[1:] != days[:-1])[: len(days)]))
    inside = last > first
    begun = np.zeros(len(nights), dtype=bool)
    begun[inside] = opens[first[inside] + 1] == opens[first[inside]]
    days_read = opens[last] - opens[first] + begun
    settled = (ends <= utc64(asof)) & (days_read >= MIN_DAYS_READ * event.horizon_d)
    known = np.isfinite(series.thresholds[event.name]).any()
    outcome = np.where(came, 1.0, np.where(settled & known, 0.0, np.nan))
    before = np.maximum(first - 1, 0)
    recent = (first > 0) & (series.times[before] > nights - RECENT) if len(above) else first > 0
    now = np.where(recent, above[before] if len(above) else 0.0, np.nan)
    return outcome, now

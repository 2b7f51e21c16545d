"""How often earlier warnings came true: alerts as issued against the readings that followed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np
import pandas as pd

from pipeline.alerts.evidence import Level
from pipeline.alerts.gauge import HORIZON_D, MARK
from pipeline.alerts.hysteresis import LADDER, RAISED
from pipeline.geography import places
from pipeline.geography.places import Station
from pipeline.storage import database
from pipeline.storage.records import Records
from pipeline.times import utc64

SEASONS = 3
"""Seasons looked back on, this one and those before it; a season begins on 1 June."""
ENOUGH = 10
"""Settled warnings from which a share is told."""
APART = timedelta(days=7)
"""Nights further apart than this belong to two warnings."""
SEEN = 0.5
"""Share of the days that must have a reading before a warning counts as not come true."""


@dataclass(frozen=True, kw_only=True)
class Track:
    """What became of earlier warnings of a level.

    Parameters
    ----------
    since
        First night that counts.
    issued, came_true
        Warnings given while the river stood below the level's mark, and after how many of them it
        was reached. Of the city, or of all gauges where the city alone has too few.
    of_city
        Whether they are the city's own.
    """

    since: datetime
    issued: int
    came_true: int
    of_city: bool

    @property
    def enough(self) -> bool:
        """Whether there are enough to tell a share."""
        return self.issued >= ENOUGH


def season_start(asof: datetime, *, seasons: int = SEASONS) -> datetime:
    """First moment of the seasons looked back on.

    Examples
    --------
    >>> f"{season_start(datetime(2026, 8, 20, tzinfo=UTC)):%Y-%m-%d}"
    '2024-06-01'
    """
    june = asof.year if asof.month >= 6 else asof.year - 1
    return datetime(june - seasons + 1, 6, 1, tzinfo=UTC)


def chain(
    store: Records, follows: Sequence[Any] | None, *, since: datetime
) -> list[tuple[datetime, list[dict[str, Any]]]]:
    """Alerts of the nights before a run, as that run remembers them, oldest first.

    Each run names the one whose alerts it remembers; going back from one to the next gives the
    same nights whatever else has been run or run again since, so a replay finds them too.

    Parameters
    ----------
    store
        Tables.
    follows
        Issue time (ISO) and revision of the night before, from the run's row; None at first.
    since
        Nights before this are left out.
    """
    before = {(run["issue_time"], run["revision"]): run["follows"] for run in store.runs()}
    found = []
    while follows is not None:
        key = datetime.fromisoformat(follows[0]), int(follows[1])
        if key[0] < since or key not in before:
            break
        found.append((key[0], store.get(database.alerts, *key)))
        follows = before[key]
    return found[::-1]


def tally(
    nights: Sequence[tuple[datetime, Sequence[Mapping[str, Any]]]],
    stages: pd.DataFrame,
    *,
    asof: datetime,
) -> dict[tuple[str, Level], tuple[int, int]]:
    """Count the flood warnings of each city and level that are settled, and those that came true.

    A warning is a run of nights with the level or a higher one in force. It counts if the river
    stood below the level's mark (alarm stage for Watch, flood stage for Warning and Emergency) when
    it began. It came true if the mark was reached before the horizon of its last night was over; it
    did not if that has passed with readings on at least half of the days.

    Parameters
    ----------
    nights
        Issue times and rows of the table of alerts, oldest first.
    stages
        Readings known at ``asof``: station, valid_time (naive UTC), value in m.
    asof
        Moment of the question.

    Returns
    -------
    dict
        (issued, came true) by city id and level.
    """
    at: dict[str, list[tuple[datetime, Level]]] = {}
    for when, rows in nights:
        for row in rows:
            if row["hazard"] == "flood":
                at.setdefault(row["city"], []).append((when, Level(row["memory"]["level"])))
    series = {
        str(code): one.set_index("valid_time")["value"].dropna()
        for code, one in stages.groupby("station")
    }
    found = {}
    for city, levels in at.items():
        code = places.city(city).station if city in places.cities() else None
        if code is None or code not in series:
            continue
        for level in RAISED:
            verdicts = [
                _verdict(series[code], _mark_m(places.station(code), level), spell, level, asof)
                for spell in _spells(levels, level)
            ]
            settled = [one for one in verdicts if one is not None]
            found[city, level] = len(settled), sum(settled)
    return found


def _spells(levels: list[tuple[datetime, Level]], least: Level) -> list[tuple[datetime, datetime]]:
    """First and last night of each run of nights at or above a level."""
    found: list[tuple[datetime, datetime]] = []
    before: datetime | None = None
    for when, level in levels:
        if level not in RAISED or LADDER.index(level) < LADDER.index(least):
            before = None
        elif before is None or when - before > APART:
            found.append((when, when))
            before = when
        else:
            found[-1] = found[-1][0], when
            before = when
    return found


def _mark_m(station: Station, level: Level) -> float | None:
    return station.alarm_m if MARK[level] == "alarm" else station.flood_m


def _verdict(
    series: pd.Series,
    mark: float | None,
    spell: tuple[datetime, datetime],
    level: Level,
    asof: datetime,
) -> bool | None:
    """Whether a warning came true; None where it does not count or is not settled."""
    first, last = spell
    begin, end, now = (utc64(one) for one in (first, last + timedelta(days=HORIZON_D[level]), asof))
    before = series[(series.index <= begin) & (series.index > begin - np.timedelta64(48, "h"))]
    if mark is None or before.empty or before.iloc[-1] >= mark:
        return None
    after = series[(series.index > begin) & (series.index <= min(end, now))]
    if (after >= mark).any():
        return True
    days = (end - begin) / np.timedelta64(1, "D")
    seen = pd.DatetimeIndex(after.index).normalize().nunique()
    return False if end <= now and seen >= SEEN * days else None


def track_of(
    city: str,
    level: Level,
    found: Mapping[tuple[str, Level], tuple[int, int]],
    *,
    since: datetime,
) -> Track:
    """Track record to tell with a warning: the city's own, else that of all gauges.

    Examples
    --------
    >>> found = {("pakse", Level.WATCH): (12, 8), ("kratie", Level.WATCH): (3, 1)}
    >>> since = datetime(2024, 6, 1, tzinfo=UTC)
    >>> one = track_of("pakse", Level.WATCH, found, since=since)
    >>> other = track_of("kratie", Level.WATCH, found, since=since)
    >>> (one.issued, one.came_true, one.of_city), (other.issued, other.came_true, other.of_city)
    ((12, 8, True), (15, 9, False))
    """
    issued, true = found.get((city, level), (0, 0))
    if issued >= ENOUGH:
        return Track(since=since, issued=issued, came_true=true, of_city=True)
    every = [counts for (_, one), counts in found.items() if one is level]
    issued, true = (sum(counts[k] for counts in every) for k in (0, 1))
    return Track(since=since, issued=issued, came_true=true, of_city=False)

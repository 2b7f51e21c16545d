"""Track record of earlier flood warnings: alerts as issued against the readings that followed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np
import pandas as pd

from pipeline.alerts.gauge_criteria import HORIZON_D, THRESHOLD_STAGE
from pipeline.alerts.levels import ORDER, RAISED, Level
from pipeline.geography import places
from pipeline.geography.places import Station
from pipeline.geography.reference_tables import group_by_edition
from pipeline.storage import database
from pipeline.storage.records import Records
from pipeline.times import utc64

SEASONS = 3
"""Seasons that count, this one and those before it; a season begins on 1 June."""
MIN_ISSUED = 10
"""Settled warnings from which a share of hits is given."""
MAX_GAP = timedelta(days=7)
"""Nights further apart than this belong to two warnings."""
MIN_DAYS_READ = 0.5
"""Share of the days that must have a reading before a warning counts as a false alarm."""


@dataclass(frozen=True, kw_only=True)
class TrackRecord:
    """Outcome of earlier warnings of a level.

    Parameters
    ----------
    since
        First night that counts.
    issued, hits
        Warnings given while the river was below the level's threshold stage, and those after which
        it was reached. Of the city, or of all gauges where the city alone has too few.
    of_city
        Whether they are the city's own.
    """

    since: datetime
    issued: int
    hits: int
    of_city: bool

    @property
    def enough(self) -> bool:
        """Whether there are enough warnings for a share."""
        return self.issued >= MIN_ISSUED


def season_start(asof: datetime, *, seasons: int = SEASONS) -> datetime:
    """Return the first moment of the seasons that count.

    Examples
    --------
    >>> f"{season_start(datetime(2026, 8, 20, tzinfo=UTC)):%Y-%m-%d}"
    '2024-06-01'
    """
    june = asof.year if asof.month >= 6 else asof.year - 1
    return datetime(june - seasons + 1, 6, 1, tzinfo=UTC)


def read_nights(
    store: Records, follows: Sequence[Any] | None, *, since: datetime
) -> list[tuple[datetime, list[dict[str, Any]]]]:
    """Read the alerts of the nights before a run, as that run saw them, oldest first.

    Each run names the one whose alerts it follows. Going back from one to the next gives the same
    nights whatever else is run or run again later, so a replay finds them too.

    Parameters
    ----------
    store
        Tables.
    follows
        Issue time (ISO) and revision of the night before, from the run's row; None at first.
    since
        Nights before this are left out.
    """
    follows_of = {(run["issue_time"], run["revision"]): run["follows"] for run in store.runs()}
    nights = []
    while follows is not None:
        key = datetime.fromisoformat(follows[0]), int(follows[1])
        if key[0] < since or key not in follows_of:
            break
        nights.append((key[0], store.get(database.alerts, *key)))
        follows = follows_of[key]
    return nights[::-1]


def count_hits(
    nights: Sequence[tuple[datetime, Sequence[Mapping[str, Any]]]],
    stages: pd.DataFrame,
    *,
    asof: datetime,
) -> dict[tuple[str, Level], tuple[int, int]]:
    """Count the settled flood warnings of each city and level, and the hits among them.

    A city's gauge and its stages are those as of the first night of a warning.

    A warning is a run of nights with the level or a higher one in force. It counts if the river
    was below the level's threshold stage (alarm for Watch, flood for Warning and Emergency) when
    it began. It is a hit if that stage was reached before the horizon of its last night was over;
    it is a false alarm if that has passed with readings on at least half of the days.

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
        Warnings and hits by city id and level.
    """
    levels_of: dict[str, list[tuple[datetime, Level]]] = {}
    for issue_time, rows in nights:
        for row in rows:
            if row["hazard"] == "flood":
                night = issue_time, Level(row["memory"]["level"])
                levels_of.setdefault(row["city"], []).append(night)
    series_of = {
        str(code): readings.set_index("valid_time")["value"].dropna()
        for code, readings in stages.groupby("station")
    }
    gauges_at = _find_gauges([issue_time for issue_time, _ in nights])
    counts = {}
    for city, levels in levels_of.items():
        gauges = {
            night: gauge
            for night, _ in levels
            if (gauge := gauges_at[night].get(city)) and gauge.code in series_of
        }
        if not gauges:
            continue
        for level in RAISED:
            outcomes = [
                judge_warning(
                    series_of[gauge.code],
                    _threshold_m(gauge, level),
                    warning,
                    horizon=timedelta(days=HORIZON_D[level]),
                    asof=asof,
                )
                for warning in find_warnings(levels, level)
                if (gauge := gauges.get(warning[0]))
            ]
            settled = [outcome for outcome in outcomes if outcome is not None]
            counts[city, level] = len(settled), sum(settled)
    return counts


def _find_gauges(nights: Sequence[datetime]) -> dict[datetime, dict[str, Station]]:
    """Gauges of the basin's cities as of each night, by city id."""
    gauges_at: dict[datetime, dict[str, Station]] = {}
    times = np.array([utc64(night) for night in nights], "datetime64[ns]")
    for moment, rows in group_by_edition(times):
        stations, cities = places.stations(asof=moment), places.cities(asof=moment).values()
        gauges = {city.id: stations[city.station] for city in cities if city.station}
        gauges_at |= {nights[row]: gauges for row in rows}
    return gauges_at


def find_warnings(
    levels: Sequence[tuple[datetime, Level]], lowest: Level
) -> list[tuple[datetime, datetime]]:
    """Find the first and last night of each run of nights at or above a level.

    Parameters
    ----------
    levels
        Issue time and level in force of each night, oldest first.
    lowest
        Level at or above which a night belongs to a warning.
    """
    warnings: list[tuple[datetime, datetime]] = []
    before: datetime | None = None
    for issue_time, level in levels:
        if level not in RAISED or ORDER.index(level) < ORDER.index(lowest):
            before = None
        elif before is None or issue_time - before > MAX_GAP:
            warnings.append((issue_time, issue_time))
            before = issue_time
        else:
            warnings[-1] = warnings[-1][0], issue_time
            before = issue_time
    return warnings


def _threshold_m(station: Station, level: Level) -> float | None:
    return station.alarm_m if THRESHOLD_STAGE[level] == "alarm" else station.flood_m


def judge_warning(
    series: pd.Series,
    threshold: float | None,
    warning: tuple[datetime, datetime],
    *,
    horizon: timedelta,
    asof: datetime,
) -> bool | None:
    """Judge whether a warning is a hit; None where it does not count or is not settled.

    Parameters
    ----------
    series
        Stage (m) or drought class by its time, naive UTC, in the order of time.
    threshold
        Value that the warning is about, in the unit of the series.
    warning
        Its first and last night.
    horizon
        Time that its level looks ahead.
    asof
        Moment of the question.
    """
    first, last = warning
    begin, end, now = (utc64(moment) for moment in (first, last + horizon, asof))
    times, values = series.index.to_numpy(), series.to_numpy()
    row = int(np.searchsorted(times, begin, side="right"))
    recent = int(np.searchsorted(times, begin - np.timedelta64(48, "h"), side="right"))
    if threshold is None or recent == row or values[row - 1] >= threshold:
        return None
    after = slice(row, int(np.searchsorted(times, min(end, now), side="right")))
    if (values[after] >= threshold).any():
        return True
    days = (end - begin) / np.timedelta64(1, "D")
    days_read = len(np.unique(times[after].astype("M8[D]")))
    return False if end <= now and days_read >= MIN_DAYS_READ * days else None


def choose_track_record(
    city: str,
    level: Level,
    counts: Mapping[tuple[str, Level], tuple[int, int]],
    *,
    since: datetime,
) -> TrackRecord:
    """Choose the track record to give with a warning: the city's own, else that of all gauges.

    Examples
    --------
    >>> counts = {("pakse", Level.WATCH): (12, 8), ("kratie", Level.WATCH): (3, 1)}
    >>> since = datetime(2024, 6, 1, tzinfo=UTC)
    >>> own = choose_track_record("pakse", Level.WATCH, counts, since=since)
    >>> of_all = choose_track_record("kratie", Level.WATCH, counts, since=since)
    >>> (own.issued, own.hits, own.of_city), (of_all.issued, of_all.hits, of_all.of_city)
    ((12, 8, True), (15, 9, False))
    """
    issued, hits = counts.get((city, level), (0, 0))
    if issued >= MIN_ISSUED:
        return TrackRecord(since=since, issued=issued, hits=hits, of_city=True)
    of_level = [count for (_, counted), count in counts.items() if counted is level]
    issued, hits = (sum(count[part] for count in of_level) for part in (0, 1))
    return TrackRecord(since=since, issued=issued, hits=hits, of_city=False)

"""``watch.json``: what the watch saw since the night, in at most 4 kB."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from pipeline.alerts.levels import ORDER, Level
from pipeline.geography import places
from pipeline.geography.gauge_figures import travel_times_d
from pipeline.times import format_utc
from pipeline.watch.rain import RecentRain
from pipeline.watch.readings import WatchedRiver
from pipeline.watch.sudden import SuddenChange, list_arrivals

SCHEMA_VERSION = 1
MOST_BYTES = 4096
HOLDS = timedelta(hours=2)
"""Time from a watch after which its file says nothing of the present: one watch may be lost."""
HEAVY_YEARS = 2.0
"""Return period from which rain is shown as heavy; it is that of the pluvial index."""
SHOWN_DOWNSTREAM = 4
"""Gauges downstream of a sudden change that are named."""
NOTE = (
    "Seen since the night; raises only. A city or gauge under unknown was not seen: that is not "
    "safe. What made a sudden change is not known."
)


@dataclass(frozen=True, kw_only=True)
class Seen:
    """What one watch saw.

    Parameters
    ----------
    asof, night
        Moment of the watch, and issue time of the night that it follows.
    status, origin
        As of the night.
    rain, rivers
        By city, and by gauge.
    sudden
        Sudden changes; None where they are not looked for.
    raised
        Levels that were raised after the night, with those of this watch, as rows of the table.
    missing
        What could not be seen, in words.
    """

    asof: datetime
    night: datetime
    status: str
    origin: str
    rain: Mapping[str, RecentRain]
    rivers: Mapping[str, WatchedRiver]
    sudden: Sequence[SuddenChange] | None
    raised: Sequence[Mapping[str, Any]]
    missing: Sequence[str]

    def heavy_rain(self) -> list[str]:
        """Cities with heavy rain, the rarest first."""
        cities = [city for city, rain in self.rain.items() if rain.years >= HEAVY_YEARS]
        return sorted(cities, key=lambda city: (-self.rain[city].years, city))

    def over_mark(self) -> list[str]:
        """Gauges whose reading since the night is at or above the alarm stage."""
        return [
            code
            for code, watched in sorted(self.rivers.items())
            if watched.read_at is not None
            and watched.river.stage_time == watched.read_at
            and watched.river.stage_m >= self._alarm_m(code)
        ]

    def _alarm_m(self, code: str) -> float:
        alarm_m = places.station(code, asof=self.asof).alarm_m
        return math.inf if alarm_m is None else alarm_m


def write_watch(seen: Seen) -> bytes:
    """Write ``watch.json``: compact, and of what does not fit in 4 kB the mildest goes first.

    ``left_out`` counts the rows that did not fit. A city or gauge in a list ``unknown`` was not
    seen, and none of these is ever left out.

    Parameters
    ----------
    seen
        What the watch saw.
    """
    rows = _list_rows(seen)
    kept = len(rows)
    while len(content := _dump(seen, rows[:kept], left_out=len(rows) - kept)) > MOST_BYTES:
        if kept == 0:
            raise ValueError(f"expected at most {MOST_BYTES} bytes, found {len(content)}")
        kept -= 1
    return content


def _list_rows(seen: Seen) -> list[tuple[str, dict[str, Any]]]:
    """Rows of all lists, the most important first, each with the name of its list."""
    raised = sorted(seen.raised, key=lambda row: -ORDER.index(Level(row["level"])))
    rows = [("raised", _describe_raise(row)) for row in raised]
    rows += [("sudden", _describe_change(change, seen.asof)) for change in seen.sudden or ()]
    rows += [("gauges", _describe_river(code, seen)) for code in seen.over_mark()]
    rows += [("rain", _describe_rain(city, seen.rain[city])) for city in seen.heavy_rain()]
    return rows


def _dump(seen: Seen, rows: Sequence[tuple[str, dict[str, Any]]], *, left_out: int) -> bytes:
    ends = [rain.until for rain in seen.rain.values() if rain.until]
    read = [watched.read_at for watched in seen.rivers.values() if watched.read_at]
    lists: dict[str, list[dict[str, Any]]] = {"raised": [], "sudden": [], "gauges": [], "rain": []}
    for name, row in rows:
        lists[name].append(row)
    document = {
        "schema_version": SCHEMA_VERSION,
        "asof": format_utc(seen.asof),
        "expires_at": format_utc(seen.asof + HOLDS),
        "night": format_utc(seen.night),
        "status": seen.status,
        "origin": seen.origin,
        "note": NOTE,
        "raised": lists["raised"],
        "rain": {
            "until": format_utc(max(ends)) if ends else None,
            "products": sorted({rain.product for rain in seen.rain.values() if rain.product}),
            "heavy": lists["rain"],
            "unknown": sorted(city for city, rain in seen.rain.items() if math.isnan(rain.years)),
        },
        "gauges": {
            "last": format_utc(max(read)) if read else None,
            "over_alarm": lists["gauges"],
            "unknown": sorted(
                code for code, watched in seen.rivers.items() if watched.read_at is None
            ),
        },
        "sudden": None if seen.sudden is None else lists["sudden"],
        "missing": list(seen.missing)[:3],
        "left_out": left_out,
    }
    return json.dumps(document, ensure_ascii=False, allow_nan=False, separators=(",", ":")).encode()


def _describe_raise(row: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "city": row["city"],
        "level": row["level"],
        "change": row["facts"]["change"],
        "time": format_utc(row["watched"]),
        "identifier": row["identifier"],
    }


def _describe_rain(city: str, rain: RecentRain) -> dict[str, Any]:
    return {
        "city": city,
        "mm": round(rain.depth_mm),
        "hours": rain.hours,
        "years": round(rain.years, 1),
        "until": format_utc(rain.until) if rain.until else None,
        "product": rain.product,
    }


def _describe_river(code: str, seen: Seen) -> dict[str, Any]:
    river = seen.rivers[code].river
    station = places.station(code, asof=seen.asof)
    over_flood = station.flood_m is not None and river.stage_m >= station.flood_m
    return {
        "station": code,
        "stage_m": round(river.stage_m, 2),
        "mark": "flood" if over_flood else "alarm",
        "time": format_utc(river.stage_time) if river.stage_time else None,
    }


def _describe_change(change: SuddenChange, asof: datetime) -> dict[str, Any]:
    arrivals = list_arrivals(change, travel_times_d(asof=asof))[:SHOWN_DOWNSTREAM]
    return {
        "station": change.station,
        "change_m": round(change.change_m, 2),
        "hours": change.hours,
        "record_m": round(change.record_m, 2),
        "stage_m": round(change.stage_m, 2),
        "time": format_utc(change.end),
        "downstream": [
            {
                "station": arrival.station,
                "from": format_utc(arrival.earliest),
                "to": format_utc(arrival.latest),
            }
            for arrival in arrivals
        ],
    }

"""Tables of a season's messages, in Markdown."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence
from datetime import timedelta
from itertools import pairwise

from docs.make import table
from pipeline.alerts.levels import Level
from pipeline.alerts.thresholds import stable_band_m
from tests.scenarios.season import (
    CityNight,
    by_city,
    count_uncovered,
    list_endings,
    list_events,
    list_returns,
)
from tests.scenarios.season_checks import CHANGES


def describe_reading(ending: CityNight) -> str:
    """Describe the last reading at the end of a flood, empty where the city has no gauge."""
    decision, station, river = ending.decision, ending.decision.station, ending.decision.river
    if station is None or station.alarm_m is None:
        return ""
    if river is None or river.stage_time is None or math.isnan(river.stage_m):
        return "none"
    age_h = (decision.issue_time - river.stage_time) / timedelta(hours=1)
    below = f"{station.alarm_m - river.stage_m:.2f} m below alarm stage {age_h:.1f} h before"
    if math.isnan(river.change_1d_m):
        return f"{below}, trend not known"
    rising = ", rising" if river.change_1d_m > stable_band_m(station.code) else ""
    return f"{below}, {river.change_1d_m:+.2f} m in a day{rising}"


def describe_rain(ending: CityNight) -> str:
    """Describe the rain of the day before the end of a flood, by its return period."""
    rain = ending.decision.rain
    known = rain is not None and not math.isnan(rain.return_period_years)
    return f"1 in {rain.return_period_years:.1f} y" if rain and known else "not known"


def describe_class(ending: CityNight) -> str:
    """Describe the drought class at the end of a drought."""
    drought = ending.decision.drought
    number = drought.current_class if drought else None
    return "not known" if number is None else "none" if number < 0 else f"D{number}"


def make_tables(season: Sequence[CityNight]) -> dict[str, str]:
    """Make the tables of a season, in Markdown.

    Returns
    -------
    dict
        ``messages``: messages by city, hazard and change, the changes of the level in force, and
        the minutes at which an open event had no valid message. ``floods``: how each flood ended,
        and on what evidence. ``droughts``: the same of droughts, counted. ``again``: ends after
        which a new event of the same city and hazard began within 5 days.
    """
    until = max(each.decision.issue_time for each in season)
    messages, floods = list[tuple[str, ...]](), list[tuple[str, ...]]()
    totals, droughts = dict[str, Counter[str]](), Counter[tuple[str, ...]]()
    ends, again = Counter[str](), Counter[str]()
    for (_, hazard), nights in by_city(season).items():
        name, events = nights[0].decision.city.name, list_events(nights)
        levels = [each.level for each in nights if each.level is not Level.UNKNOWN]
        counts = Counter(message.change for event in events for message in event)
        counts["events"] = len(events)
        counts["levels"] = sum(a is not b for a, b in pairwise([Level.NONE, *levels]))
        counts["uncovered"] = count_uncovered(events, until=until)
        totals.setdefault(hazard, Counter()).update(counts)
        if events:
            messages.append((name, hazard, *_cells(counts)))
        ends[hazard] += counts["ended"]
        again[hazard] += len(list_returns(nights))
        for each in list_endings(nights):
            response = each.told.response if each.told else ""
            day = f"{each.decision.issue_time:%Y-%m-%d}"
            if hazard == "flood":
                floods.append((day, name, response, describe_reading(each), describe_rain(each)))
            else:
                droughts[response, describe_class(each)] += 1
    messages += [("**all**", hazard, *_cells(counts)) for hazard, counts in totals.items()]
    head = ("city", "hazard", "events", *CHANGES, "level changes", "minutes without a message")
    return {
        "messages": table(head, messages),
        "floods": table(("night", "city", "response", "last reading", "rain"), sorted(floods)),
        "droughts": table(
            ("response", "class", "ends"),
            [(*key, str(count)) for key, count in sorted(droughts.items())],
        ),
        "again": table(
            ("hazard", "ends", "followed by a new event within 5 days"),
            [(hazard, str(count), str(again[hazard])) for hazard, count in sorted(ends.items())],
        ),
    }


def _cells(counts: Counter[str]) -> list[str]:
    return [str(counts[name]) for name in ("events", *CHANGES, "levels", "uncovered")]

"""Checks of a season's messages; each returns what it finds wrong."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence
from datetime import datetime, timedelta
from itertools import pairwise

from pipeline.alerts.gauge_criteria import GaugeEvidence
from pipeline.alerts.levels import ORDER, RAISED, Level
from pipeline.alerts.thresholds import rules_for, stable_band_m
from tests.scenarios.season import CityNight, Told, by_city, count_uncovered, list_events

DAY = timedelta(days=1)
Season = Sequence[CityNight]


def name(each: CityNight) -> str:
    decision = each.decision
    return f"{decision.issue_time:%Y-%m-%d} {decision.city.id} {decision.hazard}"


def step_up(before: CityNight, after: CityNight) -> bool:
    """Whether the level of a night is a warning higher than that of the night before."""
    known = before.level if before.level in ORDER else Level.NONE
    return after.level in RAISED and ORDER.index(after.level) > ORDER.index(known)


def pairs(season: Season) -> Iterable[tuple[CityNight, CityNight]]:
    """Each city and hazard on two nights that follow each other."""
    for of_city in by_city(season).values():
        yield from pairwise(of_city)


def events(season: Season) -> Iterable[list[Told]]:
    for of_city in by_city(season).values():
        yield from list_events(of_city)


def raises_not_told(season: Season) -> list[str]:
    """Nights on which a level rose and no message of that night says so."""
    return [
        name(after)
        for before, after in pairs(season)
        if step_up(before, after)
        and (
            after.told is None
            or after.told.sent != after.decision.issue_time
            or after.told.level is not after.level
            or after.told.change not in ("new", "raised")
        )
    ]


def observed_not_told(season: Season) -> list[str]:
    """Nights with a trusted reading above a threshold stage and no message of the level for it."""
    wrong = []
    for each in season:
        gauge = gauge_of(each)
        if gauge is None or not gauge.fresh or gauge.stage_m < gauge.alarm_m:
            continue
        least = Level.EMERGENCY if gauge.stage_m >= gauge.flood_m else Level.WATCH
        if each.told is None or ORDER.index(each.told.level) < ORDER.index(least):
            wrong.append(name(each))
    return wrong


def gauge_of(each: CityNight) -> GaugeEvidence | None:
    decision = each.decision
    if decision.hazard != "flood":
        return None
    return GaugeEvidence.of_city(
        decision.city,
        decision.station,
        decision.river,
        decision.issue_time,
        rules_for(decision.city.id, asof=decision.issue_time),
    )


def raises_without_a_crossing(season: Season) -> list[str]:
    """Nights on which a flood level rose and no evidence crossed a threshold in two nights."""
    wrong = []
    for of_city in by_city(season).values():
        for number, (before, after) in enumerate(pairwise(of_city), start=1):
            if after.decision.hazard == "flood" and step_up(before, after):
                recent = of_city[max(number - 2, 0) : number + 1]
                if not any(crossed(a, b) for a, b in pairwise(recent)):
                    wrong.append(name(after))
    return wrong


def crossed(before: CityNight, after: CityNight) -> bool:
    """Whether evidence of a flood level came above its threshold, or had been unknown."""
    rules = rules_for(after.decision.city.id, asof=after.decision.issue_time)
    margin = rules.raise_margin
    bounds: dict[str, tuple[float, ...]] = {"rain": (rules.watch_rain_years,)}
    bounds |= {
        f"p_{level}": (p, p + margin)
        for level, p in (
            ("watch", rules.watch_p_alarm_7d),
            ("warning", rules.warning_p_flood_5d),
            ("emergency", rules.emergency_p_flood_2d),
        )
    }
    if station := after.decision.station:
        bounds["stage"] = tuple(m for m in (station.alarm_m, station.flood_m) if m is not None)
        # At alarm stage a river that begins to rise raises the level.
        bounds["change"] = (stable_band_m(station.code),)
    then, now = evidence(before), evidence(after)
    return any(
        now[key] >= bound and not then[key] >= bound
        for key, values in bounds.items()
        for bound in values
    )


def evidence(each: CityNight) -> dict[str, float]:
    """Figures that levels of floods rest on, NaN where they are not known."""
    rain, gauge = each.decision.rain, gauge_of(each)
    values = dict.fromkeys(("p_watch", "p_warning", "p_emergency", "stage", "change"), math.nan)
    values["rain"] = rain.return_period_years if rain else math.nan
    if gauge:
        values |= {f"p_{level.value}": gauge.probability(level) for level in RAISED}
        values["stage"] = gauge.doubt.lowest_m if gauge.on_doubt and gauge.doubt else gauge.stage_m
        values["change"] = 9.9 if gauge.rising else 0.0
    return values


def changes_within_a_day(season: Season) -> list[str]:
    """Messages that change a level less than a day after another change in their event."""
    wrong = []
    for event in events(season):
        changed = [b for a, b in pairwise(event) if a.level is not b.level]
        wrong += [b.identifier for a, b in pairwise(changed) if b.sent - a.sent < DAY]
    return wrong


def broken_references(season: Season) -> list[str]:
    """Updates that do not refer to all messages of their event that had not expired, or to others.

    The message before is among them, so that a reader who holds any of an event finds its begin.
    """
    wrong = []
    for event in events(season):
        wrong += [event[0].identifier] * bool(event[0].references)
        for number, message in enumerate(event[1:], start=1):
            earlier = {
                f"{each.sender},{each.identifier}": each.sent.isoformat() for each in event[:number]
            }
            valid = {
                f"{each.sender},{each.identifier}"
                for each in event[:number]
                if each is event[number - 1] or each.expires > message.sent
            }
            named = dict(reference.rsplit(",", 1) for reference in message.references)
            if (
                len(named) < len(message.references)
                or not valid <= named.keys() <= earlier.keys()
                or any(
                    datetime.fromisoformat(sent).isoformat() != earlier[key]
                    for key, sent in named.items()
                )
            ):
                wrong.append(message.identifier)
    return wrong


def not_covered(season: Season) -> list[str]:
    """Cities and hazards with minutes at which an event was open without a valid message."""
    until = max(each.decision.issue_time for each in season)
    return [
        f"{city} {hazard}"
        for (city, hazard), of_city in by_city(season).items()
        if count_uncovered(list_events(of_city), until=until)
    ]


CHECKS: tuple[Callable[[Season], list[str]], ...] = (
    raises_not_told,
    observed_not_told,
    raises_without_a_crossing,
    changes_within_a_day,
    broken_references,
    not_covered,
)
"""What no night of a season may do."""

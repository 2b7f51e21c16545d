"""Checks of a season's messages; each returns what it finds wrong."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from datetime import datetime, timedelta
from itertools import pairwise
from typing import get_args

from lxml import etree

from pipeline.alerts.gauge_criteria import GaugeEvidence
from pipeline.alerts.levels import ORDER, RAISED, Level
from pipeline.alerts.thresholds import rules_for, stable_band_m
from pipeline.choices import Change
from tests.scenarios.season import (
    CityNight,
    Told,
    by_city,
    count_uncovered,
    list_endings,
    list_events,
    list_returns,
)
from tests.scenarios.season_figures import figures_that_did_not_move, figures_that_moved_untold

DAY = timedelta(days=1)
CHANGES = get_args(Change)
"""Values of ``change``."""
EVERYWHERE = ("change", "level_in_force", "eventOnsetTime", "eventEndingTime")
"""Parameters that every ``info`` of a message has alike."""
SLACK_M = 1e-4
"""Slack of a comparison with a threshold stage: 11.5 - 0.2 is not exactly 11.3."""
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
    """Nights on which a level rose and no message of that night says so.

    A drought that eased is told within a week: where it worsens again before, the message in force
    already says the level.
    """
    wrong = []
    for of_city in by_city(season).values():
        last: Told | None = None
        for before, after in pairwise(of_city):
            last = before.told or last
            stands = (
                after.decision.hazard == "drought"
                and before.is_open
                and last is not None
                and ORDER.index(last.level) >= ORDER.index(after.level)
            )
            if (
                step_up(before, after)
                and not stands
                and (
                    after.told is None
                    or after.told.sent != after.decision.issue_time
                    or after.told.level is not after.level
                    or after.told.change not in {"new", "raised"}
                )
            ):
                wrong.append(name(after))
    return wrong


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


def changes_not_stated(season: Season) -> list[str]:
    """Messages in which an ``info`` lacks ``change`` or the level in force, or says another one."""
    return [
        told.identifier
        for told in messages(season)
        if told.change not in CHANGES
        or any(
            facts.get(key) != told.facts.get(key)
            for facts in told.other_facts
            for key in EVERYWHERE
        )
    ]


def messages(season: Season) -> Iterable[Told]:
    for event in events(season):
        yield from event


def changes_against_the_levels(season: Season) -> list[str]:
    """Messages whose ``change`` is not that of their levels, or whose event goes on after its end.

    Only an end has the response AllClear; an end has no other than that and Monitor.
    """
    wrong = [event[0].identifier for event in events(season) if event[0].change != "new"]
    for event in events(season):
        wrong += [told.identifier for told in event[:-1] if told.ends]
        wrong += [
            told.identifier
            for told in event
            if (told.response == "AllClear" and not told.ends)
            or (told.ends and told.response not in {"AllClear", "Monitor"})
        ]
        for before, after in pairwise(event):
            if after.ends:
                continue
            step = ORDER.index(after.level) - ORDER.index(before.level)
            change = "raised" if step > 0 else "lowered" if step < 0 else ""
            if (change or after.change) != after.change or (
                not change and after.change not in {"figures", "reissued", "unassessed"}
            ):
                wrong.append(after.identifier)
            if after.change == "unassessed" and after.facts["level"] != Level.UNKNOWN:
                wrong.append(after.identifier)
    return wrong


def rests_on_river(event: Sequence[Told]) -> bool:
    """Whether the river raised an event, by the last of its messages that assessed it."""
    levels = [told.facts.get("river_level", Level.UNKNOWN) for told in event]
    known = [level for level in levels if level != Level.UNKNOWN]
    return bool(known) and known[-1] in RAISED


def short_lived(season: Season) -> list[str]:
    """Nights after which an open event of the river has no message for 50 hours more."""
    wrong = []
    for of_city in by_city(season).values():
        event = list[Told]()
        for each in of_city:
            if each.told is not None:
                event = [*event, each.told] if each.told.references else [each.told]
            if (
                each.is_open
                and rests_on_river(event)
                and event[-1].expires < each.decision.issue_time + timedelta(hours=50)
            ):
                wrong.append(name(each))
    return wrong


def lifetimes(season: Season) -> list[str]:
    """Messages that do not hold for 54 h (river), 30 h (rain alone) or 9 days (drought)."""
    wrong = []
    for (_, hazard), of_city in by_city(season).items():
        for event in list_events(of_city):
            for number, told in enumerate(event, start=1):
                held = told.expires - told.sent
                river = timedelta(hours=54 if rests_on_river(event[:number]) else 30)
                if not told.ends and held != (9 * DAY if hazard == "drought" else river):
                    wrong.append(told.identifier)
    return wrong


def droughts_told_too_often(season: Season) -> list[str]:
    """Messages of droughts within a week of another one, but for new, raised and ended ones."""
    wrong = []
    for (_, hazard), of_city in by_city(season).items():
        if hazard == "drought":
            weekly = [
                told
                for event in list_events(of_city)
                for told in event
                if told.change not in {"new", "raised", "ended"}
            ]
            wrong += [b.identifier for a, b in pairwise(weekly) if b.sent - a.sent < 7 * DAY]
    return wrong


def false_all_clears(season: Season) -> list[str]:
    """AllClears of floods without a last reading of a day that is well below alarm stage.

    Not older than 24 hours, 0.20 m below, and falling or steady.
    """
    wrong = []
    for each in season:
        told, river, station = each.told, each.decision.river, each.decision.station
        if told is None or told.response != "AllClear" or each.decision.hazard != "flood":
            continue
        if (
            river is None
            or river.stage_time is None
            or station is None
            or station.alarm_m is None
            or not told.sent - river.stage_time <= DAY
            or not river.stage_m <= station.alarm_m - 0.20 + SLACK_M
            or not river.change_1d_m <= stable_band_m(station.code)
        ):
            wrong.append(told.identifier)
    return wrong


def incidents_of_several_events(season: Season) -> list[str]:
    """Events without one name for their whole life, or with that of another event."""
    names = [{told.incidents for told in event} for event in events(season)]
    every = Counter(incident for incidents in names for incident in incidents)
    return [
        event[0].identifier
        for event, incidents in zip(events(season), names, strict=True)
        if len(incidents) != 1 or "" in incidents or any(every[each] > 1 for each in incidents)
    ]


def white_space(season: Season) -> list[str]:
    """Messages with white space between elements."""
    return [
        told.identifier
        for told in messages(season)
        if any(
            text is not None and not text.strip()
            for node in etree.fromstring(told.content).iter()
            for text in (node.text if len(node) else None, node.tail)
        )
    ]


def ends_that_did_not_last(season: Season) -> list[str]:
    """Ends that a new event follows within 5 days, where these are 5 % of all ends or more."""
    nights = by_city(season).values()
    ends = sum(len(list_endings(of_city)) for of_city in nights)
    returns = [told.identifier for of_city in nights for told in list_returns(of_city)]
    return returns if len(returns) >= 0.05 * ends and returns else []


CHECKS: tuple[Callable[[Season], list[str]], ...] = (
    raises_not_told,
    observed_not_told,
    raises_without_a_crossing,
    changes_within_a_day,
    broken_references,
    not_covered,
    changes_not_stated,
    changes_against_the_levels,
    short_lived,
    lifetimes,
    figures_that_did_not_move,
    figures_that_moved_untold,
    droughts_told_too_often,
    false_all_clears,
    incidents_of_several_events,
    white_space,
    ends_that_did_not_last,
)
"""What no night of a season may do."""

"""Notices of every city, level, hazard and change for the tests of short and spoken texts."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from functools import lru_cache

from pipeline.alerts.decision import Decision, Status
from pipeline.alerts.evidence import Rain
from pipeline.alerts.levels import RAISED, Level
from pipeline.alerts.notice import Ending, Notice, Phase
from pipeline.choices import Change
from pipeline.geography.places import City, cities, stations
from tests.alerts.alert_cases import drought as decide_drought
from tests.alerts.alert_cases import dry_spell, flood, hold, river

ISSUE_TIME = datetime(2026, 10, 20, 0, 30, tzinfo=UTC)
"""A day whose week ahead has dates of four digits, the longest."""
WET = Rain(return_period_years=10.0, pluvial_index=1.5)
ENDINGS: tuple[Ending, ...] = ("all_clear", "monitor", "not_known")
PHASES: tuple[Phase, ...] = ("onset", "worsening", "partial_recovery", "full_recovery")


def tell(
    decision: Decision,
    *,
    event: Level | None = None,
    change: Change = "new",
    status: Status = "Actual",
    ending: Ending | None = None,
    phase: Phase | None = None,
    authority: str | None = None,
) -> Notice:
    """Make the notice of a decision; its event is the level in force by default."""
    return Notice(
        decision=decision,
        status=status,
        event=event or decision.in_force,
        change=change,
        ending=ending,
        phase=phase,
        sent=decision.issue_time,
        expires=decision.issue_time + timedelta(hours=54),
        incident=f"{decision.city.id}-{decision.hazard}-20261020",
        product="warning",
        authority=authority,
    )


def flood_at(city: City, level: Level, *, stage_m: float = 19.29) -> Decision:
    """Flood of a level in force; its forecast is highest on 27 October, 0.70 m above the stage."""
    station = stations()[city.station] if city.station else None
    gauged = None
    if station:
        gauged = river(issue_time=ISSUE_TIME, stage_m=stage_m, station=station.code)
    return replace(
        flood(),
        issue_time=ISSUE_TIME,
        city=city,
        station=station,
        river=gauged,
        rain=WET,
        level=level,
        in_force=level,
        river_level=level if station else None,
        rain_level=Level.NONE if station else Level.WATCH,
    )


def drought_at(city: City, level: Level) -> Decision:
    """Drought of a level in force."""
    decision = decide_drought(dry_spell(now=1), issue_time=ISSUE_TIME)
    return replace(decision, city=city, level=level, in_force=level)


def ended(decision: Decision, ending: Ending) -> Decision:
    """Decision with which an event ends."""
    level = Level.UNKNOWN if ending == "not_known" else Level.NONE
    return replace(decision, level=level, in_force=level)


def endings(decision: Decision, status: Status, authority: str | None) -> Iterator[Notice]:
    """Notices of each end of the event of a decision."""
    for ending in ENDINGS:
        recovers = decision.hazard == "drought" and ending == "all_clear"
        yield tell(
            ended(decision, ending),
            event=decision.in_force,
            change="ended",
            status=status,
            ending=ending,
            phase="full_recovery" if recovers else None,
            authority=authority,
        )


def flood_notices(city: City, status: Status, authority: str | None) -> Iterator[Notice]:
    """Notices of a city's floods; without a gauge none is above Watch."""
    for level in RAISED if city.station else RAISED[:1]:
        decision = flood_at(city, level)
        changes: tuple[Change, ...] = ("new", "raised", "lowered", "figures", "reissued")
        for change in changes:
            yield tell(decision, change=change, status=status, authority=authority)
        held = replace(hold(decision), level=level, river_level=Level.NONE)
        held = replace(held, rain_level=Level.NONE)
        yield tell(held, change="reissued", status=status, authority=authority)
        unknown = replace(decision, level=Level.UNKNOWN)
        yield tell(unknown, change="unassessed", status=status, authority=authority)
        yield from endings(decision, status, authority)
    both = replace(flood_at(city, Level.WATCH), other_hazard=Level.WARNING)
    yield tell(both, status=status, authority=authority)
    rain = replace(both, river_level=Level.NONE if city.station else None, rain_level=Level.WATCH)
    yield tell(rain, status=status, authority=authority)


def drought_notices(city: City, status: Status, authority: str | None) -> Iterator[Notice]:
    """Notices of a city's droughts."""
    for level in RAISED:
        decision = drought_at(city, level)
        for phase in PHASES:
            yield tell(decision, change="figures", status=status, phase=phase, authority=authority)
        yield tell(decision, change="lowered", status=status, authority=authority)
        unknown = replace(decision, level=Level.UNKNOWN)
        yield tell(unknown, change="unassessed", status=status, authority=authority)
        yield from endings(decision, status, authority)
    both = replace(drought_at(city, Level.WATCH), other_hazard=Level.EMERGENCY)
    yield tell(both, status=status, authority=authority)


@lru_cache
def all_notices(authority: str | None = None) -> tuple[Notice, ...]:
    """Notices of every city, hazard, level, change and status."""
    statuses: tuple[Status, ...] = ("Actual", "Exercise", "Test")
    return tuple(
        notice
        for city in cities().values()
        for status in statuses
        for notices in (flood_notices, drought_notices)
        for notice in notices(city, status, authority)
    )

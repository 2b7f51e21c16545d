"""The messages of nights as the tables hold them, for the checks of a season."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime, timedelta
from itertools import pairwise
from typing import Any

from pipeline.alerts.decision import Decision
from pipeline.alerts.message_chain import OUTAGE
from pipeline.issuance import bundle, decide
from pipeline.settings import Settings
from pipeline.storage.database import alerts
from pipeline.storage.records import Records
from tests.scenarios import season_checks as checks
from tests.scenarios.season import CityNight, Told, by_city, list_events, list_gaps, read_message


def incidents_of_other_events(season: Sequence[CityNight]) -> list[str]:
    """Events without one name for their whole life, or with that of another event.

    After an outage an event that has not ended goes on as a new Alert under its name.
    """
    wrong = []
    for of_city in by_city(season).values():
        events = list_events(of_city)
        wrong += [
            event[0].identifier
            for event in events
            if len(names := {told.incidents for told in event}) != 1 or "" in names
        ]
        used = {told.incidents for event in events[:1] for told in event}
        for before, after in pairwise(events):
            names = {told.incidents for told in after}
            if _outlasts(before[-1], after[0]):
                names -= {before[-1].incidents}
            wrong += [after[0].identifier] if names & used else []
            used |= names
    return wrong


def _outlasts(last: Told, following: Told) -> bool:
    """Whether the event of a message that has expired goes on with another one."""
    return not last.ends and timedelta(0) <= following.sent - last.expires <= OUTAGE


CHECKS = (
    checks.observed_not_told,
    checks.changes_within_a_day,
    checks.broken_references,
    checks.changes_not_stated,
    checks.changes_against_the_levels,
    checks.lifetimes,
    checks.droughts_told_too_often,
    checks.false_all_clears,
    incidents_of_other_events,
    checks.white_space,
)
"""Those checks of a season that hold for any nights, also after some that were missed."""
OF_ONE_NIGHT = checks.observed_not_told, checks.false_all_clears
"""Those that look at no other night."""
Span = tuple[datetime, datetime]


@contextmanager
def noting_decisions() -> Iterator[list[Decision]]:
    """Note the decisions that a publication makes, with their evidence."""
    relate, noted = decide.relate_decisions, list[Decision]()

    def relate_and_note(decisions: Sequence[Decision]) -> list[Decision]:
        noted[:] = relate(decisions)
        return list(noted)

    vars(bundle)["relate_decisions"] = relate_and_note
    try:
        yield noted
    finally:
        vars(bundle)["relate_decisions"] = relate


def read_night(
    settings: Settings, asof: datetime, decisions: Sequence[Decision]
) -> list[CityNight]:
    """Read what a night stored and sent.

    Parameters
    ----------
    settings
        Stores.
    asof
        Issue time.
    decisions
        Noted when it was published.
    """
    records = Records(settings.database)
    run = records.run(asof)
    rows = records.get(alerts, asof, run["revision"])
    by_subject = {(row["city"], row["hazard"]): row for row in rows}
    nights = []
    for decision in decisions:
        row = by_subject[decision.city.id, decision.hazard]
        told = (
            read_message(records.message(row["identifier"])["content"])
            if row["identifier"]
            else None
        )
        nights.append(CityNight(decision=decision, state=row["memory"], told=told))
    return nights


def find_faults(nights: Sequence[CityNight]) -> list[str]:
    """Say what no night may do, by the checks of a season that begins with these nights."""
    return [f"{check.__name__}: {found}" for check in CHECKS if (found := check(nights))]


def find_faults_of_one(night: Sequence[CityNight]) -> list[str]:
    """Say what a single night may not do, whatever was told before it."""
    return [f"{check.__name__}: {found}" for check in OF_ONE_NIGHT if (found := check(night))]


def count_uncovered_minutes(
    nights: Sequence[CityNight], *, until: datetime, off: Sequence[Span]
) -> Counter[str]:
    """Count the minutes at which an event was open and no message of it in force.

    Parameters
    ----------
    nights
        All nights, in order.
    until
        Moment up to which an event without an end is counted.
    off
        Times at which the machine was off.

    Returns
    -------
    collections.Counter
        ``running``, and ``off`` where the machine was.
    """
    minutes = Counter(running=0, off=0)
    for of_city in by_city(nights).values():
        for gap in list_gaps(list_events(of_city), until=until):
            asleep = sum(_overlap_minutes(gap, span) for span in off)
            minutes["off"] += asleep
            minutes["running"] += _minutes(gap) - asleep
    return minutes


def _minutes(span: Span) -> int:
    return round((span[1] - span[0]) / timedelta(minutes=1))


def _overlap_minutes(one: Span, other: Span) -> int:
    return max(_minutes((max(one[0], other[0]), min(one[1], other[1]))), 0)


def count_messages(nights: Sequence[CityNight]) -> int:
    """Count the messages."""
    return sum(isinstance(night.told, Told) for night in nights)


def list_runs(settings: Settings) -> list[dict[str, Any]]:
    """All runs, the first issued first."""
    return Records(settings.database).runs()[::-1]

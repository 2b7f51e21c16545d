"""Levels that the watch raises between two nights, with their messages in the night's chains."""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from pipeline.alerts.alert_state import AlertState, restore_state
from pipeline.alerts.cap import Message
from pipeline.alerts.decision import Decision, Hazard, choose_status
from pipeline.alerts.evidence import Rain
from pipeline.alerts.facts import collect_facts
from pipeline.alerts.flood import decide_flood
from pipeline.alerts.gauge_criteria import GaugeEvidence
from pipeline.alerts.levels import RAISED, Level, higher
from pipeline.alerts.message_chain import next_message
from pipeline.alerts.thresholds import Rules, rules_for
from pipeline.exchange.messages import make_row
from pipeline.geography import places
from pipeline.geography.places import City
from pipeline.issuance.bundle import name_issuer, write_short_texts
from pipeline.issuance.proof import write_proof
from pipeline.issuance.snapshot import Snapshot
from pipeline.settings import Settings
from pipeline.storage import database
from pipeline.storage.records import Records
from pipeline.watch.rain import RecentRain
from pipeline.watch.readings import WatchedRiver

PREFIX = "watch-"
"""Of the identifiers of its messages, behind that of the settings."""


@dataclass(frozen=True, kw_only=True)
class Raised:
    """A level that the watch raised, its message, and what the tables keep of it.

    Parameters
    ----------
    decision
        Decision that the message tells.
    datum
        Time of the reading, or end of the rain, that raised it.
    message
        CAP message.
    row, sent
        Rows of the tables of raises and of messages.
    """

    decision: Decision
    datum: datetime
    message: Message
    row: dict[str, Any]
    sent: dict[str, Any]


def find_raises(
    snapshot: Snapshot,
    run: Mapping[str, Any],
    *,
    seen: Mapping[str, Any],
    rivers: Mapping[str, WatchedRiver],
    rain: Mapping[str, RecentRain],
    settings: Settings,
) -> list[Raised]:
    """Decide which levels of flood are raised above those in force, and write their messages.

    The criteria are those of the night (:func:`pipeline.alerts.flood.decide_flood`), on what is
    observed alone: the forecast has been counted by the night. Nothing is lowered and nothing ends.
    After a message was withdrawn only a later reading or later rain raises again.

    Parameters
    ----------
    snapshot
        Stores as of the watch.
    run
        Row of the last run whose alerts were issued.
    seen
        Column ``seen`` of the table of raises: of what was sent since the run only that which it
        names counts.
    rivers, rain
        What the watch sees, by gauge and by city.
    settings
        Settings; what the messages name is that of the run.
    """
    settings = settings.model_copy(update=run["settings"])
    records, asof = snapshot.records, snapshot.asof
    memory = _read_memory(records, run, since=seen["since"])
    cancels = [
        row
        for row in records.cancellations()
        if row["issue_time"] < run["issue_time"] or row["identifier"] in seen["since"]
    ]
    withdrawn = {message: row["sent"] for row in cancels for message in row["messages"]}
    in_force: dict[tuple[str, Hazard], Level] = {
        key: _level_in_force(restore_state(row, cancelled=withdrawn), asof)
        for key, row in memory.items()
    }
    raised = []
    for city in places.cities(snapshot.region, asof=asof).values():
        state = restore_state(memory.get((city.id, "flood")), cancelled=withdrawn)
        evidence = _Evidence.of_city(
            city, rivers=rivers, rain=rain, rules=rules_for(city.id, asof=asof), asof=asof
        )
        level, datum = evidence.observe()
        now = in_force.get((city.id, "flood"), Level.NONE)
        if datum is None or level is now or higher(level, now) is now:
            continue
        cancelled_at = [
            row["sent"] for row in cancels if (row["city"], row["hazard"]) == (city.id, "flood")
        ]
        if any(datum <= moment for moment in cancelled_at):
            continue
        decision = _relate(evidence.decide(state), in_force)
        levels = in_force | {(city.id, "flood"): decision.in_force}
        message, row = _write_message(decision, state, run, seen, settings)
        proof = write_proof(
            message, decision, row["facts"], run={**run, **seen}, snapshot=snapshot, levels=levels
        )
        sent = make_row(message, proof=proof) | {"watched": asof}
        raised.append(Raised(decision=decision, datum=datum, message=message, row=row, sent=sent))
    return raised


def list_sent_since(records: Records, run: Mapping[str, Any]) -> list[str]:
    """List the identifiers of what watches and Cancels have sent since a run."""
    raised = records.raises(run["issue_time"], run["revision"])
    return [row["identifier"] for row in (*raised, *records.cancellations(run["issue_time"]))]


def _read_memory(
    records: Records, run: Mapping[str, Any], *, since: Collection[str]
) -> dict[tuple[str, Hazard], dict[str, Any]]:
    """Read what a run and the raises after it hand on, by city and hazard."""
    key = run["issue_time"], run["revision"]
    raised = [row for row in records.raises(*key) if row["identifier"] in since]
    rows = [*records.get(database.alerts, *key), *raised]
    return {(row["city"], row["hazard"]): row["memory"] for row in rows}


@dataclass(frozen=True, kw_only=True)
class _Evidence:
    """What the watch sees of one city."""

    city: City
    river: WatchedRiver | None
    rain: RecentRain
    rules: Rules
    asof: datetime

    @classmethod
    def of_city(
        cls,
        city: City,
        *,
        rivers: Mapping[str, WatchedRiver],
        rain: Mapping[str, RecentRain],
        rules: Rules,
        asof: datetime,
    ) -> _Evidence:
        return cls(
            city=city,
            river=rivers.get(city.station or ""),
            rain=rain.get(city.id, RecentRain()),
            rules=rules,
            asof=asof,
        )

    def observe(self) -> tuple[Level, datetime | None]:
        """Highest level that an observation of after the night reaches, and its time."""
        level, datum = Level.NONE, None
        if self.rain.years >= self.rules.watch_rain_years:
            level, datum = Level.WATCH, self.rain.until
        station = places.station(self.city.station, asof=self.asof) if self.city.station else None
        if self.river is None or self.river.read_at is None:
            return level, datum
        gauge = GaugeEvidence.of_city(self.city, station, self.river.river, self.asof, self.rules)
        for reached, criterion in gauge.criteria().items() if gauge else ():
            if criterion.observed and higher(reached, level) is not level:
                level, datum = reached, self.river.read_at
        return level, datum

    def decide(self, state: AlertState | None) -> Decision:
        """Decide as the night does; its forecast is not counted twice."""
        if state is not None:
            counts = {level: max(runs - 1, 0) for level, runs in state.runs_up.items()}
            state = replace(state, runs_up=counts)
        city = self.city
        return decide_flood(
            city,
            issue_time=self.asof,
            station=places.station(city.station, asof=self.asof) if city.station else None,
            river=self.river.river if self.river else None,
            rain=self.rain.evidence() if not math.isnan(self.rain.years) else _NO_RAIN,
            state=state,
            rules=self.rules,
        )


_NO_RAIN = Rain(return_period_years=math.nan, pluvial_index=math.nan)


def _level_in_force(state: AlertState | None, asof: datetime) -> Level:
    """Level of the message in force; NONE where there is none."""
    last = state.sent[-1] if state and state.sent else None
    return Level.NONE if last is None or last.over or last.expires <= asof else last.level


def _relate(decision: Decision, in_force: Mapping[tuple[str, Hazard], Level]) -> Decision:
    """Add the level in force of the city's drought and that of the facing city."""
    city = decision.city
    drought = in_force.get((city.id, "drought"), Level.NONE)
    bank = places.facing(city.id, asof=decision.issue_time)
    facing = None
    if bank is not None:
        level = in_force.get((bank.id, "flood"), Level.NONE)
        facing = bank, level if level in RAISED else Level.UNKNOWN
    return replace(decision, other_hazard=drought if drought in RAISED else None, facing=facing)


def _write_message(
    decision: Decision,
    state: AlertState | None,
    run: Mapping[str, Any],
    seen: Mapping[str, Any],
    settings: Settings,
) -> tuple[Message, dict[str, Any]]:
    """Write the message of a raised level, and its row of the table of raises."""
    city, asof = decision.city, decision.issue_time
    issuer = name_issuer({**run, **seen}, settings)
    issuer = replace(issuer, identifier_prefix=f"{issuer.identifier_prefix}{PREFIX}")
    message, after = next_message(decision, issuer=issuer, revision=0, sent=asof)
    if message is None:
        raise RuntimeError(f"expected a message of a level raised at {city.id}, found none")
    texts = write_short_texts([message.notice], settings.alert_changes_sent)
    return message, {
        "watched": asof,
        "city": city.id,
        "hazard": decision.hazard,
        "level": decision.level.value,
        "identifier": message.identifier,
        "memory": _carry(state, after, run["issue_time"]).to_dict(),
        "facts": collect_facts(
            decision,
            notice=message.notice,
            identifier=message.identifier,
            status=choose_status(decision, origin=run["origin"], wanted=settings.alert_status),
            product=settings.alert_products.get(city.country),
        ),
        "texts": {path: content.decode() for path, content in texts.items()},
        "seen": dict(seen),
    }


def _carry(state: AlertState | None, after: AlertState, issue_time: datetime) -> AlertState:
    """State for the next run: that of the last one, with the raised level and its message.

    The moment and the counts stay those of the run, since no run has passed.
    """
    return replace(
        after,
        issue_time=state.issue_time if state and state.issue_time else issue_time,
        runs_up=dict(state.runs_up) if state else {},
        runs_down={},
        raised_at=after.issue_time,
    )

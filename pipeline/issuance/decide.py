"""Decide flood and drought for every city from the forecasts and products of a run."""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace
from types import MappingProxyType
from typing import Any

import pandas as pd

from pipeline.alerts import track_record
from pipeline.alerts.alert_state import restore_state
from pipeline.alerts.decision import Decision
from pipeline.alerts.drought import decide_drought
from pipeline.alerts.evidence import Drought, LowFlow, Rain, River
from pipeline.alerts.flood import decide_flood
from pipeline.alerts.gauge_criteria import THRESHOLD_STAGE
from pipeline.alerts.levels import RAISED, Level
from pipeline.alerts.thresholds import rules_for
from pipeline.geography import places
from pipeline.geography.places import Station
from pipeline.issuance import observed
from pipeline.issuance.snapshot import Snapshot
from pipeline.quality.selection import select_used

_NO_RAIN = Rain(return_period_years=math.nan, pluvial_index=math.nan)


def decide_cities(
    snapshot: Snapshot,
    stages: pd.DataFrame,
    droughts: pd.DataFrame,
    *,
    rain: Mapping[str, Rain],
    before: list[dict[str, Any]],
    revisions: list[list[dict[str, Any]]],
    cancelled: Collection[str],
    changed_gauges: Mapping[str, Station] = MappingProxyType({}),
    changed_rules: Mapping[str, Any] = MappingProxyType({}),
) -> list[Decision]:
    """Decide flood and drought for every city, by its own thresholds where it has any.

    Parameters
    ----------
    snapshot
        Snapshot of the run.
    stages, droughts
        Forecasts of the run.
    rain
        Rain over each city, from :func:`pipeline.issuance.products.assess_city_rain`.
    before
        Rows of the alerts of the issue before this one.
    revisions
        Rows of the alerts of earlier revisions of this issue.
    cancelled
        Identifiers of the messages that were withdrawn before the run.
    changed_gauges
        Gauges with other threshold stages than those of the tables, by code.
    changed_rules
        Fields of :class:`pipeline.alerts.thresholds.Rules` with another value in every city.
    """
    last, changes = observed.find_last_readings(snapshot), observed.find_daily_changes(snapshot)
    before_by_city = {(row["city"], row["hazard"]): row["memory"] for row in before}
    decisions = []
    for city in places.cities(snapshot.region, asof=snapshot.asof).values():
        gauge = city.station
        station = places.station(gauge, asof=snapshot.asof) if gauge else None
        station = changed_gauges.get(gauge or "", station)
        river = None
        if station is not None and not stages.empty:
            rows = stages[stages["station"] == station.code]
            if not rows.empty:
                change = changes.get(station.code, math.nan)
                river = River.from_rows(rows, change_1d_m=change)
                if station.code in last:
                    river = observed.add_last_readings(river, last[station.code])
        zone = low = None
        if not droughts.empty:
            rows = droughts[droughts["zone"] == f"city:{city.id}"]
            zone = Drought.from_rows(rows) if not rows.empty else None
            rows = droughts[droughts["zone"] == f"gauge:{city.station}"]
            low = LowFlow.from_rows(rows) if not rows.empty else None
        state = {
            hazard: restore_state(
                before_by_city.get((city.id, hazard)),
                revisions=[
                    row["memory"]
                    for revision in revisions
                    for row in revision
                    if (row["city"], row["hazard"]) == (city.id, hazard)
                ],
                cancelled=cancelled,
            )
            for hazard in ("flood", "drought")
        }
        rules = replace(rules_for(city.id, asof=snapshot.asof), **changed_rules)
        flood = decide_flood(
            city,
            issue_time=snapshot.asof,
            station=station,
            river=river,
            rain=rain.get(city.id, _NO_RAIN),
            state=state["flood"],
            rules=rules,
        )
        drought = decide_drought(
            city,
            issue_time=snapshot.asof,
            drought=zone,
            state=state["drought"],
            rules=rules,
        )
        decisions += [flood, replace(drought, low_flow=low)]
    return decisions


def relate_decisions(decisions: Sequence[Decision]) -> list[Decision]:
    """Add to each decision the level of the city's other hazard and that of the facing city.

    Parameters
    ----------
    decisions
        From :func:`decide_cities`.
    """
    levels = {(decision.city.id, decision.hazard): known_level(decision) for decision in decisions}
    related = []
    for decision in decisions:
        city = decision.city
        other = levels.get((city.id, "drought" if decision.hazard == "flood" else "flood"))
        bank = places.facing(city.id, asof=decision.issue_time)
        facing = None
        if bank is not None and decision.hazard == "flood":
            facing = bank, levels.get((bank.id, "flood"), Level.UNKNOWN)
        related.append(
            replace(decision, other_hazard=other if other in RAISED else None, facing=facing)
        )
    return related


def known_level(decision: Decision) -> Level:
    """Level in force; UNKNOWN where none is and the evidence is short."""
    return decision.in_force if decision.in_force in RAISED else decision.level


def add_track_records(
    snapshot: Snapshot, decisions: list[Decision], *, follows: list[Any] | None
) -> list[Decision]:
    """Add the track record to warnings that forecast a stage not yet reached.

    Parameters
    ----------
    snapshot
        Snapshot of the run.
    decisions
        From :func:`decide_cities`.
    follows
        Issue time and revision of the issue before; None where this is the first.
    """
    if not any(_forecasts_threshold_stage(decision) for decision in decisions):
        return decisions
    start = track_record.season_start(snapshot.asof)
    nights = track_record.read_nights(snapshot.records, follows, since=start)
    readings = select_used(snapshot.readings("stage", start=start))
    counts = track_record.count_hits(nights, readings, asof=snapshot.asof)
    since = nights[0][0] if nights else snapshot.asof
    return [
        replace(
            decision,
            track_record=track_record.choose_track_record(
                decision.city.id, decision.in_force, counts, since=since
            ),
        )
        if _forecasts_threshold_stage(decision)
        else decision
        for decision in decisions
    ]


def _forecasts_threshold_stage(decision: Decision) -> bool:
    """Return whether a decision warns of a stage that the river has not reached."""
    station, river = decision.station, decision.river
    if decision.in_force not in RAISED or not decision.state.on_river or not (station and river):
        return False
    by_alarm = THRESHOLD_STAGE[decision.in_force] == "alarm"
    threshold_m = station.alarm_m if by_alarm else station.flood_m
    return threshold_m is not None and not river.stage_m >= threshold_m

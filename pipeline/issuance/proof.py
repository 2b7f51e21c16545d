"""Proof record of a message: what it was decided from, by which rule, and what has changed."""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Iterator, Mapping
from datetime import datetime, timedelta
from typing import Any

from pipeline.alerts.alert_state import Told
from pipeline.alerts.cap import Message
from pipeline.alerts.decision import Decision, Hazard
from pipeline.alerts.drought import DROUGHT_CLASS, DROUGHT_WEEKS
from pipeline.alerts.evidence import TIERS, Lead, find_highest
from pipeline.alerts.facts import Fact
from pipeline.alerts.gauge_criteria import HORIZON_D, THRESHOLD_STAGE
from pipeline.alerts.levels import RAISED, Level
from pipeline.alerts.text import describe_missing
from pipeline.alerts.thresholds import Rules, rules_for
from pipeline.exchange.alert_files import dump_json
from pipeline.geography import places
from pipeline.geography.reference_schema import EVERY_CITY
from pipeline.geography.reference_tables import edition
from pipeline.indices.drought import CDI
from pipeline.issuance.explanation import REASONS
from pipeline.issuance.snapshot import Snapshot
from pipeline.times import format_utc, naive_timestamp

SCHEMA_VERSION = 1
READINGS = timedelta(days=3)
"""Time before the issue whose readings of the gauge are listed."""
CDI_LEVELS = {Level.WATCH: CDI[1], Level.WARNING: CDI[2]}
KINDS = {
    **dict.fromkeys(("unconfirmed", "conflict", "trend"), "stage"),
    **dict.fromkeys((*TIERS, "skill"), "forecast"),
    **dict.fromkeys(("suspect", "spi3"), "rain"),
}
"""Kind of evidence by the key of what is missing, where it is not the key itself."""


def write_proof(
    message: Message,
    decision: Decision,
    facts: Mapping[str, Fact],
    *,
    run: Mapping[str, Any],
    snapshot: Snapshot,
    levels: Mapping[tuple[str, Hazard], Level],
) -> bytes:
    """Write the proof record of a message as JSON; the same arguments give the same bytes.

    Parameters
    ----------
    message
        Message, unsigned.
    decision
        Decision of the night; its state holds the messages sent before.
    facts
        Row of the alerts' files.
    run
        Row of the table of runs.
    snapshot
        Snapshot of the run.
    levels
        Level in force of every city and hazard, UNKNOWN where it is not assessed.
    """
    notice = message.notice
    before = decision.state.sent[-1] if decision.state.sent else None
    return dump_json(
        {
            "schema_version": SCHEMA_VERSION,
            "identifier": message.identifier,
            "sha256": hashlib.sha256(message.content).hexdigest(),
            "city": decision.city.id,
            "hazard": decision.hazard,
            "status": notice.status,
            "issue_time": format_utc(decision.issue_time),
            "revision": run["revision"],
            "sent": format_utc(notice.sent),
            "expires": format_utc(notice.expires),
            "level": notice.event.value,
            "change": notice.change,
            "before": before
            and {
                "identifier": before.identifier,
                "level": before.level.value,
                "differences": _list_differences(decision, decision.state.told),
            },
            "reasons": [
                {"code": reason, "text": REASONS.get(reason, reason.replace("_", " "))}
                for reason in decision.reasons
            ],
            "criteria": list(_list_criteria(decision)),
            "thresholds": _list_thresholds(decision),
            "missing": {
                "evidence": describe_missing(decision.missing),
                "share": _share_missing(decision),
            },
            "facts": dict(facts),
            "neighbours": list(_list_neighbours(decision, levels)),
            "inputs": _summarise_inputs(snapshot),
            "readings": _list_readings(decision, snapshot),
            "archive_snapshot": run["snapshot"],
            "records_batch": run["batch"],
            "model_version": run["model_version"],
            "code_sha256": run["code"],
            "rules_sha256": run["rules"],
        }
    )


def _known(value: float | None, digits: int = 4) -> float | None:
    """Round a value; None where it is not known."""
    return None if value is None or not math.isfinite(value) else round(value, digits)


def _list_criteria(decision: Decision) -> Iterator[dict[str, Any]]:
    """List the criteria of each level: value, threshold, and whether it is reached."""
    rules = rules_for(decision.city.id, asof=decision.issue_time)
    rows = _flood_criteria(decision, rules) if decision.hazard == "flood" else None
    for level, name, value, threshold, unit in rows or _drought_criteria(decision, rules):
        known = _known(value)
        yield {
            "level": level.value,
            "quantity": name,
            "value": known,
            "threshold": threshold,
            "unit": unit,
            "reached": None if known is None or threshold is None else known >= threshold,
        }


_Criterion = tuple[Level, str, float | None, float | None, str]


def _flood_criteria(decision: Decision, rules: Rules) -> Iterator[_Criterion]:
    river, station, rain = decision.river, decision.station, decision.rain
    if station is not None:
        thresholds = {
            Level.WATCH: rules.watch_p_alarm_7d,
            Level.WARNING: rules.warning_p_flood_5d,
            Level.EMERGENCY: rules.emergency_p_flood_2d,
        }
        for level, threshold in thresholds.items():
            stage, days = THRESHOLD_STAGE[level], HORIZON_D[level]
            p = river.p_by(stage, days) if river else None
            yield level, f"p_{stage}_{days}d", p, threshold, "1"
        stage_m = river.stage_m if river else None
        yield Level.WATCH, "stage_m", stage_m, station.alarm_m, "m"
        yield Level.EMERGENCY, "stage_m", stage_m, station.flood_m, "m"
    years = rain.return_period_years if rain else None
    yield Level.WATCH, "rain_return_period_years", years, rules.watch_rain_years, "years"


def _drought_criteria(decision: Decision, rules: Rules) -> Iterator[_Criterion]:
    drought = decision.drought
    class_now = drought.current_class if drought else None
    cdi = CDI.index(drought.cdi) if drought and drought.cdi in CDI else None
    for level in RAISED:
        number = DROUGHT_CLASS[level]
        yield level, "drought_class", class_now, number, "1"
        p = drought.p_class(number, DROUGHT_WEEKS) if drought else None
        yield level, f"p_d{number}_{DROUGHT_WEEKS}w", p, rules.drought_p, "1"
        if level in CDI_LEVELS:
            yield level, "cdi", cdi, CDI.index(CDI_LEVELS[level]), "1"


def _list_thresholds(decision: Decision) -> list[dict[str, str]]:
    """Rows of the reference tables that the levels of the city rest on, with their sources."""
    tables, city = edition(decision.issue_time), decision.city.id
    station = decision.station.code if decision.station else None
    kept = ("value", "unit", "source", "as_of", "verified")
    rows = []
    for table, key, names in (
        ("thresholds.csv", "station", ("station", "kind")),
        ("cost_loss.csv", "city", ("city", "level", "quantity")),
        ("alert_rules.csv", "city", ("city", "rule")),
    ):
        if table != "alert_rules.csv" and decision.hazard == "drought":
            continue
        owners = {station} if key == "station" else {city, EVERY_CITY}
        rows += [
            {"table": table, **{name: row[name] for name in (*names, *kept)}}
            for row in tables.rows(table)
            if row[key] in owners
        ]
    return rows


def _share_missing(decision: Decision) -> float:
    """Share of the kinds of evidence of the hazard that were missing (1)."""
    # Stage, forecast and rain, or gauge and rain; the class, CDI, forecast and inputs of a drought.
    kinds = (2 if "gauge" in decision.missing else 3) if decision.hazard == "flood" else 6
    return round(len({KINDS.get(key, key) for key in decision.missing}) / kinds, 3)


def _list_differences(decision: Decision, told: Told | None) -> dict[str, list[Any]]:
    """Figures that differ from those told last: then and now, by name."""
    if told is None:
        return {}
    leads = decision.river.leads if decision.river else ()
    peak, peak_told = find_highest(leads), find_highest(told.leads)
    drought = decision.drought
    figures: dict[str, tuple[Any, Any]] = {
        "peak_m": (_stage(peak_told), _stage(peak)),
        "peak_time": (_day(peak_told), _day(peak)),
        "onset": (_format(told.onset), _format(decision.onset)),
        "ending_time": (_format(told.ending_time), _format(decision.ending_time)),
        "drought_class": (told.drought_class, drought.current_class if drought else None),
    }
    return {name: list(pair) for name, pair in figures.items() if pair[0] != pair[1]}


def _stage(lead: Lead | None) -> float | None:
    return _known(lead.q50_m, 2) if lead else None


def _day(lead: Lead | None) -> str | None:
    return format_utc(lead.valid_time) if lead else None


def _format(moment: datetime | None) -> str | None:
    return format_utc(moment) if moment else None


def _list_neighbours(
    decision: Decision, levels: Mapping[tuple[str, Hazard], Level]
) -> Iterator[dict[str, Any]]:
    """Level in force of the cities at the next gauges up and down the river, and opposite."""
    if decision.hazard != "flood":
        return
    asof = decision.issue_time
    by_gauge = places.cities_by_gauge(asof=asof)
    stations = places.stations(asof=asof)
    related = []
    if decision.station:
        code = decision.station.code
        related += [("upstream", by_gauge.get(gauge)) for gauge in decision.station.upstream]
        related += [
            ("downstream", by_gauge.get(station.code))
            for station in stations.values()
            if station.upstream[:1] == (code,)
        ]
    related.append(("opposite", places.facing(decision.city.id, asof=asof)))
    for relation, city in related:
        if city is not None and (city.id, "flood") in levels:
            yield {
                "relation": relation,
                "city": city.id,
                "name": city.name,
                "level": levels[city.id, "flood"].value,
            }


def _summarise_inputs(snapshot: Snapshot) -> list[dict[str, Any]]:
    """Files of each source: their number, one digest of all, and the last of them.

    The digest is the SHA-256 of lines ``<SHA-256 of the file>  <name>`` in the order of the names,
    as ``sha256sum`` prints them; ``index.json`` lists the files.
    """
    by_source: dict[str, list[Mapping[str, Any]]] = {}
    for row in snapshot.inputs:
        by_source.setdefault(row["source"], []).append(row)
    summary = []
    for source, rows in sorted(by_source.items()):
        lines = sorted({f"{row['sha256']}  {row['name']}\n" for row in rows}, key=_name_first)
        last = max(rows, key=lambda row: (row["end"], row["name"]))
        summary.append(
            {
                "source": source,
                "files": len(lines),
                "sha256": hashlib.sha256("".join(lines).encode()).hexdigest(),
                "last": last["name"],
                "last_sha256": last["sha256"],
            }
        )
    return summary


def _name_first(line: str) -> tuple[str, str]:
    digest, _, name = line.partition("  ")
    return name, digest


def _list_readings(decision: Decision, snapshot: Snapshot) -> list[dict[str, Any]]:
    """List the readings of the city's gauge of the last days, as known at the issue time."""
    if decision.station is None:
        return []
    table = snapshot.stages_of_week
    recent = table["valid_time"] >= naive_timestamp(decision.issue_time - READINGS)
    rows = table[(table["station"] == decision.station.code) & recent].sort_values("valid_time")
    return [
        {
            "valid_time": f"{row['valid_time']:%Y-%m-%dT%H:%M:%SZ}",
            "stage_m": _known(float(row["value"]), 3),
            "method": row["method"],
            "qc": row["qc"],
        }
        for row in rows.to_dict("records")
    ]


def explain_proof(proof: bytes) -> tuple[str, ...]:
    """Tell a proof record in ten lines of plain words.

    Parameters
    ----------
    proof
        From :func:`write_proof`.
    """
    record = json.loads(proof)
    return (
        _tell_message(record),
        _tell_change(record),
        _tell_evidence(record),
        *_tell_criteria(record),
        _tell_thresholds(record),
        _tell_drivers(record),
        _tell_neighbours(record),
        _tell_missing(record),
        _tell_inputs(record),
    )


def _tell_message(record: Mapping[str, Any]) -> str:
    facts = record["facts"]
    return (
        f"{record['status']}: {facts['name']} {facts['country']}, {record['hazard']}, "
        f"{record['level'].upper()}, sent {record['sent']}, holds until {record['expires']}."
    )


def _tell_change(record: Mapping[str, Any]) -> str:
    before = record["before"]
    if before is None or record["change"] == "new":
        return f"Change: {record['change']}; no message of the event stood before it."
    differences = [
        f"{name} {_word(then)} → {_word(now)}"
        for name, (then, now) in before["differences"].items()
    ]
    if before["level"] != record["level"]:
        differences.insert(0, f"{before['level']} → {record['level']}")
    return (
        f"Change: {record['change']} since {before['identifier']}: "
        f"{', '.join(differences) or 'no figure'}."
    )


def _tell_evidence(record: Mapping[str, Any]) -> str:
    facts = record["facts"]
    if record["hazard"] == "drought":
        return (
            f"Evidence: class {_word(facts['drought_class'])}, SPI-3 {_word(facts['spi3'])}, soil "
            f"moisture at percentile {_word(facts['soil_moisture_percentile'])}, CDI "
            f"{_word(facts['cdi'])}, inputs {_word(facts['tier'])}."
        )
    if facts["station"] is None:
        return "Evidence: no gauge with an alarm stage; the rain over the city alone."
    return (
        f"Evidence: {_word(facts['stage_m'])} m at {facts['station']} on "
        f"{_word(facts['stage_time'])}, highest median {_word(facts['peak_m'])} m on "
        f"{_word(facts['peak_time'])}, inputs {_word(facts['tier'])}."
    )


def _tell_criteria(record: Mapping[str, Any]) -> Iterator[str]:
    reached = [row for row in record["criteria"] if row["reached"]]
    others = [row for row in record["criteria"] if row["reached"] is False]
    reasons = "; ".join(reason["text"] for reason in record["reasons"]) or "none is reached"
    numbers = ", ".join(map(_criterion, reached))
    yield f"Rule: {reasons}" + (f": {numbers}." if numbers else ".")
    yield f"Not reached: {', '.join(map(_criterion, others)) or 'none'}."


def _criterion(row: Mapping[str, Any]) -> str:
    sign = "≥" if row["reached"] else "<"
    unit = "" if row["unit"] == "1" else f" {row['unit']}"
    return f"{row['quantity']} {_word(row['value'])} {sign} {row['threshold']:g}{unit}"


def _tell_thresholds(record: Mapping[str, Any]) -> str:
    triggers = ("watch_rain_years", "drought_p")
    sources = dict.fromkeys(
        row["source"]
        for row in record["thresholds"]
        if row["table"] != "alert_rules.csv" or row["rule"] in triggers
    )
    unverified = not record["facts"]["threshold_verified"] and record["facts"]["station"]
    doubt = " The gauge's stages are not verified." if unverified else ""
    return f"Thresholds from: {'; '.join(sources) or 'none'}.{doubt}"


def _tell_drivers(record: Mapping[str, Any]) -> str:
    if record["hazard"] == "drought":
        return f"Phase: {_word(record['facts']['drought_phase'])}."
    drivers = {
        name.removeprefix("driver_").removesuffix("_cm"): value
        for name, value in record["facts"].items()
        if name.startswith("driver_") and value is not None
    }
    largest = sorted(drivers, key=lambda name: -abs(drivers[name]))[:3]
    parts = [f"{name.replace('_', ' ')} {drivers[name]:+.0f} cm" for name in largest]
    return f"Drivers of the peak: {', '.join(parts) or 'not known'}."


def _tell_neighbours(record: Mapping[str, Any]) -> str:
    rows = [f"{row['name']} ({row['relation']}) {row['level']}" for row in record["neighbours"]]
    return f"Neighbours: {', '.join(rows) or 'none'}."


def _tell_missing(record: Mapping[str, Any]) -> str:
    missing = record["missing"]
    named = "; ".join(missing["evidence"]) or "nothing"
    return f"Missing: {named} ({100 * missing['share']:.0f} % of the kinds of evidence)."


def _tell_inputs(record: Mapping[str, Any]) -> str:
    rows = [f"{row['files']} of {row['source']}" for row in record["inputs"]]
    return (
        f"Made from files: {', '.join(rows) or 'none'}; {len(record['readings'])} readings of the "
        f"gauge in {READINGS.days} days; model {record['model_version']}, code "
        f"{record['code_sha256'][:12]}, archive {record['archive_snapshot']}, ingest "
        f"{record['records_batch']}."
    )


def _word(value: object) -> str:
    if value is None:
        return "not known"
    return f"{value:.4g}" if isinstance(value, float) else str(value)

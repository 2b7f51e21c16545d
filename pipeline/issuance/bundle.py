"""The bundle of a run: files of its tree, rows of its alerts, and why the night is degraded."""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import pandas as pd

from pipeline.alerts import cap, facts
from pipeline.alerts.decision import Decision
from pipeline.alerts.facts import LIFETIME
from pipeline.alerts.message_chain import describe_event, next_message
from pipeline.alerts.notice import Notice
from pipeline.alerts.short_texts import write_broadcasts, write_sms
from pipeline.alerts.spoken import write_read, write_say
from pipeline.alerts.templates import LANGUAGES
from pipeline.choices import Change
from pipeline.exchange import alert_files, forecast_files, index, netcdf, zone_files
from pipeline.exchange.issue import Issue
from pipeline.exchange.messages import list_cancelled, make_row
from pipeline.issuance import products
from pipeline.issuance.decide import (
    add_track_records,
    decide_cities,
    known_level,
    relate_decisions,
)
from pipeline.issuance.missing import find_missing
from pipeline.issuance.observed import read_used_stages
from pipeline.issuance.proof import write_proof
from pipeline.issuance.snapshot import Snapshot
from pipeline.remarks import Remark, list_texts
from pipeline.settings import Settings
from pipeline.storage import database
from pipeline.storage.records import Records
from pipeline.times import format_utc

STEP = timedelta(days=1)
VIRTUAL_SOURCE = "virtual basin, not measured"


@dataclass(frozen=True)
class Bundle:
    """What a run publishes.

    Parameters
    ----------
    files
        Content by path in the tree, which :func:`pipeline.exchange.tree.make_tree` completes.
    alerts
        Rows of the table of alerts, one per city and hazard; those without a message have no
        identifier.
    messages
        Rows of the table of messages, those that the run sends.
    degraded
        Why the night is degraded; empty where it is not.
    """

    files: dict[str, bytes]
    alerts: list[dict[str, Any]]
    messages: list[dict[str, Any]]
    degraded: tuple[str, ...] = ()


def make_bundle(
    snapshot: Snapshot,
    run: dict[str, Any],
    *,
    stages: pd.DataFrame,
    droughts: pd.DataFrame,
    settings: Settings,
    model_remarks: Sequence[Remark] = (),
) -> Bundle:
    """Decide, word and index everything that a run publishes, without writing.

    Parameters
    ----------
    snapshot
        Snapshot of the run.
    run
        Row of the table of runs.
    stages, droughts
        Forecasts of the run.
    settings
        Upstream; status, scope and sender are those of the run.
    model_remarks
        Faults of the models.
    """
    settings = settings.model_copy(update=run["settings"])
    risk = products.compute_risk_indices(snapshot)
    before, revisions = read_earlier_alerts(snapshot.records, run)
    decisions = decide_cities(
        snapshot,
        stages,
        droughts,
        rain=products.assess_city_rain(snapshot, risk),
        before=before,
        revisions=revisions,
        cancelled=list_cancelled(snapshot.records, run),
    )
    decisions = add_track_records(snapshot, decisions, follows=run["follows"])
    decisions = relate_decisions(decisions)
    messages = _make_messages(decisions, run, settings)
    files = {
        cap.message_path(message.identifier): message.content for message in messages.due.values()
    }
    if not run["late"]:
        files |= write_short_texts(messages.events, settings.alert_changes_sent)
    rows = facts.collect_rows(
        decisions,
        messages.in_force,
        {(event.decision.city.id, event.decision.hazard): event for event in messages.events},
        products=settings.alert_products,
        origin=run["origin"],
        wanted=settings.alert_status,
    )
    issue = Issue(
        issue_time=snapshot.asof,
        status="Exercise" if run["origin"] == "virtual" else settings.alert_status,
        origin=run["origin"],
    )
    files["alerts.geojson"] = alert_files.write_geojson(
        rows,
        issue_time=snapshot.asof,
        status=issue.status,
        areas={decision.city.id: decision.city.area for decision in decisions},
    )
    files["alerts.csv"] = alert_files.write_csv(rows)
    files["forecasts.csv"] = forecast_files.write_forecasts(stages, issue)
    files["stages.csv"] = forecast_files.write_stages(read_used_stages(snapshot), issue)
    files["zones.geojson"] = zone_files.write_zones(snapshot.region, issue)
    second_opinion = products.read_second_opinion(snapshot)
    if second_opinion:
        files["second_opinion.csv"] = alert_files.write_csv(second_opinion)
    left_out = list[Remark]()
    name = settings.alert_sender_name or "mekong-early-warning, an automatic forecast"
    issuer = {"institution": name, "creator_name": name, "publisher_name": name}
    if settings.public_url:
        issuer |= {"creator_url": settings.public_url, "publisher_url": settings.public_url}
    mark = "" if issue.status == "Actual" else f"{issue.status}: "
    for file, indices in {"risk.nc": risk, **products.compute_monthly_indices(snapshot)}.items():
        if indices is not None:
            left_out += products.describe_impossible(indices, file)
            attributes = products.ATTRIBUTES[file]
            files[file] = netcdf.write_netcdf(
                products.mask_impossible(indices),
                source=VIRTUAL_SOURCE if run["origin"] == "virtual" else "measured",
                issue_time=snapshot.asof,
                status=issue.status,
                origin=issue.origin,
                expires_at=format_utc(snapshot.asof + LIFETIME),
                **issuer,
                **attributes | {"title": f"{mark}{attributes['title']}"},
            )
    missing = find_missing(snapshot, upstream=settings.upstream)
    files["index.json"] = index.write_index(
        decisions,
        issue_time=snapshot.asof,
        revision=run["revision"],
        status=issue.status,
        origin=issue.origin,
        inputs={f"{row['source']}/{row['name']}": row["sha256"] for row in snapshot.inputs},
        missing=[*missing.no_provider, *model_remarks, *missing.remarks, *left_out],
        archive_snapshot=run["snapshot"],
        records_batch=run["batch"],
        model_version=run["model_version"],
    )
    degraded = (*list_texts([*missing.no_provider, *model_remarks]), *missing.degraded)
    sent = _list_sent(messages.due, decisions, rows, run=run, snapshot=snapshot)
    return Bundle(files, messages.alerts, sent, degraded)


def _list_sent(
    due: Mapping[tuple[str, str], cap.Message],
    decisions: Sequence[Decision],
    rows: Sequence[Mapping[str, facts.Fact]],
    *,
    run: Mapping[str, Any],
    snapshot: Snapshot,
) -> list[dict[str, Any]]:
    """Rows of the table of messages, with their proof records."""
    facts_of = {(row["city"], row["hazard"]): row for row in rows}
    levels = {(decision.city.id, decision.hazard): known_level(decision) for decision in decisions}
    return [
        make_row(
            message,
            proof=write_proof(
                message,
                decision,
                facts_of[decision.city.id, decision.hazard],
                run=run,
                snapshot=snapshot,
                levels=levels,
            ),
        )
        for decision in decisions
        if (message := due.get((decision.city.id, decision.hazard)))
    ]


def read_earlier_alerts(
    records: Records, run: dict[str, Any]
) -> tuple[list[dict[str, Any]], list[list[dict[str, Any]]]]:
    """Read the alerts of the issue before a run, and of each earlier revision of its issue.

    What the hourly watch raised after the issue before stands in its alerts; what it raised after
    an earlier revision stands behind those of the revision.
    """
    before = []
    if run["follows"] is not None:
        moment, revision = run["follows"]
        key = datetime.fromisoformat(moment), revision
        raised = {(row["city"], row["hazard"]): row for row in records.raises(*key)}
        rows = records.get(database.alerts, *key)
        before = [raised.get((row["city"], row["hazard"]), row) for row in rows]
    revisions = [
        table
        for earlier in range(run["revision"])
        for table in (
            records.get(database.alerts, run["issue_time"], earlier),
            records.raises(run["issue_time"], earlier),
        )
    ]
    return before, revisions


@dataclass(frozen=True)
class _Messages:
    """Messages and identifiers in force by city and hazard; open and ended events; alerts' rows."""

    due: dict[tuple[str, str], cap.Message]
    events: list[Notice]
    alerts: list[dict[str, Any]]
    in_force: dict[tuple[str, str], str]


def name_issuer(run: Mapping[str, Any], settings: Settings) -> cap.Issuer:
    """Name the sender of a run's messages, and what they were made from.

    Parameters
    ----------
    run
        Row of the table of runs.
    settings
        Settings with those of the run.
    """
    return cap.Issuer(
        sender=settings.alert_sender,
        status=settings.alert_status,
        scope=settings.alert_scope,
        origin=run["origin"],
        model_version=run["model_version"],
        archive_snapshot=run["snapshot"],
        records_batch=run["batch"],
        identifier_prefix=settings.alert_identifier_prefix,
        sender_name=settings.alert_sender_name,
        contact=settings.alert_contact,
        public_url=settings.public_url,
        authorities=settings.alert_authorities,
        products=settings.alert_products,
    )


def _make_messages(
    decisions: Sequence[Decision], run: dict[str, Any], settings: Settings
) -> _Messages:
    issuer = name_issuer(run, settings)
    sent = run["sent"] or run["issue_time"]
    messages = _Messages({}, [], [], {})
    for decision in decisions:
        key = decision.city.id, decision.hazard
        message, state = None, decision.state
        if not run["late"]:
            message, state = next_message(
                decision, issuer=issuer, revision=run["revision"], sent=sent
            )
            event = describe_event(decision, issuer=issuer, sent=sent)
            messages.events.extend([event] if event else [])
        if message is not None:
            messages.due[key] = message
        last = state.sent[-1] if state.sent else None
        if last is not None and not last.over and last.expires > sent:
            messages.in_force[key] = last.identifier
        messages.alerts.append(
            {
                "city": decision.city.id,
                "hazard": decision.hazard,
                "level": decision.level.value,
                "identifier": message.identifier if message else None,
                "sha256": hashlib.sha256(message.content).hexdigest() if message else None,
                "memory": state.to_dict(),
            }
        )
    return messages


def write_short_texts(events: Sequence[Notice], sent: Collection[Change]) -> dict[str, bytes]:
    """Write the short and spoken texts of open and ended events, by their paths in the tree.

    Parameters
    ----------
    events
        Open events, and those that end.
    sent
        Changes at which the short texts of an event are to be sent.
    """
    due = [event for event in events if event.change in sent]
    texts = {}
    for language in LANGUAGES:
        texts[f"sms/{language}.txt"] = write_sms(events, language)
        texts[f"sms/due/{language}.txt"] = write_sms(due, language)
        texts[f"cb/{language}.txt"] = write_broadcasts(events, language)
        texts[f"cb/due/{language}.txt"] = write_broadcasts(due, language)
        texts[f"read/{language}.txt"] = write_read(events, language)
        texts[f"say/{language}.json"] = write_say(events, language)
    return {path: text.encode() for path, text in texts.items()}

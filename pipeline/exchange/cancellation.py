"""Withdraw a message issued in error: a CAP Cancel, kept in the tables and added to the tree."""

from __future__ import annotations

import json
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from lxml import etree

from pipeline.alerts.alert_state import AlertState, SentMessage
from pipeline.alerts.cap import NAMESPACE, message_path, split_languages, write_cancel
from pipeline.alerts.short_texts import drop_event
from pipeline.alerts.spoken import drop_spoken_event
from pipeline.alerts.templates import LANGUAGES
from pipeline.alerts.text import compose_cancellation
from pipeline.exchange.index import mark_cancelled
from pipeline.exchange.publication import folder_name, publish_tree, read_tree
from pipeline.geography import places
from pipeline.storage import database
from pipeline.storage.records import Records
from pipeline.times import format_utc

_END = datetime(9999, 1, 1, tzinfo=UTC)


class NotInForce(LookupError):  # noqa: N818
    """A message cannot be withdrawn; the text says why."""


@dataclass(frozen=True)
class Cancelled:
    """A message that was withdrawn.

    Parameters
    ----------
    message
        Identifier of the message.
    identifier, path
        Identifier of its CAP Cancel, and where that is published.
    """

    message: str
    identifier: str
    path: str


def cancel_message(
    records: Records, message: str, *, reason: str, when: datetime, folder: Path
) -> Cancelled:
    """Withdraw the message in force of a city and hazard, and publish its Cancel.

    The Cancel refers to every message of the event that has not expired. It is stored first and
    then published: where the process is killed in between, the same call publishes it.

    Parameters
    ----------
    records
        Tables.
    message
        Identifier of the message.
    reason
        Error in the message, in English.
    when
        Moment of the Cancel.
    folder
        Folder of all published trees.

    Raises
    ------
    ValueError
        The reason is empty.
    LookupError
        No such message was published, or it is not in force.
    FileNotFoundError
        The published tree with the message, or that of the last run, is not there.
    """
    if not reason.strip():
        raise ValueError(f"expected a reason, found {reason!r}")
    alert = records.alert(message)
    rows = records.cancellations()
    row = next((earlier for earlier in rows if message in earlier["messages"]), None)
    if row is None:
        row = _write_row(records, alert, reason=reason, when=when, folder=folder)
        records.add_cancellation(row)
    elif (_tree_path(row, folder) / _cap_path(row)).is_file():
        raise NotInForce(
            f"{message}: expected a message in force, found it cancelled by {row['identifier']}"
        )
    tree = add_cancellations(read_tree(_tree_path(row, folder)), [row])
    published = publish_tree(tree, folder=folder, issue_time=row["issue_time"])
    return Cancelled(message, row["identifier"], str(published / _cap_path(row)))


def add_cancellations(
    tree: Mapping[str, bytes], rows: Iterable[Mapping[str, Any]]
) -> dict[str, bytes]:
    """Add Cancels to a tree, mark in its feeds and index what they withdraw, and drop its texts.

    Parameters
    ----------
    tree
        Content of each file by its path.
    rows
        Rows of the table of cancellations.
    """
    files = dict(tree)
    for row in rows:
        content = row["content"].encode()
        files[_cap_path(row)] = content
        for language, part in split_languages(content).items():
            files[message_path(row["identifier"], language)] = part
        files |= _drop_texts(files, row["messages"])
        files = mark_cancelled(files, messages=row["messages"], by=row["identifier"])
    return files


def _drop_texts(tree: Mapping[str, bytes], messages: Collection[str]) -> dict[str, bytes]:
    """Short and spoken texts of a tree without the events whose message in force is withdrawn."""
    rows = (feature["properties"] for feature in json.loads(tree["alerts.geojson"])["features"])
    events = [f"{row['city']}-{row['hazard']}" for row in rows if row["identifier"] in messages]
    changed = {}
    for path, content in tree.items():
        folder = path.partition("/")[0]
        if folder in {"sms", "cb", "read", "say"}:
            drop = drop_spoken_event if folder == "say" else drop_event
            text = content.decode()
            for event in events:
                text = drop(text, event)
            changed[path] = text.encode()
    return changed


def read_cancel(records: Records, identifier: str) -> bytes | None:
    """Read a CAP Cancel as it was sent; None where no Cancel has the identifier."""
    for row in records.cancellations():
        if row["identifier"] == identifier:
            return str(row["content"]).encode()
    return None


def list_cancelled(records: Records, run: Mapping[str, Any]) -> set[str]:
    """List the identifiers of the messages that were withdrawn before a run was issued.

    They include Cancels of later nights for a run of an older night that is made after them.

    Parameters
    ----------
    records
        Tables.
    run
        Row of the table of runs.
    """
    return {
        message
        for row in records.cancellations()
        if _precedes(row, run)
        for message in row["messages"]
    }


def _precedes(row: Mapping[str, Any], run: Mapping[str, Any]) -> bool:
    """Return whether a Cancel was sent before a run was issued."""
    if row["revisions"] is None:
        return (row["issue_time"], row["revision"]) < (run["issue_time"], run["revision"])
    return bool(run["revision"] > row["revisions"].get(run["issue_time"].isoformat(), -1))


def _write_row(
    records: Records, alert: Mapping[str, Any], *, reason: str, when: datetime, folder: Path
) -> dict[str, Any]:
    """Write the Cancel of a message in force, as a row of the table of cancellations."""
    identifier = alert["identifier"]
    city, hazard = alert["city"], alert["hazard"]
    run, chain = _last_chain(records, city, hazard)
    _check_in_force(identifier, chain, last_issue=run[0], when=when)
    path = folder / folder_name(alert["issue_time"]) / message_path(identifier)
    if not path.is_file():
        raise FileNotFoundError(f"expected the message in {path}, found none")
    message = path.read_bytes()
    status = etree.fromstring(message).findtext(f"{{{NAMESPACE}}}status") or ""
    references = [sent for sent in chain if sent.expires > when]
    note = f"Issued in error: {reason.strip().rstrip('.')}."
    texts = {
        language: compose_cancellation(
            places.city(city, asof=when),
            hazard,
            status=status,
            note=note,
            language=language,
            when=when,
        )
        for language in LANGUAGES
    }
    content = write_cancel(
        message,
        texts,
        identifier=f"{identifier}-cancel",
        sent=when,
        references=references,
        note=note,
    )
    return {
        "issue_time": run[0],
        "revision": run[1],
        "city": city,
        "hazard": hazard,
        "identifier": f"{identifier}-cancel",
        "messages": [sent.identifier for sent in references],
        "sent": when,
        "reason": reason,
        "revisions": {
            moment.isoformat(): revision
            for moment, revision in records.last_revisions(since=references[0].sent).items()
        },
        "content": content.decode(),
    }


def _last_chain(
    records: Records, city: str, hazard: str
) -> tuple[tuple[datetime, int], tuple[SentMessage, ...]]:
    """Return the key of the last run that was issued, and the messages of the event then open."""
    run = records.last_issued(before=_END)
    rows = records.get(database.alerts, *run) if run else []
    for row in rows:
        if run and (row["city"], row["hazard"]) == (city, hazard):
            return run, AlertState.from_dict(row["memory"]).sent
    raise NotInForce(f"expected {city}, {hazard} among the last alerts, found none")


def _check_in_force(
    identifier: str, chain: tuple[SentMessage, ...], *, last_issue: datetime, when: datetime
) -> SentMessage:
    """Return the newest message of a chain if it is the one in question and in force.

    Raises
    ------
    NotInForce
        The message is not in force; the text says why.
    """
    newest = chain[-1] if chain else None
    if when < last_issue:
        state = f"{format_utc(when)}, before the last issue at {format_utc(last_issue)}"
    elif newest is None or identifier not in {message.identifier for message in chain}:
        state = "its event closed"
    elif newest.identifier != identifier:
        state = f"it superseded by {newest.identifier}"
    elif newest.over:
        state = "the end of its event"
    elif newest.expires <= when:
        state = f"it expired at {format_utc(newest.expires)}"
    else:
        return newest
    raise NotInForce(f"{identifier}: expected a message in force, found {state}")


def _tree_path(row: Mapping[str, Any], folder: Path) -> Path:
    return folder / folder_name(row["issue_time"])


def _cap_path(row: Mapping[str, Any]) -> str:
    return message_path(row["identifier"])

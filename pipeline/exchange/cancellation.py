"""Withdraw a message issued in error: a CAP Cancel, kept in the tables and added to the tree."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from lxml import etree

from pipeline.alerts.alert_state import AlertState, SentMessage
from pipeline.alerts.cap import NAMESPACE, message_path, write_cancel
from pipeline.alerts.templates import LANGUAGES
from pipeline.alerts.text import compose_cancellation
from pipeline.exchange.keys import load_keys
from pipeline.exchange.publication import folder_name, publish_tree, publishing, read_tree
from pipeline.exchange.signatures import strip_signature
from pipeline.exchange.tree import make_tree
from pipeline.geography import places
from pipeline.settings import Settings
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
    degraded
        What could not be made anew without the message, in words.
    """

    message: str
    identifier: str
    path: str
    degraded: tuple[str, ...] = ()


def cancel_message(
    records: Records, message: str, *, reason: str, when: datetime, settings: Settings
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
    settings
        Published trees, and what :func:`pipeline.exchange.tree.make_tree` needs.

    Raises
    ------
    ValueError
        The reason is empty.
    LookupError
        No such message was published, or it is not in force.
    FileNotFoundError
        The published tree of the last run is not there.
    """
    folder = settings.published_dir
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
    run = records.run(row["issue_time"], row["revision"])
    keys = load_keys(settings, required=run["origin"] != "virtual")
    with publishing(folder):
        files = read_tree(_tree_path(row, folder))
        tree = make_tree(files, records, run, settings=settings, keys=keys)
        published = publish_tree(tree, folder=folder, issue_time=row["issue_time"], keys=keys)
    return Cancelled(message, row["identifier"], str(published / _cap_path(row)))


def read_cancel(records: Records, identifier: str) -> bytes | None:
    """Read a CAP Cancel as it was sent; None where no Cancel has the identifier."""
    for row in records.cancellations():
        if row["identifier"] == identifier:
            return str(row["content"]).encode()
    return None


def _write_row(
    records: Records, alert: Mapping[str, Any], *, reason: str, when: datetime, folder: Path
) -> dict[str, Any]:
    """Write the Cancel of a message in force, as a row of the table of cancellations."""
    identifier = alert["identifier"]
    city, hazard = alert["city"], alert["hazard"]
    run, chain = _last_chain(records, city, hazard)
    newest = _check_in_force(identifier, chain, last_issue=run[0], when=when)
    when = max(when, newest.sent)  # the virtual basin has another time than the clock
    message = _read_message(records, alert, folder)
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


def _read_message(records: Records, alert: Mapping[str, Any], folder: Path) -> bytes:
    """Read a message as it was sent; one of before the tables kept them, as it was published."""
    try:
        return bytes(records.message(alert["identifier"])["content"])
    except LookupError:
        path = folder / folder_name(alert["issue_time"]) / message_path(alert["identifier"])
        if not path.is_file():
            raise
        return strip_signature(path.read_bytes())


def _last_chain(
    records: Records, city: str, hazard: str
) -> tuple[tuple[datetime, int], tuple[SentMessage, ...]]:
    """Return the key of the last run that was issued, and the messages of the event then open.

    Those of the hourly watch after that run are among them.
    """
    run = records.last_issued(before=_END)
    rows = [*records.raises(*run)[::-1], *records.get(database.alerts, *run)] if run else []
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

"""Messages of a published tree: all in force, and those that were over less than two days ago."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from pipeline.alerts.cap import Message
from pipeline.alerts.message_chain import DROUGHT_LIFETIME
from pipeline.geography import places
from pipeline.geography.grid import GRIDS
from pipeline.storage.records import Records

KEPT = timedelta(hours=48)
"""Time for which a message stays in the tree after it was replaced, ended or expired."""
LOOK_BACK = DROUGHT_LIFETIME + KEPT
"""Time after its sending for which a message can be in a tree."""


@dataclass(frozen=True, kw_only=True)
class TreeMessage:
    """A message of a published tree.

    Parameters
    ----------
    identifier
        CAP identifier.
    city, country, hazard
        Of what it tells; the country by ISO 3166-1, empty where the city is in no table any more.
    content, proof
        CAP message, unsigned, and its proof record; a Cancel has none.
    left_at
        When it was replaced, ended its event, was withdrawn or expired; None while it is in force.
    ends
        Whether it tells of an end: a Cancel, or the last message of an event.
    """

    identifier: str
    city: str
    country: str
    hazard: str
    content: bytes
    proof: bytes | None
    left_at: datetime | None
    ends: bool = False


def make_row(message: Message, *, proof: bytes | None) -> dict[str, Any]:
    """Make the row of the table of messages for one that is sent.

    Parameters
    ----------
    message
        Message, unsigned.
    proof
        Its proof record; None for a drill.
    """
    notice = message.notice
    return {
        "identifier": message.identifier,
        "city": notice.decision.city.id,
        "hazard": notice.decision.hazard,
        "change": notice.change,
        "sent": notice.sent,
        "expires": notice.expires,
        "content": message.content,
        "proof": proof,
    }


def list_messages(
    sent: Sequence[Mapping[str, Any]], cancels: Iterable[Mapping[str, Any]], *, now: datetime
) -> list[TreeMessage]:
    """List the messages of a tree in the order of their sending, Cancels last.

    Parameters
    ----------
    sent
        Rows of the table of messages.
    cancels
        Rows of the table of cancellations.
    now
        Moment of the tree.
    """
    cancels = list(cancels)
    withdrawn = {message: row["sent"] for row in cancels for message in row["messages"]}
    rows = sorted(
        sent, key=lambda row: (row["sent"], row["issue_time"], row["revision"], row["identifier"])
    )
    next_sent: dict[tuple[str, str], datetime] = {}
    listed = []
    for row in reversed(rows):
        key = row["city"], row["hazard"]
        ends = [
            next_sent.get(key),
            withdrawn.get(row["identifier"]),
            row["sent"] if row["change"] == "ended" else None,
            row["expires"] if row["expires"] <= now else None,
        ]
        next_sent[key] = row["sent"]
        listed.append((row, min(filter(None, ends), default=None)))
    listed = listed[::-1] + [(row, row["sent"]) for row in cancels]
    return [
        TreeMessage(
            identifier=row["identifier"],
            city=row["city"],
            country=_find_country(row["city"], asof=row["issue_time"]),
            hazard=row["hazard"],
            content=_content(row),
            proof=row.get("proof"),
            left_at=left_at,
            ends=row.get("change", "ended") == "ended",
        )
        for row, left_at in listed
        if left_at is None or now - left_at < KEPT
    ]


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
        if precedes(row, run)
        for message in row["messages"]
    }


def precedes(row: Mapping[str, Any], run: Mapping[str, Any]) -> bool:
    """Return whether a Cancel was sent before a run was issued."""
    if row["revisions"] is None:
        return (row["issue_time"], row["revision"]) < (run["issue_time"], run["revision"])
    return bool(run["revision"] > row["revisions"].get(run["issue_time"].isoformat(), -1))


def _find_country(city: str, *, asof: datetime) -> str:
    """Country of a city as of a moment; empty where no table has it any more."""
    for region in GRIDS:
        if row := places.cities(region, asof=asof).get(city):
            return row.country
    return ""


def _content(row: Mapping[str, Any]) -> bytes:
    content = row["content"]
    return content.encode() if isinstance(content, str) else bytes(content)

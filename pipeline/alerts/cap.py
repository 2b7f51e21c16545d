"""Write CAP 1.2 messages (OASIS Standard, 1 July 2010) as XML."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Literal

from lxml import etree

from pipeline.alerts.alert_state import SentMessage
from pipeline.alerts.decision import Decision, Status
from pipeline.alerts.feeds import Fact, collect_facts
from pipeline.alerts.levels import RAISED, Level
from pipeline.alerts.text import Text
from pipeline.geography.places import CITY_RADIUS_KM
from pipeline.sources.base import Origin

NAMESPACE = "urn:oasis:names:tc:emergency:cap:1.2"
LIFETIME = timedelta(hours=36)
"""Time from sending to expiry: one nightly run may fail."""
RESTRICTION = (
    "For hydrometeorological and disaster management authorities of the Mekong countries; "
    "not for release to the public."
)
ELEMENTS = frozenset(
    {
        "status", "issue_time", "name", "country", "lat_deg", "lon_deg", "headline", "identifier",
        "urgency", "severity", "certainty", "onset",
    }
)  # fmt: skip
"""Facts that elements of the message carry; the others become parameters."""
RESPONSE = {Level.WATCH: "Monitor", Level.WARNING: "Prepare", Level.EMERGENCY: "Execute"}


@dataclass(frozen=True, kw_only=True)
class Issuer:
    """Sender of the messages of a run, their status, and the versions they are made from.

    Parameters
    ----------
    sender, sender_name
        CAP sender (no spaces, commas, ``<`` or ``&``) and its readable name.
    status
        Status wanted for measured data.
    scope
        CAP scope.
    origin
        ``virtual`` if any input is virtual.
    model_version, archive_snapshot, records_batch
        Versions that a replay names.

    Raises
    ------
    ValueError
        The sender cannot be part of a reference.
    """

    sender: str
    sender_name: str
    status: Literal["Actual", "Test"]
    scope: Literal["Public", "Restricted"]
    origin: Origin
    model_version: str
    archive_snapshot: str
    records_batch: int

    def __post_init__(self) -> None:
        if not self.sender or any(char in self.sender for char in " ,<&\t\n"):
            raise ValueError(f"sender: expected no space, comma, '<' or '&', found {self.sender!r}")


@dataclass(frozen=True, kw_only=True)
class Message:
    """One CAP message: its identifier and its bytes."""

    identifier: str
    content: bytes


def format_moment(moment: datetime) -> str:
    """Format a moment as CAP requires, with an offset and never ``Z``.

    Examples
    --------
    >>> format_moment(datetime(2026, 8, 20, 0, 30, tzinfo=UTC))
    '2026-08-20T00:30:00-00:00'
    """
    return f"{moment.astimezone(UTC):%Y-%m-%dT%H:%M:%S}-00:00"


def write_message(
    decision: Decision,
    texts: Sequence[Text],
    *,
    issuer: Issuer,
    status: Status,
    event: Level,
    identifier: str,
    references: Sequence[SentMessage],
) -> bytes:
    """Write one CAP message; the same arguments give the same bytes.

    Parameters
    ----------
    decision, texts
        Subject, and its text in each language, one ``<info>`` each.
    issuer
        Sender of the message.
    status
        CAP status.
    event
        Level of the event: the one in force, or the one that ends.
    identifier
        Identifier of this message.
    references
        Messages of the event before this one; empty for an Alert.

    Raises
    ------
    ValueError
        Virtual data without status Exercise, Actual on unverified thresholds, or no event.
    """
    _refuse(status, issuer.origin)
    station = decision.station
    if status == "Actual" and station and not station.threshold_verified:
        raise ValueError(
            f"{station.code}: expected verified thresholds for status Actual, found unverified ones"
        )
    if event not in RAISED:
        raise ValueError(f"{identifier}: expected an event of Watch or above, found {event.value}")
    alert = _envelope(
        issuer,
        status=status,
        kind="Update" if references else "Alert",
        identifier=identifier,
        sent=decision.issue_time,
        references=references,
        note="",
    )
    for text in texts:
        _info(alert, decision, text, issuer=issuer, event=event)
    return _serialise(alert)


def write_cancel(
    references: Sequence[SentMessage],
    *,
    issuer: Issuer,
    status: Status,
    identifier: str,
    when: datetime,
    reason: str,
) -> bytes:
    """Withdraw messages that were issued in error; an event that ends is an Update instead.

    Parameters
    ----------
    references
        Messages to withdraw.
    issuer, status, identifier, when
        As in :func:`write_message`; ``when`` is the moment it is sent.
    reason
        What the error was.

    Raises
    ------
    ValueError
        No message or no reason given, or virtual data without status Exercise.
    """
    _refuse(status, issuer.origin)
    if not references or not reason.strip():
        raise ValueError(f"expected messages and a reason, found {len(references)} and {reason!r}")
    alert = _envelope(
        issuer,
        status=status,
        kind="Cancel",
        identifier=identifier,
        sent=when,
        references=references,
        note=f"Issued in error: {reason}",
    )
    return _serialise(alert)


def _refuse(status: Status, origin: Origin) -> None:
    if origin == "virtual" and status != "Exercise":
        raise ValueError(f"expected status Exercise for virtual data, found {status}")


def _serialise(alert: etree._Element) -> bytes:
    return etree.tostring(alert, encoding="UTF-8", xml_declaration=True, pretty_print=True)


def _put(parent: etree._Element, name: str, text: str) -> None:
    etree.SubElement(parent, f"{{{NAMESPACE}}}{name}").text = text


def _pair(parent: etree._Element, name: str, key: str, value: str) -> None:
    node = etree.SubElement(parent, f"{{{NAMESPACE}}}{name}")
    _put(node, "valueName", key)
    _put(node, "value", value)


def _envelope(
    issuer: Issuer,
    *,
    status: Status,
    kind: Literal["Alert", "Update", "Cancel"],
    identifier: str,
    sent: datetime,
    references: Sequence[SentMessage],
    note: str,
) -> etree._Element:
    """Everything above ``<info>``, in the order of the schema."""
    alert = etree.Element(f"{{{NAMESPACE}}}alert", nsmap={None: NAMESPACE})
    _put(alert, "identifier", identifier)
    _put(alert, "sender", issuer.sender)
    _put(alert, "sent", format_moment(sent))
    _put(alert, "status", status)
    _put(alert, "msgType", kind)
    _put(alert, "source", f"Mekong early warning, model {issuer.model_version}")
    _put(alert, "scope", issuer.scope)
    if issuer.scope == "Restricted":
        _put(alert, "restriction", RESTRICTION)
    notes = [note]
    if status == "Exercise" and issuer.origin == "virtual":
        notes.append("Exercise: made from the synthetic data of a virtual basin.")
    if any(notes):
        _put(alert, "note", " ".join(filter(None, notes)))
    if references:
        listed = [
            f"{message.sender},{message.identifier},{format_moment(message.sent)}"
            for message in references
        ]
        _put(alert, "references", " ".join(listed))
    return alert


def _info(
    alert: etree._Element,
    decision: Decision,
    text: Text,
    *,
    issuer: Issuer,
    event: Level,
) -> None:
    """One language, in the order of the schema."""
    over = decision.level is Level.NONE
    info = etree.SubElement(alert, f"{{{NAMESPACE}}}info")
    _put(info, "language", text.language)
    _put(info, "category", "Met")
    _put(info, "event", text.event)
    _put(info, "responseType", "AllClear" if over else RESPONSE[event])
    _put(info, "urgency", "Past" if over else decision.urgency)
    _put(info, "severity", "Minor" if over else decision.severity)
    _put(info, "certainty", "Unlikely" if over else decision.certainty)
    _put(info, "effective", format_moment(decision.issue_time))
    if decision.onset and not over:
        _put(info, "onset", format_moment(decision.onset))
    _put(info, "expires", format_moment(decision.issue_time + LIFETIME))
    _put(info, "senderName", issuer.sender_name)
    _put(info, "headline", text.headline)
    _put(info, "description", text.description)
    _put(info, "instruction", text.instruction)
    for key, value in collect_facts(decision, identifier=None, status="").items():
        if key not in ELEMENTS and value is not None and value != []:
            _pair(info, "parameter", key, _parameter(value))
    _pair(info, "parameter", "model_version", issuer.model_version)
    _pair(info, "parameter", "archive_snapshot", issuer.archive_snapshot)
    _pair(info, "parameter", "records_batch", str(issuer.records_batch))
    area = etree.SubElement(info, f"{{{NAMESPACE}}}area")
    _put(area, "areaDesc", text.area)
    city = decision.city
    _put(area, "circle", f"{city.lat:.4f},{city.lon:.4f} {CITY_RADIUS_KM:.1f}")
    if decision.station:
        _pair(area, "geocode", "MRC station code", decision.station.code)


def _parameter(value: Fact) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    return "; ".join(value) if isinstance(value, list) else str(value)

"""Write CAP 1.2 messages (OASIS Standard, 1 July 2010) as XML."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Literal

from lxml import etree

from pipeline.alerts.alert_state import SentMessage
from pipeline.alerts.decision import Decision, Status
from pipeline.alerts.feeds import Fact, collect_facts
from pipeline.alerts.levels import RAISED, Level
from pipeline.alerts.text import Text
from pipeline.sources.base import Origin

NAMESPACE = "urn:oasis:names:tc:emergency:cap:1.2"
LIFETIME = timedelta(hours=36)
"""Time from sending to expiry: one nightly run may fail."""
RESTRICTION = (
    "For hydrometeorological and disaster management authorities of the Mekong countries; "
    "not for release to the public."
)
EXERCISE_NOTE = "Exercise: made from the synthetic data of a virtual basin."
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
    sender
        CAP sender (no spaces, commas, ``<`` or ``&``); its readable name is part of the texts.
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
    if issuer.origin == "virtual" and status != "Exercise":
        raise ValueError(f"expected status Exercise for virtual data, found {status}")
    station = decision.station
    if status == "Actual" and station and not station.threshold_verified:
        raise ValueError(
            f"{station.code}: expected verified thresholds for status Actual, found unverified ones"
        )
    if event not in RAISED:
        raise ValueError(f"{identifier}: expected an event of Watch or above, found {event.value}")
    alert = _write_envelope(
        identifier=identifier,
        sender=issuer.sender,
        sent=decision.issue_time,
        status=status,
        kind="Update" if references else "Alert",
        source=f"Mekong early warning, model {issuer.model_version}",
        scope=issuer.scope,
        notes=[EXERCISE_NOTE] if issuer.origin == "virtual" else [],
        references=references,
    )
    for text in texts:
        _write_info(alert, decision, text, issuer=issuer, event=event)
    return _serialise(alert)


def write_cancel(
    message: bytes,
    texts: Mapping[str, Text],
    *,
    identifier: str,
    sent: datetime,
    references: Sequence[SentMessage],
    note: str,
) -> bytes:
    """Write the Cancel of a message issued in error; an event that ends is an Update instead.

    Sender, status, scope, source, languages, events and areas are those of the message.

    Parameters
    ----------
    message
        CAP message that is withdrawn, as sent.
    texts
        Text by language.
    identifier, sent
        Of the Cancel.
    references
        Messages that are withdrawn.
    note
        Error in the message.
    """
    original = etree.fromstring(message, etree.XMLParser(remove_blank_text=True))
    values = {etree.QName(child).localname: child.text or "" for child in original}
    alert = _write_envelope(
        identifier=identifier,
        sender=values["sender"],
        sent=sent,
        status=values["status"],
        kind="Cancel",
        source=values["source"],
        scope=values["scope"],
        notes=[note, values.get("note", "")],
        references=references,
    )
    for info in original.findall(f"{{{NAMESPACE}}}info"):
        copied = {etree.QName(child).localname: child.text or "" for child in info}
        text = texts[copied["language"].partition("-")[0]]
        withdrawn = etree.SubElement(alert, f"{{{NAMESPACE}}}info")
        for name in ("language", "category", "event"):
            _put(withdrawn, name, copied[name])
        for name in ("urgency", "severity", "certainty"):
            _put(withdrawn, name, "Unknown")
        _put(withdrawn, "effective", format_moment(sent))
        _put(withdrawn, "expires", copied["expires"])
        _put(withdrawn, "senderName", copied["senderName"])
        _put(withdrawn, "headline", text.headline)
        _put(withdrawn, "description", text.description)
        _put(withdrawn, "instruction", text.instruction)
        withdrawn.extend(info.findall(f"{{{NAMESPACE}}}area"))
    return _serialise(alert)


def _serialise(alert: etree._Element) -> bytes:
    return etree.tostring(alert, encoding="UTF-8", xml_declaration=True, pretty_print=True)


def _put(parent: etree._Element, name: str, text: str) -> None:
    etree.SubElement(parent, f"{{{NAMESPACE}}}{name}").text = text


def _put_pair(parent: etree._Element, name: str, key: str, value: str) -> None:
    node = etree.SubElement(parent, f"{{{NAMESPACE}}}{name}")
    _put(node, "valueName", key)
    _put(node, "value", value)


def _write_envelope(
    *,
    identifier: str,
    sender: str,
    sent: datetime,
    status: str,
    kind: Literal["Alert", "Update", "Cancel"],
    source: str,
    scope: str,
    notes: Sequence[str],
    references: Sequence[SentMessage],
) -> etree._Element:
    """Everything above ``<info>``, in the order of the schema."""
    alert = etree.Element(f"{{{NAMESPACE}}}alert", nsmap={None: NAMESPACE})
    _put(alert, "identifier", identifier)
    _put(alert, "sender", sender)
    _put(alert, "sent", format_moment(sent))
    _put(alert, "status", status)
    _put(alert, "msgType", kind)
    _put(alert, "source", source)
    _put(alert, "scope", scope)
    if scope == "Restricted":
        _put(alert, "restriction", RESTRICTION)
    if any(notes):
        _put(alert, "note", " ".join(filter(None, notes)))
    if references:
        listed = [
            f"{message.sender},{message.identifier},{format_moment(message.sent)}"
            for message in references
        ]
        _put(alert, "references", " ".join(listed))
    return alert


def _write_info(
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
    _put(info, "senderName", text.sender)
    _put(info, "headline", text.headline)
    _put(info, "description", text.description)
    _put(info, "instruction", text.instruction)
    for key, value in collect_facts(decision, identifier=None, status="").items():
        if key not in ELEMENTS and value is not None and value != []:
            _put_pair(info, "parameter", key, _format_parameter(value))
    _put_pair(info, "parameter", "model_version", issuer.model_version)
    _put_pair(info, "parameter", "archive_snapshot", issuer.archive_snapshot)
    _put_pair(info, "parameter", "records_batch", str(issuer.records_batch))
    area = etree.SubElement(info, f"{{{NAMESPACE}}}area")
    _put(area, "areaDesc", text.area)
    city = decision.city
    corners = city.area.exterior.coords
    _put(area, "polygon", " ".join(f"{lat:.4f},{lon:.4f}" for lon, lat in corners))
    if decision.station:
        _put_pair(area, "geocode", "MRC station code", decision.station.code)
    if city.iso_3166_2:
        _put_pair(area, "geocode", "ISO 3166-2", city.iso_3166_2)


def _format_parameter(value: Fact) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    return "; ".join(value) if isinstance(value, list) else str(value)

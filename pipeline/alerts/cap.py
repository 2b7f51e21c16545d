"""Write CAP 1.2 messages (OASIS Standard, 1 July 2010) as XML."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta, timezone
from typing import Literal

from lxml import etree

from pipeline.alerts.alert_state import SentMessage
from pipeline.alerts.facts import Fact, collect_facts
from pipeline.alerts.levels import RAISED, Level
from pipeline.alerts.notice import Notice
from pipeline.alerts.text import Text
from pipeline.choices import Product
from pipeline.sources.base import Origin

NAMESPACE = "urn:oasis:names:tc:emergency:cap:1.2"
RESTRICTION = (
    "For hydrometeorological and disaster management authorities of the Mekong countries; "
    "not for release to the public."
)
EXERCISE_NOTE = "Exercise: made from the synthetic data of a virtual basin."
ELEMENTS = frozenset(
    {
        "status", "issue_time", "name", "country", "lat_deg", "lon_deg", "headline", "identifier",
        "urgency", "severity", "certainty", "onset", "expires_at",
    }
)  # fmt: skip
"""Facts that elements of the message carry; the others become parameters."""
IN_EVERY_INFO = ("change", "level_in_force", "eventOnsetTime", "eventEndingTime")
"""Parameters that every info carries; the others are in the first alone."""
MOMENTS = frozenset({"valid_to", "stage_time", "peak_time", "track_since", "ending_time"})
"""Parameters that are moments; they are on the clock of the city, as all times of a message."""
DECIMALS = {"m": 2, "percent": 0, "cm": 0, "years": 1}
"""Decimals of a parameter by the unit at the end of its name; two for all others."""
EVENT_CODES = {"flood": "OET-081", "rain": "OET-159", "drought": "OET-063"}
"""Codes of the OASIS Event Terms List 1.2; that of rain where nothing but rain is assessed."""
ENDED = {
    "all_clear": ("AllClear", "Past", "Minor", "Unlikely"),
    "monitor": ("Monitor", "Past", "Minor", "Possible"),
    "not_known": ("Monitor", "Past", "Minor", "Possible"),
}
"""Response type, urgency, severity and certainty at the end of an event, never Unknown: receivers
drop such a message, which tells of the end."""
RESPONSE = {Level.WATCH: "Monitor", Level.WARNING: "Prepare", Level.EMERGENCY: "Execute"}


@dataclass(frozen=True, kw_only=True)
class Issuer:
    """Sender of the messages of a run, their status, and the versions they are made from.

    Parameters
    ----------
    sender
        CAP sender (no spaces, commas, ``<`` or ``&``).
    status
        Status wanted for measured data.
    scope
        CAP scope.
    origin
        ``virtual`` if any input is virtual.
    model_version, archive_snapshot, records_batch
        Versions that a replay names.
    identifier_prefix
        What identifiers begin with.
    sender_name
        Readable name of the sender; None for that of the texts of each language.
    contact, public_url
        Whom to ask, and address below which the pages of the cities are published; None where
        there is none.
    authorities, products
        Authority in whose name messages of a country are sent, and what it calls them, by ISO
        3166-1 code.
    note
        Note of every message; None for that of its origin.

    Raises
    ------
    ValueError
        The sender or the prefix cannot be part of a reference.
    """

    sender: str
    status: Literal["Actual", "Test"]
    scope: Literal["Public", "Restricted"]
    origin: Origin
    model_version: str
    archive_snapshot: str
    records_batch: int
    identifier_prefix: str = "mekong-"
    sender_name: str | None = None
    contact: str | None = None
    public_url: str | None = None
    authorities: Mapping[str, str] = field(default_factory=dict)
    products: Mapping[str, Product] = field(default_factory=dict)
    note: str | None = None

    def __post_init__(self) -> None:
        for name, text in (("sender", self.sender), ("identifier", self.identifier_prefix)):
            if not text or any(char in text for char in " ,<&\t\n"):
                raise ValueError(f"{name}: expected no space, comma, '<' or '&', found {text!r}")


@dataclass(frozen=True, kw_only=True)
class Message:
    """One CAP message.

    Parameters
    ----------
    identifier
        CAP identifier.
    notice
        Its subject.
    content
        The message in all languages.
    """

    identifier: str
    notice: Notice
    content: bytes


def message_path(identifier: str, language: str | None = None) -> str:
    """Path of a message in the published tree; that of one language in a folder of its own.

    Examples
    --------
    >>> message_path("mekong-20260820T0030Z-pakse-flood-r0")
    'cap/mekong-20260820T0030Z-pakse-flood-r0.xml'
    >>> message_path("urn:oid:2.49.0.1.418.20260820T0030Z-pakse-flood-r0", "lo")
    'cap/lo/2.49.0.1.418.20260820T0030Z-pakse-flood-r0.xml'
    """
    folder = f"cap/{language}" if language else "cap"
    return f"{folder}/{identifier.rpartition(':')[2]}.xml"


def format_moment(moment: datetime, offset_h: float) -> str:
    """Format a moment as CAP requires, on the clock of a place, never with ``Z``.

    Parameters
    ----------
    moment
        Aware moment.
    offset_h
        Offset from UTC of the place, hours.

    Examples
    --------
    >>> from datetime import UTC
    >>> format_moment(datetime(2026, 8, 20, 0, 30, tzinfo=UTC), 6.5)
    '2026-08-20T07:00:00+06:30'
    """
    return moment.astimezone(timezone(timedelta(hours=offset_h))).isoformat(timespec="seconds")


def write_message(
    notice: Notice,
    texts: Sequence[Text],
    *,
    issuer: Issuer,
    identifier: str,
    references: Sequence[SentMessage],
) -> bytes:
    """Write one CAP message; the same arguments give the same bytes.

    Parameters
    ----------
    notice, texts
        Subject, and its text in each language, one ``<info>`` each. The first one has all
        parameters, the others those that a reader must not miss.
    issuer
        Sender of the message.
    identifier
        Identifier of this message.
    references
        Messages of the event before this one; empty for an Alert.

    Raises
    ------
    ValueError
        Virtual data without status Exercise, Actual on unverified thresholds, or no event.
    """
    decision, status = notice.decision, notice.status
    if issuer.origin == "virtual" and status != "Exercise":
        raise ValueError(f"expected status Exercise for virtual data, found {status}")
    station = decision.station
    if status == "Actual" and station and not station.threshold_verified:
        raise ValueError(
            f"{station.code}: expected verified thresholds for status Actual, found unverified ones"
        )
    if notice.event not in RAISED:
        raise ValueError(
            f"{identifier}: expected an event of Watch or above, found {notice.event.value}"
        )
    alert = _write_envelope(
        identifier=identifier,
        sender=issuer.sender,
        sent=notice.sent,
        offset_h=decision.city.utc_offset_h,
        status=status,
        kind="Update" if references else "Alert",
        source=f"Mekong early warning, model {issuer.model_version}",
        scope=issuer.scope,
        notes=[issuer.note or (EXERCISE_NOTE if issuer.origin == "virtual" else "")],
        references=references,
        incident=notice.incident,
    )
    for text in texts:
        _write_info(alert, notice, text, issuer=issuer, first=text is texts[0], began=references)
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

    Sender, status, scope, source, languages, events, urgency, severity, certainty and areas are
    those of the message.

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
    offset = datetime.fromisoformat(values["sent"]).utcoffset() or timedelta(0)
    offset_h = offset / timedelta(hours=1)
    alert = _write_envelope(
        identifier=identifier,
        sender=values["sender"],
        sent=sent,
        offset_h=offset_h,
        status=values["status"],
        kind="Cancel",
        source=values["source"],
        scope=values["scope"],
        notes=[note, values.get("note", "")],
        references=references,
        incident=values.get("incidents", ""),
    )
    for info in original.findall(f"{{{NAMESPACE}}}info"):
        copied = {etree.QName(child).localname: child.text or "" for child in info}
        text = texts[copied["language"].partition("-")[0]]
        withdrawn = etree.SubElement(alert, f"{{{NAMESPACE}}}info")
        for name in ("language", "category", "event", "urgency", "severity", "certainty"):
            _put(withdrawn, name, copied[name])
        withdrawn.extend(info.findall(f"{{{NAMESPACE}}}eventCode"))
        _put(withdrawn, "expires", copied["expires"])
        _put(withdrawn, "senderName", copied["senderName"])
        _put(withdrawn, "headline", text.headline)
        _put(withdrawn, "description", text.description)
        _put(withdrawn, "instruction", text.instruction)
        for name in ("web", "contact"):
            if name in copied:
                _put(withdrawn, name, copied[name])
        withdrawn.extend(info.findall(f"{{{NAMESPACE}}}area"))
    return _serialise(alert)


def split_languages(message: bytes) -> dict[str, bytes]:
    """Split a message into messages of one language each, with all parameters.

    Parameters
    ----------
    message
        CAP message.

    Returns
    -------
    dict
        Message by language, without the country of its tag.
    """
    tag = f"{{{NAMESPACE}}}"
    parts = {}
    for number, info in enumerate(etree.fromstring(message).findall(f"{tag}info")):
        alert = etree.fromstring(message)
        infos = alert.findall(f"{tag}info")
        parameters = infos[0].findall(f"{tag}parameter")
        for other in infos[:number] + infos[number + 1 :]:
            alert.remove(other)
        kept = infos[number]
        for parameter in kept.findall(f"{tag}parameter") if number else ():
            kept.remove(parameter)
        area = kept.find(f"{tag}area")
        if number and area is not None:
            for parameter in parameters:
                area.addprevious(parameter)
        parts[(info.findtext(f"{tag}language") or "").partition("-")[0]] = _serialise(alert)
    return parts


def _serialise(alert: etree._Element) -> bytes:
    return etree.tostring(alert, encoding="UTF-8", xml_declaration=True)


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
    offset_h: float,
    status: str,
    kind: Literal["Alert", "Update", "Cancel"],
    source: str,
    scope: str,
    notes: Sequence[str],
    references: Sequence[SentMessage],
    incident: str,
) -> etree._Element:
    """Everything above ``<info>``, in the order of the schema."""
    alert = etree.Element(f"{{{NAMESPACE}}}alert", nsmap={None: NAMESPACE})
    _put(alert, "identifier", identifier)
    _put(alert, "sender", sender)
    _put(alert, "sent", format_moment(sent, offset_h))
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
            f"{message.sender},{message.identifier},{format_moment(message.sent, offset_h)}"
            for message in references
        ]
        _put(alert, "references", " ".join(listed))
    if incident:
        _put(alert, "incidents", incident)
    return alert


def _write_info(
    alert: etree._Element,
    notice: Notice,
    text: Text,
    *,
    issuer: Issuer,
    first: bool,
    began: Sequence[SentMessage],
) -> None:
    """One language, in the order of the schema."""
    decision, city = notice.decision, notice.decision.city
    if notice.ending:
        response, urgency, severity, certainty = ENDED[notice.ending]
    else:
        response = RESPONSE[notice.event]
        urgency, severity, certainty = decision.urgency, decision.severity, decision.certainty
    info = etree.SubElement(alert, f"{{{NAMESPACE}}}info")
    _put(info, "language", text.language)
    _put(info, "category", "Met")
    _put(info, "event", text.event)
    _put(info, "responseType", response)
    _put(info, "urgency", urgency)
    _put(info, "severity", severity)
    _put(info, "certainty", certainty)
    code = "rain" if decision.hazard == "flood" and decision.station is None else decision.hazard
    _put_pair(info, "eventCode", "OET:v1.2", EVENT_CODES[code])
    _put(info, "effective", format_moment(notice.sent, city.utc_offset_h))
    if decision.onset and not notice.ending and decision.onset <= notice.expires:
        _put(info, "onset", format_moment(decision.onset, city.utc_offset_h))
    _put(info, "expires", format_moment(notice.expires, city.utc_offset_h))
    _put(info, "senderName", notice.authority or issuer.sender_name or text.sender)
    _put(info, "headline", text.headline)
    _put(info, "description", text.description)
    _put(info, "instruction", text.instruction)
    if issuer.public_url:
        language = text.language.partition("-")[0]
        _put(info, "web", f"{issuer.public_url.rstrip('/')}/page/{language}/{city.id}.html")
    if issuer.contact:
        _put(info, "contact", issuer.contact)
    for key, value in _collect_parameters(notice, issuer=issuer, began=began).items():
        if first or key in IN_EVERY_INFO:
            _put_pair(info, "parameter", key, value)
    area = etree.SubElement(info, f"{{{NAMESPACE}}}area")
    _put(area, "areaDesc", text.area)
    corners = city.area.exterior.coords
    _put(area, "polygon", " ".join(f"{lat:.4f},{lon:.4f}" for lon, lat in corners))
    if decision.station:
        _put_pair(area, "geocode", "MRC station code", decision.station.code)
    if city.iso_3166_2:
        _put_pair(area, "geocode", "ISO 3166-2", city.iso_3166_2)


def _collect_parameters(
    notice: Notice, *, issuer: Issuer, began: Sequence[SentMessage]
) -> dict[str, str]:
    """Text of each parameter by its name."""
    decision, offset_h = notice.decision, notice.decision.city.utc_offset_h
    onset = decision.onset or (began[0].sent if began else notice.sent)
    leads = decision.river.leads if decision.river else ()
    horizon = leads[-1].valid_time if leads else decision.valid_to
    ending = notice.sent if notice.ending else max(notice.sent, decision.ending_time or horizon)
    facts = collect_facts(decision, notice=notice, identifier=None, status="")
    parameters = {
        key: _format_parameter(key, value, offset_h=offset_h)
        for key, value in facts.items()
        if key not in ELEMENTS and value is not None and value != []
    }
    return parameters | {
        "eventOnsetTime": format_moment(onset, offset_h),
        "eventEndingTime": format_moment(ending, offset_h),
        "model_version": issuer.model_version,
        "archive_snapshot": issuer.archive_snapshot,
        "records_batch": str(issuer.records_batch),
    }


def _format_parameter(key: str, value: Fact, *, offset_h: float) -> str:
    """Format a fact, rounded to what is known: cm, whole percent, two decimals."""
    if key in MOMENTS:
        return format_moment(datetime.fromisoformat(str(value)), offset_h)
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, float) and (key.startswith("p_") or key == "probability"):
        return f"{round(100 * value) / 100:.2f}"  # as the texts round it
    if isinstance(value, float):
        return f"{value:z.{DECIMALS.get(key.rpartition('_')[2], 2)}f}"
    return "; ".join(value) if isinstance(value, list) else str(value)

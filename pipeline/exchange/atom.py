"""Atom feeds (RFC 4287) of the messages: those in force, then those that left in the last 48 h.

An entry links to its CAP message and carries what receivers filter by, in CAP's namespace, and a
GeoRSS point. Its texts are in the language of the feed, those of a message without it in English.

``atom:id`` has to be an IRI. An identifier with a scheme, as ``urn:oid:2.49.0.1.418.0...``, is one
and is taken as it is. A bare one becomes a tag URI (RFC 4151) that names its sender and day, which
make it unique: ``tag:mekong@example.org,2026-08-20:mekong-20260820T0030Z-pakse-flood-r0``. It is
the same wherever the tree is served from, which an address of the message would not be.
``cap:identifier`` is the identifier itself, by which later messages refer to it.
"""

from __future__ import annotations

import re
import uuid
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from urllib.parse import quote

from lxml import etree
from shapely import Polygon

from pipeline.alerts.cap import NAMESPACE as CAP
from pipeline.alerts.cap import message_path
from pipeline.alerts.message_chain import order_languages
from pipeline.alerts.templates import read_templates
from pipeline.exchange.messages import KEPT, TreeMessage
from pipeline.geography.names import city_name, country_name
from pipeline.geography.places import City
from pipeline.times import format_utc

ATOM = "http://www.w3.org/2005/Atom"
GEORSS = "http://www.georss.org/georss"
MOST_BYTES = 100_000
"""Size of the largest feed, as far as the messages in force allow."""
SUMMARY_LINES = 3
"""Lines of the description in a summary: its banners, and at least what the message means here."""
SUBTITLE = "A feed without a message is no all-clear."
NOT_IN_FORCE = "not-in-force"
"""Term of the category of entries whose message has left."""
DEAD_TITLE = "[Not in force] "
"""Beginning of the title of a message that left, in every language: "ended" would be untrue of one
that a higher level replaced."""
OF_ALERT = ("identifier", "status", "msgType")
OF_INFO = ("event", "urgency", "severity", "certainty", "effective", "onset", "expires")
"""Elements of CAP's alert and info that an entry carries under the same names."""
_LANG = "{http://www.w3.org/XML/1998/namespace}lang"
_IRI = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*:\S+")
_TAG_AUTHORITY = re.compile(r"([A-Za-z0-9._-]+@)?[A-Za-z0-9]([A-Za-z0-9.-]*[A-Za-z0-9])?")


def write_feeds(
    messages: Sequence[TreeMessage],
    *,
    cities: Mapping[str, City],
    updated: datetime,
    expires_at: datetime,
    base_url: str | None,
    hub_url: str | None,
    sender: str,
    sender_name: str | None,
) -> dict[str, bytes]:
    """Write the feeds of a tree: of the basin, of each country and of each city.

    That of the basin is in English, those of a country and its cities in the country's language.
    A feed without a message is written too: receivers subscribe before there is one.

    Parameters
    ----------
    messages
        Messages in force, and those that left.
    cities
        Cities by id, each with a feed of its own.
    updated, expires_at, base_url, hub_url, sender
        As for :func:`write_feed`.
    sender_name
        Readable name of the sender; None for that of the texts of each language.

    Returns
    -------
    dict
        Feed by path: ``feed.xml``, ``feeds/la.xml``, ``feeds/pakse.xml``.
    """
    scopes: list[tuple[str, str, str, list[TreeMessage]]] = [("feed.xml", "en", "", [*messages])]
    for country in sorted({city.country for city in cities.values()}):
        chosen = [message for message in messages if message.country == country]
        language = order_languages(country)[0]
        name = country_name(country, language)
        scopes.append((f"feeds/{country.lower()}.xml", language, name, chosen))
    for city in cities.values():
        chosen = [message for message in messages if message.city == city.id]
        language = order_languages(city.country)[0]
        name = city_name(city, language, asof=updated)
        scopes.append((f"feeds/{city.id}.xml", language, name, chosen))
    feeds = {}
    for path, language, place, chosen in scopes:
        templates = read_templates(language)
        author = sender_name or templates["sender"]
        feeds[path] = write_feed(
            chosen,
            path=path,
            title=f"{author}{templates['colon']}{place}" if place else author,
            author=author,
            language=templates["tag"],
            updated=updated,
            expires_at=expires_at,
            base_url=base_url,
            hub_url=hub_url,
            sender=sender,
        )
    return feeds


def write_feed(
    messages: Sequence[TreeMessage],
    *,
    path: str,
    title: str,
    author: str,
    language: str,
    updated: datetime,
    expires_at: datetime,
    base_url: str | None,
    hub_url: str | None,
    sender: str,
) -> bytes:
    """Write one feed; the same arguments give the same bytes.

    Messages in force come first, the newest before the others, then those that left, the last one
    first, marked as such and updated when they left, so that readers that keep entries take the
    mark. A Cancel and the message that ends an event are news and have the category alone. A feed
    longer than ``MOST_BYTES`` is shortened: messages that left are left out, the oldest first, then
    all polygons, then all summaries. A message in force is never left out.

    Parameters
    ----------
    messages
        Messages in force, and those that left, in any order; of those that left ``KEPT`` before
        ``updated`` or earlier the feed says nothing.
    path
        Path of the feed in the published tree.
    title, author
        Title of the feed, and readable name of its author.
    language
        BCP 47 tag of its texts.
    updated
        Moment of the run, aware; that of the feed, unless a message in it was sent later.
    expires_at
        Moment until which the feed is to be relied on, aware.
    base_url
        Address of the published tree; None where it is not known: then links are relative.
    hub_url
        Address of a WebSub hub; None for no link to one.
    sender
        CAP sender; the feed's id is made from it and ``path``.
    """
    root = f"{base_url.rstrip('/')}/" if base_url else "../" * path.count("/")
    feed = etree.Element(f"{{{ATOM}}}feed", nsmap={None: ATOM, "cap": CAP, "georss": GEORSS})
    feed.set(_LANG, language)
    _put(feed, "id", uuid.uuid5(uuid.NAMESPACE_URL, f"{sender}/{path}").urn)
    _put(feed, "title", title)
    until = f"{SUBTITLE} After {format_utc(expires_at)} it says nothing of the present."
    _put(feed, "subtitle", until).set(_LANG, "en")
    stamp = _put(feed, "updated")
    _put(_put(feed, "author"), "name", author)
    address = f"{root}{path}" if base_url else path.rpartition("/")[2]
    _put(feed, "link", rel="self", type="application/atom+xml", href=address)
    if hub_url:
        _put(feed, "link", rel="hub", href=hub_url)
    in_force, left = [], []
    moments = [updated]
    for alert, message in _sort(messages):
        left_at = message.left_at
        if left_at is not None and left_at <= updated - KEPT:
            continue
        here = left_at is None or left_at > updated
        entry = _write_entry(
            alert,
            None if here else left_at,
            ends=message.ends,
            language=language,
            root=root,
            author=author,
        )
        moments.append(datetime.fromisoformat(entry.findtext(f"{{{ATOM}}}updated") or ""))
        if left_at is None or here:
            in_force.append(entry)
        else:
            left.append((left_at, entry))
    stamp.text = format_utc(max(moments))
    left.sort(key=lambda pair: pair[0], reverse=True)
    feed.extend(in_force)
    feed.extend(entry for _, entry in left)
    return _shorten(feed, [entry for _, entry in left])


def entry_id(identifier: str, *, sender: str, sent: datetime) -> str:
    """Return the IRI of a message: its identifier, or what is made of a bare one.

    A bare identifier of a sender that is neither an address nor a domain becomes a UUID.

    Parameters
    ----------
    identifier, sender, sent
        As in the message, which they tell from all others.

    Examples
    --------
    >>> sent = datetime(2026, 8, 20, 0, 30, tzinfo=UTC)
    >>> entry_id("urn:oid:2.49.0.1.418.0.7", sender="mekong@example.org", sent=sent)
    'urn:oid:2.49.0.1.418.0.7'
    >>> entry_id("mekong-7", sender="mekong@example.org", sent=sent)
    'tag:mekong@example.org,2026-08-20:mekong-7'
    """
    if _IRI.fullmatch(identifier):
        return identifier
    if _TAG_AUTHORITY.fullmatch(sender):
        return f"tag:{sender},{sent.astimezone(UTC):%Y-%m-%d}:{quote(identifier, safe='')}"
    return uuid.uuid5(uuid.NAMESPACE_URL, f"{sender},{identifier},{format_utc(sent)}").urn


def _sort(messages: Sequence[TreeMessage]) -> list[tuple[etree._Element, TreeMessage]]:
    """Parse the messages, the newest first, and those of one moment by their identifiers."""
    alerts = [(etree.fromstring(message.content), message) for message in messages]
    alerts.sort(key=lambda pair: _read(pair[0], "identifier"))
    alerts.sort(key=lambda pair: _sent(pair[0]), reverse=True)
    return alerts


def _write_entry(
    alert: etree._Element,
    left_at: datetime | None,
    *,
    ends: bool,
    language: str,
    root: str,
    author: str,
) -> etree._Element:
    dead = left_at is not None and not ends
    info = _choose_info(alert, language)
    identifier = _read(alert, "identifier")
    entry = etree.Element(f"{{{ATOM}}}entry")
    spoken = _read(info, "language")
    if _primary(spoken) != _primary(language):
        entry.set(_LANG, spoken)
    _put(entry, "id", entry_id(identifier, sender=_read(alert, "sender"), sent=_sent(alert)))
    _put(entry, "title", f"{DEAD_TITLE if dead else ''}{_read(info, 'headline')}")
    moved = format_utc(left_at) if left_at and dead else _read(alert, "sent")
    _put(entry, "updated", moved)
    name = _read(info, "senderName")
    if name and name != author:
        _put(_put(entry, "author"), "name", name)
    path = message_path(identifier)
    _put(entry, "link", rel="alternate", type="application/cap+xml", href=f"{root}{path}")
    _put(entry, "category", term=_read(info, "category"))
    lines = _read(info, "description").splitlines()[:SUMMARY_LINES]
    if left_at:
        since = format_utc(left_at)
        _put(entry, "category", term=NOT_IN_FORCE, label=f"Not in force since {since}")
        if dead:
            lines.insert(0, f"[Not in force since {since}]")
    _put(entry, "summary", "\n".join(lines))
    for parent, names in ((alert, OF_ALERT), (info, OF_INFO)):
        for tag in names:
            if value := _read(parent, tag):
                _put_cap(entry, tag, value)
    polygons = [node.text or "" for node in info.iterfind(f"{{{CAP}}}area/{{{CAP}}}polygon")]
    for description in info.iterfind(f"{{{CAP}}}area/{{{CAP}}}areaDesc"):
        _put_cap(entry, "areaDesc", description.text or "")
    for polygon in polygons:
        _put_cap(entry, "polygon", polygon)
    if polygons:
        etree.SubElement(entry, f"{{{GEORSS}}}point").text = _point_inside(polygons[0])
    entry.tail = "\n"
    return entry


def _choose_info(alert: etree._Element, language: str) -> etree._Element:
    """Choose the info in a language, else the English one, else the first."""
    infos = alert.findall(f"{{{CAP}}}info")
    by_language = {_primary(_read(info, "language")): info for info in infos}
    return by_language.get(_primary(language), by_language.get("en", infos[0]))


def _shorten(feed: etree._Element, left: Sequence[etree._Element]) -> bytes:
    """Serialise a feed, without entries that left, polygons and summaries where it is too long."""
    content = _serialise(feed)
    for entry in reversed(left):
        if len(content) <= MOST_BYTES:
            break
        feed.remove(entry)
        content = _serialise(feed)
    for tag in (f"{{{CAP}}}polygon", f"{{{ATOM}}}summary"):
        if len(content) > MOST_BYTES:
            for entry in feed.iterfind(f"{{{ATOM}}}entry"):
                for element in entry.findall(tag):
                    entry.remove(element)
            content = _serialise(feed)
    return content


def _point_inside(polygon: str) -> str:
    """Latitude and longitude of a point inside a polygon of CAP."""
    pairs = [pair.split(",") for pair in polygon.split()]
    point = Polygon([(float(lon), float(lat)) for lat, lon in pairs]).representative_point()
    return f"{point.y:.4f} {point.x:.4f}"


def _put(
    parent: etree._Element, name: str, text: str | None = None, **attributes: str
) -> etree._Element:
    element = etree.SubElement(parent, f"{{{ATOM}}}{name}", attributes)
    element.text = text
    return element


def _put_cap(entry: etree._Element, name: str, text: str) -> None:
    etree.SubElement(entry, f"{{{CAP}}}{name}").text = text


def _read(parent: etree._Element, name: str) -> str:
    """Text of a child of an alert or info; empty where there is none."""
    return parent.findtext(f"{{{CAP}}}{name}") or ""


def _sent(alert: etree._Element) -> datetime:
    return datetime.fromisoformat(_read(alert, "sent"))


def _primary(tag: str) -> str:
    """Language of a tag, without its country."""
    return tag.partition("-")[0].lower()


def _serialise(feed: etree._Element) -> bytes:
    return etree.tostring(feed, encoding="UTF-8", xml_declaration=True)

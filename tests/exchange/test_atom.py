"""The feeds as two feed parsers and the schema of RFC 4287 read them."""

from __future__ import annotations

import uuid
from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import fastfeedparser
import feedparser
import pytest
from lxml import etree
from shapely import Point

from pipeline.alerts.cap import NAMESPACE, write_cancel
from pipeline.alerts.templates import LANGUAGES
from pipeline.alerts.text import compose_cancellation
from pipeline.exchange.atom import (
    ATOM,
    MOST_BYTES,
    entry_id,
    write_feed,
    write_feeds,
)
from pipeline.exchange.messages import KEPT, TreeMessage
from pipeline.geography import places
from tests.alerts.alert_cases import CITY, T0, drought, dry_spell, flood, pluvial
from tests.alerts.cap_cases import ISSUER, every_decision, send

NS = {"a": ATOM, "cap": NAMESPACE, "georss": "http://www.georss.org/georss"}
SCHEMA = etree.RelaxNG(etree.parse(Path(__file__).with_name("atom.rng")))
SCHEMATRON = (
    "boolean(/a:feed/a:author or not(/a:feed/a:entry[not(a:author)]))",
    "not(//a:entry[not(a:link[@rel='alternate'] or a:link[not(@rel)] or a:content)])",
    "not(//a:entry[not(a:author or ../a:author)])",
)
"""Rules in RFC 4287, Appendix B, that its grammar cannot say."""
HOUR = timedelta(hours=1)
BASE = "https://flood.example.org/latest"
IDENTIFIER = "mekong-20260820T0030Z-vientiane-flood-r0"


def message(decision: Any = None, *, left_at: datetime | None = None) -> TreeMessage:
    decision = decision or flood(0.6, 0.6)
    written, _ = send(decision)
    assert written is not None
    city = decision.city
    return TreeMessage(
        identifier=written.identifier,
        city=city.id,
        country=city.country,
        hazard=written.notice.decision.hazard,
        content=written.content,
        proof=None,
        left_at=left_at,
    )


def rename(given: TreeMessage, old: str, new: str, **changes: Any) -> TreeMessage:
    assert old.encode() in given.content
    return replace(given, content=given.content.replace(old.encode(), new.encode()), **changes)


def feed(messages: Sequence[TreeMessage] = (), **changes: Any) -> bytes:
    options: dict[str, Any] = {
        "path": "feed.xml",
        "title": "Mekong",
        "author": "Mekong early warning pipeline",
        "language": "en",
        "updated": T0,
        "expires_at": T0 + 54 * HOUR,
        "base_url": BASE,
        "hub_url": None,
        "sender": "mekong@example.org",
    }
    return write_feed(messages, **(options | changes))


def every_feed(messages: Sequence[TreeMessage] = (), **changes: Any) -> dict[str, bytes]:
    options: dict[str, Any] = {
        "cities": places.cities(),
        "updated": T0,
        "expires_at": T0 + 54 * HOUR,
        "base_url": BASE,
        "hub_url": None,
        "sender": "mekong@example.org",
        "sender_name": None,
    }
    return write_feeds(messages, **(options | changes))


def texts(content: bytes, path: str) -> list[str]:
    return [node.text or "" for node in etree.fromstring(content).iterfind(path, NS)]


def check(content: bytes) -> None:
    """Check a feed against RFC 4287: its schema, its Schematron rules, and what is unique in it."""
    root = etree.fromstring(content)
    assert SCHEMA.validate(root), SCHEMA.error_log
    for rule in SCHEMATRON:
        assert root.xpath(rule, namespaces=NS) is True, rule
    ids = texts(content, "a:entry/a:id")
    assert len(ids) == len(set(ids))
    for entry in root.iterfind("a:entry", NS):
        links = [(link.get("rel"), link.get("type")) for link in entry.iterfind("a:link", NS)]
        assert len(links) == len(set(links))


def cancel(given: TreeMessage) -> TreeMessage:
    content = write_cancel(
        given.content,
        {
            language: compose_cancellation(
                CITY, "flood", status="Exercise", note="x", language=language, when=T0
            )
            for language in LANGUAGES
        },
        identifier="mekong-cancel",
        sent=T0,
        references=(),
        note="x",
    )
    return replace(given, content=content)


def test_every_kind_of_message_follows_the_rfc_in_every_language() -> None:
    given = [
        rename(message(decision), 'identifier>mekong', f"identifier>mekong-{number}")
        for number, decision in enumerate(every_decision())
    ]  # fmt: skip
    left = [replace(kept, left_at=T0 - HOUR) for kept in given[:3]]
    given = [*left, *given[3:], cancel(message())]
    for hub in (None, "https://hub.example.org/"):
        feeds = every_feed(given, hub_url=hub)
        assert len(feeds) == 1 + len({city.country for city in places.cities().values()}) + 40
        for content in feeds.values():
            check(content)
    with pytest.raises(AssertionError):
        check(feed([given[-1]]).replace(b"<updated>", b"<updated>on ", 1))


def test_two_parsers_read_an_entry() -> None:
    content = feed([message(flood(0.9, 0.9, 0.9))], hub_url="https://hub.example.org/")
    headline = (
        "EXERCISE. Flood, level 3 of 3: Vientiane. Highest 9.70 m expected on 27 August, "
        "2.80 m below flood stage."
    )
    href = f"{BASE}/cap/{IDENTIFIER}.xml"
    strict = feedparser.parse(content)
    assert not strict.bozo
    (entry,) = strict.entries
    assert entry.title == headline
    assert entry.id == f"tag:mekong@example.org,2026-08-20:{IDENTIFIER}"
    assert entry.updated == "2026-08-20T07:30:00+07:00"
    assert [(link.href, link.type) for link in entry.links] == [(href, "application/cap+xml")]
    assert [tag.term for tag in entry.tags] == ["Met"]
    assert entry.summary.splitlines()[1].startswith("What: Level 3 of 3 (Emergency: act now).")
    assert {key: entry[key] for key in sorted(entry) if key.startswith("cap_")} == {
        "cap_areadesc": "Vientiane, 24 km around, this country",
        "cap_certainty": "Likely",
        "cap_effective": "2026-08-20T07:30:00+07:00",
        "cap_event": "Flood",
        "cap_expires": "2026-08-22T13:30:00+07:00",
        "cap_identifier": IDENTIFIER,
        "cap_msgtype": "Alert",
        "cap_onset": "2026-08-21T07:00:00+07:00",
        "cap_polygon": entry.cap_polygon,
        "cap_severity": "Severe",
        "cap_status": "Exercise",
        "cap_urgency": "Immediate",
    }
    lon, lat = entry.where.coordinates
    assert CITY.area.contains(Point(lon, lat))
    corners = [tuple(map(float, pair.split(","))) for pair in entry.cap_polygon.split()]
    assert corners[0] == corners[-1]
    assert corners[0] == tuple(round(value, 4) for value in CITY.area.exterior.coords[0][::-1])
    links = {link.rel: link.href for link in strict.feed.links}
    assert links == {"self": f"{BASE}/feed.xml", "hub": "https://hub.example.org/"}
    assert strict.feed.author == "Mekong early warning pipeline"

    fast = fastfeedparser.parse(content)
    (other,) = fast.entries
    assert (fast.feed.title, fast.feed.updated) == ("Mekong", "2026-08-20T00:30:00Z")
    assert (other.id, other.title, other.link) == (entry.id, headline, href)
    assert datetime.fromisoformat(other.updated) == T0
    assert other.description == entry.summary
    assert [tag["term"] for tag in other.tags] == ["Met"]


def test_the_hub_is_named_only_where_one_is_set() -> None:
    assert b"hub" not in feed([message()])
    hub = b'<link rel="hub" href="https://hub.example.org/"/>'
    assert hub in feed([message()], hub_url="https://hub.example.org/")


@pytest.mark.parametrize(
    ("path", "base", "itself", "href"),
    [
        ("feed.xml", BASE, f"{BASE}/feed.xml", f"{BASE}/cap/{IDENTIFIER}.xml"),
        ("feeds/la.xml", f"{BASE}/", f"{BASE}/feeds/la.xml", f"{BASE}/cap/{IDENTIFIER}.xml"),
        ("feed.xml", None, "feed.xml", f"cap/{IDENTIFIER}.xml"),
        ("feeds/la.xml", None, "la.xml", f"../cap/{IDENTIFIER}.xml"),
    ],
)
def test_links_are_absolute_where_the_address_is_known(
    path: str, base: str | None, itself: str, href: str
) -> None:
    root = etree.fromstring(feed([message()], path=path, base_url=base))
    assert root.xpath("a:link[@rel='self']/@href", namespaces=NS) == [itself]
    assert root.xpath("a:entry/a:link/@href", namespaces=NS) == [href]


def test_the_id_of_a_feed_is_its_own_wherever_it_is_served() -> None:
    here, elsewhere = (texts(feed(base_url=base), "a:id")[0] for base in (BASE, None))
    assert here == elsewhere == uuid.UUID(here).urn
    others = {texts(feed(path="feeds/la.xml"), "a:id")[0], texts(feed(sender="x@y.org"), "a:id")[0]}
    assert len({here, *others}) == 3


def test_the_id_of_an_entry_is_an_iri() -> None:
    registered = "urn:oid:2.49.0.1.418.0.7"
    assert entry_id(registered, sender="x", sent=T0) == registered
    early = datetime(2026, 8, 21, 1, tzinfo=timezone(7 * HOUR))
    assert entry_id("a-1", sender="example.org", sent=early) == "tag:example.org,2026-08-20:a-1"
    made = {entry_id("a-1", sender=who, sent=T0) for who in ("urn:oid:2.49.0.0.418", "-", "-")}
    assert len(made) == 2
    assert all(uuid.UUID(made_id).urn == made_id for made_id in made)


def test_texts_are_in_the_language_of_the_feed() -> None:
    given = message()
    heads = {
        info.findtext("cap:language", namespaces=NS): info.findtext("cap:headline", namespaces=NS)
        for info in etree.fromstring(given.content).iterfind("cap:info", NS)
    }
    for tag in ("km", "lo", "th", "vi", "my", "zh-CN", "en"):
        content = feed([given], language=tag)
        assert feedparser.parse(content).entries[0].title == heads[tag]
        assert fastfeedparser.parse(content).entries[0].title == heads[tag]
        root = etree.fromstring(content)
        lang = "{http://www.w3.org/XML/1998/namespace}lang"
        assert root.get(lang) == tag
        assert root.find("a:entry", NS).get(lang) is None  # type: ignore[union-attr]
        assert len({*heads.values()}) == 7
        english = feed([rename(given, f"<language>{tag}<", "<language>fr<")], language=tag)
        if tag != "en":
            assert feedparser.parse(english).entries[0].title == heads["en"]
            assert etree.fromstring(english).find("a:entry", NS).get(lang) == "en"  # type: ignore[union-attr]


def test_an_exercise_says_so_in_every_title() -> None:
    given = [message(), message(pluvial(6.0)), message(drought(dry_spell(0.9, 0.9, 0.9, now=4)))]
    words = {"en": "EXERCISE", "km": "EXERCISE", "lo": "EXERCISE", "my": "EXERCISE",
             "th": "การฝึกซ้อม", "vi": "DIỄN TẬP", "zh-CN": "演习"}  # fmt: skip
    for tag, word in words.items():
        titles = texts(feed(given, language=tag), "a:entry/a:title")
        assert len(titles) == 3
        assert all(word in title for title in titles), (tag, titles)


def test_characters_of_xml_survive() -> None:
    given = rename(message(), "EXERCISE. Flood", "&lt;b&gt; A &amp; B \" '")
    (entry,) = feedparser.parse(feed([given], title="<A & B>")).entries
    assert entry.title.startswith("<b> A & B \" '")
    assert texts(feed([given], title="<A & B>"), "a:title") == ["<A & B>"]


def test_the_authority_of_a_message_is_its_author() -> None:
    authority = replace(ISSUER, authorities={"LA": "DMH <Laos>"})
    written, _ = send(flood(0.6, 0.6), issuer=authority)
    assert written is not None
    given = replace(message(), content=written.content)
    assert texts(feed([given]), "a:entry/a:author/a:name") == ["DMH <Laos>"]
    assert texts(feed([message()]), "a:entry/a:author/a:name") == []


def test_the_same_messages_give_the_same_bytes_in_any_order_and_signed() -> None:
    given = [message(), message(pluvial(6.0)), message(drought(dry_spell(0.9, 0.9, now=3)))]
    assert feed(given) == feed(given[::-1])
    signed = rename(
        given[0], "</alert>", '<Signature xmlns="http://www.w3.org/2000/09/xmldsig#"/></alert>'
    )
    assert feed([signed]) == feed(given[:1])


def identifiers(content: bytes) -> list[str]:
    return texts(content, "a:entry/cap:identifier")


def numbered(number: int, *, sent: str = "07:30", left_at: datetime | None = None) -> TreeMessage:
    given = rename(message(), f">{IDENTIFIER}<", f">m{number}<", left_at=left_at)
    return rename(given, "<sent>2026-08-20T07:30", f"<sent>2026-08-20T{sent}")


def test_messages_in_force_come_first_the_newest_of_them_before_the_others() -> None:
    given = [
        numbered(1, left_at=T0 - 2 * HOUR),
        numbered(2, sent="06:30"),
        numbered(3),
        numbered(4, left_at=T0 - HOUR),
        numbered(5, sent="06:30", left_at=T0 + HOUR),
    ]
    assert identifiers(feed(given)) == ["m3", "m2", "m5", "m4", "m1"]


def test_a_message_stays_for_two_days_after_it_left() -> None:
    second = timedelta(seconds=1)
    given = [numbered(1, left_at=T0 - KEPT), numbered(2, left_at=T0 - KEPT + second)]
    assert timedelta(hours=48) == KEPT
    assert identifiers(feed(given)) == ["m2"]


def test_a_message_that_left_is_marked() -> None:
    content = feed([numbered(1), numbered(2, left_at=T0 - HOUR), numbered(3, left_at=T0)])
    here, *gone = feedparser.parse(content).entries
    assert [tag.term for tag in here.tags] == ["Met"]
    assert here.title.startswith("EXERCISE. Flood, ")
    assert here.updated == "2026-08-20T07:30:00+07:00"
    assert here.summary.startswith("EXERCISE. ")
    for entry, since in zip(gone, ("2026-08-20T00:30:00Z", "2026-08-19T23:30:00Z"), strict=True):
        assert [tag.term for tag in entry.tags] == ["Met", "not-in-force"]
        assert entry.tags[1].label == f"Not in force since {since}"
        assert entry.title == f"[Not in force] {here.title}"
        assert entry.updated == since
        assert entry.summary.startswith(f"[Not in force since {since}]\nEXERCISE. ")


def test_a_message_of_the_same_moment_as_the_one_that_replaced_it_is_marked() -> None:
    (entry,) = feedparser.parse(feed([message(left_at=T0)])).entries
    assert entry.title.startswith("[Not in force] EXERCISE. ")


def test_what_tells_of_an_end_is_news() -> None:
    ended = replace(numbered(1, sent="06:30", left_at=T0 - HOUR), ends=True)
    withdrawn = replace(cancel(message()), left_at=T0, ends=True)
    content = feed([ended, withdrawn])
    check(content)
    first, second = feedparser.parse(content).entries
    assert first.title.startswith("EXERCISE. Message withdrawn: Flood, Vientiane.")
    assert second.title.startswith("EXERCISE. Flood, ")
    assert datetime.fromisoformat(first.updated) == T0
    assert second.updated == "2026-08-20T06:30:00+07:00"
    for entry in (first, second):
        assert entry.summary.startswith("EXERCISE. ")
        assert [tag.term for tag in entry.tags][-1] == "not-in-force"


def test_no_entry_is_newer_than_its_feed() -> None:
    late = rename(message(), "<sent>2026-08-20T07:30", "<sent>2026-08-20T09:30", left_at=T0 + HOUR)
    content = feed([late, numbered(2, left_at=T0)])
    assert texts(content, "a:updated") == ["2026-08-20T02:30:00Z"]
    assert texts(feed([numbered(2, left_at=T0)]), "a:updated") == ["2026-08-20T00:30:00Z"]


def many() -> list[TreeMessage]:
    """Ninety messages of 51 cities with the areas of those cities."""
    both = flood(0.6, 0.6), drought(dry_spell(0.9, 0.9, 0.9, now=4))
    cities = [*places.cities("asean").values()]
    return [message(replace(one, city=city)) for one in both for city in cities][:90]


def test_no_message_in_force_is_left_out_of_a_long_feed() -> None:
    in_force = many()
    assert len({*identifiers(feed(in_force))}) == 90
    old = [numbered(number, left_at=T0 - number * HOUR) for number in range(1, 5)]
    content = feed([*old, *in_force])
    assert len(content) <= MOST_BYTES == 100_000
    assert not {"m1", "m2", "m3", "m4"} & {*identifiers(content)}
    assert len(identifiers(content)) == 90
    assert b"<cap:polygon>" not in content
    assert content.count(b"<georss:point>") == 90
    check(content)


def test_those_that_left_first_make_room_the_oldest_of_them_first() -> None:
    room = [numbered(100 + number) for number in range(72)]
    old = [numbered(number, left_at=T0 - number * HOUR) for number in range(1, 20)]
    content = feed([*room, *old])
    kept = [name for name in identifiers(content) if name in {f"m{n}" for n in range(1, 20)}]
    assert 0 < len(kept) < 19
    assert kept == [f"m{number}" for number in range(1, len(kept) + 1)]
    assert len(content) <= MOST_BYTES
    assert content.count(b"<cap:polygon>") == 72 + len(kept)
    one_more = feed([*room, *old[: len(kept) + 1]])
    assert identifiers(one_more) == identifiers(content), "the next one has no room"


def test_summaries_make_room_after_polygons() -> None:
    in_force = many()
    content = feed(in_force[:75])
    assert content.count(b"<summary>") == 75
    assert b"<cap:polygon>" not in content
    content = feed(in_force)
    assert b"<summary>" not in content
    assert len(identifiers(content)) == 90


def test_feeds_of_a_tree_are_of_the_basin_of_each_country_and_of_each_city() -> None:
    given = [message(), message(pluvial(6.0))]
    town = given[1].city
    feeds = every_feed(given)
    country = given[1].country.lower()
    counts = {path: len(identifiers(content)) for path, content in feeds.items()}
    assert {path: count for path, count in counts.items() if count} == {
        "feed.xml": 2,
        "feeds/la.xml": 1,
        f"feeds/{country}.xml": 1,
        "feeds/vientiane.xml": 1,
        f"feeds/{town}.xml": 1,
    }
    assert texts(feeds["feed.xml"], "a:title") == ["Mekong early warning pipeline"]
    assert texts(feeds["feeds/la.xml"], "a:title") == ["ລະບົບເຕືອນໄພລ່ວງໜ້າແມ່ນ້ຳຂອງ: ລາວ"]
    assert texts(feeds["feeds/pakse.xml"], "a:title") == ["ລະບົບເຕືອນໄພລ່ວງໜ້າແມ່ນ້ຳຂອງ: ປາກເຊ"]
    assert etree.fromstring(feeds["feeds/jinghong.xml"]).values() == ["zh-CN"]
    named = every_feed(given, sender_name="DMH")
    assert texts(named["feeds/la.xml"], "a:title") == ["DMH: ລາວ"]


def test_an_empty_feed_is_no_all_clear() -> None:
    for content in every_feed().values():
        check(content)
        (subtitle,) = etree.fromstring(content).iterfind("a:subtitle", NS)
        assert subtitle.text == (
            "A feed without a message is no all-clear. After 2026-08-22T06:30:00Z it says nothing "
            "of the present."
        )
        assert subtitle.values() == ["en"]
        assert feedparser.parse(content).entries == []

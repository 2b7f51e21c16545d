"""Rules of CAP profiles: each with its source, its words, a check, and what breaks it.

Rules come from the CAP 1.2 standard, Google's open validator (google/cap-library at 2019-09-23) and
developer pages, WMO's cap-composer (at 2026-08-18) and registers, and the Australian profile
(CAP-AU, edxl-cap1.2-au-v1.0, as Google's validator checks it).
"""

from __future__ import annotations

import copy
import re
import unicodedata
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import pairwise

from cap_oet import OASIS_EVENT_TERMS_BY_CODE
from lxml import etree
from shapely.geometry import Polygon

from pipeline.alerts import cap

CAP = {"cap": cap.NAMESPACE}
Node = etree._Element
SHAPES = ("polygon", "circle", "geocode/value")
"""What may say where an area lies."""


def infos(alert: Node) -> list[Node]:
    return alert.findall("cap:info", CAP)


def areas(alert: Node) -> list[Node]:
    return alert.findall("cap:info/cap:area", CAP)


def text(node: Node, name: str) -> str:
    return (node.findtext(f"cap:{name}", "", CAP) or "").strip()


def texts(node: Node, path: str) -> list[str]:
    return [found.text or "" for found in node.findall("cap:" + path.replace("/", "/cap:"), CAP)]


def moment(node: Node, name: str) -> datetime | None:
    return datetime.fromisoformat(text(node, name)) if text(node, name) else None


def pairs(node: Node, name: str) -> frozenset[tuple[str, str]]:
    found = node.findall(f"cap:{name}", CAP)
    return frozenset((text(pair, "valueName"), text(pair, "value")) for pair in found)


def references(alert: Node) -> list[list[str]]:
    return [reference.split(",") for reference in text(alert, "references").split()]


def corners(polygon: str) -> list[tuple[float, float]]:
    return [(float(lat), float(lon)) for lat, _, lon in (p.partition(",") for p in polygon.split())]


def half_widths(words: str) -> int:
    """Length in half-width characters: wide ones count twice."""
    return sum(2 if unicodedata.east_asian_width(char) in "WF" else 1 for char in words)


def every_info(*names: str) -> Callable[[Node], bool]:
    return lambda alert: all(text(info, name) for info in infos(alert) for name in names)


def same_in_all(read: Callable[[Node], object]) -> Callable[[Node], bool]:
    return lambda alert: len({read(info) for info in infos(alert)}) == 1


def differ(one: str, other: str) -> Callable[[Node], bool]:
    return lambda alert: all(text(info, one) != text(info, other) for info in infos(alert))


def known(name: str) -> Callable[[Node], bool]:
    return lambda alert: "Unknown" not in texts(alert, f"info/{name}")


def in_order(first: str, second: str) -> Callable[[Node], bool]:
    """No info has its first moment after its second; ``sent`` counts where there is no first."""

    def holds(alert: Node) -> bool:
        for info in infos(alert):
            begin, end = moment(info, first) or moment(alert, "sent"), moment(info, second)
            if begin and end and begin > end:
                return False
        return True

    return holds


def refers_to_others(alert: Node) -> bool:
    return all(identifier != text(alert, "identifier") for _, identifier, _ in references(alert))


def refers_backwards(alert: Node) -> bool:
    sent = datetime.fromisoformat(text(alert, "sent"))
    return all(datetime.fromisoformat(when) <= sent for _, _, when in references(alert))


def refers_where_due(alert: Node) -> bool:
    return text(alert, "msgType") == "Alert" or bool(references(alert))


def words_differ_between_languages(alert: Node) -> bool:
    for name in ("headline", "description", "instruction", "event"):
        by_words: dict[str, set[str]] = {}
        for info in infos(alert):
            by_words.setdefault(text(info, name), set()).add(text(info, "language"))
        if any(len(languages) > 1 for languages in by_words.values()):
            return False
    return True


def events_match_in_a_language(alert: Node) -> bool:
    by_language: dict[str, set[str]] = {}
    for info in infos(alert):
        by_language.setdefault(text(info, "language"), set()).add(text(info, "event"))
    return all(len(events) == 1 for events in by_language.values())


def polygons_are_valid(alert: Node) -> bool:
    for polygon in texts(alert, "info/area/polygon"):
        points = corners(polygon)
        if len(points) < 4 or points[0] != points[-1] or not Polygon(points).is_valid:
            return False
        if any(one == other for one, other in pairwise(points)):
            return False
    return True


def decimals_are_few(alert: Node) -> bool:
    numbers = re.findall(r"\.(\d+)", " ".join(texts(alert, "info/area/polygon")))
    return all(len(decimals) <= 6 for decimals in numbers)


def has_no_markup(alert: Node) -> bool:
    words = [node.text or "" for node in alert.iter() if isinstance(node.tag, str)]
    return not any(re.search(r"<[^\s>]+.*?>|&\w+;|&#\d+;", part) for part in words)


def oid_is_of_an_alert(alert: Node) -> bool:
    identifier = text(alert, "identifier")
    if not identifier.startswith("urn:oid:"):
        return True
    return re.match(r"urn:oid:2\.49\.0\.1\.\d{1,3}\.\d", identifier) is not None


def event_code_is_listed(alert: Node) -> bool:
    codes = [pair for info in infos(alert) for pair in pairs(info, "eventCode")]
    categories = set(texts(alert, "info/category"))
    return all(
        name == "OET:v1.2"
        and code in OASIS_EVENT_TERMS_BY_CODE
        and categories <= set(OASIS_EVENT_TERMS_BY_CODE[code]["categories"])
        for name, code in codes
    )


def likely_is_more_than_half(alert: Node) -> bool:
    """Certainty of the first info, which has all parameters, against its probability."""
    info = infos(alert)[0]
    chance = dict(pairs(info, "parameter")).get("probability")
    if chance is None:
        return True
    # Two decimals are published: 0.50 may be a little more.
    return {"Likely": float(chance) >= 0.5}.get(text(info, "certainty"), True)


def is_on_the_clock_of_its_area(alert: Node) -> bool:
    moments = [*texts(alert, "sent"), *(reference[2] for reference in references(alert))]
    for name in ("effective", "onset", "expires"):
        moments += texts(alert, f"info/{name}")
    offsets = {datetime.fromisoformat(when).utcoffset() for when in moments}
    return len(offsets) == 1 and offsets != {timedelta(0)}


# How a rule is broken, to show that it can fail.


def spoil(path: str, words: str | None) -> Callable[[Node], None]:
    """Set the first element of a path, with its parents where absent; None removes all of them."""

    def change(alert: Node) -> None:
        parent_path, _, name = path.rpartition("/")
        found = alert.findall("cap:" + path.replace("/", "/cap:"), CAP)
        if words is None:
            for node in found:
                parent = node.getparent()
                assert parent is not None
                parent.remove(node)
            return
        if not found:
            parents = "cap:" + parent_path.replace("/", "/cap:") if parent_path else "."
            parent = alert.find(parents, CAP)
            assert parent is not None
            found = [etree.SubElement(parent, f"{{{cap.NAMESPACE}}}{name}")]
        found[0].text = words

    return change


def copy_words(name: str, source: str) -> Callable[[Node], None]:
    return lambda alert: spoil(f"info/{name}", text(infos(alert)[0], source))(alert)


def repeat_the_headline(alert: Node) -> None:
    first, second, *_ = infos(alert)
    headline = second.find("cap:headline", CAP)
    assert headline is not None
    headline.text = text(first, "headline")


def double_the_first_info(alert: Node) -> None:
    again = copy.deepcopy(infos(alert)[0])
    event = again.find("cap:event", CAP)
    assert event is not None
    event.text = "Something else"
    alert.append(again)


def set_small_chance(alert: Node) -> None:
    for parameter in infos(alert)[0].findall("cap:parameter", CAP):
        if text(parameter, "valueName") == "probability":
            spoil("value", "0.30")(parameter)


def refer_to_itself(alert: Node) -> None:
    itself = f"mekong@example.org,{text(alert, 'identifier')},{text(alert, 'sent')}"
    spoil("references", itself)(alert)


def double_the_polygon(alert: Node) -> None:
    for polygon in areas(alert)[0].findall("cap:polygon", CAP):
        areas(alert)[0].append(copy.deepcopy(polygon))


def both(*changes: Callable[[Node], None]) -> Callable[[Node], None]:
    def change_all(alert: Node) -> None:
        for change in changes:
            change(alert)

    return change_all


@dataclass(frozen=True)
class Rule:
    """A rule of a profile: its words in short, what checks a message, and what breaks one.

    A rule that does not apply to these messages has no check and says why.
    """

    id: str
    source: str
    words: str
    holds: Callable[[Node], bool] | None = None
    broken_by: Callable[[Node], None] | None = None
    why_not: str = ""


OASIS = "OASIS CAP 1.2, 3.2 (data dictionary)"
GOOGLE = "google/cap-library, profile/GoogleProfile.java"
VALIDATOR = "google/cap-library, CapValidator.java"
PAGES = "developers.google.com/public-alerts, CAP requirements, entities"
COMPOSER = "wmo-raf/cap-composer, capeditor/blocks.py and constants.py"
REGISTER = "WMO/TD-No. 1556 and wmo-raf/cap-composer issue 142"
AU = "CAP-AU 1.0; google/cap-library, profile/au/AustralianProfile.java"
RULES = (
    Rule("oasis-identifier", OASIS, "identifier and sender have no space, comma, < or &",
         lambda alert: not re.search(r"[\s,<&]", text(alert, "identifier") + text(alert, "sender")),
         spoil("identifier", "a, b")),
    Rule("oasis-references", OASIS, "references are triples sender,identifier,sent",
         lambda alert: all(len(reference) == 3 for reference in references(alert)),
         spoil("references", "mekong@example.org,x")),
    Rule("oasis-restriction", OASIS, "a restriction where, and only where, scope is Restricted",
         lambda alert: (text(alert, "scope") == "Restricted") == bool(text(alert, "restriction")),
         spoil("restriction", None)),
    Rule("google-reference", GOOGLE, "Update and Cancel refer to a message: error",
         refers_where_due, spoil("msgType", "Update")),
    Rule("google-info", GOOGLE, "at least one info: error",
         lambda alert: bool(infos(alert)), spoil("info", None)),
    Rule("google-category", GOOGLE, "all infos have the same categories: error",
         same_in_all(lambda info: frozenset(texts(info, "category"))),
         spoil("info/category", "Geo")),
    Rule("google-event-code", GOOGLE, "all infos have the same event codes: error",
         same_in_all(lambda info: pairs(info, "eventCode")),
         spoil("info/eventCode/value", "OET-079")),
    Rule("google-description", GOOGLE, "description is there: error",
         every_info("description"), spoil("info/description", None)),
    Rule("google-effective", GOOGLE, "effective is not after expires: error",
         in_order("effective", "expires"), spoil("info/expires", "2020-01-01T00:00:00+07:00")),
    Rule("google-web", GOOGLE, "web is there: error", every_info("web"), spoil("info/web", None)),
    Rule("google-expires", GOOGLE, "expires is there: error",
         every_info("expires"), spoil("info/expires", None)),
    Rule("google-area", GOOGLE, "at least one area: error",
         lambda alert: all(info.find("cap:area", CAP) is not None for info in infos(alert)),
         spoil("info/area", None)),
    Rule("google-urgency", GOOGLE, "urgency, severity and certainty are there: error",
         every_info("urgency", "severity", "certainty"), spoil("info/severity", None)),
    Rule("google-shape", GOOGLE, "an area has a polygon, circle or geocode: error",
         lambda alert: all(any(texts(area, name) for name in SHAPES) for area in areas(alert)),
         both(spoil("info/area/polygon", None), spoil("info/area/geocode", None))),
    Rule("google-test", GOOGLE, "status Test is not shown to the public: recommendation",
         why_not="Test and Exercise are meant not to be shown; an agency sets Actual itself"),
    Rule("google-sender-name", GOOGLE, "senderName: recommendation",
         every_info("senderName"), spoil("info/senderName", None)),
    Rule("google-response", GOOGLE, "responseType: recommendation; a Cancel asks for no action",
         lambda alert: text(alert, "msgType") == "Cancel" or every_info("responseType")(alert),
         spoil("info/responseType", None)),
    Rule("google-instruction", GOOGLE, "instruction: recommendation",
         every_info("instruction"), spoil("info/instruction", None)),
    Rule("google-headline", GOOGLE, "headline of at most 140 characters: recommendation",
         lambda alert: all(len(words) <= 140 for words in texts(alert, "info/headline")),
         spoil("info/headline", "x" * 141)),
    Rule("google-headline-description", GOOGLE, "headline and description differ: recommendation",
         differ("headline", "description"), copy_words("headline", "description")),
    Rule("google-description-instruction", GOOGLE,
         "description and instruction differ: recommendation",
         differ("description", "instruction"), copy_words("description", "instruction")),
    Rule("google-unknown-urgency", GOOGLE, "urgency is not Unknown: recommendation",
         known("urgency"), spoil("info/urgency", "Unknown")),
    Rule("google-unknown-severity", GOOGLE, "severity is not Unknown: recommendation",
         known("severity"), spoil("info/severity", "Unknown")),
    Rule("google-unknown-certainty", GOOGLE, "certainty is not Unknown: recommendation",
         known("certainty"), spoil("info/certainty", "Unknown")),
    Rule("google-contact", GOOGLE, "contact: recommendation",
         every_info("contact"), spoil("info/contact", None)),
    Rule("google-polygon", GOOGLE, "a polygon or circle beside geocodes: recommendation",
         lambda alert: all(area.find("cap:polygon", CAP) is not None for area in areas(alert)),
         spoil("info/area/polygon", None)),
    Rule("google-circle", GOOGLE, "a circle has a radius: recommendation; there is no circle here",
         lambda alert: not texts(alert, "info/area/circle"),
         spoil("info/area/circle", "18.0,102.0 0")),
    Rule("google-event-language", GOOGLE, "one event per language: recommendation",
         events_match_in_a_language, double_the_first_info),
    Rule("google-geocode", GOOGLE, "a geocode has a name and a value: recommendation",
         lambda alert: all(name and code for area in areas(alert)
                           for name, code in pairs(area, "geocode")),
         spoil("info/area/geocode/value", "")),
    Rule("google-time-zone", GOOGLE, "times in the local time zone, not UTC: information",
         is_on_the_clock_of_its_area, spoil("sent", "2026-08-20T00:30:00-00:00")),
    Rule("validator-circular", VALIDATOR, "a message does not refer to itself: error",
         refers_to_others, refer_to_itself),
    Rule("validator-postdated", VALIDATOR, "references are not later than the message: error",
         refers_backwards, spoil("references", "a@b,x,2027-01-01T00:00:00+07:00")),
    Rule("validator-language", VALIDATOR, "language is an RFC 3066 tag: error",
         lambda alert: all(re.fullmatch(r"[a-zA-Z]{1,8}(-[a-zA-Z0-9]{1,8})*", tag)
                           for tag in texts(alert, "info/language")),
         spoil("info/language", "lo_LA")),
    Rule("validator-same-text", VALIDATOR, "no text is the same in two languages: warning",
         words_differ_between_languages, repeat_the_headline),
    Rule("validator-polygon", VALIDATOR, "polygons are closed and do not cross themselves: error",
         polygons_are_valid, spoil("info/area/polygon", "18,102 19,103 19,102 18,103 18,102")),
    Rule("validator-ceiling", VALIDATOR, "a ceiling has an altitude: error; floods have neither",
         lambda alert: not texts(alert, "info/area/ceiling"), spoil("info/area/ceiling", "9")),
    Rule("validator-resource", VALIDATOR, "media type, address and content of a resource: error",
         why_not="no message has a resource"),
    Rule("validator-web", VALIDATOR, "web is an absolute address: error",
         lambda alert: all(re.fullmatch(r"https?://\S+", web) for web in texts(alert, "info/web")),
         spoil("info/web", "page/en/pakse.html")),
    Rule("validator-markup", VALIDATOR, "texts have no HTML tag or entity: warning",
         has_no_markup, spoil("info/description", "<b>Flood</b> &amp; rain")),
    Rule("pages-event", PAGES, "event shorter than 35 characters, wide ones count twice",
         lambda alert: all(half_widths(words) < 35 for words in texts(alert, "info/event")),
         spoil("info/event", "x" * 35)),
    Rule("pages-area-desc", PAGES, "areaDesc shorter than 50 characters",
         lambda alert: all(len(words) < 50 for words in texts(alert, "info/area/areaDesc")),
         spoil("info/area/areaDesc", "x" * 50)),
    Rule("pages-decimals", PAGES, "at most 6 decimals in a polygon",
         decimals_are_few, spoil("info/area/polygon", "18.1234567,102.0")),
    Rule("pages-one-area", PAGES, "areas that do not touch are messages of their own",
         lambda alert: all(len(info.findall("cap:area", CAP)) == 1 and
                           len(texts(info, "area/polygon")) == 1 for info in infos(alert)),
         double_the_polygon),
    Rule("wmo-oid", REGISTER, "a registered identifier is urn:oid:2.49.0.1. and the country",
         oid_is_of_an_alert, spoil("identifier", "urn:oid:2.49.0.0.418.0.x")),
    Rule("wmo-unknown", COMPOSER, "Unknown is not offered for urgency, severity and certainty",
         lambda alert: all(known(name)(alert) for name in ("urgency", "severity", "certainty")),
         spoil("info/urgency", "Unknown")),
    Rule("wmo-onset", COMPOSER, "onset is not after expires",
         in_order("onset", "expires"), spoil("info/onset", "2027-01-01T00:00:00+07:00")),
    Rule("wmo-headline", COMPOSER, "headline of at most 160 characters",
         lambda alert: all(len(words) <= 160 for words in texts(alert, "info/headline")),
         spoil("info/headline", "x" * 161)),
    Rule("wmo-event-code", COMPOSER, "event code and category are of OASIS Event Terms List 1.2",
         event_code_is_listed, spoil("info/eventCode/value", "OET-999")),
    Rule("wmo-certainty", COMPOSER, "Likely means more than about 50 %",
         likely_is_more_than_half,
         both(spoil("info/certainty", "Likely"), set_small_chance)),
    Rule("wmo-overlap", COMPOSER, "areas of one info do not overlap",
         why_not="every info has one area with one polygon (pages-one-area)"),
    Rule("au-code", AU, "code names the Australian profile: error",
         why_not="it would claim a profile of another country"),
    Rule("au-one-event-code", AU, "one event code of a recognised list in every info: error",
         lambda alert: all(len(pairs(info, "eventCode")) == 1 for info in infos(alert)),
         spoil("info/eventCode", None)),
    Rule("au-event-list", AU, "event code and event are of AUeventLIST: error",
         why_not="the list is Australia's; wmo-event-code asks for that of OASIS"),
    Rule("au-cancel-effective", AU, "a Cancel has no effective: error",
         lambda alert: text(alert, "msgType") != "Cancel" or not texts(alert, "info/effective"),
         both(spoil("msgType", "Cancel"), spoil("info/effective", "2026-08-20T07:30:00+07:00"))),
    Rule("au-sender", AU, "sender is an address like name@domain: recommendation",
         lambda alert: re.fullmatch(r"[\w.+-]+@[\w.-]+", text(alert, "sender")) is not None,
         spoil("sender", "mekong")),
    Rule("au-geocode", AU, "a geocode of a known list, here ISO 3166-2: recommendation",
         lambda alert: all("ISO 3166-2" in dict(pairs(area, "geocode")) for area in areas(alert)),
         spoil("info/area/geocode", None)),
    Rule("au-minor-change", AU, "an Update says whether it changes anything that matters",
         lambda alert: all("change" in dict(pairs(info, "parameter")) for info in infos(alert))
         or text(alert, "msgType") == "Cancel",
         spoil("info/parameter", None)),
)  # fmt: skip

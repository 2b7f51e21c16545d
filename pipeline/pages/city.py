"""The page of one city in one language."""

from __future__ import annotations

import re
from datetime import datetime
from functools import lru_cache
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from pipeline.alerts.cap import message_path
from pipeline.alerts.drought_paragraphs import name_class
from pipeline.alerts.formats import (
    Templates,
    format_date,
    format_hour,
    number_level,
)
from pipeline.alerts.gauge_criteria import THRESHOLD_STAGE
from pipeline.alerts.headlines import choose_banner, first_sentence
from pipeline.alerts.levels import RAISED, Level
from pipeline.alerts.templates import LANGUAGES, read_templates
from pipeline.geography import places
from pipeline.geography.names import city_name
from pipeline.ground_reports.card import sms_link
from pipeline.ground_reports.city_codes import city_code
from pipeline.ground_reports.summary import morning
from pipeline.pages.edition import Edition, Message
from pipeline.pages.impacts import list_impacts
from pipeline.pages.river import River, write_percent
from pipeline.pages.script_data import ROOT, write_city_data
from pipeline.pages.words import read_words
from pipeline.settings import Settings

TEMPLATES = Path(__file__).parent / "templates"
HAZARDS = ("flood", "drought")


@lru_cache
def environment() -> Environment:
    """Environment of the templates: all that is filled in is escaped."""
    found = Environment(
        loader=FileSystemLoader(TEMPLATES),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    for name, file in (("style", "page.css"), ("paper", "paper.css")):
        found.globals[name] = (TEMPLATES / file).read_text(encoding="utf-8")
    return found


def write_city_page(edition: Edition, city_id: str, language: str, *, settings: Settings) -> bytes:
    """Write the page of a city.

    Parameters
    ----------
    edition
        Published tree.
    city_id
        Id of the city.
    language
        One of ``LANGUAGES``.
    settings
        Whom to ask, and the number that takes reports.

    Returns
    -------
    bytes
        HTML in UTF-8, complete but for the script.
    """
    template = environment().get_template("city.html.jinja")
    facts = describe_city(edition, city_id, language, settings=settings)
    return template.render(facts).encode()


def describe_city(
    edition: Edition, city_id: str, language: str, *, settings: Settings
) -> dict[str, Any]:
    """Describe what the page of a city says, in the words of a language."""
    city, words, templates = edition.cities[city_id], read_words(language), read_templates(language)
    place = places.city(city_id, asof=edition.issue_time)
    river = River(city, edition, language) if city["gauge"] else None
    hazards = [
        describe_hazard(edition, city, hazard, language)
        for hazard in HAZARDS
        if city.get(hazard) is not None
    ]
    hazards.sort(key=lambda hazard: -hazard["rank"])
    return {
        **frame(edition, language, place),
        "place": city_id,
        "city": city_name(place, language, asof=edition.issue_time),
        "hazards": hazards,
        "sentences": _tell_river(river, hazards, language),
        "river": river,
        "marks": river.name_marks() if river else {},
        "fan": river.draw_fan() if river else "",
        "skilful_until": _tell_skill(river, words),
        "facing": _describe_facing(edition, city, language),
        "drought": _describe_drought(city, templates, words),
        "impacts": list_impacts(edition, city, language, peak_m=river.peak_m if river else None),
        "record": _tell_record(city, place, templates),
        "missing": _name_missing(city, templates),
        "reports": _tell_reports(edition, place, words),
        "report_link": _link_report(place, settings),
        "contact": settings.alert_contact,
        "authority": templates["instruction"]["authority"],
        "proofs": [
            path
            for hazard in hazards
            if (path := edition.find_proof(hazard["identifier"])) is not None
        ],
        "messages": [
            message_path(hazard["identifier"], hazard["language"])
            for hazard in hazards
            if hazard["message"] is not None
        ],
        "data": write_city_data(edition, city_id, river, language),
    }


def frame(edition: Edition, language: str, place: places.City | None = None) -> dict[str, Any]:
    """Return what all pages of a language have: words, status, times and the other languages.

    The times are on the clock of a city, without one on that of the river's mouth.
    """
    templates, words = read_templates(language), read_words(language)
    banner = choose_banner(edition.status, templates)
    return {
        "language": language,
        "tag": templates["tag"],
        "languages": [(other, read_templates(other)["name"]) for other in LANGUAGES],
        "words": words,
        "templates": templates,
        "status": edition.status,
        "banner": banner,
        "mark": _name_status(banner),
        "reviewed": templates["reviewed"],
        "issued": edition.issue_time,
        "made": words["made"].format(**tell_moment(edition.issue_time, templates, place)),
        "holds": words["holds"].format(**tell_moment(edition.expires_at, templates, place)),
        "root": ROOT,
    }


def _name_status(banner: str) -> str:
    """Word of a banner's first sentence, without brackets and stops.

    Examples
    --------
    >>> _name_status("EXERCISE. Do not act."), _name_status("【演习】本消息"), _name_status("")
    ('EXERCISE', '演习', '')
    """
    return re.sub(r" *[(（].*", "", first_sentence(banner)).strip(".。။។【】 ")


def tell_moment(
    moment: datetime, templates: Templates, place: places.City | None = None
) -> dict[str, str]:
    """Date and time of a moment, on the clock of a city or of the river's mouth."""
    place = place or places.city("can_tho", asof=moment)
    return {
        "date": format_date(moment, place, templates),
        "time": format_hour(moment, place, templates),
    }


def describe_hazard(
    edition: Edition, city: dict[str, Any], hazard: str, language: str
) -> dict[str, Any]:
    """Describe the level of a hazard: its word, its number, its message and what to do."""
    row, words, templates = city[hazard], read_words(language), read_templates(language)
    known, in_force = Level(row["level"]), Level(row["level_in_force"])
    level = in_force if in_force in RAISED else known
    own_status = row["status"] if row["status"] != edition.status else "Actual"
    mark = _name_status(choose_banner(own_status, templates))
    message = edition.message(row["identifier"], language)
    own = message is not None
    if message is None:
        message = edition.message(row["identifier"], "en")
    return {
        "hazard": hazard,
        "name": templates["hazard"][hazard],
        "level": level.value,
        "rank": (3 * (level in RAISED) + number_level(level))
        if level in RAISED
        else (1 if level is Level.UNKNOWN else 0) + (0.5 if hazard == "flood" else 0.0),
        "word": f"{mark} {words[f'level_{level}']}".strip(),
        "number": words["number"].format(level=number_level(level)) if level in RAISED else "",
        "held": words["held"].format(level=number_level(level))
        if known is Level.UNKNOWN and level in RAISED
        else "",
        "identifier": row["identifier"],
        "message": message,
        "language": language if own or message is None else "en",
        "headline": _without_mark(
            message.headline, edition.status, read_templates(language if own else "en")
        )
        if message is not None
        else _tell_state(edition, city, hazard, level, templates),
        "do": _tell_what_to_do(level, message, words),
    }


def _without_mark(headline: str, status: str, templates: Templates) -> str:
    """Headline without the mark of its status, which the page has at its top."""
    return headline.removeprefix(first_sentence(choose_banner(status, templates))).strip()


def _tell_state(
    edition: Edition, city: dict[str, Any], hazard: str, level: Level, templates: Templates
) -> str:
    """Tell the level where no message says it."""
    row, place = city[hazard], places.city(city["id"], asof=edition.issue_time)
    name, language = templates["hazard"][hazard], templates["language"]
    if level in RAISED:
        word = read_words(language)[f"level_{level}"]
        return f"{name}{templates['colon']}{word}{templates['stop']}"
    key = "none" if level is Level.NONE else "unassessed"
    if key == "unassessed" and row.get("river_level") == "none":
        key = "partly"
    state = templates["headline"][key].format(
        hazard=name, city=city_name(place, language, asof=edition.issue_time)
    )
    return f"{state}{templates['stop']}"


def _tell_what_to_do(level: Level, message: Message | None, words: Any) -> list[str]:
    if message is not None:
        return list(message.instructions)
    return [words["do_none" if level is Level.NONE else "do_unknown"]]


def _tell_river(
    river: River | None, hazards: list[dict[str, Any]], language: str
) -> list[tuple[str, str]]:
    """Tell how high, when, against which mark, and rising or falling, each with its language.

    The headline stands first where the level is not about the river: of a drought or of rain.
    """
    words, first = read_words(language), hazards[0]
    headline = (first["headline"], first["language"])
    if river is None:
        return [headline, (words["no_gauge"], language)]
    flood = river.city["flood"]
    of_rain = flood["level_in_force"] != flood["river_level"] and first["message"] is not None
    sentences = [
        "" if river.days else words["no_forecast"],
        river.tell_highest(),
        river.tell_now(),
    ]
    told = [(sentence, language) for sentence in sentences if sentence]
    return [headline, *told] if first["hazard"] != "flood" or of_rain else told


def _tell_skill(river: River | None, words: Any) -> str:
    if river is None or not river.days:
        return ""
    days = [day for day in river.list_days() if day["skilful"]]
    if len(days) == len(river.days):
        return ""
    first = days[-1]["date"] if days else river.list_days()[0]["date"]
    return str(words["fan_skill"].format(date=first))


def _describe_facing(
    edition: Edition, city: dict[str, Any], language: str
) -> dict[str, Any] | None:
    other = edition.cities.get((city["facing"] or {}).get("id", ""))
    if other is None:
        return None
    place = places.city(other["id"], asof=edition.issue_time)
    return {
        **describe_hazard(edition, other, "flood", language),
        "id": other["id"],
        "place": city_name(place, language, asof=edition.issue_time),
    }


def _describe_drought(
    city: dict[str, Any], templates: Templates, words: Any
) -> dict[str, Any] | None:
    """Drought now, its phase, and the chance of each class in 1, 4 and 12 weeks."""
    row = city.get("drought")
    if row is None:
        return None
    known = row["drought_class"]
    if known is None:
        now = (
            templates["headline"]["unassessed"]
            .format(hazard=templates["hazard"]["drought"], city="")
            .strip(" :。")
        )
    elif known == "none":
        now = templates["drought"]["class_none"]
    else:
        number = int(known.removeprefix("d").removeprefix("D"))
        now = templates["drought"]["now"].format(**{"class": name_class(number, templates)})
    chances = [
        (
            templates["class"][f"d{number}"],
            [write_percent(row[f"p_d{number}"][weeks]) for weeks in ("1w", "4w", "12w")],
        )
        for number in (1, 2, 3)
        if row.get(f"p_d{number}")
    ]
    phase = row["drought_phase"]
    return {
        "now": now,
        "phase": templates["phase"][phase] if phase else "",
        "weeks": [words["weeks"].format(weeks=number) for number in (1, 4, 12)],
        "chances": chances,
    }


def _tell_record(city: dict[str, Any], place: places.City, templates: Templates) -> str:
    """How often such warnings came true, of the city or of all gauges."""
    flood = city["flood"] or {}
    level = Level(flood.get("level_in_force", "unknown"))
    if level not in RAISED:
        return ""
    if not flood["track_issued"] or not flood["track_since"]:
        return str(templates["track"]["few"])
    phrase = templates["track"]["city" if flood["track_of_city"] else "all"]
    since = datetime.fromisoformat(flood["track_since"])
    return str(
        phrase.format(
            since=format_date(since, place, templates, year=True),
            mark=templates["mark"][THRESHOLD_STAGE[level]],
            true=flood["track_came_true"],
            issued=flood["track_issued"],
        )
    )


def _name_missing(city: dict[str, Any], templates: Templates) -> list[str]:
    """Evidence that was missing, in the language where its words are those of the texts."""
    own = {text: templates["missing"][key] for key, text in read_templates("en")["missing"].items()}
    found = dict.fromkeys(
        text for hazard in HAZARDS for text in (city.get(hazard) or {}).get("missing", [])
    )
    return [own.get(text, text) for text in found]


def _tell_reports(edition: Edition, place: places.City, words: Any) -> str:
    """Tell how many people reported since the morning of the tree, and what."""
    row = edition.reports.get(place.id)
    if row is None or datetime.fromisoformat(row["since"]) < morning(place, edition.issue_time):
        return str(words["reports_none"])
    if not row["flooded"] + row["dry"]:
        return str(words["reports_none"])
    return str(words["reports_flooded"].format(flooded=row["flooded"], dry=row["dry"]))


def _link_report(place: places.City, settings: Settings) -> str:
    """Address that opens a text with the city's code; empty without a number."""
    if settings.report_number is None:
        return ""
    try:
        return sms_link(settings.report_number, f"FL {city_code(place)} ")
    except LookupError:
        return ""

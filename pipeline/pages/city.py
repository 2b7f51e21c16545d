"""The page of one city in one language."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from pipeline.alerts.cap import message_path
from pipeline.alerts.drought_paragraphs import name_class
from pipeline.alerts.formats import (
    Templates,
    format_date,
)
from pipeline.alerts.gauge_criteria import THRESHOLD_STAGE
from pipeline.alerts.levels import RAISED, Level
from pipeline.alerts.templates import read_templates
from pipeline.geography import places
from pipeline.geography.names import city_name
from pipeline.ground_reports.card import sms_link
from pipeline.ground_reports.city_codes import city_code
from pipeline.ground_reports.summary import morning
from pipeline.pages.edition import Edition
from pipeline.pages.frame import environment, frame
from pipeline.pages.hazards import HAZARDS, describe_hazard, list_hazards
from pipeline.pages.impacts import list_impacts
from pipeline.pages.river import River, write_percent
from pipeline.pages.script_data import write_city_data
from pipeline.pages.words import read_words
from pipeline.settings import Settings


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
    hazards = list_hazards(edition, city, language)
    return {
        **frame(edition, language, place),
        "place": city_id,
        "city": city_name(place, language, asof=edition.issue_time),
        "hazards": hazards,
        "sentences": _tell_river(city, river, hazards, language),
        "river": river,
        "marks": river.name_marks() if river else {},
        "fan": river.draw_fan() if river else "",
        "skilful_until": _tell_skill(river, words),
        "facing": _describe_facing(edition, city, language),
        "drought": _describe_drought(city, place, templates, words),
        "impacts": list_impacts(edition, city, language, peak_m=river.peak_m if river else None),
        "record": _tell_record(city, river, templates),
        "missing": _name_missing(city, templates),
        "reports": _tell_reports(edition, place, words),
        "report_link": _link_report(place, settings),
        "contact": settings.alert_contact,
        "authority": templates["instruction"]["authority"],
        "proofs": [
            (path, hazard["name"])
            for hazard in hazards
            if (path := edition.find_proof(hazard["identifier"])) is not None
        ],
        "messages": [
            (message_path(hazard["identifier"], hazard["language"]), hazard["name"])
            for hazard in hazards
            if hazard["message"] is not None
        ],
        "data": write_city_data(edition, city_id, river, language),
    }


def _tell_river(
    city: dict[str, Any], river: River | None, hazards: list[dict[str, Any]], language: str
) -> list[tuple[str, str]]:
    """Tell how high, when, against which mark, rising or falling, and until when.

    The headline stands first where the level is not about the river: of a drought or of rain.
    """
    words, first = read_words(language), hazards[0]
    headline = (first["headline"], first["language"])
    if river is None:
        told = [headline, (words["no_gauge"], language)]
        return told if first["partly"] else [*told, (_tell_scope(city, first, language), language)]
    flood = river.city["flood"]
    of_rain = flood["level_in_force"] != flood["river_level"] and first["message"] is not None
    sentences = [
        "" if river.days else words["no_forecast"],
        river.tell_highest(),
        river.tell_now(),
        river.tell_ending(),
    ]
    told = [(sentence, language) for sentence in sentences if sentence]
    return [headline, *told] if first["hazard"] != "flood" or of_rain else told


def _tell_scope(city: dict[str, Any], first: dict[str, Any], language: str) -> str:
    """Tell that of floods only rain is assessed, or nothing; floods are named on other pages."""
    words, templates = read_words(language), read_templates(language)
    scope = words["rain_only"]
    if city["flood"] is None:
        scope = f"{words['level_unknown']}{templates['stop']}"
    if first["hazard"] == "flood":
        return scope
    return f"{templates['hazard']['flood']}{templates['colon']}{scope}"


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
    flood = describe_hazard(edition, other, "flood", language)
    comma = read_templates(language)["comma"]
    return {
        **flood,
        "word": f"{flood['name']}{comma}{flood['word']}" if flood["partly"] else flood["word"],
        "id": other["id"],
        "place": city_name(place, language, asof=edition.issue_time),
    }


def _describe_drought(
    city: dict[str, Any], place: places.City, templates: Templates, words: Any
) -> dict[str, Any] | None:
    """Drought now, its phase, and the chance of each class in 1, 4 and 12 weeks.

    Without chances where it is not assessed, and without a class of which none is known.
    """
    row = city.get("drought")
    if row is None:
        return None
    known = row["drought_class"]
    if known is None:
        name = city_name(place, templates["language"])
        unassessed = templates["headline"]["unassessed"]
        now = unassessed.format(hazard=templates["hazard"]["drought"], city=name)
        now += templates["stop"]
    elif known == "none":
        now = templates["drought"]["class_none"]
    else:
        number = int(known.removeprefix("D"))
        now = templates["drought"]["now"].format(**{"class": name_class(number, templates)})
    chances = [
        (
            templates["class"][f"d{number}"],
            [write_percent(row[f"p_d{number}"][weeks]) for weeks in ("1w", "4w", "12w")],
        )
        for number in (1, 2, 3)
        if row["level"] != Level.UNKNOWN and _is_known(row.get(f"p_d{number}"))
    ]
    phase = row["drought_phase"]
    return {
        "now": now,
        "phase": templates["phase"][phase] if phase else "",
        "weeks": [words["weeks"].format(weeks=number) for number in (1, 4, 12)],
        "chances": chances,
    }


def _is_known(chances: dict[str, float | None] | None) -> bool:
    """Whether any chance is known."""
    return any(p is not None for p in (chances or {}).values())


def _tell_record(city: dict[str, Any], river: River | None, templates: Templates) -> str:
    """How often such warnings came true, of the city or of all gauges."""
    if river is None:
        return ""
    flood = city["flood"]
    level = Level(flood["level_in_force"])
    if level not in RAISED:
        return ""
    if not flood["track_issued"] or not flood["track_since"]:
        return str(templates["track"]["few"])
    phrase = templates["track"]["city" if flood["track_of_city"] else "all"]
    since = datetime.fromisoformat(flood["track_since"])
    return str(
        phrase.format(
            since=format_date(since, river.place, templates, year=True),
            mark=river.name_marks()[THRESHOLD_STAGE[level]],
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

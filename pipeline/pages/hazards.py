"""Flood and drought of a city as every page tells them: level, message, and what to do."""

from __future__ import annotations

from typing import Any

from pipeline.alerts.formats import Templates, number_level
from pipeline.alerts.headlines import choose_banner, first_sentence
from pipeline.alerts.levels import RAISED, Level
from pipeline.alerts.templates import read_templates
from pipeline.geography import places
from pipeline.geography.names import city_name
from pipeline.pages.edition import Edition, Message
from pipeline.pages.frame import name_status
from pipeline.pages.words import read_words

HAZARDS = ("flood", "drought")
_RANK = {level: rank for rank, level in enumerate((Level.NONE, Level.UNKNOWN, *RAISED))}
"""Order in which a page tells levels: what is not known comes before what is calm."""


def list_hazards(edition: Edition, city: dict[str, Any], language: str) -> list[dict[str, Any]]:
    """List the hazards that are assessed for a city, the gravest first, else the flood.

    Parameters
    ----------
    edition
        Published tree.
    city
        Content of ``cities/<id>.json``.
    language
        One of ``LANGUAGES``.
    """
    hazards = [
        describe_hazard(edition, city, hazard, language)
        for hazard in HAZARDS
        if city.get(hazard) is not None
    ]
    return sorted(hazards, key=lambda hazard: -hazard["rank"])


def describe_hazard(
    edition: Edition, city: dict[str, Any], hazard: str, language: str
) -> dict[str, Any]:
    """Describe the level of a hazard: its word, its number, its message and what to do.

    Where a place has no gauge, no flood warning is one of heavy rain alone: it is named so, does
    not look like a place that is known to be calm, and does not say that nothing is to be done.
    """
    row, words, templates = city[hazard], read_words(language), read_templates(language)
    known, in_force = Level(row["level"]), Level(row["level_in_force"])
    level = in_force if in_force in RAISED else known
    own_status = row["status"] if row["status"] != edition.status else "Actual"
    mark = name_status(choose_banner(own_status, templates))
    message = edition.message(row["identifier"], language)
    own = message is not None
    partly = hazard == "flood" and level is Level.NONE and city["gauge"] is None
    name = templates["short"]["rain"] if partly else templates["hazard"][hazard]
    if message is None:
        message = edition.message(row["identifier"], "en")
    return {
        "hazard": hazard,
        "name": name,
        "level": level.value,
        "partly": partly,
        "look": f"{level.value} partly" if partly else level.value,
        "rank": _RANK[level],
        "word": f"{mark} {words[f'level_{level}']}".strip(),
        "number": words["number"].format(level=number_level(level)) if level in RAISED else "",
        "held": words["held"].format(level=number_level(level))
        if known is Level.UNKNOWN and level in RAISED
        else "",
        "scope": words["rain_only"] if partly else "",
        "identifier": row["identifier"],
        "message": message,
        "language": language if own or message is None else "en",
        "headline": _without_mark(
            message.headline, row["status"], read_templates(language if own else "en")
        )
        if message is not None
        else _tell_state(edition, city, hazard, level, name=name, language=language),
        "do": _tell_what_to_do(Level.UNKNOWN if partly else level, message, words),
    }


def _without_mark(headline: str, status: str, templates: Templates) -> str:
    """Headline without the mark of its status, which page or level has."""
    return headline.removeprefix(first_sentence(choose_banner(status, templates))).strip()


def _tell_state(
    edition: Edition, city: dict[str, Any], hazard: str, level: Level, *, name: str, language: str
) -> str:
    """Tell the level where no message says it, of a hazard by its name."""
    row, place = city[hazard], places.city(city["id"], asof=edition.issue_time)
    templates = read_templates(language)
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

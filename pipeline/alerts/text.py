"""Text of a message: fixed templates per language with numbers, dates and places as slots."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from pipeline.alerts.decision import Decision
from pipeline.alerts.drought import DROUGHT_CLASS
from pipeline.alerts.levels import RAISED, Level
from pipeline.alerts.notice import Notice
from pipeline.alerts.paragraphs import drought_paragraphs, flood_paragraphs
from pipeline.alerts.templates import read_templates
from pipeline.geography.names import city_name
from pipeline.geography.places import City, reach_km


@dataclass(frozen=True, kw_only=True)
class Text:
    """A decision in one language.

    Parameters
    ----------
    language
        Tag of the language, BCP 47.
    sender
        Name of the sender.
    event, headline, description, instruction, area
        Texts of the elements of a CAP info.
    """

    language: str
    sender: str
    event: str
    headline: str
    description: str
    instruction: str
    area: str


def describe_missing(keys: tuple[str, ...], language: str = "en") -> list[str]:
    """Describe the missing evidence in plain words."""
    return [str(read_templates(language)["missing"][key]) for key in keys]


def describe_unassessed(hazard: str, city: str, language: str = "en", *, status: str) -> str:
    """Describe a hazard that is not assessed for a city of this name, in one line."""
    templates = read_templates(language)
    name = templates["hazard"][hazard]
    line = str(templates["headline"]["unassessed"].format(hazard=name, city=city))
    return _mark_status(line, status, templates)


def _mark_status(line: str, status: str, templates: dict[str, Any]) -> str:
    """Begin a line with the first word of the banner of its status."""
    mark = _first_sentence(_banner(status, templates))
    return str(templates["space"].join(filter(None, [mark, line])))


def compose_headline(decision: Decision, *, event: Level, status: str, language: str = "en") -> str:
    """Compose one line with the level, the city and whether the level is in force.

    Parameters
    ----------
    decision
        Subject of the line.
    event
        Level of the event that the message is about; NONE where there is no event.
    status
        CAP status; the line begins with the mark of all but ``Actual``.
    language
        One of ``LANGUAGES``.
    """
    templates = read_templates(language)
    headlines = templates["headline"]
    city = city_name(decision.city, language, asof=decision.issue_time)
    if event not in RAISED:
        key = "none" if decision.level is Level.NONE else "unassessed"
        key = "partly" if key != "none" and decision.river_level is Level.NONE else key
        hazard = templates["hazard"][decision.hazard]
        return _mark_status(headlines[key].format(hazard=hazard, city=city), status, templates)
    key = {Level.UNKNOWN: "unknown", Level.NONE: "over"}.get(decision.level, "active")
    name = templates["event"][f"{decision.hazard}_{event}"]
    return _mark_status(headlines[key].format(event=name, city=city), status, templates)


def compose(notice: Notice, *, language: str) -> Text:
    """Compose the text of a message in one language.

    Parameters
    ----------
    notice
        Subject of the message; all but status ``Actual`` carry a banner in headline and
        description.
    language
        One of ``LANGUAGES``.
    """
    decision, event, status = notice.decision, notice.event, notice.status
    templates = read_templates(language)
    banner = _banner(status, templates)
    lines = [banner, "" if templates["reviewed"] else templates["banner"]["unreviewed"]]
    key = {Level.UNKNOWN: "unknown", Level.NONE: "over"}.get(
        decision.level, "held" if "held" in decision.reasons else ""
    )
    lines.append(templates["state"].get(key, ""))
    if decision.hazard == "flood":
        lines += flood_paragraphs(decision, templates)
    elif decision.drought:
        number = DROUGHT_CLASS.get(event, 1)
        lines += drought_paragraphs(decision.drought, number, templates)
    missing = tuple(key for key in decision.missing if key != "gauge")
    if missing:
        items = templates["missing"]["separator"].join(describe_missing(missing, language))
        lines.append(templates["missing"]["intro"].format(items=items))
    instructions = templates["instruction"]
    key = "over" if decision.level is Level.NONE else f"{decision.hazard}_{event}"
    instruction = [banner, instructions[key], instructions["authority"], instructions["issuer"]]
    headline = compose_headline(decision, event=event, status=status, language=language)
    return Text(
        language=templates["tag"],
        sender=templates["sender"],
        event=templates["event"][f"{decision.hazard}_{event}"],
        headline=headline,
        description="\n".join(filter(None, lines)),
        instruction="\n".join(filter(None, instruction)),
        area=_area(
            decision.city,
            city_name(decision.city, language, asof=decision.issue_time),
            templates,
        ),
    )


def compose_cancellation(
    city: City, hazard: str, *, event: Level, status: str, note: str, language: str, when: datetime
) -> Text:
    """Compose the text of a Cancel in one language: the hazard is not assessed until the next run.

    Parameters
    ----------
    city, hazard, event, status
        As in the message that is withdrawn.
    note
        Error in the message, in English.
    language
        One of ``LANGUAGES``.
    when
        Moment of the Cancel.
    """
    templates = read_templates(language)
    name = city_name(city, language, asof=when)
    banner = _banner(status, templates)
    unreviewed = "" if templates["reviewed"] else templates["banner"]["unreviewed"]
    headline = describe_unassessed(hazard, name, language, status=status)
    instructions = [templates["instruction"][key] for key in ("authority", "issuer")]
    return Text(
        language=templates["tag"],
        sender=templates["sender"],
        event=templates["event"][f"{hazard}_{event}"],
        headline=headline,
        description="\n".join(filter(None, [banner, unreviewed, note])),
        instruction="\n".join(filter(None, [banner, *instructions])),
        area=_area(city, name, templates),
    )


def _area(city: City, name: str, templates: dict[str, Any]) -> str:
    """Area of a city's messages, in words."""
    radius = f"{reach_km(city):.0f}"
    return str(templates["area"]["within"].format(city=name, radius=radius))


def _banner(status: str, templates: dict[str, Any]) -> str:
    """Banner of a status; empty for Actual."""
    key = {"Exercise": "exercise", "Test": "test"}.get(status)
    return str(templates["banner"][key]) if key else ""


def _first_sentence(banner: str) -> str:
    """First word of a banner, with its stop: "EXERCISE."."""
    sentence = re.match(r".*?[.။។。】]", banner)
    return sentence[0] if sentence else banner.partition(" ")[0]

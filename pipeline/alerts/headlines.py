"""Headline of a message: what, where, and the highest stage expected with its day and mark."""

from __future__ import annotations

import math
import re

from pipeline.alerts.decision import Decision
from pipeline.alerts.drought_paragraphs import class_of_event, name_class
from pipeline.alerts.formats import (
    Templates,
    choose_mark,
    format_date,
    format_metres,
    join_sentences,
    number_level,
    tell_position,
)
from pipeline.alerts.levels import RAISED, Level
from pipeline.alerts.notice import Ending
from pipeline.alerts.paragraphs import find_peak, find_reading, is_on_rain
from pipeline.alerts.templates import read_templates
from pipeline.choices import Product
from pipeline.geography.names import city_name

LONGEST = 140
"""Most characters of a headline."""


def compose_headline(
    decision: Decision,
    *,
    event: Level,
    status: str,
    product: Product | None = None,
    ending: Ending | None = None,
    language: str = "en",
) -> str:
    """Compose one line with the level, the city, and the highest stage or the drought's class.

    Where a long name of a city leaves no room for the stage or the class, the line ends before it.

    Parameters
    ----------
    decision
        Subject of the line.
    event
        Level of the event that the message is about; NONE or UNKNOWN where there is no event.
    status
        CAP status; the line begins with the mark of all but ``Actual``.
    product
        What the city's country calls such a message; None where that is not set: an open event
        then has the name of its hazard.
    ending
        How the event ends; None while it is open.
    language
        One of ``LANGUAGES``.
    """
    templates = read_templates(language)
    sentences = _tell_line(decision, event, product, ending, templates)
    line = mark_status(join_sentences(sentences, templates), status, templates)
    if len(line) <= LONGEST:
        return line
    return mark_status(sentences[0], status, templates)


def mark_status(line: str, status: str, templates: Templates) -> str:
    """Begin a line with the first sentence of the banner of its status."""
    mark = first_sentence(choose_banner(status, templates))
    return str(templates["space"]).join(filter(None, [mark, line]))


def choose_banner(status: str, templates: Templates) -> str:
    """Banner of a status; empty for Actual."""
    key = {"Exercise": "exercise", "Test": "test"}.get(status)
    return str(templates["banner"][key]) if key else ""


def first_sentence(banner: str) -> str:
    """First word of a banner, with its stop.

    Examples
    --------
    >>> first_sentence("EXERCISE. Do not act on this message.")
    'EXERCISE.'
    """
    sentence = re.match(r".*?[.။។。】]", banner)
    return sentence[0] if sentence else banner.partition(" ")[0]


def _tell_line(
    decision: Decision,
    event: Level,
    product: Product | None,
    ending: Ending | None,
    templates: Templates,
) -> list[str]:
    headlines, language = templates["headline"], templates["language"]
    city = city_name(decision.city, language, asof=decision.issue_time)
    if event not in RAISED:
        key = "none" if decision.level is Level.NONE else "unassessed"
        key = "partly" if key != "none" and decision.river_level is Level.NONE else key
        hazard = templates["hazard"][decision.hazard]
        return [headlines[key].format(hazard=hazard, city=city)]
    if ending:
        name = templates["product"][f"{decision.hazard}_{product or 'advisory'}"]
        return [headlines[ending].format(product=name, city=city)]
    name = templates["product"].get(
        f"{decision.hazard}_{product}", templates["hazard"][decision.hazard]
    )
    words = [headlines["active"].format(product=name, city=city, level=number_level(event))]
    if decision.level is Level.UNKNOWN:
        words.append(headlines["unknown"])
    elif decision.hazard == "drought":
        words.append(_tell_class(decision, event, templates))
    else:
        words.append(_tell_stage(decision, event, templates))
    return words


def _tell_class(decision: Decision, event: Level, templates: Templates) -> str:
    """Class of drought at present, or that of the level where it is yet to come."""
    if decision.drought is None:
        return ""
    number, present = class_of_event(decision.drought, event)
    phrase = templates["headline"]["drought_now" if present else "drought_ahead"]
    name = re.sub(r" ?[(（].*[)）]", "", name_class(number, templates))
    return str(phrase.format(**{"class": name}))


def _tell_stage(decision: Decision, event: Level, templates: Templates) -> str:
    """Highest stage expected with its day, against a mark; the rain where that raised the level."""
    headlines, station = templates["headline"], decision.station
    doubt = decision.river.doubt if decision.river else None
    if doubt and "seen_unconfirmed" in decision.reasons:
        return str(headlines["unconfirmed"].format(stage=format_metres(doubt.highest_m, templates)))
    if decision.rain and is_on_rain(decision):
        years = f"{decision.rain.return_period_years:.0f}"
        return str(headlines["rain"].format(years=years))
    reading_m, peak = find_reading(decision), find_peak(decision)
    if station is None or (peak is None and math.isnan(reading_m)):
        return ""
    if peak is None or reading_m >= peak.q50_m:
        key, stage_m = "reading", reading_m
    else:
        key, stage_m = "peak", peak.q50_m
    slots = {"date": format_date(peak.valid_time, decision.city, templates)} if peak else {}
    position = tell_position(
        station,
        stage_m,
        choose_mark(station, stage_m, event),
        templates,
        asof=decision.issue_time,
        short=True,
    )
    stage = format_metres(stage_m, templates)
    return str(headlines[key].format(stage=stage, position=position, **slots))

"""The sheet of a city for its commune: one page of paper to read aloud, to fill in and to hang."""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from typing import Any
from unicodedata import category, east_asian_width

from pipeline.alerts.levels import RAISED, Level
from pipeline.alerts.short_texts import UNREVIEWED
from pipeline.alerts.templates import read_templates
from pipeline.geography import places
from pipeline.geography.names import city_name
from pipeline.pages.edition import Edition
from pipeline.pages.frame import environment, frame
from pipeline.pages.hazards import list_hazards
from pipeline.pages.river import River
from pipeline.pages.words import read_words
from pipeline.settings import Settings

LARGEST_PT, SMALLEST_PT = 25.0, 11.0
"""Sizes of what is read aloud."""
ROOM_MM, LEVEL_MM, WIDTH_MM = 102.0, 23.0, 178.0
"""Height that the text may take on the sheet, what each level but the first takes of it, and its
width."""
LETTER = 0.63
"""Width of a letter with its share of unfilled lines, by the size."""
LINE = {"km": 1.95, "lo": 2.3, "my": 2.7}
"""Height of a line by the size where it is not 1.4, of the scripts with wider letters with their
width."""
PT_PER_MM = 72.0 / 25.4


def write_sheet(edition: Edition, city_id: str, language: str, *, settings: Settings) -> bytes:
    """Write the sheet of a city.

    Parameters
    ----------
    edition
        Published tree.
    city_id
        Id of the city.
    language
        One of ``LANGUAGES``.
    settings
        Whom to ask.

    Returns
    -------
    bytes
        HTML in UTF-8 that prints on one A4 page.
    """
    template = environment().get_template("sheet.html.jinja")
    facts = describe_sheet(edition, city_id, language, settings=settings)
    return template.render(facts).encode()


def describe_sheet(
    edition: Edition, city_id: str, language: str, *, settings: Settings
) -> dict[str, Any]:
    """Describe what the sheet of a city says, in the words of a language."""
    city, words, templates = edition.cities[city_id], read_words(language), read_templates(language)
    place = places.city(city_id, asof=edition.issue_time)
    texts = read_aloud(edition, language)
    shown = [
        hazard
        for number, hazard in enumerate(list_hazards(edition, city, language))
        if number == 0 or hazard["level"] != "none" or _event(city_id, hazard) in texts
    ]
    lines = dict.fromkeys(
        line
        for hazard in shown
        for line in _tell_hazard(
            edition, city, hazard, texts.get(_event(city_id, hazard)), language=language
        )
    )
    first = [
        (
            words["sheet_first" if hazard["hazard"] == "flood" else "sheet_water"],
            templates["instruction"][f"{hazard['hazard']}_first"],
        )
        for hazard in shown
        if Level(hazard["level"]) in RAISED
    ]
    return {
        **frame(edition, language, place),
        "place": city_id,
        "city": city_name(place, language, asof=edition.issue_time),
        "hazards": shown,
        "lines": list(lines),
        "first": first,
        "size_pt": fit_size(
            [*lines, *(line for _, line in first), *(hazard["held"] for hazard in shown)],
            len(shown),
            language,
        ),
        "authority": templates["instruction"]["authority"],
        "contact": settings.alert_contact,
    }


def read_aloud(edition: Edition, language: str) -> dict[str, list[str]]:
    """Read the texts to read aloud of a tree: lines by event, none where a night sent nothing."""
    file = edition.folder / f"read/{language}.txt"
    text = file.read_text(encoding="utf-8").removeprefix(UNREVIEWED) if file.is_file() else ""
    blocks = [block.splitlines() for block in text.split("\n\n") if block.strip()]
    return {event: lines for event, *lines in blocks}


def _tell_hazard(
    edition: Edition,
    city: dict[str, Any],
    hazard: dict[str, Any],
    text: list[str] | None,
    *,
    language: str,
) -> list[str]:
    """Lines about a hazard, its text to read aloud where there is one.

    After the line that names a flood stands how the river stands now, the highest stage to come,
    each against a mark, and until when; what the text says of a stage, without a mark, gives way.
    Without a gauge it says there that the river is not assessed.
    """
    templates = read_templates(language)
    lines = text or [hazard["headline"], *hazard["do"]]
    if hazard["hazard"] != "flood":
        return lines
    marks = [templates["read"][status] for status in ("exercise", "test")]
    if not city["gauge"]:
        at = _find_named(lines, marks)
        return [*lines[:at], read_words(language)["rain_only"], *lines[at:]]
    river = River(city, edition, language)
    highest = "" if text is None and hazard["message"] else river.tell_highest()
    told = [river.tell_now() if city["stage"] else "", highest, river.tell_ending()]
    lines = [
        line
        for line in lines
        if not (highest and _is_filled(templates["read"]["highest"], line))
        and not (city["stage"] and _is_filled(templates["read"]["latest"], line))
    ]
    at = _find_named(lines, marks)
    return [*lines[:at], *filter(None, told), *lines[at:]]


def _find_named(lines: Sequence[str], marks: Sequence[str]) -> int:
    """Count the lines to the first that is no mark of a status: it names level and place."""
    return 1 + next((number for number, line in enumerate(lines) if line not in marks), 0)


def _is_filled(template: str, line: str) -> bool:
    """Whether a line is a template with its slots filled.

    Examples
    --------
    >>> [_is_filled("On {date}: {stage}.", line) for line in ("On 2 May: 3 metres.", "Go.")]
    [True, False]
    """
    pieces = re.split(r"{\w+}", template)
    return re.fullmatch(".+".join(map(re.escape, pieces)), line) is not None


def fit_size(lines: Sequence[str], levels: int, language: str) -> float:
    """Size (pt) at which lines fill the room that the sheet has for them, at most the largest.

    Parameters
    ----------
    lines
        What is read aloud, and who goes first.
    levels
        Number of levels above it.
    language
        One of ``LANGUAGES``.

    Examples
    --------
    >>> fit_size(["Go to high ground now."], 1, "en"), fit_size(["a" * 1000], 2, "en")
    (25.0, 11.0)
    """
    letters = sum(2.0 if east_asian_width(sign) == "W" else 1.0
                  for line in lines for sign in line if category(sign) != "Mn")  # fmt: skip
    room = (ROOM_MM - LEVEL_MM * (levels - 1)) * WIDTH_MM
    size_mm = math.sqrt(room / (letters * LETTER * LINE.get(language, 1.4)))
    return max(SMALLEST_PT, min(LARGEST_PT, math.floor(2.0 * PT_PER_MM * size_mm) / 2.0))


def _event(city_id: str, hazard: dict[str, Any]) -> str:
    return f"{city_id}-{hazard['hazard']}"

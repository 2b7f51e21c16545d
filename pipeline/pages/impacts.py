"""What stands under water at which stage, and the crests of past years, beside today's stage."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from pipeline.alerts.formats import format_metres
from pipeline.alerts.templates import read_templates
from pipeline.geography import places
from pipeline.geography.reference_tables import edition as reference_edition
from pipeline.pages.edition import Edition
from pipeline.pages.frame import is_of_today, tell_moment
from pipeline.pages.words import read_words


@dataclass(frozen=True)
class Impact:
    """One line of the scale.

    Parameters
    ----------
    stage_m
        Stage, m.
    stage
        The same in words.
    text
        What stands under water, or which crest or stage this is.
    kind
        ``impact``, ``crest``, ``today`` or ``expected``.
    language
        Language of the text.
    """

    stage_m: float
    stage: str
    text: str
    kind: str
    language: str


def list_impacts(
    edition: Edition, city: dict[str, Any], language: str, *, peak_m: float | None = None
) -> list[Impact]:
    """List the lines of ``impacts.csv`` for a city, highest first, with the last stage between.

    Empty where nothing is on record. A text that is not there in the language is in English.
    ``peak_m`` is the highest stage expected; None without one.
    """
    words, templates = read_words(language), read_templates(language)
    rows = [
        row
        for row in reference_edition(edition.issue_time).rows("impacts.csv")
        if row["city"] == city["id"]
    ]
    lines = list[Impact]()
    for kind, stage_m in dict.fromkeys((row["kind"], float(row["stage_m"])) for row in rows):
        texts = {
            row["language"]: row
            for row in rows
            if (row["kind"], float(row["stage_m"])) == (kind, stage_m)
        }
        used = language if language in texts else "en" if "en" in texts else next(iter(texts))
        row = texts[used]
        text = words["crest"].format(year=row["year"]) if kind == "crest" else row["text"]
        if row["depth"]:
            text = f"{text} ({words[row['depth']]})"
        own = kind == "crest"
        lines.append(_line(stage_m, text, kind, language if own else used, templates))
    if not lines:
        return []
    stage = city["stage"]
    if stage is not None:
        text = _tell_reading(edition, city, language)
        lines.append(_line(stage["m"], text, "today", language, templates))
    if peak_m is not None:
        text = words["impact_expected"].format(stage=format_metres(peak_m, templates))
        lines.append(_line(peak_m, text, "expected", language, templates))
    return sorted(lines, key=lambda line: -line.stage_m)


def _tell_reading(edition: Edition, city: dict[str, Any], language: str) -> str:
    """Tell that the last stage is that of today, on the clock of the city, or when it was read."""
    words, templates, stage = read_words(language), read_templates(language), city["stage"]
    place = places.city(city["id"], asof=edition.issue_time)
    if is_of_today(edition, place, stage):
        return words["impact_today"].format(stage=format_metres(stage["m"], templates))
    read = datetime.fromisoformat(stage["time"])
    return words["read_at"].format(**tell_moment(read, templates, place))


def _line(stage_m: float, text: str, kind: str, language: str, templates: Any) -> Impact:
    return Impact(stage_m, format_metres(stage_m, templates), text, kind, language)

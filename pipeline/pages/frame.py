"""What all pages share: their templates, the words of a language, times, and the status."""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import datetime
from functools import lru_cache
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from pipeline.alerts.formats import Templates, format_date, format_hour, local_time
from pipeline.alerts.headlines import choose_banner, first_sentence
from pipeline.alerts.templates import LANGUAGES, read_templates
from pipeline.geography import places
from pipeline.pages.edition import Edition
from pipeline.pages.words import read_words

TEMPLATES = Path(__file__).parent / "templates"
ROOT = "../.."
"""The published tree, seen from a page."""
STYLES = {"style": ("levels.css", "page.css"), "paper": ("levels.css", "paper.css")}
"""Files of the style of a page on a screen and on paper."""


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
    for name, files in STYLES.items():
        found.globals[name] = "".join((TEMPLATES / file).read_text("utf-8") for file in files)
    return found


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
        "mark": name_status(banner),
        "reviewed": templates["reviewed"],
        "issued": edition.issue_time,
        "made": words["made"].format(**tell_moment(edition.issue_time, templates, place)),
        "holds": words["holds"].format(**tell_moment(edition.expires_at, templates, place)),
        "clock": name_clock(place or _mouth(edition.issue_time)),
        "root": ROOT,
    }


def is_of_today(edition: Edition, place: places.City, stage: Mapping[str, Any]) -> bool:
    """Whether a stage was read on the day of issue, by the clock of a city."""
    read, issued = (
        local_time(moment, place).date()
        for moment in (datetime.fromisoformat(stage["time"]), edition.issue_time)
    )
    return read == issued


def name_clock(place: places.City) -> str:
    """Name the clock of a city, as UTC+7 or UTC+6:30."""
    hours, minutes = divmod(round(60 * abs(place.utc_offset_h)), 60)
    sign = "-" if place.utc_offset_h < 0 else "+"
    return f"UTC{sign}{hours}" + (f":{minutes:02d}" if minutes else "")


def _mouth(moment: datetime) -> places.City:
    """City at the river's mouth, whose clock pages without a city show."""
    return places.city("can_tho", asof=moment)


def name_status(banner: str) -> str:
    """Word of a banner's first sentence, without brackets and stops.

    Examples
    --------
    >>> name_status("EXERCISE. Do not act."), name_status("【演习】本消息"), name_status("")
    ('EXERCISE', '演习', '')
    """
    return re.sub(r" *[(（].*", "", first_sentence(banner)).strip(".。။។【】 ")


def tell_moment(
    moment: datetime, templates: Templates, place: places.City | None = None
) -> dict[str, str]:
    """Date and time of a moment, on the clock of a city or of the river's mouth."""
    place = place or _mouth(moment)
    return {
        "date": format_date(moment, place, templates),
        "time": format_hour(moment, place, templates),
    }

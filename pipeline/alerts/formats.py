"""Numbers, dates and names as slots of a message, formatted for its language."""

from __future__ import annotations

import math
from datetime import datetime, timedelta
from typing import Any, Literal

from pipeline.alerts.gauge_criteria import THRESHOLD_STAGE
from pipeline.alerts.levels import ORDER, Level
from pipeline.geography.gauge_figures import vietnamese_level_2
from pipeline.geography.places import City, Station

Mark = Literal["alarm", "flood"]
Templates = dict[str, Any]
"""Templates of one language, as of :func:`pipeline.alerts.templates.read_templates`."""


def format_percent(p: float, templates: Templates) -> str:
    """Format a probability in whole percent, never 0 or 100.

    Examples
    --------
    >>> words = {"percent": {"exact": "{p} %", "above": "over {p} %", "below": "under {p} %"}}
    >>> [format_percent(p, words) for p in (0.004, 0.43, 0.999)]
    ['under 1 %', '43 %', 'over 99 %']
    """
    key, percent = (
        ("below", 1.0) if p < 0.01 else ("above", 99.0) if p > 0.99 else ("exact", 100 * p)
    )
    return str(templates["percent"][key].format(p=f"{percent:.0f}"))


def format_number(value: float, form: str, templates: Templates) -> str:
    """Format a number with the decimal sign of the language, no zero with a minus.

    Examples
    --------
    >>> [format_number(value, "+z.1f", {"decimal": ","}) for value in (-1.46, -0.04)]
    ['-1,5', '+0,0']
    """
    return format(value, form).replace(".", templates["decimal"])


def format_metres(stage_m: float, templates: Templates) -> str:
    """Format a stage to the centimetre."""
    return format_number(stage_m, "z.2f", templates)


def local_time(moment: datetime, city: City) -> datetime:
    """Convert a moment to the city's clock."""
    return moment + timedelta(hours=city.utc_offset_h)


def format_date(moment: datetime, city: City, templates: Templates, *, year: bool = False) -> str:
    """Format the date of a moment on the city's clock.

    Parameters
    ----------
    moment
        Aware moment, UTC.
    city
        City whose clock counts.
    templates
        Templates of the language.
    year
        Whether the year is told.
    """
    local = local_time(moment, city)
    form = templates["date" if year else "day"]
    number = local.year + templates["year_offset"]
    return str(form.format(day=local.day, month=templates["months"][local.month - 1], year=number))


def format_hour(moment: datetime, city: City, templates: Templates) -> str:
    """Format the time of day of a moment on the city's clock."""
    local = local_time(moment, city)
    return str(templates["time"].format(hour=f"{local:%H}", minute=f"{local:%M}"))


def number_level(level: Level) -> int:
    """Return the number of a level that a message tells, 0 for NONE.

    Examples
    --------
    >>> number_level(Level.WARNING)
    2
    """
    return ORDER.index(level)


def name_marks(
    station: Station, templates: Templates, *, asof: datetime, short: bool = False
) -> dict[Mark, str]:
    """Words for alarm and flood stage at a gauge, as its country's service calls them.

    At the MRC's Thai gauges flood stage is the height of the bank. Where the Vietnamese level II
    is on record, alarm and flood stage are the levels I and III.

    Parameters
    ----------
    station
        Gauge.
    templates
        Templates of the language.
    asof
        Moment whose tables count.
    short
        Whether a shorter word is wanted where the country has none of its own, as in a headline.
    """
    marks = templates["mark"]
    country = _country_of_terms(station, asof=asof)
    names: tuple[Mark, Mark] = ("alarm", "flood")
    words = {mark: str(marks.get(f"{mark}_{country}", marks[mark])) for mark in names}
    if short:
        words = {
            mark: marks[f"short_{mark}"] if word == marks[mark] else word
            for mark, word in words.items()
        }
    return words


def name_term(station: Station, mark: Mark, templates: Templates, *, asof: datetime) -> str:
    """Latin transcription of a country's own term for standing above a mark; empty without one.

    Only English tells it: in the language of the country the mark itself is called so.
    """
    terms = templates.get("term", {})
    return str(terms.get(f"{mark}_{_country_of_terms(station, asof=asof)}", ""))


def _country_of_terms(station: Station, *, asof: datetime) -> str:
    """Country whose terms hold at a gauge; empty where they need figures that are not there."""
    country = station.country.lower()
    unknown = country == "vn" and station.code not in vietnamese_level_2(asof=asof)
    return "" if unknown else country


def stage_of_mark(station: Station, mark: Mark) -> float:
    """Alarm or flood stage of a gauge, m; NaN where it has none."""
    stage_m = station.alarm_m if mark == "alarm" else station.flood_m
    return math.nan if stage_m is None else stage_m


def choose_mark(station: Station, stage_m: float, event: Level) -> Mark:
    """Choose the mark against which a stage is told.

    Flood stage where it is reached, else the mark that the level of the event is about; for a
    Warning or an Emergency below alarm stage still flood stage.
    """
    if stage_m >= stage_of_mark(station, "flood"):
        return "flood"
    return THRESHOLD_STAGE[event]


def tell_position(
    station: Station,
    stage_m: float,
    mark: Mark,
    templates: Templates,
    *,
    asof: datetime,
    short: bool = False,
) -> str:
    """Tell how far a stage lies above or below a mark; ``short`` as for :func:`name_marks`."""
    margin_m = stage_m - stage_of_mark(station, mark)
    phrase = templates["mark"]["above" if margin_m >= 0.0 else "below"]
    name = name_marks(station, templates, asof=asof, short=short)[mark]
    return str(phrase.format(margin=format_metres(abs(margin_m), templates), mark=name))


def join_sentences(sentences: list[str], templates: Templates) -> str:
    """Join sentences to a paragraph, without empty ones."""
    return str(templates["sentence"]).join(filter(None, sentences))

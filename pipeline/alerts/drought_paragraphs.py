"""Lines of a drought message's description: what, when, how sure, now, and for hydrologists."""

from __future__ import annotations

import math
from datetime import timedelta

from pipeline.alerts.decision import Decision
from pipeline.alerts.drought import DROUGHT_CLASS, DROUGHT_WEEKS
from pipeline.alerts.evidence import Drought
from pipeline.alerts.formats import Templates, format_date, format_number, format_percent
from pipeline.alerts.levels import Level
from pipeline.alerts.notice import Phase

DRIEST = 3
"""Highest class that is told: the record cannot tell D4 from D3."""
SPI3_DAYS = 90
"""Days of rain that SPI-3 compares with those of other years."""


def name_class(number: int, templates: Templates) -> str:
    """Name a drought class, D3 for D4."""
    return str(templates["class"][f"d{min(number, DRIEST)}"])


def class_of_event(drought: Drought, event: Level) -> tuple[int, bool]:
    """Class that a message is about, and whether it is there at present."""
    wanted, present = DROUGHT_CLASS[event], drought.current_class
    if present is not None and present >= wanted:
        return min(present, DRIEST), True
    return wanted, False


def tell_what(decision: Decision, event: Level, templates: Templates) -> list[str]:
    """Tell what an open drought is and means for water, fields and animals.

    Parameters
    ----------
    decision
        Drought decision.
    event
        Level in force.
    templates
        Templates of the language.
    """
    phrases = templates["what"]
    sentences = []
    if decision.level is Level.UNKNOWN:
        sentences.append(phrases["unknown"])
    elif decision.held:
        sentences.append(phrases["held"])
    if decision.drought is None:
        return sentences
    number, present = class_of_event(decision.drought, event)
    if not present and sentences:
        return sentences
    phrase = templates["drought"]["now" if present else "ahead"]
    sentences.append(phrase.format(**{"class": name_class(number, templates)}))
    return [*sentences, templates["meaning"][f"d{number}"]]


def tell_when(decision: Decision, templates: Templates) -> list[str]:
    """Tell since or from when, and which months are compared."""
    phrases, city, onset = templates["when"], decision.city, decision.onset
    sentences = []
    if onset and onset != decision.issue_time:
        key = "drought" if onset > decision.issue_time else "since"
        sentences.append(phrases[key].format(date=format_date(onset, city, templates)))
    if decision.drought and not math.isnan(decision.drought.spi3):
        first, last = (
            format_date(decision.issue_time - timedelta(days=days), city, templates)
            for days in (SPI3_DAYS, 1)
        )
        sentences.append(phrases["compared"].format(first=first, last=last))
    return sentences


def tell_how_sure(decision: Decision, event: Level, templates: Templates) -> list[str]:
    """Tell one chance: of the level's class, or of the next one where that is there at present."""
    phrases, drought = templates["sure"], decision.drought
    if decision.level is Level.UNKNOWN or drought is None:
        return [phrases["none"]]
    number, present = class_of_event(drought, event)
    sentences = [phrases["observed"]] if present and decision.certainty == "Observed" else []
    number += present
    p = drought.p_class(number, DROUGHT_WEEKS) if number <= DRIEST else math.nan
    if drought.tier != "climatology" and not math.isnan(p):
        percent = format_percent(p, templates)
        sentences.append(phrases["drought"].format(**{"class": f"D{number}"}, p=percent))
    return sentences or [phrases["none"]]


def tell_now(decision: Decision, phase: Phase | None, templates: Templates) -> list[str]:
    """Tell the phase, and the class at present."""
    sentences = [templates["phase"][phase]] if phase else []
    present = decision.drought.current_class if decision.drought else None
    if present is None:
        missing = templates["missing"]
        return [*sentences, missing["intro"].format(items=missing["drought_class"])]
    if present < 0:
        return [*sentences, templates["drought"]["class_none"]]
    name = name_class(present, templates)
    return [*sentences, templates["drought"]["class"].format(**{"class": name})]


def tell_hydrologists(drought: Drought, event: Level, templates: Templates) -> list[list[str]]:
    """Tell the chances of the level's class, and the indices that it rests on."""
    phrases, number = templates["drought"], DROUGHT_CLASS[event]
    p = {f"p{weeks}": drought.p_class(number, weeks) for weeks in (1, 4, 12)}
    chances = []
    if drought.tier != "climatology" and not any(math.isnan(value) for value in p.values()):
        percents = {key: format_percent(value, templates) for key, value in p.items()}
        chances.append(phrases["p"].format(**{"class": f"D{number}"}, **percents))
    values = (
        ("spi3", format_number(drought.spi3, "+z.1f", templates), drought.spi3),
        ("soil", f"{drought.soil_moisture_percentile:.0f}", drought.soil_moisture_percentile),
        ("vhi", f"{drought.vhi:.0f}", drought.vhi),
    )
    indices = [
        phrases[key].format(value=text) for key, text, value in values if not math.isnan(value)
    ]
    return [chances, indices]

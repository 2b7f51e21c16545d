"""Instruction of a message: at most four sentences, the city's own text first."""

from __future__ import annotations

from pipeline.alerts.formats import Templates
from pipeline.alerts.levels import Level
from pipeline.alerts.notice import Notice
from pipeline.geography.reference_schema import EVERY_CITY
from pipeline.geography.reference_tables import edition

MOST_SENTENCES = 4


def compose_instruction(notice: Notice, templates: Templates) -> list[str]:
    """Compose the sentences of an instruction, what to do first.

    The city's own text of ``actions.csv`` goes before the general sentences and takes the place of
    the second one. From Warning on people who need more time go first. A held level has its own
    instruction, and so has an event that ends, which never says that all is as before.

    Parameters
    ----------
    notice
        Subject of the message.
    templates
        Templates of the language.

    Returns
    -------
    list of str
        At most ``MOST_SENTENCES``.
    """
    phrases, hazard = templates["instruction"], notice.decision.hazard
    if notice.ending:
        return [*_tell_ending(notice, templates), phrases["authority"]]
    if notice.decision.eases:
        sentences = [phrases[f"{hazard}_held"]]
    else:
        own = find_own_text(notice, templates["language"])
        general = [phrases[f"{hazard}_{notice.event}_{number}"] for number in (1, 2)]
        sentences = [own, general[0]] if own else general
    if notice.event is not Level.WATCH:
        sentences.append(phrases[f"{hazard}_first"])
    return [*sentences, phrases["authority"]]


def _tell_ending(notice: Notice, templates: Templates) -> list[str]:
    phrases = templates["instruction"]
    if notice.decision.hazard == "drought":
        sentences = [phrases["drought_over"]]
    else:
        sentences = [phrases["flood_over"], phrases["flood_return"]]
    return [*sentences, *([phrases["not_known"]] if notice.ending == "not_known" else [])]


def find_own_text(notice: Notice, language: str) -> str:
    """Find the text of ``actions.csv`` for a city, hazard, level and language.

    Parameters
    ----------
    notice
        Subject of the message.
    language
        One of ``LANGUAGES``.

    Returns
    -------
    str
        The city's own text, else that of every city; empty where there is none.
    """
    decision = notice.decision
    texts = {
        row["city"]: row["text"]
        for row in edition(decision.issue_time).rows("actions.csv")
        if (row["hazard"], row["level"], row["language"])
        == (decision.hazard, notice.event.value, language)
    }
    return texts.get(decision.city.id) or texts.get(EVERY_CITY, "")

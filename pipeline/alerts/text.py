"""Text of a message: fixed templates per language with numbers, dates and places as slots."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from pipeline.alerts import drought_paragraphs, paragraphs
from pipeline.alerts.formats import (
    Templates,
    format_date,
    format_hour,
    join_sentences,
    number_level,
)
from pipeline.alerts.headlines import (
    choose_banner,
    compose_headline,
    first_sentence,
    mark_status,
)
from pipeline.alerts.instructions import compose_instruction
from pipeline.alerts.levels import RAISED, Level
from pipeline.alerts.notice import Notice
from pipeline.alerts.templates import read_templates
from pipeline.geography.names import city_name
from pipeline.geography.places import City, reach_km


@dataclass(frozen=True, kw_only=True)
class Text:
    """A message in one language.

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
    return mark_status(line, status, templates)


def compose(notice: Notice, *, language: str) -> Text:
    """Compose the text of a message in one language.

    The description has five lines, each with its own word first: what it is and means here, where,
    when, how sure, and how it is now. Then it says whose word it is; what hydrologists ask follows
    below a line of its own.

    Parameters
    ----------
    notice
        Subject of the message; a status other than ``Actual`` is a banner of the description, its
        first sentence of headline and instruction.
    language
        One of ``LANGUAGES``.
    """
    decision, templates = notice.decision, read_templates(language)
    banner = choose_banner(notice.status, templates)
    headline = compose_headline(
        decision,
        event=notice.event,
        status=notice.status,
        product=notice.product,
        ending=notice.ending,
        language=language,
    )
    lines = [
        banner,
        "" if templates["reviewed"] else templates["banner"]["unreviewed"],
        *_five_lines(notice, templates),
        _tell_sender(notice, templates),
        *_tell_hydrologists(notice, templates),
    ]
    first = first_sentence(banner)
    return Text(
        language=templates["tag"],
        sender=notice.authority or templates["sender"],
        event=templates["hazard"][decision.hazard],
        headline=headline,
        description="\n".join(filter(None, lines)),
        instruction="\n".join(filter(None, [first, *compose_instruction(notice, templates)])),
        area=_area(
            decision.city,
            city_name(decision.city, language, asof=decision.issue_time),
            templates,
        ),
    )


def _five_lines(notice: Notice, templates: Templates) -> list[str]:
    """Tell what, where, when, how sure and now; a line that has nothing to say is left out."""
    decision, event, phase = notice.decision, notice.event, notice.phase
    date = format_date(notice.expires, decision.city, templates)
    hour = format_hour(notice.expires, decision.city, templates)
    when = [templates["when"]["until"].format(date=date, time=hour)]
    sure: list[str] = []
    if notice.ending:
        what, when = [templates["what"][notice.ending]], []
    elif decision.hazard == "flood":
        what = paragraphs.tell_what(decision, event, templates)
        when = [*paragraphs.tell_when(decision, event, templates), *when]
        sure = paragraphs.tell_how_sure(decision, event, templates)
    else:
        what = drought_paragraphs.tell_what(decision, event, templates)
        when = [*drought_paragraphs.tell_when(decision, templates), *when]
        sure = drought_paragraphs.tell_how_sure(decision, event, templates)
    if decision.hazard == "flood":
        now = paragraphs.tell_now(decision, event, templates)
    else:
        now = drought_paragraphs.tell_now(decision, phase, templates)
    if not notice.ending:
        what.insert(0, templates["level"][event])
    if is_short_of_evidence(notice):
        sure.append(_tell_missing(notice, templates))
    lines = {
        "what": [*what, _tell_other_hazard(notice, templates)],
        "where": _tell_where(notice, templates),
        "when": when,
        "sure": sure,
        "now": now,
    }
    return [
        templates["line"][key] + templates["colon"] + join_sentences(sentences, templates)
        for key, sentences in lines.items()
        if any(sentences)
    ]


def _tell_other_hazard(notice: Notice, templates: Templates) -> str:
    """Level of the city's other hazard where a warning of it is in force; else empty."""
    other = notice.decision.other_hazard
    if other not in RAISED:
        return ""
    key = "with_drought" if notice.decision.hazard == "flood" else "with_flood"
    return str(templates["what"][key].format(level=number_level(other)))


def _tell_where(notice: Notice, templates: Templates) -> list[str]:
    """Area, and the level of the city on the other bank."""
    decision, language = notice.decision, templates["language"]
    name = city_name(decision.city, language, asof=decision.issue_time)
    sentences = [_area(decision.city, name, templates) + templates["stop"]]
    if decision.facing:
        city, level = decision.facing
        key = {Level.NONE: "facing_none", Level.UNKNOWN: "facing_unknown"}.get(level, "facing")
        slots = {"level": number_level(level)} if key == "facing" else {}
        opposite = city_name(city, language, asof=decision.issue_time)
        sentences.append(templates["where"][key].format(city=opposite, **slots))
    return sentences


def is_short_of_evidence(notice: Notice) -> bool:
    """Whether the missing evidence is the reason that nothing more certain is said."""
    decision = notice.decision
    doubtful = decision.level is Level.UNKNOWN or "seen_unconfirmed" in decision.reasons
    return doubtful or notice.ending in {"monitor", "not_known"}


def _tell_missing(notice: Notice, templates: Templates) -> str:
    """Evidence that is missing, in one sentence; empty where none is."""
    keys = tuple(key for key in notice.decision.missing if key != "gauge")
    if not keys:
        return ""
    items = templates["missing"]["separator"].join(describe_missing(keys, templates["language"]))
    return str(templates["missing"]["intro"].format(items=items))


def _tell_sender(notice: Notice, templates: Templates) -> str:
    """Whose word the message is: an authority's, or that of no one but the forecast."""
    if notice.authority:
        return str(templates["banner"]["authority"].format(authority=notice.authority))
    return str(templates["banner"]["automatic"])


def _tell_hydrologists(notice: Notice, templates: Templates) -> list[str]:
    """Line for hydrologists and what follows it; nothing where there is nothing to say."""
    decision, event = notice.decision, notice.event
    told: list[list[str]] = []
    if decision.hazard == "flood":
        told = paragraphs.tell_hydrologists(decision, event, templates)
    elif decision.drought:
        told = drought_paragraphs.tell_hydrologists(decision.drought, event, templates)
    lines = [join_sentences(sentences, templates) for sentences in told]
    if not is_short_of_evidence(notice):
        lines.append(_tell_missing(notice, templates))
    lines = [line for line in lines if line]
    head = templates["line"]["hydrologists"] + templates["colon"].rstrip()
    return [head, *lines] if lines else []


def compose_cancellation(
    city: City, hazard: str, *, status: str, note: str, language: str, when: datetime
) -> Text:
    """Compose the text of a Cancel in one language: the hazard is not assessed until the next run.

    Parameters
    ----------
    city, hazard, status
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
    banner = choose_banner(status, templates)
    unreviewed = "" if templates["reviewed"] else templates["banner"]["unreviewed"]
    first = first_sentence(banner)
    headline = templates["headline"]["withdrawn"].format(
        hazard=templates["hazard"][hazard], city=name
    )
    return Text(
        language=templates["tag"],
        sender=templates["sender"],
        event=templates["hazard"][hazard],
        headline=mark_status(headline, status, templates),
        description="\n".join(filter(None, [banner, unreviewed, note])),
        instruction="\n".join(filter(None, [first, templates["instruction"]["authority"]])),
        area=_area(city, name, templates),
    )


def _area(city: City, name: str, templates: Templates) -> str:
    """Area of a city's messages, in words."""
    radius = f"{reach_km(city):.0f}"
    return str(templates["area"]["within"].format(city=name, radius=radius))

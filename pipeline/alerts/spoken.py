"""Texts to read aloud, and the same as an order of clips that a native speaker records once."""

from __future__ import annotations

import csv
import io
import json
import string
import unicodedata
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from pipeline.alerts.formats import number_level
from pipeline.alerts.notice import Notice
from pipeline.alerts.short_texts import (
    Gist,
    name_event,
    summarise,
    write_blocks,
)
from pipeline.alerts.templates import check_language, read_templates
from pipeline.geography.names import city_name
from pipeline.geography.places import cities
from pipeline.settings import Settings

SCHEMA_VERSION = 1
"""Of ``say/<language>.json``."""
NUMBERS = range(100)
"""Numbers that have a clip: metres, centimetres, days and levels."""


@dataclass(frozen=True)
class Clip:
    """A clip to record.

    Parameters
    ----------
    id
        Name of the clip, in ASCII.
    words
        Words to record.
    """

    id: str
    words: str


@dataclass(frozen=True)
class Phrase:
    """Words, and the clips that say them.

    Parameters
    ----------
    text
        Words with their punctuation; numbers in digits.
    clips
        Ids of the clips, in order.
    """

    text: str
    clips: tuple[str, ...]


def write_read(notices: Sequence[Notice], language: str) -> str:
    """Write the texts to read aloud of a night, one block per event and one line per sentence.

    Parameters
    ----------
    notices
        One per event.
    language
        One of ``LANGUAGES``.
    """

    def read(notice: Notice) -> str:
        return "\n".join(phrase.text for phrase in compose_phrases(notice, language))

    return write_blocks(notices, language, read)


def write_say(notices: Sequence[Notice], language: str) -> str:
    """Write the same texts as JSON: per event the ids of clips, a list per sentence.

    Parameters
    ----------
    notices, language
        As for :func:`write_read`.
    """
    content = {
        "schema_version": SCHEMA_VERSION,
        "language": language,
        "reviewed": read_templates(language)["reviewed"],
        "messages": [
            {
                "event": name_event(notice),
                "status": notice.status,
                "level": number_level(notice.event),
                "change": notice.change,
                "sentences": [phrase.clips for phrase in compose_phrases(notice, language)],
            }
            for notice in notices
        ],
    }
    return _dump(content)


def drop_spoken_event(text: str, event: str) -> str:
    """Leave an event out of a file of clips, because its message was withdrawn.

    Parameters
    ----------
    text
        From :func:`write_say`.
    event
        Name of the event.
    """
    content = json.loads(text)
    messages = [message for message in content["messages"] if message["event"] != event]
    return _dump(content | {"messages": messages})


def join_spoken(text: str, more: str) -> str:
    """Add the events of one file of clips to those of another of the same language.

    Parameters
    ----------
    text, more
        From :func:`write_say`.
    """
    content = json.loads(text)
    messages = [*content["messages"], *json.loads(more)["messages"]]
    return _dump(content | {"messages": messages})


def _dump(content: Mapping[str, object]) -> str:
    return json.dumps(content, ensure_ascii=False, indent=1) + "\n"


def compose_phrases(notice: Notice, language: str) -> list[Phrase]:
    """Compose the sentences of a notice, in the order of the short texts.

    Parameters
    ----------
    notice
        Subject.
    language
        One of ``LANGUAGES``.
    """
    templates, gist, decision = read_templates(language), summarise(notice), notice.decision
    city = city_name(decision.city, language, asof=decision.issue_time)
    phrases = [_fill(gist.status, templates)] if gist.status else []
    phrases.append(_fill(gist.level, templates, city=Phrase(city, (_city_id(decision.city.id),))))
    if gist.state:
        phrases.append(_fill(gist.state, templates))
    phrases += _say_cause(gist, templates)
    phrases.append(_fill(f"do_{gist.action}", templates))
    if decision.other_hazard is not None and notice.ending is None:
        other = "drought" if decision.hazard == "flood" else "flood"
        number = _say_number(number_level(decision.other_hazard))
        phrases.append(_fill(f"other_{other}", templates, number=number))
    if notice.authority:
        authority = Phrase(notice.authority, (_authority_id(decision.city.country),))
        phrases.append(_fill("authority", templates, authority=authority))
    else:
        phrases.append(_fill("automatic", templates))
    return phrases


def _say_cause(gist: Gist, templates: dict[str, Any]) -> list[Phrase]:
    """Say the rain, or the highest stage and its day."""
    if gist.stage_time is None:
        return [_fill(gist.cause, templates)] if gist.cause else []
    date = _say_date(gist.stage_time, templates)
    stage = say_stage(gist.stage_m, templates)
    return [_fill(gist.cause, templates, date=date, stage=stage)]


def say_stage(stage_m: float, templates: dict[str, Any]) -> Phrase:
    """Say a stage in metres and centimetres.

    Parameters
    ----------
    stage_m
        Stage from 0 to below 100 m.
    templates
        Templates of the language.

    Raises
    ------
    ValueError
        The stage is out of this range.
    """
    metres, centimetres = divmod(round(100 * stage_m), 100)
    slots = {"metres": _say_number(metres)}
    if centimetres:
        slots["centimetres"] = _say_number(centimetres)
    return _fill("centimetres" if centimetres else "metres", templates, **slots)


def _say_date(day: datetime, templates: dict[str, Any]) -> Phrase:
    month = Phrase(templates["months"][day.month - 1], (_month_id(day.month),))
    return _fill("date", templates, day=_say_number(day.day), month=month)


def _say_number(number: int) -> Phrase:
    if number not in NUMBERS:
        raise ValueError(f"expected a number from 0 to {NUMBERS[-1]}, found {number}")
    return Phrase(str(number), (_number_id(number),))


def _fill(key: str, templates: dict[str, Any], **slots: Phrase) -> Phrase:
    """Fill the slots of a template; each piece between two slots is a clip."""
    template = templates["read"][key]
    clips: list[str] = []
    for number, (piece, slot, _, _) in enumerate(string.Formatter().parse(template), 1):
        if _trim(piece):
            clips.append(_piece_id(key, number))
        if slot is not None:
            clips += slots[slot].clips
    texts = {name: phrase.text for name, phrase in slots.items()}
    return Phrase(template.format(**texts), tuple(clips))


def list_clips(language: str) -> list[Clip]:
    """List every clip of a language, in the order in which they are best recorded.

    Parameters
    ----------
    language
        One of ``LANGUAGES``.

    Returns
    -------
    list of Clip
        Sentences and their pieces, months, cities of the region of the settings, authorities of
        their countries, numbers.

    Raises
    ------
    LookupError
        No such language.
    """
    check_language(language)
    templates, towns = read_templates(language), cities(Settings().region)
    clips = [
        Clip(_piece_id(key, number), _trim(piece))
        for key, template in templates["read"].items()
        for number, (piece, *_) in enumerate(string.Formatter().parse(template), 1)
        if _trim(piece)
    ]
    clips += [Clip(_month_id(month), name) for month, name in enumerate(templates["months"], 1)]
    clips += [Clip(_city_id(id_), city_name(city, language)) for id_, city in towns.items()]
    countries = dict.fromkeys(city.country for city in towns.values())
    clips += [
        Clip(_authority_id(country), f"[name of the authority of {country}, if one is set]")
        for country in countries
    ]
    return clips + [Clip(_number_id(number), str(number)) for number in NUMBERS]


def write_clips(language: str) -> str:
    """Write the clips of a language as CSV with the columns ``id``, ``words``.

    Parameters
    ----------
    language
        One of ``LANGUAGES``.

    Raises
    ------
    LookupError
        No such language.
    """
    stream = io.StringIO()
    writer = csv.writer(stream, lineterminator="\n")
    writer.writerow(["id", "words"])
    writer.writerows((clip.id, clip.words) for clip in list_clips(language))
    return stream.getvalue()


def _trim(piece: str) -> str:
    """Words of a piece without the signs around them; empty where there are none."""
    signs = [index for index, sign in enumerate(piece) if _is_spoken(sign)]
    return piece[signs[0] : signs[-1] + 1] if signs else ""


def _is_spoken(sign: str) -> bool:
    """Whether a character is part of a word; vowel signs of scripts are."""
    return unicodedata.category(sign)[0] in "LMN"


def _piece_id(key: str, number: int) -> str:
    return f"{key}_{number}"


def _month_id(month: int) -> str:
    return f"month_{month}"


def _city_id(city: str) -> str:
    return f"city_{city}"


def _authority_id(country: str) -> str:
    return f"authority_of_{country.lower()}"


def _number_id(number: int) -> str:
    return f"number_{number}"

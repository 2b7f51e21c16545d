"""Texts for phones: SMS in one or two parts, and cell broadcast."""

from __future__ import annotations

import math
import unicodedata
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from pipeline.alerts.formats import number_level
from pipeline.alerts.levels import RAISED, Level
from pipeline.alerts.notice import Notice
from pipeline.alerts.templates import read_templates
from pipeline.geography.names import city_name

GSM_7 = frozenset(
    "@£$¥èéùìòÇ\nØø\rÅåΔ_ΦΓΛΩΠΨΣΘΞÆæßÉ !\"#¤%&'()*+,-./0123456789:;<=>?"
    "¡ABCDEFGHIJKLMNOPQRSTUVWXYZÄÖÑÜ§¿abcdefghijklmnopqrstuvwxyzäöñüà"
)
"""Default alphabet of 3GPP TS 23.038, section 6.2.1, without its escape."""
GSM_7_EXTENSION = frozenset("\f^{}\\[~]|€")
"""Its extension table; each character takes two septets."""
_GSM_7_SIGNS = GSM_7 | GSM_7_EXTENSION
SINGLE, PART = {"gsm7": 160, "ucs2": 70}, {"gsm7": 153, "ucs2": 67}
"""Units of an SMS that is sent alone, and of one part of several."""
BROADCAST_EMERGENCY, BROADCAST = 90, 157
"""Most characters of a cell broadcast; older phones in Korea show 90."""
UNREVIEWED = "# unreviewed translation; the English file counts\n"
"""First line of a file in a language that no speaker has reviewed; no part of any message."""
MANDATORY = 0
"""Rank of a piece of a text that is never left out."""
Piece = tuple[int, str]
"""Rank and text; of what does not fit the highest rank goes first."""


@dataclass(frozen=True, kw_only=True)
class Gist:
    """What a short or spoken text tells, as keys of its templates.

    Parameters
    ----------
    status
        ``exercise``, ``test``, or empty for Actual.
    level
        Hazard and level of the event.
    number
        Number of the level, 1 to 3.
    state
        ``ended``, ``not_known`` or ``unknown``; else ``worsening``, ``easing``, ``lowered`` or
        empty.
    cause
        ``rain`` where it alone raises the level; ``highest`` or ``latest`` where a stage is told:
        the highest forecast, or the last reading where none is higher; else empty.
    stage_m, stage_time
        That stage, metres, and its time on the city's clock; NaN and None without one.
    action
        Hazard and what to do: a level, ``held``, ``over`` or ``monitor``.
    """

    status: str
    level: str
    number: int
    state: str
    cause: str
    stage_m: float
    stage_time: datetime | None
    action: str


def summarise(notice: Notice) -> Gist:
    """Summarise a notice for texts that have little room.

    A stage is told of an open event that is assessed and that rain alone did not raise.
    """
    decision, hazard = notice.decision, notice.decision.hazard
    assessed = decision.level is not Level.UNKNOWN
    cause, stage_m, stage_time = "", math.nan, None
    if notice.ending is None and assessed and hazard == "flood":
        if _is_rain_alone(notice):
            cause = "rain"
        else:
            cause, stage_m, stage_time = _highest_stage(notice)
    action: str = notice.event
    if notice.ending is not None:
        action = "over" if hazard == "drought" or notice.ending == "all_clear" else "monitor"
    elif hazard == "flood" and decision.eases and assessed:
        action = "held"
    return Gist(
        status={"Exercise": "exercise", "Test": "test"}.get(notice.status, ""),
        level=f"{hazard}_{notice.event}",
        number=number_level(notice.event),
        state=_state(notice),
        cause=cause,
        stage_m=stage_m,
        stage_time=stage_time,
        action=f"{hazard}_{action}",
    )


def _is_rain_alone(notice: Notice) -> bool:
    """Whether rain raises the level and the river does not."""
    decision = notice.decision
    return (
        notice.event is Level.WATCH
        and decision.rain_level in RAISED
        and decision.river_level not in RAISED
    )


def _state(notice: Notice) -> str:
    """Key of what has become of the level; empty where it simply is in force."""
    if notice.ending is not None:
        return "not_known" if notice.ending == "not_known" else "ended"
    if notice.decision.level is Level.UNKNOWN:
        return "unknown"
    phases = {
        "worsening": "worsening",
        "partial_recovery": "easing",
        "full_recovery": "easing",
    }
    lowered = "lowered" if notice.change == "lowered" else ""
    return phases.get(notice.phase or "", lowered)


def _highest_stage(notice: Notice) -> tuple[str, float, datetime | None]:
    """Highest median of the forecast, or the last reading where that is higher, with its time.

    In whole centimetres; an empty key, NaN and None where there is no forecast, or none that is a
    stage to tell: below gauge zero, or of three digits.
    """
    river = notice.decision.river
    if river is None or river.peak is None or river.tier == "climatology":
        return "", math.nan, None
    key, stage_m, time = "highest", river.peak.q50_m, river.peak.valid_time
    if river.stage_time is not None and river.stage_m > stage_m:
        key, stage_m, time = "latest", river.stage_m, river.stage_time
    if not 0.0 <= stage_m < 99.5:
        return "", math.nan, None
    return key, round(stage_m, 2), time + timedelta(hours=notice.decision.city.utc_offset_h)


def name_event(notice: Notice) -> str:
    """Name a notice's event in the files of texts: city and hazard, as ``pakse-flood``."""
    return f"{notice.decision.city.id}-{notice.decision.hazard}"


def count_sms_parts(text: str) -> int:
    """Count the parts in which a phone sends a text.

    A text in the default alphabet counts in septets, any other in UTF-16 units. No character is
    torn between two parts.
    """
    alphabet, sizes = _measure(text)
    if sum(sizes) <= SINGLE[alphabet]:
        return 1
    parts, used = 1, 0
    for size in sizes:
        if used + size > PART[alphabet]:
            parts, used = parts + 1, 0
        used += size
    return parts


def count_sms_units(text: str) -> tuple[str, int]:
    """Alphabet of a text in an SMS, ``gsm7`` or ``ucs2``, and its septets or UTF-16 units.

    Examples
    --------
    >>> count_sms_units("[12 m]"), count_sms_units("12 ม."), count_sms_units("\U0001f30a")
    (('gsm7', 8), ('ucs2', 5), ('ucs2', 2))
    """
    alphabet, sizes = _measure(text)
    return alphabet, sum(sizes)


def _measure(text: str) -> tuple[str, list[int]]:
    """Alphabet of a text and the units of each character."""
    if _GSM_7_SIGNS.issuperset(text):
        return "gsm7", [2 if sign in GSM_7_EXTENSION else 1 for sign in text]
    return "ucs2", [2 if ord(sign) > 0xFFFF else 1 for sign in text]


def write_sms(notices: Sequence[Notice], language: str) -> str:
    """Write the SMS of a night in one language.

    Each is two lines, or one: the first is complete by itself and lies in the first part; both
    together, with the line feed, take two parts at most.

    Parameters
    ----------
    notices
        One per event.
    language
        One of ``LANGUAGES``.
    """
    return write_blocks(notices, language, lambda notice: compose_sms(notice, language))


def write_broadcasts(notices: Sequence[Notice], language: str) -> str:
    """Write the cell broadcasts of a night in one language, each one line.

    Parameters
    ----------
    notices, language
        As for :func:`write_sms`.
    """
    return write_blocks(notices, language, lambda notice: compose_broadcast(notice, language))


def write_blocks(notices: Sequence[Notice], language: str, compose: Callable[[Notice], str]) -> str:
    """Write one block per notice: the name of its event, its text, and an empty line between two.

    Parameters
    ----------
    notices, language
        As for :func:`write_sms`.
    compose
        Text of a notice.
    """
    blocks = "\n".join(f"{name_event(notice)}\n{compose(notice)}\n" for notice in notices)
    return ("" if read_templates(language)["reviewed"] else UNREVIEWED) + blocks


def drop_event(text: str, event: str) -> str:
    r"""Leave an event out of a file of blocks, because its message was withdrawn.

    Parameters
    ----------
    text
        From :func:`write_blocks`.
    event
        Name of the event, as of :func:`name_event`.

    Examples
    --------
    >>> drop_event("pakse-flood\nGo.\n\nkratie-flood\nStay.\n", "pakse-flood")
    'kratie-flood\nStay.\n'
    """
    mark = UNREVIEWED if text.startswith(UNREVIEWED) else ""
    blocks = text.removeprefix(mark).removesuffix("\n").split("\n\n")
    kept = [block for block in blocks if block and block.partition("\n")[0] != event]
    return mark + ("\n\n".join(kept) + "\n" if kept else "")


def compose_sms(notice: Notice, language: str) -> str:
    """Compose the SMS of a notice.

    Parameters
    ----------
    notice
        Subject.
    language
        One of ``LANGUAGES``.
    """
    words = _word(notice, language)
    who = (2, words.authority or words.automatic)
    pieces = [*words.opening, (1, words.cause), words.action, who]
    first, dropped = _fit(pieces, words.stop, _in_first_part)
    rest = [(2, text) for rank, text in dropped if (rank, text) != who]
    rest += [(3, words.more)]
    if who in dropped:
        rest.append((1 if words.authority else MANDATORY, who[1]))
    second, _ = _fit(rest, words.stop, lambda text: count_sms_parts(f"{first}\n{text}") <= 2)
    return f"{first}\n{second}" if second else first


def compose_broadcast(notice: Notice, language: str) -> str:
    """Compose the cell broadcast of a notice.

    Parameters
    ----------
    notice, language
        As for :func:`compose_sms`.
    """
    words = _word(notice, language)
    emergency = notice.event is Level.EMERGENCY
    limit = BROADCAST_EMERGENCY if emergency else BROADCAST
    automatic = words.unofficial if emergency else words.automatic
    rank = 3 if notice.status != "Actual" else 1 if words.authority else MANDATORY
    who = (rank, words.authority or automatic)
    pieces = [*words.opening, (2, words.cause), words.action, (4, words.more), who]
    return _fit(pieces, words.stop, lambda text: _count_utf16(text) <= limit)[0]


def _in_first_part(text: str) -> bool:
    alphabet, units = count_sms_units(text)
    return units <= PART[alphabet]


def _count_utf16(text: str) -> int:
    return len(text.encode("utf-16-le")) // 2


def _fit(
    pieces: Sequence[Piece], stop: str, fits: Callable[[str], bool]
) -> tuple[str, list[Piece]]:
    """Join the pieces that fit, in order; return the text and the pieces left out."""
    kept, dropped = [piece for piece in pieces if piece[1]], []
    while not fits(stop.join(text for _, text in kept)):
        last = max(kept, key=lambda piece: piece[0], default=(MANDATORY, ""))
        if last[0] == MANDATORY:
            break
        kept.remove(last)
        dropped.append(last)
    return stop.join(text for _, text in kept), dropped


@dataclass(frozen=True, kw_only=True)
class _Words:
    """Pieces of a short text in one language."""

    opening: tuple[Piece, ...]
    cause: str
    action: Piece
    more: str
    authority: str
    automatic: str
    unofficial: str
    stop: str


def _word(notice: Notice, language: str) -> _Words:
    """Put a notice into the words of a language."""
    templates = read_templates(language)
    phrases, gist, decision = templates["short"], summarise(notice), notice.decision
    city = city_name(decision.city, language, asof=decision.issue_time)
    what = phrases[decision.hazard].format(number=gist.number, city=city)
    final = gist.state in {"ended", "not_known", "unknown"}
    authority = phrases["authority"].format(authority=notice.authority) if notice.authority else ""

    def fold(text: str) -> str:
        return _fold(text) if language == "en" else text

    return _Words(
        opening=(
            (MANDATORY, phrases.get(gist.status, "")),
            (MANDATORY, fold(what)),
            (MANDATORY if final else 3, phrases.get(gist.state, "")),
        ),
        cause=_cause(gist, templates),
        action=(MANDATORY, phrases[f"do_{gist.action}"]),
        more=_more(gist, phrases),
        authority=fold(authority),
        automatic=phrases["automatic"],
        unofficial=phrases["unofficial"],
        stop=phrases["stop"],
    )


def _cause(gist: Gist, templates: dict[str, Any]) -> str:
    """Say the rain, or the highest stage and its day."""
    phrases, time = templates["short"], gist.stage_time
    if time is None:
        return str(phrases.get(gist.cause, ""))
    names = templates["months"]
    month = names[time.month - 1][:3] if templates["language"] == "en" else time.month
    date = phrases["date"].format(day=time.day, month=month)
    stage = f"{gist.stage_m:.2f}".replace(".", templates["decimal"])
    return str(phrases[gist.cause].format(stage=stage, date=date))


def _more(gist: Gist, phrases: dict[str, str]) -> str:
    """Say what else to do or to know, where there is room."""
    if gist.state in {"not_known", "unknown"}:
        return phrases[f"more_{gist.state}"]
    return phrases.get(f"more_{gist.action}", phrases["more_drought"])


def _fold(text: str) -> str:
    """Write letters outside the alphabet of SMS without their marks.

    Examples
    --------
    >>> _fold("Cục Khí tượng Đà Nẵng")
    'Cuc Khi tuong Dà Nang'
    """
    return "".join(sign if sign in GSM_7 else _fold_letter(sign) for sign in text)


def _fold_letter(sign: str) -> str:
    plain = {"đ": "d", "Đ": "D"}.get(sign) or unicodedata.normalize("NFKD", sign)
    return "".join(part for part in plain if not unicodedata.combining(part)) or sign

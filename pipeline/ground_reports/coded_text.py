"""Read coded texts from a phone: ``FL 17U 30 1405`` is flooded, city 17, 30 cm, at 14:05.

Every way of reading a text is enumerated. It is read where a person would read it in one way; where
two ways remain, or none, it is refused with a line to send back. Two things guard against mistyped
texts: the check letter of the city, and the time, which is believed alone only where the text came
soon after it.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta, timezone
from typing import Literal, NamedTuple

from pipeline.geography.places import City
from pipeline.ground_reports.city_codes import LETTERS, check_letter

Observation = Literal["flooded", "dry"]
SOON = timedelta(minutes=60)
"""How long after its time a text may come to be believed with a time that is written once.

A mistyped time that is believed is thus wrong by at most SOON + AHEAD."""
AHEAD = timedelta(minutes=15)
"""How far a phone's clock may be ahead of the moment of receipt."""
DEEPEST_CM = 500
LONGEST = 60
"""Most characters of a text that is read."""
_LONGEST_PART = 10
NO_LETTER = "the city's number came without its letter"
LATE = "the time is more than an hour before the text came"
NO_HELP = (
    "Not read. This number takes reports alone, as FL 17U 30 1405. It is no call for help: nobody "
    "comes because of a text."
)
"""Answer to a text that is no report."""
_CARD = "expected the code of a city as on the card, found"
_DIGIT = "[0-9OQILZSBG]"
_AS_DIGIT = str.maketrans("OQILZSBG", "00112586")
_FLOODED = re.compile(r"F ?[LI1]|FF[LI1]|F[LI1]{2}|F[LI1][O0]{1,3}D(E|D|ED|ING)?")
_DRY = re.compile(r"D ?R|DDR|DRR|DRYY?")
_WORD = re.compile(rf"({_FLOODED.pattern}|{_DRY.pattern})(?![A-Z])")
_DAMAGED = re.compile(r"(F|L|LF|F[A-Z]|[A-Z]L|F[A-Z]L|[A-Z]FL|FL[A-Z])[ .:]")
"""One letter away from FL: read as flooded where a depth is given, which DR never has."""
_CODE = re.compile(rf"({_DIGIT} ?{_DIGIT}) ?([{LETTERS}])")
_LIKE_CODE = re.compile(r"(?<![0-9.:])([0-9]{2}) ?([A-GI-Z])(?![A-Z])")
"""What a person takes for a code, with any letter but H, which parts the hour from the minute."""
_NUMBER = re.compile(rf"{_DIGIT}{{2}}")
_DEPTH = re.compile(rf"({_DIGIT}{{1,3}})( ?CM)?")
_SOLID_TIME = re.compile(rf"{_DIGIT}{{4}}( ?HR?S?)?")
_TIME = re.compile(
    rf"(?:({_DIGIT}{{1,2}}) ?[:H] ?({_DIGIT}{{2}})|({_DIGIT}{{2}})\.? ?({_DIGIT}{{2}}))"
    r"(?: ?HR?S?)?"
)


class UnreadText(ValueError):  # noqa: N818
    """A text that is not read.

    Parameters
    ----------
    reason
        Why, for the operator.
    answer
        One line in ASCII of at most 160 characters to send back to the phone.
    """

    def __init__(self, reason: str, answer: str) -> None:
        super().__init__(reason)
        self.reason, self.answer = reason, answer


@dataclass(frozen=True)
class CodedReport:
    """What a coded text says.

    Parameters
    ----------
    city
        The city.
    observation
        ``flooded`` or ``dry``.
    depth_cm
        Depth of the water, 0 to 500 cm; None where none is given. A mistyped depth is not seen.
    valid_time
        When it was seen, UTC, to the minute.
    doubt
        Why the report is not believed until it is confirmed; empty where it is believed.
    answer
        Line in ASCII to send back: what was read, and how to confirm it.
    """

    city: City
    observation: Observation
    depth_cm: int | None
    valid_time: datetime
    doubt: str
    answer: str


@dataclass(frozen=True)
class _Reading:
    """One way of reading a text, part by part; what has not been read is None."""

    observation: Observation | None = None
    damaged: bool = False
    number: str | None = None
    letter: str | None = None
    depth_cm: int | None = None
    time: tuple[int, int] | None = None
    twice: bool = False


class _Part(NamedTuple):
    """A part of a text that was read: which, the reading so far, and whether a digit ends it."""

    kind: Literal["start", "word", "code", "number", "depth", "time"]
    reading: _Reading
    ends_in_digit: bool


def parse_text(text: str, *, received_at: datetime, cities: Mapping[str, City]) -> CodedReport:
    """Read a coded text.

    Parameters
    ----------
    text
        As it came.
    received_at
        When it came, aware. The time in the text is on the city's clock: the last such time that
        is not more than ``AHEAD`` after this moment.
    cities
        Cities by their number.

    Raises
    ------
    UnreadText
        It can be read in no way or in several.
    """
    plain = normalise(text)
    if len(plain) > LONGEST:
        raise _refuse(f"expected at most {LONGEST} characters, found {len(plain)}", plain, cities)
    readings = set(_read_parts(plain, _Part("start", _Reading(), ends_in_digit=False)))
    sound = {reading for reading in readings if not _find_fault(reading, cities)}
    # A number without its letter counts only where no other part can be the city.
    candidates = {reading for reading in sound if reading.letter} or sound
    if not candidates:
        faults = sorted({_find_fault(reading, cities) for reading in readings})
        reason = faults[0] if faults else "expected FL or DR, code, depth in cm and time alone"
        unknown = _find_unknown_code(plain, cities)
        raise _refuse(f"{_CARD} {unknown}" if unknown else reason, plain, cities)
    reports = {_report(reading, received_at, cities) for reading in candidates}
    certain = {report for report in reports if report.doubt != LATE}
    report, *others = certain or reports
    if others:
        reason = "expected one way to read it, found several; put a blank between the parts"
        raise _refuse(reason, plain, cities)
    return report


def normalise(text: str) -> str:
    """Return a text in capitals and ASCII digits, with one blank for whatever parts the parts.

    Examples
    --------
    >>> normalise(" fl,17u – ៣០cm/14:05 ")
    'FL 17U 30CM 14:05'
    """
    signs = []
    for sign in unicodedata.normalize("NFKC", text).upper():
        if unicodedata.category(sign) == "Cf":
            continue
        digit = unicodedata.decimal(sign, None)
        kept = sign.isalnum() or sign in ":.|"
        signs.append(str(digit) if digit is not None else sign if kept else " ")
    plain = "".join(signs).replace("|", "I")
    # A point or colon parts the hour from the minute; anywhere else it is as good as a blank.
    apart = re.sub(rf"(?<!{_DIGIT})[:.]|[:.](?!\s?{_DIGIT})|[:.](?={_DIGIT}{{3}})", " ", plain)
    return " ".join(apart.split())


def _read_parts(text: str, last: _Part) -> Iterator[_Reading]:
    """Read what is left of a text in every way, after the part that was read last."""
    rest = text.lstrip(" .:")
    if not rest:
        yield last.reading
        return
    apart = len(rest) < len(text) or not last.ends_in_digit
    for end in range(1, min(len(rest), _LONGEST_PART) + 1):
        for part in _read_part(rest[:end], last):
            # Side by side, digits are one number; only a time's last four are told apart.
            fused = last.kind == "depth" and _SOLID_TIME.fullmatch(rest[:end]) is not None
            if apart or fused or part.kind == "word":
                yield from _read_parts(rest[end:], part)


def _read_part(text: str, last: _Part) -> Iterator[_Part]:
    """Read a piece of text as each part that is still missing."""
    if last.reading.observation is None:
        yield from _read_word(text, last)
    if last.reading.number is None:
        yield from _read_city(text, last)
    if last.reading.depth_cm is None:
        yield from _read_depth(text, last)
    if not last.reading.twice:
        yield from _read_time(text, last)


def _read_word(text: str, last: _Part) -> Iterator[_Part]:
    observation: Observation | None = None
    damaged = False
    if _FLOODED.fullmatch(text):
        observation = "flooded"
    elif _DRY.fullmatch(text):
        observation = "dry"
    elif last.kind == "start" and _DAMAGED.fullmatch(text) and not set(text) & set("DR"):
        observation, damaged = "flooded", True
    if observation:
        reading = replace(last.reading, observation=observation, damaged=damaged)
        yield _Part("word", reading, ends_in_digit=False)


def _read_city(text: str, last: _Part) -> Iterator[_Part]:
    code = _CODE.fullmatch(text)
    if code and (number := _digits(code[1].replace(" ", ""), least=1)):
        reading = replace(last.reading, number=number, letter=code[2])
        yield _Part("code", reading, ends_in_digit=False)
    bare = last.kind == "word" and _NUMBER.fullmatch(text)
    if bare and (number := _digits(text, least=1)):
        yield _Part("number", replace(last.reading, number=number), ends_in_digit=True)


def _read_depth(text: str, last: _Part) -> Iterator[_Part]:
    match = _DEPTH.fullmatch(text)
    digits = _digits(match[1], least=1) if match else ""
    if match and (digits == "0" or digits[:1] not in {"", "0"}):
        reading = replace(last.reading, depth_cm=int(digits))
        yield _Part("depth", reading, ends_in_digit=not match[2])


def _read_time(text: str, last: _Part) -> Iterator[_Part]:
    match = _TIME.fullmatch(text)
    if not match or not _digits(match[0], least=2):
        return
    hour = int((match[1] or match[3]).translate(_AS_DIGIT))
    minute = int((match[2] or match[4]).translate(_AS_DIGIT))
    before = last.reading.time
    if hour < 24 and minute < 60 and before in {None, (hour, minute)}:
        reading = replace(last.reading, time=(hour, minute), twice=before is not None)
        yield _Part("time", reading, ends_in_digit=text[-1] not in "HRS")


def _digits(text: str, *, least: int) -> str:
    """Return a text with letters that look like digits made digits.

    Empty where fewer than ``least`` are digits as they stand: a word is no number.
    """
    return text.translate(_AS_DIGIT) if sum(sign in "0123456789" for sign in text) >= least else ""


def _find_fault(reading: _Reading, cities: Mapping[str, City]) -> str:
    """Say why a way of reading cannot be meant; empty where it can."""
    number, letter, depth_cm = reading.number or "", reading.letter, reading.depth_cm
    deep = depth_cm is not None
    neither = reading.damaged and not (deep and letter)
    faults = {
        "expected FL or DR first, found neither": not reading.observation or neither,
        f"{_CARD} none": not number,
        "expected the time as 1405 or 14:05, found none": reading.time is None,
        f"expected the number of a city, found {number}": number not in cities,
        f"{_CARD} {number}{letter}": letter and letter != check_letter(number),
        f"expected a depth with FL alone, found {depth_cm} cm with DR": (
            reading.observation == "dry" and deep
        ),
        f"expected a depth of at most {DEEPEST_CM} cm, found {depth_cm}": (
            deep and (depth_cm or 0) > DEEPEST_CM
        ),
    }
    return next((fault for fault, applies in faults.items() if applies), "")


def _report(reading: _Reading, received_at: datetime, cities: Mapping[str, City]) -> CodedReport:
    """Return what a way of reading says, with its doubt and the answer."""
    city = cities[reading.number or ""]
    code = f"{reading.number}{check_letter(reading.number or '')}"
    hour, minute = reading.time or (0, 0)
    clock = timezone(timedelta(hours=city.utc_offset_h))
    local = received_at.astimezone(clock)
    moment = local.replace(hour=hour, minute=minute, second=0, microsecond=0)
    if moment > local + AHEAD:
        moment -= timedelta(days=1)
    late = local - moment > SOON and not reading.twice
    depth = "" if reading.depth_cm is None else f"{reading.depth_cm} "
    word = "FL" if reading.observation == "flooded" else "DR"
    stamp = f"{hour:02d}{minute:02d}"
    doubt = LATE if late else "" if reading.letter else NO_LETTER
    observation = reading.observation or "flooded"
    read = describe_report(city, observation, reading.depth_cm, moment)
    confirm = f"{word} {code} {depth}{stamp}{f' {stamp}' if late else ''}"
    answer = (
        f"Not counted yet: {read}. If this is right, send {confirm}" if doubt else f"Read: {read}"
    )
    return CodedReport(
        city=city,
        observation=observation,
        depth_cm=reading.depth_cm,
        valid_time=moment.astimezone(UTC),
        doubt=doubt,
        answer=answer,
    )


def describe_report(
    city: City, observation: Observation, depth_cm: int | None, valid_time: datetime
) -> str:
    """Say in one line of English what was reported, at the time on the city's clock.

    Parameters
    ----------
    city, observation, depth_cm, valid_time
        As of :class:`CodedReport`.
    """
    depth = "" if depth_cm is None else f"{depth_cm} cm, "
    moment = valid_time.astimezone(timezone(timedelta(hours=city.utc_offset_h)))
    return f"{observation}, {city.name}, {depth}{moment:%d %b %H:%M}"


def _find_unknown_code(plain: str, cities: Mapping[str, City]) -> str:
    """Find the first that was sent as a code; empty where there is none, or one is known."""
    codes = [(match[1], match[2]) for match in _LIKE_CODE.finditer(plain)]
    if any(number in cities and letter == check_letter(number) for number, letter in codes):
        return ""
    return "".join(codes[0]) if codes else ""


def _is_report(plain: str) -> bool:
    """Return whether a report was meant: a code, or FL or DR with a digit and no other word."""
    if _LIKE_CODE.search(plain):
        return True
    others = [word for word in plain.split() if not _WORD.match(word)]
    spoken = any(word.isalpha() and len(word) > 3 for word in others)
    begun = len(others) < len(plain.split()) and re.search("[0-9]", plain)
    return bool(begun and not spoken)


def _refuse(reason: str, plain: str, cities: Mapping[str, City]) -> UnreadText:
    """Return the error with a reason, and the answer that goes with it."""
    if not _is_report(plain):
        return UnreadText(reason, NO_HELP)
    if unknown := _find_unknown_code(plain, cities):
        known = "Send the code on your card, as FL 17U 30 1405"
        return UnreadText(reason, f"Not read. The code {unknown} is unknown. {known}")
    wanted = "Not read. Send FL code cm time, as FL 17U 30 1405, or DR code time, as DR 17U 1405"
    detail = unicodedata.normalize("NFKD", reason).encode("ascii", "ignore").decode()
    return UnreadText(reason, f"{wanted}. {detail[0].upper()}{detail[1:]}"[:160])

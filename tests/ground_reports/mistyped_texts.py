"""Mistyped coded texts, made from valid ones by a seed, each with the report that was meant."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta, timezone

from pipeline.geography.places import City
from pipeline.ground_reports.city_codes import check_letter

KEYS = "ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"
LOOK_ALIKES = {"0": "oOQ", "1": "lI|i", "5": "sS", "8": "B", "2": "zZ", "6": "G"}
SCRIPTS = (0x17E0, 0x0ED0, 0x0E50, 0x1040)
"""Zero of Khmer, Lao, Thai and Burmese."""


@dataclass(frozen=True)
class Meant:
    """A report that somebody means to send: fields as the parser gives them."""

    number: str
    city: City
    observation: str
    depth_cm: int | None
    valid_time: datetime
    received_at: datetime


@dataclass(frozen=True)
class Mistyped:
    """A text, the damage done to it, what was meant, and whether a person can read it."""

    text: str
    damage: tuple[str, ...]
    meant: Meant
    readable: bool


Damage = Callable[[list[str], random.Random], list[str]]
"""Alters the parts of a text: word, code, depth where there is one, time."""


def mean(numbers: Mapping[str, City], rng: random.Random) -> tuple[Meant, list[str]]:
    """Draw a report, sent within 45 minutes, and the parts of its text."""
    number = rng.choice(sorted(numbers))
    city = numbers[number]
    clock = timezone(timedelta(hours=city.utc_offset_h))
    minutes = rng.randrange(24 * 60)
    seen = datetime(2026, 8, 20, tzinfo=clock) + timedelta(minutes=minutes)
    flooded = rng.random() < 0.6
    depth_cm = rng.choice([5, 10, 15, 20, 30, 40, 50, 80, 100, 120, 150, 200, 250])
    depths = [depth_cm] if flooded and rng.random() < 0.8 else []
    meant = Meant(
        number,
        city,
        "flooded" if flooded else "dry",
        depths[0] if depths else None,
        seen.astimezone(UTC),
        (seen + timedelta(minutes=rng.randrange(46))).astimezone(UTC),
    )
    code = f"{number}{check_letter(number)}"
    parts = ["FL" if flooded else "DR", code, *map(str, depths), f"{seen:%H%M}"]
    return meant, [part + " " for part in parts[:-1]] + parts[-1:]


def _lower(parts: list[str], rng: random.Random) -> list[str]:
    return [part.lower() if rng.random() < 0.8 else part for part in parts]


def _lose_blank_at_letter(parts: list[str], rng: random.Random) -> list[str]:
    place = rng.randrange(2)  # after the word, or after the letter of the code
    return [part.rstrip() if at == place else part for at, part in enumerate(parts)]


def _add_blanks(parts: list[str], rng: random.Random) -> list[str]:
    return [" " * rng.randrange(3) + part + " " * rng.randrange(2) for part in parts]


def _part_otherwise(parts: list[str], rng: random.Random) -> list[str]:
    sign = rng.choice([",", ", ", ".", "-", " - ", "/", ";", "\t", "\n", "_", "\u00a0", ". "])
    return [part.replace(" ", sign) for part in parts]


def _look_alike(parts: list[str], rng: random.Random) -> list[str]:
    sign = rng.choice([sign for sign in LOOK_ALIKES if any(sign in part for part in parts)] or "0")
    other = rng.choice(LOOK_ALIKES[sign])
    return [parts[0], *(part.replace(sign, other, 1) for part in parts[1:])]


def _other_digits(parts: list[str], rng: random.Random) -> list[str]:
    zero = rng.choice(SCRIPTS)
    return ["".join(chr(zero + int(s)) if s in "0123456789" else s for s in p) for p in parts]


def _words(parts: list[str], rng: random.Random) -> list[str]:
    words = {"FL": ["FLOOD ", "FLOODED ", "flooded: ", "Flood "], "DR": ["DRY ", "dry: ", "Dry. "]}
    return [rng.choice(words[parts[0][:2]]), *parts[1:]]


def _clock(parts: list[str], rng: random.Random) -> list[str]:
    time = parts[-1]
    sign = rng.choice([":", ".", "h", "H", " : ", " "])
    return [*parts[:-1], f"{time[:2]}{sign}{time[2:]}"]


def _unit(parts: list[str], rng: random.Random) -> list[str]:
    if len(parts) < 4:
        return parts
    return [*parts[:2], parts[2].rstrip() + rng.choice(["cm ", " cm ", "CM, "]), parts[3]]


def _order(parts: list[str], rng: random.Random) -> list[str]:
    first, last = parts[0], [part.strip() + " " for part in parts[1:]]
    rng.shuffle(last)
    return [first, *last]


def _double_letter(parts: list[str], rng: random.Random) -> list[str]:
    word = parts[0].rstrip()
    if len(word) > 2:
        return parts
    return [(word[0] + word if rng.random() < 0.5 else word + word[-1]) + " ", *parts[1:]]


def _surround(parts: list[str], rng: random.Random) -> list[str]:
    before, after = rng.choice([("", "."), ("", "\n"), ('"', '"'), ("\u200b", ""), ("(", ")")])
    return [before + parts[0], *parts[1:-1], parts[-1] + after]


READABLE: dict[str, Damage] = {
    "words": _words,
    "doubled letter": _double_letter,
    "cm": _unit,
    "time as on a clock": _clock,
    "other order": _order,
    "look-alike": _look_alike,
    "digits of another script": _other_digits,
    "blank lost at a letter": _lose_blank_at_letter,
    "other signs between": _part_otherwise,
    "more blanks": _add_blanks,
    "lower case": _lower,
    "signs around": _surround,
}
"""Damage that leaves one meaning, which a person sees; of two the first is done first."""


def _substitute(text: str, rng: random.Random) -> str:
    at = rng.randrange(len(text))
    return text[:at] + rng.choice(KEYS) + text[at + 1 :]


def _substitute_digit(text: str, rng: random.Random) -> str:
    at = rng.choice([at for at, sign in enumerate(text) if sign.isdecimal()] or [0])
    return text[:at] + rng.choice("0123456789") + text[at + 1 :]


def _delete(text: str, rng: random.Random) -> str:
    at = rng.randrange(len(text))
    return text[:at] + text[at + 1 :]


def _insert(text: str, rng: random.Random) -> str:
    at = rng.randrange(len(text) + 1)
    return text[:at] + rng.choice(KEYS + " ") + text[at:]


def _exchange(text: str, rng: random.Random) -> str:
    at = rng.randrange(len(text) - 1)
    return text[:at] + text[at + 1] + text[at] + text[at + 2 :]


def _lose_blanks(text: str, _rng: random.Random) -> str:
    return text.replace(" ", "")


def _move_blank(text: str, rng: random.Random) -> str:
    at = rng.choice([at for at, sign in enumerate(text) if sign == " "] or [0])
    kept = text[:at] + text[at + 1 :]
    to = min(max(at + rng.choice([-1, 1]), 0), len(kept))
    return kept[:to] + " " + kept[to:]


def _lose_letter(text: str, _rng: random.Random) -> str:
    signs = [sign for at, sign in enumerate(text) if at > 2 and sign.isalpha()]
    return text.replace(signs[0], "", 1) if signs and text.count(signs[0]) == 1 else text[:-1]


def _cut(text: str, rng: random.Random) -> str:
    return text[: rng.randrange(2, len(text))]


HARD: dict[str, Callable[[str, random.Random], str]] = {
    "substitution": _substitute,
    "another digit": _substitute_digit,
    "deletion": _delete,
    "insertion": _insert,
    "transposition": _exchange,
    "no blanks": _lose_blanks,
    "blank moved": _move_blank,
    "letter lost": _lose_letter,
    "cut off": _cut,
}
"""Damage after which a person cannot be sure of what was meant."""


def mistype(
    numbers: Mapping[str, City], *, count: int, seed: int, hard_share: float = 0.5
) -> Iterator[Mistyped]:
    """Make mistyped texts, each with one or two kinds of damage, all different from what is right.

    Parameters
    ----------
    numbers
        Cities by their number.
    count, seed
        How many, and of which seed.
    hard_share
        Share of those with damage of ``HARD``.
    """
    rng = random.Random(seed)  # noqa: S311
    made = 0
    while made < count:
        meant, parts = mean(numbers, rng)
        right = "".join(parts)
        hard = rng.random() < hard_share
        kinds = rng.sample(sorted(READABLE), rng.choice([1, 2]) - (hard and rng.random() < 0.7))
        for kind in sorted(kinds, key=list(READABLE).index):
            parts = READABLE[kind](parts, rng)
        text, damage = "".join(parts), list(kinds)
        for kind in rng.sample(sorted(HARD), rng.choice([1, 1, 2])) if hard else ():
            text = HARD[kind](text, rng) if len(text) > 2 else text
            damage.append(kind)
        if text == right:
            continue
        made += 1
        yield Mistyped(text, tuple(damage), meant, readable=not hard)

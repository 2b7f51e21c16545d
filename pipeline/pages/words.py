"""Words of the pages in the languages of the messages."""

from __future__ import annotations

import string
import tomllib
from collections.abc import Mapping
from functools import lru_cache
from pathlib import Path

from pipeline.alerts.templates import LANGUAGES

FOLDER = Path(__file__).parent / "words"


@lru_cache
def read_words(language: str) -> Mapping[str, str]:
    """Read the words of a language by their keys.

    Raises
    ------
    LookupError
        There is no such language.
    ValueError
        The file does not have the keys and slots of the English one.
    """
    if language not in LANGUAGES:
        raise LookupError(f"language: expected one of {', '.join(LANGUAGES)}, found {language!r}")
    words = _read(language)
    slots, expected = (
        {key: _slots(text) for key, text in found.items()} for found in (words, _read("en"))
    )
    if slots != expected:
        wrong = sorted(key for key in slots | expected if slots.get(key) != expected.get(key))
        raise ValueError(
            f"{language}.toml: expected the keys and slots of en.toml, found others: "
            f"{', '.join(wrong)}"
        )
    return words


def _read(language: str) -> dict[str, str]:
    return tomllib.loads((FOLDER / f"{language}.toml").read_text(encoding="utf-8"))


def _slots(text: str) -> set[str]:
    return {slot for _, slot, _, _ in string.Formatter().parse(text) if slot is not None}

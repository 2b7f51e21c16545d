from __future__ import annotations

import unicodedata
from pathlib import Path

import pytest

from pipeline.alerts.templates import LANGUAGES
from pipeline.pages import words
from pipeline.pages.words import read_words


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    (tmp_path / "en.toml").write_text('age = "{hours} h"\nrising = "rising"\n')
    monkeypatch.setattr(words, "FOLDER", tmp_path)
    read_words.cache_clear()
    return tmp_path


@pytest.fixture(autouse=True)
def _forget() -> None:
    read_words.cache_clear()


@pytest.mark.parametrize("language", LANGUAGES)
def test_every_language_has_every_word_in_composed_signs(language: str) -> None:
    for key, text in read_words(language).items():
        assert text.strip() == text != "", key
        assert unicodedata.normalize("NFC", text) == text, key


@pytest.mark.parametrize(
    ("text", "wrong"),
    [
        ('age = "{hour} h"\nrising = "up"', "age"),
        ('age = "{hours} h"', "rising"),
        ('age = "{hours} h"\nrising = "up"\nfalling = "down"', "falling"),
    ],
)
def test_other_keys_or_slots_are_refused(folder: Path, text: str, wrong: str) -> None:
    (folder / "km.toml").write_text(text)
    with pytest.raises(ValueError, match=rf"km\.toml: expected the keys .*: {wrong}$"):
        read_words("km")


def test_an_unknown_language_is_refused() -> None:
    with pytest.raises(LookupError, match="expected one of en, km"):
        read_words("fr")

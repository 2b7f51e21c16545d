"""Sheets of texts: what is exported comes back, and only a signed sheet is a review."""

from __future__ import annotations

import csv
import io
from collections.abc import Callable
from pathlib import Path

import pytest

from pipeline.alerts.templates import LANGUAGES, list_texts, read_with_own
from pipeline.alerts.translation_sheet import ImportedSheet, import_sheet, write_sheet
from pipeline.geography.reference_tables import BadReference

Rows = list[list[str]]


def read(sheet: str) -> Rows:
    return list(csv.reader(io.StringIO(sheet)))


def fill(rows: Rows, **texts: str) -> Rows:
    """Put texts into a sheet, by key with ``__`` for the point."""
    by_key = {key.replace("__", "."): text for key, text in texts.items()}
    return [[key, english, by_key.pop(key, text), note] for key, english, text, note in rows]


def bring(
    folder: Path, rows: Rows, *, delimiter: str = ",", encoding: str = "utf-8-sig"
) -> ImportedSheet:
    stream = io.StringIO()
    csv.writer(stream, delimiter=delimiter).writerows(rows)
    (folder / "sheet.csv").write_text(stream.getvalue(), encoding=encoding)
    return import_sheet(folder / "sheet.csv", folder / "own")


def sign(rows: Rows) -> Rows:
    return fill(rows, signed__name="Sok Dara, MOWRAM", signed__date="2026-08-20")


@pytest.mark.parametrize("language", LANGUAGES)
def test_a_sheet_has_every_text_beside_the_english(language: str) -> None:
    header, *rows = read(write_sheet(language, None))
    assert header == ["key", "english", "text", "note"]
    assert [row[0] for row in rows[:3]] == ["language", "signed.name", "signed.date"]
    assert rows[0][2] == language
    english = list_texts(read_with_own("en", None))
    if language != "en":
        english = {key: text for key, text in english.items() if not key.startswith("term.")}
    assert {key: text for key, text, _, _ in rows[3:]} == english
    assert {key: text for key, _, text, _ in rows[3:]} == list_texts(read_with_own(language, None))


def test_notes_tell_what_is_not_certain() -> None:
    notes = {row[0]: row[3] for row in read(write_sheet("km", None))}
    assert "must not read as how high the river stands now" in notes["mark.flood"]
    assert "what does the ministry call the upper stage" in notes["mark.flood"]
    assert notes["flood.rising"].startswith("Low confidence")
    assert notes["flood.drivers"].startswith("{parts} lists causes with a sign, as 'rain +28'.")


@pytest.mark.parametrize("delimiter", [",", ";", "\t"])
def test_an_unsigned_sheet_brings_its_corrections_and_no_review(
    tmp_path: Path, delimiter: str
) -> None:
    rows = fill(read(write_sheet("th", None)), hazard__flood='อุทกภัย "ใหญ่"')
    imported = bring(tmp_path, rows, delimiter=delimiter)
    assert (imported.texts, imported.reviewed) == (1, False)
    templates = read_with_own("th", tmp_path / "own")
    assert templates["hazard"]["flood"] == 'อุทกภัย "ใหญ่"'
    assert templates["reviewed"] is False


def test_a_signed_sheet_is_a_review(tmp_path: Path) -> None:
    rows = sign(fill(read(write_sheet("km", None)), hazard__flood="ទឹកជំនន់ធំ"))
    imported = bring(tmp_path, rows)
    assert (imported.texts, imported.reviewed) == (len(rows) - 4, True)
    templates = read_with_own("km", tmp_path / "own")
    assert (templates["hazard"]["flood"], templates["reviewed"]) == ("ទឹកជំនន់ធំ", True)
    file = imported.path.read_text(encoding="utf-8")
    assert "reviewer = " in file.replace('"reviewer"', "reviewer")
    assert "Sok Dara, MOWRAM" in file
    again = read(write_sheet("km", tmp_path / "own"))
    assert {row[0]: row[2] for row in again}["hazard.flood"] == "ទឹកជំនន់ធំ"
    assert not bring(tmp_path, again).reviewed, "each sheet is signed anew"
    assert read_with_own("km", tmp_path / "own")["reviewed"] is False


def test_an_agency_words_the_english_too_and_the_translations_lose_their_review(
    tmp_path: Path,
) -> None:
    bring(tmp_path, sign(read(write_sheet("lo", None))))
    assert read_with_own("lo", tmp_path / "own")["reviewed"] is True
    stale = read(write_sheet("lo", tmp_path / "own"))
    bring(tmp_path, sign(fill(read(write_sheet("en", None)), sender="The department")))
    assert read_with_own("en", tmp_path / "own")["reviewed"] is True
    assert read_with_own("lo", tmp_path / "own")["reviewed"] is False
    with pytest.raises(BadReference, match="sender: expected the English text of today"):
        bring(tmp_path, sign(stale))


def drop(key: str) -> Callable[[Rows], Rows]:
    return lambda rows: [row for row in rows if row[0] != key]


@pytest.mark.parametrize(
    ("change", "fault"),
    [
        (lambda rows: fill(rows, when__since="x"), "when.since: expected {date}, found none"),
        (lambda rows: fill(rows, flood__tidal=""), "flood.tidal: expected one line of text"),
        (drop("flood.tidal"), "flood.tidal: expected a text, found none"),
        (lambda rows: [*rows, rows[-1]], "expected read.authority once, found it again"),
        (lambda rows: [*rows, ["flood.x", "", "x", ""]], "flood.x: expected a key of en.toml"),
        (lambda rows: [*rows, ["flood.x", "", "x"]], "expected 4 cells"),
        (lambda rows: fill(rows, language="fr"), "language: expected one of en, km"),
        (drop("language"), "language: expected one of en, km"),
        (lambda rows: fill(rows, signed__name="Sok"), "signature: expected a name and a date"),
        (lambda rows: fill(rows, signed__date="2026-08-20"), "signature: expected a name and a"),
        (
            lambda rows: fill(rows, signed__name="Sok", signed__date="20/8/2026"),
            "signature: expected a name and a date as 2026-08-20",
        ),
        (lambda rows: [["key", "text"], *rows[1:]], "expected columns key, english, text, note"),
    ],
)
def test_a_faulty_sheet_is_refused_and_writes_nothing(
    tmp_path: Path, change: Callable[[Rows], Rows], fault: str
) -> None:
    with pytest.raises(BadReference) as refused:
        bring(tmp_path, change(read(write_sheet("vi", None))))
    assert fault in str(refused.value)
    assert not (tmp_path / "own").exists()


def test_another_encoding_and_another_language_are_named(tmp_path: Path) -> None:
    with pytest.raises(BadReference, match="expected a table of text in UTF-8"):
        bring(tmp_path, read(write_sheet("en", None)), encoding="utf-16")
    with pytest.raises(LookupError, match="expected one of en, km"):
        write_sheet("fr", None)

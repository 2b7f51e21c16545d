"""Sheets on which a speaker corrects and signs the texts of a language, as CSV."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from pathlib import Path

from pipeline.alerts.templates import (
    LANGUAGES,
    OWN,
    check_language,
    digest_english,
    find_text_faults,
    list_texts,
    read_with_own,
)
from pipeline.geography.reference_tables import BadReference, Finding
from pipeline.storage.atomic import draft_file

COLUMNS = ["key", "english", "text", "note"]
HEAD = {
    "language": "Language of the texts; do not change.",
    "signed.name": "Name and office of the speaker who has read every text of this sheet.",
    "signed.date": "Date of the signature, as 2026-08-20.",
}
"""Rows before the texts, with their notes."""


@dataclass(frozen=True)
class ImportedSheet:
    """Texts that an agency's folder now holds.

    Parameters
    ----------
    path
        File with the texts.
    texts
        Number of its texts.
    reviewed
        Whether the sheet was signed.
    """

    path: Path
    texts: int
    reviewed: bool


def write_sheet(language: str, agency: Path | None) -> str:
    """Write the sheet of a language.

    Parameters
    ----------
    language
        One of ``LANGUAGES``.
    agency
        Folder of an agency's own tables, whose texts go before the project's.

    Raises
    ------
    LookupError
        No such language.
    """
    check_language(language)
    templates, english = (read_with_own(name, agency) for name in (language, "en"))
    texts, english_texts = list_texts(templates), list_texts(english)
    stream = io.StringIO()
    writer = csv.writer(stream, lineterminator="\n")
    writer.writerow(COLUMNS)
    for key, note in HEAD.items():
        writer.writerow([key, "", language if key == "language" else "", note])
    for key, text in ((key, english_texts[key]) for key in english_texts if key in texts):
        notes = dict.fromkeys(each["note"].get(key, "") for each in (english, templates))
        writer.writerow([key, text, texts[key], " ".join(filter(None, notes))])
    return stream.getvalue()


def import_sheet(path: Path, agency: Path) -> ImportedSheet:
    """Check a corrected sheet and write its texts into an agency's folder.

    A signed sheet brings every text and makes the language reviewed; one that is not signed brings
    those that differ from the project's.

    Parameters
    ----------
    path
        Sheet in UTF-8, its columns parted by commas, semicolons or tabs.
    agency
        Folder of the agency's tables; the texts go to ``messages/<language>.toml`` in it.

    Raises
    ------
    BadReference
        The sheet is not whole, was made for other English texts, or a text lacks a slot; nothing
        is written.
    """
    rows, findings = _read_rows(path), []
    language = rows.get("language", {}).get("text", "")
    if language not in LANGUAGES:
        text = f"language: expected one of {', '.join(LANGUAGES)}, found {language!r}"
        raise BadReference([Finding(path.name, 0, text)])
    reviewer, day = (rows.get(key, {}).get("text", "") for key in ("signed.name", "signed.date"))
    if bool(reviewer) != bool(day) or (day and not _is_day(day)):
        text = f"expected a name and a date as 2026-08-20, or neither, found {reviewer!r}, {day!r}"
        findings.append(Finding(path.name, 0, f"signature: {text}"))
    texts = {key: row["text"] for key, row in rows.items() if key not in HEAD}
    faults = find_text_faults(texts, language=language, whole=True)
    findings += [Finding(path.name, 0, fault) for fault in faults]
    for key, english in list_texts(read_with_own("en", agency)).items():
        if key in rows and language != "en" and rows[key]["english"] != english:
            text = f"{key}: expected the English text of today, found another; export a new sheet"
            findings.append(Finding(path.name, 0, text))
    if findings:
        raise BadReference(findings)
    project = list_texts(read_with_own(language, None))
    own = {key: text for key, text in texts.items() if reviewer or text != project[key]}
    signature: dict[str, str | bool] = {"reviewed": bool(reviewer)}
    if reviewer:
        signature |= {"reviewer": reviewer, "reviewed_on": day}
        signature |= {} if language == "en" else {"english": digest_english(agency)}
    destination = agency / OWN / f"{language}.toml"
    destination.parent.mkdir(parents=True, exist_ok=True)
    with draft_file(destination) as draft:
        draft.write_text(_write_toml({**signature, **own}), encoding="utf-8")
    return ImportedSheet(destination, len(own), bool(reviewer))


def _read_rows(path: Path) -> dict[str, dict[str, str]]:
    """Read the rows of a sheet by key, their cells without blanks at the ends."""
    try:
        content = path.read_text(encoding="utf-8-sig")
        header = content.partition("\n")[0]
        delimiter = max(",;\t", key=header.count)
        reader = csv.DictReader(io.StringIO(content, newline=""), delimiter=delimiter)
        lines = [(reader.line_num, row) for row in reader]
    except (UnicodeDecodeError, csv.Error) as error:
        text = f"expected a table of text in UTF-8, found: {error}"
        raise BadReference([Finding(path.name, 0, text)]) from error
    if (columns := [*(reader.fieldnames or [])]) != COLUMNS:
        text = f"expected columns {', '.join(COLUMNS)}, found {', '.join(columns)}"
        raise BadReference([Finding(path.name, 1, text)])
    rows: dict[str, dict[str, str]] = {}
    for line, cells in lines:
        if None in cells or None in cells.values():
            text = f"expected {len(COLUMNS)} cells, found another number"
            raise BadReference([Finding(path.name, line, text)])
        row = {column: cell.strip() for column, cell in cells.items()}
        if row["key"] in rows:
            text = f"expected {row['key']} once, found it again"
            raise BadReference([Finding(path.name, line, text)])
        rows[row["key"]] = row
    return rows


def _is_day(text: str) -> bool:
    try:
        return date.fromisoformat(text).isoformat() == text
    except ValueError:
        return False


def _write_toml(values: Mapping[str, str | bool]) -> str:
    """Write values as TOML; strings of JSON are strings of TOML."""
    lines = (
        f"{json.dumps(key)} = {json.dumps(value, ensure_ascii=False)}"
        for key, value in values.items()
    )
    return "\n".join(lines) + "\n"

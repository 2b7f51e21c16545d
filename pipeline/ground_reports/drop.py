"""Read files of reports that a gateway or an office drops: one report a row, as CSV."""

from __future__ import annotations

import csv
import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta, timezone
from itertools import zip_longest
from pathlib import Path

from pipeline.geography.places import City
from pipeline.ground_reports.city_codes import check_letter
from pipeline.ground_reports.coded_text import (
    AHEAD,
    DEEPEST_CM,
    CodedReport,
    Observation,
    UnreadText,
    parse_text,
)
from pipeline.ground_reports.reports import GroundReport, pseudonym

TEXT_COLUMNS = {"received_at", "sender", "text"}
ROW_COLUMNS = {"received_at", "sender", "city", "observation", "depth_cm", "time"}
LONGEST_CELL = 1000
OLDEST = timedelta(days=31)
"""How long after its time a row with columns of its own may come: forms are collected on paper."""


@dataclass(frozen=True)
class BadRow:
    """A row that is no report.

    Parameters
    ----------
    file, line
        Name of the file and line where the row ends.
    reason
        Why, with what was expected and found.
    answer
        Line to send back; empty where the row was no coded text.
    """

    file: str
    line: int
    reason: str
    answer: str = ""

    def __str__(self) -> str:
        """One line."""
        return f"{self.file}, line {self.line}: {self.reason}"


def read_drop(
    path: Path, *, cities: Mapping[str, City], key: bytes, latest: datetime | None
) -> tuple[list[GroundReport], list[BadRow]]:
    """Read a file of reports; a row that is bad does not keep the others out.

    Parameters
    ----------
    path
        CSV in UTF-8, parted by commas, semicolons or tabs, with the columns ``received_at``,
        ``sender`` and either ``text`` or ``city, observation, depth_cm, time``, or all of them: a
        row with a text is read as one.
    cities
        Cities by their number.
    key
        Key of the pseudonyms.
    latest
        Latest moment at which a row can have been received; None for any.

    Returns
    -------
    tuple
        Reports in the order of the rows, and the rows that are none.
    """
    content = path.read_bytes().decode("utf-8-sig", errors="surrogateescape")
    rows = _split_rows(content)
    names = [name.strip().casefold() for name in (rows[0][1] if rows else [])]
    if not ({*names} >= TEXT_COLUMNS or {*names} >= ROW_COLUMNS - {"depth_cm"}):
        expected = f"{', '.join(sorted(TEXT_COLUMNS))} or {', '.join(sorted(ROW_COLUMNS))}"
        text = f"expected columns {expected}, found {', '.join(sorted(names)) or 'none'!r}"
        return [], [BadRow(path.name, 1, text)]
    reports, bad = list[GroundReport](), list[BadRow]()
    for number, cells, fault in rows[1:]:
        if fault or len(cells) > len(names):
            text = fault or "expected as many cells as columns, found more"
            bad.append(BadRow(path.name, number, text))
            continue
        row = dict(zip_longest(names, map(str.strip, cells), fillvalue=""))
        try:
            reports.append(_read_row(row, cities, key, latest))
        except UnreadText as error:
            text = f"{error.reason}: {row['text']!r}"
            bad.append(BadRow(path.name, number, text, error.answer))
        except ValueError as error:
            bad.append(BadRow(path.name, number, str(error)))
    return reports, bad


def _split_rows(content: str) -> list[tuple[int, list[str], str]]:
    """Split a CSV into rows: the line where each ends, its cells, and what is wrong with it.

    Where a quote is not closed the whole rest of the file would be one cell: each line is then a
    row.
    """
    lines = content.splitlines(keepends=True)
    delimiter = max(",;\t", key=(lines[0] if lines else "").count)
    try:
        reader = csv.reader(lines, delimiter=delimiter, strict=True)
        return [(reader.line_num, cells, _find_fault(cells)) for cells in reader if cells]
    except csv.Error:
        rows = []
        for number, line in enumerate(lines, 1):
            try:
                cells = next(csv.reader([line], delimiter=delimiter, strict=True), [])
                rows.append((number, cells, _find_fault(cells)))
            except csv.Error as error:
                rows.append((number, [], f"expected CSV in UTF-8, found: {error}"))
        return [row for row in rows if row[1] or row[2]]


def _find_fault(cells: list[str]) -> str:
    """Say that cells are not in UTF-8 or too long; empty where they are neither."""
    if (length := max(map(len, cells), default=0)) > LONGEST_CELL:
        return f"expected CSV in UTF-8, found: a cell of {length} characters"
    try:
        "".join(cells).encode()
    except UnicodeEncodeError:
        return "expected CSV in UTF-8, found: other bytes"
    return ""


def _read_row(
    row: Mapping[str, str], cities: Mapping[str, City], key: bytes, latest: datetime | None
) -> GroundReport:
    """Read one row; raise ValueError for one that is no report."""
    if not row.get("sender"):
        raise ValueError("sender: expected who sent it, found nothing")
    received_at = read_time(row.get("received_at", ""), column="received_at")
    if latest is not None and received_at > latest:
        raise ValueError(f"received_at: expected no later than now, found {row['received_at']}")
    sender = pseudonym(row["sender"], key=key)
    if text := row.get("text", ""):
        coded = parse_text(text, received_at=received_at, cities=cities)
        return report_of_text(coded, text, sender=sender, received_at=received_at)
    city = find_city(row.get("city", ""), cities)
    return report_of_facts(
        city,
        row.get("observation", ""),
        row.get("depth_cm", ""),
        read_time(row.get("time", ""), column="time", city=city),
        sender=sender,
        received_at=received_at,
    )


def report_of_text(
    coded: CodedReport, text: str, *, sender: str, received_at: datetime
) -> GroundReport:
    """Make a report of a coded text that was read.

    Parameters
    ----------
    coded, text
        What was read, and the text as it came.
    sender, received_at
        As of :class:`pipeline.ground_reports.reports.GroundReport`.
    """
    return GroundReport(
        sender=sender,
        city=coded.city.id,
        observation=coded.observation,
        depth_cm=coded.depth_cm,
        valid_time=coded.valid_time,
        received_at=received_at,
        channel="text",
        text=text,
        doubt=coded.doubt,
    )


def report_of_facts(
    city: City,
    observation: str,
    depth_cm: str,
    valid_time: datetime,
    *,
    sender: str,
    received_at: datetime,
) -> GroundReport:
    """Make a report of the columns of a row.

    Raises
    ------
    ValueError
        One of them cannot be; the message says what was expected.
    """
    word = observation.casefold()
    if word not in {"flooded", "dry"}:
        raise ValueError(f"observation: expected flooded or dry, found {observation!r}")
    seen: Observation = "flooded" if word == "flooded" else "dry"
    if depth_cm and not (re.fullmatch("[0-9]{1,3}", depth_cm) and int(depth_cm) <= DEEPEST_CM):
        expected = f"expected whole cm from 0 to {DEEPEST_CM}, or nothing"
        raise ValueError(f"depth_cm: {expected}, found {depth_cm!r}")
    if depth_cm and seen == "dry":
        raise ValueError(f"depth_cm: expected none of dry ground, found {depth_cm!r}")
    if not received_at - OLDEST <= valid_time <= received_at + AHEAD:
        expected = f"expected a time of the {OLDEST.days} days before received_at"
        raise ValueError(f"time: {expected}, found {valid_time:%Y-%m-%dT%H:%MZ}")
    return GroundReport(
        sender=sender,
        city=city.id,
        observation=seen,
        depth_cm=int(depth_cm) if depth_cm else None,
        valid_time=valid_time.replace(second=0, microsecond=0),
        received_at=received_at,
        channel="csv",
        text=f"{city.id},{seen},{depth_cm},{valid_time:%Y-%m-%dT%H:%MZ}",
    )


def read_time(text: str, *, column: str, city: City | None = None) -> datetime:
    """Read a time in ISO 8601 as UTC.

    Parameters
    ----------
    text, column
        The cell, and what it is called.
    city
        City whose clock a time without an offset is on; None: the offset must be there.

    Raises
    ------
    ValueError
        It is none, or has no offset where it needs one.
    """
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        moment = None
    if moment is None or "T" not in text.upper().replace(" ", "T"):
        raise ValueError(f"{column}: expected a time as 2026-08-20T14:05+07:00, found {text!r}")
    if moment.tzinfo is None:
        if city is None:
            raise ValueError(f"{column}: expected an offset as +07:00 or Z, found {text!r}")
        moment = moment.replace(tzinfo=timezone(timedelta(hours=city.utc_offset_h)))
    return moment.astimezone(UTC)


def find_city(name: str, cities: Mapping[str, City]) -> City:
    """Find a city by its id or its whole code; a number without its letter is not enough.

    Raises
    ------
    ValueError
        There is no such city.
    """
    for number, city in cities.items():
        if name.casefold() in {city.id, f"{number}{check_letter(number)}".casefold()}:
            return city
    raise ValueError(f"city: expected an id as phnom_penh or a code as 17U, found {name!r}")

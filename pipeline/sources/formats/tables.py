"""Tables of text: decode a file, split it into lines and cells, and collect bad rows."""

from __future__ import annotations

import codecs
import csv
import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pandas as pd

from pipeline.sources.base import BadGranule

LARGEST = 64 * 2**20
"""Most bytes of text: twenty years of every 15 minutes. Cells take eight times as much memory."""
MOST_LINES = 1_000_000
LONGEST_LINE = 20_000
"""Most lines of a file, and characters of a line."""
DELIMITERS = (",", ";", "\t", "|")
HEADING_WITHIN = 40
"""Lines within which a heading must stand; titles and comments may precede it."""
BAD_SHARE = 0.05
BAD_FEW = 1
"""Share and number of bad rows, either of which a file may have without being refused."""
SHOWN = 5
"""Most bad rows that a message shows."""
_MARKS = (
    (codecs.BOM_UTF8, "utf-8"),
    (codecs.BOM_UTF32_LE, "utf-32-le"),
    (codecs.BOM_UTF32_BE, "utf-32-be"),
    (codecs.BOM_UTF16_LE, "utf-16-le"),
    (codecs.BOM_UTF16_BE, "utf-16-be"),
)
_ASCII, _THAI = bytes(range(128)), bytes((*range(0xA1, 0xDB), *range(0xDF, 0xFC)))
_BLANK = ' "' + "".join(DELIMITERS)
_BEGIN = frozenset("0123456789+-.๐๑๒๓๔๕๖๗๘๙໐໑໒໓໔໕໖໗໘໙០១២៣៤៥៦៧៨៩၀၁၂၃၄၅၆၇၈၉")
"""First characters of numbers and dates; every row has such a cell, and no heading has one."""
_INVISIBLE = "\ufeff\u200b\u200e\u200f\x1a"


@dataclass
class Rows:
    """Rows of one table, with its bad rows and remarks.

    Parameters
    ----------
    path
        File that holds them.
    layout
        Name of the layout, for messages.
    cells
        Text by the names of the heading; the index is the line in the file.
    bad
        Reasons for omitted rows, by line: what was expected and found.
    remarks
        Remarks on the whole file.
    delimiter
        Delimiter of the cells.
    """

    path: Path
    layout: str
    cells: pd.DataFrame
    bad: dict[int, str] = field(default_factory=dict)
    remarks: list[str] = field(default_factory=list)
    delimiter: str = ","

    def leave_out(self, bad: pd.Series[Any], expected: str | pd.Series[Any], found: str) -> None:
        """Leave rows out.

        Parameters
        ----------
        bad
            Whether each row is bad; for some or all rows of the table.
        expected
            Expectation, of all rows or of each.
        found
            Column of the cell that was found.
        """
        for line in bad.index[bad.to_numpy(dtype=bool)]:
            row_expected = expected if isinstance(expected, str) else expected[line]
            self.bad[line] = f"expected {row_expected}, found {self.cells.loc[line, found]!r}"
        self.cells = self.cells.drop(index=bad.index[bad.to_numpy(dtype=bool)])

    def describe_bad_rows(self) -> list[str]:
        """Describe the bad rows, one per line.

        Raises
        ------
        BadGranule
            Too many rows are bad, or no row is left.
        """
        lines = [f"line {line}: {why}" for line, why in sorted(self.bad.items())]
        total = len(self.cells) + len(lines)
        if len(lines) > max(BAD_FEW, BAD_SHARE * total) or (lines and self.cells.empty):
            more = f"; and {len(lines) - SHOWN} more" if len(lines) > SHOWN else ""
            raise BadGranule(
                self.path,
                expected=self.layout,
                found=f"{len(lines)} bad of {total} rows: {'; '.join(lines[:SHOWN])}{more}",
            )
        return lines


_IS_HEADING = re.compile(
    r"\b(?:date|time|datetime|timestamp|station|code|values?|units?|levels?|stage|height|wl|rain\w*|"
    r"discharge|flow)\b|วันที่|เวลา|ระดับ|ฝน|รหัส"
)


def normalize_name(heading: str) -> str:
    """Normalize the name of a column: lower case, without quotes and needless blanks."""
    return re.sub(r"[\s_]+", " ", heading.strip().strip("\"'")).strip().casefold()


def decode(path: Path) -> tuple[str, list[str]]:
    """Decode a file in UTF-8, UTF-16, UTF-32, TIS-620 or Windows-1252; remark on the last two.

    Raises
    ------
    BadGranule
        The file is too large, or does not have the encoding of its byte order mark.
    """
    size = path.stat().st_size
    if size > LARGEST:
        raise BadGranule(
            path, expected=f"at most {LARGEST >> 20} MB of text", found=f"{size >> 20} MB"
        )
    content = path.read_bytes()
    mark, encoding = next((pair for pair in _MARKS if content.startswith(pair[0])), (b"", "utf-8"))
    content = content[len(mark) :]
    if not mark:
        encoding = _guess_encoding(content)
    try:
        # A character that the end of the file cuts is dropped, as its line is cut too.
        return codecs.getincrementaldecoder(encoding)().decode(content, final=False), []
    except UnicodeDecodeError as error:
        if encoding != "utf-8":
            raise BadGranule(path, expected=f"text in {encoding}", found=str(error)) from error
    text = content.decode("utf-8", "replace")
    if 20 * text.count("\ufffd") <= len(text) - len(text.encode("ascii", "ignore")):
        return text, []
    other_bytes = content.translate(None, _ASCII + _THAI)
    if not other_bytes and re.search(rb"[" + re.escape(_THAI) + rb"]{3}", content):
        return content.decode("cp874", "replace"), ["text that is not UTF-8 is read as TIS-620"]
    remarks = ["text that is not UTF-8 is read as Windows-1252"]
    return content.decode("cp1252", "replace"), remarks


def _guess_encoding(content: bytes) -> str:
    """Guess UTF-16 without byte order mark from the zero bytes of Latin letters."""
    head = content[:4096]
    half = len(head) // 2
    even, odd = head[::2].count(0), head[1::2].count(0)
    if half and odd > 0.4 * half and even < 0.1 * half:
        return "utf-16-le"
    if half and even > 0.4 * half and odd < 0.1 * half:
        return "utf-16-be"
    return "utf-8"


def split_lines(path: Path, text: str) -> tuple[list[str], bool]:
    """Split a text into lines without marks and line ends; return whether the last one ends.

    Raises
    ------
    BadGranule
        The text has more than ``MOST_LINES`` lines.
    """
    for sign in _INVISIBLE:
        text = text.replace(sign, "")
    for end in ("\r\r\n", "\r\n", "\r"):
        text = text.replace(end, "\n")
    if text.count("\n") > MOST_LINES:
        raise BadGranule(path, expected=f"at most {MOST_LINES} lines", found="more")
    lines = text.split("\n")
    ended = not lines[-1].strip()
    return lines[:-1] if ended else lines, ended


def split_cells(line: str, delimiter: str) -> list[str] | None:
    """Split a line into stripped cells; None where its quotes do not close."""
    if '"' not in line:
        return [cell.strip() for cell in line.split(delimiter)]
    try:
        cells = next(csv.reader([line], delimiter=delimiter, skipinitialspace=True, strict=True))
    except csv.Error:
        return None
    return [cell.strip() for cell in cells]


Heading = tuple[int, str, list[str]]
"""Number of the line, counted from 0; delimiter; names."""


def find_heading(lines: list[str], fits: Callable[[list[str]], bool]) -> Heading | None:
    """Find the first line whose cells are a heading that fits, with any delimiter."""
    for number, line in enumerate(lines[:HEADING_WITHIN]):
        if len(line) > LONGEST_LINE:
            continue
        for delimiter in DELIMITERS:
            cells = split_cells(line, delimiter)
            if cells and len(cells) > 1 and fits([normalize_name(cell) for cell in cells]):
                return number, delimiter, cells
    return None


def read_body(
    path: Path, lines: list[str], delimiter: str, names: list[str], *, first: int
) -> tuple[pd.DataFrame, dict[int, str]]:
    """Read the cells of the lines below a heading; repeated headings and empty lines are skipped.

    Parameters
    ----------
    path
        File that holds them.
    lines
        All lines of the file.
    delimiter
        Between cells.
    names
        Names of the columns.
    first
        Number of the first line, counted from 0.

    Returns
    -------
    tuple
        Cells, and the reasons for lines that are no rows of the table.

    Raises
    ------
    BadGranule
        As of :func:`tabulate_cells`.
    """
    bad = dict[int, str]()

    def split() -> Iterable[tuple[int, list[str]]]:
        for number, line in enumerate(lines[first:], first + 1):
            if len(line) > LONGEST_LINE:
                bad[number] = f"expected at most {LONGEST_LINE} characters, found {len(line)}"
                continue
            if "\0" in line:
                bad[number] = "expected text, found zero bytes"
                continue
            if not line.strip(_BLANK):
                continue
            # Millions of cells are stripped faster column by column, in tabulate_cells.
            cells = split_cells(line, delimiter) if '"' in line else line.split(delimiter)
            if cells is None:
                bad[number] = f"expected quotes that close, found {line[:60]!r}"
            else:
                yield number, cells

    return tabulate_cells(path, split(), names, bad)


def tabulate_cells(
    path: Path, rows: Iterable[tuple[int, list[str]]], names: list[str], bad: dict[int, str]
) -> tuple[pd.DataFrame, dict[int, str]]:
    """Tabulate the cells of rows; rows of another length are bad, but for empty cells at the end.

    Parameters
    ----------
    path
        File that holds them.
    rows
        Number and cells of each.
    names
        Names of the columns.
    bad
        Reasons by line; extended in place.

    Raises
    ------
    BadGranule
        Another heading stands among the rows, so that the rows after it have another meaning.
    """
    heading = [normalize_name(name) for name in names]
    table_rows: list[list[str]] = []
    numbers: list[int] = []
    width, first = len(names), names[0].strip(' "')[:1].casefold()
    for number, cells in rows:
        while len(cells) > width and not cells[-1].strip():
            cells.pop()
        may_repeat = bool(cells) and cells[0].strip(' "')[:1].casefold() == first
        if may_repeat and [normalize_name(cell) for cell in cells] == heading:
            continue
        if table_rows and not any(cell.strip(' "')[:1] in _BEGIN for cell in cells if cell):
            cell_names = [normalize_name(cell) for cell in cells]
            if (
                sum(name in heading or _IS_HEADING.search(name) is not None for name in cell_names)
                > 1
            ):
                raise BadGranule(
                    path, expected="one heading", found=f"another in line {number}: {cell_names}"
                )
        if len(cells) != width:
            bad[number] = f"expected {width} cells as in the heading, found {len(cells)}"
        else:
            table_rows.append(cells)
            numbers.append(number)
    table = pd.DataFrame(table_rows, columns=heading, index=numbers, dtype="str")
    return table.apply(lambda column: column.str.strip()) if table_rows else table, bad

"""Sheets of an Excel workbook (.xlsx) as rows of text."""

from __future__ import annotations

import posixpath
import re
import zipfile
from collections.abc import Iterator
from datetime import datetime, timedelta
from io import BytesIO
from itertools import islice
from pathlib import Path

from lxml import etree

from pipeline.sources.base import BadGranule
from pipeline.sources.formats.unpacking import read_member

LARGEST = 64 * 2**20
"""Most bytes of XML of one part of a workbook."""
WIDEST = 1000
MOST_CELLS = 5_000_000
"""Most columns, and cells with the empty ones between them."""
MOST_SHEETS = 60
"""Most sheets of a workbook: five years of a sheet for each month."""
_MAIN = "{http://schemas.openxmlformats.org/spreadsheetml/2006/main}"
_RELATION = "{http://schemas.openxmlformats.org/officeDocument/2006/relationships}id"
_DATES = {*range(14, 23), *range(27, 37), *range(45, 48), *range(50, 59)}
_CLOCKS = {18, 19, 20, 21, 22, 45, 46, 47}
"""Numbers of the built-in formats that show dates, and of those that show a time of day."""


def read_sheet(
    path: Path, sheet: int = 0, *, most: int | None = None
) -> tuple[list[tuple[int, list[str]]], list[str]]:
    """Read the rows of a sheet, and the names of all sheets.

    Parameters
    ----------
    path
        Workbook.
    sheet
        Place of the sheet, from 0.
    most
        Most rows to read; all by default.

    Returns
    -------
    tuple
        Number and cells of each row, dates in ISO 8601 and times of day as ``07:00``; names.

    Raises
    ------
    BadGranule
        The workbook is incomplete or of another kind.
    """
    try:
        archive = zipfile.ZipFile(path)
    except (zipfile.BadZipFile, OSError, ValueError) as error:
        raise BadGranule(path, expected="a whole workbook", found=str(error)) from error
    with archive:
        book = _parse_part(path, archive, "xl/workbook.xml")
        sheets = book.findall(f"{_MAIN}sheets/{_MAIN}sheet")
        if len(sheets) > MOST_SHEETS:
            raise BadGranule(path, expected=f"at most {MOST_SHEETS} sheets", found=str(len(sheets)))
        relations = _parse_part(path, archive, "xl/_rels/workbook.xml.rels")
        targets = {element.get("Id"): element.get("Target", "") for element in relations}
        if not sheets or sheets[sheet].get(_RELATION) not in targets:
            raise BadGranule(path, expected="a workbook with a sheet", found="none")
        name = posixpath.normpath(posixpath.join("/xl", targets[sheets[sheet].get(_RELATION)]))
        properties = book.find(f"{_MAIN}workbookPr")
        since_1904 = properties is not None and properties.get("date1904") in {"1", "true"}
        names = set(archive.namelist())
        texts, formats = list[str](), list[tuple[bool, bool]]()
        if "xl/sharedStrings.xml" in names:
            shared = _parse_part(path, archive, "xl/sharedStrings.xml")
            texts = [_join_text(element) for element in shared.iter(f"{_MAIN}si")]
        if "xl/styles.xml" in names:
            formats = _read_formats(_parse_part(path, archive, "xl/styles.xml"))
        content = read_member(archive, name.lstrip("/"), path=path, largest=LARGEST)
    origin = datetime(1904, 1, 1) if since_1904 else datetime(1899, 12, 30)  # noqa: DTZ001 - local
    try:
        rows = list(islice(_iterate_rows(content, texts, formats, origin), most))
    except (etree.XMLSyntaxError, ValueError, IndexError, OverflowError) as error:
        raise BadGranule(path, expected="a whole sheet", found=str(error)) from error
    return rows, [element.get("name", "") for element in sheets]


def _parse_part(path: Path, archive: zipfile.ZipFile, name: str) -> etree._Element:
    parser = etree.XMLParser(resolve_entities=False, no_network=True, load_dtd=False)
    try:
        return etree.fromstring(read_member(archive, name, path=path, largest=LARGEST), parser)
    except etree.XMLSyntaxError as error:
        raise BadGranule(path, expected=f"{name} in XML", found=str(error)) from error


def _join_text(element: etree._Element) -> str:
    """Join the text of a cell or a shared string, without its phonetic reading."""
    return "".join(
        part.text or ""
        for part in element.iter(f"{_MAIN}t")
        if (above := part.getparent()) is None or above.tag != f"{_MAIN}rPh"
    )


def _read_formats(styles: etree._Element) -> list[tuple[bool, bool]]:
    """Read whether each cell format shows a date, and a time of day."""
    codes = {
        style.get("numFmtId"): re.sub(
            r'"[^"]*"|\[(?![hH]+\])[^\]]*\]|\\.|_.', "", style.get("formatCode", "")
        )
        for style in styles.iter(f"{_MAIN}numFmt")
    }
    formats = []
    for style in styles.iterfind(f"{_MAIN}cellXfs/{_MAIN}xf"):
        number = style.get("numFmtId", "0")
        code = codes.get(number, "").casefold()
        built_in = int(number) if number.isdecimal() and number not in codes else -1
        date = built_in in _DATES or bool(re.search(r"[ymdh]", code))
        formats.append((date, built_in in _CLOCKS or "h" in code))
    return formats


def _iterate_rows(
    content: bytes, texts: list[str], formats: list[tuple[bool, bool]], origin: datetime
) -> Iterator[tuple[int, list[str]]]:
    # Entities are not resolved; deep or repeated ones exceed the parser's own limits.
    parse = etree.iterparse(
        BytesIO(content), tag=f"{_MAIN}row", resolve_entities=False, no_network=True, load_dtd=False
    )
    number = total = 0
    for _, row in parse:
        number = int(row.get("r") or number + 1)
        cells: list[str] = []
        for cell in row.iterfind(f"{_MAIN}c"):
            place = re.match(r"[A-Z]+", cell.get("r", ""))
            column = _parse_column(place[0]) if place else len(cells)
            if column >= WIDEST:
                break
            cells.extend([""] * (column - len(cells)))
            cells.append(_show_cell(cell, texts, formats, origin).strip())
        total += len(cells)
        if total > MOST_CELLS:
            raise ValueError(f"more than {MOST_CELLS} cells")
        yield number, cells
        row.clear()
        while row.getprevious() is not None:
            del row.getparent()[0]  # type: ignore[union-attr]


def _parse_column(letters: str) -> int:
    number = 0
    for letter in letters[:4]:
        number = 26 * number + ord(letter) - ord("A") + 1
    return number - 1


def _show_cell(
    cell: etree._Element, texts: list[str], formats: list[tuple[bool, bool]], origin: datetime
) -> str:
    """Return the text of a cell; numbers in full, dates in ISO 8601, times of day as ``07:00``."""
    kind = cell.get("t", "n")
    if kind == "inlineStr":
        return _join_text(cell)
    content = cell.findtext(f"{_MAIN}v") or ""
    if kind == "s":
        return texts[int(content) if content.isdecimal() else len(texts)]
    if kind == "b":
        return "TRUE" if content == "1" else "FALSE"
    if kind != "n" or not content:
        return content
    style = int(cell.get("s", "0"))
    date, clock = formats[style] if style < len(formats) else (False, False)
    return _format_number(float(content), origin, date=date, clock=clock)


def _format_number(number: float, origin: datetime, *, date: bool, clock: bool) -> str:
    """Format a number, a date or a time of day."""
    if clock and 0 <= number < 1:
        minutes, seconds = divmod(round(number * 86400), 60)
        return f"{minutes // 60:02d}:{minutes % 60:02d}" + (f":{seconds:02d}" if seconds else "")
    if date and 61 <= number < 800_000:
        moment = origin + timedelta(seconds=round(number * 86400))
        whole = moment.time() == datetime.min.time()
        return moment.strftime("%Y-%m-%d" if whole and not clock else "%Y-%m-%dT%H:%M:%S")
    return str(int(number)) if number.is_integer() and abs(number) < 1e15 else repr(number)

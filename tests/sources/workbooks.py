"""Excel workbooks made part by part, as programs write them."""

from __future__ import annotations

import zipfile
from collections.abc import Sequence
from pathlib import Path

MAIN = "http://schemas.openxmlformats.org/spreadsheetml/2006/main"
OFFICE = "http://schemas.openxmlformats.org/officeDocument/2006/relationships"
HEAD = '<?xml version="1.0" encoding="UTF-8" standalone="yes"?>'
STYLES = (
    f'{HEAD}<styleSheet xmlns="{MAIN}"><numFmts count="2">'
    '<numFmt numFmtId="164" formatCode="yyyy\\-mm\\-dd\\ hh:mm"/>'
    '<numFmt numFmtId="165" formatCode="0.00&quot; m day&quot;"/></numFmts>'
    '<cellXfs count="5"><xf numFmtId="0"/><xf numFmtId="164"/><xf numFmtId="14"/>'
    '<xf numFmtId="165"/><xf numFmtId="20"/></cellXfs></styleSheet>'
)
GENERAL, STAMP, DATE, METRES, CLOCK = range(5)
"""Numbers of the styles: general, with a date and a time of day, a date, a unit, a time of day."""


def workbook(
    path: Path, sheet: str, *, shared: list[str] | None = None, properties: str = "",
    sheets: int = 1, target: str = "worksheets/sheet1.xml", others: Sequence[str] = (),
) -> Path:  # fmt: skip
    """Write a workbook whose first sheet has the rows of ``sheet``, in XML, the next of others."""
    sheets = max(sheets, 1 + len(others))
    names = "".join(
        f'<sheet name="S{at}" sheetId="{at}" r:id="rId{at}"/>' for at in range(1, sheets + 1)
    )
    more = "".join(
        f'<Relationship Id="rId{at}" Target="worksheets/sheet{at}.xml"/>'
        for at in range(2, 2 + len(others))
    )
    strings = "".join(f"<si>{text}</si>" for text in shared or [])
    parts = {
        "[Content_Types].xml": f"{HEAD}<Types/>",
        "xl/workbook.xml": f'{HEAD}<workbook xmlns="{MAIN}" xmlns:r="{OFFICE}">{properties}'
        f"<sheets>{names}</sheets></workbook>",
        "xl/_rels/workbook.xml.rels": f'{HEAD}<Relationships><Relationship Id="rId1" '
        f'Target="{target}"/>{more}</Relationships>',
        "xl/styles.xml": STYLES,
    } | {
        f"xl/worksheets/sheet{at}.xml": f'{HEAD}<worksheet xmlns="{MAIN}"><sheetData>{rows}'
        "</sheetData></worksheet>"
        for at, rows in enumerate((sheet, *others), 1)
    }
    if shared is not None:
        parts["xl/sharedStrings.xml"] = f'{HEAD}<sst xmlns="{MAIN}">{strings}</sst>'
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in parts.items():
            archive.writestr(name, content)
    return path


def inline(place: str, text: str) -> str:
    """Cell with its text inside."""
    return f'<c r="{place}" t="inlineStr"><is><t>{text}</t></is></c>'


def number(place: str, value: object, style: int = GENERAL) -> str:
    """Cell with a number."""
    return f'<c r="{place}" s="{style}"><v>{value}</v></c>'


SERIAL = 46254.0
"""20 August 2026 in days since 30 December 1899: 126 years and 8 months."""


def heading_row(row: int, *names: str) -> str:
    """Row of names."""
    cells = "".join(inline(f"{chr(65 + at)}{row}", name) for at, name in enumerate(names))
    return f'<row r="{row}">{cells}</row>'


def sheet_row(at: int, *cells: str) -> str:
    """Row of cells."""
    return f'<row r="{at}">{"".join(cells)}</row>'

"""Workbooks: dates, times, numbers and gaps of their cells, and broken ones."""

from __future__ import annotations

import zipfile
from pathlib import Path

import pandas as pd
import pytest

from pipeline.sources.base import BadGranule
from pipeline.sources.formats import spreadsheets
from pipeline.sources.formats.spreadsheets import read_sheet
from pipeline.sources.gauges import gauge_files
from pipeline.sources.gauges.own_table import OwnLayout
from tests.sources.gauges.table_cases import readings
from tests.sources.workbooks import (
    CLOCK,
    DATE,
    METRES,
    SERIAL,
    STAMP,
    heading_row,
    inline,
    number,
    sheet_row,
    workbook,
)


def values(frame: pd.DataFrame) -> list[list[object]]:
    return readings(frame, "station", "valid_time", "value")


def test_the_plain_layout_in_a_workbook_with_codes_as_numbers(tmp_path: Path) -> None:
    shared = ["<t>station</t>", "<t>variable</t>", "<t>time</t>", "<t>value</t>", "<t>unit</t>",
              "<t>stage</t>", "<r><t>2026-08-20T07:00</t></r><r><t>:00+07:00</t></r>",
              "<t>m</t><rPh><t>x</t></rPh>"]  # fmt: skip
    names = "".join(f'<c r="{chr(65 + at)}1" t="s"><v>{at}</v></c>' for at in range(5))
    row = (
        '<row r="3"><c r="A3"><v>13901</v></c><c r="B3" t="s"><v>5</v></c>'
        '<c r="C3" t="s"><v>6</v></c><c r="D3"><v>9.8000000000000007</v></c>'
        '<c r="E3" t="s"><v>7</v></c></row>'
    )
    path = workbook(tmp_path / "a.xlsx", f'<row r="1">{names}</row>{row}', shared=shared)
    frame = gauge_files.read(path)
    assert values(frame) == [["013901", "2026-08-20 00:00", 9.8]]
    assert frame.attrs["said"] == ["13901 is read as 013901 (Pakse)"]


@pytest.mark.parametrize(
    ("properties", "days"), [("", SERIAL), ('<workbookPr date1904="1"/>', SERIAL - 1462)]
)
def test_dates_of_both_systems(tmp_path: Path, properties: str, days: float) -> None:
    seven, absent = days + 7 / 24, '<c r="C8" t="e"><v>#N/A</v></c>'
    rows = [
        heading_row(4, "Code", "When", "Level"),
        sheet_row(5, number("A5", 13901.0), number("B5", seven, STAMP), number("C5", 9.8, METRES)),
        sheet_row(6, number("A6", 13901), number("B6", days, STAMP), number("C6", 9.7)),
        sheet_row(7, number("A7", 13901), number("B7", days - 1, DATE), number("C7", 9.6)),
        sheet_row(8, number("A8", 13901), number("B8", days - 2 + 7 / 24, DATE), absent),
    ]
    title = f'<row r="1">{inline("A1", "Department of Hydrology")}</row>'
    path = workbook(
        tmp_path / "b.xlsx", title + "".join(rows), properties=properties, sheets=2,
        target="/xl/worksheets/sheet1.xml",
    )  # fmt: skip
    frame = gauge_files.read(path, OwnLayout("Code", "When", "Level", "m", zone="Asia/Vientiane"))
    assert values(frame) == [
        ["013901", "2026-08-19 17:00", 9.7], ["013901", "2026-08-20 00:00", 9.8]
    ]  # fmt: skip
    assert frame.attrs["bad_rows"] == [
        "line 7: expected stamps like 2026-08-20T07:00:00+07:00, found '2026-08-19'"
    ], "a date without a time of day"
    assert "of 2 sheets 'S1' has a table" in frame.attrs["said"]
    assert "rows above the heading in row 4 are passed over" in frame.attrs["said"]


def test_a_buddhist_year_in_a_workbook(tmp_path: Path) -> None:
    days = SERIAL + 198_327  # 20 August 2569 by the Gregorian calendar
    rows = (
        heading_row(1, "T", "V")
        + f'<row r="2">{number("A2", days + 0.25, STAMP)}{number("B2", 7)}</row>'
    )
    path = workbook(tmp_path / "c.xlsx", rows)
    frame = gauge_files.read(path, OwnLayout("013901", "T", "V", "m", zone="+07:00"))
    assert values(frame) == [["013901", "2026-08-19 23:00", 7.0]]


def test_gaps_between_cells_and_short_rows(tmp_path: Path) -> None:
    rows = heading_row(1, "a", "b", "c") + f'<row r="2">{inline("C2", "x")}</row><row r="3"/>'
    read_rows, sheets = read_sheet(workbook(tmp_path / "d.xlsx", rows))
    assert read_rows == [(1, ["a", "b", "c"]), (2, ["", "", "x"]), (3, [])]
    assert sheets == ["S1"]


@pytest.mark.parametrize(
    ("clock", "expected"),
    [(0.25, "08-19 23:00"), (7 / 24, "08-20 00:00"), (0.5, "08-20 05:00"), (0.75, "08-20 11:00"),
     (0.0, "08-19 17:00"), (0.99999999, "08-20 17:00")],
)  # fmt: skip
def test_a_date_and_a_time_of_day_in_two_cells(tmp_path: Path, clock: float, expected: str) -> None:
    row = sheet_row(2, number("A2", SERIAL, DATE), number("B2", clock, CLOCK), number("C2", 9.8))
    path = workbook(tmp_path / "t.xlsx", heading_row(1, "Date", "Time", "Level") + row)
    layout = OwnLayout("013901", "Date+Time", "Level", "m", zone="+07:00")
    assert values(gauge_files.read(path, layout)) == [["013901", f"2026-{expected}", 9.8]]


def test_a_time_of_day_that_may_be_a_part_of_a_day_is_refused(tmp_path: Path) -> None:
    row = sheet_row(2, number("A2", SERIAL, DATE), number("B2", 0.25), number("C2", 9.8))
    path = workbook(tmp_path / "t.xlsx", heading_row(1, "Date", "Time", "Level") + row)
    layout = OwnLayout("013901", "Date+Time", "Level", "m", zone="+07:00")
    with pytest.raises(BadGranule, match=r"a time of day like 07:00, found '2026-08-20 0\.25'"):
        gauge_files.read(path, layout)


def test_a_truth_value_is_no_number(tmp_path: Path) -> None:
    rows = heading_row(1, "T", "V") + "".join(
        sheet_row(at, number(f"A{at}", SERIAL + at + 7 / 24, STAMP), cell)
        for at, cell in ((2, number("B2", 9.8)), (3, '<c r="B3" t="b"><v>1</v></c>'))
    )
    frame = gauge_files.read(
        workbook(tmp_path / "b.xlsx", rows), OwnLayout("013901", "T", "V", "m", zone="+07:00")
    )
    assert values(frame) == [["013901", "2026-08-22 00:00", 9.8]]
    assert frame.attrs["bad_rows"] == ["line 3: expected a number, found 'TRUE'"]


def test_a_workbook_of_too_many_sheets(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(spreadsheets, "MOST_SHEETS", 2)
    path = workbook(tmp_path / "m.xlsx", heading_row(1, "T"), others=[heading_row(1, "T")] * 2)
    with pytest.raises(BadGranule, match="expected at most 2 sheets, found 3"):
        read_sheet(path)


def test_an_entity_is_not_expanded(tmp_path: Path) -> None:
    path = workbook(tmp_path / "e.xlsx", heading_row(1, "a", "b"))
    (tmp_path / "secret").write_text("secret", encoding="utf-8")
    with zipfile.ZipFile(path) as archive:
        parts = {name: archive.read(name) for name in archive.namelist()}
    entity = f'<!DOCTYPE w [<!ENTITY e SYSTEM "file://{tmp_path}/secret">'.encode()
    bomb = b'<!ENTITY a "aaaaaaaaaa">' + b"".join(
        b'<!ENTITY %c "%s">' % (98 + at, b"&%c;" % (97 + at) * 10) for at in range(9)
    )
    sheet = parts["xl/worksheets/sheet1.xml"]
    for reference in (b"&e;", b"&j;"):
        changed = sheet.replace(b"<worksheet", entity + bomb + b"]><worksheet")
        parts["xl/worksheets/sheet1.xml"] = changed.replace(
            b"<t>a</t>", b"<t>" + reference + b"</t>"
        )
        with zipfile.ZipFile(path, "w") as archive:
            for name, content in parts.items():
                archive.writestr(name, content)
        try:
            rows, _ = read_sheet(path)
        except BadGranule:
            continue
        assert "secret" not in str(rows)
        assert len(str(rows)) < 1000


@pytest.mark.parametrize(
    "sheet",
    ['<row r="1"><c r="A1" t="s"><v>7</v></c></row>',
     '<row r="1"><c r="A1" t="s"><v>-1</v></c></row>',
     '<row r="1"><c r="A1"><v>abc</v></c></row>', '<row r="x"></row>', "<row"],
)  # fmt: skip
def test_broken_sheets_are_refused(tmp_path: Path, sheet: str) -> None:
    with pytest.raises(BadGranule, match=r"^f\.xlsx: expected a whole sheet"):
        read_sheet(workbook(tmp_path / "f.xlsx", sheet, shared=["<t>a</t>"]))


def test_a_sheet_of_too_many_cells(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(spreadsheets, "MOST_CELLS", 600)
    path = workbook(tmp_path / "g.xlsx", '<row r="1"><c r="ZZ1"/></row>' * 2)
    with pytest.raises(BadGranule, match="more than 600 cells"):
        read_sheet(path)
    monkeypatch.setattr(spreadsheets, "LARGEST", 100)
    with pytest.raises(BadGranule, match="at most 0 MB inside"):
        read_sheet(path)


def test_a_workbook_without_its_parts(tmp_path: Path) -> None:
    path = tmp_path / "h.xlsx"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("xl/workbook.xml", "<workbook/>")
    with pytest.raises(BadGranule, match=r"xl/_rels/workbook\.xml\.rels inside"):
        gauge_files.read(path)
    path = workbook(tmp_path / "i.xlsx", heading_row(1, "a", "b"))
    path.write_bytes(path.read_bytes()[:-40])
    with pytest.raises(BadGranule, match="a whole zip archive"):
        gauge_files.read(path)
    path = workbook(tmp_path / "j.xlsx", heading_row(1, "a", "b"), target="../../../etc/passwd")
    with pytest.raises(BadGranule, match="etc/passwd inside"):
        gauge_files.read(path)

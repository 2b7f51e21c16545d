"""Layouts of tables: headings, columns that change a meaning, titles, and last lines cut short."""

from __future__ import annotations

from pathlib import Path

import pytest

from pipeline.sources.base import BadGranule
from pipeline.sources.formats import tables
from pipeline.sources.gauges import gauge_files
from pipeline.sources.gauges.own_table import OwnLayout
from tests.sources.gauges.table_cases import (
    PLAIN,
    THREE,
    day,
    export,
    plain,
    readings,
    values,
    write,
)
from tests.sources.portal_exports import NAME, REVIEW
from tests.sources.workbooks import (
    SERIAL,
    STAMP,
    heading_row,
    inline,
    number,
    sheet_row,
    workbook,
)


@pytest.mark.parametrize(
    ("heading", "end", "is_kept"),
    [
        (PLAIN, "9.8,m", True),
        (PLAIN, "9.8,", False),
        (PLAIN, "9.8", False),
        (PLAIN + ",version", "9.8,m,fin", True),
        (PLAIN + ",datum", "9.8,m,", False),
        (PLAIN + ",datum", "9.8,m,gauge", True),
        (PLAIN + ",datum", "9.8,m,ga", False),
        (PLAIN + ",quality", "9.8,m,good", True),
        (PLAIN + ",quality", "9.8,m,goo", False),
    ],
)
def test_a_last_line_without_an_end(tmp_path: Path, heading: str, end: str, is_kept: bool) -> None:
    more = {"version": ",final", "datum": ",gauge", "quality": ",good"}.get(
        heading.removeprefix(PLAIN + ","), ""
    )
    content = plain(day(18, 9.1) + more, day(19, 9.4) + more, heading=heading)
    path = write(tmp_path, "cut.csv", content + day(20, 0).removesuffix("0,m") + end)
    frame = gauge_files.read(path)
    assert values(frame) == (THREE if is_kept else dict(list(THREE.items())[:2]))
    assert len(frame.attrs["bad_rows"]) == (0 if is_kept else 1)


def test_a_value_that_ends_the_file_is_not_believed(tmp_path: Path) -> None:
    content = "station,variable,time,unit,value\n013901,stage,2026-08-18T07:00:00+07:00,m,9.1\n"
    path = write(tmp_path, "cut.csv", content + "013901,stage,2026-08-19T07:00:00+07:00,m,1")
    frame = gauge_files.read(path)
    assert values(frame) == {"08-18 00:00": 9.1}, "12.34 cut short is 1"
    assert frame.attrs["bad_rows"] == [
        "line 3: expected a whole last line in a file cut short, found '1'"
    ]


@pytest.mark.parametrize(
    ("before", "last", "is_kept"),
    [(("9.1", "9.4"), "9.8", True), (("9.12", "9.4"), "9.8", False), (("9.1", "9.4"), "9.85", True),
     (("950", "960"), "980", False), (("9.1", "9.4"), "9.", False), (("9.1", "-"), "", False)],
)  # fmt: skip
def test_a_value_that_ends_the_file_is_read_if_it_has_all_decimals(
    tmp_path: Path, before: tuple[str, str], last: str, is_kept: bool
) -> None:
    unit = "m" if "." in before[0] else "cm"
    rows = [
        f"013901,stage,2026-08-{at}T07:00:00+07:00,{unit},{value}"
        for at, value in enumerate((*before, last), 18)
    ]
    content = "\n".join(["station,variable,time,unit,value", *rows])
    frame = gauge_files.read(write(tmp_path, "cut.csv", content))
    assert ("08-20 00:00" in values(frame)) == is_kept
    assert len(frame.attrs["bad_rows"]) == (0 if is_kept else 1)


def test_millimetres_cut_to_metres_are_not_believed(tmp_path: Path) -> None:
    content = plain(day(18, 9100, "mm"), day(19, 9400, "mm"))
    frame = gauge_files.read(write(tmp_path, "cut.csv", content + day(20, 9800, "m")))
    assert values(frame) == {"08-18 00:00": 9.1, "08-19 00:00": 9.4}


def test_an_export_cut_short_keeps_what_is_whole(tmp_path: Path) -> None:
    content = export(("2026-08-18T00:00Z", 9.1), ("2026-08-19T00:00Z", 9.4))
    assert values(gauge_files.read(write(tmp_path, NAME, content[:-1]))) == {
        "08-18 00:00": 9.1, "08-19 00:00": 9.4
    }  # fmt: skip
    for cut in (2, 20, len(REVIEW) + 3, len(REVIEW) + 5, len(REVIEW) + 12):
        frame = gauge_files.read(write(tmp_path, NAME, content[:-cut]))
        assert values(frame) == {"08-18 00:00": 9.1}
        assert len(frame.attrs["bad_rows"]) == 1


def test_columns_that_change_the_meaning(tmp_path: Path) -> None:
    rows = [day(18, 95.59) + ",MSL", day(19, 9.4) + ",gauge", day(20, 9.8) + ","]
    for heading in ("Datum", "DATUM", " datum "):
        frame = gauge_files.read(
            write(tmp_path, "d.csv", plain(*rows, heading=f"{PLAIN},{heading}"))
        )
        assert values(frame) == THREE
    with pytest.raises(BadGranule, match="datum gauge, or msl of a stage, found 'ha tien'"):
        gauge_files.read(
            write(tmp_path, "d.csv", plain(day(18) + ",Ha Tien", heading=PLAIN + ",Datum"))
        )
    for name in ("offset", "Scale factor", "time zone", "Gauge zero", "missing_value"):
        with pytest.raises(BadGranule, match=f"a column called '{tables.normalize_name(name)}'"):
            gauge_files.read(
                write(tmp_path, "o.csv", plain(day(18) + ",2", heading=f"{PLAIN},{name}"))
            )
    frame = gauge_files.read(
        write(tmp_path, "u.csv", plain(day(18) + ",Som", heading=PLAIN + ",Reader"))
    )
    assert frame.attrs["said"] == ["columns that are not used: 'reader'"]
    with pytest.raises(BadGranule, match="one column called value, found several"):
        gauge_files.read(write(tmp_path, "v.csv", plain(day(18) + ",9", heading=PLAIN + ",Value")))


def test_a_missing_column_is_named(tmp_path: Path) -> None:
    content = "station,time,value,unit\n013901,2026-08-18T07:00:00+07:00,9.1,m\n"
    with pytest.raises(BadGranule, match=r"the plain CSV .* found no column called variable"):
        gauge_files.read(write(tmp_path, "short.csv", content))


@pytest.mark.parametrize(
    ("heading", "cell", "message"),
    [
        ("remark", "above sea level", "'above sea level' in the column 'remark'"),
        ("note", "Level in m AMSL", "'Level in m AMSL' in the column 'note'"),
        ("note", "MSL - not gauge zero", "'MSL - not gauge zero' in the column 'note'"),
        ("level m msl", "95.59", "'level m msl' in the column 'level m msl'"),
        ("version", "m above mean sea level", "'m above mean sea level' in the column 'version'"),
        ("หมายเหตุ", "ม.รทก.", "'ม.รทก.' in the column 'หมายเหตุ'"),
    ],
)
def test_a_column_that_speaks_of_another_datum_costs_the_file(
    tmp_path: Path, heading: str, cell: str, message: str
) -> None:
    content = plain(f"{day(18)},{cell}", f"{day(19)},", heading=f"{PLAIN},{heading}")
    path = write(tmp_path, "agency.csv", content)
    with pytest.raises(BadGranule) as refused:
        gauge_files.read(path)
    assert refused.value.found == message
    assert "a column called datum that says msl" in refused.value.expected


@pytest.mark.parametrize("heading", ["remark", "datum", "reference", "zero"])
@pytest.mark.parametrize(
    "cell", ["gauge zero", "Local gauge zero", "zero of gauge", "above the gauge's zero"]
)
def test_a_column_that_says_gauge_zero_is_taken_at_its_word(
    tmp_path: Path, heading: str, cell: str
) -> None:
    content = plain(f"{day(18, 9.1)},{cell}", heading=f"{PLAIN},{heading}")
    assert values(gauge_files.read(write(tmp_path, "agency.csv", content))) == {"08-18 00:00": 9.1}


def test_a_title_or_a_column_of_an_own_table_may_speak_of_another_datum(tmp_path: Path) -> None:
    titled = "Water level in m above MSL\n" + plain(day(18, 95.59))
    with pytest.raises(BadGranule, match="in a line above the heading"):
        gauge_files.read(write(tmp_path, "title.csv", titled))
    station = "Elevation of the station 102 m above sea level\n" + plain(day(18, 9.1))
    assert values(gauge_files.read(write(tmp_path, "a.csv", station))) == {"08-18 00:00": 9.1}
    own = "When,Level (m MSL)\n2026-08-18 07:00,95.59\n"
    layout = OwnLayout("013901", "When", "Level (m MSL)", "m", zone="+07:00")
    with pytest.raises(BadGranule, match=r"in the column 'level \(m msl\)'"):
        gauge_files.read(write(tmp_path, "own.csv", own), layout)


def test_the_only_sheet_with_a_table_is_read(tmp_path: Path) -> None:
    cover = heading_row(1, "Department of Hydrology")
    table = heading_row(1, "T", "V") + sheet_row(
        2, number("A2", SERIAL + 7 / 24, STAMP), number("B2", 9.8)
    )
    layout = OwnLayout("013901", "T", "V", "m", zone="+07:00")
    frame = gauge_files.read(workbook(tmp_path / "c.xlsx", cover, others=[cover, table]), layout)
    assert readings(frame, "station", "valid_time", "value") == [
        ["013901", "2026-08-20 00:00", 9.8]
    ]
    assert "of 3 sheets 'S3' has a table" in frame.attrs["said"]
    message = "found {} of the sheets 'S1', 'S2', 'S3'"
    with pytest.raises(BadGranule, match=message.format("'S2', 'S3'")) as several:
        gauge_files.read(workbook(tmp_path / "c.xlsx", cover, others=[table, table]), layout)
    assert "expected a column of stations where several sheets have a table" in str(several.value)
    with pytest.raises(BadGranule, match=message.format("none")):
        gauge_files.read(workbook(tmp_path / "c.xlsx", cover, others=[cover, cover]), layout)


def test_every_sheet_with_a_table_is_read(tmp_path: Path) -> None:
    """A sheet for each month, the second with another value of the first's last day."""

    def month(*days: tuple[float, str]) -> str:
        rows = (
            sheet_row(at, number(f"A{at}", 13901), number(f"B{at}", SERIAL + day, STAMP), cell)
            for at, (day, cell) in enumerate(days, 2)
        )
        return heading_row(1, "Code", "T", "V") + "".join(rows)

    july = month((7 / 24, number("C2", 9.8)), (31 / 24, number("C3", 9.9)))
    august = month((31 / 24, number("C2", 9.7)), (55 / 24, inline("C3", "dry")))
    path = workbook(
        tmp_path / "y.xlsx",
        july,
        others=[heading_row(1, "Notes"), august, heading_row(1, "Code", "T")],
    )
    frame = gauge_files.read(path, OwnLayout("Code", "T", "V", "m", zone="+07:00"))
    assert readings(frame, "station", "valid_time", "value") == [
        ["013901", "2026-08-20 00:00", 9.8], ["013901", "2026-08-21 00:00", 9.9],
        ["013901", "2026-08-21 00:00", 9.7],
    ]  # fmt: skip
    assert frame["qc"].tolist() == ["good", "conflict", "conflict"]
    assert frame["part"].tolist() == ["S1", "S1", "S3"]
    assert frame.attrs["bad_rows"] == ["S3: line 3: expected a number, found 'dry'"]
    assert "of 4 sheets 'S1' and 'S3' have a table" in frame.attrs["said"]
    assert "sheet 'S4' is passed over: it begins with Code, T" in frame.attrs["said"]

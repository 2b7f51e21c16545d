"""Tables of readings: the portal's exports, the plain CSV, and rows of HYMOS."""

from __future__ import annotations

import gzip
import io
import re
import shutil
import zipfile
from pathlib import Path

import pandas as pd
import pytest

from pipeline.sources.base import BadGranule, Skipped
from pipeline.sources.formats import tables, unpacking
from pipeline.sources.gauges import gauge_files, table_rows
from pipeline.sources.gauges.own_table import OwnLayout
from pipeline.sources.gauges.table_rows import VIRTUAL_GRADE
from tests.sources.portal_exports import NAME, REVIEW, make_export, make_row

PLAIN = "station,variable,time,value,unit"
CASES = Path("../shared/cases/gauges")


def write(folder: Path, name: str, content: str | bytes) -> Path:
    path = folder / name
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    return path


def plain(*rows: str, heading: str = PLAIN) -> str:
    return "\n".join([heading, *rows]) + "\n"


def day(number: int, value: object = 9.5, unit: str = "m") -> str:
    return f"013901,stage,2026-08-{number:02d}T07:00:00+07:00,{value},{unit}"


def export(*rows: tuple[str, object]) -> str:
    return make_export(*(make_row(stamp, value) for stamp, value in rows))


def values(frame: pd.DataFrame) -> dict[str, float]:
    """Values by time; for files of one series without conflicts."""
    frame = frame.dropna(subset="value")
    stamps = frame["valid_time"].dt.strftime("%m-%d %H:%M")
    return dict(zip(stamps, frame["value"].round(6).tolist(), strict=True))


def notes(frame: pd.DataFrame) -> tuple[list[str], list[str]]:
    return frame.attrs["bad_rows"], frame.attrs["said"]


THREE = {"08-18 00:00": 9.1, "08-19 00:00": 9.4, "08-20 00:00": 9.8}


@pytest.mark.skipif(not CASES.exists(), reason="the shared cases are not here")
@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("no_last_newline.csv", THREE),
        ("unit_spaces.csv", THREE),
        ("utf16.csv", THREE),
        ("missing_06.csv", {"08-18 00:00": 9.1, "08-20 00:00": 9.8}),
        ("missing_minus999.csv", {"08-18 00:00": 9.1, "08-20 00:00": 9.8}),
        ("header_twice.csv", {"08-18 00:00": 9.1, "08-19 00:00": 9.4}),
        ("header_upper.csv", {"08-18 00:00": 9.1, "08-19 00:00": 9.4}),
        ("quoted_comma.csv", {"08-18 00:00": 9.1, "08-19 00:00": 9.4}),
        ("spaces_after_comma.csv", {"08-18 00:00": 9.1}),
        ("name_for_code.csv", {"08-18 00:00": 9.1}),
        ("country_prefix_code.csv", {"08-18 00:00": 9.1}),
        ("unknown_column_Datum.csv", {"08-20 00:00": 9.09}),
        ("all_after_the_date.csv", {"09-01 00:00": 9.1}),
        ("clock_two_minutes_off.csv",
         {"08-18 00:02": 9.1, "08-19 00:02": 9.4, "08-20 00:02": 9.8}),
    ],
)  # fmt: skip
def test_the_shared_cases(name: str, expected: dict[str, float]) -> None:
    frame = gauge_files.read(CASES / name)
    assert set(frame["station"]) == {"013901"}
    assert set(frame["variable"]) == {"stage"}
    assert set(frame.dropna(subset="value")["qc"]) == {"good"}
    assert values(frame) == expected
    assert frame.attrs["bad_rows"] == []


@pytest.mark.skipif(not CASES.exists(), reason="the shared cases are not here")
def test_the_shared_cases_of_years_and_conflicts(tmp_path: Path) -> None:
    frame = gauge_files.read(CASES / "buddhist_year.csv")
    assert values(frame) == {"08-18 00:00": 7.1, "08-19 00:00": 7.2}
    assert set(frame["valid_time"].dt.year) == {2026}
    assert notes(frame) == ([], ["Buddhist years are taken back by 543: 2569 is 2026"])
    twice = gauge_files.read(CASES / "dup_differ.csv")
    assert twice["value"].tolist() == [9.1, 9.4, 9.6, 9.8]
    assert twice["qc"].tolist() == ["good", "conflict", "conflict", "good"]
    row = (CASES / "portal_row_2569.txt").read_text(encoding="utf-8")
    good = [row.replace("2569-08-19T12", f"2026-08-{at:02d}T00") for at in range(1, 20)]
    appended = write(tmp_path, "export.csv", make_export() + "".join([*good, row]))
    frame = gauge_files.read(appended)
    assert len(frame) == 19
    assert frame.attrs["bad_rows"] == [
        "line 21: expected years of one calendar in the whole file, found '2569-08-19T12:00Z'"
    ]


def test_how_cells_and_lines_may_be_written(tmp_path: Path) -> None:
    rows = [day(18, 9.1), day(19, 9.4), day(20, 9.8)]
    whole = plain(*rows)
    for name, content in {
        "bom.CSV": b"\xef\xbb\xbf" + whole.encode(),
        "utf16be.csv": b"\xfe\xff" + whole.encode("utf-16-be"),
        "utf16le_without_mark.csv": whole.encode("utf-16-le"),
        "utf16be_without_mark.csv": whole.encode("utf-16-be"),
        "cr.txt": whole.replace("\n", "\r").encode(),
        "mixed.txt": whole.replace("\n", "\r", 2).encode(),
        "crlf.txt": whole.replace("\n", "\r\n").encode(),
        "dos_end.csv": whole.encode() + b"\x1a",
        "tabs.tsv": whole.replace(",", "\t").encode(),
        "bars.csv": whole.replace(",", " | ").encode(),
        "semicolons.csv": whole.replace(",", ";").replace(".", ",").encode(),
        "quotes.csv": "\n".join(
            ",".join(f'"{cell}"' for cell in line.split(",")) for line in whole.splitlines()
        ).encode() + b"\n",
        "trailing.csv": whole.replace("\n", ",\n").replace("unit,", "unit").encode(),
        "blank_lines.csv": whole.replace("\n", "\n\n ,,,,\n").encode(),
        "title.csv": b"Ministry of Water Resources\n# made 2026\n\n" + whole.encode(),
        "order.csv": "\n".join(
            ",".join(line.split(",")[::-1]) for line in whole.splitlines()
        ).encode() + b"\n",
        "mid_bom.csv": (plain(*rows[:1]) + "\ufeff" + plain(*rows[1:])).encode(),
        "thai.csv": plain(*[row + ",แม่น้ำโขง" for row in rows], heading=PLAIN + ",version"
                          ).encode("cp874"),
        "western.csv": plain(*[row + ",Paksé" for row in rows], heading=PLAIN + ",version"
                             ).encode("cp1252"),
        "capitals.csv": whole.replace("stage", "Stage").replace(",m\n", ",M\n").encode(),
    }.items():  # fmt: skip
        frame = gauge_files.read(write(tmp_path, name, content))
        assert values(frame) == THREE, name
        assert frame.attrs["bad_rows"] == [], name
    thai = gauge_files.read(tmp_path / "thai.csv")
    assert set(thai["version"]) == {"แม่น้ำโขง"}
    assert thai.attrs["said"] == ["text that is not UTF-8 is read as TIS-620"]
    western = gauge_files.read(tmp_path / "western.csv")
    assert set(western["version"]) == {"Paksé"}
    title = gauge_files.read(tmp_path / "title.csv")
    assert title.attrs["said"] == ["lines 1 to 3, above the heading, are passed over"]


def test_a_point_between_semicolons_is_read_as_what_the_file_shows(tmp_path: Path) -> None:
    def table(*levels: str, unit: str = "cm") -> Path:
        rows = [day(18 + at, level, unit) for at, level in enumerate(levels)]
        text = "\n".join(row.replace(",", ";").replace("^", ",") for row in [PLAIN, *rows]) + "\n"
        return write(tmp_path, "agency.csv", text)

    frame = gauge_files.read(table("1.152", "960^5", "1.148"))
    assert values(frame) == {"08-18 00:00": 11.52, "08-19 00:00": 9.605, "08-20 00:00": 11.48}
    frame = gauge_files.read(table("1152", "960.5", "1148"))
    assert values(frame) == {"08-18 00:00": 11.52, "08-19 00:00": 9.605, "08-20 00:00": 11.48}
    with pytest.raises(BadGranule, match=r"semicolons or .* 1\.152 may be 1152; .* --decimal\)"):
        gauge_files.read(table("1.152", "1.160", "1.148"))
    frame = gauge_files.read(table("9.152", "9.160", "9.148", unit="m"))
    assert values(frame) == {"08-18 00:00": 9.152, "08-19 00:00": 9.16, "08-20 00:00": 9.148}
    own = OwnLayout("station", "time", "value", "unit", decimal=",")
    frame = gauge_files.read(table("1.152", "1.160", "1.148"), own)
    assert frame["value"].tolist() == pytest.approx([11.52, 11.6, 11.48])


def test_a_point_among_integers_is_no_decimal_point(tmp_path: Path) -> None:
    rows = [day(1 + at, 960 + at, "cm") for at in range(24)]
    for sign in (",", "\t"):
        content = plain(*rows, day(25, "1.005", "cm")).replace(",", sign)
        frame = gauge_files.read(write(tmp_path, "tabs.txt", content))
        assert frame["value"].tolist() == pytest.approx([9.6 + 0.01 * at for at in range(24)])
        (line,) = notes(frame)[0]
        assert line.startswith("line 26: expected a number beyond doubt (between semicolons or ")
        assert line.endswith("; name the columns and --decimal), found '1.005'")
    own = OwnLayout("station", "time", "value", "unit", decimal=",")
    frame = gauge_files.read(write(tmp_path, "t.csv", plain(*rows, day(25, "1.005", "cm"))), own)
    assert frame["value"].iloc[-1] == 10.05


@pytest.mark.parametrize(
    ("row", "why"),
    [
        (day(19, "high"), "expected a number, found 'high'"),
        (day(19, "1,234"), "expected 5 cells as in the heading, found 6"),
        (
            day(19, '"1,234"'),
            "expected a number beyond doubt (12,000 may be 12 or 12000; name the ",
        ),
        (day(19, "9\x005"), "expected text, found zero bytes"),
        (day(19, '"9.5'), "expected quotes that close, found "),
        (day(19, "9.5 cm"), "expected a number, found '9.5 cm'"),
        (day(19).replace("2026", "2569"), "expected years of one calendar in the whole file"),
        (day(19).replace("+07:00", ""), "expected stamps like 2026-08-20T07:00:00+07:00, found"),
        (day(19).replace("013901", "TH013901"), "did you mean 013901 (Pakse)?"),
        (day(19).replace("stage", "level"), "expected variable stage or discharge or rain"),
        (day(19, 9.5, "ft"), "expected unit m or cm or mm, found 'ft'"),
        (day(19) + ",x", "expected 5 cells as in the heading, found 6"),
        ("Total: 1 row", "expected 5 cells as in the heading, found 1"),
    ],
)
def test_one_bad_cell_costs_its_row(tmp_path: Path, row: str, why: str) -> None:
    frame = gauge_files.read(write(tmp_path, "agency.csv", plain(day(18, 9.1), row, day(20, 9.8))))
    assert values(frame) == {"08-18 00:00": 9.1, "08-20 00:00": 9.8}
    (bad,) = frame.attrs["bad_rows"]
    assert bad.startswith("line 3: ")
    assert why in bad


def test_too_many_bad_rows_cost_the_file(tmp_path: Path) -> None:
    good, bad = [day(1 + at % 28) for at in range(57)], [day(20, "x")]
    frame = gauge_files.read(write(tmp_path, "some.csv", plain(*good, *(bad * 3))))
    assert len(frame.attrs["bad_rows"]) == 3, "3 of 60 are 5 %"
    message = (
        r"many\.csv: expected rows of the plain CSV \(station,variable,time,value,unit\), "
        r"found 4 bad of 61 rows: line 59: expected a number, found 'x'; line 60"
    )
    with pytest.raises(BadGranule, match=message):
        gauge_files.read(write(tmp_path, "many.csv", plain(*good, *(bad * 4))))


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


def test_codes_for_missing(tmp_path: Path) -> None:
    codes = ["-9999", "-999.9", "-999", "-999.00", "-9.99e2", "-99.9", "-99", "-888", "-777", "999",
             "999.9", "9999", "99999", "", "NULL", "NA", "n/a", "nan", "***", "---", "-",
             "M"]  # fmt: skip
    stages = [day(1 + at, code) for at, code in enumerate(["99", "99.9", "888", "8888", "-8888"])]
    assert values(
        gauge_files.read(write(tmp_path, "stages.csv", plain(*stages, day(28, 9.99))))
    ) == {"08-28 00:00": 9.99}
    rows = [day(1 + at, code) for at, code in enumerate(codes)]
    frame = gauge_files.read(write(tmp_path, "codes.csv", plain(*rows, day(28, 9.99))))
    assert values(frame) == {"08-28 00:00": 9.99}
    assert notes(frame) == ([], [])
    rain = [row.replace("stage", "rain").replace(",m", ",mm") for row in rows]
    wet = day(28, 99.9, "mm").replace("stage", "rain")
    assert values(gauge_files.read(write(tmp_path, "r.csv", plain(*rain, wet)))) == {
        "08-28 00:00": 99.9
    }


def test_a_code_that_may_be_a_stage_is_left_to_the_history(tmp_path: Path) -> None:
    rows = [day(1, 950, "cm"), day(2, 999, "cm"), day(3, -99, "cm"), day(4, -9999, "cm")]
    frame = gauge_files.read(write(tmp_path, "cm.csv", plain(*rows)))
    assert values(frame) == {"08-01 00:00": 9.5, "08-02 00:00": 9.99, "08-03 00:00": -0.99}
    assert frame["raw"].tolist() == ["950 cm", "999 cm", "-99 cm", ""]
    assert frame["qc"].tolist() == ["good", "good", "good", "missing"]
    flow = [day(at, q, "m3/s").replace("stage", "discharge") for at, q in ((1, 9999), (2, 9998))]
    frame = gauge_files.read(write(tmp_path, "flow.csv", plain(*flow)))
    assert frame["value"].tolist() == [9999.0, 9998.0]
    remark = "1 of discharge 9999 m3/s at 013901 may stand for missing: the other readings"
    assert frame.attrs["said"][0].startswith(remark)


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


@pytest.mark.parametrize("name", ["quality", "Flag", "STATUS", "qc", "Quality code", "data status"])
def test_what_the_agency_says_of_a_reading_is_used(tmp_path: Path, name: str) -> None:
    words = ["Good", "estimated", "SUSPECT", "missing", "", "E"]
    rows = [f"{day(1 + at, at)},{word}" for at, word in enumerate(words)]
    frame = gauge_files.read(write(tmp_path, "q.csv", plain(*rows, heading=f"{PLAIN},{name}")))
    assert frame.dropna(subset="value")[["value", "qc"]].to_numpy().tolist() == [
        [0.0, "good"], [1.0, "estimated"], [2.0, "suspect"], [4.0, "good"], [5.0, "estimated"]
    ]  # fmt: skip
    assert frame["qc"].tolist().count("missing") == 1
    with pytest.raises(BadGranule, match=r"good, estimated or suspect in the column .*'B7'"):
        gauge_files.read(write(tmp_path, "q.csv", plain(day(1) + ",B7", heading=f"{PLAIN},{name}")))


def test_a_missing_column_is_named(tmp_path: Path) -> None:
    content = "station,time,value,unit\n013901,2026-08-18T07:00:00+07:00,9.1,m\n"
    with pytest.raises(BadGranule, match=r"the plain CSV .* found no column called variable"):
        gauge_files.read(write(tmp_path, "short.csv", content))


def test_resolved_and_new_stations_are_said_once(tmp_path: Path) -> None:
    codes = ["13901", "13901.0", "pakse", "LA013901", "999999"]
    rows = [day(at, 9.0 + at).replace("013901", code) for at, code in enumerate(codes, 1)]
    frame = gauge_files.read(write(tmp_path, "codes.csv", plain(*rows, *rows)))
    assert frame["station"].tolist() == ["013901"] * 4 + ["999999"]
    assert frame.attrs["said"] == [
        "13901 is read as 013901 (Pakse)", "13901.0 is read as 013901 (Pakse)",
        "pakse is read as 013901 (Pakse)", "LA013901 is read as 013901 (Pakse)",
        "station 999999 is new: the table of stations has none",
    ]  # fmt: skip


def test_rows_of_a_code_that_is_nearly_a_gauges_are_not_kept(tmp_path: Path) -> None:
    rows = [day(at, 9.1) for at in range(1, 22)]
    rows[4] = rows[4].replace("013901", "O13901")
    rows[5] = rows[5].replace("013901", "1.3901E4")
    frame = gauge_files.read(write(tmp_path, "codes.csv", plain(*rows)))
    assert frame["station"].tolist() == ["013901"] * 20
    (line,) = notes(frame)[0]
    assert line.endswith("found 'O13901'; did you mean 013901 (Pakse)?")


def test_an_export_that_a_spreadsheet_saved_again(tmp_path: Path) -> None:
    content = export(("2026-08-18T00:00Z", 9.1)).replace("013901", "13901")
    for changed in (content, content.replace(",", ";"), content.replace(",", "\t")):
        frame = gauge_files.read(write(tmp_path, NAME, changed))
        assert frame["station"].tolist() == ["013901"]
        assert frame.attrs["said"] == ["13901 is read as 013901 (Pakse)"]


def test_a_few_rows_of_another_station_are_bad_and_many_are_another_file(tmp_path: Path) -> None:
    rows = [(f"2026-07-{at:02d}T00:00Z", 9.0) for at in range(1, 31)]
    content = export(*rows)
    changed = content.replace(
        "013901,Water Level,Manual,2026-07-09", "014901,Water Level,Manual,2026-07-09"
    )
    frame = gauge_files.read(write(tmp_path, NAME, changed))
    assert len(frame) == 29
    assert frame.attrs["bad_rows"] == [
        "line 10: expected station code 013901 as in the other rows, found '014901'"
    ]


def portal_shift(tmp_path: Path) -> pd.DataFrame:
    early = pd.date_range("2021-02-20T17:00", "2021-02-28T05:00", freq="12h")
    right = pd.date_range("2021-03-01T00:00", "2021-03-05T12:00", freq="12h")
    rows = [(f"{at:%Y-%m-%dT%H:%MZ}", 5 + number / 100)
            for number, at in enumerate([*early, *right])]  # fmt: skip
    return gauge_files.read(write(tmp_path, NAME, export(*rows)))


def test_the_portal_shift_is_taken_back_and_said_once(tmp_path: Path) -> None:
    frame = portal_shift(tmp_path)
    expected = [*pd.date_range("2021-02-21", "2021-02-28T12:00", freq="12h"),
                *pd.date_range("2021-03-01", "2021-03-05T12:00", freq="12h")]  # fmt: skip
    assert frame["valid_time"].tolist() == expected
    assert frame["value"].tolist() == [5 + number / 100 for number in range(len(expected))]
    assert frame["qc"].tolist() == ["shifted"] * 16 + ["good"] * 10
    (remark,) = frame.attrs["said"]
    assert remark == (
        "16 manual readings of 2021-02-21 to 2021-02-28 that are stamped at local midnight and "
        "noon are moved by 7 h to the observer's 07:00 and 19:00"
    )


def test_telemetry_at_midnight_is_not_shifted(tmp_path: Path) -> None:
    rows = [(f"2026-08-{at:02d}T17:00Z", 9.0) for at in range(1, 9)]
    content = export(*rows).replace("Manual", "Telemetry")
    frame = gauge_files.read(write(tmp_path, NAME.replace("Manual", "Telemetry"), content))
    assert set(frame["qc"]) == {"good"}
    assert set(frame["valid_time"].dt.hour) == {17}


def test_hymos_variants(tmp_path: Path) -> None:
    stamp = "2024-08-01T07:00:00+07:00"
    for number, line in enumerate([
        f"LA,13901,HH,A,{stamp},6.4,m     , O", f"LA;13901;HH;A;{stamp};6,4;m;O",
        f'"LA","013901","HH","A","{stamp}","6.4","m","O"', f"la, 13901, hh, a, {stamp}, 6.4, M, O",
        f"LA,13901.0,HH,A,{stamp},6.4,m", f"LA,13901,HH,A,{stamp.replace('2024', '2567')},640,cm,O",
        f"LA\t13901\tHH\tA\t{stamp}\t6.4\tm\tO",
    ]):  # fmt: skip
        frame = gauge_files.read(write(tmp_path, f"{number}.csv", line + "\n"))
        row = frame.iloc[0]
        assert (row["station"], row["method"], row["value"]) == ("013901", "telemetry", 6.4), line
        assert row["valid_time"] == pd.Timestamp("2024-08-01 00:00"), line
    codes = "".join(
        f"LA,13901,HH,M,2024-08-{at:02d}T07:00:00+07:00,{code},m,O\n"
        for at, code in enumerate(["-9999", "-999.9", "---", "6.5"], 1)
    )
    assert values(gauge_files.read(write(tmp_path, "codes.csv", codes))) == {"08-04 00:00": 6.5}


def test_flags_of_hymos_are_used(tmp_path: Path) -> None:
    def row(at: int, flag: str) -> str:
        return f"LA,13901,HH,M,2024-08-{at:02d}T07:00:00+07:00,{at},m,{flag}\n"

    flags = ["O", "E", "S", "BAD", ""]
    content = "".join(row(at, flag) for at, flag in enumerate(flags, 1))
    frame = gauge_files.read(write(tmp_path, "flags.csv", content))
    assert frame["qc"].tolist() == ["good", "estimated", "suspect", "suspect", "good"]
    with pytest.raises(BadGranule, match="suspect in the column flag, found '9'"):
        gauge_files.read(write(tmp_path, "flags.csv", content + row(6, "9")))


def test_parameters_of_hymos_that_are_not_observed_rain_or_discharge(tmp_path: Path) -> None:
    def rows(parameter: str, unit: str) -> str:
        return "".join(
            f"LA,13901,{parameter},M,2024-08-{at:02d}T07:00:00+07:00,5,{unit},O\n" for at in (1, 2)
        )

    for parameter, unit in (("EV", "mm"), ("QF", "m3/s")):
        path = write(tmp_path, "h.csv", rows(parameter, unit))
        with pytest.raises(Skipped, match=f"2 rows of parameter '{parameter}' are not used"):
            gauge_files.read(path)
    frame = gauge_files.read(write(tmp_path, "h.csv", rows("HH", "m") + rows("EV", "mm")))
    assert frame["variable"].tolist() == ["stage", "stage"]
    assert frame.attrs["said"] == ["2 rows of parameter 'EV' are not used"]
    frame = gauge_files.read(write(tmp_path, "h.csv", rows("QQ", "m3/s")))
    assert frame["variable"].tolist() == ["discharge", "discharge"]


def test_compressed_files(tmp_path: Path) -> None:
    content = plain(day(18, 9.1), day(19, 9.4), day(20, 9.8)).encode()
    packed = write(tmp_path, "agency.csv.gz", gzip.compress(content))
    assert values(gauge_files.read(packed)) == THREE
    with pytest.raises(BadGranule, match=r"agency\.csv\.gz: expected a whole gzip file"):
        gauge_files.read(write(tmp_path, "agency.csv.gz", gzip.compress(content)[:-12]))
    with pytest.raises(BadGranule, match=r"^a\.csv\.gz: expected readings inside, found a\.csv: "):
        gauge_files.read(write(tmp_path, "a.csv.gz", gzip.compress(b"hello\n")))


def test_a_zip_of_exports(tmp_path: Path) -> None:
    path, inner = tmp_path / "portal.zip", io.BytesIO()
    with zipfile.ZipFile(inner, "w") as archive:
        archive.writestr("agency.csv", plain(day(18, 9.1)))
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr(
            f"exports/{NAME}", export(("2026-08-18T00:00Z", 9.1), ("2026-08-19T00:00Z", "x"))
        )
        archive.writestr("../../agency.csv", plain(day(18, 9.3), day(20, 9.8)))
        archive.writestr("/etc/bad.csv", "hello\n")
        archive.writestr(NAME.replace(".csv", "__metadata.txt"), "# generated for this test\n")
        archive.writestr("more.csv.gz", gzip.compress(plain(day(21, 9.9)).encode()))
        archive.writestr("Thumbs.db", b"\xd0\xcf\x11\xe0")
        archive.writestr("inner.zip", inner.getvalue())
        archive.writestr("__MACOSX/._x.csv", "\0\1")
        archive.writestr("folder/", "")
    before = sorted(tmp_path.rglob("*"))
    frame = gauge_files.read(path)
    assert frame[["value", "qc"]].to_numpy().tolist() == [
        [9.1, "conflict"], [9.3, "conflict"], [9.8, "good"], [9.9, "good"]
    ]  # fmt: skip
    assert frame["part"].tolist() == [NAME, "agency.csv", "agency.csv", "more.csv.gz"]
    bad, remarks = notes(frame)
    assert bad[2] == "inner.zip: expected a file of readings, found an archive in the archive"
    assert any(line.startswith("Thumbs.db: not a file of readings (.csv, ") for line in remarks)
    assert bad[0] == f"{NAME}: line 3: expected a number, found 'x'"
    assert bad[1].startswith("bad.csv: expected the header Country Code")
    assert any(
        "__metadata.txt: the description of an export is not used" in line for line in remarks
    )
    assert sorted(tmp_path.rglob("*")) == before, "nothing is left beside the archive"
    assert not Path("/etc/bad.csv").exists()


def test_zip_archives_that_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "x.zip"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("a.csv", b"0" * 2_000_000)
    monkeypatch.setattr(unpacking, "UNPACKED", 1_000_000)
    with pytest.raises(BadGranule, match=r"^x\.zip: expected at most 0 MB unpacked, found more"):
        gauge_files.read(path)
    bomb = write(tmp_path, "b.csv.gz", gzip.compress(b"0" * 2_000_000))
    with pytest.raises(
        BadGranule, match=r"^b\.csv\.gz: expected at most 0 MB unpacked, found more"
    ):
        gauge_files.read(bomb)
    monkeypatch.setattr(unpacking, "MEMBERS", 0)
    with pytest.raises(BadGranule, match="at most 0 files inside, found 1"):
        gauge_files.read(path)
    shutil.copy(path, tmp_path / "cut.zip")
    (tmp_path / "cut.zip").write_bytes(path.read_bytes()[:-30])
    with pytest.raises(BadGranule, match="a whole zip archive"):
        gauge_files.read(tmp_path / "cut.zip")
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("x__metadata.txt", "# generated for this test\n")
    with pytest.raises(BadGranule, match="at most 0 files"):
        gauge_files.read(path)
    monkeypatch.setattr(unpacking, "MEMBERS", 10)
    with pytest.raises(Skipped, match="the description of an export is not used"):
        gauge_files.read(path)


def test_an_archive_that_ends_within_an_archive_in_it_is_refused(tmp_path: Path) -> None:
    """The list of files that is found at the end is that of the last member."""
    inner = io.BytesIO()
    with zipfile.ZipFile(inner, "w") as archive:
        archive.writestr("a.csv", plain(day(18, 9.1)))
    path = tmp_path / "all.zip"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("b.csv", plain(day(19, 9.2)))
        archive.writestr("inner.zip", inner.getvalue())
    whole = path.read_bytes()
    path.write_bytes(whole[: whole.rindex(inner.getvalue()) + len(inner.getvalue())])
    with pytest.raises(BadGranule, match="a whole zip archive, found its list of files leaves"):
        gauge_files.read(path)


def test_measured_and_virtual_readings_of_one_archive(tmp_path: Path) -> None:
    measured = export(("2026-08-18T00:00Z", 9.1))
    path = tmp_path / "mixed.zip"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr(NAME, measured)
        archive.writestr("v/" + NAME, measured.replace("Unverified data", f'"{VIRTUAL_GRADE}"'))
    with pytest.raises(BadGranule, match="files of one origin, found measured and virtual"):
        gauge_files.read(path)


def test_an_old_workbook_and_what_is_no_table(tmp_path: Path) -> None:
    with pytest.raises(BadGranule, match=r"a workbook saved as \.xlsx, or CSV, found an old \.xls"):
        gauge_files.read(
            write(tmp_path, "old.xls", b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + b"\0" * 600)
        )
    for content in (b"%PDF-1.7\n", b"\0" * 5000, b"\x89PNG\r\n\x1a\n", b"a,b\n1,2\n", b"\n\n\n"):
        with pytest.raises(BadGranule, match="another format of readings"):
            gauge_files.read(write(tmp_path, "x.csv", content))


def test_text_beyond_the_limit(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tables, "LARGEST", 10)
    with pytest.raises(BadGranule, match="at most 0 MB of text"):
        gauge_files.read(write(tmp_path, "x.csv", plain(day(18))))


def test_a_file_of_too_many_stations(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(table_rows, "MOST_STATIONS", 2)
    rows = [day(18).replace("013901", f"S-{number}00") for number in range(3)]
    with pytest.raises(BadGranule, match="at most 2 stations, found 3"):
        gauge_files.read(write(tmp_path, "x.csv", plain(*rows)))


def test_long_lines_and_many_lines(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    frame = gauge_files.read(write(tmp_path, "x.csv", plain(day(18), "," * 30_000, day(19))))
    assert frame.attrs["bad_rows"] == ["line 3: expected at most 20000 characters, found 30000"]
    monkeypatch.setattr(tables, "MOST_LINES", 2)
    with pytest.raises(BadGranule, match="at most 2 lines, found more"):
        gauge_files.read(tmp_path / "x.csv")


THAI = """กรมชลประทาน;;;
รหัส;วันที่;เวลา;ระดับน้ำ
13901;20/08/2569;07:00;9,80
13901;19/08/2569;07:00;9,40
13901;1/08/2569;07:00;-
"""


def test_a_ministrys_own_table(tmp_path: Path) -> None:
    layout = OwnLayout("รหัส", "วันที่+เวลา", "ระดับน้ำ", "m", zone="Asia/Bangkok")
    path = write(tmp_path, "rid.csv", THAI.encode("cp874"))
    frame = gauge_files.read(path, layout)
    assert values(frame) == {"08-19 00:00": 9.4, "08-20 00:00": 9.8}
    assert set(frame["valid_time"].dt.year) == {2026}
    assert set(frame["station"]) == {"013901"}
    with pytest.raises(BadGranule, match="another format of readings"):
        gauge_files.read(path)
    plain_frame = gauge_files.read(write(tmp_path, "agency.csv", plain(day(18, 9.1))), layout)
    assert values(plain_frame) == {"08-18 00:00": 9.1}, "a known layout beside it is read as ever"


def test_constants_decimal_sign_and_zone_of_an_own_table(tmp_path: Path) -> None:
    content = 'When,Level,Remark\n2026-08-18 07:00,"9.100,5",x\n2026-08-19 07:00,"9.412",y\n'
    layout = OwnLayout("Pakse", "when", "LEVEL", "mm", zone="+06:30", decimal=",")
    frame = gauge_files.read(write(tmp_path, "own.csv", content), layout)
    assert values(frame) == {"08-18 00:30": 9.1005, "08-19 00:30": 9.412}
    assert frame.attrs["said"] == [
        "columns that are not used: 'remark'", "Pakse is read as 013901 (Pakse)"
    ]  # fmt: skip
    with pytest.raises(BadGranule, match="columns called moment, level, found a file"):
        gauge_files.read(tmp_path / "own.csv", OwnLayout("Pakse", "moment", "level", "m"))
    for bad in ({"zone": "ICT"}, {"decimal": ";"}, {"unit": " "}):
        with pytest.raises(ValueError, match="expected"):
            OwnLayout(**({"station": "a", "time": "b", "value": "c", "unit": "m"} | bad))


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


def test_a_datum_above_the_sea_is_restated_however_it_is_spelled(tmp_path: Path) -> None:
    for cell in ("msl", "AMSL", "above mean sea level", "m above sea level"):
        content = plain(f"{day(18, 95.59)},{cell},{cell}", heading=f"{PLAIN},datum,remark")
        frame = gauge_files.read(write(tmp_path, "agency.csv", content))
        assert frame["value"].tolist() == pytest.approx([9.1]), cell


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


def test_quality_and_datum_of_an_own_table_are_used(tmp_path: Path) -> None:
    content = "When,Level,Status,Datum\n2026-08-18 07:00,95.59,bad,MSL\n2026-08-19 07:00,9.4,ok,\n"
    layout = OwnLayout("013901", "When", "Level", "m", zone="+7")
    frame = gauge_files.read(write(tmp_path, "own.csv", content), layout)
    assert frame["value"].round(6).tolist() == [9.1, 9.4]
    assert frame["qc"].tolist() == ["suspect", "good"]
    with pytest.raises(BadGranule, match="a column called 'offset'"):
        gauge_files.read(write(tmp_path, "own.csv", content.replace("Status", "Offset")), layout)


def test_rain_and_discharge_of_an_own_table(tmp_path: Path) -> None:
    content = "t,v\n2026-08-18T00:00Z,12.5\n"
    for unit, variable in (
        ("m3/s", "discharge"),
        ("cumec", "discharge"),
        ("m", "stage"),
    ):
        frame = gauge_files.read(
            write(tmp_path, "o.csv", content), OwnLayout("013901", "t", "v", unit)
        )
        assert frame["variable"].tolist() == [variable]
    with pytest.raises(BadGranule, match="says rain or level, for mm may be of either"):
        gauge_files.read(tmp_path / "o.csv", OwnLayout("013901", "t", "v", "mm"))


@pytest.mark.parametrize(
    ("heading", "unit", "message"),
    [
        ("Level (ft)", "m", "expected unit ft as the column 'level (ft)' says, found 'm'"),
        ("Level (cm)", "m", "expected unit cm as the column 'level (cm)' says, found 'm'"),
        ("WL_cm", "m", "expected unit cm as the column 'wl cm' says, found 'm'"),
        ("ระดับน้ำ [ซม.]", "m", "expected unit cm as the column"),
        ("Rainfall", "m", "expected a unit of rain as in the column 'rainfall', found 'm'"),
        ("Discharge", "m", "expected a unit of discharge as in the column 'discharge', found 'm'"),
        ("Level", "m3/s", "expected a unit of stage as in the column 'level', found 'm3/s'"),
    ],
)
def test_a_heading_that_contradicts_the_unit_costs_an_own_table(
    tmp_path: Path, heading: str, unit: str, message: str
) -> None:
    path = write(tmp_path, "own.csv", f"t,{heading}\n2026-08-18T00:00Z,9.5\n")
    with pytest.raises(BadGranule, match=re.escape(message)):
        gauge_files.read(path, OwnLayout("013901", "t", heading, unit))


@pytest.mark.parametrize(
    ("heading", "unit", "value", "expected"),
    [
        ("WL", "mm", 9310, ("stage", 9.31)),
        ("Rainfall", "cm", 3, ("rain", 30.0)),
        ("Level (cm)", "cm", 931, ("stage", 9.31)),
        ("Level (m above gauge zero)", "เมตร", 9.31, ("stage", 9.31)),
        ("v", "ｍ", 9.31, ("stage", 9.31)),
        ("v", "m (gauge)", 9.31, ("stage", 9.31)),
    ],
)
def test_the_kind_of_an_own_table_is_what_its_column_is_called(
    tmp_path: Path, heading: str, unit: str, value: float, expected: tuple[str, float]
) -> None:
    path = write(tmp_path, "own.csv", f"t,{heading}\n2026-08-18T00:00Z,{value}\n")
    frame = gauge_files.read(path, OwnLayout("013901", "t", heading, unit)).iloc[0]
    assert (frame["variable"], frame["value"]) == expected


def test_a_forecast_is_no_column_of_observed_values(tmp_path: Path) -> None:
    path = write(tmp_path, "own.csv", "t,Forecast Level\n2026-08-18T00:00Z,9.5\n")
    with pytest.raises(Skipped, match="'forecast level' is not used: a forecast"):
        gauge_files.read(path, OwnLayout("013901", "t", "Forecast Level", "m"))


@pytest.mark.parametrize("again", ["Time,Level (ft)", "Time,Rainfall", "Date,Stage", "Level,Time"])
def test_another_heading_among_the_rows_costs_the_file(tmp_path: Path, again: str) -> None:
    rows = [f"2026-07-{at:02d} 07:00,9.{at}" for at in range(1, 29)]
    content = "\n".join(["Time,Level", *rows, again, "2026-08-01 07:00,13.5"]) + "\n"
    layout = OwnLayout("013901", "Time", "Level", "m", "+07:00")
    with pytest.raises(BadGranule, match="expected one heading, found another in line 30"):
        gauge_files.read(write(tmp_path, "own.csv", content), layout)
    same = write(tmp_path, "own.csv", content.replace(again, "TIME,level"))
    assert len(gauge_files.read(same, layout)) == 29


def test_columns_exchanged_within_a_plain_table_cost_it(tmp_path: Path) -> None:
    again = "station,variable,time,unit,value"
    path = write(tmp_path, "agency.csv", plain(day(18), again, day(19)))
    with pytest.raises(BadGranule, match="expected one heading, found another in line 3"):
        gauge_files.read(path)


@pytest.mark.parametrize(
    ("name", "word", "flag"),
    [
        ("validated", "no", "suspect"), ("Valid", "N", "suspect"), ("is_valid", "true", "good"),
        ("accepted", "0", "suspect"), ("approval", "rejected", "suspect"),
        ("grade", "bad", "suspect"), ("QA", "fail", "suspect"), ("QA/QC", "pass", "good"),
        ("reliability", "unreliable", "suspect"), ("คุณภาพ", "เสีย", "suspect"),
        ("คุณภาพ", "ดี", "good"), ("source", "MRC", "good"), ("type", "estimated", "estimated"),
        ("approved by", "Som", "good"),
    ],
)  # fmt: skip
def test_columns_that_tell_what_to_believe(tmp_path: Path, name: str, word: str, flag: str) -> None:
    content = plain(f"{day(18)},{word}", heading=f"{PLAIN},{name}")
    assert gauge_files.read(write(tmp_path, "a.csv", content))["qc"].tolist() == [flag]
    own = f"When,Level,{name}\n2026-08-18 07:00,9.5,{word}\n"
    layout = OwnLayout("013901", "When", "Level", "m", zone="+07:00")
    assert gauge_files.read(write(tmp_path, "o.csv", own), layout)["qc"].tolist() == [flag]


@pytest.mark.parametrize(
    ("name", "word", "message"),
    [
        ("validated", "perhaps", "good, estimated or suspect in the column validated.*'perhaps'"),
        ("correction", "-1.2", "a column called 'correction' with '-1.2'"),
        ("Corrected value", "3.1", "a column called 'corrected value' with '3.1'"),
        ("confidence", "low", "a column called 'confidence' with 'low'"),
    ],
)
def test_what_a_column_says_is_used_or_refused(
    tmp_path: Path, name: str, word: str, message: str
) -> None:
    content = plain(f"{day(18)},{word}", heading=f"{PLAIN},{name}")
    with pytest.raises(BadGranule, match=message):
        gauge_files.read(write(tmp_path, "a.csv", content))


@pytest.mark.parametrize(("name", "word"), [("type", "Forecast"), ("Data source", "WRF model")])
def test_rows_that_a_model_made_are_left_out(tmp_path: Path, name: str, word: str) -> None:
    heading = f"{PLAIN},{name}"
    mixed = plain(f"{day(18, 9.1)},gauge", f"{day(19, 12)},{word}", heading=heading)
    frame = gauge_files.read(write(tmp_path, "a.csv", mixed))
    assert values(frame) == {"08-18 00:00": 9.1}
    remark = f"1 rows of {tables.normalize_name(name)} '{word}' are not used"
    assert frame.attrs["said"] == [remark]
    with pytest.raises(Skipped, match=remark):
        gauge_files.read(write(tmp_path, "a.csv", plain(f"{day(19)},{word}", heading=heading)))


@pytest.mark.parametrize(
    ("cells", "flag"),
    [
        (REVIEW, "good"), ("O,Approved,Good data", "good"),
        ("O,Working,Undefined", "good"), ("O,In Review,Fair data", "good"), ("O,,", "good"),
        ("O,Rejected,Unverified data", "suspect"), ("O,Raw,Suspect data", "suspect"),
        ("O,Raw,Poor", "suspect"), ("E,Raw,Unverified data", "estimated"),
    ],
)  # fmt: skip
def test_approval_and_grade_of_the_portal(tmp_path: Path, cells: str, flag: str) -> None:
    content = export(("2026-08-18T00:00Z", 9.1)).replace(REVIEW, cells)
    assert gauge_files.read(write(tmp_path, NAME, content))["qc"].tolist() == [flag]


@pytest.mark.parametrize(
    ("cells", "message"),
    [
        ("M,Raw,Unverified data", "expected O or E, found 'M'"),
        ("O,Raw,Q7", "in the column grade, found 'Q7'"),
        ("O,Limbo,Good data", "in the column approval level, found 'Limbo'"),
    ],
)
def test_what_the_portal_says_and_is_not_known(tmp_path: Path, cells: str, message: str) -> None:
    content = export(("2026-08-18T00:00Z", 9.1)).replace(REVIEW, cells)
    with pytest.raises(BadGranule, match=message):
        gauge_files.read(write(tmp_path, NAME, content))

"""Rows of tables: their stations, numbers, flags and quantities."""

from __future__ import annotations

from pathlib import Path

import pytest

from pipeline.sources.base import BadGranule, Skipped
from pipeline.sources.formats import tables
from pipeline.sources.gauges import gauge_files, table_rows
from pipeline.sources.gauges.own_table import OwnLayout
from tests.sources.gauges.table_cases import PLAIN, day, export, notes, plain, values, write
from tests.sources.portal_exports import NAME, REVIEW


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


def test_a_file_of_too_many_stations(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(table_rows, "MOST_STATIONS", 2)
    rows = [day(18).replace("013901", f"S-{number}00") for number in range(3)]
    with pytest.raises(BadGranule, match="at most 2 stations, found 3"):
        gauge_files.read(write(tmp_path, "x.csv", plain(*rows)))


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

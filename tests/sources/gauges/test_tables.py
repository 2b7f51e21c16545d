"""Tables of readings: the portal's exports, the plain CSV, and rows of HYMOS."""

from __future__ import annotations

import re
from pathlib import Path

import pandas as pd
import pytest

from pipeline.sources.base import (
    BadGranule,
    Skipped,
)
from pipeline.sources.gauges import gauge_files
from tests.sources.gauges.table_cases import (
    PLAIN,
    THREE,
    export,
    notes,
    readings,
    text,
    values,
    write,
    write_export,
)
from tests.sources.portal_exports import NAME, make_export, make_row

CASES = Path("../shared/cases/gauges")


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


def test_the_z_is_right_and_the_header_is_not(tmp_path: Path) -> None:
    path = write_export(
        tmp_path, make_row("2024-08-01T00:00Z", 9.5), make_row("2024-08-01T12:00Z", 9.7)
    )
    frame = gauge_files.read(path)
    assert frame["valid_time"].tolist() == [
        pd.Timestamp("2024-08-01 00:00"), pd.Timestamp("2024-08-01 12:00")
    ]  # fmt: skip
    assert frame["value"].tolist() == [9.5, 9.7]
    assert set(frame["station"]) == {"013901"}
    assert set(frame["variable"]) == {"stage"}
    assert set(frame["unit"]) == {"m"}
    assert set(frame["qc"]) == {"good"}
    assert set(frame["version"]) == {"Manual, Raw - Not Yet Reviewed"}
    assert frame.attrs["origin"] == "measured"


def test_what_is_estimated_is_flagged_and_kept(tmp_path: Path) -> None:
    rows = [make_row("2024-08-01T00:00Z", 6.2), make_row("2024-08-02T00:00Z", 536.0)]
    rows[0] = rows[0].replace(",O,", ",E,")
    frame = gauge_files.read(write_export(tmp_path, *rows))
    assert frame["value"].tolist() == [6.2, 536.0], "what is possible, the checks tell"
    assert frame["qc"].tolist() == ["estimated", "good"]
    assert set(frame["raw"]) == {""}


@pytest.mark.parametrize(
    ("label", "method"),
    [("Manual", "manual"), ("Telemetry", "telemetry"), ("Daily Calculated", "calculated"),
     ("Daily Discharge", "manual")],
)  # fmt: skip
def test_the_label_tells_the_method(tmp_path: Path, label: str, method: str) -> None:
    row = make_row("2024-08-01T00:00Z", 6.2).replace("Manual", label)
    assert set(gauge_files.read(write_export(tmp_path, row))["method"]) == {method}


def test_a_station_that_the_project_does_not_know_is_read(tmp_path: Path) -> None:
    row = make_row("2024-08-01T00:00Z", 4).replace("LA,013901", "TH,999999")
    frame = gauge_files.read(
        write_export(tmp_path, row, name="Water Level.Manual@TH_999999_[Far].csv")
    )
    assert frame["station"].tolist() == ["999999"]


def test_other_parameters_are_skipped_not_failed(tmp_path: Path) -> None:
    row = make_row("2024-08-01T00:00Z", 80, "mg/l").replace("Water Level", "Total Suspended Solids")
    path = write_export(tmp_path, row, name="Total Suspended Solids.Measured@LA_013901_[Pakse].csv")
    with pytest.raises(Skipped, match="Total Suspended Solids is not used"):
        gauge_files.read(path)


def test_malformed_code_without_a_telling_name(tmp_path: Path) -> None:
    row = make_row("2024-08-01T00:00Z", 1).replace("013901", "H_39")
    with pytest.raises(BadGranule, match="a station code of six digits, found 'H_39'"):
        gauge_files.read(write_export(tmp_path, row, name="export.csv"))


def test_hymos_rows(tmp_path: Path) -> None:
    path = text(
        tmp_path, "hymos.csv",
        "LA,12703,HH,M,2024-08-01T07:00:00+07:00,6.4,m     , O",
        "LA,12703,HH,M,2024-08-01T19:00:00+07:00,-9999,m     , O",
        "LA,12703,HH,T,2024-08-01T07:00:00+07:00,6.45,m     , E",
        "CN,92600,HH,M,2024-08-01T07:00:00+08:00,536.2,m     , O",
        "LA,12703,PM,M,2024-08-01T07:00:00+07:00,12.5,mm    , O",
    )  # fmt: skip
    frame = gauge_files.read(path)
    assert readings(frame, "station", "variable", "method", "valid_time", "value", "qc") == [
        ["012703", "rain", "manual", "2024-08-01 00:00", 12.5, "good"],
        ["012703", "stage", "manual", "2024-08-01 00:00", 6.4, "good"],
        ["012703", "stage", "telemetry", "2024-08-01 00:00", 6.45, "estimated"],
        ["092600", "stage", "manual", "2024-07-31 23:00", 536.2, "good"],
    ]
    assert frame.attrs["origin"] == "measured"


def test_plain_csv_of_an_agency(tmp_path: Path) -> None:
    path = text(
        tmp_path, "agency.csv",
        PLAIN + ",method,datum,version",
        "013901,stage,2026-08-20T07:00:00+07:00,950,cm,manual,gauge,a",
        "013901,stage,2026-08-20T00:15:00Z,96.09,m,telemetry,msl,a",
        "012702,stage,2026-08-20T00:00:00Z,148.5,m,telemetry,msl,a",
        "kwater-1001620,rain,2026-08-20T06:30:00+06:30,12.5,mm,telemetry,gauge,a",
        "kwater-1001620,rain,2026-08-20T07:30:00+06:30,,mm,telemetry,gauge,a",
        "013901,discharge,2026-08-20T08:00:00+08:00,21000,m3/s,calculated,gauge,a",
    )  # fmt: skip
    frame = gauge_files.read(path)
    columns = ("station", "variable", "method", "valid_time", "value", "unit", "qc", "raw")
    at = "2026-08-20 00:00"
    assert readings(frame.round({"value": 3}), *columns) == [
        ["012702", "stage", "telemetry", at, 148.5, "m", "absolute", "148.5 m amsl"],
        ["013901", "discharge", "calculated", at, 21000.0, "m3 s-1", "good", ""],
        ["013901", "stage", "manual", at, 9.5, "m", "good", "950 cm"],
        ["013901", "stage", "telemetry", "2026-08-20 00:15", 9.6, "m", "good", "96.09 m amsl"],
        ["kwater-1001620", "rain", "telemetry", at, 12.5, "mm", "good", ""],
    ]
    short = text(tmp_path, "short.csv", PLAIN, "013901,stage,2026-08-20T07:00:00+07:00,9.5,m")
    assert readings(gauge_files.read(short), "method", "value") == [["manual", 9.5]]


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("013901,stage,2026-08-20T07:00:00,9.5,m", "stamps like 2026-08-20T07:00:00.07:00, found"),
        (
            "13910,stage,2026-08-20T00:00:00Z,9.5,m",
            "line 2: expected a station code of six digits, found '13910'; did you mean 013901",
        ),
        ("013901,level,2026-08-20T00:00:00Z,9.5,m", "variable stage or discharge or rain"),
        ("013901,stage,2026-08-20T00:00:00Z,9.5,ft", "unit m or cm or mm, found 'ft'"),
        ("013901,stage,2026-08-20T00:00:00Z,high,m", "a number, found 'high'"),
        ("013901,stage,2026-08-20T00:00:00Z,inf,m", "a number, found 'inf'"),
        ("013901,stage,2026-08-20T00:00:00Z,9.5", "5 cells as in the heading, found 4"),
        ("013901,stage,2026-08-20T00:00:00Z,,m", "at least one reading, found none"),
    ],
)
def test_a_bad_plain_csv_says_what_is_wrong(tmp_path: Path, line: str, message: str) -> None:
    with pytest.raises(BadGranule, match=rf"^agency\.csv: expected .*{message}"):
        gauge_files.read(text(tmp_path, "agency.csv", PLAIN, line))


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("LA,12703,HH,X,2026-08-20T07:00:00+07:00,6.4,m, O", "method M, T or A, found 'X'"),
        ("LA,12703,QQ,M,2026-08-20T07:00:00+07:00,6.4,m, O", "HH in m, rain in mm or m3/s"),
        ("LA,12703,HH,M,2026-08-20T07:00:00,6.4,m, O", "stamps like 2026-08-20T07:00:00.07:00"),
        ("LA,12703,HH,M,2026-08-20T07:00:00+07:00,6.4,m", "8 cells as in the heading, found 7"),
    ],
)
def test_bad_hymos_rows_say_what_is_wrong(tmp_path: Path, line: str, message: str) -> None:
    good = "LA,12703,HH,M,2026-08-21T07:00:00+07:00,6.4,m, O"
    frame = gauge_files.read(text(tmp_path, "hymos.csv", good, line))
    assert readings(frame, "valid_time", "value") == [["2026-08-21 00:00", 6.4]]
    assert len(frame.attrs["bad_rows"]) == 1
    assert re.search(rf"^line 2: expected .*{message}", frame.attrs["bad_rows"][0])
    with pytest.raises(BadGranule, match=rf"rows of HYMOS or FMMP, found 3 bad of 4 .*{message}"):
        gauge_files.read(text(tmp_path, "hymos.csv", good, line, line, line))

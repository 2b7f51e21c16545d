"""Answers of the Korean flood control offices and of WAMIS."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from pipeline.geography.places import stations
from pipeline.sources.base import BadGranule, Skipped
from pipeline.sources.gauges import gauge_files
from pipeline.sources.gauges.series import NoReadings


def write(folder: Path, answer: object, name: str = "answer.json") -> Path:
    path = folder / name
    path.write_text(json.dumps(answer), encoding="utf-8")
    return path


def rows(frame: pd.DataFrame, *columns: str) -> list[list[object]]:
    frame = frame.dropna(subset="value")
    formatted = frame.assign(valid_time=frame["valid_time"].dt.strftime("%Y-%m-%d %H:%M"))
    cells: list[list[object]] = formatted[list(columns)].to_numpy(dtype=object).tolist()
    return cells


def level(stamp: object, wl: object = "3.21", fw: object = " ", code: object = "1018683") -> Any:
    return {"wlobscd": code, "ymdhm": stamp, "wl": wl, "fw": fw}


def test_levels_and_discharges_of_korea(tmp_path: Path) -> None:
    content = [
        level("202608200700", "3.21", "412.0"), level("202608200710", " ", " "),
        level("202608200720", "-0.35", ""), level("202608200700", 1.5, None, code=1018680),
    ]  # fmt: skip
    frame = gauge_files.read(write(tmp_path, {"content": content}))
    assert rows(frame, "station", "variable", "method", "valid_time", "value", "unit") == [
        ["1018680", "stage", "telemetry", "2026-08-19 22:00", 1.5, "m"],
        ["1018683", "discharge", "telemetry", "2026-08-19 22:00", 412.0, "m3 s-1"],
        ["1018683", "stage", "telemetry", "2026-08-19 22:00", 3.21, "m"],
        ["1018683", "stage", "telemetry", "2026-08-19 22:20", -0.35, "m"],
    ]
    assert not set(frame["station"]) & set(stations()), "kept, and nothing is warned of by them"


@pytest.mark.parametrize(
    ("stamp", "expected", "method"),
    [
        ("202608200700", "2026-08-19 22:00", "telemetry"),
        (202608200700, "2026-08-19 22:00", "telemetry"),
        ("202608200000", "2026-08-19 15:00", "telemetry"),
        ("202608192400", "2026-08-19 15:00", "telemetry"),
        ("2026081924", "2026-08-19 15:00", "telemetry"),
        ("2026082000", "2026-08-19 15:00", "telemetry"),
        ("2026082001", "2026-08-19 16:00", "telemetry"),
        ("2026-08-20 07:00", "2026-08-19 22:00", "telemetry"),
        ("20260819", "2026-08-19 15:00", "calculated"),
        ("2026123124", "2026-12-31 15:00", "telemetry"),
    ],
)
def test_korean_stamps(tmp_path: Path, stamp: object, expected: str, method: str) -> None:
    frame = gauge_files.read(write(tmp_path, {"content": [level(stamp)]}))
    assert rows(frame, "valid_time", "method") == [[expected, method]]


@pytest.mark.parametrize(
    "stamp",
    ["2026082025", "202608202401", "202608200760", "20261301", "99991231", "25690820", "soon", "",
     "2026", None, 20, True, ["20260820"]],
)  # fmt: skip
def test_impossible_korean_stamps(tmp_path: Path, stamp: object) -> None:
    with pytest.raises(BadGranule, match="stamp"):
        gauge_files.read(write(tmp_path, {"content": [level(stamp)]}))
    content = [level(f"20260820{hour:02d}00") for hour in range(1, 21)]
    frame = gauge_files.read(write(tmp_path, {"content": [*content, level(stamp)]}))
    assert len(frame) == 20
    assert len(frame.attrs["bad_rows"]) == 1


def test_a_row_without_a_code_costs_itself(tmp_path: Path) -> None:
    rows_ = [level(f"2026082008{at:02d}") for at in range(40)]
    frame = gauge_files.read(
        write(tmp_path, {"content": [level("202608200700", code=None), *rows_]})
    )
    assert len(frame) == 40
    assert frame.attrs["bad_rows"] == ["expected a station's code at '202608200700', found none"]
    with pytest.raises(BadGranule, match="a station's code in its name"):
        gauge_files.read(write(tmp_path, {"content": [level("202608200700", code=None)]}))


def test_rain_of_korea_ends_at_its_stamp(tmp_path: Path) -> None:
    content = [
        {"rfobscd": "10184100", "ymdhm": "202608200710", "rf": "12.5"},
        {"rfobscd": "10184100", "ymdhm": "202608200720", "rf": " "},
    ]
    frame = gauge_files.read(write(tmp_path, {"content": content}))
    assert rows(frame, "station", "variable", "valid_time", "value", "unit") == [
        ["10184100", "rain", "2026-08-19 22:10", 12.5, "mm"]
    ]


def test_hours_of_wamis(tmp_path: Path) -> None:
    answer = {
        "result": {"code": "success", "msg": "OK"},
        "list": [
            {"ymdh": "2026082023", "wl": "3.20"}, {"ymdh": "2026082024", "wl": "3.21"},
            {"ymdh": "2026082101", "wl": " "}, {"ymdh": "2026082102", "wl": "-"},
        ],
    }  # fmt: skip
    frame = gauge_files.read(write(tmp_path, answer, "wl_hrdata_1018683_20260820_20260821.json"))
    assert rows(frame, "station", "variable", "valid_time", "value") == [
        ["1018683", "stage", "2026-08-20 14:00", 3.2],
        ["1018683", "stage", "2026-08-20 15:00", 3.21],
    ]
    rain = {"list": [{"ymdh": "2026082024", "rf": "0.5"}]}
    frame = gauge_files.read(write(tmp_path, rain, "rf_hrdata_20260820_10011100.json"))
    assert rows(frame, "station", "variable", "value") == [["10011100", "rain", 0.5]]


def test_days_of_wamis_are_known_at_their_end(tmp_path: Path) -> None:
    answer = {"list": [{"ymd": "20260820", "wl": "3.2", "fw": "500"}]}
    frame = gauge_files.read(write(tmp_path, answer, "1018683.json"))
    assert rows(frame, "variable", "method", "valid_time", "value") == [
        ["discharge", "calculated", "2026-08-20 15:00", 500.0],
        ["stage", "calculated", "2026-08-20 15:00", 3.2],
    ]
    with_code = {"list": [{"obscd": "1018683", "ymd": "20260820", "wl": "3.2"}]}
    assert rows(gauge_files.read(write(tmp_path, with_code)), "station") == [["1018683"]]


@pytest.mark.parametrize(
    ("answer", "error", "message"),
    [
        ({"content": []}, NoReadings, "found none"),
        ({"content": None}, NoReadings, "found none"),
        ({"content": [level("202608200700", " ")]}, NoReadings, "found none"),
        ({"list": []}, NoReadings, "found none"),
        ({"code": "990", "message": "invalid key"}, BadGranule, "found 'code 990: invalid key'"),
        ({"code": 300, "message": "No data"}, NoReadings, "found 'code 300: No data'"),
        ({"code": "1", "message": "데이터가 없습니다"}, NoReadings, "code 1"),
        ({"code": "1", "message": {}}, BadGranule, "as message"),
        ({"result": {"code": "fail", "msg": "unknown obscd"}, "list": []}, BadGranule,
         "code fail: unknown obscd"),
        ({"content": [{"dmobscd": "1012110", "ymdhm": "202608200700", "swl": "180.2"}]}, Skipped,
         "dmobscd, dams and weirs"),
        ({"content": {"wl": 1}}, BadGranule, "a valid list as content"),
        ({"content": [5]}, BadGranule, r"as content\.0, found 5"),
        ({"content": [level("202608200700", "high")]}, BadGranule,
         r"a number as content\.0\.wl, found 'high'"),
        ({"content": [level("202608200700", True)]}, BadGranule, r"content\.0\.wl, found True"),
        ({"content": [level("202608200700", 1e400)]}, BadGranule, "finite"),
        ({"content": [level("202608200700", code="../x")]}, BadGranule, "station code"),
        ({"list": [{"ymdh": "2026082024", "wl": "3.2"}]}, BadGranule, "a station's code in its"),
    ],
)  # fmt: skip
def test_what_korea_may_say_instead(
    tmp_path: Path, answer: object, error: type[Exception], message: str
) -> None:
    with pytest.raises(error, match=message) as raised:
        gauge_files.read(write(tmp_path, answer))
    assert raised.type is error

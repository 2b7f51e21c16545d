"""Answers of gauge interfaces: their types, and what no answer may do."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from pytest_httpserver import HTTPServer

from pipeline.sources.access.client import Client
from pipeline.sources.base import (
    BadGranule,
    Granule,
)
from pipeline.sources.gauges import gauge_files
from tests.sources import gauge_servers
from tests.sources.gauge_servers import POINTS
from tests.sources.gauges.answer_cases import GRAPH, LIVE_NAME, answer, hours, live, text
from tests.sources.gauges.table_cases import readings

NIGHT = datetime(2026, 8, 20, 0, 30, tzinfo=UTC)


@pytest.fixture
def client(httpserver: HTTPServer) -> Iterator[Client]:
    base = httpserver.url_for("").rstrip("/")
    endpoints = dict.fromkeys(("mrc", "mrc_archive", "thaiwater"), base)
    environment = {"MRC_API_KEY": gauge_servers.KEY}
    with Client(endpoints=endpoints, environment=environment, sleep=lambda _: None) as provider:
        yield provider


def granule(source: str, pattern: str) -> Granule:
    """First granule of a night whose name has a part."""
    granules = gauge_files.granules(source, NIGHT - timedelta(days=31), NIGHT, NIGHT)
    return next(candidate for candidate in granules if pattern in candidate.pattern)


@pytest.mark.parametrize(
    "missing",
    [None, "", " ", "NULL", "NA", "n/a", "nan", "-", "---", "***", "M", -9999, "-999.9", -99, 999,
     "9999", 99999, -888],
)  # fmt: skip
def test_missing_values_are_missing(tmp_path: Path, missing: object) -> None:
    frame = answer(
        tmp_path, LIVE_NAME, live(*hours(2), {"d": "2026-08-19T23:00:00Z", "w": missing})
    )
    assert readings(frame, "value") == [[9.5], [9.5]]
    assert frame.attrs["bad_rows"] == []


def test_numbers_as_text_and_codes_as_numbers(tmp_path: Path) -> None:
    frame = answer(
        tmp_path,
        LIVE_NAME,
        live({"d": "2026-08-19T23:00:00Z", "w": "9.08", "r": "0.2"}, code=902601),
    )
    assert readings(frame, "station", "variable", "value") == [
        ["902601", "rain", 0.2], ["902601", "stage", 9.08]
    ]  # fmt: skip


def test_a_measurement_without_anything_is_no_bad_one(tmp_path: Path) -> None:
    frame = answer(tmp_path, LIVE_NAME, live(*hours(1), {"d": "", "w": None}, {"d": None}))
    assert readings(frame, "value") == [[9.5]]


def test_buddhist_years_of_a_whole_answer_are_taken_back(tmp_path: Path) -> None:
    data = {"graph_data": [{"datetime": "2569-08-20 07:00", "value": 110.2}]}
    frame = answer(tmp_path, GRAPH, {"result": "OK", "data": data})
    assert readings(frame, "valid_time", "value") == [["2026-08-20 00:00", 110.2]]
    assert "Buddhist years are taken back by 543: 2569 is 2026" in frame.attrs["said"]


def test_a_bad_rain_does_not_cost_the_stage(tmp_path: Path) -> None:
    frame = answer(tmp_path, LIVE_NAME, live({"d": "2026-08-19T23:00:00Z", "w": 9.5, "r": {}}))
    assert readings(frame, "variable", "value") == [["stage", 9.5]]
    assert frame.attrs["bad_rows"] == ["expected a number as measurements.0.r, found {}"]
    row = {"wlobscd": "1018683", "ymdhm": "202608200700", "wl": "x", "fw": "412"}
    frame = answer(tmp_path, "answer.json", {"content": [row]})
    assert readings(frame, "variable", "value") == [["discharge", 412.0]]


def test_the_list_of_live_stations(tmp_path: Path) -> None:
    rows = [
        {"stationId": "013901", "waterLevel": 9.1, "lastMeasurement": "2026-08-20T00:15:00Z"},
        {"stationId": "014901", "waterLevel": 17.2, "lastMeasurement": None},
    ]
    frame = gauge_files.read(text(tmp_path, "stations.json", json.dumps(rows)))
    assert readings(frame, "station", "valid_time", "value") == [
        ["013901", "2026-08-20 00:15", 9.1]
    ]
    answer = f"{json.dumps(rows)}\n"
    for content in (answer.encode("utf-16"), answer.encode("utf-16-le"), answer.encode("utf-16-be"),
                    f"\ufeff{answer}".encode("utf-16-be")):  # fmt: skip
        (tmp_path / "utf16.json").write_bytes(content)
        assert gauge_files.read(tmp_path / "utf16.json")["value"].tolist() == [9.1]


@pytest.mark.parametrize(
    ("label", "hours", "flag"), [("Manual", (0, 12), "shifted"), ("Telemetry", (17, 5), "good")]
)
def test_the_portal_shift_of_an_archive_answer(
    tmp_path: Path, label: str, hours: tuple[int, int], flag: str
) -> None:
    points = gauge_servers.points({
        f"2020-08-{day:02d}T{hour}:00:00.0000000+07:00": 9.0 + day / 10
        for day in range(1, 20) for hour in ("00", "12")
    })  # fmt: skip
    name = f"Water Level.{label}@LA_013901_[Pakse].json"
    frame = gauge_files.read(text(tmp_path, name, json.dumps(points)))
    assert frame["valid_time"].dt.hour.tolist()[:2] == list(hours)
    assert frame["value"].tolist()[:2] == [9.1, 9.1]
    assert set(frame["qc"]) == {flag}
    assert [line[:18] for line in frame.attrs["said"]] == ["38 manual readings"] * (
        label == "Manual"
    )


def test_an_archive_answer_under_another_name(tmp_path: Path) -> None:
    with pytest.raises(BadGranule, match=r"a name like Water Level\.Manual"):
        gauge_files.read(text(tmp_path, "data.json", json.dumps(POINTS)))
    empty = "Water Level.Manual@LA_013901_[Pakse].json"
    with pytest.raises(BadGranule, match="at least one reading"):
        gauge_files.read(text(tmp_path, empty, json.dumps(gauge_servers.points({}))))


def test_the_last_levels_of_all_stations_of_thaiwater(tmp_path: Path) -> None:
    def row(number: int, time: str, level: str) -> dict[str, object]:
        return {
            "station": {"id": number}, "waterlevel_datetime": time, "waterlevel_msl": level,
            "discharge": "12.5",
        }  # fmt: skip

    answer = {"waterlevel_data": {"result": "OK", "data": [
        row(2752, "2026-08-20 06:50", "110.25"), row(1, "2026-08-20 06:50", "1.31")]}}  # fmt: skip
    frame = gauge_files.read(text(tmp_path, "waterlevel_load.json", json.dumps(answer)))
    assert readings(frame, "station", "variable", "valid_time", "value") == [
        ["thaiwater-2752", "discharge", "2026-08-19 23:50", 12.5],
        ["thaiwater-2752", "stage", "2026-08-19 23:50", 110.25],
    ]

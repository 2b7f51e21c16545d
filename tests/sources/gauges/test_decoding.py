"""JSON and XML of providers: decoded within bounds, their fields checked, bad points left out."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from pipeline.sources.base import (
    BadGranule,
    Skipped,
)
from pipeline.sources.gauges import gauge_files
from pipeline.sources.gauges.answers import read_json
from tests.sources.gauges.answer_cases import (
    ARCHIVE,
    GRAPH,
    JSON_ANSWERS,
    LIVE_NAME,
    XML_ANSWERS,
    answer,
    hours,
    live,
    text,
)

BAD_MEASUREMENTS = [
    {"d": "2026-08-19T23:00:00Z", "w": "high"},
    {"d": "2026-08-19T23:00:00Z", "w": True},
    {"d": "2026-08-19T23:00:00Z", "w": [1]},
    {"d": "2026-08-19T23:00:00Z", "w": {"value": 1}},
    {"d": "2026-08-19T23:00:00Z", "w": 1e400},
    {"d": "2026-08-19T23:00:00Z", "w": 10**400},
    {"d": "2026-08-19T23:00:00Z", "w": "Infinity"},
    {"d": "2026-08-19T23:00:00Z", "w": "1_000"},
    {"d": "9999-12-31T23:59:59Z", "w": 9.5},
    {"d": "0001-01-01T00:00:00Z", "w": 9.5},
    {"d": "2569-08-19T23:00:00Z", "w": 9.5},
    {"d": "2026-02-30T00:00:00Z", "w": 9.5},
    {"d": "2026-08-19T23:00:00", "w": 9.5},
    {"d": "yesterday", "w": 9.5},
    {"d": "", "w": 9.5},
    {"d": None, "w": 9.5},
    {"d": 1787184000, "w": 9.5},
    {"d": {}, "w": 9.5},
    {"w": 9.5},
    [], 5, None, "text", True,
]  # fmt: skip


@pytest.mark.parametrize("bad", BAD_MEASUREMENTS)
def test_one_bad_measurement_costs_itself(tmp_path: Path, bad: object) -> None:
    frame = answer(tmp_path, LIVE_NAME, live(*hours(20), bad))
    assert len(frame) == 20
    assert set(frame["value"]) == {9.5}
    (bad_row,) = frame.attrs["bad_rows"]
    assert bad_row.startswith("expected ")
    with pytest.raises(BadGranule, match=r"expected .*, found .*3 of 21 points are bad"):
        answer(tmp_path, LIVE_NAME, live(*hours(18), bad, bad, bad))


def test_an_answer_of_bad_measurements_alone_is_refused(tmp_path: Path) -> None:
    for bad in BAD_MEASUREMENTS[:10]:
        with pytest.raises(BadGranule, match=r"expected .*, found "):
            answer(tmp_path, LIVE_NAME, live(bad))


def test_a_field_is_named_by_its_path(tmp_path: Path) -> None:
    frame = answer(
        tmp_path, LIVE_NAME, live(*hours(20), {"d": "2026-08-19T23:00:00Z", "w": "high"})
    )
    assert frame.attrs["bad_rows"] == ["expected a number as measurements.20.w, found 'high'"]
    frame = answer(tmp_path, LIVE_NAME, live(*hours(20), {"w": 1}))
    assert frame.attrs["bad_rows"] == ["expected a field measurements.20.d, found none"]


def test_a_key_that_stands_twice(tmp_path: Path) -> None:
    good = json.dumps(live(*hours(20)))[:-2]
    twice = good + ', {"d": "2026-08-19T23:00:00Z", "w": 9.5, "w": 1.5}]}'
    frame = gauge_files.read(text(tmp_path, LIVE_NAME, twice))
    assert len(frame) == 20
    assert frame.attrs["bad_rows"] == [
        "expected a number as measurements.20.w, found two values for one key"
    ]
    same = good + ', {"d": "2026-08-19T23:00:00Z", "w": 1.5, "w": 1.5}]}'
    assert len(gauge_files.read(text(tmp_path, LIVE_NAME, same))) == 21
    station = '{"station": {"stationId": "013901", "stationId": "014901"}, "measurements": []}'
    with pytest.raises(BadGranule, match=r"a code as station\.stationId, found two values"):
        gauge_files.read(text(tmp_path, LIVE_NAME, station))


@pytest.mark.parametrize("content", JSON_ANSWERS, ids=range(len(JSON_ANSWERS)))
def test_no_json_raises_anything_else(tmp_path: Path, content: str) -> None:
    for name in (LIVE_NAME, ARCHIVE, GRAPH, "answer.json"):
        path = text(tmp_path, name, content)
        for reader in (gauge_files.read, read_json):
            with pytest.raises((BadGranule, Skipped)) as error:
                reader(path)
            str(error.value).encode()
            assert len(str(error.value)) < 1000


@pytest.mark.parametrize("content", XML_ANSWERS, ids=range(len(XML_ANSWERS)))
def test_no_xml_raises_anything_else(tmp_path: Path, content: str) -> None:
    with pytest.raises((BadGranule, Skipped)) as error:
        gauge_files.read(text(tmp_path, "answer.xml", content))
    str(error.value).encode()


def test_a_file_beyond_the_limit_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("pipeline.sources.gauges.decoding.LARGEST", 1 << 20)
    with pytest.raises(BadGranule, match="at most 1 MB, found 2,000,001 bytes"):
        gauge_files.read(text(tmp_path, LIVE_NAME, "[" + " " * 2_000_000))

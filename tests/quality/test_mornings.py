"""Morning and evening stages from readings at any minute, by hand, without look-ahead."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from models.stage.features import build_inputs, fill_stage
from pipeline.issuance.observed import find_daily_changes
from pipeline.issuance.silence import describe_silent_gauges
from pipeline.issuance.snapshot import Snapshot, inputs_as_of, read_stage_inputs
from pipeline.quality import mornings
from pipeline.remarks import list_texts
from pipeline.storage.archive import Archive
from pipeline.storage.records import Records

PAKSE = "013901"


def readings(rows: dict[str, float], method: str = "telemetry") -> pd.DataFrame:
    return pd.DataFrame(
        {
            "station": PAKSE, "variable": "stage", "method": method,
            "valid_time": pd.to_datetime(list(rows)).astype("datetime64[ns]"),
            "value": list(rows.values()), "unit": "m", "raw": "", "qc": "good",
        }
    )  # fmt: skip


def at(day: int, hour: int = 0, minute: int = 30) -> datetime:
    return datetime(2026, 8, day, hour, minute, tzinfo=UTC)


@pytest.mark.parametrize(
    ("rows", "morning"),
    [
        ({"2026-08-20T00:02": 9.0}, 9.0),
        ({"2026-08-19T22:31": 9.0}, 9.0),
        ({"2026-08-19T22:29": 9.0}, np.nan),
        ({"2026-08-20T01:30": 9.0}, 9.0),
        ({"2026-08-20T01:31": 9.0}, np.nan),
        ({"2026-08-19T23:20": 8.0, "2026-08-20T00:20": 9.0}, 9.0),
        ({"2026-08-19T23:50": 8.0, "2026-08-20T00:10": 9.0}, 8.0),  # the one known first
        ({"2026-08-19T22:00": 8.0, "2026-08-20T02:00": 9.0}, 8.5),
        ({"2026-08-19T21:00": 8.0, "2026-08-20T03:00": 9.0}, 8.5),
        ({"2026-08-19T20:59": 8.0, "2026-08-20T03:00": 9.0}, np.nan),
        ({"2026-08-19T21:00": 8.0, "2026-08-20T01:40": 9.4}, 8.9),
    ],
)
def test_the_nearest_within_90_minutes_or_a_line_over_6_hours(
    rows: dict[str, float], morning: float
) -> None:
    inputs = build_inputs(stage=readings(rows), asof=at(21))
    assert inputs.stage[PAKSE]["2026-08-20"] == pytest.approx(morning, nan_ok=True)
    later = readings(rows)
    later["valid_time"] += pd.Timedelta(hours=12)
    evening = build_inputs(stage=later, asof=at(22)).evening[PAKSE]
    assert evening["2026-08-21"] == pytest.approx(morning, nan_ok=True)


def test_a_later_reading_is_not_known_yet() -> None:
    """At 00:30 the reading of 00:40 has not come: neither as the nearest nor as a line's end."""
    rows = {"2026-08-19T21:00": 8.0, "2026-08-20T00:40": 9.1}
    then = build_inputs(stage=readings(rows), asof=at(20))
    assert np.isnan(then.stage[PAKSE].iloc[-1])
    level, age = fill_stage(then)
    assert (level[PAKSE].iloc[-1], age[PAKSE].iloc[-1]) == (8.0, 3.0), "the newest, with its age"
    assert build_inputs(stage=readings(rows), asof=at(20, 6)).stage[PAKSE].iloc[-1] == 9.1


def test_fifteen_minutes_from_0702_on_make_mornings_and_a_trend(tmp_path: Path) -> None:
    times = pd.date_range("2026-08-17 00:02", "2026-08-20 00:17", freq="15min")
    rows = dict(zip(times.astype(str), 8.0 + np.arange(len(times)) / 96.0, strict=True))
    store = Records(f"sqlite:///{tmp_path / 'records.db'}")
    with store.ingest("mrc_live", asof=at(20)) as batch:
        batch.add_readings(
            readings(rows), asof=at(20), latency=timedelta(minutes=10), origin="measured"
        )
    view = Snapshot(Archive(tmp_path / "archive"), store, at(20), {}, "")
    stages = read_stage_inputs(view, start=at(17, 0, 0)).stage[PAKSE]
    assert stages.tolist() == [8.0, 9.0, 10.0, 11.0]
    assert find_daily_changes(view)[PAKSE] == pytest.approx(1.0)
    assert not [
        line for line in list_texts(describe_silent_gauges(view).remarks) if "this morning" in line
    ]


def test_a_hindcast_sees_the_morning_as_it_was_known(tmp_path: Path) -> None:
    """An observer who writes at 08:10: his morning is known in the end, not on the morning."""
    rows = {f"2026-08-{day}T01:10": day - 5.0 for day in range(10, 20)}
    store = Records(f"sqlite:///{tmp_path / 'records.db'}")
    for day in range(10, 20):
        with store.ingest("gauges", asof=at(day, 2)) as batch:
            arrived = readings({k: v for k, v in rows.items() if int(k[8:10]) <= day}, "manual")
            batch.add_readings(
                arrived, asof=at(day, 2), latency=timedelta(minutes=20), origin="measured"
            )
    view = Snapshot(Archive(tmp_path / "archive"), store, at(19, 6), {}, "")
    assert read_stage_inputs(view, start=at(10)).stage[PAKSE].tolist() == list(range(5, 15))
    inputs = inputs_as_of(view, start=at(10, 0, 0))(at(15), at(10, 0, 0))
    assert inputs is not None
    assert np.isnan(inputs.stage[PAKSE].iloc[-1])
    level, age = fill_stage(inputs)
    assert (level[PAKSE].iloc[-1], age[PAKSE].iloc[-1]) == pytest.approx((9.0, 24.0 - 7.0 / 6.0))


def test_a_hindcast_of_quarter_hours_needs_no_second_look() -> None:
    time = pd.date_range("2026-08-01", "2026-08-20", freq="15min")
    rows = readings(dict.fromkeys(time.astype(str), 8.0))
    rows = rows.assign(
        available_time=rows["valid_time"] + pd.Timedelta("20min"), settled=rows["valid_time"]
    )
    assert mornings.find_late_mornings(rows, pd.Series(data=True, index=rows.index)).empty


def test_a_gauge_without_readings_has_no_stage() -> None:
    none = mornings.sample(
        np.array([], "datetime64[ns]"), np.array([]), np.array(["2026-08-20"], "datetime64[ns]")
    )
    assert np.isnan(none.value).all()
    assert none.last.tolist() == [-1]


def test_the_row_of_a_sample_is_that_of_the_latest_reading_in_it() -> None:
    time = np.array(["2026-08-19T21:00", "2026-08-20T02:00"], "datetime64[ns]")
    moments = np.array(
        ["2026-08-19T21:30", "2026-08-20T00:00", "2026-08-20T03:30", "2026-08-20T03:31"],
        "datetime64[ns]",
    )
    stages = mornings.sample(time, np.array([8.0, 9.0]), moments)
    assert stages.value.tolist() == pytest.approx([8.0, 8.6, 9.0, np.nan], nan_ok=True)
    assert stages.last.tolist() == [0, 1, 1, -1], "a line is known with its later end"
    assert mornings.find_newest_rows(time, moments).tolist() == [0, 0, 1, 1]
    before = np.array(["2026-08-19T20:59", "2026-08-19T21:00"], "datetime64[ns]")
    assert mornings.find_newest_rows(time, before).tolist() == [-1, 0]


def test_the_table_of_one_reading() -> None:
    """At 23:00Z of the 19th, for issues at 00:30Z: 1 h old on the 20th."""
    dates = pd.DatetimeIndex(["2026-08-19", "2026-08-20", "2026-08-21"])
    tables = mornings.tabulate(
        readings({"2026-08-19T23:00": 8.0}), dates, issued=np.timedelta64(30, "m")
    )
    for table, expected in (
        (tables.morning, [np.nan, 8.0, np.nan]),
        (tables.evening, [np.nan, np.nan, np.nan]),
        (tables.newest, [np.nan, 8.0, 8.0]),
        (tables.newest_age_h, [np.nan, 1.0, 25.0]),
    ):
        assert table[PAKSE].tolist() == pytest.approx(expected, nan_ok=True)
    at_issue = mornings.tabulate(
        readings({"2026-08-20T00:30": 8.0}), dates, issued=np.timedelta64(30, "m")
    )
    assert at_issue.newest_age_h[PAKSE].iloc[1] == -0.5


def late(rows: dict[str, tuple[str, str]], *, used: list[bool] | None = None) -> set[str]:
    """Intervals with another stage, from times of readings to when they came and were settled."""
    known = readings(dict.fromkeys(rows, 8.0))
    for name, at in (("available_time", 0), ("settled", 1)):
        known[name] = pd.to_datetime([times[at] for times in rows.values()]).astype(
            "datetime64[ns]"
        )
    intervals = mornings.find_late_mornings(known, pd.Series(used or [True] * len(rows)))
    return {f"{begin:%dT%H:%M} {end:%dT%H:%M}" for begin, end in intervals.itertuples(index=False)}


@pytest.mark.parametrize(
    ("time", "came", "expected"),
    [
        ("2026-08-20T00:00", "2026-08-20T00:30", set()),
        ("2026-08-20T00:00", "2026-08-20T00:31", {"20T00:30 20T00:31"}),
        ("2026-08-20T00:00", "2026-08-20T05:00", {"20T00:30 20T05:00"}),
        ("2026-08-19T23:00", "2026-08-20T05:00", {"20T00:30 20T05:00"}),
        ("2026-08-19T12:00", "2026-08-20T05:00", {"20T00:30 20T05:00"}),  # the evening before
        ("2026-08-19T20:00", "2026-08-20T05:00", {"20T00:30 20T05:00"}),  # the newest
        ("2026-08-20T04:00", "2026-08-20T05:00", set()),
        ("2026-08-20T04:00", "2026-08-21T05:00", {"21T00:30 21T05:00"}),
        ("2026-08-20T00:00", "2026-08-21T05:00", {"20T00:30 21T05:00", "21T00:30 21T05:00"}),
    ],
)
def test_a_morning_is_late_until_its_reading_came(time: str, came: str, expected: set[str]) -> None:
    assert late({time: (came, time)}) == expected
    assert late({time: (time, came)}) == expected, "or was settled"


def test_a_reading_that_was_withdrawn_was_known_until_then() -> None:
    rows = {
        "2026-08-19T00:00": ("2026-08-19T00:10", "2026-08-19T00:10"),
        "2026-08-20T00:00": ("2026-08-20T00:10", "2026-08-20T06:00"),
    }
    assert late(rows, used=[True, False]) == {"20T00:30 20T06:00"}
    assert late(rows, used=[False, True]) == {"20T00:30 20T06:00"}
    rows["2026-08-20T00:00"] = ("2026-08-20T00:10", "2026-08-20T00:10")
    assert late(rows, used=[True, False]) == set()

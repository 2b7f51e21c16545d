"""Which reading is used of several."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from pipeline.quality import flags as quality_flags
from pipeline.quality.selection import describe_suspects, select_best
from pipeline.remarks import Remark
from pipeline.times import from_utc64
from tests.quality.quality_cases import frame, mornings


def test_precedence_of_methods() -> None:
    time = pd.date_range("2026-07-01", periods=4)
    manual = frame(time, [7.0, 7.1, 70.0, np.nan]).assign(qc=["good", "good", "conflict", "good"])
    sensor = frame(time, [7.3, 7.4, 7.5, 7.6], method="telemetry").iloc[1:]
    best = select_best(quality_flags.flag(pd.concat([sensor, manual])))
    assert best["value"].tolist() == [7.0, 7.1, 7.5, 7.6]
    assert best["method"].tolist() == ["manual", "manual", "telemetry", "telemetry"]


def test_rain_of_one_method_a_day_and_no_sum_over_gaps() -> None:
    time = pd.date_range("2026-07-01 01:00", "2026-07-04", freq="h")
    sensor = frame(time, np.ones(72), variable="rain", method="telemetry").assign(qc="good")
    sensor["value"] += 0.01 * np.arange(72)
    sensor = sensor.drop(index=sensor.index[30:36])
    manual = frame(pd.to_datetime(["2026-07-03"]), [20.0], variable="rain")
    best = select_best(quality_flags.flag(pd.concat([sensor, manual])))
    count = best.groupby(best["valid_time"].dt.ceil("D")).size()
    assert count.tolist() == [24, 1, 24]
    assert best["method"].iloc[24] == "manual"
    alone = select_best(quality_flags.flag(sensor))
    assert set(alone["valid_time"].dt.ceil("D").dt.day) == {2, 4}, "the 3rd lacks six hours"


def test_a_suspect_gauge_is_named() -> None:
    stuck = mornings([4.0, 4.1, *[4.2] * 25])
    flagged = quality_flags.flag(pd.concat([stuck, stuck.assign(station="999999")]))
    (remark,) = describe_suspects(flagged)
    description = "24 of 27 manual readings of stage are suspect and left out (24 stuck)"
    assert remark == Remark(
        code="readings_suspect",
        text=f"gauges: Pakse (013901): {description}",
        station="013901",
        time=from_utc64(stuck["valid_time"].max().to_datetime64()),
    )
    assert describe_suspects(quality_flags.flag(mornings(5.0 + 0.1 * np.arange(9)))) == []


@pytest.mark.parametrize(
    ("count", "bad", "is_named"),
    [(15, 3, True), (16, 3, False), (20, 4, True), (3, 3, True), (2, 2, False), (10, 2, False)],
)
def test_a_gauge_is_named_from_three_suspect_readings_and_a_fifth_of_all(
    count: int, bad: int, *, is_named: bool
) -> None:
    rows = mornings([5.0] * count)
    rows["qc"] = ["spike"] * bad + ["good"] * (count - bad)
    assert bool(describe_suspects(rows)) is is_named
    rows["qc"] = ["code"] * bad + ["good"] * (count - bad)
    assert describe_suspects(rows) == [], "a code is no fault of the gauge"
    rows["value"] = np.nan
    assert describe_suspects(rows.assign(qc="missing")) == []


@pytest.mark.parametrize(
    ("minutes", "count", "is_whole"),
    [(60, 22, True), (60, 21, False), (15, 87, True), (15, 86, False), (12, 108, True)],
)
@pytest.mark.parametrize("is_faulty", [True, False], ids=["faulty", "missing"])
def test_a_sensor_has_a_day_of_rain_from_21_hours_36_minutes_on(
    minutes: int, count: int, is_whole: bool, is_faulty: bool
) -> None:
    """Twelve minutes 108 times are 21.6 h. What is faulty or not there does not count."""
    time = pd.date_range("2026-07-01", "2026-07-03", freq=f"{minutes}min", inclusive="right")
    sensor = frame(time, [1.0] * len(time), variable="rain", method="telemetry").assign(qc="good")
    second = sensor.index[sensor["valid_time"] > "2026-07-02"]
    if is_faulty:
        sensor.loc[second[count:], "qc"] = "range"
    else:
        sensor = sensor.drop(index=second[10 : 10 + len(second) - count])
    days = select_best(sensor)["valid_time"].dt.ceil("D").dt.day
    assert set(days) == ({2, 3} if is_whole else {2})


def test_a_faulty_sum_of_the_observer_gives_way_to_the_sensor() -> None:
    time = pd.date_range("2026-07-01 01:00", "2026-07-02", freq="h")
    sensor = frame(time, np.ones(24), variable="rain", method="telemetry")
    manual = frame(time[-1:], [20.0], variable="rain")
    both = pd.concat([manual, sensor], ignore_index=True)
    assert select_best(both)["method"].tolist() == ["manual"]
    both.loc[0, "qc"] = "range"
    assert select_best(both)["method"].tolist() == ["telemetry"] * 24
    both["qc"] = "range"
    assert select_best(both)["method"].tolist() == ["manual"], "the sensor has no whole day"


def test_a_calculated_stage_stands_between_the_observer_and_the_sensor() -> None:
    time = pd.date_range("2026-07-01", periods=3)
    stages = [
        frame(time, [7.3] * 3, method="telemetry"),
        frame(time[:2], [7.2] * 2, method="calculated"),
        frame(time[:1], [7.1]),
    ]
    assert select_best(pd.concat(stages, ignore_index=True))["value"].tolist() == [7.1, 7.2, 7.3]

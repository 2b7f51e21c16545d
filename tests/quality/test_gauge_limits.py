"""What a gauge has shown before."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from pipeline.quality import flags as quality_flags
from pipeline.quality.gauge_limits import Limits, collect_records
from tests.quality.quality_cases import PAKSE, frame

LIMITS = Limits(
    3650, highest=10.0, lowest=0.0, rise_day=2.0, fall_day=1.0, rise_hour=0.5, fall_hour=0.25
)
"""Ten years: 2 m of room beyond 0-10 m, and changes of one and a half times the fastest."""


def is_outside(
    limits: Limits,
    before: float,
    value: float,
    apart_h: float = 24.0,
    *,
    flood_m: float | None = None,
    tide_m: float = 0.0,
) -> bool:
    steps = (np.array([number]) for number in (before, value, apart_h))
    return bool(limits.outside(*steps, flood_m=flood_m, tide_m=tide_m)[0])


def limits_of(hours: list[float], level: list[float]) -> Limits:
    time = pd.Timestamp("2026-07-01") + pd.to_timedelta(hours, unit="h")
    return collect_records(frame(pd.DatetimeIndex(time), level))[PAKSE].limits()


def test_limits_come_from_what_two_readings_bear_out() -> None:
    days = pd.date_range("2010-01-01", periods=1200)
    level = 5.0 + 2.0 * np.sin(np.arange(1200) / 58.0)
    level[500] += 6.0  # a spike
    level[700:] += np.where(np.arange(500) < 100, 1.0, 0.0)  # a metre in a day, and back
    record = collect_records(frame(days, level))[PAKSE]
    limits = record.limits()
    assert limits.highest == pytest.approx(np.sort(np.delete(level, 500))[-2], abs=0.01)
    assert limits.rise_day == pytest.approx(1.0, abs=0.1)
    assert limits.fall_day == pytest.approx(1.0, abs=0.1)
    before = record.limits(np.datetime64("2011-11-01"))
    assert before.rise_day < 0.05, "what came later was not known then"
    assert before.days == 670
    assert not record.limits(np.datetime64("2010-03-01")).known


def test_the_tide_between_two_readings_is_within_a_record_of_mornings() -> None:
    days = pd.date_range("2020-01-01", periods=800)
    level = 0.3 + 0.2 * np.sin(np.arange(800) / 9.0)
    for station, flag in (("039803", "good"), (PAKSE, "unconfirmed")):
        record = frame(days, level, station=station)
        noon = frame(days[-1:] + pd.Timedelta(hours=12), [level[-1] + 1.1], station=station)
        assert quality_flags.flag(pd.concat([record, noon]))["qc"].iloc[-1] == flag


def test_a_record_has_300_days_and_a_long_one_ten_years() -> None:
    assert not Limits(299).known
    assert Limits(300).known
    assert Limits(3650, highest=12.0, lowest=2.0).room == (2.0, 1.5)
    assert Limits(3649, highest=12.0, lowest=2.0).room == (6.0, 2.0)


@pytest.mark.parametrize(
    ("before", "value", "apart_h", "expected"),
    [
        (10.0, 11.5, 24.0, False),
        (10.0, 11.51, 24.0, True),
        (10.75, 11.75, 24.0, False),  # a metre in a day
        (10.75, 11.76, 24.0, True),
        (10.75, 11.75, 12.0, False),
        (10.75, 11.76, 12.0, True),
        (9.75, 11.75, 48.0, False),
        (9.75, 11.76, 48.0, True),
        (13.0, 11.6, 24.0, False),
    ],
)
def test_without_a_record_it_is_a_metre_in_a_day_to_150_cm_above_flood_stage(
    before: float, value: float, apart_h: float, expected: bool
) -> None:
    short = Limits(299, 4.0, 2.0, 0.1, 0.1)
    assert is_outside(short, before, value, apart_h, flood_m=10.0) is expected
    assert not is_outside(short, before, value, apart_h), "without a flood stage"


@pytest.mark.parametrize(
    ("apart_h", "rise_m", "fall_m"),
    [
        (0.5, 0.75, 0.375),
        (1.0, 0.75, 0.375),
        (12.5, 1.875, 0.9375),  # halfway between an hour and a day
        (24.0, 3.0, 1.5),
        (36.0, 4.5, 2.25),
        (48.0, 6.0, 3.0),
    ],
)
def test_a_change_is_at_most_one_and_a_half_times_the_fastest(
    apart_h: float, rise_m: float, fall_m: float
) -> None:
    assert not is_outside(LIMITS, 1.0, 1.0 + rise_m, apart_h)
    assert is_outside(LIMITS, 1.0, 1.01 + rise_m, apart_h)
    assert not is_outside(LIMITS, 8.0, 8.0 - fall_m, apart_h)
    assert is_outside(LIMITS, 8.0, 7.99 - fall_m, apart_h)


@pytest.mark.parametrize(
    ("before", "value", "apart_h", "expected"),
    [
        (10.5, 12.0, 24.0, False),  # within the room
        (10.5, 12.01, 24.0, True),
        (11.25, 12.25, 24.0, False),  # half of the fastest day
        (11.25, 12.26, 24.0, True),
        (11.25, 12.25, 6.0, False),
        (10.25, 12.25, 48.0, False),
        (10.25, 12.26, 48.0, True),
        (14.0, 13.0, 24.0, False),  # it falls
        (-1.0, -2.0, 24.0, False),
        (-1.0, -2.01, 24.0, True),
        (-1.75, -2.25, 24.0, False),
        (-1.75, -2.26, 24.0, True),
        (-4.0, -3.0, 24.0, False),  # it rises
    ],
)
def test_beyond_the_record_it_rises_at_half_the_fastest(
    before: float, value: float, apart_h: float, expected: bool
) -> None:
    assert is_outside(LIMITS, before, value, apart_h) is expected


def test_30_cm_and_the_tide_are_always_possible() -> None:
    slow = Limits(3650, 10.0, 0.0, 0.1, 0.1, 0.1, 0.1)
    for tide_m, largest_m in ((0.0, 0.3), (0.2, 0.3), (1.5, 1.5)):
        assert not is_outside(slow, 0.0, largest_m, tide_m=tide_m)
        assert is_outside(slow, 0.0, largest_m + 0.01, tide_m=tide_m)
        assert not is_outside(slow, largest_m, 0.0, tide_m=tide_m)
        assert is_outside(slow, largest_m + 0.01, 0.0, tide_m=tide_m)


def test_of_day_and_hour_one_may_be_unknown() -> None:
    daily = Limits(3650, 10.0, 0.0, rise_day=2.0, fall_day=1.0)
    assert not is_outside(daily, 1.0, 4.0, 1.0)
    assert is_outside(daily, 1.0, 4.01, 1.0), "the same as in a day"
    hourly = Limits(3650, 10.0, 0.0, rise_hour=2.0, rise_day=1.0)
    assert not is_outside(hourly, 1.0, 4.0)
    assert is_outside(hourly, 1.0, 4.01), "at least as much in a day as in an hour"


def test_the_range_is_what_two_readings_in_a_row_reached() -> None:
    limits = limits_of([0, 24, 48, 72], [5.0, 7.0, 6.0, 4.0])
    assert (limits.highest, limits.lowest, limits.days) == (6.0, 6.0, 4)
    assert limits_of([0, 24], [5.0, 7.0]).highest == 5.0
    assert limits_of([0, 48], [5.0, 7.0]).highest == 5.0
    assert np.isnan(limits_of([0, 49], [5.0, 7.0]).highest), "too far apart to confirm each other"
    assert np.isnan(limits_of([0], [5.0]).highest)
    assert limits_of([0, 24, 48, 72], [6.0, 6.0, 6.005, 6.005]).highest == 6.005, "to the mm"


def test_zeros_are_no_lowest_level_and_what_cannot_be_a_stage_is_nothing() -> None:
    assert limits_of([0, 24, 48, 72, 96], [1.0, 0.0, 0.0, 1.5, 2.0]).lowest == 2.0
    assert limits_of([0, 24, 48, 72, 96], [1.0, -0.1, -0.1, 1.5, 2.0]).lowest == -0.1
    assert limits_of([0, 24, 48, 72], [60.0, 60.0, 60.1, 60.1]).highest == 60.0
    assert limits_of([0, 24, 48, 72], [-5.0, -5.0, -5.1, -5.1]).lowest == -5.0
    assert limits_of([0, 24, 48, 72], [5.0, 5.0, 77.0, 77.0]).days == 2


@pytest.mark.parametrize(("apart_h", "is_a_day"), [(23.0, True), (25.1, True), (25.3, False)])
def test_the_fastest_day_is_between_two_readings_before_and_two_after(
    apart_h: float, is_a_day: bool
) -> None:
    hours = [0.0, 24.0, 24.0 + apart_h, 48.0 + apart_h]
    rise = limits_of(hours, [1.0, 1.5, 4.5, 4.0])
    assert rise.rise_day == pytest.approx(2.5 if is_a_day else np.nan, nan_ok=True)
    assert np.isnan(rise.fall_day)
    fall = limits_of(hours, [4.0, 4.5, 1.5, 1.0])
    assert fall.fall_day == pytest.approx(2.5 if is_a_day else np.nan, nan_ok=True)
    assert np.isnan(fall.rise_day)


def test_a_change_counts_to_the_mm_and_none_is_no_change() -> None:
    hours = [0.0, 24.0, 48.0, 72.0]
    small = limits_of(hours, [1.0, 1.0, 1.005, 1.005])
    assert small.rise_day == pytest.approx(0.005)
    assert np.isnan(limits_of(hours, [1.0, 1.0, 1.0, 1.0]).rise_day)
    assert np.isnan(limits_of([0.0, 49.0, 73.0, 97.0], [1.0, 1.0, 4.0, 4.0]).rise_day)
    assert np.isnan(limits_of([0.0, 24.0, 48.0, 97.0], [1.0, 1.0, 4.0, 4.0]).rise_day)


@pytest.mark.parametrize(
    ("sizes", "expected"),
    [
        ([0.5, 0.8], np.nan),
        ([0.5, 0.8, 0.6], 0.5),
        ([0.5, 0.8, 0.6, 0.9], 0.6),
        ([0.9, 0.8, 0.6, 0.5], 0.6),
        ([0.004, 0.006, 0.005], 0.004),
        ([0.0, 0.0, 0.0], np.nan),
    ],
)
def test_the_fastest_hour_is_that_of_the_third_fastest_day(
    sizes: list[float], expected: float
) -> None:
    hours = [24.0 * day + hour for day in range(len(sizes)) for hour in (6, 7, 8, 9)]
    level = [stage for size in sizes for stage in (1.0, 1.0, 1.0 + size, 1.0 + size)]
    rise = limits_of(hours, level)
    assert rise.rise_hour == pytest.approx(expected, nan_ok=True)
    assert np.isnan(rise.fall_hour)
    fall = limits_of(hours, [3.0 - stage for stage in level])
    assert fall.fall_hour == pytest.approx(expected, nan_ok=True)
    assert np.isnan(fall.rise_hour)


def test_two_rises_of_a_day_count_once_and_an_hour_has_up_to_63_minutes() -> None:
    hours = [float(hour) for day in (0, 24, 48) for hour in range(day + 6, day + 12)]
    twice = [1.0, 1.0, 1.5, 1.5, 2.0, 2.0]
    assert np.isnan(limits_of(hours[:12], twice * 2).rise_hour), "two days"
    assert limits_of(hours, twice * 3).rise_hour == 0.5
    for minutes, expected in ((62, 0.5), (64, np.nan)):
        hour = minutes / 60.0
        late = [24.0 * day + at for day in range(3) for at in (6.0, 7.0, 7.0 + hour, 8.0 + hour)]
        limits = limits_of(late, [1.0, 1.0, 1.5, 1.5] * 3)
        assert limits.rise_hour == pytest.approx(expected, nan_ok=True)


def test_an_extreme_is_known_when_the_reading_that_confirms_it_came() -> None:
    rows = frame(pd.date_range("2026-07-01", periods=3), [5.0, 7.0, 6.0])
    came = rows["valid_time"] + pd.to_timedelta([2, 30, 1], unit="h")
    record = collect_records(rows.assign(available_time=came))[PAKSE]
    for moment, days, highest in (
        ("2026-07-01T01:59:59", 0, np.nan),
        ("2026-07-01T02:00:00", 1, np.nan),
        ("2026-07-03T01:00:00", 2, np.nan),  # the reading of the 2nd has not come
        ("2026-07-03T05:59:59", 2, np.nan),
        ("2026-07-03T06:00:00", 3, 6.0),
    ):
        limits = record.limits(np.datetime64(moment))
        assert limits.days == days
        assert limits.highest == pytest.approx(highest, nan_ok=True)


def test_methods_confirm_each_other_in_nothing() -> None:
    time = pd.date_range("2026-07-01", periods=2)
    manual, sensor = frame(time, [5.0, 6.0]), frame(time, [9.0, 4.0], method="telemetry")
    limits = collect_records(pd.concat([manual, sensor]))[PAKSE].limits()
    assert (limits.highest, limits.lowest, limits.days) == (5.0, 6.0, 2)

"""Checks on series with faults placed by hand."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.quality import flags as quality_flags
from pipeline.quality.checks import (
    Blocked,
    Check,
    Downpour,
    Hampel,
    Jump,
    Range,
    Rate,
    Spike,
    Stuck,
)
from pipeline.quality.level_shifts import Floats
from pipeline.quality.selection import describe_suspects, select_best
from tests.quality.quality_cases import flags, mornings

DAYS = 24.0 * np.arange(40)
QUARTERS = np.arange(100) / 4.0
JUNE = 24.0 * (31 + 28 + 31 + 30 + 31)
"""1 June 1970, hours since 1970."""


def faulty_rows(check: Check, hours: Floats, value: Floats | list[float]) -> list[int]:
    level = np.asarray(value, "float64")
    return np.flatnonzero(check.check(hours[: len(level)], level)).tolist()


@settings(max_examples=50)
@given(
    steps=st.lists(st.floats(-0.3, 0.3), min_size=10, max_size=60),
    at=st.integers(3, 6),
    height=st.floats(2.0, 5.0),
    sign=st.sampled_from([-1.0, 1.0]),
    shift=st.floats(-3.0, 3.0),
)
def test_a_wrong_digit_is_found_and_nothing_else(
    steps: list[float], at: int, height: float, sign: float, shift: float
) -> None:
    level = 8.0 + shift + np.cumsum(steps) / 3.0
    hours = 24.0 * np.arange(len(level))
    assert not Spike().check(hours, level).any()
    level[at] += sign * height
    assert np.flatnonzero(Spike().check(hours, level)).tolist() == [at]
    moved = Spike().check(hours + 1000.0, level + 100.0)
    assert np.flatnonzero(moved).tolist() == [at], "of time and datum it knows nothing"


def test_an_impossible_change_is_flagged_at_once() -> None:
    level = np.array([5.0, 5.1, 17.0])
    assert Rate().check(DAYS[:3], level).tolist() == [False, False, True]
    level = np.array([5.0, 5.1, 13.0])
    assert not Rate().check(DAYS[:3], level).any(), "a rise of 8 m in a day has been seen"
    assert not Rate().check(np.array([0.0, 1.0, 4.0]), np.array([2.0, 4.0, 10.0])).any()


def test_stuck_and_the_first_of_the_run() -> None:
    level = np.concatenate([[4.0, 4.1], np.full(25, 4.2), [4.3]])
    faulty = Stuck().check(DAYS[:28], level)
    assert np.flatnonzero(faulty).tolist() == list(range(3, 27))
    assert not Stuck().check(DAYS[:28], level + 0.01 * (np.arange(28) % 2)).any()
    assert not Stuck().check(DAYS[:18], level[:18]).any(), "a dry fortnight is not"
    assert not Stuck().check(DAYS[:1], level[:1]).any()


def test_few_and_no_readings() -> None:
    for check in (Spike(), Hampel(), Rate(), Jump(), Stuck(), Blocked()):
        for n in range(4):
            assert check.check(DAYS[:n], np.ones(n)).tolist() == [False] * n
    none = quality_flags.flag(mornings([]))
    assert none.empty
    assert select_best(none).empty
    assert describe_suspects(none) == []
    assert flags([np.nan, 5.0, np.nan]) == ["good"] * 3, "missing is missing, not faulty"


def test_a_reading_at_the_bounds_is_possible() -> None:
    level = [-5.01, -5.0, 60.0, 60.01]
    assert Range(-5.0, 60.0).check(DAYS[:4], np.array(level)).tolist() == [True, False, False, True]


@pytest.mark.parametrize(
    ("apart_h", "largest"), [(0.25, 1.25), (1.0, 3.5), (2.0, 6.5), (4.0, 10.0), (240.0, 10.0)]
)
@pytest.mark.parametrize("sign", [1.0, -1.0], ids=["rise", "fall"])
def test_half_a_metre_and_3_m_an_hour_up_to_10_m_are_possible(
    apart_h: float, largest: float, sign: float
) -> None:
    hours = np.array([0.0, 0.25, 0.25 + apart_h])
    assert faulty_rows(Rate(), hours, [0.0, 0.0, sign * largest]) == []
    assert faulty_rows(Rate(), hours, [0.0, 0.0, sign * (largest + 0.01)]) == [2]


@pytest.mark.parametrize(
    ("before", "after", "step_m", "rows"),
    [
        (7, 7, 0.4, range(7, 14)),
        (7, 7, -0.4, range(7, 14)),
        (7, 7, 0.39, []),
        (6, 8, 0.4, []),  # five changes before
        (8, 6, 0.4, []),  # five changes after
        (6, 6, 0.4, []),
    ],
)
def test_a_jump_is_40_cm_between_six_quiet_changes_on_each_side(
    before: int, after: int, step_m: float, rows: list[int]
) -> None:
    level = np.repeat([0.0, step_m], [before, after])
    assert faulty_rows(Jump(), QUARTERS, level) == list(rows)


@pytest.mark.parametrize(
    ("hours", "is_found"),
    [
        (np.arange(16.0), True),
        (1.05 * np.arange(16.0), False),
        (QUARTERS[:16] + 23.75 * (np.arange(16) > 7), True),  # 24 h from the 8th to the 9th
        (QUARTERS[:16] + 23.8 * (np.arange(16) > 7), False),
    ],
    ids=["hourly", "rarer than hourly", "gap of a day", "longer gap"],
)
def test_a_jump_is_one_of_telemetry(hours: Floats, is_found: bool) -> None:
    # Within six hours of the step: later it has proved real.
    level = np.repeat([0.0, 0.5], [8, 7 if hours[1] == 0.25 else 6])
    assert faulty_rows(Jump(stretch=5), hours, level) == (
        list(range(8, len(level))) if is_found else []
    )


@pytest.mark.parametrize(
    ("wobble_m", "step_h", "is_found"),
    [
        (0.0625, 0.25, True),  # 8 x 0.0625 m in as much time is the step of 0.5 m
        (0.064, 0.25, False),
        (0.0625, 0.125, True),  # a step in less than the usual time counts as in the usual time
        (0.064, 0.125, False),
        (0.015625, 1.0, True),  # in four times as long four times as much
        (0.016, 1.0, False),
    ],
)
@pytest.mark.parametrize("is_before", [True, False])
def test_a_jump_is_8_times_the_largest_change_around_it(
    wobble_m: float, step_h: float, is_found: bool, is_before: bool
) -> None:
    hours = np.concatenate([QUARTERS[:12], QUARTERS[11] + step_h + QUARTERS[:10]])
    level = np.repeat([0.0, 0.5], [12, 10])
    level[9 if is_before else 14] += wobble_m
    assert faulty_rows(Jump(), hours, level) == (list(range(12, 22)) if is_found else [])


@pytest.mark.parametrize(("change_m", "is_found"), [(0.02, True), (0.03, False)])
@pytest.mark.parametrize("row", [10, 12], ids=["before", "after"])
def test_the_changes_right_before_and_after_a_jump_count(
    change_m: float, row: int, *, is_found: bool
) -> None:
    """In half the usual time: 8 x 2 x 0.03 m is more than the step of 0.4 m, 8 x 2 x 0.02 less."""
    hours = QUARTERS[:22] - 0.125 * (np.arange(22) > row)
    level = np.repeat([0.0, 0.4], [12, 10])
    level += change_m * (np.arange(22) > row)
    assert faulty_rows(Jump(), hours, level) == (list(range(12, 22)) if is_found else [])


@pytest.mark.parametrize(("row", "is_found"), [(4, True), (5, False), (18, False), (19, True)])
def test_a_wobble_seven_changes_from_a_jump_is_none_of_it(row: int, is_found: bool) -> None:
    """The step is from row 11 to 12; the changes of row 4 end at row 5, those of 19 begin at 18."""
    level = np.repeat([0.0, 0.5], [12, 10])
    level[row] += 0.1
    assert faulty_rows(Jump(), QUARTERS, level) == (list(range(12, 22)) if is_found else [])


def test_a_step_that_is_undone_four_times_is_a_dam_and_three_times_a_sensor() -> None:
    for count in (3, 4):
        level = np.tile(np.repeat([0.0, 0.5], [8, 8]), count)
        level = np.append(level, np.zeros(8))
        rows = np.flatnonzero(level).tolist() if count == 3 else []
        assert faulty_rows(Jump(), QUARTERS, level) == rows


@pytest.mark.parametrize(
    ("height_m", "is_found"), [(0.8, False), (0.81, True), (-0.5, False), (-0.51, True)]
)
@pytest.mark.parametrize("at", [1, 2, 3, 8])
def test_a_spike_is_80_cm_up_or_50_cm_down(height_m: float, is_found: bool, at: int) -> None:
    level = np.zeros(10)
    level[at] = height_m
    assert faulty_rows(Spike(), DAYS, level) == ([at] if is_found else [])


@pytest.mark.parametrize(
    ("before_h", "after_h", "is_found"),
    [
        (11.0, 11.0, True), (10.9, 24.0, False), (24.0, 10.9, False),
        (50.0, 50.0, True), (50.1, 24.0, False), (24.0, 50.1, False),
    ],
)  # fmt: skip
def test_a_spike_is_one_against_neighbours_of_11_to_50_hours(
    before_h: float, after_h: float, is_found: bool
) -> None:
    hours = np.array([0.0, 24.0, 24.0 + before_h, 24.0 + before_h + after_h])
    hours = np.append(hours, hours[-1] + 24.0)
    assert faulty_rows(Spike(), hours, [0.0, 0.0, 1.0, 0.0, 0.0]) == ([2] if is_found else [])


@pytest.mark.parametrize(
    ("level", "limit_m"),
    [
        ([0.0, 0.25, np.nan, 0.25, 0.25], 1.25),  # a rise of 0.25 m before: 4 x 0.25 m
        ([0.25, 0.25, np.nan, 0.25, 0.0], 1.25),  # a fall after
        ([0.0, 0.0, np.nan, 0.25, 0.25], 1.125),  # across: 1 m above the line at 0.125 m
        ([0.25, 0.25, np.nan, 0.0, 0.0], 1.125),
    ],
    ids=["before", "after", "across a rise", "across a fall"],
)
def test_a_spike_is_four_times_the_changes_beside_it(level: list[float], limit_m: float) -> None:
    for height_m, rows in ((limit_m, []), (limit_m + 0.01, [2])):
        assert faulty_rows(Spike(), DAYS, np.nan_to_num(level, nan=height_m)) == rows


def test_a_spike_is_measured_from_the_line_between_uneven_neighbours() -> None:
    """A third of the time from 0 to 0.375 m the line is at 0.125 m, and 4 x 0.375 m is 1.5 m."""
    hours = np.array([0.0, 24.0, 36.0, 60.0, 84.0])
    for height_m, rows in ((1.625, []), (1.63, [2])):
        assert faulty_rows(Spike(), hours, [0.0, 0.0, height_m, 0.375, 0.375]) == rows
    hours = 84.0 - hours[::-1]
    for height_m, rows in ((1.625, []), (1.63, [2])):
        assert faulty_rows(Spike(), hours, [0.375, 0.375, height_m, 0.0, 0.0]) == rows


def test_the_second_reading_is_a_spike_whatever_the_newest_is() -> None:
    assert faulty_rows(Spike(), DAYS, [0.0, 1.0, 0.0, 0.0, 0.3, 0.6, 0.9, 1.2]) == [1]


@pytest.mark.parametrize(
    ("step_rows", "height_m", "is_found"),
    [
        ((), 0.81, True),
        ((25,), 0.81, True),  # deviates at two readings of the twenty around
        ((25, 28), 2.0, False),  # at four: nine in ten deviate up to 0.5 m
        ((25, 28), 2.01, True),
        ((12, 15), 2.0, False),
        ((12, 15), 2.01, True),
    ],
)
def test_a_spike_is_four_times_what_nine_in_ten_around_deviate(
    step_rows: tuple[int, ...], height_m: float, is_found: bool
) -> None:
    level = np.zeros(40)
    for row in step_rows:
        level[row:] += 1.0
    level -= level[20]
    level[20] += height_m
    assert faulty_rows(Spike(), DAYS, level) == ([20] if is_found else [])


@pytest.mark.parametrize(
    ("row", "is_found"), [(8, True), (9, False), (18, False), (22, False), (31, False), (32, True)]
)
def test_a_spike_exceeds_the_kinks_of_ten_readings_on_each_side(row: int, is_found: bool) -> None:
    """A steady rise of 1.2 m a day that begins or ends deviates once, by 0.6 m: 1.5 times 0.6."""
    days = np.arange(40.0)
    level = 1.2 * (np.clip(days - row, 0.0, None) if row > 20 else np.clip(row - days, 0.0, None))
    for height_m, rows in ((0.89, [20] if is_found else []), (0.91, [20])):
        level[20] = height_m
        assert faulty_rows(Spike(), DAYS, level) == rows


def test_an_early_spike_exceeds_the_kink_of_the_second_reading() -> None:
    for height_m, rows in ((0.89, []), (0.91, [5])):
        assert faulty_rows(Spike(), DAYS, [1.2, *[0.0] * 4, height_m, *[0.0] * 14]) == rows


@pytest.mark.parametrize(("height_m", "is_found"), [(0.15, False), (0.16, True)])
def test_telemetry_deviates_from_its_median_by_15_cm(height_m: float, is_found: bool) -> None:
    for sign in (1.0, -1.0):
        level = np.zeros(9)
        level[4] = sign * height_m
        assert faulty_rows(Hampel(), QUARTERS, level) == ([4] if is_found else [])


@pytest.mark.parametrize(
    ("before", "after", "spacing_h", "is_found"),
    [(4, 4, 0.75, True), (4, 4, 0.76, False), (3, 5, 0.25, False), (5, 3, 0.25, False)],
)
def test_a_median_takes_four_readings_within_3_hours_on_each_side(
    before: int, after: int, spacing_h: float, is_found: bool
) -> None:
    level = np.array([0.0] * before + [1.0] + [0.0] * after)
    hours = spacing_h * np.arange(len(level))
    assert faulty_rows(Hampel(), hours, level) == ([before] if is_found else [])


@pytest.mark.parametrize(
    ("after", "is_found"),
    [
        ([0.5, 0.5, 0.0, 0.0], True),
        ([0.5, 0.5, 0.5, 0.0], False),  # one is back
        ([0.5, 0.5, 0.15, 0.15], True),
        ([0.5, 0.5, 0.16, 0.16], False),
        ([0.5, 0.5, -0.15, -0.15], True),
        ([0.5, 0.5, -0.16, -0.16], False),
    ],
)
def test_two_of_four_later_readings_are_back_within_15_cm(
    after: list[float], is_found: bool
) -> None:
    assert faulty_rows(Hampel(), QUARTERS, [*[0.0] * 12, 0.5, *after]) == ([12] if is_found else [])


@pytest.mark.parametrize(
    ("height_m", "after", "is_found"),
    [
        (0.44, [0.05, 0.0, -0.05, 0.0], False),
        (0.45, [0.05, 0.0, -0.05, 0.0], True),
        (0.5, [0.5, 0.5, 0.44, 0.44], True),
        (0.5, [0.5, 0.5, 0.45, 0.45], False),
    ],
)
def test_a_rough_river_deviates_by_six_deviations(
    height_m: float, after: list[float], is_found: bool
) -> None:
    """Half of the readings are 0.05 m off: 6 x 1.4826 x 0.05 m is 0.445 m."""
    level = [*[0.05, 0.0, -0.05, 0.0] * 3, height_m, *after]
    assert faulty_rows(Hampel(), QUARTERS, level) == ([12] if is_found else [])


@pytest.mark.parametrize(
    ("spacing_h", "longest_h"), [(0.5, 72.0), (1.0, 72.0), (1.25, 480.0), (24.0, 480.0)]
)
def test_72_hours_of_telemetry_or_20_days_of_an_observer_are_stuck(
    spacing_h: float, longest_h: float
) -> None:
    count = int(longest_h / spacing_h)
    hours = spacing_h * np.arange(count + 5)
    level = np.array([1.0, 1.01, *[1.02] * (count + 1), 1.03, 1.04])
    assert faulty_rows(Stuck(), hours, level) == list(range(3, count + 3))
    level[2] = 0.9
    assert faulty_rows(Stuck(), hours, level) == [], "a reading less"


def test_two_readings_may_be_stuck() -> None:
    assert faulty_rows(Stuck(), np.array([0.0, 480.0]), [1.0, 1.0]) == [1]
    assert faulty_rows(Stuck(), np.array([0.0, 479.0]), [1.0, 1.0]) == []
    assert faulty_rows(Stuck(), np.array([0.0, 480.0]), [1.0, 1.01]) == []


def test_less_than_the_least_may_repeat() -> None:
    check = Stuck(apart_h=96.0, least=1.0)
    assert faulty_rows(check, DAYS, [5.0, *[1.0] * 5]) == [2, 3, 4, 5]
    assert faulty_rows(check, DAYS, [5.0, *[0.99] * 5]) == []
    assert faulty_rows(check, DAYS, [*[1.0] * 5, 0.5]) == [1, 2, 3, 4], "the first five"


@pytest.mark.parametrize(
    ("spacing_h", "most_mm"),
    [(1.0, 421.6), (6.0, 987.4), (24.0, 1907.6), (72.0, 1907.6)],
    ids=["hour", "six hours", "day", "three days count as one"],
)
def test_rain_beyond_the_records_of_the_world_is_none(spacing_h: float, most_mm: float) -> None:
    rain = [0.0, most_mm, most_mm + 0.2, 0.0, -0.01]
    assert faulty_rows(Downpour(), spacing_h * np.arange(5), rain) == [2, 4]


def test_one_reading_of_rain_is_of_a_day_and_two_are_of_their_spacing() -> None:
    assert faulty_rows(Downpour(), DAYS[:1], [1907.0]) == []
    assert faulty_rows(Downpour(), DAYS[:1], [1909.0]) == [0]
    assert faulty_rows(Downpour(), np.arange(2.0), [0.0, 422.0]) == [1]


@pytest.mark.parametrize(
    ("first_day", "last_day", "rows"),
    [
        (0, 39, (0, 0)),  # 39 days
        (0, 40, (1, 41)),
        (-20, 39, (0, 0)),  # May does not count
        (-20, 40, (21, 61)),
        (82, 130, (0, 0)),  # 22 August to 30 September are 39 days; October does not count
        (81, 130, (1, 41)),
    ],
)
def test_forty_days_without_rain_from_june_to_september_are_a_blocked_funnel(
    first_day: int, last_day: int, rows: tuple[int, int]
) -> None:
    hours = JUNE + 24.0 * np.arange(first_day, last_day + 1)
    assert faulty_rows(Blocked(), hours, np.zeros(len(hours))) == list(range(*rows))


def test_a_shower_or_three_weeks_without_reports_end_a_dry_run() -> None:
    hours = JUNE + 24.0 * np.arange(122)
    rain = np.zeros(122)
    assert faulty_rows(Blocked(), hours, rain) == list(range(1, 122))
    rain[[30, 60, 90]] = 0.1
    assert faulty_rows(Blocked(), hours, rain) == []
    rain[60] = 0.0
    assert faulty_rows(Blocked(), hours, rain) == list(range(32, 90))
    days = np.arange(122)
    for gap, count in ((20, 42), (21, 0)):
        there = (days <= 20) | ((days >= 20 + gap) & (days <= 41 + gap))
        assert len(faulty_rows(Blocked(), hours[there], np.zeros(there.sum()))) == count


@pytest.mark.parametrize(
    ("check", "level", "rows"),
    [
        (Spike(), [0.0, 0.25, 1.3, 0.25, 0.25], [2]),
        (Spike(), [0.0, 0.25, 1.2, 0.25, 0.25], []),
        (Spike(), [0.25, 0.25, 1.3, 0.25, 0.0], [2]),
        (Spike(), [0.25, 0.25, 1.2, 0.25, 0.0], []),
        (Spike(), [0.0, 0.0, 1.2, 0.25, 0.25], [2]),
        (Spike(), [0.0, 0.0, 1.1, 0.25, 0.25], []),
        (Hampel(), [*[0.0] * 12, 0.17, *[0.0] * 4], [12]),
        (Hampel(), [*[0.0] * 12, 0.13, *[0.0] * 4], []),
        (Hampel(), [*[0.0] * 12, 0.5, 0.5, 0.5, 0.13, 0.13], [12]),
        (Hampel(), [*[0.0] * 12, 0.5, 0.5, 0.5, 0.17, 0.17], []),
        (Hampel(), [*[0.05, 0.0, -0.05, 0.0] * 3, 0.45, 0.05, 0.0, -0.05, 0.0], [12]),
        (Hampel(), [*[0.05, 0.0, -0.05, 0.0] * 3, 0.44, 0.05, 0.0, -0.05, 0.0], []),
    ],
)
@pytest.mark.parametrize("datum_m", [-16.0, 0.0, 16.0])
def test_a_check_of_changes_knows_nothing_of_the_datum(
    check: Check, level: list[float], rows: list[int], datum_m: float
) -> None:
    hours = DAYS if isinstance(check, Spike) else QUARTERS
    assert faulty_rows(check, hours, datum_m + np.array(level)) == rows

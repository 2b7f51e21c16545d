"""Level shifts: undone, or water."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from pipeline.quality.checks import Jump
from pipeline.quality.level_shifts import (
    Evidence,
    FrozenSensor,
    TrackedShifts,
    no_evidence,
    track_shifts,
)

QUARTERS = np.arange(200) / 4.0
HOURS = np.arange(200.0)


def track(
    hours: NDArray[np.float64],
    level: list[float],
    *starts: int,
    evidence: Evidence = no_evidence,
) -> TrackedShifts:
    return track_shifts(hours[: len(level)], np.array(level), np.array(starts), evidence)


def rows(shifts: TrackedShifts) -> list[int]:
    return np.flatnonzero(shifts.faulty).tolist()


def find_frozen(hours: NDArray[np.float64], level: list[float]) -> list[int]:
    return np.flatnonzero(FrozenSensor().check(hours[: len(level)], np.array(level))).tolist()


def test_a_jump_lasts_until_it_is_undone_or_has_lasted_six_hours() -> None:
    hours = np.arange(4 * 24 * 50) / 4.0
    level = 5.0 + 0.3 * np.sin(hours / 200.0)
    back = level.copy()
    back[200:900] += 0.8
    assert np.flatnonzero(Jump().check(hours, back)).tolist() == list(range(200, 900))
    slowly = back.copy()
    slowly[900:903] += [0.5, 0.3, 0.1]
    faulty_rows = np.flatnonzero(Jump().check(hours, slowly))
    assert (faulty_rows[0], faulty_rows[-1]) == (200, 900)
    gap = np.concatenate([np.arange(800), np.arange(1000, len(hours))])
    assert np.flatnonzero(Jump().check(hours[gap], back[gap])).tolist() == list(range(200, 800))
    for_good = level.copy()
    for_good[200:] += 0.8
    assert not Jump().check(hours, for_good).any(), "then it is the river, or the gauge's datum"
    faulty_rows = np.flatnonzero(Jump().check(hours[:224], for_good[:224]))
    assert faulty_rows.tolist() == list(range(200, 224)), "5 h 45 min: not decided yet"
    assert not Jump().check(hours[:225], for_good[:225]).any()
    contradicted = Jump().track(hours, for_good, lambda _start: False).faulty
    assert np.flatnonzero(contradicted).tolist() == list(range(200, 200 + 4 * 24 * 30))
    assert not Jump().track(hours[:210], for_good[:210], lambda _start: True).faulty.any()
    assert not Jump().check(hours[:205], for_good[:205]).any(), "not known before it stays"
    assert not Jump().check(hours, level).any()


@pytest.mark.parametrize(
    ("level", "is_real"),
    [
        ([0.0, 0.0, 0.0, 0.0, 5.0, 5.0, 5.0, 5.0], False),
        ([0.0, 0.0, 0.0, 0.0, 5.0, 6.0, 6.0, 6.0], True),  # a fifth of the shift more
        ([0.0, 0.0, 0.0, 0.0, 5.0, 5.99, 5.99, 5.99], False),
        ([0.0, 0.0, 0.0, 0.0, 5.0, 5.0, 6.0, 6.0], True),
        ([0.0, 0.0, 0.0, 0.0, 5.0, 5.0, 5.0, 6.0], False),  # the third reading after it
        ([-1.0, -1.0, -1.0, 0.0, 5.0, 5.0, 5.0, 5.0], True),  # it came before the shift
        ([-0.99, -0.99, -0.99, 0.0, 5.0, 5.0, 5.0, 5.0], False),
        ([-1.0, -1.0, 0.0, 0.0, 5.0, 5.0, 5.0, 5.0], False),
        ([0.0, 0.0, 0.0, 0.0, 5.0, 4.0, 4.0, 4.0], False),  # the other way
        ([9.0, 9.0, 9.0, 9.0, 4.0, 3.0, 3.0, 3.0], True),
        ([9.0, 9.0, 9.0, 9.0, 4.0, 4.0, 4.0, 4.0], False),
    ],
)
def test_a_shift_is_real_if_the_level_goes_on_by_a_fifth_of_it(
    level: list[float], *, is_real: bool
) -> None:
    shifts = track(QUARTERS, level, 4)
    assert rows(shifts) == ([] if is_real else [4, 5, 6, 7])
    doubted_h = [np.nan] * 4 + [1.25] + [np.nan] * 3 if is_real else [np.nan] * 8
    assert shifts.doubted_h.tolist() == pytest.approx(doubted_h, nan_ok=True), "until the next one"


def test_a_level_goes_on_at_the_second_and_at_the_newest_reading() -> None:
    assert rows(track(QUARTERS, [0.0, 5.0, 6.0], 1)) == []
    assert rows(track(QUARTERS, [0.0, 5.0, 5.0], 1)) == [1, 2]
    shifts = track(QUARTERS, [-1.0, 0.0, 5.0], 2)
    assert rows(shifts) == []
    assert shifts.doubted_h[2] == 0.5, "believed from the newest reading on, for there is no next"


def test_a_new_level_is_believed_after_six_hours() -> None:
    young = track(HOURS, [*[0.0] * 4, *[5.0] * 6], 4)
    assert rows(young) == [4, 5, 6, 7, 8, 9], "from 4 h to 9 h"
    assert np.isnan(young.doubted_h).all()
    old = track(HOURS, [*[0.0] * 4, *[5.0] * 7], 4)
    assert rows(old) == []
    assert old.doubted_h.tolist() == pytest.approx(
        [np.nan] * 4 + [10.0] * 6 + [np.nan], nan_ok=True
    )


@pytest.mark.parametrize(
    ("before", "after", "is_real"),
    [
        ([0.0] * 5, [1.0, 1.0, 1.0, 1.0, 1.06], True),
        ([0.0] * 5, [1.0, 1.0, 1.0, 1.0, 1.05], True),
        ([0.0] * 5, [1.0, 1.0, 1.0, 1.0, 1.04], False),
        ([0.0] * 5, [1.0, 1.0, 1.0, 1.0, 0.94], True),
        ([0.0] * 5, [1.0, 1.0, 1.0, 1.0, 0.96], False),
        ([0.0] * 4, [1.0, 1.0, 1.0, 1.0, 1.06], False),  # four readings before, not five
        ([0.0] * 5, [1.0, 1.0, 1.0, 1.06], False),  # three readings after the first
        ([0.0, 0.1, 0.1, 0.1, 0.1], [1.1, 1.1, 1.1, 1.1, 1.2], False),  # as slow as before
        ([0.0, 0.1, 0.1, 0.1, 0.1], [1.1, 1.1, 1.1, 1.1, 1.1], True),
        ([0.0, 0.1, 0.1, 0.1, 0.1], [1.1, 1.1, 1.1, 1.1, 1.0], True),
        ([0.0] * 5, [5.0, 5.0, 5.0, 5.0, 5.15], True),  # 3 % of the shift
        ([0.0] * 5, [5.0, 5.0, 5.0, 5.0, 5.14], False),
        ([5.0] * 5, [0.0, 0.0, 0.0, 0.0, 0.15], True),
        ([5.0] * 5, [0.0, 0.0, 0.0, 0.0, 0.14], False),
        ([10.0] * 5, [15.0, 15.0, 15.0, 15.0, 15.16], True),  # whatever the datum is
        ([10.0] * 5, [15.0, 15.0, 15.0, 15.0, 15.14], False),
        ([0.0, 0.0, 0.0, 0.9, 0.0], [5.0, 5.0, 5.0, 5.0, 5.14], False),  # of the step alone
        ([0.0, 0.0, 0.0, 0.0, 0.2], [5.2, 5.2, 5.2, 5.2, 5.4], False),  # it rose right before
        ([-0.9, *[0.0] * 5], [5.0, 5.0, 5.0, 5.0, 5.0], False),  # it moved before that
    ],
)
def test_a_level_turns_by_5_cm_or_3_percent_over_as_many_readings_as_before(
    before: list[float], after: list[float], *, is_real: bool
) -> None:
    start, count = len(before), len(before) + len(after)
    shifts = track(QUARTERS, [*before, *after], start)
    assert rows(shifts) == ([] if is_real else list(range(start, count)))
    since = (count - 1) / 4.0 if is_real else np.nan
    assert shifts.doubted_h[start:].tolist() == pytest.approx([since] * len(after), nan_ok=True)
    assert np.isnan(shifts.doubted_h[:start]).all()


@pytest.mark.parametrize(
    ("spacing_h", "back", "count"),
    [
        (1.0, [1.0], 0),  # half of 2 m
        (1.0, [0.99], 3),
        (1.0, [-1.0], 3),  # one and a half
        (1.0, [-1.01], 0),
        (100.0, [0.0], 3),  # at once, however long the step takes
        (1.5, [1.4, 0.8], 4),  # in two steps of three hours together
        (1.6, [1.4, 0.8], 0),
        (1.0, [1.6, 1.2, 0.8], 5),
        (1.1, [1.6, 1.2, 0.8], 0),
        (0.75, [1.7, 1.4, 1.1, 0.8], 6),
        (0.8, [1.7, 1.4, 1.1, 0.8], 0),
        (0.5, [1.76, 1.52, 1.28, 1.04, 0.8], 0),  # five steps
    ],
)
@pytest.mark.parametrize("sign", [1.0, -1.0])
@pytest.mark.parametrize("datum_m", [0.0, 16.0])
def test_a_shift_is_undone_by_half_to_one_and_a_half_of_it(
    spacing_h: float, back: list[float], count: int, sign: float, datum_m: float
) -> None:
    """The readings up to the one that undoes it are faulty; else the level has settled."""
    level = [0.0, 0.0, 0.0, 2.0, 2.0, 2.0, *back, *[back[-1]] * 12]
    shifts = track(spacing_h * HOURS, [datum_m + sign * stage for stage in level], 3)
    assert rows(shifts) == list(range(3, 3 + count))


@pytest.mark.parametrize(("days", "count"), [(29, 29), (30, 0)])
def test_a_shift_that_is_undone_after_thirty_days_was_real(days: int, count: int) -> None:
    level = [0.0, 0.0, 0.0, *[2.0] * days, *[0.0] * 9]
    assert rows(track(24.0 * HOURS, level, 3)) == list(range(3, 3 + count))


def test_what_others_contradict_is_faulty_for_thirty_days_or_until_it_is_undone() -> None:
    def contradict(_start: int) -> bool:
        return False

    level = [0.0, 0.0, 0.0, *[2.0] * 40]
    assert rows(track(24.0 * HOURS, level, 3, evidence=contradict)) == list(range(3, 33))
    undone = [0.0, 0.0, 0.0, *[2.0] * 10, *[0.0] * 30]
    assert rows(track(24.0 * HOURS, undone, 3, evidence=contradict)) == list(range(3, 13))
    level[33:] = [4.0] * 10
    assert rows(track(24.0 * HOURS, level, 3, 33, evidence=contradict)) == list(range(3, 33)), (
        "the change with which the thirty days end is the last of it"
    )
    level[33] = 2.0
    later = [*range(3, 33), *range(34, 43)]
    assert rows(track(24.0 * HOURS, level, 3, 34, evidence=contradict)) == later


def test_a_shift_that_others_support_is_doubted_until_the_next_reading() -> None:
    shifts = track(QUARTERS, [0.0, 0.0, 5.0, 5.0], 2, evidence=lambda _start: True)
    assert rows(shifts) == []
    assert shifts.doubted_h.tolist() == pytest.approx([np.nan, np.nan, 0.75, np.nan], nan_ok=True)


def test_the_step_back_starts_no_shift_and_the_next_one_does() -> None:
    level = [0.0, 0.0, 0.0, 2.0, 2.0, 0.0, 2.0, 2.0, *[0.0] * 9]
    assert rows(track(HOURS, level, 3, 5, 6, 8)) == [3, 4, 6, 7]


@pytest.mark.parametrize(
    ("frozen_h", "step_m", "is_found"),
    [(6, 0.3, True), (5, 0.3, False), (6, 0.29, False), (6, -0.3, True), (6, -0.29, False)],
)
def test_six_hours_and_a_step_of_30_cm_are_a_frozen_sensor(
    frozen_h: int, step_m: float, is_found: bool
) -> None:
    level = [-0.2, -0.1, *[0.0] * (frozen_h + 1), *(step_m * (1.0 + 0.1 * np.arange(8)))]
    assert find_frozen(HOURS, level) == (list(range(3, 3 + frozen_h)) if is_found else [])


@pytest.mark.parametrize(
    ("rests_h", "is_found"),
    [([3, 3, 3], True), ([4, 4, 4], False), ([4, 4], True), ([4, 4, 2], True), ([9, 4, 4], False)],
)
def test_a_rest_is_a_fault_where_the_fourth_longest_is_half_as_long(
    rests_h: list[int], is_found: bool
) -> None:
    """The sensor is frozen for 6 h; a rest of 9 h that ends in 1 cm is the river's own."""
    level = [0.0] * 7 + [1.0 + 0.1 * at for at in range(8)]
    for rest_h in rests_h:
        level += [level[-1] + 0.01] * (rest_h + 1)
    level += [level[-1] + 0.01]
    assert find_frozen(HOURS, level) == (list(range(1, 7)) if is_found else [])


def test_of_three_runs_none_is_the_fourth_longest_and_of_four_one_is() -> None:
    level = [0.0] * 5 + [0.1] * 7 + [1.0] * 8
    assert find_frozen(HOURS, level) == list(range(6, 12))
    level = [0.0] * 5 + [0.1] * 7 + [1.0] * 5 + [1.1] * 5
    assert find_frozen(HOURS, level) == [], "6 h beside three times 4 h"


@pytest.mark.parametrize(
    ("spacing_h", "gap_h", "is_found"),
    [(1.0, 24.0, True), (1.0, 24.25, False), (1.1, 1.1, False), (0.5, 0.5, True)],
)
def test_a_frozen_sensor_is_one_of_telemetry_without_a_longer_gap(
    spacing_h: float, gap_h: float, is_found: bool
) -> None:
    count = int(6.0 / spacing_h) + 2
    hours = np.concatenate([spacing_h * np.arange(count), np.zeros(16)])
    hours[count:] = hours[count - 1] + gap_h + spacing_h * np.arange(16)
    level = [*[0.0] * count, *(1.0 + 0.1 * np.arange(16))]
    assert find_frozen(hours, level) == (list(range(1, count)) if is_found else [])


@pytest.mark.parametrize(
    ("after", "is_found"),
    [
        ([2.0] * 7, True),
        ([2.0] * 6, False),  # five hours: not known yet
        ([2.0, 1.0, 1.0, 1.0, 1.0, 1.0, 1.0], True),  # half of the step remains
        ([2.0, 2.0, 2.0, 2.0, 2.0, 2.0, 0.99], False),
        ([2.0, 2.0, 2.0, 2.0, 2.0, 2.0, 2.0, 0.0], True),  # seven hours later
        ([2.0, 0.0, 2.0, 2.0, 2.0, 2.0, 2.0, 2.0], False),
        ([], False),
    ],
)
def test_a_frozen_sensor_moves_to_a_level_that_lasts_six_hours(
    after: list[float], *, is_found: bool
) -> None:
    level = [-0.2, -0.1, *[0.0] * 7, *after]
    assert find_frozen(HOURS, level) == (list(range(3, 9)) if is_found else [])
    raised = [16.0 + stage for stage in level]
    assert find_frozen(HOURS, raised) == (list(range(3, 9)) if is_found else [])

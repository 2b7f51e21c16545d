"""Checks on series with faults placed by hand."""

from __future__ import annotations

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.quality import flags as quality_flags
from pipeline.quality.checks import Blocked, Hampel, Jump, Rate, Spike, Stuck
from pipeline.quality.selection import describe_suspects, select_best
from tests.quality.quality_cases import flags, mornings

DAYS = 24.0 * np.arange(40)


@settings(max_examples=50, deadline=None)
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

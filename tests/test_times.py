"""Moments in UTC; examples are in the docstrings."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta, timezone

import numpy as np
import pandas as pd
import pytest

from pipeline.times import day_start, from_utc64, naive_timestamp, utc64

MORNING = datetime(2026, 8, 20, 6, 30, tzinfo=timezone(timedelta(hours=7)))
"""In Hanoi, where it is the 20th; 23:30 of the 19th in UTC."""


@pytest.mark.parametrize("convert", [day_start, utc64])
def test_a_moment_without_a_time_zone_is_refused(convert: Callable[[datetime], object]) -> None:
    with pytest.raises(ValueError, match="without a time zone"):
        convert(datetime(2026, 8, 1))  # noqa: DTZ001


def test_local_moments_are_of_the_day_that_it_is_in_utc() -> None:
    assert day_start(MORNING) == datetime(2026, 8, 19, tzinfo=UTC)
    assert utc64(MORNING) == np.datetime64("2026-08-19T23:30")
    assert naive_timestamp(MORNING) == pd.Timestamp("2026-08-19 23:30")


def test_numpys_moments_come_back_as_they_went() -> None:
    assert from_utc64(utc64(MORNING)) == MORNING
    assert from_utc64(np.datetime64("2026-08-20")) == datetime(2026, 8, 20, tzinfo=UTC)

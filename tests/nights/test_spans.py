"""Spans as people write them, the last day, month or year included."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta, timezone

import numpy as np
import pytest

from pipeline.nights.spans import Day, begin_of, end_of, span_of


@pytest.mark.parametrize(
    ("day", "begin", "end"),
    [
        ("2020", (2020, 1, 1), (2021, 1, 1)),
        ("2026-02", (2026, 2, 1), (2026, 3, 1)),
        ("2026-12-31", (2026, 12, 31), (2027, 1, 1)),
        ("20260820", (2026, 8, 20), (2026, 8, 21)),
        (date(2026, 8, 20), (2026, 8, 20), (2026, 8, 21)),
        (np.datetime64("2026-08-20"), (2026, 8, 20), (2026, 8, 21)),
    ],
)
def test_a_span_is_of_whole_days(day: Day, begin: tuple[int, ...], end: tuple[int, ...]) -> None:
    assert begin_of(day) == datetime(*begin, tzinfo=UTC)  # type: ignore[arg-type,misc]
    assert end_of(day) == datetime(*end, tzinfo=UTC)  # type: ignore[arg-type,misc]


def test_a_moment_counts_to_its_second_in_utc() -> None:
    bangkok = datetime(2026, 8, 20, 7, 30, tzinfo=timezone(timedelta(hours=7)))
    assert begin_of(bangkok) == datetime(2026, 8, 20, 0, 30, tzinfo=UTC)
    assert end_of(bangkok) - begin_of(bangkok) == timedelta(seconds=1)


def test_what_is_no_day_is_refused() -> None:
    with pytest.raises(ValueError, match=r"expected a day, month or year as 2026-08-20.*'x'"):
        begin_of("x")
    with pytest.raises(ValueError, match="found 'May'"):
        end_of("May")


@pytest.mark.parametrize("day", ["2026-13-01", "2026-08-20/..", "", None, 20260820, float("nan")])
def test_what_only_looks_like_a_day_is_refused(day: Day) -> None:
    with pytest.raises(ValueError, match="expected a day, month or year as 2026-08-20"):
        begin_of(day)


@pytest.mark.parametrize("day", ["2500", "9999-12-31", "1600-01-01", date(2262, 1, 1)])
def test_a_day_that_nanoseconds_do_not_reach_never_wraps_to_another(day: Day) -> None:
    with pytest.raises(ValueError, match="from 1678 to 2261"):
        span_of(day, None)


def test_the_first_day_is_not_after_the_last() -> None:
    assert span_of("2026-08-20", "2026-08-20") == (begin_of("2026-08-20"), end_of("2026-08-20"))
    assert span_of("2026-08-20", "2026") == (begin_of("2026-08-20"), end_of("2026"))
    with pytest.raises(ValueError, match="first day up to the last, found 2026-08-20 and 2026-07"):
        span_of("2026-08-20", "2026-07")
    with pytest.raises(ValueError, match="a first day up to the last, found 2020 and 2015-12"):
        span_of("2020", "2015-12")

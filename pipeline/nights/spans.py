"""Spans of time as people write them: days, months or years, the last one included."""

from __future__ import annotations

from datetime import UTC, date, datetime

import pandas as pd

Day = str | date | datetime
"""A day, month or year as ISO text, a date, or a moment (naive ones are UTC)."""


def begin_of(day: Day) -> datetime:
    """Return the moment (UTC) at which a day, month or year begins.

    Examples
    --------
    >>> print(begin_of("2026-08"), begin_of(date(2026, 8, 20)), sep=", ")
    2026-08-01 00:00:00+00:00, 2026-08-20 00:00:00+00:00
    """
    return _to_moment(_to_period(day).start_time)


def end_of(day: Day) -> datetime:
    """Return the moment (UTC) at which a day, month or year is over.

    Examples
    --------
    >>> print(end_of("2020"), end_of("2026-08-20"), sep=", ")
    2021-01-01 00:00:00+00:00, 2026-08-21 00:00:00+00:00
    """
    return _to_moment((_to_period(day) + 1).start_time)


def interval_of(start: Day, end: Day) -> tuple[datetime, datetime]:
    """Return the half-open interval from one day, month or year to another.

    Raises
    ------
    ValueError
        The last one is over before the first begins.

    Examples
    --------
    >>> interval_of("2020", "2015")
    Traceback (most recent call last):
    ValueError: expected a start before the end, found 2020 to 2015
    """
    first, after = begin_of(start), end_of(end)
    if first >= after:
        raise ValueError(f"expected a start before the end, found {start} to {end}")
    return first, after


def span_of(start: Day | None, end: Day | None) -> tuple[datetime | None, datetime | None]:
    """Return the half-open interval of two days, months or years; None is open.

    Raises
    ------
    ValueError
        As of :func:`interval_of`.

    Examples
    --------
    >>> first, after = span_of("2026-08", None)
    >>> print(first, after, sep=", ")
    2026-08-01 00:00:00+00:00, None
    """
    if start is not None and end is not None:
        return interval_of(start, end)
    return None if start is None else begin_of(start), None if end is None else end_of(end)


def _to_period(day: Day) -> pd.Period:
    if isinstance(day, datetime):
        return pd.Period(
            pd.Timestamp(day.astimezone(UTC) if day.tzinfo else day).tz_localize(None), "s"
        )
    if isinstance(day, date):
        return pd.Period(day, "D")
    try:
        period = pd.Period(day) if day[:4].isdigit() else None  # "May" would be of the year 1
    except ValueError:
        period = None
    if period is None:
        raise ValueError(f"expected a day, month or year as 2026-08-20, found {day!r}")
    return period


def _to_moment(stamp: pd.Timestamp) -> datetime:
    return stamp.tz_localize(UTC).to_pydatetime()

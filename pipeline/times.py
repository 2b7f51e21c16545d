"""Convert moments in UTC between datetime, numpy and pandas; days begin at 00:00 UTC."""

from __future__ import annotations

from datetime import UTC, datetime

import numpy as np
import pandas as pd


def day_start(moment: datetime) -> datetime:
    """Return 00:00 UTC of the day of a moment.

    Raises
    ------
    ValueError
        The moment carries no time zone.

    Examples
    --------
    >>> print(day_start(datetime(2026, 8, 20, 0, 30, tzinfo=UTC)))
    2026-08-20 00:00:00+00:00
    """
    return _utc(moment).replace(hour=0, minute=0, second=0, microsecond=0)


def utc64(moment: datetime) -> np.datetime64:
    """Return a moment as numpy's naive UTC, in nanoseconds.

    Raises
    ------
    ValueError
        The moment carries no time zone.

    Examples
    --------
    >>> utc64(datetime(2026, 8, 20, 0, 30, tzinfo=UTC))
    np.datetime64('2026-08-20T00:30:00.000000000')
    """
    return np.datetime64(_utc(moment).replace(tzinfo=None), "ns")


def from_utc64(time: np.datetime64) -> datetime:
    """Return numpy's naive UTC as an aware moment, to the second.

    Examples
    --------
    >>> print(from_utc64(np.datetime64("2026-08-20T00:30:00.5")))
    2026-08-20 00:30:00+00:00
    """
    return datetime.fromtimestamp(int(time.astype("M8[s]").astype("int64")), tz=UTC)


def naive_timestamp(moment: datetime) -> pd.Timestamp:
    """Return a moment as pandas' timestamp of naive UTC, as table columns carry it."""
    return pd.Timestamp(moment).tz_convert(None)


def format_utc(moment: datetime) -> str:
    """Format a moment in UTC as in all published files.

    Examples
    --------
    >>> format_utc(datetime(2026, 8, 20, 0, 30, tzinfo=UTC))
    '2026-08-20T00:30:00Z'
    """
    return f"{moment.astimezone(UTC):%Y-%m-%dT%H:%M:%SZ}"


def _utc(moment: datetime) -> datetime:
    if moment.tzinfo is None:
        raise ValueError(f"expected an aware moment, found {moment!r} without a time zone")
    return moment.astimezone(UTC)

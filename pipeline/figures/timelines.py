"""Parts of figures over local time: days, now, hanging rain, and spans that are not known."""

from __future__ import annotations

from datetime import UTC, datetime
from itertools import pairwise

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.dates import AutoDateLocator, ConciseDateFormatter, date2num

from pipeline.figures.canvas import COLOURS, HATCH

DAY = pd.Timedelta(days=1)
FRESH = pd.Timedelta(hours=48)
"""An older reading is no evidence any more, and no forecast is drawn from it on."""
Span = tuple[pd.Timestamp, pd.Timestamp]


def to_local(times: pd.DatetimeIndex, utc_offset_h: float) -> pd.DatetimeIndex:
    """Shift naive UTC to a city's clock, as its axes show it.

    Examples
    --------
    >>> to_local(pd.DatetimeIndex(["2026-08-20 00:00"]), 6.5)[0]
    Timestamp('2026-08-20 06:30:00')
    """
    return times + pd.Timedelta(hours=utc_offset_h)


def local_now(moment: datetime, utc_offset_h: float) -> pd.Timestamp:
    """Return an aware moment on a city's clock, naive."""
    return pd.Timestamp(moment.astimezone(UTC)).tz_localize(None) + pd.Timedelta(hours=utc_offset_h)


def day_number(moment: pd.Timestamp) -> float:
    """Give a moment as the number of days that matplotlib's time axes count."""
    return float(date2num(moment))  # type: ignore[no-untyped-call]


def name_clock(utc_offset_h: float) -> str:
    """Name a city's clock.

    Examples
    --------
    >>> name_clock(7.0), name_clock(6.5), name_clock(0.0)
    ('local time (UTC+7)', 'local time (UTC+6:30)', 'time (UTC)')
    """
    if not utc_offset_h:
        return "time (UTC)"
    minutes = round(abs(utc_offset_h) * 60)
    sign = "-" if utc_offset_h < 0 else "+"
    rest = f":{minutes % 60:02d}" if minutes % 60 else ""
    return f"local time (UTC{sign}{minutes // 60}{rest})"


def label_days(axes: Axes, utc_offset_h: float, *, narrow: bool) -> None:
    """Put days of a city's clock on the time axis."""
    locator = AutoDateLocator(  # type: ignore[no-untyped-call]
        minticks=3, maxticks=5 if narrow else 14, interval_multiples=False
    )
    axes.xaxis.set_major_locator(locator)
    years = ["", *["%Y"] * 5]
    formats = ["%Y", "%b %Y", "%d %b", "%H:%M", "%H:%M", "%S"]
    formatter = ConciseDateFormatter(  # type: ignore[no-untyped-call]
        locator,
        formats=formats,
        zero_formats=["", "%Y", "%d %b", "%d %b", "%H:%M", "%H:%M"],
        offset_formats=years,
    )
    axes.xaxis.set_major_formatter(formatter)
    axes.set_xlabel(name_clock(utc_offset_h))


def draw_now(axes: Axes, now: pd.Timestamp, label: str | None = None) -> None:
    """Draw the line between what was known and what is forecast."""
    axes.axvline(day_number(now), color="#555555", linewidth=1.0, linestyle=":", label=label)


def hatch_span(axes: Axes, span: Span) -> None:
    """Hatch a span of time in which a quantity is not known."""
    start, end = (day_number(moment) for moment in span)
    axes.axvspan(
        start, end, facecolor="none", edgecolor="#888888", hatch=HATCH, linewidth=0.0, zorder=0.5
    )


def list_gaps(
    times: pd.DatetimeIndex, *, start: pd.Timestamp, end: pd.Timestamp, longest: pd.Timedelta
) -> list[Span]:
    """List the spans between two moments in which no time lies for longer than usual.

    Examples
    --------
    >>> times = pd.DatetimeIndex(["2026-08-01", "2026-08-02", "2026-08-05"])
    >>> end = pd.Timestamp("2026-08-05 12:00")
    >>> list_gaps(times, start=times[0], end=end, longest=pd.Timedelta(hours=36))
    [(Timestamp('2026-08-02 00:00:00'), Timestamp('2026-08-05 00:00:00'))]
    """
    inside = times[(times > start) & (times < end)].sort_values()
    moments = [start, *inside, end]
    return [(before, after) for before, after in pairwise(moments) if after - before > longest]


def split_at_gaps(values: pd.Series, longest: pd.Timedelta) -> pd.Series:
    """Put a NaN into every gap of a series by time, so that no line crosses it."""
    times = pd.DatetimeIndex(values.index).sort_values()
    before = times[:-1][np.diff(times) > longest]
    return values.reindex(times.union(before + longest / 2))


def hang_rain(axes: Axes, rain_mm: pd.Series, *, utc_offset_h: float, end: pd.Timestamp) -> bool:
    """Hang the rain of satellite days from above; days that are not known are hatched.

    Parameters
    ----------
    axes
        Axes that the rain has for itself; its y axis is turned downwards.
    rain_mm
        Rain of each day, mm, by its start in naive UTC; NaN where it is not known. A day that is
        not named is not known.
    utc_offset_h
        Hours that the city's clock is ahead of UTC.
    end
        End of the time axis on the city's clock: rain after the last day is not known.

    Returns
    -------
    bool
        Whether a span was hatched.
    """
    starts = pd.DatetimeIndex(rain_mm.index)
    days = rain_mm.reindex(pd.date_range(starts.min(), starts.max(), freq="D"))
    local = to_local(pd.DatetimeIndex(days.index), utc_offset_h)
    known = days.notna().to_numpy()
    axes.bar(
        [day_number(day) + 0.05 for day in local[known]],
        days[known].to_numpy(),
        width=0.9,
        align="edge",
        color=COLOURS[4],
        label="rain, 00 to 24 UTC",
    )
    for day in local[~known]:
        hatch_span(axes, (day, day + DAY))
    if local[-1] + DAY < end:
        hatch_span(axes, (local[-1] + DAY, end))
    most = float(days.max()) if known.any() else 0.0
    axes.set_ylim(max(10.0, 1.1 * most), 0.0)
    axes.set_ylabel("rain, mm/day")
    return bool(not known.all() or local[-1] + DAY < end)

"""Options that several commands of ``mekong`` share."""

from __future__ import annotations

from datetime import UTC, date, datetime, time, timedelta
from typing import TYPE_CHECKING, Annotated

import typer

from pipeline.virtual import SHOWCASE

if TYPE_CHECKING:
    from pipeline.choices import Upstream
    from pipeline.settings import Settings

YEARS = range(1900, 2201)
"""Years of valid dates; times in nanoseconds end in 2262."""


def parse_day(text: str | date) -> date:
    """Parse a date; typer also passes the default, which is a date already."""
    if isinstance(text, date):
        return text
    try:
        day = date.fromisoformat(text)
    except ValueError:
        day = None
    if day is None or day.year not in YEARS:
        expected = f"expected a date like 2026-04-10, of {YEARS[0]} to {YEARS[-1]}"
        raise typer.BadParameter(f"{expected}, found {text!r}")
    return day


Day = Annotated[
    date | None,
    typer.Option(
        "--date",
        parser=parse_day,
        help="The night's date; default the showcase flood, from the internet the last night.",
    ),
]


KnownDay = Annotated[
    date | None,
    typer.Option("--date", parser=parse_day, help="Only what was known then; default now."),
]


def issue_time(day: date | None, upstream: Upstream | None = None) -> datetime:
    """Return the issue time of a night, 00:30 UTC; default the showcase's, or the last night's."""
    if day is None and read_settings(upstream).upstream == "internet":
        day = (datetime.now(UTC) - timedelta(minutes=30)).date()
    return datetime.combine(day or SHOWCASE, time(0, 30), tzinfo=UTC)


def issuing_time(day: date | None, upstream: Upstream | None = None) -> datetime:
    """Return the issue time of a night that is to be issued, and refuse one of the future.

    After such a night every true one would be an older one, and send no messages.
    """
    moment = issue_time(day, upstream)
    if read_settings(upstream).upstream != "virtual":
        refuse_future(moment)
    return moment


def refuse_future(moment: datetime) -> None:
    """Refuse a moment later than now, but for what clocks differ by."""
    if moment > datetime.now(UTC) + timedelta(hours=1):
        raise typer.BadParameter(f"expected a moment of the past, found {moment:%Y-%m-%d %H:%MZ}")


def known_time(day: date | None) -> datetime:
    """Return the issue time of a day's night, or now."""
    return datetime.now(UTC) if day is None else issue_time(day)


def read_settings(upstream: Upstream | None = None) -> Settings:
    """Read the settings, with another upstream where one is given."""
    from pipeline.settings import Settings

    return Settings() if upstream is None else Settings(upstream=upstream)

"""The command ``mekong watch``: one look between two nights."""

from __future__ import annotations

import sys
from datetime import UTC, datetime
from typing import Annotated

import typer


def watch(
    at: Annotated[
        str | None,
        typer.Option(help="Moment in UTC, 2026-08-20T06:15; default now, virtual: 06:15 of it."),
    ] = None,
) -> None:
    """Look at rain and rivers now, raise levels. Example: mekong watch --at 2026-08-20T06:15."""
    from pipeline import console, hourly, steps
    from pipeline.command_options import read_settings

    settings = read_settings()
    asof = _moment(at, virtual=settings.upstream == "virtual")
    with console.show_progress("Watch") as progress:
        if settings.upstream == "virtual":
            steps.simulate(asof=asof, settings=settings, progress=progress)
        seen = hourly.watch(asof=asof, settings=settings, progress=progress)
        console.print_line(console.describe_watch(seen))
    for reason in seen.missing:
        print(f"not seen: {reason}", file=sys.stderr)


def _moment(text: str | None, *, virtual: bool) -> datetime:
    """Moment of the watch, to the minute."""
    if text is None:
        if not virtual:
            return datetime.now(UTC).replace(second=0, microsecond=0)
        from pipeline.command_options import issue_time

        return issue_time(None).replace(hour=6, minute=15)
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        raise typer.BadParameter(
            f"--at: expected a moment like 2026-08-20T06:15, found {text!r}"
        ) from None
    moment = moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)
    if not virtual:
        from pipeline.command_options import refuse_future

        refuse_future(moment)
    return moment.replace(second=0, microsecond=0)

"""The commands ``mekong hindcast``, ``compare`` and ``scoreboard``: how good the forecasts are."""

from __future__ import annotations

import re
from datetime import date
from pathlib import Path
from typing import Annotated

import typer

from pipeline.command_options import (
    Day,
    KnownDay,
    issue_time,
    known_time,
    parse_day,
    read_settings,
)


def hindcast(
    start: Annotated[date, typer.Option(parser=parse_day, help="First issue date.")],
    end: Annotated[date, typer.Option(parser=parse_day, help="Last issue date.")],
    output: Annotated[Path, typer.Option("--out", help="Folder for scores, forecasts and report.")],
    train_from: Annotated[date, typer.Option(parser=parse_day, help="First training date.")] = date(
        1992, 1, 1
    ),
    *,
    leads: Annotated[str, typer.Option(help="Lead times in days, parted by commas.")] = "1,3,5,7",
    against: Annotated[
        str | None,
        typer.Option(help="A second model to compare with: ridge, or a regressor of scikit-learn."),
    ] = None,
) -> None:
    """Forecast past years as if live."""
    from pipeline import console, review

    if end < start:
        raise typer.BadParameter(f"--end: expected a date from {start} on, found {end}")
    if not re.fullmatch(r"[1-9]\d?(,[1-9]\d?)*", leads):
        raise typer.BadParameter(f"--leads: expected whole days parted by commas, found {leads!r}")
    with console.show_progress("Hindcast") as progress:
        hindcasts = review.hindcast(
            start=start,
            end=end,
            train_from=train_from,
            leads=tuple(sorted({int(lead) for lead in leads.split(",")})),
            folder=output,
            against=against,
            settings=read_settings(),
            progress=progress,
        )
    console.print_line(console.describe_hindcast(hindcasts))


def compare(
    rival: Annotated[Path, typer.Argument(help="The rival's forecasts, .csv or .nc.")],
    *,
    ours: Annotated[
        Path | None,
        typer.Option(help="forecasts.parquet of a hindcast; default our forecasts as issued."),
    ] = None,
    output: Annotated[
        Path | None, typer.Option("--out", help="Folder for comparison.csv and comparison.html.")
    ] = None,
    day: KnownDay = None,
) -> None:
    """Score another's forecasts beside ours. Example: mekong compare RIVAL.csv --out OUT."""
    from pipeline import comparisons, console

    asof = known_time(day)
    comparison = comparisons.compare(
        rival, asof=asof, ours=ours, folder=output, settings=read_settings()
    )
    console.print_comparison(comparison)
    if output is not None:
        console.print_line(f"every gauge and score: {output / 'comparison.html'}, comparison.csv")


def scoreboard(
    day: Day = None,
    output: Annotated[
        Path | None, typer.Option("--out", help="Write the scoreboard's files into this folder.")
    ] = None,
) -> None:
    """Count hits, misses and false alarms. Example: mekong scoreboard --date 2026-09-01."""
    from pipeline import console, scoring

    console.print_scoreboard(
        scoring.scoreboard(asof=issue_time(day), settings=read_settings(), folder=output)
    )
    if output is not None:
        names = "scoreboard.csv, misses.csv, reliability.csv, warnings.csv, ground_reports.csv"
        console.print_line(f"{output}: {names}")

"""The command ``mekong export``: an index as a file for other programs."""

from __future__ import annotations

from datetime import date
from pathlib import Path
from typing import Annotated, Literal, get_args

import typer

from pipeline.choices import IndexFormat
from pipeline.command_options import parse_day, read_settings

MONTH_OR_YEAR = "day, month or year, such as 2026-08-20, 2026-08 or 2026"


def export(
    index: Annotated[str, typer.Argument(help="Name of the index, as in docs/indices.md.")],
    *,
    output: Annotated[Path, typer.Option("--out", help="File; a Zarr store is a new folder.")],
    start: Annotated[str | None, typer.Option(help=f"First {MONTH_OR_YEAR}.")] = None,
    end: Annotated[str | None, typer.Option(help="Last day, month or year.")] = None,
    by: Annotated[
        Literal["cell", "basin", "city", "gauge"],
        typer.Option(help="What it is computed for; gauges have SDI and low flow."),
    ] = "city",
    file_format: Annotated[
        IndexFormat | None, typer.Option("--format", help="Default the ending of --out.")
    ] = None,
    day: Annotated[
        date | None,
        typer.Option("--date", parser=parse_day, help="The night's date; default the newest."),
    ] = None,
) -> None:
    """Write an index into a file. Example: mekong export spi_3m --start 2015 --out OUT.csv."""
    from pipeline import console
    from pipeline.nights.index_files import export_index
    from pipeline.nights.night import open_night

    ending = output.suffix.removeprefix(".")
    known = get_args(IndexFormat)
    if file_format is None and ending not in known:
        expected = ", ".join(f".{name}" for name in known)
        raise typer.BadParameter(f"--out: expected one of {expected}, found {output.name!r}")
    if file_format is not None and ending in known and ending != file_format:
        raise typer.BadParameter(f"--out: expected .{file_format}, found {output.name!r}")
    chosen = file_format or ending
    try:
        exported = export_index(
            open_night(day, settings=read_settings()),
            index,
            output,
            file_format=chosen,  # type: ignore[arg-type]
            by=by,
            start=start,
            end=end,
        )
    except (ValueError, FileExistsError) as error:
        raise typer.BadParameter(str(error)) from None
    console.print_line(console.describe_exported(index, exported))

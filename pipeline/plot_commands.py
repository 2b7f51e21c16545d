"""The command ``mekong plot``: a picture of a published night for a city."""

from __future__ import annotations

from datetime import date
from pathlib import Path
from typing import Annotated

import typer

from pipeline.choices import Plot
from pipeline.command_options import issue_time, parse_day, read_settings

SUFFIXES = (".png", ".svg")


def plot(
    city: Annotated[str, typer.Argument(help="City, by id or name.")],
    *,
    output: Annotated[
        Path | None,
        typer.Option("--out", help="File, .png or .svg; default the city and kind, as .png."),
    ] = None,
    kind: Annotated[
        Plot,
        typer.Option(help="What to plot; without a gauge the first two are the indices."),
    ] = "hydrograph",
    day: Annotated[
        date | None,
        typer.Option("--date", parser=parse_day, help="The night's date; default the newest."),
    ] = None,
) -> None:
    """Plot a published night for a city. Example: mekong plot pakse --out OUT.png."""
    from pipeline import console, plots
    from pipeline.figures.canvas import to_png, to_svg
    from pipeline.storage.atomic import draft_file

    path = output or Path(f"{city}-{kind}.png")
    if path.suffix not in SUFFIXES:
        raise typer.BadParameter(f"--out: expected {' or '.join(SUFFIXES)}, found {path.name!r}")
    asof = None if day is None else issue_time(day)
    figure = plots.plot(city, kind, asof=asof, settings=read_settings())
    alt = str(figure.get_label())
    svg = path.suffix == ".svg"
    content = f"{to_svg(figure, alt)}\n".encode() if svg else to_png(figure)
    path.parent.mkdir(parents=True, exist_ok=True)
    with draft_file(path) as draft:
        draft.write_bytes(content)
    console.print_line(f"{path}: {alt}")

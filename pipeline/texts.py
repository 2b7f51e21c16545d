"""The ``mekong texts`` commands: sheets that speakers correct and sign, and clips they record."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

app = typer.Typer(
    rich_markup_mode="rich",
    help="Export the texts of a language for correction, import them again, list clips to record. "
    "Example: mekong texts export km --out SHEET.",
)


@app.command("export")
def export_texts(
    language: Annotated[str, typer.Argument(help="en, km, lo, th, vi, my or zh.")],
    output: Annotated[
        Path | None, typer.Option("--out", help="Write the sheet here; default standard output.")
    ] = None,
) -> None:
    """Write a sheet with every text of a language. Example: mekong texts export km --out SHEET."""
    from pipeline.alerts.translation_sheet import write_sheet
    from pipeline.settings import Settings

    sheet = write_sheet(language, Settings().reference_dir)
    if output is None:
        print(sheet, end="")
        return
    output.write_text(sheet, encoding="utf-8-sig")
    print(f"{output}: the texts of {language}; correct the column text, sign at the top")


@app.command("import")
def import_texts(
    sheet: Annotated[Path, typer.Argument(help="Corrected sheet, as CSV in UTF-8.")],
) -> None:
    """Check a sheet and write it to MEKONG_REFERENCE_DIR. Example: mekong texts import SHEET."""
    from pipeline.alerts.translation_sheet import import_sheet
    from pipeline.settings import Settings

    folder = Settings().reference_dir
    if folder is None:
        raise typer.BadParameter("expected MEKONG_REFERENCE_DIR to name a folder, found none")
    if not sheet.is_file():
        raise FileNotFoundError(f"expected a sheet in {sheet}, found none")
    imported = import_sheet(sheet, folder)
    state = "reviewed" if imported.reviewed else "not reviewed: the sheet is not signed"
    print(f"{imported.path}: {imported.texts} texts, {state}")


@app.command("clips")
def list_clips(
    language: Annotated[str, typer.Argument(help="en, km, lo, th, vi, my or zh.")],
    output: Annotated[
        Path | None, typer.Option("--out", help="Write the list here; default standard output.")
    ] = None,
) -> None:
    """List the clips to record of a language. Example: mekong texts clips lo --out CLIPS."""
    from pipeline.alerts.spoken import write_clips

    clips = write_clips(language)
    if output is None:
        print(clips, end="")
        return
    output.write_text(clips, encoding="utf-8-sig")
    print(f"{output}: {clips.count(chr(10)) - 1} clips of {language}; record each once")

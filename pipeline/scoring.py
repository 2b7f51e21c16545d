"""Steps that score what was issued; they share the parameters of :mod:`pipeline.steps`."""

from __future__ import annotations

import shutil
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING

from pipeline.settings import Settings
from pipeline.storage.atomic import make_private_folder, write_folder

if TYPE_CHECKING:
    from models.verification.scoreboard import Scoreboard


KEPT = 7
"""Scoreboards of the last nights that are kept."""


def store_scoreboard(*, asof: datetime, settings: Settings) -> None:
    """Store the scoreboard of a moment for the trees of later nights; the oldest are removed."""
    from models.verification.scoreboard import make_scoreboard, write_scoreboard
    from pipeline.exchange.publication import folder_name
    from pipeline.storage.records import Records

    files = write_scoreboard(make_scoreboard(Records(settings.database), asof=asof))
    folder = settings.scoreboard_dir / folder_name(asof)
    if folder.is_dir():  # a part of it is never taken for all: the draft is removed with the next
        draft = folder.with_name(f".draft-{folder.name}")
        shutil.rmtree(draft, ignore_errors=True)
        folder.replace(draft)
    make_private_folder(settings.scoreboard_dir)
    write_folder(folder, files)
    for old in sorted(settings.scoreboard_dir.glob("2*"))[:-KEPT]:
        shutil.rmtree(old)


def read_scoreboard(*, asof: datetime, settings: Settings) -> dict[str, bytes]:
    """Read the last scoreboard stored before a moment: content by path, empty where none was.

    Anything else in its place is left out: no score stops an alert.
    """
    from pipeline.exchange.publication import folder_name

    stored = sorted(settings.scoreboard_dir.glob("2*"))
    earlier = [folder for folder in stored if folder.name < folder_name(asof) and folder.is_dir()]
    paths = earlier[-1].glob("*.csv") if earlier else ()
    return {path.name: path.read_bytes() for path in sorted(paths) if path.is_file()}


def is_scored(*, asof: datetime, settings: Settings) -> bool:
    """Whether the scoreboard of the nights before a moment is stored."""
    from pipeline.exchange.publication import folder_name

    return (settings.scoreboard_dir / folder_name(asof)).is_dir()


def scoreboard(
    *, asof: datetime, settings: Settings | None = None, folder: Path | None = None
) -> Scoreboard:
    """Make the scoreboard of what the nights before ``asof`` had issued.

    Parameters
    ----------
    folder
        Folder for ``scoreboard.csv``, ``misses.csv``, ``reliability.csv``, ``warnings.csv`` and
        ``ground_reports.csv``; without one nothing is written.
    """
    from models.verification.scoreboard import make_scoreboard, write_scoreboard
    from pipeline.storage.records import Records

    settings = settings or Settings()
    made = make_scoreboard(Records(settings.database), asof=asof)
    if folder is not None:
        folder.mkdir(parents=True, exist_ok=True)
        for name, content in write_scoreboard(made).items():
            (folder / name).write_bytes(content)
    return made

"""Steps that score what was issued; they share the parameters of :mod:`pipeline.steps`."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING

from pipeline.settings import Settings

if TYPE_CHECKING:
    from models.verification.scoreboard import Scoreboard


def scoreboard(
    *, asof: datetime, settings: Settings | None = None, folder: Path | None = None
) -> Scoreboard:
    """Make the scoreboard of what the nights before ``asof`` had issued.

    Parameters
    ----------
    folder
        Folder for ``scoreboard.csv``, ``misses.csv``, ``reliability.csv`` and ``warnings.csv``;
        without one nothing is written.
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

from __future__ import annotations

from pathlib import Path

import pytest

from models.verification.scoreboard import make_scoreboard, write_scoreboard
from pipeline import console, scoring
from pipeline.settings import Settings
from pipeline.storage import database
from pipeline.storage.records import Records
from tests.models.verification.issued_cases import (
    ONE_WARNED,
    TWO_FLOODS,
    moment,
    store_nights,
    store_readings,
)

ASOF = moment(70)


def test_the_step_writes_the_files_and_the_command_names_the_misses(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    settings = Settings(data_dir=tmp_path / "data", upstream="archive", records_url=None)
    store = Records(settings.database)
    store_nights(store, ONE_WARNED)
    store_readings(store, TWO_FLOODS, asof=ASOF)
    board = scoring.scoreboard(asof=ASOF, settings=settings, folder=tmp_path / "out")
    files = {path.name: path.read_bytes() for path in (tmp_path / "out").iterdir()}
    assert files == write_scoreboard(board)
    console.print_scoreboard(board)
    said = capsys.readouterr().out
    assert "missed: Exercise, pakse, flood on 2026-08-10 (no warning), highest 12.30 m" in said
    with store.database.engine.begin() as connection:
        connection.execute(database.alerts.delete())
    console.print_scoreboard(make_scoreboard(store, asof=ASOF))
    assert "no event and no settled warning" in capsys.readouterr().out

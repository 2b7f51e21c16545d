from __future__ import annotations

from pathlib import Path

import pytest

from models.verification.scoreboard import make_scoreboard, write_scoreboard
from pipeline import console, scoring, steps
from pipeline.ground_reports.reports import GroundReport, GroundReports
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
TABLES = {
    "scoreboard.csv", "misses.csv", "reliability.csv", "warnings.csv", "ground_reports.csv",
}  # fmt: skip


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return Settings(data_dir=tmp_path / "data", upstream="archive", records_url=None)


def test_the_step_writes_the_files_and_the_command_names_the_misses(
    settings: Settings, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    store = Records(settings.database)
    store_nights(store, ONE_WARNED)
    store_readings(store, TWO_FLOODS, asof=ASOF)
    board = scoring.scoreboard(asof=ASOF, settings=settings, folder=tmp_path / "out")
    files = {path.name: path.read_bytes() for path in (tmp_path / "out").iterdir()}
    assert files == write_scoreboard(board)
    assert {*files} == TABLES
    console.print_scoreboard(board)
    said = capsys.readouterr().out
    assert "missed: Exercise, pakse, flood on 2026-08-10 (no warning), highest 12.30 m" in said
    with store.database.engine.begin() as connection:
        connection.execute(database.alerts.delete())
    console.print_scoreboard(make_scoreboard(store, asof=ASOF))
    assert "no event and no settled warning" in capsys.readouterr().out


def test_the_command_prints_the_reports_apart(
    settings: Settings, capsys: pytest.CaptureFixture[str]
) -> None:
    store = Records(settings.database)
    store_nights(store, ONE_WARNED)
    dry, flooded = moment(18.25), moment(38.25)
    reports = [
        GroundReport("s", "pakse", "dry", None, dry, dry, "text", ""),
        GroundReport("s", "pakse", "flooded", None, flooded, flooded, "text", ""),
    ]
    GroundReports(store.database).add(reports, asof=flooded)
    console.print_scoreboard(scoring.scoreboard(asof=ASOF, settings=settings))
    said = capsys.readouterr().out
    assert "no event and no settled warning" in said
    assert (
        "reported: Exercise, pakse: 1 flooded, 1 of them with no level in force (days: "
        "2026-08-08); 1 dry, 0 of them under an Emergency; warned on 0 of 1 days with a flood"
    ) in " ".join(said.split())


def test_a_night_reads_the_last_scoreboard_stored_before_it(settings: Settings) -> None:
    store = Records(settings.database)
    assert scoring.read_scoreboard(asof=ASOF, settings=settings) == {}
    store_nights(store, ONE_WARNED)
    store_readings(store, TWO_FLOODS, asof=ASOF)
    for day in (20, 40):
        scoring.store_scoreboard(asof=moment(day), settings=settings)
    first, second = (write_scoreboard(make_scoreboard(store, asof=moment(day))) for day in (20, 40))
    assert first != second
    read = {
        day: scoring.read_scoreboard(asof=moment(day), settings=settings)
        for day in (19, 20, 20.5, 40, 41)
    }
    assert read == {19: {}, 20: {}, 20.5: first, 40: first, 41: second}


@pytest.mark.slow
def test_a_second_verify_replaces_the_folder_of_its_moment(settings: Settings) -> None:
    store = Records(settings.database)
    store_nights(store, ONE_WARNED)
    scoring.store_scoreboard(asof=ASOF, settings=settings)
    folder = settings.scoreboard_dir / "20260909T0030Z"
    (folder / "old.csv").write_bytes(b"")
    before = (folder / "misses.csv").read_bytes()
    store_readings(store, TWO_FLOODS, asof=ASOF)
    scoring.store_scoreboard(asof=ASOF, settings=settings)
    assert {path.name for path in folder.iterdir()} == TABLES
    assert (folder / "misses.csv").read_bytes() != before
    assert [path.name for path in settings.scoreboard_dir.iterdir()] == [folder.name]


def test_a_verify_killed_while_it_replaces_its_folder_leaves_none_or_a_whole_one(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    def killed(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    scoring.store_scoreboard(asof=ASOF, settings=settings)
    folder = settings.scoreboard_dir / "20260909T0030Z"
    for name in ("write_folder", "make_private_folder"):
        with monkeypatch.context() as patch:
            patch.setattr(scoring, name, killed)
            with pytest.raises(KeyboardInterrupt):
                scoring.store_scoreboard(asof=ASOF, settings=settings)
        assert not scoring.is_scored(asof=ASOF, settings=settings)
        scoring.store_scoreboard(asof=ASOF, settings=settings)
        assert {path.name for path in folder.iterdir()} == TABLES
        assert [path.name for path in settings.scoreboard_dir.iterdir()] == [folder.name]


@pytest.mark.slow
def test_the_last_seven_are_kept(settings: Settings) -> None:
    for day in (9, 3, 1, 2, 4, 5, 6, 7, 8):
        scoring.store_scoreboard(asof=moment(day), settings=settings)
    kept = sorted(path.name for path in settings.scoreboard_dir.iterdir())
    assert kept == [f"202607{day + 1:02d}T0030Z" for day in range(3, 10)]
    assert settings.scoreboard_dir.stat().st_mode & 0o077 == 0


def test_a_night_publishes_the_scoreboard_of_the_night_before(tmp_path: Path) -> None:
    settings = Settings(data_dir=tmp_path / "data", upstream="virtual", records_url=None)
    store_readings(Records(settings.database), TWO_FLOODS[:10], asof=moment(9))
    trees = []
    for day in (9, 10):
        steps.forecast(asof=moment(day), settings=settings)
        steps.publish(asof=moment(day), settings=settings)
        steps.verify(asof=moment(day), settings=settings)
        folder = settings.published_dir / "latest"
        trees.append({path.name: path.read_bytes() for path in folder.glob("*.csv")})
    assert not TABLES & {*trees[0]}
    assert {name: trees[1][name] for name in TABLES} == scoring.read_scoreboard(
        asof=moment(10), settings=settings
    )
    steps.publish(asof=moment(10), settings=settings)
    again = {path.name: path.read_bytes() for path in folder.glob("*.csv")}
    assert again == trees[1], "its own scoreboard is of the next night"

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import pytest

from pipeline.ground_reports.coded_text import NO_LETTER, UnreadText
from pipeline.ground_reports.intake import Intake, add_drop, add_observation, add_text
from pipeline.ground_reports.reports import GroundReport, GroundReports
from pipeline.settings import Settings
from pipeline.storage.atomic import BrokenState
from pipeline.storage.database import Database

RECEIVED = datetime(2026, 8, 20, 7, 20, tzinfo=UTC)
SEEN = datetime(2026, 8, 20, 7, 5, tzinfo=UTC)


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return Settings(data_dir=tmp_path / "data")


def stored(settings: Settings) -> list[GroundReport]:
    return GroundReports(Database(settings.database)).read(asof=RECEIVED)


@pytest.mark.sqlite
def test_a_text_is_stored_under_a_pseudonym(settings: Settings) -> None:
    intake = add_text("fl17u 30 14:05", sender="+66812345678", asof=RECEIVED, settings=settings)
    assert intake == Intake(1, 1, answer="Read: flooded, Bueng Kan, 30 cm, 20 Aug 14:05")
    (report,) = stored(settings)
    assert (report.city, report.valid_time, report.text) == ("bueng_kan", SEEN, "fl17u 30 14:05")
    assert b"812345678" not in Path(settings.data_dir / "records.db").read_bytes()


def test_an_unread_text_stores_nothing(settings: Settings) -> None:
    with pytest.raises(UnreadText):
        add_text("FL 17X 30 1405", sender="A", asof=RECEIVED, settings=settings)
    assert stored(settings) == []


def test_a_text_in_doubt_is_stored_with_it(settings: Settings) -> None:
    intake = add_text("FL 17 30 1405", sender="A", asof=RECEIVED, settings=settings)
    assert (intake.added, intake.in_doubt) == (1, 1)
    assert [report.doubt for report in stored(settings)] == [NO_LETTER]
    add_text("FL 17U 30 1405", sender="A", asof=RECEIVED, settings=settings)
    assert [report.doubt for report in stored(settings)] == [""]


@pytest.mark.parametrize("text", ["FL 17U 30 1405", "FL 17 30 1405", "fl 17u 1405", "FL 17 1405"])
def test_a_text_that_says_no_more_is_answered_with_what_is_counted(
    settings: Settings, text: str
) -> None:
    add_text("FL 17U 30 1405", sender="A", asof=RECEIVED, settings=settings)
    again = add_text(text, sender="A", asof=RECEIVED, settings=settings)
    answer = "Counted already: flooded, Bueng Kan, 30 cm, 20 Aug 14:05"
    assert again == Intake(1, 0, answer=answer)
    other = add_text(text, sender="B", asof=RECEIVED, settings=settings)
    assert (other.added, other.answer.startswith("Counted")) == (1, False)


def test_the_last_depth_of_a_sender_counts_once(settings: Settings) -> None:
    for depth in (30, 300):
        intake = add_text(f"FL 17U {depth} 1405", sender="A", asof=RECEIVED, settings=settings)
        answer = f"Read: flooded, Bueng Kan, {depth} cm, 20 Aug 14:05"
        assert intake == Intake(1, 1, answer=answer)
    assert [report.depth_cm for report in stored(settings)] == [300]
    unlettered = add_text("FL 17 30 1405", sender="A", asof=RECEIVED, settings=settings)
    assert unlettered.answer.startswith("Not counted yet: flooded, Bueng Kan, 30 cm")
    assert [report.depth_cm for report in stored(settings)] == [300]


def test_a_text_in_doubt_that_comes_again_is_still_not_counted(settings: Settings) -> None:
    for added in (1, 0):
        intake = add_text("FL 17 30 1405", sender="A", asof=RECEIVED, settings=settings)
        assert (intake.added, intake.in_doubt) == (added, 1)
        assert intake.answer.startswith("Not counted yet: ")


def test_a_text_and_an_observation_of_one_sender_are_one_report(settings: Settings) -> None:
    add_text("FL 17U 30 1405", sender="A", asof=RECEIVED, settings=settings)
    given = {"at": SEEN, "depth_cm": 30, "asof": RECEIVED, "settings": settings}
    again = add_observation("bueng_kan", "flooded", sender="A", **given)  # type: ignore[arg-type]
    assert (again.read, again.added) == (1, 0)
    other = add_observation("bueng_kan", "flooded", sender="B", **given)  # type: ignore[arg-type]
    assert other.added == 1
    assert [report.channel for report in stored(settings)] == ["text", "command"]


def test_a_city_that_is_not_known(settings: Settings) -> None:
    with pytest.raises(LookupError, match="found 'nowhere'"):
        add_observation("nowhere", "dry", at=SEEN, sender="A", asof=RECEIVED, settings=settings)


def test_a_folder_is_read_whole_and_the_same_again_adds_nothing(
    settings: Settings, tmp_path: Path
) -> None:
    folder = tmp_path / "drop"
    folder.mkdir()
    for name, sender in (("a.csv", "A"), ("b.csv", "B")):
        (folder / name).write_text(
            f"received_at,sender,text\n2026-08-20T07:20Z,{sender},FL 17U 30 1405\n"
            f"2026-08-20T07:20Z,{sender},hello\n"
        )
    (folder / "notes.txt").write_text("nothing")
    first = add_drop(folder, asof=RECEIVED, settings=settings)
    assert (first.read, first.added) == (2, 2)
    assert [(row.file, row.line) for row in first.bad] == [("a.csv", 3), ("b.csv", 3)]
    again = add_drop(folder, asof=RECEIVED, settings=settings)
    assert (again.read, again.added, len(again.bad)) == (2, 0, 2)
    assert Database(settings.database).batch == 1
    assert add_drop(folder / "a.csv", asof=RECEIVED, settings=settings).added == 0
    assert sorted(path.name for path in folder.iterdir()) == ["a.csv", "b.csv", "notes.txt"]


def test_measured_reports_cannot_come_from_the_future(tmp_path: Path) -> None:
    file = tmp_path / "drop.csv"
    file.write_text("received_at,sender,text\n2026-08-20T07:21Z,A,FL 17U 30 1405\n")
    measured = Settings(data_dir=tmp_path / "measured", upstream="internet")
    (bad,) = add_drop(file, asof=RECEIVED, settings=measured).bad
    assert "received_at: expected no later than now" in bad.reason
    virtual = Settings(data_dir=tmp_path / "virtual")
    assert add_drop(file, asof=RECEIVED, settings=virtual).added == 1


def test_a_drop_that_is_not_there(settings: Settings, tmp_path: Path) -> None:
    for path in (tmp_path / "nowhere.csv", tmp_path):
        with pytest.raises(FileNotFoundError, match="expected a CSV file of reports"):
            add_drop(path, asof=RECEIVED, settings=settings)


@pytest.mark.sqlite
def test_damaged_tables_stop_it(settings: Settings) -> None:
    settings.data_dir.mkdir()
    (settings.data_dir / "records.db").touch()
    with pytest.raises(BrokenState, match="expected an SQLite database"):
        add_text("FL 17U 30 1405", sender="A", asof=RECEIVED, settings=settings)

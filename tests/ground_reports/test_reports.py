from __future__ import annotations

import stat
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
import sqlalchemy as sa

from pipeline.ground_reports.reports import GroundReport, GroundReports, pseudonym, read_key
from pipeline.storage.database import Database, ground_reports

SEEN = datetime(2026, 8, 20, 7, 5, tzinfo=UTC)
REPORT = GroundReport(
    "a", "pakse", "flooded", 30, SEEN, SEEN + timedelta(minutes=9), "text", "FL 26V 30 1405"
)
LATER = SEEN + timedelta(days=1)


@pytest.fixture
def url(tmp_path: Path) -> str:
    return f"sqlite:///{tmp_path / 'records.db'}"


def test_a_report_comes_back_as_it_was(url: str) -> None:
    reports = GroundReports(Database(url))
    assert reports.add([REPORT], asof=LATER) == 1
    assert reports.read(asof=LATER) == [REPORT]
    assert reports.read(asof=LATER, city="kratie") == []
    assert reports.read(asof=LATER, start=SEEN + timedelta(minutes=1)) == []


def test_the_same_report_is_stored_once_and_makes_no_ingest(url: str) -> None:
    database = Database(url)
    reports = GroundReports(database)
    again = replace(REPORT, channel="csv", received_at=LATER)
    assert reports.add([REPORT, again], asof=LATER) == 1
    assert reports.add([REPORT], asof=LATER) == 0
    assert reports.add([again], asof=LATER) == 0
    assert database.batch == 1
    assert reports.read(asof=LATER) == [REPORT]


@pytest.mark.parametrize(
    "other",
    [
        replace(REPORT, sender="b"),
        replace(REPORT, city="kratie"),
        replace(REPORT, observation="dry", depth_cm=None),
        replace(REPORT, valid_time=SEEN + timedelta(minutes=1)),
    ],
)
def test_another_sender_city_time_or_observation_is_another_report(
    url: str, other: GroundReport
) -> None:
    assert GroundReports(Database(url)).add([REPORT, other], asof=LATER) == 2


def test_a_report_is_known_from_when_it_was_received(url: str) -> None:
    reports = GroundReports(Database(url))
    reports.add([REPORT], asof=LATER)
    assert reports.read(asof=REPORT.received_at - timedelta(seconds=1)) == []
    assert reports.read(asof=REPORT.received_at) == [REPORT]


def test_a_replay_sees_the_reports_of_its_batch(url: str) -> None:
    reports = GroundReports(Database(url))
    reports.add([REPORT], asof=LATER)
    reports.add([replace(REPORT, sender="b")], asof=LATER)
    assert GroundReports(Database(url, batch=1)).read(asof=LATER) == [REPORT]
    assert len(reports.read(asof=LATER)) == 2


def test_a_confirmed_report_stands_in_place_of_the_one_in_doubt(url: str) -> None:
    reports = GroundReports(Database(url))
    doubted = replace(REPORT, doubt="no letter")
    assert reports.add([doubted], asof=LATER) == 1
    assert reports.read(asof=LATER) == [doubted]
    assert reports.add([REPORT], asof=LATER) == 1
    assert reports.read(asof=LATER) == [REPORT]
    assert reports.add([doubted], asof=LATER) == 0


def test_a_report_in_doubt_adds_nothing_to_a_confirmed_one_of_the_same_file(url: str) -> None:
    reports = GroundReports(Database(url))
    assert reports.add([replace(REPORT, doubt="no letter"), REPORT], asof=LATER) == 1


def after(minutes: int, depth_cm: int | None) -> GroundReport:
    moment = REPORT.received_at + timedelta(minutes=minutes)
    return replace(REPORT, received_at=moment, depth_cm=depth_cm)


def test_another_depth_is_a_correction_of_the_same_report(url: str) -> None:
    reports = GroundReports(Database(url))
    series = [REPORT, after(1, 300), after(2, 30)]
    for report in series:
        assert reports.add([report], asof=LATER) == 1
        assert reports.read(asof=LATER) == [report], "the last received stands"
    assert reports.read(asof=REPORT.received_at + timedelta(minutes=1)) == [after(1, 300)]
    assert reports.add(series[::-1], asof=LATER) == 0, "the same file again"
    assert reports.add([after(3, 30)], asof=LATER) == 0


def test_a_correction_stands_that_was_stored_before_what_it_corrects(url: str) -> None:
    reports = GroundReports(Database(url))
    assert reports.add([after(1, 300)], asof=LATER) == 1
    assert reports.add([REPORT], asof=LATER) == 1
    assert reports.read(asof=LATER) == [after(1, 300)]


def test_corrections_of_one_stamp_are_added_once(url: str) -> None:
    reports = GroundReports(Database(url))
    both = [REPORT, after(0, 300)]
    assert reports.add(both, asof=LATER) == 2
    assert reports.read(asof=LATER) == [after(0, 300)]
    assert reports.add(both, asof=LATER) == 0


def test_a_report_without_a_depth_takes_none_away(url: str) -> None:
    reports = GroundReports(Database(url))
    assert reports.add([after(1, None)], asof=LATER) == 1
    assert reports.add([REPORT], asof=LATER) == 1, "it has a depth, which the stored one has not"
    assert reports.add([after(2, None)], asof=LATER) == 0
    assert reports.read(asof=LATER) == [REPORT]


def test_a_correction_in_doubt_waits(url: str) -> None:
    reports = GroundReports(Database(url))
    reports.add([REPORT], asof=LATER)
    assert reports.add([replace(after(1, 300), doubt="no letter")], asof=LATER) == 1
    assert reports.read(asof=LATER) == [REPORT]
    assert reports.add([after(2, 300)], asof=LATER) == 1
    assert reports.read(asof=LATER) == [after(2, 300)]


def test_tables_of_before_take_corrections_and_keep_their_reports(url: str) -> None:
    database = Database(url)
    GroundReports(database).add([REPORT, replace(REPORT, sender="b")], asof=LATER)
    narrow = "UNIQUE (sender, city, valid_time, observation, doubt)"
    with database.engine.begin() as connection:
        made = str(sa.schema.CreateTable(ground_reports).compile(connection))
        head, _, tail = made.partition("UNIQUE (")
        rows = connection.execute(sa.select(ground_reports)).mappings().all()
        ground_reports.drop(connection)
        connection.execute(sa.text(f"{head}{narrow}{tail.partition(')')[2]}"))
        connection.execute(ground_reports.insert(), [dict(row) for row in rows])
    reports = GroundReports(Database(url))
    assert reports.add([after(1, 300)], asof=LATER) == 1
    assert {*reports.read(asof=LATER)} == {after(1, 300), replace(REPORT, sender="b")}
    assert {*GroundReports(Database(url, batch=1)).read(asof=LATER)} == {
        REPORT, replace(REPORT, sender="b"),
    }  # fmt: skip


def test_a_pseudonym_is_the_same_for_one_number_and_hides_it() -> None:
    name = pseudonym("+855 12 345 678", key=b"key")
    assert len(name) == 32
    assert "12345678" not in name
    assert pseudonym(" 00855-12-345-678 ", key=b"key") == name
    assert pseudonym("+855 12 345 679", key=b"key") != name
    assert pseudonym("+855 12 345 678", key=b"other") != name, "the key is needed to try numbers"
    assert pseudonym("Sok  Dara", key=b"key") == pseudonym("sok dara", key=b"key")


def test_the_key_is_made_once_for_its_owner_alone(tmp_path: Path) -> None:
    folder = tmp_path / "data"
    key = read_key(folder)
    assert len(key) == 32
    assert read_key(folder) == key
    assert stat.S_IMODE((folder / "sender.key").stat().st_mode) == 0o600
    assert [path.name for path in folder.iterdir()] == ["sender.key"]
    assert read_key(tmp_path / "other") != key

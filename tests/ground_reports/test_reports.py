from __future__ import annotations

import stat
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
import sqlalchemy as sa

from pipeline.ground_reports.reports import GroundReport, GroundReports, pseudonym, read_key
from pipeline.storage.database import Database, ground_reports, ingests

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
    again = replace(REPORT, depth_cm=40, channel="csv", received_at=LATER)
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


def test_tables_of_before_get_the_table_of_reports(url: str) -> None:
    engine = Database(url).engine
    with engine.begin() as connection:
        ground_reports.drop(connection)
    assert GroundReports(Database(url)).add([REPORT], asof=LATER) == 1
    with engine.connect() as connection:
        assert connection.scalars(sa.select(ingests.c.source)).all() == ["ground_reports"]


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

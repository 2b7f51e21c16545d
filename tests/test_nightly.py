from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from pipeline import nightly, steps
from pipeline.scoring import is_scored
from pipeline.settings import Settings
from pipeline.storage.records import Records
from tests.watch.watch_cases import NIGHT, Basin, refers

FIRST = datetime(2026, 8, 20, 0, 30, tzinfo=UTC)
DAY = timedelta(days=1)


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return Settings(data_dir=tmp_path / "data", upstream="virtual", records_url=None)


def issue(settings: Settings, asof: datetime) -> None:
    steps.forecast(asof=asof, settings=settings)
    steps.publish(asof=asof, settings=settings)


def test_missed_nights_are_those_since_the_last_that_was_issued(settings: Settings) -> None:
    assert nightly.find_missed(asof=FIRST, settings=settings) == []
    issue(settings, FIRST)
    for asof, missed in (
        (FIRST, 0),
        (FIRST + DAY, 0),
        (FIRST + DAY + timedelta(minutes=40), 1),
        (FIRST + 3 * DAY, 2),
    ):
        nights = [FIRST + (count + 1) * DAY for count in range(missed)]
        assert nightly.find_missed(asof=asof, settings=settings) == nights
    for days, count in ((11, 10), (12, 0)):
        found = nightly.find_missed(asof=FIRST + days * DAY, settings=settings)
        assert len(found) == count


def test_missed_nights_are_issued_in_order_without_a_message(settings: Settings) -> None:
    issue(settings, FIRST)
    today = FIRST + 3 * DAY
    assert nightly.catch_up(asof=today, settings=settings) == [FIRST + DAY, FIRST + 2 * DAY]
    issue(settings, today)
    runs = Records(settings.database).runs()[::-1]
    assert [(run["issue_time"], run["late"]) for run in runs] == [
        (FIRST, False), (FIRST + DAY, True), (FIRST + 2 * DAY, True), (today, False),
    ]  # fmt: skip
    assert [run["follows"] and run["follows"][0] for run in runs] == [
        None, FIRST.isoformat(), (FIRST + DAY).isoformat(), (FIRST + 2 * DAY).isoformat(),
    ]  # fmt: skip
    scored = [is_scored(asof=FIRST + count * DAY, settings=settings) for count in range(3)]
    assert scored == [True, True, False], "each before the next, the last by the night's own"
    assert nightly.catch_up(asof=today, settings=settings) == []


def test_a_missed_night_that_had_been_forecast_in_time_sends_nothing_late(
    settings: Settings,
) -> None:
    issue(settings, FIRST)
    missed = FIRST + DAY
    steps.forecast(asof=missed, settings=settings)  # and its publication failed
    assert nightly.catch_up(asof=FIRST + 2 * DAY, settings=settings) == [missed]
    records = Records(settings.database)
    run = records.run(missed)
    assert (run["revision"], run["late"]) == (1, True)
    assert records.last_issued(before=FIRST + 2 * DAY) == (missed, 1)
    steps.forecast(asof=missed, settings=settings, late=True)
    assert records.run(missed) == run


def test_a_flood_over_a_missed_night_is_told_in_one_chain(tmp_path: Path) -> None:
    basin = Basin(tmp_path)
    basin.calm(12.7)
    basin.night()
    missed, today = NIGHT + DAY, NIGHT + 2 * DAY
    basin.read(
        [(NIGHT + timedelta(hours=hour), 12.8) for hour in (11, 23, 35, 47)], asof=today
    )  # fmt: skip
    assert nightly.catch_up(asof=today, settings=basin.settings) == [missed]
    assert (basin.facts()["level"], basin.facts()["change"]) == ("emergency", None)
    assert refers(basin.chain()) == [[]]
    basin.night(today)
    first, second = (f"mekong-{of:%Y%m%dT%H%MZ}-vientiane-flood-r0" for of in (NIGHT, today))
    assert [row["identifier"] for row in basin.chain()] == [first, second]
    assert refers(basin.chain()) == [[], [first]]
    assert len({row["incidents"] for row in basin.chain()}) == 1


def test_the_night_before_is_scored_once(settings: Settings) -> None:
    nightly.verify_last(asof=FIRST, settings=settings)
    assert not settings.scoreboard_dir.exists()
    issue(settings, FIRST)
    nightly.verify_last(asof=FIRST + DAY, settings=settings)
    stored = sorted(settings.scoreboard_dir.rglob("*.csv"))
    assert is_scored(asof=FIRST, settings=settings)
    written = [path.stat().st_mtime_ns for path in stored]
    nightly.verify_last(asof=FIRST + DAY, settings=settings)
    assert [path.stat().st_mtime_ns for path in stored] == written

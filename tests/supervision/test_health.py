from __future__ import annotations

import json
import os
import stat
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from pipeline.exchange.publication import publish_tree
from pipeline.exchange.tree_check import verify_tree
from pipeline.settings import Settings
from pipeline.supervision import health
from pipeline.supervision.health import observe_health, read_last_good, write_health
from pipeline.supervision.notice_book import open_book
from tests.exchange.key_cases import keys_of, write_tree
from tests.exchange.schema_cases import find_faults
from tests.supervision.conftest import ISSUED, NOW
from tests.supervision.test_inspection import (
    add_file,
    break_latest,
    empty_file,
    flip_byte,
    lose_latest,
    newest,
    spoil,
)
from tests.supervision.test_metrics import parse


def sound(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let every source have brought what it should."""
    rows = [
        {"source": "gauges", "latest": "2026-08-20T00:00:00Z", "age_hours": 1.5,
         "usual_hours": 12.0, "late": False}
    ]  # fmt: skip
    monkeypatch.setattr(health, "_read_sources", lambda *_, **__: rows)


def test_a_good_night_is_fine(night: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    sound(monkeypatch)
    found = observe_health(night, asof=NOW)
    assert (found["state"], found["not_known"], found["to_do"]) == ("fine", [], [])
    assert found["status"] == "Exercise"
    assert found["last_good_night"] == {"issue_time": "2026-08-20T00:30:00Z", "age_hours": 1.0}
    assert found["dead_man"] == {
        "limit_hours": 26.0, "due_by": "2026-08-21T02:30:00Z", "over": False,
    }  # fmt: skip
    index = json.loads((newest(night.published_dir) / "index.json").read_bytes())
    assert found["alerts"] == index["levels"]
    assert sum(found["tiers"].values()) == 24, "cities with a gauge"
    assert found["versions"]["published"] == index["version"]
    assert found["disk"]["free_bytes"] > 0
    assert find_faults(found, "health") == []


def test_ages_are_those_of_the_tables(night: Settings) -> None:
    found = observe_health(night, asof=NOW)
    ages = {row["source"]: row for row in found["sources"]}
    assert ages["imerg_daily"]["latest"] is None, "none was ever ingested in this night"
    assert ages["imerg_daily"]["late"] is None
    assert found["state"] == "degraded"


def add_granule(settings: Settings, source: str, age: timedelta) -> None:
    from pipeline.storage.records import Records

    with Records(settings.database).ingest(source, asof=NOW) as batch:
        batch.add_granule(
            "a.nc", start=NOW - age - timedelta(hours=1), end=NOW - age, sha256="0" * 64,
            available_time=NOW - age, origin="virtual",
        )  # fmt: skip


@pytest.mark.parametrize(
    ("age_hours", "late"), [(1, False), (38, False), (67.4, False), (67.6, True)]
)
def test_a_source_is_late_a_quarter_over_its_delay_at_its_last_night(
    night: Settings, age_hours: float, *, late: bool
) -> None:
    """imerg_daily: delay 14 h, one a day, asked for once a night of at most 26 h: 67.5 h."""
    add_granule(night, "imerg_daily", timedelta(hours=age_hours))
    rows = observe_health(night, asof=NOW)["sources"]
    [row] = [row for row in rows if row["source"] == "imerg_daily"]
    assert (row["age_hours"], row["usual_hours"], row["late"]) == (age_hours, 38.0, late)


def lose_tables(settings: Settings) -> None:
    for path in settings.data_dir.glob("records.db*"):
        path.unlink()


def break_tables(settings: Settings) -> None:
    lose_tables(settings)
    (settings.data_dir / "records.db").write_bytes(b"no database" * 1000)


def break_notices(settings: Settings) -> None:
    (settings.data_dir / "notices.json").write_text("{")


def break_last_good(settings: Settings) -> None:
    (settings.published_dir / "last_good_night.txt").write_text("yesterday")


def future_last_good(settings: Settings) -> None:
    (settings.published_dir / "last_good_night.txt").write_text("2027-01-01T00:30:00Z\n")


@pytest.mark.parametrize(
    ("damage", "part"),
    [
        pytest.param(lose_tables, "sources", marks=pytest.mark.sqlite),
        pytest.param(break_tables, "sources", marks=pytest.mark.sqlite),
        (break_notices, "notices"),
        (break_last_good, "last good night"),
        (future_last_good, "last good night"),
    ],
)
def test_what_is_not_known_is_named_and_never_fine(
    night: Settings,
    monkeypatch: pytest.MonkeyPatch,
    damage: Callable[[Settings], None],
    part: str,
) -> None:
    if part != "sources":
        sound(monkeypatch)
    damage(night)
    found = observe_health(night, asof=NOW)
    assert found["state"] == "unknown"
    [line] = found["not_known"]
    assert line.startswith(f"{part}: ")
    assert ("at least 0 to do now" in found["summary"]) == (part == "notices")
    assert find_faults(found, "health") == []
    assert not (damage is lose_tables and (night.data_dir / "records.db").exists())


def test_an_outdated_tree_has_no_alerts_in_force(
    night: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    sound(monkeypatch)
    found = observe_health(night, asof=ISSUED + timedelta(hours=54))
    assert (found["alerts"], found["tiers"]) == (None, None)
    assert found["not_known"] == ["alerts: the tree holds no more since 2026-08-22T06:30:00Z"]
    assert found["state"] == "failing"
    assert found["last_good_night"]["age_hours"] == 54.0, "it was good, and is known to be old"


@pytest.mark.parametrize(("hours", "over"), [(26, False), (26.01, True)])
def test_the_dead_man_is_over_after_26_hours(
    night: Settings, monkeypatch: pytest.MonkeyPatch, hours: float, *, over: bool
) -> None:
    sound(monkeypatch)
    write_health(night, asof=NOW)
    found = observe_health(night, asof=ISSUED + timedelta(hours=hours))
    assert found["dead_man"]["over"] is over
    assert found["state"] == ("failing" if over else "fine")


def test_an_empty_folder_is_failing_and_stays_empty(settings: Settings) -> None:
    found = observe_health(settings, asof=NOW)
    assert found["state"] == "failing"
    assert (found["last_good_night"], found["dead_man"]["over"]) == (None, None)
    assert find_faults(found, "health") == []
    assert not settings.data_dir.exists()


@pytest.mark.parametrize("damage", [lose_latest, break_latest, flip_byte])
def test_a_damaged_tree_keeps_the_last_good_night(
    night: Settings, monkeypatch: pytest.MonkeyPatch, damage: Callable[[Path], None]
) -> None:
    sound(monkeypatch)
    write_health(night, asof=NOW)
    damage(night.published_dir)
    found = write_health(night, asof=NOW + timedelta(hours=1))
    assert found["state"] == "failing"
    assert found["last_good_night"]["issue_time"] == "2026-08-20T00:30:00Z"
    assert found["to_do"][0]["urgency"] == "wake"
    assert read_last_good(night.published_dir) == ISSUED


def test_what_can_wait_is_degraded(night: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    sound(monkeypatch)
    add_file(night.published_dir)
    assert observe_health(night, asof=NOW)["state"] == "degraded"


def note(settings: Settings, fault: str, *, cause: str = "", issued: Any = ISSUED) -> None:
    with open_book(settings) as book:
        book.add(
            fault=fault, kind="failed", dag="mekong_nightly", task="publish", issue_time=issued,
            cause=cause, asof=NOW,
        )  # fmt: skip


def test_a_notice_is_failing_until_a_later_night_is_good(
    night: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    sound(monkeypatch)
    note(night, "step_failed", issued=ISSUED - timedelta(days=1))
    assert observe_health(night, asof=NOW)["state"] == "degraded", "its night is over"
    note(night, "step_failed")
    assert observe_health(night, asof=NOW)["state"] == "failing"


def test_no_exception_is_shown_to_everybody(
    night: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    sound(monkeypatch)
    note(night, "step_failed", cause="ValueError: /home/me/planted")
    write_health(night, asof=NOW)
    for name in ("health.json", "metrics.prom", "last_good_night.txt"):
        assert "planted" not in (night.published_dir / name).read_text()
    assert "publish of mekong_nightly failed" in (night.published_dir / "health.json").read_text()


def test_the_files_are_whole_and_readable_by_all(night: Settings) -> None:
    old = os.umask(0o077)
    try:
        found = write_health(night, asof=NOW)
    finally:
        os.umask(old)
    published = night.published_dir
    assert json.loads((published / "health.json").read_bytes()) == found
    assert (published / "last_good_night.txt").read_text() == "2026-08-20T00:30:00Z\n"
    samples = parse((published / "metrics.prom").read_text())
    assert samples["mekong_last_good_night_timestamp_seconds", ()] == ISSUED.timestamp()
    for name in ("health.json", "metrics.prom", "last_good_night.txt"):
        assert stat.S_IMODE((published / name).stat().st_mode) == 0o644
    assert not list(published.glob(".*.part"))


def test_the_file_of_the_dead_man_keeps_its_time(night: Settings) -> None:
    write_health(night, asof=NOW)
    path = night.published_dir / "last_good_night.txt"
    before = path.stat()
    write_health(night, asof=NOW + timedelta(hours=1))
    assert (path.stat().st_mtime_ns, path.stat().st_ino) == (before.st_mtime_ns, before.st_ino)


def test_they_survive_a_publication_and_are_no_litter(tmp_path: Path, night: Settings) -> None:
    write_health(night, asof=NOW)
    published = night.published_dir
    files = {
        path.relative_to(newest(published)).as_posix(): path.read_bytes()
        for path in newest(published).rglob("*")
        if path.is_file()
    }
    publish_tree(files, folder=published, issue_time=ISSUED)
    names = ("health.json", "metrics.prom", "last_good_night.txt")
    assert all((published / name).is_file() for name in names)
    assert not any((newest(published) / name).exists() for name in names)
    keys = keys_of("A")
    root = write_tree(tmp_path / "signed", keys)
    for name in names:
        (root / name).write_bytes((published / name).read_bytes())
    verify_tree(root, keys.public)


@pytest.mark.parametrize("name", ["health.json", "metrics.prom", "last_good_night.txt"])
def test_no_version_holds_them(tmp_path: Path, name: str) -> None:
    with pytest.raises(ValueError, match="root keeps for itself"):
        publish_tree({"index.json": b"{}", name: b""}, folder=tmp_path, issue_time=ISSUED)


def test_alerts_that_cannot_be_read_have_no_tiers(night: Settings) -> None:
    empty_file(night.published_dir)
    found = observe_health(night, asof=NOW)
    assert (found["state"], found["tiers"]) == ("failing", None)
    assert "tiers: LookupError" in found["not_known"]


def test_odd_values_in_an_index_are_not_known(
    night: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    sound(monkeypatch)
    path = newest(night.published_dir) / "index.json"
    index = json.loads(path.read_bytes()) | {"levels": {"flood": {"watch": "many"}}, "status": 7}
    spoil(path, json.dumps(index).encode())
    found = write_health(night, asof=NOW)
    assert found["state"] == "failing"
    assert found["alerts"] is None
    assert find_faults(found, "health") == []

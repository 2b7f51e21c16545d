from __future__ import annotations

import json
from datetime import timedelta

import pytest

from pipeline.settings import Settings
from pipeline.supervision.notice_book import read_book
from pipeline.supervision.notices import tell
from pipeline.supervision.validation import InvalidTree, validate
from tests.supervision.conftest import ISSUED, NOW
from tests.supervision.test_inspection import add_file, flip_byte, lose_latest, newest


def test_a_good_night_is_written_down(night: Settings) -> None:
    validated = validate(asof=ISSUED, now=NOW, settings=night)
    assert (validated.version, validated.findings) == (newest(night.published_dir).name, ())
    assert read_book(night).notices == []
    text = (night.published_dir / "last_good_night.txt").read_text()
    assert text == "2026-08-20T00:30:00Z\n"
    assert (night.published_dir / "health.json").is_file()


def test_what_can_wait_is_told_and_the_task_is_good(night: Settings) -> None:
    add_file(night.published_dir)
    [finding] = validate(asof=ISSUED, now=NOW, settings=night).findings
    assert finding.code == "file_added"
    [notice] = read_book(night).notices
    assert (notice.fault, notice.kind, notice.urgency) == ("file_added", "invalid", "tomorrow")


def test_what_is_urgent_is_told_once_and_the_tree_stays(night: Settings) -> None:
    flip_byte(night.published_dir)
    before = {path: path.lstat().st_mtime_ns for path in newest(night.published_dir).rglob("*")}
    with pytest.raises(InvalidTree, match=r"file_damaged: risk\.nc: expected") as raised:
        validate(asof=ISSUED, now=NOW, settings=night)
    [notice] = read_book(night).notices
    assert (notice.fault, notice.urgency, notice.times) == ("file_damaged", "wake", 1)
    assert notice.issue_time == ISSUED
    telling = tell(
        dag="mekong_nightly", task="validate", issue_time=ISSUED, kind="failed",
        error=raised.value, asof=NOW, settings=night,
    )  # fmt: skip
    assert telling.notices == (), "the callback of the task tells it no second time"
    after = {path: path.lstat().st_mtime_ns for path in newest(night.published_dir).rglob("*")}
    assert after == before
    assert not (night.published_dir / "last_good_night.txt").exists()


def test_no_tree_at_all(night: Settings) -> None:
    lose_latest(night.published_dir)
    with pytest.raises(InvalidTree, match="tree_absent"):
        validate(asof=ISSUED, now=NOW, settings=night)
    state = json.loads((night.published_dir / "health.json").read_bytes())
    assert (state["state"], state["to_do"][0]["urgency"]) == ("failing", "wake")


def test_a_night_that_did_not_replace_the_tree(night: Settings) -> None:
    day = timedelta(days=1)
    with pytest.raises(InvalidTree, match="tree_old: expected a tree of 2026-08-21 00:30Z"):
        validate(asof=ISSUED + day, now=NOW + day, settings=night)


def test_a_clock_that_was_a_day_ahead(night: Settings) -> None:
    day = timedelta(days=1)
    with pytest.raises(InvalidTree, match="tree_future"):
        validate(asof=ISSUED - day, now=NOW - day, settings=night)


def test_an_older_night_that_is_made_up_is_no_fault(night: Settings) -> None:
    assert validate(asof=ISSUED - timedelta(days=3), now=NOW, settings=night).findings == ()

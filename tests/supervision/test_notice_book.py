from __future__ import annotations

import stat
import threading
from dataclasses import replace
from datetime import timedelta

import pytest

from pipeline.settings import Settings
from pipeline.storage.atomic import BrokenState
from pipeline.supervision import notice_book
from pipeline.supervision.notice_book import (
    Notice,
    NoticeBook,
    locate_book,
    open_book,
    read_book,
)
from tests.supervision.conftest import ISSUED, NOW


def add(book: NoticeBook, task: str = "publish", fault: str = "step_failed") -> Notice:
    return book.add(
        fault=fault, kind="failed", dag="mekong_nightly", task=task, issue_time=ISSUED,
        cause="it broke", asof=NOW,
    )  # fmt: skip


def test_what_is_noted_is_read_again_and_private(settings: Settings) -> None:
    with open_book(settings) as book:
        first = add(book)
    assert read_book(settings).notices == [first]
    assert stat.S_IMODE(locate_book(settings).stat().st_mode) == 0o600
    assert len(first.identifier) == 8


def test_the_same_fault_is_counted(settings: Settings) -> None:
    with open_book(settings) as book:
        add(book)
        again = add(book)
    assert (again.times, len(read_book(settings).notices)) == (2, 1)


def test_nothing_is_read_from_nothing_and_nothing_is_made(settings: Settings) -> None:
    assert read_book(settings) == NoticeBook()
    assert not settings.data_dir.exists()


@pytest.mark.parametrize("content", [b"", b"[", b"[]", b'{"notices": [{"fault": 1}]}'])
def test_a_damaged_file_is_put_aside(settings: Settings, content: bytes) -> None:
    settings.data_dir.mkdir()
    locate_book(settings).write_bytes(content)
    with pytest.raises(BrokenState, match="found another content"):
        read_book(settings)
    with open_book(settings) as book:
        add(book)
    assert len(read_book(settings).notices) == 1
    assert (settings.data_dir / "notices.json.damaged").read_bytes() == content


def test_many_processes_lose_none(settings: Settings) -> None:
    def note(number: int) -> None:
        with open_book(settings) as book:
            add(book, task=f"t{number}")

    threads = [threading.Thread(target=note, args=(number,)) for number in range(12)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert {one.task for one in read_book(settings).notices} == {f"t{n}" for n in range(12)}


def test_open_ones_are_kept_before_others(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(notice_book, "MOST_KEPT", 3)
    with open_book(settings) as book:
        add(book, "wakes")
        add(book, "waits", "side_failed")
        for number in range(5):
            done = add(book, f"done{number}")
            book.put(replace(done, acknowledged=NOW, last=NOW + timedelta(number)))
    assert {one.task for one in read_book(settings).notices} == {"wakes", "waits", "done4"}


def test_urgent_ones_come_first() -> None:
    book = NoticeBook()
    add(book, "verify", "side_failed")
    add(book)
    assert [one.urgency for one in book.list_open()] == ["wake", "tomorrow"]


def test_a_fault_of_another_version_wakes_somebody() -> None:
    notice = add(NoticeBook(), fault="of_a_later_version")
    assert (notice.urgency, notice.entry.link) == ("wake", "docs/operator.md")


def test_a_failing_write_keeps_what_was(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    with open_book(settings) as book:
        first = add(book)

    def full(*_: object) -> int:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("pathlib.Path.write_bytes", full)
    with pytest.raises(OSError, match="No space"), open_book(settings) as book:
        add(book, "other")
    monkeypatch.undo()
    assert read_book(settings).notices == [first]

"""Files and folders are written whole or not at all, by one at a time."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
import time
from datetime import UTC, datetime
from pathlib import Path

import pytest

from pipeline.storage.atomic import (
    Busy,
    draft_file,
    draft_folder,
    locked,
    make_private_folder,
    open_locked,
    point_link,
    set_published,
    write_folder,
)


def test_a_draft_takes_its_name_whole_or_goes(tmp_path: Path) -> None:
    path = tmp_path / "a.nc"
    path.write_text("old")
    with pytest.raises(RuntimeError), draft_file(path) as draft:
        draft.write_text("half")
        raise RuntimeError
    assert path.read_text() == "old"
    with draft_file(path) as draft:
        draft.write_text("new")
        assert path.read_text() == "old"
    assert path.read_text() == "new"
    assert list(tmp_path.iterdir()) == [path]


def test_a_draft_that_cannot_take_its_name_goes(tmp_path: Path) -> None:
    (tmp_path / "folder.nc").mkdir()
    with pytest.raises(IsADirectoryError), draft_file(tmp_path / "folder.nc") as draft:
        draft.write_text("content")
    assert [path.name for path in tmp_path.iterdir()] == ["folder.nc"]


def test_of_two_that_must_not_overwrite_the_first_stays(tmp_path: Path) -> None:
    path = tmp_path / "records.db"
    with draft_file(path, overwrite=False) as draft:
        draft.write_text("second")
        path.write_text("first")
    assert path.read_text() == "first"
    assert list(tmp_path.iterdir()) == [path]


def test_a_draft_of_a_killed_process_goes_and_that_of_a_living_one_stays(tmp_path: Path) -> None:
    path = tmp_path / "records.db"
    ended = subprocess.run([sys.executable, "-c", "import os; print(os.getpid())"], check=True,
                           capture_output=True, text=True).stdout.strip()  # fmt: skip
    for process in (ended, f"{os.getppid()}"):
        (tmp_path / f".records.db.{process}.part").touch()
    (tmp_path / f".records.db.{ended}.part-journal").touch()
    (tmp_path / ".records.db.own.part").touch()
    with draft_file(path, overwrite=False) as draft:
        draft.write_text("whole")
    assert {found.name for found in tmp_path.iterdir()} == {
        "records.db", f".records.db.{os.getppid()}.part", ".records.db.own.part",
    }  # fmt: skip


def test_a_folder_is_written_over_what_a_killed_process_left(tmp_path: Path) -> None:
    left = tmp_path / ".draft-v1"
    (left / "old").mkdir(parents=True)
    write_folder(tmp_path / "v1", {"index.json": b"{}", "cap/a.xml": b"<a/>"})
    assert (tmp_path / "v1" / "cap" / "a.xml").read_bytes() == b"<a/>"
    assert not (tmp_path / "v1" / "old").exists()
    assert not left.exists()


def test_a_draft_folder_takes_its_name_whole_or_not_at_all(tmp_path: Path) -> None:
    folder = tmp_path / "mrc" / "night"
    with pytest.raises(RuntimeError), draft_folder(folder) as draft:
        (draft / "old.csv").write_text("half")
        raise RuntimeError
    assert not folder.exists()
    with draft_folder(folder) as draft:
        (draft / "new.csv").write_text("whole")
        assert not folder.exists()
    assert [path.name for path in folder.iterdir()] == ["new.csv"]
    assert list(folder.parent.iterdir()) == [folder]


def test_the_time_of_publication_is_that_of_modification(tmp_path: Path) -> None:
    path = tmp_path / "a.nc"
    path.touch()
    set_published(path, datetime(2026, 8, 20, 0, 30, tzinfo=UTC))
    assert path.stat().st_mtime == 1787185800


def test_a_link_moves_by_one_rename(tmp_path: Path) -> None:
    link = tmp_path / "latest"
    for target in ("v1", "v2", "v2"):
        point_link(link, target)
        assert str(link.readlink()) == target
    assert list(tmp_path.iterdir()) == [link]


def test_a_lock_keeps_others_out(tmp_path: Path) -> None:
    order = []

    def second() -> None:
        with locked(tmp_path):
            order.append("second")

    other = threading.Thread(target=second)
    with locked(tmp_path):
        other.start()
        time.sleep(0.05)
        order.append("first")
    other.join()
    assert order == ["first", "second"]


def test_a_file_that_is_held_is_waited_for_until_the_deadline(tmp_path: Path) -> None:
    path = tmp_path / ".a.part"
    with open_locked(path, deadline=time.monotonic()):
        with pytest.raises(Busy, match=r"\.a\.part is being written by another"):
            open_locked(path, deadline=time.monotonic() + 0.1)
        path.replace(tmp_path / "a")
    with open_locked(path, deadline=time.monotonic()) as stream:
        assert path.stat().st_ino == os.fstat(stream.fileno()).st_ino


def test_folders_are_for_their_owner_alone(tmp_path: Path) -> None:
    make_private_folder(tmp_path / "data" / "archive")
    assert (tmp_path / "data").stat().st_mode & 0o777 == 0o711
    assert (tmp_path / "data" / "archive").stat().st_mode & 0o777 == 0o700

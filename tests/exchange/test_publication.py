from __future__ import annotations

import os
import sys
from collections.abc import Callable
from datetime import datetime, timedelta
from functools import partial
from pathlib import Path
from types import FrameType
from typing import Any

import pytest

from pipeline.exchange import publication
from pipeline.exchange.publication import folder_name, publish_tree
from pipeline.storage import atomic
from tests.alerts.alert_cases import T0


def tree(text: str) -> dict[str, bytes]:
    return {
        "index.json": text.encode(),
        "alerts.csv": text.encode(),
        "cap/a.xml": text.encode(),
        "cap/b.xml": text.encode(),
    }


def read(place: Path) -> dict[str, bytes]:
    root = place.resolve(strict=True)
    return {
        str(path.relative_to(root)): path.read_bytes() for path in root.rglob("*") if path.is_file()
    }


def state(folder: Path) -> dict[str, Any]:
    """Everything on disk with its times, to show that nothing was touched."""
    return {
        str(path.relative_to(folder)): (path.lstat().st_mtime_ns, path.lstat().st_ino)
        for path in folder.rglob("*")
        if path.name != ".lock"
    }


def test_publishing_again_changes_nothing(tmp_path: Path) -> None:
    place = publish_tree(tree("one"), folder=tmp_path, issue_time=T0)
    assert place == tmp_path / "20260820T0030Z"
    assert read(place) == read(tmp_path / "latest") == tree("one")
    before = state(tmp_path)
    assert publish_tree(tree("one"), folder=tmp_path, issue_time=T0) == place
    assert state(tmp_path) == before


def test_other_content_replaces_and_an_open_reader_keeps_its_tree(tmp_path: Path) -> None:
    place = publish_tree(tree("one"), folder=tmp_path, issue_time=T0)
    reader = place.resolve()
    publish_tree(tree("two"), folder=tmp_path, issue_time=T0)
    assert read(place) == read(tmp_path / "latest") == tree("two")
    assert read(reader) == tree("one")


def test_latest_is_the_newest_issue_time(tmp_path: Path) -> None:
    publish_tree(tree("old"), folder=tmp_path, issue_time=T0 - timedelta(days=3))
    assert read(tmp_path / "latest") == tree("old")
    publish_tree(tree("new"), folder=tmp_path, issue_time=T0)
    publish_tree(tree("rerun"), folder=tmp_path, issue_time=T0 - timedelta(days=1))
    assert read(tmp_path / "latest") == tree("new")
    assert read(tmp_path / "20260819T0030Z") == tree("rerun")


def test_paths_that_leave_the_tree_are_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="inside the tree"):
        publish_tree(tree("x") | {"../evil": b""}, folder=tmp_path, issue_time=T0)
    with pytest.raises(ValueError, match=r"index\.json"):
        publish_tree({"alerts.csv": b""}, folder=tmp_path, issue_time=T0)
    with pytest.raises(ValueError, match="aware"):
        folder_name(datetime(2026, 8, 20))  # noqa: DTZ001
    assert not list(tmp_path.iterdir())


def killed_at(line: int, work: Callable[[], object]) -> bool:
    """Run work in a child that dies before the given line of the module, or ends."""
    child = os.fork()
    if child == 0:
        count = 0

        def trace(frame: FrameType, event: str, _: object) -> Any:
            nonlocal count
            if frame.f_code.co_filename not in {publication.__file__, atomic.__file__}:
                return None
            if event == "line":
                count += 1
                if count == line:
                    os._exit(9)
            return trace

        sys.settrace(trace)
        try:
            work()
        finally:
            os._exit(0)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 9


@pytest.mark.parametrize("days", [0, 1])
@pytest.mark.parametrize("rename", [1, 2, 3])
def test_killed_at_a_rename_the_last_good_state_stays_readable(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, rename: int, days: int
) -> None:
    when = T0 + timedelta(days=days)
    publish_tree(tree("old"), folder=tmp_path, issue_time=T0)
    count = 0
    real = os.replace

    def fail(source: Path, target: Path) -> None:
        nonlocal count
        count += 1
        if count == rename:
            raise KeyboardInterrupt
        real(source, target)

    with monkeypatch.context() as patch:
        patch.setattr(os, "replace", fail)
        if days == 0 and rename == 3:  # latest already points at this issue time
            publish_tree(tree("new"), folder=tmp_path, issue_time=when)
        else:
            with pytest.raises(KeyboardInterrupt):
                publish_tree(tree("new"), folder=tmp_path, issue_time=when)
            switched = rename == 3
            assert read(tmp_path / "latest") == tree("old")
            assert (tmp_path / folder_name(when)).exists() is (switched or days == 0)
    publish_tree(tree("new"), folder=tmp_path, issue_time=when)
    assert read(tmp_path / "latest") == read(tmp_path / folder_name(when)) == tree("new")


@pytest.mark.slow
@pytest.mark.parametrize("days", [0, 1])
def test_killed_at_any_line_the_last_good_state_stays_readable(tmp_path: Path, days: int) -> None:
    when = T0 + timedelta(days=days)
    line, alive = 1, False
    while not alive:
        folder = tmp_path / str(line)
        publish_tree(tree("old"), folder=folder, issue_time=T0)
        work = partial(publish_tree, tree("new"), folder=folder, issue_time=when)
        alive = not killed_at(line, work)
        assert read(folder / "latest") in (tree("old"), tree("new"))
        assert read(folder / folder_name(T0)) in (tree("old"), tree("new"))
        if (folder / folder_name(when)).exists():
            assert read(folder / folder_name(when)) in (tree("old"), tree("new"))
        publish_tree(tree("new"), folder=folder, issue_time=when)
        assert read(folder / folder_name(when)) == read(folder / "latest") == tree("new")
        drafts = [path.name for path in folder.rglob(".draft-*")]
        assert not drafts
        line += 1
    assert line > 40

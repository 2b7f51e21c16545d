from __future__ import annotations

import hashlib
import json
import os
import shutil
import sys
import zipfile
from collections.abc import Callable
from datetime import datetime, timedelta
from functools import partial
from pathlib import Path
from types import FrameType
from typing import Any

import pytest

from pipeline.exchange import publication
from pipeline.exchange.index import complete_index
from pipeline.exchange.publication import folder_name, publish_tree, read_tree, replace_watch
from pipeline.exchange.signatures import verify_detached
from pipeline.storage import atomic
from pipeline.times import format_utc
from tests.alerts.alert_cases import T0
from tests.exchange.key_cases import keys_of


def tree(text: str, when: datetime = T0) -> dict[str, bytes]:
    """A small tree whose files all hold the text."""
    files = {
        "alerts.csv": text.encode(),
        "cap/a.xml": text.encode(),
        f"cap/{text}.xml": text.encode(),
    }
    draft = {
        "schema_version": 3, "version": None, "issue_time": format_utc(when), "revision": 0,
        "status": "Exercise", "origin": "virtual", "next_expected_at": "", "expires_at": "",
    }  # fmt: skip
    return files | {"index.json": complete_index(json.dumps(draft).encode(), files)}


def read_latest(folder: Path) -> dict[str, bytes]:
    """Read the newest tree as a receiver does: by ``latest.json``, and every digest checked."""
    latest = json.loads((folder / "latest.json").read_bytes())
    index = (folder / latest["index"]).read_bytes()
    assert hashlib.sha256(index).hexdigest() == latest["index_sha256"]
    files = {"index.json": index}
    for path, file in json.loads(index)["files"].items():
        files[path] = (folder / latest["path"] / path).read_bytes()
        assert hashlib.sha256(files[path]).hexdigest() == file["sha256"]
    return files


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
    days = {name: T0 - timedelta(days=day) for name, day in (("old", 3), ("new", 0), ("rerun", 1))}
    publish_tree(tree("old", days["old"]), folder=tmp_path, issue_time=days["old"])
    assert read(tmp_path / "latest") == read_latest(tmp_path) == tree("old", days["old"])
    publish_tree(tree("new"), folder=tmp_path, issue_time=T0)
    publish_tree(tree("rerun", days["rerun"]), folder=tmp_path, issue_time=days["rerun"])
    assert read(tmp_path / "latest") == read_latest(tmp_path) == tree("new")
    assert read(tmp_path / "20260819T0030Z") == tree("rerun", days["rerun"])


def test_the_root_holds_the_files_of_the_newest_tree_and_no_others(tmp_path: Path) -> None:
    publish_tree(tree("one"), folder=tmp_path, issue_time=T0)
    publish_tree(tree("two"), folder=tmp_path, issue_time=T0)
    files = {
        path.relative_to(tmp_path).as_posix(): path.read_bytes()
        for path in tmp_path.rglob("*")
        if path.is_file() and not {"versions", "latest", "20260820T0030Z"} & {*path.parts}
    }
    expected = tree("two") | {"latest.json": (tmp_path / "latest.json").read_bytes()}
    del expected["index.json"]
    assert files == expected, "cap/one.xml is gone"


def test_files_of_others_stay_at_the_root(tmp_path: Path) -> None:
    publish_tree(tree("one"), folder=tmp_path, issue_time=T0)
    (tmp_path / "robots.txt").write_text("mine")
    publish_tree(tree("two"), folder=tmp_path, issue_time=T0)
    assert (tmp_path / "robots.txt").read_text() == "mine"


@pytest.mark.parametrize("content", [b"", b"{", b"{}", b"[]", b'{"issue_time": "x"}'])
def test_a_damaged_latest_stops_no_night(tmp_path: Path, content: bytes) -> None:
    publish_tree(tree("old"), folder=tmp_path, issue_time=T0)
    (tmp_path / "latest.json").unlink()
    (tmp_path / "latest.json").write_bytes(content)
    earlier = T0 - timedelta(days=1)
    publish_tree(tree("rerun", earlier), folder=tmp_path, issue_time=earlier)
    assert (tmp_path / "latest.json").read_bytes() == content, "an older night does not move it"
    when = T0 + timedelta(days=1)
    publish_tree(tree("new", when), folder=tmp_path, issue_time=when)
    assert read_latest(tmp_path) == tree("new", when)


def test_a_copy_that_followed_links_takes_the_next_night(tmp_path: Path) -> None:
    publish_tree(tree("one"), folder=tmp_path / "a", issue_time=T0)
    shutil.copytree(tmp_path / "a", tmp_path / "b")
    publish_tree(tree("two"), folder=tmp_path / "b", issue_time=T0)
    assert read(tmp_path / "b/latest") == read_latest(tmp_path / "b") == tree("two")


def test_a_version_that_lost_a_file_is_written_again(tmp_path: Path) -> None:
    place = publish_tree(tree("one"), folder=tmp_path, issue_time=T0)
    (place.resolve() / "alerts.csv").unlink()
    publish_tree(tree("one"), folder=tmp_path, issue_time=T0)
    assert read_latest(tmp_path) == tree("one")


def test_files_of_a_version_are_read_only(tmp_path: Path) -> None:
    publish_tree(tree("one"), folder=tmp_path, issue_time=T0)
    assert {oct(path.stat().st_mode & 0o777) for path in tmp_path.glob("versions/*/**/*.xml")} == {
        "0o444"
    }


def test_a_copy_without_links_and_dot_folders_is_complete(tmp_path: Path) -> None:
    folder = tmp_path / "published"
    publish_tree(tree("one"), folder=folder, issue_time=T0)
    plain = [
        path for path in folder.rglob("*")
        if path.is_file()
        and not any(
            part.is_symlink() or part.name.startswith(".")
            for part in (path, *path.relative_to(folder).parents)
            if part != Path()
        )
        and not (folder / path.relative_to(folder).parts[0]).is_symlink()
    ]  # fmt: skip
    with zipfile.ZipFile(tmp_path / "all.zip", "w") as archive:
        for path in plain:
            archive.write(path, path.relative_to(folder))
    shutil.unpack_archive(tmp_path / "all.zip", tmp_path / "copy")
    assert read_latest(tmp_path / "copy") == tree("one")


def test_a_tree_of_an_earlier_version_is_read_without_what_is_now_of_the_root(
    tmp_path: Path,
) -> None:
    """As one that was published before an upgrade, when a level is raised or cancelled after it."""
    folder = publish_tree(tree("night"), folder=tmp_path, issue_time=T0)
    version = folder.resolve()
    version.chmod(0o755)
    (version / "reports.json").write_text("{}")
    files = read_tree(folder)
    assert files == tree("night")
    publish_tree(files, folder=tmp_path, issue_time=T0)


def test_paths_that_leave_the_tree_are_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="inside the tree"):
        publish_tree(tree("x") | {"../evil": b""}, folder=tmp_path, issue_time=T0)
    with pytest.raises(ValueError, match=r"index\.json"):
        publish_tree({"alerts.csv": b""}, folder=tmp_path, issue_time=T0)
    for path in ("latest.json", "versions/a", "20260820T0030Z/a", ".a", "latest/a"):
        with pytest.raises(ValueError, match="the root keeps for itself"):
            publish_tree(tree("x") | {path: b""}, folder=tmp_path, issue_time=T0)
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
@pytest.mark.parametrize("rename", range(1, 8))
def test_killed_at_a_rename_the_last_good_state_stays_readable(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, rename: int, days: int
) -> None:
    """Renames: version, link of the issue time, three files, ``latest.json``, link ``latest``."""
    when = T0 + timedelta(days=days)
    old, new = tree("old"), tree("new", when)
    publish_tree(old, folder=tmp_path, issue_time=T0)
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
        if days == 0 and rename == 7:  # latest already points at this issue time
            publish_tree(new, folder=tmp_path, issue_time=when)
        else:
            with pytest.raises(KeyboardInterrupt):
                publish_tree(new, folder=tmp_path, issue_time=when)
            assert read_latest(tmp_path) == (new if rename == 7 else old)
            assert (tmp_path / folder_name(when)).exists() is (rename > 2 or days == 0)
    publish_tree(new, folder=tmp_path, issue_time=when)
    assert read_latest(tmp_path) == read(tmp_path / "latest") == new
    assert read(tmp_path / folder_name(when)) == new


@pytest.mark.slow
@pytest.mark.parametrize("days", [0, 1])
def test_killed_at_any_line_the_last_good_state_stays_readable(tmp_path: Path, days: int) -> None:
    when = T0 + timedelta(days=days)
    line, alive = 1, False
    old, new = tree("old"), tree("new", when)
    while not alive:
        folder = tmp_path / str(line)
        publish_tree(old, folder=folder, issue_time=T0)
        work = partial(publish_tree, new, folder=folder, issue_time=when)
        alive = not killed_at(line, work)
        assert read_latest(folder) in (old, new)
        assert read(folder / "latest") in (old, new)
        assert read(folder / folder_name(T0)) in (old, new)
        if (folder / folder_name(when)).exists():
            assert read(folder / folder_name(when)) in (old, new)
        publish_tree(new, folder=folder, issue_time=when)
        assert read(folder / folder_name(when)) == read(folder / "latest") == new
        assert read_latest(folder) == new
        drafts = [path.name for path in folder.rglob(".draft-*")]
        assert not drafts
        line += 1
    assert line > 40


def seen(when: datetime) -> bytes:
    return json.dumps({"asof": format_utc(when)}).encode()


def test_what_the_watch_saw_is_replaced_and_signed_and_never_by_an_older_watch(
    tmp_path: Path,
) -> None:
    keys, file = keys_of("a"), tmp_path / "watch.json"
    replace_watch(tmp_path, seen(T0), asof=T0, keys=keys)
    assert not file.exists(), "beside no tree"
    publish_tree(tree("old"), folder=tmp_path, issue_time=T0, keys=keys)
    later = T0 + timedelta(hours=2)
    for when in (T0 + timedelta(hours=1), later):
        before = file.read_bytes() if file.exists() else None
        replace_watch(tmp_path, seen(when), asof=when, keys=keys)
        signature = (tmp_path / "watch.json.sig").read_bytes()
        assert file.read_bytes() == seen(when)
        for content in filter(None, (seen(when), before)):
            assert verify_detached(content, signature, keys.public.ed25519)
    replace_watch(tmp_path, seen(T0), asof=T0, keys=keys)
    assert file.read_bytes() == seen(later)
    publish_tree(tree("new"), folder=tmp_path, issue_time=T0, keys=keys)
    assert file.read_bytes() == seen(later), "a tree leaves it alone"
    file.write_bytes(b"{")
    replace_watch(tmp_path, seen(T0), asof=T0, keys=None)
    assert file.read_bytes() == seen(T0)
    assert not (tmp_path / "watch.json.sig").exists()
    with pytest.raises(ValueError, match="the root keeps"):
        publish_tree(tree("a") | {"watch.json": b""}, folder=tmp_path, issue_time=T0)

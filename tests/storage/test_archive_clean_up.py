"""Snapshots and grids that go, and what is read as before."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

import icechunk
import numpy as np
import pytest
import xarray as xr

from pipeline.geography.grid import Grid
from pipeline.storage.archive import Archive, NotKept
from pipeline.storage.archive_clean_up import (
    drop_grids,
    expire,
    find_dropped_until,
    read_cut,
    rehearsing,
    verify_cut,
)
from tests.storage.zone_steps import zone_steps

GRID = Grid(10.0, 10.4, 100.0, 100.6)
START = datetime(2026, 8, 1, tzinfo=UTC)
LATER = datetime(2027, 1, 1, tzinfo=UTC)
HOUR = timedelta(hours=1)


def hours(first: int, count: int, *, known: datetime = LATER) -> xr.Dataset:
    """Hourly rain that is the number of its hour."""
    time = np.datetime64("2026-08-01", "ns") + np.arange(first, first + count) * np.timedelta64(
        1, "h"
    )
    values = np.arange(first, first + count, dtype="f4")
    rate = np.broadcast_to(values[:, None, None], (count, *GRID.shape)).copy()
    moment = np.datetime64(known.replace(tzinfo=None), "ns")
    return GRID.dataset(time, rain_rate=rate).assign_coords(
        available_time=("time", np.full(count, moment))
    )


def read(archive: Archive) -> list[float]:
    rates = archive.read("gk2a", asof=LATER)["rain_rate"]
    return [float(value) for value in rates[:, 0, 0].values]


def files(folder: Path) -> set[str]:
    return {str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file()}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    archive = Archive(tmp_path / "archive")
    archive.append("gk2a", hours(0, 3), message="a")
    archive.append("zones", zone_steps("2026-08-01", {"a": [1.0]}, "2026-08-02"), message="z")
    return archive.folder


def add(folder: Path) -> None:
    """Append hours, a corrected one, and a zone that is new."""
    archive = Archive(folder)
    archive.append("gk2a", hours(3, 2), message="b")
    archive.append("gk2a", hours(0, 1) + 50.0, message="corrected")
    wider = zone_steps("2026-08-02", {"a": [2.0], "b": [3.0]}, "2026-08-03")
    archive.append("zones", wider, message="y")
    archive.append("ndvi", hours(0, 1).rename(rain_rate="ndvi"), message="new product")


def expire_all(folder: Path, *keep: str) -> int:
    return expire(folder, keep=keep, newer_than=datetime.now(UTC)).snapshots


def test_a_cut_reads_what_the_snapshot_held(folder: Path) -> None:
    old = Archive(folder)
    snapshot, cut = old.snapshot, read_cut(old)
    assert cut == {"gk2a": [3, None], "zones": [1, 1]}
    add(folder)
    assert verify_cut(folder, snapshot, cut)
    before = Archive(folder, snapshot=snapshot)
    known, products = read(before), before.products()
    zones = before.read("zones", asof=LATER).load()
    rows, _ = before.rows("gk2a", asof=LATER)
    digest = before.digest("gk2a", rows)
    assert expire_all(folder) > 0
    with pytest.raises(NotKept, match=f"expected the snapshot {snapshot}, found none"):
        Archive(folder, snapshot=snapshot)
    again = Archive(folder, snapshot=snapshot, cut=cut)
    assert (read(again), again.products(), again.snapshot) == (known, products, snapshot)
    xr.testing.assert_identical(again.read("zones", asof=LATER).load(), zones)
    assert again.digest("gk2a", again.rows("gk2a", asof=LATER)[0]) == digest
    assert read(Archive(folder)) == [50.0, 1.0, 2.0, 3.0, 4.0]
    with pytest.raises(ValueError, match="expected the newest archive"):
        again.append("gk2a", hours(9, 1), message="c")


def test_a_cut_of_another_archive_is_found_out(folder: Path) -> None:
    snapshot, cut = Archive(folder).snapshot, read_cut(Archive(folder))
    add(folder)
    assert not verify_cut(folder, snapshot, {**cut, "gk2a": [4, None]})
    assert not verify_cut(folder, snapshot, {"gk2a": [3, None]})


def test_snapshots_that_are_kept_can_be_opened_and_others_free_their_files(folder: Path) -> None:
    kept = Archive(folder).snapshot
    add(folder)
    count = len(files(folder))
    assert expire_all(folder, kept) == 4, "the first commit and three of the others"
    assert read(Archive(folder, snapshot=kept)) == [0.0, 1.0, 2.0]
    held = len(files(folder))
    assert held < count
    assert expire_all(folder, kept) == 0, "again"
    assert expire_all(folder) == 1
    assert len(files(folder)) < held
    assert not [path for path in files(folder) if "kept-" in path]


def test_an_archive_goes_on_after_a_clean_up(folder: Path) -> None:
    expire_all(folder)
    add(folder)
    assert Archive(folder).append("gk2a", hours(3, 2), message="known already") == 0
    assert read(Archive(folder)) == [50.0, 1.0, 2.0, 3.0, 4.0]


def test_young_commits_stay_whatever_their_run(folder: Path) -> None:
    young = Archive(folder).snapshot
    add(folder)
    hour_ago = datetime.now(UTC) - timedelta(hours=1)
    for _ in range(2):
        assert expire(folder, keep=(), newer_than=hour_ago).snapshots == 0
        assert read(Archive(folder, snapshot=young)) == [0.0, 1.0, 2.0]


def test_an_old_commit_that_was_the_newest_until_lately_stays(folder: Path) -> None:
    """A step that began before the next commit reads it, and its run will name it."""
    read_by_step, begun = Archive(folder).snapshot, datetime.now(UTC)
    add(folder)
    for _ in range(2):
        expire(folder, keep=(), newer_than=begun)
        assert read(Archive(folder, snapshot=read_by_step)) == [0.0, 1.0, 2.0]
    assert expire_all(folder) > 0
    with pytest.raises(NotKept):
        Archive(folder, snapshot=read_by_step)


def test_a_draft_that_was_killed_is_removed(folder: Path) -> None:
    frames = {"zones": zone_steps("2026-08-05", {"a": [1.0]}, "2026-08-06").drop_vars("zone")}
    with pytest.raises(ZeroDivisionError), Archive(folder).drafting(frames, message="x"):
        _ = 1 / 0
    assert "refs/branch.draft/ref.json" in files(folder)
    expire_all(folder)
    assert "refs/branch.draft/ref.json" not in files(folder)


@pytest.mark.parametrize("step", ["expire_snapshots", "garbage_collect"])
def test_a_clean_up_that_was_killed_is_completed(
    folder: Path, step: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    kept = Archive(folder).snapshot
    add(folder)
    with monkeypatch.context() as patch:
        patch.setattr(icechunk.Repository, step, lambda *_: 1 / 0)
        with pytest.raises(ZeroDivisionError):
            expire_all(folder, kept)
    assert read(Archive(folder)) == [50.0, 1.0, 2.0, 3.0, 4.0]
    assert read(Archive(folder, snapshot=kept)) == [0.0, 1.0, 2.0]
    expire_all(folder, kept)
    left = files(folder)
    assert expire_all(folder, kept) == 0
    assert files(folder) == left


def test_a_rehearsal_frees_as_much_and_leaves_the_archive_alone(folder: Path) -> None:
    add(folder)
    before = {path: (folder / path).read_bytes() for path in files(folder)}
    with rehearsing(folder) as copy:
        trial = expire(copy, keep=(), newer_than=datetime.now(UTC))
    assert {path: (folder / path).read_bytes() for path in files(folder)} == before
    assert list(folder.parent.iterdir()) == [folder]
    assert trial == expire(folder, keep=(), newer_than=datetime.now(UTC))
    assert trial.snapshots == 5


def test_old_grids_go_in_whole_chunks_and_the_rest_keeps_its_rows(tmp_path: Path) -> None:
    archive = Archive(tmp_path / "archive")
    archive.append("gk2a", hours(0, 300), message="a")
    old = archive.snapshot
    limit = START + timedelta(hours=260)
    assert drop_grids(archive.folder, ["gk2a", "none"], before=limit) == {"gk2a": 256}
    assert drop_grids(archive.folder, ["gk2a"], before=limit) == {}
    now = Archive(archive.folder)
    assert read(now) == [float(hour) for hour in range(256, 300)]
    assert find_dropped_until(now) == START + timedelta(hours=255)
    rows, times = now.rows("gk2a", asof=LATER, start=START + timedelta(hours=270))
    block = now.block("gk2a", "rain_rate", rows=rows, lat=slice(0, 1), lon=slice(0, 1))
    assert block.ravel().tolist() == [float(hour) for hour in range(270, 300)]
    assert times[0] == np.datetime64("2026-08-12T06:00")
    assert len(read(Archive(archive.folder, snapshot=old))) == 300, "as long as it is kept"
    cut = read_cut(now)
    assert cut == {"gk2a": [300, None]}
    assert archive.append("gk2a", hours(10, 1), message="came before") == 0, "not brought back"
    archive.append("gk2a", hours(300, 1), message="b")
    assert len(read(Archive(archive.folder, snapshot="x", cut=cut))) == 44
    assert read(Archive(archive.folder))[-1] == 300.0
    before = len(files(archive.folder))
    expire_all(archive.folder)
    assert len(files(archive.folder)) < before
    assert read(Archive(archive.folder))[:2] == [256.0, 257.0]


def test_a_recent_step_among_old_rows_keeps_its_chunk(tmp_path: Path) -> None:
    archive = Archive(tmp_path / "archive")
    archive.append("gk2a", hours(500, 1), message="recent first")
    archive.append("gk2a", hours(0, 300), message="then the past")
    assert drop_grids(archive.folder, ["gk2a"], before=START + timedelta(hours=400)) == {}
    assert find_dropped_until(Archive(archive.folder)) is None

"""Clean-up of the archive: old snapshots, and grids at steps below a day that are no longer kept.

All of it is done by the only writer, so that no commit is under way. Killed at any point the
archive reads as before or as after, and the next clean-up goes on.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Collection, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from pathlib import Path
from typing import Any

import icechunk
import numpy as np
import zarr
from numpy.typing import NDArray
from zarr.core.sync import sync

from pipeline.storage.archive import CHUNKS, DROPPED, Archive, Cut
from pipeline.storage.atomic import locked
from pipeline.times import from_utc64, utc64

KEPT = "kept-"
"""Beginning of the name of a branch that keeps a snapshot, which follows."""
_EVERYTHING = timedelta(days=36500)
"""From now on: files from a clock that ran ahead count as old too."""


@dataclass(frozen=True)
class Freed:
    """Snapshots and files that went, or would go, and their size."""

    snapshots: int
    files: int
    size_bytes: int


def read_cut(archive: Archive) -> dict[str, list[int | None]]:
    """Read the rows and zones of each product in the snapshot that an archive reads."""
    cut = {}
    for product in archive.products():
        sizes = archive.stored(product).sizes
        cut[product] = [archive.first_row(product) + sizes["time"], sizes.get("zone")]
    return cut


def find_dropped_until(archive: Archive) -> datetime | None:
    """Return the last step whose grid is no longer kept; None where all are."""
    ends = [datetime.fromisoformat(row["until"]) for row in archive.dropped().values()]
    return max(ends, default=None)


def verify_cut(folder: Path, snapshot: str, cut: Cut) -> bool:
    """Return whether a snapshot's rows are the first ones of the newest archive."""
    before, now = Archive(folder, snapshot=snapshot), Archive(folder, snapshot=snapshot, cut=cut)
    if before.products() != now.products():
        return False
    for product in before.products():
        old, new = before.stored(product), now.stored(product)
        rows = new.sizes["time"]
        old = old.isel(time=slice(old.sizes["time"] - rows, None))
        names = [name for name in ("time", "available_time", "digest", "zone") if name in old]
        if not all(np.array_equal(old[name].values, new[name].values) for name in names):
            return False
    return True


def drop_grids(folder: Path, products: Iterable[str], *, before: datetime) -> dict[str, int]:
    """Drop the grids of the steps before a moment, in one commit; times and digests stay.

    Only whole chunks go, from the first row on, so that rows keep their numbers.

    Parameters
    ----------
    folder
        Folder of the archive.
    products
        Products whose old grids are dropped, where they are archived.
    before
        Steps that start before it are old.

    Returns
    -------
    dict
        Number of steps dropped now by product, without those where nothing is.
    """
    with _writing(folder) as repository:
        archive = Archive(folder)
        known = archive.dropped()
        session = repository.writable_session("main")
        dropped, counts = dict[str, Any](), dict[str, int]()
        for product in sorted(set(products) & set(archive.products())):
            group = zarr.open_group(session.store, path=product, mode="r+")
            times = np.asarray(group["time"][:], "M8[s]")  # type: ignore[index]
            begun = archive.first_row(product)
            rows = _count_old(times, utc64(before))
            if rows <= begun:
                continue
            for name, array in group.arrays():
                if array.ndim == 3:
                    for chunk in range(begun // CHUNKS["time"], rows // CHUNKS["time"]):
                        sync(session.store.delete_dir(f"{product}/{name}/c/{chunk}"))
            until = from_utc64(times[:rows].max().astype("M8[ns]"))
            dropped[product] = {"rows": rows, "until": until.isoformat()}
            counts[product] = rows - begun
        if dropped:
            root = zarr.open_group(session.store, mode="r+")
            root.require_group(DROPPED).attrs.update(known | dropped)
            session.commit(f"dropped old grids of {', '.join(dropped)}")
        return counts


def _count_old(times: NDArray[np.datetime64], before: np.datetime64) -> int:
    """Count the first rows, in whole chunks, of which all are of steps before a moment."""
    young = np.flatnonzero(times >= before)
    old = int(young[0]) if young.size else times.size
    return old // CHUNKS["time"] * CHUNKS["time"]


def expire(folder: Path, *, keep: Collection[str], newer_than: datetime) -> Freed:
    """Remove all snapshots but the newest and some, with what no other one reads.

    Parameters
    ----------
    folder
        Folder of the archive.
    keep
        Ids of snapshots that stay.
    newer_than
        Snapshots that were the newest at this moment or since stay too: a process may be reading
        one.
    """
    with _writing(folder) as repository:
        history = list(repository.ancestry(branch="main"))
        branches = repository.list_branches() - {"main"}
        kept = {name.removeprefix(KEPT) for name in branches if name.startswith(KEPT)}
        held = {info.id: info.written_at for info in history}
        held |= {name: repository.lookup_snapshot(name).written_at for name in kept}
        in_order = sorted(held, key=lambda name: held[name])
        # A snapshot was the newest until the next one was written, however old it is by now.
        stays = {name for name, after in pairwise(in_order) if held[after] > newer_than}
        stays |= held.keys() & keep
        stays -= {history[0].id, history[-1].id}
        for branch in branches:
            if branch.removeprefix(KEPT) not in stays:
                repository.delete_branch(branch)  # a draft that nobody finished, too
        for snapshot in sorted(stays - kept):
            repository.create_branch(f"{KEPT}{snapshot}", snapshot)
        old = datetime.now(UTC) + _EVERYTHING
        repository.expire_snapshots(old)
        freed = repository.garbage_collect(old)
    files = freed.chunks_deleted + freed.manifests_deleted + freed.transaction_logs_deleted
    return Freed(freed.snapshots_deleted, files + freed.snapshots_deleted, freed.bytes_deleted)


@contextmanager
def rehearsing(folder: Path) -> Iterator[Path]:
    """Yield a copy of an archive to clean up as a trial: second names of the same files.

    Files are only replaced by a rename or removed, so that those of the archive stay.
    """
    copy = folder.with_name(f".draft-{folder.name}-rehearsal")
    shutil.rmtree(copy, ignore_errors=True)  # of a process that was killed
    try:
        with locked(folder / "writer.lock"):
            shutil.copytree(folder, copy, copy_function=os.link)
        yield copy
    finally:
        shutil.rmtree(copy, ignore_errors=True)


@contextmanager
def _writing(folder: Path) -> Iterator[icechunk.Repository]:
    """Open the archive as its only writer."""
    (folder / "writer.lock").touch()
    with locked(folder / "writer.lock"):
        yield icechunk.Repository.open(icechunk.local_filesystem_storage(str(folder)))

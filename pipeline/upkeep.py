"""Upkeep of a data folder: backup, restore, removal of what is no longer kept, tables.

The verbs that command line and DAGs call, as those of :mod:`pipeline.steps`. One of them runs at a
time; nights go on meanwhile. Killed on the way and run again, each comes to the same end.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING

from pipeline.settings import Settings
from pipeline.steps import UserError

if TYPE_CHECKING:
    from pipeline.storage.archive_clean_up import Freed
    from pipeline.storage.records import Records

GRACE = timedelta(hours=1)
"""Commits that were the newest since then stay whatever their run: a step may read them still."""
RAIN_GRIDS = ("gk2a", "gk2a_ir", "imerg_early", "imerg_late")
"""Products at steps below a day; their daily means stay in the areal record."""
DATED_AHEAD = timedelta(days=7)
"""Age of the newest grid up to which the last night's date is believed: a clock may run ahead."""
_END = datetime(9999, 1, 1, tzinfo=UTC)


@dataclass(frozen=True)
class BackedUp:
    """A backup, or one that was restored.

    Parameters
    ----------
    folder
        Folder of the backup.
    files, size_bytes
        Number of its files, and size of them on disk.
    last_night
        Newest issue time in it, ISO 8601; None before the first night.
    """

    folder: str
    files: int
    size_bytes: int
    last_night: str | None


@dataclass(frozen=True)
class Removed:
    """Files that went, or would go."""

    files: int
    size_bytes: int


@dataclass(frozen=True)
class Retained:
    """What a clean-up removed, or would remove.

    Parameters
    ----------
    asof
        Moment from which ages count, in general the issue time of the last night, ISO 8601; None
        before the first night, when nothing is removed.
    upstream, published, archive
        Files by where they lay.
    versions, snapshots
        Number of published trees, and of snapshots of the archive.
    steps
        Steps of each product whose grids went.
    held_back
        Snapshots that stay because the newest archive does not hold their rows.
    dry_run
        Whether nothing was removed.
    """

    asof: str | None
    upstream: Removed = Removed(0, 0)
    published: Removed = Removed(0, 0)
    archive: Removed = Removed(0, 0)
    versions: int = 0
    snapshots: int = 0
    steps: dict[str, int] | None = None
    held_back: tuple[str, ...] = ()
    dry_run: bool = False


def backup(folder: Path, *, upstream: bool = False, settings: Settings | None = None) -> BackedUp:
    """Back up a data folder while nights go on: tables, archive, models and published trees.

    No secret goes into it: neither settings, signing keys nor the key of the pseudonyms.

    Parameters
    ----------
    folder
        Folder of the backup; not there yet, or empty.
    upstream
        Whether upstream files go into it too.

    Raises
    ------
    UserError
        The folder holds files or lies in the data folder, or there is nothing to back up.
    BrokenState
        The stores are damaged, or do not belong to each other.
    """
    from pipeline.ingest.consistency import check_stores
    from pipeline.storage.backups import list_state, upkeep_locked, write_backup
    from pipeline.storage.records import Records

    settings = settings or Settings()
    folder = folder.resolve()
    if folder.is_dir() and any(folder.iterdir()):
        raise UserError(f"expected an empty folder, or none, at {folder}, found files")
    if folder.is_relative_to(settings.region_dir.resolve()):
        raise UserError(f"expected a folder outside {settings.region_dir}, found {folder}")
    if not list_state(settings):
        raise UserError(
            f"expected something to back up in {settings.region_dir}, found nothing; name the data "
            "folder (MEKONG_DATA_DIR)"
        )
    check_stores(settings)
    with upkeep_locked(settings):
        last = Records(settings.database).last_issued(before=_END)
        write_backup(
            folder,
            settings,
            made_at=f"{datetime.now(UTC):%Y-%m-%dT%H:%M:%SZ}",
            last_night=last and f"{last[0]:%Y-%m-%dT%H:%MZ}",
            upstream=upstream,
        )
    return _describe_backup(folder)


def restore(folder: Path, *, settings: Settings | None = None) -> BackedUp:
    """Restore a backup into a data folder, and tables, that hold nothing yet.

    Raises
    ------
    UserError
        They hold something, or the backup is of another region.
    FileNotFoundError
        There is no backup in the folder, or an interrupted one.
    BrokenState
        A file of the backup is damaged or gone; nothing was restored.
    """
    from pipeline.storage.backups import (
        list_in_the_way,
        read_manifest,
        restore_backup,
        upkeep_locked,
    )

    settings = settings or Settings()
    manifest = read_manifest(folder)
    if manifest.region != settings.region:
        raise UserError(f"expected a backup of {settings.region}, found one of {manifest.region}")
    with upkeep_locked(settings):
        if held := list_in_the_way(settings):
            raise UserError(
                f"expected nothing in {settings.region_dir}, found {', '.join(held)}; move it away "
                "or name others (MEKONG_DATA_DIR, MEKONG_RECORDS_URL)"
            )
        restore_backup(folder, settings)
    return _describe_backup(folder)


def _describe_backup(folder: Path) -> BackedUp:
    from pipeline.storage.backups import read_manifest

    files = [path for path in folder.rglob("*") if path.is_file()]
    size = sum(path.stat().st_size for path in files)
    return BackedUp(str(folder), len(files), size, read_manifest(folder).last_night)


def retain(
    *,
    asof: datetime,
    dry_run: bool = False,
    grace: timedelta = GRACE,
    settings: Settings | None = None,
) -> Retained:
    """Remove what is no longer kept; the settings ``keep_*`` say how long.

    Readings, the areal record, daily grids, runs, forecasts, alerts, messages and scores stay for
    good. Ages count from the last issued night, whatever the clock says, and at most to ``asof``;
    after a night that is dated more than :data:`DATED_AHEAD` after the newest grid, from then.

    Parameters
    ----------
    dry_run
        Whether to tell only what would go.
    grace
        Time for which commits of the archive stay once another has replaced them; 0 where nothing
        else runs.

    Raises
    ------
    BrokenState
        The stores are damaged, or do not belong to each other.
    """
    from pipeline.exchange.old_versions import list_old_versions, remove_versions
    from pipeline.exchange.publication import VERSIONS
    from pipeline.ingest.consistency import check_stores
    from pipeline.ingest.old_files import list_old_files, remove_files
    from pipeline.storage.backups import upkeep_locked
    from pipeline.storage.records import Records

    settings = settings or Settings()
    check_stores(settings)
    records = Records(settings.database)
    last = records.last_issued(before=_END)
    if last is None:
        return Retained(None, dry_run=dry_run)
    asof = min(asof, last[0], _find_newest_grid(records) + DATED_AHEAD)
    days = {
        name: timedelta(days=getattr(settings, f"keep_{name}_days"))
        for name in ("upstream", "published", "snapshot", "grid")
    }
    with upkeep_locked(settings):
        files = sorted(
            set(list_old_files(records, settings.upstream_dir, asof=asof, keep=days["upstream"]))
        )
        before = min(asof - days["published"], records.oldest_in_force(asof=asof) or asof)
        versions = list_old_versions(settings.published_dir, before=before)
        trees = [settings.published_dir / VERSIONS / name for name in versions]
        upstream = _sum_up(files)
        published = _sum_up(path for tree in trees for path in tree.rglob("*"))
        if not dry_run:
            remove_files(files, settings.upstream_dir)
            if versions:
                remove_versions(settings.published_dir, versions)
        freed, steps, held_back = _clean_archive(
            records,
            settings.archive_dir,
            begin=asof - days["snapshot"],
            before=asof - days["grid"],
            grace=grace,
            dry_run=dry_run,
        )
    return Retained(
        f"{asof:%Y-%m-%dT%H:%MZ}",
        upstream,
        published,
        Removed(freed.files, freed.size_bytes),
        len(versions),
        freed.snapshots,
        steps,
        held_back,
        dry_run,
    )


def _find_newest_grid(records: Records) -> datetime:
    """Return the end of the newest file of an observed grid; far off where there is none."""
    from pipeline.sources import SOURCES

    ends = records.last_files(asof=_END).items()
    grids = {row.id for row in SOURCES.values() if row.kind == "grid" and not row.ahead}
    return max((end for source, end in ends if source in grids), default=_END - DATED_AHEAD)


def _clean_archive(
    records: Records,
    folder: Path,
    *,
    begin: datetime,
    before: datetime,
    grace: timedelta,
    dry_run: bool,
) -> tuple[Freed, dict[str, int], tuple[str, ...]]:
    """Note the cuts of old runs and raises, then drop old grids and remove old snapshots."""
    from contextlib import nullcontext

    from pipeline.storage import archive_clean_up
    from pipeline.storage.archive import Archive, NotKept

    seen = records.snapshots_seen()
    keep = {snapshot for snapshot, moment in seen.items() if moment >= begin}
    cuts, held_back = {}, set[str]()
    for snapshot in seen.keys() - keep - records.snapshots_cut():
        try:
            cut = archive_clean_up.read_cut(Archive(folder, snapshot=snapshot))
        except NotKept:
            continue  # the archive was made anew since
        if archive_clean_up.verify_cut(folder, snapshot, cut):
            cuts[snapshot] = cut
        else:
            held_back.add(snapshot)
    if not dry_run:
        records.add_cuts(cuts)  # before anything goes: from now on the runs are read by them
    trial = archive_clean_up.rehearsing(folder) if dry_run else nullcontext(folder)
    with trial as target:
        steps = archive_clean_up.drop_grids(target, RAIN_GRIDS, before=before)
        newer_than = datetime.now(UTC) - grace
        freed = archive_clean_up.expire(target, keep=keep | held_back, newer_than=newer_than)
    return freed, steps, tuple(sorted(held_back))


def _sum_up(paths: Iterable[Path]) -> Removed:
    """Sum up files; one with a second name elsewhere stays on the disk."""
    states = [path.stat() for path in paths if path.is_file() and not path.is_symlink()]
    return Removed(len(states), sum(state.st_size for state in states if state.st_nlink == 1))


def migrate(*, settings: Settings | None = None) -> tuple[str | None, str]:
    """Bring the tables to the last revision; return that of before and that of now.

    Opening the tables does the same. The revision of before is None where there were no tables, or
    some of before there were revisions.

    Raises
    ------
    LookupError
        The tables are of a newer version of the program, or too old.
    """
    from pipeline.storage import schema
    from pipeline.storage.records import Records

    settings = settings or Settings()
    return Records(settings.database).database.revision_found, schema.HEAD

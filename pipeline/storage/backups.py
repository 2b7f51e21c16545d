"""Backups: a folder of files with a manifest of their digests, which is written last.

A backup is made beside its name and renamed, and a manifest says what belongs to it: what was
interrupted is never taken for a whole one. Links, rights and times stand in the manifest, so that
a backup may lie on any file system, in an archive file or in an object store.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import sqlite3
import stat
from collections.abc import Iterator
from contextlib import closing, contextmanager, nullcontext
from dataclasses import asdict, dataclass, field
from pathlib import Path

import sqlalchemy as sa

from pipeline.settings import Settings
from pipeline.storage import schema
from pipeline.storage.atomic import (
    OWNER_ONLY_FILE,
    OWNER_ONLY_FOLDER,
    BrokenState,
    draft_file,
    draft_folder,
    locked,
    make_passable_folder,
)
from pipeline.storage.database import Database
from pipeline.storage.table_copy import copy_rows, count_rows

MANIFEST = "manifest.json"
RECORDS = "records.db"
LOCK = "upkeep.lock"
_RESTORING = ".draft-restore"
_PARTS = ("published", "models", "scoreboard", "archive")
_UPSTREAM = ("upstream", "virtual")
_REPLACED = ("scoreboard", *_UPSTREAM)
"""Folders whose files may be replaced or removed while they are copied."""
_BLOCK = 1 << 20


@dataclass
class Manifest:
    """What a backup holds.

    Parameters
    ----------
    made_at, last_night
        Moment of the backup, and the newest issue time in it; ISO 8601.
    region
        Region of the data folder.
    revision
        Revision of the tables.
    files
        By path the SHA-256, rights and time of modification (ns) of a file; of a second name of a
        file also the first one, under which its content lies.
    folders, links
        Rights of each folder, and target of each symbolic link.
    """

    made_at: str
    region: str
    last_night: str | None = None
    revision: str = schema.HEAD
    files: dict[str, dict[str, str | int]] = field(default_factory=dict)
    folders: dict[str, int] = field(default_factory=dict)
    links: dict[str, str] = field(default_factory=dict)


@contextmanager
def upkeep_locked(settings: Settings) -> Iterator[None]:
    """Exclude other backups, restores and clean-ups of a data folder."""
    make_passable_folder(settings.region_dir)
    path = settings.region_dir / LOCK
    path.touch(OWNER_ONLY_FILE)
    with locked(path):
        yield


def list_state(settings: Settings) -> list[str]:
    """Names of what is held already in place of what a restored backup would bring."""
    names = [name for name in (*_PARTS, *_UPSTREAM) if (settings.region_dir / name).exists()]
    file = _sqlite_file(settings)
    if file is None:
        database = Database(settings.database)
        held = any(count_rows(database).values())
        tables = f"rows in {database.engine.url.render_as_string(hide_password=True)}"
    else:
        held, tables = file.exists(), RECORDS
    return sorted([*names, *([tables] if held else [])])


def list_in_the_way(settings: Settings) -> list[str]:
    """Names of what a restore would replace: all that is held but what a killed one has placed."""
    held, draft = list_state(settings), settings.region_dir / _RESTORING
    if not is_restoring(settings):
        return held
    waiting = {path.name for path in draft.iterdir()}
    if RECORDS in waiting and _are_placed(draft / RECORDS, settings):
        waiting.remove(RECORDS)
    folders = {*_PARTS, *_UPSTREAM}
    return [name for name in held if (name if name in folders else RECORDS) in waiting]


def write_backup(
    folder: Path, settings: Settings, *, made_at: str, last_night: str | None, upstream: bool
) -> Manifest:
    """Copy tables, published trees, models and archive while nights go on.

    Tables and published trees are of one moment, for which publications wait. Models and archive
    follow: they only grow, and hold all that the tables name. No clean-up may run meanwhile.

    Parameters
    ----------
    folder
        Folder of the backup; not there yet, or empty.
    settings
        Location of the stores.
    made_at, last_night
        As of :class:`Manifest`.
    upstream
        Whether upstream files, and those of the virtual basin, go into it.
    """
    manifest = Manifest(made_at, settings.region, last_night)
    root = settings.region_dir
    with draft_folder(folder) as draft:
        draft.chmod(OWNER_ONLY_FOLDER)
        published = settings.published_dir
        with locked(published) if published.is_dir() else nullcontext():
            _copy_tree(root, "published", draft, manifest)
            _copy_tables(settings, draft / RECORDS)
        manifest.files[RECORDS] = {
            "sha256": _hash(draft / RECORDS), "mode": OWNER_ONLY_FILE,
            "mtime_ns": (draft / RECORDS).stat().st_mtime_ns,
        }  # fmt: skip
        for part in (*_PARTS[1:-1], "archive", *(_UPSTREAM if upstream else ())):
            if part == "archive":  # what a branch names is there before it names it
                _copy_tree(root, "archive/refs", draft, manifest)
            _copy_tree(root, part, draft, manifest)
        with (draft / MANIFEST).open("w") as stream:
            json.dump(asdict(manifest), stream, indent=1)
        os.sync()
    return manifest


def read_manifest(folder: Path) -> Manifest:
    """Read the manifest of a whole backup.

    Raises
    ------
    FileNotFoundError
        There is none: no backup, or an interrupted one.
    """
    path = folder / MANIFEST
    if not path.is_file():
        raise FileNotFoundError(
            f"expected a whole backup in {folder}, found no {MANIFEST}: no backup, or one that was "
            "interrupted"
        )
    try:
        return Manifest(**json.loads(path.read_bytes()))
    except (ValueError, TypeError) as error:
        raise BrokenState(f"{path}: the backup is damaged: {error}; take another one") from error


def restore_backup(folder: Path, settings: Settings) -> Manifest:
    """Bring a backup into a data folder in which nothing is in its way.

    All files are copied and compared with their digests first, then moved to their places. One that
    was killed while moving goes on when it is run again.

    Raises
    ------
    FileNotFoundError, BrokenState
        As of :func:`read_manifest`, or a file of the backup is damaged or gone.
    LookupError
        A killed restore of another backup waits for its end.
    """
    manifest = read_manifest(folder)
    draft = settings.region_dir / _RESTORING
    content = (folder / MANIFEST).read_bytes()
    if is_restoring(settings):
        if (draft / MANIFEST).read_bytes() != content:
            raise LookupError(f"{draft} is of another backup, whose restore was killed; restore it")
    else:
        shutil.rmtree(draft, ignore_errors=True)
        draft.mkdir(mode=OWNER_ONLY_FOLDER)
        _fill(draft, folder, manifest)
        with draft_file(draft / MANIFEST) as marker:
            marker.write_bytes(content)
        os.sync()
    if (tables := draft / RECORDS).exists():  # first: an archive without any is given empty ones
        if not _are_placed(tables, settings):
            _place_tables(tables, settings)
        tables.unlink()
    for name in (*_PARTS, *_UPSTREAM):
        if (draft / name).exists():
            (draft / name).rename(settings.region_dir / name)
    shutil.rmtree(draft)
    return manifest


def is_restoring(settings: Settings) -> bool:
    """Return whether a restore was killed while it moved files to their places."""
    return (settings.region_dir / _RESTORING / MANIFEST).is_file()


def _copy_tree(root: Path, part: str, draft: Path, manifest: Manifest) -> None:
    """Copy a folder, without drafts and what is in the manifest already."""
    names: dict[int, str] = {}
    paths = sorted((root / part).rglob("*")) if (root / part).is_dir() else []
    for path in ((root / part), *paths) if paths else ():
        relative = path.relative_to(root)
        if relative.as_posix() in manifest.files or _is_draft(relative):
            continue
        if path.is_symlink():
            manifest.links[relative.as_posix()] = str(path.readlink())
        elif path.is_dir():
            manifest.folders[relative.as_posix()] = stat.S_IMODE(path.stat().st_mode)
        else:
            try:
                _copy_file(path, relative, draft, manifest, names)
            except FileNotFoundError:
                if part not in _REPLACED:
                    raise


def _is_draft(path: Path) -> bool:
    """Return whether a file is being written: Icechunk's have a number sign in their name."""
    hidden = any(part.startswith(".") for part in path.parts)
    return hidden or (path.parts[0] == "archive" and "#" in path.name)


def _copy_file(
    path: Path, relative: Path, draft: Path, manifest: Manifest, names: dict[int, str]
) -> None:
    with path.open("rb") as source:
        status = os.fstat(source.fileno())
        row: dict[str, str | int] = {
            "mode": stat.S_IMODE(status.st_mode), "mtime_ns": status.st_mtime_ns,
        }  # fmt: skip
        first = names.get(status.st_ino)
        if first is not None:
            row |= {"sha256": manifest.files[first]["sha256"], "same_as": first}
        else:
            target = draft / relative
            target.parent.mkdir(parents=True, exist_ok=True)
            digest = hashlib.sha256()
            with target.open("wb") as stream:
                while block := source.read(_BLOCK):
                    digest.update(block)
                    stream.write(block)
            row["sha256"] = digest.hexdigest()
            if status.st_nlink > 1:
                names[status.st_ino] = relative.as_posix()
    manifest.files[relative.as_posix()] = row


def _copy_tables(settings: Settings, target: Path) -> None:
    """Copy the tables into an SQLite file, as they were at one moment."""
    file = _sqlite_file(settings)
    if file is not None and file.exists():
        Database(settings.database)  # of the last revision, and for its owner alone
        with closing(sqlite3.connect(file)) as source, closing(sqlite3.connect(target)) as copy:
            source.execute("PRAGMA busy_timeout=60000")
            source.backup(copy)
    else:
        made = Database(f"sqlite:///{target}")
        if file is None:
            copy_rows(Database(settings.database), made)
        made.engine.dispose()
    with closing(sqlite3.connect(target)) as copy:
        copy.execute("PRAGMA journal_mode=DELETE")  # one file, without a log beside it
        if (answer := copy.execute("PRAGMA quick_check(1)").fetchone()[0]) != "ok":
            raise BrokenState(f"{settings.database}: {answer}; restore an earlier backup")
    target.chmod(OWNER_ONLY_FILE)


def _are_placed(file: Path, settings: Settings) -> bool:
    """Return whether the tables of a backup are where the settings have them."""
    target = _sqlite_file(settings)
    if target is not None:
        return target.exists() and _hash(target) == _hash(file)
    source = Database(f"sqlite:///{file}")
    placed = count_rows(source) == count_rows(Database(settings.database))
    source.engine.dispose()
    return placed


def _place_tables(file: Path, settings: Settings) -> None:
    """Put the tables of a backup where the settings have them."""
    target = _sqlite_file(settings)
    if target is None:
        source = Database(f"sqlite:///{file}")
        copy_rows(source, Database(settings.database))
        source.engine.dispose()
    else:
        make_passable_folder(target.parent)
        with draft_file(target) as draft:
            shutil.copyfile(file, draft)
            draft.chmod(OWNER_ONLY_FILE)


def _fill(draft: Path, folder: Path, manifest: Manifest) -> None:
    """Copy all files of a backup, compare each with its digest, set links, rights and times."""
    for name in manifest.folders:
        (draft / name).mkdir(parents=True, exist_ok=True)
    for name, row in sorted(manifest.files.items(), key=lambda item: "same_as" in item[1]):
        target = draft / name
        target.parent.mkdir(parents=True, exist_ok=True)
        if "same_as" in row:
            target.hardlink_to(draft / str(row["same_as"]))
            continue
        try:
            shutil.copyfile(folder / name, target)
        except FileNotFoundError:
            raise BrokenState(f"{folder / name}: the backup lacks it; take another one") from None
        if _hash(target) != row["sha256"]:
            raise BrokenState(f"{folder / name}: the backup is damaged; take another one")
        target.chmod(int(row["mode"]))
        os.utime(target, ns=(int(row["mtime_ns"]), int(row["mtime_ns"])))
    for name, link in manifest.links.items():
        (draft / name).symlink_to(link)
    for name, mode in manifest.folders.items():
        (draft / name).chmod(mode)


def _hash(path: Path) -> str:
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def _sqlite_file(settings: Settings) -> Path | None:
    """Return the file of the tables; None where a server holds them."""
    url = sa.engine.make_url(settings.database)
    return Path(url.database or "") if url.get_backend_name() == "sqlite" else None

"""Files in the upstream folder: find a granule, and recognise files that are not data."""

from __future__ import annotations

import hashlib
import os
import stat
from datetime import UTC, datetime
from pathlib import Path

from pipeline.sources.base import Granule, NotPublished, shown_name

SIDECARS = (
    ".xml", ".md5", ".sha1", ".sha256", ".sha512", ".json", ".met", ".dmrpp", ".part", ".partial",
    ".crdownload", ".tmp", ".lock", ".ovr", "__metadata.txt",
)  # fmt: skip
"""Suffixes of files that providers, download tools and GIS programs leave beside data."""


def locate(granule: Granule, upstream: Path, *, asof: datetime) -> tuple[Path, datetime]:
    """Find a granule in an upstream laid out as folders.

    Parameters
    ----------
    granule
        Granule to find.
    upstream
        Root of the upstream folder.
    asof
        Moment of the question: files published later are not there yet. A file's modification
        time is its time of publication.

    Returns
    -------
    tuple
        Path of the file and the moment it became available (UTC).

    Raises
    ------
    NotPublished
        No file matches, or all matching files were published after ``asof`` or may not be opened.
    """
    folder = upstream / granule.folder
    candidates, passed_over = [], list[str]()
    for path in list_matching(folder, granule.pattern):
        reason = describe_unreadable(path, folder, sidecars=_list_sidecars(granule.pattern))
        if reason:
            passed_over.append(f"{shown_name(path)}: {reason}")
            continue
        status = path.stat()
        published = datetime.fromtimestamp(status.st_mtime, tz=UTC)
        if published <= asof:
            candidates.append((status.st_size > 0, published, path.name, path))
    if not candidates:
        wanted = f"{granule.folder}/{granule.pattern}"
        note = f"; passed over {', '.join(sorted(passed_over))}" if passed_over else ""
        raise NotPublished(f"{wanted} is not published as of {asof:%Y-%m-%d %H:%MZ}{note}")
    _, published, _, path = max(candidates)
    return path, published


def list_matching(folder: Path, pattern: str) -> list[Path]:
    """List the entries of a folder whose names match a glob; empty where there is no folder.

    ``Path.glob`` compiles an expression for each pattern, 0.5 ms; a night has a pattern for each of
    a thousand granules.
    """
    if any(mark in pattern for mark in "?[/"):
        return list(folder.glob(pattern))
    try:
        names = os.listdir(folder)  # noqa: PTH208  (a Path of each name would cost as much again)
    except OSError:
        return []
    return [folder / name for name in names if _matches(name, pattern)]


def _matches(name: str, pattern: str) -> bool:
    """Return whether a name matches a glob with no other wildcard than ``*``."""
    begin, *middle = pattern.split("*")
    if not middle:
        return name == pattern
    *parts, end = middle
    if not name.startswith(begin) or len(name) < len(begin) + len(end):
        return False
    place, last = len(begin), len(name) - len(end)
    for part in parts:
        place = name.find(part, place, last)
        if place < 0:
            return False
        place += len(part)
    return name.endswith(end)


def describe_unreadable(
    path: Path, folder: Path, *, sidecars: tuple[str, ...] = SIDECARS
) -> str | None:
    """Describe why an entry of a folder is not a file to read; nothing is opened.

    Parameters
    ----------
    path
        Entry of the folder.
    folder
        Folder that a link must not leave.
    sidecars
        Suffixes, in lower case, of files beside the data.

    Returns
    -------
    str or None
        None for a file that may be read.
    """
    if path.name.startswith("."):
        return "a hidden file"
    try:
        mode = path.stat().st_mode
    except OSError as error:
        return "a link to nothing" if path.is_symlink() else f"not readable: {error.strerror}"
    if not stat.S_ISREG(mode):
        # Opening a pipe blocks until a writer opens it.
        return _KINDS.get(stat.S_IFMT(mode), "not a file")
    if not path.resolve().is_relative_to(folder.resolve()):
        return "a link that leaves the folder"
    end = next((end for end in sidecars if path.name.lower().endswith(end)), None)
    return f"a {end} file beside the data" if end else None


_KINDS = {
    stat.S_IFDIR: "a folder",
    stat.S_IFIFO: "a pipe",
    stat.S_IFSOCK: "a socket",
    stat.S_IFCHR: "a device",
    stat.S_IFBLK: "a device",
}


def _list_sidecars(pattern: str) -> tuple[str, ...]:
    """List the suffixes of sidecars, without the granule's own suffix."""
    return tuple(end for end in SIDECARS if not pattern.lower().endswith(end))


def sha256(path: Path) -> str:
    """Return the SHA-256 of a file's bytes, in hexadecimal."""
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()

"""Files and folders that other processes share: written whole, renamed, linked, locked, closed.

Readings that an agency holds under a licence may not be passed on: only ``published/`` is open to
others. Rights are set whatever the umask is.
"""

from __future__ import annotations

import fcntl
import os
import shutil
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from datetime import datetime
from pathlib import Path
from typing import BinaryIO

OWNER_ONLY_FOLDER = 0o700
OWNER_ONLY_FILE = 0o600
PASSABLE = 0o711
"""Rights of the folder above: a server reaches ``published/`` in it and lists nothing."""
_POLL_S = 0.05


class BrokenState(Exception):  # noqa: N818
    """State of earlier runs is damaged or gone; the message says what it is and what to do."""


class Busy(Exception):  # noqa: N818
    """Another thread or process writes the same file and does not end in time."""


@contextmanager
def draft_file(path: Path, *, overwrite: bool = True) -> Iterator[Path]:
    """Yield a draft path to write a file under; the whole file then takes its own name.

    Parameters
    ----------
    path
        Destination of the file; its folder exists.
    overwrite
        Whether it replaces an existing file. Otherwise the first file stays, and each process has
        a draft of its own.
    """
    if not overwrite:
        remove_dead_drafts(path)
    mark = "part" if overwrite else f"{os.getpid()}.part"
    draft = path.with_name(f".{path.name}.{mark}")
    draft.unlink(missing_ok=True)
    try:
        yield draft
        if overwrite:
            draft.replace(path)
            return
    except BaseException:
        draft.unlink(missing_ok=True)
        raise
    with suppress(FileExistsError):
        path.hardlink_to(draft)
    draft.unlink()


def remove_dead_drafts(path: Path) -> None:
    """Remove drafts of a file that must not be overwritten whose processes were killed."""
    for left in path.parent.glob(f".{path.name}.*.part*"):  # with what SQLite keeps beside it
        process = left.name.removeprefix(f".{path.name}.").partition(".")[0]
        if process.isdigit() and int(process) != os.getpid() and not _is_alive(int(process)):
            left.unlink(missing_ok=True)


def _is_alive(process: int) -> bool:
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    except PermissionError:  # another user's
        return True
    return True


@contextmanager
def draft_folder(folder: Path) -> Iterator[Path]:
    """Yield a draft folder to fill; the whole folder then takes its own name by one rename.

    Parameters
    ----------
    folder
        Not there yet; no other process writes it at the same time. Folders above it are created.
    """
    draft = folder.with_name(f".draft-{folder.name}")
    if draft.exists():  # an earlier process was killed while writing it
        shutil.rmtree(draft)
    draft.mkdir(parents=True)
    yield draft
    draft.replace(folder)


def write_folder(folder: Path, files: Mapping[str, bytes], *, rights: int | None = None) -> None:
    """Write a folder of files as of :func:`draft_folder`, and sync it to disk.

    Parameters
    ----------
    folder
        Not there yet; the caller holds a lock against others that write it.
    files
        Content of each file by its path in the folder.
    rights
        Rights of the files; None for those that the process gives.
    """
    with draft_folder(folder) as draft:
        for path, content in sorted(files.items()):
            file = draft / path
            file.parent.mkdir(parents=True, exist_ok=True)
            with file.open("wb") as stream:
                stream.write(content)
                stream.flush()
                os.fsync(stream.fileno())
            if rights is not None:
                file.chmod(rights)
        for inner in sorted(draft.rglob("*")):
            if inner.is_dir():
                _sync(inner)
        _sync(draft)
    _sync(folder.parent)


def set_published(path: Path, moment: datetime) -> None:
    """Set a file's time of publication, which is its time of modification."""
    os.utime(path, (moment.timestamp(), moment.timestamp()))


def point_link(link: Path, target: str) -> None:
    """Point a link at a target by one rename."""
    if link.is_symlink() and str(link.readlink()) == target:
        return
    draft = link.with_name(f".draft-{link.name}")
    draft.unlink(missing_ok=True)
    draft.symlink_to(target)
    draft.replace(link)
    _sync(link.parent)


def _sync(folder: Path) -> None:
    """Bring a folder's entries to disk."""
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


@contextmanager
def locked(path: Path) -> Iterator[None]:
    """Lock a file or folder for this process; others that lock it wait.

    The system releases the lock if the process is killed.
    """
    descriptor = os.open(path, os.O_RDONLY)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)


def open_locked(path: Path, *, deadline: float) -> BinaryIO:
    """Open a file for appending and lock it; create it again if it was renamed meanwhile.

    Parameters
    ----------
    path
        File; created if it does not exist.
    deadline
        Moment of ``time.monotonic`` until which another holder is awaited.

    Raises
    ------
    Busy
        Another holder still has it then.
    """
    while True:
        stream = path.open("a+b")
        try:
            fcntl.flock(stream, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            stream.close()
            if time.monotonic() > deadline:
                raise Busy(f"{path.name} is being written by another") from None
            time.sleep(_POLL_S)
            continue
        if path.exists() and path.stat().st_ino == os.fstat(stream.fileno()).st_ino:
            return stream
        stream.close()


def make_private_folder(folder: Path) -> None:
    """Create a folder for its owner alone, and the folders above it as passable ones.

    An existing folder keeps its rights.
    """
    if folder.is_dir():
        return
    make_passable_folder(folder.parent)
    folder.mkdir(exist_ok=True)
    folder.chmod(OWNER_ONLY_FOLDER)


def make_passable_folder(folder: Path) -> None:
    """Create a folder, and those above it, that others may pass through and not list."""
    if folder.is_dir():
        return
    make_passable_folder(folder.parent)
    folder.mkdir(exist_ok=True)
    folder.chmod(PASSABLE)


def close_to_others(path: Path) -> None:
    """Remove the rights of all other users from a file; those of owner and group stay."""
    mode = path.stat().st_mode & 0o777
    if mode & 0o007:
        path.chmod(mode & ~0o007)

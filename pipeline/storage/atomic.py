"""Folders and files of the pipeline's own, which other users of the host must not read.

Readings that an agency holds under a licence may not be passed on; ``published/`` alone is for
others. Rights are set whatever the umask is.
"""

from __future__ import annotations

from pathlib import Path

OWNER_ONLY_FOLDER = 0o700
OWNER_ONLY_FILE = 0o600
PASSABLE = 0o711
"""Of the folder above: ``published/`` in it can be reached by who serves it, nothing be listed."""


class BrokenState(Exception):  # noqa: N818
    """What earlier runs left is damaged or gone; the message says what and what to do."""


def make_private_folder(folder: Path) -> None:
    """Make a folder for its owner alone, and the folders above it where they are not there.

    A folder that is there keeps its rights.
    """
    if folder.is_dir():
        return
    make_passable_folder(folder.parent)
    folder.mkdir(exist_ok=True)
    folder.chmod(OWNER_ONLY_FOLDER)


def make_passable_folder(folder: Path) -> None:
    """Make a folder, and those above it, that others may pass through and not list."""
    if folder.is_dir():
        return
    make_passable_folder(folder.parent)
    folder.mkdir(exist_ok=True)
    folder.chmod(PASSABLE)


def close_to_others(path: Path) -> None:
    """Take the rights of all other users from a file; the owner's and the group's stay."""
    mode = path.stat().st_mode & 0o777
    if mode & 0o007:
        path.chmod(mode & ~0o007)

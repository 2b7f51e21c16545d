"""Published trees that are no longer kept."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterable
from datetime import datetime
from pathlib import Path

from pipeline.exchange.publication import LATEST, RECENT, STAMP, VERSIONS, folder_name
from pipeline.storage.atomic import locked


def list_old_versions(folder: Path, *, before: datetime) -> list[str]:
    """List the versions of issue times before a moment, but the newest ones and that of the root.

    Parameters
    ----------
    folder
        Folder of all published trees.
    before
        Moment, aware.
    """
    names = sorted(path.name for path in (folder / VERSIONS).glob("*") if STAMP.match(path.name))
    latest = folder / LATEST
    at_root = json.loads(latest.read_bytes())["version"] if latest.is_file() else ""
    first_kept = folder_name(before)
    return [name for name in names[:-RECENT] if name != at_root and name < first_kept]


def remove_versions(folder: Path, names: Iterable[str]) -> None:
    """Remove versions with the links of their issue times; the files of the root stay.

    Killed on the way, a version is there as a whole or as a draft, which the next publication or
    clean-up removes.
    """
    versions = folder / VERSIONS
    with locked(versions):
        for name in names:
            link = folder / name.partition("-")[0]
            if link.is_symlink() and str(link.readlink()) == f"{VERSIONS}/{name}":
                link.unlink()
            (versions / name).rename(versions / f".draft-{name}")
        for draft in versions.glob(".draft-*"):
            shutil.rmtree(draft)

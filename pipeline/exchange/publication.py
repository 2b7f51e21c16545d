"""Publish the tree of a run atomically: complete or absent, wherever the process is killed.

```
published/
  20260820T0030Z -> .versions/20260820T0030Z-3f2a…   the issue time, as last published
  latest -> 20260820T0030Z                           the newest issue time
  .versions/20260820T0030Z-3f2a…/                    index.json, alerts.geojson, alerts.csv, cap/…
```

A tree is written beside the others, synced to disk and renamed to the digest of its content; only
then are the two links replaced, each by one rename. A version is never changed or removed, so a
reader that has resolved a link keeps a complete tree: resolve ``latest`` once, then read.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path

from pipeline.storage.atomic import locked, point_link, write_folder

STAMP = re.compile(r"\d{8}T\d{4}Z")


def folder_name(issue_time: datetime) -> str:
    """Name of the folder of an issue time.

    Examples
    --------
    >>> folder_name(datetime(2026, 8, 20, 0, 30, tzinfo=UTC))
    '20260820T0030Z'
    """
    if issue_time.tzinfo is None:
        raise ValueError(f"expected an aware moment, found {issue_time!r}")
    return f"{issue_time.astimezone(UTC):%Y%m%dT%H%MZ}"


def publish_tree(tree: Mapping[str, bytes], *, folder: Path, issue_time: datetime) -> Path:
    """Publish a tree and return its folder.

    The same content again changes nothing. Other content for the same issue time replaces it.
    ``latest`` is the newest issue time that is published: the rerun of an older night never moves
    it back.

    Parameters
    ----------
    tree
        Content of each file by its relative path; ``index.json`` is required.
    folder
        Folder of all published trees, made if it is not there.
    issue_time
        Moment of the run, aware.

    Raises
    ------
    ValueError
        No index, or a path that leaves the tree.
    """
    if "index.json" not in tree:
        raise ValueError(f"expected index.json in the tree, found {sorted(tree)}")
    for path in tree:
        if Path(path).is_absolute() or ".." in Path(path).parts:
            raise ValueError(f"expected a relative path inside the tree, found {path!r}")
    name = folder_name(issue_time)
    versions = folder / ".versions"
    versions.mkdir(parents=True, exist_ok=True)
    (versions / ".lock").touch()
    with locked(versions / ".lock"):
        target = versions / f"{name}-{_digest(tree)[:16]}"
        if not target.is_dir():
            write_folder(target, tree)
        point_link(folder / name, f".versions/{target.name}")
        newest = max(entry.name for entry in folder.iterdir() if STAMP.fullmatch(entry.name))
        point_link(folder / "latest", newest)
    return folder / name


def read_tree(folder: Path) -> dict[str, bytes]:
    """Read a published tree: content of each file by its relative path.

    Raises
    ------
    FileNotFoundError
        No tree is published in the folder.
    """
    if not (folder / "index.json").is_file():
        raise FileNotFoundError(f"expected a published tree in {folder}, found none")
    version = folder.resolve()  # once: the link may point to another while the files are read
    files = (path for path in version.rglob("*") if path.is_file())
    return {str(path.relative_to(version)): path.read_bytes() for path in files}


def _digest(tree: Mapping[str, bytes]) -> str:
    total = hashlib.sha256()
    for path, data in sorted(tree.items()):
        total.update(f"{path}\0{len(data)}\0".encode())
        total.update(data)
    return total.hexdigest()

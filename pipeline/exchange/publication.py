"""Publish the tree of a run atomically: complete or absent, wherever the process is killed.

```
published/
  latest.json                              the newest tree: its version and the digest of its index
  latest.json.sig                          its signature
  reports.json                             reports from the ground, replaced when some come
  health.json, metrics.prom, last_good_night.txt   whether nights run (pipeline/supervision)
  watch.json                               what the hourly watch saw, replaced by each
  watch.json.sig                           its signature
  page/                                    the pages of the newest tree (pipeline/pages)
  versions/20260820T0030Z-r0-3f2a…/        index.json, alerts.geojson, alerts.csv, cap/…
  alerts.geojson, feed.xml, cap/…          the files of the newest tree, each for itself
  20260820T0030Z -> versions/…             the issue time, as last published
  latest -> 20260820T0030Z                 the newest issue time
```

A tree is written beside the others, synced to disk and renamed to its version, which is never
changed; a file outside ``versions/`` is replaced by one rename, ``latest.json`` last. A reader of
several files reads ``latest.json`` and then its version; a reader of one file takes it from the
root. The links serve this machine alone: a copy without them is complete.
"""

from __future__ import annotations

import json
import os
import re
import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

from pipeline.exchange.index import INDEX, write_latest
from pipeline.exchange.keys import SigningKeys
from pipeline.exchange.signatures import BadSignature, keep_valid_lines, sign_detached
from pipeline.storage.atomic import draft_file, locked, point_link, write_folder

LATEST = "latest.json"
REPORTS = "reports.json"
"""File of the root alone: it is replaced between two nights."""
HEALTH, METRICS, LAST_GOOD = "health.json", "metrics.prom", "last_good_night.txt"
"""Files of the root alone that tell whether nights run."""
WATCH = "watch.json"
"""The same: what the hourly watch saw last."""
OWN = frozenset({REPORTS, WATCH, f"{WATCH}.sig", HEALTH, METRICS, LAST_GOOD})
"""Files of the root that no version holds."""
VERSIONS = "versions"
PAGES = "page"
"""Folder of the root with the pages of the newest tree, each replaced for itself."""
RECENT = 10
"""Versions whose files may still stand at the root after publications that were killed."""
READ_ONLY = 0o444
"""Rights of the files of a version, which are those of the root too."""
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


@contextmanager
def publishing(folder: Path) -> Iterator[None]:
    """Exclude others that make and publish a tree, so that none overtakes a Cancel.

    Parameters
    ----------
    folder
        Folder of all published trees, made if it is not there.
    """
    folder.mkdir(parents=True, exist_ok=True)
    with locked(folder):
        yield


def publish_tree(
    tree: Mapping[str, bytes],
    *,
    folder: Path,
    issue_time: datetime,
    keys: SigningKeys | None = None,
) -> Path:
    """Publish a tree and return its folder.

    The same content again changes nothing. Other content for the same issue time replaces it.
    ``latest.json`` is of the newest issue time that is published: the rerun of an older night never
    moves it back.

    Parameters
    ----------
    tree
        Content of each file by its relative path; ``index.json`` names the version.
    folder
        Folder of all published trees, made if it is not there.
    issue_time
        Moment of the run, aware.
    keys
        Keys that sign ``latest.json``; without them it has no signature.

    Raises
    ------
    ValueError
        No index, or a path that leaves the tree or is kept for the root.
    """
    if INDEX not in tree:
        raise ValueError(f"expected {INDEX} in the tree, found {sorted(tree)}")
    for path in tree:
        if Path(path).is_absolute() or ".." in Path(path).parts:
            raise ValueError(f"expected a relative path inside the tree, found {path!r}")
        if _is_of_root(Path(path).parts[0]):
            raise ValueError(f"expected no path that the root keeps for itself, found {path!r}")
    name = folder_name(issue_time)
    version = json.loads(tree[INDEX])["version"]
    versions = folder / VERSIONS
    versions.mkdir(parents=True, exist_ok=True)
    with locked(versions):
        for draft in versions.glob(".draft-*"):  # of a process that was killed
            shutil.rmtree(draft)
        newest = max((entry.name[: len(name)] for entry in versions.iterdir()), default="")
        target = versions / version
        if target.is_dir() and not all((target / path).is_file() for path in tree):
            shutil.rmtree(target)  # a file of it was lost
        if not target.is_dir():
            write_folder(target, tree, rights=READ_ONLY)
        _point_link(folder / name, f"{VERSIONS}/{version}")
        if name >= newest:
            _replace_files(folder, target, tree)
            _replace_signed(folder / LATEST, write_latest(tree[INDEX]), keys)
            _point_link(folder / "latest", name)
    return folder / name


def _is_of_root(name: str) -> bool:
    """Whether a name in the folder of all trees is not of a file of the newest tree."""
    return (
        name.startswith((".", LATEST, *OWN))
        or name in {"latest", VERSIONS, PAGES}
        or bool(STAMP.fullmatch(name))
    )


def _point_link(link: Path, target: str) -> None:
    """Point a link at a target; a copy that followed links has a folder of its name."""
    if link.is_dir() and not link.is_symlink():
        shutil.rmtree(link)
    point_link(link, target)


def _replace_files(folder: Path, target: Path, tree: Mapping[str, bytes]) -> None:
    """Make the files of the root those of a version: each by a rename, as a second name of it.

    Files of the version before that this one does not have are removed, and no others.
    """
    before = _list_published(folder)
    paths = {path for path in tree if path != INDEX and not path.startswith(f"{INDEX}.")}
    for path in sorted(paths):
        file, source = folder / path, target / path
        if file.exists() and file.samefile(source):
            continue
        file.parent.mkdir(parents=True, exist_ok=True)
        draft = file.with_name(f".draft-{file.name}")
        draft.unlink(missing_ok=True)
        draft.hardlink_to(source)
        draft.replace(file)
    for path in sorted(before - paths):
        (folder / path).unlink(missing_ok=True)
        for parent in (folder / path).parents:
            if parent == folder or any(parent.iterdir()):
                break
            parent.rmdir()


def _list_published(folder: Path) -> set[str]:
    """Paths of the files that the last versions have put at the root."""
    paths = set[str]()
    for index in sorted((folder / VERSIONS).glob(f"*/{INDEX}"))[-RECENT:]:
        paths.update(json.loads(index.read_bytes())["files"])
    return {path for path in paths if (folder / path).is_file()}


def _replace_signed(path: Path, content: bytes, keys: SigningKeys | None) -> None:
    """Replace a file of the root after its signature.

    The signature keeps the lines of the file before: a reader that takes the file first and then
    the signature finds one that fits, whatever was published between.
    """
    signature = path.with_name(f"{path.name}.sig")
    if keys is not None:
        _replace(signature, sign_detached(content, keys) + _lines_of_before(path, content, keys))
    _replace(path, content)
    if keys is None:
        signature.unlink(missing_ok=True)


def _lines_of_before(path: Path, content: bytes, keys: SigningKeys) -> bytes:
    """Lines of the signature that are of the file as it is now; those of the same content go on."""
    signature = path.with_name(f"{path.name}.sig")
    if not (path.is_file() and signature.is_file()):
        return b""
    stored = signature.read_bytes()
    new = sign_detached(content, keys)
    if path.read_bytes() == content and stored.startswith(new):
        return stored.removeprefix(new)
    try:
        return keep_valid_lines(path.read_bytes(), stored, keys.public.ed25519)
    except BadSignature:  # a damaged signature must not stop a publication
        return b""


def _replace(path: Path, content: bytes) -> None:
    """Replace a file by one rename, synced to disk; one with this content stays."""
    if path.is_file() and path.read_bytes() == content:
        return
    with draft_file(path) as draft, draft.open("wb") as stream:
        stream.write(content)
        stream.flush()
        os.fsync(stream.fileno())


def replace_reports(folder: Path, content: bytes) -> None:
    """Replace the summary of reports from the ground, where a tree is published."""
    if (folder / LATEST).is_file():
        with locked(folder / VERSIONS):
            _replace(folder / REPORTS, content)


def replace_watch(
    folder: Path, content: bytes, *, asof: datetime, keys: SigningKeys | None
) -> None:
    """Replace what the hourly watch saw, where a tree is published, never by an older watch.

    Parameters
    ----------
    folder
        Folder of all published trees.
    content
        Content of ``watch.json``.
    asof
        Moment of the watch.
    keys
        Keys that sign it; without them it is unsigned.
    """
    if not (folder / LATEST).is_file():
        return
    with locked(folder / VERSIONS):
        stored = _read_moment(folder / WATCH)
        if stored is None or stored <= asof:
            _replace_signed(folder / WATCH, content, keys)


def _read_moment(path: Path) -> datetime | None:
    """Read the moment of a watch; None where there is none, or the file is damaged."""
    try:
        return datetime.fromisoformat(json.loads(path.read_bytes())["asof"])
    except (OSError, ValueError, LookupError, TypeError):
        return None


def read_tree(folder: Path) -> dict[str, bytes]:
    """Read a published tree: content of each file by its relative path.

    Trees of earlier versions of the program hold files that are now of the root: they stay out, or
    no Cancel and no raised level could be published after an upgrade.

    Raises
    ------
    FileNotFoundError
        No tree is published in the folder.
    """
    if not (folder / INDEX).is_file():
        raise FileNotFoundError(f"expected a published tree in {folder}, found none")
    version = folder.resolve()  # once: the link may point to another while the files are read
    files = (path for path in version.rglob("*") if path.is_file())
    relative = {path.relative_to(version): path for path in files}
    return {
        str(name): path.read_bytes() for name, path in relative.items() if name.parts[0] not in OWN
    }

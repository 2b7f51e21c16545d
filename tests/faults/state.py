"""What a step leaves: archive, tables, models, trees and the names of files, to be compared.

Icechunk's ids of snapshots are random: each is replaced by its place in the archive's history, and
the digests of what names one by those of what it is then.
"""

from __future__ import annotations

import hashlib
import json
import re
import zlib
from collections import Counter
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import icechunk
import numpy as np
import sqlalchemy as sa
import zarr

from pipeline.exchange.index import INDEX
from pipeline.exchange.publication import LATEST
from pipeline.settings import Settings
from pipeline.storage.archive import Archive
from pipeline.storage.database import metadata, readings

State = dict[str, str]
VERSION = re.compile(r"(-r\d+-)[0-9a-f]{16}")
MARK = re.compile(rb"\b(?:[0-9A-Z]{20}|[0-9a-f]{64})\b")
"""Ids of snapshots, and digests."""
RANDOM_NAMES = ("chunks", "manifests", "snapshots", "transactions")
"""Folders of the archive whose files have random names; they are counted."""
LAST_STEPS = 3
"""Steps of a product whose values are read; the others are compared by their stored digests."""
UNTOLD = {("ingests", "stored_at")}
"""Columns with the time of the clock."""
BATCHES = {(table.name, column.name) for table in metadata.sorted_tables for column in table.columns
           if column.name == "batch" or table.name == "ingests"}  # fmt: skip
"""Columns with the numbers of ingests."""
MOST_SHOWN = 5
"""Differences that are shown."""


def describe(settings: Settings, *, batches: bool = True) -> State:
    """Describe all that a step leaves in a data folder: digests by name.

    The archive is cleaned first by its own garbage collection: what a killed commit has left goes,
    and what is left then must be what an undisturbed run leaves.

    Parameters
    ----------
    settings
        Location of the stores.
    batches
        Whether ingests and their numbers belong to it: of two at once the second adds an empty one.
    """
    marks = dict[str, str]()
    state = State()
    if settings.archive_dir.exists():
        state |= _describe_archive(settings, marks)
    # Before the tables, which hold digests of messages that name a snapshot.
    state |= _describe_published(settings.published_dir, marks)
    if (settings.data_dir / "records.db").exists():
        state |= _describe_tables(settings, marks, batches=batches)
    for folder in (settings.models_dir, settings.scoreboard_dir):
        for path in sorted(folder.rglob("*")):
            if path.is_file() and not path.is_symlink():
                name = path.relative_to(settings.data_dir)
                state[f"file {name}"] = _hash(path.read_bytes())
    return state | _describe_names(settings) | _describe_backup(settings.data_dir.parent)


def describe_published(settings: Settings) -> State:
    """Describe the published files alone."""
    repository = Archive(settings.archive_dir)._repository
    return _describe_published(settings.published_dir, _name_snapshots(repository))


def compare(expected: State, found: State) -> list[str]:
    """Say what differs."""
    keys = sorted(expected.keys() | found.keys())
    wrong = [key for key in keys if expected.get(key) != found.get(key)]
    more = [f"and {len(wrong) - MOST_SHOWN} more"] if len(wrong) > MOST_SHOWN else []
    return [
        f"{key}: expected {expected.get(key, 'none')}, found {found.get(key, 'none')}"
        for key in wrong[:MOST_SHOWN]
    ] + more


def keep_published(state: State) -> State:
    """Keep what :func:`describe_published` describes."""
    return {key: value for key, value in state.items() if key.split()[0] in {"published", "link"}}


def _hash(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()[:16]


def _mask(content: bytes, marks: Mapping[str, str]) -> bytes:
    """Replace ids and digests by what they are called."""
    return MARK.sub(lambda found: marks.get(found[0].decode(), found[0].decode()).encode(), content)


def _name_snapshots(repository: icechunk.Repository) -> dict[str, str]:
    history = list(repository.ancestry(branch="main"))[::-1]
    return {commit.id: f"<snapshot {number}>" for number, commit in enumerate(history)}


def _describe_archive(settings: Settings, marks: dict[str, str]) -> State:
    """Describe the products by the digests of their steps, and the commits by their messages."""
    archive = Archive(settings.archive_dir)
    repository = archive._repository
    repository.garbage_collect(datetime.now(UTC))
    marks |= _name_snapshots(repository)
    history = list(repository.ancestry(branch="main"))[::-1]
    state = {f"commit {number}": commit.message for number, commit in enumerate(history)}
    root = zarr.open_group(archive._session().store, mode="r")
    arrays = {
        path: node for path, node in root.members(max_depth=None) if isinstance(node, zarr.Array)
    }
    for path, node in arrays.items():
        name = path.rpartition("/")[2]
        by_digest = f"{path.partition('/')[0]}/digest" in arrays
        whole = not by_digest or name in {"time", "available_time", "digest"}
        values = np.asarray(node[...] if whole or not node.shape else node[-LAST_STEPS:])
        content = values.astype(str).tobytes() if values.dtype == object else values.tobytes()
        state[f"archive {path}"] = f"{node.shape} {_hash(content)}"
    state["archive branches"] = " ".join(sorted(repository.list_branches() - {"draft"}))
    return state


def _describe_tables(settings: Settings, marks: Mapping[str, str], *, batches: bool) -> State:
    state = State()
    untold = UNTOLD if batches else UNTOLD | BATCHES
    engine = sa.create_engine(settings.database)
    with engine.connect() as connection:
        state["tables"] = str(connection.scalar(sa.text("PRAGMA integrity_check")))
        for table in metadata.sorted_tables:
            columns = [
                column for column in table.columns if (table.name, column.name) not in untold
            ]
            if not columns:
                continue
            query = sa.select(*columns)
            if table is readings:  # half a million rows: sums by ingest
                sums = (
                    sa.func.sum(column % 1000003)
                    for column in (table.c.valid_time, table.c.available_time, table.c.version)
                )
                value = sa.func.sum(table.c.value)
                query = sa.select(sa.func.count(), value, *sums)
                query = query.group_by(table.c.batch if batches else table.c.variable)
            rows = []
            for row in connection.execute(query):
                cells = [_plain(value) for value in row]
                rows.append(_mask(json.dumps(cells, default=str).encode(), marks))
            digest = _hash(b"\n".join(sorted(rows)))
            state[f"table {table.name}"] = f"{len(rows)} rows {digest}"
    engine.dispose()
    return state


def _plain(value: object) -> object:
    """Bytes as text: messages and proofs are deflated."""
    if isinstance(value, bytes):
        return zlib.decompress(value).decode(errors="replace")
    return value


def _describe_published(folder: Path, marks: dict[str, str]) -> State:
    """Describe every file, by its content with ids replaced, and where each link points.

    The digest of each file is added to the marks.
    """
    state, names = State(), dict[str, str]()

    def order(path: Path) -> tuple[int, str]:
        last = {"datapackage.json": 1, INDEX: 2, LATEST: 3}
        return last.get(path.name, 0), str(path)

    for path in sorted(folder.rglob("*"), key=order):
        name = VERSION.sub(r"\1<version>", str(path.relative_to(folder)))
        if path.is_symlink():
            state[f"link {name}"] = VERSION.sub(r"\1<version>", str(path.readlink()))
        elif path.is_file():
            content = path.read_bytes()
            masked = VERSION.sub(r"\1<version>", _mask(content, marks).decode("latin-1"))
            digest = hashlib.sha256(masked.encode("latin-1")).hexdigest()
            marks[hashlib.sha256(content).hexdigest()] = digest
            names[name] = digest[:16]
    return state | {f"published {name}": digest for name, digest in names.items()}


def _describe_names(settings: Settings) -> State:
    """Names and rights of all files and folders; those with random names by their number."""
    state, counts = State(), Counter[str]()
    for path in sorted(settings.data_dir.rglob("*")):
        name = path.relative_to(settings.data_dir)
        if len(name.parts) > 2 and name.parts[0] == "archive" and name.parts[1] in RANDOM_NAMES:
            counts[name.parts[1]] += 1
        elif not path.name.startswith("records.db-"):
            rights = "" if path.is_symlink() else f"{path.stat().st_mode & 0o777:o}"
            state["name " + VERSION.sub(r"\1<version>", str(name))] = rights
    return state | {f"objects {kind}": str(count) for kind, count in counts.items()}


def _describe_backup(folder: Path) -> State:
    """Describe a backup beside a data folder by what it says of its files; the moment is untold."""
    found = [path for path in folder.iterdir() if "backup" in path.name]
    state = {f"name beside {path.name}": "" for path in found}
    for path in found:
        if (manifest := path / "manifest.json").exists():
            held = json.loads(manifest.read_text()) | {"made_at": ""}
            held["files"]["records.db"]["mtime_ns"] = 0
            wrong = [
                name
                for name, row in held["files"].items()
                if "same_as" not in row and not (path / name).is_file()
            ]
            content = json.dumps(held, sort_keys=True).encode()
            state[f"backup {path.name}"] = (
                f"{len(held['files'])} files, lacks {wrong} {_hash(content)}"
            )
    return state


def find_broken_tree(settings: Settings) -> list[str]:
    """Say what a reader of the newest published tree finds wrong: nothing, or not all of it.

    Every store of a trial holds a night that was published before, or none was ever.
    """
    latest = settings.published_dir / LATEST
    if not settings.published_dir.exists():
        return []
    if not latest.exists():
        return [f"the published tree has no {LATEST}"]
    said = json.loads(latest.read_bytes())
    tree = settings.published_dir / "versions" / said["version"]
    index = (tree / INDEX).read_bytes()
    listed: dict[str, Any] = json.loads(index)["files"]
    wrong = [
        path
        for path, row in listed.items()
        if hashlib.sha256((tree / path).read_bytes()).hexdigest() != row["sha256"]
    ]
    if hashlib.sha256(index).hexdigest() not in json.dumps(said):
        wrong.append(INDEX)
    return [f"the published tree {said['version']} has another {path}" for path in wrong]

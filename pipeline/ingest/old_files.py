"""Upstream files that were ingested and that no night asks for any more."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from datetime import datetime, timedelta
from pathlib import Path

from pipeline.sources import SOURCES
from pipeline.sources.base import shown_name
from pipeline.sources.upstream import SIDECARS, sha256
from pipeline.storage.records import Records


def list_old_files(
    records: Records, upstream: Path, *, asof: datetime, keep: timedelta
) -> Iterator[Path]:
    """List files whose bytes were ingested and that ended long ago, and the sidecars beside them.

    A file that was never ingested, or was rejected, stays: no store holds its content.

    Parameters
    ----------
    records
        Tables of the ingested files.
    upstream
        Root of the upstream folder.
    asof
        Issue time of the last night.
    keep
        Span for which files are kept after their end; those of a source that is asked back further,
        or whose files may be rewritten for longer, for as long as that.
    """
    ends = records.granule_ends()
    old = {
        name: {
            digest
            for digest, (source, end) in of_name.items()
            if end < asof - max(keep, _asked_back(source))
        }
        for name, of_name in ends.items()
    }
    for path in sorted(upstream.rglob("*")):
        digests = old.get(shown_name(path))
        if digests and path.is_file() and not path.is_symlink() and sha256(path) in digests:
            yield path
            yield from _list_sidecars(path)


def remove_files(paths: Iterable[Path], upstream: Path) -> None:
    """Remove files, and the folders that are empty then."""
    for path in paths:
        path.unlink(missing_ok=True)
        for folder in path.parents:
            if folder == upstream or any(folder.iterdir()):
                break
            folder.rmdir()


def _asked_back(source: str) -> timedelta:
    row = SOURCES.get(source)
    return timedelta() if row is None else max(row.lookback, row.revised)


def _list_sidecars(path: Path) -> list[Path]:
    """List the files beside a data file that have its name and another ending."""
    return [
        beside
        for beside in sorted(path.parent.iterdir())
        if beside.name in {f"{name}{end}" for name in (path.name, path.stem) for end in SIDECARS}
    ]

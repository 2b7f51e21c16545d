"""What earlier ingests have read of files: which are new, were rejected, or are sound."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime

from pipeline.ingest.store import File, checksum
from pipeline.sources.base import shown_name

Known = dict[str, set[tuple[datetime | None, str]]]
"""Times of publication (none of a rejected file) and checksums of read files, by name."""


def select_unknown(files: list[File], known: Known) -> list[File]:
    """Select files that no ingest has read, and add their checksums.

    A file without a checksum is known by its time of publication.
    """
    unread = []
    for file in files:
        marks = known.get(shown_name(file.path), set())
        if not file.sha256 and any(time == file.published for time, _ in marks):
            continue
        hashed = file if file.sha256 else replace(file, sha256=checksum(file.path))
        if all(hashed.sha256 != checksum_read for _, checksum_read in marks):
            unread.append(hashed)
    return unread


def has_sound(files: list[File], known: Known) -> bool:
    """Return whether any of the files was read before and was sound."""
    return any(
        time is not None and (time == file.published or mark == file.sha256)
        for file in files
        for time, mark in known.get(shown_name(file.path), ())
    )


def count_rejected(files: list[File], known: Known) -> int:
    """Count the files of which every content that was read before was rejected."""
    marks = [known.get(shown_name(file.path), set()) for file in files]
    return sum(bool(of_file) and all(time is None for time, _ in of_file) for of_file in marks)

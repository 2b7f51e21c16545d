"""Files on their way: what an earlier try left, and whether it may be continued."""

from __future__ import annotations

import email.utils
import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO

from pipeline.storage.atomic import open_locked

if TYPE_CHECKING:
    import httpx

_MARK = re.compile(r"[\x21-\x7e ]{1,200}")
"""What a mark looks like that can be sent back as it came."""


class OtherFile(Exception):  # noqa: N818
    """What came does not continue what is there."""


@dataclass(frozen=True)
class Part:
    """A file on its way.

    Parameters
    ----------
    path
        Where the part lies.
    stream
        The part, open for appending and locked.
    note
        Where the mark lies, the validator by which the server knows the file again.
    """

    path: Path
    stream: BinaryIO
    note: Path

    def asked(self, whole: Path) -> dict[str, str]:
        """Headers that ask for the rest of the part, or for a file newer than one that is there.

        Parameters
        ----------
        whole
            Where the file shall lie.
        """
        if size := self.stream.seek(0, os.SEEK_END):
            mark = self.note.read_text(encoding="ascii") if self.note.exists() else ""
            if _MARK.fullmatch(mark):
                return {"Range": f"bytes={size}-", "If-Range": mark}
            self.drop()
        if whole.exists():
            stamp = email.utils.formatdate(whole.stat().st_mtime, usegmt=True)
            return {"If-Modified-Since": stamp}
        return {}

    def begin(self, response: httpx.Response, *, resumable: bool) -> tuple[int, int | None]:
        """Make the part ready for an answer.

        Parameters
        ----------
        response
            200 or 206.
        resumable
            Whether a mark may be kept.

        Returns
        -------
        tuple
            Bytes that are there already, and bytes of the whole file if the answer says so.

        Raises
        ------
        OtherFile
            The rest of another file, or of one that was not asked for in parts.
        """
        etag = response.headers.get("ETag", "")
        weak = not etag or etag.startswith("W/")
        mark = response.headers.get("Last-Modified", "") if weak else etag
        if response.status_code == 206:
            size = self.stream.seek(0, os.SEEK_END)
            span = re.fullmatch(
                r"bytes (\d{1,18})-\d{1,18}/(\d{1,18}|\*)",
                response.headers.get("Content-Range", ""),
            )
            known = self.note.read_text(encoding="ascii") if self.note.exists() else None
            if span and int(span[1]) == size > 0 and mark == known:
                return size, None if span[2] == "*" else int(span[2])
            self.drop()
            raise OtherFile("the rest of another file came")
        self.drop()
        if resumable and _MARK.fullmatch(mark):
            self.note.write_text(mark, encoding="ascii")
        return 0, None

    def drop(self) -> None:
        """Forget what has come."""
        self.stream.truncate(0)
        self.note.unlink(missing_ok=True)


@contextmanager
def part_of(whole: Path, *, deadline: float) -> Iterator[Part]:
    """Open the part of a file that no other thread or process writes; an empty one does not stay.

    Parameters
    ----------
    whole
        Where the file shall lie.
    deadline
        Moment of ``time.monotonic`` until which another is waited for.

    Raises
    ------
    Busy
        Another is still at it then.
    """
    path = whole.with_name(f".{whole.name}.part")
    stream = open_locked(path, deadline=deadline)
    with stream:
        try:
            yield Part(path, stream, whole.with_name(f".{whole.name}.mark"))
        finally:
            stream.flush()
            if path.exists() and not os.fstat(stream.fileno()).st_size:
                path.unlink()

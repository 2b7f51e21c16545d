"""Files on their way: what an earlier try left, whether it may be continued, when it is whole."""

from __future__ import annotations

import email.utils
import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import BinaryIO

import httpx

from pipeline.sources.access.answers import published_at, redact
from pipeline.sources.access.wire import Unusable
from pipeline.sources.base import MAX_BYTES, HttpError
from pipeline.storage.atomic import open_locked

LARGE = MAX_BYTES
"""Longest file (bytes); a GK2A full disk is 0.08 of it."""
_VALIDATOR = re.compile(r"[\x21-\x7e ]{1,200}")
"""What a validator looks like that can be sent back as it came."""
_HEAD = 64 << 10
"""Bytes of a file in which a page of login is looked for."""


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
        Where the validator lies by which the server knows the file again.
    """

    path: Path
    stream: BinaryIO
    note: Path

    def headers(self, whole: Path) -> dict[str, str]:
        """Headers that ask for the rest of the part, or for a file newer than one that is there.

        Parameters
        ----------
        whole
            Where the file shall lie.
        """
        if size := self.stream.seek(0, os.SEEK_END):
            validator = self.note.read_text(encoding="ascii") if self.note.exists() else ""
            if _VALIDATOR.fullmatch(validator):
                return {"Range": f"bytes={size}-", "If-Range": validator}
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
            Whether a validator may be kept.

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
        validator = response.headers.get("Last-Modified", "") if weak else etag
        if response.status_code == 206:
            size = self.stream.seek(0, os.SEEK_END)
            span = re.fullmatch(
                r"bytes (\d{1,18})-\d{1,18}/(\d{1,18}|\*)",
                response.headers.get("Content-Range", ""),
            )
            known = self.note.read_text(encoding="ascii") if self.note.exists() else None
            if span and int(span[1]) == size > 0 and validator == known:
                return size, None if span[2] == "*" else int(span[2])
            self.drop()
            raise OtherFile("the rest of another file came")
        self.drop()
        if resumable and _VALIDATOR.fullmatch(validator):
            self.note.write_text(validator, encoding="ascii")
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


class Transfer:
    """One file through its part, over as many tries as its request has.

    Parameters
    ----------
    part
        Open for this transfer alone.
    whole
        Where the file shall lie.
    resumable
        Whether a later try may continue it.
    """

    def __init__(self, part: Part, whole: Path, *, resumable: bool) -> None:
        self._part, self._whole, self._resumable = part, whole, resumable
        self._headers: dict[str, str] = {}

    def headers(self) -> dict[str, str]:
        """Headers of the next try."""
        self._headers = self._part.headers(self._whole)
        return {"Accept-Encoding": "identity"} | self._headers

    def receive(self, response: httpx.Response) -> httpx.Response:
        """Write the body of an answer behind what has come.

        Parameters
        ----------
        response
            200, 206 or 304, its body yet to be read.

        Raises
        ------
        OtherFile
            It does not continue the part, or is of another length than it says.
        Unusable
            It is too long.
        HttpError
            304 where that was not asked for.
        """
        if response.status_code == 304:
            if "If-Modified-Since" in self._headers:
                return response
            raise HttpError(f"{redact(response.url)}: 304 was not asked for")
        size, declared = self._part.begin(response, resumable=self._resumable)
        for piece in response.iter_raw():
            size += len(piece)
            if size > LARGE:
                self._part.drop()
                raise Unusable(f"expected at most {LARGE} bytes, found more")
            self._part.stream.write(piece)
        if declared is not None and size != declared:
            self._part.drop()
            raise OtherFile(f"expected {declared} bytes, found {size}")
        return response

    def head(self) -> bytes:
        """Return the first bytes of a file that has come, which no later try continues."""
        self._part.note.unlink(missing_ok=True)
        self._part.stream.flush()
        self._part.stream.seek(0)
        return self._part.stream.read(_HEAD)

    def drop(self) -> None:
        """Forget what has come."""
        self._part.drop()

    def complete(self, response: httpx.Response) -> None:
        """Give a file that has come its time of publication and its name.

        Parameters
        ----------
        response
            The last one.
        """
        handle = self._part.stream.fileno()
        os.fsync(handle)
        received = datetime.fromtimestamp(os.fstat(handle).st_mtime, tz=UTC)
        os.utime(self._part.path, (published_at(response, received).timestamp(),) * 2)
        self._part.path.replace(self._whole)

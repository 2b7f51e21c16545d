"""Downloads in progress: parts that an earlier try left, their continuation and completion."""

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
from pipeline.storage.atomic import open_locked, set_published

LARGE = MAX_BYTES
"""Longest file (bytes); a GK2A full disk is 0.08 of it."""
_VALIDATOR = re.compile(r"[\x21-\x7e ]{1,200}")
"""Form of a validator that can be sent back unchanged."""
_HEAD = 64 << 10
"""Bytes of a file that are searched for a login page."""


class OtherFile(Exception):  # noqa: N818
    """The answer does not continue the part that is there."""


@dataclass(frozen=True)
class Part:
    """A file that is being downloaded.

    Parameters
    ----------
    path
        Path of the part.
    stream
        The part, open for appending and locked.
    note
        File with the validator by which the server recognises the file.
    """

    path: Path
    stream: BinaryIO
    note: Path

    def headers(self, target: Path) -> dict[str, str]:
        """Return headers that ask for the rest of the part, or for a newer file than the present.

        Parameters
        ----------
        target
            Destination of the file.
        """
        if size := self.stream.seek(0, os.SEEK_END):
            validator = self.note.read_text(encoding="ascii") if self.note.exists() else ""
            if _VALIDATOR.fullmatch(validator):
                return {"Range": f"bytes={size}-", "If-Range": validator}
            self.drop()
        if target.exists():
            stamp = email.utils.formatdate(target.stat().st_mtime, usegmt=True)
            return {"If-Modified-Since": stamp}
        return {}

    def begin(self, response: httpx.Response, *, resumable: bool) -> tuple[int, int | None]:
        """Prepare the part for an answer.

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
            The answer is the rest of another file, or of one that was not requested in parts.
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
        """Empty the part and drop its validator."""
        self.stream.truncate(0)
        self.note.unlink(missing_ok=True)


@contextmanager
def open_part(target: Path, *, deadline: float) -> Iterator[Part]:
    """Open and lock the part of a file; remove it where it stays empty.

    Parameters
    ----------
    target
        Destination of the file.
    deadline
        Moment of ``time.monotonic`` until which another writer is awaited.

    Raises
    ------
    Busy
        Another writer still holds it then.
    """
    path = target.with_name(f".{target.name}.part")
    stream = open_locked(path, deadline=deadline)
    with stream:
        try:
            yield Part(path, stream, target.with_name(f".{target.name}.mark"))
        finally:
            stream.flush()
            if path.exists() and not os.fstat(stream.fileno()).st_size:
                path.unlink()


class Transfer:
    """Transfer of one file through its part, over all tries of its request.

    Parameters
    ----------
    part
        Open for this transfer alone.
    target
        Destination of the file.
    resumable
        Whether a later try may continue it.
    """

    def __init__(self, part: Part, target: Path, *, resumable: bool) -> None:
        self._part, self._target, self._resumable = part, target, resumable
        self._headers: dict[str, str] = {}

    def headers(self) -> dict[str, str]:
        """Return the headers of the next try."""
        self._headers = self._part.headers(self._target)
        return {"Accept-Encoding": "identity"} | self._headers

    def receive(self, response: httpx.Response) -> httpx.Response:
        """Append the body of an answer to the part.

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
            304 without a conditional request.
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
        """Return the first bytes of a received file; no later try continues it."""
        self._part.note.unlink(missing_ok=True)
        self._part.stream.flush()
        self._part.stream.seek(0)
        return self._part.stream.read(_HEAD)

    def drop(self) -> None:
        """Empty the part and drop its validator."""
        self._part.drop()

    def complete(self, response: httpx.Response) -> None:
        """Give a received file its time of publication and its name.

        Parameters
        ----------
        response
            Last answer.
        """
        handle = self._part.stream.fileno()
        os.fsync(handle)
        received = datetime.fromtimestamp(os.fstat(handle).st_mtime, tz=UTC)
        set_published(self._part.path, published_at(response, received))
        self._part.path.replace(self._target)

"""Compressed files of readings, unpacked into a scratch folder within a limit."""

from __future__ import annotations

import gzip
import lzma
import zipfile
import zlib
from collections.abc import Iterator
from pathlib import Path, PurePosixPath
from typing import IO

from pipeline.sources.base import BadGranule

UNPACKED = 2**30
"""Most bytes that one file unpacks to."""
MEMBERS = 2000
"""Most files of one archive."""
_BROKEN = (
    EOFError, OSError, RuntimeError, ValueError, lzma.LZMAError, zipfile.BadZipFile, zlib.error,
)  # fmt: skip
"""Exceptions of the standard library for archives that are cut, corrupt, encrypted or unknown."""


def gunzip(path: Path, folder: Path) -> Path:
    """Unpack a gzip file; its content is named without the last suffix.

    Raises
    ------
    BadGranule
        The file is cut short, corrupt, or larger than ``UNPACKED``.
    """
    target = folder / (path.stem if path.suffix.casefold() == ".gz" else path.name)
    try:
        with gzip.open(path) as stream:
            _copy(path, stream, target, UNPACKED)
    except _BROKEN as error:
        if isinstance(error, BadGranule):
            raise
        raise BadGranule(path, expected="a whole gzip file", found=str(error)) from error
    return target


def is_workbook(path: Path) -> bool:
    """Return whether a zip archive is an Excel workbook.

    Raises
    ------
    BadGranule
        The archive is cut short or corrupt.
    """
    try:
        with zipfile.ZipFile(path) as archive:
            _check_begin(archive)
            return "xl/workbook.xml" in archive.namelist()
    except _BROKEN as error:
        raise BadGranule(path, expected="a whole zip archive", found=str(error)) from error


def unzip(path: Path, folder: Path) -> Iterator[Path]:
    """Unpack the files of a zip archive one by one, each into a folder of its own.

    Names lose their folders, so that none leaves the scratch folder; hidden files are skipped.

    Raises
    ------
    BadGranule
        The archive is cut short, corrupt, encrypted, has more than ``MEMBERS`` files, or is larger
        than ``UNPACKED``.
    """
    budget = UNPACKED
    try:
        with zipfile.ZipFile(path) as archive:
            _check_begin(archive)
            entries = [entry for entry in archive.infolist() if not entry.is_dir()]
            if len(entries) > MEMBERS:
                raise BadGranule(
                    path, expected=f"at most {MEMBERS} files inside", found=str(len(entries))
                )
            for number, entry in enumerate(entries):
                parts = PurePosixPath(entry.filename.replace("\\", "/")).parts
                if not parts or parts[-1].startswith(".") or "__MACOSX" in parts:
                    continue
                name = parts[-1].encode("utf-8", "replace").decode("utf-8", "replace")[-80:]
                target = folder / str(number) / name.replace("\0", "")
                target.parent.mkdir()
                with archive.open(entry) as stream:
                    budget -= _copy(path, stream, target, budget)
                yield target
                target.unlink()
    except _BROKEN as error:
        if isinstance(error, BadGranule):
            raise
        raise BadGranule(path, expected="a whole zip archive", found=str(error)) from error


def _check_begin(archive: zipfile.ZipFile) -> None:
    """Refuse an archive whose list of files belongs to an archive within it.

    The list stands at the end; in a file that is cut short the last list may be that of a member.

    Raises
    ------
    zipfile.BadZipFile
        The first file of the list is not where the archive begins.
    """
    begin = min((entry.header_offset for entry in archive.infolist()), default=0)
    if begin:
        raise zipfile.BadZipFile(f"its list of files leaves out the first {begin} bytes")


def read_member(archive: zipfile.ZipFile, name: str, *, path: Path, largest: int) -> bytes:
    """Read one file of an archive.

    Raises
    ------
    BadGranule
        The file is absent, corrupt or larger than ``largest`` bytes, whatever the archive declares.
    """
    try:
        with archive.open(name) as stream:
            content = stream.read(largest + 1)
    except (KeyError, *_BROKEN) as error:
        raise BadGranule(path, expected=f"{name} inside", found=str(error)) from error
    if len(content) > largest:
        raise BadGranule(path, expected=f"at most {largest >> 20} MB inside", found=f"more: {name}")
    return content


def _copy(path: Path, stream: IO[bytes] | gzip.GzipFile, target: Path, limit: int) -> int:
    """Copy a stream piece by piece and return its size."""
    size = 0
    with target.open("wb") as out:
        while piece := stream.read(2**20):
            size += len(piece)
            if size > limit:
                raise BadGranule(
                    path, expected=f"at most {UNPACKED >> 20} MB unpacked", found="more"
                )
            out.write(piece)
    return size

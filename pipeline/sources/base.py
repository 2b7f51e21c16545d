"""What every source has in common: granules, their upstream, and the ways they can fail.

A source module, named in the table of sources, has two functions:

``granules(source, start, end, asof)``
    The granules of the source id that begin in [start, end) and have ended by ``asof``; whether
    they have been published yet is for :func:`locate` to say.
``read(path, grid=MEKONG)``
    The canonical grid dataset of one file; sources of kind ``readings`` and ``zones`` take the
    path alone. A file of a kind that the pipeline does not use raises :class:`Skipped`.

A module of several sources has ``other_product(source, path)``: what a file is by its name where
that is not what the source asks for, else None; a folder's file of another product is passed over.
One whose files no provider may be asked for has ``by_hand(source)``: why, and how they come; empty
where they are asked for.
"""

from __future__ import annotations

import hashlib
import stat
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Any, Literal

Origin = Literal["virtual", "measured"]
MAX_BYTES = 1_000_000_000
"""Size of a file, and memory that reading it may take (bytes); a file that declares more is refused
before it is read."""
SIDECARS = (
    ".xml", ".md5", ".sha1", ".sha256", ".sha512", ".json", ".met", ".dmrpp", ".part", ".partial",
    ".crdownload", ".tmp", ".lock", ".ovr", "__metadata.txt",
)  # fmt: skip
"""Ends of the names of files that providers, download tools and GIS programs leave beside data."""


class NotPublished(Exception):  # noqa: N818
    """A granule that should exist is not there yet: the one expected absence."""


class BadGranule(ValueError):  # noqa: N818
    """A granule is there but is not what its name promises.

    The message names the file, what was expected and what was found.
    """

    def __init__(self, path: Path, *, expected: str, found: str) -> None:
        super().__init__(f"{shown_name(path)}: expected {expected}, found {found}")
        self.path = path
        self.expected = expected
        self.found = found

    def __reduce__(self) -> tuple[Any, ...]:
        """Pickle by the arguments, which are given by name; a subclass becomes this class."""
        return partial(BadGranule, expected=self.expected, found=self.found), (self.path,)


class NeedsCredentials(Exception):  # noqa: N818
    """A source cannot be fetched from without a credential that is not set; carries its name."""

    def __init__(self, name: str) -> None:
        super().__init__(f"needs {name}, which is not set")
        self.name = name


class HttpError(Exception):
    """A provider could not be reached or did not answer with what was asked for.

    The message holds the address without its query, and no credential.

    Parameters
    ----------
    message
        What was expected and what was found.
    status
        Of the answer, if there was one.
    passing
        It may be otherwise a little later: a lost connection, silence, 429, 5xx, or a page or JSON
        where a file was asked for. Some providers say so that a file is not there yet; whether it
        could be, :mod:`pipeline.ingest.fetch` decides by the file's age.
    refused
        Name of the credential that was sent and refused.
    """

    def __init__(
        self, message: str, *, status: int | None = None, passing: bool = False, refused: str = ""
    ) -> None:
        super().__init__(message)
        self.status, self.passing, self.refused = status, passing, refused


class Skipped(Exception):  # noqa: N818
    """A file is sound but of a kind that the pipeline does not use; say so and go on."""


@dataclass(frozen=True)
class Granule:
    """One file that should exist upstream.

    Parameters
    ----------
    source
        Id of the source in the table of sources.
    folder
        Folder below the upstream's root, as the provider lays it out.
    pattern
        Glob for the file name, open where the name cannot be known beforehand (version letter,
        production time). Of several matches the last in sort order counts.
    start, end
        Half-open UTC interval that the file describes.
    """

    source: str
    folder: str
    pattern: str
    start: datetime
    end: datetime


@dataclass(frozen=True)
class Source:
    """One row of the table of sources.

    Parameters
    ----------
    id
        Name used on the command line, in the archive and in the DAG.
    kind
        ``grid`` goes to the archive, ``readings`` to the tables, ``zones`` to the areal record,
        ``cities`` to the archive with a time of availability of its own.
    cadence, latency
        Time between granules, and from a granule's end to its usual publication.
    module
        Dotted name of the module that has ``granules()`` and ``read()``; a string, so that the
        table is importable without xarray.
    lookback
        How far before the issue time a night asks for granules.
    core
        Every night counts on it: what it lacks is said to be missing. The others add to a night
        where they are configured.
    needs
        Names of the credentials without which nothing can be fetched; alternatives parted by "or".
    revised
        How long after its end a file may still be rewritten in place; until then a night asks its
        provider for it again.
    window
        The provider cuts windows out of its files: ``fetch`` takes the target grid as ``grid``.
    ahead
        How far beyond the present its steps reach: it forecasts.
    """

    id: str
    kind: Literal["grid", "readings", "zones", "cities"]
    cadence: timedelta
    latency: timedelta
    module: str
    lookback: timedelta
    core: bool = False
    needs: tuple[str, ...] = ()
    revised: timedelta = timedelta()
    window: bool = False
    ahead: timedelta = timedelta()


def locate(granule: Granule, upstream: Path, *, asof: datetime) -> tuple[Path, datetime]:
    """Find a granule in an upstream laid out as folders.

    Parameters
    ----------
    granule
        What to look for.
    upstream
        Root folder of the upstream.
    asof
        Moment of the question: files published later are not there yet. A file's modification
        time is its time of publication.

    Returns
    -------
    tuple
        Path of the file and the moment it became available (UTC).

    Raises
    ------
    NotPublished
        No file matches, or all that match were published after ``asof``, or what matches is not a
        file that may be opened.
    """
    folder = upstream / granule.folder
    found, beside = [], list[str]()
    for path in folder.glob(granule.pattern):
        reason = not_a_granule(path, folder, sidecars=_sidecars(granule.pattern))
        if reason:
            beside.append(f"{shown_name(path)}: {reason}")
            continue
        status = path.stat()
        published = datetime.fromtimestamp(status.st_mtime, tz=UTC)
        if published <= asof:
            found.append((status.st_size > 0, published, path.name, path))
    if not found:
        wanted = f"{granule.folder}/{granule.pattern}"
        passed_over = f"; passed over {', '.join(sorted(beside))}" if beside else ""
        raise NotPublished(f"{wanted} is not published as of {asof:%Y-%m-%d %H:%MZ}{passed_over}")
    _, published, _, path = max(found)
    return path, published


def not_a_granule(path: Path, folder: Path, *, sidecars: tuple[str, ...] = SIDECARS) -> str | None:
    """Say why something in a folder is not a file to read; nothing is opened.

    Parameters
    ----------
    path
        What lies in the folder.
    folder
        Folder that a link must not leave.
    sidecars
        Ends of names, in small letters, of files that lie beside data.

    Returns
    -------
    str or None
        None for a file that may be read.
    """
    if path.name.startswith("."):
        return "a hidden file"
    try:
        mode = path.stat().st_mode
    except OSError as error:
        return "a link to nothing" if path.is_symlink() else f"not readable: {error.strerror}"
    if not stat.S_ISREG(mode):
        # Opening a pipe would wait for a writer for ever.
        return _KINDS.get(stat.S_IFMT(mode), "not a file")
    if not path.resolve().is_relative_to(folder.resolve()):
        return "a link that leaves the folder"
    end = next((end for end in sidecars if path.name.lower().endswith(end)), None)
    return f"a {end} file beside the data" if end else None


_KINDS = {
    stat.S_IFDIR: "a folder",
    stat.S_IFIFO: "a pipe",
    stat.S_IFSOCK: "a socket",
    stat.S_IFCHR: "a device",
    stat.S_IFBLK: "a device",
}


def _sidecars(pattern: str) -> tuple[str, ...]:
    """List the ends of names that lie beside a granule, without the granule's own."""
    return tuple(end for end in SIDECARS if not pattern.lower().endswith(end))


def shown_name(path: Path) -> str:
    r"""Name of a file as text that any table and terminal takes.

    Examples
    --------
    >>> from pathlib import Path
    >>> shown_name(Path("a\udcff\n.csv"))
    'a\\udcff\\n.csv'
    """
    return "".join(
        letter if letter.isprintable() else letter.encode("unicode_escape").decode()
        for letter in path.name
    )


def sha256(path: Path) -> str:
    """Return the SHA-256 of a file's bytes, in hexadecimal."""
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()

"""What every source has in common: granules, their upstream, and the ways they can fail.

A source module, named in the table of sources, has two functions:

``granules(source, start, end, asof)``
    The granules of the source id that begin in [start, end) and have ended by ``asof``; whether
    they have been published yet is for :func:`locate` to say.
``read(path, grid=MEKONG)``
    The canonical grid dataset of one file; sources of kind ``readings`` and ``zones`` take the
    path alone. A file of a kind that the pipeline does not use raises :class:`Skipped`.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from pathlib import Path

Origin = Literal["virtual", "measured"]


class NotPublished(Exception):  # noqa: N818
    """A granule that should exist is not there yet: the one expected absence."""


class BadGranule(ValueError):  # noqa: N818
    """A granule is there but is not what its name promises.

    The message names the file, what was expected and what was found.
    """

    def __init__(self, path: Path, *, expected: str, found: str) -> None:
        super().__init__(f"{path.name}: expected {expected}, found {found}")
        self.path = path


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
        could be, :mod:`pipeline.fetching` decides by the file's age.
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
        No file matches, or all that match were published after ``asof``.
    """
    found = []
    for path in (upstream / granule.folder).glob(granule.pattern):
        published = datetime.fromtimestamp(path.stat().st_mtime, tz=UTC)
        if published <= asof:
            found.append((published, path.name, path))
    if not found:
        wanted = f"{granule.folder}/{granule.pattern}"
        raise NotPublished(f"{wanted} is not published as of {asof:%Y-%m-%d %H:%MZ}")
    published, _, path = max(found)
    return path, published


def sha256(path: Path) -> str:
    """Return the SHA-256 of a file's bytes, in hexadecimal."""
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()

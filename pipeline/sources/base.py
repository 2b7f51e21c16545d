"""Contract of all sources: granules and their times, a module's parts, exceptions.

The table of sources names a module for each row by a string; :meth:`Source.load` imports it. The
module has the two functions of :class:`SourceModule`, and where they apply the parts of
:class:`Fetching`, :class:`ByHand` and :class:`Named`.
"""

from __future__ import annotations

import importlib
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, Protocol, TypeAlias, cast, runtime_checkable

if TYPE_CHECKING:
    import pandas as pd
    import xarray as xr

Origin = Literal["virtual", "measured"]
Provider = Literal["nasa", "kma", "noaa", "chc", "geoglows", "mrc", "thaiwater", "files"]
"""Organisations that are asked; ``files`` where an agency's own files are read and nobody is."""
Reader: TypeAlias = "Callable[..., xr.Dataset | pd.DataFrame]"
"""Function from the path of a file, and options by name, to a canonical grid or to readings."""
PATIENCE = 1.25
"""Multiple of its usual delay after which a file is overdue."""
MAX_BYTES = 1_000_000_000
"""Size of a file, and memory that reading it may take (bytes); a file that declares more is refused
before it is read."""
HDF5_MAGIC = b"\x89HDF\r\n\x1a\n"
"""First bytes of a file of HDF5, so of netCDF-4."""


class NotPublished(Exception):  # noqa: N818
    """A granule that should exist is not published yet: the one expected absence."""


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
        Whether the failure may pass: a lost connection, silence, 429, 5xx, or a page or JSON in
        place of a file. Some providers answer so for a file that is not published yet;
        :mod:`pipeline.ingest.fetch` decides by the file's age whether it could be.
    refused
        Name of the credential that was sent and refused.
    """

    def __init__(
        self, message: str, *, status: int | None = None, passing: bool = False, refused: str = ""
    ) -> None:
        super().__init__(message)
        self.status, self.passing, self.refused = status, passing, refused


class Skipped(Exception):  # noqa: N818
    """A file is sound but of a kind that the pipeline does not use; it is reported and skipped."""


class WrongOption(LookupError):  # noqa: N818
    """An option names columns that a file does not have; only the user can correct it."""


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
    product
        Name by which the provider catalogues the product, or the parameter of a station's series.
    station
        Code of the station whose readings the file holds.
    valid_day
        Day that a forecast is about, where it is not the interval.
    asked_at
        Moment of the question, part of the name of an interface's answer.
    """

    source: str
    folder: str
    pattern: str
    start: datetime
    end: datetime
    product: str = ""
    station: str = ""
    valid_day: datetime | None = None
    asked_at: datetime | None = None


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
        Interval before the issue time whose granules a night asks for.
    provider
        Whom its files are asked of; how many sources of one are asked at a time is limited.
    core
        Every night counts on it, and its absent files are listed as missing. Other sources add to
        a night where they are configured.
    needs
        Names of the credentials without which nothing can be fetched; alternatives parted by "or".
    revised
        How long after its end a file may still be rewritten in place; until then a night asks its
        provider for it again.
    window
        The provider cuts windows out of its files: ``fetch`` takes the target grid as ``grid``.
    ahead
        Longest lead of its steps beyond the present; zero unless it forecasts.
    """

    id: str
    kind: Literal["grid", "readings", "zones", "cities"]
    cadence: timedelta
    latency: timedelta
    module: str
    lookback: timedelta
    provider: Provider
    core: bool = False
    needs: tuple[str, ...] = ()
    revised: timedelta = timedelta()
    window: bool = False
    ahead: timedelta = timedelta()

    @property
    def patience(self) -> timedelta:
        """Time from a granule's end after which it is overdue."""
        return PATIENCE * self.latency

    def load(self) -> SourceModule:
        """Import the source's module."""
        return cast("SourceModule", importlib.import_module(self.module))


class SourceModule(Protocol):
    """The module of a source."""

    def granules(
        self, source: str, start: datetime, end: datetime, asof: datetime, /
    ) -> Iterator[Granule]:
        """Yield the granules of a source id that begin in [start, end) and have ended by ``asof``.

        :func:`pipeline.sources.upstream.locate` finds out whether they have been published.
        """

    @property
    def read(self) -> Reader:
        """Read a file; a module of grids takes the target ``grid`` too.

        A file of a kind that the pipeline does not use raises :class:`Skipped`.
        """


@runtime_checkable
class Fetching(Protocol):
    """A module with a provider that files can be fetched from."""

    @property
    def fetch(self) -> Callable[..., Path]:
        """Fetch a granule below ``upstream`` by a ``client``; a ``window`` row takes ``grid``."""


@runtime_checkable
class ByHand(Protocol):
    """A module some of whose files cannot be fetched from a provider."""

    def by_hand(self, source: str, /) -> str:
        """Explain why, and how the files come; empty where they are fetched."""


@runtime_checkable
class Named(Protocol):
    """A module of several products, distinguished by the names of their files."""

    FILE_NAMES: FileNames


@dataclass(frozen=True)
class FileNames:
    """File names of a module's products, which distinguish the files of its sources.

    Parameters
    ----------
    pattern
        Matches the name of a file of any product; the group ``product`` names the product.
    sources
        Source that takes each product.
    remark
        Remark on a file of another product: a format with ``product``, ``source``, ``taker`` (the
        source that takes the product) and ``wanted`` (the product that the source takes).

    Examples
    --------
    >>> names = FileNames(
    ...     re.compile("(?P<product>rain|snow)_"), {"rain": "wet", "snow": "cold"},
    ...     "{product}, {source} takes {wanted}",
    ... )
    >>> names.describe_other_product("wet", Path("snow_1.nc"))
    'snow, wet takes rain'
    """

    pattern: re.Pattern[str]
    sources: Mapping[str, str]
    remark: str

    def describe_other_product(self, source: str, path: Path) -> str | None:
        """Describe a file whose name is that of another product than a source's; else None.

        Parameters
        ----------
        source, path
            Id of the source, and the file.
        """
        name = self.pattern.search(path.name)
        if name is None or (taker := self.sources.get(name["product"])) == source:
            return None
        wanted = next(product for product, source_id in self.sources.items() if source_id == source)
        return self.remark.format(
            product=name["product"], source=source, taker=taker, wanted=wanted
        )


def time_steps(
    start: datetime,
    end: datetime,
    asof: datetime,
    every: timedelta | Literal["month", "year"],
    *,
    offset: timedelta = timedelta(),
    length: timedelta | None = None,
) -> Iterator[tuple[datetime, datetime]]:
    """Yield start and end of the steps that start in an interval and have ended by a moment.

    Parameters
    ----------
    start, end
        Half-open interval, UTC.
    asof
        No step ends later.
    every
        Time from one step to the next; multiples of it are counted from midnight, 2000-01-01.
    offset
        Time from such a multiple to the start of a step.
    length
        Length of a step; default until the start of the next one.

    Examples
    --------
    >>> start, end = datetime(2024, 1, 31, 23, tzinfo=UTC), datetime(2024, 3, 2, tzinfo=UTC)
    >>> noon, six_hours = datetime(2024, 2, 1, 12, tzinfo=UTC), timedelta(hours=6)
    >>> [f"{begin:%dT%H}-{after:%H}" for begin, after in time_steps(start, noon, end, six_hours)]
    ['01T00-06', '01T06-12']
    >>> [f"{begin:%m}-{after:%m}" for begin, after in time_steps(start, end, end, "month")]
    ['02-03']
    """
    if isinstance(every, timedelta):
        since = (start - offset - datetime(2000, 1, 1, tzinfo=UTC)) % every
        begin = start + (every - since if since else timedelta())
    else:
        begin = start.replace(day=1, hour=0, minute=0, second=0, microsecond=0)
        begin = begin.replace(month=1) if every == "year" else begin
        begin = begin if begin >= start else _next_step(begin, every)
    while begin < end:
        after = _next_step(begin, every)
        finish = after if length is None else begin + length
        if finish > asof:
            return
        yield begin, finish
        begin = after


def _next_step(begin: datetime, every: timedelta | Literal["month", "year"]) -> datetime:
    """Return the start of the step after the one that starts at a moment."""
    if isinstance(every, timedelta):
        return begin + every
    if every == "year":
        return begin.replace(year=begin.year + 1)
    return next_month(begin)


def next_month(month: datetime) -> datetime:
    """Return the first day of the month after one, given by its first day.

    Examples
    --------
    >>> f"{next_month(datetime(2024, 12, 1, tzinfo=UTC)):%Y-%m-%d}"
    '2025-01-01'
    """
    return (month + timedelta(days=31)).replace(day=1)


def shown_name(path: Path) -> str:
    r"""Return the name of a file as printable text, for tables and terminals.

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

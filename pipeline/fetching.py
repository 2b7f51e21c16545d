"""From the providers into the upstream folder; and how far each source is.

What lies in the folder is what the readers read, whoever laid it there: the virtual basin, this
module or a user.
"""

from __future__ import annotations

import importlib
import re
from bisect import bisect_left
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from fnmatch import fnmatchcase
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

from pipeline.grid import GRIDS
from pipeline.sources.base import (
    BadGranule,
    Granule,
    HttpError,
    NeedsCredentials,
    NotPublished,
    Skipped,
    Source,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence
    from datetime import datetime, timedelta

    from pipeline.intake import Show
    from pipeline.settings import Region
    from pipeline.sources.http import Client

_TRIES = 3
THREADS = 8
"""Granules under way at a time; the client keeps fewer to one host."""


@dataclass(frozen=True)
class Fetched:
    """What was asked of a provider.

    Parameters
    ----------
    files
        How many came, or were found unchanged.
    needs
        Name of the credential that is not set, where that kept all from coming.
    failures
        Why others did not come though they may be there.
    """

    files: int = 0
    needs: str | None = None
    failures: tuple[str, ...] = ()


def fetch(
    row: Source,
    granules: Iterable[Granule],
    *,
    client: Client,
    upstream: Path,
    asof: datetime,
    known: Mapping[str, bool],
    region: Region,
    show: Show,
) -> Fetched:
    """Bring the granules of a source that are not there yet, the last first, several at a time.

    Parameters
    ----------
    row
        The source.
    granules
        What should exist.
    client
        Asks.
    upstream
        Root folder of the upstream.
    asof
        Moment of the question; files that may have been rewritten since they came are asked for
        again.
    known
        Names of files that were ingested, and whether they were sound; others are asked for again.
    region
        Whose window is fetched.
    show
        Told how far it is.
    """
    bring = fetcher(row, client=client, upstream=upstream, region=region)
    if bring is None:
        return Fetched()
    sound = sorted(name for name, is_sound in known.items() if is_sound)
    wanted = [
        granule
        for granule in granules
        if asof < granule.end + row.revised or not _there(granule, upstream, known, sound)
    ]

    def one(granule: Granule) -> Exception | None:
        try:
            bring(granule)
        except (NeedsCredentials, NotPublished, HttpError, Skipped) as error:
            return error
        return None

    came, needs, failures = 0, None, list[str]()
    with ThreadPoolExecutor(THREADS) as threads:
        for number, error in enumerate(threads.map(one, reversed(wanted))):
            show(f"{row.id} from its provider", number + 1, len(wanted))
            came += error is None
            if isinstance(error, NeedsCredentials):
                needs = error.name
            elif isinstance(error, HttpError):
                failures.append(str(error))
    return Fetched(came, needs, tuple(failures))


def fetcher(
    row: Source, *, client: Client, upstream: Path, region: Region
) -> Callable[[Granule], Path] | None:
    """Return what brings one granule of a source; None where its files cannot be fetched."""
    module = importlib.import_module(row.module)
    if not hasattr(module, "fetch"):
        return None
    more = {"grid": GRIDS[region]} if row.window else {}
    return partial(module.fetch, upstream=upstream, client=client, **more)


def _there(
    granule: Granule, upstream: Path, known: Mapping[str, bool], sound: Sequence[str]
) -> bool:
    """Whether a sound file of a granule lies in the upstream, or lay there and was ingested."""
    files = (upstream / granule.folder).glob(granule.pattern)
    if any(known.get(path.name, True) for path in files):
        return True
    begins = re.split(r"[*?[]", granule.pattern.rpartition("/")[2])[0]
    first, last = (bisect_left(sound, end) for end in (begins, f"{begins}\uffff"))
    return any(fnmatchcase(name, granule.pattern) for name in sound[first:last])


@dataclass(frozen=True)
class State:
    """How far a source is.

    Parameters
    ----------
    source
        Id.
    needs
        Credentials it needs, and whether each is set.
    latest
        End of the last datum that has been ingested.
    lag, usual
        Time since then, and how much of it is usual just before the next datum comes.
    reached
        What its provider said, empty where it was not asked.
    well
        Whether a file came and could be read; None where none was asked for.
    """

    source: str
    needs: tuple[tuple[str, bool], ...]
    latest: datetime | None
    lag: timedelta | None
    usual: timedelta
    reached: str = ""
    well: bool | None = None


def state(row: Source, *, latest: datetime | None, asof: datetime, client: Client) -> State:
    """Say how far a source is, without asking its provider.

    Parameters
    ----------
    row
        The source.
    latest
        End of its last datum.
    asof
        Moment of the question.
    client
        Knows the credentials.
    """
    return State(
        source=row.id,
        needs=tuple((needed, _set(needed, client)) for needed in row.needs),
        latest=latest,
        lag=None if latest is None else asof - latest,
        usual=row.latency + row.cadence,
    )


def _set(needed: str, client: Client) -> bool:
    """Whether a credential, or one of several parted by "or", is set."""
    for name in needed.split(" or "):
        try:
            client.secret(name)
        except NeedsCredentials:
            continue
        return True
    return False


def check(
    row: Source, *, asof: datetime, client: Client, region: Region
) -> tuple[bool | None, str]:
    """Ask a provider for its last file that is due, and read it; nothing of it is kept.

    Parameters
    ----------
    row
        The source.
    asof
        Moment of the question.
    client
        Asks.
    region
        Whose window is fetched.

    Returns
    -------
    tuple
        Whether a file came and could be read, None where there is no provider to ask; and what
        there is to say.
    """
    module = importlib.import_module(row.module)
    begin = asof - row.latency - 4 * row.cadence
    due = [
        granule
        for granule in module.granules(row.id, begin, asof, asof)
        if min(granule.end, granule.start + row.cadence) + row.latency <= asof
    ]
    with TemporaryDirectory() as folder:
        bring = fetcher(row, client=client, upstream=Path(folder), region=region)
        if bring is None or not due:
            return None, "no provider to ask"
        for granule in due[: -_TRIES - 1 : -1]:
            try:
                path = bring(granule)
                module.read(path)
            except NotPublished:
                continue
            except (NeedsCredentials, HttpError, BadGranule, Skipped) as error:
                return False, str(error)
            size = path.stat().st_size / 1000
            return True, f"{size:,.0f} kB, {granule.start:%Y-%m-%d %H:%MZ}"
    return False, f"{min(_TRIES, len(due))} due files absent"

"""From the providers into the upstream folder; and how far each source is.

What lies in the folder is what the readers read, whoever laid it there: the virtual basin, this
module or a user. Whatever a provider answers, and however long it takes, is a failure of the file
that was asked for and of no other: nothing that it can do ends a night.
"""

from __future__ import annotations

import atexit
import os
import re
import threading
import time
from bisect import bisect_left
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from fnmatch import fnmatchcase
from functools import partial
from pathlib import Path
from queue import Empty, SimpleQueue
from typing import TYPE_CHECKING, TypeVar

from pipeline.geography.grid import GRIDS
from pipeline.sources.base import (
    Fetching,
    Granule,
    HttpError,
    NeedsCredentials,
    NotPublished,
    Skipped,
    Source,
)

if TYPE_CHECKING:
    from pipeline.choices import Region
    from pipeline.progress import Progress
    from pipeline.sources.access.client import Client

_T = TypeVar("_T")
_R = TypeVar("_R")
THREADS = 8
"""Granules under way at a time; the client keeps fewer to one host."""
SOURCE_S = 1200.0
"""Time for all files of a source in one night, seconds: a night's files come in a tenth of it over
10 Mbit/s, all but GK2A's, whose newest come first. The sources of a night are asked side by side,
and what is late by more is the next night's."""
_EXIT_S = 60.0
_GRACE_S = 5.0
"""How much longer a library is waited for that asks by itself and knows no deadline, seconds."""


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
    awaited
        Why others did not come that are not due yet, where the provider said so by a lost
        connection, silence, a server's error or a page in place of a file.
    refused
        Name of the credential that was sent and refused; waiting does not help.
    reached
        Whether any server answered; None where none was asked.
    """

    files: int = 0
    needs: str | None = None
    failures: tuple[str, ...] = ()
    awaited: tuple[str, ...] = ()
    refused: str | None = None
    reached: bool | None = None


def fetch(
    row: Source,
    granules: Iterable[Granule],
    *,
    client: Client,
    upstream: Path,
    asof: datetime,
    known: Mapping[str, bool],
    region: Region,
    progress: Progress,
    limit_s: float = SOURCE_S,
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
    progress
        Called with how far it is.
    limit_s
        Time for all of them, seconds; what has not come by then is a failure each.
    """
    bring = fetcher(row, client=client, upstream=upstream, region=region)
    if bring is None:
        return Fetched()
    sound = sorted(name for name, is_sound in known.items() if is_sound)
    wanted = [
        granule
        for granule in granules
        if asof < granule.end + row.revised or not _there(granule, upstream, known, sound)
    ][::-1]
    until = time.monotonic() + limit_s

    def one(granule: Granule) -> Exception | None:
        with client.asking(until=until, early=early(row, granule, asof=asof)):
            return catch_failure(lambda: dated(row, granule, bring(granule)), granule, client)

    errors: dict[int, Exception | None] = {}
    for number, error in side_by_side(one, wanted, until=until):
        errors[number] = error
        progress(f"{row.id} from its provider", len(errors), len(wanted))
    found = _summed(row, wanted, errors, asof=asof, limit_s=limit_s)
    return replace(found, reached=client.reached)


def early(row: Source, granule: Granule, *, asof: datetime) -> bool:
    """Whether a file may not be there yet, so that a failure may be its provider's way to say so.

    Parameters
    ----------
    row
        Its source. An interface of readings is there at all times.
    granule
        The file.
    asof
        Moment of the question.
    """
    return row.kind != "readings" and asof < granule.end + row.patience


def dated(row: Source, granule: Granule, path: Path) -> Path:
    """Return a file that has come; one said to be older than what it holds is dated anew.

    Its time of publication is then the usual one: no file is known before it can have been made.

    Parameters
    ----------
    row
        Its source; one that forecasts is published before what it holds.
    granule
        What it holds.
    path
        The file.
    """
    stamp = datetime.fromtimestamp(path.stat().st_mtime, tz=UTC)
    if row.kind == "grid" and not row.ahead and stamp < granule.start:
        os.utime(path, ((granule.end + row.latency).timestamp(),) * 2)
    return path


def catch_failure(
    bring: Callable[[], object], granule: Granule, client: Client
) -> Exception | None:
    """Return why a file did not come, None where it came."""
    try:
        bring()
    except (NeedsCredentials, NotPublished, HttpError, Skipped) as error:
        return error
    # The one border: a panic of a library in Rust is no Exception, and all is the provider's doing.
    except BaseException as error:  # noqa: BLE001
        said = client.clean(str(error))[:200]
        return HttpError(f"{granule.pattern}: {type(error).__name__}: {said}")
    return None


def side_by_side(
    do: Callable[[_T], _R], items: Sequence[_T], *, until: float
) -> Iterator[tuple[int, _R]]:
    """Do something for several items at a time; yield numbers and results as they come.

    A thread that is not done in time is left to itself. It is a daemon, so that the process ends
    without it, while an executor's threads would be waited for. A daemon that is within a library
    in Rust when the process ends takes it down, so those left have some time to come to an end.
    """
    todo, done = deque(enumerate(items)), SimpleQueue[tuple[int, _R]]()

    def work() -> None:
        while time.monotonic() < until:
            try:
                number, item = todo.popleft()
            except IndexError:
                return
            done.put((number, do(item)))

    threads = [threading.Thread(target=work, daemon=True) for _ in range(min(THREADS, len(items)))]
    for thread in threads:
        thread.start()
    for _ in items:
        left = until + _GRACE_S - time.monotonic()
        try:
            yield done.get(timeout=max(left, 0.001))
        except Empty:
            atexit.register(_wait, threads)
            return


def _wait(threads: Sequence[threading.Thread]) -> None:
    """Wait for threads that were left to themselves, but not for ever."""
    until = time.monotonic() + _EXIT_S
    for thread in threads:
        thread.join(max(until - time.monotonic(), 0))


def _summed(
    row: Source,
    wanted: Sequence[Granule],
    errors: Mapping[int, Exception | None],
    *,
    asof: datetime,
    limit_s: float,
) -> Fetched:
    """Tell files that came from those that failed and those that are awaited."""
    over = f"not asked to its end, the {limit_s:g} s of {row.id} are over"
    came, needs, refused = 0, None, None
    failures, awaited = list[str](), list[str]()
    for number, granule in enumerate(wanted):
        error = errors.get(number, HttpError(f"{granule.pattern}: {over}"))
        came += error is None
        if isinstance(error, NeedsCredentials):
            needs = error.name
        elif isinstance(error, HttpError):
            refused = error.refused or refused
            late = error.passing and early(row, granule, asof=asof)
            (awaited if late else failures).append(str(error))
    return Fetched(came, needs, tuple(failures), tuple(awaited), refused)


def fetcher(
    row: Source, *, client: Client, upstream: Path, region: Region
) -> Callable[[Granule], Path] | None:
    """Return what brings one granule of a source; None where its files cannot be fetched."""
    module = row.load()
    if not isinstance(module, Fetching):
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

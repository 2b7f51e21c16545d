"""Fetch granules from their providers into the upstream folder.

Readers read the files of the upstream folder whoever wrote them: the virtual basin, this module or
a user. An answer that is wrong or late fails the file that was asked for and no other; no answer
of a provider ends a night.
"""

from __future__ import annotations

import atexit
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
from pipeline.storage.atomic import set_published

if TYPE_CHECKING:
    from pipeline.choices import Region
    from pipeline.progress import Progress
    from pipeline.sources.access.client import Client

_T = TypeVar("_T")
_R = TypeVar("_R")
THREADS = 8
"""Granules fetched at a time; the client sends fewer requests at a time to one host."""
SOURCE_S = 1200.0
"""Time limit for all files of a source in one night (s). A night's files take a tenth of it over
10 Mbit/s, except GK2A's, of which the newest come first. The sources of a night are fetched in
parallel; files that miss the limit are left for the next night."""
_EXIT_S = 60.0
_GRACE_S = 5.0
"""Extra time for libraries that fetch by themselves and know no deadline (s)."""


@dataclass(frozen=True)
class Fetched:
    """Result of fetching the granules of one source.

    Parameters
    ----------
    files
        Number of files that came or were unchanged.
    needs
        Name of the credential that is not set and without which no file can come.
    failures
        Reasons for files that did not come although they may be published.
    awaited
        Reasons for files that are not due yet, where the provider answered with a lost
        connection, silence, a server's error or a page in place of a file.
    refused
        Name of the credential that the provider refused; waiting does not help.
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
    """Fetch the granules of a source that are not there yet, newest first, several at a time.

    Parameters
    ----------
    row
        The source.
    granules
        Granules that should exist.
    client
        HTTP client.
    upstream
        Root of the upstream folder.
    asof
        Moment of the question; files that may have been rewritten since they came are asked for
        again.
    known
        Names of files that were ingested, and whether they were sound; others are asked for again.
    region
        Region whose window is fetched.
    progress
        Progress callback.
    limit_s
        Time limit for all of them (s); each file that has not come by then is a failure.
    """
    bring = bind_fetch(row, client=client, upstream=upstream, region=region)
    if bring is None:
        return Fetched()
    sound = sorted(name for name, is_sound in known.items() if is_sound)
    wanted = [
        granule
        for granule in granules
        if asof < granule.end + row.revised or not _is_known(granule, upstream, known, sound)
    ][::-1]
    until = time.monotonic() + limit_s

    def bring_granule(granule: Granule) -> Exception | None:
        with client.asking(until=until, early=is_early(row, granule, asof=asof)):
            return catch_failure(lambda: date_file(row, granule, bring(granule)), granule, client)

    errors: dict[int, Exception | None] = {}
    for number, error in run_in_threads(bring_granule, wanted, until=until):
        errors[number] = error
        progress(f"{row.id} from its provider", len(errors), len(wanted))
    fetched = _sum_up(row, wanted, errors, asof=asof, limit_s=limit_s)
    return replace(fetched, reached=client.reached)


def is_early(row: Source, granule: Granule, *, asof: datetime) -> bool:
    """Return whether a file may not be published yet; a failure may then only mean its absence.

    Parameters
    ----------
    row
        Its source. An interface of readings is available at all times.
    granule
        The file.
    asof
        As-of time; later data are not known.
    """
    return row.kind != "readings" and asof < granule.end + row.patience


def date_file(row: Source, granule: Granule, path: Path) -> Path:
    """Correct a file's time of publication where it lies before its data; return the file.

    The time becomes the usual one: no file is known before it can have been made.

    Parameters
    ----------
    row
        Its source; a forecast is published before its valid times.
    granule
        What it holds.
    path
        The file.
    """
    stamp = datetime.fromtimestamp(path.stat().st_mtime, tz=UTC)
    if row.kind == "grid" and not row.ahead and stamp < granule.start:
        set_published(path, granule.end + row.latency)
    return path


def catch_failure(
    bring: Callable[[], object], granule: Granule, client: Client
) -> Exception | None:
    """Run a fetch and return its exception; None where the file came."""
    try:
        bring()
    except (NeedsCredentials, NotPublished, HttpError, Skipped) as error:
        return error
    # A panic of a Rust library is a BaseException; whatever the provider's data cause ends here.
    except BaseException as error:  # noqa: BLE001
        text = client.clean(str(error))[:200]
        return HttpError(f"{granule.pattern}: {type(error).__name__}: {text}")
    return None


def run_in_threads(
    do: Callable[[_T], _R], items: Sequence[_T], *, until: float
) -> Iterator[tuple[int, _R]]:
    """Apply a function to items in daemon threads; yield index and result of each as it ends.

    A thread that misses the deadline is abandoned. The threads are daemons because the interpreter
    joins the threads of an executor when it exits. A daemon that runs Rust code at exit crashes
    the process, so abandoned threads get ``_EXIT_S`` to end.
    """
    waiting, results = deque(enumerate(items)), SimpleQueue[tuple[int, _R]]()

    def work() -> None:
        while time.monotonic() < until:
            try:
                number, item = waiting.popleft()
            except IndexError:
                return
            results.put((number, do(item)))

    threads = [threading.Thread(target=work, daemon=True) for _ in range(min(THREADS, len(items)))]
    for thread in threads:
        thread.start()
    for _ in items:
        left_s = until + _GRACE_S - time.monotonic()
        try:
            yield results.get(timeout=max(left_s, 0.001))
        except Empty:
            atexit.register(_wait, threads)
            return


def _wait(threads: Sequence[threading.Thread]) -> None:
    """Join abandoned threads, for ``_EXIT_S`` in all."""
    until = time.monotonic() + _EXIT_S
    for thread in threads:
        thread.join(max(until - time.monotonic(), 0))


def _sum_up(
    row: Source,
    wanted: Sequence[Granule],
    errors: Mapping[int, Exception | None],
    *,
    asof: datetime,
    limit_s: float,
) -> Fetched:
    """Count the files that came and separate failures from awaited files."""
    over = f"not asked to its end, the {limit_s:g} s of {row.id} are over"
    count, needs, refused = 0, None, None
    failures, awaited = list[str](), list[str]()
    for number, granule in enumerate(wanted):
        error = errors.get(number, HttpError(f"{granule.pattern}: {over}"))
        count += error is None
        if isinstance(error, NeedsCredentials):
            needs = error.name
        elif isinstance(error, HttpError):
            refused = error.refused or refused
            late = error.passing and is_early(row, granule, asof=asof)
            (awaited if late else failures).append(str(error))
    return Fetched(count, needs, tuple(failures), tuple(awaited), refused)


def bind_fetch(
    row: Source, *, client: Client, upstream: Path, region: Region
) -> Callable[[Granule], Path] | None:
    """Return the function that fetches a granule of a source; None where it has no provider."""
    module = row.load()
    if not isinstance(module, Fetching):
        return None
    options = {"grid": GRIDS[region]} if row.window else {}
    return partial(module.fetch, upstream=upstream, client=client, **options)


def _is_known(
    granule: Granule, upstream: Path, known: Mapping[str, bool], sound: Sequence[str]
) -> bool:
    """Return whether a sound file of a granule is in the upstream folder or was ingested."""
    files = (upstream / granule.folder).glob(granule.pattern)
    if any(known.get(path.name, True) for path in files):
        return True
    prefix = re.split(r"[*?[]", granule.pattern.rpartition("/")[2])[0]
    first, last = (bisect_left(sound, end) for end in (prefix, f"{prefix}\uffff"))
    return any(fnmatchcase(name, granule.pattern) for name in sound[first:last])

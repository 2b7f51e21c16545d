"""Status of each source: credentials, last datum, and whether its provider answers."""

from __future__ import annotations

import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

from pipeline.choices import Region
from pipeline.ingest.fetch import THREADS, bind_fetch, catch_failure, run_in_threads
from pipeline.progress import Progress
from pipeline.sources import SOURCES
from pipeline.sources.base import Granule, HttpError, NeedsCredentials, NotPublished, Source
from pipeline.storage.records import Records

if TYPE_CHECKING:
    from pipeline.sources.access.client import Client

LOOKBACK = timedelta(days=400)
"""Interval searched for the last datum of a source; some come once a month, months late."""
CHECK_S = 120.0
"""Time limit for the check of one source (s)."""
TRIES = 3
"""Due files that a check asks for, newest first, until one is there."""


@dataclass(frozen=True)
class SourceStatus:
    """Status of one source.

    Parameters
    ----------
    source
        Id.
    needs
        Credentials it needs, and whether each is set.
    latest
        End of the last datum that has been ingested.
    lag, usual
        Time since then, and its usual value just before the next datum comes.
    reached
        Answer of its provider; empty where it was not asked.
    well
        Whether a file came and could be read; None where the provider was not asked.
    """

    source: str
    needs: tuple[tuple[str, bool], ...]
    latest: datetime | None
    lag: timedelta | None
    usual: timedelta
    reached: str = ""
    well: bool | None = None


def read_status(records: Records, *, asof: datetime, client: Client) -> list[SourceStatus]:
    """Read the status of each source of the table, without asking its provider.

    Parameters
    ----------
    records
        What was ingested.
    asof
        As-of time; later data are not known.
    client
        HTTP client with the credentials.
    """
    latest = _read_last_times(records, asof=asof)
    return [
        describe_status(source, latest=latest.get(source.id), asof=asof, client=client)
        for source in SOURCES.values()
    ]


def check_providers(
    statuses: list[SourceStatus],
    *,
    asof: datetime,
    client: Client,
    region: Region,
    progress: Progress,
) -> list[SourceStatus]:
    """Ask the provider of each source for its last file, several at a time.

    Parameters
    ----------
    statuses
        As of :func:`read_status`.
    asof, client, region
        As of :func:`check_provider`.
    progress
        Progress callback.
    """
    ask = partial(check_provider, asof=asof, client=client, region=region)
    checked = []
    with ThreadPoolExecutor(THREADS) as threads:
        answers = threads.map(ask, (SOURCES[status.source] for status in statuses))
        for status, (well, reached) in zip(statuses, answers, strict=True):
            checked.append(replace(status, well=well, reached=reached))
            progress("asked", len(checked), len(statuses))
    return checked


def _read_last_times(records: Records, *, asof: datetime) -> dict[str, datetime]:
    """Read by source the end of the last sound file, or the time of the last used reading."""
    last: dict[str, datetime] = {}
    for granule in records.inputs(asof=asof, start=asof - LOOKBACK):
        if granule["rejected"] is None:
            source = granule["source"]
            last[source] = max(granule["end"], last.get(source, granule["end"]))
    for variable in ("stage", "rain"):
        readings = records.readings.read(variable, asof=asof, start=asof - LOOKBACK)
        for source, latest in readings.dropna().groupby("source")["valid_time"].max().items():
            last[str(source)] = latest.to_pydatetime().replace(tzinfo=UTC)
    return last


def describe_status(
    source: Source, *, latest: datetime | None, asof: datetime, client: Client
) -> SourceStatus:
    """Describe the status of a source, without asking its provider.

    Parameters
    ----------
    source
        The source.
    latest
        End of its last datum.
    asof
        As-of time; later data are not known.
    client
        HTTP client with the credentials.
    """
    return SourceStatus(
        source=source.id,
        needs=tuple((needed, _is_set(needed, client)) for needed in source.needs),
        latest=latest,
        lag=None if latest is None else asof - latest,
        usual=source.latency + source.cadence,
    )


def _is_set(needed: str, client: Client) -> bool:
    """Return whether a credential, or one of several parted by "or", is set."""
    for name in needed.split(" or "):
        try:
            client.secret(name)
        except NeedsCredentials:
            continue
        return True
    return False


def check_provider(
    source: Source, *, asof: datetime, client: Client, region: Region
) -> tuple[bool | None, str]:
    """Fetch a provider's last due file and read it; nothing of it is kept.

    Parameters
    ----------
    source
        The source.
    asof
        As-of time; later data are not known.
    client
        HTTP client.
    region
        Region whose window is fetched.

    Returns
    -------
    tuple
        Whether a file came and could be read, None where there is no provider to ask; and a
        remark.
    """
    module = source.load()
    begin = asof - source.latency - 4 * source.cadence
    due = [
        granule
        for granule in module.granules(source.id, begin, asof, asof)
        if min(granule.end, granule.start + source.cadence) + source.latency <= asof
    ]
    until = time.monotonic() + CHECK_S
    with TemporaryDirectory(ignore_cleanup_errors=True) as folder:
        bring = bind_fetch(source, client=client, upstream=Path(folder), region=region)
        if bring is None or not due:
            return None, "no provider to ask"

        def ask(granule: Granule) -> tuple[Exception | None, str]:
            remarks = list[str]()

            def fetch_and_read() -> None:
                path = bring(granule)
                module.read(path)
                size = path.stat().st_size / 1000
                remarks.append(f"{size:,.0f} kB, {granule.start:%Y-%m-%d %H:%MZ}")

            with client.asking(until=until):
                return catch_failure(fetch_and_read, granule, client), "".join(remarks)

        for granule in due[: -TRIES - 1 : -1]:
            over = HttpError(f"{granule.pattern}: nothing within {CHECK_S:g} s"), ""
            _, (error, remark) = next(run_in_threads(ask, [granule], until=until), (0, over))
            if error is None:
                return True, remark
            if not isinstance(error, NotPublished):
                return False, str(error)
    return False, f"{min(TRIES, len(due))} due files absent"

"""Ingest of one source: the granules of an interval, or the files of a folder, into the stores."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from pipeline.choices import Region
from pipeline.geography.grid import GRIDS
from pipeline.ingest import known_files, store
from pipeline.ingest.fetch import SOURCE_S, Fetched, fetch
from pipeline.progress import Progress
from pipeline.settings import Settings
from pipeline.sources.base import ByHand, Granule, NotPublished, Reader, Source
from pipeline.sources.upstream import locate
from pipeline.storage.archive import Archive
from pipeline.storage.atomic import make_private_folder
from pipeline.storage.records import Records

if TYPE_CHECKING:
    from pipeline.sources.access.client import Client
    from pipeline.sources.gauges.own_table import OwnLayout

BY_HAND_S = 30.0
"""Time limit for each file of an interval ingested by hand (s); a night has its own limit."""
STOP_AWAITING = timedelta(days=1)
"""Time after which an overdue file is no longer awaited."""


@dataclass(frozen=True)
class Ingested:
    """Result of an ingest.

    Parameters
    ----------
    source
        Id of the source.
    read, known, rejected_before
        Number of granules read now, of those read before, and of these those that were rejected.
    added
        Number of new time steps or readings.
    missing, rejected, passed_over
        Granules that should exist and do not; files that are not what their name promises, each
        with the reason; files of parameters that the pipeline does not use.
    unknown_stations, unknown_station_files
        Codes of stations that the table of stations does not know, and the files with their stages.
    needs
        Credential that is not set and without which nothing could be fetched.
    unfetched
        Reasons for files that may be published and could not be fetched.
    not_yet
        Reasons for files that are not due yet, where there is more than their absence.
    awaited
        Whether the last overdue file has not come: its provider is behind.
    remarks
        Remarks on files that were read: bad rows, cells out of range, the reader's interpretation
        of an unclear layout.
    nothing_came_in
        Whether no granule of the request has been read, now or before.
    cause
        Reason for absent files where it is not a failure of their provider.
    reached
        Whether any server of the source answered; None where none was asked.
    """

    source: str
    read: int
    known: int
    added: int
    missing: tuple[str, ...] = ()
    rejected: tuple[str, ...] = ()
    passed_over: tuple[str, ...] = ()
    rejected_before: int = 0
    unknown_stations: tuple[str, ...] = ()
    unknown_station_files: tuple[str, ...] = ()
    needs: str | None = None
    unfetched: tuple[str, ...] = ()
    not_yet: tuple[str, ...] = ()
    awaited: bool = False
    remarks: tuple[str, ...] = ()
    nothing_came_in: bool = False
    cause: str = ""
    reached: bool | None = None


def ingest_folder(
    source: Source,
    folder: Path,
    *,
    asof: datetime,
    settings: Settings,
    layout: OwnLayout | None,
    progress: Progress,
) -> Ingested:
    """Store the data of all files of a folder.

    Parameters
    ----------
    source
        Source of the files; its latency gives the time at which each became available.
    folder
        Folder of the files.
    asof
        As-of time; later data are not known.
    settings
        Stores and region.
    layout
        Layout of a ministry's own tables of readings.
    progress
        Progress callback.

    Raises
    ------
    FileNotFoundError
        The folder does not exist, or holds no files of the source.
    """
    read = _bind_reader(source, settings.region)
    if layout is not None:
        read = partial(read, layout=layout)
    files = store.list_files(source, folder, asof=asof, layout=layout)
    ingested = _store_files(
        source, files, read, asof=asof, settings=settings, from_folder=True, progress=progress
    )
    beside = store.list_passed_over(source, folder)
    return replace(ingested, passed_over=(*ingested.passed_over, *beside))


def ingest_interval(
    source: Source,
    *,
    asof: datetime,
    settings: Settings,
    start: datetime | None,
    end: datetime | None,
    client: Client | None,
    progress: Progress,
) -> Ingested:
    """Fetch the granules of an interval into the upstream folder, and store them.

    Parameters
    ----------
    source
        Source of the granules.
    asof
        Issue time; nothing published later is taken.
    settings
        Stores, upstream folder and region.
    start, end
        Half-open interval; default the source's lookback before ``asof``.
    client
        HTTP client for granules that are not there yet; None to fetch nothing.
    progress
        Progress callback.
    """
    module = source.load()
    granules = list(module.granules(source.id, start or asof - source.lookback, end or asof, asof))
    fetched = None
    if client is not None:
        by_hand_s = BY_HAND_S * len(granules) if start else 0.0
        fetched = _fetch(
            source,
            granules,
            client=client,
            asof=asof,
            settings=settings,
            progress=progress,
            limit_s=max(by_hand_s, SOURCE_S),
        )
    files, missing, late = _locate(source, granules, settings.upstream_dir, asof=asof)
    explained = files or (fetched and (fetched.needs or fetched.failures or fetched.awaited))
    cause = ""
    if missing or not explained:
        if client is not None and isinstance(module, ByHand):
            cause = module.by_hand(source.id)
        if not (cause or explained):
            cause = f"none of the {len(granules)} files asked for is in {settings.upstream_dir}"
    ingested = _store_files(
        source,
        files,
        _bind_reader(source, settings.region),
        asof=asof,
        settings=settings,
        from_folder=False,
        progress=progress,
    )
    ingested = replace(ingested, missing=tuple(missing), cause=cause)
    if fetched is not None:
        ingested = replace(
            ingested,
            needs=fetched.needs,
            unfetched=fetched.failures,
            not_yet=fetched.awaited,
            awaited=late and source.core and not (fetched.needs or fetched.refused),
            reached=fetched.reached,
        )
    if not files:
        ingested = replace(ingested, nothing_came_in=bool(missing or ingested.unfetched))
    return ingested


def _bind_reader(source: Source, region: Region) -> Reader:
    """Return the reader of a source's files, bound to the region's grid where they are grids."""
    read = source.load().read
    return partial(read, grid=GRIDS[region]) if source.kind == "grid" else read


def _fetch(
    source: Source,
    granules: Sequence[Granule],
    *,
    client: Client,
    asof: datetime,
    settings: Settings,
    progress: Progress,
    limit_s: float,
) -> Fetched:
    """Fetch granules that are not there yet into the upstream folder."""
    known = Records(settings.database).known_granules(source.id, asof=asof)
    make_private_folder(settings.upstream_dir)
    with client:
        return fetch(
            source,
            granules,
            client=client,
            upstream=settings.upstream_dir,
            asof=asof,
            known={name: any(time for time, _ in marks) for name, marks in known.items()},
            region=settings.region,
            progress=progress,
            limit_s=limit_s,
        )


def _locate(
    source: Source, granules: Sequence[Granule], upstream: Path, *, asof: datetime
) -> tuple[list[store.File], list[str], bool]:
    """Find granules in the upstream folder.

    Returns
    -------
    tuple
        Files found; reasons for due files that are absent, of a source that every night counts
        on; and whether the last overdue file has not come.
    """
    files, missing, late = list[store.File](), list[str](), False
    for granule in granules:
        overdue = asof - STOP_AWAITING < granule.end + source.patience <= asof
        try:
            path, published = locate(granule, upstream, asof=asof)
        except NotPublished as absence:
            if source.core and granule.end + source.latency <= asof:
                missing.append(str(absence))
            late |= overdue
        else:
            files.append(store.File(granule, path, published))
            late &= not overdue
    return files, missing, late


def _store_files(
    source: Source,
    files: list[store.File],
    read: Reader,
    *,
    asof: datetime,
    settings: Settings,
    from_folder: bool,
    progress: Progress,
) -> Ingested:
    """Store the data of files that no earlier ingest has read."""
    records = Records(settings.database)
    known = records.known_granules(source.id, asof=asof)
    unread = known_files.select_unknown(files, known)
    unread_paths = {file.path for file in unread}
    intake = store.read_and_store(
        source,
        unread,
        read,
        archive=Archive(settings.archive_dir),
        records=records,
        asof=asof,
        from_folder=from_folder,
        progress=progress,
    )
    return Ingested(
        source=source.id,
        read=intake.read,
        known=len(files) - len(unread),
        rejected_before=known_files.count_rejected(
            [file for file in files if file.path not in unread_paths], known
        ),
        added=intake.added,
        rejected=intake.rejected,
        passed_over=intake.passed_over,
        unknown_stations=intake.unknown_stations,
        unknown_station_files=intake.unknown_station_files,
        remarks=intake.remarks,
        nothing_came_in=bool(files) and not (intake.read or known_files.has_sound(files, known)),
    )

"""The only door: what the DAGs, the command line and the notebooks call.

Each step takes identifiers and the moment ``asof`` it speaks for, leaves its results in the stores
and returns a small record of what it did. Repeating a step with the same arguments changes nothing.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Collection, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Any

import dask
import sqlalchemy as sa

from models import low_flow, registry
from models.card import render_card
from models.climatology import hydrological_years
from models.drought import model as drought_model
from models.drought.inputs import known_by
from models.hindcast import run_hindcast
from models.stage import features
from models.stage import training as stage_training
from models.verification import operational, skill
from models.verification.report import render_report
from models.verification.scores import score_forecasts
from pipeline.alerts import publish as trees
from pipeline.alerts.cancellation import (
    Cancelled,
    add_cancellations,
    cancel_message,
    read_cancel,
)
from pipeline.areal import daily_series, monthly, substitutes
from pipeline.areal import rain as areal_rain
from pipeline.geography import places
from pipeline.geography.grid import GRIDS
from pipeline.gridded import job as gridded_job
from pipeline.ingest import fetch
from pipeline.ingest import store as ingest_store
from pipeline.issuance import products
from pipeline.issuance.bundle import Bundle, make_bundle
from pipeline.issuance.forecast_tables import read_forecasts, store_forecasts
from pipeline.issuance.forecasts import forecast_droughts, forecast_stages
from pipeline.issuance.missing import describe_models, find_suspect_files
from pipeline.issuance.snapshot import (
    NO_MODELS,
    Snapshot,
    digest_inputs,
    inputs_as_of,
    open_snapshot,
    read_stage_inputs,
    recent_inputs,
)
from pipeline.progress import Progress, no_progress
from pipeline.quality import flags as quality_flags
from pipeline.settings import Settings
from pipeline.sources import SOURCES
from pipeline.sources.access.client import Client
from pipeline.sources.base import ByHand, Granule, NotPublished, Reader, Source, SourceModule
from pipeline.sources.gauges.own_table import OwnLayout
from pipeline.sources.upstream import locate
from pipeline.storage import database
from pipeline.storage.archive import Archive, NothingArchived
from pipeline.storage.atomic import BrokenState, make_private_folder
from pipeline.storage.records import Records
from pipeline.times import day_start, utc64

RECENT = timedelta(days=10)
"""Days whose areal record is made anew each night: late and revised files still come."""
SPIN_UP = timedelta(days=120)
"""Days of which an areal record is made where there is none yet."""
PATIENCE = fetch.PATIENCE
"""Multiple of its usual delay after which a file is overdue."""
LOST = timedelta(days=1)
"""Time after which what is overdue is not waited for any more."""
KNOWN = timedelta(days=400)
"""How far back the last datum of a source is looked for; some come once a month, months late."""
BY_HAND_S = 30.0
"""Time for each file of an interval asked for by hand, seconds; a night has its own limit."""
SCORED = timedelta(days=60)
"""Issue times before a moment whose forecasts are scored."""
HISTORY_FROM = {
    "mrc_archive": datetime(1960, 1, 1, tzinfo=UTC),
    "thaiwater": datetime(2012, 1, 1, tzinfo=UTC),
}
"""Providers of gauge readings that hold history, and since when it is asked for."""
NOTHING_FETCHED = "upstream is 'archive', only what has been ingested is used"
ISSUED_UNDER = {"alert_status", "alert_scope", "alert_sender"}
"""Settings that a message depends on; a run keeps them."""


class UserError(Exception):
    """Something only the user can mend; the message says what and how."""


@dataclass(frozen=True)
class Ingested:
    """What an ingest did.

    Parameters
    ----------
    source
        Id of the source.
    read, known
        Granules read now, and granules already stored.
    added
        Time steps or readings that were new.
    missing, rejected, passed_over
        Granules that should exist and do not; files that are not what their name promises, and
        why; files of parameters that nothing here uses.
    unknown_stations, unknown_station_files
        Codes of stations that the table of stations does not know, and the files with their stages.
    needs
        Credential that is not set, without which nothing could be fetched.
    unfetched
        Why files that may be there could not be fetched.
    not_yet
        Why files that are not due yet did not come, where that is more than their absence.
    awaited
        Whether the last file that is overdue is not there yet: its provider is behind.
    remarks
        What is to be said of files that were read: bad rows, cells out of range, what the reader
        made of an unclear layout.
    nothing_came_in
        Whether nothing is there of what was asked for, neither read now nor before.
    cause
        Why files are not there, where that is not their provider's failure.
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
    needs: str | None = None
    unfetched: tuple[str, ...] = ()
    not_yet: tuple[str, ...] = ()
    awaited: bool = False
    unknown_stations: tuple[str, ...] = ()
    unknown_station_files: tuple[str, ...] = ()
    remarks: tuple[str, ...] = ()
    nothing_came_in: bool = False
    cause: str = ""
    reached: bool | None = None


def check_stores(settings: Settings) -> None:
    """Raise unless archive and tables are there and belong to each other.

    Raises
    ------
    BrokenState
        One of them is damaged, gone, or older than the other; the message says what to do.
    """
    store, products = Records(settings.database), set(Archive(settings.archive_dir).products())
    gridded_sources = {row.id for row in SOURCES.values() if row.kind != "readings"}
    lacking = store.sources_read() & gridded_sources - products
    if lacking:
        raise BrokenState(
            f"{settings.archive_dir}: expected the grids of {', '.join(sorted(lacking))} that "
            f"{_shown(settings)} names, found {'others' if products else 'an empty archive'}; put "
            "back a backup of the archive, or move both away and ingest again"
        )
    if "rain_shares" in products and not store.database.batch:
        raise BrokenState(
            f"{_shown(settings)}: expected what was ingested into {settings.archive_dir}, found "
            "empty tables; put back a backup of them, or move the archive away and ingest again"
        )


def check_whole(settings: Settings) -> None:
    """Raise unless all that earlier runs left in the tables can be read, where they left anything.

    Raises
    ------
    BrokenState
        As of :func:`check_stores`, or a part of the tables is damaged.
    """
    tables = sa.engine.make_url(settings.database).database
    if settings.archive_dir.exists() or settings.records_url or Path(tables or "").exists():
        database.Database(settings.database).check_whole()
        check_stores(settings)


def _shown(settings: Settings) -> str:
    """Address of the tables without a password."""
    return sa.engine.make_url(settings.database).render_as_string(hide_password=True)


def ingest(
    source: str,
    *,
    asof: datetime,
    settings: Settings | None = None,
    folder: Path | None = None,
    start: datetime | None = None,
    end: datetime | None = None,
    layout: OwnLayout | None = None,
    progress: Progress = no_progress,
) -> Ingested:
    """Bring what a source had published by a moment into the stores.

    A file that is not what its name promises is noted with the reason and passed by; the rest of
    the source goes on.

    Parameters
    ----------
    source
        Id from the table of sources.
    asof
        Issue time; nothing published later is taken.
    settings
        Default: from the environment.
    folder
        Take all files of this folder instead of the upstream's; each is then held to have been
        available ``latency`` after its end.
    start, end
        Half-open interval asked for; default the source's lookback before ``asof``.
    layout
        Of a ministry's own tables of readings in the folder.
    progress
        Called with how far the step is.

    Returns
    -------
    Ingested

    Raises
    ------
    UserError
        Unknown source or endpoint; measured data asked for into the folder of the virtual basin.
    FileNotFoundError
        The folder is not there, or holds no such files.
    """
    settings = settings or Settings()
    if source not in SOURCES:
        raise UserError(f"expected a source of {', '.join(SOURCES)}, found {source!r}")
    row = SOURCES[source]
    module = row.load()
    read = module.read
    if row.kind == "grid":
        read = partial(module.read, grid=GRIDS[settings.region])
    check_stores(settings)
    if layout is not None:
        read = _with_layout(module.read, layout, row, folder)
    archive, store = Archive(settings.archive_dir), Records(settings.database)
    missing: list[str] = []
    found: list[ingest_store.File] = []
    beside: list[str] = []
    fetched, awaited = fetch.Fetched(), False
    cause = "" if folder or settings.upstream != "archive" else NOTHING_FETCHED
    known = store.known_granules(source, asof=asof)
    if folder is not None:
        found = ingest_store.in_folder(row, folder, asof=asof, layout=layout)
        beside = ingest_store.beside(row, folder)
    elif settings.upstream != "archive":
        begin = start or asof - row.lookback
        granules = list(module.granules(source, begin, end or asof, asof))
        if settings.upstream == "internet":
            fetched = _fetch(
                row,
                granules,
                asof=asof,
                settings=settings,
                known=known,
                progress=progress,
                limit_s=BY_HAND_S * len(granules) if start else 0.0,
            )
        for granule in granules:
            overdue = asof - LOST < granule.end + PATIENCE * row.latency <= asof
            try:
                path, published = locate(granule, settings.upstream_dir, asof=asof)
            except NotPublished as absence:
                if row.core and granule.end + row.latency <= asof:
                    missing.append(str(absence))
                awaited |= overdue
            else:
                found.append(ingest_store.File(granule, path, published))
                awaited &= not overdue
        told = found or fetched.needs or fetched.failures or fetched.awaited
        if missing or not told:
            cause = _by_hand(source, module, settings) or (
                ""
                if told
                else f"none of the {len(granules)} files asked for is in {settings.upstream_dir}"
            )
    news = ingest_store.unknown(found, known)
    taken = ingest_store.bring_in(
        row,
        news,
        read,
        archive=archive,
        records=store,
        asof=asof,
        from_folder=folder is not None,
        progress=progress,
    )
    return Ingested(
        source=source,
        read=taken.read,
        known=len(found) - len(news),
        added=taken.added,
        missing=tuple(missing),
        rejected=taken.rejected,
        passed_over=(*taken.passed_over, *beside),
        unknown_stations=taken.unknown_stations,
        unknown_station_files=taken.unknown_station_files,
        needs=fetched.needs,
        unfetched=fetched.failures,
        not_yet=fetched.awaited,
        awaited=awaited
        and row.core
        and settings.upstream == "internet"
        and not (fetched.needs or fetched.refused),
        remarks=taken.remarks,
        nothing_came_in=not taken.read
        and not ingest_store.any_sound(found, known)
        and bool(found or missing or fetched.failures),
        cause=cause,
        reached=fetched.reached,
    )


def _by_hand(source: str, module: SourceModule, settings: Settings) -> str:
    """Say why no provider is asked for a source; empty where one is, or none is of all."""
    if settings.upstream != "internet" or not isinstance(module, ByHand):
        return ""
    return module.by_hand(source)


def _with_layout(read: Reader, layout: OwnLayout, row: Source, folder: Path | None) -> Reader:
    """Reader of a ministry's own tables, which come in a folder of readings alone."""
    if row.kind != "readings" or folder is None:
        raise UserError("expected a ministry's own layout with readings and --from alone")
    return partial(read, layout=layout)


def _fetch(
    row: Source,
    granules: list[Granule],
    *,
    asof: datetime,
    settings: Settings,
    known: dict[str, set[tuple[datetime | None, str]]],
    progress: Progress,
    limit_s: float,
) -> fetch.Fetched:
    """Bring what is not there yet from its provider into the upstream folder."""
    if (settings.data_dir / "virtual").exists():
        raise UserError(
            f"{settings.data_dir} holds the virtual basin; give measured data a folder of its own "
            "(MEKONG_DATA_DIR)"
        )
    make_private_folder(settings.upstream_dir)
    with _client(settings) as client:
        return fetch.fetch(
            row,
            granules,
            client=client,
            upstream=settings.upstream_dir,
            asof=asof,
            known={name: any(time for time, _ in marks) for name, marks in known.items()},
            region=settings.region,
            progress=progress,
            limit_s=max(limit_s, fetch.SOURCE_S),
        )


def _client(settings: Settings) -> Client:
    """Return a client of the providers."""
    try:
        return Client(endpoints=settings.endpoints)
    except ValueError as strange:
        raise UserError(f"setting endpoints: {strange}") from None


def sources(
    *,
    asof: datetime,
    settings: Settings | None = None,
    check: bool = False,
    progress: Progress = no_progress,
) -> list[fetch.State]:
    """Say of each source what it needs and how far it is.

    Parameters
    ----------
    asof
        Moment of the question.
    settings
        Default: from the environment.
    check
        Also ask each provider for its last file, whatever the upstream is.
    progress
        Called with how far the step is.

    Returns
    -------
    list
        One state per source.

    Raises
    ------
    UserError
        An unknown endpoint in the settings.
    """
    settings = settings or Settings()
    store = Records(settings.database)
    ends: dict[str, datetime] = {}
    for row in store.inputs(asof=asof, start=asof - KNOWN):
        if row["rejected"] is None:
            ends[row["source"]] = max(row["end"], ends.get(row["source"], row["end"]))
    for variable in ("stage", "rain"):
        readings = store.readings.read(variable, asof=asof, start=asof - KNOWN)
        for source, last in readings.dropna().groupby("source")["valid_time"].max().items():
            ends[str(source)] = last.to_pydatetime().replace(tzinfo=UTC)
    with _client(settings) as client:
        found = [
            fetch.state(row, latest=ends.get(row.id), asof=asof, client=client)
            for row in SOURCES.values()
        ]
        if check:
            ask = partial(fetch.check, asof=asof, client=client, region=settings.region)
            with ThreadPoolExecutor(fetch.THREADS) as threads:
                for number, (well, said) in enumerate(threads.map(ask, SOURCES.values())):
                    progress("asked", number + 1, len(found))
                    found[number] = replace(found[number], well=well, reached=said)
    return found


@dataclass(frozen=True)
class Simulated:
    """What the virtual basin laid out."""

    files: int
    years: list[int]


def simulate(
    *,
    asof: datetime,
    settings: Settings | None = None,
    full: bool = False,
    progress: Progress = no_progress,
) -> Simulated:
    """Lay out what the virtual basin's providers had published by a moment.

    With another upstream than the virtual one nothing is done. Files that lie there are not
    written again.

    Parameters
    ----------
    asof
        Issue time.
    settings
        Default: from the environment.
    full
        Also the daily files of the whole record on the 0.1 degree grid.
    progress
        Called with how far the step is.

    Returns
    -------
    Simulated
        Number of files written, and the years of which there is an areal record.

    Raises
    ------
    UserError
        The virtual basin does not reach to that date.
    """
    from pipeline.virtual.basin import VirtualBasin
    from pipeline.virtual.night import lay_out_days, lay_out_night
    from pipeline.virtual.weather import END, START

    settings = settings or Settings()
    if settings.upstream != "virtual":
        return Simulated(0, [])
    if not START <= asof.date() < END:
        raise UserError(
            f"the virtual basin: expected a date from {START} to {END - timedelta(days=1)}, "
            f"found {asof:%Y-%m-%d}"
        )
    for folder in (settings.data_dir / "virtual", settings.upstream_dir):
        make_private_folder(folder)
    basin = VirtualBasin(settings.seed, settings.data_dir / "virtual", settings.region)
    grid = GRIDS[settings.region]
    progress("night and history", 1, 2)
    files = lay_out_night(basin, asof, settings.upstream_dir, grid=grid)
    if full:
        first = datetime(START.year, START.month, START.day, tzinfo=UTC)
        for number, year in enumerate(range(START.year, asof.year + 1)):
            progress("years of daily grids", number + 1, asof.year - START.year + 1)
            begin = max(first, datetime(year, 1, 1, tzinfo=UTC))
            end = min(asof, datetime(year + 1, 1, 1, tzinfo=UTC))
            files += lay_out_days(basin, begin, end, asof, settings.upstream_dir, grid=grid)
    return Simulated(files, list(range(START.year, asof.year)))


@dataclass(frozen=True)
class Assessed:
    """Days of the zonal daily series that were made, and how many are new or changed."""

    days: int
    changed: int


def assess(*, asof: datetime, settings: Settings | None = None) -> Assessed:
    """Average what the grids say of the days before a moment over every zone.

    Days of the last ``RECENT`` are made anew, older ones where the record has none yet.

    Parameters
    ----------
    asof
        Issue time.
    settings
        Default: from the environment.

    Returns
    -------
    Assessed
    """
    settings = settings or Settings()
    check_stores(settings)
    archive = Archive(settings.archive_dir)
    if not set(archive.products()) & {row.id for row in SOURCES.values() if row.kind == "grid"}:
        return Assessed(0, 0)
    end = day_start(asof)
    start = end - RECENT
    try:
        known = archive.read("zones", asof=asof, end=start)["time"].values
    except NothingArchived:
        start = end - SPIN_UP
    else:
        start -= timedelta(days=int((utc64(start) - known[-1]) / areal_rain.DAY) - 1)
    region, at = settings.region, f"{asof:%Y-%m-%dT%H:%MZ}"
    with _computing(settings):
        days: Any = {"asof": asof, "start": start, "end": end, "region": region}
        suspects = find_suspect_files(Records(settings.database), asof=asof, start=start)
        record, shares, doubts = daily_series.make_daily_series(archive, suspects=suspects, **days)
        stood = substitutes.make_substitutes(archive, **days)
        pairs = areal_rain.make_rain_pairs(archive, asof=asof, region=region)
    changed = archive.append("zones", record, message=f"areal record as of {at}")
    archive.append("rain_shares", shares, message=f"shares of the rain as of {at}")
    if "doubts" in archive.products() or bool(doubts.to_array().any()):
        archive.append("doubts", doubts, message=f"doubts of the areal record as of {at}")
    if pairs is not None:
        archive.append("rain_pairs", pairs, message=f"rain of products beside Late as of {at}")
    for product, table in stood.items():
        archive.append(product, table, message=f"{product} as of {at}")
    return Assessed(record.sizes["time"], changed)


def indices(
    *, asof: datetime, settings: Settings | None = None, record: bool = False
) -> gridded_job.Made:
    """Make the indices of every cell of the grid that are not there yet.

    A night applies the reference that was last fitted to its newest days; where none was fitted,
    nothing is made.

    Parameters
    ----------
    asof
        Issue time.
    settings
        Default: from the environment.
    record
        Make every day and month of the record, and fit the reference where it is not fitted yet.

    Returns
    -------
    gridded.Made

    Raises
    ------
    UserError
        The whole record was asked for and there are fewer than 20 whole years of daily rain.
    """
    settings = settings or Settings()
    make = gridded_job.whole_record if record else gridded_job.newest
    with _computing(settings, scheduler="processes" if record else None):
        try:
            return make(Archive(settings.archive_dir), asof=asof, region=settings.region)
        except (NothingArchived, ValueError) as short:
            raise UserError(f"cannot make the indices of the record: {short}") from short


@contextmanager
def _computing(settings: Settings, *, scheduler: str | None = None) -> Iterator[None]:
    """Compute grids on the cluster that the settings name, else here, in threads by default.

    Work of many minutes is done in processes: its laws go by season in so many small steps that
    threads would wait for each other.
    """
    if settings.dask_scheduler is None:
        with dask.config.set({"scheduler": scheduler} if scheduler else {}):
            yield
        return
    from distributed import Client as Cluster

    try:
        cluster = Cluster(settings.dask_scheduler, timeout="5s")  # type: ignore[no-untyped-call]
    except OSError as absent:
        raise UserError(
            f"expected a dask scheduler at {settings.dask_scheduler}, found none: {absent}"
        ) from absent
    with cluster:
        yield


@dataclass(frozen=True)
class Trained:
    """A set of models that was trained."""

    version: str
    stations: int
    trained_to: str
    origin: str


def train(
    *, asof: datetime, settings: Settings | None = None, progress: Progress = no_progress
) -> Trained:
    """Train all models on what was known at a moment and make them the latest.

    Parameters
    ----------
    asof
        Nothing known later is used; a night takes the last models trained by its issue time.
    settings
        Default: from the environment.
    progress
        Called with how far the step is.

    Returns
    -------
    Trained

    Raises
    ------
    UserError
        There are no gauge readings, or no gauge has enough of them.
    """
    settings = settings or Settings()
    snapshot = Snapshot(Archive(settings.archive_dir), Records(settings.database), asof, {}, "")
    progress("reading the record", 1, 3)
    try:
        inputs = read_stage_inputs(snapshot, start=None)
        progress("gauges", 2, 3)
        gauges = stage_training.fit(inputs, end=asof, stations=_forecast_stations(inputs))
    except ValueError as short:
        raise UserError(f"cannot train: {short}; ingest gauges first") from short
    fitted: dict[str, object] = {"stage": gauges}
    progress("drought", 3, 3)
    lows = low_flow.fit(inputs.stage, end=asof, stations=_forecast_stations(inputs))
    if lows is not None:
        fitted["low_flow"] = lows
    record = snapshot.zonal_record
    if record is not None:
        longer = daily_series.prepend_chirps(
            record, snapshot.archive, asof=asof, region=settings.region
        )
        fitted["drought"] = drought_model.fit(longer, end=asof)
        months = monthly.collect_months(
            known_by(longer, asof=asof),
            land=monthly.read_land_months(snapshot.archive, asof=asof, region=settings.region),
            discharge=quality_flags.used(snapshot.readings("discharge")),
        )
        fitted["monthly"] = monthly.fit_params(months, end=asof)
    metadata = {
        "asof": asof.isoformat(),
        "origin": inputs.origin,
    }
    version = registry.save(fitted, metadata, settings.models_dir)
    text = render_card(gauges, metadata, low_flow=lows, drought=fitted.get("drought"))  # type: ignore[arg-type]
    (settings.models_dir / version / "card.md").write_text(text, encoding="utf-8")
    return Trained(version, len(gauges.stations), f"{asof:%Y-%m-%d}", inputs.origin)


def prepare(
    *, asof: datetime, settings: Settings | None = None, progress: Progress = no_progress
) -> Trained | None:
    """Bring in the history and train, where no models were trained for a night.

    From the internet the history of the gauges is asked for, once; the years of rain that droughts
    need are gigabytes, and asked for by hand (``mekong ingest chirps --since``).

    Parameters
    ----------
    asof
        Issue time; models are trained on what was known on 1 January before it.
    settings
        Default: from the environment.
    progress
        Called with how far the step is.

    Returns
    -------
    Trained or None
        None where there are models already, and where what measured history there is does not
        suffice to train: the night then goes on without models.

    Raises
    ------
    UserError
        The history of the virtual basin does not suffice.
    """
    settings = settings or Settings()
    try:
        models_for(asof, settings=settings)
    except UserError:
        for source in ("zones", "gldas_monthly", "gauges"):
            ingest(source, asof=asof, settings=settings, progress=progress)
        for source, since in HISTORY_FROM.items() if settings.upstream == "internet" else ():
            known = Records(settings.database).inputs(asof=asof, start=since)
            if not any(row["source"] == source and row["start"] <= since for row in known):
                ingest(source, asof=asof, start=since, settings=settings, progress=progress)
        new_year = datetime(asof.year, 1, 1, tzinfo=UTC)
        try:
            return train(asof=new_year, settings=settings, progress=progress)
        except UserError:
            if settings.upstream == "virtual":
                raise
    return None


def _forecast_stations(inputs: features.StageInputs) -> list[str]:
    """Gauges of the table that still report or have an heir; the others only help to predict."""
    return [code for code in places.stations() if code in inputs.stage]


def models_for(
    asof: datetime, *, settings: Settings, names: Collection[str] | None = None
) -> tuple[dict[str, Any], dict[str, Any]]:
    """Return the last sound models trained on nothing later than a moment, and their metadata.

    Where newer ones are damaged, ``broken`` of the metadata says which and how. With ``names`` only
    these are loaded; of the others the bytes alone are checked.

    Raises
    ------
    UserError
        None has been trained by then, or all that were are damaged.
    """
    broken, found = list[str](), []
    for path in settings.models_dir.glob("[!.]*"):
        if path.is_symlink() or not path.is_dir():
            continue
        try:
            metadata = json.loads((path / registry.METADATA).read_text(encoding="utf-8"))
            trained = datetime.fromisoformat(metadata["asof"])
        except (OSError, ValueError, KeyError, TypeError) as error:
            broken.append(f"models {path.name} are damaged ({registry.METADATA}: {error})")
        else:
            if trained <= asof:
                found.append((trained, path.stat().st_mtime, path.name))
    for _, _, version in sorted(found, reverse=True):
        try:
            models, metadata = registry.load(settings.models_dir, version, names=names)
        except (registry.UntrustedModel, OSError, LookupError, ValueError) as error:
            broken.append(f"models {version} are damaged ({error})")
        else:
            return models, metadata | {"broken": sorted(broken)}
    raise UserError(
        f"expected models trained by {asof:%Y-%m-%d}, found "
        f"{'; '.join(sorted(broken)) or 'none'}; run: mekong train --date {asof:%Y}-01-01"
    )


@dataclass(frozen=True)
class Forecast:
    """A run that was forecast."""

    issue_time: str
    revision: int
    stations: int
    zones: int
    tiers: dict[str, int]
    model_version: str
    origin: str
    broken_models: tuple[str, ...] = ()


def forecast(
    *, asof: datetime, settings: Settings | None = None, models_required: bool = False
) -> Forecast:
    """Forecast stages and drought classes from what is in the stores, and keep them as issued.

    Where no models were trained by then the run has none: what is observed raises levels all the
    same, and everything else is UNKNOWN.

    Parameters
    ----------
    asof
        Issue time.
    settings
        Default: from the environment.
    models_required
        Raise where there are no models.

    Returns
    -------
    Forecast

    Raises
    ------
    UserError
        Models are required, and none was trained by then or all that were are damaged.
    """
    settings = settings or Settings()
    check_stores(settings)
    try:
        models, metadata = models_for(asof, settings=settings)
    except UserError:
        if models_required:
            raise
        models, metadata = {}, {"version": NO_MODELS, "origin": "measured", "broken": []}
    store, archive = Records(settings.database), Archive(settings.archive_dir)
    inputs = recent_inputs(store, asof=asof)
    virtual = "virtual" in {row["origin"] for row in inputs} | {metadata["origin"]}
    virtual |= settings.upstream == "virtual"
    follows = store.last_issued(before=asof)
    run = store.draft_run(
        {
            "issue_time": asof,
            "inputs_digest": digest_inputs(archive, inputs, asof=asof),
            "snapshot": archive.snapshot,
            "batch": store.database.batch,
            "model_version": metadata["version"],
            "origin": "virtual" if virtual else "measured",
            "settings": settings.model_dump(include=ISSUED_UNDER),
            "follows": follows and [follows[0].isoformat(), follows[1]],
        }
    )
    snapshot = open_snapshot(run, models, settings)
    stages, droughts = forecast_stages(snapshot), forecast_droughts(snapshot)
    store_forecasts(store, run, stages=stages, droughts=droughts)
    tiers = stages.drop_duplicates("station")["tier"].value_counts()
    return Forecast(
        issue_time=f"{asof:%Y-%m-%dT%H:%MZ}",
        revision=run["revision"],
        stations=stages["station"].nunique(),
        zones=droughts["zone"].nunique() if not droughts.empty else 0,
        tiers={str(tier): int(count) for tier, count in tiers.items()},
        model_version=metadata["version"],
        origin=run["origin"],
        broken_models=tuple(metadata["broken"]),
    )


@dataclass(frozen=True)
class Published:
    """A tree that was published.

    Parameters
    ----------
    folder, revision
        Where it lies, and which revision of its issue time it is.
    messages
        Number of CAP messages.
    levels
        Number of cities and hazards by level.
    degraded
        Why the night is not a good one; empty where it is.
    """

    folder: str
    revision: int
    messages: int
    levels: dict[str, int]
    degraded: tuple[str, ...] = ()


def publish(*, asof: datetime, settings: Settings | None = None) -> Published:
    """Decide, word and publish the alerts of the last forecast of an issue time.

    Parameters
    ----------
    asof
        Issue time.
    settings
        Default: from the environment.

    Returns
    -------
    Published

    Raises
    ------
    LookupError
        No forecast was made for that issue time.
    """
    settings = settings or Settings()
    check_stores(settings)
    store = Records(settings.database)
    run = store.run(asof)
    bundle = _bundle(run, settings, model_remarks=_model_remarks(run, settings))
    revision = run["revision"]
    files = add_cancellations(bundle.files, store.cancellations(asof))
    folder = trees.publish_tree(files, folder=settings.published_dir, issue_time=asof)
    store.put(database.alerts, asof, revision, bundle.alerts)
    return Published(
        folder=str(folder),
        revision=revision,
        messages=sum(path.startswith("cap/") for path in bundle.files),
        levels=dict(Counter(row["level"] for row in bundle.alerts)),
        degraded=bundle.degraded,
    )


def replay(identifier: str, *, settings: Settings | None = None) -> bytes:
    """Make a published CAP message again from the inputs, the model and the rules of its run.

    Parameters
    ----------
    identifier
        Identifier of the message.
    settings
        Default: from the environment; status, scope and sender are those of the run.

    Returns
    -------
    bytes
        The message, byte for byte.

    Raises
    ------
    LookupError
        No such message was published.
    """
    settings = settings or Settings()
    store = Records(settings.database)
    if content := read_cancel(store, identifier):
        return content
    alert = store.alert(identifier)
    bundle = _bundle(store.run(alert["issue_time"], alert["revision"]), settings)
    return bundle.files[f"cap/{identifier}.xml"]


def cancel(
    identifier: str, *, why: str, asof: datetime, settings: Settings | None = None
) -> Cancelled:
    """Withdraw a message in force that was issued in error; as :func:`cancel_message`.

    Parameters
    ----------
    identifier
        Identifier of the message.
    why
        Error in the message, in English.
    asof
        Moment of the CAP Cancel.
    settings
        Default: from the environment.
    """
    settings = settings or Settings()
    check_stores(settings)
    return cancel_message(
        Records(settings.database),
        identifier,
        reason=why,
        when=asof,
        folder=settings.published_dir,
    )


def _model_remarks(run: dict[str, Any], settings: Settings) -> list[str]:
    """Say that a run had no models, or which newer ones are damaged."""
    version, asof = run["model_version"], run["issue_time"]
    try:
        metadata = models_for(asof, settings=settings, names=())[1]
        if metadata["version"] != version:  # the last have the bytes that were saved: load them
            metadata = models_for(asof, settings=settings)[1]
    except UserError as absent:
        return describe_models(version, broken=(), absent=str(absent))
    return describe_models(version, broken=metadata["broken"])


def _bundle(
    run: dict[str, Any], settings: Settings, *, model_remarks: Sequence[str] = ()
) -> Bundle:
    """Make everything that a run publishes, from its stored forecast and what it saw."""
    models: dict[str, Any] = {}
    if run["model_version"] != NO_MODELS:
        models, _ = registry.load(settings.models_dir, run["model_version"], names=products.MODELS)
    snapshot = open_snapshot(run, models, settings)
    stages, droughts = read_forecasts(snapshot.records, run)
    return make_bundle(
        snapshot,
        run,
        stages=stages,
        droughts=droughts,
        settings=settings,
        model_remarks=model_remarks,
    )


@dataclass(frozen=True)
class Verified:
    """Forecasts that were scored: those of the last days, and what is known by city and level."""

    forecasts: int
    rmse_m: float | None = None
    cp: float | None = None
    cover80: float | None = None
    cities: tuple[operational.CityScore, ...] = ()
    levels: tuple[operational.LevelScore, ...] = ()
    drought: tuple[operational.DroughtScore, ...] = ()


def verify(*, asof: datetime, settings: Settings | None = None) -> Verified:
    """Score what was issued before a moment with what had been observed by then.

    Parameters
    ----------
    asof
        Forecasts for a time up to this moment are compared with the reading known by then.
    settings
        Default: from the environment.

    Returns
    -------
    Verified
        Pooled over gauges and leads of the last ``SCORED``; by city and lead, by city and level,
        and of drought over the seasons that alerts look back on. The scores of each stage forecast
        are kept in the tables.
    """
    settings = settings or Settings()
    store = Records(settings.database)
    frame = operational.score_runs(store, asof=asof, window=SCORED)
    longer = {
        "cities": tuple(operational.score_cities(store, asof=asof)),
        "levels": tuple(operational.score_levels(store, asof=asof)),
        "drought": tuple(operational.score_drought(store, asof=asof)),
    }
    if frame.empty:
        return Verified(0, **longer)  # type: ignore[arg-type]
    return Verified(**operational.pool_scores(frame), **longer)  # type: ignore[arg-type]


@dataclass(frozen=True)
class Hindcast:
    """A hindcast that was written."""

    folder: str
    forecasts: int
    origin: str
    median_cp: dict[int, float]
    median_reference_cp: dict[int, float]


def hindcast(
    *,
    start: date,
    end: date,
    train_from: date,
    leads: tuple[int, ...],
    folder: Path,
    settings: Settings | None = None,
    progress: Progress = no_progress,
) -> Hindcast:
    """Forecast every morning of past years as it would have been, and score it.

    Parameters
    ----------
    start, end
        First and last issue date.
    train_from
        First date that models are trained on.
    leads
        Days ahead.
    folder
        Gets ``scores.csv``, ``forecasts.parquet`` and ``report.html``.
    settings
        Default: from the environment.
    progress
        Called with how far the step is.

    Returns
    -------
    Hindcast

    Raises
    ------
    UserError
        There are no gauge readings.
    """
    settings = settings or Settings()
    first, last, begin = (
        datetime(day.year, day.month, day.day, tzinfo=UTC) for day in (start, end, train_from)
    )
    asof = last + timedelta(days=max(leads) + 1)
    snapshot = Snapshot(Archive(settings.archive_dir), Records(settings.database), asof, {}, "")
    try:
        inputs = read_stage_inputs(snapshot, start=begin)
    except ValueError as nothing:
        raise UserError(f"cannot hindcast: {nothing}; ingest gauges first") from nothing
    years = hydrological_years(first, last + timedelta(days=1))
    told = iter(range(1, len(years) + 2))
    found = run_hindcast(
        inputs,
        train_from=begin,
        start=first,
        end=last + timedelta(days=1),
        stations=_forecast_stations(inputs),
        leads=leads,
        inputs_as_of=inputs_as_of(snapshot, start=begin),
        progress=lambda year: progress(year, next(told), len(years) + 1),
    )
    progress("report", len(years) + 1, len(years) + 1)
    table = score_forecasts(found)
    folder.mkdir(parents=True, exist_ok=True)
    table.to_csv(folder / "scores.csv", index=False)
    found.to_parquet(folder / "forecasts.parquet")
    page = render_report(found, train_from=f"{train_from:%Y-%m-%d}")
    (folder / "report.html").write_text(page, encoding="utf-8")
    wet = table[table["season"] == "wet"].groupby("lead_days")
    peers = skill.tabulate_stations(skill.prepare(found).query("wet"), draws=1).groupby("lead_days")
    return Hindcast(
        folder=str(folder),
        forecasts=len(found),
        origin=inputs.origin,
        median_cp={int(str(k)): float(v) for k, v in wet["cp"].median().items()},
        median_reference_cp={int(str(k)): float(v) for k, v in peers["reference"].median().items()},
    )

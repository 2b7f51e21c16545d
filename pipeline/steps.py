"""Steps of the pipeline: the only functions that DAGs, command line and notebooks call.

Each step takes identifiers and the moment ``asof``, writes its results into the stores and returns
a small record of what it did. Repeating a step with the same arguments changes nothing. A step
imports its modules when it is called, because each task of a night is a process of its own.

All steps share these parameters:

asof
    Issue time; nothing that became known later is used.
settings
    Default: from the environment.
progress
    Progress callback.
"""

from __future__ import annotations

from collections import Counter
from contextlib import suppress
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING

from pipeline.progress import Progress, no_progress
from pipeline.results import Assessed, Forecast, Published, Simulated, Trained, Verified
from pipeline.settings import Settings
from pipeline.sources import SOURCES

if TYPE_CHECKING:
    from pipeline.exchange.cancellation import Cancelled
    from pipeline.gridded.job import JobResult
    from pipeline.ingest.run import Ingested
    from pipeline.ingest.status import SourceStatus
    from pipeline.issuance.drill import DrillStatus
    from pipeline.sources.access.client import Client
    from pipeline.sources.gauges.own_table import OwnLayout

SCORED = timedelta(days=60)
"""Span of issue times before ``asof`` whose forecasts are scored."""
HISTORY_FROM = {
    "mrc_archive": datetime(1960, 1, 1, tzinfo=UTC),
    "thaiwater": datetime(2012, 1, 1, tzinfo=UTC),
}
"""Start of the history of gauge readings that is requested, by provider."""
NOTHING_FETCHED = "upstream is 'archive', only what has been ingested is used"


class UserError(Exception):
    """An error that only the user can resolve; the message says how."""


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
    """Ingest into the stores what a source had published by ``asof``.

    A file that is not what its name says is noted with the reason and skipped; the others are
    ingested.

    Parameters
    ----------
    source
        Id from the table of sources.
    folder
        Ingest all files of this folder instead of the upstream's; each counts as available
        ``latency`` after its end.
    start, end
        Half-open interval; default the source's lookback before ``asof``.
    layout
        Layout of a ministry's own tables of readings in the folder.

    Raises
    ------
    UserError
        Unknown source or endpoint; measured data requested into the folder of the virtual basin.
    FileNotFoundError
        The folder does not exist, or holds no such files.
    """
    from pipeline.ingest.consistency import check_stores
    from pipeline.ingest.run import Ingested, ingest_folder, ingest_interval

    settings = settings or Settings()
    if source not in SOURCES:
        raise UserError(f"expected a source of {', '.join(SOURCES)}, found {source!r}")
    row = SOURCES[source]
    check_stores(settings)
    if layout is not None and (row.kind != "readings" or folder is None):
        raise UserError("expected a ministry's own layout with readings and --from alone")
    if folder is not None:
        return ingest_folder(
            row, folder, asof=asof, settings=settings, layout=layout, progress=progress
        )
    if settings.upstream == "archive":
        return Ingested(source, read=0, known=0, added=0, cause=NOTHING_FETCHED)
    client = None
    if settings.upstream == "internet":
        if (settings.data_dir / "virtual").exists():
            raise UserError(
                f"{settings.data_dir} holds the virtual basin; give measured data a folder of its "
                "own (MEKONG_DATA_DIR)"
            )
        client = _client(settings)
    return ingest_interval(
        row, asof=asof, settings=settings, start=start, end=end, client=client, progress=progress
    )


def _client(settings: Settings) -> Client:
    """Return a client of the providers."""
    from pipeline.sources.access.client import Client

    try:
        return Client(endpoints=settings.endpoints)
    except ValueError as error:
        raise UserError(f"setting endpoints: {error}") from None


def sources(
    *,
    asof: datetime,
    settings: Settings | None = None,
    check: bool = False,
    progress: Progress = no_progress,
) -> list[SourceStatus]:
    """Read the status of each source: credentials that it needs, and its last datum.

    Parameters
    ----------
    check
        Also request the last file from each provider, whatever the upstream is.

    Raises
    ------
    UserError
        An unknown endpoint in the settings.
    """
    from pipeline.ingest.status import check_providers, read_status
    from pipeline.storage.records import Records

    settings = settings or Settings()
    with _client(settings) as client:
        statuses = read_status(Records(settings.database), asof=asof, client=client)
        if check:
            statuses = check_providers(
                statuses, asof=asof, client=client, region=settings.region, progress=progress
            )
    return statuses


def simulate(
    *,
    asof: datetime,
    settings: Settings | None = None,
    full: bool = False,
    progress: Progress = no_progress,
) -> Simulated:
    """Write the files that the virtual basin's providers had published by ``asof``.

    With another upstream than the virtual one nothing is done. Existing files are not written
    again.

    Parameters
    ----------
    full
        Also write the daily files of the whole record on the 0.1 degree grid.

    Raises
    ------
    UserError
        The virtual basin does not cover that date.
    """
    settings = settings or Settings()
    if settings.upstream != "virtual":
        return Simulated(0, [])
    from pipeline.geography.grid import GRIDS
    from pipeline.storage.atomic import make_private_folder
    from pipeline.virtual.basin import VirtualBasin
    from pipeline.virtual.night import lay_out_night, lay_out_record
    from pipeline.virtual.weather import END, START

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
        files += lay_out_record(basin, asof, settings.upstream_dir, grid=grid, progress=progress)
    return Simulated(files, list(range(START.year, asof.year)))


def assess(*, asof: datetime, settings: Settings | None = None) -> Assessed:
    """Average the grids over every zone, for the newest days and older days that are missing.

    A zone that is new in the tables gets its past days from the archived grids.
    """
    from pipeline.areal.new_zones import find_new_zones, make_past
    from pipeline.areal.update import append_products, find_days, make_products
    from pipeline.gridded.cluster import computing
    from pipeline.ingest.consistency import check_stores
    from pipeline.issuance.missing import find_suspect_files
    from pipeline.storage.archive import Archive
    from pipeline.storage.records import Records

    settings = settings or Settings()
    check_stores(settings)
    archive = Archive(settings.archive_dir)
    if not set(archive.products()) & {row.id for row in SOURCES.values() if row.kind == "grid"}:
        return Assessed(0, 0)
    start, end = find_days(archive, asof=asof)
    suspects = find_suspect_files(Records(settings.database), asof=asof, start=start)
    new = find_new_zones(archive, asof=asof, end=start, region=settings.region)
    with computing(settings.dask_scheduler):
        past = make_past(archive, names=new, asof=asof, end=start, region=settings.region)
        products = make_products(
            archive, asof=asof, start=start, end=end, region=settings.region, suspects=suspects
        )
    past_days = 0 if past is None else append_products(archive, {"zones": past}, asof=asof)
    changed = append_products(archive, products, asof=asof)
    return Assessed(products["zones"].sizes["time"], changed, tuple(new), past_days)


def indices(*, asof: datetime, settings: Settings | None = None, record: bool = False) -> JobResult:
    """Compute the missing indices of every cell of the grid.

    A night applies the parameters that were last fitted to its newest days; where none were fitted,
    nothing is computed.

    Parameters
    ----------
    record
        Compute every day and month of the record, and fit the parameters where they are missing.

    Raises
    ------
    UserError
        The whole record was requested and there are fewer than 20 whole years of daily rain.
    """
    from pipeline.gridded import job
    from pipeline.gridded.cluster import computing
    from pipeline.storage.archive import Archive, NothingArchived

    settings = settings or Settings()
    make = job.compute_record if record else job.compute_newest
    with computing(settings.dask_scheduler, scheduler="processes" if record else None):
        try:
            return make(Archive(settings.archive_dir), asof=asof, region=settings.region)
        except (NothingArchived, ValueError) as error:
            raise UserError(f"cannot make the indices of the record: {error}") from error


def train(
    *,
    asof: datetime,
    settings: Settings | None = None,
    unless_worse: bool = False,
    progress: Progress = no_progress,
) -> Trained:
    """Train all models on the data as of a moment, and save them as the latest.

    A night uses the last models trained by its issue time.

    Parameters
    ----------
    unless_worse
        Keep the former models, and save nothing, where the new have less skill on held-out years.

    Raises
    ------
    UserError
        No gauge has enough readings, or the settings name no regressor of scikit-learn.
    """
    from models import registry, succession, training
    from models.stage.features import TooFewStages
    from pipeline.issuance.snapshot import open_stores, read_stage_inputs

    settings = settings or Settings()
    snapshot = open_stores(settings, asof=asof)
    progress("reading the record", 1, 2)
    try:
        regressor = training.find_regressor(settings.regressor)
        inputs = read_stage_inputs(snapshot, start=None)
        progress("gauges and drought", 2, 2)
        models = training.fit_models(
            inputs,
            snapshot.zonal_record,
            archive=snapshot.archive,
            discharge=snapshot.readings("discharge"),
            asof=asof,
            region=settings.region,
            regressor=regressor,
        )
    except training.UnknownRegressor as error:
        raise UserError(f"cannot train: {error}") from error
    except TooFewStages as error:
        raise UserError(f"cannot train: {error}; ingest gauges first") from error
    folder = settings.models_dir
    if unless_worse:
        with suppress(registry.NoModels):
            former, metadata = registry.load_last(folder, asof=asof)
            if losses := succession.find_losses(models, former):
                return Trained(
                    metadata["version"],
                    len(former["stage"].stations),
                    metadata["asof"][:10],
                    metadata["origin"],
                    kept=tuple(losses),
                )
    version = training.save_models(models, asof=asof, origin=inputs.origin, folder=folder)
    return Trained(version, len(models["stage"].stations), f"{asof:%Y-%m-%d}", inputs.origin)


def prepare(
    *, asof: datetime, settings: Settings | None = None, progress: Progress = no_progress
) -> Trained | None:
    """Ingest the history and train, where no models were trained for a night.

    Models are trained on the data as of 1 January before the issue time. From the internet the
    history of the gauges is requested once; the years of rain that droughts need are gigabytes, and
    requested by hand (``mekong ingest chirps --since``).

    Returns
    -------
    Trained or None
        None where there are models already, and where the measured history does not suffice to
        train: the night then runs without models.

    Raises
    ------
    UserError
        The history of the virtual basin does not suffice.
    BadKeys
        Data come from the internet, and there are no keys to sign what is published.
    """
    from models.registry import NoModels, load_last
    from pipeline.exchange.keys import load_keys
    from pipeline.storage.records import Records

    settings = settings or Settings()
    load_keys(settings, required=settings.upstream == "internet")
    try:
        load_last(settings.models_dir, asof=asof, names=())
    except NoModels:
        for source in ("zones", "gldas_monthly", "gauges"):
            ingest(source, asof=asof, settings=settings, progress=progress)
        for source, since in HISTORY_FROM.items() if settings.upstream == "internet" else ():
            inputs = Records(settings.database).inputs(asof=asof, start=since)
            if not any(row["source"] == source and row["start"] <= since for row in inputs):
                ingest(source, asof=asof, start=since, settings=settings, progress=progress)
        new_year = datetime(asof.year, 1, 1, tzinfo=UTC)
        try:
            return train(asof=new_year, settings=settings, progress=progress)
        except UserError:
            if settings.upstream == "virtual":
                raise
    return None


def forecast(
    *,
    asof: datetime,
    settings: Settings | None = None,
    models_required: bool = False,
    made: datetime | None = None,
    late: bool = False,
) -> Forecast:
    """Forecast stages and drought classes from the stores, and store the forecasts as issued.

    Without models trained by then observations still raise levels, and all else is UNKNOWN.

    Parameters
    ----------
    models_required
        Raise where there are no models.
    made
        Moment at which the run is made, default now; messages of a revision are sent then.
    late
        A later night was due before this one is made: no message of it is sent.

    Raises
    ------
    NoModels
        Models are required, and none was trained by then or all are damaged.
    """
    from models.registry import NoModels, load_last
    from pipeline.ingest.consistency import check_stores
    from pipeline.issuance.forecast_tables import store_forecasts
    from pipeline.issuance.forecasts import forecast_droughts, forecast_stages
    from pipeline.issuance.runs import draft_run
    from pipeline.issuance.snapshot import NO_MODELS, open_snapshot
    from pipeline.storage.records import Records

    settings = settings or Settings()
    check_stores(settings)
    try:
        models, metadata = load_last(settings.models_dir, asof=asof)
    except NoModels:
        if models_required:
            raise
        models, metadata = {}, {"version": NO_MODELS, "origin": "measured", "broken": []}
    now = made or datetime.now(UTC)
    run = draft_run(asof=asof, made=now, model_metadata=metadata, settings=settings, late=late)
    snapshot = open_snapshot(run, models, settings)
    stages, droughts = forecast_stages(snapshot), forecast_droughts(snapshot)
    store_forecasts(Records(settings.database), run, stages=stages, droughts=droughts)
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


def publish(*, asof: datetime, settings: Settings | None = None) -> Published:
    """Decide, compose and publish the alerts of the last forecast of an issue time.

    Raises
    ------
    LookupError
        No forecast was made for that issue time.
    BadKeys
        Measured data went in, and there are no keys to sign with, or damaged ones.
    """
    from pipeline.exchange.keys import describe_expiry, load_keys
    from pipeline.exchange.publication import publish_tree, publishing
    from pipeline.exchange.report_file import publish_reports
    from pipeline.exchange.tree import make_tree
    from pipeline.ingest.consistency import check_stores
    from pipeline.issuance.provenance import digest_code, digest_rules
    from pipeline.issuance.runs import bundle_run, describe_run_models
    from pipeline.pages.site import refresh_pages
    from pipeline.scoring import read_scoreboard
    from pipeline.storage.records import Records

    settings = settings or Settings()
    check_stores(settings)
    records = Records(settings.database)
    run = records.run(asof)
    digests = {"rules": digest_rules(asof), "code": digest_code()}
    if any(run[name] not in (None, digest) for name, digest in digests.items()):
        # A table, text or module was edited after the forecast: a message never has two contents.
        forecast(asof=asof, settings=settings, late=bool(run["late"]))
        run = records.run(asof)
    keys = load_keys(settings, required=run["origin"] != "virtual")
    expiry = describe_expiry(keys, asof=asof) if keys else ""
    with publishing(settings.published_dir):
        # Decided in here: a Cancel or the hourly watch in between would be no part of the chain.
        bundle = bundle_run(run, settings, model_remarks=describe_run_models(run, settings))
        files = bundle.files | read_scoreboard(asof=asof, settings=settings)
        # Stored first: a message that was published is never unknown to the nights after it.
        records.put_alerts(run, bundle.alerts, bundle.messages)
        tree = make_tree(files, records, run, settings=settings, keys=keys)
        folder = publish_tree(tree, folder=settings.published_dir, issue_time=asof, keys=keys)
    publish_reports(settings, asof=asof)
    return Published(
        folder=str(folder),
        revision=run["revision"],
        messages=sum(row["identifier"] is not None for row in bundle.alerts),
        levels=dict(Counter(row["level"] for row in bundle.alerts)),
        degraded=(*bundle.degraded, *filter(None, [expiry]), *refresh_pages(settings)),
        late=bool(run["late"]),
        signed=keys is not None,
    )


def cancel(
    identifier: str, *, why: str, asof: datetime, settings: Settings | None = None
) -> Cancelled:
    """Withdraw a message in force that was issued in error, with a CAP Cancel of the moment.

    Parameters
    ----------
    why
        Error in the message, in English.

    Raises
    ------
    UserError
        The reason cannot stand in a message.
    LookupError
        No such message was published, or it is not in force.
    FileNotFoundError
        The published tree with the message, or that of the last run, is not there.
    """
    from pipeline.exchange.cancellation import cancel_message
    from pipeline.ingest.consistency import check_stores
    from pipeline.pages.site import refresh_pages
    from pipeline.storage.records import Records

    if not why.isprintable():
        raise UserError(f"expected a reason in one line of text, found {why!r}")
    settings = settings or Settings()
    check_stores(settings)
    records = Records(settings.database)
    cancelled = cancel_message(records, identifier, reason=why, when=asof, settings=settings)
    return replace(cancelled, degraded=refresh_pages(settings))


def drill(
    city: str,
    *,
    asof: datetime,
    folder: Path,
    status: DrillStatus = "Exercise",
    settings: Settings | None = None,
) -> list[str]:
    """Publish one made-up flood of a city into a folder: new, raised, lowered, ended.

    Parameters
    ----------
    folder
        Folder of its trees.
    status
        CAP status; messages of status Test are signed.

    Returns
    -------
    list of str
        Identifiers of the messages.

    Raises
    ------
    UserError
        The folder holds other files than those of a drill, or lies among the data.
    LookupError
        The city is not known, or has no gauge with an alarm and a flood stage.
    """
    from pipeline.exchange.keys import load_keys
    from pipeline.issuance.drill import NotADrill, run_drill

    settings = settings or Settings()
    keys = load_keys(settings, required=status == "Test")
    try:
        return run_drill(
            city, folder=folder, asof=asof, status=status, settings=settings, keys=keys
        )
    except NotADrill as error:
        raise UserError(str(error)) from None


def verify(*, asof: datetime, settings: Settings | None = None) -> Verified:
    """Score issued forecasts and alerts against the observations as of a moment.

    Forecasts with a valid time up to ``asof`` are compared with the reading known by then, and the
    scores of each stage forecast are stored in the tables. Returned are the scores pooled over
    gauges and leads of the last ``SCORED``, those by city and lead and by city and level, and those
    of drought over the seasons that alerts look back on. The scoreboard of the nights before
    ``asof`` is stored; the tree of the next night publishes it.
    """
    from models.verification import operational
    from pipeline.scoring import store_scoreboard
    from pipeline.storage.records import Records

    settings = settings or Settings()
    records = Records(settings.database)
    scores = operational.score_runs(records, asof=asof, window=SCORED)
    store_scoreboard(asof=asof, settings=settings)
    pooled = {"forecasts": 0} if scores.empty else operational.pool_scores(scores)
    return Verified(
        **pooled,
        cities=tuple(operational.score_cities(records, asof=asof)),
        levels=tuple(operational.score_levels(records, asof=asof)),
        drought=tuple(operational.score_drought(records, asof=asof)),
    )

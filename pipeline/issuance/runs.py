"""A run of the night: its row in the table of runs, its models, and its bundle."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

from models import registry
from pipeline.issuance import products
from pipeline.issuance.bundle import STEP, Bundle, make_bundle
from pipeline.issuance.forecast_tables import read_forecasts
from pipeline.issuance.provenance import digest_code, digest_rules
from pipeline.issuance.snapshot import NO_MODELS, digest_inputs, open_snapshot, read_recent_inputs
from pipeline.remarks import Remark
from pipeline.settings import Settings
from pipeline.storage.archive import Archive
from pipeline.storage.records import Records

MESSAGE_SETTINGS = {
    "alert_status", "alert_scope", "alert_sender", "alert_sender_name", "alert_contact",
    "alert_identifier_prefix", "alert_authorities", "alert_products", "alert_changes_sent",
    "public_url",
}  # fmt: skip
"""Settings that a message depends on; stored with the run."""
_END = datetime(9999, 1, 1, tzinfo=UTC)


def draft_run(
    *,
    asof: datetime,
    made: datetime,
    model_metadata: dict[str, Any],
    settings: Settings,
    late: bool = False,
) -> dict[str, Any]:
    """Draft the row of a run in the table of runs; the same inputs again give the stored run.

    The messages of an issue time's first run are sent at the issue time, those of a revision when
    it is made. A run that is made after a later one was issued, or was due, sends none.

    Parameters
    ----------
    asof
        Issue time.
    made
        Moment at which the run is made. In the virtual basin, whose time is not that of the clock,
        no later than a minute before the next issue time.
    model_metadata
        Version and origin of its models.
    settings
        Stores, upstream, and settings of messages.
    late
        Whether a later run was due before this one is made. A run that was stored in time and whose
        alerts were never issued then gets a revision that sends none.
    """
    records = Records(settings.database)
    # The tables first: what an ingest that ends meanwhile has noted, the archive holds already.
    seen = Records(settings.database, batch=records.database.batch)
    archive = Archive(settings.archive_dir)
    archive = Archive(settings.archive_dir, snapshot=archive.snapshot)
    inputs = read_recent_inputs(seen, asof=asof)
    origins = {granule["origin"] for granule in inputs} | {model_metadata["origin"]}
    virtual = "virtual" in origins or settings.upstream == "virtual"
    follows = records.last_issued(before=asof)
    row = {
        "issue_time": asof,
        "inputs_digest": digest_inputs(archive, inputs, asof=asof),
        "snapshot": archive.snapshot,
        "batch": seen.database.batch,
        "model_version": model_metadata["version"],
        "origin": "virtual" if virtual else "measured",
        "settings": settings.model_dump(mode="json", include=MESSAGE_SETTINGS),
        "follows": follows and [follows[0].isoformat(), follows[1]],
        "rules": digest_rules(asof),
        "code": digest_code(),
    }
    run = records.draft_run(row)
    if "sent" in run:
        if run["late"] or not late:
            return run
        run = row | {"revision": run["revision"] + 1}  # what was made in time would be sent now
    last = records.last_issued(before=_END)
    latest = asof + STEP - timedelta(minutes=1) if virtual else made
    first = run["revision"] == 0
    return run | {
        "sent": asof if first else max(asof, min(made, latest)),
        "late": late or (last is not None and last[0] > asof),
    }


def describe_run_models(run: dict[str, Any], settings: Settings) -> list[Remark]:
    """Say that a run had no models, or which newer ones than its own are damaged."""
    version, asof = run["model_version"], run["issue_time"]
    try:
        _, metadata = registry.load_last(settings.models_dir, asof=asof, names=())
        if metadata["version"] != version:  # the last have the bytes that were saved: load them
            _, metadata = registry.load_last(settings.models_dir, asof=asof)
    except registry.NoModels as error:
        if version == NO_MODELS:
            text = f"models: none, so that only what is observed raises a level: {error}"
            return [Remark(code="models_none", text=text)]
        return []
    if version == NO_MODELS:
        text = "models: none when it was forecast, so that only what is observed raises a level"
        return [Remark(code="models_none", text=text)]
    return [
        Remark(code="models_damaged", text=f"{damage}; {version} stands in")
        for damage in metadata["broken"]
    ]


def bundle_run(
    run: dict[str, Any], settings: Settings, *, model_remarks: Sequence[Remark] = ()
) -> Bundle:
    """Make the bundle of a run from its stored forecast and its snapshot.

    Parameters
    ----------
    run
        Row in the table of runs.
    settings
        Stores, models and upstream.
    model_remarks
        Faults of the models, from :func:`describe_run_models`.
    """
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

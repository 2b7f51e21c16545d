"""Steps that look back: explain and replay what was issued, and forecast past years again.

They share the parameters of :mod:`pipeline.steps` and write nothing into the stores.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pipeline.progress import Progress, no_progress
from pipeline.results import Replayed
from pipeline.settings import Settings
from pipeline.steps import UserError

if TYPE_CHECKING:
    from models.verification.hindcast_files import Hindcast
    from pipeline.alerts.decision import Hazard
    from pipeline.storage.records import Records


def explain(
    subject: str,
    hazard: Hazard | None = None,
    *,
    asof: datetime,
    settings: Settings | None = None,
) -> tuple[str, ...]:
    """Explain the published decisions of a night for a city, or a message.

    Parameters
    ----------
    subject
        City: id, name in any language, or code of the gauge; or the identifier of a message.
    hazard
        Hazard of the city; None: both, with an empty line between.
    asof
        Moment whose day the night is of.
    settings
        Default: from the environment.

    Raises
    ------
    LookupError
        No night was published on that day, no city or message is called so, or the city was not
        assessed.
    """
    from pipeline.geography.place_search import find_city
    from pipeline.issuance.explanation import explain_decision, find_night
    from pipeline.storage.records import Records

    settings = settings or Settings()
    try:
        city = find_city(subject, region=settings.region, asof=asof).id
    except LookupError as no_city:
        if hazard is not None:
            raise
        try:
            return explain_message(subject, settings=settings)
        except LookupError as no_message:
            raise LookupError(f"{no_message}; {no_city}") from None
    folder, records = find_night(settings.published_dir, asof), Records(settings.database)
    if hazard is not None:
        return explain_decision(folder, records, city=city, hazard=hazard)
    flood = explain_decision(folder, records, city=city, hazard="flood")
    return *flood, "", *explain_decision(folder, records, city=city, hazard="drought")


def explain_message(identifier: str, *, settings: Settings | None = None) -> tuple[str, ...]:
    """Explain a message from its proof record, in ten lines; of a Cancel what it withdraws.

    Raises
    ------
    LookupError
        No message with this identifier was sent.
    """
    from pipeline.issuance.proof import explain_proof
    from pipeline.storage.records import Records
    from pipeline.times import format_utc

    settings = settings or Settings()
    records = Records(settings.database)
    for row in records.cancellations():
        if identifier == row["identifier"]:
            return (f"{identifier} withdraws {', '.join(row['messages'])}: {row['reason']}",)
        if identifier in row["messages"]:
            lines = explain_proof(records.message(identifier)["proof"])
            withdrawn = f"Withdrawn on {format_utc(row['sent'])} by {row['identifier']}"
            return f"{withdrawn}: {row['reason']}. {lines[0]}", *lines[1:]
    return explain_proof(records.message(identifier)["proof"])


def replay(identifier: str, *, settings: Settings | None = None) -> Replayed:
    """Reproduce a CAP message from the inputs, model and rules of its run or hourly watch.

    Status, scope and sender are those of the run, whatever the settings say. With the keys that
    signed it the message is signed again, else it is unsigned.

    Raises
    ------
    LookupError
        No such message was published.
    NotKept
        What the run or watch saw is no longer kept.
    UserError
        The hourly watch sent it, and did not note what it saw.
    """
    from pipeline.alerts.cap import message_path
    from pipeline.exchange.cancellation import read_cancel
    from pipeline.exchange.keys import load_keys
    from pipeline.exchange.publication import folder_name
    from pipeline.exchange.signatures import sign_message, strip_signature
    from pipeline.issuance.provenance import explain_difference
    from pipeline.issuance.runs import bundle_run
    from pipeline.storage.records import Records

    settings = settings or Settings()
    records, keys = Records(settings.database), load_keys(settings)
    if content := read_cancel(records, identifier):
        return Replayed(sign_message(content, keys) if keys else content)
    alert = records.alert(identifier)
    run = records.run(alert["issue_time"], alert["revision"])
    path = message_path(identifier)
    if "watched" in alert:
        content, digest = _raise_again(alert, settings), _digest_sent(records, identifier)
        run |= {**alert["seen"], "issue_time": alert["watched"]}
    else:
        content, digest = bundle_run(run, settings).files.get(path, b""), alert["sha256"]
    if not content or digest not in (None, hashlib.sha256(content).hexdigest()):
        return Replayed(content, f"{identifier} is not what was sent: {explain_difference(run)}")
    published = settings.published_dir / folder_name(alert["issue_time"]) / path
    stored = published.read_bytes() if published.is_file() else None
    if keys:
        content = sign_message(content, keys)
        if stored not in (None, content):
            return Replayed(content, f"{identifier}: signed by other keys than the published one")
    elif stored is not None and strip_signature(stored) != content:
        return Replayed(content, f"{identifier}: the published file is not what was sent")
    return Replayed(content)


def _raise_again(alert: Mapping[str, Any], settings: Settings) -> bytes:
    """Make a message of the hourly watch again; empty where it would not be sent."""
    from pipeline.watch.look import raise_again

    if alert["seen"] is None:
        raise UserError(
            f"{alert['identifier']} was sent before the hourly watch noted what it saw: it cannot "
            f"be made again; what it rests on: mekong explain {alert['identifier']}"
        )
    raised = raise_again(alert, settings)
    return raised.message.content if raised else b""


def _digest_sent(records: Records, identifier: str) -> str:
    return hashlib.sha256(records.message(identifier)["content"]).hexdigest()


def hindcast(
    *,
    start: date,
    end: date,
    train_from: date,
    leads: tuple[int, ...],
    folder: Path,
    against: str | None = None,
    settings: Settings | None = None,
    progress: Progress = no_progress,
) -> Hindcast:
    """Forecast every morning of past years from the data known then, and score the forecasts.

    Parameters
    ----------
    start, end
        First and last issue date.
    train_from
        First date of the training data.
    leads
        Lead times, days.
    folder
        Folder for ``scores.csv``, ``forecasts.parquet`` and ``report.html``.
    against
        Regressor of a second model, which the report sets beside the first.

    Raises
    ------
    UserError
        There are no gauge readings, or a regressor is not one of scikit-learn.
    """
    from models.hindcast import run_hindcasts
    from models.stage.features import TooFewStages
    from models.training import UnknownRegressor, list_forecast_gauges
    from models.verification.hindcast_files import write_hindcast
    from pipeline.issuance.snapshot import inputs_as_of, open_stores, read_stage_inputs

    settings = settings or Settings()
    first, last, begin = (
        datetime(day.year, day.month, day.day, tzinfo=UTC) for day in (start, end, train_from)
    )
    snapshot = open_stores(settings, asof=last + timedelta(days=max(leads) + 1))
    try:
        inputs = read_stage_inputs(snapshot, start=begin)
        forecasts = run_hindcasts(
            inputs,
            [settings.regressor, against],
            train_from=begin,
            start=first,
            end=last + timedelta(days=1),
            stations=list_forecast_gauges(inputs),
            leads=leads,
            inputs_as_of=inputs_as_of(snapshot, start=begin),
            progress=progress,
        )
    except UnknownRegressor as error:
        raise UserError(f"cannot hindcast: {error}") from error
    except TooFewStages as error:
        raise UserError(f"cannot hindcast: {error}; ingest gauges first") from error
    progress("report", 1, 1)
    return write_hindcast(forecasts, folder, train_from=f"{train_from:%Y-%m-%d}")

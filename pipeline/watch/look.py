"""One look between two nights: what is seen, raised and published."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from models import registry
from pipeline.alerts.cap import message_path
from pipeline.exchange.keys import SigningKeys, load_keys
from pipeline.exchange.publication import folder_name, publish_tree, read_tree, replace_watch
from pipeline.exchange.tree import make_tree
from pipeline.issuance.forecast_tables import read_forecasts
from pipeline.issuance.provenance import digest_code, digest_rules
from pipeline.issuance.snapshot import NO_MODELS, Snapshot, open_snapshot
from pipeline.quality.selection import select_used
from pipeline.settings import Settings
from pipeline.storage.archive import Archive
from pipeline.storage.records import Records
from pipeline.watch import sudden
from pipeline.watch.rain import RecentRain, assess_recent_rain
from pipeline.watch.raises import Raised, find_raises, list_sent_since
from pipeline.watch.readings import WatchedRiver, watch_rivers
from pipeline.watch.watch_file import Seen, write_watch


@dataclass(frozen=True)
class Look:
    """What a watch saw and what it raised."""

    seen: Seen
    raised: Sequence[Raised]

    @property
    def datum_minutes(self) -> int | None:
        """Minutes from the oldest datum behind a raised level to the watch; None without one."""
        ages = [self.seen.asof - raised.datum for raised in self.raised]
        return round(max(ages) / timedelta(minutes=1)) if ages else None


def look_and_raise(
    run: dict[str, Any], *, asof: datetime, settings: Settings, missing: Sequence[str]
) -> Look:
    """Look at rain and rivers, raise what is to be raised, publish it and replace ``watch.json``.

    Nobody else may publish meanwhile (:func:`pipeline.exchange.publication.publishing`). What is
    raised is stored first: where the process is killed before it is published, the next watch
    publishes it.

    Parameters
    ----------
    run
        Row of the last run whose alerts were issued.
    asof
        Moment of the watch, after that of the run.
    settings
        Stores, models, keys and published folder.
    missing
        Sources that could not be asked, in words.

    Raises
    ------
    BadKeys
        Measured data went in, and there are no keys to sign with, or damaged ones.
    """
    records = Records(settings.database)
    keys = load_keys(settings, required=run["origin"] != "virtual")
    sight = _decide(run, _note_seen(run, asof, settings), asof=asof, settings=settings)
    raised = sight.raised
    if raised:
        records.put_raises(run, [each.row for each in raised], [each.sent for each in raised])
    rows = records.raises(run["issue_time"], run["revision"])
    _publish_lacking(run, rows, settings, keys)
    seen = Seen(
        asof=asof,
        night=run["issue_time"],
        status="Exercise" if run["origin"] == "virtual" else run["settings"]["alert_status"],
        origin=run["origin"],
        rain=sight.rain,
        rivers=sight.rivers,
        sudden=_find_sudden_changes(sight.snapshot),
        raised=rows,
        missing=missing,
    )
    replace_watch(settings.published_dir, write_watch(seen), asof=asof, keys=keys)
    return Look(seen, raised)


def raise_again(row: Mapping[str, Any], settings: Settings) -> Raised | None:
    """Decide and write a raise again from what its watch saw; None where it raises no more.

    Parameters
    ----------
    row
        Row of the table of raises, with what was seen.
    settings
        Stores and models; what the message names is that of the run.

    Raises
    ------
    NotKept
        What the watch saw is no longer kept.
    """
    run = Records(settings.database).run(row["issue_time"], row["revision"])
    sight = _decide(run, row["seen"], asof=row["watched"], settings=settings)
    found = (each for each in sight.raised if each.row["identifier"] == row["identifier"])
    return next(found, None)


@dataclass(frozen=True)
class _Sight:
    """Stores as a watch sees them, what they show, and what that raises."""

    snapshot: Snapshot
    rain: Mapping[str, RecentRain]
    rivers: Mapping[str, WatchedRiver]
    raised: Sequence[Raised]


def _note_seen(run: Mapping[str, Any], asof: datetime, settings: Settings) -> dict[str, Any]:
    """Note what is seen now, as the table of raises keeps it."""
    records = Records(settings.database)
    batch = records.database.batch  # tables first: what they name, the archive holds already
    return {
        "snapshot": Archive(settings.archive_dir).snapshot,
        "batch": batch,
        "rules": digest_rules(asof),
        "code": digest_code(),
        "since": list_sent_since(records, run),
    }


def _decide(
    run: Mapping[str, Any], seen: Mapping[str, Any], *, asof: datetime, settings: Settings
) -> _Sight:
    """Open what was seen, with the models of the run for its return levels, and decide."""
    models: dict[str, Any] = {}
    if run["model_version"] != NO_MODELS:
        models, _ = registry.load(settings.models_dir, run["model_version"], names=("drought",))
    at_watch = {**run, **seen, "issue_time": asof}
    snapshot = open_snapshot(at_watch, models, settings, kind="watch")
    rain = assess_recent_rain(snapshot, since=run["issue_time"])
    rivers = watch_rivers(snapshot, read_forecasts(snapshot.records, dict(run))[0])
    raised = find_raises(snapshot, run, seen=seen, rivers=rivers, rain=rain, settings=settings)
    return _Sight(snapshot, rain, rivers, raised)


def _publish_lacking(
    run: Mapping[str, Any],
    rows: Sequence[Mapping[str, Any]],
    settings: Settings,
    keys: SigningKeys | None,
) -> None:
    """Publish the tree of the last run again where it lacks a message of a watch."""
    folder = settings.published_dir
    tree = folder / folder_name(run["issue_time"])
    if all((tree / message_path(row["identifier"])).is_file() for row in rows):
        return
    records = Records(settings.database)
    files = make_tree(read_tree(tree), records, run, settings=settings, keys=keys)
    publish_tree(files, folder=folder, issue_time=run["issue_time"], keys=keys)


def _find_sudden_changes(snapshot: Snapshot) -> list[sudden.SuddenChange] | None:
    """Sudden changes of the last day; None outside the dry season."""
    if not sudden.is_dry_season(snapshot.asof):
        return None
    readings = snapshot.own_readings("stage", start=snapshot.asof - sudden.RECORD)
    return sudden.find_sudden_changes(select_used(readings), asof=snapshot.asof)

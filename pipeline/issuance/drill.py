"""Drill: one made-up flood of a city from its first message to its end, for receivers to try."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Literal

from pipeline.alerts import cap
from pipeline.alerts.alert_state import AlertState
from pipeline.alerts.decision import Decision
from pipeline.alerts.evidence import Lead, Rain, River
from pipeline.alerts.facts import collect_rows
from pipeline.alerts.flood import decide_flood
from pipeline.alerts.message_chain import next_message
from pipeline.alerts.thresholds import rules_for
from pipeline.exchange import alert_files, index
from pipeline.exchange.forecast_files import FORECAST_COLUMNS, STAGE_COLUMNS
from pipeline.exchange.issue import Issue
from pipeline.exchange.keys import SigningKeys
from pipeline.exchange.messages import make_row
from pipeline.exchange.publication import LATEST, publish_tree
from pipeline.exchange.tree import make_tree
from pipeline.geography import places
from pipeline.geography.places import City, Station
from pipeline.issuance.bundle import write_short_texts
from pipeline.settings import Settings
from pipeline.storage.records import Records

DrillStatus = Literal["Exercise", "Test"]
STEP = timedelta(minutes=1)
"""Time between two runs of a drill."""
MADE_UP = "drill"
NOTE = "drill, made-up data, nothing was measured"
"""Version of model and archive that the messages of a drill name."""
DRY = Rain(return_period_years=1.0, pluvial_index=0.0)


@dataclass(frozen=True, kw_only=True)
class _Night:
    """Made-up evidence of one run: chances, and the stage above alarm or flood stage (m)."""

    p: float
    above: Literal["alarm", "flood"]
    stage_m: float
    sends: bool = True


CHAIN = (
    _Night(p=0.5, above="alarm", stage_m=-1.0),
    _Night(p=1.0, above="flood", stage_m=0.3),
    _Night(p=0.3, above="alarm", stage_m=-0.6),
    _Night(p=0.0, above="alarm", stage_m=-2.0, sends=False),
    _Night(p=0.0, above="alarm", stage_m=-2.1),
)
"""Runs of a drill: new, raised, lowered, one without a message, ended."""


def run_drill(
    city_id: str,
    *,
    folder: Path,
    asof: datetime,
    status: DrillStatus,
    settings: Settings,
    keys: SigningKeys | None,
) -> list[str]:
    """Publish the messages of a made-up flood one after the other, each as a whole tree.

    Parameters
    ----------
    city_id
        City with a gauge that has an alarm and a flood stage.
    folder
        Folder of the trees, apart from those of real nights.
    asof
        Moment of the last run; the others lie before it.
    status
        CAP status.
    settings
        Sender and what else messages name.
    keys
        Keys that sign them; None for unsigned ones.

    Returns
    -------
    list of str
        Identifiers, in the order of sending: new, raised, lowered, ended.

    Raises
    ------
    LookupError
        The city is not known, or has no such gauge.
    NotADrill
        The folder holds other files than those of a drill, or lies among the data.
    """
    city, station = _find_gauge(city_id, asof=asof)
    _check_folder(folder, settings)
    state: AlertState | None = None
    identifiers = []
    with tempfile.TemporaryDirectory() as scratch:
        records = Records(f"sqlite:///{Path(scratch) / 'drill.db'}")
        for number, night in enumerate(CHAIN):
            issue_time = asof.replace(second=0, microsecond=0) - STEP * (len(CHAIN) - 1 - number)
            decision = _decide(night, city, station, issue_time=issue_time, state=state)
            state = decision.state
            if not night.sends:
                continue
            message, state = next_message(
                decision, issuer=_name_issuer(settings, status), revision=0, sent=issue_time
            )
            if message is None:
                raise RuntimeError(f"expected a message of run {number} of the drill, found none")
            tree = _make_tree(
                message, decision, status=status, records=records, settings=settings, keys=keys
            )
            publish_tree(tree, folder=folder, issue_time=issue_time, keys=keys)
            identifiers.append(message.identifier)
    return identifiers


class NotADrill(Exception):  # noqa: N818
    """A folder cannot take a drill; the text says why."""


def _check_folder(folder: Path, settings: Settings) -> None:
    """Raise NotADrill for a folder that holds something else, or lies among the data."""
    place, data = folder.resolve(), settings.data_dir.resolve()
    if place == data or data in place.parents or place in data.parents:
        raise NotADrill(f"expected a folder apart from {data} for a drill, found {folder}")
    if not folder.exists() or not any(folder.iterdir()):
        return
    try:
        latest = json.loads((folder / LATEST).read_bytes())
        of_drill = latest["origin"] == MADE_UP
    except (OSError, ValueError, KeyError, TypeError):
        of_drill = False
    if not of_drill:
        raise NotADrill(f"expected an empty folder or that of a drill, found others in {folder}")


def _find_gauge(city_id: str, *, asof: datetime) -> tuple[City, Station]:
    """Find a city and its gauge.

    Raises
    ------
    LookupError
        There is none; the message lists those that there are.
    """
    gauged = {
        city.id: (city, gauge)
        for gauge in places.stations(asof=asof).values()
        if None not in (gauge.alarm_m, gauge.flood_m)
        if (city := places.cities_by_gauge(asof=asof).get(gauge.code))
    }
    if city_id not in gauged:
        raise LookupError(
            f"expected a city with an alarm and a flood stage, one of {', '.join(sorted(gauged))}, "
            f"found {city_id!r}"
        )
    return gauged[city_id]


def _decide(
    night: _Night,
    city: City,
    station: Station,
    *,
    issue_time: datetime,
    state: AlertState | None,
) -> Decision:
    mark_m = station.flood_m if night.above == "flood" else station.alarm_m
    stage_m = (mark_m or 0.0) + night.stage_m
    return decide_flood(
        city,
        issue_time=issue_time,
        station=station,
        river=River(
            station=station.code,
            issue_time=issue_time,
            leads=tuple(_make_leads(night, stage_m, issue_time=issue_time)),
            tier="full",
            stage_m=stage_m,
            stage_time=issue_time - timedelta(minutes=30),
            change_1d_m=0.2 if night.p > 0.3 else -0.2,
            model_version=MADE_UP,
            skilful_until_day=7,
            drivers_method="exact",
        ),
        rain=DRY,
        state=state,
        rules=rules_for(city.id, asof=issue_time),
    )


def _make_leads(night: _Night, stage_m: float, *, issue_time: datetime) -> Iterator[Lead]:
    step_m = 0.1 if night.p > 0.3 else -0.1
    for days in range(1, 8):
        median = stage_m + step_m * days
        yield Lead(
            days=days,
            valid_time=issue_time + timedelta(days=days),
            q05_m=median - 0.1 * days,
            q50_m=median,
            q95_m=median + 0.1 * days,
            p_alarm_by=night.p,
            p_flood_by=night.p if night.above == "flood" else 0.0,
            drivers_cm={},
            extrapolated=False,
        )


def _name_issuer(settings: Settings, status: DrillStatus) -> cap.Issuer:
    return cap.Issuer(
        sender=settings.alert_sender,
        status="Test",
        scope=settings.alert_scope,
        origin="virtual" if status == "Exercise" else "measured",
        model_version=MADE_UP,
        archive_snapshot=MADE_UP,
        records_batch=0,
        identifier_prefix=f"{settings.alert_identifier_prefix}{MADE_UP}-",
        sender_name=f"{settings.alert_sender_name or settings.alert_sender} ({NOTE})",
        note=NOTE,
        contact=settings.alert_contact,
        public_url=settings.public_url,
        authorities=settings.alert_authorities,
        products=settings.alert_products,
    )


def _make_tree(
    message: cap.Message,
    decision: Decision,
    *,
    status: DrillStatus,
    records: Records,
    settings: Settings,
    keys: SigningKeys | None,
) -> dict[str, bytes]:
    """Make the tree of one message, with those sent before, and keep the message for the next."""
    key = decision.city.id, decision.hazard
    issue = Issue(issue_time=decision.issue_time, status=status, origin=MADE_UP)
    rows = collect_rows(
        [decision],
        {} if message.notice.change == "ended" else {key: message.identifier},
        {key: message.notice},
        products=settings.alert_products,
        origin="virtual" if status == "Exercise" else "measured",
        wanted="Test",
    )
    files = {
        "alerts.geojson": alert_files.write_geojson(
            rows,
            issue_time=issue.issue_time,
            status=status,
            areas={decision.city.id: decision.city.area},
        ),
        "alerts.csv": alert_files.write_csv(rows),
        "forecasts.csv": alert_files.write_csv([], FORECAST_COLUMNS),
        "stages.csv": alert_files.write_csv([], STAGE_COLUMNS),
        **write_short_texts([message.notice], settings.alert_changes_sent),
        "index.json": index.write_index(
            [decision],
            issue_time=issue.issue_time,
            revision=0,
            status=status,
            origin=MADE_UP,
            inputs={},
            missing=[],
            archive_snapshot=MADE_UP,
            records_batch=0,
            model_version=MADE_UP,
        ),
    }
    run = {
        "issue_time": issue.issue_time, "revision": 0, "sent": issue.issue_time, "settings": {},
    }  # fmt: skip
    records.put_alerts(run, [], [make_row(message, proof=None)])
    return make_tree(files, records, run, settings=settings, keys=keys)

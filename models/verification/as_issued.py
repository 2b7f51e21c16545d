"""Forecasts, levels in force and messages as they were issued, as known at a moment."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, NamedTuple

import pandas as pd
import sqlalchemy as sa

from pipeline.alerts.levels import ORDER, RAISED, Level
from pipeline.alerts.message_chain import DROUGHT_LIFETIME, RIVER_LIFETIME
from pipeline.choices import Change
from pipeline.storage import database
from pipeline.storage.records import Records

CONTEXT = timedelta(days=10)
"""Time before the first night from which alerts are read: no message is in force for longer."""
STAGE_COLUMNS = ("q50", "p_alarm", "p_flood", "p_alarm_by", "p_flood_by", "stage_m")
DROUGHT_COLUMNS = ("p_d1", "p_d2", "p_d3")

Key = tuple[datetime, int]
"""Issue time and revision of a run."""


@dataclass(frozen=True, kw_only=True)
class InForce:
    """Level of one city and hazard from a moment on.

    Parameters
    ----------
    start, expires
        When the level was sent, and until when it holds: its message, or without one as long as a
        message of its hazard would.
    level
        Level that it puts in force, UNKNOWN where none is known; of a withdrawn message NONE.
    issue_time
        Night that it belongs to.
    """

    start: datetime
    expires: datetime
    level: Level
    issue_time: datetime


@dataclass(frozen=True)
class Issued:
    """What the nights before a moment had issued; late runs and replaced revisions left out.

    Parameters
    ----------
    nights
        Index issue_time; columns revision, sent, origin (virtual or measured) and status
        (Exercise, Test or Actual).
    stages
        Columns issue_time, station, lead_days, valid_time, and q50 (m), p_alarm, p_flood,
        p_alarm_by, p_flood_by, stage_m as issued.
    droughts
        Columns issue_time, city, lead_days, current_class (number, −1 for none, NaN where it was
        not known), p_d1, p_d2, p_d3.
    timelines
        Levels by city and hazard, the oldest first; at least one entry a night.
    messages
        Every message that was sent, those of replaced revisions too: columns origin, status, sent,
        city, hazard, level, change, cancelled.
    """

    nights: pd.DataFrame
    stages: pd.DataFrame
    droughts: pd.DataFrame
    timelines: Mapping[tuple[str, str], Sequence[InForce]]
    messages: pd.DataFrame


class _Alert(NamedTuple):
    """Row of the table of alerts; of its memory the level, the messages, and what they told."""

    level: str
    identifier: str | None
    in_force: str
    sent: Sequence[Mapping[str, Any]] | None
    told: str | None


def read_issued(records: Records, *, asof: datetime, since: datetime) -> Issued:
    """Read what the nights from ``since`` to before ``asof`` had issued by ``asof``.

    A run counts once its alerts were issued. Of an issue time the last revision counts that was
    sent by ``asof``. A run made after a later night was issued warned nobody and is left out.

    Parameters
    ----------
    records
        Tables.
    asof
        Moment of the question.
    since
        First issue time.
    """
    alerts = _read_alerts(records, since=since - CONTEXT, before=asof)
    runs: dict[Key, dict[str, Any]] = {}
    for run in reversed(records.runs()):
        sent = run["sent"] or run["issue_time"]
        key = run["issue_time"], run["revision"]
        if key in alerts and not run["late"] and sent <= asof:
            runs[key] = run | {"sent": sent}
    last = {key[0]: run for key, run in runs.items() if key[0] >= since}
    nights = _tabulate_nights(last)
    cancelled = {
        message
        for row in records.cancellations()
        if row["sent"] <= asof
        for message in row["messages"]
    }
    return Issued(
        nights=nights,
        stages=_read_stages(records, nights),
        droughts=_read_droughts(records, nights),
        timelines=_make_timelines(last, alerts, cancelled),
        messages=_tabulate_messages(runs, alerts, cancelled, since=since),
    )


def find_entry(timeline: Sequence[InForce], moment: datetime) -> InForce | None:
    """Find the entry of a timeline that counts just before a moment; None before the first."""
    number = bisect_left(timeline, moment, key=lambda entry: entry.start)
    return timeline[number - 1] if number else None


def level_before(timeline: Sequence[InForce], moment: datetime) -> Level:
    """Return the level in force just before a moment; UNKNOWN where none was known any more."""
    entry = find_entry(timeline, moment)
    return entry.level if entry and moment <= entry.expires else Level.UNKNOWN


def _tabulate_nights(last: Mapping[datetime, Mapping[str, Any]]) -> pd.DataFrame:
    rows = [
        {
            "issue_time": int(issue_time.timestamp()),
            "revision": run["revision"],
            "origin": run["origin"],
            "status": _choose_status(run),
        }
        for issue_time, run in last.items()
    ]
    frame = pd.DataFrame(rows, columns=["issue_time", "revision", "origin", "status"])
    return frame.astype({"issue_time": "int64", "revision": "int64"})


def _choose_status(run: Mapping[str, Any]) -> str:
    """Status of a night: Exercise if anything was virtual, else the one that was set for it."""
    return "Exercise" if run["origin"] == "virtual" else run["settings"].get("alert_status", "Test")


def _read_alerts(
    records: Records, *, since: datetime, before: datetime
) -> dict[Key, dict[tuple[str, str], _Alert]]:
    """Read the alerts of every revision by run, and by city and hazard."""
    table = database.alerts
    memory = table.c.memory
    query = (
        sa.select(
            table.c.issue_time,
            table.c.revision,
            table.c.city,
            table.c.hazard,
            table.c.level,
            table.c.identifier,
            memory["level"].as_string(),
            memory["sent"],
            memory["told"].as_string(),
        )
        .where(table.c.issue_time >= since, table.c.issue_time < before)
        .order_by(*table.primary_key.columns)
    )
    alerts: dict[Key, dict[tuple[str, str], _Alert]] = {}
    with records.database.engine.connect() as connection:
        for issue_time, revision, city, hazard, *alert in connection.execute(query):
            alerts.setdefault((issue_time, revision), {})[city, hazard] = _Alert(*alert)
    return alerts


def _read_forecasts(
    records: Records,
    table: sa.Table,
    columns: Sequence[sa.ColumnElement[Any]],
    nights: pd.DataFrame,
    conditions: Sequence[sa.ColumnElement[bool]] = (),
) -> pd.DataFrame:
    """Read columns of the forecasts of the nights; the database takes them out of the JSON."""
    seconds = sa.type_coerce(table.c.issue_time, sa.BigInteger).label("issue_time")
    names = ["issue_time", "revision", *(column.name for column in columns)]
    rows: Sequence[Any] = []
    if not nights.empty:
        first, last = int(nights["issue_time"].min()), int(nights["issue_time"].max())
        query = sa.select(seconds, table.c.revision, *columns).where(
            seconds >= first, seconds <= last, *conditions
        )
        with records.database.engine.connect() as connection:
            rows = connection.execute(query.order_by(*table.primary_key.columns)).all()
    frame = pd.DataFrame(
        dict(zip(names, zip(*rows, strict=True), strict=True)) if rows else {}, columns=names
    )
    frame = frame.astype({"issue_time": "int64", "revision": "int64"})
    return frame.merge(nights, on=["issue_time", "revision"])


def _read_stages(records: Records, nights: pd.DataFrame) -> pd.DataFrame:
    table = database.stage_forecasts
    columns = [
        table.c.station,
        table.c.lead_days,
        sa.type_coerce(table.c.valid_time, sa.BigInteger).label("valid_time"),
        *(table.c.row[name].as_float().label(name) for name in STAGE_COLUMNS),
    ]
    frame = _read_forecasts(records, table, columns, nights)
    for name in ("issue_time", "valid_time"):
        frame[name] = pd.to_datetime(frame[name].astype("int64"), unit="s").astype("M8[ns]")
    return frame.astype(dict.fromkeys(STAGE_COLUMNS, "float64") | {"lead_days": "int64"})


def _read_droughts(records: Records, nights: pd.DataFrame) -> pd.DataFrame:
    table = database.drought_forecasts
    columns = [
        table.c.zone,
        table.c.horizon_weeks,
        table.c.row["current_class"].as_string().label("current_class"),
        *(table.c.row[name].as_float().label(name) for name in DROUGHT_COLUMNS),
    ]
    of_cities = [table.c.zone.startswith("city:")]
    frame = _read_forecasts(records, table, columns, nights, of_cities)
    numbers = {"none": -1.0} | {f"D{number}": float(number) for number in range(5)}
    frame = frame.assign(
        issue_time=pd.to_datetime(frame["issue_time"], unit="s").astype("M8[ns]"),
        city=frame["zone"].str.removeprefix("city:"),
        lead_days=7 * frame["horizon_weeks"].astype("int64"),
        current_class=frame["current_class"].map(numbers),
    )
    frame = frame.drop(columns=["zone", "horizon_weeks"])
    return frame.astype(dict.fromkeys(("current_class", *DROUGHT_COLUMNS), "float64"))


def _make_timelines(
    last: Mapping[datetime, Mapping[str, Any]],
    alerts: Mapping[Key, Mapping[tuple[str, str], _Alert]],
    cancelled: set[str],
) -> dict[tuple[str, str], list[InForce]]:
    timelines: dict[tuple[str, str], list[InForce]] = {}
    for issue_time, run in sorted(last.items()):
        for (city, hazard), alert in alerts[issue_time, run["revision"]].items():
            entries = timelines.setdefault((city, hazard), [])
            lifetime = DROUGHT_LIFETIME if hazard == "drought" else RIVER_LIFETIME
            entries += _list_entries(alert, issue_time, run["sent"], lifetime, cancelled)
    return timelines


def _list_entries(
    alert: _Alert,
    issue_time: datetime,
    sent: datetime,
    lifetime: timedelta,
    cancelled: set[str],
) -> Iterator[InForce]:
    """List the levels that a night put in force, by each of its messages or without one."""
    chain = alert.sent or ()
    for row in chain:
        if _read_moment(row.get("issue_time", row["sent"])) == issue_time:
            over = row["over"] or row["identifier"] in cancelled
            start = _read_moment(row["sent"])
            yield InForce(
                start=start,
                expires=start + lifetime if over else _read_moment(row["expires"]),
                level=Level.NONE if over else Level(row["level"]),
                issue_time=issue_time,
            )
    last = chain[-1] if chain else None
    if last is None or _read_moment(last.get("issue_time", last["sent"])) != issue_time:
        level = Level(alert.in_force)
        withdrawn = last is not None and last["identifier"] in cancelled
        by_message = last is not None and level in RAISED
        yield InForce(
            start=sent,
            expires=_read_moment(last["expires"]) if last and by_message else sent + lifetime,
            level=Level.NONE if withdrawn else level,
            issue_time=issue_time,
        )


def _read_moment(text: str) -> datetime:
    return datetime.fromisoformat(text)


def _tabulate_messages(
    runs: Mapping[Key, Mapping[str, Any]],
    alerts: Mapping[Key, Mapping[tuple[str, str], _Alert]],
    cancelled: set[str],
    *,
    since: datetime,
) -> pd.DataFrame:
    rows = []
    for key, run in runs.items():
        if key[0] < since:
            continue
        earlier = next(
            (
                alerts[key[0], revision]
                for revision in reversed(range(key[1]))
                if (key[0], revision) in alerts
            ),
            None,
        )
        if earlier is None and run["follows"]:
            follows = datetime.fromisoformat(run["follows"][0]), int(run["follows"][1])
            earlier = alerts.get(follows)
        for place, alert in alerts[key].items():
            chain = alert.sent or ()
            if alert.identifier is None or not chain:
                continue
            before = (earlier or {}).get(place)
            rows.append(
                {
                    "origin": run["origin"],
                    "status": _choose_status(run),
                    "sent": _read_moment(chain[-1]["sent"]),
                    "city": place[0],
                    "hazard": place[1],
                    "level": chain[-1]["level"],
                    "change": find_change(
                        alert.level, chain, anew=before is None or before.told != alert.told
                    ),
                    "cancelled": alert.identifier in cancelled,
                }
            )
    columns = ["origin", "status", "sent", "city", "hazard", "level", "change", "cancelled"]
    return pd.DataFrame(rows, columns=columns)


def find_change(level: str, sent: Sequence[Mapping[str, Any]], *, anew: bool) -> Change:
    """Find how a message differs from the one before it, from what its run remembers.

    The table of alerts does not hold the change that the message gives. It follows from the chain
    of messages, except between ``figures`` and ``reissued``: only a message that is reissued leaves
    what was told as it was.

    Parameters
    ----------
    level
        Level of the run, unknown where it could not assess.
    sent
        Messages of the event (:class:`pipeline.alerts.alert_state.SentMessage`), this one last.
    anew
        Whether the run remembers another forecast as told than the run or revision before.
    """
    *chain, message = sent
    if not chain:
        return "new"
    if message["over"]:
        return "ended"
    last = Level.NONE if chain[-1]["over"] else Level(chain[-1]["level"])
    now = Level(message["level"])
    if now is not last:
        return "raised" if ORDER.index(now) > ORDER.index(last) else "lowered"
    if level == Level.UNKNOWN.value:
        return "unassessed"
    return "figures" if anew else "reissued"


def reaches(level: Level, lowest: Level | None) -> bool:
    """Whether a level is raised and at or above another.

    Examples
    --------
    >>> reaches(Level.WARNING, Level.WATCH), reaches(Level.UNKNOWN, Level.WATCH)
    (True, False)
    """
    return lowest in RAISED and level in RAISED and ORDER.index(level) >= ORDER.index(lowest)

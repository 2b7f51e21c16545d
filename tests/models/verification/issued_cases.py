"""Archives of what was issued for Pakse, night by night, for the tests of the scoreboard."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

import numpy as np
import pandas as pd

from pipeline.storage import database
from pipeline.storage.records import Records
from tests.alerts.track_record_cases import CALM, DAY, FIRST, PAKSE

NAMES = {"n": "none", "w": "watch", "W": "warning", "E": "emergency", "u": "unknown"}
RISE = [9.5, 10.1, 10.7, 11.3, 11.8, 12.2, 12.3, 12.0, 11.2, 10.4, 9.6]
"""Alarm stage (11 m) is reached on the fourth day, flood stage (12 m) on the sixth."""
TWO_FLOODS = [*CALM[:10], *RISE, *CALM[21:35], *RISE, *CALM[46:70]]
"""The first from day 10 on, the second from day 35 on."""
ONE_WARNED = "nnnnnnnnnnwwWWWEEEWwnnnnnwwnnn" + "n" * 40
"""A Watch for nothing on days 25 and 26; nothing before the second flood."""


def moment(day: float) -> datetime:
    """Issue time of a night, 00:30 UTC."""
    return FIRST + day * DAY


def message(
    when: datetime, level: str, *, hazard: str = "flood", sent: datetime | None = None,
    over: bool = False, revision: int = 0,
) -> dict[str, Any]:  # fmt: skip
    sent = sent or when
    return {
        "identifier": f"mekong-{when:%Y%m%dT%H%MZ}-pakse-{hazard}-r{revision}",
        "sender": "mekong@example.org", "sent": sent.isoformat(),
        "expires": (sent + timedelta(hours=54)).isoformat(), "level": level, "over": over,
        "issue_time": when.isoformat(),
    }  # fmt: skip


def store_night(
    store: Records,
    when: datetime,
    level: str,
    *,
    chain: Sequence[Mapping[str, Any]] = (),
    hazard: str = "flood",
    sent: datetime | None = None,
    revision: int = 0,
    late: bool = False,
    origin: str = "virtual",
    status: str = "Test",
    follows: datetime | None = None,
    told: Any = None,
    stages: Sequence[dict[str, Any]] = (),
    droughts: Sequence[dict[str, Any]] = (),
    issued: bool = True,
) -> None:
    """Store a run with one alert, which sends the last message of its chain."""
    run = {
        "issue_time": when, "revision": revision, "inputs_digest": str(revision), "snapshot": "s",
        "batch": 0, "model_version": "m", "origin": origin, "settings": {"alert_status": status},
        "rules": {}, "code": "", "follows": follows and [follows.isoformat(), 0], "sent": sent,
        "late": late,
    }  # fmt: skip
    last = chain[-1] if chain else None
    own = last is not None and last["issue_time"] == when.isoformat() and not late
    in_force = "none" if last is None or last["over"] else last["level"]
    alert = {
        "city": "pakse", "hazard": hazard, "level": level,
        "identifier": last["identifier"] if last and own else None,
        "memory": {"level": level if level != "unknown" else in_force, "sent": list(chain),
                   "told": told},
    }  # fmt: skip
    tables = {database.stage_forecasts: list(stages), database.drought_forecasts: list(droughts)}
    store.store_run(run, tables | ({database.alerts: [alert]} if issued else {}))


def store_nights(
    store: Records, letters: str, *, start: int = 0, origin: str = "virtual", status: str = "Test",
    stages: Mapping[int, Sequence[dict[str, Any]]] | None = None,
) -> None:  # fmt: skip
    """Store one night per letter: n none, w Watch, W Warning, E Emergency, each with a message."""
    chain: list[dict[str, Any]] = []
    for day, letter in enumerate(letters, start=start):
        when, level = moment(day), NAMES[letter]
        ended = any(sent["over"] for sent in chain)
        chain = [] if ended else [sent for sent in chain if sent["expires"] > when.isoformat()]
        if level != "none":
            chain.append(message(when, level))
        elif chain:
            chain.append(message(when, chain[-1]["level"], over=True))
        rows = (stages or {}).get(day, ())
        store_night(store, when, level, chain=chain, origin=origin, status=status, stages=rows)


def stage_row(
    day: int, lead: int, *, p: float = 0.0, q50: float = 9.0, stage_m: float | None = 9.0
) -> dict[str, Any]:
    """Forecast of Pakse of one night and lead, with one probability for everything."""
    names = ("p_alarm", "p_flood", "p_alarm_by", "p_flood_by")
    row = {"q50": q50, "stage_m": stage_m} | dict.fromkeys(names, p)
    valid = moment(day + lead).replace(minute=0)
    return {"station": PAKSE, "lead_days": lead, "tier": "full", "valid_time": valid, "row": row}


def drought_row(current: str, p: float, *, weeks: int = 1) -> dict[str, Any]:
    row = {"current_class": current} | dict.fromkeys(("p_d1", "p_d2", "p_d3"), p)
    return {"zone": "city:pakse", "horizon_weeks": weeks, "tier": "full", "row": row}


def store_readings(
    store: Records, values: Sequence[float], *, asof: datetime, origin: str = "virtual",
    first: datetime = FIRST,
) -> None:  # fmt: skip
    """Store morning stages of Pakse from the first night on, known two hours later."""
    days = np.datetime64(first.date(), "D") + np.arange(len(values))
    table = pd.DataFrame(
        {
            "station": PAKSE, "variable": "stage", "method": "manual",
            "valid_time": days.astype("M8[ns]"),
            "value": values, "unit": "m", "raw": "", "qc": "good",
        }
    )  # fmt: skip
    with store.ingest("gauges", asof=asof) as batch:
        batch.add_readings(table, asof=asof, latency=timedelta(hours=2), origin=origin)

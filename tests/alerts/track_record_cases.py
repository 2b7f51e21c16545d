"""Runs with one alert each, and readings of a gauge, for tests of track records and scores."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np

from pipeline.storage import database
from pipeline.storage.records import Records
from pipeline.virtual.tables import write_mrc_export

PAKSE = "013901"
"""Alarm stage 11.0 m, flood stage 12.0 m."""
FIRST = datetime(2026, 7, 1, 0, 30, tzinfo=UTC)
DAY = timedelta(days=1)


def alert(level: str, city: str = "pakse", hazard: str = "flood") -> dict[str, Any]:
    return {"city": city, "hazard": hazard, "level": level, "memory": {"level": level}}


CALM = [9.03 if number % 3 == 2 else 9.0 for number in range(120)]
"""Stage that varies: a constant one would be flagged as a stuck gauge."""


def run(
    store: Records,
    when: datetime,
    level: str,
    follows: tuple[datetime, int] | None,
    *,
    digest: str = "0",
    tables: Mapping[str, list[dict[str, Any]]] | None = None,
) -> tuple[datetime, int]:
    """Store a run with one alert and other rows; return its key."""
    run = store.draft_run(
        {
            "issue_time": when, "inputs_digest": digest, "snapshot": "s", "batch": 0,
            "model_version": "m", "origin": "virtual", "settings": {}, "rules": {}, "code": "",
            "follows": follows and [follows[0].isoformat(), follows[1]],
        }
    )  # fmt: skip
    left = {database.metadata.tables[name]: rows for name, rows in (tables or {}).items()}
    store.store_run(run, {database.alerts: [alert(level) | {"identifier": None}]} | left)
    return when, run["revision"]


def export(folder: Path, values: Sequence[float], *, asof: datetime) -> None:
    times = np.datetime64(FIRST.date(), "D") + np.arange(len(values))
    write_mrc_export(
        folder, country="LA", code=PAKSE, station="Pakse", lat=15.1, lon=105.8, variable="stage",
        valid_time=times, value=np.array(values), published=asof,
    )  # fmt: skip

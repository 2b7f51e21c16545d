"""Stages of a made-up August, and their ingest."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pandas as pd

from pipeline.storage.records import Records

LATENCY = timedelta(minutes=20)


def moment(day: int, hour: int = 0, minute: int = 30) -> datetime:
    return datetime(2026, 8, day, hour, minute, tzinfo=UTC)


def table(
    values: dict[str, float], *, station: str = "013901", method: str = "manual"
) -> pd.DataFrame:
    return pd.DataFrame(
        {
            "station": station,
            "variable": "stage",
            "method": method,
            "valid_time": pd.to_datetime(list(values)),
            "value": list(values.values()),
            "unit": "m",
            "raw": "",
            "qc": "good",
        }
    )


def add(store: Records, values: dict[str, float], asof: datetime, method: str = "manual") -> int:
    found = table(values, method=method)
    with store.ingest("gauges", asof=asof) as batch:
        return batch.add_readings(found, asof=asof, latency=LATENCY, origin="measured")

"""Forecasts of a run as rows of the tables: stored with the run, read back as they were."""

from __future__ import annotations

import math
from datetime import UTC
from typing import Any

import pandas as pd

from pipeline.storage import database
from pipeline.storage.records import Records

STAGE_KEYS = ("station", "lead_days", "tier", "valid_time")
DROUGHT_KEYS = ("zone", "horizon_weeks", "tier")
"""Separate columns of each table; JSON holds all columns of the forecast, these included."""
TIMES = ["issue_time", "valid_time", "stage_time"]


def store_forecasts(
    records: Records, run: dict[str, Any], *, stages: pd.DataFrame, droughts: pd.DataFrame
) -> None:
    """Store a run with its forecasts, replacing those stored before.

    Parameters
    ----------
    records
        Tables.
    run
        Row of the table of runs.
    stages, droughts
        From :mod:`pipeline.issuance.forecasts`.
    """
    records.store_run(
        run,
        {
            database.stage_forecasts: _to_rows(stages, STAGE_KEYS),
            database.drought_forecasts: _to_rows(droughts, DROUGHT_KEYS),
        },
    )


def read_forecasts(records: Records, run: dict[str, Any]) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Read the forecasts that a run stored.

    Parameters
    ----------
    records
        Tables.
    run
        Row of the table of runs.

    Returns
    -------
    tuple of pandas.DataFrame
        Stages and droughts, each value bit for bit: columns in their order,
        rows in the order of their keys, times naive UTC, NaN and NaT for missing. A 32-bit float
        comes back as the 64-bit one of the same value. Without columns where the run had none.
    """
    stages, droughts = (
        _to_frame(records.get(table, run["issue_time"], run["revision"]))
        for table in (database.stage_forecasts, database.drought_forecasts)
    )
    return stages, droughts


def _to_rows(frame: pd.DataFrame, keys: tuple[str, ...]) -> list[dict[str, Any]]:
    rows = []
    frame_rows: list[dict[Any, Any]] = frame.to_dict("records")
    for row in frame_rows:
        times = {key: value for key, value in row.items() if isinstance(value, pd.Timestamp)}
        as_text = row | {key: value.isoformat() for key, value in times.items()}
        as_text |= {key: None for key, value in row.items() if value is pd.NaT}
        columns = {key: row[key] for key in keys}
        if "valid_time" in columns:
            columns["valid_time"] = columns["valid_time"].to_pydatetime().replace(tzinfo=UTC)
        rows.append({**columns, "row": database.as_json(as_text)})
    return rows


def _to_frame(rows: list[dict[str, Any]]) -> pd.DataFrame:
    frame = pd.DataFrame([_restore_nan(row["row"]) for row in rows])
    for name in frame.columns.intersection(TIMES):
        frame[name] = pd.to_datetime(frame[name], format="ISO8601")
    return frame


def _restore_nan(value: Any) -> Any:
    """Return a JSON value with NaN for null, inside objects too."""
    if isinstance(value, dict):
        return {key: _restore_nan(item) for key, item in value.items()}
    return math.nan if value is None else value

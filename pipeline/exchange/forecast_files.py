"""Tables of stages beside the alerts: what is forecast and what was observed at every gauge.

* ``forecasts.csv``: one row per gauge and day ahead. The first columns are those that WFP's PRISM
  reads of a gauge's forecast; what it forecasts is the stage above the gauge's zero
  (``variable``, ``unit``), no discharge. ``q05_m`` is the 5 % quantile of the stage on the day,
  ``highest_q05_m`` that of the highest stage from the first day to this one.
* ``stages.csv``: one row per reading, as the run used it.

An empty field is not known. Codes of gauges are text: they begin with a zero.
"""

from __future__ import annotations

import io
import math
from typing import Any

import pandas as pd

from models.stage.names import HIGHEST, QUANTILES
from pipeline.alerts.facts import Fact
from pipeline.exchange.alert_files import write_csv
from pipeline.exchange.issue import Issue
from pipeline.geography import places
from pipeline.times import format_utc

PLACE = ("station_id", "station_name", "river_name", "lon", "lat")
PROBABILITIES = ("p_alarm", "p_flood", "p_alarm_by", "p_flood_by")
FORECAST_COLUMNS = (
    *PLACE, "forecast_issue_date", "valid_time", "variable", "unit", "status", "issue_time",
    "lead_days", *(f"{name}_m" for name in QUANTILES), "mean_m", *PROBABILITIES, "alarm_m",
    "flood_m", "tier", "issued_as", "skilful_until_day", "extrapolated",
    *(f"highest_{name}_m" for name in HIGHEST),
)  # fmt: skip
STAGE_COLUMNS = (
    *PLACE, "valid_time", "variable", "unit", "status", "stage_m", "quality", "method",
)  # fmt: skip


def write_forecasts(forecasts: pd.DataFrame, issue: Issue) -> bytes:
    """Write ``forecasts.csv``.

    Parameters
    ----------
    forecasts
        Of :func:`pipeline.issuance.forecasts.forecast_stages`, fresh or stored; columns that a run
        did not have are left empty.
    issue
        Issue that they belong to.
    """
    if not forecasts.empty:
        forecasts = forecasts.sort_values(["station", "lead_days"])
    rows = [_describe_day(row, issue) for row in forecasts.to_dict("records")]
    return write_csv(rows, FORECAST_COLUMNS)


def _describe_day(row: dict[Any, Any], issue: Issue) -> dict[str, Fact]:
    gauge = places.stations(asof=issue.issue_time).get(row["station"])
    known = pd.notna(row["q50"])
    highest = row.get("highest_m")
    highest = highest if isinstance(highest, dict) else {}
    skilful = row.get("skilful_until_day", math.nan)
    return {
        **_describe_place(row["station"], issue),
        "forecast_issue_date": f"{issue.issue_time:%Y-%m-%d}",
        "valid_time": _format_naive(row["valid_time"]),
        **_describe_quantity(issue),
        "issue_time": format_utc(issue.issue_time),
        "lead_days": int(row["lead_days"]),
        **{f"{name}_m": _round(row[name], 3) for name in QUANTILES},
        "mean_m": _round(row["mean_m"], 3),
        **{name: _round(row[name], 6) for name in PROBABILITIES},
        "alarm_m": gauge.alarm_m if gauge else None,
        "flood_m": gauge.flood_m if gauge else None,
        "tier": row["tier"] if known else None,
        "issued_as": row.get("issued_as") if known else None,
        "skilful_until_day": None if pd.isna(skilful) else int(skilful),
        "extrapolated": bool(row["extrapolated"]) if known else None,
        **{f"highest_{name}_m": _round(highest.get(name, math.nan), 3) for name in HIGHEST},
    }


def write_stages(readings: pd.DataFrame, issue: Issue) -> bytes:
    """Write ``stages.csv``.

    Parameters
    ----------
    readings
        Readings that the run used, of :func:`pipeline.quality.selection.select_used`. Of a sensor
        that reports more than once an hour the last reading of each hour is written.
    issue
        Issue that used them.
    """
    readings = readings.sort_values(["station", "valid_time"])
    hours = readings.assign(hour=readings["valid_time"].dt.floor("h"))
    earlier = hours.duplicated(["station", "method", "hour"], keep="last")
    readings = readings[~(earlier & (readings["method"] == "telemetry"))]
    rows: list[dict[str, Fact]] = [
        {
            **_describe_place(row["station"], issue),
            "valid_time": _format_naive(row["valid_time"]),
            **_describe_quantity(issue),
            "stage_m": _round(row["value"], 3),
            "quality": row["qc"],
            "method": row["method"],
        }
        for row in readings.to_dict("records")
    ]
    return write_csv(rows, STAGE_COLUMNS)


def read_table(content: bytes) -> pd.DataFrame:
    """Read ``forecasts.csv`` or ``stages.csv`` of a tree; codes and times stay text."""
    return pd.read_csv(
        io.BytesIO(content), dtype={"station_id": str}, keep_default_na=False, na_values=[""]
    )


def list_by_gauge(table: pd.DataFrame) -> dict[str, list[dict[str, Any]]]:
    """List the rows of a table of :func:`read_table` by gauge, None for what is not known."""
    columns = {
        str(name): [
            None if missing else value
            for value, missing in zip(column.tolist(), column.isna().tolist(), strict=True)
        ]
        for name, column in table.items()
    }
    by_gauge: dict[str, list[dict[str, Any]]] = {}
    for values in zip(*columns.values(), strict=True):
        row = dict(zip(columns, values, strict=True))
        by_gauge.setdefault(row["station_id"], []).append(row)
    return by_gauge


def _describe_place(code: str, issue: Issue) -> dict[str, Fact]:
    """Name and place of a gauge; a code that the table does not have at the issue time is bare."""
    gauge = places.stations(asof=issue.issue_time).get(code)
    values = (gauge.name, gauge.river, gauge.lon, gauge.lat) if gauge else (None,) * 4
    return dict(zip(PLACE, (code, *values), strict=True))


def _describe_quantity(issue: Issue) -> dict[str, Fact]:
    return {"variable": "stage", "unit": "m", "status": issue.status}


def _format_naive(moment: pd.Timestamp) -> str:
    return format_utc(moment.tz_localize("UTC"))


def _round(value: float, decimals: int) -> float | None:
    return round(float(value), decimals) if math.isfinite(value) else None

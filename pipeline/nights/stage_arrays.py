"""Stages of a gauge as labelled arrays: readings as they were known, and forecasts as issued."""

from __future__ import annotations

import math
from collections.abc import Mapping
from datetime import datetime
from typing import Any

import numpy as np
import pandas as pd
import xarray as xr

from models.stage.names import QUANTILES
from pipeline.geography.places import Station
from pipeline.geography.variables import attributes
from pipeline.issuance.observed import HISTORY, OBSERVED
from pipeline.issuance.snapshot import Snapshot, append_successors
from pipeline.quality.flags import FLAGS, USED
from pipeline.times import format_utc, naive_timestamp

ABOVE_ZERO = attributes("stage")
"""Units and names of every stage: m above the gauge's zero."""
PROBABILITIES = {
    "p_alarm": "P(at or above the alarm stage on the day)",
    "p_flood": "P(at or above the flood stage on the day)",
    "p_alarm_by": "P(alarm stage reached on any day up to this one)",
    "p_flood_by": "P(flood stage reached on any day up to this one)",
}


def read_stages(
    snapshot: Snapshot,
    gauge: Station,
    *,
    start: datetime | None = None,
    end: datetime | None = None,
) -> xr.Dataset:
    """Read the stages of a gauge as they were known at the issue time.

    Parameters
    ----------
    snapshot
        Snapshot of the night.
    gauge
        Gauge; a retired one is continued by its successor.
    start, end
        Half-open interval of the valid time; by default the last 60 days.

    Returns
    -------
    xarray.Dataset
        By ``time`` (naive UTC) ``stage`` (m above the gauge's zero), ``quality`` (flag), ``used``
        (whether the forecasts use the reading) and ``method``; attributes of
        :func:`describe_gauge`.
    """
    start = start or snapshot.asof - OBSERVED
    # Flags depend on the interval that is read: they are those that the forecast of the night saw.
    since = min(start, snapshot.asof - HISTORY)
    codes = [gauge.code, *filter(None, [gauge.replaced_by])]
    readings = snapshot.records.readings.read(
        "stage", asof=snapshot.asof, stations=codes, start=since, end=end
    )
    if gauge.replaced_by is not None:
        readings = append_successors(readings, asof=snapshot.asof)
    rows = readings[readings["station"] == gauge.code]
    rows = rows[rows["valid_time"] >= naive_timestamp(start)]
    flags = f"one of {', '.join(FLAGS)}"
    return xr.Dataset(
        {
            "stage": ("time", rows["value"].to_numpy("float64"), ABOVE_ZERO),
            "quality": (
                "time",
                rows["qc"].to_numpy("U16"),
                {"long_name": "Quality flag", "comment": flags},
            ),
            "used": (
                "time",
                (rows["value"].notna() & rows["qc"].isin(USED)).to_numpy(),
                {"long_name": "Whether the forecasts use the reading"},
            ),
            "method": (
                "time",
                rows["method"].to_numpy("U16"),
                {"long_name": "Method: manual, calculated or telemetry"},
            ),
        },
        {
            "time": (
                "time",
                rows["valid_time"].to_numpy("datetime64[ns]"),
                {"standard_name": "time", "long_name": "Time of the reading, UTC", "axis": "T"},
            )
        },
        describe_gauge(gauge),
    )


def label_forecast(rows: pd.DataFrame, gauge: Station) -> xr.Dataset:
    """Label the stage forecast of one gauge as it was issued.

    Parameters
    ----------
    rows
        Rows of the gauge, one per lead, as :func:`pipeline.issuance.forecast_tables.read_forecasts`
        gives them.
    gauge
        Gauge as of the issue time.

    Returns
    -------
    xarray.Dataset
        By ``lead`` (days) and ``quantile``: ``stage`` on the day and ``highest_stage`` from the
        first day up to it (m above the gauge's zero); by ``lead``: ``mean_stage``, the
        probabilities, ``extrapolated`` and ``issued_as``; ``drivers`` (cm of the change of the
        median) by ``lead`` and ``driver``; ``valid_time`` (naive UTC) is a coordinate of the lead.
        Attributes: those of :func:`describe_gauge`, the last reading, the tier, and the last day
        with skill. NaN where nothing was forecast.
    """
    rows = rows.sort_values("lead_days")
    names = list(QUANTILES)
    first = rows.iloc[0]
    highest = [_take(row, names) for row in _column(rows, "highest_m")]
    drivers = [dict(row) if isinstance(row, Mapping) else {} for row in _column(rows, "drivers_cm")]
    parts = list(dict.fromkeys(part for row in drivers for part in row))
    on_day = rows[names].to_numpy("float64")
    values: dict[str, Any] = {
        "stage": (("lead", "quantile"), on_day, ABOVE_ZERO),
        "highest_stage": (
            ("lead", "quantile"),
            np.array(highest, "float64").reshape(len(rows), len(names)),
            ABOVE_ZERO | {"long_name": "Highest stage from the first day to this one"},
        ),
        "mean_stage": (
            "lead",
            np.array(_column(rows, "mean_m"), "float64"),
            ABOVE_ZERO | {"long_name": "Mean of the stage on the day"},
        ),
        **{
            name: (
                "lead",
                np.array(_column(rows, name), "float64"),
                {"units": "1", "long_name": long_name},
            )
            for name, long_name in PROBABILITIES.items()
        },
        "drivers": (
            ("lead", "driver"),
            np.array([_take(row, parts) for row in drivers], "float64").reshape(
                len(rows), len(parts)
            ),
            {"units": "cm", "long_name": "Parts of the change of the median since the reading"},
        ),
        "extrapolated": (
            "lead",
            rows["extrapolated"].to_numpy("bool"),
            {"long_name": "Whether it lies beyond the stages that the model was trained on"},
        ),
        "issued_as": (
            "lead",
            np.array([str(text) for text in _column(rows, "issued_as")]),
            {"long_name": "What is issued: model, persistence or climatology"},
        ),
    }
    coords: dict[str, Any] = {
        "lead": ("lead", rows["lead_days"].to_numpy("int64"), {"long_name": "Days ahead"}),
        "quantile": (
            "quantile",
            list(QUANTILES.values()),
            {"units": "1", "long_name": "Probability of not being exceeded"},
        ),
        "driver": ("driver", np.array(parts, "U16")),
        "valid_time": (
            "lead",
            rows["valid_time"].to_numpy("datetime64[ns]"),
            {"standard_name": "time", "long_name": "Day that is forecast, 00:00 UTC"},
        ),
        "issue_time": (
            (),
            first["issue_time"].to_datetime64().astype("M8[ns]"),
            {"standard_name": "forecast_reference_time", "long_name": "Issue time, UTC"},
        ),
    }
    return xr.Dataset(values, coords, describe_gauge(gauge) | _describe_start(first))


def describe_gauge(gauge: Station) -> dict[str, Any]:
    """Attributes of a gauge: code, name, river, and its stages in m where it has them."""
    attrs = {
        "station": gauge.code,
        "station_name": gauge.name,
        "river": gauge.river,
        "alarm_stage_m": gauge.alarm_m,
        "flood_stage_m": gauge.flood_m,
        "thresholds_verified": int(gauge.threshold_verified),
        "gauge_zero_m_amsl": gauge.zero_m_amsl,
        "note": gauge.note,
    }
    return {name: value for name, value in attrs.items() if value not in (None, "")}


def find_gauge_rows(stages: pd.DataFrame, gauge: Station) -> pd.DataFrame:
    """Rows of a gauge in the forecasts of a night.

    Raises
    ------
    LookupError
        The night has no forecast of it.
    """
    rows = stages[stages["station"] == gauge.code] if len(stages) else stages
    if rows.empty:
        raise LookupError(
            f"{gauge.name} ({gauge.code}): expected a forecast of that night, found none"
        )
    return rows


def _describe_start(first: pd.Series[Any]) -> dict[str, Any]:
    """Attributes of what a forecast starts from."""
    attrs: dict[str, Any] = {"tier": str(first["tier"])}
    skilful = first.get("skilful_until_day", math.nan)
    if not pd.isna(skilful):
        attrs["skilful_until_day"] = int(skilful)
    if not pd.isna(first["stage_time"]):
        attrs["last_stage_m"] = float(first["stage_m"])
        attrs["last_stage_time"] = format_utc(first["stage_time"].tz_localize("UTC"))
    return attrs


def _column(rows: pd.DataFrame, name: str) -> list[Any]:
    """Values of a column; NaN in each row where an earlier version of the code stored none."""
    return rows[name].tolist() if name in rows else [math.nan] * len(rows)


def _take(row: Any, names: list[str]) -> list[float]:
    """Values of an object by name, NaN where it has none."""
    known = row if isinstance(row, Mapping) else {}
    return [float(known.get(name, math.nan)) for name in names]

"""Columns of the published tables of gauges, ``forecasts.csv`` and ``stages.csv``."""

from __future__ import annotations

from models.stage.names import CLIMATOLOGY, HIGHEST, MODEL, PERSISTENCE, QUANTILES
from pipeline.alerts.evidence import TIERS
from pipeline.exchange.columns import STATUSES, Column
from pipeline.quality.flags import USED
from pipeline.quality.selection import METHODS

_PLACE = (
    Column(
        "station_id", "string", "gauge by its MRC code; text, with leading zeros", required=True
    ),
    Column("station_name", "string", "name of the gauge"),
    Column("river_name", "string", "river"),
    Column("lon", "number", "longitude of the gauge", unit="degrees", bounds=(-180, 180)),
    Column("lat", "number", "latitude of the gauge", unit="degrees", bounds=(-90, 90)),
)
_QUANTITY = (
    Column(
        "variable",
        "string",
        "quantity: the stage above gauge zero, no discharge",
        values=("stage",),
        required=True,
    ),
    Column("unit", "string", "unit of the quantity", values=("m",), required=True),
    Column("status", "string", "CAP status of this row", values=STATUSES, required=True),
)


def _chance(name: str, what: str) -> Column:
    return Column(name, "number", f"P({what})", unit="0 to 1", bounds=(0, 1))


def _quantile(name: str, level: float, of: str) -> Column:
    return Column(name, "number", f"{100 * level:g} % quantile of the {of}", unit="m")


FORECASTS = (
    *_PLACE,
    Column("forecast_issue_date", "date", "day of the run", unit="UTC", required=True),
    Column("valid_time", "datetime", "end of the lead", unit="UTC", required=True),
    *_QUANTITY,
    Column("issue_time", "datetime", "moment of the run", unit="UTC", required=True),
    Column("lead_days", "integer", "days ahead", unit="days", bounds=(1, 7), required=True),
    *(_quantile(f"{name}_m", level, "stage on the day") for name, level in QUANTILES.items()),
    Column("mean_m", "number", "mean of the stage on the day", unit="m"),
    _chance("p_alarm", "alarm stage on the day"),
    _chance("p_flood", "flood stage on the day"),
    _chance("p_alarm_by", "alarm stage on any day up to this one"),
    _chance("p_flood_by", "flood stage on any day up to this one"),
    Column("alarm_m", "number", "alarm stage above gauge zero", unit="m"),
    Column("flood_m", "number", "flood stage above gauge zero", unit="m"),
    Column("tier", "string", "inputs that the forecast had", values=tuple(sorted(TIERS))),
    Column(
        "issued_as", "string", "what the forecast of the day is",
        values=(MODEL, PERSISTENCE, CLIMATOLOGY),
    ),
    Column(
        "skilful_until_day", "integer",
        "days ahead up to which the forecast is the model's own", unit="days", bounds=(0, 7),
    ),
    Column(
        "extrapolated", "boolean", "whether it lies beyond what the model was trained on"
    ),
    *(
        _quantile(f"highest_{name}_m", level, "highest stage from the first day to this one")
        for name, level in HIGHEST.items()
    ),
)  # fmt: skip
"""Columns of ``forecasts.csv``, a row per gauge and day ahead."""

STAGES = (
    *_PLACE,
    Column("valid_time", "datetime", "time of the reading", unit="UTC", required=True),
    *_QUANTITY,
    Column("stage_m", "number", "reading above gauge zero", unit="m", required=True),
    Column("quality", "string", "flag of the reading", values=USED, required=True),
    Column("method", "string", "how it was read", values=METHODS, required=True),
)
"""Columns of ``stages.csv``, a row per reading of the last 60 days."""

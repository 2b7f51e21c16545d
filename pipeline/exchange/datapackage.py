"""The tables of a published tree as a Frictionless Data Package with Table Schemas."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from pipeline.exchange.alert_files import dump_json
from pipeline.exchange.columns import ALERTS, SECOND_OPINION, Column
from pipeline.exchange.gauge_columns import FORECASTS, STAGES
from pipeline.exchange.schema import SCHEMA_VERSION
from pipeline.exchange.score_columns import (
    GROUND_REPORTS,
    MISSES,
    RELIABILITY,
    SCORES,
    WARNINGS,
)
from pipeline.times import format_utc

FORMATS = {"datetime": "%Y-%m-%dT%H:%M:%SZ", "date": "default"}
"""How moments and days are written, by the kind of a column."""
SCORED = ("origin", "status", "city", "hazard", "level", "event", "lead_days")
"""Columns that name a row of the scoreboard."""


@dataclass(frozen=True)
class Table:
    """One published table.

    Parameters
    ----------
    title
        What a row is.
    columns
        Columns in their order.
    key
        Columns that tell rows apart.
    """

    title: str
    columns: tuple[Column, ...]
    key: tuple[str, ...]


TABLES = {
    "alerts.csv": Table("Alerts, one row per city and hazard", ALERTS, ("city", "hazard")),
    "forecasts.csv": Table(
        "Forecast stages, one row per gauge and day ahead", FORECASTS, ("station_id", "lead_days")
    ),
    "stages.csv": Table(
        "Observed stages of the last 60 days, one row per reading",
        STAGES,
        ("station_id", "valid_time", "method"),
    ),
    "second_opinion.csv": Table(
        "Daily mean flow of the global model GEOGLOWS, one row per city and day",
        SECOND_OPINION,
        ("city", "valid_date"),
    ),
    "scoreboard.csv": Table(
        "Scores of what was issued up to the night before, one row per city, level, event and lead",
        SCORES,
        SCORED,
    ),
    "misses.csv": Table("Events that were missed, one row each", MISSES, (*SCORED, "reached_time")),
    "reliability.csv": Table(
        "How often it came at each probability, one row per bin", RELIABILITY, (*SCORED, "p_from")
    ),
    "warnings.csv": Table(
        "Messages that were sent, one row per month, city, level and change",
        WARNINGS,
        ("origin", "status", "month", "city", "hazard", "level", "change"),
    ),
    "ground_reports.csv": Table(
        "Reports from the ground beside the flood levels in force, one row per city",
        GROUND_REPORTS,
        ("origin", "status", "city"),
    ),
}
"""Published tables by their path in the tree."""


def write_datapackage(files: Collection[str], *, issue_time: datetime, status: str) -> bytes:
    """Write the descriptor of those tables that a tree has.

    It names no sizes and checksums: those are in ``index.json``, also after a message was
    withdrawn.

    Parameters
    ----------
    files
        Paths in the tree.
    issue_time
        Moment of the run.
    status
        CAP status that a message of the run may carry at most.
    """
    return dump_json(
        {
            "profile": "tabular-data-package",
            "name": "mekong-early-warning",
            "title": f"{status}: flood and drought early warning of the Mekong",
            "version": f"{SCHEMA_VERSION}.0.0",
            "created": format_utc(issue_time),
            "resources": [
                _describe_table(path, table) for path, table in TABLES.items() if path in files
            ],
        }
    )


def _describe_table(path: str, table: Table) -> dict[str, Any]:
    return {
        "profile": "tabular-data-resource",
        "name": path.removesuffix(".csv"),
        "title": table.title,
        "path": path,
        "format": "csv",
        "mediatype": "text/csv",
        "encoding": "utf-8",
        "schema": {
            "fields": [_describe_field(column) for column in table.columns],
            "missingValues": [""],
            "primaryKey": list(table.key),
        },
    }


def _describe_field(column: Column) -> dict[str, Any]:
    """Field of a Table Schema; a list is a text, its items parted by spaces or semicolons."""
    is_list = column.kind == "list"
    field: dict[str, Any] = {
        "name": column.name,
        "type": "string" if is_list else column.kind,
        "description": column.meaning,
    }
    if column.kind in FORMATS:
        field["format"] = FORMATS[column.kind]
    if column.kind == "boolean":
        field |= {"trueValues": ["true"], "falseValues": ["false"]}
    constraints: dict[str, Any] = {}
    if column.required and not is_list:
        constraints["required"] = True
    if column.values and not is_list:
        constraints["enum"] = list(column.values)
    if column.values and is_list:
        item = "|".join(column.values)
        constraints["pattern"] = f"({item})( ({item}))*"
    if column.bounds:
        constraints["minimum"], constraints["maximum"] = column.bounds
    return field | ({"constraints": constraints} if constraints else {})

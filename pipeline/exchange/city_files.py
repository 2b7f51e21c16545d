"""Files for apps: ``now.json`` with every city, and ``cities/<id>.json`` with all of one.

Both are made from ``alerts.geojson``, ``forecasts.csv`` and ``stages.csv`` of the same tree, so
that they say what those say, after a message was withdrawn too. null is not known, never zero;
the level ``unknown`` is neither safe nor a warning.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from datetime import timedelta
from typing import Any

import pandas as pd

from models.stage.names import HIGHEST, QUANTILES
from pipeline.alerts.evidence import DRIVERS
from pipeline.alerts.thresholds import name_trend
from pipeline.exchange.forecast_files import PROBABILITIES, list_by_gauge, read_table
from pipeline.exchange.issue import Issue
from pipeline.geography import places
from pipeline.geography.gauge_figures import travel_times_d
from pipeline.times import format_utc

Row = Mapping[str, Any]
"""Facts of a city and hazard, the properties of a feature of ``alerts.geojson``."""
FAN = ("q05", "q25", "q50", "q75", "q95")
"""Quantiles of ``now.json``."""
SHOWN = timedelta(days=30)
"""Observed stages of the file of a city."""
EVENT = (
    "level", "level_in_force", "status", "change", "identifier", "incident", "headline",
    "probability", "onset", "ending_time", "valid_to", "urgency", "severity", "certainty",
    "reasons", "missing",
)  # fmt: skip
"""What the file of a city says of each hazard, as in ``alerts.geojson``."""
FLOOD = (
    "river_level", "rain_level", "p_alarm_7d", "p_flood_5d", "p_flood_2d", "peak_m", "peak_q05_m",
    "peak_q95_m", "peak_time", "rain_return_period_years", "pluvial_index", "rain_tier",
    "drivers_method", "track_since", "track_issued", "track_came_true", "track_of_city",
)  # fmt: skip
DROUGHT = (
    "drought_class", "drought_phase", "cdi", "spi1", "spi3", "soil_moisture_percentile",
    "vhi_percent", "low_flow_class", "p_below_6a_4w",
)  # fmt: skip


def write_city_files(tree: Mapping[str, bytes], issue: Issue) -> dict[str, bytes]:
    """Write ``now.json`` and ``cities/<id>.json`` from the other files of a tree.

    Parameters
    ----------
    tree
        Content by path, with ``alerts.geojson``, ``forecasts.csv`` and ``stages.csv``.
    issue
        Issue of the tree.

    Returns
    -------
    dict
        Content by path.
    """
    features = json.loads(tree["alerts.geojson"])["features"]
    rows = [feature["properties"] for feature in features]
    forecasts, stages = read_table(tree["forecasts.csv"]), read_table(tree["stages.csv"])
    files = {"now.json": write_now(rows, forecasts, issue)}
    for city, content in write_cities(rows, forecasts, stages, issue).items():
        files[f"cities/{city}.json"] = content
    return files


def write_now(rows: Sequence[Row], forecasts: pd.DataFrame, issue: Issue) -> bytes:
    """Write ``now.json``: levels, stage, marks and forecast fan of every city.

    ``in_force`` is the level that is still in force where ``level`` is unknown, else the same.
    The ``basis`` of a flood level is rain alone where the city has no gauge with an alarm stage.
    ``day`` has the quantiles of the stage on each of ``dates``, ``highest`` those of the highest
    stage from the first of them to each; all in m above the gauge's zero.

    Parameters
    ----------
    rows
        Facts per city and hazard, as in ``alerts.geojson``.
    forecasts
        Table of ``forecasts.csv``.
    issue
        Issue of the tree.
    """
    dates = sorted({str(moment)[:10] for moment in forecasts["valid_time"]})
    days = list_by_gauge(forecasts)
    return _dump(
        {
            **issue.members(),
            "unit": "m above gauge zero",
            "dates": dates,
            "cities": [
                _sum_up(of_city, days.get(_code(of_city), []), dates)
                for of_city in _by_city(rows).values()
            ],
        }
    )


def _sum_up(
    hazards: Mapping[str, Row], forecast: Sequence[Row], dates: Sequence[str]
) -> dict[str, Any]:
    any_row = next(iter(hazards.values()))
    flood = hazards.get("flood", {})
    days = {row["valid_time"][:10]: row for row in forecast}
    city: dict[str, Any] = {
        "id": any_row["city"],
        "name": any_row["name"],
        "country": any_row["country"],
        "lat": any_row["lat_deg"],
        "lon": any_row["lon_deg"],
    }
    for hazard in ("flood", "drought"):
        city[hazard] = _describe_level(hazards.get(hazard))
    if city["flood"] is not None:
        city["flood"]["basis"] = "rain" if flood["station"] is None else "river"
    city["station"] = flood.get("station")
    city["stage"] = _describe_stage(flood)
    city["marks"] = _describe_marks(flood)
    for key, prefix in (("day", ""), ("highest", "highest_")):
        fan = {
            name: [_centimetres(days.get(date, {}).get(f"{prefix}{name}_m")) for date in dates]
            for name in FAN
        }
        known = any(value is not None for values in fan.values() for value in values)
        city[key] = fan if known else None
    city["skilful_until_day"] = flood.get("skilful_until_day")
    return city


def _describe_level(row: Row | None) -> dict[str, Any] | None:
    if row is None:
        return None
    names = {"level": "level", "in_force": "level_in_force"}
    names |= {name: name for name in ("change", "identifier", "status")}
    return {key: row[name] for key, name in names.items()}


def write_cities(
    rows: Sequence[Row], forecasts: pd.DataFrame, stages: pd.DataFrame, issue: Issue
) -> dict[str, bytes]:
    """Write the file of each city, by its id.

    Parameters
    ----------
    rows
        Facts per city and hazard, as in ``alerts.geojson``.
    forecasts, stages
        Tables of ``forecasts.csv`` and ``stages.csv``.
    issue
        Issue of the tree.
    """
    hazards, days, readings = _by_city(rows), list_by_gauge(forecasts), list_by_gauge(stages)
    return {
        city: _dump(
            {
                **issue.members(),
                **_describe_city(city, of_city, issue),
                "facing": _describe_facing(city, hazards, issue),
                **{
                    hazard: _describe_hazard(hazard, of_city.get(hazard))
                    for hazard in ("flood", "drought")
                },
                **_describe_river(
                    of_city.get("flood", {}),
                    days.get(_code(of_city), []),
                    readings.get(_code(of_city), []),
                    issue,
                ),
            }
        )
        for city, of_city in hazards.items()
    }


def _describe_city(city: str, hazards: Mapping[str, Row], issue: Issue) -> dict[str, Any]:
    any_row = next(iter(hazards.values()))
    place = places.city(city, asof=issue.issue_time)
    return {
        "id": city,
        "name": any_row["name"],
        "country": any_row["country"],
        "lat": any_row["lat_deg"],
        "lon": any_row["lon_deg"],
        "utc_offset_h": place.utc_offset_h,
        "iso_3166_2": place.iso_3166_2,
    }


def _describe_facing(
    city: str, hazards: Mapping[str, Mapping[str, Row]], issue: Issue
) -> dict[str, Any] | None:
    """City on the other bank with its flood level; None where none faces this one."""
    other = places.facing(city, asof=issue.issue_time)
    if other is None:
        return None
    flood = hazards.get(other.id, {}).get("flood", {})
    return {
        "id": other.id,
        "name": other.name,
        "country": other.country,
        "level": flood.get("level"),
        "level_in_force": flood.get("level_in_force"),
    }


def _describe_hazard(hazard: str, row: Row | None) -> dict[str, Any] | None:
    if row is None:
        return None
    facts = {name: row.get(name) for name in (*EVENT, *(FLOOD if hazard == "flood" else DROUGHT))}
    if hazard == "flood":
        drivers = {name: row.get(f"driver_{name}_cm") for name in DRIVERS}
        known = any(value is not None for value in drivers.values())
        return facts | {"drivers_cm": drivers if known else None}
    chances = {
        f"p_d{number}": {f"{weeks}w": row.get(f"p_d{number}_{weeks}w") for weeks in (1, 4, 12)}
        for number in (1, 2, 3)
    }
    low_flow = {f"{weeks}w": row.get(f"p_low_flow_{weeks}w") for weeks in (1, 4, 8, 12)}
    return facts | chances | {"p_low_flow": low_flow}


def _describe_river(
    flood: Row, forecast: Sequence[Row], observed: Sequence[Row], issue: Issue
) -> dict[str, Any]:
    """Gauge of a city, its forecast and its readings; None where there is none."""
    code = flood.get("station")
    days = [_describe_day(row) for row in forecast]
    since = format_utc(issue.issue_time - SHOWN)
    readings = [
        {
            "time": row["valid_time"],
            "stage_m": row["stage_m"],
            "quality": row["quality"],
            "method": row["method"],
        }
        for row in observed
        if row["valid_time"] >= since
    ]
    return {
        "gauge": _describe_gauge(code, issue) if code else None,
        "stage": _describe_stage(flood),
        "marks": _describe_marks(flood),
        "tier": flood.get("tier") if code else None,
        "skilful_until_day": flood.get("skilful_until_day"),
        "days": days if any(day["day_m"]["q50"] is not None for day in days) else None,
        "stages": readings if code else None,
    }


def _describe_day(row: Mapping[str, Any]) -> dict[str, Any]:
    highest_m = {name: row[f"highest_{name}_m"] for name in HIGHEST}
    return {
        "date": row["valid_time"][:10],
        "valid_time": row["valid_time"],
        "lead_days": row["lead_days"],
        "day_m": {name: row[f"{name}_m"] for name in QUANTILES},
        "mean_m": row["mean_m"],
        "highest_m": highest_m if highest_m["q50"] is not None else None,
        **{name: row[name] for name in PROBABILITIES},
        "issued_as": row["issued_as"],
        "extrapolated": row["extrapolated"],
    }


def _describe_gauge(code: str, issue: Issue) -> dict[str, Any]:
    gauges, times = places.stations(asof=issue.issue_time), travel_times_d(asof=issue.issue_time)
    gauge = gauges[code]
    return {
        "station": code,
        "name": gauge.name,
        "river": gauge.river,
        "lat": gauge.lat,
        "lon": gauge.lon,
        "tidal": gauge.tidal,
        "upstream": [
            {
                "station": upper,
                "name": gauges[upper].name,
                "travel_time_d": list(times[upper, code]) if (upper, code) in times else None,
            }
            for upper in gauge.upstream
            if upper in gauges
        ],
    }


def _describe_stage(flood: Row) -> dict[str, Any] | None:
    """Last reading with its trend as the messages tell it; None where there is none."""
    stage_m, change_m = flood.get("stage_m"), flood.get("change_1d_m")
    if stage_m is None:
        return None
    trend = None if change_m is None else name_trend(flood["station"], change_m)
    return {"m": _centimetres(stage_m), "time": flood["stage_time"], "trend": trend}


def _describe_marks(flood: Row) -> dict[str, Any] | None:
    """Alarm and flood stage; None where the gauge has neither."""
    marks = {"alarm": flood.get("alarm_m"), "flood": flood.get("flood_m")}
    if all(value is None for value in marks.values()):
        return None
    return {**marks, "verified": flood["threshold_verified"]}


def _code(hazards: Mapping[str, Row]) -> str:
    """Code of a city's gauge; empty where it has none."""
    return hazards.get("flood", {}).get("station") or ""


def _by_city(rows: Sequence[Row]) -> dict[str, dict[str, Row]]:
    hazards: dict[str, dict[str, Row]] = {}
    for row in rows:
        hazards.setdefault(str(row["city"]), {})[str(row["hazard"])] = row
    return hazards


def _centimetres(stage_m: float | None) -> float | None:
    return None if stage_m is None else round(stage_m, 2)


def _dump(document: Mapping[str, Any]) -> bytes:
    text = json.dumps(document, ensure_ascii=False, allow_nan=False, separators=(",", ":"))
    return text.encode() + b"\n"

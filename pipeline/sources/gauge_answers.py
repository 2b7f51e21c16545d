"""Answers of the gauge interfaces of the MRC and of ThaiWater, in JSON."""

from __future__ import annotations

import json
import re
from functools import lru_cache
from typing import TYPE_CHECKING, Any

import pandas as pd

from pipeline.settings import REFERENCE
from pipeline.sources.base import BadGranule, Skipped
from pipeline.sources.gauge_formats import (
    PARAMETERS,
    UNITS,
    NoReadings,
    method_of,
    numbers,
    series,
    settle,
    utc,
)

if TYPE_CHECKING:
    from pathlib import Path

THAIWATER = "thaiwater-"
"""Stations of ThaiWater that are none of the MRC's are called by this and their number."""


def read_json(path: Path) -> pd.DataFrame:
    """Read an answer of the MRC's live or archive interface, or of ThaiWater.

    Raises
    ------
    BadGranule
        Cut short, or none of these.
    """
    try:
        answer = json.loads(path.read_bytes())
    except ValueError as error:
        raise BadGranule(path, expected="whole JSON", found=str(error)) from error
    try:
        if isinstance(answer, list) or "measurements" in answer:
            return _live(path, answer)
        if "Points" in answer:
            return _archive(path, answer)
        if "waterlevel_data" in answer or answer.get("result") == "OK":
            return _thaiwater(path, answer)
    except (KeyError, TypeError, AttributeError) as error:
        raise BadGranule(
            path, expected="the fields of a gauge interface", found=f"none called {error}"
        ) from error
    raise BadGranule(
        path, expected="an answer of the MRC or ThaiWater", found=f"keys {sorted(answer)[:6]}"
    )


def _live(path: Path, answer: Any) -> pd.DataFrame:
    """One station with its measurements, or the list of stations with the last one of each."""
    if isinstance(answer, list):
        rows = pd.DataFrame(
            [(one["stationId"], one["lastMeasurement"], one.get("waterLevel"), None)
             for one in answer if one.get("lastMeasurement")],
            columns=["station", "d", "w", "r"],
        )  # fmt: skip
    else:
        rows = pd.DataFrame(answer["measurements"] or [], columns=["d", "w", "r"])
        rows["station"] = answer["station"]["stationId"]
    found = [
        series(
            path, station=str(code), variable=variable, unit=unit, method="telemetry",
            time=utc(path, part["d"], like="2026-09-13T13:45:00Z"),
            value=numbers(path, part[column]),
        )
        for code, part in rows.groupby("station")
        for variable, unit, column in (("stage", "m", "w"), ("rain", "mm", "r"))
    ]  # fmt: skip
    return settle(path, found)


def _archive(path: Path, answer: dict[str, Any]) -> pd.DataFrame:
    """Points of one series; which one it is the name says, as that of an export does."""
    named = re.search(r"^(.+?)\.(.+)@([A-Z]{2})_([^_]+)_", path.name)
    if named is None:
        raise BadGranule(
            path, expected="a name like Water Level.Manual@LA_013901_[Pakse].json", found=path.name
        )
    parameter, label, _, code = named.groups()
    if parameter not in PARAMETERS:
        raise Skipped(f"{path.name}: {parameter} is not used")
    variable = PARAMETERS[parameter]
    if not answer["Points"]:
        raise NoReadings(path)
    points = pd.DataFrame(
        [(one["Timestamp"], (one["Value"] or {}).get("Numeric")) for one in answer["Points"]],
        columns=["time", "value"],
    )
    unit = str(answer.get("Unit") or next(iter(UNITS[variable])))
    made = series(
        path, station=code, variable=variable, unit=unit, method=method_of(label), version=label,
        time=utc(path, points["time"], like="2026-08-20T07:00:00.0000000+07:00"),
        value=numbers(path, points["value"]),
    )  # fmt: skip
    return settle(path, [made])


@lru_cache
def thaiwater_stations() -> dict[str, str]:
    """Stations of ThaiWater that are asked for: number -> MRC code, or a name of their own."""
    rows = pd.read_csv(REFERENCE / "thaiwater.csv", dtype=str, keep_default_na=False)
    return {
        number: station or f"{THAIWATER}{number}"
        for number, station in zip(rows["id"], rows["station"], strict=True)
    }


def _thaiwater(path: Path, answer: dict[str, Any]) -> pd.DataFrame:
    """Levels above mean sea level in Bangkok time: of one station hour by hour, or the last of all.

    The hour-by-hour answer does not say of which station it is: the name of the file does.
    """
    data = answer["waterlevel_data"]["data"] if "waterlevel_data" in answer else answer["data"]
    if isinstance(data, dict):
        named = re.search(r"waterlevel_graph_(\d+)", path.name)
        if named is None:
            raise BadGranule(path, expected="a name like waterlevel_graph_2752", found=path.name)
        rows = pd.DataFrame(data["graph_data"] or [], columns=["datetime", "value", "discharge"])
        rows["id"] = named[1]
    else:
        rows = pd.DataFrame(
            [(str(one["station"]["id"]), one["waterlevel_datetime"], one["waterlevel_msl"],
              one.get("discharge")) for one in data],
            columns=["id", "datetime", "value", "discharge"],
        )  # fmt: skip
        rows = rows[rows["id"].isin(list(thaiwater_stations()))]
    found = [
        series(
            path, station=thaiwater_stations().get(str(number), f"{THAIWATER}{number}"),
            variable=variable, unit=unit, datum=datum, method="telemetry",
            time=utc(path, part["datetime"], like="2026-08-20 07:00", offset="+07:00"),
            value=numbers(path, part[column]),
        )
        for number, part in rows.groupby("id")
        for variable, unit, datum, column in (
            ("stage", "m", "msl", "value"), ("discharge", "m3/s", "gauge", "discharge"),
        )
    ]  # fmt: skip
    return settle(path, found)

"""Answers of the gauge interfaces of the MRC and of ThaiWater, in JSON."""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import lru_cache, partial
from pathlib import Path
from typing import Any

import pandas as pd

from pipeline.geography.reference_tables import edition
from pipeline.sources.base import BadGranule, Skipped
from pipeline.sources.gauges.decoding import (
    Answer,
    Code,
    Number,
    Stamp,
    Tally,
    Text,
    content_of,
    from_json,
    read_parts,
    shown,
    typed,
)
from pipeline.sources.gauges.fews_pi import read_pi_json
from pipeline.sources.gauges.korea import read_hrfco, read_wamis
from pipeline.sources.gauges.series import PARAMETERS, UNITS, NoReadings, method_of, series
from pipeline.sources.gauges.stamps import put_right

THAIWATER = "thaiwater-"
"""Stations of ThaiWater that are none of the MRC's are called by this and their number."""
_UTC_LIKE = "2026-09-13T13:45:00Z"
_THAI_LIKE = "2026-08-20 07:00"


class _Station(Answer):
    stationId: Code  # noqa: N815  # the interfaces' names


class _Live(Answer):
    """One station of the MRC's live interface."""

    station: _Station
    measurements: list[Any] | None


class _Measurement(Answer):
    d: Stamp
    w: Number = float("nan")
    r: Number = float("nan")


class _Last(Answer):
    """A row of the list of live stations."""

    stationId: Code  # noqa: N815
    lastMeasurement: Stamp = ""  # noqa: N815
    waterLevel: Number = float("nan")  # noqa: N815


class _Archive(Answer):
    """One series of the MRC's archive."""

    Points: list[Any] | None
    Unit: Text | None = None


class _Numeric(Answer):
    Numeric: Number = float("nan")


class _Point(Answer):
    Timestamp: Stamp
    Value: _Numeric | None = None


class Series(Answer):
    """A row of the list of series of the MRC's archive."""

    uniqueId: Code  # noqa: N815
    stationCode: str | None = None  # noqa: N815
    stationName: str | None = None  # noqa: N815
    countryCode: str | None = None  # noqa: N815
    parameter: str | None = None
    label: str | None = None
    correctedEndTime: str | None = None  # noqa: N815


class _Graph(Answer):
    graph_data: list[Any] | None


class _Hour(Answer):
    datetime: Stamp
    value: Number = float("nan")
    discharge: Number = float("nan")


class _Number(Answer):
    id: Code


class _Row(Answer):
    """A row of the list of ThaiWater's stations."""

    station: _Number
    waterlevel_datetime: Stamp = ""
    waterlevel_msl: Number = float("nan")
    discharge: Number = float("nan")


def read_json(path: Path) -> pd.DataFrame:
    """Read an answer in JSON: of the MRC, ThaiWater, the Korean offices, or PI-JSON of Delft-FEWS.

    Raises
    ------
    NoReadings
        It has none.
    Skipped
        It holds something that the pipeline does not use.
    BadGranule
        Cut short, none of these, or with fields of another type.
    """
    answer = from_json(path, content_of(path))
    if isinstance(answer, list):
        return _last(path, answer)
    if not isinstance(answer, dict):
        raise BadGranule(path, expected="an answer of the MRC or ThaiWater", found=shown(answer))
    for keys, read in (
        ({"measurements"}, _live),
        ({"Points"}, _archive),
        ({"timeSeries"}, read_pi_json),
        ({"waterlevel_data"}, _thaiwater),
        ({"content"}, read_hrfco),
        ({"code", "message"}, read_hrfco),
        ({"list"}, read_wamis),
    ):
        if keys <= set(answer):
            return read(path, answer)
    if answer.get("result") == "OK":
        return _thaiwater(path, answer)
    raise BadGranule(
        path,
        expected="an answer of the MRC or ThaiWater",
        found=f"keys {shown(sorted(map(str, answer))[:6])}",
    )


def inventory(path: Path, answer: object) -> list[Series]:
    """Check the list of series of the MRC's archive; rows of other types are left out.

    Parameters
    ----------
    path
        Named in the error.
    answer
        Decoded JSON.

    Raises
    ------
    BadGranule
        No list, or one without a row that can be used.
    """
    if not isinstance(answer, list):
        raise BadGranule(path, expected="a list of series", found=shown(answer))
    tally = Tally(path)
    rows = tally.points(Series, answer, at="series")
    if answer and not rows:
        expected, found = tally.bad[0]
        raise BadGranule(path, expected=expected, found=found)
    return rows


def _live(path: Path, answer: dict[str, Any]) -> pd.DataFrame:
    """Read one station of the MRC with its measurements."""
    made = typed(path, _Live, answer)
    tally = Tally(path)
    points = tally.points(_Measurement, made.measurements or [], at="measurements")
    rows = pd.DataFrame(
        [(made.station.stationId, one.d, one.w, one.r) for one in points],
        columns=["station", "time", "stage", "rain"],
    )
    return _telemetry(path, tally, rows)


def _last(path: Path, answer: list[Any]) -> pd.DataFrame:
    """Read the list of the MRC's live stations with the last measurement of each."""
    tally = Tally(path)
    points = tally.points(_Last, answer, at="stations")
    rows = pd.DataFrame(
        [
            (one.stationId, one.lastMeasurement, one.waterLevel)
            for one in points
            if one.lastMeasurement
        ],
        columns=["station", "time", "stage"],
    )
    return _telemetry(path, tally, rows)


def _telemetry(path: Path, tally: Tally, rows: pd.DataFrame) -> pd.DataFrame:
    """Return the readings of sensors of the MRC."""
    rows = tally.timed(rows, like=_UTC_LIKE)
    units = {"stage": "m", "rain": "mm"}
    parts = [
        partial(
            series,
            path,
            station=str(code),
            variable=variable,
            unit=unit,
            method="telemetry",
            time=given["time"],
            value=given[variable],
        )
        for code, part in rows.groupby("station")
        for variable, unit in units.items()
        if variable in part
        # A field that is absent withdraws nothing.
        for given in [part[part[variable].notna()]]
    ]
    return read_parts(path, tally, parts)


def _archive(path: Path, answer: dict[str, Any]) -> pd.DataFrame:
    """Read the points of one series; which one it is the name says, as that of an export does."""
    name = path.name.encode(errors="replace").decode()
    named = re.search(r"^(.+?)\.(.+)@([A-Z]{2})_([^_]+)_", name)
    if named is None:
        raise BadGranule(
            path, expected="a name like Water Level.Manual@LA_013901_[Pakse].json", found=name
        )
    parameter, label, _, code = named.groups()
    if parameter not in PARAMETERS:
        raise Skipped(f"{path.name}: {parameter} is not used")
    variable = PARAMETERS[parameter]
    made = typed(path, _Archive, answer)
    if not made.Points:
        raise NoReadings(path)
    tally = Tally(path)
    points = tally.points(_Point, made.Points, at="Points")
    rows = pd.DataFrame(
        [(one.Timestamp, one.Value.Numeric if one.Value else float("nan")) for one in points],
        columns=["time", "value"],
    )
    rows = tally.timed(rows, like="2026-08-20T07:00:00.0000000+07:00")
    method, qc = method_of(label), pd.Series("good", index=rows.index)
    if method == "manual":
        rows["time"], early, said = put_right(rows["time"])
        qc[early] = "shifted"
        tally.said.extend(said)
    part = partial(
        series,
        path,
        station=code,
        variable=variable,
        method=method,
        version=label,
        qc=qc,
        unit=made.Unit or next(iter(UNITS[variable])),
        time=rows["time"],
        value=rows["value"],
    )
    return read_parts(path, tally, [part])


@lru_cache
def thaiwater_stations() -> dict[str, str]:
    """Stations of ThaiWater that are asked for: number -> MRC code, or a name of their own."""
    return {
        row["id"]: row["station"] or f"{THAIWATER}{row['id']}"
        for row in edition().rows("thaiwater.csv")
    }


def _thaiwater(path: Path, answer: dict[str, Any]) -> pd.DataFrame:
    """Levels above mean sea level in Bangkok time: of one station hour by hour, or the last of all.

    The hour-by-hour answer does not say of which station it is: the name of the file does.
    """
    data = answer.get("waterlevel_data", answer)
    data = data.get("data") if isinstance(data, dict) else data
    tally = Tally(path)
    if isinstance(data, dict):
        rows = pd.DataFrame(_hours(path, tally, data), columns=["id", "time", "value", "discharge"])
    elif isinstance(data, list):
        points = tally.points(_Row, data, at="data")
        rows = pd.DataFrame(
            [
                (one.station.id, one.waterlevel_datetime, one.waterlevel_msl, one.discharge)
                for one in points
                if one.station.id in thaiwater_stations()
            ],
            columns=["id", "time", "value", "discharge"],
        )
    else:
        raise BadGranule(path, expected="an object or a list as data", found=shown(data))
    rows = tally.timed(rows, offset="+07:00", like=_THAI_LIKE)
    parts = [
        partial(
            series,
            path,
            station=thaiwater_stations().get(str(number), f"{THAIWATER}{number}"),
            variable=variable,
            unit=unit,
            datum=datum,
            method="telemetry",
            time=given["time"],
            value=given[column],
        )
        for number, part in rows.groupby("id")
        for variable, unit, datum, column in (
            ("stage", "m", "msl", "value"),
            ("discharge", "m3/s", "gauge", "discharge"),
        )
        for given in [part[part[column].notna()]]
    ]
    return read_parts(path, tally, parts)


def _hours(
    path: Path, tally: Tally, data: dict[str, Any]
) -> Iterator[tuple[str, str, float, float]]:
    """Station, stamp, level and discharge of each hour."""
    named = re.search(r"waterlevel_graph_(\d+)", path.name)
    if named is None:
        raise BadGranule(path, expected="a name like waterlevel_graph_2752", found=path.name)
    made = typed(path, _Graph, data, at="data")
    for one in tally.points(_Hour, made.graph_data or [], at="data.graph_data"):
        yield named[1], one.datetime, one.value, one.discharge

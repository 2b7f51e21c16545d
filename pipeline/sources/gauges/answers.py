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
    abbreviate,
    decode_json,
    read_content,
    read_parts,
    validate,
)
from pipeline.sources.gauges.fews_pi import read_pi_json
from pipeline.sources.gauges.korea import read_hrfco, read_wamis
from pipeline.sources.gauges.series import PARAMETERS, UNITS, NoReadings, make_series, parse_method
from pipeline.sources.gauges.stamps import correct_stamps

THAIWATER = "thaiwater-"
"""Prefix of the codes of ThaiWater's stations that are none of the MRC's; their number follows."""
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
        The answer has no readings.
    Skipped
        Its content is of a kind that the pipeline does not use.
    BadGranule
        The answer is cut short, of another kind, or has fields of another type.
    """
    answer = decode_json(path, read_content(path))
    if isinstance(answer, list):
        return _read_last(path, answer)
    if not isinstance(answer, dict):
        raise BadGranule(
            path, expected="an answer of the MRC or ThaiWater", found=abbreviate(answer)
        )
    for keys, reader in (
        ({"measurements"}, _read_live),
        ({"Points"}, _read_archive),
        ({"timeSeries"}, read_pi_json),
        ({"waterlevel_data"}, _read_thaiwater),
        ({"content"}, read_hrfco),
        ({"code", "message"}, read_hrfco),
        ({"list"}, read_wamis),
    ):
        if keys <= set(answer):
            return reader(path, answer)
    if answer.get("result") == "OK":
        return _read_thaiwater(path, answer)
    raise BadGranule(
        path,
        expected="an answer of the MRC or ThaiWater",
        found=f"keys {abbreviate(sorted(map(str, answer))[:6])}",
    )


def check_inventory(path: Path, answer: object) -> list[Series]:
    """Check the list of series of the MRC's archive; rows of other types are left out.

    Parameters
    ----------
    path
        Path for the error message.
    answer
        Decoded JSON.

    Raises
    ------
    BadGranule
        The answer is no list, or has no valid row.
    """
    if not isinstance(answer, list):
        raise BadGranule(path, expected="a list of series", found=abbreviate(answer))
    tally = Tally(path)
    rows = tally.points(Series, answer, at="series")
    if answer and not rows:
        expected, content = tally.bad[0]
        raise BadGranule(path, expected=expected, found=content)
    return rows


def _read_live(path: Path, answer: dict[str, Any]) -> pd.DataFrame:
    """Read one station of the MRC with its measurements."""
    live = validate(path, _Live, answer)
    tally = Tally(path)
    points = tally.points(_Measurement, live.measurements or [], at="measurements")
    rows = pd.DataFrame(
        [(live.station.stationId, point.d, point.w, point.r) for point in points],
        columns=["station", "time", "stage", "rain"],
    )
    return _read_telemetry(path, tally, rows)


def _read_last(path: Path, answer: list[Any]) -> pd.DataFrame:
    """Read the list of the MRC's live stations, with the last measurement of each."""
    tally = Tally(path)
    points = tally.points(_Last, answer, at="stations")
    rows = pd.DataFrame(
        [
            (point.stationId, point.lastMeasurement, point.waterLevel)
            for point in points
            if point.lastMeasurement
        ],
        columns=["station", "time", "stage"],
    )
    return _read_telemetry(path, tally, rows)


def _read_telemetry(path: Path, tally: Tally, rows: pd.DataFrame) -> pd.DataFrame:
    """Return the readings of sensors of the MRC."""
    rows = tally.timed(rows, like=_UTC_LIKE)
    units = {"stage": "m", "rain": "mm"}
    parts = [
        partial(
            make_series,
            path,
            station=str(code),
            variable=variable,
            unit=unit,
            method="telemetry",
            time=rows_of_variable["time"],
            value=rows_of_variable[variable],
        )
        for code, part in rows.groupby("station")
        for variable, unit in units.items()
        if variable in part
        # A field that is absent withdraws nothing.
        for rows_of_variable in [part[part[variable].notna()]]
    ]
    return read_parts(path, tally, parts)


def _read_archive(path: Path, answer: dict[str, Any]) -> pd.DataFrame:
    """Read the points of one series, which the name of the file identifies as for an export."""
    name = path.name.encode(errors="replace").decode()
    match = re.search(r"^(.+?)\.(.+)@([A-Z]{2})_([^_]+)_", name)
    if match is None:
        raise BadGranule(
            path, expected="a name like Water Level.Manual@LA_013901_[Pakse].json", found=name
        )
    parameter, label, _, code = match.groups()
    if parameter not in PARAMETERS:
        raise Skipped(f"{path.name}: {parameter} is not used")
    variable = PARAMETERS[parameter]
    archive = validate(path, _Archive, answer)
    if not archive.Points:
        raise NoReadings(path)
    tally = Tally(path)
    points = tally.points(_Point, archive.Points, at="Points")
    rows = pd.DataFrame(
        [
            (point.Timestamp, point.Value.Numeric if point.Value else float("nan"))
            for point in points
        ],
        columns=["time", "value"],
    )
    rows = tally.timed(rows, like="2026-08-20T07:00:00.0000000+07:00")
    method, qc = parse_method(label), pd.Series("good", index=rows.index)
    if method == "manual":
        rows["time"], early, remarks = correct_stamps(rows["time"])
        qc[early] = "shifted"
        tally.remarks.extend(remarks)
    part = partial(
        make_series,
        path,
        station=code,
        variable=variable,
        method=method,
        version=label,
        qc=qc,
        unit=archive.Unit or next(iter(UNITS[variable])),
        time=rows["time"],
        value=rows["value"],
    )
    return read_parts(path, tally, [part])


@lru_cache
def list_thaiwater_stations() -> dict[str, str]:
    """List the stations of ThaiWater in use: number -> MRC code, or a code of their own."""
    return {
        row["id"]: row["station"] or f"{THAIWATER}{row['id']}"
        for row in edition().rows("thaiwater.csv")
    }


def _read_thaiwater(path: Path, answer: dict[str, Any]) -> pd.DataFrame:
    """Read levels above mean sea level in Bangkok time: hourly of one station, or the last of all.

    The hourly answer does not name its station; the name of the file does.
    """
    data = answer.get("waterlevel_data", answer)
    data = data.get("data") if isinstance(data, dict) else data
    tally = Tally(path)
    if isinstance(data, dict):
        rows = pd.DataFrame(
            _list_hours(path, tally, data), columns=["id", "time", "value", "discharge"]
        )
    elif isinstance(data, list):
        points = tally.points(_Row, data, at="data")
        rows = pd.DataFrame(
            [
                (point.station.id, point.waterlevel_datetime, point.waterlevel_msl, point.discharge)
                for point in points
                if point.station.id in list_thaiwater_stations()
            ],
            columns=["id", "time", "value", "discharge"],
        )
    else:
        raise BadGranule(path, expected="an object or a list as data", found=abbreviate(data))
    rows = tally.timed(rows, offset="+07:00", like=_THAI_LIKE)
    parts = [
        partial(
            make_series,
            path,
            station=list_thaiwater_stations().get(str(number), f"{THAIWATER}{number}"),
            variable=variable,
            unit=unit,
            datum=datum,
            method="telemetry",
            time=rows_of_variable["time"],
            value=rows_of_variable[column],
        )
        for number, part in rows.groupby("id")
        for variable, unit, datum, column in (
            ("stage", "m", "msl", "value"),
            ("discharge", "m3/s", "gauge", "discharge"),
        )
        for rows_of_variable in [part[part[column].notna()]]
    ]
    return read_parts(path, tally, parts)


def _list_hours(
    path: Path, tally: Tally, data: dict[str, Any]
) -> Iterator[tuple[str, str, float, float]]:
    """List station, stamp, level and discharge of each hour."""
    match = re.search(r"waterlevel_graph_(\d+)", path.name)
    if match is None:
        raise BadGranule(path, expected="a name like waterlevel_graph_2752", found=path.name)
    graph = validate(path, _Graph, data, at="data")
    for hour in tally.points(_Hour, graph.graph_data or [], at="data.graph_data"):
        yield match[1], hour.datetime, hour.value, hour.discharge

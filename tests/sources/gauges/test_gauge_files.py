"""Gauge files by their content, and answers of interfaces fetched, named and kept."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from pytest_httpserver import HTTPServer

from pipeline import steps
from pipeline.settings import Settings
from pipeline.sources.access.client import Client
from pipeline.sources.base import (
    BadGranule,
    Granule,
    HttpError,
    NeedsCredentials,
    NotPublished,
    Skipped,
)
from pipeline.sources.gauges import answers, gauge_files
from pipeline.sources.upstream import locate
from pipeline.storage.records import Records
from pipeline.virtual.tables import write_mrc_export
from tests.sources import gauge_servers
from tests.sources.portal_exports import NAME, make_export, make_row


def write(folder: Path, *rows: str, name: str = NAME) -> Path:
    path = folder / name
    path.write_text(make_export(*rows), encoding="utf-8")
    return path


def test_the_z_is_right_and_the_header_is_not(tmp_path: Path) -> None:
    path = write(tmp_path, make_row("2024-08-01T00:00Z", 9.5), make_row("2024-08-01T12:00Z", 9.7))
    frame = gauge_files.read(path)
    assert frame["valid_time"].tolist() == [
        pd.Timestamp("2024-08-01 00:00"), pd.Timestamp("2024-08-01 12:00")
    ]  # fmt: skip
    assert frame["value"].tolist() == [9.5, 9.7]
    assert set(frame["station"]) == {"013901"}
    assert set(frame["variable"]) == {"stage"}
    assert set(frame["unit"]) == {"m"}
    assert set(frame["qc"]) == {"good"}
    assert set(frame["version"]) == {"Manual, Raw - Not Yet Reviewed"}
    assert frame.attrs["origin"] == "measured"


@pytest.mark.parametrize(
    ("parameter", "unit", "value", "variable", "expected"),
    [("Water Level", "cm", 950, "stage", 9.5), ("Water Level", "m", 0, "stage", 0.0),
     ("Water Level", "m", -0.4, "stage", -0.4),
     ("Discharge", "m^3/s", 12000.5, "discharge", 12000.5),
     ("Rainfall", "mm", 0.0, "rain", 0.0)],
)  # fmt: skip
def test_units_become_canonical(  # noqa: PLR0917
    tmp_path: Path, parameter: str, unit: str, value: float, variable: str, expected: float
) -> None:
    row = make_row("2024-08-01T00:00Z", value, unit).replace("Water Level", parameter)
    frame = gauge_files.read(write(tmp_path, row, name=f"{parameter}.Manual@LA_013901_[Pakse].csv"))
    assert frame["variable"].tolist() == [variable]
    assert frame["value"].tolist() == pytest.approx([expected])
    assert frame["raw"].tolist() == ([f"{value} {unit}"] if unit == "cm" else [""])


def test_duplicates_conflicts_and_empty_rows(tmp_path: Path) -> None:
    path = write(
        tmp_path,
        make_row("2024-08-03T00:00Z", 5.0),
        make_row("2024-08-01T00:00Z", 1.0), make_row("2024-08-01T00:00Z", 1.0),
        make_row("2024-08-02T00:00Z", 2.0), make_row("2024-08-02T00:00Z", 2.5),
        make_row("2024-08-04T00:00Z", ""), make_row("2024-08-05T00:00Z", -9999),
    )  # fmt: skip
    frame = gauge_files.read(path)
    values = frame["value"].dropna().tolist()
    assert values == [1.0, 2.0, 2.5, 5.0], "both values are kept"
    flags = ["good", "conflict", "conflict", "good", "missing", "missing"]
    assert frame["qc"].tolist() == flags, "what is missing withdraws what was known"


def test_what_is_estimated_is_flagged_and_kept(tmp_path: Path) -> None:
    rows = [make_row("2024-08-01T00:00Z", 6.2), make_row("2024-08-02T00:00Z", 536.0)]
    rows[0] = rows[0].replace(",O,", ",E,")
    frame = gauge_files.read(write(tmp_path, *rows))
    assert frame["value"].tolist() == [6.2, 536.0], "what is possible, the checks tell"
    assert frame["qc"].tolist() == ["estimated", "good"]
    assert set(frame["raw"]) == {""}


@pytest.mark.parametrize(
    ("label", "method"),
    [("Manual", "manual"), ("Telemetry", "telemetry"), ("Daily Calculated", "calculated"),
     ("Daily Discharge", "manual")],
)  # fmt: skip
def test_the_label_tells_the_method(tmp_path: Path, label: str, method: str) -> None:
    row = make_row("2024-08-01T00:00Z", 6.2).replace("Manual", label)
    assert set(gauge_files.read(write(tmp_path, row))["method"]) == {method}


def test_a_station_that_the_project_does_not_know_is_read(tmp_path: Path) -> None:
    row = make_row("2024-08-01T00:00Z", 4).replace("LA,013901", "TH,999999")
    frame = gauge_files.read(write(tmp_path, row, name="Water Level.Manual@TH_999999_[Far].csv"))
    assert frame["station"].tolist() == ["999999"]


def test_other_parameters_are_skipped_not_failed(tmp_path: Path) -> None:
    row = make_row("2024-08-01T00:00Z", 80, "mg/l").replace("Water Level", "Total Suspended Solids")
    path = write(tmp_path, row, name="Total Suspended Solids.Measured@LA_013901_[Pakse].csv")
    with pytest.raises(Skipped, match="Total Suspended Solids is not used"):
        gauge_files.read(path)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("", "an empty file"),
        ("<html><body>Sign in</body></html>\n", "the header Country Code.*begins with b'<html>"),
        (make_export(), "found the header alone"),
        (make_export(make_row("2024-08-01T00:00Z", 1))[:-5], "a file cut short"),
        (make_export(make_row("2024-08-01T00:00Z", 1)[:-40]),
         "portal export, found 1 bad of 1 rows: line 2: expected 10 cells .*, found 8"),
        (make_export(make_row("2024-08-01T00:00Z", 1) + ",x"), "10 cells .* found 11"),
        (make_export(make_row("2024-08-01T00:00Z", 1, "ft")), "unit m or cm.*found ft"),
        (make_export(make_row("01/08/2024 07:00", 1)), "stamps like"),
        (make_export(make_row("2024-08-01T00:00Z", "high")), "a number, found 'high'"),
        (make_export(make_row("2024-08-01T00:00Z", 1).replace("013901", "14901")),
         "station 013901 as in its name, found '14901'"),
        (make_export(make_row("2024-08-01T00:00Z", 1),
                     make_row("2024-08-02T00:00Z", 1).replace("013901", "013801")), "one station"),
        (make_export(make_row("2024-08-01T00:00Z", 1), make_row("2024-08-02T00:00Z", 100, "cm")),
         "one unit"),
    ],
)  # fmt: skip
def test_bad_files_say_what_is_wrong(tmp_path: Path, content: str, message: str) -> None:
    path = tmp_path / NAME
    path.write_text(content, encoding="utf-8")
    with pytest.raises(BadGranule, match=rf"^Water Level.*{message}"):
        gauge_files.read(path)


def test_malformed_code_without_a_telling_name(tmp_path: Path) -> None:
    row = make_row("2024-08-01T00:00Z", 1).replace("013901", "H_39")
    with pytest.raises(BadGranule, match="a station code of six digits, found 'H_39'"):
        gauge_files.read(write(tmp_path, row, name="export.csv"))


def test_virtual_exports_say_so_and_are_found(tmp_path: Path) -> None:
    night = datetime(2024, 8, 2, 0, 30, tzinfo=UTC)
    times = pd.date_range("2024-08-01", periods=3, freq="12h")
    written = write_mrc_export(
        tmp_path / "mrc/20240802T0030", country="LA", code="013901", station="Pakse", lat=15.1,
        lon=105.81, variable="stage", valid_time=times.to_numpy(),
        value=np.array([9.511, 9.7, -0.25]), published=night,
    )  # fmt: skip
    assert written.name == NAME
    assert (
        (written.parent / NAME.replace(".csv", "__metadata.txt")).read_text().startswith("# Time")
    )
    frame = gauge_files.read(written)
    assert frame.attrs["origin"] == "virtual"
    assert frame["value"].tolist() == [9.51, 9.7, -0.25]
    assert frame["valid_time"].tolist() == times.tolist()
    new_year = datetime(2024, 1, 1, tzinfo=UTC)
    names = {g.pattern: g for g in gauge_files.granules("gauges", new_year, night, night)}
    path, available = locate(names["2*/Water Level.Manual@??_013901_*.csv"], tmp_path, asof=night)
    assert (path, available) == (written, night)
    assert gauge_files.list_exports(written.parent) == [written]
    with pytest.raises(FileNotFoundError, match="found none"):
        gauge_files.list_exports(tmp_path)


def text(folder: Path, name: str, *lines: str) -> Path:
    path = folder / name
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return path


def readings(frame: pd.DataFrame, *columns: str) -> list[list[object]]:
    """Rows of a frame, times in words."""
    frame = frame.dropna(subset="value")
    formatted = frame.assign(valid_time=frame["valid_time"].dt.strftime("%Y-%m-%d %H:%M"))
    cells: list[list[object]] = formatted[list(columns)].to_numpy(dtype=object).tolist()
    return cells


def test_hymos_rows(tmp_path: Path) -> None:
    path = text(
        tmp_path, "hymos.csv",
        "LA,12703,HH,M,2024-08-01T07:00:00+07:00,6.4,m     , O",
        "LA,12703,HH,M,2024-08-01T19:00:00+07:00,-9999,m     , O",
        "LA,12703,HH,T,2024-08-01T07:00:00+07:00,6.45,m     , E",
        "CN,92600,HH,M,2024-08-01T07:00:00+08:00,536.2,m     , O",
        "LA,12703,PM,M,2024-08-01T07:00:00+07:00,12.5,mm    , O",
    )  # fmt: skip
    frame = gauge_files.read(path)
    assert readings(frame, "station", "variable", "method", "valid_time", "value", "qc") == [
        ["012703", "rain", "manual", "2024-08-01 00:00", 12.5, "good"],
        ["012703", "stage", "manual", "2024-08-01 00:00", 6.4, "good"],
        ["012703", "stage", "telemetry", "2024-08-01 00:00", 6.45, "estimated"],
        ["092600", "stage", "manual", "2024-07-31 23:00", 536.2, "good"],
    ]
    assert frame.attrs["origin"] == "measured"


PLAIN = "station,variable,time,value,unit"


def test_plain_csv_of_an_agency(tmp_path: Path) -> None:
    path = text(
        tmp_path, "agency.csv",
        PLAIN + ",method,datum,version",
        "013901,stage,2026-08-20T07:00:00+07:00,950,cm,manual,gauge,a",
        "013901,stage,2026-08-20T00:15:00Z,96.09,m,telemetry,msl,a",
        "012702,stage,2026-08-20T00:00:00Z,148.5,m,telemetry,msl,a",
        "kwater-1001620,rain,2026-08-20T06:30:00+06:30,12.5,mm,telemetry,gauge,a",
        "kwater-1001620,rain,2026-08-20T07:30:00+06:30,,mm,telemetry,gauge,a",
        "013901,discharge,2026-08-20T08:00:00+08:00,21000,m3/s,calculated,gauge,a",
    )  # fmt: skip
    frame = gauge_files.read(path)
    columns = ("station", "variable", "method", "valid_time", "value", "unit", "qc", "raw")
    at = "2026-08-20 00:00"
    assert readings(frame.round({"value": 3}), *columns) == [
        ["012702", "stage", "telemetry", at, 148.5, "m", "absolute", "148.5 m amsl"],
        ["013901", "discharge", "calculated", at, 21000.0, "m3 s-1", "good", ""],
        ["013901", "stage", "manual", at, 9.5, "m", "good", "950 cm"],
        ["013901", "stage", "telemetry", "2026-08-20 00:15", 9.6, "m", "good", "96.09 m amsl"],
        ["kwater-1001620", "rain", "telemetry", at, 12.5, "mm", "good", ""],
    ]
    short = text(tmp_path, "short.csv", PLAIN, "013901,stage,2026-08-20T07:00:00+07:00,9.5,m")
    assert readings(gauge_files.read(short), "method", "value") == [["manual", 9.5]]


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("013901,stage,2026-08-20T07:00:00,9.5,m", "stamps like 2026-08-20T07:00:00.07:00, found"),
        (
            "13910,stage,2026-08-20T00:00:00Z,9.5,m",
            "line 2: expected a station code of six digits, found '13910'; did you mean 013901",
        ),
        ("013901,level,2026-08-20T00:00:00Z,9.5,m", "variable stage or discharge or rain"),
        ("013901,stage,2026-08-20T00:00:00Z,9.5,ft", "unit m or cm or mm, found 'ft'"),
        ("013901,stage,2026-08-20T00:00:00Z,high,m", "a number, found 'high'"),
        ("013901,stage,2026-08-20T00:00:00Z,inf,m", "a number, found 'inf'"),
        ("013901,stage,2026-08-20T00:00:00Z,9.5", "5 cells as in the heading, found 4"),
        ("013901,stage,2026-08-20T00:00:00Z,,m", "at least one reading, found none"),
    ],
)
def test_a_bad_plain_csv_says_what_is_wrong(tmp_path: Path, line: str, message: str) -> None:
    with pytest.raises(BadGranule, match=rf"^agency\.csv: expected .*{message}"):
        gauge_files.read(text(tmp_path, "agency.csv", PLAIN, line))


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("LA,12703,HH,X,2026-08-20T07:00:00+07:00,6.4,m, O", "method M, T or A, found 'X'"),
        ("LA,12703,QQ,M,2026-08-20T07:00:00+07:00,6.4,m, O", "HH in m, rain in mm or m3/s"),
        ("LA,12703,HH,M,2026-08-20T07:00:00,6.4,m, O", "stamps like 2026-08-20T07:00:00.07:00"),
        ("LA,12703,HH,M,2026-08-20T07:00:00+07:00,6.4,m", "8 cells as in the heading, found 7"),
    ],
)
def test_bad_hymos_rows_say_what_is_wrong(tmp_path: Path, line: str, message: str) -> None:
    good = "LA,12703,HH,M,2026-08-21T07:00:00+07:00,6.4,m, O"
    frame = gauge_files.read(text(tmp_path, "hymos.csv", good, line))
    assert readings(frame, "valid_time", "value") == [["2026-08-21 00:00", 6.4]]
    assert len(frame.attrs["bad_rows"]) == 1
    assert re.search(rf"^line 2: expected .*{message}", frame.attrs["bad_rows"][0])
    with pytest.raises(BadGranule, match=rf"rows of HYMOS or FMMP, found 3 bad of 4 .*{message}"):
        gauge_files.read(text(tmp_path, "hymos.csv", good, line, line, line))


WATERML = """<?xml version="1.0" encoding="UTF-8"?>
<wml2:Collection xmlns:wml2="http://www.opengis.net/waterml/2.0"
  xmlns:om="http://www.opengis.net/om/2.0" xmlns:gml="http://www.opengis.net/gml/3.2"
  xmlns:xlink="http://www.w3.org/1999/xlink" xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance">
 <wml2:observationMember><om:OM_Observation gml:id="o1">
  <om:procedure xlink:href="http://example.org/process/{procedure}"/>
  <om:observedProperty xlink:href="http://example.org/property/{observed}"/>
  <om:featureOfInterest><wml2:MonitoringPoint gml:id="p">
   <gml:identifier codeSpace="http://example.org/station">{station}</gml:identifier>
   <wml2:timeZone><wml2:TimeZone><wml2:zoneOffset>{zone}</wml2:zoneOffset></wml2:TimeZone>
   </wml2:timeZone></wml2:MonitoringPoint></om:featureOfInterest>
  <om:result><wml2:MeasurementTimeseries gml:id="t">
   <wml2:defaultPointMetadata><wml2:DefaultTVPMeasurementMetadata><wml2:uom code="{uom}"/>
   </wml2:DefaultTVPMeasurementMetadata></wml2:defaultPointMetadata>
   <wml2:point><wml2:MeasurementTVP><wml2:time>2026-08-20T07:00:00+07:00</wml2:time>
    <wml2:value>950</wml2:value></wml2:MeasurementTVP></wml2:point>
   <wml2:point><wml2:MeasurementTVP><wml2:time>2026-08-20T00:30:00Z</wml2:time>
    <wml2:value xsi:nil="true"/></wml2:MeasurementTVP></wml2:point>
   <wml2:point><wml2:MeasurementTVP><wml2:time>2026-08-20T08:00:00</wml2:time>
    <wml2:value>960</wml2:value></wml2:MeasurementTVP></wml2:point>
  </wml2:MeasurementTimeseries></om:result>
 </om:OM_Observation></wml2:observationMember>
</wml2:Collection>"""


def waterml(folder: Path, **change: str) -> Path:
    usual = {"station": "013901", "observed": "WaterLevel", "uom": "cm", "zone": "+07:00",
             "procedure": "sensor"}  # fmt: skip
    return text(folder, "answer.xml", WATERML.format(**usual | change))


def test_waterml_with_units_zones_and_nil(tmp_path: Path) -> None:
    frame = gauge_files.read(waterml(tmp_path))
    assert readings(frame, "station", "variable", "method", "valid_time", "value", "raw") == [
        ["013901", "stage", "telemetry", "2026-08-20 00:00", 9.5, "950 cm"],
        ["013901", "stage", "telemetry", "2026-08-20 01:00", 9.6, "960 cm"],
    ]
    frame = gauge_files.read(waterml(tmp_path, zone="+06:30", procedure="observer"))
    assert readings(frame, "method", "valid_time")[1] == ["manual", "2026-08-20 01:30"]
    rain = gauge_files.read(
        waterml(tmp_path, observed="Precipitation", uom="mm", station="kw-1001620")
    )
    assert readings(rain, "station", "variable", "value")[0] == ["kw-1001620", "rain", 950.0]


@pytest.mark.parametrize(
    ("change", "message"),
    [({"zone": ""}, "stamps like .*found '2026-08-20T08:00:00'"), ({"uom": "ft"}, "unit m or cm"),
     ({"uom": ""}, "or mm, found none at 013901$"), ({"station": "13"}, "of six digits"),
     ({"station": "<"}, "well-formed XML")],
)  # fmt: skip
def test_bad_waterml_says_what_is_wrong(
    tmp_path: Path, change: dict[str, str], message: str
) -> None:
    with pytest.raises(BadGranule, match=rf"(?s)^answer\.xml: .*{message}"):
        gauge_files.read(waterml(tmp_path, **change))


def test_waterml_of_other_properties_is_skipped(tmp_path: Path) -> None:
    with pytest.raises(Skipped, match="WaterTemperature is not used"):
        gauge_files.read(waterml(tmp_path, observed="WaterTemperature"))


def test_an_entity_in_xml_is_not_followed(tmp_path: Path) -> None:
    secret = text(tmp_path, "secret.txt", "013901")
    bomb = f'<!DOCTYPE x [<!ENTITY e SYSTEM "file://{secret}">]>\n<wml2'
    content = waterml(tmp_path).read_text(encoding="utf-8").replace("<wml2", bomb, 1)
    path = text(tmp_path, "answer.xml", content.replace("013901", "&e;"))
    with pytest.raises(BadGranule, match="station code"):
        gauge_files.read(path)


NIGHT = datetime(2026, 8, 20, 0, 30, tzinfo=UTC)
MONTH = timedelta(days=31)


def granule(source: str, pattern: str) -> Granule:
    """First granule of a night whose name has a part."""
    granules = gauge_files.granules(source, NIGHT - MONTH, NIGHT, NIGHT)
    return next(candidate for candidate in granules if pattern in candidate.pattern)


@pytest.fixture
def client(httpserver: HTTPServer) -> Iterator[Client]:
    base = httpserver.url_for("").rstrip("/")
    endpoints = dict.fromkeys(("mrc", "mrc_archive", "thaiwater"), base)
    environment = {"MRC_API_KEY": gauge_servers.KEY}
    with Client(endpoints=endpoints, environment=environment, sleep=lambda _: None) as provider:
        yield provider


def published(path: Path) -> datetime:
    return datetime.fromtimestamp(path.stat().st_mtime, tz=UTC)


LIVE = gauge_servers.recent(
    "013901",
    {"d": "2026-08-19T23:45:00Z", "w": 9.08, "r": 0.2, "b": 12.7},
    {"d": "2026-08-20T00:00:00Z", "w": 9.1, "r": None, "b": 12.7},
    {"d": "2026-08-20T00:15:00Z", "w": None, "r": 0.0, "b": 12.7},
)


def test_live_telemetry_is_fetched_kept_and_read(
    tmp_path: Path, httpserver: HTTPServer, client: Client
) -> None:
    gauge_servers.serve_live(httpserver, {"013901": LIVE})
    live = granule("mrc_live", "013901")
    path = gauge_files.fetch(live, tmp_path, client=client)
    assert path == tmp_path / "mrc_live/20260820T0030/measurement_013901_20260820T0030.json"
    assert json.loads(path.read_bytes()) == LIVE
    assert published(path) == NIGHT - timedelta(minutes=20)
    assert locate(live, tmp_path, asof=NIGHT) == (path, published(path))
    assert list(path.parent.iterdir()) == [path]
    frame = gauge_files.read(path)
    assert readings(frame, "variable", "method", "valid_time", "value") == [
        ["rain", "telemetry", "2026-08-19 23:45", 0.2],
        ["rain", "telemetry", "2026-08-20 00:15", 0.0],
        ["stage", "telemetry", "2026-08-19 23:45", 9.08],
        ["stage", "telemetry", "2026-08-20 00:00", 9.1],
    ]
    with pytest.raises(NotPublished):
        gauge_files.fetch(granule("mrc_live", "014901"), tmp_path, client=client)


def test_the_next_night_loses_nothing(
    tmp_path: Path, httpserver: HTTPServer, client: Client
) -> None:
    gauge_servers.serve_live(httpserver, {"013901": LIVE})
    first = gauge_files.fetch(granule("mrc_live", "013901"), tmp_path, client=client)
    later = NIGHT + timedelta(days=1)
    (live,) = (candidate for candidate in gauge_files.granules("mrc_live", NIGHT, later, later)
                 if "013901" in candidate.pattern)  # fmt: skip
    second = gauge_files.fetch(live, tmp_path, client=client)
    assert first.exists()
    assert first.name != second.name, "a name seen once counts as known"


def test_live_interface_without_a_key(tmp_path: Path, httpserver: HTTPServer) -> None:
    gauge_servers.serve_live(httpserver, {"013901": LIVE})
    base = {"mrc": httpserver.url_for("").rstrip("/")}
    with Client(endpoints=base, environment={}) as none, pytest.raises(NeedsCredentials):
        gauge_files.fetch(granule("mrc_live", "013901"), tmp_path, client=none)
    assert httpserver.log == []
    with (
        Client(endpoints=base, environment={"MRC_API_KEY": "wrong"}) as wrong,
        pytest.raises(HttpError, match="401") as error,
    ):
        gauge_files.fetch(granule("mrc_live", "013901"), tmp_path, client=wrong)
    assert "wrong" not in str(error.value)
    assert not list(tmp_path.rglob("*.json"))


def plain(httpserver: HTTPServer, path: str, body: str, status: int = 200) -> None:
    kind = "text/html" if body.startswith("<") else "application/json"
    httpserver.expect_request(path).respond_with_data(body, status, content_type=kind)


@pytest.mark.parametrize(
    ("body", "status", "error", "message"),
    [
        (gauge_servers.HTML, 200, HttpError, "expected whole JSON"),
        (json.dumps(LIVE)[:-9], 200, HttpError, "expected whole JSON"),
        ('{"message":"ok"}', 200, HttpError, "an answer of the MRC or ThaiWater"),
        ('{"measurements":[{"d":"2026-08-20T00:00:00Z","w":1}]}', 200, HttpError, "station"),
        ('{"station":{"stationId":"013901"},"measurements":[]}', 200, NotPublished, "found none"),
        ('{"station":{"stationId":"013901"},"measurements":null}', 200, NotPublished, "none"),
        ("{}", 429, HttpError, "429"),
        ("{}", 503, HttpError, "503"),
    ],
)
def test_what_a_live_interface_may_say_instead(  # noqa: PLR0917
    tmp_path: Path, httpserver: HTTPServer, client: Client, body: str, status: int,
    error: type[Exception], message: str,
) -> None:  # fmt: skip
    plain(httpserver, f"{gauge_servers.RECENT}/measurement/013901", body, status)
    with pytest.raises(error, match=message):
        gauge_files.fetch(granule("mrc_live", "013901"), tmp_path, client=client)
    assert not list(tmp_path.rglob("*.json")), "nothing is kept that cannot be read"


def test_the_list_of_live_stations(tmp_path: Path) -> None:
    rows = [
        {"stationId": "013901", "waterLevel": 9.1, "lastMeasurement": "2026-08-20T00:15:00Z"},
        {"stationId": "014901", "waterLevel": 17.2, "lastMeasurement": None},
    ]
    frame = gauge_files.read(text(tmp_path, "stations.json", json.dumps(rows)))
    assert readings(frame, "station", "valid_time", "value") == [
        ["013901", "2026-08-20 00:15", 9.1]
    ]
    answer = f"{json.dumps(rows)}\n"
    for content in (answer.encode("utf-16"), answer.encode("utf-16-le"), answer.encode("utf-16-be"),
                    f"\ufeff{answer}".encode("utf-16-be")):  # fmt: skip
        (tmp_path / "utf16.json").write_bytes(content)
        assert gauge_files.read(tmp_path / "utf16.json")["value"].tolist() == [9.1]


POINTS = gauge_servers.points(
    {
        "2026-08-19T07:00:00.0000000+07:00": 9.0,
        "2026-08-19T19:00:00.0000000+07:00": None,
        "2026-08-20T07:00:00.0000000+07:00": 9.1,
    }
)


def test_archive_series_are_found_fetched_and_read(
    tmp_path: Path, httpserver: HTTPServer, client: Client
) -> None:
    row = gauge_servers.inventory_row
    now = "2026-08-20T07:00:00.0000000+07:00"
    rows = [
        row("013901", "Water Level", "Telemetry", end=now, unique="t"),
        row("013901", "Water Level", "Manual", end=now),
        row("013901", "Water Level", "Manual", end="2019-01-01T00:00:00Z", unique="old"),
        row("013901", "Rainfall", "Manual", end="2018-12-31T00:00:00Z", unique="ended"),
    ]
    gauge_servers.serve_archive(httpserver, rows, {gauge_servers.UNIQUE: POINTS})
    archive = granule("mrc_archive", "Water Level.*@??_013901_")
    path = gauge_files.fetch(archive, tmp_path, client=client)
    assert path.name == "Water Level.Manual@LA_013901_[Pakse]_20260820T0030.json"
    assert locate(archive, tmp_path, asof=NIGHT)[0] == path
    assert readings(gauge_files.read(path), "station", "method", "valid_time", "value") == [
        ["013901", "manual", "2026-08-19 00:00", 9.0],
        ["013901", "manual", "2026-08-20 00:00", 9.1],
    ]
    requests = [request for request, _ in httpserver.log if "Corrected" in request.path]
    assert dict(requests[0].args) == {"sd": "2026-07-20", "ed": "2026-08-20"}
    with pytest.raises(NotPublished, match="no such series reports"):
        gauge_files.fetch(granule("mrc_archive", "Rainfall.*@??_013901_"), tmp_path, client=client)
    assert len([1 for request, _ in httpserver.log if "inventory" in request.path]) == 1


@pytest.mark.parametrize(
    ("label", "hours", "flag"), [("Manual", (0, 12), "shifted"), ("Telemetry", (17, 5), "good")]
)
def test_the_portal_shift_of_an_archive_answer(
    tmp_path: Path, label: str, hours: tuple[int, int], flag: str
) -> None:
    points = gauge_servers.points({
        f"2020-08-{day:02d}T{hour}:00:00.0000000+07:00": 9.0 + day / 10
        for day in range(1, 20) for hour in ("00", "12")
    })  # fmt: skip
    name = f"Water Level.{label}@LA_013901_[Pakse].json"
    frame = gauge_files.read(text(tmp_path, name, json.dumps(points)))
    assert frame["valid_time"].dt.hour.tolist()[:2] == list(hours)
    assert frame["value"].tolist()[:2] == [9.1, 9.1]
    assert set(frame["qc"]) == {flag}
    assert [line[:18] for line in frame.attrs["said"]] == ["38 manual readings"] * (
        label == "Manual"
    )


def test_an_archive_answer_under_another_name(tmp_path: Path) -> None:
    with pytest.raises(BadGranule, match=r"a name like Water Level\.Manual"):
        gauge_files.read(text(tmp_path, "data.json", json.dumps(POINTS)))
    empty = "Water Level.Manual@LA_013901_[Pakse].json"
    with pytest.raises(BadGranule, match="at least one reading"):
        gauge_files.read(text(tmp_path, empty, json.dumps(gauge_servers.points({}))))


def test_thaiwater_in_bangkok_time_and_above_the_sea(
    tmp_path: Path, httpserver: HTTPServer, client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    hours = {"2026-08-20 05:00": 110.2, "2026-08-20 06:00": None, "2026-08-20 07:00": 110.3}
    requests = gauge_servers.serve_thaiwater(httpserver, {"2752": gauge_servers.graph(hours)})
    path = gauge_files.fetch(granule("thaiwater", "_2752_"), tmp_path, client=client)
    assert requests[0] == {
        "station_type": "tele_waterlevel", "station_id": "2752",
        "start_date": "2026-07-20 07:30", "end_date": "2026-08-20 06:50",
    }  # fmt: skip
    assert readings(gauge_files.read(path), "station", "valid_time", "value", "qc") == [
        ["thaiwater-2752", "2026-08-19 22:00", 110.2, "absolute"],
        ["thaiwater-2752", "2026-08-20 00:00", 110.3, "absolute"],
    ]
    monkeypatch.setattr(answers, "list_thaiwater_stations", lambda: {"2752": "013101"})
    frame = gauge_files.read(path)  # as if it were Nakhon Phanom, whose zero is verified
    rounded = readings(frame.round({"value": 3}), "station", "value", "qc", "raw")
    assert rounded[0] == ["013101", -20.761, "good", "110.2 m amsl"]
    with pytest.raises(HttpError, match="500"):
        gauge_files.fetch(granule("thaiwater", "_281_"), tmp_path, client=client)


def test_a_silent_station_of_thaiwater(
    tmp_path: Path, httpserver: HTTPServer, client: Client
) -> None:
    silent = gauge_servers.graph({"2026-08-20 05:00": None, "2026-08-20 06:00": None})
    refused = {"result": "NO", "data": "422:  No station id"}
    gauge_servers.serve_thaiwater(httpserver, {"2752": silent, "281": refused})
    with pytest.raises(NotPublished, match="found none"):
        gauge_files.fetch(granule("thaiwater", "_2752_"), tmp_path, client=client)
    with pytest.raises(HttpError, match="an answer of the MRC or ThaiWater"):
        gauge_files.fetch(granule("thaiwater", "_281_"), tmp_path, client=client)


def test_years_of_thaiwater_are_asked_for_one_by_one() -> None:
    granules = [part for part in gauge_files.granules("thaiwater", NIGHT - 36 * MONTH, NIGHT, NIGHT)
             if "_2752_" in part.pattern]  # fmt: skip
    assert len(granules) == 4
    assert granules[0].start == NIGHT - 36 * MONTH
    assert all(part.end - part.start <= timedelta(days=364) for part in granules)
    assert all(part.end == following.start for part, following in pairwise(granules))


def test_the_last_levels_of_all_stations_of_thaiwater(tmp_path: Path) -> None:
    def row(number: int, time: str, level: str) -> dict[str, object]:
        return {
            "station": {"id": number}, "waterlevel_datetime": time, "waterlevel_msl": level,
            "discharge": "12.5",
        }  # fmt: skip

    answer = {"waterlevel_data": {"result": "OK", "data": [
        row(2752, "2026-08-20 06:50", "110.25"), row(1, "2026-08-20 06:50", "1.31")]}}  # fmt: skip
    frame = gauge_files.read(text(tmp_path, "waterlevel_load.json", json.dumps(answer)))
    assert readings(frame, "station", "variable", "valid_time", "value") == [
        ["thaiwater-2752", "discharge", "2026-08-19 23:50", 12.5],
        ["thaiwater-2752", "stage", "2026-08-19 23:50", 110.25],
    ]


def test_an_export_is_not_fetched(tmp_path: Path, client: Client) -> None:
    with pytest.raises(NotPublished, match="exported by hand"):
        gauge_files.fetch(granule("gauges", "013901"), tmp_path, client=client)


def test_every_interface_goes_through_the_ingest(tmp_path: Path) -> None:
    """Files of all kinds in one folder; the observer stands before the sensor."""
    text(tmp_path, "measurement_013901.json", json.dumps(LIVE))
    text(tmp_path, "Water Level.Manual@LA_013901_[Pakse].json", json.dumps(POINTS))
    text(tmp_path, "agency.csv", PLAIN, "014901,stage,2026-08-20T00:00:00Z,17.2,m")
    waterml(tmp_path, station="019802")
    text(tmp_path, "other.csv", "a,b", "1,2")
    text(
        tmp_path, "Water Level.Manual@LA_013901_[Pakse]__metadata.txt", "# generated for this test"
    )
    settings = Settings(data_dir=tmp_path / "data", upstream="archive", records_url=None)
    done = steps.ingest("gauges", asof=NIGHT, settings=settings, folder=tmp_path)
    assert done.read == 4
    first, second = done.rejected
    assert "answer.xml: expected readings up to 2026-08-20 00:30Z, found 1 dated later" in first
    assert "other.csv: expected the header" in second
    stored = Records(settings.database).readings.read("stage", asof=NIGHT)
    assert readings(stored, "station", "method", "valid_time", "value") == [
        ["013901", "manual", "2026-08-19 00:00", 9.0],
        ["013901", "telemetry", "2026-08-19 23:45", 9.08],
        ["013901", "manual", "2026-08-20 00:00", 9.1],
        ["014901", "manual", "2026-08-20 00:00", 17.2],
        ["019802", "telemetry", "2026-08-20 00:00", 9.5],
    ]

"""Series of Delft-FEWS in PI-XML and in PI-JSON."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from pipeline.sources.base import BadGranule, Skipped
from pipeline.sources.gauges import gauge_files
from pipeline.sources.gauges.series import NoReadings

XML = """<?xml version="1.0" encoding="UTF-8"?>
<TimeSeries xmlns="http://www.wldelft.nl/fews/PI" xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance"
 xsi:schemaLocation="http://www.wldelft.nl/fews/PI http://fews.wldelft.nl/schemas/version1.0/pi-schemas/pi_timeseries.xsd" version="1.2">
 <timeZone>{zone}</timeZone>
 <series>
  <header>
   <type>instantaneous</type><locationId>013901</locationId><parameterId>{parameter}</parameterId>
   {more}<timeStep unit="second" multiplier="900"/>
   <startDate date="2026-08-20" time="06:00:00"/><endDate date="2026-08-20" time="08:00:00"/>
   <missVal>{missing}</missVal><stationName>Pakse</stationName><lat>15.1</lat><lon>105.8</lon>
   <units>{units}</units>
  </header>
  <event date="2026-08-20" time="06:45:00" value="{first}" flag="0"/>
  <event date="2026-08-20" time="07:00:00" value="980.0" flag="2" flagSource="c"/>
  <event date="2026-08-20" time="07:15:00" value="{missing}" flag="8"/>
  <event date="2026-08-20" time="07:30:00" value="990" flag="9"/>
 </series>
</TimeSeries>
"""  # noqa: E501


def xml(folder: Path, **change: str) -> Path:
    usual = {"zone": "7.0", "parameter": "H.obs", "more": "", "missing": "-999.0", "units": "cm",
             "first": "960"}  # fmt: skip
    path = folder / "export.xml"
    path.write_text(XML.format(**usual | change), encoding="utf-8")
    return path


def series(*events: tuple[str, str, object, object], **change: Any) -> dict[str, Any]:
    """One series of PI-JSON, every number as text, as the web service writes it."""
    header: dict[str, Any] = {
        "type": "instantaneous", "moduleInstanceId": "ImportTelemetry", "locationId": "013901",
        "parameterId": "H.obs", "timeStep": {"unit": "nonequidistant"},
        "startDate": {"date": "2026-08-20", "time": "00:00:00"},
        "endDate": {"date": "2026-08-20", "time": "01:00:00"},
        "missVal": "NaN", "stationName": "Pakse", "lat": "15.1", "lon": "105.8", "units": "m",
    }  # fmt: skip
    header |= change
    fields = [{"date": d, "time": t, "value": v, "flag": f} for d, t, v, f in events]
    return {"header": {k: v for k, v in header.items() if v is not None}, "events": fields}


EVENT = ("2026-08-20", "00:00:00", "9.8", "0")


def write(folder: Path, *parts: Any, zone: object = "0.0") -> Path:
    path = folder / "export.json"
    answer = {"version": "1.28", "timeZone": zone, "timeSeries": list(parts)}
    path.write_text(json.dumps(answer), encoding="utf-8")
    return path


def rows(frame: pd.DataFrame, *columns: str) -> list[list[object]]:
    frame = frame.dropna(subset="value")
    formatted = frame.assign(valid_time=frame["valid_time"].dt.strftime("%Y-%m-%d %H:%M"))
    cells: list[list[object]] = formatted[list(columns)].to_numpy(dtype=object).tolist()
    return cells


@pytest.mark.parametrize(
    ("zone", "first"),
    [("7.0", "2026-08-19 23:45"), ("6.5", "2026-08-20 00:15"), ("0.0", "2026-08-20 06:45"),
     ("-5.0", "2026-08-20 11:45")],
)  # fmt: skip
def test_xml_in_the_zone_at_its_top(tmp_path: Path, zone: str, first: str) -> None:
    frame = gauge_files.read(xml(tmp_path, zone=zone))
    assert rows(frame, "station", "variable", "method", "value", "unit", "qc", "raw") == [
        ["013901", "stage", "telemetry", 9.6, "m", "good", "960 cm"],
        ["013901", "stage", "telemetry", 9.8, "m", "good", "980 cm"],
    ]
    assert rows(frame, "valid_time")[0] == [first]


@pytest.mark.parametrize("missing", ["NaN", "-999.0", "-9999", "9.999E20", "-8888.5"])
def test_what_the_header_calls_missing_is_missing(tmp_path: Path, missing: str) -> None:
    assert rows(gauge_files.read(xml(tmp_path, missing=missing)), "value") == [[9.6], [9.8]]


@pytest.mark.parametrize(
    ("parameter", "units", "kind", "variable"),
    [
        ("H.obs", "m", "instantaneous", "stage"), ("H.meting", "m", "instantaneous", "stage"),
        ("h.OBS", "M", "instantaneous", "stage"), ("WATHTE", "m", "instantaneous", "stage"),
        ("H.meting.gem", "m", "mean", "stage"), ("H", "m", "instantaneous", "stage"),
        ("Q.obs", "m3/s", "instantaneous", "discharge"),
        ("Q [m3/s] [NVT] [OW]", "m³/s", "instantaneous", "discharge"),
        ("P.obs", "mm", "accumulative", "rain"), ("P.meting", "mm", "accumulative", "rain"),
        ("Rainfall", "mm", "accumulative", "rain"), ("P.obs.15min", "mm", "accumulative", "rain"),
        ("H.obs.raw", "m", "instantaneous", "stage"),
    ],
)  # fmt: skip
def test_parameters_that_are_observed(
    tmp_path: Path, parameter: str, units: str, kind: str, variable: str
) -> None:
    part = series(EVENT, parameterId=parameter, units=units, type=kind)
    frame = gauge_files.read(write(tmp_path, part))
    assert rows(frame, "variable", "valid_time", "value") == [[variable, "2026-08-20 00:00", 9.8]]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"forecastDate": {"date": "2026-08-20", "time": "00:00:00"}}, "'H.obs' is a forecast"),
        ({"ensembleMemberId": "3"}, "a forecast"),
        ({"ensembleId": "EPS", "ensembleMemberIndex": 0}, "a forecast"),
        ({"moduleInstanceId": "URBS_Forecast"}, "module 'URBS_Forecast' is not known"),
        ({"moduleInstanceId": "ISIS_Mekong", "parameterId": "H"}, "module 'ISIS_Mekong' is not"),
        ({"parameterId": "H.sim"}, "'H.sim' is not used"),
        ({"parameterId": "H.fcst"}, "'H.fcst' is not used"),
        ({"parameterId": "H.obs.forecast"}, "'H.obs.forecast' is not used"),
        ({"parameterId": "H.obs_forecast"}, "'H.obs_forecast' is not used"),
        ({"parameterId": "H.obs.max"}, "'H.obs.max' is not used"),
        ({"parameterId": "H [forecast]"}, "'H .forecast.' is not used"),
        ({"qualifierId": ["forecast"]}, "'H.obs' is not used"),
        ({"moduleInstanceId": "ImportECMWF"}, "module 'ImportECMWF' is not known"),
        ({"moduleInstanceId": "ImportICON"}, "module 'ImportICON' is not known"),
        ({"moduleInstanceId": "Import_GFS"}, "module 'Import_GFS' is not known"),
        ({"moduleInstanceId": "ImportNWP_WRF"}, "module 'ImportNWP_WRF' is not known"),
        ({"parameterId": "T.obs"}, "'T.obs' is not used"),
        ({"parameterId": "Hs.obs"}, "'Hs.obs' is not used"),
        ({"type": "accumulative"}, "'accumulative' stage is not used"),
    ],
)
def test_what_models_computed_is_passed_over(
    tmp_path: Path, change: dict[str, Any], message: str
) -> None:
    with pytest.raises(Skipped, match=message):
        gauge_files.read(write(tmp_path, series(EVENT, **change)))


def test_a_stamp_that_is_none_is_named_with_its_gauge(tmp_path: Path) -> None:
    days = [(f"2026-08-{day:02d}", "00:00:00", "9.8", "0") for day in (18, 19, 20, 38)]
    frame = gauge_files.read(write(tmp_path, series(*days)))
    assert len(frame) == 3
    (bad,) = frame.attrs["bad_rows"]
    assert bad.endswith("found '2026-08-38 00:00:00' at 013901")


def test_a_forecast_beside_observations_is_left_out(tmp_path: Path) -> None:
    forecast = series(("2026-08-21", "00:00:00", "12.5", "0"), moduleInstanceId="URBS_Forecast")
    frame = gauge_files.read(write(tmp_path, forecast, series(EVENT), series(EVENT, units="ft")))
    assert rows(frame, "value") == [[9.8]]
    assert frame.attrs["said"] == ["module 'URBS_Forecast' is not known to import observations"]
    assert frame.attrs["bad_rows"] == ["expected unit m or cm or mm, found ft at 013901"]


def test_flags_of_fews(tmp_path: Path) -> None:
    events = [("2026-08-20", f"0{flag}:00:00", "9.5", str(flag)) for flag in range(10)]
    frame = gauge_files.read(write(tmp_path, series(*events)))
    assert rows(frame, "qc") == [
        ["good"], ["good"], ["good"], ["estimated"], ["estimated"], ["estimated"],
        ["suspect"], ["suspect"], ["suspect"],
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("change", "method"),
    [
        ({"moduleInstanceId": None, "timeStep": {"unit": "minute", "multiplier": "15"}},
         "telemetry"),
        ({"moduleInstanceId": None, "timeStep": {"unit": "hour", "multiplier": "12"}}, "manual"),
        ({"moduleInstanceId": None}, "manual"),
        ({"moduleInstanceId": "ImportManual", "timeStep": {"unit": "hour"}}, "manual"),
        ({"moduleInstanceId": "ImportScada"}, "telemetry"),
        ({"type": "mean"}, "calculated"),
    ],
)  # fmt: skip
def test_how_values_were_got(tmp_path: Path, change: dict[str, Any], method: str) -> None:
    events = [EVENT, ("2026-08-20", "12:00:00", "9.9", "0")]
    frame = gauge_files.read(write(tmp_path, series(*events, **change)))
    assert set(frame["method"]) == {method}


def test_levels_above_the_sea_say_so(tmp_path: Path) -> None:
    frame = gauge_files.read(
        write(tmp_path, series(("2026-08-20", "00:00:00", 96.09, 0), units="m+MSL"))
    )
    assert rows(frame.round({"value": 3}), "value", "qc", "raw") == [[9.6, "good", "96.09 m amsl"]]


def test_one_bad_event_costs_itself(tmp_path: Path) -> None:
    events = [("2026-08-19", f"{hour:02d}:00:00", "9.5", "0") for hour in range(24)]
    events[7] = ("2026-08-19", "07:00:00", "high", "0")
    frame = gauge_files.read(write(tmp_path, series(*events)))
    assert len(frame) == 23
    assert frame.attrs["bad_rows"] == [
        "expected a number as timeSeries.0.events.7.value, found 'high'"
    ]
    for bad in (("9999-12-31", "00:00:00", "9.5", "0"), ("2026-08-19", "25:00:00", "9.5", "0")):
        with pytest.raises(BadGranule, match=r"events\.7\.value, found 'high' \(3 of 24"):
            gauge_files.read(write(tmp_path, series(*events[:22], bad, bad)))


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ({"timeSeries": {}}, "a valid list as timeSeries, found {}"),
        ({"timeSeries": [5]}, r"as timeSeries\.0, found 5"),
        ({"timeSeries": [{"events": []}]}, r"a field timeSeries\.0\.header, found none"),
        ({"timeSeries": [series(EVENT, locationId=None)]}, r"a field .*header\.locationId"),
        ({"timeSeries": [series(EVENT, locationId=["x"])]}, r"a code as .*header\.locationId"),
        ({"timeSeries": [series(EVENT, units=None)]}, "unit m or cm or mm"),
        ({"timeSeries": [series(EVENT)], "timeZone": "Asia/Bangkok"}, "a number as timeZone"),
        ({"timeSeries": [series(EVENT)], "timeZone": 99}, "a timeZone of -14 to 14 hours"),
        ({"timeSeries": [series(EVENT)], "timeZone": None}, "a timeZone"),
        ({"timeSeries": [series(("2026-08-20", "00:00:00", "9.8", "x"))]}, r"\.flag, found 'x'"),
        ({"timeSeries": [series(("2026-08-20", "00:00:00", 1e400, 0))]}, "finite"),
    ],
)  # fmt: skip
def test_fields_of_another_type_are_named(
    tmp_path: Path, content: dict[str, Any], message: str
) -> None:
    path = tmp_path / "export.json"
    path.write_text(json.dumps(content), encoding="utf-8")
    with pytest.raises(BadGranule, match=message):
        gauge_files.read(path)


def test_a_file_without_events(tmp_path: Path) -> None:
    with pytest.raises(NoReadings):
        gauge_files.read(write(tmp_path, series()))
    with pytest.raises(NoReadings):
        gauge_files.read(write(tmp_path))


def test_the_list_of_names_holds_for_parameters_too(tmp_path: Path) -> None:
    with pytest.raises(Skipped, match=r"'H.obs' is not used: an extreme of an interval"):
        gauge_files.read(write(tmp_path, series(EVENT, parameterId="H.obs", qualifierId="max")))
    mean = series(EVENT, parameterId="H.obs.mean")
    assert rows(gauge_files.read(write(tmp_path, mean)), "method") == [["calculated"]]

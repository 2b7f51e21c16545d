"""Answers of gauge interfaces, sound and odd, shared by tests of reading and fetching."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pandas as pd

from pipeline.sources.gauges import gauge_files
from tests.sources.gauges.waterml_cases import observation

ARCHIVE = "Water Level.Manual@LA_013901_[Pakse].json"
GRAPH = "waterlevel_graph_2752_20260720_20260820T0030.json"
LIVE_NAME = "measurement_013901_20260820T0030.json"


def text(folder: Path, name: str, content: str) -> Path:
    """Write a file of a text as it is."""
    path = folder / name
    path.write_text(content, encoding="utf-8")
    return path


def answer(folder: Path, name: str, content: object) -> pd.DataFrame:
    """Read an answer in JSON."""
    return gauge_files.read(text(folder, name, json.dumps(content)))


def hours(count: int, value: object = 9.5) -> list[dict[str, Any]]:
    """Measurements of the live interface, one an hour."""
    return [{"d": f"2026-08-19T{hour:02d}:00:00Z", "w": value} for hour in range(count)]


def live(*measurements: object, code: object = "013901") -> dict[str, Any]:
    """Answer of the live interface for one station."""
    return {"station": {"stationId": code}, "measurements": list(measurements)}


DEEP = 200_000
ONE = json.dumps(live({"d": "2026-08-20T00:00:00Z", "w": 1}))
JSON_ANSWERS = [
    "", "null", "true", "5", '"text"', "[]", "{}", "[null]", "[[]]", "[1, 2]", '["x"]', "NaN", "{",
    "[" * DEEP, "[" * DEEP + "]" * DEEP, '{"a":' * DEEP + "1" + "}" * DEEP,
    '{"measurements":' + "[" * 5000 + "]" * 5000 + ',"station":{"stationId":"013901"}}',
    '{"measurements": {}}', '{"measurements": [], "station": []}',
    '{"measurements": 5, "station": {"stationId": "013901"}}',
    '{"measurements": "x", "station": {"stationId": {}}}',
    '{"measurements": [NaN], "station": {"stationId": "013901"}}',
    '{"measurements": [{"d": NaN, "w": Infinity}], "station": {"stationId": "013901"}}',
    '{"measurements": [{"d": "2026-08-20T00:00:00Z", "w": ' + "9" * 5000
    + '}], "station": {"stationId": "013901"}}',
    ONE.replace("013901", "../../x"),
    ONE.replace("013901", "\\ud800"),
    ONE.replace("013901", "\\u0000"),
    '{"Points": {}}', '{"Points": null}', '{"Points": [5]}', '{"Points": [{"Timestamp": []}]}',
    '{"Points": [{"Timestamp": "2026-08-20T00:00:00Z", "Value": 5}]}',
    '{"Points": [{"Timestamp": "2026-08-20T00:00:00Z", "Value": {"Numeric": 5}}], "Unit": []}',
    '{"Points": [{"Timestamp": "2026-08-20T00:00:00Z", "Value": {"Numeric": 5}}], "Unit": "ft"}',
    '{"result": "OK"}', '{"result": "OK", "data": 5}', '{"result": "OK", "data": null}',
    '{"result": "OK", "data": {"graph_data": {}}}', '{"result": "OK", "data": {"graph_data": [5]}}',
    '{"result": "OK", "data": [5]}', '{"result": "OK", "data": [{"station": 5}]}',
    '{"waterlevel_data": 5}', '{"waterlevel_data": []}', '{"waterlevel_data": {"data": "x"}}',
    '{"content": {}}', '{"content": [[]]}', '{"content": "x"}', '{"list": {}}', '{"list": [5]}',
    '{"code": {}, "message": []}', '{"result": {"code": []}, "list": []}',
    '{"result": 5, "list": 5}',
    '{"timeSeries": {}}', '{"timeSeries": [[]]}', '{"timeSeries": [{"header": [], "events": {}}]}',
    "\ufeff[]", "<html></html>", "\x00" * 40, "{" + "\x00" * 40, "{'a': 1}", '{"a": 1} {"a": 1}',
]  # fmt: skip
PI = '<TimeSeries xmlns="http://www.wldelft.nl/fews/PI">{}</TimeSeries>'
PI_HEADER = (
    "<header><type>instantaneous</type><locationId>013901</locationId>"
    "<parameterId>H.obs</parameterId><missVal>NaN</missVal><units>m</units></header>"
)
EVENT = '<event date="2026-08-20" time="00:00:00" value="9.8" flag="0"/>'
ENTITIES = "".join(f'<!ENTITY e{n} "{f"&e{n - 1};" * 10}">' for n in range(1, 12))
WML = 'xmlns:wml2="http://www.opengis.net/waterml/2.0" xmlns:om="http://www.opengis.net/om/2.0"'
XML_ANSWERS = [
    "<?xml version='1.0'?>", "<?xml version='1.0'?><html><body/></html>",
    "<?xml version='1.0'?>" + "<a>" * DEEP, PI.format("<a>" * 5000 + "</a>" * 5000),
    PI.format(""), PI.format("<series/>"), PI.format("<series><header/></series>"),
    PI.format(f"<series>{EVENT}</series>"), PI.format("<timeZone>soon</timeZone>"),
    PI.format("<timeZone>99</timeZone>"), PI.format(f"<series>{PI_HEADER}</series>"),
    PI.format(f"<timeZone/><series>{PI_HEADER}<event/></series>"),
    PI.format(f"<series>{PI_HEADER.replace('NaN', 'x')}{EVENT}</series>"),
    PI.format(f"<series>{PI_HEADER}{EVENT.replace('9.8', 'x')}</series>"),
    PI.format(f"<series>{PI_HEADER}{EVENT.replace('2026', '9999')}</series>"),
    PI.format(f"<series>{PI_HEADER}{EVENT.replace('00:00:00', '99:99')}</series>"),
    PI.format(f"<series>{PI_HEADER.replace('013901', '../../x')}{EVENT}</series>"),
    PI.format(f"<series>{PI_HEADER.replace('013901', 'x' * 99999)}{EVENT}</series>"),
    f'<!DOCTYPE x [<!ENTITY e0 "x">{ENTITIES}]>' + PI.format(f"<series>&e11;{EVENT}</series>"),
    f'<?xml version="1.0"?><!DOCTYPE x SYSTEM "http://127.0.0.1:1/x.dtd">{PI.format("")}',
    PI.format("&nbsp;"), PI.format("]]>"), PI.format("\x00"), PI.format("<!--")[:-1],
    f"<?xml version='1.0' encoding='no-such'?>{PI.format('')}",
    f"<wml2:Collection {WML}/>", f"<wml2:Collection {WML}><om:OM_Observation/></wml2:Collection>",
    f"<wml2:Collection {WML}>{observation()}",
    (f"<wml2:Collection {WML}><om:OM_Observation><om:observedProperty/><om:result>"
    "<wml2:MeasurementTimeseries/></om:result></om:OM_Observation></wml2:Collection>"),
    f"<wml2:Collection {WML} x='1' x='2'/>", f"<wml2:Collection {WML}>" + "x" * 11_000_000,
]  # fmt: skip

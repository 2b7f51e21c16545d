"""Answers of gauge interfaces: their types, and what no answer may do."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from pytest_httpserver import HTTPServer
from werkzeug import Response

from pipeline.sources.access.client import Client
from pipeline.sources.base import BadGranule, Granule, HttpError, NotPublished, Skipped
from pipeline.sources.gauges import gauge_files
from pipeline.sources.gauges.answers import read_json
from tests.sources import gauge_servers
from tests.sources.gauges.test_waterml import observation

NIGHT = datetime(2026, 8, 20, 0, 30, tzinfo=UTC)
ARCHIVE = "Water Level.Manual@LA_013901_[Pakse].json"
GRAPH = "waterlevel_graph_2752_20260720_20260820T0030.json"
LIVE = "measurement_013901_20260820T0030.json"


@pytest.fixture
def client(httpserver: HTTPServer) -> Iterator[Client]:
    base = httpserver.url_for("").rstrip("/")
    endpoints = dict.fromkeys(("mrc", "mrc_archive", "thaiwater"), base)
    environment = {"MRC_API_KEY": gauge_servers.KEY}
    with Client(endpoints=endpoints, environment=environment, sleep=lambda _: None) as provider:
        yield provider


def granule(source: str, pattern: str) -> Granule:
    """First granule of a night whose name has a part."""
    granules = gauge_files.granules(source, NIGHT - timedelta(days=31), NIGHT, NIGHT)
    return next(candidate for candidate in granules if pattern in candidate.pattern)


def text(folder: Path, name: str, content: str) -> Path:
    path = folder / name
    path.write_text(content, encoding="utf-8")
    return path


def answer(folder: Path, name: str, content: object) -> pd.DataFrame:
    return gauge_files.read(text(folder, name, json.dumps(content)))


def rows(frame: pd.DataFrame, *columns: str) -> list[list[object]]:
    frame = frame.dropna(subset="value")
    formatted = frame.assign(valid_time=frame["valid_time"].dt.strftime("%Y-%m-%d %H:%M"))
    cells: list[list[object]] = formatted[list(columns)].to_numpy(dtype=object).tolist()
    return cells


def hours(count: int, value: object = 9.5) -> list[dict[str, Any]]:
    return [{"d": f"2026-08-19T{hour:02d}:00:00Z", "w": value} for hour in range(count)]


def live(*measurements: object, code: object = "013901") -> dict[str, Any]:
    return {"station": {"stationId": code}, "measurements": list(measurements)}


BAD_MEASUREMENTS = [
    {"d": "2026-08-19T23:00:00Z", "w": "high"},
    {"d": "2026-08-19T23:00:00Z", "w": True},
    {"d": "2026-08-19T23:00:00Z", "w": [1]},
    {"d": "2026-08-19T23:00:00Z", "w": {"value": 1}},
    {"d": "2026-08-19T23:00:00Z", "w": 1e400},
    {"d": "2026-08-19T23:00:00Z", "w": 10**400},
    {"d": "2026-08-19T23:00:00Z", "w": "Infinity"},
    {"d": "2026-08-19T23:00:00Z", "w": "1_000"},
    {"d": "9999-12-31T23:59:59Z", "w": 9.5},
    {"d": "0001-01-01T00:00:00Z", "w": 9.5},
    {"d": "2569-08-19T23:00:00Z", "w": 9.5},
    {"d": "2026-02-30T00:00:00Z", "w": 9.5},
    {"d": "2026-08-19T23:00:00", "w": 9.5},
    {"d": "yesterday", "w": 9.5},
    {"d": "", "w": 9.5},
    {"d": None, "w": 9.5},
    {"d": 1787184000, "w": 9.5},
    {"d": {}, "w": 9.5},
    {"w": 9.5},
    [], 5, None, "text", True,
]  # fmt: skip


@pytest.mark.parametrize("bad", BAD_MEASUREMENTS)
def test_one_bad_measurement_costs_itself(tmp_path: Path, bad: object) -> None:
    frame = answer(tmp_path, LIVE, live(*hours(20), bad))
    assert len(frame) == 20
    assert set(frame["value"]) == {9.5}
    (bad_row,) = frame.attrs["bad_rows"]
    assert bad_row.startswith("expected ")
    with pytest.raises(BadGranule, match=r"expected .*, found .*3 of 21 points are bad"):
        answer(tmp_path, LIVE, live(*hours(18), bad, bad, bad))


def test_an_answer_of_bad_measurements_alone_is_refused(tmp_path: Path) -> None:
    for bad in BAD_MEASUREMENTS[:10]:
        with pytest.raises(BadGranule, match=r"expected .*, found "):
            answer(tmp_path, LIVE, live(bad))


def test_a_field_is_named_by_its_path(tmp_path: Path) -> None:
    frame = answer(tmp_path, LIVE, live(*hours(20), {"d": "2026-08-19T23:00:00Z", "w": "high"}))
    assert frame.attrs["bad_rows"] == ["expected a number as measurements.20.w, found 'high'"]
    frame = answer(tmp_path, LIVE, live(*hours(20), {"w": 1}))
    assert frame.attrs["bad_rows"] == ["expected a field measurements.20.d, found none"]


@pytest.mark.parametrize(
    "missing",
    [None, "", " ", "NULL", "NA", "n/a", "nan", "-", "---", "***", "M", -9999, "-999.9", -99, 999,
     "9999", 99999, -888],
)  # fmt: skip
def test_missing_values_are_missing(tmp_path: Path, missing: object) -> None:
    frame = answer(tmp_path, LIVE, live(*hours(2), {"d": "2026-08-19T23:00:00Z", "w": missing}))
    assert rows(frame, "value") == [[9.5], [9.5]]
    assert frame.attrs["bad_rows"] == []


def test_numbers_as_text_and_codes_as_numbers(tmp_path: Path) -> None:
    frame = answer(
        tmp_path, LIVE, live({"d": "2026-08-19T23:00:00Z", "w": "9.08", "r": "0.2"}, code=902601)
    )
    assert rows(frame, "station", "variable", "value") == [
        ["902601", "rain", 0.2], ["902601", "stage", 9.08]
    ]  # fmt: skip


def test_a_measurement_without_anything_is_no_bad_one(tmp_path: Path) -> None:
    frame = answer(tmp_path, LIVE, live(*hours(1), {"d": "", "w": None}, {"d": None}))
    assert rows(frame, "value") == [[9.5]]


def test_buddhist_years_of_a_whole_answer_are_taken_back(tmp_path: Path) -> None:
    data = {"graph_data": [{"datetime": "2569-08-20 07:00", "value": 110.2}]}
    frame = answer(tmp_path, GRAPH, {"result": "OK", "data": data})
    assert rows(frame, "valid_time", "value") == [["2026-08-20 00:00", 110.2]]
    assert "Buddhist years are taken back by 543: 2569 is 2026" in frame.attrs["said"]


def test_a_bad_rain_does_not_cost_the_stage(tmp_path: Path) -> None:
    frame = answer(tmp_path, LIVE, live({"d": "2026-08-19T23:00:00Z", "w": 9.5, "r": {}}))
    assert rows(frame, "variable", "value") == [["stage", 9.5]]
    assert frame.attrs["bad_rows"] == ["expected a number as measurements.0.r, found {}"]
    row = {"wlobscd": "1018683", "ymdhm": "202608200700", "wl": "x", "fw": "412"}
    frame = answer(tmp_path, "answer.json", {"content": [row]})
    assert rows(frame, "variable", "value") == [["discharge", 412.0]]


def test_a_key_that_stands_twice(tmp_path: Path) -> None:
    good = json.dumps(live(*hours(20)))[:-2]
    twice = good + ', {"d": "2026-08-19T23:00:00Z", "w": 9.5, "w": 1.5}]}'
    frame = gauge_files.read(text(tmp_path, LIVE, twice))
    assert len(frame) == 20
    assert frame.attrs["bad_rows"] == [
        "expected a number as measurements.20.w, found two values for one key"
    ]
    same = good + ', {"d": "2026-08-19T23:00:00Z", "w": 1.5, "w": 1.5}]}'
    assert len(gauge_files.read(text(tmp_path, LIVE, same))) == 21
    station = '{"station": {"stationId": "013901", "stationId": "014901"}, "measurements": []}'
    with pytest.raises(BadGranule, match=r"a code as station\.stationId, found two values"):
        gauge_files.read(text(tmp_path, LIVE, station))


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


@pytest.mark.parametrize("content", JSON_ANSWERS, ids=range(len(JSON_ANSWERS)))
def test_no_json_raises_anything_else(tmp_path: Path, content: str) -> None:
    for name in (LIVE, ARCHIVE, GRAPH, "answer.json"):
        path = text(tmp_path, name, content)
        for reader in (gauge_files.read, read_json):
            with pytest.raises((BadGranule, Skipped)) as error:
                reader(path)
            str(error.value).encode()
            assert len(str(error.value)) < 1000


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


@pytest.mark.parametrize("content", XML_ANSWERS, ids=range(len(XML_ANSWERS)))
def test_no_xml_raises_anything_else(tmp_path: Path, content: str) -> None:
    with pytest.raises((BadGranule, Skipped)) as error:
        gauge_files.read(text(tmp_path, "answer.xml", content))
    str(error.value).encode()


def test_a_file_beyond_the_limit_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("pipeline.sources.gauges.decoding.LARGEST", 1 << 20)
    with pytest.raises(BadGranule, match="at most 1 MB, found 2,000,001 bytes"):
        gauge_files.read(text(tmp_path, LIVE, "[" + " " * 2_000_000))


def serve(server: HTTPServer, inventory: object, data: object) -> None:
    server.expect_request(f"{gauge_servers.ARCHIVE}/inventory/timeSeriesList").respond_with_data(
        inventory if isinstance(inventory, str) else json.dumps(inventory),
        content_type="application/json",
    )
    server.expect_request(f"{gauge_servers.SERIES}/{gauge_servers.UNIQUE}").respond_with_data(
        data if isinstance(data, str) else json.dumps(data), content_type="application/json"
    )


POINTS = gauge_servers.points({"2026-08-20T07:00:00.0000000+07:00": 9.1})
ROW = gauge_servers.inventory_row(
    "013901", "Water Level", "Manual", end="2026-08-20T07:00:00.0000000+07:00"
)


@pytest.mark.parametrize(
    ("change", "name"),
    [
        ({"label": "../../../x"}, "Water Level.x@LA_013901_[Pakse]_20260820T0030.json"),
        ({"label": "Manual/../../x"}, "Water Level.Manual....x@LA_013901_[Pakse]_"),
        ({"label": "Manual\x00\n\r"}, "Water Level.Manual@LA_013901_[Pakse]_"),
        ({"label": None}, "Water Level.Manual@LA_013901_[Pakse]_"),
        ({"label": "@CN_092600_"}, "Water Level.CN_092600_@LA_013901_[Pakse]_"),
        ({"stationName": "/etc/passwd"}, "Water Level.Manual@LA_013901_[etcpasswd]_"),
        ({"stationName": ".hidden"}, "Water Level.Manual@LA_013901_[hidden]_"),
        ({"stationName": "CON"}, "Water Level.Manual@LA_013901_[CON]_"),
        ({"stationName": "C:\\x|*?"}, "Water Level.Manual@LA_013901_[Cx]_"),
        ({"stationName": None}, "Water Level.Manual@LA_013901_[]_"),
        ({"stationName": "x" * 300}, f"Water Level.Manual@LA_013901_[{'x' * 80}]_"),
        ({"stationName": "ປ" * 300}, f"Water Level.Manual@LA_013901_[{'ປ' * 26}]_"),
        ({"stationName": "Tân Châu"}, "Water Level.Manual@LA_013901_[Tân Châu]_"),
        ({"countryCode": "../"}, "Water Level.Manual@XX_013901_[Pakse]_"),
        ({"countryCode": None}, "Water Level.Manual@XX_013901_[Pakse]_"),
        ({"label": "\ud800", "stationName": "\ud800"}, "Water Level.Manual@LA_013901_[]_"),
    ],
)
def test_names_from_outside_never_become_paths(
    tmp_path: Path, httpserver: HTTPServer, client: Client, change: dict[str, Any], name: str
) -> None:
    serve(httpserver, [ROW | change], POINTS)
    archive = granule("mrc_archive", "Water Level.*@??_013901_")
    upstream = tmp_path / "data" / "upstream"
    path = gauge_files.fetch(archive, upstream, client=client)
    assert path.name.startswith(name)
    assert path.name.endswith("_20260820T0030.json")
    assert path.parent == upstream / archive.folder
    assert [entry for entry in tmp_path.rglob("*") if entry.is_file()] == [path]
    assert list(path.parent.glob(archive.pattern)) == [path]
    assert rows(gauge_files.read(path), "station", "value") == [["013901", 9.1]]


@pytest.mark.parametrize(
    ("unique", "address"),
    [("../../../admin", "..%2F..%2F..%2Fadmin"), ("a b?x=1#y", "a%20b%3Fx%3D1%23y"),
     ("..", None), (".", None), ("x" * 201, None)],
)  # fmt: skip
def test_an_id_from_outside_stays_one_part_of_an_address(
    tmp_path: Path, httpserver: HTTPServer, client: Client, unique: str, address: str | None
) -> None:
    serve(httpserver, [ROW | {"uniqueId": unique}], POINTS)
    with pytest.raises((HttpError, NotPublished)):
        gauge_files.fetch(
            granule("mrc_archive", "Water Level.*@??_013901_"), tmp_path, client=client
        )
    paths = [request.environ["RAW_URI"].partition("?")[0] for request, _ in httpserver.log]
    request_path = f"{gauge_servers.SERIES}/{address}"
    assert set(paths[1:]) == ({request_path} if address else set())


@pytest.mark.parametrize(
    "inventory",
    ["", "<html>", "null", "5", "{}", '{"message": "no"}', "[5]", "[[]]", "[null]", '[{"a": 1}]',
     '[{"uniqueId": []}]', "[" * DEEP, "[" + "9" * 5000 + "]", "[NaN]", '"x"',
     json.dumps([ROW | {"uniqueId": {}}]), json.dumps([ROW | {"label": 5}])],
    ids=range(17),
)  # fmt: skip
def test_what_an_inventory_may_be_instead(
    tmp_path: Path, httpserver: HTTPServer, client: Client, inventory: str
) -> None:
    serve(httpserver, inventory, POINTS)
    with pytest.raises(HttpError, match="timeSeriesList"):
        gauge_files.fetch(
            granule("mrc_archive", "Water Level.*@??_013901_"), tmp_path, client=client
        )
    assert not list(tmp_path.rglob("*.json"))


def test_one_bad_row_of_an_inventory_costs_itself(
    tmp_path: Path, httpserver: HTTPServer, client: Client
) -> None:
    serve(httpserver, [5, {"uniqueId": None}, ROW | {"stationCode": None}, ROW], POINTS)
    path = gauge_files.fetch(
        granule("mrc_archive", "Water Level.*@??_013901_"), tmp_path, client=client
    )
    assert rows(gauge_files.read(path), "value") == [[9.1]]


@pytest.mark.parametrize("source", ["mrc_live", "mrc_archive", "thaiwater"])
def test_no_interface_raises_anything_else(
    tmp_path: Path, httpserver: HTTPServer, client: Client, source: str
) -> None:
    open_cases = list(JSON_ANSWERS)
    path, requested = {
        "mrc_live": (f"{gauge_servers.RECENT}/measurement/013901", "013901"),
        "mrc_archive": (f"{gauge_servers.SERIES}/{gauge_servers.UNIQUE}", "@??_013901_"),
        "thaiwater": (gauge_servers.GRAPH, "_2752_"),
    }[source]
    inventory = f"{gauge_servers.ARCHIVE}/inventory/timeSeriesList"
    httpserver.expect_request(inventory).respond_with_json([ROW])
    httpserver.expect_request(path).respond_with_handler(
        lambda _: Response(open_cases[0], content_type="application/json")
    )
    while open_cases:
        with pytest.raises((HttpError, NotPublished)):
            gauge_files.fetch(granule(source, requested), tmp_path, client=client)
        assert not list(tmp_path.rglob("*.json")), "nothing is kept that cannot be read"
        del open_cases[0]

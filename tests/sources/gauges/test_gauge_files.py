"""Gauge files by their content, and answers of interfaces fetched, named and kept."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from pytest_httpserver import HTTPServer
from werkzeug import Response

from pipeline.sources.access.client import Client
from pipeline.sources.base import (
    BadGranule,
    Granule,
    HttpError,
    NeedsCredentials,
    NotPublished,
)
from pipeline.sources.gauges import answers, gauge_files
from pipeline.sources.upstream import locate
from pipeline.virtual.tables import write_mrc_export
from tests.sources import gauge_servers
from tests.sources.gauge_servers import LIVE, POINTS
from tests.sources.gauges.answer_cases import DEEP, JSON_ANSWERS
from tests.sources.gauges.table_cases import readings, write
from tests.sources.portal_exports import NAME, make_export, make_row


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


PLAIN = "station,variable,time,value,unit"
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


def test_an_export_is_not_fetched(tmp_path: Path, client: Client) -> None:
    with pytest.raises(NotPublished, match="exported by hand"):
        gauge_files.fetch(granule("gauges", "013901"), tmp_path, client=client)


def test_an_old_workbook_and_what_is_no_table(tmp_path: Path) -> None:
    with pytest.raises(BadGranule, match=r"a workbook saved as \.xlsx, or CSV, found an old \.xls"):
        gauge_files.read(
            write(tmp_path, "old.xls", b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + b"\0" * 600)
        )
    for content in (b"%PDF-1.7\n", b"\0" * 5000, b"\x89PNG\r\n\x1a\n", b"a,b\n1,2\n", b"\n\n\n"):
        with pytest.raises(BadGranule, match="another format of readings") as refused:
            gauge_files.read(write(tmp_path, "x.csv", content))
        assert ("name the columns (--station" in str(refused.value)) == (content == b"a,b\n1,2\n")


def serve(server: HTTPServer, inventory: object, data: object) -> None:
    server.expect_request(f"{gauge_servers.ARCHIVE}/inventory/timeSeriesList").respond_with_data(
        inventory if isinstance(inventory, str) else json.dumps(inventory),
        content_type="application/json",
    )
    server.expect_request(f"{gauge_servers.SERIES}/{gauge_servers.UNIQUE}").respond_with_data(
        data if isinstance(data, str) else json.dumps(data), content_type="application/json"
    )


MORNING = gauge_servers.points({"2026-08-20T07:00:00.0000000+07:00": 9.1})
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
    serve(httpserver, [ROW | change], MORNING)
    archive = granule("mrc_archive", "Water Level.*@??_013901_")
    upstream = tmp_path / "data" / "upstream"
    path = gauge_files.fetch(archive, upstream, client=client)
    assert path.name.startswith(name)
    assert path.name.endswith("_20260820T0030.json")
    assert path.parent == upstream / archive.folder
    assert [entry for entry in tmp_path.rglob("*") if entry.is_file()] == [path]
    assert list(path.parent.glob(archive.pattern)) == [path]
    assert readings(gauge_files.read(path), "station", "value") == [["013901", 9.1]]


@pytest.mark.parametrize(
    ("unique", "address"),
    [("../../../admin", "..%2F..%2F..%2Fadmin"), ("a b?x=1#y", "a%20b%3Fx%3D1%23y"),
     ("..", None), (".", None), ("x" * 201, None)],
)  # fmt: skip
def test_an_id_from_outside_stays_one_part_of_an_address(
    tmp_path: Path, httpserver: HTTPServer, client: Client, unique: str, address: str | None
) -> None:
    serve(httpserver, [ROW | {"uniqueId": unique}], MORNING)
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
    serve(httpserver, inventory, MORNING)
    with pytest.raises(HttpError, match="timeSeriesList"):
        gauge_files.fetch(
            granule("mrc_archive", "Water Level.*@??_013901_"), tmp_path, client=client
        )
    assert not list(tmp_path.rglob("*.json"))


def test_one_bad_row_of_an_inventory_costs_itself(
    tmp_path: Path, httpserver: HTTPServer, client: Client
) -> None:
    serve(httpserver, [5, {"uniqueId": None}, ROW | {"stationCode": None}, ROW], MORNING)
    path = gauge_files.fetch(
        granule("mrc_archive", "Water Level.*@??_013901_"), tmp_path, client=client
    )
    assert readings(gauge_files.read(path), "value") == [[9.1]]


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

"""Local servers that answer as the gauge interfaces of the MRC and of ThaiWater do."""

from __future__ import annotations

import json
from typing import Any

from pytest_httpserver import HTTPServer
from werkzeug import Request, Response

KEY = "only-a-test"
HTML = "<!DOCTYPE html><html><body>Under maintenance</body></html>"
RECENT = "/api/v1/time-series/telemetry/recent"
ARCHIVE = "/api/v1/ts"
SERIES = f"{ARCHIVE}/data/timeSeriesCorrectedData"
GRAPH = "/api/v1/thaiwater30/public/waterlevel_graph"
UNIQUE = "6e9c7d35a6e44dcd8a3e1d4b1e2f3a4b"


def recent(code: str, *measurements: dict[str, Any]) -> dict[str, Any]:
    """Answer of the live interface for one station."""
    station = {
        "stationId": code, "name": "Pakse", "floodStage": 12.0, "alarmStage": 11.0,
        "waterLevel": 9.1, "meanSeaLevel": 86.49, "lastStatus": "NORMAL",
    }  # fmt: skip
    return {"station": station, "measurements": list(measurements)}


def serve_live(server: HTTPServer, answers: dict[str, Any]) -> None:
    """Answer with the key only; an unknown station is not found."""

    def answer(request: Request) -> Response:
        if request.headers.get("X-API-Key") != KEY:
            return Response('{"message":"Unauthorized"}', 401, content_type="application/json")
        code = request.path.rpartition("/")[2]
        if code not in answers:
            return Response("{}", 404, content_type="application/json")
        return Response(json.dumps(answers[code]), content_type="application/json")

    def paths(code: str) -> str:
        return f"{RECENT}/measurement/{code}"

    for code in {*answers, "014901"}:
        server.expect_request(paths(code)).respond_with_handler(answer)


def inventory_row(code: str, parameter: str, label: str, *, end: str, unique: str = UNIQUE) -> Any:
    """Row of the archive's list of series."""
    return {
        "uniqueId": unique, "stationCode": code, "stationName": "Pakse", "countryCode": "LA",
        "parameter": parameter, "label": label, "latitude": 15.1, "longitude": 105.81,
        "correctedStartTime": "1960-01-01T07:00:00.0000000+07:00", "correctedEndTime": end,
    }  # fmt: skip


def points(values: dict[str, float | None]) -> dict[str, Any]:
    """Corrected data of a series of the archive."""
    return {
        "Points": [{"Timestamp": time, "Value": {"Numeric": value}}
                   for time, value in values.items()],
        "Notes": [],
    }  # fmt: skip


def serve_archive(server: HTTPServer, rows: list[Any], data: dict[str, Any]) -> None:
    """Answer with the list of series and with the data of each."""
    server.expect_request(f"{ARCHIVE}/inventory/timeSeriesList").respond_with_json(rows)
    for unique, answer in data.items():
        server.expect_request(f"{SERIES}/{unique}").respond_with_json(answer)


def graph(values: dict[str, float | None]) -> dict[str, Any]:
    """Hour-by-hour answer of ThaiWater."""
    rows = [
        {"datetime": time, "value": value, "value_out": None, "discharge": None}
        for time, value in values.items()
    ]
    return {"result": "OK", "data": {"graph_data": rows, "min_bank": 118.5, "ground_level": 99.9}}


def serve_thaiwater(server: HTTPServer, answers: dict[str, Any]) -> list[dict[str, str]]:
    """Answer as ThaiWater does: a Go panic for an unknown station; returns what was asked."""
    asked: list[dict[str, str]] = []

    def answer(request: Request) -> Response:
        asked.append(dict(request.args))
        number = request.args.get("station_id", "")
        if not number:
            return Response(
                '{"result":"NO","data":"422:  No station id"}', content_type="application/json"
            )
        if number not in answers:
            return Response(" PANIC runtime error: invalid memory address", 500)
        return Response(json.dumps(answers[number]), content_type="application/json")

    server.expect_request(GRAPH).respond_with_handler(answer)
    return asked


LIVE = recent(
    "013901",
    {"d": "2026-08-19T23:45:00Z", "w": 9.08, "r": 0.2, "b": 12.7},
    {"d": "2026-08-20T00:00:00Z", "w": 9.1, "r": None, "b": 12.7},
    {"d": "2026-08-20T00:15:00Z", "w": None, "r": 0.0, "b": 12.7},
)
"""Half an hour of Pakse, as the live interface answers."""
POINTS = points(
    {
        "2026-08-19T07:00:00.0000000+07:00": 9.0,
        "2026-08-19T19:00:00.0000000+07:00": None,
        "2026-08-20T07:00:00.0000000+07:00": 9.1,
    }
)
"""Two mornings of Pakse, as the archive answers."""

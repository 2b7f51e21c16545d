"""No failure and no success of a provider shows a credential: planted, sent, then searched.

The servers repeat what they were asked in their reasons, redirects, headers and bodies, as error
pages do.
"""

from __future__ import annotations

import base64
import json
import logging
import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from urllib.parse import quote, urlencode

import numpy as np
import pytest
from pytest_httpserver import HTTPServer

from pipeline import steps
from pipeline.console import print_ingested
from pipeline.geography.grid import MEKONG
from pipeline.ingest import fetch
from pipeline.settings import Settings
from pipeline.sources import ENDPOINTS, SOURCES
from pipeline.sources.access.client import Client
from pipeline.sources.base import Granule
from pipeline.virtual.land import write_smap_root_zone
from pipeline.virtual.products import write_gk2a_rain
from tests.command_line import run
from tests.scenarios.planted import (
    CREDENTIALS,
    NAMES,
    WORDS,
    describe,
    find_planted,
    logged,
    read_files,
    set_credentials,
)
from tests.scenarios.test_hostile_servers import NIGHT, catalogue, granule_of
from tests.sources import gauge_servers
from tests.sources.servers import Answer, Earthdata, Request, Server, running

HDF = b"\x89HDF\r\n\x1a\n"


def test_a_planted_secret_is_found_in_each_form() -> None:
    for name, secret in CREDENTIALS.items():
        for login in (secret, f"me:{secret}", f"me@example.org:{secret}", f"\0\0m:{secret}"):
            coded = base64.b64encode(login.encode())
            for text in (login, quote(login), json.dumps(login), repr(login), coded):
                assert find_planted(b"x", text) == {name}
    assert find_planted("pl4nted", b"\xff") == set()


def repeat(asked: Request) -> str:
    """What was asked, with its headers, in one line."""
    plain = " ".join(f"{key}={value}" for key, value in asked.query.items())
    coded = asked.headers.get("authorization", "").removeprefix("Basic ").encode()
    try:
        login = base64.b64decode(coded, validate=True).decode()
    except ValueError:
        login = ""
    headers = " ".join(f"{key}: {value}" for key, value in asked.headers.items())
    return f"{login} {plain} {urlencode(asked.query)} {headers} {asked.path}"


def _page(asked: Request) -> bytes:
    return f"<html><body>{repeat(asked)}</body></html>".encode()


def _redirect(to: str) -> Callable[[Request], Answer]:
    def answer(asked: Request) -> Answer:
        said = quote(repeat(asked), safe="")
        return Answer(status=302, headers={"Location": f"{to}/denied/{said}?why={said}"})

    return answer


KINDS: dict[str, Callable[[Request], Answer]] = {
    **{
        str(status): lambda asked, status=status: Answer(  # type: ignore[misc]
            _page(asked), status=status, reason=repeat(asked)
        )
        for status in (401, 403, 429, 500)
    },
    "404": lambda asked: Answer(_page(asked), status=404, reason=repeat(asked)),
    "a long wait": lambda asked: Answer(
        status=503, headers={"Retry-After": "9999"}, reason=repeat(asked)
    ),
    "cut": lambda asked: Answer(HDF + _page(asked), cut=20),
    "text": lambda asked: Answer(repeat(asked).encode()),
    "a page": lambda asked: Answer(_page(asked)),
    "a login page": lambda asked: Answer(_page(asked) + b"Earthdata Login"),
    "JSON": lambda asked: Answer(
        json.dumps({repeat(asked): repeat(asked), "list": [repeat(asked)]}).encode()
    ),
    "a list": lambda asked: Answer(json.dumps([{repeat(asked): 1}, repeat(asked)]).encode()),
    "readings": lambda asked: Answer(
        json.dumps(
            {
                "station": {"stationId": repeat(asked), "name": repeat(asked)},
                "measurements": [{"d": repeat(asked), "w": repeat(asked)}],
                "list": [{"item": repeat(asked)}],
                "content": [{"name": repeat(asked)}],
            }
        ).encode()
    ),
    "a file that is none": lambda asked: Answer(
        HDF + b"no such field" * 500, headers={"ETag": f'"{repeat(asked)}"', "X": repeat(asked)}
    ),
    "an odd encoding": lambda asked: Answer(
        b"x", headers={"Content-Encoding": repeat(asked)[:300], "X": repeat(asked)}
    ),
    "an odd length": lambda asked: Answer(
        b"x", headers={"Content-Range": repeat(asked)[:300], "ETag": f'"{repeat(asked)}"'}
    ),
    "to another host": _redirect("http://127.0.0.2:{port}"),
    "to plain HTTP": _redirect("http://example.org"),
    "to no address": _redirect("https://[::1"),
}


@dataclass(frozen=True)
class Way:
    """A source, the credentials that it is asked with, and paths that lead on to where they go."""

    source: str
    needs: tuple[str, ...]
    catalogued: bool = False


WAYS = {
    "imerg_late by token": Way("imerg_late", ("EARTHDATA_TOKEN",), catalogued=True),
    "imerg_late by password": Way(
        "imerg_late", ("EARTHDATA_USERNAME", "EARTHDATA_PASSWORD"), catalogued=True
    ),
    "imerg_late pps": Way("imerg_late", ("PPS_USERNAME", "PPS_PASSWORD")),
    "smap by both": Way(
        "smap", ("EARTHDATA_TOKEN", "EARTHDATA_USERNAME", "EARTHDATA_PASSWORD"), catalogued=True
    ),
    "ndvi": Way("ndvi", ("EARTHDATA_TOKEN",), catalogued=True),
    "gldas": Way("gldas", ("EARTHDATA_TOKEN",), catalogued=True),
    "floodmap": Way("floodmap", ("EARTHDATA_TOKEN",)),
    "gk2a": Way("gk2a", ("KMA_API_KEY",)),
    "gk2a_lst": Way("gk2a_lst", ("KMA_API_KEY",)),
    "gk2a_ir": Way("gk2a_ir", ("KMA_API_KEY",)),
    "mrc_live": Way("mrc_live", ("MRC_API_KEY",)),
}


@contextmanager
def answering(kind: str) -> Iterator[tuple[dict[str, str], list[Server]]]:
    """Servers that all answer a kind: of the data, the login, PPS, and another host."""
    with running("127.0.0.1", "127.0.0.2", "127.0.0.2", "127.0.0.2") as servers:
        data, login, pps, other = servers

        def answer(asked: Request) -> Answer:
            made = KINDS[kind](asked)
            port = str(other.server_port)
            headers = {key: text.replace("{port}", port) for key, text in made.headers.items()}
            return Answer(made.body, made.status, headers, made.cut, made.pause_s, made.reason)

        for server in (data, login, pps):
            server.routes["/"] = answer
        other.routes["/"] = lambda asked: Answer(_page(asked), status=403, reason=repeat(asked))
        # A token that is not sound is shown the way to the login, as Earthdata does.
        data.routes["/way"] = lambda _: Answer(status=302, headers={"Location": login.url})
        places = dict.fromkeys(ENDPOINTS, data.url) | {"earthdata": login.url, "pps": pps.url}
        yield places, servers


def serve_catalogue(way: Way, granule: Granule, data: Server) -> None:
    """Let the catalogue lead to the place that a kind answers for, or to the login."""
    data.routes.pop("/search", None)
    if way.catalogued:
        by_password = "EARTHDATA_TOKEN" not in way.needs
        found = catalogue(granule, f"{data.url}/way" if by_password else data.url).encode()
        data.routes["/search"] = lambda _: Answer(found)


def sent(servers: list[Server]) -> set[str]:
    """Secrets that servers were sent, each in its own place."""
    asked = [repeat(request) for server in servers for request in server.asked]
    return find_planted(*asked)


@pytest.mark.parametrize(
    "kind",
    [kind if kind in {"403", "JSON", "to another host"} else pytest.param(
        kind, marks=pytest.mark.slow) for kind in KINDS],
)  # fmt: skip
def test_no_failure_of_a_provider_shows_a_credential(
    kind: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
    capfd: pytest.CaptureFixture[str],
) -> None:
    """Asked as an ingest does and directly: logs, errors, tables, files, and what is printed."""
    caplog.set_level(logging.DEBUG)
    monkeypatch.setattr("pipeline.sources.access.request._WAIT", lambda _: 0.0)
    data, told, reached = tmp_path / "data", list[str](), set[str]()
    with answering(kind) as (places, servers):
        for name, way in WAYS.items():
            set_credentials(monkeypatch, tmp_path, *way.needs)
            settings = Settings(data_dir=data, upstream="internet", endpoints=places)
            granule = granule_of(way.source, "")
            serve_catalogue(way, granule, servers[0])
            with Client(endpoints=places, attempts=2, sleep=lambda _: None) as client:
                bring = fetch.bind_fetch(
                    SOURCES[way.source], client=client, upstream=tmp_path / "direct",
                    region="mekong",
                )  # fmt: skip
                assert bring is not None
                error = fetch.catch_failure(lambda: bring(granule), granule, client)  # noqa: B023
                told += [describe(error), repr(client)]
                assert error is not None or kind == "a file that is none", name
            done = steps.ingest(
                way.source, asof=NIGHT, settings=settings, start=granule.start, end=granule.end
            )
            print_ingested([done], from_internet=True)
            told.append(repr(done))
            wanted = {need for need in way.needs if need in WORDS}
            if kind != "404":
                assert wanted <= sent(servers) or "smap" in name, name
            reached |= sent(servers)
        set_credentials(monkeypatch, tmp_path, *CREDENTIALS, *NAMES)
        environment = {"MEKONG_UPSTREAM": "internet", "MEKONG_ENDPOINTS": json.dumps(places)}
        for words in (("status",), ("sources",), ("sources", "--check", "gk2a")):
            run(monkeypatch, data, *words, **environment)
    assert reached == set(CREDENTIALS), "each was sent to its own"
    other = [request.headers for request in servers[3].asked]
    assert find_planted(*(f"{headers}" for headers in other)) == set(), "and to no other host"
    printed = capfd.readouterr()
    assert printed.out
    assert (data / "records.db").exists()
    assert find_planted(*told) == set()
    assert find_planted(*logged(caplog)) == set()
    assert find_planted(printed.out, printed.err) == set()
    assert find_planted(*read_files(data)) == set()


@pytest.fixture
def success(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, httpserver: HTTPServer
) -> Iterator[dict[str, str]]:
    """Endpoints that take the planted credentials alone, and have a file of each source."""
    for name in ("TOKEN", "PASSWORD"):
        monkeypatch.setattr(Earthdata, name, CREDENTIALS[f"EARTHDATA_{name}"])
    monkeypatch.setattr(Earthdata, "USER", NAMES["EARTHDATA_USERNAME"])
    monkeypatch.setattr(gauge_servers, "KEY", CREDENTIALS["MRC_API_KEY"])
    field = np.full(MEKONG.shape, 0.3)
    made, rest = tmp_path / "made", {"grid": MEKONG, "published": START + timedelta(days=1)}
    soil = write_smap_root_zone(made, time=START, soil_moisture=field, **rest)  # type: ignore[arg-type]
    rain = write_gk2a_rain(made, sector="fd020ge", time=START, rain_rate=field, **rest)  # type: ignore[arg-type]
    place = "/api/typ05/api/GK2A/LE2/RR/FD"
    key = {"authKey": CREDENTIALS["KMA_API_KEY"]}
    listed = {"list": [{"item": f"{START:%Y%m%d%H%M}"}]}
    asked = {"sDate": f"{START:%Y%m%d%H}00", "eDate": f"{START:%Y%m%d%H}59", "format": "json"}
    httpserver.expect_request(f"{place}/dataList", query_string=asked | key).respond_with_json(
        listed
    )
    httpserver.expect_request(
        f"{place}/data", query_string={"date": f"{START:%Y%m%d%H%M}"} | key
    ).respond_with_data(rain.read_bytes())
    reading = {"d": f"{NIGHT - timedelta(hours=1):%Y-%m-%dT%H:%M:%SZ}", "w": 9.1}
    others = re.compile(f"{gauge_servers.RECENT}/measurement/(?!013901).*")
    httpserver.expect_request(others).respond_with_data("{}", status=404)
    gauge_servers.serve_live(httpserver, {"013901": gauge_servers.recent("013901", reading)})
    with running("127.0.0.2", "127.0.0.1", "127.0.0.2", "127.0.0.1") as servers:
        nasa = Earthdata(*servers)
        nasa.publish(
            "SPL4SMGP", soil.name, soil.read_bytes(), start=START,
            inserted=START + timedelta(days=1),
        )  # fmt: skip
        base = httpserver.url_for("").rstrip("/")
        yield dict.fromkeys(ENDPOINTS, base) | nasa.endpoints


START = NIGHT.replace(hour=12, minute=0) - timedelta(days=5)
SUCCESSES = {
    "token": ("smap", ("EARTHDATA_TOKEN",), START),
    "password": ("smap", ("EARTHDATA_USERNAME", "EARTHDATA_PASSWORD"), START),
    "kma": ("gk2a", ("KMA_API_KEY",), START),
    "mrc": ("mrc_live", ("MRC_API_KEY",), NIGHT - timedelta(days=31)),
}


@pytest.mark.parametrize("way", SUCCESSES)
def test_no_success_shows_a_credential(
    way: str,
    *,
    success: dict[str, str],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
    capfd: pytest.CaptureFixture[str],
) -> None:
    caplog.set_level(logging.DEBUG)
    source, needs, start = SUCCESSES[way]
    set_credentials(monkeypatch, tmp_path, *needs)
    data = tmp_path / "data"
    settings = Settings(data_dir=data, upstream="internet", endpoints=success)
    end = NIGHT if source == "mrc_live" else start + SOURCES[source].cadence
    done = steps.ingest(source, asof=NIGHT, settings=settings, start=start, end=end)
    assert (done.read, done.added > 0) == (1, True), done
    print_ingested([done], from_internet=True)
    environment = {"MEKONG_UPSTREAM": "internet", "MEKONG_ENDPOINTS": json.dumps(success)}
    for words in (("status",), ("sources",)):
        run(monkeypatch, data, *words, **environment)
    printed = capfd.readouterr()
    assert find_planted(repr(done), printed.out, printed.err) == set()
    assert find_planted(*logged(caplog)) == set()
    assert find_planted(*read_files(data)) == set()

"""What the client keeps, decodes and replaces."""

from __future__ import annotations

import time
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime

import pytest
from pytest_httpserver import HTTPServer
from werkzeug import Response

from pipeline.sources import ENDPOINTS
from pipeline.sources.access.client import Client
from pipeline.sources.base import HttpError, NotPublished
from tests.sources.hostile import serving
from tests.sources.servers import HTML, Answer, Server

HDF = b"\x89HDF\r\n\x1a\n"
FILE = HDF + bytes(range(256)) * 400
PUBLISHED = datetime(2026, 8, 20, 1, 2, 3, tzinfo=UTC)
KEY = "k3y/with spaces+and%signs"
LIMIT_S, SLACK_S = 0.3, 2.0


def test_a_list_is_asked_for_once_even_if_it_fails(client: Client, server: Server) -> None:
    server.serve("/list", Answer(b'["a"]'), Answer(b'["b"]'))
    with ThreadPoolExecutor(4) as threads:
        ask = lambda _: client.json(f"{server.url}/list", params={"q": "1"}, keep=True)  # noqa: E731
        assert list(threads.map(ask, range(8))) == [["a"]] * 8
    assert client.json(f"{server.url}/list", params={"q": "2"}, keep=True) == ["b"]
    server.serve("/none", Answer(status=404))
    for _ in range(3):
        with pytest.raises(NotPublished):
            client.get(f"{server.url}/none", keep=True)
    assert server.paths().count("/list") == 2
    assert server.paths().count("/none") == 1


@pytest.mark.parametrize("body", [HTML, b"", b"not json"])
def test_what_is_not_json_is_an_error(client: Client, server: Server, body: bytes) -> None:
    server.serve("/x", Answer(body))
    with pytest.raises(HttpError, match="expected JSON, found"):
        client.json(f"{server.url}/x")


def test_endpoints_are_replaced_by_name() -> None:
    with Client(endpoints={"cmr": "https://mirror.example.org/cmr/"}) as client:
        assert client.endpoint("cmr") == "https://mirror.example.org/cmr"
        assert client.endpoint("kma") == ENDPOINTS["kma"]
    with pytest.raises(ValueError, match=r"expected endpoints of cmr, .*, found crm"):
        Client(endpoints={"crm": "https://example.org"})


def test_endpoints_are_addresses_with_tls() -> None:
    for base in ENDPOINTS.values():
        assert base.startswith("https://")
        assert not base.endswith("/")


def test_all_requests_of_a_thread_end_when_its_time_is_over(hasty: Client) -> None:
    with serving("headers in drops") as [server]:
        began = time.monotonic()
        with hasty.asking(until=began + 0.1), pytest.raises(HttpError, match="end of its source"):
            hasty.get(f"{server.url}/x")
        assert time.monotonic() - began < 0.1 + SLACK_S
        with hasty.asking(until=began), pytest.raises(HttpError, match="time is over"):
            hasty.get(f"{server.url}/x")
        assert len(server.asked) == 1


@pytest.mark.parametrize(
    "body", [b"[" * 200_000, b'{"a": NaN}', b"[-Infinity]", b"[" + b"9" * 9999 + b"]", b"\xff\xfe"]
)
def test_json_that_is_none(hasty: Client, server: Server, body: bytes) -> None:
    server.serve("/x", Answer(body))
    with pytest.raises(HttpError, match="expected JSON, found") as failed:
        hasty.json(f"{server.url}/x")
    assert failed.value.passing


def test_a_body_is_posted_and_again_while_a_failure_may_pass(
    client: Client, httpserver: HTTPServer
) -> None:
    answers = [Response(status=503, headers={"Retry-After": "0"}), Response(status=202)]
    httpserver.expect_request("/x", method="POST").respond_with_handler(lambda _: answers.pop(0))
    client.post(httpserver.url_for("/x"), b"body", headers={"Content-Type": "text/plain"})
    bodies = [(request.data, request.content_type) for request, _ in httpserver.log]
    assert bodies == [(b"body", "text/plain")] * 2


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (Response(status=307, headers={"Location": "/y"}), "found a redirect"),
        (Response(status=400), "400"),
        (Response(status=304), "304"),
    ],
)
def test_a_post_that_is_refused_is_not_repeated_elsewhere(
    client: Client, httpserver: HTTPServer, answer: Response, words: str
) -> None:
    httpserver.expect_request("/x").respond_with_response(answer)
    httpserver.expect_request("/y").respond_with_data("taken")
    with pytest.raises(HttpError, match=words):
        client.post(httpserver.url_for("/x"), b"body", headers={})
    assert [request.path for request, _ in httpserver.log] == ["/x"]


def test_nothing_is_posted_readable_over_a_network(client: Client) -> None:
    with pytest.raises(HttpError, match="expected https"):
        client.post("http://example.org/x", b"body", headers={})

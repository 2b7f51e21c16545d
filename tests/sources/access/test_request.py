"""Requests against servers that fail the ways providers do."""

from __future__ import annotations

import email.utils
import logging
import time
import traceback
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from pipeline.sources.access.client import Client
from pipeline.sources.base import HttpError, NotPublished
from tests.sources.hostile import serving
from tests.sources.servers import Answer, Server, running

HDF = b"\x89HDF\r\n\x1a\n"
FILE = HDF + bytes(range(256)) * 400
PUBLISHED = datetime(2026, 8, 20, 1, 2, 3, tzinfo=UTC)
KEY = "k3y/with spaces+and%signs"
LIMIT_S, SLACK_S = 0.3, 2.0


def bring(client: Client, server: Server, path: Path) -> Path:
    return client.download(f"{server.url}/f.h5", path, magic=(HDF,))


def left(folder: Path) -> set[str]:
    return {path.name for path in folder.iterdir()}


@pytest.mark.parametrize("status", [429, 500, 502, 503, 504, 408])
def test_what_may_pass_is_tried_again(
    client: Client, server: Server, waited: list[float], status: int
) -> None:
    server.serve("/x", Answer(status=status), Answer(status=status), Answer(b"sound"))
    assert client.get(f"{server.url}/x") == b"sound"
    first, second = waited
    assert 1 <= first <= 3
    assert 2 <= second <= 4


def test_waits_are_jittered(server: Server) -> None:
    found = set()
    server.serve("/x", Answer(status=503))
    for _ in range(4):
        waited: list[float] = []
        with (
            Client(environment={}, sleep=waited.append, attempts=2) as client,
            pytest.raises(HttpError),
        ):
            client.get(f"{server.url}/x")
        found.add(waited[0])
    assert len(found) == 4


def test_what_does_not_pass_is_an_error_after_five_tries(
    client: Client, server: Server, waited: list[float]
) -> None:
    server.serve("/x", Answer(status=503))
    with pytest.raises(HttpError, match="/x: 503 Service Unavailable") as failed:
        client.get(f"{server.url}/x")
    assert failed.value.status == 503
    assert (len(server.asked), len(waited)) == (5, 4)


@pytest.mark.parametrize("status", [400, 401, 403, 418, 204])
def test_what_will_not_pass_is_asked_once(client: Client, server: Server, status: int) -> None:
    server.serve("/x", Answer(status=status))
    with pytest.raises(HttpError) as failed:
        client.get(f"{server.url}/x")
    assert failed.value.status == status
    assert len(server.asked) == 1


@pytest.mark.parametrize("status", [404, 410])
def test_absence_is_expected(client: Client, server: Server, tmp_path: Path, status: int) -> None:
    server.serve("/f.h5", Answer(status=status))
    for ask in (client.get, client.json):
        with pytest.raises(NotPublished, match=rf"/f\.h5 is not there \({status}\)"):
            ask(f"{server.url}/f.h5")
    with pytest.raises(NotPublished):
        bring(client, server, tmp_path / "f.h5")
    assert left(tmp_path) == set()


def test_retry_after_is_heeded_in_both_forms(
    client: Client, server: Server, waited: list[float]
) -> None:
    now = datetime(2026, 8, 20, tzinfo=UTC)
    dates = {
        "Date": email.utils.format_datetime(now, usegmt=True),
        "Retry-After": email.utils.format_datetime(now + timedelta(seconds=42), usegmt=True),
    }
    server.serve(
        "/x", Answer(status=429, headers={"Retry-After": "7"}), Answer(status=503, headers=dates),
        Answer(b"sound"),
    )  # fmt: skip
    assert client.get(f"{server.url}/x") == b"sound"
    assert waited == [7, 42]


def test_silence_is_a_failure_that_may_pass(server: Server, waited: list[float]) -> None:
    server.serve("/x", Answer(b"s" * 100, pause_s=0.3), Answer(b"sound"))
    with Client(environment={}, sleep=waited.append, timeout_s=0.1) as client:
        assert client.get(f"{server.url}/x") == b"sound"
    assert len(waited) == 1


def test_an_answer_in_drops_is_given_up(server: Server, waited: list[float]) -> None:
    server.serve("/x", Answer(b"s" * 100, pause_s=0.05))
    with (
        Client(environment={}, sleep=waited.append, limit_s=0.1) as client,
        pytest.raises(HttpError, match=r"not whole after 0\.1 s"),
    ):
        client.get(f"{server.url}/x")


def test_each_answer_has_its_own_connection(client: Client, server: Server) -> None:
    seen: list[object] = []
    server.serve("/x", Answer(b"sound"))
    process = server.process_request
    server.process_request = lambda *one: (seen.append(one[0]), process(*one))[1]  # type: ignore[func-returns-value,method-assign]
    for _ in range(5):
        client.get(f"{server.url}/x")
    assert len(seen) == 5


@pytest.mark.parametrize(
    "url", ["http://example.org/x", "ftp://127.0.0.1/x", "file:///etc/passwd", "//127.0.0.1/x"]
)
def test_only_tls_and_loopback(client: Client, url: str) -> None:
    with pytest.raises(HttpError, match="expected https"):
        client.get(url)


def test_a_redirect_to_plain_http_is_refused(client: Client, server: Server) -> None:
    server.serve("/x", Answer(status=302, headers={"Location": "http://example.org/y?k=1"}))
    with pytest.raises(HttpError, match=r"http://example\.org/y: expected https, found http$"):
        client.get(f"{server.url}/x")


def test_what_is_no_address_is_an_error(client: Client, server: Server) -> None:
    nowhere = "https://host:abc/?key=1"
    with pytest.raises(HttpError, match=r"expected an address, found 'https://host:abc/'"):
        client.get(nowhere)
    server.serve("/x", Answer(status=302, headers={"Location": nowhere}))
    with pytest.raises(HttpError, match=r"/x: .*Invalid URL in location header"):
        client.get(f"{server.url}/x")


def test_redirects_end(client: Client, server: Server) -> None:
    server.serve("/x", Answer(status=302, headers={"Location": "/x"}))
    with pytest.raises(HttpError, match="more than 10 redirects"):
        client.get(f"{server.url}/x")


def test_headers_and_cookies_stay_with_their_host(client: Client) -> None:
    with running("127.0.0.1", "127.0.0.2") as [here, there]:
        cookie = {"Location": f"{there.url}/b", "Set-Cookie": "mine=1; Path=/"}
        here.serve("/a", Answer(status=302, headers=cookie))
        there.serve("/b", Answer(status=302, headers={"Location": f"{here.url}/c"}))
        here.serve("/c", Answer(b"sound"))
        secret = {"Authorization": "Bearer s3cret", "X-API-Key": "s3cret"}
        assert client.get(f"{here.url}/a", headers=secret) == b"sound"
        assert "authorization" not in there.asked[0].headers
        assert "x-api-key" not in there.asked[0].headers
        assert "cookie" not in there.asked[0].headers
        assert here.asked[1].headers["x-api-key"] == "s3cret"
        assert here.asked[1].headers["cookie"] == "mine=1"


def test_another_port_is_another_host(client: Client) -> None:
    with running("127.0.0.1", "127.0.0.1") as [here, there]:
        here.serve("/a", Answer(status=307, headers={"Location": f"{there.url}/b"}))
        there.serve("/b", Answer(b"sound"))
        client.get(f"{here.url}/a", headers={"Authorization": "Bearer s3cret"})
        assert "authorization" not in there.asked[0].headers


def test_a_key_in_the_query_is_in_no_message(
    server: Server, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    logging.getLogger("httpx").setLevel(logging.DEBUG)
    said = []
    echo = b"GRIB? your key is " + KEY.encode()
    server.serve("/echo", Answer(echo))
    server.serve("/moved", Answer(status=302, headers={"Location": "/echo?authKey=k3y"}))
    server.serve("/refused", Answer(echo, status=403))
    server.serve("/down", Answer(echo, status=503))
    server.serve("/cut", Answer(FILE, cut=100))
    with Client(
        environment={"KMA_API_KEY": KEY}, sleep=lambda _: None, attempts=2, endpoints={}
    ) as client:
        key = {"authKey": client.secret("KMA_API_KEY")}
        said.append(repr(client))
        said.append(str(vars(client)))
        for path in ("echo", "moved", "refused", "down", "cut", "absent"):
            with pytest.raises((HttpError, NotPublished)) as failed:
                client.download(f"{server.url}/{path}", tmp_path / path, magic=(HDF,), params=key)
            said.append(repr(failed.value) + "".join(traceback.format_exception(failed.value)))
            with pytest.raises((HttpError, NotPublished)) as failed:
                client.json(f"{server.url}/{path}", params=key)
            said.append(repr(failed.value) + "".join(traceback.format_exception(failed.value)))
        unreachable = Server()
        unreachable.server_close()
        with pytest.raises(HttpError) as failed:
            client.get(f"{unreachable.url}/gone", params=key)
        said.append(str(failed.value))
    assert server.asked[0].query["authKey"] == KEY
    everything = "\n".join([*said, caplog.text, *(r.getMessage() for r in caplog.records)])
    for form in (KEY, "k3y", "authKey="):
        assert form not in everything
    kept = b"".join(path.read_bytes() for path in tmp_path.iterdir() if path.is_file())
    assert b"k3y" not in kept


def test_tries_and_waits_are_within_the_limit(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("pipeline.sources.access.request._WAIT", lambda _: 0.2)
    with serving("503") as [server], Client(environment={}, limit_s=0.5) as client:
        began = time.monotonic()
        with pytest.raises(HttpError, match="503"):
            client.get(f"{server.url}/x")
        assert time.monotonic() - began < 0.5
        assert 1 <= len(server.asked) <= 3

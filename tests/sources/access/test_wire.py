"""One wall clock for a request: whatever a server does, and however little, it ends by then."""

from __future__ import annotations

import gzip
import socket
import threading
import time
import tracemalloc
import zlib
from collections.abc import Iterator
from pathlib import Path

import pytest

from pipeline.sources.access.client import EARLY_TRIES, GIVEN_UP, Client
from pipeline.sources.access.wire import BEFORE_ANSWER
from pipeline.sources.base import HttpError, NeedsCredentials, NotPublished
from tests.sources.hostile import DRIPS, FLOODS, HDF, answer, serving
from tests.sources.servers import Answer, Request, Server, running

LIMIT_S, SLACK_S = 0.3, 2.0


@pytest.fixture
def client() -> Iterator[Client]:
    with Client(environment={}, sleep=lambda _: None, attempts=2, limit_s=LIMIT_S) as one:
        yield one


@pytest.fixture
def patient() -> Iterator[Client]:
    with Client(environment={}, sleep=lambda _: None, attempts=2, limit_s=60.0) as one:
        yield one


@pytest.fixture
def server() -> Iterator[Server]:
    with running("127.0.0.1") as [one]:
        yield one


@pytest.mark.parametrize("kind", DRIPS)
def test_a_request_ends_by_its_deadline(client: Client, tmp_path: Path, kind: str) -> None:
    with serving(kind) as [server]:
        for ask in (
            lambda: client.get(f"{server.url}/x"),
            lambda: client.download(f"{server.url}/x", tmp_path / "x", magic=(HDF[:8],)),
        ):
            began = time.monotonic()
            with pytest.raises(HttpError) as failed:
                ask()
            assert time.monotonic() - began < LIMIT_S + SLACK_S
            assert failed.value.passing or "found" in str(failed.value)
    assert not (tmp_path / "x").exists()


@pytest.mark.parametrize("kind", FLOODS)
def test_a_flood_ends_by_its_deadline_or_its_size(
    client: Client, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kind: str
) -> None:
    monkeypatch.setattr("pipeline.sources.access.client.LARGE", 1 << 20)
    with serving(kind) as [server]:
        began = time.monotonic()
        with pytest.raises(HttpError):
            client.download(f"{server.url}/x", tmp_path / "x", magic=(HDF[:8],))
        assert time.monotonic() - began < LIMIT_S + SLACK_S
    assert sum(path.stat().st_size for path in tmp_path.iterdir()) <= 1 << 20


def test_early_hints_are_bounded_by_their_bytes(patient: Client) -> None:
    with (
        serving("103 without end") as [server],
        pytest.raises(HttpError, match=f"more than {BEFORE_ANSWER} bytes and no answer"),
    ):
        patient.get(f"{server.url}/x")


@pytest.mark.parametrize("speaks", [False, True], ids=["silent", "in drops"])
def test_a_handshake_ends_by_its_deadline(client: Client, speaks: bool) -> None:
    """A record of TLS that comes byte by byte is not silence."""
    over = threading.Event()
    with socket.create_server(("127.0.0.1", 0)) as listening:

        def serve() -> None:
            kept = []
            listening.settimeout(0.05)
            while not over.is_set():
                try:
                    kept.append(listening.accept()[0])
                    kept[-1].sendall(b"\x16\x03\x03\x40\x00" if speaks else b"")
                except TimeoutError:
                    pass
                for one in kept if speaks else ():
                    try:
                        one.sendall(b"\x02")
                    except OSError:
                        kept.remove(one)
                        break

        thread = threading.Thread(target=serve)
        thread.start()
        began = time.monotonic()
        try:
            with pytest.raises(HttpError) as failed:
                client.get(f"https://127.0.0.1:{listening.getsockname()[1]}/x")
            assert time.monotonic() - began < LIMIT_S + SLACK_S
            assert failed.value.passing
        finally:
            over.set()
            thread.join()


def test_a_connection_that_nobody_accepts_ends_by_its_deadline(client: Client) -> None:
    with socket.create_server(("127.0.0.1", 0), backlog=0) as full:
        port = full.getsockname()[1]
        waiting = []
        for _ in range(4):
            one = socket.socket()
            one.setblocking(False)
            one.connect_ex(("127.0.0.1", port))
            waiting.append(one)
        began = time.monotonic()
        with pytest.raises(HttpError):
            client.get(f"http://127.0.0.1:{port}/x")
        assert time.monotonic() - began < LIMIT_S + SLACK_S
        for one in waiting:
            one.close()


def test_tries_and_waits_are_within_the_limit(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("pipeline.sources.access.client._WAIT", lambda _: 0.2)
    with serving("503") as [server], Client(environment={}, limit_s=0.5) as client:
        began = time.monotonic()
        with pytest.raises(HttpError, match="503"):
            client.get(f"{server.url}/x")
        assert time.monotonic() - began < 0.5
        assert 1 <= len(server.asked) <= 3


def test_all_requests_of_a_thread_end_when_its_time_is_over(client: Client) -> None:
    with serving("headers in drops") as [server]:
        began = time.monotonic()
        with client.asking(until=began + 0.1), pytest.raises(HttpError, match="end of its source"):
            client.get(f"{server.url}/x")
        assert time.monotonic() - began < 0.1 + SLACK_S
        with client.asking(until=began), pytest.raises(HttpError, match="time is over"):
            client.get(f"{server.url}/x")
        assert len(server.asked) == 1


def test_a_turn_is_not_waited_for_beyond_its_time(client: Client, server: Server) -> None:
    """Four requests that hang hold the host; the fifth is not asked."""
    server.serve("/slow", Answer(b"s" * 10, pause_s=0.1))
    threads = [threading.Thread(target=lambda: client.get(f"{server.url}/slow")) for _ in range(4)]
    for thread in threads:
        thread.start()
    time.sleep(0.05)
    began = time.monotonic()
    with client.asking(until=began + 0.05), pytest.raises(HttpError, match="its time is over"):
        client.get(f"{server.url}/x")
    for thread in threads:
        thread.join()
    assert "/x" not in server.paths()


def test_what_may_be_early_is_asked_less_and_gives_no_host_up(server: Server) -> None:
    server.serve("/", Answer(status=500))
    server.serve("/old", Answer(b"sound"))
    with Client(environment={}, sleep=lambda _: None) as client:
        for number in range(GIVEN_UP + 2):
            with client.asking(early=True), pytest.raises(HttpError) as failed:
                client.get(f"{server.url}/{number}")
            assert failed.value.passing
        assert len(server.asked) == GIVEN_UP * EARLY_TRIES
        assert client.get(f"{server.url}/old") == b"sound"


def test_a_bomb_takes_no_more_memory_than_its_limit(
    patient: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("pipeline.sources.access.client.SMALL", 1 << 20)
    with serving("a bomb") as [server]:
        tracemalloc.start()
        with pytest.raises(HttpError, match="expected at most 1048576 bytes, found more"):
            patient.get(f"{server.url}/x")
        most = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
    assert most < 8 << 20
    with (
        serving("a bomb in a bomb") as [server],
        pytest.raises(HttpError, match="as it is or in gzip, found encoding 'gzip, gzip'"),
    ):
        patient.get(f"{server.url}/x")


@pytest.mark.parametrize("encoding", ["gzip", "x-gzip", "deflate", "GZIP", "identity", ""])
def test_an_answer_is_unpacked(client: Client, server: Server, encoding: str) -> None:
    body = b"water " * 5000
    packed = {"deflate": zlib.compress(body), "identity": body, "": body}
    asked: list[Request] = []

    def route(one: Request) -> Answer:
        asked.append(one)
        return Answer(
            packed.get(encoding, gzip.compress(body)),
            headers={"Content-Encoding": encoding} if encoding else {},
        )

    server.routes["/x"] = route
    assert client.get(f"{server.url}/x") == body
    assert asked[0].headers["accept-encoding"] == "gzip"


@pytest.mark.parametrize(
    ("kind", "why"),
    [("304 not asked for", "304 was not asked for"), ("206 not asked for", "206 was not asked for"),
     ("a length of 9,999 digits", "bad Content-Length"), ("odd cookies", "503")],
)  # fmt: skip
def test_odd_answers_are_no_answers(client: Client, kind: str, why: str) -> None:
    with serving(kind) as [server], pytest.raises(HttpError, match=why):
        client.get(f"{server.url}/x")


@pytest.mark.parametrize(
    "body", [b"[" * 200_000, b'{"a": NaN}', b"[-Infinity]", b"[" + b"9" * 9999 + b"]", b"\xff\xfe"]
)
def test_json_that_is_none(client: Client, server: Server, body: bytes) -> None:
    server.serve("/x", Answer(body))
    with pytest.raises(HttpError, match="expected JSON, found") as failed:
        client.json(f"{server.url}/x")
    assert failed.value.passing


@pytest.mark.parametrize(
    "kind",
    ["206 not asked for", "206 of another place", "206 without a range", "304 not asked for"],
)
def test_a_part_that_was_not_asked_for_is_no_file(
    client: Client, tmp_path: Path, kind: str
) -> None:
    with serving(kind) as [server], pytest.raises(HttpError):
        client.download(f"{server.url}/x", tmp_path / "x", magic=(HDF[:8],))
    assert list(tmp_path.iterdir()) == []


def test_a_rest_that_is_too_short_is_no_file(
    patient: Client, server: Server, tmp_path: Path
) -> None:
    def route(asked: Request) -> Answer:
        if "range" not in asked.headers:
            return Answer(HDF, headers={"ETag": '"a"'}, cut=3000)
        span = {"ETag": '"a"', "Content-Range": f"bytes 3000-3999/{len(HDF)}"}
        return Answer(HDF[3000:4000], status=206, headers=span)

    server.routes["/x"] = route
    with pytest.raises(HttpError, match=f"expected {len(HDF)} bytes, found 4000"):
        patient.download(f"{server.url}/x", tmp_path / "x", magic=(HDF[:8],))
    assert not (tmp_path / "x").exists()


@pytest.mark.parametrize(
    "stamp",
    ["Fri, 31 Dec 9999 23:59:59 GMT", "Thu, 01 Jan 1970 00:00:00 GMT",
     "Tue, 01 Jan 1980 00:00:00 +2359", "Thu, 99 Foo 2026 99:99:99 +9999999", "yesterday",
     "Wed, 01 Jan 2200 00:00:00 GMT"],
)  # fmt: skip
@pytest.mark.parametrize("date", [None, "Fri, 31 Dec 9999 23:59:59 GMT", "0"])
def test_a_stamp_that_cannot_be_is_the_moment_of_receipt(
    patient: Client, server: Server, tmp_path: Path, stamp: str, date: str | None
) -> None:
    headers = {"Last-Modified": stamp} | ({"Date": date} if date else {})
    server.serve("/x", Answer(HDF, headers=headers))
    path = patient.download(f"{server.url}/x", tmp_path / "x", magic=(HDF[:8],))
    assert abs(path.stat().st_mtime - time.time()) < 60
    assert patient.download(f"{server.url}/x", path, magic=(HDF[:8],)).read_bytes() == HDF


def test_a_name_with_dots_is_no_place(client: Client, server: Server, tmp_path: Path) -> None:
    for name in ("a/../../evil", "../evil", "a\0b"):
        with pytest.raises(HttpError, match="expected the name of a file"):
            client.download(f"{server.url}/x", tmp_path / name, magic=())
    assert server.asked == []
    assert list(tmp_path.parent.glob("evil*")) == []


def test_a_mark_that_cannot_be_sent_is_not_kept(patient: Client, tmp_path: Path) -> None:
    with serving("an odd tag") as [server]:
        with pytest.raises(HttpError):
            patient.download(f"{server.url}/x", tmp_path / "x", magic=(b"\x89HDF",))
        assert {path.name for path in tmp_path.iterdir()} <= {".x.part"}
        assert len(server.asked) == 2


def test_a_token_with_a_line_end_is_taken_without_and_one_with_others_is_named() -> None:
    with Client(environment={"EARTHDATA_TOKEN": " t0ken\r\n", "KMA_API_KEY": "k\n3y"}) as client:
        assert client.secret("EARTHDATA_TOKEN") == "t0ken"
        with pytest.raises(NeedsCredentials, match="KMA_API_KEY in printable ASCII") as failed:
            client.secret("KMA_API_KEY")
        assert "3y" not in str(failed.value)


@pytest.mark.parametrize("extra", ["[1]", "5", '"x"', "{"])
def test_an_odd_connection_is_named(extra: str) -> None:
    odd = {"AIRFLOW_CONN_KMA": f'{{"password": "k3y", "extra": {extra}}}'}
    with (
        Client(environment=odd) as client,
        pytest.raises(Exception, match="AIRFLOW_CONN_KMA as") as no,
    ):
        client.secret("KMA_API_KEY")
    assert "k3y" not in str(no.value)


def test_a_netrc_that_cannot_be_read_is_named(tmp_path: Path) -> None:
    path = tmp_path / ".netrc"
    path.write_bytes(b"machine urs.earthdata.nasa.gov login me password \xff\xfe\x00")
    with Client(environment={"NETRC": str(path)}) as client:
        with pytest.raises(NeedsCredentials, match="netrc") as failed:
            client.secret("EARTHDATA_PASSWORD")
        assert "\\xff" not in str(failed.value)


def test_a_proxy_of_the_environment_is_asked_in_the_hosts_place(
    server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("https_proxy", f"http://me:w0rd@127.0.0.1:{server.server_port}")
    with Client(environment={}, attempts=1) as client, pytest.raises(HttpError, match="ProxyError"):
        client.get("https://example.org/x")
    assert server.asked == [], "CONNECT is no GET: the test server refuses it"


def test_absence_is_still_absence(client: Client) -> None:
    with serving("404") as [server], pytest.raises(NotPublished):
        client.get(f"{server.url}/x")
    assert answer(b"x").startswith(b"HTTP/1.1 200 OK")

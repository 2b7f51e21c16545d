"""One wall clock for a request: whatever a server does, and however little, it ends by then."""

from __future__ import annotations

import gzip
import socket
import ssl
import threading
import time
import tracemalloc
import zlib
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from pipeline.sources.access.client import Client
from pipeline.sources.access.wire import BEFORE_ANSWER
from pipeline.sources.base import (
    HttpError,
    NotPublished,
)
from tests.sources.hostile import DRIPS, FLOODS, HDF, answer, serving
from tests.sources.servers import Answer, Request, Server

LIMIT_S, SLACK_S = 0.3, 2.0


@pytest.mark.parametrize("kind", DRIPS)
def test_a_request_ends_by_its_deadline(hasty: Client, tmp_path: Path, kind: str) -> None:
    with serving(kind) as [server]:
        for ask in (
            lambda: hasty.get(f"{server.url}/x"),
            lambda: hasty.download(f"{server.url}/x", tmp_path / "x", magic=(HDF[:8],)),
        ):
            began = time.monotonic()
            with pytest.raises(HttpError) as failed:
                ask()
            assert time.monotonic() - began < LIMIT_S + SLACK_S
            assert failed.value.passing or "found" in str(failed.value)
    assert not (tmp_path / "x").exists()


@pytest.mark.parametrize("kind", FLOODS)
def test_a_flood_ends_by_its_deadline_or_its_size(
    hasty: Client, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kind: str
) -> None:
    monkeypatch.setattr("pipeline.sources.access.download.LARGE", 1 << 20)
    with serving(kind) as [server]:
        began = time.monotonic()
        with pytest.raises(HttpError):
            hasty.download(f"{server.url}/x", tmp_path / "x", magic=(HDF[:8],))
        assert time.monotonic() - began < LIMIT_S + SLACK_S
    assert sum(path.stat().st_size for path in tmp_path.iterdir()) <= 1 << 20


def test_early_hints_are_bounded_by_their_bytes(patient: Client) -> None:
    with (
        serving("103 without end") as [server],
        pytest.raises(HttpError, match=f"more than {BEFORE_ANSWER} bytes and no answer"),
    ):
        patient.get(f"{server.url}/x")


@pytest.mark.parametrize("speaks", [False, True], ids=["silent", "in drops"])
def test_a_handshake_ends_by_its_deadline(hasty: Client, speaks: bool) -> None:
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
                hasty.get(f"https://127.0.0.1:{listening.getsockname()[1]}/x")
            assert time.monotonic() - began < LIMIT_S + SLACK_S
            assert failed.value.passing
        finally:
            over.set()
            thread.join()


def test_a_connection_that_nobody_accepts_ends_by_its_deadline(hasty: Client) -> None:
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
            hasty.get(f"http://127.0.0.1:{port}/x")
        assert time.monotonic() - began < LIMIT_S + SLACK_S
        for one in waiting:
            one.close()


def test_what_follows_an_answer_does_not_answer_the_next_request(patient: Client) -> None:
    """Four answers in one packet, on a connection that stays open."""
    with serving("an answer to nobody") as [server]:
        for path in ("x", "y"):
            assert patient.get(f"{server.url}/{path}") == f"/{path}".encode()


def test_a_bomb_takes_no_more_memory_than_its_limit(
    patient: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("pipeline.sources.access.client.LARGEST_IN_MEMORY", 1 << 20)
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
def test_an_answer_is_unpacked(hasty: Client, server: Server, encoding: str) -> None:
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
    assert hasty.get(f"{server.url}/x") == body
    assert asked[0].headers["accept-encoding"] == "gzip"


@pytest.mark.parametrize(
    ("kind", "why"),
    [("304 not asked for", "304 was not asked for"), ("206 not asked for", "206 was not asked for"),
     ("a length of 9,999 digits", "bad Content-Length"), ("odd cookies", "503")],
)  # fmt: skip
def test_odd_answers_are_no_answers(hasty: Client, kind: str, why: str) -> None:
    with serving(kind) as [server], pytest.raises(HttpError, match=why):
        hasty.get(f"{server.url}/x")


def test_a_proxy_of_the_environment_is_asked_in_the_hosts_place(
    server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("https_proxy", f"http://me:w0rd@127.0.0.1:{server.server_port}")
    with Client(environment={}, attempts=1) as client, pytest.raises(HttpError, match="ProxyError"):
        client.get("https://example.org/x")
    assert server.asked == [], "CONNECT is no GET: the test server refuses it"


def test_absence_is_still_absence(hasty: Client) -> None:
    with serving("404") as [server], pytest.raises(NotPublished):
        hasty.get(f"{server.url}/x")
    assert answer(b"x").startswith(b"HTTP/1.1 200 OK")


def certified(folder: Path) -> tuple[Path, Path]:
    """Certificate of 127.0.0.1 and its key, signed by nobody that is known."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "127.0.0.1")])
    address = x509.IPAddress(ip_address("127.0.0.1"))
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(datetime.now(UTC) - timedelta(days=1))
        .not_valid_after(datetime.now(UTC) + timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([address]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    paths = folder / "certificate.pem", folder / "key.pem"
    paths[0].write_bytes(made.public_bytes(serialization.Encoding.PEM))
    paths[1].write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
    )  # fmt: skip
    return paths


def test_a_certificate_is_checked_against_those_that_are_trusted(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    certificate, key = certified(tmp_path)
    server = Server("127.0.0.1")
    server.serve("/x", Answer(b"sound"))
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)
    server.socket = context.wrap_socket(server.socket, server_side=True)
    server.handle_error = lambda *_: None  # type: ignore[method-assign]
    thread = threading.Thread(target=server.serve_forever, args=(0.02,))
    thread.start()
    url = f"https://127.0.0.1:{server.server_port}/x"
    try:
        with (
            Client(environment={}, attempts=1) as client,
            pytest.raises(HttpError, match="CERTIFICATE_VERIFY_FAILED"),
        ):
            client.get(url)
        assert server.asked == []
        monkeypatch.setenv("SSL_CERT_FILE", str(certificate))
        with Client(environment={}, attempts=1) as client:
            assert client.get(url) == b"sound"
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
    with socket.socket() as closed, pytest.raises(OSError, match="refused"):
        closed.connect(("127.0.0.1", server.server_port))

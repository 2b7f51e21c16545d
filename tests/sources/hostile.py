"""A server that answers every way a server should not, on a raw socket of the loopback interface.

``KINDS`` names the answers. ``ENDLESS`` are those that never come to an end by themselves,
``ABSENT`` those by which a provider says in HTTP that it has no such file.
"""

from __future__ import annotations

import gzip
import json
import socket
import socketserver
import struct
import threading
import time
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import lru_cache

HDF = b"\x89HDF\r\n\x1a\n" + b"\xff\x00no such field" * 500
DRIP_S = 0.02
LOGIN = b'<!DOCTYPE html>\n<html><title>Earthdata Login</title><form id="login"></form></html>'
PAGE = b"<html><body>Under maintenance</body></html>"
UP = "../../../../evil"


class Hostile(socketserver.ThreadingTCPServer):
    """A server on a free port that answers one kind, but ``sound`` answers to some paths.

    Parameters
    ----------
    kind
        Key of ``KINDS``.
    """

    daemon_threads = True
    allow_reuse_address = True
    request_queue_size = 64

    def __init__(self, kind: str) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.kind = KINDS[kind]
        self.url = f"http://127.0.0.1:{self.server_address[1]}"
        self.sound: dict[str, bytes] = {}
        self.asked: list[str] = []
        self.over = threading.Event()

    def handle_error(self, request: object, client_address: object) -> None:
        """Keep quiet: clients leave in the middle, as they should."""


class _Handler(socketserver.BaseRequestHandler):
    server: Hostile

    def handle(self) -> None:
        head = b""
        while b"\r\n\r\n" not in head:
            piece = self.request.recv(65536)
            if not piece:
                return
            head += piece
        path = head.split(b" ", 2)[1].decode()
        self.server.asked.append(path)
        for begins, body in self.server.sound.items():
            if path.startswith(begins):
                self.request.sendall(answer(body, "Connection: close"))
                return
        self.server.kind(Talk(self.request, path, self.server.over))


class Talk:
    """A connection on which an answer is given."""

    def __init__(self, connection: socket.socket, path: str, over: threading.Event) -> None:
        self.connection, self.path, self.over = connection, path, over

    def send(self, data: bytes) -> None:
        """Send at once."""
        self.connection.sendall(data)

    def drip(self, data: bytes) -> None:
        """Send again and again, slowly, until the client leaves."""
        while not self.over.is_set():
            self.send(data)
            time.sleep(DRIP_S)

    def flood(self, data: bytes) -> None:
        """Send again and again, as fast as it goes, until the client leaves."""
        while not self.over.is_set():
            self.send(data)

    def wait(self) -> None:
        """Say nothing more."""
        self.over.wait(30)

    def reset(self) -> None:
        """Reset the connection."""
        self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.connection.close()


def answer(body: bytes = b"", *headers: str, status: str = "200 OK") -> bytes:
    """Make a whole answer."""
    lines = [f"HTTP/1.1 {status}", f"Content-Length: {len(body)}", *headers, "", ""]
    return "\r\n".join(lines).encode("latin-1") + body


def begun(*headers: str, status: str = "200 OK") -> bytes:
    """Make the head of an answer that is sent in chunks."""
    lines = [f"HTTP/1.1 {status}", "Transfer-Encoding: chunked", *headers, "", ""]
    return "\r\n".join(lines).encode("latin-1")


def chunk(data: bytes) -> bytes:
    """Make one chunk."""
    return f"{len(data):x}\r\n".encode() + data + b"\r\n"


@lru_cache
def bomb() -> bytes:
    """Make 64 MB of zeros in gzip, 64 kB."""
    packer = zlib.compressobj(6, zlib.DEFLATED, zlib.MAX_WBITS | 16)
    return b"".join(packer.compress(bytes(1 << 20)) for _ in range(64)) + packer.flush()


def paths(*, rows: bool) -> bytes:
    """Make a catalogue, a list of files or an inventory whose names are paths out of the folder."""
    granule = {
        "meta": {"collection-concept-id": UP, "revision-date": "9999-99-99"},
        "umm": {
            "GranuleUR": UP,
            "RelatedUrls": [
                {"URL": f"https://127.0.0.1/{UP}", "Type": "GET DATA"},
                {"URL": "https://127.0.0.1/..%2F..%2Fevil", "Type": "GET DATA"},
                {"URL": "https://127.0.0.1/3B-HHR-L\x00", "Type": "GET DATA"},
                {"URL": "https://[::1/x", "Type": "GET DATA"},
                {"URL": f"file:///etc/{UP}", "Type": "USE SERVICE API", "Subtype": "OPENDAP DATA"},
            ],
            "ProviderDates": [{"Type": "Insert", "Date": "9999-12-31T23:59:59Z"}],
        },
    }
    station = {
        "uniqueId": UP, "stationCode": UP, "stationName": UP, "countryCode": UP,
        "parameter": "Water Level", "label": UP, "correctedEndTime": "9999",
    }  # fmt: skip
    if rows:
        codes = ("013901", "014501", "019802", "010501")
        return json.dumps([station | {"stationCode": code} for code in codes]).encode()
    names = [{"name": UP, "item": UP}, {"name": "/etc/evil", "item": 7}, {"name": None}, 3]
    return json.dumps({"items": [granule], "content": names, "list": names}).encode()


def _redirect(*, to: str) -> Callable[[Talk], None]:
    return lambda talk: talk.send(answer(b"", f"Location: {to}", status="302 Found"))


def _whole(body: bytes, *headers: str, status: str = "200 OK") -> Callable[[Talk], None]:
    return lambda talk: talk.send(answer(body, *headers, status=status))


def _raw(data: bytes) -> Callable[[Talk], None]:
    return lambda talk: talk.send(data)


def _begin(head: bytes, go_on: Callable[[Talk], None]) -> Callable[[Talk], None]:
    def kind(talk: Talk) -> None:
        talk.send(head)
        go_on(talk)

    return kind


def _chain(talk: Talk) -> None:
    talk.send(answer(b"", f"Location: {talk.path}/x", status="307 Temporary Redirect"))


def _cut(talk: Talk) -> None:
    talk.send(b"HTTP/1.1 200 OK\r\nContent-Length: 9000\r\n\r\n" + HDF[:4000])


def _answer_to_nobody(talk: Talk) -> None:
    talk.send(answer(talk.path.encode()) + answer(HDF) * 3)
    talk.over.wait(5)


DRIPS: dict[str, Callable[[Talk], None]] = {
    "silence": Talk.wait,
    "silence after the status": _begin(b"HTTP/1.1 200 OK\r\n", Talk.wait),
    "silence after the head": _begin(b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n", Talk.wait),
    "a header in drops": _begin(b"HTTP/1.1 200 OK\r\nX: ", lambda talk: talk.drip(b"a")),
    "headers in drops": _begin(b"HTTP/1.1 200 OK\r\n", lambda talk: talk.drip(b"X: a\r\n")),
    "100 in drops": lambda talk: talk.drip(b"HTTP/1.1 100 Continue\r\n\r\n"),
    "102 in drops": lambda talk: talk.drip(b"HTTP/1.1 102 Processing\r\n\r\n"),
    "a body in drops": _begin(
        b"HTTP/1.1 200 OK\r\nContent-Length: 90000\r\n\r\n", lambda talk: talk.drip(b"\x89")
    ),
    "chunks in drops": _begin(begun(), lambda talk: talk.drip(chunk(b"["))),
    "an extension in drops": _begin(begun() + b"5;x=", lambda talk: talk.drip(b"y")),
    "trailers in drops": _begin(
        begun() + chunk(HDF) + b"0\r\n", lambda talk: talk.drip(b"X: a\r\n")
    ),
    "a name in gzip in drops": _begin(
        begun("Content-Encoding: gzip") + chunk(b"\x1f\x8b\x08\x08" + bytes(6)),
        lambda talk: talk.drip(chunk(b"n")),
    ),
    "empty blocks in gzip in drops": _begin(
        begun("Content-Encoding: gzip") + chunk(gzip.compress(b"")[:10]),
        lambda talk: talk.drip(chunk(b"\x00\x00\x00\xff\xff")),
    ),
}
FLOODS: dict[str, Callable[[Talk], None]] = {
    "103 without end": lambda talk: talk.flood(b"HTTP/1.1 103 Early Hints\r\n\r\n" * 99),
    "headers without end": _begin(
        b"HTTP/1.1 200 OK\r\n", lambda talk: talk.flood(b"X: a\r\n" * 99)
    ),
    "a header without end": _begin(b"HTTP/1.1 200 OK\r\nX: ", lambda talk: talk.flood(b"a" * 9999)),
    "a body without end": _begin(b"HTTP/1.1 200 OK\r\n\r\n", lambda talk: talk.flood(b"[" * 65536)),
    "a file without end": _begin(
        b"HTTP/1.1 200 OK\r\n\r\n" + HDF, lambda talk: talk.flood(bytes(65536))
    ),
    "an extension without end": _begin(begun() + b"5;x=", lambda talk: talk.flood(b"y" * 9999)),
    "trailers without end": _begin(
        begun() + chunk(HDF) + b"0\r\n", lambda talk: talk.flood(b"X: a\r\n" * 99)
    ),
}
ENDLESS = DRIPS | FLOODS
STATUSES = {
    str(status): _whole(PAGE, status=f"{status} Odd")
    for status in (
        201, 203, 300, 305, 401, 402, 403, 407, 416, 429, 451, 500, 501, 503, 520, 999,
    )
}  # fmt: skip
KINDS: dict[str, Callable[[Talk], None]] = {
    **ENDLESS,
    **STATUSES,
    "reset": Talk.reset,
    "closed": lambda _: None,
    "cut": _cut,
    "204": _raw(b"HTTP/1.1 204 No Content\r\n\r\n"),
    "205": _raw(b"HTTP/1.1 205 Reset Content\r\n\r\n"),
    "404": _whole(PAGE, status="404 Not Found"),
    "410": _whole(PAGE, status="410 Gone"),
    "101": _raw(b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\nConnection: upgrade\r\n\r\n"),
    "304 not asked for": _raw(b"HTTP/1.1 304 Not Modified\r\n\r\n"),
    "206 not asked for": _whole(
        HDF, f"Content-Range: bytes 0-{len(HDF) - 1}/{len(HDF)}", status="206 Partial Content"
    ),
    "206 of another place": _whole(
        HDF, 'ETag: "a"', "Content-Range: bytes 5000-9/3", status="206 Partial Content"
    ),
    "206 without a range": _whole(HDF, status="206 Partial Content"),
    "a length too long": _raw(b"HTTP/1.1 200 OK\r\nContent-Length: 99999\r\n\r\n" + HDF),
    "a length of a petabyte": _raw(
        b"HTTP/1.1 200 OK\r\nContent-Length: 1" + b"0" * 15 + b"\r\n\r\n"
    ),
    "a negative length": _raw(b"HTTP/1.1 200 OK\r\nContent-Length: -5\r\n\r\n" + HDF),
    "a length of 9,999 digits": _raw(
        b"HTTP/1.1 200 OK\r\nContent-Length: " + b"9" * 9999 + b"\r\n\r\n" + HDF
    ),
    "two lengths": _raw(b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\n" + HDF),
    "a bad chunk": _raw(begun() + b"zz\r\n" + HDF),
    "a chunk of an exabyte": _raw(begun() + b"f" * 15 + b"\r\n" + HDF),
    "a chunk that breaks off": _raw(begun() + b"fffff\r\n" + HDF),
    "a bad status line": _raw(b"HTTP/9.9 abc maybe\r\n\r\n"),
    "no status line": _raw(HDF),
    "another protocol": _raw(b"SSH-2.0-OpenSSH_9.6\r\n"),
    "TLS": _raw(b"\x15\x03\x01\x00\x02\x02\x46" * 9),
    "NUL in a header": _raw(b"HTTP/1.1 200 OK\r\nX: a\x00b\r\nContent-Length: 0\r\n\r\n"),
    "a folded header": _raw(b"HTTP/1.1 200 OK\r\n folded: x\r\n\r\n"),
    "a header without a name": _raw(b"HTTP/1.1 200 OK\r\n: x\r\nContent-Length: 0\r\n\r\n"),
    "an injected header": _whole(PAGE, "X: a\rSet-Cookie: b=1\nLocation: file:///etc/passwd"),
    "20,000 headers": _whole(PAGE, *(["a: b"] * 20_000)),
    "a header of a megabyte": _whole(PAGE, "X: " + "a" * (1 << 20)),
    "odd cookies": _whole(
        PAGE,
        "Set-Cookie: \xe9=\xff; Path=/",
        "Set-Cookie: =;;;=",
        "Set-Cookie: a=" + "b" * 60_000,
        'Set-Cookie: c="\\012"; Expires=Thu, 99 Foo 99999 99:99:99',
        status="503 Odd",
    ),
    "an odd tag": _raw(b'HTTP/1.1 200 OK\r\nETag: "\xe9\xff"\r\nContent-Length: 9\r\n\r\n\x89HDF'),
    "a wait of ages": _whole(PAGE, "Retry-After: " + "9" * 400, status="429 Odd"),
    "an odd wait": _whole(PAGE, "Retry-After: \xb2", status="503 Odd"),
    "a wait until 1970": _whole(
        PAGE,
        "Retry-After: Thu, 01 Jan 1970 00:00:00 GMT",
        "Date: Fri, 31 Dec 9999 23:59:59 GMT",
        status="503 Odd",
    ),
    "a redirect without a goal": _whole(b"", status="302 Found"),
    "a redirect to itself": lambda talk: talk.send(
        answer(b"", f"Location: {talk.path}", status="301 Moved")
    ),
    "redirects without end": _chain,
    "a redirect to a file": _redirect(to="file:///etc/passwd"),
    "a redirect to plain HTTP": _redirect(to="http://example.org/x"),
    "a redirect to FTP": _redirect(to="ftp://127.0.0.1/x"),
    "a redirect to nowhere": _redirect(to="https://[::1/x"),
    "a redirect to a bad port": _redirect(to="https://127.0.0.1:99999999/x"),
    "a redirect with a NUL": _redirect(to="/a%00b\x01"),
    "a redirect to a long name": _redirect(to="https://" + "a" * 300 + ".invalid/"),
    "a redirect to bytes": _redirect(to="https://\xe9\xff\xfe/"),
    "a page": _whole(PAGE),
    "a login": _whole(LOGIN),
    "a long page": _whole(PAGE + b" " * (1 << 20)),
    "nothing": _whole(b""),
    "nothing in chunks": _raw(begun() + b"0\r\n\r\n"),
    "text": _whole("ยังไม่มีข้อมูล".encode()),
    "NUL": _whole(bytes(5000)),
    "UTF-16": _whole('{"items": [{"meta": 1}]}'.encode("utf-16")),
    "null": _whole(b"null"),
    "a number": _whole(b"7"),
    "an object": _whole(b"{}"),
    "errors": _whole(b'{"errors": ["not ready"], "result": {"status": 500}}'),
    "numbers in a list": _whole(b"[1, 2, 3]"),
    "deep lists": _whole(b"[" * 200_000),
    "deep objects": _whole(b'{"items":' * 100_000 + b"1" + b"}" * 100_000),
    "NaN": _whole(b'{"items": [NaN], "list": [Infinity], "measurements": [-Infinity]}'),
    "a number of 9,999 digits": _whole(b'{"items": [' + b"9" * 9999 + b"]}"),
    "half a surrogate": _whole(b'{"items": ["\\ud800"], "content": [{"name": "\\ud800"}]}'),
    "the wrong types": _whole(
        b'{"items": {"meta": 1}, "content": 5, "list": "x", "measurements": {"d": 1}, "data": [[]]}'
    ),
    "the wrong types inside": _whole(
        b'{"items": [{"meta": [], "umm": {"RelatedUrls": 3}}], "content": [{"name": {}}], '
        b'"list": [{"item": []}], "measurements": [[1], null], "station": 4, "result": "OK", '
        b'"data": {"graph_data": [{"datetime": {}, "value": []}]}, "Points": [{"Timestamp": {}}]}'
    ),
    "paths as names": _whole(paths(rows=False)),
    "paths as labels": _whole(paths(rows=True)),
    "a name that is a path": _whole(
        HDF, f'Content-Disposition: attachment; filename="{UP}"', f"Content-Location: {UP}"
    ),
    "a file that is none": _whole(HDF, "Last-Modified: Wed, 19 Aug 2026 20:00:00 GMT"),
    "a file of the year 9999": _whole(HDF, "Last-Modified: Fri, 31 Dec 9999 23:59:59 GMT"),
    "a file of the year 1": _whole(HDF, "Last-Modified: Mon, 01 Jan 0001 00:00:00 +2359"),
    "a file of no time": _whole(HDF, "Last-Modified: Thu, 99 Foo 2026 99:99:99 +9999999"),
    "a bomb": lambda talk: talk.send(answer(bomb(), "Content-Encoding: gzip")),
    "a bomb in a bomb": lambda talk: talk.send(
        answer(gzip.compress(bomb()), "Content-Encoding: gzip, gzip")
    ),
    "broken gzip": _whole(b"\x1f\x8b" + HDF, "Content-Encoding: gzip"),
    "gzip cut short": _whole(gzip.compress(b'{"items": []}' * 99)[:-9], "Content-Encoding: gzip"),
    "brotli": _whole(b"\x0b\x02\x80{}\x03", "Content-Encoding: br"),
    "an answer to nobody": _answer_to_nobody,
}
"""Every kind of answer, by its name."""
ABSENT = {"404", "410"}
"""Kinds that say that there is no such file."""
NAMES = {"paths as names", "half a surrogate", "the wrong types inside"}
"""Kinds that are lists of other files: what was asked for is not in them."""
FILES = {
    "a file that is none", "a name that is a path", "a file of the year 9999",
    "a file of the year 1", "a file of no time",
}  # fmt: skip
"""Kinds that begin as the file that was asked for; only reading them tells that they are none."""


@contextmanager
def serving(kind: str, *, count: int = 1) -> Iterator[list[Hostile]]:
    """Run servers of a kind."""
    servers = [Hostile(kind) for _ in range(count)]
    threads = [threading.Thread(target=one.serve_forever, args=(0.02,)) for one in servers]
    for thread in threads:
        thread.start()
    try:
        yield servers
    finally:
        for server in servers:
            server.over.set()
            server.shutdown()
            server.server_close()
        for thread in threads:
            thread.join()

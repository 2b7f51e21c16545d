"""Local servers that speak the providers' protocols, on 127.0.0.1 and, as another host, 127.0.0.2.

A server answers what its ``routes`` say, remembers what it was asked, and can be made to fail the
ways providers do.
"""

from __future__ import annotations

import base64
import email.utils
import json
import re
import socket
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import parse_qsl, quote, unquote, urlsplit

import h5py
import numpy as np

HTML = b"<!DOCTYPE html>\n<html><title>Earthdata Login</title></html>"


@dataclass(frozen=True)
class Request:
    """What was asked: the path without the query, the query, and headers by lower-case name."""

    path: str
    query: dict[str, str]
    headers: dict[str, str]


@dataclass(frozen=True)
class Answer:
    """What is answered.

    ``cut`` closes the connection after so many bytes of the body, ``pause_s`` waits before each
    tenth of it. ``reason`` follows the status.
    """

    body: bytes = b""
    status: int = 200
    headers: dict[str, str] = field(default_factory=dict)
    cut: int | None = None
    pause_s: float = 0.0
    reason: str | None = None


Route = Callable[[Request], Answer]


def closed_address() -> str:
    """Address of a port of 127.0.0.1 where nobody listens."""
    with socket.socket() as bound:
        bound.bind(("127.0.0.1", 0))
        return f"http://127.0.0.1:{bound.getsockname()[1]}"


class Server(ThreadingHTTPServer):
    """A server on a free port of 127.0.0.1; ``routes`` maps paths, or their beginnings."""

    daemon_threads = True

    def __init__(self, host: str = "127.0.0.1") -> None:
        super().__init__((host, 0), _Handler)
        self.url = f"http://{host}:{self.server_port}"
        self.routes: dict[str, Route] = {}
        self.asked: list[Request] = []
        self.under_way: set[_Handler] = set()
        self.most_under_way = 0
        self.lock = threading.Lock()

    def serve(self, path: str, *answers: Answer) -> None:
        """Answer a path with one answer after the other, then with the last again and again."""
        left = list(answers)

        def route(_: Request) -> Answer:
            return left.pop(0) if len(left) > 1 else left[0]

        self.routes[path] = route

    def paths(self) -> list[str]:
        """Paths that were asked for."""
        return [one.path for one in self.asked]


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: Server

    def do_GET(self) -> None:
        parts = urlsplit(self.path)
        headers = {key.lower(): value for key, value in self.headers.items()}
        asked = Request(unquote(parts.path), dict(parse_qsl(parts.query)), headers)
        with self.server.lock:
            self.server.asked.append(asked)
            self.server.under_way.add(self)
            self.server.most_under_way = max(self.server.most_under_way, len(self.server.under_way))
        try:
            found = [path for path in self.server.routes if asked.path.startswith(path)]
            route = self.server.routes[max(found, key=len)] if found else _nothing
            self._send(route(asked))
        except (BrokenPipeError, ConnectionResetError):
            self.close_connection = True
        finally:
            self._finish()

    def _send(self, answer: Answer) -> None:
        self.send_response_only(answer.status, answer.reason)
        if "Date" not in answer.headers:
            self.send_header("Date", self.date_time_string())
        for name, value in answer.headers.items():
            self.send_header(name, value)
        if answer.status != 304:
            self.send_header("Content-Length", str(len(answer.body)))
        self.end_headers()
        body = answer.body if answer.cut is None else answer.body[: answer.cut]
        step = max(1, len(body) // 10 if answer.pause_s else len(body))
        for start in range(0, len(body), step):
            time.sleep(answer.pause_s)
            if start + step >= len(body):
                self._finish()  # whoever has the last byte may ask again before the next line runs
            self.wfile.write(body[start : start + step])
            self.wfile.flush()
        if answer.cut is not None:
            self.close_connection = True

    def _finish(self) -> None:
        with self.server.lock:
            self.server.under_way.discard(self)

    def log_message(self, *_: object) -> None:
        """Keep quiet."""


def _nothing(_: Request) -> Answer:
    return Answer(status=404)


@contextmanager
def running(*hosts: str) -> Iterator[list[Server]]:
    """Run one server per host name."""
    servers = [Server(host) for host in hosts]
    threads = [threading.Thread(target=one.serve_forever, args=(0.02,)) for one in servers]
    for thread in threads:
        thread.start()
    try:
        yield servers
    finally:
        for server in servers:
            server.shutdown()
            server.server_close()
        for thread in threads:
            thread.join()


def file_route(
    content: Callable[[], tuple[bytes, str]], *, modified: datetime, cut: int | None = None
) -> Route:
    """Serve a file the way a good static server does: ranges, validators, conditional requests.

    ``content`` gives the bytes and the entity tag of the moment; ``cut`` ends every whole answer
    after so many bytes.
    """
    stamp = email.utils.format_datetime(modified.astimezone(UTC), usegmt=True)

    def route(asked: Request) -> Answer:
        body, etag = content()
        headers = {"ETag": etag, "Last-Modified": stamp, "Accept-Ranges": "bytes"}
        since = asked.headers.get("if-modified-since")
        if since and email.utils.parsedate_to_datetime(since) >= modified:
            return Answer(status=304, headers=headers)
        wanted = re.fullmatch(r"bytes=(\d+)-", asked.headers.get("range", ""))
        if wanted and asked.headers.get("if-range", etag) in {etag, stamp}:
            start = int(wanted[1])
            if start >= len(body):
                return Answer(status=416, headers={"Content-Range": f"bytes */{len(body)}"})
            span = {"Content-Range": f"bytes {start}-{len(body) - 1}/{len(body)}"}
            return Answer(body[start:], status=206, headers=headers | span)
        return Answer(body, headers=headers, cut=cut)

    return route


class Earthdata:
    """Login, catalogue, OPeNDAP and files of NASA Earthdata, each as the true one behaves.

    Parameters
    ----------
    login, data, store, pps
        Servers of four hosts: the login; catalogue, OPeNDAP and files; what files are redirected
        to, which like S3 refuses a request with an ``Authorization`` header; and PPS.
    """

    USER, PASSWORD, TOKEN = "mekong", "wet season:80%/&", "eyJ0eXAi.good.token"

    def __init__(self, login: Server, data: Server, store: Server, pps: Server) -> None:
        self.login, self.data, self.store, self.pps = login, data, store, pps
        self.files: dict[str, bytes] = {}
        self.catalogue: list[dict[str, object]] = []
        self.opendap_status = 200
        login.routes["/oauth/authorize"] = self._authorize
        data.routes["/login"] = self._callback
        data.routes["/data/"] = self._guarded(self._file)
        data.routes["/opendap/"] = self._guarded(self._subset)
        data.routes["/search/granules.umm_json"] = self._search
        store.routes["/"] = self._stored

    @property
    def endpoints(self) -> dict[str, str]:
        """Settings that point the client here."""
        return {
            "cmr": self.data.url,
            "earthdata": self.login.url,
            "opendap": f"{self.data.url}/opendap",
            "pps": self.pps.url,
            "imerg_store": f"{self.data.url}/no-such-bucket",
        }

    def publish(
        self, product: str, name: str, content: bytes, *, start: datetime, inserted: datetime,
        opendap: bool = True,
    ) -> None:  # fmt: skip
        """Put a file and its entry in UMM-G there."""
        unique = f"{product}.07:{name}"
        links = [
            {"URL": f"s3://protected/{name}", "Type": "GET DATA VIA DIRECT ACCESS"},
            {"URL": f"{self.data.url}/data/{name}", "Type": "GET DATA"},
        ]
        if opendap:
            links.append(
                {
                    "URL": f"{self.data.url}/opendap/collections/C1-TEST/granules/{quote(unique)}",
                    "Type": "USE SERVICE API",
                    "Subtype": "OPENDAP DATA",
                }
            )
        self.files[name] = content
        self.catalogue.append(
            {
                "meta": {
                    "collection-concept-id": "C1-TEST",
                    "revision-date": "2030-01-01T00:00:00Z",
                },
                "umm": {
                    "GranuleUR": unique,
                    "RelatedUrls": links,
                    "ProviderDates": [
                        {"Type": "Update", "Date": "2030-01-01T00:00:00.000Z"},
                        {"Type": "Insert", "Date": f"{inserted:%Y-%m-%dT%H:%M:%S}.000Z"},
                    ],
                },
                "product": product,
                "day": f"{start:%Y-%m-%d}",
            }
        )

    def _search(self, asked: Request) -> Answer:
        first, last = (moment[:10] for moment in asked.query["temporal"].split(","))
        found = [
            {"meta": one["meta"], "umm": one["umm"]}
            for one in self.catalogue
            if one["product"] == asked.query["short_name"] and first <= str(one["day"]) <= last
        ]
        return Answer(json.dumps({"hits": len(found), "took": 5, "items": found}).encode())

    def _guarded(self, route: Route) -> Route:
        """Ask who it is: by token, by the cookie of a session, else send to the login."""

        def guarded(asked: Request) -> Answer:
            proof = asked.headers.get("authorization", "")
            if proof:
                if proof == f"Bearer {self.TOKEN}":
                    return route(asked)
                return Answer(b'{"error":"invalid_token"}', status=401)
            if "session=open" in asked.headers.get("cookie", ""):
                return route(asked)
            query = "&".join(f"{key}={quote(value)}" for key, value in asked.query.items())
            state = quote(f"{quote(asked.path)}?{query}" if query else quote(asked.path), safe="")
            goal = f"{self.login.url}/oauth/authorize?client_id=x&response_type=code"
            back = quote(f"{self.data.url}/login", safe="")
            return Answer(
                status=302, headers={"Location": f"{goal}&redirect_uri={back}&state={state}"}
            )

        return guarded

    def _authorize(self, asked: Request) -> Answer:
        code = base64.b64encode(f"{self.USER}:{self.PASSWORD}".encode()).decode()
        if asked.headers.get("authorization") != f"Basic {code}":
            return Answer(HTML, status=401, headers={"WWW-Authenticate": 'Basic realm="login"'})
        state = quote(asked.query["state"], safe="")
        return Answer(
            status=302,
            headers={
                "Location": f"{asked.query['redirect_uri']}?code=once&state={state}",
                "Set-Cookie": "_urs_session=deep; Path=/; HttpOnly",
            },
        )

    def _callback(self, asked: Request) -> Answer:
        if asked.query.get("code") != "once":
            return Answer(status=401)
        return Answer(
            status=302,
            headers={"Location": asked.query["state"], "Set-Cookie": "session=open; Path=/"},
        )

    def _file(self, asked: Request) -> Answer:
        name = asked.path.rpartition("/")[2]
        if name not in self.files:
            return Answer(status=404)
        return Answer(
            status=307, headers={"Location": f"{self.store.url}/{name}?A-userid=mekong&sig=s1g"}
        )

    def _stored(self, asked: Request) -> Answer:
        if "authorization" in asked.headers:
            return Answer(b"<Error>Only one auth mechanism allowed</Error>", status=400)
        content = self.files[asked.path.strip("/")]
        return file_route(lambda: (content, '"e1"'), modified=datetime(2030, 1, 1, tzinfo=UTC))(
            asked
        )

    def _subset(self, asked: Request) -> Answer:
        if self.opendap_status != 200:
            return Answer(b"BES server error", status=self.opendap_status)
        name = asked.path.rpartition(":")[2].removesuffix(".dap.nc4")
        if name not in self.files:
            return Answer(status=404)
        return Answer(dap4(self.files[name], asked.query["dap4.ce"]))


def dap4(content: bytes, constraint: str) -> bytes:
    """Cut an HDF5 file by a constraint of DAP4, as Hyrax answers ``.dap.nc4``: groups kept."""
    with tempfile.TemporaryDirectory() as folder:
        whole, cut = Path(folder, "whole"), Path(folder, "cut")
        whole.write_bytes(content)
        with h5py.File(whole) as old, h5py.File(cut, "w") as new:
            for key, value in old.attrs.items():
                new.attrs[key] = value
            new.attrs["_NCProperties"] = np.bytes_(b"version=2,netcdf=4.9.0,hdf5=1.10.10")
            new.attrs["history"] = np.bytes_(b"Hyrax")
            for clause in constraint.split(";"):
                path = clause.partition("[")[0]
                spans = re.findall(r"\[(\d+)(?::(\d+))?\]", clause)
                source = old[path]
                index = tuple(slice(int(a), int(b or a) + 1) for a, b in spans) or ...
                data = new.create_dataset(path, data=source[index], compression="gzip")
                for key, value in source.attrs.items():
                    if key not in {"DIMENSION_LIST", "REFERENCE_LIST", "CLASS", "NAME"}:
                        data.attrs[key] = value
        return cut.read_bytes()

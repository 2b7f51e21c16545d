"""A receiver that polls over HTTP while trees are published never takes a set that does not fit."""

from __future__ import annotations

import hashlib
import json
import multiprocessing
import threading
from functools import partial
from http.client import HTTPConnection
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from pipeline.exchange.index import complete_index
from pipeline.exchange.publication import publish_tree
from tests.alerts.alert_cases import T0

PUBLICATIONS = 200


class Quiet(SimpleHTTPRequestHandler):
    """Serves a folder and prints nothing."""

    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002
        pass


def tree(number: int) -> dict[str, bytes]:
    files = {f"{name}.csv": f"{name} {number}\n".encode() * 400 for name in "abcdef"}
    draft = {
        "schema_version": 3, "version": None, "issue_time": "2026-08-20T00:30:00Z",
        "revision": number, "status": "Exercise", "origin": "virtual", "next_expected_at": "",
        "expires_at": "",
    }  # fmt: skip
    return files | {"index.json": complete_index(json.dumps(draft).encode(), files)}


def publish(folder: Path) -> None:
    """Publish one tree after the other."""
    for number in range(1, PUBLICATIONS + 1):
        publish_tree(tree(number), folder=folder, issue_time=T0)


def get(connection: HTTPConnection, path: str) -> bytes:
    connection.request("GET", f"/{path}")
    answer = connection.getresponse()
    content = answer.read()
    assert answer.status == 200, path
    return content


@pytest.mark.slow
@pytest.mark.enable_socket
def test_a_receiver_that_polls_never_takes_a_mixed_set(tmp_path: Path) -> None:
    publish_tree(tree(0), folder=tmp_path, issue_time=T0)
    handler = partial(Quiet, directory=str(tmp_path))
    seen: list[int] = []
    faults: list[str] = []
    over = threading.Event()

    def poll(port: int) -> None:
        connection = HTTPConnection("127.0.0.1", port)
        while not over.is_set():
            latest = json.loads(get(connection, "latest.json"))
            index = get(connection, latest["index"])
            if hashlib.sha256(index).hexdigest() != latest["index_sha256"]:
                faults.append(latest["version"])
            for path, file in json.loads(index)["files"].items():
                content = get(connection, f"{latest['path']}/{path}")
                if hashlib.sha256(content).hexdigest() != file["sha256"]:
                    faults.append(f"{latest['version']} {path}")
            seen.append(latest["revision"])

    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        receivers = [threading.Thread(target=poll, args=(server.server_port,)) for _ in range(2)]
        for receiver in receivers:
            receiver.start()
        publisher = multiprocessing.get_context("spawn").Process(target=publish, args=(tmp_path,))
        publisher.start()
        publisher.join()
        over.set()
        for receiver in receivers:
            receiver.join(timeout=30)
        server.shutdown()
    assert publisher.exitcode == 0
    assert faults == []
    assert len(set(seen)) > 20, "it saw many of the publications"

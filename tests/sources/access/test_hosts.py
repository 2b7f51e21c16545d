"""Hosts that are down, slow or closed are left in peace."""

from __future__ import annotations

import threading
import time
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime

import pytest

from pipeline.sources.access.client import Client
from pipeline.sources.access.hosts import MOST_FAILURES, PER_HOST
from pipeline.sources.access.request import AGAIN_S, EARLY_TRIES, LONGEST_WAIT_S
from pipeline.sources.base import HttpError
from tests.sources.servers import Answer, Server, closed_address

HDF = b"\x89HDF\r\n\x1a\n"
FILE = HDF + bytes(range(256)) * 400
PUBLISHED = datetime(2026, 8, 20, 1, 2, 3, tzinfo=UTC)
KEY = "k3y/with spaces+and%signs"
LIMIT_S, SLACK_S = 0.3, 2.0


def test_a_host_where_nobody_listens_is_tried_twice_and_left(
    client: Client, server: Server, waited: list[float]
) -> None:
    nowhere = closed_address()
    before = client.reached
    assert before is None
    with pytest.raises(HttpError, match="refused") as refused:
        client.get(f"{nowhere}/a")
    assert refused.value.passing
    assert (waited, client.reached) == ([AGAIN_S], False)
    for _ in range(5):
        with pytest.raises(HttpError, match=r"/b: not asked, 127\.0\.0\.1 cannot be reached"):
            client.get(f"{nowhere}/b")
    with pytest.raises(HttpError, match="cannot be reached"):
        client.reach(f"{nowhere}/c")
    assert waited == [AGAIN_S]
    server.serve("/a", Answer(b"{}"))
    assert client.get(f"{server.url}/a") == b"{}", "another port of the same host"
    assert client.reached is True
    client.reach(f"{server.url}/absent")


def test_a_server_that_asks_for_much_patience_is_left(
    client: Client, server: Server, waited: list[float]
) -> None:
    server.serve("/x", Answer(status=429, headers={"Retry-After": str(LONGEST_WAIT_S + 1)[:3]}))
    with pytest.raises(HttpError, match="to be asked again in 121 s"):
        client.get(f"{server.url}/x")
    with pytest.raises(HttpError, match="was given up"):
        client.get(f"{server.url}/y")
    assert waited == []
    assert server.paths() == ["/x"]


def test_a_host_that_is_down_is_not_asked_for_every_granule(
    server: Server, waited: list[float]
) -> None:
    server.serve("/", Answer(status=500))
    with Client(environment={}, sleep=waited.append, attempts=2) as client:
        for name in "abc":
            with pytest.raises(HttpError, match="500"):
                client.get(f"{server.url}/{name}")
        with pytest.raises(HttpError, match=r"/d: not asked, 127\.0\.0\.1 was given up"):
            client.get(f"{server.url}/d")
    assert server.paths() == ["/a", "/a", "/b", "/b", "/c", "/c"]


def test_a_few_requests_at_a_time_to_one_host(client: Client, server: Server) -> None:
    server.serve("/x", Answer(b"sound!", pause_s=0.01))
    with ThreadPoolExecutor(12) as threads:
        answers = list(threads.map(lambda _: client.get(f"{server.url}/x"), range(12)))
    assert answers == [b"sound!"] * 12
    assert 1 < server.most_under_way <= PER_HOST


def test_a_turn_is_not_waited_for_beyond_its_time(hasty: Client, server: Server) -> None:
    """Four requests that hang hold the host; the fifth is not asked."""
    server.serve("/slow", Answer(b"s" * 10, pause_s=0.1))
    threads = [threading.Thread(target=lambda: hasty.get(f"{server.url}/slow")) for _ in range(4)]
    for thread in threads:
        thread.start()
    time.sleep(0.05)
    began = time.monotonic()
    with hasty.asking(until=began + 0.05), pytest.raises(HttpError, match="its time is over"):
        hasty.get(f"{server.url}/x")
    for thread in threads:
        thread.join()
    assert "/x" not in server.paths()


def test_what_may_be_early_is_asked_less_and_gives_no_host_up(server: Server) -> None:
    server.serve("/", Answer(status=500))
    server.serve("/old", Answer(b"sound"))
    with Client(environment={}, sleep=lambda _: None) as client:
        for number in range(MOST_FAILURES + 2):
            with client.asking(early=True), pytest.raises(HttpError) as failed:
                client.get(f"{server.url}/{number}")
            assert failed.value.passing
        assert len(server.asked) == MOST_FAILURES * EARLY_TRIES
        assert client.get(f"{server.url}/old") == b"sound"

"""A server, and clients that wait as long as a test can."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from pipeline.sources.access.client import Client
from tests.sources.servers import Server, running


@pytest.fixture
def server() -> Iterator[Server]:
    with running("127.0.0.1") as [only]:
        yield only


@pytest.fixture
def waited() -> list[float]:
    return []


@pytest.fixture
def client(waited: list[float]) -> Iterator[Client]:
    with Client(environment={}, sleep=waited.append, timeout_s=5.0) as made:
        yield made


@pytest.fixture
def hasty() -> Iterator[Client]:
    """Has 0.3 s for a request."""
    with Client(environment={}, sleep=lambda _: None, attempts=2, limit_s=0.3) as made:
        yield made


@pytest.fixture
def patient() -> Iterator[Client]:
    with Client(environment={}, sleep=lambda _: None, attempts=2, limit_s=60.0) as made:
        yield made

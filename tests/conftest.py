"""How the tests are shared out among processes."""

from __future__ import annotations

import pytest


@pytest.hookimpl(tryfirst=True)  # before xdist's own, which reads the marks
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Keep the tests of a file in one process; begin with the longest, so that none is left over.

    What scenarios of several files share is made in the first process that asks for it: one file
    begins with it, and those that need none of it come before the others that do.
    """
    for item in items:
        item.add_marker(pytest.mark.xdist_group(_file(item)))
    scenarios = [item for item in items if _file(item).startswith("tests/scenarios/")]
    sharing = {_file(item) for item in scenarios if "trained" in getattr(item, "fixturenames", ())}
    first = min(sharing, default="")
    places = {_file(item): 1 + (_file(item) in sharing) for item in scenarios} | {first: 0}
    items.sort(key=lambda item: places.get(_file(item), 3))


def _file(item: pytest.Item) -> str:
    return item.nodeid.partition("::")[0]


def pytest_collection_finish(session: pytest.Session) -> None:
    """Raise where tests are shared out as if they had no groups."""
    grouped = getattr(session.config.option, "loadgroup", False)
    if grouped and not all("@" in item.nodeid for item in session.items):
        raise pytest.UsageError("expected tests shared out by groups, found none in their names")


@pytest.fixture(scope="session")
def httpserver_listen_address() -> tuple[str, int]:
    """Address of pytest-httpserver: not every machine knows what ``localhost`` is."""
    return "127.0.0.1", 0

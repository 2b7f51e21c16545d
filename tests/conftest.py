"""How the tests are shared out among processes."""

from __future__ import annotations

import pytest


@pytest.hookimpl(tryfirst=True)  # before xdist's own, which reads the marks
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Keep what shares fixtures in one process: a file's tests, and all that build on one night."""
    for item in items:
        file = item.nodeid.partition("::")[0]
        shared = {"flood", "trained", "laid_out", "gridded"} & set(
            getattr(item, "fixturenames", ())
        )
        item.add_marker(pytest.mark.xdist_group("night" if shared else file))


def pytest_collection_finish(session: pytest.Session) -> None:
    """Raise where tests are shared out as if they had no groups."""
    grouped = getattr(session.config.option, "loadgroup", False)
    if grouped and not all("@" in item.nodeid for item in session.items):
        raise pytest.UsageError("expected tests shared out by groups, found none in their names")

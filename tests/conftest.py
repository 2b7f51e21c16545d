"""How the tests are shared out among processes, and what tests of several rooms share."""

from __future__ import annotations

import os
from collections.abc import Iterator
from functools import lru_cache
from pathlib import Path
from typing import Protocol

import httpx
import hypothesis
import pytest
import rioxarray  # noqa: F401  (registers .rio, by which tests look at the CRS of grids)

from pipeline.geography import reference_tables
from pipeline.geography.reference_tables import ReferenceTables
from pipeline.settings import REFERENCE, Settings
from tests.storage import on_postgresql, servers

hypothesis.settings.register_profile("untimed", deadline=None)
hypothesis.settings.load_profile("untimed")

_WITH = {
    "tests/scenarios/test_reruns.py": "tests/scenarios/test_nights.py",
    "tests/nights/test_alternatives.py": "tests/nights/test_night.py",
    "tests/nights/test_index_files.py": "tests/nights/test_night.py",
    "tests/nights/test_issued_forecasts.py": "tests/nights/test_night.py",
    "tests/nights/test_zone_arrays.py": "tests/nights/test_night.py",
    "tests/project/test_python_guide.py": "tests/nights/test_night.py",
    "tests/test_export_commands.py": "tests/nights/test_night.py",
}
"""Files that run in the process of another file, which makes what they share."""


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--postgresql", action="store_true", help="run the tests of tables, on PostgreSQL"
    )


def pytest_configure(config: pytest.Config) -> None:
    """End before any test where the server that all of them need is not installed."""
    if config.getoption("postgresql") and (reason := servers.absent_servers("PostgreSQL")):
        pytest.exit(f"the tests of tables on PostgreSQL are skipped: {reason}", returncode=0)


@pytest.hookimpl(tryfirst=True)  # before xdist's own, which reads the marks
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Keep the tests of a file in one process; begin with the longest, so that none is left over.

    What scenarios of several files share is made in the first process that asks for it: one file
    begins with it, and those that need none of it come before the others that do. Files of nights
    that follow each other are one group: the second process would only wait for the first.
    """
    if config.getoption("postgresql"):
        on_postgresql.select(config, items)
    for item in items:
        file = _file(item)
        item.add_marker(pytest.mark.xdist_group(_WITH.get(file, file)))
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


@pytest.fixture(scope="session", autouse=True)
def _schemas(request: pytest.FixtureRequest) -> Iterator[on_postgresql.Schemas | None]:
    """Have the tables on a PostgreSQL of this process where that is asked for."""
    if not request.config.getoption("postgresql"):
        yield None
        return
    with servers.postgresql() as url, on_postgresql.redirected(url) as schemas:
        yield schemas


@pytest.fixture(autouse=True)
def _connections(_schemas: on_postgresql.Schemas | None) -> Iterator[None]:
    """Give back a test's connections, which PostgreSQL counts."""
    yield
    if _schemas is not None:
        _schemas.dispose()


@pytest.fixture(scope="session")
def httpserver_listen_address() -> tuple[str, int]:
    """Address of pytest-httpserver: not every machine knows what ``localhost`` is."""
    return "127.0.0.1", 0


@pytest.fixture(scope="session", autouse=True)
def _certificates_read_once() -> Iterator[None]:
    """Clients trust what the first of them has read: reading the certificates takes each 25 ms."""
    read = httpx.create_ssl_context
    kept = lru_cache(lambda _file: read())
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(httpx, "create_ssl_context", lambda: kept(os.environ.get("SSL_CERT_FILE")))
        yield


@pytest.fixture(scope="session")
def nights(tmp_path_factory: pytest.TempPathFactory) -> Settings:
    """Settings of stores with a small published night, and the next one's forecasts and levels."""
    from tests.nights.night_cases import make_nights

    return make_nights(tmp_path_factory.mktemp("nights"))


STAGE_HEAD = "station,kind,value,unit,source,as_of,verified"
"""Columns of thresholds.csv."""


class LayOver(Protocol):
    """Writes a table of an agency's own rows, which all reads of reference tables then see."""

    def __call__(self, name: str, *lines: str) -> None:
        """Write it."""


@pytest.fixture
def lay_over(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> LayOver:
    """Lay rows of an agency over the project's reference tables, line by line."""
    folder = tmp_path / "agency"
    folder.mkdir()

    def write(name: str, *lines: str) -> None:
        (folder / name).write_text("\n".join(lines) + "\n", encoding="utf-8")
        laid = lru_cache(lambda: ReferenceTables(REFERENCE, folder))
        monkeypatch.setattr(reference_tables, "tables", laid)

    return write

"""The tests of tables on PostgreSQL: each SQLite file that a test names is a schema there.

``pytest --postgresql`` runs the quick tests that touch tables in this way: those that use a name
of a module that opens them, by themselves or by a fixture, a helper or a file of helpers. A test of
what only an SQLite file has, or that hands the file to another process, is marked ``sqlite``.
"""

from __future__ import annotations

import ast
import shutil
import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from functools import cache
from itertools import count
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

TESTS = Path(__file__).resolve().parents[1]
OPENING = {
    *("pipeline.storage.database", "pipeline.storage.records"),
    *("pipeline.ingest.consistency", "pipeline.ingest.run"),
    *("pipeline.ground_reports.intake", "pipeline.issuance.drill"),
    *("pipeline.gauge_readiness", "pipeline.supervision.health"),
    *("pipeline.steps", "pipeline.nightly", "pipeline.hourly", "pipeline.upkeep"),
    *("pipeline.review", "pipeline.scoring", "pipeline.comparisons"),
}
"""Modules by whose names a test, or what it uses, opens tables."""
_SMALLEST_SQLITE_FILE = 512
"""Bytes; a file that names a schema is smaller."""


def select(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Keep the quick tests that touch tables."""
    kept, left = list[pytest.Item](), list[pytest.Item]()
    for item in items:
        other = any(item.get_closest_marker(name) for name in ("slow", "sqlite"))
        (left if other or not _touches_tables(item) else kept).append(item)
    items[:] = kept
    config.hook.pytest_deselected(items=left)


def _touches_tables(item: pytest.Item) -> bool:
    """Return whether a test, or a fixture that it has, uses a name by which tables are opened."""
    if not isinstance(item, pytest.Function) or TESTS not in item.path.parents:
        return False
    rooms = [room for room in item.path.parents if TESTS in (room, *room.parents)]
    files = [item.path, *(room / "conftest.py" for room in rooms)]
    opening = frozenset[str]().union(*map(opening_names, files))
    return not opening.isdisjoint({item.originalname, *item.fixturenames})


@cache
def opening_names(file: Path) -> frozenset[str]:
    """Names in a file by which tables are opened: imported ones, and what is made of these."""
    if not file.exists():
        return frozenset()
    tree = ast.parse(file.read_text("utf-8"))
    names = {
        alias.asname or alias.name
        for node in ast.walk(tree)
        if isinstance(node, ast.ImportFrom)
        for alias in node.names
        if _opens(node.module or "", alias.name)
    }
    made = {
        node.name: {each.id for each in ast.walk(node) if isinstance(each, ast.Name)}
        | {each.arg for each in ast.walk(node) if isinstance(each, ast.arg)}
        for node in tree.body
        if isinstance(node, (ast.FunctionDef, ast.ClassDef))
    }
    while found := {name for name, used in made.items() if name not in names and used & names}:
        names |= found
    return frozenset(names)


def _opens(module: str, name: str) -> bool:
    """Return whether a name that is imported from a module opens tables."""
    if not module.startswith("tests"):
        return bool({module, f"{module}.{name}"} & OPENING)
    place = TESTS.parent.joinpath(*module.split("."))
    return name in opening_names(place.with_suffix(".py")) or bool(
        opening_names(place / f"{name}.py")
    )


def copy_tables(file: Path, copy: Path) -> None:
    """Copy the tables of a file to another while they are open: an SQLite file, or a schema's."""
    if file.stat().st_size < _SMALLEST_SQLITE_FILE:
        shutil.copyfile(file, copy)
        return
    # Only SQLite reads its file: to open it here would drop the locks of this process.
    with closing(sqlite3.connect(file)) as whole, closing(sqlite3.connect(copy)) as into:
        whole.backup(into)


class Schemas:
    """Engines on schemas of a server, made for SQLite's URLs."""

    def __init__(self, url: str) -> None:
        self._url, self._create = sa.make_url(url), sa.create_engine
        self._made: dict[Path, str] = {}
        self._numbers = count()
        self._engines: list[sa.Engine] = []

    def create_engine(self, url: str | sa.URL, **options: Any) -> sa.Engine:
        """In place of :func:`sqlalchemy.create_engine`."""
        asked = sa.make_url(url)
        if asked.get_backend_name() != "sqlite":
            return self._create(url, **options)
        schema = self._find(Path(asked.database).resolve() if asked.database else None)
        url = self._url.update_query_dict({"options": f"-csearch_path={schema}"})
        engine = self._create(url, **options)
        self._engines.append(engine)
        return engine

    def _find(self, file: Path | None) -> str:
        """Schema of a file, which names it; a file in the copy of a folder begins as a copy."""
        if file is None:
            return self._make(like=None)
        noted = file.read_text() if file.exists() else None
        if file not in self._made:
            self._made[file] = self._make(like=noted)
        if file.parent.exists() and noted != self._made[file]:
            file.write_text(self._made[file])
        return self._made[file]

    def _make(self, *, like: str | None) -> str:
        engine, schema = self._create(self._url, poolclass=sa.NullPool), f"s{next(self._numbers)}"
        with engine.begin() as connection:
            connection.execute(sa.schema.CreateSchema(schema))
            for table in sa.inspect(connection).get_table_names(like) if like else ():
                there, here = f'{like}."{table}"', f'{schema}."{table}"'
                connection.execute(sa.text(f"CREATE TABLE {here} (LIKE {there} INCLUDING ALL)"))
                connection.execute(sa.text(f"INSERT INTO {here} TABLE {there}"))
        return schema

    def dispose(self) -> None:
        """Give back the connections of the engines made until now."""
        while self._engines:
            self._engines.pop().dispose()


@contextmanager
def redirected(url: str) -> Iterator[Schemas]:
    """Have all tables of SQLite files on a server."""
    schemas = Schemas(url)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sa, "create_engine", schemas.create_engine)
        yield schemas
    schemas.dispose()

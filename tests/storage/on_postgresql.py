"""The tests of tables on PostgreSQL: each SQLite file that a test names is a schema there.

``pytest --postgresql`` runs the quick tests of the files that touch tables in this way. A test of
what only an SQLite file has, or that hands the file to another process, is marked ``sqlite``.
"""

from __future__ import annotations

import re
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
STORES = r"Records|Database|Settings|steps"
"""Words of a file that opens tables, by itself or by a step."""
_SMALLEST_SQLITE_FILE = 512
"""Bytes; a file that names a schema is smaller."""


def select(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Keep the quick tests of the files that touch tables."""
    kept, left = list[pytest.Item](), list[pytest.Item]()
    for item in items:
        other = any(item.get_closest_marker(name) for name in ("slow", "sqlite"))
        (left if other or not _touches_tables(item.path) else kept).append(item)
    items[:] = kept
    config.hook.pytest_deselected(items=left)


@cache
def _touches_tables(path: Path) -> bool:
    return path.name.startswith("test_") and bool(_touching().search(path.read_text("utf-8")))


@cache
def _touching() -> re.Pattern[str]:
    """Words of a file that touches tables: those above, and what shares stores among tests."""
    opens = re.compile(rf"\b({STORES})\b")
    sharing = [
        path.stem
        for path in sorted(TESTS.rglob("*.py"))
        if not path.name.startswith(("test_", "conftest")) and opens.search(path.read_text("utf-8"))
    ]
    imported = rf"^ *from tests\b.*\b({'|'.join(sharing)})\b"
    return re.compile(rf"\b({STORES}|nights)\b|{imported}", re.MULTILINE)


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

"""The table of levels that the watch raised."""

from __future__ import annotations

import sqlite3
from pathlib import Path

import pytest

from pipeline.storage.database import Database
from tests.storage.old_tables import make_old

ROW = """INSERT INTO raises VALUES (1, 0, {watched}, 'pakse', 'flood', 'watch', '{name}',
    '{{}}', '{{}}', '{{}}', NULL)"""


def test_a_watch_raises_a_city_once_and_a_message_has_one_name(tmp_path: Path) -> None:
    path = tmp_path / "records.db"
    Database(make_old(path))
    with sqlite3.connect(path) as connection:
        connection.execute(ROW.format(watched=2, name="a"))
        connection.execute(ROW.format(watched=3, name="b"))
        for again in ({"watched": 2, "name": "c"}, {"watched": 4, "name": "a"}):
            with pytest.raises(sqlite3.IntegrityError):
                connection.execute(ROW.format(**again))
        assert connection.execute("SELECT watched FROM messages").fetchall() == [(None,)]

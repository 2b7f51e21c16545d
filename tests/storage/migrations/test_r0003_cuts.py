"""The table of cuts."""

from __future__ import annotations

import sqlite3
from pathlib import Path

import pytest

from pipeline.storage.database import Database
from tests.storage.old_tables import make_old


def test_a_snapshot_has_one_cut(tmp_path: Path) -> None:
    path = tmp_path / "records.db"
    Database(make_old(path))
    with sqlite3.connect(path) as connection:
        connection.execute("INSERT INTO cuts VALUES ('SNAP', '{}')")
        with pytest.raises(sqlite3.IntegrityError):
            connection.execute("INSERT INTO cuts VALUES ('SNAP', '{}')")
        with pytest.raises(sqlite3.IntegrityError):
            connection.execute("INSERT INTO cuts VALUES ('OTHER', NULL)")

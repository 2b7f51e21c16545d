"""Constraints of messages and reports, on databases that have them and that do not."""

from __future__ import annotations

import sqlite3
from pathlib import Path

import pytest

from pipeline.storage.database import Database
from tests.storage.old_tables import TABLES, dump, make_old

SAME_BUT_DEPTH = """INSERT INTO ground_reports VALUES (NULL, 's1', 'pakse', 1787184000, 'flooded',
    '', 60, 1787184960, 'text', 'PKS F60', 7)"""


def test_a_corrected_depth_can_be_stored_after_it(tmp_path: Path) -> None:
    path = tmp_path / "records.db"
    url = make_old(path)
    with sqlite3.connect(path) as connection, pytest.raises(sqlite3.IntegrityError):
        connection.execute(SAME_BUT_DEPTH)
    Database(url)
    with sqlite3.connect(path) as connection:
        connection.execute(SAME_BUT_DEPTH)
        assert connection.execute("SELECT number FROM ground_reports").fetchall() == [(3,), (4,)]
        with pytest.raises(sqlite3.IntegrityError):
            connection.execute(SAME_BUT_DEPTH)


def test_messages_keep_their_key_and_index(tmp_path: Path) -> None:
    path = tmp_path / "records.db"
    Database(make_old(path))
    with sqlite3.connect(path) as connection:
        (text,) = connection.execute(
            "SELECT sql FROM sqlite_schema WHERE name = 'messages_issue_time'"
        ).fetchone()
        assert text == "CREATE INDEX messages_issue_time ON messages (issue_time)"
        with pytest.raises(sqlite3.IntegrityError):
            connection.execute("INSERT INTO messages SELECT * FROM messages")
        connection.execute("UPDATE messages SET proof = NULL")
        with pytest.raises(sqlite3.IntegrityError):
            connection.execute("UPDATE messages SET content = NULL")


def test_a_database_that_has_both_already_is_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "records.db"
    url = make_old(path)
    Database(url)
    with sqlite3.connect(path) as connection:
        connection.execute("DROP TABLE mekong_schema")
        connection.execute("DROP TABLE cuts")
        connection.execute("DROP TABLE raises")
        connection.execute("ALTER TABLE messages DROP COLUMN watched")
    before, text = dump(path), sqlite3.connect(path).execute("SELECT sql FROM sqlite_schema")
    statements = text.fetchall()
    assert Database(url).revision_found is None
    after = sqlite3.connect(path).execute("SELECT sql FROM sqlite_schema").fetchall()
    assert {text for text in statements if "messages" not in str(text)} <= set(after)
    assert dump(path) == before
    assert "proof BLOB NOT NULL" in TABLES

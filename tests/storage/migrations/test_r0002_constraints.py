"""Constraints of messages and reports, on databases that have them and that do not."""

from __future__ import annotations

from pathlib import Path

import pytest
import sqlalchemy as sa

from pipeline.storage.database import Database
from tests.storage.old_tables import TABLES, describe, dump, execute, make_old

SAME_BUT_DEPTH = """INSERT INTO ground_reports (sender, city, valid_time, observation, doubt,
    depth_cm, received_at, channel, text, batch) VALUES ('s1', 'pakse', 1787184000, 'flooded',
    '', 60, 1787184960, 'text', 'PKS F60', 7)"""


def test_a_corrected_depth_can_be_stored_after_it(tmp_path: Path) -> None:
    path = tmp_path / "records.db"
    url = make_old(path)
    with pytest.raises(sa.exc.IntegrityError):
        execute(path, SAME_BUT_DEPTH)
    Database(url)
    execute(path, SAME_BUT_DEPTH)
    first, second = (row[0] for row in dump(path)["ground_reports"])
    assert (first, second) in {(3, 4), (3, 5)}, "PostgreSQL counts the row that it refused"
    with pytest.raises(sa.exc.IntegrityError):
        execute(path, SAME_BUT_DEPTH)


def test_messages_keep_their_key_and_index(tmp_path: Path) -> None:
    path = tmp_path / "records.db"
    database = Database(make_old(path))
    (index,) = sa.inspect(database.engine).get_indexes("messages")
    assert (index["name"], index["column_names"]) == ("messages_issue_time", ["issue_time"])
    assert not index["unique"]
    with pytest.raises(sa.exc.IntegrityError):
        execute(path, "INSERT INTO messages SELECT * FROM messages")
    execute(path, "UPDATE messages SET proof = NULL")
    with pytest.raises(sa.exc.IntegrityError):
        execute(path, "UPDATE messages SET content = NULL")


def test_a_database_that_has_both_already_is_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "records.db"
    url = make_old(path)
    Database(url)
    tables = describe(path)
    execute(
        path,
        *(f"DROP TABLE {name}" for name in ("mekong_schema", "cuts", "raises")),
        "ALTER TABLE messages DROP COLUMN watched",
    )
    before = dump(path)
    assert Database(url).revision_found is None
    assert describe(path) == tables
    assert dump(path) == before
    assert "proof BLOB NOT NULL" in TABLES

"""Tables and columns that older databases lack."""

from __future__ import annotations

from pathlib import Path

import pytest
import sqlalchemy as sa

from pipeline.storage.database import Database
from tests.storage.old_tables import describe, dump, execute, make_old


def test_columns_that_may_be_null_are_added_and_rows_stay(tmp_path: Path) -> None:
    path = tmp_path / "records.db"
    url = make_old(
        path, "ALTER TABLE granules DROP COLUMN notes", "ALTER TABLE runs DROP COLUMN follows"
    )
    before = dump(path)
    engine = Database(url).engine
    assert "notes" in {column["name"] for column in sa.inspect(engine).get_columns("granules")}
    after = dump(path)
    assert after["granules"] == [(*before["granules"][0], None)]
    assert len(after["runs"][0]) == len(before["runs"][0]) + 1


def test_a_table_that_is_new_is_created(tmp_path: Path) -> None:
    url = make_old(tmp_path / "records.db", "DROP TABLE messages", "DROP TABLE cancellations")
    names = sa.inspect(Database(url).engine).get_table_names()
    assert {"messages", "cancellations"} <= set(names)
    assert sa.inspect(Database(url).engine).get_indexes("messages")[0]["column_names"] == [
        "issue_time"
    ]


def test_tables_that_lack_a_needed_column_are_refused_and_stay(tmp_path: Path) -> None:
    path = tmp_path / "records.db"
    execute(path, "CREATE TABLE readings (variable TEXT, value FLOAT)")
    with pytest.raises(LookupError, match=r"found some without available_time.*method.*new data"):
        Database(f"sqlite:///{path}")
    assert list(describe(path)) == ["readings"]

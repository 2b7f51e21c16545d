"""The column of what the watch saw."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

from pipeline.storage.database import Database
from pipeline.storage.records import Records
from tests.storage.old_tables import execute, make_old


def test_what_was_raised_before_says_nothing_of_what_was_seen(tmp_path: Path) -> None:
    path = tmp_path / "records.db"
    url = make_old(path)
    Database(url)
    execute(
        path,
        "ALTER TABLE raises DROP COLUMN seen",
        "UPDATE mekong_schema SET version_num = '0004'",
        "INSERT INTO raises VALUES (60, 0, 120, 'pakse', 'flood', 'watch', 'a', '{}', '{}', '{}')",
    )
    records = Records(url)
    assert records.database.revision_found == "0004"
    (row,) = records.raises(datetime(1970, 1, 1, 0, 1, tzinfo=UTC), 0)
    assert (row["identifier"], row["seen"]) == ("a", None)
    assert list(records.snapshots_seen()) == ["SNAP"], "of the run alone"

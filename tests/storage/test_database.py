"""Making, opening and refusing a database."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
import sqlalchemy as sa

from pipeline.storage.records import Records
from tests.storage.stages import add, moment


def test_tables_of_an_earlier_version_are_refused(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path / 'records.db'}"
    with sa.create_engine(url).begin() as connection:
        connection.execute(sa.text("CREATE TABLE readings (variable TEXT, value FLOAT)"))
    with pytest.raises(LookupError, match=r"found some without available_time.*method.*new data"):
        Records(url)


def test_a_process_that_ends_leaves_the_log_to_those_at_work(tmp_path: Path) -> None:
    """To open the file outside SQLite would give up the locks that say so."""
    url = f"sqlite:///{tmp_path / 'records.db'}"
    at_work, second = Records(url), Records(url)
    assert at_work.database.batch == second.database.batch == 0
    script = f"from pipeline.storage.database import Database; Database({url!r}).batch"
    subprocess.run([sys.executable, "-c", script], check=True)
    assert (tmp_path / "records.db-wal").exists()
    add(at_work, {"2026-08-02T00:00": 3.0}, moment(2))
    script += " == 1 or exit(1)"
    subprocess.run([sys.executable, "-c", script], check=True)


def test_a_nullable_column_that_is_new_is_added(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path / 'records.db'}"
    engine = Records(url).database.engine
    with engine.begin() as connection:
        connection.execute(sa.text("ALTER TABLE granules DROP COLUMN notes"))
        connection.execute(sa.text("ALTER TABLE runs DROP COLUMN follows"))
    Records(url)
    assert "notes" in {column["name"] for column in sa.inspect(engine).get_columns("granules")}
    assert "follows" in {column["name"] for column in sa.inspect(engine).get_columns("runs")}

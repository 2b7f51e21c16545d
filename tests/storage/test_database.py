"""Making, opening and refusing a database."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from pipeline.storage.records import Records
from tests.storage.stages import add, moment


@pytest.mark.sqlite
def test_what_a_process_killed_while_it_made_the_tables_left_is_removed(tmp_path: Path) -> None:
    ended = subprocess.run([sys.executable, "-c", "import os; print(os.getpid())"], check=True,
                           capture_output=True, text=True).stdout.strip()  # fmt: skip
    url = f"sqlite:///{tmp_path / 'records.db'}"
    for _ in ("made anew", "there already"):
        (tmp_path / f".records.db.{ended}.part").touch()
        assert Records(url).database.batch == 0
        assert not list(tmp_path.glob(".*"))


@pytest.mark.sqlite
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

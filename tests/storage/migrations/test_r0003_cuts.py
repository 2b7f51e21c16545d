"""The table of cuts."""

from __future__ import annotations

from pathlib import Path

import pytest
import sqlalchemy as sa

from pipeline.storage.database import Database
from tests.storage.old_tables import execute, make_old


def test_a_snapshot_has_one_cut(tmp_path: Path) -> None:
    path = tmp_path / "records.db"
    Database(make_old(path))
    execute(path, "INSERT INTO cuts VALUES ('SNAP', '{}')")
    with pytest.raises(sa.exc.IntegrityError):
        execute(path, "INSERT INTO cuts VALUES ('SNAP', '{}')")
    with pytest.raises(sa.exc.IntegrityError):
        execute(path, "INSERT INTO cuts VALUES ('OTHER', NULL)")

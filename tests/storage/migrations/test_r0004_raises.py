"""The table of levels that the watch raised."""

from __future__ import annotations

from pathlib import Path

import pytest
import sqlalchemy as sa

from pipeline.storage.database import Database
from tests.storage.old_tables import execute, make_old

ROW = """INSERT INTO raises VALUES (1, 0, {watched}, 'pakse', 'flood', 'watch', '{name}',
    '{{}}', '{{}}', '{{}}', NULL)"""


def test_a_watch_raises_a_city_once_and_a_message_has_one_name(tmp_path: Path) -> None:
    path = tmp_path / "records.db"
    Database(make_old(path))
    execute(path, ROW.format(watched=2, name="a"), ROW.format(watched=3, name="b"))
    for again in ({"watched": 2, "name": "c"}, {"watched": 4, "name": "a"}):
        with pytest.raises(sa.exc.IntegrityError):
            execute(path, ROW.format(**again))
    assert execute(path, "SELECT watched FROM messages") == [(None,)]

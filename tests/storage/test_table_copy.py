"""Rows copied from one database into another."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from pipeline.storage.database import Database
from pipeline.storage.table_copy import copy_rows, count_rows
from tests.storage.old_tables import dump, make_old


def test_all_rows_are_copied_with_their_numbers(tmp_path: Path) -> None:
    source = Database(make_old(tmp_path / "old.db"))
    target = Database(f"sqlite:///{tmp_path / 'new.db'}")
    copy_rows(source, target)
    assert count_rows(target) == count_rows(source)
    old, new = dump(tmp_path / "old.db"), dump(tmp_path / "new.db")
    assert new["readings"] == old["readings"]
    assert new["messages"] == old["messages"]
    for name in ("readings", "messages", "alerts", "ingests", "ground_reports"):
        assert [row[:3] for row in new[name]] == [row[:3] for row in old[name]], name


def test_rows_are_never_added_to_others(tmp_path: Path) -> None:
    source = Database(make_old(tmp_path / "old.db"))
    before = dump(tmp_path / "old.db")
    url = source.engine.url.render_as_string(hide_password=True)
    with pytest.raises(LookupError, match=re.escape(f"expected empty tables in {url}")):
        copy_rows(source, source)
    assert dump(tmp_path / "old.db") == before

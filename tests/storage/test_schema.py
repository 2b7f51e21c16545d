"""Databases of older and newer revisions, each opened by this program."""

from __future__ import annotations

import threading
from pathlib import Path

import pytest
import sqlalchemy as sa
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory

from pipeline.storage import schema
from pipeline.storage.atomic import BrokenState
from pipeline.storage.database import Database, messages, metadata
from pipeline.storage.records import Records
from tests.storage.old_tables import TABLES, describe, dump, execute, make_old


def upgraded(path: Path, *changes: str) -> Database:
    return Database(make_old(path, *changes))


def constraints(database: Database) -> dict[str, tuple[set[object], set[object]]]:
    """Unique constraints and columns that may be NULL, by table."""
    inspector = sa.inspect(database.engine)
    return {
        name: (
            {tuple(of["column_names"]) for of in inspector.get_unique_constraints(name)},
            {of["name"] for of in inspector.get_columns(name) if of["nullable"]},
        )
        for name in metadata.tables
    }


def differences(context: MigrationContext) -> list[tuple[object, ...]]:
    """Differences from the tables of this program but for comments, which SQLite does not have."""
    found = list[tuple[object, ...]]()
    for group in compare_metadata(context, metadata):
        found += group if isinstance(group, list) else [group]
    return [change for change in found if change[0] != "modify_comment"]


def test_all_rows_of_before_are_there_after_the_upgrade(tmp_path: Path) -> None:
    path = tmp_path / "records.db"
    url = make_old(path)
    before = dump(path)
    assert {len(rows) for rows in before.values()} == {1}
    records = Records(url)
    assert records.database.revision_found is None
    assert dump(path) == before
    assert Database(url).revision_found == schema.HEAD
    assert records.message("mekong-1")["content"] == b"a"
    assert records.runs()[0]["settings"] == {"alert_status": "Test"}


def test_an_upgraded_database_is_like_a_new_one(tmp_path: Path) -> None:
    old = upgraded(tmp_path / "old.db")
    new = Database(f"sqlite:///{tmp_path / 'new.db'}")
    if new.engine.dialect.name == "sqlite":
        assert new.revision_found == schema.HEAD, "laid out in a draft"
    assert constraints(old) == constraints(new)
    for database in (old, new):
        with database.engine.connect() as connection:
            context = MigrationContext.configure(
                connection, opts={"version_table": schema.REVISION_TABLE}
            )
            assert differences(context) == []
            if connection.dialect.name == "sqlite":  # which does not check what it is told to copy
                assert connection.scalar(sa.text("PRAGMA foreign_key_check")) is None


def test_revisions_build_the_tables_that_a_new_database_has(tmp_path: Path) -> None:
    """Whoever changes a table without a revision sees it here."""
    execute(tmp_path / "records.db", TABLES.strip().partition(";")[0])
    bare = Database(f"sqlite:///{tmp_path / 'records.db'}")
    assert bare.revision_found is None
    assert constraints(bare) == constraints(Database(f"sqlite:///{tmp_path / 'new.db'}"))


def test_the_last_revision_is_named() -> None:
    folder = str(schema.MIGRATIONS)
    scripts = ScriptDirectory(folder, version_locations=[folder])
    assert scripts.get_heads() == [schema.HEAD]
    assert scripts.get_bases() == ["0001"]


def test_tables_of_a_newer_program_are_refused_and_stay(tmp_path: Path) -> None:
    database = upgraded(tmp_path / "records.db")
    with database.engine.begin() as connection:
        connection.execute(sa.text("UPDATE mekong_schema SET version_num = '9001'"))
    before = (tmp_path / "records.db").read_bytes()
    with pytest.raises(LookupError, match=r"up to revision \d{4}, found 9001: a newer version"):
        Database(f"sqlite:///{tmp_path / 'records.db'}")
    assert (tmp_path / "records.db").read_bytes() == before


def test_an_upgrade_that_fails_leaves_the_tables_as_they_were(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "records.db"
    url = make_old(path, "ALTER TABLE runs DROP COLUMN late")
    before = describe(path), dump(path)
    with monkeypatch.context() as patch:
        patch.setattr(MigrationContext, "stamp", lambda *_: 1 / 0)
        with pytest.raises(ZeroDivisionError):
            Database(url)
    assert (describe(path), dump(path)) == before
    assert Database(url).revision_found is None


def test_two_processes_that_open_an_old_database_upgrade_it_once(tmp_path: Path) -> None:
    url = make_old(tmp_path / "records.db")
    found: list[str | None] = []
    threads = [
        threading.Thread(target=lambda: found.append(Database(url).revision_found))
        for _ in range(4)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(map(str, found)) == [*3 * [schema.HEAD], "None"]


@pytest.mark.sqlite
def test_an_old_database_on_a_read_only_disk_is_said_to_be_so(tmp_path: Path) -> None:
    url = make_old(tmp_path / "records.db")
    with pytest.raises(BrokenState, match="give this user the right to write"):
        Database(f"sqlite:///file:{tmp_path / 'records.db'}?mode=ro&uri=true")
    assert Database(url).revision_found is None


def test_a_message_without_a_proof_record_can_be_stored_after_it(tmp_path: Path) -> None:
    database = upgraded(tmp_path / "records.db")
    with database.engine.begin() as connection:
        connection.execute(messages.update().values(proof=None))

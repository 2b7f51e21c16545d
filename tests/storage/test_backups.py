"""Backups of small stores: whole, interrupted, damaged, restored."""

from __future__ import annotations

import json
import os
import shutil
import sqlite3
import stat
from datetime import UTC, datetime
from pathlib import Path

import pytest
import sqlalchemy as sa
from pydantic import SecretStr

from pipeline.settings import Settings
from pipeline.storage import backups
from pipeline.storage.archive import Archive
from pipeline.storage.atomic import BrokenState
from pipeline.storage.backups import (
    MANIFEST,
    is_restoring,
    list_in_the_way,
    list_state,
    read_manifest,
    restore_backup,
    upkeep_locked,
    write_backup,
)
from pipeline.storage.database import Database
from pipeline.storage.records import Records
from pipeline.storage.table_copy import count_rows
from tests.storage import servers
from tests.storage.old_tables import dump
from tests.storage.stages import add, moment
from tests.storage.zone_steps import zone_steps

pytestmark = pytest.mark.sqlite  # a backup copies the SQLite file; those of a server are slow tests


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    """Stores with a reading, a day of rain, a model and a published tree with links."""
    settings = Settings(data_dir=tmp_path / "data", records_url=None)
    add(Records(settings.database), {"2026-08-02T00:00": 3.0}, moment(2))
    steps = zone_steps("2026-08-01", {"a": [1.0]}, "2026-08-02")
    Archive(settings.archive_dir).append("zones", steps, message="a")
    version = settings.published_dir / "versions" / "20260802T0030Z-r0-1"
    (version / "cap").mkdir(parents=True)
    (version / "alerts.csv").write_text("alerts")
    (version / "alerts.csv").chmod(0o444)
    (settings.published_dir / "alerts.csv").hardlink_to(version / "alerts.csv")
    (settings.published_dir / "20260802T0030Z").symlink_to("versions/20260802T0030Z-r0-1")
    (settings.published_dir / ".draft-x").write_text("being written")
    settings.models_dir.mkdir()
    settings.models_dir.chmod(0o700)
    (settings.models_dir / "model").write_bytes(bytes(range(256)))
    settings.upstream_dir.mkdir()
    (settings.upstream_dir / "a.nc").write_text("upstream")
    os.utime(settings.upstream_dir / "a.nc", ns=(10**18 + 7, 10**18 + 7))
    (settings.data_dir / "sender.key").write_text("secret")
    return settings


def back_up(settings: Settings, folder: Path, *, upstream: bool = False) -> Path:
    write_backup(
        folder, settings, made_at="2026-08-02T01:00:00Z", last_night=None, upstream=upstream
    )
    return folder


def content(folder: Path) -> dict[str, tuple[object, ...]]:
    """Bytes, rights, time and number of names of every file, and the targets of links."""
    found: dict[str, tuple[object, ...]] = {}
    for path in sorted(folder.rglob("*")):
        name, state = str(path.relative_to(folder)), path.lstat()
        if path.is_symlink():
            found[name] = (str(path.readlink()),)
        elif path.is_dir():
            found[name] = (stat.S_IMODE(state.st_mode),)
        else:
            found[name] = (
                path.read_bytes(),
                stat.S_IMODE(state.st_mode),
                state.st_mtime_ns,
                state.st_nlink,
            )
    return found


def other(settings: Settings) -> Settings:
    return settings.model_copy(update={"data_dir": settings.data_dir.with_name("other")})


def restore(folder: Path, settings: Settings) -> None:
    with upkeep_locked(settings):
        restore_backup(folder, settings)


def test_a_restored_backup_is_the_same_bytes(settings: Settings, tmp_path: Path) -> None:
    folder = back_up(settings, tmp_path / "backup", upstream=True)
    restore(folder, other(settings))
    for part in ("archive", "models", "published", "upstream"):
        before = content(settings.data_dir / part)
        before.pop(".draft-x", None)
        assert content(other(settings).data_dir / part) == before, part
    assert dump(other(settings).data_dir / "records.db") == dump(settings.data_dir / "records.db")
    names = {path.name for path in other(settings).data_dir.iterdir()}
    assert names == {"archive", "models", "published", "upstream", "records.db", "upkeep.lock"}
    root = other(settings).published_dir
    assert (root / "alerts.csv").samefile(root / "20260802T0030Z" / "alerts.csv")
    assert list_state(other(settings)) == sorted(names - {"upkeep.lock"})


def test_no_secret_and_no_draft_is_in_it(settings: Settings, tmp_path: Path) -> None:
    folder = back_up(settings, tmp_path / "backup")
    names = {str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file()}
    assert not [name for name in names if "key" in name or "draft" in name or "upstream" in name]
    assert b"secret" not in b"".join(
        path.read_bytes() for path in folder.rglob("*") if path.is_file()
    )
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    assert names == set(read_manifest(folder).files) - {
        "published/versions/20260802T0030Z-r0-1/alerts.csv"
    } | {MANIFEST}


def test_a_backup_is_of_one_moment_while_others_write(
    settings: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An ingest and a commit come after the tables were copied; all that these name is there."""
    copy = backups._copy_tables
    snapshot = Archive(settings.archive_dir).snapshot

    def copy_and_go_on(where: Settings, target: Path) -> None:
        copy(where, target)
        add(Records(where.database), {"2026-08-03T00:00": 4.0}, moment(3))
        steps = zone_steps("2026-08-02", {"a": [2.0]}, "2026-08-03")
        Archive(where.archive_dir).append("zones", steps, message="b")

    monkeypatch.setattr(backups, "_copy_tables", copy_and_go_on)
    restore(back_up(settings, tmp_path / "backup"), other(settings))
    assert Records(other(settings).database).database.batch == 1
    after = datetime(2026, 8, 9, tzinfo=UTC)
    archive = Archive(other(settings).archive_dir, snapshot=snapshot)
    assert archive.read("zones", asof=after)["rain"].values.tolist() == [[1.0]]
    newest = Archive(other(settings).archive_dir).read("zones", asof=after)["rain"]
    assert newest.values.tolist() == [[1.0], [2.0]]


def test_an_interrupted_backup_is_never_taken_for_a_whole_one(
    settings: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "backup"
    with monkeypatch.context() as patch:
        patch.setattr(os, "sync", lambda: 1 / 0)  # all is written but its name
        with pytest.raises(ZeroDivisionError):
            back_up(settings, folder)
    assert not folder.exists()
    with pytest.raises(FileNotFoundError, match=r"found no manifest\.json"):
        restore(folder, other(settings))
    back_up(settings, folder)
    assert not (tmp_path / ".draft-backup").exists()
    restore(folder, other(settings))


def test_a_damaged_backup_is_refused_and_nothing_restored(
    settings: Settings, tmp_path: Path
) -> None:
    folder = back_up(settings, tmp_path / "backup")
    for number, path in enumerate(sorted(folder.rglob("*"))):
        if not path.is_file() or path.name == MANIFEST or not path.stat().st_size:
            continue
        damaged = tmp_path / f"damaged{number}"
        shutil.copytree(folder, damaged)
        spoilt = damaged / path.relative_to(folder)
        spoilt.chmod(0o600)
        data = bytearray(spoilt.read_bytes())
        data[len(data) // 2] ^= 1
        spoilt.write_bytes(data)
        with pytest.raises(BrokenState, match="the backup is damaged; take another one"):
            restore(damaged, other(settings))
        assert list_state(other(settings)) == []
    (folder / "models" / "model").unlink()
    with pytest.raises(BrokenState, match="models/model: the backup lacks it"):
        restore(folder, other(settings))
    (folder / MANIFEST).write_text((folder / MANIFEST).read_text()[:-9])
    with pytest.raises(BrokenState, match=r"manifest\.json: the backup is damaged"):
        restore(folder, other(settings))


def test_a_restore_that_was_killed_is_completed(
    settings: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = back_up(settings, tmp_path / "backup")
    into, moves = other(settings), 0
    rename = Path.rename

    def die_on_the_second(path: Path, target: Path) -> Path:
        nonlocal moves
        moves += 1
        if moves == 2:
            raise KeyboardInterrupt
        return rename(path, target)

    with monkeypatch.context() as patch:
        patch.setattr(Path, "rename", die_on_the_second)
        with pytest.raises(KeyboardInterrupt):
            restore(folder, into)
    assert is_restoring(into)
    assert list_state(into) == ["published", "records.db"]
    changed = json.loads((folder / MANIFEST).read_text()) | {"made_at": "another"}
    another = tmp_path / "another"
    shutil.copytree(folder, another)
    (another / MANIFEST).write_text(json.dumps(changed))
    with pytest.raises(LookupError, match="is of another backup"):
        restore(another, into)
    restore(folder, into)
    assert not is_restoring(into)
    assert content(into.models_dir) == content(settings.models_dir)
    assert dump(into.data_dir / "records.db") == dump(settings.data_dir / "records.db")


def test_a_killed_restore_never_replaces_what_came_since(
    settings: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A night that ran between the two tries has rows, and messages, that no backup holds."""
    folder, into = back_up(settings, tmp_path / "backup"), other(settings)
    with monkeypatch.context() as patch:
        patch.setattr(backups, "_place_tables", lambda *_: 1 / 0)
        with pytest.raises(ZeroDivisionError):
            restore(folder, into)
    assert is_restoring(into)
    assert list_in_the_way(into) == []
    add(Records(into.database), {"2026-08-04T00:00": 5.0}, moment(4))
    assert list_in_the_way(into) == ["records.db"]
    (into.data_dir / "records.db").unlink()
    shutil.copy(into.data_dir / ".draft-restore" / "records.db", into.data_dir)
    assert list_in_the_way(into) == [], "placed, and killed before the draft went"
    into.models_dir.mkdir()
    assert list_in_the_way(into) == ["models"]
    into.models_dir.rmdir()
    restore(folder, into)
    assert list_in_the_way(into) == ["archive", "models", "published", "records.db"]


@pytest.mark.slow
@pytest.mark.skipif(
    bool(servers.absent_servers("PostgreSQL")), reason=servers.absent_servers("PostgreSQL")
)
def test_an_installation_moves_to_a_server_and_back(settings: Settings, tmp_path: Path) -> None:
    rows = count_rows(Database(settings.database))
    folder = back_up(settings, tmp_path / "backup")
    with servers.postgresql() as url:
        there = other(settings).model_copy(update={"records_url": SecretStr(url)})
        assert list_in_the_way(there) == []
        restore(folder, there)
        assert not (there.data_dir / "records.db").exists()
        assert count_rows(Database(url)) == rows
        assert list_in_the_way(there)[-1].startswith("rows in postgresql")
        add(Records(url), {"2026-08-05T00:00": 6.0}, moment(5))
        assert Records(url).database.batch == 2, "numbered on"
        back_up(there, tmp_path / "again")
    back = settings.model_copy(update={"data_dir": tmp_path / "back"})
    restore(tmp_path / "again", back)
    assert count_rows(Database(back.database)) == rows | {"ingests": 2, "readings": 2}


def test_tables_elsewhere_are_backed_up_and_put_back_there(
    settings: Settings, tmp_path: Path
) -> None:
    moved = tmp_path / "elsewhere" / "tables.db"
    moved.parent.mkdir()
    Records(settings.database).database.engine.dispose()
    with sqlite3.connect(settings.data_dir / "records.db") as source, sqlite3.connect(moved) as to:
        source.backup(to)
    (settings.data_dir / "records.db").unlink()
    settings = settings.model_copy(update={"records_url": SecretStr(f"sqlite:///{moved}")})
    folder = back_up(settings, tmp_path / "backup")
    before = dump(moved)
    moved.unlink()
    restore(folder, other(settings))
    assert dump(moved) == before
    assert not (other(settings).data_dir / "records.db").exists()


def test_a_broken_database_is_not_backed_up(settings: Settings, tmp_path: Path) -> None:
    path = settings.data_dir / "records.db"
    Records(settings.database).database.engine.dispose()
    size = path.stat().st_size
    with path.open("r+b") as stream:
        stream.seek(size // 2)
        stream.write(b"\xff" * (size // 2))
    with pytest.raises((BrokenState, sqlite3.DatabaseError, sa.exc.DatabaseError)):
        back_up(settings, tmp_path / "backup")
    assert not (tmp_path / "backup").exists()

"""The commands ``mekong backup``, ``restore``, ``retain`` and ``migrate``."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from pipeline.settings import Settings
from pipeline.storage import schema
from tests.command_line import run


@pytest.fixture
def data(nights: Settings, tmp_path: Path) -> Path:
    shutil.copytree(nights.data_dir, tmp_path / "data", symlinks=True)
    return tmp_path / "data"


@pytest.mark.sqlite  # a backup copies the file
def test_a_data_folder_is_backed_up_and_restored(
    data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = tmp_path / "backup"
    assert run(monkeypatch, data, "backup", str(folder)) == 0
    out = capsys.readouterr().out
    assert out.startswith(f"{folder}: ")
    assert out.endswith("last night 2026-08-21T00:30Z\n")
    assert run(monkeypatch, tmp_path / "new", "restore", str(folder)) == 0
    assert capsys.readouterr().out.startswith(f"{tmp_path / 'new'}: restored ")
    assert run(monkeypatch, tmp_path / "new", "restore", str(folder)) == 2
    err = capsys.readouterr().err
    assert err.startswith("mekong: expected nothing in ")
    assert err.count("\n") == 1
    assert run(monkeypatch, tmp_path / "third", "restore", str(data)) == 2
    assert "found no manifest.json" in capsys.readouterr().err


def test_a_clean_up_is_rehearsed_and_done(
    data: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(monkeypatch, data, "retain", "--date", "2026-08-22", "--dry-run") == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines == [
        "as of 2026-08-21T00:30Z, would remove:",
        "  upstream: 0 files, 0.0 MB",
        "  published: 0 trees, 0 files, 0.0 MB",
        "  archive: 0 snapshots, 0 files, 0.0 MB",
    ]
    assert run(monkeypatch, data, "retain", "--date", "2026-08-22") == 0
    assert capsys.readouterr().out.startswith("as of 2026-08-21T00:30Z, removed:\n")


def test_an_empty_data_folder_has_nothing_to_remove(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(monkeypatch, tmp_path, "retain") == 0
    assert capsys.readouterr().out == "no night was issued yet: nothing is removed\n"


def test_tables_are_migrated(
    data: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(monkeypatch, data, "migrate") == 0
    assert capsys.readouterr().out == f"tables: revision {schema.HEAD}\n"

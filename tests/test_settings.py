"""Settings from the environment and a file; a wrong one is one line that names it."""

from __future__ import annotations

from pathlib import Path

import pytest

from pipeline.settings import Settings
from tests.command_line import run


def test_a_wrong_setting_is_named(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(monkeypatch, tmp_path, "status", MEKONG_UPSTREAM="ftp") == 2
    error = capsys.readouterr().err
    assert "setting upstream: Input should be 'virtual', 'internet' or 'archive'" in error


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("MEKONG_UPSTREM", "MEKONG_UPSTREM is no setting; did you mean MEKONG_UPSTREAM?"),
        ("MEKONG_DATADIR", "MEKONG_DATADIR is no setting; did you mean MEKONG_DATA_DIR?"),
        ("MEKONG_QQQQ", "MEKONG_QQQQ is no setting; expected MEKONG_ALERT_SCOPE, "),
    ],
)
def test_a_mistyped_variable_is_named(
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    name: str,
    message: str,
) -> None:
    assert run(monkeypatch, tmp_path, "status", **{name: "x"}) == 2
    [line] = capsys.readouterr().err.splitlines()
    assert message in line


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b'region = "mek', "mend it or move it away"),
        (b"seed = \xff\xfe", "mekong.toml: expected TOML, found: "),
        (b"regoin = 'mekong'", "mekong.toml: regoin is no setting; did you mean region?"),
        (b"MEKONG_DATA_DIR = 'x'", "MEKONG_DATA_DIR is no setting; did you mean data_dir?"),
        (b"qqqq = 1", "mekong.toml: qqqq is no setting; expected alert_scope, alert_sender, "),
    ],
)
def test_a_settings_file_that_is_wrong_is_one_line(
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    content: bytes,
    message: str,
) -> None:
    (tmp_path / "mekong.toml").write_bytes(content)
    monkeypatch.chdir(tmp_path)
    assert run(monkeypatch, tmp_path, "status") == 2
    [line] = capsys.readouterr().err.splitlines()
    assert message in line


def test_endpoints_that_are_no_json_are_one_line(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(monkeypatch, tmp_path, "status", MEKONG_ENDPOINTS="x") == 2
    [line] = capsys.readouterr().err.splitlines()
    assert "endpoints" in line


def test_an_empty_folder_of_tables_is_none(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MEKONG_REFERENCE_DIR", "")
    assert Settings().reference_dir is None
    monkeypatch.setenv("MEKONG_REFERENCE_DIR", "~/tables")
    assert Settings().reference_dir == Path.home() / "tables"

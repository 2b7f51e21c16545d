"""The commands ``mekong texts export`` and ``mekong texts import``."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from pipeline import __main__ as cli


def run(monkeypatch: pytest.MonkeyPatch, *words: str) -> int:
    monkeypatch.setattr(sys, "argv", ["mekong", "texts", *words])
    try:
        cli.main()
    except SystemExit as left:
        return int(left.code or 0)
    return 0


def test_a_sheet_goes_out_and_comes_back_signed(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    sheet = tmp_path / "lo.csv"
    assert run(monkeypatch, "export", "lo", "--out", str(sheet)) == 0
    assert "correct the column text, sign at the top" in capsys.readouterr().out
    content = sheet.read_text(encoding="utf-8-sig")
    assert run(monkeypatch, "export", "lo") == 0
    assert capsys.readouterr().out == content
    monkeypatch.setenv("MEKONG_REFERENCE_DIR", str(tmp_path))
    assert run(monkeypatch, "import", str(sheet)) == 0
    assert "0 texts, not reviewed: the sheet is not signed" in capsys.readouterr().out
    signed = content.replace("signed.name,,,", "signed.name,,A B,")
    sheet.write_text(signed.replace("signed.date,,,", "signed.date,,2026-08-20,"))
    assert run(monkeypatch, "import", str(sheet)) == 0
    out = capsys.readouterr().out
    assert out.startswith(str(tmp_path / "messages" / "lo.toml"))
    assert out.endswith("texts, reviewed\n")


@pytest.mark.parametrize(
    ("words", "line"),
    [
        (["export", "fr"], "language: expected one of en, km, lo, th, vi, my, zh, found 'fr'"),
        (["import", "nowhere.csv"], "expected a sheet in nowhere.csv, found none"),
    ],
)
def test_what_is_wrong_is_one_line_and_exit_code_2(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str],
    words: list[str], line: str,
) -> None:  # fmt: skip
    monkeypatch.setenv("MEKONG_REFERENCE_DIR", str(tmp_path))
    assert run(monkeypatch, *words) == 2
    assert capsys.readouterr().err == f"mekong: {line}\n"


def test_an_import_needs_the_folder_of_an_agency(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.delenv("MEKONG_REFERENCE_DIR", raising=False)
    assert run(monkeypatch, "import", "x.csv") == 2
    assert "expected MEKONG_REFERENCE_DIR to name a folder, found none" in capsys.readouterr().err


def test_the_clips_of_a_language_are_listed(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    clips = tmp_path / "clips.csv"
    assert run(monkeypatch, "clips", "lo", "--out", str(clips)) == 0
    assert capsys.readouterr().out == f"{clips}: 194 clips of lo; record each once\n"
    assert run(monkeypatch, "clips", "lo") == 0
    out = capsys.readouterr().out
    assert out == clips.read_text(encoding="utf-8-sig")
    assert out.startswith("id,words\n")
    assert run(monkeypatch, "clips", "fr") == 2

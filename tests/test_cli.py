"""The command line: every verb with an example, and one line for a user's mistake."""

from __future__ import annotations

import json
import sys
from typing import TYPE_CHECKING

import pytest

from pipeline import __main__ as cli
from pipeline.settings import Settings

if TYPE_CHECKING:
    from pathlib import Path

VERBS = (
    "simulate", "ingest", "assess", "forecast", "publish", "verify", "train", "hindcast", "replay",
    "nightly", "status", "sources",
)  # fmt: skip


def run(
    monkeypatch: pytest.MonkeyPatch, data: Path, *arguments: str, **environment: str
) -> int | str | None:
    monkeypatch.setenv("MEKONG_DATA_DIR", str(data))
    for key, value in environment.items():
        monkeypatch.setenv(key, value)
    monkeypatch.setattr(sys, "argv", ["mekong", *arguments])
    try:
        cli.main()
    except SystemExit as done:
        return done.code
    return 0


def test_help_shows_every_verb_with_an_example(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(monkeypatch, tmp_path, "--help") == 0
    text = " ".join(capsys.readouterr().out.replace("│", " ").split())
    for verb in VERBS:
        assert f"Example: mekong {verb}" in text
    for group in (cli.NIGHT, cli.DATA, cli.SKILL):
        assert group in text


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["bogus"], "No such command 'bogus'."),
        (["status", "--date", "2026-13-01"], "expected a date like 2026-04-10, found '2026-13-01'"),
        (["status", "--date", "2001-01-01"], "20010101T0030Z, found none"),
        (["ingest", "modis"], "expected a source of imerg_late"),
        (["ingest", "gauges", "--from", "nowhere"], "expected a folder of gauges files"),
        (["replay", "no-such-id"], "no message with the identifier 'no-such-id'"),
        (["publish", "--date", "2001-01-01"], "no forecast was made for 2001-01-01 00:30Z"),
        (["train"], "ingest gauges first"),
        (["forecast", "--date", "2001-01-01"], "run: mekong train --date 2001-01-01"),
        (["hindcast", "--start", "2019-06-01"], "Missing parameter: end"),
        (["nightly", "--date", "2035-01-01"], "2035"),
    ],
)
def test_a_mistake_is_one_line_and_exit_code_2(
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    arguments: list[str],
    said: str,
) -> None:
    assert run(monkeypatch, tmp_path, *arguments) == 2
    [line] = capsys.readouterr().err.splitlines()
    assert line.startswith("mekong: ")
    assert said in line


def test_a_wrong_setting_is_named(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(monkeypatch, tmp_path, "status", MEKONG_UPSTREAM="ftp") == 2
    said = capsys.readouterr().err
    assert "setting upstream: Input should be 'virtual', 'internet' or 'archive'" in said


def test_status_finds_the_night_that_waited(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    index = {"status": "Actual", "missing": [], "model_version": "m", "archive_snapshot": "s"}
    for issued in ("20260409T0230Z", "20260410T0030Z", "20260410T0140Z"):
        folder = Settings(data_dir=tmp_path).published_dir / issued
        folder.mkdir(parents=True)
        (folder / "index.json").write_text(json.dumps(index | {"issue_time": issued}))
        (folder / "alerts.csv").write_text("level,hazard\n")
    assert run(monkeypatch, tmp_path, "status", "--date", "2026-04-10") == 0
    assert "Actual: alerts issued 20260410T0140Z" in capsys.readouterr().out

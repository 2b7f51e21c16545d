from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from pipeline import review, scoring
from tests.command_line import run


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--start", "2020-10-31", "--end", "2019-06-01"], "--end: expected a date from 2020"),
        (
            ["--start", "2019-06-01", "--end", "2019-06-02", "--leads", "1;3"],
            "--leads: expected whole days parted by commas",
        ),
    ],
)
def test_a_hindcast_refuses_what_it_cannot_mean(
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    words: list[str],
    message: str,
) -> None:
    monkeypatch.setattr(review, "hindcast", None)
    assert run(monkeypatch, tmp_path, "hindcast", *words, "--out", "OUT") == 2
    assert message in capsys.readouterr().err


def test_the_scoreboard_is_of_the_day_that_is_asked(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    asked: dict[str, Any] = {}
    made = scoring.scoreboard

    def note(**options: Any) -> Any:
        asked.update(options)
        return made(**options)

    monkeypatch.setattr(scoring, "scoreboard", note)
    command = ["scoreboard", "--date", "2026-09-01", "--out", str(tmp_path / "out")]
    assert run(monkeypatch, tmp_path, *command) == 0
    assert f"{asked['asof']:%Y-%m-%d %H:%M}" == "2026-09-01 00:30"
    assert (tmp_path / "out" / "scoreboard.csv").is_file()
    assert "scoreboard.csv" in capsys.readouterr().out

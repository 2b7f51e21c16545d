"""The command ``mekong watch``."""

from __future__ import annotations

from pathlib import Path

import pytest

from pipeline.alerts.cap import message_path
from tests.command_line import run
from tests.watch.watch_cases import FIRST, Basin, at, make_calm_night


@pytest.fixture(scope="module")
def calm_night(tmp_path_factory: pytest.TempPathFactory) -> Basin:
    return make_calm_night(tmp_path_factory.mktemp("calm"))


def test_a_watch_says_in_a_line_what_it_raised_and_saw(
    calm_night: Basin,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    basin = calm_night.fork(tmp_path / "data")
    basin.read([(at(1, 0), 11.2), (at(2, 0), 11.7)], asof=at(2))
    monkeypatch.setenv("MEKONG_UPSTREAM", "archive")
    assert run(monkeypatch, basin.folder, "watch", "--at", "2026-08-20T09:15+07:00") == 0
    said = capsys.readouterr().out
    assert said.startswith(
        "watch of 2026-08-20T02:15Z after the night of 2026-08-20T00:30Z: 1 raised, 15 minutes "
        "after the datum; heavy rain nowhere; over alarm stage 011901; sudden "
        "change nowhere ("
    )
    assert [row["identifier"] for row in basin.chain()] == [FIRST]
    assert run(monkeypatch, basin.folder, "explain", FIRST) == 0
    assert capsys.readouterr().out.startswith("Exercise: Vientiane LA, flood, WARNING, sent 2026-")
    assert run(monkeypatch, basin.folder, "replay", FIRST) == 0
    assert capsys.readouterr().out.encode() == basin.tree()[message_path(FIRST)]
    assert run(monkeypatch, basin.folder, "watch", "--at", "2026-08-20T00:15") == 0
    read = capsys.readouterr()
    assert read.out == "watch of 2026-08-20T00:15Z: nothing done\n"
    assert read.err == "not seen: the night of 2026-08-20 00:30Z is newer\n"


def test_a_moment_that_is_none_is_a_wrong_option(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(monkeypatch, tmp_path, "watch", "--at", "noon") == 2
    assert "expected a moment like 2026-08-20T06:15, found 'noon'" in capsys.readouterr().err

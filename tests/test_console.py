"""Lines and tables for people."""

from __future__ import annotations

from pathlib import Path

import pytest

from pipeline import __main__ as cli
from pipeline import steps
from pipeline.ingest.run import Ingested
from tests.command_line import run


@pytest.mark.parametrize(
    ("reached", "first"),
    [
        ([None, False, None, False], "providers: none could be reached, of 2 sources that were"),
        ([None, False, True, False], "imerg_late: skipped, needs A_TOKEN"),
        ([None, None, None, None], "imerg_late: skipped, needs A_TOKEN"),
    ],
)
def test_when_no_provider_is_reached_that_is_the_first_line(
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    reached: list[bool | None],
    first: str,
) -> None:
    monkeypatch.setattr(
        cli, "select_sources", lambda _: ["imerg_late", "imerg_early", "chirps", "smap"]
    )
    answers = iter(reached)

    def ingest(source: str, **_: object) -> Ingested:
        needs = "A_TOKEN" if source == "imerg_late" else None
        return Ingested(source, 0, 0, 0, needs=needs, reached=next(answers))

    monkeypatch.setattr(steps, "ingest", ingest)
    assert run(monkeypatch, tmp_path, "ingest", "all", MEKONG_UPSTREAM="internet") == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].startswith(first)
    assert sum(line.startswith("providers") for line in lines) == (lines[0][:9] == "providers")
    assert len(lines) == 4 + (lines[0][:9] == "providers")

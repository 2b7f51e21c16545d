"""Every ``mekong`` line of README, docs and ``--help``, through the command line.

Once with the steps noting what they are asked for, so that each line's options are read as it says;
and once for real in an empty data folder, where what a line lacks is one line and an exit code.
"""

from __future__ import annotations

import re
import shlex
import sys
from pathlib import Path
from typing import Any

import pytest
import typer

from pipeline import __main__ as cli
from pipeline import console, review, steps
from pipeline.results import Replayed
from pipeline.settings import ROOT

GUIDES = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]
MINUTES = ("simulate", "nightly", "sources check")
"""Lines that work for minutes, or ask the providers of the real internet."""


def lines() -> list[str]:
    """Command lines of the guides and of the verbs' help, without what follows them."""
    texts = [path.read_text(encoding="utf-8") for path in GUIDES]
    found = set[str]()
    for text in texts:
        blocks = re.findall(r"```(?:sh|console|bash)?\n(.*?)```", text, re.DOTALL)
        code = [line for block in blocks for line in block.splitlines()]
        code += re.findall(r"`([^`\n]+)`", re.sub(r"```.*?```", "", text, flags=re.DOTALL))
        found |= {m[1] for line in code if (m := re.match(r"\s*(?:\$ )?mekong (.+)$", line))}
    group: Any = typer.main.get_command(cli.app)
    for command in group.commands.values():
        found |= set(re.findall(r"Example: mekong (.+?)\.?$", command.help.strip()))
    return sorted({re.split(r"\s+[#|>]|\s*;", line)[0].strip() for line in found})


LINES = lines()


def arguments(line: str, folder: Path) -> list[str]:
    """Arguments of a line, with what stands for a folder or a message put in."""
    exports = folder / "exports"
    exports.mkdir(exist_ok=True)
    (exports / "a.csv").write_text(
        "station,variable,time,value,unit\n013901,stage,2026-08-20T00:00Z,9.0,m\n"
    )
    drop = folder / "drop.csv"
    drop.write_text("received_at,sender,text\n2026-08-20T07:20Z,A,FL 17U 30 1405\n")
    stands_for = {
        "DIR": str(exports), "downloads": str(exports), "SOURCE": "gauges",
        "OUT": str(folder / "out"), "again.xml": str(folder / "again.xml"),
        "SHEET": str(folder / "sheet.csv"), "DROP": str(drop), "TREE": str(folder / "tree"),
        "KEYS": str(folder / "keys.pem"), "PUBLIC": str(folder / "public.pem"), "CITY": "pakse",
    }  # fmt: skip
    return [stands_for.get(word, word) for word in shlex.split(line)]


def run(monkeypatch: pytest.MonkeyPatch, folder: Path, words: list[str]) -> int:
    monkeypatch.setenv("MEKONG_DATA_DIR", str(folder / "data"))
    monkeypatch.chdir(folder)
    monkeypatch.setattr(sys, "argv", ["mekong", *words])
    try:
        cli.main()
    except SystemExit as left:
        return int(left.code or 0)
    return 0


class Done:
    """What a noted step returns."""

    nothing_came_in = False
    degraded = cities = levels = drought = ()


def test_there_are_lines_of_every_verb() -> None:
    group: Any = typer.main.get_command(cli.app)
    assert {line.split()[0] for line in LINES} == set(group.commands)
    assert "hindcast --start 2019-06-01 --end 2020-10-31 --out OUT" in LINES


@pytest.mark.sqlite  # its steps are stubs; the backup, which is none, copies the file
@pytest.mark.parametrize("line", LINES)
def test_a_line_is_read_as_it_says(
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    line: str,
) -> None:
    asked = dict[str, dict[str, Any]]()
    for name in ("simulate", "prepare", "ingest", "assess", "indices", "forecast", "publish",
                 "cancel", "train", "hindcast", "verify", "replay", "sources"):  # fmt: skip

        def noted(*_: object, name: str = name, **given: Any) -> Any:
            asked[name] = given
            return {"replay": Replayed(b"<alert/>"), "sources": []}.get(name, Done())

        monkeypatch.setattr(review if name in {"hindcast", "replay"} else steps, name, noted)
    for name in vars(console):
        if name.startswith("describe_"):
            monkeypatch.setattr(console, name, lambda _: "done")
    words = arguments(line, tmp_path)
    code = run(monkeypatch, tmp_path, words)
    said = capsys.readouterr().err
    assert "Traceback" not in said
    if code == 2:  # a verb that is named without what it needs, or a night that nobody published
        absent = r"Missing (parameter|argument)|found none|'IDENTIFIER' was sent|whole backup"
        absent += "|something to back up"
        assert re.search(rf"{absent}|found '(ban_tha|LA-9001)'", said), said
        return
    assert code == 0, said
    assert words[0] in {
        *asked, "status", "cities", "gauges", "export", "texts", "feedback", "keys",
        "verify-signature", "scoreboard", "drill", "acknowledge", "remind", "watch",
        "backup", "restore", "retain", "migrate",
    }  # fmt: skip
    dates = dict(re.findall(r"--(date|start|end|since|train-from) (\d{4}-\d\d-\d\d)", line))
    given = asked.get(words[0], {})
    for option, key in (("date", "asof"), ("start", "start"), ("end", "end"),
                        ("train-from", "train_from"), ("since", "start")):  # fmt: skip
        if option in dates and key in given:
            assert str(given[key]).startswith(dates[option])


@pytest.mark.slow
@pytest.mark.parametrize("line", [line for line in LINES if not line.startswith(MINUTES)])
def test_a_line_in_an_empty_folder_ends_well_or_says_what_it_lacks(
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    line: str,
) -> None:
    monkeypatch.setenv("MEKONG_UPSTREAM", "archive")
    code = run(monkeypatch, tmp_path, arguments(line, tmp_path))
    said = capsys.readouterr().err.splitlines()
    assert code in {0, 1, 2}
    if code == 2:
        assert len(said) == 1
        assert said[0].startswith("mekong: ")

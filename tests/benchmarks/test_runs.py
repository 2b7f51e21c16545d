from __future__ import annotations

import subprocess
from datetime import date
from pathlib import Path

from tests.benchmarks.measure import ROOT
from tests.benchmarks.runs import (
    CURVES,
    TABLE,
    add_run,
    list_slower,
    plot_curves,
    read_passes,
)


def test_runs_of_other_machines_stand_beside_each_other(tmp_path: Path) -> None:
    table = tmp_path / "runs.csv"
    add_run(table, {"read": 2.0, "write": 1.0}, one_pass=30e9, day=date(2026, 11, 1))
    add_run(table, {"read": 4.0, "write": 3.0, "sum": 5.0}, one_pass=15e9, day=date(2026, 11, 2))
    command = ["git", "rev-parse", "--short", "HEAD"]
    commit = subprocess.check_output(command, cwd=ROOT, text=True).strip()
    passes = read_passes(table)
    assert list(passes.index) == [("2026-11-01", commit), ("2026-11-02", commit)]
    assert list(passes["read"]) == [60.0, 60.0], "twice the time on a machine of half the speed"
    assert list(passes["write"]) == [30.0, 45.0]
    assert passes["sum"].isna().tolist() == [True, False]
    assert list_slower(passes) == {"write": 1.5}


def test_the_same_runs_are_drawn_as_the_same_bytes(tmp_path: Path) -> None:
    passes = read_passes(TABLE)
    for name in ("a.svg", "b.svg"):
        plot_curves(passes, tmp_path / name)
    assert (tmp_path / "a.svg").read_bytes() == (tmp_path / "b.svg").read_bytes()
    for commit in passes.tail(2).index.get_level_values("commit"):
        assert commit in CURVES.read_text("utf-8"), "the picture in docs is of the table"


def test_the_page_names_what_is_slower() -> None:
    page = (ROOT / "docs" / "performance.md").read_text("utf-8")
    told = page.partition("in the last: ")[2].replace("\n", " ")
    slower = list_slower(read_passes(TABLE))
    assert [f"{times} x: {work}" in told for work, times in slower.items()] == [True] * len(slower)
    assert slower or told.startswith("none")

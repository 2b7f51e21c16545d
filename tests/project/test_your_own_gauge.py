"""docs/your-own-gauge.md, walked command by command in an empty folder."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from math import isclose
from pathlib import Path

import pytest

from pipeline.settings import ROOT

TEXT = (ROOT / "docs" / "your-own-gauge.md").read_text(encoding="utf-8")
BLOCKS = re.findall(r"```(sh|text|python)\n(.*?)```", TEXT, re.DOTALL)
MARK = "=== block"
FIGURE = re.compile(r"\d+\.\d+(?!\d|\.)|\d+(?= ?%)")


def shell_script() -> str:
    """All commands of the page in one shell, a mark before each block of them."""
    # 4: published but degraded, for there are no satellites here.
    end = '|| [ $? = 4 ] || { echo "failed: $*"; exit 1; }'
    command = f'mekong() {{ "{sys.executable}" -m pipeline "$@" 2>&1 {end}; }}'
    blocks = [body for kind, body in BLOCKS if kind == "sh"]
    marked = [f"echo '{MARK} {number}'\n{body}" for number, body in enumerate(blocks)]
    return "\n".join(["set -e", command, *marked])


def walk(folder: Path) -> list[list[str]]:
    """Run the page in a folder; return the lines that each block of commands printed."""
    script = next(body for kind, body in BLOCKS if kind == "python")
    (folder / "mekong-own").mkdir()
    (folder / "mekong-own" / "make_readings.py").write_text(script, encoding="utf-8")
    kept = {k: v for k, v in os.environ.items() if not k.startswith("MEKONG_")}
    done = subprocess.run(
        ["/bin/bash", "-c", shell_script()],
        cwd=folder,
        env=kept | {"PYTHONPATH": str(ROOT), "COLUMNS": "120", "TZ": "UTC"},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout
    parts = re.split(rf"{MARK} \d+\n", done.stdout)[1:]
    return [[" ".join(line.split()) for line in part.splitlines()] for part in parts]


def shown() -> list[tuple[int, list[str]]]:
    """Boxes of output: the number of the block of commands above each, and its lines."""
    boxes, number = [], -1
    for kind, body in BLOCKS:
        number += kind == "sh"
        if kind == "text" and number >= 0:
            boxes.append((number, [" ".join(line.split()) for line in body.splitlines() if line]))
    return boxes


def matches(expected: str, line: str) -> bool:
    """Whether a printed line is the one of the page, where ``...`` stands for more.

    Decimals and percentages may differ by a twentieth: libraries of linear algebra do.
    """
    texts, found = FIGURE.split(expected), FIGURE.split(line)
    pattern = "#".join(".*".join(map(re.escape, text.split("..."))) for text in texts)
    if re.fullmatch(pattern, "#".join(found)) is None:
        return False
    figures = zip(FIGURE.findall(expected), FIGURE.findall(line), strict=True)
    return all(isclose(float(a), float(b), rel_tol=0.05, abs_tol=0.02) for a, b in figures)


def test_the_page_shows_what_its_commands_print() -> None:
    boxes = shown()
    assert len(boxes) == 4
    assert [*dict(boxes)] == [2, 3, 4, 5]
    assert any("days to learn from" in line for line in dict(boxes)[3])
    assert matches("models ...: 1 gauges", "models 01ab: 1 gauges")
    assert not matches("models ...: 1 gauges", "models 01ab: 2 gauges")
    assert matches("5.81 m, 60 %", "5.80 m, 61 %")
    assert not matches("5.81 m, 60 %", "6.81 m, 60 %")


@pytest.mark.slow
def test_the_page_leads_from_readings_to_a_level(tmp_path: Path) -> None:
    printed = walk(tmp_path)
    for number, lines in shown():
        rest = iter(printed[number])
        for expected in lines:
            assert expected == "..." or any(matches(expected, line) for line in rest), (
                f"{expected!r} is not among", printed[number],
            )  # fmt: skip
    assert [path.name for path in tmp_path.iterdir()] == ["mekong-own"]
    alerts = (tmp_path / "mekong-own" / "data" / "published" / "alerts.csv").read_text("utf-8")
    assert ",ban_tha," in alerts

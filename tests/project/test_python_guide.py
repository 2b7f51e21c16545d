"""Every example of docs/python.md, run as it stands on a small night, in 5 lines and 10 s."""

from __future__ import annotations

import re
import time
from pathlib import Path
from typing import Any

import matplotlib as mpl
import numpy as np
import pandas as pd
import pytest

import pipeline as mekong
from pipeline.settings import ROOT, Settings
from tests.project.test_import_time import is_quick

TEXT = (ROOT / "docs" / "python.md").read_text(encoding="utf-8")
EXAMPLES = dict(
    re.findall(
        r"^##? ([^\n]+)\n(?:(?!^#)[^\n]*\n)*?```python\n(.*?)```", TEXT, re.DOTALL | re.MULTILINE
    )
)
"""First example below each heading."""
CPU_S, LINES = 10.0, 5


def run(name: str, nights: Settings, patch: pytest.MonkeyPatch, folder: Path) -> dict[str, Any]:
    """Run an example where the settings of the environment are those of the small night."""
    example = EXAMPLES[name]
    lines = [line for line in example.splitlines() if line.strip()]
    assert len(lines) <= LINES
    patch.setenv("MEKONG_DATA_DIR", str(nights.data_dir))
    patch.setenv("MEKONG_UPSTREAM", "archive")
    patch.chdir(folder)
    mpl.use("agg")
    names: dict[str, Any] = {"mekong": mekong}
    before = time.process_time()
    exec(compile(example, name, "exec"), names)  # noqa: S102
    assert is_quick(time.process_time() - before, CPU_S)
    return names


def test_every_example_is_run_below() -> None:
    source = Path(__file__).read_text("utf-8")
    assert TEXT.count("```python") == len(EXAMPLES) == 8
    assert [name for name in EXAMPLES if f'run("{name}"' not in source] == []


def test_open(
    nights: Settings,
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    run("From Python", nights, monkeypatch, tmp_path)
    assert capsys.readouterr().out == "Night 2026-08-20 00:30Z, revision 0, Exercise (virtual)\n"


def test_fan(nights: Settings, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    names = run("The forecast with its thresholds", nights, monkeypatch, tmp_path)
    lines = names["ax"][0].axes.get_lines()
    assert len(lines) == 5
    assert [line.get_ydata()[0] for line in lines[3:]] == [11.0, 12.0]
    np.testing.assert_array_equal(lines[1].get_ydata(), 10.0 + 0.2 * np.arange(1, 8))


def test_as_issued(nights: Settings, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    names = run("Forecasts as issued against what came", nights, monkeypatch, tmp_path)
    assert names["errors"]["count"].tolist() == [2, 1, 0, 0, 0, 0, 0]
    assert names["errors"].loc[2, "mean"] == pytest.approx(10.4 - 10.5)
    assert 0.0 <= names["inside"] <= 1.0


def test_why(
    nights: Settings,
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    run("Why D3 here and D1 there", nights, monkeypatch, tmp_path)
    told = capsys.readouterr().out.split("\n\n")
    assert [text.partition(" LA,")[0].partition(" VN,")[0] for text in told[:2]] == [
        "Exercise: Pakse", "Exercise: Can Tho",
    ]  # fmt: skip
    assert all("Class: " in text for text in told[:2])


@pytest.mark.slow
def test_without_satellites(
    nights: Settings, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    names = run("Without satellites", nights, monkeypatch, tmp_path)
    levels = names["levels"].set_index(["city", "hazard"])
    assert "rain" in levels.loc[("siem_reap", "flood"), "missing"]
    assert levels.loc[("siem_reap", "flood"), "level"] == "unknown"
    assert levels["changed"].any()


@pytest.mark.slow
def test_thresholds_and_rules(
    nights: Settings, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    names = run("Another threshold, another rule", nights, monkeypatch, tmp_path)
    lower = names["lower"].set_index(["city", "hazard"])
    assert "seen_alarm" in lower.loc[("pakse", "flood"), "reasons"]
    assert len(names["bolder"]) == len(lower)


def test_spi(nights: Settings, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    names = run("SPI-3 of 2015 to 2020", nights, monkeypatch, tmp_path)
    assert names["spi"].sizes["time"] == 72
    assert isinstance(names["driest"], pd.Series)
    assert len(names["driest"]) == 5


def test_excel(nights: Settings, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    names = run("To Excel", nights, monkeypatch, tmp_path)
    sheet = pd.read_excel(tmp_path / "levels.xlsx", dtype={"station": str})
    assert len(sheet) == len(names["night"].levels())
    assert sheet["station"].dropna().iloc[0].startswith("0")
    assert pd.read_excel(tmp_path / "pakse.xlsx").shape == (7, 10)

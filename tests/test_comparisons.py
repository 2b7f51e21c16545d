"""A ministry's file, as docs/compare.md shows it, scored beside what was issued."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from models.stage.names import QUANTILES
from models.verification.rivals import read_rival
from pipeline import comparisons, steps
from pipeline.settings import ROOT, Settings
from pipeline.steps import UserError
from pipeline.storage.records import Records
from tests.alerts.track_record_cases import DAY, FIRST, PAKSE, export, run
from tests.command_line import run as run_command

ASOF = FIRST + 9 * DAY
STAGES = [9.0, 9.0, 9.1, 9.0, 9.2, 9.3, 9.0, 9.1]
"""From 1 July 2026."""


def example() -> str:
    text = (ROOT / "docs" / "compare.md").read_text(encoding="utf-8")
    (table,) = re.findall(r"```text\n(.*?)```", text, re.DOTALL)
    return str(table)


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    settings = Settings(data_dir=tmp_path / "data", upstream="archive", records_url=None)
    store = Records(settings.database)
    for day in range(5):
        issued = FIRST + day * DAY
        values: dict[str, Any] = {name: 9.0 + p - 0.5 for name, p in QUANTILES.items()}
        values |= {"mean_m": 9.0, "p_alarm": 0.0, "p_flood": 0.0}
        row = {
            "station": PAKSE, "lead_days": 1, "tier": "full", "row": values,
            "valid_time": issued.replace(minute=0) + DAY,
        }  # fmt: skip
        run(store, issued, "none", None, tables={"stage_forecasts": [row]})
    export(tmp_path / "a", STAGES, asof=ASOF)
    steps.ingest("gauges", asof=ASOF, settings=settings, folder=tmp_path / "a")
    return settings


def test_the_smallest_example_is_scored(settings: Settings, tmp_path: Path) -> None:
    rival = tmp_path / "ministry.csv"
    rival.write_text(example(), encoding="utf-8")
    comparison = comparisons.compare(rival, asof=ASOF, folder=tmp_path / "out", settings=settings)
    assert comparison.counts["compared"] == 3
    assert comparison.virtual, "our runs were"
    (mae,) = comparison.scores.query("station == '' and score == 'mae_m'").to_dict("records")
    # Issued on 2, 3 and 4 July; 9.1, 9.0 and 9.2 m came.
    assert mae["ours"] == pytest.approx((0.1 + 0.0 + 0.2) / 3)
    assert mae["rival"] == pytest.approx((0.05 + 0.1 + 0.2) / 3)
    assert mae["persistence"] == pytest.approx((0.1 + 0.1 + 0.2) / 3)
    assert mae["verdict"] == "no interval"
    table = pd.read_csv(tmp_path / "out" / "comparison.csv", dtype={"station": str})
    assert "Pakse (013901)" in set(table["name"])
    assert (tmp_path / "out" / "comparison.html").is_file()


def test_readings_are_those_known_then(settings: Settings, tmp_path: Path) -> None:
    rival = tmp_path / "ministry.csv"
    rival.write_text(example(), encoding="utf-8")
    early = comparisons.compare(rival, asof=FIRST + 3 * DAY, settings=settings)
    assert early.counts["compared"] == 2
    assert early.counts["of the rival alone"] == 1  # ours of 4 July was not issued yet


def test_what_cannot_be_compared_is_one_line(settings: Settings, tmp_path: Path) -> None:
    rival = tmp_path / "ministry.csv"
    with pytest.raises(FileNotFoundError, match=r"expected a rival's forecasts in .* found none"):
        comparisons.compare(rival, asof=ASOF, settings=settings)
    rival.write_text("garbage", encoding="utf-8")
    with pytest.raises(UserError, match=r"cannot compare: .*expected a heading with the column"):
        comparisons.compare(rival, asof=ASOF, settings=settings)
    rival.write_text(example().replace("2026", "2025"), encoding="utf-8")
    with pytest.raises(UserError, match="forecasts issued 2025-07-02 to 2025-07-04, found none"):
        comparisons.compare(rival, asof=ASOF, settings=settings)
    rival.write_text(example().replace("Pakse", "Kratie").replace("013901", "014901"), "utf-8")
    with pytest.raises(UserError, match=r"found 0 forecasts that both have, .* of ours alone"):
        comparisons.compare(rival, asof=ASOF, settings=settings)
    rival.write_text(example(), encoding="utf-8")
    (tmp_path / "x.parquet").write_bytes(b"x")
    with pytest.raises(UserError, match=r"expected forecasts.parquet of a hindcast"):
        comparisons.compare(rival, asof=ASOF, ours=tmp_path / "x.parquet", settings=settings)


def test_the_example_shows_the_ways_to_write_a_gauge(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text(example(), encoding="utf-8")
    assert read_rival(tmp_path / "a.csv").rows["station"].tolist() == [PAKSE] * 3


def test_the_command_prints_and_writes(
    settings: Settings,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    rival, out = tmp_path / "ministry.csv", tmp_path / "out"
    rival.write_text(example(), encoding="utf-8")
    words = ["compare", str(rival), "--out", str(out), "--date", "2026-07-10"]
    code = run_command(monkeypatch, settings.data_dir, *words, MEKONG_UPSTREAM="archive")
    said = capsys.readouterr().out
    assert code == 0
    assert "Exercise: from the virtual basin. Ours beside ministry.csv" in " ".join(said.split())
    assert "3 compared" in said
    assert sorted(path.name for path in out.iterdir()) == ["comparison.csv", "comparison.html"]
    rival.write_text("garbage", encoding="utf-8")
    assert run_command(monkeypatch, settings.data_dir, *words, MEKONG_UPSTREAM="archive") == 2
    assert capsys.readouterr().err.startswith("mekong: cannot compare: ")

"""The page stands by itself and says what is synthetic; the table has every score."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pandas as pd
import pytest

from models.verification.comparison import RivalComparison, compare_archives
from models.verification.comparison_files import MEANINGS, render_comparison, write_comparison
from tests.models.verification.rival_cases import (
    make_archive,
    make_observed,
    make_table,
    read_table,
)
from tests.models.verification.test_report import Page


@pytest.fixture(scope="module")
def comparison(tmp_path_factory: pytest.TempPathFactory) -> RivalComparison:
    folder, observed = tmp_path_factory.mktemp("rivals"), make_observed()
    ours, rival = (make_archive(folder, observed, sd=sd, seed=1) for sd in (0.1, 0.4))
    rival = replace(rival, name="<b>rival</b>.csv")
    return compare_archives(ours, rival, observed, draws=50)


def test_the_page_stands_by_itself(comparison: RivalComparison) -> None:
    text = render_comparison(comparison)
    page = Page()
    page.feed(text)
    assert (page.open, page.outside) == ([], [])
    assert "&lt;b&gt;rival&lt;/b&gt;.csv" in text
    assert "<b>rival" not in text
    assert "Mukdahan (013402)" in text
    assert "states no time of issue" in text
    assert "over 4 whole hydrological years" in text
    assert "Exercise" not in text
    assert render_comparison(comparison) == text


def test_synthetic_forecasts_say_so(comparison: RivalComparison, tmp_path: Path) -> None:
    virtual = replace(comparison, virtual=True)
    assert "Exercise: from the virtual basin" in render_comparison(virtual)
    write_comparison(virtual, tmp_path)
    table = pd.read_csv(tmp_path / "comparison.csv", dtype={"station": str})
    assert set(table["origin"]) == {"Exercise: from the virtual basin"}


def test_the_table_has_every_score(comparison: RivalComparison, tmp_path: Path) -> None:
    write_comparison(comparison, tmp_path / "new")
    table = pd.read_csv(tmp_path / "new" / "comparison.csv", dtype={"station": str})
    assert len(table) == len(comparison.scores)
    assert set(table["name"]) == {"all gauges", "Mukdahan (013402)", "Nakhon Phanom (013101)"}
    assert table["difference"].to_numpy() == pytest.approx(
        comparison.scores["difference"].to_numpy(), rel=1e-5, nan_ok=True
    )
    assert (tmp_path / "new" / "comparison.html").is_file()
    assert set(table["score"]) <= set(MEANINGS)


def test_a_comparison_of_ranks_has_a_page(tmp_path: Path) -> None:
    observed = make_observed()
    table = make_table(observed, sd=0.3, seed=1, days=500)
    flow = table[["station", "issue_date", "lead_days"]].assign(
        value=table["q50"] ** 3, unit="m3/s"
    )
    ours = make_archive(tmp_path, observed, sd=0.1, seed=1, days=500)
    text = render_comparison(compare_archives(ours, read_table(tmp_path, flow), observed, draws=20))
    assert "rank_correlation (high is better)" in text
    assert "<h2>Counts</h2>" not in text

"""Scores of both sides beside the package ``scores``, scipy and scikit-learn."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import xarray as xr
from scipy.stats import spearmanr
from scores.categorical import BinaryContingencyManager
from scores.continuous import kge, mae, mse, nse, quantile_score
from scores.probability import brier_score, crps_for_ensemble
from sklearn.metrics import roc_auc_score

from models.verification.comparison import RivalComparison, compare_archives
from models.verification.pairing import pair
from tests.models.conftest import TOWN
from tests.models.verification.rival_cases import (
    LEVELS,
    make_archive,
    make_observed,
    make_table,
    observe,
    read_table,
)

CLOSE = 1e-9
DAYS = 4 * 365
OBSERVED = make_observed()


def score_of(comparison: RivalComparison, score: str, side: str, *, lead: int = 1) -> float:
    rows = comparison.scores
    rows = rows[(rows["station"] == TOWN) & (rows["lead_days"] == lead) & (rows["score"] == score)]
    return float(rows[side].iloc[0])


def select(cases: Any, side: str, lead: int = 1) -> tuple[Any, pd.DataFrame]:
    rows = cases.rows[(cases.rows["station"] == TOWN) & (cases.rows["lead_days"] == lead)]
    return cases.sides[side], rows


def as_cases(values: Any) -> xr.DataArray:
    return xr.DataArray(np.asarray(values), dims="case")


@pytest.mark.parametrize("side", ["ours", "rival"])
def test_scores_of_quantiles_agree(tmp_path: Path, side: str) -> None:
    ours, rival = (
        make_archive(tmp_path, OBSERVED, sd=sd, seed=seed) for sd, seed in ((0.2, 1), (0.5, 2))
    )
    comparison, cases = (
        compare_archives(ours, rival, OBSERVED, draws=5),
        pair(ours, rival, OBSERVED),
    )
    forecasts, rows = select(cases, side)
    at, came = rows.index.to_numpy(), as_cases(rows["observed_m"])
    mean, p = as_cases(forecasts.mean[at]), as_cases(forecasts.p["alarm"][at])
    reached = as_cases(rows["observed_m"] >= 12.0)
    below = (rows["stage_m"] < 12.0).to_numpy()
    table = BinaryContingencyManager((p >= 0.5)[below], reached[below]).transform()
    pinball = [
        float(quantile_score(as_cases(forecasts.quantiles[level][at]), came, level))
        for level in LEVELS.values()
    ]
    members = xr.DataArray(forecasts.ensemble[at], dims=("case", "member"))
    expected = {
        "mae_m": mae(as_cases(forecasts.median[at]), came),
        "rmse_m": np.sqrt(mse(mean, came)),
        "spread_m": np.std(forecasts.mean[at] - rows["observed_m"]),
        "cp": 1.0 - mse(mean, came) / mse(as_cases(rows["stage_m"]), came),
        "nse": nse(mean, came),
        "kge": kge(mean, came),
        "crps_m": crps_for_ensemble(members, came, "member", method="ecdf"),
        "pinball_m": np.mean(pinball),
        "brier_alarm": brier_score(p, reached.astype(float)),
        "pod_alarm": table.probability_of_detection(),
        "far_alarm": table.false_alarm_ratio(),
        "csi_alarm": table.critical_success_index(),
    }
    for score, value in expected.items():
        assert score_of(comparison, score, side) == pytest.approx(float(value), abs=CLOSE), score


def test_scores_of_members_agree(tmp_path: Path) -> None:
    table = make_table(OBSERVED, sd=0.3, seed=3, days=60)
    lines = [
        f"{row['station']},{row['issue_date']},{row['lead_days']},{member},{row[name]}"
        for row in table.to_dict("records")
        for member, name in enumerate(("q90", "q10", "q50", "q75"))
    ]
    text = "station,issue_date,lead_days,member,stage_m\n" + "\n".join(lines) + "\n"
    ours, rival = (
        make_archive(tmp_path, OBSERVED, sd=0.3, seed=4, days=60),
        read_table(tmp_path, text),
    )
    comparison, cases = (
        compare_archives(ours, rival, OBSERVED, draws=5),
        pair(ours, rival, OBSERVED),
    )
    forecasts, rows = select(cases, "rival")
    at, came = rows.index.to_numpy(), as_cases(rows["observed_m"])
    members = xr.DataArray(forecasts.ensemble[at], dims=("case", "member"))
    crps = crps_for_ensemble(members, came, "member", method="ecdf")
    assert score_of(comparison, "crps_m", "rival") == pytest.approx(float(crps), abs=CLOSE)
    assert score_of(comparison, "rmse_m", "rival") == pytest.approx(
        float(np.sqrt(mse(members.mean("member"), came))), abs=CLOSE
    )
    losses = [
        quantile_score(
            as_cases(np.quantile(forecasts.ensemble[at], level, axis=1, method="hazen")),
            came,
            level,
        )
        for level in LEVELS.values()
    ]
    assert score_of(comparison, "pinball_m", "rival") == pytest.approx(np.mean(losses), abs=CLOSE)


def test_one_value_is_scored_as_a_distribution_without_width(tmp_path: Path) -> None:
    table = make_table(OBSERVED, sd=0.3, seed=3, days=60)[
        ["station", "issue_date", "lead_days", "q50"]
    ]
    rival = read_table(tmp_path, table.rename(columns={"q50": "stage_m"}))
    comparison = compare_archives(rival, rival, OBSERVED, draws=5)
    assert score_of(comparison, "crps_m", "ours") == pytest.approx(
        score_of(comparison, "mae_m", "ours"), abs=CLOSE
    )
    assert "pinball_m" not in set(comparison.scores["score"])


def test_probabilities_alone_have_brier_scores_and_rates(tmp_path: Path) -> None:
    table = make_table(OBSERVED, sd=0.3, seed=3, days=DAYS)
    columns = ["station", "issue_date", "lead_days", "p_alarm"]
    rival = read_table(tmp_path, table[columns])
    ours = make_archive(tmp_path, OBSERVED, sd=0.3, seed=3)
    comparison = compare_archives(ours, rival, OBSERVED, draws=5)
    scores = comparison.scores[comparison.scores["verdict"] != "count"]
    assert set(scores["score"]) == {"brier_alarm", "pod_alarm", "far_alarm", "csi_alarm"}
    assert (scores["difference"].abs() < CLOSE).all()


def test_discharge_is_scored_by_ranks(tmp_path: Path) -> None:
    """As the scores of scipy and scikit-learn, and the same for any rising rating."""
    table = make_table(OBSERVED, sd=0.4, seed=5, days=DAYS)
    ours = make_archive(tmp_path, OBSERVED, sd=0.2, seed=6)
    results = []
    for rating in (lambda stage: 300.0 * stage**1.6, lambda stage: 50.0 * stage**2.5):
        flow = table[["station", "issue_date", "lead_days"]].assign(
            value=rating(table["q50"]), unit="m3/s"
        )
        rival = read_table(tmp_path, flow)
        results.append(compare_archives(ours, rival, OBSERVED, draws=5))
    assert set(results[0].scores["score"]) == {"rank_correlation", "roc_alarm", "roc_flood"}
    forecasts, rows = select(pair(ours, rival, OBSERVED), "rival")
    flow_of_case = forecasts.median[rows.index]
    expected = {
        "rank_correlation": spearmanr(flow_of_case, rows["observed_m"]).statistic,
        "roc_alarm": roc_auc_score(rows["observed_m"] >= 12.0, flow_of_case),
    }
    for comparison in results:
        for score, value in expected.items():
            assert score_of(comparison, score, "rival") == pytest.approx(value, abs=CLOSE), score


def test_rates_need_ten_days_at_the_stage(tmp_path: Path) -> None:
    observed = observe({TOWN: [11.0, 12.1] * 12})
    rows = "".join(f"{TOWN},2020-07-{day:02},1,12.2\n" for day in range(1, 24))
    archive = read_table(tmp_path, "station,issue_date,lead_days,stage_m\n" + rows)
    scores = compare_archives(archive, archive, observed, draws=5).scores
    pod = scores[(scores["score"] == "pod_alarm") & (scores["station"] == TOWN)]
    assert pod["ours"].tolist() == [1.0]  # 12 days
    fewer = observed.iloc[:19]  # 9 days
    scores = compare_archives(archive, archive, fewer, draws=5).scores
    assert "pod_alarm" not in set(scores["score"])
    days = scores[(scores["score"] == "alarm_days_hit") & (scores["station"] == TOWN)]
    assert days[["cases", "ours"]].to_numpy().tolist() == [[9, 9.0]]

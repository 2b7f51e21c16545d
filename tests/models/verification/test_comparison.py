"""The referee ranks rivals of known skill, and shows no difference where there is none."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from models.verification.archives import ForecastArchive
from models.verification.comparison import HEADLINE, _make_difference, compare_archives
from tests.models.conftest import TOWN, UPSTREAM
from tests.models.verification.rival_cases import (
    LEVELS,
    make_archive,
    make_observed,
    make_table,
    observe,
    read_table,
)

OBSERVED = make_observed()
DECIDED = ("mae_m", "rmse_m", "spread_m", "cp", "nse", "crps_m", "pinball_m", "brier_alarm")
"""Scores that four years decide; rates of few crossings they do not."""


@pytest.fixture(scope="module")
def archives(tmp_path_factory: pytest.TempPathFactory) -> tuple[ForecastArchive, ForecastArchive]:
    """A good rival, which errs by 0.1 m, and a poor one, which errs by 0.4 m."""
    folder = tmp_path_factory.mktemp("rivals")
    good, poor = (
        make_archive(folder, OBSERVED, sd=sd, seed=seed) for sd, seed in ((0.1, 1), (0.4, 2))
    )
    return good, poor


def judged(ours: ForecastArchive, rival: ForecastArchive) -> pd.DataFrame:
    scores = compare_archives(ours, rival, OBSERVED).scores
    return scores[scores["verdict"] != "count"]


def test_rivals_of_known_skill_are_ranked(
    archives: tuple[ForecastArchive, ForecastArchive],
) -> None:
    good, poor = archives
    pooled = judged(good, poor).query("station == ''")
    assert set(pooled["score"]) >= {*HEADLINE} - {"rank_correlation", "roc_alarm"}
    assert set(pooled["verdict"]) <= {"better", "no difference shown"}
    pooled = pooled[pooled["score"].isin(DECIDED)]
    assert set(pooled["verdict"]) == {"better"}
    lower = pooled["best"] == "low"
    assert (pooled.loc[lower, "high"] < 0).all()
    assert (pooled.loc[~lower, "low"] > 0).all()
    rmse = pooled[pooled["score"] == "rmse_m"]
    assert rmse["ours"].to_numpy() == pytest.approx(0.1, abs=0.005)
    assert rmse["rival"].to_numpy() == pytest.approx(0.4, abs=0.02)
    by_gauge = judged(good, poor).query("score in ['mae_m', 'rmse_m', 'crps_m', 'cp']")
    assert set(by_gauge["station"]) == {"", TOWN, UPSTREAM}
    assert set(by_gauge["verdict"]) == {"better"}


def test_sides_changed_the_verdicts_change(
    archives: tuple[ForecastArchive, ForecastArchive],
) -> None:
    good, poor = archives
    here, there = judged(good, poor), judged(poor, good)
    assert set(there["verdict"]) <= {"worse", "no difference shown"}
    assert there["difference"].to_numpy() == pytest.approx(-here["difference"].to_numpy())
    assert there["low"].to_numpy() == pytest.approx(-here["high"].to_numpy())
    assert there["ours"].tolist() == here["rival"].tolist()


def test_copies_differ_by_nothing(
    archives: tuple[ForecastArchive, ForecastArchive], tmp_path: Path
) -> None:
    good, _ = archives
    table = make_table(OBSERVED, sd=0.1, seed=1, days=4 * 365)
    in_cm = table.assign(**{name: 100.0 * table[name] for name in LEVELS})
    for copy in (good, read_table(tmp_path, in_cm.assign(unit="cm"))):
        scores = judged(good, copy)
        assert scores["difference"].abs().max() < 1e-9
        assert set(scores["verdict"]) == {"no difference shown"}


@pytest.mark.slow
def test_rivals_of_the_same_skill_show_no_difference(tmp_path: Path) -> None:
    """Of three pairs that err by other noise of one width, nine verdicts in ten say so.

    Without the widening for four years a quarter of the verdicts would be wrong.
    """
    verdicts = pd.concat(
        [
            judged(*(make_archive(tmp_path, OBSERVED, sd=0.3, seed=seed + k) for k in (0, 50)))
            for seed in range(3)
        ]
    ).query("score in ['mae_m', 'rmse_m', 'crps_m', 'brier_alarm']")["verdict"]
    assert (verdicts == "no difference shown").mean() > 0.82


def test_intervals_are_widened_for_few_years() -> None:
    """Of 4 years by t(0.95; 3) / z(0.95) · √(4/3) = 2.3534 / 1.6449 · 1.1547."""
    draws = np.linspace(0.0, 1.0, 1001)
    change = _make_difference(0.5, draws, blocks=4, least=3)
    half = 0.45 * 2.35336 / 1.64485 * 1.154701
    assert [change.low, change.high] == pytest.approx([0.5 - half, 0.5 + half], abs=1e-5)
    assert np.isnan(_make_difference(0.5, draws, blocks=2, least=3).low)


def test_whole_years_are_resampled_if_there_are_three(tmp_path: Path) -> None:
    archives = {
        days: [make_archive(tmp_path, OBSERVED, sd=sd, seed=1, days=days) for sd in (0.1, 0.4)]
        for days in (800, 400, 60)
    }
    results = {
        days: compare_archives(good, poor, OBSERVED) for days, (good, poor) in archives.items()
    }
    assert results[800].interval.startswith("90 %, over 3 whole hydrological years")
    assert results[400].interval.startswith("90 %, over 41 blocks of 10 days")
    assert "too narrow" in results[400].interval
    assert results[60].interval == "none: fewer than 3 years and than 10 blocks of 10 days"
    for days, word in ((800, "better"), (400, "better"), (60, "no interval")):
        mae = results[days].scores.query("score == 'mae_m'")
        assert set(mae["verdict"]) == {word}
        assert mae["low"].isna().all() == (days == 60)


def test_intervals_are_paired_over_the_same_years(tmp_path: Path) -> None:
    """One year is hard for both: the difference of 0.1 m is the same in each year."""
    rng = np.random.default_rng(1)
    signs = rng.choice([-1.0, 1.0], 4 * 365)
    dates = pd.date_range("2013-06-01", periods=4 * 365)
    hard = np.where(dates < pd.Timestamp("2014-06-01"), 2.0, 0.2)
    came = OBSERVED.loc[TOWN].reindex(dates + pd.Timedelta(days=1)).to_numpy()
    ours, rival = (
        read_table(
            tmp_path,
            pd.DataFrame(
                {
                    "station": TOWN, "issue_date": dates.strftime("%Y-%m-%d"), "lead_days": 1,
                    "stage_m": came + signs * (hard + more),
                }
            ),
        )
        for more in (0.0, 0.1)
    )  # fmt: skip
    (mae,) = (
        compare_archives(ours, rival, OBSERVED)
        .scores.query("score == 'mae_m' and station == ''")
        .to_dict("records")
    )
    assert [mae["difference"], mae["low"], mae["high"]] == pytest.approx([-0.1] * 3)


def test_a_gauge_with_too_few_years_has_no_interval(tmp_path: Path) -> None:
    table = make_table(OBSERVED, sd=0.2, seed=1, days=4 * 365)
    table = table[(table["station"] == TOWN) | (table["issue_date"] < "2014-05-01")]
    ours = read_table(tmp_path, table)
    scores = compare_archives(ours, ours, OBSERVED).scores.query("score == 'mae_m'")
    words = scores.groupby("station")["verdict"].agg(set)
    assert words[UPSTREAM] == {"no interval"}
    assert words[TOWN] == words[""] == {"no difference shown"}


def test_what_was_compared_is_described(
    archives: tuple[ForecastArchive, ForecastArchive],
) -> None:
    good, poor = archives
    comparison = compare_archives(replace(good, virtual=True), poor, OBSERVED, draws=5)
    head, counted, *remarks = comparison.describe()
    assert head == "rival.csv, beside rival.csv: 2 gauges, issued 2013-06-01 to 2017-05-30"
    assert counted.startswith("forecasts: 5840 forecasts that both have; 0 of ours alone;")
    assert remarks[0].startswith("rival: the rival states no time of issue")
    assert comparison.virtual
    assert set(comparison.select_headline()["station"]) == {""}


def test_a_gauge_without_an_alarm_stage_has_no_crossings(tmp_path: Path) -> None:
    rows = "".join(f"092600,2020-07-{day:02},1,9.0\n" for day in range(1, 10))
    archive = read_table(tmp_path, "station,issue_date,lead_days,stage_m\n" + rows)
    scores = compare_archives(archive, archive, observe({"092600": [9.0] * 12})).scores
    assert "mae_m" in set(scores["score"])
    assert not scores["score"].str.contains("alarm|flood").any()

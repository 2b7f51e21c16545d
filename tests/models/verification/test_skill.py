"""Skill against peers by hand, by gauge and regime."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest

from models.baselines import PEERS
from models.verification.cases import list_methods, prepare
from models.verification.skill import (
    LEAST_ROWS,
    compare_scores,
    median_skill,
    skill_by,
    split_regimes,
    sum_errors,
    tabulate_stations,
)
from tests.models.conftest import TOWN, UPSTREAM
from tests.models.verification.conftest import made_hindcast


def test_skill_by_hand(rows: pd.DataFrame) -> None:
    wet = rows[rows["wet"]]
    skill = median_skill(wet, draws=200)
    assert skill is not None
    expected = []
    for station in (UPSTREAM, TOWN):
        next_day = wet[(wet["station"] == station) & (wet["lead_days"] == 1)]
        expected.append(1 - 0.01 / ((next_day["stage_m"] - next_day["observed_m"]) ** 2).mean())
    assert skill.median["model"][0].value == pytest.approx(np.mean(expected))
    assert skill.median["persistence"][0].value == 0.0
    assert skill.stations == [2, 2]
    # The model's squared error is a quarter of every peer's on every day, so it beats them surely.
    assert all(skill.margin[name][0].low > 0.0 for name in PEERS)
    own, peer = skill.median["model"][1].value, skill.median["reference"][1].value
    assert (1 - own) * 4 == pytest.approx(1 - peer)


def test_who_is_worse_beats_nobody() -> None:
    skill = median_skill(prepare(made_hindcast(peer_error_m=0.05)), draws=200)
    assert skill is not None
    assert all(margin.high < 0.0 for margin in skill.margin["reference"])


def test_equals_are_not_beaten() -> None:
    frame = made_hindcast()
    frame["reference_m"] = frame["mean_m"]
    skill = median_skill(prepare(frame), draws=200)
    assert skill is not None
    assert [(margin.low, margin.high) for margin in skill.margin["reference"]] == [(0.0, 0.0)] * 2
    by_station = tabulate_stations(prepare(frame), draws=50)
    assert not (by_station["margin_low"] > 0).any()


def test_two_years_give_no_interval() -> None:
    skill = median_skill(prepare(made_hindcast(years=2)), draws=50)
    assert skill is not None
    assert np.isnan(skill.median["model"][0].low)


def test_regimes_of_the_report(rows: pd.DataFrame) -> None:
    assert set(split_regimes(rows)["Years after 2014 (large dams upstream)"]["year"]) == {
        2015, 2016,
    }  # fmt: skip


def test_a_gauge_needs_thirty_forecasts_for_an_index_of_its_own(rows: pd.DataFrame) -> None:
    assert LEAST_ROWS == 30
    of_lead = rows[(rows["station"] == TOWN) & (rows["lead_days"] == 1) & rows["wet"]]
    for n, known in ((30, True), (29, False)):
        cp = sum_errors(of_lead.head(n)).cp()
        assert np.isfinite(cp[0, 0, 0]) == known


def test_an_alternative_model_is_compared_over_the_same_years() -> None:
    frame = made_hindcast()
    frame["alternative_m"] = frame["observed_m"] + 2.0 * (frame["mean_m"] - frame["observed_m"])
    rows = prepare(frame.assign(alternative="LinearRegression"))
    assert list_methods(rows)[-1] == "alternative"
    skill = median_skill(rows, draws=200)
    assert skill is not None
    own, other = (skill.median[name][0].value for name in ("model", "alternative"))
    assert (1.0 - own) * 4.0 == pytest.approx(1.0 - other)
    margin = skill.margin["alternative"][0]
    assert 0.0 < margin.low <= margin.value == pytest.approx(own - other)
    assert "alternative" in tabulate_stations(rows, draws=50)
    plain = median_skill(prepare(made_hindcast()), draws=200)
    assert plain is not None
    assert "alternative" not in plain.median


def test_brier_by_hand(rows: pd.DataFrame) -> None:
    table = compare_scores(rows, "brier_model", "brier_climatology", draws=100)
    next_day: Any = table.set_index("lead_days").loc[1]
    part = rows[rows["lead_days"] == 1]
    reached = (part["observed_m"] >= part["alarm_m"]).astype(float)
    assert next_day["cases"] == len(part)
    assert next_day["reached"] == reached.sum()
    assert next_day["score"] == pytest.approx(((part["p_alarm"] - reached) ** 2).mean())
    assert next_day["reference"] == pytest.approx(((0.1 - reached) ** 2).mean())
    skill = next_day["skill"]
    assert skill.value == pytest.approx(1 - next_day["score"] / next_day["reference"])
    assert skill.low <= skill.value <= skill.high


def test_scores_are_compared_on_the_cases_that_both_have() -> None:
    """Of the third and fourth, by hand: 1 − 3 / 4; the fifth has no reference either."""
    frame = pd.DataFrame(
        {
            "station": TOWN, "lead_days": 1, "year": 2018, "reached": [1.0, 1.0, 1.0, 0.0, 0.0],
            "own": [np.nan, 9.0, 1.0, 2.0, np.nan], "other": [9.0, np.nan, 2.0, 2.0, np.nan],
        }
    )  # fmt: skip
    assert skill_by(frame, "own", "other", by=["station"]).to_dict() == {TOWN: 0.25}
    (row,) = compare_scores(frame, "own", "other").to_dict("records")
    assert (row["cases"], row["reached"], row["score"], row["reference"]) == (2, 1, 1.5, 2.0)
    assert row["skill"].value == 0.25
    assert compare_scores(frame.head(2), "own", "other").empty

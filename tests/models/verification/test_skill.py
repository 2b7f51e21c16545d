"""Skill against peers by hand, by gauge and regime."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest

from models.baselines import PEERS
from models.verification.skill import (
    LEAST_ROWS,
    list_methods,
    median_skill,
    prepare,
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


def test_regimes_are_known_when_the_forecast_is_issued(rows: pd.DataFrame) -> None:
    frame = made_hindcast()
    frame["observed_m"] += 5.0  # another outcome
    again = prepare(frame)
    assert (again[["rising", "near", "wet"]] == rows[["rising", "near", "wet"]]).all().all()
    next_day: Any = rows[(rows["station"] == TOWN) & (rows["lead_days"] == 1)]
    next_day = next_day.set_index("issue_time")
    day = pd.Timestamp("2014-07-10 00:30")
    before = next_day.loc[day - pd.Timedelta(days=1), "stage_m"]
    assert next_day.loc[day, "change_m"] == pytest.approx(next_day.loc[day, "stage_m"] - before)
    assert (rows.loc[rows["near"], "stage_m"] - rows.loc[rows["near"], "alarm_m"]).abs().max() <= 1
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

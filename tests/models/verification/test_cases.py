"""Statistics of single forecasts by hand, and their regimes."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest

from models.verification.cases import acting_probabilities, list_methods, prepare
from tests.conftest import STAGE_HEAD, LayOver
from tests.models.conftest import TOWN, UPSTREAM
from tests.models.verification.conftest import add_issued, forecasts_of_mukdahan, made_hindcast

COST_HEAD = "city,level,quantity,value,unit,source,as_of,verified"


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


def test_firm_by_hand() -> None:
    """Alarm stage 12.0 m at the ratio 0.25, flood stage 12.5 m at 0.4.

    Both reached and both forecast; both missed; alarm stage forecast in vain; alarm stage reached
    and forecast, flood stage in vain.
    """
    frame = forecasts_of_mukdahan(
        [12.5, 12.5, 11.9, 12.0], [12.6, 11.0, 12.1, 12.6], [12.5, 11.0, 12.0, 11.0]
    )
    rows = prepare(frame)
    assert rows["firm_model"].tolist() == pytest.approx([0.0, 0.75 + 0.6, 0.25, 0.4])
    assert rows["firm_persistence"].tolist() == pytest.approx([0.0, 1.35, 0.25, 0.75])
    # P(alarm) 0.25 is not above the ratio: climatology never warns.
    assert rows["firm_climatology"].tolist() == pytest.approx([1.35, 1.35, 0.0, 0.75])


def test_the_forecast_warns_above_the_probability_from_which_its_city_acts() -> None:
    frame = forecasts_of_mukdahan([11.0] * 3, [11.0] * 3, [11.0] * 3)
    frame["p_alarm"] = [0.25, 0.26, np.nan]
    firm = prepare(frame)["firm_model"]
    assert firm.tolist()[:2] == [0.0, 0.25]
    assert np.isnan(firm.iloc[2]), "an unknown probability is no warning and no quiet"


def test_a_city_acts_by_its_own_ratio_from_the_day_it_states_it(lay_over: LayOver) -> None:
    lay_over(
        "cost_loss.csv",
        COST_HEAD,
        "mukdahan,watch,cost_loss_ratio,0.1,1,x,2018-07-02,M",
        "mukdahan,watch,false_alarm_budget,0.95,1,x,2018-07-02,M",
    )
    frame = forecasts_of_mukdahan([11.0] * 3, [11.0] * 3, [11.0] * 3)
    frame.loc[2, "station"] = UPSTREAM
    ratios = acting_probabilities(frame)
    assert ratios["alarm"].tolist() == [0.25, 0.1, 0.25]
    assert ratios["flood"].tolist() == [0.4] * 3


def test_a_gauge_without_a_threshold_has_no_part_in_its_scores(lay_over: LayOver) -> None:
    lay_over("thresholds.csv", STAGE_HEAD, "092600,alarm,12.0,m,the agency,2018-07-02,V")
    frame = forecasts_of_mukdahan([12.5] * 2, [11.0] * 2, [11.0] * 2).assign(station="092600")
    rows = prepare(frame)
    names = ["reached", "brier_model", "hit", "miss", "false_alarm", "tail_model"]
    assert rows[names].isna().all(axis=1).tolist() == [True, False]
    assert rows["miss"].tolist()[1] == 1.0
    assert rows["firm_model"].isna().all(), "it has no flood stage"


def test_what_lies_above_alarm_stage_is_scored_by_hand() -> None:
    """One stage 12.3 m for all quantiles; 12.5 m came; persistence 11.0 m; climatology 11.0 m."""
    frame = forecasts_of_mukdahan([12.5, 11.5], [12.3, 12.3], [11.0, 13.0])
    for name in ("q025", "q05", "q10", "q25", "q75", "q90", "q95", "q975"):
        frame[name] = frame["q50"]
    rows = prepare(frame)
    assert rows["tail_model"].tolist() == pytest.approx([0.2, 0.3])
    assert rows["tail_persistence"].tolist() == pytest.approx([0.5, 1.0])
    assert rows["tail_climatology"].tolist() == pytest.approx([0.5, 0.0])


def test_only_forecasts_issued_below_alarm_stage_are_hits_and_misses() -> None:
    frame = forecasts_of_mukdahan(
        [12.5, 12.5, 11.0, 12.5, 12.5, 11.0],
        [12.6, 11.0, 12.6, 12.6, 11.0, 12.6],
        [11.0, 11.0, 11.0, 12.0, 12.0, 12.0],
    )
    rows = prepare(frame)
    assert rows[["hit", "miss", "false_alarm"]].to_numpy().tolist() == [
        [1.0, 0.0, 0.0], [0.0, 1.0, 0.0], [0.0, 0.0, 1.0], *[[0.0, 0.0, 0.0]] * 3,
    ]  # fmt: skip


def test_what_is_issued_is_scored_beside_the_models_own() -> None:
    rows = prepare(add_issued(made_hindcast()))
    assert list_methods(rows)[-1] == "issued"
    own, persistence = rows[rows["lead_days"] == 1], rows[rows["lead_days"] == 3]
    assert own["own_issued"].eq(1.0).all()
    assert own["se_issued"].equals(own["se_model"].rename("se_issued"))
    assert own["inside80_issued"].equals(own["inside80"].rename("inside80_issued"))
    assert own["brier_issued"].equals(own["brier_model"].rename("brier_issued"))
    assert persistence["own_issued"].eq(0.0).all()
    change_m = (persistence["observed_m"] - persistence["stage_m"]).abs()
    assert persistence["se_issued"].to_numpy() == pytest.approx(change_m.to_numpy() ** 2)
    assert persistence["inside80_issued"].tolist() == (change_m <= 0.3).astype(float).tolist()
    assert persistence["inside95_issued"].tolist() == (change_m <= 0.5).astype(float).tolist()
    reached = persistence["observed_m"] >= persistence["alarm_m"]
    missed = (persistence["stage_m"] >= 12.0) != reached
    assert persistence["brier_issued"].tolist() == missed.astype(float).tolist()

"""Low flow on a made-up river that remembers; scenarios/test_hindcast.py holds the real one."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import numpy as np
import pandas as pd
import pytest
import skops.io

from models import low_flow
from models.drought.inputs import HORIZONS_WEEKS
from models.low_flow import RATINGS, LowFlowModel, fit, predict
from models.registry import TRUSTED
from pipeline.alerts.evidence import LowFlow
from tests.conftest import LayOver

PAKSE, OTHER = "013901", "013402"
END = datetime(2016, 1, 1, tzinfo=UTC)
APRIL = datetime(2016, 4, 1, 0, 30, tzinfo=UTC)
P = [f"p_d{k}" for k in range(5)]


def river(years: int = 26) -> pd.DataFrame:
    """Stage with a season and an anomaly that lasts some weeks; the other gauge is young."""
    rng = np.random.default_rng(1)
    days = pd.date_range("1991-01-01", periods=int(365.25 * years))
    slow = np.zeros(len(days))
    for day, push in enumerate(rng.normal(0, 1, len(days))):
        slow[day] = 0.98 * slow[day - 1] + 0.2 * push
    season = 3.0 + 2.5 * np.sin(2 * np.pi * (days.day_of_year.to_numpy() - 150) / 365.25)
    stage = pd.DataFrame({PAKSE: season + 0.4 * slow, OTHER: season}, days)
    stage.loc[:"2010", OTHER] = np.nan
    stage.loc["2005-03-01":"2005-03-20", PAKSE] = np.nan
    return stage


@pytest.fixture(scope="module")
def stages() -> pd.DataFrame:
    return river()


@pytest.fixture(scope="module")
def model(stages: pd.DataFrame) -> LowFlowModel:
    found = fit(stages, end=END, stations=[PAKSE, OTHER])
    assert found is not None
    return found


def test_it_beats_conditional_climatology_on_years_held_out(model: LowFlowModel) -> None:
    assert list(model.seasonal_quantiles) == [PAKSE], "five years are too few"
    scores: Any = pd.DataFrame(model.scores).set_index(["horizon_weeks", "drought_class"])
    assert scores["years"].min() >= 20
    assert scores.loc[(1, 1), "skill_low"] > 0.1
    assert scores.loc[(4, 1), "skill_vs_conditional"] > 0.0
    assert scores.loc[(12, 1), "skill_vs_conditional"] > -0.1, "no skill, but no harm"
    assert scores.loc[(1, 0), "events"] / scores.loc[(1, 0), "cases"] == pytest.approx(
        0.31, abs=0.1
    )


def test_a_forecast_keeps_the_contract(model: LowFlowModel, stages: pd.DataFrame) -> None:
    found = predict(model, stages, issue_time=APRIL)
    assert found["zone"].tolist() == [f"gauge:{PAKSE}"] * 4
    assert found["horizon_weeks"].tolist() == list(HORIZONS_WEEKS)
    assert (found["valid_time"] - pd.Timestamp("2016-04-01")).dt.days.tolist() == [7, 28, 56, 84]
    p = found[P].to_numpy()
    assert ((p > 0) & (p < 1)).all()
    assert (np.diff(p, axis=1) <= 0).all()
    assert set(found["tier"]) == {"own_stage"}
    low = LowFlow.from_rows(found)
    assert set(low.p_d1) == set(HORIZONS_WEEKS)


def test_a_low_river_is_low_for_weeks(model: LowFlowModel, stages: pd.DataFrame) -> None:
    dry, wet = stages.copy(), stages.copy()
    dry.loc["2016-02-15":, PAKSE] -= 1.5
    wet.loc["2016-02-15":, PAKSE] += 1.5
    low, high = (predict(model, one, issue_time=APRIL) for one in (dry, wet))
    assert low["current_class"].iloc[0] in {"D3", "D4"}
    assert high["current_class"].iloc[0] == "none"
    assert (low[P].to_numpy() > high[P].to_numpy()).all()
    assert low["p_d1"].iloc[0] > 0.9
    assert low["p_d1"].is_monotonic_decreasing, "the anomaly is forgotten"
    assert low["stage_percentile"].iloc[0] < 3.0
    assert high["stage_percentile"].iloc[0] > 97.0


def test_flow_below_the_agreed_one(model: LowFlowModel, stages: pd.DataFrame) -> None:
    """Pakse, April: 1335 m3/s; by the rating 390 (h + 1.47)^1.8 that is 0.51 m."""
    a, h0, b = RATINGS[PAKSE]
    assert h0 + (1335.0 / a) ** (1 / b) == pytest.approx(0.511, abs=0.001)
    now = stages.copy()
    now.loc["2016-02-15":, PAKSE] = 0.2
    found: Any = predict(model, now, issue_time=APRIL).set_index("horizon_weeks")
    assert found.loc[1, "p_below_6a"] > 0.6
    now.loc["2016-02-15":, PAKSE] = 2.5
    assert predict(model, now, issue_time=APRIL)["p_below_6a"].iloc[0] < 0.05
    assert np.isnan(found.loc[12, "p_below_6a"]), "none is agreed for June"


def test_the_agreed_flow_is_that_of_the_issue_time(
    model: LowFlowModel, stages: pd.DataFrame, lay_over: LayOver
) -> None:
    now = predict(model, stages, issue_time=APRIL)
    head = "station,month,kind,value,unit,source,as_of,verified"
    lay_over("flows.csv", head, f"{PAKSE},4,pmfm_6a,6000,m3/s,the agency,2016-04-02,V")
    pd.testing.assert_frame_equal(predict(model, stages, issue_time=APRIL), now)
    lay_over("flows.csv", head, f"{PAKSE},4,pmfm_6a,6000,m3/s,the agency,2016-04-01,V")
    later = predict(model, stages, issue_time=APRIL)
    assert later["p_below_6a"].iloc[0] > now["p_below_6a"].iloc[0] + 0.1


def test_a_silent_gauge_is_unknown(model: LowFlowModel, stages: pd.DataFrame) -> None:
    silent = stages.copy()
    silent.loc["2016-03-20":, PAKSE] = np.nan
    for table in (silent, stages[[OTHER]]):
        found = predict(model, table, issue_time=APRIL)
        assert found[[*P, "p_below_6a", "stage_percentile"]].isna().all().all()
        assert set(found["current_class"]) == {"unknown"}
        assert set(found["tier"]) == {"climatology"}
        assert LowFlow.from_rows(found).current_class is None


def test_nothing_later_is_seen(model: LowFlowModel, stages: pd.DataFrame) -> None:
    found = predict(model, stages, issue_time=APRIL)
    cut = stages.loc[:"2016-04-01"]
    pd.testing.assert_frame_equal(predict(model, cut, issue_time=APRIL), found)
    other = stages.copy()
    other.loc["2016-01-01":] = 99.0
    again = fit(other, end=END, stations=[PAKSE])
    assert again is not None
    assert again.scores == model.scores
    pd.testing.assert_frame_equal(predict(again, stages, issue_time=APRIL), found)


def test_it_survives_being_saved(model: LowFlowModel, stages: pd.DataFrame) -> None:
    data = skops.io.dumps(model)
    back = skops.io.loads(data, trusted=sorted(TRUSTED))
    pd.testing.assert_frame_equal(
        predict(back, stages, issue_time=APRIL), predict(model, stages, issue_time=APRIL)
    )


def test_too_short_a_record_gives_no_model(stages: pd.DataFrame) -> None:
    assert fit(stages, end=END, stations=[OTHER]) is None


def test_the_longest_mean_is_of_180_days() -> None:
    days = pd.date_range("2016-01-01", periods=200)
    longest = low_flow._past_predictors(np.where(np.arange(200) == 0, 180.0, 0.0), days)[:, 4]
    assert longest[179] == pytest.approx(1.0)
    assert longest[180] == pytest.approx(0.0)


def test_a_forecast_needs_no_stage_older_than_its_memory(
    model: LowFlowModel, stages: pd.DataFrame
) -> None:
    now = stages.loc[:"2016-04-01"]
    found = predict(model, now, issue_time=APRIL)
    # 180 weekly means reach back 186 days.
    pd.testing.assert_frame_equal(predict(model, now.tail(186), issue_time=APRIL), found)
    shorter = predict(model, now.tail(120), issue_time=APRIL)
    assert (shorter["p_d1"] != found["p_d1"]).any()

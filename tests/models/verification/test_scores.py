"""Rows of scores by hand."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest

from models.stage.names import QUANTILES
from models.verification.scores import SCORES, SYNTHETIC, score_forecasts
from tests.conftest import STAGE_HEAD, LayOver
from tests.models.conftest import TOWN
from tests.models.verification.conftest import (
    flood_of_mukdahan,
    forecasts_of_mukdahan,
    made_hindcast,
)


def test_scores_by_hand() -> None:
    # Errors of the forecast 0.1, 0, 0.4, 0; of persistence −1, −1, −0.4, 1.
    scores = score_forecasts(
        forecasts_of_mukdahan(
            [11.0, 12.0, 12.4, 11.4], [11.1, 12.0, 12.8, 11.4], [10, 11, 12, 12.4]
        )
    )
    wet = scores[scores.season == "wet"].iloc[0]
    assert list(scores.columns) == list(SCORES)
    assert wet.n == 4
    assert wet.rmse_m == pytest.approx(np.sqrt(0.17 / 4))
    assert wet.mae_m == pytest.approx(0.125)
    assert wet.rmse_persistence_m == pytest.approx(np.sqrt(3.16 / 4))
    assert wet.cp == pytest.approx(1 - 0.17 / 3.16)
    assert wet.cover80 == 0.75
    # Cases while below alarm: the first two; the second came and was said.
    assert (wet.alarm_events, wet.alarm_pod, wet.alarm_far) == (1, 1.0, 0.0)
    assert wet.brier == 0.0
    assert wet.brier_skill_climatology == 1.0
    assert wet["name"] == "Mukdahan"


def test_the_columns_of_the_issue_come_first_and_synthetic_names_say_so() -> None:
    assert ",".join(SCORES) == (
        "station,name,lead_days,season,n,rmse_m,mae_m,rmse_persistence_m,cp,nse,kge,pinball_m,"
        "cover80,cover95,alarm_events,alarm_pod,alarm_far,alarm_csi,brier,"
        "brier_skill_climatology,tier,firm,firm_skill_persistence,firm_skill_climatology,twcrps_m,"
        "twcrps_skill_persistence,twcrps_skill_climatology,peaks,peak_late_d,peak_spread_d,"
        "alarm_peaks,missed_peaks"
    )
    frame = forecasts_of_mukdahan([11.0, 12.0], [11.1, 12.0], [10.0, 11.0]).assign(origin="virtual")
    assert set(score_forecasts(frame)["name"]) == {"Mukdahan (synthetic)"}
    assert SYNTHETIC == " (synthetic)"


def test_tiers_and_tail_by_hand() -> None:
    """Both tiers missed once (0.75 + 0.6) in four; persistence misses twice, climatology too."""
    frame = forecasts_of_mukdahan([12.6, 12.6, 11.0, 11.0], [12.6, 11.0, 11.0, 11.0], [11.0] * 4)
    for name in QUANTILES:
        frame[name] = frame["q50"]
    wet = score_forecasts(frame).iloc[0]
    assert wet.firm == pytest.approx(1.35 / 4)
    assert (wet.firm_skill_persistence, wet.firm_skill_climatology) == pytest.approx((0.5, 0.5))
    assert wet.twcrps_m == pytest.approx(0.6 / 4)
    assert (wet.twcrps_skill_persistence, wet.twcrps_skill_climatology) == pytest.approx((0.5, 0.5))
    assert np.isnan(wet.peaks), "four days are no season"


def test_the_spread_of_late_peaks_is_the_middle_80_percent() -> None:
    """Late by 1, 3 and 3 days: quantiles 1.4 and 3."""
    summers = [flood_of_mukdahan(late_d=late_d) for late_d in (1, 3, 3)]
    for number, summer in enumerate(summers):
        shift = pd.DateOffset(years=number)
        summer["issue_time"] = summer["valid_time"] = summer["valid_time"] + shift
    wet = score_forecasts(pd.concat(summers, ignore_index=True)).iloc[0]
    assert (wet.peaks, wet.peak_late_d, wet.peak_spread_d) == pytest.approx((3, 3.0, 1.6))


def test_peaks_stand_in_both_seasons() -> None:
    scores = score_forecasts(made_hindcast())
    assert (scores["peaks"] == 4).all()
    assert (scores["alarm_peaks"] == 4).all()
    assert (scores["missed_peaks"] == 0).all()
    assert scores["peak_late_d"].between(-1, 1).all()


def test_squared_errors_are_of_the_mean_and_absolute_ones_of_the_median() -> None:
    frame = forecasts_of_mukdahan([11.0, 12.0], [11.0, 12.0], [10.0, 11.0])
    frame["mean_m"] = frame["q50"] + 0.5
    wet = score_forecasts(frame).iloc[0]
    assert wet.rmse_m == pytest.approx(0.5)
    assert wet.cp == pytest.approx(1 - 0.25)
    assert wet.nse == pytest.approx(1 - 0.25 / 0.25)
    assert wet.mae_m == 0.0


def test_both_seasons_stand_there_even_without_a_case() -> None:
    winter = forecasts_of_mukdahan([11.0, 12.0], [11.1, 12.0], [10.0, 11.0])
    winter["valid_time"] += pd.Timedelta(days=180)
    scores: Any = score_forecasts(winter).set_index("season")
    assert scores["n"].to_dict() == {"wet": 0, "all": 2}
    assert np.isnan(scores.loc["wet", "cp"])


def test_unobserved_rows_count_for_nothing() -> None:
    frame = forecasts_of_mukdahan([11.0, np.nan, 12.4], [11.1, 99.0, 12.4], [10.0, 11.0, np.nan])
    assert score_forecasts(frame).iloc[0].n == 1


STATIONS_HEAD = "code,name,river,country,tidal,upstream,basin,as_of"


def test_a_name_is_that_as_of_the_last_issue_time(lay_over: LayOver) -> None:
    lay_over(
        "stations.csv",
        STATIONS_HEAD,
        f"{TOWN},New Mukdahan,Mekong,TH,false,013101,mukdahan,2018-07-03",
    )
    frame = forecasts_of_mukdahan([11.0] * 3, [11.1] * 3, [10.0] * 3)
    assert set(score_forecasts(frame)["name"]) == {"New Mukdahan"}
    assert set(score_forecasts(frame.head(2))["name"]) == {"Mukdahan"}


def test_a_gauge_without_an_alarm_stage_until_a_day_is_scored_from_it_on(lay_over: LayOver) -> None:
    lay_over("thresholds.csv", STAGE_HEAD, "092600,alarm,12.0,m,the agency,2018-07-03,V")
    frame = forecasts_of_mukdahan([12.5] * 4, [12.1, 12.1, 12.1, 11.1], [11.0] * 4)
    frame["station"] = "092600"
    wet = score_forecasts(frame).iloc[0]
    assert (wet.n, wet.alarm_pod, wet.brier) == (4, 0.5, 0.5), "of the last two"
    assert np.isnan(score_forecasts(frame.head(2)).iloc[0].brier)


def test_skill_compares_the_same_days_as_its_climatology() -> None:
    """Brier scores by hand: 0.5 of all four days; of the two with a climatology 1 and 0.3125."""
    frame = forecasts_of_mukdahan([12.5, 11.0, 12.5, 11.0], [12.5, 11.0, 11.0, 12.5], [11.0] * 4)
    frame.loc[:1, "climatology_p_alarm"] = np.nan
    (row,) = score_forecasts(frame).query("season == 'wet'").to_dict("records")
    assert row["brier"] == 0.5
    assert row["brier_skill_climatology"] == pytest.approx(1.0 - 1.0 / 0.3125)

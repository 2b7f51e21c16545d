from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from models.baselines import NAMES, baselines
from models.evaluate import SCORES, hindcast, pinball, pooled_alarms, score
from models.stage import QUANTILES
from pipeline.features import StageInputs, stage_inputs
from pipeline.places import stations
from tests.models.conftest import TOWN, UPSTREAM

PREK_KDAM = Path(__file__).parents[3] / "shared" / "gauges" / "prek_kdam_stage_daily_1960_2018.csv"


def forecasts(observed: list[float], q50: list[float], stage: list[float]) -> pd.DataFrame:
    """Hand-made forecasts of Mukdahan (alarm 12.0 m), one day ahead, ±0.2 m at 80 %."""
    n = len(observed)
    times = pd.date_range("2018-07-01", periods=n)
    spread = {name: np.asarray(q50) + (p - 0.5) * 0.5 for name, p in QUANTILES.items()}
    return pd.DataFrame(
        {
            "issue_time": times, "station": TOWN, "lead_days": 1, "valid_time": times,
            **spread, "stage_m": stage, "observed_m": observed, "tier": "full",
            "p_alarm": (np.asarray(q50) >= 12.0).astype(float), "climatology_p_alarm": 0.25,
        }
    )  # fmt: skip


def test_scores_by_hand() -> None:
    # Errors of the forecast 0.1, 0, 0.4, 0; of persistence −1, −1, −0.4, 1.
    found = score(forecasts([11.0, 12.0, 12.4, 11.4], [11.1, 12.0, 12.8, 11.4], [10, 11, 12, 12.4]))
    wet = found[found.season == "wet"].iloc[0]
    assert list(found.columns) == list(SCORES)
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


def test_misses_and_false_alarms_are_ratios_of_the_right_things() -> None:
    frame = forecasts([12.5, 11.0, 12.5, 11.0], [11.0, 12.5, 12.6, 12.5], [11.0] * 4)
    wet = score(frame).iloc[0]
    assert wet.alarm_pod == pytest.approx(1 / 2)
    assert wet.alarm_far == pytest.approx(2 / 3)  # a share of what was said, not of what was quiet
    assert wet.alarm_csi == pytest.approx(1 / 4)
    pooled = pooled_alarms(frame).iloc[0]
    assert (pooled.cases, pooled.pod, pooled.csi) == (2, 0.5, 0.25)


def test_unobserved_rows_count_for_nothing() -> None:
    frame = forecasts([11.0, np.nan, 12.4], [11.1, 99.0, 12.4], [10.0, 11.0, np.nan])
    assert score(frame).iloc[0].n == 1


def test_pinball_by_hand() -> None:
    part = pd.DataFrame({name: [1.0] for name in QUANTILES})
    # An observation 1 m above every quantile costs the mean of the probabilities: 0.5.
    assert pinball(part, np.array([2.0])) == pytest.approx(0.5)


@pytest.fixture(scope="module")
def hindcast_2009(made_up: StageInputs) -> pd.DataFrame:
    return hindcast(
        made_up,
        train_from=datetime(2003, 1, 1, tzinfo=UTC),
        start=datetime(2009, 4, 1, tzinfo=UTC),
        end=datetime(2009, 9, 1, tzinfo=UTC),
        stations=[UPSTREAM, TOWN],
        leads=(1, 3),
    )


def test_hindcast_refits_each_june_and_covers_the_interval(hindcast_2009: pd.DataFrame) -> None:
    versions = hindcast_2009.groupby("model_version").issue_time.agg(["min", "max"])
    assert versions.index.tolist() == ["hindcast 2009-04-01", "hindcast 2009-06-01"]
    assert versions["max"].iloc[0] == pd.Timestamp("2009-05-31 00:30")
    assert versions["min"].iloc[1] == pd.Timestamp("2009-06-01 00:30")
    assert len(hindcast_2009) == 153 * 2 * 2


def test_hindcast_observes_the_valid_time(
    hindcast_2009: pd.DataFrame, made_up: StageInputs
) -> None:
    row = hindcast_2009[(hindcast_2009.station == TOWN) & (hindcast_2009.lead_days == 3)].iloc[10]
    assert row.observed_m == made_up.stage.loc[row.valid_time, TOWN]
    assert row.valid_time == row.issue_time.normalize() + pd.Timedelta(days=3)


def test_a_hindcast_year_does_not_know_what_came_after(
    hindcast_2009: pd.DataFrame, made_up: StageInputs
) -> None:
    cut = made_up.until(pd.Timestamp("2009-08-31"))
    again = hindcast(
        cut,
        train_from=datetime(2003, 1, 1, tzinfo=UTC),
        start=datetime(2009, 4, 1, tzinfo=UTC),
        end=datetime(2009, 9, 1, tzinfo=UTC),
        stations=[UPSTREAM, TOWN],
        leads=(1, 3),
    )
    columns = [*QUANTILES, "p_alarm", "climatology_p_alarm", "stage_m"]
    pd.testing.assert_frame_equal(again[columns], hindcast_2009[columns])


def test_baselines_by_hand(made_up: StageInputs) -> None:
    until = datetime(2009, 1, 1, tzinfo=UTC)
    found = baselines(made_up, station=TOWN, fit_until=until, leads=[1, 2])
    assert tuple(found) == NAMES
    level = made_up.stage[TOWN]
    day = pd.Timestamp("2010-08-10")
    assert found["persistence"].loc[day, 2] == level[day]
    change = level[day] - level[day - pd.Timedelta(days=1)]
    assert found["trend"].loc[day, 2] == pytest.approx(level[day] + 2 * change)
    # The town is the upper gauge of the day before: ARX knows tomorrow, AR cannot.
    truth = level.shift(-1).loc["2010"]
    assert (found["arx"].loc["2010", 1] - truth).abs().max() < 1e-6
    assert (found["ar"].loc["2010", 1] - truth).abs().mean() > 0.02


def test_baselines_are_fitted_on_the_past_alone(made_up: StageInputs) -> None:
    until = datetime(2009, 1, 1, tzinfo=UTC)
    whole = baselines(made_up, station=TOWN, fit_until=until, leads=[3])
    cut = made_up.until(pd.Timestamp("2009-06-01"))
    past = baselines(cut, station=TOWN, fit_until=until, leads=[3])
    for name in NAMES:
        pd.testing.assert_frame_equal(whole[name].loc[:"2009-06-01"], past[name])
    with pytest.raises(LookupError, match="station: expected one of"):
        baselines(made_up, station="019999", fit_until=until, leads=[1])


@pytest.mark.slow
@pytest.mark.skipif(not PREK_KDAM.exists(), reason="../shared is not there")
def test_prek_kdam_end_to_end() -> None:
    table = pd.read_csv(PREK_KDAM).dropna()
    readings = pd.DataFrame(
        {
            "station": "020102",
            "valid_time": pd.to_datetime(table["Date"], format="%Y/%m/%d"),
            "value": table["Height"] - stations()["020102"].zero_m_amsl,  # type: ignore[operator]
            "qc": "good",
        }
    )
    inputs = stage_inputs(stage=readings, asof=datetime(2018, 12, 31, 0, 30, tzinfo=UTC))
    found = hindcast(
        inputs,
        train_from=datetime(1992, 1, 1, tzinfo=UTC),
        start=datetime(2014, 6, 1, tzinfo=UTC),
        end=datetime(2016, 6, 1, tzinfo=UTC),
        stations=["020102"],
        leads=(1, 3, 5, 7),
    )
    scores = score(found)
    wet = scores[scores.season == "wet"].set_index("lead_days")
    assert set(found.tier) == {"no_rain"}
    assert (wet.cp > 0.0).all()
    assert wet.cover80.between(0.65, 0.92).all()

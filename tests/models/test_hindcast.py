from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import numpy as np
import pandas as pd
import pytest

from models.baselines import NAMES, baselines
from models.benchmark import reference
from models.hindcast import PEERS, hindcast
from models.stage.features import StageInputs
from models.stage.model import QUANTILES
from models.verification.metrics import SCORES, SYNTHETIC, pinball, pooled_alarms, score
from pipeline.times import naive_timestamp
from tests.models.conftest import TOWN, UPSTREAM


def forecasts(observed: list[float], q50: list[float], stage: list[float]) -> pd.DataFrame:
    """Hand-made forecasts of Mukdahan (alarm 12.0 m), one day ahead, ±0.2 m at 80 %."""
    n = len(observed)
    times = pd.date_range("2018-07-01", periods=n)
    spread = {name: np.asarray(q50) + (p - 0.5) * 0.5 for name, p in QUANTILES.items()}
    return pd.DataFrame(
        {
            "issue_time": times, "station": TOWN, "lead_days": 1, "valid_time": times,
            **spread, "mean_m": q50, "stage_m": stage, "observed_m": observed, "tier": "full",
            "p_alarm": (np.asarray(q50) >= 12.0).astype(float), "climatology_p_alarm": 0.25,
            "origin": "measured",
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


def test_the_columns_are_those_of_the_issue_and_synthetic_names_say_so() -> None:
    assert ",".join(SCORES) == (
        "station,name,lead_days,season,n,rmse_m,mae_m,rmse_persistence_m,cp,nse,kge,pinball_m,"
        "cover80,cover95,alarm_events,alarm_pod,alarm_far,alarm_csi,brier,"
        "brier_skill_climatology,tier"
    )
    frame = forecasts([11.0, 12.0], [11.1, 12.0], [10.0, 11.0]).assign(origin="virtual")
    assert set(score(frame)["name"]) == {"Mukdahan (synthetic)"}
    assert SYNTHETIC == " (synthetic)"


def test_squared_errors_are_of_the_mean_and_absolute_ones_of_the_median() -> None:
    frame = forecasts([11.0, 12.0], [11.0, 12.0], [10.0, 11.0])
    frame["mean_m"] = frame["q50"] + 0.5
    wet = score(frame).iloc[0]
    assert wet.rmse_m == pytest.approx(0.5)
    assert wet.cp == pytest.approx(1 - 0.25)
    assert wet.nse == pytest.approx(1 - 0.25 / 0.25)
    assert wet.mae_m == 0.0


def test_both_seasons_stand_there_even_without_a_case() -> None:
    winter = forecasts([11.0, 12.0], [11.1, 12.0], [10.0, 11.0])
    winter["valid_time"] += pd.Timedelta(days=180)
    found: Any = score(winter).set_index("season")
    assert found["n"].to_dict() == {"wet": 0, "all": 2}
    assert np.isnan(found.loc["wet", "cp"])


def test_misses_and_false_alarms_are_ratios_of_the_right_things() -> None:
    frame = forecasts([12.5, 11.0, 12.5, 11.0], [11.0, 12.5, 12.6, 12.5], [11.0] * 4)
    wet = score(frame).iloc[0]
    assert wet.alarm_pod == pytest.approx(1 / 2)
    assert wet.alarm_far == pytest.approx(2 / 3)  # a share of what was said, not of what was quiet
    assert wet.alarm_csi == pytest.approx(1 / 4)
    pooled = pooled_alarms(frame).iloc[0]
    assert (pooled.cases, pooled.hits, pooled.false) == (2, 1, 2)
    assert (pooled.pod, pooled.csi) == (0.5, 0.25)
    assert pooled.far == pytest.approx(2 / 3)


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


def test_every_peer_stands_beside_the_forecast(hindcast_2009: pd.DataFrame) -> None:
    names = [f"{name}_m" for name in PEERS]
    assert hindcast_2009[names].notna().all().all()
    assert set(hindcast_2009["origin"]) == {"virtual"}
    day = hindcast_2009[(hindcast_2009.station == TOWN) & (hindcast_2009.lead_days == 1)]
    # The town is the upper gauge of the day before: who looks upstream is right within centimetres.
    errors = (day[["reference_m", "arx_m", "ar_m"]].sub(day["observed_m"], axis=0)).abs().mean()
    assert errors["arx_m"] < 1e-6
    assert errors["reference_m"] < 0.02 < errors["ar_m"]


def test_the_reference_is_fitted_on_the_past_alone(made_up: StageInputs) -> None:
    until = datetime(2009, 6, 1, tzinfo=UTC)
    whole: Any = reference(made_up, station=TOWN, fit_until=until, leads=[1, 3])
    cut = made_up.until(pd.Timestamp("2009-07-15"))
    pd.testing.assert_frame_equal(
        whole.loc[:"2009-07-15"],
        reference(cut, station=TOWN, fit_until=until, leads=[1, 3]),
        check_freq=False,
    )
    young = made_up.until(pd.Timestamp("2003-09-01"))
    assert reference(young, station=TOWN, fit_until=until, leads=[1]).empty
    too_young = reference(
        made_up, station=TOWN, fit_until=datetime(2004, 1, 1, tzinfo=UTC), leads=[1]
    )
    assert too_young.isna().all().all()


def test_what_was_corrected_later_is_not_known_before(made_up: StageInputs) -> None:
    """A reading that is put right later: forecasts see the wrong one until then, fits too."""
    wrong = pd.Timestamp("2009-05-20")
    mended = datetime(2009, 6, 3, 12, tzinfo=UTC)
    stage = made_up.stage.copy()
    stage[TOWN] = stage[TOWN] + 1.0 * (stage.index == wrong)
    before = replace(made_up, stage=stage)
    asked = []

    def as_known(moment: datetime, since: datetime) -> StageInputs | None:
        asked.append(moment)
        seen = naive_timestamp(moment)
        if wrong > seen or moment >= mended or naive_timestamp(since) > wrong:
            return None
        return before.until(seen.normalize())

    options: Any = {
        "train_from": datetime(2003, 1, 1, tzinfo=UTC), "start": datetime(2009, 5, 18, tzinfo=UTC),
        "end": datetime(2009, 6, 6, tzinfo=UTC), "stations": [TOWN], "leads": (1,),
    }  # fmt: skip
    plain = hindcast(made_up, **options).set_index("issue_time")
    found: Any = hindcast(made_up, as_known=as_known, **options).set_index("issue_time")
    change = (found["q50"] - plain["q50"]).abs()
    assert (change.loc[:"2009-05-19"] == 0.0).all()
    assert change.loc["2009-05-20"].item() > 0.2
    assert (change.loc["2009-05-21":"2009-05-24"] > 0.0).all()  # it is among the lags
    assert found.loc["2009-05-20", "stage_m"].item() == stage.loc[wrong, TOWN]
    # The second model was fitted before the correction, so it still differs after it, by little.
    assert 0.0 < change.loc["2009-06-04":].max() < 0.05
    assert found["observed_m"].equals(plain["observed_m"])
    assert len(asked) == 2 + 19


def test_a_gap_is_not_filled_before_it_is_scored(made_up: StageInputs) -> None:
    """Trap 18: persistence looks perfect where gaps were filled with the last reading."""
    stage = made_up.stage.copy()
    gap = pd.date_range("2009-08-03", "2009-08-04")
    stage.loc[gap, TOWN] = np.nan
    evening = made_up.evening.copy()
    evening.loc["2009-08-04", TOWN] = 3.0  # of the 3rd, 12Z
    found = hindcast(
        replace(made_up, stage=stage, evening=evening),
        train_from=datetime(2003, 1, 1, tzinfo=UTC),
        start=datetime(2009, 8, 1, tzinfo=UTC),
        end=datetime(2009, 8, 8, tzinfo=UTC),
        stations=[TOWN],
        leads=(1,),
    ).set_index("valid_time")
    assert found["observed_m"].isna().tolist() == [day in gap for day in found.index]
    assert found.loc["2009-08-05", "stage_m"] == 3.0
    assert score(found.reset_index()).set_index("season").loc["all", "n"] == 5

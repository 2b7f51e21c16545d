"""A hindcast is refitted each June and knows nothing that came after an issue time."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import numpy as np
import pandas as pd
import pytest

from models import hindcast
from models.baselines import PEERS
from models.hindcast import run_hindcast, set_beside
from models.stage.features import StageInputs
from models.stage.names import QUANTILES
from models.verification.scores import score_forecasts
from pipeline.times import naive_timestamp
from tests.conftest import STAGE_HEAD, LayOver
from tests.models.conftest import TOWN, UPSTREAM


@pytest.fixture(scope="module")
def hindcast_2009(made_up: StageInputs) -> pd.DataFrame:
    return run_hindcast(
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
    again = run_hindcast(
        cut,
        train_from=datetime(2003, 1, 1, tzinfo=UTC),
        start=datetime(2009, 4, 1, tzinfo=UTC),
        end=datetime(2009, 9, 1, tzinfo=UTC),
        stations=[UPSTREAM, TOWN],
        leads=(1, 3),
    )
    columns = [*QUANTILES, "p_alarm", "climatology_p_alarm", "stage_m"]
    pd.testing.assert_frame_equal(again[columns], hindcast_2009[columns])


def test_every_peer_stands_beside_the_forecast(hindcast_2009: pd.DataFrame) -> None:
    names = [f"{name}_m" for name in PEERS]
    assert hindcast_2009[names].notna().all().all()
    assert set(hindcast_2009["origin"]) == {"virtual"}
    day = hindcast_2009[(hindcast_2009.station == TOWN) & (hindcast_2009.lead_days == 1)]
    # The town is the upper gauge of the day before: who looks upstream is right within centimetres.
    errors = (day[["reference_m", "arx_m", "ar_m"]].sub(day["observed_m"], axis=0)).abs().mean()
    assert errors["arx_m"] < 1e-6
    assert errors["reference_m"] < 0.02 < errors["ar_m"]


def test_what_was_corrected_later_is_not_known_before(made_up: StageInputs) -> None:
    """A reading that is put right later: forecasts see the wrong one until then, fits too."""
    wrong = pd.Timestamp("2009-05-20")
    mended = datetime(2009, 6, 3, 12, tzinfo=UTC)
    stage = made_up.stage.copy()
    stage[TOWN] = stage[TOWN] + 1.0 * (stage.index == wrong)
    before = replace(made_up, stage=stage)
    asked = []

    def inputs_as_of(moment: datetime, since: datetime) -> StageInputs | None:
        asked.append(moment)
        seen = naive_timestamp(moment)
        if wrong > seen or moment >= mended or naive_timestamp(since) > wrong:
            return None
        return before.until(seen.normalize())

    options: Any = {
        "train_from": datetime(2003, 1, 1, tzinfo=UTC), "start": datetime(2009, 5, 18, tzinfo=UTC),
        "end": datetime(2009, 6, 6, tzinfo=UTC), "stations": [TOWN], "leads": (1,),
    }  # fmt: skip
    plain = run_hindcast(made_up, **options).set_index("issue_time")
    found: Any = run_hindcast(made_up, inputs_as_of=inputs_as_of, **options).set_index("issue_time")
    change = (found["q50"] - plain["q50"]).abs()
    assert (change.loc[:"2009-05-19"] == 0.0).all()
    assert change.loc["2009-05-20"].item() > 0.2
    assert (change.loc["2009-05-21":"2009-05-24"] > 0.0).all()  # it is among the lags
    assert found.loc["2009-05-20", "stage_m"].item() == stage.loc[wrong, TOWN]
    # The second model was fitted before the correction, so it still differs after it, by little.
    assert 0.0 < change.loc["2009-06-04":].max() < 0.05
    assert found["observed_m"].equals(plain["observed_m"])
    assert len(asked) == 2 + 19


def test_a_threshold_that_changes_changes_nothing_before(
    made_up: StageInputs, lay_over: LayOver
) -> None:
    options: Any = {
        "train_from": datetime(2003, 1, 1, tzinfo=UTC), "start": datetime(2009, 7, 1, tzinfo=UTC),
        "end": datetime(2009, 8, 1, tzinfo=UTC), "stations": [TOWN], "leads": (1, 3),
    }  # fmt: skip
    before = run_hindcast(made_up, **options)
    day = "2009-07-15"
    lay_over(
        "thresholds.csv",
        STAGE_HEAD,
        f"{TOWN},alarm,3.5,m,the agency,{day},V",
        f"{TOWN},flood,4.0,m,the agency,{day},V",
    )
    after = run_hindcast(made_up, **options)
    old = after["issue_time"] < pd.Timestamp(day)
    assert 0 < old.sum() < len(after)
    pd.testing.assert_frame_equal(after[old], before[old])
    names = ["p_alarm", "p_flood", "climatology_p_alarm", "climatology_p_flood", "issued_p_alarm"]
    assert (after.loc[~old, names] > before.loc[~old, names]).all(axis=None)
    names += ["p_alarm_by", "p_flood_by"]
    pd.testing.assert_frame_equal(after.drop(columns=names), before.drop(columns=names))
    pd.testing.assert_frame_equal(score_forecasts(after[old]), score_forecasts(before[old]))


def test_a_season_that_was_never_observed_has_no_climatology(made_up: StageInputs) -> None:
    """Missing is not "never above alarm stage"."""
    dates = pd.DatetimeIndex(made_up.stage.index)
    past_summers = dates.month.isin([6, 7, 8, 9]) & (dates.year < 2009)
    stage = made_up.stage.copy()
    stage.loc[past_summers, TOWN] = np.nan
    forecasts = pd.DataFrame(
        {
            "station": TOWN,
            "issue_time": pd.to_datetime(["2009-07-20 00:30", "2009-02-10 00:30"]),
            "valid_time": pd.to_datetime(["2009-07-21", "2009-02-11"]),
        }
    )
    first, before = (datetime(year, 1, 1, tzinfo=UTC) for year in (2003, 2009))
    shares = hindcast._climatology_p(
        replace(made_up, stage=stage), forecasts, first=first, before=before
    )
    for threshold in ("alarm", "flood"):
        assert np.isnan(shares[f"climatology_p_{threshold}"]).tolist() == [True, False]


def test_a_gap_is_not_filled_before_it_is_scored(made_up: StageInputs) -> None:
    """Trap 18: persistence looks perfect where gaps were filled with the last reading."""
    stage = made_up.stage.copy()
    gap = pd.date_range("2009-08-03", "2009-08-04")
    stage.loc[gap, TOWN] = np.nan
    evening = made_up.evening.copy()
    evening.loc["2009-08-04", TOWN] = 3.0  # of the 3rd, 12Z
    found = run_hindcast(
        replace(made_up, stage=stage, evening=evening),
        train_from=datetime(2003, 1, 1, tzinfo=UTC),
        start=datetime(2009, 8, 1, tzinfo=UTC),
        end=datetime(2009, 8, 8, tzinfo=UTC),
        stations=[TOWN],
        leads=(1,),
    ).set_index("valid_time")
    assert found["observed_m"].isna().tolist() == [day in gap for day in found.index]
    assert found.loc["2009-08-05", "stage_m"] == 3.0
    assert score_forecasts(found.reset_index()).set_index("season").loc["all", "n"] == 5


def test_a_second_model_stands_beside_the_first_on_the_same_mornings() -> None:
    first = pd.DataFrame(
        {
            "issue_time": pd.to_datetime(["2018-07-01", "2018-07-01", "2018-07-02"]),
            "station": [TOWN, UPSTREAM, TOWN],
            "lead_days": 1,
            "mean_m": [1.0, 2.0, 3.0],
        }
    )
    second = first.iloc[::-1].assign(mean_m=[7.0, 8.0, 9.0])
    both = set_beside(first, second, name="LinearRegression")
    assert both["mean_m"].tolist() == [1.0, 2.0, 3.0]
    assert both["alternative_m"].tolist() == [9.0, 8.0, 7.0]
    assert set(both["alternative"]) == {"LinearRegression"}

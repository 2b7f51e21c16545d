"""The licence of a forecast: a gauge of noise stays silent, a good one speaks."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd
import pytest
from threadpoolctl import threadpool_limits

from models.stage.errors import PROBABILITIES, ErrorModel, fit_errors
from models.stage.features import StageInputs, build_library
from models.stage.licence import UnseenForecasts, gather_unseen, judge
from models.stage.model import StageModel, predict_dates
from models.stage.names import INTERVALS
from models.stage.splits import Splits, TrainingRows
from models.stage.training import fit
from tests.models.conftest import END, TOWN, UPSTREAM

YEARS = np.repeat(np.arange(2010, 2016), 10)
NONE = np.full((60, 1), np.nan)


def unseen(error_m: float | np.ndarray, **options: Any) -> UnseenForecasts:
    """Sixty days of six years on which persistence misses by 1 m."""
    ones = np.ones((60, 1))
    forecasts = UnseenForecasts(
        YEARS, error_m * ones, ones, 2.0 * ones, NONE, NONE, NONE, ones > 1.0
    )
    return replace(forecasts, **options)


def test_skill_in_every_year_is_licensed() -> None:
    licence = judge(unseen(0.5))
    assert licence.cp == pytest.approx([0.75])
    assert licence.cp_low == pytest.approx([0.75])
    assert (licence.n_years, licence.alarm_days.tolist()) == (6, [0])
    assert licence.methods.tolist() == ["model"]


def test_skill_of_one_year_in_six_is_not_licensed() -> None:
    error = np.where(YEARS == 2010, 0.0, 1.05)[:, None]
    licence = judge(unseen(error))
    assert licence.cp == pytest.approx([1.0 - 5.0 * 1.05**2 / 6.0])
    assert licence.cp[0] > 0.0 > licence.cp_low[0]
    assert licence.methods.tolist() == ["persistence"]


def test_the_better_substitute_is_issued() -> None:
    near = np.full((60, 1), 0.9)
    assert judge(unseen(1.5)).methods.tolist() == ["persistence"]
    assert judge(unseen(1.5, climatology_m=near)).methods.tolist() == ["climatology"]
    assert judge(unseen(1.5, climatology_m=NONE)).methods.tolist() == ["persistence"]


def test_two_years_are_no_licence() -> None:
    licence = judge(unseen(0.5, year=YEARS % 2))
    assert licence.cp == pytest.approx([0.75])
    assert np.isnan(licence.cp_low).all()
    assert not licence.granted.any()


@pytest.mark.parametrize(
    ("p_on_day", "of_persistence", "granted"),
    [(0.8, 0.9, True), (0.0, 0.5, False), (0.0, -0.5, True)],
)
def test_p_alarm_worse_than_the_season_gives_way_to_a_better_one(
    p_on_day: float, of_persistence: float, *, granted: bool
) -> None:
    reached = (np.arange(60) % 20 == 0)[:, None]
    p, season = np.where(reached, p_on_day, 0.01), np.full((60, 1), 0.05)
    persistence = np.where(reached, max(of_persistence, 0.0), max(-of_persistence, 0.0))
    licence = judge(
        unseen(0.5, reached=reached, p_alarm=p, persistence_p=persistence, climatology_p=season)
    )
    brier, of_season, substitute = (
        ((forecast - reached) ** 2).sum() for forecast in (p, season, persistence)
    )
    assert licence.alarm_days.tolist() == [3]
    assert licence.brier_skill == pytest.approx([1.0 - brier / of_season])
    assert licence.brier_skill_substitute == pytest.approx([1.0 - brier / substitute])
    assert licence.granted.tolist() == [granted]


def test_years_ahead_are_judged_where_there_are_three() -> None:
    dates = pd.date_range("2010-06-01", "2015-05-31")
    year = (dates - pd.Timedelta(days=90)).year.to_numpy()
    shape = len(dates), 1
    splits = Splits([], np.zeros((0, len(dates)), bool), np.zeros((0, len(dates)), bool), 0)
    rows = TrainingRows(
        dates, year, np.ones(shape), np.ones(shape), np.full(len(dates), 2.0), splits
    )
    errors = ErrorModel(
        np.zeros((1, 1)),
        np.zeros((1, 2)),
        fit_errors(np.random.default_rng(1).normal(size=shape), np.ones(len(dates))),
    )
    options: Any = {
        "errors": (errors, np.ones((1, *shape))), "persistence": (errors, np.ones((1, *shape))),
        "leads": (1,),
        "climatology_m": np.full(73, 2.5), "alarm_m": 3.0,
    }  # fmt: skip
    ahead = np.where(year >= 2012, 0.7, np.nan)[:, None]
    judged = gather_unseen(rows, np.full(shape, 0.2), ahead, **options)
    assert set(judged.year) == {2012, 2013, 2014}
    assert judged.error_m == pytest.approx(np.full((3 * 153, 1), 0.3))
    assert judged.climatology_m == pytest.approx(np.full((3 * 153, 1), 0.5))
    assert judged.reached.all()
    assert judged.climatology_p.min() == 1.0
    assert judged.p_alarm == pytest.approx(np.full((3 * 153, 1), 0.38), abs=0.03)  # P(z > 0.3)
    assert judged.persistence_p == pytest.approx(np.full((3 * 153, 1), 0.16), abs=0.03)  # z > 1
    ahead[year == 2012] = np.nan
    judged = gather_unseen(rows, np.full(shape, 0.2), ahead, **options)
    assert set(judged.year) == {2010, 2011, 2012, 2013, 2014}
    assert judged.error_m.max() == pytest.approx(0.8)
    no_alarm = gather_unseen(rows, np.full(shape, 0.2), ahead, **options | {"alarm_m": None})
    assert np.isnan(no_alarm.p_alarm).all()
    assert not no_alarm.reached.any()


@pytest.fixture(scope="module")
def noisy(made_up: StageInputs) -> StageInputs:
    """The made-up river with a walk of steps that nothing foretells at the upper gauge."""
    steps = np.random.default_rng(8).normal(0.0, 0.3, len(made_up.stage))
    walk = np.zeros(len(steps))
    for day in range(1, len(steps)):
        walk[day] = 0.999 * walk[day - 1] + steps[day]
    table = made_up.stage.assign(**{UPSTREAM: 20.0 + walk})
    return replace(made_up, stage=table, rain=made_up.rain * 0.0)


@pytest.fixture(scope="module")
def with_noise(noisy: StageInputs) -> StageModel:
    return fit(noisy, end=END, stations=[UPSTREAM, TOWN])


def test_a_gauge_of_noise_stays_silent_and_a_good_one_speaks(
    trained: StageModel, with_noise: StageModel
) -> None:
    assert trained.stations[TOWN].tiers_["full"].licence.granted[0]
    noise = with_noise.stations[UPSTREAM].tiers_["full"].licence
    assert noise.n_years >= 3
    assert not noise.granted.any()


def test_persistence_is_issued_under_its_name(with_noise: StageModel, noisy: StageInputs) -> None:
    dates = pd.date_range("2009-08-01", "2009-08-10")
    frame = predict_dates(with_noise, noisy, dates=dates, model_version="test")
    silent = frame[frame["station"] == UPSTREAM]
    assert set(silent["issued_as"]) == {"persistence"}
    assert set(silent["skilful_until_day"]) == {0}
    assert silent["q50"].to_numpy() == pytest.approx(silent["stage_m"].to_numpy())
    assert all(set(drivers.values()) == {0.0} for drivers in silent["drivers_cm"])
    spread = (silent["q90"] - silent["q10"]).groupby(silent["lead_days"]).mean()
    expected = 2.0 * 1.2816 * 0.3 * np.sqrt(spread.index.to_numpy())
    assert spread.to_numpy() == pytest.approx(expected, rel=0.35)


def test_the_models_own_forecast_is_kept_in_shadow(
    with_noise: StageModel, noisy: StageInputs
) -> None:
    dates = pd.date_range("2009-08-01", "2009-08-10")
    issued = predict_dates(with_noise, noisy, dates=dates, model_version="test")
    own = predict_dates(with_noise, noisy, dates=dates, model_version="test", own=True)
    for name in INTERVALS:
        assert issued[f"own_{name}"].equals(own[name].rename(f"own_{name}"))
        assert own[f"issued_{name}"].equals(issued[name].rename(f"issued_{name}"))
    assert issued["own_m"].equals(own["mean_m"].rename("own_m"))
    assert issued["own_p_alarm"].equals(own["p_alarm"].rename("own_p_alarm"))
    model = issued[issued["issued_as"] == "model"]
    assert model["own_m"].equals(model["mean_m"].rename("own_m"))


def test_each_lead_has_a_licence_of_its_own(with_noise: StageModel, noisy: StageInputs) -> None:
    silent = with_noise.stations[UPSTREAM]
    table = build_library(noisy).table().loc["2009-08-01":"2009-08-10"]
    low = np.array([0.1, 0.1, -0.1, 0.1, -0.1, -0.1, -0.1])
    substitute = (*("persistence",) * 5, *("climatology",) * 2)
    tiers = dict(silent.tiers_)
    try:
        silent.tiers_ = {
            name: replace(
                tier,
                licence=replace(
                    tier.licence, cp_low=low, alarm_days=np.zeros(7, int), substitute=substitute
                ),
            )
            for name, tier in tiers.items()
        }
        model = replace(with_noise, stations={UPSTREAM: silent})
        frame = predict_dates(model, noisy, dates=table.index, model_version="test")
        with threadpool_limits(1):
            own, issued = silent.predict_distributions(table)
    finally:
        silent.tiers_ = tiers
    by_lead = frame.set_index("lead_days")["issued_as"]
    assert by_lead.loc[[1, 2, 4]].eq("model").all()
    assert by_lead.loc[[3, 5]].eq("persistence").all()
    assert by_lead.loc[[6, 7]].eq("climatology").all()
    assert set(frame["skilful_until_day"]) == {2}
    assert issued.ppf([0.1, 0.9])[:, [0, 1, 3]] == pytest.approx(own.ppf([0.1, 0.9])[:, [0, 1, 3]])
    season = silent.climatology_[:, list(PROBABILITIES).index(0.5)]
    assert np.isin(issued.ppf([0.5])[:, 5:].round(6), season.round(6)).all()
    p, by_day = issued.exceedance(25.0)
    assert (np.diff(by_day, axis=1) >= 0.0).all()
    assert (by_day >= p - 1e-12).all()
    assert (
        frame.loc[frame["lead_days"] > 5, "drivers_cm"].map(lambda row: np.isnan(row["rain"])).all()
    )


def test_a_new_gauge_starts_in_shadow(made_up: StageInputs) -> None:
    recent = made_up.until(pd.Timestamp("2005-02-28"))
    model = fit(recent, end=END, stations=[TOWN], leads=(1, 3))
    licence = model.stations[TOWN].tiers_["full"].licence
    assert licence.n_years == 2
    assert np.isfinite(licence.cp).all()
    assert np.isnan(licence.cp_low).all()
    assert not licence.granted.any()

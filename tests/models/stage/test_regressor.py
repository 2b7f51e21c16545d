"""The stage regressor as a user of scikit-learn takes it: parameters, clones, cross-validation."""

from __future__ import annotations

import re
from collections.abc import Iterator

import numpy as np
import pandas as pd
import pytest
from sklearn.base import clone
from sklearn.exceptions import NotFittedError
from sklearn.linear_model import LinearRegression
from sklearn.model_selection import cross_val_predict
from threadpoolctl import threadpool_limits

from models.climatology import FROM_APRIL_BY_DAYS, WET_MONTHS, water_year
from models.stage.design import StageDesign
from models.stage.features import StageInputs, build_library
from models.stage.imputer import ConditionalMeanImputer
from models.stage.neighbours import Neighbours, select_neighbours
from models.stage.regressor import StageRegressor
from models.stage.ridge import AdaptiveRidgeCV
from models.stage.seasons import SEASON_KNOTS
from models.stage.splits import WaterYearSplit
from models.stage.training import stage_targets
from models.verification.metrics import persistence_index
from tests.models.conftest import TOWN, UPSTREAM, ridge_of

LEVEL = f"level:{TOWN}"


@pytest.fixture(autouse=True)
def one_thread() -> Iterator[None]:
    with threadpool_limits(1):
        yield


@pytest.fixture(scope="module")
def table(made_up: StageInputs) -> pd.DataFrame:
    return build_library(made_up.until(pd.Timestamp("2009-12-31"))).table()


@pytest.fixture(scope="module")
def target(made_up: StageInputs) -> np.ndarray:
    return stage_targets(
        build_library(made_up.until(pd.Timestamp("2009-12-31"))), TOWN, leads=(1, 3)
    )


@pytest.fixture(scope="module")
def regressor(made_up: StageInputs) -> StageRegressor:
    return StageRegressor(select_neighbours(build_library(made_up), TOWN), leads=(1, 3))


@pytest.fixture(scope="module")
def fitted(regressor: StageRegressor, table: pd.DataFrame, target: np.ndarray) -> StageRegressor:
    model: StageRegressor = clone(regressor)
    return model.fit(table, target)


def test_a_clone_fits_the_same(
    fitted: StageRegressor, table: pd.DataFrame, target: np.ndarray
) -> None:
    again = clone(fitted)
    with pytest.raises(NotFittedError):
        again.predict(table)
    assert again.get_params(deep=False) == fitted.get_params(deep=False)
    days = table.loc["2009-07-01":"2009-07-10"]
    assert np.array_equal(again.fit(table, target).predict(days), fitted.predict(days))


def test_parameters_reach_the_parts(regressor: StageRegressor) -> None:
    design = StageDesign(regressor.neighbours, imputer=ConditionalMeanImputer())
    changed = clone(regressor).set_params(design=design, ridge=AdaptiveRidgeCV())
    changed.set_params(design__imputer__shrinkage=0.2, ridge__alphas=(5.0,), half_life_y=8.0)
    assert changed.get_params()["design__imputer__shrinkage"] == 0.2
    assert changed.get_params()["ridge__alphas"] == (5.0,)


def test_parameters_change_the_fit(
    regressor: StageRegressor, fitted: StageRegressor, table: pd.DataFrame, target: np.ndarray
) -> None:
    days = table.loc["2009-07-01":"2009-07-10"]
    expected = fitted.predict(days)
    changes = {
        "half_life_y": 2.0,
        "ridge": AdaptiveRidgeCV((1e5,)),
        "cross_season_weight": 0.9,
        "design": StageDesign(regressor.neighbours, priors={}, product_prior=0.1),
        "season_knots": (*SEASON_KNOTS[:3], (200, "flood"), *SEASON_KNOTS[4:]),
    }
    for name, value in changes.items():
        other = clone(regressor).set_params(**{name: value}).fit(table, target)
        assert np.abs(other.predict(days) - expected).max() > 1e-4, name


def test_a_design_has_the_neighbours_of_its_regressor(
    regressor: StageRegressor, table: pd.DataFrame, target: np.ndarray
) -> None:
    elsewhere = clone(regressor).set_params(design=StageDesign(Neighbours("010501")))
    elsewhere.prepare(table, target)
    assert elsewhere.design_.neighbours == regressor.neighbours
    assert elsewhere.design.neighbours.station == "010501", "a parameter is not changed"


def test_the_mean_of_a_distribution_is_what_is_predicted(
    fitted: StageRegressor, table: pd.DataFrame
) -> None:
    days = table.loc["2009-07-01":"2009-07-10"]
    quantiles = fitted.predict_quantiles(days, [0.1, 0.5, 0.9])
    assert quantiles.shape == (10, 2, 3)
    mean = fitted.predict(days)
    assert (quantiles[:, :, 0] < mean).all()
    assert (mean < quantiles[:, :, 2]).all()
    p = fitted.predict_exceedance(days, thresholds=quantiles[:, 1, 1])
    assert p[:, 1] == pytest.approx([0.5] * 10)
    everywhere = fitted.predict_exceedance(days, thresholds=float(quantiles[0, 0, 2]))
    assert everywhere[0, 0] == pytest.approx(0.1)


def test_the_score_is_that_of_the_mean(
    fitted: StageRegressor, table: pd.DataFrame, target: np.ndarray
) -> None:
    known = np.isfinite(target).all(axis=1)
    assert 0.8 < fitted.score(table[known], target[known]) < 1.0


@pytest.mark.slow
def test_cross_validation_gives_the_skill_of_the_card(made_up_long: StageInputs) -> None:
    lib = build_library(made_up_long)
    table, target = lib.table(), stage_targets(lib, TOWN, leads=(1, 3, 7))
    known = np.isfinite(target - table[[LEVEL]].to_numpy()).all(axis=1)
    table, target = table[known], target[known]
    year = water_year(pd.DatetimeIndex(table.index), FROM_APRIL_BY_DAYS)
    regressor = StageRegressor(select_neighbours(lib, TOWN), leads=(1, 3, 7))
    of_card = clone(regressor).fit(table, target, groups=year).tiers_["full"].held_out_cp
    forecast = cross_val_predict(regressor, table, target, groups=year, cv=WaterYearSplit())
    wet = np.isin(pd.DatetimeIndex(table.index).month, WET_MONTHS)
    persistence = table[[LEVEL]].to_numpy() - target
    cp = persistence_index((forecast - target)[wet], persistence[wet])
    assert cp == pytest.approx(of_card, abs=0.005)


def test_splits_of_the_user_choose_penalties_and_errors(
    regressor: StageRegressor, fitted: StageRegressor, table: pd.DataFrame, target: np.ndarray
) -> None:
    year = pd.DatetimeIndex(table.index).year.to_numpy()
    pairs = [
        (np.flatnonzero(year != number), np.flatnonzero(year == number))
        for number in np.unique(year)
    ]
    by_year = clone(regressor).set_params(cv=pairs, forward_years=0).fit(table, target)
    own, other = (model.tiers_["full"].held_out_cp for model in (fitted, by_year))
    assert own.tolist() != other.tolist()
    assert other == pytest.approx(own, abs=0.05)


def test_variances_lent_by_other_gauges_change_the_fit(
    regressor: StageRegressor, fitted: StageRegressor, table: pd.DataFrame, target: np.ndarray
) -> None:
    lent = clone(regressor)
    rows = lent.prepare(table, target)
    own = lent.first_variances(rows)
    assert set(own) == {(season, fold) for season in range(4)
                        for fold in [("all", 0), *rows.splits.names]}  # fmt: skip
    of_rain = {
        key: {name: 5.0 if name.startswith("rain") else 0.2 for name in by_name}
        for key, by_name in own.items()
    }
    lent.set_params(prior_variances=of_rain).fit_rows(rows)
    rainy = [k for k, name in enumerate(lent.design_.names_) if name.startswith("rain")]
    sizes = [np.abs(ridge_of(model).coefficients[:, rainy]).sum() for model in (fitted, lent)]
    assert sizes[1] > sizes[0]


def test_rain_that_does_not_lower_the_river(
    regressor: StageRegressor, fitted: StageRegressor, table: pd.DataFrame, target: np.ndarray
) -> None:
    raised = clone(regressor).set_params(rain_effects="nonnegative").fit(table, target)
    days = table.loc["2009-07-01":"2009-07-10"]
    for model, lowers in ((fitted, True), (raised, False)):
        design, ridge = model.design_, ridge_of(model)
        of_rain = np.array(
            [design.groups_[k] == "rain" and "*" not in design.names_[k] for k in ridge.columns]
        )
        assert of_rain.any()
        assert bool((ridge.coefficients[:, :-1][:, of_rain] < 0.0).any()) == lowers
    wetter = days.copy()
    fallen = [name for name in map(str, wetter) if re.fullmatch("rain:.*:[01]", name)]
    wetter[fallen] += 3.0
    assert fallen
    assert (raised.predict(wetter) >= raised.predict(days) - 1e-9).all()
    own, bounded = (model.tiers_["full"].held_out_cp for model in (fitted, raised))
    assert bounded == pytest.approx(own, abs=0.1)


def test_rain_effects_are_of_the_ridge(
    regressor: StageRegressor, table: pd.DataFrame, target: np.ndarray
) -> None:
    with pytest.raises(ValueError, match="expected any or nonnegative, found 'up'"):
        clone(regressor).set_params(rain_effects="up").fit(table, target)
    trees = clone(regressor).set_params(rain_effects="nonnegative", regressor=LinearRegression())
    with pytest.raises(ValueError, match="expected any for a regressor"):
        trees.fit(table, target)


def test_targets_of_other_leads_are_refused(
    regressor: StageRegressor, table: pd.DataFrame, target: np.ndarray
) -> None:
    with pytest.raises(ValueError, match="expected 2 leads, found 1"):
        clone(regressor).fit(table, target[:, :1])
    with pytest.raises(ValueError, match="rows with the stage of every lead"):
        clone(regressor).fit(table, target * np.nan)
    with pytest.raises(ValueError, match=r"tiers: expected full, no_rain.* found \['full'\]"):
        clone(regressor).set_params(tiers={"full": ("own_trend",)}).fit(table, target)


@pytest.mark.parametrize("leads", [(3, 1), (1, 1), (0, 1)])
def test_leads_that_do_not_increase_are_refused(
    regressor: StageRegressor, table: pd.DataFrame, target: np.ndarray, leads: tuple[int, ...]
) -> None:
    with pytest.raises(ValueError, match="leads: expected days from 1 on, increasing"):
        clone(regressor).set_params(leads=leads).fit(table, target)


def test_a_weight_that_grows_with_age_is_refused(
    regressor: StageRegressor, table: pd.DataFrame, target: np.ndarray
) -> None:
    with pytest.raises(ValueError, match="half_life_y: expected years above 0, found -1"):
        clone(regressor).set_params(half_life_y=-1.0).fit(table, target)


def test_a_record_without_a_season_is_refused(
    regressor: StageRegressor, table: pd.DataFrame, target: np.ndarray
) -> None:
    august = pd.DatetimeIndex(table.index).month == 8
    with pytest.raises(ValueError, match="rows of every season, found none of one"):
        clone(regressor).fit(table[august], target[august])


def test_a_gauge_is_forecast_without_its_neighbour(
    fitted: StageRegressor, table: pd.DataFrame
) -> None:
    days = table.loc["2009-07-01":"2009-07-10"]
    gone = days.mask(days.columns.str.contains(UPSTREAM)[None] & np.ones((10, 1), dtype=bool))
    distribution = fitted.predict_distribution(gone)
    assert set(distribution.tiers) == {"no_upstream"}
    assert np.isfinite(distribution.mean()).all()
    wider = distribution.ppf([0.9]) - distribution.ppf([0.1])
    assert (wider > fitted.predict_quantiles(days, [0.9]) - fitted.predict_quantiles(days, [0.1])
            )[:, 0].all()  # fmt: skip

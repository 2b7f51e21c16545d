"""Formulas of the scores by hand, and beside the package ``scores``."""

from __future__ import annotations

from dataclasses import fields
from typing import Any

import numpy as np
import pytest
import xarray as xr
from numpy.typing import NDArray
from scores.categorical import BinaryContingencyManager, firm
from scores.continuous import kge, mse, nse, quantile_score
from scores.probability import brier_score, crps_for_ensemble, tail_tw_crps_for_ensemble

from models.stage.names import QUANTILES
from models.verification.metrics import (
    Moments,
    ensemble_of_quantiles,
    firm_penalty,
    kling_gupta,
    persistence_index,
    pinball_loss,
    rate,
    skill_score,
    squared_error,
    tail_crps,
)

CLOSE = 1e-9
LEVELS = list(QUANTILES.values())


@pytest.fixture(scope="module")
def stages() -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Forecast and observed stages about an alarm stage of 12 m."""
    rng = np.random.default_rng(7)
    observed = 11.5 + rng.gamma(2.0, 0.5, 300)
    return observed + rng.normal(0.0, 0.4, 300), observed


def cases(values: Any) -> xr.DataArray:
    return xr.DataArray(np.asarray(values), dims="case")


def test_pinball_by_hand() -> None:
    # An observation 1 m above every quantile costs the mean of the probabilities: 0.5.
    losses = pinball_loss(np.ones((1, len(LEVELS))), np.array([2.0]), LEVELS)
    assert losses[0].tolist() == pytest.approx(LEVELS)
    assert losses.mean() == pytest.approx(0.5)
    assert pinball_loss(np.array([[3.0]]), np.array([2.0]), [0.9])[0, 0] == pytest.approx(0.1)


def test_pinball_agrees_with_scores(
    stages: tuple[NDArray[np.float64], NDArray[np.float64]],
) -> None:
    forecast, observed = stages
    losses = pinball_loss(forecast[:, None] + np.array(LEVELS), observed, LEVELS)
    for k, level in enumerate(LEVELS):
        peer = quantile_score(cases(forecast + level), cases(observed), level, preserve_dims="all")
        assert np.abs(losses[:, k] - peer.values).max() < CLOSE


@pytest.mark.parametrize("threshold", [12.0, 13.5, 99.0])
@pytest.mark.parametrize("members", [1, 2, 19])
def test_crps_above_a_threshold_agrees_with_scores(
    stages: tuple[NDArray[np.float64], NDArray[np.float64]], threshold: float, members: int
) -> None:
    """An ensemble of m members at the levels (k − ½)/m is scored exactly."""
    forecast, observed = stages
    levels = (np.arange(members) + 0.5) / members
    spread = np.random.default_rng(members).gamma(2.0, 0.4, (len(observed), members))
    ensemble = forecast[:, None] + np.sort(spread, axis=1)
    peer = tail_tw_crps_for_ensemble(
        xr.DataArray(ensemble, dims=("case", "member")), cases(observed), "member", threshold,
        tail="upper", preserve_dims="all",
    )  # fmt: skip
    own = tail_crps(ensemble, observed, levels.tolist(), threshold, members=members)
    assert np.abs(own - peer.values).max() < CLOSE
    assert (own.max() > 0.0) == (threshold < 99.0)
    whole = crps_for_ensemble(
        xr.DataArray(ensemble, dims=("case", "member")), cases(observed), "member",
        preserve_dims="all",
    )  # fmt: skip
    own = tail_crps(ensemble, observed, levels.tolist(), -np.inf, members=members)
    assert np.abs(own - whole.values).max() < CLOSE


def test_crps_of_the_nine_quantiles_is_near_that_of_their_distribution() -> None:
    """Of the standard logistic distribution: y − 2 log F(y) − 1."""
    quantiles = np.log(np.array(LEVELS) / (1.0 - np.array(LEVELS)))[None]
    for observed in (0.0, 1.0, 4.0):
        exact = observed + 2.0 * np.log1p(np.exp(-observed)) - 1.0
        own = tail_crps(quantiles, np.array([observed]), LEVELS, -np.inf)[0]
        assert own == pytest.approx(exact, rel=0.05)


def test_quantiles_are_interpolated_and_held_beyond_the_outermost() -> None:
    ensemble = np.array([[0.0, 0.25, 0.75, 1.0]])
    exact = tail_crps(ensemble, np.array([0.6]), [0.125, 0.375, 0.625, 0.875], 0.0, members=4)
    own = tail_crps(np.array([[0.0, 1.0]]), np.array([0.6]), [0.25, 0.75], 0.0, members=4)
    assert own[0] == pytest.approx(exact[0])


def test_crps_of_a_single_stage_is_its_error_above_the_threshold() -> None:
    same = np.repeat([[11.0], [13.0], [13.0]], len(LEVELS), axis=1)
    own = tail_crps(same, np.array([12.5, 11.0, 15.0]), LEVELS, 12.0)
    assert own.tolist() == pytest.approx([0.5, 1.0, 2.0])
    each = tail_crps(same, np.array([12.5, 11.0, 15.0]), LEVELS, np.array([12.0, np.nan, 14.0]))
    assert each[[0, 2]].tolist() == pytest.approx([0.5, 1.0])
    assert np.isnan(each[1])


@pytest.mark.parametrize("ratio", [0.1, 0.25, 0.7])
def test_firm_agrees_with_scores(
    stages: tuple[NDArray[np.float64], NDArray[np.float64]], ratio: float
) -> None:
    """At one cost/loss ratio the sum over alarm and flood stage is FIRM at risk 1 − ratio."""
    forecast, observed = stages
    forecast, observed = forecast.round(1), observed.round(1)  # some stand at a threshold
    thresholds = [12.0, 12.5]
    own = sum(
        (firm_penalty(forecast >= level, observed >= level, ratio) for level in thresholds),
        np.zeros(len(observed)),
    )
    peer = firm(
        cases(forecast), cases(observed), 1.0 - ratio, thresholds, [1.0, 1.0],
        threshold_assignment="upper", preserve_dims="all",
    )  # fmt: skip
    assert np.abs(own - peer.values).max() < CLOSE
    assert own.sum() > 0.0


def test_the_expected_firm_penalty_is_least_for_a_warning_above_the_ratio() -> None:
    ratio, outcomes = 0.25, np.array([True, False])
    for p, warns in ((0.2, False), (0.3, True)):
        expected = {
            warned: float(
                np.array([p, 1.0 - p]) @ firm_penalty(np.full(2, warned), outcomes, ratio)
            )
            for warned in (True, False)
        }
        assert (expected[True] < expected[False]) == warns


def test_squared_errors_agree_with_scores(
    stages: tuple[NDArray[np.float64], NDArray[np.float64]],
) -> None:
    forecast, observed = stages
    error = float(mse(cases(forecast), cases(observed)))
    assert squared_error(forecast, observed).mean() == pytest.approx(error, abs=CLOSE)
    p, reached = 1.0 / (1.0 + np.exp(12.0 - forecast)), observed >= 12.0
    brier = float(brier_score(cases(p), cases(reached.astype(float))))
    assert squared_error(p, reached).mean() == pytest.approx(brier, abs=CLOSE)


def test_brier_score_by_hand() -> None:
    reached = np.array([True, False, False])
    mean = squared_error(np.array([0.9, 0.2, 0.0]), reached).mean()
    assert mean == pytest.approx((0.01 + 0.04) / 3)


def test_skill_is_unknown_where_the_reference_makes_no_error() -> None:
    assert np.isnan(skill_score(1.0, 0.0))
    assert skill_score(3.0, 2.0) == -0.5
    assert np.isnan(skill_score(np.nan, 2.0))


def test_persistence_index_of_each_lead() -> None:
    error = np.array([[0.1, 1.0], [0.3, 0.0]])
    persistence_error = np.array([[0.2, 0.0], [0.0, 0.0]])
    cp = persistence_index(error, persistence_error)
    assert cp[0] == pytest.approx(1 - 0.10 / 0.04)
    assert np.isnan(cp[1])


def test_kling_gupta_counts_bias_spread_and_correlation() -> None:
    observed = np.array([1.0, 2.0, 3.0])
    assert kling_gupta(Moments.of(observed + 1.0, observed)) == pytest.approx(0.5)
    assert kling_gupta(Moments.of(2.0 * observed, observed)) == pytest.approx(1.0 - np.sqrt(2.0))
    days = np.arange(50.0)
    for constant in np.arange(0.1, 15.0, 0.1):  # the variance of some is rounding above 0
        flat = np.full(50, constant)
        assert np.isnan(kling_gupta(Moments.of(flat, days)))
        assert np.isnan(kling_gupta(Moments.of(days, flat)))
    assert np.isnan(kling_gupta(Moments.of(observed[:1], observed[:1])))
    assert np.isnan(kling_gupta(Moments.of(observed, observed - 2.0)))


def test_scores_from_sums_agree_with_scores_over_any_groups(
    stages: tuple[NDArray[np.float64], NDArray[np.float64]],
) -> None:
    """The sums of two parts add up to those of the whole."""
    forecast, observed = stages
    parts = [Moments.of(forecast[half], observed[half]) for half in (slice(90), slice(90, None))]
    total = Moments(
        **{
            field.name: sum(getattr(part, field.name) for part in parts)
            for field in fields(Moments)
        }
    )
    peer = float(kge(cases(forecast), cases(observed)))
    assert float(kling_gupta(total)) == pytest.approx(peer, abs=CLOSE)
    squares = squared_error(forecast, observed).sum()
    peer = float(nse(cases(forecast), cases(observed)))
    assert float(skill_score(squares, total.observed_deviations())) == pytest.approx(
        peer, abs=CLOSE
    )


def test_rates_agree_with_scores(
    stages: tuple[NDArray[np.float64], NDArray[np.float64]],
) -> None:
    warned, reached = (values >= 12.5 for values in stages)
    hits, misses, false = (warned & reached).sum(), (~warned & reached).sum(), warned & ~reached
    table = BinaryContingencyManager(cases(warned), cases(reached))
    for own, peer in (
        (rate(hits, hits + misses), table.probability_of_detection()),
        (rate(false.sum(), hits + false.sum()), table.false_alarm_ratio()),
        (rate(hits, hits + misses + false.sum()), table.critical_success_index()),
    ):
        assert float(own) == pytest.approx(float(peer), abs=CLOSE)
    assert np.isnan(rate(0, 0))


def test_members_of_quantiles_are_those_of_the_crps(
    stages: tuple[NDArray[np.float64], NDArray[np.float64]],
) -> None:
    forecast, observed = stages
    quantiles = forecast[:, None] + np.array(LEVELS)
    members = ensemble_of_quantiles(quantiles, LEVELS)
    assert members.shape == (len(observed), 40)
    peer = crps_for_ensemble(
        xr.DataArray(members, dims=("case", "member")), cases(observed), "member",
        preserve_dims="all",
    )  # fmt: skip
    own = tail_crps(quantiles, observed, LEVELS, -np.inf)
    assert np.abs(own - peer.values).max() < CLOSE

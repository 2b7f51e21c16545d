"""Metrics by hand."""

from __future__ import annotations

import numpy as np
import pytest

from models.stage.model import QUANTILES
from models.verification.metrics import (
    brier_score,
    kling_gupta,
    persistence_index,
    pinball_loss,
    skill_score,
)


def test_pinball_by_hand() -> None:
    # An observation 1 m above every quantile costs the mean of the probabilities: 0.5.
    losses = [pinball_loss(np.array([1.0]), np.array([2.0]), p) for p in QUANTILES.values()]
    assert np.mean(losses) == pytest.approx(0.5)


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


def test_brier_score_by_hand() -> None:
    reached = np.array([True, False, False])
    assert brier_score(np.array([0.9, 0.2, 0.0]), reached) == pytest.approx((0.01 + 0.04) / 3)


def test_kling_gupta_counts_bias_spread_and_correlation() -> None:
    observed = np.array([1.0, 2.0, 3.0])
    assert kling_gupta(observed + 1.0, observed) == pytest.approx(0.5)
    assert kling_gupta(2.0 * observed, observed) == pytest.approx(1.0 - np.sqrt(2.0))
    assert np.isnan(kling_gupta(np.ones(3), observed))

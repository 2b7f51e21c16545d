"""Highest stage from the first day to each lead: its exceedance and its quantiles.

Days are joined by a Gaussian copula with the errors' correlation over the leads, drawn from one
fixed set of paths; probabilities and quantiles rest on the same paths, so they cannot contradict
each other.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtri

from models.stage.errors import ErrorDistribution, square_root

PATHS = 2000
"""Draws of the joint errors over the leads."""
HALVINGS = 24
"""Halvings of an interval that holds a quantile: metres become micrometres."""


def exceedance_by_lead(
    p: NDArray[np.float64], correlation: NDArray[np.float64]
) -> NDArray[np.float64]:
    """P(exceeded on any day up to the lead) from each day's own probability.

    Parameters
    ----------
    p
        Probability of each lead's day, shape (n_leads,).
    correlation
        Correlation of the normal scores, shape (n_leads, n_leads).

    Returns
    -------
    ndarray
        Non-decreasing, nowhere below ``p``, at most the sum of p, shape (n_leads,).

    Examples
    --------
    >>> exceedance_by_lead(np.array([0.1, 0.1]), np.eye(2)).round(2).tolist()
    [0.1, 0.19]
    """
    worst = np.maximum.accumulate(p)
    if worst[-1] < 1e-4:
        return np.asarray(worst)
    over = _draw_scores(correlation) > -ndtri(np.clip(p, 1e-12, 1.0 - 1e-12))
    share = np.logical_or.accumulate(over, axis=1).mean(axis=0)
    return np.asarray(np.minimum(np.maximum(share, worst), np.minimum(np.cumsum(p), 1.0)))


def highest_quantiles(
    q: NDArray[np.float64],
    errors: ErrorDistribution,
    middle_m: NDArray[np.float64],
    scale_m: NDArray[np.float64],
) -> NDArray[np.float64]:
    """Quantiles of the highest stage up to each lead: the inverse of :func:`exceedance_by_lead`.

    That is min(max(share of the paths, highest of a day), sum of the days). Each of the three falls
    as the stage rises, so the inverse of the whole is the same minimum and maximum of their
    inverses.

    Parameters
    ----------
    q
        Probabilities of not being exceeded, between 0 and 1, increasing.
    errors
        Distribution of the scaled errors.
    middle_m, scale_m
        Stage = middle + scale * error, shape (n_leads,).

    Returns
    -------
    ndarray
        Metres, not falling with the lead nor with q, shape (n_leads, n_q); NaN where a lead is not
        known.

    Examples
    --------
    >>> from models.stage.errors import PROBABILITIES
    >>> uniform = ErrorDistribution(  # from 0 to 2, on two independent days
    ...     2.0 * np.tile(PROBABILITIES, (2, 1)), np.full((2, 2), 0.009), np.eye(2)
    ... )
    >>> q = np.array([0.25, 0.81])
    >>> highest_quantiles(q, uniform, np.zeros(2), np.ones(2)).round(1).tolist()
    [[0.5, 1.6], [1.0, 1.8]]
    """
    if not np.isfinite(middle_m + scale_m).all():
        return np.full((len(middle_m), len(q)), np.nan)
    n_leads = len(middle_m)
    paths_m = middle_m + scale_m * errors.from_scores(_draw_scores(errors.correlation))
    share_m = np.quantile(np.maximum.accumulate(paths_m, axis=1), q, axis=0).T

    def highest_of_day(levels: NDArray[np.float64]) -> NDArray[np.float64]:
        of_day_m = middle_m[:, None] + scale_m[:, None] * errors.ppf(levels)
        return np.asarray(np.maximum.accumulate(of_day_m, axis=0))

    def add_days(stage_m: NDArray[np.float64], lead: NDArray[np.int64]) -> NDArray[np.float64]:
        p = 1.0 - errors.cdf((stage_m[:, None] - middle_m) / scale_m)
        return np.asarray(np.where(np.arange(n_leads) <= lead[:, None], p, 0.0).sum(axis=1))

    low = highest_of_day(q)
    bound_m = np.maximum(share_m, low)
    chance = np.broadcast_to(1.0 - q, bound_m.shape)
    lead = np.broadcast_to(np.arange(n_leads)[:, None], bound_m.shape)
    over = add_days(bound_m.ravel(), lead.ravel()).reshape(bound_m.shape) < chance
    if over.any():
        low, high = low[over], bound_m[over]
        for _ in range(HALVINGS):
            middle = 0.5 * (low + high)
            above = add_days(middle, lead[over]) > chance[over]
            low, high = np.where(above, middle, low), np.where(above, high, middle)
        bound_m[over] = high
    # The halvings leave a micrometre.
    return np.asarray(np.maximum.accumulate(np.maximum.accumulate(bound_m, axis=0), axis=1))


def _draw_scores(correlation: NDArray[np.float64]) -> NDArray[np.float64]:
    """Draw the normal scores of the paths, each with its mirror image, shape (PATHS, n_leads)."""
    draws = np.random.default_rng(20).standard_normal((PATHS // 2, len(correlation)))
    return np.asarray(np.vstack([draws, -draws]) @ square_root(correlation).T)

"""Formulas of the scores: what each case adds, and the scores from sums over any cases.

A statistic of a case adds up over any group of cases (years, leads, gauges); a score is computed
from the sums alone. Mean squared errors, Brier scores, pinball losses, FIRM and CRPS are sums
divided by the number of cases.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Self, TypeVar

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray

Values = TypeVar("Values", NDArray[np.float64], "pd.Series[float]")
LEAST_VARIATION = 1e-12
"""Share of the squared mean below which a variance is rounding."""


def squared_error(forecast: Values, outcome: Values | NDArray[np.bool_]) -> Values:
    """Compute the squared error of each case.

    Parameters
    ----------
    forecast, outcome
        Stages, or probabilities of outcomes 0 or 1: then the mean is the Brier score.

    Examples
    --------
    >>> squared_error(np.array([1.0, 0.5]), np.array([True, False])).tolist()
    [0.0, 0.25]
    """
    return (forecast - outcome) ** 2


def pinball_loss(
    quantiles: NDArray[np.float64], observed: NDArray[np.float64], levels: Sequence[float]
) -> NDArray[np.float64]:
    """Compute the pinball loss of each quantile of each case (Koenker and Bassett 1978).

    Parameters
    ----------
    quantiles, observed
        Shape (n, n_levels) and (n,), in one unit.
    levels
        Probability of each quantile.

    Returns
    -------
    ndarray
        Shape (n, n_levels), in the unit of the quantiles.

    Examples
    --------
    >>> pinball_loss(np.array([[1.0], [1.0]]), np.array([2.0, 0.0]), [0.9]).round(3).tolist()
    [[0.9], [0.1]]
    """
    gap = observed[:, None] - quantiles
    level = np.asarray(levels)
    return np.asarray(np.maximum(level * gap, (level - 1.0) * gap))


def tail_crps(
    quantiles: NDArray[np.float64],
    observed: NDArray[np.float64],
    levels: Sequence[float],
    threshold: ArrayLike,
    *,
    members: int = 40,
) -> NDArray[np.float64]:
    """Compute each case's CRPS weighted to what lies above a threshold, from quantiles.

    CRPS = 2 ∫ pinball loss d(level) of forecast and observation, both raised to the threshold by
    max(x, threshold). It is computed for an ensemble at the levels (k − ½)/members: quantiles
    interpolated linearly between ``levels`` and held beyond the outermost. So it is exact for the
    members of an ensemble at these levels, and of one stage it is the absolute error of the raised
    values.

    Parameters
    ----------
    quantiles, observed
        Shape (n, n_levels) and (n,), in one unit.
    levels
        Probability of each quantile, increasing.
    threshold
        A number, or one of each case; −∞ for the CRPS itself.
    members
        Size of the ensemble.

    Returns
    -------
    ndarray
        Shape (n,), in the unit of the quantiles; NaN where anything is.

    References
    ----------
    Gneiting, T. and Ranjan, R. (2011), doi 10.1198/jbes.2010.08110; Allen, S. et al. (2023), doi
    10.1137/22M1532184.

    Examples
    --------
    >>> tail_crps(np.array([[1.0, 3.0]]), np.array([4.0]), [0.25, 0.75], 2.0, members=2).tolist()
    [1.25]
    """
    raised = np.maximum(observed, threshold)
    loss = np.zeros(len(observed))
    for level in (np.arange(members) + 0.5) / members:
        position = np.interp(level, levels, np.arange(len(levels)))
        below, above = int(np.floor(position)), int(np.ceil(position))
        share = position - below
        member = (1.0 - share) * quantiles[:, below] + share * quantiles[:, above]
        loss += pinball_loss(np.maximum(member, threshold)[:, None], raised, [level])[:, 0]
    return 2.0 * loss / members


def ensemble_of_quantiles(
    quantiles: NDArray[np.float64], levels: Sequence[float], *, members: int = 40
) -> NDArray[np.float64]:
    """Return the members at the levels (k − ½)/members that quantiles stand for.

    They are interpolated linearly between the levels and held beyond the outermost, as in
    :func:`tail_crps`.

    Parameters
    ----------
    quantiles
        Shape (n, n_levels).
    levels
        Probability of each quantile, increasing.
    members
        Size of the ensemble.

    Returns
    -------
    ndarray
        Shape (n, members).

    Examples
    --------
    >>> ensemble_of_quantiles(np.array([[1.0, 3.0]]), [0.25, 0.75], members=3).round(9).tolist()
    [[1.0, 2.0, 3.0]]
    """
    position = np.interp(
        (np.arange(members) + 0.5) / members, levels, np.arange(len(levels), dtype="float64")
    )
    below, above = np.floor(position).astype(int), np.ceil(position).astype(int)
    share = position - below
    return np.asarray((1.0 - share) * quantiles[:, below] + share * quantiles[:, above])


def firm_penalty(
    warned: NDArray[np.bool_], reached: NDArray[np.bool_], cost_loss_ratio: ArrayLike
) -> NDArray[np.float64]:
    """Compute each case's penalty at one threshold of a tiered warning (FIRM).

    A false alarm costs a, a miss 1 − a, with the cost/loss ratio a: FIRM at risk parameter
    α = 1 − a. The expected penalty is least where a warning is given if, and only if, P(reached)
    is above a, which is where the quantile of level 1 − a is above the threshold. FIRM of several
    thresholds is the sum of their penalties. With a ratio of its own at each threshold the sum
    still rewards each warning that is worth its cost; with one ratio it is FIRM as published.

    Parameters
    ----------
    warned, reached
        Whether a warning was given, and whether the threshold was reached, shape (n,).
    cost_loss_ratio
        A number, or one of each case.

    References
    ----------
    Taggart, R., Loveday, N. and Griffiths, D. (2022), doi 10.1002/qj.4266.

    Examples
    --------
    >>> warned, reached = np.array([True, True, False, False]), np.array([True, False, True, False])
    >>> firm_penalty(warned, reached, 0.25).tolist()
    [0.0, 0.25, 0.75, 0.0]
    """
    ratio = np.asarray(cost_loss_ratio)
    return np.where(warned & ~reached, ratio, 0.0) + np.where(~warned & reached, 1.0 - ratio, 0.0)


@dataclass(frozen=True, kw_only=True)
class Moments:
    """Sums over the same cases of forecast and observed values, their squares and products.

    Parameters
    ----------
    cases
        Number of cases.
    forecast, observed, forecast_squares, observed_squares, products
        Sums, of the shape of ``cases``.
    """

    cases: NDArray[np.float64]
    forecast: NDArray[np.float64]
    observed: NDArray[np.float64]
    forecast_squares: NDArray[np.float64]
    observed_squares: NDArray[np.float64]
    products: NDArray[np.float64]

    @classmethod
    def of(cls, forecast: NDArray[np.float64], observed: NDArray[np.float64]) -> Self:
        """Add up cases along the first axis."""
        return cls(
            cases=np.asarray(float(len(observed))),
            forecast=forecast.sum(axis=0),
            observed=observed.sum(axis=0),
            forecast_squares=(forecast**2).sum(axis=0),
            observed_squares=(observed**2).sum(axis=0),
            products=(forecast * observed).sum(axis=0),
        )

    def observed_deviations(self) -> NDArray[np.float64]:
        """Return the sum of squared deviations of what was observed from its mean."""
        return np.asarray(self.observed_squares - self.observed**2 / self.cases)


def kling_gupta(sums: Moments) -> NDArray[np.float64]:
    """Compute the Kling-Gupta efficiency (Gupta et al. 2009): 1 − √((r−1)² + (α−1)² + (β−1)²).

    Returns
    -------
    ndarray
        NaN below two cases, where forecast or observation is constant, and at an observed mean of
        0.

    Examples
    --------
    >>> float(kling_gupta(Moments.of(np.array([1.0, 2.0, 3.0]), np.array([1.0, 2.0, 3.0]))))
    1.0
    """
    with np.errstate(invalid="ignore", divide="ignore"):
        mean, observed_mean = sums.forecast / sums.cases, sums.observed / sums.cases
        squares, observed_squares = (
            total / sums.cases for total in (sums.forecast_squares, sums.observed_squares)
        )
        variance, observed_variance = squares - mean**2, observed_squares - observed_mean**2
        known = (
            (sums.cases >= 2)
            & (variance > LEAST_VARIATION * squares)
            & (observed_variance > LEAST_VARIATION * observed_squares)
            & (observed_mean != 0.0)
        )
        covariance = sums.products / sums.cases - mean * observed_mean
        r = np.clip(covariance / np.sqrt(variance * observed_variance), -1.0, 1.0)
        alpha, beta = np.sqrt(variance / observed_variance), mean / observed_mean
        kge = 1.0 - np.sqrt((r - 1.0) ** 2 + (alpha - 1.0) ** 2 + (beta - 1.0) ** 2)
    return np.where(known, kge, np.nan)


def skill_score(score: ArrayLike, reference: ArrayLike) -> NDArray[np.float64]:
    """Compute the skill 1 − score / reference of a score that is best at 0.

    Parameters
    ----------
    score, reference
        Sums of a score over the same cases, or its means; they broadcast.

    Returns
    -------
    ndarray
        1 for a perfect forecast, 0 for the reference; NaN where the reference has no error.

    References
    ----------
    Murphy, A. H. (1988), doi 10.1175/1520-0493(1988)116<2417:SSBOTM>2.0.CO;2.

    Examples
    --------
    >>> skill_score([1.0, 1.0], [4.0, 0.0]).tolist()
    [0.75, nan]
    """
    divisor = np.asarray(reference, dtype="float64")
    return np.asarray(1.0 - np.asarray(score) / np.where(divisor > 0.0, divisor, np.nan))


def persistence_index(error: ArrayLike, persistence_error: ArrayLike) -> NDArray[np.float64]:
    """Compute the persistence index, CP = 1 − MSE / MSE of persistence (Kitanidis and Bras 1980).

    Parameters
    ----------
    error, persistence_error
        Errors of the forecast and of the persisted last value, cases along the first axis. From
        sums of squared errors CP is their :func:`skill_score`.

    Returns
    -------
    ndarray
        Shape of the other axes; NaN where persistence has no error.

    Examples
    --------
    >>> float(persistence_index([0.1, 0.0], [0.2, 0.0]))
    0.75
    """
    own, naive = ((np.asarray(values) ** 2).sum(axis=0) for values in (error, persistence_error))
    return skill_score(own, naive)


def rate(part: ArrayLike, whole: ArrayLike) -> NDArray[np.float64]:
    """Return the share of a whole; NaN where the whole is 0 or unknown.

    Examples
    --------
    >>> rate([1, 0], [4, 0]).tolist()
    [0.25, nan]
    """
    divisor = np.asarray(whole, dtype="float64")
    return np.asarray(part) / np.where(divisor > 0.0, divisor, np.nan)

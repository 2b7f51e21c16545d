"""Formulas of the scores, each written once."""

from __future__ import annotations

from typing import TypeVar

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray

Values = TypeVar("Values", NDArray[np.float64], "pd.Series[float]")


def skill_score(score: ArrayLike, reference: ArrayLike) -> NDArray[np.float64]:
    """Compute the skill 1 − score / reference of a score that is best at 0.

    Parameters
    ----------
    score, reference
        Mean scores, or their sums over the same cases; they broadcast.

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
        Errors of the forecast and of the persisted last value, cases along the first axis.

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


def squared_error(forecast: Values, outcome: Values | NDArray[np.bool_]) -> Values:
    """Compute squared errors of forecasts: stages, or probabilities of outcomes 0 or 1."""
    return (forecast - outcome) ** 2


def brier_score(p: Values, outcome: Values | NDArray[np.bool_]) -> float:
    """Compute the Brier score of probabilities: the mean of their squared errors.

    Examples
    --------
    >>> brier_score(np.array([1.0, 0.5]), np.array([True, False]))
    0.125
    """
    return float(squared_error(p, outcome).mean())


def kling_gupta(forecast: NDArray[np.float64], observed: NDArray[np.float64]) -> float:
    """Compute the Kling-Gupta efficiency (Gupta et al. 2009): 1 − √((r−1)² + (α−1)² + (β−1)²).

    Examples
    --------
    >>> kling_gupta(np.array([1.0, 2.0, 3.0]), np.array([1.0, 2.0, 3.0]))
    1.0
    """
    if len(observed) < 2 or 0.0 in (observed.std(), forecast.std(), observed.mean()):
        return float("nan")
    r = np.corrcoef(forecast, observed)[0, 1]
    alpha, beta = forecast.std() / observed.std(), forecast.mean() / observed.mean()
    return float(1.0 - np.sqrt(min((r - 1.0) ** 2, 4.0) + (alpha - 1.0) ** 2 + (beta - 1.0) ** 2))


def pinball_loss(
    quantile: NDArray[np.float64], observed: NDArray[np.float64], level: float
) -> float:
    """Compute the mean pinball loss of a quantile (Koenker and Bassett 1978), in its units.

    Examples
    --------
    >>> pinball_loss(np.array([1.0, 1.0]), np.array([2.0, 0.0]), 0.9)
    0.5
    """
    gap = observed - quantile
    return float(np.mean(np.maximum(level * gap, (level - 1.0) * gap)))


def rate(part: float, whole: float) -> float:
    """Return the share of a whole; NaN where the whole is 0.

    Examples
    --------
    >>> rate(1, 4), rate(0, 0)
    (0.25, nan)
    """
    return float(part / whole) if whole > 0 else float("nan")

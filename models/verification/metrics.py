"""Formulas of the scores: each is written here once and nowhere else."""

from __future__ import annotations

from typing import TypeVar

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray

Values = TypeVar("Values", NDArray[np.float64], "pd.Series[float]")


def skill_score(score: ArrayLike, reference: ArrayLike) -> NDArray[np.float64]:
    """Skill 1 − score / reference of a score that is best at 0, beside a reference's.

    Parameters
    ----------
    score, reference
        Mean scores, or their sums over the same cases; they broadcast.

    Returns
    -------
    ndarray
        1 for a perfect forecast, 0 for the reference's; NaN where the reference has no error.

    References
    ----------
    Murphy, A. H. (1988), doi 10.1175/1520-0493(1988)116<2417:SSBOTM>2.0.CO;2.

    Examples
    --------
    >>> skill_score([1.0, 1.0], [4.0, 0.0]).tolist()
    [0.75, nan]
    """
    below = np.asarray(reference, dtype="float64")
    return np.asarray(1.0 - np.asarray(score) / np.where(below > 0.0, below, np.nan))


def persistence_index(error: ArrayLike, persistence_error: ArrayLike) -> NDArray[np.float64]:
    """Skill beside persistence, CP = 1 − MSE / MSE of persistence (Kitanidis and Bras 1980).

    Parameters
    ----------
    error, persistence_error
        Errors of the forecast and of the last value carried on, cases along the first axis.

    Returns
    -------
    ndarray
        The other axes; NaN where persistence has no error.

    Examples
    --------
    >>> float(persistence_index([0.1, 0.0], [0.2, 0.0]))
    0.75
    """
    own, naive = ((np.asarray(values) ** 2).sum(axis=0) for values in (error, persistence_error))
    return skill_score(own, naive)


def squared_error(forecast: Values, outcome: Values | NDArray[np.bool_]) -> Values:
    """Squared error of each forecast: of a stage, or of a probability where outcomes are 0 or 1."""
    return (forecast - outcome) ** 2


def brier_score(p: Values, outcome: Values | NDArray[np.bool_]) -> float:
    """Brier score of probabilities: the mean of their squared errors.

    Examples
    --------
    >>> brier_score(np.array([1.0, 0.5]), np.array([True, False]))
    0.125
    """
    return float(squared_error(p, outcome).mean())


def kling_gupta(forecast: NDArray[np.float64], observed: NDArray[np.float64]) -> float:
    """Kling-Gupta efficiency (Gupta et al. 2009): 1 − √((r−1)² + (α−1)² + (β−1)²).

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
    """Mean pinball loss of a quantile at its level (Koenker and Bassett 1978), in their units.

    Examples
    --------
    >>> pinball_loss(np.array([1.0, 1.0]), np.array([2.0, 0.0]), 0.9)
    0.5
    """
    gap = observed - quantile
    return float(np.mean(np.maximum(level * gap, (level - 1.0) * gap)))


def rate(part: float, whole: float) -> float:
    """Share of a whole; NaN of none.

    Examples
    --------
    >>> rate(1, 4), rate(0, 0)
    (0.25, nan)
    """
    return float(part / whole) if whole > 0 else float("nan")

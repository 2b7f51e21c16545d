"""Bootstrap intervals of scores from samples of whole years."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from models.verification.metrics import skill_score

DRAWS = 2000
"""Samples of whole hydrological years."""
LEAST_YEARS = 3
"""Least number of years for an interval."""


@dataclass(frozen=True)
class Interval:
    """A score with its 95 % interval over resampled years; NaN where unknown."""

    value: float
    low: float
    high: float


def make_interval(value: float, draws: NDArray[np.float64]) -> Interval:
    """Return a value with the 95 % interval of its draws; NaN where more than half are NaN."""
    known = draws[np.isfinite(draws)]
    if known.size < draws.size / 2 or not known.size:
        return Interval(float(value), float("nan"), float("nan"))
    low, high = np.quantile(known, [0.025, 0.975])
    return Interval(float(value), float(low), float(high))


def draw_years(n_years: int, draws: int) -> NDArray[np.int64]:
    """Draw the years of each sample with replacement, fixed seed, shape (draws, n_years)."""
    return np.random.default_rng(0).integers(0, n_years, (draws, n_years))


def skill_over_years(
    own: NDArray[np.float64], reference: NDArray[np.float64], *, draws: int = DRAWS
) -> Interval:
    """Compute the skill of scores added up by year, with its interval over resampled years.

    Parameters
    ----------
    own, reference
        Sum of the scores of each year, shape (n_years,).
    draws
        Samples.

    Returns
    -------
    Interval
        Without bounds below ``LEAST_YEARS``.

    Examples
    --------
    >>> skill_over_years(np.array([1.0, 2.0, 3.0]), np.array([2.0, 4.0, 6.0]))
    Interval(value=0.5, low=0.5, high=0.5)
    """
    value = float(skill_score(own.sum(), reference.sum()))
    if len(own) < LEAST_YEARS:
        return Interval(value, float("nan"), float("nan"))
    years = draw_years(len(own), draws)
    return make_interval(value, skill_score(own[years].sum(axis=1), reference[years].sum(axis=1)))

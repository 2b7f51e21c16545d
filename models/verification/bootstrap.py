"""Bootstrap intervals of scores from samples of whole years."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from models.verification.metrics import rate, skill_score

DRAWS = 2000
"""Samples of whole hydrological years."""
LEAST_YEARS = 3
"""Least number of years for an interval."""


@dataclass(frozen=True)
class Interval:
    """A score with its interval over resampled years, 95 % unless said; NaN where unknown."""

    value: float
    low: float
    high: float


@dataclass(frozen=True)
class Comparison:
    """A mean score beside a reference's on the same cases, both best at 0, and the skill."""

    cases: int
    score: float
    reference: float
    skill: Interval


def make_interval(
    value: float, draws: NDArray[np.float64], bounds: tuple[float, float] = (0.025, 0.975)
) -> Interval:
    """Return a value with the interval of its draws, by default of 95 %.

    The bounds are NaN where more than half of the draws are.
    """
    known = draws[np.isfinite(draws)]
    if known.size < draws.size / 2 or not known.size:
        return Interval(float(value), float("nan"), float("nan"))
    low, high = np.quantile(known, bounds)
    return Interval(float(value), float(low), float(high))


def draw_years(n_years: int, draws: int) -> NDArray[np.int64]:
    """Draw the years of each sample with replacement, fixed seed, shape (draws, n_years)."""
    return np.random.default_rng(0).integers(0, n_years, (draws, n_years))


def compare_over_years(
    own: NDArray[np.float64], reference: NDArray[np.float64], *, cases: int, draws: int = DRAWS
) -> Comparison:
    """Compare scores added up by year, with the interval of the skill over resampled years.

    Parameters
    ----------
    own, reference
        Sum of the scores of each year, shape (n_years,).
    cases
        Number of cases in all years.
    draws
        Samples.

    Returns
    -------
    Comparison
        The skill has no bounds below ``LEAST_YEARS``.

    Examples
    --------
    >>> compare_over_years(np.array([1.0, 2.0, 3.0]), np.array([2.0, 4.0, 6.0]), cases=12)
    Comparison(cases=12, score=0.5, reference=1.0, skill=Interval(value=0.5, low=0.5, high=0.5))
    """
    value = float(skill_score(own.sum(), reference.sum()))
    skill = Interval(value, float("nan"), float("nan"))
    if len(own) >= LEAST_YEARS:
        years = draw_years(len(own), draws)
        samples = skill_score(own[years].sum(axis=1), reference[years].sum(axis=1))
        skill = make_interval(value, samples)
    mean, reference_mean = (float(rate(total.sum(), cases)) for total in (own, reference))
    return Comparison(cases, mean, reference_mean, skill)


def compare_with_conditional(
    own: NDArray[np.float64], conditional: NDArray[np.float64], *, cases: int
) -> dict[str, float]:
    """Compare held-out Brier scores with those of a conditional climatology, for a model's card.

    Parameters
    ----------
    own, conditional
        Sum of the squared errors of each year, shape (n_years,).
    cases
        Number of cases in all years.

    Returns
    -------
    dict
        brier, brier_conditional, skill_vs_conditional, and its bounds skill_low and skill_high.
    """
    comparison = compare_over_years(own, conditional, cases=cases)
    return {
        "brier": comparison.score,
        "brier_conditional": comparison.reference,
        "skill_vs_conditional": comparison.skill.value,
        "skill_low": comparison.skill.low,
        "skill_high": comparison.skill.high,
    }

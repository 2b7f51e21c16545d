"""Intervals of scores from samples of whole years."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

DRAWS = 2000
"""Samples of whole hydrological years."""


@dataclass(frozen=True)
class Interval:
    """A score with its 95 % interval over resampled years; NaN where not known."""

    value: float
    low: float
    high: float


def interval(value: float, draws: NDArray[np.float64]) -> Interval:
    """Put the 95 % interval of some draws beside a value; NaN where half of them are."""
    known = draws[np.isfinite(draws)]
    if known.size < draws.size / 2 or not known.size:
        return Interval(float(value), float("nan"), float("nan"))
    low, high = np.quantile(known, [0.025, 0.975])
    return Interval(float(value), float(low), float(high))


def skill_over_years(
    own: NDArray[np.float64], other: NDArray[np.float64], *, draws: int = DRAWS
) -> Interval:
    """1 − own / other of scores added up by year, with its interval over resampled years.

    Parameters
    ----------
    own, other
        Sum of the scores of each year, shape (n_years,).
    draws
        Samples.

    Examples
    --------
    >>> skill_over_years(np.array([1.0, 2.0, 3.0]), np.array([2.0, 4.0, 6.0]))
    Interval(value=0.5, low=0.5, high=0.5)
    """
    value = 1.0 - own.sum() / other.sum() if other.sum() > 0 else np.nan
    if len(own) < 3:
        return Interval(float(value), float("nan"), float("nan"))
    picks = np.random.default_rng(0).integers(0, len(own), (draws, len(own)))
    with np.errstate(divide="ignore", invalid="ignore"):
        samples = 1.0 - own[picks].sum(axis=1) / other[picks].sum(axis=1)
    return interval(value, samples)

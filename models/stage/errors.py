"""Predictive distribution per station and lead, from errors made on held-out years.

The distribution of the scaled error z = (observed − predicted) / scale is a table of quantiles with
generalised Pareto tails beyond it; quantiles and exceedance probabilities both come from it, so
they cannot contradict each other.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Self

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtr, ndtri, stdtrit

PROBABILITIES = np.array(
    [0.01, 0.025, 0.05, 0.075, *np.arange(0.10, 0.91, 0.05).round(2), 0.925, 0.95, 0.975, 0.99]
)
"""Levels of the quantile table; beyond the first and last the tails take over."""
TAIL_SHAPE, TAIL_FLOOR = 0.1, 0.3
MOST_WIDENING, LEAST_AHEAD = 1.6, 365
"""Defaults of :func:`fit_errors` and :func:`widening_factor`."""


@dataclass(frozen=True)
class ErrorDistribution:
    """Distribution of scaled errors at each lead, joint over the leads.

    Parameters
    ----------
    quantiles
        Quantiles of z at ``PROBABILITIES``, shape (n_leads, n_probabilities), increasing.
    tail_scales
        Scale of the lower and upper Pareto tail, shape (n_leads, 2).
    correlation
        Correlation of the normal scores of the errors between leads, shape (n_leads, n_leads).
    tail_shape
        Shape of both Pareto tails.

    Examples
    --------
    >>> errors = ErrorDistribution(2.0 * PROBABILITIES[None], np.full((1, 2), 0.009), np.eye(1))
    >>> errors.ppf(np.array([0.25, 0.5])).tolist()  # about uniform from 0 to 2
    [[0.5, 1.0]]
    >>> errors.cdf(np.array([[0.5], [1.5]])).tolist(), errors.mean().round(6).tolist()
    ([[0.25], [0.75]], [1.0])
    """

    quantiles: NDArray[np.float64]
    tail_scales: NDArray[np.float64]
    correlation: NDArray[np.float64]
    tail_shape: float = TAIL_SHAPE

    def ppf(self, q: NDArray[np.float64]) -> NDArray[np.float64]:
        """Quantiles of z at each lead, shape (n_leads, n_q), increasing in ``q``; 0 < q < 1."""
        return np.stack([self._ppf_of_lead(lead, q) for lead in range(len(self.quantiles))])

    def _ppf_of_lead(self, lead: int, q: NDArray[np.float64]) -> NDArray[np.float64]:
        row, levels = self.quantiles[lead], PROBABILITIES
        z = np.interp(q, levels, row)
        for side, edge, sign in ((0, levels[0], -1.0), (1, 1.0 - levels[-1], 1.0)):
            outside = q if side == 0 else 1.0 - q
            scale = self.tail_scales[lead, side]
            end = row[0 if side == 0 else -1]
            ratio = np.clip(outside / edge, 1e-300, 1.0)
            tail = end + sign * scale / self.tail_shape * (ratio**-self.tail_shape - 1.0)
            z = np.where(outside < edge, tail, z)
        return np.asarray(z)

    def cdf(self, z: NDArray[np.float64]) -> NDArray[np.float64]:
        """P(error ≤ z), rows by leads as ``z``; the inverse of :meth:`ppf`, non-decreasing."""
        columns = [self._cdf_of_lead(lead, column) for lead, column in enumerate(z.T)]
        return np.stack(columns, axis=1)

    def _cdf_of_lead(self, lead: int, z: NDArray[np.float64]) -> NDArray[np.float64]:
        row, levels = self.quantiles[lead], PROBABILITIES
        inside = np.interp(z, row, levels)
        low = np.maximum(row[0] - z, 0.0) / self.tail_scales[lead, 0]
        high = np.maximum(z - row[-1], 0.0) / self.tail_scales[lead, 1]
        below = levels[0] * (1.0 + self.tail_shape * low) ** (-1.0 / self.tail_shape)
        above = 1.0 - (1.0 - levels[-1]) * (1.0 + self.tail_shape * high) ** (
            -1.0 / self.tail_shape
        )
        return np.asarray(np.where(z < row[0], below, np.where(z > row[-1], above, inside)))

    def mean(self) -> NDArray[np.float64]:
        """Mean of z at each lead, tails included: what a squared error is least for."""
        levels = PROBABILITIES
        low, high = self.tail_scales.T / (1.0 - self.tail_shape)
        first, last = self.quantiles[:, 0], self.quantiles[:, -1]
        ends = levels[0] * (first - low) + (1.0 - levels[-1]) * (last + high)
        return np.asarray(np.trapezoid(self.quantiles, levels, axis=1) + ends)

    def rvs(self, size: int, random_state: int | np.random.Generator) -> NDArray[np.float64]:
        """Draw errors of all leads together, shape (size, n_leads)."""
        normal = np.random.default_rng(random_state).standard_normal((size, len(self.quantiles)))
        return self.from_scores(normal @ square_root(self.correlation).T)

    def from_scores(self, scores: NDArray[np.float64]) -> NDArray[np.float64]:
        """Errors with the probabilities of normal scores, rows by leads as ``scores``."""
        q = np.clip(ndtr(scores), 1e-12, 1.0 - 1e-12)
        columns = [self._ppf_of_lead(lead, of_lead) for lead, of_lead in enumerate(q.T)]
        return np.stack(columns, axis=1)

    def replace_leads(self, other: ErrorDistribution, leads: NDArray[np.bool_]) -> Self:
        """Take another's errors at some leads; the correlation stays, unless that is at all."""
        return replace(
            self,
            quantiles=np.where(leads[:, None], other.quantiles, self.quantiles),
            tail_scales=np.where(leads[:, None], other.tail_scales, self.tail_scales),
            correlation=other.correlation if leads.all() else self.correlation,
        )


@dataclass(frozen=True)
class ErrorModel:
    """Errors of a forecast: their scale by regime, and the distribution of the scaled ones.

    Parameters
    ----------
    scale_coefficients
        Of the log of the scale on the terms of the regime, shape (n_leads, n_terms).
    scale_limits
        Lower and upper limit of that log, shape (n_leads, 2).
    distribution
        Of the scaled errors.
    """

    scale_coefficients: NDArray[np.float64]
    scale_limits: NDArray[np.float64]
    distribution: ErrorDistribution

    def scale(self, regime: NDArray[np.float64]) -> NDArray[np.float64]:
        """Scale in m, shape (n, n_leads), of a regime of shape (n_leads, n, n_terms)."""
        return predict_scale(regime, self.scale_coefficients, self.scale_limits)

    def centred(self) -> Self:
        """Move the errors so that their median is 0 at each lead."""
        middle = self.distribution.ppf(np.array([0.5]))
        moved = replace(self.distribution, quantiles=self.distribution.quantiles - middle)
        return replace(self, distribution=moved)


def weighted_quantiles(
    values: NDArray[np.float64], weights: NDArray[np.float64], levels: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Quantiles of a weighted sample, linear between the middles of the weights.

    Examples
    --------
    >>> weighted_quantiles(np.array([3.0, 1.0, 2.0]), np.ones(3), np.array([0.5])).tolist()
    [2.0]
    """
    order = np.argsort(values, kind="stable")
    ranked, weight = values[order], weights[order]
    position = (np.cumsum(weight) - 0.5 * weight) / weight.sum()
    return np.interp(levels, position, ranked)


def fit_errors(
    z: NDArray[np.float64],
    weights: NDArray[np.float64],
    *,
    tail_shape: float = TAIL_SHAPE,
    tail_floor: float = TAIL_FLOOR,
) -> ErrorDistribution:
    """Fit the distribution of scaled errors made on held-out years.

    Parameters
    ----------
    z
        Scaled errors, shape (n, n_leads), finite.
    weights
        Weight of each row, shape (n,).
    tail_shape
        Shape of both Pareto tails: heavier than exponential, with a finite variance. Too few errors
        lie beyond the table to fit it per station.
    tail_floor
        Least scale of a tail, as a share of the distance from the table's end to its third
        quantile.

    Returns
    -------
    ErrorDistribution
        With the sample's inflation (n + 1) / n at the ends as in split-conformal prediction.

    Raises
    ------
    ValueError
        Fewer than 30 rows.
    """
    if len(z) < 30:
        raise ValueError(f"expected at least 30 errors, found {len(z)}")
    effective = weights.sum() ** 2 / (weights**2).sum()
    levels = np.clip(0.5 + (PROBABILITIES - 0.5) * (effective + 1.0) / effective, 0.0, 1.0)
    quantiles = np.stack([weighted_quantiles(column, weights, levels) for column in z.T])
    quantiles = np.maximum.accumulate(quantiles, axis=1)
    quantiles += 1e-9 * np.arange(quantiles.shape[1])
    scales = np.empty((z.shape[1], 2))
    for lead, column in enumerate(z.T):
        for side, sign in enumerate((-1.0, 1.0)):
            edge = quantiles[lead, 0 if side == 0 else -1]
            beyond = sign * (column - edge)
            in_tail = beyond > 0.0
            excess = np.average(beyond[in_tail], weights=weights[in_tail]) if in_tail.any() else 0.0
            inner = abs(edge - quantiles[lead, 2 if side == 0 else -3])
            # The mean excess of a Pareto tail is scale / (1 - shape); inner spacing is the floor.
            scales[lead, side] = max(excess * (1.0 - tail_shape), tail_floor * inner, 1e-6)
    marginal = ErrorDistribution(quantiles, scales, np.eye(z.shape[1]), tail_shape)
    scores = ndtri(np.clip(marginal.cdf(z), 1e-4, 1 - 1e-4)).T
    correlation = np.clip(np.atleast_2d(np.corrcoef(scores)), -1.0, 1.0)
    correlation = np.nan_to_num(correlation) * 0.999 + 0.001 * np.eye(len(scores))
    return ErrorDistribution(quantiles, scales, correlation, tail_shape)


def climatology_errors(
    stages_m: NDArray[np.float64], *, tail_shape: float = TAIL_SHAPE
) -> ErrorDistribution:
    """Distribution of rows of climatology: stages in m at ``PROBABILITIES``, and tails as wide.

    Parameters
    ----------
    stages_m
        One row per lead, shape (n_leads, n_probabilities).
    tail_shape
        As of :func:`fit_errors`.
    """
    upper, lower = stages_m[:, -1] - stages_m[:, -3], stages_m[:, 2] - stages_m[:, 0]
    spread = np.maximum(np.maximum(upper, lower), 0.05)
    rising = np.maximum.accumulate(stages_m, axis=1) + 1e-9 * np.arange(stages_m.shape[1])
    # Stages of one week stand high or low together.
    correlation = np.full((len(stages_m),) * 2, 0.95) + 0.05 * np.eye(len(stages_m))
    return ErrorDistribution(rising, np.column_stack([spread, spread]), correlation, tail_shape)


def square_root(correlation: NDArray[np.float64]) -> NDArray[np.float64]:
    """Matrix that gives independent normal scores a correlation, shape (n_leads, n_leads)."""
    values, vectors = np.linalg.eigh(correlation)
    return np.asarray(vectors * np.sqrt(np.clip(values, 0.0, None)))


def fit_scale(
    regime: NDArray[np.float64], error: NDArray[np.float64], weights: NDArray[np.float64]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Regress the log of the error's size on the terms that its spread depends on.

    Parameters
    ----------
    regime
        Shape (n_leads, n, n_terms).
    error, weights
        Errors in m, shape (n, n_leads), and the weight of each row.

    Returns
    -------
    tuple of ndarray
        Coefficients (n_leads, n_terms), and the lower and upper limit of the log (n_leads, 2).
    """
    root = np.sqrt(weights)[:, None]
    coefficients, limits = [], []
    for terms, of_lead in zip(regime, error.T, strict=True):
        log = np.log(0.01 + np.abs(of_lead))
        slopes = np.linalg.lstsq(terms * root, log * root[:, 0], rcond=None)[0]
        coefficients.append(slopes)
        limits.append(np.quantile(terms @ slopes, [0.01, 0.99]))
    return np.array(coefficients), np.array(limits)


def predict_scale(
    regime: NDArray[np.float64], coefficients: NDArray[np.float64], limits: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Scale of the error in m as :func:`fit_scale` found it, shape (n, n_leads)."""
    log = np.einsum("lnk,lk->nl", regime, coefficients)
    return np.asarray(np.exp(np.clip(log, limits[:, 0], limits[:, 1])))


def fit_error_model(
    regime: NDArray[np.float64],
    error: NDArray[np.float64],
    ahead: NDArray[np.float64],
    *,
    weights: NDArray[np.float64],
    year: NDArray[np.int64],
    tail_shape: float = TAIL_SHAPE,
    tail_floor: float = TAIL_FLOOR,
    most_widening: float = MOST_WIDENING,
    least_ahead: int = LEAST_AHEAD,
) -> ErrorModel:
    """Fit scale and distribution of errors, wider by what they were on years ahead.

    Parameters
    ----------
    regime
        Terms that the spread depends on, shape (n_leads, n, n_terms).
    error, ahead
        Errors in m on years held out, and on years forecast by earlier ones alone (NaN for other
        years), shape (n, n_leads).
    weights, year
        Weight and water year of each row.
    tail_shape, tail_floor
        As of :func:`fit_errors`.
    most_widening, least_ahead
        As of :func:`widening_factor`.
    """
    coefficients, limits = fit_scale(regime, error, weights)
    scale = predict_scale(regime, coefficients, limits)
    z = error / scale
    z *= widening_factor(
        z, ahead / scale, most_widening=most_widening, least_ahead=least_ahead
    ) * new_year_factor(weights, year)
    distribution = fit_errors(z, weights, tail_shape=tail_shape, tail_floor=tail_floor)
    return ErrorModel(coefficients, limits, distribution)


def widening_factor(
    z: NDArray[np.float64],
    ahead: NDArray[np.float64],
    *,
    most_widening: float = MOST_WIDENING,
    least_ahead: int = LEAST_AHEAD,
) -> NDArray[np.float64]:
    """Ratio of the 80 % quantile of absolute errors on years ahead to that on years in between.

    Years in between are fitted from both sides; dams change the river in years to come.

    Parameters
    ----------
    z, ahead
        Scaled errors of years in between, and of years forecast by earlier ones alone (NaN for
        other years), shape (n, n_leads).
    most_widening
        Most that intervals widen for years ahead.
    least_ahead
        Errors of years ahead from which intervals are widened.

    Returns
    -------
    ndarray
        Per lead, 1 to ``most_widening``; 1 with fewer than ``least_ahead`` errors ahead.

    Examples
    --------
    >>> z = np.ones((400, 2))
    >>> widening_factor(z, z * [1.2, 9.0]).tolist()
    [1.2, 1.6]
    """
    rows = np.isfinite(ahead).all(axis=1)
    if rows.sum() < least_ahead:
        return np.ones(z.shape[1])
    ratio = np.quantile(np.abs(ahead[rows]), 0.8, axis=0) / np.quantile(np.abs(z), 0.8, axis=0)
    return np.asarray(np.clip(ratio, 1.0, most_widening))


def new_year_factor(weights: NDArray[np.float64], year: NDArray[np.int64]) -> float:
    """Factor of the spread for a year to come, from how many years the errors cover.

    Errors of one year are correlated, so n years (by their weight) count as n independent
    errors, and the interval is Student's for one more: t(0.9, n − 1) √(1 + 1/n) over the normal's.

    Examples
    --------
    >>> round(new_year_factor(np.ones(20), np.arange(20)), 3)
    1.062
    """
    by_year = np.bincount(np.unique(year, return_inverse=True)[1], weights)
    n = max(by_year.sum() ** 2 / (by_year**2).sum(), 2.0)
    return float(stdtrit(n - 1.0, 0.9) * np.sqrt(1.0 + 1.0 / n) / ndtri(0.9))

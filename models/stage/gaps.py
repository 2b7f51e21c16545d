"""Standardised columns, with gaps filled by their expectation given the rest of the row."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy import linalg

UNSURE = 0.05
"""Weight of the identity in the covariance of features."""
FEW_ROWS = 200.0
"""Shared rows at which the covariance of two features gets half its weight."""
LEAST_VARIANCE = 0.02
"""Least eigenvalue of that covariance."""
WORST = 8.0
"""Standard deviations at which a column is bounded."""


def fit_limits(raw: NDArray[np.float64]) -> NDArray[np.float64]:
    """Limits far beyond the usual, mean and standard deviation of each column, shape (4, n)."""
    filled = np.where(np.isfinite(raw).any(axis=0), raw, 0.0)
    middle, bottom, top = np.nanquantile(filled, [0.5, 0.001, 0.999], axis=0)
    low, high = middle - 2.0 * (middle - bottom), middle + 2.0 * (top - middle)
    bounded = np.clip(filled, low, high)
    sd = np.nanstd(bounded, axis=0)
    return np.stack([low, high, np.nanmean(bounded, axis=0), np.where(sd > 1e-9, sd, 1.0)])


def standardise(raw: NDArray[np.float64], limits: NDArray[np.float64]) -> NDArray[np.float64]:
    """Columns in standard deviations, bounded, NaN where missing."""
    low, high, mean, sd = limits
    return np.asarray(np.clip((np.clip(raw, low, high) - mean) / sd, -WORST, WORST))


def fit_precision(z: NDArray[np.float64]) -> NDArray[np.float64]:
    """Inverse covariance of standardised columns with gaps, from the rows that each pair shares.

    The covariance is drawn to the identity, more where a pair shares few rows, and kept positive.
    """
    known = np.isfinite(z)
    filled = np.where(known, z, 0.0)
    together = known.T.astype("float64") @ known
    covariance = (1.0 - UNSURE) * (filled.T @ filled) / (together + FEW_ROWS)
    values, vectors = linalg.eigh(covariance + UNSURE * np.eye(z.shape[1]))
    return np.asarray((vectors / np.clip(values, LEAST_VARIANCE, None)) @ vectors.T)


def fill_gaps(z: NDArray[np.float64], precision: NDArray[np.float64]) -> NDArray[np.float64]:
    """Standardised columns with the gaps of each row filled by their conditional mean.

    Parameters
    ----------
    z
        Rows of standardised columns, NaN where missing, shape (n, n_columns).
    precision
        Inverse covariance of the columns, shape (n_columns, n_columns).

    Returns
    -------
    ndarray
        The same without gaps: normal columns' expectation given those that the row has, the
        first step of regularised expectation maximisation (Schneider 2001, J. Climate 14,
        853-871); all 0 for a row of nothing.

    Examples
    --------
    >>> precision = np.linalg.inv([[1.0, 0.5], [0.5, 1.0]])
    >>> fill_gaps(np.array([[2.0, np.nan], [2.0, -1.0]]), precision).tolist()
    [[2.0, 1.0], [2.0, -1.0]]
    """
    gaps = ~np.isfinite(z)
    filled = np.where(gaps, 0.0, z)
    pull = filled @ precision
    packed = np.packbits(gaps, axis=1)
    _, first, kind = np.unique(packed, axis=0, return_index=True, return_inverse=True)
    patterns = gaps[first]
    order = np.argsort(kind, kind="stable")
    groups = np.split(order, np.cumsum(np.bincount(kind, minlength=len(patterns)))[:-1])
    for pattern, rows in zip(patterns, groups, strict=True):
        holes = np.flatnonzero(pattern)
        if len(holes):
            cells = np.ix_(rows, holes)
            among = precision[np.ix_(holes, holes)]
            filled[cells] = -linalg.solve(among, pull[cells].T, assume_a="pos").T
    return np.clip(filled, -WORST, WORST)

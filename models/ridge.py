"""Ridge regression in closed form, with its penalty and its unseen-year forecasts."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from scipy import linalg

if TYPE_CHECKING:
    from numpy.typing import NDArray

PENALTIES = (1.0, 3.0, 10.0, 30.0, 100.0, 300.0, 1000.0, 3000.0, 10000.0)
BLOCKS = 6
"""Groups of water years, each forecast in turn by a fit that had not seen them."""
FORWARD_YEARS = 6
"""Last water years that are also forecast by a fit on earlier years alone."""


class NormalEquations:
    """Normal equations by water year, from which every tier, penalty and fold is solved.

    Parameters
    ----------
    matrix, target, weights
        Standardised columns with the constant last, targets and row weights.
    year, purged
        Water year of each row and whether it lies too near to the year before.
    judged
        Weights of the held-out errors by which a penalty is chosen; default ``weights``.
    """

    def __init__(
        self,
        matrix: NDArray[np.float64],
        target: NDArray[np.float64],
        weights: NDArray[np.float64],
        year: NDArray[np.int64],
        purged: NDArray[np.bool_],
        *,
        judged: NDArray[np.float64] | None = None,
    ) -> None:
        self._matrix, self._target, self._weights = matrix, target, weights
        self._judged = weights if judged is None else judged
        self._years, self._year = np.unique(year, return_inverse=True)
        last = len(self._years)
        parts = [self._sums((self._year == k) & ~purged) for k in range(last)]
        self._whole = self._sums(np.ones(len(matrix), dtype=bool))
        self._others = {
            block: _total([parts[k] for k in range(last) if k % BLOCKS != block] or parts)
            for block in range(min(BLOCKS, last))
        }
        self._before = {
            k: _total(parts[:k]) for k in range(max(last - FORWARD_YEARS, last // 2, 1), last)
        }

    def _sums(self, rows: NDArray[np.bool_]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        part = self._matrix[rows]
        weighted = part.T * self._weights[rows]
        return weighted @ part, weighted @ self._target[rows]

    def ridge(
        self, columns: NDArray[np.int64]
    ) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]:
        """Coefficients with the penalty that held-out years prefer, and forecasts of unseen years.

        Returns
        -------
        tuple of ndarray
            Coefficients, shape (n_columns + 1, n_leads); forecasts by fits on all other years, and
            for the last ``FORWARD_YEARS`` by fits on earlier years alone (NaN before), both of
            shape (n, n_leads).
        """
        use = np.append(columns, self._matrix.shape[1] - 1)
        grid = np.ix_(use, use)
        penalties = np.array(PENALTIES)
        trials = np.empty((len(penalties), *self._target.shape))
        for block, (gram, right) in self._others.items():
            rows = np.flatnonzero(self._year % BLOCKS == block)
            part = self._matrix[np.ix_(rows, use)]
            trials[:, rows] = part @ _path(gram[grid], right[use])
        loss = np.einsum("n,knl->kl", self._judged, (trials - self._target) ** 2)
        best = penalties[loss.argmin(axis=0)]
        held_out = np.take_along_axis(trials, loss.argmin(axis=0)[None, None, :], axis=0)[0]
        ahead = np.full(self._target.shape, np.nan)
        for year, (gram, right) in self._before.items():
            rows = np.flatnonzero(self._year == year)
            coefficients = _solve(gram[grid], right[use], best)
            ahead[rows] = self._matrix[np.ix_(rows, use)] @ coefficients
        whole, right = self._whole
        return _solve(whole[grid], right[use], best), held_out, ahead


def _total(
    parts: list[tuple[NDArray[np.float64], NDArray[np.float64]]],
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    return np.sum([gram for gram, _ in parts], axis=0), np.sum(
        [right for _, right in parts], axis=0
    )


def _centred(
    gram: NDArray[np.float64], right: NDArray[np.float64]
) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]:
    """Take out what the constant, last, explains, so that all that is left is penalised alike.

    Returns
    -------
    tuple of ndarray
        Gram matrix, right side, and the weighted mean of each column.
    """
    mean = gram[:-1, -1] / gram[-1, -1]
    left = gram[:-1, :-1] - np.outer(mean, mean) * gram[-1, -1]
    return left, right[:-1] - np.outer(mean, right[-1]), mean


def _solve(
    gram: NDArray[np.float64], right: NDArray[np.float64], penalties: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Coefficients with each lead's own penalty, shape (n_columns + 1, n_leads)."""
    left, moved, mean = _centred(gram, right)
    slopes = np.empty_like(moved)
    for penalty in np.unique(penalties):
        leads = np.flatnonzero(penalties == penalty)
        penalised = left + penalty * np.eye(len(left))
        slopes[:, leads] = linalg.solve(penalised, moved[:, leads], assume_a="pos")
    return np.vstack([slopes, right[-1] / gram[-1, -1] - mean @ slopes])


def _path(gram: NDArray[np.float64], right: NDArray[np.float64]) -> NDArray[np.float64]:
    """Coefficients of every penalty, shape (n_penalties, n_columns + 1, n_leads)."""
    left, moved, mean = _centred(gram, right)
    values, vectors = linalg.eigh(left)
    rotated = vectors.T @ moved
    found = []
    for penalty in PENALTIES:
        slopes = vectors @ (rotated / (np.clip(values, 0.0, None) + penalty)[:, None])
        found.append(np.vstack([slopes, right[-1] / gram[-1, -1] - mean @ slopes]))
    return np.array(found)

"""Ridge regression in closed form, with its penalties and its unseen-year forecasts.

It is meant to be fitted again with the sizes of coefficients that a first fit found: columns that
mattered little are then spared less, which comes near to leaving them out (adaptive ridge; Frommlet
and Nuel 2016, PLoS ONE 11, e0148620).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from scipy import linalg

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

    Fold = tuple[str, int]
    Sums = tuple[NDArray[np.float64], NDArray[np.float64]]

PENALTIES = (1.0, 3.0, 10.0, 30.0, 100.0, 300.0, 1000.0, 3000.0, 10000.0)
BLOCKS = 6
"""Groups of water years, each forecast in turn by a fit that had not seen them."""
FORWARD_YEARS = 6
"""Last water years that are also forecast by a fit on earlier years alone."""
LEAST_SIZE = 0.1
"""What is added to a coefficient's relative squared size, so that none is left out for good."""


@dataclass(frozen=True)
class RidgeFit:
    """One regression of all leads, and what fits on a part of the years say.

    Parameters
    ----------
    coefficients
        Of all years, last the constant, shape (n_columns + 1, n_leads).
    held_out
        Forecasts of each year by a fit that had not seen its block, shape (n, n_leads).
    ahead
        Forecasts of the last ``FORWARD_YEARS`` by fits on earlier years, NaN before, same shape.
    sizes
        Fold -> variance of each coefficient beside the others', shape (n_columns,). Folds are all
        years, those without a block, those before a year.
    """

    coefficients: NDArray[np.float64]
    held_out: NDArray[np.float64]
    ahead: NDArray[np.float64]
    sizes: dict[Fold, NDArray[np.float64]]


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
        self._year = year
        parts = {int(one): self._sums((year == one) & ~purged) for one in np.unique(year)}
        years = list(parts)
        everything = _total([*parts.values(), self._sums(purged)])
        self._folds: dict[Fold, Sums] = {("all", 0): everything}
        for block in sorted({one % BLOCKS for one in years}):
            others = [parts[one] for one in years if one % BLOCKS != block]
            self._folds["without", block] = _total(others or list(parts.values()))
        for k in range(max(len(years) - FORWARD_YEARS, len(years) // 2, 1), len(years)):
            self._folds["before", years[k]] = _total([parts[one] for one in years[:k]])

    def _sums(self, rows: NDArray[np.bool_]) -> Sums:
        part = self._matrix[rows]
        weighted = part.T * self._weights[rows]
        return weighted @ part, weighted @ self._target[rows]

    def ridge(
        self,
        columns: NDArray[np.int64],
        sizes: Mapping[Fold, NDArray[np.float64]] | None = None,
    ) -> RidgeFit:
        """Fit with the penalty per lead that held-out years prefer.

        Parameters
        ----------
        columns
            Indices of the columns to use; the constant is always used.
        sizes
            Fold -> variance expected of each coefficient; default the same for all.
        """
        use = np.append(columns, self._matrix.shape[1] - 1)
        part = self._matrix[:, use]
        grid = np.ix_(use, use)
        sums = {fold: (gram[grid], right[use]) for fold, (gram, right) in self._folds.items()}
        size = {fold: np.ones(len(columns)) for fold in sums} if sizes is None else sizes
        trials = np.empty((len(PENALTIES), *self._target.shape))
        paths = {}
        for fold, (gram, right) in sums.items():
            if fold[0] == "without":
                paths[fold] = _path(gram, right, size[fold])
                rows = self._year % BLOCKS == fold[1]
                trials[:, rows] = part[rows] @ paths[fold]
        loss = np.einsum("n,knl->kl", self._judged, (trials - self._target) ** 2)
        best = loss.argmin(axis=0)
        leads = np.arange(len(best))
        found = {fold: path[best, :, leads].T for fold, path in paths.items()}
        ahead = np.full(self._target.shape, np.nan)
        for fold, (gram, right) in sums.items():
            if fold[0] != "without":
                found[fold] = _solve(gram, right, np.array(PENALTIES)[best], size[fold])
            if fold[0] == "before":
                rows = self._year == fold[1]
                ahead[rows] = part[rows] @ found[fold]
        return RidgeFit(
            coefficients=found["all", 0],
            held_out=np.take_along_axis(trials, best[None, None, :], axis=0)[0],
            ahead=ahead,
            sizes={fold: _sizes(coefficients[:-1]) for fold, coefficients in found.items()},
        )


def _total(parts: list[Sums]) -> Sums:
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


def _sizes(slopes: NDArray[np.float64]) -> NDArray[np.float64]:
    """Variance expected of each coefficient beside the others', from a fit of all leads.

    Examples
    --------
    >>> _sizes(np.array([[2.0], [0.0]])).round(2).tolist()
    [1.91, 0.09]
    """
    squares = slopes**2
    share = squares / np.maximum(squares.mean(axis=0), np.finfo("float64").tiny)
    return np.asarray((share.mean(axis=1) + LEAST_SIZE) / (1.0 + LEAST_SIZE))


def _solve(
    gram: NDArray[np.float64],
    right: NDArray[np.float64],
    penalties: NDArray[np.float64],
    sizes: NDArray[np.float64],
) -> NDArray[np.float64]:
    """Coefficients with each lead's own penalty, shape (n_columns + 1, n_leads)."""
    left, moved, mean = _centred(gram, right)
    slopes = np.empty_like(moved)
    for penalty in np.unique(penalties):
        leads = np.flatnonzero(penalties == penalty)
        penalised = left + np.diag(penalty / sizes)
        slopes[:, leads] = linalg.solve(penalised, moved[:, leads], assume_a="pos")
    return np.vstack([slopes, right[-1] / gram[-1, -1] - mean @ slopes])


def _path(
    gram: NDArray[np.float64], right: NDArray[np.float64], sizes: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Coefficients of every penalty, shape (n_penalties, n_columns + 1, n_leads)."""
    left, moved, mean = _centred(gram, right)
    root = np.sqrt(sizes)
    values, vectors = linalg.eigh(left * np.outer(root, root))
    rotated = vectors.T @ (root[:, None] * moved)
    vectors *= root[:, None]
    found = []
    for penalty in PENALTIES:
        slopes = vectors @ (rotated / (np.clip(values, 0.0, None) + penalty)[:, None])
        found.append(np.vstack([slopes, right[-1] / gram[-1, -1] - mean @ slopes]))
    return np.array(found)

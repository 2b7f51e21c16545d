"""Ridge regression in closed form: penalties chosen by years held out, and their forecasts.

A second fit takes the squared sizes of the first one's coefficients: columns that mattered little
are penalised more, which comes near to leaving them out (adaptive ridge; Frommlet and Nuel 2016,
PLoS ONE 11, e0148620).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import linalg

Fold = tuple[str, int]
Sums = tuple[NDArray[np.float64], NDArray[np.float64]]

PENALTIES = (1.0, 3.0, 10.0, 30.0, 100.0, 300.0, 1000.0, 3000.0, 10000.0)
BLOCKS = 6
"""Groups of water years, each forecast in turn by a fit that had not seen them."""
FORWARD_YEARS = 6
"""Last water years that are also forecast by a fit on earlier years alone."""
_NOTHING: Sums = np.zeros(()), np.zeros(())
LEAST_SIZE = 0.1
"""Added to a coefficient's relative squared size, so that no column is excluded for good."""


@dataclass(frozen=True)
class RidgeFit:
    """One regression of all leads, and the forecasts of fits on a part of the years.

    Parameters
    ----------
    coefficients
        Of all years, last the constant, shape (n_columns + 1, n_leads).
    held_out
        Forecasts of each year by a fit that had not seen its block, shape (n, n_leads).
    ahead
        Forecasts of the last ``FORWARD_YEARS`` by fits on earlier years, NaN before, same shape.
    """

    coefficients: NDArray[np.float64]
    held_out: NDArray[np.float64]
    ahead: NDArray[np.float64]


class NormalEquations:
    """Normal equations by water year, from which every tier, penalty and fold is solved.

    Parameters
    ----------
    matrix, target, weights
        Standardised columns with the constant last, targets and row weights.
    year, purged
        Water year of each row, and whether the row is too near to the year before.
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
        self._matrix, self._target = matrix, target
        self._year, self._block = year, year % BLOCKS
        parts = {
            int(number): self._sums((year == number) & ~purged, weights)
            for number in np.unique(year)
        }
        known = _total(parts.values())
        everything = _total([known, self._sums(purged, weights)])
        self._folds: dict[Fold, Sums] = {("all", 0): everything}
        self._judged: dict[Fold, Sums] = {}
        for block in sorted({number % BLOCKS for number in parts}):
            gram, right = _total(part for number, part in parts.items() if number % BLOCKS == block)
            fold = "without", block
            has_others = any(number % BLOCKS != block for number in parts)
            self._folds[fold] = (known[0] - gram, known[1] - right) if has_others else known
            self._judged[fold] = self._sums(
                self._block == block, weights if judged is None else judged
            )
        years, before = list(parts), _NOTHING
        first = max(len(years) - FORWARD_YEARS, len(years) // 2, 1)
        for k, number in enumerate(years):
            if k >= first:
                self._folds["before", number] = before
            before = _total([before, parts[number]])

    def _sums(self, rows: NDArray[np.bool_], weights: NDArray[np.float64]) -> Sums:
        """Sum up some rows; those without weight cost time and add nothing."""
        rows = rows & (weights > 0.0)
        root = np.sqrt(weights[rows])[:, None]
        part = self._matrix[rows] * root
        return part.T @ part, part.T @ (self._target[rows] * root)

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
        coefficients = self._coefficients(columns, sizes)
        use = np.append(columns, self._matrix.shape[1] - 1)
        held_out, ahead = (np.full(self._target.shape, np.nan) for _ in range(2))
        for (kind, number), of_fold in coefficients.items():
            if kind == "without":
                rows = np.flatnonzero(self._block == number)
                held_out[rows] = self._matrix[np.ix_(rows, use)] @ of_fold
            elif kind == "before":
                rows = np.flatnonzero(self._year == number)
                ahead[rows] = self._matrix[np.ix_(rows, use)] @ of_fold
        return RidgeFit(coefficients["all", 0], held_out, ahead)

    def sizes(
        self,
        columns: NDArray[np.int64],
        sizes: Mapping[Fold, NDArray[np.float64]] | None = None,
    ) -> dict[Fold, NDArray[np.float64]]:
        """Fit as :meth:`ridge`, and give the sizes of the coefficients that come out.

        Parameters
        ----------
        columns, sizes
            As of :meth:`ridge`.

        Returns
        -------
        dict
            Fold -> variance of each coefficient beside the others', shape (n_columns,). Folds are
            all years, those without a block, those before a year.
        """
        by_fold = self._coefficients(columns, sizes)
        return {fold: _sizes(coefficients[:-1]) for fold, coefficients in by_fold.items()}

    def _coefficients(
        self, columns: NDArray[np.int64], sizes: Mapping[Fold, NDArray[np.float64]] | None
    ) -> dict[Fold, NDArray[np.float64]]:
        """Coefficients of each fold, last the constant, shape (n_columns + 1, n_leads).

        A penalty's loss in the years held out is summed up from their normal equations: with
        thousands of rows that costs a tenth of forecasting each. The sum of the squared targets is
        the same for all penalties and left out.
        """
        use = np.append(columns, self._matrix.shape[1] - 1)
        grid = np.ix_(use, use)
        sums = {fold: (gram[grid], right[use]) for fold, (gram, right) in self._folds.items()}
        size = {fold: np.ones(len(columns)) for fold in sums} if sizes is None else sizes
        paths = {fold: _path(*sums[fold], size[fold]) for fold in self._judged}
        loss = np.sum(
            [_loss(*self._judged[fold], use, path) for fold, path in paths.items()], axis=0
        )
        best = loss.argmin(axis=0)
        leads = np.arange(len(best))
        coefficients = {fold: path[best, :, leads].T for fold, path in paths.items()}
        for fold, (gram, right) in sums.items():
            if fold not in coefficients:
                coefficients[fold] = _solve(gram, right, np.array(PENALTIES)[best], size[fold])
        return coefficients


def _loss(
    gram: NDArray[np.float64],
    right: NDArray[np.float64],
    use: NDArray[np.int64],
    path: NDArray[np.float64],
) -> NDArray[np.float64]:
    """Squared error less that of forecasting 0, of shape (n_penalties, n_leads)."""
    part = gram[np.ix_(use, use)]
    explained = np.stack([(slopes * (part @ slopes)).sum(axis=0) for slopes in path])
    return np.asarray(explained - 2.0 * (path * right[use]).sum(axis=1))


def _total(parts: Iterable[Sums]) -> Sums:
    gram, right = _NOTHING
    for part_gram, part_right in parts:
        gram, right = gram + part_gram, right + part_right
    return gram, right


def _centre(
    gram: NDArray[np.float64], right: NDArray[np.float64]
) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]:
    """Centre by the constant, the last column, so that every other column is penalised alike.

    Returns
    -------
    tuple of ndarray
        Gram matrix, right side, and the weighted mean of each column.
    """
    mean = gram[:-1, -1] / gram[-1, -1]
    centred = gram[:-1, :-1] - np.outer(mean, mean) * gram[-1, -1]
    return centred, right[:-1] - np.outer(mean, right[-1]), mean


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
    centred, moved, mean = _centre(gram, right)
    slopes = np.empty_like(moved)
    for penalty in np.unique(penalties):
        leads = np.flatnonzero(penalties == penalty)
        slopes[:, leads] = _slopes(centred, moved[:, leads], penalty / sizes)
    return np.vstack([slopes, right[-1] / gram[-1, -1] - mean @ slopes])


def _path(
    gram: NDArray[np.float64], right: NDArray[np.float64], sizes: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Coefficients of every penalty, shape (n_penalties, n_columns + 1, n_leads)."""
    centred, moved, mean = _centre(gram, right)
    slopes = np.stack([_slopes(centred, moved, penalty / sizes) for penalty in PENALTIES])
    constant = right[-1] / gram[-1, -1] - mean @ slopes
    return np.concatenate([slopes, constant[:, None, :]], axis=1)


def _slopes(
    centred: NDArray[np.float64], moved: NDArray[np.float64], penalty: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Slopes of some leads with a penalty per column, shape (n_columns, n_leads)."""
    penalised = centred.copy()
    penalised[np.diag_indices(len(centred))] += penalty
    factor = linalg.cho_factor(penalised, overwrite_a=True, check_finite=False)
    return np.asarray(linalg.cho_solve(factor, moved, check_finite=False))

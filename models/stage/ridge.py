"""Adaptive ridge regression in closed form, its penalty chosen by splits held out.

A second fit takes the variances of the first one's coefficients as prior: columns that mattered
little are penalised more, which comes near to leaving them out (adaptive ridge; Frommlet and Nuel
2016, PLoS ONE 11, e0148620).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.linalg import LinAlgError, cho_factor, cho_solve, cholesky, lapack, solve_triangular
from scipy.optimize import nnls
from sklearn.base import BaseEstimator, MultiOutputMixin, RegressorMixin
from sklearn.model_selection import check_cv
from sklearn.utils.validation import _check_sample_weight, check_is_fitted, validate_data

PENALTIES = (1.0, 3.0, 10.0, 30.0, 100.0, 300.0, 1000.0, 3000.0, 10000.0)
_BLOCK = 64
"""Columns of a block in LAPACK, at most; sets the memory it works in."""
LEAST_VARIANCE = 0.1
"""Added to a coefficient's relative square, so that no column is excluded for good."""


@dataclass(frozen=True)
class RidgeFit:
    """Regressions on all rows and on the training rows of each split.

    Parameters
    ----------
    coefficients
        Last the intercept, shape (1 + n_splits, n_columns + 1, n_targets), first that of all rows.
    penalties
        Penalty of each target, shape (n_targets,).
    variances
        Variance expected of each coefficient beside the others', shape (1 + n_splits, n_columns).
    """

    coefficients: NDArray[np.float64]
    penalties: NDArray[np.float64]
    variances: NDArray[np.float64]


class NormalEquations:
    """Normal equations of all rows and of splits, from which any choice of columns is solved.

    Parameters
    ----------
    matrix, target, weights
        Columns, shape (n, n_columns), targets, shape (n, n_targets), and row weights, shape (n,).
    train
        Rows that each split is fitted on, shape (n_splits, n).
    test
        Rows that the first splits are judged on, shape (n_judged, n).
    judging_weights
        Weights of the held-out errors by which a penalty is chosen; default ``weights``.
    """

    def __init__(
        self,
        matrix: NDArray[np.float64],
        target: NDArray[np.float64],
        weights: NDArray[np.float64],
        *,
        train: NDArray[np.bool_],
        test: NDArray[np.bool_],
        judging_weights: NDArray[np.float64] | None = None,
    ) -> None:
        n = matrix.shape[1]
        everything = np.ones((1, len(matrix)), dtype=bool)
        products = _sum_rows(matrix, target, weights, np.vstack([everything, train]))
        means = products[:, n] / products[:, n, [n]]
        # Centred, every column is penalised alike, and the intercept not at all.
        for of_set, mean in zip(products, means, strict=True):
            of_set[:n] -= np.outer(of_set[:n, n], mean)
        self._column_means, self._target_means = means[:, :n], means[:, n + 1 :]
        self._gram, self._right = products[:, :n, :n], products[:, :n, n + 1 :]
        held_out = _sum_rows(
            matrix, target, weights if judging_weights is None else judging_weights, test
        )
        self._test_gram, self._test_right = (
            held_out[:, : n + 1, : n + 1],
            held_out[:, : n + 1, n + 1 :],
        )

    def fit(
        self,
        columns: NDArray[np.int64],
        penalties: Sequence[float],
        variances: NDArray[np.float64] | None = None,
        *,
        nonnegative: NDArray[np.bool_] | None = None,
    ) -> RidgeFit:
        """Fit with the penalty per target that the judged splits prefer.

        The loss of a penalty comes from the normal equations of the rows held out: with thousands
        of rows that costs a tenth of forecasting each.

        Parameters
        ----------
        columns
            Indices of the columns to use.
        penalties
            Candidates.
        variances
            Variance expected of each coefficient, shape (1 + n_splits, n_columns); default 1.
        nonnegative
            Which of the columns take no coefficient below 0, shape (n_columns,); default none. The
            penalty is chosen without regard to it.

        Returns
        -------
        RidgeFit
        """
        grams, rights, means = self._gram, self._right, self._column_means
        if len(columns) < grams.shape[1]:
            grams, rights, means = _take(grams, columns), rights[:, columns], means[:, columns]
        prior = np.ones(means.shape) if variances is None else variances
        n_judged, n_targets = len(self._test_gram), rights.shape[2]
        coefficients = np.empty((len(grams), len(columns) + 1, n_targets))
        paths = np.empty((n_judged, len(columns) + 1, len(penalties), n_targets))
        room = np.empty(grams.shape[1:])
        for split, path in enumerate(paths, 1):
            path[:-1] = _solve_path(grams[split], rights[split], penalties, prior[split], room)
            offsets = means[split] @ path[:-1].reshape(len(columns), -1)
            path[-1] = self._target_means[split] - offsets.reshape(len(penalties), n_targets)
        best = self._loss(columns, paths).argmin(axis=0)
        coefficients[1 : n_judged + 1] = paths[:, :, best, np.arange(n_targets)]
        every_fit = range(len(grams))
        for number in every_fit if nonnegative is not None else (0, *every_fit[n_judged + 1 :]):
            slopes = coefficients[number, :-1]
            for k in np.unique(best):
                of_penalty = np.flatnonzero(best == k)
                right = rights[number][:, of_penalty]
                ridge = penalties[k] / prior[number]
                slopes[:, of_penalty] = (
                    _solve(grams[number], right, ridge, room)
                    if nonnegative is None
                    else _solve_nonnegative(grams[number], right, ridge, nonnegative)
                )
            coefficients[number, -1] = self._target_means[number] - means[number] @ slopes
        return RidgeFit(coefficients, np.asarray(penalties)[best], prior)

    def _loss(self, columns: NDArray[np.int64], paths: NDArray[np.float64]) -> NDArray[np.float64]:
        """Squared error less that of forecasting 0, of shape (n_penalties, n_targets).

        Parameters
        ----------
        columns, paths
            Columns that are used, and coefficients of each judged split, last the intercept, shape
            (n_judged, n_columns + 1, n_penalties, n_targets).
        """
        use = np.append(columns, self._test_gram.shape[1] - 1)
        every = len(use) == self._test_gram.shape[1]
        loss = np.zeros(paths.shape[2:])
        for gram, right, path in zip(
            self._test_gram if every else _take(self._test_gram, use),
            self._test_right[:, use],
            paths,
            strict=True,
        ):
            explained = (gram @ path.reshape(len(use), -1)).reshape(path.shape)
            explained -= 2.0 * right[:, None]
            loss += np.einsum("ckt,ckt->kt", path, explained)
        return loss

    def fit_adaptive(
        self,
        columns: NDArray[np.int64],
        penalties: Sequence[float],
        *,
        least_variance: float,
        prior_variances: NDArray[np.float64] | None = None,
        nonnegative: NDArray[np.bool_] | None = None,
    ) -> RidgeFit:
        """Fit, and fit again with the variances of the first fit's coefficients.

        Parameters
        ----------
        columns, penalties
            As of :meth:`fit`.
        least_variance
            As of :func:`relative_variances`.
        prior_variances
            Variances of the first fit; the second takes the mean of these and its own. Default 1
            for the first fit, and its own alone for the second.
        nonnegative
            As of :meth:`fit`, for the second fit.

        Returns
        -------
        RidgeFit
        """
        first = self.fit(columns, penalties, prior_variances)
        own = relative_variances(first.coefficients, least_variance)
        variances = own if prior_variances is None else (prior_variances + own) / 2.0
        return self.fit(columns, penalties, variances, nonnegative=nonnegative)


class AdaptiveRidgeCV(MultiOutputMixin, RegressorMixin, BaseEstimator):
    """Ridge regression of several targets, adaptive, with the penalty that held-out rows prefer.

    Beside scikit-learn's ``RidgeCV`` it fits twice: the second time each column is penalised by the
    inverse of the squared size that its coefficients had, averaged over the targets.

    Parameters
    ----------
    alphas
        Candidate penalties; each target has its own.
    cv
        Splits as of scikit-learn: a number of folds, a splitter or an iterable of pairs of indices.
    least_variance
        Added to a coefficient's relative square, so that no column is excluded for good.
    prior_variances
        Variance expected of each coefficient beside the others', shape (n_features,); the second
        fit then takes the mean of these and its own. Default 1.
    adaptive
        Whether to fit twice; scikit-learn's ridge regression does not.

    Attributes
    ----------
    coef_, intercept_
        Shapes (n_targets, n_features) and (n_targets,), or (n_features,) and a number for a target
        of one dimension.
    alpha_
        Penalty of each target.
    prior_variances_
        Variances of the last fit, shape (n_features,).
    cv_predictions_
        Predictions of each row by the split that left it out, shape of the targets; NaN for rows
        that no split left out.

    Examples
    --------
    >>> x = np.array([[0.0, 1.0], [1.0, 0.0], [2.0, 1.0], [3.0, 1.0], [4.0, 0.0], [5.0, 1.0]])
    >>> AdaptiveRidgeCV(alphas=(1e-6,), cv=3).fit(x, 2.0 * x[:, 0] + 1.0).coef_.round(3).tolist()
    [2.0, 0.0]
    """

    def __init__(
        self,
        alphas: Sequence[float] = PENALTIES,
        *,
        cv: Any = None,
        least_variance: float = LEAST_VARIANCE,
        prior_variances: ArrayLike | None = None,
        adaptive: bool = True,
    ) -> None:
        self.alphas = alphas
        self.cv = cv
        self.least_variance = least_variance
        self.prior_variances = prior_variances
        self.adaptive = adaptive

    def fit(
        self,
        X: ArrayLike,  # noqa: N803
        y: ArrayLike,
        sample_weight: ArrayLike | None = None,
        groups: ArrayLike | None = None,
    ) -> Self:
        """Fit on all rows with the penalty that the splits prefer.

        Parameters
        ----------
        X, y
            Shapes (n, n_features) and (n,) or (n, n_targets).
        sample_weight
            Shape (n,); default 1.
        groups
            Passed to the splitter.

        Raises
        ------
        ValueError
            Not finite numbers, or other shapes.
        """
        rows, target = validate_data(
            self, X, y, dtype=np.float64, multi_output=True, y_numeric=True, ensure_min_samples=2
        )
        weights = _check_sample_weight(sample_weight, rows, dtype=np.float64)
        targets = np.asarray(target, dtype=np.float64).reshape(len(rows), -1)
        splits = list(check_cv(self.cv).split(rows, targets, groups))
        train, test = (_mask_rows(part, len(rows)) for part in zip(*splits, strict=True))
        normal = NormalEquations(rows, targets, weights, train=train, test=test)
        columns, prior = np.arange(rows.shape[1]), self.prior_variances
        variances = None if prior is None else np.tile(prior, (1 + len(splits), 1))
        if self.adaptive:
            regression = normal.fit_adaptive(
                columns,
                self.alphas,
                least_variance=self.least_variance,
                prior_variances=variances,
            )
        else:
            regression = normal.fit(columns, self.alphas, variances)
        predictions = np.full(targets.shape, np.nan)
        for of_split, held_out in zip(regression.coefficients[1:], test, strict=True):
            predictions[held_out] = rows[held_out] @ of_split[:-1] + of_split[-1]
        coefficients = regression.coefficients[0]
        one_target = np.ndim(target) == 1
        self.coef_ = coefficients[:-1, 0] if one_target else coefficients[:-1].T
        self.intercept_ = coefficients[-1, 0] if one_target else coefficients[-1]
        self.alpha_ = regression.penalties[0] if one_target else regression.penalties
        self.prior_variances_ = regression.variances[0]
        self.cv_predictions_ = predictions[:, 0] if one_target else predictions
        return self

    def predict(self, X: ArrayLike) -> NDArray[np.float64]:  # noqa: N803
        """Predict the targets of some rows, shape (n,) or (n, n_targets)."""
        check_is_fitted(self)
        rows = validate_data(self, X, dtype=np.float64, reset=False)
        return np.asarray(rows @ self.coef_.T + self.intercept_)


def relative_variances(
    coefficients: NDArray[np.float64], least_variance: float
) -> NDArray[np.float64]:
    """Variance of each coefficient beside the others', from a fit of all targets.

    Parameters
    ----------
    coefficients
        Last the intercept, shape (n_fits, n_columns + 1, n_targets).
    least_variance
        Added to each, before all are scaled to a mean of 1.

    Returns
    -------
    ndarray
        Shape (n_fits, n_columns).

    Examples
    --------
    >>> relative_variances(np.array([[[2.0], [0.0], [7.0]]]), 0.1).round(2).tolist()
    [[1.91, 0.09]]
    """
    squares = coefficients[:, :-1] ** 2
    mean = squares.mean(axis=1, keepdims=True)
    share = squares / np.maximum(mean, np.finfo("float64").tiny)
    return np.asarray((share.mean(axis=2) + least_variance) / (1.0 + least_variance))


def _mask_rows(parts: Sequence[NDArray[np.int64]], n: int) -> NDArray[np.bool_]:
    masks = [np.zeros(n, dtype=bool) for _ in parts]
    for mask, part in zip(masks, parts, strict=True):
        mask[part] = True
    return np.array(masks)


def _sum_rows(
    matrix: NDArray[np.float64],
    target: NDArray[np.float64],
    weights: NDArray[np.float64],
    sets: NDArray[np.bool_],
) -> NDArray[np.float64]:
    """Sum up the products of columns, a constant and targets, in this order, over sets of rows.

    Each row is summed up once: rows of the same sets are a part, and a set's sums are its parts'.
    Rows without weight cost time and add nothing.

    Returns
    -------
    ndarray
        Shape (n_sets, n_columns + 1 + n_targets, n_columns + 1 + n_targets).

    Raises
    ------
    ValueError
        No row has a weight.
    """
    used = np.flatnonzero((weights > 0.0) & sets.any(axis=0))
    if not used.size:
        raise ValueError("expected rows of every season, found none of one")
    part = np.zeros(len(used), dtype=np.int64)
    for of_set in sets[:, used]:
        part = 2 * part + of_set
        part = (np.cumsum(np.bincount(part) > 0) - 1)[part]
    _, first = np.unique(part, return_index=True)
    members = sets[:, used[first]].astype("float64")
    ends = np.cumsum(np.bincount(part))[:-1]
    n, width = matrix.shape[1], matrix.shape[1] + 1 + target.shape[1]
    products = np.empty((len(ends) + 1, width, width))
    for of_part, rows in zip(
        products, np.split(used[np.argsort(part, kind="stable")], ends), strict=True
    ):
        weighted = np.empty((len(rows), width))
        weighted[:, :n], weighted[:, n], weighted[:, n + 1 :] = matrix[rows], 1.0, target[rows]
        weighted *= np.sqrt(weights[rows])[:, None]
        np.matmul(weighted.T, weighted, out=of_part)
    return np.tensordot(members, products, 1)


def _take(grams: NDArray[np.float64], columns: NDArray[np.int64]) -> NDArray[np.float64]:
    """Gram matrices of some columns alone."""
    return np.stack([gram[columns][:, columns] for gram in grams])


def _solve_path(
    gram: NDArray[np.float64],
    right: NDArray[np.float64],
    penalties: Sequence[float],
    prior: NDArray[np.float64],
    room: NDArray[np.float64],
) -> NDArray[np.float64]:
    """Slopes of several penalties, shape (n_columns, n_penalties, n_targets).

    Of columns scaled by the roots of their prior variances every penalty is a multiple of the
    identity, so that one tridiagonal form (LAPACK's ``dsytrd``) serves all penalties.

    Parameters
    ----------
    gram, right
        Shapes (n_columns, n_columns) and (n_columns, n_targets).
    penalties, prior
        Penalties, and the variance expected of each coefficient.
    room
        As of :func:`_solve`.
    """
    n, n_targets = right.shape
    if n == 1:
        # A single column has no reflectors, and LAPACK takes none of size 0.
        single = [_solve(gram, right, penalty / prior, room) for penalty in penalties]
        return np.stack(single, axis=1)
    root = np.sqrt(prior)
    np.multiply(gram, root[:, None], out=room)
    room *= root
    work = _BLOCK * (max(n, len(penalties) * n_targets) + _BLOCK + 1)
    form, diagonal, beside, factors, _ = lapack.dsytrd(room.T, lower=1, overwrite_a=1, lwork=work)
    reflectors = np.asfortranarray(form[1:, :-1])
    rotated = np.asfortranarray(root[:, None] * right)
    rotated[1:] = lapack.dormqr("L", "T", reflectors, factors, rotated[1:], work)[0]
    paths = np.empty((n, len(penalties) * n_targets), order="F")
    for k, penalty in enumerate(penalties):
        _, _, solved, failed = lapack.dptsv(diagonal + penalty, beside, rotated)
        if failed:
            raise LinAlgError("expected a positive definite matrix, found another")
        paths[:, k * n_targets : (k + 1) * n_targets] = solved
    paths[1:] = lapack.dormqr("L", "N", reflectors, factors, paths[1:], work)[0]
    paths *= root[:, None]
    return paths.reshape(n, len(penalties), n_targets)


def _solve(
    gram: NDArray[np.float64],
    right: NDArray[np.float64],
    penalty: NDArray[np.float64],
    room: NDArray[np.float64],
) -> NDArray[np.float64]:
    """Slopes with a penalty per column, shape (n_columns, n_targets).

    The factor is made in ``room``, of the shape of ``gram``: memory taken anew for each of some
    thousand fits has to be cleared each time.
    """
    np.copyto(room, gram)
    room.ravel()[:: len(gram) + 1] += penalty
    # The transpose of a symmetric matrix is itself, and in the order of columns: nothing is copied.
    _, slopes, failed = lapack.dposv(room.T, right, lower=1, overwrite_a=1)
    if failed:
        raise LinAlgError("expected a positive definite matrix, found another")
    return np.asarray(slopes)


def _solve_nonnegative(
    gram: NDArray[np.float64],
    right: NDArray[np.float64],
    penalty: NDArray[np.float64],
    nonnegative: NDArray[np.bool_],
) -> NDArray[np.float64]:
    """Slopes as of :func:`_solve`, the least squares among those not below 0 in some columns.

    The other columns are eliminated first, so that what is left is a problem of those alone
    (Lawson and Hanson 1974, ch. 23).
    """
    normal = gram + np.diag(penalty)
    signed, free = np.flatnonzero(nonnegative), np.flatnonzero(~nonnegative)
    factor = cho_factor(normal[np.ix_(free, free)], lower=True)
    shared = normal[np.ix_(free, signed)]
    root = cholesky(normal[np.ix_(signed, signed)] - shared.T @ cho_solve(factor, shared))
    rest = right[signed] - shared.T @ cho_solve(factor, right[free])
    slopes = np.empty_like(right)
    sides = np.asarray(solve_triangular(root, rest, trans="T"), dtype="float64")
    for target in range(sides.shape[1]):
        slopes[signed, target] = nnls(root, sides[:, target])[0]
    slopes[free] = cho_solve(factor, right[free] - shared @ slopes[signed])
    return slopes

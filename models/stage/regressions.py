"""Fitted regressions of the change of stage: ridge by season, or any of scikit-learn's."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
from numpy.typing import NDArray
from sklearn.base import BaseEstimator, clone
from sklearn.utils.validation import has_fit_parameter

from models.stage.design import DRIVERS

if TYPE_CHECKING:
    from sklearn.preprocessing import KBinsDiscretizer

MOST_COLUMNS = 96
"""Columns that a regressor sees: those that a lead's change correlates with best."""
CODES = 250
"""Codes of a column for regressors that cut columns into bins themselves, 255 at most."""
Drivers = dict[str, NDArray[np.float64]]
"""Kind of evidence -> its part in the change of stage in m, shape (n, n_leads)."""


@dataclass(frozen=True)
class SeasonalRidge:
    """Ridge regressions of the seasons on some columns.

    Parameters
    ----------
    columns
        Indices of the design's columns.
    coefficients
        Change in m per standard deviation of each column, last the intercept, shape
        (n_seasons, n_columns + 1, n_leads).
    """

    drivers_method: ClassVar[str] = "exact"
    """The drivers are the terms of the linear model."""
    columns: NDArray[np.int64]
    coefficients: NDArray[np.float64]

    def forecast(
        self, matrix: NDArray[np.float64], shares: NDArray[np.float64], kinds: Sequence[str]
    ) -> tuple[NDArray[np.float64], Drivers]:
        """Forecast the change in m, and split it by the kinds of evidence.

        Parameters
        ----------
        matrix, shares
            Columns of the design, and each season's share in the forecast.
        kinds
            Kind of evidence of each column of the design; the intercept is the season's.

        Returns
        -------
        tuple
            Change, shape (n, n_leads), and its parts.
        """
        used = np.column_stack([matrix[:, self.columns], np.ones(len(matrix))])
        terms = used[:, :, None] * np.tensordot(shares, self.coefficients, axes=1)
        of_column = np.array([*(kinds[k] for k in self.columns), "season"])
        drivers = {kind: terms[:, of_column == kind].sum(axis=1) for kind in DRIVERS}
        return terms.sum(axis=1), drivers


@dataclass(frozen=True)
class LeadRegressors:
    """One estimator of scikit-learn's per lead, on some columns, of all seasons together.

    Parameters
    ----------
    columns
        Indices of the design's columns.
    used
        Those of them that the estimators see.
    estimators
        Fitted, one per lead.
    codes
        Cuts the columns into codes first; None for none.
    """

    drivers_method: ClassVar[str] = "substitution"
    """The drivers come from putting a group of columns at its mean at a time."""
    columns: NDArray[np.int64]
    used: NDArray[np.int64]
    estimators: tuple[Any, ...]
    codes: KBinsDiscretizer | None

    @classmethod
    def fit(
        cls,
        regressor: BaseEstimator,
        columns: NDArray[np.int64],
        matrix: NDArray[np.float64],
        target: NDArray[np.float64],
        weights: NDArray[np.float64],
    ) -> LeadRegressors:
        """Fit an estimator per lead.

        Parameters
        ----------
        regressor
            Cloned for each lead; weights are passed on where it takes them.
        columns
            Indices of the columns of the tier, of which ``MOST_COLUMNS`` are used.
        matrix, target, weights
            Columns of the design, changes of stage in m, and the weight of each row.
        """
        used, codes = _choose_columns(columns, matrix, target), None
        seen = matrix[:, used]
        if type(regressor).__name__ == "HistGradientBoostingRegressor":
            from sklearn.preprocessing import KBinsDiscretizer  # noqa: PLC0415  (0.5 s)

            # With weights it sorts every column of every fit: ten times as long as on codes.
            codes = KBinsDiscretizer(
                CODES, encode="ordinal", quantile_method="averaged_inverted_cdf", subsample=None
            )
            with warnings.catch_warnings():
                warnings.filterwarnings("ignore", "Bins whose width are too small")
                seen = codes.fit_transform(seen)
        more = {"sample_weight": weights} if has_fit_parameter(regressor, "sample_weight") else {}
        estimators = tuple(clone(regressor).fit(seen, of_lead, **more) for of_lead in target.T)
        return cls(columns, used, estimators, codes)

    def forecast(
        self,
        matrix: NDArray[np.float64],
        shares: NDArray[np.float64],  # noqa: ARG002
        kinds: Sequence[str],
    ) -> tuple[NDArray[np.float64], Drivers]:
        """Forecast the change in m, and split it by the kinds of evidence.

        The part of a kind is what the forecast loses where its columns take their mean; what these
        parts do not add up to is the season's.

        Parameters
        ----------
        matrix, kinds
            As of :meth:`SeasonalRidge.forecast`.
        shares
            Not used.
        """
        change = self.predict(matrix)
        drivers = {}
        for kind in DRIVERS:
            columns = [k for k in self.used if kinds[k] == kind]
            without = matrix.copy()
            without[:, columns] = 0.0
            drivers[kind] = change - self.predict(without) if columns else np.zeros_like(change)
        drivers["season"] += change - np.sum(list(drivers.values()), axis=0)
        return change, drivers

    def predict(self, matrix: NDArray[np.float64]) -> NDArray[np.float64]:
        """Forecast the change in m, shape (n, n_leads)."""
        seen = matrix[:, self.used]
        if self.codes is not None:
            seen = self.codes.transform(seen)
        return np.column_stack([estimator.predict(seen) for estimator in self.estimators])


def _choose_columns(
    columns: NDArray[np.int64], matrix: NDArray[np.float64], target: NDArray[np.float64]
) -> NDArray[np.int64]:
    """Choose the columns that correlate best with the change at any lead, in their order."""
    if len(columns) <= MOST_COLUMNS:
        return columns
    from sklearn.feature_selection import r_regression  # noqa: PLC0415  (0.4 s)

    seen = matrix[:, columns]
    best = np.max([np.abs(r_regression(seen, of_lead)) for of_lead in target.T], axis=0)
    return np.sort(columns[np.argsort(-best, kind="stable")[:MOST_COLUMNS]])

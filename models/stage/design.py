"""One gauge's design matrix: its columns, their prior sizes, and the tier that a day allows."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Self

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from sklearn.base import BaseEstimator, TransformerMixin, clone
from sklearn.pipeline import Pipeline

from models.stage.columns import WET_MONTH, list_columns, unit_names
from models.stage.features import (
    RAIN_WINDOWS,
)
from models.stage.imputer import BoundedScaler, ConditionalMeanImputer
from models.stage.neighbours import Neighbours

GROUPS = ("own_trend", "upstream", "rain", "wetness", "season", "tide")
"""Kinds of evidence that a tier has or lacks; rain of more than a week ago is wetness."""
DRIVERS = ("height", *GROUPS)
"""Kinds of evidence that a forecast's change is split into; the height of the river, at the gauge
and at others, is separate from its changes."""
TIER_GROUPS: dict[str, tuple[str, ...]] = {
    "full": GROUPS,
    "no_rain": ("own_trend", "upstream", "season", "tide"),
    "no_upstream": ("own_trend", "rain", "wetness", "season", "tide"),
    "own_stage": ("own_trend", "season", "tide"),
}
"""Tiers, best first, and the evidence each uses; below the last is climatology."""
LEAST_SHARE = 0.5
"""Share of the upstream gauges, and of the rain units, that a tier needs on the day."""
TIER_GAUGES = 4
"""Nearest gauges upstream of which a tier needs that share."""
PRIOR = {
    "rise": 0.6, "rose": 0.3, "level": 4.0, "season": 4.0, "tide": 0.5,
    "mean": 1.5, "rain": 0.6, "wet": 0.09, "soil": 0.09,
    "own since": 2.5, "own above": 2.5, "near change": 2.0, "near rise": 1.2,
    "tributary change": 0.5, "tributary rise": 0.3, "downstream level": 1.6,
    "own level*level": 1.0, "own level*season": 1.0, "own since*season": 1.0,
    "rose*rose": 1.0, "mean*mean": 1.0, "mean*season": 4.0,
}  # fmt: skip
"""Expected size of a standardised column's coefficient relative to the others', by the start of its
name and the role of its gauge: the penalty is small for columns that are sure to matter and large
for the rain of single units. Other features count 1, other products ``PRODUCT_PRIOR``."""
PRODUCT_PRIOR = 0.5
REGIME = (*(f"season:{k}" for k in range(4)), "mean:0:1", "mean:3:5", WET_MONTH)
"""Columns that the spread of the errors depends on, where a tier has them."""


class StageFeatures(TransformerMixin, BaseEstimator):
    """Select features by name, and average the rain of units.

    Parameters
    ----------
    names
        Features to select; ``mean:<first>:<after>`` is made of the units' ``root:`` features. Those
        that a table lacks are NaN.
    units
        Rain units that are averaged.
    """

    def __init__(self, names: tuple[str, ...], units: tuple[str, ...]) -> None:
        self.names = names
        self.units = units

    def fit(self, X: pd.DataFrame, y: object = None) -> Self:  # noqa: ARG002, N803
        """Learn nothing."""
        self.fitted_ = True
        return self

    def transform(self, X: pd.DataFrame) -> NDArray[np.float64]:  # noqa: N803
        """Give the features in their own units, NaN where missing, shape (n, n_names)."""
        raw = _select(X, self.names)
        for k, name in enumerate(self.names):
            if name.startswith("mean:"):
                raw[:, k] = _mean_rain(X, self.units, name)
        return raw


class ColumnProducts(TransformerMixin, BaseEstimator):
    """Append standardised products of columns, and scale all by the size expected of each.

    Parameters
    ----------
    names
        Names of the result: first features, then products; ``a*b`` is that of the columns a and b.
        Further columns of the input are left out.
    priors
        Expected size of each column's coefficient relative to the others'.
    scaler
        Standardises the products.
    """

    def __init__(
        self, names: tuple[str, ...], priors: tuple[float, ...], scaler: BoundedScaler
    ) -> None:
        self.names = names
        self.priors = priors
        self.scaler = scaler

    def fit(self, X: NDArray[np.float64], y: object = None) -> Self:  # noqa: ARG002, N803
        """Standardise the products of some rows."""
        self.scaler_ = clone(self.scaler).fit(self._products(X))
        return self

    def transform(self, X: NDArray[np.float64]) -> NDArray[np.float64]:  # noqa: N803
        """Give features and products times their priors, shape (n, n_names)."""
        return self._join(X, self._products(X))

    def fit_transform(self, X: NDArray[np.float64], y: object = None) -> NDArray[np.float64]:  # noqa: ARG002, N803
        """Standardise the products of some rows, and give the columns of the same rows."""
        products = self._products(X)
        self.scaler_ = clone(self.scaler).fit(products)
        return self._join(X, products)

    def _join(
        self, features: NDArray[np.float64], products: NDArray[np.float64]
    ) -> NDArray[np.float64]:
        n_features = len(self.names) - products.shape[1]
        columns = np.empty((len(features), len(self.names)))
        columns[:, :n_features] = features[:, :n_features]
        columns[:, n_features:] = self.scaler_.transform(products)
        columns *= np.array(self.priors)
        return columns

    def _products(self, z: NDArray[np.float64]) -> NDArray[np.float64]:
        place = {name: k for k, name in enumerate(self.names)}
        factors = [[place[part] for part in name.split("*")] for name in self.names if "*" in name]
        by_column = np.ascontiguousarray(z.T)
        return np.stack([by_column[parts].prod(axis=0) for parts in factors], axis=1)


class StageDesign(TransformerMixin, BaseEstimator):
    """Columns of one gauge's regressions, from the features of each morning.

    A pipeline selects the features, standardises them, fills their gaps, and appends products.

    Parameters
    ----------
    neighbours
        Gauges and rain units that are used.
    priors
        Expected size of a standardised column's coefficient relative to the others', by the start
        of its name and the role of its gauge, as ``PRIOR``.
    product_prior
        That of products which ``priors`` does not name.
    scaler, imputer
        Transformers of features with gaps; of products the scaler alone.

    Attributes
    ----------
    names_, groups_
        Name and group of each column: first the features, then their products.
    auxiliary_
        Features of rain units that have ended: no columns of the regression, they only help to fill
        gaps in those that are.
    pipeline_
        The fitted pipeline.
    """

    def __init__(
        self,
        neighbours: Neighbours,
        *,
        priors: Mapping[str, float] = PRIOR,
        product_prior: float = PRODUCT_PRIOR,
        scaler: BoundedScaler | None = None,
        imputer: ConditionalMeanImputer | None = None,
    ) -> None:
        self.neighbours = neighbours
        self.priors = priors
        self.product_prior = product_prior
        self.scaler = scaler
        self.imputer = imputer

    def fit(self, X: pd.DataFrame, y: object = None) -> Self:  # noqa: ARG002, N803
        """Fit the standardisation and the imputer.

        Parameters
        ----------
        X
            Features by date, as :meth:`models.stage.features.Library.table` gives them.
        y
            Not used.
        """
        self.fit_transform(X)
        return self

    def fit_transform(self, X: pd.DataFrame, y: object = None) -> NDArray[np.float64]:  # noqa: ARG002, N803
        """Fit, and give the columns of the same rows, shape (n, n_columns)."""
        columns = list_columns(self.neighbours, X)
        self.names_, self.groups_ = (tuple(part) for part in zip(*columns, strict=True))
        self.auxiliary_ = tuple(unit_names(X, self.neighbours.ended_units))
        features = tuple(name for name in self.names_ if "*" not in name)
        scaler = BoundedScaler() if self.scaler is None else self.scaler
        imputer = ConditionalMeanImputer() if self.imputer is None else self.imputer
        self.pipeline_ = Pipeline(
            [
                ("features", StageFeatures(features + self.auxiliary_, self.neighbours.units)),
                ("scaler", clone(scaler)),
                ("imputer", clone(imputer)),
                ("products", ColumnProducts(self.names_, tuple(self._list_priors()), scaler)),
            ]
        )
        return np.asarray(self.pipeline_.fit_transform(X))

    def transform(self, X: pd.DataFrame) -> NDArray[np.float64]:  # noqa: N803
        """Give standardised columns times their priors, without gaps, shape (n, n_columns).

        Missing features become their expectation given the rest of the row.
        """
        return np.asarray(self.pipeline_.transform(X))

    def _list_priors(self) -> list[float]:
        return [self._prior(name) for name in self.names_]

    def _prior(self, name: str) -> float:
        first, *factors = name.split("*")
        kind, gauge = first.split(":")[:2]
        kinds = "*".join([kind, *(factor.partition(":")[0] for factor in factors[:1])])
        default = self.product_prior if factors else 1.0
        role = self.neighbours.role(gauge)
        return self.priors.get(f"{role} {kinds}", self.priors.get(kinds, default))

    def regime(self, columns: NDArray[np.int64]) -> tuple[int, list[int], list[int]]:
        """Columns of the own stage, of its last three changes, and of ``REGIME`` among some."""
        own = self.neighbours.station
        changes = [self.names_.index(f"change:{own}:{lag}") for lag in range(3)]
        regime_columns = [int(k) for k in columns if self.names_[k] in REGIME]
        return self.names_.index(f"level:{own}"), changes, regime_columns

    def error_regime(
        self,
        columns: NDArray[np.int64],
        matrix: NDArray[np.float64],
        change: NDArray[np.float64],
    ) -> NDArray[np.float64]:
        """Terms that the spread of a forecast's errors depends on.

        Volatility of the own gauge, its stage, season and rain where the columns have it, and the
        size of the forecast change.

        Parameters
        ----------
        columns
            Indices of the columns that the forecast uses.
        matrix
            Columns of the design, shape (n, n_columns).
        change
            Forecast change in m, shape (n, n_leads).

        Returns
        -------
        ndarray
            Shape (n_leads, n, n_terms).
        """
        level, changes, regime_columns = self.regime(columns)
        volatility = np.log(0.1 + np.abs(matrix[:, changes]).mean(axis=1))
        shared = np.column_stack(
            [np.ones(len(matrix)), volatility, matrix[:, [level, *regime_columns]]]
        )
        sizes = [np.log(0.02 + np.abs(of_lead)) for of_lead in change.T]
        return np.stack([np.column_stack([shared, size]) for size in sizes])

    def shared_names(self) -> list[str]:
        """Names of the columns with gauges called by their place."""
        return [self.neighbours.share_name(name) for name in self.names_]

    def drivers(self) -> list[str]:
        """Name for each column the one of ``DRIVERS`` that it belongs to."""
        return [
            "height" if name.startswith(("level:", "above:")) else group
            for name, group in zip(self.names_, self.groups_, strict=True)
        ]

    def tiers(self, X: pd.DataFrame) -> list[str]:  # noqa: N803
        """Best tier that the evidence of each row allows."""
        upstream, units = self.neighbours.upstream[:TIER_GAUGES], self.neighbours.units
        own_known = np.isfinite(_select(X, [f"level:{self.neighbours.station}"])[:, 0])
        flows, rains = np.ones(len(X), dtype=bool), np.zeros(len(X), dtype=bool)
        if upstream:
            levels = _select(X, [f"level:{gauge}" for gauge in upstream])
            flows = np.isfinite(levels).mean(axis=1) >= LEAST_SHARE
        if units:
            recent = [f"rain:{unit}:{first}" for unit in units for first, _ in RAIN_WINDOWS[:3]]
            known = np.isfinite(_select(X, recent)).reshape(len(X), len(units), 3).any(axis=2)
            rains = known.mean(axis=1) >= LEAST_SHARE
        best = np.where(
            rains, np.where(flows, "full", "no_upstream"), np.where(flows, "no_rain", "own_stage")
        )
        return [str(tier) for tier in np.where(own_known, best, "climatology")]


def _select(table: pd.DataFrame, names: Sequence[str]) -> NDArray[np.float64]:
    """Columns of a table by name, NaN where it has none, shape (n, n_names)."""
    place = table.columns.get_indexer(pd.Index(names))
    values = table.to_numpy()[:, place]
    values[:, place < 0] = np.nan
    return np.asarray(values)


def _mean_rain(table: pd.DataFrame, units: tuple[str, ...], name: str) -> NDArray[np.float64]:
    """Root of a window's rain, averaged over the units that have it, NaN with none."""
    window = name.removeprefix("mean:")
    values = _select(table, [f"root:{unit}:{window}" for unit in units]).T
    count = np.isfinite(values).sum(axis=0)
    return np.where(count > 0, np.nansum(values, axis=0) / np.maximum(count, 1), np.nan)

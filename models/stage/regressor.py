"""The stage of one gauge days ahead, as an estimator of scikit-learn's kind.

The change of stage is regressed on the evidence of a morning, per tier of what is at hand; the
distribution of the errors comes from water years that the fit had not seen.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Self

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray
from sklearn.base import BaseEstimator, RegressorMixin, clone
from sklearn.utils.validation import check_is_fitted

from models.climatology import FROM_APRIL_BY_DAYS, WET_MONTHS, pentad, pentad_windows, water_year
from models.stage.design import TIER_GROUPS, StageDesign
from models.stage.distribution import StageDistribution, StagePart
from models.stage.errors import (
    LEAST_AHEAD,
    MOST_WIDENING,
    PROBABILITIES,
    TAIL_FLOOR,
    TAIL_SHAPE,
    ErrorDistribution,
    climatology_errors,
    fit_errors,
    fit_scale,
    new_year_factor,
    predict_scale,
    widening_factor,
)
from models.stage.features import DAY
from models.stage.neighbours import Neighbours
from models.stage.regressions import LeadRegressors, SeasonalRidge
from models.stage.ridge import AdaptiveRidgeCV, NormalEquations, relative_variances
from models.stage.seasons import Seasons
from models.stage.splits import EVERYTHING, Fold, Splits, WaterYearSplit, list_splits
from models.verification.metrics import persistence_index

LEADS = (1, 2, 3, 4, 5, 6, 7)
PriorVariances = Mapping[tuple[int, Fold], Mapping[str, float]]
"""By season and fold the variance expected of each column's coefficient, by its shared name."""


@dataclass(frozen=True)
class TrainingRows:
    """Rows of one gauge that its regressions are fitted on.

    Parameters
    ----------
    dates, year
        Date and water year from April of each row.
    matrix, target
        Columns of the design, shape (n, n_columns), and changes of stage in m, (n, n_leads).
    splits
        Rows that fits leave out.
    """

    dates: pd.DatetimeIndex
    year: NDArray[np.int64]
    matrix: NDArray[np.float64]
    target: NDArray[np.float64]
    splits: Splits


@dataclass(frozen=True)
class TierModel:
    """Regression on one tier of evidence with the distribution of its errors.

    Parameters
    ----------
    regression
        Of the change of stage.
    scale_coefficients
        Of the log of the error's scale on :func:`error_regime`, shape (n_leads, n_terms).
    scale_limits
        Lower and upper limit of that log, shape (n_leads, 2).
    errors
        Distribution of the scaled errors on held-out years.
    held_out_cp
        Persistence index in the wet season on years that the fit had not seen, shape (n_leads,).
    """

    regression: SeasonalRidge | LeadRegressors
    scale_coefficients: NDArray[np.float64]
    scale_limits: NDArray[np.float64]
    errors: ErrorDistribution
    held_out_cp: NDArray[np.float64]


class StageRegressor(RegressorMixin, BaseEstimator):
    """Stage of one gauge at leads of some days, as a distribution, whatever is at hand.

    Each tier of evidence has a ridge regression per season on the change of stage, its penalties
    chosen by water years held out, and errors calibrated on them; below the last tier the
    distribution is that of past stages of the season.

    Parameters
    ----------
    neighbours
        The gauge, and the gauges and rain units that its forecast uses.
    leads
        Days ahead, increasing.
    tiers
        Tier -> groups of columns that it has, best first.
    design
        Makes columns of features; default :class:`models.stage.design.StageDesign`, of these
        neighbours.
    ridge
        Penalties and least variance of the regressions.
    regressor
        Any regressor of scikit-learn's to take the ridge's place, one per tier and lead, on columns
        without products; default none.
    cv
        Splits by which penalties are chosen and errors found; they forecast each row once. Default
        six blocks of water years, three for a ``regressor``.
    forward_years
        Last water years that are also forecast by a fit on earlier years alone, by which intervals
        widen; default six, none for a ``regressor``.
    season_knots, cross_season_weight, dry_wet_weight, dry_error_weight, half_life_y
        As of :class:`models.stage.seasons.Seasons`.
    tail_shape, tail_floor
        As of :func:`models.stage.errors.fit_errors`.
    most_widening, least_ahead
        As of :func:`models.stage.errors.widening_factor`.
    prior_variances
        Variances of coefficients that all gauges find together; default the gauge's own alone.

    Attributes
    ----------
    design_
        The fitted design.
    tiers_
        Tier -> regression and errors.
    climatology_
        Stage in m at ``PROBABILITIES`` by pentad of the year, shape (73, n_probabilities).
    highest_m_
        Highest stage in training.
    """

    def __init__(
        self,
        neighbours: Neighbours,
        *,
        leads: Sequence[int] = LEADS,
        tiers: Mapping[str, tuple[str, ...]] = TIER_GROUPS,
        design: StageDesign | None = None,
        ridge: AdaptiveRidgeCV | None = None,
        regressor: BaseEstimator | None = None,
        cv: Any = None,
        forward_years: int | None = None,
        season_knots: tuple[tuple[int, str], ...] = Seasons.knots,
        cross_season_weight: float = Seasons.cross_season_weight,
        dry_wet_weight: float = Seasons.dry_wet_weight,
        dry_error_weight: float = Seasons.dry_error_weight,
        half_life_y: float = Seasons.half_life_y,
        tail_shape: float = TAIL_SHAPE,
        tail_floor: float = TAIL_FLOOR,
        most_widening: float = MOST_WIDENING,
        least_ahead: int = LEAST_AHEAD,
        prior_variances: PriorVariances | None = None,
    ) -> None:
        self.neighbours = neighbours
        self.leads = leads
        self.tiers = tiers
        self.design = design
        self.ridge = ridge
        self.regressor = regressor
        self.cv = cv
        self.forward_years = forward_years
        self.season_knots = season_knots
        self.cross_season_weight = cross_season_weight
        self.dry_wet_weight = dry_wet_weight
        self.dry_error_weight = dry_error_weight
        self.half_life_y = half_life_y
        self.tail_shape = tail_shape
        self.tail_floor = tail_floor
        self.most_widening = most_widening
        self.least_ahead = least_ahead
        self.prior_variances = prior_variances

    def fit(self, X: pd.DataFrame, y: ArrayLike, groups: ArrayLike | None = None) -> Self:  # noqa: N803
        """Fit every tier.

        Parameters
        ----------
        X
            Features with the date as index, as :meth:`models.stage.features.Library.table` gives
            them, in order of time.
        y
            Stage in m on each lead's day, shape (n, n_leads); rows with a NaN are not fitted.
        groups
            Water year of each row; default that from April of its date.

        Raises
        ------
        ValueError
            No row has the stage of every lead, too few have it for the errors, the splits do not
            forecast each row once, or a tier is missing.
        """
        return self.fit_rows(self.prepare(X, y, groups))

    def prepare(
        self,
        X: pd.DataFrame,  # noqa: N803
        y: ArrayLike,
        groups: ArrayLike | None = None,
    ) -> TrainingRows:
        """Fit design and climatology, and give the rows of the regressions.

        Parameters
        ----------
        X, y, groups
            As of :meth:`fit`.
        """
        level = X[f"level:{self.neighbours.station}"].to_numpy()
        change = np.asarray(y, dtype="float64").reshape(len(X), -1) - level[:, None]
        if change.shape[1] != len(self.leads):
            raise ValueError(f"y: expected {len(self.leads)} leads, found {change.shape[1]}")
        if set(self.tiers) != set(TIER_GROUPS):
            raise ValueError(f"tiers: expected {', '.join(TIER_GROUPS)}, found {[*self.tiers]}")
        known = np.isfinite(change).all(axis=1)
        if not known.any():
            raise ValueError("expected rows with the stage of every lead, found none")
        self.n_features_in_ = X.shape[1]
        dates = pd.DatetimeIndex(X.index)
        self.climatology_, self.highest_m_ = _climatology(dates, level), float(np.nanmax(level))
        design = StageDesign(self.neighbours) if self.design is None else clone(self.design)
        self.design_ = design.set_params(neighbours=self.neighbours)
        rows, used = X[known], dates[known]
        matrix = self.design_.fit_transform(rows)
        year = water_year(dates, FROM_APRIL_BY_DAYS) if groups is None else np.asarray(groups)
        n_blocks, n_ahead = (6, 6) if self.regressor is None else (3, 0)
        splits = list_splits(
            WaterYearSplit(n_blocks) if self.cv is None else self.cv,
            X,
            year,
            known=known,
            forward_years=n_ahead if self.forward_years is None else self.forward_years,
        )
        return TrainingRows(used, year[known], matrix, change[known], splits)

    def first_variances(self, rows: TrainingRows) -> dict[tuple[int, Fold], dict[str, float]]:
        """Variances of coefficients that a first fit finds, by season and fold.

        Parameters
        ----------
        rows
            From :meth:`prepare`.

        Returns
        -------
        dict
            Empty for a ``regressor``, which needs none.
        """
        if self.regressor is not None:
            return {}
        ridge, names = self._ridge(), self.design_.shared_names()
        columns = np.arange(len(names))
        return {
            (season, fold): dict(zip(names, variances.tolist(), strict=True))
            for season, normal in enumerate(self._equations(rows))
            for fold, variances in zip(
                [EVERYTHING, *rows.splits.names],
                relative_variances(
                    normal.fit(columns, ridge.alphas).coefficients, ridge.least_variance
                ),
                strict=True,
            )
        }

    def fit_rows(self, rows: TrainingRows) -> Self:
        """Fit every tier on prepared rows.

        Parameters
        ----------
        rows
            From :meth:`prepare`.
        """
        equations = self._equations(rows) if self.regressor is None else []
        self.tiers_: dict[str, TierModel] = {}
        for tier, groups in self.tiers.items():
            columns = np.flatnonzero(np.isin(self.design_.groups_, groups))
            if self.regressor is not None:
                columns = np.array([k for k in columns if "*" not in self.design_.names_[k]])
            same = next(
                (
                    fitted
                    for fitted in self.tiers_.values()
                    if np.array_equal(fitted.regression.columns, columns)
                ),
                None,
            )
            self.tiers_[tier] = same or self._fit_tier(rows, equations, columns)
        return self

    def _ridge(self) -> AdaptiveRidgeCV:
        return AdaptiveRidgeCV() if self.ridge is None else self.ridge

    def _seasons(self) -> Seasons:
        return Seasons(
            self.season_knots,
            self.cross_season_weight,
            self.dry_wet_weight,
            self.dry_error_weight,
            self.half_life_y,
        )

    def _equations(self, rows: TrainingRows) -> list[NormalEquations]:
        """Sum up the rows of each season."""
        seasons, splits = self._seasons(), rows.splits
        age_weight = seasons.recency(rows.dates)
        return [
            NormalEquations(
                rows.matrix,
                rows.target,
                weights,
                train=splits.train,
                test=splits.test[: splits.n_judged],
                judging_weights=age_weight * share,
            )
            for weights, share in zip(
                seasons.weights(rows.dates), seasons.shares(rows.dates).T, strict=True
            )
        ]

    def _fit_tier(
        self, rows: TrainingRows, equations: list[NormalEquations], columns: NDArray[np.int64]
    ) -> TierModel:
        regression: SeasonalRidge | LeadRegressors
        if self.regressor is None:
            regression, held_out, ahead = self._fit_ridge(rows, equations, columns)
        else:
            regression, held_out, ahead = self._fit_regressor(rows, columns)
        error = rows.target - held_out
        wet = np.asarray(rows.dates.month.isin(WET_MONTHS))
        weights = self._seasons().error_weights(rows.dates)
        regime = error_regime(self.design_, columns, rows.matrix, held_out)
        scale_coefficients, scale_limits = fit_scale(regime, error, weights)
        scale = predict_scale(regime, scale_coefficients, scale_limits)
        z = error / scale
        z *= widening_factor(
            z,
            (rows.target - ahead) / scale,
            most_widening=self.most_widening,
            least_ahead=self.least_ahead,
        ) * new_year_factor(weights, rows.year)
        return TierModel(
            regression=regression,
            scale_coefficients=scale_coefficients,
            scale_limits=scale_limits,
            errors=fit_errors(z, weights, tail_shape=self.tail_shape, tail_floor=self.tail_floor),
            held_out_cp=persistence_index(error[wet], rows.target[wet]),
        )

    def _fit_ridge(
        self, rows: TrainingRows, equations: list[NormalEquations], columns: NDArray[np.int64]
    ) -> tuple[SeasonalRidge, NDArray[np.float64], NDArray[np.float64]]:
        """Fit the seasons' ridge regressions, and forecast each row by fits that had not seen it.

        Returns
        -------
        tuple
            The regression, the changes of the splits judged, and those of the last years by earlier
            ones (NaN in other years), each of shape (n, n_leads).
        """
        coefficients = np.stack(
            [
                self._fit_season(normal, season, rows.splits, columns)
                for season, normal in enumerate(equations)
            ]
        )
        matrix = np.column_stack([rows.matrix[:, columns], np.ones(len(rows.matrix))])
        shares = self._seasons().shares(rows.dates)
        held_out, ahead = (np.full(rows.target.shape, np.nan) for _ in range(2))
        for number, test in enumerate(rows.splits.test):
            into = held_out if number < rows.splits.n_judged else ahead
            into[test] = 0.0
            for share, of_season in zip(shares.T, coefficients[:, number + 1], strict=True):
                shared = np.flatnonzero(test & (share > 0.0))
                into[shared] += share[shared, None] * (matrix[shared] @ of_season)
        return SeasonalRidge(columns, coefficients[:, 0]), held_out, ahead

    def _fit_season(
        self, normal: NormalEquations, season: int, splits: Splits, columns: NDArray[np.int64]
    ) -> NDArray[np.float64]:
        """Coefficients of all rows and of each split, (1 + n_splits, n_columns + 1, n_leads)."""
        ridge, prior = self._ridge(), None
        if self.prior_variances is not None:
            names = self.design_.shared_names()
            by_fold = [self.prior_variances[season, fold] for fold in [EVERYTHING, *splits.names]]
            prior = np.array([[of_fold.get(names[k], 1.0) for k in columns] for of_fold in by_fold])
        return normal.fit_adaptive(
            columns, ridge.alphas, least_variance=ridge.least_variance, prior_variances=prior
        ).coefficients

    def _fit_regressor(
        self, rows: TrainingRows, columns: NDArray[np.int64]
    ) -> tuple[LeadRegressors, NDArray[np.float64], NDArray[np.float64]]:
        """Fit the user's regressor, and forecast each row as :meth:`_fit_ridge`."""
        weights = self._seasons().error_weights(rows.dates)
        held_out, ahead = (np.full(rows.target.shape, np.nan) for _ in range(2))
        for number, (train, test) in enumerate(
            zip(rows.splits.train, rows.splits.test, strict=True)
        ):
            into = held_out if number < rows.splits.n_judged else ahead
            of_split = LeadRegressors.fit(
                self.regressor, columns, rows.matrix[train], rows.target[train], weights[train]
            )
            into[test] = of_split.predict(rows.matrix[test])
        regression = LeadRegressors.fit(self.regressor, columns, rows.matrix, rows.target, weights)
        return regression, held_out, ahead

    def predict(self, X: pd.DataFrame) -> NDArray[np.float64]:  # noqa: N803
        """Mean stage in m on each lead's day, shape (n, n_leads)."""
        return self.predict_distribution(X).mean()

    def predict_quantiles(self, X: pd.DataFrame, q: ArrayLike) -> NDArray[np.float64]:  # noqa: N803
        """Quantiles of stage in m, shape (n, n_leads, n_q); 0 < q < 1."""
        return self.predict_distribution(X).ppf(q)

    def predict_exceedance(
        self,
        X: pd.DataFrame,  # noqa: N803
        thresholds: ArrayLike,
    ) -> NDArray[np.float64]:
        """P(stage > threshold) on each lead's day, shape (n, n_leads).

        Parameters
        ----------
        X
            As of :meth:`fit`.
        thresholds
            Stage in m, one for all mornings or one each.
        """
        return self.predict_distribution(X).exceedance(thresholds)[0]

    def predict_distribution(self, X: pd.DataFrame) -> StageDistribution:  # noqa: N803
        """Distribution of stage on each morning.

        Parameters
        ----------
        X
            As of :meth:`fit`.
        """
        check_is_fitted(self)
        tiers = np.array(self.design_.tiers(X))
        level = X[f"level:{self.neighbours.station}"].to_numpy()
        parts = []
        for tier in np.unique(tiers):
            rows = np.flatnonzero(tiers == tier)
            if tier == "climatology":
                parts += self._climatology_parts(pd.DatetimeIndex(X.index), rows)
                continue
            model, matrix = self.tiers_[tier], self.design_.transform(X.iloc[rows])
            shares = self._seasons().shares(pd.DatetimeIndex(X.index[rows]))
            change, drivers = model.regression.forecast(matrix, shares, self.design_.drivers())
            regime = error_regime(self.design_, model.regression.columns, matrix, change)
            scale = predict_scale(regime, model.scale_coefficients, model.scale_limits)
            # The calibration of the median belongs to no input; it is added to the constant.
            drivers["season"] += scale * model.errors.ppf(np.array([0.5]))[:, 0]
            parts.append(StagePart(rows, level[rows, None] + change, scale, model.errors, drivers))
        return StageDistribution(tiers, tuple(parts), len(self.leads))

    def _climatology_parts(
        self, dates: pd.DatetimeIndex, rows: NDArray[np.int64]
    ) -> list[StagePart]:
        """Distributions of past stages at the season of each lead's day."""
        pentads = np.stack([pentad(dates[rows] + lead * DAY) for lead in self.leads], axis=1)
        shape = 1, len(self.leads)
        return [
            StagePart(
                rows[[k]],
                np.zeros(shape),
                np.ones(shape),
                climatology_errors(self.climatology_[of_row], tail_shape=self.tail_shape),
                {},
            )
            for k, of_row in enumerate(pentads)
        ]


def error_regime(
    design: StageDesign,
    columns: NDArray[np.int64],
    matrix: NDArray[np.float64],
    change: NDArray[np.float64],
) -> NDArray[np.float64]:
    """Terms that the spread of a tier's errors depends on, shape (n_leads, n, n_terms).

    Volatility of the own gauge, its stage, season and rain where the tier has it, and the size of
    the forecast change.
    """
    level, changes, regime_columns = design.regime(columns)
    volatility = np.log(0.1 + np.abs(matrix[:, changes]).mean(axis=1))
    shared = np.column_stack(
        [np.ones(len(matrix)), volatility, matrix[:, [level, *regime_columns]]]
    )
    sizes = [np.log(0.02 + np.abs(of_lead)) for of_lead in change.T]
    return np.stack([np.column_stack([shared, size]) for size in sizes])


def _climatology(dates: pd.DatetimeIndex, level: NDArray[np.float64]) -> NDArray[np.float64]:
    """Stage in m at ``PROBABILITIES`` by pentad, NaN where no stage is near."""
    table = []
    for within in pentad_windows(dates):
        near = level[within & np.isfinite(level)]
        table.append(
            np.quantile(near, PROBABILITIES) if len(near) else np.full(len(PROBABILITIES), np.nan)
        )
    return np.array(table)

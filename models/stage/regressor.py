"""The stage of one gauge days ahead, as an estimator of scikit-learn's kind.

The change of stage is regressed on the evidence of a morning, per tier of what is at hand; the
distribution of the errors comes from water years that the fit had not seen.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, Self

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray
from sklearn.base import BaseEstimator, RegressorMixin, clone
from sklearn.utils.validation import check_is_fitted

from models.climatology import (
    FROM_APRIL_BY_DAYS,
    WET_MONTHS,
    pentad,
    pentad_quantiles,
    water_year,
)
from models.stage.design import TIER_GROUPS, StageDesign
from models.stage.distribution import StageDistribution, StagePart
from models.stage.errors import (
    LEAST_AHEAD,
    MOST_WIDENING,
    PROBABILITIES,
    TAIL_FLOOR,
    TAIL_SHAPE,
    ErrorModel,
    climatology_errors,
    fit_error_model,
)
from models.stage.features import DAY
from models.stage.licence import Licence, gather_unseen, judge
from models.stage.names import CLIMATOLOGY, MODEL, PERSISTENCE
from models.stage.neighbours import Neighbours
from models.stage.regressions import LeadRegressors, SeasonalRidge
from models.stage.ridge import AdaptiveRidgeCV, NormalEquations, relative_variances
from models.stage.seasons import SEASONS, Seasons
from models.stage.splits import EVERYTHING, Fold, Splits, TrainingRows, WaterYearSplit, list_splits
from models.verification.metrics import persistence_index

LEADS = (1, 2, 3, 4, 5, 6, 7)
PriorVariances = Mapping[tuple[int, Fold], Mapping[str, float]]
"""By season and fold the variance expected of each column's coefficient, by its shared name."""


@dataclass(frozen=True)
class TierModel:
    """Regression on one tier of evidence with the distribution of its errors.

    Parameters
    ----------
    regression
        Of the change of stage.
    errors
        Those on held-out years.
    held_out_cp
        Persistence index in the wet season on years that the fit had not seen, shape (n_leads,).
    licence
        Leads at which its forecast is issued.
    """

    regression: SeasonalRidge | LeadRegressors
    errors: ErrorModel
    held_out_cp: NDArray[np.float64]
    licence: Licence


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
    rain_effects
        ``any``, or ``nonnegative``: rain of the last week does not lower the river. Its columns
        take no coefficient below 0, and their products are left out; for the ridge alone.
    prior_variances
        Variances of coefficients that all gauges find together; default the gauge's own alone.
    alarm_m
        Alarm stage, by whose probability the licence is judged too; default none.

    Attributes
    ----------
    design_
        The fitted design.
    tiers_
        Tier -> regression, errors and licence.
    persistence_
        Errors of the last reading.
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
        rain_effects: Literal["any", "nonnegative"] = "any",
        prior_variances: PriorVariances | None = None,
        alarm_m: float | None = None,
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
        self.rain_effects = rain_effects
        self.prior_variances = prior_variances
        self.alarm_m = alarm_m

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
            No row has the stage of every lead, too few have it for the errors or none in a season,
            the splits do not forecast each row once, a tier is missing, or leads fall.
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
        if np.any(np.diff([0, *self.leads]) <= 0):
            raise ValueError(f"leads: expected days from 1 on, increasing, found {[*self.leads]}")
        if self.rain_effects not in {"any", "nonnegative"}:
            raise ValueError(
                f"rain_effects: expected any or nonnegative, found {self.rain_effects!r}"
            )
        if self.rain_effects == "nonnegative" and self.regressor is not None:
            raise ValueError("rain_effects: expected any for a regressor, found nonnegative")
        if set(self.tiers) != set(TIER_GROUPS):
            raise ValueError(f"tiers: expected {', '.join(TIER_GROUPS)}, found {[*self.tiers]}")
        known = np.isfinite(change).all(axis=1)
        if not known.any():
            raise ValueError("expected rows with the stage of every lead, found none")
        self.n_features_in_ = X.shape[1]
        dates = pd.DatetimeIndex(X.index)
        self.climatology_ = pentad_quantiles(dates, level, PROBABILITIES)
        self.highest_m_ = float(np.nanmax(level))
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
        return TrainingRows(used, year[known], matrix, change[known], level[known], splits)

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
        prior = self._prior_variances(rows.splits) if self.regressor is None else None
        self.persistence_ = self._fit_errors(
            rows, self._still_regime(rows.matrix), rows.target, rows.target
        ).centred()
        self.tiers_: dict[str, TierModel] = {}
        for tier, groups in self.tiers.items():
            columns = self._columns(groups)
            same = next(
                (
                    fitted
                    for fitted in self.tiers_.values()
                    if np.array_equal(fitted.regression.columns, columns)
                ),
                None,
            )
            self.tiers_[tier] = same or self._fit_tier(rows, equations, prior, columns)
        return self

    def _columns(self, groups: tuple[str, ...]) -> NDArray[np.int64]:
        """Columns of some groups; without products where the regression does not want them."""
        of_group = np.array(self.design_.groups_)
        used = np.isin(of_group, groups)
        product = np.array(["*" in name for name in self.design_.names_])
        if self.regressor is not None:
            used &= ~product
        elif self.rain_effects == "nonnegative":
            used &= ~(product & (of_group == "rain"))
        return np.flatnonzero(used)

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

    def _prior_variances(self, splits: Splits) -> NDArray[np.float64] | None:
        """Variances that all gauges found, of shape (n_seasons, 1 + n_splits, n_columns)."""
        if self.prior_variances is None:
            return None
        names, folds = self.design_.shared_names(), [EVERYTHING, *splits.names]
        keys = [(season, fold) for season in range(len(SEASONS)) for fold in folds]
        variances = [[self.prior_variances[key].get(name, 1.0) for name in names] for key in keys]
        return np.reshape(variances, (len(SEASONS), len(folds), len(names)))

    def _fit_tier(
        self,
        rows: TrainingRows,
        equations: list[NormalEquations],
        prior: NDArray[np.float64] | None,
        columns: NDArray[np.int64],
    ) -> TierModel:
        regression: SeasonalRidge | LeadRegressors
        if self.regressor is None:
            regression, held_out, ahead = self._fit_ridge(rows, equations, prior, columns)
        else:
            regression, held_out, ahead = self._fit_regressor(rows, columns)
        error = rows.target - held_out
        wet = np.asarray(rows.dates.month.isin(WET_MONTHS))
        regime = self.design_.error_regime(columns, rows.matrix, held_out)
        errors = self._fit_errors(rows, regime, error, rows.target - ahead)
        return TierModel(
            regression=regression,
            errors=errors,
            held_out_cp=persistence_index(error[wet], rows.target[wet]),
            licence=judge(
                gather_unseen(
                    rows,
                    held_out,
                    ahead,
                    errors=(errors, regime),
                    persistence=(self.persistence_, self._still_regime(rows.matrix)),
                    leads=self.leads,
                    climatology_m=self.climatology_[:, list(PROBABILITIES).index(0.5)],
                    alarm_m=self.alarm_m,
                )
            ),
        )

    def _still_regime(self, matrix: NDArray[np.float64]) -> NDArray[np.float64]:
        """Terms that the spread of persistence's errors depends on: those of the own stage."""
        columns = self._columns(self.tiers["own_stage"])
        still = np.zeros((len(matrix), len(self.leads)))
        return np.asarray(self.design_.error_regime(columns, matrix, still))

    def _fit_errors(
        self,
        rows: TrainingRows,
        regime: NDArray[np.float64],
        error: NDArray[np.float64],
        ahead: NDArray[np.float64],
    ) -> ErrorModel:
        """Fit scale and distribution of errors, wider by what they were on years ahead."""
        return fit_error_model(
            regime,
            error,
            ahead,
            weights=self._seasons().error_weights(rows.dates),
            year=rows.year,
            tail_shape=self.tail_shape,
            tail_floor=self.tail_floor,
            most_widening=self.most_widening,
            least_ahead=self.least_ahead,
        )

    def _fit_ridge(
        self,
        rows: TrainingRows,
        equations: list[NormalEquations],
        prior: NDArray[np.float64] | None,
        columns: NDArray[np.int64],
    ) -> tuple[SeasonalRidge, NDArray[np.float64], NDArray[np.float64]]:
        """Fit the seasons' ridge regressions, and forecast each row by fits that had not seen it.

        Returns
        -------
        tuple
            The regression, the changes of the splits judged, and those of the last years by earlier
            ones (NaN in other years), each of shape (n, n_leads).
        """
        ridge = self._ridge()
        raising = np.array(self.design_.groups_)[columns] == "rain"
        bounded = self.rain_effects == "nonnegative" and raising.any()
        coefficients = np.stack(
            [
                normal.fit_adaptive(
                    columns,
                    ridge.alphas,
                    least_variance=ridge.least_variance,
                    prior_variances=None if prior is None else prior[season][:, columns],
                    nonnegative=raising if bounded else None,
                ).coefficients
                for season, normal in enumerate(equations)
            ]
        )
        matrix = rows.matrix if len(columns) == rows.matrix.shape[1] else rows.matrix[:, columns]
        shares = self._seasons().shares(rows.dates)
        held_out, ahead = (np.full(rows.target.shape, np.nan) for _ in range(2))
        for number, test in enumerate(rows.splits.test):
            into = held_out if number < rows.splits.n_judged else ahead
            tested = np.flatnonzero(test)
            of_split = coefficients[:, number + 1].transpose(1, 0, 2)
            changes = np.tensordot(matrix[tested], of_split[:-1], 1) + of_split[-1]
            into[tested] = np.einsum("ns,nsl->nl", shares[tested], changes)
        return SeasonalRidge(columns, coefficients[:, 0]), held_out, ahead

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
        """Distribution of stage on each morning, the model's own at every lead.

        Parameters
        ----------
        X
            As of :meth:`fit`.
        """
        return self.predict_distributions(X)[0]

    def predict_distributions(
        self,
        X: pd.DataFrame,  # noqa: N803
    ) -> tuple[StageDistribution, StageDistribution]:
        """Distributions of stage on each morning: the model's own, and what its licence lets issue.

        Parameters
        ----------
        X
            As of :meth:`fit`.

        Returns
        -------
        tuple of StageDistribution
            The second has persistence or climatology at leads without a licence.
        """
        check_is_fitted(self)
        tiers, dates = np.array(self.design_.tiers(X)), pd.DatetimeIndex(X.index)
        level = X[f"level:{self.neighbours.station}"].to_numpy()
        own, issued = [], []
        for tier in np.unique(tiers):
            rows = np.flatnonzero(tiers == tier)
            if tier == "climatology":
                past = self._climatology_parts(dates, rows)
                own += past
                issued += past
                continue
            model, matrix = self.tiers_[tier], self.design_.transform(X.iloc[rows])
            shares = self._seasons().shares(dates[rows])
            change, drivers = model.regression.forecast(matrix, shares, self.design_.drivers())
            regime = self.design_.error_regime(model.regression.columns, matrix, change)
            scale, errors = model.errors.scale(regime), model.errors.distribution
            # The calibration of the median belongs to no input; it is added to the constant.
            drivers["season"] += scale * errors.ppf(np.array([0.5]))[:, 0]
            middle, methods = level[rows, None] + change, np.full(len(self.leads), MODEL)
            own.append(StagePart(rows, middle, scale, errors, methods, drivers))
            if model.licence.granted.all():
                issued.append(own[-1])
            else:
                issued += self._apply_licence(own[-1], model.licence, dates, level, matrix)
        n_leads = len(self.leads)
        return (
            StageDistribution(tiers, tuple(own), n_leads),
            StageDistribution(tiers, tuple(issued), n_leads),
        )

    def _apply_licence(
        self,
        part: StagePart,
        licence: Licence,
        dates: pd.DatetimeIndex,
        level: NDArray[np.float64],
        matrix: NDArray[np.float64],
    ) -> list[StagePart]:
        """Put persistence or climatology at leads without a licence."""
        still = np.zeros((len(matrix), len(self.leads)))
        persistence = StagePart(
            part.rows,
            level[part.rows, None] + still,
            self.persistence_.scale(self._still_regime(matrix)),
            self.persistence_.distribution,
            np.full(len(self.leads), PERSISTENCE),
            dict.fromkeys(part.drivers_m, still),
        )
        kept = part.replace_leads(persistence, licence.methods == PERSISTENCE)
        seasonal = licence.methods == CLIMATOLOGY
        if not seasonal.any():
            return [kept]
        return [
            kept.take(k).replace_leads(past, seasonal)
            for k, past in enumerate(self._climatology_parts(dates, part.rows))
        ]

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
                np.full(len(self.leads), CLIMATOLOGY),
                {},
            )
            for k, of_row in enumerate(pentads)
        ]

"""Training of the stage model: designs, regressions by season and tier, errors of unseen years.

Every tier of every gauge is trained, and the distribution of its errors comes from years that its
own fit had not seen.
"""

from __future__ import annotations

from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import datetime

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from threadpoolctl import threadpool_limits

from models.climatology import FROM_APRIL_BY_DAYS, WET_MONTHS, pentad_windows, water_year
from models.stage.design import TIER_GROUPS, Design, fit_design
from models.stage.errors import (
    PROBABILITIES,
    fit_errors,
    fit_scale,
    new_year_factor,
    predict_scale,
    widening_factor,
)
from models.stage.features import DAY, Library, StageInputs, build_library
from models.stage.model import HISTORY_D, StageModel, StationModel, TierModel, error_regime
from models.stage.neighbours import gauges_for, units_for
from models.stage.ridge import Fold, NormalEquations, RidgeFit
from models.stage.seasons import error_weights, recency, season_shares, season_weights
from models.verification.metrics import persistence_index
from pipeline.times import naive_timestamp

Sizes = dict[tuple[int, Fold], dict[str, float]]
"""By season and fold the expected squared size of each column's coefficient, by its shared name."""

PURGE_D = 37
"""Days at the start of a water year left out of those fits: longest lag plus longest lead."""
LEAST_YEARS = 2.0
"""Years of data that a gauge must have."""


def fit(
    inputs: StageInputs,
    *,
    end: datetime,
    stations: Iterable[str],
    leads: tuple[int, ...] = (1, 2, 3, 4, 5, 6, 7),
    start: datetime | None = None,
) -> StageModel:
    """Train every tier of every gauge.

    Parameters
    ----------
    inputs
        Features are made of rows before ``end`` only, targets are stages before it.
    end
        Aware moment; nothing observed at or after it is used.
    stations
        Codes of the gauges to forecast.
    leads
        Days ahead, increasing.
    start
        First date used; default the first row.

    Returns
    -------
    StageModel
        Gauges with less than ``LEAST_YEARS`` of data are left out.

    Raises
    ------
    ValueError
        No gauge has enough data.
    """
    known = inputs.until(naive_timestamp(end) - pd.Timedelta(1, "ns"))
    if start is not None:
        first = naive_timestamp(start) - HISTORY_D * DAY
        known = known.last(int((known.stage.index >= first).sum()))
    lib = build_library(known)
    # Two gauges at a time: with threads of linear algebra beside them the cores are oversubscribed.
    with threadpool_limits(1), ThreadPoolExecutor(2) as pool:
        candidates = pool.map(lambda code: _training_data(lib, code, leads), stations)
        training = [data for data in candidates if data is not None]
        sizes = _mean_sizes(pool.map(_first_sizes, training))
        models = list(pool.map(lambda data: _fit_station(lib, data, sizes), training))
    fitted = {data.design.station: model for data, model in zip(training, models, strict=True)}
    if not fitted:
        span = f"{len(lib.dates)} days"
        raise ValueError(f"expected a gauge with {LEAST_YEARS:g} years of stages, found {span}")
    return StageModel(
        stations=fitted,
        leads=tuple(leads),
        trained_from=f"{lib.dates[0]:%Y-%m-%d}",
        trained_to=f"{lib.dates[-1]:%Y-%m-%d}",
        origin=inputs.origin,
    )


@dataclass(frozen=True)
class _TrainingData:
    """Rows of one gauge that its regressions are fitted on.

    Parameters
    ----------
    design, dates
        The design, and the dates of the rows.
    matrix, target
        Its matrix, shape (n, n_columns + 1), and the changes of stage in m, shape (n, n_leads).
    year
        Water year from April of each row.
    """

    design: Design
    dates: pd.DatetimeIndex
    matrix: NDArray[np.float64]
    target: NDArray[np.float64]
    year: NDArray[np.int64]

    def equations(self) -> list[NormalEquations]:
        """Sum up the rows of each season."""
        purged = np.asarray((self.dates - FROM_APRIL_BY_DAYS).day_of_year) <= PURGE_D
        age_weight = recency(self.dates)
        return [
            NormalEquations(
                self.matrix, self.target, weights, self.year, purged, judged=age_weight * share
            )
            for weights, share in zip(
                season_weights(self.dates), season_shares(self.dates).T, strict=True
            )
        ]


def _training_data(lib: Library, code: str, leads: tuple[int, ...]) -> _TrainingData | None:
    """Design of one gauge on the days that have every lead's stage; None with too few of them."""
    if code not in lib.level:
        return None
    level = lib.level[code].to_numpy()
    observed = (
        lib.level[code].where(lib.age_h[code] == 0.0).interpolate(limit=2, limit_area="inside")
    )
    target = np.column_stack([observed.shift(-lead).to_numpy() - level for lead in leads])
    rows = np.isfinite(target).all(axis=1)
    if rows.sum() < LEAST_YEARS * 365:
        return None
    design, matrix = fit_design(
        lib, code, gauges=gauges_for(lib, code), units=units_for(lib), rows=rows
    )
    dates = lib.dates[rows]
    return _TrainingData(design, dates, matrix, target[rows], water_year(dates, FROM_APRIL_BY_DAYS))


def _first_sizes(data: _TrainingData) -> Sizes:
    """Sizes of coefficients that a first fit of one gauge finds, by season and fold."""
    names, columns = data.design.shared_names(), np.arange(len(data.design.names))
    return {
        (season, fold): dict(zip(names, sizes.tolist(), strict=True))
        for season, normal in enumerate(data.equations())
        for fold, sizes in normal.sizes(columns).items()
    }


def _mean_sizes(of_gauges: Iterable[Sizes]) -> Sizes:
    """Average the sizes over the gauges with a column: 20 floods of one gauge are few."""
    gathered: dict[tuple[int, Fold], dict[str, list[float]]] = {}
    for sizes in of_gauges:
        for key, by_name in sizes.items():
            into = gathered.setdefault(key, {})
            for name, size in by_name.items():
                into.setdefault(name, []).append(size)
    return {
        key: {name: float(np.mean(sizes)) for name, sizes in by_name.items()}
        for key, by_name in gathered.items()
    }


def _fit_season(
    normal: NormalEquations,
    season: int,
    data: _TrainingData,
    columns: NDArray[np.int64],
    sizes: Sizes,
) -> RidgeFit:
    """Fit with the mean sizes of all gauges, then with the mean of these and the gauge's own."""
    names = data.design.shared_names()
    shared = {
        fold: np.array([by_name.get(names[k], 1.0) for k in columns])
        for (size_season, fold), by_name in sizes.items()
        if size_season == season
    }
    own_sizes = normal.sizes(columns, shared)
    return normal.ridge(
        columns, {fold: (shared[fold] + own_size) / 2.0 for fold, own_size in own_sizes.items()}
    )


def _fit_station(lib: Library, data: _TrainingData, sizes: Sizes) -> StationModel:
    design, dates, matrix, target = data.design, data.dates, data.matrix, data.target
    weights = error_weights(dates)
    shares = season_shares(dates)
    equations = data.equations()
    tiers: dict[str, TierModel] = {}
    held_out_cp: dict[str, NDArray[np.float64]] = {}
    for tier, groups in TIER_GROUPS.items():
        columns = np.flatnonzero(np.isin(design.groups, groups))
        same = next((t for t, m in tiers.items() if np.array_equal(m.columns, columns)), None)
        if same is not None:
            tiers[tier], held_out_cp[tier] = tiers[same], held_out_cp[same]
            continue
        fits = [
            _fit_season(normal, season, data, columns, sizes)
            for season, normal in enumerate(equations)
        ]
        held_out, ahead = (
            np.einsum("ns,snl->nl", shares, np.stack(unseen))
            for unseen in zip(*((fit.held_out, fit.ahead) for fit in fits), strict=True)
        )
        wet = np.asarray(dates.month.isin(WET_MONTHS))
        held_out_cp[tier] = persistence_index((target - held_out)[wet], target[wet])
        regime = error_regime(design, columns, matrix, held_out)
        scale_coefficients, scale_limits = fit_scale(regime, target - held_out, weights)
        scale = predict_scale(regime, scale_coefficients, scale_limits)
        z = (target - held_out) / scale
        z *= widening_factor(z, (target - ahead) / scale) * new_year_factor(weights, data.year)
        tiers[tier] = TierModel(
            columns=columns,
            coefficients=np.stack([fit.coefficients for fit in fits]),
            scale_coefficients=scale_coefficients,
            scale_limits=scale_limits,
            errors=fit_errors(z, weights),
        )
    level = lib.level[design.station].to_numpy()
    climatology, highest_m = _climatology(lib.dates, level), float(np.nanmax(level))
    return StationModel(design, tiers, climatology, highest_m, held_out_cp)


def _climatology(dates: pd.DatetimeIndex, level: NDArray[np.float64]) -> NDArray[np.float64]:
    """Stage in m at ``PROBABILITIES`` by pentad, NaN where no stage is near."""
    table = []
    for within in pentad_windows(dates):
        near = level[within & np.isfinite(level)]
        table.append(
            np.quantile(near, PROBABILITIES) if len(near) else np.full(len(PROBABILITIES), np.nan)
        )
    return np.array(table)

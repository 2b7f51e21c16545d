"""Stage 1 to 7 days ahead: ridge regression on changes, with calibrated errors, per gauge.

Each gauge has a model per tier of what is at hand; every tier is trained, and the
distribution of its errors comes from years that its own fit had not seen.
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

from models.stage.design import DRIVERS, TIER_GROUPS, Design, gauges_for, station_design, units_for
from models.stage.errors import (
    PROBABILITIES,
    ErrorTable,
    by_lead,
    cdf,
    climatology_table,
    fit_errors,
    fit_scale,
    mean,
    new_year,
    quantile,
    scale_of,
    widening,
)
from models.stage.features import DAY, Library, StageInputs, library
from models.stage.ridge import Fold, NormalEquations, RidgeFit
from pipeline.geography.places import stations as all_stations
from pipeline.times import naive_timestamp

Sizes = dict[tuple[int, Fold], dict[str, float]]

QUANTILES = {
    "q025": 0.025,
    "q05": 0.05,
    "q10": 0.10,
    "q25": 0.25,
    "q50": 0.50,
    "q75": 0.75,
    "q90": 0.90,
    "q95": 0.95,
    "q975": 0.975,
}
WATER_YEAR = pd.Timedelta(days=90)
"""What a water year begins after the calendar year."""
PURGE_D = 37
"""Days at the start of a water year left out of those fits: longest lag plus longest lead."""
DRY_WEIGHT = 0.15
"""Weight of a day of December to April beside one of the flood season in the errors' spread."""
SEASONS = ("dry", "rise", "flood", "recession")
"""Parts of the year with a regression of their own."""
SEASON_KNOTS = (
    (1, "dry"), (115, "dry"), (166, "rise"), (232, "flood"), (288, "recession"), (345, "dry"),
)  # fmt: skip
"""Days of the year on which a season's regression stands alone; between two days both share."""
LENT = 0.3
"""Weight that a day of another wet season keeps in a season's regression."""
FAR = 0.1
"""Weight that a wet day keeps in the dry season's regression, and a dry one in the others'."""
FLOOD_MONTHS = (6, 7, 8, 9, 10)
HALF_LIFE_Y = 15.0
"""Years after which a day of the past weighs half: the dams have changed the river."""
LEAST_YEARS = 2.0
CLIMATOLOGY_WINDOW_D = 15
"""Days each side of a date whose stages make its climatology."""
HISTORY_D = 70
"""Rows before the issue date that the features look back on."""


@dataclass(frozen=True)
class TierModel:
    """Regression on one tier of inputs with the distribution of its errors.

    Parameters
    ----------
    columns
        Indices of the design's columns that this tier may use.
    coefficients
        Change in m per standard deviation of each column, last the constant, of each season's
        regression, shape (n_seasons, n_columns + 1, n_leads); :func:`season_shares` joins them.
    scale_coefficients
        Of the log of the error's scale on :func:`_regime`, shape (n_leads, n_terms).
    scale_limits
        Lower and upper limit of that log, shape (n_leads, 2).
    errors
        Distribution of the scaled errors on held-out years.
    """

    columns: NDArray[np.int64]
    coefficients: NDArray[np.float64]
    scale_coefficients: NDArray[np.float64]
    scale_limits: NDArray[np.float64]
    errors: ErrorTable


@dataclass(frozen=True)
class StationModel:
    """All tiers of one gauge.

    Parameters
    ----------
    design
        How features become columns.
    tiers
        Tier -> model; ``climatology`` is not among them.
    climatology
        Stage in m at ``PROBABILITIES`` for each fifth day of the year, shape (73, n_probabilities).
    highest_m
        Highest stage in training.
    held_out_cp
        Tier -> persistence index in the wet season on years that the fit had not seen, shape
        (n_leads,).
    """

    design: Design
    tiers: dict[str, TierModel]
    climatology: NDArray[np.float64]
    highest_m: float
    held_out_cp: dict[str, NDArray[np.float64]]


@dataclass(frozen=True)
class StageModel:
    """Trained models of all gauges.

    Parameters
    ----------
    stations
        MRC code -> model.
    leads
        Days ahead, increasing.
    trained_from, trained_to
        First and last date seen, ISO.
    origin
        ``virtual`` or ``measured``, of the data it was trained on.
    """

    stations: dict[str, StationModel]
    leads: tuple[int, ...]
    trained_from: str
    trained_to: str
    origin: str


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
    lib = library(known)
    # Two gauges at a time; linear algebra's own threads would only get in each other's way.
    with threadpool_limits(1), ThreadPoolExecutor(2) as pool:
        found = pool.map(lambda code: _training(lib, code, leads), stations)
        training = [one for one in found if one is not None]
        sizes = _shared(pool.map(_first_sizes, training))
        models = list(pool.map(lambda one: _fit_station(lib, one, sizes), training))
    fitted = {one.design.station: model for one, model in zip(training, models, strict=True)}
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
class _Training:
    """What one gauge's regressions are fitted on."""

    design: Design
    dates: pd.DatetimeIndex
    matrix: NDArray[np.float64]
    target: NDArray[np.float64]
    year: NDArray[np.int64]

    def equations(self) -> list[NormalEquations]:
        """Sum up the rows of each season."""
        purged = np.asarray((self.dates - WATER_YEAR).day_of_year) <= PURGE_D
        recency = _recency(self.dates)
        return [
            NormalEquations(
                self.matrix, self.target, weights, self.year, purged, judged=recency * share
            )
            for weights, share in zip(
                season_weights(self.dates), season_shares(self.dates).T, strict=True
            )
        ]


def _training(lib: Library, code: str, leads: tuple[int, ...]) -> _Training | None:
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
    design, matrix = station_design(
        lib, code, gauges=gauges_for(lib, code), units=units_for(lib), rows=rows
    )
    dates = lib.dates[rows]
    year = np.asarray((dates - WATER_YEAR).year)
    return _Training(design, dates, matrix, target[rows], year)


def _first_sizes(one: _Training) -> Sizes:
    """Sizes of coefficients that a first fit of one gauge finds, by season and fold."""
    names, columns = one.design.shared_names(), np.arange(len(one.design.names))
    return {
        (season, fold): dict(zip(names, sizes.tolist(), strict=True))
        for season, normal in enumerate(one.equations())
        for fold, sizes in normal.sizes(columns).items()
    }


def _shared(found: Iterable[Sizes]) -> Sizes:
    """Average the sizes over the gauges that have a column: 20 floods of one say little."""
    gathered: dict[tuple[int, Fold], dict[str, list[float]]] = {}
    for sizes in found:
        for key, by_name in sizes.items():
            into = gathered.setdefault(key, {})
            for name, size in by_name.items():
                into.setdefault(name, []).append(size)
    return {
        key: {name: float(np.mean(sizes)) for name, sizes in by_name.items()}
        for key, by_name in gathered.items()
    }


def _season_fit(
    normal: NormalEquations, season: int, one: _Training, columns: NDArray[np.int64], sizes: Sizes
) -> RidgeFit:
    """Fit with the sizes that all gauges found, and again halfway to those found then."""
    names = one.design.shared_names()
    lent = {
        fold: np.array([by_name.get(names[k], 1.0) for k in columns])
        for (of, fold), by_name in sizes.items()
        if of == season
    }
    found = normal.sizes(columns, lent)
    return normal.ridge(columns, {fold: (lent[fold] + own) / 2.0 for fold, own in found.items()})


def _fit_station(lib: Library, one: _Training, sizes: Sizes) -> StationModel:
    design, dates, matrix, target = one.design, one.dates, one.matrix, one.target
    weights = training_weights(dates)
    shares = season_shares(dates)
    equations = one.equations()
    tiers: dict[str, TierModel] = {}
    held_out_cp: dict[str, NDArray[np.float64]] = {}
    for tier, groups in TIER_GROUPS.items():
        columns = np.flatnonzero(np.isin(design.groups, groups))
        same = next((t for t, m in tiers.items() if np.array_equal(m.columns, columns)), None)
        if same is not None:
            tiers[tier], held_out_cp[tier] = tiers[same], held_out_cp[same]
            continue
        found = [
            _season_fit(normal, season, one, columns, sizes)
            for season, normal in enumerate(equations)
        ]
        held_out, ahead = (
            np.einsum("ns,snl->nl", shares, np.stack(unseen))
            for unseen in zip(*((each.held_out, each.ahead) for each in found), strict=True)
        )
        held_out_cp[tier] = _wet_cp(dates, target, held_out)
        regime = _regime(design, columns, matrix, held_out)
        scale_coefficients, scale_limits = fit_scale(regime, target - held_out, weights)
        scale = scale_of(regime, scale_coefficients, scale_limits)
        z = (target - held_out) / scale
        z *= widening(z, (target - ahead) / scale) * new_year(weights, one.year)
        tiers[tier] = TierModel(
            columns=columns,
            coefficients=np.stack([each.coefficients for each in found]),
            scale_coefficients=scale_coefficients,
            scale_limits=scale_limits,
            errors=fit_errors(z, weights),
        )
    level = lib.level[design.station].to_numpy()
    climatology, highest_m = _climatology(lib.dates, level), float(np.nanmax(level))
    return StationModel(design, tiers, climatology, highest_m, held_out_cp)


def _wet_cp(
    dates: pd.DatetimeIndex, target: NDArray[np.float64], held_out: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Score unseen years' forecasts issued from June to October by the persistence index."""
    wet = np.asarray(dates.month.isin(FLOOD_MONTHS))
    squares = (target[wet] ** 2).sum(axis=0)
    left = ((target - held_out)[wet] ** 2).sum(axis=0)
    return np.asarray(1.0 - left / np.where(squares > 0.0, squares, np.nan))


def training_weights(dates: pd.DatetimeIndex) -> NDArray[np.float64]:
    """Weight of each date: the flood season and recent years count more, shape (n,)."""
    season = np.where(dates.month.isin([5, 6, 7, 8, 9, 10, 11]), 1.0, DRY_WEIGHT)
    return np.asarray(season * _recency(dates))


def _recency(dates: pd.DatetimeIndex) -> NDArray[np.float64]:
    age_y = np.asarray((dates[-1] - dates) / DAY) / 365.25
    return np.asarray(0.5 ** (age_y / HALF_LIFE_Y))


def season_shares(dates: pd.DatetimeIndex) -> NDArray[np.float64]:
    """Share of each season's regression in the forecast issued on a date, shape (n, n_seasons).

    Examples
    --------
    >>> season_shares(pd.DatetimeIndex(["2018-02-01", "2018-07-18", "2018-08-20"])).tolist()
    [[1.0, 0.0, 0.0, 0.0], [0.0, 0.5, 0.5, 0.0], [0.0, 0.0, 1.0, 0.0]]
    """
    day = np.asarray(dates.day_of_year, dtype="float64")
    knots = [knot for knot, _ in SEASON_KNOTS]
    alone = [[float(one == name) for _, one in SEASON_KNOTS] for name in SEASONS]
    return np.column_stack([np.interp(day, knots, one, period=365.25) for one in alone])


def season_weights(dates: pd.DatetimeIndex) -> NDArray[np.float64]:
    """Weight of each date in each season's regression, shape (n_seasons, n)."""
    shares = season_shares(dates)
    dry = shares[:, 0]
    wet = np.maximum(shares[:, 1:], np.maximum(LENT * (1.0 - dry), FAR)[:, None])
    return np.asarray(np.column_stack([np.maximum(dry, FAR), wet]).T * _recency(dates))


def _regime(
    design: Design,
    columns: NDArray[np.int64],
    matrix: NDArray[np.float64],
    change: NDArray[np.float64],
) -> NDArray[np.float64]:
    """Stack what a tier's spread depends on, shape (n_leads, n, n_terms).

    Own unrest, stage, size of the forecast change, season, and rain where the tier has it.
    """
    level, changes, others = design.regime(columns)
    unrest = np.log(0.1 + np.abs(matrix[:, changes]).mean(axis=1))
    shared = np.column_stack([np.ones(len(matrix)), unrest, matrix[:, [level, *others]]])
    return np.stack([np.column_stack([shared, np.log(0.02 + np.abs(one))]) for one in change.T])


def _climatology(dates: pd.DatetimeIndex, level: NDArray[np.float64]) -> NDArray[np.float64]:
    day = np.minimum(np.asarray(dates.day_of_year), 365)
    table = []
    for centre in range(3, 366, 5):
        apart = np.abs(day - centre)
        near = level[np.minimum(apart, 365 - apart) <= CLIMATOLOGY_WINDOW_D]
        near = near[np.isfinite(near)]
        table.append(
            np.quantile(near, PROBABILITIES) if len(near) else np.full(len(PROBABILITIES), np.nan)
        )
    return np.array(table)


def predict(
    model: StageModel, inputs: StageInputs, *, issue_time: datetime, model_version: str
) -> pd.DataFrame:
    """Forecast of every gauge as issued at one moment.

    Parameters
    ----------
    model
        As :func:`fit` gave it.
    inputs
        Rows after the date of ``issue_time`` are not looked at.
    issue_time
        Aware moment, 00:30 UTC of the date.
    model_version
        Goes into every row.

    Returns
    -------
    DataFrame
        One row per station and lead as the stage forecasts contract says: quantiles in m,
        ``mean_m`` (the distribution's mean, which a squared error is least for), ``p_alarm``,
        ``p_flood`` (on the lead's day), ``p_alarm_by``, ``p_flood_by`` (on any day up
        to it; NaN without a threshold), ``tier``, ``drivers_cm`` (adding up to the change of q50;
        NaN at tier climatology), ``extrapolated``, ``stage_m``, ``stage_time``.
    """
    date = naive_timestamp(issue_time).normalize()
    recent = inputs.until(date).last(HISTORY_D)
    return predict_dates(model, recent, dates=[date], model_version=model_version)


def predict_dates(
    model: StageModel, inputs: StageInputs, *, dates: Iterable[pd.Timestamp], model_version: str
) -> pd.DataFrame:
    """Forecasts as issued on several mornings, each from rows up to its own date only.

    Raises
    ------
    ValueError
        The inputs have no row for one of the dates.
    """
    lib = library(inputs)
    rows = lib.dates.get_indexer(pd.DatetimeIndex(list(dates)))
    if (rows < 0).any():
        raise ValueError(f"expected dates within {lib.dates[0]} to {lib.dates[-1]}, found others")
    with threadpool_limits(1):
        frames = [
            _station_frame(code, one, lib, rows, model.leads)
            for code, one in model.stations.items()
        ]
    frame = pd.concat(frames, ignore_index=True)
    frame["model_version"] = model_version
    return frame.sort_values(["issue_time", "station", "lead_days"], ignore_index=True)


@dataclass
class _Issue:
    """Forecasts of one gauge on n mornings, filled tier by tier."""

    thresholds: dict[str, float | None]
    quantiles: NDArray[np.float64]
    mean_m: NDArray[np.float64]
    exceed: dict[str, NDArray[np.float64]]
    exceed_by: dict[str, NDArray[np.float64]]
    drivers: NDArray[np.object_]


def _station_frame(
    code: str, model: StationModel, lib: Library, rows: NDArray[np.int64], leads: tuple[int, ...]
) -> pd.DataFrame:
    place = all_stations().get(code)
    thresholds = {
        "alarm": place.alarm_m if place else None,
        "flood": place.flood_m if place else None,
    }
    shape = len(rows), len(leads)
    issue = _Issue(
        thresholds,
        np.full((*shape, len(QUANTILES)), np.nan),
        np.full(shape, np.nan),
        {name: np.full(shape, np.nan) for name in thresholds},
        {name: np.full(shape, np.nan) for name in thresholds},
        np.empty(shape, dtype=object),
    )
    level, age = (table[code].to_numpy()[rows] for table in (lib.level, lib.age_h))
    tier = np.array(model.design.tiers(lib, rows))
    for one in np.unique(tier):
        chosen = np.flatnonzero(tier == one)
        if one == "climatology":
            _from_climatology(issue, chosen, model, lib.dates[rows[chosen]])
        else:
            matrix = model.design.matrix(lib, rows[chosen])
            shares = season_shares(lib.dates[rows[chosen]])
            _from_tier(issue, chosen, model, one, matrix=matrix, shares=shares, level=level[chosen])
    dates = lib.dates[rows]
    frame = pd.DataFrame(
        {
            "issue_time": np.repeat(dates + pd.Timedelta(minutes=30), shape[1]),
            "station": code,
            "lead_days": np.tile(leads, shape[0]),
            "valid_time": np.repeat(dates, shape[1]) + np.tile(leads, shape[0]) * DAY,
            **{name: issue.quantiles[:, :, k].ravel() for k, name in enumerate(QUANTILES)},
            "mean_m": issue.mean_m.ravel(),
            **{f"p_{name}": issue.exceed[name].ravel() for name in thresholds},
            **{f"p_{name}_by": issue.exceed_by[name].ravel() for name in thresholds},
            "tier": np.repeat(tier, shape[1]),
            "drivers_cm": issue.drivers.ravel(),
            "stage_m": np.repeat(level, shape[1]),
            "stage_time": np.repeat(dates - pd.to_timedelta(age, unit="h"), shape[1]),
        }
    )
    frame["extrapolated"] = frame[["q95", "stage_m"]].max(axis=1) > model.highest_m
    return frame


def _from_tier(
    issue: _Issue,
    chosen: NDArray[np.int64],
    model: StationModel,
    name: str,
    *,
    matrix: NDArray[np.float64],
    shares: NDArray[np.float64],
    level: NDArray[np.float64],
) -> None:
    tier = model.tiers[name]
    use = np.append(tier.columns, matrix.shape[1] - 1)
    terms = matrix[:, use, None] * np.tensordot(shares, tier.coefficients, axes=1)
    change = terms.sum(axis=1)
    scale = scale_of(
        _regime(model.design, tier.columns, matrix, change),
        tier.scale_coefficients,
        tier.scale_limits,
    )
    levels = np.array(list(QUANTILES.values()))
    drivers = model.design.drivers()
    kinds = np.array([*(drivers[k] for k in tier.columns), "season"])
    centre = np.empty_like(change)
    for lead in range(change.shape[1]):
        z = quantile(tier.errors, lead, levels)
        middle = level + change[:, lead]
        issue.quantiles[chosen, lead] = middle[:, None] + scale[:, [lead]] * z
        issue.mean_m[chosen, lead] = middle + scale[:, lead] * mean(tier.errors, lead)
        centre[:, lead] = scale[:, lead] * z[list(QUANTILES).index("q50")]
        for kind, threshold in issue.thresholds.items():
            if threshold is not None:
                scaled = (threshold - middle) / scale[:, lead]
                issue.exceed[kind][chosen, lead] = 1.0 - cdf(tier.errors, lead, scaled)
    for row, index in enumerate(chosen):
        for lead in range(change.shape[1]):
            parts = {kind: float(terms[row, kinds == kind, lead].sum()) for kind in DRIVERS}
            # What the median's calibration adds belongs to no input; it goes with the constant.
            parts["season"] += float(centre[row, lead])
            issue.drivers[index, lead] = {kind: 100.0 * part for kind, part in parts.items()}
        _add_windows(issue, index, tier.errors.correlation)


def _from_climatology(
    issue: _Issue,
    chosen: NDArray[np.int64],
    model: StationModel,
    dates: pd.DatetimeIndex,
) -> None:
    """Distribution of past stages at the season of each lead's day."""
    levels = np.array(list(QUANTILES.values()))
    leads = issue.quantiles.shape[1]
    # Stages of one week stand high or low together.
    together = np.full((leads, leads), 0.95) + 0.05 * np.eye(leads)
    for index, date in zip(chosen, dates, strict=True):
        for lead in range(leads):
            day = min((date + (lead + 1) * DAY).day_of_year, 365)
            row = model.climatology[(day - 1) // 5]
            table = climatology_table(row)
            issue.quantiles[index, lead] = quantile(table, 0, levels)
            issue.mean_m[index, lead] = mean(table, 0)
            issue.drivers[index, lead] = dict.fromkeys(DRIVERS, float("nan"))
            for kind, threshold in issue.thresholds.items():
                if threshold is not None:
                    over = 1.0 - cdf(table, 0, np.array([threshold]))[0]
                    issue.exceed[kind][index, lead] = over
        _add_windows(issue, index, together)


def _add_windows(
    issue: _Issue,
    index: int,
    correlation: NDArray[np.float64],
) -> None:
    for kind, threshold in issue.thresholds.items():
        if threshold is not None:
            issue.exceed_by[kind][index] = by_lead(issue.exceed[kind][index], correlation)

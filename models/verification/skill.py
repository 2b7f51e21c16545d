"""Skill of a hindcast and its baselines, with intervals, by gauge, year and regime."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from models.baselines import PEERS
from models.climatology import FROM_JUNE_BY_DAYS, WET_MONTHS, water_year
from models.verification.alarms import alarm_stages
from models.verification.bootstrap import DRAWS, LEAST_YEARS, Interval, draw_years, make_interval
from models.verification.metrics import skill_score, squared_error
from models.verification.scores import select_scorable
from pipeline.alerts.thresholds import stable_band_m

LEAST_ROWS = 30
"""Least number of forecasts of a gauge and lead for its own persistence index."""
NEAR_M = 1.0
"""Distance of the stage at issue from alarm stage that counts as near, m."""
DAMS_YEAR = 2014
"""Year in which Nuozhadu, the second of the large storage dams, was complete."""
METHODS = ("model", "persistence", *PEERS)
ALTERNATIVE = "alternative"
"""A second model of a hindcast, with another regressor, where it was asked for."""


def list_methods(rows: pd.DataFrame) -> tuple[str, ...]:
    """List the methods that a hindcast compares: the model, its peers and perhaps an alternative.

    Parameters
    ----------
    rows
        Forecasts, prepared or not.
    """
    return (*METHODS, ALTERNATIVE) if f"{ALTERNATIVE}_m" in rows else METHODS


def prepare(forecasts: pd.DataFrame) -> pd.DataFrame:
    """Prepare the forecasts that can be scored, with squared errors and regimes.

    Parameters
    ----------
    forecasts
        From :func:`models.hindcast.run_hindcast`.

    Returns
    -------
    DataFrame
        With ``se_<method>`` in m2, ``year`` (hydrological, that of its June), ``wet``,
        ``alarm_m``, ``change_m`` (of the stage over the day before the issue), ``rising`` and
        ``near`` (the stage at issue within ``NEAR_M`` of alarm stage), both known at issue.
    """
    rows = select_scorable(forecasts)
    point = {"model": rows["mean_m"], "persistence": rows["stage_m"]}
    point |= {name: rows[f"{name}_m"] for name in list_methods(rows)[2:]}
    for name in point:
        rows[f"se_{name}"] = squared_error(point[name], rows["observed_m"])
    rows["year"] = water_year(pd.DatetimeIndex(rows["issue_time"]), FROM_JUNE_BY_DAYS)
    rows["wet"] = rows["valid_time"].dt.month.isin(WET_MONTHS)
    rows["alarm_m"] = alarm_stages(rows)
    stage = rows.drop_duplicates(["station", "issue_time"]).set_index(["station", "issue_time"])
    before = pd.MultiIndex.from_arrays([rows["station"], rows["issue_time"] - pd.Timedelta(days=1)])
    rows["change_m"] = rows["stage_m"] - stage["stage_m"].reindex(before).to_numpy()
    rows["rising"] = rows["change_m"] > rows["station"].map(stable_band_m)
    rows["near"] = (rows["stage_m"] - rows["alarm_m"]).abs() <= NEAR_M
    return rows


@dataclass(frozen=True)
class ErrorSums:
    """Squared errors of each method added up by gauge, lead and year.

    Parameters
    ----------
    methods, stations, leads, years
        Labels of the axes.
    squares
        m2, shape (method, station, lead, year).
    count
        Forecasts, shape (station, lead, year).
    """

    methods: tuple[str, ...]
    stations: tuple[str, ...]
    leads: tuple[int, ...]
    years: tuple[int, ...]
    squares: NDArray[np.float64]
    count: NDArray[np.float64]

    def cp(self, weights: NDArray[np.float64] | None = None) -> NDArray[np.float64]:
        """Compute the persistence index of each method, gauge and lead.

        Parameters
        ----------
        weights
            Multiplicity of each year, shape (n_years,); by default 1.

        Returns
        -------
        ndarray
            Shape (method, station, lead); NaN below ``LEAST_ROWS`` forecasts.
        """
        total = self.squares @ (np.ones(len(self.years)) if weights is None else weights)
        cp = skill_score(total, total[METHODS.index("persistence")])
        return np.where(self.count.sum(axis=2) >= LEAST_ROWS, cp, np.nan)


def sum_errors(rows: pd.DataFrame) -> ErrorSums:
    """Add up the squared errors of prepared forecasts."""
    keys = ["station", "lead_days", "year"]
    stations, leads, years = (tuple(sorted(rows[key].unique().tolist())) for key in keys)
    index = pd.MultiIndex.from_product([stations, leads, years])
    grouped = rows.groupby(keys)
    shape = len(stations), len(leads), len(years)
    methods = list_methods(rows)
    total = grouped[[f"se_{name}" for name in methods]].sum().reindex(index, fill_value=0.0)
    count = grouped.size().reindex(index, fill_value=0).to_numpy().reshape(shape).astype("float64")
    squares = total.to_numpy().T.reshape(len(methods), *shape)
    return ErrorSums(methods, stations, leads, years, squares, count)


def resample_cp(sums: ErrorSums, *, draws: int = DRAWS) -> NDArray[np.float64]:
    """Compute the persistence index of resampled years, the same for all gauges and methods.

    Returns
    -------
    ndarray
        Shape (draw, method, station, lead); all NaN below ``LEAST_YEARS``.
    """
    n_years = len(sums.years)
    if n_years < LEAST_YEARS:
        return np.full((draws, *sums.cp().shape), np.nan)
    years = draw_years(n_years, draws)
    weights = (years[:, :, None] == np.arange(n_years)).sum(axis=1).astype(float)
    return np.stack([sums.cp(year_weights) for year_weights in weights])


@dataclass(frozen=True)
class Skill:
    """Persistence index over gauges, by lead.

    Parameters
    ----------
    leads
        Leads, days.
    stations, forecasts
        Number of gauges and forecasts, by lead.
    median
        Method -> median over the gauges, one interval per lead.
    margin
        Method -> margin of the model's median above it, paired over the same years.
    """

    leads: tuple[int, ...]
    stations: list[int]
    forecasts: list[int]
    median: dict[str, list[Interval]]
    margin: dict[str, list[Interval]]


def median_skill(rows: pd.DataFrame, *, draws: int = DRAWS) -> Skill | None:
    """Compare the model with every baseline on some prepared forecasts; None without any."""
    if rows.empty:
        return None
    sums = sum_errors(rows)
    cp, samples = sums.cp(), resample_cp(sums, draws=draws)
    known = np.isfinite(cp[0])
    if not known.any():
        return None
    with np.errstate(all="ignore"):
        middle = _median(cp)
        spread = _median(samples)
    leads = range(len(sums.leads))
    median = {
        name: [make_interval(middle[k, lead], spread[:, k, lead]) for lead in leads]
        for k, name in enumerate(sums.methods)
    }
    margin = {
        name: [
            make_interval(
                middle[0, lead] - middle[k, lead], spread[:, 0, lead] - spread[:, k, lead]
            )
            for lead in leads
        ]
        for k, name in enumerate(sums.methods)
        if k > 0
    }
    n = sums.count.sum(axis=(0, 2)).astype(int).tolist()
    return Skill(sums.leads, known.sum(axis=0).tolist(), n, median, margin)


def _median(cp: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the median over gauges, the last axis but one; NaN where no gauge is known."""
    ranked = np.sort(cp, axis=-2)  # NaN last
    count = np.isfinite(cp).sum(axis=-2)
    low, high = np.maximum((count - 1) // 2, 0), count // 2
    pick = [np.take_along_axis(ranked, k[..., None, :], axis=-2)[..., 0, :] for k in (low, high)]
    return np.where(count > 0, (pick[0] + pick[1]) / 2.0, np.nan)


def tabulate_stations(rows: pd.DataFrame, *, draws: int = DRAWS) -> pd.DataFrame:
    """Tabulate each gauge's persistence index by lead, and its margin above the benchmark's.

    Returns
    -------
    DataFrame
        Columns station, lead_days, cp, low, high, one column per baseline, and ``margin``,
        ``margin_low``, ``margin_high`` of the model above the benchmark.
    """
    sums = sum_errors(rows)
    cp, samples = sums.cp(), resample_cp(sums, draws=draws)
    benchmark = METHODS.index("reference")
    table = []
    for i, station in enumerate(sums.stations):
        for k, lead in enumerate(sums.leads):
            own = make_interval(cp[0, i, k], samples[:, 0, i, k])
            gap = samples[:, 0, i, k] - samples[:, benchmark, i, k]
            margin = make_interval(cp[0, i, k] - cp[benchmark, i, k], gap)
            table.append(
                {
                    "station": station,
                    "lead_days": lead,
                    "cp": own.value,
                    "low": own.low,
                    "high": own.high,
                    **{name: cp[m, i, k] for m, name in enumerate(sums.methods) if m > 1},
                    "margin": margin.value,
                    "margin_low": margin.low,
                    "margin_high": margin.high,
                }
            )
    return pd.DataFrame(table)


def split_regimes(rows: pd.DataFrame) -> dict[str, pd.DataFrame]:
    """Split prepared forecasts into the regimes of the report, by title."""
    wet = rows[rows["wet"]]
    return {
        f"Years after {DAMS_YEAR} (large dams upstream)": wet[wet["year"] > DAMS_YEAR],
        "Rising limb (stage rose on the day before issue)": wet[wet["rising"]],
        f"Within {NEAR_M:g} m of alarm stage at issue": wet[wet["near"]],
        "Dry season (November to May)": rows[~rows["wet"]],
    }

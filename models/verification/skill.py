"""Skill of a hindcast and its baselines, with intervals, by gauge, year and regime."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from models.verification.bootstrap import (
    DRAWS,
    LEAST_YEARS,
    Interval,
    compare_over_years,
    draw_years,
    make_interval,
)
from models.verification.cases import METHODS, NEAR_M, list_methods
from models.verification.metrics import skill_score

LEAST_ROWS = 30
"""Least number of forecasts of a gauge and lead for its own persistence index."""
DAMS_YEAR = 2014
"""Year in which Nuozhadu, the second of the large storage dams, was complete."""


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


def skill_by(rows: pd.DataFrame, own: str, reference: str, *, by: Sequence[str]) -> pd.Series:
    """Compute the skill of a statistic's sum against a reference's, on the cases that have both.

    Parameters
    ----------
    rows
        Prepared forecasts.
    own, reference
        Columns of statistics that are best at 0.
    by
        Columns to group by.
    """
    both = rows[rows[own].notna() & rows[reference].notna()]
    sums = both.groupby(list(by))[[own, reference]].sum()
    return pd.Series(skill_score(sums[own], sums[reference]), sums.index)


def compare_scores(
    rows: pd.DataFrame, own: str, reference: str, *, draws: int = DRAWS
) -> pd.DataFrame:
    """Compare the mean of a statistic with that of a reference by lead, pooled over gauges.

    Parameters
    ----------
    rows
        Prepared forecasts; those that miss either statistic are left out.
    own, reference
        Columns of statistics that are best at 0, such as ``brier_model``, ``brier_climatology``.
    draws
        Samples of years.

    Returns
    -------
    DataFrame
        One row per lead: lead_days, cases, reached (of them at or above alarm stage), score,
        reference, and ``skill``, an :class:`models.verification.bootstrap.Interval`.
    """
    both = rows[rows[own].notna() & rows[reference].notna()]
    table = []
    for lead, part in both.groupby("lead_days"):
        yearly = part.groupby("year")[[own, reference]].sum().to_numpy()
        comparison = compare_over_years(yearly[:, 0], yearly[:, 1], cases=len(part), draws=draws)
        table.append(
            {
                "lead_days": lead,
                "cases": comparison.cases,
                "reached": int(part["reached"].sum()),
                "score": comparison.score,
                "reference": comparison.reference,
                "skill": comparison.skill,
            }
        )
    columns = ["lead_days", "cases", "reached", "score", "reference", "skill"]
    return pd.DataFrame(table, columns=columns)


def split_regimes(rows: pd.DataFrame) -> dict[str, pd.DataFrame]:
    """Split prepared forecasts into the regimes of the report, by title."""
    wet = rows[rows["wet"]]
    return {
        f"Years after {DAMS_YEAR} (large dams upstream)": wet[wet["year"] > DAMS_YEAR],
        "Rising limb (stage rose on the day before issue)": wet[wet["rising"]],
        f"Within {NEAR_M:g} m of alarm stage at issue": wet[wet["near"]],
        "Dry season (November to May)": rows[~rows["wet"]],
    }

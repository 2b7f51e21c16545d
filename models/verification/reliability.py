"""Reliability of probabilities and intervals, economic value, errors of peaks."""

from __future__ import annotations

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from models.verification.alarms import LEAST_CASES
from models.verification.bootstrap import DRAWS, skill_over_years
from models.verification.metrics import squared_error

BINS = np.array([0.0, 0.05, 0.15, 0.25, 0.35, 0.45, 0.55, 0.65, 0.75, 0.85, 0.95, 1.0])
RATIOS = np.round(np.arange(0.02, 0.99, 0.02), 2)
"""Cost/loss ratios at which the economic value is computed."""
PEAK_WINDOW_D = 30
"""Days on each side of a year's highest stage in which the forecast's highest is searched."""


def reliability_table(rows: pd.DataFrame) -> pd.DataFrame:
    """Tabulate the observed frequency of alarm stage by forecast probability.

    Parameters
    ----------
    rows
        Prepared forecasts (:func:`models.verification.skill.prepare`).

    Returns
    -------
    DataFrame
        One row per lead and bin that holds a forecast: lead_days, p (mean forecast), share (that
        was reached), count, events.
    """
    rows = rows[rows["alarm_m"].notna()]
    frame = pd.DataFrame(
        {
            "lead_days": rows["lead_days"],
            "bin": np.digitize(rows["p_alarm"], BINS[1:-1]),
            "p": rows["p_alarm"],
            "reached": rows["observed_m"] >= rows["alarm_m"],
        }
    )
    table = frame.groupby(["lead_days", "bin"]).agg(
        p=("p", "mean"), share=("reached", "mean"), count=("p", "size"), events=("reached", "sum")
    )
    return table.reset_index()


def brier_table(rows: pd.DataFrame, *, draws: int = DRAWS) -> pd.DataFrame:
    """Tabulate the Brier score of P(alarm) and of the seasonal climatology, pooled over gauges.

    Forecasts of seasons without a climatology are left out.

    Returns
    -------
    DataFrame
        One row per lead: lead_days, n, events, brier, brier_climatology and ``skill`` with its 95 %
        interval over resampled years (an :class:`models.verification.bootstrap.Interval`).
    """
    rows = rows[rows["alarm_m"].notna() & rows["climatology_p_alarm"].notna()]
    reached = (rows["observed_m"] >= rows["alarm_m"]).astype(float)
    errors = pd.DataFrame(
        {
            "lead_days": rows["lead_days"],
            "year": rows["year"],
            "own": squared_error(rows["p_alarm"], reached),
            "climatology": squared_error(rows["climatology_p_alarm"], reached),
            "reached": reached,
        }
    )
    table = []
    for lead, part in errors.groupby("lead_days"):
        yearly = part.groupby("year")[["own", "climatology"]].sum().to_numpy()
        brier = part[["own", "climatology"]].mean()
        table.append(
            {
                "lead_days": lead,
                "n": len(part),
                "events": int(part["reached"].sum()),
                "brier": brier["own"],
                "brier_climatology": brier["climatology"],
                "skill": skill_over_years(yearly[:, 0], yearly[:, 1], draws=draws),
            }
        )
    return pd.DataFrame(table)


def coverage_table(rows: pd.DataFrame) -> pd.DataFrame:
    """Tabulate the share of observations in the intervals, and the widths, by tier and lead.

    Returns
    -------
    DataFrame
        Columns tier (``every`` for all), lead_days, n, cover80, cover95, width80_m, width95_m; the
        widths are medians.
    """
    observed = rows["observed_m"]
    frame = pd.DataFrame(
        {
            "tier": rows["tier"],
            "lead_days": rows["lead_days"],
            "cover80": (rows["q10"] <= observed) & (observed <= rows["q90"]),
            "cover95": (rows["q025"] <= observed) & (observed <= rows["q975"]),
            "width80_m": rows["q90"] - rows["q10"],
            "width95_m": rows["q975"] - rows["q025"],
        }
    )
    by_tier = pd.concat([frame.assign(tier="every"), frame])
    table = by_tier.groupby(["tier", "lead_days"], sort=False).agg(
        n=("cover80", "size"),
        cover80=("cover80", "mean"),
        cover95=("cover95", "mean"),
        width80_m=("width80_m", "median"),
        width95_m=("width95_m", "median"),
    )
    return table.reset_index()


def economic_value(p: NDArray[np.float64], reached: NDArray[np.bool_]) -> NDArray[np.float64]:
    """Compute the relative economic value of acting where p exceeds the cost/loss ratio.

    V = [min(o,a) − F a (1−o) + H o (1−a) − o] / [min(o,a) − o a] with the ratio a = C/L, the base
    rate o, the hit rate H and the false-alarm rate F (of days without the event, not of alarms):
    1 for a perfect forecast, 0 for always or never acting, whichever is cheaper.

    Parameters
    ----------
    p, reached
        Probability and outcome, shape (n,).

    Returns
    -------
    ndarray
        Value at each of ``RATIOS``; NaN with no case or only cases.

    References
    ----------
    Richardson, D. S. (2000), doi 10.1002/qj.49712656313.

    Examples
    --------
    >>> reached = np.array([True, False, False, True])
    >>> bool((economic_value(reached.astype(float), reached) == 1.0).all())
    True
    >>> bool((economic_value(np.full(4, 0.5), reached) == 0.0).all())
    True
    """
    base = float(reached.mean()) if len(reached) else 0.0
    if not 0.0 < base < 1.0:
        return np.full(len(RATIOS), np.nan)
    acts = p[:, None] > RATIOS
    hit, false = acts[reached].mean(axis=0), acts[~reached].mean(axis=0)
    cheap = np.minimum(base, RATIOS)
    saved = cheap - false * RATIOS * (1.0 - base) + hit * base * (1.0 - RATIOS) - base
    return np.asarray(np.round(saved / (cheap - base * RATIOS), 12))


def value_curves(rows: pd.DataFrame) -> dict[str, dict[int, NDArray[np.float64]]]:
    """Compute value curves of P(alarm), gauge -> lead -> value, from ``LEAST_CASES`` cases up."""
    curves: dict[str, dict[int, NDArray[np.float64]]] = {}
    rows = rows[rows["alarm_m"].notna()]
    for (station, lead), part in rows.groupby(["station", "lead_days"]):
        reached = (part["observed_m"] >= part["alarm_m"]).to_numpy()
        if LEAST_CASES <= reached.sum() < len(reached):
            curve = economic_value(part["p_alarm"].to_numpy(), reached)
            curves.setdefault(str(station), {})[int(str(lead))] = curve
    return curves


def peak_errors(rows: pd.DataFrame) -> pd.DataFrame:
    """Tabulate errors of the highest stage of each year, in height and in time.

    Returns
    -------
    DataFrame
        One row per gauge, year and lead: station, year, lead_days, peak_m (observed), error_m (the
        forecast for the day of the peak less the observed), late_d (day of the forecast's highest
        stage within ``PEAK_WINDOW_D`` less that of the observed).
    """
    table = []
    for (station, year, lead), part in rows.groupby(["station", "year", "lead_days"]):
        wet = part[part["wet"]]
        if len(wet) < 3 * PEAK_WINDOW_D:
            continue
        top = wet.iloc[int(wet["observed_m"].to_numpy().argmax())]
        near = wet[(wet["valid_time"] - top["valid_time"]).abs().dt.days <= PEAK_WINDOW_D]
        forecast_peak = near.iloc[int(near["q50"].to_numpy().argmax())]
        table.append(
            {
                "station": station,
                "year": year,
                "lead_days": lead,
                "peak_m": top["observed_m"],
                "error_m": top["q50"] - top["observed_m"],
                "late_d": (forecast_peak["valid_time"] - top["valid_time"]).days,
            }
        )
    columns = ["station", "year", "lead_days", "peak_m", "error_m", "late_d"]
    return pd.DataFrame(table, columns=columns)

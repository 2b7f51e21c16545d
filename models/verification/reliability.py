"""Reliability of probabilities and intervals, economic value."""

from __future__ import annotations

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from models.verification.alarms import LEAST_CASES

BINS = np.array([0.0, 0.05, 0.15, 0.25, 0.35, 0.45, 0.55, 0.65, 0.75, 0.85, 0.95, 1.0])
RATIOS = np.round(np.arange(0.02, 0.99, 0.02), 2)
"""Cost/loss ratios at which the economic value is computed."""


def reliability_table(rows: pd.DataFrame) -> pd.DataFrame:
    """Tabulate the observed frequency of alarm stage by forecast probability.

    Parameters
    ----------
    rows
        Prepared forecasts (:func:`models.verification.cases.prepare`).

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
            "reached": rows["reached"],
        }
    )
    table = frame.groupby(["lead_days", "bin"]).agg(
        p=("p", "mean"), share=("reached", "mean"), count=("p", "size"), events=("reached", "sum")
    )
    return table.reset_index()


def coverage_table(rows: pd.DataFrame) -> pd.DataFrame:
    """Tabulate the share of observations in the intervals, and the widths, by tier and lead.

    Returns
    -------
    DataFrame
        Columns tier (``every`` for all), lead_days, n, cover80, cover95, width80_m, width95_m; the
        widths are medians.
    """
    frame = pd.DataFrame(
        {
            "tier": rows["tier"],
            "lead_days": rows["lead_days"],
            "cover80": rows["inside80"],
            "cover95": rows["inside95"],
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
        reached = (part["reached"] == 1.0).to_numpy()
        if LEAST_CASES <= reached.sum() < len(reached):
            curve = economic_value(part["p_alarm"].to_numpy(), reached)
            curves.setdefault(str(station), {})[int(str(lead))] = curve
    return curves

"""What a hindcast is worth: skill beside the baselines, with intervals, by year and by regime."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from models.hindcast import PEERS
from models.verification.bootstrap import DRAWS, Interval, interval
from models.verification.metrics import MERGE_D, WET_MONTHS, alarm_stages, declared, scorable
from pipeline.alerts.thresholds import stable_band_m

LEAST_ROWS = 30
"""Forecasts of a gauge and lead below which it has no persistence index of its own."""
FEW = 10
"""Cases below which counts are given and no rates."""
NEAR_M = 1.0
DAMS = 2014
"""Year in which Nuozhadu, the second of the large storage dams, was complete."""
METHODS = ("model", "persistence", *PEERS)


def prepared(forecasts: pd.DataFrame) -> pd.DataFrame:
    """Forecasts that can be scored, with their squared errors and what they are sorted by.

    Parameters
    ----------
    forecasts
        As :func:`models.hindcast.hindcast` gives them.

    Returns
    -------
    DataFrame
        With ``se_<method>`` in m2, ``year`` (hydrological, that of its June), ``wet``,
        ``alarm_m``, ``change_m`` (of the stage over the day before the issue), ``rising`` and
        ``near`` (the stage at issue within ``NEAR_M`` of alarm stage), both known at issue.
    """
    found = scorable(forecasts)
    middle = {"model": found["mean_m"], "persistence": found["stage_m"]}
    middle |= {name: found[f"{name}_m"] for name in PEERS}
    for name in METHODS:
        found[f"se_{name}"] = (middle[name] - found["observed_m"]) ** 2
    found["year"] = (found["issue_time"] - pd.Timedelta(days=151)).dt.year
    found["wet"] = found["valid_time"].dt.month.isin(WET_MONTHS)
    found["alarm_m"] = alarm_stages(found)
    stage = found.drop_duplicates(["station", "issue_time"]).set_index(["station", "issue_time"])
    before = pd.MultiIndex.from_arrays(
        [found["station"], found["issue_time"] - pd.Timedelta(days=1)]
    )
    found["change_m"] = found["stage_m"] - stage["stage_m"].reindex(before).to_numpy()
    found["rising"] = found["change_m"] > found["station"].map(stable_band_m)
    found["near"] = (found["stage_m"] - found["alarm_m"]).abs() <= NEAR_M
    return found


@dataclass(frozen=True)
class Sums:
    """Squared errors of each method added up by gauge, lead and year.

    Parameters
    ----------
    stations, leads, years
        What the axes are.
    squares
        m2, shape (method, station, lead, year).
    count
        Forecasts, shape (station, lead, year).
    """

    stations: tuple[str, ...]
    leads: tuple[int, ...]
    years: tuple[int, ...]
    squares: NDArray[np.float64]
    count: NDArray[np.float64]

    def cp(self, weights: NDArray[np.float64] | None = None) -> NDArray[np.float64]:
        """Give the persistence index of each method, gauge and lead.

        Parameters
        ----------
        weights
            How often each year counts, shape (n_years,); default once.

        Returns
        -------
        ndarray
            Shape (method, station, lead); NaN below ``LEAST_ROWS`` forecasts.
        """
        every = np.ones(len(self.years)) if weights is None else weights
        total = self.squares @ every
        with np.errstate(divide="ignore", invalid="ignore"):
            found = 1.0 - total / total[METHODS.index("persistence")]
        return np.where(self.count.sum(axis=2) >= LEAST_ROWS, found, np.nan)


def sums(rows: pd.DataFrame) -> Sums:
    """Add up the squared errors of prepared forecasts."""
    keys = ["station", "lead_days", "year"]
    stations, leads, years = (tuple(sorted(rows[key].unique().tolist())) for key in keys)
    index = pd.MultiIndex.from_product([stations, leads, years])
    grouped = rows.groupby(keys)
    shape = len(stations), len(leads), len(years)
    total = grouped[[f"se_{name}" for name in METHODS]].sum().reindex(index, fill_value=0.0)
    count = grouped.size().reindex(index, fill_value=0).to_numpy().reshape(shape).astype("float64")
    squares = total.to_numpy().T.reshape(len(METHODS), *shape)
    return Sums(stations, leads, years, squares, count)


def resampled(found: Sums, *, draws: int = DRAWS) -> NDArray[np.float64]:
    """Draw whole years, alike for all gauges and methods, and give their persistence index.

    Returns
    -------
    ndarray
        Shape (draw, method, station, lead); all NaN with fewer than three years.
    """
    n = len(found.years)
    if n < 3:
        return np.full((draws, *found.cp().shape), np.nan)
    picks = np.random.default_rng(0).integers(0, n, (draws, n))
    weights = (picks[:, :, None] == np.arange(n)).sum(axis=1).astype(float)
    return np.stack([found.cp(one) for one in weights])


@dataclass(frozen=True)
class Skill:
    """Persistence index over gauges, by lead.

    Parameters
    ----------
    leads
        Days ahead.
    stations, forecasts
        Gauges and forecasts that count, by lead.
    median
        Method -> median over the gauges, one interval per lead.
    margin
        Method -> how far the model's median lies above it, paired over the same years.
    """

    leads: tuple[int, ...]
    stations: list[int]
    forecasts: list[int]
    median: dict[str, list[Interval]]
    margin: dict[str, list[Interval]]


def skill(rows: pd.DataFrame, *, draws: int = DRAWS) -> Skill | None:
    """Compare the model with every baseline on some prepared forecasts; None without any."""
    if rows.empty:
        return None
    found = sums(rows)
    cp, samples = found.cp(), resampled(found, draws=draws)
    known = np.isfinite(cp[0])
    if not known.any():
        return None
    with np.errstate(all="ignore"):
        middle = _median(cp)
        spread = _median(samples)
    leads = range(len(found.leads))
    median = {
        name: [interval(middle[k, lead], spread[:, k, lead]) for lead in leads]
        for k, name in enumerate(METHODS)
    }
    margin = {
        name: [
            interval(middle[0, lead] - middle[k, lead], spread[:, 0, lead] - spread[:, k, lead])
            for lead in leads
        ]
        for k, name in enumerate(METHODS)
        if k > 0
    }
    n = found.count.sum(axis=(0, 2)).astype(int).tolist()
    return Skill(found.leads, known.sum(axis=0).tolist(), n, median, margin)


def _median(cp: NDArray[np.float64]) -> NDArray[np.float64]:
    """Median over gauges, the last axis but one; NaN where no gauge is known."""
    ranked = np.sort(cp, axis=-2)  # NaN last
    count = np.isfinite(cp).sum(axis=-2)
    low, high = np.maximum((count - 1) // 2, 0), count // 2
    pick = [np.take_along_axis(ranked, k[..., None, :], axis=-2)[..., 0, :] for k in (low, high)]
    return np.where(count > 0, (pick[0] + pick[1]) / 2.0, np.nan)


def by_station(rows: pd.DataFrame, *, draws: int = DRAWS) -> pd.DataFrame:
    """Give each gauge's persistence index by lead, and how far it lies above the reference's.

    Returns
    -------
    DataFrame
        Columns station, lead_days, cp, low, high, one column per baseline, and ``margin``,
        ``margin_low``, ``margin_high`` of the model above the reference.
    """
    found = sums(rows)
    cp, samples = found.cp(), resampled(found, draws=draws)
    other = METHODS.index("reference")
    table = []
    for i, station in enumerate(found.stations):
        for k, lead in enumerate(found.leads):
            own = interval(cp[0, i, k], samples[:, 0, i, k])
            gap = samples[:, 0, i, k] - samples[:, other, i, k]
            margin = interval(cp[0, i, k] - cp[other, i, k], gap)
            table.append(
                {
                    "station": station,
                    "lead_days": lead,
                    "cp": own.value,
                    "low": own.low,
                    "high": own.high,
                    **{name: cp[m, i, k] for m, name in enumerate(METHODS) if m > 1},
                    "margin": margin.value,
                    "margin_low": margin.low,
                    "margin_high": margin.high,
                }
            )
    return pd.DataFrame(table)


def subsets(rows: pd.DataFrame) -> dict[str, pd.DataFrame]:
    """Split off what is reported apart from prepared forecasts."""
    wet = rows[rows["wet"]]
    return {
        f"Years after {DAMS} (large dams upstream)": wet[wet["year"] > DAMS],
        "Rising limb (stage rose on the day before issue)": wet[wet["rising"]],
        f"Within {NEAR_M:g} m of alarm stage at issue": wet[wet["near"]],
        "Dry season (November to May)": rows[~rows["wet"]],
    }


def crossings(rows: pd.DataFrame) -> pd.DataFrame:
    """Up-crossings of alarm stage as events, forecast and observed, matched one to one.

    Crossings less than ``MERGE_D`` apart are one event; a forecast event is a hit within a day at
    1 to 3 d and within two at longer leads.

    Returns
    -------
    DataFrame
        One row per lead: observed, forecast, hits.
    """
    found = []
    marked = rows[rows["alarm_m"].notna()]
    for lead, part in marked.groupby("lead_days"):
        near = 1 if int(str(lead)) <= 3 else 2
        seen = said = hits = 0
        for _, one in part.sort_values("valid_time").groupby("station"):
            days = one["valid_time"].to_numpy("datetime64[D]").astype(int)
            came = starts(days, (one["observed_m"] >= one["alarm_m"]).to_numpy())
            told = starts(days, declared(one))
            seen, said = seen + len(came), said + len(told)
            hits += matched(came, told, near)
        found.append({"lead_days": lead, "observed": seen, "forecast": said, "hits": hits})
    return pd.DataFrame(found)


def starts(days: NDArray[np.int64], over: NDArray[np.bool_]) -> list[int]:
    """First days of the spells above, those less than ``MERGE_D`` after the last merged into it.

    Examples
    --------
    >>> starts(np.arange(9), np.array([0, 1, 1, 0, 1, 0, 0, 0, 0], dtype=bool))
    [1]
    """
    found: list[int] = []
    last = None
    for day in days[over].tolist():
        if last is None or day - last >= MERGE_D:
            found.append(day)
        last = day
    return found


def matched(came: Sequence[int], told: Sequence[int], near: int) -> int:
    """Count pairs of an observed and a forecast day at most ``near`` apart, each used once.

    Examples
    --------
    >>> matched([10, 12], [11, 30], 1)
    1
    """
    left, hits = list(told), 0
    for day in came:
        close = [other for other in left if abs(other - day) <= near]
        if close:
            left.remove(min(close))
            hits += 1
    return hits

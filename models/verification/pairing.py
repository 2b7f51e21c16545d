"""Forecasts of two archives paired on the same gauge, issue day and lead, with what came."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from models.climatology import (
    FROM_JUNE_BY_DAYS,
    WET_MONTHS,
    day_of_year,
    water_year,
    window_means,
)
from models.verification.archives import KEYS, ForecastArchive
from models.verification.metrics import ensemble_of_quantiles
from pipeline.geography.gauge_figures import threshold_stages
from pipeline.geography.places import stations

THRESHOLDS = ("alarm", "flood")
SIDES = ("ours", "rival", "persistence", "climatology")
LEAST_LEVELS = 3
"""Least number of quantiles for a distribution; they must lie on both sides of the median."""
OFFSET_M = 0.5
"""Mean error of a gauge from which its zero is suspected to be another, m."""
LEAST_CASES = 10
"""Least number of cases of a gauge for such a suspicion."""
_CLIMATOLOGY_YEARS = 3
"""Least number of years before the first issue for a climatology."""


@dataclass(frozen=True)
class Side:
    """Forecasts of one side, a row per case.

    Parameters
    ----------
    mean, median
        Point forecasts that squared and absolute errors are of, shape (n,); NaN where none.
    ensemble
        Members of equal weight in increasing order, shape (n, n_members): of one value that value,
        of quantiles those at the levels (k − ½)/40; no columns where there is no distribution.
    quantiles
        Stated quantiles by level, each of shape (n,).
    p
        P(at or above the stage on the valid day) by threshold, shape (n,).
    """

    mean: NDArray[np.float64]
    median: NDArray[np.float64]
    ensemble: NDArray[np.float64]
    quantiles: Mapping[float, NDArray[np.float64]]
    p: Mapping[str, NDArray[np.float64]]


@dataclass(frozen=True)
class Cases:
    """Cases that both archives have, with what came.

    Parameters
    ----------
    rows
        Columns ``KEYS``, valid_time, issue_time (ours), ``observed_m`` and ``stage_m`` (at 00:00
        UTC of the valid and of the issue day), ``alarm_m`` and ``flood_m`` (as of the issue),
        ``year`` (hydrological) and ``wet`` (valid June to October).
    sides
        By name of ``SIDES``.
    variable
        Of the rival.
    counts
        Numbers of forecasts by what became of them, in plain words.
    remarks
        What makes the comparison unfair, in plain words.
    """

    rows: pd.DataFrame
    sides: Mapping[str, Side]
    variable: str
    counts: Mapping[str, int]
    remarks: tuple[str, ...]


def pair(ours: ForecastArchive, rival: ForecastArchive, observed: pd.Series[float]) -> Cases:
    """Pair two archives, and set beside them what came, persistence and climatology.

    Parameters
    ----------
    ours, rival
        Archives; ours is of stages.
    observed
        Stages in m, indexed by station and valid time (naive UTC); those at 00:00 are used.

    Raises
    ------
    LookupError
        No case is left; the message has the counts.
    """
    left, right = (
        archive.rows.assign(row=np.arange(len(archive.rows))) for archive in (ours, rival)
    )
    right = right[[*KEYS, "row", "issue_time"]]
    both = left.merge(right, on=list(KEYS), suffixes=("", "_rival"))
    counts = {
        "forecasts that both have": len(both),
        "of ours alone": len(left) - len(both),
        "of the rival alone": len(right) - len(both),
    }
    both["observed_m"] = _look_up(observed, both["station"], both["valid_time"])
    both["stage_m"] = _look_up(observed, both["station"], both["issue_day"])
    counts["without a reading on the valid day"] = int(both["observed_m"].isna().sum())
    both = both[both["observed_m"].notna()]
    counts["without a reading at issue"] = int(both["stage_m"].isna().sum())
    both = both[both["stage_m"].notna()]
    remarks = [*ours.remarks, *rival.remarks]
    if rival.variable == "discharge":
        backwater = [
            code
            for code, gauge in stations().items()
            if gauge.tidal or gauge.river.startswith("Tonle Sap")
        ]
        turned = both["station"].isin(backwater)
        counts["at gauges where discharge does not rise with the stage"] = int(turned.sum())
        both = both[~turned]
    counts["compared"] = len(both)
    if both.empty:
        said = ", ".join(f"{count} {what}" for what, count in counts.items())
        raise LookupError(f"expected forecasts that both archives have and readings, found {said}")
    both = both.sort_values([*KEYS]).reset_index(drop=True)
    rows = _add_facts(both)
    sides = {
        "ours": _side(ours, rows["row"].to_numpy(), rows),
        "rival": _side(rival, rows["row_rival"].to_numpy(), rows),
        "persistence": _point_side(rows["stage_m"].to_numpy(), rows),
        "climatology": _climatology(observed, rows),
    }
    remarks += [*_tell_times(rows), *_tell_offsets(rows, sides, rival.variable)]
    rows = rows.drop(
        columns=["row", "row_rival", "issue_time_rival", "point", "p_alarm", "p_flood"]
    )
    return Cases(rows, sides, rival.variable, counts, tuple(remarks))


def _look_up(
    observed: pd.Series[float], station: pd.Series[str], time: pd.Series[pd.Timestamp]
) -> NDArray[np.float64]:
    keys = pd.MultiIndex.from_arrays([station, time.astype("datetime64[ns]")])
    return np.asarray(observed.reindex(keys), dtype="float64")


def _add_facts(both: pd.DataFrame) -> pd.DataFrame:
    stages_m = threshold_stages(both["station"], pd.DatetimeIndex(both["issue_time"]))
    return both.assign(
        year=water_year(pd.DatetimeIndex(both["issue_time"]), FROM_JUNE_BY_DAYS),
        wet=both["valid_time"].dt.month.isin(WET_MONTHS),
        **{f"{name}_m": stages_m[name] for name in THRESHOLDS},
    )


def _side(archive: ForecastArchive, at: NDArray[np.int64], rows: pd.DataFrame) -> Side:
    """Bring the forecasts of an archive at some of its rows into the form that is scored."""
    of_archive, values, levels = archive.rows.iloc[at], archive.values[at], archive.levels
    point = of_archive["point"].to_numpy("float64")
    bracketed = bool(levels) and levels[0] <= 0.5 <= levels[-1]
    if archive.members:
        median, ensemble = np.median(values, axis=1), values
    elif bracketed:
        median = ensemble_of_quantiles(values, levels, members=1)[:, 0]
        ensemble = (
            ensemble_of_quantiles(values, levels) if len(levels) >= LEAST_LEVELS else values[:, :0]
        )
    else:
        median, ensemble = point, point[:, None]
        if np.isnan(point).all():
            ensemble = ensemble[:, :0]
    quantiles = dict(zip(levels, values.T, strict=True)) if not archive.members else {}
    p = {}
    for name in THRESHOLDS:
        given = of_archive[f"p_{name}"].to_numpy("float64")
        shares = _share_reaching(ensemble, rows[f"{name}_m"].to_numpy())
        p[name] = np.where(np.isnan(given), shares, given)
        unknown = rows[f"{name}_m"].isna() | (archive.variable != "stage")
        p[name] = np.where(unknown, np.nan, p[name])
    mean = np.where(np.isnan(point), median, point)
    return Side(mean, median, ensemble, quantiles, p)


def _share_reaching(
    ensemble: NDArray[np.float64], threshold: NDArray[np.float64]
) -> NDArray[np.float64]:
    if not ensemble.shape[1]:
        return np.full(len(ensemble), np.nan)
    share = (ensemble >= threshold[:, None]).mean(axis=1)
    return np.asarray(np.where(np.isnan(ensemble).any(axis=1), np.nan, share))


def _point_side(value: NDArray[np.float64], rows: pd.DataFrame) -> Side:
    p = {
        name: np.where(rows[f"{name}_m"].isna(), np.nan, value >= rows[f"{name}_m"])
        for name in THRESHOLDS
    }
    return Side(value, value, value[:, None], {}, p)


def _climatology(observed: pd.Series[float], rows: pd.DataFrame) -> Side:
    """Forecast the mean of the season's days, and their share at each stage, of years before."""
    value = np.full(len(rows), np.nan)
    p = {name: np.full(len(rows), np.nan) for name in THRESHOLDS}
    first = rows["issue_day"].min()
    slot = day_of_year(pd.DatetimeIndex(rows["valid_time"])) - 1
    for code, at in rows.groupby("station").indices.items():
        past = observed[observed.index.get_level_values(0) == code]
        times = pd.DatetimeIndex(past.index.get_level_values(1))
        usable = (times < first) & (times == times.normalize())
        past, dates = past[usable], times[usable]
        if len(set(dates.year)) < _CLIMATOLOGY_YEARS:
            continue
        level = past.to_numpy("float64")
        value[at] = window_means(dates, level)[slot[at]]
        for name, shares in p.items():
            stages_m = rows[f"{name}_m"].to_numpy()[at]
            for stage_m in np.unique(stages_m[np.isfinite(stages_m)]):
                of_stage = at[stages_m == stage_m]
                shares[of_stage] = window_means(dates, level >= stage_m)[slot[of_stage]]
    return Side(value, value, value[:, None], {}, p)


def _tell_times(rows: pd.DataFrame) -> Iterator[str]:
    """Tell how much later the rival is issued than ours, where it is not the same hour."""
    later = rows["issue_time_rival"] - rows["issue_time"]
    typical_h = float(later.dt.total_seconds().median() / 3600.0)
    if abs(typical_h) >= 1.0:
        order = "later" if typical_h > 0 else "earlier"
        newer = "the rival" if typical_h > 0 else "ours"
        yield (
            f"not the same information: the rival is issued {abs(typical_h):.1f} h {order} than "
            f"ours (median) and counts with the same day, so {newer} may know newer readings"
        )


def _tell_offsets(rows: pd.DataFrame, sides: Mapping[str, Side], variable: str) -> Iterator[str]:
    """Tell of gauges where one side is off by about the same height all the time."""
    names = ("ours", "rival") if variable == "stage" else ("ours",)
    for code, part in rows[rows["lead_days"] == rows["lead_days"].min()].groupby("station"):
        for name in names:
            error_m = (
                (sides[name].mean[part.index] - part["observed_m"]).dropna().to_numpy("float64")
            )
            if len(error_m) < LEAST_CASES:
                continue
            bias_m = float(np.median(error_m))
            halves_m = [float(np.median(half)) for half in np.array_split(error_m, 2)]
            constant = all(abs(half_m - bias_m) < abs(bias_m) / 2 for half_m in halves_m)
            if abs(bias_m) > OFFSET_M and constant:
                gauge = stations()[str(code)].name if str(code) in stations() else "new"
                yield (
                    f"{name}: {gauge} ({code}) is off by {bias_m:+.2f} m in both halves of the "
                    "time: likely another gauge zero; its errors say little of the forecasts, only "
                    "spread_m, from which each one's mean error is taken away"
                )

"""Scores of hindcast stage forecasts, per gauge, lead and season."""

from __future__ import annotations

from datetime import timedelta

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from models.hindcast import PEERS
from models.stage.model import QUANTILES
from pipeline.geography.places import stations as all_stations

WET_MONTHS = (6, 7, 8, 9, 10)
MERGE_D = 5
"""Up-crossings of a threshold nearer than this belong to one event."""
NEXT_DAY_P = 0.32
"""Probability from which a crossing on the next day counts as forecast.

It is the least that decision 10's false alarms allow.
"""
LATER_P = 0.28
"""The same two days ahead and later."""
SYNTHETIC = " (synthetic)"
"""Stands after the name of every gauge in scores that rest on the virtual basin."""
SCORES = (
    "station", "name", "lead_days", "season", "n", "rmse_m", "mae_m", "rmse_persistence_m", "cp",
    "nse", "kge", "pinball_m", "cover80", "cover95", "alarm_events", "alarm_pod", "alarm_far",
    "alarm_csi", "brier", "brier_skill_climatology", "tier",
)  # fmt: skip


def score(forecasts: pd.DataFrame) -> pd.DataFrame:
    """Scores per station, lead and season.

    Parameters
    ----------
    forecasts
        As :func:`hindcast` gives them; rows without an observation, or without a stage at issue,
        are left out.

    Returns
    -------
    DataFrame
        Columns ``SCORES``, one row per station, lead and season that was forecast (``n`` 0 where
        nothing can be scored); season ``wet`` (valid June to October) and ``all``. ``cp`` is the
        persistence index 1 − MSE / MSE of persistence. Each score is of the point it is least for
        (Gneiting 2011): squared errors (``rmse_m``, ``cp``, ``nse``, ``kge``) of the distribution's
        mean ``mean_m``, ``mae_m`` of its median. The ``alarm_*`` columns count forecasts
        issued while the river stood below alarm stage: a case is one whose day came at or above
        it; ``alarm_events`` are the merged crossings. NaN without a threshold or a case.
        Names end in ``SYNTHETIC`` where anything virtual went in.
    """
    usable = scorable(forecasts)
    mark = SYNTHETIC if (forecasts["origin"] == "virtual").any() else ""
    wet = usable["valid_time"].dt.month.isin(WET_MONTHS)
    by_season = {
        "wet": usable[wet].groupby(["station", "lead_days"]),
        "all": usable.groupby(["station", "lead_days"]),
    }
    rows = []
    pairs = forecasts[["station", "lead_days"]].drop_duplicates()
    for code, lead in pairs.sort_values(["station", "lead_days"]).itertuples(index=False):
        place = all_stations().get(code)
        for season, groups in by_season.items():
            row = {
                "station": code,
                "name": (place.name if place else code) + mark,
                "lead_days": lead,
                "season": season,
                "n": 0,
            }
            if (code, lead) in groups.groups:
                row |= _score(groups.get_group((code, lead)), place.alarm_m if place else None)
            rows.append(row)
    return pd.DataFrame(rows, columns=list(SCORES))


def scorable(forecasts: pd.DataFrame) -> pd.DataFrame:
    """Forecasts with a stage at issue and an observation; a baseline that is silent persists."""
    found = forecasts[forecasts["observed_m"].notna() & forecasts["stage_m"].notna()].copy()
    for name in PEERS:
        if f"{name}_m" in found:
            found[f"{name}_m"] = found[f"{name}_m"].fillna(found["stage_m"])
    return found


def _score(part: pd.DataFrame, threshold_m: float | None) -> dict[str, object]:
    seen, mean = part["observed_m"].to_numpy(), part["mean_m"].to_numpy()
    error, naive_error = mean - seen, part["stage_m"].to_numpy() - seen
    return {
        "n": len(part),
        "rmse_m": float(np.sqrt(np.mean(error**2))),
        "mae_m": float(np.mean(np.abs(part["q50"].to_numpy() - seen))),
        "rmse_persistence_m": float(np.sqrt(np.mean(naive_error**2))),
        "cp": 1.0 - _ratio(np.sum(error**2), np.sum(naive_error**2)),
        "nse": 1.0 - _ratio(np.sum(error**2), np.sum((seen - seen.mean()) ** 2)),
        "kge": kge(mean, seen),
        "pinball_m": pinball(part, seen),
        "cover80": float(np.mean((part["q10"] <= seen) & (seen <= part["q90"]))),
        "cover95": float(np.mean((part["q025"] <= seen) & (seen <= part["q975"]))),
        **(alarm_scores(part, threshold_m) if threshold_m is not None else {}),
        "tier": part["tier"].mode().iloc[0],
    }


def _ratio(top: float, bottom: float) -> float:
    return float(top / bottom) if bottom > 0 else float("nan")


def kge(forecast: NDArray[np.float64], seen: NDArray[np.float64]) -> float:
    """Kling-Gupta efficiency (Gupta et al. 2009): 1 − √((r−1)² + (α−1)² + (β−1)²).

    Examples
    --------
    >>> kge(np.array([1.0, 2.0, 3.0]), np.array([1.0, 2.0, 3.0]))
    1.0
    """
    if len(seen) < 2 or seen.std() == 0.0 or forecast.std() == 0.0 or seen.mean() == 0.0:
        return float("nan")
    r = np.corrcoef(forecast, seen)[0, 1]
    alpha, beta = forecast.std() / seen.std(), forecast.mean() / seen.mean()
    return float(1.0 - np.sqrt(min((r - 1.0) ** 2, 4.0) + (alpha - 1.0) ** 2 + (beta - 1.0) ** 2))


def pinball(part: pd.DataFrame, seen: NDArray[np.float64]) -> float:
    """Mean pinball loss over all quantiles, m."""
    losses = []
    for name, p in QUANTILES.items():
        gap = seen - part[name].to_numpy()
        losses.append(np.mean(np.maximum(p * gap, (p - 1.0) * gap)))
    return float(np.mean(losses))


def alarm_scores(part: pd.DataFrame, threshold_m: float) -> dict[str, float]:
    """Scores of one threshold: crossings forecast while still below, Brier score and skill.

    Returns
    -------
    dict
        ``alarm_events``, ``alarm_pod``, ``alarm_far``, ``alarm_csi``, ``brier``,
        ``brier_skill_climatology``.
    """
    seen = part["observed_m"].to_numpy()
    came = seen >= threshold_m
    below = part["stage_m"].to_numpy() < threshold_m
    said = declared(part)
    hits = int((below & came & said).sum())
    misses = int((below & came & ~said).sum())
    false = int((below & ~came & said).sum())
    brier = float(np.mean((part["p_alarm"] - came) ** 2))
    reference = float(np.mean((part["climatology_p_alarm"] - came) ** 2))
    return {
        "alarm_events": events(part["valid_time"], came),
        "alarm_pod": _ratio(hits, hits + misses),
        "alarm_far": _ratio(false, hits + false),
        "alarm_csi": _ratio(hits, hits + misses + false),
        "brier": brier,
        "brier_skill_climatology": 1.0 - _ratio(brier, reference),
    }


def declared(part: pd.DataFrame) -> NDArray[np.bool_]:
    """Whether each forecast says that alarm stage will be reached on its day."""
    least = np.where(part["lead_days"] == 1, NEXT_DAY_P, LATER_P)
    return np.asarray(part["p_alarm"] >= least)


def events(times: pd.Series, over: NDArray[np.bool_]) -> int:
    """Count the spells at or above a threshold, those less than ``MERGE_D`` apart merged.

    Examples
    --------
    >>> days = pd.Series(pd.date_range("2018-08-01", periods=9))
    >>> events(days, np.array([0, 1, 0, 1, 0, 0, 0, 0, 1], dtype=bool))
    2
    """
    above = times[over].sort_values()
    return int(len(above) > 0) + int((above.diff() >= timedelta(days=MERGE_D)).sum())


def pooled_alarms(forecasts: pd.DataFrame) -> pd.DataFrame:
    """Crossings forecast while below alarm stage, pooled over stations, one row per lead.

    Returns
    -------
    DataFrame
        Columns lead_days, cases (days that came at or above alarm stage), hits, false (alarms said
        that did not come), pod, far (a share of what was said) and csi.
    """
    usable = forecasts[forecasts["observed_m"].notna() & forecasts["stage_m"].notna()]
    alarm = alarm_stages(usable)
    below = usable["stage_m"] < alarm
    usable, alarm = usable[below], alarm[below]
    rows = []
    for lead, part in usable.groupby("lead_days"):
        came = part["observed_m"] >= alarm[part.index]
        said = declared(part)
        hits, cases, calls = int((came & said).sum()), int(came.sum()), int(said.sum())
        rows.append(
            {
                "lead_days": int(str(lead)),
                "cases": cases,
                "hits": hits,
                "false": calls - hits,
                "pod": _ratio(hits, cases),
                "far": 1.0 - _ratio(hits, calls),
                "csi": _ratio(hits, cases + calls - hits),
            }
        )
    return pd.DataFrame(rows)


def alarm_stages(forecasts: pd.DataFrame) -> pd.Series:
    """Alarm stage of each row's gauge, m; NaN where it has none."""
    places = all_stations()
    found = [
        places[code].alarm_m if code in places else None for code in forecasts["station"].tolist()
    ]
    return pd.Series(found, forecasts.index, dtype="float64")

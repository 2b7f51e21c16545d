"""Table of scores of a hindcast (scores.csv): one row per gauge, lead and season."""

from __future__ import annotations

import numpy as np
import pandas as pd

from models.baselines import PEERS
from models.climatology import WET_MONTHS
from models.stage.model import QUANTILES
from models.verification.alarms import (
    alarm_rates,
    alarm_stages,
    count_alarms,
    declare_alarms,
    event_days,
)
from models.verification.metrics import (
    brier_score,
    kling_gupta,
    persistence_index,
    pinball_loss,
    skill_score,
)
from pipeline.geography.places import stations as all_stations
from pipeline.times import from_utc64

SYNTHETIC = " (synthetic)"
"""Suffix of gauge names in scores from the virtual basin."""
SCORES = (
    "station", "name", "lead_days", "season", "n", "rmse_m", "mae_m", "rmse_persistence_m", "cp",
    "nse", "kge", "pinball_m", "cover80", "cover95", "alarm_events", "alarm_pod", "alarm_far",
    "alarm_csi", "brier", "brier_skill_climatology", "tier",
)  # fmt: skip


def score_forecasts(forecasts: pd.DataFrame) -> pd.DataFrame:
    """Score forecasts per station, lead and season.

    Parameters
    ----------
    forecasts
        From :func:`models.hindcast.run_hindcast`; rows without an observation, or without
        a stage at issue, are left out.

    Returns
    -------
    DataFrame
        Columns ``SCORES``, one row per station, lead and season that was forecast (``n`` 0 where
        nothing can be scored); season ``wet`` (valid June to October) and ``all``. ``cp`` is the
        persistence index 1 − MSE / MSE of persistence. Each score is of the point forecast that
        optimises it (Gneiting 2011): squared errors (``rmse_m``, ``cp``, ``nse``, ``kge``) of the
        distribution's mean ``mean_m``, ``mae_m`` of its median. The ``alarm_*`` columns count
        forecasts issued while the river stood below alarm stage as of the issue time: a case is one
        whose day was at or above it; ``alarm_events`` are the merged crossings. NaN without a
        threshold or a case. Names are those as of the last issue time, with ``SYNTHETIC`` appended
        where any forecast is virtual.
    """
    usable = select_scorable(forecasts)
    usable["alarm_m"] = alarm_stages(usable)
    gauges = all_stations(asof=from_utc64(forecasts["issue_time"].to_numpy().max()))
    mark = SYNTHETIC if (forecasts["origin"] == "virtual").any() else ""
    wet = usable["valid_time"].dt.month.isin(WET_MONTHS)
    by_season = {
        "wet": usable[wet].groupby(["station", "lead_days"]),
        "all": usable.groupby(["station", "lead_days"]),
    }
    rows = []
    pairs = forecasts[["station", "lead_days"]].drop_duplicates()
    for code, lead in pairs.sort_values(["station", "lead_days"]).itertuples(index=False):
        place = gauges.get(code)
        for season, groups in by_season.items():
            row = {
                "station": code,
                "name": (place.name if place else code) + mark,
                "lead_days": lead,
                "season": season,
                "n": 0,
            }
            if (code, lead) in groups.groups:
                row |= _score(groups.get_group((code, lead)))
            rows.append(row)
    return pd.DataFrame(rows, columns=list(SCORES))


def select_scorable(forecasts: pd.DataFrame) -> pd.DataFrame:
    """Select forecasts with stage at issue and observation; a missing peer becomes persistence."""
    usable = forecasts[forecasts["observed_m"].notna() & forecasts["stage_m"].notna()].copy()
    for name in PEERS:
        if f"{name}_m" in usable:
            usable[f"{name}_m"] = usable[f"{name}_m"].fillna(usable["stage_m"])
    return usable


def _score(part: pd.DataFrame) -> dict[str, object]:
    observed, mean = part["observed_m"].to_numpy(), part["mean_m"].to_numpy()
    error, persistence_error = mean - observed, part["stage_m"].to_numpy() - observed
    deviation = observed - observed.mean()
    pinball = [
        pinball_loss(part[name].to_numpy(), observed, level) for name, level in QUANTILES.items()
    ]
    with_alarm = part[part["alarm_m"].notna()]
    return {
        "n": len(part),
        "rmse_m": float(np.sqrt(np.mean(error**2))),
        "mae_m": float(np.mean(np.abs(part["q50"].to_numpy() - observed))),
        "rmse_persistence_m": float(np.sqrt(np.mean(persistence_error**2))),
        "cp": float(persistence_index(error, persistence_error)),
        "nse": float(skill_score(np.sum(error**2), np.sum(deviation**2))),
        "kge": kling_gupta(mean, observed),
        "pinball_m": float(np.mean(pinball)),
        "cover80": float(np.mean((part["q10"] <= observed) & (observed <= part["q90"]))),
        "cover95": float(np.mean((part["q025"] <= observed) & (observed <= part["q975"]))),
        **(_alarm_scores(with_alarm) if len(with_alarm) else {}),
        "tier": part["tier"].mode().iloc[0],
    }


def _alarm_scores(part: pd.DataFrame) -> dict[str, float]:
    """Score alarm stage: crossings forecast while still below, Brier score and skill."""
    reached = (part["observed_m"] >= part["alarm_m"]).to_numpy()
    below = (part["stage_m"] < part["alarm_m"]).to_numpy()
    rates = alarm_rates(*count_alarms(below, reached, declare_alarms(part)))
    known = part["climatology_p_alarm"].notna().to_numpy()
    brier, climatology = (
        brier_score(part.loc[known, name], reached[known])
        for name in ("p_alarm", "climatology_p_alarm")
    )
    return {
        "alarm_events": len(event_days(part["valid_time"], reached)),
        **{f"alarm_{name}": value for name, value in rates.items()},
        "brier": brier_score(part["p_alarm"], reached),
        "brier_skill_climatology": float(skill_score(brier, climatology)),
    }

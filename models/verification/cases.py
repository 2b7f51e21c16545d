"""Forecasts of a hindcast prepared for scoring: what each case adds to every score, and its regime.

A statistic is missing where a case has no part in it, so that sums are over the cases that have.
"""

from __future__ import annotations

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from models.baselines import PEERS
from models.climatology import FROM_JUNE_BY_DAYS, WET_MONTHS, water_year
from models.stage.names import QUANTILES
from models.verification.alarms import declare_alarms
from models.verification.metrics import firm_penalty, pinball_loss, squared_error, tail_crps
from pipeline.alerts.thresholds import stable_band_m, threshold
from pipeline.geography.gauge_figures import threshold_stages
from pipeline.geography.places import cities_by_gauge
from pipeline.geography.reference_schema import EVERY_CITY
from pipeline.geography.reference_tables import group_by_edition

NEAR_M = 1.0
"""Distance of the stage at issue from alarm stage that counts as near, m."""
METHODS = ("model", "persistence", *PEERS)
ISSUED = "issued"
"""What the model's licence lets issue: its own forecast, persistence or climatology."""
ALTERNATIVE = "alternative"
"""A second model of a hindcast, with another regressor, where it was asked for."""
TIERS = {"alarm": "watch", "flood": "warning"}
"""Alert level that a city declares at each threshold stage (the tiers of FIRM)."""


def list_methods(rows: pd.DataFrame) -> tuple[str, ...]:
    """List the methods that a hindcast compares: the model, its peers, and others it may have.

    These are what the licence lets issue, and an alternative model.

    Parameters
    ----------
    rows
        Forecasts, prepared or not.
    """
    return (*METHODS, *(name for name in (ISSUED, ALTERNATIVE) if f"{name}_m" in rows))


def select_scorable(forecasts: pd.DataFrame) -> pd.DataFrame:
    """Select forecasts with stage at issue and observation; a missing peer becomes persistence."""
    usable = forecasts[forecasts["observed_m"].notna() & forecasts["stage_m"].notna()].copy()
    for name in PEERS:
        usable[f"{name}_m"] = usable[f"{name}_m"].fillna(usable["stage_m"])
    return usable


def prepare(forecasts: pd.DataFrame) -> pd.DataFrame:
    """Prepare the forecasts that can be scored, with the statistics of each and its regime.

    Parameters
    ----------
    forecasts
        From :func:`models.hindcast.run_hindcast`.

    Returns
    -------
    DataFrame
        The forecasts with ``year`` (hydrological, that of its June), ``wet`` (valid June to
        October), ``alarm_m`` and ``flood_m`` (as of the issue time), ``change_m`` (of the stage
        over the day before the issue), ``rising`` and ``near`` (the stage at issue within
        ``NEAR_M`` of alarm stage), both known at issue; and statistics that add up over any cases:

        * ``se_<method>``: squared error of the point forecast, m2; ``ae``: absolute error of the
          median, m; ``pinball``: mean pinball loss of the quantiles, m; ``inside80``, ``inside95``:
          1 within the interval;
        * ``forecast``, ``observed``, and ``forecast_squares``, ``observed_squares``, ``products``:
          of the mean forecast and the observation, m and m2;
        * NaN without an alarm stage: ``reached`` (1 at or above it), ``brier_model`` and
          ``brier_climatology``, and of forecasts issued below it ``hit``, ``miss``, ``false_alarm``
          (0 of others); ``tail_model``, ``tail_persistence`` and ``tail_climatology``: CRPS above
          alarm stage, m;
        * ``firm_model``, ``firm_persistence``, ``firm_climatology``: FIRM of the tiers alarm and
          flood stage, NaN where either is missing. The forecast warns where its probability is
          above the one from which the city acts, persistence where the stage at issue is at or
          above the threshold;
        * of what was issued under the licence, where the forecasts have it: ``inside80_issued``,
          ``inside95_issued``, ``brier_issued``, and ``own_issued`` (1 for the model's own).
    """
    rows = select_scorable(forecasts)
    point = {"model": rows["mean_m"], "persistence": rows["stage_m"]}
    point |= {name: rows[f"{name}_m"] for name in list_methods(rows)[2:]}
    for name in point:
        rows[f"se_{name}"] = squared_error(point[name], rows["observed_m"])
    rows["year"] = water_year(pd.DatetimeIndex(rows["issue_time"]), FROM_JUNE_BY_DAYS)
    rows["wet"] = rows["valid_time"].dt.month.isin(WET_MONTHS)
    stages_m = threshold_stages(rows["station"], pd.DatetimeIndex(rows["issue_time"]))
    rows = rows.assign(**{f"{name}_m": level for name, level in stages_m.items()})
    stage = rows.drop_duplicates(["station", "issue_time"]).set_index(["station", "issue_time"])
    before = pd.MultiIndex.from_arrays([rows["station"], rows["issue_time"] - pd.Timedelta(days=1)])
    rows["change_m"] = rows["stage_m"] - stage["stage_m"].reindex(before).to_numpy()
    rows["rising"] = rows["change_m"] > rows["station"].map(stable_band_m)
    rows["near"] = (rows["stage_m"] - rows["alarm_m"]).abs() <= NEAR_M
    rows = rows.assign(**_stage_statistics(rows), **_alarm_statistics(rows), **_firm(rows))
    return rows.assign(**_issued_statistics(rows)) if f"{ISSUED}_m" in rows else rows


def _stage_statistics(rows: pd.DataFrame) -> dict[str, pd.Series]:
    observed, mean = rows["observed_m"], rows["mean_m"]
    quantiles = rows[list(QUANTILES)].to_numpy()
    pinball = pinball_loss(quantiles, observed.to_numpy(), list(QUANTILES.values()))
    return {
        "ae": (rows["q50"] - observed).abs(),
        "pinball": pd.Series(pinball.mean(axis=1), rows.index),
        "inside80": observed.between(rows["q10"], rows["q90"]).astype(float),
        "inside95": observed.between(rows["q025"], rows["q975"]).astype(float),
        "forecast": mean,
        "observed": observed,
        "forecast_squares": mean**2,
        "observed_squares": observed**2,
        "products": mean * observed,
    }


def _alarm_statistics(rows: pd.DataFrame) -> dict[str, pd.Series]:
    """Statistics of alarm stage; NaN where the gauge has none."""
    known = rows["alarm_m"].notna()
    reached = rows["observed_m"] >= rows["alarm_m"]
    below = rows["stage_m"] < rows["alarm_m"]
    declared = pd.Series(declare_alarms(rows), rows.index)
    outcome = reached.astype(float).where(known)
    contingency = {
        "hit": below & reached & declared,
        "miss": below & reached & ~declared,
        "false_alarm": below & ~reached & declared,
    }
    observed, alarm_m = rows["observed_m"].to_numpy(), rows["alarm_m"].to_numpy()
    tails = {
        "model": tail_crps(
            rows[list(QUANTILES)].to_numpy(), observed, list(QUANTILES.values()), alarm_m
        )
    }
    for name, column in (("persistence", "stage_m"), ("climatology", "climatology_m")):
        tails[name] = tail_crps(rows[[column]].to_numpy(), observed, [0.5], alarm_m, members=1)
    return {
        "reached": outcome,
        "brier_model": squared_error(rows["p_alarm"], outcome),
        "brier_climatology": squared_error(rows["climatology_p_alarm"], outcome),
        **{name: case.astype(float).where(known) for name, case in contingency.items()},
        **{f"tail_{name}": pd.Series(crps, rows.index) for name, crps in tails.items()},
    }


def _issued_statistics(rows: pd.DataFrame) -> dict[str, pd.Series]:
    observed = rows["observed_m"]
    inside80 = observed.between(rows["issued_q10"], rows["issued_q90"])
    inside95 = observed.between(rows["issued_q025"], rows["issued_q975"])
    return {
        "inside80_issued": inside80.astype(float),
        "inside95_issued": inside95.astype(float),
        "brier_issued": squared_error(rows["issued_p_alarm"], rows["reached"]),
        "own_issued": (rows["issued_as"] == "model").astype(float),
    }


def _firm(rows: pd.DataFrame) -> dict[str, NDArray[np.float64]]:
    """Sum the penalties of the tiers, of the model, persistence and climatology."""
    total = {name: np.zeros(len(rows)) for name in ("model", "persistence", "climatology")}
    for tier, ratio in acting_probabilities(rows).items():
        threshold_m, stage = rows[f"{tier}_m"], rows["stage_m"]
        reached = (rows["observed_m"] >= threshold_m).to_numpy()
        chance = {"model": rows[f"p_{tier}"], "climatology": rows[f"climatology_p_{tier}"]}
        chance["persistence"] = (stage >= threshold_m).astype(float).where(threshold_m.notna())
        for name, p in chance.items():
            penalty = firm_penalty((p > ratio).to_numpy(), reached, ratio)
            total[name] += np.where(p.notna() & threshold_m.notna(), penalty, np.nan)
    return {f"firm_{name}": penalty for name, penalty in total.items()}


def acting_probabilities(forecasts: pd.DataFrame) -> dict[str, NDArray[np.float64]]:
    """Return the probability of each tier's stage from which the gauge's city acts.

    Parameters
    ----------
    forecasts
        Columns station and issue_time.

    Returns
    -------
    dict
        Tier (``alarm``, ``flood``) -> the city's cost/loss ratio of the level in ``TIERS``, or what
        its false-alarm budget demands where that is more
        (:func:`pipeline.alerts.thresholds.threshold`), as of the issue time, shape (n,). A gauge
        without a city has the ratios of a city without rows of its own.
    """
    of_row, codes = pd.factorize(forecasts["station"])
    ratios = {tier: np.full(len(forecasts), np.nan) for tier in TIERS}
    for moment, rows in group_by_edition(forecasts["issue_time"].to_numpy()):
        cities = cities_by_gauge(asof=moment)
        ids = [cities[code].id if code in cities else EVERY_CITY for code in codes]
        for tier, level in TIERS.items():
            by_code = np.array([threshold(city, level, asof=moment) for city in ids])
            ratios[tier][rows] = by_code[of_row[rows]]
    return ratios

"""Table of scores of a hindcast (scores.csv): one row per gauge, lead and season."""

from __future__ import annotations

import numpy as np
import pandas as pd

from models.verification.alarms import alarm_rates, event_days
from models.verification.cases import prepare
from models.verification.metrics import Moments, kling_gupta, skill_score
from models.verification.peaks import find_peaks, pool_peaks
from models.verification.skill import skill_by
from pipeline.geography.places import stations as all_stations
from pipeline.times import from_utc64

SYNTHETIC = " (synthetic)"
"""Suffix of gauge names in scores from the virtual basin."""
SCORES = (
    "station", "name", "lead_days", "season", "n", "rmse_m", "mae_m", "rmse_persistence_m", "cp",
    "nse", "kge", "pinball_m", "cover80", "cover95", "alarm_events", "alarm_pod", "alarm_far",
    "alarm_csi", "brier", "brier_skill_climatology", "tier", "firm", "firm_skill_persistence",
    "firm_skill_climatology", "twcrps_m", "twcrps_skill_persistence", "twcrps_skill_climatology",
    "peaks", "peak_late_d", "peak_spread_d", "alarm_peaks", "missed_peaks",
)  # fmt: skip
STATISTICS = (
    "se_model", "se_persistence", "ae", "pinball", "inside80", "inside95", "forecast", "observed",
    "forecast_squares", "observed_squares", "products", "hit", "miss", "false_alarm",
    "brier_model", "firm_model", "tail_model",
)  # fmt: skip
"""Statistics of prepared forecasts that the table is computed from."""
KEYS = ("station", "lead_days")


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
        whose day was at or above it; ``alarm_events`` are the merged crossings. ``firm`` is the
        mean penalty of the tiers alarm and flood stage at the city's cost/loss ratios, ``twcrps_m``
        the mean CRPS above alarm stage, both with their skill against persistence and climatology
        (:func:`models.verification.cases.prepare`). The peaks are those of the wet seasons, in both
        rows: ``peak_late_d`` is the median, ``peak_spread_d`` the width of the middle 80 %, and
        ``missed_peaks`` are of ``alarm_peaks`` (:func:`models.verification.peaks.find_peaks`). NaN
        without a threshold or a case. Names are those as of the last issue time, with ``SYNTHETIC``
        appended where any forecast is virtual.
    """
    rows = prepare(forecasts)
    gauges = all_stations(asof=from_utc64(forecasts["issue_time"].to_numpy().max()))
    mark = SYNTHETIC if (forecasts["origin"] == "virtual").any() else ""
    peaks = _score_peaks(rows)
    seasons = {"wet": rows[rows["wet"]], "all": rows}
    scores = pd.concat(
        [_score(part).join(peaks).assign(season=season) for season, part in seasons.items()]
    )
    pairs = forecasts[[*KEYS]].drop_duplicates().sort_values([*KEYS])
    names = {code: gauges[code].name if code in gauges else code for code in pairs["station"]}
    table = (
        pairs.assign(name=pairs["station"].map(names) + mark)
        .merge(pd.DataFrame({"season": list(seasons)}), how="cross")
        .merge(scores.reset_index(), how="left", on=[*KEYS, "season"])
    )
    return table.assign(n=table["n"].fillna(0).astype(int))[list(SCORES)]


def _score(part: pd.DataFrame) -> pd.DataFrame:
    """Score prepared forecasts from the sums of each gauge and lead."""
    groups = part.groupby([*KEYS])
    sums, n = groups[[*STATISTICS]].sum(min_count=1), groups.size()
    mean = sums / groups[[*STATISTICS]].count()
    moments = Moments(
        cases=np.asarray(n, dtype="float64"),
        **{
            name: sums[name].to_numpy()
            for name in (
                "forecast", "observed", "forecast_squares", "observed_squares", "products",
            )
        },
    )  # fmt: skip
    skills = {
        f"{score}_skill_{reference}": skill_by(
            part, f"{statistic}_model", f"{statistic}_{reference}", by=KEYS
        )
        for score, statistic in (("brier", "brier"), ("firm", "firm"), ("twcrps", "tail"))
        for reference in ("persistence", "climatology")
        if (score, reference) != ("brier", "persistence")
    }
    events = {
        key: len(event_days(rows["valid_time"], (rows["reached"] == 1.0).to_numpy()))
        for key, rows in part[part["alarm_m"].notna()].groupby([*KEYS])
    }
    return pd.DataFrame(
        {
            "n": n,
            "rmse_m": np.sqrt(mean["se_model"]),
            "mae_m": mean["ae"],
            "rmse_persistence_m": np.sqrt(mean["se_persistence"]),
            "cp": skill_score(sums["se_model"], sums["se_persistence"]),
            "nse": skill_score(sums["se_model"], moments.observed_deviations()),
            "kge": kling_gupta(moments),
            "pinball_m": mean["pinball"],
            "cover80": mean["inside80"],
            "cover95": mean["inside95"],
            "alarm_events": pd.Series(events, n.index.intersection(list(events)), dtype="Int64"),
            "brier": mean["brier_model"],
            "firm": mean["firm_model"],
            "twcrps_m": mean["tail_model"],
            "tier": groups["tier"].agg(lambda tiers: tiers.mode().iloc[0]),
            **skills,
        },
        n.index,
    ).join(alarm_rates(sums).add_prefix("alarm_"))


def _score_peaks(rows: pd.DataFrame) -> pd.DataFrame:
    pooled = pool_peaks(find_peaks(rows), KEYS)
    return pd.DataFrame(
        {
            "peaks": pooled["peaks"],
            "peak_late_d": pooled["late_d"],
            "peak_spread_d": pooled["late_p90_d"] - pooled["late_p10_d"],
            "alarm_peaks": pooled["alarm_peaks"],
            "missed_peaks": pooled["missed"],
        }
    )

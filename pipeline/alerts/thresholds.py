"""Thresholds of the alert levels, as of a moment, from ``cost_loss.csv`` and ``alert_rules.csv``.

``cost_loss.csv`` gives the probabilities of the flood levels, ``alert_rules.csv`` all the rest.
MRC's stable band, which is no choice of an agency, stands here.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import lru_cache
from typing import Literal

from pipeline.geography.reference_schema import EVERY_CITY
from pipeline.geography.reference_tables import (
    COST_QUANTITIES,
    Edition,
    edition,
    least_probability,
)

Trend = Literal["rising", "steady", "falling"]
"""Change of a stage over a day, in MRC's bands."""


@dataclass(frozen=True, kw_only=True)
class Rules:
    """Thresholds of the levels of a city.

    Parameters
    ----------
    watch_p_alarm_7d, warning_p_flood_5d, emergency_p_flood_2d
        Probabilities at which a flood level is reached (see :func:`threshold`).
    watch_rain_years
        Return period of the rain over the city that is enough for a Watch.
    extreme_years
        Return period from which an Emergency is Extreme instead of Severe.
    drought_p
        Probability of class D1, D2 or D3 in four weeks for Watch, Warning and Emergency.
    raise_margin, raise_runs
        One run at the threshold plus the margin raises, or so many consecutive runs at the
        threshold.
    lower_factor, lower_runs, drought_lower_runs, lower_m
        A level of a flood or a drought ends after so many consecutive runs below the factor times
        the threshold with the stage so far below its threshold stage (m).
    step_down_m
        With the stage so far below alarm stage (m) a Warning or an Emergency that was observed and
        that no criterion reaches any more is at most a Watch the same night.
    clear
        An event ends with an all-clear only on a reading that is not older.
    adjacent
        Longest time between two runs that count as consecutive.
    stale
        A reading older than this caps the certainty and cannot lower a level, and a Watch that rain
        alone raised ends this long after the last run that could assess it.
    forget
        A reading older than this is no evidence at all, and a level that the river raised ends this
        long after the last run that could assess it.
    """

    watch_p_alarm_7d: float
    warning_p_flood_5d: float
    emergency_p_flood_2d: float
    watch_rain_years: float
    extreme_years: float
    drought_p: float
    raise_margin: float
    raise_runs: float
    lower_factor: float
    lower_runs: float
    drought_lower_runs: float
    lower_m: float
    step_down_m: float
    clear: timedelta
    adjacent: timedelta
    stale: timedelta
    forget: timedelta


def rules_for(city: str, *, asof: datetime | None) -> Rules:
    """Return the thresholds of a city.

    Parameters
    ----------
    city
        Id, or ``EVERY_CITY`` for those of a city without rows of its own.
    asof
        Rows of the tables that count at this moment; None for the newest.
    """
    return _rules(edition(asof), city)


@lru_cache
def _rules(tables: Edition, city: str) -> Rules:
    rows = tables.rows("alert_rules.csv")
    values = {
        row["rule"]: float(row["value"])
        for owner in (EVERY_CITY, city)
        for row in rows
        if row["city"] == owner
    }
    return Rules(
        watch_p_alarm_7d=_threshold(tables, city, "watch"),
        warning_p_flood_5d=_threshold(tables, city, "warning"),
        emergency_p_flood_2d=_threshold(tables, city, "emergency"),
        watch_rain_years=values["watch_rain_years"],
        extreme_years=values["extreme_years"],
        drought_p=values["drought_p"],
        raise_margin=values["raise_margin"],
        raise_runs=values["raise_runs"],
        lower_factor=values["lower_factor"],
        lower_runs=values["lower_runs"],
        drought_lower_runs=values["drought_lower_runs"],
        lower_m=values["lower_m"],
        step_down_m=values["step_down_m"],
        clear=timedelta(hours=values["clear"]),
        adjacent=timedelta(hours=values["adjacent"]),
        stale=timedelta(hours=values["stale"]),
        forget=timedelta(hours=values["forget"]),
    )


def threshold(city: str, level: str, *, asof: datetime | None = None) -> float:
    """Return the probability at which a flood level is worth its cost and false alarms.

    As of :func:`pipeline.geography.reference_tables.least_probability`.

    Parameters
    ----------
    city
        Id, or ``EVERY_CITY``.
    level
        watch, warning or emergency.
    asof
        Rows of ``cost_loss.csv`` that count at this moment; default the newest.

    Examples
    --------
    >>> threshold("vientiane", "watch")
    0.25
    """
    return _threshold(edition(asof), city, level)


def _threshold(tables: Edition, city: str, level: str) -> float:
    costs = _costs(tables)
    return least_probability(
        *(
            costs.get((city, level, quantity), costs[EVERY_CITY, level, quantity])
            for quantity in COST_QUANTITIES
        )
    )


@lru_cache
def _costs(tables: Edition) -> dict[tuple[str, str, str], float]:
    """Cost/loss ratios and false-alarm budgets by city, level and quantity.

    ``cost_loss_ratio``: cost of acting on a warning over the loss that acting prevents.
    ``false_alarm_budget``: share of warnings that may turn out false.
    """
    return {
        (row["city"], row["level"], row["quantity"]): float(row["value"])
        for row in tables.rows("cost_loss.csv")
    }


def stable_band_m(station: str) -> float:
    """Return MRC's band within which a day's change of stage counts as stable, metres.

    10 cm from Chiang Saen to Savannakhet, 5 cm from Pakse to Stung Treng, 3 cm from Kratie
    (MRC flood bulletins); Khong Chiam, between the first two, takes the narrower one.

    Examples
    --------
    >>> [stable_band_m(code) for code in ("011901", "013901", "014901", "033401")]
    [0.1, 0.05, 0.03, 0.03]
    """
    return 0.10 if station < "0135" or station >= "09" else 0.05 if station < "0149" else 0.03


def name_trend(station: str, change_1d_m: float) -> Trend | None:
    """Name a day's change of stage by MRC's band; None where it is not known.

    Examples
    --------
    >>> name_trend("011901", 0.12), name_trend("013901", -0.06), name_trend("011901", 0.1)
    ('rising', 'falling', 'steady')
    >>> name_trend("011901", float("nan")) is None
    True
    """
    if math.isnan(change_1d_m):
        return None
    if abs(change_1d_m) <= stable_band_m(station):
        return "steady"
    return "rising" if change_1d_m > 0 else "falling"

"""From what acting costs and saves in a city to the probabilities of its levels."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from functools import lru_cache

from pipeline.geography.reference_schema import EVERY_CITY
from pipeline.geography.reference_tables import Edition, edition


@dataclass(frozen=True, kw_only=True)
class Rules:
    """Thresholds of the levels; an agency may give its own per city.

    Parameters
    ----------
    watch_p_alarm_7d, warning_p_flood_5d, emergency_p_flood_2d
        Probabilities at which a level is reached (project table of triggers).
    watch_rain_years
        Return period of the rain over the city that is enough for a Watch (same table).
    extreme_years
        Return period from which an Emergency is Extreme instead of Severe (same table).
    drought_p
        Probability of class D1, D2 or D3 in four weeks for Watch, Warning and Emergency: more
        likely than not, the bound of "Likely" in CAP 1.2.
    raise_margin, raise_runs
        One run at the threshold plus the margin raises, or so many runs in a row at the
        threshold (project rule of hysteresis).
    lower_factor, lower_runs, lower_m
        A level ends after so many runs in a row below the factor times the threshold with the
        stage so far below its mark (same rule).
    adjacent
        A run before counts as the run before up to this age: nightly runs, one night lost.
    stale
        A reading older than this caps the certainty and cannot lower a level (project rule).
    forget
        A reading older than this is no evidence at all, and a level decided longer ago holds
        nothing: the longest lead of the forecasts.
    """

    watch_p_alarm_7d: float = 0.25
    warning_p_flood_5d: float = 0.40
    emergency_p_flood_2d: float = 0.70
    watch_rain_years: float = 5.0
    extreme_years: float = 20.0
    drought_p: float = 0.50
    raise_margin: float = 0.15
    raise_runs: int = 2
    lower_factor: float = 0.6
    lower_runs: int = 2
    lower_m: float = 0.20
    adjacent: timedelta = timedelta(hours=48)
    stale: timedelta = timedelta(hours=48)
    forget: timedelta = timedelta(days=7)


DEFAULT = Rules()


@lru_cache
def _costs(tables: Edition) -> dict[tuple[str, str, str], float]:
    """Read cost/loss ratios and false-alarm budgets by city, level and quantity.

    ``cost_loss_ratio``: cost of acting on a warning over the loss that acting prevents.
    ``false_alarm_budget``: share of warnings that may turn out false.
    """
    return {
        (row["city"], row["level"], row["quantity"]): float(row["value"])
        for row in tables.rows("cost_loss.csv")
    }


def threshold(city: str, level: str, *, asof: datetime | None = None) -> float:
    """Probability at which a level is worth its cost and keeps within its budget of false alarms.

    Acting pays where p exceeds the cost/loss ratio. Among warnings whose p is at least 1 − b no
    more than a share b is false, if the probabilities are reliable. The higher of both counts.

    Parameters
    ----------
    city
        Id.
    level
        watch, warning or emergency.
    asof
        Rows of ``cost_loss.csv`` that count at this moment; default the newest.

    Examples
    --------
    >>> threshold("vientiane", "watch")
    0.25
    """
    table = _costs(edition(asof))
    ratio, budget = (
        table.get((city, level, quantity), table[EVERY_CITY, level, quantity])
        for quantity in ("cost_loss_ratio", "false_alarm_budget")
    )
    return round(max(ratio, 1.0 - budget), 9)


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


def rules_for(city: str, *, asof: datetime | None = None) -> Rules:
    """Rules of a city: those of the project with its own probabilities.

    Parameters
    ----------
    city
        Id.
    asof
        As of :func:`threshold`.
    """
    return replace(
        DEFAULT,
        watch_p_alarm_7d=threshold(city, "watch", asof=asof),
        warning_p_flood_5d=threshold(city, "warning", asof=asof),
        emergency_p_flood_2d=threshold(city, "emergency", asof=asof),
    )

"""From what acting costs and saves in a city to the probabilities of its levels."""

from __future__ import annotations

import csv
from dataclasses import dataclass, replace
from datetime import timedelta
from functools import lru_cache
from pathlib import Path

from pipeline.settings import REFERENCE

FILE = REFERENCE / "cost_loss.csv"
EVERY_CITY = "default"
QUANTITIES = ("cost_loss_ratio", "false_alarm_budget")
LEVELS = ("watch", "warning", "emergency")


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
def costs(path: Path = FILE) -> dict[tuple[str, str, str], float]:
    """Read cost/loss ratios and false-alarm budgets.

    Returns
    -------
    dict
        Value by city id (or ``EVERY_CITY``), level and quantity. ``cost_loss_ratio``: cost of
        acting on a warning over the loss that acting prevents. ``false_alarm_budget``: share of
        warnings that may turn out false.

    Raises
    ------
    ValueError
        An unknown level or quantity, a value outside 0 to 1, a row that stands twice, or no row for
        every city.
    """
    found: dict[tuple[str, str, str], float] = {}
    with path.open(encoding="utf-8", newline="") as stream:
        for row in csv.DictReader(stream):
            key = row["city"], row["level"], row["quantity"]
            value = float(row["value"])
            if key[1] not in LEVELS or key[2] not in QUANTITIES or not 0.0 < value < 1.0:
                raise ValueError(
                    f"{path.name}: expected a level of {LEVELS}, a quantity of {QUANTITIES} and a "
                    f"value between 0 and 1, found {key[1]}, {key[2]}, {value}"
                )
            if key in found:
                raise ValueError(f"{path.name}: expected each row once, found {key} twice")
            found[key] = value
    lacking = [
        (level, quantity)
        for level in LEVELS
        for quantity in QUANTITIES
        if (EVERY_CITY, level, quantity) not in found
    ]
    if lacking:
        raise ValueError(f"{path.name}: expected rows for every city, missing {lacking}")
    return found


def threshold(city: str, level: str, *, path: Path = FILE) -> float:
    """Probability at which a level is worth its cost and keeps within its budget of false alarms.

    Acting pays where p exceeds the cost/loss ratio. Among warnings whose p is at least 1 − b no
    more than a share b is false, if the probabilities are reliable. The higher of both counts.

    Examples
    --------
    >>> threshold("vientiane", "watch")
    0.25
    """
    table = costs(path)
    ratio, budget = (
        table.get((city, level, quantity), table[EVERY_CITY, level, quantity])
        for quantity in QUANTITIES
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


@lru_cache
def rules_for(city: str, *, path: Path = FILE) -> Rules:
    """Rules of a city: those of the project with its own probabilities."""
    return replace(
        DEFAULT,
        watch_p_alarm_7d=threshold(city, "watch", path=path),
        warning_p_flood_5d=threshold(city, "warning", path=path),
        emergency_p_flood_2d=threshold(city, "emergency", path=path),
    )

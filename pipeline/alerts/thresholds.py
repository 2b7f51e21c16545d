"""From what acting costs and saves in a city to the probabilities of its levels."""

from __future__ import annotations

import csv
from dataclasses import replace
from functools import lru_cache
from pathlib import Path

from pipeline.alerts.hysteresis import DEFAULT, Rules
from pipeline.settings import REFERENCE

FILE = REFERENCE / "cost_loss.csv"
EVERY_CITY = "default"
QUANTITIES = ("cost_loss_ratio", "false_alarm_budget")
LEVELS = ("watch", "warning", "emergency")


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


@lru_cache
def rules_for(city: str, *, path: Path = FILE) -> Rules:
    """Rules of a city: those of the project with its own probabilities."""
    return replace(
        DEFAULT,
        watch_p_alarm_7d=threshold(city, "watch", path=path),
        warning_p_flood_5d=threshold(city, "warning", path=path),
        emergency_p_flood_2d=threshold(city, "emergency", path=path),
    )

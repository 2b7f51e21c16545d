"""Columns of the published tables of the scoreboard; ``docs/scoreboard.md`` has them too."""

from __future__ import annotations

from typing import get_args

from pipeline.alerts.levels import RAISED
from pipeline.exchange.columns import CHANGES, HAZARDS, LEVELS, STATUSES, Column
from pipeline.sources.base import Origin

RAISED_LEVELS = tuple(level.value for level in RAISED)
EVENTS = ("alarm", "flood", "D1", "D2", "D3", "1_year", "2_year", "5_year")
DROUGHT_EVENTS = ("D1", "D2", "D3", "D4")

_GROUP = (
    Column(
        "origin", "string", "virtual or measured, of the nights",
        values=get_args(Origin), required=True,
    ),
    Column(
        "status", "string", "Exercise, Test or Actual, as set for the nights",
        values=STATUSES, required=True,
    ),
)  # fmt: skip
_CITY = Column("city", "string", "id, or `all`", required=True)
_HAZARD = Column("hazard", "string", "flood or drought", values=HAZARDS, required=True)
_KEYS = (
    *_GROUP,
    _CITY,
    _HAZARD,
    Column(
        "level", "string", "watch, warning or emergency; empty for a return level",
        values=RAISED_LEVELS,
    ),
    Column(
        "event", "string", "alarm, flood, D1 to D3, 1_year, 2_year or 5_year",
        values=EVENTS, required=True,
    ),
    Column(
        "lead_days", "integer", "days ahead; empty for the warnings themselves", bounds=(1, 84)
    ),
)  # fmt: skip


def _count(name: str, description: str) -> Column:
    return Column(name, "integer", description, required=True)


def _share(name: str, description: str) -> Column:
    return Column(name, "number", description, bounds=(0, 1))


SCORES = (
    *_KEYS,
    Column("since", "date", "date of the first night of this origin and status", required=True),
    Column("until", "date", "date of the last one", required=True),
    _count("cases", "forecasts (nights, of warnings) whose outcome is known"),
    _count("reached", "of them, those whose threshold was reached"),
    _count("hits", "events that were declared or warned of"),
    _count("misses", "events that were not; each is a row of `misses.csv`"),
    _count("false_alarms", "declared events, or warnings, without one"),
    _share("pod", "probability of detection: hits / (hits + misses)"),
    _share("far", "false-alarm ratio: false alarms / (hits + false alarms)"),
    _share("csi", "critical success index: hits / (hits + misses + false alarms)"),
    _share("f1", "2 hits / (2 hits + misses + false alarms)"),
    _share("brier", "Brier score of the probability over the cases; 0 is perfect"),
    Column(
        "brier_skill_base_rate", "number",
        "1 − Brier / that of the season's base rate: the share reached in these very cases of the "
        "city and lead, June to October and November to May apart; hindsight that no forecaster "
        "has, so the skill is understated",
    ),
    Column(
        "brier_skill_persistence", "number",
        "the same against persistence: 1 where the last value at issue had reached the threshold, "
        "else 0; over the cases with such a value",
    ),
    _share(
        "firm",
        "mean penalty per case (FIRM, Taggart et al. 2022): a false alarm costs a, a miss 1 − a, "
        "with the probability a from which the city gives the level; levels add up",
    ),
    Column("lead_time_median_h", "number", "median lead time of the hits", unit="h"),
    Column(
        "lead_times_h", "list",
        "each of them, sorted, parted by spaces; also below ten events",
        unit="h",
    ),
)  # fmt: skip
"""Columns of ``scoreboard.csv``, a row per city, hazard, level, event and lead."""

MISSES = (
    *_KEYS,
    Column(
        "reached_time", "datetime", "when the threshold was first reached", unit="UTC",
        required=True,
    ),
    Column(
        "threshold_m", "number",
        "alarm or flood stage, or stage of the return period; empty for droughts",
        unit="m",
    ),
    Column("highest_m", "number", "highest stage of the event so far", unit="m"),
    Column(
        "highest_class", "string", "driest class of the event so far", values=DROUGHT_EVENTS
    ),
    Column(
        "level_in_force", "string",
        "level in force just before; unknown where its message had expired",
        values=LEVELS, required=True,
    ),
    _share(
        "p",
        "probability given for that day at that lead; of a warning, by the last night before, "
        "within the level's days",
    ),
)  # fmt: skip
"""Columns of ``misses.csv``, a row per event that was missed."""

RELIABILITY = (
    *_KEYS,
    _share("p_from", "lower end of the bin, in it"),
    _share("p_to", "upper end, not in it but for 1"),
    _share("p_mean", "mean probability in the bin"),
    _share("share_reached", "share of the bin whose threshold was reached"),
    _count("cases", "forecasts in the bin"),
    _count("reached", "of them, those whose threshold was reached"),
)
"""Columns of ``reliability.csv``, a row per bin that holds a forecast."""

WARNINGS = (
    *_GROUP,
    Column("month", "string", "of sending, UTC", required=True),
    _CITY,
    _HAZARD,
    Column(
        "level", "string",
        "level of the message; of one that ends an event the level that ended",
        values=RAISED_LEVELS, required=True,
    ),
    Column(
        "change", "string",
        "new, raised, lowered, figures, reissued, unassessed or ended, as in the message",
        values=CHANGES, required=True,
    ),
    _count("messages", "messages that stand"),
    _count("cancelled", "messages withdrawn as issued in error, not among `messages`"),
)  # fmt: skip
"""Columns of ``warnings.csv``, the messages as sent by month."""

GROUND_REPORTS = (
    *_GROUP,
    _CITY,
    _count("hits", "reports of flooded ground while a flood level was in force"),
    _count("misses", "reports of flooded ground while none was, or none was known any more"),
    _count("dry", "reports of dry ground; never a false alarm, it is one street"),
    _count("contradicted", "of them, those under an Emergency"),
    _count("flood_days", "days of a city with a report of flooded ground, on its clock"),
    _count("hit_days", "of them, those whose first such report is a hit"),
    _share("pod", "hit_days / flood_days; empty below ten flood days"),
    Column(
        "missed_days", "list",
        "dates of the days with a miss, parted by spaces; empty where none was missed",
    ),
)  # fmt: skip
"""Columns of ``ground_reports.csv``, a row per city that was reported from."""

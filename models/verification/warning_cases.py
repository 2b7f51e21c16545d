"""Warnings as issued beside what came: the cases of each night, and the events of each city."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import numpy as np
import pandas as pd

from models.climatology import WET_MONTHS
from models.verification.as_issued import Issued, reaches
from models.verification.forecast_cases import find_least_probabilities
from models.verification.outcomes import (
    Event,
    Series,
    find_cities,
    find_false_alarms,
    find_outcomes,
    find_reached,
    list_levels,
)
from pipeline.times import naive_timestamp, utc64

COLUMNS = ["city", "issue_time", "p", "least_p", "wet", "declared", "reached", "persisted"]


@dataclass(frozen=True)
class WarningCases:
    """Outcome of the warnings of one level.

    Parameters
    ----------
    cases
        One row per city and night whose horizon is over or whose event came: city, issue_time, p
        (of the event within the horizon; NaN where none was issued), least_p, wet, declared
        (whether the level was in force), reached, persisted.
    counts
        One row per city: city, hits, misses, false_alarms, lead_times_h (a tuple, of the hits).
    misses
        One row per missed event.
    """

    cases: pd.DataFrame
    counts: pd.DataFrame
    misses: list[dict[str, Any]]


def list_warning_cases(
    event: Event,
    by_city: Mapping[str, Series],
    issued: Issued,
    *,
    nights: pd.Series,
    asof: datetime,
) -> WarningCases:
    """List the cases and count the events of the warnings of one level.

    Parameters
    ----------
    event
        Of the level.
    by_city
        What came, by city.
    issued
        Levels and forecasts.
    nights
        Issue times that count, seconds since 1970.
    asof
        Moment of the question.
    """
    wanted = set(nights.tolist())
    chances = _find_chances(event, issued)
    parts, counts, misses = list[pd.DataFrame](), [], list[dict[str, Any]]()
    for city, series in by_city.items():
        whole = issued.timelines.get((city, event.hazard), ())
        timeline = [entry for entry in whole if entry.issue_time.timestamp() in wanted]
        if not timeline or np.isnan(series.thresholds[event.name]).all():
            continue
        events = [
            reached
            for reached in find_reached(series, event, whole, asof=asof)
            if reached.night.timestamp() in wanted
        ]
        false_alarms = find_false_alarms(series, event, timeline, asof=asof)
        leads = [
            reached.lead / timedelta(hours=1) for reached in events if reached.lead is not None
        ]
        missed = [reached for reached in events if reached.lead is None]
        counts.append((city, len(leads), len(missed), len(false_alarms), tuple(leads)))
        flood = event.hazard == "flood"
        misses += [
            {
                "city": city,
                "reached_time": naive_timestamp(reached.time),
                "threshold_m": reached.threshold if flood else np.nan,
                "highest_m": reached.highest if flood else np.nan,
                "highest_class": "" if flood else f"D{reached.highest:.0f}",
                "level_in_force": reached.level.value,
                "p": chances.get((city, utc64(reached.night)), np.nan),
            }
            for reached in missed
        ]
        levels = list_levels(timeline)
        times = np.array([utc64(night) for night, _ in levels], "M8[ns]")
        outcome, now = find_outcomes(series, event, times, asof=asof)
        known = ~np.isnan(outcome)
        p = [chances.get((city, time), np.nan) if flood else np.nan for time in times]
        part = pd.DataFrame(
            {
                "city": city,
                "issue_time": times,
                "p": np.array(p, "float64"),
                "declared": [reaches(level, event.level) for _, level in levels],
                "reached": outcome == 1.0,
                "persisted": now,
            }
        )
        parts.append(part[known])
    cases = pd.concat(parts) if parts else pd.DataFrame(columns=COLUMNS)
    cases = cases.reset_index(drop=True).astype({"issue_time": "M8[ns]", "p": "float64"})
    cases["persisted"] = cases["persisted"].astype("float64")
    cases["wet"] = cases["issue_time"].dt.month.isin(WET_MONTHS)
    cases["least_p"] = find_least_probabilities(cases, [event.rule])[event.rule]
    names = ["city", "hits", "misses", "false_alarms", "lead_times_h"]
    return WarningCases(cases[COLUMNS], pd.DataFrame(counts, columns=names), misses)


def _find_chances(event: Event, issued: Issued) -> dict[tuple[str, np.datetime64], float]:
    """Find the probability that each night gave of the event of a level, by city.

    Of a flood level: that its threshold stage is reached within its horizon; of a drought level:
    that its class is there in four weeks.
    """
    if event.hazard == "flood":
        rows = issued.stages[issued.stages["lead_days"] == event.horizon_d]
        cities = find_cities(rows["station"], pd.DatetimeIndex(rows["issue_time"]))
        p = rows[f"p_{event.name}_by"]
    else:
        rows = issued.droughts[issued.droughts["lead_days"] == event.horizon_d]
        cities, p = rows["city"].to_numpy(), rows[f"p_{event.name.lower()}"]
    times = rows["issue_time"].to_numpy("M8[ns]")
    return dict(zip(zip(cities, times, strict=True), p, strict=True))

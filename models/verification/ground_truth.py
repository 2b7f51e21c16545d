"""Flood levels in force against reports from the ground, counted apart from gauges.

A report is one person's street: it shows that there was a flood, and hardly ever that there was
none. Flooded ground is therefore scored as hits and misses; dry ground is set beside an Emergency
and never counted as a false alarm.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from datetime import timedelta

import pandas as pd

from models.verification.alarms import LEAST_CASES
from models.verification.metrics import rate
from pipeline.geography.places import City
from pipeline.ground_reports.reports import GroundReport
from pipeline.times import naive_timestamp

RAISED = ("watch", "warning", "emergency")
"""Levels in force that warn, the highest last."""


def match_reports(
    reports: Iterable[GroundReport], levels: pd.DataFrame, *, cities: Mapping[str, City]
) -> pd.DataFrame:
    """Match each report with the flood level that was in force when it was seen.

    Parameters
    ----------
    reports
        Reports; those in doubt are left out.
    levels
        Intervals in which a flood level was in force: columns city, level (one of ``RAISED``),
        start and end (naive UTC, half open). Of several at one time the highest counts.
    cities
        Cities by id.

    Returns
    -------
    DataFrame
        One row per report: city, valid_time (naive UTC), day (on the city's clock), observation,
        level (``none`` where none
        was in force) and outcome: ``hit`` (flooded, a level in force), ``miss`` (flooded, none),
        ``contradicted`` (dry, Emergency in force) or ``dry``.
    """
    rows = []
    for report in reports:
        if report.doubt:
            continue
        time = naive_timestamp(report.valid_time)
        open_then = levels[
            (levels["city"] == report.city) & (levels["start"] <= time) & (time < levels["end"])
        ]
        level = max(open_then["level"], key=RAISED.index, default="none")
        if report.observation == "flooded":
            outcome = "miss" if level == "none" else "hit"
        else:
            outcome = "contradicted" if level == "emergency" else "dry"
        rows.append(
            {
                "city": report.city,
                "valid_time": time,
                "day": (time + timedelta(hours=cities[report.city].utc_offset_h)).normalize(),
                "observation": report.observation,
                "level": level,
                "outcome": outcome,
            }
        )
    columns = ["city", "valid_time", "day", "observation", "level", "outcome"]
    return pd.DataFrame(rows, columns=columns)


def count_outcomes(matched: pd.DataFrame) -> pd.DataFrame:
    """Count the outcomes of each city's reports, and the days with a flood that was warned of.

    Many report one flood: the rate is of days on the city's clock, and a day is a hit where its
    first report of a flood was one.

    Parameters
    ----------
    matched
        From :func:`match_reports`.

    Returns
    -------
    DataFrame
        One row per city with reports: city, hits, misses, dry, contradicted (reports; the
        contradicted ones are among the dry), flood_days, hit_days, and pod, the share of flood
        days that were hits; NaN for fewer than ``LEAST_CASES`` days, where counts alone are given.
    """
    rows = []
    for name, of_city in matched.groupby("city"):
        outcomes = of_city["outcome"].value_counts()
        flooded = of_city[of_city["observation"] == "flooded"].sort_values("valid_time")
        first = flooded.groupby("day")["outcome"].first()
        contradicted = int(outcomes.get("contradicted", 0))
        rows.append(
            {
                "city": str(name),
                "hits": int(outcomes.get("hit", 0)),
                "misses": int(outcomes.get("miss", 0)),
                "dry": int(outcomes.get("dry", 0)) + contradicted,
                "contradicted": contradicted,
                "flood_days": len(first),
                "hit_days": int((first == "hit").sum()),
            }
        )
    columns = ["city", "hits", "misses", "dry", "contradicted", "flood_days", "hit_days"]
    counts = pd.DataFrame(rows, columns=columns)
    enough = counts["flood_days"].where(counts["flood_days"] >= LEAST_CASES).astype("float64")
    return counts.assign(pod=rate(counts["hit_days"], enough))


def list_misses(matched: pd.DataFrame, *, cities: Mapping[str, City]) -> list[str]:
    """List the misses by name, each city and day once, the oldest first.

    Parameters
    ----------
    matched
        From :func:`match_reports`.
    cities
        Cities by id.

    Returns
    -------
    list of str
        As ``Pakse, 20 August 2026: 3 reports of flooded ground, no level in force``.
    """
    misses = matched[matched["outcome"] == "miss"]
    counts = Counter(zip(misses["day"], misses["city"], strict=True))
    return [
        f"{cities[city].name}, {day.day} {day:%B %Y}: {count} report{'s' if count > 1 else ''} of "
        "flooded ground, no level in force"
        for (day, city), count in sorted(counts.items())
    ]

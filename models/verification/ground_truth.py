"""Flood levels in force against reports from the ground, counted apart from gauges.

A report is one person's street: it shows that there was a flood, and hardly ever that there was
none. Flooded ground is therefore scored as hits and misses; dry ground is set beside an Emergency
and never counted as a false alarm.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import UTC, datetime, timedelta

import pandas as pd

from models.verification.alarms import LEAST_CASES
from models.verification.as_issued import Issued, find_entry, level_before
from models.verification.metrics import rate
from pipeline.alerts.levels import RAISED, Level
from pipeline.alerts.track_record import MAX_GAP
from pipeline.geography.places import City
from pipeline.ground_reports.reports import GroundReport
from pipeline.times import naive_timestamp

EVERY_CITY = "all"
"""City of the rows that pool all cities."""
MATCH_COLUMNS = [
    "origin", "status", "city", "valid_time", "day", "observation", "level", "outcome",
]  # fmt: skip
REPORT_COLUMNS = [
    "origin", "status", "city", "hits", "misses", "dry", "contradicted", "flood_days", "hit_days",
    "pod", "missed_days",
]  # fmt: skip


def match_reports(
    reports: Iterable[GroundReport], issued: Issued, *, cities: Mapping[str, City]
) -> pd.DataFrame:
    """Match each report with the flood level that was in force just before it was seen.

    A report counts if a night was issued in the ``MAX_GAP`` before it was seen; origin and status
    are those of that night.

    Parameters
    ----------
    reports
        Reports; those in doubt are left out.
    issued
        Levels in force, as issued.
    cities
        Cities by id; reports from others are left out.

    Returns
    -------
    DataFrame
        ``MATCH_COLUMNS``, one row per report: valid_time (naive UTC), day (on the city's clock),
        level in force (``unknown`` where none was known any more) and outcome: ``hit`` (flooded, a
        level raised), ``miss`` (flooded, none raised), ``contradicted`` (dry, Emergency in force)
        or ``dry``.
    """
    names = ("issue_time", "origin", "status")
    nights = {
        datetime.fromtimestamp(seconds, UTC): (origin, status)
        for seconds, origin, status in zip(*(issued.nights[name] for name in names), strict=True)
    }
    rows = []
    for report in reports:
        timeline = issued.timelines.get((report.city, "flood"), ())
        entry = find_entry(timeline, report.valid_time)
        if report.doubt or report.city not in cities or entry is None:
            continue
        if report.valid_time - entry.issue_time > MAX_GAP:
            continue
        level = level_before(timeline, report.valid_time)
        if report.observation == "flooded":
            outcome = "hit" if level in RAISED else "miss"
        else:
            outcome = "contradicted" if level is Level.EMERGENCY else "dry"
        time = naive_timestamp(report.valid_time)
        day = (time + timedelta(hours=cities[report.city].utc_offset_h)).normalize()
        night = nights[entry.issue_time]
        rows.append((*night, report.city, time, day, report.observation, level.value, outcome))
    return pd.DataFrame(rows, columns=MATCH_COLUMNS)


def count_outcomes(matched: pd.DataFrame) -> pd.DataFrame:
    """Count the outcomes of the reports, and the days with a flood that was warned of.

    Many report one flood: the rate is of days of a city on its clock, and a day is a hit where its
    first report of a flood was one.

    Parameters
    ----------
    matched
        From :func:`match_reports`.

    Returns
    -------
    DataFrame
        ``REPORT_COLUMNS``, one row per origin, status and city with reports, and one of all cities:
        hits, misses, dry, contradicted (reports; the contradicted ones are among the dry),
        flood_days, hit_days, pod, the share of flood days that were hits (NaN for fewer than
        ``LEAST_CASES`` days, where counts alone are given), and missed_days, the dates of the days
        with a miss, parted by spaces.
    """
    matched = matched.sort_values("valid_time")
    flooded = matched[matched["observation"] == "flooded"]
    first = flooded.groupby(["origin", "status", "city", "day"])["outcome"].first().reset_index()

    def pool(table: pd.DataFrame) -> pd.DataFrame:
        return pd.concat([table, table.assign(city=EVERY_CITY)])

    keys = ["origin", "status", "city"]
    days = {key: of_row["outcome"] for key, of_row in pool(first).groupby(keys)}
    rows = []
    for key, of_row in pool(matched).groupby(keys):
        outcomes = of_row["outcome"].value_counts()
        hits, misses, dry, contradicted = (
            int(outcomes.get(name, 0)) for name in ("hit", "miss", "dry", "contradicted")
        )
        of_days = days.get(key, pd.Series(dtype=object))
        flood_days, hit_days = len(of_days), int((of_days == "hit").sum())
        missed = of_row.loc[of_row["outcome"] == "miss", "day"].drop_duplicates().sort_values()
        dates = " ".join(f"{day:%Y-%m-%d}" for day in missed)
        counts = (hits, misses, dry + contradicted, contradicted, flood_days, hit_days)
        rows.append((*key, *counts, dates))
    counted = [name for name in REPORT_COLUMNS if name != "pod"]
    table = pd.DataFrame(rows, columns=counted)
    enough = table["flood_days"].where(table["flood_days"] >= LEAST_CASES).astype("float64")
    return table.assign(pod=rate(table["hit_days"], enough))[REPORT_COLUMNS]

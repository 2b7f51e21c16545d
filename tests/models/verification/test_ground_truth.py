from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, datetime, timedelta

import numpy as np
import pandas as pd
import pytest

from models.verification.ground_truth import count_outcomes, list_misses, match_reports
from pipeline.geography.places import cities
from pipeline.ground_reports.coded_text import Observation
from pipeline.ground_reports.reports import GroundReport

NOON = datetime(2026, 8, 20, 5, 0, tzinfo=UTC)
"""12:00 in Pakse."""


def report(
    observation: Observation, hours: float = 0.0, *, city: str = "pakse", doubt: str = ""
) -> GroundReport:
    seen = NOON + timedelta(hours=hours)
    return GroundReport("s", city, observation, None, seen, seen, "text", "", doubt)


def intervals(*rows: tuple[str, str, float, float]) -> pd.DataFrame:
    """Levels in force: city, level, and hours after noon from and to which."""
    at = pd.Timestamp(NOON).tz_convert(None)
    return pd.DataFrame(
        [
            (city, level, at + pd.Timedelta(hours=start), at + pd.Timedelta(hours=end))
            for city, level, start, end in rows
        ],
        columns=["city", "level", "start", "end"],
    )


LEVELS = intervals(
    ("pakse", "watch", -48, 2), ("pakse", "emergency", -3, 1), ("kratie", "warning", -48, 48)
)


def match(reports: Iterable[GroundReport], levels: pd.DataFrame = LEVELS) -> pd.DataFrame:
    return match_reports(reports, levels, cities=cities())


@pytest.mark.parametrize(
    ("observation", "hours", "level", "outcome"),
    [
        ("flooded", -4, "watch", "hit"),
        ("flooded", 0, "emergency", "hit"),
        ("flooded", 1, "watch", "hit"),
        ("flooded", 2, "none", "miss"),
        ("flooded", -49, "none", "miss"),
        ("dry", 0, "emergency", "contradicted"),
        ("dry", 1.5, "watch", "dry"),
        ("dry", 3, "none", "dry"),
    ],
)
def test_a_report_meets_the_level_in_force(
    observation: Observation, hours: float, level: str, outcome: str
) -> None:
    matched = match([report(observation, hours)])
    assert matched[["level", "outcome"]].values.tolist() == [[level, outcome]]


def test_a_report_in_doubt_is_not_matched() -> None:
    assert match([report("flooded", doubt="no letter")]).empty


def test_outcomes_are_counted_by_city_and_by_day() -> None:
    reports = [
        *(report("flooded", hours) for hours in (0, 0.5, 3)),  # one day, first warned of
        report("flooded", 24),  # 21 August, not warned of
        report("dry", 0),
        report("dry", 3),
        report("flooded", 0, city="kratie"),
    ]
    counts = count_outcomes(match(reports)).set_index("city")
    assert counts.loc["pakse"].drop("pod").to_dict() == {
        "hits": 2, "misses": 2, "dry": 2, "contradicted": 1, "flood_days": 2, "hit_days": 1,
    }  # fmt: skip
    assert counts.loc["kratie", "hits"] == 1
    assert np.isnan(counts["pod"]).all(), "fewer than ten days: counts alone"


def test_the_day_is_that_of_the_citys_clock() -> None:
    # 23:30 on 20 August and 00:30 on 21 August in Pakse, both 20 August in UTC.
    reports = [report("flooded", 11.5), report("flooded", 12.5)]
    counts = count_outcomes(match(reports))
    assert counts["flood_days"].tolist() == [2]


def test_ten_flood_days_have_a_rate() -> None:
    reports = [report("flooded", 24 * day) for day in range(10)]
    levels = intervals(("pakse", "watch", 0, 24 * 6 + 1))  # days 0 to 6
    for count, expected in ((9, np.nan), (10, 0.7)):
        counts = count_outcomes(match(reports[:count], levels))
        assert counts["pod"].tolist() == pytest.approx([expected], nan_ok=True)


def test_without_reports_nothing_is_counted() -> None:
    counts = count_outcomes(match(()))
    assert counts.empty
    assert "pod" in counts
    assert list_misses(match(()), cities=cities()) == []


def test_misses_are_listed_by_name() -> None:
    reports = [report("flooded", 25), report("flooded", 24), report("flooded", 3), report("dry", 3)]
    assert list_misses(match(reports), cities=cities()) == [
        "Pakse, 20 August 2026: 1 report of flooded ground, no level in force",
        "Pakse, 21 August 2026: 2 reports of flooded ground, no level in force",
    ]

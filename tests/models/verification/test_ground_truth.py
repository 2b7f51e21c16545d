from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime, timedelta

import numpy as np
import pandas as pd
import pytest

from models.verification.as_issued import InForce, Issued
from models.verification.ground_truth import REPORT_COLUMNS, count_outcomes, match_reports
from pipeline.alerts.levels import Level
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


def issue(
    levels: Mapping[str, Sequence[tuple[float, str]]], *, measured: Sequence[float] = ()
) -> Issued:
    """Levels by city, each sent so many hours after noon, for 54 hours or until the next."""
    moments = {hours: NOON + timedelta(hours=hours) for of in levels.values() for hours, _ in of}
    nights = pd.DataFrame(
        [
            (
                int(moment.timestamp()), 0,
                *(("measured", "Actual") if hours in measured else ("virtual", "Exercise")),
            )
            for hours, moment in moments.items()
        ],
        columns=["issue_time", "revision", "origin", "status"],
    )  # fmt: skip
    timelines = {
        (city, "flood"): [
            InForce(
                start=moments[hours], expires=moments[hours] + timedelta(hours=54),
                level=Level(level), issue_time=moments[hours],
            )
            for hours, level in of_city
        ]
        for city, of_city in levels.items()
    }  # fmt: skip
    empty = pd.DataFrame()
    return Issued(nights, empty, empty, timelines, empty)


ISSUED = issue(
    {
        "pakse": [(-48, "none"), (-24, "watch"), (-3, "emergency"), (1, "watch"), (2, "none")],
        "kratie": [(-24, "warning")],
    }
)


def match(reports: Iterable[GroundReport], issued: Issued = ISSUED) -> pd.DataFrame:
    return match_reports(reports, issued, cities=cities())


@pytest.mark.parametrize(
    ("observation", "hours", "level", "outcome"),
    [
        ("flooded", -24, "none", "miss"),
        ("flooded", -4, "watch", "hit"),
        ("flooded", 0, "emergency", "hit"),
        ("flooded", 2, "watch", "hit"),
        ("flooded", 3, "none", "miss"),
        ("flooded", 56, "none", "miss"),
        ("flooded", 57, "unknown", "miss"),
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


def test_a_report_counts_within_seven_days_of_a_night() -> None:
    hours = [-48, -47.9, 2 + 7 * 24, 2.1 + 7 * 24]
    matched = match([report("flooded", at) for at in hours])
    assert matched["valid_time"].tolist() == [
        pd.Timestamp("2026-08-18 05:06"), pd.Timestamp("2026-08-27 07:00"),
    ]  # fmt: skip
    assert matched["outcome"].tolist() == ["miss", "miss"]
    elsewhere = [report("flooded", city="vientiane"), report("flooded", city="atlantis")]
    assert match(elsewhere, issue({"atlantis": [(-1, "watch")]})).empty


def test_measured_and_virtual_nights_never_share_a_row() -> None:
    issued = issue({"pakse": [(-24, "watch"), (0, "watch")]}, measured=[0])
    counts = count_outcomes(match([report("flooded", 0), report("flooded", 1)], issued))
    assert counts[["origin", "status", "city", "hits"]].to_numpy().tolist() == [
        ["measured", "Actual", "all", 1], ["measured", "Actual", "pakse", 1],
        ["virtual", "Exercise", "all", 1], ["virtual", "Exercise", "pakse", 1],
    ]  # fmt: skip


def test_outcomes_are_counted_by_city_and_by_day() -> None:
    reports = [
        *(report("flooded", hours) for hours in (3, 0, 0.5)),  # one day, first warned of
        report("flooded", 24),  # 21 August, not warned of
        report("dry", 0),
        report("dry", 3),
        report("flooded", 0, city="kratie"),
        report("dry", 100, city="kratie"),
    ]
    counts = count_outcomes(match(reports)).set_index("city")
    assert counts.loc["pakse"].drop(labels=["origin", "status", "pod"]).to_dict() == {
        "hits": 2, "misses": 2, "dry": 2, "contradicted": 1, "flood_days": 2, "hit_days": 1,
        "missed_days": "2026-08-20 2026-08-21",
    }  # fmt: skip
    assert [*counts.loc["kratie", ["hits", "dry", "missed_days"]]] == [1, 1, ""]
    assert counts.loc["all"].drop(labels=["origin", "status", "pod"]).to_dict() == {
        "hits": 3, "misses": 2, "dry": 3, "contradicted": 1, "flood_days": 3, "hit_days": 2,
        "missed_days": "2026-08-20 2026-08-21",
    }  # fmt: skip
    assert np.isnan(counts["pod"]).all(), "fewer than ten days: counts alone"


def test_the_day_is_that_of_the_citys_clock() -> None:
    # 23:30 on 20 August and 00:30 on 21 August in Pakse, both 20 August in UTC.
    reports = [report("flooded", 11.5), report("flooded", 12.5)]
    counts = count_outcomes(match(reports))
    assert counts["flood_days"].tolist() == [2, 2]
    assert counts["missed_days"].tolist() == ["2026-08-20 2026-08-21"] * 2


def test_ten_flood_days_have_a_rate() -> None:
    reports = [report("flooded", 24 * day) for day in range(10)]
    nights = [(24 * day - 1, "watch" if day < 7 else "none") for day in range(10)]
    issued = issue({"pakse": nights})
    for count, expected in ((9, np.nan), (10, 0.7)):
        counts = count_outcomes(match(reports[:count], issued))
        assert counts["pod"].tolist() == pytest.approx([expected] * 2, nan_ok=True)


def test_ten_flood_days_of_all_cities_have_a_rate() -> None:
    reports = [
        report("flooded", 24 * day, city=city) for day in range(5) for city in ("pakse", "kratie")
    ]
    nights = [(24 * day - 1, "watch") for day in range(5)]
    issued = issue({"pakse": nights, "kratie": [(hours, "none") for hours, _ in nights]})
    counts = count_outcomes(match(reports, issued)).set_index("city")["pod"]
    assert counts["all"] == 0.5
    assert counts[["pakse", "kratie"]].isna().all()


def test_without_reports_nothing_is_counted() -> None:
    counts = count_outcomes(match(()))
    assert counts.empty
    assert [*counts] == REPORT_COLUMNS


def test_dry_ground_alone_is_no_flood_day() -> None:
    counts = count_outcomes(match([report("dry", 3)]))
    assert counts[["dry", "flood_days", "missed_days"]].to_numpy().tolist() == [[1, 0, ""]] * 2

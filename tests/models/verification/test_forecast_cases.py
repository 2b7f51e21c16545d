from __future__ import annotations

import pandas as pd
import pytest

from models.verification.forecast_cases import count_events, find_least_probabilities
from models.verification.outcomes import DROUGHTS, FLOODS, Event

ONCE = Event(hazard="flood", level=None, name="1_year", horizon_d=7, merge_d=5)


@pytest.mark.parametrize(
    ("event", "lead", "late_d", "hits"),
    [
        (FLOODS[0], 1, 1, 1), (FLOODS[0], 1, 2, 0), (FLOODS[0], 4, 2, 1), (FLOODS[0], 4, 3, 0),
        (ONCE, 1, 2, 1), (ONCE, 1, 3, 0), (DROUGHTS[0], 28, 7, 1), (DROUGHTS[0], 28, 8, 0),
    ],
)  # fmt: skip
def test_an_event_is_hit_within_the_days_that_its_kind_allows(
    event: Event, lead: int, late_d: int, hits: int
) -> None:
    times = pd.date_range("2026-07-01", periods=40)
    cases = pd.DataFrame(
        {
            "origin": "virtual", "status": "Exercise", "city": "pakse", "lead_days": lead,
            "valid_time": times, "reached": [day == 10 for day in range(40)],
            "declared": [day == 10 + late_d for day in range(40)],
        }
    )  # fmt: skip
    counts, missed = count_events(event, cases)
    (row,) = counts.to_dict("records")
    assert (row["hits"], row["misses"], row["false_alarms"]) == (hits, 1 - hits, 1 - hits)
    assert missed["valid_time"].dt.day.tolist() == ([] if hits else [11])


def test_each_city_has_its_own_probabilities() -> None:
    rows = pd.DataFrame({"city": ["pakse"], "issue_time": [pd.Timestamp("2026-08-20 00:30")]})
    rules = [event.rule for event in (*FLOODS, DROUGHTS[0])]
    found = find_least_probabilities(rows, rules)
    assert [found[rule].item() for rule in rules] == [0.25, 0.4, 0.7, 0.5]

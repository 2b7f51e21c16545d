from __future__ import annotations

from datetime import timedelta

import numpy as np
import pytest

from models.verification.as_issued import InForce
from models.verification.outcomes import (
    DROUGHTS,
    FLOODS,
    Event,
    Series,
    find_false_alarms,
    find_outcomes,
    find_reached,
)
from pipeline.alerts.levels import Level
from pipeline.alerts.thresholds import Rules
from tests.models.verification.issued_cases import TWO_FLOODS, moment

WATCH, WARNING, _ = FLOODS
START = np.datetime64("2026-07-01", "ns")


def series(values: list[float]) -> Series:
    array = np.array(values)
    times = START + np.arange(len(values)) * np.timedelta64(1, "D")
    marks = {"alarm": np.full(len(array), 11.0), "flood": np.full(len(array), 12.0)}
    kept = ~np.isnan(array)
    marks = {name: mark[kept] for name, mark in marks.items()}
    return Series(times[kept], array[kept], marks)


def timeline(levels: dict[int, Level]) -> list[InForce]:
    return [
        InForce(
            start=moment(day), expires=moment(day) + timedelta(hours=54), level=level,
            issue_time=moment(day),
        )
        for day, level in sorted(levels.items())
    ]  # fmt: skip


def test_events_are_of_the_thresholds_that_levels_are_about() -> None:
    assert [(event.name, event.horizon_d) for event in (*FLOODS, *DROUGHTS)] == [
        ("alarm", 7), ("flood", 5), ("flood", 2), ("D1", 28), ("D2", 28), ("D3", 28),
    ]  # fmt: skip
    fields = set(Rules.__dataclass_fields__)
    assert {event.rule for event in (*FLOODS, *DROUGHTS)} <= fields


def test_spells_nearer_than_five_days_are_one_event() -> None:
    near = series([9.0, 11.0, 9.0, 9.0, 9.0, 11.5, 9.0, 9.0, 9.0, 9.0, 9.0, 9.0, 12.5])
    assert near.find_starts(WATCH).tolist() == [1, 12]
    assert near.find_highest(WATCH, near.times[1]) == (11.5, 11.0)
    assert near.find_highest(WATCH, near.times[12]) == (12.5, 11.0)


def test_a_warning_that_ended_too_early_misses_the_event_and_is_no_false_alarm() -> None:
    # Alarm stage is reached on day 13; the Watch of day 10 ended on day 11.
    levels = dict.fromkeys(range(40), Level.NONE) | {10: Level.WATCH}
    came = series(TWO_FLOODS[:40])
    found = find_reached(came, WATCH, timeline(levels), asof=moment(20))
    assert [(event.time.day, event.level, event.lead) for event in found] == [
        (14, Level.NONE, None)
    ]
    assert find_false_alarms(came, WATCH, timeline(levels), asof=moment(20)) == []
    quiet = dict.fromkeys(range(40), Level.NONE) | {1: Level.WATCH}
    assert find_false_alarms(came, WATCH, timeline(quiet), asof=moment(20)) == [moment(1)]


def test_an_event_in_a_long_silence_is_not_counted() -> None:
    came = series(TWO_FLOODS[:40])
    for last, expected in ((6, 1), (5, 0)):  # day 13, 00:00, is 6 d 23.5 h after night 6
        levels = timeline(dict.fromkeys(range(last + 1), Level.NONE))
        found = find_reached(came, WATCH, levels, asof=moment(20))
        assert len(found) == expected
        assert all(event.level is Level.UNKNOWN for event in found)


def test_outcomes_wait_for_the_horizon_and_for_readings() -> None:
    values = [9.0] * 20
    values[6] = 12.0
    nights = np.array([START + np.timedelta64(day * 24 * 60 + 30, "m") for day in (0, 1, 5, 6, 9)])
    reached, now = find_outcomes(series(values), WARNING, nights, asof=moment(13))
    # Flood stage on day 6 lies within five days of nights 1 and 5; night 9 looks until day 14.
    assert reached.tolist()[:4] == [0.0, 1.0, 1.0, 0.0]
    assert np.isnan(reached[4])
    assert now.tolist() == [0.0, 0.0, 0.0, 1.0, 0.0]
    gaps = [9.0, np.nan, np.nan, np.nan, 9.0, 9.0, *[np.nan] * 14]
    reached, now = find_outcomes(series(gaps), WARNING, nights[:3], asof=moment(13))
    assert np.isnan(reached).tolist() == [True, True, True], "two readings of five days are few"
    assert np.isnan(now).tolist() == [False, False, False]


def test_a_return_level_has_no_warnings() -> None:
    event = Event(hazard="flood", level=None, name="1_year", horizon_d=7, merge_d=5)
    with pytest.raises(ValueError, match="return level"):
        find_reached(series([9.0]), event, [], asof=moment(1))

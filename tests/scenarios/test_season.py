"""Messages over the season of the virtual basin, and over floods by hand with nights missing."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterable
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from pipeline.alerts.alert_state import AlertState, restore_state
from pipeline.alerts.decision import Decision
from pipeline.alerts.levels import Level
from pipeline.settings import Settings
from tests.alerts.alert_cases import T0, flood, night
from tests.alerts.cap_cases import send
from tests.scenarios import nights
from tests.scenarios.season import (
    CityNight,
    Told,
    by_city,
    count_uncovered,
    list_endings,
    list_events,
    list_returns,
    read_message,
    run_season,
)
from tests.scenarios.season_checks import (
    CHECKS,
    DAY,
    Season,
    broken_references,
    changes_within_a_day,
    events,
    name,
    not_covered,
    observed_not_told,
    raises_not_told,
    raises_without_a_crossing,
)
from tests.scenarios.season_tables import make_tables


@pytest.mark.slow
def test_a_season_from_june_to_november(trained: Settings, tmp_path: Path) -> None:
    season = run_season(nights.fork(trained, tmp_path / "season"))
    tables = make_tables(season)
    sys.stdout.write("\n\n".join(tables.values()))
    assert len(season) == 183 * 80
    assert {check.__name__: wrong for check in CHECKS if (wrong := check(season))} == {}
    floods = [of_city for (_, hazard), of_city in by_city(season).items() if hazard == "flood"]
    ends = sum(len(list_endings(of_city)) for of_city in floods)
    assert ends > 20
    assert sum(len(list_returns(of_city)) for of_city in floods) < 0.05 * ends


STAGES_M = (
    *(9.6, 10.2, 10.7, 11.2, 11.6, 11.9, 12.2, 12.4, 12.6, 12.9, 13.1, 13.2, 13.2, 13.2, 13.2),
    *(13.1, 13.0, 12.9, 12.7, 12.5, 12.3, 12.1, 11.9, 11.8, 11.6, 11.5, 11.4, 11.35, 11.2, 11.0),
    *(10.8, 10.6, 10.4, 10.2, 10.0, 9.9, 9.8, 9.7, 9.6, 9.5, 9.4, 9.3, 9.2, 9.1),
)
"""Stages of a flood, alarm stage 11.5 m, flood stage 12.5 m; a warning is in force on the first 30
nights."""
FLOOD_NIGHTS = 30


def river_flood(number: int, state: AlertState | None) -> Decision:
    """Decide a night of the flood; a chance falls from 1 to 0 as the peak goes from 0.5 m above to
    0.5 m below its threshold stage."""

    def chance(threshold_m: float, days: int) -> float:
        peak_m = max(STAGES_M[number + 1 : number + 1 + days])
        return min(max(0.5 + peak_m - threshold_m, 0.0), 1.0)

    before = STAGES_M[max(number - 1, 0)]
    return flood(
        chance(11.5, 7), chance(12.5, 5), chance(12.5, 2), number=number, state=state,
        stage_m=STAGES_M[number], change_1d_m=STAGES_M[number] - before,
    )  # fmt: skip


def play(
    decide: Callable[[int, AlertState | None], Decision], numbers: Iterable[int]
) -> list[CityNight]:
    """Run nights of one city and hazard, each from what the one before has stored."""
    season, state, told = list[CityNight](), None, None
    for number in numbers:
        decision = decide(number, state)
        message, after = send(decision)
        stored = json.loads(json.dumps(after.to_dict()))
        state = restore_state(stored)
        of_night = None
        if message is not None:
            of_night = told = read_message(message.content, before=told)
        season.append(CityNight(decision=decision, state=stored, told=of_night))
    return season


def test_a_flood_by_hand_is_one_event() -> None:
    season = play(river_flood, range(FLOOD_NIGHTS + 3))
    (event,) = events(season)
    assert len(event) == FLOOD_NIGHTS
    assert [message.kind for message in event] == ["Alert"] + ["Update"] * (FLOOD_NIGHTS - 1)
    assert [message.level for message in event if message.change in {"new", "raised"}] == [
        Level.WATCH, Level.WARNING, Level.EMERGENCY
    ]  # fmt: skip
    assert [each.told for each in list_endings(season)] == event[-1:]
    assert {check.__name__: wrong for check in CHECKS if (wrong := check(season))} == {}


def without(season: Season, number: int) -> list[CityNight]:
    """Season whose message of one night was not sent."""
    return [replace(each, told=None if n == number else each.told) for n, each in enumerate(season)]


def altered(season: Season, number: int, **fields: Any) -> list[CityNight]:
    """Season whose message of one night says something else."""
    told = season[number].told
    assert told is not None
    other = Told(**{**vars(told), **fields})
    return [
        replace(each, told=other if n == number else each.told) for n, each in enumerate(season)
    ]


def test_the_checks_find_what_is_wrong() -> None:
    season = play(river_flood, range(FLOOD_NIGHTS + 3))
    alert, update = season[0].told, season[4].told
    assert alert is not None
    assert update is not None
    raised, seen = name(season[3]), name(season[8])
    assert raises_not_told(without(season, 3)) == [raised]
    assert raises_not_told(altered(season, 3, change="reissued")) == [raised]
    assert raises_not_told(altered(season, 3, sent=T0)) == [raised]
    lower = {**update.facts, "level_in_force": "watch"}
    assert observed_not_told(altered(season, 8, facts=lower)) == [seen]
    assert observed_not_told(without(season, 8)) == [seen]
    fallen = replace(season[12], state={**season[12].state, "level": "watch"})
    assert raises_without_a_crossing([fallen, season[13]]) == [name(season[13])]
    again = altered(altered(season, 5, facts=lower), 6, sent=night(5) + timedelta(hours=6))
    assert len(changes_within_a_day(again)) == 1
    assert broken_references(altered(season, 4, references=())) == [update.identifier]
    assert broken_references(altered(season, 4, references=update.references[:1] * 2)) == [
        update.identifier
    ]
    other = (update.references[-1].replace(":30:00", ":31:00"),)
    assert broken_references(altered(season, 4, references=other)) == [update.identifier]
    assert broken_references(altered(season, 0, references=update.references)) == [alert.identifier]
    late = altered(season, 4, expires=night(4) + timedelta(hours=6))
    assert not_covered(late) == ["vientiane flood"]
    assert count_uncovered(list_events(late), until=night(40)) == 18 * 60
    assert count_uncovered(list_events(season[:5]), until=update.expires + DAY) == 24 * 60
    for number, soon in ((32, 1), (35, 0)):
        begun = play(lambda at, state: flood(0.9, number=at, state=state), [number])
        assert len(list_returns([*season[:30], *begun])) == soon

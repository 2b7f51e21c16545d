"""Messages over six weeks of the virtual season, and over floods by hand with nights missing."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from pipeline.alerts.alert_state import AlertState, restore_state
from pipeline.alerts.decision import Decision
from pipeline.alerts.levels import RAISED, Level
from pipeline.settings import Settings
from tests.alerts.alert_cases import NAN, T0, TOWN, UNKNOWN_RAIN, flood, night, pluvial
from tests.alerts.cap_cases import send
from tests.scenarios import nights
from tests.scenarios.season import (
    CityNight,
    Told,
    count_uncovered,
    list_endings,
    list_events,
    list_returns,
    read_message,
    run_season,
)
from tests.scenarios.season_cases import count_cases
from tests.scenarios.season_checks import (
    CHECKS,
    DAY,
    Season,
    broken_references,
    changes_against_the_levels,
    changes_not_stated,
    changes_within_a_day,
    droughts_told_too_often,
    events,
    false_all_clears,
    incidents_of_several_events,
    lifetimes,
    name,
    not_covered,
    observed_not_told,
    raises_not_told,
    raises_without_a_crossing,
    short_lived,
    white_space,
)
from tests.scenarios.season_figures import figures_that_did_not_move, figures_that_moved_untold
from tests.scenarios.season_tables import make_tables


@pytest.mark.slow
def test_six_weeks_of_a_season(trained: Settings, tmp_path: Path) -> None:
    """Rise, crest and end of the season's flood, in which every check has something to check."""
    first, last = (datetime(2026, *day, 0, 30, tzinfo=UTC) for day in ((8, 10), (9, 20)))
    season = run_season(nights.fork(trained, tmp_path / "season"), first=first, last=last)
    tables = make_tables(season)
    sys.stdout.write("\n\n".join(tables.values()))
    assert len(season) == 42 * 80
    assert {check.__name__: wrong for check in CHECKS if (wrong := check(season))} == {}
    cases = count_cases(season)
    assert {kind.partition(":")[0] for kind in cases} == {check.__name__ for check in CHECKS}
    assert [kind for kind, count in cases.items() if not count] == []
    assert cases["ends_that_did_not_last"] > 20


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
    season, state = list[CityNight](), None
    for number in numbers:
        decision = decide(number, state)
        message, after = send(decision)
        stored = json.loads(json.dumps(after.to_dict()))
        state = restore_state(stored)
        told = read_message(message.content) if message else None
        season.append(CityNight(decision=decision, state=stored, told=told))
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


def altered(
    season: Season, number: int, *, facts: Mapping[str, str] | None = None, **fields: Any
) -> list[CityNight]:
    """Season whose message of one night says something else."""
    told = season[number].told
    assert told is not None
    same = {**told.facts, **(facts or {})}
    others = tuple({**each, **(facts or {})} for each in told.other_facts)
    other = Told(**{**vars(told), "facts": same, "other_facts": others, **fields})
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
    assert raises_not_told(altered(season, 3, facts={"change": "reissued"})) == [raised]
    assert raises_not_told(altered(season, 3, sent=T0)) == [raised]
    lower = {"level_in_force": "watch"}
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


def identifier(season: Season, number: int) -> str:
    told = season[number].told
    assert told is not None
    return told.identifier


def test_the_checks_of_words_and_times_find_what_is_wrong() -> None:
    season = play(river_flood, range(FLOOD_NIGHTS + 3))
    fourth, last = identifier(season, 4), identifier(season, 29)
    told = season[4].told
    assert told is not None
    of_one = (*told.other_facts[:-1], {**told.other_facts[-1], "change": "raised"})
    assert changes_not_stated(altered(season, 4, other_facts=of_one)) == [fourth]
    assert changes_not_stated(altered(season, 4, facts={"change": "changed"})) == [fourth]
    for change in ("new", "raised", "lowered"):
        wrong = altered(season, 10, facts={"change": change})
        assert changes_against_the_levels(wrong) == [identifier(season, 10)]
    assert changes_against_the_levels(altered(season, 10, response="AllClear"))
    assert changes_against_the_levels(altered(season, 29, response="None")) == [last]
    assert changes_against_the_levels(altered(season, 10, facts={"change": "ended"}))
    brief = altered(season, 4, expires=night(4) + timedelta(hours=49))
    assert short_lived(brief) == [name(season[4])]
    assert lifetimes(brief) == [fourth]
    assert lifetimes(altered(season, 4, expires=night(4) + timedelta(hours=30))) == [fourth]
    same = altered(season, 13, facts={"change": "figures"})
    same[13] = replace(same[13], decision=season[9].decision)  # what was told last
    assert figures_that_did_not_move(same) == [identifier(season, 13)]
    assert figures_that_did_not_move(season) == []
    assert identifier(season, 4) in figures_that_moved_untold(
        altered(season, 4, facts={"change": "reissued"})
    )
    assert false_all_clears(season) == []
    assert white_space(season) == []
    told_so = told.content.replace(b"<info>", b"\n <info>", 1)
    assert white_space(altered(season, 4, content=told_so)) == [fourth]
    assert incidents_of_several_events(altered(season, 4, incidents="another")) == [
        identifier(season, 0)
    ]
    other = [replace(each, decision=replace(each.decision, city=TOWN)) for each in season]
    assert len(incidents_of_several_events([*season, *other])) == 2
    dry = [replace(each, decision=replace(each.decision, hazard="drought")) for each in season]
    assert identifier(season, 11) in droughts_told_too_often(dry)


@pytest.mark.parametrize(
    ("age_h", "stage_m", "change_m", "wrong"),
    [(23.5, 11.3, 0.10, 0), (24.5, 11.3, 0.0, 1), (0.5, 11.31, 0.0, 1), (0.5, 11.2, 0.11, 1),
     (0.5, 11.2, NAN, 1), (None, NAN, NAN, 1)],
)  # fmt: skip
def test_an_all_clear_needs_a_recent_reading_well_below_alarm_stage(
    age_h: float | None, stage_m: float, change_m: float, wrong: int
) -> None:
    season = play(river_flood, range(FLOOD_NIGHTS))
    decision = flood(number=29, stage_m=stage_m, age_h=age_h, change_1d_m=change_m)
    ended = [*season[:-1], replace(season[-1], decision=decision)]
    assert len(false_all_clears(altered(ended, 29, response="AllClear"))) == wrong
    assert false_all_clears(altered(ended, 29, response="Monitor")) == []


@pytest.mark.parametrize("lost", range(FLOOD_NIGHTS))
def test_a_lost_night_leaves_no_gap(lost: int) -> None:
    season = play(river_flood, (number for number in range(FLOOD_NIGHTS + 4) if number != lost))
    (event,) = events(season)
    assert event[0].sent == night(1 if lost == 0 else 0)
    assert event[-1].ends
    assert count_uncovered([event], until=night(FLOOD_NIGHTS + 3)) == 0
    assert {check.__name__: wrong for check in CHECKS if (wrong := check(season))} == {}


def unknown_river(number: int, state: AlertState | None) -> Decision:
    """Decide a night without a reading, a forecast and the rain."""
    return flood(
        NAN, NAN, NAN, number=number, state=state, stage_m=NAN, age_h=None, change_1d_m=NAN,
        tier="climatology", rain=UNKNOWN_RAIN,
    )  # fmt: skip


@pytest.mark.parametrize("assessed", [(0,), (0, 5)])
def test_a_level_of_the_river_ends_after_a_week_without_evidence(assessed: tuple[int, ...]) -> None:
    def decide(number: int, state: AlertState | None) -> Decision:
        if number in assessed:
            return flood(0.9, 0.6, number=number, state=state, stage_m=11.0)
        return unknown_river(number, state)

    check_not_known(play(decide, range(31)), since=assessed[-1], days=7)


def test_a_level_of_the_rain_ends_after_two_days_without_evidence() -> None:
    def decide(number: int, state: AlertState | None) -> Decision:
        return pluvial(6.0 if number == 0 else NAN, number=number, state=state)

    check_not_known(play(decide, range(31)), since=0, days=2)


def test_rain_alone_holds_a_level_for_thirty_hours_to_the_last() -> None:
    """Also on the night that holds the level, when the rain is over."""
    season = play(lambda at, state: pluvial(1.0 if at else 6.0, number=at, state=state), range(3))
    assert [told.change for event in events(season) for told in event][-1] == "ended"
    assert lifetimes(season) == []


def check_not_known(season: Season, *, since: int, days: int) -> None:
    """Check that an event ends so many days after the night that assessed it last, and how."""
    (event,) = events(season)
    assert event[-1].change == "ended"
    assert event[-1].response == "Monitor"
    assert night(since + days) <= event[-1].sent <= night(since + days + 1)
    assert not any(told.ends for told in event[:-1])
    assert {told.change for told in event[since + 1 : -1]} == {"unassessed"}
    assert count_uncovered([event], until=night(31)) == 0
    assert not season[-1].is_open
    assert season[-1].level not in RAISED
    assert b"all-clear" in event[-1].content

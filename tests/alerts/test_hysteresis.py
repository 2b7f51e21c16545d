from __future__ import annotations

import json
import math
from dataclasses import replace
from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.alerts.alert_state import AlertState
from pipeline.alerts.evidence import Rain
from pipeline.alerts.levels import ORDER, Level
from tests.alerts.alert_cases import NAN, flood, night

HEAVY = Rain(return_period_years=6.0, pluvial_index=1.4)


def test_second_run_needs_confirmation_or_margin() -> None:
    calm = flood(number=0)
    once = flood(0.30, number=1, state=calm.state)
    twice = flood(0.25, number=2, state=once.state)
    assert (once.level, twice.level) == (Level.NONE, Level.WATCH)
    assert flood(0.39, number=1, state=calm.state).level is Level.NONE
    assert flood(0.40, number=1, state=calm.state).level is Level.WATCH  # 0.25 + 0.15
    broken = flood(0.20, number=2, state=once.state)
    assert flood(0.30, number=3, state=broken.state).level is Level.NONE


def test_margin_of_warning_and_emergency() -> None:
    calm = flood(number=0).state
    assert flood(0.54, 0.54, number=1, state=calm).level is Level.WATCH
    assert flood(0.55, 0.55, number=1, state=calm).level is Level.WARNING
    assert flood(0.84, 0.84, 0.84, number=1, state=calm).level is Level.WARNING
    assert flood(0.85, 0.85, 0.85, number=1, state=calm).level is Level.EMERGENCY


def test_observation_raises_at_once() -> None:
    calm = flood(number=0).state
    assert flood(number=1, state=calm, stage_m=12.5).level is Level.EMERGENCY
    assert flood(number=1, state=calm, stage_m=11.5, change_1d_m=0.2).level is Level.WARNING
    assert flood(number=1, state=calm, rain=HEAVY).level is Level.WATCH


def test_unknown_probability_keeps_the_count_up() -> None:
    calm = flood(number=0)
    once = flood(0.30, number=1, state=calm.state)
    lost = flood(NAN, NAN, NAN, number=2, state=once.state)
    assert lost.level is Level.UNKNOWN
    assert flood(0.30, number=3, state=lost.state).level is Level.WATCH


def test_lowering_takes_two_quiet_runs_and_a_low_stage() -> None:
    watch = flood(0.30, stage_m=11.3)
    eased = flood(0.149, number=1, state=watch.state, stage_m=11.3)
    second = flood(0.149, number=2, state=eased.state, stage_m=11.3)
    assert (eased.level, second.level) == (Level.WATCH, Level.NONE)
    assert eased.reasons == ("held",)
    assert second.reasons == ()


@pytest.mark.parametrize(("p7", "stage_m"), [(0.15, 11.3), (0.10, 11.31)])
def test_not_quiet_enough_is_held(p7: float, stage_m: float) -> None:
    decision = flood(0.30, stage_m=11.3)
    for number in (1, 2, 3):
        decision = flood(p7, number=number, state=decision.state, stage_m=stage_m)
        assert decision.level is Level.WATCH


def test_quiet_runs_must_be_in_a_row() -> None:
    watch = flood(0.30)
    eased = flood(number=1, state=watch.state)
    loud = flood(0.20, number=2, state=eased.state)
    three = flood(number=3, state=loud.state)
    four = flood(number=4, state=three.state)
    levels = [eased.level, loud.level, three.level, four.level]
    assert levels == [Level.WATCH, Level.WATCH, Level.WATCH, Level.NONE]


def test_emergency_lowers_to_the_level_that_still_holds() -> None:
    first = flood(stage_m=12.5)
    near = flood(0.9, 0.3, 0.1, number=1, state=first.state, stage_m=12.31)
    assert near.level is Level.EMERGENCY
    eased = flood(0.9, 0.3, 0.1, number=2, state=near.state, stage_m=12.3)
    second = flood(0.9, 0.3, 0.1, number=3, state=eased.state, stage_m=12.2)
    assert (eased.level, second.level) == (Level.EMERGENCY, Level.WARNING)


def test_emergency_drops_to_none_if_all_was_quiet() -> None:
    first = flood(0.7, 0.7, 0.7)
    eased = flood(number=1, state=first.state)
    second = flood(number=2, state=eased.state)
    assert (first.level, eased.level, second.level) == (
        Level.EMERGENCY,
        Level.EMERGENCY,
        Level.NONE,
    )


def test_after_an_outage_nothing_confirms_so_the_threshold_raises() -> None:
    calm = flood(number=0).state
    assert flood(0.26, number=2, state=calm).level is Level.NONE  # 48 h: one night lost
    assert flood(0.26, number=3, state=calm).level is Level.WATCH
    watch = flood(0.30)
    eased = flood(number=1, state=watch.state)
    assert flood(number=4, state=eased.state).level is Level.WATCH


def test_a_level_decided_before_a_long_outage_holds_nothing() -> None:
    emergency = flood(0.9, 0.9, 0.9)
    assert flood(number=7, state=emergency.state).level is Level.EMERGENCY
    after = flood(number=8, state=emergency.state)
    assert (after.level, after.in_force) == (Level.NONE, Level.NONE)
    blind = flood(number=8, state=emergency.state, stage_m=math.nan)
    assert (blind.level, blind.in_force) == (Level.UNKNOWN, Level.UNKNOWN)


def test_state_of_the_same_or_a_later_run_is_refused() -> None:
    later = flood(number=1).state
    with pytest.raises(ValueError, match="memory of a run before"):
        flood(number=1, state=later)


def test_partial_evidence_never_lowers() -> None:
    warning = flood(0.6, 0.6)
    lost = flood(number=1, state=warning.state, age_h=60.0)
    again = flood(number=2, state=lost.state, age_h=84.0)
    assert (lost.level, lost.in_force) == (Level.UNKNOWN, Level.WARNING)
    assert (again.level, again.in_force) == (Level.UNKNOWN, Level.WARNING)
    assert (lost.urgency, lost.severity, lost.certainty) == ("Expected", "Severe", "Possible")
    lower = flood(0.9, number=1, state=warning.state, age_h=60.0)  # speaks for a Watch only
    assert (lower.level, lower.in_force) == (Level.UNKNOWN, Level.WARNING)
    back = flood(number=3, state=again.state)
    assert back.level is Level.WARNING
    assert flood(number=4, state=back.state).level is Level.NONE


unit = st.floats(0.0, 1.0)
stages = st.one_of(st.just(NAN), st.floats(8.0, 14.0))


@given(
    before=st.lists(st.tuples(unit, unit, unit, stages), max_size=3),
    low=st.tuples(unit, unit, unit),
    more=st.tuples(unit, unit, unit),
    stage_m=stages,
)
def test_a_higher_probability_never_lowers_the_level(
    before: list[tuple[float, float, float, float]],
    low: tuple[float, float, float],
    more: tuple[float, float, float],
    stage_m: float,
) -> None:
    state = None
    for number, (a, b, c, stage) in enumerate(before):
        p2, p5, p7 = sorted((a, b, c))
        state = flood(p7, p5, p2, number=number, state=state, stage_m=stage).state
    p2, p5, p7 = sorted(low)
    q2, q5, q7 = sorted(max(a, b) for a, b in zip(sorted(low), sorted(more), strict=True))
    less = flood(p7, p5, p2, number=9, state=state, stage_m=stage_m)
    raised = flood(q7, q5, q2, number=9, state=state, stage_m=stage_m)
    order = (Level.UNKNOWN, *ORDER)
    if Level.UNKNOWN not in (less.level, raised.level):
        assert order.index(raised.level) >= order.index(less.level)
    assert order.index(raised.in_force) >= order.index(less.in_force)


@given(steps=st.lists(st.tuples(unit, stages, st.booleans()), min_size=1, max_size=6))
def test_none_is_only_said_on_sufficient_evidence(
    steps: list[tuple[float, float, bool]],
) -> None:
    state = None
    for number, (p, stage_m, stale) in enumerate(steps):
        age_h = 60.0 if stale else 0.5
        decision = flood(p, number=number, state=state, stage_m=stage_m, age_h=age_h)
        if decision.level is Level.NONE:
            assert stage_m < 11.5
            assert not stale
        state = AlertState.from_dict(json.loads(json.dumps(decision.state.to_dict())))
        assert state == decision.state


def test_a_criterion_that_is_reached_holds_where_a_higher_level_is_not_known_any_more() -> None:
    state = flood(stage_m=12.6).state
    for number in range(1, 9):
        decision = flood(number=number, state=state, stage_m=12.35, tier="climatology")
        state = decision.state
        expected = Level.EMERGENCY if number < 7 else Level.WATCH
        assert decision.in_force is expected, f"night {number}, 0.85 m above alarm stage"
        assert (decision.level is Level.WATCH) is (number >= 7)


def test_a_run_of_before_the_watch_lowers_nothing_that_it_raised() -> None:
    raised = replace(flood(stage_m=12.6).state, raised_at=night(1) + timedelta(minutes=15))
    far_below = flood(number=1, state=raised, stage_m=9.0)
    assert far_below.level is Level.EMERGENCY
    assert far_below.state.raised_at == raised.raised_at
    next_night = flood(number=2, state=far_below.state, stage_m=9.0)
    assert next_night.level is Level.NONE, "two quiet runs, far below, by the rules"
    assert next_night.state.raised_at is None
    late = replace(raised, raised_at=night(1) - timedelta(hours=2))
    assert flood(number=1, state=late, stage_m=9.0).level is Level.WATCH, "stepped down"


def test_a_watch_keeps_a_level_that_no_night_has_decided_for_a_week() -> None:
    state = flood(stage_m=12.6).state
    assert flood(number=8, state=state, age_h=60.0).in_force is Level.UNKNOWN
    watched = replace(state, raised_at=night(8) - timedelta(hours=3), assessed=night(8))
    assert flood(number=8, state=watched, age_h=60.0).in_force is Level.EMERGENCY

from __future__ import annotations

import json
from dataclasses import replace
from datetime import timedelta

from pipeline.alerts.alert_state import AlertState, SentMessage, restore_state
from pipeline.alerts.levels import Level
from tests.alerts.alert_cases import T0, drought, dry_spell, flood, night
from tests.alerts.cap_cases import sent


def test_restored_state_takes_levels_from_before_and_messages_from_the_last_revision() -> None:
    before = flood(0.3).state
    revision = flood(number=1, state=before).state
    assert restore_state(None) is None
    assert restore_state(before.to_dict()) == before
    both = restore_state(before.to_dict(), revisions=[revision.to_dict()])
    assert both is not None
    assert (both.issue_time, both.level) == (night(0), Level.WATCH)
    first = restore_state(None, revisions=[before.to_dict()])
    assert first is not None
    assert (first.issue_time, first.level, first.sent) == (None, Level.UNKNOWN, before.sent)
    assert flood(0.26, number=0, state=first).level is Level.WATCH


def test_state_survives_the_table() -> None:
    _, state = sent(flood(0.6, 0.6))
    assert AlertState.from_dict(state.to_dict()) == state
    message = state.sent[0]
    assert isinstance(message, SentMessage)
    assert message.expires == T0 + timedelta(hours=54)
    lost = flood(number=1, state=state, age_h=60.0).state
    assert (lost.assessed, lost.told) == (night(0), state.told)
    assert AlertState.from_dict(json.loads(json.dumps(lost.to_dict()))) == lost
    _, dry = sent(drought(dry_spell(0.9, now=2)))
    assert dry.told is not None
    assert (dry.told.drought_class, dry.told.phase) == (2, "onset")
    assert AlertState.from_dict(json.loads(json.dumps(dry.to_dict()))) == dry


def test_a_state_of_an_earlier_version_goes_on() -> None:
    row = flood(0.6, 0.6).state.to_dict()
    for name in ("on_river", "assessed", "observed_since", "incident", "told"):
        del row[name]
    state = AlertState.from_dict(row)
    assert (state.assessed, state.on_river, state.told) == (night(0), True, None)
    assert flood(number=1, state=state).level is Level.WARNING


def test_a_message_of_an_earlier_version_was_sent_at_its_issue_time() -> None:
    _, state = sent(flood(0.6, 0.6), hours=5.0)
    row = state.sent[0].to_dict()
    assert SentMessage.from_dict(row).issue_time == T0
    del row["issue_time"]
    assert SentMessage.from_dict(row).issue_time == T0 + timedelta(hours=5)


def test_a_level_that_the_watch_raised_is_laid_over_the_state_of_the_night() -> None:
    before = flood(0.3).state
    watched = replace(
        flood(stage_m=12.6, state=replace(before, issue_time=night(-1))).state,
        issue_time=before.issue_time, raised_at=T0 + timedelta(hours=6),
    )  # fmt: skip
    assert AlertState.from_dict(json.loads(json.dumps(watched.to_dict()))) == watched
    both = restore_state(before.to_dict(), revisions=[watched.to_dict()])
    assert both is not None
    assert (both.level, both.raised_at) == (Level.EMERGENCY, T0 + timedelta(hours=6))
    assert (both.issue_time, both.runs_up, both.runs_down) == (night(0), before.runs_up, {})
    assert both.observed_since.keys() == {"emergency"}
    lower = replace(watched, level=Level.NONE)
    kept = restore_state(before.to_dict(), revisions=[lower.to_dict()])
    assert kept is not None
    assert kept.level is Level.WATCH


def test_a_withdrawn_message_takes_the_level_of_the_watch_with_it() -> None:
    _, state = sent(flood(0.6, 0.6))
    watched = replace(state, raised_at=T0 + timedelta(hours=6))
    left = restore_state(
        state.to_dict(), revisions=[watched.to_dict()], cancelled=[state.sent[0].identifier]
    )
    assert left is not None
    assert (left.level, left.raised_at, left.sent) == (Level.UNKNOWN, None, ())

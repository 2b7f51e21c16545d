from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

from lxml import etree

from pipeline.alerts.alert_state import restore_state
from pipeline.alerts.evidence import Rain
from tests.alerts.alert_cases import NAN, T0, drought, flood, pluvial
from tests.alerts.cap_cases import send, sent, value


def test_a_chain_from_alert_to_all_clear() -> None:
    _, state = sent(flood(0.6, 0.6))
    lost, state = sent(flood(number=1, state=state, age_h=60.0))
    assert value(lost, "msgType") == "Update"
    assert value(lost, "references") == (
        "mekong@example.org,mekong-20260820T0030Z-vientiane-flood-r0,2026-08-20T00:30:00-00:00"
    )
    assert "cannot be assessed" in (value(lost, "info/headline") or "")
    assert value(lost, "info/event") == "Flood Warning"
    assert value(lost, "info/severity") == "Severe"
    assert value(lost, "info/certainty") == "Unknown"
    held, state = sent(flood(number=2, state=state))
    assert value(held, "info/event") == "Flood Warning"
    assert "not clearly or long enough" in (value(held, "info/description") or "")
    # the first message expired in the meantime
    assert value(held, "references") == (
        "mekong@example.org,mekong-20260821T0030Z-vientiane-flood-r0,2026-08-21T00:30:00-00:00"
    )
    over, state = sent(flood(number=3, state=state))
    assert value(over, "msgType") == "Update"
    assert value(over, "info/responseType") == "AllClear"
    assert value(over, "info/urgency") == "Past"
    assert value(over, "info/onset") is None
    assert value(over, "info/headline") == "EXERCISE. Flood Warning for Vientiane has ended"
    nothing, state = send(flood(number=4, state=state))
    assert (nothing, state.sent) == (None, ())
    new, _ = sent(flood(stage_m=12.6, number=5, state=state))
    assert value(new, "msgType") == "Alert"


def test_an_event_whose_messages_expired_starts_anew() -> None:
    _, state = sent(flood(0.6, 0.6))
    new, _ = sent(flood(0.6, 0.6, number=3, state=state))
    assert value(new, "msgType") == "Alert"
    assert send(flood(number=3, state=state, age_h=60.0))[0] is not None  # still in force


def test_none_and_unknown_without_an_event_send_nothing() -> None:
    assert send(flood())[0] is None
    assert send(flood(age_h=60.0))[0] is None
    assert send(drought(None))[0] is None


def test_unchanged_content_is_sent_again_only_before_it_expires() -> None:
    first = pluvial(6.0)
    _, state = sent(first)
    later = replace(pluvial(6.0, number=1, state=state), issue_time=T0 + timedelta(hours=6))
    later = replace(later, onset=first.onset)
    message, kept = send(later, hours=6.0)
    assert (message, kept.sent) == (None, state.sent)
    due, _ = sent(later, hours=28.5)
    assert value(due, "msgType") == "Update"
    changed = replace(later, rain=Rain(return_period_years=9.0, pluvial_index=NAN))
    assert send(changed, hours=6.0)[0] is not None


def test_a_revision_goes_on_from_the_revision_before() -> None:
    _, before = sent(flood(0.6, 0.6))
    first, state = sent(flood(0.6, 0.6, number=1, state=before))
    again, _ = sent(flood(0.6, 0.6, number=1, state=before))
    assert etree.tostring(first) == etree.tostring(again)
    known = restore_state(before.to_dict(), revisions=[state.to_dict()])
    revised, state = sent(flood(0.9, 0.9, 0.9, number=1, state=known), revision=1)
    assert value(revised, "identifier") == "mekong-20260821T0030Z-vientiane-flood-r1"
    assert (value(revised, "references") or "").split() == [
        f"mekong@example.org,mekong-{when}Z-vientiane-flood-r0,{sent_at}:30:00-00:00"
        for when, sent_at in (
            ("20260820T0030", "2026-08-20T00"),
            ("20260821T0030", "2026-08-21T00"),
        )
    ]


def test_a_revision_that_finds_nothing_ends_the_event() -> None:
    _, state = sent(flood(0.6, 0.6))
    over, closed = sent(flood(state=restore_state(None, revisions=[state.to_dict()])), revision=1)
    assert value(over, "info/event") == "Flood Warning"
    assert value(over, "info/responseType") == "AllClear"
    again, _ = sent(flood(state=restore_state(None, revisions=[closed.to_dict()])), revision=2)
    assert len((value(again, "references") or "").split()) == 2
    unknown, _ = sent(
        flood(age_h=60.0, state=restore_state(None, revisions=[state.to_dict()])), revision=1
    )
    assert value(unknown, "info/event") == "Flood Warning"
    assert value(unknown, "info/certainty") == "Unknown"


def test_same_arguments_give_the_same_bytes() -> None:
    first, second = (send(flood(0.6, 0.6))[0] for _ in range(2))
    assert first == second

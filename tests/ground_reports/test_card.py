from __future__ import annotations

import re
import unicodedata
from datetime import UTC, datetime
from urllib.parse import parse_qs, urlsplit

import pytest

from pipeline.alerts.message_chain import OWN_LANGUAGE
from pipeline.alerts.templates import read_templates
from pipeline.geography.names import city_name
from pipeline.geography.places import City, cities
from pipeline.ground_reports.card import WIDTH, sms_link, write_card
from pipeline.ground_reports.city_codes import cities_by_number
from pipeline.ground_reports.coded_text import parse_text


def columns(line: str) -> int:
    """Columns that a line takes: marks above and below take none, Chinese signs two."""
    wide = sum(unicodedata.east_asian_width(sign) in "WF" for sign in line)
    return sum(unicodedata.category(sign) not in {"Mn", "Me", "Cf"} for sign in line) + wide


def card(city: City) -> str:
    language = OWN_LANGUAGE.get(city.country, "en")
    flood = str(read_templates(language)["hazard"]["flood"])
    return write_card(
        city, number="+85512345678", local_name=city_name(city, language), flood=flood
    )


@pytest.mark.parametrize("city", cities("asean").values(), ids=lambda city: city.id)
def test_a_card_has_40_columns_and_examples_that_are_read(city: City) -> None:
    text = card(city)
    assert max(map(columns, text.splitlines())) <= WIDTH
    assert city.name in " ".join(text.split())
    examples = re.findall(r"(?:FL|DR) \d\d[A-Z](?: \d+)+", " ".join(text.split()))
    assert len(examples) == 4
    received = datetime(2026, 8, 20, 14, 10, tzinfo=UTC)
    for example in examples:
        report = parse_text(example, received_at=received, cities=cities_by_number("asean"))
        assert report.city.id == city.id
    assert {report[:2] for report in examples} == {"FL", "DR"}


def test_words_of_the_country_stand_where_they_are_on_record() -> None:
    assert "បាត់ដំបង (Battambang)" in card(cities()["battambang"])
    assert "Flooded (ទឹកជំនន់), 30 cm, at 14:05:" in card(cities()["battambang"])
    english = write_card(cities()["pakse"], number=None)
    assert "\nPakse\nYour code: 26V\n" in english
    assert english.isascii()
    assert f"Send a text to: {'_' * 20}" in english


def test_the_link_opens_a_text_with_the_code() -> None:
    parts = urlsplit(sms_link("+85512345678", "FL 26V "))
    assert (parts.scheme, parts.path) == ("sms", "+85512345678")
    assert parse_qs(parts.query) == {"body": ["FL 26V "]}
    assert "+" not in parts.query, "a phone shows it as it stands"

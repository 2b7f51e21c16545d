"""What stands under water at which stage, from an agency's own file."""

from __future__ import annotations

from lxml import html

from pipeline.pages.city import write_city_page
from pipeline.pages.edition import Edition
from pipeline.pages.impacts import Impact, list_impacts
from pipeline.pages.river import River
from pipeline.pages.words import read_words
from tests.conftest import LayOver
from tests.pages.page_cases import BOTH, FLOOD, SETTINGS, UNKNOWN, change_city

OWN = (
    "city,kind,stage_m,language,text,depth,year,source,verified",
    "vientiane,impact,12.0,en,The lower market floods,knee,,the city,V",
    "vientiane,impact,12,lo,ຕະຫຼາດ,knee,,the city,V",
    "vientiane,impact,13.5,en,The road to the bridge floods,,,the city,V",
    "vientiane,crest,12.38,en,,,2008,MRC,V",
    "pakse,crest,13.7,en,,,1978,MRC,V",
)
"""File of an agency: two stages, one of them in Lao too, and the crests of two cities."""


def read(edition: Edition, city: str, language: str) -> list[Impact]:
    facts = edition.cities[city]
    peak_m = River(facts, edition, language).peak_m if facts["gauge"] else None
    return list_impacts(edition, facts, language, peak_m=peak_m)


def test_the_highest_comes_first_with_todays_and_the_expected_stage_between(
    edition: Edition, lay_over: LayOver
) -> None:
    lay_over("impacts.csv", *OWN)
    lines = read(edition, FLOOD, "en")
    assert [(line.stage, line.kind, line.text) for line in lines] == [
        ("14.30", "expected", "expected 14.30 m"),
        ("13.50", "impact", "The road to the bridge floods"),
        ("12.38", "crest", "highest of 2008"),
        ("12.20", "today", "today 12.20 m"),
        ("12.00", "impact", "The lower market floods (to the knee)"),
    ]


def test_an_older_reading_is_not_that_of_today(edition: Edition, lay_over: LayOver) -> None:
    lay_over("impacts.csv", *OWN)
    evening = change_city(edition, FLOOD, stage={"time": "2026-08-19T12:00:00Z"})
    (line,) = [line for line in read(evening, FLOOD, "en") if line.kind == "today"]
    assert (line.stage, line.text) == ("12.20", "River read on 19 August at 19:00.")


def test_english_stands_where_the_language_lacks_a_text(
    edition: Edition, lay_over: LayOver
) -> None:
    lay_over("impacts.csv", *OWN)
    words = read_words("lo")
    lines = {line.stage: line for line in read(edition, FLOOD, "lo")}
    assert (lines["13.50"].language, lines["13.50"].text) == ("en", "The road to the bridge floods")
    assert lines["12.00"].language == "lo"
    assert lines["12.00"].text == f"ຕະຫຼາດ ({words['knee']})"
    assert lines["12.38"].text == words["crest"].format(year=2008)
    assert lines["12.38"].language == "lo"
    page = html.fromstring(write_city_page(edition, FLOOD, "lo", settings=SETTINGS))
    told = page.xpath("//ol[@class='impacts']/li/span[2]")
    assert [(span.text, span.get("lang")) for span in told] == [
        (line.text, line.language) for line in lines.values()
    ]


def test_without_a_stage_only_what_is_on_record_is_told(
    edition: Edition, lay_over: LayOver
) -> None:
    lay_over("impacts.csv", *OWN)
    assert [line.text for line in read(edition, UNKNOWN, "en")] == ["highest of 1978"]


def test_a_river_that_is_not_assessed_is_expected_nowhere(
    edition: Edition, lay_over: LayOver
) -> None:
    lay_over("impacts.csv", *OWN)
    held = change_city(edition, FLOOD, flood={"level": "unknown"})
    assert "expected" not in [line.kind for line in read(held, FLOOD, "en")]


def test_a_river_that_stands_as_high_has_no_lower_stage_to_come(
    edition: Edition, lay_over: LayOver
) -> None:
    lay_over("impacts.csv", *OWN)
    higher = change_city(edition, FLOOD, stage={"m": 14.5})
    assert next(line.kind for line in read(higher, FLOOD, "en")) == "today"
    assert "expected" not in [line.kind for line in read(higher, FLOOD, "en")]


def test_nothing_on_record_is_said(edition: Edition, lay_over: LayOver) -> None:
    lay_over("impacts.csv", *OWN)
    assert read(edition, BOTH, "en") == []
    page = write_city_page(edition, BOTH, "en", settings=SETTINGS).decode()
    assert read_words("en")["impacts_none"] in page
    assert '<ol class="impacts">' not in page
    assert read_words("en")["impacts_none"] not in write_city_page(
        edition, FLOOD, "en", settings=SETTINGS
    ).decode("utf-8")


def test_the_project_has_none_on_record(edition: Edition) -> None:
    assert [line for city in edition.cities for line in read(edition, city, "en")] == []

from __future__ import annotations

import re
from pathlib import Path

import pytest
from lxml import html

from pipeline.alerts.cap import message_path
from pipeline.alerts.templates import LANGUAGES
from pipeline.geography import places
from pipeline.pages.city import describe_city, frame, write_city_page
from pipeline.pages.edition import Edition, read_edition
from pipeline.settings import Settings
from tests.pages.page_cases import (
    BOTH,
    CITIES,
    DROUGHT,
    FLOOD,
    NO_GAUGE,
    SETTINGS,
    UNKNOWN,
    change_city,
    change_tree,
    publish_pages_tree,
    read_text,
)


@pytest.fixture(scope="module")
def edition(tmp_path_factory: pytest.TempPathFactory) -> Edition:
    return read_edition(publish_pages_tree(tmp_path_factory.mktemp("tree")))


def read(edition: Edition, city: str, language: str = "en", settings: Settings = SETTINGS) -> str:
    return read_text(html.fromstring(write_city_page(edition, city, language, settings=settings)))


def test_the_graver_hazard_comes_first(edition: Edition) -> None:
    def levels(city: str) -> list[tuple[str, str]]:
        facts = describe_city(edition, city, "en", settings=SETTINGS)
        return [(hazard["hazard"], hazard["level"]) for hazard in facts["hazards"]]

    assert levels(FLOOD) == [("flood", "emergency"), ("drought", "none")]
    assert levels(DROUGHT)[0][0] == "drought"
    assert levels(UNKNOWN) == [("flood", "unknown"), ("drought", "unknown")]
    assert {name for name, level in levels(BOTH) if level != "none"} == {"flood", "drought"}


def test_a_place_without_a_gauge_says_so(edition: Edition) -> None:
    text = read(edition, NO_GAUGE)
    assert "This place has no gauge with an alarm stage." in text
    assert "My mark" not in text


def test_what_is_not_known_is_not_safe(edition: Edition) -> None:
    text = read(edition, UNKNOWN)
    assert "Flood: Not assessed" in text
    assert "Not assessed does not mean safe." in text
    assert "No warning" not in text
    assert "Without a forecast of the river nothing can be said about a mark." in text


def test_a_level_without_its_message_is_not_played_down(edition: Edition) -> None:
    lost = change_city(edition, FLOOD, flood={"identifier": None})
    text = read(lost, FLOOD)
    assert "Flood: Emergency" in text
    assert "Nothing special" not in text
    assert "no warning" not in text.lower().replace("this page", "")
    assert "Watch the water yourself" in text
    rain = change_city(edition, NO_GAUGE, flood={"identifier": None})
    assert "Flood: Watch." in read(rain, NO_GAUGE)
    assert "not assessed for" not in read(rain, NO_GAUGE)


def test_a_place_names_the_other_bank_reports_and_whom_to_ask(edition: Edition) -> None:
    settings = SETTINGS.model_copy(
        update={"alert_contact": "+856 21 000", "report_number": "+85620123456"}
    )
    text = read(edition, FLOOD, settings=settings)
    assert re.search(r"Nong Khai: (Warning|Watch|Emergency), level [123] of 3", text)
    assert "Flooded: 3. Dry: 1. Not checked." in text
    assert "+856 21 000" in text
    page = write_city_page(edition, FLOOD, "en", settings=settings).decode()
    assert 'href="sms:+85620123456?body=FL%20' in page
    assert "sms:" not in write_city_page(edition, FLOOD, "en", settings=SETTINGS).decode()


@pytest.mark.parametrize("language", LANGUAGES)
def test_every_page_is_marked_as_an_exercise_and_not_indexed(
    edition: Edition, language: str
) -> None:
    for city in CITIES:
        page = html.fromstring(write_city_page(edition, city, language, settings=SETTINGS))
        assert page.xpath("//meta[@name='robots']/@content") == ["noindex"]
        assert page.xpath("//p[@class='banner']/text()")[0]
        assert len(page.xpath("//div[@class='across']")) == 1
        assert page.xpath("/html/@lang")[0].startswith(language)


def test_names_of_tables_are_escaped(edition: Edition) -> None:
    city = edition.cities[NO_GAUGE]
    kept, city["flood"]["missing"] = city["flood"]["missing"], []
    settings = SETTINGS.model_copy(update={"alert_contact": "<script>x</script>"})
    assert b"<script>x" not in write_city_page(edition, NO_GAUGE, "en", settings=settings)
    city["flood"]["missing"] = kept


def test_a_level_unlike_its_tree_has_its_own_mark(edition: Edition) -> None:
    """A gauge whose stages are not verified sends tests, whatever the others send."""
    test = change_city(edition, FLOOD, flood={"status": "Test"})
    assert "Flood: TEST Emergency" in read(test, FLOOD)
    assert "Flood: Emergency" in read(edition, FLOOD)


def test_times_are_on_the_clock_of_the_place(edition: Edition) -> None:
    assert "Made on 20 August at 07:30" in read(edition, FLOOD)
    assert "Holds until 22 August, 13:30" in read(edition, FLOOD)
    words = frame(edition, "en", places.city("jinghong", asof=edition.issue_time))
    assert words["made"] == "Made on 20 August at 08:30."


def test_reports_of_another_day_or_of_none_that_count_are_not_told(edition: Edition) -> None:
    row = edition.reports[FLOOD]
    for change, told in (
        ({}, "Flooded: 3. Dry: 1."),
        ({"since": "2026-08-18T17:00:00Z"}, "No reports."),
        ({"flooded": 0, "dry": 0}, "No reports."),
    ):
        changed = Edition(edition.folder, edition.version, {FLOOD: row | change})
        assert told in read(changed, FLOOD)


def test_a_place_without_a_gauge_may_face_one_that_has_it(edition: Edition) -> None:
    facing = change_city(edition, NO_GAUGE, facing={"id": FLOOD})
    assert "Vientiane: Emergency, level 3 of 3" in read(facing, NO_GAUGE)


def test_a_hazard_that_is_not_assessed_is_told_below_the_other(edition: Edition) -> None:
    page = change_city(edition, DROUGHT, flood={"level": "unknown", "level_in_force": "unknown"})
    text = read(page, DROUGHT)
    assert "EXERCISE Khon Kaen All places Drought: Warning" in text
    assert "Flood: Not assessed" in text
    assert "Not assessed does not mean safe." in text


def test_english_that_stands_in_has_its_language(edition: Edition, tmp_path: Path) -> None:
    identifier = edition.cities[NO_GAUGE]["flood"]["identifier"]
    path = message_path(identifier, "km")
    changed = change_tree(
        edition, tmp_path, **{re.sub(r"\.(?=\w+$)", "_", path).replace("/", "__"): None}
    )
    page = html.fromstring(write_city_page(changed, NO_GAUGE, "km", settings=SETTINGS))
    (headline,) = page.xpath("//p[@class='sentence']/span[@lang='en']")
    assert headline.text.startswith("Flood, level 1 of 3: Siem Reap")
    assert {each.get("lang") for each in page.xpath("//ul[@class='do']")} == {"en"}


def test_a_place_of_which_only_drought_is_assessed_has_its_page(edition: Edition) -> None:
    text = read(change_city(edition, DROUGHT, flood=None), DROUGHT)
    assert "Drought: Warning" in text
    assert "Flood:" not in text


def test_missing_evidence_in_other_words_than_the_texts_is_told_as_it_is(edition: Edition) -> None:
    changed = change_city(edition, FLOOD, flood={"missing": ["<b>the radar"]})
    assert "<b>the radar" in read(changed, FLOOD, "vi")

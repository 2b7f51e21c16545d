from __future__ import annotations

import re
from pathlib import Path

import pytest
from lxml import html

from pipeline.alerts.cap import message_path
from pipeline.alerts.templates import LANGUAGES, read_templates
from pipeline.pages.basin import write_basin_page
from pipeline.pages.city import describe_city, write_city_page
from pipeline.pages.edition import Edition
from pipeline.pages.sheet import write_sheet
from pipeline.pages.words import read_words
from pipeline.settings import Settings
from tests.pages.page_cases import (
    BANK,
    BOTH,
    CITIES,
    DROUGHT,
    FLOOD,
    NO_GAUGE,
    SETTINGS,
    UNKNOWN,
    change_city,
    change_tree,
    read_text,
)


def read(edition: Edition, city: str, language: str = "en", settings: Settings = SETTINGS) -> str:
    return read_text(html.fromstring(write_city_page(edition, city, language, settings=settings)))


def test_a_place_without_a_gauge_says_so(edition: Edition) -> None:
    text = read(edition, NO_GAUGE)
    assert "This place has no gauge with an alarm stage." in text
    assert "My mark" not in text
    assert "Flood: Watch level 1 of 3" in text


@pytest.mark.parametrize("language", LANGUAGES)
def test_no_rain_warning_without_a_gauge_is_not_calm(edition: Edition, language: str) -> None:
    """Heavy rain is not warned of; of the river nothing is known, and it does not look calm."""
    words, templates = read_words(language), read_templates(language)
    calm = {"level": "none", "level_in_force": "none", "identifier": None}
    place = change_city(edition, NO_GAUGE, flood=calm, facing={"id": NO_GAUGE})
    page = html.fromstring(write_city_page(place, NO_GAUGE, language, settings=SETTINGS))
    level, *_ = page.xpath("//p[starts-with(@class, 'level ')]")
    assert level.get("class") == "level none partly"
    assert read_text(level) == " ".join(
        f"{templates['short']['rain']}{templates['colon']}{words['level_none']} "
        f"{words['rain_only']}".split()
    )
    text = read_text(page)
    assert words["do_unknown"] in text
    assert words["do_none"] not in text
    (facing,) = page.xpath("//ul[@class='others']/li")
    assert templates["short"]["rain"] in read_text(facing)
    sheet = html.fromstring(write_sheet(place, NO_GAUGE, language, settings=SETTINGS))
    assert sheet.xpath("//p[@class='level none partly']")
    assert words["rain_only"] in [each.text for each in sheet.xpath("//section[@class='read']/p")]
    basin = html.fromstring(write_basin_page(place, language))
    assert basin.xpath(f"//a[@href='{NO_GAUGE}.html'][@class='spot none partly']")
    (chip,) = basin.xpath(f"//tr[.//a[@href='{NO_GAUGE}.html']]//span[@class='chip none partly']")
    assert templates["short"]["rain"] in read_text(chip)


def test_times_are_on_the_citys_own_clock_which_is_named_once(edition: Edition) -> None:
    text = read(edition, FLOOD)
    assert "Holds until 22 August, 13:30. (UTC+7)" in text
    assert text.count("UTC+") == 1


def test_on_a_page_of_drought_what_is_not_assessed_is_told_of_the_flood(edition: Edition) -> None:
    assert "Flood: Only rain is assessed, not the river." in read(edition, DROUGHT)


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


def test_a_level_unlike_its_tree_has_its_own_mark(edition: Edition) -> None:
    """A gauge whose stages are not verified sends tests, whatever the others send."""
    test = change_city(edition, FLOOD, flood={"status": "Test"})
    assert "Flood: TEST Emergency" in read(test, FLOOD)
    assert "Flood: Emergency" in read(edition, FLOOD)


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
    assert "Flood: Not assessed." in text
    assert "Only rain is assessed" not in text


def test_missing_evidence_in_other_words_than_the_texts_is_told_as_it_is(edition: Edition) -> None:
    changed = change_city(edition, FLOOD, flood={"missing": ["<b>the radar"]})
    assert "<b>the radar" in read(changed, FLOOD, "vi")


def test_what_a_setting_or_a_tree_names_is_escaped(edition: Edition) -> None:
    settings = SETTINGS.model_copy(update={"alert_contact": "<script>x</script>"})
    changed = change_city(edition, NO_GAUGE, flood={"missing": ["<script>y</script>"]})
    page = write_city_page(changed, NO_GAUGE, "en", settings=settings)
    assert b"<script>x" not in page
    assert b"<script>y" not in page
    assert b"&lt;script&gt;x" in page


def test_the_files_of_two_messages_are_told_apart(edition: Edition) -> None:
    text = read(edition, BOTH)
    assert "CAP (Flood) CAP (Drought) JSON" in text
    assert "Proof of this message (Flood) Proof of this message (Drought)" in text
    assert "CAP JSON" in read(edition, FLOOD)


def test_a_drought_that_is_not_known_names_its_place(edition: Edition) -> None:
    assert "Drought: not assessed for Pakse. Reports from people" in read(edition, UNKNOWN)


def test_chances_that_are_not_known_are_no_dashes(edition: Edition) -> None:
    gone = dict.fromkeys(("1w", "4w", "12w"))
    text = read(change_city(edition, DROUGHT, drought={"p_d3": gone}), DROUGHT)
    assert "severe drought (D2)80 %" in text
    assert "extreme drought" not in text.partition("week 12")[2].partition("Reports")[0]
    unknown = {"level": "unknown", "level_in_force": "unknown", "drought_class": None}
    text = read(change_city(edition, DROUGHT, drought=unknown), DROUGHT)
    assert "in week 12" not in text


def test_the_record_names_the_mark_as_the_country_does(edition: Edition) -> None:
    """At a Thai gauge the mark is the bank; the words are those of its message."""
    record = {
        "track_issued": 12, "track_came_true": 9, "track_of_city": True,
        "track_since": "2020-01-01T00:00:00Z", "level_in_force": "emergency",
    }  # fmt: skip
    told = describe_city(change_city(edition, BANK, flood=record), BANK, "th", settings=SETTINGS)
    bank = read_templates("th")["mark"]["flood_th"]
    assert bank != read_templates("th")["mark"]["flood"]
    assert bank in told["record"]

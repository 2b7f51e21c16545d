from __future__ import annotations

from lxml import html

from pipeline.pages.basin import write_basin_page
from pipeline.pages.edition import Edition
from tests.pages.page_cases import (
    CITIES,
    FLOOD,
    MISSING,
    UNKNOWN,
    change_city,
    read_text,
)


def test_map_and_table_have_every_city_the_gravest_first(edition: Edition) -> None:
    page = html.fromstring(write_basin_page(edition, "en"))
    rows = [link.get("href") for link in page.xpath("//tbody//th/a")]
    assert set(rows) == {f"{city}.html" for city in CITIES}
    assert rows[0] == f"{FLOOD}.html"
    assert {link.get("href") for link in page.xpath("//*[local-name()='svg']//a")} == set(rows)


def test_what_is_unknown_stands_before_what_has_no_warning(edition: Edition) -> None:
    page = html.fromstring(write_basin_page(edition, "en"))
    words = [read_text(row) for row in page.xpath("//tbody/tr")]
    (unknown,) = [row for row in words if row.startswith("Pakse")]
    assert "Not assessed" in unknown
    assert f"{UNKNOWN}.html" in [link.get("href") for link in page.xpath("//tbody//th/a")]


def test_counts_and_what_is_missing_are_told(edition: Edition) -> None:
    text = read_text(html.fromstring(write_basin_page(edition, "en")))
    assert MISSING in text
    assert "Lao PDR: 1 Emergency" in text


def test_its_times_name_their_clock(edition: Edition) -> None:
    assert "(UTC+7)" in read_text(html.fromstring(write_basin_page(edition, "my")))


def test_a_night_of_which_nothing_is_known_has_no_calm_word(edition: Edition) -> None:
    night = edition
    for city in CITIES:
        unknown = {"level": "unknown", "level_in_force": "unknown", "identifier": None}
        night = change_city(night, city, flood=unknown, drought=unknown)
    page = html.fromstring(write_basin_page(night, "en"))
    (counts,) = page.xpath("//p[@class='counts']")
    assert read_text(counts) == (
        "Cambodia: 2 Not assessed Lao PDR: 2 Not assessed Thailand: 2 Not assessed"
    )


def test_only_a_night_without_any_other_level_is_calm(edition: Edition) -> None:
    night = edition
    for city in CITIES:
        calm = {"level": "none", "level_in_force": "none", "identifier": None}
        night = change_city(night, city, flood=calm, drought=calm)
    page = html.fromstring(write_basin_page(night, "en"))
    (counts,) = page.xpath("//p[@class='counts']")
    assert read_text(counts) == "No warning"

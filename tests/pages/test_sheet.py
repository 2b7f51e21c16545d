"""The sheet of a commune: what is read aloud, who goes first, and one page of paper."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from lxml import html

from pipeline.alerts.templates import LANGUAGES, read_templates
from pipeline.pages.edition import Edition
from pipeline.pages.river import River
from pipeline.pages.sheet import fit_size, read_aloud, write_sheet
from pipeline.pages.words import read_words
from tests.pages.page_cases import (
    BOTH,
    CITIES,
    DROUGHT,
    FLOOD,
    SETTINGS,
    UNKNOWN,
    change_city,
    change_tree,
    count_pages,
    needs_browser,
    read_text,
)


def sheet(edition: Edition, city: str, language: str = "en") -> html.HtmlElement:
    return html.fromstring(write_sheet(edition, city, language, settings=SETTINGS))


def texts(page: html.HtmlElement, path: str) -> list[str]:
    return [read_text(node) for node in page.xpath(path)]


READ = "//section[@class='read']/p"
FIRST = "//section[@class='first']"
LEVEL = "//p[starts-with(@class, 'level ')]"


@pytest.mark.parametrize("language", LANGUAGES)
def test_what_is_read_aloud_is_the_text_of_the_tree_with_the_river_now(
    edition: Edition, language: str
) -> None:
    """How the river stands now, then its peak against a mark, in place of a stage without one."""
    file = (edition.folder / f"read/{language}.txt").read_text(encoding="utf-8")
    block = file.partition(f"{FLOOD}-flood\n")[2].partition("\n\n")[0].splitlines()
    page = sheet(edition, FLOOD, language)
    assert len(block) >= 5
    river = River(edition.cities[FLOOD], edition, language)
    told = [river.tell_now(), river.tell_highest()]
    assert [node.text for node in page.xpath(READ)] == [*block[:2], *told, *block[3:]]
    words, templates = read_words(language), read_templates(language)
    assert page.get("lang") == templates["tag"]
    assert page.xpath("//p[@class='level emergency']/*[@class='sign']")
    (level,) = texts(page, LEVEL)
    assert level == " ".join(
        f"{templates['hazard']['flood']}{templates['colon']}{words['level_emergency']} "
        f"{words['number'].format(level=3)}".split()
    )
    assert page.xpath(f"{FIRST}/p")[0].text == templates["instruction"]["flood_first"]
    fields = texts(page, "//section[@class='fill']/p")
    assert fields == [words[f"sheet_{name}"] for name in ("place", "person", "phone")]


def test_times_are_those_of_the_citys_clock_and_whom_to_ask_is_said(edition: Edition) -> None:
    page = html.fromstring(
        write_sheet(
            edition, FLOOD, "en", settings=SETTINGS.model_copy(update={"alert_contact": "021 1"})
        )
    )
    ask, times, *_ = texts(page, "//section[@class='foot']/p")
    assert times == "Made on 20 August at 07:30. Holds until 22 August, 13:30. (UTC+7)"
    assert ask.startswith("Whom to ask: Follow the instructions of your national")
    assert ask.endswith("authorities. 021 1")


def test_an_exercise_is_marked_and_an_actual_sheet_is_not(edition: Edition, tmp_path: Path) -> None:
    page = sheet(edition, FLOOD)
    assert texts(page, "//p[@class='banner']")[0].startswith("EXERCISE.")
    assert texts(page, "//div[@class='across']") == ["EXERCISE"]
    assert page.xpath("//meta[@name='robots']/@content") == ["noindex"]
    index = json.dumps(edition.index | {"status": "Actual"}).encode()
    page = sheet(change_tree(edition, tmp_path, index_json=index), FLOOD)
    assert (
        page.xpath("//p[@class='banner'] | //div[@class='across'] | //meta[@name='robots']") == []
    )


def test_two_hazards_are_told_one_after_the_other_and_no_line_twice(edition: Edition) -> None:
    page = sheet(edition, BOTH)
    assert texts(page, LEVEL) == ["Flood: Watch level 1 of 3", "Drought: Watch level 1 of 3"]
    lines = texts(page, READ)
    told = read_aloud(edition, "en")
    flood = [line for line in told[f"{BOTH}-flood"] if "highest stage" not in line]
    assert {*flood, *told[f"{BOTH}-drought"]} < {*lines}
    assert len(lines) == len({*lines}) == 10
    assert texts(page, f"{FIRST}/h2") == ["Who goes first", "Who gets water first"]


def test_a_flood_in_progress_is_told_before_the_peak_to_come(edition: Edition) -> None:
    above = change_city(edition, FLOOD, stage={"m": 12.57})
    assert texts(sheet(above, FLOOD), READ)[1:4] == [
        "Flood, level 3 of 3, Emergency: Vientiane.",
        "Now 12.57 m, 0.07 m above flood stage, rising.",
        "Highest 14.30 m on 27 August, 1.80 m above flood stage. It may rise further after that.",
    ]
    highest = change_city(edition, FLOOD, stage={"m": 14.6, "trend": "falling"})
    assert texts(sheet(highest, FLOOD), READ)[2:4] == [
        "Now 14.60 m, 2.10 m above flood stage, falling.",
        "Not below flood stage again within 7 days.",
    ]


def test_a_drought_says_who_gets_water_first(edition: Edition) -> None:
    page = sheet(edition, DROUGHT)
    assert texts(page, LEVEL) == ["Drought: Warning level 2 of 3"], "no flood is not told"
    assert texts(page, FIRST) == [
        "Who gets water first Give water first to old and ill people, children and pregnant women."
    ]


def test_not_assessed_is_told_as_such_and_sends_nobody_first(edition: Edition) -> None:
    page = sheet(edition, UNKNOWN)
    assert texts(page, LEVEL) == ["Flood: Not assessed", "Drought: Not assessed"]
    lines = texts(page, READ)
    assert lines[:2] == ["Flood: not assessed for Pakse.", read_words("en")["do_unknown"]]
    assert texts(page, FIRST) == []


def test_a_night_without_texts_has_headline_and_instruction(
    edition: Edition, tmp_path: Path
) -> None:
    late = change_tree(edition, tmp_path, read__en_txt=None)
    assert read_aloud(late, "en") == {}
    lines = texts(sheet(late, FLOOD), READ)
    assert lines[1] == "Now 12.20 m, 0.30 m below flood stage, rising."
    assert lines[0].startswith("Flood, level 3 of 3: Vientiane. Highest 14.30 m expected on 27")
    assert "Go to high ground now and stay there." in lines


def test_longer_texts_are_set_smaller_and_never_below_what_can_be_read() -> None:
    short, long = (fit_size(["a" * number], 1, "en") for number in (200, 600))
    assert fit_size(["a" * 600], 2, "en") < long < short == 25.0
    assert fit_size(["a" * 9000], 1, "en") == 11.0
    assert fit_size(["水" * 300], 1, "zh") == long, "as wide as two letters"


@needs_browser
def test_each_prints_on_one_page(edition: Edition, tmp_path: Path) -> None:
    """Those with the longest texts, in one print: each begins a page, and none goes on."""
    parts, style = [], ""
    for language in LANGUAGES:
        for city in (FLOOD, BOTH, UNKNOWN):
            page = sheet(edition, city, language)
            (paper,) = page.xpath("//main")
            style = str(page.findtext(".//style"))
            text = html.tostring(paper, encoding="unicode")
            parts.append(f"<div lang='{page.get('lang')}' style='break-after:page'>{text}</div>")
    parts[-1] = parts[-1].replace("break-after:page", "", 1)
    whole = f"<!doctype html><meta charset='utf-8'><style>{style}</style>{''.join(parts)}"
    assert count_pages(whole.encode(), tmp_path) == len(parts) == 21


def test_every_city_has_one_of_a_few_kilobytes(edition: Edition) -> None:
    for city in CITIES:
        assert 3_000 < len(write_sheet(edition, city, "my", settings=SETTINGS)) < 15_000

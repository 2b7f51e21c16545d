"""The bulletin: three pages with the figures of the tree, complete by itself."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from lxml import html

from pipeline.pages import bulletin, site
from pipeline.pages.bulletin import write_bulletin
from pipeline.pages.edition import Edition
from pipeline.settings import Settings
from tests.pages.page_cases import (
    BOTH,
    CITIES,
    FLOOD,
    MISSING,
    SETTINGS,
    change_city,
    change_tree,
    count_pages,
    needs_browser,
    read_text,
)


@pytest.fixture(scope="module")
def content(edition: Edition) -> bytes:
    return write_bulletin(edition, settings=SETTINGS)


@pytest.fixture
def page(content: bytes) -> html.HtmlElement:
    return html.fromstring(content)


def table(page: html.HtmlElement, heading: str) -> list[list[str]]:
    """Cells of the rows of the table below a heading."""
    (found,) = page.xpath(f"//h2[normalize-space()='{heading}']/following::table[1]")
    rows = found.xpath("./tbody/tr")
    return [[read_text(cell) for cell in row] for row in rows]


def test_open_floods_by_hand_the_most_urgent_first(page: html.HtmlElement) -> None:
    """At Vientiane 12.2 m rise by 0.3 m a day, of 0.15 m a day; P(flood) is that of z = -1.6."""
    assert table(page, "Floods in force") == [
        ["1", "Vientiane LA", "3 Emergency", "new", "14.30", "27 Aug", "+1.80 flood", "> 99 %",
         "95 %"],
        ["2", "Kratie KH", "1 Watch", "new", "22.75", "27 Aug", "+0.75 alarm", "76 %", "16 %"],
        ["3", "Nong Khai TH", "1 Watch", "new", "11.80", "27 Aug", "+0.40 alarm", "65 %", "14 %"],
        ["4", "Siem Reap KH", "1 Watch", "new", "–", "–", "rain of 30 years", "–", "–"],
    ]  # fmt: skip


def test_open_droughts_have_the_numbers_of_their_cities(page: html.HtmlElement) -> None:
    assert table(page, "Droughts in force") == [
        ["5", "Khon Kaen TH", "2 Warning", "new", "D2", "onset", "90 %", "80 %"],
        ["2", "Kratie KH", "1 Watch", "new", "D1", "onset", "70 %", "20 %"],
    ]
    numbers = page.xpath("//*[local-name()='svg'][@class='map']/*[local-name()='text']")
    assert sorted(node.text for node in numbers) == ["1", "2", "3", "4", "5"]


def test_cities_are_counted_by_country_and_level(page: html.HtmlElement) -> None:
    """Columns: emergency, warning, watch, not assessed, none; of floods, then of droughts."""
    assert table(page, "Cities by country and level") == [
        ["Cambodia", "", "", "2", "", "", "", "", "1", "", "1"],
        ["Lao PDR", "1", "", "", "1", "", "", "", "", "1", "1"],
        ["Thailand", "", "", "1", "", "1", "", "1", "", "", "1"],
        ["All", "1", "", "3", "1", "1", "", "1", "1", "1", "3"],
    ]


def test_gauges_by_hand_and_what_is_not_known_is_no_zero(page: html.HtmlElement) -> None:
    gauges = {row[0]: row[1:] for row in table(page, "Gauges")}
    assert gauges["Kratie KH"] == [
        "Watch", "21.00", "20/8 07:00", "+0.25", "22.00", "23.00", "21.25", "21.50", "21.75",
        "22.00", "22.25", "22.50", "22.75", "76 %", "41 %", "all", "5",
    ]  # fmt: skip
    assert gauges["Pakse LA"] == [
        "Not assessed", "–", "–", "–", "11.00", "12.00", *7 * ["–"], "–", "–", "none", "0",
    ]  # fmt: skip
    assert {*gauges} == {"Vientiane KM4 LA", "Nong Khai TH", "Kratie KH", "Pakse LA"}
    cells = {
        row[0].text_content(): [cell.get("class").split() for cell in row[7:14]]
        for row in page.xpath("//h2[.='Gauges']/following::table[1]/tbody/tr")
    }
    assert ["beyond" in each for each in cells["Kratie KH"]] == [False] * 5 + [True] * 2
    assert ["alarm-over" in each for each in cells["Kratie KH"]] == [False] * 3 + [True] * 4
    assert ["flood-over" in each for each in cells["Vientiane KM4 LA"]] == [True] * 7


def test_gauges_with_a_flood_warning_have_a_figure(page: html.HtmlElement) -> None:
    titles = page.xpath("//div[@class='fans']//h3")
    assert [title.text_content().split()[-1] for title in titles] == ["Vientiane", "Kratie", "Khai"]
    assert len(page.xpath("//div[@class='fans']//*[local-name()='svg'][@class='fan']")) == 3


def test_rain_and_drought_of_every_city(page: html.HtmlElement) -> None:
    rows = {row[0]: row[1:] for row in table(page, "Rain and drought by city")}
    assert len(rows) == len(CITIES)
    assert rows["Khon Kaen"] == [
        "Thailand", "No warning, only rain is assessed", "< 2", "0.30", "–", "Warning", "D2",
        "onset", "-1.6", "6", "40", "90 %", "90 %", "90 %", "80 %",
    ]  # fmt: skip
    assert rows["Siem Reap"][2:4] == ["30", "1.50"]
    assert rows["Pakse"] == [
        "Lao PDR", "Not assessed", "–", "–", "–", "Not assessed", "–", "", *7 * ["–"],
    ]  # fmt: skip


def test_what_is_missing_and_how_it_is_read_is_said(page: html.HtmlElement) -> None:
    assert page.xpath("//h2[.='What is missing']/following::ul[1]/li/text()") == [MISSING]
    assert len(page.xpath("//h2[.='How to read it']/following::ul[1]/li")) >= 5


def test_every_page_is_marked_and_complete_by_itself(
    page: html.HtmlElement, content: bytes
) -> None:
    papers = page.xpath("//section[@class='paper']")
    assert len(papers) == 3
    for paper in papers:
        assert paper.xpath("./p[@class='banner']")[0].text.startswith("EXERCISE.")
        assert paper.xpath("./div[@class='across']")[0].text_content() == "EXERCISE"
    assert page.xpath("//meta[@name='robots']/@content") == ["noindex"]
    assert len(content) < 1_000_000
    assert page.xpath("//@src | //link | //script") == []
    assert not re.search(rb"url\((?!#)", content)
    ids = {f"#{name}" for name in page.xpath("//@id")}
    assert {f"#{city}" for city in CITIES} <= {*page.xpath("//@href")} <= ids


def test_what_the_pages_have_no_room_for_is_counted(
    edition: Edition, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(bulletin, "MOST_EVENTS", 2)
    monkeypatch.setattr(bulletin, "FANS_MM", 0.0)
    monkeypatch.setattr(bulletin, "MOST_MISSING", 0)
    short = html.fromstring(write_bulletin(edition, settings=SETTINGS))
    assert [row[1] for row in table(short, "Floods in force")] == ["Vientiane LA"]
    assert [row[1] for row in table(short, "Droughts in force")] == ["Khon Kaen TH"]
    assert [node.text for node in short.xpath("//p/strong")] == [
        "4 more in alerts.csv.", "3 more on the pages of their cities.", "1 more in index.json.",
    ]  # fmt: skip


def test_a_gauge_that_goes_on_under_another_code_is_told_once(
    edition: Edition, tmp_path: Path
) -> None:
    forecasts = (edition.folder / "forecasts.csv").read_text(encoding="utf-8")
    again = [
        line.replace("012001", "012002")
        for line in forecasts.splitlines()
        if line.startswith("012001")
    ]
    assert len(again) == 7
    both = change_tree(
        edition, tmp_path, forecasts_csv=(forecasts + "\n".join(again) + "\n").encode()
    )
    gauges = table(html.fromstring(write_bulletin(both, settings=SETTINGS)), "Gauges")
    assert [row[0] for row in gauges].count("Nong Khai TH") == 1
    assert len(gauges) == 4


def test_a_night_without_forecasts_has_a_bulletin(edition: Edition, tmp_path: Path) -> None:
    head = (edition.folder / "forecasts.csv").read_bytes().partition(b"\n")[0] + b"\n"
    page = write_bulletin(change_tree(edition, tmp_path, forecasts_csv=head), settings=SETTINGS)
    assert b"No forecast of any gauge." in page


def test_a_bulletin_that_fails_leaves_the_pages_of_the_cities(
    edition: Edition, tmp_path: Path
) -> None:
    whole = change_tree(edition, tmp_path)
    settings, folder = Settings(data_dir=tmp_path), tmp_path / "published" / "page"
    assert site.refresh_pages(settings) == ()
    assert (folder / "bulletin.html").is_file()
    (whole.folder / "forecasts.csv").unlink()
    (folder / f"en/{BOTH}.html").unlink()
    (failure,) = site.refresh_pages(settings)
    assert failure.startswith("bulletin.html: not made anew (FileNotFoundError")
    assert (folder / f"en/{BOTH}.html").is_file()
    assert (folder / f"en/{BOTH}-sheet.html").is_file()
    assert not (folder / "bulletin.html").exists(), "that of before is not of this night"


@needs_browser
def test_it_prints_on_three_pages(content: bytes, tmp_path: Path) -> None:
    assert count_pages(content, tmp_path) == 3


@needs_browser
@pytest.mark.parametrize("gauges", [27, 36])
def test_as_many_figures_as_fit_below_the_gauges_keep_it_on_three_pages(
    edition: Edition, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, gauges: int
) -> None:
    rows = [*bulletin._list_gauges(edition)] * gauges
    events = sorted(bulletin._list_events(edition), key=lambda event: event["city"])
    fans = [*bulletin._list_fans(edition, events)] * gauges
    monkeypatch.setattr(bulletin, "_list_gauges", lambda _: rows[:gauges])
    monkeypatch.setattr(bulletin, "_list_fans", lambda *_: fans[:gauges])
    assert count_pages(write_bulletin(edition, settings=SETTINGS), tmp_path) == 3


def test_a_level_that_is_held_has_no_highest_stage_and_no_chance(edition: Edition) -> None:
    held = change_city(edition, FLOOD, flood={"level": "unknown", "river_level": "unknown"})
    page = html.fromstring(write_bulletin(held, settings=SETTINGS))
    (row,) = [row for row in table(page, "Floods in force") if row[1] == "Vientiane LA"]
    assert row[2] == "3 Emergency held"
    assert (row[4], row[5], row[7], row[8]) == ("–", "–", "–", "–")
    (gauge,) = [row for row in table(page, "Gauges") if row[0].startswith("Vientiane")]
    assert gauge[14:16] == ["–", "–"]

"""The pages as people open them: in Debian's Chromium, in every language, width and colour."""

from __future__ import annotations

import io
import itertools
import json
import os
import re
import shutil
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from importlib.resources import files
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from pipeline.alerts.templates import LANGUAGES
from pipeline.exchange.publication import PAGES
from pipeline.pages.city import write_city_page
from pipeline.pages.edition import Edition, read_edition
from pipeline.pages.site import refresh_pages
from pipeline.settings import Settings
from tests.pages.browser import HOUR_MS, SLOW_3G, Browser, Page, browse, offline
from tests.pages.page_cases import (
    BANK,
    BOTH,
    CITIES,
    DROUGHT,
    FLOOD,
    NO_GAUGE,
    UNKNOWN,
    change_city,
    needs_browser,
    publish_pages_tree,
)
from tests.sources.public_files import served

pytestmark = [
    pytest.mark.slow,
    needs_browser,
    pytest.mark.xdist_group("browser"),
]
ISSUED_MS = 1000 * datetime(2026, 8, 20, 0, 30, tzinfo=UTC).timestamp()
SHOWN = ("index", FLOOD, DROUGHT, UNKNOWN, NO_GAUGE, BOTH)
CALM = "calm.html"
"""Page of a city without a warning."""
WIDTHS = (320, 412, 1280)
FITS = """(() => {
  const wide = document.documentElement.scrollWidth -
    document.documentElement.clientWidth;
  const clipped = [...document.querySelectorAll('svg.fan text, svg.map .spot path')].filter(e => {
    const own = e.getBoundingClientRect(), frame = e.ownerSVGElement.getBoundingClientRect();
    return own.left < frame.left - 1 || own.right > frame.right + 1 ||
      own.top < frame.top - 1 || own.bottom > frame.bottom + 1;
  }).map(e => e.textContent || e.outerHTML);
  const cut = [...document.querySelectorAll('p, li, h1, h2, .level, button, label')].filter(e =>
    e.scrollWidth > e.clientWidth + 1 && getComputedStyle(e).display !== 'inline'
    && e.clientWidth).map(e => e.textContent.slice(0, 40));
  return {wide, clipped, cut};
})()"""
"""What does not fit: pixels beyond the window, words out of a figure, words out of their box."""
DRAWN = "new Promise(done => requestAnimationFrame(() => requestAnimationFrame(done)))"
"""Waits until the page is drawn in the size that was last set."""
CHANCES = """(stage => { const field = document.getElementById('height'); field.value = stage;
  field.dispatchEvent(new Event('input'));
  return document.getElementById('chances').innerText; })"""

KEPT = "caches.open('mekong-pages').then(cache => cache.keys()).then(keys => keys.length > 0)"
"""Whether the page keeps something for the time without a network."""
SECONDS = itertools.count(1)


def write_newer(path: Path, text: str) -> None:
    """Write a file of a later second: a browser asks by whole seconds whether it changed."""
    path.write_text(text)
    moment = time.time() + next(SECONDS)
    os.utime(path, (moment, moment))


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("pages")
    published = publish_pages_tree(root)
    settings = Settings(data_dir=root, report_number="+85620123456")
    assert refresh_pages(settings) == ()
    nothing = {"level": "none", "level_in_force": "none", "identifier": None}
    calm = change_city(read_edition(published), BANK, flood=nothing, drought=nothing)
    (published / PAGES / "en" / CALM).write_bytes(
        write_city_page(calm, BANK, "en", settings=settings)
    )
    return published


@pytest.fixture(scope="module")
def edition(folder: Path) -> Edition:
    return read_edition(folder)


@pytest.fixture(scope="module")
def address(folder: Path) -> Iterator[str]:
    with served(folder) as root:
        yield f"{root}/{PAGES}"


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with browse() as found:
        yield found


@pytest.fixture
def page(browser: Browser) -> Iterator[Page]:
    """A tab three hours after the issue time."""
    with browser.tab() as tab:
        tab.set_clock(ISSUED_MS + 3 * HOUR_MS)
        tab.size(320)
        yield tab


@pytest.mark.parametrize("language", LANGUAGES)
def test_every_page_fits_every_width_and_colour(page: Page, address: str, language: str) -> None:
    for name in SHOWN:
        page.open(f"{address}/{language}/{name}.html")
        for width, dark in itertools.product(WIDTHS, (False, True)):
            page.size(width, dark=dark)
            page.ask(DRAWN)
            assert page.ask(FITS) == {"wide": 0, "clipped": [], "cut": []}, (name, width, dark)


@pytest.mark.parametrize("language", LANGUAGES)
def test_text_of_twice_the_size_wraps(page: Page, address: str, language: str) -> None:
    for name in SHOWN:
        page.open(f"{address}/{language}/{name}.html")
        page.ask("document.documentElement.style.fontSize = '200%'")
        found = page.ask(FITS)
        assert (found["wide"], found["cut"]) == (0, []), name


@pytest.mark.parametrize("language", LANGUAGES)
def test_a_phone_shows_the_chance_of_flood_stage_and_both_levels_at_once(
    page: Page, address: str, language: str
) -> None:
    right = (
        "(of => Math.max(...[...document.querySelectorAll(of)]"
        ".map(cell => cell.getBoundingClientRect().right)))"
    )
    page.open(f"{address}/{language}/{FLOOD}.html")
    assert page.ask(right + "('.days td:last-child')") <= 320
    page.open(f"{address}/{language}/index.html")
    assert page.ask(right + "('td:nth-child(3) .sign')") <= 320


@pytest.mark.parametrize("language", LANGUAGES)
def test_the_first_screen_has_level_sentence_what_to_do_and_age(
    page: Page, address: str, language: str
) -> None:
    for city in CITIES:
        page.open(f"{address}/{language}/{city}.html")
        ends = [
            page.ask(f"document.querySelector({selector!r}).getBoundingClientRect().bottom")
            for selector in (".banner", ".level", ".sentence", "ul.do", "#age")
        ]
        assert ends == sorted(ends)
        assert ends[-1] <= 568, city


def test_a_reader_hears_how_high_when_which_mark_where_to_and_how_old(
    page: Page, address: str
) -> None:
    page.open(f"{address}/en/{FLOOD}.html")
    text = page.ask("document.body.innerText")
    order = [
        "EXERCISE", "Vientiane", "Flood: Emergency", "level 3 of 3", "Highest 14.30 m on 27 August",
        "1.80 m above flood stage", "Now 12.20 m", "rising", "What to do", "Go to high ground now",
        "Made on 20 August at 07:30", "This page is 3 h old",
    ]  # fmt: skip
    places = [text.find(words) for words in order]
    assert -1 not in places, dict(zip(order, places, strict=True))
    assert places == sorted(places)


def test_what_is_not_assessed_says_so_and_gives_no_chance(page: Page, address: str) -> None:
    page.open(f"{address}/en/{UNKNOWN}.html")
    text = page.ask("document.body.innerText")
    assert "Flood: Not assessed" in text
    assert "Not assessed does not mean safe" in text
    assert "Highest" not in text.partition("Day by day")[0]
    assert "%" not in page.ask("document.querySelector('#mark').innerText")


@pytest.mark.parametrize(
    ("hours", "marked", "words"),
    [
        (29, False, "This page is 29 h old."),
        (40, True, "This page is old. Look for a newer one."),
        (55, True, "Do not rely on this page."),
        (-2, True, "The clock of this phone is behind."),
    ],
)
def test_the_age_is_counted_on_the_phone(
    browser: Browser, address: str, hours: int, marked: bool, words: str
) -> None:
    with browser.tab() as tab:
        tab.set_clock(ISSUED_MS + hours * HOUR_MS)
        tab.open(f"{address}/en/{FLOOD}.html")
        assert words in tab.ask("document.getElementById('age').innerText")
        assert tab.ask("document.getElementById('age').className") == (
            "age stale" if marked else "age"
        )


def test_without_a_network_the_page_is_there_and_says_its_age(page: Page, address: str) -> None:
    page.open(f"{address}/en/{FLOOD}.html")
    page.ask("navigator.serviceWorker.ready.then(() => true)")
    page.open(f"{address}/en/{FLOOD}.html?again")
    page.ask(CHANCES + "('13')")
    page.wait(KEPT)
    offline(page)
    page.set_clock(ISSUED_MS + 40 * HOUR_MS)
    page.open(f"{address}/en/{FLOOD}.html")
    assert "Look for a newer one" in page.ask("document.getElementById('age').innerText")
    assert "reaches it" in page.ask("document.getElementById('chances').innerText")
    kept = page.ask("""caches.open('mekong-pages').then(async cache => { let sum = 0;
      for (const key of await cache.keys()) sum += (await (await cache.match(key)).blob()).size;
      return sum; })""")
    assert 0 < kept <= 250_000


def test_what_has_expired_looks_calm_nowhere(browser: Browser, address: str) -> None:
    def decoration(tab: Page, selector: str) -> str:
        return str(
            tab.ask(f"getComputedStyle(document.querySelector({selector!r})).textDecorationLine")
        )

    for hours, calm in ((29, "none"), (53, "none"), (55, "line-through")):
        with browser.tab() as tab:
            tab.set_clock(ISSUED_MS + hours * HOUR_MS)
            tab.size(320)
            tab.open(f"{address}/en/calm.html")
            assert decoration(tab, ".level.none") == decoration(tab, ".sentence") == calm
            assert decoration(tab, ".drought") == decoration(tab, ".others") == calm
            text = tab.ask("document.body.innerText")
            assert ("Nothing special today" in text) == (hours == 29)
            assert ("My mark" in text) == (hours < 55)
            first = tab.ask("document.querySelector('main .first > :first-child').id")
            assert (first == "age") == (hours > 29)
            tab.open(f"{address}/en/{FLOOD}.html")
            assert decoration(tab, ".level.emergency") == "none", "a danger may last"
            assert "Go to high ground now" in tab.ask("document.body.innerText")
            tab.open(f"{address}/en/index.html")
            assert decoration(tab, "td .none") == calm


def test_a_page_that_comes_late_is_kept_for_the_next_time(
    page: Page, folder: Path, tmp_path: Path
) -> None:
    shutil.copytree(folder, tmp_path / "published", symlinks=True)
    delays = [0.0]
    with served(tmp_path / "published", delay=lambda: delays[-1]) as root:
        site = f"{root}/{PAGES}"
        page.open(f"{site}/en/{FLOOD}.html")
        page.ask("navigator.serviceWorker.ready.then(() => true)")
        page.open(f"{site}/en/{FLOOD}.html?again")
        page.wait(KEPT)
        file = tmp_path / "published" / PAGES / "en" / f"{FLOOD}.html"
        write_newer(file, file.read_text().replace("<h1>Vientiane", "<h1>Newer Vientiane"))
        delays.append(4.0)
        page.open(f"{site}/en/{FLOOD}.html?slow")
        assert page.ask("document.querySelector('h1').textContent") == "Vientiane"
        kept = """caches.open('mekong-pages').then(async cache => Promise.all(
          (await cache.keys()).filter(key => key.url.includes('.html')).map(async key =>
            [key.url, (await (await cache.match(key)).text()).includes('<h1>Newer')])))"""
        page.wait(f"{kept}.then(found => found.some(([address, newer]) => newer))")
        only = [[f"{site}/en/{FLOOD}.html", True]]
        assert page.ask(kept) == only, "once, whatever follows its name"


@pytest.mark.parametrize("city", [FLOOD, BOTH, "nong_khai"])
def test_a_mark_at_alarm_or_flood_stage_has_the_published_chance(
    page: Page, address: str, edition: Edition, city: str
) -> None:
    page.open(f"{address}/en/{city}.html")
    facts = edition.cities[city]
    for kind in ("alarm", "flood"):
        stage = facts["marks"][kind]
        lines = page.ask(f"{CHANCES}({json.dumps(str(stage))})").splitlines()
        found = [read_percent(line) for line in lines[: 1 + len(facts["days"])]]
        if facts["stage"]["m"] < stage:
            assert found[0] == pytest.approx(100 * facts["days"][-1][f"p_{kind}_by"], abs=2)
        for day, percent in zip(facts["days"], found[1:], strict=True):
            assert percent == pytest.approx(100 * day[f"p_{kind}"], abs=2), (kind, day["date"])


def read_percent(line: str) -> float:
    """Percent of a line; the limit where it is above or below one."""
    number = re.findall(r"(\d+) %", line)
    return float(number[-1]) if number else -1.0


def test_days_of_a_mark_beyond_skill_are_marked_as_in_the_table(page: Page, address: str) -> None:
    page.open(f"{address}/en/{FLOOD}.html")
    page.ask(f"{CHANCES}(13)")
    marked = page.ask("[...document.querySelectorAll('#chances .beyond')].map(e => e.textContent)")
    assert [text.strip().partition(":")[0] for text in marked] == ["26 August", "27 August"]
    assert "Grey after 25 August" in page.ask("document.getElementById('mark').innerText")


def test_a_mark_is_read_as_it_is_typed(page: Page, address: str) -> None:
    page.open(f"{address}/en/{FLOOD}.html")
    told = page.ask(CHANCES + "('13.4')")
    for typed in ("13,4", " 13.40 ", "១៣,៤", "໑໓.໔", "๑๓.๔", "၁၃.၄"):
        assert page.ask(f"{CHANCES}({json.dumps(typed)})") == told, typed


@pytest.mark.parametrize("typed", ["134", "1340", "-5", "13.4.1", "high"])
def test_a_mark_that_cannot_be_meant_has_no_chance(page: Page, address: str, typed: str) -> None:
    page.open(f"{address}/en/{FLOOD}.html")
    page.ask(CHANCES + "('13.4')")
    told = page.ask(f"{CHANCES}({json.dumps(typed)})")
    assert re.fullmatch(r"Height of my floor, .* gauge's zero: \d+–\d+\?", told)
    assert page.ask("localStorage.length") == 0


def test_a_mark_stays_on_the_phone(page: Page, address: str) -> None:
    page.open(f"{address}/en/{FLOOD}.html")
    page.ask(CHANCES + "('13.4')")
    page.open(f"{address}/km/{FLOOD}.html")
    assert page.ask("document.getElementById('height').value") == "13.4"
    assert page.ask("document.getElementById('chances').innerText.length") > 50
    page.ask(CHANCES + "('')")
    assert page.ask("localStorage.length") == 0


def test_keys_alone_reach_everything(page: Page, address: str) -> None:
    page.open(f"{address}/en/{FLOOD}.html")
    reached = []
    for _ in range(60):
        page.press("Tab", 9)
        reached.append(page.ask(
            "(e => e.id || e.getAttribute('href') || e.tagName)(document.activeElement)"
        ))  # fmt: skip
        outline = page.ask("getComputedStyle(document.activeElement).outlineStyle")
        assert reached[-1] == "BODY" or outline != "none", reached[-1]
    for wanted in (
        "index.html",
        "height",
        "slide",
        "SUMMARY",
        "share",
        "print",
        "../km/vientiane.html",
    ):
        assert any(place.endswith(wanted) for place in reached), (wanted, reached)


@pytest.mark.parametrize("name", SHOWN)
def test_axe_finds_nothing_serious(browser: Browser, address: str, name: str) -> None:
    axe = (files("axe_core_python") / "axe.min.js").read_text(encoding="utf-8")
    for dark, language in itertools.product((False, True), ("en", "my")):
        with browser.tab() as tab:
            tab.set_clock(ISSUED_MS + 3 * HOUR_MS)
            tab.size(320, dark=dark)
            tab.open(f"{address}/{language}/{name}.html")
            tab.ask(f"{axe}; true")
            found = tab.ask(
                "axe.run().then(r => r.violations.map(v => "
                "[v.impact, v.id, v.nodes.map(n => n.html.slice(0, 120))]))"
            )
            serious = [row for row in found if row[0] in {"serious", "critical"}]
            assert serious == [], (dark, language)


@pytest.mark.parametrize(
    "kind", ["none", "deuteranopia", "protanopia", "tritanopia", "achromatopsia"]
)
def test_levels_are_told_apart_whatever_colours_are_seen(
    page: Page, address: str, kind: str
) -> None:
    page.size(412, 2000)
    page.open(f"{address}/en/index.html")
    page.call("Emulation.setEmulatedVisionDeficiency", type=kind)
    boxes = page.ask("""[...document.querySelectorAll('.legend .chip .sign')].map(e => {
      const box = e.getBoundingClientRect(); return [box.x, box.y, box.width, box.height]; })""")
    picture = Image.open(io.BytesIO(page.screenshot())).convert("L")
    signs = [
        np.asarray(picture.crop((int(x), int(y), int(x + w), int(y + h))).resize((16, 16)), float)
        for x, y, w, h in boxes
    ]
    assert len(signs) == 6, "five levels, and where only rain is assessed"
    for one, other in itertools.combinations(signs, 2):
        assert np.abs(one - other).mean() > 12


def test_without_a_script_all_but_mark_and_age_is_there(page: Page, address: str) -> None:
    page.call("Emulation.setScriptExecutionDisabled", value=True)
    page.open(f"{address}/en/{FLOOD}.html")
    text = page.ask("document.body.innerText")
    assert "Highest 14.30 m" in text
    assert "Made on 20 August at 07:30" in text
    assert "My mark needs JavaScript." in text
    assert "h old" not in text
    assert page.ask("document.querySelectorAll('tbody tr').length") >= 7


@pytest.mark.parametrize("language", LANGUAGES)
def test_a_city_is_printed_on_one_sheet(page: Page, address: str, language: str) -> None:
    for city in CITIES:
        page.open(f"{address}/{language}/{city}.html")
        assert page.print_pdf().count(b"/Type /Page\n") == 1, city


def test_the_first_screen_is_there_within_three_seconds_on_a_slow_connection(
    page: Page, address: str
) -> None:
    offline(page, on=False, speed=SLOW_3G)
    page.open(f"{address}/my/{FLOOD}.html")
    painted = page.ask(
        "performance.getEntriesByType('paint').find(e => e.name === 'first-contentful-paint')"
        ".startTime"
    )
    assert painted < 3000


@pytest.mark.parametrize(("wanted", "found"), [("km-KH", "km"), ("zh-TW", "zh"), ("fr", "")])
def test_the_first_page_goes_to_the_language_once(
    browser: Browser, address: str, wanted: str, found: str
) -> None:
    with browser.tab() as tab:
        tab.call("Emulation.setUserAgentOverride", userAgent="test", acceptLanguage=wanted)
        tab.call("Page.navigate", url=f"{address}/index.html")
        time.sleep(1.5)
        place = tab.ask("location.pathname").removeprefix(f"/{PAGES}")
        assert place == (f"/{found}/index.html" if found else "/index.html")
        tab.call("Page.navigate", url=f"{address}/index.html#languages")
        time.sleep(0.8)
        assert tab.ask("location.pathname") == f"/{PAGES}/index.html"


def test_what_the_watch_saw_since_is_shown_with_its_time(
    page: Page, address: str, folder: Path
) -> None:
    watch = {
        "asof": "2026-08-20T02:15:00Z", "expires_at": "2026-08-20T04:15:00Z",
        "raised": [{"city": FLOOD, "level": "emergency", "identifier": "x"}],
        "rain": {"heavy": [{"city": FLOOD, "mm": 88, "hours": 3}]},
        "gauges": {"over_alarm": [{"station": "011901", "stage_m": 12.9}]},
        "sudden": [{"station": "011901", "change_m": -1.2, "hours": 2}],
    }  # fmt: skip
    path = folder / "watch.json"
    try:
        for place in (FLOOD, "index"):
            write_newer(path, json.dumps(watch))
            page.open(f"{address}/en/{place}.html")
            page.wait_for_file("watch.json")
            seen = page.ask("document.getElementById('since').innerText")
            assert "heavy rain, 88 mm in 3 h" in seen
            assert "Flood, level 3 of 3" in seen
            assert "above alarm stage" in seen
            assert "changed by 1.2 m within 2 h" in seen
            assert "Seen on August 20 at 09:15" in seen, "on the clock of the city"
            write_newer(path, json.dumps(watch | {"expires_at": "2026-08-20T03:00:00Z"}))
            page.open(f"{address}/en/{place}.html?later")
            page.wait_for_file("watch.json")
            assert page.ask("document.getElementById('since').hidden"), "it has expired"
    finally:
        path.unlink()


def test_reports_of_the_day_are_shown_when_they_come(
    page: Page, address: str, folder: Path
) -> None:
    path = folder / "reports.json"
    kept = path.read_bytes()
    row = {"flooded": 7, "dry": 2, "since": "2026-08-19T17:00:00Z"}
    try:
        for change, words in (
            ({}, "Flooded: 7. Dry: 2."),
            ({"since": "2026-08-18T17:00:00Z"}, "Flooded: 3. Dry: 1."),
            ({"flooded": 0, "dry": 0}, "Flooded: 3. Dry: 1."),
        ):
            content = {"status": "Exercise", "cities": {FLOOD: row | change}}
            write_newer(path, json.dumps(content))
            page.open(f"{address}/en/{FLOOD}.html?{words}".replace(" ", ""))
            page.wait_for_file("reports.json")
            assert words in page.ask("document.getElementById('reports').innerText")
    finally:
        path.write_bytes(kept)


def test_a_table_is_sorted_by_its_heads(page: Page, address: str) -> None:
    page.size(1280)
    page.open(f"{address}/en/index.html")
    names = "[...document.querySelectorAll('tbody th a')].map(e => e.textContent)"
    page.ask("document.querySelectorAll('thead button')[0].click()")
    assert page.ask(names) == sorted(page.ask(names))
    page.ask("document.querySelectorAll('thead button')[0].click()")
    assert page.ask(names) == sorted(page.ask(names), reverse=True)
    assert page.ask("document.querySelector('thead th').getAttribute('aria-sort')") == "descending"
    cells = "[...document.querySelectorAll('tbody tr')].map(row => row.cells[3])"
    given = "[10.5, -0.3, 10.33, '', 2, -1.2]"
    page.ask(f"{cells}.forEach((cell, number) => {{ cell.dataset.sort = {given}[number]; }})")
    page.ask("document.querySelectorAll('thead button')[3].click()")
    stages = page.ask(f"{cells}.map(cell => cell.dataset.sort)")
    assert stages == ["", "-1.2", "-0.3", "2", "10.33", "10.5"]

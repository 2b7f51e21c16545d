from __future__ import annotations

import json
import re
from pathlib import Path

import pytest
from lxml import html

from pipeline.alerts.templates import LANGUAGES
from pipeline.exchange.publication import PAGES
from pipeline.geography.reference_tables import tables
from pipeline.pages.site import refresh_pages
from pipeline.settings import Settings
from tests.pages.page_cases import CITIES, DROUGHT, FLOOD, publish_pages_tree

KB = 1000


@pytest.fixture(scope="module")
def settings(tmp_path_factory: pytest.TempPathFactory) -> Settings:
    root = tmp_path_factory.mktemp("pages")
    publish_pages_tree(root)
    found = Settings(data_dir=root)
    assert refresh_pages(found) == ()
    return found


def test_every_language_has_every_page(settings: Settings) -> None:
    folder = settings.published_dir / PAGES
    names = {"index", *CITIES, *(f"{city}-sheet" for city in CITIES)}
    for language in LANGUAGES:
        assert {path.stem for path in (folder / language).glob("*.html")} == names


def test_pages_keep_to_their_sizes(settings: Settings) -> None:
    folder = settings.published_dir / PAGES
    assert (folder / "page.js").stat().st_size <= 12 * KB
    for path in folder.glob("*/*.html"):
        assert path.stat().st_size <= (100 if path.stem == "index" else 50) * KB, path
    assert (folder / "bulletin.html").stat().st_size <= 1000 * KB


def test_every_link_within_the_pages_leads_somewhere(settings: Settings) -> None:
    folder = settings.published_dir / PAGES
    for path in folder.rglob("*.html"):
        for link in html.fromstring(path.read_bytes()).xpath("//@href | //@src"):
            if not re.match(r"[a-z]+:|#|data:", link):
                target = path.parent / link.partition("#")[0]
                assert target.resolve().is_file(), (path, link)


def test_nothing_comes_from_another_server(settings: Settings) -> None:
    for path in (settings.published_dir / PAGES).rglob("*"):
        if path.is_file():
            text = path.read_text(encoding="utf-8").replace("http://www.w3.org/2000/svg", "")
            assert not re.search(r"(https?:)?//[a-z0-9-]+\.[a-z]", text), path


def test_pages_that_are_no_more_go_and_the_rest_stays_the_same(settings: Settings) -> None:
    folder = settings.published_dir / PAGES
    before = {path: path.stat().st_ino for path in folder.rglob("*.html")}
    (folder / "en" / "atlantis.html").write_text("old")
    assert refresh_pages(settings) == ()
    assert {path: path.stat().st_ino for path in folder.rglob("*.html")} == before


def test_pages_that_cannot_be_made_are_told_and_those_of_before_stay(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    published = publish_pages_tree(tmp_path)
    settings = Settings(data_dir=tmp_path)
    assert refresh_pages(settings) == ()
    for path in published.glob("versions/*/now.json"):
        path.unlink()
    (failure,) = refresh_pages(settings)
    assert failure.startswith("pages: not made anew (FileNotFoundError")
    assert "Traceback" in caplog.text
    assert (published / PAGES / "en" / "index.html").is_file()


def test_a_wrong_cell_of_a_table_is_told_in_one_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """With file, line, column, what is expected and what is found, and no traceback."""
    published = publish_pages_tree(tmp_path)
    settings = Settings(data_dir=tmp_path)
    assert refresh_pages(settings) == ()
    own = tmp_path / "own"
    own.mkdir()
    (own / "impacts.csv").write_text(
        "city,kind,stage_m,language,text,source,verified\n"
        "pakse,impact,12.0,en,The market floods,the city,yes\n"
    )
    monkeypatch.setenv("MEKONG_REFERENCE_DIR", str(own))
    tables.cache_clear()
    try:
        (failure,) = refresh_pages(settings)
    finally:
        tables.cache_clear()
    assert failure == (
        "pages: not made anew (impacts.csv line 2: verified: expected one of V, M, found 'yes')"
    )
    assert caplog.text == ""
    assert (published / PAGES / "en" / f"{FLOOD}.html").is_file(), "it says its age"
    assert not (published / PAGES / "en" / f"{FLOOD}-sheet.html").exists()


def test_before_the_first_night_nothing_is_made(tmp_path: Path) -> None:
    (failure,) = refresh_pages(Settings(data_dir=tmp_path))
    assert "expected a published tree" in failure


def test_a_city_whose_page_fails_keeps_no_other(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """Its page of before stays and says its age; its sheet, which does not, goes."""
    published = publish_pages_tree(tmp_path)
    settings = Settings(data_dir=tmp_path)
    assert refresh_pages(settings) == ()
    folder = published / PAGES
    before = (folder / "en" / f"{FLOOD}.html").read_bytes()
    (path,) = published.glob(f"versions/*/cities/{FLOOD}.json")
    city = json.loads(path.read_bytes())
    path.chmod(0o600)
    path.write_text(json.dumps(city | {"flood": city["flood"] | {"level": "purple"}}))
    _, more = refresh_pages(settings)
    assert re.fullmatch(r"pages: \d+ more not made anew", more)
    assert f"en/{FLOOD}.html: not made anew" in caplog.text
    assert f"en/{DROUGHT}.html" not in caplog.text
    assert (folder / "en" / f"{FLOOD}.html").read_bytes() == before
    assert not (folder / "en" / f"{FLOOD}-sheet.html").exists()
    assert (folder / "en" / f"{DROUGHT}-sheet.html").is_file()


@pytest.mark.parametrize("name", ["page.js", "worker.js"])
def test_the_scripts_keep_to_what_phones_of_2017_read(settings: Settings, name: str) -> None:
    """Neither ``?.`` and ``??`` nor ``replaceChildren`` and ``flatMap``: one of them stops all."""
    script = (settings.published_dir / PAGES / name).read_text(encoding="utf-8")
    assert not re.search(r"\?\.[a-zA-Z(\[]|\?\?|replaceChildren|flatMap|\.at\(|replaceAll", script)

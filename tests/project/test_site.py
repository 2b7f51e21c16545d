"""The documentation site, built offline: every page is led to, and none asks another host."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path
from urllib.parse import urldefrag, urlsplit

import pytest
from lxml import html

import make as tasks
from pipeline.indices.suite import SUITE
from pipeline.settings import ROOT

pytestmark = pytest.mark.slow
LOADED = (
    "//script/@src | //link[not(@rel='canonical')]/@href | //img/@src | //source/@src"
    " | //iframe/@src | //object/@data | //*[local-name()='image']/@href"
)
"""Whatever a browser loads with a page by itself."""
STYLE_LOADS = r"(?:url\(|@import)\s*[\"']?([^\"')\s]+)"
"""Whatever a style sheet loads."""


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Folder of the site, built with every warning an error."""
    folder = tmp_path_factory.mktemp("site")
    command = (sys.executable, "-m", "sphinx", *tasks.SITE_OPTIONS, ".", str(folder))
    environment = os.environ | {"PYTHONPATH": str(ROOT), "http_proxy": "http://127.0.0.1:9"}
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, check=False)
    assert done.returncode == 0, done.stderr.decode()
    return folder


@pytest.fixture(scope="module")
def pages(site: Path) -> dict[Path, html.HtmlElement]:
    """Parsed pages of the site by path."""
    paths = [path for path in site.rglob("*.html") if "_static" not in path.parts]
    return {path: html.fromstring(path.read_bytes()) for path in paths}


def follow(page: Path, target: str) -> Path | None:
    """File that a reference leads to; None where it leads out of the folder or is data."""
    address = urlsplit(urldefrag(target).url)
    if address.scheme or address.netloc or address.path.startswith("/"):
        return None
    return (page.parent / address.path).resolve() if address.path else page


def test_whatever_a_page_loads_lies_beside_it(
    site: Path, pages: dict[Path, html.HtmlElement]
) -> None:
    for path, page in pages.items():
        for target in page.xpath(LOADED):
            if not target.startswith("data:"):
                found = follow(path, str(target))
                assert found is not None, f"{path}: {target}"
                assert found.is_file(), f"{path}: {target}"
                assert found.is_relative_to(site), f"{path}: {target}"
    for path in site.rglob("*.css"):
        for target in re.findall(STYLE_LOADS, path.read_text("utf-8")):
            assert target.startswith(("data:", "#")) or follow(path, target), f"{path}: {target}"


def test_every_page_of_the_documents_is_led_to(
    site: Path, pages: dict[Path, html.HtmlElement]
) -> None:
    """By links of the texts alone, as on GitHub; notebooks and the site's own by all links."""
    texts = [*(ROOT / "docs").rglob("*.md")]
    own = [*(ROOT / "docs" / "site").rglob("*.rst"), *(ROOT / "notebooks").glob("*.ipynb")]
    for links, sources in (("//article//a/@href", texts), ("//a/@href", own)):
        reached, waiting = set[Path](), [site / "docs" / "index.html"]
        while waiting:
            path = waiting.pop()
            reached.add(path)
            led_to = {follow(path, str(target)) for target in pages[path].xpath(links)}
            waiting += [found for found in led_to if found in pages and found not in reached]
        wanted = {site / path.relative_to(ROOT).with_suffix(".html") for path in sources}
        assert wanted <= reached, sorted(wanted - reached)


def test_the_folder_opens_with_the_index(site: Path, pages: dict[Path, html.HtmlElement]) -> None:
    (target,) = pages[site / "index.html"].xpath("//a/@href")
    (refresh,) = pages[site / "index.html"].xpath("//meta[@http-equiv='refresh']/@content")
    assert refresh == f"0; url={target}"
    assert follow(site / "index.html", str(target)) == site / "docs" / "index.html"


def test_equations_are_laid_out_by_the_browser(pages: dict[Path, html.HtmlElement]) -> None:
    (page,) = (page for path, page in pages.items() if path.name == "equations.html")
    text = page.xpath("//article")[0]
    assert len(text.xpath(".//math[@display='block']")) >= 30
    assert text.xpath("string((.//math//mfrac)[1])").split() == ["N", "K"]
    assert "$" not in text.text_content()


def test_every_index_has_an_equation() -> None:
    table = (ROOT / "docs" / "indices.md").read_text("utf-8")
    functions = {
        function
        for row in re.findall(r"^\|[^|]+\| (`[^|]+) in \[", table, re.MULTILINE)
        for function in re.findall(r"`(\w+)`", row)
    }
    parts = (part for row in SUITE for part in (row.accumulate, row.fit, row.apply))
    plain = (getattr(part, "func", part) for part in parts if part is not None)
    used = {function.__name__ for function in plain if not function.__name__.startswith("_")}
    equations = (ROOT / "docs" / "equations.md").read_text("utf-8")
    assert len(functions) > 30
    assert len(used) > 15
    assert {name for name in functions | used if f"`{name}`" not in equations} == set()

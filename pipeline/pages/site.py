"""All pages of a published tree, and their folder."""

from __future__ import annotations

import json
import logging
from collections.abc import Mapping
from pathlib import Path

from pipeline.alerts.templates import LANGUAGES, read_templates
from pipeline.exchange.publication import PAGES, publishing
from pipeline.pages.basin import write_basin_page
from pipeline.pages.bulletin import write_bulletin
from pipeline.pages.city import TEMPLATES, environment, frame, write_city_page
from pipeline.pages.edition import Edition, read_edition
from pipeline.pages.sheet import write_sheet
from pipeline.pages.words import read_words
from pipeline.settings import Settings
from pipeline.storage.atomic import draft_file

_log = logging.getLogger(__name__)
BULLETIN = "bulletin.html"
STATIC = ("page.js", "worker.js", "icon.svg")


def write_pages(edition: Edition, *, settings: Settings) -> dict[str, bytes]:
    """Write all pages of a tree but the bulletin.

    Parameters
    ----------
    edition
        Published tree.
    settings
        Whom to ask, and the number that takes reports.

    Returns
    -------
    dict
        Content by path in the folder of the pages.
    """
    pages = {name: (TEMPLATES / name).read_bytes() for name in STATIC}
    pages["index.html"] = (
        environment().get_template("index.html.jinja").render(frame(edition, "en")).encode()
    )
    for language in LANGUAGES:
        pages[f"{language}/manifest.webmanifest"] = _write_manifest(edition, language)
        pages[f"{language}/index.html"] = write_basin_page(edition, language)
        for city in edition.cities:
            pages[f"{language}/{city}.html"] = write_city_page(
                edition, city, language, settings=settings
            )
            pages[f"{language}/{city}-sheet.html"] = write_sheet(
                edition, city, language, settings=settings
            )
    return pages


def _write_manifest(edition: Edition, language: str) -> bytes:
    """Write what a phone needs to install the pages."""
    templates, name = read_templates(language), read_words(language)["basin"]
    marked = name if edition.status == "Actual" else f"{edition.status}: {name}"
    manifest = {
        "name": marked,
        "short_name": "Mekong",
        "lang": templates["tag"],
        "start_url": "index.html",
        "scope": "../",
        "display": "minimal-ui",
        "background_color": "#ffffff",
        "theme_color": "#0b5394",
        "icons": [{"src": "../icon.svg", "sizes": "any", "type": "image/svg+xml"}],
    }
    return json.dumps(manifest, ensure_ascii=False).encode()


def refresh_pages(settings: Settings) -> tuple[str, ...]:
    """Make the pages of the newest tree; whatever happens to them, nothing is raised.

    Every page is replaced by one rename, so that a reader never sees half of one; those that are
    no more are removed at the end.

    Parameters
    ----------
    settings
        Location of the published trees, whom to ask, and the number that takes reports.

    Returns
    -------
    tuple of str
        What failed, in words; empty where all is well. Pages made before stay, and say their age;
        a bulletin of before is removed where only that fails.
    """
    folder, failures = settings.published_dir / PAGES, list[str]()
    try:
        with publishing(settings.published_dir):
            edition = read_edition(settings.published_dir)
            pages = write_pages(edition, settings=settings)
            try:
                pages[BULLETIN] = write_bulletin(edition, settings=settings)
            except Exception as error:  # noqa: BLE001  (nor a page for the bulletin)
                failures.append(_tell("bulletin", error))
            _replace(folder, pages)
    except Exception as error:  # noqa: BLE001  (a message never waits for a page)
        failures.append(_tell("pages", error))
    return tuple(failures)


def _tell(what: str, error: Exception) -> str:
    """Tell what could not be made, in a line; the log has all of it."""
    _log.error("%s: not made anew", what, exc_info=error)
    cause = " ".join(f"{type(error).__name__}: {error}".split())[:200]
    return f"{what}: not made anew ({cause})"


def _replace(folder: Path, pages: Mapping[str, bytes]) -> None:
    for path, content in pages.items():
        file = folder / path
        file.parent.mkdir(parents=True, exist_ok=True)
        if not file.is_file() or file.read_bytes() != content:
            with draft_file(file) as draft:
                draft.write_bytes(content)
    for file in sorted(folder.rglob("*")):
        if file.is_file() and file.relative_to(folder).as_posix() not in pages:
            file.unlink()

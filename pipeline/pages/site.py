"""All pages of a published tree, and their folder."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path

from pipeline.alerts.templates import LANGUAGES, read_templates
from pipeline.pages.basin import write_basin_page
from pipeline.pages.bulletin import write_bulletin
from pipeline.pages.city import TEMPLATES, environment, frame, write_city_page
from pipeline.pages.edition import Edition, read_edition
from pipeline.pages.sheet import write_sheet
from pipeline.pages.words import read_words
from pipeline.settings import Settings
from pipeline.storage.atomic import draft_file, locked

FOLDER = "page"
"""Folder of the pages in that of all published trees."""
BULLETIN = "bulletin.html"
STATIC = ("page.js", "worker.js", "icon.svg")


def publish_pages(published: Path, *, settings: Settings) -> Path:
    """Write and replace all pages of the newest tree, the bulletin last.

    Parameters
    ----------
    published
        Folder of all published trees.
    settings
        Whom to ask, and the number that takes reports.

    Returns
    -------
    Path
        Folder of the pages.

    Raises
    ------
    FileNotFoundError
        Nothing is published.
    Exception
        Of the bulletin; the other pages are replaced then, and the bulletin of before is removed.
    """
    edition = read_edition(published)
    pages = write_pages(edition, settings=settings)
    try:
        pages[BULLETIN] = write_bulletin(edition, settings=settings)
    finally:
        folder = replace_pages(published, pages)
    return folder


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


def replace_pages(published: Path, pages: Mapping[str, bytes]) -> Path:
    """Replace the pages, each by one rename; those that are no more are removed at the end.

    Every page is whole by itself, so that a reader never sees half of one, whenever this is killed.

    Parameters
    ----------
    published
        Folder of all published trees.
    pages
        Content by path, from :func:`write_pages`.

    Returns
    -------
    Path
        Folder of the pages.
    """
    folder = published / FOLDER
    folder.mkdir(parents=True, exist_ok=True)
    with locked(folder):
        for path, content in pages.items():
            file = folder / path
            file.parent.mkdir(parents=True, exist_ok=True)
            if not file.is_file() or file.read_bytes() != content:
                with draft_file(file) as draft:
                    draft.write_bytes(content)
        for file in sorted(folder.rglob("*")):
            if file.is_file() and file.relative_to(folder).as_posix() not in pages:
                file.unlink()
    return folder

"""All pages of a published tree, and their folder."""

from __future__ import annotations

import json
import logging
from collections.abc import Callable, Collection, Iterator, Mapping
from functools import partial
from pathlib import Path

from pipeline.alerts.templates import LANGUAGES, read_templates
from pipeline.exchange.publication import PAGES, publishing
from pipeline.geography.reference_tables import BadReference, tables
from pipeline.pages.basin import write_basin_page
from pipeline.pages.bulletin import write_bulletin
from pipeline.pages.city import write_city_page
from pipeline.pages.edition import Edition, read_edition
from pipeline.pages.frame import TEMPLATES, environment, frame
from pipeline.pages.sheet import write_sheet
from pipeline.pages.words import read_words
from pipeline.settings import Settings
from pipeline.storage.atomic import draft_file

_log = logging.getLogger(__name__)
BULLETIN = "bulletin.html"
PAPERS = (BULLETIN, "-sheet.html")
"""Ends of the names of pages that do not count their age."""
MOST_FINDINGS = 5
"""Faults of the reference tables that are told."""
STATIC = ("page.js", "worker.js", "icon.svg")


def write_pages(
    edition: Edition, *, settings: Settings
) -> tuple[dict[str, bytes], dict[str, Exception]]:
    """Write all pages of a tree.

    One that fails keeps no other: a fault in the figures of one city leaves the rest.

    Parameters
    ----------
    edition
        Published tree.
    settings
        Whom to ask, and the number that takes reports.

    Returns
    -------
    tuple of dict
        Content by path in the folder of the pages, and what kept the others from being made.
    """
    pages, failed = dict[str, bytes](), dict[str, Exception]()
    for path, write in _list_pages(edition, settings):
        try:
            pages[path] = write()
        except Exception as error:  # noqa: BLE001  (whatever it is, it is of this page)
            failed[path] = error
    return pages, failed


def _list_pages(edition: Edition, settings: Settings) -> Iterator[tuple[str, Callable[[], bytes]]]:
    for name in STATIC:
        yield name, (TEMPLATES / name).read_bytes
    yield "index.html", partial(_write_first, edition)
    yield BULLETIN, partial(write_bulletin, edition, settings=settings)
    for language in LANGUAGES:
        yield f"{language}/manifest.webmanifest", partial(_write_manifest, edition, language)
        yield f"{language}/index.html", partial(write_basin_page, edition, language)
        for city in edition.cities:
            for name, write in ((city, write_city_page), (f"{city}-sheet", write_sheet)):
                page = partial(write, edition, city, language, settings=settings)
                yield f"{language}/{name}.html", page


def _write_first(edition: Edition) -> bytes:
    """Write the page that goes to the reader's language."""
    template = environment().get_template("index.html.jinja")
    return template.render(frame(edition, "en")).encode()


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
        papers of before, which do not, are removed.
    """
    folder = settings.published_dir / PAGES
    try:
        with publishing(settings.published_dir):
            edition = read_edition(settings.published_dir)
            if faults := _find_faults():
                _remove_papers(folder)
                return (faults,)
            pages, failed = write_pages(edition, settings=settings)
            _replace(folder, pages, kept=[path for path in failed if not path.endswith(PAPERS)])
    except Exception as error:  # noqa: BLE001  (a message never waits for a page)
        return (_tell("pages", error),)
    told = [_tell(path, error) for path, error in failed.items()]
    return (*told[:1], *([f"pages: {len(told) - 1} more not made anew"] if told[1:] else []))


def _find_faults() -> str:
    """Read the reference tables once for all pages, and tell their faults in a line; else empty."""
    try:
        tables()
    except BadReference as bad:
        told = [str(finding) for finding in bad.findings]
        number = len(told) - MOST_FINDINGS
        more = [f"and {number} more: mekong cities check"] if number > 0 else []
        return f"pages: not made anew ({'; '.join([*told[:MOST_FINDINGS], *more])})"
    return ""


def _remove_papers(folder: Path) -> None:
    """Remove the pages that do not count their age."""
    for file in [*folder.rglob("*.html")]:
        if file.name.endswith(PAPERS):
            file.unlink()


def _tell(what: str, error: Exception) -> str:
    """Tell what could not be made, in a line; the log has all of it."""
    _log.error("%s: not made anew", what, exc_info=error)
    cause = " ".join(f"{type(error).__name__}: {error}".split())[:200]
    return f"{what}: not made anew ({cause})"


def _replace(folder: Path, pages: Mapping[str, bytes], *, kept: Collection[str]) -> None:
    for path, content in pages.items():
        file = folder / path
        file.parent.mkdir(parents=True, exist_ok=True)
        if not file.is_file() or file.read_bytes() != content:
            with draft_file(file) as draft:
                draft.write_bytes(content)
    for file in sorted(folder.rglob("*")):
        path = file.relative_to(folder).as_posix()
        if file.is_file() and path not in pages and path not in kept:
            file.unlink()

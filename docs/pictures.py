"""Draw the pictures of the pages anew: ``python -m docs.pictures``, with Chromium and Noto fonts.

Each is of the synthetic tree of the tests of the pages, three hours after its issue time: the
first screen of a city in flood on the smallest phone, in every language (docs/pages-320.png), and
that of the README (docs/page.png).
"""

from __future__ import annotations

import io
import tempfile
from collections.abc import Sequence
from pathlib import Path

from PIL import Image

from pipeline.alerts.templates import LANGUAGES
from pipeline.exchange.publication import PAGES
from pipeline.pages.site import refresh_pages
from pipeline.settings import ROOT, Settings
from tests.pages.browser import HOUR_MS, browse
from tests.pages.page_cases import FLOOD, ISSUED, publish_pages_tree
from tests.sources.public_files import served

WIDTH, HEIGHT = 320, 568
GAP = 10
COLOURS = 160


def side_by_side(pictures: Sequence[Image.Image]) -> Image.Image:
    """Put pictures of one size beside each other."""
    strip = Image.new("RGB", (len(pictures) * (WIDTH + GAP) - GAP, HEIGHT), "#888888")
    for number, picture in enumerate(pictures):
        strip.paste(picture, (number * (WIDTH + GAP), 0))
    return strip


def save(picture: Image.Image, name: str) -> None:
    """Save a picture with few colours, small enough for a repository."""
    picture.quantize(COLOURS).save(ROOT / "docs" / name, optimize=True)


def main() -> None:
    """Draw all pictures."""
    with tempfile.TemporaryDirectory() as folder, browse() as browser:
        published = publish_pages_tree(Path(folder))
        if failures := refresh_pages(Settings(data_dir=Path(folder))):
            raise RuntimeError("; ".join(failures))
        taken = dict[str, Image.Image]()
        with served(published) as address, browser.tab() as tab:
            tab.set_clock(1000 * ISSUED.timestamp() + 3 * HOUR_MS)
            tab.size(WIDTH, HEIGHT)
            for language in LANGUAGES:
                tab.open(f"{address}/{PAGES}/{language}/{FLOOD}.html")
                taken[language] = Image.open(io.BytesIO(tab.screenshot())).convert("RGB")
            tab.open(f"{address}/{PAGES}/en/index.html")
            basin = Image.open(io.BytesIO(tab.screenshot())).convert("RGB")
    save(side_by_side([*taken.values()]), "pages-320.png")
    save(side_by_side([taken["en"], taken["lo"], basin]), "page.png")


if __name__ == "__main__":
    main()

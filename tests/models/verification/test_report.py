from __future__ import annotations

import re
from html.parser import HTMLParser

import numpy as np
import pytest

from models.verification.report import render_report
from tests.models.verification.conftest import made_hindcast


class Page(HTMLParser):
    """Tags that are left open, and what the page would fetch."""

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.outside: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag not in {"meta", "br", "link", "img", "hr"}:
            self.open.append(tag)
        for name, value in attrs:
            if name in {"src", "href"} and not (value or "").startswith("#"):
                self.outside.append(f"{tag} {value}")

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        for name, value in attrs:
            if name in {"src", "href"} and not (value or "").startswith("#"):
                self.outside.append(f"{tag} {value}")

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag


@pytest.fixture(scope="module")
def text() -> str:
    return render_report(made_hindcast(), train_from="1992-01-01")


def test_the_page_stands_by_itself(text: str) -> None:
    page = Page()
    page.feed(text)
    assert page.open == []
    assert page.outside == []
    assert "@import" not in text
    assert "url(#" in text
    assert not re.search(r"url\((?!#)", text)
    for word in (
        "Measured stages", "Mukdahan", "reference", "damped anomaly", "Years after 2014",
        "Rising limb", "Within 1 m of alarm stage", "Tier no_rain", "Brier skill",
        "What acting is worth", "highest stage", "One forecast explained", "The biggest flood",
    ):  # fmt: skip
        assert word in text, word
    assert "SYNTHETIC" not in text
    assert render_report(made_hindcast(), train_from="1992-01-01") == text


def test_synthetic_scores_say_so_first() -> None:
    text = render_report(made_hindcast(years=1, origin="virtual"), train_from="1999-01-01")
    assert "SYNTHETIC: made on the virtual basin." in text[: text.index("<h2>")]


def test_an_explanation_adds_up_to_the_forecast(text: str) -> None:
    part = text[text.index("One forecast explained") :]
    for line in re.findall(r"<tr><td>\d+ d</td>(.*?)</tr>", part):
        cells = [float(c.replace("−", "-")) for c in re.findall(r"<td>(.*?)</td>", line)]
        own, rain, total, change, _ = cells
        assert total == change
        assert own + rain == pytest.approx(total, abs=1.01)  # whole centimetres


def test_nothing_to_score_is_said() -> None:
    frame = made_hindcast(years=1).assign(observed_m=np.nan)
    text = render_report(frame, train_from="1992-01-01")
    assert "No forecast could be scored." in text

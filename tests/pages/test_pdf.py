"""Printing a page where a Chromium is installed."""

from __future__ import annotations

from pathlib import Path

import pytest

from pipeline.pages.pdf import find_browser, print_pdf
from tests.pages.page_cases import count_pages, needs_browser

TWO = b"<!doctype html><p style='break-after:page'>one</p><p>two</p>"


@needs_browser
def test_a_page_is_printed(tmp_path: Path) -> None:
    assert count_pages(TWO, tmp_path) == 2
    assert (tmp_path / "page.pdf").read_bytes().startswith(b"%PDF-")


def test_without_chromium_there_is_none(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    page = tmp_path / "page.html"
    page.write_bytes(TWO)
    assert find_browser() is None
    assert print_pdf(page, tmp_path / "page.pdf") is None
    assert not (tmp_path / "page.pdf").exists()


def test_a_print_that_fails_says_why_and_leaves_the_file_of_before(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    browser = tmp_path / "chromium"
    browser.write_text("#!/bin/sh\necho no display >&2\nexit 3\n", encoding="utf-8")
    browser.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path))
    page, file = tmp_path / "page.html", tmp_path / "page.pdf"
    page.write_bytes(TWO)
    file.write_bytes(b"before")
    with pytest.raises(RuntimeError, match=r"expected a PDF from .*/chromium, found none: no disp"):
        print_pdf(page, file)
    assert file.read_bytes() == b"before"

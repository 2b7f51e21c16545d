"""The command ``mekong page``."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import urllib.request
from pathlib import Path

import pytest

from tests.command_line import run
from tests.pages.page_cases import count_pages, needs_browser, publish_pages_tree


def test_it_makes_the_pages_and_says_where_they_begin(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    published = publish_pages_tree(tmp_path)
    assert run(monkeypatch, tmp_path, "page") == 0
    assert capsys.readouterr().out.strip() == str(published / "page" / "index.html")
    assert (published / "page" / "km" / "vientiane.html").is_file()


def test_without_a_tree_it_says_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(monkeypatch, tmp_path, "page") == 2
    assert "expected a published tree" in " ".join(capsys.readouterr().err.split())


def test_it_serves_the_tree_to_this_machine_alone(tmp_path: Path) -> None:
    publish_pages_tree(tmp_path)
    served = subprocess.Popen(
        [sys.executable, "-m", "pipeline", "page", "--serve", "--port", "18431"],
        env=os.environ | {"MEKONG_DATA_DIR": str(tmp_path)},
        stdout=subprocess.PIPE,
        text=True,
        # Tests that a shell starts in the background ignore Ctrl+C, and so would their children.
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),  # noqa: PLW1509
    )
    try:
        assert served.stdout is not None
        (address,) = re.findall(r"http://127\.0\.0\.1:\d+/page/", served.stdout.readline())
        with urllib.request.urlopen(f"{address}en/vientiane.html") as answer:  # noqa: S310
            assert b"Vientiane" in answer.read()
        with urllib.request.urlopen(f"{address}../alerts.csv") as answer:  # noqa: S310
            assert answer.status == 200
        served.send_signal(signal.SIGINT)
        assert served.wait(timeout=30) == 0
    finally:
        served.kill()
        served.wait(timeout=30)


@needs_browser
def test_it_prints_the_bulletin(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    published = publish_pages_tree(tmp_path)
    assert run(monkeypatch, tmp_path, "page", "--pdf", str(tmp_path / "bulletin.pdf")) == 0
    assert (tmp_path / "bulletin.pdf").read_bytes().startswith(b"%PDF")
    assert count_pages((published / "page" / "bulletin.html").read_bytes(), tmp_path) == 3

"""A page as PDF, where a Chromium is installed."""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
from pathlib import Path

BROWSERS = ("chromium", "chromium-browser", "google-chrome")
LONGEST_S = 120.0
"""Time after which a print is given up."""


def find_browser() -> str | None:
    """Find the program that prints; None where none is installed."""
    return next((path for name in BROWSERS if (path := shutil.which(name))), None)


def print_pdf(page: Path, file: Path) -> Path | None:
    """Print a page as PDF.

    Parameters
    ----------
    page
        HTML file that needs no other file.
    file
        Where the PDF goes.

    Returns
    -------
    Path or None
        The PDF; None where no Chromium is installed.

    Raises
    ------
    RuntimeError
        Chromium did not print it.
    """
    browser = find_browser()
    if browser is None:
        return None
    with tempfile.TemporaryDirectory() as profile:
        draft = Path(profile) / "page.pdf"
        command = [
            browser, "--headless", "--disable-gpu", "--no-pdf-header-footer",
            f"--user-data-dir={profile}", f"--print-to-pdf={draft}", page.resolve().as_uri(),
        ]  # fmt: skip
        if os.geteuid() == 0:
            command.insert(1, "--no-sandbox")  # it does not start as root with one
        try:
            done = subprocess.run(  # noqa: S603
                command, capture_output=True, timeout=LONGEST_S, check=False
            )
        except subprocess.TimeoutExpired as error:
            raise RuntimeError(f"{page}: not printed within {LONGEST_S:.0f} s") from error
        if done.returncode != 0 or not draft.is_file():
            said = done.stderr.decode(errors="replace").strip()
            raise RuntimeError(f"{page}: expected a PDF from {browser}, found none: {said[-500:]}")
        file.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(draft, file)
    return file

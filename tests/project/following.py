"""Follow a page of the documentation to the letter in a copy of the project."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

from pipeline.settings import ROOT


@dataclass(frozen=True)
class Walk:
    """A page, and the copy of the project that it is followed in.

    Parameters
    ----------
    page
        Text of the page.
    project
        Root of the copy: ``pipeline`` is a copy, everything else is the project's own.
    """

    page: str
    project: Path

    def block(self, language: str, heading: str) -> str:
        """Return the one code block of a language in a section."""
        section = re.split(r"^## ", self.page.split(f"\n## {heading}\n")[1], flags=re.MULTILINE)[0]
        (block,) = re.findall(rf"```{language}\n(.*?)```", section, re.DOTALL)
        return str(block)

    def create(self, path: str, content: str) -> None:
        """Write a new file that the page names in bold."""
        assert f"**{Path(path).name}**" in self.page
        target = self.project / path
        assert not target.exists()
        target.write_text(content, encoding="utf-8")

    def insert(self, path: str, row: str, *, before: str) -> None:
        """Insert a row into a file before a text that stands there once."""
        target = self.project / path
        text = target.read_text(encoding="utf-8")
        assert text.count(before) == 1, before
        target.write_text(text.replace(before, row + before), encoding="utf-8")

    def lint(self, *paths: str) -> None:
        """Check what the page adds as the project's own code is checked."""
        ruff = shutil.which("ruff", path=str(Path(sys.executable).parent)) or "ruff"
        self.run(ruff, "check", "--no-cache", *paths)
        self.run(ruff, "format", "--no-cache", "--diff", *paths)

    def test(self, command: str) -> str:
        """Run the page's line with pytest; the files of its tests stay below ``made``."""
        _, *rest = command.split()
        return self.run(sys.executable, *rest, "-p", "no:cacheprovider", "--basetemp", "made")

    def mekong(self, command: str) -> str:
        """Run the page's line with the command line of the copy."""
        name, *rest = command.split()
        assert name == "mekong"
        return self.run(sys.executable, "-m", "pipeline", *rest)

    def python(self, code: str) -> str:
        """Run code of the page."""
        return self.run(sys.executable, "-c", code).strip()

    def run(self, *command: str) -> str:
        """Run a command in the copy and return what it prints."""
        kept = {k: v for k, v in os.environ.items() if not k.startswith(("MEKONG_", "PYTEST_"))}
        done = subprocess.run(
            command, cwd=self.project, capture_output=True, text=True, check=False,
            env=kept | {"PYTHONPATH": str(self.project), "PYTHONDONTWRITEBYTECODE": "1"},
        )  # fmt: skip
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout


def begin(page: str, folder: Path, *, tests: str) -> Walk:
    """Copy the project into an empty folder, without tests but for an empty folder of them."""
    shutil.copytree(
        ROOT / "pipeline", folder / "pipeline", ignore=shutil.ignore_patterns("__pycache__")
    )
    (folder / "data").mkdir()
    (folder / tests).mkdir(parents=True)
    for name in ("models", "data/reference", "pyproject.toml"):
        (folder / name).symlink_to(ROOT / name)
    return Walk((ROOT / "docs" / page).read_text(encoding="utf-8"), folder)

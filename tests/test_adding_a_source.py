"""docs/adding-a-source.md, followed to the letter in a copy of the project."""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from pipeline.settings import ROOT

PAGE = (ROOT / "docs" / "adding-a-source.md").read_text(encoding="utf-8")
END_OF_TABLE = "    )\n}  # fmt: skip\n"


def blocks(language: str, heading: str) -> list[str]:
    """Code blocks of a section."""
    section = re.split(r"^## ", PAGE.split(f"\n## {heading}\n")[1], flags=re.MULTILINE)[0]
    return re.findall(rf"```{language}\n(.*?)```", section, re.DOTALL)


@pytest.fixture
def project(tmp_path: Path) -> Path:
    shutil.copytree(
        ROOT / "pipeline", tmp_path / "pipeline", ignore=shutil.ignore_patterns("__pycache__")
    )
    (tmp_path / "data").mkdir()
    (tmp_path / "tests" / "sources").mkdir(parents=True)
    for name in ("models", "data/reference", "pyproject.toml"):
        (tmp_path / name).symlink_to(ROOT / name)
    return tmp_path


def into_the_table(path: Path, rows: list[str]) -> None:
    (row,) = rows
    text = path.read_text(encoding="utf-8")
    assert text.count(END_OF_TABLE) == 1
    path.write_text(text.replace(END_OF_TABLE, row + END_OF_TABLE), encoding="utf-8")


def new(path: Path, contents: list[str]) -> None:
    assert f"**{path.name}**" in PAGE
    (content,) = contents
    assert not path.exists()
    path.write_text(content, encoding="utf-8")


def run(project: Path, *command: str) -> str:
    kept = {k: v for k, v in os.environ.items() if not k.startswith(("MEKONG_", "PYTEST_"))}
    done = subprocess.run(
        command, cwd=project, capture_output=True, text=True, check=False,
        env=kept | {"PYTHONPATH": str(project), "PYTHONDONTWRITEBYTECODE": "1"},
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.mark.slow
def test_the_walk(project: Path) -> None:
    into_the_table(
        project / "pipeline/geography/variables.py", blocks("python", "A row for the variable")
    )
    new(project / "pipeline/sources/wind.py", blocks("python", "The module"))
    into_the_table(project / "pipeline/sources/__init__.py", blocks("python", "The row"))
    new(project / "tests/sources/test_wind.py", blocks("python", "A test"))
    ruff = shutil.which("ruff", path=str(Path(sys.executable).parent)) or "ruff"
    for kept in ("check", "format"):
        only = ["--diff"] if kept == "format" else []
        run(project, ruff, kept, "--no-cache", *only, "pipeline/sources/wind.py", "tests")

    (tested,) = blocks("sh", "A test")
    _, *rest = tested.split()
    said = run(project, sys.executable, *rest, "-p", "no:cacheprovider", "--basetemp", "made")
    assert "2 passed" in said
    (file,) = project.glob("made/test_north_up*0/wind_20240819.nc")
    (project / "downloads").mkdir()
    shutil.copy(file, project / "downloads")

    (ingest,) = blocks("sh", "Into the archive and back")
    command, *rest = ingest.split()
    assert command == "mekong"
    said = run(project, sys.executable, "-m", "pipeline", *rest)
    assert "wind: 1 files read, 1 steps or readings added" in said

    (back,) = blocks("python", "Into the archive and back")
    printed = run(project, sys.executable, "-c", back).strip()
    assert f"prints `{printed}`" in PAGE
    early = back.replace("datetime(2024, 8, 21", "datetime(2024, 8, 20, 3")
    with pytest.raises(AssertionError, match="no step of wind was known as of 2024-08-20 03:00Z"):
        run(project, sys.executable, "-c", early)


def test_the_page_names_every_step_of_the_contract() -> None:
    for word in ("granules", "read", "fetch", "BadGranule", "Skipped", "NotPublished", "core=True"):
        assert word in PAGE, word

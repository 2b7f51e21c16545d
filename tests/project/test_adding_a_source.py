"""docs/adding-a-source.md, followed to the letter in a copy of the project."""

import shutil
from pathlib import Path

import pytest

from pipeline.settings import ROOT
from tests.project.following import begin

END_OF_TABLE = "    )\n}  # fmt: skip\n"


@pytest.mark.slow
def test_the_walk(tmp_path: Path) -> None:
    walk = begin("adding-a-source.md", tmp_path, tests="tests/sources")
    variable, row = (walk.block("python", of) for of in ("A row for the variable", "The row"))
    walk.insert("pipeline/geography/variables.py", variable, before=END_OF_TABLE)
    walk.create("pipeline/sources/wind.py", walk.block("python", "The module"))
    walk.insert("pipeline/sources/__init__.py", row, before=END_OF_TABLE)
    walk.create("tests/sources/test_wind.py", walk.block("python", "A test"))
    walk.lint("pipeline/sources/wind.py", "tests")

    assert "2 passed" in walk.test(walk.block("sh", "A test"))
    (file,) = tmp_path.glob("made/test_north_up*0/wind_20240819.nc")
    (tmp_path / "downloads").mkdir()
    shutil.copy(file, tmp_path / "downloads")
    printed = walk.mekong(walk.block("sh", "Into the archive and back"))
    assert "wind: 1 files read, 1 steps or readings added" in printed

    back = walk.block("python", "Into the archive and back")
    assert f"prints `{walk.python(back)}`" in walk.page
    early = back.replace("datetime(2024, 8, 21", "datetime(2024, 8, 20, 3")
    with pytest.raises(AssertionError, match="no step of wind was known as of 2024-08-20 03:00Z"):
        walk.python(early)


def test_the_page_names_every_step_of_the_contract() -> None:
    page = (ROOT / "docs" / "adding-a-source.md").read_text(encoding="utf-8")
    for word in ("granules", "read", "fetch", "BadGranule", "Skipped", "NotPublished", "core=True"):
        assert word in page, word

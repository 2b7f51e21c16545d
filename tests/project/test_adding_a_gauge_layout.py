"""docs/adding-a-gauge-layout.md, followed to the letter in a copy of the project."""

import shutil
from pathlib import Path

import pytest

from tests.project.following import begin

TABLE = "pipeline/sources/gauges/file_layouts.py"


@pytest.mark.slow
def test_the_walk(tmp_path: Path) -> None:
    walk = begin("adding-a-gauge-layout.md", tmp_path, tests="tests/sources/gauges")
    walk.create("pipeline/sources/gauges/bulletin.py", walk.block("python", "The module"))
    imported = walk.block("python", "The import")
    walk.insert(TABLE, imported, before="from pipeline.sources.gauges.answers import")
    walk.insert(TABLE, walk.block("python", "The row"), before=')\n"""Layouts in the order')
    walk.create("tests/sources/gauges/test_bulletin.py", walk.block("python", "A test"))
    walk.lint("pipeline/sources/gauges", "tests")
    assert "2 passed" in walk.test(walk.block("sh", "A test"))

    (file,) = tmp_path.glob("made/test_metres_at_utc*0/bulletin_20240820.txt")
    (shown, *_) = walk.page.partition("```text\n")[2].partition("```")
    assert file.read_text(encoding="ascii") == shown
    (tmp_path / "downloads").mkdir()
    shutil.copy(file, tmp_path / "downloads")
    printed = walk.mekong(walk.block("sh", "Into the tables"))
    assert "gauges: 1 files read, 2 steps or readings added" in printed
    back = walk.python(walk.block("python", "Into the tables"))
    assert f"```text\n{back}\n```" in walk.page

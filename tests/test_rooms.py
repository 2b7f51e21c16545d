"""The order of the rooms, the size of files, and the words that are not used any more."""

from __future__ import annotations

import re
from graphlib import TopologicalSorter
from pathlib import Path

import pytest

from docs import rooms

ROOT = Path(__file__).resolve().parents[1]
SOURCES = sorted(
    path for folder in ("pipeline", "models", "dags") for path in (ROOT / folder).rglob("*.py")
)
LONGEST, LONG = 600, 400


def test_every_import_leads_to_a_lower_room() -> None:
    found = rooms.arrows()
    assert {name for pair in found for name in pair} <= {
        name for row in rooms.ORDER for name in row
    }
    assert rooms.upward(found) == []
    assert len(found) > 50, "the imports were found"


def test_packages_import_each_other_in_no_circle() -> None:
    below: dict[str, set[str]] = {}
    for package, other in rooms.of_packages(rooms.arrows()):
        below.setdefault(package, set()).add(other)
    order = list(TopologicalSorter(below).static_order())
    assert order.index("pipeline.geography") < order.index("models") < order.index("pipeline.steps")


def test_an_arrow_upwards_is_seen() -> None:
    assert rooms.upward([("pipeline.geography", "pipeline.steps")]) == [
        "pipeline.geography imports pipeline.steps"
    ]
    assert rooms.upward([("pipeline.storage", "pipeline.indices")]) == [
        "pipeline.storage imports pipeline.indices"
    ], "of the same row"


def test_long_files_have_a_reason() -> None:
    lines = {path: len(path.read_text("utf-8").splitlines()) for path in SOURCES}
    assert {path.name: count for path, count in lines.items() if count > LONGEST} == {}
    reasons = (ROOT / "docs" / "architecture.md").read_text("utf-8").partition("## Files above")[2]
    named = set(re.findall(r"`((?:pipeline|models|dags)/[\w/]+\.py)`", reasons))
    assert named == {
        path.relative_to(ROOT).as_posix() for path, count in lines.items() if count > LONG
    }


def test_no_module_is_named_after_its_one_function() -> None:
    functions = {
        path: re.findall(r"^def ([a-z]\w*)\(", path.read_text("utf-8"), re.MULTILINE)
        for path in SOURCES
        if path.parent.name != "dags"
    }
    assert [path.name for path, names in functions.items() if names == [path.stem]] == []


OLD_WORDS = (
    "stand_in",
    "stands_in_for",
    "ladder",
    "rung",
    "climb",
    "heirs?",
    "strangers",
    "witnesses",
    "unrest",
    "told_by",
    "recall",
)
"""Words that the glossary replaces, as parts of names in code."""


@pytest.mark.parametrize("word", OLD_WORDS)
def test_old_words_stay_out(word: str) -> None:
    pattern = re.compile(rf"(?<![a-z]){word}(?![a-z])", re.IGNORECASE)
    places = [
        f"{path.relative_to(ROOT)}:{number}: {line.strip()}"
        for path in SOURCES
        for number, line in enumerate(path.read_text("utf-8").splitlines(), 1)
        if pattern.search(line)
    ]
    assert places == []

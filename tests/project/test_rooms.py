"""The order of the rooms, the size of files, their tests, and words that are not used any more."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from graphlib import TopologicalSorter
from pathlib import Path

import pytest

from docs import rooms

ROOT = Path(__file__).resolve().parents[2]
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


ACROSS_ROOMS = ("benchmarks", "dags", "faults", "fuzz", "project", "scenarios")
"""Folders of tests that are of no single module."""


def has_code(source: str) -> bool:
    """Whether a module has a function that does something: a Protocol or a type needs no test."""
    return any(
        isinstance(node, ast.FunctionDef)
        and any(
            not (isinstance(part, ast.Expr) and isinstance(part.value, ast.Constant))
            for part in node.body
        )
        for node in ast.walk(ast.parse(source))
    )


def test_tests_mirror_modules() -> None:
    tests = ROOT / "tests"
    modules = {
        path.relative_to(ROOT)
        for folder in ("pipeline", "models")
        for path in (ROOT / folder).rglob("*.py")
        if has_code(path.read_text("utf-8"))
    }
    expected = {
        (path.relative_to("pipeline") if path.parts[0] == "pipeline" else path).with_name(
            f"test_{path.name}"
        )
        for path in modules
        if path.name != "__init__.py"
    }
    written = {path.relative_to(tests) for path in tests.rglob("test_*.py")}
    assert sorted(map(str, expected - written)) == [], "modules without a file of tests"
    others = {path for path in written - expected if path.parts[0] not in ACROSS_ROOMS}
    assert sorted(map(str, others)) == [], "files of tests that are of no module"


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


NOUN_ROOMS = (
    "models/**/*.py",
    "pipeline/*.py",
    "pipeline/alerts/*.py",
    "pipeline/areal/*.py",
    "pipeline/exchange/*.py",
    "pipeline/figures/*.py",
    "pipeline/geography/*.py",
    "pipeline/gridded/*.py",
    "pipeline/ground_reports/*.py",
    "pipeline/indices/*.py",
    "pipeline/ingest/*.py",
    "pipeline/issuance/*.py",
    "pipeline/supervision/*.py",
    "pipeline/quality/*.py",
    "pipeline/sources/*.py",
    "pipeline/sources/access/*.py",
    "pipeline/sources/formats/*.py",
    "pipeline/sources/gauges/*.py",
    "pipeline/storage/*.py",
    "pipeline/virtual/*.py",
)
"""Rooms whose variables are nouns; a room is added when its last ``one`` and ``found`` are gone."""
VAGUE_NAMES = {"one", "found"}


def list_vague_targets(source: str) -> list[str]:
    """List assignments, loop variables and comprehension targets with a vague name."""
    return [
        f"{node.lineno}: {node.id}"
        for node in ast.walk(ast.parse(source))
        if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store) and node.id in VAGUE_NAMES
    ]


def test_vague_targets_are_seen() -> None:
    source = "found = [one for one in rows]\nfor one, row in rows:\n    row.found = f(found=row)\n"
    assert sorted(list_vague_targets(source)) == ["1: found", "1: one", "2: one"]
    assert list_vague_targets("with open(path) as found:\n    pass\n") == ["1: found"]
    assert list_vague_targets("if found := f():\n    pass\n") == ["1: found"]


@pytest.mark.parametrize("room", NOUN_ROOMS)
def test_variables_are_nouns(room: str) -> None:
    paths = {path.relative_to(ROOT).as_posix(): path for path in ROOT.glob(room)}
    assert paths, "the room was found"
    vague = {
        name: targets
        for name, path in paths.items()
        if (targets := list_vague_targets(path.read_text("utf-8")))
    }
    assert vague == {}


REFERENCE = re.compile(r":(?:mod|func|class|meth|attr|data):`~?([\w.]+)`")


def names_in(body: list[ast.stmt]) -> Iterator[str]:
    """Names that statements define or import: functions, classes with their members, values."""
    for node in body:
        if isinstance(node, ast.If):
            yield from names_in(node.body)
        if isinstance(node, ast.Import | ast.ImportFrom):
            yield from (alias.name for alias in node.names)
        if isinstance(node, ast.FunctionDef | ast.ClassDef):
            yield node.name
        if isinstance(node, ast.ClassDef):
            yield from (f"{node.name}.{name}" for name in names_in(node.body))
        targets = node.targets if isinstance(node, ast.Assign) else []
        targets += [node.target] if isinstance(node, ast.AnnAssign) else []
        yield from (target.id for target in targets if isinstance(target, ast.Name))


def test_references_in_docstrings_lead_somewhere() -> None:
    """By the full name, or by that of something in the same module or class."""
    texts = {name: path.read_text("utf-8") for name, path in rooms.module_paths().items()}
    names = {module: set(names_in(ast.parse(text).body)) for module, text in texts.items()}
    known = {f"{module}.{name}" for module, defined in names.items() for name in defined}
    for module in texts:
        parts = module.split(".")
        known |= {".".join(parts[:end]) for end in range(1, len(parts) + 1)}
    unknown = [
        f"{module}: {name}"
        for module, text in texts.items()
        for name in REFERENCE.findall(text)
        if name not in known
        and name.partition(".")[0] not in names[module]
        and not any(own.endswith(f".{name}") for own in names[module])
    ]
    assert unknown == []

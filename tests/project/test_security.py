"""What the project's own code may not do, with the reason of each exception."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
SOURCES = sorted(
    path for room in ("pipeline", "models", "dags") for path in (ROOT / room).rglob("*.py")
)
FORBIDDEN_MODULES = {"pickle", "marshal", "shelve", "subprocess", "pty", "joblib"}
FORBIDDEN_CALLS = {"eval", "exec", "__import__", "system", "popen", "Markup"}
DRAWN = "the project's own drawings and numbers, whose texts are escaped where they are made"
EXCEPTIONS = {
    ("models/verification/comparison_files.py", "Markup"): DRAWN,
    ("models/verification/numerals.py", "Markup"): DRAWN,
    ("models/verification/report.py", "Markup"): DRAWN,
    ("pipeline/ingest/file_reader.py", "pickle"): "answers of a child that it forked, by a pipe",
    ("pipeline/pages/pdf.py", "subprocess"): "Chromium prints a page, called without a shell",
    ("models/stage/training.py", "joblib"): "processes for gauges; nothing is read from disk",
}
"""Module or call by file, and why it is there."""
SQL_EXCEPTIONS = {
    "pipeline/storage/database.py": "pragmas and columns, whose names stand in this file",
}


def names_used(tree: ast.AST) -> Iterator[str]:
    """Modules imported and functions called."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (name.name.split(".")[0] for name in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            yield node.module.split(".")[0]
        elif isinstance(node, ast.Call):
            function = node.func
            if isinstance(function, ast.Name):
                yield function.id
            elif isinstance(function, ast.Attribute):
                yield function.attr
            if any(
                keyword.arg == "shell" and ast.unparse(keyword.value) == "True"
                for keyword in node.keywords
            ):
                yield "system"


def find_made_sql(tree: ast.AST) -> Iterator[int]:
    """Lines of statements that are put together from strings rather than bound."""
    for node in ast.walk(tree):
        if not isinstance(node, ast.Call) or not node.args:
            continue
        name = ast.unparse(node.func).rpartition(".")[2]
        if name == "text" and ast.unparse(node.func) != "sa.text":
            continue
        statement = node.args[0]
        made = isinstance(statement, ast.JoinedStr | ast.BinOp) or (
            isinstance(statement, ast.Call) and ast.unparse(statement.func).endswith("format")
        )
        if name in {"text", "execute", "executemany", "exec_driver_sql"} and made:
            yield node.lineno


def test_the_checks_see_what_they_look_for() -> None:
    tree = ast.parse(
        "import pickle\nos.system('x')\nrun(['a'], shell=True)\naxes.text(f'{x}')\n"
        "connection.execute(f'select {x}')\nsa.text('select ' + x)\nexecute('select 1')\n"
    )
    assert {*names_used(tree)} & (FORBIDDEN_MODULES | FORBIDDEN_CALLS) == {"pickle", "system"}
    assert [*find_made_sql(tree)] == [5, 6]


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: str(path.relative_to(ROOT)))
def test_no_code_reads_a_pickle_or_calls_a_shell(path: Path) -> None:
    name = str(path.relative_to(ROOT))
    used = {*names_used(ast.parse(path.read_text(encoding="utf-8")))}
    found = used & (FORBIDDEN_MODULES | FORBIDDEN_CALLS)
    assert {word for word in found if (name, word) not in EXCEPTIONS} == set()


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: str(path.relative_to(ROOT)))
def test_sql_is_made_of_bound_parameters(path: Path) -> None:
    lines = [*find_made_sql(ast.parse(path.read_text(encoding="utf-8")))]
    assert str(path.relative_to(ROOT)) in SQL_EXCEPTIONS or lines == []


def test_every_exception_is_still_needed() -> None:
    for (name, word), reason in EXCEPTIONS.items():
        assert reason
        assert word in {*names_used(ast.parse((ROOT / name).read_text()))}, name
    for name in SQL_EXCEPTIONS:
        assert [*find_made_sql(ast.parse((ROOT / name).read_text()))], name

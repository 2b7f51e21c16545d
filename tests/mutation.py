"""Change the code here and there, and see whether the tests of its room notice.

Each mutant is one change of one expression: a comparison turned or moved by its end, an operator or
a number changed, a condition negated. It survives where every test of its room passes all the same.

``python -m tests.mutation`` draws some of all that the modules allow and writes docs/mutation.md.
"""

from __future__ import annotations

import argparse
import ast
import os
import random
import subprocess
import sys
import tempfile
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from queue import SimpleQueue

ROOT = Path(__file__).resolve().parents[1]
ROOMS = {
    "pipeline/alerts": "tests/alerts",
    "pipeline/quality": "tests/quality",
    "models/stage/errors.py": "tests/models/stage",
}
"""Modules that are changed, and the tests that are to notice."""
PAGE = """# Changed code

Made by `python -m tests.mutation --count {count} --seed {seed}`: in each mutant one comparison,
operator, number or truth value is another, and the tests of its room run. A mutant survives where
all of them pass. A survivor is a line without a test, or a change that makes no difference.

| room | mutants that it allows | drawn | survive |
|---|---|---|---|
{rows}

## Survivors

{survivors}
"""
TIMEOUT_S = 600.0
"""Time after which tests count as failed: a changed loop may have no end."""
_COMPARISONS: dict[type[ast.cmpop], type[ast.cmpop]] = {
    ast.Lt: ast.LtE, ast.LtE: ast.Lt, ast.Gt: ast.GtE, ast.GtE: ast.Gt, ast.Eq: ast.NotEq,
    ast.NotEq: ast.Eq, ast.In: ast.NotIn, ast.NotIn: ast.In, ast.Is: ast.IsNot, ast.IsNot: ast.Is,
}  # fmt: skip
_OPERATORS: dict[type[ast.operator], type[ast.operator]] = {
    ast.Add: ast.Sub, ast.Sub: ast.Add, ast.Mult: ast.Div, ast.Div: ast.Mult,
    ast.BitAnd: ast.BitOr, ast.BitOr: ast.BitAnd,
}  # fmt: skip


@dataclass(frozen=True)
class Mutant:
    """One change.

    Parameters
    ----------
    module
        Path of the module, from the root of the project.
    number
        Place of the change among those that the module allows.
    """

    module: str
    number: int


class _Change(ast.NodeTransformer):
    """Count the changes that a module allows, and make one of them."""

    def __init__(self, number: int = -1) -> None:
        self.number, self.count, self.made = number, 0, ""

    def visit_FunctionDef(self, node: ast.FunctionDef) -> ast.AST:
        """Change the body alone: annotations and decorators do not compute."""
        node.body = [self.visit(statement) for statement in node.body]
        return node

    def visit_ClassDef(self, node: ast.ClassDef) -> ast.AST:
        """Change the body alone, not the decorators: ``frozen`` computes nothing."""
        node.body = [self.visit(statement) for statement in node.body]
        return node

    def visit_AnnAssign(self, node: ast.AnnAssign) -> ast.AST:
        """Change the value alone."""
        if node.value is not None:
            node.value = self.visit(node.value)
        return node

    def visit_JoinedStr(self, node: ast.JoinedStr) -> ast.AST:
        """Leave texts as they are."""
        return node

    def visit_Compare(self, node: ast.Compare) -> ast.AST:
        """Turn the first comparison, or move it by its end."""
        turned = _COMPARISONS[type(node.ops[0])]()
        return self._offer(node, ast.Compare(node.left, [turned, *node.ops[1:]], node.comparators))

    def visit_BinOp(self, node: ast.BinOp) -> ast.AST:
        """Put the opposite operator."""
        turned = _OPERATORS.get(type(node.op))
        if turned is None:
            return self.generic_visit(node)
        return self._offer(node, ast.BinOp(node.left, turned(), node.right))

    def visit_BoolOp(self, node: ast.BoolOp) -> ast.AST:
        """Put ``or`` for ``and``, or ``and`` for ``or``."""
        turned = ast.Or() if isinstance(node.op, ast.And) else ast.And()
        return self._offer(node, ast.BoolOp(turned, node.values))

    def visit_UnaryOp(self, node: ast.UnaryOp) -> ast.AST:
        """Drop ``not``, ``-`` or ``~``."""
        return self._offer(node, node.operand)

    def visit_Constant(self, node: ast.Constant) -> ast.AST:
        """Change a number or a truth value."""
        if isinstance(node.value, bool):
            return self._offer(node, ast.Constant(not node.value))
        if isinstance(node.value, int):
            return self._offer(node, ast.Constant(node.value + 1))
        if isinstance(node.value, float):
            return self._offer(node, ast.Constant(node.value * 1.1 + 0.01))
        return node

    def _offer(self, node: ast.expr, changed: ast.expr) -> ast.AST:
        self.count += 1
        if self.count - 1 == self.number:
            self.made = f"{node.lineno}: {ast.unparse(node)} -> {ast.unparse(changed)}"
            return ast.copy_location(changed, node)
        return self.generic_visit(node)


def list_mutants() -> list[Mutant]:
    """List every change that the modules of ``ROOMS`` allow."""
    mutants = []
    for room in ROOMS:
        place = ROOT / room
        for path in sorted(place.rglob("*.py")) if place.is_dir() else [place]:
            change = _Change()
            change.visit(ast.parse(path.read_text("utf-8")))
            module = path.relative_to(ROOT).as_posix()
            mutants += [Mutant(module, number) for number in range(change.count)]
    return mutants


def survives(mutant: Mutant, project: Path) -> str | None:
    """Make a change in a copy of the project and run the tests of its room.

    Returns
    -------
    str or None
        Place and text of the change where no test fails.
    """
    path = project / mutant.module
    source = path.read_text("utf-8")
    change = _Change(mutant.number)
    tree = ast.fix_missing_locations(change.visit(ast.parse(source)))
    tests = ROOMS[_room(mutant)]
    own = sorted((project / tests).rglob(f"test_{path.stem}.py"))
    path.write_text(ast.unparse(tree), "utf-8")
    try:
        for target in ([str(test) for test in own], [str(project / tests)]):
            if target and not _passes(target, project):
                return None
    finally:
        path.write_text(source, "utf-8")
    return f"{mutant.module}:{change.made}"


def _passes(tests: list[str], project: Path) -> bool:
    """Whether tests pass in a copy of the project."""
    command = [sys.executable, "-m", "pytest", "-n0", "-x", "-q", "-p", "no:cacheprovider", *tests]
    try:
        done = subprocess.run(
            command, cwd=project, capture_output=True, check=False, timeout=TIMEOUT_S,
            env=os.environ | {"PYTHONPATH": str(project), "PYTHONDONTWRITEBYTECODE": "1"},
        )  # fmt: skip
    except subprocess.TimeoutExpired:
        return False
    return done.returncode == 0


def main() -> None:
    """Draw mutants, judge them and write the page."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--count", type=int, default=200)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--workers", type=int, default=2)
    options = parser.parse_args()
    mutants = list_mutants()
    drawn = random.Random(options.seed).sample(mutants, min(options.count, len(mutants)))  # noqa: S311
    with tempfile.TemporaryDirectory() as folder:
        copies: SimpleQueue[Path] = SimpleQueue()
        for worker in range(options.workers):
            copy = Path(folder) / str(worker)
            index = ["git", "checkout-index", "--all", f"--prefix={copy}/"]
            subprocess.run(index, cwd=ROOT, check=True)
            copies.put(copy)

        def judge(mutant: Mutant) -> str | None:
            project = copies.get()
            try:
                return survives(mutant, project)
            finally:
                copies.put(project)

        with ThreadPoolExecutor(options.workers) as threads:
            judged = list(zip(drawn, threads.map(judge, drawn), strict=True))
    drawn_in = Counter(map(_room, drawn))
    survived_in = Counter(_room(mutant) for mutant, survivor in judged if survivor)
    survivors = [survivor for _, survivor in judged if survivor]
    rows = [
        f"| `{room}` | {allowed} | {drawn_in[room]} | {survived_in[room]} |"
        for room, allowed in Counter(map(_room, mutants)).items()
    ]
    lines = [f"* `{survivor}`" for survivor in sorted(survivors)]
    page = PAGE.format(
        count=options.count, seed=options.seed, rows="\n".join(rows), survivors="\n".join(lines)
    )
    (ROOT / "docs" / "mutation.md").write_text(page, "utf-8")


def _room(mutant: Mutant) -> str:
    return next(room for room in ROOMS if mutant.module.startswith(room))


if __name__ == "__main__":
    main()

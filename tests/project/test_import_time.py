"""The command starts quickly, and each step imports what it needs alone."""

from __future__ import annotations

import ast
import os
import resource
import subprocess
import sys
from functools import cache

import pytest

from pipeline.settings import ROOT

SLACK = 2.0
"""Times the budget that a machine may take, beside being slower or busier than a quiet core."""
PANDAS_S = 0.5
"""CPU time of an import of pandas on a quiet core, by which the machine of the test is judged."""
HELP_S, STEP_S, MODELS_S = 0.7, 2.0, 3.5
"""CPU time of the help and of mistakes, of the imports of a step, and of one that forecasts or
trains with all models."""
COMMAND_LINE = {"numpy", "pandas", "xarray", "pydantic_settings", "sqlalchemy", "pipeline.steps"}
DRAWING = {"matplotlib", "pipeline.figures"}
MODELS = {"skops", "sklearn", "scipy.stats", "scipy.linalg"}
PROVIDERS = {"httpx", "tenacity", "rich"}
EVERY_STEP = {"distributed", "IPython", "pytest", "rasterio", "rioxarray"}
"""What no step imports before it is needed: by a cluster or by the reader of a source."""
STEPS = {
    "ingest": DRAWING | MODELS | PROVIDERS,
    "sources": DRAWING | MODELS | PROVIDERS,
    "simulate": DRAWING | {"skops", "sklearn", "sqlalchemy", "icechunk"},
    "assess": DRAWING | MODELS | PROVIDERS,
    "indices": DRAWING | MODELS | PROVIDERS,
    "prepare": DRAWING | MODELS | PROVIDERS | {"icechunk", "dask"},
    "forecast": DRAWING | {"httpx", "tenacity", "skops"},
    "explain": DRAWING | MODELS | PROVIDERS | {"icechunk", "dask"},
    "explain_message": DRAWING | PROVIDERS | {"scipy.stats", "sklearn"},
    "publish": {"matplotlib"} | {"scipy.stats"} | PROVIDERS,
    "replay": DRAWING | {"scipy.stats"} | PROVIDERS,
    "cancel": {"matplotlib"} | MODELS | PROVIDERS,
    "drill": DRAWING | MODELS | PROVIDERS,
    "verify": DRAWING | MODELS | PROVIDERS | {"icechunk", "dask"},
    "train": DRAWING | {"httpx", "tenacity", "skops"},
}
"""By step what its imports must not bring; the hindcast draws its report."""
QUICK = {"ingest", "forecast", "publish", "explain"}
"""Steps whose imports the quick tests measure."""


def run(code: str) -> tuple[float, set[str]]:
    """CPU time (s) of a fresh interpreter that runs some code, and the modules it then has."""
    report = "import sys; print(*sys.modules, file=sys.stderr)"
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    done = subprocess.run(
        [sys.executable, "-c", f"{code}\n{report}"],
        cwd=ROOT,
        env=os.environ | {"PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        check=True,
    )
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    seconds = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return seconds, set(done.stderr.splitlines()[-1].split())


def is_quick(seconds: float, limit: float) -> bool:
    """Whether CPU time is below a limit, which grows by what this machine is slower, now, than a
    quiet core."""
    if seconds < limit:
        return True
    pandas, _ = run("import pandas")
    return seconds < limit * pandas / PANDAS_S


def list_steps() -> list[ast.FunctionDef]:
    """Functions of the modules of steps."""
    return [
        node
        for name in ("steps", "review")
        for node in ast.parse((ROOT / "pipeline" / f"{name}.py").read_text("utf-8")).body
        if isinstance(node, ast.FunctionDef)
    ]


@cache
def imports_of(step: str) -> str:
    """Import statements of a step."""
    (function,) = (node for node in list_steps() if node.name == step)
    lines = [
        ast.unparse(node)
        for node in ast.walk(function)
        if isinstance(node, ast.Import | ast.ImportFrom)
    ]
    return "\n".join(["from pipeline import steps", *lines])


@pytest.mark.parametrize(
    ("arguments", "code"), [(["--help"], 0), (["bogus"], 2), (["status", "--date", "x"], 2)]
)
def test_help_and_mistakes_come_at_once(arguments: list[str], code: int) -> None:
    command = f"""
import sys
sys.argv = ["mekong", *{arguments!r}]
from pipeline.__main__ import main
try:
    main()
except SystemExit as left:
    assert left.code == {code}, left.code
else:
    assert {code} == 0
"""
    seconds, modules = run(command)
    assert modules & COMMAND_LINE == set()
    assert is_quick(seconds, SLACK * HELP_S)


@pytest.mark.parametrize(
    "step",
    [step if step in QUICK else pytest.param(step, marks=pytest.mark.slow) for step in STEPS],
)
def test_a_step_imports_what_it_needs_alone(step: str) -> None:
    seconds, modules = run(imports_of(step))
    assert modules & (STEPS[step] | EVERY_STEP) == set()
    budget = MODELS_S if step in {"forecast", "train"} else STEP_S
    assert is_quick(seconds, SLACK * budget)


def test_every_step_is_here() -> None:
    steps = {node.name for node in list_steps()}
    assert {name for name in steps if not name.startswith("_")} == {*STEPS, "hindcast"}


def test_a_dag_imports_the_table_of_sources_alone() -> None:
    _, modules = run("from pipeline.sources import select_sources")
    assert {name for name in modules if name.split(".")[0] in {"pipeline", "models"}} <= {
        "pipeline", "pipeline.sources", "pipeline.sources.base",
    }  # fmt: skip
    assert modules & COMMAND_LINE == set()

"""What Airflow calls a night: each task failing in turn, and nights without a source."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
STEPS = ["assess", "forecast", "publish", "validate"]
RUN = """
import json, sys
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from airflow.models.dagbag import DagBag
from pipeline import console, nightly, sources, steps
from pipeline.supervision import notices, validation

nights = json.loads(sys.argv[2])
calls = []

@dataclass
class Done:
    degraded: tuple = ()
    awaited: bool = False
    days: int = 1
    version: str = "v"
    findings: tuple = ()

def step(name):
    def run(source=None, *, asof, now=None):
        calls.append(name if source is None else source)
        if calls[-1] in fails or name in fails:
            raise OSError(f"{name} {source or ''} cannot be done")
        return Done(tuple(degraded)) if name == "publish" else Done()
    return run

sources.select_sources = lambda upstream: ["imerg_late", "smap"]
for name in [name for name in vars(console) if name.startswith("describe_")]:
    setattr(console, name, str)
for name in ("simulate", "ingest", "assess", "forecast", "publish"):
    setattr(steps, name, step(name))
validation.validate = step("validate")
nightly.verify_last = lambda asof: None
told = []
notices.tell = lambda **fault: told.append(fault["task"])
notices.tell_run = lambda **fault: None
dag = DagBag(sys.argv[1]).dags["mekong_nightly"]
for task in dag.tasks:
    task.retries = 0
found = []
for number, (fails, degraded) in enumerate(nights):
    calls.clear()
    told.clear()
    run = dag.test(logical_date=datetime(2026, 8, 1, 0, 30, tzinfo=UTC) + timedelta(days=number))
    states = {}
    for one in run.get_task_instances():
        states.setdefault(one.task_id, set()).add(str(one.state))
    found.append({
        "run": str(run.state),
        "tasks": {name: sorted(of) for name, of in states.items()},
        "calls": sorted(set(calls)),
        "told": sorted(set(told)),
    })
print(json.dumps(found))
"""


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> dict[str, dict[str, object]]:
    """States of runs whose steps do nothing or fail, by what failed."""
    home = tmp_path_factory.mktemp("airflow")
    for name in ("airflow.cfg", "dags", "make.py"):
        (home / name).symlink_to(ROOT / name)
    environment = os.environ | {
        "AIRFLOW_HOME": str(home),
        "MEKONG_DATA_DIR": str(home / "data"),
        "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
        "PYTHONPATH": f"{ROOT}{os.pathsep}{ROOT / 'dags'}",
    }
    nights: dict[str, tuple[list[str], list[str]]] = {name: ([name], []) for name in STEPS}
    nights |= {
        "nothing": ([], []),
        "simulate": (["simulate"], []),
        "one source": (["smap"], []),
        "every source": (["ingest"], []),
        "degraded": ([], ["imerg_late gave nothing"]),
        "degraded again": ([], ["imerg_late gave nothing"]),
        "degraded once more": ([], ["imerg_late gave nothing"]),
    }
    commands = (
        ["airflow", "db", "migrate"],
        ["airflow", "dags", "reserialize"],
        [sys.executable, "-c", RUN, str(ROOT / "dags"), json.dumps(list(nights.values()))],
    )
    for command in commands:
        done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]
    return dict(zip(nights, json.loads(done.stdout.splitlines()[-1]), strict=True))


def failed(run: dict[str, object]) -> set[str]:
    tasks = run["tasks"]
    assert isinstance(tasks, dict)
    return {name for name, states in tasks.items() if "failed" in states}


@pytest.mark.slow
def test_a_night_on_which_all_is_well_is_green(runs: dict[str, dict[str, object]]) -> None:
    assert runs["nothing"]["run"] == "success"
    assert failed(runs["nothing"]) == set()


@pytest.mark.slow
@pytest.mark.parametrize("source", ["one source", "every source"])
def test_a_failed_ingest_is_published_round_and_fails_the_run(
    runs: dict[str, dict[str, object]], source: str
) -> None:
    assert runs[source]["run"] == "failed"
    lost = {"ingest.smap"} if source == "one source" else {"ingest.smap", "ingest.imerg_late"}
    assert failed(runs[source]) == {*lost, "verdict"}
    assert set(STEPS) <= set(runs[source]["calls"])  # type: ignore[call-overload]


@pytest.mark.slow
def test_a_night_whose_upstream_cannot_be_laid_out_is_published_and_fails(
    runs: dict[str, dict[str, object]],
) -> None:
    assert runs["simulate"]["run"] == "failed"
    assert failed(runs["simulate"]) == {"prepare", "verdict"}
    assert "publish" in runs["simulate"]["calls"]  # type: ignore[operator]


@pytest.mark.slow
@pytest.mark.parametrize("step", STEPS)
def test_a_failed_step_fails_the_run(runs: dict[str, dict[str, object]], step: str) -> None:
    assert runs[step]["run"] == "failed"
    assert failed(runs[step]) == {step, "verdict"}
    assert runs[step]["told"] == sorted([step, "verdict"])
    after = STEPS[STEPS.index(step) + 1 :]
    assert not {*after} & set(runs[step]["calls"])  # type: ignore[call-overload]


@pytest.mark.slow
def test_nights_without_a_source_are_published_fail_and_hold_up_none(
    runs: dict[str, dict[str, object]],
) -> None:
    for night in ("degraded", "degraded again", "degraded once more"):
        assert runs[night]["run"] == "failed"
        assert failed(runs[night]) == {"verdict"}
        assert "publish" in runs[night]["calls"]  # type: ignore[operator]

"""Before a night is assessed: which runs it waits for, and the nights that were missed."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).resolve().parents[2]
ASSESS = """
import json, os, sys
from collections import defaultdict
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace
from airflow.models.dagbag import DagBag
from airflow.sdk.bases.operator import ExecutorSafeguard
from airflow.sdk.exceptions import AirflowFailException, TaskDeferred
from pipeline import console, nightly, steps
from pipeline.supervision import notices

ExecutorSafeguard.test_mode = True
Assess = type(DagBag(sys.argv[1]).dags["mekong_nightly"].task_dict["assess"])
console.describe_assessed = str
NOW, ISSUED = datetime.now(UTC), "2026-08-20T00:30:00+00:00"
calls = []

def step(name, error=None):
    def run(*, asof):
        calls.append(f"{name} {asof:%H:%M}")
        if error:
            raise error
        return []
    return run

def assess(run_type="scheduled", others=(), fails="", last_try=True, issued=ISSUED, conf=None):
    "Run it beside other runs: state, kind and hours since they began, the nearest first."
    calls.clear()
    for name in ("catch_up", "verify_last"):
        setattr(nightly, name, step(name, OSError("no room") if name == fails else None))
    steps.assess = step("assess")
    notices.tell = lambda **fault: calls.append(f"tell {fault['task']}: {fault['error']}")
    def find(state=None):
        for of, kind, ago in others:
            if of == state:
                began = None if ago is None else NOW - timedelta(hours=ago)
                return SimpleNamespace(run_type=kind, start_date=began)
    own = SimpleNamespace(
        run_type=run_type, start_date=NOW - timedelta(hours=1), run_after=NOW,
        logical_date=datetime.fromisoformat(ISSUED), conf=conf,
    )
    os.environ["MEKONG_UPSTREAM"] = "virtual" if issued == ISSUED else "archive"
    ti = SimpleNamespace(
        get_previous_dagrun=find, dag_id="mekong_nightly", task_id="assess", max_tries=2,
        try_number=3 if last_try else 2,
    )
    events = defaultdict(SimpleNamespace)
    context = {"dag_run": own, "ti": ti, "outlet_events": events, "params": {}}
    ingested = [("smap", ISSUED), None, ("gk2a", "2026-08-20T01:10:00+00:00")]
    try:
        task = Assess(task_id=f"t{len(found)}", issue_time=issued, ingested=ingested)
        found.append([task.execute(context), *calls])
    except TaskDeferred:
        found.append(["put off", *calls])
    except OSError as error:
        found.append([f"fails: {error}", *calls])
    except AirflowFailException as error:
        found.append([f"refused: {error}", *calls])

found = []
for arguments in json.loads(sys.argv[2]):
    assess(**arguments)
print(json.dumps(found))
"""
BEHIND = "2026-08-20T01:10:00+00:00"
"""Moment at which the last ingest stopped waiting for its provider."""
ALONE = [BEHIND, "catch_up 00:30", "verify_last 00:30", "assess 01:10"]
CASES: dict[str, tuple[dict[str, Any], list[str]]] = {
    "a night that waited for a provider is no missed night of its own": ({}, ALONE),
    "a manual run catches up nothing": (
        {"run_type": "manual"}, [BEHIND, "verify_last 00:30", "assess 01:10"],
    ),
    "an earlier night in work": ({"others": [["running", "scheduled", 2]]}, ["put off"]),
    "a backfill in work": (
        {"run_type": "backfill", "others": [["running", "backfill", 1.001]]}, ["put off"],
    ),
    "one that began later": ({"others": [["running", "backfill", 0.5]]}, ALONE),
    "one that was cleared, and begins when this one ends": (
        {"others": [["queued", "scheduled", None]]}, ALONE,
    ),
    "a backfill that is paused": ({"others": [["queued", "backfill", None]]}, ALONE),
    "one that hangs": ({"others": [["running", "scheduled", 6.1]]}, ALONE),
    "a manual run": ({"others": [["running", "manual", 2]]}, ALONE),
    "missed nights that cannot be issued are tried again": (
        {"fails": "catch_up", "last_try": False}, ["fails: no room", "catch_up 00:30"],
    ),
    "missed nights that cannot be issued keep no night from people": (
        {"fails": "catch_up"},
        [BEHIND, "catch_up 00:30", "tell assess: no room", "assess 01:10"],
    ),
    "nor does a night that cannot be scored": (
        {"fails": "verify_last"},
        [BEHIND, "catch_up 00:30", "verify_last 00:30", "tell assess: no room", "assess 01:10"],
    ),
    "a parameter that no DAG has, where a dry run was meant": (
        {"run_type": "manual", "conf": {"dryrun": True}},
        ["refused: expected parameters among issue_time, sources, dry_run, found dryrun"],
    ),
    "parameters that there are": (
        {"run_type": "manual", "conf": {"issue_time": "2026-08-20T00:30:00Z", "dry_run": True}},
        [BEHIND, "verify_last 00:30", "assess 01:10"],
    ),
    "a night of the future, after which no true one would be sent": (
        {"run_type": "manual", "issued": "2190-08-20T00:30:00+00:00"},
        ["refused: expected an issue time of the past, found 2190-08-20T00:30:00+00:00"],
    ),
}  # fmt: skip


@pytest.fixture(scope="module")
def found(tmp_path_factory: pytest.TempPathFactory) -> dict[str, list[str]]:
    home = tmp_path_factory.mktemp("airflow")
    (home / "airflow.cfg").symlink_to(ROOT / "airflow.cfg")
    (home / "make.py").symlink_to(ROOT / "make.py")
    arguments = json.dumps([arguments for arguments, _ in CASES.values()])
    done = subprocess.run(
        [sys.executable, "-c", ASSESS, str(ROOT / "dags"), arguments],
        env=os.environ
        | {
            "AIRFLOW_HOME": str(home),
            "MEKONG_DATA_DIR": str(home / "data"),
            "PYTHONPATH": f"{ROOT}{os.pathsep}{ROOT / 'dags'}",
        },
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    return dict(zip(CASES, json.loads(done.stdout.splitlines()[-1]), strict=True))


@pytest.mark.parametrize("case", CASES)
def test_before_a_night_is_assessed(found: dict[str, list[str]], case: str) -> None:
    assert found[case] == CASES[case][1]

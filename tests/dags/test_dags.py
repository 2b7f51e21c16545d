"""The orchestrator stays out of the library, and the library out of the schedule's parsing."""

from __future__ import annotations

import ast
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from pipeline.sources import NIGHTLY, SOURCES
from tests.sources.servers import Earthdata, running

ROOT = Path(__file__).resolve().parents[2]
LIBRARY = sorted((*(ROOT / "pipeline").rglob("*.py"), *(ROOT / "models").rglob("*.py")))
PARSE = """
import json, sys, time
from airflow.sdk import dag, task
from airflow.models.dagbag import DagBag
before = set(sys.modules)
start = time.process_time()
bag = DagBag(sys.argv[1])
seconds = time.process_time() - start
heavy = {"xarray", "pandas", "sklearn", "numpy", "zarr", "scipy", "h5py"}
print(json.dumps({
    "seconds": seconds,
    "heavy": sorted(heavy & (set(sys.modules) - before)),
    "errors": bag.import_errors,
    "dags": {
        name: {
            "schedule": getattr(dag.timetable, "expression", None),
            "catchup": dag.catchup,
            "tasks": [task.task_id for task in dag.topological_sort()],
            "pools": [task.pool for task in dag.tasks],
            "told": dag.on_failure_callback is not None,
            "longest_s": [task.execution_timeout.total_seconds() for task in dag.tasks],
        }
        for name, dag in bag.dags.items()
    },
}))
"""


WAIT = """
import json, sys
from datetime import UTC, datetime, timedelta
from airflow.models.dagbag import DagBag
from airflow.sdk.bases.operator import ExecutorSafeguard
from airflow.sdk.exceptions import TaskDeferred
from pipeline import steps
ExecutorSafeguard.test_mode = True
bag = DagBag(sys.argv[1])
Ingest = type(bag.dags["mekong_nightly"].task_dict["ingest.imerg_late"])
found = []
for ago, event in ((10, None), (85, None), (20, True), (100, None), (100, True)):
    now = datetime.now(UTC)
    issued = now - timedelta(minutes=ago)
    task = Ingest(task_id=f"t{len(found)}", source="imerg_late", issue_time=issued.isoformat())
    try:
        source, moment = task.execute({"params": {"sources": []}}, event)
        assert source == "imerg_late"
        asof = datetime.fromisoformat(moment)
        found.append(["as of, minutes after its time", round((asof - issued).total_seconds() / 60)])
    except TaskDeferred as put_off:
        assert put_off.method_name == "execute"
        moment = put_off.trigger.moment
        found.append(["put off, minutes", round((moment - now).total_seconds() / 60)])
print(json.dumps(found))
"""


LOGIN = """
import json
from airflow.api_fastapi.app import create_app
from fastapi.testclient import TestClient
with TestClient(create_app(apps="core")) as client:
    told = {"none": client.get("/auth/token")}
    for name, word in (("wrong", "guess"), ("right", "a-password")):
        body = {"username": "admin", "password": word}
        told[name] = client.post("/auth/token", json=body)
print(json.dumps({name: answer.status_code for name, answer in told.items()}))
"""


@pytest.fixture(scope="module")
def parsed(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """What a cold process finds when it parses the DAG files."""
    home = tmp_path_factory.mktemp("airflow")
    (home / "airflow.cfg").write_text((ROOT / "airflow.cfg").read_text())
    (home / "make.py").symlink_to(ROOT / "make.py")
    done = subprocess.run(
        [sys.executable, "-c", PARSE, str(ROOT / "dags")],
        env=os.environ
        | {
            "AIRFLOW_HOME": str(home),
            "PYTHONPATH": f"{ROOT}{os.pathsep}{ROOT / 'dags'}",
        },
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    found: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return found


@pytest.mark.parametrize("path", LIBRARY, ids=lambda path: str(path.relative_to(ROOT)))
def test_library_imports_no_airflow(path: Path) -> None:
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        names = [one.name for one in node.names] if isinstance(node, ast.Import) else []
        if isinstance(node, ast.ImportFrom) and node.module:
            names = [node.module]
        assert not [name for name in names if name.split(".")[0] == "airflow"]


def test_parsing_imports_nothing_heavy(parsed: dict[str, Any]) -> None:
    assert parsed["errors"] == {}
    assert parsed["heavy"] == []


def test_parsing_takes_less_than_a_second(parsed: dict[str, Any]) -> None:
    assert parsed["seconds"] < 1.0


def test_the_night_runs_at_half_past_midnight_in_the_order_of_the_house(
    parsed: dict[str, Any],
) -> None:
    night = parsed["dags"]["mekong_nightly"]
    assert (night["schedule"], night["catchup"]) == ("30 0 * * *", False)
    assert night["tasks"][0] == "prepare"
    assert {name.removeprefix("ingest.") for name in night["tasks"][1:-5]} == set(NIGHTLY)
    assert night["tasks"][-5:] == [
        "assess", "forecast", "publish", "validate", "verdict",
    ]  # fmt: skip


@pytest.mark.slow
def test_a_night_waits_for_a_provider_that_is_behind_without_a_worker(tmp_path: Path) -> None:
    """The catalogue answers and knows no file: each ingest is put off, until the deadline."""
    with running("127.0.0.2", "127.0.0.1", "127.0.0.2", "127.0.0.1") as servers:
        nasa = Earthdata(*servers)
        done = subprocess.run(
            [sys.executable, "-c", WAIT, str(ROOT / "dags")],
            env=os.environ
            | {
                "AIRFLOW_HOME": str(tmp_path),
                "EARTHDATA_TOKEN": Earthdata.TOKEN,
                "HOME": str(tmp_path),
                "MEKONG_DATA_DIR": str(tmp_path / "data"),
                "MEKONG_ENDPOINTS": json.dumps(nasa.endpoints),
                "MEKONG_UPSTREAM": "internet",
                "MEKONG_WAIT_MINUTES": "90",
                "PYTHONPATH": f"{ROOT}{os.pathsep}{ROOT / 'dags'}",
            },
            capture_output=True,
            text=True,
            check=False,
        )
    assert done.returncode == 0, done.stderr[-3000:]
    found = json.loads(done.stdout.splitlines()[-1])
    assert found == [
        ["put off, minutes", 10],
        ["put off, minutes", 5],
        ["put off, minutes", 10],
        ["as of, minutes after its time", 0],
        ["as of, minutes after its time", 90],
    ]


def test_the_history_is_ingested_year_by_year_and_then_trained_on(parsed: dict[str, Any]) -> None:
    history = parsed["dags"]["mekong_backfill"]
    assert set(history["tasks"]) == {"years", "ingest_year", "ingest_gauges", "train"}
    assert history["tasks"][-1] == "train"


def test_every_pool_that_a_task_names_is_in_the_file_of_pools(parsed: dict[str, Any]) -> None:
    pools = json.loads((ROOT / "dags" / "pools.json").read_text())
    named = {pool for dag in parsed["dags"].values() for pool in dag["pools"]} - {"default_pool"}
    assert named <= set(pools)
    assert pools["mekong_issuing"]["slots"] == 1
    assert {f"mekong_{row.provider}" for row in SOURCES.values()} == set(pools) - {"mekong_issuing"}


def test_no_task_and_no_run_may_last_for_ever_and_each_failure_is_told(
    parsed: dict[str, Any],
) -> None:
    for name, dag in parsed["dags"].items():
        assert dag["told"], name
        assert 0 < max(dag["longest_s"]) <= 3600, name


def test_the_configuration_holds_no_path_and_no_secret() -> None:
    text = (ROOT / "airflow.cfg").read_text(encoding="utf-8")
    values = [line.partition("=")[2].strip() for line in text.splitlines() if "=" in line]
    assert not [value for value in values if value.startswith("/") or ":///" in value.replace(
        "sqlite:///$AIRFLOW_HOME", ""
    )]  # fmt: skip
    assert "jwt_secret =" not in text
    assert "fernet_key" not in text


@pytest.mark.slow
def test_a_local_user_without_the_password_gets_no_token(tmp_path: Path) -> None:
    """What the API server asks of who reaches its port, by the project's own configuration."""
    (tmp_path / "make.py").symlink_to(ROOT / "make.py")
    (tmp_path / "airflow.cfg").symlink_to(ROOT / "airflow.cfg")
    (tmp_path / "var").mkdir()
    (tmp_path / "var" / "airflow-passwords.json").write_text('{"admin": "a-password"}')
    environment = os.environ | {
        "AIRFLOW_HOME": str(tmp_path),
        "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
        "PYTHONPATH": str(ROOT),
    }
    done = subprocess.run(
        [sys.executable, "-c", LOGIN], env=environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr[-3000:]
    assert json.loads(done.stdout.splitlines()[-1]) == {"none": 403, "wrong": 401, "right": 201}

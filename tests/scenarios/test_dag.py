"""The real DAG, run by Airflow in an installation of its own, publishes what the steps publish."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from pipeline.settings import Settings
from tests.scenarios import nights
from tests.scenarios.nights import Night

ROOT = Path(__file__).resolve().parents[2]


@pytest.mark.slow
def test_the_dag_publishes_what_the_steps_publish(
    laid_out: Settings, flood: Night, tmp_path: Path
) -> None:
    settings = nights.fork(laid_out, tmp_path / "data")
    home = tmp_path / "airflow"
    home.mkdir()
    for name in ("airflow.cfg", "dags", "make.py"):
        (home / name).symlink_to(ROOT / name)
    environment = os.environ | {
        "AIRFLOW_HOME": str(home),
        "AIRFLOW__CORE__DEFAULT_TASK_RETRIES": "0",
        "MEKONG_DATA_DIR": str(settings.data_dir),
        "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
        "PYTHONPATH": str(ROOT),
    }
    issue_time = nights.FLOOD.isoformat()
    for command in (["db", "migrate"], ["dags", "test", "mekong_nightly", issue_time]):
        done = subprocess.run(
            ["airflow", *command], env=environment, capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]
    ran = nights.Night(settings, nights.FLOOD)
    for name in ("alerts.csv", "alerts.geojson", "risk.nc"):
        assert (ran.folder / name).read_bytes() == (flood.folder / name).read_bytes()
    assert sorted(path.name for path in ran.folder.glob("cap/*.xml")) == sorted(
        path.name for path in flood.folder.glob("cap/*.xml")
    )

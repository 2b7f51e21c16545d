"""What Airflow adds to a night and the watch: ``python3 -m tests.benchmarks.orchestration``.

A DAG is run as ``python3 make.py nightly`` runs it, in a process of its own. What its steps take
in their tasks is timed there; the rest of the process's time is orchestration: loading Airflow,
parsing, its tables, and what happens between the tasks.
"""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import dataclass
from datetime import UTC, datetime, time, timedelta
from pathlib import Path
from tempfile import TemporaryDirectory
from time import perf_counter

from pipeline import steps
from pipeline.settings import Settings
from pipeline.virtual import SHOWCASE
from tests.dags.installation import Installation

OVERHEAD_S, WATCH_S = 60.0, 60.0
"""Longest orchestration of a night, and longest watch in all."""
TIMED = """
import importlib, json, sys, time
from functools import wraps

places = {
    "pipeline.steps": ("simulate", "ingest", "assess", "forecast", "publish"),
    "pipeline.nightly": ("catch_up", "verify_last"),
    "pipeline.hourly": ("watch",),
    "pipeline.supervision.notices": ("remind",),
    "pipeline.supervision.validation": ("validate",),
}
took, within = [], []


def timed(name, do):
    @wraps(do)
    def call(*arguments, **options):
        begin = time.perf_counter()
        within.append(name)
        try:
            return do(*arguments, **options)
        finally:
            within.pop()
            if not within:
                took.append((name, time.perf_counter() - begin))

    return call


for place, names in places.items():
    module = importlib.import_module(place)
    for name in names:
        setattr(module, name, timed(name, getattr(module, name)))
to, *sys.argv[1:] = sys.argv[1:]
sys.argv[0] = "airflow"
from airflow.__main__ import main
try:
    main()
finally:
    with open(to, "w") as stream:
        json.dump(took, stream)
"""


@dataclass(frozen=True)
class Orchestrated:
    """A run of a DAG.

    Parameters
    ----------
    seconds
        Wall time of the process that runs it.
    steps
        Name and wall time of each step, in order, seconds.
    """

    seconds: float
    steps: list[tuple[str, float]]

    @property
    def overhead_s(self) -> float:
        """Time that is no step's, seconds."""
        return self.seconds - sum(seconds for _, seconds in self.steps)


def run_dag(airflow: Installation, dag: str, asof: datetime, folder: Path) -> Orchestrated:
    """Run a DAG for a moment, as ``airflow dags test`` does.

    Raises
    ------
    subprocess.CalledProcessError
        The run failed.
    """
    to = folder / f"{dag}.json"
    begin = perf_counter()
    with (folder / f"{dag}.log").open("wb") as log:
        subprocess.run(
            [sys.executable, "-c", TIMED, str(to), "dags", "test", dag, asof.isoformat()],
            env=airflow.environment | {"AIRFLOW__CORE__DEFAULT_TASK_RETRIES": "0"},
            stdout=log, stderr=subprocess.STDOUT, check=True,
        )  # fmt: skip
    seconds = perf_counter() - begin
    return Orchestrated(seconds, [tuple(step) for step in json.loads(to.read_text())])


def measure(folder: Path, data: Path) -> tuple[Orchestrated, Orchestrated]:
    """Run a night of the virtual basin and the watch an hour after it, on a prepared data folder.

    Parameters
    ----------
    folder
        Empty folder for Airflow's own files.
    data
        Folder of the stores, with history and models.
    """
    airflow = Installation(folder / "airflow", MEKONG_DATA_DIR=str(data), MEKONG_UPSTREAM="virtual")
    (folder / "airflow" / "var").mkdir(mode=0o700)
    airflow.airflow("db", "migrate")
    airflow.airflow("pools", "import", str(folder / "airflow" / "dags" / "pools.json"))
    asof = datetime.combine(SHOWCASE, time(0, 30), UTC)
    night = run_dag(airflow, "mekong_nightly", asof, folder)
    watch = run_dag(airflow, "mekong_watch", asof + timedelta(minutes=105), folder)
    return night, watch


def prepare(data: Path) -> None:
    """Lay out the virtual upstream with its history, and train the models."""
    settings = Settings(data_dir=data, upstream="virtual", records_url=None)
    asof = datetime.combine(SHOWCASE, time(0, 30), UTC)
    steps.simulate(asof=asof, settings=settings)
    steps.prepare(asof=asof, settings=settings)


def main() -> None:
    """Measure on a prepared data folder that is named, or on a new one, and print both."""
    with TemporaryDirectory() as temporary:
        folder = Path(temporary)
        data = Path(sys.argv[1]) if sys.argv[1:] else folder / "data"
        if not sys.argv[1:]:
            prepare(data)
        night, watch = measure(folder, data)
    for name, run in (("night", night), ("watch", watch)):
        parts = ", ".join(f"{step} {seconds:.1f}" for step, seconds in run.steps)
        print(f"{name}: {run.seconds:.0f} s, steps {run.seconds - run.overhead_s:.0f} s ({parts})")
    print(f"orchestration of a night: {night.overhead_s:.1f} s, wanted at most {OVERHEAD_S:.0f} s")
    print(f"the hourly watch in all: {watch.seconds:.1f} s, wanted at most {WATCH_S:.0f} s")
    sys.exit(night.overhead_s > OVERHEAD_S or watch.seconds > WATCH_S)


if __name__ == "__main__":
    main()

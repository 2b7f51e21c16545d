"""An installation of Airflow of its own, on loopback, for tests of what only a scheduler does."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Collection, Iterator, Mapping
from pathlib import Path
from typing import Any
from urllib.request import urlopen

import sqlalchemy as sa

import make
from tests.storage.servers import free_port

ROOT = Path(__file__).resolve().parents[2]
PARTS: Mapping[str, tuple[str, ...]] = {
    "scheduler": ("--skip-serve-logs",),
    "dag-processor": (),
    "triggerer": ("--skip-serve-logs",),
}
FAST = {
    "AIRFLOW__CORE__DEFAULT_TASK_RETRY_DELAY": "1",
    "AIRFLOW__SCHEDULER__TASK_INSTANCE_HEARTBEAT_TIMEOUT": "20",
    "AIRFLOW__SCHEDULER__TASK_INSTANCE_HEARTBEAT_TIMEOUT_DETECTION_INTERVAL": "3",
    "AIRFLOW__SCHEDULER__ORPHANED_TASKS_CHECK_INTERVAL": "10",
    "AIRFLOW__SCHEDULER__SCHEDULER_HEALTH_CHECK_THRESHOLD": "15",
    "AIRFLOW__DAG_PROCESSOR__REFRESH_INTERVAL": "10",
}
"""Settings with which a dead process is noticed in seconds rather than minutes."""


class Installation:
    """Airflow in a folder: its parts are started and killed by name."""

    def __init__(self, home: Path, **variables: str) -> None:
        self.home, port = home, free_port()
        home.mkdir(exist_ok=True)
        for name in ("airflow.cfg", "make.py"):
            (home / name).symlink_to(ROOT / name)
        if not (home / "dags").exists():
            (home / "dags").symlink_to(ROOT / "dags")
        address = f"http://127.0.0.1:{port}"
        self.health = f"{address}/api/v2/monitor/health"
        self.environment = os.environ | FAST | {
            "AIRFLOW_HOME": str(home),
            "AIRFLOW__API__PORT": str(port),
            "AIRFLOW__API__BASE_URL": address,
            "AIRFLOW__CORE__EXECUTION_API_SERVER_URL": f"{address}/execution/",
            "AIRFLOW__CORE__SIMPLE_AUTH_MANAGER_ALL_ADMINS": "True",
            "AIRFLOW__SCHEDULER__USE_JOB_SCHEDULE": "False",
            "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
            "PYTHONPATH": str(ROOT),
            **variables,
        }  # fmt: skip
        self.running: dict[str, subprocess.Popen[bytes]] = {}
        self.groups: list[int] = []
        """Process groups of all parts that were started, those that were killed too."""

    def airflow(self, *words: str) -> str:
        """Run a command of Airflow; its output."""
        done = subprocess.run(
            ["airflow", *words], env=self.environment, capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]
        return done.stdout

    def start(self, part: str, *command: str) -> None:
        """Start a part, or another command of Airflow as a part."""
        with (self.home / f"{part}.log").open("ab") as stream:
            self.running[part] = subprocess.Popen(
                ["airflow", *(command or (part, *PARTS.get(part, ())))],
                env=self.environment, stdout=stream, stderr=stream, start_new_session=True,
            )  # fmt: skip
        self.groups.append(self.running[part].pid)

    def kill(self, part: str) -> None:
        """End a part as a power cut does, with the workers of its group."""
        os.killpg(self.running.pop(part).pid, signal.SIGKILL)

    def rows(self, query: str, **parameters: str) -> list[sa.Row[Any]]:
        """Read Airflow's own tables."""
        file = f"sqlite:///file:{self.home / 'var' / 'airflow.db'}?mode=ro&uri=true&timeout=60"
        url = self.environment.get("AIRFLOW__DATABASE__SQL_ALCHEMY_CONN", file)
        with sa.create_engine(url, poolclass=sa.NullPool).connect() as connection:
            return list(connection.execute(sa.text(query), parameters))

    def states(self, dag: str) -> list[str]:
        """States of a DAG's runs by logical date."""
        query = "select state from dag_run where dag_id = :dag order by logical_date"
        return [state for (state,) in self.rows(query, dag=dag)]

    def wait(
        self, what: str, condition: Callable[[], bool], *, seconds: float, every: float = 0.5
    ) -> None:
        end = time.monotonic() + seconds
        while not condition():
            ended = [part for part, process in self.running.items() if process.poll() is not None]
            assert not ended, (
                f"{ended} ended: {(self.home / f'{ended[0]}.log').read_text()[-3000:]}"
            )
            assert time.monotonic() < end, f"{what} not within {seconds:.0f} s"
            time.sleep(every)

    def answers(self) -> bool:
        try:
            urlopen(self.health, timeout=5).close()  # noqa: S310  (loopback)
        except OSError:
            return False
        return True

    def end_all(self) -> None:
        """Kill all parts, and what they started that is not in their groups."""
        for group in self.groups:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(group, signal.SIGKILL)
        for process in self.running.values():
            process.wait()
        for orphan in make.list_descendants(os.getpid()):
            with contextlib.suppress(ProcessLookupError, OSError):
                if b"airflow" in Path(f"/proc/{orphan}/cmdline").read_bytes():
                    os.kill(orphan, signal.SIGKILL)


@contextlib.contextmanager
def installed(
    home: Path, *, parts: Collection[str] = tuple(PARTS), **variables: str
) -> Iterator[Installation]:
    """An installation with its API server and some parts running; all that it started is ended."""
    airflow = Installation(home, **variables)
    make.adopt_orphans()
    (home / "var").mkdir(mode=0o700, exist_ok=True)
    airflow.airflow("db", "migrate")
    airflow.airflow("pools", "import", str(ROOT / "dags" / "pools.json"))
    try:
        airflow.start("api-server")
        airflow.wait("the API server", airflow.answers, seconds=180)
        for part in parts:
            airflow.start(part)
        yield airflow
    finally:
        airflow.end_all()

"""An installation of Airflow of its own, on loopback, for tests of what only a scheduler does."""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import sqlite3
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing
from pathlib import Path
from urllib.request import urlopen

import make

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


def free_port() -> int:
    with closing(socket.socket()) as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


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

    def airflow(self, *words: str) -> str:
        """Run a command of Airflow; its output."""
        done = subprocess.run(
            ["airflow", *words], env=self.environment, capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]
        return done.stdout

    def start(self, part: str) -> None:
        with (self.home / f"{part}.log").open("ab") as stream:
            self.running[part] = subprocess.Popen(
                ["airflow", part, *PARTS.get(part, ())],
                env=self.environment, stdout=stream, stderr=stream, start_new_session=True,
            )  # fmt: skip

    def kill(self, part: str) -> None:
        """End a part as a power cut does, with the workers of its group."""
        os.killpg(self.running.pop(part).pid, signal.SIGKILL)

    def rows(self, query: str, *parameters: str) -> list[tuple[str, ...]]:
        """Read Airflow's own tables."""
        path = self.home / "var" / "airflow.db"
        with closing(sqlite3.connect(f"file:{path}?mode=ro", uri=True, timeout=60)) as connection:
            return connection.execute(query, parameters).fetchall()

    def states(self, dag: str) -> list[str]:
        """States of a DAG's runs by logical date."""
        query = "select state from dag_run where dag_id = ? order by logical_date"
        return [state for (state,) in self.rows(query, dag)]

    def wait(self, what: str, condition: Callable[[], bool], *, seconds: float) -> None:
        end = time.monotonic() + seconds
        while not condition():
            ended = [part for part, process in self.running.items() if process.poll() is not None]
            assert not ended, (
                f"{ended} ended: {(self.home / f'{ended[0]}.log').read_text()[-3000:]}"
            )
            assert time.monotonic() < end, f"{what} not within {seconds:.0f} s"
            time.sleep(0.5)

    def answers(self) -> bool:
        try:
            urlopen(self.health, timeout=5).close()  # noqa: S310  (loopback)
        except OSError:
            return False
        return True

    def end_all(self) -> None:
        """Kill all parts, and what they started that is not in their groups."""
        for process in self.running.values():
            for descendant in [process.pid, *make.list_descendants(process.pid)]:
                with contextlib.suppress(ProcessLookupError):
                    os.kill(descendant, signal.SIGKILL)
            process.wait()
        for orphan in make.list_descendants(os.getpid()):
            with contextlib.suppress(ProcessLookupError, OSError):
                if b"airflow" in Path(f"/proc/{orphan}/cmdline").read_bytes():
                    os.kill(orphan, signal.SIGKILL)


@contextlib.contextmanager
def installed(home: Path, **variables: str) -> Iterator[Installation]:
    """A running installation; everything that it started is ended."""
    airflow = Installation(home, **variables)
    make.adopt_orphans()
    (home / "var").mkdir(mode=0o700, exist_ok=True)
    airflow.airflow("db", "migrate")
    airflow.airflow("pools", "import", str(ROOT / "dags" / "pools.json"))
    try:
        airflow.start("api-server")
        airflow.wait("the API server", airflow.answers, seconds=180)
        for part in PARTS:
            airflow.start(part)
        yield airflow
    finally:
        airflow.end_all()

"""A night on two Celery workers, one of them killed, with all tables on PostgreSQL."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
import sqlalchemy as sa
from pydantic import SecretStr

from pipeline.settings import Settings
from pipeline.storage.database import Database
from pipeline.storage.table_copy import copy_rows
from tests.dags.installation import Installation, installed
from tests.scenarios import nights
from tests.scenarios.compare_published import differences
from tests.scenarios.nights import Night, check_tree
from tests.storage import servers

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(
        bool(servers.absent_servers("PostgreSQL", "Redis")),
        reason=servers.absent_servers("PostgreSQL", "Redis"),
    ),
]
DAG = "mekong_nightly"
WORKERS = ("worker-1", "worker-2")
KILLED_IN = "publish"
"""Task whose worker is killed: what it runs goes on in a process group of its own."""


def on_postgresql(server: str, name: str) -> str:
    """URL of a new database."""
    url = sa.make_url(server)
    engine = sa.create_engine(url, isolation_level="AUTOCOMMIT", poolclass=sa.NullPool)
    with engine.connect() as connection:
        connection.execute(sa.text(f"CREATE DATABASE {name}"))
    return url.set(database=name).render_as_string(hide_password=False)


@contextmanager
def on_celery(home: Path, settings: Settings) -> Iterator[tuple[Installation, Settings]]:
    """An installation with two workers on PostgreSQL and Redis, and its stores' settings."""
    with servers.postgresql() as server, servers.redis() as broker:
        airflow, records = (on_postgresql(server, name) for name in ("scheduling", "records"))
        copy_rows(Database(settings.database), Database(records))
        variables = {
            "AIRFLOW__CORE__EXECUTOR": "CeleryExecutor",
            "AIRFLOW__DATABASE__SQL_ALCHEMY_CONN": airflow,
            "AIRFLOW__DATABASE__SQL_ALCHEMY_CONN_ASYNC": airflow,
            "AIRFLOW__CELERY__BROKER_URL": broker,
            "AIRFLOW__CELERY__RESULT_BACKEND": f"db+{airflow}",
            "MEKONG_DATA_DIR": str(settings.data_dir),
            "MEKONG_RECORDS_URL": records,
        }
        with installed(home, **variables) as running:
            for number, worker in enumerate(WORKERS):
                running.start(
                    worker, "celery", "worker", "--concurrency", "1", "--queues", "default",
                    "--celery-hostname", f"{number}@127.0.0.1", "--skip-serve-logs",
                )  # fmt: skip
            yield running, settings.model_copy(update={"records_url": SecretStr(records)})


def find_worker(airflow: Installation, process: int) -> str:
    """Find the worker that a process descends from."""
    parts = {part.pid: name for name, part in airflow.running.items()}
    while process > 1:
        if process in parts:
            return parts[process]
        process = int(Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[1])
    raise LookupError("expected a task of a worker, found another's")


def runs(process: int) -> bool:
    """Whether a process is at work; one that ended stays listed until its parent asks for it."""
    try:
        return Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except (FileNotFoundError, ProcessLookupError):
        return False


def test_a_night_that_loses_a_worker_publishes_the_tree_of_an_undisturbed_one(
    laid_out: Settings, flood: Night, tmp_path: Path
) -> None:
    """Its task goes on as an orphan and publishes; the second try finds or waits for its tree."""
    copied = nights.fork(laid_out, tmp_path / "data")
    with on_celery(tmp_path / "airflow", copied) as (airflow, settings):
        known = "select dag_id from dag where dag_id = :dag"
        airflow.wait("the DAG", lambda: bool(airflow.rows(known, dag=DAG)), seconds=120)
        airflow.airflow("dags", "trigger", DAG, "--logical-date", nights.FLOOD.isoformat())

        def tries(state: str) -> list[tuple[int, int]]:
            query = (
                "select try_number, pid from task_instance "
                "where dag_id = :dag and task_id = :task and state = :state and pid is not null"
            )
            found = airflow.rows(query, dag=DAG, task=KILLED_IN, state=state)
            return [(row.try_number, row.pid) for row in found]

        airflow.wait("publishing", settings.published_dir.exists, seconds=300, every=0.05)
        [(first, orphan)] = tries("running")
        airflow.kill(find_worker(airflow, orphan))
        assert runs(orphan)
        airflow.wait("its end", lambda: not runs(orphan), seconds=120)
        night = Night(settings, nights.FLOOD)
        assert night.folder.exists()
        airflow.wait("the night", lambda: airflow.states(DAG) == ["success"], seconds=120)
        assert [number for number, _ in tries("success")] == [first + 1]
        check_tree(night)
    assert differences(flood.settings.published_dir, copied.published_dir) == []

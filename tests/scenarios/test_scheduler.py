"""What only a running scheduler shows: nights in order, and failures that a person is told of."""

from __future__ import annotations

import os
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest
from pytest_httpserver import HTTPServer

from pipeline import nightly
from pipeline.exchange.publication import folder_name
from pipeline.settings import Settings
from tests.dags.installation import PARTS, ROOT, Installation, installed
from tests.scenarios import nights
from tests.scenarios.nights import Night

COUNT = int(os.environ.get("BACKFILLED_NIGHTS", "3"))
"""Nights of the backfill."""
NIGHTS = [nights.FLOOD + timedelta(days=number + 1) for number in range(COUNT)]
LONGEST_LOG = 40
"""Lines of a task's log."""
TROUBLE = '''
"""A DAG whose tasks raise, hang and are killed."""
import os
import signal
import time
from datetime import datetime, timedelta

from airflow.sdk import dag, task
from mekong_defaults import DEFAULTS, tell_failed_run


@dag(schedule=None, is_paused_upon_creation=False, on_failure_callback=tell_failed_run,
     default_args=DEFAULTS | {"retries": 0})
def %(name)s():
    @task
    def raises():
        raise ValueError("expected metres, found feet")

    @task(execution_timeout=timedelta(seconds=3))
    def hangs():
        time.sleep(600)

    @task
    def killed():
        os.kill(os.getpid(), signal.SIGKILL)

    %(calls)s


%(name)s()
'''
pytestmark = [pytest.mark.slow, pytest.mark.xdist_group("scheduler")]


@pytest.fixture(scope="module")
def webhook() -> Iterator[HTTPServer]:
    with HTTPServer(host="127.0.0.1", port=0) as server:
        server.expect_request("/told").respond_with_data("ok")
        yield server


@pytest.fixture(scope="module")
def data(flood: Night, tmp_path_factory: pytest.TempPathFactory) -> Settings:
    folder = tmp_path_factory.mktemp("scheduler") / "data"
    return nights.fork(flood.settings, folder).model_copy(update={"upstream": "archive"})


@pytest.fixture(scope="module")
def airflow(data: Settings, webhook: HTTPServer) -> Iterator[Installation]:
    home = data.data_dir.parent / "airflow"
    dags = home / "dags"
    dags.mkdir(parents=True)
    (dags / "mekong_defaults.py").symlink_to(ROOT / "dags" / "mekong_defaults.py")
    text = (ROOT / "dags" / "mekong_nightly.py").read_text()
    assert text.count("    catchup=False,\n") == 1
    ended = text.replace(
        "    catchup=False,\n", "    catchup=False,\n    end_date=datetime(2026, 9, 1),\n"
    )
    (dags / "mekong_nightly.py").write_text(ended)  # no night of today beside those of the test
    for name, calls in (
        ("mekong_trouble", "raises(), hangs()"), ("mekong_killed", "killed()"),
    ):  # fmt: skip
        (dags / f"{name}.py").write_text(TROUBLE % {"name": name, "calls": calls})
    with installed(
        home,
        MEKONG_DATA_DIR=str(data.data_dir),
        MEKONG_UPSTREAM="archive",
        MEKONG_NOTICE_WEBHOOK=webhook.url_for("/told"),
    ) as running:
        running.wait(
            "the DAGs",
            lambda: len(running.rows("select dag_id from dag where not is_stale")) == 3,
            seconds=120,
        )
        yield running


def read_night(settings: Settings, night: object) -> dict[str, bytes]:
    folder = settings.published_dir / folder_name(night)  # type: ignore[arg-type]
    names = ("alerts.csv", "alerts.geojson", "risk.nc", "scoreboard.csv")
    paths = [*(folder / name for name in names), *sorted(folder.glob("cap/*.xml"))]
    return {path.name: path.read_bytes() for path in paths}


@pytest.mark.skipif(
    "BACKFILLED_NIGHTS" not in os.environ, reason="BACKFILLED_NIGHTS is not set: ten minutes"
)
def test_a_backfill_at_once_gives_the_bytes_of_nights_in_a_row(
    airflow: Installation, data: Settings, tmp_path: Path
) -> None:
    """The scheduler is killed in the middle, with the workers of its group, and comes back."""
    alone = nights.fork(data, tmp_path / "alone").model_copy(update={"upstream": "archive"})
    for part in PARTS:  # each writes to SQLite, which is then locked and undoes the backfill
        airflow.kill(part)
    airflow.airflow(
        "backfill", "create", "--dag-id", "mekong_nightly",
        "--from-date", NIGHTS[0].isoformat(), "--to-date", NIGHTS[-1].isoformat(),
        "--max-active-runs", str(COUNT),
    )  # fmt: skip
    for part in PARTS:
        airflow.start(part)
    published = data.published_dir / folder_name(NIGHTS[0])
    airflow.wait("the first night", published.is_dir, seconds=300)
    assert len(airflow.states("mekong_nightly")) == COUNT, "all are active at once"
    airflow.kill("scheduler")
    airflow.start("scheduler")
    airflow.wait(
        "the backfill",
        lambda: {*airflow.states("mekong_nightly")} <= {"success", "failed"},
        seconds=600 * COUNT,
    )
    query = "select state from task_instance where dag_id = :dag and task_id = 'publish'"
    published_states = [state for (state,) in airflow.rows(query, dag="mekong_nightly")]
    assert published_states == COUNT * ["success"], "without new data they are degraded"
    for night in NIGHTS:
        for _ in nightly.run_night(asof=night, settings=alone):
            pass
    for night in NIGHTS:
        assert read_night(data, night) == read_night(alone, night), night
    logs = (airflow.home / "var" / "logs").glob("dag_id=mekong_nightly/*/*/attempt=*.log")
    lines = {path: path.read_text().splitlines() for path in logs}
    assert len(lines) >= COUNT * 14
    assert {path for path, text in lines.items() if len(text) > LONGEST_LOG} == set()
    said = [text for path, text in lines.items() if "task_id=publish" in str(path)]
    assert any('"event":"published ' in line for line in said[0])


def test_a_person_is_told_of_tasks_that_raise_hang_or_are_killed(
    airflow: Installation, webhook: HTTPServer, data: Settings
) -> None:
    before = len(webhook.log)
    for name in ("mekong_trouble", "mekong_killed"):
        airflow.airflow("dags", "trigger", name)
    airflow.wait("three notices", lambda: len(webhook.log) - before >= 3, seconds=180)
    told = [
        notice for request, _ in webhook.log[before:] for notice in request.get_json()["notices"]
    ]
    assert {(one["dag"], one["task"], one["kind"]) for one in told} == {
        ("mekong_trouble", "raises", "failed"),
        ("mekong_trouble", "hangs", "hung"),
        ("mekong_killed", None, "failed"),
    }
    assert {one["cause"] for one in told if one["task"] == "raises"} == {
        "ValueError: expected metres, found feet"
    }
    assert {one["urgency"] for one in told} == {"wake"}, "what is not known may not wait"
    assert '"state": "failing"' in (data.published_dir / "health.json").read_text()

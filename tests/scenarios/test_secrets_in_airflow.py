"""What Airflow keeps and shows of tasks that use every credential: its tables, logs and API."""

from __future__ import annotations

import itertools
import json
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import quote

import httpx
import pytest
from pytest_httpserver import HTTPServer

from tests.dags.installation import ROOT, Installation, installed
from tests.exchange.key_cases import pem
from tests.scenarios.planted import CREDENTIALS, NAMES, WORDS, find_planted, read_files
from tests.scenarios.test_hostile_servers import NIGHT
from tests.scenarios.test_secrets import answering, repeat

ASKED = ("imerg_late", "smap", "gk2a", "mrc_live", "floodmap")
"""Sources that ask with each credential."""
TROUBLE = '''
"""A DAG whose tasks hold secrets when they raise."""
import os

from airflow.sdk import dag, task
from mekong_defaults import DEFAULTS, tell_failed_run


@dag(schedule=None, is_paused_upon_creation=False, on_failure_callback=tell_failed_run,
     default_args=DEFAULTS | {"retries": 0})
def mekong_trouble():
    @task
    def raises():
        from pipeline.settings import Settings
        from pipeline.storage.records import Records

        settings, environment = Settings(), dict(os.environ)
        keys = settings.signing_keys_pem.get_secret_value()
        url = os.environ["UNREACHED"]
        Records(url).last_issued(before=None)

    @task
    def wrong():
        from pipeline.settings import Settings

        secrets = dict(os.environ)
        Settings(alert_status="Actual", alert_contact=None)

    raises(), wrong()


mekong_trouble()
'''
pytestmark = [pytest.mark.slow, pytest.mark.xdist_group("scheduler")]


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Folder of an installation whose night asks some sources, and has no run of today."""
    home = tmp_path_factory.mktemp("secrets") / "airflow"
    (home / "dags").mkdir(parents=True)
    (home / "dags" / "mekong_defaults.py").symlink_to(ROOT / "dags" / "mekong_defaults.py")
    text = (ROOT / "dags" / "mekong_nightly.py").read_text()
    ended = text.replace(
        "    catchup=False,\n", "    catchup=False,\n    end_date=datetime(2026, 9, 1),\n"
    )
    fewer = ended.replace("select_sources(Settings().upstream)", repr(ASKED))
    assert len({text, ended, fewer}) == 3
    (home / "dags" / "mekong_nightly.py").write_text(fewer)
    (home / "dags" / "mekong_trouble.py").write_text(TROUBLE)
    return home


@pytest.fixture(scope="module")
def ran(home: Path) -> Iterator[Installation]:
    """An installation in which each credential was used, refused and repeated."""
    with HTTPServer(host="127.0.0.1", port=0) as webhook, answering("403") as (places, servers):
        webhook.expect_request(f"/hooks/{WORDS['notice_webhook']}").respond_with_data("no", 403)
        password = quote(f"{WORDS['records_url']} /@", safe="")
        variables = {
            "HOME": str(home),
            "MEKONG_DATA_DIR": str(home.parent / "data"),
            "MEKONG_UPSTREAM": "internet",
            "MEKONG_ENDPOINTS": json.dumps(places),
            "MEKONG_NOTICE_WEBHOOK": webhook.url_for(f"/hooks/{WORDS['notice_webhook']}"),
            "MEKONG_NOTICE_MAIL_PASSWORD": WORDS["notice_mail_password"],
            "MEKONG_SIGNING_KEYS_PEM": pem("A") + WORDS["signing_keys_pem"],
            "UNREACHED": f"postgresql+psycopg://me:{password}@127.0.0.1:1/records",
        }
        with installed(home, **NAMES, **CREDENTIALS, **variables) as airflow:
            airflow.wait(
                "the DAGs",
                lambda: len(airflow.rows("select dag_id from dag where not is_stale")) == 2,
                seconds=180,
            )
            asked = {"dry_run": True, "issue_time": NIGHT.isoformat()}
            airflow.airflow("dags", "trigger", "mekong_nightly", "--conf", json.dumps(asked))
            airflow.airflow("dags", "trigger", "mekong_trouble")
            for dag in ("mekong_nightly", "mekong_trouble"):
                airflow.wait(
                    f"the end of {dag}",
                    lambda dag=dag: {*airflow.states(dag)} <= {"success", "failed"},  # type: ignore[misc]
                    seconds=400,
                )
            sent = find_planted(*(repeat(one) for server in servers for one in server.asked))
            assert sent >= {"EARTHDATA_TOKEN", "KMA_API_KEY", "MRC_API_KEY"}
            assert len(webhook.log) > 0, "somebody was told"
            yield airflow


def test_tables_logs_and_files_hold_no_secret(ran: Installation) -> None:
    states = ran.rows("select task_id, state from task_instance where dag_id = 'mekong_trouble'")
    assert {tuple(row) for row in states} == {("raises", "failed"), ("wrong", "failed")}
    logs = read_files(ran.home / "var" / "logs")
    assert any(b"403" in text for text in logs), "what was refused is told"
    assert any(b"BrokenState" in text for text in logs)
    assert find_planted(*read_files(ran.home)) == set(), "airflow.db and all logs"
    assert find_planted(*read_files(ran.home.parent / "data")) == set()


def test_no_answer_of_the_api_holds_a_secret(ran: Installation) -> None:
    """Every path that is read, of the API and of the UI's own, for tasks that used secrets."""
    base = ran.health.partition("/api/v2")[0]
    with httpx.Client(base_url=base, timeout=60) as client:
        token = client.get("/auth/token").json()["access_token"]
        client.headers["Authorization"] = f"Bearer {token}"
        runs = [tuple(row) for row in ran.rows("select dag_id, run_id from dag_run")]
        instances = ran.rows("select dag_id, run_id, task_id from task_instance")
        tasks = [tuple(row) for row in instances]
        dags = {dag for dag, _ in runs}
        places = [{"dag_id": dag, "version_number": "1"} for dag in dags]
        places += [{"dag_id": dag, "dag_run_id": run, "run_id": run} for dag, run in runs]
        places += [
            {"dag_id": dag, "dag_run_id": run, "run_id": run, "task_id": task, "map_index": "-1",
             "try_number": "1", "task_try_number": "1", "xcom_key": "return_value"}
            for dag, run, task in tasks
            if task in {"raises", "wrong", "assess"} or task.startswith("ingest.")
        ]  # fmt: skip
        schema = client.get("/openapi.json").json()
        paths = [path for path, ways in schema["paths"].items() if "get" in ways]
        answered, shown = set[str](), list[bytes]()
        for path, place in itertools.product(paths, [{}, *places]):
            names = {part.strip("{}") for part in path.split("/") if part.startswith("{")}
            if names != names & {*place} or (place and not names) or "health" in path:
                continue
            filled = path
            for name in names:
                filled = filled.replace(f"{{{name}}}", quote(place[name], safe=""))
            answer = client.get(filled, headers={"Accept": "application/json"})
            if answer.status_code == 200:
                answered.add(path)
            shown.append(answer.content)
    instance = "/api/v2/dags/{dag_id}/dagRuns/{dag_run_id}/taskInstances/{task_id}"
    assert answered >= {
        "/api/v2/connections", "/api/v2/variables", "/api/v2/dags", "/api/v2/eventLogs",
        "/api/v2/dagSources/{dag_id}", "/api/v2/dags/{dag_id}/details", "/api/v2/pools",
        "/api/v2/dags/{dag_id}/dagRuns/{dag_run_id}", instance,
        f"{instance}/xcomEntries", f"{instance}/xcomEntries/{{xcom_key}}",
        f"{instance}/logs/{{try_number}}", "/api/v2/importErrors",
    }  # fmt: skip
    assert "/api/v2/config" not in answered, "the configuration is shown to nobody"
    assert find_planted(*shown) == set()


def test_rendered_fields_were_looked_at(ran: Installation) -> None:
    rendered = ran.rows("select rendered_fields from rendered_task_instance_fields")
    passed = ran.rows("select key, value from xcom")
    assert rendered
    assert {row.key for row in passed} >= {"return_value"}
    assert find_planted(str(rendered), str(passed)) == set()

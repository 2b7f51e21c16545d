"""Every night at 00:30 UTC: ingest, assess, forecast, publish, verify."""

from dataclasses import asdict
from datetime import datetime

from airflow.sdk import dag, task

from pipeline.sources import NIGHTLY

ISSUE_TIME = "{{ (dag_run.logical_date or dag_run.run_after) | ts }}"


@dag(
    schedule="30 0 * * *",
    start_date=datetime(2026, 1, 1),  # noqa: DTZ001  (Airflow reads it in its own default, UTC)
    catchup=False,
    max_active_runs=1,
    is_paused_upon_creation=False,
    tags=["mekong"],
    doc_md=__doc__,
)
def mekong_nightly() -> None:
    """One call per task into ``pipeline.steps``; what the tasks pass on lies in the stores."""

    @task
    def simulate(issue_time: str) -> None:
        from pipeline import steps

        steps.simulate(asof=datetime.fromisoformat(issue_time))

    @task(map_index_template="{{ source }}")
    def ingest(source: str, issue_time: str) -> dict[str, object]:
        from pipeline import steps

        return asdict(steps.ingest(source, asof=datetime.fromisoformat(issue_time)))

    @task(trigger_rule="all_done")
    def assess(issue_time: str) -> dict[str, object]:
        from pipeline import steps

        return asdict(steps.assess(asof=datetime.fromisoformat(issue_time)))

    @task
    def forecast(issue_time: str) -> dict[str, object]:
        from pipeline import steps

        return asdict(steps.forecast(asof=datetime.fromisoformat(issue_time)))

    @task
    def publish(issue_time: str) -> dict[str, object]:
        from pipeline import steps

        return asdict(steps.publish(asof=datetime.fromisoformat(issue_time)))

    @task
    def verify(issue_time: str) -> dict[str, object]:
        from pipeline import steps

        return asdict(steps.verify(asof=datetime.fromisoformat(issue_time)))

    ingested = ingest.partial(issue_time=ISSUE_TIME).expand(source=list(NIGHTLY))
    (
        simulate(ISSUE_TIME)
        >> ingested
        >> assess(ISSUE_TIME)
        >> forecast(ISSUE_TIME)
        >> publish(ISSUE_TIME)
        >> verify(ISSUE_TIME)
    )


mekong_nightly()

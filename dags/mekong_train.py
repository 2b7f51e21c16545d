"""On the second of each month: train anew; the former models stay while the new ones are worse.

Skill is compared on years held out of each fit. A night uses the last models trained before it.
"""

import logging
from dataclasses import asdict
from datetime import datetime, timedelta

from airflow.sdk import dag, task
from mekong_defaults import DEFAULTS, ISSUE_TIME, issue_time_param, tell_failed_run

log = logging.getLogger("mekong")


@dag(
    schedule="0 6 2 * *",
    start_date=datetime(2026, 1, 1),  # noqa: DTZ001  (Airflow reads it in its own default, UTC)
    catchup=False,
    max_active_runs=1,
    dagrun_timeout=timedelta(hours=3),
    on_failure_callback=tell_failed_run,
    default_args=DEFAULTS | {"execution_timeout": timedelta(hours=1)},
    params={"issue_time": issue_time_param()},
    tags=["mekong"],
    doc_md=__doc__,
)
def mekong_train() -> None:
    """One call into ``pipeline.steps``."""

    @task
    def train(issue_time: str) -> dict[str, object]:
        from pipeline import steps
        from pipeline.console import describe_trained

        trained = steps.train(asof=datetime.fromisoformat(issue_time), unless_worse=True)
        log.info("%s", describe_trained(trained))
        return asdict(trained)

    train(ISSUE_TIME)


mekong_train()

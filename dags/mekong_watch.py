"""Every hour: rain of the last hours and gauges against their marks; and whether nights run.

``watch`` raises levels between two nights and lowers none. ``remind`` tells again what nobody has
acknowledged, and wakes somebody where no good night has come. Neither waits for the other.
"""

import logging
from dataclasses import asdict
from datetime import UTC, datetime, timedelta

from airflow.sdk import dag, task
from mekong_defaults import DEFAULTS, ISSUE_TIME, issue_time_param, tell_failed_run

log = logging.getLogger("mekong")


@dag(
    schedule="15 * * * *",
    start_date=datetime(2026, 1, 1),  # noqa: DTZ001  (Airflow reads it in its own default, UTC)
    catchup=False,
    max_active_runs=1,
    is_paused_upon_creation=False,
    dagrun_timeout=timedelta(minutes=50),
    on_failure_callback=tell_failed_run,
    default_args=DEFAULTS | {"execution_timeout": timedelta(minutes=10), "retries": 1},
    params={"issue_time": issue_time_param()},
    tags=["mekong"],
    doc_md=__doc__,
)
def mekong_watch() -> None:
    """One call per task."""

    @task
    def watch(issue_time: str) -> dict[str, object]:
        from pipeline import hourly, steps
        from pipeline.console import describe_watch

        asof = datetime.fromisoformat(issue_time).replace(second=0, microsecond=0)
        steps.simulate(asof=asof)
        seen = hourly.watch(asof=asof)
        log.info("%s", describe_watch(seen))
        return asdict(seen)

    @task
    def remind() -> None:
        from pipeline.settings import Settings
        from pipeline.supervision.inspection import read_issue_time
        from pipeline.supervision.notices import remind as tell_again

        now = datetime.now(UTC)
        if Settings().upstream == "virtual":  # whose time is not that of the clock
            now = read_issue_time(Settings().published_dir) or now
        told = tell_again(asof=now)
        log.info("told %d notices by %s", len(told.notices), ", ".join(told.taken) or "nothing")
        for failure in told.failures:
            log.warning("%s", failure)

    watch(ISSUE_TIME)
    remind()


mekong_watch()

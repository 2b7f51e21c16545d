"""By hand, once and after a long outage: ingest the history year by year, then train the models.

Nights that were missed are made by ``airflow backfill create`` for ``mekong_nightly``.
"""

import logging
from dataclasses import asdict
from datetime import UTC, datetime
from typing import Any

from airflow.sdk import Param, dag, get_current_context, task
from mekong_defaults import (
    ASKING,
    DEFAULTS,
    ISSUE_TIME,
    ISSUING,
    issue_time_param,
    provider_pool,
    tell_failed_run,
)

log = logging.getLogger("mekong")


@dag(
    schedule=None,
    catchup=False,
    max_active_runs=1,
    on_failure_callback=tell_failed_run,
    default_args=DEFAULTS,
    params={
        "issue_time": issue_time_param(),
        "years": Param(
            [],
            type="array",
            items={"type": "integer", "minimum": 1960, "maximum": 2100},
            description="Years of the record; none for all that the upstream has.",
        ),
    },
    tags=["mekong"],
    doc_md=__doc__,
)
def mekong_backfill() -> None:
    """One mapped task per year of the areal record; the gauges' exports are one task."""

    @task
    def years(issue_time: str) -> list[int]:
        from pipeline import steps

        simulated = steps.simulate(asof=datetime.fromisoformat(issue_time))
        context: Any = get_current_context()
        return context["params"]["years"] or simulated.years

    @task(map_index_template="{{ year }}", pool=provider_pool("files"))
    def ingest_year(year: int, issue_time: str) -> dict[str, object]:
        from pipeline import steps
        from pipeline.console import describe_result

        asof = datetime.fromisoformat(issue_time)
        start, end = (datetime(begin, 1, 1, tzinfo=UTC) for begin in (year, year + 1))
        ingested = steps.ingest("zones", asof=asof, start=start, end=end)
        log.info("%s", describe_result(ingested))
        return asdict(ingested)

    @task
    def do(step: str, issue_time: str, *arguments: str) -> dict[str, object]:
        from pipeline import steps
        from pipeline.console import describe_result

        result = getattr(steps, step)(*arguments, asof=datetime.fromisoformat(issue_time))
        log.info("%s", describe_result(result))
        return asdict(result)

    wanted = years(ISSUE_TIME)
    archived = ingest_year.partial(issue_time=ISSUE_TIME).expand(year=wanted)
    gauges = do.override(task_id="ingest_gauges", **ASKING)("ingest", ISSUE_TIME, "gauges")
    train = do.override(task_id="train", pool=ISSUING)("train", ISSUE_TIME)
    [archived, wanted >> gauges] >> train


mekong_backfill()

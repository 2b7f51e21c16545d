"""Every night at 00:30 UTC: ingest, assess, forecast, publish, verify; the indices of the grid.

A source that fails does not keep the night from being published; the last task, ``verdict``, then
fails the run, so that it does not look like a good one. The next night waits for neither.

Where a provider is behind, its ingest asks again every ten minutes, without holding a worker, until
``MEKONG_WAIT_MINUTES`` are over; the night is then issued as of the moment that the last came.
"""

from dataclasses import asdict
from datetime import UTC, datetime, timedelta
from typing import Any

from airflow.sdk import BaseOperator, chain, dag, task
from airflow.sdk.exceptions import AirflowFailException

from pipeline.sources import select_sources

ISSUE_TIME = "{{ (dag_run.logical_date or dag_run.run_after) | ts }}"
AGAIN = timedelta(minutes=10)


class Ingest(BaseOperator):
    """Ingest a source; returns its id and the moment as of which it was ingested."""

    template_fields = ("source", "issue_time")

    def __init__(self, *, source: str, issue_time: str, **rest: Any) -> None:
        super().__init__(**rest)
        self.source, self.issue_time = source, issue_time

    def execute(self, context: Any, event: Any = None) -> tuple[str, str]:  # noqa: ARG002
        """Ingest, or put it off; ``event`` is there when it had been put off."""
        from airflow.providers.standard.triggers.temporal import DateTimeTrigger

        from pipeline import steps
        from pipeline.console import describe_ingested
        from pipeline.settings import Settings

        issued, now = datetime.fromisoformat(self.issue_time), datetime.now(UTC)
        deadline = issued + timedelta(minutes=Settings().wait_minutes)
        asof = min(now.replace(second=0, microsecond=0), deadline) if event else issued
        done = steps.ingest(self.source, asof=asof)
        self.log.info("%s", describe_ingested(done))
        if done.awaited and now < deadline:
            moment = min(now + AGAIN, deadline)
            self.defer(trigger=DateTimeTrigger(moment), method_name="execute")
        return self.source, asof.isoformat()


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
    def sources(issue_time: str) -> list[str]:
        from pipeline import steps
        from pipeline.settings import Settings

        steps.simulate(asof=datetime.fromisoformat(issue_time))
        return list(select_sources(Settings().upstream))

    @task(trigger_rule="all_done")
    def assess(issue_time: str, ingested: Any) -> str:
        from pipeline import steps

        moments = (issue_time, *(moment for _, moment in ingested or ()))
        asof = max(map(datetime.fromisoformat, moments))
        steps.assess(asof=asof)
        return asof.isoformat()

    @task
    def do(step: str, asof: str) -> dict[str, object]:
        from pipeline import steps

        return asdict(getattr(steps, step)(asof=datetime.fromisoformat(asof)))

    @task(trigger_rule="all_done", retries=0)
    def verdict(wanted: Any, ingested: Any, results: dict[str, Any]) -> None:
        came = {source for source, _ in ingested or ()}
        failed = [f"ingest of {source}" for source in wanted or () if source not in came]
        failed += [step for step, result in (("sources", wanted), *results.items()) if not result]
        said = [f"failed: {', '.join(failed)}"] if failed else []
        if degraded := (results["publish"] or {}).get("degraded"):
            said.append(f"published, but degraded: {'; '.join(degraded)}")
        if said:
            raise AirflowFailException(". ".join(said))

    wanted = sources(ISSUE_TIME)
    ingest = Ingest.partial(
        task_id="ingest", issue_time=ISSUE_TIME, map_index_template="{{ task.source }}"
    ).expand(source=wanted)
    asof: Any = assess(ISSUE_TIME, ingest.output)
    forecast, publish, verify, indices = (
        do.override(task_id=step)(step, asof)
        for step in ("forecast", "publish", "verify", "indices")
    )
    chain(forecast, publish, [verify, indices])
    steps = {"assess": asof, "forecast": forecast, "publish": publish}
    steps |= {"verify": verify, "indices": indices}
    verdict(wanted, ingest.output, steps)


mekong_nightly()

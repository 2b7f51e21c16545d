"""Once, and after a long outage: ingest the history year by year, then train the models."""

from dataclasses import asdict
from datetime import UTC, datetime

from airflow.sdk import dag, task

ISSUE_TIME = "{{ (dag_run.logical_date or dag_run.run_after) | ts }}"


@dag(
    schedule=None,
    catchup=False,
    max_active_runs=1,
    tags=["mekong"],
    doc_md=__doc__,
)
def mekong_history() -> None:
    """One mapped task per year of the areal record; the gauges' exports are one task."""

    @task
    def years(issue_time: str) -> list[int]:
        from pipeline import steps

        return steps.simulate(asof=datetime.fromisoformat(issue_time)).years

    @task(map_index_template="{{ year }}")
    def ingest_year(year: int, issue_time: str) -> dict[str, object]:
        from pipeline import steps

        asof = datetime.fromisoformat(issue_time)
        start, end = (datetime(one, 1, 1, tzinfo=UTC) for one in (year, year + 1))
        return asdict(steps.ingest("zones", asof=asof, start=start, end=end))

    @task
    def ingest_gauges(issue_time: str) -> dict[str, object]:
        from pipeline import steps

        return asdict(steps.ingest("gauges", asof=datetime.fromisoformat(issue_time)))

    @task
    def train(issue_time: str) -> dict[str, object]:
        from pipeline import steps

        return asdict(steps.train(asof=datetime.fromisoformat(issue_time)))

    found = years(ISSUE_TIME)
    archived = ingest_year.partial(issue_time=ISSUE_TIME).expand(year=found)
    [archived, found >> ingest_gauges(ISSUE_TIME)] >> train(ISSUE_TIME)


mekong_history()

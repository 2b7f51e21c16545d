"""What the DAGs share: owner, tries and longest times, pools, assets, the issue time of a run."""

from datetime import UTC, datetime, timedelta
from typing import Any

from airflow.sdk import Asset, Param
from airflow.sdk.exceptions import AirflowTaskTimeout

ISSUE_TIME = "{{ params.get('issue_time') or ((dag_run.logical_date or dag_run.run_after) | ts) }}"
"""Issue time of a run: the one asked for, else its logical date; of a run made now, now."""
ASKING: dict[str, Any] = {
    "retries": 3,
    "retry_delay": timedelta(minutes=2),
    "retry_exponential_backoff": True,
    "max_retry_delay": timedelta(minutes=20),
    "execution_timeout": timedelta(minutes=45),
}
"""Of tasks that ask a provider: tried again after some 2, 4 and 8 minutes."""
ISSUING = "mekong_issuing"
"""Pool of one slot: one task at a time makes what is issued."""
ARCHIVE, FORECASTS, PUBLISHED = (
    Asset(f"mekong_{name}") for name in ("archive", "forecasts", "published")
)
"""What a night makes; their events carry its issue time, and revision and levels if it has them."""


def provider_pool(provider: str) -> str:
    """Return the name of the pool of a provider's ingests."""
    return f"mekong_{provider}"


def issue_time_param() -> Param:
    """Return the parameter of a manual run that sets its issue time."""
    return Param(
        None,
        type=["null", "string"],
        format="date-time",
        description="Issue time with its zone, such as 2026-08-20T00:30:00Z; default the run's.",
    )


def read_issue_times(context: Any) -> list[datetime]:
    """Return the issue times that a run is about, in order: those of the events that started it."""
    events = context.get("triggering_asset_events") or {}
    moments = {event.extra["issue_time"] for of_asset in events.values() for event in of_asset}
    if not moments:
        run = context["dag_run"]
        asked = context.get("params", {}).get("issue_time")
        moments = {asked or (run.logical_date or run.run_after).isoformat()}
    return sorted(map(datetime.fromisoformat, moments))


def read_issue_time(context: Any) -> datetime:
    """Return the issue time of a run, or the last of those that it is about."""
    return read_issue_times(context)[-1]


def tell_failed_task(context: Any) -> None:
    """Tell a person that a task failed for good, or hung."""
    from pipeline.supervision.notices import tell

    task, error = context["ti"], context.get("exception")
    tell(
        dag=task.dag_id,
        task=task.task_id,
        issue_time=read_issue_time(context),
        kind="hung" if isinstance(error, AirflowTaskTimeout) else "failed",
        error=error,
        asof=datetime.now(UTC),
    )


def tell_failed_run(context: Any) -> None:
    """Tell a person that a run timed out, or failed by a task that was killed."""
    from pipeline.supervision.notices import tell_run

    tell_run(
        dag=context["dag_run"].dag_id,
        issue_time=read_issue_time(context),
        timed_out=context.get("reason") == "timed_out",
        asof=datetime.now(UTC),
    )


DEFAULTS: dict[str, Any] = {
    "owner": "mekong",
    "execution_timeout": timedelta(minutes=30),
    "on_failure_callback": tell_failed_task,
}

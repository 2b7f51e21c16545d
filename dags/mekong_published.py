"""After each published night: ``mekong_verify``, ``mekong_indices`` and ``mekong_upkeep``.

They score the nights before, compute the indices of the grid, and remove what is kept no longer.
None keeps the next night waiting; a night whose forerunner is not scored yet scores it itself.
"""

import logging
from typing import Any

from airflow.sdk import dag, get_current_context, task
from airflow.sdk.exceptions import AirflowFailException
from mekong_defaults import (
    DEFAULTS,
    ISSUING,
    PUBLISHED,
    issue_time_param,
    read_issue_times,
    tell_failed_run,
)

log = logging.getLogger("mekong")
OPTIONS: dict[str, Any] = {
    "schedule": [PUBLISHED],
    "max_active_runs": 1,
    "is_paused_upon_creation": False,
    "on_failure_callback": tell_failed_run,
    "default_args": DEFAULTS,
    "tags": ["mekong"],
    "doc_md": __doc__,
}


@task
def do(step: str) -> None:
    """Call a step for the nights whose publication started the run, in order."""
    from pipeline import steps
    from pipeline.console import describe_result

    context: Any = get_current_context()
    for asof in read_issue_times(context):
        log.info("%s", describe_result(getattr(steps, step)(asof=asof)))


@dag(params={"issue_time": issue_time_param()}, **OPTIONS)
def mekong_verify() -> None:
    """Score the nights before against the readings that came."""
    do.override(task_id="verify", pool=ISSUING)("verify")


@dag(params={"issue_time": issue_time_param()}, **OPTIONS)
def mekong_indices() -> None:
    """Compute the indices of every cell of the grid."""
    do.override(task_id="indices")("indices")


@dag(params={"issue_time": issue_time_param()}, **OPTIONS)
def mekong_upkeep() -> None:
    """Remove what is kept no longer; a later run removes what this one could not."""

    @task(pool=ISSUING)
    def retain() -> None:
        from pipeline import upkeep

        kept = upkeep.retain(asof=read_issue_times(get_current_context())[-1])
        removed = sum(part.size_bytes for part in (kept.upstream, kept.published, kept.archive))
        log.info("as of %s, removed %.0f MB", kept.asof, removed / 1e6)
        if kept.held_back:
            raise AirflowFailException(
                f"expected to free {len(kept.held_back)} snapshots of the archive, but the newest "
                f"does not hold their rows: {', '.join(kept.held_back)}"
            )

    retain()


mekong_verify()
mekong_indices()
mekong_upkeep()

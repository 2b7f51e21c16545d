"""After each night that is published: ``mekong_verify`` scores, ``mekong_indices`` the grid.

Neither keeps the next night waiting; a night whose forerunner is not scored yet scores it itself.
"""

import logging
from typing import Any

from airflow.sdk import dag, get_current_context, task
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


mekong_verify()
mekong_indices()

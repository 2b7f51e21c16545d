"""Every night at 00:30 UTC: ingest, assess, forecast, publish, inspect.

A source that fails does not keep the night from being published; the last task, ``verdict``, then
fails the run, so that it does not look like a good one, and a person is told.

Where a provider is behind, its ingest asks again every ten minutes, without holding a worker, until
``MEKONG_WAIT_MINUTES`` are over; the night is then issued as of the moment that the last came.

Nights are issued in order: ``assess`` waits, without a worker, until the runs of earlier nights
that began before its own are over, however they ended, and issues first the nights that were missed
while nothing ran. Where these cannot be issued, or the last one cannot be scored, a person is told
after the last try, and the night goes on without.
"""

import logging
from dataclasses import asdict
from datetime import UTC, datetime, timedelta
from typing import Any

from airflow.sdk import BaseOperator, Param, TaskGroup, chain, dag, get_current_context, task
from airflow.sdk.exceptions import AirflowFailException, AirflowSkipException
from mekong_defaults import (
    ARCHIVE,
    ASKING,
    DEFAULTS,
    FORECASTS,
    ISSUE_TIME,
    ISSUING,
    PUBLISHED,
    issue_time_param,
    provider_pool,
    tell_failed_run,
    tell_failed_task,
)

from pipeline.settings import Settings
from pipeline.sources import SOURCES, select_sources

log = logging.getLogger("mekong")
AGAIN = timedelta(minutes=10)
"""Time after which a provider that is behind is asked again."""
TURN = timedelta(seconds=20)
"""Time after which a night looks again whether the earlier ones are over."""
LONGEST = timedelta(hours=6)
"""Longest time of a run; one that has lasted longer is not waited for."""
try:
    WANTED = select_sources(Settings().upstream)
except ValueError:  # each task fails with it, and is told of; a DAG without tasks never runs
    WANTED = select_sources("internet")


class Ingest(BaseOperator):
    """Ingest a source; returns its id and the moment as of which it was ingested."""

    template_fields = ("issue_time",)

    def __init__(self, *, source: str, issue_time: str, **rest: Any) -> None:
        super().__init__(**rest)
        self.source, self.issue_time = source, issue_time

    def execute(self, context: Any, event: Any = None) -> tuple[str, str]:
        """Ingest, or put it off; ``event`` is there when it had been put off."""
        from airflow.providers.standard.triggers.temporal import DateTimeTrigger

        from pipeline import steps
        from pipeline.console import describe_ingested

        asked = context["params"]["sources"]
        if asked and self.source not in asked:
            raise AirflowSkipException("not among the sources of this run")
        issued, now = datetime.fromisoformat(self.issue_time), datetime.now(UTC)
        deadline = issued + timedelta(minutes=Settings().wait_minutes)
        asof = min(now.replace(second=0, microsecond=0), deadline) if event else issued
        done = steps.ingest(self.source, asof=asof)
        log.info("%s", describe_ingested(done))
        if done.awaited and now < deadline:
            moment = min(now + AGAIN, deadline)
            self.defer(trigger=DateTimeTrigger(moment), method_name="execute")
        return self.source, asof.isoformat()


PARAMS = {
    "issue_time": issue_time_param(),
    "sources": Param(
        [], type="array", items={"enum": sorted(WANTED)},
        description="Sources to ingest; none for those that the upstream has.",
    ),
    "dry_run": Param(
        default=False, type="boolean", description="Ingest and assess, and issue nothing."
    ),
}  # fmt: skip


class Assess(BaseOperator):
    """Wait for the nights before, issue those that were missed, then assess.

    Returns the moment as of which the night is issued: that of its last ingest.
    """

    template_fields = ("issue_time", "ingested")

    def __init__(self, *, issue_time: str, ingested: Any, **rest: Any) -> None:
        super().__init__(**rest)
        self.issue_time, self.ingested = issue_time, ingested

    def execute(self, context: Any, event: Any = None) -> str:  # noqa: ARG002
        """Assess, or put it off while an earlier night is in work."""
        from airflow.providers.standard.triggers.temporal import DateTimeTrigger

        from pipeline import steps
        from pipeline.console import describe_assessed

        refuse_mistakes(context, self.issue_time)
        now = datetime.now(UTC)
        if self._earlier_runs(context, since=now - LONGEST):
            self.defer(trigger=DateTimeTrigger(now + TURN), method_name="execute")
        moments = [moment for _, moment in filter(None, self.ingested)]
        asof = max(map(datetime.fromisoformat, [self.issue_time, *moments]))
        try:
            self._complete_earlier(context)
        except Exception as error:
            if context["ti"].try_number <= context["ti"].max_tries:
                raise
            log.exception("the nights before are not complete; this one is issued all the same")
            tell_failed_task({**context, "exception": error})
        log.info("%s", describe_assessed(steps.assess(asof=asof)))
        context["outlet_events"][ARCHIVE].extra = {"issue_time": asof.isoformat()}
        return asof.isoformat()

    def _complete_earlier(self, context: Any) -> None:
        """Issue the nights that were missed before a scheduled one, and score the last."""
        from pipeline import nightly

        # Not as of the moment until which it waited: its own issue time would be a missed night.
        issue_time = datetime.fromisoformat(self.issue_time)
        if context["dag_run"].run_type == "scheduled":
            for night in nightly.catch_up(asof=issue_time):
                log.info("issued the night of %s, which was missed; no message", night)
        nightly.verify_last(asof=issue_time)

    @staticmethod
    def _earlier_runs(context: Any, *, since: datetime) -> bool:
        """Whether a run of an earlier night, scheduled or of a backfill, is in work.

        One that began later is not waited for: one that was cleared cannot begin before this ends.
        """
        run, own = context["ti"].get_previous_dagrun(state="running"), context["dag_run"]
        return (
            run is not None
            and run.run_type != "manual"
            and since <= run.start_date <= (own.start_date or run.start_date)
        )


def refuse_mistakes(context: Any, issue_time: str) -> None:
    """Fail for good where a manual run would issue what nobody meant.

    Airflow takes parameters that no DAG has: with ``dryrun`` in the place of ``dry_run`` the night
    would be sent. After a night of the future every true one would be an older one, and send no
    messages.
    """
    if unknown := sorted({*(context["dag_run"].conf or {})} - PARAMS.keys()):
        raise AirflowFailException(
            f"expected parameters among {', '.join(PARAMS)}, found {', '.join(unknown)}"
        )
    future = datetime.fromisoformat(issue_time) > datetime.now(UTC) + timedelta(hours=1)
    if future and Settings().upstream != "virtual":
        raise AirflowFailException(f"expected an issue time of the past, found {issue_time}")


@task
def prepare(issue_time: str) -> None:
    """Lay out the virtual upstream."""
    from pipeline import steps
    from pipeline.console import describe_simulated

    refuse_mistakes(get_current_context(), issue_time)
    simulated = steps.simulate(asof=datetime.fromisoformat(issue_time))
    log.info("%s", describe_simulated(simulated))


@task
def do(step: str, asof: str) -> dict[str, object]:
    """Call a step, and tell its assets of the night."""
    from pipeline import steps
    from pipeline.console import describe_result

    context: Any = get_current_context()
    if context["params"]["dry_run"]:
        raise AirflowSkipException(f"a dry run: no {step}")
    result = getattr(steps, step)(asof=datetime.fromisoformat(asof))
    log.info("%s", describe_result(result))
    told = asdict(result)
    for asset in context["task"].outlets:
        facts = {key: told[key] for key in ("revision", "levels") if key in told}
        context["outlet_events"][asset].extra = {"issue_time": asof, **facts}
    return told


@task(retries=0)
def validate(asof: str) -> str:
    """Inspect the published tree; it stays whatever is found."""
    from pipeline.supervision.inspection import read_issue_time
    from pipeline.supervision.validation import validate as inspect

    issued = datetime.fromisoformat(asof)
    now = datetime.now(UTC)
    if Settings().upstream == "virtual":  # whose time is not that of the clock
        newest = read_issue_time(Settings().published_dir) or issued
        now = max(issued, newest) + timedelta(hours=1)
    inspected = inspect(asof=issued, now=now)
    found = "; ".join(finding.text for finding in inspected.findings) or "nothing found"
    log.info("inspected %s: %s", inspected.version, found)
    return inspected.version


@task(trigger_rule="all_done", retries=0)
def verdict(results: dict[str, Any], wanted: list[str], ingested: list[Any]) -> None:
    """Fail where anything did, so that a night that was published without a source is not green."""
    context: Any = get_current_context()
    asked = context["params"]["sources"] or wanted
    came = {source for source, _ in filter(None, ingested)}
    failed = [f"ingest of {source}" for source in asked if source not in came]
    due = ["assess"] if context["params"]["dry_run"] else results
    failed += [step for step in due if not results[step]]
    said = [f"failed: {', '.join(failed)}"] if failed else []
    if degraded := (results["publish"] or {}).get("degraded"):
        said.append(f"published, but degraded: {'; '.join(degraded)}")
    if said:
        raise AirflowFailException(". ".join(said))


@dag(
    schedule="30 0 * * *",
    start_date=datetime(2026, 1, 1),  # noqa: DTZ001  (Airflow reads it in its own default, UTC)
    catchup=False,
    max_active_runs=1,
    is_paused_upon_creation=False,
    dagrun_timeout=LONGEST,
    on_failure_callback=tell_failed_run,
    default_args=DEFAULTS,
    params=PARAMS,
    tags=["mekong"],
    doc_md=__doc__,
)  # fmt: skip
def mekong_nightly() -> None:
    """One call per task into ``pipeline.steps``; what the tasks pass on lies in the stores."""
    prepared = prepare(ISSUE_TIME)
    with TaskGroup("ingest"):
        ingests = [
            Ingest(
                task_id=source,
                pool=provider_pool(SOURCES[source].provider),
                source=source,
                issue_time=ISSUE_TIME,
                **ASKING,
            )
            for source in WANTED
        ]
    ingested = [ingest.output for ingest in ingests]
    assess = Assess(
        task_id="assess",
        pool=ISSUING,
        issue_time=ISSUE_TIME,
        ingested=ingested,
        trigger_rule="all_done",
        outlets=[ARCHIVE],
    )
    asof: Any = assess.output
    forecast, publish = (
        do.override(task_id=step, pool=ISSUING, outlets=[outlet])(step, asof)
        for step, outlet in (("forecast", FORECASTS), ("publish", PUBLISHED))
    )
    validated = validate(asof)
    chain(prepared, ingests, assess, forecast, publish, validated)
    results: dict[str, Any] = {"assess": assess.output, "forecast": forecast, "publish": publish}
    results["validate"] = validated
    verdict(results, [*WANTED], ingested)


mekong_nightly()

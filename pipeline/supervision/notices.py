"""Tell a person that a night failed, and again until somebody acknowledges it."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Any

from pipeline.settings import Settings
from pipeline.supervision.causes import describe_cause
from pipeline.supervision.delivery import deliver
from pipeline.supervision.health import (
    LEAST_FREE_BYTES,
    inspect_newest,
    observe_health,
    write_health,
)
from pipeline.supervision.inspection import Inspection
from pipeline.supervision.notice_book import Notice, open_book, read_book
from pipeline.supervision.run_book import Kind, Urgency, find_fault
from pipeline.times import format_utc

NIGHTLY, VALIDATE = "mekong_nightly", "validate"
"""Ids of the night's DAG and of its task that inspects the tree."""
_TOLD_AS_LATE = frozenset({"tree_old", "tree_absent"})
"""Findings that are told as a night that is late, once it is."""
EARLY = timedelta(minutes=5)
"""How much before its time a reminder may come: hourly calls are not exactly hourly."""
AGAIN: dict[Urgency, timedelta] = {
    "wake": timedelta(hours=1) - EARLY,
    "tomorrow": timedelta(days=1) - EARLY,
}
"""Time between two messages about the same notice."""
_log = logging.getLogger(__name__)


class Told(Exception):  # noqa: N818
    """What went wrong has been told already: :func:`tell` says it no second time."""


@dataclass(frozen=True)
class Telling:
    """What was told, and what of it failed.

    Parameters
    ----------
    notices
        Identifiers of the notices that were to be told.
    taken
        Channels that took the message.
    failures
        One line for each channel, file or part of the state that failed; empty where all is well.
    """

    notices: tuple[str, ...] = ()
    taken: tuple[str, ...] = ()
    failures: tuple[str, ...] = ()


def tell(
    *,
    dag: str,
    task: str | None,
    issue_time: datetime | None,
    kind: Kind,
    error: object = None,
    asof: datetime,
    settings: Settings | None = None,
) -> Telling:
    """Tell a person that a task or run failed, hung or is late. Nothing is ever raised.

    The notice is noted, ``health.json`` is written, and webhook and mail of the settings are sent;
    what fails of these is logged, and the others are still done.

    Parameters
    ----------
    dag, task
        Ids; the task is None where it is about the run as a whole.
    issue_time
        Moment of the run, aware; None where it has none.
    kind
        What happened.
    error
        The exception or its text; :class:`Told` is passed over.
    asof
        Now, aware.
    settings
        Default: from the environment.
    """
    if isinstance(error, Told):
        return Telling()
    try:
        fault = find_fault(kind, dag=dag, task=task)
        settings = settings or Settings()
        faults = [(fault, describe_cause(error, settings=settings))]
        return tell_faults(
            faults, dag=dag, task=task, issue_time=issue_time, kind=kind, asof=asof,
            settings=settings,
        )  # fmt: skip
    except Exception as fault_of_telling:  # noqa: BLE001  (a callback of Airflow must not raise)
        line = describe_cause(fault_of_telling, settings=None)
        _log.error("nobody could be told that %s of %s %s: %s", task, dag, kind, line)
        return Telling(failures=(line,))


def tell_run(
    *,
    dag: str,
    issue_time: datetime | None,
    timed_out: bool,
    asof: datetime,
    settings: Settings | None = None,
) -> Telling:
    """Tell a person that a run timed out, or that it failed where none of its tasks has told so.

    A task that was killed, with its process, tells nobody. Nothing is ever raised.

    Parameters
    ----------
    dag, issue_time, asof, settings
        As of :func:`tell`.
    timed_out
        Whether the run lasted longer than it may.
    """
    try:
        settings = settings or Settings()
        told = [
            notice
            for notice in read_book(settings).notices
            if (notice.dag, notice.issue_time) == (dag, issue_time) and notice.task is not None
        ]
    except Exception:  # noqa: BLE001  (a callback of Airflow must not raise: it tells)
        told = []
    if told and not timed_out:
        return Telling()
    kind: Kind = "hung" if timed_out else "failed"
    return tell(dag=dag, task=None, issue_time=issue_time, kind=kind, asof=asof, settings=settings)


def tell_faults(
    faults: Sequence[tuple[str, str]],
    *,
    dag: str,
    task: str | None,
    issue_time: datetime | None,
    kind: Kind,
    asof: datetime,
    settings: Settings,
) -> Telling:
    """Tell a person of faults of the run book, in one message; failures are logged and returned.

    Parameters
    ----------
    faults
        Code of the run book and cause of each; no secrets.
    dag, task, issue_time, kind, asof, settings
        As of :func:`tell`.
    """
    notices = list[Notice]()

    def note() -> None:
        with open_book(settings) as book:
            notices.extend(
                book.add(
                    fault=fault, kind=kind, dag=dag, task=task, issue_time=issue_time,
                    cause=cause, asof=asof,
                )
                for fault, cause in faults
            )  # fmt: skip

    failures = _try(settings, "notice", note)
    if not notices:  # the disk is full or closed: told all the same, though never reminded of
        notices = [
            Notice(
                identifier="-", fault=fault, kind=kind, dag=dag, task=task, issue_time=issue_time,
                cause=cause, first=asof, last=asof,
            )
            for fault, cause in faults
        ]  # fmt: skip
    due = [notice for notice in notices if _is_due(notice, asof=asof)]
    return _send(due, failures, asof=asof, settings=settings)


def remind(*, asof: datetime, settings: Settings | None = None) -> Telling:
    """Tell again what nobody has acknowledged, and wake somebody where no good night has come.

    To be called every hour. An urgent notice is told again once an hour, another one once a day;
    all that are due are one message.

    Parameters
    ----------
    asof
        Now, aware.
    settings
        Default: from the environment.

    Raises
    ------
    OSError, Busy
        The notices cannot be read or written.
    Exception
        The published tree cannot be inspected; all others have been told before.
    """
    settings = settings or Settings()
    inspection, fault = None, None
    try:
        inspection = inspect_newest(settings, asof=asof)
    except Exception as error:  # noqa: BLE001  (a night that is late must be told all the same)
        fault = error
    health = observe_health(settings, asof=asof, tree=inspection)
    with open_book(settings) as book:
        book.since = book.since or asof
        if inspection is not None:
            for finding in inspection.findings:
                if finding.code not in _TOLD_AS_LATE:
                    book.add(
                        fault=finding.code, kind="invalid", dag=NIGHTLY, task=VALIDATE,
                        issue_time=inspection.issue_time, asof=asof, lasting=True,
                        cause=describe_cause(finding.text, settings=settings),
                    )  # fmt: skip
        if missed := _find_missed_night(health, since=book.since, asof=asof, settings=settings):
            issue_time, cause = missed
            book.add(
                fault="night_late", kind="late", dag=NIGHTLY, task=None, issue_time=issue_time,
                cause=cause, asof=asof, lasting=True,
            )  # fmt: skip
        free = (health.get("disk") or {}).get("free_bytes")
        if free is not None and free < LEAST_FREE_BYTES:
            book.add(
                fault="disk_low", kind="invalid", dag=NIGHTLY, task=None, issue_time=None,
                cause=f"{free / 1e9:.1f} GB are left", asof=asof, lasting=True,
            )  # fmt: skip
        due = [notice for notice in book.list_open() if _is_due(notice, asof=asof)]
    telling = _send(due, [], asof=asof, settings=settings, tree=inspection)
    if fault is not None:
        raise fault
    return telling


def acknowledge(
    identifiers: Sequence[str], *, asof: datetime, settings: Settings | None = None
) -> list[Notice]:
    """Note that a person has taken over notices: they are told no more.

    Parameters
    ----------
    identifiers
        Of the notices; ``all`` stands for every open one.
    asof
        Now, aware.
    settings
        Default: from the environment.

    Returns
    -------
    list of Notice
        Those that were open.

    Raises
    ------
    LookupError
        A notice is not known; then none is acknowledged.
    """
    settings = settings or Settings()
    book = read_book(settings)
    known = {notice.identifier for notice in book.notices}
    if unknown := sorted(set(identifiers) - known - {"all"}):
        waiting = ", ".join(sorted(known)) or "none"
        raise LookupError(f"expected a notice of {waiting}, found {', '.join(unknown)}")
    if not book.list_open():
        return []
    with open_book(settings) as book:
        taken = [
            replace(notice, acknowledged=asof)
            for notice in book.list_open()
            if notice.identifier in identifiers or "all" in identifiers
        ]
        for notice in taken:
            book.put(notice)
    write_health(settings, asof=asof)
    return taken


def _is_due(notice: Notice, *, asof: datetime) -> bool:
    """Whether a notice is to be sent now; one told in the future is of a clock that was wrong."""
    if notice.acknowledged is not None:
        return False
    if notice.told is None or notice.told > asof:
        return True
    return asof - notice.told >= AGAIN[notice.urgency]


def _find_missed_night(
    health: dict[str, Any], *, since: datetime, asof: datetime, settings: Settings
) -> tuple[datetime | None, str] | None:
    """Find the last night that should have come; a new one is missed every 24 hours.

    Where no good night is known at all, the limit counts from the first look.
    """
    limit = timedelta(hours=settings.dead_man_hours)
    night = health.get("last_good_night")
    if night is None:
        over = asof - since > limit
        return (None, f"no good night is known since {format_utc(since)}") if over else None
    last = datetime.fromisoformat(night["issue_time"])
    if asof - last <= limit:
        return None
    missed = 1 + (asof - last - limit) // timedelta(days=1)
    cause = f"the last good night is that of {night['issue_time']}, {night['age_hours']:g} h ago"
    return last + missed * timedelta(days=1), cause


def _send(
    due: Sequence[Notice],
    failures: list[str],
    *,
    asof: datetime,
    settings: Settings,
    tree: Inspection | None = None,
) -> Telling:
    """Send notices in one message, note that they were told, and write the state."""
    taken: tuple[str, ...] = ()
    if due:
        delivery = deliver(
            *_word(due),
            {"asof": format_utc(asof), "notices": [_describe(notice) for notice in due]},
            settings=settings,
        )  # fmt: skip
        taken = delivery.taken
        failures += delivery.failures
        if taken:

            def note_told() -> None:
                with open_book(settings) as book:
                    told = {notice.identifier for notice in due}
                    for notice in book.list_open():
                        if notice.identifier in told:
                            book.put(replace(notice, told=asof))

            failures += _try(settings, "notice", note_told)
    failures += _try(settings, "health.json", lambda: write_health(settings, asof=asof, tree=tree))
    unique = tuple(dict.fromkeys(failures))
    for line in unique:
        _log.warning("%s", line)
    return Telling(tuple(notice.identifier for notice in due), taken, unique)


def _try(settings: Settings, name: str, part: Callable[[], object]) -> list[str]:
    """Do a part; a line for it where it failed: what cannot be noted must still be told."""
    try:
        part()
    except Exception as error:  # noqa: BLE001
        return [f"{name}: {describe_cause(error, settings=settings)}"]
    return []


def _word(due: Sequence[Notice]) -> tuple[str, str]:
    """Word a message: a subject, and a paragraph for each notice."""
    worst = min(due, key=lambda notice: notice.urgency != "wake")
    mark = "WAKE" if worst.urgency == "wake" else "tomorrow"
    more = f" (and {len(due) - 1} more)" if len(due) > 1 else ""
    paragraphs = []
    for notice in due:
        again = f", {notice.times} times since {format_utc(notice.first)}" * (notice.times > 1)
        lines = [
            f"[{notice.urgency}] {notice.subject}{again}",
            f"It means: {notice.entry.meaning}.",
            f"Cause: {notice.cause}" if notice.cause else "",
            f"To do: {notice.entry.action}",
            f"Run book: {notice.entry.link}",
            f"Taken over? mekong acknowledge {notice.identifier}",
        ]
        paragraphs.append("\n".join(filter(None, lines)))
    return f"Mekong {mark}: {worst.subject}{more}", "\n\n".join(paragraphs)


def _describe(notice: Notice) -> dict[str, Any]:
    """Members of a notice for programs."""
    return {
        "id": notice.identifier,
        "urgency": notice.urgency,
        "fault": notice.fault,
        "kind": notice.kind,
        "dag": notice.dag,
        "task": notice.task,
        "issue_time": notice.issue_time and format_utc(notice.issue_time.astimezone(UTC)),
        "cause": notice.cause,
        "do": notice.entry.action,
        "run_book": notice.entry.link,
        "since": format_utc(notice.first),
        "times": notice.times,
    }

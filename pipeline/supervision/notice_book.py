"""What a person was told and has not acknowledged: a file of JSON beside the tables.

It is no table, so that it can be written and read where the tables are locked, damaged or out of
reach, which is then the very thing to tell.
"""

from __future__ import annotations

import hashlib
import json
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path

from pydantic import TypeAdapter, ValidationError

from pipeline.settings import Settings
from pipeline.storage.atomic import (
    OWNER_ONLY_FILE,
    BrokenState,
    draft_file,
    make_passable_folder,
    open_locked,
)
from pipeline.supervision.run_book import RUN_BOOK, UNKNOWN, Entry, Kind, Urgency

LOCK_S = 10.0
"""Longest wait for another process that writes the file (s)."""
MOST_KEPT = 500
"""Most notices kept; acknowledged ones go first, then the oldest."""


@dataclass(frozen=True, kw_only=True)
class Notice:
    """One fault, told until a person acknowledges it.

    Parameters
    ----------
    identifier
        Eight hexadecimal digits; the same fault of the same run has the same.
    fault
        Code of the run book.
    kind
        What happened.
    dag, task
        Ids; the task is None where it is about the run as a whole.
    issue_time
        Moment of the run, aware; None where it has none.
    cause
        Text of the exception or of the finding, cleaned.
    first, last
        When it happened first and last, aware.
    times
        How often.
    told
        When it was last sent to a person; None where that failed.
    acknowledged
        When a person took it over; None where nobody has.
    """

    identifier: str
    fault: str
    kind: Kind
    dag: str
    task: str | None
    issue_time: datetime | None
    cause: str
    first: datetime
    last: datetime
    times: int = 1
    told: datetime | None = None
    acknowledged: datetime | None = None

    @property
    def entry(self) -> Entry:
        """Its line of the run book."""
        return RUN_BOOK.get(self.fault, UNKNOWN)

    @property
    def urgency(self) -> Urgency:
        """How urgent it is."""
        return self.entry.urgency

    @property
    def subject(self) -> str:
        """Line that says what happened to what, without the cause.

        Examples
        --------
        >>> night = datetime(2026, 8, 20, 0, 30, tzinfo=UTC)
        >>> Notice(
        ...     identifier="0a1b2c3d", fault="step_failed", kind="failed", dag="mekong_nightly",
        ...     task="publish", issue_time=night, cause="", first=night, last=night,
        ... ).subject
        'publish of mekong_nightly failed, 2026-08-20 00:30Z'
        """
        what = f"{self.task} of {self.dag}" if self.task else self.dag
        moment = self.issue_time and f", {self.issue_time.astimezone(UTC):%Y-%m-%d %H:%MZ}"
        done = {"failed": "failed", "hung": "hung", "late": "is late", "invalid": "found a fault"}
        about = f" ({self.fault.replace('_', ' ')})" if self.kind == "invalid" else ""
        return f"{what} {done[self.kind]}{about}{moment or ''}"


@dataclass
class NoticeBook:
    """Notices of one data folder.

    Parameters
    ----------
    since
        When the first look for faults was taken, aware; None before it.
    notices
        The oldest first.
    """

    since: datetime | None = None
    notices: list[Notice] = field(default_factory=list)

    def list_open(self) -> list[Notice]:
        """List the notices that nobody has acknowledged, the most urgent and the newest first."""
        waiting = [notice for notice in self.notices if notice.acknowledged is None]
        return sorted(
            waiting, key=lambda notice: (notice.urgency != "wake", -notice.last.timestamp())
        )

    def add(
        self,
        *,
        fault: str,
        kind: Kind,
        dag: str,
        task: str | None,
        issue_time: datetime | None,
        cause: str,
        asof: datetime,
        lasting: bool = False,
    ) -> Notice:
        """Add a fault, or count it where it is known; return its notice.

        A task that fails anew after it was acknowledged is open again. A state that merely lasts
        (``lasting``: a late night, a full disk) is counted once and stays acknowledged.
        """
        identifier = _identify(fault, dag, task, issue_time)
        for place, known in enumerate(self.notices):
            if known.identifier == identifier:
                if lasting:
                    return known
                again = replace(
                    known, cause=cause, last=asof, times=known.times + 1, acknowledged=None
                )
                self.notices[place] = again
                return again
        new = Notice(
            identifier=identifier, fault=fault, kind=kind, dag=dag, task=task,
            issue_time=issue_time, cause=cause, first=asof, last=asof,
        )  # fmt: skip
        self.notices.append(new)
        return new

    def put(self, changed: Notice) -> None:
        """Replace the notice of the same identifier."""
        self.notices = [
            changed if notice.identifier == changed.identifier else notice
            for notice in self.notices
        ]

    def shorten(self) -> None:
        """Keep the last ``MOST_KEPT`` notices, those that wait for somebody before all others."""
        kept = sorted(
            self.notices,
            key=lambda notice: (notice.acknowledged is None, notice.urgency == "wake", notice.last),
        )[-MOST_KEPT:]
        self.notices = sorted(kept, key=lambda notice: (notice.first, notice.identifier))


_Book = TypeAdapter(NoticeBook)


def _identify(fault: str, dag: str, task: str | None, issue_time: datetime | None) -> str:
    """Identify a fault of a run; a late night by its date, since a night may wait for rain."""
    moment = issue_time.astimezone(UTC).isoformat() if issue_time else ""
    if fault == "night_late":
        moment = moment[:10]
    return hashlib.sha256(json.dumps([fault, dag, task, moment]).encode()).hexdigest()[:8]


def locate_book(settings: Settings) -> Path:
    """Path of the file of notices."""
    return settings.region_dir / "notices.json"


def read_book(settings: Settings) -> NoticeBook:
    """Read the notices; none where there is no file.

    Raises
    ------
    BrokenState
        The file is damaged.
    OSError
        It cannot be read.
    """
    path = locate_book(settings)
    if not path.exists():
        return NoticeBook()
    try:
        return _Book.validate_json(path.read_bytes())
    except ValidationError:
        raise BrokenState(
            f"{path}: expected notices in JSON, found another content; the next notice puts it "
            f"aside as {path.name}.damaged"
        ) from None


@contextmanager
def open_book(settings: Settings) -> Iterator[NoticeBook]:
    """Read the notices to change them; the file is replaced at the end, other processes wait.

    A damaged file is put aside under another name, and an empty book is begun.

    Raises
    ------
    Busy
        Another process writes it and does not end in time.
    OSError
        It cannot be read or written.
    """
    path = locate_book(settings)
    make_passable_folder(path.parent)
    with open_locked(path.with_name(f".{path.name}.lock"), deadline=time.monotonic() + LOCK_S):
        try:
            book = read_book(settings)
        except BrokenState:
            path.replace(path.with_name(f"{path.name}.damaged"))
            book = NoticeBook()
        before = _Book.dump_json(book)
        yield book
        book.shorten()
        after = _Book.dump_json(book, indent=1, warnings="error")
        if _Book.dump_json(book) != before or not path.exists():
            with draft_file(path) as draft:
                draft.touch(mode=OWNER_ONLY_FILE)
                draft.write_bytes(after)

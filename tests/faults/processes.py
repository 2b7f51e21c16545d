"""A call in a child process that is forked with all imports done, and may be killed on the way.

The parent only imports: it opens neither the archive nor the tables, whose threads and locks a fork
would take along without their owners.
"""

from __future__ import annotations

import contextlib
import os
import pickle
import resource
import signal
import sys
import tempfile
import threading
import time
import traceback
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Generic, TypeVar

import icechunk
import sqlalchemy as sa

Result = TypeVar("Result")
GRACE_S = 20.0
"""Longest time that processes of a killed one may live on."""
LONGEST_S = 1800.0
CHANGES = {
    "os.rename", "os.link", "os.symlink", "os.remove", "os.mkdir", "os.rmdir", "os.chmod",
    "os.utime", "os.truncate",
}  # fmt: skip
"""Audit events of changes to the disk; files opened for writing count too."""


class Failed(Exception):  # noqa: N818
    """The call raised; the message is its traceback."""


@dataclass(frozen=True)
class Ended(Generic[Result]):
    """How a child ended.

    Parameters
    ----------
    result
        What the call returned; None where it did not.
    error
        Its traceback; empty where it raised nothing.
    killed
        Whether it was killed.
    seconds, cpu_s
        Time that it took: of the clock, and of the processor with its own children.
    peak_bytes
        Highest resident memory of the process.
    left
        Number of processes that outlived it by ``GRACE_S``.
    points
        Number of changes that it made to disk and tables, where they were counted.
    """

    result: Result | None
    error: str
    killed: bool
    seconds: float
    cpu_s: float
    peak_bytes: int
    left: int
    points: int

    def value(self) -> Result:
        """Return the result.

        Raises
        ------
        Failed
            The call raised, or its process ended before.
        """
        if self.error or self.killed:
            raise Failed(self.error or "killed")
        return self.result  # type: ignore[return-value]


@dataclass
class Running(Generic[Result]):
    """A child that is under way; :meth:`end` waits for it."""

    process: int
    started: float
    answers: list[bytes]
    receiver: threading.Thread
    kill_after_s: float | None

    def end(self) -> Ended[Result]:
        """Wait for the child, or kill it at its time; how it ended."""
        if self.kill_after_s is not None:
            self.receiver.join(max(self.started + self.kill_after_s - time.monotonic(), 0.0))
            os.kill(self.process, signal.SIGKILL)  # one that has ended stays until it is waited for
        alarm = threading.Timer(LONGEST_S, os.kill, (self.process, signal.SIGKILL))
        alarm.start()
        _, status, usage = os.wait4(self.process, 0)
        alarm.cancel()
        seconds = time.monotonic() - self.started
        left = _await_group(self.process)
        self.receiver.join()
        killed = os.WIFSIGNALED(status) and os.WTERMSIG(status) == signal.SIGKILL
        whole = b"".join(self.answers)
        if whole:
            result, error, points = pickle.loads(whole)  # noqa: S301  (from the child)
        else:
            result, points = None, 0
            error = "" if killed else f"the process ended with {status}"
        return Ended(
            result=result,
            error=error,
            killed=killed and not whole,
            seconds=seconds,
            cpu_s=usage.ru_utime + usage.ru_stime,
            peak_bytes=usage.ru_maxrss * 1024,
            left=left,
            points=points,
        )


def in_child(
    call: Callable[[], Result],
    *,
    after_s: float | None = None,
    at_point: int | None = None,
    count_points: bool = False,
    under: Path | None = None,
    scratch: Path | None = None,
) -> Ended[Result]:
    """Run a call in a forked child.

    Parameters
    ----------
    call
        Call whose result can be pickled.
    after_s
        Time after which the child is killed; None lets it end.
    at_point
        Number of the change to disk or tables, from 0, before which it kills itself.
    count_points
        Whether these changes are counted.
    under
        Folder in which changes to files count; default any.
    scratch
        Folder of its temporary files, made if absent.
    """
    points = (at_point, under) if count_points or at_point is not None else None
    running: Running[Result] = _start(call, points=points, scratch=scratch)
    running.kill_after_s = after_s
    return running.end()


def begin(call: Callable[[], Result], *, delay_s: float = 0.0) -> Running[Result]:
    """Begin a call in a forked child, which waits for a time before it."""

    def wait_and_call() -> Result:
        time.sleep(delay_s)
        return call()

    return _start(wait_and_call, points=None, scratch=None)


def _start(
    call: Callable[[], Result],
    *,
    points: tuple[int | None, Path | None] | None,
    scratch: Path | None,
) -> Running[Result]:
    reading, writing = os.pipe()
    sys.stdout.flush()
    child = os.fork()
    if child == 0:
        os.close(reading)
        _serve(call, writing, points, scratch)
    os.close(writing)
    answers = list[bytes]()

    def receive() -> None:
        with os.fdopen(reading, "rb") as stream:
            answers.append(stream.read())

    receiver = threading.Thread(target=receive)
    receiver.start()
    return Running(child, time.monotonic(), answers, receiver, None)


def _await_group(group: int) -> int:
    """Wait for the processes that a child has left; end those that stay, and count them."""
    until = time.monotonic() + GRACE_S
    while time.monotonic() < until:
        if not (left := _members(group)):
            return 0
        time.sleep(0.02)
    with contextlib.suppress(ProcessLookupError):
        os.killpg(group, signal.SIGKILL)
    return len(left)


def _members(group: int) -> list[int]:
    """Processes of a group that have not ended."""
    found = list[int]()
    try:
        os.killpg(group, 0)
    except ProcessLookupError:
        return found
    for path in Path("/proc").glob("[0-9]*/stat"):
        with contextlib.suppress(OSError):
            words = path.read_text().rpartition(")")[2].split()
            if int(words[2]) == group and words[0] not in {"Z", "X"}:
                found.append(int(path.parent.name))
    return found


def _serve(
    call: Callable[[], Any],
    writing: int,
    counted: tuple[int | None, Path | None] | None,
    scratch: Path | None,
) -> None:
    """Run the call, send what comes of it, and end the process."""
    os.setpgid(0, 0)
    os.set_inheritable(writing, False)
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    if scratch is not None:
        scratch.mkdir(parents=True, exist_ok=True)
        os.environ["TMPDIR"] = tempfile.tempdir = str(scratch)
    sink = os.open(os.devnull, os.O_WRONLY)
    os.dup2(sink, 1)
    os.dup2(sink, 2)
    points = CrashPoints(*counted) if counted else None
    answer: tuple[Any, str, int]
    try:
        result = call()
        answer = result, "", points.count if points else 0
    except BaseException:  # noqa: BLE001  (sent to the parent)
        answer = None, traceback.format_exc(), points.count if points else 0
    if points:
        points.over = True
    with os.fdopen(writing, "wb") as stream:
        stream.write(pickle.dumps(answer))
    os._exit(0)


class CrashPoints:
    """Counts the changes that this process makes to disk and tables, and kills it at one of them.

    Counted are the audit events ``CHANGES``, files opened for writing, syncs, and each commit of
    the archive and the tables before and after.

    Parameters
    ----------
    at
        Number of the change before which the process is killed; None never.
    under
        Folder in which changes to files count; None any.
    """

    def __init__(self, at: int | None, under: Path | None) -> None:
        self.at, self.under, self.count, self.over = at, str(under or ""), 0, False
        self._process = os.getpid()
        sys.addaudithook(self._hear)
        sync, commit = os.fsync, icechunk.Session.commit

        def synced(handle: int) -> None:
            self.pass_one()
            sync(handle)

        def committed(session: icechunk.Session, *words: Any, **options: Any) -> str:
            self.pass_one()
            snapshot = commit(session, *words, **options)
            self.pass_one()
            return snapshot

        os.fsync = synced  # type: ignore[assignment]
        icechunk.Session.commit = committed  # type: ignore[method-assign,assignment]
        sa.event.listen(sa.Engine, "commit", lambda _: self.pass_one())

    def pass_one(self) -> None:
        """Count a change, or kill this process before it."""
        if self.over or os.getpid() != self._process:
            return
        if self.count == self.at:
            os.kill(self._process, signal.SIGKILL)
        self.count += 1

    def _hear(self, event: str, arguments: tuple[Any, ...]) -> None:
        changes = event in CHANGES or (
            event == "open" and isinstance(arguments[2], int) and arguments[2] & os.O_ACCMODE
        )
        if changes and any(str(word).startswith(self.under) for word in arguments[:2]):
            self.pass_one()

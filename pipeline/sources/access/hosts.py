"""Limits per host: a few requests at a time, and none to a host that keeps failing."""

from __future__ import annotations

import threading
import time
from collections import Counter, defaultdict
from collections.abc import Iterator
from contextlib import contextmanager

import httpx

from pipeline.sources.access.answers import redact
from pipeline.sources.base import HttpError

PER_HOST = 4
"""Requests under way to one host at a time; the agencies' servers are small."""
MOST_FAILURES = 3
"""Requests in a row that failed after all tries, after which a host gets no more; one refused login
is enough, so that no account is locked."""
UNREACHED = 2
"""Connections refused one after the other after which a host counts as out of reach."""


class Hosts:
    """Turns and failures by host. Safe to use from several threads.

    Requests for what may not be published yet (``early``) are counted apart, so that a provider
    that resets connections for files it does not have yet is still asked for those it has.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._gates: defaultdict[str, threading.Semaphore] = defaultdict(
            lambda: threading.Semaphore(PER_HOST)
        )
        self._failures: Counter[tuple[str, bool]] = Counter()
        self._unreached: Counter[str] = Counter()
        self._given_up: dict[str, HttpError] = {}
        self.reached: bool | None = None
        """Whether any host has answered; None where none has been asked."""

    @contextmanager
    def turn(self, address: httpx.URL, *, until: float, early: bool) -> Iterator[float]:
        """Wait for a turn at a host; yield the waiting time (s).

        Parameters
        ----------
        address
            Of the request.
        until
            Moment of ``time.monotonic`` until which a turn is awaited.
        early
            The request asks for what may not be published yet.

        Raises
        ------
        HttpError
            The turn did not come in time, or the host gets no more requests.
        """
        with self._lock:
            gate = self._gates[address.netloc.decode()]
        began = time.monotonic()
        left_s = min(until - began, threading.TIMEOUT_MAX)
        if not gate.acquire(timeout=max(left_s, 0)):
            raise HttpError(f"{redact(address)}: not asked, its time is over", passing=True)
        try:
            waited_s = time.monotonic() - began
            self.check(address, early=early)
            yield waited_s
        finally:
            gate.release()

    def check(self, address: httpx.URL, *, early: bool) -> None:
        """Raise HttpError where a host gets no more requests.

        Parameters
        ----------
        address, early
            As of :meth:`turn`.
        """
        host = address.host
        reason = self._given_up.get(host)
        message = f"{redact(address)}: not asked, {host} was given up"
        if reason is not None:
            raise HttpError(f"{message}: {reason}", status=reason.status, refused=reason.refused)
        if self._failures[host, early] >= MOST_FAILURES:
            raise HttpError(message, passing=True)
        if self._unreached[address.netloc.decode()] >= UNREACHED:
            message = f"{redact(address)}: not asked, {host} cannot be reached"
            raise HttpError(message, passing=True)

    def record_answer(self, address: httpx.URL) -> None:
        """Note that a host has answered, whatever the answer."""
        self.reached, self._unreached[address.netloc.decode()] = True, 0

    def record_no_answer(self, address: httpx.URL, *, refused: bool) -> bool:
        """Note that no answer came; return whether the host now counts as out of reach.

        Parameters
        ----------
        address
            Of the request.
        refused
            No connection was made: no server listens there.
        """
        self.reached = self.reached or False
        if not refused:
            return False
        with self._lock:
            self._unreached[address.netloc.decode()] += 1
        return self._unreached[address.netloc.decode()] >= UNREACHED

    def record_success(self, host: str, *, early: bool) -> None:
        """Reset the failures of a host after a successful request."""
        with self._lock:
            self._failures[host, early] = 0

    def record_failure(self, host: str, error: HttpError, *, early: bool) -> None:
        """Count a request that failed after all tries."""
        with self._lock:
            self._failures[host, early] += 1
            if error.refused and self._failures[host, early] >= MOST_FAILURES:
                self._given_up[host] = error

    def give_up(self, host: str, reason: HttpError) -> None:
        """Send a host no more requests."""
        self._given_up[host] = reason

"""One request with its tries, redirects and logins."""

from __future__ import annotations

import errno
import logging
import socket
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TypeVar

import httpx
import tenacity

from pipeline.sources.access import wire
from pipeline.sources.access.answers import origin, parse_url, redact, require_https, retry_after
from pipeline.sources.access.credentials import Credentials, encode_login
from pipeline.sources.access.download import OtherFile
from pipeline.sources.access.hosts import Hosts
from pipeline.sources.base import HttpError, NeedsCredentials, NotPublished

_T = TypeVar("_T")

PASSING = frozenset({408, 425, 429, 500, 502, 503, 504})
"""Statuses that may pass."""
HOPS = 10
LONGEST_WAIT_S = 120.0
"""Longest wait that a server may ask for (s); longer ones are left for the next run."""
AGAIN_S = 0.5
"""Time from a refused connection to the next try (s)."""
EARLY_TRIES = 2
"""Tries for a file that may not be published yet: it is awaited all the same."""
_NO_WAY = {errno.ECONNREFUSED, errno.EHOSTUNREACH, errno.ENETUNREACH}
_REDIRECTS = {301, 302, 303, 307, 308}
_PASSWORDS = {"earthdata": "EARTHDATA", "pps": "PPS"}
"""Endpoints that are logged in to by name and password, and the names of their credentials."""
_WAIT = tenacity.wait_exponential_jitter(initial=1, max=60, jitter=2)


def _warnings_only(record: logging.LogRecord) -> bool:
    """Keep the libraries below from logging whole addresses, some of which hold a key."""
    return record.levelno >= logging.WARNING


for _name in ("httpx", *(f"httpcore.{layer}" for layer in ("connection", "http11", "proxy"))):
    logging.getLogger(_name).addFilter(_warnings_only)


class _PassingFailure(Exception):  # noqa: N818
    """A request failed in a way that may pass."""

    def __init__(self, error: HttpError, wait_s: float | None = None) -> None:
        super().__init__(str(error))
        self.error = error
        self.wait_s = wait_s


@dataclass
class Request:
    """A request with all its tries.

    Parameters
    ----------
    address
        Where to; https, or http on the loopback interface.
    headers
        Sent to the host of the address and to no host that it redirects to.
    end
        Moment of ``time.monotonic`` by which it ends; waiting for a turn puts it off.
    until
        Latest moment to which ``end`` is put off.
    early
        The file may not be published yet.
    content
        Body that is posted; None for a request that asks.
    """

    address: httpx.URL
    headers: Mapping[str, str]
    end: float
    until: float
    early: bool
    content: bytes | None = None

    @property
    def bearer(self) -> str:
        """Name of the token that is sent; empty without one."""
        proof = self.headers.get("Authorization", "")
        return "EARTHDATA_TOKEN" if proof.startswith("Bearer ") else ""


class Sender:
    """Send requests, and again while a failure may pass. Safe to use from several threads.

    Parameters
    ----------
    endpoints
        Base address of each provider.
    credentials
        Where names and passwords are looked up.
    hosts
        Limits and failures by host.
    sleep
        Waits a number of seconds between two tries.
    attempts
        How often a request is tried.
    timeout_s
        Longest silence on a connection, seconds.
    limit_s
        Longest time that a request may take, for the message.
    """

    def __init__(
        self,
        *,
        endpoints: Mapping[str, str],
        credentials: Credentials,
        hosts: Hosts,
        sleep: Callable[[float], None],
        attempts: int,
        timeout_s: float,
        limit_s: float,
    ) -> None:
        self._services = {
            service: origin(httpx.URL(endpoints[endpoint]))
            for endpoint, service in _PASSWORDS.items()
        }
        self._credentials, self._hosts = credentials, hosts
        self._sleep, self._attempts, self._limit_s = sleep, attempts, limit_s
        self._wire = wire.Wire()
        for name, password in self._wire.list_proxy_logins():
            credentials.hide(password)
            credentials.hide(encode_login(name, password))
        self._http = httpx.Client(
            timeout=httpx.Timeout(timeout_s, connect=min(timeout_s, 15.0)),
            headers={"User-Agent": "mekong-early-warning", "Accept-Encoding": "gzip"},
            transport=self._wire,
            trust_env=False,
        )

    def close(self) -> None:
        """Close the connections."""
        self._http.close()

    def send(
        self,
        request: Request,
        protocol: Callable[[], dict[str, str]],
        body: Callable[[httpx.Response], _T],
    ) -> _T:
        """Send a request until it is answered or its tries are over.

        Parameters
        ----------
        request
            Request to send.
        protocol
            Headers of each try that go to every host.
        body
            Function of the answer, whose body is yet to be read.

        Raises
        ------
        NotPublished
            404 or 410.
        NeedsCredentials
            The provider asks for a login that is set nowhere.
        HttpError
            Any other failure, after all tries.
        """
        host = request.address.host
        self._hosts.check(request.address, early=request.early)
        tries = min(EARLY_TRIES, self._attempts) if request.early else self._attempts
        left_s = max(request.end - time.monotonic(), 0)
        retrying = tenacity.Retrying(
            sleep=self._sleep,
            stop=tenacity.stop_after_attempt(tries) | tenacity.stop_before_delay(left_s),
            wait=_wait,
            retry=tenacity.retry_if_exception_type(_PassingFailure),
            reraise=True,
        )
        try:
            answer: _T = retrying(self._ask_clean, request, protocol, body)
        except _PassingFailure as last:
            self._hosts.record_failure(host, last.error, early=request.early)
            raise last.error from None
        except HttpError as error:
            if error.passing or error.refused:
                self._hosts.record_failure(host, error, early=request.early)
            raise
        return answer

    def _ask_clean(
        self,
        request: Request,
        protocol: Callable[[], dict[str, str]],
        body: Callable[[httpx.Response], _T],
    ) -> _T:
        """Send once; a server's own words, in a reason or a redirect, repeat no credential."""
        try:
            return self._ask(request, protocol, body)
        except (HttpError, NotPublished) as error:
            self._clean(error)
            raise
        except _PassingFailure as failure:
            self._clean(failure)
            self._clean(failure.error)
            raise

    def _clean(self, error: Exception) -> None:
        """Remove credentials from the message of an error."""
        error.args = tuple(self._credentials.clean_line(str(part)) for part in error.args)

    def _ask(
        self,
        request: Request,
        protocol: Callable[[], dict[str, str]],
        body: Callable[[httpx.Response], _T],
    ) -> _T:
        """Send once, hop by hop; credentials are chosen anew for each host."""
        target = request.address
        for _ in range(HOPS):
            is_own = origin(target) == origin(request.address)
            own_headers = dict(request.headers) if is_own else {}
            with self._hosts.turn(target, until=request.until, early=request.early) as waited_s:
                request.end = min(request.end + waited_s, request.until)
                login = (
                    {} if "Authorization" in own_headers else self._login_headers(target, request)
                )
                with self._open_answer(
                    target, own_headers | login | protocol(), request.end, request.content
                ) as response:
                    if response.status_code not in _REDIRECTS:
                        self._judge(response, request, login=bool(login), own=bool(own_headers))
                        return body(response)
                    if request.content is not None:
                        raise HttpError(f"{redact(target)}: expected an answer, found a redirect")
                    goal = parse_url(str(target.join(response.headers.get("Location", ""))))
            require_https(goal, after=target)
            target = goal
        raise HttpError(f"{redact(request.address)}: more than {HOPS} redirects")

    def _login_headers(self, target: httpx.URL, request: Request) -> dict[str, str]:
        """Return name and password of a host with a login, as a header; empty for other hosts."""
        place = origin(target)
        service = next(
            (name for name, service_origin in self._services.items() if service_origin == place),
            None,
        )
        if service is None:
            return {}
        try:
            code = self._credentials.get_login(service)
        except NeedsCredentials:
            if not request.bearer:
                raise
            raise HttpError(
                f"{redact(request.address)}: {request.bearer} is refused, perhaps expired: "
                "the answer is the way to the login",
                status=401,
                refused=request.bearer,
            ) from None
        return {"Authorization": f"Basic {code}"}

    @contextmanager
    def _open_answer(
        self, target: httpx.URL, headers: dict[str, str], end: float, content: bytes | None
    ) -> Iterator[httpx.Response]:
        """Open one answer; a lost connection raises as one that may pass."""
        require_https(target)
        try:
            with self._wire.until(end):
                method = "GET" if content is None else "POST"
                request = self._http.build_request(method, target, headers=headers, content=content)
                response = self._http.send(request, stream=True)
                self._hosts.record_answer(target)
                try:
                    yield response
                finally:
                    response.close()
        except httpx.RequestError as lost:
            raise self._record_lost(target, lost) from None
        except OtherFile as other:
            raise _PassingFailure(
                HttpError(f"{redact(target)}: {other}", passing=True), 0
            ) from None
        except wire.Overrun as late:
            limit = f"not whole after {self._limit_s:g} s or by the end of its source's time"
            raise HttpError(f"{redact(target)}: {limit}: {late}", passing=True) from None
        except wire.Unusable as unusable:
            raise HttpError(f"{redact(target)}: {unusable}") from None
        except (ValueError, httpx.InvalidURL) as odd:  # a header, a cookie, a long length
            text = f"{type(odd).__name__}: {self._credentials.clean_line(str(odd))[:120]}"
            raise HttpError(f"{redact(target)}: {text}") from None

    def _record_lost(
        self, target: httpx.URL, lost: httpx.RequestError
    ) -> _PassingFailure | HttpError:
        """Record a lost or refused connection and return its error; twice in a row is final."""
        text = self._credentials.clean_line(str(lost)) or "no answer in time"
        error = HttpError(f"{redact(target)}: {type(lost).__name__}: {text}", passing=True)
        refused = _nobody_listens(lost)
        if self._hosts.record_no_answer(target, refused=refused):
            return error
        return _PassingFailure(error, AGAIN_S if refused else None)

    def _judge(self, response: httpx.Response, request: Request, *, login: bool, own: bool) -> None:
        """Raise for a failure status; give up a host that refuses a login or wants a long wait."""
        place, status = redact(response.url), response.status_code
        if status in {200, 206, 304} if request.content is None else 200 <= status < 300:
            return
        if status in {404, 410}:
            raise NotPublished(f"{place} is not there ({status})")
        refused = request.bearer if own and status == 401 else ""
        error = HttpError(
            f"{place}: {status} {response.reason_phrase[:80]}",
            status=status,
            passing=status in PASSING,
            refused=refused,
        )
        if status == 416:  # the part of an earlier try is as long as the file, or longer
            raise _PassingFailure(error, 0)
        if status not in PASSING:
            if login and status in {401, 403}:
                self._hosts.give_up(response.url.host, error)
            raise error
        wait_s = retry_after(response)
        if wait_s is not None and wait_s > LONGEST_WAIT_S:
            message = f"{error}, to be asked again in {wait_s:.0f} s"
            error = HttpError(message, status=status, passing=True)
            self._hosts.give_up(response.url.host, error)
            raise error
        raise _PassingFailure(error, wait_s)


def _nobody_listens(error: BaseException | None) -> bool:
    """Return whether no connection was made: no listener, no route, or an unknown name."""
    while error is not None:
        if isinstance(error, socket.gaierror) or (
            isinstance(error, OSError) and error.errno in _NO_WAY
        ):
            return True
        error = error.__context__
    return False


def _wait(state: tenacity.RetryCallState) -> float:
    """Return the seconds to wait: what the server asks for, else growing and jittered."""
    error = state.outcome.exception() if state.outcome else None
    if isinstance(error, _PassingFailure) and error.wait_s is not None:
        return error.wait_s
    return float(_WAIT(state))

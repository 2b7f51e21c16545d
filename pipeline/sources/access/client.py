"""The one client of every source that fetches over HTTP.

Connections are kept, each host is asked by a few threads at a time, what may pass (429, 5xx, lost
connections, timeouts) is tried again after the time the server names or a growing, jittered one.
Where nobody listens a client tries twice, and asks that host no more.
A request ends by its deadline, its tries, waits and redirects included, whatever its server does.
Credentials come from the environment, an Airflow connection's environment form or netrc. They go to
the host they are for and to no other, and stand in no message, no log and no stored address.
"""

from __future__ import annotations

import base64
import errno
import json
import logging
import os
import socket
import threading
import time
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from math import inf
from pathlib import Path
from typing import Any, NoReturn, Self, TypeVar

import httpx
import tenacity

from pipeline.sources import ENDPOINTS
from pipeline.sources.access import wire
from pipeline.sources.access.answers import (
    allowed,
    is_html,
    origin,
    published_at,
    retry_after,
    shown,
    url_of,
)
from pipeline.sources.access.credentials import Credentials
from pipeline.sources.access.download import OtherFile, Part, part_of
from pipeline.sources.base import MAX_BYTES, HttpError, NeedsCredentials, NotPublished
from pipeline.storage.atomic import Busy

_T = TypeVar("_T")

PASSING = frozenset({408, 425, 429, 500, 502, 503, 504})
"""Answers that may be another one a little later."""
PER_HOST = 4
"""Requests under way to one host at a time; the agencies' servers are small."""
HOPS = 10
LONGEST_WAIT_S = 120.0
"""A server that asks for more patience than this is left for the next run."""
SMALL, LARGE = 32 << 20, MAX_BYTES
"""Limits of an answer kept in memory and of a file, bytes. JSON takes 20 times its size in memory
at worst; a GK2A full disk is 0.08 of the last."""
GIVEN_UP = 3
"""Requests in a row that failed after all tries, after which a client asks a host no more; one
refused login is enough, so that no account is locked."""
UNREACHED, AGAIN_S = 2, 0.5
"""Connections refused one after the other after which a host counts as out of reach; seconds from
one to the next."""
EARLY_TRIES = 2
"""How often a file is asked for that may not be there yet: it is awaited all the same."""
_NO_WAY = {errno.ECONNREFUSED, errno.EHOSTUNREACH, errno.ENETUNREACH}
_LOGIN_PAGE = 64 << 10
_REDIRECTS = {301, 302, 303, 307, 308}
_PASSWORDS = {"earthdata": "EARTHDATA", "pps": "PPS"}
"""Endpoints that are logged in to by name and password, and the names of their credentials."""
_WAIT = tenacity.wait_exponential_jitter(initial=1, max=60, jitter=2)


def _warnings_only(record: logging.LogRecord) -> bool:
    """Keep the libraries below from logging whole addresses, some of which hold a key."""
    return record.levelno >= logging.WARNING


for _name in ("httpx", *(f"httpcore.{layer}" for layer in ("connection", "http11", "proxy"))):
    logging.getLogger(_name).addFilter(_warnings_only)


class _Passing(Exception):  # noqa: N818
    """A request failed in a way that may pass."""

    def __init__(self, error: HttpError, wait_s: float | None = None) -> None:
        super().__init__(str(error))
        self.error = error
        self.wait_s = wait_s


class _Terms(threading.local):
    """Under what terms this thread asks."""

    until = inf
    early = False


@dataclass
class _Request:
    """A request with all its tries: when it ends, and whether what it asks for may be early."""

    address: httpx.URL
    headers: dict[str, str]
    end: float
    early: bool

    @property
    def bearer(self) -> str:
        """Name of the token that is sent, empty where none is."""
        proof = self.headers.get("Authorization", "")
        return "EARTHDATA_TOKEN" if proof.startswith("Bearer ") else ""


@dataclass
class _Kept:
    """An answer that is asked for once."""

    answer: bytes | Exception | None = None
    lock: threading.Lock = field(default_factory=threading.Lock)


class Client:
    """Ask providers over HTTP.

    Safe to use from several threads. Close it, or use it in a ``with`` block.

    Parameters
    ----------
    endpoints
        Base addresses that stand in for those of ``ENDPOINTS``: mirrors, and servers of tests.
    environment
        Where credentials and the home folder of netrc are looked up; default the process's.
    sleep
        Waits a number of seconds between two tries.
    attempts
        How often a request is tried.
    timeout_s
        Longest silence on a connection, seconds.
    limit_s
        Longest time a request may take, seconds: its redirects, tries and waits included, but not
        its turn among the requests to the same host.

    Raises
    ------
    ValueError
        An endpoint of another name than those of ``ENDPOINTS``.
    """

    def __init__(
        self,
        *,
        endpoints: Mapping[str, str] | None = None,
        environment: Mapping[str, str] | None = None,
        sleep: Callable[[float], None] = time.sleep,
        attempts: int = 5,
        timeout_s: float = 60.0,
        limit_s: float = 600.0,
    ) -> None:
        if strange := set(endpoints or ()) - set(ENDPOINTS):
            raise ValueError(
                f"expected endpoints of {', '.join(ENDPOINTS)}, found {', '.join(sorted(strange))}"
            )
        self._endpoints = ENDPOINTS | dict(endpoints or {})
        hosts = {name: httpx.URL(base).host for name, base in self._endpoints.items()}
        self._credentials = Credentials(hosts, environment)
        self._sleep, self._attempts, self._limit_s = sleep, attempts, limit_s
        self._wire = wire.Wire()
        self._http = httpx.Client(
            timeout=httpx.Timeout(timeout_s, connect=min(timeout_s, 15.0)),
            headers={"User-Agent": "mekong-early-warning", "Accept-Encoding": "gzip"},
            transport=self._wire,
            trust_env=False,
        )
        self._terms = _Terms()
        self._lock = threading.Lock()
        self._gates: defaultdict[str, threading.Semaphore] = defaultdict(
            lambda: threading.Semaphore(PER_HOST)
        )
        self._kept: defaultdict[object, _Kept] = defaultdict(_Kept)
        self._failed: Counter[tuple[str, bool]] = Counter()
        self._left: dict[str, HttpError] = {}
        self._refused: Counter[str] = Counter()
        self.reached: bool | None = None
        """Whether any host has answered; None where none has been asked."""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Close the connections."""
        self._http.close()

    def endpoint(self, name: str) -> str:
        """Return the base address of a provider, without a slash at the end.

        Parameters
        ----------
        name
            Key of ``ENDPOINTS``.
        """
        return self._endpoints[name].rstrip("/")

    @contextmanager
    def asking(self, *, until: float = inf, early: bool = False) -> Iterator[None]:
        """Set the terms on which this thread asks, in a ``with`` block.

        Parameters
        ----------
        until
            Moment of ``time.monotonic`` by which every request ends, seconds.
        early
            What is asked for may not be there yet: it is tried less often, and failures count
            apart, so that a provider that resets connections for files it does not have yet is
            still asked for those it has.
        """
        before = self._terms.until, self._terms.early
        self._terms.until, self._terms.early = until, early
        try:
            yield
        finally:
            self._terms.until, self._terms.early = before

    def clean(self, text: str) -> str:
        """Return a text on one line without any credential that was given out.

        Parameters
        ----------
        text
            What another library said.
        """
        return " ".join(self._credentials.clean(text).split())

    def secret(self, name: str) -> str:
        """Return a credential; where it is looked up, :meth:`Credentials.get` says.

        Parameters
        ----------
        name
            For example ``KMA_API_KEY``.

        Raises
        ------
        NeedsCredentials
            It is set nowhere.
        """
        return self._credentials.get(name)

    def reach(self, url: str) -> None:
        """See that a server listens, whatever it answers, before a library asks it by itself.

        Raises
        ------
        HttpError
            Nothing answers.
        """
        try:
            self.get(url, keep=True)
        except (NotPublished, NeedsCredentials):
            return
        except HttpError as error:
            if error.status is None:
                raise

    def get(
        self,
        url: str,
        *,
        params: Mapping[str, str] | None = None,
        headers: Mapping[str, str] | None = None,
        keep: bool = False,
    ) -> bytes:
        """Return a small answer.

        Parameters
        ----------
        url
            Address; https, or http on the loopback interface.
        params
            Query. A key goes here or into the headers, never into ``url``.
        headers
            Sent to the host of ``url`` and to no host that it redirects to.
        keep
            Ask once, and give the same answer to the same question again: for lists in which many
            granules are looked up.

        Raises
        ------
        NotPublished
            404 or 410.
        NeedsCredentials
            The provider asks for a login that is set nowhere.
        HttpError
            Anything else that is not an answer, after the tries that it is worth.
        """
        if keep:
            return self._once(url, params, headers)

        def body(response: httpx.Response) -> bytes:
            if response.status_code != 200:
                raise HttpError(f"{shown(response.url)}: {response.status_code} was not asked for")
            return wire.content(response, SMALL)

        found = self._persistently(url, params, headers, dict, body)
        self._sound(url)
        return found

    def _once(
        self, url: str, params: Mapping[str, str] | None, headers: Mapping[str, str] | None
    ) -> bytes:
        """Ask once, with all the tries that it is worth, and remember the answer."""
        with self._lock:
            kept = self._kept[url, tuple(sorted((params or {}).items()))]
        left = min(self._terms.until - time.monotonic(), threading.TIMEOUT_MAX)
        if not kept.lock.acquire(timeout=max(left, 0)):
            raise HttpError(f"{shown(url)}: not asked, its time is over", passing=True)
        try:
            if kept.answer is None:
                try:
                    with self.asking(until=self._terms.until):
                        kept.answer = self.get(url, params=params, headers=headers)
                except (HttpError, NotPublished, NeedsCredentials) as error:
                    kept.answer = error
            if isinstance(kept.answer, Exception):
                raise kept.answer
            return kept.answer
        finally:
            kept.lock.release()

    def json(
        self,
        url: str,
        *,
        params: Mapping[str, str] | None = None,
        headers: Mapping[str, str] | None = None,
        keep: bool = False,
    ) -> Any:
        """Return a small answer in JSON, decoded.

        Parameters
        ----------
        url, params, headers, keep
            As of :meth:`get`.

        Raises
        ------
        NotPublished, NeedsCredentials, HttpError
            As of :meth:`get`; anything that is not JSON, such as a page, is an error as well.
        """
        content = self.get(url, params=params, headers=headers, keep=keep)
        try:
            return json.loads(content, parse_constant=_no_number)
        except (ValueError, RecursionError):
            found = self._kind(content)
        raise HttpError(f"{shown(url)}: expected JSON, found {found}", passing=True)

    def download(
        self,
        url: str,
        path: Path,
        *,
        magic: tuple[bytes, ...],
        params: Mapping[str, str] | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> Path:
        """Bring a file, whole or not at all.

        What an earlier try left is continued where the server says that the file is still the
        same. A file that lies there already is replaced only where the server has a newer one.

        Parameters
        ----------
        url, params, headers
            As of :meth:`get`.
        path
            Where the file shall lie. Its time of modification becomes the answer's
            ``Last-Modified`` where that lies between 1998 and the moment of receipt, else that
            moment: the answer's ``Date`` where it is within a day of this machine's
            clock, else that clock. A stamp of a year to come would keep the file "not published
            yet" for as long, one of 1970 would make it known before it was measured.
        magic
            What the file may begin with; a page in HTML is an error whatever is named here.

        Returns
        -------
        Path
            ``path``.

        Raises
        ------
        NotPublished, NeedsCredentials, HttpError
            As of :meth:`get`; also where the file begins otherwise or is too long.
        """
        if ".." in path.parts or "\0" in path.name:
            raise HttpError(f"{shown(url)}: expected the name of a file, found {path.name!r}")
        path.parent.mkdir(parents=True, exist_ok=True)
        until = min(self._terms.until, time.monotonic() + self._limit_s)
        try:
            with part_of(path, deadline=until) as part:
                return self._bring(
                    part, url=url, path=path, magic=magic, params=params, headers=headers
                )
        except Busy as busy:
            raise HttpError(f"{shown(url)}: {busy}", passing=True) from None

    def _bring(
        self,
        part: Part,
        *,
        url: str,
        path: Path,
        magic: tuple[bytes, ...],
        params: Mapping[str, str] | None,
        headers: Mapping[str, str] | None,
    ) -> Path:
        """Bring a file through its part."""
        sent: dict[str, str] = {}

        def protocol() -> dict[str, str]:
            sent.clear()
            sent.update(part.asked(path))
            return {"Accept-Encoding": "identity"} | sent

        def body(response: httpx.Response) -> httpx.Response:
            if response.status_code == 304:
                if "If-Modified-Since" in sent:
                    return response
                raise HttpError(f"{shown(response.url)}: 304 was not asked for")
            size, whole = part.begin(response, resumable=not (params or httpx.URL(url).query))
            for piece in response.iter_raw():
                size += len(piece)
                if size > LARGE:
                    part.drop()
                    raise wire.Unusable(f"expected at most {LARGE} bytes, found more")
                part.stream.write(piece)
            if whole is not None and size != whole:
                part.drop()
                raise OtherFile(f"expected {whole} bytes, found {size}")
            return response

        response = self._persistently(url, params, headers, protocol, body)
        part.note.unlink(missing_ok=True)
        if response.status_code == 304:
            self._sound(url)
            return path
        part.stream.flush()
        part.stream.seek(0)
        head = part.stream.read(_LOGIN_PAGE)
        if not head.startswith(magic or b"") or is_html(head) or not head:
            part.drop()
            self._not_a_file(url, head, magic, headers or {})
        os.fsync(part.stream.fileno())
        received = datetime.fromtimestamp(os.fstat(part.stream.fileno()).st_mtime, tz=UTC)
        published = published_at(response, received)
        os.utime(part.path, (published.timestamp(),) * 2)
        part.path.replace(path)
        self._sound(url)
        return path

    def _not_a_file(
        self, url: str, head: bytes, magic: tuple[bytes, ...], headers: Mapping[str, str]
    ) -> NoReturn:
        """Raise for what came in a file's place: a login page means that the login is refused."""
        wanted = " or ".join(repr(one.decode("latin-1")) for one in magic) or "a file"
        said = f"{shown(url)}: expected {wanted}, found {self._kind(head)}"
        if is_html(head) and (b"Earthdata Login" in head or b"urs.earthdata.nasa.gov" in head):
            request = _Request(url_of(url), dict(headers), inf, early=False)
            error = HttpError(said, status=401, refused=request.bearer)
            self._count(request.address.host, error)
            raise error
        raise HttpError(said, passing=True)

    def _persistently(
        self,
        url: str,
        params: Mapping[str, str] | None,
        headers: Mapping[str, str] | None,
        protocol: Callable[[], dict[str, str]],
        body: Callable[[httpx.Response], _T],
    ) -> _T:
        """Ask again while a failure may pass; ``protocol`` gives headers that go to every host."""
        request = _Request(
            url_of(url).copy_merge_params(dict(params or {})),
            dict(headers or {}),
            min(time.monotonic() + self._limit_s, self._terms.until),
            self._terms.early,
        )
        host = request.address.host
        self._not_given_up(request.address)
        retrying = tenacity.Retrying(
            sleep=self._sleep,
            stop=tenacity.stop_after_attempt(
                min(EARLY_TRIES, self._attempts) if request.early else self._attempts
            )
            | tenacity.stop_before_delay(max(request.end - time.monotonic(), 0)),
            wait=_wait,
            retry=tenacity.retry_if_exception_type(_Passing),
            reraise=True,
        )
        try:
            found: _T = retrying(self._ask, request, protocol, body)
        except _Passing as last:
            self._count(host, last.error)
            raise last.error from None
        except HttpError as error:
            if error.passing or error.refused:
                self._count(host, error)
            raise
        return found

    def _ask(
        self,
        request: _Request,
        protocol: Callable[[], dict[str, str]],
        body: Callable[[httpx.Response], _T],
    ) -> _T:
        """Ask once, hop by hop: what proves who we are is chosen anew for each host."""
        target = request.address
        for _ in range(HOPS):
            own = request.headers if origin(target) == origin(request.address) else {}
            with self._turn(target, request):
                login = {} if "Authorization" in own else self._login(target, request)
                with self._answer(target, own | login | protocol(), request.end) as response:
                    if response.status_code not in _REDIRECTS:
                        self._judge(response, request, login=bool(login), own=bool(own))
                        return body(response)
                    goal = url_of(str(target.join(response.headers.get("Location", ""))))
            allowed(goal, after=target)
            target = goal
        raise HttpError(f"{shown(request.address)}: more than {HOPS} redirects")

    @contextmanager
    def _turn(self, target: httpx.URL, request: _Request) -> Iterator[None]:
        """Wait for a turn at a host; the time that takes is not the request's."""
        with self._lock:
            gate = self._gates[target.netloc.decode()]
        began = time.monotonic()
        left = min(self._terms.until - began, threading.TIMEOUT_MAX)
        if not gate.acquire(timeout=max(left, 0)):
            raise HttpError(f"{shown(target)}: not asked, its time is over", passing=True)
        try:
            request.end = min(request.end + time.monotonic() - began, self._terms.until)
            self._not_given_up(target)
            yield
        finally:
            gate.release()

    def _login(self, target: httpx.URL, request: _Request) -> dict[str, str]:
        """Name and password of a host that is logged in to, as a header."""
        for endpoint, service in _PASSWORDS.items():
            if origin(target) == origin(httpx.URL(self._endpoints[endpoint])):
                try:
                    name, word = (self.secret(f"{service}_{f}") for f in ("USERNAME", "PASSWORD"))
                except NeedsCredentials:
                    if not request.bearer:
                        raise
                    raise HttpError(
                        f"{shown(request.address)}: {request.bearer} is refused, perhaps expired: "
                        "the answer is the way to the login",
                        status=401,
                        refused=request.bearer,
                    ) from None
                code = base64.b64encode(f"{name}:{word}".encode()).decode()
                return {"Authorization": f"Basic {code}"}
        return {}

    @contextmanager
    def _answer(
        self, target: httpx.URL, headers: dict[str, str], end: float
    ) -> Iterator[httpx.Response]:
        """Open one answer; what is lost on the way may pass."""
        allowed(target)
        try:
            with self._wire.until(end):
                request = self._http.build_request("GET", target, headers=headers)
                response = self._http.send(request, stream=True)
                self.reached, self._refused[target.netloc.decode()] = True, 0
                try:
                    yield response
                finally:
                    response.close()
        except httpx.RequestError as lost:
            said = self.clean(str(lost)) or "no answer in time"
            error = HttpError(f"{shown(target)}: {type(lost).__name__}: {said}", passing=True)
            self.reached = self.reached or False
            if not _nobody_listens(lost):
                raise _Passing(error) from None
            with self._lock:
                self._refused[target.netloc.decode()] += 1
            if self._refused[target.netloc.decode()] >= UNREACHED:
                raise error from None
            raise _Passing(error, AGAIN_S) from None
        except OtherFile as other:
            raise _Passing(HttpError(f"{shown(target)}: {other}", passing=True), 0) from None
        except wire.Overrun as late:
            said = f"not whole after {self._limit_s:g} s or by the end of its source's time"
            raise HttpError(f"{shown(target)}: {said}: {late}", passing=True) from None
        except wire.Unusable as found:
            raise HttpError(f"{shown(target)}: {found}") from None
        except (ValueError, httpx.InvalidURL) as odd:  # a header, a cookie, a long length
            said = f"{type(odd).__name__}: {self.clean(str(odd))[:120]}"
            raise HttpError(f"{shown(target)}: {said}") from None

    def _sound(self, url: str) -> None:
        """Forget the failures of a host that has given what was asked for."""
        with self._lock:
            self._failed[url_of(url).host, self._terms.early] = 0

    def _count(self, host: str, error: HttpError) -> None:
        """Count a request that failed after all tries."""
        with self._lock:
            self._failed[host, self._terms.early] += 1
            if error.refused and self._failed[host, self._terms.early] >= GIVEN_UP:
                self._left[host] = error

    def _not_given_up(self, address: httpx.URL) -> None:
        """Raise where a host has been given up."""
        host = address.host
        why = self._left.get(host)
        said = f"{shown(address)}: not asked, {host} was given up"
        if why is not None:
            raise HttpError(f"{said}: {why}", status=why.status, refused=why.refused)
        if self._failed[host, self._terms.early] >= GIVEN_UP:
            raise HttpError(said, passing=True)
        if self._refused[address.netloc.decode()] >= UNREACHED:
            raise HttpError(f"{shown(address)}: not asked, {host} cannot be reached", passing=True)

    def _judge(
        self, response: httpx.Response, request: _Request, *, login: bool, own: bool
    ) -> None:
        """Raise where an answer is none; who refuses a login or wants to be left is given up."""
        where, status = shown(response.url), response.status_code
        if status in {200, 206, 304}:
            return
        if status in {404, 410}:
            raise NotPublished(f"{where} is not there ({status})")
        refused = request.bearer if own and status == 401 else ""
        error = HttpError(
            f"{where}: {status} {response.reason_phrase[:80]}",
            status=status,
            passing=status in PASSING,
            refused=refused,
        )
        if status == 416:  # what an earlier try left is as long as the file, or longer
            raise _Passing(error, 0)
        if status not in PASSING:
            if login and status in {401, 403}:
                self._left[response.url.host] = error
            raise error
        wait_s = retry_after(response)
        if wait_s is not None and wait_s > LONGEST_WAIT_S:
            said = f"{error}, to be asked again in {wait_s:.0f} s"
            self._left[response.url.host] = HttpError(said, status=status, passing=True)
            raise HttpError(said, status=status, passing=True)
        raise _Passing(error, wait_s)

    def _kind(self, content: bytes) -> str:
        """Name what an answer is, for a message."""
        if is_html(content):
            return "a page in HTML (a login, a licence to agree to, or an error)"
        text = self._credentials.clean(content[:4096].decode("latin-1"))
        return repr(text[:60]) if text else "nothing"


def _nobody_listens(error: BaseException | None) -> bool:
    """Whether no connection was made for want of a listener, of a way to it or of its name."""
    while error is not None:
        if isinstance(error, socket.gaierror) or (
            isinstance(error, OSError) and error.errno in _NO_WAY
        ):
            return True
        error = error.__context__
    return False


def _no_number(name: str) -> NoReturn:
    """Refuse what JSON has no number for: NaN and the infinities."""
    raise ValueError(name)


def _wait(state: tenacity.RetryCallState) -> float:
    """Seconds to wait: what the server asks for, else growing and jittered."""
    error = state.outcome.exception() if state.outcome else None
    if isinstance(error, _Passing) and error.wait_s is not None:
        return error.wait_s
    return float(_WAIT(state))

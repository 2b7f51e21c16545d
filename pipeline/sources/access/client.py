"""The HTTP client of all sources.

A few threads at a time send requests to one host. Failures that may pass (429, 5xx, lost
connections, timeouts) are tried again after the time that the server names, or after a growing,
jittered one. A refused connection is tried twice, and the host gets no further request.
A request ends by its deadline, its tries, waits and redirects included, whatever its server does.
Credentials come from the environment, an Airflow connection's environment form or netrc. They are
sent to their own host alone, and stand in no message, no log and no stored address.
"""

from __future__ import annotations

import json
import threading
import time
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from math import inf
from pathlib import Path
from typing import Any, NoReturn, Self

import httpx

from pipeline.sources import ENDPOINTS
from pipeline.sources.access import wire
from pipeline.sources.access.answers import describe_content, is_html, parse_url, redact
from pipeline.sources.access.credentials import Credentials
from pipeline.sources.access.download import Transfer, open_part
from pipeline.sources.access.hosts import Hosts
from pipeline.sources.access.request import Request, Sender
from pipeline.sources.base import HttpError, NeedsCredentials, NotPublished
from pipeline.storage.atomic import Busy

LARGEST_IN_MEMORY = 32 << 20
"""Longest answer kept in memory (bytes); JSON takes 20 times its size there at worst."""


class _Terms(threading.local):
    """Deadline and kind of the requests of this thread."""

    until = inf
    early = False


@dataclass
class _CachedAnswer:
    """An answer that is fetched once and kept, with its lock."""

    answer: bytes | Exception | None = None
    lock: threading.Lock = field(default_factory=threading.Lock)


class Client:
    """Fetch from providers over HTTP.

    Safe to use from several threads. Close it, or use it in a ``with`` block.

    Parameters
    ----------
    endpoints
        Base addresses in place of those of ``ENDPOINTS``: mirrors, and servers of tests.
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
        if unknown := set(endpoints or ()) - set(ENDPOINTS):
            raise ValueError(
                f"expected endpoints of {', '.join(ENDPOINTS)}, found {', '.join(sorted(unknown))}"
            )
        self._endpoints = ENDPOINTS | dict(endpoints or {})
        names = {name: httpx.URL(base).host for name, base in self._endpoints.items()}
        self._credentials, self._hosts = Credentials(names, environment), Hosts()
        self._sender = Sender(
            endpoints=self._endpoints,
            credentials=self._credentials,
            hosts=self._hosts,
            sleep=sleep,
            attempts=attempts,
            timeout_s=timeout_s,
            limit_s=limit_s,
        )
        self._limit_s = limit_s
        self._terms = _Terms()
        self._lock = threading.Lock()
        self._answers: defaultdict[object, _CachedAnswer] = defaultdict(_CachedAnswer)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Close the connections."""
        self._sender.close()

    @property
    def reached(self) -> bool | None:
        """Whether any host has answered; None where no request was sent."""
        return self._hosts.reached

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
        """Set deadline and kind of this thread's requests, in a ``with`` block.

        Parameters
        ----------
        until
            Moment of ``time.monotonic`` by which every request ends, seconds.
        early
            The file may not be published yet: it is tried less often, and its failures are counted
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
            Message of another library.
        """
        return self._credentials.clean_line(text)

    def secret(self, name: str) -> str:
        """Return a credential, as :meth:`Credentials.get` looks it up.

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
        """Check that a server listens, whatever it answers, before a library connects to it.

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
            Fetch once, and return the same answer to the same request again: for lists in which
            many granules are looked up.

        Raises
        ------
        NotPublished
            404 or 410.
        NeedsCredentials
            The provider asks for a login that is set nowhere.
        HttpError
            Any other failure, after all tries.
        """
        if keep:
            return self._get_once(url, params, headers)

        def body(response: httpx.Response) -> bytes:
            if response.status_code != 200:
                raise HttpError(f"{redact(response.url)}: {response.status_code} was not asked for")
            return wire.read_body(response, LARGEST_IN_MEMORY)

        request = self._build_request(url, params, headers)
        content = self._sender.send(request, dict, body)
        self._hosts.record_success(request.address.host, early=request.early)
        return content

    def post(self, url: str, content: bytes, *, headers: Mapping[str, str]) -> None:
        """Post a small body, again while a failure may pass or no answer came; follow no redirect.

        Parameters
        ----------
        url, headers
            As of :meth:`get`.
        content
            The body.

        Raises
        ------
        NotPublished, HttpError
            As of :meth:`get`.
        """
        request = self._build_request(url, None, headers)
        request.content = content
        self._sender.send(request, dict, lambda _: None)
        self._hosts.record_success(request.address.host, early=request.early)

    def _get_once(
        self, url: str, params: Mapping[str, str] | None, headers: Mapping[str, str] | None
    ) -> bytes:
        """Fetch once, with all its tries, and keep the answer."""
        with self._lock:
            entry = self._answers[url, tuple(sorted((params or {}).items()))]
        left_s = min(self._terms.until - time.monotonic(), threading.TIMEOUT_MAX)
        if not entry.lock.acquire(timeout=max(left_s, 0)):
            raise HttpError(f"{redact(url)}: not asked, its time is over", passing=True)
        try:
            if entry.answer is None:
                try:
                    with self.asking(until=self._terms.until):
                        entry.answer = self.get(url, params=params, headers=headers)
                except (HttpError, NotPublished, NeedsCredentials) as error:
                    entry.answer = error
            if isinstance(entry.answer, Exception):
                raise entry.answer
            return entry.answer
        finally:
            entry.lock.release()

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
            return json.loads(content, parse_constant=_refuse_constant)
        except (ValueError, RecursionError):
            description = describe_content(content, self._credentials.clean)
        raise HttpError(f"{redact(url)}: expected JSON, found {description}", passing=True)

    def download(
        self,
        url: str,
        path: Path,
        *,
        magic: tuple[bytes, ...],
        params: Mapping[str, str] | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> Path:
        """Download a file, whole or not at all.

        A part that an earlier try left is continued where the server confirms that the file is
        unchanged. A file that exists is replaced only where the server has a newer one.

        Parameters
        ----------
        url, params, headers
            As of :meth:`get`.
        path
            Destination of the file. Its time of modification becomes the answer's
            ``Last-Modified`` where that lies between 1998 and the moment of receipt, else that
            moment: the answer's ``Date`` where it is within a day of this machine's
            clock, else that clock. A stamp of a year to come would keep the file "not published
            yet" for as long, one of 1970 would make it known before it was measured.
        magic
            First bytes that the file may have; a page in HTML is always an error.

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
            raise HttpError(f"{redact(url)}: expected the name of a file, found {path.name!r}")
        path.parent.mkdir(parents=True, exist_ok=True)
        until = min(self._terms.until, time.monotonic() + self._limit_s)
        try:
            with open_part(path, deadline=until) as part:
                request = self._build_request(url, params, headers)
                transfer = Transfer(part, path, resumable=not request.address.query)
                response = self._sender.send(request, transfer.headers, transfer.receive)
                if response.status_code == 304:
                    transfer.drop()
                else:
                    head = transfer.head()
                    if not head.startswith(magic or b"") or is_html(head) or not head:
                        transfer.drop()
                        self._refuse_content(url, head, magic, request)
                    transfer.complete(response)
        except Busy as busy:
            raise HttpError(f"{redact(url)}: {busy}", passing=True) from None
        self._hosts.record_success(request.address.host, early=request.early)
        return path

    def _build_request(
        self, url: str, params: Mapping[str, str] | None, headers: Mapping[str, str] | None
    ) -> Request:
        """Build a request with the deadline and kind of this thread."""
        return Request(
            parse_url(url).copy_merge_params(dict(params or {})),
            dict(headers or {}),
            end=min(time.monotonic() + self._limit_s, self._terms.until),
            until=self._terms.until,
            early=self._terms.early,
        )

    def _refuse_content(
        self, url: str, head: bytes, magic: tuple[bytes, ...], request: Request
    ) -> NoReturn:
        """Raise for content that is not the file: a login page means that the login is refused."""
        wanted = " or ".join(repr(begin.decode("latin-1")) for begin in magic) or "a file"
        description = describe_content(head, self._credentials.clean)
        message = f"{redact(url)}: expected {wanted}, found {description}"
        if is_html(head) and (b"Earthdata Login" in head or b"urs.earthdata.nasa.gov" in head):
            error = HttpError(message, status=401, refused=request.bearer)
            self._hosts.record_failure(request.address.host, error, early=request.early)
            raise error
        raise HttpError(message, passing=True)


def _refuse_constant(name: str) -> NoReturn:
    """Refuse NaN and the infinities, which JSON does not have."""
    raise ValueError(name)

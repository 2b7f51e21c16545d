"""The one client of every source that fetches over HTTP.

Connections are kept, each host is asked by a few threads at a time, what may pass (429, 5xx, lost
connections, timeouts) is tried again after the time the server names or a growing, jittered one.
Credentials come from the environment, an Airflow connection's environment form or netrc. They go to
the host they are for and to no other, and stand in no message, no log and no stored address.
"""

from __future__ import annotations

import base64
import email.utils
import fcntl
import json
import logging
import os
import threading
import time
from collections import Counter, defaultdict
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, BinaryIO, Self, TypeVar

import httpx
import tenacity

from pipeline.sources.base import HttpError, NeedsCredentials, NotPublished
from pipeline.sources.credentials import Credentials

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping
    from pathlib import Path

_T = TypeVar("_T")

ENDPOINTS = {
    "cmr": "https://cmr.earthdata.nasa.gov",
    "earthdata": "https://urs.earthdata.nasa.gov",
    "opendap": "https://opendap.earthdata.nasa.gov",
    "pps": "https://jsimpsonhttps.pps.eosdis.nasa.gov",
    "imerg_store": "https://dynamical-nasa-imerg.s3.us-west-2.amazonaws.com",
    "lance": "https://nrt3.modaps.eosdis.nasa.gov",
    "kma": "https://apihub.kma.go.kr",
    "gk2a_bucket": "https://noaa-gk2a-pds.s3.us-east-1.amazonaws.com",
    "chirps": "https://data.chc.ucsb.edu",
    "geoglows": "https://geoglows-v2-forecasts.s3.us-west-2.amazonaws.com",
    "mrc": "https://api.mrcmekong.org",
    "mrc_archive": "https://timeseries.api.mrcmekong.org",
    "thaiwater": "https://api-v3.thaiwater.net",
}
"""Base address of each provider, without a slash at the end."""
PASSING = frozenset({408, 425, 429, 500, 502, 503, 504})
"""Answers that may be another one a little later."""
PER_HOST = 4
"""Requests under way to one host at a time; the agencies' servers are small."""
HOPS = 10
LONGEST_WAIT_S = 120.0
"""A server that asks for more patience than this is left for the next run."""
SMALL, LARGE = 64 << 20, 2 << 30
"""Limits of an answer kept in memory and of a file, bytes; a GK2A full disk is 0.04 of the last."""
GIVEN_UP = 3
"""Requests in a row that failed after all tries, after which a client asks a host no more; one
refused login is enough, so that no account is locked."""
_LOOPBACK = {"127.0.0.1", "::1", "localhost"}
_REDIRECTS = {301, 302, 303, 307, 308}
_PASSWORDS = {"earthdata": "EARTHDATA", "pps": "PPS"}
"""Endpoints that are logged in to by name and password, and the names of their credentials."""
_WAIT = tenacity.wait_exponential_jitter(initial=1, max=60, jitter=2)


def _warnings_only(record: logging.LogRecord) -> bool:
    """Keep the libraries below from logging whole addresses, some of which hold a key."""
    return record.levelno >= logging.WARNING


for _name in ("httpx", *(f"httpcore.{part}" for part in ("connection", "http11", "proxy"))):
    logging.getLogger(_name).addFilter(_warnings_only)


class _Passing(Exception):  # noqa: N818
    """A request failed in a way that may pass."""

    def __init__(self, error: HttpError, wait_s: float | None = None) -> None:
        super().__init__(str(error))
        self.error = error
        self.wait_s = wait_s


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
        Longest time one try may take, seconds.

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
        self._http = httpx.Client(
            timeout=httpx.Timeout(timeout_s, connect=min(timeout_s, 15.0)),
            headers={"User-Agent": "mekong-early-warning"},
            mounts=dict.fromkeys(("all://127.0.0.1", "all://localhost", "all://[::1]")),
        )
        self._lock = threading.Lock()
        self._gates: defaultdict[str, threading.Semaphore] = defaultdict(
            lambda: threading.Semaphore(PER_HOST)
        )
        self._kept: defaultdict[object, _Kept] = defaultdict(_Kept)
        self._failed: Counter[str] = Counter()

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
            with self._lock:
                kept = self._kept[url, tuple(sorted((params or {}).items()))]
            with kept.lock:
                if kept.answer is None:
                    try:
                        kept.answer = self.get(url, params=params, headers=headers)
                    except (HttpError, NotPublished, NeedsCredentials) as error:
                        kept.answer = error
                if isinstance(kept.answer, Exception):
                    raise kept.answer
                return kept.answer

        def body(response: httpx.Response, deadline: float) -> bytes:
            found = bytearray()
            for piece in response.iter_bytes():
                found += piece
                self._bounded(response, len(found), SMALL, deadline)
            return bytes(found)

        return self._persistently(url, params, headers, dict, body)

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
            return json.loads(content)
        except ValueError:
            found = self._kind(content)
        raise HttpError(f"{_shown(url)}: expected JSON, found {found}")

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
            ``Last-Modified``, else its ``Date``.
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
        path.parent.mkdir(parents=True, exist_ok=True)
        part = path.with_name(f".{path.name}.part")
        note = path.with_name(f".{path.name}.mark")
        with _alone(part) as stream:

            def protocol() -> dict[str, str]:
                asked = {"Accept-Encoding": "identity"}
                if size := stream.seek(0, os.SEEK_END):
                    if note.exists():
                        mark = note.read_text(encoding="utf-8")
                        return asked | {"Range": f"bytes={size}-", "If-Range": mark}
                    stream.truncate(0)
                if path.exists():
                    stamp = email.utils.formatdate(path.stat().st_mtime, usegmt=True)
                    asked["If-Modified-Since"] = stamp
                return asked

            def body(response: httpx.Response, deadline: float) -> httpx.Response:
                if response.status_code != 304:
                    resumable = not (params or httpx.URL(url).query)
                    size = _begin(response, stream, note, resumable=resumable)
                    for piece in response.iter_raw():
                        stream.write(piece)
                        size += len(piece)
                        self._bounded(response, size, LARGE, deadline)
                return response

            response = self._persistently(url, params, headers, protocol, body)
            note.unlink(missing_ok=True)
            if response.status_code == 304:
                return path
            stream.flush()
            stream.seek(0)
            head = stream.read(512)
            if not head.startswith(magic or b"") or _is_html(head) or not head:
                stream.truncate(0)
                wanted = " or ".join(repr(one.decode("latin-1")) for one in magic) or "a file"
                raise HttpError(f"{_shown(url)}: expected {wanted}, found {self._kind(head)}")
            os.fsync(stream.fileno())
            for name in ("Date", "Last-Modified"):
                if published := _moment(response, name):
                    os.utime(part, (published.timestamp(),) * 2)
            part.replace(path)
        return path

    def _persistently(
        self,
        url: str,
        params: Mapping[str, str] | None,
        headers: Mapping[str, str] | None,
        protocol: Callable[[], dict[str, str]],
        body: Callable[[httpx.Response, float], _T],
    ) -> _T:
        """Ask again while a failure may pass; ``protocol`` gives headers that go to every host."""
        address = _address(url).copy_merge_params(dict(params or {}))
        self._not_given_up(address)
        retrying = tenacity.Retrying(
            sleep=self._sleep,
            stop=tenacity.stop_after_attempt(self._attempts),
            wait=_wait,
            retry=tenacity.retry_if_exception_type(_Passing),
            reraise=True,
        )
        try:
            found: _T = retrying(self._ask, address, dict(headers or {}), protocol, body)
        except _Passing as last:
            with self._lock:
                self._failed[address.host] += 1
            raise last.error from None
        with self._lock:
            self._failed[address.host] = 0
        return found

    def _ask(
        self,
        address: httpx.URL,
        headers: dict[str, str],
        protocol: Callable[[], dict[str, str]],
        body: Callable[[httpx.Response, float], _T],
    ) -> _T:
        """Ask once, hop by hop: what proves who we are is chosen anew for each host."""
        deadline = time.monotonic() + self._limit_s
        target = address
        for _ in range(HOPS):
            own = headers if _origin(target) == _origin(address) else {}
            login = {} if "Authorization" in own else self._login(target)
            with self._lock:
                gate = self._gates[target.netloc.decode()]
            with gate, self._answer(target, own | login | protocol()) as response:
                if response.status_code not in _REDIRECTS:
                    self._judge(response, login=bool(login))
                    return body(response, deadline)
                goal = target.join(response.headers.get("Location", ""))
            _allowed(goal, after=target)
            target = goal
        raise HttpError(f"{_shown(address)}: more than {HOPS} redirects")

    def _login(self, target: httpx.URL) -> dict[str, str]:
        """Name and password of a host that is logged in to, as a header."""
        for endpoint, service in _PASSWORDS.items():
            if _origin(target) == _origin(httpx.URL(self._endpoints[endpoint])):
                self._not_given_up(target)
                name, word = (self.secret(f"{service}_{f}") for f in ("USERNAME", "PASSWORD"))
                code = base64.b64encode(f"{name}:{word}".encode()).decode()
                return {"Authorization": f"Basic {code}"}
        return {}

    @contextmanager
    def _answer(self, target: httpx.URL, headers: dict[str, str]) -> Iterator[httpx.Response]:
        """Open one answer; what is lost on the way may pass."""
        _allowed(target)
        request = self._http.build_request("GET", target, headers=headers)
        try:
            response = self._http.send(request, stream=True)
            try:
                yield response
            finally:
                response.close()
        except httpx.RequestError as lost:
            said = self._credentials.clean(str(lost)) or "no answer in time"
            raise _Passing(HttpError(f"{_shown(target)}: {type(lost).__name__}: {said}")) from None

    def _not_given_up(self, address: httpx.URL) -> None:
        """Raise where a host has been given up."""
        if self._failed[address.host] >= GIVEN_UP:
            raise HttpError(f"{_shown(address)}: not asked, {address.host} was given up")

    def _judge(self, response: httpx.Response, *, login: bool) -> None:
        """Raise where an answer is none; who refuses a login or wants to be left is given up."""
        where, status = _shown(response.url), response.status_code
        if status in {200, 206, 304}:
            return
        if status in {404, 410}:
            raise NotPublished(f"{where} is not there ({status})")
        error = HttpError(f"{where}: {status} {response.reason_phrase}", status=status)
        if status == 416:  # what an earlier try left is as long as the file, or longer
            raise _Passing(error, 0)
        if status not in PASSING:
            if login and status in {401, 403}:
                self._failed[response.url.host] = GIVEN_UP
            raise error
        wait_s = _retry_after(response)
        if wait_s is not None and wait_s > LONGEST_WAIT_S:
            self._failed[response.url.host] = GIVEN_UP
            raise HttpError(f"{error}, to be asked again in {wait_s:.0f} s", status=status)
        raise _Passing(error, wait_s)

    def _bounded(self, response: httpx.Response, size: int, most: int, deadline: float) -> None:
        """Raise where an answer is too long or takes too long."""
        if size > most:
            raise HttpError(f"{_shown(response.url)}: expected at most {most} bytes, found more")
        if time.monotonic() > deadline:
            raise HttpError(f"{_shown(response.url)}: not whole after {self._limit_s:g} s")

    def _kind(self, content: bytes) -> str:
        """Name what an answer is, for a message."""
        if _is_html(content):
            return "a page in HTML (a login, a licence to agree to, or an error)"
        text = self._credentials.clean(content[:4096].decode("latin-1"))
        return repr(text[:60]) if text else "nothing"


@contextmanager
def _alone(part: Path) -> Iterator[BinaryIO]:
    """Open a partial file that no other thread or process writes; an empty one does not stay."""
    while True:
        stream = part.open("a+b")
        fcntl.flock(stream, fcntl.LOCK_EX)
        if part.exists() and part.stat().st_ino == os.fstat(stream.fileno()).st_ino:
            break
        stream.close()
    with stream:
        try:
            yield stream
        finally:
            stream.flush()
            if part.exists() and not os.fstat(stream.fileno()).st_size:
                part.unlink()


def _begin(response: httpx.Response, stream: BinaryIO, note: Path, *, resumable: bool) -> int:
    """Make a partial file ready for an answer; return the bytes it has already."""
    etag = response.headers.get("ETag", "")
    weak = not etag or etag.startswith("W/")
    mark = response.headers.get("Last-Modified", "") if weak else etag
    if response.status_code == 206:
        size = stream.seek(0, os.SEEK_END)
        begins = response.headers.get("Content-Range", "").startswith(f"bytes {size}-")
        if begins and mark == note.read_text(encoding="utf-8"):
            return size
        stream.truncate(0)
        note.unlink()
        raise _Passing(HttpError(f"{_shown(response.url)}: the rest of another file came"), 0)
    stream.truncate(0)
    note.unlink(missing_ok=True)
    if mark and resumable:
        note.write_text(mark, encoding="utf-8")
    return 0


def _address(text: str) -> httpx.URL:
    """Address of a text."""
    try:
        return httpx.URL(text)
    except httpx.InvalidURL:
        raise HttpError(f"expected an address, found {text.partition('?')[0]!r}") from None


def _origin(url: httpx.URL) -> tuple[str, str, int | None]:
    """Scheme, host and port."""
    return url.scheme, url.host, url.port


def _allowed(target: httpx.URL, *, after: httpx.URL | None = None) -> None:
    """Raise unless an address is https, or http on the loopback interface and reached from there.

    Raises
    ------
    HttpError
    """
    local = target.host in _LOOPBACK and (after is None or after.host in _LOOPBACK)
    if target.scheme != "https" and not (target.scheme == "http" and local):
        raise HttpError(f"{_shown(target)}: expected https, found {target.scheme or 'no scheme'}")


def _shown(url: httpx.URL | str) -> str:
    """Address for a message: without name, password, query and fragment."""
    parts = httpx.URL(url)
    return f"{parts.scheme}://{parts.netloc.decode()}{parts.path}"


def _is_html(content: bytes) -> bool:
    """Whether an answer is a page."""
    begins = content[:64].lstrip(b"\xef\xbb\xbf \t\r\n").lower()
    return begins.startswith((b"<!doctype html", b"<html", b"<head"))


def _moment(response: httpx.Response, header: str) -> datetime | None:
    """Moment in a header."""
    try:
        found = email.utils.parsedate_to_datetime(response.headers[header])
    except (KeyError, ValueError):
        return None
    return found if found.tzinfo else found.replace(tzinfo=UTC)


def _retry_after(response: httpx.Response) -> float | None:
    """Seconds that a server asks to wait, from either form of its header."""
    text = response.headers.get("Retry-After", "")
    if text.isdigit():
        return float(text)
    then, now = _moment(response, "Retry-After"), _moment(response, "Date")
    return max((then - now).total_seconds(), 0.0) if then and now else None


def _wait(state: tenacity.RetryCallState) -> float:
    """Seconds to wait: what the server asks for, else growing and jittered."""
    error = state.outcome.exception() if state.outcome else None
    if isinstance(error, _Passing) and error.wait_s is not None:
        return error.wait_s
    return float(_WAIT(state))

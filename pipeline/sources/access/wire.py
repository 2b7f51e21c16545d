"""The wire below the client: every exchange ends by its deadline, whatever its server does.

A library's timeouts bound the silence between two bytes. A server that sends a byte now and then,
in a header, a chunk's extension or the head of a gzip stream, or one 1xx answer after the other,
is never silent and never done. Here the time that is left bounds each step of the connection
itself: its making, the handshake of TLS, each read and each write.
"""

from __future__ import annotations

import ssl
import threading
import time
import zlib
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from ipaddress import ip_address
from math import inf
from typing import Any
from urllib.request import getproxies, proxy_bypass

import httpcore
import httpx

BEFORE_ANSWER = 256 << 10
"""Most bytes of headers and of 1xx answers before an answer; providers send 4 kB at most."""
_KEPT = 0
"""Connections kept after an answer: what a server sends after it would answer the next request."""
_ENCODED = {"gzip", "x-gzip", "deflate"}


def is_loopback(host: str) -> bool:
    """Whether a host is this machine.

    Examples
    --------
    >>> is_loopback("127.0.0.2"), is_loopback("localhost"), is_loopback("127.0.0.1.example.org")
    (True, True, False)
    """
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


class Overrun(Exception):  # noqa: N818
    """An exchange is not done by its deadline, or its server talks without answering."""


class Unusable(Exception):  # noqa: N818
    """A body is too long, or in no encoding that was asked for."""


class _Clock(threading.local):
    """What the exchange of this thread may still use."""

    deadline = inf
    before = inf

    def left(self, timeout_s: float | None) -> float | None:
        """Seconds that the next step may take."""
        left = self.deadline - time.monotonic()
        if left <= 0:
            raise Overrun("its time is over")
        if left == inf:
            return timeout_s
        return left if timeout_s is None else min(left, timeout_s)

    def count(self, size: int) -> None:
        """Take the bytes of a read from those that may come before an answer."""
        self.before -= size
        if self.before < 0:
            raise Overrun(f"more than {BEFORE_ANSWER} bytes and no answer")

    @contextmanager
    def running(self) -> Iterator[None]:
        """Tell a timeout that is the deadline's from one that is a silence."""
        try:
            yield
        except httpcore.TimeoutException:
            self.left(None)
            raise


class _Stream(httpcore.NetworkStream):
    """A connection whose steps end by the deadline of the thread that takes them."""

    def __init__(self, stream: httpcore.NetworkStream, clock: _Clock) -> None:
        self._stream, self._clock = stream, clock

    def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        with self._clock.running():
            found = self._stream.read(max_bytes, self._clock.left(timeout))
        self._clock.count(len(found))
        return found

    def write(self, buffer: bytes, timeout: float | None = None) -> None:
        with self._clock.running():
            self._stream.write(buffer, self._clock.left(timeout))

    def close(self) -> None:
        self._stream.close()

    def start_tls(
        self,
        ssl_context: ssl.SSLContext,
        server_hostname: str | None = None,
        timeout: float | None = None,
    ) -> httpcore.NetworkStream:
        with self._clock.running():
            left = self._clock.left(timeout)
            secured = self._stream.start_tls(ssl_context, server_hostname, left)
        return _Stream(secured, self._clock)

    def get_extra_info(self, info: str) -> Any:
        return self._stream.get_extra_info(info)


class _Network(httpcore.NetworkBackend):
    """Makes connections whose steps end by the deadline of the thread that takes them."""

    def __init__(self, clock: _Clock) -> None:
        self._sockets, self._clock = httpcore.SyncBackend(), clock

    def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,
        local_address: str | None = None,
        socket_options: Iterable[httpcore.SOCKET_OPTION] | None = None,
    ) -> httpcore.NetworkStream:
        with self._clock.running():
            stream = self._sockets.connect_tcp(
                host, port, self._clock.left(timeout), local_address, socket_options
            )
        return _Stream(stream, self._clock)


class Wire(httpx.BaseTransport):
    """Carry requests of httpx, each until the deadline of its thread.

    Proxies are taken from the environment (``HTTPS_PROXY``, ``NO_PROXY``), certificates from
    ``SSL_CERT_FILE`` where it is set.
    """

    def __init__(self) -> None:
        self._clock = _Clock()
        self._trusted = httpx.create_ssl_context()
        self._proxies = getproxies()
        self._lock = threading.Lock()
        self._pools: dict[str | None, httpcore.ConnectionPool] = {}

    @contextmanager
    def until(self, deadline: float) -> Iterator[None]:
        """End what this thread exchanges by a moment.

        Parameters
        ----------
        deadline
            Of ``time.monotonic``, seconds.
        """
        self._clock.deadline = deadline
        try:
            yield
        finally:
            self._clock.deadline = inf

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        """Send a request and return its answer, whose body is yet to be read.

        Parameters
        ----------
        request
            Without a body.

        Raises
        ------
        Overrun
            The deadline has come, or too much came before an answer.
        httpx.TransportError
            As the transport of httpx.
        """
        self._clock.before = BEFORE_ANSWER
        try:
            with _translated():
                answer = self._pool(request.url).handle_request(
                    httpcore.Request(
                        method=request.method,
                        url=httpcore.URL(
                            scheme=request.url.raw_scheme,
                            host=request.url.raw_host,
                            port=request.url.port,
                            target=request.url.raw_path,
                        ),
                        headers=request.headers.raw,
                        extensions=request.extensions,
                    )
                )
        finally:
            self._clock.before = inf
        return httpx.Response(
            answer.status,
            headers=answer.headers,
            stream=_Body(answer),
            extensions=answer.extensions,
        )

    def close(self) -> None:
        """Close the connections."""
        for pool in self._pools.values():
            pool.close()

    def _pool(self, url: httpx.URL) -> httpcore.ConnectionPool:
        """Return the connections of a request: its host's own, or those of a proxy."""
        direct = is_loopback(url.host) or proxy_bypass(url.host)
        via = None if direct else self._proxies.get(url.scheme, self._proxies.get("all"))
        with self._lock:
            if via not in self._pools:
                self._pools[via] = httpcore.ConnectionPool(
                    ssl_context=self._trusted,
                    proxy=None if via is None else _proxy(via),
                    max_connections=None,
                    max_keepalive_connections=_KEPT,
                    network_backend=_Network(self._clock),
                )
            return self._pools[via]


class _Body(httpx.SyncByteStream):
    """Body of an answer."""

    def __init__(self, answer: httpcore.Response) -> None:
        self._answer = answer

    def __iter__(self) -> Iterator[bytes]:
        with _translated():
            yield from self._answer.iter_stream()

    def close(self) -> None:
        self._answer.close()


def _proxy(address: str) -> httpcore.Proxy:
    """Proxy of an address, whose name and password may stand in it."""
    found = httpx.Proxy(address if "://" in address else f"http://{address}")
    url = found.url
    return httpcore.Proxy(
        httpcore.URL(scheme=url.raw_scheme, host=url.raw_host, port=url.port, target=url.raw_path),
        auth=found.raw_auth,
    )


@contextmanager
def _translated() -> Iterator[None]:
    """Raise the errors of httpcore as those of the same name of httpx."""
    try:
        yield
    except (
        httpcore.TimeoutException,
        httpcore.NetworkError,
        httpcore.ProtocolError,
        httpcore.ProxyError,
        httpcore.UnsupportedProtocol,
    ) as error:
        raise getattr(httpx, type(error).__name__)(str(error)) from error


def content(response: httpx.Response, most: int) -> bytes:
    """Return the body of an answer, as it was before it was encoded.

    Memory is taken for what is kept alone: a stream that unpacks to 1,000 times its size, or one
    that is packed several times, ends at the limit.

    Parameters
    ----------
    response
        Its body not yet read.
    most
        Longest body, bytes.

    Raises
    ------
    Unusable
        Longer, or in an encoding other than gzip or deflate.
    httpx.DecodingError
        The encoding is broken or breaks off.
    """
    encoding = response.headers.get("Content-Encoding", "").strip().lower()
    found = bytearray()
    if encoding in {"", "identity"}:
        for piece in response.iter_raw():
            found += piece
            _bounded(len(found), most)
        return bytes(found)
    if encoding not in _ENCODED:
        raise Unusable(f"expected an answer as it is or in gzip, found encoding {encoding[:40]!r}")
    packed = zlib.decompressobj(zlib.MAX_WBITS | 32)
    try:
        for piece in response.iter_raw():
            found += packed.decompress(piece, most + 1 - len(found))
            _bounded(len(found), most)
            if packed.eof:
                break
    except zlib.error as broken:
        raise httpx.DecodingError(f"{encoding}: {broken}") from None
    if not packed.eof or packed.unused_data:
        raise httpx.DecodingError(f"expected one stream in {encoding}, found more or less")
    return bytes(found)


def _bounded(size: int, most: int) -> None:
    """Raise where a body is too long."""
    if size > most:
        raise Unusable(f"expected at most {most} bytes, found more")

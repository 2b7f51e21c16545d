"""Transport below the client: every exchange ends by its deadline, whatever its server does.

A library's timeouts bound the silence between two bytes. A server that sends a byte now and then,
in a header, a chunk's extension or the head of a gzip stream, or one 1xx answer after the other, is
never silent and never ends. Here the remaining time bounds each step of the connection itself:
connecting, the handshake of TLS, each read and each write.
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
from urllib.parse import unquote, urlsplit
from urllib.request import getproxies, proxy_bypass

import httpcore
import httpx

BEFORE_ANSWER = 256 << 10
"""Most bytes of headers and of 1xx answers before an answer; providers send 4 kB at most."""
_KEPT = 0
"""Connections kept after an answer: surplus bytes of a server would answer the next request."""
_ENCODED = {"gzip", "x-gzip", "deflate"}


def is_loopback(host: str) -> bool:
    """Return whether a host is this machine.

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
    """An exchange does not end by its deadline, or its server sends bytes without an answer."""


class Unusable(Exception):  # noqa: N818
    """A body is too long, or in an encoding that was not requested."""


class _Clock(threading.local):
    """Time and bytes that remain to the exchange of this thread."""

    deadline = inf
    before = inf

    def remaining(self, timeout_s: float | None) -> float | None:
        """Return the seconds that the next step may take."""
        left_s = self.deadline - time.monotonic()
        if left_s <= 0:
            raise Overrun("its time is over")
        if left_s == inf:
            return timeout_s
        return left_s if timeout_s is None else min(left_s, timeout_s)

    def count(self, size: int) -> None:
        """Subtract the bytes of a read from those allowed before an answer."""
        self.before -= size
        if self.before < 0:
            raise Overrun(f"more than {BEFORE_ANSWER} bytes and no answer")

    @contextmanager
    def running(self) -> Iterator[None]:
        """Raise Overrun for a timeout at the deadline; other timeouts are silences."""
        try:
            yield
        except httpcore.TimeoutException:
            self.remaining(None)
            raise


class _Stream(httpcore.NetworkStream):
    """A connection whose steps end by the deadline of the thread that takes them."""

    def __init__(self, stream: httpcore.NetworkStream, clock: _Clock) -> None:
        self._stream, self._clock = stream, clock

    def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        with self._clock.running():
            data = self._stream.read(max_bytes, self._clock.remaining(timeout))
        self._clock.count(len(data))
        return data

    def write(self, buffer: bytes, timeout: float | None = None) -> None:
        with self._clock.running():
            self._stream.write(buffer, self._clock.remaining(timeout))

    def close(self) -> None:
        self._stream.close()

    def start_tls(
        self,
        ssl_context: ssl.SSLContext,
        server_hostname: str | None = None,
        timeout: float | None = None,
    ) -> httpcore.NetworkStream:
        with self._clock.running():
            left_s = self._clock.remaining(timeout)
            secured = self._stream.start_tls(ssl_context, server_hostname, left_s)
        return _Stream(secured, self._clock)

    def get_extra_info(self, info: str) -> Any:
        return self._stream.get_extra_info(info)


class _Network(httpcore.NetworkBackend):
    """Connect by sockets whose steps end by the deadline of the thread that takes them."""

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
                host, port, self._clock.remaining(timeout), local_address, socket_options
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

    def list_proxy_logins(self) -> list[tuple[str, str]]:
        """List name and password of each proxy that has them."""
        addresses = [via if "://" in via else f"http://{via}" for via in self._proxies.values()]
        return [
            (unquote(parts.username or ""), unquote(parts.password))
            for parts in map(urlsplit, addresses)
            if parts.password
        ]

    @contextmanager
    def until(self, deadline: float) -> Iterator[None]:
        """End the exchanges of this thread by a moment.

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
            Without a body, or with one that is held in memory.

        Raises
        ------
        Overrun
            The deadline is over, or too many bytes came before an answer.
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
                        content=request.read(),
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
        """Return the pool for a request: direct connections, or those through a proxy."""
        direct = is_loopback(url.host) or proxy_bypass(url.host)
        via = None if direct else self._proxies.get(url.scheme, self._proxies.get("all"))
        with self._lock:
            if via not in self._pools:
                self._pools[via] = httpcore.ConnectionPool(
                    ssl_context=self._trusted,
                    proxy=None if via is None else _parse_proxy(via),
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


def _parse_proxy(address: str) -> httpcore.Proxy:
    """Parse the address of a proxy, which may hold a name and password."""
    proxy = httpx.Proxy(address if "://" in address else f"http://{address}")
    url = proxy.url
    return httpcore.Proxy(
        httpcore.URL(scheme=url.raw_scheme, host=url.raw_host, port=url.port, target=url.raw_path),
        auth=proxy.raw_auth,
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


def read_body(response: httpx.Response, max_bytes: int) -> bytes:
    """Return the decoded body of an answer.

    No more memory is taken than for the longest body: a stream that unpacks to 1,000 times its
    size, or one that is packed several times, ends at the limit.

    Parameters
    ----------
    response
        Answer whose body is yet to be read.
    max_bytes
        Longest body, bytes.

    Raises
    ------
    Unusable
        Longer, or in an encoding other than gzip or deflate.
    httpx.DecodingError
        The encoding is broken or breaks off.
    """
    encoding = response.headers.get("Content-Encoding", "").strip().lower()
    body = bytearray()
    if encoding in {"", "identity"}:
        for piece in response.iter_raw():
            body += piece
            _check_size(len(body), max_bytes)
        return bytes(body)
    if encoding not in _ENCODED:
        raise Unusable(f"expected an answer as it is or in gzip, found encoding {encoding[:40]!r}")
    packed = zlib.decompressobj(zlib.MAX_WBITS | 32)
    try:
        for piece in response.iter_raw():
            body += packed.decompress(piece, max_bytes + 1 - len(body))
            _check_size(len(body), max_bytes)
            if packed.eof:
                break
    except zlib.error as broken:
        raise httpx.DecodingError(f"{encoding}: {broken}") from None
    if not packed.eof or packed.unused_data:
        raise httpx.DecodingError(f"expected one stream in {encoding}, found more or less")
    return bytes(body)


def _check_size(size: int, max_bytes: int) -> None:
    """Raise where a body is too long."""
    if size > max_bytes:
        raise Unusable(f"expected at most {max_bytes} bytes, found more")

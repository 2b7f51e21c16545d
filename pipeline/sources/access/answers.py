"""What addresses and answers say: where, when, how long to wait, and whether it is a page."""

from __future__ import annotations

import email.utils
from datetime import UTC, datetime, timedelta

import httpx

from pipeline.sources.access.wire import is_loopback
from pipeline.sources.base import HttpError

EARLIEST = datetime(1998, 1, 1, tzinfo=UTC)
"""No file of these providers was published before; a stamp of 1970 is a clock that was not set."""
_SKEW = timedelta(days=1)


def published_at(response: httpx.Response, received: datetime) -> datetime:
    """Moment of publication that an answer may be believed in, see :meth:`Client.download`."""
    date, modified = moment(response, "Date"), moment(response, "Last-Modified")
    if date is not None and abs(date - received) < _SKEW:
        received = min(date, received)
    if modified is not None and EARLIEST <= modified <= received:
        return modified
    return received


def url_of(text: str) -> httpx.URL:
    """Address of a text."""
    try:
        return httpx.URL(text)
    except (httpx.InvalidURL, ValueError):
        raise HttpError(f"expected an address, found {text.partition('?')[0][:200]!r}") from None


def origin(url: httpx.URL) -> tuple[str, str, int | None]:
    """Scheme, host and port."""
    return url.scheme, url.host, url.port


def allowed(target: httpx.URL, *, after: httpx.URL | None = None) -> None:
    """Raise unless an address is https, or http on the loopback interface and reached from there.

    Raises
    ------
    HttpError
    """
    local = is_loopback(target.host) and (after is None or is_loopback(after.host))
    if target.scheme != "https" and not (target.scheme == "http" and local):
        raise HttpError(f"{shown(target)}: expected https, found {target.scheme or 'no scheme'}")


def shown(url: httpx.URL | str) -> str:
    """Address for a message: without name, password, query and fragment."""
    parts = httpx.URL(url)
    path = parts.raw_path.decode().partition("?")[0]
    return f"{parts.scheme}://{parts.netloc.decode()}{path[:200]}"


def is_html(content: bytes) -> bool:
    """Whether an answer is a page."""
    begins = content[:64].lstrip(b"\xef\xbb\xbf \t\r\n").lower()
    return begins.startswith((b"<!doctype html", b"<html", b"<head"))


def moment(response: httpx.Response, header: str) -> datetime | None:
    """Moment in a header."""
    try:
        found = email.utils.parsedate_to_datetime(response.headers[header])
        return found.replace(tzinfo=found.tzinfo or UTC).astimezone(UTC)
    except (KeyError, ValueError, OverflowError):
        return None


def retry_after(response: httpx.Response) -> float | None:
    """Seconds that a server asks to wait, from either form of its header."""
    text = response.headers.get("Retry-After", "")
    if text.isascii() and text.isdecimal():
        return float(text[:12])
    then, now = moment(response, "Retry-After"), moment(response, "Date")
    return max((then - now).total_seconds(), 0.0) if then and now else None

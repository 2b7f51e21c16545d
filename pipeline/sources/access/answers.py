"""Addresses and answers: redaction, time of publication, content that is no file."""

from __future__ import annotations

import email.utils
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import httpx

from pipeline.sources.access.wire import is_loopback
from pipeline.sources.base import HttpError

EARLIEST = datetime(1998, 1, 1, tzinfo=UTC)
"""No file of these providers was published before; a stamp of 1970 is a clock that was not set."""
_SKEW = timedelta(days=1)


def published_at(response: httpx.Response, received: datetime) -> datetime:
    """Return the time of publication of an answer.

    As of :meth:`pipeline.sources.access.client.Client.download`.
    """
    date, modified = parse_date(response, "Date"), parse_date(response, "Last-Modified")
    if date is not None and abs(date - received) < _SKEW:
        received = min(date, received)
    if modified is not None and EARLIEST <= modified <= received:
        return modified
    return received


def parse_url(text: str) -> httpx.URL:
    """Parse an address; raise HttpError where the text is none."""
    try:
        return httpx.URL(text)
    except (httpx.InvalidURL, ValueError):
        raise HttpError(f"expected an address, found {text.partition('?')[0][:200]!r}") from None


def origin(url: httpx.URL) -> tuple[str, str, int | None]:
    """Return scheme, host and port, to which credentials are bound."""
    return url.scheme, url.host, url.port


def require_https(target: httpx.URL, *, after: httpx.URL | None = None) -> None:
    """Raise unless an address is https, or http on the loopback interface and reached from there.

    Raises
    ------
    HttpError
    """
    local = is_loopback(target.host) and (after is None or is_loopback(after.host))
    if target.scheme != "https" and not (target.scheme == "http" and local):
        raise HttpError(f"{redact(target)}: expected https, found {target.scheme or 'no scheme'}")


def redact(url: httpx.URL | str) -> str:
    """Return an address for a message: without name, password, query and fragment."""
    parts = httpx.URL(url)
    path = parts.raw_path.decode().partition("?")[0]
    return f"{parts.scheme}://{parts.netloc.decode()}{path[:200]}"


def is_html(content: bytes) -> bool:
    """Return whether an answer is a page in HTML."""
    begins = content[:64].lstrip(b"\xef\xbb\xbf \t\r\n").lower()
    return begins.startswith((b"<!doctype html", b"<html", b"<head"))


def describe_content(content: bytes, clean: Callable[[str], str]) -> str:
    """Describe the content of an answer, for a message.

    Parameters
    ----------
    content
        Its body.
    clean
        Function that removes credentials from a text.
    """
    if is_html(content):
        return "a page in HTML (a login, a licence to agree to, or an error)"
    text = clean(content[:4096].decode("latin-1"))
    return repr(text[:60]) if text else "nothing"


def parse_date(response: httpx.Response, header: str) -> datetime | None:
    """Return the moment in a header, None where it has none."""
    try:
        moment = email.utils.parsedate_to_datetime(response.headers[header])
        return moment.replace(tzinfo=moment.tzinfo or UTC).astimezone(UTC)
    except (KeyError, ValueError, OverflowError):
        return None


def retry_after(response: httpx.Response) -> float | None:
    """Return the seconds that a server asks to wait, from either form of its header."""
    text = response.headers.get("Retry-After", "")
    if text.isascii() and text.isdecimal():
        return float(text[:12])
    retry_time, answer_time = parse_date(response, "Retry-After"), parse_date(response, "Date")
    return (
        max((retry_time - answer_time).total_seconds(), 0.0) if retry_time and answer_time else None
    )

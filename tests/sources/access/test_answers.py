"""Addresses and answers: time of publication, redaction, waits, and pages that are no files."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import httpx
import pytest

from pipeline.sources.access import answers
from pipeline.sources.base import HttpError

RECEIVED = datetime(2026, 8, 20, 0, 30, tzinfo=UTC)


def response(**headers: str) -> httpx.Response:
    fields = [(name.replace("_", "-"), text.encode("latin-1")) for name, text in headers.items()]
    return httpx.Response(200, headers=[(name.encode(), text) for name, text in fields])


@pytest.mark.parametrize(
    ("headers", "expected"),
    [
        ({}, RECEIVED),
        ({"Last_Modified": "Wed, 19 Aug 2026 14:00:00 GMT"},
         datetime(2026, 8, 19, 14, tzinfo=UTC)),
        ({"Last_Modified": "Wed, 19 Aug 2026 21:00:00 +0700"},
         datetime(2026, 8, 19, 14, tzinfo=UTC)),
        ({"Last_Modified": "Thu, 01 Jan 1970 00:00:00 GMT"}, RECEIVED),
        ({"Last_Modified": "Thu, 20 Aug 2026 09:00:00 GMT"}, RECEIVED),
        ({"Last_Modified": "yesterday"}, RECEIVED),
        ({"Date": "Thu, 20 Aug 2026 00:29:00 GMT"}, RECEIVED - timedelta(minutes=1)),
        ({"Date": "Thu, 20 Aug 2026 00:31:00 GMT"}, RECEIVED),
        ({"Date": "Mon, 17 Aug 2026 00:30:00 GMT"}, RECEIVED),
        ({"Date": "Thu, 20 Aug 2026 00:10:00 GMT",
          "Last_Modified": "Thu, 20 Aug 2026 00:20:00 GMT"}, RECEIVED - timedelta(minutes=20)),
    ],
    ids=["none", "modified", "zone", "clock not set", "to come", "no date", "slower clock",
         "faster clock", "clock days off", "modified after the answer"],
)  # fmt: skip
def test_a_file_is_published_when_believable_headers_say_so(
    headers: dict[str, str], expected: datetime
) -> None:
    assert answers.published_at(response(**headers), RECEIVED) == expected


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        ({}, None),
        ({"Retry_After": "7"}, 7.0),
        ({"Retry_After": "-7"}, None),
        ({"Retry_After": "²"}, None),
        ({"Retry_After": "soon", "Date": "Thu, 20 Aug 2026 00:30:00 GMT"}, None),
        ({"Retry_After": "Thu, 20 Aug 2026 00:32:00 GMT"}, None),
        ({"Retry_After": "Thu, 20 Aug 2026 00:32:00 GMT",
          "Date": "Thu, 20 Aug 2026 00:30:00 GMT"}, 120.0),
        ({"Retry_After": "Thu, 20 Aug 2026 00:29:00 GMT",
          "Date": "Thu, 20 Aug 2026 00:30:00 GMT"}, 0.0),
    ],
)  # fmt: skip
def test_the_wait_is_that_of_the_servers_own_clock(
    headers: dict[str, str], seconds: float | None
) -> None:
    assert answers.retry_after(response(**headers)) == seconds


def test_an_address_in_a_message_has_no_credential() -> None:
    shown = answers.redact("https://me:s3cret@example.org:8443/a/b.nc4?key=k3y#part")
    assert shown == "https://example.org:8443/a/b.nc4"
    assert len(answers.redact(f"https://example.org/{'x' * 5000}")) < 300
    with pytest.raises(HttpError, match="expected an address, found 'https://") as refused:
        answers.parse_url("https://[::1/a?key=k3y")
    assert "k3y" not in str(refused.value)


@pytest.mark.parametrize(
    ("target", "after", "found"),
    [
        ("https://example.org/a", None, ""),
        ("https://example.org/a", "http://127.0.0.1/", ""),
        ("http://127.0.0.1:8080/a", None, ""),
        ("http://localhost/a", "http://127.0.0.1/", ""),
        ("http://127.0.0.1/a", "https://example.org/", "found http"),
        ("http://example.org/a", None, "found http"),
        ("ftp://127.0.0.1/a", None, "found ftp"),
        ("//example.org/a", None, "found no scheme"),
    ],
)
def test_plain_http_stays_on_the_loopback(target: str, after: str | None, found: str) -> None:
    begin = httpx.URL(after) if after else None
    if not found:
        answers.require_https(httpx.URL(target), after=begin)
        return
    with pytest.raises(HttpError, match=f"expected https, {found}"):
        answers.require_https(httpx.URL(target), after=begin)


def test_a_page_is_told_from_a_file_however_it_begins() -> None:
    for page in (b"<!DOCTYPE html>", b"\xef\xbb\xbf\r\n <HTML lang='en'>", b"<head><title>"):
        assert answers.is_html(page)
        assert answers.describe_content(page, str).startswith("a page in HTML")
    for content in (b"", b"\x89HDF\r\n", b'{"html": 1}', b"<?xml version='1.0'?>"):
        assert not answers.is_html(content)
    assert answers.describe_content(b"", str) == "nothing"
    shown = answers.describe_content(b"no k3y" + b"x" * 100, lambda text: text.replace("k3y", "*"))
    assert shown == repr("no *" + "x" * 56)

"""Send a notice to a person, by webhook and by mail: each within a minute, neither in vain."""

from __future__ import annotations

import json
import smtplib
import ssl
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from email.message import EmailMessage
from email.utils import format_datetime, make_msgid
from typing import Any
from urllib.parse import urlsplit

import httpx

from pipeline.settings import Settings
from pipeline.sources.access.answers import redact
from pipeline.sources.access.client import Client
from pipeline.sources.access.wire import is_loopback
from pipeline.sources.base import HttpError, NotPublished
from pipeline.supervision.causes import describe_cause

LIMIT_S = 30.0
"""Longest time of a webhook with all its tries, and of a mail (s)."""
SILENCE_S = 10.0
"""Longest silence of either (s)."""
TRIES = 3
"""Tries of a webhook; a mail is tried once."""


@dataclass(frozen=True)
class Delivery:
    """Which channels took a message, and why others did not.

    Parameters
    ----------
    taken
        Names of the channels that took it.
    failures
        One line for each that did not.
    """

    taken: tuple[str, ...] = ()
    failures: tuple[str, ...] = ()


def list_channels(settings: Settings) -> list[str]:
    """List the channels of the settings by which a person is told."""
    webhook = ["webhook"] if settings.notice_webhook is not None else []
    return webhook + (["mail"] if settings.notice_mail_to else [])


def deliver(
    subject: str,
    text: str,
    document: Mapping[str, Any],
    *,
    settings: Settings,
) -> Delivery:
    """Send a message by every channel of the settings; nothing is raised for one that fails.

    Parameters
    ----------
    subject
        One line.
    text
        The message for people; mail holds it, and ``text`` of the webhook.
    document
        More members of what is posted to the webhook.
    settings
        Webhook and mail.
    """
    ways: dict[str, Callable[[], None]] = {
        "webhook": lambda: _post({"text": f"{subject}\n{text}", **document}, settings),
        "mail": lambda: _mail_in_time(subject, text, settings),
    }
    taken, failures = list[str](), list[str]()
    for channel in list_channels(settings):
        try:
            ways[channel]()
        except Exception as error:  # noqa: BLE001  (the other channel must still be tried)
            failures.append(f"{channel}: {describe_cause(error, settings=settings)}")
        else:
            taken.append(channel)
    return Delivery(tuple(taken), tuple(failures))


def _post(document: Mapping[str, Any], settings: Settings) -> None:
    """Post a document to the webhook; its path, which is often a key, stands in no error."""
    if settings.notice_webhook is None:
        return
    address = settings.notice_webhook.get_secret_value()
    content = json.dumps(document, ensure_ascii=False).encode()
    with Client(attempts=TRIES, timeout_s=SILENCE_S, limit_s=LIMIT_S) as client:
        try:
            client.post(address, content, headers={"Content-Type": "application/json"})
        except (HttpError, NotPublished) as error:
            text = str(error).replace(redact(address), httpx.URL(address).host)
            raise ConnectionError(text) from None


def _mail_in_time(subject: str, text: str, settings: Settings) -> None:
    """Send a mail, given up at the limit: a server that drips its answers is never silent."""
    failures = list[Exception]()

    def send() -> None:
        try:
            _mail(subject, text, settings)
        except Exception as error:  # noqa: BLE001  (raised below, in the thread that waits)
            failures.append(error)

    thread = threading.Thread(target=send, daemon=True)
    thread.start()
    thread.join(LIMIT_S)
    if thread.is_alive():
        raise TimeoutError(f"the server did not take it within {LIMIT_S:g} s")
    if failures:
        raise failures[0]


def _mail(subject: str, text: str, settings: Settings) -> None:
    """Send a mail; a password goes over TLS or stays on this machine."""
    message = EmailMessage()
    message["Subject"], message["From"] = subject, settings.notice_mail_from
    message["To"] = ", ".join(settings.notice_mail_to)
    message["Date"] = format_datetime(datetime.now(UTC))
    message["Message-ID"] = make_msgid(domain="mekong-early-warning.invalid")
    message.set_content(text)
    parts = urlsplit(f"//{settings.notice_mail_server}")
    host = parts.hostname or ""
    with smtplib.SMTP(host, parts.port or 25, timeout=SILENCE_S) as server:
        server.ehlo()
        if server.has_extn("starttls"):
            server.starttls(context=ssl.create_default_context())
            server.ehlo()
        elif settings.notice_mail_user and not is_loopback(host):
            raise ConnectionError(f"{host} offers no TLS: the password was not sent")
        if settings.notice_mail_user:
            password = settings.notice_mail_password
            server.login(settings.notice_mail_user, password.get_secret_value() if password else "")
        if refused := server.send_message(message):
            raise ConnectionError(f"{host} refused {', '.join(sorted(refused))}")

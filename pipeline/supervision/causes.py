"""The cause of a fault in one short line, without secrets and control characters."""

from __future__ import annotations

import base64
import re
from urllib.parse import urlsplit

import httpx
import sqlalchemy as sa

from pipeline.settings import SECRETS, Settings
from pipeline.sources import ENDPOINTS, SOURCES
from pipeline.sources.access.credentials import Credentials, encode_login, list_forms
from pipeline.sources.base import NeedsCredentials

LONGEST = 300
"""Most characters of a cause."""
LONGEST_READ = 20_000
"""Most characters of a text that are looked at."""
SHORTEST_PART = 12
"""Shorter parts of the webhook's address are words such as ``hooks``, and no keys."""
HIDDEN = "***"
SHORTEST_SECRET = 4
"""Shorter secrets are not searched for: they would be found in every text."""
_PATTERNS = (
    (re.compile(r"-----BEGIN.*?(-----END[^-]*-----|\Z)", re.DOTALL), HIDDEN),
    (re.compile(r"(?<=://)[^/\s@]+@"), f"{HIDDEN}@"),
    (re.compile(r"(?i)(https?://[^\s?'\"<>]*)\?[^\s'\"<>]*"), rf"\1?{HIDDEN}"),
    (re.compile(r"(?i)\b(bearer|basic)\s+[A-Za-z0-9+/._~=-]{6,}"), rf"\1 {HIDDEN}"),
    (
        re.compile(
            r"""(?ix) \b([a-z_-]*(?:password|passwd|pwd|token|secret|api_?key|auth_?key|credential))
            (["']?\s*[=:]\s*) (?:"[^"]*"|'[^']*'|[^\s,;)}]+)"""
        ),
        rf"\1\2{HIDDEN}",
    ),
)
"""What a secret looks like, whoever made the text, and what stands in its place."""


def describe_cause(error: object, *, settings: Settings | None) -> str:
    """Describe an error or a text in one line for people: its class, and what it says.

    Secrets of the settings, credentials of the providers and whatever looks like one are hidden;
    control characters, also those that turn the direction of a text, are blanks.

    Parameters
    ----------
    error
        An exception, a text, or None where nothing is known.
    settings
        Settings with secrets; None where they cannot be read.
    """
    if error is None:
        return ""
    try:
        text = str(error)[:LONGEST_READ]
    except Exception:  # noqa: BLE001  (an error that cannot be worded is told by its class)
        text = ""
    for secret in sorted(_list_secrets(settings), key=len, reverse=True):
        text = text.replace(secret, HIDDEN)
    for pattern, replacement in _PATTERNS:
        text = pattern.sub(replacement, text)
    text = " ".join("".join(sign if sign.isprintable() else " " for sign in text).split())
    if isinstance(error, BaseException):
        text = f"{type(error).__name__}: {text}" if text else type(error).__name__
    return text if len(text) <= LONGEST else f"{text[: LONGEST - 1]}…"


def _list_secrets(settings: Settings | None) -> set[str]:
    """Secrets that are set, in each form in which a text may hold them."""
    hosts = {name: httpx.URL(base).host for name, base in ENDPOINTS.items()}
    credentials = Credentials(hosts)
    names = {part for row in SOURCES.values() for need in row.needs for part in need.split(" or ")}
    secrets = set[str]()
    for name in names | {"PPS_PASSWORD", "EARTHDATA_PASSWORD", "EARTHDATA_TOKEN"}:
        try:
            secrets.add(credentials.get(name))
        except NeedsCredentials:
            continue
    for service in ("EARTHDATA", "PPS"):
        try:
            secrets.add(credentials.get_login(service))
        except NeedsCredentials:
            continue
    if settings is not None:
        secrets |= _list_secret_settings(settings)
    forms = {form for secret in secrets for form in list_forms(secret)}
    return {form for form in forms if len(form) >= SHORTEST_SECRET}


def _list_secret_settings(settings: Settings) -> set[str]:
    """Secrets of the settings, and the parts and codes of them that travel alone."""
    values = {name: getattr(settings, name) for name in SECRETS}
    plain = {name: value.get_secret_value() for name, value in values.items() if value is not None}
    secrets = set(plain.values())
    if url := plain.get("records_url"):
        secrets.add(sa.engine.make_url(url).password or "")
    if password := plain.get("notice_mail_password"):
        user = settings.notice_mail_user or ""
        proof = base64.b64encode(f"\0{user}\0{password}".encode()).decode()
        secrets |= {
            base64.b64encode(password.encode()).decode(),
            encode_login(user, password),
            proof,
        }
    if address := plain.get("notice_webhook"):
        parts = urlsplit(address)
        pieces = {parts.path, parts.path.strip("/"), parts.query, *parts.path.split("/")}
        secrets |= {piece for piece in pieces if len(piece) >= SHORTEST_PART}
    return secrets

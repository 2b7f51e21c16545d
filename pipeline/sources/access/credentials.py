"""Credentials: from the environment, an Airflow connection or netrc; never logged, never stored.

A message about one that cannot be used names its variable, its file or the line, never its text.
"""

from __future__ import annotations

import base64
import json
import netrc
import os
import threading
from collections.abc import Mapping
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, quote, quote_plus, unquote, urlsplit

from pydantic import BaseModel, TypeAdapter

from pipeline.sources.base import NeedsCredentials


class _Connection(BaseModel):
    """An Airflow connection in JSON, as far as it is used."""

    login: str | None = None
    password: str | None = None
    extra: dict[str, Any] | str | None = None


_Extra = TypeAdapter(dict[str, Any])


def list_forms(secret: str) -> set[str]:
    """List a secret as a text may hold it: plain, in an address, in JSON, in Python.

    Parameters
    ----------
    secret
        The secret.

    Examples
    --------
    >>> sorted(list_forms("a b/c"))
    ['a b/c', 'a%20b%2Fc', 'a%20b/c', 'a+b%2Fc']
    """
    in_addresses = {quote(secret), quote(secret, safe=""), quote_plus(secret)}
    return {secret, json.dumps(secret)[1:-1], repr(secret)[1:-1]} | in_addresses


def encode_login(name: str, password: str) -> str:
    """Encode a name and a password as the header of a request holds them."""
    return base64.b64encode(f"{name}:{password}".encode()).decode()


class Credentials:
    """Look-up of names, passwords, tokens and keys.

    Parameters
    ----------
    hosts
        Host of each service, by its lower-case name, for netrc.
    environment
        Default the process's.
    """

    def __init__(
        self, hosts: Mapping[str, str], environment: Mapping[str, str] | None = None
    ) -> None:
        self._hosts = hosts
        self._environment = os.environ if environment is None else environment
        self._lock = threading.Lock()
        self._given: set[str] = set()

    def get(self, name: str) -> str:
        """Return a credential.

        ``EARTHDATA_PASSWORD`` is looked for in the environment variable of that name, then in the
        Airflow connection ``earthdata`` as tasks export it (``AIRFLOW_CONN_EARTHDATA``, an address
        or JSON; a token or key is its ``token`` or ``api_key`` in ``extra``, or the password of a
        connection without login), then in netrc under the service's host.

        Parameters
        ----------
        name
            Name of the service and of the field: USERNAME, PASSWORD, TOKEN or API_KEY.

        Blanks and line ends around a token or key are dropped.

        Raises
        ------
        NeedsCredentials
            It is not set, its place cannot be read, or it is a token or key that no header can
            carry.
        """
        service, _, field = name.partition("_")
        value = (
            self._environment.get(name)
            or self._read_connection(service, field)
            or self._read_netrc(service.lower(), field)
            or ""
        )
        if field not in {"USERNAME", "PASSWORD"}:
            value = value.strip()
            # h11 quotes a header that it refuses, escaped, so that clean() would not know it again
            if not (value.isascii() and value.isprintable()):
                raise NeedsCredentials(f"{name} in printable ASCII on one line")
        if not value:
            raise NeedsCredentials(name)
        if field != "USERNAME":
            self.hide(value)
        return value

    def get_login(self, service: str) -> str:
        """Return name and password of a service as ``Authorization: Basic`` holds them.

        Parameters
        ----------
        service
            Name of the service in upper case.

        Raises
        ------
        NeedsCredentials
            As of :meth:`get`.
        """
        code = encode_login(self.get(f"{service}_USERNAME"), self.get(f"{service}_PASSWORD"))
        self.hide(code)
        return code

    def hide(self, secret: str) -> None:
        """Have a secret cleaned from texts, in all its forms."""
        with self._lock:
            self._given |= list_forms(secret)

    def clean(self, text: str) -> str:
        """Return a text without any credential that was given out.

        Parameters
        ----------
        text
            Message of another program.
        """
        with self._lock:
            secrets = sorted(self._given, key=len, reverse=True)
        for secret in secrets:
            text = text.replace(secret, "***")
        return text

    def clean_line(self, text: str) -> str:
        """Return a text as of :meth:`clean` on one line, for a message.

        Parameters
        ----------
        text
            Message of another program.
        """
        return " ".join(self.clean(text).split())

    def _read_connection(self, service: str, field: str) -> str | None:
        """Read a field of an Airflow connection in one of its two environment forms."""
        name = f"AIRFLOW_CONN_{service}"
        text = self._environment.get(name, "")
        try:
            if text.lstrip().startswith("{"):
                connection = _Connection.model_validate_json(text)
                login, password, extra_text = (
                    connection.login or "",
                    connection.password or "",
                    connection.extra or "{}",
                )
                extra = (
                    _Extra.validate_json(extra_text) if isinstance(extra_text, str) else extra_text
                )
            else:
                parts = urlsplit(text)
                login, password = unquote(parts.username or ""), unquote(parts.password or "")
                query = dict(parse_qsl(parts.query))
                extra = query | _Extra.validate_json(query.get("__extra__", "{}"))
        except ValueError:
            raise NeedsCredentials(f"{name} as an address or in JSON") from None
        if field in {"USERNAME", "PASSWORD"}:
            return (login if field == "USERNAME" else password) if login else None
        value = extra.get(field.lower())
        return value if value and isinstance(value, str) else (None if login else password)

    def _read_netrc(self, service: str, field: str) -> str | None:
        """Read a field of the netrc entry of a service's host."""
        home = Path(self._environment.get("HOME", os.devnull))
        path = Path(self._environment.get("NETRC", home / ".netrc"))
        try:
            if service not in self._hosts or not path.is_file():
                return None
            entry = netrc.netrc(path).hosts.get(self._hosts[service])
        except netrc.NetrcParseError as broken:
            expected = f"{path.name} without the mistake in line {broken.lineno}"
            raise NeedsCredentials(expected) from None
        except (OSError, ValueError):
            raise NeedsCredentials(f"{path.name} as a text that can be read") from None
        login, _, password = entry or ("", "", "")
        return {"USERNAME": login, "PASSWORD": password, "API_KEY": password}.get(field)

"""A published night to spoil, and servers that take notices."""

from __future__ import annotations

import shutil
import socket
import socketserver
import ssl
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from pipeline.settings import Settings
from tests.storage.on_postgresql import copy_tables

ISSUED = datetime(2026, 8, 20, 0, 30, tzinfo=UTC)
NOW = ISSUED + timedelta(hours=1)


@pytest.fixture
def settings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Settings:
    """Settings of an empty data folder, without credentials."""
    monkeypatch.setenv("HOME", str(tmp_path))
    return Settings(data_dir=tmp_path / "data", upstream="archive", records_url=None)


@pytest.fixture
def night(nights: Settings, settings: Settings) -> Settings:
    """Settings of a copy of a published night, and of its tables."""
    settings.data_dir.mkdir()
    shutil.copytree(nights.published_dir, settings.published_dir, symlinks=True)
    copy_tables(nights.data_dir / "records.db", settings.data_dir / "records.db")
    return settings


@dataclass
class MailServer:
    """A mail server on this machine that keeps what it takes.

    Parameters
    ----------
    offers
        Extensions that it names after EHLO.
    context
        Certificate for STARTTLS.
    login
        What AUTH PLAIN must carry; empty where it asks for none.
    refuses
        Recipients that it refuses.
    drip_s
        Pause between the bytes of each answer.
    refuses_login
        Whether it refuses every login, and repeats it.
    """

    offers: tuple[str, ...] = ()
    context: ssl.SSLContext | None = None
    refuses: tuple[str, ...] = ()
    drip_s: float = 0.0
    refuses_login: bool = False
    port: int = 0
    logins: list[str] = field(default_factory=list)
    mails: list[str] = field(default_factory=list)
    secured: list[bool] = field(default_factory=list)

    @contextmanager
    def serving(self) -> Iterator[MailServer]:
        """Take connections in threads."""
        own = self

        class Handler(socketserver.BaseRequestHandler):
            def handle(self) -> None:
                try:
                    own._talk(self.request)
                except (OSError, ValueError):
                    return

        class Server(socketserver.ThreadingTCPServer):
            allow_reuse_address = daemon_threads = True
            block_on_close = False

        with Server(("127.0.0.1", 0), Handler) as server:
            self.port = server.server_address[1]
            threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True).start()
            yield self
            server.shutdown()

    def _say(self, connection: socket.socket, text: str) -> None:
        for byte in f"{text}\r\n".encode():
            connection.sendall(bytes([byte]))
            time.sleep(self.drip_s)

    def _talk(self, connection: socket.socket) -> None:
        stream, secured = connection.makefile("rb"), False
        self._say(connection, "220 test")
        while line := stream.readline().decode().strip():
            verb = line.upper()
            if verb.startswith("EHLO"):
                offers = [one for one in self.offers if not (secured and one == "STARTTLS")]
                for name in ("test", *offers):
                    self._say(connection, f"250-{name}")
                self._say(connection, "250 8BITMIME")
            elif verb == "STARTTLS" and self.context:
                self._say(connection, "220 go")
                connection = self.context.wrap_socket(connection, server_side=True)
                stream, secured = connection.makefile("rb"), True
            elif verb.startswith("AUTH PLAIN"):
                self.logins.append(line.split()[2])
                self._say(connection, f"535 no {line}" if self.refuses_login else "235 ok")
            elif verb.startswith("RCPT") and any(one in line for one in self.refuses):
                self._say(connection, "550 nobody of that name")
            elif verb == "DATA":
                self._say(connection, "354 go on")
                rows = []
                while (row := stream.readline().decode().rstrip("\r\n")) != ".":
                    rows.append(row)
                self.mails.append("\n".join(rows))
                self.secured.append(secured)
                self._say(connection, "250 taken")
            elif verb == "QUIT":
                self._say(connection, "221 bye")
                return
            else:
                self._say(connection, "250 ok")

"""PostgreSQL and Redis of Debian's packages, each on loopback and in a folder of its own."""

from __future__ import annotations

import os
import pwd
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager, suppress
from pathlib import Path
from typing import Any

import sqlalchemy as sa

USER = "tester"
_WAIT_S = 60


def free_port() -> int:
    with closing(socket.socket()) as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def find_postgresql() -> Path | None:
    """Folder of the newest PostgreSQL's programs; Debian keeps them off the path."""
    found = sorted(
        Path("/usr/lib/postgresql").glob("*/bin/initdb"), key=lambda path: int(path.parts[-3])
    )
    other = shutil.which("initdb")
    return found[-1].parent if found else Path(other).parent if other else None


def absent_servers(*names: str) -> str:
    """Why tests of servers are skipped; empty where the servers are installed."""
    found = {"PostgreSQL": find_postgresql(), "Redis": shutil.which("redis-server")}
    absent = [name for name in names if found[name] is None]
    return f"not installed: {', '.join(absent)}" if absent else ""


def _as_whom() -> dict[str, Any]:
    """Arguments of a process that root starts as somebody else: PostgreSQL refuses root."""
    if os.getuid() != 0:
        return {}
    known = {entry.pw_name: entry for entry in pwd.getpwall()}
    entry = known.get("postgres", known["nobody"])
    return {"user": entry.pw_uid, "group": entry.pw_gid, "extra_groups": []}


@contextmanager
def _serving(
    command: list[str | Path], *, log: Path, answers: Callable[[], bool], **whom: Any
) -> Iterator[None]:
    """Run a server in the foreground until the end; its log is shown where it does not answer."""
    with log.open("wb") as stream:
        server = subprocess.Popen(command, stdout=stream, stderr=stream, cwd=log.parent, **whom)
    try:
        end = time.monotonic() + _WAIT_S
        while not answers():
            assert server.poll() is None, log.read_text()[-3000:]
            assert time.monotonic() < end, log.read_text()[-3000:]
            time.sleep(0.1)
        yield
    finally:
        server.send_signal(signal.SIGINT)
        try:
            server.wait(timeout=20)
        except subprocess.TimeoutExpired:
            server.kill()
            server.wait()


@contextmanager
def postgresql() -> Iterator[str]:
    """Run a PostgreSQL that sorts text as English does, not by code points; its URL.

    The URL names the database ``postgres``; a folder below the temporary one holds the server, for
    those of pytest are closed to the user that it runs as.
    """
    programs, whom = find_postgresql(), _as_whom()
    assert programs is not None
    folder, port = Path(tempfile.mkdtemp(prefix="postgresql-")), free_port()
    try:
        if whom:
            os.chown(folder, whom["user"], whom["group"])
        data = folder / "data"
        subprocess.run(
            [
                *(programs / "initdb", "-D", data, "-A", "trust", "-U", USER, "-E", "UTF8"),
                *("--locale=C.UTF-8", "--locale-provider=icu", "--icu-locale=en-US", "--no-sync"),
            ],
            check=True, stdout=subprocess.DEVNULL, cwd=folder, **whom,
        )  # fmt: skip
        options = {
            "listen_addresses": "127.0.0.1", "port": str(port), "fsync": "off",
            "unix_socket_directories": "", "max_connections": "300", "shared_buffers": "32MB",
        }  # fmt: skip
        words = [word for name, value in options.items() for word in ("-c", f"{name}={value}")]
        url = f"postgresql+psycopg://{USER}@127.0.0.1:{port}/postgres"

        def answers() -> bool:
            engine = sa.create_engine(url, poolclass=sa.NullPool)
            with suppress(sa.exc.OperationalError), engine.connect():
                return True
            return False

        command: list[str | Path] = [programs / "postgres", "-D", data, *words]
        with _serving(command, log=folder / "server.log", answers=answers, **whom):
            yield url
    finally:
        shutil.rmtree(folder)


@contextmanager
def redis() -> Iterator[str]:
    """Run a Redis that stores nothing; its URL."""
    folder, port = Path(tempfile.mkdtemp(prefix="redis-")), free_port()

    def answers() -> bool:
        with suppress(OSError), closing(socket.create_connection(("127.0.0.1", port), timeout=5)):
            return True
        return False

    command: list[str | Path] = [
        "redis-server", "--bind", "127.0.0.1", "--port", str(port), "--save", "",
    ]  # fmt: skip
    try:
        with _serving(command, log=folder / "server.log", answers=answers):
            yield f"redis://127.0.0.1:{port}/0"
    finally:
        shutil.rmtree(folder)

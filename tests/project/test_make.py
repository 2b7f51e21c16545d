"""What make.py does around the project's commands."""

from __future__ import annotations

import os
import runpy
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

import make

ROOT = Path(__file__).resolve().parents[2]
LEFT = """
import os, sys, time
import make
make.adopt_orphans()
parent = make.subprocess.Popen([sys.executable, "-c", (
    "import subprocess, sys;"
    "child = subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(600)'],"
    " start_new_session=True); print(child.pid, flush=True); sys.stdin.read()"
)], stdin=make.subprocess.PIPE, stdout=make.subprocess.PIPE)
left = int(parent.stdout.readline())
assert {parent.pid, left} <= {*make.list_descendants(os.getpid())}
parent.kill()
parent.wait()
assert left in make.list_descendants(os.getpid()), "its parent is gone, and this one has it"
make.end_all([parent])
assert make.list_descendants(os.getpid()) == []
print(left)
"""


def test_tasks_keep_bytecode(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PYTHONDONTWRITEBYTECODE", "1")
    monkeypatch.setenv("MEKONG_SEED", "7")
    environment = runpy.run_path(str(ROOT / "make.py"))["environment"]()
    assert "PYTHONDONTWRITEBYTECODE" not in environment
    assert environment["MEKONG_SEED"] == "7"


def test_files_that_hold_a_secret_are_their_owners_alone(tmp_path: Path) -> None:
    (tmp_path / "make.py").write_bytes((ROOT / "make.py").read_bytes())
    kept = runpy.run_path(str(tmp_path / "make.py"))["kept"]
    path = Path(kept("a-secret", "word"))
    assert path.read_text() == "word"
    assert kept("a-secret", "another").read_text() == "word"
    path.write_text("")
    assert kept("a-secret", "another").read_text() == "another", "an empty one is no secret"
    assert [file.name for file in path.parent.iterdir()] == ["a-secret"]
    assert (path.stat().st_mode & 0o777, path.parent.stat().st_mode & 0o777) == (0o600, 0o700)


def test_what_a_part_leaves_in_a_session_of_its_own_is_ended() -> None:
    done = subprocess.run(
        [sys.executable, "-c", LEFT],
        env=os.environ | {"PYTHONPATH": str(ROOT)},
        capture_output=True, text=True, timeout=120, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    status = Path(f"/proc/{int(done.stdout)}/stat")
    assert not status.exists() or status.read_text().rpartition(")")[2].split()[0] == "Z"


def test_a_process_that_is_over_is_no_descendant() -> None:
    with subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"]) as child:
        assert child.pid in make.list_descendants(os.getpid())
        child.send_signal(signal.SIGKILL)
        end = time.monotonic() + 10
        while child.pid in make.list_descendants(os.getpid()):
            assert time.monotonic() < end
            time.sleep(0.05)


def test_the_database_is_made_once_for_a_lock_and_its_pools(tmp_path: Path) -> None:
    for name in ("make.py", "requirements.lock", "dags/pools.json"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_bytes((ROOT / name).read_bytes())
    program, calls = tmp_path / ".venv" / "bin" / "airflow", tmp_path / "calls"
    program.parent.mkdir(parents=True)
    program.write_text(
        f'#!/bin/sh\necho "$1 $2" >> {calls}\necho made > {tmp_path}/var/airflow.db\n'
    )
    program.chmod(0o755)
    prepare = runpy.run_path(str(tmp_path / "make.py"))["prepare_database"]
    for _ in range(2):
        prepare()
    assert calls.read_text().splitlines() == ["db migrate", "pools import"]
    assert (tmp_path / "var" / "airflow.db").stat().st_mode & 0o777 == 0o600
    (tmp_path / "dags" / "pools.json").write_text("{}")
    prepare()
    assert len(calls.read_text().splitlines()) == 4

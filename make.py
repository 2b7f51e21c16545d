#!/usr/bin/env python3
"""Set up and run the project's tasks, on nothing but python3 and pip.

python3 make.py setup     its own environment in .venv, from requirements.lock with hashes;
                          what only tests need is added by the tasks that need it
                          (--cluster: with Celery, Redis and PostgreSQL's driver)
python3 make.py nightly   tonight's flood and drought alerts, made by the real Airflow DAG
                          (--date 2026-04-10 for another night of the virtual basin)
python3 make.py page      the pages of the last night on http://127.0.0.1:8000/page/
python3 make.py up        Airflow with its UI on http://127.0.0.1:8080, behind a password
                          (--one-person: without one, on a host that nobody else can log in to;
                          --port 8090: another port, for a second checkout on the same host)
python3 make.py test      linters, types and all tests
python3 make.py bench     benchmarks, each beside a named peer
python3 make.py fuzz      thousands of mutated files over every reader, at most 30 minutes
python3 make.py faults    faults of every kind, counted, at most three hours: docs/faults.md
python3 make.py sbom      the software bill of materials as CycloneDX: var/sbom.json
python3 make.py docs      the parts of README and docs that are made by running
python3 make.py site      the documentation as a site in var/site, made without network
python3 make.py lock      resolve the dependencies anew into the three locks
"""

from __future__ import annotations

import argparse
import contextlib
import ctypes
import hashlib
import json
import os
import secrets
import shutil
import signal
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterable
from pathlib import Path

ROOT = Path(__file__).resolve().parent
TOOLS = ROOT / ".tools"
VENV = ROOT / ".venv"
PYTHON = VENV / "bin" / "python"
LOCK = ROOT / "requirements.lock"
DEV_LOCK = ROOT / "requirements-dev.lock"
"""The packages of ``LOCK`` and those that only tests, benchmarks and docs need."""
CLUSTER_LOCK = ROOT / "requirements-cluster.lock"
"""The packages of ``LOCK`` and those of Celery, Redis and PostgreSQL."""
OLDEST, NEWEST = (3, 11), (3, 14)
"""Pythons that the locks resolve for."""
SITE = ROOT / "var" / "site"
SITE_OPTIONS = ("--fail-on-warning", "--nitpicky", "--quiet", "--conf-dir", "docs/site")
UV = "uv==0.13.9"
PR_SET_CHILD_SUBREAPER = 36
PARTS = (("scheduler", "--skip-serve-logs"), ("dag-processor",), ("triggerer", "--skip-serve-logs"))
"""Parts of Airflow that want its API server; logs are read from disk, not served to the network."""
UNSET = {"PYTHONDONTWRITEBYTECODE"}
"""Variables that the project's commands do not see."""


def environment() -> dict[str, str]:
    """Return the environment that every command of the project runs in."""
    own = {
        "AIRFLOW_HOME": str(ROOT),
        "PATH": f"{VENV / 'bin'}{os.pathsep}{os.environ.get('PATH', '')}",
        "PYTHONPATH": str(ROOT),
        "OPENBLAS_NUM_THREADS": "1",
        "UV_SYSTEM_CERTS": "1",
    }
    # Without bytecode on disk each of a night's processes compiles 4 s of libraries anew.
    return {name: value for name, value in os.environ.items() if name not in UNSET} | own


def run(*command: str | Path, quiet: bool = False) -> None:
    """Run a command in the project's environment; leave with its exit code if it fails."""
    done = subprocess.run(
        [str(word) for word in command],
        cwd=ROOT,
        env=environment(),
        check=False,
        stdout=subprocess.PIPE if quiet else None,
        stderr=subprocess.STDOUT if quiet else None,
    )
    if done.returncode:
        if quiet:
            sys.stdout.write(done.stdout.decode(errors="replace"))
        print(f"make.py: this command failed: {' '.join(map(str, command))}", file=sys.stderr)
        sys.exit(done.returncode)


def output(*command: str | Path) -> str:
    """Return what a command of the project prints."""
    done = subprocess.run(
        [str(word) for word in command],
        cwd=ROOT,
        env=environment(),
        check=True,
        stdout=subprocess.PIPE,
    )
    return done.stdout.decode().strip()


def uv(*arguments: str | Path) -> None:
    """Run uv, fetched by pip into .tools on first use."""
    if not (TOOLS / "bin" / "uv").exists():
        run(sys.executable, "-m", "pip", "install", "--quiet", "--target", TOOLS, UV, quiet=True)
    run(TOOLS / "bin" / "uv", *arguments)


def check_python() -> None:
    """Leave with one line unless this is a Python that the locks resolve for."""
    if not OLDEST <= sys.version_info[:2] <= NEWEST:
        oldest, newest, found = (
            ".".join(map(str, version)) for version in (OLDEST, NEWEST, sys.version_info[:3])
        )
        print(f"make.py: expected Python {oldest} to {newest}, found {found}", file=sys.stderr)
        sys.exit(2)


def setup(lock: Path = LOCK) -> None:
    """Make .venv what a lock says; nothing is done where it already holds that and more."""
    project = (ROOT / "pyproject.toml").read_bytes()
    marks = {
        path: hashlib.sha256(sys.version.encode() + path.read_bytes() + project).hexdigest()
        for path in (LOCK, CLUSTER_LOCK, DEV_LOCK)
    }
    holding = {LOCK: marks.values(), CLUSTER_LOCK: [marks[CLUSTER_LOCK], marks[DEV_LOCK]]}
    stamp = VENV / "made-from"
    made = stamp.read_text() if stamp.exists() else ""
    if made in holding.get(lock, [marks[lock]]):
        return
    print("Setting up the environment (once) ...", flush=True)
    started = time.monotonic()
    shutil.rmtree(VENV, ignore_errors=True)
    uv("venv", "--quiet", "--python", sys.executable, VENV)
    uv("pip", "sync", "--quiet", "--python", PYTHON, "--require-hashes", lock)
    uv(
        *("pip", "install", "--quiet", "--python", PYTHON, "--no-deps", "--no-build-isolation"),
        *("--offline", "--editable", ROOT),
    )
    stamp.write_text(marks[lock])
    print(f"Environment ready after {time.monotonic() - started:.0f} s.", flush=True)


def prepare(date: str) -> None:
    """Lay out the virtual upstream for a night and, once, its history and the models."""
    run(VENV / "bin" / "mekong", "simulate", "--date", date, "--history")


def prepare_database() -> None:
    """Make Airflow's database, its owner's alone, and the pools that tasks name.

    Nothing is done where they were made for the same lock and pools.
    """
    pools, stamp = ROOT / "dags" / "pools.json", ROOT / "var" / "airflow.db.made-for"
    mark = hashlib.sha256(LOCK.read_bytes() + pools.read_bytes()).hexdigest()
    database = kept("airflow.db", "")
    if database.stat().st_size and stamp.exists() and stamp.read_text() == mark:
        return
    print("Making Airflow's database ...", flush=True)
    database.chmod(0o600)
    run("airflow", "db", "migrate", quiet=True)
    run("airflow", "pools", "import", pools, quiet=True)
    stamp.write_text(mark)


def nightly(date: str | None) -> None:
    """Run the DAG ``mekong_nightly`` for a date of the virtual basin and show what it says."""
    started = time.monotonic()
    date = date or output(PYTHON, "-c", "from pipeline.virtual import SHOWCASE; print(SHOWCASE)")
    prepare(date)
    prepare_database()
    print(f"Running the DAG mekong_nightly for {date} 00:30 UTC ...", flush=True)
    os.environ["AIRFLOW__CORE__DEFAULT_TASK_RETRIES"] = "0"  # here a failure is to be seen at once
    log = ROOT / "var" / "nightly.log"
    with (
        log.open("w", encoding="utf-8") as stream,
        subprocess.Popen(
            ["airflow", "dags", "test", "mekong_nightly", f"{date}T00:30:00+00:00"],
            cwd=ROOT,
            env=environment(),
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            errors="replace",
        ) as ran,
    ):
        assert ran.stdout is not None  # noqa: S101  (it is a pipe)
        begun = started
        for line in ran.stdout:
            stream.write(line)
            if "[DAG TEST] starting task_id=" in line:
                begun = time.monotonic()
            elif "[DAG TEST] end task task_id=" in line:
                task = line.partition("task_id=")[2].split()[0]
                print(f"  {task:24} {time.monotonic() - begun:5.1f} s", flush=True)
    if not ran.returncode:
        for step in ("verify", "indices"):  # what Airflow starts once a night is published
            run(VENV / "bin" / "mekong", step, "--date", date, quiet=True)
    run(VENV / "bin" / "mekong", "status", "--date", date)
    if not ran.returncode:
        page = output(VENV / "bin" / "mekong", "page")
        print(f"The pages begin at {page} (python3 make.py page serves them).")
    print(f"Done after {time.monotonic() - started:.0f} s.")
    if ran.returncode:
        lines = log.read_text(errors="replace").splitlines()
        said = [line for line in lines if "AirflowFailException: " in line]
        print("\n".join(["make.py: the run failed", *said, f"all of it: {log}"]), file=sys.stderr)
        sys.exit(4)


def up(*, one_person: bool, port: int) -> None:
    """Run Airflow with its UI on loopback until it is interrupted, or one of its parts ends."""
    prepare(output(PYTHON, "-c", "from pipeline.virtual import SHOWCASE; print(SHOWCASE)"))
    # Every local user reaches the loopback interface: without a password each is an administrator.
    if one_person:
        os.environ["AIRFLOW__CORE__SIMPLE_AUTH_MANAGER_ALL_ADMINS"] = "True"
    else:
        passwords = kept("airflow-passwords.json", json.dumps({"admin": secrets.token_urlsafe(12)}))
        print(f"The UI's user is admin, the password stands in {passwords}.", flush=True)
    address = f"http://127.0.0.1:{port}"
    os.environ |= {
        "AIRFLOW__API__PORT": str(port),
        "AIRFLOW__API__BASE_URL": address,
        "AIRFLOW__CORE__EXECUTION_API_SERVER_URL": f"{address}/execution/",
    }
    prepare_database()
    adopt_orphans()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))
    parts = {"api-server": start("api-server")}
    try:
        wait_until_healthy(f"{address}/api/v2/monitor/health", parts["api-server"])
        # Only now: a task that begins before the API server listens has failed.
        parts |= {part: start(part, *words) for part, *words in PARTS}
        print(f"Airflow runs on {address}", flush=True)
        while all(part.poll() is None for part in parts.values()):
            time.sleep(1)
        ended = [name for name, part in parts.items() if part.poll() is not None]
        print(f"make.py: {', '.join(ended)} ended; the others are ended too", file=sys.stderr)
        sys.exit(1)
    except KeyboardInterrupt:
        pass
    finally:
        end_all(parts.values())


def start(part: str, *words: str) -> subprocess.Popen[bytes]:
    """Start a part of Airflow that writes its output into var."""
    path = ROOT / "var" / f"{part}.log"
    with path.open("ab") as stream:
        return subprocess.Popen(
            ["airflow", part, *words], cwd=ROOT, env=environment(), stdout=stream, stderr=stream
        )


def wait_until_healthy(address: str, server: subprocess.Popen[bytes]) -> None:
    """Wait until the API server answers; leave if it ends."""
    while server.poll() is None:
        try:
            with urllib.request.urlopen(address, timeout=5):  # noqa: S310  (loopback)
                return
        except OSError:
            time.sleep(0.5)
    print(f"make.py: the API server ended: {ROOT / 'var' / 'api-server.log'}", file=sys.stderr)
    sys.exit(1)


def end_all(parts: Iterable[subprocess.Popen[bytes]]) -> None:
    """End the parts of Airflow, then whatever they left running in groups of its own."""
    for part in parts:
        part.terminate()
    for part in parts:
        with contextlib.suppress(subprocess.TimeoutExpired):
            part.wait(timeout=20)
    for sent in (signal.SIGTERM, signal.SIGKILL):
        left = list_descendants(os.getpid())
        for process in left:
            with contextlib.suppress(ProcessLookupError):
                os.kill(process, sent)
        time.sleep(2 if left else 0)


def adopt_orphans() -> None:
    """Become the parent of every descendant whose own parent dies."""
    ctypes.CDLL(None).prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)


def list_descendants(process: int) -> list[int]:
    """List the children of a process, their children and so on, but not those that are over."""
    children: dict[int, list[int]] = {}
    for path in Path("/proc").glob("[0-9]*/stat"):
        with contextlib.suppress(OSError):
            state, parent = path.read_text().rpartition(")")[2].split()[:2]
            if state not in "ZX":
                children.setdefault(int(parent), []).append(int(path.parent.name))
    found, open_ones = list[int](), [process]
    while open_ones:
        of_one = children.get(open_ones.pop(), [])
        found += of_one
        open_ones += of_one
    return found


def test() -> None:
    """Linters, types, the quick tests, the slow ones, then those of tables on PostgreSQL."""
    run("ruff", "check", "--quiet")
    run("ruff", "format", "--check", "--quiet")
    run("mypy")
    cores = min(os.cpu_count() or 1, 4)
    shared = ("--dist", "loadgroup", "--no-loadscope-reorder", "--numprocesses")
    run(PYTHON, "-m", "pytest", *shared, str(cores), "-m", "not slow")
    # One more than cores: a slow test often waits for a process of its own.
    run(PYTHON, "-m", "pytest", *shared, str(cores + 1), "-m", "slow")
    # Where PostgreSQL is not installed this says so and ends.
    run(PYTHON, "-m", "pytest", *shared, str(cores), "--postgresql")


def bench() -> None:
    """Run the benchmarks, each beside a named peer, and write docs/performance.md."""
    run(PYTHON, "-m", "tests.benchmarks")


def fuzz() -> None:
    """Read mutated files of every kind and write docs/fuzzing.md."""
    run(PYTHON, "-m", "tests.fuzz")


def faults() -> None:
    """Put nights through faults of every kind and write docs/faults.md."""
    run(PYTHON, "-m", "tests.faults")


def sbom() -> None:
    """Write the packages of the environment that nights run in, with versions and hashes."""
    path = ROOT / "var" / "sbom.json"
    path.parent.mkdir(mode=0o700, exist_ok=True)
    run(
        *(PYTHON, "-m", "cyclonedx_py", "requirements", LOCK, "--pyproject", "pyproject.toml"),
        *("--output-reproducible", "--of", "JSON", "-o", path),
    )
    print(f"The bill of materials is {path}.")


def page() -> None:
    """Make the pages of the last night and serve them to this machine."""
    run(VENV / "bin" / "mekong", "page", "--serve")


def docs() -> None:
    """Make the generated parts of README and docs."""
    run(PYTHON, "-m", "docs.make")


def site() -> None:
    """Make the documentation site anew; what was made before holds no warnings to repeat."""
    shutil.rmtree(SITE, ignore_errors=True)
    run(PYTHON, "-m", "sphinx", *SITE_OPTIONS, ".", SITE)
    print(f"The site is {SITE / 'index.html'}.")


def kept(name: str, content: str) -> Path:
    """Return a file below var that only its owner reads, made with a content on first use."""
    path = ROOT / "var" / name
    path.parent.mkdir(mode=0o700, exist_ok=True)
    if content and path.exists() and not path.stat().st_size:
        path.unlink()  # left by a full disk
    if not path.exists():
        made = path.with_name(f".{name}.{os.getpid()}")
        with os.fdopen(os.open(made, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w") as stream:
            stream.write(content)
        with contextlib.suppress(FileExistsError):  # by another process meanwhile
            os.link(made, path)
        made.unlink()
    return path


def secret() -> None:
    """Print the key that Airflow signs its tokens with, made on first use and kept private."""
    print(kept("jwt-secret", secrets.token_urlsafe(64)).read_text())


def lock() -> None:
    """Resolve the dependencies anew; the locks name versions and hashes and no index."""
    resolve = (
        *("pip", "compile", "pyproject.toml", "--quiet", "--universal", "--generate-hashes"),
        *("--python-version", ".".join(map(str, OLDEST)), "--no-header", "--no-annotate"),
        *("--no-emit-index-url", "--upgrade", "--group", "build"),
    )
    uv(*resolve, "--group", "dev", "--extra", "cluster", "-o", DEV_LOCK)
    uv(*resolve, "--constraint", DEV_LOCK, "-o", LOCK)
    uv(*resolve, "--extra", "cluster", "--constraint", DEV_LOCK, "-o", CLUSTER_LOCK)


def main() -> None:
    """Read the task from the command line and run it."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    tasks = {"test": test, "bench": bench, "fuzz": fuzz, "faults": faults, "sbom": sbom}
    tasks |= {"docs": docs, "site": site, "lock": lock, "page": page}
    parser.add_argument("task", choices=["setup", "nightly", "up", *tasks])
    parser.add_argument("--date", help="the night's date, e.g. 2026-04-10 (nightly only)")
    parser.add_argument("--one-person", action="store_true", help="no password (up only)")
    parser.add_argument("--port", type=int, default=8080, help="of the UI (up only)")
    parser.add_argument("--cluster", action="store_true", help="for many machines (setup only)")
    arguments = parser.parse_args()
    check_python()
    os.chdir(ROOT)
    os.environ["PATH"] = environment()["PATH"]
    if arguments.task != "lock":
        of_tests = arguments.task in {"test", "bench", "fuzz", "docs", "site", "faults", "sbom"}
        setup(DEV_LOCK if of_tests else CLUSTER_LOCK if arguments.cluster else LOCK)
    if arguments.task == "nightly":
        nightly(arguments.date)
    elif arguments.task == "up":
        up(one_person=arguments.one_person, port=arguments.port)
    elif arguments.task != "setup":
        tasks[arguments.task]()


if __name__ == "__main__":
    main()

"""Try faults of every kind, and write docs/faults.md.

python3 make.py faults                               all of it, at most three hours on two cores
python -m tests.faults kill full-disk --minutes 5    some kinds, each for a time
python -m tests.faults kill --number 17 18           some trials again
"""

from __future__ import annotations

import argparse
import fcntl
import os
import pickle
import re
import shutil
import sys
import tempfile
import time
import traceback
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from docs.make import table
from pipeline.issuance.provenance import digest_code
from pipeline.settings import ROOT
from tests.faults.dead_sources import DEAD
from tests.faults.disks import DISKS
from tests.faults.kills import KILLS
from tests.faults.networks import NETWORKS
from tests.faults.nights import NIGHTS
from tests.faults.prepared import base
from tests.faults.soak import SOAK
from tests.faults.trials import SEED, Kind, Trial, Where, draw, warm

KINDS = {kind.name: kind for kind in (SOAK, KILLS, *DISKS, *NETWORKS, *NIGHTS, DEAD)}
PAGE = ROOT / "docs" / "faults.md"
LONGEST_S = 2.8 * 3600
"""Longest time of the whole run, once the stores are prepared; what is left is not tried."""
ROOM_BYTES = 8e9
"""Room in memory above which trials work there: a copy of the stores is written for each."""
HEAD = """# Faults

Made by `python3 make.py faults`, which takes at most three hours on two cores. A fault is drawn
from the seed and the number of its trial, so that it can be repeated:
`python -m tests.faults KIND --number N`; moments in time repeat as far as the machine is as fast.
All is tried on the virtual basin and SQLite; *undisturbed* is the same step on the same
stores without a fault.

The death of a scheduler and of workers is tried on installations of Airflow of their own, in
`tests/scenarios` (`test_scheduler.py`, `test_celery.py`, `test_cluster.py`).
"""


@dataclass(frozen=True)
class Done:
    """A trial that was made.

    Parameters
    ----------
    kind, number
        Which.
    trial
        What came of it.
    seconds, cpu_s
        How long it took: of the clock, and of the processor with all its processes.
    """

    kind: str
    number: int
    trial: Trial
    seconds: float
    cpu_s: float


def find_room() -> Path:
    """Find a folder for the stores: in memory where there is room, else that of the system."""
    memory = Path("/dev/shm")  # noqa: S108
    if memory.is_dir() and shutil.disk_usage(memory).free > ROOM_BYTES:
        return memory
    return Path(tempfile.gettempdir())


def list_tasks(kinds: Sequence[Kind]) -> list[tuple[str, int]]:
    """List the trials, those of each kind spread over the whole; what is one long trial first."""
    shares = [
        ((number + 0.5) / kind.whole if kind.whole > 1 else 0.0, kind.name, number)
        for kind in kinds
        for number in range(kind.whole)
    ]
    return [(name, number) for _, name, number in sorted(shares)]


def take(counter: Path, tasks: Sequence[tuple[str, int]]) -> Iterator[tuple[str, int]]:
    """Take one task after the other that no other worker has taken."""
    while True:
        with counter.open("r+") as stream:
            fcntl.flock(stream, fcntl.LOCK_EX)
            at = int(stream.read())
            stream.seek(0)
            stream.write(str(at + 1))
        if at >= len(tasks):
            return
        yield tasks[at]


def make(kind: Kind, number: int, *, folder: Path, seed: int, deadline: float, short: bool) -> Done:
    """Make one trial in a folder of its own."""
    place = folder / "trials" / f"{kind.name}-{number}-{os.getpid()}"
    shutil.rmtree(place, ignore_errors=True)
    place.mkdir(parents=True)
    started, cpu_before_s = time.monotonic(), used_cpu_s()
    try:
        where = Where(folder, place, deadline, short)
        trial = kind.trial(where, number, draw(kind.name, number, seed=seed))
    except Exception:  # noqa: BLE001  (a fault of the harness is shown and does not end the run)
        trial = Trial("harness", faults=[traceback.format_exc()])
    finally:
        shutil.rmtree(place, ignore_errors=True)
    seconds, cpu_s = time.monotonic() - started, used_cpu_s() - cpu_before_s
    return Done(kind.name, number, trial, seconds, cpu_s)


def used_cpu_s() -> float:
    """Processor time of this process, and of those of its children that have ended."""
    return sum(os.times()[:4])


def work(
    tasks: Sequence[tuple[str, int]], folder: Path, run: Path, *, seed: int, minutes: float | None
) -> None:
    """Make trials until none is left or the time of their kind is over; note what came of each."""
    used, end = dict.fromkeys(KINDS, 0.0), time.monotonic() + LONGEST_S
    with (run / f"done-{os.getpid()}").open("wb") as notes:
        for name, number in take(run / "next", tasks):
            now = time.monotonic()
            deadline = end if minutes is None else now + 60 * minutes - used[name]
            if deadline <= now:
                continue
            done = make(
                KINDS[name], number, folder=folder, seed=seed, deadline=deadline,
                short=minutes is not None,
            )  # fmt: skip
            used[name] += done.seconds
            pickle.dump(done, notes)
            notes.flush()
            log(folder, done)
            for fault in done.trial.faults:
                print(f"FAULT {name} --number {number} --seed {seed}: {fault}", flush=True)


def log(folder: Path, done: Done) -> None:
    """Add a trial to the log beside the stores."""
    trial = done.trial
    came = f"{len(trial.faults)} faults" if trial.happened else "did not happen"
    with (folder / "log").open("a", encoding="utf-8") as stream:
        stream.write(
            f"{done.kind} {done.number} {trial.label}: {came}, {done.seconds:.1f} s, "
            f"{done.cpu_s:.1f} s of processor {trial.facts}\n"
        )


def make_all(
    tasks: Sequence[tuple[str, int]],
    folder: Path,
    *,
    seed: int,
    minutes: float | None,
    jobs: int,
) -> list[Done]:
    """Make trials in several workers at once; what came of them, in order of kind and number.

    A worker is forked with all imports done, and forks the processes of its trials.
    """
    run = Path(tempfile.mkdtemp(prefix="run-", dir=folder))
    (run / "next").write_text("0")
    workers = []
    for _ in range(min(jobs, len(tasks))):
        worker = os.fork()
        if worker == 0:
            try:
                work(tasks, folder, run, seed=seed, minutes=minutes)
            except BaseException:  # noqa: BLE001  (told, then the worker ends)
                traceback.print_exc()
                os._exit(1)
            os._exit(0)
        workers.append(worker)
    codes = [os.waitstatus_to_exitcode(os.waitpid(worker, 0)[1]) for worker in workers]
    done = read_done(run)
    shutil.rmtree(run)
    if any(codes):
        raise RuntimeError(f"expected workers that end well, found {codes}")
    return done


def read_done(folder: Path) -> list[Done]:
    """Read what all workers noted, in order of kind and number."""
    found = list[Done]()
    for path in folder.glob("done-*"):
        with path.open("rb") as notes:
            while notes.peek(1):
                found.append(pickle.load(notes))  # noqa: S301  (of this run's workers)
    names = list(KINDS)
    return sorted(found, key=lambda done: (names.index(done.kind), done.number))


def describe(kind: Kind, made: Sequence[Done]) -> str:
    """Describe the trials of a kind: its table, and how many they were."""
    trials = [done.trial for done in made]
    faults = sum(bool(trial.faults) for trial in trials)
    minutes = sum(done.cpu_s for done in made) / 60
    head = tuple(kind.head)
    return (
        f"{table(head, kind.table(trials))}\n\n"
        f"{len(trials)} of {kind.whole} trials, in {minutes:.0f} minutes of processor time, "
        f"{faults} with a fault."
    )


def write_page(done: Sequence[Done]) -> None:
    """Write the parts of the kinds that were tried; the others stay as they were."""
    before = PAGE.read_text(encoding="utf-8") if PAGE.exists() else ""
    parts = [HEAD]
    for kind in KINDS.values():
        made = [one for one in done if one.kind == kind.name]
        mark = f"<!-- made: {kind.name} -->"
        old = re.search(rf"{re.escape(mark)}\n(.*?)\n<!-- end -->", before, re.DOTALL)
        if made or old:
            text = describe(kind, made) if made else old[1] if old else ""
            parts.append(
                f"## {kind.title}\n\n{kind.words.strip()}\n\n{mark}\n{text}\n<!-- end -->\n"
            )
    PAGE.write_text("\n".join(parts), encoding="utf-8")


def main() -> None:
    """Make the trials that are asked for; leave with 1 where one found a fault or was not made."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("kinds", nargs="*", metavar="KIND", help=f"of {', '.join(KINDS)}")
    parser.add_argument("--minutes", type=float, help="longest time of each kind and worker")
    parser.add_argument(
        "--number", type=int, nargs="+", help="make these trials of the kinds alone"
    )
    parser.add_argument("--seed", type=int, default=SEED)
    parser.add_argument("--jobs", type=int, default=min(os.cpu_count() or 1, 4))
    parser.add_argument("--folder", type=Path, help="of stores that are kept for the next time")
    parser.add_argument("--write", action="store_true", help="write docs/faults.md also of a part")
    asked = parser.parse_args()
    if unknown := set(asked.kinds) - set(KINDS):
        parser.error(f"expected kinds of {', '.join(KINDS)}, found {', '.join(sorted(unknown))}")
    started = time.monotonic()
    print(f"seed {asked.seed}", flush=True)
    warm()
    kinds = [KINDS[name] for name in asked.kinds or KINDS]
    tasks = list_tasks(kinds)
    if asked.number is not None:
        tasks = [(kind.name, number) for number in asked.number for kind in kinds]
    scratch = None if asked.folder else tempfile.mkdtemp(prefix="faults-", dir=find_room())
    # Stores of other code would be forecast anew by this one.
    folder = (asked.folder or Path(str(scratch))) / digest_code()[:16]
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for name in sorted({name for kind in kinds for name in kind.bases}):
            base(folder, name)
        print(f"stores prepared after {time.monotonic() - started:.0f} s", flush=True)
        done = make_all(tasks, folder, seed=asked.seed, minutes=asked.minutes, jobs=asked.jobs)
    finally:
        if scratch is not None:
            shutil.rmtree(scratch, ignore_errors=True)
    for kind in kinds:
        made = [one for one in done if one.kind == kind.name]
        print(f"\n{kind.title}\n{describe(kind, made)}", flush=True)
    faults = sum(bool(one.trial.faults) for one in done)
    print(f"{len(done)} trials, {faults} with a fault, {time.monotonic() - started:.0f} s")
    whole = asked.minutes is None and asked.number is None
    if asked.write or whole:
        write_page(done)
    if untried := len(tasks) - len(done) if whole else 0:
        print(f"not tried, as the time was over: {untried} of {len(tasks)} trials")
    if faults or untried:
        sys.exit(1)


if __name__ == "__main__":
    main()

"""What every benchmark shares: a result, and a process for each so that its peak is its own."""

from __future__ import annotations

import json
import os
import resource
import subprocess
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from time import perf_counter, process_time
from typing import Any

import numpy as np
from numpy.typing import NDArray

ROOT = Path(__file__).resolve().parents[2]


@dataclass(frozen=True)
class Result:
    """What one run of one piece of work took.

    Parameters
    ----------
    seconds
        Wall time of the work alone: data are made, and code is loaded, before.
    work
        How much of it was done, in the row's units: a peer may do part of it.
    values
        Part of what came out, to compare.
    read_bytes
        Bytes of input, uncompressed.
    peak_mb
        Largest resident memory of the process, data and libraries included, and as many times
        that of its largest child as it says it had ``processes``.
    notes
        More figures of the same run, by name.
    """

    seconds: float
    work: float
    values: NDArray[np.floating]
    read_bytes: float = 0.0
    peak_mb: float = 0.0
    notes: dict[str, float] = field(default_factory=dict)


def seconds(work: Callable[[], object], *, repeat: int = 3) -> float:
    """Best wall time of some runs."""
    best = np.inf
    for _ in range(repeat):
        begin = perf_counter()
        work()
        best = min(best, perf_counter() - begin)
    return best


def cpu_seconds(works: Mapping[str, Callable[[], object]], *, repeat: int = 5) -> dict[str, float]:
    """Best CPU time of some runs of several works by turns, so that all meet the same machine."""
    best = dict.fromkeys(works, np.inf)
    for _ in range(repeat):
        for name, work in works.items():
            begin = process_time()
            work()
            best[name] = min(best[name], process_time() - begin)
    return best


def pass_speed() -> float:
    """Bytes a second of one pass over an array too large for the caches, on one thread."""
    array = np.ones(1 << 27, np.float32)
    return array.nbytes / seconds(array.max, repeat=5)


def run(task: str, into: Path, /, **size: Any) -> Result:
    """Run a task in a process of its own.

    Parameters
    ----------
    task
        ``module.function`` below ``tests.benchmarks``; it takes the sizes and gives a result.
    into
        Where it leaves its values.
    **size
        Its arguments; paths as text.
    """
    out = into / f"{task}.npy"
    done = subprocess.run(
        [sys.executable, "-m", "tests.benchmarks.measure", task, str(out), json.dumps(size)],
        cwd=ROOT,
        env=os.environ | {"OPENBLAS_NUM_THREADS": "1"},
        check=False,
        capture_output=True,
        text=True,
    )
    if done.returncode:
        raise RuntimeError(f"{task}: {done.stderr[-2000:]}")
    told = json.loads(done.stdout.splitlines()[-1])
    return Result(values=np.load(out), **told)


def main() -> None:
    """Run the task named by the arguments and say what it took."""
    import importlib

    task, out, size = sys.argv[1:]
    module, _, name = task.rpartition(".")
    found: Result = getattr(importlib.import_module(f"tests.benchmarks.{module}"), name)(
        **json.loads(size)
    )
    np.save(out, found.values)
    # Not ru_maxrss of its own: that begins with what the process held that started this one.
    status = Path("/proc/self/status").read_text(encoding="ascii")
    own = float(status.split("VmHWM:")[1].split()[0]) / 1024
    child = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 1024
    peak_mb = own + found.notes.get("processes", 0) * child
    told = {"seconds": found.seconds, "work": found.work, "read_bytes": found.read_bytes}
    print(json.dumps({**told, "peak_mb": peak_mb, "notes": found.notes}))


if __name__ == "__main__":
    main()

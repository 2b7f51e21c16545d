"""Steps killed by ``kill -9`` on the way, and run again."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from tests.faults import state
from tests.faults.prepared import STEPS, Step, copy, once
from tests.faults.processes import in_child
from tests.faults.state import State
from tests.faults.trials import Kind, Trial, Where, count

WORDS = """\
A step runs in a child process that is killed by `kill -9`: half of the times at a moment drawn
from its duration, half of the times just before or after a change that it makes to disk or tables
(a rename, link, removal, sync, file opened for writing, or commit). Then the published tree is
read as a stranger would, the step runs again, and archive (every step of every product by its
digest, every commit), tables, models, published files and the names and rights of all files must
equal those of an undisturbed run. What a killed commit has written into the archive is removed by
the archive's own garbage collection; its objects are then as many as without."""


OFTEN = {
    "train": 1, "indices --record": 2, "verify": 3, "retain": 3, "first ingest": 4,
    "publish": 6, "backup": 6,
}  # fmt: skip
"""Times that a step is killed in a turn; the others ``USUALLY``. Training takes a minute."""
USUALLY = 5
TURNS = [
    step
    for turn in range(max(OFTEN.values()))
    for step in STEPS
    if turn < OFTEN.get(step.name, USUALLY)
]


@dataclass(frozen=True)
class Undisturbed:
    """A step that nothing disturbed.

    Parameters
    ----------
    state, without_batches
        What it left, with and without the numbers of its ingests.
    seconds
        How long it took.
    points
        Number of changes that it made to disk and tables.
    grown_bytes
        How much more disk it needs afterwards.
    """

    state: State
    without_batches: State
    seconds: float
    points: int
    grown_bytes: int


def undisturbed(folder: Path, step: Step) -> Undisturbed:
    """Run a step undisturbed, once for all workers."""
    return once(folder / "undisturbed" / step.name, lambda place: run_alone(folder, step, place))


def run_alone(folder: Path, step: Step, place: Path) -> Undisturbed:
    """Run a step undisturbed in a folder."""
    settings = copy(folder, step.base, place / "stores" / "data")
    before = size_bytes(place)
    ran = in_child(
        lambda: step.run(settings) and None,
        count_points=True, under=place / "stores", scratch=place / "tmp",
    )  # fmt: skip
    ran.value()
    grown = size_bytes(place) - before
    found = in_child(lambda: state.describe(settings)).value()
    without = in_child(lambda: state.describe(settings, batches=False)).value()
    return Undisturbed(found, without, ran.seconds, ran.points, grown)


def size_bytes(folder: Path) -> int:
    """Size of a folder on disk."""
    files = {path.lstat().st_ino: path.lstat().st_blocks for path in folder.rglob("*")}
    return 512 * sum(files.values())


def kill(where: Where, number: int, random: np.random.Generator) -> Trial:
    """Kill a step on the way, run it again, and compare."""
    step = TURNS[number % len(TURNS)]
    expected = undisturbed(where.folder, step)
    trial = Trial(step.name)
    stores = where.place / "stores"
    settings = copy(where.folder, step.base, stores / "data")
    scratch = where.place / "tmp"
    by_time = bool(random.integers(2))
    moment, point = random.uniform(0, expected.seconds), int(random.integers(expected.points))
    killed = in_child(
        lambda: step.run(settings) and None,
        after_s=moment if by_time else None,
        at_point=None if by_time else point,
        under=stores,
        scratch=scratch,
    )
    trial.happened = killed.killed
    if killed.error:
        trial.faults.append(f"before it was killed: {killed.error}")
    if killed.left:
        trial.faults.append(f"{killed.left} processes live on after it was killed")
    trial.facts["scratch"] = len(list(scratch.iterdir())) if scratch.exists() else 0

    def again() -> list[str]:
        broken = state.find_broken_tree(settings)
        step.run(settings)
        return broken + state.compare(expected.state, state.describe(settings))

    ran = in_child(again, scratch=where.place / "tmp2")
    trial.faults += [ran.error] if ran.error else ran.value()
    how = f"after {moment:.2f} s of {expected.seconds:.2f}" if by_time else (
        f"before change {point} of {expected.points}"
    )  # fmt: skip
    trial.faults = [f"{step.name} killed {how}: {fault}" for fault in trial.faults]
    return trial


def row(label: str, trials: Sequence[Trial]) -> tuple[str, ...]:
    """Cells of a step."""
    name, _, happened, good = count(label, [trial for trial in trials if trial.happened])
    left = sum(trial.facts.get("scratch", 0) > 0 for trial in trials)
    return name, happened, good, str(left)


KILLS = Kind(
    name="kill",
    title="Killed on the way",
    words=WORDS,
    whole=14 * len(TURNS),
    bases=sorted({step.base for step in STEPS}),
    trial=kill,
    head=("step", "killed", "as undisturbed after it ran again", "left a folder in /tmp"),
    row=row,
)

"""Disks that are full, read-only, or give back a broken page of the tables."""

from __future__ import annotations

import ctypes
import os
import shutil
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np

from pipeline.__main__ import _explain
from pipeline.ingest.consistency import check_whole
from pipeline.settings import Settings
from pipeline.storage.atomic import BrokenState
from tests.faults import state
from tests.faults.kills import undisturbed
from tests.faults.prepared import STEPS, copy
from tests.faults.processes import in_child
from tests.faults.trials import Kind, Trial, Where, count

PAGE = 4096
NEW_USER, NEW_MOUNTS = 0x10000000, 0x00020000
READ_ONLY, REMOUNT, PRIVATE, RECURSIVE = 1, 32, 1 << 18, 16384
ISSUING = [step for step in STEPS if step.name in {"assess", "forecast", "publish", "verify"}]
FULL = """\
A step runs on a disk of its own (a tmpfs, mounted in a namespace of the trial) on which less is
free than it writes: a share drawn from what it needs. It must end in an error that the command
line tells in one line, a reader of the published tree must find it whole, and after room was made
the step runs again and everything equals an undisturbed run."""
READ = """\
A step runs on a disk that is mounted read-only. It must end in such an error, or have nothing to
write; after the disk was mounted for writing the step runs again and everything equals an
undisturbed run."""
BROKEN = """\
A page of the SQLite file, drawn from all, is overwritten: by zeros, by random bytes, or its second
half by zeros. A step on it must end in an error that says what to do, or leave a published tree
that equals that of an undisturbed run. *found* counts the damages that `mekong check` finds before
a night; it reads the structure of every page, and a page that is free or holds nothing but text
has none. With the backup of the tables put back the step gives what an undisturbed one gives."""


def isolate() -> None:
    """Give this process mounts of its own: as root, else as root of a namespace of its users."""
    system = ctypes.CDLL(None, use_errno=True)
    user, group = os.getuid(), os.getgid()
    if system.unshare(NEW_MOUNTS | (NEW_USER if user else 0)):
        raise OSError(ctypes.get_errno(), "no namespace of its own")
    if user:
        Path("/proc/self/setgroups").write_text("deny")
        Path("/proc/self/uid_map").write_text(f"0 {user} 1")
        Path("/proc/self/gid_map").write_text(f"0 {group} 1")
    mount("none", Path("/"), "", PRIVATE | RECURSIVE)


def mount(what: str, where: Path, kind: str, flags: int, options: str = "") -> None:
    """Mount, in the namespace of this process."""
    system = ctypes.CDLL(None, use_errno=True)
    words = (word.encode() for word in (what, str(where), kind))
    if system.mount(*words, ctypes.c_ulong(flags), options.encode()):
        raise OSError(ctypes.get_errno(), f"cannot mount {what} on {where} ({options})")


def used_bytes(folder: Path) -> int:
    """Bytes used on a disk."""
    found = os.statvfs(folder)
    return (found.f_blocks - found.f_bfree) * found.f_frsize


def tell(error: BaseException) -> str:
    """Return the line that the command line tells of an error; empty where it has none."""
    told = _explain(error) if isinstance(error, Exception) else None
    return told[1] if told else ""


def run_or_tell(run: Callable[[Settings], object], settings: Settings) -> str:
    """Run a step; the line of its error, ``done`` where it had none."""
    try:
        run(settings)
    except Exception as error:
        if line := tell(error):
            return line
        raise
    return "done"


def on_a_disk(where: Where, number: int, random: np.random.Generator, *, full: bool) -> Trial:
    """Run a step on a disk that is full or read-only, mend the disk, run it again, and compare."""
    step = STEPS[number % len(STEPS)]
    expected = undisturbed(where.folder, step)
    share = random.uniform(0.0, 0.98)
    trial = Trial(step.name)
    disk = where.place / "disk"
    disk.mkdir(parents=True)

    def all_of_it() -> tuple[str, list[str]]:
        isolate()
        mount("tmpfs", disk, "tmpfs", 0, "size=4g")
        settings = copy(where.folder, step.base, disk / "data", whole=True)
        room = used_bytes(disk) + int(share * max(expected.grown_bytes, 0))  # retain frees some
        if full:
            mount("tmpfs", disk, "tmpfs", REMOUNT, f"size={room // PAGE * PAGE}")
        else:
            mount("tmpfs", disk, "tmpfs", REMOUNT | READ_ONLY)
        first = in_child(
            lambda: (run_or_tell(step.run, settings), state.find_broken_tree(settings)),
            scratch=disk / "tmp" if full else None,
        )
        mount("tmpfs", disk, "tmpfs", REMOUNT, "size=8g")

        def again() -> list[str]:
            step.run(settings)
            return state.compare(expected.state, state.describe(settings))

        faults = [first.error] if first.error or first.killed else first.value()[1]
        line = "" if faults else first.value()[0]
        return line, [*faults, *in_child(again).value()]

    ran = in_child(all_of_it)
    line, faults = ("", [ran.error or "killed"]) if ran.error or ran.killed else ran.value()
    trial.happened = line != "done"
    what = f"{share:.2f} of {expected.grown_bytes} bytes free" if full else "read-only"
    trial.faults = [f"{step.name}, {what}: {fault}" for fault in faults]
    return trial


def fill(where: Where, number: int, random: np.random.Generator) -> Trial:
    """Run a step on a full disk."""
    return on_a_disk(where, number, random, full=True)


def close(where: Where, number: int, random: np.random.Generator) -> Trial:
    """Run a step on a read-only disk."""
    return on_a_disk(where, number, random, full=False)


def damage(path: Path, random: np.random.Generator) -> str:
    """Overwrite a page of a file, and say how."""
    page = int(random.integers(path.stat().st_size // PAGE))
    how = ("zeros", "random bytes", "half of it zeros")[int(random.integers(3))]
    size = PAGE if how != "half of it zeros" else PAGE // 2
    with path.open("r+b") as stream:
        stream.seek((page + 1) * PAGE - size)
        stream.write(random.bytes(size) if how == "random bytes" else bytes(size))
    return f"page {page}: {how}"


def break_page(where: Where, number: int, random: np.random.Generator) -> Trial:
    """Run a step on tables with a broken page, put the tables back, run it again, and compare."""
    step = ISSUING[number % len(ISSUING)]
    expected = undisturbed(where.folder, step)
    settings = copy(where.folder, step.base, where.place / "data")
    tables = settings.data_dir / "records.db"
    sound = where.place / "records.db"
    shutil.copy2(tables, sound)
    how = damage(tables, random)
    trial = Trial(step.name)

    def on_damage() -> tuple[bool, str, list[str]]:
        try:
            check_whole(settings)
            found = False
        except BrokenState:
            found = True
        line = run_or_tell(step.run, settings)
        if line != "done":
            return found, line, state.find_broken_tree(settings)
        published = state.keep_published(expected.state)
        return found, line, state.compare(published, state.describe_published(settings))

    ran = in_child(on_damage)
    if ran.error or ran.killed:
        faults = [ran.error or "killed"]
    else:
        found, line, faults = ran.value()
        trial.facts = {"found": found, "told": line != "done"}
    for name in ("records.db-wal", "records.db-shm"):
        tables.with_name(name).unlink(missing_ok=True)
    shutil.copy2(sound, tables)

    def again() -> list[str]:
        step.run(settings)
        return state.compare(expected.state, state.describe(settings))

    second = in_child(again)
    faults += [second.error] if second.error else second.value()
    trial.faults = [f"{step.name}, {how}: {fault}" for fault in faults]
    return trial


def broken_row(label: str, trials: Sequence[Trial]) -> tuple[str, ...]:
    """Cells of a step on broken tables."""
    name, _, tried, good = count(label, trials)
    found, told = (
        str(sum(bool(trial.facts.get(key)) for trial in trials)) for key in ("found", "told")
    )
    return name, tried, found, told, good


HEAD = ("step", "tried", "ended in an error", "as undisturbed after it ran again")
DISKS = (
    Kind("full-disk", "Full disk", FULL, 40, [s.base for s in STEPS], fill, HEAD, count),
    Kind("read-only", "Read-only disk", READ, 20, [s.base for s in STEPS], close, HEAD, count),
    Kind(
        "broken-page", "Broken page of the tables", BROKEN, 60, [s.base for s in ISSUING],
        break_page,
        ("step", "damaged", "found", "told by the step", ("no wrong tree, and as undisturbed"
         " with the backup")),
        broken_row,
    ),
)  # fmt: skip

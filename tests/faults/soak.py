"""Many virtual nights in a row under random faults."""

from __future__ import annotations

import os
import pickle
import statistics
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np

from pipeline import steps, upkeep
from pipeline.settings import Settings
from pipeline.sources import NIGHTLY
from pipeline.storage.records import Records
from tests.faults.chain import (
    count_messages,
    count_uncovered_minutes,
    find_faults,
    noting_decisions,
    read_night,
)
from tests.faults.dead_sources import withhold
from tests.faults.kills import size_bytes
from tests.faults.nights import check_runs, make_night
from tests.faults.prepared import copy
from tests.faults.processes import Ended, begin, in_child
from tests.faults.trials import Kind, Trial, Where
from tests.scenarios.nights import settings_in
from tests.scenarios.season import CityNight

FIRST = datetime(2026, 5, 20, 0, 30, tzinfo=UTC)
NIGHTS = 150
DAY = timedelta(days=1)
SETTLED = 10
"""Nights before memory, time and disk are compared."""
MOST_GROWTH = 1.2
"""Share of the first third's processor time, memory and growth of the disk that the last may take.
"""
LEAST_COMPARED = 15
"""Nights below which none are compared: of a few, one may meet a machine that has more to do."""
FAULTS = {
    "none": 0.5, "killed": 0.2, "dead source": 0.1, "damaged file": 0.07, "twice at once": 0.05,
    "slept": 0.08,
}  # fmt: skip
"""What a night meets, and how often."""
WORDS = """\
Nights of the virtual season in a row, from an empty machine: history, training, then night after
night as the DAG makes them, under faults drawn anew each night. *killed*: the night's process is
killed at a moment drawn from its duration and the night begins anew. *dead source*: one or two
sources give nothing; they come back with the next night, their files late. *damaged file*: files
of the night are cut or overwritten. *twice at once*: a second process makes the same night.
*slept*: the machine is off for one to three nights, which are caught up. After each night what is
kept no longer is removed, as the DAG does. All checks of the season's messages hold over all
nights; minutes without a message are counted apart where the machine was off. Processor time,
memory and what a night adds to the disk are medians of the first and the last third of the nights
after the tenth, and may not grow by more than a fifth.
"""


@dataclass
class Measured:
    """What a night cost.

    Parameters
    ----------
    night
        Issue time, ISO 8601.
    fault
        What it met.
    seconds, cpu_s, peak_bytes
        Time, processor time and highest memory of the process that made it to its end.
    disk_bytes, files
        What the data folder holds after it.
    caught_up
        Number of missed nights that it issued.
    """

    night: str
    fault: str
    seconds: float
    cpu_s: float
    peak_bytes: int
    disk_bytes: int
    files: int
    caught_up: int


class Soak:
    """A season of nights in one data folder.

    Parameters
    ----------
    settings
        Stores, empty or trained.
    place
        Folder of what the nights told.
    random
        Generator of the faults.
    """

    def __init__(self, settings: Settings, place: Path, random: np.random.Generator) -> None:
        self.settings, self.place, self.random = settings, place, random
        self.measured = list[Measured]()
        self.off = list[tuple[datetime, datetime]]()
        self.faults = list[str]()
        self.counts = Counter[str]()

    def run(self, asof: datetime, fault: str) -> None:
        """Make a night that meets a fault, and measure it."""
        self.counts[fault] += 1
        settings, random, dead = self.settings, self.random, list[str]()
        in_child(lambda: steps.simulate(asof=asof, settings=settings)).value()
        if fault == "dead source":
            dead = random.choice(NIGHTLY, size=int(random.integers(1, 3)), replace=False).tolist()
            self._withhold(dead, asof)
        elif fault == "damaged file":
            self._damage_files(asof)
        elif fault == "killed":
            usual = self.measured[-1].seconds if self.measured else 20.0
            moment = random.uniform(0, usual)
            ran = in_child(lambda: self._make(asof), after_s=moment)
            self.counts["killed on the way"] += ran.killed
            if not ran.killed:
                self._note(asof, ran)
        second = begin(lambda: self._make(asof)) if fault == "twice at once" else None
        ended = in_child(lambda: self._make(asof))
        if second is not None:
            other = second.end()
            if other.killed or (other.error and ended.error):
                self._note(asof, other)
            if ended.error:
                ended = in_child(lambda: self._make(asof))
        self._note(asof, ended)
        if fault == "dead source" and (came := self._withhold(dead, asof)):
            self.faults.append(f"night {asof:%Y-%m-%d}: {came} files of {dead} came all the same")
        self._note(
            asof,
            in_child(lambda: upkeep.retain(asof=asof, grace=timedelta(0), settings=settings)),
        )
        disk = size_bytes(settings.data_dir)
        files = sum(1 for path in settings.data_dir.rglob("*") if path.is_file())
        self.measured.append(
            Measured(
                f"{asof:%Y-%m-%d}", fault, ended.seconds, ended.cpu_s, ended.peak_bytes, disk,
                files, ended.result or 0,
            )
        )  # fmt: skip

    def _note(self, asof: datetime, ended: Ended[Any]) -> None:
        """Note the error of a night or of its clean-up, or that it hung until it was killed."""
        if ended.error or ended.killed:
            self.faults.append(f"night {asof:%Y-%m-%d}: {ended.error or 'killed, as it hung'}")

    def _make(self, asof: datetime) -> int:
        """Make a night in this process, and keep what it told; number of nights caught up."""
        before = len(Records(self.settings.database).runs())
        with noting_decisions() as decisions:
            make_night(self.settings, asof)
        told = read_night(self.settings, asof, decisions)
        draft = self.place / f".{asof:%Y%m%d}.{time.monotonic_ns()}"
        draft.write_bytes(pickle.dumps(told))
        draft.replace(self.place / f"{asof:%Y%m%d}.told")
        return max(len(Records(self.settings.database).runs()) - before - 1, 0)

    def _withhold(self, dead: Sequence[str], asof: datetime) -> int:
        """Remove what some sources have given since the night before; number of files."""
        return in_child(lambda: withhold(self.settings, dead, asof=asof, since=asof - DAY)).value()

    def _damage_files(self, asof: datetime) -> None:
        """Cut or overwrite some of the files that came since the night before."""
        since = (asof - DAY).timestamp()
        new = [
            path
            for path in sorted(self.settings.upstream_dir.rglob("*"))
            if path.is_file() and path.stat().st_mtime > since and "mrc" not in path.parts
        ]
        for at in self.random.choice(len(new), size=min(5, len(new)), replace=False):
            path, content = new[at], new[at].read_bytes()
            state = path.stat()
            cut = int(self.random.integers(0, len(content)))
            path.unlink()
            path.write_bytes(content[:cut] + self.random.bytes(int(self.random.integers(200))))
            os.utime(path, (state.st_atime, state.st_mtime))

    def told(self) -> list[CityNight]:
        """What all nights told, in order."""
        return [
            one
            for path in sorted(self.place.glob("*.told"))
            for one in pickle.loads(path.read_bytes())  # noqa: S301  (written by this run)
        ]


def last_through(where: Where, _: int, random: np.random.Generator) -> Trial:
    """Run nights until all are made, or the time is over."""
    trial = Trial("nights")
    place = where.place / "told"
    place.mkdir(parents=True)
    if where.short:
        asof = datetime(2026, 8, 18, 0, 30, tzinfo=UTC)
        settings = copy(where.folder, "trained", where.place / "data", whole=True)
    else:
        asof, settings = FIRST, settings_in(where.place / "data")
        in_child(lambda: steps.simulate(asof=asof, settings=settings)).value()
        in_child(lambda: steps.prepare(asof=asof, settings=settings) and None).value()
    soak = Soak(settings, place, random)
    made = 0
    while made < NIGHTS and (not made or time.monotonic() < where.deadline):
        fault = str(random.choice(list(FAULTS), p=list(FAULTS.values()))) if made else "none"
        if fault == "slept":
            missed = int(random.integers(1, 4))
            soak.off.append((asof - DAY, asof + missed * DAY))
            asof += missed * DAY
            made += missed
        soak.run(asof, fault)
        where.log(f"soak: {asdict(soak.measured[-1])}")
        asof += DAY
        made += 1
    runs = in_child(lambda: check_runs(settings))
    trial.faults = soak.faults + ([runs.error] if runs.error else runs.value())

    def check() -> tuple[list[str], Counter[str], int]:
        told = soak.told()
        minutes = count_uncovered_minutes(told, until=asof - DAY, off=soak.off)
        return find_faults(told), minutes, count_messages(told)

    checked = in_child(check)
    found, minutes, messages = checked.result or ([checked.error], Counter(), 0)
    trial.faults += found
    if made < NIGHTS and not where.short:
        trial.faults.append(f"the time was over after {made} of {NIGHTS} nights")
    if minutes["running"]:
        trial.faults.append(f"{minutes['running']} minutes without a message while it ran")
    trial.facts = {
        "nights": made, "messages": messages, "uncovered": minutes["running"],
        "uncovered_off": minutes["off"], "caught_up": sum(n.caught_up for n in soak.measured),
    }  # fmt: skip
    trial.facts |= {f"fault {name}": number for name, number in soak.counts.items()}
    trial.facts |= summarise(soak.measured)
    if trial.facts.get("cpu_growth", 0) > MOST_GROWTH:
        trial.faults.append(f"a night takes {trial.facts['cpu_growth']:.2f} times as long")
    if trial.facts.get("memory_growth", 0) > MOST_GROWTH:
        trial.faults.append(f"a night takes {trial.facts['memory_growth']:.2f} times the memory")
    if trial.facts.get("disk_last", 0) > MOST_GROWTH * max(trial.facts.get("disk_first", 0), 1):
        trial.faults.append(f"a night adds {trial.facts['disk_last']:.0f} MB to the disk")
    return trial


def summarise(measured: Sequence[Measured]) -> dict[str, float]:
    """Compare the first third of the nights, after they settled, with the last.

    Nights that caught up others, or met another, are left out of time and memory.
    """
    plain = [
        night for night in measured[min(SETTLED, len(measured) // 3) :]
        if night.fault in {"none", "dead source", "damaged file"} and not night.caught_up
    ]  # fmt: skip
    if len(plain) < LEAST_COMPARED:
        return {}
    third = len(plain) // 3
    parts = plain[:third], plain[-third:]
    facts: dict[str, float] = {}
    for name, key, scale in (("cpu", "cpu_s", 1), ("memory", "peak_bytes", 1e6),
                             ("seconds", "seconds", 1)):  # fmt: skip
        first, last = (statistics.median(getattr(n, key) / scale for n in part) for part in parts)
        facts |= {f"{name}_first": first, f"{name}_last": last, f"{name}_growth": last / first}
    for name, key, scale in (("disk", "disk_bytes", 1e6), ("files", "files", 1)):
        for at, part in zip(("first", "last"), parts, strict=True):
            grown = getattr(part[-1], key) - getattr(part[0], key)
            days = (_date(part[-1]) - _date(part[0])).days
            facts[f"{name}_{at}"] = grown / scale / max(days, 1)
    facts["disk_total"] = measured[-1].disk_bytes / 1e6
    facts["files_total"] = measured[-1].files
    return facts


def _date(night: Measured) -> datetime:
    return datetime.fromisoformat(night.night)


ROWS = (
    ("nights in a row", "nights", "{:.0f}"),
    ("nights killed on the way", "fault killed on the way", "{:.0f}"),
    ("nights with dead sources", "fault dead source", "{:.0f}"),
    ("nights with damaged files", "fault damaged file", "{:.0f}"),
    ("nights made twice at once", "fault twice at once", "{:.0f}"),
    ("times that the machine slept", "fault slept", "{:.0f}"),
    ("nights caught up", "caught_up", "{:.0f}"),
    ("messages", "messages", "{:.0f}"),
    ("minutes with an open event and no message in force, while it ran", "uncovered", "{:.0f}"),
    ("the same while the machine was off", "uncovered_off", "{:.0f}"),
    ("processor time of a night, first third (s)", "cpu_first", "{:.1f}"),
    ("processor time of a night, last third (s)", "cpu_last", "{:.1f}"),
    ("time of a night, first third (s)", "seconds_first", "{:.1f}"),
    ("time of a night, last third (s)", "seconds_last", "{:.1f}"),
    ("highest memory of a night, first third (MB)", "memory_first", "{:.0f}"),
    ("highest memory of a night, last third (MB)", "memory_last", "{:.0f}"),
    ("disk that a night adds, first third (MB)", "disk_first", "{:.1f}"),
    ("disk that a night adds, last third (MB)", "disk_last", "{:.1f}"),
    ("files that a night adds, first third", "files_first", "{:.0f}"),
    ("files that a night adds, last third", "files_last", "{:.0f}"),
    ("disk at the end (MB)", "disk_total", "{:.0f}"),
    ("files at the end", "files_total", "{:.0f}"),
)


def rows(trials: Sequence[Trial]) -> list[tuple[str, ...]]:
    """Rows of the table: a figure each."""
    facts: dict[str, Any] = trials[-1].facts if trials else {}
    return [(name, form.format(facts[key])) for name, key, form in ROWS if key in facts]


SOAK = Kind(
    "soak", "A season in a row", WORDS, 1, ["trained"], last_through, ("figure", ""), None, rows
)

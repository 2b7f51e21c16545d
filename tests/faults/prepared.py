"""Stores that faults are tried on: a trained basin with one night, and what each step begins with.

They are made once below a folder and never altered: a trial works on a copy, in which files that
are only ever replaced by a rename are second names of the same content.
"""

from __future__ import annotations

import hashlib
import pickle
import shutil
import sqlite3
from collections.abc import Callable, Sequence
from contextlib import closing
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import cache
from pathlib import Path
from typing import TypeVar

from filelock import FileLock

from pipeline import steps, upkeep
from pipeline.geography.grid import Grid
from pipeline.settings import Settings
from pipeline.sources import NIGHTLY
from pipeline.storage.atomic import draft_file
from pipeline.virtual.basin import VirtualBasin
from pipeline.virtual.night import lay_out_history
from tests.benchmarks import record
from tests.faults.processes import in_child
from tests.scenarios import nights
from tests.scenarios.nights import FLOOD, NEXT_MORNING, settings_in

Result = TypeVar("Result")
NEW_YEAR = datetime(2026, 1, 1, 0, 30, tzinfo=UTC)
RECORD_GRID = Grid(10.0, 11.2, 100.0, 100.4)
"""12 x 4 cells, of which the record of 21 years is made."""
RECORD_YEARS = 2004, 2025
TEN_BEFORE = NEXT_MORNING - timedelta(days=10)
RECORD_ASOF = datetime(2025, 1, 3, 0, 30, tzinfo=UTC)
SHARED = ("chunks", "manifests", "snapshots", "transactions", "upstream", "virtual")
"""Folders whose files are replaced and never written to, so that copies may share them."""


@dataclass(frozen=True)
class Step:
    """A step that is disturbed.

    Parameters
    ----------
    name
        As the command line calls it.
    base
        Stores that it begins with.
    run
        The step.
    """

    name: str
    base: str
    run: Callable[[Settings], object]


def ingest(settings: Settings, asof: datetime = NEXT_MORNING) -> None:
    """Ingest every source of a night."""
    nights.ingest(settings, asof, NIGHTLY)


def train(settings: Settings) -> None:
    """Train where there are no models."""
    steps.train(asof=NEW_YEAR, settings=settings)


def back_up(settings: Settings) -> None:
    """Back up beside the data folder; one that is there is whole."""
    folder = settings.data_dir.parent / "backup"
    if not folder.exists():
        upkeep.backup(folder, settings=settings)


def retain(settings: Settings) -> None:
    """Remove all but what the last days need."""
    least = {"keep_upstream_days": 1, "keep_published_days": 0, "keep_snapshot_days": 0}
    short = settings.model_copy(update=least)
    upkeep.retain(asof=NEXT_MORNING, grace=timedelta(0), settings=short)


STEPS: Sequence[Step] = (
    Step("first ingest", "empty", lambda at: steps.ingest("smap", asof=NEXT_MORNING, settings=at)),
    Step("ingest", "laid_out", ingest),
    Step("assess", "ingested", lambda at: steps.assess(asof=NEXT_MORNING, settings=at)),
    Step("forecast", "assessed", lambda at: steps.forecast(asof=NEXT_MORNING, settings=at)),
    Step("publish", "forecast", lambda at: steps.publish(asof=NEXT_MORNING, settings=at)),
    Step("verify", "published", lambda at: steps.verify(asof=NEXT_MORNING, settings=at)),
    Step("train", "history", train),
    Step("backup", "published", back_up),
    Step("retain", "published", retain),
    Step(
        "indices --record",
        "record",
        lambda at: steps.indices(asof=RECORD_ASOF, settings=at, record=True),
    ),
)


def _make_history(settings: Settings) -> None:
    basin = VirtualBasin(settings.seed, settings.data_dir / "virtual")
    lay_out_history(basin, NEW_YEAR, settings.upstream_dir)
    for source in ("zones", "gldas_monthly", "gauges"):
        steps.ingest(source, asof=NEW_YEAR, settings=settings)


def _make_flood(settings: Settings) -> None:
    nights.whole_night(settings, FLOOD)
    steps.verify(asof=FLOOD, settings=settings)


def _empty(settings: Settings) -> None:
    """Leave nothing of the stores, and of the upstream files those of SMAP."""
    for path in (*settings.data_dir.iterdir(), *settings.upstream_dir.iterdir()):
        if path.name not in {"upstream", "SMAP"}:
            shutil.rmtree(path) if path.is_dir() else path.unlink()


def _make_ten_nights_before(settings: Settings) -> None:
    """Ingest and assess ten nights before the last one, whose files then lie there."""
    _lay_out(TEN_BEFORE)(settings)
    steps.assess(asof=TEN_BEFORE, settings=settings)
    steps.simulate(asof=NEXT_MORNING, settings=settings)


def _make_record(settings: Settings) -> None:
    first, end = RECORD_YEARS
    record.record(settings.archive_dir, first=first, end=end, grid=RECORD_GRID, years=end - first)


MISSED = 3, 1, 2, 5, 10
"""Numbers of nights that a machine sleeps over after the flood's."""


def _lay_out(asof: datetime) -> Callable[[Settings], object]:
    """Lay out a night and ingest it."""

    def lay_out(settings: Settings) -> None:
        steps.simulate(asof=asof, settings=settings)
        ingest(settings, asof)

    return lay_out


BASES: dict[str, tuple[str | None, Callable[[Settings], object]]] = {
    "history": (None, _make_history),
    "trained": ("history", train),
    "flood": ("trained", _make_flood),
    "laid_out": ("flood", lambda at: steps.simulate(asof=NEXT_MORNING, settings=at)),
    "ingested": ("laid_out", ingest),
    "assessed": ("ingested", lambda at: steps.assess(asof=NEXT_MORNING, settings=at)),
    "forecast": ("assessed", lambda at: steps.forecast(asof=NEXT_MORNING, settings=at)),
    "published": ("forecast", lambda at: steps.publish(asof=NEXT_MORNING, settings=at)),
    "empty": ("laid_out", _empty),
    "ten_before": ("trained", _make_ten_nights_before),
    "ten_before_gk2a": (
        "ten_before",
        lambda at: steps.ingest("gk2a", asof=NEXT_MORNING, settings=at),
    ),
    "record": (None, _make_record),
} | {
    f"slept {missed}": ("flood", _lay_out(FLOOD + (missed + 1) * timedelta(days=1)))
    for missed in MISSED
}
"""By name the stores that each begins with, and what is then done."""


def base(folder: Path, name: str) -> Settings:
    """Return prepared stores, made in a child process where they are not there yet."""
    place = folder / "bases" / name
    made = place.with_suffix(".made")
    place.parent.mkdir(parents=True, exist_ok=True)
    like, make = BASES[name]
    if like is not None:
        base(folder, like)
    with FileLock(place.with_suffix(".lock")):
        if not made.exists():
            shutil.rmtree(place, ignore_errors=True)
            settings = settings_in(place) if like is None else copy(folder, like, place)
            in_child(lambda: make(settings)).value()
            in_child(lambda: _fold_log(place)).value()
            made.touch()
    return settings_in(place)


def once(place: Path, make: Callable[[Path], Result]) -> Result:
    """Return what a call makes in a folder, which is removed; the first worker that asks calls it.

    Parameters
    ----------
    place
        Name of what is kept.
    make
        The call; its result can be pickled.
    """
    place.parent.mkdir(parents=True, exist_ok=True)
    kept = place.with_name(f"{place.name}-{digest_harness()}.kept")
    with FileLock(place.with_name(f"{place.name}.lock")):
        if not kept.exists():
            shutil.rmtree(place, ignore_errors=True)
            result = make(place)
            shutil.rmtree(place, ignore_errors=True)
            with draft_file(kept) as draft:
                draft.write_bytes(pickle.dumps(result))
    found: Result = pickle.loads(kept.read_bytes())  # noqa: S301  (written by a worker)
    return found


@cache
def digest_harness() -> str:
    """Digest of the modules of the harness: what another one has kept may mean something else."""
    modules = sorted(Path(__file__).parent.glob("*.py"))
    return hashlib.sha256(b"".join(path.read_bytes() for path in modules)).hexdigest()[:16]


def _fold_log(place: Path) -> None:
    """Bring the write-ahead log into the file of the tables, so that the file is all."""
    path = place / "records.db"
    if path.exists():
        with closing(sqlite3.connect(path)) as connection:
            connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")


def copy(folder: Path, name: str, place: Path, *, whole: bool = False) -> Settings:
    """Copy prepared stores.

    Parameters
    ----------
    folder
        Folder of all prepared stores.
    name
        Which.
    place
        Folder of the copy; not there yet.
    whole
        Whether no file is shared: for a copy that is damaged in place or lies on another disk.
    """
    source = base(folder, name).data_dir
    twins = dict[int, Path]()
    for path in sorted(source.rglob("*")):
        target = place / path.relative_to(source)
        if path.is_symlink():
            target.symlink_to(path.readlink())
        elif path.is_dir():
            target.mkdir(parents=True)
        elif not whole and (path.suffix == ".skops" or set(SHARED) & set(path.parts)):
            target.hardlink_to(path)
        elif twin := twins.get(path.stat().st_ino):
            target.hardlink_to(twin)
        elif not path.name.startswith("records.db-"):
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(path, target)
            twins[path.stat().st_ino] = target
    for path in (source, *source.rglob("*")):  # last: a folder may be closed to writing
        if path.is_dir() and not path.is_symlink():
            shutil.copystat(path, place / path.relative_to(source))
    return settings_in(place)

"""One trial of a fault, and a kind of faults: what is drawn, done and compared."""

from __future__ import annotations

import importlib
import pkgutil
import warnings
import zlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

import models
import pipeline

SEED = 20260820


@dataclass
class Trial:
    """What came of one fault.

    Parameters
    ----------
    label
        Row of the kind's table that it counts in.
    happened
        Whether the fault came to pass: a step may end before it is killed.
    faults
        What is wrong afterwards.
    facts
        Figures of it by name, for the table.
    """

    label: str
    happened: bool = True
    faults: list[str] = field(default_factory=list)
    facts: dict[str, float] = field(default_factory=dict)


@dataclass(frozen=True)
class Where:
    """Where a trial works.

    Parameters
    ----------
    folder
        Folder of the prepared stores.
    place
        Folder of this trial alone, empty; removed after it.
    deadline
        Moment of ``time.monotonic`` at which a trial of many nights ends.
    short
        Whether there is a minute alone: such a trial begins with trained models.
    """

    folder: Path
    place: Path
    deadline: float
    short: bool

    def log(self, line: str) -> None:
        """Add a line to the log of all trials, beside the prepared stores."""
        with (self.folder / "log").open("a", encoding="utf-8") as stream:
            stream.write(f"{line}\n")


@dataclass(frozen=True)
class Kind:
    """A kind of faults.

    Parameters
    ----------
    name
        Its name on the command line.
    title, words
        Heading and text of its part of docs/faults.md.
    whole
        Number of trials of the whole run.
    bases
        Prepared stores that its first trials begin with; others are made when they are wanted.
    trial
        One trial, drawn by its number and a generator of its own.
    head, row
        Head of its table; cells of a label's trials, the label first.
    rows
        All rows of its table, where there is not one by label.
    """

    name: str
    title: str
    words: str
    whole: int
    bases: Sequence[str]
    trial: Callable[[Where, int, np.random.Generator], Trial]
    head: Sequence[str]
    row: Callable[[str, Sequence[Trial]], tuple[str, ...]] | None
    rows: Callable[[Sequence[Trial]], list[tuple[str, ...]]] | None = None

    def table(self, trials: Sequence[Trial]) -> list[tuple[str, ...]]:
        """Rows of its table, by label in the order of the first trial of each."""
        if self.rows is not None:
            return self.rows(trials)
        labels = dict.fromkeys(trial.label for trial in trials)
        row = self.row or count
        return [row(label, [one for one in trials if one.label == label]) for label in labels]


def draw(kind: str, number: int, *, seed: int = SEED) -> np.random.Generator:
    """Return the generator of a trial."""
    return np.random.default_rng([seed, zlib.crc32(kind.encode()), number])


def count(label: str, trials: Sequence[Trial]) -> tuple[str, ...]:
    """Cells: label, number of trials, of those in which it happened, and of those without fault."""
    happened = sum(trial.happened for trial in trials)
    good = sum(not trial.faults for trial in trials)
    return label, str(len(trials)), str(happened), str(good)


def warm() -> None:
    """Import every module of the project, so that no child does."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for package in (pipeline, models):
            for found in pkgutil.walk_packages(package.__path__, f"{package.__name__}."):
                if "__main__" not in found.name:
                    importlib.import_module(found.name)
        for name in ("skops.io", "sklearn.linear_model", "dask.array", "dask.multiprocessing"):
            importlib.import_module(name)

"""Read mutated files as a night does, and say what came of each."""

from __future__ import annotations

import time
import zlib
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
import xarray as xr

from pipeline.geography.variables import VARIABLES
from pipeline.indices.suite import INDICES
from pipeline.ingest.file_reader import FileReader
from pipeline.quality import flags as quality_flags
from pipeline.quality.selection import select_used
from pipeline.sources.base import BadGranule, Skipped
from tests.fuzz.mutations import damage

if TYPE_CHECKING:
    from tests.fuzz.seeds import Seed

RANDOM_SEED = 20260820
UNFORESEEN = "expected a file that its reader understands"
"""How the rejection of a file begins that provoked an error which its reader did not foresee."""
KILLED = "expected a file that can be read"
"""How the rejection begins of a file that took too long or ended the process that read it."""


@dataclass
class Outcome:
    """What came of the mutations of one file.

    Parameters
    ----------
    counts
        Files read, rejected, passed over or killed.
    faults
        What must not be: an error of another kind than the reader's own, a value out of its range.
    longest_s
        Longest time that one file took.
    """

    counts: Counter[str] = field(default_factory=Counter)
    faults: list[str] = field(default_factory=list)
    longest_s: float = 0.0


def fuzz(seed: Seed, count: int, folder: Path) -> Outcome:
    """Mutate a file so many times, each mutation told by its number, and read what comes of it.

    Parameters
    ----------
    seed
        The sound file.
    count
        How many mutations.
    folder
        Where they are written.
    """
    outcome = Outcome()
    path = folder / seed.name
    key = zlib.crc32(f"{seed.source}/{seed.name}".encode())
    with FileReader(seed.read) as read:
        for number in range(count):
            random = np.random.default_rng([RANDOM_SEED, key, number])
            content = damage(seed.content, random)
            if random.random() < 0.2:
                content = damage(content, random) if content else content
            path.write_bytes(content)
            started = time.monotonic()
            try:
                fault = out_of_range(read(path))
                outcome.counts["read"] += 1
            except Skipped:
                outcome.counts["passed over"] += 1
                fault = ""
            except BadGranule as bad:
                killed = KILLED in str(bad)
                outcome.counts["killed" if killed else "rejected"] += 1
                fault = str(bad) if UNFORESEEN in str(bad) else ""
            outcome.longest_s = max(outcome.longest_s, time.monotonic() - started)
            if fault:
                outcome.faults.append(f"{seed.source} {seed.name}, mutation {number}: {fault}")
    path.unlink()
    return outcome


def out_of_range(data: xr.Dataset | pd.DataFrame) -> str:
    """Say which value is stored, or used of readings, that its variable cannot have."""
    values: dict[str, np.ndarray] = {}
    if isinstance(data, xr.Dataset):
        values = {str(name): data[name].values for name in data.data_vars}
    else:
        used = select_used(quality_flags.flag(data))
        values = {str(name): part["value"].to_numpy() for name, part in used.groupby("variable")}
    for name, found in values.items():
        row = VARIABLES.get(name) or INDICES.get(name)
        if row is None or found.dtype.kind not in "iuf":
            continue
        known = found[~np.isnan(found)]
        if known.size and not (row.valid_min <= known.min() <= known.max() <= row.valid_max):
            return f"{name} of {known.min():g} to {known.max():g} was believed"
    return ""

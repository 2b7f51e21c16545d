"""A part of the mutations that ``python3 make.py fuzz`` makes, in less than a minute."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from pipeline.geography.grid import Grid
from tests.fuzz.run import fuzz, out_of_range
from tests.fuzz.seeds import grids, texts

COUNT = 12


@pytest.mark.slow
@pytest.mark.parametrize("kind", [grids, texts])
def test_no_mutation_is_believed_or_ends_its_reader(kind: object, tmp_path: Path) -> None:
    seeds = grids(tmp_path) if kind is grids else texts()
    read = 0
    for seed in seeds:
        outcome = fuzz(seed, COUNT, tmp_path)
        assert outcome.faults == []
        assert sum(outcome.counts.values()) == COUNT
        assert outcome.longest_s < 30
        read += outcome.counts["read"]
    assert read > 0


def test_what_cannot_be_is_seen() -> None:
    grid = Grid(10.0, 10.2, 100.0, 100.2)
    time = np.array([np.datetime64("2026-08-20", "ns")])
    rain = np.full((1, *grid.shape), 3.0, np.float32)
    assert out_of_range(grid.dataset(time, rain=rain)) == ""
    rain[0, 0, 0] = 1e35
    assert "rain of 3 to 1e+35 was believed" in out_of_range(grid.dataset(time, rain=rain))
    reading = {
        "station": "013901", "variable": "discharge", "method": "manual", "value": -5.0,
        "valid_time": pd.Timestamp("2026-08-20"), "unit": "m3 s-1", "qc": "good", "version": "",
        "raw": "",
    }  # fmt: skip
    # Quality control flags it as out of range, so that it is not used.
    assert out_of_range(pd.DataFrame([reading])) == ""

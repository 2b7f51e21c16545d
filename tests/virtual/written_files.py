"""A small grid of ones, and what holds of every file that the virtual basin writes."""

import time as clock
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import numpy as np

from pipeline.geography.grid import Grid

T0 = datetime(2024, 8, 1, tzinfo=UTC)
PUBLISHED = datetime(2024, 8, 1, 14, 2, 3, tzinfo=UTC)
BOX = Grid(14.0, 15.0, 100.0, 102.0)
ONES = np.ones(BOX.shape)


def check_repeated(write: Callable[[Path], Path], folder: Path) -> None:
    """Assert that the same arguments give the same bytes, dated by publication."""
    first = write(folder / "a")
    clock.sleep(1.1)
    second = write(folder / "b")
    assert first.read_bytes() == second.read_bytes()
    assert datetime.fromtimestamp(first.stat().st_mtime, tz=UTC) == PUBLISHED
    assert list(first.parent.iterdir()) == [first], "no part of a file is left beside"
    assert first.stat().st_size < 3_000_000

"""Level 2 images of GK2A, shared by the tests of the product and of its format."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import h5py
import numpy as np

from pipeline.geography.grid import Grid
from pipeline.sources.formats import projection
from pipeline.virtual.products import write_gk2a_rain

T0 = datetime(2024, 8, 1, 3, 10, tzinfo=UTC)
DELTA = Grid(9.0, 11.0, 105.0, 107.0)


def field(grid: Grid) -> np.ndarray:
    """Rain rate that differs in every cell, mm/h."""
    rows, columns = grid.shape
    return np.arange(rows)[:, None] * 0.5 + np.arange(columns) * 0.01


def write(folder: Path, sector: str = "fd020ge", grid: Grid = DELTA) -> Path:
    """Write an image whose pixels have the rain rate of their cells."""
    return write_gk2a_rain(
        folder, sector=sector, time=T0, rain_rate=field(grid), grid=grid, published=T0,  # type: ignore[arg-type]
    )  # fmt: skip


def view(path: Path) -> projection.Projection:
    """Projection that an image declares."""
    with h5py.File(path) as file:
        return projection.projection_of(file["gk2a_imager_projection"], path)

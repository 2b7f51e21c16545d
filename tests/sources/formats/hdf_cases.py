"""A small HDF5 file, and windows of it, shared by the tests of chunks, fields and files."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest
from numpy.typing import NDArray

from pipeline.sources.base import BadGranule
from pipeline.sources.formats import chunks, hdf

VALUES = np.arange(23 * 17, dtype="<f4").reshape(1, 23, 17)
PLAIN: Any = {"compression": "gzip"}


def write(path: Path, values: NDArray[Any] = VALUES, **layout: Any) -> Path:
    """Write a file of one variable."""
    with h5py.File(path, "w") as file:
        file.create_dataset("rain", data=values, **layout)
    return path


def read(path: Path, down: slice, across: slice) -> NDArray[Any]:
    """Read a window of the variable."""
    with hdf.open_hdf5(path) as file:
        return chunks.read_slab(hdf.get_variable(file, ("rain",), path), down, across)


def refused(path: Path, choices: tuple[str, ...] = ("rain",)) -> str:
    """Read a corner of variables that are refused; return the message."""
    with pytest.raises(BadGranule) as raised, hdf.open_hdf5(path) as file:
        for name in choices:
            data = hdf.get_variable(file, (name,), path)
            chunks.read_slab(data, slice(0, 10), slice(0, 10))
    return str(raised.value)

"""Writing of files of the virtual basin: deterministic HDF5, whole, with its publication time."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import h5py
import numpy as np
from numpy.typing import NDArray

from pipeline.storage.atomic import draft_file, set_published


def publish(path: Path, content: bytes, published: datetime) -> Path:
    """Write a whole file with its time of publication.

    Parameters
    ----------
    path
        Path of the file; folders are created.
    content
        Bytes of the file.
    published
        Becomes the modification time.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    with draft_file(path) as draft:
        draft.write_bytes(content)
        set_published(draft, published)
    return path


def write_attributes(owner: h5py.HLObject, **values: Any) -> None:
    """Write attributes, text as fixed-length bytes, as these products do.

    Parameters
    ----------
    owner
        File, group or dataset.
    **values
        Attributes by name.
    """
    for name, value in values.items():
        owner.attrs[name] = np.bytes_(value.encode()) if isinstance(value, str) else value


def write_array(
    group: h5py.Group,
    name: str,
    dims: tuple[str, ...],
    *,
    data: NDArray[Any] | None = None,
    dtype: str | None = None,
    chunks: tuple[int, ...] | None = None,
    fill: float | None = None,
    **values: Any,
) -> h5py.Dataset:
    """Create a variable: an axis where its one dim is its own name, else on existing axes."""
    if data is None:
        shape = tuple(group[d].size for d in dims)
        dataset = group.create_dataset(
            name,
            shape,
            dtype,
            chunks=chunks,
            fillvalue=fill,
            compression="gzip",
            compression_opts=1,
            track_times=False,
        )
    else:
        dataset = group.create_dataset(name, data=data, dtype=dtype, track_times=False)
    if fill is not None:
        dataset.attrs["_FillValue"] = np.array([fill], dataset.dtype)
    if dims == (name,):
        dataset.make_scale(name)
    else:
        for index, dim in enumerate(dims):
            dataset.dims[index].attach_scale(group[dim])
    write_attributes(dataset, **values)
    return dataset


def make_template(build: Callable[[h5py.File], None]) -> bytes:
    """Return the bytes of a file that ``build`` fills; they are copied for each granule."""
    with TemporaryDirectory() as folder:
        path = Path(folder, "template")
        with h5py.File(path, "w") as file:
            build(file)
        return path.read_bytes()


def fill_in(template: bytes, change: Callable[[h5py.File], None]) -> bytes:
    """Return the bytes of a template after a change."""
    with TemporaryDirectory() as folder:
        path = Path(folder, "granule")
        path.write_bytes(template)
        with h5py.File(path, "r+") as file:
            change(file)
        return path.read_bytes()

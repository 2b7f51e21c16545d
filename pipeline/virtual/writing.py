"""How the virtual basin writes files: deterministic HDF5, put in place whole and dated."""

from __future__ import annotations

import os
from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import h5py
import numpy as np
from numpy.typing import NDArray

from pipeline.storage.atomic import draft_file


def publish(path: Path, content: bytes, published: datetime) -> Path:
    """Put a file in place whole, with its time of publication.

    Parameters
    ----------
    path
        Where; folders are made.
    content
        Its bytes.
    published
        Becomes the modification time.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    with draft_file(path) as draft:
        draft.write_bytes(content)
        os.utime(draft, (published.timestamp(), published.timestamp()))
    return path


def attributes(owner: h5py.HLObject, **values: Any) -> None:
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


def array(
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
    """Create a variable: an axis where its one dim is its own name, else on axes made before."""
    if data is None:
        shape = tuple(group[d].size for d in dims)
        made = group.create_dataset(
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
        made = group.create_dataset(name, data=data, dtype=dtype, track_times=False)
    if fill is not None:
        made.attrs["_FillValue"] = np.array([fill], made.dtype)
    if dims == (name,):
        made.make_scale(name)
    else:
        for index, dim in enumerate(dims):
            made.dims[index].attach_scale(group[dim])
    attributes(made, **values)
    return made


def template(build: Callable[[h5py.File], None]) -> bytes:
    """Bytes of a file that ``build`` fills: made once, copied for each granule."""
    with TemporaryDirectory() as folder:
        path = Path(folder, "template")
        with h5py.File(path, "w") as file:
            build(file)
        return path.read_bytes()


def fill_in(template: bytes, change: Callable[[h5py.File], None]) -> bytes:
    """Bytes of a template after a change."""
    with TemporaryDirectory() as folder:
        path = Path(folder, "granule")
        path.write_bytes(template)
        with h5py.File(path, "r+") as file:
            change(file)
        return path.read_bytes()

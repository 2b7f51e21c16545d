"""Open HDF5, netCDF-4 and HDF4 files, and get variables of a size that can be read."""

from __future__ import annotations

import math
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import h5py

from pipeline.sources.base import MAX_BYTES, BadGranule, Skipped
from pipeline.sources.formats.field import Field, Hdf4Field

_CHUNK = MAX_BYTES // 4
"""Most bytes of one chunk: it is inflated whole where its bytes are shuffled."""
_MOST_DIMS = 4
"""Time, layer and two of space."""
_MAGIC = b"\x89HDF\r\n\x1a\n"
_MAGIC_4 = b"\x0e\x03\x13\x01"


@contextmanager
def guard(path: Path, form: str = "HDF5") -> Iterator[None]:
    """Convert every exception while a file is read into BadGranule for this file.

    Parameters
    ----------
    path
        The file.
    form
        Its format.

    Raises
    ------
    BadGranule
        Any exception but this and :class:`Skipped` was raised.
    """
    try:
        yield
    except (BadGranule, Skipped):
        raise
    except Exception as error:  # for a damaged file the libraries raise every kind
        # The message of a KeyError or IndexError says little without its kind.
        kind = "" if isinstance(error, OSError) else f"{type(error).__name__}: "
        message = " ".join(f"{kind}{error}".split())[:300].removesuffix(":")
        raise BadGranule(path, expected=f"a whole {form} file", found=message) from error


@contextmanager
def open_hdf5(path: Path) -> Iterator[h5py.File]:
    """Open an HDF5 file for reading, within :func:`guard`.

    Parameters
    ----------
    path
        The file.

    Raises
    ------
    BadGranule
        The file is empty, is something else (providers answer HTTP 200 with a login page), is
        damaged, or ends too early, at opening or while its arrays are read.
    """
    with guard(path):
        head = _read_head(path)
        if not head.startswith(_MAGIC):
            content = f"a file that begins with {head[:40]!r}" if head else "an empty file"
            raise BadGranule(path, expected="an HDF5 file", found=content)
        # Files are renamed into place whole, and some network disks refuse locks.
        with h5py.File(path, "r", locking=False) as file:
            yield file


def _read_head(path: Path) -> bytes:
    """Read the first bytes of a file; reading a pipe would never end."""
    if not path.is_file():
        raise BadGranule(path, expected="a file", found="none, or a folder, pipe or socket")
    handle = os.open(path, os.O_RDONLY)
    try:
        return os.read(handle, 80)
    finally:
        os.close(handle)


@contextmanager
def open_eos_grid(path: Path) -> Iterator[tuple[Mapping[str, Any], Any]]:
    """Open the grid of an HDF-EOS file: version 5 (HDF5, one grid) or 2 (HDF4).

    Yields
    ------
    fields, file
        Data fields by name, each with ``attrs``, ``shape`` and slicing as in h5py, and the owner
        of the file's attributes.

    Parameters
    ----------
    path
        The file.

    Raises
    ------
    BadGranule
        The file is empty, is something else, does not have exactly one grid, or ends too early, at
        opening or while its fields are read.
    """
    with guard(path):
        is_4 = _read_head(path).startswith(_MAGIC_4)
    if is_4:
        with _open_hdf4(path) as (fields, file):
            yield fields, file
        return
    with open_hdf5(path) as file:
        grids = get_variable(file, ("HDFEOS/GRIDS",), path)
        if len(grids) != 1:
            raise BadGranule(
                path, expected="one grid in HDFEOS/GRIDS", found=", ".join(grids) or "none"
            )
        yield get_variable(grids, (f"{next(iter(grids))}/Data Fields",), path), file


@contextmanager
def _open_hdf4(path: Path) -> Iterator[tuple[dict[str, Any], Any]]:
    from pyhdf.SD import SD  # noqa: PLC0415  (HDF4 is rare)

    with guard(path, "HDF4"):
        file = SD(str(path))
        try:
            yield {name: Hdf4Field(file.select(name)) for name in file.datasets()}, Hdf4Field(file)
        finally:
            file.end()


def get_variable(group: Any, names: tuple[str, ...], path: Path) -> Any:
    """Return the first of several variables, or groups, that a group has.

    Parameters
    ----------
    group
        An HDF5 group, or the fields of an HDF4 file by name.
    names
        Names in order of preference; they differ between versions of a product.
    path
        The file, for the message.

    Raises
    ------
    BadGranule
        The group has none of them, or the variable is not numeric, lies in another file, or
        declares more than ``MAX_BYTES``.
    """
    for name in names:
        item = get_member(group, name, path)
        if item is not None:
            return item
    raise BadGranule(
        path, expected=f"variable {' or '.join(names)}", found=f"{', '.join(group) or 'nothing'}"
    )


def get_member(group: Any, name: str, path: Path) -> Any:
    """Return a variable or group of a group like :func:`get_variable`, None where it has none.

    Parameters
    ----------
    group
        An HDF5 group, or the fields of an HDF4 file by name.
    name
        Its name, parts divided by slashes.
    path
        The file, for the message.

    Raises
    ------
    BadGranule
        The variable is not numeric, lies in another file, or declares more than ``MAX_BYTES``.
    """
    if not isinstance(group, h5py.Group):
        data = group.get(name)
        if data is not None:
            _check_size(name, tuple(data.shape), 8, path)
        return data
    place = group.id
    for part in name.split("/"):
        key = part.encode()
        if not isinstance(place, h5py.h5g.GroupID) or not place.links.exists(key):
            return None
        # Links are checked before they are followed: an external one would open another file.
        if place.links.get_info(key).type != h5py.h5l.TYPE_HARD:
            raise BadGranule(path, expected=f"{name} in the file itself", found="a link")
        place = h5py.h5o.open(place, key)
    if isinstance(place, h5py.h5g.GroupID):
        return h5py.Group(place)
    return _open_field(place, name, path)


def _open_field(data: Any, name: str, path: Path) -> Field:
    """Open a numeric variable of this file, of a size that can be read."""
    shape, kind = getattr(data, "shape", None), data.dtype
    if shape is None or kind.kind not in "iufbS":
        thing = "dataset" if isinstance(data, h5py.h5d.DatasetID) else "datatype"
        raise BadGranule(path, expected=f"numbers in {name}", found=f"{thing} of {kind}")
    if len(shape) > _MOST_DIMS:
        raise BadGranule(
            path, expected=f"at most {_MOST_DIMS} dims of {name}", found=str(len(shape))
        )
    _check_size(name, shape, kind.itemsize, path)
    field = Field(data)
    if field.lies_elsewhere:
        raise BadGranule(path, expected=f"{name} in the file itself", found="parts of other files")
    _check_size(f"a chunk of {name}", field.chunks, kind.itemsize, path, most=_CHUNK)
    return field


def _check_size(
    name: str, shape: tuple[int, ...], itemsize: int, path: Path, *, most: int = MAX_BYTES
) -> None:
    """Raise BadGranule where the declared size of an array exceeds a limit."""
    if (size := math.prod(shape) * itemsize) > most:
        raise BadGranule(
            path,
            expected=f"at most {most // 1_000_000} MB in {name}",
            found=f"{size // 1_000_000} MB declared, of shape {shape}",
        )

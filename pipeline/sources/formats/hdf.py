"""What the readers of HDF5, netCDF-4 and HDF4 files share: opening, naming, declared sizes."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from typing import Any

import h5py
import numpy as np
from numpy.typing import NDArray

from pipeline.sources.base import MAX_BYTES, BadGranule, Skipped

_CHUNK = MAX_BYTES // 4
"""Bytes of one chunk: it is inflated whole where its bytes are shuffled."""
_ATTRIBUTE = MAX_BYTES // 1000
_MOST_DIMS = 4
"""Time, layer and two of space."""
_MAGIC = b"\x89HDF\r\n\x1a\n"
_MAGIC_4 = b"\x0e\x03\x13\x01"


@contextmanager
def border(path: Path, form: str = "HDF5") -> Iterator[None]:
    """Make whatever is raised while a file is read this file's fault, and say so.

    Parameters
    ----------
    path
        The file.
    form
        Its format.

    Raises
    ------
    BadGranule
        Anything was raised but this and :class:`Skipped`.
    """
    try:
        yield
    except (BadGranule, Skipped):
        raise
    except Exception as error:  # of a damaged file the libraries raise every kind
        # That of a key or an index says little without its kind.
        kind = "" if isinstance(error, OSError) else f"{type(error).__name__}: "
        found = " ".join(f"{kind}{error}".split())[:300].removesuffix(":")
        raise BadGranule(path, expected=f"a whole {form} file", found=found) from error


@contextmanager
def opened(path: Path) -> Iterator[h5py.File]:
    """Open an HDF5 file for reading, within its :func:`border`.

    Parameters
    ----------
    path
        The file.

    Raises
    ------
    BadGranule
        The file is empty, is something else (providers answer HTTP 200 with a login page), is
        damaged, or ends too early, now or while its arrays are read.
    """
    with border(path):
        head = _head(path)
        if not head.startswith(_MAGIC):
            found = f"a file that begins with {head[:40]!r}" if head else "an empty file"
            raise BadGranule(path, expected="an HDF5 file", found=found)
        # Files are renamed into place whole, and some network disks refuse locks.
        with h5py.File(path, "r", locking=False) as file:
            yield file


def _head(path: Path) -> bytes:
    """First bytes of a file; a pipe would be waited for without end."""
    if not path.is_file():
        raise BadGranule(path, expected="a file", found="none, or a folder, pipe or socket")
    with path.open("rb") as stream:
        return stream.read(80)


@contextmanager
def opened_eos(path: Path) -> Iterator[tuple[Mapping[str, Any], Any]]:
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
        The file is empty, is something else, has not one grid, or ends too early, now or while its
        fields are read.
    """
    with border(path):
        is_4 = _head(path).startswith(_MAGIC_4)
    if is_4:
        with _opened_4(path) as (fields, file):
            yield fields, file
        return
    with opened(path) as file:
        grids = variable(file, ("HDFEOS/GRIDS",), path)
        if len(grids) != 1:
            raise BadGranule(
                path, expected="one grid in HDFEOS/GRIDS", found=", ".join(grids) or "none"
            )
        yield variable(grids, (f"{next(iter(grids))}/Data Fields",), path), file


class _Owner:
    """What carries attributes in an HDF4 file, and where it is a field its values, as in h5py."""

    def __init__(self, item: Any) -> None:
        self.attrs: dict[str, Any] = item.attributes()
        self._item = item

    @property
    def shape(self) -> tuple[int, ...]:
        """Length of each dimension."""
        sizes = self._item.info()[2]
        return tuple(sizes) if isinstance(sizes, list) else (sizes,)

    def __getitem__(self, index: Any) -> NDArray[Any]:
        return np.asarray(self._item[index])


@contextmanager
def _opened_4(path: Path) -> Iterator[tuple[dict[str, Any], Any]]:
    from pyhdf.SD import SD  # noqa: PLC0415  (HDF4 is rare)

    with border(path, "HDF4"):
        file = SD(str(path))
        try:
            yield {name: _Owner(file.select(name)) for name in file.datasets()}, _Owner(file)
        finally:
            file.end()


def variable(group: Any, names: tuple[str, ...], path: Path) -> Any:
    """Return the first of several variables, or groups, that a group has.

    Parameters
    ----------
    group
        Where to look: an HDF5 group, or the fields of an HDF4 file by name.
    names
        Names in order of preference; versions of a product name the same thing differently.
    path
        The file, for the message.

    Raises
    ------
    BadGranule
        The group has none of them, or what it has is no numbers, lies in another file, or declares
        more than ``MAX_BYTES``.
    """
    for name in names:
        found = member(group, name, path)
        if found is not None:
            return found
    raise BadGranule(
        path, expected=f"variable {' or '.join(names)}", found=f"{', '.join(group) or 'nothing'}"
    )


def member(group: Any, name: str, path: Path) -> Any:
    """Return a variable or group of a group as :func:`variable`, None where it has none.

    Parameters
    ----------
    group
        Where to look.
    name
        Its name, parts divided by slashes.
    path
        The file, for the message.

    Raises
    ------
    BadGranule
        What it has is no numbers, lies in another file, or declares more than ``MAX_BYTES``.
    """
    if not isinstance(group, h5py.Group):
        found = group.get(name)
        if found is not None:
            _bounded(name, tuple(found.shape), 8, path)
        return found
    found = group
    for part in name.split("/"):
        if not isinstance(found, h5py.Group) or not found.id.links.exists(part.encode()):
            return None
        # A link is looked at before it is followed: where it leads outside, that file is opened.
        if found.id.links.get_info(part.encode()).type != h5py.h5l.TYPE_HARD:
            raise BadGranule(path, expected=f"{name} in the file itself", found="a link")
        found = found[part]
    if not isinstance(found, h5py.Group):
        _check(found, name, path)
    return found


def _check(data: Any, name: str, path: Path) -> None:
    """Raise unless a variable is numbers of this file of a size that can be read."""
    kind, shape = data.dtype, getattr(data.id, "shape", None)
    if shape is None or kind.kind not in "iufbS":
        found = f"{type(data).__name__.lower()} of {kind}"
        raise BadGranule(path, expected=f"numbers in {name}", found=found)
    if len(shape) > _MOST_DIMS:
        raise BadGranule(
            path, expected=f"at most {_MOST_DIMS} dims of {name}", found=str(len(shape))
        )
    _bounded(name, shape, kind.itemsize, path)
    layout = data.id.get_create_plist()
    way = layout.get_layout()
    if way == h5py.h5d.VIRTUAL or layout.get_external_count():
        raise BadGranule(path, expected=f"{name} in the file itself", found="parts of other files")
    if way == h5py.h5d.CHUNKED:
        _bounded(f"a chunk of {name}", layout.get_chunk(), kind.itemsize, path, most=_CHUNK)


def _bounded(
    name: str, shape: tuple[int, ...], itemsize: int, path: Path, *, most: int = MAX_BYTES
) -> None:
    """Raise where an array is declared larger than memory."""
    if (size := math.prod(shape) * itemsize) > most:
        raise BadGranule(
            path,
            expected=f"at most {most // 1_000_000} MB in {name}",
            found=f"{size // 1_000_000} MB declared, of shape {shape}",
        )


def is_unwritten(data: Any) -> bool:
    """Whether nothing of an HDF5 dataset was ever written: it reads as HDF5's own fill, mostly 0.

    Parameters
    ----------
    data
        HDF5 dataset; of an HDF4 field nothing is known.
    """
    return isinstance(data, h5py.Dataset) and bool(data.size) and not data.id.get_storage_size()


def has_unwritten_chunks(data: Any) -> bool:
    """Whether parts of a dataset were never written, which read as HDF5's own fill, mostly 0.

    Parameters
    ----------
    data
        HDF5 dataset; of an HDF4 field nothing is known.
    """
    if not isinstance(data, h5py.Dataset):
        return False
    if data.chunks is None:
        return is_unwritten(data)
    counts = (-(-size // width) for size, width in zip(data.shape, data.chunks, strict=True))
    return bool(data.id.get_num_chunks() < math.prod(counts))


def attribute(owner: Any, name: str) -> Any:
    """Return an attribute as it is stored, None where it is absent or empty.

    Parameters
    ----------
    owner
        File, group or dataset.
    name
        Name of the attribute.

    Raises
    ------
    OSError
        It is larger than an attribute may be.
    """
    if not isinstance(owner, h5py.HLObject):
        return owner.attrs.get(name)
    key = name.encode()
    if not h5py.h5a.exists(owner.id, key):
        return None
    found = h5py.h5a.open(owner.id, key)
    shape, kind = found.shape, found.dtype
    if shape is None:
        return None
    if (size := math.prod(shape) * kind.itemsize) > _ATTRIBUTE:
        raise OSError(f"the attribute {name} has {size} bytes, expected at most {_ATTRIBUTE}")
    if kind.kind not in "iufS" or kind.subdtype:  # h5py knows the rest
        return owner.attrs[name]
    value = np.empty(shape, kind)
    found.read(value)
    return value


def attribute_names(owner: Any) -> set[str]:
    """Return the names of all attributes.

    Parameters
    ----------
    owner
        File, group or dataset.
    """
    if not isinstance(owner, h5py.HLObject):
        return set(owner.attrs)
    names: list[bytes] = []
    h5py.h5a.iterate(owner.id, names.append)
    return {name.decode("utf-8", "replace") for name in names}


def text(owner: Any, name: str) -> str:
    """Return an attribute as text, empty where it is absent.

    Parameters
    ----------
    owner
        File, group or dataset.
    name
        Name of the attribute.
    """
    value = attribute(owner, name)
    if isinstance(value, np.ndarray):
        value = value.ravel()[0] if value.size else ""
    if value is None:
        return ""
    return value.decode("utf-8", "replace") if isinstance(value, bytes) else str(value)


def number(owner: Any, name: str, path: Path) -> float:
    """Return an attribute as a number.

    Parameters
    ----------
    owner
        File, group or dataset.
    name
        Name of the attribute.
    path
        The file, for the message.

    Raises
    ------
    BadGranule
        The attribute is absent or no number.
    """
    try:
        return float(text(owner, name))
    except ValueError:
        raise BadGranule(
            path, expected=f"a number in {name}", found=repr(text(owner, name))
        ) from None


def bits(values: NDArray[Any], name: str, path: Path) -> NDArray[np.int64]:
    """Return the values of a flag, which are integers.

    Parameters
    ----------
    values
        As stored.
    name
        Name of the flag, for the message.
    path
        The file, for the message.

    Raises
    ------
    BadGranule
        They are of another type.
    """
    if values.dtype.kind not in "iu":
        raise BadGranule(path, expected=f"bits in {name}", found=str(values.dtype))
    return values.astype(np.int64)


def positions(axis: NDArray[np.floating], wanted: NDArray[np.floating]) -> NDArray[np.int64]:
    """Index in a regular axis of the cell that holds each wanted point, −1 outside.

    Parameters
    ----------
    axis
        Cell centres, evenly spaced, in either direction.
    wanted
        Points in the units of the axis.

    Examples
    --------
    >>> positions(np.array([30.0, 20.0, 10.0]), np.array([9.0, 28.0, 60.0])).tolist()
    [2, 0, -1]
    """
    step = (float(axis[-1]) - float(axis[0])) / (len(axis) - 1)
    place = np.floor((wanted - float(axis[0])) / step + 0.5 + 1e-6)
    index = np.where(np.isfinite(place), place, -1.0).astype(np.int64)
    return np.where((index >= 0) & (index < len(axis)), index, -1)


def window(index: NDArray[np.int64]) -> slice:
    """Smallest slice that holds every index that is not −1.

    Parameters
    ----------
    index
        From :func:`positions`; at least one is not −1.
    """
    inside = index[index >= 0]
    return slice(int(inside.min()), int(inside.max()) + 1)


def stamp(text: str, form: str, path: Path) -> np.datetime64:
    """Return the UTC moment that digits in a file's name or text stand for.

    Parameters
    ----------
    text, form
        The digits, and their format as of ``strptime``.
    path
        The file, for the message.

    Raises
    ------
    BadGranule
        They are no date between 1900 and 2200.

    Examples
    --------
    >>> from pathlib import Path
    >>> str(stamp("2024033", "%Y%j", Path("a.hdf")))[:10]
    '2024-02-02'
    """
    try:
        found = datetime.strptime(f"{text}Z", f"{form}%z")
    except ValueError:
        found = None
    if found is None or not 1900 <= found.year < 2200:
        raise BadGranule(path, expected=f"a date as {form}", found=text)
    return np.datetime64(found.replace(tzinfo=None), "ns")

"""Variables of HDF files and their attributes; each attribute is read from the file once."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from functools import cached_property
from pathlib import Path
from typing import Any

import h5py
import numpy as np
from numpy.typing import NDArray

from pipeline.sources.base import MAX_BYTES, BadGranule

_ATTRIBUTE = MAX_BYTES // 1000


class Attributes:
    """Attributes of an HDF5 object, each read at first use.

    Parameters
    ----------
    owner
        File, group or dataset of h5py's low-level interface.
    """

    def __init__(self, owner: Any) -> None:
        self._owner = owner
        self._values: dict[str, Any] = {}

    @cached_property
    def _names(self) -> frozenset[str]:
        names: list[bytes] = []
        h5py.h5a.iterate(self._owner, names.append)
        return frozenset(name.decode("utf-8", "replace") for name in names)

    def __iter__(self) -> Iterator[str]:
        """Yield the names of all attributes."""
        return iter(self._names)

    def get(self, name: str) -> Any:
        """Return a stored attribute, None where it is absent or empty.

        Parameters
        ----------
        name
            Name of the attribute.

        Raises
        ------
        OSError
            The attribute is larger than the limit.
        """
        if name not in self._values:
            self._values[name] = self._read(name)
        return self._values[name]

    def _read(self, name: str) -> Any:
        key = name.encode()
        if not h5py.h5a.exists(self._owner, key):
            return None
        stored = h5py.h5a.open(self._owner, key)
        form, shape = stored.get_type(), stored.shape
        kind = form.dtype
        if shape is None:
            return None
        if (size := math.prod(shape) * kind.itemsize) > _ATTRIBUTE:
            raise OSError(f"the attribute {name} has {size} bytes, expected at most {_ATTRIBUTE}")
        if kind.kind not in "iufS" or kind.subdtype:  # h5py knows the rest
            return h5py.HLObject(self._owner).attrs[name]
        value = np.empty(shape, kind)
        stored.read(value, mtype=None if kind.kind == "S" else form)  # text may be padded otherwise
        return value


class Field:
    """A variable of an HDF5 file.

    h5py's own objects query the library for type, shape and layout each time: 3 of the 7 ms of a
    half-hour of IMERG.

    Parameters
    ----------
    data
        The variable in h5py's low-level interface.
    """

    def __init__(self, data: h5py.h5d.DatasetID) -> None:
        self.id = data
        self.shape: tuple[int, ...] = data.shape
        self.dtype: np.dtype[Any] = data.dtype
        self.attrs = Attributes(data)
        self._created = data.get_create_plist()
        self.is_chunked = self._created.get_layout() == h5py.h5d.CHUNKED
        self.chunks: tuple[int, ...] = tuple(self._created.get_chunk()) if self.is_chunked else ()
        """Shape of its chunks, empty where it lies in one piece."""

    @cached_property
    def name(self) -> str:
        """Name in the file, with its groups."""
        return str(h5py.h5i.get_name(self.id).decode("utf-8", "replace"))

    @property
    def ndim(self) -> int:
        """Number of dims."""
        return len(self.shape)

    @property
    def size(self) -> int:
        """Number of values."""
        return math.prod(self.shape)

    def __len__(self) -> int:
        return self.shape[0]

    @cached_property
    def filters(self) -> tuple[int, ...]:
        """Filters of its chunks, in the order of writing."""
        count = self._created.get_nfilters() if self.is_chunked else 0
        return tuple(self._created.get_filter(position)[0] for position in range(count))

    @cached_property
    def fillvalue(self) -> Any:
        """Value of cells that were never written."""
        value = np.zeros((), self.dtype)
        self._created.get_fill_value(value)
        return value[()]

    @property
    def lies_elsewhere(self) -> bool:
        """Whether parts of the variable lie in other files."""
        virtual = self._created.get_layout() == h5py.h5d.VIRTUAL
        return virtual or bool(self._created.get_external_count())

    @cached_property
    def is_unwritten(self) -> bool:
        """Whether nothing was ever written: values read as HDF5's own fill, mostly 0."""
        return bool(self.size) and not self.id.get_storage_size()

    @property
    def has_unwritten_chunks(self) -> bool:
        """Whether parts were never written: they read as HDF5's own fill, mostly 0."""
        if not self.is_chunked:
            return self.is_unwritten
        counts = (-(-size // width) for size, width in zip(self.shape, self.chunks, strict=True))
        return bool(self.id.get_num_chunks() < math.prod(counts))

    def read(self) -> NDArray[Any]:
        """Read the variable by HDF5, which inflates chunks to any length."""
        values = np.empty(self.shape, self.dtype)
        self.id.read(h5py.h5s.ALL, h5py.h5s.ALL, values)
        return values

    def __getitem__(self, index: Any) -> NDArray[Any]:
        """Read a region by HDF5, which inflates chunks to any length."""
        return np.asarray(h5py.Dataset(self.id)[index])


class Hdf4Field:
    """A variable of an HDF4 file, or the file itself, with a part of the members of :class:`Field`.

    Parameters
    ----------
    item
        Object of pyhdf.
    """

    name = ""
    is_unwritten = has_unwritten_chunks = False  # unknown in HDF4
    fillvalue = 0

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


def read_attribute(owner: Any, name: str) -> Any:
    """Read a stored attribute, None where it is absent or empty.

    Parameters
    ----------
    owner
        File, group or dataset.
    name
        Name of the attribute.

    Raises
    ------
    OSError
        The attribute is larger than the limit.
    """
    if isinstance(owner, h5py.HLObject):
        return Attributes(owner.id).get(name)
    return owner.attrs.get(name)


def read_text(owner: Any, name: str) -> str:
    """Read an attribute as text, empty where it is absent.

    Parameters
    ----------
    owner
        File, group or dataset.
    name
        Name of the attribute.
    """
    value = read_attribute(owner, name)
    if isinstance(value, np.ndarray):
        value = value.ravel()[0] if value.size else ""
    if value is None:
        return ""
    return value.decode("utf-8", "replace") if isinstance(value, bytes) else str(value)


def read_number(owner: Any, name: str, path: Path) -> float:
    """Read an attribute as a number.

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
        return float(read_text(owner, name))
    except ValueError:
        raise BadGranule(
            path, expected=f"a number in {name}", found=repr(read_text(owner, name))
        ) from None


def to_bits(values: NDArray[Any], name: str, path: Path) -> NDArray[np.unsignedinteger]:
    """Return the integers of a flag as their bits.

    Parameters
    ----------
    values
        Stored values.
    name
        Name of the flag, for the message.
    path
        The file, for the message.

    Raises
    ------
    BadGranule
        The values are of another type.
    """
    if values.dtype.kind not in "iu":
        raise BadGranule(path, expected=f"bits in {name}", found=str(values.dtype))
    return values.view(values.dtype.str.replace("i", "u"))


def has_bits(
    flags: NDArray[np.unsignedinteger], mask: int, choices: Sequence[int]
) -> NDArray[np.bool_]:
    """Return whether the masked bits of each flag equal one of some values.

    Parameters
    ----------
    flags
        From :func:`to_bits`.
    mask
        Bits to compare.
    choices
        One value or more.

    Examples
    --------
    >>> has_bits(np.array([0b100, 0b101, 0b110], "u1"), 0b11, (0, 1)).tolist()
    [True, True, False]
    """
    masked = flags & flags.dtype.type(mask)
    matches = np.equal(masked, choices[0])
    for value in choices[1:]:
        matches |= masked == value
    return matches

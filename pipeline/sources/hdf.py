"""What the readers of HDF5 and netCDF-4 files share: opening, naming, masking, windows."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import h5py
import numpy as np

from pipeline.sources.base import BadGranule

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from numpy.typing import NDArray

_MAGIC = b"\x89HDF\r\n\x1a\n"


@contextmanager
def opened(path: Path) -> Iterator[h5py.File]:
    """Open an HDF5 file for reading.

    Parameters
    ----------
    path
        The file.

    Raises
    ------
    BadGranule
        The file is empty, is something else (providers answer HTTP 200 with a login page), or
        ends too early, now or while its arrays are read.
    """
    with path.open("rb") as stream:
        head = stream.read(80)
    if not head.startswith(_MAGIC):
        found = f"a file that begins with {head[:40]!r}" if head else "an empty file"
        raise BadGranule(path, expected="an HDF5 file", found=found)
    try:
        with h5py.File(path, "r") as file:
            yield file
    except OSError as error:
        raise BadGranule(path, expected="a whole HDF5 file", found=str(error)) from error


def variable(group: h5py.Group, names: tuple[str, ...], path: Path) -> h5py.Dataset:
    """Return the first of several variables that a group has.

    Parameters
    ----------
    group
        Where to look.
    names
        Names in order of preference; versions of a product name the same thing differently.
    path
        The file, for the message.

    Raises
    ------
    BadGranule
        The group has none of them.
    """
    for name in names:
        if name in group:
            return group[name]
    raise BadGranule(
        path, expected=f"variable {' or '.join(names)}", found=f"{', '.join(group) or 'nothing'}"
    )


def text(owner: h5py.HLObject, name: str) -> str:
    """Return an attribute as text, empty where it is absent.

    Parameters
    ----------
    owner
        File, group or dataset.
    name
        Name of the attribute.
    """
    value = owner.attrs.get(name, "")
    if isinstance(value, np.ndarray):
        value = value.ravel()[0] if value.size else ""
    return value.decode("utf-8", "replace") if isinstance(value, bytes) else str(value)


def number(owner: h5py.HLObject, name: str, path: Path) -> float:
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


def masked(values: NDArray[Any], fill: float) -> NDArray[np.float32]:
    """Return values as float32 with NaN for the fill, before any arithmetic.

    The fill is matched by tolerance: −9999.9 stored in float32 is −9999.900391.

    Parameters
    ----------
    values
        Values as stored.
    fill
        The fill value, in stored units.

    Examples
    --------
    >>> masked(np.array([-9999.9, 0.0, 2.5], "f4"), -9999.9).tolist()
    [nan, 0.0, 2.5]
    """
    found = np.array(values, dtype=np.float32)
    found[np.abs(found - np.float32(fill)) <= max(1e-4 * abs(fill), 0.01)] = np.nan
    return found


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
    index = np.floor((wanted - float(axis[0])) / step + 0.5 + 1e-6).astype(np.int64)
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

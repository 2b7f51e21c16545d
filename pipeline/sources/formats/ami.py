"""What files of GK2A's imager say of themselves: when they were observed, how large they are."""

from __future__ import annotations

import re
from datetime import datetime, timedelta
from pathlib import Path

import h5py
import numpy as np

from pipeline.sources.base import BadGranule
from pipeline.sources.formats.field import number, text
from pipeline.sources.formats.names import stamp

_SOURCE = re.compile(r"_(\d{12})\.nc", re.ASCII)
_J2000 = np.datetime64("2000-01-01T12:00", "ns")
_CENTURY_S = 100 * 365.25 * 86_400
LARGEST = 22_000
"""Rows or columns of the largest image, the full disk of 500 m."""


def check_time(file: h5py.File, time: np.datetime64, path: Path, *, within: timedelta) -> None:
    """Refuse a file that says it was observed at another time than its name does.

    Files of level 1B tell the start of the scan, in seconds of J2000, those of level 2 the file
    that they were made of and when they were made.

    Parameters
    ----------
    file
        The open file.
    time
        Slot of its name.
    path
        Its path, for the message.
    within
        How far from the slot the scan may begin.

    Raises
    ------
    BadGranule
        One of them does not fit, or is no time.
    """
    told = {}
    if said := text(file, "observation_start_time"):
        told["observation_start_time"] = moment_of(said, "observation_start_time", path)
    for key in ("origianl_sourece_file", "original_source_file"):  # the first as they write it
        if found := _SOURCE.search(text(file, key)):
            told[key] = stamp(found[1], "%Y%m%d%H%M", path)
    for key, at in told.items():
        if abs(at - time) > np.timedelta64(within):
            raise BadGranule(path, expected=f"{key} near {time} as in its name", found=str(at))
    made = text(file, "file_creation_time")
    if made and moment_of(made, "file_creation_time", path) < time:
        raise BadGranule(path, expected=f"a file made after {time} as in its name", found=made)


def moment_of(said: str, name: str, path: Path) -> np.datetime64:
    """Moment of a text: seconds of J2000, or a date and time of ISO 8601.

    Parameters
    ----------
    said
        The text.
    name, path
        The attribute and the file, for the message.

    Raises
    ------
    BadGranule
        It is neither.

    Examples
    --------
    >>> from pathlib import Path
    >>> str(moment_of("623084431.957882", "observation_start_time", Path("a.nc")))[:19]
    '2019-09-30T03:00:32'
    """
    try:
        seconds = float(said)
    except ValueError:
        seconds = None
    try:
        if seconds is None:
            return np.datetime64(datetime.fromisoformat(said).replace(tzinfo=None), "ns")
        if abs(seconds) < _CENTURY_S:  # false of NaN
            return _J2000 + np.timedelta64(round(seconds), "s")
    except ValueError:
        pass
    raise BadGranule(
        path, expected=f"{name} in seconds of J2000 or as ISO 8601", found=repr(said)[:80]
    )


def finite(owner: h5py.HLObject, name: str, path: Path) -> float:
    """Return an attribute of a projection, which is a finite number.

    Parameters
    ----------
    owner, name
        What has it, and its name.
    path
        The file, for the message.

    Raises
    ------
    BadGranule
        It is absent, no number or not finite.
    """
    if not np.isfinite(found := number(owner, name, path)):
        raise BadGranule(path, expected=f"a finite number in {name}", found=str(found))
    return found


def size(owner: h5py.HLObject, name: str, path: Path) -> int:
    """Return an attribute that is a number of rows or columns.

    Parameters
    ----------
    owner, name, path
        As of :func:`finite`.

    Raises
    ------
    BadGranule
        It is no number from 1 to that of the largest image.
    """
    if not 1 <= (found := finite(owner, name, path)) <= LARGEST:
        raise BadGranule(path, expected=f"{name} of 1 to {LARGEST}", found=f"{found:g}")
    return int(found)

"""Attributes of files of GK2A's imager: time of observation, and size."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from pathlib import Path

import h5py
import numpy as np

from pipeline.sources.base import BadGranule
from pipeline.sources.formats.field import read_number, read_text
from pipeline.sources.formats.names import parse_stamp

_SOURCE = re.compile(r"_(\d{12})\.nc", re.ASCII)
_J2000 = np.datetime64("2000-01-01T12:00", "ns")
_CENTURY_S = 100 * 365.25 * 86_400
LARGEST = 22_000
"""Rows or columns of the largest image, the full disk of 500 m."""


def check_time(file: h5py.File, time: np.datetime64, path: Path, *, within: timedelta) -> None:
    """Refuse a file whose attributes give another time of observation than its name.

    Files of level 1B have the start of the scan, in seconds of J2000, those of level 2 their source
    file and their time of creation.

    Parameters
    ----------
    file
        The open file.
    time
        Slot of its name.
    path
        Its path, for the message.
    within
        Greatest distance of the start of the scan from the slot.

    Raises
    ------
    BadGranule
        A time does not fit, or is invalid.
    """
    times = {}
    if start := read_text(file, "observation_start_time"):
        times["observation_start_time"] = parse_moment(start, "observation_start_time", path)
    for key in ("origianl_sourece_file", "original_source_file"):  # the first as they write it
        if match := _SOURCE.search(read_text(file, key)):
            times[key] = parse_stamp(match[1], "%Y%m%d%H%M", path)
    for key, at in times.items():
        if abs(at - time) > np.timedelta64(within):
            raise BadGranule(path, expected=f"{key} near {time} as in its name", found=str(at))
    creation = read_text(file, "file_creation_time")
    if creation and parse_moment(creation, "file_creation_time", path) < time:
        raise BadGranule(path, expected=f"a file made after {time} as in its name", found=creation)


def parse_moment(content: str, name: str, path: Path) -> np.datetime64:
    """Parse a moment: seconds of J2000, or a date and time of ISO 8601, UTC without an offset.

    Parameters
    ----------
    content
        The text.
    name, path
        The attribute and the file, for the message.

    Raises
    ------
    BadGranule
        The text is neither.

    Examples
    --------
    >>> from pathlib import Path
    >>> str(parse_moment("623084431.957882", "observation_start_time", Path("a.nc")))[:19]
    '2019-09-30T03:00:32'
    """
    try:
        seconds = float(content)
    except ValueError:
        seconds = None
    try:
        if seconds is None:
            moment = datetime.fromisoformat(content)
            if moment.tzinfo is not None:
                moment = moment.astimezone(UTC).replace(tzinfo=None)
            return np.datetime64(moment, "ns")
        if abs(seconds) < _CENTURY_S:  # false of NaN
            return _J2000 + np.timedelta64(round(seconds), "s")
    except (ValueError, OverflowError):
        pass
    raise BadGranule(
        path, expected=f"{name} in seconds of J2000 or as ISO 8601", found=repr(content)[:80]
    )


def read_finite(owner: h5py.HLObject, name: str, path: Path) -> float:
    """Read an attribute that is a finite number.

    Parameters
    ----------
    owner, name
        Owner of the attribute, and its name.
    path
        The file, for the message.

    Raises
    ------
    BadGranule
        The attribute is absent, no number or not finite.
    """
    if not np.isfinite(value := read_number(owner, name, path)):
        raise BadGranule(path, expected=f"a finite number in {name}", found=str(value))
    return value


def read_size(owner: h5py.HLObject, name: str, path: Path) -> int:
    """Read an attribute that is a number of rows or columns.

    Parameters
    ----------
    owner, name, path
        As of :func:`read_finite`.

    Raises
    ------
    BadGranule
        The attribute is no number from 1 to that of the largest image.
    """
    if not 1 <= (count := read_finite(owner, name, path)) <= LARGEST:
        raise BadGranule(path, expected=f"{name} of 1 to {LARGEST}", found=f"{count:g}")
    return int(count)

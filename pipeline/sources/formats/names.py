"""Dates in the names of files."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path

import numpy as np

from pipeline.sources.base import BadGranule


def parse_stamp(digits: str, form: str, path: Path) -> np.datetime64:
    """Parse the UTC moment in digits of a file's name or text.

    Parameters
    ----------
    digits, form
        The digits, and their format as of ``strptime``.
    path
        The file, for the message.

    Raises
    ------
    BadGranule
        The digits are no date between 1900 and 2200.

    Examples
    --------
    >>> from pathlib import Path
    >>> str(parse_stamp("2024033", "%Y%j", Path("a.hdf")))[:10]
    '2024-02-02'
    """
    try:
        moment = datetime.strptime(f"{digits}Z", f"{form}%z")
    except ValueError:
        moment = None
    # strptime takes day 366 of any year for the next 1 January.
    if moment is None or not 1900 <= moment.year < 2200 or moment.strftime(form) != digits:
        raise BadGranule(path, expected=f"a date as {form}", found=digits)
    return np.datetime64(moment.replace(tzinfo=None), "ns")

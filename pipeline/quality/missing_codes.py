"""Numbers that agencies write where a value is missing."""

from __future__ import annotations

from typing import Any

import pandas as pd

from pipeline.geography.variables import VARIABLES

MISSING = (
    -99999.0, -9999.0, -9999.9, -9999.99, -999.9, -999.0, -999.99, -99.9, -99.0, -99.99, -8888.0,
    -8888.8, -888.8, -888.0, -88.8, -7777.0, -777.7, -777.0, 999.0, 999.9, 999.99, 9999.0, 9999.9,
    9999.99, 99999.0, 99999.9, 99999.99,
)  # fmt: skip
"""Numbers that agencies write where a value is missing, in whatever unit the file has."""
STAGE_CODES = (
    77.0, 77.7, 88.0, 88.8, 88.88, 99.0, 99.9, 99.99, 777.0, 777.7, 888.0, 888.8, 7777.0, 8888.0,
    8888.8,
)  # fmt: skip
"""Further codes of stages: a rain of 99.9 mm or a discharge of 888 m3/s is a value."""
MOST_RAIN = 500.0
"""Rain from which a number of ``STAGE_CODES`` is a code as well, mm."""


def find_impossible_codes(
    numbers: pd.Series[Any], value: pd.Series[Any], variable: str
) -> pd.Series[Any]:
    """Return which numbers are codes for missing that cannot be a value.

    Parameters
    ----------
    numbers
        Numbers as in the file.
    value
        The same in the canonical unit, stages above the gauge's zero.
    variable
        ``stage``, ``discharge`` or ``rain``. A code may be a true stage or discharge, as 999 cm at
        Kratie or 9999 m3/s at Pakse: quality control decides by the gauge's own readings.

    Returns
    -------
    pandas.Series
        True where the number is a code and no possible stage or discharge.
    """
    row = VARIABLES[variable]
    possible = value.between(row.valid_min, row.valid_max) & (variable != "rain")
    code = numbers.isin(MISSING)
    if variable != "discharge":
        code |= numbers.isin(STAGE_CODES) & ((variable == "stage") | (value >= MOST_RAIN))
    return code & ~possible

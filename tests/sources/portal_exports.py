"""Generated exports in the layout of the MRC's portal: no reading in them was ever measured.

The heading and the words of approval and grade are the layout's own, which the reader has to know.
"""

from __future__ import annotations

from pipeline.sources.gauges.gauge_files import HEADER

NAME = "Water Level.Manual@LA_013901_[Pakse].csv"
REVIEW = "O,Raw - Not Yet Reviewed,Unverified data"
"""Last three cells of a row: interpolation, approval level and grade."""


def make_row(stamp: str, value: object, unit: str = "m") -> str:
    """Make a row of the observed stages of Pakse, with what may be wrong in it as it is given."""
    return f"LA,013901,Water Level,Manual,{stamp},{value},{unit},{REVIEW}"


def make_export(*rows: str) -> str:
    """Make the text of an export with rows."""
    return "\n".join([HEADER, *rows]) + "\n"

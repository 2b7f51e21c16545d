"""Dates in the names of files."""

from __future__ import annotations

from pathlib import Path

import pytest

from pipeline.sources.base import BadGranule
from pipeline.sources.formats import names


def test_stamps_that_are_no_date_are_refused() -> None:
    assert str(names.parse_stamp("202406301230", "%Y%m%d%H%M", Path("a.nc"))).startswith(
        "2024-06-30T12:30"
    )
    for wrong in ("202413301230", "000006301230", "99990630123"):
        with pytest.raises(BadGranule, match=f"a date as .*found {wrong}"):
            names.parse_stamp(wrong, "%Y%m%d%H%M", Path("a.nc"))

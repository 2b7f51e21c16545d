"""Dates in the names of files."""

from __future__ import annotations

from pathlib import Path

import numpy as np
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


@pytest.mark.parametrize(
    ("digits", "form", "day"),
    [("2024366", "%Y%j", "2024-12-31"), ("20240229", "%Y%m%d", "2024-02-29"),
     ("1900001", "%Y%j", "1900-01-01"), ("21991231", "%Y%m%d", "2199-12-31"),
     ("2023366", "%Y%j", None), ("20230229", "%Y%m%d", None), ("1899365", "%Y%j", None),
     ("22000101", "%Y%m%d", None)],
)  # fmt: skip
def test_days_that_the_calendar_has(digits: str, form: str, day: str | None) -> None:
    if day is None:
        with pytest.raises(BadGranule, match=f"a.nc: expected a date as {form}, found {digits}"):
            names.parse_stamp(digits, form, Path("a.nc"))
    else:
        assert names.parse_stamp(digits, form, Path("a.nc")) == np.datetime64(day)

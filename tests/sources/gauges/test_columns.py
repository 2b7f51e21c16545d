"""Names of columns: those that are used, and those that change what the others mean."""

from __future__ import annotations

from pathlib import Path

import pytest

from pipeline.sources.base import BadGranule
from pipeline.sources.gauges import gauge_files
from pipeline.sources.gauges.columns import CHECKED, MEANING, ORIGIN, QUALITY, QUANTITY, is_used
from tests.sources.gauges.table_cases import PLAIN, day, plain, write


@pytest.mark.parametrize(
    ("pattern", "names"),
    [
        (QUALITY, ["quality", "qc flag", "data quality code", "qa/qc", "approval level", "คุณภาพ"]),
        (CHECKED, ["valid", "is validated", "usable"]),
        (ORIGIN, ["source", "data type", "reading origin"]),
        (QUANTITY, ["parameter", "parameter name", "observed property", "statistic",
                    "hydrological parameter code",
                    "พารามิเตอร์", "yếu tố"]),
    ],
    ids=["quality", "checked", "origin", "quantity"],
)  # fmt: skip
def test_each_name_is_of_one_kind(pattern: object, names: list[str]) -> None:
    kinds = [QUALITY, CHECKED, ORIGIN, QUANTITY]
    for name in names:
        assert is_used(name), name
        assert [kind for kind in kinds if kind.fullmatch(name)] == [pattern], name


@pytest.mark.parametrize(
    "name", ["", "value", "station", "quality of life", "flagstaff", "valid from", "type of gauge",
             "river", "remark"],
)  # fmt: skip
def test_a_name_that_only_holds_such_a_word_is_not_used(name: str) -> None:
    assert not is_used(name)


@pytest.mark.parametrize(
    ("name", "changes"),
    [
        ("offset", True), ("scale factor", True), ("time zone", True), ("tz", True),
        ("corrected value", True), ("is forecast", True), ("missing value code", True),
        ("approved by", False), ("date of approval on", False), ("correction date", False),
        ("forecast office", False), ("scaled", False), ("reader", False), ("zeros", False),
    ],
)  # fmt: skip
def test_a_column_that_changes_the_meaning_costs_a_table_and_no_other(
    tmp_path: Path, name: str, changes: bool
) -> None:
    assert (MEANING.search(name) is not None) == changes
    path = write(tmp_path, "a.csv", plain(f"{day(18)},x", heading=f"{PLAIN},{name}"))
    if changes:
        with pytest.raises(BadGranule, match=f"found a column called '{name}' with 'x'"):
            gauge_files.read(path)
    else:
        assert gauge_files.read(path)["value"].tolist() == [9.5]

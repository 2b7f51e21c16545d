"""What a cell and a row of the reference tables may hold."""

from __future__ import annotations

import pytest

from pipeline.geography.reference_schema import Column, first_day


@pytest.mark.parametrize(
    ("column", "cell", "expected"),
    [
        (Column("integer", 1, 12), "13", "an integer from 1 to 12"),
        (Column("integer", 1, 12), "1.5", "an integer from 1 to 12"),
        (Column("number"), "nan", "a number"),
        (Column("number", 0.0, strict=True), "0", "a number above 0"),
        (Column("flag"), "yes", "one of true, false"),
        (Column(choices=("a", "b"), several=True), "a c", "one of a, b"),
        (Column(choices=("a", "b"), several=True), "b a", ""),
        (Column(), "", "a value"),
        (Column(optional=True), "", ""),
    ],
)
def test_what_a_cell_may_hold(column: Column, cell: str, expected: str) -> None:
    assert column.describe_expected(cell) == expected


@pytest.mark.parametrize("text", ["26", "2026-13-01", "20260501", "2026-5-1", "", "now"])
def test_what_is_no_date(text: str) -> None:
    assert first_day(text) is None

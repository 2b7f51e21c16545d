"""Numbers and intervals of the report by hand."""

from __future__ import annotations

import math

import pytest

from models.verification.bootstrap import Interval
from models.verification.numerals import format_interval, format_number


@pytest.mark.parametrize(
    ("value", "digits", "text"),
    [
        (0.125, 2, "0.12"), (-1.5, 1, "−1.5"), (-0.004, 2, "0.00"), (12.0, 0, "12"),
        (math.inf, 2, "–"), (math.nan, 2, "–"),
    ],
)  # fmt: skip
def test_numbers_have_a_true_minus_and_no_negative_zero(
    value: float, digits: int, text: str
) -> None:
    assert format_number(value, digits) == text


def test_an_interval_stands_beside_its_score_where_there_is_one() -> None:
    span = format_interval(Interval(0.31, -0.05, 0.52))
    assert span == "0.31 <span class='small'>(−0.05 to 0.52)</span>"
    assert format_interval(Interval(0.31, math.nan, math.nan)) == "0.31"
    assert format_interval(Interval(0.31, 0.31, 0.31)) == "0.31"
    assert format_interval(Interval(math.nan, math.nan, math.nan)) == "–"

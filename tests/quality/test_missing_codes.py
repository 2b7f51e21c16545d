"""Numbers that stand for missing in any unit."""

from __future__ import annotations

import pandas as pd

from pipeline.quality.missing_codes import MISSING, STAGE_CODES, find_impossible_codes


def test_codes_that_cannot_be_a_value() -> None:
    numbers = pd.Series([-999.0, 999.0, -99.0, 9999.0, 950.0])
    metres = find_impossible_codes(numbers, numbers, "stage")
    assert metres.tolist() == [True, True, True, True, False]
    centimetres = find_impossible_codes(numbers, numbers * 0.01, "stage")
    assert centimetres.tolist() == [True, False, False, True, False], "9.99 m and -0.99 m may be"
    flows = find_impossible_codes(numbers, numbers, "discharge")
    assert flows.tolist() == [True, False, True, False, False], "999 and 9999 m3/s may be flows"
    rain = find_impossible_codes(numbers, numbers, "rain")
    assert rain.tolist() == [True, True, True, True, False]


def test_positive_codes_are_codes_of_stages_and_impossible_rain() -> None:
    numbers = pd.Series([99.0, 99.9, 888.0, 777.0, 8888.0, -8888.0])
    assert set(numbers) <= {*MISSING, *STAGE_CODES}
    rain = find_impossible_codes(numbers, numbers, "rain")
    assert rain.tolist() == [False, False, True, True, True, True]
    flows = find_impossible_codes(numbers, numbers, "discharge")
    assert flows.tolist() == [False] * 5 + [True]
    millimetres = find_impossible_codes(numbers, 0.001 * numbers, "stage")
    assert millimetres.tolist() == [False] * 5 + [True]


def test_the_codes_of_the_table() -> None:
    for code in (-9999, -999.9, -999, -99.9, -99, -888, -777, 999, 999.9, 9999, 99999):
        assert code in MISSING


def test_a_code_is_one_digit_repeated_and_stands_once() -> None:
    codes = [*MISSING, *STAGE_CODES]
    for code in codes:
        digits = str(abs(code)).removesuffix(".0").replace(".", "")
        assert len(digits) >= 2
        assert set(digits) in ({"7"}, {"8"}, {"9"})
    assert len(codes) == len(set(codes))
    assert {code for code in codes if code < 0.0} <= {-code for code in codes}, "each in both signs"


def test_rain_from_500_mm_may_be_a_code_of_stages() -> None:
    numbers = pd.Series([777.0, 777.0, 888.0, 776.0])
    value = pd.Series([500.0, 499.9, 500.0, 776.0])
    codes = find_impossible_codes(numbers, value, "rain")
    assert codes.tolist() == [True, False, True, False]


def test_a_code_at_the_bounds_of_the_possible_may_be_a_value() -> None:
    numbers = pd.Series([999.0] * 4)
    value = pd.Series([60.0, 60.1, -5.0, -5.1])
    assert find_impossible_codes(numbers, value, "stage").tolist() == [False, True, False, True]

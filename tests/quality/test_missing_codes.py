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

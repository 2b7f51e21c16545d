"""Numbers that stand for missing in any unit."""

from __future__ import annotations

import pandas as pd

from pipeline.quality.missing_codes import MISSING, STAGE_CODES, impossible_codes


def test_codes_that_cannot_be_a_value() -> None:
    given = pd.Series([-999.0, 999.0, -99.0, 9999.0, 950.0])
    metres = impossible_codes(given, given, "stage")
    assert metres.tolist() == [True, True, True, True, False]
    centimetres = impossible_codes(given, given * 0.01, "stage")
    assert centimetres.tolist() == [True, False, False, True, False], "9.99 m and -0.99 m may be"
    flows = impossible_codes(given, given, "discharge")
    assert flows.tolist() == [True, False, True, False, False], "999 and 9999 m3/s may be flows"
    assert impossible_codes(given, given, "rain").tolist() == [True, True, True, True, False]


def test_positive_codes_are_codes_of_stages_and_impossible_rain() -> None:
    given = pd.Series([99.0, 99.9, 888.0, 777.0, 8888.0, -8888.0])
    assert set(given) <= {*MISSING, *STAGE_CODES}
    assert impossible_codes(given, given, "rain").tolist() == [False, False, True, True, True, True]
    assert impossible_codes(given, given, "discharge").tolist() == [False] * 5 + [True]
    assert impossible_codes(given, 0.001 * given, "stage").tolist() == [False] * 5 + [True], "in mm"


def test_the_codes_of_the_table() -> None:
    for code in (-9999, -999.9, -999, -99.9, -99, -888, -777, 999, 999.9, 9999, 99999):
        assert code in MISSING

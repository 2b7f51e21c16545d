"""Numbers of a column of text."""

from __future__ import annotations

import math

import pandas as pd
import pytest

from pipeline.sources.gauges.numbers import to_numbers


@pytest.mark.parametrize(
    "cell",
    ["", " ", "NULL", "null", "NA", "n/a", "N.A.", "#N/A", "nan", "NaN", "None", "***", "*", "---",
     "-", "--", "M", "missing", "No Data", "ไม่มีข้อมูล", None],
)  # fmt: skip
def test_a_text_for_missing_is_no_number_and_not_unreadable(cell: str | None) -> None:
    value, bad = to_numbers(pd.Series(["9.5", cell], dtype=object))
    assert value[0] == 9.5
    assert math.isnan(value[1])
    assert bad.tolist() == [False, False]


@pytest.mark.parametrize(
    ("cells", "values"),
    [
        (["9.5", "-9.999e3", "+.5", "9."], [9.5, -9999.0, 0.5, 9.0]),
        (["9,5", "9,512"], [9.5, 9.512]),
        (["1.234,5", "9,512", "21.000.000"], [1234.5, 9.512, 21e6]),
        (["12,345.6", "1,234"], [12345.6, 1234.0]),
        (["0,512", "1234,567"], [0.512, 1234.567]),
        (["1 234", "12\u00a0345.5", "1\u202f234"], [1234.0, 12345.5, 1234.0]),
        (["−0.4", "－0.4"], [-0.4, -0.4]),
        (["๔.๕", "៤.៥", "໔.໕", "９"], [4.5, 4.5, 4.5, 9.0]),
        (["4.5 m", "4.5m", "4,5 M"], [4.5, 4.5, 4.5]),
    ],
)
def test_numbers_that_can_mean_one_thing_only(cells: list[str], values: list[float]) -> None:
    numbers, bad = to_numbers(pd.Series(cells), units=pd.Series(["m"] * len(cells)))
    assert numbers.tolist() == values
    assert not bad.any()


@pytest.mark.parametrize(
    "cell",
    ["1,234", "high", "inf", "-inf", "1e400", "1_000", "0x1F", "4.5*", "<3", "12 34", "9.5.1", "5,",
     "4.5 cm", "T", "--3", "9\x005", "4;5", "True"],
)  # fmt: skip
def test_cells_that_are_ambiguous_or_none(cell: str) -> None:
    value, bad = to_numbers(pd.Series(["9.5", cell]), units=pd.Series(["m", "m"]))
    assert bad.tolist() == [False, True]
    assert math.isnan(value[1])


def test_where_both_signs_are_decimal_three_digits_say_nothing() -> None:
    value, bad = to_numbers(pd.Series(["9,5", "9.5", "9,512", "9.512"]))
    assert value[:2].tolist() == [9.5, 9.5]
    assert bad.tolist() == [False, False, True, True]


@pytest.mark.parametrize(
    ("decimal", "cells", "values"),
    [(".", ["1,234", "9.512"], [1234.0, 9.512]), (",", ["1.234", "9,512"], [1234.0, 9.512])],
)
def test_a_declared_decimal_sign_settles_it(
    decimal: str, cells: list[str], values: list[float]
) -> None:
    numbers, bad = to_numbers(pd.Series([*cells, "9.5", "9,5"]), decimal=decimal)
    assert numbers[:2].tolist() == values
    assert bad.tolist() == [False, False, decimal == ",", decimal == "."]


@pytest.mark.parametrize(
    ("cells", "unit", "values"),
    [
        (["1.152", "960,5"], "cm", [1152.0, 960.5]),
        (["1.152", "960.5"], "cm", [1.152, 960.5]),
        (["1.152", "0.960"], "m3/s", [1.152, 0.96]),
        (["1.152", "960", "1.148"], "cm", [None, 960.0, None]),
        (["9.152", "10.148"], "m", [9.152, 10.148]),
        (["1.152", "9,5"], "m", [None, 9.5]),
        (["1.152", "9,5", "9.5"], "cm", [None, 9.5, 9.5]),
        (["1.152.000", "960,5"], "m3/s", [1_152_000.0, 960.5]),
    ],
)
def test_between_semicolons_a_point_before_three_digits_may_part_thousands(
    cells: list[str], unit: str, values: list[float | None]
) -> None:
    units = pd.Series([unit] * len(cells))
    numbers, bad = to_numbers(pd.Series(cells), units=units, semicolons=True)
    assert bad.tolist() == [value is None for value in values]
    assert numbers.where(~bad, None).tolist() == pytest.approx(
        [math.nan if value is None else value for value in values], nan_ok=True
    )


@pytest.mark.parametrize(
    ("cells", "unit", "values"),
    [
        (["985", "1.005", "-9999"], "cm", [985.0, None, -9999.0]),
        (["985", "1.005", "-999.9"], "cm", [985.0, None, -999.9]),
        (["850", "3.590", "12.500"], "m3/s", [850.0, None, None]),
        (["850", "3.590", "12.5"], "m3/s", [850.0, 3.59, 12.5]),
        (["0.590", "3", "1.250"], "m3/s", [0.59, 3.0, 1.25]),
        (["1.152", "1.148"], "cm", [1.152, 1.148]),
        (["9", "9.152"], "m", [9.0, 9.152]),
        (["3", "1.234"], "mm", [3.0, None]),
    ],
)
def test_among_integers_a_point_before_three_digits_may_part_thousands(
    cells: list[str], unit: str, values: list[float | None]
) -> None:
    units = pd.Series([unit] * len(cells))
    numbers, bad = to_numbers(pd.Series(cells), units=units)
    assert bad.tolist() == [value is None for value in values]
    assert numbers[~bad].tolist() == [value for value in values if value is not None]

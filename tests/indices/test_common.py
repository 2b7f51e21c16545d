"""Slots of the year, fixed periods and their definition, and kernels along time."""

from __future__ import annotations

import numpy as np

from pipeline.indices import common
from tests.indices.made_series import NAN, days, series


def test_the_years_end_is_wrapped() -> None:
    slot = np.array([1, 365, 182])
    sums = common.sum_by_slot(np.array([1.0, 10.0, 100.0]), slot, size=365, half_window=2)
    assert sums[[364, 0, 1, 2, 363, 181]].tolist() == [11.0, 11.0, 11.0, 1.0, 11.0, 100.0]
    time = np.array(["2020-02-28", "2020-02-29", "2020-03-01", "2020-12-31"], "M8[ns]")
    assert common.slots(time, "dayofyear").tolist() == [59, 59, 60, 365]


def test_a_value_is_carried_no_longer_than_its_days() -> None:
    time = days("2001-01-01", "2001-01-09")
    x = series([NAN, 1, NAN, NAN, NAN, 5, NAN, 7], time, "%")
    filled = common.carry_forward(values=x, days=2)
    np.testing.assert_array_equal(filled.values, [NAN, 1, 1, 1, NAN, 5, 5, 7])
    assert filled.attrs == x.attrs

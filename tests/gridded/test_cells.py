"""Indices of a block of cells: each by hand, and the last value known of each input."""

from __future__ import annotations

import numpy as np
import xarray as xr
from hypothesis import given
from hypothesis import strategies as st

from pipeline.gridded import cells
from pipeline.indices.common import carry_forward
from tests.indices.made_series import days


@given(
    st.lists(st.one_of(st.none(), st.integers(0, 9)), min_size=3, max_size=12), st.integers(1, 4)
)
def test_last_value_seen_is_that_of_carry_forward(record: list[int | None], age: int) -> None:
    time = days("2001-01-01", "2001-02-01").astype("M8[ns]")[: len(record)]
    values = np.array([[np.nan if value is None else value, 1.0] for value in record])
    da = xr.DataArray(values, {"time": time}, ("time", "cell"))
    positions = np.arange(len(record))[1:]
    filled = cells._carry_to_days(da, time, positions, age=age)
    np.testing.assert_array_equal(filled, carry_forward(values=da, days=age)[1:])

"""Packing of indices, and parameters on the way to the archive and back."""

from __future__ import annotations

import numpy as np
import xarray as xr
from hypothesis import given
from hypothesis import strategies as st

from pipeline.gridded import encoding


@given(st.lists(st.one_of(st.just(np.nan), st.floats(0, 6000)), min_size=1, max_size=20))
def test_packing_keeps_half_a_step_and_what_is_missing(values: list[float]) -> None:
    da = xr.DataArray(np.array(values, "f4"), attrs={"units": "mm"})
    packed = encoding.pack(da)
    back = np.where(packed == 65535, np.nan, packed * 0.1)
    np.testing.assert_allclose(back, da, atol=0.0501)


def test_packing_never_turns_a_large_value_into_a_missing_one() -> None:
    rain = xr.DataArray(np.array([6553.4, 7000.0, 1e9, np.nan], "f4"), attrs={"units": "mm"})
    assert encoding.pack(rain).tolist() == [65534, 65534, 65534, 65535]
    flags = {"units": "1", "flag_values": [-1.0, 4.0]}
    classes = xr.DataArray(np.array([-1.0, 4.0, np.nan], "f4"), attrs=flags)
    assert encoding.pack(classes).tolist() == [-1, 4, -128]


def test_the_seasons_that_a_night_needs_wrap_with_the_year() -> None:
    slot = np.array([350, 351, 365, 1, 14, 15, 16, 17])
    assert encoding._find_near(slot, np.array([1]), days=15).tolist() == [1, 2, 3, 4, 5, 6]

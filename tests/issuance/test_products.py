"""Indices that a run publishes."""

from __future__ import annotations

import numpy as np
import pytest
import xarray as xr

from pipeline.issuance.products import describe_impossible, mask_impossible


def test_impossible_indices_are_left_out_and_named() -> None:
    values = xr.DataArray([[2.0, np.inf, -9.0, np.nan]], dims=("time", "zone"))
    ds = xr.Dataset({"spi90": values, "coverage": values})
    assert mask_impossible(ds)["spi90"].values.tolist() == [[2.0, *[pytest.approx(
        np.nan, nan_ok=True)] * 3]]  # fmt: skip
    xr.testing.assert_equal(mask_impossible(ds)["coverage"], ds["coverage"])
    assert describe_impossible(ds, "risk.nc") == [
        "risk.nc: 2 values of spi90 out of range and left out"
    ]

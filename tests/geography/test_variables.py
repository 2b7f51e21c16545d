"""The table of variables, their attributes, and values outside their range."""

from __future__ import annotations

import dask
import numpy as np
import pytest
import xarray as xr

from pipeline.geography.variables import VARIABLES, attributes, outside, outside_range
from tests.indices.made_series import refuse


@pytest.mark.parametrize("name", VARIABLES)
def test_a_range_holds_its_ends_in_single_precision_and_nothing_beyond(name: str) -> None:
    row = VARIABLES[name]
    ends = np.array([row.valid_min, row.valid_max])
    width = row.valid_max - row.valid_min
    held = np.array([*ends, *(ends + 1e-7 * width), *(ends - 1e-7 * width)], "f4")
    assert not outside(xr.DataArray(held), name).any()
    beyond = [row.valid_min - 1e-4 * width, row.valid_max + 1e-4 * width, np.inf, -np.inf]
    assert outside(xr.DataArray(np.array(beyond, "f4")), name).all()


def test_missing_values_are_not_outside_and_nothing_is_computed_before_it_is_asked() -> None:
    stage = xr.DataArray([-5.1, -5.0, np.nan, 60.0, 60.1], dims="time").chunk(time=2)
    with dask.config.set(scheduler=refuse):
        marked = outside(stage, "stage")
    assert marked.compute().values.tolist() == [True, False, False, False, True]
    marked = outside_range(stage, 0.0, 60.1)
    assert marked.values.tolist() == [True, True, False, False, False]


def test_attributes_are_those_of_the_row_without_empty_ones() -> None:
    assert attributes("stage") == {
        "units": "m",
        "long_name": "Stage above gauge zero",
        "standard_name": "water_surface_height_above_reference_datum",
    }
    assert attributes("runoff") == {
        "units": "mm", "long_name": "Surface and subsurface runoff of the step",
    }  # fmt: skip
    for name, row in VARIABLES.items():
        assert name == row.name
        assert row.valid_min < row.valid_max

"""Slots of the year, fixed periods and their definition, and kernels along time."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import numpy as np
import pytest
import xarray as xr

from pipeline.indices import common
from tests.indices.made_series import END, NAN, START, by_month, daily, days, series


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


def test_a_period_holds_its_start_and_not_its_end() -> None:
    rain = daily(np.arange(10.0))
    first, last = datetime(2001, 1, 3, tzinfo=UTC), datetime(2001, 1, 6, tzinfo=UTC)
    assert common.select_period(rain, start=first, end=last).values.tolist() == [2.0, 3.0, 4.0]
    with pytest.raises(ValueError, match=r"expected times in \[2001-01-03.*, found 2001-01-09"):
        common.select_period(rain[8:], start=first, end=last)
    with pytest.raises(ValueError, match="expected an aware moment"):
        common.select_period(rain, start=datetime(2001, 1, 3), end=last)  # noqa: DTZ001


def test_a_step_is_a_length_or_a_month_and_never_both() -> None:
    assert common.cadence(daily([1.0, 2.0])) == np.timedelta64(1, "D")
    months = by_month(np.zeros(360))
    assert common.cadence(months) is None
    assert (common.season_of(months), common.season_of(daily([0.0, 0.0]))) == ("month", "dayofyear")
    for broken in (months[::2], daily([1.0, 2.0, 3.0])[[0, 2, 1]], daily([1.0])):
        with pytest.raises(ValueError, match="x: expected a time axis without gaps, found"):
            common.cadence(broken)


def test_the_hash_of_a_definition_changes_with_each_of_its_parts() -> None:
    values = by_month(np.arange(360.0)).assign_attrs(window="3 x month", min_share=0.9)
    base: dict[str, Any] = {"da": values, "start": START, "end": END, "law": "gamma"}
    changes: list[dict[str, Any]] = [
        {"law": "gumbel"},
        {"half_window": 5},
        {"end": datetime(2020, 1, 1, tzinfo=UTC)},
        *({"da": values.assign_attrs({key: other})}
          for key, other in (("units", "m"), ("window", "6 x month"), ("min_share", 1.0))),
        {"da": values.rename("y")},
    ]  # fmt: skip
    hashes = [
        common.definition(**(base | change))["definition_sha256"] for change in ({}, *changes)
    ]
    assert len(set(hashes)) == len(hashes)
    other_data = common.definition(**(base | {"da": values.copy(data=values.values + 1)}))
    assert other_data["definition_sha256"] == hashes[0]


def test_a_reference_period_begins_with_the_first_step_of_its_data() -> None:
    values = by_month(np.arange(360.0))
    begin = datetime(1980, 1, 1, tzinfo=UTC)
    whole = common.definition(values, start=START, end=END)
    assert whole["reference_period"] == f"{START:%Y-%m-%d}/{END:%Y-%m-%d}"
    assert common.definition(values, start=begin, end=END) == whole


def test_a_kernel_sees_time_first_and_the_result_keeps_the_order_of_dimensions() -> None:
    values = xr.DataArray(
        np.arange(24.0).reshape(2, 4, 3), dims=("lat", "time", "lon"), name="x"
    ).astype("f4")
    weight = xr.DataArray([1.0, 10.0, 100.0], dims="lon")
    total = common.apply_along_time(lambda x, w: x.cumsum(axis=0) * w, values, weight, core=[[]])
    assert total.dims == ("lat", "time", "lon")
    assert total.dtype == np.float32
    np.testing.assert_allclose(total, values.values.cumsum(axis=1) * [1.0, 10.0, 100.0])
    bounds = common.apply_along_time(
        lambda x: np.stack([x.min(axis=0), x.max(axis=0)]), values, output={"bound": 2}
    )
    assert bounds.dims == ("lat", "bound", "lon")
    np.testing.assert_array_equal(bounds[1], [[12.0, 13.0, 14.0], [21.0, 22.0, 23.0]])
    with pytest.raises(ValueError, match="x: expected a dimension time, found"):
        common.apply_along_time(lambda x: x, values.isel(time=0))

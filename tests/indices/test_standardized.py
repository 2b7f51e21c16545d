"""Parameters by slot of the year, fitted with a plain mean, and their application."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import numpy as np
import pytest
import xarray as xr

from pipeline.indices.common import slots
from pipeline.indices.rain import accumulation
from pipeline.indices.standardized import fit_standard, standardise
from tests.indices.made_series import END, NAN, START, by_month, days, series


def count_and_sum(x: Any) -> Any:
    return np.stack([np.isfinite(x).sum(axis=0), np.nansum(x, axis=0)])


def mean(sums: Any, enough: Any) -> Any:
    return np.where(enough, sums[1] / sums[0], NAN)[None]


def fit_mean(values: xr.DataArray, *, half_window_days: int = 1, **period: Any) -> xr.Dataset:
    return fit_standard(
        values=values,
        half_window_days=half_window_days,
        min_years=20,
        statistics=count_and_sum,
        estimate=mean,
        units={"mean": "mm"},
        index="mean",
        **({"start": START, "end": END} | period),
    )


def departure(values: xr.DataArray, params: xr.Dataset) -> xr.DataArray:
    return standardise(
        values=values, parameters=params, names=("mean",), score=lambda x, mean: x - mean
    )


def test_months_have_their_own_parameters_and_need_their_years() -> None:
    year, month = np.divmod(np.arange(360), 12)
    values = by_month(100.0 * month + year)
    values[(month == 2) & (year < 11)] = NAN
    values[(month == 5) & (year < 10)] = NAN
    params = fit_mean(values)
    assert params["month"].values.tolist() == [*range(1, 13)]
    expected = 100.0 * np.arange(12) + 14.5
    expected[[2, 5]] = NAN, 519.5  # 19 years are too few, 20 suffice
    np.testing.assert_allclose(params["mean"], expected)
    assert params["n_years"].values.tolist() == [30, 30, 19, 30, 30, 20, *[30] * 6]
    assert params["mean"].attrs["units"] == "mm"
    assert params.attrs["half_window"] == 0


def test_a_day_has_its_neighbours_over_new_year_and_29_february() -> None:
    time = days("1991-01-01", "2021-01-01")
    params = fit_mean(series(slots(time, "dayofyear"), time, "mm"))
    means = params["mean"].sel(dayofyear=[1, 180, 365, 58]).values
    # The slot of 28 February has eight days more: (57 x 30 + 58 x 30 + 59 x 38) / 98.
    np.testing.assert_allclose(means, [368 / 3, 180, 730 / 3, 5692 / 98])


def test_a_score_is_that_of_its_cell_and_slot_and_at_most_three() -> None:
    cells = 9000  # more than are worked on at a time
    means = np.arange(12.0)[:, None] + np.arange(cells)
    means[:, 7] = NAN
    params = xr.Dataset(
        {"mean": (("month", "cell"), means)}, {"month": np.arange(1, 13)}, {"law": "none"}
    )
    time = np.array(["2024-01-01", "2024-02-01", "2025-01-01"], "M8[ns]")
    above = np.array([0.5, -1.0, 4.0])
    values = xr.DataArray(
        above[:, None] + means[[0, 1, 0]], {"time": time}, ("time", "cell"), name="x"
    )
    index = departure(values, params)
    np.testing.assert_allclose(
        index.drop_isel(cell=7), np.repeat([[0.5], [-1.0], [3.0]], cells - 1, axis=1)
    )
    assert index[:, 7].isnull().all()
    lazy = departure(values.chunk(cell=1000), params.chunk(cell=1000))
    assert lazy.chunks is not None
    np.testing.assert_array_equal(lazy.compute(scheduler="sync"), index)


def test_short_periods_and_other_windows_are_refused() -> None:
    values = by_month(np.arange(360.0))
    with pytest.raises(ValueError, match="expected 20 years or more, found 19"):
        fit_mean(values, end=datetime(2010, 1, 1, tzinfo=UTC))
    params = fit_mean(accumulation(rain=values, steps=3))
    with pytest.raises(ValueError, match="expected totals over '3 x month', found '6 x month'"):
        departure(accumulation(rain=values, steps=6), params)

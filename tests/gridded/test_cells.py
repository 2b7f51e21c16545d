"""Indices of a block of cells: those of plain calls, late inputs, and the last value known."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import numpy as np
import pytest
import xarray as xr
from hypothesis import given
from hypothesis import strategies as st

from pipeline.gridded import cells
from pipeline.gridded.cells import Cells, compute_daily, compute_monthly
from pipeline.indices.common import carry_forward
from pipeline.indices.extremes import fit_return_period, return_period
from pipeline.indices.rain import accumulation
from tests.indices.made_series import days

PERIOD = datetime(2001, 1, 1, tzinfo=UTC), datetime(2021, 1, 1, tzinfo=UTC)
AXIS = days("2000-09-01", "2021-05-01").astype("M8[ns]")
LAST = np.arange(len(AXIS) - 100, len(AXIS))


def values_of(time: Any, seed: int, units: str, scale: float) -> xr.DataArray:
    values = np.random.default_rng(seed).gamma(2.0, scale, (len(time), 2)).astype("f4")
    return xr.DataArray(values, {"time": time}, ("time", "cell"), name="x", attrs={"units": units})


@pytest.fixture(scope="module")
def block() -> Cells:
    """More than twenty years of two cells; soil ends on 20 April, composites in January."""
    months = np.arange("2001-01", "2021-02", dtype="M8[M]").astype("M8[ns]")
    return Cells(
        rain=values_of(AXIS, 0, "mm", 3.0),
        pet=values_of(AXIS, 1, "mm", 2.0),
        soil_moisture=values_of(AXIS[:-10], 2, "m3 m-3", 0.1),
        ndvi=values_of(months, 3, "1", 0.1),
        lst=values_of(months, 4, "K", 10.0),
        runoff=values_of(months, 5, "mm", 20.0),
    )


@pytest.fixture(scope="module")
def params(block: Cells) -> dict[str, xr.Dataset]:
    """Fitted on all days of the period."""
    fitted: dict[str, xr.Dataset] = {}
    first, end = np.searchsorted(AXIS, np.array(["2001-01-01", "2021-01-01"], "M8[ns]"))
    record = np.arange(first, end)
    for _ in compute_daily(block, fitted, days=record, period=PERIOD):
        pass
    for _ in compute_monthly(block, fitted, months=AXIS[:1], period=PERIOD):
        pass
    return fitted


def test_rain_is_that_of_plain_calls(block: Cells, params: dict[str, xr.Dataset]) -> None:
    indices = dict(compute_daily(block, params, days=LAST))
    rain = block.rain.values
    np.testing.assert_allclose(indices["rain_7d"][-1], rain[-7:].sum(axis=0), rtol=1e-5)
    wet = (rain >= 1.0)[::-1].argmax(axis=0)
    np.testing.assert_array_equal(indices["dry_spell"][-1], wet)
    periods = []
    for steps in (1, 3):
        total = accumulation(rain=block.rain, steps=steps)
        fitted = fit_return_period(total=total, start=PERIOD[0], end=PERIOD[1])
        periods.append(return_period(total=total, parameters=fitted)[-100:].values)
    assert (periods[0] > periods[1]).any()
    assert (periods[1] > periods[0]).any()
    np.testing.assert_allclose(indices["rain_return_period"], np.maximum(*periods), rtol=1e-4)


def test_some_days_are_as_in_the_record(block: Cells, params: dict[str, xr.Dataset]) -> None:
    whole = dict(compute_daily(block, params, days=LAST))
    chosen = LAST[[5, 40, 41, 99]]
    some = dict(compute_daily(block, params, days=chosen))
    assert some.keys() == whole.keys()
    for name, index in some.items():
        assert index["time"].values.tolist() == AXIS[chosen].tolist(), name
        np.testing.assert_array_equal(index, whole[name].values[[5, 40, 41, 99]], err_msg=name)


def test_late_soil_counts_for_five_days_and_a_composite_for_its_month_and_45(
    block: Cells, params: dict[str, xr.Dataset]
) -> None:
    indices = dict(compute_daily(block, params, days=LAST))
    soil, health = indices["soil_moisture_percentile"], indices["vhi"]
    at_end = soil.sel(time="2021-04-20")
    np.testing.assert_array_equal(soil.sel(time="2021-04-25"), at_end)
    assert soil.sel(time="2021-04-26").isnull().all()
    # From 1 January: 31 + 45 days, so that the composite counts up to 18 March.
    known = health["time"].values[health.notnull().all("cell")].astype("M8[D]")
    assert str(known[-1]) == "2021-03-18"
    score, spi_90d = indices["drought_score"], indices["spi_90d"]
    assert (score != spi_90d).sel(time="2021-04-25").all(), "rain and soil"
    np.testing.assert_array_equal(score[-5:], spi_90d[-5:])


def test_without_soil_and_vegetation_drought_is_that_of_rain(
    block: Cells, params: dict[str, xr.Dataset]
) -> None:
    indices = dict(compute_daily(Cells(rain=block.rain), params, days=LAST))
    assert not {"soil_moisture_percentile", "vhi", "spei_30d"} & set(indices)
    assert indices["spi_90d"].notnull().all()
    np.testing.assert_array_equal(indices["drought_score"], indices["spi_90d"])
    deficit = (indices["spi_90d"] < -1) | (
        (indices["spi_30d"] < -2) & (indices["spi_30d"]["time"].dt.month == 4)
    )
    np.testing.assert_array_equal(indices["cdi"], deficit.astype(float))


def test_months_are_made_of_the_days_that_are_known(
    block: Cells, params: dict[str, xr.Dataset]
) -> None:
    rain = block.rain.copy(deep=True)
    rain.loc["2021-02-01":"2021-02-03", 0] = np.nan  # 25 of 28 days are 0.893
    rain.loc["2021-02-01":"2021-02-02", 1] = np.nan
    months = np.array(["2021-01-01", "2021-02-01", "2021-03-01"], "M8[ns]")
    gaps = Cells(rain=rain, soil_moisture=block.soil_moisture, runoff=block.runoff)
    indices = dict(compute_monthly(gaps, params, months=months))
    assert not [name for name in indices if name.startswith(("spei", "sdi"))]
    assert indices["spi_1m"].notnull().values.tolist() == [[True] * 2, [False, True], [True] * 2]
    assert indices["spi_3m"].notnull().values[2].tolist() == [False, True]
    assert indices["sri_1m"].notnull().all("cell").values.tolist() == [True, False, False]
    assert indices["ssi_1m"].notnull().all()


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

"""Rain indices against hand-computed numbers and their invariants."""

from __future__ import annotations

from collections.abc import Callable

import dask
import numpy as np
import pytest
import xarray as xr
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from pipeline.indices.rain import (
    accumulation,
    api,
    dry_spell,
    pluvial_index,
    short_depths,
)
from tests.indices.made_series import daily, refuse

Index = Callable[..., xr.DataArray]

AMOUNT = st.one_of(st.just(0.0), st.floats(0.01, 300.0), st.just(np.nan))


INDICES: dict[str, Index] = {
    "sum": lambda da: accumulation(rain=da, steps=5),
    "sum, with gaps": lambda da: accumulation(rain=da, steps=11, min_share=0.6),
    "api": lambda da: api(rain=da, k=0.9, min_share=0.5),
    "dry spell": lambda da: dry_spell(rain=da),
}


def test_accumulation_equals_the_plain_sum_for_every_window() -> None:
    rain = daily(np.random.default_rng(1).gamma(0.5, 8.0, 200))
    for steps in (1, 2, 3, 5, 7, 15, 30, 90, 128):
        totals = accumulation(rain=rain, steps=steps).values
        assert np.isnan(totals[: steps - 1]).all()
        plain = [rain.values[i - steps + 1 : i + 1].sum() for i in range(steps - 1, 200)]
        np.testing.assert_allclose(totals[steps - 1 :], plain, rtol=1e-12)
    assert accumulation(rain=rain, steps=3).attrs["window"] == "3 x 1440 minutes"


def test_a_dry_month_after_heavy_rain_is_exactly_zero() -> None:
    rain = daily(np.r_[np.random.default_rng(2).gamma(1, 30, 50), np.zeros(60)])
    assert (accumulation(rain=rain, steps=30).values[-30:] == 0.0).all()


def test_missing_days_are_neither_zero_nor_ignored() -> None:
    rain = daily([10.0, 10.0, np.nan, 10.0])
    np.testing.assert_array_equal(accumulation(rain=rain, steps=4).values, np.full(4, np.nan))
    assert accumulation(rain=rain, steps=4, min_share=0.75).values[3] == 40.0
    assert np.isnan(accumulation(rain=rain, steps=4, min_share=0.76).values[3])


def test_months_are_steps_too() -> None:
    time = np.arange("2001-01", "2001-05", dtype="datetime64[M]").astype("M8[ns]")
    rain = xr.DataArray([1.0, 2.0, 3.0, 4.0], {"time": time}, attrs={"units": "mm"})
    np.testing.assert_array_equal(accumulation(rain=rain, steps=3).values[2:], [6.0, 9.0])


def test_what_is_wrong_is_said() -> None:
    good = daily([1.0, 2.0, 3.0, 4.0])
    with pytest.raises(ValueError, match="expected units 'mm', found 'mm h-1'"):
        accumulation(rain=good.assign_attrs(units="mm h-1"), steps=2)
    with pytest.raises(ValueError, match="expected units 'mm', found None"):
        api(rain=good.drop_attrs())
    with pytest.raises(ValueError, match="without gaps"):
        accumulation(rain=good.isel(time=[0, 1, 3]), steps=2)
    with pytest.raises(ValueError, match="without gaps"):
        accumulation(rain=good.isel(time=[1, 0]), steps=2)
    with pytest.raises(ValueError, match="found 0"):
        accumulation(rain=good, steps=0)
    with pytest.raises(ValueError, match="spin_up_days >= 90"):
        api(rain=good, spin_up_days=30)


def test_api_is_the_recursion_over_its_spin_up() -> None:
    values = np.random.default_rng(3).gamma(0.5, 8.0, 150)
    a = 0.0
    for p in values[60:]:
        a = 0.95 * a + p
    assert api(rain=daily(values)).values[-1] == pytest.approx(a, rel=1e-12)
    assert np.isnan(api(rain=daily(values)).values[:89]).all()
    # The value does not depend on where the record begins.
    later = api(rain=daily(values[40:])).values[-1]
    assert later == pytest.approx(a, rel=1e-12)


def test_api_with_a_day_missing() -> None:
    values = np.ones(120)
    values[100] = np.nan
    assert np.isnan(api(rain=daily(values)).values[100:]).all()
    last = api(rain=daily(values), min_share=0.9).values[-1]
    assert last == pytest.approx((1 - 0.95**90) / 0.05)  # the mean of the others is 1 mm


@pytest.mark.parametrize("index", INDICES.values(), ids=INDICES)
@settings(max_examples=25)
@given(values=arrays(np.float64, (110, 3), elements=AMOUNT))
def test_the_future_and_the_layout_do_not_matter(index: Index, values: np.ndarray) -> None:
    rain = daily(values)
    whole = index(rain)
    assert whole.dims == rain.dims
    np.testing.assert_array_equal(index(rain.isel(time=slice(0, 97))).values, whole.values[:97])
    turned = index(rain.transpose("zone", "time"))
    assert turned.dims == ("zone", "time")
    np.testing.assert_array_equal(turned.values.T, whole.values)
    with dask.config.set(scheduler=refuse):
        lazy = index(rain.chunk(time=13, zone=2))
    assert lazy.chunks is not None
    np.testing.assert_array_equal(lazy.compute(scheduler="sync").values, whole.values)
    for zone in range(3):
        np.testing.assert_array_equal(index(rain.isel(zone=zone)).values, whole.values[:, zone])


@settings(max_examples=25)
@given(values=arrays(np.float64, 100, elements=st.floats(0.0, 300.0)), more=st.floats(0.1, 100.0))
def test_more_rain_never_lowers_an_accumulation(values: np.ndarray, more: float) -> None:
    wetter = values.copy()
    wetter[95] += more
    for index in (INDICES["sum"], INDICES["api"]):
        before, after = index(daily(values)).values, index(daily(wetter)).values
        assert (after[95:] > before[95:]).all()
        np.testing.assert_array_equal(after[:95], before[:95])


def test_dry_spell_counts_and_knows_when_it_cannot() -> None:
    rain = daily([0, 0, 3, 0.99, 0, 1.0, 0, np.nan, 0, 5, 0])
    expected = [np.nan, np.nan, 0, 1, 2, 0, 1, np.nan, np.nan, 0, 1]
    np.testing.assert_array_equal(dry_spell(rain=rain).values, expected)


def test_pluvial_index_by_hand() -> None:
    time = np.datetime64("2001-06-01", "ns") + np.arange(160) * np.timedelta64(30, "m")
    values = np.zeros(160)
    values[150:152] = 20.0  # 40 mm within one hour
    values[130:142] = 5.0  # 60 mm within six hours
    rain = xr.DataArray(values, {"time": time}, attrs={"units": "mm"})
    level = xr.DataArray(96.0, attrs={"units": "mm"})
    depth = short_depths(day_mm=level, three_day_mm=level * 2)
    # 96 (1/24)^(1/3) = 33.28, 96 (3/24)^(1/3) = 48, 96 (6/24)^(1/3) = 60.48, 96, 192
    np.testing.assert_allclose(depth.values, [33.281, 48.0, 60.476, 96.0, 192.0], atol=1e-3)
    index = pluvial_index(rain=rain, depth=depth)
    assert index.values[151] == pytest.approx(40 / 33.281, rel=1e-4)
    # At the end: 0 in 1 and 3 h, 40 mm in 6 h, 100 mm in 24 and 72 h.
    assert index.values[159] == pytest.approx(max(40 / 60.476, 100 / 96.0), rel=1e-4)
    dead = rain.where(rain["time"] < time[158])  # the last hour unseen
    assert index.values[158] >= 1
    assert pluvial_index(rain=dead, depth=depth).values[158] >= 1  # other durations suffice
    calm = (rain * 0.0).assign_attrs(units="mm").where(rain["time"] < time[158])
    assert np.isnan(pluvial_index(rain=calm, depth=depth).values[159])
    with pytest.raises(ValueError, match="divide an hour"):
        pluvial_index(rain=daily(np.zeros(5)), depth=depth)

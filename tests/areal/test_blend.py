"""The blend of rain products: hand-made pairs, mappings, weights and shares."""

from __future__ import annotations

import numpy as np
import pytest
import xarray as xr
from hypothesis import given
from hypothesis import strategies as st

from pipeline.areal import blend

HALF_HOUR = np.timedelta64(30, "m")


def series(values: list[float], start: str = "2026-08-19") -> xr.DataArray:
    time = np.datetime64(start, "ns") + np.arange(len(values)) * HALF_HOUR
    return xr.DataArray(np.array(values, "f4")[:, None], {"time": time, "zone": ["basin:a"]})


def cells(*values: list[float]) -> xr.DataArray:
    time = np.datetime64("2026-08-19", "ns") + np.arange(len(values)) * HALF_HOUR
    return xr.DataArray(
        np.array(values, "f4")[:, None, :],
        {"time": time, "lat": [10.0], "lon": np.arange(len(values[0])) * 1.0},
    )


ZONE = xr.DataArray([["basin:a", ""]], {"lat": [10.0], "lon": [0.0, 1.0]})


def test_pairs_sum_only_the_half_hours_that_both_have() -> None:
    late = series([2.0, 4.0, np.nan, 6.0] + [np.nan] * 44)
    gk2a = series([1.0, np.nan, 9.0, 3.0] + [np.nan] * 44)
    sums = blend.sum_pairs({"imerg_late": late, "gk2a": gk2a}).isel(zone=0)
    assert sums["gk2a"].values.tolist() == [0.5 * (1 + 3)]
    assert sums["gk2a_late"].values.tolist() == [0.5 * (2 + 6)]
    assert np.isnan(sums["imerg_early"].values).all()


def paired(ours: float, late: float, days: int = 60) -> xr.Dataset:
    time = np.datetime64("2026-07-01", "ns") + np.arange(days) * np.timedelta64(1, "D")
    fields = {}
    for product in blend.ASSUMED_SIGMA:
        for name, value in ((product, ours), (f"{product}_late", late)):
            fields[name] = (("time", "zone"), np.full((days, 2), value, "f4"))
    return xr.Dataset(fields, {"time": time, "zone": ["basin:a", "basin:b"]})


def test_a_factor_is_drawn_to_one_and_kept_in_bounds() -> None:
    july = {"product": "gk2a", "month": 7, "zone": "basin:a"}
    factor = float(blend.fit_mapping(paired(10.0, 15.0))["factor"].sel(july))
    assert factor == pytest.approx((31 * 15 + 60) / (31 * 10 + 60))
    assert float(blend.fit_mapping(paired(1.0, 40.0))["factor"].sel(july)) == blend.MAX_FACTOR
    assert float(blend.fit_mapping(paired(40.0, 1.0))["factor"].sel(july)) == blend.MIN_FACTOR
    assert float(blend.fit_mapping(paired(10.0, 15.0))["factor"].sel(july | {"month": 1})) == 1.0


def test_scatter_is_assumed_until_it_has_been_seen() -> None:
    few = blend.fit_mapping(paired(10.0, 15.0, days=29))
    assert float(few["sigma"].sel(product="gk2a")) == 0.65
    sigma = float(blend.fit_mapping(paired(10.0, 15.0))["sigma"].sel(product="gk2a"))
    assert 0.0 < sigma < 0.1


def test_a_product_is_mapped_before_it_is_used_by_the_sub_basin_it_lies_in() -> None:
    fitted = blend.fit_mapping(paired(10.0, 15.0))
    fitted["factor"].loc[{"zone": "basin:b"}] = 1.0
    rates = {"gk2a": cells([2.0, 2.0]).assign_coords(
        time=[np.datetime64("2026-07-10", "ns")])}  # fmt: skip
    inside = (31 * 15 + 60) / (31 * 10 + 60)
    rates_mm_h = blend.blend_rates(rates, fitted, ZONE)["rain_rate"].values.ravel()
    np.testing.assert_allclose(rates_mm_h, [2 * inside, 2 * (inside + 1) / 2], rtol=1e-6)


@given(
    st.lists(st.sampled_from([np.nan, 0.0, 1.0, 7.0]), min_size=4, max_size=4),
)
def test_shares_add_up_to_one_where_anything_was_seen(values: list[float]) -> None:
    names = ("imerg_late", *blend.ASSUMED_SIGMA)
    rates = {name: cells([value, 1.0]) for name, value in zip(names, values, strict=True)}
    blended = blend.blend_rates(rates, None, ZONE)
    total = sum(blended[f"share_{name}"] for name in names)
    np.testing.assert_allclose(np.asarray(total)[..., 1], 1.0, rtol=1e-6)
    known = np.isfinite(values)
    rate = float(blended["rain_rate"][0, 0, 0])
    if not known.any():
        assert np.isnan(rate)
    else:
        np.testing.assert_allclose(np.asarray(total)[0, 0, 0], 1.0, rtol=1e-6)
        assert np.nanmin(values) - 1e-6 <= rate <= np.nanmax(values) + 1e-6
        if known[0]:
            assert rate == values[0]


def test_a_result_that_no_rain_can_have_is_missing_and_marked() -> None:
    blended = blend.blend_rates({"imerg_late": cells([501.0, 499.0])}, None, ZONE)
    expected = np.array([np.nan, 499.0], "f4")
    np.testing.assert_array_equal(blended["rain_rate"].values.ravel(), expected)
    assert blended["impossible"].values.ravel().tolist() == [True, False]
    assert np.isnan(blended["share_imerg_late"].values.ravel()[0])


def test_lazy_until_asked() -> None:
    rates = {"imerg_early": cells([2.0, 2.0]).chunk(), "gk2a": cells([4.0, np.nan]).chunk()}
    assert blend.blend_rates(rates, blend.fit_mapping(paired(10.0, 10.0)), ZONE)["rain_rate"].chunks

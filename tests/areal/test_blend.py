"""The blend of rain products: hand-made pairs, shares, and every product dead in turn."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import xarray as xr
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.areal import blend, daily_series
from pipeline.areal import rain as areal_rain
from pipeline.geography.grid import MEKONG
from pipeline.storage.archive import Archive
from pipeline.times import utc64
from tests.areal.uniform_grids import ASOF, DAY, NIGHT, put, zone

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


@settings(deadline=None)
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


PRODUCTS = {"imerg_late": 30, "imerg_early": 30, "gk2a": 144}


@pytest.mark.parametrize("dead", [None, *PRODUCTS])
def test_with_any_one_dead_the_others_carry_on_and_say_so(tmp_path: Path, dead: str | None) -> None:
    archive = Archive(tmp_path / "archive")
    for product in {*PRODUCTS} - {dead}:
        if product == "gk2a":
            put(archive, product, "rain_rate", [3.0] * 144, step=timedelta(minutes=10))
        elif product == "imerg_late":
            put(archive, product, "rain_rate", [3.0] * 30)
        else:
            start = DAY + timedelta(hours=15 if dead != "imerg_late" else 0)
            count = 10 if dead != "imerg_late" else 40
            put(archive, product, "rain_rate", [3.0] * count, start=start)
    record, shares, _ = daily_series.make_daily_series(archive, **NIGHT)
    assert zone(record, "rain") == pytest.approx(72.0, rel=1e-5), "scaled up where a few are gone"
    share_by_product = {
        str(name).removeprefix("share_"): zone(shares, str(name)) for name in shares
    }
    assert sum(share_by_product.values()) == pytest.approx(1.0, abs=1e-5)
    if dead:
        assert share_by_product[dead] == 0.0
    assert share_by_product["imerg_daily"] == 0.0


def test_a_night_learns_only_from_the_nights_before(tmp_path: Path) -> None:
    archive = Archive(tmp_path / "archive")
    put(archive, "imerg_late", "rain_rate", [1.0] * 48)
    put(archive, "gk2a", "rain_rate", [4.0] * 144, step=timedelta(minutes=10))
    pairs = areal_rain.make_rain_pairs(archive, asof=ASOF, region="mekong")
    assert pairs is not None
    np.testing.assert_allclose(pairs["gk2a"].sel(zone="basin:chi"), [96.0], rtol=1e-5)
    np.testing.assert_allclose(pairs["gk2a_late"].sel(zone="basin:chi"), [24.0], rtol=1e-5)
    archive.append("rain_pairs", pairs, message="test")
    tomorrow = ASOF + timedelta(days=1)
    put(archive, "gk2a", "rain_rate", [4.0] * 144, start=DAY + timedelta(days=1),
        step=timedelta(minutes=10), known=tomorrow)  # fmt: skip
    at = MEKONG.shape[0] // 2, MEKONG.shape[1] // 2
    days: Any = {"start": DAY + timedelta(days=1), "end": DAY + timedelta(days=2)}
    days["region"] = "mekong"
    tonight = areal_rain.read_half_hourly_rain(archive, asof=ASOF.replace(hour=23), **days)
    assert not (tonight["rain_rate"] == 4.0).any(), "not there yet"
    later = areal_rain.read_half_hourly_rain(archive, asof=tomorrow, **days)["rain_rate"][0][at]
    assert float(later) == pytest.approx(4.0 * (24 + 60) / (96 + 60), rel=1e-5)
    assert (
        areal_rain.make_rain_pairs(Archive(tmp_path / "other"), asof=ASOF, region="mekong") is None
    )
    assert utc64(datetime(2026, 8, 19, tzinfo=UTC)) == pairs["time"].values[0]


def test_chirps_goes_before_the_record_mapped_onto_it(tmp_path: Path) -> None:
    archive = Archive(tmp_path / "archive")
    day = timedelta(days=1)
    put(archive, "imerg_late", "rain_rate", [1.0] * 96, start=DAY - day)
    record, *_ = daily_series.make_daily_series(
        archive, asof=ASOF, start=DAY - day, end=DAY + day, region="mekong"
    )
    assert daily_series.prepend_chirps(record, archive, asof=ASOF, region="mekong") is record
    put(archive, "chirps", "rain", [30.0] * 5, start=DAY - 4 * day, step=day)
    whole = daily_series.prepend_chirps(record, archive, asof=ASOF, region="mekong")
    factor = (48 + 60) / (60 + 60)
    expected = [30 * factor] * 3 + [24.0] * 2
    np.testing.assert_allclose(whole["rain"].sel(zone="basin:chi"), expected, rtol=1e-5)
    assert np.isnan(whole["soil_moisture"]).all()
    assert whole["rain"].attrs == record["rain"].attrs
    assert whole.attrs == record.attrs

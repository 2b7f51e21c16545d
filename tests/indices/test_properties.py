"""What holds of every index: layout, laziness, missing values, the future, order, precision."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cache
from typing import Any

import dask
import numpy as np
import pytest
import xarray as xr
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.indices.drought import fit_percentile, percentile, usdm_class
from pipeline.indices.extremes import fit_regional, fit_return_period, return_period
from pipeline.indices.flow import fit_sdi, fit_sri, low_flow_ratio, mean_flow, sdi, sri
from pipeline.indices.rain import accumulation, api, dry_spell
from pipeline.indices.river import fit_stage_climatology, stage_anomaly
from pipeline.indices.soil import fit_ssi, ssi
from pipeline.indices.spei import fit_spei, pet_hargreaves, spei, water_balance
from pipeline.indices.spi import fit_spi, spi
from pipeline.indices.vegetation import fit_vegetation, tci, vci

Params = Any
SPAN: dict[str, Any] = {
    "start": datetime(1993, 1, 1, tzinfo=UTC),
    "end": datetime(2014, 1, 1, tzinfo=UTC),
}
AGREED = xr.DataArray(
    np.linspace(5, 16, 12), {"month": np.arange(1, 13)}, attrs={"units": "m3 s-1"}
)


def no_params(_: xr.DataArray) -> Params:
    return None


@dataclass(frozen=True)
class Index:
    """An index of one positive series: how it is fitted and applied, and which way it goes."""

    units: str
    apply: Callable[[xr.DataArray, Params], xr.DataArray]
    fit: Callable[[xr.DataArray], Params] = no_params
    sign: int = 1
    memory: int = 1
    monthly: bool = False
    offset: float = 0.0
    window_over_new_year: bool = False


def balance(steps: int) -> Callable[[xr.DataArray], xr.DataArray]:
    def compute(da: xr.DataArray) -> xr.DataArray:
        pet = xr.full_like(da, 4.0)
        return water_balance(rain=da, pet=pet, steps=steps)

    return compute


def total(steps: int) -> Callable[[xr.DataArray], xr.DataArray]:
    return lambda da: accumulation(rain=da, steps=steps)


def flow(steps: int) -> Callable[[xr.DataArray], xr.DataArray]:
    return lambda da: mean_flow(discharge=da, steps=steps)


def one_region(da: xr.DataArray) -> Params:
    region = xr.zeros_like(da.isel(time=0, drop=True).drop_attrs(), dtype=np.int64)
    region = xr.DataArray(np.zeros(region.shape, int), region.coords, region.dims)
    return fit_regional(total=da, region=region, **SPAN)


def vegetation(da: xr.DataArray, units: str) -> Params:
    same = da.assign_attrs(units="1" if units == "K" else "K")
    ndvi, lst = (da, same) if units == "1" else (same, da)
    return fit_vegetation(ndvi=ndvi, lst=lst, **SPAN)


def dew(da: xr.DataArray) -> xr.DataArray:
    cold = xr.zeros_like(da).assign_attrs(units="degC")
    return pet_hargreaves(tmin=cold, tmax=da, lat=xr.DataArray(17.0))


INDICES: dict[str, Index] = {
    "rain of 5 days": Index("mm", lambda da, _: total(5)(da), memory=5),
    "rain of 40 days, with gaps": Index(
        "mm", lambda da, _: accumulation(rain=da, steps=40, min_share=0.8), memory=40
    ),
    "api": Index("mm", lambda da, _: api(rain=da, k=0.9), memory=90),
    "dry spell": Index("mm", lambda da, _: dry_spell(rain=da), sign=-1, memory=30),
    "spi 30 d": Index(
        "mm", lambda da, params: spi(total=total(30)(da), parameters=params),
        lambda da: fit_spi(total=total(30)(da), **SPAN), memory=30, window_over_new_year=True,
    ),
    "spi 6 months": Index(
        "mm", lambda da, params: spi(total=total(6)(da), parameters=params),
        lambda da: fit_spi(total=total(6)(da), **SPAN), memory=6, monthly=True,
    ),
    "spei 30 d": Index(
        "mm", lambda da, params: spei(balance=balance(30)(da), parameters=params),
        lambda da: fit_spei(balance=balance(30)(da), **SPAN), memory=30, window_over_new_year=True,
    ),
    "spei 3 months": Index(
        "mm", lambda da, params: spei(balance=balance(3)(da), parameters=params),
        lambda da: fit_spei(balance=balance(3)(da), **SPAN), memory=3, monthly=True,
    ),
    "ssi by day": Index(
        "m3 m-3", lambda da, params: ssi(soil_moisture=da, parameters=params),
        lambda da: fit_ssi(soil_moisture=da, **SPAN), window_over_new_year=True,
    ),
    "ssi by month": Index(
        "m3 m-3", lambda da, params: ssi(soil_moisture=da, parameters=params),
        lambda da: fit_ssi(soil_moisture=da, **SPAN), monthly=True,
    ),
    "percentile": Index(
        "m3 m-3", lambda da, params: percentile(values=da, parameters=params),
        lambda da: fit_percentile(values=da, **SPAN), window_over_new_year=True,
    ),
    "sdi": Index(
        "m3 s-1", lambda da, params: sdi(discharge=da, parameters=params),
        lambda da: fit_sdi(discharge=da, **SPAN), offset=0.1, window_over_new_year=True,
    ),
    "sdi 3 months": Index(
        "m3 s-1", lambda da, params: sdi(discharge=flow(3)(da), parameters=params),
        lambda da: fit_sdi(discharge=flow(3)(da), **SPAN), offset=0.1, memory=3, monthly=True,
    ),
    "sri 3 months": Index(
        "mm", lambda da, params: sri(runoff=total(3)(da), parameters=params),
        lambda da: fit_sri(runoff=total(3)(da), **SPAN), memory=3, monthly=True,
    ),
    "vci": Index(
        "1", lambda da, params: vci(ndvi=da, parameters=params), lambda da: vegetation(da, "1")
    ),
    "tci": Index(
        "K", lambda da, params: tci(lst=da, parameters=params),
        lambda da: vegetation(da, "K"), sign=-1,
    ),
    "return period": Index(
        "mm", lambda da, params: return_period(total=da, parameters=params),
        lambda da: fit_return_period(total=da, **SPAN),
    ),
    "return period, regional": Index(
        "mm", lambda da, params: return_period(total=da, parameters=params), one_region
    ),
    "class": Index("%", lambda da, _: usdm_class(index=da), sign=-1),
    "low-flow ratio": Index(
        "m3 s-1", lambda da, _: low_flow_ratio(discharge=da, reference_flow=AGREED)
    ),
    "stage anomaly": Index(
        "m", lambda da, params: stage_anomaly(stage=da, parameters=params),
        lambda da: fit_stage_climatology(stage=da, **SPAN), window_over_new_year=True,
    ),
    "evaporation": Index("degC", lambda da, _: dew(da)),
}  # fmt: skip
every = pytest.mark.parametrize("index", INDICES.values(), ids=INDICES)
fitted = pytest.mark.parametrize(
    "index",
    [row for row in INDICES.values() if row.fit is not no_params],
    ids=[name for name, row in INDICES.items() if row.fit is not no_params],
)
with_window = pytest.mark.parametrize(
    "index",
    [row for row in INDICES.values() if row.window_over_new_year],
    ids=[name for name, row in INDICES.items() if row.window_over_new_year],
)


def refuse(*_: Any, **__: Any) -> Any:
    raise AssertionError("computed")


@cache
def base(*, monthly: bool) -> xr.DataArray:
    step = "M" if monthly else "D"
    time = np.arange("1993-01", "2016-04", dtype="M8[M]").astype(f"M8[{step}]")
    time = np.arange(time[0], time[-1], dtype=f"M8[{step}]")
    year = (time - time.astype("M8[Y]").astype(time.dtype)).astype(float) / (12 if monthly else 365)
    mean = (60 if monthly else 2) * (1.3 - np.cos(2 * np.pi * year))
    values = np.random.default_rng(5).gamma(1.5, mean[:, None], (time.size, 2))
    return xr.DataArray(values, {"time": time.astype("M8[ns]")}, ("time", "zone"), name="x")


def series(index: Index) -> xr.DataArray:
    return (base(monthly=index.monthly) + index.offset).assign_attrs(units=index.units)


def whole(index: Index, da: xr.DataArray) -> xr.DataArray:
    return index.apply(da, index.fit(da))


@cache
def fitted_params(index: Index) -> Params:
    return index.fit(series(index))


def tail(index: Index, more: int = 8) -> xr.DataArray:
    return series(index).isel(time=slice(-index.memory - more, None))


@every
def test_layout_does_not_matter_and_nothing_is_computed_before_it_is_asked(index: Index) -> None:
    da = series(index)
    eager = whole(index, da)
    assert eager.dims == da.dims
    assert {"units", "long_name"} <= set(eager.attrs)
    assert eager.notnull().any()
    with dask.config.set(scheduler=refuse):
        lazy = whole(index, da.chunk(time=700, zone=1))
    assert lazy.chunks is not None
    np.testing.assert_allclose(
        lazy.compute(scheduler="sync").values, eager.values, rtol=1e-9, atol=1e-9
    )
    turned = whole(index, da.transpose("zone", "time"))
    assert turned.dims == ("zone", "time")
    np.testing.assert_allclose(turned.values.T, eager.values, rtol=1e-9, atol=1e-9)
    square = da.expand_dims(more=1).transpose("time", "more", "zone")
    np.testing.assert_allclose(
        whole(index, square).values[:, 0], eager.values, rtol=1e-9, atol=1e-9
    )
    single = da.isel(zone=0)
    if index.fit is not one_region:
        np.testing.assert_allclose(
            whole(index, single).values, eager.values[:, 0], rtol=1e-9, atol=1e-9
        )


@every
def test_a_day_more_changes_nothing_before_it(index: Index) -> None:
    da = series(index)
    np.testing.assert_array_equal(
        whole(index, da.isel(time=slice(None, -1))).values, whole(index, da).values[:-1]
    )


@every
def test_where_the_record_begins_does_not_matter(index: Index) -> None:
    last = index.apply(tail(index), fitted_params(index)).isel(time=-1)
    np.testing.assert_allclose(
        last.values,
        index.apply(series(index), fitted_params(index)).values[-1],
        rtol=1e-12,
        atol=1e-12,
    )


@every
def test_missing_is_missing_and_stays_in_its_place(index: Index) -> None:
    da, params = tail(index, more=30), fitted_params(index)
    before = index.apply(da, params)
    gap = da.copy(deep=True)
    gap[-5, 0] = np.nan
    after = index.apply(gap, params)
    if index is not INDICES["rain of 40 days, with gaps"]:
        assert np.isnan(after.values[-5, 0])
    np.testing.assert_array_equal(after.values[:, 1], before.values[:, 1])
    np.testing.assert_array_equal(after.values[:-5], before.values[:-5])
    assert not np.isfinite(after.values[np.isnan(before.values)]).any()
    nothing = xr.full_like(da, np.nan)
    assert np.isnan(index.apply(nothing, params)).all()
    empty = index.fit(xr.full_like(series(index), np.nan))
    if empty is not None:
        assert np.isnan(index.apply(da, empty)).all()


@every
@settings(max_examples=15, deadline=None)
@given(st.floats(0.0, 500.0), st.floats(0.0, 500.0))
def test_more_is_never_less(index: Index, value: float, more: float) -> None:
    da = tail(index)
    da[-1] = np.array([value, value + more]) + index.offset
    da[:-1, 1] = da.values[:-1, 0]
    params = fitted_params(index)
    if params is not None:
        params = params.isel(zone=[0, 0]) if "zone" in params.dims else params
    last = index.apply(da, params).values[-1]
    if np.isfinite(last).all():
        assert index.sign * (last[1] - last[0]) >= -1e-6


@every
def test_single_precision_is_good_to_a_thousandth(index: Index) -> None:
    da = series(index)
    exact, single = whole(index, da), whole(index, da.astype("f4"))
    assert single.dtype == np.float32
    np.testing.assert_array_equal(np.isnan(single.values), np.isnan(exact.values))
    np.testing.assert_allclose(single.values, exact.values, rtol=1e-3, atol=1e-3)


@with_window
def test_the_end_of_february_and_of_the_year(index: Index) -> None:
    da, params = series(index), fitted_params(index)
    parameter = next(name for name in params.data_vars if name != "n_years")
    if "dayofyear" in params.dims:
        assert params.sizes["dayofyear"] == 365
        moved = da.where(da["time"].dt.strftime("%m%d") != "1231", da * 7).assign_attrs(da.attrs)
        before, after = params[parameter], index.fit(moved)[parameter]
        assert (before.sel(dayofyear=2) != after.sel(dayofyear=2)).all()
        assert (before.sel(dayofyear=200) == after.sel(dayofyear=200)).all()
    leap = da.sel(time=slice("2015-12-28", "2016-02-29")).copy(deep=True)
    plain = leap.copy(deep=True)
    plain["time"] = plain["time"] - np.timedelta64(1, "D")
    # The same values a day earlier: 29 February has the parameters of the 28th.
    np.testing.assert_allclose(
        index.apply(leap, params).values[-1],
        index.apply(plain, params).values[-1],
        rtol=1e-6,
        atol=1e-6,
    )


@fitted
def test_what_is_fitted_says_on_what(index: Index) -> None:
    params = fitted_params(index)
    names = {"reference_period", "definition_sha256", "provisional_lt30y"}
    assert names <= set(params.attrs)
    applied = index.apply(tail(index), params)
    assert {key: applied.attrs[key] for key in names} == {key: params.attrs[key] for key in names}
    assert applied.attrs["provisional_lt30y"] == 1

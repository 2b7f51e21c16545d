"""Drought indices against hand-computed numbers, other packages and their invariants."""

from __future__ import annotations

import warnings
from datetime import UTC, datetime
from typing import Any

import dask
import numpy as np
import pandas as pd
import pytest
import scipy.stats
import xarray as xr
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.special import ndtr, ndtri

from pipeline.indices import common, gamma
from pipeline.indices.drought import (
    PERCENTILE_BOUNDS,
    SPI_BOUNDS,
    drought_score,
    fit_percentile,
    fit_score,
    mekong_cdi,
    percentile,
    usdm_class,
)
from pipeline.indices.rain import accumulation
from pipeline.indices.spi import fit_spi, spi
from pipeline.indices.vegetation import fit_vegetation, tci, vci, vhi

START, END = datetime(1991, 1, 1, tzinfo=UTC), datetime(2021, 1, 1, tzinfo=UTC)


def refuse(*_: Any, **__: Any) -> Any:
    raise AssertionError("computed")


def series(values: Any, time: Any, units: str) -> xr.DataArray:
    values = np.asarray(values, np.float64)
    dims = ("time", "zone")[: values.ndim]
    return xr.DataArray(
        values, {"time": np.asarray(time, "M8[ns]")}, dims, name="x", attrs={"units": units}
    )


def monthly(years: int = 30, zones: int = 3, seed: int = 0, wet: float = 1.0) -> xr.DataArray:
    rng = np.random.default_rng(seed)
    time = np.arange("1991-01", f"{1991 + years}-01", dtype="M8[M]")
    season = 60 * (1.2 - np.cos(2 * np.pi * (np.arange(len(time)) - 1) / 12))
    values = rng.gamma(2.0, season[:, None], (len(time), zones))
    return series(np.where(rng.random(values.shape) < wet, values, 0.0), time, "mm")


def days(start: str, end: str) -> Any:
    return np.arange(start, end, dtype="M8[D]")


def test_the_polynomial_is_the_exact_gamma_score_to_two_millionths() -> None:
    shape = np.geomspace(gamma.LEAST_SHAPE, 1e4, 500)
    z = np.repeat(np.linspace(-3.05, 3.05, 61)[:, None], 500, axis=1)
    x = np.where(
        z < 0, scipy.stats.gamma.ppf(ndtr(z), shape), scipy.stats.gamma.isf(ndtr(-z), shape)
    )
    np.testing.assert_allclose(gamma.to_normal_exactly(x, shape), z, atol=1e-9)
    np.testing.assert_allclose(gamma.to_normal(x / shape, shape), z, atol=2e-6)
    single = gamma.to_normal((x / shape).astype("f4"), shape)
    assert single.dtype == np.float32
    np.testing.assert_allclose(single, z, atol=1e-4)
    far = gamma.to_normal(np.array([[0.0], [1e4], [np.nan]]) * np.ones(2), np.array([0.5, 8.0]))
    assert (far[0] < -3).all()
    assert (far[1] > 3).all()
    assert np.isnan(far[2]).all()


def test_spi_by_hand() -> None:
    """Thom's estimator and the zeros' plotting position, written out for one calendar month."""
    total = monthly(wet=0.9, zones=1)
    params = fit_spi(total=total, start=START, end=END)
    index = spi(total=total, parameters=params).values[:, 0]
    x = total.values[3::12, 0]
    n, n0 = len(x), int((x == 0).sum())
    assert n == 30
    assert n0 > 0
    wet = x[x > 0]
    a = np.log(wet.mean()) - np.log(wet).mean()
    alpha = (1 + np.sqrt(1 + 4 * a / 3)) / (4 * a)
    assert params["shape"].values[3, 0] == pytest.approx(alpha, rel=1e-12)
    assert params["scale"].values[3, 0] == pytest.approx(wet.mean() / alpha, rel=1e-12)
    h = n0 / (n + 1) + (1 - n0 / (n + 1)) * scipy.stats.gamma.cdf(
        wet, alpha, scale=wet.mean() / alpha
    )
    np.testing.assert_allclose(index[3::12][x > 0], np.clip(ndtri(h), -3, 3), atol=2e-6)
    zero = ndtri((n0 + 1) / (2 * (n + 1)))
    np.testing.assert_allclose(index[3::12][x == 0], zero, atol=1e-12)


def test_spi_agrees_with_climate_indices_and_xclim_without_zeros() -> None:
    """With no dry month all three define the same: gamma by Thom's (approximate ML) estimator.

    Where totals of zero occur they do not agree: climate_indices gives them the probability n0 / n
    where the project takes the centre of their mass, (n0+1) / [2(n+1)], and it clips at ±3.09.
    """
    from climate_indices import indices
    from climate_indices.compute import Periodicity
    from climate_indices.indices import Distribution
    from xclim.indices import (  # type: ignore[import-untyped]
        standardized_precipitation_index,
    )

    rain = monthly(years=30, zones=1)
    for months in (1, 3, 6):
        total = accumulation(rain=rain, steps=months)
        params = fit_spi(total=total, start=START, end=END)
        index = spi(total=total, parameters=params).values[:, 0]
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            theirs = indices.spi(
                rain.values[:, 0], months, Distribution.gamma, 1991, 1991, 2020, Periodicity.monthly
            )
            pr = rain.isel(zone=0).assign_attrs(units="mm/day")
            xclim_index = standardized_precipitation_index(
                pr, freq=None, window=months, dist="gamma", method="APP", fitkwargs={"floc": 0}
            )
        # climate_indices fits January and February of a 3-month sum on 29 years as this does.
        inner = np.abs(index) < 2.99
        assert inner.sum() > 300
        np.testing.assert_allclose(index[inner], theirs[inner], atol=2e-6)
        np.testing.assert_allclose(index[inner], xclim_index.values[inner], atol=2e-6)


def test_zeros_flag_then_withhold() -> None:
    total = monthly(zones=4)
    january = total["time"].dt.month == 1
    for zone, zeros in enumerate((0, 12, 18, 30)):
        values = total.values[january.values, zone]
        values[:zeros] = 0.0
        total.values[january.values, zone] = values
    params = fit_spi(total=total, start=START, end=END)
    assert params["quality"].sel(month=1).values.tolist() == [0, 1, 2, 2]
    index = spi(total=total, parameters=params).values[january.values]
    assert np.isfinite(index[:, :2]).all()
    assert np.isnan(index[:, 2:]).all()
    assert (params["quality"].sel(month=slice(2, None)) == 0).all()


def test_spi_refuses_what_it_cannot_do() -> None:
    total = monthly(zones=2)
    with pytest.raises(ValueError, match="expected 20 years or more, found 19"):
        fit_spi(total=total, start=START, end=datetime(2010, 1, 1, tzinfo=UTC))
    with pytest.raises(ValueError, match=r"expected 0 or more, found -1\.0"):
        fit_spi(total=(total * 0 - 1).assign_attrs(units="mm"), start=START, end=END)
    params = fit_spi(total=total, start=START, end=END)
    with pytest.raises(ValueError, match="expected 0 or more"):
        spi(total=(total * 0 - 1).assign_attrs(units="mm"), parameters=params)
    with pytest.raises(ValueError, match="expected units 'mm', found 'kg m-2 s-1'"):
        spi(total=total.assign_attrs(units="kg m-2 s-1"), parameters=params)
    with pytest.raises(ValueError, match="without a time zone"):
        fit_spi(total=total, start=datetime(1991, 1, 1), end=END)  # noqa: DTZ001
    three = accumulation(rain=total, steps=3)
    params_3m = fit_spi(total=three, start=START, end=END)
    with pytest.raises(ValueError, match="expected totals over '3 x month', found '1 x month'"):
        spi(total=accumulation(rain=total, steps=1), parameters=params_3m)
    gaps = total.where(total["time"].dt.year >= 2002)
    short = fit_spi(total=gaps, start=START, end=END)
    assert (short["quality"] == 3).all()
    assert np.isnan(spi(total=gaps, parameters=short)).all()


def test_the_definition_is_stated_and_hashed() -> None:
    total = monthly()
    attrs = fit_spi(total=total, start=START, end=END).attrs
    assert attrs["reference_period"] == "1991-01-01/2021-01-01"
    assert attrs["n_years"] == 30
    assert attrs["provisional_lt30y"] == 0
    assert len(attrs["definition_sha256"]) == 64
    shorter = fit_spi(total=total, start=START, end=datetime(2016, 1, 1, tzinfo=UTC)).attrs
    assert shorter["provisional_lt30y"] == 1
    assert shorter["definition_sha256"] != attrs["definition_sha256"]
    # It is a hash of the definition: other data under the same definition have the same.
    same = fit_spi(total=monthly(seed=5), start=START, end=END).attrs
    assert same["definition_sha256"] == attrs["definition_sha256"]


@pytest.fixture(scope="module")
def rain() -> xr.DataArray:
    time = days("1991-01-01", "2022-04-01")
    rng = np.random.default_rng(7)
    season = 0.3 - 0.28 * np.cos(2 * np.pi * (np.arange(len(time)) - 30) / 365.25)
    return series(rng.gamma(season[:, None], 15.0, (len(time), 2)), time, "mm")


def test_running_spi_is_standard_normal_over_the_year_and_knows_29_february(
    rain: xr.DataArray,
) -> None:
    total = accumulation(rain=rain, steps=30)
    params = fit_spi(total=total, start=START, end=END)
    assert params.sizes["dayofyear"] == 365
    index = spi(total=total, parameters=params)
    part = index.sel(time=slice("1991-03", "2020"))
    np.testing.assert_allclose(part.groupby("time.month").mean(("time", "zone")), 0, atol=0.05)
    np.testing.assert_allclose(part.groupby("time.month").std(("time", "zone")), 1, atol=0.06)
    leap, before = index.sel(time=["2020-02-29", "2020-02-28"]).values
    assert np.isfinite(leap).all()
    assert not np.array_equal(leap, before)
    same = total.sel(time=["2020-02-28"])
    moved = same.assign_coords(time=same["time"] + np.timedelta64(1, "D"))
    np.testing.assert_array_equal(
        spi(total=same, parameters=params).values, spi(total=moved, parameters=params).values
    )


def test_the_years_end_is_wrapped() -> None:
    slot = np.array([1, 365, 182])
    sums = common.sum_by_slot(np.array([1.0, 10.0, 100.0]), slot, size=365, half_window=2)
    assert sums[[364, 0, 1, 2, 363, 181]].tolist() == [11.0, 11.0, 11.0, 1.0, 11.0, 100.0]
    time = np.array(["2020-02-28", "2020-02-29", "2020-03-01", "2020-12-31"], "M8[ns]")
    assert common.slots(time, "dayofyear").tolist() == [59, 59, 60, 365]


def test_the_past_does_not_change_with_the_future(rain: xr.DataArray) -> None:
    def everything(da: xr.DataArray) -> list[np.ndarray]:
        total = accumulation(rain=da, steps=90, min_share=0.9)
        z = spi(total=total, parameters=fit_spi(total=total, start=START, end=END))
        p = percentile(values=da, parameters=fit_percentile(values=da, start=START, end=END))
        return [z.values, p.values]

    cut = rain.sel(time=slice(None, "2021-02-11"))
    for whole, part in zip(everything(rain), everything(cut), strict=True):
        np.testing.assert_array_equal(whole[: len(part)], part)


def test_all_is_lazy_and_chunks_do_not_matter(rain: xr.DataArray) -> None:
    def everything(da: xr.DataArray) -> xr.Dataset:
        total = accumulation(rain=da, steps=90)
        params = fit_spi(total=total, start=START, end=END)
        z = spi(total=total, parameters=params)
        p = percentile(values=da, parameters=fit_percentile(values=da, start=START, end=END))
        correlation = fit_score(spi3=z, soil_moisture_percentile=p, start=START, end=END)
        score = drought_score(spi3=z, soil_moisture_percentile=p, parameters=correlation)
        ndvi = (da / 100).clip(0, 1).assign_attrs(units="1")
        lst = (300 + da / 100).assign_attrs(units="K")
        bounds = fit_vegetation(ndvi=ndvi, lst=lst, start=START, end=END)
        health = vhi(vci=vci(ndvi=ndvi, parameters=bounds), tci=tci(lst=lst, parameters=bounds))
        cdi = mekong_cdi(spi1=z, spi3=z, soil_moisture_percentile=p, vhi=health)
        aged = common.carry_forward(values=z, days=3)
        return xr.Dataset(
            {"z": z, "p": p, "score": score, "class": usdm_class(index=score), "vhi": health,
             "cdi": cdi, "aged": aged}
        )  # fmt: skip

    eager = everything(rain)
    with dask.config.set(scheduler=refuse):
        lazy = everything(rain.chunk(time=1000, zone=1))
    assert all(da.chunks for da in lazy.values())
    computed = lazy.compute(scheduler="sync")
    turned = everything(rain.transpose("zone", "time"))
    for name, da in eager.items():
        assert da.dims == ("time", "zone")
        assert "units" in da.attrs
        np.testing.assert_allclose(computed[name].values, da.values, rtol=1e-12, atol=1e-12)
        np.testing.assert_allclose(turned[name].values.T, da.values, rtol=1e-12, atol=1e-12)


@settings(max_examples=30, deadline=None)
@given(st.lists(st.floats(0, 2000), min_size=2, max_size=30), st.floats(0.0, 0.45))
def test_spi_rises_with_rain(amounts: list[float], dry: float) -> None:
    params = fit_spi(total=monthly(wet=1 - dry, zones=1, seed=3), start=START, end=END).isel(zone=0)
    ordered = np.sort(amounts)
    time = np.full(len(ordered), np.datetime64("2021-06-01"))
    index = spi(total=series(ordered, time, "mm"), parameters=params).values
    assert (np.diff(index) >= -1e-6).all()
    assert (np.abs(index) <= 3).all()


def test_percentile_is_the_weibull_rank() -> None:
    time = days("2001-01-01", "2012-01-01")
    year = time.astype("M8[Y]").astype(int) - 30.0
    params = fit_percentile(
        values=series(year, time, "m3 m-3"),
        start=datetime(2001, 1, 1, tzinfo=UTC),
        end=datetime(2011, 1, 1, tzinfo=UTC),
        half_window_days=0,
    )
    percent = percentile(values=series(year, time, "m3 m-3"), parameters=params)
    # 10 values 1..10: the rank i gives 100 i / 11; 11 is above all: i = 10.5.
    july = percent.sel(time=percent["time"].dt.strftime("%m%d") == "0701").values
    np.testing.assert_allclose(july, [100 * i / 11 for i in [*range(1, 11), 10.5]])
    leap = percent.sel(time="2004-02-29").item()  # slot of the 28th: ten values, two leap days
    assert leap == pytest.approx(100 * ((3 + 4 + 5) / 2 - 1.5 + 0.0) / 13, abs=100 / 13)
    missing = series(np.full(len(time), np.nan), time, "m3 m-3")
    assert np.isnan(percentile(values=missing, parameters=params)).all()
    with pytest.raises(ValueError, match="expected units 'm3 m-3', found '%'"):
        percentile(values=missing.assign_attrs(units="%"), parameters=params)


def test_percentile_window_reaches_over_new_year_and_needs_years() -> None:
    time = days("2001-01-01", "2009-01-01")
    values = np.where(time.astype("M8[M]").astype(int) % 12 == 11, 1.0, 2.0)
    data = series(values, time, "1")
    whole: dict[str, Any] = {
        "start": datetime(2001, 1, 1, tzinfo=UTC),
        "end": datetime(2009, 1, 1, tzinfo=UTC),
    }
    params = fit_percentile(values=data, half_window_days=2, **whole)
    percent = percentile(values=data, parameters=params)
    # Around 1 January: 8 x (30, 31 December) at 1.0, 8 x (1, 2, 3 January) at 2.0.
    assert percent.sel(time="2005-01-01").item() == pytest.approx(100 * (16 + 12.5) / 41)
    assert percent.sel(time="2005-12-31").item() == pytest.approx(100 * (24 + 1) / 2 / 41)
    short = fit_percentile(
        values=data, start=whole["start"], end=datetime(2005, 1, 1, tzinfo=UTC), half_window_days=2
    )
    assert np.isnan(percentile(values=data, parameters=short)).all()


def test_percentile_counts_like_the_definition() -> None:
    rng = np.random.default_rng(11)
    values = rng.choice([0.1, 0.2, 0.3, 0.4, np.nan], (2200, 2))
    data = series(values, days("2001-01-01", "2007-01-10")[:2200], "m3 m-3")
    params = fit_percentile(
        values=data, start=datetime(2001, 1, 1, tzinfo=UTC), end=datetime(2008, 1, 1, tzinfo=UTC)
    )
    percent = percentile(values=data, parameters=params).values
    np.testing.assert_array_equal(np.isnan(percent), np.isnan(values))
    assert percent[np.isfinite(values)].min() > 0
    assert percent[np.isfinite(values)].max() < 100
    slot = common.slots(data["time"].values, "dayofyear")
    for row in (3, 360, 424, 1155, 1500, 2199):
        distance = np.abs(slot - slot[row])
        pool = values[np.minimum(distance, 365 - distance) <= 15, 0]
        pool = pool[np.isfinite(pool)]
        if np.isfinite(values[row, 0]):
            rank = (pool < values[row, 0]).sum() + ((pool == values[row, 0]).sum() + 1) / 2
            assert percent[row, 0] == pytest.approx(100 * rank / (len(pool) + 1))


def test_vegetation_by_hand() -> None:
    time = pd.date_range("2001-01-06", "2012-12-06", freq="MS") + pd.Timedelta("5D")
    year = np.asarray(time.year, float)
    ndvi = series(0.3 + 0.02 * (year - 2001), time, "1")
    lst = series(310.0 - 0.5 * (year - 2001), time, "K")
    span: dict[str, Any] = {
        "start": datetime(2001, 1, 1, tzinfo=UTC),
        "end": datetime(2012, 1, 1, tzinfo=UTC),
    }
    bounds = fit_vegetation(ndvi=ndvi, lst=lst, **span)
    # January 2001 is not in the series, so its bounds rest on ten years, the others on eleven.
    green, warm = vci(ndvi=ndvi, parameters=bounds), tci(lst=lst, parameters=bounds)
    july = green["time"].dt.month == 7
    np.testing.assert_allclose(green.values[july], [*np.arange(0, 101, 10), 100], atol=1e-9)
    np.testing.assert_allclose(warm.values[july], [*np.arange(0, 101, 10), 100], atol=1e-9)
    health = vhi(vci=green, tci=(100 - warm).assign_attrs(units="%"), weight=0.25)
    assert health.sel(time="2003-07-06").item() == pytest.approx(0.25 * 20 + 0.75 * 80)
    few = fit_vegetation(
        ndvi=ndvi, lst=lst, start=span["start"], end=datetime(2010, 1, 1, tzinfo=UTC)
    )
    assert np.isnan(vci(ndvi=ndvi, parameters=few)).all()
    with pytest.raises(ValueError, match="expected units 'K', found 'degC'"):
        tci(lst=lst.assign_attrs(units="degC"), parameters=bounds)


def test_classes_at_and_beside_their_bounds() -> None:
    for bounds, units in ((SPI_BOUNDS, "1"), (PERCENTILE_BOUNDS, "%")):
        at = xr.DataArray(np.array(bounds), attrs={"units": units})
        assert usdm_class(index=at).values.tolist() == [0, 1, 2, 3, 4]
        above = (at + 1e-6).assign_attrs(units=units)
        assert usdm_class(index=above).values.tolist() == [-1, 0, 1, 2, 3]
    assert np.isnan(usdm_class(index=xr.DataArray(np.nan, attrs={"units": "%"})))
    with pytest.raises(ValueError, match="expected units '1', found 'mm'"):
        usdm_class(index=xr.DataArray(1.0, attrs={"units": "mm"}))


NAN = float("nan")


@pytest.mark.parametrize(
    ("month", "evidence", "expected"),
    [
        (7, (0.0, -0.9, 5.0, 5.0), 0),  # dry soil without a rain deficit is none
        (7, (0.0, -1.1, 50.0, 5.0), 1),
        (7, (0.0, -1.1, 15.0, 50.0), 2),
        (7, (0.0, -1.1, 15.0, 39.0), 3),
        (7, (0.0, -1.1, 50.0, 39.0), 1),  # vegetation alone adds nothing
        (7, (-2.1, 0.0, 50.0, 50.0), 1),
        (1, (-2.1, 0.0, 50.0, 50.0), 0),  # SPI-1 is no evidence from December to March
        (12, (-2.1, 0.0, 50.0, 50.0), 0),
        (4, (-2.1, 0.0, 50.0, 50.0), 1),
        (7, (NAN, -1.1, 15.0, 39.0), 3),  # a deficit that is known stands
        (7, (0.0, NAN, 15.0, 39.0), NAN),
        (7, (NAN, 0.0, 15.0, 39.0), NAN),
        (1, (NAN, 0.0, 15.0, 39.0), 0),
        (7, (-2.5, NAN, 15.0, NAN), 2),
        (7, (0.0, -1.1, NAN, 20.0), 1),
        (7, (NAN, NAN, NAN, NAN), NAN),
    ],
)
def test_combined_indicator(
    month: int, evidence: tuple[float, float, float, float], expected: float
) -> None:
    time = [f"2015-{month:02d}-15"]
    spi1, spi3, soil, health = evidence
    cdi = mekong_cdi(
        spi1=series([spi1], time, "1"),
        spi3=series([spi3], time, "1"),
        soil_moisture_percentile=series([soil], time, "%"),
        vhi=series([health], time, "%"),
    )
    np.testing.assert_array_equal(cdi.values, [expected])
    assert cdi.attrs["flag_meanings"] == "none watch warning alert"


def test_score_is_standard_normal_with_and_without_soil() -> None:
    rng = np.random.default_rng(9)
    time = days("1991-01-01", "2021-01-01")
    z, e = rng.standard_normal((2, len(time), 1))
    soil = 0.6 * z + 0.8 * e
    spi3, percent = series(z, time, "1"), series(100 * ndtr(soil), time, "%")
    percent[5000:] = np.nan
    params = fit_score(spi3=spi3, soil_moisture_percentile=percent, start=START, end=END)
    assert params["correlation"].item() == pytest.approx(0.6, abs=0.03)
    score = drought_score(spi3=spi3, soil_moisture_percentile=percent, parameters=params)
    assert score.values[:5000].std() == pytest.approx(1.0, abs=0.02)
    np.testing.assert_array_equal(score.values[5000:], z[5000:])
    nothing = (percent * np.nan).assign_attrs(units="%")
    never = fit_score(spi3=spi3, soil_moisture_percentile=nothing, start=START, end=END)
    assert np.isnan(never["correlation"])


def test_a_value_is_carried_no_longer_than_its_days() -> None:
    time = days("2001-01-01", "2001-01-09")
    x = series([NAN, 1, NAN, NAN, NAN, 5, NAN, 7], time, "%")
    filled = common.carry_forward(values=x, days=2)
    np.testing.assert_array_equal(filled.values, [NAN, 1, 1, 1, NAN, 5, 5, 7])
    assert filled.attrs == x.attrs

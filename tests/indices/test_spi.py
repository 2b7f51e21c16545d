"""SPI by hand, against other packages, and what it withholds."""

from __future__ import annotations

import warnings
from datetime import UTC, datetime

import numpy as np
import pytest
import scipy.stats
import xarray as xr
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.special import ndtri

from pipeline.indices.rain import accumulation
from pipeline.indices.spi import fit_spi, spi
from tests.indices.made_series import END, START, rain_of_31_years, series


def monthly(years: int = 30, zones: int = 3, seed: int = 0, wet: float = 1.0) -> xr.DataArray:
    rng = np.random.default_rng(seed)
    time = np.arange("1991-01", f"{1991 + years}-01", dtype="M8[M]")
    season = 60 * (1.2 - np.cos(2 * np.pi * (np.arange(len(time)) - 1) / 12))
    values = rng.gamma(2.0, season[:, None], (len(time), zones))
    return series(np.where(rng.random(values.shape) < wet, values, 0.0), time, "mm")


@pytest.fixture(scope="module")
def rain() -> xr.DataArray:
    return rain_of_31_years()


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


@pytest.mark.slow
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


@settings(max_examples=30)
@given(st.lists(st.floats(0, 2000), min_size=2, max_size=30), st.floats(0.0, 0.45))
def test_spi_rises_with_rain(amounts: list[float], dry: float) -> None:
    params = fit_spi(total=monthly(wet=1 - dry, zones=1, seed=3), start=START, end=END).isel(zone=0)
    ordered = np.sort(amounts)
    time = np.full(len(ordered), np.datetime64("2021-06-01"))
    index = spi(total=series(ordered, time, "mm"), parameters=params).values
    assert (np.diff(index) >= -1e-6).all()
    assert (np.abs(index) <= 3).all()

"""SPEI by hand and against an independent fit, and evapotranspiration as in FAO-56."""

from __future__ import annotations

from datetime import UTC, datetime

import numpy as np
import pytest
import scipy.stats
import xarray as xr

from pipeline.indices.rain import accumulation
from pipeline.indices.spei import fit_spei, pet_hargreaves, spei, water_balance
from tests.indices.made_series import END, START, by_month


@pytest.mark.parametrize("steps", [1, 3, 6, 9, 12])
def test_spei_is_the_generalised_logistic_of_lmoments3(steps: int) -> None:
    from lmoments3 import distr

    rng = np.random.default_rng(steps)
    season = 80 - 110 * np.cos(2 * np.pi * np.arange(360) / 12)
    rain = by_month(rng.gamma(2.0, np.maximum(season, 10) / 2))
    pet = by_month(115 + rng.normal(0, 10, 360))
    balance = water_balance(rain=rain, pet=pet, steps=steps)
    params = fit_spei(balance=balance, start=START, end=END)
    index = spei(balance=balance, parameters=params).values
    expected = np.full(360, np.nan)
    for month in range(12):
        sample = balance.values[month::12]
        known = sample[np.isfinite(sample)]
        fitted = distr.glo.lmom_fit(known)
        assert params["location"].values[month] == pytest.approx(fitted["loc"], rel=1e-6, abs=1e-6)
        assert params["scale"].values[month] == pytest.approx(fitted["scale"], rel=1e-6)
        assert params["shape"].values[month] == pytest.approx(fitted["k"], abs=1e-6)
        assert params["n_years"].values[month] == len(known)
        expected[month::12] = scipy.stats.norm.ppf(distr.glo.cdf(sample, **fitted))
    np.testing.assert_allclose(index, np.clip(expected, -3, 3), atol=1e-6)
    assert np.isfinite(index).sum() == 361 - steps


def test_a_day_takes_the_mean_of_the_l_moments_around_it() -> None:
    time = np.arange("1991-01-01", "2021-01-01", dtype="M8[D]").astype("M8[ns]")
    values = np.random.default_rng(0).gumbel(10, 30, time.size)
    balance = xr.DataArray(values, {"time": time}, name="b", attrs={"units": "mm"})
    params = fit_spei(balance=balance, start=START, end=END, half_window_days=1)
    day = np.array([str(moment)[5:10] for moment in time])
    parts = []
    for name in ("12-31", "01-01", "01-02"):
        x = np.sort(values[day == name])
        j, n = np.arange(30), 30
        b0, b1 = x.mean(), (j * x).sum() / (n * (n - 1))
        b2 = (j * (j - 1) * x).sum() / (n * (n - 1) * (n - 2))
        parts.append((b0, 2 * b1 - b0, 6 * b2 - 6 * b1 + b0))
    l1, l2, l3 = np.mean(parts, axis=0)
    k = -l3 / l2
    scale = l2 * np.sin(k * np.pi) / (k * np.pi)
    new_year = params.sel(dayofyear=1)
    assert new_year["shape"].item() == pytest.approx(k, rel=1e-9)
    assert new_year["scale"].item() == pytest.approx(scale, rel=1e-9)
    expected = l1 - scale * (1 / k - np.pi / np.sin(k * np.pi))
    assert new_year["location"].item() == pytest.approx(expected, rel=1e-9)


def test_spei_ends_where_its_distribution_does_and_needs_years() -> None:
    rng = np.random.default_rng(1)
    balance = water_balance(
        rain=by_month(rng.gamma(2, 50, 360)), pet=by_month(np.ones(360)), steps=1
    )
    params = fit_spei(balance=balance, start=START, end=END)
    assert (params["shape"] < 0).any()  # bounded below
    far = balance.copy(data=np.where(np.arange(360) % 2, 1e6, -1e6))
    np.testing.assert_array_equal(
        spei(balance=far, parameters=params).values, np.where(np.arange(360) % 2, 3.0, -3.0)
    )
    constant = fit_spei(balance=balance.copy(data=np.full(360, 7.0)), start=START, end=END)
    assert np.isnan(constant["scale"]).all()
    gaps = balance.where(balance["time"].dt.year >= 2002)
    assert np.isnan(fit_spei(balance=gaps, start=START, end=END)["scale"]).all()
    with pytest.raises(ValueError, match="expected 20 years or more, found 10"):
        fit_spei(balance=balance, start=START, end=datetime(2001, 1, 1, tzinfo=UTC))
    with pytest.raises(ValueError, match="expected totals over '1 x month', found '3 x month'"):
        spei(balance=accumulation(rain=balance, steps=3), parameters=params)
    with pytest.raises(ValueError, match="expected units 'mm', found 'degC'"):
        spei(balance=balance.assign_attrs(units="degC"), parameters=params)


def test_the_distribution_may_be_symmetric() -> None:
    x = np.repeat(np.array([-2.0, -1.0, 0.0, 1.0, 2.0] * 6), 12)
    balance = by_month(x)
    params = fit_spei(balance=balance, start=START, end=END)
    index = spei(balance=balance, parameters=params).values
    np.testing.assert_allclose(index[x == 0], 0, atol=1e-5)
    np.testing.assert_allclose(index[x == 2], -index[x == -2], atol=1e-5)


def test_evapotranspiration_as_in_fao_56() -> None:
    """Its examples 8 (Ra on 3 September at 20° S, 32.2 MJ) and 20 (Lyon in July: 5.0 mm)."""
    time = np.array(["1997-09-03", "1997-09-04"], "M8[ns]")
    cold, warm = (
        xr.DataArray([t, t], {"time": time}, attrs={"units": "degC"}) for t in (15.0, 31.0)
    )
    pet = pet_hargreaves(tmin=cold, tmax=warm, lat=xr.DataArray(-20.0))
    assert pet.values[0] == pytest.approx(0.0023 * 0.408 * 32.2 * 40.8 * 4.0, rel=2e-3)
    july = np.array(["2015-07-15", "2015-07-16"], "M8[ns]")
    cold, warm = (
        xr.DataArray([t, t], {"time": july}, attrs={"units": "degC"}) for t in (14.8, 26.6)
    )
    assert pet_hargreaves(tmin=cold, tmax=warm, lat=xr.DataArray(45.72)).values[0] == (
        pytest.approx(5.0, abs=0.05)
    )
    with pytest.raises(ValueError, match="expected at most tmax"):
        pet_hargreaves(tmin=warm, tmax=cold, lat=xr.DataArray(0.0))
    with pytest.raises(ValueError, match="within ±66 degrees"):
        pet_hargreaves(tmin=cold, tmax=warm, lat=xr.DataArray(70.0))
    with pytest.raises(ValueError, match="expected units 'degC', found 'K'"):
        pet_hargreaves(tmin=cold.assign_attrs(units="K"), tmax=warm, lat=xr.DataArray(0.0))


def test_evapotranspiration_on_a_grid_takes_the_latitude_of_each_row() -> None:
    time = np.arange("2015-01-01", "2015-12-31", dtype="M8[D]").astype("M8[ns]")
    lat = np.array([30.0, 10.0, -30.0])
    cold = xr.DataArray(
        np.full((time.size, 3, 2), 15.0), {"time": time, "lat": lat}, ("time", "lat", "lon"),
        attrs={"units": "degC"},
    )  # fmt: skip
    warm = (cold + 9).assign_attrs(units="degC")
    pet = pet_hargreaves(tmin=cold, tmax=warm, lat=cold["lat"])
    assert pet.dims == ("time", "lat", "lon")
    july, january = pet.sel(time="2015-07-10"), pet.sel(time="2015-01-10")
    assert (july[0] > july[1]).all()
    assert (july[1] > july[2]).all()
    assert (january[2] > january[0]).all()
    cell = pet_hargreaves(
        tmin=cold.isel(lat=1, lon=0), tmax=warm.isel(lat=1, lon=0), lat=xr.DataArray(10.0)
    )
    np.testing.assert_array_equal(pet.values[:, 1, 0], cell.values)

"""Return periods and levels of rain by hand and against an independent fit."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import dask
import numpy as np
import pytest
import xarray as xr

from pipeline.indices.extremes import (
    fit_regional,
    fit_return_period,
    return_level,
    return_level_interval,
    return_period,
)
from pipeline.indices.lmoments import l_moments
from pipeline.indices.rain import accumulation
from tests.indices.made_series import daily, refuse


def yearly(maxima: np.ndarray, first: int = 1981) -> xr.DataArray:
    """Daily rain whose highest of each year (rows) is given."""
    days = np.arange(f"{first}-01-01", f"{first + len(maxima)}-01-01", dtype="M8[D]")
    values = np.zeros((len(days), maxima.shape[1]))
    year = days.astype("M8[Y]").astype(int) + 1970 - first
    for row, highest in enumerate(maxima):
        values[np.flatnonzero(year == row)[200]] = highest
    return daily(values, f"{first}-01-01")


def span(first: int, years: int) -> dict[str, Any]:
    return {
        "start": datetime(first, 1, 1, tzinfo=UTC),
        "end": datetime(first + years, 1, 1, tzinfo=UTC),
    }


def test_l_moments_and_distributions_agree_with_lmoments3() -> None:
    import lmoments3
    from lmoments3 import distr

    rng = np.random.default_rng(4)
    maxima = rng.gumbel(60.0, 18.0, (40, 3)) + rng.gamma(1, 5, (40, 3))
    days = np.arange("1981-01-01", "2021-01-01", dtype="datetime64[D]")
    values = np.zeros((len(days), 3))
    years = days.astype("datetime64[Y]").astype(int) - 11
    for year in range(40):
        values[np.flatnonzero(years == year)[200]] = maxima[year]
    total = daily(values, "1981-01-01")
    start, end = datetime(1981, 1, 1, tzinfo=UTC), datetime(2021, 1, 1, tzinfo=UTC)
    gumbel = fit_return_period(total=total, start=start, end=end)
    gev = fit_return_period(total=total, start=start, end=end, distribution="gev")
    for zone in range(3):
        sample = maxima[:, zone]
        l1, l2, t3 = lmoments3.lmom_ratios(list(sample), nmom=3)
        moments = l_moments(sample)
        np.testing.assert_allclose(
            [moment.item() for moment in moments[:3]], [l1, l2, t3], rtol=1e-10
        )
        theirs = distr.gum.lmom_fit(sample)
        assert gumbel["location"].values[zone] == pytest.approx(theirs["loc"], rel=1e-6)
        assert gumbel["scale"].values[zone] == pytest.approx(theirs["scale"], rel=1e-6)
        # Hosking's approximation of k is within 9e-4 of the exact root that lmoments3 finds.
        theirs = distr.gev.lmom_fit(sample)
        assert gev["shape"].values[zone] == pytest.approx(theirs["c"], abs=2e-3)
        for years_back in (2, 10, 50):
            level = return_level(years=years_back, parameters=gev).values[zone]
            assert level == pytest.approx(distr.gev.ppf(1 - 1 / years_back, **theirs), rel=2e-3)
            back = xr.DataArray([level], {"time": days[:1].astype("M8[ns]")}, attrs={"units": "mm"})
            period = return_period(total=back, parameters=gev.isel(zone=zone))
            assert period.item() == pytest.approx(years_back, rel=1e-9)
    assert gumbel.attrs["n_years"] == 40
    assert gumbel.attrs["provisional_lt30y"] == 0
    huge = daily(np.full((2, 3), 900.0))
    np.testing.assert_array_equal(return_period(total=huge, parameters=gumbel).values, 80.0)
    np.testing.assert_array_equal(return_period(total=huge, parameters=gev).values, 80.0)


def test_a_short_or_broken_record_has_no_return_period() -> None:
    rng = np.random.default_rng(5)
    total = daily(rng.gamma(0.3, 20, (366 * 12, 2)), "2001-01-01")
    total[: 365 * 4, 1] = np.nan
    start, end = datetime(2001, 1, 1, tzinfo=UTC), datetime(2013, 1, 1, tzinfo=UTC)
    params = fit_return_period(total=total, start=start, end=end)
    assert params["n_years"].values.tolist() == [12, 8]
    assert np.isfinite(params["scale"].values).tolist() == [True, False]
    assert params.attrs["provisional_lt30y"] == 1
    period = return_period(total=total, parameters=params)
    assert np.isnan(period.values[:, 1]).all()
    assert period.values[:, 0].max() <= 24
    with pytest.raises(ValueError, match="expected 30 years for the GEV, found 12"):
        fit_return_period(total=total, start=start, end=end, distribution="gev")
    with pytest.raises(ValueError, match="expected totals over"):
        three = accumulation(rain=total, steps=3)
        return_period(
            total=total.assign_attrs(window="x"),
            parameters=fit_return_period(total=three, start=start, end=end),
        )


def test_return_period_is_monotone_and_lazy() -> None:
    total = daily(np.random.default_rng(6).gamma(0.3, 20, (365 * 22, 2)))
    start, end = datetime(2001, 1, 1, tzinfo=UTC), datetime(2022, 1, 1, tzinfo=UTC)
    with dask.config.set(scheduler=refuse):
        params = fit_return_period(total=total.chunk(time=500), start=start, end=end)
        lazy = return_period(total=total.chunk(time=500), parameters=params)
    eager = return_period(
        total=total, parameters=fit_return_period(total=total, start=start, end=end)
    )
    np.testing.assert_array_equal(lazy.compute(scheduler="sync").values, eager.values)
    rising = daily(np.repeat(np.linspace(0, 300, 50)[:, None], 2, axis=1))
    assert (
        np.diff(return_period(total=rising, parameters=params.compute()).values, axis=0) >= 0
    ).all()


def test_the_interval_is_that_of_a_plain_loop() -> None:
    rng = np.random.default_rng(9)
    maxima = rng.gumbel(60, 15, (25, 2))
    total = yearly(maxima)
    interval = return_level_interval(
        total=total, years=10, seed=3, replicates=200, coverage=0.8, **span(1981, 25)
    )
    draws = np.random.default_rng(3).integers(0, 25, (200, 25))
    levels = []
    for draw in draws:
        x = np.sort(maxima[draw, 0])
        l2 = 2 * (np.arange(25) * x).sum() / (25 * 24) - x.mean()
        alpha = l2 / np.log(2)
        levels.append(x.mean() - 0.5772156649 * alpha - alpha * np.log(-np.log(0.9)))
    expected = np.quantile(levels, [0.1, 0.9])
    assert interval["lower"].values[0] == pytest.approx(expected[0], rel=1e-9)
    assert interval["upper"].values[0] == pytest.approx(expected[1], rel=1e-9)
    assert interval.attrs["seed"] == 3
    again = return_level_interval(
        total=total.chunk(zone=1), years=10, seed=3, replicates=200, coverage=0.8, **span(1981, 25)
    )
    np.testing.assert_array_equal(again["upper"].compute(scheduler="sync"), interval["upper"])
    other_draws = return_level_interval(
        total=total, years=10, seed=4, replicates=200, coverage=0.8, **span(1981, 25)
    )
    assert (other_draws["upper"] != interval["upper"]).all()
    beyond = return_level_interval(total=total, years=51, seed=3, replicates=20, **span(1981, 25))
    assert np.isnan(beyond["upper"]).all()
    with pytest.raises(ValueError, match="coverage in"):
        return_level_interval(total=total, years=10, seed=3, coverage=1.0, **span(1981, 25))
    with pytest.raises(ValueError, match="expected 30 years for the GEV, found 25"):
        return_level_interval(total=total, years=10, seed=3, distribution="gev", **span(1981, 25))


def test_the_interval_covers_the_truth_about_as_often_as_it_says() -> None:
    rng = np.random.default_rng(10)
    total = yearly(rng.gumbel(60, 15, (40, 300)))
    interval = return_level_interval(
        total=total, years=20, seed=0, replicates=300, coverage=0.9, **span(1981, 40)
    )
    truth = 60 - 15 * np.log(-np.log(1 - 1 / 20))
    inside = ((interval["lower"] < truth) & (truth < interval["upper"])).mean()
    assert 0.82 < inside < 0.93  # a percentile bootstrap of 40 years is a little too narrow


def test_regional_gev_by_hand_against_lmoments3() -> None:
    import lmoments3
    from lmoments3 import distr

    rng = np.random.default_rng(11)
    mean = np.array([40.0, 80.0, 120.0, 70.0])
    maxima = distr.gev.rvs(-0.1, loc=0.8, scale=0.3, size=(20, 4), random_state=rng) * mean
    maxima[:8, 2] = np.nan
    total = yearly(maxima)
    total[: 8 * 365, 2] = np.nan
    region = xr.DataArray(["a", "a", "a", "b"], dims="zone")
    params = fit_regional(total=total, region=region, **span(1981, 20))
    assert params["n_years"].values.tolist() == [20, 20, 12, 20]
    assert params["station_years"].values.tolist() == [52, 52, 52, 20]
    sites = [lmoments3.lmom_ratios(list(column[~np.isnan(column)]), nmom=3) for column in
             maxima[:, :3].T]  # fmt: skip
    weights = np.array([20, 20, 12]) / 52
    t = sum(w * l2 / l1 for w, (l1, l2, _) in zip(weights, sites, strict=True))
    t3 = sum(w * moments[2] for w, moments in zip(weights, sites, strict=True))
    growth = distr.gev.lmom_fit(lmom_ratios=[1.0, t, t3])
    for zone, (l1, _, _) in enumerate(sites):
        level = return_level(years=20, parameters=params).values[zone]
        assert level == pytest.approx(l1 * distr.gev.ppf(0.95, **growth), rel=1e-3)
    assert np.isnan(params["scale"].values[3])  # 20 years in all of region b
    assert np.isnan(return_level(years=30, parameters=params).values[2])  # beyond 2 x 12
    rare = daily(np.full((2, 4), 1e4))
    assert return_period(total=rare, parameters=params).values[0, :3].tolist() == [40, 40, 24]
    with dask.config.set(scheduler=refuse):
        lazy = fit_regional(total=total.chunk(zone=2), region=region, **span(1981, 20))
    xr.testing.assert_allclose(lazy.compute(scheduler="sync"), params)
    with pytest.raises(ValueError, match="region: expected the dims"):
        fit_regional(total=total, region=xr.DataArray("a"), **span(1981, 20))

"""Onset and retreat of the wet season by hand, over New Year, and with what is missing."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import dask
import numpy as np
import pytest
import xarray as xr

from pipeline.indices.season import fit_wet_season, wet_season
from tests.indices.made_series import refuse

SPAN: dict[str, Any] = {
    "start": datetime(2001, 1, 1, tzinfo=UTC),
    "end": datetime(2013, 1, 1, tzinfo=UTC),
}


def rain_in(first: int, last: int, *, zones: int = 1, end: str = "2014-07-01") -> xr.DataArray:
    """8 mm on each day from one day of the year to another, over New Year if it is the lower."""
    time = np.arange("2001-01-01", end, dtype="M8[D]").astype("M8[ns]")
    day = (time.astype("M8[D]") - time.astype("M8[Y]")).astype(int) + 1
    wet = (day >= first) & (day <= last) if first <= last else (day >= first) | (day <= last)
    values = np.repeat(np.where(wet, 8.0, 0.0)[:, None], zones, axis=1)
    return xr.DataArray(values, {"time": time}, ("time", "zone"), attrs={"units": "mm"})


def test_a_block_of_wet_days_is_the_season() -> None:
    rain = rain_in(130, 290)
    params = fit_wet_season(rain=rain, **SPAN)
    assert params["onset"].item() == 130
    assert params["retreat"].item() == 290
    season = wet_season(rain=rain, parameters=params).isel(zone=0)
    for year in (2001, 2009, 2012, 2013):
        assert season["onset"].sel(year=year) == 130
        assert season["retreat"].sel(year=year) == 290
        assert season["length"].sel(year=year) == 161
    # The search of 2014 is not over: the record ends in July.
    assert np.isnan(season.sel(year=2014).to_array()).all()


def test_an_early_shower_and_a_late_monsoon() -> None:
    rain = rain_in(130, 290)
    params = fit_wet_season(rain=rain, **SPAN)
    changed = rain.copy(deep=True)
    changed.loc["2010-03-25":"2010-03-27"] = 20.0
    changed.loc["2010-05-01":"2010-05-31"] = 0.0
    season = wet_season(rain=changed, parameters=params).sel(year=2010).isel(zone=0)
    assert season["onset"].item() == 152  # 1 June: May was dry, and March undone by April
    assert season["retreat"].item() == 290
    assert wet_season(rain=changed, parameters=params)["onset"].sel(year=2011).item() == 130


def test_a_season_over_new_year_belongs_to_the_year_it_begins_in() -> None:
    rain = rain_in(270, 20)
    params = fit_wet_season(rain=rain, **SPAN)
    assert params["onset"].item() == 270
    assert params["retreat"].item() == 20
    season = wet_season(rain=rain, parameters=params).isel(zone=0)
    assert season["onset"].sel(year=2009) == 270
    assert season["retreat"].sel(year=2009) == 385  # 20 January 2010
    assert season["retreat"].sel(year=2008) == 386  # 2008 has a day more
    assert np.isnan(season["onset"].sel(year=2014))


def test_missing_days_are_taken_as_usual_up_to_a_tenth() -> None:
    rain = rain_in(130, 290, zones=2)
    params = fit_wet_season(rain=rain, **SPAN)
    gaps = rain.copy(deep=True)
    gaps.loc["2010-06-10":"2010-06-25", 0] = np.nan
    gaps.loc["2011-06-01":"2011-07-15", 0] = np.nan
    season = wet_season(rain=gaps, parameters=params)
    assert season["onset"].sel(year=2010).values.tolist() == [130, 130]
    assert np.isnan(season["onset"].sel(year=2011).values[0])
    assert season["onset"].sel(year=2011).values[1] == 130
    never = fit_wet_season(rain=rain.where(rain["time"].dt.year > 2005), **SPAN)
    assert np.isnan(never["onset"]).all()
    assert np.isnan(wet_season(rain=rain, parameters=never)["onset"]).all()


def test_layout_laziness_and_the_future_do_not_matter() -> None:
    rain = rain_in(130, 290, zones=3)
    rain = (rain + np.random.default_rng(0).gamma(0.3, 9, rain.shape)).assign_attrs(rain.attrs)
    params = fit_wet_season(rain=rain, **SPAN)
    eager = wet_season(rain=rain, parameters=params)
    with dask.config.set(scheduler=refuse):
        lazy = wet_season(
            rain=rain.chunk(time=500, zone=1),
            parameters=fit_wet_season(rain=rain.chunk(time=500, zone=1), **SPAN),
        )
    xr.testing.assert_allclose(lazy.compute(scheduler="sync"), eager)
    turned = wet_season(rain=rain.transpose("zone", "time"), parameters=params)
    xr.testing.assert_allclose(turned.transpose("year", "zone"), eager)
    before = wet_season(rain=rain.isel(time=slice(None, -200)), parameters=params)
    known = before["retreat"].notnull()
    assert int(known.sum()) == 3 * 13
    xr.testing.assert_equal(
        before["retreat"].where(known), eager["retreat"].sel(year=before["year"]).where(known)
    )
    assert eager.attrs["provisional_lt30y"] == 1
    assert abs(float(eager["onset"].mean()) - 130) < 5
    with pytest.raises(ValueError, match="expected daily steps"):
        wet_season(rain=rain.isel(time=slice(None, None, 2)), parameters=params)

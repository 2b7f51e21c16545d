"""River indices against hand-computed numbers and their invariants; low flow on a real series."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import dask
import numpy as np
import pandas as pd
import pytest
import scipy.stats
import xarray as xr

from pipeline.geography.places import basins
from pipeline.indices.river import (
    fit_stage_climatology,
    routed_rain,
    routing,
    stage_anomaly,
    unit_hydrograph,
)
from tests.indices.made_series import daily, refuse

PREK_KDAM = Path(__file__).parents[3] / "shared" / "gauges" / "prek_kdam_stage_daily_1960_2018.csv"


def test_unit_hydrograph_is_the_gamma_distribution_by_days() -> None:
    u = unit_hydrograph(mean_days=6.0, reservoirs=3)
    assert u.sum() == pytest.approx(1.0, abs=1e-12)
    distribution = scipy.stats.gamma(3, scale=2.0)
    assert u[2] == pytest.approx(
        (distribution.cdf(3) - distribution.cdf(2)) / distribution.cdf(len(u)), rel=1e-12
    )
    # Rain is spread over its day: the mean delay is that of the distribution less half a day.
    assert (u * (np.arange(len(u)) + 0.5)).sum() == pytest.approx(6.0, rel=0.01)
    with pytest.raises(ValueError, match=r"found 0\.0 d"):
        unit_hydrograph(mean_days=0.0)


def test_routing_adds_up_the_way_to_the_outlet() -> None:
    net = routing(basins=basins(), basin_lag_days=1.5)
    np.testing.assert_allclose(net["area_share"].sum("zone"), 1.0)
    top = net.sel(outlet="basin:lancang_tibet")
    assert top["area_share"].sel(zone="basin:lancang_tibet") == 1.0
    way = net["travel_time_d"].sel(outlet="basin:jinghong_chiang_saen", zone="basin:lancang_tibet")
    assert way.item() == pytest.approx(1.5 + 2.5 + 2.0 + 1.0)
    assert np.isnan(net["travel_time_d"].sel(outlet="basin:chi", zone="basin:mun"))


@pytest.fixture
def network() -> xr.Dataset:
    names = ["basin:far", "basin:near"]
    return xr.Dataset(
        {
            "area_share": (("outlet", "zone"), [[1.0, 0.0], [0.25, 0.75]]),
            "travel_time_d": (("outlet", "zone"), [[2.0, np.nan], [5.0, 2.0]]),
        },
        {"outlet": names, "zone": names},
    )


def rain_on(network: xr.Dataset, values: np.ndarray) -> xr.DataArray:
    zones = [*network["zone"].values, "city:other"]
    return daily(values, "1991-01-01").assign_coords(zone=zones)


def test_one_day_of_rain_arrives_as_the_unit_hydrographs(network: xr.Dataset) -> None:
    values = np.zeros((60, 3))
    values[20, 0], values[25, 1], values[30, 2] = 8.0, 4.0, 500.0
    routed = routed_rain(rain=rain_on(network, values), network=network)
    assert routed.dims == ("time", "outlet")
    expected = np.zeros(60)
    far, near = unit_hydrograph(mean_days=5.0), unit_hydrograph(mean_days=2.0)
    expected[20 : 20 + len(far)] += 0.25 * 8.0 * far
    expected[25 : 25 + len(near)] += 0.75 * 4.0 * near
    known = np.isfinite(routed.values[:, 1])
    assert known[20:].all()
    np.testing.assert_allclose(routed.values[known, 1], expected[known], atol=1e-12)
    # By the time the first days are known all of the response has been seen but a tenth.
    assert not known[:5].any()


def test_routed_rain_keeps_missing_missing(network: xr.Dataset) -> None:
    values = np.full((80, 3), 6.0)
    values[40:60, 0] = np.nan
    routed = routed_rain(rain=rain_on(network, values), network=network)
    assert np.isnan(routed.sel(outlet="basin:far").values[42:60]).all()
    np.testing.assert_allclose(routed.values[np.isfinite(routed.values)], 6.0)
    assert np.isnan(routed.sel(outlet="basin:near").values[55])  # a quarter of its rain is unknown
    lenient = routed_rain(rain=rain_on(network, values), network=network, min_share=0.7)
    assert lenient.sel(outlet="basin:near").values[55] == pytest.approx(6.0)


def test_routed_rain_is_lazy_and_blind_to_layout_and_future(network: xr.Dataset) -> None:
    rain = rain_on(network, np.random.default_rng(0).gamma(0.5, 9.0, (90, 3)))
    whole = routed_rain(rain=rain, network=network)
    with dask.config.set(scheduler=refuse):
        lazy = routed_rain(rain=rain.chunk(time=11, zone=1), network=network)
    np.testing.assert_array_equal(lazy.compute(scheduler="sync").values, whole.values)
    turned = routed_rain(rain=rain.transpose("zone", "time"), network=network)
    np.testing.assert_array_equal(turned.values.T, whole.values)
    past = routed_rain(rain=rain.isel(time=slice(0, 71)), network=network)
    np.testing.assert_array_equal(past.values, whole.values[:71])
    with pytest.raises(ValueError, match=r"found no \['basin:near'\]"):
        routed_rain(rain=rain.isel(zone=[0, 2]), network=network)


def test_stage_anomaly_by_hand() -> None:
    stage = daily(np.r_[np.full(365, 2.0), np.full(366, 5.0)], "2003-01-01", units="m")
    span: dict[str, Any] = {
        "start": datetime(2003, 1, 1, tzinfo=UTC),
        "end": datetime(2005, 1, 1, tzinfo=UTC),
    }
    usual = fit_stage_climatology(stage=stage, half_window_days=0, **span)
    assert usual["mean"].values[0] == 3.5
    assert usual["mean"].values[58] == pytest.approx((2 + 5 + 5) / 3)  # 28 and 29 February
    anomaly = stage_anomaly(stage=stage, parameters=usual)
    assert anomaly.sel(time="2004-02-29").item() == pytest.approx(1.0)
    assert anomaly.sel(time="2003-06-01").item() == -1.5
    assert np.isnan(stage_anomaly(stage=stage.where(stage > 3), parameters=usual).values[0])
    with pytest.raises(ValueError, match="expected units 'm', found 'cm'"):
        stage_anomaly(stage=stage.assign_attrs(units="cm"), parameters=usual)


@pytest.mark.skipif(not PREK_KDAM.exists(), reason="the gauge series is not beside the project")
def test_the_drought_of_2015_shows_at_prek_kdam() -> None:
    """A real series (CC0): the wet season of 2015 was the lowest in decades, that of 2000 high."""
    table = pd.read_csv(PREK_KDAM, parse_dates=["Date"], index_col="Date")["Height"]
    table = table[~table.index.duplicated()].asfreq("D")
    stage = daily(table.to_numpy(), str(table.index[0].date()), units="m")
    usual = fit_stage_climatology(
        stage=stage,
        start=datetime(1981, 1, 1, tzinfo=UTC),
        end=datetime(2011, 1, 1, tzinfo=UTC),
    )
    anomaly = stage_anomaly(stage=stage, parameters=usual)
    by_season = anomaly.sel(time=anomaly["time"].dt.month.isin([8, 9, 10]))
    mean = by_season.groupby("time.year").mean()
    assert mean.sel(year=2015) < -1.5
    assert mean.sel(year=2000) > 1.0
    assert int(mean.sel(year=slice(1981, 2018)).rank("year").sel(year=2015)) <= 2

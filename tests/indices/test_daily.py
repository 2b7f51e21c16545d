"""All indices of an areal record at once."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import dask
import numpy as np
import pytest
import xarray as xr

from pipeline.indices.daily import drought_state, fit_reference, risk, two_year_depths
from pipeline.indices.rain import pluvial_index
from tests.indices.made_series import refuse

START, END = datetime(2000, 1, 1, tzinfo=UTC), datetime(2022, 1, 1, tzinfo=UTC)


@pytest.fixture(scope="module")
def network() -> xr.Dataset:
    names = ["basin:a", "basin:b"]
    return xr.Dataset(
        {
            "area_share": (("outlet", "zone"), [[1.0, 0.0], [0.5, 0.5]]),
            "travel_time_d": (("outlet", "zone"), [[1.5, np.nan], [3.5, 1.5]]),
        },
        {"outlet": names, "zone": names},
    )


@pytest.fixture(scope="module")
def areal() -> xr.Dataset:
    """Synthetic record of 22 years and a bit, with the gaps that real ones have."""
    time = np.arange("2000-01-01", "2022-07-01", dtype="M8[D]").astype("M8[ns]")
    rng = np.random.default_rng(0)
    phase = 2 * np.pi * (np.arange(len(time)) - 30)[:, None] / 365.25
    rain = rng.gamma(0.4, 12.0 * (1.1 - np.cos(phase)), (len(time), 3))
    wet = np.zeros_like(rain)
    for day in range(1, len(rain)):
        wet[day] = 0.97 * wet[day - 1] + rain[day] / 900
    soil = np.clip(0.1 + wet, 0, 1)
    soil[: 365 * 15] = np.nan
    sparse = np.where((np.arange(len(time)) % 30 == 5)[:, None], 1.0, np.nan)
    rain[rng.random(len(time)) < 0.004] = np.nan
    fields = {
        "rain": (rain, "mm"),
        "soil_moisture": (soil, "m3 m-3"),
        "ndvi": (np.clip(0.3 + wet, 0, 1) * sparse, "1"),
        "lst": ((305 - 10 * wet) * sparse, "K"),
    }
    return xr.Dataset(
        {k: (("time", "zone"), v.astype("f4"), {"units": u}) for k, (v, u) in fields.items()},
        {"time": time, "zone": ["basin:a", "basin:b", "city:c"]},
        {"origin": "virtual"},
    )


@pytest.fixture(scope="module")
def parameters(areal: xr.Dataset) -> dict[str, xr.Dataset]:
    return fit_reference(areal, start=START, end=END)


def test_a_reference_period_begins_with_its_inputs(parameters: dict[str, xr.Dataset]) -> None:
    begins = {
        name: fitted.attrs["reference_period"].partition("/")[0]
        for name, fitted in parameters.items()
    }
    assert begins["spi90"] == begins["rain_1d"] == "2000-01-01"
    # 15 times 365 days without soil moisture, with four 29ths of February
    assert begins["soil_moisture"] == begins["score"] == "2014-12-28"
    assert begins["vegetation"] == "2000-01-06"
    assert parameters["soil_moisture"].attrs["n_years"] == 8


def test_risk_is_complete_lazy_and_writes_as_cf(
    areal: xr.Dataset, parameters: dict[str, xr.Dataset], network: xr.Dataset, tmp_path: Path
) -> None:
    with dask.config.set(scheduler=refuse):
        lazy = risk(areal.chunk(time=300), parameters=parameters, network=network)
    ds = lazy.compute(scheduler="sync")
    eager = risk(areal, parameters=parameters, network=network)
    xr.testing.assert_equal(ds, eager)
    names = {
        "rain_1d", "rain_3d", "rain_7d", "rain_30d", "rain_90d", "api", "dry_spell",
        "rain_return_period",
        "routed_rain", "spi30", "spi90", "soil_moisture_percentile", "vhi", "drought_score",
        "drought_class", "cdi",
    }  # fmt: skip
    assert set(ds.data_vars) == names
    for da in ds.values():
        assert da.dims == ("time", "zone")
        assert {"units", "long_name"} <= set(da.attrs)
    assert ds.attrs["origin"] == "virtual"
    assert ds.attrs["provisional_lt30y"] == 1
    ds.to_netcdf(tmp_path / "risk.nc", engine="h5netcdf")
    with xr.open_dataset(tmp_path / "risk.nc", engine="h5netcdf") as back:
        xr.testing.assert_equal(back.load(), ds)
    assert ds["routed_rain"].sel(zone="city:c").isnull().all()
    assert ds["routed_rain"].sel(zone="basin:b")[100:].notnull().mean() > 0.8


def test_a_lost_day_blanks_short_windows_only(
    areal: xr.Dataset, parameters: dict[str, xr.Dataset], network: xr.Dataset
) -> None:
    cut = areal.isel(time=slice(-500, None)).copy(deep=True)
    cut["rain"][:] = cut["rain"].fillna(0.0)
    cut["rain"][490] = np.nan
    ds = risk(cut, parameters=parameters, network=network).isel(time=490)
    for name in ("rain_1d", "rain_3d", "rain_7d", "rain_return_period", "dry_spell"):
        assert ds[name].isnull().all(), name
    for name in ("rain_30d", "spi30", "spi90", "drought_class", "cdi"):
        assert ds[name].notnull().all(), name
    cut["rain"][470:495] = np.nan
    ds = risk(cut, parameters=parameters, network=network).isel(time=495)
    for name in ("rain_30d", "spi30", "spi90", "drought_score", "drought_class", "cdi"):
        assert ds[name].isnull().all(), name


def test_state_follows_its_parts(areal: xr.Dataset, parameters: dict[str, xr.Dataset]) -> None:
    state = drought_state(areal, parameters=parameters)
    known = state["drought_class"].sel(time=slice("2000-06", "2021")).values
    shares = [(known >= k).mean() for k in range(5)]
    np.testing.assert_allclose(shares, [0.309, 0.212, 0.097, 0.055, 0.023], atol=0.035)
    late = areal.copy(deep=True)
    late["soil_moisture"][-4:] = np.nan  # late by four days: the last value still counts
    last = drought_state(late, parameters=parameters).isel(time=-1)
    assert last["soil_moisture_percentile"].notnull().all()
    late["soil_moisture"][-9:] = np.nan
    assert (
        drought_state(late, parameters=parameters)
        .isel(time=-1)["soil_moisture_percentile"]
        .isnull()
        .all()
    )
    np.testing.assert_array_equal(
        state["spi90"].values, drought_state(late, parameters=parameters)["spi90"].values
    )


def test_chosen_indices_are_those_of_all(
    areal: xr.Dataset, parameters: dict[str, xr.Dataset]
) -> None:
    names = ("spi_90d", "soil_moisture_percentile", "drought_score")
    bare = areal.drop_vars(["ndvi", "lst"])
    fitted = fit_reference(bare, start=START, end=END, names=names)
    assert sorted(fitted) == ["score", "soil_moisture", "spi90"]
    assert all(params.identical(parameters[name]) for name, params in fitted.items())
    chosen = drought_state(bare, parameters=fitted, names=names)
    everything = drought_state(areal, parameters=parameters)
    xr.testing.assert_identical(
        chosen, everything[["spi90", "soil_moisture_percentile", "drought_score"]]
    )


def test_pluvial_depths_come_from_the_daily_record(parameters: dict[str, xr.Dataset]) -> None:
    depth = two_year_depths(parameters=parameters)
    assert depth["duration_h"].values.tolist() == [1, 3, 6, 24, 72]
    assert (depth.diff("duration_h") > 0).all()
    time = np.datetime64("2022-06-01", "ns") + np.arange(200) * np.timedelta64(30, "m")
    rain = xr.DataArray(
        np.zeros((200, 3)), {"time": time, "zone": depth["zone"]}, attrs={"units": "mm"}
    )
    rain[150, 0] = float(depth.sel(duration_h=1).values[0])
    index = pluvial_index(rain=rain, depth=depth)
    np.testing.assert_allclose(index.values[150], [1.0, 0.0, 0.0])

"""Packing of indices, and parameters on the way to the archive and back."""

from __future__ import annotations

from datetime import UTC, datetime

import numpy as np
import xarray as xr
from hypothesis import given
from hypothesis import strategies as st

from pipeline.gridded import encoding
from pipeline.indices.common import slots
from pipeline.indices.drought import fit_percentile, percentile
from pipeline.indices.spi import fit_spi, spi
from tests.indices.made_series import END, START, days

AVAILABLE = datetime(2021, 1, 2, 0, 30, tzinfo=UTC)
SPACE = {"lat": np.array([10.15, 10.05]), "lon": np.array([100.05, 100.15, 100.25])}


def cells(units: str, scale: float) -> xr.DataArray:
    time = days("1991-01-01", "2021-01-01").astype("M8[ns]")
    values = np.random.default_rng(0).gamma(2.0, scale, (len(time), 6)).astype("f4")
    return xr.DataArray(values, {"time": time}, ("time", "cell"), name="x", attrs={"units": units})


@given(st.lists(st.one_of(st.just(np.nan), st.floats(0, 6000)), min_size=1, max_size=20))
def test_packing_keeps_half_a_step_and_what_is_missing(values: list[float]) -> None:
    da = xr.DataArray(np.array(values, "f4"), attrs={"units": "mm"})
    packed = encoding.pack(da)
    back = np.where(packed == 65535, np.nan, packed * 0.1)
    np.testing.assert_allclose(back, da, atol=0.0501)


def test_packing_never_turns_a_large_value_into_a_missing_one() -> None:
    rain = xr.DataArray(np.array([6553.4, 7000.0, 1e9, np.nan], "f4"), attrs={"units": "mm"})
    assert encoding.pack(rain).tolist() == [65534, 65534, 65534, 65535]
    flags = {"units": "1", "flag_values": [-1.0, 4.0]}
    classes = xr.DataArray(np.array([-1.0, 4.0, np.nan], "f4"), attrs=flags)
    assert encoding.pack(classes).tolist() == [-1, 4, -128]


def test_the_seasons_that_a_night_needs_wrap_with_the_year() -> None:
    slot = np.array([350, 351, 365, 1, 14, 15, 16, 17])
    assert encoding._find_near(slot, np.array([1]), days=15).tolist() == [1, 2, 3, 4, 5, 6]


def test_parameters_come_back_for_the_season_of_a_night() -> None:
    rain, soil = cells("mm", 30.0), cells("m3 m-3", 0.1)
    params = {
        "spi_90d": fit_spi(total=rain, start=START, end=END),
        "soil_moisture": fit_percentile(values=soil, start=START, end=END),
    }
    stored = encoding.build_reference_template(params, SPACE, available=AVAILABLE, snapshot="abc")
    assert stored.attrs["reference_period"] == "1991-01-01/2021-01-01"
    slot = slots(stored["soil_moisture__time"].values, "dayofyear")
    assert (np.diff(slot) >= 0).all(), "a season lies together"
    for name, values in encoding.flatten(params).items():
        stored[name] = stored[name].copy(data=values.reshape(stored[name].shape))
    new_year = rain["time"].values[[-1, 0]]
    back = encoding.unflatten(stored, days=new_year)
    for fitted, restored in ((params[name], back[name]) for name in params):
        assert restored.attrs == fitted.attrs
    night = {"time": np.sort(new_year)}
    xr.testing.assert_identical(
        spi(total=rain.sel(night), parameters=back["spi_90d"]),
        spi(total=rain.sel(night), parameters=params["spi_90d"]),
    )
    xr.testing.assert_identical(
        percentile(values=soil.sel(night), parameters=back["soil_moisture"]),
        percentile(values=soil.sel(night), parameters=params["soil_moisture"]),
    )
    # 16 December to 16 January: 32 days of 30 years, and no 29 February.
    assert back["soil_moisture"].sizes["sample_time"] == 32 * 30
    assert back["spi_90d"]["scale"].notnull().any("cell").sum() == 2


def test_a_step_is_stored_as_small_numbers_in_blocks_that_can_be_written_alone() -> None:
    like = {
        "rain_7d": xr.DataArray(0.0, attrs={"units": "mm"}),
        "spi_30d": xr.DataArray(0.0, attrs={"units": "1", "long_name": "SPI"}),
        "cdi": xr.DataArray(0.0, attrs={"units": "1", "flag_values": [0.0, 1.0]}),
    }
    times = days("2021-01-01", "2021-01-03").astype("M8[ns]")
    template = encoding.build_step_template(
        like, times, SPACE, available=AVAILABLE, reference="00ff"
    )
    kinds = {name: np.dtype(template[name].encoding["dtype"]).str for name in like}
    assert kinds == {"rain_7d": "<u2", "spi_30d": "<i2", "cdi": "|i1"}
    for name, da in like.items():
        assert template[name].shape == (2, 2, 3)
        assert template[name].isnull().all()
        assert template[name].attrs == da.attrs
        assert template[name].encoding["chunks"] == (366, encoding.ROWS, encoding.COLUMNS)
        step = template[name].encoding["scale_factor"]
        assert encoding.pack(da.expand_dims("time") + step).tolist() == [1]
    assert set(template["available_time"].values) == {np.datetime64("2021-01-02T00:30")}
    assert template["digest"].values.tolist() == [255, 255]
    assert encoding.to_marker("ffff") == -1

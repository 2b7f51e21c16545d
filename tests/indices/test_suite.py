"""The list of indices, what every family computes of it, and what holds of every index."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime

import dask
import numpy as np
import pytest
import xarray as xr
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.gridded.cells import Cells, compute_daily
from pipeline.indices import suite
from pipeline.indices.daily import drought_state, fit_reference, risk
from pipeline.indices.monthly import compute_standardised
from tests.indices.index_cases import (
    INDICES,
    Index,
    fitted_params,
    no_params,
    one_region,
    series,
    tail,
    whole,
)
from tests.indices.made_series import refuse

START, END = datetime(2001, 1, 1, tzinfo=UTC), datetime(2021, 1, 1, tzinfo=UTC)
UNITS = {
    "rain": "mm", "pet": "mm", "runoff": "mm", "soil_moisture": "m3 m-3", "ndvi": "1", "lst": "K",
    "discharge": "m3 s-1",
}  # fmt: skip
NAMES = {
    "zones": "rain_1d rain_3d rain_7d rain_30d rain_90d api dry_spell rain_return_period "
    "routed_rain spi30 spi90 soil_moisture_percentile vhi drought_score drought_class cdi",
    "cells": "rain_3d rain_7d rain_30d rain_90d api dry_spell rain_return_period spi_30d spi_90d "
    "soil_moisture_percentile vhi drought_score drought_class cdi spei_30d spei_90d",
    "months": "spi_1m spei_1m spi_3m spei_3m spi_6m spei_6m spi_9m spei_9m spi_12m spei_12m "
    "ssi_1m ssi_3m sri_1m sri_3m sri_6m sri_12m sdi_1m sdi_3m sdi_6m sdi_12m low_flow_ratio "
    "wet_season_onset wet_season_retreat wet_season_length",
}
"""Names in archive and published files; users read them by these."""


def inputs(step: str, dim: str) -> dict[str, xr.DataArray]:
    time = np.arange("2001-01", "2021-01", dtype="M8[M]").astype(f"M8[{step}]")
    time = np.arange(time[0], time[-1] + 1).astype("M8[ns]")
    rng = np.random.default_rng(1)
    return {
        name: xr.DataArray(
            rng.gamma(2.0, 0.2, (time.size, 1)),
            {"time": time},
            ("time", dim),
            attrs={"units": units},
        )
        for name, units in UNITS.items()
    }


@pytest.fixture(scope="module")
def areal() -> xr.Dataset:
    names = ("rain", "soil_moisture", "ndvi", "lst")
    values = inputs("D", "zone")
    return xr.Dataset({name: values[name] for name in names}).assign_coords(zone=["basin:a"])


@pytest.fixture(scope="module")
def params(areal: xr.Dataset) -> dict[str, xr.Dataset]:
    return fit_reference(areal, start=START, end=END)


@pytest.fixture(scope="module")
def network() -> xr.Dataset:
    names = ["basin:a"]
    fields = {"area_share": [[1.0]], "travel_time_d": [[1.5]]}
    return xr.Dataset(
        {name: (("outlet", "zone"), shares) for name, shares in fields.items()},
        {"outlet": names, "zone": names},
    )


@pytest.mark.parametrize("family", ["zones", "cells", "months"])
def test_published_and_stored_names(family: suite.Family) -> None:
    assert [row.name_in(family) for row in suite.select(family)] == NAMES[family].split()


def test_every_index_stands_after_its_inputs() -> None:
    before = set(UNITS)
    for row in suite.SUITE:
        assert set(row.inputs) <= before, row.name
        assert row.valid_min < row.valid_max, row.name
        assert suite.INDICES[row.name] is row, "a name has one row"
        before.add(row.name)


def test_zones_have_the_indices_of_the_list(
    areal: xr.Dataset, params: dict[str, xr.Dataset], network: xr.Dataset
) -> None:
    ds = risk(areal, parameters=params, network=network)
    assert list(ds.data_vars) == NAMES["zones"].split()
    for row in suite.select("zones"):
        da = ds[row.name_in("zones")]
        assert da.attrs["units"] == row.units
        assert da.attrs["long_name"] == (row.zone_long_name or row.long_name)
    state = drought_state(areal, parameters=params)
    assert list(state.data_vars) == NAMES["zones"].split()[-7:]
    assert list(params) == [
        "rain_1d",
        "rain_3d",
        "spi30",
        "spi90",
        "soil_moisture",
        "vegetation",
        "score",
    ]


def test_cells_have_the_indices_of_the_list() -> None:
    values = inputs("D", "cell")
    cells = Cells(**{name: da for name, da in values.items() if name != "discharge"})
    days = np.arange(cells.rain.sizes["time"])
    indices = dict(compute_daily(cells, {}, days=days, period=(START, END)))
    assert set(indices) == set(NAMES["cells"].split())
    for name, da in indices.items():
        assert da.attrs["units"] == suite.INDICES[name].units
        assert da.attrs["long_name"] == suite.INDICES[name].long_name


def test_months_have_the_indices_of_the_list() -> None:
    values, params = inputs("M", "zone"), dict[str, xr.Dataset]()
    months = values["rain"]["time"].values[-3:]
    indices = dict(compute_standardised(values, params, months=months, period=(START, END)))
    own = {"low_flow_ratio", "wet_season_onset", "wet_season_retreat", "wet_season_length"}
    assert [*indices] == [name for name in NAMES["months"].split() if name not in own]
    assert [*params] == [*indices]
    for name, da in indices.items():
        assert da.attrs["long_name"] == suite.INDICES[name].long_name


def test_a_row_is_all_that_zones_and_months_need(
    areal: xr.Dataset,
    params: dict[str, xr.Dataset],
    network: xr.Dataset,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    row = replace(suite.INDICES["rain_7d"], name="rain_5d", window=5, families=("zones",))
    month = replace(suite.INDICES["spi_1m"], name="spi_2m", window=2)
    monkeypatch.setattr(suite, "SUITE", (*suite.SUITE, row, month))
    monkeypatch.setitem(suite.INDICES, row.name, row)
    ds = risk(areal, parameters=params, network=network)
    total = float(areal["rain"][-5:].sum())
    assert float(ds["rain_5d"][-1, 0]) == pytest.approx(total)
    values = {"rain": inputs("M", "zone")["rain"]}
    months = values["rain"]["time"].values[-1:]
    assert "spi_2m" in dict(compute_standardised(values, {}, months=months, period=(START, END)))


def test_other_units_than_those_of_the_row_are_refused() -> None:
    celsius = xr.DataArray([1.0], attrs={"units": "degC"}, name="api")
    with pytest.raises(ValueError, match="api: expected units 'mm', found 'degC'"):
        suite.INDICES["api"].describe(celsius)


def test_parameters_depend_on_the_inputs_in_the_end() -> None:
    expected = {
        "rain_3d": {"rain"}, "spi_90d": {"rain"}, "spei_30d": {"rain", "pet"}, "spi_6m": {"rain"},
        "spei_12m": {"rain", "pet"}, "ssi_3m": {"soil_moisture"}, "sri_1m": {"runoff"},
        "soil_moisture": {"soil_moisture"}, "score": {"rain", "soil_moisture"},
        "vegetation": {"ndvi", "lst"},
    }  # fmt: skip
    assert {name: suite.inputs_of(name) for name in expected} == expected


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
@settings(max_examples=15)
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

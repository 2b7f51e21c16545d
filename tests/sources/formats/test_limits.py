"""Impossible values become missing and are counted; many, or cells never written, are refused."""

from pathlib import Path
from typing import Any

import netCDF4
import numpy as np
import pytest
import xarray as xr

from pipeline.geography.variables import VARIABLES
from pipeline.sources.base import BadGranule
from pipeline.sources.formats.limits import mask_impossible, refuse_fills

FILE = Path("granule.nc")
DEFAULT = 9.969209968386869e36


def field(name: str, *wrong: float, cells: int = 400, usual: float = 0.5) -> xr.Dataset:
    values = np.full((1, 20, cells // 20), usual, np.float32)
    values.ravel()[: len(wrong)] = wrong
    return xr.Dataset({name: (("time", "lat", "lon"), values)}, attrs={"version": "V07B"})


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("rain_rate", 1e30), ("rain_rate", 500.1), ("rain_rate", -1.0), ("rain", 2000.5),
        ("rain", -0.1), ("soil_moisture", 1.01), ("soil_moisture", -0.01),
        ("soil_moisture_surface", 65.0), ("soil_moisture_profile", -9999.0),
        ("ndvi", 1.5), ("lst", 0.02), ("air_temperature", 27.0), ("n_valid", 49.0),
        ("runoff", -1.0), ("root_water", 1e6), ("pet", 1e4), ("flood_share", 1.2),
    ],
)  # fmt: skip
def test_an_impossible_cell_is_missing_and_counted(name: str, value: float) -> None:
    usual = 300.0 if VARIABLES[name].units == "K" else 0.5
    before = field(name, value, usual=usual)
    ds = mask_impossible(before, FILE)
    assert np.isnan(ds[name].values[0, 0, 0])
    assert int(ds[name].isnull().sum()) == 1
    assert np.nanmax(ds[name]) == np.nanmin(ds[name]) == usual
    count = ds.attrs["out_of_range"]
    assert set(count) == {name}
    assert count[name]["cells"] == 1
    assert count[name]["worst"] == pytest.approx(value, rel=1e-6)
    assert ds[name].dtype == np.float32
    assert ds.attrs["version"] == "V07B"
    assert float(before[name][0, 0, 0]) == np.float32(value), "what was given is left as it is"


@pytest.mark.parametrize("value", [np.inf, -np.inf])
def test_an_infinity_is_missing_and_told_as_a_number_that_json_knows(value: float) -> None:
    ds = mask_impossible(field("rain_rate", value), FILE)
    assert int(ds["rain_rate"].isnull().sum()) == 1
    worst = ds.attrs["out_of_range"]["rain_rate"]["worst"]
    assert worst == np.sign(value) * np.finfo(np.float64).max


def test_the_worst_is_the_one_furthest_out() -> None:
    ds = mask_impossible(field("rain_rate", 600.0, -300.0, 501.0), FILE)
    assert ds.attrs["out_of_range"] == {"rain_rate": {"cells": 3, "worst": -300.0}}


@pytest.mark.parametrize("wrong", [4, 5])
def test_more_than_a_hundredth_of_what_is_there_refuses_the_file(wrong: int) -> None:
    ds = field("rain_rate", *[700.0] * wrong, *[np.nan] * 20, cells=420)
    if wrong == 4:  # of 400 cells with a value
        assert mask_impossible(ds, FILE).attrs["out_of_range"]["rain_rate"]["cells"] == 4
        return
    with pytest.raises(
        BadGranule,
        match=r"granule.nc: expected rain_rate in 0\.\.500 mm h-1, "
        r"found 5 of 400 cells outside, the worst 700",
    ):
        mask_impossible(ds, FILE)


def test_every_variable_has_a_count_of_its_own() -> None:
    ds = mask_impossible(field("rain", 3000.0).merge(field("n_valid", 48.0, 50.0)), FILE)
    assert ds.attrs["out_of_range"] == {
        "rain": {"cells": 1, "worst": 3000.0}, "n_valid": {"cells": 1, "worst": 50.0},
    }  # fmt: skip


@pytest.mark.parametrize("cells", [(0.0, 500.0), (np.nan,) * 400, ()])
def test_possible_and_missing_values_pass_untold(cells: tuple[float, ...]) -> None:
    ds = field("rain_rate", *cells)
    assert mask_impossible(ds, FILE) is ds
    empty = ds.isel(time=slice(0, 0))
    assert mask_impossible(empty, FILE) is empty
    renamed = ds.rename(rain_rate="something")
    assert mask_impossible(renamed, FILE) is renamed


def test_what_rounding_alone_puts_outside_is_at_the_end() -> None:
    ds = mask_impossible(field("soil_moisture", -3e-8, 1.0000002), FILE)
    assert ds["soil_moisture"].values.ravel()[:2].tolist() == [0.0, 1.0]
    assert "out_of_range" not in ds.attrs


@pytest.mark.parametrize(
    ("dtype", "value", "declared"),
    [
        ("f4", DEFAULT, -9999.9), ("f8", DEFAULT, -9999.9), ("f4", 3.4028235e38, -9999.9),
        ("f4", -3.4028235e38, -9999.9), ("f8", 1.7976931348623157e308, np.nan),
        ("f8", 3.4028234663852886e38, -9999.0), ("i2", -32767, -9999), ("i2", 32767, -9999),
        ("i2", -32768, -9999), ("u2", 65535, 0), ("i4", -2147483647, -9999),
        ("i4", 2147483647, -9999), ("i4", -2147483648, [-9999, -1]), ("u4", 4294967295, 0),
        ("u1", 255, 254), ("u1", 255, [0, 254]), ("i1", 127, -1), ("i1", -128, -1),
        ("i1", -127, -128), ("i8", -9223372036854775806, -9999), (">f4", DEFAULT, -9999.9),
        (">i2", -32767, -3000),
    ],
)  # fmt: skip
def test_a_cell_that_was_never_written_refuses_the_file(
    dtype: str, value: float, declared: Any
) -> None:
    values = np.ones((3, 4), dtype)
    refuse_fills(values, declared, FILE, "rain")
    values[1, 2] = value
    with pytest.raises(BadGranule, match=r"granule.nc: expected rain with fill .*1 cells of "):
        refuse_fills(values, declared, FILE, "rain")
    refuse_fills(values, value, FILE, "rain")
    refuse_fills(values, [-99, value], FILE, "rain")
    refuse_fills(values, None, FILE, "rain")


def test_the_default_fills_are_those_of_the_library() -> None:
    for kind, fill in netCDF4.default_fillvals.items():
        if kind[0] in "iuf":
            with pytest.raises(BadGranule):
                refuse_fills(np.array([0, fill], kind), 1, FILE, "rain")


def test_codes_that_are_data_pass() -> None:
    refuse_fills(np.array([255, 0, 127], "u1"), None, FILE, "ndvi")
    refuse_fills(np.array([255, 0, 127], "u1"), 254, FILE, "ndvi", valid=(0, 255))
    refuse_fills(np.array([255, 0, 127], "u1"), 254, FILE, "ndvi", valid=(-np.inf, 255))
    refuse_fills(np.array([-127, -128, 127], "i1"), 0, FILE, "ndvi", valid=(-128, 127))
    refuse_fills(np.array([254, 0], "u1"), 255, FILE, "ndvi")
    refuse_fills(np.array([0, 65535], "u2"), 1, FILE, "lst", valid=(7500, 65535))
    refuse_fills(np.array([0], "u2"), 65535, FILE, "lst")
    refuse_fills(np.array([np.inf, np.nan, 1e30], "f4"), -9999.9, FILE, "rain")
    refuse_fills(np.empty(0, "f4"), -9999.9, FILE, "rain")


@pytest.mark.parametrize(
    ("dtype", "valid"),
    [("u1", (1, np.inf)), ("u1", (0, 254)), ("i1", (-127, np.inf)), ("i1", (-np.inf, 100))],
)
def test_a_range_that_does_not_reach_the_extreme_does_not_excuse_it(
    dtype: str, valid: tuple[float, float]
) -> None:
    values = np.array([5, np.iinfo(dtype).max], dtype)
    with pytest.raises(BadGranule, match=r"1 cells of (255|127), which were never written"):
        refuse_fills(values, 0, FILE, "rain", valid=valid)

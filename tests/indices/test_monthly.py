"""Standardised indices of calendar months: those of plain calls, for the inputs there are."""

from __future__ import annotations

from typing import Any

import numpy as np
import xarray as xr

from pipeline.indices.flow import fit_sri, sri
from pipeline.indices.monthly import compute_standardised
from pipeline.indices.rain import accumulation
from pipeline.indices.spi import fit_spi, spi
from tests.indices.made_series import END, START, by_month

MONTHS = np.array(["2020-11-01", "2020-12-01", "2021-01-01"], "M8[ns]")
PERIOD = START, END


def amounts(seed: int, units: str = "mm") -> xr.DataArray:
    return by_month(np.random.default_rng(seed).gamma(2.0, 40.0, (360, 2)), units)


def compute(
    values: dict[str, xr.DataArray], params: dict[str, xr.Dataset], **period: Any
) -> dict[str, xr.DataArray]:
    return dict(compute_standardised(values, params, months=MONTHS, **period))


def test_months_are_those_of_plain_calls() -> None:
    rain, runoff = amounts(1), amounts(2)
    indices = compute({"rain": rain, "runoff": runoff}, {}, period=PERIOD)
    total = accumulation(rain=rain, steps=6)
    expected = spi(total=total, parameters=fit_spi(total=total, start=START, end=END))
    np.testing.assert_array_equal(indices["spi_6m"][:2], expected[-2:])
    total = accumulation(rain=runoff, steps=3)
    expected = sri(runoff=total, parameters=fit_sri(runoff=total, start=START, end=END))
    np.testing.assert_array_equal(indices["sri_3m"][:2], expected[-2:])
    for name, index in indices.items():
        assert index["time"].values.tolist() == MONTHS.tolist(), name
        assert index[-1].isnull().all(), "a month that no input has"


def test_an_absent_input_has_no_index() -> None:
    windows = {"spi": (1, 3, 6, 9, 12), "spei": (1, 3, 6, 9, 12), "ssi": (1, 3),
               "sri": (1, 3, 6, 12), "sdi": (1, 3, 6, 12)}  # fmt: skip
    inputs = {"spi": ("rain",), "spei": ("rain", "pet"), "ssi": ("soil_moisture",),
              "sri": ("runoff",), "sdi": ("discharge",)}  # fmt: skip
    units = {"soil_moisture": "m3 m-3", "discharge": "m3 s-1"}
    for index, names in inputs.items():
        values = {name: amounts(3 + k, units.get(name, "mm")) for k, name in enumerate(names)}
        families = {index, "spi"} if "rain" in names else {index}
        expected = {f"{name}_{months}m" for name in families for months in windows[name]}
        assert set(compute(values, {}, period=PERIOD)) == expected
    assert compute({"pet": amounts(9)}, {}, period=PERIOD) == {}


def test_spei_is_on_the_months_of_rain_and_evaporation() -> None:
    rain, pet = amounts(1), amounts(2).isel(time=slice(24, -1))
    indices = compute({"rain": rain, "pet": pet}, {}, period=PERIOD)
    known = {name: indices[f"{name}_1m"].notnull().all("zone").values for name in ("spi", "spei")}
    assert known["spi"].tolist() == [True, True, False]
    assert known["spei"].tolist() == [True, False, False]


def test_parameters_are_fitted_once_and_then_applied() -> None:
    values, params = {"rain": amounts(1)}, dict[str, xr.Dataset]()
    fitted = compute(values, params, period=PERIOD)
    assert params.keys() == fitted.keys()
    doubled = {"rain": (values["rain"] * 2).assign_attrs(units="mm")}
    again = compute(values, dict(params))
    wetter = compute(doubled, dict(params))
    for name, index in fitted.items():
        xr.testing.assert_identical(again[name], index)
        assert (wetter[name][:2] > index[:2]).all(), "against the parameters of before"

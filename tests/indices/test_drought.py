"""Seasonal percentile, drought score and class, and the combined indicator by hand."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import dask
import numpy as np
import pytest
import xarray as xr
from scipy.special import ndtr

from pipeline.indices import common
from pipeline.indices.drought import (
    PERCENTILE_BOUNDS,
    SPI_BOUNDS,
    drought_score,
    fit_percentile,
    fit_score,
    mekong_cdi,
    percentile,
    usdm_class,
)
from pipeline.indices.rain import accumulation
from pipeline.indices.spi import fit_spi, spi
from pipeline.indices.vegetation import fit_vegetation, tci, vci, vhi
from tests.indices.made_series import END, NAN, START, days, rain_of_31_years, refuse, series


@pytest.fixture(scope="module")
def rain() -> xr.DataArray:
    return rain_of_31_years()


def test_the_past_does_not_change_with_the_future(rain: xr.DataArray) -> None:
    def everything(da: xr.DataArray) -> list[np.ndarray]:
        total = accumulation(rain=da, steps=90, min_share=0.9)
        z = spi(total=total, parameters=fit_spi(total=total, start=START, end=END))
        p = percentile(values=da, parameters=fit_percentile(values=da, start=START, end=END))
        return [z.values, p.values]

    cut = rain.sel(time=slice(None, "2021-02-11"))
    for whole, part in zip(everything(rain), everything(cut), strict=True):
        np.testing.assert_array_equal(whole[: len(part)], part)


def test_all_is_lazy_and_chunks_do_not_matter(rain: xr.DataArray) -> None:
    def everything(da: xr.DataArray) -> xr.Dataset:
        total = accumulation(rain=da, steps=90)
        params = fit_spi(total=total, start=START, end=END)
        z = spi(total=total, parameters=params)
        p = percentile(values=da, parameters=fit_percentile(values=da, start=START, end=END))
        correlation = fit_score(spi3=z, soil_moisture_percentile=p, start=START, end=END)
        score = drought_score(spi3=z, soil_moisture_percentile=p, parameters=correlation)
        ndvi = (da / 100).clip(0, 1).assign_attrs(units="1")
        lst = (300 + da / 100).assign_attrs(units="K")
        bounds = fit_vegetation(ndvi=ndvi, lst=lst, start=START, end=END)
        health = vhi(vci=vci(ndvi=ndvi, parameters=bounds), tci=tci(lst=lst, parameters=bounds))
        cdi = mekong_cdi(spi1=z, spi3=z, soil_moisture_percentile=p, vhi=health)
        aged = common.carry_forward(values=z, days=3)
        return xr.Dataset(
            {"z": z, "p": p, "score": score, "class": usdm_class(index=score), "vhi": health,
             "cdi": cdi, "aged": aged}
        )  # fmt: skip

    eager = everything(rain)
    with dask.config.set(scheduler=refuse):
        lazy = everything(rain.chunk(time=1000, zone=1))
    assert all(da.chunks for da in lazy.values())
    computed = lazy.compute(scheduler="sync")
    turned = everything(rain.transpose("zone", "time"))
    for name, da in eager.items():
        assert da.dims == ("time", "zone")
        assert "units" in da.attrs
        np.testing.assert_allclose(computed[name].values, da.values, rtol=1e-12, atol=1e-12)
        np.testing.assert_allclose(turned[name].values.T, da.values, rtol=1e-12, atol=1e-12)


def test_percentile_is_the_weibull_rank() -> None:
    time = days("2001-01-01", "2012-01-01")
    year = time.astype("M8[Y]").astype(int) - 30.0
    params = fit_percentile(
        values=series(year, time, "m3 m-3"),
        start=datetime(2001, 1, 1, tzinfo=UTC),
        end=datetime(2011, 1, 1, tzinfo=UTC),
        half_window_days=0,
    )
    percent = percentile(values=series(year, time, "m3 m-3"), parameters=params)
    # 10 values 1..10: the rank i gives 100 i / 11; 11 is above all: i = 10.5.
    july = percent.sel(time=percent["time"].dt.strftime("%m%d") == "0701").values
    np.testing.assert_allclose(july, [100 * i / 11 for i in [*range(1, 11), 10.5]])
    leap = percent.sel(time="2004-02-29").item()  # slot of the 28th: ten values, two leap days
    assert leap == pytest.approx(100 * ((3 + 4 + 5) / 2 - 1.5 + 0.0) / 13, abs=100 / 13)
    missing = series(np.full(len(time), np.nan), time, "m3 m-3")
    assert np.isnan(percentile(values=missing, parameters=params)).all()
    with pytest.raises(ValueError, match="expected units 'm3 m-3', found '%'"):
        percentile(values=missing.assign_attrs(units="%"), parameters=params)


def test_percentile_window_reaches_over_new_year_and_needs_years() -> None:
    time = days("2001-01-01", "2009-01-01")
    values = np.where(time.astype("M8[M]").astype(int) % 12 == 11, 1.0, 2.0)
    data = series(values, time, "1")
    whole: dict[str, Any] = {
        "start": datetime(2001, 1, 1, tzinfo=UTC),
        "end": datetime(2009, 1, 1, tzinfo=UTC),
    }
    params = fit_percentile(values=data, half_window_days=2, **whole)
    percent = percentile(values=data, parameters=params)
    # Around 1 January: 8 x (30, 31 December) at 1.0, 8 x (1, 2, 3 January) at 2.0.
    assert percent.sel(time="2005-01-01").item() == pytest.approx(100 * (16 + 12.5) / 41)
    assert percent.sel(time="2005-12-31").item() == pytest.approx(100 * (24 + 1) / 2 / 41)
    short = fit_percentile(
        values=data, start=whole["start"], end=datetime(2005, 1, 1, tzinfo=UTC), half_window_days=2
    )
    assert np.isnan(percentile(values=data, parameters=short)).all()


def test_percentile_counts_like_the_definition() -> None:
    rng = np.random.default_rng(11)
    values = rng.choice([0.1, 0.2, 0.3, 0.4, np.nan], (2200, 2))
    data = series(values, days("2001-01-01", "2007-01-10")[:2200], "m3 m-3")
    params = fit_percentile(
        values=data, start=datetime(2001, 1, 1, tzinfo=UTC), end=datetime(2008, 1, 1, tzinfo=UTC)
    )
    percent = percentile(values=data, parameters=params).values
    np.testing.assert_array_equal(np.isnan(percent), np.isnan(values))
    assert percent[np.isfinite(values)].min() > 0
    assert percent[np.isfinite(values)].max() < 100
    slot = common.slots(data["time"].values, "dayofyear")
    for row in (3, 360, 424, 1155, 1500, 2199):
        distance = np.abs(slot - slot[row])
        pool = values[np.minimum(distance, 365 - distance) <= 15, 0]
        pool = pool[np.isfinite(pool)]
        if np.isfinite(values[row, 0]):
            rank = (pool < values[row, 0]).sum() + ((pool == values[row, 0]).sum() + 1) / 2
            assert percent[row, 0] == pytest.approx(100 * rank / (len(pool) + 1))


def test_classes_at_and_beside_their_bounds() -> None:
    for bounds, units in ((SPI_BOUNDS, "1"), (PERCENTILE_BOUNDS, "%")):
        at = xr.DataArray(np.array(bounds), attrs={"units": units})
        assert usdm_class(index=at).values.tolist() == [0, 1, 2, 3, 4]
        above = (at + 1e-6).assign_attrs(units=units)
        assert usdm_class(index=above).values.tolist() == [-1, 0, 1, 2, 3]
    assert np.isnan(usdm_class(index=xr.DataArray(np.nan, attrs={"units": "%"})))
    with pytest.raises(ValueError, match="expected units '1', found 'mm'"):
        usdm_class(index=xr.DataArray(1.0, attrs={"units": "mm"}))


@pytest.mark.parametrize(
    ("month", "evidence", "expected"),
    [
        (7, (0.0, -0.9, 5.0, 5.0), 0),  # dry soil without a rain deficit is none
        (7, (0.0, -1.1, 50.0, 5.0), 1),
        (7, (0.0, -1.1, 15.0, 50.0), 2),
        (7, (0.0, -1.1, 15.0, 39.0), 3),
        (7, (0.0, -1.1, 50.0, 39.0), 1),  # vegetation alone adds nothing
        (7, (-2.1, 0.0, 50.0, 50.0), 1),
        (1, (-2.1, 0.0, 50.0, 50.0), 0),  # SPI-1 is no evidence from December to March
        (12, (-2.1, 0.0, 50.0, 50.0), 0),
        (4, (-2.1, 0.0, 50.0, 50.0), 1),
        (7, (NAN, -1.1, 15.0, 39.0), 3),  # a deficit that is known stands
        (7, (0.0, NAN, 15.0, 39.0), NAN),
        (7, (NAN, 0.0, 15.0, 39.0), NAN),
        (1, (NAN, 0.0, 15.0, 39.0), 0),
        (7, (-2.5, NAN, 15.0, NAN), 2),
        (7, (0.0, -1.1, NAN, 20.0), 1),
        (7, (NAN, NAN, NAN, NAN), NAN),
    ],
)
def test_combined_indicator(
    month: int, evidence: tuple[float, float, float, float], expected: float
) -> None:
    time = [f"2015-{month:02d}-15"]
    spi1, spi3, soil, health = evidence
    cdi = mekong_cdi(
        spi1=series([spi1], time, "1"),
        spi3=series([spi3], time, "1"),
        soil_moisture_percentile=series([soil], time, "%"),
        vhi=series([health], time, "%"),
    )
    np.testing.assert_array_equal(cdi.values, [expected])
    assert cdi.attrs["flag_meanings"] == "none watch warning alert"


def test_score_is_standard_normal_with_and_without_soil() -> None:
    rng = np.random.default_rng(9)
    time = days("1991-01-01", "2021-01-01")
    z, e = rng.standard_normal((2, len(time), 1))
    soil = 0.6 * z + 0.8 * e
    spi3, percent = series(z, time, "1"), series(100 * ndtr(soil), time, "%")
    percent[5000:] = np.nan
    params = fit_score(spi3=spi3, soil_moisture_percentile=percent, start=START, end=END)
    assert params["correlation"].item() == pytest.approx(0.6, abs=0.03)
    score = drought_score(spi3=spi3, soil_moisture_percentile=percent, parameters=params)
    assert score.values[:5000].std() == pytest.approx(1.0, abs=0.02)
    np.testing.assert_array_equal(score.values[5000:], z[5000:])
    nothing = (percent * np.nan).assign_attrs(units="%")
    never = fit_score(spi3=spi3, soil_moisture_percentile=nothing, start=START, end=END)
    assert np.isnan(never["correlation"])

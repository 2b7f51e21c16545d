"""Every index as a function of one positive series, for what holds of all of them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cache
from typing import Any

import numpy as np
import xarray as xr

from pipeline.indices.drought import fit_percentile, percentile, usdm_class
from pipeline.indices.extremes import fit_regional, fit_return_period, return_period
from pipeline.indices.flow import fit_sdi, fit_sri, low_flow_ratio, mean_flow, sdi, sri
from pipeline.indices.rain import accumulation, api, dry_spell
from pipeline.indices.river import fit_stage_climatology, stage_anomaly
from pipeline.indices.soil import fit_ssi, ssi
from pipeline.indices.spei import fit_spei, pet_hargreaves, spei, water_balance
from pipeline.indices.spi import fit_spi, spi
from pipeline.indices.vegetation import fit_vegetation, tci, vci

Params = Any
SPAN: dict[str, Any] = {
    "start": datetime(1993, 1, 1, tzinfo=UTC),
    "end": datetime(2014, 1, 1, tzinfo=UTC),
}
AGREED = xr.DataArray(
    np.linspace(5, 16, 12), {"month": np.arange(1, 13)}, attrs={"units": "m3 s-1"}
)


def no_params(_: xr.DataArray) -> Params:
    return None


@dataclass(frozen=True)
class Index:
    """An index of one positive series: how it is fitted and applied, and which way it goes."""

    units: str
    apply: Callable[[xr.DataArray, Params], xr.DataArray]
    fit: Callable[[xr.DataArray], Params] = no_params
    sign: int = 1
    memory: int = 1
    monthly: bool = False
    offset: float = 0.0
    window_over_new_year: bool = False


def balance(steps: int) -> Callable[[xr.DataArray], xr.DataArray]:
    def compute(da: xr.DataArray) -> xr.DataArray:
        pet = xr.full_like(da, 4.0)
        return water_balance(rain=da, pet=pet, steps=steps)

    return compute


def total(steps: int) -> Callable[[xr.DataArray], xr.DataArray]:
    return lambda da: accumulation(rain=da, steps=steps)


def flow(steps: int) -> Callable[[xr.DataArray], xr.DataArray]:
    return lambda da: mean_flow(discharge=da, steps=steps)


def one_region(da: xr.DataArray) -> Params:
    region = xr.zeros_like(da.isel(time=0, drop=True).drop_attrs(), dtype=np.int64)
    region = xr.DataArray(np.zeros(region.shape, int), region.coords, region.dims)
    return fit_regional(total=da, region=region, **SPAN)


def vegetation(da: xr.DataArray, units: str) -> Params:
    same = da.assign_attrs(units="1" if units == "K" else "K")
    ndvi, lst = (da, same) if units == "1" else (same, da)
    return fit_vegetation(ndvi=ndvi, lst=lst, **SPAN)


def dew(da: xr.DataArray) -> xr.DataArray:
    cold = xr.zeros_like(da).assign_attrs(units="degC")
    return pet_hargreaves(tmin=cold, tmax=da, lat=xr.DataArray(17.0))


INDICES: dict[str, Index] = {
    "rain of 5 days": Index("mm", lambda da, _: total(5)(da), memory=5),
    "rain of 40 days, with gaps": Index(
        "mm", lambda da, _: accumulation(rain=da, steps=40, min_share=0.8), memory=40
    ),
    "api": Index("mm", lambda da, _: api(rain=da, k=0.9), memory=90),
    "dry spell": Index("mm", lambda da, _: dry_spell(rain=da), sign=-1, memory=30),
    "spi 30 d": Index(
        "mm", lambda da, params: spi(total=total(30)(da), parameters=params),
        lambda da: fit_spi(total=total(30)(da), **SPAN), memory=30, window_over_new_year=True,
    ),
    "spi 6 months": Index(
        "mm", lambda da, params: spi(total=total(6)(da), parameters=params),
        lambda da: fit_spi(total=total(6)(da), **SPAN), memory=6, monthly=True,
    ),
    "spei 30 d": Index(
        "mm", lambda da, params: spei(balance=balance(30)(da), parameters=params),
        lambda da: fit_spei(balance=balance(30)(da), **SPAN), memory=30, window_over_new_year=True,
    ),
    "spei 3 months": Index(
        "mm", lambda da, params: spei(balance=balance(3)(da), parameters=params),
        lambda da: fit_spei(balance=balance(3)(da), **SPAN), memory=3, monthly=True,
    ),
    "ssi by day": Index(
        "m3 m-3", lambda da, params: ssi(soil_moisture=da, parameters=params),
        lambda da: fit_ssi(soil_moisture=da, **SPAN), window_over_new_year=True,
    ),
    "ssi by month": Index(
        "m3 m-3", lambda da, params: ssi(soil_moisture=da, parameters=params),
        lambda da: fit_ssi(soil_moisture=da, **SPAN), monthly=True,
    ),
    "percentile": Index(
        "m3 m-3", lambda da, params: percentile(values=da, parameters=params),
        lambda da: fit_percentile(values=da, **SPAN), window_over_new_year=True,
    ),
    "sdi": Index(
        "m3 s-1", lambda da, params: sdi(discharge=da, parameters=params),
        lambda da: fit_sdi(discharge=da, **SPAN), offset=0.1, window_over_new_year=True,
    ),
    "sdi 3 months": Index(
        "m3 s-1", lambda da, params: sdi(discharge=flow(3)(da), parameters=params),
        lambda da: fit_sdi(discharge=flow(3)(da), **SPAN), offset=0.1, memory=3, monthly=True,
    ),
    "sri 3 months": Index(
        "mm", lambda da, params: sri(runoff=total(3)(da), parameters=params),
        lambda da: fit_sri(runoff=total(3)(da), **SPAN), memory=3, monthly=True,
    ),
    "vci": Index(
        "1", lambda da, params: vci(ndvi=da, parameters=params), lambda da: vegetation(da, "1")
    ),
    "tci": Index(
        "K", lambda da, params: tci(lst=da, parameters=params),
        lambda da: vegetation(da, "K"), sign=-1,
    ),
    "return period": Index(
        "mm", lambda da, params: return_period(total=da, parameters=params),
        lambda da: fit_return_period(total=da, **SPAN),
    ),
    "return period, regional": Index(
        "mm", lambda da, params: return_period(total=da, parameters=params), one_region
    ),
    "class": Index("%", lambda da, _: usdm_class(index=da), sign=-1),
    "low-flow ratio": Index(
        "m3 s-1", lambda da, _: low_flow_ratio(discharge=da, reference_flow=AGREED)
    ),
    "stage anomaly": Index(
        "m", lambda da, params: stage_anomaly(stage=da, parameters=params),
        lambda da: fit_stage_climatology(stage=da, **SPAN), window_over_new_year=True,
    ),
    "evaporation": Index("degC", lambda da, _: dew(da)),
}  # fmt: skip


@cache
def base(*, monthly: bool) -> xr.DataArray:
    step = "M" if monthly else "D"
    time = np.arange("1993-01", "2016-04", dtype="M8[M]").astype(f"M8[{step}]")
    time = np.arange(time[0], time[-1], dtype=f"M8[{step}]")
    year = (time - time.astype("M8[Y]").astype(time.dtype)).astype(float) / (12 if monthly else 365)
    mean = (60 if monthly else 2) * (1.3 - np.cos(2 * np.pi * year))
    values = np.random.default_rng(5).gamma(1.5, mean[:, None], (time.size, 2))
    return xr.DataArray(values, {"time": time.astype("M8[ns]")}, ("time", "zone"), name="x")


def series(index: Index) -> xr.DataArray:
    return (base(monthly=index.monthly) + index.offset).assign_attrs(units=index.units)


def whole(index: Index, da: xr.DataArray) -> xr.DataArray:
    return index.apply(da, index.fit(da))


@cache
def fitted_params(index: Index) -> Params:
    return index.fit(series(index))


def tail(index: Index, more: int = 8) -> xr.DataArray:
    return series(index).isel(time=slice(-index.memory - more, None))

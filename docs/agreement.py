"""How far the indices are from other implementations on the same input, and why.

The series are synthetic and the seed is fixed: the same versions give the same figures.
"""

from __future__ import annotations

import logging
import warnings
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import numpy as np
import scipy.stats
import xarray as xr
from climate_indices import eto, indices
from climate_indices.compute import Periodicity
from climate_indices.indices import Distribution
from lmoments3 import distr
from numpy.typing import NDArray
from xclim.indices import (  # type: ignore[import-untyped]
    potential_evapotranspiration,
    standardized_precipitation_evapotranspiration_index,
    standardized_precipitation_index,
)

from pipeline.indices.drought import fit_percentile, percentile
from pipeline.indices.extremes import fit_return_period, return_level
from pipeline.indices.flow import fit_sdi, sdi
from pipeline.indices.rain import accumulation
from pipeline.indices.soil import fit_ssi, ssi
from pipeline.indices.spei import fit_spei, pet_hargreaves, spei, water_balance
from pipeline.indices.spi import fit_spi, spi

MONTHS = (1, 3, 6, 9, 12)
WINDOWS = "1, 3, 6, 9 and 12 months"
FIRST, LAST = 1991, 2020
START, END = datetime(FIRST, 1, 1, tzinfo=UTC), datetime(LAST + 1, 1, 1, tzinfo=UTC)
SPAN: dict[str, Any] = {"start": START, "end": END}
TOLERANCE = 0.01
"""Largest difference allowed where the definitions agree."""
INNER = 2.99
"""Results within this are compared: beyond, each package clips where it will."""


@dataclass(frozen=True)
class Case:
    """One comparison.

    Parameters
    ----------
    index, peer, words
        What is compared with what, and where and why they differ.
    ours, theirs
        Results; NaN is left out.
    agrees
        Whether the definitions are the same.
    """

    index: str
    peer: str
    words: str
    ours: NDArray[np.float64]
    theirs: NDArray[np.float64]
    agrees: bool = True

    @property
    def difference(self) -> float:
        """Largest difference."""
        return float(np.nanmax(np.abs(self.ours - self.theirs)))


def monthly(*, dry: float = 0.0, seed: int = 0) -> xr.DataArray:
    """Monthly rain of 30 years, mm, with that share of dry months."""
    rng = np.random.default_rng(seed)
    time = np.arange(f"{FIRST}-01", f"{LAST + 1}-01", dtype="M8[M]").astype("M8[ns]")
    season = 60 * (1.2 - np.cos(2 * np.pi * (np.arange(len(time)) - 1) / 12))
    values = np.where(rng.random(len(time)) < dry, 0.0, rng.gamma(2.0, season))
    return xr.DataArray(values, {"time": time}, name="rain", attrs={"units": "mm"})


def evaporation() -> xr.DataArray:
    """Monthly potential evapotranspiration of the same years, mm."""
    rain = monthly()
    season = 115 + 20 * np.cos(2 * np.pi * (np.arange(rain.size) - 3) / 12)
    values = season + np.random.default_rng(1).normal(0, 8, rain.size)
    return rain.copy(data=values).rename("pet")


def daily() -> xr.DataArray:
    """Daily rain of the same years, mm."""
    time = np.arange(f"{FIRST}-01-01", f"{LAST + 1}-01-01", dtype="M8[D]").astype("M8[ns]")
    season = 0.4 - 0.3 * np.cos(2 * np.pi * (np.arange(time.size) - 30) / 365.25)
    values = np.random.default_rng(2).gamma(season, 15.0)
    return xr.DataArray(values, {"time": time}, name="rain", attrs={"units": "mm"})


def _inner(values: xr.DataArray) -> NDArray[np.float64]:
    return np.where(np.abs(values.values) < INNER, values.values, np.nan)


def _spi(total: xr.DataArray, **span: Any) -> xr.DataArray:
    return spi(total=total, parameters=fit_spi(total=total, **(span or SPAN)))


def _as_rate(rain: xr.DataArray) -> xr.DataArray:
    """Rain in units that xclim takes; the numbers stay."""
    return rain.assign_attrs(units="mm/day")


def spi_cases() -> Iterator[Case]:
    """SPI."""

    def climate_indices(rain: xr.DataArray, months: int, last: int = LAST, **how: Any) -> Any:
        return indices.spi(
            rain.values, months, Distribution.gamma, FIRST, FIRST, last, Periodicity.monthly, **how
        )

    def xclim(rain: xr.DataArray, window: int, method: str = "APP", **how: Any) -> Any:
        fitted = {"fitkwargs": {"floc": 0}} | how
        return standardized_precipitation_index(
            _as_rate(rain), freq=None, window=window, dist="gamma", method=method, **fitted
        ).values

    rain = monthly()
    ours = np.stack([_inner(_spi(accumulation(rain=rain, steps=n))) for n in MONTHS])
    for peer, other in (("climate_indices, gamma", climate_indices), ("xclim, gamma, APP", xclim)):
        yield Case(f"SPI, {WINDOWS}", peer, "", ours, np.stack([other(rain, n) for n in MONTHS]))
    part = {"start": START, "end": datetime(2011, 1, 1, tzinfo=UTC)}
    ours = _inner(_spi(accumulation(rain=rain, steps=3), **part))
    name = "SPI, 3 months, reference 1991-2010"
    yield Case(name, "climate_indices, gamma", "calibration years 1991 to 2010", ours,
               climate_indices(rain, 3, last=2010))  # fmt: skip
    yield Case(name, "xclim, gamma, APP", "`cal_start`, `cal_end`", ours,
               xclim(rain, 3, cal_start="1991-01-01", cal_end="2010-12-31"))  # fmt: skip
    yield from _running_spi(xclim)
    name, few = "SPI, 1 month, a fifth of the months dry", monthly(dry=0.2)
    total = accumulation(rain=few, steps=1)
    ours = _inner(_spi(total))
    yield Case(name, "xclim, APP, `center`, `weibull`",
               "with these two options the same mass of zeros", ours,
               xclim(few, 1, prob_zero_interpolation="center",
                     plotting_position_zero="weibull"))  # fmt: skip
    yield Case(name, "climate_indices, `center_of_mass`",
               "zero mass: theirs n0 / n, and half of it for a zero; ours n0 / (n+1), and "
               "(n0+1) / [2(n+1)], which a small sample does not bias", ours,
               climate_indices(few, 1, zero_handling="center_of_mass"), agrees=False)  # fmt: skip
    yield Case(name, "climate_indices, default",
               "zero mass: theirs gives a zero n0 / n, the top of the mass, so that a place dry in "
               "half the years is near 0 when dry; ours its centre (Stagge et al. 2015)", ours,
               climate_indices(few, 1), agrees=False)  # fmt: skip
    yield Case("SPI, 1 month", "xclim, gamma, ML",
               "estimator: maximum likelihood by search, ours Thom's approximation to it",
               _inner(_spi(accumulation(rain=rain, steps=1))),
               xclim(rain, 1, method="ML"), agrees=False)  # fmt: skip
    total = accumulation(rain=rain, steps=1)
    beyond = total.copy(data=np.where(np.arange(total.size) == 300, 5000.0, total.values))
    params = fit_spi(total=total, **SPAN)
    clipped = spi(total=beyond, parameters=params).values[300:301]
    yield Case("SPI of a month beyond all", "climate_indices", "clipping: ours at ±3, theirs ±3.09",
               clipped, climate_indices(beyond, 1)[300:301], agrees=False)  # fmt: skip
    yield Case("SPI of a month beyond all", "xclim",
               "clipping: ours at ±3, theirs ±8.21; and the month is in its own reference here",
               clipped, xclim(beyond, 1)[300:301], agrees=False)  # fmt: skip


def _running_spi(xclim: Callable[[xr.DataArray, int], Any]) -> Iterator[Case]:
    """SPI of running totals, each day of the year by itself, without 29 February."""
    rain = daily()
    leap = (rain["time"].dt.month == 2) & (rain["time"].dt.day == 29)
    for days in (30, 90):
        total = accumulation(rain=rain, steps=days).where(~leap)
        total.attrs = accumulation(rain=rain, steps=days).attrs
        ours = _inner(spi(total=total, parameters=fit_spi(total=total, half_window_days=0, **SPAN)))
        short = total.isel(time=np.flatnonzero(~leap.values))
        slot = (short["time"].dt.dayofyear - (short["time"].dt.is_leap_year & (
            short["time"].dt.month > 2))).values  # fmt: skip
        slot, year = slot + (slot > 59), short["time"].dt.year.values - FIRST
        folded = np.full((LAST - FIRST + 1) * 366, np.nan)
        folded[year * 366 + slot - 1] = short.values
        other = indices.spi(folded, 1, Distribution.gamma, FIRST, FIRST, LAST, Periodicity.daily)
        name = f"SPI, {days} days, each day by itself"
        yield Case(name, "climate_indices, gamma, daily", "29 February left out",
                   ours[~leap.values], other[year * 366 + slot - 1])  # fmt: skip
        noleap = short.convert_calendar("noleap", use_cftime=True)
        yield Case(name, "xclim, gamma, APP", "calendar without 29 February", ours[~leap.values],
                   xclim(noleap, 1))  # fmt: skip
        pooled = _inner(spi(total=total, parameters=fit_spi(total=total, **SPAN)))
        yield Case(f"SPI, {days} days, as the nights have it", "xclim, gamma, APP",
                   "window: theirs fits each day of the year to its 30 totals; ours to those of "
                   "five days on either side too, which takes the jumps out of the parameters",
                   pooled[~leap.values], xclim(noleap, 1), agrees=False)  # fmt: skip


def spei_cases() -> Iterator[Case]:
    """SPEI and the evapotranspiration in it."""
    rain, pet = monthly(), evaporation()
    step = _as_rate(rain - pet)

    def climate_indices(months: int, distribution: Any) -> Any:
        return indices.spei(
            rain.values, pet.values, months, distribution, Periodicity.monthly, FIRST, FIRST, LAST
        )

    def xclim(months: int, distribution: Any, **how: Any) -> Any:
        found = standardized_precipitation_evapotranspiration_index(
            step, freq=None, window=months, dist=distribution, **how
        )
        return found.values

    def mine(months: int) -> Any:
        balance = water_balance(rain=rain, pet=pet, steps=months)
        return _inner(spei(balance=balance, parameters=fit_spei(balance=balance, **SPAN)))

    ours = np.stack([mine(n) for n in MONTHS])
    other = np.stack([climate_indices(n, Distribution.loglogistic) for n in MONTHS])
    yield Case(f"SPEI, {WINDOWS}", "climate_indices, loglogistic", "", ours, other)
    yield Case(f"SPEI, {WINDOWS}", "xclim, `glo` of lmoments3, PWM", "", ours,
               np.stack([xclim(n, distr.glo, method="PWM") for n in MONTHS]))  # fmt: skip
    yield Case("SPEI, 3 months", "climate_indices, gamma",
               "distribution: gamma of the balance raised by 1000 mm", ours[1],
               climate_indices(3, Distribution.gamma), agrees=False)  # fmt: skip
    yield Case("SPEI, 3 months", "xclim, fisk, APP",
               "distribution and estimator: log-logistic of two parameters by moments of the "
               "logarithm, its origin given (−1000 mm); ours fits the origin too", ours[1],
               xclim(3, "fisk", method="APP", fitkwargs={"floc": -1000}), agrees=False)  # fmt: skip
    time = np.arange("2015-01-01", "2016-01-01", dtype="M8[D]").astype("M8[ns]")
    rng = np.random.default_rng(3)
    cold, wide = 22 + rng.normal(0, 2, time.size), rng.uniform(4, 14, time.size)
    tmin, tmax = (
        xr.DataArray(values, {"time": time}, attrs={"units": "degC"})
        for values in (cold, cold + wide)
    )
    lat = xr.DataArray(15.0, attrs={"units": "degrees_north"})
    ours = pet_hargreaves(tmin=tmin, tmax=tmax, lat=lat).values
    low, high = (np.r_[one.values, one.values[-1]] for one in (tmin, tmax))
    whole = eto.eto_hargreaves(low, high, (low + high) / 2, 15.0)[:365]
    yield Case("PET, Hargreaves, 15° N", "climate_indices", "mm", ours, whole)
    other = potential_evapotranspiration(tasmin=tmin, tasmax=tmax, lat=lat, method="HG85")
    words = "mm; Ra: ours FAO-56, theirs a Fourier series"
    yield Case("PET, Hargreaves, 15° N", "xclim, HG85", words, ours,
               other.values * 86400 if other.attrs["units"] != "mm/day" else other.values,
               agrees=False)  # fmt: skip


def other_cases() -> Iterator[Case]:
    """Soil, flow and extremes."""
    soil = (0.2 + monthly() / 5000).assign_attrs(units="m3 m-3").rename("soil")
    params = fit_ssi(soil_moisture=soil, **SPAN)
    ours = ssi(soil_moisture=soil, parameters=params).values
    by_hand = np.empty(soil.size)
    for month in range(12):
        rank = scipy.stats.rankdata(soil.values[month::12])
        by_hand[month::12] = scipy.stats.norm.ppf((rank - 0.44) / (30 + 0.12))
    yield Case("SSI, 1 month", "scipy ranks, Gringorten", "", ours, by_hand)
    empirical = indices.standardized_index(
        soil.values, 1, Distribution.empirical, FIRST, FIRST, LAST, Periodicity.monthly
    )
    yield Case("SSI, 1 month", "climate_indices, empirical",
               "plotting position: theirs (1+i) / (n+2), ours Gringorten's, which reaches further "
               "out", ours, empirical, agrees=False)  # fmt: skip
    day = daily()
    reference = fit_percentile(values=day.assign_attrs(units="m3 m-3"), half_window_days=0, **SPAN)
    some = day.assign_attrs(units="m3 m-3").sel(time="2005-07-01")
    pool = day.sel(time=(day["time"].dt.month == 7) & (day["time"].dt.day == 1)).values
    mine = percentile(values=some.expand_dims("time"), parameters=reference).values
    yield Case("Seasonal percentile", "scipy ranks, Weibull", "%", mine,
               100 * np.array([scipy.stats.rankdata(pool)[14]]) / 31)  # fmt: skip
    flow = monthly(seed=4).assign_attrs(units="m3 s-1").rename("flow")
    ours = sdi(discharge=flow, parameters=fit_sdi(discharge=flow, **SPAN)).values
    by_hand = np.empty(flow.size)
    for month in range(12):
        by_hand[month::12] = scipy.stats.zscore(np.log(flow.values[month::12]), ddof=1)
    ours = np.where(np.abs(ours) < INNER, ours, np.nan)
    yield Case("SDI, 1 month", "scipy z-scores of ln Q", "", ours, by_hand)
    highest = day.groupby("time.year").max().values
    for name, distribution, other in (("Gumbel", "gumbel", distr.gum), ("GEV", "gev", distr.gev)):
        fitted = fit_return_period(total=day, distribution=distribution, **SPAN)  # type: ignore[arg-type]
        ours = np.array([return_level(years=50, parameters=fitted).item()])
        level = np.array([other(**other.lmom_fit(highest)).ppf(1 - 1 / 50)])
        words = "relative; " + (
            "Hosking's approximation of k, theirs its root" if name == "GEV" else ""
        )
        yield Case(
            f"50-year day, {name}", "lmoments3", words.strip("; "), ours / level, level / level
        )


def cases() -> Iterator[Case]:
    """All comparisons."""
    logging.disable(logging.WARNING)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            yield from spi_cases()
            yield from spei_cases()
            yield from other_cases()
        finally:
            logging.disable(logging.NOTSET)


def table(found: list[Case]) -> str:
    """Markdown table, those first whose definitions are the same."""
    lines = ["| index | beside | largest difference | where and why |", "| --- | --- | --- | --- |"]
    for case in sorted(found, key=lambda one: not one.agrees):
        size = "under 0.00001" if case.difference < 1e-5 else f"{case.difference:.1g}"
        lines.append(f"| {case.index} | {case.peer} | {size} | {case.words} |")
    return "\n".join(lines)


if __name__ == "__main__":
    print(table(list(cases())))

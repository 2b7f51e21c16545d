"""Observations of the virtual Mekong by satellites and gauges, with their errors.

Each error depends on seed, product and date alone, so that any file can be written by itself.
"""

from __future__ import annotations

from datetime import date
from functools import lru_cache
from typing import Literal

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from pipeline.virtual.lattice import BASIN, Lattice

Run = Literal["early", "late", "final", "gk2a"]

SIGMA: dict[Run, float] = {"early": 0.45, "late": 0.38, "final": 0.25, "gk2a": 0.65}
"""Standard deviation of the logarithm of a day's rain error, by product."""
BIAS: dict[Run, float] = {"early": 0.15, "late": 0.12, "final": 0.05, "gk2a": 0.15}
"""Amplitude of the seasonal bias: too wet in July, too dry in January."""
_SHARED = {"early": 0.9, "late": 0.9, "final": 0.7, "gk2a": 0.5}
_ERROR_RANGE_KM = 150.0

MODIS_START = date(2000, 3, 1)
SMAP_SIGMA = 0.02
"""Standard deviation of the error of root-zone soil moisture, m3 m-3."""

TWICE_A_DAY = np.datetime64("2006-07-01")
"""First day on which gauges are read at 12:00Z too."""
RETIRED = {"012001": ("1999-01-01", "2024-01-01"), "012002": ("2021-06-01", "2027-01-01")}
"""Half-open period of gauges that do not report throughout."""
DATUM_SHIFT = ("013102", "2014-01-01", "2015-01-01", 0.50)
"""Station whose zero was wrong for a year: first day, day after the last, error in m."""
RAIN_GAUGES = {
    "010501": "2019-01-01", "011201": "2027-01-01", "011901": "2019-01-01",
    "012001": "2019-01-01", "013101": "2019-01-01", "013402": "2027-01-01",
    "013901": "2019-01-01", "014501": "2019-01-01", "014901": "2019-01-01",
    "033401": "2027-01-01",
}  # fmt: skip
"""Rain gauges, and the day after their last reading."""


@lru_cache(maxsize=8)
def draw_field(
    seed: int, product: int, day: int, *, count: int = 1, lattice: Lattice = BASIN
) -> NDArray[np.float64]:
    """Draw standard normal noise on the nodes, correlated over 150 km, shape (count, node)."""
    rng = np.random.default_rng(np.random.SeedSequence(seed, spawn_key=(product, day)))
    return lattice.noise(rng, (count,), _ERROR_RANGE_KM)


def satellite_rain(
    seed: int, run: Run, day: date, rain_mm: NDArray[np.floating], lattice: Lattice = BASIN
) -> NDArray[np.float64]:
    """Simulate the rain of a day in a satellite product, mm, shape (node,).

    Log-normal error with mean 1, a seasonal bias, no rain below 1 mm; GK2A adds light rain where
    there is none. The products of one day share most of their error.

    Parameters
    ----------
    seed, run, day
        Seed, product and day of the error.
    rain_mm
        True rain at the nodes, mm, shape (node,).
    lattice
        Nodes.
    """
    shared, *own_noise = draw_field(seed, 4, day.toordinal(), count=5, lattice=lattice)
    shared_part = _SHARED[run]
    sigma = SIGMA[run]
    noise = shared_part * shared + np.sqrt(1 - shared_part**2) * own_noise[list(SIGMA).index(run)]
    season = 1.0 - BIAS[run] * np.cos(2 * np.pi * (day.timetuple().tm_yday - 15) / 365.25)
    observed = np.where(rain_mm < 1.0, 0.0, rain_mm * season * np.exp(sigma * noise - sigma**2 / 2))
    if run == "gk2a":
        false_rain = draw_field(seed, 5, day.toordinal(), lattice=lattice)[0]
        observed = np.where(rain_mm < 1.0, np.maximum(false_rain - 1.0, 0.0) * 2.0, observed)
    return np.where(np.isfinite(rain_mm), observed, np.nan)


def is_outage(seed: int, day: date) -> bool:
    """Return whether a day of satellite rain never comes, one day in 250.

    Examples
    --------
    >>> 50 < sum(is_outage(1, date.fromordinal(730000 + n)) for n in range(25000)) < 150
    True
    """
    rng = np.random.default_rng(np.random.SeedSequence(seed, spawn_key=(6, day.toordinal())))
    return bool(rng.random() < 1 / 250)


def soil_error(seed: int, day: date, lattice: Lattice = BASIN) -> NDArray[np.float64]:
    """Draw the error of soil moisture at the nodes, m3 m-3: slow over a month, and daily."""
    month = day.year * 12 + day.month
    share = (day.day - 1) / 31.0
    current, following = (
        draw_field(seed, 7, number, lattice=lattice)[0] for number in (month, month + 1)
    )
    slow = (1 - share) * current + share * following
    daily = draw_field(seed, 8, day.toordinal(), lattice=lattice)[0]
    error: NDArray[np.float64] = SMAP_SIGMA * (0.85 * slow + 0.4 * daily)
    return error


def stage_readings(seed: int, times: NDArray[np.datetime64], stage_m: pd.DataFrame) -> pd.DataFrame:
    """Simulate stage readings as the agencies report them.

    They have errors of ±2 cm, stuck values, gaps, a wrong zero during a year, and typing errors
    that are corrected days later. Most arrive 20 minutes after the reading, some hours or days
    later.

    Parameters
    ----------
    seed
        Seed of the virtual basin.
    times
        Moments of reading, UTC, twelve hours apart.
    stage_m
        True stage at those moments, one column per station.

    Returns
    -------
    DataFrame
        Columns station, valid_time, arrival_time, value (m), in order of arrival; a corrected
        reading has a second row.
    """
    parts = []
    for number, code in enumerate(sorted(str(name) for name in stage_m)):
        rng = np.random.default_rng(np.random.SeedSequence(seed, spawn_key=(9, number)))
        value, missing = _simulate_stages(rng, stage_m[code].to_numpy(float))
        first, last = RETIRED.get(code, ("1999-01-01", "2027-01-01"))
        missing |= (times < np.datetime64(first)) | (times >= np.datetime64(last))
        missing |= (times < TWICE_A_DAY) & (times != times.astype("datetime64[D]"))
        if code == DATUM_SHIFT[0]:
            wrong = (times >= np.datetime64(DATUM_SHIFT[1])) & (
                times < np.datetime64(DATUM_SHIFT[2])
            )
            value = value + DATUM_SHIFT[3] * wrong
        minutes = rng.integers(8, 26, len(times))
        late = rng.random(len(times))
        minutes = np.where(late < 0.05, rng.integers(90, 660, len(times)), minutes)
        minutes = np.where(late < 0.01, rng.integers(1440, 5760, len(times)), minutes)
        arrival = times + minutes.astype("timedelta64[m]")
        slip = rng.random(len(times)) < 0.002
        wrong_by = rng.choice([-1.0, -0.1, 0.1, 1.0], len(times))
        corrected = arrival + rng.integers(1440, 7200, len(times)).astype("timedelta64[m]")
        frame = {"station": code, "valid_time": times, "arrival_time": arrival}
        parts.append(pd.DataFrame(frame | {"value": value + slip * wrong_by})[~missing])
        correction = frame | {"arrival_time": corrected, "value": value}
        parts.append(pd.DataFrame(correction)[slip & ~missing])
    readings = pd.concat(parts, ignore_index=True)
    readings["value"] = readings["value"].round(2)
    return readings.sort_values(["arrival_time", "station", "valid_time"], ignore_index=True)


def _simulate_stages(
    rng: np.random.Generator, true_m: NDArray[np.float64]
) -> tuple[NDArray[np.float64], NDArray[np.bool_]]:
    """Simulate the values of one gauge, and the mask of absent readings."""
    count = len(true_m)
    value = true_m + 0.012 * rng.standard_normal(count)
    missing = rng.random(count) < 0.012
    years = count / 730.5
    for start in rng.integers(0, count, rng.poisson(0.3 * years)):
        value[start : start + rng.integers(3, 9)] = value[start]
    for start in rng.integers(0, count, rng.poisson(0.25 * years)):
        missing[start : start + rng.integers(6, 30)] = True
    return value, missing


def rain_readings(seed: int, days: NDArray[np.datetime64], rain_mm: pd.DataFrame) -> pd.DataFrame:
    """Simulate daily totals of rain gauges, dated at the 00:00Z that ends them.

    Parameters
    ----------
    seed
        Seed of the virtual basin.
    days
        Start of each day, UTC.
    rain_mm
        True rain of those days at each gauge, one column per station.

    Returns
    -------
    DataFrame
        Columns as of :func:`stage_readings`; value in mm.
    """
    parts = []
    for number, code in enumerate(sorted(str(name) for name in rain_mm)):
        rng = np.random.default_rng(np.random.SeedSequence(seed, spawn_key=(10, number)))
        catch = 0.95 * np.exp(0.15 * rng.standard_normal(len(days)))
        times = days + np.timedelta64(1, "D")
        keep = (rng.random(len(days)) > 0.02) & (times < np.datetime64(RAIN_GAUGES[code]))
        arrival = times + rng.integers(8, 26, len(days)).astype("timedelta64[m]")
        value = (rain_mm[code].to_numpy(float) * catch).round(1)
        frame = {"station": code, "valid_time": times, "arrival_time": arrival, "value": value}
        parts.append(pd.DataFrame(frame)[keep])
    readings: pd.DataFrame = pd.concat(parts)
    return readings.sort_values(["arrival_time", "station"], ignore_index=True)


def flow_readings(seed: int, times: NDArray[np.datetime64], flow_m3s: pd.DataFrame) -> pd.DataFrame:
    """Simulate rated discharge at 00:00Z with the error of its rating, an hour after the stage.

    Columns as of :func:`stage_readings`; value in m3/s.
    """
    parts = []
    for number, code in enumerate(sorted(str(name) for name in flow_m3s)):
        rng = np.random.default_rng(np.random.SeedSequence(seed, spawn_key=(11, number)))
        value = flow_m3s[code].to_numpy(float) * np.exp(0.04 * rng.standard_normal(len(times)))
        keep = (rng.random(len(times)) > 0.02) & (times == times.astype("datetime64[D]"))
        arrival = times + np.timedelta64(80, "m")
        frame = {
            "station": code,
            "valid_time": times,
            "arrival_time": arrival,
            "value": value.round(0),
        }
        parts.append(pd.DataFrame(frame)[keep])
    readings: pd.DataFrame = pd.concat(parts)
    return readings.sort_values(["arrival_time", "station"], ignore_index=True)

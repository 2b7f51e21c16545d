"""The weather of the virtual Mekong: daily rain on the lattice, and its course within a day."""

from __future__ import annotations

from datetime import date
from functools import lru_cache
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy import signal, special, stats

from pipeline.virtual.lattice import BASIN, Lattice

START = date(1999, 1, 1)
END = date(2027, 1, 1)
"""Half-open period of the virtual record; its first year is spin-up."""
DAYS = np.arange(START.isoformat(), END.isoformat(), dtype="datetime64[D]")
MONTH = DAYS.astype("datetime64[M]").astype(int) % 12
"""Month of each day, 0 to 11."""
DAY_OF_YEAR = np.minimum((DAYS - DAYS.astype("datetime64[Y]")).astype(int), 364)
"""Day of the year, 0 to 364; 31 December of a leap year counts as 364."""

_RANGE_KM, _MESO_RANGE_KM, _MESOSCALE = 600.0, 120.0, 0.6
"""Correlation lengths of the latent field's two scales, and the amplitude of the smaller one."""
_PERSISTENCE, _OSCILLATION = 0.4, 0.3
"""Day-to-day persistence, and amplitude of the 30- to 60-day oscillation."""
_SHAPE, _YEAR_SIGMA = 1.28, 0.03
"""Shape of the gamma distribution of rain on wet days, and spread of the yearly factor."""


class Cyclone(NamedTuple):
    """A storm that crosses the lattice in three days.

    ``lat`` and ``lon`` are the centre on the first day, ``lat_step`` and ``lon_step`` its daily
    displacement in degrees, ``rain_mm`` the rain at the centre on each of the three days.
    """

    day: date
    lat: float
    lon: float
    lat_step: float
    lon_step: float
    rain_mm: tuple[float, float, float]


SCENARIO_CYCLONES = (
    Cyclone(date(2026, 8, 9), 18.2, 106.0, 0.2, -1.6, (70.0, 75.0, 50.0)),
    Cyclone(date(2026, 8, 16), 18.3, 106.2, 0.1, -1.4, (70.0, 75.0, 55.0)),
)
"""Storms placed by hand: the flood of August 2026 along the middle Mekong."""


def daily_rain(
    seed: int, monthly: NDArray[np.float64], lattice: Lattice = BASIN
) -> NDArray[np.float32]:
    """Simulate the daily rain of the whole record, mm, shape (day, node).

    A latent Gaussian field of two scales with day-to-day persistence and a 30- to 60-day
    oscillation is cut at the wet fraction and mapped to a gamma distribution; cyclones are
    added, each node's months are scaled to the climatology, and the storms of the scenario follow.

    Parameters
    ----------
    seed
        Seed of the virtual basin.
    monthly
        Climatology of the nodes, mm per month, shape (month, node).
    lattice
        Nodes.
    """
    local, small, slow, yearly, storms = np.random.SeedSequence(seed, spawn_key=(1,)).spawn(5)
    count = len(DAYS)
    large = lattice.noise(np.random.default_rng(local), (count,), _RANGE_KM)
    meso = lattice.noise(np.random.default_rng(small), (count,), _MESO_RANGE_KM)
    noise = np.sqrt(1 - _MESOSCALE**2) * large + _MESOSCALE * meso
    scale = np.sqrt(1 - _PERSISTENCE**2)
    latent = signal.lfilter([scale], [1.0, -_PERSISTENCE], noise, axis=0)
    latent *= np.sqrt(1 - _OSCILLATION**2)
    latent += _OSCILLATION * _draw_oscillation(np.random.default_rng(slow), lattice)

    mean = _interpolate_year(monthly)[DAY_OF_YEAR]
    wet = 0.03 + 0.82 * -np.expm1(-((mean / 5.0) ** 1.3))
    u = 1.0 - (1.0 - special.ndtr(latent)) / wet
    depth = np.linspace(0.0, 18.0, 2000)
    table = stats.gamma.ppf(-np.expm1(-depth), _SHAPE) / _SHAPE
    dry = u <= 0
    amount = np.interp(-np.log1p(-np.clip(u, 0.0, 1 - 1e-7)), depth, table)
    rain: NDArray[np.float64] = np.where(dry, 0.0, amount * mean / wet)

    years = DAYS.astype("datetime64[Y]").astype(int)
    rain *= np.exp(_YEAR_SIGMA * np.random.default_rng(yearly).standard_normal(100))[
        years - years[0], None
    ]
    for cyclone in _draw_cyclones(np.random.default_rng(storms)):
        _add_cyclone(rain, cyclone, lattice)
    for month in range(12):
        in_month = month == MONTH
        observed = rain[in_month].mean(0) * np.bincount(MONTH)[month] / 28.0
        rain[in_month] *= np.clip(monthly[month] / np.maximum(observed, 1e-6), 0.3, 3.0)
    for cyclone in SCENARIO_CYCLONES:
        _add_cyclone(rain, cyclone, lattice)
    rain[rain < 0.05] = 0.0
    return rain.round(2).astype(np.float32)


@lru_cache(maxsize=4)
def draw_half_hourly_shares(seed: int, day: date, lattice: Lattice = BASIN) -> NDArray[np.float32]:
    """Draw shares of a day's rain in its 48 half-hours, shape (48, node); they sum to 1 per node.

    Afternoon and evening showers over land, morning rain over the sea within the basin's box, and
    spells that come and go. Depends on seed and date alone.
    """
    rng = np.random.default_rng(np.random.SeedSequence(seed, spawn_key=(2, day.toordinal())))
    noise = lattice.noise(rng, (48 + 16,), 120.0)
    spell = signal.lfilter([np.sqrt(1 - 0.88**2)], [1.0, -0.88], noise, axis=0)[16:]
    local_hour = (np.arange(48)[:, None] + 0.5) / 2 + lattice.lon / 15
    sea = (lattice.lat < 9.0) | ((lattice.lon > 108.5) & (lattice.lat < 21.0))
    peak = np.where(lattice.inside & sea, 6.0, 17.5)
    daily = 1.0 + 0.6 * np.cos(2 * np.pi * (local_hour - peak) / 24)
    weight = daily * np.maximum(spell - 0.2, 0.0) ** 1.5 + 1e-4
    share: NDArray[np.float32] = (weight / weight.sum(0)).astype(np.float32)
    return share


def _interpolate_year(monthly: NDArray[np.float64]) -> NDArray[np.float64]:
    """Interpolate monthly sums, shape (12, node), to daily rates, linear between mid-months."""
    length = np.array([31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31])
    middle = np.cumsum(length) - length / 2
    rate = monthly / length[:, None]
    padded = np.concatenate([rate[-1:], rate, rate[:1]])
    knots = np.concatenate([[middle[-1] - 365], middle, [middle[0] + 365]])
    day = np.arange(365) + 0.5
    upper = np.searchsorted(knots, day)
    share = ((day - knots[upper - 1]) / (knots[upper] - knots[upper - 1]))[:, None]
    rates: NDArray[np.float64] = padded[upper - 1] * (1 - share) + padded[upper] * share
    return rates


def _draw_oscillation(rng: np.random.Generator, lattice: Lattice) -> NDArray[np.float64]:
    """Draw a 30- to 60-day oscillation that moves north at one degree a day, variance 1."""
    count, lead = len(DAYS), 400
    pole = 0.97 * np.exp(2j * np.pi / 42.0)
    wave = signal.lfilter([1.0], [1.0, -pole], rng.standard_normal(count + lead))
    wave /= wave.real.std()
    turn = np.exp(-2j * np.pi / 42.0 * (lattice.lat - 15.0))
    oscillation: NDArray[np.float64] = (wave[lead:, None] * turn).real
    return oscillation


def _draw_cyclones(rng: np.random.Generator) -> list[Cyclone]:
    """Draw random storms: 1.6 a year around day 235, from the east on a west-north-west track."""
    cyclones = []
    for year in range(START.year, END.year):
        for _ in range(rng.poisson(1.6)):
            ordinal = date(year, 1, 1).toordinal() + int(np.clip(rng.normal(235, 32), 130, 340))
            late = (ordinal - date(year, 8, 1).toordinal()) / 30.0
            lat = float(np.clip(rng.normal(18.5 - 2.2 * late, 1.8), 10.0, 22.0))
            first, second, third = (float(v) for v in rng.gamma(3.0, 13.0, 3))
            drift = (float(rng.normal(0.5, 0.4)), float(rng.normal(-1.9, 0.5)))
            if year < SCENARIO_CYCLONES[0].day.year:
                cyclones.append(
                    Cyclone(date.fromordinal(ordinal), lat, 106.5, *drift, (first, second, third))
                )
    return cyclones


def _add_cyclone(rain: NDArray[np.float64], storm: Cyclone, lattice: Lattice = BASIN) -> None:
    """Add a cyclone's rain, Gaussian in distance with a radius of 260 km."""
    first = (storm.day - START).days
    for step, amount in enumerate(storm.rain_mm):
        lat, lon = storm.lat + step * storm.lat_step, storm.lon + step * storm.lon_step
        away = lattice.distance_km(lat, lon)
        rain[first + step] += amount * np.exp(-((away / 260.0) ** 2))

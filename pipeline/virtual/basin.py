"""The virtual Mekong: one seed, one record of weather, rivers and what instruments saw of them.

Everything here is synthetic. Scores on it are never set beside scores on real stages.
"""

from __future__ import annotations

import hashlib
from datetime import date, datetime, timedelta
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import numpy as np
import pandas as pd
import xarray as xr

from pipeline import places
from pipeline.grid import MEKONG, Grid, zonal_weights
from pipeline.settings import REFERENCE
from pipeline.variables import attributes
from pipeline.virtual import climate, hydrology, sensors, soil, weather
from pipeline.virtual.weather import DAYS, LAT, MONTH, START, on_grid

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray
    from shapely import MultiPolygon, Polygon

SHOWCASE_DROUGHT = date(2026, 4, 10)
"""A morning of drought in the lower basin; it came by chance with the default seed."""
MONTHLY_DAY = 6
"""Day of the following month on which a month's NDVI and surface temperature are published."""
SOIL_DELAY = timedelta(days=3)
"""From the day that soil moisture is of to the day on which it is published."""
SOIL_DRY, SOIL_RANGE = 0.12, 0.30
"""Root-zone soil moisture of an empty bucket and the range to a full one, m3 m-3."""


def node_weights(polygons: Mapping[str, Polygon | MultiPolygon]) -> NDArray[np.float64]:
    """Weights of the lattice's nodes in the areal mean of each polygon, shape (polygon, node)."""
    area = zonal_weights(MEKONG, polygons).toarray().reshape(-1, *MEKONG.shape)
    rows, columns = weather.interpolation(MEKONG.lat, MEKONG.lon)
    weights: NDArray[np.float64] = rows.T @ (area / area.sum((1, 2), keepdims=True)) @ columns
    return weights.reshape(len(polygons), -1).round(9)


def point_weights(lat: float, lon: float) -> NDArray[np.float64]:
    """Weights of the nodes at a point, shape (node,)."""
    rows, columns = weather.interpolation(np.array([lat]), np.array([lon]))
    return (rows.T @ columns).ravel()


def _fingerprint() -> str:
    here = Path(__file__).parent
    used = [
        here / name for name in ("basin.py", "climate.py", "hydrology.py", "soil.py", "weather.py")
    ]
    used += [REFERENCE / name for name in ("basins.csv", "basins.geojson", "cities.csv")]
    found = hashlib.sha256()
    for path in used:
        found.update(path.read_bytes())
    return found.hexdigest()[:12]


def simulate(seed: int) -> dict[str, NDArray[np.float32]]:
    """Simulate the whole record from a seed.

    Returns
    -------
    dict
        ``rain`` mm and ``wetness`` (day, node); ``stage`` m and ``flow`` m3/s at 00:00Z and
        12:00Z, (half-day, gauge) in the order of ``STATIONS`` and of ``hydrology.GAUGES``;
        ``zone_weights`` (zone, node).
    """
    basins = places.basins()
    weights = node_weights({name: one.polygon for name, one in basins.items()})
    areas = np.array([one.area_km2 for one in basins.values()])
    reach = ["lower" if name in soil.LOWER else one.reach for name, one in basins.items()]
    total = {name: areas * (np.array(reach) == name) for name in dict.fromkeys(reach)}
    means = {name: share @ weights / share.sum() for name, share in total.items()}
    rain = weather.daily_rain(seed, climate.climatology(means))

    rng = np.random.default_rng(np.random.SeedSequence(seed, spawn_key=(12,)))
    noise = hydrology.ripple(rng, (len(DAYS), len(basins)), soil.QUICK_PERSISTENCE)
    upper = np.array(reach) == "chiang_saen"
    sigma = np.where(upper, soil.QUICK_SIGMA_LANCANG, soil.QUICK_SIGMA)
    areal = soil.runoff(
        (rain.astype(float) @ weights.T).round(6),
        [soil.SOILS[name] for name in reach],
        quick_factor=np.exp(sigma * noise),
    )
    nearest = np.argmax(np.stack([mean / mean.max() for mean in means.values()]), axis=0)
    nodes = soil.runoff(rain, [soil.SOILS[list(means)[n]] for n in nearest])
    rivers = hydrology.rivers(seed, areal.outflow_mm * areas / 86.4, basins)
    return {
        "rain": rain,
        "wetness": nodes.wetness.round(5).astype(np.float32),
        "stage": np.stack([_half_days(rivers.stage_m[code]) for code in STATIONS], axis=1),
        "flow": np.stack([_half_days(rivers.flow_m3s[code]) for code in hydrology.GAUGES], axis=1),
        "zone_weights": node_weights(
            {name: zone.polygon for name, zone in places.zones().items()}
        ).astype(np.float32),
    }


STATIONS = tuple(sorted((*hydrology.GAUGES, "033401", "020101", "020102", "020106")))
"""Codes of the gauges whose stage is simulated."""


def _half_days(steps: NDArray[np.float64]) -> NDArray[np.float32]:
    """Values at 00:00Z and 12:00Z of every day, from values at the end of each routing step."""
    at = np.arange(2 * len(DAYS)) * (hydrology.STEPS // 2) - 1
    return steps[np.maximum(at, 0)].round(4).astype(np.float32)


class VirtualBasin:
    """The record of one seed, simulated once and kept on disk.

    Parameters
    ----------
    seed
        Seed; the same seed gives the same values.
    folder
        Folder of the kept simulation, made if need be. A simulation by other code or with other
        reference data is not used.
    """

    def __init__(self, seed: int, folder: Path) -> None:
        self.seed = seed
        path = folder / f"basin-{seed}-{_fingerprint()}.npz"
        if not path.exists():
            folder.mkdir(parents=True, exist_ok=True)
            fresh = path.with_suffix(".part.npz")
            np.savez(fresh, allow_pickle=False, **simulate(seed))
            fresh.replace(path)
        with np.load(path) as kept:
            self.rain = kept["rain"]
            self.wetness = kept["wetness"]
            self.stage = kept["stage"]
            self.flow = kept["flow"]
            self.zone_weights = kept["zone_weights"]
        self.half_days = (DAYS[0] + np.arange(2 * len(DAYS)) * np.timedelta64(12, "h")).astype(
            "datetime64[ns]"
        )

    def _index(self, day: date) -> int:
        index = (day - START).days
        if not 0 <= index < len(DAYS):
            raise ValueError(f"expected a day from {DAYS[0]} to {DAYS[-1]}, found {day}")
        return index

    def rain_day(self, day: date, grid: Grid = MEKONG) -> NDArray[np.float32]:
        """Give the true rain of a UTC day, mm, shape (lat, lon)."""
        return on_grid(self.rain[self._index(day)], grid)

    def rain_cells(self, day: date, grid: Grid = MEKONG) -> NDArray[np.float32]:
        """Give the true rain rate in the 48 half-hours of a UTC day, mm/h, shape (48, lat, lon)."""
        share = weather.half_hourly(self.seed, day)
        return on_grid(2 * share * self.rain[self._index(day)], grid)

    def imerg(
        self, start: datetime, run: Literal["early", "late", "final"], grid: Grid = MEKONG
    ) -> NDArray[np.float32]:
        """Rain rate of the half-hour from ``start`` as IMERG sees it, mm/h, shape (lat, lon).

        Over a day the half-hours add up to :meth:`imerg_day` of the same run.
        """
        day = start.date()
        seen = sensors.satellite_rain(self.seed, run, day, self.rain[self._index(day)])
        slot = start.hour * 2 + start.minute // 30
        return on_grid(2 * weather.half_hourly(self.seed, day)[slot] * seen, grid)

    def imerg_day(
        self, day: date, run: Literal["early", "late", "final"], grid: Grid = MEKONG
    ) -> NDArray[np.float32]:
        """Rain of a UTC day as IMERG sees it, mm per day, shape (lat, lon)."""
        return on_grid(
            sensors.satellite_rain(self.seed, run, day, self.rain[self._index(day)]), grid
        )

    def gk2a(self, start: datetime, grid: Grid = MEKONG) -> NDArray[np.float32]:
        """Rain rate of the ten minutes from ``start`` as GK2A sees it, mm/h, shape (lat, lon)."""
        day = start.date()
        seen = sensors.satellite_rain(self.seed, "gk2a", day, self.rain[self._index(day)])
        slot = start.hour * 2 + start.minute // 30
        flicker = sensors.field(
            self.seed, 13, day.toordinal() * 144 + start.hour * 6 + start.minute // 10
        )[0]
        rate = 2 * weather.half_hourly(self.seed, day)[slot] * seen * np.exp(0.3 * flicker - 0.045)
        return on_grid(rate, grid)

    def true_soil_moisture(self, day: date) -> NDArray[np.float32]:
        """Root-zone soil moisture at the end of a day at the nodes, m3 m-3."""
        wetness: NDArray[np.float32] = self.wetness[self._index(day)]
        return np.float32(SOIL_DRY) + np.float32(SOIL_RANGE) * wetness

    def _soil_moisture(self, day: date) -> NDArray[np.float64]:
        return np.clip(self.true_soil_moisture(day) + sensors.soil_error(self.seed, day), 0.02, 0.6)

    def soil_moisture(self, day: date, grid: Grid = MEKONG) -> NDArray[np.float32]:
        """Root-zone soil moisture as SMAP L4 sees it, m3 m-3, shape (lat, lon)."""
        return on_grid(self._soil_moisture(day), grid)

    @cached_property
    def _monthly(self) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """NDVI and surface temperature (K) of every month of the record, (month, node) each."""
        starts = np.flatnonzero(np.diff(MONTH, prepend=-1))
        counts = np.diff(starts, append=len(DAYS))[:, None]
        wet = np.add.reduceat(self.wetness.astype(float), starts, axis=0) / counts
        years = len(wet) // 12
        normal = wet[12:].reshape(years - 1, 12, -1).mean(0)
        anomaly = wet - np.tile(normal, (years, 1))
        before = np.vstack([anomaly[:1], anomaly[:-1]])
        green = np.vstack([normal[-1:], normal[:-1]]) - normal.mean(0)
        yearly = self.rain.mean(0) * 365.25
        noise = [sensors.field(self.seed, 14, month, count=2) for month in range(len(wet))]
        ndvi = 0.30 + 0.42 * -np.expm1(-yearly / 1100.0) + np.tile(0.28 * green, (years, 1))
        ndvi = ndvi + 0.7 * (0.4 * anomaly + 0.6 * before) + 0.012 * np.stack([n[0] for n in noise])
        season = np.cos(
            2 * np.pi * (np.arange(12)[:, None] - (3.4 + np.clip(LAT - 16, 0, 10) * 0.2)) / 12
        )
        warm = (
            305.5
            - 0.75 * np.maximum(LAT - 20.0, 0.0)
            + (1.5 + 0.30 * np.maximum(LAT - 8, 0)) * season
        )
        lst = np.tile(warm - 6.0 * (normal - normal.mean(0)), (years, 1)) - 22.0 * anomaly
        lst = lst + 0.5 * np.stack([n[1] for n in noise])
        return np.clip(ndvi, 0.05, 0.92), lst

    def _month(self, month: date) -> int:
        return (month.year - START.year) * 12 + month.month - 1

    def ndvi(self, month: date, grid: Grid = MEKONG) -> NDArray[np.float32]:
        """Monthly NDVI of the month that holds a date, shape (lat, lon)."""
        return on_grid(self._monthly[0][self._month(month)], grid)

    def lst(self, month: date, grid: Grid = MEKONG) -> NDArray[np.float32]:
        """Mean daytime surface temperature of the month that holds a date, K, (lat, lon)."""
        return on_grid(self._monthly[1][self._month(month)], grid)

    def areal_record(self, year: int) -> xr.Dataset:
        """Areal means of all zones for a year, as issued the next morning.

        Rain carries the error of IMERG Early; as cells and zones are linear in the nodes, these
        are the means of the gridded files. Soil moisture starts with SMAP, NDVI and surface
        temperature with MODIS; a month's value stands on the day of its publication.

        Parameters
        ----------
        year
            Calendar year (UTC).

        Returns
        -------
        Dataset
            Dims (time, zone): ``rain`` mm per day, ``coverage``, ``soil_moisture`` m3 m-3,
            ``ndvi``, ``lst`` K; NaN where nothing was published.
        """
        days = [
            date(year, 1, 1) + timedelta(n)
            for n in range((date(year + 1, 1, 1) - date(year, 1, 1)).days)
        ]
        blank = np.full((len(days), len(LAT)), np.nan)
        found = {name: blank.copy() for name in ("rain", "soil_moisture", "ndvi", "lst")}
        for row, day in enumerate(days):
            if not sensors.outage(self.seed, day):
                found["rain"][row] = sensors.satellite_rain(
                    self.seed, "early", day, self.rain[self._index(day)]
                )
            found["soil_moisture"][row] = self._soil_moisture(max(day - SOIL_DELAY, START))
            if day.day == MONTHLY_DAY and day > sensors.MODIS_START:
                month = self._month(day) - 1
                found["ndvi"][row], found["lst"][row] = (one[month] for one in self._monthly)
        weights = self.zone_weights.astype(float).T
        means = {name: (one @ weights).round(4).astype(np.float32) for name, one in found.items()}
        means["coverage"] = np.isfinite(means["rain"]).astype(np.float32)
        return xr.Dataset(
            {name: (("time", "zone"), means[name], attributes(name)) for name in sorted(means)},
            coords={"time": np.array(days, "datetime64[ns]"), "zone": list(places.zones())},
            attrs={"origin": "virtual", "version": "early"},
        )

    @cached_property
    def _readings(self) -> dict[str, pd.DataFrame]:
        stage = pd.DataFrame(self.stage, columns=list(STATIONS))
        flow = pd.DataFrame(self.flow, columns=list(hydrology.GAUGES))[
            list(hydrology.DISCHARGE_GAUGES)
        ]
        sites = {code: places.station(code) for code in sensors.RAIN_GAUGES}
        rain = {code: self.rain @ point_weights(one.lat, one.lon) for code, one in sites.items()}
        return {
            "stage": sensors.stage_readings(self.seed, self.half_days, stage),
            "discharge": sensors.flow_readings(self.seed, self.half_days, flow),
            "rain": sensors.rain_readings(
                self.seed, DAYS.astype("datetime64[ns]"), pd.DataFrame(rain)
            ),
        }

    def gauge_readings(
        self,
        start: datetime,
        end: datetime,
        variable: Literal["stage", "discharge", "rain"] = "stage",
    ) -> pd.DataFrame:
        """Give the readings of all gauges whose moment of reading lies in [start, end).

        Parameters
        ----------
        start, end
            Aware moments, half-open interval of ``valid_time``.
        variable
            Stage (m, 00:00Z and 12:00Z), discharge (m3/s, 00:00Z) or rain (mm, the day that
            ends at 00:00Z).

        Returns
        -------
        DataFrame
            Columns station, valid_time, arrival_time (naive UTC), value, in order of arrival. A
            corrected reading has a second row with a later arrival.
        """
        first, last = (
            pd.Timestamp(one).tz_convert("UTC").tz_localize(None) for one in (start, end)
        )
        frame = self._readings[variable]
        inside = (frame["valid_time"] >= first) & (frame["valid_time"] < last)
        return frame[inside].reset_index(drop=True)

"""The virtual Mekong: weather, rivers and observations of one seed.

Everything here is synthetic. Scores on it are never set beside scores on real stages.
"""

from __future__ import annotations

import hashlib
from calendar import monthrange
from collections.abc import Mapping
from datetime import date, datetime, timedelta
from functools import cached_property
from pathlib import Path
from typing import Literal

import numpy as np
import pandas as pd
import xarray as xr
from numpy.typing import NDArray
from shapely import MultiPolygon, Polygon

from pipeline.choices import Region
from pipeline.geography import places
from pipeline.geography.grid import GRIDS, MEKONG, Grid
from pipeline.geography.variables import attributes
from pipeline.geography.zonal import zonal_weights
from pipeline.settings import REFERENCE
from pipeline.storage.atomic import draft_file
from pipeline.virtual import climate, hydrology, sensors, soil, weather
from pipeline.virtual.lattice import BASIN, LATTICES
from pipeline.virtual.weather import DAYS, MONTH, START

SHOWCASE_DROUGHT = date(2026, 4, 10)
"""A morning of drought in the lower basin, by chance with the default seed."""
MONTHLY_DAY = 6
"""Day of the following month on which a month's NDVI and surface temperature are published."""
SOIL_DELAY = timedelta(days=3)
"""Time from the day of soil moisture to its publication."""
SOIL_DRY, SOIL_RANGE = 0.12, 0.30
"""Root-zone soil moisture of an empty bucket and the range to a full one, m3 m-3."""


def node_weights(
    polygons: Mapping[str, Polygon | MultiPolygon], region: Region = "mekong"
) -> NDArray[np.float64]:
    """Compute weights of a region's nodes in the mean of each polygon, shape (polygon, node)."""
    grid = GRIDS[region]
    area = zonal_weights(grid, polygons).toarray().reshape(-1, *grid.shape)
    rows, columns = LATTICES[region].interpolation(grid.lat, grid.lon)
    weights: NDArray[np.float64] = rows.T @ (area / area.sum((1, 2), keepdims=True)) @ columns
    return weights.reshape(len(polygons), -1).round(9)


def point_weights(lat: float, lon: float) -> NDArray[np.float64]:
    """Compute weights of the basin's nodes at a point, shape (node,)."""
    rows, columns = BASIN.interpolation(np.array([lat]), np.array([lon]))
    return (rows.T @ columns).ravel()


def _fingerprint() -> str:
    folder = Path(__file__).parent
    names = ("basin", "climate", "hydrology", "lattice", "soil", "weather")
    paths = [folder / f"{name}.py" for name in names]
    paths += [REFERENCE / name for name in ("basins.csv", "basins.geojson", "cities.csv")]
    digest = hashlib.sha256()
    for path in paths:
        digest.update(path.read_bytes())
    return digest.hexdigest()[:12]


def simulate(seed: int, region: Region = "mekong") -> dict[str, NDArray[np.float32]]:
    """Simulate the whole record from a seed.

    The rivers are the basin's in every region, and so is the weather over the basin.

    Returns
    -------
    dict
        ``rain`` mm and ``wetness`` (day, node); ``runoff`` mm (month, node); ``stage`` m and
        ``flow`` m3/s at 00:00Z and 12:00Z, (half-day, gauge) in the order of ``STATIONS`` and of
        ``hydrology.GAUGES``.
    """
    basins = places.basins()
    weights = node_weights({name: basin.polygon for name, basin in basins.items()})
    areas = np.array([basin.area_km2 for basin in basins.values()])
    reach = ["lower" if name in soil.LOWER else basin.reach for name, basin in basins.items()]
    total = {name: areas * (np.array(reach) == name) for name in dict.fromkeys(reach)}
    means = {name: share @ weights / share.sum() for name, share in total.items()}
    lattice = LATTICES[region]
    rain = weather.daily_rain(seed, climate.climatology(means, lattice), lattice)

    rng = np.random.default_rng(np.random.SeedSequence(seed, spawn_key=(12,)))
    noise = hydrology.draw_ar1_noise(rng, (len(DAYS), len(basins)), soil.QUICK_PERSISTENCE)
    upper = np.array(reach) == "chiang_saen"
    sigma = np.where(upper, soil.QUICK_SIGMA_LANCANG, soil.QUICK_SIGMA)
    areal = soil.simulate_runoff(
        (rain[:, lattice.inside].astype(float) @ weights.T).round(6),
        [soil.SOILS[name] for name in reach],
        quick_factor=np.exp(sigma * noise),
    )
    nearest = np.argmax(np.stack([mean / mean.max() for mean in means.values()]), axis=0)
    soils = np.full(len(lattice.lat), "lower", dtype=object)
    soils[lattice.inside] = np.array(list(means), dtype=object)[nearest]
    nodes = soil.simulate_runoff(rain, [soil.SOILS[name] for name in soils])
    rng = np.random.default_rng(np.random.SeedSequence(seed, spawn_key=(15,)))
    noise = hydrology.draw_ar1_noise(rng, (len(DAYS), len(basins)), soil.INFLOW_PERSISTENCE)
    sigma = np.where(upper, soil.INFLOW_SIGMA_LANCANG, soil.INFLOW_SIGMA)
    unseen = np.exp(sigma * noise - sigma**2 / 2)
    rivers = hydrology.route_rivers(seed, unseen * areal.outflow_mm * areas / 86.4, basins)
    return {
        "rain": rain,
        "wetness": nodes.wetness.round(5).astype(np.float32),
        "runoff": np.add.reduceat(nodes.outflow_mm, _MONTHS).round(3).astype(np.float32),
        "stage": np.stack([_select_half_days(rivers.stage_m[code]) for code in STATIONS], axis=1),
        "flow": np.stack(
            [_select_half_days(rivers.flow_m3s[code]) for code in hydrology.GAUGES], axis=1
        ),
    }


_MONTHS = np.flatnonzero(np.diff(MONTH, prepend=-1))
"""Day with which each month of the record begins."""
STATIONS = tuple(sorted((*hydrology.GAUGES, "033401", "020101", "020102", "020106")))
"""Codes of the gauges whose stage is simulated."""


def _select_half_days(steps: NDArray[np.float64]) -> NDArray[np.float32]:
    """Select values at 00:00Z and 12:00Z of every day from those at the end of routing steps."""
    indices = np.arange(2 * len(DAYS)) * (hydrology.STEPS // 2) - 1
    return steps[np.maximum(indices, 0)].round(4).astype(np.float32)


class VirtualBasin:
    """Record of one seed, simulated once and stored on disk.

    Parameters
    ----------
    seed
        Seed; the same seed gives the same values.
    folder
        Folder of the stored simulation, created if needed. A simulation by other code or with
        other reference data is not used.
    region
        Extent of the weather, and region of the cities with a record.
    """

    def __init__(self, seed: int, folder: Path, region: Region = "mekong") -> None:
        self.seed = seed
        self.region = region
        self.lattice = LATTICES[region]
        path = folder / f"{region}-{seed}-{_fingerprint()}.npz"
        if not path.exists():
            folder.mkdir(parents=True, exist_ok=True)
            with draft_file(path) as draft, draft.open("wb") as stream:
                np.savez(stream, allow_pickle=False, **simulate(seed, region))
        with np.load(path) as stored:
            self.rain = stored["rain"]
            self.wetness = stored["wetness"]
            self.runoff = stored["runoff"]
            self.stage = stored["stage"]
            self.flow = stored["flow"]
        self.half_days = (DAYS[0] + np.arange(2 * len(DAYS)) * np.timedelta64(12, "h")).astype(
            "datetime64[ns]"
        )

    @cached_property
    def zone_weights(self) -> NDArray[np.float32]:
        """Weights of the nodes in the mean of each zone of the tables, shape (zone, node)."""
        polygons = {name: zone.polygon for name, zone in places.zones(self.region).items()}
        return node_weights(polygons, self.region).astype(np.float32)

    def _day_index(self, day: date) -> int:
        index = (day - START).days
        if not 0 <= index < len(DAYS):
            raise ValueError(f"expected a day from {DAYS[0]} to {DAYS[-1]}, found {day}")
        return index

    def _draw_shares(self, day: date) -> NDArray[np.float32]:
        return weather.draw_half_hourly_shares(self.seed, day, self.lattice)

    def _observe_rain(self, run: sensors.Run, day: date) -> NDArray[np.float64]:
        rain = self.rain[self._day_index(day)]
        return sensors.satellite_rain(self.seed, run, day, rain, self.lattice)

    def rain_day(self, day: date, grid: Grid = MEKONG) -> NDArray[np.float32]:
        """Return the true rain of a UTC day, mm, shape (lat, lon)."""
        return self.lattice.on_grid(self.rain[self._day_index(day)], grid)

    def rain_cells(self, day: date, grid: Grid = MEKONG) -> NDArray[np.float32]:
        """Return the true rain rate of the 48 half-hours of a UTC day, mm/h, (48, lat, lon)."""
        share = self._draw_shares(day)
        return self.lattice.on_grid(2 * share * self.rain[self._day_index(day)], grid)

    def imerg(
        self, start: datetime, run: Literal["early", "late", "final"], grid: Grid = MEKONG
    ) -> NDArray[np.float32]:
        """Return IMERG's rain rate of the half-hour from ``start``, mm/h, shape (lat, lon).

        Over a day the half-hours add up to :meth:`imerg_day` of the same run.
        """
        day = start.date()
        observed = self._observe_rain(run, day)
        slot = start.hour * 2 + start.minute // 30
        return self.lattice.on_grid(2 * self._draw_shares(day)[slot] * observed, grid)

    def imerg_day(
        self, day: date, run: Literal["early", "late", "final"], grid: Grid = MEKONG
    ) -> NDArray[np.float32]:
        """Return IMERG's rain of a UTC day, mm per day, shape (lat, lon)."""
        return self.lattice.on_grid(self._observe_rain(run, day), grid)

    def gk2a(self, start: datetime, grid: Grid = MEKONG) -> NDArray[np.float32]:
        """Return GK2A's rain rate of the ten minutes from ``start``, mm/h, shape (lat, lon)."""
        day = start.date()
        observed = self._observe_rain("gk2a", day)
        slot = start.hour * 2 + start.minute // 30
        tenth = day.toordinal() * 144 + start.hour * 6 + start.minute // 10
        flicker = sensors.draw_field(self.seed, 13, tenth, lattice=self.lattice)[0]
        rate = 2 * self._draw_shares(day)[slot] * observed * np.exp(0.3 * flicker - 0.045)
        return self.lattice.on_grid(rate, grid)

    def true_soil_moisture(self, day: date) -> NDArray[np.float32]:
        """Root-zone soil moisture at the end of a day at the nodes, m3 m-3."""
        wetness: NDArray[np.float32] = self.wetness[self._day_index(day)]
        return np.float32(SOIL_DRY) + np.float32(SOIL_RANGE) * wetness

    def _observe_soil_moisture(self, day: date) -> NDArray[np.float64]:
        error = sensors.soil_error(self.seed, day, self.lattice)
        return np.clip(self.true_soil_moisture(day) + error, 0.02, 0.6)

    def soil_moisture(self, day: date, grid: Grid = MEKONG) -> NDArray[np.float32]:
        """Return root-zone soil moisture as of SMAP L4, m3 m-3, shape (lat, lon)."""
        return self.lattice.on_grid(self._observe_soil_moisture(day), grid)

    @cached_property
    def _monthly(self) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """NDVI and surface temperature (K) of every month of the record, (month, node) each."""
        counts = np.diff(_MONTHS, append=len(DAYS))[:, None]
        wet = np.add.reduceat(self.wetness.astype(float), _MONTHS, axis=0) / counts
        years = len(wet) // 12
        normal = wet[12:].reshape(years - 1, 12, -1).mean(0)
        anomaly = wet - np.tile(normal, (years, 1))
        before = np.vstack([anomaly[:1], anomaly[:-1]])
        green = np.vstack([normal[-1:], normal[:-1]]) - normal.mean(0)
        yearly = self.rain.mean(0) * 365.25
        noise = [
            sensors.draw_field(self.seed, 14, month, count=2, lattice=self.lattice)
            for month in range(len(wet))
        ]
        ndvi = 0.30 + 0.42 * -np.expm1(-yearly / 1100.0) + np.tile(0.28 * green, (years, 1))
        ndvi = ndvi + 0.7 * (0.4 * anomaly + 0.6 * before) + 0.012 * np.stack([n[0] for n in noise])
        lat = self.lattice.lat
        season = np.cos(
            2 * np.pi * (np.arange(12)[:, None] - (3.4 + np.clip(lat - 16, 0, 10) * 0.2)) / 12
        )
        warm = (
            305.5
            - 0.75 * np.maximum(lat - 20.0, 0.0)
            + (1.5 + 0.30 * np.maximum(lat - 8, 0)) * season
        )
        lst = np.tile(warm - 6.0 * (normal - normal.mean(0)), (years, 1)) - 22.0 * anomaly
        lst = lst + 0.5 * np.stack([n[1] for n in noise])
        return np.clip(ndvi, 0.05, 0.92), lst

    def _month_index(self, month: date) -> int:
        return (month.year - START.year) * 12 + month.month - 1

    def ndvi(self, month: date, grid: Grid = MEKONG) -> NDArray[np.float32]:
        """Monthly NDVI of the month that holds a date, shape (lat, lon)."""
        return self.lattice.on_grid(self._monthly[0][self._month_index(month)], grid)

    def lst(self, month: date, grid: Grid = MEKONG) -> NDArray[np.float32]:
        """Mean daytime surface temperature of the month that holds a date, K, (lat, lon)."""
        return self.lattice.on_grid(self._monthly[1][self._month_index(month)], grid)

    def land(
        self, month: date, grid: Grid = MEKONG
    ) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        """Return potential evaporation, mm per day, and runoff, mm, of the month of a date.

        Potential evaporation rises by 2 % for each kelvin above the month's mean temperature.
        """
        lst, index = self._monthly[1], self._month_index(month)
        warmer = lst[index] - lst[index % 12 :: 12].mean(axis=0)
        days = monthrange(month.year, month.month)[1]
        pet = soil.PET_MM[month.month - 1] / days * (1 + 0.02 * warmer)
        return self.lattice.on_grid(pet, grid), self.lattice.on_grid(self.runoff[index], grid)

    def areal_record(self, year: int) -> xr.Dataset:
        """Areal means of all zones for a year, as issued the next morning.

        Rain carries the error of IMERG Early; as cells and zones are linear in the nodes, these
        are the means of the gridded files. Soil moisture is there from the first day, as if SMAP
        had flown before 2015; NDVI and surface temperature start with MODIS, and a month's value
        stands on the day of its publication.

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
        blank = np.full((len(days), len(self.lattice.lat)), np.nan)
        nodes = {name: blank.copy() for name in ("rain", "soil_moisture", "ndvi", "lst")}
        for row, day in enumerate(days):
            if not sensors.is_outage(self.seed, day):
                nodes["rain"][row] = self._observe_rain("early", day)
            nodes["soil_moisture"][row] = self._observe_soil_moisture(max(day - SOIL_DELAY, START))
            if day.day == MONTHLY_DAY and day > sensors.MODIS_START:
                month = self._month_index(day) - 1
                nodes["ndvi"][row], nodes["lst"][row] = (values[month] for values in self._monthly)
        weights = self.zone_weights.astype(float).T
        zones = list(places.zones(self.region))
        means = {
            name: (values @ weights).round(4).astype(np.float32) for name, values in nodes.items()
        }
        means["coverage"] = np.isfinite(means["rain"]).astype(np.float32)
        return xr.Dataset(
            {name: (("time", "zone"), means[name], attributes(name)) for name in sorted(means)},
            coords={"time": np.array(days, "datetime64[ns]"), "zone": zones},
            attrs={"origin": "virtual", "version": "early"},
        )

    @cached_property
    def _readings(self) -> dict[str, pd.DataFrame]:
        stage = pd.DataFrame(self.stage, columns=list(STATIONS))
        flow = pd.DataFrame(self.flow, columns=list(hydrology.GAUGES))[
            list(hydrology.DISCHARGE_GAUGES)
        ]
        sites = {code: places.station(code) for code in sensors.RAIN_GAUGES}
        true = self.rain[:, self.lattice.inside]
        rain = {code: true @ point_weights(site.lat, site.lon) for code, site in sites.items()}
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
        """Return the readings of all gauges with a valid time in [start, end).

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
            pd.Timestamp(moment).tz_convert("UTC").tz_localize(None) for moment in (start, end)
        )
        frame = self._readings[variable]
        inside = (frame["valid_time"] >= first) & (frame["valid_time"] < last)
        return frame[inside].reset_index(drop=True)

"""Nodes, interpolation between them, and noise that goes on beyond the basin."""

from datetime import date

import numpy as np
import pytest

from pipeline.geography.grid import ASEAN, MEKONG, Grid
from pipeline.virtual import sensors, weather
from pipeline.virtual.lattice import BASIN, LATTICES, Lattice

WIDE = LATTICES["asean"]


def test_interpolation_is_exact_for_a_plane() -> None:
    for lattice, grid in ((BASIN, MEKONG), (WIDE, ASEAN)):
        field = lattice.on_grid(2.0 * lattice.lat + 3.0 * lattice.lon, grid)
        expected = 2.0 * grid.lat[:, None] + 3.0 * grid.lon
        np.testing.assert_allclose(field, expected, rtol=1e-5)


def test_interpolation_by_hand() -> None:
    nodes = np.zeros(len(BASIN.lat))
    nodes[(BASIN.lat == 12.0) & (BASIN.lon == 105.0)] = 8.0
    cell = BASIN.on_grid(nodes, Grid(11.5, 12.0, 105.0, 105.5, step=0.5))
    assert cell[0, 0] == pytest.approx(8.0 * 0.75 * 0.75)


def test_points_off_the_lattice_are_refused() -> None:
    with pytest.raises(ValueError, match=r"inside the lattice .*7-35 N, 93-110 E"):
        BASIN.interpolation(np.array([36.0]), np.array([100.0]))
    with pytest.raises(ValueError, match="inside the lattice"):
        BASIN.on_grid(np.zeros(len(BASIN.lat)), ASEAN)


def test_every_lattice_holds_the_basins_nodes_in_their_order() -> None:
    for lattice in LATTICES.values():
        np.testing.assert_array_equal(lattice.lat[lattice.inside], BASIN.lat)
        np.testing.assert_array_equal(lattice.lon[lattice.inside], BASIN.lon)
        np.testing.assert_array_equal(lattice.nearest[lattice.inside], np.arange(len(BASIN.lat)))
    jakarta = int(WIDE.distance_km(-6.0, 107.0).argmin())
    edge = WIDE.nearest[jakarta]
    assert (BASIN.lat[edge], BASIN.lon[edge]) == (7.0, 107.0)


@pytest.mark.parametrize("range_km", [120.0, 600.0])
def test_noise_beyond_the_basin_goes_on_from_its_edge(range_km: float) -> None:
    seeds = [np.random.default_rng(5), np.random.default_rng(5)]
    basin, wide = (
        one.noise(rng, (4000,), range_km) for one, rng in zip((BASIN, WIDE), seeds, strict=True)
    )
    np.testing.assert_array_equal(wide[:, WIDE.inside], basin)
    np.testing.assert_allclose(wide.mean(0), 0.0, atol=0.08)
    np.testing.assert_allclose(wide.std(0), 1.0, atol=0.06)

    def node(lat: float, lon: float) -> np.ndarray:
        found: np.ndarray = wide[:, int(WIDE.distance_km(lat, lon).argmin())]
        return found

    for here, there in (((7, 101), (6, 101)), ((7, 101), (4, 101)), ((15, 110), (15, 112))):
        apart_km = WIDE.distance_km(*there)[int(WIDE.distance_km(*here).argmin())]
        together = np.corrcoef(node(*here), node(*there))[0, 1]
        assert together == pytest.approx(np.exp(-apart_km / range_km), abs=0.05)
    far = np.corrcoef(node(-8, 114), node(-7, 114))[0, 1]
    assert far == pytest.approx(np.exp(-111.2 / range_km), abs=0.05)


def test_the_basins_weather_is_the_same_in_every_region() -> None:
    day = date(2020, 8, 1)
    narrow, wide = (weather.draw_half_hourly_shares(3, day, one) for one in (BASIN, WIDE))
    np.testing.assert_allclose(wide[:, WIDE.inside], narrow, rtol=1e-6)
    np.testing.assert_allclose(wide.sum(0), 1.0, atol=1e-5)
    rain = np.random.default_rng(1).gamma(0.5, 10.0, len(WIDE.lat))
    seen = sensors.satellite_rain(3, "early", day, rain, WIDE)
    same = sensors.satellite_rain(3, "early", day, rain[WIDE.inside])
    np.testing.assert_allclose(seen[WIDE.inside], same, rtol=1e-6)
    np.testing.assert_array_equal(
        sensors.soil_error(3, day, WIDE)[WIDE.inside], sensors.soil_error(3, day)
    )


def test_a_lattice_counts_north_to_south_and_west_to_east() -> None:
    small = Lattice(11, 10, 100, 102)
    assert small.lat.tolist() == [11, 11, 11, 10, 10, 10]
    assert small.lon_axis.tolist() == [100, 101, 102]

"""Nodes of the virtual weather, and spatially correlated noise on them.

Between nodes a field is interpolated bilinearly. Interpolation is linear, so that sub-basin means,
city means and gridded files agree.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache, cached_property
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray
from scipy import signal

if TYPE_CHECKING:
    from pipeline.choices import Region
    from pipeline.geography.grid import Grid

_DEGREE_KM = 111.2


@dataclass(frozen=True)
class Lattice:
    """Nodes one degree apart, north to south and west to east.

    Parameters
    ----------
    north, south, west, east
        Coordinates of the outermost nodes, degrees.

    Examples
    --------
    >>> Lattice(11, 10, 100, 102).lon.tolist()
    [100.0, 101.0, 102.0, 100.0, 101.0, 102.0]
    """

    north: int
    south: int
    west: int
    east: int

    @cached_property
    def lat_axis(self) -> NDArray[np.float64]:
        """Latitudes of the rows."""
        return np.arange(float(self.north), self.south - 1.0, -1.0)

    @cached_property
    def lon_axis(self) -> NDArray[np.float64]:
        """Longitudes of the columns."""
        return np.arange(float(self.west), self.east + 1.0)

    @cached_property
    def lat(self) -> NDArray[np.float64]:
        """Latitude of every node, flat."""
        return np.repeat(self.lat_axis, len(self.lon_axis))

    @cached_property
    def lon(self) -> NDArray[np.float64]:
        """Longitude of every node, flat."""
        return np.tile(self.lon_axis, len(self.lat_axis))

    @cached_property
    def nearest(self) -> NDArray[np.int64]:
        """Index of the basin's node nearest to each node; in the basin's box the node itself."""
        row = BASIN.north - np.clip(self.lat, BASIN.south, BASIN.north)
        column = np.clip(self.lon, BASIN.west, BASIN.east) - BASIN.west
        return (row * len(BASIN.lon_axis) + column).astype(np.int64)

    @cached_property
    def inside(self) -> NDArray[np.bool_]:
        """Mask of the basin's nodes, which are in the basin's order."""
        lat = (self.lat >= BASIN.south) & (self.lat <= BASIN.north)
        return lat & (self.lon >= BASIN.west) & (self.lon <= BASIN.east)

    def interpolation(
        self, lat: NDArray[np.float64], lon: NDArray[np.float64]
    ) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Compute bilinear weights from the lattice's axes to the axes of a grid.

        Returns
        -------
        tuple
            Arrays (lat, node row) and (lon, node column); each row adds up to 1. A field ``f`` of
            shape (node row, node column) becomes ``rows @ f @ columns.T`` on the grid.

        Examples
        --------
        >>> rows, columns = BASIN.interpolation(np.array([10.25]), np.array([100.0]))
        >>> float(rows[0, BASIN.lat_axis == 10.0][0]), float(columns[0, BASIN.lon_axis == 100.0][0])
        (0.75, 1.0)
        """
        rows = np.maximum(0.0, 1.0 - np.abs(lat[:, None] - self.lat_axis))
        columns = np.maximum(0.0, 1.0 - np.abs(lon[:, None] - self.lon_axis))
        if not (np.allclose(rows.sum(1), 1.0) and np.allclose(columns.sum(1), 1.0)):
            raise ValueError(
                f"expected points inside the lattice of the virtual basin ({self.south}-"
                f"{self.north} N, {self.west}-{self.east} E), found some outside"
            )
        return rows, columns

    def on_grid(self, nodes: NDArray[np.floating], grid: Grid) -> NDArray[np.float32]:
        """Interpolate values of nodes, shape (..., node), to (..., lat, lon) of a grid."""
        rows, columns = self.interpolation(grid.lat, grid.lon)
        shape = *nodes.shape[:-1], len(self.lat_axis), len(self.lon_axis)
        field = nodes.reshape(shape).astype(np.float32)
        values: NDArray[np.float32] = rows.astype(np.float32) @ field @ columns.T.astype(np.float32)
        return values

    def distance_km(self, lat: float, lon: float) -> NDArray[np.float64]:
        """Compute the distance of every node from a point, km, on the local tangent plane."""
        x = (self.lon - lon) * _DEGREE_KM * np.cos(np.radians((self.lat + lat) / 2))
        distance: NDArray[np.float64] = np.hypot(x, (self.lat - lat) * _DEGREE_KM)
        return distance

    def noise(
        self, rng: np.random.Generator, shape: tuple[int, ...], range_km: float
    ) -> NDArray[np.float64]:
        """Draw noise of unit variance with correlation exp(−d / range_km), shape (*shape, node).

        The nodes of the basin get the same noise on every lattice. Beyond them it is the nearest
        of them, fading with the distance, and noise of its own whose correlation is the product
        of exponentials along latitude and longitude (exact on a straight edge). Rounded to six
        decimals, so that the order in which a linear-algebra library adds up, which differs
        between machines and numbers of threads, does not show.
        """
        white = rng.standard_normal((*shape, len(BASIN.lat)), np.float32).astype(float)
        basin: NDArray[np.float64] = (white @ _root(range_km).T).round(6)
        if self == BASIN:
            return basin
        (own_rng,) = rng.spawn(1)
        size = *shape, len(self.lat_axis), len(self.lon_axis)
        field = own_rng.standard_normal(size, np.float32).astype(float)
        keep = float(np.exp(-_DEGREE_KM / range_km))
        for axis in (-2, -1):
            along = np.moveaxis(field, axis, 0)
            along[0] /= np.sqrt(1 - keep**2)
            field = signal.lfilter([np.sqrt(1 - keep**2)], [1.0, -keep], field, axis=axis)
        fade = _fade(self, range_km)
        field = field.reshape(*shape, -1) * np.sqrt(1 - fade**2)
        field += fade * basin[..., self.nearest]
        rounded: NDArray[np.float64] = field.round(6)
        return rounded


BASIN = Lattice(35, 7, 93, 110)
"""Nodes of the virtual Mekong and its surroundings."""
LATTICES: dict[Region, Lattice] = {"mekong": BASIN, "asean": Lattice(35, -10, 93, 127)}
"""Nodes of each region; each holds the basin's."""


@cache
def _root(range_km: float) -> NDArray[np.float64]:
    """Factorise the correlation exp(−d / range_km) of the basin's nodes (lower Cholesky)."""
    points = zip(BASIN.lat, BASIN.lon, strict=True)
    apart = np.stack([BASIN.distance_km(la, lo) for la, lo in points])
    correlation = np.exp(-(apart + apart.T) / (2 * range_km)) + 1e-6 * np.eye(len(BASIN.lat))
    return np.linalg.cholesky(correlation).astype(np.float64)


@cache
def _fade(lattice: Lattice, range_km: float) -> NDArray[np.float64]:
    """Compute the correlation exp(−d / range_km) of each node with the basin's nearest node."""
    edge_lat, edge_lon = BASIN.lat[lattice.nearest], BASIN.lon[lattice.nearest]
    east = (lattice.lon - edge_lon) * np.cos(np.radians(lattice.lat))
    correlation: NDArray[np.float64] = np.exp(
        -np.hypot(east, lattice.lat - edge_lat) * _DEGREE_KM / range_km
    )
    return correlation

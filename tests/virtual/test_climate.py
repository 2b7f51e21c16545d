"""The rain climate: known means come back, near and beyond the basin."""

import numpy as np
import pytest

from pipeline.virtual import climate
from pipeline.virtual.lattice import BASIN, LATTICES
from tests.virtual.reaches import reaches

WIDE = LATTICES["asean"]


def test_climatology_meets_the_reaches() -> None:
    monthly = climate.climatology(reaches())
    for name, weights in reaches().items():
        np.testing.assert_allclose(monthly @ weights, climate.RAIN_MM[name], rtol=0.02)
    assert monthly.min() > 0


def test_climate_beyond_the_basin_has_its_own_seasons() -> None:
    near = np.exp(-((BASIN.distance_km(15.2, 103.5) / 120.0) ** 2))
    reaches = {"pakse": near / near.sum()}
    basin, wide = climate.climatology(reaches), climate.climatology(reaches, WIDE)
    np.testing.assert_array_equal(wide[:, WIDE.inside], basin)
    assert wide.min() > 0

    def at(lat: float, lon: float) -> np.ndarray:
        found: np.ndarray = wide[:, int(WIDE.distance_km(lat, lon).argmin())]
        return found

    assert at(-6.2, 106.9).argmax() == 0, "Jakarta is wet in January"
    assert at(14.6, 121.0).argmax() in {6, 7}, "Manila is wet in July and August"
    singapore = at(1.3, 103.9)
    assert singapore.max() / singapore.min() < 3, "Singapore has no dry season"
    assert singapore.sum() == pytest.approx(2150, rel=0.1)

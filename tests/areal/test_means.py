"""Weights of the zones and the sub-basin of each cell."""

from __future__ import annotations

import numpy as np

from pipeline.areal import means as zonal_means
from pipeline.geography.grid import MEKONG
from pipeline.geography.places import zones


def test_a_cell_belongs_to_the_sub_basin_that_has_most_of_it() -> None:
    owner = zonal_means.sub_basin_of_cells("mekong")
    weights = zonal_means.zone_weights("mekong").toarray().reshape(len(zones()), *MEKONG.shape)
    basins = [place for place, name in enumerate(zones()) if name.startswith("basin:")]
    inside = weights[basins].sum(axis=0) > 0
    assert (owner.values[~inside] == "").all()
    names = np.array(list(zones()))[basins][weights[basins].argmax(axis=0)]
    np.testing.assert_array_equal(owner.values[inside], names[inside])
    assert str(owner.sel(lat=16.45, lon=103.35, method="nearest").values) == "basin:chi"


def test_a_mean_needs_most_of_the_zone() -> None:
    day = np.array(["2026-08-19"], "M8[ns]")
    rain = MEKONG.dataset(day, rain=np.full((1, *MEKONG.shape), 3.0, "f4"))["rain"]
    mean, coverage = zonal_means.average_with_coverage(rain, "mekong")
    np.testing.assert_allclose(mean, 3.0, rtol=1e-5)
    np.testing.assert_allclose(coverage, 1.0, rtol=1e-5)
    gone = rain.where(rain["lat"] > 40)
    assert np.isnan(zonal_means.average_zones(gone, "mekong")).all()

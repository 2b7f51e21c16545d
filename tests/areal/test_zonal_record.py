"""Products and parameters on the zones of the tables."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import xarray as xr

from pipeline.areal.zonal_record import put_parameters_on_zones, read_zonal
from pipeline.geography.places import zones
from pipeline.storage.archive import Archive
from tests.areal.uniform_grids import ASOF
from tests.storage.zone_steps import zone_steps


def test_a_product_is_read_on_the_zones_of_the_tables(tmp_path: Path) -> None:
    archive = Archive(tmp_path / "archive")
    rain = {"city:gone": [9.0], "city:pakse": [2.0], "basin:chi": [1.0]}
    archive.append("zones", zone_steps("2026-08-19", rain, "2026-08-20"), message="test")
    read = read_zonal(archive, "zones", asof=ASOF, region="mekong")["rain"]
    assert read["zone"].values.tolist() == list(zones())
    assert read.chunks is not None, "lazy"
    known = read.isel(time=0).dropna("zone").to_series().to_dict()
    assert known == {"basin:chi": 1.0, "city:pakse": 2.0}
    assert read.attrs["units"] == "mm"


def test_parameters_of_an_unknown_zone_are_missing_and_keep_their_attributes() -> None:
    fitted = xr.Dataset({"shape": ("zone", [2.0, 3.0])}, {"zone": ["a", "b"]}, {"n_years": 27})
    scalar = xr.Dataset({"k": 0.9})
    put = put_parameters_on_zones({"spi90": fitted, "scalar": scalar}, ["b", "new"])
    np.testing.assert_array_equal(put["spi90"]["shape"].values, [3.0, np.nan])
    assert put["spi90"].attrs == {"n_years": 27}
    assert put["scalar"].identical(scalar)

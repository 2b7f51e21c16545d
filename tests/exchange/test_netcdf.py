from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import xarray as xr

from pipeline.exchange.netcdf import write_netcdf
from pipeline.geography.grid import Grid
from tests.alerts.alert_cases import T0


def grid() -> xr.Dataset:
    small = Grid(10.0, 10.2, 100.0, 100.3)
    values = np.array([[[1.0, np.nan, 3.0], [4.0, 5.0, 6.0]]], dtype="float32")
    return small.dataset(np.array(["2026-08-20"], dtype="datetime64[ns]"), rain=values)


def test_netcdf_is_cf_and_the_same_every_time(tmp_path: Path) -> None:
    options: dict[str, Any] = {"title": "Risk", "source": "test", "issue_time": T0}
    first, second = (write_netcdf(grid(), **options) for _ in range(2))
    assert first == second
    path = tmp_path / "risk.nc"
    path.write_bytes(first)
    with xr.open_dataset(path, decode_coords="all") as ds:
        assert ds.attrs["Conventions"] == "CF-1.11, ACDD-1.3"
        assert ds.attrs["issue_time"] == "2026-08-20T00:30:00Z"
        assert ds["rain"].attrs["units"] == "mm"
        assert ds.rio.crs.to_epsg() == 4326
        np.testing.assert_array_equal(ds["rain"].values, grid()["rain"].values)
    bare = grid()
    del bare["rain"].attrs["units"]
    with pytest.raises(ValueError, match="units"):
        write_netcdf(bare, **options)

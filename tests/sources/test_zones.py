"""The record of the zones by years: written, read back and refused."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import xarray as xr

from pipeline.sources import zones
from pipeline.sources.base import BadGranule
from pipeline.sources.upstream import locate
from pipeline.virtual.tables import write_areal_record


def record(year: int = 2001) -> xr.Dataset:
    days = pd.date_range(f"{year}-01-01", f"{year}-12-31")
    names = ["basin:nam_ou", "city:vientiane"]
    values = {"rain": 3.5, "coverage": 0.9, "soil_moisture": 0.3, "ndvi": np.nan, "lst": 300.0}
    return xr.Dataset(
        {k: (("time", "zone"), np.full((len(days), 2), v)) for k, v in values.items()},
        {"time": days, "zone": names, "available_time": ("time", days + pd.Timedelta("24h30min"))},
    )


def write(folder: Path, ds: xr.Dataset) -> Path:
    return write_areal_record(
        folder, year=ds, published=datetime(2002, 1, 2, tzinfo=UTC), origin="virtual"
    )


def test_a_year_comes_back_as_it_went(tmp_path: Path) -> None:
    ds = record()
    ds["rain"][5, 1] = np.nan
    path = write(tmp_path, ds)
    found = zones.read(path)
    xr.testing.assert_allclose(found, ds.astype("f4"))
    assert found["rain"].attrs["units"] == "mm"
    assert found["available_time"].to_numpy()[0] == np.datetime64("2001-01-02T00:30")
    assert found.attrs["origin"] == "virtual"
    asof = datetime(2002, 6, 1, tzinfo=UTC)
    first = datetime(2000, 7, 1, tzinfo=UTC)
    names = [g.pattern for g in zones.granules("zones", first, asof, asof)]
    assert names == ["areal_record_2000.nc", "areal_record_2001.nc"]
    granule = list(zones.granules("zones", first, asof, asof))[1]
    assert locate(granule, tmp_path, asof=asof)[0] == path


def test_bad_records_say_what_is_wrong(tmp_path: Path) -> None:
    path = write(tmp_path, record())
    whole = xr.load_dataset(path, engine="h5netcdf")

    def expect(ds: xr.Dataset, message: str) -> None:
        ds.to_netcdf(path, engine="h5netcdf")
        with pytest.raises(BadGranule, match=message):
            zones.read(path)

    expect(whole.drop_vars("coverage"), "expected coverage")
    expect(whole.drop_vars("available_time"), "expected available_time")
    impossible = whole.copy(deep=True)
    impossible["rain"][3, 0] = -1.0
    expect(impossible, "rain in 0.0")
    inches = whole.copy(deep=True)
    inches["rain"].attrs["units"] = "inch"
    expect(inches, "rain .* in mm")
    expect(whole.isel(time=slice(None, None, -1)), "days in order")
    early = whole.assign_coords(available_time=("time", whole["time"].to_numpy()))
    expect(early, "days known afterwards")
    path.write_bytes(path.read_bytes()[:3000])
    with pytest.raises(BadGranule, match="a whole HDF5 file"):
        zones.read(path)

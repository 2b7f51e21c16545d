from datetime import UTC, datetime
from pathlib import Path

import h5py
import numpy as np
import pytest

from pipeline.grid import MEKONG, Grid
from pipeline.settings import ROOT
from pipeline.sources import smap
from pipeline.sources.base import BadGranule
from pipeline.virtual.land import smap_root_zone

REAL = ROOT.parent / "shared" / "real_files" / "smap"
real = pytest.mark.skipif(not REAL.is_dir(), reason="the real files are not here")
T0 = datetime(2024, 8, 1, 12, tzinfo=UTC)
BOX = Grid(14.0, 16.0, 100.0, 103.0)


def field() -> np.ndarray:
    values = np.random.default_rng(1).uniform(0.1, 0.5, BOX.shape)
    values[3, 4] = np.nan
    return values


def write(folder: Path) -> Path:
    return smap_root_zone(folder, time=T0, soil_moisture=field(), grid=BOX, published=T0)


def test_each_cell_takes_the_pixel_that_holds_its_centre(tmp_path: Path) -> None:
    path = write(tmp_path)
    with h5py.File(path) as file:
        data = file["Geophysical_Data/sm_rootzone"]
        assert data.shape == (1624, 3856)
        lat, lon = file["cell_lat"][:, 0], file["cell_lon"][0, :]
        assert abs(lat[0] - 84.6564) < 0.01
        assert abs(lon[0] + 179.953) < 0.01
        raw = data[...]
    ds = smap.read(path, BOX)
    assert ds["time"].values[0] == np.datetime64("2024-08-01T12:00")
    assert ds.attrs == {"version": "Vv8011", "origin": "virtual"}
    for row, column in ((0, 0), (7, 11), (19, 29)):
        nearest = raw[np.abs(lat - BOX.lat[row]).argmin(), np.abs(lon - BOX.lon[column]).argmin()]
        assert float(ds["soil_moisture"][0, row, column]) == pytest.approx(nearest)
    assert 0 < int(ds["soil_moisture"].isnull().sum()) < 5, "the fill around the missing cell"


def test_bad_files_say_what_is_wrong(tmp_path: Path) -> None:
    path = write(tmp_path)
    whole = path.read_bytes()
    late = path.with_name(path.name.replace("T133000", "T163000"))
    late.write_bytes(whole)
    with pytest.raises(BadGranule, match=r"time 2024-08-01 16:30.* found 2024-08-01 13:30"):
        smap.read(late, BOX)
    with h5py.File(path, "r+") as file:
        del file["Geophysical_Data/sm_rootzone"]
        file["Geophysical_Data"].create_dataset("sm_rootzone", (3856, 1624), "f4", chunks=True)
    with pytest.raises(BadGranule, match=r"1624 x 3856, found \(3856, 1624\)"):
        smap.read(path, BOX)
    with h5py.File(path, "r+") as file:
        del file["Geophysical_Data/sm_rootzone"]
    with pytest.raises(BadGranule, match="variable sm_rootzone, found sm_profile_wetness"):
        smap.read(path, BOX)
    with h5py.File(path, "r+") as file:
        del file["Geophysical_Data"]
    with pytest.raises(BadGranule, match="group Geophysical_Data or"):
        smap.read(path, BOX)
    path.write_bytes(whole[:100_000])
    with pytest.raises(BadGranule, match="a whole HDF5 file"):
        smap.read(path, BOX)


@real
def test_real_analysis_update() -> None:
    path = REAL / "SMAP_L4_SM_aup_input.h5"
    grid = Grid(30.0, 40.0, -110.0, -100.0)
    ds = smap.read(path, grid)
    assert ds["time"].values[0] == np.datetime64("2020-01-28T15:00")
    assert ds.attrs == {"version": "Vv4030", "origin": "measured"}
    # By hand: column of 105.05 W is floor((x + 17367530.445) / 9008.055); the file begins at 87.
    with h5py.File(path) as file:
        raw, x, y = file["Analysis_Data/sm_profile_analysis"][...], file["x"][...], file["y"][...]
    east = -105.05 / 180 * 17367530.445
    e2 = 0.00669437999014
    s = np.sin(np.radians(35.05))
    e = np.sqrt(e2)
    q = (1 - e2) * (s / (1 - e2 * s**2) - np.log((1 - e * s) / (1 + e * s)) / (2 * e))
    k = np.cos(np.radians(30)) / np.sqrt(1 - e2 * np.sin(np.radians(30)) ** 2)
    north = 6378137.0 * q / (2 * k)
    wanted = raw[np.abs(y - north).argmin(), np.abs(x - east).argmin()]
    got = float(ds["soil_moisture"].sel(lat=35.05, lon=-105.05, method="nearest")[0])
    assert got == pytest.approx(wanted)
    assert 0.05 < float(ds["soil_moisture"].mean()) < 0.5
    with pytest.raises(BadGranule, match=r"pixels in 7\.5"):
        smap.read(path, MEKONG)


@real
def test_real_level_3_coordinates_without_and_with_soil_moisture(tmp_path: Path) -> None:
    source = REAL / "SC_SPL3SMP_009_prefetch.nc4"
    with pytest.raises(BadGranule, match="variable soil_moisture, found"):
        smap.read(source)
    path = tmp_path / "SMAP_L3_SM_P_20150410_R19240_001.h5"
    path.write_bytes(source.read_bytes())
    with h5py.File(path, "r+") as file:
        group = file["Soil_Moisture_Retrieval_Data_AM"]
        lat, lon = group["latitude"][...], group["longitude"][...]
        made = group.create_dataset("soil_moisture", (406, 964), "f4", fillvalue=-9999)
        made.attrs["_FillValue"] = np.float32(-9999)
        made[...] = np.where(lon > -9000, lon / 1000, -9999)
    ds = smap.read(path, BOX)
    seen = ds["soil_moisture_surface"].values[0]
    assert np.isfinite(seen).any()
    assert np.nanmax(np.abs(seen * 1000 - BOX.lon)) <= 360 / 964 / 2 + 1e-3
    assert lat.shape == (406, 964)

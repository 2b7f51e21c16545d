"""SMAP: root zone and surface on the grid, and files that are refused."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import h5py
import numpy as np
import pytest
from pyproj import Transformer

from pipeline.geography.grid import MEKONG, Grid
from pipeline.settings import ROOT
from pipeline.sources import smap
from pipeline.sources.base import BadGranule
from pipeline.sources.upstream import locate
from pipeline.virtual.land import write_smap_root_zone

REAL = ROOT.parent / "shared" / "real_files" / "smap"
real = pytest.mark.skipif(not REAL.is_dir(), reason="the real files are not here")
T0 = datetime(2024, 8, 1, 12, tzinfo=UTC)
BOX = Grid(14.0, 16.0, 100.0, 103.0)


def field() -> np.ndarray:
    values = np.random.default_rng(1).uniform(0.1, 0.5, BOX.shape)
    values[3, 4] = np.nan
    return values


def write(folder: Path) -> Path:
    return write_smap_root_zone(folder, time=T0, soil_moisture=field(), grid=BOX, published=T0)


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
    with pytest.raises(BadGranule, match=r"time 2024-08-01T16:30.* found 2024-08-01T13:30"):
        smap.read(late, BOX)
    with h5py.File(path, "r+") as file:
        del file["Geophysical_Data/sm_rootzone"]
        file["Geophysical_Data"].create_dataset("sm_rootzone", (3856, 1624), "f4", chunks=True)
    with pytest.raises(BadGranule, match=r"1624 x 3856, found \(3856, 1624\)"):
        smap.read(path, BOX)
    with h5py.File(path, "r+") as file:
        file["Geophysical_Data/sm_rootzone"].attrs["units"] = np.bytes_(b"percent")
        del file["Geophysical_Data/sm_rootzone"]
    with pytest.raises(BadGranule, match=r"variable sm_rootzone or .* found sm_profile_wetness"):
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
    (name,) = ds.data_vars
    assert name == "soil_moisture_profile", "down to bedrock is not the root zone"
    got = float(ds[name].sel(lat=35.05, lon=-105.05, method="nearest")[0])
    assert got == pytest.approx(wanted)
    assert 0.05 < float(ds[name].mean()) < 0.5
    with pytest.raises(BadGranule, match=r"pixels in 7\.5"):
        smap.read(path, MEKONG)


def test_the_root_zone_of_an_analysis_is_soil_moisture(tmp_path: Path) -> None:
    path = write(tmp_path)
    update = path.with_name(path.name.replace("gph", "aup"))
    update.write_bytes(path.read_bytes())
    with h5py.File(update, "r+") as file:
        file.move("Geophysical_Data", "Analysis_Data")
        fields = file["Analysis_Data"]
        fields.move("sm_rootzone", "sm_rootzone_analysis")
        fields.move("sm_profile_wetness", "sm_profile_analysis")
    ds = smap.read(update, BOX)
    np.testing.assert_array_equal(ds["soil_moisture"], smap.read(path, BOX)["soil_moisture"])
    assert ds["time"].values[0] == np.datetime64("2024-08-01T13:30"), "at its stamp"
    with h5py.File(update, "r+") as file:
        file["Analysis_Data/sm_rootzone_analysis"].attrs["units"] = np.bytes_(b"percent")
    with pytest.raises(BadGranule, match="units m3 m-3, found percent"):
        smap.read(update, BOX)


def ease_36_km() -> tuple[np.ndarray, np.ndarray]:
    """Centres by the grid's definition: 964 columns, 406 rows of equal area."""
    lon = (np.arange(964) + 0.5) * 360 / 964 - 180
    inverse = Transformer.from_crs("EPSG:6933", "EPSG:4326", always_xy=True)
    north = 36032.220840584 * (202.5 - np.arange(406))
    return np.asarray(inverse.transform(0 * north, north)[1]), lon


def level_3(folder: Path, *, name: str = "SMAP_L3_SM_P_20240801_R19240_001.h5") -> Path:
    """Both passes: the morning sees west of 101.5 E, the evening everything."""
    path = folder / name
    lat, lon = ease_36_km()
    with h5py.File(path, "w") as file:
        for passing, suffix, value in (("AM", "", 0.2), ("PM", "_pm", 0.3)):
            group = file.create_group(f"Soil_Moisture_Retrieval_Data_{passing}")
            seen = np.broadcast_to((lon < 101.5) | (passing == "PM"), (406, 964))
            for key, values, fill, dtype in (
                ("latitude", np.broadcast_to(lat[:, None], seen.shape), -9999.0, "f4"),
                ("longitude", np.broadcast_to(lon, seen.shape), -9999.0, "f4"),
                ("soil_moisture", np.full(seen.shape, value), -9999.0, "f4"),
                ("retrieval_qual_flag", np.zeros(seen.shape), 65534, "u2"),
            ):
                made = group.create_dataset(
                    key + suffix, data=np.where(seen, values, fill).astype(dtype)
                )
                made.attrs["_FillValue"] = np.array([fill], dtype)
            group[f"soil_moisture{suffix}"].attrs["units"] = np.bytes_(b"cm**3/cm**3")
    return path


def test_level_3_is_the_surface_by_recommended_retrievals(tmp_path: Path) -> None:
    path = level_3(tmp_path)
    lat, lon = ease_36_km()
    flags = "Soil_Moisture_Retrieval_Data_{}/retrieval_qual_flag{}"
    with h5py.File(path, "r+") as file:
        row = int(np.abs(lat - 15.05).argmin())
        marks = {100.25: (1, 0), 100.75: (8, 0), 102.15: (0, 1), 102.75: (0, 8)}
        for east, (morning, evening) in marks.items():
            column = int(np.abs(lon - east).argmin())
            file[flags.format("AM", "")][row, column] = morning
            file[flags.format("PM", "_pm")][row, column] = evening
    ds = smap.read(path, BOX)
    (name,) = ds.data_vars
    assert name == "soil_moisture_surface"
    assert ds["time"].values[0] == np.datetime64("2024-08-01T00:00")
    assert ds.attrs == {"version": "R19240", "origin": "measured"}
    surface = ds[name][0]
    for east, expected in (
        (100.05, 0.2),  # the morning
        (100.25, 0.3),  # not recommended in the morning, so the evening
        (100.75, 0.2),  # bit 3 is for frozen ground alone
        (102.35, 0.3),  # not seen in the morning
        (102.15, np.nan),  # nor recommended in the evening
        (102.75, 0.3),
    ):
        got = float(surface.sel(lat=15.05, lon=east, method="nearest"))
        assert got == pytest.approx(expected, nan_ok=True), east


def test_level_3_files_that_are_not_whole(tmp_path: Path) -> None:
    path = level_3(tmp_path)
    whole = path.read_bytes()
    for change, message in (
        (lambda f: f["Soil_Moisture_Retrieval_Data_PM"].pop("retrieval_qual_flag_pm"),
         "variable retrieval_qual_flag_pm"),
        (lambda f: f.pop("Soil_Moisture_Retrieval_Data_PM"), "variable Soil_Moisture_.*_PM"),
        (lambda f: f["Soil_Moisture_Retrieval_Data_AM/latitude"].write_direct(
            np.full((406, 964), 12.0, "f4")), "of the 36 km EASE-Grid 2.0, found a latitude"),
    ):  # fmt: skip
        path.write_bytes(whole)
        with h5py.File(path, "r+") as file:
            change(file)
        with pytest.raises(BadGranule, match=message):
            smap.read(path, BOX)


@pytest.mark.parametrize(("gone", "back"), smap.OUTAGES)
def test_level_3_has_no_files_in_an_outage(gone: date, back: date) -> None:
    start = datetime(gone.year, gone.month, gone.day, tzinfo=UTC) - timedelta(days=1)
    end = datetime(back.year, back.month, back.day, tzinfo=UTC) + timedelta(days=2)
    found = list(smap.granules("smap_l3", start, end, end))
    assert [one.start.date() for one in found] == [start.date(), back + timedelta(days=1)]
    assert len(list(smap.granules("smap", start, end, end))) == (end - start).days, "model alone"


def test_granules_of_level_3_find_the_file(tmp_path: Path) -> None:
    day = datetime(2024, 8, 1, tzinfo=UTC)
    folder = tmp_path / "SMAP/SPL3SMP/009/2024/08/01"
    folder.mkdir(parents=True)
    path = level_3(folder, name="SMAP_L3_SM_P_20240801_R19240_002.h5")
    (granule,) = smap.granules("smap_l3", day, day + timedelta(days=1), day + timedelta(days=1))
    assert locate(granule, tmp_path, asof=datetime(2100, 1, 1, tzinfo=UTC))[0] == path


def test_impossible_soil_is_missing_and_counted(tmp_path: Path) -> None:
    path = write(tmp_path)
    whole = smap.read(path, BOX)["soil_moisture"]
    with h5py.File(path, "r+") as file:
        data = file["Geophysical_Data/sm_rootzone"]
        lat, lon = file["cell_lat"][:, 0], file["cell_lon"][0, :]
        row, column = np.abs(lat - 15.05).argmin(), np.abs(lon - 101.05).argmin()
        data[row, column] = 65.0
    ds = smap.read(path, BOX)
    count = ds.attrs["out_of_range"]["soil_moisture"]
    assert count["worst"] == 65.0
    assert 1 <= count["cells"] <= 2
    assert int(ds["soil_moisture"].isnull().sum() - whole.isnull().sum()) == count["cells"]
    with h5py.File(path, "r+") as file:
        file["Geophysical_Data/sm_rootzone"].attrs["valid_max"] = np.float32(0.9)
    assert "out_of_range" not in smap.read(path, BOX).attrs, "what the file itself calls invalid"
    with h5py.File(path, "r+") as file:
        file["Geophysical_Data/sm_rootzone"][row, column] = 9.969209968386869e36
    with pytest.raises(BadGranule, match=r"sm_rootzone with fill .* which were never written"):
        smap.read(path, BOX)


def test_packed_soil_is_unpacked(tmp_path: Path) -> None:
    path = write(tmp_path)
    whole = smap.read(path, BOX)["soil_moisture"]
    with h5py.File(path, "r+") as file:
        raw = file["Geophysical_Data/sm_rootzone"][...]
        del file["Geophysical_Data/sm_rootzone"]
        packed = np.where(raw < 0, 65535, np.round(raw * 1e4)).astype("u2")
        made = file["Geophysical_Data"].create_dataset("sm_rootzone", data=packed, chunks=(8, 3856))
        made.attrs.update({"units": "m3 m-3", "_FillValue": np.uint16(65535), "scale_factor": 1e-4})
    np.testing.assert_allclose(smap.read(path, BOX)["soil_moisture"], whole, atol=5.1e-5)


@pytest.mark.parametrize("dims", [("y", "x"), ("x", "y"), None])
def test_a_square_window_is_not_read_transposed(
    tmp_path: Path, dims: tuple[str, str] | None
) -> None:
    """Thirty by thirty pixels about 15 N, 101 E, as OPeNDAP cuts them."""
    path = write(tmp_path)
    whole = smap.read(path, BOX)["soil_moisture"]
    with h5py.File(path, "r+") as file:
        row = int(np.abs(file["cell_lat"][:, 0] - 15.0).argmin()) - 15
        column = int(np.abs(file["cell_lon"][0, :] - 101.5).argmin()) - 15
        for name in ("cell_lat", "cell_lon", "Geophysical_Data/sm_rootzone"):
            said = {key: value for key, value in file[name].attrs.items() if key in {
                "units", "_FillValue"}}  # fmt: skip
            part = file[name][row : row + 30, column : column + 30]
            del file[name]
            turned = dims == ("x", "y") and name.endswith("rootzone")
            file[name] = part.T if turned else part
            file[name].attrs.update(said)
        if dims:
            file["Geophysical_Data/sm_rootzone"].attrs["DIMENSION_LABELS"] = list(dims)
    if dims is None:
        with pytest.raises(BadGranule, match="names of the dims of sm_rootzone, a window of 30"):
            smap.read(path, BOX)
        return
    found = smap.read(path, BOX)["soil_moisture"]
    inside = found.notnull()
    assert int(inside.sum()) > 300
    np.testing.assert_array_equal(found.values[inside], whole.values[inside])


def test_axes_that_are_exchanged_or_broken_are_refused(tmp_path: Path) -> None:
    path = write(tmp_path)
    whole = path.read_bytes()
    for name, value, message in (
        ("cell_lat", np.nan, "none of them missing|varies along"),
        ("cell_lon", 12.0, "that varies along dim 1 alone|lon evenly spaced"),
        ("cell_lat", -9999.0, "none of them missing|evenly spaced|varies along"),
    ):
        path.write_bytes(whole)
        with h5py.File(path, "r+") as file:
            file[name][900:1000, :] = value
            file[name][0, 2000:3000] = value
        with pytest.raises(BadGranule, match=message):
            smap.read(path, BOX)
    path.write_bytes(whole)
    with h5py.File(path, "r+") as file:
        lat, lon = file["cell_lat"][...], file["cell_lon"][...]
        file["cell_lat"][...], file["cell_lon"][...] = lon, lat
    with pytest.raises(BadGranule, match="cell_lat that varies along dim 0 alone"):
        smap.read(path, BOX)


def test_flags_of_level_3_are_bits(tmp_path: Path) -> None:
    path = level_3(tmp_path)
    name = "Soil_Moisture_Retrieval_Data_AM/retrieval_qual_flag"
    with h5py.File(path, "r+") as file:
        flags = file[name][...].astype("f4")
        del file[name]
        file[name] = flags
    with pytest.raises(BadGranule, match=r"expected bits in .*retrieval_qual_flag, found float32"):
        smap.read(path, BOX)

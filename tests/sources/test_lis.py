"""LIS: soil moisture and runoff of a step, and files of other forms."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import netCDF4
import numpy as np
import pytest

from pipeline.geography.grid import Grid
from pipeline.sources import lis
from pipeline.sources.access.client import Client
from pipeline.sources.base import BadGranule, NotPublished, Skipped
from pipeline.sources.upstream import locate

STAMP = datetime(2026, 8, 19, 12, tzinfo=UTC)
BOX = Grid(14.0, 16.0, 100.0, 103.0)
NAME = (
    "PS.557WW_SC.U_DI.C_GP.LIS-NOAH_GR.C0P09DEG_AR.GLOBAL_PA.LIS"
    f"_DD.{STAMP:%Y%m%d}_DT.{STAMP:%H%M}_DF.NC"
)
LAYERS = (0.1, 0.2, 0.3, 0.9)
"""Moisture of layers 10, 30, 60 and 100 cm thick."""


def write(folder: Path, *, name: str = NAME) -> Path:
    """A window of the 557th's global grid, 0.140625 x 0.09375 degree, as LIS writes it."""
    path = folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    with netCDF4.Dataset(path, "w") as file:
        for dim, size in (("north_south", 40), ("east_west", 40), ("SoilMoist_profiles", 4),
                          ("time", 1)):  # fmt: skip
            file.createDimension(dim, size)
        file.setncatts({
            "MAP_PROJECTION": "EQUIDISTANT CYLINDRICAL", "SOUTH_WEST_CORNER_LAT": np.float32(13.0),
            "SOUTH_WEST_CORNER_LON": np.float32(99.0), "DX": np.float32(0.140625),
            "DY": np.float32(0.09375), "NUM_SOIL_LAYERS": 4, "missing_value": np.float32(-9999),
            "SOIL_LAYER_THICKNESSES": np.array([10, 30.000002, 60.000004, 100], "f4"),
            "title": "LIS land surface model output", "institution": "557th Weather Wing",
            "source": "Noah.3.9",
        })  # fmt: skip
        time = file.createVariable("time", "f4", ("time",))
        time.units = f"minutes since {STAMP:%Y-%m-%d %H:%M:%S}"
        time.time_increment, time.begin_date, time.begin_time = "10800", "20260819", "120000"
        time[:] = 0
        plane = ("north_south", "east_west")
        for key, dims, units in (
            ("lat", plane, "degree_north"), ("lon", plane, "degree_east"),
            ("SoilMoist_tavg", ("SoilMoist_profiles", *plane), "m^3 m-3"),
            ("Qs_tavg", plane, "kg m-2 s-1"), ("Qsb_tavg", plane, "kg m-2 s-1"),
        ):  # fmt: skip
            made = file.createVariable(key, "f4", dims, fill_value=-9999.0)
            made.units = units
        file["SoilMoist_tavg"][:] = np.array(LAYERS)[:, None, None] * np.ones((4, 40, 40))
        file["Qs_tavg"][:] = 1e-4
        file["Qsb_tavg"][:] = np.arange(40)[:, None] * np.ones((1, 40)) * 1e-4
        file["SoilMoist_tavg"][:, 22, 16] = np.ma.masked  # 15.0625 N, 101.25 E
    return path


def test_upper_metre_and_runoff_of_the_step(tmp_path: Path) -> None:
    ds = lis.read(write(tmp_path), BOX)
    assert ds["time"].values[0] == np.datetime64("2026-08-19T09:00")
    expected = 0.1 * 0.1 + 0.3 * 0.2 + 0.6 * 0.3
    np.testing.assert_allclose(float(ds["soil_moisture"][0, 0, 0]), expected, rtol=1e-5)
    # Row 11 is 14.03125 N: (1 + 11) 1e-4 kg m-2 s-1 for three hours; the file is south-up.
    assert float(ds["runoff"][0, -1, 0]) == pytest.approx(12e-4 * 10800, rel=1e-5)
    assert float(ds["runoff"][0, 0, 0]) == pytest.approx((1 + 31) * 1e-4 * 10800, rel=1e-5)
    assert np.isnan(ds["soil_moisture"].sel(lat=15.05, lon=101.25, method="nearest")[0])
    assert 1 <= int(ds["soil_moisture"].isnull().sum()) <= 2
    assert ds.attrs == {"version": "LIS land surface model output", "origin": "measured"}


def test_layers_in_kg_and_runoff_as_a_sum(tmp_path: Path) -> None:
    path = write(tmp_path, name=f"LIS_HIST_{STAMP:%Y%m%d%H%M}.d01.nc")
    whole = lis.read(path, BOX)
    with netCDF4.Dataset(path, "r+") as file:
        file["SoilMoist_tavg"][:] = file["SoilMoist_tavg"][:] * np.array(
            [100.0, 300.0, 600.0, 1000.0]
        )[:, None, None]  # fmt: skip
        file["SoilMoist_tavg"].units = "kg m-2"
        for name in ("Qs", "Qsb"):
            file[f"{name}_tavg"][:] = file[f"{name}_tavg"][:] * 10800
            file[f"{name}_tavg"].units = "kg m-2"
            file.renameVariable(f"{name}_tavg", f"{name}_acc")
    again = lis.read(path, BOX)
    for name in ("soil_moisture", "runoff"):
        np.testing.assert_allclose(again[name], whole[name], rtol=1e-5)


def test_only_the_folder_has_them(tmp_path: Path) -> None:
    begin = STAMP - timedelta(hours=3)
    (granule,) = lis.granules("lis", begin, STAMP, STAMP)
    assert (granule.start, granule.end) == (begin, STAMP)
    with Client() as client:
        with pytest.raises(NotPublished, match="LIS has no public endpoint"):
            lis.fetch(granule, tmp_path, client=client)
        path = write(tmp_path / "lis")
        assert lis.fetch(granule, tmp_path, client=client) == path
    later = datetime(2100, 1, 1, tzinfo=UTC)
    assert locate(granule, tmp_path, asof=later)[0] == path
    path.unlink()
    other = write(tmp_path / "lis", name=f"LIS_HIST_{STAMP:%Y%m%d%H%M}.d01.nc")
    assert locate(granule, tmp_path, asof=later)[0] == other


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda f: f.setncattr("MAP_PROJECTION", "LAMBERT CONFORMAL"), "found LAMBERT CONFORMAL"),
        (lambda f: f.setncattr("SOIL_LAYER_THICKNESSES", np.array([10.0, 30, 40, 10])),
         "SOIL_LAYER_THICKNESSES .cm. of a metre or more"),
        (lambda f: setattr(f["SoilMoist_tavg"], "units", "percent"), "m.3 m-3 or kg m-2"),
        (lambda f: setattr(f["Qs_tavg"], "units", "m s-1"), "kg m-2 s-1, found m s-1"),
        (lambda f: f.renameVariable("Qsb_tavg", "other"), "variable Qsb_acc or Qsb_tavg"),
        (lambda f: f["time"].__setitem__(0, 60), "time 2026-08-19T12:00.* found 2026-08-19T13:00"),
        (lambda f: f["time"].delncattr("time_increment"), "a number in time_increment"),
        (lambda f: f.setncattr("SOUTH_WEST_CORNER_LAT", -60.0), "pixels in 14.0"),
        (lambda f: f.setncattr("DX", np.float32(0)), "lon evenly spaced"),
        (lambda f: f.setncattr("DY", np.float32("nan")), "two or more values in lat, none of them"),
        (lambda f: f.setncattr("SOUTH_WEST_CORNER_LAT", 89.0), r"lat in -90\.\.90"),
        (lambda f: f.setncattr("SOIL_LAYER_THICKNESSES", np.array([10.0, -30, 400, 10])),
         "SOIL_LAYER_THICKNESSES .cm. of a metre or more"),
        (lambda f: f["time"].setncattr("time_increment", "0"), r"time_increment in 1\.\.86400 s"),
        (lambda f: f["time"].setncattr("time_increment", "nan"), "time_increment in 1"),
        (lambda f: f["lat"].__setitem__(slice(None), 13.0), "as SOUTH_WEST_CORNER, DX and DY say"),
    ],
    ids=["map", "depth", "moisture", "runoff", "variable", "time", "step", "elsewhere",
         "width", "height", "pole", "layers", "no step", "any step", "place"],
)  # fmt: skip
def test_bad_files_say_what_is_wrong(
    tmp_path: Path, change: Callable[[netCDF4.Dataset], None], message: str
) -> None:
    path = write(tmp_path)
    with netCDF4.Dataset(path, "r+") as file:
        change(file)
    with pytest.raises(BadGranule, match=message):
        lis.read(path, BOX)


def test_other_forms_are_refused_or_passed_over(tmp_path: Path) -> None:
    path = write(tmp_path)
    with pytest.raises(BadGranule, match="a 557WW LIS or LIS_HIST file name"):
        lis.read(path.rename(tmp_path / "soil.nc"), BOX)
    grib = tmp_path / NAME
    grib.write_bytes(b"GRIB\x00\x00\x00\x01")
    with pytest.raises(BadGranule, match="an HDF5 file, found a file that begins with b'GRIB"):
        lis.read(grib, BOX)
    seasonal = tmp_path / NAME.replace("LIS-NOAH", "LIS-S2S-CFSV2")
    with pytest.raises(Skipped, match="a seasonal forecast of LIS is not used"):
        lis.read(seasonal, BOX)


def as_557th(path: Path) -> Path:
    """The names that the 557th's own test case of LISF writes."""
    with netCDF4.Dataset(path, "r+") as file:
        for name in ("SoilMoist", "Qs", "Qsb"):
            file.renameVariable(f"{name}_tavg", f"{name}_inst")
    return path


def test_rates_of_an_instant_stand_for_the_step(tmp_path: Path) -> None:
    path = write(tmp_path)
    whole = lis.read(path, BOX)
    again = lis.read(as_557th(path), BOX)
    for name in ("soil_moisture", "runoff"):
        np.testing.assert_array_equal(again[name], whole[name])
    with netCDF4.Dataset(path, "r+") as file:
        file["Qsb_inst"].units = "kg m-2"
    with pytest.raises(BadGranule, match="Qsb_inst in kg m-2 s-1, found kg m-2"):
        lis.read(path, BOX)


def test_a_file_may_hold_runoff_or_soil_alone(tmp_path: Path) -> None:
    path = as_557th(write(tmp_path))
    whole = path.read_bytes()
    with netCDF4.Dataset(path, "r+") as file:
        file.renameVariable("SoilMoist_inst", "other")
    assert list(lis.read(path, BOX).data_vars) == ["runoff"]
    path.write_bytes(whole)
    with netCDF4.Dataset(path, "r+") as file:
        file.renameVariable("Qs_inst", "one")
        file.renameVariable("Qsb_inst", "other")
    assert list(lis.read(path, BOX).data_vars) == ["soil_moisture"]
    with netCDF4.Dataset(path, "r+") as file:
        file.renameVariable("SoilMoist_inst", "third")
    with pytest.raises(BadGranule, match="variable Qs_acc or Qs_tavg or Qs_inst"):
        lis.read(path, BOX)


def test_rows_that_are_named_columns_are_turned(tmp_path: Path) -> None:
    """Forty by forty: nothing but the names tells."""
    path = write(tmp_path)
    whole = lis.read(path, BOX)
    with netCDF4.Dataset(path, "r+") as file:
        file.renameVariable("Qsb_tavg", "old")
        made = file.createVariable("Qsb_tavg", "f4", ("east_west", "north_south"))
        made.units = "kg m-2 s-1"
        made[:] = file["old"][:].T
    np.testing.assert_array_equal(lis.read(path, BOX)["runoff"], whole["runoff"])


def test_packed_and_impossible_soil(tmp_path: Path) -> None:
    path = write(tmp_path)
    whole = lis.read(path, BOX)
    with netCDF4.Dataset(path, "r+") as file:
        file["SoilMoist_tavg"].set_auto_maskandscale(False)
        raw = file["SoilMoist_tavg"][:]
        file["SoilMoist_tavg"][:] = np.where(raw < 0, raw, raw * 1000)
        file["SoilMoist_tavg"].scale_factor = 0.001
    np.testing.assert_allclose(
        lis.read(path, BOX)["soil_moisture"], whole["soil_moisture"], rtol=1e-5
    )
    with netCDF4.Dataset(path, "r+") as file:
        file["SoilMoist_tavg"].scale_factor = 0.01
    with pytest.raises(BadGranule, match=r"soil_moisture in 0\.\.1 m3 m-3, found .* the worst 2"):
        lis.read(path, BOX)


def test_names_that_are_no_date_are_refused(tmp_path: Path) -> None:
    path = write(tmp_path, name="LIS_HIST_202613191200.d01.nc")
    with pytest.raises(BadGranule, match="a date as %Y%m%d%H%M, found 202613191200"):
        lis.read(path, BOX)


@pytest.mark.parametrize(
    ("name", "at", "value", "message"),
    [
        # 0.1 x 5.0 + 0.3 x 0.2 + 0.6 x 0.3 = 0.74 and 0.1 x 0.1 - 0.3 x 0.4 + 0.6 x 0.3 = 0.07.
        (
            "SoilMoist_tavg",
            (0,),
            5.0,
            r"SoilMoist_tavg layer 1 of soil_moisture in 0\.\.1 .* the worst 5",
        ),
        (
            "SoilMoist_tavg",
            (1,),
            -0.4,
            r"SoilMoist_tavg layer 2 of soil_moisture in 0\.\.1 .* the worst -0\.4",
        ),
        # -3e-3 kg m-2 s-1 x 10800 s = -32.4 mm, of which 3.5e-3 makes 5.4 mm.
        ("Qs_tavg", (), -3e-3, r"Qs_tavg of runoff in 0\.\.5000 mm, .* the worst -32\.4"),
    ],
)
def test_each_layer_and_flow_is_limited_before_they_are_summed(
    tmp_path: Path, name: str, at: tuple[int, ...], value: float, message: str
) -> None:
    path = write(tmp_path)
    whole = lis.read(path, BOX)
    with netCDF4.Dataset(path, "r+") as file:
        file["Qsb_tavg"][:] = 3.5e-3
        file[name][(*at, 22, 18)] = value
    ds = lis.read(path, BOX)
    found = next(iter(ds.attrs["out_of_range"]))
    assert found.startswith(name)
    assert 1 <= ds.attrs["out_of_range"][found]["cells"] <= 4, "the cells of one pixel"
    variable = "runoff" if name == "Qs_tavg" else "soil_moisture"
    assert int(ds[variable].isnull().sum()) > int(whole[variable].isnull().sum())
    with netCDF4.Dataset(path, "r+") as file:
        file[name][(*at, slice(None), slice(None))] = value
    with pytest.raises(BadGranule, match=message):
        lis.read(path, BOX)

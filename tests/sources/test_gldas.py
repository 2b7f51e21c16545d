"""GLDAS: its three-hourly and monthly files, and the files of the virtual basin."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import h5py
import netCDF4
import numpy as np
import pytest
from pytest_httpserver import HTTPServer

from pipeline.geography.grid import MEKONG, Grid
from pipeline.settings import ROOT
from pipeline.sources import gldas
from pipeline.sources.access.client import Client
from pipeline.sources.base import BadGranule, NotPublished
from pipeline.sources.upstream import locate
from pipeline.virtual.land import write_gldas_month

STAMP = datetime(2026, 6, 1, 6, tzinfo=UTC)
BOX = Grid(14.0, 16.0, 100.0, 103.0)
UNITS = {
    "Qs_acc": "kg m-2", "Qsb_acc": "kg m-2", "RootMoist_inst": "kg m-2",
    "SoilMoi0_10cm_inst": "kg m-2", "SoilMoi10_40cm_inst": "kg m-2",
    "SoilMoi40_100cm_inst": "kg m-2", "PotEvap_tavg": "W m-2", "Tair_f_inst": "K",
}  # fmt: skip
VALUES = {
    "Qs_acc": 2.0, "Qsb_acc": 0.5, "RootMoist_inst": 300.0, "SoilMoi0_10cm_inst": 20.0,
    "SoilMoi10_40cm_inst": 90.0, "SoilMoi40_100cm_inst": 240.0, "PotEvap_tavg": 250.1,
    "Tair_f_inst": 300.0,
}  # fmt: skip


def write(folder: Path, *, name: str = f"GLDAS_NOAH025_3H_EP.A{STAMP:%Y%m%d.%H%M}.021.nc4") -> Path:
    path = folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    with netCDF4.Dataset(path, "w") as file:
        for axis, size, first in (("lat", 600, -59.875), ("lon", 1440, -179.875)):
            file.createDimension(axis, size)
            made = file.createVariable(axis, "f4", (axis,))
            made.units = {"lat": "degrees_north", "lon": "degrees_east"}[axis]
            made[:] = first + 0.25 * np.arange(size)
        file.createDimension("time", None)
        time = file.createVariable("time", "f8", ("time",))
        time.units = "minutes since 2000-01-01 00:00:00"
        time[:] = (STAMP - datetime(2000, 1, 1, tzinfo=UTC)).total_seconds() / 60
        for key, units in UNITS.items():
            made = file.createVariable(
                key, "f4", ("time", "lat", "lon"), fill_value=-9999.0, zlib=True, complevel=1,
                chunksizes=(1, 50, 120),
            )  # fmt: skip
            made.units = units
            # Row of 15.125 N is 300, of 14.875 N 299; column of 101.125 E is 1124.
            made[0, 295:305, 1118:1135] = VALUES[key]
        file["Qs_acc"][0, 300, 1124] = 7.0
        file["Qs_acc"][0, 299, 1124] = np.ma.masked
        file.institution = "NASA GSFC"
    return path


def test_water_and_heat_in_the_units_of_the_table(tmp_path: Path) -> None:
    ds = gldas.read(write(tmp_path), BOX)
    assert ds["time"].values[0] == np.datetime64("2026-06-01T03:00"), "the stamp is the step's end"
    here = ds.isel(time=0).sel(lat=14.55, lon=102.05, method="nearest")
    assert float(here["runoff"]) == 2.5
    assert float(here["soil_moisture"]) == pytest.approx(0.35), "350 kg in a cubic metre of soil"
    assert float(here["root_water"]) == 300.0
    assert float(here["air_temperature"]) == 300.0
    assert float(here["pet"]) == pytest.approx(8.64), "250.1 W / 2.501 MJ kg-1 for a day"
    assert {k: v.attrs["units"] for k, v in ds.data_vars.items()} == {
        "runoff": "mm", "soil_moisture": "m3 m-3", "root_water": "kg m-2", "air_temperature": "K",
        "pet": "mm d-1",
    }  # fmt: skip
    assert ds.attrs == {"version": "021", "origin": "measured"}


def test_south_up_is_turned_and_fill_stays_missing(tmp_path: Path) -> None:
    ds = gldas.read(write(tmp_path), BOX)
    runoff = ds["runoff"][0]
    assert float(runoff.sel(lat=15.05, lon=101.05, method="nearest")) == 7.5
    assert float(runoff.sel(lat=15.15, lon=101.15, method="nearest")) == 7.5
    assert np.isnan(runoff.sel(lat=14.85, lon=101.15, method="nearest"))
    assert float(runoff.sel(lat=15.35, lon=101.15, method="nearest")) == 2.5
    assert int(runoff.isnull().sum()) < 10
    assert bool(gldas.read(tmp_path / write(tmp_path).name, MEKONG)["runoff"].isnull().any())


def test_evaporation_as_a_mass_flux(tmp_path: Path) -> None:
    path = write(tmp_path)
    with netCDF4.Dataset(path, "r+") as file:
        file["PotEvap_tavg"].units = "kg m-2 s-1"
        file["PotEvap_tavg"][:] = 1e-4
    assert float(gldas.read(path, BOX)["pet"][0, 0, 0]) == pytest.approx(8.64)


def test_granules_find_the_file(tmp_path: Path) -> None:
    begin = STAMP - timedelta(hours=3)
    folder = tmp_path / f"GLDAS/GLDAS_NOAH025_3H_EP.2.1/{STAMP:%Y/%j}"
    path = write(folder)
    (granule,) = gldas.granules("gldas", begin, STAMP, STAMP)
    assert (granule.start, granule.end) == (begin, STAMP)
    assert locate(granule, tmp_path, asof=datetime(2100, 1, 1, tzinfo=UTC))[0] == path
    midnight = STAMP.replace(hour=0)
    (last,) = gldas.granules("gldas", midnight - timedelta(hours=3), midnight, midnight)
    assert last.pattern == "GLDAS_NOAH025_3H_EP.A20260601.0000.021.nc4*", "the day before's last"


def test_midnights_file_is_looked_for_on_both_days(tmp_path: Path, httpserver: HTTPServer) -> None:
    """A catalogue and a subset service: the window of MEKONG is asked for and read."""
    begin = STAMP - timedelta(hours=3)
    (granule,) = gldas.granules("gldas", begin, STAMP, STAMP)
    whole = write(tmp_path / "server")
    base = httpserver.url_for("").rstrip("/")
    item = {
        "meta": {"concept-id": "G1-GES_DISC", "collection-concept-id": "C1-GES_DISC",
                 "native-id": whole.name, "revision-date": "2026-07-16T05:00:00Z"},
        "umm": {"GranuleUR": f"GLDAS_NOAH025_3H_EP.2.1:{whole.name}", "RelatedUrls": [
            {"Type": "GET DATA", "URL": f"{base}/data/{whole.name}"},
            {"Type": "USE SERVICE API", "Subtype": "OPENDAP DATA",
             "URL": f"{base}/dap/{whole.name}"},
        ]},
    }  # fmt: skip
    asked = []

    def catalogue(request: Any) -> Any:
        from werkzeug import Response

        asked.append(request.args["temporal"][:10])
        assert request.args["short_name"] == "GLDAS_NOAH025_3H_EP"
        found = [item] if asked[-1] == f"{STAMP:%Y-%m-%d}" else []
        return Response(json.dumps({"hits": len(found), "items": found}))

    def subset(request: Any) -> Any:
        from werkzeug import Response

        parts = request.args["dap4.ce"].split(";")
        assert "/Qs_acc[0][270:377][1092:1159]" in parts
        assert parts[-3:] == ["/lat[270:377]", "/lon[1092:1159]", "/time"]
        return Response(_cut(whole).read_bytes(), headers={"Last-Modified": "Thu, 16 Jul 2026"})

    httpserver.expect_request("/search/granules.umm_json").respond_with_handler(catalogue)
    httpserver.expect_request(f"/dap/{whole.name}.dap.nc4").respond_with_handler(subset)
    with Client(
        endpoints={"cmr": base, "opendap": base}, environment={"EARTHDATA_TOKEN": "t"},
        sleep=lambda _: None, attempts=2,
    ) as client:  # fmt: skip
        path = gldas.fetch(granule, tmp_path, client=client)
        assert path.name == f"{whole.name}.dap.nc4"
        assert locate(granule, tmp_path, asof=datetime(2100, 1, 1, tzinfo=UTC))[0] == path
        ds = gldas.read(path)
        assert float(ds["runoff"].sel(lat=15.05, lon=101.05, method="nearest")[0]) == 7.5
        (missing,) = gldas.granules("gldas", STAMP.replace(day=2), STAMP.replace(day=2, hour=9),
                                    STAMP.replace(day=3))  # fmt: skip
        asked.clear()
        with pytest.raises(NotPublished):
            gldas.fetch(missing, tmp_path, client=client)


def _cut(whole: Path) -> Path:
    """What the service answers: the window's rows and columns, the attributes as they were."""
    path = whole.with_name("window.nc4")
    with netCDF4.Dataset(whole) as old, netCDF4.Dataset(path, "w") as new:
        keep = {"lat": slice(270, 378), "lon": slice(1092, 1160), "time": slice(0, 1)}
        for name, part in keep.items():
            new.createDimension(name, part.stop - part.start)
        for name, data in old.variables.items():
            fill = -9999.0 if data.ndim == 3 else None
            made = new.createVariable(name, data.dtype, data.dimensions, fill_value=fill)
            made.units = data.units
            made[:] = data[tuple(keep[dim] for dim in data.dimensions)]
    return path


def _attribute(name: str, value: str) -> Callable[[netCDF4.Dataset], None]:
    return lambda file: setattr(file[name], "units", value)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (_attribute("PotEvap_tavg", "mm/day"), "W m-2 or kg m-2 s-1 of PotEvap_tavg, found mm/day"),
        (_attribute("Qs_acc", "m"), "units kg m-2 of Qs_acc, found m"),
        (lambda f: f.renameVariable("Qsb_acc", "Qsb_tavg"), "variable Qsb_acc, found"),
        (lambda f: f["time"].__setitem__(0, 0), "time 2026-06-01T06.* found 2000-01-01"),
        (_attribute("time", "fortnights since 2000-01-01"), "one time in seconds, minutes"),
        (lambda f: f["lat"].__setitem__(slice(None), f["lat"][:] / 10), "pixels in 14"),
    ],
    ids=["evaporation", "runoff", "variable", "time", "calendar", "place"],
)
def test_bad_files_say_what_is_wrong(
    tmp_path: Path, change: Callable[[netCDF4.Dataset], None], message: str
) -> None:
    path = write(tmp_path)
    with netCDF4.Dataset(path, "r+") as file:
        change(file)
    with pytest.raises(BadGranule, match=message):
        gldas.read(path, BOX)
    with pytest.raises(BadGranule, match="a GLDAS_NOAH025_3H or GLDAS_NOAH025_M file name"):
        gldas.read(path.rename(tmp_path / "gldas.nc4"), BOX)


CASES = ROOT.parent / "shared" / "cases" / "grids"


@pytest.mark.skipif(not CASES.is_dir(), reason="the cases are not here")
def test_a_case_of_time_units_with_a_leading_blank() -> None:
    (path,) = CASES.glob("GLDAS*")
    ds = gldas.read(path, BOX)
    assert ds["time"].values[0] == np.datetime64("2026-06-01T03:00")
    here = ds.isel(time=0).sel(lat=14.55, lon=102.05, method="nearest")
    assert float(here["runoff"]) == 2.5
    assert float(here["soil_moisture"]) == pytest.approx(0.35)


def test_packed_fields_are_unpacked(tmp_path: Path) -> None:
    path = write(tmp_path)
    whole = gldas.read(path, BOX)
    with h5py.File(path, "r+") as file:
        raw = file["Tair_f_inst"][...]
        scales = [list(dim.values()) for dim in file["Tair_f_inst"].dims]
        del file["Tair_f_inst"]
        packed = np.where(raw < 0, -32767, np.round((raw - 273.15) / 0.01)).astype("i2")
        made = file.create_dataset("Tair_f_inst", data=packed, compression="gzip", shuffle=True)
        made.attrs.update({"units": "K", "_FillValue": np.int16(-32767), "scale_factor": 0.01,
                           "add_offset": 273.15})  # fmt: skip
        for dim, (scale,) in zip(made.dims, scales, strict=True):
            dim.attach_scale(scale)
    again = gldas.read(path, BOX)
    np.testing.assert_allclose(again["air_temperature"], whole["air_temperature"], atol=0.01)
    assert int(again["air_temperature"].notnull().sum()) > 100


def test_impossible_cells_are_counted_and_many_refuse_the_file(tmp_path: Path) -> None:
    path = write(tmp_path)
    with netCDF4.Dataset(path, "r+") as file:
        file["Tair_f_inst"][0, 300, 1124] = 27.0
    ds = gldas.read(path, MEKONG)
    count = ds.attrs["out_of_range"]["air_temperature"]
    assert count["worst"] == 27.0
    assert 4 <= count["cells"] <= 9
    with netCDF4.Dataset(path, "r+") as file:
        file["Tair_f_inst"][0, 295:305, 1118:1135] = 27.0
    with pytest.raises(BadGranule, match=r"air_temperature in 200\.\.340 K, found .* the worst 27"):
        gldas.read(path, BOX)


def test_rows_that_are_named_columns_are_turned(tmp_path: Path) -> None:
    path = write(tmp_path)
    whole = gldas.read(path, BOX)
    with netCDF4.Dataset(path, "r+") as file:
        file.renameVariable("Qs_acc", "old")
        made = file.createVariable("Qs_acc", "f4", ("time", "lon", "lat"), fill_value=-9999.0)
        made.units = "kg m-2"
        made[:] = file["old"][:].transpose(0, 2, 1)
    np.testing.assert_array_equal(gldas.read(path, BOX)["runoff"], whole["runoff"])


def test_names_that_are_no_date_are_refused(tmp_path: Path) -> None:
    path = write(tmp_path)
    for name in ("GLDAS_NOAH025_3H.A20261301.0600.021.nc4", "GLDAS_NOAH025_M.A202613.021.nc4"):
        path = path.rename(tmp_path / name)
        with pytest.raises(BadGranule, match="expected a date as"):
            gldas.read(path, BOX)


@pytest.mark.parametrize(
    ("name", "value", "message"),
    [
        # 100 kg fill a layer of 10 cm: (400 + 90 + 240) / 1000 = 0.73 would be possible.
        (
            "SoilMoi0_10cm_inst",
            400.0,
            r"SoilMoi0_10cm_inst of soil_moisture in 0\.\.1 .* the worst 4",
        ),
        (
            "SoilMoi0_10cm_inst",
            -50.0,
            r"SoilMoi0_10cm_inst of soil_moisture in 0\.\.1 .* worst -0\.5",
        ),
        ("Qs_acc", -99.0, r"Qs_acc of runoff in 0\.\.5000 mm, .* the worst -99"),
    ],
)
def test_each_layer_and_flow_is_limited_before_they_are_summed(
    tmp_path: Path, name: str, value: float, message: str
) -> None:
    path = write(tmp_path)
    with netCDF4.Dataset(path, "r+") as file:
        file["Qsb_acc"][0, 295:305, 1118:1135] = 100.0
        # Of 0.25 degree about 15.125 N, 102.125 E: 4 to 6 of 600 cells.
        file[name][0, 300, 1128] = value
    ds = gldas.read(path, BOX)
    variable = "runoff" if name == "Qs_acc" else "soil_moisture"
    assert set(ds.attrs["out_of_range"]) == {name}
    assert 4 <= ds.attrs["out_of_range"][name]["cells"] <= 6
    assert np.isnan(float(ds[variable].sel(lat=15.15, lon=102.15, method="nearest")[0]))
    with netCDF4.Dataset(path, "r+") as file:
        file[name][0, 295:305, 1118:1135] = value
    with pytest.raises(BadGranule, match=message):
        gldas.read(path, BOX)


FEBRUARY = datetime(2024, 2, 1, tzinfo=UTC)


def write_month(
    folder: Path, *, name: str = "GLDAS_NOAH025_M.A202402.021.nc4", day: int = 8797
) -> Path:
    """Lay out a whole file in little; 8797 days after 2000-01-01 is 1 February 2024."""
    path = folder / name
    with netCDF4.Dataset(path, "w") as file:
        for axis, size, first in (("lat", 600, -59.875), ("lon", 1440, -179.875)):
            file.createDimension(axis, size)
            file.createVariable(axis, "f4", (axis,))[:] = first + 0.25 * np.arange(size)
        file.createDimension("time", None)
        time = file.createVariable("time", "f8", ("time",))
        time.units = "days since 2000-01-01 00:00:00"
        time[:] = day
        for key, units, value in (
            ("Qs_acc", "kg m-2", 0.2), ("Qsb_acc", "kg m-2", 0.05),
            ("PotEvap_tavg", "W m-2", 250.1),
        ):  # fmt: skip
            made = file.createVariable(
                key, "f4", ("time", "lat", "lon"), fill_value=-9999.0, zlib=True,
                chunksizes=(1, 50, 120),
            )  # fmt: skip
            made.units = units
            made[0, 295:305, 1118:1135] = value
    return path


def test_a_months_runoff_is_its_steps_and_evaporation_a_mean(tmp_path: Path) -> None:
    ds = gldas.read(write_month(tmp_path), BOX)
    assert set(ds.data_vars) == {"runoff", "pet"}
    assert ds["time"].values.tolist() == [np.datetime64("2024-02-01", "ns").astype(int)]
    here = ds.isel(time=0).sel(lat=14.55, lon=101.05, method="nearest")
    assert float(here["runoff"]) == pytest.approx(0.25 * 8 * 29), "a leap year's February"
    assert float(here["pet"]) == pytest.approx(8.64)
    assert (ds["runoff"].attrs["units"], ds["pet"].attrs["units"]) == ("mm", "mm d-1")
    assert ds.attrs == {"version": "021", "origin": "measured"}


def test_another_month_inside_is_refused(tmp_path: Path) -> None:
    path = write_month(tmp_path, day=8797 + 29)
    with pytest.raises(
        BadGranule, match="expected a time in 2024-02 as in its name, found 2024-03"
    ):
        gldas.read(path, BOX)
    other = path.rename(tmp_path / "GLDAS_NOAH10_M.A202402.021.nc4")
    with pytest.raises(BadGranule, match="expected a GLDAS_NOAH025_3H or GLDAS_NOAH025_M file"):
        gldas.read(other, BOX)


def test_recent_months_are_the_early_products() -> None:
    end = datetime(2024, 9, 15, tzinfo=UTC)
    found = list(gldas.granules("gldas_monthly", datetime(2024, 2, 10, tzinfo=UTC), end, end))
    assert [one.pattern for one in found] == [
        "GLDAS_NOAH025_M.A202403.021.nc4*", "GLDAS_NOAH025_M_EP.A202404.021.nc4*",
        "GLDAS_NOAH025_M_EP.A202405.021.nc4*", "GLDAS_NOAH025_M_EP.A202406.021.nc4*",
        "GLDAS_NOAH025_M_EP.A202407.021.nc4*", "GLDAS_NOAH025_M_EP.A202408.021.nc4*",
    ]  # fmt: skip
    assert (found[0].start, found[0].end) == (datetime(2024, 3, 1, tzinfo=UTC),
                                              datetime(2024, 4, 1, tzinfo=UTC))  # fmt: skip
    assert found[0].folder == "GLDAS/GLDAS_NOAH025_M.2.1/2024"


def test_the_virtual_basin_writes_what_is_read(tmp_path: Path) -> None:
    runoff, pet = np.full(BOX.shape, 87.0), np.full(BOX.shape, 4.5)
    known = datetime(2024, 4, 15, tzinfo=UTC)
    path = write_gldas_month(
        tmp_path, month=FEBRUARY, product="GLDAS_NOAH025_M", pet=pet, runoff=runoff, grid=BOX,
        published=known,
    )  # fmt: skip
    later = datetime(2025, 1, 1, tzinfo=UTC)
    granule = next(iter(gldas.granules("gldas_monthly", FEBRUARY, known, later)))
    assert locate(granule, tmp_path, asof=known) == (path, known)
    ds = gldas.read(path, BOX)
    np.testing.assert_allclose(ds["runoff"][0], 87.0, rtol=1e-6)
    np.testing.assert_allclose(ds["pet"][0], 4.5, rtol=1e-6)
    assert ds.attrs["origin"] == "virtual"

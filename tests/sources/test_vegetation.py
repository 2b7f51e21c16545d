"""NDVI and surface temperature of VIIRS and MODIS: means of good pixels, and their time."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest
from pyhdf.SD import SD, SDC

from pipeline.geography.grid import Grid
from pipeline.sources import vegetation
from pipeline.sources.base import BadGranule, Skipped
from pipeline.sources.upstream import locate
from pipeline.virtual.land import write_viirs_month

MONTH = datetime(2024, 2, 1, tzinfo=UTC)
BOX = Grid(14.0, 15.0, 100.0, 102.0)
FIELD = "HDFEOS/GRIDS/VIIRS_Grid_monthly_VI_CMG/Data Fields/CMG 0.05 Deg monthly NDVI"
QUALITY = FIELD.replace("NDVI", "pixel reliability")


def write(folder: Path, variable: str, values: np.ndarray) -> Path:
    return write_viirs_month(
        folder, variable=variable, month=MONTH, values=values, grid=BOX,  # type: ignore[arg-type]
        published=datetime(2024, 3, 8, tzinfo=UTC),
    )  # fmt: skip


def test_ndvi_is_the_mean_of_the_good_pixels(tmp_path: Path) -> None:
    path = write(tmp_path, "ndvi", np.full(BOX.shape, 0.5))
    with h5py.File(path, "r+") as file:
        # Cell 14.95 N, 100.05 E: pixels 14.975 and 14.925 N (rows 1500, 1501), column 5600 on.
        file[FIELD][1500:1502, 5600:5602] = [[1000, 2000], [3000, -15000]]
        file[QUALITY][1500:1502, 5600:5602] = [[0, 9], [6, 0]]
        file[QUALITY][1500:1502, 5602:5604] = 9
    ds = vegetation.read(path, BOX)
    assert float(ds["ndvi"][0, 0, 0]) == pytest.approx(0.2)
    assert np.isnan(ds["ndvi"][0, 0, 1])
    assert float(ds["ndvi"][0, 0, 2]) == pytest.approx(0.5)
    assert int(ds["ndvi"].isnull().sum()) == 1
    assert ds["time"].values[0] == np.datetime64("2024-02-01")
    assert ds.attrs == {"version": "002", "origin": "virtual"}


def test_lst_in_kelvin_with_cloud_masked(tmp_path: Path) -> None:
    values = np.full(BOX.shape, 300.0)
    values[2, 2] = np.nan
    ds = vegetation.read(write(tmp_path, "lst", values), BOX)
    np.testing.assert_allclose(ds["lst"][0], values)
    assert ds["lst"].attrs["units"] == "K"


def modis(folder: Path, product: str, **changes: Any) -> Path:
    """HDF4 as MODIS writes it: four pixels in the first cell, one of them out of range and one in
    cloud; fill everywhere else."""
    said: dict[str, Any]
    if product[3:5] == "13":
        step = "16 days" if product.endswith("C1") else "Monthly"
        names = f"CMG 0.05 Deg {step} NDVI", f"CMG 0.05 Deg {step} pixel reliability"
        kinds = (SDC.INT16, "i2"), (SDC.INT8, "i1")
        pixels, flags, no_flag = [[2000, 4000], [-2500, 6000]], [[0, 1], [0, 3]], -1
        said = {"scale_factor": 10000.0, "_FillValue": -3000, "valid_range": [-2000, 10000],
                "units": "NDVI", "add_offset": 0.0}  # fmt: skip
    else:
        names = "LST_Day_CMG", "QC_Day"
        kinds = (SDC.UINT16, "u2"), (SDC.UINT8, "u1")
        pixels, flags, no_flag = [[15000, 15100], [7000, 15200]], [[0, 65], [0, 2]], 0
        said = {"scale_factor": 0.02, "_FillValue": 0, "valid_range": [7500, 65535], "units": "K",
                "add_offset": 0.0}  # fmt: skip
    path = folder / f"{product}.A{MONTH:%Y%j}.061.2024066123456.hdf"
    file = SD(str(path), SDC.WRITE | SDC.CREATE | SDC.TRUNC)
    for name, (kind, dtype), part, fill in zip(
        names, kinds, (pixels, flags), (said["_FillValue"], no_flag), strict=True
    ):
        values = np.full((3600, 7200), fill, dtype)
        values[1500:1502, 5600:5602] = part
        made = file.create(name, kind, values.shape)
        made.setcompress(SDC.COMP_DEFLATE, 1)
        made[:] = values
        if part is pixels:
            for key, value in (said | changes).items():
                own = kind if key in {"_FillValue", "valid_range"} else SDC.FLOAT64
                if value is not None:
                    made.attr(key).set(SDC.CHAR if isinstance(value, str) else own, value)
        made.endaccess()
    file.attr("HDFEOSVersion").set(SDC.CHAR, "HDFEOS_V2.19")
    file.end()
    return path


@pytest.mark.parametrize(
    ("product", "variable", "expected"),
    [("MOD13C2", "ndvi", 0.3), ("MYD13C1", "ndvi", 0.3), ("MOD11C3", "lst", 301.0)],
)
def test_modis_hdf4(tmp_path: Path, product: str, variable: str, expected: float) -> None:
    ds = vegetation.read(modis(tmp_path, product), BOX)
    assert float(ds[variable][0, 0, 0]) == pytest.approx(expected), "of two good pixels of four"
    assert int(ds[variable].notnull().sum()) == 1
    assert ds["time"].values[0] == np.datetime64("2024-02-01")
    assert ds.attrs == {"version": "061", "origin": "measured"}


def core(identity: str, begin: str) -> str:
    """Metadata as the text in a file of MODIS has them."""
    return (
        f'OBJECT = LOCALGRANULEID\n NUM_VAL = 1\n VALUE = "{identity}"\nEND_OBJECT\n'
        f'OBJECT = RANGEBEGINNINGDATE\n NUM_VAL = 1\n VALUE = "{begin}"\nEND_OBJECT\n'
    )


@pytest.mark.parametrize(("product", "identity", "begin", "fits"), [
    ("MOD13C2", "MOD13C2.A2024032.061.2024066123456.hdf", "2024-02-01", True),
    ("MOD13C2", "MOD13C2.A2024032.061.2024066123456.hdf", "2024-01-17", True),
    ("MOD13C2", "MOD13C2.A2024032.061.2024066123456.hdf", "2024-01-01", False),
    ("MOD13C2", "MOD13C2.A2024032.061.2024066123456.hdf", "2024-02-02", False),
    ("MOD13C2", "MOD13C2.A2024001.061.2024066123456.hdf", "2024-02-01", False),
    ("MOD13C2", "MYD13C2.A2024032.061.2024066123456.hdf", "2024-02-01", False),
    ("MYD13C1", "MYD13C1.A2024032.061.2024066123456.hdf", "2024-01-16", False),
    ("MOD11C3", "MOD11C3.A2024032.061.2024066123456.hdf", "2024-13-01", False),
])  # fmt: skip
def test_the_time_inside_is_held_against_the_name(
    tmp_path: Path, product: str, identity: str, begin: str, fits: bool
) -> None:
    path = modis(tmp_path, product)
    file = SD(str(path), SDC.WRITE)
    file.attr("CoreMetadata.0").set(SDC.CHAR, core(identity, begin))
    file.end()
    if fits:
        assert vegetation.read(path, BOX)["time"].values[0] == np.datetime64("2024-02-01")
        return
    with pytest.raises(BadGranule, match=r"as in its name|a date as"):
        vegetation.read(path, BOX)


@pytest.mark.parametrize(("name", "said"), [
    ("RangeBeginningDate", "2024-03-01"), ("LocalGranuleID", "VNP13C2.A2023032.002.2024066.h5"),
])  # fmt: skip
def test_the_time_inside_viirs_is_held_against_the_name(
    tmp_path: Path, name: str, said: str
) -> None:
    path = write(tmp_path, "ndvi", np.full(BOX.shape, 0.5))
    with h5py.File(path, "r+") as file:
        file.attrs[name] = np.bytes_(said.encode())
    with pytest.raises(BadGranule, match="as in its name"):
        vegetation.read(path, BOX)


def test_impossible_pixels_do_not_enter_a_mean_and_are_counted(tmp_path: Path) -> None:
    path = write(tmp_path, "ndvi", np.full(BOX.shape, 0.5))
    with h5py.File(path, "r+") as file:
        file[FIELD].attrs["valid_range"] = np.array([-32000, 32000], "i2")
        file[FIELD][1500:1502, 5600:5602] = [[1000, 30000], [3000, -20000]]
    ds = vegetation.read(path, BOX)
    assert float(ds["ndvi"][0, 0, 0]) == pytest.approx(0.2)
    assert ds.attrs["out_of_range"]["ndvi"]["cells"] == 2
    with h5py.File(path, "r+") as file:
        file[FIELD][1500:1510] = 20000
    with pytest.raises(BadGranule, match=r"ndvi in -1\.\.1"):
        vegetation.read(path, BOX)


def test_a_scale_below_one_is_a_factor(tmp_path: Path) -> None:
    path = modis(tmp_path, "MOD13C2", scale_factor=0.0001)
    assert float(vegetation.read(path, BOX)["ndvi"][0, 0, 0]) == pytest.approx(0.3)


@pytest.mark.parametrize(
    ("said", "message"),
    [
        ({"scale_factor": None}, "a number in scale_factor"),
        ({"units": "percent"}, "units .*NDVI.* found percent"),
        ({"units": None}, "units .*NDVI.* found none"),
        ({"valid_range": None}, "a valid_range"),
        ({"add_offset": 5.0}, "add_offset 0 or none, found 5.0"),
    ],
)
def test_what_a_file_must_say(tmp_path: Path, said: dict[str, Any], message: str) -> None:
    with pytest.raises(BadGranule, match=message):
        vegetation.read(modis(tmp_path, "MOD13C2", **said), BOX)


def test_hdf4_cut_short(tmp_path: Path) -> None:
    path = modis(tmp_path, "MOD13C2")
    path.write_bytes(path.read_bytes()[:-40_000])
    with pytest.raises(BadGranule, match="a whole HDF4 file"):
        vegetation.read(path, BOX)


def test_tiles_of_the_sinusoidal_grid_are_passed_over() -> None:
    path = Path("MOD13Q1.A2023353.h17v06.061.2024005131728.hdf")
    with pytest.raises(Skipped, match=r"MOD13Q1 is a tile .* MOD13C2, MOD13C1"):
        vegetation.read(path, BOX)


@pytest.mark.parametrize("variable", ["ndvi", "lst"])
def test_granules_find_the_month(tmp_path: Path, variable: str) -> None:
    path = write(tmp_path, variable, np.full(BOX.shape, 290.0 if variable == "lst" else 0.4))
    asof = datetime(2024, 3, 10, tzinfo=UTC)
    start = datetime(2023, 12, 15, tzinfo=UTC)
    january, february = vegetation.granules(variable, start, asof, asof)
    assert (january.start, january.end) == (datetime(2024, 1, 1, tzinfo=UTC), MONTH)
    assert locate(february, tmp_path, asof=asof)[0] == path


def test_bad_files_say_what_is_wrong(tmp_path: Path) -> None:
    path = write(tmp_path, "ndvi", np.full(BOX.shape, 0.5))
    with h5py.File(path, "r+") as file:
        del file[QUALITY]
    with pytest.raises(BadGranule, match=r"variable CMG 0\.05 Deg monthly pixel reliability"):
        vegetation.read(path, BOX)
    with h5py.File(path, "r+") as file:
        file.create_dataset(QUALITY, (1800, 3600), "i1", chunks=True)
    with pytest.raises(BadGranule, match="3600 x 7200 pixels"):
        vegetation.read(path, BOX)
    with h5py.File(path, "r+") as file:
        file["HDFEOS/GRIDS"].create_group("second")
    with pytest.raises(BadGranule, match="one grid in HDFEOS/GRIDS"):
        vegetation.read(path, BOX)
    never = path.with_name("VNP13C2.A2024367.002.2024066123456.h5")
    never.write_bytes(path.read_bytes())
    with pytest.raises(BadGranule, match="a date as"):
        vegetation.read(never, BOX)
    odd = path.with_name("ndvi.h5")
    odd.write_bytes(path.read_bytes())
    with pytest.raises(BadGranule, match="a VNP13C2 or VNP21C3 file name"):
        vegetation.read(odd, BOX)
    path.write_text("<html>")
    with pytest.raises(BadGranule, match="begins with b'<html>'"):
        vegetation.read(path, BOX)


def test_a_quality_of_floats_is_named(tmp_path: Path) -> None:
    path = write(tmp_path, "ndvi", np.full(BOX.shape, 0.5))
    with h5py.File(path, "r+") as file:
        name = next(one for one in file[FIELD].parent if "reliability" in one)
        fields = file[FIELD].parent
        del fields[name]
        fields.create_dataset(name, (3600, 7200), "f4", chunks=(360, 720), compression="gzip")
    with pytest.raises(BadGranule, match=r"expected bits in .* reliability, found float32"):
        vegetation.read(path, BOX)

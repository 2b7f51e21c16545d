"""Every real file and every header of one that lies beside the project is read by a reader.

Headers are parsed for their dims, types and attributes (fill, packing, units), a file is written to
them, and the reader of the product must make the right field of it. A file that comes to either
folder fails these tests until somebody says here who reads it.
"""

import ast
import re
import xml.etree.ElementTree as ET
from collections.abc import Callable
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any

import h5py
import netCDF4
import numpy as np
import pytest
import xarray as xr
from pyhdf.SD import SD, SDC
from pyproj import Transformer

from pipeline.geography.grid import MEKONG, Grid
from pipeline.settings import ROOT
from pipeline.sources import gk2a, gldas, imerg, lis, smap, vegetation
from pipeline.sources.base import BadGranule, Skipped

SHARED = ROOT.parent / "shared"
CORNER = Grid(-90.0, -89.0, -180.0, -179.0)
"""The ten by ten cells that the half-hours were cut to, from the origin of the grid."""


@dataclass
class Variable:
    """What a header says of a variable."""

    dtype: str
    dims: tuple[str, ...]
    attributes: dict[str, Any] = field(default_factory=dict)


@dataclass
class Header:
    """Dims, variables by path and attributes of groups by path."""

    dims: dict[str, int] = field(default_factory=dict)
    variables: dict[str, Variable] = field(default_factory=dict)
    groups: dict[str, dict[str, Any]] = field(default_factory=dict)

    def write(self, path: Path, values: dict[str, Any]) -> Path:
        """Write a file to the header; a value is an array, or an index and what stands there."""
        with netCDF4.Dataset(path, "w") as file:
            for name, size in self.dims.items():
                file.createDimension(name, size)
            for where, said in self.groups.items():
                (file.createGroup(where) if where != "/" else file).setncatts(said)
            for where, one in self.variables.items():
                group, _, name = where.rpartition("/")
                owner = file.createGroup(group) if group else file
                fill = one.attributes.get("_FillValue")
                made = owner.createVariable(
                    name, one.dtype, one.dims, zlib=bool(one.dims), complevel=1,
                    fill_value=None if fill is None else np.dtype(one.dtype).type(fill),
                )  # fmt: skip
                made.set_auto_maskandscale(False)
                made.setncatts({k: v for k, v in one.attributes.items() if k != "_FillValue"})
                if where in values:
                    index, value = (
                        values[where] if isinstance(values[where], tuple) else (..., values[where])
                    )
                    made[index] = value
        return path


def number(key: str, value: str, dtype: str) -> Any:
    """Attribute as its type, which dumps write as text."""
    if key == "CodeMissingValue":
        return value
    try:
        found = float(value)
    except ValueError:
        return value
    own = key in {"_FillValue", "valid_min", "valid_max", "missing_value", "fmissing_value"}
    return np.dtype(dtype).type(found) if own and dtype != "S1" else found


def dump(path: Path) -> Header:
    """Parse a text dump: `group:`, `dim`, `var`, `:attribute`, `// global :attribute`."""
    header, group = Header(groups={"/": {}}), "/"
    one: Variable | None = None
    for line in path.read_text(encoding="utf-8").splitlines():
        words = line.strip()
        if found := re.match(r"group: (\S+)", words):
            group = found[1]
            header.groups.setdefault(group, {})
        elif found := re.match(r"dim (\w+) = (\d+)", words):
            header.dims[found[1]] = int(found[2])
        elif found := re.match(r"var (\S+) (\w+)\((.*?)\) shape=", words):
            dims = tuple(re.findall(r"'(\w+)'", found[3]))
            one = Variable(found[1].replace("|", ""), dims)
            header.variables[f"{group.strip('/')}/{found[2]}".strip("/")] = one
        elif found := re.match(r"(// global )?:(\w+) = ('.*'|\".*\")$", words):
            value = ast.literal_eval(found[3])
            if found[1]:
                header.groups[group][found[2]] = value
            elif one is not None:
                one.attributes[found[2]] = number(found[2], value, one.dtype)
    return header


FLAGS = re.MULTILINE | re.DOTALL
TYPES = {"Float32": "f4", "Float64": "f8", "Int16": "i2", "Int32": "i4", "Int8": "i1"}


def dds_and_das(path: Path) -> Header:
    """Parse the two halves of a DAP2 header; `fullnamepath` says where a variable lies."""
    shapes = next(path.parent.glob(path.name.replace(".das.", ".dds.").replace(".txt", "*")))
    header = Header(groups={"/": {}})
    for kind, name, rest in re.findall(
        r"^ +(\w+) (\w+)((?:\[\w+ = \d+\])+);$", shapes.read_text(), re.MULTILINE
    ):
        dims = re.findall(r"\[(\w+) = (\d+)\]", rest)
        header.dims |= {dim: int(size) for dim, size in dims}
        header.variables[name] = Variable(TYPES[kind], tuple(dim for dim, _ in dims))
    for name, block in re.findall(r"^ {4}(\w+) \{\n(.*?)^ {4}\}", path.read_text(), FLAGS):
        said = {
            key: value.strip('"')
            for _, key, value in re.findall(r'(\w+) (\w+) ("[^"]*"|[^;"]+);', block)
        }
        if name in header.variables:
            one = header.variables.pop(name)
            where = said.pop("fullnamepath", f"/Grid/{name}").strip("/")
            one.attributes = {key: number(key, value, one.dtype) for key, value in said.items()}
            header.variables[where] = one
        elif name == "HDF5_GLOBAL":
            header.groups["/"] = said
    return header


def dmr(path: Path) -> Header:
    """Parse a DAP4 header in XML."""
    root = ET.fromstring(path.read_text(encoding="utf-8"))  # noqa: S314  (a file of ours)
    space = {"d": root.tag[1:].partition("}")[0]}

    def said(owner: ET.Element, dtype: str = "f8") -> dict[str, Any]:
        return {
            each.attrib["name"]: number(
                each.attrib["name"], each.findtext("d:Value", "", space), dtype
            )
            for each in owner.findall("d:Attribute", space)
        }

    header = Header(groups={"/": said(root)})

    def walk(owner: ET.Element, where: str) -> None:
        for dim in owner.findall("d:Dimension", space):
            header.dims[dim.attrib["name"]] = int(dim.attrib["size"])
        for item in owner:
            dtype = TYPES.get(item.tag.partition("}")[2])
            if dtype:
                dims = [d.attrib["name"].rpartition("/")[2] for d in item.findall("d:Dim", space)]
                one = Variable(dtype, tuple(dims), said(item, dtype))
                header.variables[f"{where}{item.attrib['name']}"] = one
        for group in owner.findall("d:Group", space):
            walk(group, f"{where}{group.attrib['name']}/")

    walk(root, "")
    return header


def imerg_values(header: Header, *, rain: str, time: float) -> dict[str, Any]:
    """Axes of IMERG from its origin, a gradient to the north and the east, one cell of fill."""
    group = rain.rpartition("/")[0]
    place = f"{group}/" if group else ""
    axes = {
        name: (np.arange(header.dims[name]) + 0.5) * 0.1 - half
        for name, half in (("lon", 180.0), ("lat", 90.0))
    }
    rates = np.round(np.arange(100).reshape(10, 10) * 0.25, 2)  # (lon, lat)
    rates[3, 4] = header.variables[rain].attributes["_FillValue"]
    return {
        **{f"{place}{name}": axis for name, axis in axes.items()},
        f"{place}time": np.array([time]),
        rain: ((0, slice(0, 10), slice(0, 10)), rates),
    }


def is_north_up(ds: xr.Dataset, time: str, version: str, *, factor: float = 1.0) -> None:
    """The gradient of :func:`imerg_values`, in its place."""
    rain = ds[next(iter(ds.data_vars))]
    assert ds["time"].values[0] == np.datetime64(time)
    assert ds.attrs == {"version": version, "origin": "measured"}
    assert np.isnan(rain[0, 5, 3]), "fill, five from the north of ten"
    assert int(rain.isnull().sum()) == 1
    for lat, lon, value in ((-89.95, -179.95, 0.0), (-89.05, -179.95, 2.25),
                            (-89.95, -179.05, 22.5), (-89.05, -179.05, 24.75)):  # fmt: skip
        got = float(rain.sel(lat=lat, lon=lon, method="nearest")[0])
        assert got == pytest.approx(value * factor)


V06 = "3B-HHR.MS.MRG.3IMERG.20200101-S120000-E122959.0720.V06B.HDF5"


def count(header: Header, time: str, moment: str) -> float:
    """Moment in the units of a time variable."""
    unit, _, since, *_ = header.variables[time].attributes["units"].split()
    since_s = (np.datetime64(moment, "s") - np.datetime64(since, "s")).astype(np.int64)
    return float(since_s / {"seconds": 1, "days": 86_400}[unit])


def half_hour_from_dmr(path: Path, folder: Path) -> None:
    header = dmr(path)
    time = count(header, "Grid/time", "2020-01-01T12:00")
    values = imerg_values(header, rain="Grid/precipitationCal", time=time)
    assert header.dims["lon"] == 3600
    ds = imerg.read(header.write(folder / V06, values), CORNER)
    is_north_up(ds, "2020-01-01T12:00", "V06B")
    assert ds["rain_rate"].attrs["units"] == "mm h-1"


def half_hour_from_das(path: Path, folder: Path) -> None:
    header = dds_and_das(path)
    name = path.name.removeprefix("bes_").partition(".das.")[0].partition(".dds.")[0]
    time = count(header, "Grid/time", "2024-06-30T23:30")
    values = imerg_values(header, rain="Grid/precipitation", time=time)
    ds = imerg.read(header.write(folder / name, values), CORNER)
    is_north_up(ds, "2024-06-30T23:30", "V07B")


def half_hour_from_shapes(path: Path, folder: Path) -> None:
    """The other half of the pair, which is read with its attributes."""
    other = next(path.parent.glob(path.name.replace(".dds.", ".das.").replace(".txt", "*")))
    assert dds_and_das(other).dims == {
        "time": 1, "lon": 3600, "lat": 1800, "latv": 2, "lonv": 2, "nv": 2,
    }  # fmt: skip
    half_hour_from_das(other, folder)


def half_hour_from_dump(path: Path, folder: Path) -> None:
    header = dump(path)
    name = re.findall(r"# real file: \S+/(\S+)", path.read_text())[0]
    version = name.split(".")[-2]
    rain = "precipitation" if version == "V07A" else "precipitationCal"
    time = count(header, "Grid/time", "2000-06-01")
    values = imerg_values(header, rain=f"Grid/{rain}", time=time)
    is_north_up(imerg.read(header.write(folder / name, values), CORNER), "2000-06-01", version)


def day_from_dump(path: Path, folder: Path) -> None:
    header = dump(path)
    name = re.findall(r"# real file: \S+/(\S+)", path.read_text())[0]
    time = count(header, "time", "2015-09-11")
    values = imerg_values(header, rain="precipitationCal", time=time)
    whole = np.full((1, 465, 352), -9999.9)
    whole[0, :10, :10] = values["precipitationCal"][1]
    ds = imerg.read(header.write(folder / name, values | {"precipitationCal": whole}), CORNER)
    is_north_up(ds.drop_vars("n_valid"), "2015-09-11", "V06")
    assert ds["rain"].attrs["units"] == "mm"


def gldas_from_coverage(path: Path, folder: Path) -> None:
    """Units and shapes of its CoverageJSON, which lacks the axes and the fill."""
    said = path.read_text()
    units = dict(re.findall(
        r'"(\w+)": \{\s*"type": "Parameter",.*?"unit": \{\s*"label": \{\s*"en": "([^"]*)"', said,
        re.DOTALL))  # fmt: skip
    shapes = dict(re.findall(
        r'"(\w+)": \{\s*"type": "NdArray",.*?"shape": \[([\d, ]+)\]', said, re.DOTALL))  # fmt: skip
    assert set(shapes.values()) == {"1, 600, 1440"}
    assert len(units) == len(shapes) == 36
    header = Header({"time": 1, "lat": 600, "lon": 1440}, groups={"/": {}})
    for axis in ("lat", "lon"):
        header.variables[axis] = Variable("f4", (axis,))
    header.variables["time"] = Variable("f8", ("time",), {"units": "hours since 2026-06-01"})
    for name, unit in units.items():
        attributes = {"units": unit, "_FillValue": -9999.0}
        header.variables[name] = Variable("f4", ("time", "lat", "lon"), attributes)
    row, column = int((15.05 + 60) * 4), int((105.05 + 180) * 4)
    here = (0, slice(row, row + 1), slice(column, column + 1))
    values: dict[str, Any] = {
        "lat": -59.875 + 0.25 * np.arange(600), "lon": -179.875 + 0.25 * np.arange(1440), "time": 6,
        "Qs_acc": (here, 1.5), "Qsb_acc": (here, 0.25), "RootMoist_inst": (here, 250.0),
        "SoilMoi0_10cm_inst": (here, 30.0), "SoilMoi10_40cm_inst": (here, 90.0),
        "SoilMoi40_100cm_inst": (here, 180.0), "Tair_f_inst": (here, 301.5),
        "PotEvap_tavg": (here, 125.05),
    }  # fmt: skip
    name = "GLDAS_NOAH025_3H.A20260601.0600.021.nc4"
    ds = gldas.read(header.write(folder / name, values), MEKONG)
    found = ds.isel(time=0).sel(lat=15.05, lon=105.05, method="nearest")
    expected = {"runoff": 1.75, "soil_moisture": 0.3, "root_water": 250.0,
                "air_temperature": 301.5, "pet": 4.32}  # fmt: skip
    assert units["PotEvap_tavg"] == "W m-2"
    for key, value in expected.items():
        assert float(found[key]) == pytest.approx(value), key
        assert 4 <= int(ds[key].notnull().sum()) <= 9, "one pixel, fill elsewhere"


def tile_of_250_m(path: Path, folder: Path) -> None:
    """A sinusoidal tile is passed over; its packing is that of the global file used instead."""
    said = path.read_text(encoding="utf-8")
    assert 'grid_mapping_name = "sinusoidal"' in said
    assert "YDim_MODIS_Grid_16DAY_250m_500m_VI = 4800" in said
    packing = {
        key: [float(one.rstrip("bsU")) for one in value.split(", ")]
        for key, value in re.findall(r"\t_250m_16_days_NDVI:(\w+) = ([-\d.s, ]+) ;", said)
    }
    (units,) = re.findall(r'_250m_16_days_NDVI:units = "(\w+)"', said)
    (name,) = re.findall(r"bes_(MOD13Q1\S+\.hdf)", path.name)

    def write(name: str, shape: tuple[int, int], fields: tuple[str, str]) -> Path:
        file = SD(str(folder / name), SDC.WRITE | SDC.CREATE | SDC.TRUNC)
        values = np.full(shape, packing["_FillValue"][0], "i2")
        values[1500, 5600 % shape[1]] = 6543
        flags = np.zeros(shape, "i1")
        for name_, kind, array in zip(fields, (SDC.INT16, SDC.INT8), (values, flags), strict=True):
            made = file.create(name_, kind, shape)
            made.setcompress(SDC.COMP_DEFLATE, 1)
            made[:] = array
            if array is values:
                for key in ("valid_range", "_FillValue"):
                    made.attr(key).set(SDC.INT16, [int(one) for one in packing[key]])
                made.attr("scale_factor").set(SDC.FLOAT64, packing["scale_factor"][0])
                made.attr("units").set(SDC.CHAR, units)
            made.endaccess()
        file.end()
        return folder / name

    tile = write(name, (4800, 4800), ("250m 16 days NDVI", "250m 16 days pixel reliability"))
    with pytest.raises(Skipped, match=r"MOD13Q1 is a tile .*MOD13C1"):
        vegetation.read(tile)
    whole = write(
        name.replace("MOD13Q1", "MOD13C1").replace("h17v06.", ""), (3600, 7200),
        ("CMG 0.05 Deg 16 days NDVI", "CMG 0.05 Deg 16 days pixel reliability"),
    )  # fmt: skip
    ds = vegetation.read(whole)
    here = ds["ndvi"].sel(lat=14.95, lon=100.05, method="nearest")
    assert float(here[0]) == pytest.approx(0.6543)
    assert int(ds["ndvi"].notnull().sum()) == 1
    assert ds["time"].values[0] == np.datetime64("2023-12-19")


def gk2a_level_2(path: Path, folder: Path) -> None:
    """A shortwave file's projection and packing; as such it is refused, as rain it is read."""
    header = dump(path)
    name = re.findall(r"# real file: \S+/(\S+)", path.read_text())[0]
    view = header.variables["gk2a_imager_projection"].attributes
    assert (view["image_width"], view["pixel_size"]) == (900, 2000)
    with pytest.raises(BadGranule, match="file name"):
        gk2a.read(header.write(folder / name, {}))
    for old, new in (("DSR", "RR"), ("SW_DQF", "DQF_RR")):
        header.variables[new] = header.variables.pop(old)
    header.variables["RR"].attributes["units"] = "mm/h"
    rain = np.full((900, 900), 65535, "u2")
    rain[449:451, 449:451] = [[10, 20], [30, 40]]
    good = np.ones((900, 900), "u1")
    good[450, 450] = 0
    made = header.write(
        folder / "gk2a_ami_le2_rr_ea020lc_202407070300.nc", {"RR": rain, "DQF_RR": good}
    )
    ds = gk2a.read(made, Grid(37.0, 39.0, 125.0, 127.0, step=2.0))
    assert float(ds["rain_rate"][0, 0, 0]) == pytest.approx((1.0 + 2.0 + 3.0) / 3)
    north_west = gk2a.read(made, Grid(38.0, 39.0, 125.0, 126.0, step=1.0))
    assert float(north_west["rain_rate"][0, 0, 0]) == pytest.approx(1.0), "row 0 is the north"


def smap_update_from_dump(path: Path, folder: Path) -> None:
    header = dump(path)
    header.variables = {  # the rest are metadata of text, whose dims the dump does not name
        name: one for name, one in header.variables.items()
        if set(one.dims) <= set(header.dims) and one.dtype != "S1"
    }  # fmt: skip
    header.groups = {"/": header.groups["/"]}
    size = 9008.055210146
    moment = np.datetime64("2020-01-28T15:00") - np.datetime64("2000-01-01T11:58:55.816")
    values = np.full((508, 1123), -9999.0)
    values[100, 200] = 0.25
    x, y = (np.arange(1123) - 1727.5) * size, (700.5 - np.arange(508)) * size
    made = header.write(folder / "SMAP_L4_SM_aup_20200128T150000_Vv4030_001.h5", {
        "x": x, "y": y, "time": moment / np.timedelta64(1, "s"),
        "Analysis_Data/sm_profile_analysis": values,
    })  # fmt: skip
    lat, lon = degrees(x[200], y[100])
    ds = smap.read(made, Grid(np.floor(lat), np.ceil(lat), np.floor(lon), np.ceil(lon)))
    found = ds["soil_moisture_profile"][0]
    assert float(found.sel(lat=lat, lon=lon, method="nearest")) == 0.25
    assert 1 <= int(found.notnull().sum()) <= 2, "one pixel of 0.09 degree by 9 km"


def degrees(east: Any, north: Any) -> tuple[Any, Any]:
    """Latitude and longitude of points of the EASE-Grid 2.0."""
    lon, lat = Transformer.from_crs("EPSG:6933", "EPSG:4326", always_xy=True).transform(east, north)
    return lat, lon


def smap_level_3_from_dump(path: Path, folder: Path) -> None:
    header = dump(path)
    assert (header.dims["dim1"], header.dims["dim2"]) == (406, 964)
    east, north = ((np.arange(964) - 481.5) * 36032.22, (202.5 - np.arange(406)) * 36032.22)
    lat, lon = degrees(*np.meshgrid(east, north))
    axes = {
        f"Soil_Moisture_Retrieval_Data_{passing}/{name}{suffix}": values
        for passing, suffix in (("AM", ""), ("PM", "_pm"))
        for name, values in (("latitude", lat), ("longitude", lon))
    }
    read_level_3(header.write(folder / "prefetch.nc4", axes), folder)


def read_level_3(source: Path, folder: Path) -> None:
    """Give coordinates a soil that knows where it is, and see that it is found there."""
    path = folder / "SMAP_L3_SM_P_20150410_R19240_001.h5"
    path.write_bytes(source.read_bytes())
    with h5py.File(path, "r+") as file:
        for passing, suffix in (("AM", ""), ("PM", "_pm")):
            group = file[f"Soil_Moisture_Retrieval_Data_{passing}"]
            lat, lon = group[f"latitude{suffix}"][...], group[f"longitude{suffix}"][...]
            soil = np.where(lon > -9000, (lat + lon) / 1000, -9999).astype("f4")
            made = group.create_dataset(f"soil_moisture{suffix}", data=soil)
            made.attrs["_FillValue"] = np.float32(-9999)
            made.attrs["units"] = np.bytes_(b"cm**3/cm**3")
            group.create_dataset(f"retrieval_qual_flag{suffix}", data=np.zeros(lat.shape, "u2"))
    grid = Grid(10.0, 20.0, 95.0, 105.0)
    seen = smap.read(path, grid)["soil_moisture_surface"].values[0] * 1000
    assert np.isfinite(seen).any()
    there = grid.lat[:, None] + grid.lon
    assert np.nanmax(np.abs(seen - there)) < 0.36, "half a pixel each way"


def real_half_hour(path: Path, _: Path) -> None:
    version = path.name.split(".")[-2]
    ds = imerg.read(path, CORNER)
    with h5py.File(path) as file:
        raw = file[f"Grid/precipitation{'' if version == 'V07A' else 'Cal'}"][0].T[::-1]
    np.testing.assert_array_equal(ds["rain_rate"][0], np.where(raw < -9000, np.nan, raw))
    assert ds["rain_rate"].attrs["units"] == "mm h-1"
    assert ds["time"].values[0] == np.datetime64("2000-06-01")
    assert ds.attrs == {"version": version, "origin": "measured"}


def real_day(path: Path, _: Path) -> None:
    ds = imerg.read(path, Grid(2.8, 38.0, -109.1, -62.6))
    with h5py.File(path) as file:
        raw = file["precipitationCal"][0]
    np.testing.assert_array_equal(ds["rain"][0], raw.T[::-1])
    assert ds["rain"].attrs["units"] == "mm"
    assert ds["time"].values[0] == np.datetime64("2015-09-11")


def real_axes_of_imerg(path: Path, folder: Path) -> None:
    """Coordinates without rain: refused as they are, read where rain is laid on them."""
    with pytest.raises(BadGranule, match="variable precipitation or precipitationCal"):
        imerg.read(path)
    made = folder / V06
    made.write_bytes(path.read_bytes())
    with h5py.File(made, "r+") as file:
        rain = file["Grid"].create_dataset("precipitationCal", (1, 3600, 1800), "f4", chunks=True)
        rain.attrs["units"] = np.bytes_(b"mm/hr")
        rain[0, 2800, 1040] = 7.5
    ds = imerg.read(made)
    assert float(ds["rain_rate"].sel(lat=14.05, lon=100.05, method="nearest")[0]) == 7.5
    assert ds["time"].values[0] == np.datetime64("2020-01-01T12:00")


def real_analysis_update(path: Path, _: Path) -> None:
    grid = Grid(30.0, 40.0, -110.0, -100.0)
    ds = smap.read(path, grid)
    moisture = ds["soil_moisture_profile"][0]
    with h5py.File(path) as file:
        raw, x, y = (file[k][...] for k in ("Analysis_Data/sm_profile_analysis", "x", "y"))
    column = np.abs(x - grid.lon[7] / 180 * 17367530.445).argmin()
    assert (np.diff(y) < 0).all(), "north first"
    assert np.isin(moisture[:, 7], raw[:, column]).all()
    assert 0.02 < float(moisture.min()) < float(moisture.max()) < 0.6
    assert moisture.attrs["units"] == "m3 m-3"
    assert ds["time"].values[0] == np.datetime64("2020-01-28T15:00")


def real_window(path: Path, _: Path) -> None:
    """A window as Cloud OPeNDAP cuts it: as many rows as columns."""
    with h5py.File(path) as file:
        raw, lat, lon = (file[f"Grid/{name}"][...] for name in ("precipitationCal", "lat", "lon"))
    assert raw.shape == (1, 150, 150)
    ds = imerg.read(path, Grid(30.0, 45.0, -30.0, -15.0))
    np.testing.assert_allclose(ds["lat"], lat[::-1], atol=1e-4)
    np.testing.assert_allclose(ds["lon"], lon, atol=1e-4)
    np.testing.assert_array_equal(ds["rain_rate"][0], raw[0].T[::-1])
    assert not np.array_equal(raw[0], raw[0].T), "its transpose is another field"
    assert float(ds["rain_rate"].max()) > 1
    assert ds["time"].values[0] == np.datetime64("2020-01-01T12:00")
    assert ds.attrs == {"version": "V06B", "origin": "measured"}


def real_comparison(path: Path, _: Path) -> None:
    """Every cell of a tenth of a degree holds the pixel that its centre lies in."""
    grid = Grid(35.2, 39.9, -117.9, -112.1)
    moisture = smap.read(path, grid)["soil_moisture_profile"]
    with h5py.File(path) as file:
        raw, x, y = (file[k][...] for k in ("Analysis_Data/sm_profile_analysis", "x", "y"))
    east, north = Transformer.from_crs("EPSG:4326", "EPSG:6933", always_xy=True).transform(
        *np.meshgrid(grid.lon, grid.lat)
    )
    rows = np.abs(north[..., None] - y).argmin(-1)
    columns = np.abs(east[..., None] - x).argmin(-1)
    assert np.unique(rows).size > 40
    np.testing.assert_array_equal(moisture[0], raw[rows, columns])
    assert moisture["time"].values[0] == np.datetime64("2020-01-28T15:00")


def real_lis(path: Path, _: Path) -> None:
    """Runoff alone, hourly, as rates of an instant."""
    with h5py.File(path) as file:
        rate = file["Qs_inst"][...].astype("f8") + file["Qsb_inst"][...]
        rate[file["Qs_inst"][...] == -9999] = np.nan
    ds = lis.read(path, Grid(50.95, 52.31, -2.23, 0.49, step=0.01))
    assert list(ds.data_vars) == ["runoff"]
    assert ds["runoff"].shape == (1, 136, 272)
    np.testing.assert_allclose(ds["runoff"][0], rate[::-1] * 3600, rtol=1e-6)
    assert int(ds["runoff"].isnull().sum()) == 140
    stamp = np.datetime64(f"2011-01-21T{path.name[17:19]}")
    assert ds["time"].values[0] == stamp - np.timedelta64(1, "h")
    assert ds.attrs == {"version": "LIS land surface model output", "origin": "measured"}
    tenth = lis.read(path, Grid(51.0, 52.3, -2.2, 0.4))
    here = tenth["runoff"][0].sel(lat=51.55, lon=-1.25, method="nearest")
    assert float(here) == pytest.approx(rate[60, 98] * 3600, rel=1e-6)


def real_axes_of_level_3(path: Path, folder: Path) -> None:
    with pytest.raises(BadGranule, match="the name of a P file"):
        smap.read(path)
    read_level_3(path, folder)


READERS: dict[str, Callable[[Path, Path], None]] = {
    "headers/GPM_3IMERGHH_example.dmr.xml": half_hour_from_dmr,
    "headers/bes_3B-HHR*.das.*": half_hour_from_das,
    "headers/bes_3B-HHR*.dds.*": half_hour_from_shapes,
    "headers/imerg_3B-HHR_*.txt": half_hour_from_dump,
    "headers/imerg_3B-DAY_*.txt": day_from_dump,
    "headers/bes_GLDAS_*": gldas_from_coverage,
    "headers/bes_MOD13Q1*": tile_of_250_m,
    "headers/gk2a_l2_*.txt": gk2a_level_2,
    "headers/smap_SPL4SMAU_*.txt": smap_update_from_dump,
    "headers/smap_SPL3SMP_*.txt": smap_level_3_from_dump,
    "real_files/imerg/3B-HHR*.HDF5": real_half_hour,
    "real_files/imerg/3B-HHR*.dap.nc4": real_window,
    "real_files/imerg/3B-DAY*": real_day,
    "real_files/imerg/GPM_3IMERGHH_prefetch.nc4": real_axes_of_imerg,
    "real_files/smap/SMAP_L4_SM_aup_input.h5": real_analysis_update,
    "real_files/smap/SMAP_L4_SM_aup_comparison.h5": real_comparison,
    "real_files/lis/LIS_HIST_*": real_lis,
    "real_files/smap/SC_SPL3SMP*": real_axes_of_level_3,
}
"""Who shows that a file is read, by a pattern of its path."""
FILES = sorted(
    str(path.relative_to(SHARED))
    for folder in ("headers", "real_files")
    for path in (SHARED / folder).rglob("*")
    if path.is_file()
)


@pytest.mark.skipif(not FILES, reason="the real files and headers are not here")
def test_every_file_has_one_that_reads_it() -> None:
    readers = {
        name: [pattern for pattern in READERS if fnmatchcase(name, pattern)] for name in FILES
    }
    assert {name: found for name, found in readers.items() if len(found) != 1} == {}


@pytest.mark.parametrize("name", FILES)
def test_it_is_read_right(name: str, tmp_path: Path) -> None:
    (check,) = (check for pattern, check in READERS.items() if fnmatchcase(name, pattern))
    check(SHARED / name, tmp_path)

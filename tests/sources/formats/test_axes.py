"""Latitude and longitude are found by name and by value, or the file is refused."""

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import h5py
import netCDF4
import numpy as np
import pytest

from pipeline.sources.base import BadGranule
from pipeline.sources.formats import axes, hdf

LAT, LON = np.arange(10.05, 11.0, 0.1), np.arange(100.05, 101.0, 0.1)


def write(path: Path, lat: Any, lon: Any, units: tuple[str, str] | None = None) -> Path:
    file = path / "f.h5"
    with h5py.File(file, "w") as made:
        for number, (name, values) in enumerate((("lat", lat), ("lon", lon))):
            made[name] = values
            if units:
                made[name].attrs["units"] = units[number]
    return file


def read(file: Path) -> tuple[Any, Any]:
    with hdf.open_hdf5(file) as made:
        return axes.read_lat_lon(made, file)


def test_axes_run_either_way_and_may_be_packed(tmp_path: Path) -> None:
    lat, lon = read(write(tmp_path, LAT[::-1], LON.astype("f4")))
    np.testing.assert_allclose(lat, LAT[::-1])
    np.testing.assert_allclose(lon, LON, rtol=1e-6)
    file = write(tmp_path, np.round(LAT * 100).astype("i2"), LON)
    with h5py.File(file, "r+") as made:
        made["lat"].attrs["scale_factor"] = 0.01
    np.testing.assert_allclose(read(file)[0], LAT)


def hole(values: Any) -> Any:
    return np.where(np.arange(len(values)) == 4, np.nan, values)


@pytest.mark.parametrize(
    ("lat", "lon", "message"),
    [
        (LON, LAT, r"lat in -90\.\.90, found 100"),
        (LAT, LON + 300, r"lon in -180\.\.360, found 400"),
        (hole(LAT), LON, "none of them missing, found 10, of which 1 are missing"),
        (np.where(LAT > 10.5, 9.969209968386869e36, LAT), LON, "of which 5 are missing"),
        (LAT, hole(LON), "in lon, none of them missing"),
        (LAT[:1], LON, "two or more values in lat"),
        (LAT[:0], LON, "two or more values in lat"),
        (np.full(10, 10.0), LON, "lat evenly spaced"),
        (np.sort(LAT**2) / 10, LON, "lat evenly spaced"),
        (LAT[[0, 2, 1, *range(3, 10)]], LON, "lat evenly spaced"),
        (LAT, np.linspace(-180, 190, 10), "lon in -180"),
        (np.tile(LAT, (3, 1)), LON, r"lat of one dim, found \(3, 10\)"),
        (np.array([b"a", b"b"]), LON, "numbers in lat"),
    ],
)  # fmt: skip
def test_what_is_no_axis_is_refused(tmp_path: Path, lat: Any, lon: Any, message: str) -> None:
    with pytest.raises(BadGranule, match=message):
        read(write(tmp_path, lat, lon))


@pytest.mark.parametrize(
    "units",
    [("degrees_east", "degrees_north"), ("degrees_E", ""), ("", "degrees_N"), ("m", "m"),
     ("radians", "radians")],
)  # fmt: skip
def test_where_values_do_not_tell_the_two_apart_units_do(
    tmp_path: Path, units: tuple[str, str]
) -> None:
    with pytest.raises(BadGranule, match="lat in degrees north and lon in degrees east"):
        read(write(tmp_path, LAT, LAT + 20, units))
    read(write(tmp_path, LAT, LAT + 20, ("degrees_north", "degree_east")))


def attribute(data: h5py.Dataset, name: str, *dims: str) -> None:
    content: Any = ",".join(dims) if name == "DimensionNames" else list(dims)
    data.attrs[name] = content


def scales(data: h5py.Dataset, *dims: str) -> None:
    for number, name in enumerate(dims):
        scale = data.file.create_dataset(name, data=np.zeros(data.shape[number]))
        scale.make_scale(name)
        data.dims[number].attach_scale(scale)


def is_north_first(path: Path, shape: tuple[int, ...], *writers: Callable[..., None]) -> bool:
    with h5py.File(path / "f.h5", "w") as made:
        data = made.create_dataset("rain", shape, "f4")
        for name in writers:
            name(data)
    with hdf.open_hdf5(path / "f.h5") as made:
        return axes.is_north_first(
            hdf.get_variable(made, ("rain",), path),
            20,
            shape[-1] if shape[-2] == 20 else shape[-2],
            path / "f.h5",
            usual=("time", "lon", "lat"),
        )


WAYS: list[Callable[..., None]] = [
    lambda data, *dims: attribute(data, "DimensionNames", *dims),
    lambda data, *dims: attribute(data, "_ARRAY_DIMENSIONS", *dims),
    lambda data, *dims: attribute(data, "DIMENSION_LABELS", *dims),
    scales,
]


@pytest.mark.parametrize("way", range(4))
@pytest.mark.parametrize(
    ("dims", "expected"),
    [(("time", "lat", "lon"), True), (("time", "lon", "lat"), False),
     (("t", "Latitude", "Longitude"), True), (("t", "xdim", "ydim"), False)],
)  # fmt: skip
def test_a_square_window_is_turned_by_its_names(
    tmp_path: Path, way: int, dims: tuple[str, ...], expected: bool
) -> None:
    north_first = is_north_first(tmp_path, (1, 20, 20), lambda data: WAYS[way](data, *dims))
    assert north_first is expected


def test_a_square_window_without_names_or_of_two_minds_is_refused(tmp_path: Path) -> None:
    with pytest.raises(BadGranule, match="dims of rain, a window of 20 x 20, found none"):
        is_north_first(tmp_path, (1, 20, 20))
    with pytest.raises(BadGranule, match="found none"):
        is_north_first(tmp_path, (1, 20, 20), lambda data: scales(data, "a", "b", "c"))
    with pytest.raises(BadGranule, match="found names that contradict each other"):
        is_north_first(
            tmp_path, (1, 20, 20),
            lambda data: attribute(data, "DimensionNames", "time", "lon", "lat"),
            lambda data: scales(data, "time", "lat", "lon"),
        )  # fmt: skip


def test_sizes_tell_the_usual_order_and_names_any_other(tmp_path: Path) -> None:
    assert is_north_first(tmp_path, (1, 30, 20)) is False
    north_first = is_north_first(
        tmp_path, (1, 20, 30), lambda data: scales(data, "time", "lat", "lon")
    )
    assert north_first is True
    with pytest.raises(BadGranule, match=r"dims \(time, lon, lat\) of 1 x 30 x 20, found \(1, 20"):
        is_north_first(tmp_path, (1, 20, 30))
    with pytest.raises(BadGranule, match=r"of 1 x 30 x 20, found \(2, 30, 20\)"):
        is_north_first(tmp_path, (2, 30, 20))


@pytest.mark.parametrize("name", ["DIMENSION_LIST", "DIMENSION_LABELS", "_ARRAY_DIMENSIONS"])
@pytest.mark.parametrize("junk", [np.float32(1e30), np.arange(3), h5py.Empty("f4"), b"\xff", "{"])
def test_names_of_another_type_do_not_end_the_process(tmp_path: Path, name: str, junk: Any) -> None:
    with pytest.raises(BadGranule):
        is_north_first(tmp_path, (1, 20, 20), lambda data: data.attrs.__setitem__(name, junk))


def test_dims_of_the_library_of_netcdf(tmp_path: Path) -> None:
    file = tmp_path / "f.nc"
    with netCDF4.Dataset(file, "w") as made:
        for name in ("lat", "lon"):
            made.createDimension(name, 20)
        made.createVariable("rain", "f4", ("lat", "lon"))
        made.createVariable("turned", "f4", ("lon", "lat"))
    with hdf.open_hdf5(file) as stored:
        for name, expected in (("rain", True), ("turned", False)):
            north_first = axes.is_north_first(
                stored[name], 20, 20, file, usual=("lat", "lon"), before=()
            )  # fmt: skip
            assert north_first is expected


@pytest.mark.parametrize("content", ["{not json", "time,lat,lon"])
def test_names_that_are_no_json_are_told(tmp_path: Path, content: str) -> None:
    message = f"expected a list of names in _ARRAY_DIMENSIONS of rain, found {content!r}"
    with pytest.raises(BadGranule, match=re.escape(message)):
        is_north_first(
            tmp_path, (1, 20, 20), lambda data: data.attrs.__setitem__("_ARRAY_DIMENSIONS", content)
        )

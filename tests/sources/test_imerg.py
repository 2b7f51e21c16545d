"""IMERG: half-hours and days on the grid, their fill and counts, and files that are refused."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Literal

import h5py
import numpy as np
import pytest
import xarray as xr

from pipeline.geography.grid import MEKONG, Grid
from pipeline.settings import ROOT
from pipeline.sources import imerg
from pipeline.sources.base import BadGranule
from pipeline.sources.upstream import locate
from pipeline.virtual.products import write_imerg_day, write_imerg_half_hour

REAL = ROOT.parent / "shared" / "real_files" / "imerg"
real = pytest.mark.skipif(not REAL.is_dir(), reason="the real files are not here")
T0 = datetime(2024, 8, 1, 3, 30, tzinfo=UTC)
BOX = Grid(14.0, 15.0, 100.0, 102.0)


def rates() -> np.ndarray:
    return np.arange(200.0).reshape(10, 20)


def half_hour(folder: Path, time: datetime = T0, values: np.ndarray | None = None) -> Path:
    values = rates() if values is None else values
    return write_imerg_half_hour(
        folder, run="late", time=time, rain_rate=values, grid=BOX,
        published=time + timedelta(hours=14),
    )  # fmt: skip


def day(folder: Path, rain: np.ndarray, n_valid: np.ndarray) -> Path:
    start = datetime(2024, 8, 1, tzinfo=UTC)
    return write_imerg_day(
        folder, time=start, rain=rain, n_valid=n_valid, grid=BOX,
        published=start + timedelta(hours=38),
    )  # fmt: skip


def test_half_hour_is_turned_north_up(tmp_path: Path) -> None:
    path = half_hour(tmp_path)
    with h5py.File(path) as file:  # the provider's order: (time, lon, lat), south-west first
        assert file["Grid/precipitation"].shape == (1, 3600, 1800)
        assert file["Grid/precipitation"][0, 2800, 1040] == 180.0
        assert file["Grid/precipitation"][0, 2819, 1049] == 19.0
    ds = imerg.read(path, BOX)
    assert ds["rain_rate"].dims == ("time", "lat", "lon")
    np.testing.assert_array_equal(ds["rain_rate"][0], rates())
    assert ds["rain_rate"].attrs["units"] == "mm h-1"
    assert float(ds["rain_rate"].sel(lat=14.95, lon=100.05)[0]) == 0.0
    assert float(ds["rain_rate"].sel(lat=14.05, lon=101.95)[0]) == 199.0
    assert ds.attrs == {"version": "V07B", "origin": "virtual"}
    assert ds.rio.crs.to_epsg() == 4326


def test_fill_is_masked_before_arithmetic_and_zero_is_kept(tmp_path: Path) -> None:
    values = rates()
    values[2, 3] = np.nan
    ds = imerg.read(half_hour(tmp_path, values=values), BOX)
    assert int(ds["rain_rate"].isnull().sum()) == 1
    assert float(ds["rain_rate"][0, 0, 0]) == 0.0
    assert float(ds["rain_rate"].min()) == 0.0


def test_cells_beyond_what_was_written_are_missing(tmp_path: Path) -> None:
    ds = imerg.read(half_hour(tmp_path), MEKONG)
    assert int(ds["rain_rate"].notnull().sum()) == 200


def test_half_hours_of_one_mm_per_hour_make_24_mm(tmp_path: Path) -> None:
    start = datetime(2024, 8, 1, tzinfo=UTC)
    ones = np.ones(BOX.shape)
    steps = [
        imerg.read(half_hour(tmp_path, start + i * timedelta(minutes=30), ones), BOX)["rain_rate"]
        for i in range(48)
    ]
    total = (xr.concat(steps, "time") * 0.5).sum("time")
    np.testing.assert_allclose(total, 24.0)
    daily = imerg.read(day(tmp_path, np.full(BOX.shape, 24.0), np.full(BOX.shape, 48)), BOX)
    np.testing.assert_allclose(daily["rain"][0], 24.0)
    assert daily["rain"].attrs["units"] == "mm"


def test_partial_days_keep_their_count_and_empty_ones_are_missing(tmp_path: Path) -> None:
    n_valid = np.full(BOX.shape, 48)
    n_valid[0, :4] = 0, 20, 38, 39
    ds = imerg.read(day(tmp_path, np.full(BOX.shape, 6.0), n_valid), BOX)
    assert np.isnan(ds["rain"][0, 0, :3]).all(), "too few half-hours are no day"
    assert ds["rain"][0, 0, 3:5].values.tolist() == [6.0, 6.0]
    assert ds["n_valid"][0, 0, :5].values.tolist() == [0, 20, 38, 39, 48]
    assert "out_of_range" not in ds.attrs


def test_a_count_that_no_day_has_is_missing_and_so_is_its_rain(tmp_path: Path) -> None:
    n_valid = np.full(BOX.shape, 48)
    n_valid[3, 4], n_valid[3, 5] = 300, -3
    ds = imerg.read(day(tmp_path, np.full(BOX.shape, 6.0), n_valid), BOX)
    for name in ("rain", "n_valid"):
        assert np.argwhere(np.isnan(ds[name].values[0])).tolist() == [[3, 4], [3, 5]]
    assert ds.attrs["out_of_range"] == {"n_valid": {"cells": 2, "worst": 300.0}}


def test_version_6_sums_are_raised_to_the_whole_day(tmp_path: Path) -> None:
    path = day(tmp_path, np.full(BOX.shape, 6.0), np.full(BOX.shape, 40))
    old = path.with_name(path.name.replace("V07B", "V06"))
    shutil.copy(path, old)
    with h5py.File(old, "r+") as file:
        file.move("precipitation", "precipitationCal")
        file.move("precipitation_cnt", "precipitationCal_cnt")
        file["precipitationCal"].attrs["units"] = np.bytes_(b"mm")
    ds = imerg.read(old, BOX)
    np.testing.assert_allclose(ds["rain"][0], 7.2)
    assert ds.attrs["version"] == "V06"


def test_time_is_civil_though_the_calendar_says_julian(tmp_path: Path) -> None:
    ds = imerg.read(half_hour(tmp_path), BOX)
    assert ds["time"].values[0] == np.datetime64("2024-08-01T03:30")
    assert ds["time"].dtype == "datetime64[ns]"
    leap = datetime(2024, 2, 29, 23, 30, tzinfo=UTC)
    ds = imerg.read(half_hour(tmp_path, leap), BOX)
    assert ds["time"].values[0] == np.datetime64("2024-02-29T23:30")


def test_granules_find_the_files(tmp_path: Path) -> None:
    written = half_hour(tmp_path)
    asof = T0 + timedelta(hours=14)
    (granule,) = imerg.granules("imerg_late", T0, T0 + timedelta(minutes=30), asof)
    assert locate(granule, tmp_path, asof=asof) == (written, asof)
    renamed = written.with_name(written.name.replace("V07B", "V07C"))
    shutil.move(written, renamed)
    assert locate(granule, tmp_path, asof=asof)[0] == renamed
    assert imerg.read(renamed, BOX).attrs["version"] == "V07C"


def test_longitudes_of_0_to_360_and_descending_latitudes(tmp_path: Path) -> None:
    west = Grid(14.0, 15.0, -92.0, -90.0)
    path = write_imerg_half_hour(
        tmp_path, run="late", time=T0, rain_rate=rates(), grid=west, published=T0
    )
    with h5py.File(path, "r+") as file:
        grid = file["Grid"]
        rain = grid["precipitation"][...]
        grid["precipitation"][...] = np.roll(rain, 1800, axis=1)[:, :, ::-1]
        grid["lon"][...] = 0.05 + 0.1 * np.arange(3600)
        grid["lat"][...] = grid["lat"][...][::-1]
    np.testing.assert_array_equal(imerg.read(path, west)["rain_rate"][0], rates())


def spoil(change: Callable[[h5py.File], None]) -> Callable[[Path], None]:
    def act(path: Path) -> None:
        with h5py.File(path, "r+") as file:
            change(file)

    return act


def set_units(file: h5py.File) -> None:
    file["Grid/precipitation"].attrs["units"] = np.bytes_(b"mm/day")


@pytest.mark.parametrize("units", ["mm/h", "mm h-1", "mm hr-1"])
def test_units_in_other_spellings(tmp_path: Path, units: str) -> None:
    path = half_hour(tmp_path)
    with h5py.File(path, "r+") as file:
        file["Grid/precipitation"].attrs["units"] = np.bytes_(units.encode())
    np.testing.assert_array_equal(imerg.read(path, BOX)["rain_rate"][0], rates())


def set_time(file: h5py.File) -> None:
    file["Grid/time"][0] += 1800


def shift(file: h5py.File) -> None:
    file["Grid/lon"][...] = file["Grid/lon"][...] + np.float32(0.05)


def negative(file: h5py.File) -> None:
    file["Grid/precipitation"][0, 2805, 1040:1043] = -1.0


def transpose(file: h5py.File) -> None:
    del file["Grid/precipitation"]
    made = file.create_dataset("Grid/precipitation", (1, 1800, 3600), "f4", chunks=True)
    made.attrs["units"] = "mm/hr"


@pytest.mark.parametrize(
    ("act", "message"),
    [
        (lambda p: p.write_bytes(b""), "an HDF5 file, found an empty file"),
        (lambda p: p.write_text("<!DOCTYPE html><title>Login"), "begins with b'<!DOCTYPE"),
        (lambda p: p.write_bytes(p.read_bytes()[:-9000]), "a whole HDF5 file, found .*truncated"),
        (spoil(lambda f: f.pop("Grid/precipitation")), "expected variable precipitation"),
        (spoil(set_units), "units mm/hr or .* or mm hr-1, found mm/day"),
        (spoil(set_time), "time 2024-08-01T03:30:00 as in its name, found 2024-08-01T04:00"),
        (spoil(shift), "cell centres of the grid"),
        (spoil(negative), r"rain_rate in 0\.\.500 mm h-1, found 3 of 200 cells outside"),
        (spoil(transpose), r"\(time, lon, lat\) of 1 x 3600 x 1800, found \(1, 1800, 3600\)"),
    ],
    ids=["empty", "login page", "cut", "variable", "units", "time", "grid", "negative", "order"],
)  # fmt: skip
def test_bad_files_say_what_is_wrong(
    tmp_path: Path, act: Callable[[Path], object], message: str
) -> None:
    path = half_hour(tmp_path)
    act(path)
    with pytest.raises(BadGranule, match=rf"3B-HHR-L.*{message}") as raised:
        imerg.read(path, BOX)
    assert raised.value.path == path


def test_no_overlap_and_wrong_names_are_refused(tmp_path: Path) -> None:
    path = half_hour(tmp_path)
    odd = path.with_name("download.HDF5")
    shutil.copy(path, odd)
    with pytest.raises(BadGranule, match="an IMERG file name"):
        imerg.read(odd, BOX)
    with h5py.File(path, "r+") as file:
        for name, size in (("lon", 3600), ("lat", 1800)):
            file[f"Grid/{name}"][...] = 0.05 + 0.001 * np.arange(size)
    with pytest.raises(BadGranule, match=r"cells in 14.0..15.0 N"):
        imerg.read(path, BOX)


def test_finer_cells_are_refused_though_their_centres_fit(tmp_path: Path) -> None:
    path = half_hour(tmp_path)
    with h5py.File(path, "r+") as file:
        del file["Grid/lat"]
        file["Grid/lat"] = 5.05 + 0.05 * np.arange(1600)
        del file["Grid/precipitation"]
        made = file.create_dataset("Grid/precipitation", (1, 3600, 1600), "f4", chunks=True)
        made.attrs["units"] = "mm/hr"
    with pytest.raises(BadGranule, match=r"expected cells of 0\.1 degree, found cells of 0\.050"):
        imerg.read(path, BOX)


CASES = ROOT.parent / "shared" / "cases" / "grids"
cases = pytest.mark.skipif(not CASES.is_dir(), reason="the cases are not here")


@cases
def test_a_case_of_cells_never_written() -> None:
    (path,) = CASES.glob("3B-HHR*")
    with pytest.raises(
        BadGranule, match=r"precipitation with fill -9999\.9.*, found 400 cells of 9\.96921e\+36"
    ):
        imerg.read(path)
    elsewhere = imerg.read(path, Grid(14.0, 20.0, 98.0, 104.0))
    assert float(elsewhere["rain_rate"].max()) < 100, "the rest of the file is sound"


@cases
def test_a_case_of_a_day_of_two_half_hours() -> None:
    (path,) = CASES.glob("3B-DAY*")
    ds = imerg.read(path)
    assert bool(ds["rain"].isnull().all())
    count = ds["n_valid"].values
    assert int(np.isfinite(count).sum()) == 400
    assert np.nanmin(count) == np.nanmax(count) == 2
    with h5py.File(path) as file:
        assert float(file["precipitation"][...].max()) == 48.0, "which was the day's rain"


@pytest.mark.parametrize("value", [1e30, 500.5, -0.5, np.inf, -np.inf, 3e38])
def test_an_impossible_cell_is_missing_and_counted(tmp_path: Path, value: float) -> None:
    path = half_hour(tmp_path)
    with h5py.File(path, "r+") as file:
        file["Grid/precipitation"][0, 2805, 1045] = value
    ds = imerg.read(path, BOX)
    assert np.argwhere(np.isnan(ds["rain_rate"].values[0])).tolist() == [[4, 5]]
    count = ds.attrs["out_of_range"]["rain_rate"]
    assert count["cells"] == 1
    assert count["worst"] == pytest.approx(np.nan_to_num(value), rel=1e-6)
    assert ds.attrs["version"] == "V07B"


@pytest.mark.parametrize("value", [9.969209968386869e36, 3.4028234663852886e38, -3.4028235e38])
def test_one_cell_never_written_refuses_the_half_hour(tmp_path: Path, value: float) -> None:
    path = half_hour(tmp_path)
    with h5py.File(path, "r+") as file:
        file["Grid/precipitation"][0, 2805, 1045] = value
    with pytest.raises(BadGranule, match=r"found 1 cells of .* which were never written"):
        imerg.read(path, BOX)
    with h5py.File(path, "r+") as file:
        file["Grid/precipitation"].attrs["_FillValue"] = np.float32(value)
    assert int(imerg.read(path, BOX)["rain_rate"].isnull().sum()) == 1, "a fill that is declared"


def test_packed_rain_is_unpacked(tmp_path: Path) -> None:
    path = half_hour(tmp_path)
    with h5py.File(path, "r+") as file:
        rain = file["Grid/precipitation"][...]
        said = dict(file["Grid/precipitation"].attrs)
        del file["Grid/precipitation"]
        packed = np.where(rain < 0, -9999, np.round(rain * 10)).astype("i2")
        made = file.create_dataset("Grid/precipitation", data=packed, compression="gzip")
        made.attrs["units"], made.attrs["DimensionNames"] = said["units"], said["DimensionNames"]
        made.attrs["_FillValue"] = np.int16(-9999)
        made.attrs["scale_factor"], made.attrs["add_offset"] = 0.1, np.float32(0)
    np.testing.assert_allclose(imerg.read(path, BOX)["rain_rate"][0], rates(), rtol=1e-6)


def square(path: Path, *, dims: tuple[str, str, str] | None, named: str = "DimensionNames") -> Path:
    """A window of 20 x 20 with 7 mm/h at 14.35 N, 100.05 E and 0 elsewhere."""
    window = path.parent / path.name
    with h5py.File(window, "w") as file:
        grid = file.create_group("Grid")
        time = (T0 - datetime(1980, 1, 6, tzinfo=UTC)).total_seconds()
        grid["time"] = np.array([time], "i4")
        grid["time"].attrs["units"] = "seconds since 1980-01-06 00:00:00 UTC"
        grid["lat"] = (13.05 + 0.1 * np.arange(20)).astype("f4")
        grid["lon"] = (100.05 + 0.1 * np.arange(20)).astype("f4")
        rain = np.zeros((1, 20, 20), "f4")
        rain[(0, 13, 0) if dims and dims[1] == "lat" else (0, 0, 13)] = 7.0
        grid["precipitation"] = rain
        grid["precipitation"].attrs["units"] = "mm/hr"
        if dims and named == "scales":
            for number, name in enumerate(dims):
                grid[name].make_scale(name)
                grid["precipitation"].dims[number].attach_scale(grid[name])
        elif dims:
            grid["precipitation"].attrs[named] = ",".join(dims)
    return window


@pytest.mark.parametrize("named", ["DimensionNames", "scales"])
@pytest.mark.parametrize("dims", [("time", "lon", "lat"), ("time", "lat", "lon")])
def test_a_square_window_is_not_read_transposed(
    tmp_path: Path, dims: tuple[str, str, str], named: str
) -> None:
    path = square(tmp_path / half_hour(tmp_path).name, dims=dims, named=named)
    rain = imerg.read(path, BOX)["rain_rate"][0]
    assert float(rain.sel(lat=14.35, lon=100.05, method="nearest")) == 7.0
    assert float(rain.sum()) == 7.0


def test_a_square_window_without_names_is_refused(tmp_path: Path) -> None:
    with pytest.raises(BadGranule, match="names of the dims of precipitation, a window of 20 x 20"):
        imerg.read(square(tmp_path / half_hour(tmp_path).name, dims=None), BOX)


def test_a_whole_file_may_be_turned_if_it_says_so(tmp_path: Path) -> None:
    path = half_hour(tmp_path)
    with h5py.File(path, "r+") as file:
        rain = file["Grid/precipitation"][...].transpose(0, 2, 1)
        said = dict(file["Grid/precipitation"].attrs)
        del file["Grid/precipitation"]
        made = file.create_dataset("Grid/precipitation", data=rain, compression="gzip")
        made.attrs["units"], made.attrs["_FillValue"] = said["units"], said["_FillValue"]
        made.attrs["DimensionNames"] = "time,lat,lon"
    np.testing.assert_array_equal(imerg.read(path, BOX)["rain_rate"][0], rates())


def test_axes_that_are_exchanged_are_refused(tmp_path: Path) -> None:
    path = square(tmp_path / half_hour(tmp_path).name, dims=("time", "lon", "lat"))
    with h5py.File(path, "r+") as file:
        file["Grid"].move("lat", "other")
        file["Grid"].move("lon", "lat")
        file["Grid"].move("other", "lon")
    with pytest.raises(BadGranule, match=r"lat in -90\.\.90, found 100"):
        imerg.read(path, BOX)


@pytest.mark.parametrize(
    ("run", "time", "version"),
    [
        ("early", datetime(2026, 3, 3, 23, 30, tzinfo=UTC), "V07B"),
        ("early", datetime(2026, 3, 4, tzinfo=UTC), "V07C"),
        ("late", datetime(2026, 3, 3, 13, 30, tzinfo=UTC), "V07B"),
        ("late", datetime(2026, 3, 3, 14, tzinfo=UTC), "V07C"),
    ],
)
def test_the_version_is_each_granules_own(
    tmp_path: Path, run: Literal["early", "late"], time: datetime, version: str
) -> None:
    path = write_imerg_half_hour(
        tmp_path, run=run, time=time, rain_rate=rates(), grid=BOX, published=time
    )
    path = path.rename(path.with_name(path.name.replace("V07B", version)))
    later = datetime(2100, 1, 1, tzinfo=UTC)
    (granule,) = imerg.granules(f"imerg_{run}", time, time + timedelta(minutes=30), later)
    assert locate(granule, tmp_path, asof=later)[0] == path
    assert imerg.read(path, BOX).attrs["version"] == version


@pytest.mark.parametrize(
    ("end", "version"),
    [("V07B.RT-H5", "V07B"), ("V07C.RT-H5", "V07C"), ("V08A.RT-NC", "V08A"), ("V08.RT-NC", "V08"),
     ("V07C.HDF5.dap.nc4", "V07C"), ("V08A.nc4", "V08A")],
)  # fmt: skip
def test_names_as_each_provider_writes_them(tmp_path: Path, end: str, version: str) -> None:
    path = half_hour(tmp_path)
    path = path.rename(path.with_name(path.name.replace("V07B.HDF5", end)))
    assert imerg.read(path, BOX).attrs["version"] == version
    later = datetime(2100, 1, 1, tzinfo=UTC)
    (granule,) = imerg.granules("imerg_late", T0, T0 + timedelta(minutes=30), later)
    assert locate(granule, tmp_path, asof=later)[0] == path


@real
@pytest.mark.parametrize("version", ["V06B", "V07A"])
def test_real_half_hours(version: str) -> None:
    (path,) = REAL.glob(f"3B-HHR*{version}.HDF5")
    ds = imerg.read(path, Grid(-90.0, -89.0, -180.0, -179.0))
    assert ds["time"].values[0] == np.datetime64("2000-06-01T00:00")
    assert ds.attrs == {"version": version, "origin": "measured"}
    with h5py.File(path) as file:
        name = "precipitation" if version == "V07A" else "precipitationCal"
        raw = file[f"Grid/{name}"][0].T[::-1]
    np.testing.assert_array_equal(ds["rain_rate"][0], np.where(raw < -9000, np.nan, raw))
    with pytest.raises(BadGranule, match="cells in"):
        imerg.read(path, MEKONG)


@real
def test_real_day_subset() -> None:
    (path,) = REAL.glob("3B-DAY*")
    ds = imerg.read(path, Grid(2.8, 38.0, -109.1, -62.6))
    with h5py.File(path) as file:
        raw = file["precipitationCal"][0]
    np.testing.assert_allclose(ds["rain"][0].sum(), raw.sum(dtype="f8"), rtol=1e-5)
    assert float(ds["rain"].sel(lat=2.85, lon=-109.05)[0]) == raw[0, 0]
    assert float(ds["rain"].sel(lat=37.95, lon=-62.65)[0]) == raw[-1, -1]
    assert bool(ds["n_valid"].isnull().all())
    assert ds["time"].values[0] == np.datetime64("2015-09-11")


@real
def test_real_coordinates_without_rain_then_with_it(tmp_path: Path) -> None:
    source = REAL / "GPM_3IMERGHH_prefetch.nc4"
    with pytest.raises(BadGranule, match="expected variable precipitation or precipitationCal"):
        imerg.read(source)
    path = tmp_path / "3B-HHR.MS.MRG.3IMERG.20200101-S120000-E122959.0720.V06B.HDF5"
    path.write_bytes(source.read_bytes())
    with h5py.File(path, "r+") as file:
        made = file["Grid"].create_dataset("precipitationCal", (1, 3600, 1800), "f4", chunks=True)
        made.attrs["units"] = np.bytes_(b"mm/hr")
        made[0, 2800, 1040] = 7.5
    ds = imerg.read(path, BOX)
    assert float(ds["rain_rate"].sel(lat=14.05, lon=100.05)[0]) == 7.5
    assert ds["time"].values[0] == np.datetime64("2020-01-01T12:00")

"""GK2A's level 2 products: pixels on the grid, flags, and what KMA hands out."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from itertools import pairwise
from pathlib import Path

import h5py
import numpy as np
import pytest
from pytest_httpserver import HTTPServer

from pipeline.geography.grid import MEKONG, Grid
from pipeline.sources import SOURCES, gk2a
from pipeline.sources.base import (
    BadGranule,
    HttpError,
    NotPublished,
)
from pipeline.sources.formats import projection
from pipeline.sources.upstream import locate
from pipeline.virtual.products import write_gk2a_rain
from tests.sources.gk2a_images import DELTA, field, view, write
from tests.sources.public_files import DAY, GRID, NEXT, ask, only


@pytest.mark.parametrize("sector", ["fd020ge", "ea020lc"])
def test_cells_get_the_mean_of_their_pixels(tmp_path: Path, sector: str) -> None:
    grid = Grid(18.0, 20.0, 103.0, 105.0)
    ds = gk2a.read(write(tmp_path, sector, grid), grid)
    np.testing.assert_allclose(ds["rain_rate"][0], field(grid), atol=1e-5)
    assert ds["time"].values[0] == np.datetime64("2024-08-01T03:10")
    assert ds.attrs["origin"] == "virtual"


def test_mean_of_hand_set_pixels_masks_fill_and_bad_ones(tmp_path: Path) -> None:
    path = write(tmp_path)
    pixels = projection.pixels_in(view(path), DELTA)
    rows, columns, cell = pixels.rows, pixels.columns, pixels.cell
    chosen = np.flatnonzero(cell == 210)
    assert len(chosen) >= 16
    with h5py.File(path, "r+") as file:
        rain, flag = file["RR"][rows, columns].ravel(), file["DQF_RR"][rows, columns].ravel()
        rain[chosen], flag[chosen] = 65535, 0
        rain[chosen[:3]] = 100, 300, 9000  # 1, 3 and a bad 90 mm/h
        flag[chosen[2]] = 1
        shape = rows.stop - rows.start, columns.stop - columns.start
        file["RR"][rows, columns] = rain.reshape(shape)
        file["DQF_RR"][rows, columns] = flag.reshape(shape)
    assert float(gk2a.read(path, DELTA)["rain_rate"].values.ravel()[210]) == pytest.approx(2.0)
    with h5py.File(path, "r+") as file:
        flag[chosen] = 1
        file["DQF_RR"][rows, columns] = flag.reshape(shape)
    assert np.isnan(gk2a.read(path, DELTA)["rain_rate"].values.ravel()[210])


def test_rain_without_a_flag_is_taken_by_its_fill_and_range(tmp_path: Path) -> None:
    path = write(tmp_path)
    pixels = projection.pixels_in(view(path), DELTA)
    rows, columns, cell = pixels.rows, pixels.columns, pixels.cell
    chosen = np.flatnonzero(cell == 210)
    with h5py.File(path, "r+") as file:
        del file["DQF_RR"]
        rain = file["RR"][rows, columns].ravel()
        rain[chosen] = 65535
        rain[chosen[:3]] = 100, 300, 65534  # 1, 3 and beyond what is valid
        shape = rows.stop - rows.start, columns.stop - columns.start
        file["RR"][rows, columns] = rain.reshape(shape)
        assert int(file["RR"].attrs["valid_max"]) < 65534
    assert float(gk2a.read(path, DELTA)["rain_rate"].values.ravel()[210]) == pytest.approx(2.0)


def land(folder: Path, product: str, field: str, flag: str, units: str) -> Path:
    """Another level 2 product in the same layout: 5 in each pixel of a cell, 7 in three of it."""
    path = write(folder)
    made = path.with_name(path.name.replace("_rr_", f"_{product}_"))
    path.rename(made)
    pixels = projection.pixels_in(view(made), DELTA)
    rows, columns, cell = pixels.rows, pixels.columns, pixels.cell
    chosen = np.flatnonzero(cell == 210)
    values, marks = np.full(cell.shape, 65535, "u2"), np.full(cell.shape, 0, "u1")
    values[chosen], values[chosen[:3]] = 500, 700
    shape = rows.stop - rows.start, columns.stop - columns.start
    with h5py.File(made, "r+") as file:
        file.move("RR", field)
        file.move("DQF_RR", flag)
        file[flag].attrs["flag_meanings"] = np.bytes_(b"")
        file[field].attrs["units"] = np.bytes_(units.encode())
        file[field][rows, columns] = values.reshape(shape)
        file[flag][rows, columns] = marks.reshape(shape)
    return made


def mark(path: Path, flag: str, values: list[int]) -> float:
    """Flag all pixels of the cell but some; give what is read of it."""
    pixels = projection.pixels_in(view(path), DELTA)
    rows, columns, cell = pixels.rows, pixels.columns, pixels.cell
    chosen = np.flatnonzero(cell == 210)
    with h5py.File(path, "r+") as file:
        marks = file[flag][rows, columns].ravel()
        marks[chosen] = values[-1]
        marks[chosen[: len(values) - 1]] = values[:-1]
        file[flag][rows, columns] = marks.reshape(rows.stop - rows.start, -1)
    ds = gk2a.read(path, DELTA)
    (name,) = ds.data_vars
    return float(ds[name].values.ravel()[210])


def test_surface_temperature_of_clear_pixels(tmp_path: Path) -> None:
    path = land(tmp_path, "lst", "LST", "DQF_LST", "K")
    with h5py.File(path, "r+") as file:
        file["LST"].attrs["add_offset"] = 295.0
    assert mark(path, "DQF_LST", [0, 0, 1, 2]) == pytest.approx(302.0)
    ds = gk2a.read(path, DELTA)
    assert (list(ds.data_vars), ds["lst"].attrs["units"]) == (["lst"], "K")
    assert ds["time"].values[0] == np.datetime64("2024-08-01T03:10")
    with h5py.File(path, "r+") as file:
        del file["DQF_LST"]
    with pytest.raises(BadGranule, match="expected variable DQF_LST"):
        gk2a.read(path, DELTA)


@pytest.mark.parametrize(
    ("bit", "seen"), [(0, True), (2, False), (3, False), (4, True), (7, False)]
)
def test_ndvi_where_its_bits_say_so(tmp_path: Path, bit: int, seen: bool) -> None:
    path = land(tmp_path, "vgt", "NDVI", "DQF", "")
    with h5py.File(path, "r+") as file:
        file["NDVI"].attrs["scale_factor"] = 0.001
    expected = 0.7 if seen else np.nan  # only the three of 700 are not over water
    found = mark(path, "DQF", [1 << bit] * 3 + [0b100])
    assert found == pytest.approx(expected, nan_ok=True)
    assert list(gk2a.read(path, DELTA).data_vars) == ["ndvi"]


@pytest.mark.parametrize(
    ("source", "first", "product"), [("gk2a_lst", 6.5, "LST"), ("gk2a_ndvi", 0.0, "VGT")]
)
def test_land_products_are_asked_for_once_a_day(source: str, first: float, product: str) -> None:
    start = datetime(2024, 8, 1, tzinfo=UTC)
    end = start + timedelta(days=3)
    found = list(gk2a.granules(source, start, end, end))
    assert [one.start for one in found] == [
        start + timedelta(days=day, hours=first) for day in range(3)
    ]
    assert found[1].folder.startswith(f"GK2A/LE2/{product}/FD/202408/02/")


def test_a_flag_of_floats_is_named(tmp_path: Path) -> None:
    path = write(tmp_path)
    with h5py.File(path, "r+") as file:
        del file["DQF_RR"]
        file.create_dataset("DQF_RR", (5500, 5500), "f4", chunks=(500, 500), compression="gzip")
    with pytest.raises(BadGranule, match="expected bits in /DQF_RR, found float32"):
        gk2a.read(path, DELTA)


def test_impossible_pixels_do_not_enter_a_mean_and_are_counted(tmp_path: Path) -> None:
    path = write(tmp_path)
    pixels = projection.pixels_in(view(path), DELTA)
    rows, columns, cell = pixels.rows, pixels.columns, pixels.cell
    chosen = np.flatnonzero(cell == 210)
    shape = rows.stop - rows.start, columns.stop - columns.start
    with h5py.File(path, "r+") as file:
        rain = file["RR"][rows, columns].ravel()
        rain[chosen] = 300
        rain[chosen[:2]] = 60_000  # 600 mm/h, which the file calls valid
        file["RR"][rows, columns] = rain.reshape(shape)
        file["RR"].attrs["valid_max"] = np.uint16(65000)
    ds = gk2a.read(path, DELTA)
    assert float(ds["rain_rate"].values.ravel()[210]) == pytest.approx(3.0)
    assert ds.attrs["out_of_range"]["rain_rate"]["cells"] == 2
    assert ds.attrs["out_of_range"]["rain_rate"]["worst"] == pytest.approx(600)
    with h5py.File(path, "r+") as file:
        file["RR"].attrs["scale_factor"] = 10.0
    with pytest.raises(BadGranule, match=r"rain_rate in 0\.\.500 mm h-1"):
        gk2a.read(path, DELTA)


def test_rain_is_asked_for_by_half_hours_before_late_is_there() -> None:
    asof = datetime(2026, 8, 20, 0, 30, tzinfo=UTC)
    row = SOURCES["gk2a"]
    found = [one.start for one in gk2a.granules("gk2a", asof - row.lookback, asof, asof)]
    assert len(found) == len(set(found)) == 15 * 6 + (5 * 24 - 15) * 2
    near = [time for time in found if time >= asof - timedelta(hours=15)]
    assert {later - time for time, later in pairwise(near)} == {timedelta(minutes=10)}
    half_hour = timedelta(minutes=30)
    midnight = asof.replace(minute=0)
    for day in (midnight - timedelta(days=before) for before in range(1, 5)):
        slots = {day + slot * half_hour for slot in range(48)}
        assert slots <= set(found), "each of the days whose half-hours are summed is whole"
    later = asof + timedelta(days=1)
    again = {one.start for one in gk2a.granules("gk2a", later - row.lookback, later, later)}
    assert len(again - set(found)) == 24 * 6 - 9 * 6 + 9 * 2, "of a day 108 files, not 144"


def test_east_asia_leaves_the_south_missing_and_the_full_disk_does_not(tmp_path: Path) -> None:
    east = gk2a.read(write(tmp_path, "ea020lc", MEKONG))["rain_rate"][0]
    assert bool(east.sel(lat=slice(11.0, 7.5)).isnull().all())
    for lat, lon, seen in (
        (20.25, 100.05, True),
        (17.95, 102.65, True),
        (11.55, 104.95, False),
        (10.05, 105.75, False),
    ):  # Chiang Saen, Vientiane, Phnom Penh, Can Tho
        assert bool(east.sel(lat=lat, lon=lon, method="nearest").notnull()) == seen
    disk = gk2a.read(write(tmp_path, "fd020ge", MEKONG))["rain_rate"][0]
    assert not bool(disk.isnull().any())
    with pytest.raises(BadGranule, match="pixels in the grid, found none"):
        gk2a.read(write(tmp_path, "ea020lc", Grid(18.0, 20.0, 103.0, 105.0)), DELTA)


def test_bad_files_say_what_is_wrong(tmp_path: Path) -> None:
    path = write(tmp_path)
    whole = path.read_bytes()
    never = path.with_name("gk2a_ami_le2_rr_fd020ge_202413010310.nc")
    never.write_bytes(whole)
    with pytest.raises(BadGranule, match="a date as"):
        gk2a.read(never, DELTA)
    odd = path.with_name("gk2a_ami_le2_cld_fd020ge_202408010310.nc")
    odd.write_bytes(whole)
    with pytest.raises(
        BadGranule, match="a file name of GK2A rain rate, surface temperature or NDVI"
    ):
        gk2a.read(odd, DELTA)

    def expect(message: str, change: object) -> None:
        path.write_bytes(whole)
        with h5py.File(path, "r+") as file:
            change(file)  # type: ignore[operator]
        with pytest.raises(BadGranule, match=message):
            gk2a.read(path, DELTA)

    name = "gk2a_imager_projection"
    expect("expected variable RR, found", lambda f: f.pop("RR"))
    expect("a number in scale_factor", lambda f: f["RR"].attrs.pop("scale_factor"))
    expect("a number in _FillValue", lambda f: f["RR"].attrs.pop("_FillValue"))
    expect("5500 x 5400 pixels", lambda f: f[name].attrs.modify("image_width", 5400))
    expect("a flag that means good", lambda f: f["DQF_RR"].attrs.modify("flag_meanings", "0: Bad"))
    expect("units mm/h or mm/hr or mm h-1, found mm", lambda f: f["RR"].attrs.modify("units", "mm"))
    expect("column_offset, found ''", lambda f: f[name].attrs.pop("column_offset"))
    expect("found mercator", lambda f: f[name].attrs.modify("grid_mapping_name", "mercator"))
    path.write_bytes(whole[: len(whole) // 2])
    with pytest.raises(BadGranule, match="a whole HDF5 file"):
        gk2a.read(path, DELTA)


def test_kma_is_asked_for_what_it_lists_and_the_key_is_not_told(
    tmp_path: Path, httpserver: HTTPServer
) -> None:
    start = DAY.replace(hour=3, minute=10)
    granule = only(gk2a.granules("gk2a", start, start.replace(minute=20), NEXT))
    made = write_gk2a_rain(
        tmp_path / "made", sector="fd020ge", time=start, published=start, grid=GRID,
        rain_rate=np.full(GRID.shape, 6.0),
    )  # fmt: skip
    base = "/api/typ05/api/GK2A/LE2/RR/FD"
    key = {"authKey": "s3cret"}
    asked = {"sDate": "202408200300", "eDate": "202408200359", "format": "json"}
    httpserver.expect_request(f"{base}/dataList", query_string=asked | key).respond_with_json(
        {"list": [{"item": "202408200310"}]}
    )
    httpserver.expect_request(
        f"{base}/data", query_string={"date": "202408200310"} | key
    ).respond_with_data(made.read_bytes(), content_type="application/octet-stream")
    url = httpserver.url_for("").rstrip("/")
    with ask("kma", url, KMA_API_KEY="s3cret") as client:
        path = gk2a.fetch(granule, tmp_path, client=client)
        usual = granule.end + SOURCES["gk2a"].latency
        assert locate(granule, tmp_path, asof=usual) == (path, usual), "seen the same night"
        np.testing.assert_allclose(gk2a.read(path, GRID)["rain_rate"].values, 6.0, atol=0.01)
        later = start.replace(minute=20)
        missing = only(gk2a.granules("gk2a", later, later.replace(minute=30), NEXT))
        with pytest.raises(NotPublished):
            gk2a.fetch(missing, tmp_path, client=client)
    httpserver.clear()
    httpserver.expect_request(f"{base}/dataList").respond_with_json({"result": {"status": 403}})
    client = ask("kma", url, KMA_API_KEY="s3cret")
    with client, pytest.raises(HttpError, match="expected a list of items") as said:
        gk2a.fetch(granule, tmp_path, client=client)
    assert "s3cret" not in str(said.value)


@pytest.mark.parametrize("disk", [{"list": []}, {"result": {"status": 400}}, None])
def test_where_kma_has_no_full_disk_east_asia_comes(
    tmp_path: Path, httpserver: HTTPServer, disk: dict[str, object] | None
) -> None:
    start = DAY.replace(hour=3, minute=10)
    granule = only(gk2a.granules("gk2a", start, start.replace(minute=20), NEXT))
    north = Grid(18.0, 18.2, 103.0, 103.2)
    made = write_gk2a_rain(
        tmp_path / "made", sector="ea020lc", time=start, published=start, grid=north,
        rain_rate=np.full(north.shape, 6.0),
    )  # fmt: skip
    base = "/api/typ05/api/GK2A/LE2/RR"
    if disk is not None:
        httpserver.expect_request(f"{base}/FD/dataList").respond_with_json(disk)
    else:
        httpserver.expect_request(f"{base}/FD/dataList").respond_with_data("", status=404)
    httpserver.expect_request(f"{base}/EA/dataList").respond_with_json(
        {"list": [{"item": "202408200310"}]}
    )
    httpserver.expect_request(f"{base}/EA/data").respond_with_data(made.read_bytes())
    with ask("kma", httpserver.url_for("").rstrip("/"), KMA_API_KEY="s3cret") as client:
        path = gk2a.fetch(granule, tmp_path, client=client)
    assert path.name == "gk2a_ami_le2_rr_ea020lc_202408200310.nc"
    assert locate(granule, tmp_path, asof=NEXT)[0] == path
    np.testing.assert_allclose(gk2a.read(path, north)["rain_rate"].values, 6.0, atol=0.01)


def test_an_expired_key_of_kma_is_an_error_and_no_reason_for_east_asia(
    tmp_path: Path, httpserver: HTTPServer
) -> None:
    start = DAY.replace(hour=3, minute=10)
    granule = only(gk2a.granules("gk2a", start, start.replace(minute=20), NEXT))
    httpserver.expect_request("/api/typ05/api/GK2A/LE2/RR/FD/dataList").respond_with_json(
        {"result": {"status": 401}}, status=401
    )
    url = httpserver.url_for("").rstrip("/")
    with (
        ask("kma", url, KMA_API_KEY="s3cret") as client,
        pytest.raises(HttpError, match="401") as said,
    ):
        gk2a.fetch(granule, tmp_path, client=client)
    assert "s3cret" not in str(said.value)
    assert len(httpserver.log) == 1

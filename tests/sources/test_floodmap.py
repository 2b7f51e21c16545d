"""Flood maps: shares of what was seen, tiles of a day, and how they are fetched."""

from __future__ import annotations

import os
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest
import rasterio
import xarray as xr
from pyhdf.SD import SD, SDC
from pytest_httpserver import HTTPServer

from pipeline import steps
from pipeline.geography.grid import Grid
from pipeline.settings import Settings
from pipeline.sources import floodmap
from pipeline.sources.access.client import Client
from pipeline.sources.base import (
    BadGranule,
    Granule,
    HttpError,
    NeedsCredentials,
    NotPublished,
    Skipped,
)
from pipeline.storage.archive import Archive

BOX = Grid(9.0, 11.0, 104.0, 106.0)
"""Across the edge of tiles v07 and v08, all in h28."""
FLOOD = "Flood_3Day_250m"
STEP = 10 / 4800
DAY = datetime(2026, 8, 18, tzinfo=UTC)


def classes() -> np.ndarray:
    """A tile of dry land."""
    return np.zeros((4800, 4800), np.uint8)


def hdf4(folder: Path, tile: str, values: np.ndarray, *, layer: str = "Flood 3-Day 250m") -> Path:
    path = folder / f"MCDWD_L3_NRT.A{DAY:%Y%j}.{tile}.061.hdf"
    file = SD(str(path), SDC.WRITE | SDC.CREATE | SDC.TRUNC)
    for name in ("Water Counts 1-Day 250m", layer):
        made = file.create(name, SDC.UINT8, values.shape)
        made.setcompress(SDC.COMP_DEFLATE, 1)
        made[:] = values
        made.attr("_FillValue").set(SDC.UINT8, 255)
        made.endaccess()
    file.attr("HDFEOSVersion").set(SDC.CHAR, "HDFEOS_V2.19")
    file.end()
    return path


def hdf5(folder: Path, tile: str, values: np.ndarray) -> Path:
    path = folder / f"VCDWD_L3_NRT.A{DAY:%Y%j}.{tile}.002.{DAY:%Y%j}123456.h5"
    folder.mkdir(parents=True, exist_ok=True)
    with h5py.File(path, "w") as file:
        fields = file.create_group("HDFEOS/GRIDS/Flood_Composite/Data Fields")
        made = fields.create_dataset(
            FLOOD, data=values, chunks=(480, 4800), compression="gzip", compression_opts=1
        )
        made.attrs["_FillValue"] = np.array([255], "u1")
        file.attrs["ProcessingEnvironment"] = np.bytes_(b"virtual basin")
    return path


def geotiff(folder: Path, tile: str, values: np.ndarray, **changes: Any) -> Path:
    path = folder / f"MCDWD_L3_F3_NRT.A{DAY:%Y%j}.{tile}.061.tif"
    west, north = 10.0 * int(tile[1:3]) - 180, 90 - 10.0 * int(tile[4:])
    options = {
        "driver": "GTiff", "width": 4800, "height": 4800, "count": 1, "dtype": "uint8",
        "crs": "EPSG:4326", "compress": "deflate",
        "transform": rasterio.Affine(STEP, 0, west, 0, -STEP, north),
    } | changes  # fmt: skip
    with rasterio.open(path, "w", **options) as image:
        image.write(values, 1)
    return path


FORMS = (hdf4, hdf5, geotiff)


def cell(lat: float, lon: float) -> tuple[slice, slice]:
    """Pixels of the 0.1 degree cell whose north-west corner lies there, in tile h28v07 or v08."""
    row, column = round((20.0 - lat) * 480) % 4800, round((lon - 100.0) * 480)
    return slice(row, row + 48), slice(column, column + 48)


@pytest.mark.parametrize("write", FORMS)
def test_share_is_of_what_was_seen(tmp_path: Path, write: Callable[..., Path]) -> None:
    values = classes()
    down, across = cell(11.0, 104.0)
    values[down, across] = 255
    values[down.start, across.start : across.start + 10] = [3] * 3 + [2] * 2 + [1] * 4 + [0]
    values[cell(10.9, 104.1)] = 255
    values[cell(10.1, 105.9)] = 3
    values[cell(10.5, 105.0)] = 1
    ds = floodmap.read(write(tmp_path, "h28v07", values), BOX)
    flood, seen = ds["flood_share"][0], ds["seen_share"][0]
    assert flood.dims == ("lat", "lon")
    assert float(flood[0, 0]) == pytest.approx(5 / 10), "recurring and unusual, of ten seen"
    assert float(seen[0, 0]) == pytest.approx(10 / 48**2)
    assert np.isnan(flood.sel(lat=10.85, lon=104.15, method="nearest")), "not seen is not dry"
    assert float(seen.sel(lat=10.85, lon=104.15, method="nearest")) == 0
    assert float(flood.sel(lat=10.05, lon=105.95, method="nearest")) == 1
    assert float(flood.sel(lat=10.45, lon=105.05, method="nearest")) == 0, "water of the reference"
    assert float(flood.sel(lat=10.95, lon=105.95, method="nearest")) == 0
    assert bool(flood[10:].isnull().all()), "south of 10 N there is no tile"
    assert bool(seen[10:].isnull().all())
    assert ds["time"].values[0] == np.datetime64("2026-08-18")
    assert ds["flood_share"].attrs["units"] == "1"
    origin, version = ("virtual", "002") if write is hdf5 else ("measured", "061")
    assert ds.attrs == {"version": version, "origin": origin}


def stamp(path: Path, hour: float) -> None:
    moment = (DAY + timedelta(hours=24 + hour)).timestamp()
    os.utime(path, (moment, moment))


def test_the_newest_tile_reads_the_day(tmp_path: Path) -> None:
    north = geotiff(tmp_path, "h28v07", classes())
    south = geotiff(tmp_path, "h28v08", np.full((4800, 4800), 3, np.uint8))
    other_day = north.with_name(north.name.replace(f"{DAY:%Y%j}", "2026001"))
    other_day.write_bytes(south.read_bytes())
    for path, hour in ((south, 1), (north, 2), (other_day, 3)):
        stamp(path, hour)
    ds = floodmap.read(north, BOX)
    assert ds["flood_share"][0, :10].values.max() == 0
    assert ds["flood_share"][0, 10:].values.min() == 1
    with pytest.raises(Skipped, match="is read with the day's newest"):
        floodmap.read(south, BOX)
    (tmp_path / "alone").mkdir()
    h29 = geotiff(tmp_path / "alone", "h29v07", classes())
    with pytest.raises(BadGranule, match=r"a tile in 9\.0\.\.11\.0 N.* found h29v07"):
        floodmap.read(h29, BOX)


def test_a_night_takes_each_state_of_a_day_that_is_rewritten_in_place(tmp_path: Path) -> None:
    settings = Settings(data_dir=tmp_path, upstream="virtual", records_url=None)
    folder = settings.upstream_dir / f"allData/5200/VCDWD_L3_NRT/{DAY:%Y/%j}"
    dry = classes()
    first, second = hdf5(folder, "h28v07", dry), hdf5(folder, "h28v08", dry)
    stamp(first, 2)
    stamp(second, 3)
    place = {"lat": 10.95, "lon": 104.05}

    def night(hour: float) -> float:
        asof = DAY + timedelta(hours=24 + hour)
        done = steps.ingest("floodmap", asof=asof, settings=settings, start=DAY)
        assert done.rejected == done.passed_over == ()
        ds = Archive(settings.archive_dir).read("floodmap", asof=asof)
        assert ds["time"].values.tolist() == [np.datetime64(DAY.replace(tzinfo=None), "ns").item()]
        return float(ds["flood_share"].sel(place, method="nearest")[0])

    assert night(4) == 0.0
    dry[cell(11.0, 104.0)] = 3
    stamp(hdf5(folder, "h28v07", dry), 8)
    assert night(5) == 0.0, "as known by then"
    assert night(9) == 1.0
    assert float(
        Archive(settings.archive_dir)
        .read("floodmap", asof=DAY + timedelta(hours=30))["flood_share"]
        .sel(place, method="nearest")[0]
    ) == 0.0  # fmt: skip


def test_granules_are_the_days_tiles(tmp_path: Path) -> None:
    end = DAY + timedelta(days=2)
    first, second = floodmap.granules("floodmap", DAY, end, end)
    assert (first.start, first.end) == (DAY, DAY + timedelta(days=1))
    path = hdf5(tmp_path / second.folder.replace("231", "230"), "h27v05", classes())
    assert list(tmp_path.glob(f"{first.folder}/{first.pattern}")) == [path]


MARK = "s3cret"


def ask(httpserver: HTTPServer, **secrets: str) -> Client:
    url = httpserver.url_for("").rstrip("/")
    return Client(endpoints={"lance": url}, environment=secrets, sleep=lambda _: None, attempts=2)


def one_day() -> Granule:
    end = DAY + timedelta(days=1)
    (granule,) = floodmap.granules("floodmap", DAY, end, end)
    return granule


def test_the_tiles_of_the_grid_are_fetched_with_a_token(
    tmp_path: Path, httpserver: HTTPServer
) -> None:
    (granule,) = floodmap.granules(
        "floodmap", DAY, DAY + timedelta(days=1), DAY + timedelta(days=1)
    )
    served = tmp_path / "server"
    north, south = (hdf5(served, tile, classes()) for tile in ("h28v07", "h28v08"))
    older = north.name.replace("123456.h5", "000001.h5")
    away = north.name.replace("h28v07", "h10v05")
    base = f"/archive/{granule.folder}"
    headers = {"Authorization": f"Bearer {MARK}"}
    listing = {"content": [{"name": one} for one in (older, north.name, south.name, away)]}
    httpserver.expect_request(f"{base}.json", headers=headers).respond_with_json(listing)
    for path, when in ((north, "Wed, 19 Aug 2026 05:00:00 GMT"),
                       (south, "Wed, 19 Aug 2026 04:00:00 GMT")):  # fmt: skip
        httpserver.expect_request(f"{base}/{path.name}", headers=headers).respond_with_data(
            path.read_bytes(), headers={"Last-Modified": when}
        )
    with ask(httpserver, EARTHDATA_TOKEN=MARK) as client:
        path = floodmap.fetch(granule, tmp_path, client=client, grid=BOX)
    assert path == tmp_path / granule.folder / north.name
    assert {one.name for one in path.parent.iterdir()} == {north.name, south.name}
    assert datetime.fromtimestamp(path.stat().st_mtime, UTC) == datetime(2026, 8, 19, 5, tzinfo=UTC)
    assert not floodmap.read(path, BOX)["flood_share"].isnull().any()


def test_what_lance_may_answer_instead(tmp_path: Path, httpserver: HTTPServer) -> None:
    (granule,) = floodmap.granules(
        "floodmap", DAY, DAY + timedelta(days=1), DAY + timedelta(days=1)
    )
    base = f"/archive/{granule.folder}"
    with ask(httpserver) as client, pytest.raises(NeedsCredentials, match="EARTHDATA_TOKEN"):
        floodmap.fetch(granule, tmp_path, client=client)
    name = f"VCDWD_L3_NRT.A{DAY:%Y%j}.h28v07.002.1.h5"
    with ask(httpserver, EARTHDATA_TOKEN=MARK) as client:
        httpserver.expect_ordered_request(f"{base}.json").respond_with_json({}, status=404)
        with pytest.raises(NotPublished):
            floodmap.fetch(granule, tmp_path, client=client)
        httpserver.expect_ordered_request(f"{base}.json").respond_with_json({"content": []})
        with pytest.raises(NotPublished, match="no tile of the grid"):
            floodmap.fetch(granule, tmp_path, client=client)
        httpserver.expect_ordered_request(f"{base}.json").respond_with_json({"error": "x"})
        with pytest.raises(HttpError, match="expected names in content"):
            floodmap.fetch(granule, tmp_path, client=client)
        listing = {"content": [{"name": name}]}
        httpserver.expect_ordered_request(f"{base}.json").respond_with_json(listing)
        httpserver.expect_ordered_request(f"{base}/{name}").respond_with_data("<html>log in</html>")
        with pytest.raises(HttpError) as said:
            floodmap.fetch(granule, tmp_path, client=client)
    assert MARK not in str(said.value)
    assert not list(tmp_path.rglob("*.h5"))


@pytest.mark.parametrize(
    ("write", "message"),
    [
        (lambda f: hdf4(f, "h28v07", classes(), layer="Flood 2-Day 250m"),
         "variable Flood_3Day_250m or Flood 3-Day 250m"),
        (lambda f: hdf4(f, "h28v07", classes()[:2400]), r"found \(2400, 4800\)"),
        (lambda f: hdf5(f, "h28v07", classes() + np.uint8(7)), "1, 2, 3 and 255, found 7"),
        (lambda f: geotiff(f, "h28v07", classes(), crs="EPSG:3857"), "EPSG:4326 and transform"),
        (lambda f: geotiff(f, "h28v07", classes(), transform=rasterio.Affine(
            STEP, 0, 100, 0, -STEP, 10)), "EPSG:4326 and transform"),
        (lambda f: geotiff(f, "h28v07", classes().astype("i2"), dtype="int16"), "1 of int16"),
        (lambda f: geotiff(f, "h28v07", classes()[:48, :48], width=48, height=48),
         r"4800 x 4800 pixels, found \(48, 48\)"),
        (lambda f: hdf5(f, "h28v07", classes().astype("f4")), "classes of one byte"),
        (lambda f: _huge(hdf5(f, "h28v07", classes())), "in Flood_3Day_250m"),
        (lambda f: hdf5(f, "h28v07", classes()).rename(
            f / "VCDWD_L3_NRT.A2026367.h28v07.002.1.h5"), "a date as"),
        (lambda f: _cut(hdf4(f, "h28v07", classes())), "a whole HDF4 file"),
        (lambda f: _cut(geotiff(f, "h28v07", classes())), "a whole GeoTIFF"),
        (lambda f: _html(hdf4(f, "h28v07", classes())), "begins with b'<html>"),
        (lambda f: hdf4(f, "h28v07", classes()).rename(f / "MCDWD.hdf"), "3-day tile name"),
    ],
    ids=["layer", "shape", "class", "projection", "place", "type", "size", "type of hdf5", "huge",
         "day", "cut", "cut image", "html", "name"],
)  # fmt: skip
def test_bad_files_say_what_is_wrong(
    tmp_path: Path, write: Callable[[Path], Path], message: str
) -> None:
    with pytest.raises(BadGranule, match=message):
        floodmap.read(write(tmp_path), BOX)


def _cut(path: Path) -> Path:
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    return path


def _huge(path: Path) -> Path:
    """Declare 3e9 rows, none of them written."""
    with h5py.File(path, "r+") as file:
        fields = file["HDFEOS/GRIDS/Flood_Composite/Data Fields"]
        del fields[FLOOD]
        fields.create_dataset(FLOOD, (3_000_000_000, 4800), "u1", chunks=(480, 4800))
    return path


def _html(path: Path) -> Path:
    path.write_text("<html>")
    return path


def outside(path: Path) -> None:
    """A link to a sound tile in another folder, where all is flooded."""
    path.symlink_to(geotiff(path.parent.parent, "h28v08", np.full((4800, 4800), 3, np.uint8)))


@pytest.mark.parametrize(
    ("lay", "hour", "named"),
    [
        (outside, 3, None), (lambda path: path.symlink_to("/nonexistent"), 3, None),
        (os.mkfifo, 1, None), (Path.mkdir, 3, None),
        (lambda path: path.write_bytes(b""), 1, "a whole GeoTIFF"), (_html, 1, "a whole GeoTIFF"),
        (_html, 3, "a whole GeoTIFF"),
        (lambda path: geotiff(path.parent, "h28v08", classes() + np.uint8(7)), 3, "found 7"),
    ],
    ids=["link outside", "link to nothing", "pipe", "folder", "empty", "html", "newer", "classes"],
)  # fmt: skip
def test_a_bad_file_beside_a_tile_costs_itself_alone(
    tmp_path: Path, lay: Callable[[Path], Any], hour: float, named: str | None
) -> None:
    folder = tmp_path / "day"
    folder.mkdir()
    north = geotiff(folder, "h28v07", classes())
    south = north.with_name(north.name.replace("v07", "v08"))
    lay(south)
    stamp(north, 2)
    if not south.is_symlink():
        stamp(south, hour)
    ds = floodmap.read(north, BOX)
    assert (ds["flood_share"][0, :10] == 0).all()
    for name in ("flood_share", "seen_share"):
        assert ds[name][0, 10:].isnull().all(), "its tile is missing, not dry"
    assert [named in one for one in ds.attrs.get("said", [])] == ([True] if named else [])
    if named and hour == 3:  # a night asks the newest for the day
        xr.testing.assert_equal(floodmap.read(south, BOX), ds)


def test_where_the_newer_file_of_a_tile_is_bad_the_older_counts(tmp_path: Path) -> None:
    sound = hdf5(tmp_path, "h28v07", np.full((4800, 4800), 3, np.uint8))
    bad = sound.with_name(sound.name.replace("123456.h5", "200000.h5"))
    bad.write_bytes(sound.read_bytes()[:5000])
    stamp(sound, 1)
    stamp(bad, 2)
    for path in (sound, bad):
        ds = floodmap.read(path, BOX)
        assert (ds["flood_share"][0, :10] == 1).all()
        assert bad.name in ds.attrs["said"][0]
    sound.unlink()
    with pytest.raises(BadGranule, match="a whole HDF5 file"):
        floodmap.read(bad, BOX)


def refill(path: Path, fill: int | None, **layout: Any) -> Path:
    """Put another layer into an HDF5 tile, with a fill that it declares."""
    with h5py.File(path, "r+") as file:
        fields = file["HDFEOS/GRIDS/Flood_Composite/Data Fields"]
        del fields[FLOOD]
        made = fields.create_dataset(FLOOD, **{"compression": "gzip"} | layout)
        if fill is not None:
            made.attrs["_FillValue"] = np.array([fill], "u1")
    return path


def test_what_a_file_declares_as_its_fill_was_not_seen(tmp_path: Path) -> None:
    values = np.full((4800, 4800), 3, np.uint8)
    values[cell(10.5, 105.0)] = 0
    north = refill(hdf5(tmp_path, "h28v07", classes()), 3, data=values)
    image = geotiff(tmp_path, "h28v07", values, nodata=3)
    for path in (north, image):
        ds = floodmap.read(path, BOX)
        assert int(ds["flood_share"].notnull().sum()) == 1
        assert float(ds["flood_share"].sel(lat=10.45, lon=105.05, method="nearest")[0]) == 0
        assert float(ds["seen_share"][0, 0, 0]) == 0


def test_a_layer_that_was_never_written_is_not_dry(tmp_path: Path) -> None:
    path = hdf5(tmp_path, "h28v07", classes())
    empty = {"shape": (4800, 4800), "dtype": "u1", "chunks": (480, 4800)}
    with pytest.raises(BadGranule, match="written whole, found parts that were not"):
        floodmap.read(refill(path, 255, **empty), BOX)
    with h5py.File(path, "r+") as file:
        file[f"HDFEOS/GRIDS/Flood_Composite/Data Fields/{FLOOD}"][:480] = 0
    with pytest.raises(BadGranule, match="written whole, found parts that were not"):
        floodmap.read(path, BOX)
    ds = floodmap.read(refill(path, 255, **empty, fillvalue=255), BOX)
    assert float(ds["seen_share"][0, :10].max()) == 0
    assert ds["flood_share"].isnull().all()
    options = {"sparse_ok": True, "tiled": True, "blockxsize": 480, "blockysize": 480}
    with pytest.raises(BadGranule, match="written whole, found blocks that were not"):
        floodmap.read(geotiff(tmp_path, "h28v07", classes(), **options), BOX)

"""CHIRPS, its outlook, GK2A's infrared rain and GEOGLOWS: files, and servers that hand them out."""

from __future__ import annotations

import functools
import http.server
import json
import math
import runpy
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

import h5py
import numpy as np
import pytest
import rasterio
import xarray as xr
from pytest_httpserver import HTTPServer
from rasterio.transform import from_origin

from pipeline import steps
from pipeline.geography.grid import Grid
from pipeline.ingest import status
from pipeline.issuance.products import read_second_opinion
from pipeline.issuance.snapshot import Snapshot
from pipeline.settings import Settings
from pipeline.sources import SOURCES, chirps, geoglows, gk2a, gk2a_ir, outlook
from pipeline.sources.access.client import Client
from pipeline.sources.base import (
    BadGranule,
    Granule,
    HttpError,
    NotPublished,
    Skipped,
)
from pipeline.sources.upstream import locate
from pipeline.storage.archive import Archive
from pipeline.storage.records import Records
from pipeline.virtual.products import write_gk2a_rain
from tests.conftest import LayOver

DAY = datetime(2024, 8, 20, tzinfo=UTC)
NEXT = datetime(2024, 8, 21, tzinfo=UTC)
GRID = Grid(10.0, 10.2, 105.0, 105.2)


def tif(path: Path, values: np.ndarray, *, crs: str = "EPSG:4326", west: float = 104.95) -> Path:
    """Image of 0.05 degree whose north-west corner is 10.25 N."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with rasterio.open(
        path, "w", driver="GTiff", width=values.shape[1], height=values.shape[0], count=1,
        dtype="float32", crs=crs, transform=from_origin(west, 10.25, 0.05, 0.05),
    ) as image:  # fmt: skip
        image.write(values.astype("f4"), 1)
    return path


def pixels() -> np.ndarray:
    """Six by six pixels, one ring around the grid of two by two cells."""
    values = np.full((6, 6), 99.0)
    values[1:5, 1:5] = [
        [1, 3, 0, 0],
        [5, 7, 0, 0],
        [-9999, 2, -9999, -9999],
        [4, -9999] + [-9999] * 2,
    ]
    return values


@contextmanager
def served(folder: Path) -> Iterator[str]:
    """Serve a folder as a public bucket does: plain GET, 404 for what is not there."""

    class Quiet(http.server.SimpleHTTPRequestHandler):
        def log_message(self, *_: object) -> None:
            pass

    server = http.server.ThreadingHTTPServer(
        ("127.0.0.1", 0), functools.partial(Quiet, directory=str(folder))
    )
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        server.server_close()


def ask(name: str, url: str, **environment: str) -> Client:
    return Client(endpoints={name: url}, environment=environment, sleep=lambda _: None, attempts=2)


def only(found: Iterator[Granule]) -> Granule:
    (granule,) = found
    return granule


def test_chirps_takes_means_of_pixels_and_keeps_the_sea_missing(tmp_path: Path) -> None:
    path = tif(tmp_path / "chirps-v3.0.rnl.2024.08.20.tif", pixels())
    ds = chirps.read(path, GRID)
    expected = [[4.0, 0.0], [3.0, np.nan]]
    np.testing.assert_allclose(ds["rain"].values[0], expected)
    assert ds["time"].values[0] == np.datetime64("2024-08-20")
    assert (ds.attrs["version"], ds.attrs["origin"]) == ("v3.0 rnl", "measured")
    assert ds["rain"].attrs["units"] == "mm"


def test_chirps_outside_the_file_is_missing(tmp_path: Path) -> None:
    path = tif(tmp_path / "chirps-v3.0.rnl.2024.08.20.tif", np.ones((6, 6)), west=105.1)
    np.testing.assert_array_equal(
        chirps.read(path, GRID)["rain"].values[0], [[np.nan, 1.0], [np.nan, 1.0]]
    )


@pytest.mark.parametrize(
    ("make", "found"),
    [
        (lambda p: tif(p, np.full((6, 6), -1.0)), "found 16 of 16 cells outside, the worst -1"),
        (lambda p: tif(p, np.ones((6, 6)), crs="EPSG:32648"), "EPSG:32648"),
        (lambda p: tif(p, np.ones((6, 6)), west=10.0), "expected pixels in the grid"),
        (lambda p: p.write_bytes(b"<html>"), "expected a whole GeoTIFF"),
        (lambda p: p.write_bytes(tif(p, np.ones((6, 6))).read_bytes()[:150]), "GeoTIFF"),
    ],
)
def test_bad_chirps_files_say_what_is_wrong(
    tmp_path: Path, make: Callable[[Path], object], found: str
) -> None:
    path = tmp_path / "chirps-v3.0.rnl.2024.08.20.tif"
    make(path)
    with pytest.raises(BadGranule, match=found):
        chirps.read(path, GRID)


@pytest.mark.parametrize("kind", ["prelim", "sat"])
def test_other_kinds_of_chirps_are_no_part_of_the_series(tmp_path: Path, kind: str) -> None:
    path = tif(tmp_path / f"chirps-v3.0.{kind}.2024.08.20.tif", np.ones((6, 6)))
    with pytest.raises(Skipped, match=f"{kind} is another series than the baseline's"):
        chirps.read(path, GRID)


def test_chirps_is_asked_for_where_it_is_final(tmp_path: Path) -> None:
    bucket, upstream = tmp_path / "bucket", tmp_path / "upstream"
    root = bucket / "products/CHIRPS/v3.0/daily"
    granule = only(chirps.granules("chirps", DAY, NEXT, NEXT))
    tif(root / "prelim/sat/2024/chirps-v3.0.prelim.2024.08.20.tif", np.ones((6, 6)))
    with served(bucket) as url, ask("chirps", url) as client:
        with pytest.raises(NotPublished):
            chirps.fetch(granule, upstream, client=client)
        tif(root / "final/rnl/2024/chirps-v3.0.rnl.2024.08.20.tif", np.full((6, 6), 2.0))
        late = chirps.fetch(granule, upstream, client=client)
    assert chirps.read(late, GRID)["rain"].values[0, 0, 0] == 2.0
    assert locate(granule, upstream, asof=datetime.now(UTC))[0] == late
    assert not list(upstream.rglob("*prelim*"))


def test_a_folder_of_both_kinds_gives_one_reference_series(tmp_path: Path) -> None:
    folder = tmp_path / "files"
    for day, kind, mm in ((18, "rnl", 2.0), (19, "rnl", 3.0), (19, "prelim", 30.0),
                          (20, "prelim", 40.0), (20, "sat", 50.0)):  # fmt: skip
        tif(folder / f"chirps-v3.0.{kind}.2024.08.{day}.tif", np.full((6, 6), mm))
    settings = Settings(data_dir=tmp_path / "data", upstream="archive", records_url=None)
    asof = datetime(2024, 12, 1, tzinfo=UTC)
    done = steps.ingest("chirps", asof=asof, settings=settings, folder=folder)
    assert (done.read, len(done.passed_over), done.rejected) == (2, 3, ())
    rain = Archive(settings.archive_dir).read("chirps", asof=asof)["rain"]
    place = {"lat": 10.15, "lon": 105.05}
    assert rain["time"].dt.day.values.tolist() == [18, 19]
    assert rain.sel(place, method="nearest").values.tolist() == [2.0, 3.0]


def test_an_outlook_names_sixteen_days_from_its_issue(tmp_path: Path) -> None:
    found = list(outlook.granules("outlook", DAY, NEXT, DAY))
    assert [found[0].pattern, found[-1].pattern] == [
        "c3g_2024.08.20.issued.2024.08.20.tif",
        "c3g_2024.09.04.issued.2024.08.20.tif",
    ]
    assert {one.folder for one in found} == {"CHIRPS-GEFS/2024/08/20"}
    assert list(outlook.granules("outlook", NEXT, NEXT.replace(day=22), DAY)) == []
    bucket = tmp_path / "bucket"
    folder = bucket / "products/CHIRPS-GEFS/v3/daily/global/2024/08/20"
    made = tif(folder / "c3g_2024.09.04.tif", np.full((6, 6), 7.0))
    with served(bucket) as url, ask("chirps", url) as client:
        ds = outlook.read(outlook.fetch(found[-1], tmp_path, client=client), GRID)
        with pytest.raises(NotPublished, match=r"an outlook is late after 08:30Z of its day"):
            outlook.fetch(found[0], tmp_path, client=client)
    assert ds["time"].values[0] == np.datetime64("2024-09-04")
    assert (ds["rain"].values == 7.0).all()
    assert ds.attrs["version"] == "v3"
    assert outlook.read(made, GRID)["time"].values[0] == np.datetime64("2024-09-04")


def test_an_outlook_is_late_from_half_past_eight_of_its_day() -> None:
    row = SOURCES["outlook"]
    last = next(outlook.granules("outlook", DAY, NEXT, DAY)).end

    def late(asof: datetime) -> bool:
        with Client(endpoints={}, environment={}) as client:
            one = status.describe_status(row, latest=last, asof=asof, client=client)
        assert one.lag is not None
        return one.lag > one.usual

    assert not late(NEXT.replace(hour=0, minute=30)), "a night has that of the day before"
    assert not late(NEXT.replace(hour=8, minute=30))
    assert late(NEXT.replace(hour=8, minute=31))


@pytest.mark.parametrize("name", [
    "c3g_2024.09.05.issued.2024.08.20.tif", "c3g_2024.08.19.issued.2024.08.20.tif",
    "c3g_2024.02.30.issued.2024.02.20.tif", "c3g_2024.13.01.tif", "data.2024.0904.tif",
])  # fmt: skip
def test_a_name_that_no_outlook_has_is_refused(tmp_path: Path, name: str) -> None:
    with pytest.raises(BadGranule, match="expected"):
        outlook.read(tif(tmp_path / name, np.ones((6, 6))), GRID)


def infrared(path: Path, temperature_k: np.ndarray, quality: int = 0) -> Path:
    """Level 1B file whose few pixels lie over the grid, one every 0.05 degree or so."""
    height, width = temperature_k.shape
    wave_m = 1e6 / 10.35
    first = 2 * 6.62607015e-34 * 299792458.0**2 * wave_m**3
    second = 6.62607015e-34 * 299792458.0 / 1.380649e-23 * wave_m
    radiance = first / np.expm1(second / temperature_k) / 1e-5
    gain, offset = -0.03, 240.0
    counts = np.round((radiance - offset) / gain).astype("u2") | np.uint16(quality << 14)
    path.parent.mkdir(parents=True, exist_ok=True)
    with h5py.File(path, "w") as file:
        data = file.create_dataset("image_pixel_values", data=counts)
        data.attrs["number_of_valid_bits_per_pixel"] = np.uint8(13)
        data.attrs["channel_center_wavelength"] = "10.35"
        file.attrs.update(
            {
                "DN_to_Radiance_Gain": gain, "DN_to_Radiance_Offset": offset,
                "Teff_to_Tbb_c0": 0.0, "Teff_to_Tbb_c1": 1.0, "Teff_to_Tbb_c2": 0.0,
                "earth_equatorial_radius": 6378137.0, "earth_polar_radius": 6356752.3,
                "nominal_satellite_height": 42164000.0, "sub_longitude": math.radians(128.2),
                "cfac": 20425338.9 / 4, "lfac": 20425338.9 / 4,
                "coff": 306.0, "loff": 146.0,
                "number_of_columns": width, "number_of_lines": height,
            }
        )  # fmt: skip
    return path


NAME = "gk2a_ami_le1b_ir105_fd020ge_202408200300.nc"


def test_cold_tops_rain_three_millimetres_an_hour(tmp_path: Path) -> None:
    whole = Grid(9.0, 11.0, 104.0, 106.0, step=1.0)
    cold = infrared(tmp_path / NAME, np.full((300, 300), 210.0))
    found = gk2a_ir.read(cold, whole)["rain_rate"].values
    np.testing.assert_allclose(found, 3.0)
    warm = gk2a_ir.read(infrared(tmp_path / NAME, np.full((300, 300), 280.0)), whole)
    np.testing.assert_allclose(warm["rain_rate"].values, 0.0)
    striped = np.full((300, 300), 280.0)
    striped[::2] = 230.0
    half = gk2a_ir.read(infrared(tmp_path / NAME, striped), whole)["rain_rate"].values
    np.testing.assert_allclose(half, 1.5, atol=0.2)
    assert warm.attrs["version"] == "GPI"


def test_pixels_in_error_are_missing_not_dry(tmp_path: Path) -> None:
    bad = infrared(tmp_path / NAME, np.full((300, 300), 280.0), quality=2)
    assert np.isnan(gk2a_ir.read(bad, GRID)["rain_rate"].values).all()


def test_impossible_temperatures_are_refused(tmp_path: Path) -> None:
    with pytest.raises(BadGranule, match="expected brightness temperatures of 160 to 340 K"):
        gk2a_ir.read(infrared(tmp_path / NAME, np.full((300, 300), 345.0)), GRID)


def test_a_few_impossible_temperatures_are_missing(tmp_path: Path) -> None:
    mixed = np.full((300, 300), 280.0)
    mixed[::20, ::20] = 345.0
    path = infrared(tmp_path / NAME, mixed)
    found = gk2a_ir.read(path, Grid(9.0, 11.0, 104.0, 106.0, step=1.0))["rain_rate"].values
    np.testing.assert_allclose(found, 0.0)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda f: f.attrs.update(observation_start_time=777394831.5), None),
        (lambda f: f.attrs.update(observation_start_time=777396631.5), "near 2024-08-20T03:00"),
        (lambda f: f.attrs.update(number_of_columns=1e9), "number_of_columns of 1 to 22000"),
        (lambda f: f.attrs.update(cfac=np.nan), "a finite number in cfac"),
        (lambda f: f.attrs.update(DN_to_Radiance_Gain=np.nan), "a finite number in DN_to_Rad"),
        (lambda f: f.attrs.update(Teff_to_Tbb_c1=np.inf), "a finite number in Teff_to_Tbb_c1"),
        (lambda f: f["image_pixel_values"].attrs.update(number_of_valid_bits_per_pixel=np.nan),
         "a finite number in number_of_valid_bits_per_pixel"),
        (lambda f: f["image_pixel_values"].attrs.update(number_of_valid_bits_per_pixel=200),
         "8 to 14 bits of 16, found 200"),
    ],
)  # fmt: skip
def test_what_a_picture_says_of_itself_is_held_against_its_name(
    tmp_path: Path, change: Callable[[h5py.File], None], message: str | None
) -> None:
    path = infrared(tmp_path / NAME, np.full((300, 300), 210.0))
    with h5py.File(path, "r+") as file:
        change(file)
    if message is None:  # 31.5 s after 03:00 of 20 August 2024, in seconds since noon of J2000
        assert gk2a_ir.read(path, GRID)["time"].values[0] == np.datetime64("2024-08-20T03:00")
        return
    with pytest.raises(BadGranule, match=message):
        gk2a_ir.read(path, GRID)


def test_the_bucket_serves_pictures_only_to_those_without_a_key(tmp_path: Path) -> None:
    start = DAY.replace(hour=3)
    granule = only(gk2a_ir.granules("gk2a_ir", start, start.replace(minute=30), NEXT))
    bucket = tmp_path / "bucket"
    infrared(bucket / granule.folder / granule.pattern, np.full((300, 300), 210.0))
    with served(bucket) as url:
        with ask("gk2a_bucket", url) as client:
            path = gk2a_ir.fetch(granule, tmp_path, client=client)
        assert path.name == NAME
        with ask("gk2a_bucket", url, KMA_API_KEY="k") as client, pytest.raises(Skipped):
            gk2a_ir.fetch(granule, tmp_path, client=client)


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


def store(bucket: Path, members: int = 52) -> None:
    """One day's Zarr store of three rivers, two days of 3-hourly flows that differ by member."""
    time = np.arange("2024-08-20", "2024-08-22", np.timedelta64(3, "h"), dtype="M8[ns]")
    ensemble = np.arange(1, members + 1)
    flow = ensemble[:, None, None] + np.array([0.0, 100.0, 200.0])[:, None] + np.zeros(len(time))
    flow[51:] = 1e5
    ds = xr.Dataset(
        {"Qout": (("ensemble", "rivid", "time"), flow)},
        {"ensemble": ensemble, "rivid": [11, 22, 33], "time": time},
    )
    ds.to_zarr(bucket / "2024082000.zarr", zarr_format=2, consolidated=True)


@pytest.fixture
def named(lay_over: LayOver) -> None:
    lay_over(
        "geoglows_rivers.csv",
        "city,river_id,source,verified",
        "khon_kaen,22,x,M",
        "chiang_rai,33,x,M",
    )


@pytest.mark.usefixtures("named")
def test_geoglows_gives_quantiles_of_51_members_per_city(tmp_path: Path) -> None:
    granule = only(geoglows.granules("geoglows", DAY, NEXT, DAY))
    store(tmp_path / "bucket")
    with served(tmp_path / "bucket") as url, ask("geoglows", url) as client:
        path = geoglows.fetch(granule, tmp_path, client=client)
    ds = geoglows.read(path)
    assert ds["zone"].values.tolist() == ["city:khon_kaen", "city:chiang_rai"]
    np.testing.assert_allclose(ds["flow_q50"].values, [[126.0, 226.0]] * 2)
    np.testing.assert_allclose(ds["flow_q10"].values[0], [106.0, 206.0])
    np.testing.assert_allclose(ds["flow_q90"].values[0], [146.0, 246.0])
    assert ds["available_time"].values[0] == np.datetime64("2024-08-20T12:00")


LAYOUT = Path(__file__).parents[3] / "shared/cases/grids/geoglows_layout.py"


@pytest.mark.skipif(not LAYOUT.exists(), reason="the provider's layout is not beside the project")
@pytest.mark.usefixtures("named")
def test_the_providers_axis_of_time_gives_fifteen_days(tmp_path: Path) -> None:
    layout = runpy.run_path(str(LAYOUT))
    layout["store"](tmp_path / "bucket/2024082000.zarr")
    granule = only(geoglows.granules("geoglows", DAY, NEXT, DAY))
    with served(tmp_path / "bucket") as url, ask("geoglows", url) as client:
        ds = geoglows.read(geoglows.fetch(granule, tmp_path, client=client))
    assert ds["time"].values.tolist() == [
        np.datetime64(f"2024-08-{20 + day}" if day < 12 else f"2024-09-{day - 11:02}", "ns").item()
        for day in range(15)
    ]
    # Member e of river r has e + 100 (r - 1) all the time: of 1 to 51 the tenths are 6, 26 and 46.
    for name, value in (("flow_q10", 6.0), ("flow_q50", 26.0), ("flow_q90", 46.0)):
        np.testing.assert_allclose(ds[name].values, [[value + 100, value + 200]] * 15)


def forecast(path: Path, change: Callable[[xr.Dataset], xr.Dataset] = lambda ds: ds) -> xr.Dataset:
    """File as it is fetched: member e has e + 8 d + 3.5 on day d, the run 52 a value every hour."""
    hours = np.arange(0, 361)
    time = np.datetime64("2024-08-20", "ns") + hours * np.timedelta64(1, "h")
    members = np.arange(1, 53)
    flow = (members[:, None] + hours / 3)[None].astype("f4")
    flow[:, :51, hours % 3 != 0] = np.nan
    flow[:, 51] = np.where(hours < 240, 1e5, np.nan)
    ds = xr.Dataset(
        {"Qout": (("zone", "ensemble", "time"), flow)},
        {"zone": ["city:khon_kaen"], "ensemble": members, "time": time},
        {"issue_time": "2024-08-20T00:00Z", "origin": "measured"},
    )
    change(ds).to_netcdf(path, engine="h5netcdf")
    return geoglows.read(path)


def test_daily_means_are_of_the_hours_that_members_have(tmp_path: Path) -> None:
    ds = forecast(tmp_path / "geoglows_2024082000.nc")
    assert ds.sizes["time"] == 15, "the one step of the sixteenth day is no day"
    np.testing.assert_allclose(ds["flow_q50"].values[:, 0], 26 + 8 * np.arange(15) + 3.5)
    np.testing.assert_allclose(ds["flow_q10"].values[:, 0], 6 + 8 * np.arange(15) + 3.5)


def gap(ds: xr.Dataset) -> xr.Dataset:
    ds["Qout"][0, 16, 30] = np.nan
    return ds


def spike(ds: xr.Dataset) -> xr.Dataset:
    ds["Qout"][0, 16, 30] = 1e9
    return ds


@pytest.mark.parametrize(("change", "counted"), [(gap, None), (spike, 1)])
def test_a_day_that_a_member_lacks_a_step_of_is_missing(
    tmp_path: Path, change: Callable[[xr.Dataset], xr.Dataset], counted: int | None
) -> None:
    ds = forecast(tmp_path / "geoglows_2024082000.nc", change)
    median = ds["flow_q50"].values[:, 0]
    assert np.flatnonzero(np.isnan(median)).tolist() == [1], "hour 30 is of the second day"
    found = ds.attrs.get("out_of_range", {}).get("discharge", {}).get("cells")
    assert found == counted


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda ds: ds.assign_attrs(issue_time="2024-08-21T00:00Z"), "geoglows_2024082100"),
        (lambda ds: ds.assign_attrs(issue_time="yesterday"), "a date as"),
        (lambda ds: ds.drop_attrs(), "a date as"),
        (lambda ds: ds.assign(Qout=ds["Qout"] * np.nan), "51 members, found 51 at 0 hours"),
        (lambda ds: ds.assign(Qout=ds["Qout"] * 0 - 1), "discharge in 0"),
        (lambda ds: ds.assign_coords(ensemble=ds["ensemble"] + 1), "51 members, found 50"),
        (lambda ds: ds.assign_coords(time=ds["time"] - np.timedelta64(1, "D")), "steps from"),
        (lambda ds: ds.assign_coords(time=ds["time"][::-1].values), "steps from"),
        (lambda ds: ds.drop_vars("time"), "a forecast as it was fetched"),
        (lambda ds: ds.rename(Qout="flow"), "Qout"),
        (
            lambda ds: ds.assign(Qout=ds["Qout"].assign_attrs(units="ft3/s")),
            "Qout in m3/s, found ft3/s",
        ),
    ],
)
def test_forecasts_that_are_not_what_they_say(
    tmp_path: Path, change: Callable[[xr.Dataset], xr.Dataset], message: str
) -> None:
    with pytest.raises(BadGranule, match=message):
        forecast(tmp_path / "geoglows_2024082000.nc", change)


def test_a_forecast_of_another_size_is_refused_before_it_is_read(tmp_path: Path) -> None:
    path = tmp_path / "geoglows_2024082000.nc"
    forecast(path)
    with h5py.File(path, "r+") as file:
        file.create_dataset("more", (40_000, 40_000, 40), "f8", chunks=(100, 100, 40))
    with pytest.raises(BadGranule, match="at most 33554432 values, found 64000"):
        geoglows.read(path)


@pytest.mark.usefixtures("named")
@pytest.mark.parametrize("broken", ["Qout/.zarray", "time/0", "rivid/0", "Qout/0.0.0"])
def test_a_broken_store_is_the_providers_failure(tmp_path: Path, broken: str) -> None:
    store(tmp_path / "bucket")
    root = tmp_path / "bucket/2024082000.zarr"
    if broken.endswith(".zarray"):
        whole = json.loads((root / ".zmetadata").read_text())
        whole["metadata"][broken]["dtype"] = "<q9"
        (root / ".zmetadata").write_text(json.dumps(whole))
    else:
        (root / broken).write_bytes(b"<html>")
    granule = only(geoglows.granules("geoglows", DAY, NEXT, DAY))
    with (
        served(tmp_path / "bucket") as url,
        ask("geoglows", url) as client,
        pytest.raises(HttpError, match=r"2024082000\.zarr: expected a store of forecasts"),
    ):
        geoglows.fetch(granule, tmp_path, client=client)


@pytest.mark.usefixtures("named")
def test_its_flows_are_published_as_a_second_opinion(tmp_path: Path) -> None:
    store(tmp_path / "bucket")
    archive, asof = Archive(tmp_path / "archive"), DAY.replace(hour=13)
    view = Snapshot(archive, Records(f"sqlite:///{tmp_path}/r.db"), asof, {}, "")
    assert read_second_opinion(view) == []
    granule = only(geoglows.granules("geoglows", DAY, NEXT, DAY))
    with served(tmp_path / "bucket") as url, ask("geoglows", url) as client:
        path = geoglows.fetch(granule, tmp_path, client=client)
    archive.append("geoglows", geoglows.read(path), message="test")
    rows = read_second_opinion(view)
    assert [(row["city"], row["valid_date"]) for row in rows] == [
        (city, day) for city in ("khon_kaen", "chiang_rai") for day in ("2024-08-20", "2024-08-21")
    ]
    assert rows[0]["flow_q50_m3s"] == 126.0
    assert rows[0]["available_time"] == "2024-08-20T12:00Z"


@pytest.mark.usefixtures("named")
def test_geoglows_refuses_what_is_not_there(tmp_path: Path) -> None:
    granule = only(geoglows.granules("geoglows", DAY, NEXT, DAY))
    (tmp_path / "bucket").mkdir()
    with served(tmp_path / "bucket") as url, ask("geoglows", url) as client:
        with pytest.raises(NotPublished):
            geoglows.fetch(granule, tmp_path, client=client)
        store(tmp_path / "bucket", members=50)
        path = geoglows.fetch(granule, tmp_path, client=client)
    with pytest.raises(BadGranule, match="expected flows of 51 members"):
        geoglows.read(path)


def test_no_river_is_asked_for_until_someone_names_one() -> None:
    assert geoglows.rivers() == {}
    assert list(geoglows.granules("geoglows", DAY, NEXT, NEXT)) == []

"""Earthdata's login, catalogue and OPeNDAP, spoken by local servers of three hosts."""

from __future__ import annotations

import io
import json
import logging
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import h5py
import numpy as np
import pytest
import xarray as xr

from pipeline.geography.grid import MEKONG, Grid
from pipeline.sources import imerg, smap, vegetation
from pipeline.sources.access import earthdata
from pipeline.sources.access.client import Client
from pipeline.sources.access.hosts import MOST_FAILURES
from pipeline.sources.base import Granule, HttpError, NeedsCredentials, NotPublished
from pipeline.sources.upstream import locate
from pipeline.virtual.land import write_smap_root_zone
from tests.sources.servers import HTML, Answer, Earthdata, Request, running

Connect = Callable[[dict[str, str]], Client]

T0 = datetime(2024, 8, 1, 3, 30, tzinfo=UTC)
INSERTED = datetime(2024, 8, 1, 17, 45, 12, tzinfo=UTC)
NAME = "3B-HHR-L.MS.MRG.3IMERG.20240801-S033000-E035959.0210.V07B.HDF5"
BOX = Grid(14.0, 15.0, 100.0, 102.0)
BY_PASSWORD = {"EARTHDATA_USERNAME": Earthdata.USER, "EARTHDATA_PASSWORD": Earthdata.PASSWORD}
BY_TOKEN = {"EARTHDATA_TOKEN": Earthdata.TOKEN}
EXPIRED = {"EARTHDATA_TOKEN": "eyJ0eXAi.last.year"}


@pytest.fixture
def nasa() -> Iterator[Earthdata]:
    with running("127.0.0.2", "127.0.0.1", "127.0.0.2", "127.0.0.1") as servers:
        yield Earthdata(*servers)


@pytest.fixture
def connect(nasa: Earthdata) -> Iterator[Connect]:
    clients = []

    def one(environment: dict[str, str]) -> Client:
        clients.append(
            Client(endpoints=nasa.endpoints, environment=environment, sleep=lambda _: None)
        )
        return clients[-1]

    yield one
    for client in clients:
        client.close()


@pytest.fixture(scope="module")
def half_hour() -> bytes:
    """A whole granule in the provider's layout: rain of each cell its place, in mm/h."""
    stream = io.BytesIO()
    with h5py.File(stream, "w") as file:
        header = "DOI=10.5067/GPM/IMERG/3B-HH-L/07;\nProcessingSystem=PPS;\n"
        file.attrs["FileHeader"] = np.bytes_(header.encode())
        grid = file.create_group("Grid")
        lon, lat = np.arange(3600), np.arange(1800)
        grid["lon"] = (-179.95 + 0.1 * lon).astype("f4")
        grid["lat"] = (-89.95 + 0.1 * lat).astype("f4")
        grid["time"] = np.array([(T0 - datetime(1980, 1, 6, tzinfo=UTC)).total_seconds()], "i4")
        grid["time"].attrs["units"] = np.bytes_(b"seconds since 1980-01-06 00:00:00 UTC")
        grid["time"].attrs["calendar"] = np.bytes_(b"julian")
        rain = grid.create_dataset(
            "precipitation", (1, 3600, 1800), "f4", chunks=(1, 145, 1800), compression="gzip",
            fillvalue=-9999.9,
        )  # fmt: skip
        rain.attrs["units"] = np.bytes_(b"mm/hr")
        rain.attrs["_FillValue"] = np.float32(-9999.9)
        rain[0, 2700:2950] = (lon[2700:2950, None] / 10 + lat / 1000).astype("f4")
    return stream.getvalue()


@pytest.fixture
def published(nasa: Earthdata, half_hour: bytes) -> Earthdata:
    nasa.publish("GPM_3IMERGHHL", NAME, half_hour, start=T0, inserted=INSERTED)
    return nasa


def granule(time: datetime = T0, source: str = "imerg_late") -> Granule:
    [one] = imerg.granules(source, time, time + timedelta(minutes=1), time + timedelta(days=1))
    return one


def expected(grid: Grid) -> np.ndarray:
    column = np.round((grid.lon + 179.95) * 10)
    row = np.round((grid.lat + 89.95) * 10)
    return (column[None, :] / 10 + row[:, None] / 1000).astype("f4")


@pytest.mark.parametrize("environment", [BY_PASSWORD, BY_TOKEN, EXPIRED | BY_PASSWORD])
@pytest.mark.parametrize("grid", [BOX, MEKONG])
def test_the_window_comes_and_reads_like_the_whole(
    published: Earthdata, connect: Connect, tmp_path: Path, environment: dict[str, str], grid: Grid
) -> None:
    path = imerg.fetch(granule(), tmp_path, client=connect(environment), grid=grid)
    assert path == tmp_path / "GPM_L3/GPM_3IMERGHHL.07/2024/214" / f"{NAME}.dap.nc4"
    assert path.stat().st_mtime == INSERTED.timestamp()
    ds = imerg.read(path, grid)
    np.testing.assert_allclose(ds["rain_rate"][0], expected(grid), rtol=1e-6)
    assert ds.attrs == {"version": "V07B", "origin": "measured"}
    [constraint] = {one.query["dap4.ce"] for one in published.data.asked if "/opendap" in one.path}
    if grid is BOX:
        assert path.stat().st_size < len(published.files[NAME]) / 4
        assert constraint == (
            "/Grid/precipitation[0][2800:2819][1040:1049];/Grid/lon[2800:2819];"
            "/Grid/lat[1040:1049];/Grid/time"
        )


def test_an_expired_token_is_followed_by_one_login(
    published: Earthdata, connect: Connect, tmp_path: Path
) -> None:
    imerg.fetch(granule(), tmp_path, client=connect(EXPIRED | BY_PASSWORD))
    assert published.login.paths() == ["/oauth/authorize"]
    assert [path.split("/")[1] for path in published.data.paths()] == [
        "search", "opendap", "opendap", "login", "opendap",
    ]  # fmt: skip


def test_an_expired_token_alone_is_named(
    published: Earthdata, connect: Connect, tmp_path: Path
) -> None:
    with pytest.raises(HttpError, match="EARTHDATA_TOKEN is refused, perhaps expired") as failed:
        imerg.fetch(granule(source="imerg_late"), tmp_path, client=connect(EXPIRED))
    assert (failed.value.status, failed.value.refused) == (401, "EARTHDATA_TOKEN")
    assert "last.year" not in str(failed.value)
    assert published.data.paths().count(f"/data/{NAME}") == 1, "OPeNDAP wants an approval apart"


@pytest.mark.parametrize("refusal", ["redirect", "page", "401"])
def test_a_refused_token_is_named_in_each_way_that_it_is_said(
    published: Earthdata, connect: Connect, tmp_path: Path, refusal: str
) -> None:
    def refuse(_: Request) -> Answer:
        if refusal == "redirect":
            goal = f"{published.login.url}/oauth/authorize?client_id=x&response_type=code"
            return Answer(status=302, headers={"Location": goal})
        return Answer(HTML, status=200 if refusal == "page" else 401)

    published.data.routes["/data/"] = published.data.routes["/opendap/"] = refuse
    client = connect(EXPIRED)
    for _ in range(4):
        with pytest.raises(
            HttpError, match="EARTHDATA_TOKEN is refused, perhaps expired"
        ) as failed:
            earthdata.fetch(granule(), tmp_path, client=client, window="x")
        assert failed.value.refused == "EARTHDATA_TOKEN"
        assert not failed.value.passing
    assert published.login.asked == [], "a login by name needs a name"
    asked = [path for path in published.data.paths() if not path.startswith("/search")]
    assert len(asked) == MOST_FAILURES, "then the host is given up"
    assert not [path for path in tmp_path.rglob("*") if path.is_file()]


@pytest.mark.parametrize("status", [401, 403])
def test_what_opendap_alone_refuses_comes_whole(
    published: Earthdata, connect: Connect, tmp_path: Path, half_hour: bytes, status: int
) -> None:
    published.data.serve("/opendap/", Answer(HTML, status=status))
    client = connect(BY_TOKEN)
    for number in range(MOST_FAILURES + 1):
        path = imerg.fetch(granule(), tmp_path / str(number), client=client)
        assert path.name == NAME
        assert path.read_bytes() == half_hour


@pytest.mark.parametrize(
    "url",
    ["https://x.nasa.gov/..%2F..%2Fevil{fit}", "https://x.nasa.gov/{fit}%00", "https://[::1/{fit}",
     "https://x.nasa.gov/?/{fit}", "https://x.nasa.gov/.{fit}", "{fit}", "s3://x/{fit}"],
)  # fmt: skip
def test_a_name_from_the_catalogue_never_becomes_a_path(
    published: Earthdata, connect: Connect, tmp_path: Path, url: str
) -> None:
    links = published.catalogue[0]["umm"]["RelatedUrls"]  # type: ignore[index]
    for link in links:
        link["URL"] = url.format(fit=NAME)
    wanted = replace(granule(), pattern=f"*{granule().pattern}*")
    with pytest.raises(NotPublished, match="is not in the catalogue"):
        earthdata.fetch(wanted, tmp_path, client=connect(BY_TOKEN))
    assert list(tmp_path.iterdir()) == []


def test_one_odd_item_does_not_lose_the_others(published: Earthdata, connect: Connect) -> None:
    [sound] = published.catalogue
    odd = [{"meta": 1, "umm": None}, {"meta": {}, "umm": {"GranuleUR": 5}}, {"meta": sound["meta"]}]
    answer = {"items": [*odd, 7, None, {"meta": sound["meta"], "umm": sound["umm"]}]}
    published.data.serve("/search/granules.umm_json", Answer(json.dumps(answer).encode()))
    entry = earthdata.find(granule(), client=connect({}))
    assert (entry.name, entry.published) == (NAME, INSERTED)


@pytest.mark.parametrize(
    "date", ["9999-12-31T23:59:59Z", "9999-12-31T23:59:59-12:00", "soon", "", "2999-01-01"]
)
def test_a_date_to_come_in_the_catalogue_is_not_believed(
    published: Earthdata, connect: Connect, tmp_path: Path, date: str
) -> None:
    for one in published.catalogue[0]["umm"]["ProviderDates"]:  # type: ignore[index]
        one["Date"] = date
    published.catalogue[0]["meta"]["revision-date"] = date  # type: ignore[index]
    path = imerg.fetch(granule(), tmp_path, client=connect(BY_TOKEN))
    assert abs(path.stat().st_mtime - datetime.now(UTC).timestamp()) < 60


def test_a_wrong_password_is_an_error_and_not_a_file(
    published: Earthdata, connect: Connect, tmp_path: Path
) -> None:
    wrong = BY_PASSWORD | {"EARTHDATA_PASSWORD": "wr0ng"}
    with pytest.raises(HttpError, match=r"/oauth/authorize: 401") as failed:
        imerg.fetch(granule(), tmp_path, client=connect(wrong))
    assert "wr0ng" not in str(failed.value)
    assert not list(tmp_path.rglob("*.nc4"))
    assert len(published.login.asked) == 1, "an account is locked after a few wrong passwords"


def test_a_login_page_with_200_is_an_error_and_not_a_file(
    published: Earthdata, connect: Connect, tmp_path: Path
) -> None:
    published.login.serve("/oauth/authorize", Answer(HTML))
    with pytest.raises(HttpError, match="found a page in HTML"):
        imerg.fetch(granule(), tmp_path, client=connect(BY_PASSWORD))
    assert [path for path in tmp_path.rglob("*") if path.is_file()] == []


def test_without_credentials_nothing_is_asked(
    published: Earthdata, connect: Connect, tmp_path: Path
) -> None:
    with pytest.raises(NeedsCredentials, match="EARTHDATA_TOKEN"):
        earthdata.fetch(granule(), tmp_path, client=connect({}))
    assert published.data.asked == []


@pytest.mark.parametrize("status", [404, 500, 403])
def test_where_opendap_fails_the_whole_file_comes(
    published: Earthdata, connect: Connect, tmp_path: Path,
    half_hour: bytes, status: int,
) -> None:  # fmt: skip
    published.opendap_status = status
    path = imerg.fetch(granule(), tmp_path, client=connect(BY_TOKEN))
    assert path.name == NAME
    assert path.read_bytes() == half_hour
    assert path.stat().st_mtime == INSERTED.timestamp()
    np.testing.assert_allclose(imerg.read(path, BOX)["rain_rate"][0], expected(BOX), rtol=1e-6)


def test_credentials_stay_with_the_host_they_are_for(
    published: Earthdata, connect: Connect, tmp_path: Path,
    caplog: pytest.LogCaptureFixture,
) -> None:  # fmt: skip
    caplog.set_level(logging.DEBUG)
    published.opendap_status = 500
    imerg.fetch(granule(), tmp_path, client=connect(BY_PASSWORD))
    imerg.fetch(granule(), tmp_path / "again", client=connect(BY_TOKEN))
    assert published.store.asked
    for server, kind in (
        (published.store, ""),
        (published.data, "Bearer "),
        (published.login, "Basic "),
    ):
        proofs = [one.headers.get("authorization", "") for one in server.asked]
        assert all(proof.startswith(kind) or not proof for proof in proofs)
        assert kind == "" or any(proofs)
    assert not any("_urs_session" in one.headers.get("cookie", "") for one in published.data.asked)
    said = "\n".join(record.getMessage() for record in caplog.records)
    for secret in (Earthdata.PASSWORD, Earthdata.TOKEN, "wet%20season", "sig=s1g", "code=once"):
        assert secret not in said


def test_a_token_goes_to_nasa_alone(published: Earthdata, connect: Connect, tmp_path: Path) -> None:
    """A catalogue that points elsewhere does not get the token sent there."""
    links = published.catalogue[0]["umm"]["RelatedUrls"]  # type: ignore[index]
    for link in links:
        link["URL"] = link["URL"].replace("127.0.0.1", "127.0.0.2")
    with pytest.raises(HttpError):
        imerg.fetch(granule(), tmp_path, client=connect(BY_TOKEN))
    assert not any("authorization" in one.headers for one in published.data.asked)


def test_what_the_catalogue_does_not_know_is_not_published(
    published: Earthdata, connect: Connect, tmp_path: Path
) -> None:
    later = granule(T0 + timedelta(minutes=30))
    client = connect(BY_TOKEN)
    with pytest.raises(NotPublished, match=r"3B-HHR-L.*S040000.* is not in the catalogue"):
        earthdata.fetch(later, tmp_path, client=client)
    assert published.data.paths() == ["/search/granules.umm_json"]


def test_a_day_is_looked_up_once_for_all_its_granules(
    published: Earthdata, connect: Connect
) -> None:
    client = connect(BY_TOKEN)
    for _ in range(3):
        earthdata.find(granule(), client=client)
    [asked] = published.data.asked
    assert asked.query == {
        "short_name": "GPM_3IMERGHHL",
        "temporal": "2024-08-01T00:00:00Z,2024-08-01T23:59:59Z",
        "page_size": "2000",
    }


def test_days_are_looked_up_by_the_month(nasa: Earthdata, connect: Connect) -> None:
    client = connect(BY_TOKEN)
    for day in (datetime(2024, 2, 1, tzinfo=UTC), datetime(2024, 2, 29, tzinfo=UTC)):
        with pytest.raises(NotPublished):
            earthdata.find(granule(day, "imerg_daily"), client=client)
    [asked] = nasa.data.asked
    assert asked.query["temporal"] == "2024-02-01T00:00:00Z,2024-02-29T23:59:59Z"


@pytest.mark.parametrize(
    ("versions", "taken"), [(["V07A", "V07C", "V07B"], "V07C"), (["V08A", "V07C"], "V08A")]
)
def test_of_several_versions_the_last_is_taken(
    published: Earthdata, connect: Connect, tmp_path: Path, versions: list[str], taken: str
) -> None:
    [whole] = published.files.values()
    published.catalogue.clear()
    for version in versions:
        name = NAME.replace("V07B", version)
        published.publish("GPM_3IMERGHHL", name, whole, start=T0, inserted=INSERTED)
    path = imerg.fetch(granule(), tmp_path, client=connect(BY_TOKEN), grid=BOX)
    assert imerg.read(path, BOX).attrs["version"] == taken


def test_without_a_link_the_opendap_address_is_made(nasa: Earthdata, connect: Connect) -> None:
    nasa.publish("GPM_3IMERGHHL", NAME, b"", start=T0, inserted=INSERTED, opendap=False)
    entry = earthdata.find(granule(), client=connect({}))
    assert entry.opendap == (
        f"{nasa.data.url}/opendap/collections/C1-TEST/granules/GPM_3IMERGHHL.07%3A{NAME}"
    )


@pytest.mark.parametrize("body", [b'{"errors":["x"]}', b"[]", b'{"items":[{"meta":{}}]}', HTML])
def test_a_strange_catalogue_is_an_error(nasa: Earthdata, connect: Connect, body: bytes) -> None:
    nasa.data.serve("/search/granules.umm_json", Answer(body))
    with pytest.raises(HttpError, match=r"granules\.umm_json: expected"):
        earthdata.find(granule(), client=connect({}))


def pps(nasa: Earthdata, half_hour: bytes, name: str) -> None:
    """Serve a listing and a file to who logs in as me@example.org."""

    def route(asked: Request) -> Answer:
        if asked.headers.get("authorization") != "Basic bWVAZXhhbXBsZS5vcmc6bWVAZXhhbXBsZS5vcmc=":
            return Answer(status=401)
        if asked.path == "/text/imerg/late/202408/":
            return Answer(f"/imerg/late/202408/{name}\n/imerg/late/202408/x.RT-H5\n".encode())
        return Answer(half_hour, status=200 if asked.path == f"/imerg/late/202408/{name}" else 404)

    nasa.pps.routes["/"] = route


@pytest.mark.parametrize("behind", ["V07B.RT-H5", "V08A.RT-NC"])
def test_near_real_time_comes_from_pps_where_there_is_no_earthdata_login(
    nasa: Earthdata, connect: Connect, tmp_path: Path, half_hour: bytes, behind: str
) -> None:
    name = NAME.replace("V07B.HDF5", behind)
    pps(nasa, half_hour, name)
    mail = {"PPS_USERNAME": "me@example.org", "PPS_PASSWORD": "me@example.org"}
    path = imerg.fetch(granule(), tmp_path, client=connect(mail))
    assert path == tmp_path / "GPM_L3/GPM_3IMERGHHL.07/2024/214" / name
    ds = imerg.read(path, BOX)
    np.testing.assert_allclose(ds["rain_rate"][0], expected(BOX), rtol=1e-6)
    assert ds.attrs["version"] == behind[:4]


def test_what_the_catalogue_does_not_know_is_awaited_however_pps_says_so(
    nasa: Earthdata, connect: Connect, tmp_path: Path
) -> None:
    nasa.pps.routes["/"] = lambda _: Answer(b"half of a line", cut=4)  # the connection breaks off
    logins = BY_TOKEN | {"PPS_USERNAME": "me@example.org", "PPS_PASSWORD": "me@example.org"}
    with pytest.raises(NotPublished, match="not in the catalogue"):
        imerg.fetch(granule(), tmp_path, client=connect(logins))


def test_daily_rain_comes_with_its_count(nasa: Earthdata, connect: Connect, tmp_path: Path) -> None:
    stream = io.BytesIO()
    with h5py.File(stream, "w") as file:
        file["lon"] = (-179.95 + 0.1 * np.arange(3600)).astype("f4")
        file["lat"] = (-89.95 + 0.1 * np.arange(1800)).astype("f4")
        file["time"] = np.array([(datetime(2024, 8, 1) - datetime(1980, 1, 6)).days], "i4")  # noqa: DTZ001
        file["time"].attrs["units"] = np.bytes_(b"days since 1980-01-06 00:00:00Z")
        file["time"].attrs["calendar"] = np.bytes_(b"julian")
        for name, kind, value in (("precipitation", "f4", 6.5), ("precipitation_cnt", "i1", 47)):
            data = file.create_dataset(
                name, (1, 3600, 1800), kind, fillvalue=value, chunks=(1, 100, 100)
            )
            data.attrs["units"] = np.bytes_(b"mm/day" if kind == "f4" else b"count")
    name = "3B-DAY-L.MS.MRG.3IMERG.20240801-S000000-E235959.V07B.nc4"
    start = datetime(2024, 8, 1, tzinfo=UTC)
    nasa.publish("GPM_3IMERGDL", name, stream.getvalue(), start=start, inserted=INSERTED)
    path = imerg.fetch(granule(start, "imerg_daily"), tmp_path, client=connect(BY_TOKEN), grid=BOX)
    assert path.name == f"{name}.dap.nc4"
    ds = imerg.read(path, BOX)
    assert np.unique(ds["rain"]).tolist() == [6.5]
    assert np.unique(ds["n_valid"]).tolist() == [47]


def test_the_final_run_is_named_apart() -> None:
    assert granule(source="imerg_final").pattern.startswith("3B-HHR.MS.")
    assert granule(source="imerg_final").folder.startswith("GPM_L3/GPM_3IMERGHH.07/")
    daily = granule(datetime(2024, 8, 1, tzinfo=UTC), "imerg_daily_final")
    assert (daily.folder, daily.pattern) == (
        "GPM_L3/GPM_3IMERGDF.07/2024/08",
        "3B-DAY.MS.MRG.3IMERG.20240801-S000000-E235959.V0*",
    )


@pytest.mark.parametrize("box", [Grid(14.0, 16.0, 100.0, 103.0), MEKONG])
def test_the_root_zone_of_a_window_reads_like_the_whole(
    nasa: Earthdata, connect: Connect, tmp_path: Path, box: Grid
) -> None:
    start = datetime(2024, 8, 1, 12, tzinfo=UTC)
    wet = np.random.default_rng(1).uniform(0.1, 0.5, box.shape)
    whole = write_smap_root_zone(
        tmp_path, time=start, soil_moisture=wet, grid=box, published=INSERTED
    )
    nasa.publish("SPL4SMGP", whole.name, whole.read_bytes(), start=start, inserted=INSERTED)
    [wanted] = smap.granules("smap", start, start + timedelta(days=1), INSERTED)
    path = smap.fetch(wanted, tmp_path / "fetched", client=connect(BY_TOKEN), grid=box)
    assert path.name == f"{whole.name}.dap.nc4"
    assert locate(wanted, tmp_path / "fetched", asof=INSERTED) == (path, INSERTED)
    xr.testing.assert_identical(smap.read(path, box), smap.read(whole, box))
    with h5py.File(path) as file:
        rows, columns = file["Geophysical_Data/sm_rootzone"].shape
    assert rows < 1.4 * box.shape[0] + 5
    assert columns < 1.1 * box.shape[1] + 5


def test_vegetation_comes_whole(nasa: Earthdata, connect: Connect, tmp_path: Path) -> None:
    start = datetime(2024, 7, 1, tzinfo=UTC)
    name = "VNP13C2.A2024183.002.2024220101010.h5"
    content = b"\x89HDF\r\n\x1a\n" + b"composite" * 1000
    nasa.publish("VNP13C2", name, content, start=start, inserted=INSERTED)
    [wanted] = vegetation.granules("ndvi", start, start + timedelta(days=1), INSERTED)
    path = vegetation.fetch(wanted, tmp_path, client=connect(BY_PASSWORD))
    assert (path.name, path.read_bytes()) == (name, content)
    assert locate(wanted, tmp_path, asof=INSERTED) == (path, INSERTED)

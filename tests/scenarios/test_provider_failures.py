"""Every provider in every way that providers fail: what comes is whole, or it does not come."""

from __future__ import annotations

import email.utils
import io
import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import h5py
import numpy as np
import pytest
import rasterio
from rasterio.transform import from_origin

from pipeline.geography.grid import Grid
from pipeline.sources import SOURCES
from pipeline.sources.access.client import Client
from pipeline.sources.base import (
    BadGranule,
    Fetching,
    Granule,
    HttpError,
    NeedsCredentials,
    NotPublished,
)
from pipeline.virtual.products import write_gk2a_rain
from tests.sources import gauge_servers
from tests.sources.servers import HTML, Answer, Earthdata, Request, Route, Server, running

NIGHT = datetime(2026, 8, 20, 0, 30, tzinfo=UTC)
START = datetime(2026, 8, 19, 3, 10, tzinfo=UTC)
KEY = "s3cret"
HDF = b"\x89HDF\r\n\x1a\n" + b"field" * 2000
RR = "/api/typ05/api/GK2A/LE2/RR/FD"
LANCE = "/archive/allData/5200/VCDWD_L3_NRT/2026/231"


@dataclass(frozen=True)
class Case:
    """A granule, the server and path of the answer that goes wrong, and what it is when sound."""

    source: str
    start: datetime
    path: str
    content: bytes
    endpoints: tuple[str, ...] = ()
    others: tuple[tuple[str, bytes], ...] = ()
    environment: tuple[tuple[str, str], ...] = ()
    part: str = ""
    opened: bool = True

    def granule(self) -> Granule:
        """The granule."""
        row = SOURCES[self.source]
        end = self.start + min(row.cadence, timedelta(days=1))
        found = row.load().granules(self.source, self.start, end, NIGHT)
        fitting: list[Granule] = [one for one in found if self.part in one.pattern]
        return fitting[0]


def half_hour() -> bytes:
    """A granule of IMERG whose middle is where its rain is."""
    stream = io.BytesIO()
    with h5py.File(stream, "w") as file:
        grid = file.create_group("Grid")
        grid["lon"] = (-179.95 + 0.1 * np.arange(3600)).astype("f4")
        grid["lat"] = (-89.95 + 0.1 * np.arange(1800)).astype("f4")
        seconds = (START.replace(minute=0) - datetime(1980, 1, 6, tzinfo=UTC)).total_seconds()
        grid["time"] = np.array([seconds], "i4")
        grid["time"].attrs["units"] = np.bytes_(b"seconds since 1980-01-06 00:00:00 UTC")
        rain = grid.create_dataset(
            "precipitation", (1, 3600, 1800), "f4", chunks=(1, 145, 1800), compression="gzip"
        )
        rain.attrs["units"] = np.bytes_(b"mm/hr")
        rain[0, 2755:2765] = np.random.default_rng(0).random((10, 1800))
    return stream.getvalue()


def day(folder: Path) -> bytes:
    """A day of CHIRPS."""
    with rasterio.open(
        folder / "made.tif", "w", driver="GTiff", width=40, height=40, count=1, dtype="float32",
        crs="EPSG:4326", transform=from_origin(104.0, 11.0, 0.05, 0.05),
    ) as image:  # fmt: skip
        image.write(np.ones((40, 40), "f4"), 1)
    return (folder / "made.tif").read_bytes()


NAME = "3B-HHR-L.MS.MRG.3IMERG.20260819-S030000-E032959.0180.V07C.HDF5"
LATE = Case("imerg_late", START.replace(minute=0), "/", b"",
            environment=(("EARTHDATA_TOKEN", Earthdata.TOKEN),))  # fmt: skip
LIVE = gauge_servers.recent("013901", {"d": "2026-08-19T23:45:00Z", "w": 9.08, "r": 0.2})
SERIES = gauge_servers.inventory_row(
    "013901", "Water Level", "Manual", end="2026-08-19T07:00:00.0000000+07:00"
)
POINTS = gauge_servers.points({"2026-08-19T07:00:00.0000000+07:00": 9.1})
SLOTS = json.dumps({"list": [{"item": f"{START:%Y%m%d%H%M}"}]}).encode()
TILES = json.dumps(
    {"content": [{"name": "VCDWD_L3_NRT.A2026231.h28v07.002.2026231120000.h5"}]}
).encode()
MONTH_AGO = NIGHT - timedelta(days=31)
CASES = {
    "earthdata": LATE,
    "pps": replace(
        LATE, path=f"/imerg/late/202608/{NAME.replace('HDF5', 'RT-H5')}",
        environment=(("PPS_USERNAME", "me@example.org"), ("PPS_PASSWORD", KEY)),
    ),
    "kma": Case(
        "gk2a", START, f"{RR}/data", b"", ("kma",), ((f"{RR}/dataList", SLOTS),),
        (("KMA_API_KEY", KEY),),
    ),
    "gk2a bucket": Case(
        "gk2a_ir", START.replace(minute=0), "/AMI/L1B/FD/202608/19/03/", HDF, ("gk2a_bucket",),
        opened=False,
    ),
    "chirps": Case(
        "chirps", START.replace(hour=0, minute=0), "/products/CHIRPS/v3.0/daily/final/", b"",
        ("chirps",),
    ),
    "outlook": Case(
        "outlook", NIGHT.replace(minute=0), "/products/CHIRPS-GEFS/v3/daily/", b"", ("chirps",)
    ),
    "lance": Case(
        "floodmap", START.replace(hour=0, minute=0), f"{LANCE}/VCDWD", HDF, ("lance",),
        ((f"{LANCE}.json", TILES),), (("EARTHDATA_TOKEN", KEY),), opened=False,
    ),
    "cmr": replace(LATE, path="/search/granules.umm_json", opened=False),
    "kma list": Case(
        "gk2a", START, f"{RR}/dataList", SLOTS, ("kma",), (), (("KMA_API_KEY", KEY),), opened=False
    ),
    "lance list": Case(
        "floodmap", START.replace(hour=0, minute=0), f"{LANCE}.json", TILES, ("lance",),
        ((f"{LANCE}/VCDWD", HDF),), (("EARTHDATA_TOKEN", KEY),), opened=False,
    ),
    "mrc": Case(
        "mrc_live", MONTH_AGO, f"{gauge_servers.RECENT}/measurement/013901",
        json.dumps(LIVE).encode(), ("mrc",), (), (("MRC_API_KEY", KEY),), part="013901",
    ),
    "mrc archive": Case(
        "mrc_archive", MONTH_AGO, f"{gauge_servers.ARCHIVE}/data/", json.dumps(POINTS).encode(),
        ("mrc_archive",),
        ((f"{gauge_servers.ARCHIVE}/inventory/", json.dumps([SERIES]).encode()),),
        part="Water Level.*@??_013901",
    ),
    "thaiwater": Case(
        "thaiwater", MONTH_AGO, gauge_servers.GRAPH,
        json.dumps(gauge_servers.graph({"2026-08-19 07:00": 100.5})).encode(), ("thaiwater",),
    ),
}  # fmt: skip
FILES = [name for name, case in CASES.items() if "list" not in name and name != "cmr"]


class Provider:
    """A case whose server is up."""

    def __init__(self, case: Case, servers: list[Server], folder: Path) -> None:
        self.case, self.folder = case, folder
        login, data, store, pps = servers
        granule = half_hour() if case.source == "imerg_late" else b""
        self.content = case.content
        if case.source == "imerg_late":
            nasa = Earthdata(login, data, store, pps)
            nasa.opendap_status = 404
            nasa.publish("GPM_3IMERGHHL", NAME, granule, start=case.start, inserted=case.start)
            pps.serve("/text/imerg/late/202608/", Answer(f"{case.path.split('/')[-1]}\n".encode()))
            pps.serve("/imerg/late/", Answer(granule))
            self.endpoints = nasa.endpoints
            self.server = data if "search" in case.path else store
            if case.path.startswith("/imerg"):
                self.server = pps
            self.content = granule
            self.sound = self.server.routes[
                max((p for p in self.server.routes if case.path.startswith(p)), key=len)
            ]
        else:
            self.server, self.endpoints = data, dict.fromkeys(case.endpoints, data.url)
            for path, answer in case.others:
                data.serve(path, Answer(answer))
            if case.source in {"chirps", "outlook"}:
                self.content = day(folder)
            elif case.path.endswith("/data"):
                grid = Grid(14.0, 14.2, 105.0, 105.2)
                made = write_gk2a_rain(
                    folder / "made", sector="fd020ge", time=START, published=START, grid=grid,
                    rain_rate=np.ones(grid.shape),
                )  # fmt: skip
                self.content = made.read_bytes()
            elif case.path.endswith("dataList"):
                data.serve(f"{RR}/data", Answer(HDF))
            self.sound = lambda _: Answer(self.content)
        self.upstream = folder / "upstream"

    def spoil(self, change: Callable[[Answer], Answer], *, times: int = 99) -> list[Request]:
        """Let the first answers go wrong; the list of them grows."""
        spoiled: list[Request] = []

        def route(asked: Request) -> Answer:
            answer = self.sound(asked)
            if len(spoiled) >= times:
                return answer
            spoiled.append(asked)
            return change(answer)

        self.routes(route)
        return spoiled

    def routes(self, route: Route) -> None:
        """Answer by a route."""
        self.server.routes[self.case.path] = route

    def fetch(self, waited: list[float] | None = None, *, timeout_s: float = 5.0) -> Path:
        """Bring the granule."""
        module = SOURCES[self.case.source].load()
        with Client(
            endpoints=self.endpoints, environment=dict(self.case.environment),
            sleep=(waited if waited is not None else []).append, attempts=3, timeout_s=timeout_s,
        ) as client:  # fmt: skip
            assert isinstance(module, Fetching)
            return module.fetch(self.case.granule(), self.upstream, client=client)

    def left(self) -> list[Path]:
        """Files in the upstream that a reader would find."""
        found = self.upstream.rglob("*")
        return [one for one in found if one.is_file() and not one.name.startswith(".")]


@pytest.fixture
def servers() -> Iterator[list[Server]]:
    with running("127.0.0.2", "127.0.0.1", "127.0.0.2", "127.0.0.1") as found:
        yield found


@pytest.fixture(params=CASES)
def provider(request: pytest.FixtureRequest, servers: list[Server], tmp_path: Path) -> Provider:
    return Provider(CASES[request.param], servers, tmp_path)


@pytest.fixture(params=FILES)
def files(request: pytest.FixtureRequest, servers: list[Server], tmp_path: Path) -> Provider:
    return Provider(CASES[request.param], servers, tmp_path)


def test_a_sound_answer_is_kept_as_it_is(files: Provider) -> None:
    files.spoil(lambda answer: answer)
    path = files.fetch()
    assert path.read_bytes() == files.content
    assert files.left() == [path]


def test_a_slow_answer_is_asked_for_again(provider: Provider) -> None:
    slow = provider.spoil(lambda answer: replace(answer, pause_s=0.4), times=1)
    waited: list[float] = []
    assert provider.fetch(waited, timeout_s=0.2).exists()
    assert len(slow) == 1
    assert len(waited) >= 1


def test_an_answer_that_breaks_off_is_asked_for_again(provider: Provider) -> None:
    cut = provider.spoil(lambda answer: replace(answer, cut=len(answer.body) // 2), times=1)
    path = provider.fetch()
    assert len(cut) == 1
    if provider.case.path != "/search/granules.umm_json" and provider.case.content != SLOTS:
        assert path.read_bytes() in {provider.content, HDF}


def test_a_page_with_200_is_an_error_and_no_file(provider: Provider) -> None:
    provider.spoil(lambda _: Answer(HTML))
    with pytest.raises(HttpError, match=r"expected .* found"):
        provider.fetch()
    assert provider.left() == []


def test_429_waits_as_long_as_it_is_asked_to(provider: Provider) -> None:
    later = {"Retry-After": "7"}
    provider.spoil(lambda _: Answer(status=429, headers=later), times=1)
    waited: list[float] = []
    assert provider.fetch(waited).exists()
    assert waited == [7.0]


@pytest.mark.parametrize("status", [429, 503])
def test_an_error_that_does_not_pass_is_told_and_leaves_no_file(
    provider: Provider, status: int
) -> None:
    asked = provider.spoil(lambda _: Answer(status=status))
    with pytest.raises(HttpError, match=str(status)):
        provider.fetch()
    assert len(asked) % 3 == 0
    assert len(asked) > 0
    assert provider.left() == []


def test_an_expired_credential_is_told_and_not_shown(provider: Provider) -> None:
    asked = provider.spoil(lambda _: Answer(b"who are you? " + KEY.encode(), status=401))
    with pytest.raises((HttpError, NeedsCredentials)) as failed:
        provider.fetch()
    assert "401" in str(failed.value)
    for secret in (KEY, Earthdata.TOKEN):
        assert secret not in str(failed.value)
    assert len(asked) <= 2, "no account is locked"
    assert provider.left() == []


def test_absence_is_expected(files: Provider) -> None:
    files.spoil(lambda _: Answer(status=404))
    next_is_down = files.case.path.startswith("/imerg/")  # the public store
    with pytest.raises(HttpError if next_is_down else NotPublished):
        files.fetch()
    assert files.left() == []


def test_half_a_file_that_calls_itself_whole_is_never_read(files: Provider) -> None:
    files.spoil(lambda answer: replace(answer, body=answer.body[: len(answer.body) // 2]))
    if files.content.startswith(b"{"):
        with pytest.raises(HttpError, match="expected whole JSON"):
            files.fetch()
        assert files.left() == []
        return
    path = files.fetch()
    assert len(path.read_bytes()) < len(files.content)
    if files.case.opened:
        read = SOURCES[files.case.source].load().read
        with pytest.raises(BadGranule, match="expected a whole"):
            read(path)


def test_a_file_revised_in_place_takes_the_place_of_the_old_one(files: Provider) -> None:
    newer = files.content + (b" " if files.content[:1] in {b"{", b"["} else b"revised")
    stamp = email.utils.format_datetime(NIGHT, usegmt=True)
    files.routes(lambda _: Answer(files.content, headers={"Last-Modified": stamp}))
    assert files.fetch().read_bytes() == files.content
    since: list[str] = []

    def revised(asked: Request) -> Answer:
        since.append(asked.headers.get("if-modified-since", ""))
        return Answer(newer, headers={"Last-Modified": stamp.replace("00:30", "02:30")})

    files.routes(revised)
    assert files.fetch().read_bytes() == newer
    assert len(since) == 1

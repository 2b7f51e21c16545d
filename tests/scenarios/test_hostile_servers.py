"""Every provider as a hostile server: its source fails or is awaited, and nothing else happens."""

from __future__ import annotations

import json
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from pathlib import Path

import pytest

from pipeline import steps
from pipeline.ingest import fetch, status
from pipeline.progress import no_progress
from pipeline.settings import Settings
from pipeline.sources import ENDPOINTS, SOURCES
from pipeline.sources.access.client import Client
from pipeline.sources.base import Granule
from tests.sources import gauge_servers
from tests.sources.hostile import ABSENT, FILES, KINDS, NAMES, Hostile, serving

NIGHT = datetime(2026, 8, 20, 0, 30, tzinfo=UTC)
KEYS = {"KMA_API_KEY": "k3y", "MRC_API_KEY": "k3y", "EARTHDATA_TOKEN": "t0ken"}
PPS = {"PPS_USERNAME": "me@example.org", "PPS_PASSWORD": "s3cret"}
LIMIT_S, MOST_S = 0.6, 20.0
PLACES = {"earthdata": 1, "pps": 2}
"""Endpoints that are logged in to have servers of their own."""


@dataclass(frozen=True)
class Target:
    """A source, what it is asked with, and the answers on the way to the one that is hostile."""

    source: str
    environment: dict[str, str] = field(default_factory=lambda: KEYS)
    sound: dict[str, str] = field(default_factory=dict)
    part: str = ""


@lru_cache
def granule_of(source: str, part: str) -> Granule:
    """The newest granule of a source that is overdue, so that a failure is one."""
    row = SOURCES[source]
    if source == "geoglows":  # none where the table of rivers is empty, as it is at first
        return Granule(source, "GEOGLOWS", "x.nc", NIGHT - 2 * row.cadence, NIGHT - row.cadence)
    begin = NIGHT - row.patience - 4 * max(row.cadence, timedelta(days=1))
    found = row.load().granules(source, begin, NIGHT, NIGHT)
    due: list[Granule] = [
        one for one in found if not fetch.is_early(row, one, asof=NIGHT) and part in one.pattern
    ]
    return due[-1]


def catalogue(granule: Granule, base: str) -> str:
    """CMR's answer with one granule."""
    name = granule.pattern.replace("*", "7B.HDF5" if "3B-" in granule.pattern else "x").replace(
        "?", "0"
    )
    links = [
        {"URL": f"{base}/data/{name}", "Type": "GET DATA"},
        {"URL": f"{base}/opendap/x", "Type": "USE SERVICE API", "Subtype": "OPENDAP DATA"},
    ]
    item = {
        "meta": {"collection-concept-id": "C1"},
        "umm": {"GranuleUR": "x", "RelatedUrls": links},
    }
    return json.dumps({"items": [item]})


NOBODY = {"zones", "gauges", "lis"}
"""Sources whose files are laid by hand: nobody is asked."""
FIRST = {
    f"{name} at first": Target(name, {} if name == "gk2a_ir" else KEYS)
    for name in SOURCES
    if name not in NOBODY
}
"""Every source whose every answer is hostile."""
PPS_NAME = "3B-HHR-L.MS.MRG.3IMERG.20260819-S070000-E072959.0420.V07C.RT-H5"
SERIES = [
    gauge_servers.inventory_row(
        "013901", "Water Level", "Manual", end="2026-08-19T07:00:00.0000000+07:00"
    )
]
LATER = {
    "imerg_late file": Target("imerg_late", sound={"/search": "catalogue"}),
    "imerg_late by password": Target(
        "imerg_late",
        {"EARTHDATA_USERNAME": "me", "EARTHDATA_PASSWORD": "s3cret"},
        {"/search": "catalogue"},
    ),
    "imerg_late pps": Target("imerg_late", PPS),
    "imerg_late store": Target("imerg_late", {}),
    "smap window": Target("smap", sound={"/search": "catalogue"}),
    "ndvi file": Target("ndvi", sound={"/search": "catalogue"}),
    "gldas file": Target("gldas", sound={"/search": "catalogue"}),
    "gk2a file": Target("gk2a", sound={"/api/typ05/api/GK2A/LE2/RR/FD/dataList": "slots"}),
    "floodmap tile": Target("floodmap", sound={"/archive/allData": "tiles"}),
    "mrc_archive points": Target(
        "mrc_archive", sound={"/api/v1/ts/inventory": json.dumps(SERIES)}, part="@??_013901"
    ),
}
TARGETS = FIRST | LATER
CHOSEN = [
    *LATER,
    *(
        f"{name} at first"
        for name in (
            "imerg_late",
            "smap",
            "gk2a",
            "gk2a_ir",
            "chirps",
            "geoglows",
            "mrc_live",
            "mrc_archive",
            "thaiwater",
            "floodmap",
        )
    ),
]
"""One of each way of asking."""


def sound(target: Target, granule: Granule, base: str) -> dict[str, bytes]:
    """Answers on the way, by the beginnings of their paths."""
    made = {
        "catalogue": catalogue(granule, base),
        "slots": json.dumps({"list": [{"item": f"{granule.start:%Y%m%d%H%M}"}]}),
        "tiles": json.dumps(
            {
                "content": [
                    {"name": f"VCDWD_L3_NRT.A{granule.start:%Y%j}.h28v07.002.2026231120000.h5"}
                ]
            }
        ),
    }
    if "tiles" in target.sound.values():
        return {f"/{granule.folder.split('/')[0]}.json": made["tiles"].encode()} | {
            f"/archive/{granule.folder}.json": made["tiles"].encode()
        }
    return {path: made.get(body, body).encode() for path, body in target.sound.items()}


def attack(name: str, kind: str, servers: list[Hostile], upstream: Path) -> tuple[str, float]:
    """Ask a source; say what was wrong, empty where nothing was, and the seconds it took."""
    target, row = TARGETS[name], SOURCES[TARGETS[name].source]
    granule = granule_of(target.source, target.part)
    ways = name.encode().hex()
    base = f"{servers[0].url}/{ways}"
    for path, body in sound(target, granule, base).items():
        servers[0].sound[f"/{ways}{path}"] = body
    endpoints = {
        place: servers[PLACES[place]].url if place in PLACES else base for place in ENDPOINTS
    }
    began = time.monotonic()
    with Client(
        endpoints=endpoints, environment=target.environment, sleep=lambda _: None, attempts=2,
        timeout_s=0.2, limit_s=0.4,
    ) as client:  # fmt: skip
        done = fetch.fetch(
            row, [granule], client=client, upstream=upstream, asof=NIGHT, known={},
            region="mekong", progress=no_progress, limit_s=LIMIT_S,
        )  # fmt: skip
    took = time.monotonic() - began
    said = (*done.failures, *done.awaited, *([done.needs] if done.needs else []))
    wrong = ""
    if done.files and kind not in FILES:
        wrong = f"{name}: a file came"
    elif done.files:
        read = row.load().read
        for came in upstream.rglob("*"):
            if came.is_file() and not came.name.startswith("."):
                with pytest.raises(Exception, match=r".+"):
                    read(came)
    elif not said and kind not in ABSENT | NAMES and row.kind != "readings":
        wrong = f"{name}: nothing said"
    if any(secret in one for secret in ("k3y", "t0ken", "s3cret") for one in said):
        wrong = f"{name}: a credential is shown in {said}"
    if any(len(one) > 600 or "\n" in one for one in said):
        wrong = f"{name}: said too much: {said}"
    return wrong, took


def everything(folder: Path) -> set[str]:
    """Paths of all files below a folder."""
    return {str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file()}


def hold(kind: str, names: list[str], folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Let sources face a kind, side by side."""
    monkeypatch.setattr(fetch, "_GRACE_S", 1.0)
    upstreams = {name: folder / "deep" / "deeper" / name.replace(" ", "_") for name in names}
    with serving(kind, count=3) as servers, ThreadPoolExecutor(24) as threads:
        found = list(threads.map(lambda name: attack(name, kind, servers, upstreams[name]), names))
    assert [wrong for wrong, _ in found if wrong] == []
    assert max(took for _, took in found) < MOST_S
    assert all(one.startswith("deep/deeper/") for one in everything(folder))
    assert not [one for one in everything(folder) if "evil" in one or "passwd" in one]


@pytest.mark.parametrize("kind", ["a header in drops", "103 without end", "a bomb in a bomb"])
def test_a_hostile_server_is_a_failure_of_its_source(
    kind: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    hold(kind, ["chirps at first", "thaiwater at first", "gk2a_ir at first"], tmp_path, monkeypatch)


@pytest.mark.slow
@pytest.mark.parametrize("kind", KINDS)
def test_every_way_of_asking_against_every_kind(
    kind: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    hold(kind, CHOSEN, tmp_path, monkeypatch)


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["reset", "silence", "a page", "deep lists", "paths as names"])
def test_every_source_against_the_worst_kinds(
    kind: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    hold(kind, list(TARGETS), tmp_path, monkeypatch)


@pytest.mark.parametrize("kind", ["a file that is none", "reset", "a page", "451"])
@pytest.mark.parametrize("source", ["smap", "chirps", "thaiwater"])
def test_an_ingest_goes_on(
    kind: str, source: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What begins as a file is rejected by its reader, what does not is said to have failed."""
    monkeypatch.setenv("EARTHDATA_TOKEN", "t0ken")
    monkeypatch.setattr("pipeline.sources.access.request._WAIT", lambda _: 0.0)
    target = Target(source, sound={"/search": "catalogue"} if source == "smap" else {})
    granule = granule_of(source, "")
    with serving(kind) as [server]:
        server.sound = sound(target, granule, server.url)
        settings = Settings(
            data_dir=tmp_path / "data",
            upstream="internet",
            endpoints=dict.fromkeys(set(ENDPOINTS) - {"earthdata", "pps"}, server.url),
        )
        done = steps.ingest(
            source, asof=NIGHT, settings=settings, start=granule.start, end=granule.end
        )
    assert (done.read, done.added) == (0, 0)
    assert done.unfetched or done.rejected
    assert {one.split("/")[0] for one in everything(tmp_path)} == {"data"}


@pytest.mark.parametrize(
    "kind", ["reset", "a header in drops", "deep lists", "a name that is a path"]
)
def test_a_check_says_what_is_wrong(
    kind: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(status, "CHECK_S", LIMIT_S)
    monkeypatch.setattr(fetch, "_GRACE_S", 0.2)
    with (
        serving(kind) as [server],
        Client(
            endpoints=dict.fromkeys(ENDPOINTS, server.url), environment={"MRC_API_KEY": "k3y"},
            sleep=lambda _: None, attempts=2, timeout_s=0.2,
        ) as client,
    ):  # fmt: skip
        for source in ("gk2a_ir", "chirps", "mrc_live"):
            well, said = status.check_provider(
                SOURCES[source], asof=NIGHT, client=client, region="mekong"
            )
            assert well is False
            assert said
    assert everything(tmp_path) == set()

"""From a provider's server to the archive, and what ``mekong sources`` says of each source."""

from __future__ import annotations

import io
import json
import sys
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import h5py
import numpy as np
import pytest

from pipeline import __main__ as cli
from pipeline import steps
from pipeline.console import describe_ingested
from pipeline.geography.grid import MEKONG
from pipeline.ingest.run import Ingested
from pipeline.settings import Settings
from pipeline.sources import SOURCES, select_sources
from pipeline.sources.access.hosts import PER_HOST
from pipeline.storage.archive import Archive
from tests.sources.servers import HTML, Answer, Earthdata, Request, closed_address, running

START = datetime(2026, 8, 20, 0, 0, tzinfo=UTC)
HALF_HOUR = timedelta(minutes=30)
ASOF = START + timedelta(hours=18)


@pytest.fixture
def nasa(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Earthdata]:
    for name in ("EARTHDATA_USERNAME", "EARTHDATA_PASSWORD", "PPS_USERNAME", "NETRC"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("EARTHDATA_TOKEN", Earthdata.TOKEN)
    with running("127.0.0.2", "127.0.0.1", "127.0.0.2", "127.0.0.1") as servers:
        yield Earthdata(*servers)


@pytest.fixture
def settings(nasa: Earthdata, tmp_path: Path) -> Settings:
    return Settings(data_dir=tmp_path / "data", upstream="internet", endpoints=nasa.endpoints)


def half_hour(time: datetime, rain_mm_per_h: float) -> bytes:
    stream = io.BytesIO()
    with h5py.File(stream, "w") as file:
        grid = file.create_group("Grid")
        grid["lon"] = (-179.95 + 0.1 * np.arange(3600)).astype("f4")
        grid["lat"] = (-89.95 + 0.1 * np.arange(1800)).astype("f4")
        grid["time"] = np.array([(time - datetime(1980, 1, 6, tzinfo=UTC)).total_seconds()], "i4")
        grid["time"].attrs["units"] = np.bytes_(b"seconds since 1980-01-06 00:00:00 UTC")
        rain = grid.create_dataset(
            "precipitation", (1, 3600, 1800), "f4", chunks=(1, 145, 1800), compression="gzip"
        )
        rain[0, 2610:3045] = rain_mm_per_h
        rain.attrs["units"] = np.bytes_(b"mm/hr")
    return stream.getvalue()


def publish(nasa: Earthdata, steps_: range, *, delay: timedelta = timedelta(hours=13)) -> None:
    for number in steps_:
        time = START + number * HALF_HOUR
        last = time + HALF_HOUR - timedelta(seconds=1)
        name = (
            f"3B-HHR-L.MS.MRG.3IMERG.{time:%Y%m%d-S%H%M%S}-E{last:%H%M%S}."
            f"{time.hour * 60 + time.minute:04d}.V07C.HDF5"
        )
        content = half_hour(time, float(number))
        nasa.publish("GPM_3IMERGHHL", name, content, start=time, inserted=time + HALF_HOUR + delay)


def ingest(settings: Settings, asof: datetime = ASOF, source: str = "imerg_late") -> Ingested:
    return steps.ingest(source, asof=asof, settings=settings, start=START)


def test_files_go_from_the_provider_to_the_archive_once(
    nasa: Earthdata, settings: Settings
) -> None:
    publish(nasa, range(8))
    done = ingest(settings)
    assert (done.read, done.added, done.known) == (8, 8, 0)
    ds = Archive(settings.archive_dir).read(
        "imerg_late", asof=ASOF, start=START, end=START + timedelta(hours=4)
    )
    assert ds["rain_rate"].shape == (8, *MEKONG.shape)
    assert ds["rain_rate"].max(("lat", "lon")).values.tolist() == list(range(8))
    available = START + HALF_HOUR + timedelta(hours=13)
    assert ds["available_time"].values[0] == np.datetime64(available.replace(tzinfo=None), "ns")
    assert nasa.data.most_under_way <= PER_HOST
    before = len(nasa.data.asked)
    again = ingest(settings)
    assert (again.read, again.added, again.known) == (0, 0, 8)
    assert not [request for request in nasa.data.asked[before:] if "/opendap" in request.path]


def test_what_was_ingested_may_be_deleted(nasa: Earthdata, settings: Settings) -> None:
    publish(nasa, range(2))
    ingest(settings)
    for path in settings.upstream_dir.rglob("*.nc4"):
        path.unlink()
    nasa.data.asked.clear()
    again = ingest(settings)
    assert (again.read, again.unfetched) == (0, ())
    assert not [request for request in nasa.data.asked if "/opendap" in request.path]


def test_a_fallback_that_is_not_wanted_is_no_failure(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("KMA_API_KEY", "k")
    done = ingest(settings, source="gk2a_ir")
    assert (done.read, done.unfetched, done.needs) == (0, (), None)


def test_what_is_published_later_is_not_seen(nasa: Earthdata, settings: Settings) -> None:
    publish(nasa, range(2), delay=timedelta(hours=20))
    done = ingest(settings)
    assert done.read == 0
    assert ingest(settings, asof=START + timedelta(hours=22)).read == 2


def test_a_provider_that_is_behind_is_awaited(nasa: Earthdata, settings: Settings) -> None:
    """At 18:00 a Late file is overdue, 14 h and a quarter after its end, if it ends by 00:30."""
    assert ingest(settings).awaited is True
    publish(nasa, range(1))
    done = ingest(settings)
    assert done.awaited is False
    assert len(done.missing) == 7, "due, though not overdue, from 00:30 to 04:00"


def test_one_lost_file_is_not_awaited(nasa: Earthdata, settings: Settings) -> None:
    publish(nasa, range(1, 5))
    later = START + timedelta(hours=20)
    done = ingest(settings, asof=later)
    assert done.read == 4
    assert not done.awaited


def test_without_credentials_a_source_is_skipped_with_one_line(
    nasa: Earthdata, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("EARTHDATA_TOKEN")
    done = steps.ingest("smap", asof=ASOF, settings=settings)
    assert describe_ingested(done) == "smap: skipped, needs EARTHDATA_TOKEN, which is not set"
    assert not done.awaited
    assert nasa.data.asked == []


def test_a_provider_that_fails_is_said_and_the_rest_goes_on(
    nasa: Earthdata, settings: Settings
) -> None:
    publish(nasa, range(3))
    name = next(name for name in nasa.files if "S003000" in name)
    nasa.data.serve(f"/data/{name}", Answer(HTML))
    nasa.data.serve(f"/opendap/collections/C1-TEST/granules/GPM_3IMERGHHL.07:{name}", Answer(HTML))
    done = ingest(settings)
    assert done.read == 2
    [why] = done.unfetched
    assert "expected" in why
    assert f"imerg_late: 1 files could not be fetched, the last: {why}" in describe_ingested(done)
    nasa.data.routes = {path: route for path, route in nasa.data.routes.items() if name not in path}
    assert ingest(settings).read == 1


def test_a_file_that_was_rejected_is_asked_for_again(nasa: Earthdata, settings: Settings) -> None:
    publish(nasa, range(1))
    [name] = nasa.files
    sound, nasa.files[name] = nasa.files[name], b"\x89HDF\r\n\x1a\n" + b"torn" * 100
    nasa.opendap_status = 403
    first = ingest(settings)
    assert len(first.rejected) == 1
    nasa.files[name], nasa.opendap_status = sound, 200
    assert ingest(settings).read == 1


def test_measured_data_has_a_folder_of_its_own(settings: Settings) -> None:
    (settings.data_dir / "virtual").mkdir(parents=True)
    with pytest.raises(steps.UserError, match="holds the virtual basin; give measured data"):
        ingest(settings)


def test_an_unknown_endpoint_is_named(settings: Settings) -> None:
    wrong = settings.model_copy(update={"endpoints": {"crm": "https://example.org"}})
    with pytest.raises(steps.UserError, match=r"setting endpoints: expected .* found crm"):
        steps.sources(asof=ASOF, settings=wrong)


def test_only_final_runs_are_asked_for_by_hand_alone() -> None:
    assert set(SOURCES) - set(select_sources("internet")) == {
        "zones",
        "imerg_final",
        "imerg_daily_final",
    }
    assert not set(select_sources("virtual")) & {row.id for row in SOURCES.values() if not row.core}
    assert all(row.core for row in SOURCES.values() if row.id in {"imerg_late", "gauges", "smap"})


def test_the_state_of_a_source(nasa: Earthdata, settings: Settings) -> None:
    publish(nasa, range(4))
    ingest(settings)
    states = {status.source: status for status in steps.sources(asof=ASOF, settings=settings)}
    assert set(states) == set(SOURCES)
    late = states["imerg_late"]
    assert late.latest == START + timedelta(hours=2)
    assert (late.lag, late.usual) == (timedelta(hours=16), timedelta(hours=14, minutes=30))
    assert (late.reached, late.well) == ("", None)
    assert states["smap"].needs == (("EARTHDATA_TOKEN or EARTHDATA_PASSWORD", True),)
    assert states["imerg_early"].latest is None


def test_a_check_tries_the_providers_and_keeps_nothing(
    nasa: Earthdata, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(
        steps, "SOURCES", {name: SOURCES[name] for name in ("imerg_late", "smap", "zones")}
    )
    publish(nasa, range(7))
    statuses = steps.sources(asof=ASOF, settings=settings, check=True)
    states = {status.source: status for status in statuses}
    assert states["imerg_late"].well is True
    assert states["imerg_late"].reached.endswith(" kB, 2026-08-20 03:00Z")
    assert (states["smap"].well, states["smap"].reached) == (
        False, "3 due files absent",
    )  # fmt: skip
    assert (states["zones"].well, states["zones"].reached) == (None, "no provider to ask")
    assert not settings.upstream_dir.exists()


def test_the_command_lists_sources_and_no_secret(
    nasa: Earthdata, settings: Settings, monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    monkeypatch.setenv("MEKONG_DATA_DIR", str(settings.data_dir))
    monkeypatch.setenv("MEKONG_UPSTREAM", "internet")
    monkeypatch.setenv("MEKONG_ENDPOINTS", json.dumps(nasa.endpoints))
    monkeypatch.setattr(sys, "argv", ["mekong", "sources", "--date", "2026-08-20"])
    cli.main()
    text = capsys.readouterr().out
    lines = {line.split()[0]: line for line in text.splitlines() if line.split()}
    assert set(SOURCES) <= set(lines)
    assert "EARTHDATA_TOKEN/PASSWORD: set" in lines["smap"]
    assert Earthdata.TOKEN not in text
    assert "│" not in text, "plain where nobody looks at a terminal"


def pps_that_resets(nasa: Earthdata, listed: str = "") -> None:
    """Answer with a list, and reset the connection where a file is not there yet."""

    def route(request: Request) -> Answer:
        if request.path.startswith("/text/"):
            return Answer(listed.encode())
        raise ConnectionResetError

    nasa.pps.routes["/"] = route


def late(number: int) -> str:
    """Name of a half-hour of the Late run at PPS."""
    time = START + number * HALF_HOUR
    last = time + HALF_HOUR - timedelta(seconds=1)
    minute = time.hour * 60 + time.minute
    return f"3B-HHR-L.MS.MRG.3IMERG.{time:%Y%m%d-S%H%M%S}-E{last:%H%M%S}.{minute:04d}.V07C.RT-H5"


@pytest.fixture
def at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("pipeline.sources.access.request._WAIT", lambda _: 0.0)


@pytest.mark.usefixtures("at_once")
def test_what_is_not_due_is_awaited_where_its_providers_reset_or_send_pages(
    nasa: Earthdata, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    """At 18:00 a half-hour of the Late run may be absent if it ends after 00:30."""
    monkeypatch.setenv("PPS_USERNAME", "me@example.org")
    monkeypatch.setenv("PPS_PASSWORD", "me@example.org")
    publish(nasa, range(3))
    page = Answer(b"<html>Not ready</html>")
    nasa.data.serve("/data/", page)
    nasa.data.serve("/opendap/", page)
    pps_that_resets(nasa, "\n".join(late(number) for number in range(3)))
    done = ingest(settings)
    assert done.awaited is True, "that of 00:00 is overdue"
    [overdue] = done.unfetched
    assert "page in HTML" in overdue or "RemoteProtocolError" in overdue
    assert len(done.not_yet) == 2
    assert "2 files are not due yet and did not come" in describe_ingested(done)


@pytest.mark.usefixtures("at_once")
def test_resets_for_new_files_do_not_keep_old_ones_from_coming(
    nasa: Earthdata, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PPS_USERNAME", "me@example.org")
    monkeypatch.setenv("PPS_PASSWORD", "me@example.org")
    sound = half_hour(START, 2.0)

    def route(request: Request) -> Answer:
        if request.path.startswith("/text/"):
            return Answer("\n".join(late(number) for number in range(8)).encode())
        if request.path.endswith(late(0)):
            stamp = {"Last-Modified": "Thu, 20 Aug 2026 14:00:00 GMT"}
            return Answer(sound, headers=stamp)
        raise ConnectionResetError

    nasa.pps.routes["/"] = route
    done = ingest(settings)
    assert (done.read, done.unfetched, done.awaited) == (1, (), False)
    assert done.not_yet == (), "the catalogue knows none of the new ones: that is what is told"


def test_a_refused_token_is_said_and_not_waited_for(
    nasa: Earthdata, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("EARTHDATA_TOKEN", "last.year")
    publish(nasa, range(8))
    done = ingest(settings)
    assert done.awaited is False
    assert done.missing
    assert len(done.unfetched) == 8, "a refusal is no sign that a file is not there yet"
    assert "EARTHDATA_TOKEN is refused" in describe_ingested(done)
    assert "last.year" not in describe_ingested(done)


@pytest.mark.parametrize(
    ("source", "cause"),
    [
        ("geoglows", "no files: no river is named in data/reference/geoglows_rivers.csv"),
        ("lis", "no files: it has no public server, its files come by hand: mekong ingest lis"),
        ("gauges", "31 files that should exist are missing: exports come by hand: mekong ingest"),
    ],
)
def test_why_nothing_came_is_said_where_nobody_is_asked(
    settings: Settings, source: str, cause: str
) -> None:
    done = steps.ingest(source, asof=ASOF, settings=settings)
    assert done.read == 0
    assert f"{source}: {cause}" in describe_ingested(done)


def test_a_source_tells_whether_any_server_answered(nasa: Earthdata, settings: Settings) -> None:
    publish(nasa, range(2))
    assert ingest(settings).reached is True
    nowhere = settings.model_copy(update={"endpoints": {"chirps": closed_address()}})
    began = time.monotonic()
    done = steps.ingest("chirps", asof=ASOF, settings=nowhere)
    assert (done.reached, done.read) == (False, 0)
    assert "cannot be reached" in describe_ingested(done)
    assert time.monotonic() - began < 10.0, "the backoff of one file alone takes longer"
    assert steps.ingest("lis", asof=ASOF, settings=settings).reached is None


def test_files_that_nobody_has_laid_out_are_said_to_be_absent(settings: Settings) -> None:
    virtual = settings.model_copy(update={"upstream": "virtual"})
    done = steps.ingest("imerg_early", asof=ASOF, settings=virtual, start=ASOF - HALF_HOUR)
    assert f"imerg_early: no files: none of the 1 files asked for is in {virtual.upstream_dir}" in (
        describe_ingested(done)
    )
    archived = settings.model_copy(update={"upstream": "archive"})
    assert "only what has been ingested is used" in describe_ingested(
        steps.ingest("imerg_early", asof=ASOF, settings=archived)
    )

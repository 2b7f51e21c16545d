"""Fetching the files of a source: threads, one deadline, failures of single files, their time."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from pipeline.geography.grid import GRIDS
from pipeline.ingest import fetch
from pipeline.progress import no_progress
from pipeline.settings import Settings
from pipeline.sources import SOURCES
from pipeline.sources.access.client import Client
from pipeline.sources.base import (
    Granule,
    HttpError,
    NeedsCredentials,
    NotPublished,
    Skipped,
)

DAY = datetime(2026, 8, 19, tzinfo=UTC)
GRANULE = Granule("imerg_daily", "imerg", "3B-DAY.nc4", DAY, DAY + timedelta(days=1))
START = datetime(2026, 8, 20, 0, 0, tzinfo=UTC)
HALF_HOUR = timedelta(minutes=30)
ASOF = START + timedelta(hours=18)


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return Settings(data_dir=tmp_path / "data", upstream="internet")


def raise_error(error: BaseException) -> Callable[[], object]:
    """A fetch that ends with an error."""

    def bring() -> object:
        raise error

    return bring


def test_results_come_with_the_number_of_their_item_and_no_more_threads_than_items() -> None:
    names = set[str]()

    def double(item: int) -> int:
        names.add(threading.current_thread().name)
        return 2 * item

    items = list(range(50))
    results = dict(fetch.run_in_threads(double, items, until=time.monotonic() + 60))
    assert results == {item: 2 * item for item in items}
    assert len(names) <= fetch.THREADS
    assert dict(fetch.run_in_threads(double, [], until=time.monotonic() + 60)) == {}


def test_who_misses_the_deadline_is_left_behind(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fetch, "_GRACE_S", 0.2)
    end = threading.Event()

    def wait(item: int) -> int:
        if item:
            end.wait(60)
        return item

    begin = time.monotonic()
    results = dict(fetch.run_in_threads(wait, [0, 1, 2], until=begin + 0.3))
    assert results == {0: 0}
    assert 0.4 < time.monotonic() - begin < 10
    end.set()


def test_after_the_deadline_no_item_is_begun(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fetch, "_GRACE_S", 0.1)
    begun = list[int]()
    assert list(fetch.run_in_threads(begun.append, [1, 2], until=time.monotonic() - 1)) == []
    assert begun == []


@pytest.mark.parametrize(
    "error", [NeedsCredentials("A_TOKEN"), NotPublished("a"), HttpError("b"), Skipped("c")]
)
def test_what_a_provider_may_answer_comes_back_as_it_is(error: Exception) -> None:
    with Client(environment={}) as client:
        assert fetch.catch_failure(raise_error(error), GRANULE, client) is error


def test_whatever_else_is_raised_names_the_file_and_no_secret() -> None:
    class Panic(BaseException):
        """What a library of another language raises."""

    with Client(environment={"KMA_API_KEY": "a-secret-word"}) as client:
        assert client.secret("KMA_API_KEY") == "a-secret-word"
        failure = fetch.catch_failure(raise_error(Panic("at a-secret-word " * 50)), GRANULE, client)
        assert fetch.catch_failure(lambda: "a file", GRANULE, client) is None
    assert isinstance(failure, HttpError)
    assert str(failure).startswith("3B-DAY.nc4: Panic: at ")
    assert "a-secret-word" not in str(failure)
    assert len(str(failure)) < 250
    assert not failure.passing


def test_only_a_source_with_a_provider_is_fetched_and_windows_are_of_the_region() -> None:
    with Client(environment={}) as client:
        bound = {
            name: fetch.bind_fetch(
                SOURCES[name], client=client, upstream=Path("upstream"), region="asean"
            )
            for name in ("zones", "imerg_late", "ndvi")
        }
    assert bound["zones"] is None
    windowed, whole = bound["imerg_late"], bound["ndvi"]
    assert vars_of(windowed)["grid"] == GRIDS["asean"]
    assert "grid" not in vars_of(whole)


def vars_of(bound: object) -> dict[str, object]:
    """Arguments that a function is bound to."""
    keywords: dict[str, object] = bound.keywords  # type: ignore[attr-defined]
    return keywords


def test_a_source_without_a_provider_gives_nothing(tmp_path: Path) -> None:
    asked = list[Granule]()

    def granules() -> list[Granule]:
        asked.append(GRANULE)
        return asked

    with Client(environment={}) as client:
        fetched = fetch.fetch(
            SOURCES["zones"], granules(), client=client, upstream=tmp_path, asof=DAY, known={},
            region="mekong", progress=lambda *_: None,
        )  # fmt: skip
    assert fetched == fetch.Fetched()
    assert list(tmp_path.iterdir()) == []


def test_a_source_has_one_wall_clock(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    """What hangs, within the client or without, is left; what came before counts."""
    row, hung = SOURCES["chirps"], threading.Event()
    granules = [
        Granule("chirps", "x", f"{number}", START + number * HALF_HOUR, START)
        for number in range(20)
    ]

    def bring(granule: Granule) -> Path:
        if granule.pattern != "19":
            hung.wait(20)
        path = settings.data_dir / granule.pattern
        path.parent.mkdir(exist_ok=True)
        path.touch()
        return path

    monkeypatch.setattr(fetch, "bind_fetch", lambda *_, **__: bring)
    monkeypatch.setattr(fetch, "_GRACE_S", 0.1)
    began = time.monotonic()
    with Client(environment={}) as client:
        done = fetch.fetch(
            row, granules, client=client, upstream=settings.upstream_dir, asof=ASOF, known={},
            region="mekong", progress=no_progress, limit_s=0.3,
        )  # fmt: skip
    assert time.monotonic() - began < 3
    hung.set()
    assert (done.files, len(done.failures)) == (1, 19)
    assert done.failures[0] == "18: not asked to its end, the 0.3 s of chirps are over"


@pytest.mark.parametrize(
    "error", [ValueError("k3y\nin two lines"), RecursionError(), OSError(28, "No space left"),
              KeyboardInterrupt("a panic is no Exception")],
)  # fmt: skip
def test_whatever_a_fetch_raises_is_the_failure_of_its_file(
    settings: Settings, monkeypatch: pytest.MonkeyPatch, error: BaseException
) -> None:
    def bring(granule: Granule) -> Path:
        if granule.pattern == "0":
            raise error
        path = settings.data_dir / granule.pattern
        path.parent.mkdir(exist_ok=True)
        path.touch()
        return path

    monkeypatch.setattr(fetch, "bind_fetch", lambda *_, **__: bring)
    granules = [Granule("chirps", "x", str(number), START, START) for number in range(3)]
    with Client(environment={"KMA_API_KEY": "k3y"}) as client:
        client.secret("KMA_API_KEY")
        done = fetch.fetch(
            SOURCES["chirps"], granules, client=client, upstream=settings.upstream_dir,
            asof=START + timedelta(days=30), known={}, region="mekong", progress=no_progress,
        )  # fmt: skip
    [failure] = done.failures
    assert (done.files, failure.startswith(f"0: {type(error).__name__}: ")) == (2, True)
    assert "k3y" not in failure
    assert "\n" not in failure


@pytest.mark.parametrize(
    ("source", "stamp", "expected"),
    [
        ("imerg_late", START - timedelta(days=20000), START + timedelta(hours=14, minutes=30)),
        ("imerg_late", START + timedelta(hours=5), START + timedelta(hours=5)),
        ("outlook", START - timedelta(hours=5), START - timedelta(hours=5)),
        ("mrc_live", START - timedelta(days=2), START - timedelta(days=2)),
    ],
)
def test_no_file_is_known_before_it_can_have_been_made(
    tmp_path: Path, source: str, stamp: datetime, expected: datetime
) -> None:
    path = tmp_path / "x"
    path.touch()
    os.utime(path, (stamp.timestamp(),) * 2)
    granule = Granule(source, "x", "x", START, START + HALF_HOUR)
    assert fetch.date_file(SOURCES[source], granule, path) == path
    assert path.stat().st_mtime == expected.timestamp()


def test_what_may_be_early() -> None:
    """A quarter over its usual delay a file is overdue; an interface is always there."""
    granule = Granule("smap", "x", "x", START - HALF_HOUR, START)
    usual = SOURCES["smap"].latency
    assert fetch.is_early(SOURCES["smap"], granule, asof=START + 1.2 * usual)
    assert not fetch.is_early(SOURCES["smap"], granule, asof=START + 1.25 * usual)
    assert not fetch.is_early(SOURCES["mrc_live"], granule, asof=START)

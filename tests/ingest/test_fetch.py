"""Fetching the files of a source: one wall clock, failures of single files, and their time."""

from __future__ import annotations

import os
import threading
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from pipeline.ingest import fetch
from pipeline.progress import no_progress
from pipeline.settings import Settings
from pipeline.sources import SOURCES
from pipeline.sources.access.client import Client
from pipeline.sources.base import Granule

START = datetime(2026, 8, 20, 0, 0, tzinfo=UTC)
HALF_HOUR = timedelta(minutes=30)
ASOF = START + timedelta(hours=18)


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return Settings(data_dir=tmp_path / "data", upstream="internet")


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

"""What an ingest of an interval or a folder takes, and what it says is missing."""

from __future__ import annotations

import shutil
from datetime import timedelta
from pathlib import Path

import numpy as np
import pytest

from pipeline import steps
from pipeline.console import describe_ingested
from pipeline.settings import Settings
from pipeline.virtual.products import write_imerg_half_hour
from tests.ingest.granule_cases import ASOF, BOX, DAY, HALF_HOUR, LATENCY, half_hour, night, rates


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return Settings(data_dir=tmp_path / "data", upstream="virtual", records_url=None)


def test_missing_only_after_its_latency(settings: Settings) -> None:
    half_hour(settings, 0)
    due = DAY + 2 * HALF_HOUR + LATENCY
    early = night(settings, slots=4, asof=due - timedelta(minutes=1))
    assert (early.added, early.missing) == (1, ())
    late = night(settings, slots=4, asof=due)
    (missing,) = late.missing
    assert "20260819-S003000" in missing
    assert "not published as of 2026-08-19 15:00Z" in missing
    assert "1 files that should exist are missing" in describe_ingested(late)
    assert len(late.missing) == 1


def test_nothing_published_later_is_taken(settings: Settings) -> None:
    for slot in range(4):
        half_hour(settings, slot)
    done = night(settings, asof=DAY + 3 * HALF_HOUR + LATENCY - timedelta(seconds=1))
    assert done.added == 2
    assert rates(settings) == {0: 0.0, 1: 1.0}


def test_a_folder_of_files_in_whatever_order(settings: Settings, tmp_path: Path) -> None:
    folder = tmp_path / "downloads"
    folder.mkdir()
    for slot in (3, 0, 2):
        shutil.copy(half_hour(settings, slot), folder)
    (folder / "readme.txt").write_text("not a granule\n")
    done = steps.ingest("imerg_late", asof=ASOF, settings=settings, folder=folder)
    assert (done.read, done.added) == (3, 3)
    assert "readme.txt" in done.rejected[0]
    assert rates(settings) == {0: 0.0, 2: 2.0, 3: 3.0}
    known = DAY + HALF_HOUR + LATENCY
    assert rates(settings, asof=known) == {0: 0.0}, "held to be available its latency after its end"
    again = steps.ingest("imerg_late", asof=ASOF, settings=settings, folder=folder)
    assert (again.read, again.added, again.rejected) == (0, 0, ())


def test_a_granule_of_the_future_in_a_folder(settings: Settings, tmp_path: Path) -> None:
    folder = tmp_path / "downloads"
    folder.mkdir()
    path = write_imerg_half_hour(
        tmp_path, run="late", time=ASOF + timedelta(days=2, minutes=-30), grid=BOX,
        rain_rate=np.ones(BOX.shape), published=ASOF,
    )  # fmt: skip
    shutil.copy(path, folder)
    shutil.copy(half_hour(settings, 0), folder)
    done = steps.ingest("imerg_late", asof=ASOF, settings=settings, folder=folder)
    (why,) = done.rejected
    assert path.name in why
    assert "expected times up to 2026-08-20 00:30Z, found 2026-08-22T00:00" in why
    assert rates(settings, asof=ASOF + timedelta(days=9)) == {0: 0.0}

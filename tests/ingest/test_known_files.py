"""Which files an ingest reads again."""

from __future__ import annotations

import shutil
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import pytest

from pipeline import steps
from pipeline.ingest.known_files import Known, count_rejected, has_sound, select_unknown
from pipeline.ingest.run import Ingested
from pipeline.ingest.store import File, checksum
from pipeline.settings import Settings
from pipeline.sources.base import Granule
from pipeline.storage.archive import Archive
from pipeline.virtual.products import write_imerg_day
from tests.ingest.granule_cases import (
    ASOF,
    BOX,
    DAY,
    HALF_HOUR,
    HTML,
    half_hour,
    night,
    rates,
    republish,
)


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return Settings(data_dir=tmp_path / "data", upstream="virtual", records_url=None)


def test_a_mended_granule_is_taken(settings: Settings) -> None:
    for slot in range(4):
        path = half_hour(settings, slot)
    good = path.read_bytes()
    republish(path, HTML)
    assert len(night(settings).rejected) == 1
    republish(path, good, after=timedelta(hours=2))
    mended = night(settings)
    assert (mended.read, mended.known, mended.added, mended.rejected) == (1, 3, 1, ())
    assert rates(settings) == {0: 0.0, 1: 1.0, 2: 2.0, 3: 3.0}
    assert rates(settings, asof=DAY + timedelta(hours=16, minutes=30)) == {0: 0.0, 1: 1.0, 2: 2.0,
                                                                          }  # fmt: skip


def test_a_revised_granule_is_read_again_and_the_first_stays(settings: Settings) -> None:
    def write(rain: float, published: datetime) -> Path:
        return write_imerg_day(
            settings.upstream_dir, time=DAY - timedelta(days=1), rain=np.full(BOX.shape, rain),
            n_valid=np.full(BOX.shape, 48), grid=BOX, published=published,
        )  # fmt: skip

    def rain(asof: datetime) -> float:
        ds = Archive(settings.archive_dir).read("imerg_daily", asof=asof)
        return float(ds["rain"].sel(lat=15.15, lon=105.15)[0])

    def fetch(asof: datetime) -> Ingested:
        start = DAY - timedelta(days=1)
        return steps.ingest("imerg_daily", asof=asof, settings=settings, start=start, end=DAY)

    first, revised = DAY + timedelta(hours=14), DAY + timedelta(hours=44)
    path = write(9.0, first)
    assert fetch(ASOF).added == 1
    assert write(10.0, revised) == path, "replaced in place"
    assert fetch(ASOF).added == 0, "not yet published"
    later = ASOF + timedelta(days=1)
    done = fetch(later)
    assert (done.read, done.known, done.added) == (1, 0, 1)
    assert rain(ASOF) == 9.0
    assert rain(later) == 10.0
    assert rain(revised - timedelta(seconds=1)) == 9.0


def test_the_same_bytes_published_again_are_not_read(settings: Settings) -> None:
    path = half_hour(settings, 0)
    assert night(settings, slots=1).added == 1
    republish(path, path.read_bytes(), after=timedelta(hours=1))
    done = night(settings, slots=1)
    assert (done.read, done.known, done.added) == (0, 1, 0)


def test_a_file_mended_in_a_folder_is_taken_at_the_same_moment(
    settings: Settings, tmp_path: Path
) -> None:
    folder = tmp_path / "downloads"
    folder.mkdir()
    path = folder / half_hour(settings, 1).name
    path.write_bytes(HTML)
    bad = steps.ingest("imerg_late", asof=ASOF, settings=settings, folder=folder)
    assert len(bad.rejected) == 1
    shutil.copy(half_hour(settings, 1), path)
    done = steps.ingest("imerg_late", asof=ASOF, settings=settings, folder=folder)
    assert (done.read, done.added, done.rejected) == (1, 1, ())
    assert rates(settings) == {1: 1.0}


PUBLISHED = datetime(2026, 8, 19, 14, tzinfo=UTC)


def file_of(folder: Path, name: str, content: bytes, *, sha256: str = "") -> File:
    """A file of a granule with some content."""
    path = folder / name
    path.write_bytes(content)
    return File(Granule("imerg_late", "", name, DAY, ASOF), path, PUBLISHED, sha256)


def test_a_file_is_known_by_its_time_or_by_its_content(tmp_path: Path) -> None:
    same = file_of(tmp_path, "a", b"rain")
    other = file_of(tmp_path, "b", b"snow")
    mark = checksum(same.path)
    known: Known = {"a": {(PUBLISHED - HALF_HOUR, mark)}, "b": {(PUBLISHED, mark)}}
    # The first is published anew with the same bytes; the second has the time of what was read.
    assert select_unknown([same, other], known) == []
    (unread,) = select_unknown([replace(other, published=ASOF)], known)
    assert unread.sha256 == checksum(other.path)
    hashed = replace(other, sha256=checksum(other.path))
    assert select_unknown([hashed], known) == [hashed], "of a folder, the content alone counts"
    assert [file.path.name for file in select_unknown([same, other], {})] == ["a", "b"]


def test_a_rejected_file_is_read_again_only_when_it_changes(tmp_path: Path) -> None:
    bad = file_of(tmp_path, "a", HTML)
    known: Known = {"a": {(None, checksum(bad.path))}}
    assert select_unknown([bad], known) == []
    assert count_rejected([bad], known) == 1
    assert not has_sound([replace(bad, sha256=checksum(bad.path))], known), "read, and no rain"
    mended = file_of(tmp_path, "a", b"rain")
    assert len(select_unknown([mended], known)) == 1
    known["a"].add((PUBLISHED, checksum(mended.path)))
    assert (count_rejected([mended], known), has_sound([mended], known)) == (0, True)
    assert (count_rejected([mended], {}), has_sound([mended], {})) == (0, False)

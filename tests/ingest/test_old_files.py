"""Upstream files that go once they were ingested and are asked for no more."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import pytest

from pipeline.ingest.old_files import list_old_files, remove_files
from pipeline.settings import Settings
from pipeline.storage.records import Records
from tests.ingest.granule_cases import ASOF, HTML, half_hour, night, rates, republish

WEEK = timedelta(days=7)


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    settings = Settings(data_dir=tmp_path, records_url=None)
    for slot in range(2):
        half_hour(settings, slot)
    night(settings, slots=2)
    return settings


def names(settings: Settings, *, days: float, keep: timedelta = WEEK) -> list[str]:
    asof = ASOF + timedelta(days=days)
    listed = list_old_files(Records(settings.database), settings.upstream_dir, asof=asof, keep=keep)
    return [path.name for path in listed]


def test_files_go_after_their_days(settings: Settings) -> None:
    assert names(settings, days=5) == []
    assert len(names(settings, days=8)) == 2


def test_a_source_that_is_asked_back_further_keeps_its_files(settings: Settings) -> None:
    assert names(settings, days=2, keep=timedelta()) == [], "imerg_late is asked back 4 days"
    assert len(names(settings, days=5, keep=timedelta())) == 2


def test_a_file_that_was_not_ingested_stays(settings: Settings) -> None:
    half_hour(settings, 2)
    assert len(names(settings, days=30)) == 2
    changed = half_hour(settings, 0, rain=9.0)
    assert changed.name not in names(settings, days=30), "its new bytes were never read"


def test_a_file_that_was_rejected_stays(settings: Settings) -> None:
    broken = half_hour(settings, 2)
    republish(broken, HTML)
    assert len(night(settings, slots=3).rejected) == 1
    assert len(names(settings, days=30)) == 2
    assert broken.name not in names(settings, days=30), "no store holds what is in it"


def test_sidecars_go_with_their_file_and_folders_that_are_empty_too(settings: Settings) -> None:
    first = half_hour(settings, 0)
    (first.parent / f"{first.name}.md5").write_text("x")
    (first.parent / f"{first.stem}.xml").write_text("x")
    (first.parent / "notes.md5").write_text("x")
    paths = list_old_files(
        Records(settings.database), settings.upstream_dir, asof=ASOF + 30 * WEEK, keep=WEEK
    )
    remove_files(list(paths), settings.upstream_dir)
    left = [path.name for path in settings.upstream_dir.rglob("*") if path.is_file()]
    assert left == ["notes.md5"]
    (first.parent / "notes.md5").unlink()
    first = half_hour(settings, 0)
    remove_files([first], settings.upstream_dir)
    assert list(settings.upstream_dir.iterdir()) == []


def test_what_was_ingested_stays_known(settings: Settings) -> None:
    before = rates(settings)
    assert before == {0: 0.0, 1: 1.0}
    paths = list_old_files(
        Records(settings.database), settings.upstream_dir, asof=ASOF + 30 * WEEK, keep=WEEK
    )
    remove_files(list(paths), settings.upstream_dir)
    half_hour(settings, 0)
    ingested = night(settings, slots=1)
    assert (ingested.read, ingested.known) == (0, 1)
    assert rates(settings) == before

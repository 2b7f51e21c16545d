"""Archive and tables that belong to each other pass; what is gone, older or damaged is named."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest
import xarray as xr

from pipeline import steps
from pipeline.ingest.consistency import check_stores, check_whole
from pipeline.settings import Settings
from pipeline.storage.archive import Archive
from pipeline.storage.atomic import BrokenState
from pipeline.times import utc64
from tests.ingest.granule_cases import ASOF, DAY, half_hour, night


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return Settings(data_dir=tmp_path / "data", upstream="virtual", records_url=None)


@pytest.fixture
def ingested(settings: Settings) -> Settings:
    """Stores that one half-hour of rain went into."""
    half_hour(settings, 0)
    assert night(settings, slots=1).added == 1
    return settings


def test_stores_that_belong_together_pass(ingested: Settings) -> None:
    check_stores(ingested)
    check_whole(ingested)


def test_an_empty_folder_passes_and_gets_no_archive(settings: Settings) -> None:
    check_whole(settings)
    assert not settings.data_dir.exists(), "nothing was there to check"
    settings.data_dir.mkdir()
    check_stores(settings)
    assert not settings.archive_dir.exists()


def test_readings_need_no_archive(settings: Settings, tmp_path: Path) -> None:
    content = "station,variable,time,value,unit\n013901,stage,2026-08-19T00:00Z,9.0,m\n"
    (tmp_path / "exports").mkdir()
    (tmp_path / "exports" / "a.csv").write_text(content)
    done = steps.ingest("gauges", asof=ASOF, settings=settings, folder=tmp_path / "exports")
    assert done.added == 1
    shutil.rmtree(settings.archive_dir)
    check_whole(settings)


def test_an_archive_that_is_gone_or_older_is_named_with_what_it_lacks(ingested: Settings) -> None:
    kept = ingested.archive_dir.with_name("kept")
    shutil.move(ingested.archive_dir, kept)
    with pytest.raises(BrokenState, match=r"expected the grids of imerg_late .*, found none; put"):
        check_stores(ingested)
    Archive(ingested.archive_dir).products()
    with pytest.raises(BrokenState, match="found an empty archive; put back a backup"):
        check_stores(ingested)
    shutil.rmtree(ingested.archive_dir)
    shutil.move(kept, ingested.archive_dir)
    check_stores(ingested)


def test_tables_that_are_older_than_the_archive_are_named(settings: Settings) -> None:
    shares = xr.Dataset(
        {"rain": (("time", "zone"), np.ones((1, 1), "f4"))},
        {"time": [utc64(DAY)], "zone": ["basin:chi"], "available_time": ("time", [utc64(ASOF)])},
    )
    Archive(settings.archive_dir).append("rain_shares", shares, message="assessed")
    with pytest.raises(BrokenState, match="found empty tables; put back a backup of them"):
        check_stores(settings)


@pytest.mark.sqlite
def test_a_damaged_table_is_found_by_the_check_of_the_whole_alone(ingested: Settings) -> None:
    (path,) = ingested.data_dir.glob("records.db")
    content = bytearray(path.read_bytes())
    page = len(content) - 4096
    content[page:] = b"\xa5" * 4096
    path.write_bytes(content)
    with pytest.raises(BrokenState, match="put back a backup"):
        check_whole(ingested)

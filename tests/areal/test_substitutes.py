"""What stands in for a late product, from hand-made grids and pairs in a real archive."""

from __future__ import annotations

import shutil
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import xarray as xr

from pipeline import steps
from pipeline.areal import daily_series, substitute_pairs, substitutes
from pipeline.geography.places import zones
from pipeline.issuance.missing import find_missing
from pipeline.issuance.snapshot import Snapshot
from pipeline.remarks import Remark, list_texts
from pipeline.settings import Settings
from pipeline.storage.archive import Archive, NothingArchived
from pipeline.storage.records import Records
from pipeline.times import utc64
from tests.areal.late_products import (
    ONE,
    earlier_nights,
    grids,
    late,
    pairs,
    root_zone,
    surface,
    two_summers,
)

NIGHT = datetime(2026, 8, 20, 0, 30, tzinfo=UTC)


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return Settings(data_dir=tmp_path, upstream="archive", records_url=None)


@pytest.fixture
def archive(settings: Settings) -> Archive:
    return open_archive(settings)


def open_archive(settings: Settings, night: datetime = NIGHT) -> Archive:
    """Stores in which nights before a night have made their days."""
    with Records(settings.database).ingest("gauges", asof=night):
        pass
    archive = Archive(settings.archive_dir)
    earlier_nights(archive, night)
    return archive


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Settings:
    """A night of a late level 4, to be read only."""
    folder = tmp_path_factory.mktemp("made")
    settings = Settings(data_dir=folder, upstream="archive", records_url=None)
    archive = open_archive(settings)
    two_summers(archive)
    late(archive)
    steps.assess(asof=NIGHT, settings=settings)
    return settings


def read_last_days(
    settings: Settings, asof: datetime, name: str = "soil_moisture"
) -> dict[str, list[float]]:
    """Last three days before a night of one zone: the record, filled, and the share."""
    view = Snapshot(Archive(settings.archive_dir), Records(settings.database), asof, {}, "")
    record, filled = view.zonal_record, view.filled_record
    assert record is not None
    assert filled is not None
    product = next(row.product for row in substitute_pairs.SUBSTITUTES if row.name == name)
    columns = {"record": record[name], "filled": filled[name], "share": filled[f"share_{product}"]}
    return {
        key: [round(float(value), 4) for value in da.sel(zone="city:vientiane")[-3:].values]
        for key, da in columns.items()
    }


def describe_night(settings: Settings, asof: datetime) -> list[Remark]:
    view = Snapshot(Archive(settings.archive_dir), Records(settings.database), asof, {}, "")
    return [remark for remark in find_missing(view).remarks if "stand" in remark.text]


NAN = [pytest.approx(np.nan, nan_ok=True)]


def test_level_3_stands_in_while_level_4_is_late_and_no_longer(
    made: Settings, settings: Settings
) -> None:
    shutil.copytree(made.data_dir, settings.data_dir, dirs_exist_ok=True)
    archive = Archive(settings.archive_dir)
    # Between the summers at the surface, so between them below it, as in the first days of August.
    tonight = {"record": NAN * 3, "filled": [0.25] * 3, "share": [1.0] * 3}
    assert read_last_days(settings, NIGHT) == tonight
    days = archive.read("stand_ins", asof=NIGHT)["soil_moisture"].dropna("time", how="all")
    assert days["time"].values[0] == np.datetime64("2026-08-16"), (
        "the 7th's came on the 10th and counts for five days more"
    )
    zone_count = len(zones())
    text = f"smap: smap_l3 stands in for it in {zone_count} zones"
    assert describe_night(settings, NIGHT) == [
        Remark(code="substitute_in_use", text=text, source="smap")
    ]

    before = archive.snapshot
    steps.assess(asof=NIGHT, settings=settings)
    assert Archive(settings.archive_dir).snapshot == before, "a night made twice"

    # Level 4 of the 13th to the 17th comes at once on the 20th.
    came = datetime(2026, 8, 20, 20, tzinfo=UTC)
    root_zone(archive, datetime(2026, 8, 13, tzinfo=UTC), [0.4] * 5, came)
    morning = NIGHT + ONE
    steps.assess(asof=morning, settings=settings)
    last = read_last_days(settings, morning)
    assert last["filled"][-1] == pytest.approx(0.4)
    assert last["share"][-1] == 0.0
    assert describe_night(settings, morning) == []
    assert read_last_days(settings, NIGHT) == tonight, "what the night before saw stays as it was"


@pytest.mark.slow
def test_without_a_record_in_common_it_stays_missing_and_says_so(
    settings: Settings, archive: Archive
) -> None:
    two_summers(archive, count=15)
    late(archive)
    steps.assess(asof=NIGHT, settings=settings)
    assert read_last_days(settings, NIGHT) == {
        "record": NAN * 3,
        "filled": NAN * 3,
        "share": NAN * 3,
    }
    # Of the two summers 12 days each have an index of the root zone, of this August two.
    (remark,) = describe_night(settings, NIGHT)
    assert (remark.code, remark.source) == ("substitute_unusable", "smap")
    assert remark.text.startswith("smap: smap_l3 has come and does not stand in for it: at most ")
    assert remark.text.endswith(" dates of the season in common, 60 are needed")


def test_what_came_after_the_night_is_not_seen(settings: Settings, archive: Archive) -> None:
    two_summers(archive)
    root_zone(archive, datetime(2026, 8, 3, tzinfo=UTC), [0.25] * 5)
    surface(archive, datetime(2026, 8, 3, tzinfo=UTC), 13)
    grids(archive, "smap_l3", "soil_moisture_surface", [0.3] * 2,
          datetime(2026, 8, 16, tzinfo=UTC), known=NIGHT + timedelta(minutes=1))  # fmt: skip
    steps.assess(asof=NIGHT, settings=settings)
    last = read_last_days(settings, NIGHT)
    assert last["filled"] == [0.25, 0.25, *NAN]
    midnight = NIGHT.replace(minute=0)
    days = substitutes.make_substitutes(
        archive, asof=NIGHT, start=midnight - 3 * ONE, end=midnight, region="mekong"
    )
    assert days["pairs_soil_moisture"]["time"].values[-1] == np.datetime64("2026-08-15")
    assert set(days["stand_ins"]["available_time"].values) == {utc64(NIGHT)}


@pytest.mark.parametrize(
    ("name", "daily", "mapping", "due"),
    [
        ("ndvi", [0.1] * 15 + [0.5] + [0.1] * 15, {0.4: 0.6, 0.5: 0.65, 0.6: 0.7}, 9),
        ("lst", [300.0] * 30 + [331.0], {300.0: 305.0, 301.0: 306.0, 302.0: 307.0}, 6),
    ],
)
def test_a_month_of_gk2a_stands_in_where_viirs_has_none(
    tmp_path: Path, name: str, daily: list[float], mapping: dict[float, float], due: int
) -> None:
    """The highest NDVI and the mean temperature of July, when July of VIIRS is late."""
    settings = Settings(data_dir=tmp_path, upstream="archive", records_url=None)
    night = datetime(2026, 8, 10, 0, 30, tzinfo=UTC)
    archive = open_archive(settings, night)
    months = [f"{year}-{month:02}-01" for year in (2023, 2024, 2025) for month in (6, 7, 8)]
    pairs(archive, name, months, np.repeat([*mapping], 3).tolist(),
          np.repeat([*mapping.values()], 3).tolist())  # fmt: skip
    june, july = (datetime(2026, month, 1, tzinfo=UTC) for month in (6, 7))
    grids(archive, name, name, [min(mapping.values())], june, known=timedelta(days=38))
    grids(archive, f"gk2a_{name}", name, daily, july, known=timedelta(minutes=30))
    steps.assess(asof=night, settings=settings)
    view = Snapshot(Archive(settings.archive_dir), Records(settings.database), night, {}, "")
    filled = view.filled_record
    assert filled is not None
    series = filled[name].sel(zone="city:vientiane").to_series().dropna()
    assert series.index[-1] == pd.Timestamp(2026, 8, due), "eight or five days after the month"
    assert series.iloc[-1] == pytest.approx([*mapping.values()][1], rel=1e-4)
    stands = substitutes.list_in_use(filled, asof=night)
    assert stands["city:vientiane"] == f"gk2a_{name}"
    line = f"{name}: gk2a_{name} stands in for it in {len(stands)} zones"
    assert list_texts(describe_night(settings, night)) == [line]


@pytest.mark.slow
def test_a_month_of_few_pictures_and_no_record_in_common(settings: Settings) -> None:
    july = datetime(2026, 7, 1, tzinfo=UTC)
    night = datetime(2026, 8, 10, 0, 30, tzinfo=UTC)
    archive = open_archive(settings, night)
    grids(archive, "gk2a_ndvi", "ndvi", [0.5] * 23, july, known=timedelta(minutes=30))
    steps.assess(asof=night, settings=settings)
    assert list_texts(describe_night(settings, night)) == []
    grids(archive, "gk2a_ndvi", "ndvi", [0.5], july + 25 * ONE, known=timedelta(minutes=30))
    steps.assess(asof=night, settings=settings)
    (line,) = list_texts(describe_night(settings, night))
    assert line == (
        "ndvi: gk2a_ndvi has come and does not stand in for it: at most 0 dates of the season in "
        "common, 9 are needed"
    )
    assert read_last_days(settings, night, "ndvi")["filled"] == NAN * 3


def test_nothing_is_made_where_nothing_stands_in(settings: Settings, archive: Archive) -> None:
    root_zone(archive, datetime(2026, 8, 3, tzinfo=UTC), [0.25] * 10)
    steps.assess(asof=NIGHT, settings=settings)
    with pytest.raises(NothingArchived):
        archive.read("stand_ins", asof=NIGHT)
    record = archive.read("zones", asof=NIGHT)
    filled = substitutes.fill_gaps(record, archive, asof=NIGHT)
    for name in ("rain", "coverage", "soil_moisture", "ndvi", "lst"):
        xr.testing.assert_identical(filled[name].compute(), record[name].compute())
    assert filled["soil_moisture"].chunks, "lazy"
    assert set(substitutes.list_in_use(filled, asof=NIGHT).values()) == {""}


@pytest.mark.slow
def test_the_record_that_parameters_are_fitted_on_has_no_stand_in(
    made: Settings,
) -> None:
    archive = Archive(made.archive_dir)
    stored = archive.read("zones", asof=NIGHT)["soil_moisture"]
    last = stored.dropna("time", how="all")
    assert last["time"].values[-1] == np.datetime64("2026-08-10"), "when the 7th's came"
    view = Snapshot(archive, Records(made.database), NIGHT, {}, "")
    record = view.zonal_record
    assert record is not None
    xr.testing.assert_identical(record["soil_moisture"].compute(), stored.compute())
    assert set(record.data_vars) == {"rain", "coverage", "soil_moisture", "ndvi", "lst"}
    assert daily_series.prepend_chirps(record, archive, asof=NIGHT, region="mekong") is record

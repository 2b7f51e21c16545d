"""Backup, restore and clean-up of a small published night, and what it makes again after them."""

from __future__ import annotations

import shutil
from datetime import timedelta
from pathlib import Path

import numpy as np
import pytest

from pipeline import upkeep
from pipeline.geography.grid import Grid
from pipeline.issuance.runs import bundle_run
from pipeline.settings import Settings
from pipeline.steps import UserError
from pipeline.storage import schema
from pipeline.storage.archive import Archive, NotKept
from pipeline.storage.database import alerts, runs
from pipeline.storage.records import Records
from pipeline.upkeep import BackedUp, Removed
from tests.nights.night_cases import DAY, ISSUED, record
from tests.storage.old_tables import make_old

NOW = timedelta(0)
YEARS = ISSUED + timedelta(days=3650)


@pytest.fixture
def settings(nights: Settings, tmp_path: Path) -> Settings:
    """Own copy of the nights' data folder; each kind of thing is kept for no day."""
    shutil.copytree(nights.data_dir, tmp_path / "data", symlinks=True)
    days = dict.fromkeys(("keep_upstream_days", "keep_published_days", "keep_snapshot_days"), 0)
    return nights.model_copy(update={"data_dir": tmp_path / "data", **days})


def made_again(settings: Settings) -> dict[str, bytes]:
    """Files of the first night, made again."""
    return bundle_run(Records(settings.database).run(ISSUED), settings).files


def append_zones(settings: Settings) -> None:
    """Append a newer day, and one that turned up late and had been known by then."""
    held = Archive(settings.archive_dir).stored("zones")["zone"].values.tolist()
    ds = record(held).isel(time=[-20]) + 1.0
    ds = ds.assign_coords(available_time=("time", np.array([np.datetime64("2026-08-18", "ns")])))
    Archive(settings.archive_dir).append("zones", ds.assign_attrs(origin="virtual"), message="late")


def append_rain(settings: Settings) -> None:
    """Append some days of rain every ten minutes."""
    count, start = 260, np.datetime64("2026-08-01", "ns")
    grid = Grid(15.0, 15.3, 105.0, 105.4)
    time = start + np.arange(count) * np.timedelta64(10, "m")
    ds = grid.dataset(time, rain_rate=np.zeros((count, *grid.shape), "f4"))
    ds = ds.assign_coords(available_time=("time", time)).assign_attrs(origin="virtual")
    Archive(settings.archive_dir).append("gk2a", ds, message="rain")


def move_second_night(settings: Settings) -> None:
    """Let the second night have seen the archive as it is now."""
    snapshot = Archive(settings.archive_dir).snapshot
    second = runs.c.issue_time == ISSUED + DAY
    with Records(settings.database).database.engine.begin() as connection:
        connection.execute(runs.update().where(second).values(snapshot=snapshot))


@pytest.mark.slow
def test_a_restored_night_is_made_again_byte_for_byte(settings: Settings, tmp_path: Path) -> None:
    before = made_again(settings)
    made = upkeep.backup(tmp_path / "backup", settings=settings)
    assert isinstance(made, BackedUp)
    assert made.last_night == "2026-08-21T00:30Z"
    into = settings.model_copy(update={"data_dir": tmp_path / "new"})
    assert upkeep.restore(tmp_path / "backup", settings=into) == made
    assert made_again(into) == before
    published = {
        path.relative_to(settings.published_dir): path.read_bytes()
        for path in settings.published_dir.rglob("*")
        if path.is_file()
    }
    assert {p: (into.published_dir / p).read_bytes() for p in published} == published


@pytest.mark.sqlite  # a backup copies the file
def test_wrong_folders_are_refused(settings: Settings, tmp_path: Path) -> None:
    mistyped = settings.model_copy(update={"data_dir": tmp_path / "dta", "records_url": None})
    with pytest.raises(UserError, match=r"expected something to back up in .*dta, found nothing"):
        upkeep.backup(tmp_path / "nothing", settings=mistyped)
    assert not (tmp_path / "dta").exists()
    assert not (tmp_path / "nothing").exists()
    with pytest.raises(UserError, match="expected a folder outside"):
        upkeep.backup(settings.data_dir / "backup", settings=settings)
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "file").touch()
    with pytest.raises(UserError, match="expected an empty folder"):
        upkeep.backup(tmp_path / "full", settings=settings)
    upkeep.backup(tmp_path / "backup", settings=settings)
    with pytest.raises(UserError, match=r"expected nothing in .*data, found archive, models"):
        upkeep.restore(tmp_path / "backup", settings=settings)
    asean = settings.model_copy(update={"region": "asean", "data_dir": tmp_path / "new"})
    with pytest.raises(UserError, match="expected a backup of asean, found one of mekong"):
        upkeep.restore(tmp_path / "backup", settings=asean)


@pytest.mark.slow
def test_a_night_is_made_again_after_its_snapshot_has_gone(settings: Settings) -> None:
    before = made_again(settings)
    snapshot = Records(settings.database).run(ISSUED)["snapshot"]
    append_zones(settings)
    move_second_night(settings)
    trial = upkeep.retain(asof=YEARS, dry_run=True, grace=NOW, settings=settings)
    Archive(settings.archive_dir, snapshot=snapshot)
    retained = upkeep.retain(asof=YEARS, grace=NOW, settings=settings)
    assert retained.archive == trial.archive
    assert retained.snapshots == trial.snapshots >= 1
    assert retained.asof == "2026-08-21T00:30Z", "counted from the last night, not the clock"
    with pytest.raises(NotKept):
        Archive(settings.archive_dir, snapshot=snapshot)
    assert made_again(settings) == before
    again = upkeep.retain(asof=YEARS, grace=NOW, settings=settings)
    assert (again.archive, again.snapshots) == (Removed(0, 0), 0)


@pytest.mark.slow
def test_without_its_cut_the_late_day_would_have_changed_the_night(settings: Settings) -> None:
    """The test above can fail: the newest archive as such gives another night."""
    before = made_again(settings)
    append_zones(settings)
    records = Records(settings.database)
    run = {**records.run(ISSUED), "snapshot": Archive(settings.archive_dir).snapshot}
    assert bundle_run(run, settings).files["risk.nc"] != before["risk.nc"]


@pytest.mark.slow
def test_a_night_whose_grids_have_gone_is_refused_in_one_line(settings: Settings) -> None:
    append_rain(settings)
    move_second_night(settings)
    before = made_again(settings)
    kept = upkeep.retain(asof=YEARS, grace=NOW, settings=settings)
    assert kept.steps == {}
    assert made_again(settings) == before
    shorter = settings.model_copy(update={"keep_grid_days": 5})
    assert upkeep.retain(asof=YEARS, grace=NOW, settings=shorter).steps == {"gk2a": 256}
    with pytest.raises(NotKept, match=r"run of 2026-08-20 00:30Z can no longer be made again: .*"
                       r"grids up to 2026-08-02 have gone \(MEKONG_KEEP_GRID_DAYS\)"):  # fmt: skip
        made_again(settings)


def test_a_snapshot_whose_rows_are_not_there_is_held_back(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    append_zones(settings)
    move_second_night(settings)
    snapshot = Records(settings.database).run(ISSUED)["snapshot"]
    monkeypatch.setattr("pipeline.storage.archive_clean_up.verify_cut", lambda *_: False)
    retained = upkeep.retain(asof=YEARS, grace=NOW, settings=settings)
    assert retained.held_back == (snapshot,)
    assert Archive(settings.archive_dir, snapshot=snapshot).snapshot == snapshot
    assert Records(settings.database).snapshots_cut() == set()


def test_what_is_in_force_and_the_records_stay(settings: Settings) -> None:
    records = Records(settings.database)
    oldest = records.oldest_in_force(asof=ISSUED)
    assert oldest == ISSUED
    assert records.oldest_in_force(asof=YEARS) is None
    rows, messages = records.runs(), records.messages_until(records.run(ISSUED), since=ISSUED)
    readings = records.readings.read_all("stage", asof=YEARS)
    upkeep.retain(asof=YEARS, grace=NOW, settings=settings)
    assert records.runs() == rows
    assert records.messages_until(records.run(ISSUED), since=ISSUED) == messages
    assert records.readings.read_all("stage", asof=YEARS).equals(readings)
    assert (settings.published_dir / "latest" / "index.json").is_file()


def test_a_night_that_a_clock_dated_far_ahead_takes_nothing(settings: Settings) -> None:
    """Its files are of before; those of gauges end with the night that reads them."""
    append_rain(settings)
    records = Records(settings.database)
    ahead = ISSUED + timedelta(days=3650)
    last = alerts.c.issue_time == ISSUED + DAY
    with records.database.engine.begin() as connection:
        connection.execute(alerts.update().where(last).values(issue_time=ahead))
    for source, end in (("gk2a", ISSUED), ("gauges", ahead)):
        with records.ingest(source, asof=ahead) as batch:
            batch.add_granule(
                f"{source}.nc", start=ISSUED - DAY, end=end, sha256="a", available_time=end,
                origin="virtual",
            )  # fmt: skip
    retained = upkeep.retain(asof=YEARS, dry_run=True, grace=NOW, settings=settings)
    assert retained.asof == "2026-08-27T00:30Z"


def test_nothing_goes_before_the_first_night(tmp_path: Path) -> None:
    settings = Settings(data_dir=tmp_path, records_url=None)
    assert upkeep.retain(asof=YEARS, settings=settings).asof is None


def test_tables_are_migrated_once(tmp_path: Path) -> None:
    make_old(tmp_path / "records.db")
    settings = Settings(data_dir=tmp_path, records_url=None)
    assert upkeep.migrate(settings=settings) == (None, schema.HEAD)
    assert upkeep.migrate(settings=settings) == (schema.HEAD, schema.HEAD)


def test_young_commits_stay_by_default(settings: Settings) -> None:
    append_zones(settings)
    move_second_night(settings)
    assert upkeep.retain(asof=YEARS, settings=settings).snapshots == 0

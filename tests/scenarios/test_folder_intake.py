"""A folder as people leave it: sidecars, pipes, links, later files, files that provoke anything."""

from __future__ import annotations

import os
import shutil
import stat
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import pytest

from pipeline import steps
from pipeline.console import describe_ingested
from pipeline.geography.grid import Grid
from pipeline.ingest import store as ingest_store
from pipeline.ingest.run import Ingested
from pipeline.issuance.missing import find_suspect_files
from pipeline.settings import ROOT, Settings
from pipeline.storage.archive import Archive
from pipeline.storage.records import Records
from pipeline.times import utc64
from pipeline.virtual.products import write_imerg_half_hour
from tests.sources.stray_files import lay_beside

ASOF = datetime(2026, 8, 20, 0, 30, tzinfo=UTC)
DAY = datetime(2026, 8, 19, tzinfo=UTC)
BOX = Grid(15.0, 15.3, 105.0, 105.4)
PLAIN = "station,variable,time,value,unit\n"


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return Settings(data_dir=tmp_path / "data", upstream="virtual", records_url=None)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    made = tmp_path / "downloads"
    made.mkdir()
    return made


def granule(folder: Path, slot: int = 0) -> Path:
    time = DAY + slot * timedelta(minutes=30)
    path = write_imerg_half_hour(
        folder / "laid_out", run="late", time=time, grid=BOX,
        rain_rate=np.full(BOX.shape, float(slot + 1)), published=ASOF,
    )  # fmt: skip
    return path.replace(folder / path.name)


def rows(*readings: tuple[str, float], station: str = "013901") -> str:
    return PLAIN + "".join(f"{station},stage,{time},{value},m\n" for time, value in readings)


def take(settings: Settings, folder: Path, asof: datetime = ASOF) -> Ingested:
    return steps.ingest("gauges", asof=asof, settings=settings, folder=folder)


def test_what_lies_beside_granules_is_passed_over_and_named(
    settings: Settings, folder: Path, tmp_path: Path
) -> None:
    granule(folder)
    beside = lay_beside(folder, tmp_path / "outside.nc4")
    done = steps.ingest("imerg_late", asof=ASOF, settings=settings, folder=folder)
    assert (done.read, done.added, done.rejected) == (1, 1, ())
    said = dict(one.split(": ", 1) for one in done.passed_over)
    assert set(said) == {*beside, "laid_out"}
    for name, reason in beside.items():
        assert reason in said[name], name
        assert name in describe_ingested(done) or "and" in describe_ingested(done)
    assert "passed over 1 files: a pipe (pipe.nc4)" in describe_ingested(done)


@pytest.mark.parametrize(
    ("source", "wanted"),
    [("imerg_final", "3B-HHR"), ("imerg_early", "3B-HHR-E"), ("imerg_daily", "3B-DAY-L")],
)
def test_files_of_another_run_or_cadence_are_passed_over_by_name(
    settings: Settings, folder: Path, source: str, wanted: str
) -> None:
    name = granule(folder).name
    with pytest.raises(
        FileNotFoundError, match=f"{name}: a 3B-HHR-L file, {source} takes {wanted}"
    ):
        steps.ingest(source, asof=ASOF, settings=settings, folder=folder)
    own = folder / name.replace("3B-HHR-L", wanted)
    (folder / name).replace(own)
    granule(folder)
    done = steps.ingest(source, asof=ASOF, settings=settings, folder=folder)
    assert f"{name}: a 3B-HHR-L file, {source} takes {wanted}" in done.passed_over
    assert done.read == 0
    assert f"{own.name}: expected the file of its name, found 3B-HHR-L" in done.rejected[0]
    assert Archive(settings.archive_dir).products() == []


def test_a_file_that_is_later_is_left_out_and_comes_in_later(
    settings: Settings, folder: Path
) -> None:
    (folder / "good.csv").write_text(rows(("2026-08-20T00:00Z", 9.0), station="014501"))
    (folder / "later.csv").write_text(rows(("2026-08-25T00:00Z", 7.5)))
    done = take(settings, folder)
    assert (done.read, done.added, done.rejected, done.nothing_came_in) == (1, 1, (), False)
    (said,) = done.passed_over
    assert said.startswith("later.csv: later than 2026-08-20 00:30Z, left out: its first reading")
    assert "left out: its first reading is of 2026-08-25 00:00Z (later.csv)" in describe_ingested(
        done
    )
    after = take(settings, folder, ASOF + timedelta(days=9))
    assert (after.read, after.added) == (1, 1)
    found = Records(settings.database).readings.read("stage", asof=ASOF + timedelta(days=9))
    assert found.set_index("station")["value"].to_dict() == {"014501": 9.0, "013901": 7.5}


def test_the_later_part_of_a_file_comes_in_later(settings: Settings, folder: Path) -> None:
    path = folder / "part.csv"
    path.write_text(rows(("2026-08-20T00:00Z", 7.0), ("2026-08-21T00:00Z", 8.0)))
    first = take(settings, folder)
    assert (first.read, first.added) == (1, 1)
    assert "1 dated later" in first.rejected[0]
    assert take(settings, folder).read == 0
    later = take(settings, folder, ASOF + timedelta(days=1))
    assert (later.read, later.added, later.rejected) == (1, 1, ())


def test_a_grid_of_the_future_comes_in_when_it_is_due(settings: Settings, folder: Path) -> None:
    granule(folder, slot=60)
    early = steps.ingest("imerg_late", asof=ASOF, settings=settings, folder=folder)
    assert "in the future" in early.rejected[0]
    assert early.nothing_came_in
    due = steps.ingest(
        "imerg_late", asof=ASOF + timedelta(days=1), settings=settings, folder=folder
    )
    assert (due.read, due.added, due.rejected) == (1, 1, ())


def test_whatever_a_file_provokes_is_its_rejection(
    settings: Settings, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from pipeline.sources.gauges import gauge_files

    read = gauge_files.read

    def provoked(path: Path) -> object:
        word = path.read_text().split()[0]
        if word == "deep":
            return provoked(path)
        if word == "odd":
            raise ZeroDivisionError("division\x00 by \ud800 zero")
        return read(path)

    monkeypatch.setattr(gauge_files, "read", provoked)
    (folder / "good.csv").write_text(rows(("2026-08-20T00:00Z", 9.0)))
    (folder / "deep.csv").write_text("deep")
    (folder / "deep.csv").rename(os.fsdecode(os.fsencode(folder) + b"/deep\xff\n.csv"))
    (folder / "odd.csv").write_text("odd")
    done = take(settings, folder)
    assert (done.read, done.added) == (1, 1)
    assert [why.split(":")[0] for why in done.rejected] == ["deep\\udcff\\n.csv", "odd.csv"]
    assert "found RecursionError" in done.rejected[0]
    assert done.rejected[1].endswith("found ZeroDivisionError: division? by ? zero")
    inputs = Records(settings.database).inputs(asof=ASOF, start=DAY - timedelta(days=9))
    kept = {row["name"]: row["sha256"] for row in inputs}
    assert len(kept["odd.csv"]) == 64
    again = take(settings, folder)
    assert (again.read, again.known, again.rejected) == (0, 3, ()), "not read again"


def test_what_a_reader_remarks_is_told_and_kept(
    settings: Settings, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from pipeline.sources.gauges import gauge_files

    read = gauge_files.read

    def remarking(path: Path) -> object:
        table = read(path)
        table.attrs["bad_rows"] = [f"line {n}: 'x' is no number" for n in range(2, 9)]
        table.attrs["said"] = ["taken for the plain layout"]
        return table

    monkeypatch.setattr(gauge_files, "read", remarking)
    (folder / "a.csv").write_text(rows(("2026-08-20T00:00Z", 9.0), station="450101"))
    done = take(settings, folder)
    text = describe_ingested(done)
    assert "gauges: a.csv: taken for the plain layout" in text
    assert "a.csv: left out 7 bad rows: line 2: 'x' is no number; line 3:" in text
    assert "line 6: 'x' is no number; and 2 more" in text
    assert "line 7" not in text
    assert "new stations 450101 in a.csv" in text
    (row,) = Records(settings.database).inputs(asof=ASOF, start=DAY - timedelta(days=9))
    assert row["notes"]["said"] == ["taken for the plain layout"]
    assert len(row["notes"]["bad_rows"]) == 7


def test_cells_out_of_range_and_suspect_fields_are_kept_with_the_granule(
    settings: Settings, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from pipeline.sources import imerg

    read = imerg.read

    def counting(path: Path, grid: Grid) -> object:
        ds = read(path, grid)
        ds.attrs["out_of_range"] = {"rain_rate": {"cells": 3, "worst": np.float64(1e30)}}
        return ds

    monkeypatch.setattr(imerg, "read", counting)
    monkeypatch.setattr(
        ingest_store, "find_suspect_steps",
        lambda grids, **_: {grids[0]["time"].values[0]: "identical to the window before"},
    )  # fmt: skip
    for slot in (0, 1):
        granule(folder, slot)
    done = steps.ingest("imerg_late", asof=ASOF, settings=settings, folder=folder)
    assert done.added == 2
    assert "3 cells of rain_rate out of range, the worst 1e+30" in describe_ingested(done)
    assert "suspect, identical to the window before" in describe_ingested(done)
    store = Records(settings.database)
    first, second = store.inputs(asof=ASOF, start=DAY)
    assert first["notes"]["out_of_range"] == {"rain_rate": {"cells": 3, "worst": 1e30}}
    assert "suspect" not in second["notes"]
    assert find_suspect_files(store, asof=ASOF, start=DAY) == {"imerg_late": {utc64(DAY)}}
    ds = Archive(settings.archive_dir).read("imerg_late", asof=ASOF)
    assert "out_of_range" not in ds.attrs


def test_a_window_without_any_value_is_named(
    settings: Settings, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from pipeline.sources import imerg

    read = imerg.read
    monkeypatch.setattr(imerg, "read", lambda path, grid: read(path, grid).where(False))
    granule(folder, 0)
    done = steps.ingest("imerg_late", asof=ASOF, settings=settings, folder=folder)
    assert "no value of rain_rate in the window" in describe_ingested(done)
    (row,) = Records(settings.database).inputs(asof=ASOF, start=DAY)
    assert row["notes"]["empty"] == ["rain_rate"]


def test_a_variable_without_any_value_is_noted_with_the_granule(
    settings: Settings, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A daily file that does not say its half-hours: rain of no known day."""
    from pipeline.sources import imerg

    read = imerg.read

    def uncounted(path: Path, grid: Grid) -> object:
        ds = read(path, grid)
        return ds.assign(n_valid=ds["rain_rate"] * np.nan)

    monkeypatch.setattr(imerg, "read", uncounted)
    granule(folder, 0)
    done = steps.ingest("imerg_late", asof=ASOF, settings=settings, folder=folder)
    assert done.added == 1
    assert "no value of n_valid in the window" in describe_ingested(done)
    (row,) = Records(settings.database).inputs(asof=ASOF, start=DAY)
    assert row["notes"]["empty"] == ["n_valid"]


def test_a_file_of_other_variables_than_the_archive_does_not_end_the_night(
    settings: Settings, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from pipeline.sources import imerg

    granule(folder, 0)
    steps.ingest("imerg_late", asof=ASOF, settings=settings, folder=folder)
    read = imerg.read
    monkeypatch.setattr(imerg, "read", lambda path, grid: read(path, grid).rename(rain_rate="rain"))
    granule(folder, 1)
    done = steps.ingest("imerg_late", asof=ASOF, settings=settings, folder=folder)
    assert "expected rain_rate as in the others, found rain" in done.rejected[0]


def test_a_file_of_more_than_a_gigabyte_is_not_opened(settings: Settings, folder: Path) -> None:
    with (folder / "big.csv").open("wb") as stream:
        stream.truncate(1_000_000_001)
    (folder / "good.csv").write_text(rows(("2026-08-20T00:00Z", 9.0)))
    done = take(settings, folder)
    assert done.rejected == ("big.csv: expected at most 1e+09 bytes, found 1000000001",)
    assert done.added == 1
    assert take(settings, folder).known == 2


@pytest.mark.slow
def test_two_ingests_at_once_both_end_well(settings: Settings, folder: Path) -> None:
    for number in range(3):
        granule(folder, number)
    exports = folder.parent / "exports"
    exports.mkdir()
    for code in ("013901", "014501"):
        (exports / f"{code}.csv").write_text(rows(("2026-08-20T00:00Z", 9.0), station=code))
    kept = {key: value for key, value in os.environ.items() if not key.startswith("MEKONG_")}
    environment = kept | {"MEKONG_DATA_DIR": str(settings.data_dir), "PYTHONPATH": str(ROOT)}
    commands = [("gauges", exports)] * 3
    started = [
        subprocess.Popen(
            [sys.executable, "-m", "pipeline", "ingest", source, "--from", str(taken),
             "--date", "2026-08-20"],
            env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
        )
        for source, taken in commands
    ]  # fmt: skip
    for one in started:
        said, _ = one.communicate(timeout=300)
        assert one.returncode == 0, said
        assert "Traceback" not in said
    found = Records(settings.database).readings.read("stage", asof=ASOF)
    assert found["station"].tolist() == ["013901", "014501"]
    assert found["version"].tolist() == [0, 0]


@pytest.mark.sqlite  # rights of the file
def test_what_is_made_is_its_owners_alone(settings: Settings, folder: Path) -> None:
    before = os.umask(0)
    try:
        granule(folder, 0)
        (folder / "good.csv").write_text(rows(("2026-08-20T00:00Z", 9.0)))
        steps.ingest("imerg_late", asof=ASOF, settings=settings, folder=folder)
    finally:
        os.umask(before)

    def mode(path: Path) -> int:
        return stat.S_IMODE(path.stat().st_mode)

    assert mode(settings.data_dir) == 0o711, "published/ can be passed on from it"
    assert mode(settings.archive_dir) == 0o700
    for end in ("", "-wal", "-shm"):
        path = settings.data_dir / f"records.db{end}"
        assert not path.exists() or mode(path) == 0o600
    (settings.data_dir / "records.db").chmod(0o644)
    Records(settings.database)
    assert mode(settings.data_dir / "records.db") == 0o640
    shutil.rmtree(settings.data_dir)


def test_a_name_that_is_not_utf8_is_stored_as_it_can_be_shown(
    settings: Settings, folder: Path
) -> None:
    (folder / "good.csv").write_text(rows(("2026-08-19T07:00:00+07:00", 7.4)))
    thai = os.fsdecode("ระดับ".encode("cp874") + b".csv")
    (folder / thai).write_text(rows(("2026-08-19T07:00:00+07:00", 3.1), station="013801"))
    assert (done := take(settings, folder)).added == 2
    assert done.rejected == ()


def test_two_bad_rows_of_twenty_cost_the_file_and_one_of_three_itself(
    settings: Settings, folder: Path
) -> None:
    days = [(f"2026-07-{day:02d}T07:00:00+07:00", 5.0 + day / 100) for day in range(1, 21)]
    whole = rows(*days).replace("5.03,", "high,").replace("5.09,", "low,")
    (folder / "two.csv").write_text(whole)
    (folder / "one.csv").write_text(rows(*days[:3], station="013801").replace("5.02,", "high,"))
    done = take(settings, folder)
    assert done.added == 2
    assert "2 bad of 20 rows" in done.rejected[0]

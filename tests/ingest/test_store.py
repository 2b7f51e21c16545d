"""Bad, revised and real files through the ingest step into real stores."""

from __future__ import annotations

import os
import weakref
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Literal

import h5py
import numpy as np
import pandas as pd
import pytest
import xarray as xr

from pipeline import steps
from pipeline.console import describe_ingested
from pipeline.geography.grid import Grid
from pipeline.ingest import store as ingest_store
from pipeline.ingest.run import Ingested
from pipeline.settings import ROOT, Settings
from pipeline.sources import SOURCES, imerg, smap
from pipeline.sources.base import Granule
from pipeline.storage.archive import Archive, NothingArchived
from pipeline.storage.database import Database
from pipeline.storage.records import Records
from pipeline.times import utc64
from pipeline.virtual.tables import write_mrc_export
from tests.ingest.granule_cases import (
    ASOF,
    BOX,
    DAY,
    HALF_HOUR,
    HTML,
    half_hour,
    night,
    notes,
    rates,
    republish,
)

REAL = ROOT.parent / "shared" / "real_files"
real = pytest.mark.skipif(not REAL.is_dir(), reason="the real files are not here")
PAKSE = "013901"


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return Settings(data_dir=tmp_path / "data", upstream="virtual", records_url=None)


def change(path: Path, edit: Callable[[h5py.File], None]) -> None:
    published = path.stat().st_mtime
    with h5py.File(path, "r+") as file:
        edit(file)
    os.utime(path, (published, published))


def shift_grid(file: h5py.File) -> None:
    file["Grid/lat"][...] = file["Grid/lat"][...] + 0.05


def other_grid(file: h5py.File) -> None:
    rain = file["Grid/precipitation"]
    units = rain.attrs["units"]
    del file["Grid/precipitation"]
    made = file["Grid"].create_dataset("precipitation", (1, 360, 180), "f4")
    made.attrs["units"] = units


def drop_rain(file: h5py.File) -> None:
    del file["Grid/precipitation"]


def other_unit(file: h5py.File) -> None:
    file["Grid/precipitation"].attrs["units"] = np.bytes_(b"kg m-2 s-1")


def other_time(file: h5py.File) -> None:
    file["Grid/time"][0] += 365 * 86_400


def negative(file: h5py.File) -> None:
    file["Grid/precipitation"][0, 2850:2853, 1050:1053] = -3.0


BAD_GRANULES: dict[str, tuple[Callable[[Path], None], str, str]] = {
    "cut short": (
        lambda path: republish(path, path.read_bytes()[:-5000]), "a whole HDF5 file", "truncated"
    ),
    "half a header": (
        lambda path: republish(path, path.read_bytes()[:40]), "a whole HDF5 file", "Unable to"
    ),
    "HTML": (lambda path: republish(path, HTML), "an HDF5 file", "<!DOCTYPE html>"),
    "empty": (lambda path: republish(path, b""), "an HDF5 file", "an empty file"),
    "shifted grid": (lambda path: change(path, shift_grid), "cell centres", "centres 0.050 off"),
    "coarse grid": (lambda path: change(path, other_grid), "1 x 3600 x 1800", "(1, 360, 180)"),
    "no rain": (lambda path: change(path, drop_rain), "variable precipitation", "Intermediate"),
    "other unit": (lambda path: change(path, other_unit), "mm/hr", "kg m-2 s-1"),
    "other year": (
        lambda path: change(path, other_time), "time 2026-08-19T01:00", "2027-08-19T01:00"
    ),
    "negative rain": (lambda path: change(path, negative), "rain_rate in 0..500", "worst -3"),
}  # fmt: skip


@pytest.mark.parametrize("kind", BAD_GRANULES)
def test_a_bad_granule_is_named_and_the_rest_goes_on(settings: Settings, kind: str) -> None:
    spoil, expected, found = BAD_GRANULES[kind]
    half_hour(settings, 0)
    assert night(settings, slots=1).added == 1, "stored before the bad one comes"
    for slot in (1, 2, 3):
        half_hour(settings, slot)
    path = half_hour(settings, 2)
    spoil(path)

    done = night(settings)
    assert (done.read, done.known, done.added) == (2, 1, 2)
    (why,) = done.rejected
    assert path.name in why
    assert expected in why.split("found", 1)[0].split("expected", 1)[1]
    assert found in why.split("found", 1)[1]
    assert f"imerg_late: rejected {why}" in describe_ingested(done)
    assert rates(settings) == {0: 0.0, 1: 1.0, 3: 3.0}
    said = notes(settings)
    assert said.pop(path.name) == why
    assert list(said.values()) == [None] * 3

    snapshot, batch = (
        Archive(settings.archive_dir).snapshot,
        Database(settings.database).batch,
    )
    again = night(settings)
    assert (again.read, again.known, again.added, again.rejected) == (0, 4, 0, ())
    assert Archive(settings.archive_dir).snapshot == snapshot
    assert Database(settings.database).batch == batch


def test_all_granules_bad_at_once(settings: Settings) -> None:
    for slot in range(4):
        republish(half_hour(settings, slot), HTML)
    done = night(settings)
    assert (done.read, done.added, len(done.rejected)) == (0, 0, 4)
    assert rates(settings) == {}
    assert all(notes(settings).values())


def export(
    folder: Path,
    *,
    code: str = PAKSE,
    variable: Literal["stage", "discharge", "rain"] = "stage",
    days: int = 3,
    first: float = 7.0,
    name: str = "Pakse",
    published: datetime = ASOF,
) -> Path:
    """Morning readings that rise by a metre a day, the last of the morning of ``ASOF``."""
    time = utc64(ASOF).astype("datetime64[D]") - np.arange(days)[::-1]
    return write_mrc_export(
        folder, country="LA", code=code, station=name, lat=15.1, lon=105.8, variable=variable,
        valid_time=time, value=first + np.arange(days), published=published,
    )  # fmt: skip


@pytest.fixture
def exports(tmp_path: Path) -> Path:
    return tmp_path / "exports"


def readings(settings: Settings, *, asof: datetime = ASOF) -> pd.DataFrame:
    return Records(settings.database).readings.read("stage", asof=asof)


def stages(settings: Settings, *, asof: datetime = ASOF) -> dict[str, list[float]]:
    found = readings(settings, asof=asof).groupby("station")["value"]
    return {str(code): values.tolist() for code, values in found}


def take(settings: Settings, folder: Path, *, asof: datetime = ASOF) -> Ingested:
    return steps.ingest("gauges", asof=asof, settings=settings, folder=folder)


def swap(path: Path, old: str, new: str, *, count: int = -1) -> Path:
    path.write_text(path.read_text().replace(old, new, count))
    return path


BAD_EXPORTS: dict[str, tuple[Callable[[Path], object], str, str]] = {
    "unit": (lambda path: swap(path, ",m,", ",ft,"), "unit m or cm or mm", "ft"),
    "two units": (lambda path: swap(path, ",m,", ",cm,", count=1), "one unit", "cm"),
    "malformed code": (lambda path: swap(path, PAKSE, "13910"), "station 013901", "13910"),
    "other station": (lambda path: swap(path, PAKSE, "014501"), "station 013901", "014501"),
    "stamps": (lambda path: swap(path, "2026-08-", "08/2026/"), "rows of a portal", "stamps like"),
    "texts": (
        lambda path: swap(path, ".00,m", ".x,m"),
        "rows of a portal",
        "a number, found '8.x'",
    ),
    "HTML": (lambda path: path.write_bytes(HTML), "the header", "<!DOCTYPE html>"),
    "cut short": (lambda path: path.write_bytes(path.read_bytes()[:180]), "rows of", "10 cells"),
    "empty": (lambda path: path.write_bytes(b""), "the header", "an empty file"),
}


@pytest.mark.parametrize("kind", BAD_EXPORTS)
def test_a_bad_export_is_named_and_the_rest_goes_on(
    settings: Settings, exports: Path, kind: str
) -> None:
    spoil, expected, found = BAD_EXPORTS[kind]
    export(exports, days=2)
    assert take(settings, exports, asof=ASOF - timedelta(minutes=10)).added == 2
    path = export(exports)
    spoil(path)
    export(exports, code="014501", name="Stung Treng", first=3.0)
    done = take(settings, exports)
    (why,) = done.rejected
    assert why.startswith(f"{path.name}: expected {expected}")
    assert found in why.split("found", 1)[1]
    assert (done.read, done.added) == (1, 3)
    assert stages(settings) == {PAKSE: [7.0, 8.0], "014501": [3.0, 4.0, 5.0]}
    assert why in notes(settings).values()
    assert take(settings, exports).added == 0
    export(exports)
    mended = take(settings, exports)
    assert (mended.read, mended.rejected) == (1, ())
    assert stages(settings)[PAKSE] == [7.0, 8.0, 9.0]


def test_a_code_that_is_no_code_in_name_and_content(settings: Settings, exports: Path) -> None:
    export(exports)
    path = export(exports, code="13901")
    (why,) = take(settings, exports).rejected
    assert why == f"{path.name}: expected station 13901 as in its name, found '13901'"
    assert stages(settings) == {PAKSE: [7.0, 8.0, 9.0]}


def test_readings_dated_in_the_future_are_left_out_and_named(
    settings: Settings, exports: Path
) -> None:
    path = swap(export(exports), "2026-08-20T00:00Z", "2062-08-20T00:00Z")
    done = take(settings, exports)
    (why,) = done.rejected
    assert why == (
        f"{path.name}: expected readings up to 2026-08-20 00:30Z, "
        "found 1 dated later, the last 2062-08-20 00:00:00"
    )
    assert (done.read, done.added) == (1, 2)
    assert stages(settings, asof=datetime(2063, 1, 1, tzinfo=UTC)) == {PAKSE: [7.0, 8.0]}


def test_duplicates_count_once(settings: Settings, exports: Path) -> None:
    path = export(exports)
    rows = path.read_text()
    last = rows.splitlines()[-1]
    path.write_text(f"{rows}{last}\n{last.replace('9.00', '9.50')}\n")
    telemetry = swap(path, "", "").with_name(path.name.replace("Manual", "Telemetry"))
    telemetry.write_text(rows.replace("Manual", "Telemetry").replace("7.00", "70.00"))
    done = take(settings, exports)
    assert done.rejected == ()
    assert done.added == 7, "both values and the sensor's are kept"
    found = readings(settings)
    assert found["value"].tolist()[1:] == [8.0, 9.0], "of a conflict the one that the sensor has"
    assert found["method"].tolist() == ["manual"] * 3
    assert found["qc"].tolist() == ["good", "good", "chosen"]
    found = Records(settings.database).readings.read_all("stage", asof=ASOF)
    assert found["value"].tolist() == [7.0, 8.0, 9.0, 9.5, 70.0, 8.0, 9.0]
    found = found[found["method"] == "manual"]
    assert found["qc"].tolist() == ["good", "good", "chosen", "conflict"]
    assert found["origin"].unique().tolist() == ["virtual"]


def test_a_corrected_reading_is_known_from_then_on(settings: Settings, exports: Path) -> None:
    export(exports)
    take(settings, exports)
    swap(export(exports), ",8.00,", ",8.25,")
    later = ASOF + timedelta(days=1)
    done = take(settings, exports, asof=later)
    assert (done.read, done.added) == (1, 1)
    assert stages(settings) == {PAKSE: [7.0, 8.0, 9.0]}
    assert stages(settings, asof=later) == {PAKSE: [7.0, 8.25, 9.0]}


def test_exports_are_found_where_a_night_leaves_them(settings: Settings) -> None:
    night_of = settings.upstream_dir / f"mrc/{ASOF:%Y%m%dT%H%M}"
    good = export(night_of)
    swap(export(night_of, code="014501", name="Stung Treng"), ",m,", ",ft,")
    os.utime(good, (ASOF.timestamp(),) * 2)
    for path in night_of.glob("*014501*"):
        os.utime(path, (ASOF.timestamp(),) * 2)
    done = steps.ingest("gauges", asof=ASOF, settings=settings)
    assert (done.read, done.added) == (1, 3)
    assert "unit m or cm or mm, found ft" in done.rejected[0]
    assert stages(settings) == {PAKSE: [7.0, 8.0, 9.0]}


def test_a_parameter_that_nothing_uses_is_passed_over(settings: Settings, exports: Path) -> None:
    export(exports)
    path = export(exports, code="014501", name="Stung Treng")
    other = path.with_name(path.name.replace("Water Level", "Evaporation"))
    other.write_text(path.read_text().replace("Water Level", "Evaporation"))
    path.unlink()
    done = take(settings, exports)
    assert (done.read, done.rejected) == (1, ())
    assert "Evaporation is not used" in done.passed_over[0]
    assert "passed over 1 files" in describe_ingested(done)


def test_a_station_that_the_table_does_not_know_is_named_and_kept(
    settings: Settings, exports: Path
) -> None:
    export(exports)
    export(exports, code="450101", name="Lumphat")
    done = take(settings, exports)
    assert done.unknown_station_files == ("Water Level.Manual@LA_450101_[Lumphat].csv",)
    assert "expected stations of data/reference/stations.csv, found others" in describe_ingested(
        done
    )
    assert set(stages(settings)) == {PAKSE, "450101"}


def test_what_only_the_user_can_mend(settings: Settings, tmp_path: Path) -> None:
    with pytest.raises(steps.UserError, match=r"expected a source of .* found 'sentinel'"):
        steps.ingest("sentinel", asof=ASOF, settings=settings)
    gone = tmp_path / "gone"
    with pytest.raises(FileNotFoundError, match=r"expected a folder of gauges files.*gone"):
        take(settings, gone)
    gone.mkdir()
    with pytest.raises(FileNotFoundError, match=r"expected gauges files in .*gone, found none"):
        take(settings, gone)


def test_killed_between_the_two_stores(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    for slot in range(4):
        half_hour(settings, slot)

    def killed(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(Records, "ingest", killed)
        with pytest.raises(KeyboardInterrupt):
            night(settings)
    snapshot = Archive(settings.archive_dir).snapshot
    assert notes(settings) == {}
    done = night(settings)
    assert (done.read, done.added) == (4, 0), "the grids were there, the notes are made up for"
    assert Archive(settings.archive_dir).snapshot == snapshot
    assert len(notes(settings)) == 4
    assert rates(settings) == {0: 0.0, 1: 1.0, 2: 2.0, 3: 3.0}


def test_a_long_record_is_taken_batch_by_batch(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ingest_store, "FILES_AT_A_TIME", 3)
    for slot in range(8):
        half_hour(settings, slot)
    broken = half_hour(settings, 5)
    republish(broken, HTML)
    held, most = set[int](), 0
    take = ingest_store.read_file

    def counted(*given: Any, **more: Any) -> ingest_store.Content:
        nonlocal most
        one = take(*given, **more)
        held.add(id(one))
        weakref.finalize(one, held.discard, id(one))
        most = max(most, len(held))
        return one

    shown: list[tuple[int, int]] = []
    monkeypatch.setattr(ingest_store, "read_file", counted)
    done = steps.ingest(
        "imerg_late", asof=ASOF, settings=settings, start=DAY, end=DAY + 8 * HALF_HOUR,
        progress=lambda _, number, total: shown.append((number, total)),
    )  # fmt: skip
    assert (done.read, done.added, len(done.rejected)) == (7, 7, 1)
    assert broken.name in done.rejected[0]
    assert rates(settings) == {slot: float(slot) for slot in range(8) if slot != 5}
    assert shown == [(number, 8) for number in range(1, 9)]
    assert most <= 2 * ingest_store.FILES_AT_A_TIME, "what has been stored is let go of"


@real
@pytest.mark.parametrize(
    ("source", "pattern", "grid", "seen"),
    [
        ("imerg_final", "imerg/3B-HHR*V06B.HDF5", Grid(-90.0, -89.0, -180.0, -179.0), 0.0),
        ("imerg_final", "imerg/3B-HHR*V07A.HDF5", Grid(-90.0, -89.0, -180.0, -179.0), 0.7),
        ("imerg_daily_final", "imerg/3B-DAY*", Grid(2.8, 38.0, -109.1, -62.6), 1.0),
        ("smap", "smap/SMAP_L4_SM_aup_input*", Grid(30.0, 40.0, -110.0, -100.0), 1.0),
    ],
)
def test_real_files_come_back_from_the_archive(
    settings: Settings, source: str, pattern: str, grid: Grid, seen: float
) -> None:
    row = SOURCES[source]
    (path,) = REAL.glob(pattern)
    read = smap.read if source == "smap" else imerg.read
    listed = {file.path: file for file in ingest_store.list_files(row, path.parent, asof=ASOF)}

    def on_grid(file: Path) -> xr.Dataset:
        return read(file, grid)

    content = ingest_store.read_file(row, listed[path], on_grid, asof=ASOF, from_folder=True)
    assert content.rejected is None
    archive, records = Archive(settings.archive_dir), Records(settings.database)
    assert ingest_store.store(row, [content], archive=archive, records=records, asof=ASOF) == (
        1,
        [],
    )
    expected = on_grid(path)
    found = archive.read(source, asof=ASOF)
    for name in expected.data_vars:
        np.testing.assert_array_equal(found[name].values, expected[name].values)
        assert found[name].dtype == expected[name].dtype
    share = float(np.isfinite(found[next(iter(expected.data_vars))].values).mean())
    assert share == pytest.approx(seen), "the V06 file holds fill alone"
    np.testing.assert_array_equal(found["lat"], grid.lat)
    assert found.rio.crs.to_epsg() == 4326
    assert archive.origin(source) == "measured"
    known = content.file.granule.end + row.latency
    assert found["available_time"].values.tolist() == [utc64(known).item()]
    with pytest.raises(NothingArchived):
        archive.read(source, asof=known - timedelta(seconds=1))


@real
def test_real_files_over_another_region_are_rejected_whole(settings: Settings) -> None:
    done = steps.ingest("imerg_final", asof=ASOF, settings=settings, folder=REAL / "imerg")
    assert (done.read, done.added) == (0, 0)
    assert len(done.rejected) == len(list((REAL / "imerg").iterdir())) - 1
    assert done.passed_over[0].endswith("a 3B-DAY file, imerg_final takes 3B-HHR")
    assert any("cells in" in why for why in done.rejected)
    assert Archive(settings.archive_dir).products() == []


def test_a_file_with_other_variables_than_the_rest_is_rejected_and_the_rest_stand(
    tmp_path: Path,
) -> None:
    time = np.array(["2026-08-19"], "M8[ns]")
    field = np.ones((1, *BOX.shape), "f4")
    contents = [
        ingest_store.Content(
            ingest_store.File(Granule("smap", "", name, ASOF, ASOF), tmp_path / name, ASOF),
            BOX.dataset(time, **{variable: field}),
            "measured",
            None,
        )
        for name, variable in (("a", "soil_moisture"), ("b", "rain"), ("c", "soil_moisture"))
    ]
    kept = ingest_store.reject_other_variables(contents)
    assert [one.data is None for one in kept] == [False, True, False]
    assert kept[1].rejected == "b: expected soil_moisture as in the others, found rain"
    assert ingest_store.reject_other_variables(contents[:1]) == contents[:1]


@pytest.mark.parametrize(
    ("source", "name", "said"),
    [
        ("gk2a_lst", "gk2a_ami_le2_rr_fd020ge_202608190000.nc", "rr, gk2a_lst takes lst"),
        ("lst", "VNP13C2.A2026182.002.2026220.h5", "a file of ndvi, not of lst"),
        ("gldas", "GLDAS_NOAH025_M.A202601.021.nc4", "a GLDAS_NOAH025_M file, not one of gldas"),
        ("smap", "SMAP_L3_SM_P_20260819_R19240_001.h5", "level 3, not one of smap"),
        ("smap_l3", "SMAP_L4_SM_gph_20260819T133000_Vv8010_001.h5", "level 4, not one of smap_l3"),
    ],
)
def test_files_of_a_kindred_product_are_passed_over(
    tmp_path: Path, source: str, name: str, said: str
) -> None:
    (tmp_path / name).touch()
    with pytest.raises(FileNotFoundError, match=said):
        ingest_store.list_files(SOURCES[source], tmp_path, asof=ASOF)


def test_readings_are_taken_whatever_the_case_of_the_name(tmp_path: Path) -> None:
    names = ["A.CSV", "b.txt", "c.csv.gz", "D.Zip", "e.XLSX", "f.json", "g.XML", "h.wml", "i.tsv"]
    others = ["j.pdf", "k.csv.md5", "l.aux.xml", "m.cmr.json", "x__metadata.txt", "n.docx"]
    for name in names + others:
        (tmp_path / name).write_text("x")
    found = ingest_store.list_files(SOURCES["gauges"], tmp_path, asof=ASOF)
    assert sorted(file.path.name for file in found) == sorted(names)
    said = ingest_store.list_passed_over(SOURCES["gauges"], tmp_path)
    assert [one.split(": ")[0] for one in said] == sorted(others)
    assert "j.pdf: not a file of readings (.csv, .txt" in said[0]

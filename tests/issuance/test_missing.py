"""What a night says of files that were bad, suspect or did not come, and what rests on them."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import xarray as xr

from pipeline.geography.places import zones
from pipeline.issuance.missing import find_missing, find_suspect_files
from pipeline.issuance.snapshot import Snapshot
from pipeline.remarks import list_texts
from pipeline.storage.archive import Archive
from pipeline.storage.records import Records
from pipeline.times import utc64
from tests.issuance.snapshot_cases import add_doubts
from tests.storage.zone_steps import zone_steps

ASOF = datetime(2026, 8, 20, 0, 30, tzinfo=UTC)
MIDNIGHT = datetime(2026, 8, 20, tzinfo=UTC)
DAY = timedelta(days=1)
SLOT = timedelta(minutes=30)


@pytest.fixture
def snapshot(tmp_path: Path) -> Snapshot:
    store = Records(f"sqlite:///{tmp_path / 'records.db'}")
    return Snapshot(Archive(tmp_path / "archive"), store, ASOF, {}, "none")


def note(
    snapshot: Snapshot,
    source: str,
    start: datetime,
    *,
    known: datetime = ASOF,
    end: datetime | None = None,
    **notes: Any,
) -> str:
    """Put a sound file with notes into the tables; its name."""
    name = f"{source}-{start:%Y%m%dT%H%M}-{known:%d%H%M}"
    with snapshot.records.ingest(source, asof=ASOF) as batch:
        batch.add_granule(
            name,
            start=start,
            end=end or start + SLOT,
            sha256=name,
            available_time=known,
            origin="virtual",
            notes=notes,
        )
    return name


def test_zones_that_the_models_do_not_know_are_named_in_one_line(snapshot: Snapshot) -> None:
    every = list(zones())
    record = zone_steps("2026-08-19", {name: [1.0] for name in every}, "2026-08-20")
    for name in ("soil_moisture", "ndvi", "lst"):
        record[name] = record["rain"]
    snapshot.archive.append("zones", record, message="test")
    shape = np.full((2, len(every)), 1.5)
    shape[:, every.index("city:pakse")] = np.nan
    shape[0, every.index("city:hanoi")] = np.nan
    known = every[1:]  # every[0] is not among the model's zones at all
    fitted = xr.Dataset(
        {"shape": (("dayofyear", "zone"), shape[:, 1:])}, {"dayofyear": [1, 2], "zone": known}
    )
    model = SimpleNamespace(parameters=lambda: {"spi90": fitted})
    remarks = find_missing(replace(snapshot, models={"drought": model})).remarks
    (remark,) = [remark for remark in remarks if remark.code == "zone_new"]
    first = zones()[every[0]]
    assert f"indices of {first.name} ({first.id}), Pakse (city:pakse): the models" in remark.text
    assert not [remark for remark in find_missing(snapshot).remarks if remark.code == "zone_new"]


def test_cells_out_of_range_are_counted_by_source_and_variable(snapshot: Snapshot) -> None:
    three_cells = {"rain_rate": {"cells": 3, "worst": 1e30}}
    four_cells = {"rain_rate": {"cells": 4, "worst": -5.0}}
    note(snapshot, "imerg_late", MIDNIGHT - DAY, out_of_range=three_cells)
    last = note(snapshot, "imerg_late", MIDNIGHT - DAY + SLOT, out_of_range=four_cells)
    remarks = list_texts(find_missing(snapshot).remarks)
    assert (
        f"imerg_late: 7 cells of rain_rate out of range, left out, in 2 files, the last {last}, "
        "the worst 1e+30"
    ) in remarks


def test_bad_rows_are_counted_by_file(snapshot: Snapshot) -> None:
    first = note(snapshot, "gauges", MIDNIGHT - DAY, bad_rows=["line 3: ..", "line 7: .."])
    second = note(snapshot, "gauges", MIDNIGHT - DAY + SLOT, bad_rows=["line 2: .."])
    note(snapshot, "gauges", MIDNIGHT - DAY + 2 * SLOT)
    remarks = list_texts(find_missing(snapshot).remarks)
    assert f"gauges: bad rows left out: 2 of {first}, 1 of {second}" in remarks


def test_windows_without_a_value_are_named(snapshot: Snapshot) -> None:
    name = note(snapshot, "smap", MIDNIGHT - DAY, empty=["soil_moisture"])
    remarks = list_texts(find_missing(snapshot).remarks)
    assert f"smap: no value of soil_moisture in the window: {name}" in remarks


def test_tiles_that_were_left_out_are_named(snapshot: Snapshot) -> None:
    note(snapshot, "floodmap", MIDNIGHT - DAY, said=["a tile is left out: h28v08.h5: expected .."])
    note(snapshot, "gauges", MIDNIGHT - DAY, said=["taken for the plain layout"])
    remarks = list_texts(find_missing(snapshot).remarks)
    assert "floodmap: a tile is left out: h28v08.h5: expected .." in remarks
    assert not any("plain layout" in line for line in remarks), "that is for the ingest to say"


def test_suspect_files_are_named_with_their_reason(snapshot: Snapshot) -> None:
    name = note(snapshot, "smap", MIDNIGHT - DAY, suspect="constant")
    assert f"smap: suspect, constant: {name}" in list_texts(find_missing(snapshot).remarks)


def test_of_several_versions_of_a_file_the_last_one_is_suspect_or_not(snapshot: Snapshot) -> None:
    early, late = ASOF - timedelta(hours=2), ASOF - timedelta(hours=1)
    begin = MIDNIGHT - DAY
    note(snapshot, "imerg_late", begin, known=early, suspect="constant")
    note(snapshot, "imerg_late", begin, known=late)
    note(snapshot, "imerg_late", begin + SLOT, known=early, suspect="dry")
    note(snapshot, "imerg_late", begin + 2 * SLOT, known=ASOF + SLOT, suspect="not known yet")
    suspect = find_suspect_files(snapshot.records, asof=ASOF, start=begin)
    assert suspect == {"imerg_late": {utc64(begin + SLOT)}}


def test_a_source_that_gave_nothing_is_named_however_long_ago_it_spoke(snapshot: Snapshot) -> None:
    note(snapshot, "smap", datetime(2025, 3, 1, tzinfo=UTC), known=ASOF - 400 * DAY)
    note(snapshot, "imerg_late", ASOF - DAY, known=ASOF)
    note(snapshot, "lis", datetime(2024, 1, 1, tzinfo=UTC), known=ASOF - 800 * DAY)
    missing = find_missing(snapshot)
    remarks = {*list_texts(missing.remarks)}
    assert "smap: gave nothing, its last datum is of 2025-03-01 00:30Z" in remarks
    assert "lis: gave nothing, its last datum is of 2024-01-01 00:30Z" in remarks
    assert "gk2a: gave nothing, and never has" in remarks
    assert not any(line.startswith("imerg_late: gave nothing") for line in remarks)
    assert not any(line.startswith("thaiwater") for line in remarks), "nobody asks it"
    assert "smap: gave nothing, its last datum is of 2025-03-01 00:30Z" in missing.degraded
    assert not any(line.startswith("lis") for line in missing.degraded)
    asked = list_texts(find_missing(snapshot, upstream="internet").remarks)
    assert "thaiwater: gave nothing, and never has" in asked


def test_what_was_left_out_of_the_record_is_named(snapshot: Snapshot) -> None:
    add_doubts(snapshot, 3, impossible_rain=0.2, suspect_soil_moisture=1.0)
    count = len(zones())
    remarks = list_texts(find_missing(snapshot).remarks)
    assert (
        f"areal record, rain: results out of range and left out in {count} zones on 3 days, the "
        "last 2026-08-19"
    ) in remarks
    assert (
        f"areal record, soil_moisture: rests on suspect files in {count} zones on 3 days, the last "
        "2026-08-19"
    ) in remarks


def test_every_remark_has_its_code_source_and_time(snapshot: Snapshot) -> None:
    day = MIDNIGHT - DAY
    cells = {"rain_rate": {"cells": 3, "worst": 1e30}}
    note(snapshot, "imerg_late", day, out_of_range=cells)
    note(snapshot, "imerg_late", day + SLOT, out_of_range=cells)
    note(snapshot, "gauges", day - DAY, bad_rows=["line 3: .."])
    note(snapshot, "smap", day, empty=["soil_moisture"], suspect="constant")
    note(snapshot, "floodmap", day, said=["a tile is left out"])
    with snapshot.records.ingest("ndvi", asof=ASOF) as batch:
        batch.add_granule(
            "bad.h5",
            start=day,
            end=day + DAY,
            sha256="bad",
            available_time=ASOF,
            origin="virtual",
            rejected="bad.h5: expected HDF5",
        )
    add_doubts(snapshot, 3, impossible_rain=0.2, suspect_soil_moisture=1.0)
    remarks = find_missing(snapshot, upstream="internet").remarks
    found = {(remark.code, remark.source, remark.time) for remark in remarks}
    assert found >= {
        ("cells_out_of_range", "imerg_late", day + SLOT),
        ("rows_bad", "gauges", day - DAY),
        ("file_empty", "smap", day),
        ("file_suspect", "smap", day),
        ("file_incomplete", "floodmap", day),
        ("file_rejected", "ndvi", day),
        ("results_out_of_range", None, day),
        ("results_suspect", None, day),
        ("files_missing", "imerg_late", datetime(2026, 8, 19, 10, tzinfo=UTC)),
        ("source_silent", "gk2a", None),
    }
    assert {remark.station for remark in remarks if remark.source} == {None}
    starts = {remark.text.partition(":")[0] for remark in remarks if remark.source}
    assert starts == {remark.source for remark in remarks if remark.source}


def test_when_no_provider_gave_anything_the_newest_datum_is_dated(snapshot: Snapshot) -> None:
    (nothing,) = find_missing(snapshot, upstream="internet").no_provider
    assert (nothing.code, nothing.source, nothing.time) == ("providers_silent", None, None)
    end = ASOF - 3 * DAY
    note(snapshot, "smap", end - SLOT, end=end)
    (old,) = find_missing(snapshot, upstream="internet").no_provider
    assert old.time == end
    silent = [
        remark for remark in find_missing(snapshot).remarks
        if remark.source == "smap" and remark.code == "source_silent"
    ]  # fmt: skip
    assert [remark.time for remark in silent] == []
    note(snapshot, "smap", ASOF - DAY, end=ASOF)
    assert find_missing(snapshot, upstream="internet").no_provider == ()

"""What a night says of files that were bad, suspect or did not come, and what rests on them."""

from __future__ import annotations

import math
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import xarray as xr

from pipeline.alerts.evidence import Drought
from pipeline.areal import daily_series
from pipeline.areal import rain as areal_rain
from pipeline.geography.places import zones
from pipeline.issuance.forecasts import _flag_suspect
from pipeline.issuance.missing import find_missing, find_suspect_files
from pipeline.issuance.products import describe_impossible, mask_impossible
from pipeline.issuance.snapshot import Snapshot
from pipeline.storage.archive import Archive
from pipeline.storage.records import Records
from pipeline.times import utc64

ASOF = datetime(2026, 8, 20, 0, 30, tzinfo=UTC)
MIDNIGHT = datetime(2026, 8, 20, tzinfo=UTC)
DAY = timedelta(days=1)
SLOT = timedelta(minutes=30)
CITY = "city:vientiane"


@pytest.fixture
def view(tmp_path: Path) -> Snapshot:
    store = Records(f"sqlite:///{tmp_path / 'records.db'}")
    return Snapshot(Archive(tmp_path / "archive"), store, ASOF, {}, "none")


def note(
    view: Snapshot,
    source: str,
    start: datetime,
    *,
    known: datetime = ASOF,
    end: datetime | None = None,
    **notes: Any,
) -> str:
    """Put a sound file with notes into the tables; its name."""
    name = f"{source}-{start:%Y%m%dT%H%M}-{known:%d%H%M}"
    with view.records.ingest(source, asof=ASOF) as batch:
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


def test_cells_out_of_range_are_counted_by_source_and_variable(view: Snapshot) -> None:
    one = {"rain_rate": {"cells": 3, "worst": 1e30}}
    two = {"rain_rate": {"cells": 4, "worst": -5.0}}
    note(view, "imerg_late", MIDNIGHT - DAY, out_of_range=one)
    last = note(view, "imerg_late", MIDNIGHT - DAY + SLOT, out_of_range=two)
    said = find_missing(view).remarks
    assert (
        f"imerg_late: 7 cells of rain_rate out of range, left out, in 2 files, the last {last}, "
        "the worst 1e+30"
    ) in said


def test_bad_rows_are_counted_by_file(view: Snapshot) -> None:
    one = note(view, "gauges", MIDNIGHT - DAY, bad_rows=["line 3: ..", "line 7: .."])
    two = note(view, "gauges", MIDNIGHT - DAY + SLOT, bad_rows=["line 2: .."])
    note(view, "gauges", MIDNIGHT - DAY + 2 * SLOT)
    said = find_missing(view).remarks
    assert f"gauges: bad rows left out: 2 of {one}, 1 of {two}" in said


def test_windows_without_a_value_are_named(view: Snapshot) -> None:
    name = note(view, "smap", MIDNIGHT - DAY, empty=["soil_moisture"])
    said = find_missing(view).remarks
    assert f"smap: no value of soil_moisture in the window: {name}" in said


def test_tiles_that_were_left_out_are_named(view: Snapshot) -> None:
    note(view, "floodmap", MIDNIGHT - DAY, said=["a tile is left out: h28v08.h5: expected .."])
    note(view, "gauges", MIDNIGHT - DAY, said=["taken for the plain layout"])
    said = find_missing(view).remarks
    assert "floodmap: a tile is left out: h28v08.h5: expected .." in said
    assert not any("plain layout" in line for line in said), "that is for the ingest to say"


def test_suspect_files_are_named_with_their_reason(view: Snapshot) -> None:
    name = note(view, "smap", MIDNIGHT - DAY, suspect="constant")
    assert f"smap: suspect, constant: {name}" in find_missing(view).remarks


def test_of_several_versions_of_a_file_the_last_one_is_suspect_or_not(view: Snapshot) -> None:
    early, late = ASOF - timedelta(hours=2), ASOF - timedelta(hours=1)
    begin = MIDNIGHT - DAY
    note(view, "imerg_late", begin, known=early, suspect="constant")
    note(view, "imerg_late", begin, known=late)
    note(view, "imerg_late", begin + SLOT, known=early, suspect="dry")
    note(view, "imerg_late", begin + 2 * SLOT, known=ASOF + SLOT, suspect="not known yet")
    found = find_suspect_files(view.records, asof=ASOF, start=begin)
    assert found == {"imerg_late": {utc64(begin + SLOT)}}


def test_a_source_that_gave_nothing_is_named_however_long_ago_it_spoke(view: Snapshot) -> None:
    note(view, "smap", datetime(2025, 3, 1, tzinfo=UTC), known=ASOF - 400 * DAY)
    note(view, "imerg_late", ASOF - DAY, known=ASOF)
    note(view, "lis", datetime(2024, 1, 1, tzinfo=UTC), known=ASOF - 800 * DAY)
    found = find_missing(view)
    said = {*found.remarks}
    assert "smap: gave nothing, its last datum is of 2025-03-01 00:30Z" in said
    assert "lis: gave nothing, its last datum is of 2024-01-01 00:30Z" in said
    assert "gk2a: gave nothing, and never has" in said
    assert not any(line.startswith("imerg_late: gave nothing") for line in said)
    assert not any(line.startswith("thaiwater") for line in said), "nobody asks it"
    assert "smap: gave nothing, its last datum is of 2025-03-01 00:30Z" in found.degraded
    assert not any(line.startswith("lis") for line in found.degraded)
    assert "thaiwater: gave nothing, and never has" in find_missing(
        view, upstream="internet"
    ).remarks  # fmt: skip


def doubts(view: Snapshot, days: int, **shares: float) -> None:
    time = utc64(MIDNIGHT) - np.arange(1, days + 1)[::-1] * areal_rain.DAY
    names = [f"{kind}_{name}" for kind in daily_series.DOUBTS for name in ("rain", "soil_moisture")]
    ids = list(zones())
    fields = {
        name: (("time", "zone"), np.full((days, len(ids)), shares.get(name, 0.0), "f4"))
        for name in names
    }
    ds = xr.Dataset(fields, {"time": time, "zone": ids})
    ds = ds.assign_coords(available_time=("time", np.full(days, utc64(ASOF))))
    view.archive.append("doubts", ds, message="test")


def drought(*, spi3: float = 0.2, soil: float = 50.0) -> pd.DataFrame:
    return pd.DataFrame({"zone": [CITY], "spi3": [spi3], "soil_moisture_percentile": [soil]})


@pytest.mark.parametrize(
    ("rain", "soil", "values", "expected"),
    [
        (1.0, 1.0, {}, True),
        (1.0, 0.0, {}, False),
        (0.0, 1.0, {}, False),
        (1.0, 0.0, {"soil": math.nan}, True),
        (0.0, 1.0, {"spi3": math.nan}, True),
        (0.0, 0.0, {"spi3": math.nan}, False),
    ],
)
def test_a_drought_is_suspect_where_all_that_is_known_of_it_is(
    view: Snapshot, rain: float, soil: float, values: dict[str, float], expected: bool
) -> None:
    doubts(view, 20, suspect_rain=rain, suspect_soil_moisture=soil)
    assert _flag_suspect(view, drought(**values)).tolist() == [expected]
    assert Drought.from_rows(
        drought().assign(
            horizon_weeks=4, current_class="none", cdi="none", spi1=0.0, vhi=50.0, tier="full",
            suspect=expected, **dict.fromkeys(("p_d0", "p_d1", "p_d2", "p_d3", "p_d4"), 0.0),
        )
    ).suspect is expected  # fmt: skip


def test_what_was_left_out_of_the_record_is_named(view: Snapshot) -> None:
    doubts(view, 3, impossible_rain=0.2, suspect_soil_moisture=1.0)
    count = len(zones())
    said = find_missing(view).remarks
    assert (
        f"areal record, rain: results out of range and left out in {count} zones on 3 days, the "
        "last 2026-08-19"
    ) in said
    assert (
        f"areal record, soil_moisture: rests on suspect files in {count} zones on 3 days, the last "
        "2026-08-19"
    ) in said


def test_impossible_indices_are_left_out_and_named() -> None:
    values = xr.DataArray([[2.0, np.inf, -9.0, np.nan]], dims=("time", "zone"))
    ds = xr.Dataset({"spi90": values, "coverage": values})
    assert mask_impossible(ds)["spi90"].values.tolist() == [[2.0, *[pytest.approx(
        np.nan, nan_ok=True)] * 3]]  # fmt: skip
    xr.testing.assert_equal(mask_impossible(ds)["coverage"], ds["coverage"])
    assert describe_impossible(ds, "risk.nc") == [
        "risk.nc: 2 values of spi90 out of range and left out"
    ]

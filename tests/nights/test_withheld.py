"""Snapshots without what some sources gave lately."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import xarray as xr

from pipeline.areal import rain as areal_rain
from pipeline.geography.grid import MEKONG
from pipeline.geography.places import zones
from pipeline.issuance.snapshot import Snapshot
from pipeline.nights.withheld import find_sources, withhold
from pipeline.times import utc64
from tests.issuance.snapshot_cases import ISSUED, readings, snapshot_of

DAY = timedelta(days=1)
TODAY = utc64(ISSUED).astype("M8[D]").astype("M8[ns]")


def add(snapshot: Snapshot, product: str, ds: xr.Dataset) -> None:
    """Archive days, each known at the end of the next."""
    known = np.minimum(ds["time"].values + 2 * areal_rain.DAY, utc64(ISSUED))
    ds = ds.assign_coords(available_time=("time", known)).assign_attrs(origin="virtual")
    snapshot.archive.append(product, ds, message="test")


@pytest.fixture
def snapshot(tmp_path: Path) -> Snapshot:
    """Twenty days of 7 mm in the zones' series; the daily files of ten of them have 24 mm."""
    days = pd.date_range(end="2026-09-20", periods=20)
    snapshot = snapshot_of(tmp_path, readings(pd.Series(9.0, days), "013901"))
    names = list(zones())
    time = TODAY - np.arange(20, 0, -1) * areal_rain.DAY
    values = {"rain": (7.0, "mm"), "coverage": (1.0, "1"), "soil_moisture": (0.2, "m3 m-3"),
              "ndvi": (0.5, "1"), "lst": (300.0, "K")}  # fmt: skip
    series = xr.Dataset(
        {
            name: (("time", "zone"), np.full((20, len(names)), value, "f4"), {"units": units})
            for name, (value, units) in values.items()
        },
        {"time": time, "zone": names},
    )
    add(snapshot, "zones", series)
    shape = (10, *MEKONG.shape)
    grids = {"rain": np.full(shape, 24.0, "f4"), "n_valid": np.full(shape, 48.0, "f4")}
    add(snapshot, "imerg_daily", MEKONG.dataset(time[-10:], **grids))
    return snapshot


def rain_of(snapshot: Snapshot) -> list[float]:
    assert snapshot.zonal_record is not None
    values: list[float] = snapshot.zonal_record["rain"].sel(zone="basin:chi").values.tolist()
    return values


def test_days_are_made_again_without_the_source(snapshot: Snapshot) -> None:
    without = withhold(snapshot, find_sources(["imerg"]), nights=3)
    rain = rain_of(without)
    assert rain[:17] == [7.0] * 17
    # A file comes two days after the start of its day: that of the 17th on the 19th.
    assert np.isnan(rain[17:]).all()


def test_another_source_left_out_leaves_the_rain(snapshot: Snapshot) -> None:
    assert rain_of(withhold(snapshot, {"smap"}, nights=3))[16:] == pytest.approx([7.0] + [24.0] * 3)


def test_the_snapshot_and_the_archive_stay_as_they_are(snapshot: Snapshot) -> None:
    version = snapshot.archive.snapshot
    withhold(snapshot, {"imerg_daily"}, nights=3)
    assert snapshot.archive.snapshot == version
    assert rain_of(snapshot) == [7.0] * 20


def test_readings_that_came_lately_are_left_out_by_their_source(snapshot: Snapshot) -> None:
    stages = snapshot.readings("stage", start=ISSUED - 30 * DAY)
    source = stages["source"].iloc[0]
    kept = withhold(snapshot, {source}, nights=3).readings("stage", start=ISSUED - 30 * DAY)
    assert len(stages) == 20
    assert kept["valid_time"].max() == pd.Timestamp("2026-09-17")
    other = withhold(snapshot, {"thaiwater"}, nights=3)
    assert len(other.readings("stage", start=ISSUED - 30 * DAY)) == 20


@pytest.mark.parametrize("nights", [0, -3, 1.5, 10**6])
def test_nights_are_a_whole_number(snapshot: Snapshot, nights: int) -> None:
    with pytest.raises(ValueError, match="nights: expected a whole number from 1 to 3660"):
        withhold(snapshot, ["imerg_late"], nights=nights)


def test_one_name_is_one_source() -> None:
    assert find_sources("gk2a") == find_sources(["gk2a"]) >= {"gk2a", "gk2a_ir"}


def test_an_unknown_source_is_named() -> None:
    with pytest.raises(LookupError, match=r"expected sources of imerg_late, .*found 'zones'"):
        find_sources(["zones"])

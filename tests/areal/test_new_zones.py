"""The past days of a zone that is new in the tables, from grids that are archived."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import xarray as xr

from pipeline.areal import new_zones
from pipeline.geography.places import zones
from pipeline.storage.archive import Archive
from pipeline.times import utc64
from tests.areal.uniform_grids import ASOF, DAY, put

SELECTION: Any = {"asof": ASOF, "end": DAY, "region": "mekong"}
NEW = "city:pakse"
FIRST = DAY - timedelta(days=4)


@pytest.fixture
def archive(tmp_path: Path) -> Archive:
    """Four days of a record without Pakse, each known the next morning; daily rain of the last two,
    known later."""
    archive = Archive(tmp_path / "archive")
    others = [name for name in zones() if name != NEW]
    time = utc64(FIRST) + np.arange(4) * np.timedelta64(1, "D")
    names = ("rain", "coverage", "soil_moisture", "ndvi", "lst")
    ones = (("time", "zone"), np.ones((4, len(others)), "f4"))
    came = ("time", time + np.timedelta64(1470, "m"))
    record = xr.Dataset(dict.fromkeys(names, ones), {"time": time, "zone": others})
    archive.append("zones", record.assign_coords(available_time=came), message="test")
    put(
        archive, "imerg_daily", "rain", [7.0, 8.0], start=DAY - timedelta(days=2),
        step=timedelta(days=1), more={"n_valid": 48.0},
    )  # fmt: skip
    return archive


def test_a_zone_without_rain_before_tonights_days_is_new(archive: Archive) -> None:
    assert new_zones.find_new_zones(archive, **SELECTION) == [NEW]
    before = SELECTION | {"end": FIRST}
    assert new_zones.find_new_zones(archive, **before) == [], "no record yet: nothing is new"


def test_the_past_is_made_of_the_archived_grids_and_dated_as_the_record(archive: Archive) -> None:
    old = archive.read("zones", asof=ASOF).compute()
    past = new_zones.make_past(archive, names=[NEW], **SELECTION)
    assert past is not None
    assert past["zone"].values.tolist() == [NEW]
    assert past["rain"].values[:, 0].tolist() == [7.0, 8.0]
    assert past["available_time"].values.tolist() == old["available_time"].values[2:].tolist()
    assert archive.append("zones", past, message="test") == 2
    record = archive.read("zones", asof=ASOF).compute()
    np.testing.assert_array_equal(record["rain"].sel(zone=NEW), [np.nan, np.nan, 7.0, 8.0])
    xr.testing.assert_equal(record.sel(zone=old["zone"]), old)
    assert new_zones.find_new_zones(archive, **SELECTION) == []


def test_without_grids_or_new_zones_no_past_is_made(archive: Archive) -> None:
    assert new_zones.make_past(archive, names=[], **SELECTION) is None
    without = SELECTION | {"end": DAY - timedelta(days=2)}
    assert new_zones.make_past(archive, names=[NEW], **without) is None

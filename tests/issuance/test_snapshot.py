"""What a moment knows is read once, as it would be read anew."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import xarray as xr

from pipeline.alerts.evidence import Doubt
from pipeline.issuance.snapshot import append_successors, inputs_as_of, read_stage_inputs
from pipeline.storage.archive import Archive
from pipeline.storage.readings import Readings
from pipeline.times import utc64
from tests.conftest import LayOver
from tests.issuance.snapshot_cases import ISSUED, PREK_KDAM, readings, snapshot_of

DAY = timedelta(days=1)
NONG_KHAI, ITS_SUCCESSOR = "012001", "012002"
MORNINGS = pd.date_range("2026-07-01", "2026-09-20")
LEVEL = pd.Series(3.0 + 0.01 * np.arange(len(MORNINGS)), index=MORNINGS)


@pytest.fixture
def reads(monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, datetime | None]]:
    """Variable and start of each interval of readings that is read and flagged."""
    intervals: list[tuple[str, datetime | None]] = []
    read_all = Readings.read_all

    def count(self: Readings, variable: str, **of: Any) -> pd.DataFrame:
        intervals.append((variable, of["start"]))
        return read_all(self, variable, **of)

    monkeypatch.setattr(Readings, "read_all", count)
    return intervals


def test_an_interval_is_read_and_flagged_once(
    tmp_path: Path, reads: list[tuple[str, datetime | None]]
) -> None:
    snapshot = snapshot_of(tmp_path, readings(LEVEL, PREK_KDAM))
    start = ISSUED - 4 * DAY
    first = snapshot.readings("stage", start=start)
    assert snapshot.every_reading("stage", start=start)["value"].tolist() == [
        pytest.approx(value) for value in LEVEL[-4:]
    ]
    pd.testing.assert_frame_equal(snapshot.readings("stage", start=start), first)
    anew = snapshot.records.readings.read("stage", asof=ISSUED, start=start)
    pd.testing.assert_frame_equal(first, anew)
    assert reads == [("stage", start)] * 2
    snapshot.readings("stage", start=ISSUED - 5 * DAY)
    snapshot.readings("rain", start=start)
    assert reads[2:] == [("stage", ISSUED - 5 * DAY), ("rain", start)]


def test_the_whole_record_is_not_kept(
    tmp_path: Path, reads: list[tuple[str, datetime | None]]
) -> None:
    snapshot = snapshot_of(tmp_path, readings(LEVEL, PREK_KDAM))
    assert len(snapshot.readings("stage")) == len(snapshot.readings("stage")) == len(LEVEL)
    assert reads == [("stage", None)] * 2


def test_flags_of_a_shorter_interval_are_not_those_of_a_longer_one(tmp_path: Path) -> None:
    """A gauge that reported by the hour until 50 days ago may rest for three days, then for 20.

    Which holds depends on the usual spacing of the readings that are read. So the snapshot does not
    cut a shorter interval out of a longer one.
    """
    end = pd.Timestamp("2026-09-20")
    hourly = pd.date_range(end - 74 * DAY, end - 50 * DAY, freq="h")
    times = hourly.append(pd.date_range(end - 49 * DAY, end))
    level = pd.Series((3.0 + 0.5 * np.sin(np.arange(len(times)) / 7.0)).round(2), index=times)
    level[-6:] = 3.33
    snapshot = snapshot_of(tmp_path, readings(level, PREK_KDAM))
    long = snapshot.every_reading("stage", start=ISSUED - 30 * DAY)
    short = snapshot.every_reading("stage", start=ISSUED - 4 * DAY)
    assert long["qc"].tolist()[-4:] == ["stuck"] * 4
    assert short["qc"].tolist() == ["good"] * 4


def test_a_believed_reading_is_believed_by_who_asks_for_it_alone(tmp_path: Path) -> None:
    level = pd.concat([LEVEL[:-1], pd.Series([13.0], index=MORNINGS[-1:])])
    snapshot = snapshot_of(tmp_path, readings(level, PREK_KDAM))
    start = ISSUED - 30 * DAY
    when = datetime(2026, 9, 20, tzinfo=UTC)
    doubt = Doubt(kind="unconfirmed", lowest_m=13.0, highest_m=13.0, time=when)
    believed = read_stage_inputs(snapshot, start=start, believed={PREK_KDAM: doubt})
    assert believed.stage[PREK_KDAM].iloc[-1] == 13.0
    assert snapshot.readings("stage", start=start)["qc"].iloc[-1] == "unconfirmed"
    assert read_stage_inputs(snapshot, start=start).stage[PREK_KDAM].iloc[-1] != 13.0


def test_a_retired_gauge_goes_on_as_its_successor(tmp_path: Path) -> None:
    old, new = LEVEL[:-10], LEVEL[-20:] + 0.5
    snapshot = snapshot_of(tmp_path, readings(old, NONG_KHAI), readings(new, ITS_SUCCESSOR))
    joined = snapshot.readings("stage", start=ISSUED - 30 * DAY)
    retired = joined[joined["station"] == NONG_KHAI].set_index("valid_time")["value"]
    expected = pd.concat([old[-20:], new[-10:]])
    np.testing.assert_array_equal(retired.to_numpy(), expected.to_numpy())
    assert (joined["station"] == ITS_SUCCESSOR).sum() == len(new)
    alone = readings(new, ITS_SUCCESSOR)
    continued = append_successors(alone, asof=ISSUED)
    assert (continued["station"] == NONG_KHAI).sum() == len(new), "from the first on"


def test_a_gauge_has_a_successor_from_the_day_of_its_row_on(
    tmp_path: Path, lay_over: LayOver
) -> None:
    """Prek Kdam reads until 10 September, Phnom Penh Port always; it succeeds on 18 September."""
    lay_over(
        "stations.csv",
        "code,name,river,country,tidal,upstream,basin,replaced_by,as_of",
        f"{PREK_KDAM},Prek Kdam,Tonle Sap,KH,false,020106,tonle_sap,020101,2026-09-18",
    )
    series = readings(LEVEL[:"2026-09-10"], PREK_KDAM), readings(LEVEL + 0.5, "020101")
    end = snapshot_of(tmp_path, *series)
    start = ISSUED - 60 * DAY
    final = read_stage_inputs(end, start=start)
    np.testing.assert_allclose(final.stage[PREK_KDAM][-10:], (LEVEL + 0.5)[-10:])
    read = inputs_as_of(end, start=start)
    for day, known_otherwise in ((9, False), (10, False), (11, True), (17, True), (18, False)):
        moment = ISSUED.replace(day=day)
        known = read(moment, moment - 30 * DAY)
        assert (known is not None) == known_otherwise, day
        if known is not None:
            assert known.stage[PREK_KDAM].last_valid_index() == pd.Timestamp("2026-09-10")


def test_the_zonal_record_is_opened_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    snapshot = snapshot_of(tmp_path, readings(LEVEL, PREK_KDAM))
    assert snapshot.zonal_record is None
    assert snapshot.filled_record is None
    time = np.array([utc64(ISSUED - 2 * DAY)])
    fields = {
        name: (("time", "zone"), np.full((1, 1), 0.3, "f4"))
        for name in ("rain", "soil_moisture", "ndvi", "lst")
    }
    coords = {"time": time, "zone": ["basin:chi"], "available_time": ("time", time)}
    snapshot.archive.append("zones", xr.Dataset(fields, coords), message="test")
    opened = list[str]()
    read = Archive.read

    def count(self: Archive, product: str, **of: Any) -> xr.Dataset:
        opened.append(product)
        return read(self, product, **of)

    monkeypatch.setattr(Archive, "read", count)
    later = snapshot_of(tmp_path, readings(LEVEL, PREK_KDAM), name="later")
    for _ in range(2):
        assert later.zonal_record is not None
        assert later.filled_record is not None
    assert opened.count("zones") == 1

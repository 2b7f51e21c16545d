"""Readings as of a moment: versions, corrections, conflicts of an ingest."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from pipeline.geography.places import Station, stations
from pipeline.issuance.missing import find_missing
from pipeline.issuance.observed import find_daily_changes
from pipeline.issuance.snapshot import Snapshot, inputs_as_of, read_stage_inputs
from pipeline.remarks import list_texts
from pipeline.storage.archive import Archive
from pipeline.storage.atomic import BrokenState
from pipeline.storage.records import Records
from tests.storage.stages import add, moment


@pytest.fixture
def store(tmp_path: Path) -> Records:
    return Records(f"sqlite:///{tmp_path / 'records.db'}")


def test_a_reading_is_seen_once_it_had_arrived(store: Records) -> None:
    add(store, {"2026-08-01T00:00": 3.0, "2026-08-01T12:00": 3.2}, moment(1, 13))
    seen = store.readings.read("stage", asof=moment(1))
    assert seen["value"].tolist() == [3.0]
    assert seen["valid_time"].tolist() == [pd.Timestamp("2026-08-01")]
    assert store.readings.read("stage", asof=moment(1, 0, 10)).empty
    assert store.readings.read("stage", asof=moment(1, 12, 20))["value"].tolist() == [3.0, 3.2]


@pytest.mark.sqlite
def test_whichever_page_is_broken_all_is_read_or_it_is_said(store: Records, tmp_path: Path) -> None:
    days = pd.date_range("2018-01-01", "2025-12-31").strftime("%Y-%m-%dT00:00")
    add(store, dict.fromkeys(days, 3.0), moment(1))
    whole = store.readings.read("stage", asof=moment(1))
    store.database.engine.dispose()
    content, size = (tmp_path / "records.db").read_bytes(), 4096
    assert len(content) % size == 0
    said = list[str]()
    for page in range(len(content) // size):
        path = tmp_path / f"{page}.db"
        path.write_bytes(content[: page * size] + bytes(size) + content[(page + 1) * size :])
        try:
            found = Records(f"sqlite:///{path}").readings.read("stage", asof=moment(1))
            pd.testing.assert_frame_equal(found, whole)
        except BrokenState as broken:
            said.append(str(broken))
    assert len(said) > 20
    assert all("put back a backup" in line for line in said)


def test_repeating_an_ingest_adds_nothing(store: Records) -> None:
    values = {"2026-08-01T00:00": 3.0, "2026-08-02T00:00": np.nan}
    assert add(store, values, moment(2)) == 1, "what was never seen is not withdrawn"
    assert add(store, values, moment(3)) == 0
    assert store.readings.read("stage", asof=moment(3))["value"].tolist() == [3.0]


def test_a_reading_is_withdrawn_from_the_ingest_on_that_misses_it(store: Records) -> None:
    add(store, {"2026-08-01T00:00": 12.4, "2026-08-02T00:00": 12.46}, moment(2))
    withdrawn = {"2026-08-01T00:00": 12.4, "2026-08-02T00:00": np.nan}
    assert add(store, withdrawn, moment(1)) == 0, "an older export takes nothing back"
    assert add(store, withdrawn, moment(4)) == 1
    assert add(store, withdrawn, moment(5)) == 0
    before = store.readings.read("stage", asof=moment(3))
    assert before["value"].tolist() == [12.4, 12.46]
    known = store.readings.read("stage", asof=moment(4))
    assert known["version"].tolist() == [0, 1]
    assert known["value"].tolist()[0] == 12.4
    assert np.isnan(known["value"].tolist()[1])
    assert add(store, {"2026-08-02T00:00": 12.48}, moment(6)) == 1
    again = store.readings.read("stage", asof=moment(6))
    assert again["value"].tolist() == [12.4, 12.48]


def test_a_revised_value_is_known_from_its_arrival_and_the_old_one_is_kept(store: Records) -> None:
    add(store, {"2026-08-01T00:00": 3.0}, moment(1))
    add(store, {"2026-08-01T00:00": 3.5}, moment(4))
    assert store.readings.read("stage", asof=moment(3))["value"].tolist() == [3.0]
    later = store.readings.read("stage", asof=moment(4))
    assert later[["value", "version"]].to_numpy().tolist() == [[3.5, 1]]


def test_an_older_export_takes_back_no_correction(store: Records) -> None:
    add(store, {"2026-08-01T00:00": 8.25}, moment(5))
    assert add(store, {"2026-08-01T00:00": 8.0, "2026-08-02T00:00": 8.5}, moment(4)) == 1
    assert store.readings.read("stage", asof=moment(9))["value"].tolist() == [8.25, 8.5]


def test_a_late_reading_was_not_known_before_it_came(store: Records) -> None:
    add(store, {"2026-08-01T00:00": 3.0, "2026-08-03T00:00": 3.4}, moment(3))
    add(store, {"2026-08-02T00:00": 3.2}, moment(5))
    assert store.readings.read("stage", asof=moment(4))["value"].tolist() == [3.0, 3.4]
    assert store.readings.read("stage", asof=moment(5))["value"].tolist() == [3.0, 3.2, 3.4]


def test_an_old_archive_is_taken_to_have_been_known_in_its_time(store: Records) -> None:
    add(store, {"2026-08-01T00:00": 3.0}, moment(3))
    add(store, {"2018-08-01T00:00": 9.0}, moment(4))
    then = datetime(2018, 8, 1, 0, 30, tzinfo=UTC)
    assert store.readings.read("stage", asof=then)["value"].tolist() == [9.0]


def test_a_reading_behind_the_newest_was_late_for_a_month_back(store: Records) -> None:
    add(store, {"2026-08-31T00:00": 3.0}, moment(31))
    # 31 days before the ingest, less the usual 20 minutes to arrive.
    add(store, {"2026-07-31T00:10": 3.1, "2026-07-31T00:11": 3.2}, moment(31))
    before = store.readings.read("stage", asof=moment(31) - timedelta(minutes=1))
    assert before["value"].tolist() == [3.1, 3.0]
    assert store.readings.read("stage", asof=moment(31))["value"].tolist() == [3.1, 3.2, 3.0]


def test_what_is_in_hand_before_its_usual_delay_is_known(store: Records) -> None:
    add(store, {"2026-08-01T00:00": 3.0}, moment(1, 0, 10))
    assert store.readings.read("stage", asof=moment(1, 0, 9)).empty
    assert store.readings.read("stage", asof=moment(1, 0, 10))["value"].tolist() == [3.0]


def test_a_sensor_never_corrects_an_observer(store: Records) -> None:
    add(store, {"2026-08-01T00:00": 3.0, "2026-08-01T12:00": 3.1}, moment(2))
    sensor = {"2026-08-01T00:00": 3.05, "2026-08-01T06:00": 3.06, "2026-08-01T12:00": 3.12}
    assert add(store, sensor, moment(3), "telemetry") == 3
    assert add(store, sensor, moment(4), "telemetry") == 0
    found = store.readings.read("stage", asof=moment(5))
    assert found["value"].tolist() == [3.0, 3.06, 3.1]
    assert found["method"].tolist() == ["manual", "telemetry", "manual"]
    every = store.readings.read_all("stage", asof=moment(5))
    assert every["method"].value_counts().to_dict() == {"telemetry": 3, "manual": 2}


def test_a_flag_rests_on_what_was_of_day_then(store: Records) -> None:
    """A spike is none until its successor came, and the value is kept as it was."""
    mornings = {f"2026-08-{day:02}T00:00": 3.0 + 0.01 * day for day in range(1, 12)}
    spiky = mornings | {"2026-08-09T00:00": 8.09}
    for day, (time, value) in enumerate(spiky.items(), start=1):
        add(store, {time: value}, moment(day))
    then = store.readings.read("stage", asof=moment(9))
    assert set(then["qc"]) == {"good"}
    later = store.readings.read("stage", asof=moment(10))
    bad = later.loc[later["qc"] != "good", ["value", "qc"]]
    assert bad.to_numpy().tolist() == [[8.09, "spike"]]
    assert store.readings.read("stage", asof=moment(9)).equals(then)
    recent = store.readings.read("stage", asof=moment(11), start=moment(9, 0, 0))
    assert recent["qc"].tolist() == ["spike", "good", "good"], "the readings before are context"


def test_a_hindcast_sees_the_spike_as_its_morning_did(store: Records, tmp_path: Path) -> None:
    values = {f"2026-08-{day:02}T00:00": 3.0 + 0.01 * day for day in range(1, 20)}
    add(store, values | {"2026-08-09T00:00": 8.09}, moment(19))
    snapshot = Snapshot(Archive(tmp_path / "archive"), store, moment(19), {}, "")
    level = read_stage_inputs(snapshot, start=moment(1)).stage["013901"]
    assert np.isnan(level["2026-08-09"])
    as_of_day = inputs_as_of(snapshot, start=moment(1, 0, 0))
    seen = as_of_day(moment(9), moment(1, 0, 0))
    assert seen is not None
    assert seen.stage["013901"].iloc[-1] == 8.09
    assert as_of_day(moment(8), moment(1, 0, 0)) is None
    assert as_of_day(moment(12), moment(1, 0, 0)) is None


def others(table: dict[str, Station]) -> str:
    """Every gauge of the table but Pakse."""
    return ", ".join(f"{one.name} ({one.code})" for one in table.values() if one.name != "Pakse")


def test_a_suspect_gauge_is_named_among_what_is_missing(store: Records, tmp_path: Path) -> None:
    days = pd.date_range("2026-07-20", "2026-08-20")
    add(store, {f"{day:%Y-%m-%dT%H:%M}": 4.2 for day in days}, moment(20))
    snapshot = Snapshot(Archive(tmp_path / "archive"), store, moment(20), {}, "")
    said = [
        line for line in list_texts(find_missing(snapshot).remarks) if line.startswith("gauges")
    ]
    assert said == [
        (
            "gauges: Pakse (013901): 7 of 7 manual readings of stage are suspect and left out "
            "(7 stuck)"
        ),
        "gauges: this morning's reading is missing from Pakse (013901)",
        f"gauges: nothing has ever come from {others(stations())}",
    ]
    later = replace(snapshot, asof=moment(20) + timedelta(days=40))
    assert [
        line
        for line in list_texts(find_missing(later).remarks)
        if line.startswith("gauges: nothing")
    ] == [
        "gauges: nothing for 30 days and more from Pakse (013901, last 2026-08-20)",
        f"gauges: nothing has ever come from {others(stations())}",
    ]
    assert find_daily_changes(snapshot) == {}


def test_readings_as_of_a_batch(store: Records, tmp_path: Path) -> None:
    add(store, {"2026-08-02T00:00": 3.0}, moment(2))
    batch = store.database.batch
    add(store, {"2018-08-01T00:00": 9.0}, moment(4))
    old = Records(f"sqlite:///{tmp_path / 'records.db'}", batch=batch)
    assert old.readings.read("stage", asof=moment(9))["value"].tolist() == [3.0]
    assert old.database.batch == batch == store.database.batch - 1


def test_selects_stations_and_a_half_open_interval(store: Records) -> None:
    add(store, {"2026-08-01T00:00": 1.0, "2026-08-02T00:00": 2.0}, moment(3))
    assert store.readings.read("stage", asof=moment(9), stations=["019803"]).empty
    seen = store.readings.read("stage", asof=moment(9), start=moment(1, 0, 0), end=moment(2, 0, 0))
    assert seen["value"].tolist() == [1.0]

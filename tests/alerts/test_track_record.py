from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from pipeline import steps
from pipeline.alerts import cap, facts, track_record
from pipeline.alerts.levels import Level
from pipeline.alerts.message_chain import next_message
from pipeline.alerts.templates import LANGUAGES
from pipeline.alerts.text import compose
from pipeline.alerts.track_record import (
    TrackRecord,
    choose_track_record,
    count_hits,
    season_start,
)
from pipeline.issuance.decide import add_track_records
from pipeline.issuance.snapshot import Snapshot
from pipeline.settings import Settings
from pipeline.storage.archive import Archive
from pipeline.storage.records import Records
from tests.alerts.alert_cases import flood, pluvial
from tests.alerts.notice_cases import note
from tests.alerts.track_record_cases import CALM, DAY, FIRST, PAKSE, alert, export, run
from tests.conftest import STAGE_HEAD, LayOver


def nights(levels: Sequence[str]) -> list[tuple[datetime, list[dict[str, Any]]]]:
    """One night per letter: n none, w watch, W warning, E emergency; of the city Pakse."""
    names = {"n": "none", "w": "watch", "W": "warning", "E": "emergency", "u": "unknown"}
    return [(FIRST + number * DAY, [alert(names[letter])]) for number, letter in enumerate(levels)]


def stages(values: Sequence[float]) -> pd.DataFrame:
    """Morning readings from the first night on, NaN where none came."""
    times = pd.date_range(FIRST.date(), periods=len(values))
    return pd.DataFrame({"station": PAKSE, "valid_time": times, "value": values}).dropna()


def counts(
    levels: str, values: Sequence[float], *, after_d: int = 60
) -> dict[Level, tuple[int, int]]:
    counted = count_hits(nights(levels), stages(values), asof=FIRST + after_d * DAY)
    return {level: count for (_, level), count in counted.items()}


LOW = [9.0] * 60


def test_a_warning_comes_true_within_the_horizon_of_its_last_night() -> None:
    # A Watch on nights 2 to 4 looks 7 days ahead: day 11 counts, day 12 does not.
    on_time = [*LOW[:11], 11.0, *LOW[12:]]
    too_late = [*LOW[:12], 11.0, *LOW[13:]]
    assert counts("nnwwwnn", on_time)[Level.WATCH] == (1, 1)
    assert counts("nnwwwnn", too_late)[Level.WATCH] == (1, 0)
    assert counts("nnwwwnn", on_time)[Level.WARNING] == (0, 0)


def test_levels_have_their_own_mark() -> None:
    reached_alarm = [*LOW[:4], 11.5, *LOW[5:]]
    assert counts("nWWn", reached_alarm) == {
        Level.WATCH: (1, 1), Level.WARNING: (1, 0), Level.EMERGENCY: (0, 0),
    }  # fmt: skip
    assert counts("nWEn", [*LOW[:4], 12.0, *LOW[5:]]) == {
        Level.WATCH: (1, 1), Level.WARNING: (1, 1), Level.EMERGENCY: (1, 1),
    }  # fmt: skip


def test_what_the_river_showed_already_is_no_forecast() -> None:
    assert counts("nww", [9.0, 11.0, 11.2, *LOW])[Level.WATCH] == (0, 0)


def test_missing_readings_settle_nothing() -> None:
    silent = [9.0, 9.0, 9.0, *[np.nan] * 57]
    assert counts("nnwn", silent)[Level.WATCH] == (0, 0)
    half = [9.0, 9.0, 9.0, np.nan, 9.0, np.nan, 9.0, np.nan, 9.0, 9.0]
    assert counts("nnwn", half)[Level.WATCH] == (1, 0)
    no_reading_before = [np.nan, np.nan, np.nan, 9.0, 11.5, *LOW]
    assert counts("nnwn", no_reading_before)[Level.WATCH] == (0, 0)


def test_what_is_still_open_is_not_counted() -> None:
    assert counts("nnw", LOW, after_d=8)[Level.WATCH] == (0, 0)
    assert counts("nnw", LOW, after_d=9)[Level.WATCH] == (1, 0)
    assert counts("nnw", [*LOW[:5], 11.3], after_d=6)[Level.WATCH] == (1, 1)


def test_a_pause_parts_two_warnings_and_a_lost_night_does_not() -> None:
    assert counts("wwnwwn", LOW)[Level.WATCH] == (2, 0)
    outage = [*nights("ww"), (FIRST + 4 * DAY, [alert("watch")])]
    counted = count_hits(outage, stages(LOW), asof=FIRST + 40 * DAY)
    assert counted["pakse", Level.WATCH] == (1, 0)
    long_outage = [*nights("ww"), (FIRST + 12 * DAY, [alert("watch")])]
    counted = count_hits(long_outage, stages(LOW), asof=FIRST + 40 * DAY)
    assert counted["pakse", Level.WATCH] == (2, 0)


def test_cities_without_a_gauge_and_droughts_are_left_out() -> None:
    rows = [(FIRST, [alert("watch", "siem_reap"), alert("watch", "pakse", "drought")])]
    assert count_hits(rows, stages(LOW), asof=FIRST + 40 * DAY) == {}


def test_a_warning_is_judged_by_the_stage_of_its_first_night(lay_over: LayOver) -> None:
    """Alarm stage falls from 11.0 to 10.0 m on the fourth night; the river reaches 10.5 m twice."""
    values = [*LOW[:8], 10.5, *LOW[9:24], 10.5, *LOW[25:]]
    levels = "nnwww" + 15 * "n" + "w"
    assert counts(levels, values)[Level.WATCH] == (2, 0)
    lay_over("thresholds.csv", STAGE_HEAD, f"{PAKSE},alarm,10.0,m,the agency,2026-07-04,V")
    assert counts(levels, values)[Level.WATCH] == (2, 1)
    assert counts(levels[:5], values)[Level.WATCH] == (1, 0)


def test_a_warning_is_judged_by_the_gauge_that_the_city_had(lay_over: LayOver) -> None:
    """Pakse is warned by Khong Chiam's gauge from the fifth night on; its own is in flood then."""
    lay_over(
        "cities.csv",
        "id,name,country,lat,lon,unit,source,as_of,verified,station,ascn,in_basin,basin,hazards,"
        "utc_offset_h",
        "pakse,Pakse,LA,15.1,105.813,degree,x,2026-07-05,M,013801,false,true,se_done,river,7",
    )
    own = stages([*LOW[:3], *[11.5] * 57])
    asof = FIRST + 60 * DAY
    assert count_hits(nights("nw"), own, asof=asof)["pakse", Level.WATCH] == (1, 1)
    other = stages(LOW).assign(station="013801")
    both = pd.concat([own, other])
    found = count_hits(nights("nwnnnw"), both, asof=asof)
    assert found["pakse", Level.WATCH] == (2, 1)
    assert count_hits(nights("nwnnnw"), own, asof=asof)["pakse", Level.WATCH] == (1, 1)


def test_seasons_begin_in_june() -> None:
    assert season_start(datetime(2026, 5, 31, tzinfo=UTC)) == datetime(2023, 6, 1, tzinfo=UTC)
    assert season_start(datetime(2026, 6, 1, tzinfo=UTC)) == datetime(2024, 6, 1, tzinfo=UTC)


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return Settings(data_dir=tmp_path / "data", upstream="archive", records_url=None)


def test_the_chain_is_what_a_run_remembers_whatever_ran_since(settings: Settings) -> None:
    store = Records(settings.database)
    first = run(store, FIRST, "none", None)
    second = run(store, FIRST + DAY, "watch", first)
    last = [second[0].isoformat(), second[1]]
    before = track_record.read_nights(store, last, since=FIRST)
    assert [(when, rows[0]["level"]) for when, rows in before] == [
        (FIRST, "none"), (FIRST + DAY, "watch"),
    ]  # fmt: skip
    # A night in between is made up for, and the second is run again from other inputs.
    run(store, FIRST + DAY / 2, "emergency", first)
    run(store, FIRST + DAY, "emergency", first, digest="1")
    assert track_record.read_nights(store, last, since=FIRST) == before
    assert [when for when, _ in track_record.read_nights(store, last, since=FIRST + DAY)] == [
        FIRST + DAY
    ]
    assert track_record.read_nights(store, None, since=FIRST) == []


def decide_watch(settings: Settings) -> Any:
    """A Watch for Pakse as of a moment after the run's chain, with its track."""
    store = Records(settings.database)
    asof = FIRST + 30 * DAY
    view = Snapshot(Archive(settings.archive_dir), store, asof, {}, "m")
    last = store.last_issued(before=asof)
    assert last is not None
    watch = flood(0.3)
    station = replace(watch.station, code=PAKSE, alarm_m=11.0, flood_m=12.0)  # type: ignore[type-var]
    watch = replace(watch, city=replace(watch.city, id="pakse"), station=station, issue_time=asof)
    (decision,) = add_track_records(view, [watch], follows=[last[0].isoformat(), last[1]])
    return decision


def test_the_alert_says_how_often_such_warnings_came_true(
    settings: Settings, tmp_path: Path
) -> None:
    store = Records(settings.database)
    key = None
    for day, letter in enumerate("nw" * 11):  # eleven Watches, each of one night
        key = run(store, FIRST + day * DAY, {"n": "none", "w": "watch"}[letter], key)
    # The river reached alarm stage on the third day: the first Watch alone came true.
    values = [9.0, 10.2, 11.0, 10.3, 9.6, *CALM[5:31]]
    export(tmp_path / "a", values, asof=FIRST + 30 * DAY)
    steps.ingest("gauges", asof=FIRST + 30 * DAY, settings=settings, folder=tmp_path / "a")
    watch = decide_watch(settings)
    assert watch.track_record == TrackRecord(since=FIRST, issued=11, hits=1, of_city=True)
    text = compose(note(watch), language="en").description
    assert (
        "Since 1 July 2026, alarm stage was reached after 1 of 11 such warnings for this city."
        in text
    )
    found = facts.collect_facts(watch, notice=None, identifier=None, status="Test")
    assert (found["track_issued"], found["track_came_true"]) == (11, 1)
    # A correction that came later, and a night that was run again later, change no bytes.
    export(tmp_path / "b", [9.0] * 31, asof=FIRST + 40 * DAY)
    steps.ingest("gauges", asof=FIRST + 40 * DAY, settings=settings, folder=tmp_path / "b")
    run(store, FIRST + 3 * DAY, "emergency", None, digest="1")
    assert decide_watch(settings) == watch


def test_too_few_cases_are_said_to_be_too_few(settings: Settings, tmp_path: Path) -> None:
    run(Records(settings.database), FIRST, "watch", None)
    export(tmp_path / "a", CALM[:31], asof=FIRST + 30 * DAY)
    steps.ingest("gauges", asof=FIRST + 30 * DAY, settings=settings, folder=tmp_path / "a")
    watch = decide_watch(settings)
    assert (watch.track_record.issued, watch.track_record.enough) == (1, False)
    text = compose(note(watch), language="en").description
    assert "There have been too few such warnings to say how often they come true." in text


def test_every_language_tells_the_track() -> None:
    city = TrackRecord(since=FIRST, issued=10, hits=7, of_city=True)
    for decision in (flood(0.3), flood(0.6, 0.6)):
        for language in LANGUAGES:
            texts = [
                compose(note(replace(decision, track_record=record)), language=language)
                for record in (None, city, replace(city, of_city=False), replace(city, issued=3))
            ]
            assert len({text.description for text in texts}) == 4
            assert "10" in texts[1].description
            assert ("2569" if language == "th" else "2026") in texts[2].description


def test_a_warning_that_rests_on_rain_or_on_a_reading_has_no_track(settings: Settings) -> None:
    store = Records(settings.database)
    view = Snapshot(Archive(settings.archive_dir), store, FIRST, {}, "m")
    decisions = [pluvial(6.0), flood(stage_m=11.6), flood()]
    assert add_track_records(view, decisions, follows=None) == decisions
    (first,) = add_track_records(view, [flood(0.3)], follows=None)
    assert first.track_record == TrackRecord(since=FIRST, issued=0, hits=0, of_city=False)


def test_a_track_stands_in_the_message() -> None:
    watch = replace(
        flood(0.3), track_record=TrackRecord(since=FIRST, issued=10, hits=7, of_city=True)
    )
    issuer = cap.Issuer(
        sender="a@example.org", status="Test", scope="Restricted",
        origin="virtual", model_version="m", archive_snapshot="s", records_batch=1,
    )  # fmt: skip
    message, _ = next_message(watch, issuer=issuer, revision=0, sent=watch.issue_time)
    assert message is not None
    assert b"<valueName>track_came_true</valueName>" in message.content


@pytest.mark.parametrize(
    ("time", "stage_m", "issued"),
    [
        ("2026-07-01T00:30", 9.0, 1),  # the moment of issue
        ("2026-07-01T00:30", 11.0, 0),
        ("2026-07-01T00:31", 9.0, 0),  # later
        ("2026-06-29T00:31", 9.0, 1),  # less than two days before
        ("2026-06-29T00:30", 9.0, 0),
        ("2026-06-28T23:59", 9.0, 0),
    ],
)
def test_a_warning_counts_where_the_river_was_read_within_two_days_before(
    time: str, stage_m: float, issued: int
) -> None:
    """Later it is read in the evenings, below the alarm stage of 11 m."""
    evenings = pd.date_range("2026-07-02 12:00", periods=30)
    rows = pd.DataFrame(
        {
            "station": PAKSE, "valid_time": pd.DatetimeIndex([pd.Timestamp(time), *evenings]),
            "value": [stage_m, *[9.0] * 30],
        }
    )  # fmt: skip
    counted = count_hits(nights("w"), rows, asof=FIRST + 40 * DAY)
    assert counted["pakse", Level.WATCH] == (issued, 0)


def test_a_city_with_too_few_warnings_gives_those_of_all_gauges() -> None:
    table = {
        ("pakse", Level.WATCH): (10, 8), ("kratie", Level.WATCH): (9, 1),
        ("kratie", Level.WARNING): (7, 5),
    }  # fmt: skip
    own, of_all, other = (
        choose_track_record(city, Level.WATCH, table, since=FIRST)
        for city in ("pakse", "kratie", "vientiane")
    )
    assert own == TrackRecord(since=FIRST, issued=10, hits=8, of_city=True)
    assert of_all == other == TrackRecord(since=FIRST, issued=19, hits=9, of_city=False)

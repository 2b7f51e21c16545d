"""What was issued, held against what came: counts by hand, as of a moment, the same in a replay."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from pipeline import steps
from pipeline.alerts import cap, feeds, track_record
from pipeline.alerts.levels import Level
from pipeline.alerts.message_chain import next_message
from pipeline.alerts.text import LANGUAGES, compose
from pipeline.alerts.track_record import TrackRecord, count_hits, season_start
from pipeline.issuance.decide import add_track_records
from pipeline.issuance.snapshot import Snapshot
from pipeline.settings import Settings
from pipeline.storage import database
from pipeline.storage.archive import Archive
from pipeline.storage.records import Records
from pipeline.virtual.tables import mrc_export
from tests.alerts.alert_cases import flood, pluvial

PAKSE = "013901"
"""Alarm stage 11.0 m, flood stage 12.0 m."""
FIRST = datetime(2026, 7, 1, 0, 30, tzinfo=UTC)
DAY = timedelta(days=1)


def nights(levels: Sequence[str]) -> list[tuple[datetime, list[dict[str, Any]]]]:
    """One night per letter: n none, w watch, W warning, E emergency; of the city Pakse."""
    names = {"n": "none", "w": "watch", "W": "warning", "E": "emergency", "u": "unknown"}
    return [(FIRST + number * DAY, [alert(names[letter])]) for number, letter in enumerate(levels)]


def alert(level: str, city: str = "pakse", hazard: str = "flood") -> dict[str, Any]:
    return {"city": city, "hazard": hazard, "level": level, "memory": {"level": level}}


def stages(values: Sequence[float]) -> pd.DataFrame:
    """Morning readings from the first night on, NaN where none came."""
    times = pd.date_range(FIRST.date(), periods=len(values))
    return pd.DataFrame({"station": PAKSE, "valid_time": times, "value": values}).dropna()


def counts(
    levels: str, values: Sequence[float], *, after_d: int = 60
) -> dict[Level, tuple[int, int]]:
    found = count_hits(nights(levels), stages(values), asof=FIRST + after_d * DAY)
    return {level: counted for (_, level), counted in found.items()}


LOW = [9.0] * 60
CALM = [9.03 if number % 3 == 2 else 9.0 for number in range(120)]
"""A river that breathes: one that never moves is a stuck gauge."""


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
    found = count_hits(outage, stages(LOW), asof=FIRST + 40 * DAY)
    assert found["pakse", Level.WATCH] == (1, 0)
    long_outage = [*nights("ww"), (FIRST + 12 * DAY, [alert("watch")])]
    found = count_hits(long_outage, stages(LOW), asof=FIRST + 40 * DAY)
    assert found["pakse", Level.WATCH] == (2, 0)


def test_cities_without_a_gauge_and_droughts_are_left_out() -> None:
    rows = [(FIRST, [alert("watch", "siem_reap"), alert("watch", "pakse", "drought")])]
    assert count_hits(rows, stages(LOW), asof=FIRST + 40 * DAY) == {}


def test_seasons_begin_in_june() -> None:
    assert season_start(datetime(2026, 5, 31, tzinfo=UTC)) == datetime(2023, 6, 1, tzinfo=UTC)
    assert season_start(datetime(2026, 6, 1, tzinfo=UTC)) == datetime(2024, 6, 1, tzinfo=UTC)


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return Settings(data_dir=tmp_path / "data", upstream="archive", records_url=None)


def run(
    store: Records,
    when: datetime,
    level: str,
    follows: tuple[datetime, int] | None,
    *,
    digest: str = "0",
    tables: Mapping[str, list[dict[str, Any]]] | None = None,
) -> tuple[datetime, int]:
    """Store a run with one alert, and what else it left; return its key."""
    row = store.add_run(
        {
            "issue_time": when, "inputs_digest": digest, "snapshot": "s", "batch": 0,
            "model_version": "m", "origin": "virtual", "settings": {},
            "follows": follows and [follows[0].isoformat(), follows[1]],
        }
    )  # fmt: skip
    key = when, row["revision"]
    store.put(database.alerts, *key, [alert(level) | {"identifier": None}])
    for name, rows in (tables or {}).items():
        store.put(database.metadata.tables[name], *key, rows)
    return key


def export(folder: Path, values: Sequence[float], *, asof: datetime) -> None:
    times = np.datetime64(FIRST.date(), "D") + np.arange(len(values))
    mrc_export(
        folder, country="LA", code=PAKSE, station="Pakse", lat=15.1, lon=105.8, variable="stage",
        valid_time=times, value=np.array(values), published=asof,
    )  # fmt: skip


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


def issued_forecast(lead: int, q50: float, *, day: int, half_m: float = 0.3) -> dict[str, Any]:
    valid = FIRST.replace(minute=0) + (day + lead) * DAY
    row = {"q10": q50 - half_m, "q50": q50, "q90": q50 + half_m, "stage_m": 9.0}
    return {"station": PAKSE, "lead_days": lead, "tier": "full", "valid_time": valid, "row": row}


def test_squared_errors_are_of_the_mean_where_it_was_published(
    settings: Settings, tmp_path: Path
) -> None:
    store = Records(settings.database)
    skewed = issued_forecast(1, 9.5, day=0)
    skewed["row"]["mean_m"] = 9.25
    run(store, FIRST, "none", None, tables={"stage_forecasts": [skewed]})
    export(tmp_path / "a", [9.0] * 9, asof=FIRST + 8 * DAY)
    asof = FIRST + 8 * DAY
    steps.ingest("gauges", asof=asof, settings=settings, folder=tmp_path / "a")
    (one,) = steps.verify(asof=asof, settings=settings).cities
    assert one.rmse_m == pytest.approx(0.25)
    assert one.cover80 == 0.0  # 9.0 lies below 9.2, the lower end of the interval


def dry(current: str, p: float) -> list[dict[str, Any]]:
    row = {"current_class": current, "p_d1": p}
    return [{"zone": "city:pakse", "horizon_weeks": 1, "tier": "full", "row": row}]


def test_verify_counts_by_city_lead_and_level(settings: Settings, tmp_path: Path) -> None:
    store = Records(settings.database)
    key = None
    for day, letter in enumerate("nwwnnnnnnnn"):
        level = {"n": "none", "w": "watch"}[letter]
        tables = {
            "stage_forecasts": [
                issued_forecast(1, 9.5, day=day), issued_forecast(2, 9.0, day=day),
            ],
            "drought_forecasts": dry("D1" if day == 8 else "none", 0.8 if day == 1 else 0.1),
        }  # fmt: skip
        key = run(store, FIRST + day * DAY, level, key, tables=tables)
    export(tmp_path / "a", [9.0] * 9 + [9.2] * 7, asof=FIRST + 15 * DAY)
    asof = FIRST + 15 * DAY
    steps.ingest("gauges", asof=asof, settings=settings, folder=tmp_path / "a")
    done = steps.verify(asof=asof, settings=settings)
    one, two = done.cities
    assert (one.city, one.lead_days, one.forecasts) == ("pakse", 1, 11)
    # One day ahead 9.5 m was said: 9.0 came 8 times, 9.2 three times.
    assert one.rmse_m == pytest.approx(((8 * 0.25 + 3 * 0.09) / 11) ** 0.5)
    assert one.cp == pytest.approx(1 - (8 * 0.25 + 3 * 0.09) / (3 * 0.04))
    assert one.cover80 == pytest.approx(3 / 11)
    assert two.rmse_m == pytest.approx((4 * 0.04 / 11) ** 0.5)
    (watch,) = done.levels
    assert (watch.city, watch.level, watch.issued, watch.came_true) == ("pakse", "watch", 1, 0)
    (drought,) = done.drought
    # Issued on days 0 to 3 and compared with days 7 to 10: only day 8 was dry.
    assert (drought.horizon_weeks, drought.forecasts, drought.came) == (1, 4, 1)
    assert drought.brier == pytest.approx((3 * 0.01 + 0.04) / 4)
    assert "0 of 1 flood warnings came true" in str(done)
    assert steps.verify(asof=asof, settings=settings) == done
    # Three days in, nothing later was known: neither readings nor what became of the Watch.
    early = steps.verify(asof=FIRST + 3 * DAY, settings=settings)
    assert (early.forecasts, early.levels, early.drought) == (5, (), ())
    assert [one.forecasts for one in early.cities] == [3, 2]
    assert asdict(early)["cities"][0]["city"] == "pakse"
    assert steps.verify(asof=asof, settings=settings) == done


def test_runs_of_long_ago_are_scored_once(settings: Settings, tmp_path: Path) -> None:
    store = Records(settings.database)
    run(store, FIRST, "none", None, tables={"stage_forecasts": [issued_forecast(1, 9.5, day=0)]})
    export(tmp_path / "a", CALM, asof=FIRST + 119 * DAY)
    asof = FIRST + 119 * DAY
    steps.ingest("gauges", asof=asof, settings=settings, folder=tmp_path / "a")
    done = steps.verify(asof=asof, settings=settings)
    assert done.forecasts == 0
    assert [one.forecasts for one in done.cities] == [1]
    assert store.all_scores()["error_m"].tolist() == [0.5]


def told(settings: Settings) -> Any:
    """A Watch for Pakse as of a moment after the run's chain, with its track."""
    store = Records(settings.database)
    asof = FIRST + 30 * DAY
    view = Snapshot(Archive(settings.archive_dir), store, asof, {}, "m")
    last = store.last_issued(before=asof)
    assert last is not None
    one = flood(0.3)
    station = replace(one.station, code=PAKSE, alarm_m=11.0, flood_m=12.0)  # type: ignore[type-var]
    one = replace(one, city=replace(one.city, id="pakse"), station=station, issue_time=asof)
    (found,) = add_track_records(view, [one], follows=[last[0].isoformat(), last[1]])
    return found


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
    found = told(settings)
    assert found.track_record == TrackRecord(since=FIRST, issued=11, hits=1, of_city=True)
    text = compose(found, event=Level.WATCH, status="Test", language="en").description
    assert (
        "Since 1 July 2026, alarm stage was reached after 1 of 11 such warnings for this city."
        in text
    )
    facts = feeds.collect_facts(found, identifier=None, status="Test")
    assert (facts["track_issued"], facts["track_came_true"]) == (11, 1)
    # A correction that came later, and a night that was run again later, change no bytes.
    export(tmp_path / "b", [9.0] * 31, asof=FIRST + 40 * DAY)
    steps.ingest("gauges", asof=FIRST + 40 * DAY, settings=settings, folder=tmp_path / "b")
    run(store, FIRST + 3 * DAY, "emergency", None, digest="1")
    assert told(settings) == found


def test_too_few_cases_are_said_to_be_too_few(settings: Settings, tmp_path: Path) -> None:
    run(Records(settings.database), FIRST, "watch", None)
    export(tmp_path / "a", CALM[:31], asof=FIRST + 30 * DAY)
    steps.ingest("gauges", asof=FIRST + 30 * DAY, settings=settings, folder=tmp_path / "a")
    found = told(settings)
    assert (found.track_record.issued, found.track_record.enough) == (1, False)
    text = compose(found, event=Level.WATCH, status="Test", language="en").description
    assert "There have been too few such warnings to say how often they come true." in text


def test_every_language_tells_the_track() -> None:
    city = TrackRecord(since=FIRST, issued=10, hits=7, of_city=True)
    for level, one in ((Level.WATCH, flood(0.3)), (Level.WARNING, flood(0.6, 0.6))):
        for language in LANGUAGES:
            texts = [
                compose(
                    replace(one, track_record=told), event=level, status="Test", language=language
                )
                for told in (None, city, replace(city, of_city=False), replace(city, issued=3))
            ]
            assert len({text.description for text in texts}) == 4
            assert "10" in texts[1].description
            assert "2026" in texts[2].description


def test_a_warning_that_rests_on_rain_or_on_a_reading_has_no_track(settings: Settings) -> None:
    store = Records(settings.database)
    view = Snapshot(Archive(settings.archive_dir), store, FIRST, {}, "m")
    decisions = [pluvial(6.0), flood(stage_m=11.6), flood()]
    assert add_track_records(view, decisions, follows=None) == decisions
    (first,) = add_track_records(view, [flood(0.3)], follows=None)
    assert first.track_record == TrackRecord(since=FIRST, issued=0, hits=0, of_city=False)


def test_a_track_stands_in_the_message() -> None:
    one = replace(
        flood(0.3), track_record=TrackRecord(since=FIRST, issued=10, hits=7, of_city=True)
    )
    issuer = cap.Issuer(
        sender="a@example.org", sender_name="A", status="Test", scope="Restricted",
        origin="virtual", model_version="m", archive_snapshot="s", records_batch=1,
    )  # fmt: skip
    message, _ = next_message(one, issuer=issuer, revision=0, next_issue=one.issue_time + DAY)
    assert message is not None
    assert b"<valueName>track_came_true</valueName>" in message.content

"""One reading beyond what its gauge has shown before: what the alert says of it, and when."""

from __future__ import annotations

import math
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from pipeline.alerts.decision import Decision
from pipeline.alerts.evidence import Doubt
from pipeline.alerts.flood import decide_flood
from pipeline.alerts.levels import Level
from pipeline.alerts.templates import LANGUAGES
from pipeline.alerts.text import compose
from pipeline.geography import places
from pipeline.issuance import observed
from pipeline.issuance.snapshot import Snapshot
from pipeline.settings import ROOT
from pipeline.times import naive_timestamp
from tests.alerts.alert_cases import DRY, RULES
from tests.alerts.alert_cases import river as forecast
from tests.alerts.notice_cases import note
from tests.issuance.snapshot_cases import ISSUED, PREK_KDAM, readings, snapshot_of

PHNOM_PENH, KOMPONG_LUONG = "020101", "020106"
REAL = ROOT.parent / "shared" / "gauges" / "prek_kdam_stage_daily_1960_2018.csv"


def record(days: pd.DatetimeIndex) -> pd.Series[float]:
    """A lake river's years: 1 to 9.8 m, a metre and a half in the fastest day."""
    season = 5.4 - 4.4 * np.cos(2 * np.pi * (days.day_of_year - 80) / 365.25)
    year = np.asarray(days.year)
    series = pd.Series((season + 0.1 * np.sin(year)).round(2), index=days)
    burst = days.isin(pd.date_range("2011-09-01", "2011-09-03"))
    series[burst] -= 1.5
    return series


def decide(snapshot: Snapshot) -> Decision:
    """Level of Prek Kdam with a forecast that rests on the last believed reading."""
    last = observed.find_last_readings(snapshot)[PREK_KDAM]
    river = forecast(issue_time=snapshot.asof, station=PREK_KDAM, stage_m=last.stage_m)
    river = replace(river, stage_time=last.time)
    return decide_flood(
        places.city("prek_kdam"), issue_time=snapshot.asof, station=places.station(PREK_KDAM),
        river=observed.add_last_readings(river, last), rain=DRY, state=None, rules=RULES,
    )  # fmt: skip


DAYS = pd.date_range("2000-01-01", "2026-09-19")
USUAL = record(DAYS)


def after(*values: float, hours: tuple[float, ...] = (24.0,)) -> pd.Series[float]:
    """The usual record up to the 19th, and readings after it."""
    times = [DAYS[-1] + pd.Timedelta(hours=hour) for hour in hours]
    return pd.concat([USUAL, pd.Series(values, index=pd.DatetimeIndex(times))])


def test_one_reading_beyond_the_record_is_a_watch_that_says_so(tmp_path: Path) -> None:
    before = USUAL[:"2026-08-10"]
    reading = pd.Series([13.0], index=pd.to_datetime(["2026-08-11"]))
    issued = datetime(2026, 8, 11, 0, 30, tzinfo=UTC)
    decision = decide(
        snapshot_of(tmp_path, readings(pd.concat([before, reading]), PREK_KDAM), issued=issued)
    )
    assert (decision.level, decision.certainty) == (Level.WATCH, "Possible")
    assert decision.reasons == ("seen_unconfirmed",)
    assert decision.missing == ("unconfirmed",)
    assert decision.river is not None
    assert decision.river.stage_m == before.iloc[-1], "the forecast rests on the reading before"
    for language in LANGUAGES:
        text = compose(note(decision, event=Level.WATCH, status="Actual"), language=language)
        assert ("13,00" if language == "vi" else "13.00") in text.description
    description = compose(
        note(decision, event=Level.WATCH, status="Actual"), language="en"
    ).description
    assert (
        "One reading, not confirmed: 13.00 m on 11 August at 07:00, beyond what this gauge has "
        "shown before."
    ) in description


def test_a_reading_that_is_not_believed_is_not_called_missing(tmp_path: Path) -> None:
    reading = pd.Series([13.0], index=pd.to_datetime(["2026-08-11"]))
    alone = readings(pd.concat([USUAL[:"2026-08-08"], reading]), PREK_KDAM)
    issued = datetime(2026, 8, 11, 0, 30, tzinfo=UTC)
    decision = decide(snapshot_of(tmp_path, alone, issued=issued, name="alone"))
    assert "unconfirmed" in decision.missing
    assert "stage" not in decision.missing


def test_the_next_reading_decides(tmp_path: Path) -> None:
    later = datetime(2026, 9, 20, 12, 30, tzinfo=UTC)
    confirmed = after(13.0, 13.1, hours=(24.0, 36.0))
    decision = decide(snapshot_of(tmp_path, readings(confirmed, PREK_KDAM), issued=later))
    assert (decision.level, decision.certainty) == (Level.EMERGENCY, "Observed")
    back = after(13.0, 9.8, hours=(24.0, 36.0))
    snapshot = snapshot_of(tmp_path, readings(back, PREK_KDAM), issued=later, name="back")
    decision = decide(snapshot)
    assert decision.river is not None
    assert (decision.river.stage_m, decision.river.doubt) == (9.8, None)
    assert decision.level is Level.WATCH, "9.8 m is above the alarm stage of 9.5 m"
    flags = snapshot.records.readings.read("stage", asof=later)["qc"]
    assert flags.iloc[-2] == "spike"


@pytest.mark.parametrize("code", [PHNOM_PENH, KOMPONG_LUONG])
def test_a_neighbour_that_rose_as_well_makes_it_an_emergency_at_once(
    tmp_path: Path, code: str
) -> None:
    own, near = after(13.0), after(USUAL.iloc[-1] + 2.0)
    decision = decide(snapshot_of(tmp_path, readings(own, PREK_KDAM), readings(near, code)))
    assert (decision.level, decision.certainty) == (Level.EMERGENCY, "Observed")
    calm = after(USUAL.iloc[-1] + 0.2)
    snapshot = snapshot_of(tmp_path, readings(own, PREK_KDAM), readings(calm, code), name="calm")
    assert decide(snapshot).level is Level.WATCH


def test_the_sensor_beside_the_observer_confirms_it(tmp_path: Path) -> None:
    sensor = pd.Series(
        [12.9, 13.05], index=pd.to_datetime(["2026-09-19 23:45", "2026-09-20 00:00"])
    )
    snapshot = snapshot_of(
        tmp_path, readings(after(13.0), PREK_KDAM), readings(sensor, PREK_KDAM, "telemetry")
    )
    assert decide(snapshot).level is Level.EMERGENCY


def test_the_forecast_confirms_what_it_foresaw() -> None:
    when = datetime(2026, 9, 20, tzinfo=UTC)
    doubt = Doubt(kind="unconfirmed", lowest_m=11.9, highest_m=11.9, time=when)
    last = {PREK_KDAM: observed.LastReadings(9.6, when - timedelta(days=1), doubt)}
    leads = pd.DataFrame(
        {"station": PREK_KDAM, "lead_days": [1, 2], "q05": [9.5, 9.5], "q95": [12.0, 13.5]}
    )
    assert observed.confirm_by_forecast(last, leads) == {PREK_KDAM: doubt}
    assert observed.confirm_by_forecast(last, leads.assign(q95=11.0)) == {}
    conflicting = replace(last[PREK_KDAM], doubt=replace(doubt, kind="conflict"))
    assert observed.confirm_by_forecast({PREK_KDAM: conflicting}, leads) == {}
    river = forecast(issue_time=ISSUED, station=PREK_KDAM, stage_m=11.9, age_h=0.5)
    agreed = observed.add_last_readings(river, last[PREK_KDAM])
    assert agreed.doubt is None
    assert agreed.change_1d_m == pytest.approx(2.3)


def test_a_record_flood_that_comes_as_the_river_does_is_believed_at_once(tmp_path: Path) -> None:
    rising = after(10.2, 10.9, 11.5, 12.0, hours=(24.0, 48.0, 72.0, 96.0))
    for days in range(1, 5):
        issued = ISSUED + timedelta(days=days - 1)
        part = rising[rising.index <= naive_timestamp(issued)]
        decision = decide(
            snapshot_of(tmp_path, readings(part, PREK_KDAM), issued=issued, name=str(days))
        )
        assert decision.level is Level.EMERGENCY, "above the record from the second day on"


def test_one_low_reading_calms_nothing(tmp_path: Path) -> None:
    high = after(10.2, 10.3, 1.0, hours=(24.0, 48.0, 72.0))
    decision = decide(
        snapshot_of(tmp_path, readings(high, PREK_KDAM), issued=ISSUED + timedelta(days=2))
    )
    assert decision.level is Level.EMERGENCY
    assert decision.river is not None
    assert decision.river.stage_m == 10.3
    assert "unconfirmed" in decision.missing


@pytest.mark.parametrize(("low", "level"), [(9.0, Level.UNKNOWN), (9.7, Level.WATCH)])
def test_readings_that_disagree_across_a_mark_are_no_all_clear(
    tmp_path: Path, low: float, level: Level
) -> None:
    """Across the alarm stage the river is UNKNOWN; both above it is a Watch; and no Emergency."""
    before = USUAL[:"2026-08-10"]
    assert before.iloc[-1] < 9.0
    conflict = pd.Series([low, 10.4], index=pd.to_datetime(["2026-08-11"] * 2))
    table = pd.concat(
        [readings(before, PREK_KDAM), readings(conflict, PREK_KDAM).assign(qc="conflict")]
    )
    decision = decide(snapshot_of(tmp_path, table, issued=datetime(2026, 8, 11, 0, 30, tzinfo=UTC)))
    assert decision.level is level
    assert decision.missing == ("conflict",)
    description = compose(
        note(decision, event=Level.WATCH, status="Actual"), language="en"
    ).description
    assert f"disagree: {low:.2f} m and 10.40 m. The stage is not known." in description


def test_a_reading_within_what_was_seen_before_is_seen(tmp_path: Path) -> None:
    decision = decide(snapshot_of(tmp_path, readings(after(10.2), PREK_KDAM)))
    assert (decision.level, decision.certainty) == (Level.EMERGENCY, "Observed")
    assert math.isclose(USUAL.max(), 9.9, abs_tol=0.05)


@pytest.mark.skipif(not REAL.exists(), reason="the series lies beside the checkout")
def test_prek_kdam_at_13_m_after_59_years(tmp_path: Path) -> None:
    table = pd.read_csv(REAL, parse_dates=["Date"]).dropna().drop_duplicates("Date")
    series = table.set_index("Date")["Height"][:"2018-09-19"]
    wrong = pd.concat([series, pd.Series([13.0], index=pd.to_datetime(["2018-09-20"]))])
    issued = ISSUED.replace(year=2018)
    snapshot = snapshot_of(tmp_path, readings(wrong, PREK_KDAM), issued=issued)
    decision = decide(snapshot)
    assert (decision.level, decision.certainty) == (Level.WATCH, "Possible")
    flags = snapshot.records.readings.read("stage", asof=issued)
    assert flags["qc"].iloc[-1] == "unconfirmed"
    crests = flags.iloc[:-1].groupby(flags["valid_time"].iloc[:-1].dt.year)["value"].idxmax()
    assert set(flags.loc[crests, "qc"]) == {"good"}, "no crest of 59 years is flagged"

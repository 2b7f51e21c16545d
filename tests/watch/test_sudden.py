"""Sudden change: a made-up release on the virtual river, quiet seasons, and what is no record."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from numpy.typing import NDArray

from pipeline.geography.gauge_figures import travel_times_d
from pipeline.quality.selection import select_used
from pipeline.settings import Settings
from pipeline.virtual.basin import VirtualBasin
from pipeline.watch import sudden
from tests.issuance.snapshot_cases import readings, snapshot_of

CHIANG_SAEN = "010501"
RELEASED = datetime(2026, 3, 1, 3, 0, tzinfo=UTC)
RATING = 246.7, -0.77, 1.7
"""Of Chiang Saen: H = level + (Q / scale)^(1 / exponent), m and m3/s."""
EXTRA_M3S = 500.0


@pytest.fixture(scope="module")
def basin(tmp_path_factory: pytest.TempPathFactory) -> VirtualBasin:
    folder = tmp_path_factory.mktemp("basin")
    return VirtualBasin(Settings.model_fields["seed"].default, folder)


@pytest.fixture(scope="module")
def twice_a_day(basin: VirtualBasin) -> pd.Series[float]:
    """Readings of the virtual observer over twelve years, morning and evening."""
    start = datetime(2014, 1, 1, tzinfo=UTC)
    rows = basin.gauge_readings(start, RELEASED)
    rows = rows[(rows["station"] == CHIANG_SAEN) & rows["value"].notna()]
    rows = rows.drop_duplicates("valid_time", keep="last").sort_values("valid_time")
    return pd.Series(rows["value"].to_numpy(), pd.DatetimeIndex(rows["valid_time"]))


def hourly(series: pd.Series[float], days: int) -> pd.Series[float]:
    """The last days of a series as a sensor has them: every hour, to 2 cm."""
    recent = series[series.index > series.index[-1] - pd.Timedelta(days=days)]
    hours = pd.date_range(recent.index[0].ceil("h"), RELEASED.replace(tzinfo=None), freq="h")
    stage = np.interp(hours.astype("int64"), recent.index.astype("int64"), recent.to_numpy())
    noise = np.random.default_rng(1).normal(0.0, 0.02, len(hours))
    return pd.Series(stage + noise, hours)


def release(series: pd.Series[float], hours: int) -> pd.Series[float]:
    """500 m3/s more within the first hour, for so many hours after the last reading."""
    scale, level, exponent = RATING
    before_m = float(series.iloc[-1])
    flow = scale * (before_m - level) ** exponent + EXTRA_M3S
    after_m = level + (flow / scale) ** (1.0 / exponent)
    times = pd.date_range(series.index[-1], periods=hours + 1, freq="h")[1:]
    released: pd.Series[float] = pd.concat([series, pd.Series(after_m, times)])
    return released


def columns(series: pd.Series[float]) -> tuple[NDArray[Any], NDArray[Any]]:
    return series.index.to_numpy("datetime64[ns]"), series.to_numpy("float64")


def find(series: pd.Series[float], asof: datetime) -> list[sudden.SuddenChange]:
    table = pd.DataFrame(
        {"station": CHIANG_SAEN, "valid_time": series.index, "value": series.to_numpy()}
    )
    return sudden.find_sudden_changes(table, asof=asof)


def test_a_made_up_release_is_found_within_two_hours(
    twice_a_day: pd.Series[float], tmp_path: Path
) -> None:
    sensor = hourly(twice_a_day, days=40)
    stages = release(sensor, hours=2)
    asof = RELEASED + timedelta(hours=2, minutes=15)
    store = snapshot_of(
        tmp_path,
        readings(twice_a_day, CHIANG_SAEN),
        readings(stages, CHIANG_SAEN, method="telemetry"),
        issued=asof,
    )
    known = store.own_readings("stage", start=asof - sudden.RECORD)
    (change,) = sudden.find_sudden_changes(select_used(known), asof=asof)
    assert change.station == CHIANG_SAEN
    assert change.hours == 1
    assert change.begin == RELEASED
    assert change.change_m == pytest.approx(stages.iloc[-1] - sensor.iloc[-1], abs=1e-9)
    assert change.change_m > 0.4 > change.record_m


def test_without_an_hourly_record_the_days_own_finds_it(twice_a_day: pd.Series[float]) -> None:
    sensor = hourly(twice_a_day, days=3)
    stages = release(sensor, hours=2)
    stages.iloc[-2:] += 0.5
    both = pd.concat([twice_a_day[twice_a_day.index < sensor.index[0]], stages])
    record = sudden.fit_record(*columns(both), asof=RELEASED + timedelta(hours=2))
    assert set(record) == {24}
    (change,) = find(both, RELEASED + timedelta(hours=2, minutes=15))
    assert (change.hours, change.record_m) == (24, record[24][1])


def test_a_fall_is_found_too(twice_a_day: pd.Series[float]) -> None:
    sensor = hourly(twice_a_day, days=40)
    lower = sensor.index[-1] + pd.Timedelta(hours=1)
    fallen = pd.concat([sensor, pd.Series(sensor.iloc[-1] - 0.6, [lower])])
    (change,) = find(fallen, RELEASED + timedelta(hours=1, minutes=15))
    assert change.change_m == pytest.approx(-0.6)
    assert change.record_m < 0.0


def test_quiet_dry_seasons_of_the_virtual_river_give_at_most_two_calls_a_year(
    basin: VirtualBasin,
) -> None:
    start, end = datetime(2009, 1, 1, tzinfo=UTC), datetime(2026, 6, 1, tzinfo=UTC)
    rows = basin.gauge_readings(start, end)
    rows = rows[rows["value"].notna()].drop_duplicates(["station", "valid_time"], keep="last")
    calls: dict[str, list[int]] = {}
    for code, of_gauge in rows.sort_values("valid_time").groupby("station"):
        series = pd.Series(of_gauge["value"].to_numpy(), pd.DatetimeIndex(of_gauge["valid_time"]))
        for year in range(2020, 2027):
            begin = datetime(year - 1, 12, 1, tzinfo=UTC)
            record = sudden.fit_record(*columns(series), asof=begin)
            season = series[f"{year - 1}-12-01" : f"{year}-05-31"]
            called: list[pd.Timestamp] = []
            for moment in season.index if record else ():
                recent = season[moment - pd.Timedelta(days=2) : moment]
                since = moment.tz_localize(UTC).to_pydatetime() - timedelta(minutes=1)
                found = sudden.find_sudden_change(
                    str(code), *columns(recent), record=record, since=since
                )
                if found and not (called and moment - called[-1] <= pd.Timedelta(days=2)):
                    called.append(moment)
            if record and len(season) > 60:
                calls.setdefault(str(code), []).append(len(called))
    assert len(calls) > 10
    rates = {code: np.mean(of_years) for code, of_years in calls.items()}
    assert max(rates.values()) <= 2.0, rates


def test_a_gauge_without_a_record_of_its_own_is_not_judged() -> None:
    times = pd.date_range("2026-02-01", RELEASED.replace(tzinfo=None), freq="24h")
    series = pd.Series(2.0, times)
    series.iloc[-1] = 9.0
    assert sudden.fit_record(*columns(series), asof=RELEASED) == {}
    assert find(series, RELEASED) == []


def test_the_newest_days_are_no_part_of_the_record(twice_a_day: pd.Series[float]) -> None:
    sensor = hourly(twice_a_day, days=40)
    loud = release(sensor, hours=40)
    loud.iloc[-40::2] -= 0.6
    asof = RELEASED + timedelta(hours=41)
    quiet = sudden.fit_record(*columns(sensor), asof=asof)
    assert sudden.fit_record(*columns(loud), asof=asof)[1] == quiet[1]


def test_only_low_flow_months_make_the_record_and_old_ones_do_not() -> None:
    times = pd.date_range("2010-01-01", "2026-02-28", freq="24h")
    rng = np.random.default_rng(2)
    steps = np.where(np.isin(times.month, sudden.DRY_MONTHS), 0.01, 0.5)
    steps = np.where(times.year < 2015, 3.0, steps)
    stage = 100.0 + np.cumsum(steps * rng.choice([-1.0, 1.0], len(times)))
    fall, rise = sudden.fit_record(*columns(pd.Series(stage, times)), asof=RELEASED)[24]
    assert (fall, rise) == (-sudden.SMALLEST_M, sudden.SMALLEST_M)


@pytest.mark.parametrize(("month", "dry"), [(11, False), (12, True), (5, True), (6, False)])
def test_the_season_is_that_of_low_flow(month: int, dry: bool) -> None:
    assert sudden.is_dry_season(datetime(2026, month, 15, tzinfo=UTC)) is dry


def test_a_change_arrives_downstream_by_the_known_travel_times() -> None:
    change = sudden.SuddenChange(
        station=CHIANG_SAEN, change_m=0.7, hours=1, record_m=0.2, begin=RELEASED,
        end=RELEASED + timedelta(hours=1), stage_m=2.0,
    )  # fmt: skip
    arrivals = sudden.list_arrivals(change, travel_times_d())
    assert [arrival.station for arrival in arrivals] == ["011201", "011901"]
    assert arrivals[0].earliest == RELEASED + timedelta(days=1.5)
    assert arrivals[0].latest == RELEASED + timedelta(days=2, hours=1)
    assert arrivals[1].earliest == RELEASED + timedelta(days=3)
    assert sudden.list_arrivals(change, {}) == []

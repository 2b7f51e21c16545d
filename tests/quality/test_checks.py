"""Checks and flags on generated series with faults placed by hand."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from pipeline.geography.gauge_figures import verified_zeros
from pipeline.geography.places import stations
from pipeline.quality import flags as quality_flags
from pipeline.quality.checks import Blocked, Hampel, Jump, Rate, Spike, Stuck
from pipeline.quality.gauge_limits import gauge_records

PAKSE, KRATIE, JINGHONG, BUENG_KAN = "013901", "014901", "092600", "012702"
DAYS = 24.0 * np.arange(40)


def frame(
    time: pd.DatetimeIndex,
    value: NDArray[np.floating[Any]] | list[float],
    *,
    station: str = PAKSE,
    variable: str = "stage",
    method: str = "manual",
    qc: str = "good",
) -> pd.DataFrame:
    return pd.DataFrame(
        {
            "station": station,
            "variable": variable,
            "method": method,
            "valid_time": time,
            "value": value,
            "unit": "m",
            "raw": "",
            "qc": qc,
        }
    )


def mornings(value: NDArray[np.floating[Any]] | list[float], **more: str) -> pd.DataFrame:
    return frame(pd.date_range("2026-07-01", periods=len(value)), value, **more)


def flags(value: NDArray[np.floating[Any]] | list[float], **more: str) -> list[str]:
    return [str(flag) for flag in quality_flags.flagged(mornings(value, **more))["qc"]]


def flood(hours: NDArray[np.float64], at: float, rise: float, wide: float) -> NDArray[np.float64]:
    """A flash flood: up by ``rise`` m within ``wide`` hours, down over four days."""
    after = np.clip(hours - at, 0.0, None)
    return np.asarray(rise / (1.0 + np.exp(-8.0 * (hours - at) / wide)) * np.exp(-after / 96.0))


def telemetry() -> tuple[pd.DataFrame, NDArray[np.float64], NDArray[np.object_]]:
    """Seven weeks of 15-minute readings with every fault, the truth, and what is wrong."""
    random = np.random.default_rng(20260820)
    time = pd.date_range("2026-07-01", "2026-08-20 00:15", freq="15min")
    hours = np.arange(len(time)) / 4.0
    truth = 6.0 + 2.0 * np.sin(hours / 480.0 * 2.0 * np.pi) + flood(hours, 700.0, 4.5, 12.0)
    value = (truth + random.normal(0.0, 0.004, len(time))).round(2)
    wrong = np.full(len(time), "good", dtype=object)

    def between(start: str, end: str) -> slice:
        return slice(*(int((pd.Timestamp(t) - time[0]) / pd.Timedelta("15min"))
                       for t in (start, end)))  # fmt: skip

    for start, count, height in (
        ("2026-07-04 00:00", 1, 3.0), ("2026-07-09 00:00", 1, -2.2), ("2026-07-13 23:45", 3, 1.1),
        ("2026-07-20 05:00", 4, 9.0), ("2026-07-30 04:00", 1, 1.0), ("2026-08-19 00:00", 2, -0.6),
    ):  # fmt: skip
        spike = between(start, start)
        value[spike.start : spike.start + count] += height
        wrong[spike.start : spike.start + count] = "spike"
    moved = between("2026-08-05 03:00", "2026-08-08 15:00")
    value[moved] += 0.9
    wrong[moved] = "jump"
    stuck = between("2026-08-12 03:00", "2026-08-16 01:00")
    value[stuck] = value[stuck.start]
    wrong[stuck.start + 1 : stuck.stop] = "stuck"
    there = random.random(len(time)) > 0.05
    there[between("2026-07-16 20:00", "2026-07-17 09:00")] = False
    there[stuck.start - 1 : stuck.start + 1] = True
    rows = frame(time, value, method="telemetry")
    return rows[there], truth[there], wrong[there]


def test_a_clean_daily_series_comes_out_of_15_minute_telemetry() -> None:
    rows, truth, wrong = telemetry()
    found = quality_flags.flagged(rows)
    assert found["qc"].tolist() == wrong.tolist()
    assert found["value"].tolist() == rows["value"].tolist(), "nothing is changed or deleted"
    clock = found["valid_time"].dt
    daily = (clock.hour == 0) & (clock.minute == 0)
    kept = daily & found["qc"].isin(quality_flags.USED)
    off = np.abs(found["value"] - truth)
    assert off[daily].max() > 2.0
    assert off[kept].max() <= 0.02
    lost = set(found.loc[daily & ~kept, "valid_time"].dt.strftime("%m-%d"))
    assert lost == {"07-04", "07-09", "07-14", "08-06", "08-07", "08-08", "08-13", "08-14",
                    "08-15", "08-16", "08-19"}  # fmt: skip
    day = pd.Series(truth, index=found["valid_time"])["2026-07-29 12:00":"2026-07-30 12:00"]
    assert day.max() - day.min() > 3.5, "the flash rise, of which not one reading is flagged"


def test_an_older_question_sees_no_later_reading() -> None:
    rows, _, _ = telemetry()
    whole = quality_flags.flagged(rows)
    for moment in ("2026-07-04 00:00", "2026-07-30 06:00", "2026-08-05 04:00", "2026-08-14"):
        known = quality_flags.flagged(rows[rows["valid_time"] <= moment])
        settled = known["valid_time"] < pd.Timestamp(moment) - pd.Timedelta(days=3)
        assert known[settled].equals(whole[: settled.sum()])
    newest = quality_flags.flagged(rows[rows["valid_time"] <= "2026-07-04 00:00"])
    assert newest["qc"].iloc[-1] == "rate", "3 m in 15 min: impossible, known at once"
    newest = quality_flags.flagged(rows[rows["valid_time"] <= "2026-07-30 04:00"])
    assert newest["qc"].iloc[-1] == "good", "1 m: not known yet to be a spike"


@pytest.mark.parametrize("rise", [2.0, 5.0, 7.5])
@pytest.mark.parametrize("wide", [6.0, 12.0, 48.0])
@pytest.mark.parametrize("minutes", [15, 60, 720, 1440])
def test_a_flash_rise_of_metres_is_not_flagged(rise: float, wide: float, minutes: int) -> None:
    time = pd.date_range("2026-07-01", "2026-07-21", freq=f"{minutes}min")
    hours = np.arange(len(time)) * minutes / 60.0
    level = 3.0 + 0.001 * hours + flood(hours, 240.0, rise, wide)
    for end in (len(time), int(np.searchsorted(hours, 243.0))):
        found = quality_flags.flagged(frame(time[:end], level[:end].round(2)))
        assert set(found["qc"]) == {"good"}


@settings(max_examples=50, deadline=None)
@given(
    steps=st.lists(st.floats(-0.3, 0.3), min_size=10, max_size=60),
    at=st.integers(3, 6),
    height=st.floats(2.0, 5.0),
    sign=st.sampled_from([-1.0, 1.0]),
    shift=st.floats(-3.0, 3.0),
)
def test_a_wrong_digit_is_found_and_nothing_else(
    steps: list[float], at: int, height: float, sign: float, shift: float
) -> None:
    level = 8.0 + shift + np.cumsum(steps) / 3.0
    hours = 24.0 * np.arange(len(level))
    assert not Spike().check(hours, level).any()
    level[at] += sign * height
    assert np.flatnonzero(Spike().check(hours, level)).tolist() == [at]
    moved = Spike().check(hours + 1000.0, level + 100.0)
    assert np.flatnonzero(moved).tolist() == [at], "of time and datum it knows nothing"


def test_the_tide_is_no_spike() -> None:
    hours = 6.0 * np.arange(200)
    tide = 1.2 * np.cos(hours / 12.42 * 2 * np.pi) + 0.6 * np.cos(hours / 23.93 * 2 * np.pi)
    time = pd.date_range("2026-03-01", periods=200, freq="6h")
    assert set(quality_flags.flagged(frame(time, tide.round(2), station="039803"))["qc"]) == {
        "good"
    }
    time = pd.date_range("2026-03-01", periods=4000, freq="15min")
    hours = np.arange(4000) / 4.0
    tide = 1.2 * np.cos(hours / 12.42 * 2 * np.pi) + 0.6 * np.cos(hours / 23.93 * 2 * np.pi)
    rows = frame(time, tide.round(2), station="039803", method="telemetry")
    assert set(quality_flags.flagged(rows)["qc"]) == {"good"}


def test_a_jump_lasts_until_it_is_undone_or_has_lasted_six_hours() -> None:
    hours = np.arange(4 * 24 * 50) / 4.0
    level = 5.0 + 0.3 * np.sin(hours / 200.0)
    back = level.copy()
    back[200:900] += 0.8
    assert np.flatnonzero(Jump().check(hours, back)).tolist() == list(range(200, 900))
    slowly = back.copy()
    slowly[900:903] += [0.5, 0.3, 0.1]
    found = np.flatnonzero(Jump().check(hours, slowly))
    assert (found[0], found[-1]) == (200, 900)
    gap = np.concatenate([np.arange(800), np.arange(1000, len(hours))])
    assert np.flatnonzero(Jump().check(hours[gap], back[gap])).tolist() == list(range(200, 800))
    for_good = level.copy()
    for_good[200:] += 0.8
    assert not Jump().check(hours, for_good).any(), "then it is the river, or the gauge's datum"
    found = np.flatnonzero(Jump().check(hours[:224], for_good[:224]))
    assert found.tolist() == list(range(200, 224)), "5 h 45 min: not decided yet"
    assert not Jump().check(hours[:225], for_good[:225]).any()
    contradicted = Jump().course(hours, for_good, lambda _start: False).faulty
    assert np.flatnonzero(contradicted).tolist() == list(range(200, 200 + 4 * 24 * 30))
    assert not Jump().course(hours[:210], for_good[:210], lambda _start: True).faulty.any()
    assert not Jump().check(hours[:205], for_good[:205]).any(), "not known before it stays"
    assert not Jump().check(hours, level).any()


def test_an_impossible_change_is_flagged_at_once() -> None:
    level = np.array([5.0, 5.1, 17.0])
    assert Rate().check(DAYS[:3], level).tolist() == [False, False, True]
    level = np.array([5.0, 5.1, 13.0])
    assert not Rate().check(DAYS[:3], level).any(), "a rise of 8 m in a day has been seen"
    assert not Rate().check(np.array([0.0, 1.0, 4.0]), np.array([2.0, 4.0, 10.0])).any()


def test_stuck_and_the_first_of_the_run() -> None:
    level = np.concatenate([[4.0, 4.1], np.full(25, 4.2), [4.3]])
    found = Stuck().check(DAYS[:28], level)
    assert np.flatnonzero(found).tolist() == list(range(3, 27))
    assert not Stuck().check(DAYS[:28], level + 0.01 * (np.arange(28) % 2)).any()
    assert not Stuck().check(DAYS[:18], level[:18]).any(), "a dry fortnight is not"
    assert not Stuck().check(DAYS[:1], level[:1]).any()


def test_few_and_no_readings() -> None:
    for check in (Spike(), Hampel(), Rate(), Jump(), Stuck(), Blocked()):
        for n in range(4):
            assert check.check(DAYS[:n], np.ones(n)).tolist() == [False] * n
    none = quality_flags.flagged(mornings([]))
    assert none.empty
    assert quality_flags.best(none).empty
    assert quality_flags.suspects(none) == []
    assert flags([np.nan, 5.0, np.nan]) == ["good"] * 3, "missing is missing, not faulty"


def test_units_and_datums_are_restated_where_they_are_plain() -> None:
    level = [8.0, 8.1, 820.0, 8.3, 8400.0, 8.5]
    found = quality_flags.flagged(mornings(level))
    assert found["value"].tolist() == [8.0, 8.1, 8.2, 8.3, 8.4, 8.5]
    assert found["qc"].tolist() == ["good", "good", "converted", "good", "converted", "good"]
    assert found["raw"].tolist() == ["", "", "820 m", "", "8400 m", ""]
    zero = verified_zeros()[PAKSE]
    found = quality_flags.flagged(mornings([zero + 8.0, zero + 8.1]))
    assert found["value"].tolist() == pytest.approx([8.0, 8.1])
    assert set(found["qc"]) == {"converted"}
    assert flags([8.0, 8.1, 816.37, 8.2])[2] == "range", "cm are whole, and levels are not"
    assert flags([8.0, 8.1, 300.0, 8.2])[2] == "range", "3 m would not continue 8 m"
    assert flags([zero + 8.0, 8.1, 8.2, 8.2])[0] == "converted"
    assert BUENG_KAN not in verified_zeros()
    assert flags([142.42 + 6, 6.1, 6.2], station=BUENG_KAN)[0] == "range"
    assert flags([21.92, 21.9], station=KRATIE) == ["good"] * 2, "amsl is stage: zero is -1.08"


def test_a_gauge_above_the_sea_stays_one() -> None:
    assert stations()[JINGHONG].zero_m_amsl is None
    level = 536.0 + 0.1 * np.arange(20) % 1.0
    level[4] = 2.0
    level[9] += 3.0
    found = flags(level, station=JINGHONG)
    assert found[4] == "range"
    assert found[9] == "spike"
    assert {flag for at, flag in enumerate(found) if at not in {4, 9}} == {"absolute"}
    assert set(flags(level[:4], station=JINGHONG, qc="absolute")) == {"absolute"}
    assert set(flags([8.0, 8.1], qc="absolute")) == {"range"}, "never against an alarm stage"
    assert set(flags([148.4, 148.5, 6.1], station=BUENG_KAN)) == {"range", "good"}


def test_flags_of_the_file_stay() -> None:
    assert flags([8.0, 8.1, 8.2], qc="conflict") == ["conflict"] * 3
    assert flags([8.0, 8.1, 8.2], qc="estimated") == ["estimated"] * 3


def test_rain() -> None:
    rain = np.tile([0.0, 12.0, 3.5, 0.0, 40.0], 8)
    assert set(flags(rain, variable="rain")) == {"good"}
    assert flags([0.0, -0.3, 2400.0, 5.0], variable="rain") == ["good", "range", "range", "good"]
    assert flags([0.0, *[7.3] * 6, 1.0], variable="rain") == ["good"] * 2 + ["stuck"] * 5 + ["good"]
    assert flags(np.zeros(50), variable="rain") == ["good"] + ["stuck"] * 49
    dry = frame(pd.date_range("2026-12-01", periods=90), np.zeros(90), variable="rain")
    assert set(quality_flags.flagged(dry)["qc"]) == {"good"}, "the dry season is dry"
    assert flags([5.0, -3.0, 7e5], variable="discharge") == ["good", "range", "range"]


def test_precedence_of_methods() -> None:
    time = pd.date_range("2026-07-01", periods=4)
    manual = frame(time, [7.0, 7.1, 70.0, np.nan]).assign(qc=["good", "good", "conflict", "good"])
    sensor = frame(time, [7.3, 7.4, 7.5, 7.6], method="telemetry").iloc[1:]
    found = quality_flags.best(quality_flags.flagged(pd.concat([sensor, manual])))
    assert found["value"].tolist() == [7.0, 7.1, 7.5, 7.6]
    assert found["method"].tolist() == ["manual", "manual", "telemetry", "telemetry"]


def test_rain_of_one_method_a_day_and_no_sum_over_gaps() -> None:
    time = pd.date_range("2026-07-01 01:00", "2026-07-04", freq="h")
    sensor = frame(time, np.ones(72), variable="rain", method="telemetry").assign(qc="good")
    sensor["value"] += 0.01 * np.arange(72)
    sensor = sensor.drop(index=sensor.index[30:36])
    manual = frame(pd.to_datetime(["2026-07-03"]), [20.0], variable="rain")
    found = quality_flags.best(quality_flags.flagged(pd.concat([sensor, manual])))
    count = found.groupby(found["valid_time"].dt.ceil("D")).size()
    assert count.tolist() == [24, 1, 24]
    assert found["method"].iloc[24] == "manual"
    alone = quality_flags.best(quality_flags.flagged(sensor))
    assert set(alone["valid_time"].dt.ceil("D").dt.day) == {2, 4}, "the 3rd lacks six hours"


def test_a_suspect_gauge_is_named() -> None:
    stuck = mornings([4.0, 4.1, *[4.2] * 25])
    found = quality_flags.flagged(pd.concat([stuck, stuck.assign(station="999999")]))
    (line,) = quality_flags.suspects(found)
    said = "24 of 27 manual readings of stage are suspect and left out (24 stuck)"
    assert line == f"gauges: Pakse (013901): {said}"
    assert quality_flags.suspects(quality_flags.flagged(mornings(5.0 + 0.1 * np.arange(9)))) == []


@pytest.mark.parametrize("case", ["wave of 1.2-3 m in half an hour", "releases of a dam"])
def test_a_crest_that_the_next_readings_confirm_is_kept(case: str) -> None:
    from docs import quality as measured

    for trial in measured.trials(case, 4):
        assert set(measured.flag(trial.told)["qc"]) == {"good"}


@pytest.mark.slow
@pytest.mark.parametrize(
    ("case", "found", "lost", "hours"),
    [
        ("spikes of 1-4 readings", 0.99, 0.001, 1.0),
        ("frozen two days through a rise", 0.95, 0.02, 6.0),
        ("drift of 0.6 m, put right by a visit", 0.0, 0.001, 6.0),
        ("datum moved for three days", 0.99, 0.001, 6.0),
        ("wave of 1.2-3 m in half an hour", None, 0.001, 6.0),
        ("releases of a dam", None, 0.001, 0.5),
        ("flash flood of 2-6 m", None, 0.001, 0.5),
    ],
)
def test_faults_are_found_and_floods_are_kept(
    case: str, found: float | None, lost: float, hours: float
) -> None:
    from docs import quality as measured

    share, bad, until = measured.measure(case, 3)
    assert found is None or share >= found
    assert bad <= lost
    assert until <= hours


def steps(*parts: tuple[int, float]) -> NDArray[np.float64]:
    """Levels of quiet telemetry, so many readings each."""
    level = np.concatenate([np.full(count, height) for count, height in parts])
    return np.asarray(level + np.tile([0.0, 0.01, 0.0, -0.01], len(level))[: len(level)])


def test_the_observer_decides_on_a_jump_of_the_sensor() -> None:
    time = pd.date_range("2026-07-01", periods=500, freq="15min")
    level = steps((400, 5.0), (100, 5.9))
    sensor = frame(time, level, method="telemetry")
    moved = sensor.iloc[400:412]["valid_time"]
    for observed, flag in ((5.9, "good"), (5.0, "jump")):
        manual = mornings([5.0, 5.0, 5.0, 5.0, observed, observed])
        manual["valid_time"] += pd.Timedelta(hours=4)
        found = quality_flags.flagged(pd.concat([sensor, manual])).query("method == 'telemetry'")
        flags = found.set_index("valid_time")["qc"]
        assert set(flags[moved]) == {flag}
        assert flags.iloc[-1] == flag, "a day later: the observer still contradicts, or agrees"
    alone = quality_flags.flagged(sensor.iloc[:412])["qc"]
    assert set(alone.iloc[400:]) == {"jump"}, "nobody else: not believed within three hours"


def test_a_code_is_a_stage_where_the_gauge_stands_there() -> None:
    assert flags([9.7, 9.85, 9.99, 10.1], station=KRATIE) == ["good"] * 4
    assert flags([9.7, 9.85, 9.99], station=KRATIE) == ["good"] * 3
    assert flags([4.7, 4.8, 9.99, 4.9]) == ["good", "good", "code", "good"]
    assert flags([4.7, 4.8, 9.99]) == ["good", "good", "code"]
    assert flags([1.2, 1.1, -0.99, 1.1]) == ["good", "good", "code", "good"]
    assert flags([7.2, 8.5, 8.88, 8.1, 7.7, 7.77]) == ["good"] * 6, "codes are 888 and 777"
    for number in (999.0, -999.0, 9999.0, -99.0, 999.9, 99999.0, 999.0, 888.0, 8888.0, 99.0):
        found = quality_flags.flagged(mornings([9.9, 9.95, number, 9.9], station=KRATIE))
        assert found["qc"].iloc[2] == "code", "never converted"
        assert found["value"].iloc[2] == number


@pytest.mark.parametrize("number", [99.9, 99.0, 99.99, 88.8, 888.0, 8888.0, -8888.0])
def test_a_number_that_a_sensor_repeats_for_missing_is_no_flood(number: float) -> None:
    """Pakse stands at 8.8 m; 99.9 m above the sea would be 13.41 m, 8888 mm would be 8.888 m."""
    time = pd.date_range("2026-08-01", periods=700, freq="15min")
    value = np.append(np.linspace(8.0, 8.8, 670).round(2), np.full(30, number))
    found = quality_flags.flagged(frame(time, value, method="telemetry"))
    assert set(found["qc"][670:]) == {"code"}
    assert found["value"][670:].tolist() == [number] * 30
    long = pd.date_range("2025-08-01", periods=380, freq="D")
    daily = np.append(np.linspace(8.0, 8.8, 370), np.full(10, 99.9))
    late = pd.DatetimeIndex([*long[:370], *(long[370:] + pd.Timedelta(days=20))])
    assert set(quality_flags.flagged(frame(late, daily))["qc"][370:]) == {"code"}, "no limit either"


def test_a_level_above_the_sea_is_restated_where_it_moves_as_the_river_does() -> None:
    zero = verified_zeros()[PAKSE]
    found = quality_flags.flagged(mornings([8.5, 8.6, *[104.9] * 6]))
    assert found["qc"].tolist() == ["good"] * 2 + ["range"] * 6, "not 18.41 m; not 14.9 m either"
    assert flags([8.5, 8.6, *[101.0] * 6]) == ["good"] * 2 + ["range"] * 6, "not 14.51 m"
    found = quality_flags.flagged(
        mornings([8.6, 8.9, zero + 9.3, zero + 9.3, zero + 10.1, zero + 9.9])
    )
    assert found["value"].tolist() == pytest.approx([8.6, 8.9, 9.3, 9.3, 10.1, 9.9])
    assert found["qc"].tolist() == ["good"] * 2 + ["converted"] * 4


def test_a_code_is_one_in_the_unit_of_its_file() -> None:
    """888 for missing in a file of cm is 8.88 m; 99.9 in levels above the sea is 13.41 m."""
    rows = mornings([6.1, 6.2, 8.88, 6.3])
    assert quality_flags.flagged(rows)["qc"].tolist() == ["good", "good", "spike", "good"]
    rows["raw"] = ["610 cm", "620 cm", "888 cm", "630 cm"]
    assert quality_flags.flagged(rows)["qc"].tolist() == ["good", "good", "code", "good"]
    rows = mornings([8.5, 8.6, 99.9 - verified_zeros()[PAKSE]])
    rows["raw"] = ["94.99 m amsl", "95.09 m amsl", "99.9 m amsl"]
    assert quality_flags.flagged(rows)["qc"].tolist() == ["good", "good", "code"]


def test_a_zero_is_missing_where_the_river_was_never_so_low() -> None:
    assert flags([8.0, 8.1, 0.0, 8.2, 0.0]) == ["good", "good", "code", "good", "code"]
    assert flags([1.9, 1.0, 0.0, 0.5]) == ["good"] * 4
    assert flags([-0.2, 0.0, 0.3], station="039803") == ["good"] * 3
    assert flags([0.0, 0.0]) == ["good"] * 2, "nothing is known of the gauge"


def test_a_peak_of_one_reading_is_water_at_a_gauge_that_has_them_often() -> None:
    days = pd.date_range("2001-01-01", "2012-12-31")
    level = 1.7 + 0.05 * np.sin(np.arange(len(days)))
    years = np.asarray(days.year)
    for year in range(2002, 2010):
        level[(years == year) & (days.day_of_year == 240)] += 1.3
    found = quality_flags.flagged(frame(days, level.round(2), station="040201"))
    assert set(found["qc"]) == {"good"}
    level[(years >= 2004) & (years < 2010) & (days.day_of_year == 240)] -= 1.3
    found = quality_flags.flagged(frame(days, level.round(2), station="040201"))
    assert (found["qc"] == "spike").sum() == 2


def test_limits_come_from_what_two_readings_bear_out() -> None:
    days = pd.date_range("2010-01-01", periods=1200)
    level = 5.0 + 2.0 * np.sin(np.arange(1200) / 58.0)
    level[500] += 6.0  # a spike
    level[700:] += np.where(np.arange(500) < 100, 1.0, 0.0)  # a metre in a day, and back
    record = gauge_records(frame(days, level))[PAKSE]
    limits = record.limits()
    assert limits.highest == pytest.approx(np.sort(np.delete(level, 500))[-2], abs=0.01)
    assert limits.rise_day == pytest.approx(1.0, abs=0.1)
    assert limits.fall_day == pytest.approx(1.0, abs=0.1)
    before = record.limits(np.datetime64("2011-11-01"))
    assert before.rise_day < 0.05, "what came later was not known then"
    assert before.days == 670
    assert not record.limits(np.datetime64("2010-03-01")).known


def test_the_tide_between_two_readings_is_within_a_record_of_mornings() -> None:
    days = pd.date_range("2020-01-01", periods=800)
    level = 0.3 + 0.2 * np.sin(np.arange(800) / 9.0)
    for station, flag in (("039803", "good"), (PAKSE, "unconfirmed")):
        record = frame(days, level, station=station)
        noon = frame(days[-1:] + pd.Timedelta(hours=12), [level[-1] + 1.1], station=station)
        assert quality_flags.flagged(pd.concat([record, noon]))["qc"].iloc[-1] == flag

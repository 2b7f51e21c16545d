"""Flags on generated series with faults placed by hand."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from numpy.typing import NDArray

from pipeline.geography.gauge_figures import verified_zeros
from pipeline.geography.places import stations
from pipeline.quality import flags as quality_flags
from tests.quality.quality_cases import (
    BUENG_KAN,
    JINGHONG,
    KRATIE,
    PAKSE,
    flags,
    flood,
    frame,
    mornings,
)


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
    flagged = quality_flags.flag(rows)
    assert flagged["qc"].tolist() == wrong.tolist()
    assert flagged["value"].tolist() == rows["value"].tolist(), "nothing is changed or deleted"
    clock = flagged["valid_time"].dt
    daily = (clock.hour == 0) & (clock.minute == 0)
    used = daily & flagged["qc"].isin(quality_flags.USED)
    error = np.abs(flagged["value"] - truth)
    assert error[daily].max() > 2.0
    assert error[used].max() <= 0.02
    lost_days = set(flagged.loc[daily & ~used, "valid_time"].dt.strftime("%m-%d"))
    assert lost_days == {"07-04", "07-09", "07-14", "08-06", "08-07", "08-08", "08-13", "08-14",
                    "08-15", "08-16", "08-19"}  # fmt: skip
    day = pd.Series(truth, index=flagged["valid_time"])["2026-07-29 12:00":"2026-07-30 12:00"]
    assert day.max() - day.min() > 3.5, "the flash rise, of which not one reading is flagged"


def test_an_older_question_sees_no_later_reading() -> None:
    rows, _, _ = telemetry()
    whole = quality_flags.flag(rows)
    for moment in ("2026-07-04 00:00", "2026-07-30 06:00", "2026-08-05 04:00", "2026-08-14"):
        flagged = quality_flags.flag(rows[rows["valid_time"] <= moment])
        settled = flagged["valid_time"] < pd.Timestamp(moment) - pd.Timedelta(days=3)
        assert flagged[settled].equals(whole[: settled.sum()])
    newest = quality_flags.flag(rows[rows["valid_time"] <= "2026-07-04 00:00"])
    assert newest["qc"].iloc[-1] == "rate", "3 m in 15 min: impossible, known at once"
    newest = quality_flags.flag(rows[rows["valid_time"] <= "2026-07-30 04:00"])
    assert newest["qc"].iloc[-1] == "good", "1 m: not known yet to be a spike"


@pytest.mark.parametrize("rise", [2.0, 5.0, 7.5])
@pytest.mark.parametrize("wide", [6.0, 12.0, 48.0])
@pytest.mark.parametrize("minutes", [15, 60, 720, 1440])
def test_a_flash_rise_of_metres_is_not_flagged(rise: float, wide: float, minutes: int) -> None:
    time = pd.date_range("2026-07-01", "2026-07-21", freq=f"{minutes}min")
    hours = np.arange(len(time)) * minutes / 60.0
    level = 3.0 + 0.001 * hours + flood(hours, 240.0, rise, wide)
    for end in (len(time), int(np.searchsorted(hours, 243.0))):
        flagged = quality_flags.flag(frame(time[:end], level[:end].round(2)))
        assert set(flagged["qc"]) == {"good"}


def test_the_tide_is_no_spike() -> None:
    hours = 6.0 * np.arange(200)
    tide = 1.2 * np.cos(hours / 12.42 * 2 * np.pi) + 0.6 * np.cos(hours / 23.93 * 2 * np.pi)
    time = pd.date_range("2026-03-01", periods=200, freq="6h")
    assert set(quality_flags.flag(frame(time, tide.round(2), station="039803"))["qc"]) == {"good"}
    time = pd.date_range("2026-03-01", periods=4000, freq="15min")
    hours = np.arange(4000) / 4.0
    tide = 1.2 * np.cos(hours / 12.42 * 2 * np.pi) + 0.6 * np.cos(hours / 23.93 * 2 * np.pi)
    rows = frame(time, tide.round(2), station="039803", method="telemetry")
    assert set(quality_flags.flag(rows)["qc"]) == {"good"}


def test_units_and_datums_are_restated_where_they_are_plain() -> None:
    level = [8.0, 8.1, 820.0, 8.3, 8400.0, 8.5]
    flagged = quality_flags.flag(mornings(level))
    assert flagged["value"].tolist() == [8.0, 8.1, 8.2, 8.3, 8.4, 8.5]
    assert flagged["qc"].tolist() == ["good", "good", "converted", "good", "converted", "good"]
    assert flagged["raw"].tolist() == ["", "", "820 m", "", "8400 m", ""]
    zero = verified_zeros()[PAKSE]
    flagged = quality_flags.flag(mornings([zero + 8.0, zero + 8.1]))
    assert flagged["value"].tolist() == pytest.approx([8.0, 8.1])
    assert set(flagged["qc"]) == {"converted"}
    assert flags([8.0, 8.1, 816.37, 8.2])[2] == "range", "cm are whole, and levels are not"
    assert flags([8.0, 8.1, 300.0, 8.2])[2] == "range", "3 m would not continue 8 m"
    assert flags([zero + 8.0, 8.1, 8.2, 8.2])[0] == "converted"
    assert BUENG_KAN not in verified_zeros()
    assert flags([142.42 + 6, 6.1, 6.2], station=BUENG_KAN)[0] == "range"
    assert flags([21.92, 21.9], station=KRATIE) == ["good"] * 2, "amsl is stage: zero is -1.08"


@pytest.mark.parametrize(("zero_m", "flag"), [(19.99, "range"), (20.0, "converted")])
def test_a_level_above_the_sea_is_seen_where_the_zero_is_high(
    monkeypatch: pytest.MonkeyPatch, zero_m: float, flag: str
) -> None:
    monkeypatch.setattr(quality_flags, "verified_zeros", lambda: {PAKSE: zero_m})
    assert flags([zero_m + 8.0, zero_m + 8.1]) == [flag] * 2


def test_a_gauge_above_the_sea_stays_one() -> None:
    assert stations()[JINGHONG].zero_m_amsl is None
    level = 536.0 + 0.1 * np.arange(20) % 1.0
    level[4] = 2.0
    level[9] += 3.0
    level_flags = flags(level, station=JINGHONG)
    assert level_flags[4] == "range"
    assert level_flags[9] == "spike"
    assert {flag for at, flag in enumerate(level_flags) if at not in {4, 9}} == {"absolute"}
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
    assert set(quality_flags.flag(dry)["qc"]) == {"good"}, "the dry season is dry"
    assert flags([5.0, -3.0, 7e5], variable="discharge") == ["good", "range", "range"]


@pytest.mark.parametrize("case", ["wave of 1.2-3 m in half an hour", "releases of a dam"])
def test_a_crest_that_the_next_readings_confirm_is_kept(case: str) -> None:
    from docs import quality as measured

    for trial in measured.trials(case, 4):
        assert set(measured.flag(trial.observed)["qc"]) == {"good"}


@pytest.mark.slow
@pytest.mark.parametrize(
    ("case", "least_share", "lost_share", "hours"),
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
    case: str, least_share: float | None, lost_share: float, hours: float
) -> None:
    from docs import quality as measured

    share, bad_share, until = measured.measure(case, 3)
    assert least_share is None or share >= least_share
    assert bad_share <= lost_share
    assert until <= hours


def test_a_level_above_the_sea_is_restated_where_it_moves_as_the_river_does() -> None:
    zero = verified_zeros()[PAKSE]
    flagged = quality_flags.flag(mornings([8.5, 8.6, *[104.9] * 6]))
    assert flagged["qc"].tolist() == ["good"] * 2 + ["range"] * 6, "not 18.41 m; not 14.9 m either"
    assert flags([8.5, 8.6, *[101.0] * 6]) == ["good"] * 2 + ["range"] * 6, "not 14.51 m"
    flagged = quality_flags.flag(
        mornings([8.6, 8.9, zero + 9.3, zero + 9.3, zero + 10.1, zero + 9.9])
    )
    assert flagged["value"].tolist() == pytest.approx([8.6, 8.9, 9.3, 9.3, 10.1, 9.9])
    assert flagged["qc"].tolist() == ["good"] * 2 + ["converted"] * 4


def test_a_peak_of_one_reading_is_water_at_a_gauge_that_has_them_often() -> None:
    days = pd.date_range("2001-01-01", "2012-12-31")
    level = 1.7 + 0.05 * np.sin(np.arange(len(days)))
    years = np.asarray(days.year)
    for year in range(2002, 2010):
        level[(years == year) & (days.day_of_year == 240)] += 1.3
    flagged = quality_flags.flag(frame(days, level.round(2), station="040201"))
    assert set(flagged["qc"]) == {"good"}
    level[(years >= 2004) & (years < 2010) & (days.day_of_year == 240)] -= 1.3
    flagged = quality_flags.flag(frame(days, level.round(2), station="040201"))
    assert (flagged["qc"] == "spike").sum() == 2


@pytest.mark.parametrize(
    ("flows", "flag"),
    [
        ([9966.0, 9999.0, 10032.0], "good"),
        ([2100.0, 9999.0, 2150.0], "code"),
        ([950.0, 999.0, 1020.0], "good"),
        ([12000.0, 999.0, 12100.0], "code"),
    ],
)
def test_a_discharge_may_be_what_a_code_says(flows: list[float], flag: str) -> None:
    assert flags(flows, variable="discharge") == ["good", flag, "good"]

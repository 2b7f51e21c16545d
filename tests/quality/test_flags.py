"""Flags on generated series with faults placed by hand."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from numpy.typing import NDArray

from pipeline.geography.gauge_figures import verified_zeros
from pipeline.geography.places import stations
from pipeline.quality import flags as quality_flags
from pipeline.quality.gauge_limits import Limits
from pipeline.quality.level_shifts import Floats
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

CAN_THO, NEAK_LUONG = "039803", "019806"
QUIET = Limits(3650, highest=8.0, lowest=2.0, rise_day=0.5, fall_day=0.5)
"""Ten years between 2 and 8 m; a change of 0.75 m in a day is possible."""


def flag_at(
    hours: list[float] | Floats,
    level: list[float] | Floats,
    *,
    limits: Limits | None = None,
    station: str = PAKSE,
    variable: str = "stage",
    qc: list[str] | None = None,
) -> pd.DataFrame:
    time = pd.Timestamp("2026-07-01") + pd.to_timedelta(hours, unit="h")
    rows = frame(pd.DatetimeIndex(time), level, station=station, variable=variable)
    if qc is not None:
        rows["qc"] = qc
    return quality_flags.flag(rows, None if limits is None else {station: limits})


def settled_h(flagged: pd.DataFrame) -> list[float]:
    """Hours from the first reading to when each is settled."""
    since = flagged["settled"] - flagged["valid_time"].iloc[0]
    return [float(time / pd.Timedelta("1h")) for time in since]


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


@pytest.mark.parametrize(
    ("spacing_h", "height_m", "is_spike"),
    [
        (1.0, 0.31, True), (1.0, 0.29, False), (1.0, -0.31, True), (1.0, -0.29, False),
        (1.5, 0.31, True), (1.6, 0.31, False), (0.005, 0.31, True),
    ],
)  # fmt: skip
def test_30_cm_up_or_down_are_a_spike_of_readings_up_to_90_minutes_apart(
    spacing_h: float, height_m: float, *, is_spike: bool
) -> None:
    level = np.full(11, 5.0)
    level[5] += height_m
    flagged = flag_at(spacing_h * np.arange(11), level)["qc"].tolist()
    assert flagged == ["good"] * 5 + ["spike" if is_spike else "good"] + ["good"] * 5


@pytest.mark.parametrize(("height_m", "is_spike"), [(0.5, False), (0.51, True)])
def test_a_close_spike_is_twice_the_changes_beside_it(height_m: float, *, is_spike: bool) -> None:
    level = np.array([5.0] * 5 + [5.25] * 6)
    level[6] += height_m
    assert (flag_at(np.arange(11.0), level)["qc"] == "spike").any() == is_spike


@pytest.mark.parametrize(
    ("peaks", "years", "is_flashy"), [(3, 12, False), (4, 12, True), (4, 40, True), (4, 41, False)]
)
def test_a_gauge_is_flashy_with_peaks_in_four_years_and_a_tenth_of_all(
    peaks: int, years: int, *, is_flashy: bool
) -> None:
    days = pd.date_range("1980-01-01", periods=int(365.25 * years) - 1)
    level = 1.7 + 0.05 * np.sin(np.arange(len(days)))
    rows = [400 + 366 * year for year in range(peaks)]
    level[rows] += 1.3
    level[3000] -= 1.3
    flagged = quality_flags.flag(frame(days, level.round(2), station="040201"))
    spikes = np.flatnonzero(flagged["qc"] == "spike").tolist()
    assert spikes == ([3000] if is_flashy else [*rows, 3000]), "a dip is never water"


@pytest.mark.parametrize(
    ("spacing_h", "count", "rain_mm", "is_stuck"),
    [
        (1.0, 7, 2.0, True), (1.0, 6, 2.0, False), (24.0, 5, 2.0, True), (24.0, 4, 2.0, False),
        (24.0, 5, 1.0, True), (24.0, 5, 0.99, False),
    ],
)  # fmt: skip
def test_the_same_millimetre_in_six_hours_or_four_days_is_copied(
    spacing_h: float, count: int, rain_mm: float, *, is_stuck: bool
) -> None:
    rain = [0.5, *[rain_mm] * count, 0.5]
    flagged = flag_at(spacing_h * np.arange(count + 2), rain, variable="rain")["qc"].tolist()
    copied = ["stuck" if is_stuck else "good"] * (count - 1)
    assert flagged == ["good", "good", *copied, "good"]


@pytest.mark.parametrize(
    ("limits", "highest"),
    [
        (Limits(0), 17.0),  # 5 m above the flood stage of 12 m
        (Limits(299, 20.0, 0.0, 20.0, 20.0), 17.0),
        (Limits(3650, 20.0, 0.0, 20.0, 20.0), 24.0),  # 20 m and a fifth of the range
        (Limits(3650, 10.0, 0.0, 20.0, 20.0), 17.0),
    ],
)
def test_a_stage_is_possible_to_5_m_above_flood_stage_or_to_the_record_with_room(
    limits: Limits, highest: float
) -> None:
    level = [highest - 0.5, highest - 0.25, highest]
    assert flag_at([0, 24, 48], level, limits=limits)["qc"].tolist() == ["good"] * 3
    level[1] = highest + 0.01
    assert flag_at([0, 24, 48], level, limits=limits)["qc"].tolist() == ["good", "range", "good"]


def test_a_stage_is_possible_down_to_5_m_below_zero() -> None:
    assert flags([-4.9, -5.0, -5.01, -4.9]) == ["good", "good", "range", "good"]


def test_where_most_levels_are_above_the_sea_the_others_are_no_stages() -> None:
    unknown = "999999"
    assert flags([148.4, 148.5, 6.1, 6.2], station=unknown) == ["range"] * 2 + ["good"] * 2
    most = flags([148.4, 148.5, 148.6, 6.1, 6.2], station=unknown)
    assert most == ["absolute"] * 3 + ["range"] * 2
    assert flags([148.4, 148.5, 148.6, -6.0], station=unknown) == ["absolute"] * 3 + ["range"]
    assert flags([-6.0, -6.1, -6.2], station=unknown) == ["range"] * 3
    assert flags([60.0, 60.1, 60.0], station=unknown) == ["good", "range", "good"]


@pytest.mark.parametrize(("station", "tide_m"), [(CAN_THO, 3.0), (NEAK_LUONG, 1.5), (PAKSE, 0.3)])
def test_the_newest_reading_may_differ_by_the_tide(station: str, tide_m: float) -> None:
    """3 m at a tidal gauge, 1.5 m at another in the delta; elsewhere 0.3 m beyond the record."""
    limits = Limits(3650, highest=1.0, lowest=0.9, rise_day=0.05, fall_day=0.05)
    level = [1.0, 1.0, 1.0 + tide_m - 0.001]
    assert flag_at([0, 24, 48], level, limits=limits, station=station)["qc"].iloc[-1] == "good"
    level[-1] += 0.011
    flag = flag_at([0, 24, 48], level, limits=limits, station=station)["qc"].iloc[-1]
    assert flag == "unconfirmed"


@pytest.mark.parametrize(
    ("level", "expected"),
    [
        ([5.0, 5.0, 5.75], ["good", "good", "good"]),
        ([5.0, 5.0, 5.76], ["good", "good", "unconfirmed"]),
        ([5.0, 5.0, 4.24], ["good", "good", "unconfirmed"]),
        ([5.0, 7.0], ["good", "unconfirmed"]),
        ([7.0], ["good"]),
        ([5.0, 5.0, 7.0, 7.0], ["good"] * 4),  # confirmed
        ([5.0, 5.0, 7.0, 6.0], ["good"] * 3 + ["unconfirmed"]),  # half remains
        ([5.0, 5.0, 7.0, 5.99], ["good"] * 2 + ["spike", "good"]),
        ([5.0, 5.0, 9.0, 6.5], ["good"] * 2 + ["spike", "good"]),  # 1.5 m since two days before
        ([5.0, 5.0, 9.0, 6.51], ["good"] * 2 + ["spike", "unconfirmed"]),
        ([5.0, 5.0, 7.0, 5.75], ["good"] * 2 + ["spike", "good"]),
        ([5.0, 5.0, 3.0, 4.25], ["good"] * 2 + ["spike", "good"]),
        ([5.0, 7.0, 5.75], ["good", "spike", "good"]),
        ([5.0, 5.5, 6.0, 5.6], ["good"] * 4),
    ],
)
def test_the_next_reading_confirms_or_refutes_the_newest(
    level: list[float], expected: list[str]
) -> None:
    flagged = flag_at(24.0 * np.arange(len(level)), level, limits=QUIET)
    assert flagged["qc"].tolist() == expected


def test_the_newest_reading_is_believed_where_the_sensor_agrees() -> None:
    rows = mornings([5.0, 5.0, 7.0])
    sensor = mornings([5.0, 5.0, 7.2], method="telemetry")
    both = quality_flags.flag(pd.concat([rows, sensor]), {PAKSE: QUIET})
    assert set(both["qc"]) == {"good"}
    sensor["value"] = [5.0, 5.0, 5.1]
    both = quality_flags.flag(pd.concat([rows, sensor]), {PAKSE: QUIET})
    assert both["qc"].tolist() == ["good", "good", "unconfirmed", "good", "good", "good"]


def test_a_reading_is_settled_when_the_next_one_bears_it_out() -> None:
    confirmed = flag_at(24.0 * np.arange(5), [5.0, 5.0, 7.0, 7.2, 7.4], limits=QUIET)
    assert confirmed["qc"].tolist() == ["good"] * 5
    assert settled_h(confirmed) == [0.0, 24.0, 72.0, 72.0, 96.0]
    quiet = flag_at(24.0 * np.arange(3), [5.0, 5.1, 5.2], limits=QUIET)
    assert settled_h(quiet) == [0.0, 24.0, 48.0]


def test_a_spike_is_settled_after_two_days_and_other_faults_at_the_next_good_reading() -> None:
    spike = flag_at(24.0 * np.arange(9), [5.0] * 4 + [9.0] + [5.0] * 4)
    assert spike["qc"].tolist() == ["good"] * 4 + ["spike"] + ["good"] * 4
    assert settled_h(spike) == [0.0, 24.0, 48.0, 72.0, 144.0, 120.0, 144.0, 168.0, 192.0]
    far = flag_at([0, 24, 48, 98, 122], [5.0, 5.0, 9.0, 5.0, 5.0])
    assert far["qc"].tolist() == ["good", "good", "spike", "good", "good"]
    assert settled_h(far)[2] == 98.0, "the next reading comes later"
    level = [4.0, 4.1, *[4.2] * 23]
    stuck = flag_at(24.0 * np.arange(25), level)
    assert settled_h(stuck) == [0.0, 24.0, 48.0, *[24.0 * 24] * 22], "until now"
    ended = flag_at(24.0 * np.arange(27), [*level, 4.3, 4.4])
    assert settled_h(ended) == [0.0, 24.0, 48.0, *[24.0 * 25] * 23, 24.0 * 26]


def test_a_rise_that_no_river_makes_is_believed_after_six_hours() -> None:
    flagged = flag_at(np.arange(10.0), [5.0] * 4 + [9.0] * 6)
    assert flagged["qc"].tolist() == ["good"] * 4 + ["rate"] * 6
    assert settled_h(flagged) == [0.0, 1.0, 2.0, 3.0, *[9.0] * 6]
    flagged = flag_at(np.arange(11.0), [5.0] * 4 + [9.0] * 7)
    assert flagged["qc"].tolist() == ["good"] * 11
    assert settled_h(flagged) == [0.0, 1.0, 2.0, 3.0, *[10.0] * 7]


@pytest.mark.parametrize(
    ("hours", "level", "at", "stage_m"),
    [
        ([0, 24], [8.0, 900.0], 1, 9.0),  # a metre in a day
        ([0, 24], [8.0, 901.0], 1, None),
        ([0, 24], [8.0, 700.0], 1, 7.0),
        ([0, 24], [8.0, 699.0], 1, None),
        ([0, 24], [8.0, 9000.0], 1, 9.0),
        ([0, 24], [8.0, 9001.0], 1, None),
        ([0, 48], [8.0, 950.0], 1, 9.5),  # half a metre, and half a metre a day
        ([0, 48], [8.0, 951.0], 1, None),
        ([0, 168], [8.0, 820.0], 1, 8.2),  # a week
        ([0, 169], [8.0, 820.0], 1, None),
        ([0, 24, 48], [8.0, 900.0, 1000.0], 2, 10.0),  # it continues a converted one
        ([0, 24, 48], [8.0, 901.0, 950.0], 2, 9.5),
        ([0, 24], [16.5, 1700.0], 1, 17.0),
        ([0, 24], [16.5, 1701.0], 1, None),  # no possible stage
        ([0, 24, 48], [820.0, 8.2, 8.3], 0, None),  # it continues nothing
        ([0, 24], [-4.5, -500.0], 1, -5.0),
        ([0, 24], [-4.5, -501.0], 1, None),
    ],
)
def test_whole_cm_and_mm_that_continue_the_level_are_converted(
    hours: list[float], level: list[float], at: int, stage_m: float | None
) -> None:
    row = flag_at(hours, level).iloc[at]
    if stage_m is None:
        assert (row["qc"], row["value"], row["raw"]) == ("range", level[at], "")
    else:
        assert (row["qc"], row["value"], row["raw"]) == ("converted", stage_m, f"{level[at]:g} m")


def test_a_level_that_is_left_out_is_not_continued() -> None:
    qc = ["good", "conflict", "good"]
    flagged = flag_at([0, 24, 48], [8.0, 3.0, 820.0], qc=qc)
    assert flagged["qc"].tolist() == ["good", "conflict", "converted"]
    flagged = flag_at([0, 24, 48], [8.0, 8.2, 300.0], qc=qc)
    assert flagged["qc"].tolist() == ["good", "conflict", "range"]


@pytest.mark.parametrize(
    ("hours", "level", "flag"),
    [
        ([0, 24], [72.0, 73.0], "converted"),  # 8 and 9 m: a metre in a day
        ([0, 24], [72.0, 73.01], "range"),
        ([0, 24], [73.0, 72.0], "converted"),
        ([0, 24], [72.0, 72.0], "range"),  # it does not move
        ([0, 168], [72.0, 76.0], "converted"),
        ([0, 168], [72.0, 76.01], "range"),
        ([0, 169], [72.0, 73.0], "range"),
        ([0, 24, 48], [72.0, 72.0, 72.1], "converted"),
        ([0, 24, 48], [72.1, 72.0, 72.0], "converted"),
    ],
)
def test_levels_above_the_sea_move_as_the_river_does(
    monkeypatch: pytest.MonkeyPatch, hours: list[float], level: list[float], flag: str
) -> None:
    monkeypatch.setattr(quality_flags, "verified_zeros", lambda: {PAKSE: 64.0})
    flagged = flag_at(hours, level)
    assert set(flagged["qc"]) == {flag}
    if flag == "converted":
        assert flagged["value"].tolist() == pytest.approx([stage - 64.0 for stage in level])


def test_discharges_make_no_record_of_stages() -> None:
    days = pd.date_range("2025-01-01", periods=400)
    flows = frame(days, 20.0 + np.sin(np.arange(400) / 30.0), variable="discharge")
    stages = frame(days[-3:], [5.0, 5.0, 9.0])
    flagged = quality_flags.flag(pd.concat([flows, stages]))
    assert set(flagged["qc"]) == {"good"}, "of its stages too few are known"
    record = frame(days, 5.0 + np.sin(np.arange(400) / 30.0))
    record.loc[399, "value"] = record["value"].iloc[398] + 4.0
    assert quality_flags.flag(record)["qc"].iloc[-1] == "unconfirmed"

"""Numbers that stand for missing where they could be stages."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from pipeline.geography.gauge_figures import verified_zeros
from pipeline.quality import flags as quality_flags
from pipeline.quality.gauge_limits import Limits
from pipeline.quality.stage_codes import find_codes, find_flow_codes
from tests.quality.quality_cases import KRATIE, PAKSE, flags, frame, mornings

UNKNOWN = Limits(0)


def is_code(
    days: list[float], level: list[float], at: int, limits: Limits = UNKNOWN, *, tide_m: float = 0.0
) -> bool:
    hours, value = 24.0 * np.array(days) + 480000.0, np.array(level)
    return bool(find_codes(hours, value, limits, tide_m=tide_m)[at])


def is_flow_code(hours: list[float], flow: list[float], at: int) -> bool:
    since_1970 = np.array(hours, "float64") + 480000.0
    return bool(find_flow_codes(since_1970, np.array(flow, "float64"))[at])


def test_a_code_is_a_stage_where_the_gauge_stands_there() -> None:
    assert flags([9.7, 9.85, 9.99, 10.1], station=KRATIE) == ["good"] * 4
    assert flags([9.7, 9.85, 9.99], station=KRATIE) == ["good"] * 3
    assert flags([4.7, 4.8, 9.99, 4.9]) == ["good", "good", "code", "good"]
    assert flags([4.7, 4.8, 9.99]) == ["good", "good", "code"]
    assert flags([1.2, 1.1, -0.99, 1.1]) == ["good", "good", "code", "good"]
    assert flags([7.2, 8.5, 8.88, 8.1, 7.7, 7.77]) == ["good"] * 6, "codes are 888 and 777"
    for number in (999.0, -999.0, 9999.0, -99.0, 999.9, 99999.0, 999.0, 888.0, 8888.0, 99.0):
        flagged = quality_flags.flag(mornings([9.9, 9.95, number, 9.9], station=KRATIE))
        assert flagged["qc"].iloc[2] == "code", "never converted"
        assert flagged["value"].iloc[2] == number


@pytest.mark.parametrize("number", [99.9, 99.0, 99.99, 88.8, 888.0, 8888.0, -8888.0])
def test_a_number_that_a_sensor_repeats_for_missing_is_no_flood(number: float) -> None:
    """Pakse stands at 8.8 m; 99.9 m above the sea would be 13.41 m, 8888 mm would be 8.888 m."""
    time = pd.date_range("2026-08-01", periods=700, freq="15min")
    value = np.append(np.linspace(8.0, 8.8, 670).round(2), np.full(30, number))
    flagged = quality_flags.flag(frame(time, value, method="telemetry"))
    assert set(flagged["qc"][670:]) == {"code"}
    assert flagged["value"][670:].tolist() == [number] * 30
    long = pd.date_range("2025-08-01", periods=380, freq="D")
    daily = np.append(np.linspace(8.0, 8.8, 370), np.full(10, 99.9))
    late = pd.DatetimeIndex([*long[:370], *(long[370:] + pd.Timedelta(days=20))])
    assert set(quality_flags.flag(frame(late, daily))["qc"][370:]) == {"code"}, "no limit either"


def test_a_code_is_one_in_the_unit_of_its_file() -> None:
    """888 for missing in a file of cm is 8.88 m; 99.9 in levels above the sea is 13.41 m."""
    rows = mornings([6.1, 6.2, 8.88, 6.3])
    assert quality_flags.flag(rows)["qc"].tolist() == ["good", "good", "spike", "good"]
    rows["raw"] = ["610 cm", "620 cm", "888 cm", "630 cm"]
    assert quality_flags.flag(rows)["qc"].tolist() == ["good", "good", "code", "good"]
    rows = mornings([8.5, 8.6, 99.9 - verified_zeros()[PAKSE]])
    rows["raw"] = ["94.99 m amsl", "95.09 m amsl", "99.9 m amsl"]
    assert quality_flags.flag(rows)["qc"].tolist() == ["good", "good", "code"]


def test_a_zero_is_missing_where_the_river_was_never_so_low() -> None:
    assert flags([8.0, 8.1, 0.0, 8.2, 0.0]) == ["good", "good", "code", "good", "code"]
    assert flags([1.9, 1.0, 0.0, 0.5]) == ["good"] * 4
    assert flags([-0.2, 0.0, 0.3], station="039803") == ["good"] * 3
    assert flags([0.0, 0.0]) == ["good"] * 2, "nothing is known of the gauge"


@pytest.mark.parametrize(
    ("number", "expected"),
    [
        (9.99, True), (9.99 + 1e-12, True), (9.99 - 1e-12, True), (9.988, False), (9.992, False),
        (0.999, True), (99.0, True), (99999.99, True), (-99999.0, True), (98.9, False),
        (-9.0, False), (77.0, True), (8.88, False),
    ],
)  # fmt: skip
def test_a_number_is_a_code_in_m_cm_or_mm_to_the_millimetre(
    number: float, *, expected: bool
) -> None:
    assert is_code([0, 1, 2, 3], [4.7, 4.8, number, 4.9], 2) is expected


@pytest.mark.parametrize(
    ("days", "level", "at", "expected"),
    [
        ([0, 1, 2], [9.49, 9.99, 9.2], 1, False),  # half a metre from one beside it
        ([0, 1, 2], [9.48, 9.99, 9.2], 1, True),
        ([0, 1, 2], [9.2, 9.99, 9.49], 1, False),
        ([0, 1, 2], [10.49, 9.99, 10.8], 1, False),
        ([0, 1, 2], [10.5, 9.99, 10.8], 1, True),
        ([0, 1, 2], [8.0, 9.99, 12.0], 1, False),  # between them
        ([0, 1, 2, 3], [9.7, 4.0, 9.99, 4.1], 2, True),  # not those before them
        ([0, 1, 2, 3], [4.0, 9.7, 9.99, 4.1], 2, False),
        ([0, 1], [8.99, 9.99], 1, False),  # the newest, a day later: a metre
        ([0, 1], [8.98, 9.99], 1, True),
        ([0, 2], [8.49, 9.99], 1, False),
        ([0, 2], [8.48, 9.99], 1, True),
        ([0, 1], [9.99, 10.99], 0, False),  # the first
        ([0, 1], [9.99, 11.0], 0, True),
        ([0, 10], [9.7, 9.99], 1, False),
        ([0, 10.1], [9.7, 9.99], 1, True),  # ten days at most
        ([0, 10.1, 11], [9.7, 9.99, 9.05], 1, False),  # 0.9 days before the next: 0.95 m
        ([0, 10.1, 11], [9.7, 9.99, 9.03], 1, True),
        ([0, 1, 9, 19], [9.5, 9.99, 9.99, 9.99], 3, False),  # it continues believed ones
        ([0, 1, 11.1], [9.5, 9.99, 9.99], 2, True),
        ([0, 1, 2, 3], [9.6, 9.99, 9.99, 9.7], 2, False),
    ],
)
def test_a_stage_continues_the_readings_around_it(
    days: list[float], level: list[float], at: int, *, expected: bool
) -> None:
    assert is_code(days, level, at) is expected


@pytest.mark.parametrize(("count", "expected"), [(101, False), (100, True)])
def test_at_a_gauge_of_large_changes_more_is_continued(count: int, *, expected: bool) -> None:
    """After a hundred changes of 3 m, 9.99 m continues 7 m."""
    level = np.where(np.arange(count) % 2 == (count - 1) % 2, 7.0, 4.0).tolist()
    days = np.arange(count + 1.0).tolist()
    assert is_code(days, [*level, 9.99], count) is expected
    assert is_code(days, [*level, 99.99], count)


@pytest.mark.parametrize(("tide_m", "expected"), [(3.0, False), (2.98, True)])
def test_where_the_tide_moves_the_level_more_is_continued(tide_m: float, *, expected: bool) -> None:
    assert is_code([0, 1], [7.0, 9.99], 1, tide_m=tide_m) is expected
    assert is_code([0, 1, 2], [7.0, 9.99, 7.0], 1, tide_m=tide_m) is expected


@pytest.mark.parametrize(
    ("limits", "number", "expected"),
    [
        (Limits(3650, highest=84.0, lowest=9.0), 99.0, False),  # with a fifth of the range, 15 m
        (Limits(3650, highest=83.9, lowest=9.0), 99.0, True),
        (Limits(3650, highest=-9.0, lowest=-84.0), -99.0, False),
        (Limits(3650, highest=-9.0, lowest=-83.9), -99.0, True),
        (Limits(300, highest=12.0, lowest=2.0), 9.99, False),
        (Limits(299, highest=12.0, lowest=2.0), 9.99, True),
    ],
)
def test_alone_within_ten_days_a_stage_is_in_the_range_of_the_record(
    limits: Limits, number: float, *, expected: bool
) -> None:
    assert is_code([0, 11], [9.5, number], 1, limits) is expected


@pytest.mark.parametrize(
    ("level", "limits", "expected"),
    [
        ([2.0, 0.0, 8.0], UNKNOWN, False),
        ([2.01, 0.0, 8.0], UNKNOWN, True),
        ([-2.0, 0.0, 8.0], UNKNOWN, False),
        ([-2.01, 0.0, 8.0], UNKNOWN, True),
        ([8.0, 0.0, 8.0], Limits(0, 12.0, 2.0), False),
        ([8.0, 0.0, 8.0], Limits(0, 12.0, 2.01), True),
        ([8.0, 0.0, 8.0], Limits(0, 12.0, -3.0), False),
        ([2.0, 0.0, 8.0], Limits(0, 12.0, 2.01), False),
        ([0.0, 0.0, 0.0], UNKNOWN, False),
        ([0.0, 0.0, 0.0], Limits(0, 12.0, 2.01), True),
        ([8.0, 0.001, 8.0], UNKNOWN, False),
    ],
)
def test_a_zero_is_a_stage_where_the_river_was_within_2_m(
    level: list[float], limits: Limits, *, expected: bool
) -> None:
    assert is_code([0, 1, 2], level, 1, limits) is expected


def test_a_zero_that_is_a_code_continues_nothing() -> None:
    assert is_code([0, 1, 2, 3], [9.7, 0.0, 9.99, 9.8], 1)
    assert not is_code([0, 1, 2, 3], [9.7, 0.0, 9.99, 9.8], 2)


@pytest.mark.parametrize(
    ("hours", "flow", "at", "expected"),
    [
        ([0, 24], [8000.0, 9999.0], 1, False),  # a quarter more
        ([0, 24], [7999.0, 9999.0], 1, True),
        ([0, 24], [12498.75, 9999.0], 1, False),
        ([0, 24], [7999.2, 9999.0], 1, False),
        ([0, 24], [12500.0, 9999.0], 1, True),
        ([0, 24], [9999.0, 8000.0], 0, False),
        ([0, 24], [9999.0, 7999.0], 0, True),
        ([0, 24, 48], [2100.0, 9999.0, 8000.0], 1, False),
        ([0, 24, 48], [8000.0, 9999.0, 2100.0], 1, False),
        ([0, 24, 48], [2100.0, 9999.0, 20000.0], 1, False),  # between them
        ([0, 24, 48, 72], [9000.0, 2100.0, 9999.0, 2150.0], 2, True),
        ([0, 24, 48, 72], [2100.0, 9999.0, 2150.0, 9000.0], 1, True),
        ([0, 240], [9000.0, 9999.0], 1, False),
        ([0, 241], [9000.0, 9999.0], 1, True),  # nothing within ten days
        ([0, 240], [9999.0, 9000.0], 0, False),
        ([0, 241], [9999.0, 9000.0], 0, True),
        ([0], [9999.0], 0, True),
    ],
)
def test_a_discharge_continues_the_readings_around_it(
    hours: list[float], flow: list[float], at: int, *, expected: bool
) -> None:
    assert is_flow_code(hours, flow, at) is expected


@pytest.mark.parametrize(
    ("count", "flow", "expected"), [(100, 9000.0, False), (99, 9000.0, True), (100, 2000.0, True)]
)
def test_alone_within_ten_days_a_discharge_is_one_of_a_hundred(
    count: int, flow: float, *, expected: bool
) -> None:
    hours = [*range(count), count + 300.0]
    assert is_flow_code(hours, [*[flow] * count, 9999.0], count) is expected

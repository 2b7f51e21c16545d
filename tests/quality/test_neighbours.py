"""Readings of other instruments as evidence."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from pipeline.quality import flags as quality_flags
from pipeline.quality.neighbours import AuxiliaryReadings, list_neighbours
from tests.quality.quality_cases import JINGHONG, KRATIE, PAKSE, frame, mornings, steps

KHONG_CHIAM, MUKDAHAN = "013801", "013402"


def readings(
    *rows: tuple[float, float], station: str = PAKSE, method: str = "telemetry"
) -> AuxiliaryReadings:
    """Stages (m) of one instrument by time (hours)."""
    hours, stage_m = np.array(rows, "float64").reshape(-1, 2).T
    return AuxiliaryReadings({(station, method): (hours, stage_m)})


def support(
    others: AuxiliaryReadings, *, hours: tuple[float, float], stages_m: tuple[float, float]
) -> bool | None:
    before, after = zip(hours, stages_m, strict=True)
    return others.support(PAKSE, "manual", before=before, after=after)


def test_the_observer_decides_on_a_jump_of_the_sensor() -> None:
    time = pd.date_range("2026-07-01", periods=500, freq="15min")
    level = steps((400, 5.0), (100, 5.9))
    sensor = frame(time, level, method="telemetry")
    moved = sensor.iloc[400:412]["valid_time"]
    for observed, flag in ((5.9, "good"), (5.0, "jump")):
        manual = mornings([5.0, 5.0, 5.0, 5.0, observed, observed])
        manual["valid_time"] += pd.Timedelta(hours=4)
        flagged = quality_flags.flag(pd.concat([sensor, manual])).query("method == 'telemetry'")
        flags = flagged.set_index("valid_time")["qc"]
        assert set(flags[moved]) == {flag}
        assert flags.iloc[-1] == flag, "a day later: the observer still contradicts, or agrees"
    alone = quality_flags.flag(sensor.iloc[:412])["qc"]
    assert set(alone.iloc[400:]) == {"jump"}, "nobody else: not believed within three hours"


def test_neighbours_are_two_upstream_those_of_which_it_is_one_and_those_across() -> None:
    assert list_neighbours(PAKSE) == (KHONG_CHIAM, MUKDAHAN, "014501", KRATIE)
    assert list_neighbours(JINGHONG) == ("010501", "011201"), "none is upstream"
    assert list_neighbours("013401")[:3] == ("013101", "012703", MUKDAHAN), "Mukdahan is across"
    assert list_neighbours("999999") == ()


@pytest.mark.parametrize(
    ("at_h", "expected"), [(21.0, True), (20.9, None), (24.0, True), (27.0, True), (27.1, None)]
)
def test_another_instrument_counts_within_three_hours(at_h: float, expected: bool | None) -> None:
    others = readings((at_h, 6.0))
    assert support(others, hours=(0.0, 24.0), stages_m=(5.0, 6.0)) is expected


@pytest.mark.parametrize(
    ("after_m", "observed_m", "expected"),
    [
        (6.0, 6.3, True),
        (6.0, 6.31, None),
        (6.0, 5.7, True),
        (6.0, 5.69, None),
        (6.0, 5.3, False),
        (6.0, 5.31, None),
        (6.0, 4.7, False),
        (6.0, 4.69, None),
        (7.0, 6.5, True),  # a quarter of a step of 2 m
        (7.0, 6.49, None),
        (7.0, 5.5, False),
        (7.0, 5.51, None),
        (3.0, 3.5, True),
        (3.0, 3.51, None),
        (5.3, 5.15, True),  # near both
    ],
)
def test_instruments_agree_to_30_cm_or_a_quarter_of_the_step(
    after_m: float, observed_m: float, expected: bool | None
) -> None:
    others = readings((24.0, observed_m))
    assert support(others, hours=(0.0, 24.0), stages_m=(5.0, after_m)) is expected


@pytest.mark.parametrize(("at_h", "expected"), [(0.9, None), (1.0, False), (1.1, False)])
def test_a_reading_nearer_to_the_one_before_the_step_says_nothing(
    at_h: float, expected: bool | None
) -> None:
    assert support(readings((at_h, 5.0)), hours=(0.0, 2.0), stages_m=(5.0, 6.0)) is expected


def test_of_several_readings_the_nearest_counts_and_of_several_instruments_the_agreeing() -> None:
    step = {"before": (0.0, 5.0), "after": (24.0, 6.0)}
    for rows, expected in (
        ([(22.0, 5.0), (25.0, 6.0)], True),
        ([(23.0, 5.0), (26.0, 6.0)], False),
        ([(24.0, 6.0), (25.0, 5.0)], True),
    ):
        assert readings(*rows).support(PAKSE, "manual", **step) is expected
    agreeing, other = (np.array([24.0]), np.array([6.0])), (np.array([24.0]), np.array([5.0]))
    for methods in (("telemetry", "calculated"), ("calculated", "telemetry")):
        both = dict(zip([(PAKSE, method) for method in methods], (agreeing, other), strict=True))
        assert AuxiliaryReadings(both).support(PAKSE, "manual", **step) is True
    assert readings((24.0, 6.0), method="manual").support(PAKSE, "manual", **step) is None
    assert readings((24.0, 6.0), station=JINGHONG).support(PAKSE, "manual", **step) is None
    assert readings().support(PAKSE, "manual", **step) is None


@pytest.mark.parametrize(
    ("step_h", "rows", "expected"),
    [
        (24.0, [(100.0, 3.0), (124.0, 3.5)], True),  # half of the step of a metre
        (24.0, [(100.0, 3.0), (124.0, 3.49)], None),
        (24.0, [(100.0, 3.5), (124.0, 3.0)], None),  # it falls
        (24.0, [(90.0, 3.0), (126.0, 3.5)], True),  # within one and a half times as long
        (24.0, [(90.0, 3.0), (126.1, 3.5)], None),
        (24.0, [(28.0, 3.0), (52.0, 3.5)], True),  # three days before
        (24.0, [(27.9, 3.0), (52.0, 3.5)], None),
        (24.0, [(148.0, 3.0), (171.9, 3.5)], True),  # less than three days after
        (24.0, [(148.0, 3.0), (172.1, 3.5)], None),
        (0.25, [(100.0, 3.0), (104.5, 3.5)], True),  # a quick step counts as three hours
        (0.25, [(100.0, 3.0), (104.6, 3.5)], None),
        (24.0, [(100.0, 3.0), (112.0, 3.3), (124.0, 3.5), (136.0, 3.0)], True),
        (24.0, [(124.0, 9.0)], None),
        (24.0, [], None),
    ],
)
@pytest.mark.parametrize("neighbour", [KHONG_CHIAM, KRATIE], ids=["upstream", "downstream"])
def test_a_neighbour_supports_a_step_by_half_of_it_within_three_days(
    step_h: float, rows: list[tuple[float, float]], expected: bool | None, neighbour: str
) -> None:
    rising = readings(*rows, station=neighbour)
    hours = (100.0 - step_h, 100.0)
    assert support(rising, hours=hours, stages_m=(5.0, 6.0)) is expected
    falling = readings(*((at, -level) for at, level in rows), station=neighbour)
    assert support(falling, hours=hours, stages_m=(6.0, 5.0)) is expected
    half = readings(*((at, level / 2.0) for at, level in rows), station=neighbour)
    assert support(half, hours=hours, stages_m=(5.0, 5.5)) is expected, "half a step, half of it"


def test_the_expected_change_is_the_mean_of_the_neighbours_with_readings() -> None:
    hours = np.array([0.0, 24.0])
    series = {
        (KHONG_CHIAM, "manual"): (hours, np.array([3.0, 4.0])),
        (KRATIE, "manual"): (hours + 3.0, np.array([9.0, 9.5])),
        (MUKDAHAN, "manual"): (hours + 3.1, np.array([2.0, 9.0])),  # more than 3 h apart
        ("014501", "manual"): (hours[:1], np.array([5.0])),
        (JINGHONG, "manual"): (hours, np.array([5.0, 50.0])),  # no neighbour
    }
    change = AuxiliaryReadings(series).expected_change(PAKSE, since_h=0.0, until_h=24.0)
    assert change == 0.75
    assert AuxiliaryReadings({}).expected_change(PAKSE, since_h=0.0, until_h=24.0) == 0.0

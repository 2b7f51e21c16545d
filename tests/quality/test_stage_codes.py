"""Numbers that stand for missing where they could be stages."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from pipeline.geography.gauge_figures import verified_zeros
from pipeline.quality import flags as quality_flags
from tests.quality.quality_cases import KRATIE, PAKSE, flags, frame, mornings


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

"""Which reading is used of several."""

from __future__ import annotations

import numpy as np
import pandas as pd

from pipeline.quality import flags as quality_flags
from pipeline.quality.selection import describe_suspects, select_best
from tests.quality.quality_cases import frame, mornings


def test_precedence_of_methods() -> None:
    time = pd.date_range("2026-07-01", periods=4)
    manual = frame(time, [7.0, 7.1, 70.0, np.nan]).assign(qc=["good", "good", "conflict", "good"])
    sensor = frame(time, [7.3, 7.4, 7.5, 7.6], method="telemetry").iloc[1:]
    best = select_best(quality_flags.flag(pd.concat([sensor, manual])))
    assert best["value"].tolist() == [7.0, 7.1, 7.5, 7.6]
    assert best["method"].tolist() == ["manual", "manual", "telemetry", "telemetry"]


def test_rain_of_one_method_a_day_and_no_sum_over_gaps() -> None:
    time = pd.date_range("2026-07-01 01:00", "2026-07-04", freq="h")
    sensor = frame(time, np.ones(72), variable="rain", method="telemetry").assign(qc="good")
    sensor["value"] += 0.01 * np.arange(72)
    sensor = sensor.drop(index=sensor.index[30:36])
    manual = frame(pd.to_datetime(["2026-07-03"]), [20.0], variable="rain")
    best = select_best(quality_flags.flag(pd.concat([sensor, manual])))
    count = best.groupby(best["valid_time"].dt.ceil("D")).size()
    assert count.tolist() == [24, 1, 24]
    assert best["method"].iloc[24] == "manual"
    alone = select_best(quality_flags.flag(sensor))
    assert set(alone["valid_time"].dt.ceil("D").dt.day) == {2, 4}, "the 3rd lacks six hours"


def test_a_suspect_gauge_is_named() -> None:
    stuck = mornings([4.0, 4.1, *[4.2] * 25])
    flagged = quality_flags.flag(pd.concat([stuck, stuck.assign(station="999999")]))
    (line,) = describe_suspects(flagged)
    description = "24 of 27 manual readings of stage are suspect and left out (24 stuck)"
    assert line == f"gauges: Pakse (013901): {description}"
    assert describe_suspects(quality_flags.flag(mornings(5.0 + 0.1 * np.arange(9)))) == []

"""Readings of other instruments as evidence."""

from __future__ import annotations

import pandas as pd

from pipeline.quality import flags as quality_flags
from tests.quality.quality_cases import frame, mornings, steps


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

"""What a gauge has shown before."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from pipeline.quality import flags as quality_flags
from pipeline.quality.gauge_limits import collect_records
from tests.quality.quality_cases import PAKSE, frame


def test_limits_come_from_what_two_readings_bear_out() -> None:
    days = pd.date_range("2010-01-01", periods=1200)
    level = 5.0 + 2.0 * np.sin(np.arange(1200) / 58.0)
    level[500] += 6.0  # a spike
    level[700:] += np.where(np.arange(500) < 100, 1.0, 0.0)  # a metre in a day, and back
    record = collect_records(frame(days, level))[PAKSE]
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
        assert quality_flags.flag(pd.concat([record, noon]))["qc"].iloc[-1] == flag

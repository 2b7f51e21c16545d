"""Events, hits and false alarms by hand."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from models.verification.alarms import count_matches, event_days, match_tolerance_d, pool_alarms
from models.verification.cases import prepare
from models.verification.scores import score_forecasts
from tests.conftest import STAGE_HEAD, LayOver
from tests.models.conftest import TOWN
from tests.models.verification.conftest import forecasts_of_mukdahan


def test_misses_and_false_alarms_are_ratios_of_the_right_things() -> None:
    frame = forecasts_of_mukdahan([12.5, 11.0, 12.5, 11.0], [11.0, 12.5, 12.6, 12.5], [11.0] * 4)
    wet = score_forecasts(frame).iloc[0]
    assert wet.alarm_pod == pytest.approx(1 / 2)
    assert wet.alarm_far == pytest.approx(2 / 3)  # a share of what was said, not of what was quiet
    assert wet.alarm_csi == pytest.approx(1 / 4)
    pooled = pool_alarms(prepare(frame)).iloc[0]
    assert (pooled.cases, pooled.hits, pooled.false) == (2, 1, 2)
    assert (pooled.pod, pooled.csi) == (0.5, 0.25)
    assert pooled.far == pytest.approx(2 / 3)


def test_the_tolerance_grows_with_the_lead() -> None:
    assert [match_tolerance_d(lead) for lead in (1, 3, 4, 7)] == [1, 1, 2, 2]


def test_events_are_matched_one_to_one() -> None:
    assert count_matches([10, 20], [11, 12, 22], 1) == 1
    assert count_matches([10, 20], [11, 12, 22], 2) == 2
    assert count_matches([10, 11], [10], 1) == 1
    days = pd.Series(pd.date_range("1970-01-01", periods=12))
    over = np.isin(np.arange(12), [1, 2, 6, 11])
    assert event_days(days, over) == [1, 11]  # 4 days apart is one event, 5 are two


def test_an_alarm_is_judged_by_the_stage_of_its_issue_time(lay_over: LayOver) -> None:
    """Alarm stage is 12.0 m, from the third day on 11.2 m."""
    lay_over("thresholds.csv", STAGE_HEAD, f"{TOWN},alarm,11.2,m,the agency,2018-07-03,V")
    frame = forecasts_of_mukdahan([11.5] * 4, [11.0] * 4, [11.1, 11.1, 11.1, 11.3])
    frame.index = pd.Index([7, 5, 3, 1])
    stages_m = prepare(frame)["alarm_m"]
    assert stages_m.to_dict() == {7: 12.0, 5: 12.0, 3: 11.2, 1: 11.2}
    pooled = pool_alarms(prepare(frame)).iloc[0]
    assert (pooled.cases, pooled.hits, pooled.false) == (1, 0, 0), "the third day alone came"
    wet = score_forecasts(frame).iloc[0]
    assert (wet.alarm_events, wet.alarm_pod) == (1, 0.0)
    assert wet.brier == pytest.approx(2 / 4)

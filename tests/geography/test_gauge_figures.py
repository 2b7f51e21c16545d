"""Agreed flows and threshold stages of gauges, as frames."""

from __future__ import annotations

import numpy as np
import pandas as pd

from pipeline.geography.gauge_figures import reference_flows, threshold_stages
from tests.conftest import STAGE_HEAD, LayOver


def test_reference_flows() -> None:
    flows = reference_flows()
    assert list(flows.columns) == ["station", "month", "kind", "value", "verified"]
    assert flows["value"].gt(0).all()
    assert flows["month"].between(1, 12).all()
    value = flows.set_index(["station", "month", "kind"])["value"]
    assert value["010501", 12, "pmfm_6a"] == 1398
    assert value["014901", 4, "pmfm_6a"] == 1801
    assert value["039801", 10, "pmfm_6c"] == 5659
    assert value["014901", 9, "mean"] == 36_700
    assert flows.groupby("kind").size().to_dict() == {"mean": 84, "pmfm_6a": 18, "pmfm_6c": 32}
    flows["value"] = 0.0
    assert reference_flows()["value"].gt(0).all()


def test_threshold_stages_are_those_of_each_moment(lay_over: LayOver) -> None:
    lay_over("thresholds.csv", STAGE_HEAD, "010501,alarm,10.9,m,the agency,2026-10-01,V")
    times = pd.DatetimeIndex(["2026-10-01 00:00", "2026-09-30 23:59", "2026-10-02", "2026-10-02"])
    stages_m = threshold_stages(pd.Series(["010501", "010501", "092600", "no gauge"]), times)
    np.testing.assert_array_equal(stages_m["alarm"], [10.9, 11.5, np.nan, np.nan])
    np.testing.assert_array_equal(stages_m["flood"], [12.8, 12.8, np.nan, np.nan])
    assert threshold_stages([], times[:0])["alarm"].shape == (0,)

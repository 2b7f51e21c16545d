"""The benchmark is fitted on the past alone."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pandas as pd

from models.benchmark import forecast_benchmark
from models.stage.features import StageInputs
from tests.models.conftest import TOWN


def test_the_benchmark_is_fitted_on_the_past_alone(made_up: StageInputs) -> None:
    until = datetime(2009, 6, 1, tzinfo=UTC)
    whole: Any = forecast_benchmark(made_up, station=TOWN, fit_until=until, leads=[1, 3])
    cut = made_up.until(pd.Timestamp("2009-07-15"))
    pd.testing.assert_frame_equal(
        whole.loc[:"2009-07-15"],
        forecast_benchmark(cut, station=TOWN, fit_until=until, leads=[1, 3]),
        check_freq=False,
    )
    young = made_up.until(pd.Timestamp("2003-09-01"))
    assert forecast_benchmark(young, station=TOWN, fit_until=until, leads=[1]).empty
    too_young = forecast_benchmark(
        made_up, station=TOWN, fit_until=datetime(2004, 1, 1, tzinfo=UTC), leads=[1]
    )
    assert too_young.isna().all().all()

"""The peers of the model by hand, fitted on the past alone."""

from __future__ import annotations

from datetime import UTC, datetime

import pandas as pd
import pytest

from models.baselines import NAMES, forecast_baselines
from models.stage.features import StageInputs
from tests.models.conftest import TOWN


def test_baselines_by_hand(made_up: StageInputs) -> None:
    until = datetime(2009, 1, 1, tzinfo=UTC)
    found = forecast_baselines(made_up, station=TOWN, fit_until=until, leads=[1, 2])
    assert tuple(found) == NAMES
    level = made_up.stage[TOWN]
    day = pd.Timestamp("2010-08-10")
    assert found["persistence"].loc[day, 2] == level[day]
    change = level[day] - level[day - pd.Timedelta(days=1)]
    assert found["trend"].loc[day, 2] == pytest.approx(level[day] + 2 * change)
    # The town is the upper gauge of the day before: ARX knows tomorrow, AR cannot.
    truth = level.shift(-1).loc["2010"]
    assert (found["arx"].loc["2010", 1] - truth).abs().max() < 1e-6
    assert (found["ar"].loc["2010", 1] - truth).abs().mean() > 0.02


def test_baselines_are_fitted_on_the_past_alone(made_up: StageInputs) -> None:
    until = datetime(2009, 1, 1, tzinfo=UTC)
    whole = forecast_baselines(made_up, station=TOWN, fit_until=until, leads=[3])
    cut = made_up.until(pd.Timestamp("2009-06-01"))
    past = forecast_baselines(cut, station=TOWN, fit_until=until, leads=[3])
    for name in NAMES:
        pd.testing.assert_frame_equal(whole[name].loc[:"2009-06-01"], past[name])
    with pytest.raises(LookupError, match="station: expected one of"):
        forecast_baselines(made_up, station="019999", fit_until=until, leads=[1])

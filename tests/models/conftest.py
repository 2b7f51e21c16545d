"""A made-up river whose town can be forecast exactly, and the model trained on it."""

from __future__ import annotations

from datetime import UTC, datetime

import numpy as np
import pandas as pd
import pytest

from models.stage.features import StageInputs
from models.stage.model import StageModel
from models.stage.regressions import SeasonalRidge
from models.stage.regressor import StageRegressor
from models.stage.training import fit

UPSTREAM, TOWN = "013101", "013402"
"""Nakhon Phanom and Mukdahan: the second's next gauge upstream is the first."""
END = datetime(2010, 1, 1, tzinfo=UTC)


def river(years: int = 8, seed: int = 3) -> StageInputs:
    """A made-up river: rain raises the upper gauge, and the town follows it one day later.

    town(D) = 1 m + upper(D − 1) exactly, so a one-day forecast of the town can be exact.
    """
    rng = np.random.default_rng(seed)
    dates = pd.date_range("2003-01-01", periods=int(365.25 * years), name="date")
    season = 1.0 + np.sin(2.0 * np.pi * (dates.day_of_year.to_numpy() - 120) / 365.25)
    rain = rng.gamma(0.4, 10.0, len(dates)) * season
    upper = np.empty(len(dates))
    store = 20.0
    for day, fallen in enumerate(rain):
        store = 0.95 * store + 0.5 * fallen
        upper[day] = 1.0 + 0.06 * store + 0.3 * season[day]
    upper += rng.normal(0.0, 0.03, len(dates))
    town = 1.0 + np.concatenate([[upper[0]], upper[:-1]])
    stage = pd.DataFrame({UPSTREAM: upper, TOWN: town}, index=dates)
    return StageInputs(
        stage=stage,
        evening=stage.shift(1) * np.nan,
        rain=pd.DataFrame({"basin:songkhram": rain}, index=dates),
        soil_moisture=None,
        origin="virtual",
    )


def ridge_of(regressor: StageRegressor, tier: str = "full") -> SeasonalRidge:
    """Ridge regression of a tier of a fitted regressor."""
    regression = regressor.tiers_[tier].regression
    assert isinstance(regression, SeasonalRidge)
    return regression


@pytest.fixture(scope="session")
def made_up() -> StageInputs:
    return river()


@pytest.fixture(scope="session")
def trained(made_up: StageInputs) -> StageModel:
    return fit(made_up, end=END, stations=[UPSTREAM, TOWN])


@pytest.fixture(scope="session")
def made_up_long() -> StageInputs:
    return river(years=24)

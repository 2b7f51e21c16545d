"""The card of a set of models names data, skill and limits."""

from __future__ import annotations

from copy import copy
from dataclasses import replace

import numpy as np
from sklearn.linear_model import LinearRegression

from models.card import render_card
from models.low_flow import LowFlowModel
from models.stage.features import StageInputs
from models.stage.model import StageModel
from models.stage.training import fit
from tests.models.conftest import END, TOWN, UPSTREAM


def with_cp(model: StageModel, cp: float) -> StageModel:
    """The same model with the town's held-out skill set by hand."""
    town = copy(model.stations[TOWN])
    leads = np.full(len(model.leads), 0.61)
    leads[2] = cp
    town.tiers_ = {name: replace(tier, held_out_cp=leads) for name, tier in town.tiers_.items()}
    return replace(model, stations=model.stations | {TOWN: town})


def test_card_names_data_skill_and_limits(trained: StageModel) -> None:
    text = render_card(with_cp(trained, 0.55), {"seed": 7})
    assert "* Data: virtual, 2003-01-01 to 2009-12-31." in text
    assert "| Mukdahan | 0.61 | 0.61 | 0.55 | 0.61 | 0.61 | 0.61 | 0.61 |" in text
    assert "* seed: 7" in text
    assert "**SYNTHETIC: trained on the virtual basin." in text
    assert "* Mukdahan, leads" not in text
    assert "Not trained: no record of 20 years." in text
    assert "SYNTHETIC" not in render_card(replace(trained, origin="measured"), {})


def test_card_names_the_regressor_and_whether_its_drivers_are_exact(
    made_up: StageInputs, trained: StageModel
) -> None:
    text = render_card(trained, {})
    assert "* Method: ridge regression per gauge, lead, tier and season (dry, rise" in text
    assert "* Drivers of a forecast: exact" in text
    linear = fit(made_up, end=END, stations=[TOWN], leads=(1,), regressor=LinearRegression())
    text = render_card(linear, {})
    assert "* Method: LinearRegression of scikit-learn per gauge, lead and tier;" in text
    assert "* Drivers of a forecast: by substitution" in text


def test_card_names_what_is_poor(trained: StageModel) -> None:
    assert "* Mukdahan, leads 3 d: little better" in render_card(with_cp(trained, 0.1), {})
    assert "* Mukdahan, leads 3 d: little better" in render_card(with_cp(trained, float("nan")), {})


def test_the_skill_in_the_card_is_that_of_years_not_seen(trained: StageModel) -> None:
    """The town follows the upper gauge by a day: known there, and not at the upper gauge."""
    town, upper = (
        {name: tier.held_out_cp for name, tier in trained.stations[code].tiers_.items()}
        for code in (TOWN, UPSTREAM)
    )
    assert town["full"][0] > 0.9 > upper["full"][0]
    assert town["own_stage"][0] < 0.5
    assert set(town) == {"full", "no_rain", "no_upstream", "own_stage"}


def test_card_tells_the_skill_of_low_flow(trained: StageModel) -> None:
    row = {
        "station": TOWN, "horizon_weeks": 4, "drought_class": 1, "skill_vs_conditional": 0.17,
        "skill_low": 0.08, "skill_high": 0.25,
    }  # fmt: skip
    low = LowFlowModel(seasonal_quantiles={TOWN: np.zeros((73, 3))}, fits={}, scores=[row], end="")
    text = render_card(trained, {}, low_flow=low)
    assert "| low flow, Mukdahan | – | 0.17 (0.08 to 0.25) | – | – |" in text

"""The card of a set of models names data, skill and limits."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from models.card import render_card
from models.low_flow import LowFlowModel
from models.stage.model import StageModel
from tests.models.conftest import TOWN, UPSTREAM


def with_cp(model: StageModel, cp: float) -> StageModel:
    """The same model with the town's held-out skill set by hand."""
    town = model.stations[TOWN]
    leads = np.full(len(model.leads), 0.61)
    leads[2] = cp
    town = replace(town, held_out_cp=dict.fromkeys(town.held_out_cp, leads))
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


def test_card_names_what_is_poor(trained: StageModel) -> None:
    assert "* Mukdahan, leads 3 d: little better" in render_card(with_cp(trained, 0.1), {})
    assert "* Mukdahan, leads 3 d: little better" in render_card(with_cp(trained, float("nan")), {})


def test_the_skill_in_the_card_is_that_of_years_not_seen(trained: StageModel) -> None:
    """The town follows the upper gauge by a day: known there, and not at the upper gauge."""
    town, upper = (trained.stations[code].held_out_cp for code in (TOWN, UPSTREAM))
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

from __future__ import annotations

from copy import deepcopy
from dataclasses import replace
from types import SimpleNamespace

import numpy as np

from models.stage.model import StageModel
from models.succession import find_losses
from tests.models.conftest import TOWN, UPSTREAM


def score(skill: float, weeks: int = 4, station: str = "450101") -> dict[str, object]:
    return {
        "station": station, "horizon_weeks": weeks, "drought_class": 1,
        "skill_vs_conditional": skill,
    }  # fmt: skip


def low_flow(*scores: dict[str, object]) -> dict[str, object]:
    return {"low_flow": SimpleNamespace(scores=scores)}


def test_the_same_models_lose_nothing(trained: StageModel) -> None:
    assert find_losses({"stage": trained}, {"stage": trained}) == []


def test_a_lower_median_at_one_lead_is_a_loss(trained: StageModel) -> None:
    better = deepcopy(trained)
    for code in (TOWN, UPSTREAM):
        tiers = better.stations[code].tiers_
        gain = np.where(np.array(better.leads) == 2, 0.2, 0.0)
        tiers["full"] = replace(tiers["full"], held_out_cp=tiers["full"].held_out_cp + gain)
    (loss,) = find_losses({"stage": trained}, {"stage": better})
    assert loss.startswith("stage, 2 d ahead, median CP: ")
    assert find_losses({"stage": better}, {"stage": trained}) == []


def test_half_of_the_last_digit_is_no_loss() -> None:
    assert find_losses(low_flow(score(0.306)), low_flow(score(0.310))) == []
    assert find_losses(low_flow(score(0.304)), low_flow(score(0.310))) == [
        "low flow, 4 weeks ahead, median skill: 0.304 on held-out years, 0.310 before"
    ]


def test_only_what_both_were_scored_for_is_compared() -> None:
    new = low_flow(score(0.3), score(0.1, station="450102"), score(0.1, weeks=8))
    assert find_losses(new, low_flow(score(0.3))) == []


def test_a_model_that_can_no_longer_be_trained_is_a_loss() -> None:
    assert find_losses({}, low_flow(score(0.3))) == ["low_flow: there was too little to train it"]
    assert find_losses(low_flow(score(0.3)), {}) == []

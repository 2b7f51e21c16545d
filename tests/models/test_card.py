from __future__ import annotations

from typing import TYPE_CHECKING

import pandas as pd

from models.card import card
from models.evaluate import SCORES
from tests.models.conftest import TOWN

if TYPE_CHECKING:
    from models.stage import StageModel


def scored(cp: float) -> pd.DataFrame:
    row = dict.fromkeys(SCORES, 0.0) | {
        "station": TOWN, "lead_days": 3, "season": "wet", "cp": cp, "cover80": 0.81,
    }  # fmt: skip
    return pd.DataFrame([row])


def test_card_names_data_skill_and_limits(trained: StageModel) -> None:
    text = card(trained, scored(0.61), {"seed": 7})
    assert "* Data: virtual, 2003-01-01 to 2009-12-31." in text
    assert "| Mukdahan | 0.61 (81 %) |" in text
    assert "* seed: 7" in text
    assert "says anything of the river" in text
    assert "little better than persistence" not in text


def test_card_names_what_is_poor(trained: StageModel) -> None:
    assert "* Mukdahan, leads 3 d: little better" in card(trained, scored(0.1), {})


def test_card_without_a_hindcast_says_so(trained: StageModel) -> None:
    assert "No hindcast was run" in card(trained, scored(0.1).iloc[:0], {})

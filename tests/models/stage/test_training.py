"""What training of the stage model asks for, and what gauges share."""

from __future__ import annotations

import pandas as pd
import pytest

from models.stage import training
from models.stage.features import StageInputs
from models.stage.training import fit
from tests.models.conftest import END, TOWN


def test_fit_wants_two_years(made_up: StageInputs) -> None:
    short = made_up.until(made_up.stage.index[0] + pd.Timedelta(days=600))
    with pytest.raises(ValueError, match="2 years"):
        fit(short, end=END, stations=[TOWN])
    with pytest.raises(ValueError, match="2 years"):
        fit(made_up, end=END, stations=["019999"])


def test_gauges_share_what_they_found_to_matter() -> None:
    flood, whole = 2, ("all", 0)
    one = {
        (flood, whole): {"level:own": 1.5, "rain:a:0": 0.5},
        (flood, ("before", 2010)): {"x": 1.0},
    }
    other = {(flood, whole): {"level:own": 0.5}}
    assert training._mean_sizes([one, other]) == {
        (flood, whole): {"level:own": 1.0, "rain:a:0": 0.5}, (flood, ("before", 2010)): {"x": 1.0},
    }  # fmt: skip

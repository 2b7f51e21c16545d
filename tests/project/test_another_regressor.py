"""The page about another regressor does what it says, on a river that is made up."""

from __future__ import annotations

import re

import numpy as np
import pytest
from threadpoolctl import threadpool_limits

from pipeline.issuance import snapshot
from pipeline.settings import ROOT
from tests.models.conftest import river


@pytest.mark.slow
def test_the_page_compares_two_regressors(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    page = (ROOT / "docs" / "another-regressor.md").read_text("utf-8")
    [code] = re.findall(r"```python\n(.*?)```", page, re.DOTALL)
    monkeypatch.setattr(snapshot, "open_stores", lambda *_, **__: None)
    monkeypatch.setattr(snapshot, "read_stage_inputs", lambda *_, **__: river())
    with threadpool_limits(1):
        exec(code.replace("Regressor()", "Regressor(max_iter=20)"), {})  # noqa: S102
    numbers = [float(number) for number in re.findall(r"\d\.\d*", capsys.readouterr().out)]
    cp_ridge, cp_trees = numbers[:2], numbers[2:4]
    assert cp_ridge[0] > cp_trees[0] > 0.5, "the town is the upper gauge of the day before"
    quantiles = np.array(numbers[4:10]).reshape(2, 3)
    assert (np.diff(quantiles, axis=1) > 0.0).all()
    assert len(numbers) == 12

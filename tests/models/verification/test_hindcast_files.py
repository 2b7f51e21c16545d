"""The files of a hindcast, and the medians that are told of it."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from models.verification.hindcast_files import write_hindcast
from models.verification.scores import SCORES
from tests.models.verification.conftest import LEADS, made_hindcast


def test_a_hindcast_is_written_as_scores_forecasts_and_report(tmp_path: Path) -> None:
    forecasts = made_hindcast()
    folder = tmp_path / "a" / "out"
    hindcast = write_hindcast(forecasts, folder, train_from="1992-01-01")
    assert sorted(path.name for path in folder.iterdir()) == [
        "forecasts.parquet", "report.html", "scores.csv",
    ]  # fmt: skip
    assert (hindcast.folder, hindcast.origin) == (str(folder), "measured")
    assert hindcast.forecasts == len(forecasts)
    stored = pd.read_parquet(folder / "forecasts.parquet")
    pd.testing.assert_frame_equal(
        stored.drop(columns="drivers_cm"), forecasts.drop(columns="drivers_cm")
    )
    assert "1992-01-01" in (folder / "report.html").read_text(encoding="utf-8")

    scores = pd.read_csv(folder / "scores.csv", dtype={"station": str})
    assert list(scores.columns) == list(SCORES)
    wet = scores[scores["season"] == "wet"]
    # The model is 0.1 m off, the benchmark 0.2 m: CP = 1 - 0.01 / MSE of persistence, and 0.04.
    for lead in LEADS:
        cp = wet.loc[wet["lead_days"] == lead, "cp"]
        assert hindcast.median_cp[lead] == pytest.approx(np.median(cp))
        assert 1 - hindcast.median_reference_cp[lead] == pytest.approx(
            4 * (1 - hindcast.median_cp[lead]), rel=1e-6
        )


def test_what_is_synthetic_says_so(tmp_path: Path) -> None:
    hindcast = write_hindcast(
        made_hindcast(years=1, origin="virtual"), tmp_path, train_from="1992-01-01"
    )
    assert hindcast.origin == "virtual"
    assert "SYNTHETIC" in (tmp_path / "report.html").read_text(encoding="utf-8")

"""`hindcast` on a generated export: from CSV files to scores, nothing from the future."""

from __future__ import annotations

from datetime import UTC, date, datetime
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
import pytest

from models.evaluate import SCORES
from pipeline import steps
from pipeline.settings import Settings
from pipeline.virtual.tables import mrc_export

if TYPE_CHECKING:
    from pathlib import Path

LAST = datetime(2018, 11, 1, tzinfo=UTC)


def export(folder: Path, *, until: str) -> None:
    """Two gauges, the lower one a day behind the upper, ten years of mornings."""
    rng = np.random.default_rng(0)
    time = np.arange("2009-01-01", until, dtype="datetime64[D]")
    season = 4.0 - 3.0 * np.cos(2 * np.pi * (np.arange(len(time)) - 60) / 365.25)
    flood = np.zeros(len(time))
    for day, push in enumerate(rng.gamma(0.2, 1.0, len(time)), start=1):
        if day < len(time):
            flood[day] = 0.85 * flood[day - 1] + push
    upper = season + flood
    lower = season + np.concatenate([[0.0], flood[:-1]])
    for code, name, stage in (("013101", "Nakhon Phanom", upper), ("013402", "Mukdahan", lower)):
        mrc_export(
            folder, country="TH", code=code, station=name, lat=17.0, lon=104.8, variable="stage",
            valid_time=time.astype("datetime64[ns]"), value=stage.round(2), published=LAST,
        )  # fmt: skip


def run(tmp_path: Path, *, until: str) -> tuple[pd.DataFrame, pd.DataFrame]:
    settings = Settings(data_dir=tmp_path / "data", upstream="archive")
    export(tmp_path / "exports", until=until)
    steps.ingest("gauges", asof=LAST, folder=tmp_path / "exports", settings=settings)
    done = steps.hindcast(
        start=date(2017, 6, 1),
        end=date(2018, 7, 31),
        train_from=date(2009, 1, 1),
        leads=(1, 3),
        folder=tmp_path / "out",
        settings=settings,
    )
    assert done.forecasts > 0
    scores = pd.read_csv(tmp_path / "out" / "scores.csv", dtype={"station": str})
    return scores, pd.read_parquet(tmp_path / "out" / "forecasts.parquet")


@pytest.mark.slow
def test_hindcast_of_a_generated_export(tmp_path: Path) -> None:
    scores, forecasts = run(tmp_path / "whole", until="2018-10-31")
    assert list(scores.columns[: len(SCORES)]) == list(SCORES)
    assert set(scores["origin"]) == {"virtual"}
    wet = scores[scores["season"] == "wet"]
    assert wet["n"].min() > 150
    cp = {(row.station, row.lead_days): float(row.cp) for row in wet.itertuples()}  # type: ignore[arg-type]
    # The upper gauge tells the lower one tomorrow's change, not that of the day after.
    assert cp["013402", 1] > 0.8 > cp["013101", 1]
    assert cp["013402", 3] < cp["013402", 1]

    _, blind = run(tmp_path / "cut", until="2018-06-16")
    until = pd.Timestamp("2018-06-15")
    same = ["station", "lead_days", "issue_time", "q10", "q50", "q90", "p_alarm"]
    pd.testing.assert_frame_equal(
        forecasts.loc[forecasts["issue_time"] < until, same].reset_index(drop=True),
        blind.loc[blind["issue_time"] < until, same].reset_index(drop=True),
    )

"""Archives of known skill over made-up stages, written as a rival's files."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from scipy.stats import norm

from models.verification.archives import ForecastArchive
from models.verification.rivals import read_rival
from tests.models.conftest import TOWN, UPSTREAM

LEADS = (1, 3)
LEVELS = {"q10": 0.10, "q25": 0.25, "q50": 0.50, "q75": 0.75, "q90": 0.90}
"""TOWN is Mukdahan (alarm stage 12.0 m, flood stage 12.5 m), UPSTREAM is Nakhon Phanom (11.5 m and
12.0 m)."""


def make_observed(*, start: str = "2013-06-01", days: int = 4 * 365) -> Any:
    """Stages of both gauges with a flood every summer, and floods between."""
    rng = np.random.default_rng(4)
    dates = pd.date_range(start, periods=days + max(LEADS))
    parts = {}
    for code in (UPSTREAM, TOWN):
        wave = 9.0 + 3.0 * np.sin(2 * np.pi * (dates.day_of_year.to_numpy() - 120) / 365)
        noise = np.convolve(rng.normal(0, 0.6, len(dates) + 6), np.ones(7), "valid")
        parts[code] = pd.Series(wave + noise, dates)
    return pd.concat(parts, names=["station", "valid_time"]).rename("value")


def make_table(observed: Any, *, sd: float, seed: int, days: int) -> pd.DataFrame:
    """Forecasts that err by a normal distribution of a known width, which they state."""
    rng = np.random.default_rng(seed)
    dates = pd.date_range(observed.index[0][1], periods=days)
    parts = []
    for code in (UPSTREAM, TOWN):
        stage = observed.loc[code]
        for lead in LEADS:
            came = stage.reindex(dates + pd.Timedelta(days=lead)).to_numpy()
            middle = came + rng.normal(0.0, sd, days)
            alarm_m = {UPSTREAM: 11.5, TOWN: 12.0}[code]
            part = {
                "station": code, "issue_date": dates.strftime("%Y-%m-%d"), "lead_days": lead,
                "unit": "m", "p_alarm": 1.0 - norm.cdf((alarm_m - middle) / sd),
                **{name: middle + sd * norm.ppf(p) for name, p in LEVELS.items()},
            }  # fmt: skip
            parts.append(pd.DataFrame(part))
    return pd.concat(parts, ignore_index=True)


def read_table(folder: Path, table: pd.DataFrame | str, name: str = "rival.csv") -> ForecastArchive:
    path = folder / name
    if isinstance(table, str):
        path.write_text(table, encoding="utf-8")
    else:
        table.to_csv(path, index=False)
    return read_rival(path)


def make_archive(
    folder: Path, observed: Any, *, sd: float, seed: int, days: int = 4 * 365
) -> ForecastArchive:
    return read_table(folder, make_table(observed, sd=sd, seed=seed, days=days))


def observe(stages: dict[str, list[float]], start: str = "2020-07-01") -> Any:
    """Daily stages by gauge from a day on."""
    parts: dict[str, Any] = {
        code: pd.Series(values, pd.date_range(start, periods=len(values)), dtype="float64")
        for code, values in stages.items()
    }
    return pd.concat(parts, names=["station", "valid_time"])

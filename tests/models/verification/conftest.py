"""Forecasts whose scores are known by hand."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from models.baselines import PEERS
from models.stage.names import QUANTILES
from models.verification.cases import prepare
from tests.models.conftest import TOWN, UPSTREAM

LEADS = (1, 3)


def forecasts_of_mukdahan(
    observed: list[float], q50: list[float], stage: list[float]
) -> pd.DataFrame:
    """Hand-made forecasts of Mukdahan (alarm 12.0 m), one day ahead, ±0.2 m at 80 %."""
    n = len(observed)
    times = pd.date_range("2018-07-01", periods=n)
    spread = {name: np.asarray(q50) + (p - 0.5) * 0.5 for name, p in QUANTILES.items()}
    return pd.DataFrame(
        {
            "issue_time": times, "station": TOWN, "lead_days": 1, "valid_time": times,
            **spread, "mean_m": q50, "stage_m": stage, "observed_m": observed, "tier": "full",
            "p_alarm": (np.asarray(q50) >= 12.0).astype(float), "climatology_p_alarm": 0.25,
            "p_flood": (np.asarray(q50) >= 12.5).astype(float), "climatology_p_flood": 0.0,
            "origin": "measured", **{f"{name}_m": 11.0 for name in PEERS},
        }
    )  # fmt: skip


def flood_of_mukdahan(*, late_d: int, crest_m: float = 13.0, lead: int = 1) -> pd.DataFrame:
    """A summer whose flood crests on day 60; the forecast's crest is late, persistence by the lead.

    Stages fall by 0.4 m a day on either side of the crest, down to 9 m; alarm stage is 12 m.
    """

    def crest(day: int) -> list[float]:
        return [max(crest_m - 0.4 * abs(at - day), 9.0) for at in range(120)]

    frame = forecasts_of_mukdahan(crest(60), crest(60 + late_d), crest(60 + lead))
    return frame.assign(lead_days=lead)


def made_hindcast(
    *, years: int = 4, origin: str = "measured", peer_error_m: float = 0.2
) -> pd.DataFrame:
    """A river of summer floods; the model errs by 0.1 m, persistence by the change, peers by more.

    Alarm stage is 12 m at the town (Mukdahan), 11.5 m at the gauge above (Nakhon Phanom).
    """
    rng = np.random.default_rng(4)
    days = pd.date_range("2013-06-01", periods=365 * years)
    parts = []
    for station in (UPSTREAM, TOWN):
        wave = 8.0 + 3.0 * np.sin(2 * np.pi * (days.day_of_year.to_numpy() - 120) / 365)
        noise = np.convolve(rng.normal(0, 0.5, len(days) + 6), np.ones(7), "valid")
        stage = pd.Series(wave + noise, days)
        for lead in LEADS:
            came = stage.shift(-lead)
            middle = came + np.where(np.arange(len(days)) % 2 == 0, 0.1, -0.1)
            p = np.clip((middle - 11.0) / 2.0, 0.001, 0.999)
            frame = pd.DataFrame(
                {
                    "issue_time": days + pd.Timedelta(minutes=30),
                    "station": station,
                    "lead_days": lead,
                    "valid_time": days + pd.Timedelta(days=lead),
                    "stage_m": stage.to_numpy(),
                    "observed_m": came.to_numpy(),
                    "tier": np.where(days.day == 5, "no_rain", "full"),
                    "p_alarm": p.to_numpy(),
                    "climatology_p_alarm": 0.1,
                    "p_flood": np.clip(p.to_numpy() - 0.25, 0.0, 1.0),
                    "climatology_p_flood": 0.05,
                    "origin": origin,
                    **{name: (middle + (q - 0.5)).to_numpy() for name, q in QUANTILES.items()},
                    "mean_m": middle.to_numpy(),
                    **{f"{name}_m": (came + peer_error_m).to_numpy() for name in PEERS},
                }
            )
            change = 100.0 * (middle - stage)
            parts_cm = [{"own_trend": 0.25 * cm, "rain": 0.75 * cm} for cm in change]
            frame["drivers_cm"] = pd.Series(parts_cm)
            parts.append(frame)
    return pd.concat(parts, ignore_index=True).iloc[::-1].reset_index(drop=True)


def add_issued(frame: pd.DataFrame) -> pd.DataFrame:
    """Add what is issued: the model's own at 1 d, persistence of ±0.3 and ±0.5 m at 3 d."""
    own = (frame["lead_days"] == 1).to_numpy()
    spreads_m = {"issued_q025": -0.5, "issued_q10": -0.3, "issued_q90": 0.3, "issued_q975": 0.5}
    persistence = {name: frame["stage_m"] + spread for name, spread in spreads_m.items()}
    persistence |= {
        "issued_m": frame["stage_m"],
        "issued_p_alarm": (frame["stage_m"] >= 12.0).astype(float),
    }
    names = {"issued_m": "mean_m"} | {name: name.removeprefix("issued_") for name in spreads_m}
    names |= {"issued_p_alarm": "p_alarm"}
    columns = {name: np.where(own, frame[names[name]], persistence[name]) for name in names}
    return frame.assign(issued_as=np.where(own, "model", "persistence"), **columns)


@pytest.fixture(scope="session")
def rows() -> pd.DataFrame:
    return prepare(made_hindcast())

"""Forecasts as the models give them, with all that may be missing; the numbers are made up."""

from __future__ import annotations

import math
from datetime import datetime

import numpy as np
import pandas as pd

from models.stage.names import HIGHEST, QUANTILES
from pipeline.alerts.evidence import DRIVERS
from pipeline.geography import places
from pipeline.times import naive_timestamp

LEADS = range(1, 8)
WEEKS = (1, 4, 8, 12)


def stages(issued: datetime, *, seed: int = 5) -> pd.DataFrame:
    """Forecasts of the gauges of all cities; of the last one nothing but the tier is known."""
    rng = np.random.default_rng(seed)
    codes = sorted({city.station for city in places.cities().values() if city.station})
    at = naive_timestamp(issued)
    rows = []
    for code in codes:
        gauge, blank = places.station(code), code == codes[-1]
        mark = gauge.alarm_m or 5.0
        centre, by = mark + rng.normal(0.0, 1.5), 0.0
        for lead in LEADS:
            spread = np.sort(rng.normal(centre, 0.3 * lead, len(QUANTILES)))
            by = max(by, float(rng.random()))
            p = math.nan if blank else by
            rows.append(
                {
                    "issue_time": at,
                    "station": code,
                    "lead_days": lead,
                    "valid_time": at.normalize() + pd.Timedelta(days=lead),
                    **dict(zip(QUANTILES, [math.nan] * 9 if blank else spread, strict=True)),
                    "mean_m": math.nan if blank else float(spread.mean()),
                    "p_alarm": p,
                    "p_flood": p / 3.0,
                    "p_alarm_by": p,
                    "p_flood_by": p / 3.0,
                    "highest_m": {
                        name: math.nan if blank else round(float(spread[4]) + level, 3)
                        for name, level in HIGHEST.items()
                    },
                    "tier": "climatology" if blank else "full",
                    "drivers_cm": {
                        name: math.nan if blank else float(rng.normal()) for name in DRIVERS
                    },
                    "stage_m": math.nan if blank else centre,
                    "stage_time": pd.NaT if blank else at.normalize(),
                    "extrapolated": bool(lead > 5),
                    "model_version": "m",
                }
            )
    return pd.DataFrame(rows)


def droughts(issued: datetime, *, seed: int = 6) -> pd.DataFrame:
    """Forecasts of all zones, single precision where the model's are, and of low flow at gauges."""
    rng = np.random.default_rng(seed)
    at = naive_timestamp(issued)
    parts = []
    for zone in places.zones():
        p = -np.sort(-rng.random((len(WEEKS), 5)))
        known = rng.random() > 0.2
        part = pd.DataFrame({f"p_d{k}": p[:, k] for k in range(5)})
        parts.append(
            part.assign(
                zone=zone, horizon_weeks=WEEKS, current_class=str(rng.choice(["none", "D1", "D3"])),
                cdi=str(rng.choice(["none", "watch", "alert"])),
                **{
                    name: np.float32(rng.normal() if known else math.nan)
                    for name in ("spi1", "spi3")
                },
                soil_moisture_percentile=np.float32(100.0 * rng.random()),
                vhi=np.float32(100.0 * rng.random()), tier="full", origin="virtual",
                stands_in=str(rng.choice(["", "smap_l3", "smap_l3 gk2a_lst"])),
                suspect=bool(rng.random() > 0.8),
            )
        )  # fmt: skip
    for code in ("013901", "014901"):
        p = -np.sort(-rng.random((len(WEEKS), 5)))
        part = pd.DataFrame({f"p_d{k}": p[:, k] for k in range(5)})
        parts.append(
            part.assign(
                zone=f"gauge:{code}", horizon_weeks=WEEKS, current_class="D0",
                stage_percentile=rng.random() * 100.0, p_below_6a=math.nan, tier="own_stage",
            )
        )  # fmt: skip
    frame = pd.concat(parts, ignore_index=True)
    valid = at.normalize() + pd.to_timedelta(7 * frame["horizon_weeks"], unit="D")
    return frame.assign(issue_time=at, valid_time=valid)

"""Series of readings that the tests of quality share."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from pipeline.quality import flags as quality_flags

PAKSE, KRATIE, JINGHONG, BUENG_KAN = "013901", "014901", "092600", "012702"


def frame(
    time: pd.DatetimeIndex,
    value: NDArray[np.floating[Any]] | list[float],
    *,
    station: str = PAKSE,
    variable: str = "stage",
    method: str = "manual",
    qc: str = "good",
) -> pd.DataFrame:
    return pd.DataFrame(
        {
            "station": station,
            "variable": variable,
            "method": method,
            "valid_time": time,
            "value": value,
            "unit": "m",
            "raw": "",
            "qc": qc,
        }
    )


def mornings(value: NDArray[np.floating[Any]] | list[float], **more: str) -> pd.DataFrame:
    return frame(pd.date_range("2026-07-01", periods=len(value)), value, **more)


def flags(value: NDArray[np.floating[Any]] | list[float], **more: str) -> list[str]:
    return [str(flag) for flag in quality_flags.flag(mornings(value, **more))["qc"]]


def flood(hours: NDArray[np.float64], at: float, rise: float, wide: float) -> NDArray[np.float64]:
    """A flash flood: up by ``rise`` m within ``wide`` hours, down over four days."""
    after = np.clip(hours - at, 0.0, None)
    return np.asarray(rise / (1.0 + np.exp(-8.0 * (hours - at) / wide)) * np.exp(-after / 96.0))


def steps(*parts: tuple[int, float]) -> NDArray[np.float64]:
    """Levels of quiet telemetry, so many readings each."""
    level = np.concatenate([np.full(count, height) for count, height in parts])
    return np.asarray(level + np.tile([0.0, 0.01, 0.0, -0.01], len(level))[: len(level)])

"""Areal records of a few zones, as a night appends them."""

from __future__ import annotations

import numpy as np
import xarray as xr


def zone_steps(start: str, rain: dict[str, list[float]], available: str) -> xr.Dataset:
    """Rain by zone, days from a start, all known at one moment."""
    days = len(next(iter(rain.values())))
    time = np.datetime64(start, "ns") + np.arange(days) * np.timedelta64(1, "D")
    values = np.array(list(rain.values()), "float32").T
    return xr.Dataset(
        {"rain": (("time", "zone"), values, {"units": "mm"})},
        {
            "time": time,
            "zone": list(rain),
            "available_time": ("time", np.full(days, np.datetime64(available, "ns"))),
        },
    )

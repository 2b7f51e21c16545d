"""The soils of the virtual Mekong: buckets that turn rain into runoff."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from pipeline.virtual.weather import MONTH

PET_MM = (105, 115, 150, 155, 145, 125, 120, 115, 110, 112, 105, 100)
"""Potential evapotranspiration by month, mm."""


class Soil(NamedTuple):
    """Parameters of a bucket: capacity mm, runoff exponent, share of PET, residence times of
    quick and slow flow in days, percolation of a full bucket in mm per day."""  # noqa: D205, D209

    capacity_mm: float
    exponent: float
    evaporation: float
    quick_d: float
    slow_d: float
    percolation_mm: float


SOILS = {
    "chiang_saen": Soil(561, 1.3, 0.553, 7.7, 50, 3.07),
    "luang_prabang": Soil(645, 2.47, 1.239, 4.5, 48, 4.12),
    "vientiane": Soil(1079, 3.59, 0.731, 8, 82, 0.26),
    "nakhon_phanom": Soil(697, 2.51, 1.085, 5, 114, 1.83),
    "mukdahan": Soil(585, 2.62, 1.101, 7.7, 95, 0.39),
    "pakse": Soil(580, 1.91, 1.039, 7.2, 34, 1.5),
    "kratie": Soil(509, 1.96, 0.838, 6.9, 59, 2.05),
    "lower": Soil(422, 4.29, 0.95, 6.9, 77, 1.5),
}
"""Calibrated buckets by reach of the main stem."""
LOWER = ("kampong_cham", "phnom_penh", "tonle_sap", "delta")
"""Sub-basins below Kratie: their reach is ``lower`` whatever the table says."""
QUICK_SIGMA, QUICK_SIGMA_LANCANG, QUICK_PERSISTENCE = 0.5, 0.45, 0.95
"""Log standard deviation of quick flow of a sub-basin (lower, upper Mekong), and persistence."""
INFLOW_SIGMA, INFLOW_SIGMA_LANCANG, INFLOW_PERSISTENCE = 0.4, 0.12, 0.4
"""The same of all inflow of a sub-basin, which no gauge or rain product observes."""


@dataclass(frozen=True)
class Runoff:
    """Fluxes and states of the buckets, each of shape (day, column).

    Parameters
    ----------
    outflow_mm
        Quick and slow flow into the river.
    evaporation_mm
        Evapotranspiration.
    wetness
        Water in the bucket at the end of the day as a share of its capacity.
    stored_mm
        Water in bucket, quick and slow store at the end of the day.
    """

    outflow_mm: NDArray[np.float64]
    evaporation_mm: NDArray[np.float64]
    wetness: NDArray[np.float64]
    stored_mm: NDArray[np.float64]


def simulate_runoff(
    rain_mm: NDArray[np.floating],
    soils: list[Soil],
    *,
    quick_factor: NDArray[np.floating] | float = 1.0,
) -> Runoff:
    """Run a bucket per column through the whole record.

    Parameters
    ----------
    rain_mm
        Daily rain, shape (day, column).
    soils
        Parameters of each column.
    quick_factor
        Factor on the residence time of quick flow, shape (day, column); it shifts water in time
        and conserves it.

    Returns
    -------
    Runoff
        Fluxes and states; rain = outflow + evaporation + change of store, exactly.
    """
    days, columns = rain_mm.shape
    capacity, exponent, share, quick_d, slow_d, leak = np.array(soils, float).T
    pet = (
        np.array(PET_MM, float)[MONTH[:days]]
        / np.array([31, 28.25, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31])[MONTH[:days]]
    )
    drain = -np.expm1(-1.0 / (quick_d * np.broadcast_to(quick_factor, rain_mm.shape)))
    seep = -np.expm1(-1.0 / slow_d)
    soil, quick, slow = 0.5 * capacity, np.zeros(columns), 30.0 + np.zeros(columns)
    out, evaporated, wetness, stored = (np.empty((days, columns)) for _ in range(4))
    for day in range(days):
        rain = rain_mm[day]
        full = soil / capacity
        direct = rain * full**exponent
        soil = soil + rain - direct
        evaporation = np.minimum(share * pet[day] * np.minimum(1.0, full / 0.6), soil)
        soil = soil - evaporation
        percolation = np.minimum(leak * full**2, soil)
        soil = soil - percolation
        spill = np.maximum(soil - capacity, 0.0)
        soil = soil - spill
        quick = quick + direct + spill
        slow = slow + percolation
        fast, base = quick * drain[day], slow * seep
        quick, slow = quick - fast, slow - base
        out[day] = fast + base
        evaporated[day] = evaporation
        wetness[day] = soil / capacity
        stored[day] = soil + quick + slow
    return Runoff(out, evaporated, wetness, stored)

"""The rivers of the virtual Mekong: from runoff of sub-basins to stages at every gauge.

Muskingum reaches route the runoff, flood plains store part of it, the lake of Tonle Sap exchanges
water with the river, and the tide backs it up in the delta.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import ceil, copysign, sqrt
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy import signal

from pipeline.virtual.weather import DAYS

if TYPE_CHECKING:
    from pipeline.geography.places import Basin

STEPS = 4
"""Routing steps in a day."""
OVERBANK = {
    "jinghong_chiang_saen": (9.5e3, 5.0),
    "nam_ou": (14.5e3, 8.0),
    "loei": (15.5e3, 8.0),
    "songkhram": (26.5e3, 5.0),
    "mukdahan": (28e3, 5.0),
    "se_done": (33e3, 8.0),
    "kratie": (38e3, 16.0),
    "kampong_cham": (37e3, 14.0),
    "delta": (23e3, 15.0),
}
"""Bank-full flow, m3/s, and residence time of the flood plain beyond it, days, by sub-basin."""


class Gauge(NamedTuple):
    """Sub-basin of a gauge's flow, and rating H = level + (Q/scale)^(1/exponent), m and m3/s."""

    basin: str
    scale: float
    level_m: float
    exponent: float


def _fit_rating(
    basin: str, low: tuple[float, float], high: tuple[float, float], exponent: float
) -> Gauge:
    """Fit a rating through two points (flow m3/s, stage m)."""
    root_low, root_high = low[0] ** (1 / exponent), high[0] ** (1 / exponent)
    slope = (high[1] - low[1]) / (root_high - root_low)
    return Gauge(basin, slope**-exponent, low[1] - slope * root_low, exponent)


GAUGES = {
    "092600": _fit_rating("lancang_yunnan", (600, 535.94), (5500, 537.36), 1.6),
    "010501": Gauge("jinghong_chiang_saen", 246.7, -0.77, 1.7),
    "011201": _fit_rating("nam_ou", (1060, 3.2), (13800, 14.8), 1.6),
    "011903": _fit_rating("nam_khan", (1150, 2.6), (14900, 13.2), 1.6),
    "011901": Gauge("loei", 290.0, -1.77, 1.6),
    "012001": _fit_rating("nong_khai", (1180, 0.9), (15500, 10.4), 1.6),
    "012002": _fit_rating("nong_khai", (1180, 0.9), (15500, 10.4), 1.6),
    "012702": _fit_rating("nam_ngum", (1300, 0.6), (20500, 9.3), 1.65),
    "012703": _fit_rating("nam_ngum", (1300, 2.3), (20500, 12.6), 1.65),
    "013101": _fit_rating("songkhram", (1550, 1.0), (26500, 11.4), 1.7),
    "013102": _fit_rating("songkhram", (1550, 2.2), (26500, 12.5), 1.7),
    "013402": _fit_rating("mukdahan", (1580, 1.3), (28500, 11.2), 1.7),
    "013401": _fit_rating("mukdahan", (1580, 0.7), (28500, 11.2), 1.7),
    "013801": _fit_rating("se_bang_hieng", (1650, 1.8), (31000, 12.7), 1.75),
    "013901": _fit_rating("se_done", (1800, 0.9), (37000, 12.0), 1.8),
    "014501": _fit_rating("stung_treng", (2150, 2.0), (42000, 9.6), 1.8),
    "014901": Gauge("kratie", 177.0, 2.11, 1.9),
    "019802": _fit_rating("kampong_cham", (2250, 1.9), (42500, 13.6), 1.7),
    "019806": _fit_rating("phnom_penh", (2300, 1.0), (36500, 6.8), 1.5),
    "033402": _fit_rating("phnom_penh", (2300, 1.4), (36500, 7.2), 1.5),
    "019803": _fit_rating("delta", (2300, 0.50), (35000, 3.60), 1.35),
    "039801": _fit_rating("delta", (2300, 0.40), (35000, 3.10), 1.35),
    "019804": _fit_rating("delta", (2300, 0.15), (35000, 0.65), 1.0),
    "039803": _fit_rating("delta", (2300, 0.10), (35000, 0.65), 1.0),
}
"""Ratings; those of Phnom Penh and Tonle Sap follow from the levels of river and lake."""

TIDES = {
    "019806": (0.10, 0.12), "033402": (0.12, 0.13), "033401": (0.12, 0.10), "020101": (0.12, 0.10),
    "019803": (0.45, 0.20), "039801": (0.45, 0.22), "019804": (0.95, 0.05), "039803": (1.00, 0.04),
}  # fmt: skip
"""Tidal amplitude at no flow, m, and the hours/10 by which it lags the coast, by gauge."""

SHELTERED = frozenset((*TIDES, "010501", "092600", "020102", "020106"))
"""Gauges with little local backwater: the delta, the lake, and the narrow section of Jinghong."""

DISCHARGE_GAUGES = ("010501", "011201", "011901", "013101", "013402", "013901", "014901")
"""Gauges whose discharge is rated."""

_RIVER = _fit_rating("phnom_penh", (2200, 0.6), (36500, 8.6), 1.5)
_ZEROS_M = {"033401": -1.02, "020101": 0.07, "020102": 0.08, "020106": 0.64}
_LAKE_BOTTOM_M, _LAKE_AREA_M2, _LAKE_SPREAD_M = 0.5, 2.0e9, 1.35e9
_STRAIT = 800.0

GATHER_D, GATHER_STORES = 1.0, 2
"""Mean residence time of runoff in a sub-basin's streams, days, and number of equal stores."""
KEEPERS_D, KEEPERS_SIGMA = 1.2, 0.14
"""Residence time of the reservoirs above Jinghong, days, and its day-to-day variation."""
BACKWATER_M, BED_M, SURGE_M = 0.04, 0.05, 0.2
"""Standard deviations: local backwater, slow shifts of the bed, surge at unit tide."""


def route_muskingum(
    inflow: NDArray[np.float64], travel_d: float, *, weight: float = 0.2
) -> NDArray[np.float64]:
    """Route a flow down a reach by Muskingum's method, split into stable parts.

    Parameters
    ----------
    inflow
        Flow at each routing step, shape (step,).
    travel_d
        Travel time K of the whole reach, days.
    weight
        Muskingum's X.

    Examples
    --------
    >>> bool(np.allclose(route_muskingum(np.full(99, 7.0), 1.6), 7.0))
    True
    """
    parts = max(1, ceil(travel_d / 0.6))
    k, step = travel_d / parts, 1.0 / STEPS
    scale = 2 * k * (1 - weight) + step
    b = [(step - 2 * k * weight) / scale, (step + 2 * k * weight) / scale]
    a = [1.0, -(2 * k * (1 - weight) - step) / scale]
    flow = inflow
    for _ in range(parts):
        flow, _ = signal.lfilter(b, a, flow, zi=[flow[0] * (1 - b[0])])
    return flow


def gather_runoff(runoff: NDArray[np.float64]) -> NDArray[np.float64]:
    """Route a sub-basin's runoff, at each routing step, through the stores of its streams.

    Examples
    --------
    >>> bool(np.allclose(gather_runoff(np.full(99, 7.0)), 7.0))
    True
    """
    keep = float(np.exp(-GATHER_STORES / (STEPS * GATHER_D)))
    flow = runoff
    for _ in range(GATHER_STORES):
        flow, _ = signal.lfilter([1 - keep], [1.0, -keep], flow, zi=[flow[0] * keep])
    return flow


def route_flood_plain(
    flow: NDArray[np.float64], bank_m3s: float, residence_d: float
) -> NDArray[np.float64]:
    """Route the flow above bank-full through a linear store of the flood plain."""
    excess = np.maximum(flow - bank_m3s, 0.0)
    keep = float(np.exp(-1.0 / (STEPS * residence_d)))
    back = signal.lfilter([1 - keep], [1.0, -keep], excess)
    outflow: NDArray[np.float64] = flow - excess + back
    return outflow


def _exchange_with_lake(
    river_m3s: NDArray[np.float64], lake_m3s: NDArray[np.float64]
) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]:
    """Exchange water between the Mekong at Phnom Penh and the lake.

    The flow through the Tonle Sap River is C·depth·sign(Δh)·√|Δh|; bisection finds it at every
    step together with the river's level, which depends on it.

    Parameters
    ----------
    river_m3s
        Flow that arrives from Kampong Cham and around, at each step.
    lake_m3s
        Flow into the lake from its own catchment.

    Returns
    -------
    tuple
        Flow below Phnom Penh m3/s, level of the river and level of the lake in m amsl.
    """
    seconds = 86400.0 / STEPS
    level0, inverse_scale, power = _RIVER.level_m, 1 / _RIVER.scale, 1 / _RIVER.exponent
    volume = _LAKE_AREA_M2 + _LAKE_SPREAD_M / 2
    below, river, lake = (np.empty(len(river_m3s)) for _ in range(3))
    last = 0.0
    for step, (arriving, lake_inflow) in enumerate(
        zip(river_m3s.tolist(), lake_m3s.tolist(), strict=True)
    ):
        depth = (
            sqrt(_LAKE_AREA_M2**2 + 2 * _LAKE_SPREAD_M * volume) - _LAKE_AREA_M2
        ) / _LAKE_SPREAD_M
        height = _LAKE_BOTTOM_M + depth
        low, high = max(-0.6 * arriving, last - 1500.0), last + 1500.0
        low = min(low, high - 100.0)
        for _ in range(11):
            middle = (low + high) / 2
            fall = height - level0 - (max(arriving + middle, 100.0) * inverse_scale) ** power
            if middle < copysign(_STRAIT * (height + 1.5) * sqrt(abs(fall)), fall):
                low = middle
            else:
                high = middle
        last = min((low + high) / 2, 0.5 * volume / seconds)
        volume = volume + (lake_inflow - last) * seconds
        below[step] = arriving + last
        river[step] = level0 + (max(arriving + last, 100.0) * inverse_scale) ** power
        lake[step] = height
    return below, river, lake


def _route_dam(flow: NDArray[np.float64], residence_d: NDArray[np.float64]) -> NDArray[np.float64]:
    """Route a flow through a reservoir whose residence time changes from day to day."""
    release = (-np.expm1(-1.0 / (STEPS * residence_d))).tolist()
    outflow = np.empty(len(flow))
    pond = float(flow[0]) / release[0]
    for step, arriving in enumerate(flow.tolist()):
        pond += arriving
        out = pond * release[step]
        pond -= out
        outflow[step] = out
    return outflow


def tide(hours: NDArray[np.floating], *, lag_h: float) -> NDArray[np.float64]:
    """Compute a mixed tide of unit amplitude (M2, S2, K1, O1) at hours since 1999-01-01."""
    periods = np.array([12.4206012, 12.0, 23.93447213, 25.81933871])
    shares = np.array([0.45, 0.17, 0.22, 0.16])
    phases = np.array([0.7, 2.1, 4.0, 5.2])
    angle = 2 * np.pi * (hours[:, None] - lag_h) / periods - phases
    height: NDArray[np.float64] = np.cos(angle) @ shares
    return height


def draw_ar1_noise(
    rng: np.random.Generator, shape: tuple[int, ...], persistence: float
) -> NDArray[np.float64]:
    """Draw first-order autoregressive noise of unit variance along the first axis."""
    noise = rng.standard_normal(shape)
    noise[0] /= np.sqrt(1 - persistence**2)
    series: NDArray[np.float64] = signal.lfilter(
        [np.sqrt(1 - persistence**2)], [1.0, -persistence], noise, axis=0
    )
    return series


@dataclass(frozen=True)
class Rivers:
    """Flow m3/s and stage m at the end of every routing step, by station code."""

    flow_m3s: dict[str, NDArray[np.float64]]
    stage_m: dict[str, NDArray[np.float64]]


def route_rivers(seed: int, lateral_m3s: NDArray[np.float64], basins: dict[str, Basin]) -> Rivers:
    """Route the sub-basins' runoff through the network.

    Parameters
    ----------
    seed
        Seed of the virtual basin.
    lateral_m3s
        Runoff of each sub-basin, shape (day, sub-basin), in the order of ``basins``.
    basins
        Sub-basins with their links downstream.

    Returns
    -------
    Rivers
        Flow and stage at every gauge.
    """
    keepers, banks, surge = (
        np.random.default_rng(s) for s in np.random.SeedSequence(seed, spawn_key=(3,)).spawn(3)
    )
    lateral = {
        name: gather_runoff(np.repeat(lateral_m3s[:, i], STEPS)) for i, name in enumerate(basins)
    }
    arriving = {name: flow * 0.0 for name, flow in lateral.items()}
    flow: dict[str, NDArray[np.float64]] = {}
    levels: dict[str, NDArray[np.float64]] = {}
    for name in _downstream_order(basins):
        basin = basins[name]
        if name == "tonle_sap":
            continue
        total = arriving[name] + lateral[name]
        if name == "lancang_yunnan":
            hold = KEEPERS_D * np.exp(KEEPERS_SIGMA * draw_ar1_noise(keepers, (len(DAYS),), 0.6))
            total = _route_dam(total, np.repeat(hold, STEPS))
        if name == "phnom_penh":
            total, river, lake = _exchange_with_lake(total, lateral["tonle_sap"])
            between = river + 0.35 * (lake - river)
            amsl = {"033401": river, "020101": river + 0.02, "020102": between, "020106": lake}
            levels = {code: level - _ZEROS_M[code] for code, level in amsl.items()}
        if name == "delta":
            total = arriving[name]
        if name in OVERBANK:
            total = route_flood_plain(total, *OVERBANK[name])
        flow[name] = total
        if basin.downstream:
            arriving[basin.downstream] = arriving[basin.downstream] + route_muskingum(
                total, basin.travel_time_d
            )
    for code, gauge in GAUGES.items():
        levels[code] = gauge.level_m + (np.maximum(flow[gauge.basin], 0.0) / gauge.scale) ** (
            1 / gauge.exponent
        )
    return Rivers(
        {code: flow[gauge.basin] for code, gauge in GAUGES.items()},
        _add_noise(levels, flow["delta"], banks, surge),
    )


def _downstream_order(basins: dict[str, Basin]) -> list[str]:
    """Order the ids of the sub-basins, each after all that drain into it."""
    depth = dict.fromkeys(basins, 0)
    for _ in basins:
        for name, basin in basins.items():
            if basin.downstream:
                depth[basin.downstream] = max(depth[basin.downstream], depth[name] + 1)
    return sorted(basins, key=lambda name: depth[name])


def _add_noise(
    levels: dict[str, NDArray[np.float64]],
    sea_flow: NDArray[np.float64],
    banks: np.random.Generator,
    surge: np.random.Generator,
) -> dict[str, NDArray[np.float64]]:
    """Add local backwater, shifting beds, tide and surge, which no model of the river has."""
    steps = len(sea_flow)
    hours = (np.arange(steps) + 1.0) * 24 / STEPS
    sea = SURGE_M * draw_ar1_noise(surge, (steps,), 0.97)
    stages = {}
    for code in sorted(levels):
        local = BACKWATER_M * draw_ar1_noise(banks, (steps,), 0.92) + BED_M * draw_ar1_noise(
            banks, (steps,), 0.9995
        )
        amplitude, lag = TIDES.get(code, (0.0, 0.0))
        damped = amplitude if code in {"019804", "039803"} else amplitude * np.exp(-sea_flow / 9e3)
        share = 0.35 if code in SHELTERED else 1.0
        stages[code] = levels[code] + share * local
        if code in TIDES:
            stages[code] += damped * (tide(hours, lag_h=10 * lag) + sea)
    return stages

"""From the library of features to one gauge's design matrix, and the tier that a day allows."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from pipeline.features import LAGS, MEAN_RAIN_WINDOWS, RAIN_WINDOWS, window_mean
from pipeline.places import stations as all_stations

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from pipeline.features import Library

GROUPS = ("own_trend", "upstream", "rain", "wetness", "season", "tide")
"""Kinds of evidence that a forecast's change is split into."""
TIER_GROUPS: dict[str, tuple[str, ...]] = {
    "full": GROUPS,
    "no_rain": ("own_trend", "upstream", "season", "tide"),
    "no_upstream": ("own_trend", "rain", "wetness", "season", "tide"),
    "own_stage": ("own_trend", "season", "tide"),
}
"""Ladder of tiers, best first, and the evidence each uses; below the last is climatology."""
UPSTREAM_GAUGES = 8
TRIBUTARY_GAUGES = 6
ALIVE_D = 180
"""Days before the end of training in which a series must have half its values to be used."""
LEAST_DAYS = 3 * 365
LEAST_SHARE = 0.5
"""Share of the upstream gauges, and of the rain units, that a tier needs on the day."""
SEASON_WAVES = 6
"""Sines and cosines of the year, its half and its third."""
WET_ROOT_MM = 2.0
"""Root of the daily rain of a wet month, from which wetness is counted."""
WORST = 8.0
"""Standard deviations beyond which a column says no more."""


@dataclass(frozen=True)
class Design:
    """How one gauge's design matrix is made.

    Parameters
    ----------
    station
        MRC code.
    upstream, tributaries, downstream
        Gauges whose changes go in, nearest first; tributary gauges are those of unknown place.
    units
        Rain units.
    names, groups
        Name and group of each column, the constant not counted.
    stage_mean_m, stage_sd_m
        Of the gauge's own stage in training.
    low, high, mean, sd
        Limits, mean and standard deviation of each column, in its own unit.
    level, unrest
        Column of the own stage, and those of its last three daily changes.
    """

    station: str
    upstream: tuple[str, ...]
    tributaries: tuple[str, ...]
    downstream: tuple[str, ...]
    units: tuple[str, ...]
    names: tuple[str, ...]
    groups: tuple[str, ...]
    stage_mean_m: float
    stage_sd_m: float
    low: NDArray[np.float64]
    high: NDArray[np.float64]
    mean: NDArray[np.float64]
    sd: NDArray[np.float64]

    @property
    def level(self) -> int:
        """Index of the column of the own stage."""
        return self.names.index(f"level:{self.station}")

    @property
    def unrest(self) -> list[int]:
        """Indices of the columns of the own last three daily changes."""
        return [self.names.index(f"change:{self.station}:{lag}") for lag in range(3)]

    def matrix(self, lib: Library, rows: NDArray[np.int64]) -> NDArray[np.float64]:
        """Standardised columns with the constant last, shape (n_rows, n_columns + 1).

        What is missing becomes the column's mean.
        """
        raw = _raw(self, lib, rows)
        return self.standardise(raw)

    def standardise(self, raw: NDArray[np.float64]) -> NDArray[np.float64]:
        """Columns in standard deviations, bounded, NaN as 0, with the constant last."""
        z = (np.clip(raw, self.low, self.high) - self.mean) / self.sd
        z = np.clip(np.nan_to_num(z, nan=0.0), -WORST, WORST)
        return np.column_stack([z, np.ones(len(z))])

    def tiers(self, lib: Library, rows: NDArray[np.int64]) -> list[str]:
        """Best tier that the day's evidence allows, one per row."""
        own = np.isfinite(lib.level[self.station].to_numpy()[rows])
        near = list(self.upstream[:4])
        if near:
            flows = np.isfinite(_or_nan(lib, near, rows)).mean(axis=1) >= LEAST_SHARE
        else:
            flows = np.ones(len(rows), dtype=bool)
        rains = np.zeros(len(rows), dtype=bool)
        if self.units:
            seen = np.stack([_rain3(lib, unit, rows) for unit in self.units])
            rains = np.isfinite(seen).mean(axis=0) >= LEAST_SHARE
        best = np.where(
            rains, np.where(flows, "full", "no_upstream"), np.where(flows, "no_rain", "own_stage")
        )
        return [str(one) for one in np.where(own, best, "climatology")]


def gauges_for(lib: Library, code: str) -> tuple[tuple[str, ...], tuple[str, ...], tuple[str, ...]]:
    """Gauges to look at for one: upstream nearest first, of unknown place, next downstream."""
    places = all_stations()
    alive = [str(gauge) for gauge in lib.level if _alive(lib.level[gauge].to_numpy())]
    upstream: list[str] = []
    queue = list(places[code].upstream) if code in places else []
    while queue:
        gauge = queue.pop(0)
        if gauge not in upstream and gauge != code:
            upstream.append(gauge)
            queue.extend(places[gauge].upstream if gauge in places else ())
    known = [gauge for gauge in upstream if gauge in alive][:UPSTREAM_GAUGES]
    unknown = [gauge for gauge in alive if gauge not in places]
    downstream = [
        gauge for gauge in alive if gauge in places and code in places[gauge].upstream[:1]
    ]
    return tuple(known), tuple(_nearest(lib, code, unknown)), tuple(downstream[:1])


def _nearest(lib: Library, code: str, gauges: list[str]) -> list[str]:
    """Gauges whose change of the day goes most with this one's of the day after."""
    own = lib.columns[f"change:{code}:0"]
    scores = {}
    for gauge in gauges:
        other = np.clip(lib.columns[f"change:{gauge}:0"], -3.0, 3.0)[:-1]
        both = np.isfinite(other) & np.isfinite(own[1:])
        if both.sum() >= LEAST_DAYS:
            pair = np.corrcoef(other[both], own[1:][both])
            scores[gauge] = float(np.nan_to_num(pair[0, 1]))
    return sorted(scores, key=lambda gauge: -scores[gauge])[:TRIBUTARY_GAUGES]


def units_for(lib: Library) -> tuple[str, ...]:
    """Rain units that were alive at the end of training and long enough before."""
    return tuple(str(unit) for unit in lib.rain if _alive(lib.rain[unit].to_numpy()))


def _alive(values: NDArray[np.float64]) -> bool:
    seen = np.isfinite(values)
    return bool(seen[-ALIVE_D:].mean() >= 0.5 and seen.sum() >= LEAST_DAYS)


def station_design(
    lib: Library,
    code: str,
    *,
    gauges: tuple[tuple[str, ...], tuple[str, ...], tuple[str, ...]],
    units: tuple[str, ...],
    rows: NDArray[np.bool_],
) -> tuple[Design, NDArray[np.float64]]:
    """Fit the standardisation of one gauge's design on some rows.

    Parameters
    ----------
    lib
        Features.
    code
        Gauge.
    gauges, units
        As :func:`gauges_for` and :func:`units_for` give them.
    rows
        Rows of the library that belong to the training.

    Returns
    -------
    tuple
        The design, and its matrix of those rows, shape (n_rows, n_columns + 1).
    """
    upstream, tributaries, downstream = gauges
    level = lib.level[code].to_numpy()[rows]
    names = [f"change:{code}:{lag}" for lag in range(LAGS)]
    names += [f"rise:{code}", f"level:{code}", f"square:{code}", f"x:change:{code}:0"]
    groups = ["own_trend"] * len(names)
    for gauge in downstream:
        part = [f"change:{gauge}:0", f"change:{gauge}:1", f"rise:{gauge}", f"level:{gauge}"]
        names += part
        groups += ["own_trend"] * len(part)
    for place, gauge in enumerate((*upstream, *tributaries)):
        part = [f"change:{gauge}:{lag}" for lag in range(4)]
        part += [f"rise:{gauge}", f"x:change:{gauge}:0"]
        part += [f"level:{gauge}"] if place < min(2, len(upstream)) else []
        names += part
        groups += ["upstream"] * len(part)
    names += [f"x:season:{k}" for k in range(SEASON_WAVES)]
    groups += ["own_trend"] * SEASON_WAVES
    for first, after in MEAN_RAIN_WINDOWS if units else ():
        part = [f"mean:{first}:{after}"]
        if after <= 7:
            part += [f"{part[0]}:{by}" for by in ("level", "wet", *range(4))]
        names += part
        groups += ["rain"] * len(part)
    for unit in units:
        part = [f"rain:{unit}:{first}" for first, _ in RAIN_WINDOWS] + [f"x:rain:{unit}"]
        names += [*part, f"wet:{unit}"]
        groups += ["rain"] * len(part) + ["wetness"]
        if f"soil:{unit}" in lib.columns:
            names.append(f"soil:{unit}")
            groups.append("wetness")
    for kind in ("season", "tide"):
        if kind == "tide" and not _feels_tide(code):
            continue
        part = [name for name in lib.columns if name.startswith(f"{kind}:")]
        names += part
        groups += [kind] * len(part)
    width = len(names)
    draft = Design(
        code, upstream, tributaries, downstream, units, tuple(names), tuple(groups),
        float(np.nanmean(level)), max(float(np.nanstd(level)), 1e-6),
        np.full(width, -np.inf), np.full(width, np.inf), np.zeros(width), np.ones(width),
    )  # fmt: skip
    raw = _raw(draft, lib, np.flatnonzero(rows))
    empty = ~np.isfinite(raw).any(axis=0)
    raw[:, empty] = 0.0
    middle, bottom, top = np.nanquantile(raw, [0.5, 0.001, 0.999], axis=0)
    low, high = middle - 2.0 * (middle - bottom), middle + 2.0 * (top - middle)
    bounded = np.clip(raw, low, high)
    sd = np.nanstd(bounded, axis=0)
    design = Design(
        code, upstream, tributaries, downstream, units, tuple(names), tuple(groups),
        draft.stage_mean_m, draft.stage_sd_m,
        low, high, np.nanmean(bounded, axis=0), np.where(sd > 1e-9, sd, 1.0),
    )  # fmt: skip
    return design, design.standardise(raw)


def _feels_tide(code: str) -> bool:
    places = all_stations()
    return code in places and places[code].basin == "delta"


def _or_nan(lib: Library, gauges: list[str], rows: NDArray[np.int64]) -> NDArray[np.float64]:
    return np.column_stack(
        [
            lib.level[gauge].to_numpy()[rows] if gauge in lib.level else np.full(len(rows), np.nan)
            for gauge in gauges
        ]
    )


def _rain3(lib: Library, unit: str, rows: NDArray[np.int64]) -> NDArray[np.float64]:
    """Mean root rain of the last three days, with at least one of them, NaN with none."""
    total, count = np.zeros(len(rows)), np.zeros(len(rows))
    for first, _ in RAIN_WINDOWS[:3]:
        column = lib.columns.get(f"rain:{unit}:{first}")
        values = np.full(len(rows), np.nan) if column is None else column[rows]
        seen = np.isfinite(values)
        total += np.where(seen, values, 0.0)
        count += seen
    return np.where(count > 0, total / np.maximum(count, 1.0), np.nan)


def _raw(design: Design, lib: Library, rows: NDArray[np.int64]) -> NDArray[np.float64]:
    """Columns in their own units, NaN where missing, shape (n_rows, n_columns)."""
    own = lib.level[design.station].to_numpy()[rows]
    mean_rain = _MeanRain(lib, design.units, rows)
    anomaly = (own - design.stage_mean_m) / design.stage_sd_m
    raw = np.full((len(rows), len(design.names)), np.nan)
    for k, name in enumerate(design.names):
        if name.startswith("mean:"):
            raw[:, k] = mean_rain.column(name, anomaly)
        elif name.startswith("x:rain:"):
            raw[:, k] = _rain3(lib, name.removeprefix("x:rain:"), rows) * anomaly
        elif name.startswith("x:"):
            column = lib.columns.get(name.removeprefix("x:"))
            raw[:, k] = np.nan if column is None else column[rows] * anomaly
        elif name.startswith("square:"):
            raw[:, k] = anomaly**2
        elif name in lib.columns:
            raw[:, k] = lib.columns[name][rows]
    return raw


class _MeanRain:
    """Root of the rain averaged over a design's units, by window, made once per window.

    Parameters
    ----------
    lib, units, rows
        Features, rain units to average, and the rows wanted.
    """

    def __init__(self, lib: Library, units: tuple[str, ...], rows: NDArray[np.int64]) -> None:
        self._lib, self._rows = lib, rows
        self._units = [unit for unit in units if unit in lib.rain]
        self._made: dict[tuple[int, int], NDArray[np.float64]] = {}

    def column(self, name: str, anomaly: NDArray[np.float64]) -> NDArray[np.float64]:
        """Values of ``mean:<first>:<after>``, or of its product with another."""
        _, first, after, *by = name.split(":")
        mean = self._window(int(first), int(after))
        if not by:
            return mean
        if by[0] == "level":
            return mean * anomaly
        if by[0] == "wet":
            return mean * (self._window(7, 37) - WET_ROOT_MM)
        return np.asarray(mean * self._lib.columns[f"season:{by[0]}"][self._rows])

    def _window(self, first: int, after: int) -> NDArray[np.float64]:
        if (first, after) not in self._made:
            total, count = np.zeros(len(self._rows)), np.zeros(len(self._rows))
            for unit in self._units:
                rain_mm = np.clip(self._lib.rain[unit].to_numpy(), 0.0, 300.0)
                root = np.sqrt(window_mean(rain_mm, first, after)[self._rows])
                seen = np.isfinite(root)
                total += np.where(seen, root, 0.0)
                count += seen
            mean = np.where(count > 0, total / np.maximum(count, 1.0), np.nan)
            self._made[first, after] = mean
        return self._made[first, after]

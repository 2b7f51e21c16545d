"""One gauge's design matrix: its columns, their prior sizes, and the tier that a day allows."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from models.stage.features import (
    ABOVE_D,
    LAGS,
    MEAN_RAIN_WINDOWS,
    RAIN_WINDOWS,
    RISE_WINDOWS_D,
    SINCE_D,
    WET_MONTH_WINDOW,
    Library,
)
from models.stage.gaps import fill_gaps, fit_limits, fit_precision, standardise
from models.stage.neighbours import LEAST_DAYS
from pipeline.geography.places import stations as all_stations

GROUPS = ("own_trend", "upstream", "rain", "wetness", "season", "tide")
"""Kinds of evidence that a tier has or lacks; rain of more than a week ago is wetness."""
DRIVERS = ("height", *GROUPS)
"""Kinds of evidence that a forecast's change is split into; the height of the river, at the gauge
and at others, is separate from its changes."""
TIER_GROUPS: dict[str, tuple[str, ...]] = {
    "full": GROUPS,
    "no_rain": ("own_trend", "upstream", "season", "tide"),
    "no_upstream": ("own_trend", "rain", "wetness", "season", "tide"),
    "own_stage": ("own_trend", "season", "tide"),
}
"""Tiers, best first, and the evidence each uses; below the last is climatology."""
LEAST_SHARE = 0.5
"""Share of the upstream gauges, and of the rain units, that a tier needs on the day."""
TIER_GAUGES = 4
"""Nearest gauges upstream of which a tier needs that share."""
SEASON_WAVES = 6
"""Sines and cosines of the year, its half and its third."""
NEAR_GAUGES = 3
"""Gauges upstream whose stage, rises, and products with the own stage are columns."""
MEMORY_GAUGES = 2
"""Gauges upstream whose changes over weeks are columns."""
RAIN_D = 7
"""Days back from which rain is called wetness and no longer multiplied with the river's state."""
WET_MONTH = f"mean:{WET_MONTH_WINDOW[0]}:{WET_MONTH_WINDOW[1]}"
PRIOR = {
    "rise": 0.6, "rose": 0.3, "level": 4.0, "season": 4.0, "tide": 0.5,
    "mean": 1.5, "rain": 0.6, "wet": 0.09, "soil": 0.09,
    "own since": 2.5, "own above": 2.5, "near change": 2.0, "near rise": 1.2,
    "tributary change": 0.5, "tributary rise": 0.3, "downstream level": 1.6,
    "own level*level": 1.0, "own level*season": 1.0, "own since*season": 1.0,
    "rose*rose": 1.0, "mean*mean": 1.0, "mean*season": 4.0,
}  # fmt: skip
"""Expected size of a standardised column's coefficient relative to the others', by the start of its
name and the role of its gauge: the penalty is small for columns that are sure to matter and large
for the rain of single units. Other features count 1, other products ``PRODUCT_PRIOR``."""
PRODUCT_PRIOR = 0.5
PRIOR_GAUGES = 4
"""Gauges upstream that are ``near`` in ``PRIOR``."""
REGIME = (*(f"season:{k}" for k in range(4)), "mean:0:1", "mean:3:5", WET_MONTH)
"""Columns that the spread of the errors depends on, where a tier has them."""


@dataclass(frozen=True)
class Design:
    """How one gauge's design matrix is made.

    Parameters
    ----------
    station
        MRC code.
    upstream, tributaries, downstream
        Gauges whose changes are columns, nearest first; tributaries are gauges of unknown place.
    units
        Rain units.
    names, groups
        Name and group of each column, the constant not counted: first the features, then their
        products. ``a*b`` is the product of the standardised columns a and b.
    auxiliary
        Features of rain units that have ended: no columns of the regression, they only help to fill
        gaps in those that are.
    limits
        Lower and upper limit, mean and standard deviation of each feature, auxiliary feature and
        product, shape (4, n).
    precision
        Inverse covariance of features and auxiliary features, in standard deviations, shape (n, n).
    """

    station: str
    upstream: tuple[str, ...]
    tributaries: tuple[str, ...]
    downstream: tuple[str, ...]
    units: tuple[str, ...]
    names: tuple[str, ...]
    groups: tuple[str, ...]
    auxiliary: tuple[str, ...]
    limits: NDArray[np.float64]
    precision: NDArray[np.float64]

    def regime(self, columns: NDArray[np.int64]) -> tuple[int, list[int], list[int]]:
        """Columns of the own stage, of its last three changes, and of ``REGIME`` among some."""
        changes = [self.names.index(f"change:{self.station}:{lag}") for lag in range(3)]
        regime_columns = [int(k) for k in columns if self.names[k] in REGIME]
        return self.names.index(f"level:{self.station}"), changes, regime_columns

    def matrix(self, lib: Library, rows: NDArray[np.int64]) -> NDArray[np.float64]:
        """Standardised columns times their ``PRIOR``, constant last, (n_rows, n_columns + 1).

        Missing features become their expectation given the rest of the row.
        """
        features = _features(self, lib, rows)
        first = features.shape[1]
        z = fill_gaps(standardise(features, self.limits[:, :first]), self.precision)
        return self.assemble(z, _products(self.names, z), self.limits[:, first:])

    def assemble(
        self,
        z: NDArray[np.float64],
        products: NDArray[np.float64],
        limits: NDArray[np.float64],
    ) -> NDArray[np.float64]:
        """Features and standardised products times their ``PRIOR``, and the constant."""
        features = z[:, : z.shape[1] - len(self.auxiliary)]
        columns = np.column_stack([features, standardise(products, limits)])
        return np.column_stack([columns * self.priors(), np.ones(len(z))])

    def priors(self) -> list[float]:
        """Return the expected size of each column's coefficient relative to the others'."""
        return [self._prior(name) for name in self.names]

    def _prior(self, name: str) -> float:
        first, *factors = name.split("*")
        kind, gauge = first.split(":")[:2]
        kinds = "*".join([kind, *(factor.partition(":")[0] for factor in factors[:1])])
        default = PRODUCT_PRIOR if factors else 1.0
        return PRIOR.get(f"{self._role(gauge)} {kinds}", PRIOR.get(kinds, default))

    def shared_names(self) -> list[str]:
        """Names of the columns with gauges called by their place, to compare with other gauges'."""
        upstream = {gauge: f"up{k}" for k, gauge in enumerate(self.upstream)}
        by_place = {self.station: "own", **upstream, **dict.fromkeys(self.downstream, "down")}

        def rename(feature: str) -> str:
            return ":".join(by_place.get(part, part) for part in feature.split(":"))

        return ["*".join(rename(feature) for feature in name.split("*")) for name in self.names]

    def drivers(self) -> list[str]:
        """Name for each column the one of ``DRIVERS`` that it belongs to."""
        return [
            "height" if name.startswith(("level:", "above:")) else group
            for name, group in zip(self.names, self.groups, strict=True)
        ]

    def _role(self, gauge: str) -> str:
        """Return the role of a gauge; empty for one far upstream and for no gauge."""
        roles = {
            "own": (self.station,),
            "near": self.upstream[:PRIOR_GAUGES],
            "tributary": self.tributaries,
            "downstream": self.downstream,
        }
        return next((role for role, gauges in roles.items() if gauge in gauges), "")

    def tiers(self, lib: Library, rows: NDArray[np.int64]) -> list[str]:
        """Best tier that the day's evidence allows, one per row."""
        own_known = np.isfinite(lib.level[self.station].to_numpy()[rows])
        near_gauges = list(self.upstream[:TIER_GAUGES])
        if near_gauges:
            flows = np.isfinite(_levels(lib, near_gauges, rows)).mean(axis=1) >= LEAST_SHARE
        else:
            flows = np.ones(len(rows), dtype=bool)
        rains = np.zeros(len(rows), dtype=bool)
        if self.units:
            rain = np.stack([_recent_rain(lib, unit, rows) for unit in self.units])
            rains = np.isfinite(rain).mean(axis=0) >= LEAST_SHARE
        best = np.where(
            rains, np.where(flows, "full", "no_upstream"), np.where(flows, "no_rain", "own_stage")
        )
        return [str(tier) for tier in np.where(own_known, best, "climatology")]


def fit_design(
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
        As :func:`models.stage.neighbours.gauges_for` and ``units_for`` there give them.
    rows
        Rows of the library that belong to the training.

    Returns
    -------
    tuple
        The design, and its matrix of those rows, shape (n_rows, n_columns + 1).
    """
    upstream, tributaries, downstream = gauges
    columns = [
        *_own_columns(code, downstream),
        *(
            pair
            for place, gauge in enumerate((*upstream, *tributaries))
            for pair in _upstream_columns(code, gauge, place if place < len(upstream) else 99)
        ),
        *_rain_columns(lib, code, units),
        *((name, "season") for name in lib.columns if name.startswith("season:")),
        *((name, "tide") for name in lib.columns if name.startswith("tide:") and _feels_tide(code)),
    ]
    columns.sort(key=lambda pair: "*" in pair[0])
    names, groups = zip(*columns, strict=True)
    ended = (str(unit) for unit in lib.rain if unit not in units)
    auxiliary = tuple(
        name
        for unit in ended
        if np.isfinite(lib.rain[unit].to_numpy()).sum() >= LEAST_DAYS
        for name in _unit_names(lib, [unit])
    )
    blank = np.empty((4, 0)), np.empty((0, 0))
    design = Design(
        code, upstream, tributaries, downstream, units, names, groups, auxiliary, *blank
    )
    features = _features(design, lib, np.flatnonzero(rows))
    low = fit_limits(features)
    standard = standardise(features, low)
    precision = fit_precision(standard)
    z = fill_gaps(standard, precision)
    products = _products(names, z)
    high = fit_limits(products)
    design = replace(design, limits=np.hstack([low, high]), precision=precision)
    return design, design.assemble(z, products, high)


def _own_columns(code: str, downstream: tuple[str, ...]) -> list[tuple[str, str]]:
    """Name and group of the columns of the gauge itself and its neighbour downstream."""
    level = f"level:{code}"
    names = [f"change:{code}:{lag}" for lag in range(LAGS)]
    names += [f"rise:{code}", level, f"{level}*{level}", f"{level}*{level}*{level}"]
    names += [f"{level}*season:{k}" for k in range(SEASON_WAVES)]
    names += [*_list_state_products(code, level), *_list_recession_columns(code, level)]
    for gauge in downstream:
        names += [f"change:{gauge}:0", f"change:{gauge}:1", f"rise:{gauge}", f"level:{gauge}"]
    return [(name, "own_trend") for name in names]


def _upstream_columns(code: str, gauge: str, place: int) -> list[tuple[str, str]]:
    """Name and group of the columns of the gauge at a place upstream, 0 the nearest."""
    own_level, level = f"level:{code}", f"level:{gauge}"
    names = [f"change:{gauge}:{lag}" for lag in range(4)] + [f"rise:{gauge}"]
    if place < NEAR_GAUGES:
        names += [level, f"{level}*{level}", f"{level}*{level}*{level}"]
        names += [f"{level}*season:{k}" for k in range(4)]
        names += [f"change:{gauge}:{lag}*{level}" for lag in range(2)]
        names += _list_state_products(gauge, own_level)
    else:
        names.append(f"change:{gauge}:0*{own_level}")
    if place < MEMORY_GAUGES:
        names += _list_recession_columns(gauge, own_level)
    return [(name, "upstream") for name in names]


def _list_state_products(gauge: str, own_level: str) -> list[str]:
    """Name columns by which a change acts differently in a high river, and a rise than a fall."""
    names = [f"change:{gauge}:{lag}*{own_level}" for lag in range(3)]
    names += [f"change:{gauge}:{lag}*{own_level}*{own_level}" for lag in range(2)] + [
        f"rise:{gauge}*{own_level}"
    ]
    for days in RISE_WINDOWS_D:
        names += [f"rose:{gauge}:{days}", f"rose:{gauge}:{days}*rose:{gauge}:{days}"]
    return names


def _list_recession_columns(gauge: str, own_level: str) -> list[str]:
    """Name columns of the weeks before, by which a recession is recognised."""
    names = [f"since:{gauge}:{days}" for days in SINCE_D]
    names += [f"above:{gauge}:{days}" for days in ABOVE_D]
    for days in (4, 10, 30):
        names += [
            f"since:{gauge}:{days}*{factor}" for factor in (own_level, "season:0", "season:1")
        ]
    return names


def _rain_columns(lib: Library, code: str, units: tuple[str, ...]) -> list[tuple[str, str]]:
    if not units:
        return []
    names = [WET_MONTH]
    for first, after in MEAN_RAIN_WINDOWS:
        mean = f"mean:{first}:{after}"
        names.append(mean)
        if after <= RAIN_D:
            factors = (f"level:{code}", WET_MONTH, *(f"season:{k}" for k in range(4)))
            names += [f"{mean}*{factor}" for factor in factors]
    return [(name, _rain_group(name)) for name in (*names, *_unit_names(lib, units))]


def _rain_group(name: str) -> str:
    """Rain, by the first day of the column's window, or wetness."""
    kind, *parts = name.partition("*")[0].split(":")
    since_d = {"mean": parts[0], "rain": parts[-1]}.get(kind, RAIN_D)
    return "rain" if int(since_d) < RAIN_D else "wetness"


def _unit_names(lib: Library, units: Iterable[str]) -> list[str]:
    """Features of single rain units."""
    names = [f"rain:{unit}:{first}" for unit in units for first, _ in RAIN_WINDOWS]
    names += [f"{kind}:{unit}" for unit in units for kind in ("wet", "soil")]
    return [name for name in names if name in lib.columns]


def _feels_tide(code: str) -> bool:
    places = all_stations()
    return code in places and places[code].basin == "delta"


def _levels(lib: Library, gauges: list[str], rows: NDArray[np.int64]) -> NDArray[np.float64]:
    return np.column_stack(
        [
            lib.level[gauge].to_numpy()[rows] if gauge in lib.level else np.full(len(rows), np.nan)
            for gauge in gauges
        ]
    )


def _recent_rain(lib: Library, unit: str, rows: NDArray[np.int64]) -> NDArray[np.float64]:
    """Mean root rain of the last three days, with at least one of them, NaN with none."""
    total, count = np.zeros(len(rows)), np.zeros(len(rows))
    for first, _ in RAIN_WINDOWS[:3]:
        column = lib.columns.get(f"rain:{unit}:{first}")
        values = np.full(len(rows), np.nan) if column is None else column[rows]
        known = np.isfinite(values)
        total += np.where(known, values, 0.0)
        count += known
    return np.where(count > 0, total / np.maximum(count, 1.0), np.nan)


def _features(design: Design, lib: Library, rows: NDArray[np.int64]) -> NDArray[np.float64]:
    """Features and auxiliary features in their own units, NaN where missing."""
    names = [*(name for name in design.names if "*" not in name), *design.auxiliary]
    raw = np.full((len(rows), len(names)), np.nan)
    for k, name in enumerate(names):
        if name.startswith("mean:"):
            raw[:, k] = _mean_rain(lib, design.units, name, rows)
        elif name in lib.columns:
            raw[:, k] = lib.columns[name][rows]
    return raw


def _products(names: tuple[str, ...], z: NDArray[np.float64]) -> NDArray[np.float64]:
    """Products of the standardised features that the names ask for."""
    place = {name: k for k, name in enumerate(names)}
    wanted = [[place[part] for part in name.split("*")] for name in names if "*" in name]
    return np.column_stack([np.prod(z[:, parts], axis=1) for parts in wanted])


def _mean_rain(
    lib: Library, units: tuple[str, ...], name: str, rows: NDArray[np.int64]
) -> NDArray[np.float64]:
    """Root of a window's rain, averaged over the units that have it, NaN with none."""
    window = name.removeprefix("mean:")
    roots = [lib.columns.get(f"root:{unit}:{window}") for unit in units]
    values = np.stack(
        [np.full(len(rows), np.nan) if root is None else root[rows] for root in roots]
    )
    count = np.isfinite(values).sum(axis=0)
    return np.where(count > 0, np.nansum(values, axis=0) / np.maximum(count, 1), np.nan)

"""From the library of features to one gauge's design matrix, and the tier that a day allows."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray
from scipy import linalg

from models.stage.features import (
    ABOVE_D,
    LAGS,
    MEAN_RAIN_WINDOWS,
    RAIN_WINDOWS,
    ROSE_D,
    SINCE_D,
    WET_MONTH_WINDOW,
    Library,
)
from pipeline.geography.places import stations as all_stations

GROUPS = ("own_trend", "upstream", "rain", "wetness", "season", "tide")
"""Kinds of evidence that a tier has or lacks; rain of more than a week ago is wetness."""
DRIVERS = ("height", *GROUPS)
"""Kinds of evidence that a forecast's change is split into: how high the river stands, here and at
other gauges, apart from how it changes."""
TIER_GROUPS: dict[str, tuple[str, ...]] = {
    "full": GROUPS,
    "no_rain": ("own_trend", "upstream", "season", "tide"),
    "no_upstream": ("own_trend", "rain", "wetness", "season", "tide"),
    "own_stage": ("own_trend", "season", "tide"),
}
"""Ladder of tiers, best first, and the evidence each uses; below the last is climatology."""
UPSTREAM_GAUGES = 8
TRIBUTARY_GAUGES = 6
SILENT_D = 120
"""Days without a value after which a series has ended."""
LEAST_OF_YEAR = 0.25
"""Share of the last year's days that a series must have: some gauges write in the wet season alone,
and are known for it by the end of the dry one."""
LEAST_DAYS = 3 * 365
LEAST_SHARE = 0.5
"""Share of the upstream gauges, and of the rain units, that a tier needs on the day."""
SEASON_WAVES = 6
"""Sines and cosines of the year, its half and its third."""
NEAR_GAUGES = 3
"""Gauges upstream whose stage, rises, and products with the own stage go in."""
MEMORY_GAUGES = 2
"""Gauges upstream whose changes over weeks go in."""
RAIN_D = 7
"""Days back from which rain is called wetness and no longer multiplied with the river's state."""
WET_MONTH = f"mean:{WET_MONTH_WINDOW[0]}:{WET_MONTH_WINDOW[1]}"
UNSURE = 0.05
"""Weight of the identity in the covariance of features."""
FEW_ROWS = 200.0
"""Shared rows at which the covariance of two features is believed by half."""
LEAST_VARIANCE = 0.02
"""Least eigenvalue of that covariance."""
WORST = 8.0
"""Standard deviations beyond which a column says no more."""
PRIOR = {
    "rise": 0.6, "rose": 0.3, "level": 4.0, "season": 4.0, "tide": 0.5,
    "mean": 1.5, "rain": 0.6, "wet": 0.09, "soil": 0.09,
    "own since": 2.5, "own above": 2.5, "near change": 2.0, "near rise": 1.2,
    "tributary change": 0.5, "tributary rise": 0.3, "downstream level": 1.6,
    "own level*level": 1.0, "own level*season": 1.0, "own since*season": 1.0,
    "rose*rose": 1.0, "mean*mean": 1.0, "mean*season": 4.0,
}  # fmt: skip
"""Size expected of a standardised column's coefficient beside the others', by what its name begins
with, and before that by whose gauge it is: the penalty spares what is sure to matter and spends on
single units' rain. Other features count 1, other products ``PRODUCT_PRIOR``."""
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
        Gauges whose changes go in, nearest first; tributary gauges are those of unknown place.
    units
        Rain units.
    names, groups
        Name and group of each column, the constant not counted: first the features, then their
        products. ``a*b`` is the product of the standardised columns a and b.
    witnesses
        Features that are no columns of the regression and only help to fill gaps in those that are:
        of rain units that have ended.
    limits
        Lower and upper limit, mean and standard deviation of each feature, witness and product,
        shape (4, n).
    precision
        Inverse covariance of features and witnesses, in standard deviations, shape (n, n).
    """

    station: str
    upstream: tuple[str, ...]
    tributaries: tuple[str, ...]
    downstream: tuple[str, ...]
    units: tuple[str, ...]
    names: tuple[str, ...]
    groups: tuple[str, ...]
    witnesses: tuple[str, ...]
    limits: NDArray[np.float64]
    precision: NDArray[np.float64]

    def regime(self, columns: NDArray[np.int64]) -> tuple[int, list[int], list[int]]:
        """Columns of the own stage, of its last three changes, and of ``REGIME`` among some."""
        changes = [self.names.index(f"change:{self.station}:{lag}") for lag in range(3)]
        others = [int(k) for k in columns if self.names[k] in REGIME]
        return self.names.index(f"level:{self.station}"), changes, others

    def matrix(self, lib: Library, rows: NDArray[np.int64]) -> NDArray[np.float64]:
        """Standardised columns times their ``PRIOR``, constant last, (n_rows, n_columns + 1).

        What is missing becomes what the rest of the row leads one to expect.
        """
        features = _features(self, lib, rows)
        first = features.shape[1]
        z = expected(_standard(features, self.limits[:, :first]), self.precision)
        return self.finished(z, _products(self.names, z), self.limits[:, first:])

    def finished(
        self,
        z: NDArray[np.float64],
        products: NDArray[np.float64],
        limits: NDArray[np.float64],
    ) -> NDArray[np.float64]:
        """Features and standardised products times their ``PRIOR``, and the constant."""
        features = z[:, : z.shape[1] - len(self.witnesses)]
        columns = np.column_stack([features, _standard(products, limits)])
        return np.column_stack([columns * self.priors(), np.ones(len(z))])

    def priors(self) -> list[float]:
        """Size expected of each column's coefficient beside the others'."""
        return [self._prior(name) for name in self.names]

    def _prior(self, name: str) -> float:
        first, *factors = name.split("*")
        kind, gauge = first.split(":")[:2]
        what = "*".join([kind, *(one.partition(":")[0] for one in factors[:1])])
        default = PRODUCT_PRIOR if factors else 1.0
        return PRIOR.get(f"{self._role(gauge)} {what}", PRIOR.get(what, default))

    def shared_names(self) -> list[str]:
        """Names of the columns with gauges called by their place, to compare with other gauges'."""
        upstream = {gauge: f"up{k}" for k, gauge in enumerate(self.upstream)}
        called = {self.station: "own", **upstream, **dict.fromkeys(self.downstream, "down")}
        return ["*".join(_called(one, called) for one in name.split("*")) for name in self.names]

    def drivers(self) -> list[str]:
        """Name for each column the one of ``DRIVERS`` that it belongs to."""
        return [
            "height" if name.startswith(("level:", "above:")) else group
            for name, group in zip(self.names, self.groups, strict=True)
        ]

    def _role(self, gauge: str) -> str:
        """Whose gauge it is; empty for one far upstream and for what is no gauge."""
        roles = {
            "own": (self.station,),
            "near": self.upstream[:PRIOR_GAUGES],
            "tributary": self.tributaries,
            "downstream": self.downstream,
        }
        return next((role for role, gauges in roles.items() if gauge in gauges), "")

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


def _called(name: str, called: dict[str, str]) -> str:
    return ":".join(called.get(part, part) for part in name.split(":"))


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
    heard, of_year = seen[-SILENT_D:].any(), seen[-365:].mean()
    return bool(heard and of_year >= LEAST_OF_YEAR and seen.sum() >= LEAST_DAYS)


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
    witnesses = tuple(
        name
        for unit in ended
        if np.isfinite(lib.rain[unit].to_numpy()).sum() >= LEAST_DAYS
        for name in _unit_names(lib, [unit])
    )
    blank = np.empty((4, 0)), np.empty((0, 0))
    design = Design(
        code, upstream, tributaries, downstream, units, names, groups, witnesses, *blank
    )
    features = _features(design, lib, np.flatnonzero(rows))
    low = _limits(features)
    standard = _standard(features, low)
    precision = _precision(standard)
    z = expected(standard, precision)
    products = _products(names, z)
    high = _limits(products)
    design = replace(design, limits=np.hstack([low, high]), precision=precision)
    return design, design.finished(z, products, high)


def _own_columns(code: str, downstream: tuple[str, ...]) -> list[tuple[str, str]]:
    """Name and group of what the gauge and its neighbour downstream say."""
    level = f"level:{code}"
    names = [f"change:{code}:{lag}" for lag in range(LAGS)]
    names += [f"rise:{code}", level, f"{level}*{level}", f"{level}*{level}*{level}"]
    names += [f"{level}*season:{k}" for k in range(SEASON_WAVES)]
    names += [*_bends(code, level), *_memory(code, level)]
    for gauge in downstream:
        names += [f"change:{gauge}:0", f"change:{gauge}:1", f"rise:{gauge}", f"level:{gauge}"]
    return [(name, "own_trend") for name in names]


def _upstream_columns(code: str, gauge: str, place: int) -> list[tuple[str, str]]:
    """Name and group of what the gauge at a place upstream, 0 the nearest, says."""
    own, level = f"level:{code}", f"level:{gauge}"
    names = [f"change:{gauge}:{lag}" for lag in range(4)] + [f"rise:{gauge}"]
    if place < NEAR_GAUGES:
        names += [level, f"{level}*{level}", f"{level}*{level}*{level}"]
        names += [f"{level}*season:{k}" for k in range(4)]
        names += [f"change:{gauge}:{lag}*{level}" for lag in range(2)]
        names += _bends(gauge, own)
    else:
        names.append(f"change:{gauge}:0*{own}")
    if place < MEMORY_GAUGES:
        names += _memory(gauge, own)
    return [(name, "upstream") for name in names]


def _bends(gauge: str, own: str) -> list[str]:
    """Columns by which a change counts differently in a high river, and a rise than a fall."""
    names = [f"change:{gauge}:{lag}*{own}" for lag in range(3)]
    names += [f"change:{gauge}:{lag}*{own}*{own}" for lag in range(2)] + [f"rise:{gauge}*{own}"]
    for days in ROSE_D:
        names += [f"rose:{gauge}:{days}", f"rose:{gauge}:{days}*rose:{gauge}:{days}"]
    return names


def _memory(gauge: str, own: str) -> list[str]:
    """Columns of the weeks before, from which a recession is told."""
    names = [f"since:{gauge}:{days}" for days in SINCE_D]
    names += [f"above:{gauge}:{days}" for days in ABOVE_D]
    for days in (4, 10, 30):
        names += [f"since:{gauge}:{days}*{by}" for by in (own, "season:0", "season:1")]
    return names


def _rain_columns(lib: Library, code: str, units: tuple[str, ...]) -> list[tuple[str, str]]:
    if not units:
        return []
    names = [WET_MONTH]
    for first, after in MEAN_RAIN_WINDOWS:
        mean = f"mean:{first}:{after}"
        names.append(mean)
        if after <= RAIN_D:
            by = (f"level:{code}", WET_MONTH, *(f"season:{k}" for k in range(4)))
            names += [f"{mean}*{one}" for one in by]
    return [(name, _rain_group(name)) for name in (*names, *_unit_names(lib, units))]


def _rain_group(name: str) -> str:
    """Rain, by the first day of the column's window, or wetness."""
    kind, *words = name.partition("*")[0].split(":")
    since_d = {"mean": words[0], "rain": words[-1]}.get(kind, RAIN_D)
    return "rain" if int(since_d) < RAIN_D else "wetness"


def _unit_names(lib: Library, units: Iterable[str]) -> list[str]:
    """Features of single rain units."""
    names = [f"rain:{unit}:{first}" for unit in units for first, _ in RAIN_WINDOWS]
    names += [f"{kind}:{unit}" for unit in units for kind in ("wet", "soil")]
    return [name for name in names if name in lib.columns]


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


def _features(design: Design, lib: Library, rows: NDArray[np.int64]) -> NDArray[np.float64]:
    """Features and witnesses in their own units, NaN where missing."""
    names = [*(name for name in design.names if "*" not in name), *design.witnesses]
    raw = np.full((len(rows), len(names)), np.nan)
    for k, name in enumerate(names):
        if name.startswith("mean:"):
            raw[:, k] = _mean_rain(lib, design.units, name, rows)
        elif name in lib.columns:
            raw[:, k] = lib.columns[name][rows]
    return raw


def _precision(z: NDArray[np.float64]) -> NDArray[np.float64]:
    """Inverse covariance of standardised columns with gaps, from the rows that each pair shares.

    The covariance is drawn to the identity, more where a pair shares few rows, and kept positive.
    """
    seen = np.isfinite(z)
    filled = np.where(seen, z, 0.0)
    together = seen.T.astype("float64") @ seen
    covariance = (1.0 - UNSURE) * (filled.T @ filled) / (together + FEW_ROWS)
    values, vectors = linalg.eigh(covariance + UNSURE * np.eye(z.shape[1]))
    return np.asarray((vectors / np.clip(values, LEAST_VARIANCE, None)) @ vectors.T)


def expected(z: NDArray[np.float64], precision: NDArray[np.float64]) -> NDArray[np.float64]:
    """Standardised columns with the gaps of each row filled by their conditional mean.

    Parameters
    ----------
    z
        Rows of standardised columns, NaN where missing, shape (n, n_columns).
    precision
        Inverse covariance of the columns, shape (n_columns, n_columns).

    Returns
    -------
    ndarray
        The same without gaps: normal columns' expectation given those that the row has, the
        first step of regularised expectation maximisation (Schneider 2001, J. Climate 14,
        853-871); all 0 for a row of nothing.

    Examples
    --------
    >>> two = np.linalg.inv([[1.0, 0.5], [0.5, 1.0]])
    >>> expected(np.array([[2.0, np.nan], [2.0, -1.0]]), two).tolist()
    [[2.0, 1.0], [2.0, -1.0]]
    """
    gaps = ~np.isfinite(z)
    filled = np.where(gaps, 0.0, z)
    pull = filled @ precision
    packed = np.packbits(gaps, axis=1)
    _, first, kind = np.unique(packed, axis=0, return_index=True, return_inverse=True)
    patterns = gaps[first]
    order = np.argsort(kind, kind="stable")
    groups = np.split(order, np.cumsum(np.bincount(kind, minlength=len(patterns)))[:-1])
    for pattern, rows in zip(patterns, groups, strict=True):
        holes = np.flatnonzero(pattern)
        if len(holes):
            here = np.ix_(rows, holes)
            among = precision[np.ix_(holes, holes)]
            filled[here] = -linalg.solve(among, pull[here].T, assume_a="pos").T
    return np.clip(filled, -WORST, WORST)


def _products(names: tuple[str, ...], z: NDArray[np.float64]) -> NDArray[np.float64]:
    """Products of the standardised features that the names ask for."""
    place = {name: k for k, name in enumerate(names)}
    wanted = [[place[part] for part in name.split("*")] for name in names if "*" in name]
    return np.column_stack([np.prod(z[:, parts], axis=1) for parts in wanted])


def _limits(raw: NDArray[np.float64]) -> NDArray[np.float64]:
    """Limits far beyond the usual, mean and standard deviation of each column, shape (4, n)."""
    filled = np.where(np.isfinite(raw).any(axis=0), raw, 0.0)
    middle, bottom, top = np.nanquantile(filled, [0.5, 0.001, 0.999], axis=0)
    low, high = middle - 2.0 * (middle - bottom), middle + 2.0 * (top - middle)
    bounded = np.clip(filled, low, high)
    sd = np.nanstd(bounded, axis=0)
    return np.stack([low, high, np.nanmean(bounded, axis=0), np.where(sd > 1e-9, sd, 1.0)])


def _standard(raw: NDArray[np.float64], limits: NDArray[np.float64]) -> NDArray[np.float64]:
    """Columns in standard deviations, bounded, NaN where missing."""
    low, high, mean, sd = limits
    return np.asarray(np.clip((np.clip(raw, low, high) - mean) / sd, -WORST, WORST))


def _mean_rain(
    lib: Library, units: tuple[str, ...], name: str, rows: NDArray[np.int64]
) -> NDArray[np.float64]:
    """Root of a window's rain, averaged over the units that have it, NaN with none."""
    window = name.removeprefix("mean:")
    roots = [lib.columns.get(f"root:{unit}:{window}") for unit in units]
    seen = np.stack([np.full(len(rows), np.nan) if root is None else root[rows] for root in roots])
    count = np.isfinite(seen).sum(axis=0)
    return np.where(count > 0, np.nansum(seen, axis=0) / np.maximum(count, 1), np.nan)

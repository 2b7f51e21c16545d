"""Gauges and rain units that a gauge's forecast uses, by place, correlation and activity."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from models.stage.features import Library
from pipeline.geography.places import stations as all_stations

UPSTREAM_GAUGES = 8
TRIBUTARY_GAUGES = 6
SILENT_D = 120
"""Days without a value after which a series has ended."""
LEAST_OF_YEAR = 0.25
"""Least share of the last year's days with a value: some gauges report in the wet season alone, and
are recognised by the end of the dry one."""
LEAST_DAYS = 3 * 365
"""Least number of days with a value for a series to be used."""


def gauges_upstream(code: str) -> list[str]:
    """List every gauge of the table upstream of one, nearest first."""
    places = all_stations()
    upstream: list[str] = []
    queue = list(places[code].upstream) if code in places else []
    while queue:
        gauge = queue.pop(0)
        if gauge not in upstream and gauge != code:
            upstream.append(gauge)
            queue.extend(places[gauge].upstream if gauge in places else ())
    return upstream


def gauges_for(lib: Library, code: str) -> tuple[tuple[str, ...], tuple[str, ...], tuple[str, ...]]:
    """Select gauges for one: upstream nearest first, of unknown place, next downstream."""
    places = all_stations()
    alive = [str(gauge) for gauge in lib.level if _is_alive(lib.level[gauge].to_numpy())]
    upstream = [gauge for gauge in gauges_upstream(code) if gauge in alive][:UPSTREAM_GAUGES]
    unknown = [gauge for gauge in alive if gauge not in places]
    downstream = [
        gauge for gauge in alive if gauge in places and code in places[gauge].upstream[:1]
    ]
    return tuple(upstream), tuple(_rank_by_lead(lib, code, unknown)), tuple(downstream[:1])


def _rank_by_lead(lib: Library, code: str, gauges: list[str]) -> list[str]:
    """Rank gauges by the correlation of their change with this one's of the next day."""
    own_change = lib.columns[f"change:{code}:0"]
    correlations = {}
    for gauge in gauges:
        leading = np.clip(lib.columns[f"change:{gauge}:0"], -3.0, 3.0)[:-1]
        known = np.isfinite(leading) & np.isfinite(own_change[1:])
        if known.sum() >= LEAST_DAYS:
            matrix = np.corrcoef(leading[known], own_change[1:][known])
            correlations[gauge] = float(np.nan_to_num(matrix[0, 1]))
    return sorted(correlations, key=lambda gauge: -correlations[gauge])[:TRIBUTARY_GAUGES]


def units_for(lib: Library) -> tuple[str, ...]:
    """Select rain units that report at the end of training and have a long enough record."""
    return tuple(str(unit) for unit in lib.rain if _is_alive(lib.rain[unit].to_numpy()))


def _is_alive(values: NDArray[np.float64]) -> bool:
    known = np.isfinite(values)
    recent, of_year = known[-SILENT_D:].any(), known[-365:].mean()
    return bool(recent and of_year >= LEAST_OF_YEAR and known.sum() >= LEAST_DAYS)

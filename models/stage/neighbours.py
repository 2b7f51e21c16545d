"""Gauges and rain units that a gauge's forecast uses, by place, correlation and activity."""

from __future__ import annotations

from dataclasses import dataclass

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
PRIOR_GAUGES = 4
"""Gauges upstream that are ``near`` in ``PRIOR``."""


@dataclass(frozen=True)
class Neighbours:
    """Gauges and rain units that the forecast of one gauge uses.

    Parameters
    ----------
    station
        MRC code.
    upstream, tributaries, downstream
        Gauges whose changes are columns, nearest first; tributaries are gauges of unknown place.
    units, ended_units
        Rain units, and those that have ended and only help to fill gaps.
    """

    station: str
    upstream: tuple[str, ...] = ()
    tributaries: tuple[str, ...] = ()
    downstream: tuple[str, ...] = ()
    units: tuple[str, ...] = ()
    ended_units: tuple[str, ...] = ()

    def role(self, gauge: str) -> str:
        """Return the role of a gauge; empty for one far upstream and for no gauge."""
        roles = {
            "own": (self.station,),
            "near": self.upstream[:PRIOR_GAUGES],
            "tributary": self.tributaries,
            "downstream": self.downstream,
        }
        return next((role for role, gauges in roles.items() if gauge in gauges), "")

    def share_name(self, name: str) -> str:
        """Name of a column with gauges called by their place, to compare with other gauges'."""
        upstream = {gauge: f"up{k}" for k, gauge in enumerate(self.upstream)}
        by_place = {self.station: "own", **upstream, **dict.fromkeys(self.downstream, "down")}

        def rename(feature: str) -> str:
            return ":".join(by_place.get(part, part) for part in feature.split(":"))

        return "*".join(rename(feature) for feature in name.split("*"))


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


def select_neighbours(lib: Library, code: str) -> Neighbours:
    """Select gauges and rain units for one gauge.

    Gauges are those upstream, nearest first, of unknown place, and the next downstream. Units are
    those that report at the end of the library and have a long enough record.
    """
    places = all_stations()
    alive = [str(gauge) for gauge in lib.level if _is_alive(lib.level[gauge].to_numpy())]
    upstream = [gauge for gauge in gauges_upstream(code) if gauge in alive][:UPSTREAM_GAUGES]
    unknown = [gauge for gauge in alive if gauge not in places]
    downstream = [
        gauge for gauge in alive if gauge in places and code in places[gauge].upstream[:1]
    ]
    units, ended = list[str](), list[str]()
    for unit in map(str, lib.rain):
        values = lib.rain[unit].to_numpy()
        if _is_alive(values):
            units.append(unit)
        elif np.isfinite(values).sum() >= LEAST_DAYS:
            ended.append(unit)
    return Neighbours(
        station=code,
        upstream=tuple(upstream),
        tributaries=tuple(_rank_by_lead(lib, code, unknown)),
        downstream=tuple(downstream[:1]),
        units=tuple(units),
        ended_units=tuple(ended),
    )


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


def _is_alive(values: NDArray[np.float64]) -> bool:
    known = np.isfinite(values)
    recent, of_year = known[-SILENT_D:].any(), known[-365:].mean()
    return bool(recent and of_year >= LEAST_OF_YEAR and known.sum() >= LEAST_DAYS)

"""Names of the columns of one gauge's regressions, and the kind of evidence of each."""

from __future__ import annotations

from collections.abc import Iterable

import pandas as pd

from models.stage.features import (
    ABOVE_D,
    LAGS,
    MEAN_RAIN_WINDOWS,
    RAIN_WINDOWS,
    RISE_WINDOWS_D,
    SINCE_D,
    WET_MONTH_WINDOW,
)
from models.stage.neighbours import Neighbours
from pipeline.geography.places import stations as all_stations

SEASON_WAVES = 6
"""Sines and cosines of the year, its half and its third."""
NEAR_GAUGES = 3
"""Gauges upstream whose stage, rises, and products with the own stage are columns."""
MEMORY_GAUGES = 2
"""Gauges upstream whose changes over weeks are columns."""
RAIN_D = 7
"""Days back from which rain is called wetness and no longer multiplied with the river's state."""
WET_MONTH = f"mean:{WET_MONTH_WINDOW[0]}:{WET_MONTH_WINDOW[1]}"


def list_columns(neighbours: Neighbours, table: pd.DataFrame) -> list[tuple[str, str]]:
    """Name and group of each column, products last."""
    code, upstream = neighbours.station, neighbours.upstream
    tidal = _feels_tide(code)
    columns = [
        *_own_columns(code, neighbours.downstream),
        *(
            pair
            for place, gauge in enumerate((*upstream, *neighbours.tributaries))
            for pair in _upstream_columns(code, gauge, place if place < len(upstream) else 99)
        ),
        *_rain_columns(table, code, neighbours.units),
        *((name, "season") for name in map(str, table) if name.startswith("season:")),
        *((name, "tide") for name in map(str, table) if name.startswith("tide:") and tidal),
    ]
    return sorted(columns, key=lambda pair: "*" in pair[0])


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


def _rain_columns(table: pd.DataFrame, code: str, units: tuple[str, ...]) -> list[tuple[str, str]]:
    if not units:
        return []
    names = [WET_MONTH]
    for first, after in MEAN_RAIN_WINDOWS:
        mean = f"mean:{first}:{after}"
        names.append(mean)
        if after <= RAIN_D:
            factors = (f"level:{code}", WET_MONTH, *(f"season:{k}" for k in range(4)))
            names += [f"{mean}*{factor}" for factor in factors]
    return [(name, _rain_group(name)) for name in (*names, *unit_names(table, units))]


def _rain_group(name: str) -> str:
    """Rain, by the first day of the column's window, or wetness."""
    kind, *parts = name.partition("*")[0].split(":")
    since_d = {"mean": parts[0], "rain": parts[-1]}.get(kind, RAIN_D)
    return "rain" if int(since_d) < RAIN_D else "wetness"


def unit_names(table: pd.DataFrame, units: Iterable[str]) -> list[str]:
    """Names of the features of single rain units that a table has."""
    names = [f"rain:{unit}:{first}" for unit in units for first, _ in RAIN_WINDOWS]
    names += [f"{kind}:{unit}" for unit in units for kind in ("wet", "soil")]
    return [name for name in names if name in table]


def _feels_tide(code: str) -> bool:
    places = all_stations()
    return code in places and places[code].basin == "delta"

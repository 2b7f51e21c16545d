"""Quality flags of gauge readings: what each says, and how the checks set them.

Nothing is deleted or overwritten: the tables keep every reading as it came, and the flags are made
anew on every read, from the readings known at the moment of the question alone. A flag stored at
ingest would either look ahead (a history read in one go knows the morning after) or depend on the
order of the files. So the newest reading is taken as it is unless it is impossible: whether it is a
spike can only be told by what follows, and a crest that is held back would be a flood that is
missed. But a newest reading beyond all that its gauge has shown before is ``unconfirmed``: it alone
puts no Warning in force, and the next reading, a neighbour or the forecast decides.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import timedelta
from functools import partial
from itertools import pairwise

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from pipeline.geography.gauge_figures import verified_zeros
from pipeline.geography.places import Station, stations
from pipeline.geography.variables import VARIABLES
from pipeline.quality import conflicts
from pipeline.quality.checks import (
    Blocked,
    Check,
    Downpour,
    Hampel,
    Jump,
    Range,
    Rate,
    Spike,
    Stuck,
)
from pipeline.quality.gauge_limits import Limits, collect_records, limits_at
from pipeline.quality.level_shifts import Bools, Floats, FrozenSensor
from pipeline.quality.neighbours import AuxiliaryReadings
from pipeline.quality.stage_codes import find_codes, find_flow_codes

Objects = NDArray[np.object_]

USED = ("good", "estimated", "converted", "shifted", "chosen")
"""Flags of the readings that forecasts, training and verification use."""
HELD = ("unconfirmed", "rate", "jump")
"""Flags of a newest reading on which the next one decides."""
FLAGS = (*USED, "absolute", "conflict", "code", "range", "spike", "stuck", "missing", *HELD)
"""``estimated``, ``shifted`` (a stamp put right) and ``conflict`` come from the file; ``chosen`` is
the value that is used of several that stood for one time, ``conflict`` the others, or all of them
where they lie on both sides of a mark; ``absolute`` is a level above the sea at a gauge without
zero and thresholds: its changes count, the level does not; ``code`` is a number that stands for
missing; ``missing`` is a reading that its agency withdrew, without a value."""
CONTEXT = timedelta(days=45)
"""Readings before an interval that its flags depend on: longer than any check looks back."""
_HOUR = np.timedelta64(3600, "s")
_DAILY = Spike()
_CLOSE = Spike(up_m=0.3, down_m=0.3, alone=2.0, nearest_h=0.0, farthest_h=1.5)
FLASHY_YEARS, FLASHY_SHARE = 4, 0.1
"""A gauge that peaks for one reading in so many years, and so great a share of them, is flashy."""
RAIN: tuple[tuple[str, Check], ...] = (
    ("range", Downpour()), ("stuck", Stuck(close_h=6.0, apart_h=96.0, least=1.0)),
    ("stuck", Blocked()),
)  # fmt: skip
"""Checks of rain; the same 1 mm or more on five days is a copied cell."""
ABOVE_FLOOD_M = 5.0
"""No reading of 1960-2018 at a gauge of the table is as much above its flood stage."""
TIDAL_BASIN, TIDE_M, DRY_TIDE_M = "delta", 3.0, 1.5
"""Change of the tide within hours: at the tidal gauges, and where it shows in the dry season."""
SAME_RIVER_H = 168.0
"""A level tells what to expect for so long."""
SEA_M = 20.0
"""A gauge whose zero is higher than this above the sea cannot read its level for its stage."""


def flag(readings: pd.DataFrame, limits: Mapping[str, Limits] | None = None) -> pd.DataFrame:
    """Set the flags of readings from them, and from their gauges' record, without look-ahead.

    Parameters
    ----------
    readings
        Canonical readings (station, variable, method, valid_time, value, unit, qc, raw): all that
        were known at a moment; of one station, variable, method and time several where files
        disagree.
    limits
        What each gauge has shown before; by default in these readings.

    Returns
    -------
    pandas.DataFrame
        The same rows, by series and time, with ``qc`` from ``FLAGS`` and ``settled``, the moment
        (naive UTC) from which on the reading is used, or left out, as it is. Where a stage was
        plainly given in another unit or above the sea, ``value`` is restated, ``raw`` says what was
        given and ``qc`` is ``converted``; no other value is changed.
    """
    keys = ["station", "variable", "method"]
    rows = readings.sort_values([*keys, "valid_time"], ignore_index=True, kind="stable")
    if rows.empty:
        return rows.assign(settled=rows["valid_time"])
    stages = rows[(rows["variable"] == "stage") & rows["value"].notna()]
    once = stages[~stages.duplicated([*keys, "valid_time"], keep=False)]
    if limits is None:
        limits = limits_at(collect_records(once[once["qc"].isin(USED)]))
    auxiliary = AuxiliaryReadings(_by_series(once))
    rows = conflicts.choose(rows, auxiliary)
    hours = (rows["valid_time"].to_numpy() - np.datetime64(0, "ns")) / _HOUR
    series = _Series(
        hours=hours,
        value=rows["value"].to_numpy("float64", copy=True),
        flag=rows["qc"].to_numpy(dtype=object, copy=True),
        raw=rows["raw"].to_numpy(dtype=object, copy=True),
        settled=hours.copy(),
        unflagged=(rows["qc"].isin([*USED, "absolute"]) & rows["value"].notna()).to_numpy().copy(),
    )
    starts = np.flatnonzero((rows[keys] != rows[keys].shift()).any(axis=1))
    names = rows.loc[starts, keys].itertuples(index=False)
    for start, end, (station, variable, method) in zip(
        starts, [*starts[1:], len(rows)], names, strict=True
    ):
        gauge_series = series.part(slice(start, end))
        if variable == "stage":
            _flag_stages(station, method, gauge_series, limits.get(station, Limits(0)), auxiliary)
        else:
            row = VARIABLES[variable]
            if variable == "discharge":
                rows_left = gauge_series.unflagged_rows()
                hours_left, flow_left = gauge_series.hours[rows_left], gauge_series.value[rows_left]
                gauge_series.put("code", rows_left, find_flow_codes(hours_left, flow_left))
            gauge_series.apply("range", Range(row.valid_min, row.valid_max))
            for name, check in RAIN if variable == "rain" else ():
                gauge_series.apply(name, check)
    seconds = np.round(series.settled * 3600.0).astype("timedelta64[s]")
    return rows.assign(
        value=series.value,
        qc=pd.array(series.flag, dtype="str"),
        raw=series.raw,
        settled=(np.datetime64(0, "s") + seconds).astype("datetime64[ns]"),
    )


def _by_series(stages: pd.DataFrame) -> dict[tuple[str, str], tuple[Floats, Floats]]:
    """Collect times (hours) and stages of each station and method that no file doubts."""
    rows = stages[stages["qc"].isin(USED)]
    hours = (rows["valid_time"].to_numpy() - np.datetime64(0, "ns")) / _HOUR
    value = rows["value"].to_numpy("float64")
    grouped = rows.reset_index(drop=True).groupby(["station", "method"])
    return {
        (str(key[0]), str(key[1])): (hours[series.index], value[series.index])
        for key, series in grouped["value"]
    }


@dataclass(frozen=True)
class _Series:
    """Columns of one series, changed in place."""

    hours: Floats
    value: Floats
    flag: Objects
    raw: Objects
    settled: Floats
    unflagged: Bools

    def part(self, rows: slice) -> _Series:
        """Give views of some rows."""
        return _Series(
            hours=self.hours[rows],
            value=self.value[rows],
            flag=self.flag[rows],
            raw=self.raw[rows],
            settled=self.settled[rows],
            unflagged=self.unflagged[rows],
        )

    def unflagged_rows(self) -> NDArray[np.int64]:
        """Rows that no check has flagged so far."""
        return np.flatnonzero(self.unflagged)

    def set(self, name: str, rows: NDArray[np.int64] | Bools) -> None:
        """Give rows a flag."""
        self.flag[rows] = name
        self.unflagged[rows] = name in {*USED, "absolute"}

    def apply(self, name: str, check: Check) -> None:
        """Flag what a check finds among the readings without a flag."""
        rows = self.unflagged_rows()
        self.put(name, rows, check.check(self.hours[rows], self.value[rows]))

    def put(self, name: str, rows: NDArray[np.int64], faulty: Bools) -> None:
        """Flag the faulty ones of some rows; settled once a reading that is not follows."""
        bad = rows[faulty]
        if not len(bad):
            return
        self.set(name, bad)
        good = np.append(self.hours[rows[~faulty]], np.inf)
        after = good[np.searchsorted(good, self.hours[bad])]
        self.settled[bad] = np.where(np.isfinite(after), after, self.hours[-1])


def _flag_stages(
    station: str, method: str, series: _Series, limits: Limits, auxiliary: AuxiliaryReadings
) -> None:
    """Flag the stages of one series: each check sees what none before it has flagged."""
    gauge = stations().get(station)
    row = VARIABLES["stage"]
    warned = gauge is not None and (gauge.alarm_m is not None or gauge.flood_m is not None)
    highest = row.valid_max
    if gauge is not None and gauge.flood_m is not None:
        highest = gauge.flood_m + ABOVE_FLOOD_M
        if limits.known:
            highest = max(highest, limits.highest + limits.room[0])
    within = Range(row.valid_min, highest)
    if warned:  # a level above the sea would be taken for a flood
        series.set("range", series.flag == "absolute")
    rows = series.unflagged_rows()
    code = find_codes(
        series.hours[rows], series.value[rows], limits, raw=series.raw[rows], tide_m=_tide_m(gauge)
    )
    series.set("code", rows[code])
    known = np.isfinite(series.value) & (series.flag != "code")
    stage = series.unflagged & (series.flag != "absolute")
    out = within.check(series.hours, series.value) & stage
    if not warned and 2 * np.count_nonzero(out & (series.value > highest)) > known.sum():
        series.set("range", stage)
        series.set("absolute", out & (series.value > highest))
    elif out.any():
        _restate(series, out, within, zero_m_amsl=verified_zeros().get(station))
    _flag_spikes(series)
    series.apply("stuck", Stuck())
    _flag_shifts(station, method, series, auxiliary)
    series.apply("stuck", FrozenSensor())
    beyond = partial(
        limits.outside,
        flood_m=None if gauge is None else gauge.flood_m,
        tide_m=_tide_m(gauge),
    )
    _flag_newest(station, method, series, beyond, auxiliary)


def _tide_m(gauge: Station | None) -> float:
    """Change that the tide makes within hours at a gauge, m."""
    if gauge is None or gauge.basin != TIDAL_BASIN:
        return 0.0
    return TIDE_M if gauge.tidal else DRY_TIDE_M


def _flag_spikes(series: _Series) -> None:
    """Flag what stands alone; peaks of one reading are water where the gauge has them often."""
    rows = series.unflagged_rows()
    hours, value = series.hours[rows], series.value[rows]
    faulty = _DAILY.check(hours, value)
    at = np.flatnonzero(faulty)
    peaks = at[value[at] > value[at - 1]]
    years = len(np.unique(hours[peaks] // 8766.0))
    if years >= FLASHY_YEARS and years >= FLASHY_SHARE * np.ptp(hours) / 8766.0:
        faulty[peaks] = False
    series.put("spike", rows, faulty)
    series.apply("spike", _CLOSE)
    series.apply("spike", Hampel())
    spikes = series.flag == "spike"
    # Of a spike the readings of a day or two tell, and it is one in their light alone.
    series.settled[spikes] = np.maximum(series.settled, series.hours + 48.0)[spikes]


def _flag_shifts(station: str, method: str, series: _Series, auxiliary: AuxiliaryReadings) -> None:
    """Flag level shifts that no river makes, until they are undone or have proved to be water."""
    for name, check in (("rate", Rate()), ("jump", Jump())):
        rows = series.unflagged_rows()
        hours, value = series.hours[rows], series.value[rows]

        def evidence(start: int, hours: Floats = hours, value: Floats = value) -> bool | None:
            before, after = ((float(hours[at]), float(value[at])) for at in (start - 1, start))
            return auxiliary.support(station, method, before=before, after=after)

        shifts = check.track(hours, value, evidence)
        doubted = np.isfinite(shifts.doubted_h)
        series.settled[rows[doubted]] = shifts.doubted_h[doubted]
        series.put(name, rows, shifts.faulty)


def _flag_newest(
    station: str,
    method: str,
    series: _Series,
    beyond: Callable[[Floats, Floats, Floats], Bools],
    auxiliary: AuxiliaryReadings,
) -> None:
    """Flag the newest reading where it is beyond what its gauge has shown before, and alone.

    The reading before it is a spike if it was beyond as well and the newest takes half of it back.
    """
    rows = series.unflagged_rows()
    if len(rows) < 2:
        return
    hours, value = series.hours[rows], series.value[rows]
    out = beyond(value[:-1], value[1:], np.diff(hours))
    # Each was the newest once, and held until the next one came.
    doubted = rows[1:-1][out[:-1]]
    series.settled[doubted] = np.maximum(series.settled[doubted], hours[2:][out[:-1]])

    def alone(before: int, after: int) -> bool:
        pair = [(float(hours[at]), float(value[at])) for at in (before, after)]
        return not auxiliary.support(station, method, before=pair[0], after=pair[1])

    last, base = len(rows) - 1, len(rows) - 2
    if base > 0 and out[-2]:
        kept = (value[last] - value[base - 1]) / (value[base] - value[base - 1])
        if kept < 0.5 and alone(base - 1, base):
            series.set("spike", rows[base:last])
            base -= 1
    step = slice(base, base + 1)
    newest_out = beyond(value[step], value[last:], hours[last:] - hours[step])
    if newest_out[0] and alone(base, last):
        series.set("unconfirmed", rows[last:])


def _restate(series: _Series, out: Bools, limits: Range, *, zero_m_amsl: float | None) -> None:
    """Restate stages given in cm or mm, or above the sea; flag the rest of ``out``.

    Another unit is believed where whole cm or mm continue the level of the last days, a level
    above the sea where the gauge's zero is verified and so high that nothing else fits, and the
    level moves as the river does: a number that repeats itself is a code.
    """
    hours, value = series.hours, series.value
    good = np.flatnonzero(~out & series.unflagged & (series.flag != "absolute"))
    last = -1
    above_sea = np.zeros(len(value), dtype=np.bool_)
    if zero_m_amsl is not None and zero_m_amsl >= SEA_M:
        stage = np.where(out, value - zero_m_amsl, value)
        above_sea[out] = _moves(hours, stage, np.sort(np.append(good, np.flatnonzero(out))))[out]
    for at in np.flatnonzero(out).tolist():
        before = good[: np.searchsorted(good, at)]
        last = max(last, int(before[-1]) if len(before) else -1)
        candidates = []
        if last >= 0 and hours[at] - hours[last] <= SAME_RIVER_H and value[at] == round(value[at]):
            drift = _drift_m(hours[at] - hours[last])
            units = (value[at] / 100.0, value[at] / 1000.0)
            candidates = [given for given in units if abs(given - value[last]) <= drift]
        if zero_m_amsl is not None and above_sea[at]:
            candidates.append(value[at] - zero_m_amsl)
        candidates = [given for given in candidates if limits.lowest <= given <= limits.highest]
        if candidates:
            series.raw[at] = f"{value[at]:g} m"
            value[at], series.flag[at], last = candidates[0], "converted", at
        else:
            series.set("range", np.array([at]))


def _drift_m(apart_h: float) -> float:
    """Largest distance of a level from one that it continues, m."""
    return 0.5 + 0.5 * apart_h / 24.0


def _moves(hours: Floats, stage: Floats, rows: NDArray[np.int64]) -> Bools:
    """Return which stages continue, or are continued by, the nearest one of another value."""
    moving = np.zeros(len(stage), dtype=np.bool_)
    runs = np.split(rows, np.flatnonzero(np.diff(stage[rows])) + 1)
    for before, after in pairwise(runs):
        at, to = before[-1], after[0]
        apart_h = hours[to] - hours[at]
        if apart_h <= SAME_RIVER_H and abs(stage[to] - stage[at]) <= _drift_m(apart_h):
            moving[before] = moving[after] = True
    return moving
